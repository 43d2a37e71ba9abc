/*
 * What hauld tells, numbered and kept for a while: the events of jobs and of what
 * holds them (`events`), and the lines of its log (`log`).  Each is a feed: a
 * journal of bounded size (base/ring.h) that clients read by number, and follow.
 * A follower is a place in the journal and nothing else: who reads slowly is told
 * what it lost, and costs no memory and no time.
 * Callers: control.c; who writes: the arrows in control.h.
 */
#pragma once

#include "base/json.h"
#include "base/list.h"
#include "base/ring.h"
#include "daemon/loop/loop.h"
#include "model/job.h"

struct call;
struct control;
struct subscription;

enum { NOTE_TEXT_MAX = 1024 }; /* of a text, bytes; it is cut */

/* A record; its strings lie behind it, each with a NUL. */
struct note {
	int64_t at_ms;        /* Unix time */
	uint64_t job;         /* 0: none */
	const char *what;     /* static: "start", "end"; of a line its level */
	uint64_t delay_ms, bytes;
	unsigned attempt;
	uint32_t uid;         /* of a command */
	int8_t state, from;   /* enum job_state; -1: it has none */
	uint8_t level;        /* of a line: enum log_level */
	uint16_t name, group, word, text; /* lengths */
	char strings[];
};

/* The same, to be written; NULL: it has none. */
struct note_words {
	const char *name, *group, *word, *text;
};

struct feed {
	struct ring ring;
	struct loop *loop;        /* borrowed */
	const char *kind;         /* of its notifications; static */
	char instance[17];        /* of this life: numbers begin anew in the next */
	struct list followers;    /* struct follow */
	struct loop_deferred pump;
};

struct feed_filter {
	uint64_t *jobs;   /* owned, sorted; NULL: all */
	size_t n_jobs;
	const struct engine *engine; /* borrowed: of whom to ask where these jobs wait */
	unsigned states;  /* bit per state; 0: all */
	unsigned whats;   /* bit per word of feed_words; 0: all */
	unsigned level;   /* the least important; 0: all */
	char *group;      /* owned; NULL: all */
};

void feed_init(struct feed *f, struct loop *l, const char *kind, uint64_t bytes);
void feed_done(struct feed *f);
/* Appends; at_ms of n is set here.  Those who follow are told later in this turn. */
void feed_put(struct feed *f, const struct note *n, const struct note_words *w);

/* Of a record; "" where it has none. */
struct note_words note_words_of(const struct note *n);

/* A subscription that follows a feed; watch.c owns it. */
struct follow;
struct follow *follow_new(struct feed *f, struct subscription *s, uint64_t after, struct feed_filter *take);
void follow_free(struct follow *f);
/* Its client has read something. */
void follow_go_on(struct follow *f);
