/*
 * The client side of hauld-store: the jobs of the last run, an outbox of
 * changes, and the word that they are durable (DESIGN I4).  A store that dies
 * is started again, and all that it did not say is committed is sent again in
 * its order.  The caller bounds the outbox: store_is_full().  Callers: service,
 * engine, control.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/list.h"
#include "daemon/loop/child.h"
#include "daemon/loop/loop.h"
#include "wire/store_msg.h"

struct store;

/* From the loop, never from inside a function of the store.  Of all callbacks
 * only on_fatal and on_stopped may call store_free(). */
struct store_ops {
	/* Each job, in the order of ids; borrowed for the call. */
	void (*on_job)(const struct store_job *j, void *arg);
	/* Once, when all jobs were told: no new one may have an id up to last_id. */
	void (*on_loaded)(uint64_t last_id, void *arg);
	/* Once: it cannot be used at all, and nothing more becomes durable.  The
	 * sentence is safe to show. */
	void (*on_fatal)(const char *text, void *arg);
	/* Before on_loaded; each may be NULL.  Of jobs that are not told, for they are a
	 * client's and over: the name, where there is one.  Keys of requests, in the
	 * order of their jobs. */
	void (*on_named)(uint64_t id, const char *name, size_t n, void *arg);
	/* The destinations of the last of them that ended. */
	void (*on_left)(uint64_t id, const char *output, size_t n, void *arg);
	void (*on_key)(const struct store_key *k, void *arg);
	/* The notes, all of them before the first job; again when the store dies meanwhile. */
	void (*on_note)(const char *key, const void *data, size_t n, void *arg);
	/* Before on_loaded and later: how many such jobs there are now. */
	void (*on_ended)(const struct store_ended *n, void *arg);
	/* One of them is not kept any longer. */
	void (*on_expired)(uint64_t id, void *arg);
};

/* error: NULL, or why it is not durable: a sentence, safe to show. */
typedef void (*store_durable_cb)(const char *error, void *arg);

/* Embedded by the caller; zeroed before use; busy until its callback. */
struct store_wait {
	struct list link;
	struct store *store; /* NULL: not waiting */
	uint64_t seq;
	bool failed;
	store_durable_cb cb;
	void *arg;
};

/* Starts hauld-store on an existing directory, and the loading; both strings
 * are copied, ops borrowed. */
struct store *store_new(struct loop *l, struct children *c, const char *program_path, const char *dir,
    const struct store_ops *ops, void *arg);
/* Kills a child that still runs; no callback comes any more, waits included. */
void store_free(struct store *s);
/* When all is committed, the child ends and then on_stopped comes, once and
 * never from here; at once when the store is beyond use.  Nothing may be put
 * any more.  It takes for ever while the store cannot write: then store_free(). */
void store_stop(struct store *s, loop_cb on_stopped, void *arg);

/* Also before on_loaded. */
void store_put(struct store *s, const struct store_job *j);
void store_update(struct store *s, const struct store_job *j); /* all but its spec */
void store_delete(struct store *s, uint64_t id);
/* Before the puts of its jobs, whose ids are first_id and the next ones. */
void store_put_key(struct store *s, const struct store_key *k);
void store_drop_key(struct store *s, uint64_t first_id);
/* A small fact that is told again in the next life, at most STORE_NOTE_KEY_MAX and
 * STORE_NOTE_MAX bytes; n 0: not any more. */
void store_note(struct store *s, const char *key, const void *data, size_t n);
/* At first all ended jobs are kept. */
void store_set_limits(struct store *s, const struct store_limits *l);

/* cb once, from the loop and never from here: when everything queued so far is
 * durable, or when the store cannot write now.  Then the change stays queued:
 * the caller queues another that takes it back. */
void store_when_durable(struct store *s, struct store_wait *w, store_durable_cb cb, void *arg);
/* Its callback does not come any more; safe on one that does not wait. */
void store_forget_wait(struct store_wait *w);

/* Nothing may be put any more. */
bool store_is_stopping(const struct store *s);
/* It cannot write now; *ret_why (may be NULL) is a sentence, until the next turn. */
bool store_is_failed(const struct store *s, const char **ret_why);
/* It has something to do and has said nothing for some seconds, which a disk that
 * lives does not take: for so many milliseconds, or 0.  It is not killed, for what it
 * hangs in would not let it go. */
uint64_t store_silent_ms(const struct store *s);
/* So much is not committed that nobody should change anything: the memory that the
 * outbox takes has a bound when all callers ask. */
bool store_is_full(const struct store *s);
uint64_t store_commits(const struct store *s); /* since the start */
size_t store_queued(const struct store *s); /* messages that are not committed */
/* The number of the last change that was queued, and of the last that is durable. */
uint64_t store_last(const struct store *s);
uint64_t store_committed(const struct store *s);
pid_t store_pid(const struct store *s);     /* 0: none runs now */
