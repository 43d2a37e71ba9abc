/*
 * Questions about jobs of clients that are over and have left the memory, for
 * which a second hauld-store reads the database.  It is started with the first
 * question, ends when there was none for a while, and is killed when it is silent
 * with one to answer.  Callers: engine, control.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "daemon/loop/child.h"
#include "daemon/loop/loop.h"
#include "wire/read_msg.h"

struct history;

/* From the loop, never from inside a function of the history; these may ask and
 * forget questions. */
struct history_ops {
	/* Borrowed for the call. */
	void (*on_job)(const struct store_job *j, void *arg);
	/* The last of it.  error: NULL, or why there is no answer: a sentence, safe to
	 * show; then the jobs that were told do not count, and end is not set. */
	void (*on_end)(const struct read_end *end, const char *error, void *arg);
};

/* Embedded by the caller; zeroed before use; busy until on_end. */
struct question {
	struct list link;
	struct history *history; /* NULL: not asked */
	uint64_t id;
	struct buf frame;        /* as it is sent */
	unsigned strikes;        /* children that died over it */
	bool given;              /* to the child of now */
	const char *error;       /* to be told; static, or the history's */
	const struct history_ops *ops;
	void *arg;
};

/* Starts nothing yet; both strings are copied. */
struct history *history_new(struct loop *l, struct children *c, const char *program_path, const char *dir);
/* Kills a child that runs; no callback comes any more. */
void history_free(struct history *h);

/* Nothing is asked any more: the child ends, and then on_stopped comes, once and never
 * from here.  As long as it has the database open, the store cannot put all of the log
 * into it. */
void history_stop(struct history *h, loop_cb on_stopped, void *arg);

/* Jobs by their ids, in the order of these, those left out that are not history; at
 * most READ_IDS_MAX. */
void history_find(struct history *h, struct question *q, const uint64_t *ids, size_t n,
    const struct history_ops *ops, void *arg);
void history_list(struct history *h, struct question *q, const struct read_list *l,
    const struct history_ops *ops, void *arg);
/* Its callbacks do not come any more; safe on one that was not asked. */
void history_forget(struct question *q);

/* The number of the question that was asked last, and of the first that is not
 * answered yet (UINT64_MAX: none). */
uint64_t history_last(const struct history *h);
uint64_t history_first(const struct history *h);

pid_t history_pid(const struct history *h); /* 0: none runs now */
