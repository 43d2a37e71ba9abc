/*
 * One connection: lines in, answers and events out.  A line is handled at a
 * time, a few in each turn; a client that does not read is not read from, so
 * that nobody else waits for it.  Caller: control.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/list.h"
#include "daemon/control/call.h"
#include "daemon/loop/loop.h"

enum {
	CLIENT_LINE_MAX = 1 << 20,     /* bytes of a request */
	CLIENT_CALLS_MAX = 64,         /* requests that are not answered yet */
	CLIENT_OUT_PAUSE = 256 << 10,  /* of output: no more requests are read, progress is dropped */
	CLIENT_OUT_MAX = 8 << 20,      /* of output: it does not read, and is let go */
	CLIENT_LINES_PER_TURN = 32,
	CLIENT_MS_PER_TURN = 2,        /* then the others have their turn; what is begun is ended */
	CLIENT_VALUES_MAX = 20000,     /* of a request: each costs the parser more than its bytes */
	CLIENT_LINE_FREE = 64 << 10,   /* of an unfinished line that anybody may have */
	CLIENTS_IN_MAX = 64 << 20,     /* of unfinished lines of all clients */
};

struct client {
	struct list link;        /* of control's clients */
	struct control *control; /* borrowed */
	struct loop *loop;
	struct loop_io io;
	struct loop_deferred next; /* more lines are there, or it is to be closed */
	struct buf in, out;
	size_t searched;         /* bytes of `in` without an end of line */
	int pass_fd;             /* owned: goes with the byte of `out` behind pass_at others; -1 */
	size_t pass_at;
	struct list calls;       /* struct call */
	unsigned n_calls;
	size_t kept;             /* bytes of jobs in answers that are not complete yet; await.c */
	bool let_in;             /* it has one of the places; control.c */
	bool paused;             /* nothing is handled until client_resume() */
	bool waits;          /* its request waits for room in the queue; backlog.c */
	bool ended;              /* it sends nothing more */
	bool broken;             /* to be let go */
	pid_t pid;
	uint32_t uid;
	enum control_policy policy;
	struct list subscriptions; /* struct subscription, watch.c */
	unsigned n_subscriptions;
};

/* Takes the descriptor. */
struct client *client_new(struct control *control, struct loop *l, int fd);
/* Its calls are orphaned or go on without it. */
void client_free(struct client *c);
struct buf *client_out(struct client *c);
/* The descriptor goes with the first byte of what is put into client_out() next, and
 * is closed here.  False: another one is on its way, or the client goes; the caller
 * keeps it. */
bool client_pass(struct client *c, int fd);
/* Sends what is there; the client may be let go, later in this turn. */
void client_push(struct client *c);
/* Lines that came wait: a change of this client is on its way (DESIGN 6). */
void client_pause(struct client *c);
void client_resume(struct client *c);
/* An error that belongs to no request, and the end. */
void client_refuse(struct client *c, const char *message);

/* call.c */
void client_add_call(struct client *c, struct call *call);
void client_drop_call(struct client *c, struct call *call);

/* control.c: a line that came (not NUL-terminated), and the end of the client. */
void control_on_line(struct control *control, struct client *c, const char *line, size_t n);
void control_on_client_end(struct client *c);
/* One of them sends nothing more; it must be looked at until it has gone. */
void control_client_ended(struct control *control);
/* watch.c: it has read something of what was queued. */
void watch_client_reads(struct client *c);
/* Bytes of unfinished lines changed. */
bool control_may_buffer(struct control *control, size_t before, size_t after);
