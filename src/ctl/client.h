/*
 * The connection to hauld: lines of JSON-RPC over a Unix socket (haul-rpc(7)),
 * many requests in flight.  It neither waits by itself nor tells anything; the
 * verbs do, by ctl_call() or with a poll of their own.  Owned by struct ctl.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cleanup.h"

enum {
	CLIENT_LINE_MAX = 1 << 20,       /* bytes of a request, as hauld has it */
	CLIENT_ANSWER_MAX = 64 << 20,    /* bytes of an answer that is believed */
	CLIENT_JOBS_MAX = 1000,          /* jobs that a request may name */
};

struct client {
	int fd; /* owned, non-blocking */
	struct buf in, out;
	int passed;      /* owned: a descriptor that came with an answer, the last one; -1 */
	size_t scanned;  /* bytes of `in` without an end of line */
	uint64_t last_id;
};

/* The path that counts: the option's, HAULCTL_SOCKET, the user's, the
 * system's.  Newly allocated. */
char *client_socket_path(const char *option);
/* 0, or -errno. */
int client_open(const char *path, struct client **ret) MUST_CHECK;
void client_free(struct client *c);
/* Queues a request and returns its id; params (may be NULL) is given away. */
uint64_t client_send(struct client *c, const char *method, json_t *params);
/* The same for params that are text already. */
uint64_t client_send_text(struct client *c, const char *method, const char *params, size_t n);
/* What poll(2) shall wait for. */
short client_events(const struct client *c);
/* Reads and writes what is possible now.  0; -EPIPE when hauld has closed the
 * connection; -errno. */
int client_pump(struct client *c) MUST_CHECK;
/* The next message that has arrived; 1 and *ret (the caller's reference), 0 when
 * there is none, -EPROTO when it is no JSON object, -EMSGSIZE. */
int client_next(struct client *c, json_t **ret) MUST_CHECK;
/* Both, and the waiting: the next message.  0 or -errno. */
int client_wait(struct client *c, json_t **ret) MUST_CHECK;
/* The id of an answer; 0 for anything else. */
uint64_t client_answer_id(const json_t *message);
