/*
 * `haulctl top`: hauld, live.  top.c waits for hauld, keys and signals and has the
 * terminal; top_jobs.c asks hauld and keeps what it says; top_keys.c makes
 * commands of keys; top_show.c makes frames of all of it (term/board.h).
 *
 * What runs comes from the progress events of a subscription to all jobs, and what
 * ended meanwhile from its others; what waits is a page of `list`, as long as the
 * screen needs it, so that a million of them cost nobody anything.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <termios.h>

#include "base/buf.h"
#include "ctl/brief.h"
#include "ctl/ctl.h"
#include "term/board.h"
#include "term/keys.h"

enum {
	TOP_ENDED_MAX = 50,  /* jobs that ended while we watched */
	TOP_PAGE_LEAST = 100,
	TOP_PAGES_MAX = 8,   /* of a filtered list, for one look */
	TOP_TEXT_MAX = 128,  /* bytes of what is typed behind / */
};

enum top_mode {
	TOP_TABLE,
	TOP_ASK,     /* is the job to be cancelled? */
	TOP_TYPE,    /* the text behind / */
	TOP_PANEL,   /* a job or the help */
};

struct top_job {
	const json_t *json; /* borrowed from one of the arrays */
	struct brief brief;
	unsigned rank;      /* what runs, waits, is over */
	size_t order;       /* as hauld told of them */
};

struct top {
	struct ctl *ctl;
	uint64_t interval_ms, next_ms; /* when to look again; local clock */
	uint64_t left;          /* frames or snapshots to be printed; 0: no end */
	int status;             /* why it ends; CTL_OK: by a key */
	bool ends;

	/* top_jobs.c; arrays of job objects, owned */
	json_t *figures;        /* the answer to status; NULL: none yet */
	json_t *active, *waiting, *found, *ended;
	uint64_t status_id, list_id, subscribe_id; /* answers that are awaited; 0: none */
	unsigned pages;
	bool listed, told, counted; /* since the last look: list, progress, status */
	const char *list_key;   /* of the list on its way: "name", "output" for the text */
	struct top_job *jobs;   /* owned: what is shown, in order; from top_sort() to the next message */
	size_t n_jobs, size_jobs;

	/* top_keys.c */
	enum top_mode mode;
	struct keys keys;
	uint64_t selected_id;   /* 0: none */
	uint64_t asked_id;      /* TOP_ASK */
	char text[TOP_TEXT_MAX + 1], typed[TOP_TEXT_MAX + 1]; /* of the filter, and while it is typed */
	uint64_t command_id, why_id, show_id; /* requests */
	char *why;              /* owned: what hauld said to the last why_id; NULL */
	const char *command;    /* what was asked for, "pause" */
	uint64_t raise_id;      /* the last request of + and -, until its answer: the job ... */
	uint64_t raised_id;
	int64_t raised_to;      /* ... and its priority then, which no list has yet */

	/* top_show.c */
	const char *sort;       /* a word of --sort */
	char *message;          /* owned: the last line says it until the next key; NULL */
	bool message_is_bad;
	char *panel;            /* owned: lines; NULL */
	struct board board;
	struct buf frame;       /* what the terminal has not taken yet */
	bool dirty, urgent;     /* something is to be drawn; at once, for it answers a key */
	uint64_t drawn_ms;

	/* top.c: the terminal */
	int tty_fd;             /* owned; -1: none */
	int key_fd;             /* standard input; -1: no keys */
	struct termios was;
	bool entered, has_was;
};

/* ---- top_jobs.c */
void top_jobs_init(struct top *t);
void top_jobs_done(struct top *t);
void top_subscribe(struct top *t);
/* Asks for figures and for what waits, unless that is on its way. */
void top_look(struct top *t);
/* A message of hauld; false: it is no answer to what top_jobs.c asked for. */
bool top_take(struct top *t, const json_t *message);
/* A job as it is now, newer than what the lists have of it. */
void top_take_job(struct top *t, json_t *job);
/* Everything that was asked for has come. */
bool top_is_whole(const struct top *t);
/* Makes t->jobs of what is known: filtered, sorted. */
void top_sort(struct top *t);
/* Jobs that wait, and run, by hauld's count. */
uint64_t top_count(const struct top *t, const char *state);
/* {"time":..., "status":{...}, "jobs":[...]} */
json_t *top_snapshot(struct top *t);

/* ---- top_keys.c */
void top_on_key(struct top *t, enum key key);
/* An answer to a command or to show; false: it is none. */
bool top_on_answer(struct top *t, uint64_t id, const json_t *message);

/* ---- top_show.c */
/* Words of --sort in the order of the key s; the one behind that. */
const char *top_next_sort(const char *sort);
void top_say(struct top *t, bool bad, const char *fmt, ...) PRINTF_LIKE(3, 4);
void top_show_help(struct top *t);
void top_show_job(struct top *t, const json_t *job);
/* Makes t->frame, when it is empty. */
void top_draw(struct top *t);
/* One frame as text. */
void top_print(struct top *t);
