/*
 * A program of ours that hauld talks to: a child in a process group of its own, and
 * a channel over pipes to its descriptors 0 and 1.  It is over when its exit was reaped
 * and its channel is at its end, in either order; then it may be started again.
 * Callers: pool, conf, store, spawn.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "daemon/loop/chan.h"
#include "daemon/loop/child.h"

struct helper_ops {
	chan_message_cb on_message;
	/* Its channel is at its end, for this reason (chan.h).  True: it is killed if it has
	 * not ended by itself.  NULL: the same. */
	bool (*on_closed)(int why, void *arg);
	/* It was reaped, and its channel may still be open.  NULL: nobody wants to know. */
	void (*on_reaped)(void *arg);
	/* It is over; the last call, so that the helper may go. */
	void (*on_over)(void *arg);
	/* The time of helper_wait() has passed.  NULL: nobody waits. */
	loop_cb on_waited;
};

struct helper {
	struct loop *loop;         /* borrowed */
	struct children *children; /* borrowed */
	const char *name;          /* of the channel and the timer, static */
	const struct helper_ops *ops;
	void *arg;
	pid_t pid;         /* 0: none, or reaped */
	struct chan *chan; /* owned; NULL: none, or at its end */
	int status;        /* of waitpid(2), of the one that was reaped last */
	struct loop_timer wait; /* set: it waits */
};

void helper_init(struct helper *h, struct loop *l, struct children *c, const char *name,
    const struct helper_ops *ops, void *arg);
/* Only when it is over.  argv[0] is the path of the program; fd becomes its descriptor 3,
 * -1: none.  0 or -errno. */
int helper_start(struct helper *h, char *const *argv, int fd) MUST_CHECK;
/* The same with what the caller has made: a child, or 0 for what is none and is over with its
 * channel; and its channel's descriptors, which are taken over. */
void helper_attach(struct helper *h, pid_t pid, int in, int out);
/* What on_closed was told, when that is less than 0, in words: behind "NAME: ". */
const char *helper_fault(int why);
/* SIGKILL, if it is a child that has not been reaped. */
void helper_kill(const struct helper *h);
/* No callback comes any more; a child is killed, and reaped all the same. */
void helper_done(struct helper *h);

/* Behind a death, before it is started again. */
void helper_wait(struct helper *h, uint64_t ms);

static inline bool
helper_is_over(const struct helper *h)
{
	return !h->pid && !h->chan;
}

/* Before the next start of what has died so often: doubled each time, up to most. */
static inline uint64_t
helper_pause_ms(unsigned deaths, uint64_t least, uint64_t most)
{
	return MIN(least << MIN(deaths, 10U), most);
}
