/*
 * What hauld and hauld-store --read say to each other: questions about jobs of
 * clients that are over.
 *
 * Down: READ_HELLO first; then READ_FIND and READ_LIST, under ids of hauld's.
 * Up: READ_HELLO first; for each question, in their order and under its id, some
 * READ_JOB and then READ_END, or READ_FAILED when it cannot be answered now;
 * READ_FATAL before the program ends with STORE_EXIT_FATAL because the database
 * cannot be read at all.
 *
 * A page may end early, because of its size or the time it takes: then READ_END
 * says where it goes on.
 */
#pragma once

#include "model/filter.h"
#include "wire/store_msg.h"

enum { READ_PROTO = 1 };

enum read_msg_type {
	READ_HELLO = 230,  /* text: build id */
	READ_FIND = 231,   /* u64s: ids, at most READ_IDS_MAX */
	READ_LIST = 232,   /* struct read_list */
	READ_JOB = 240,    /* struct store_job */
	READ_END = 241,    /* struct read_end */
	READ_FAILED = 242, /* text: a sentence */
	READ_FATAL = 243,  /* text: a sentence */
};

enum { READ_IDS_MAX = 1000, READ_JOBS_MAX = 1000 };

/* A page of a list: jobs of greater ids in their order, or, by their end, those
 * that ended earlier, the latest first. */
struct read_list {
	struct filter filter; /* its texts are the decoder's: read_list_done() */
	bool by_end;
	uint64_t after_id, upto_id; /* upto_id: not by_end */
	int64_t after_s;            /* by_end: when the last job of the page before ended */
	unsigned jobs;              /* at most, 1 to READ_JOBS_MAX */
};

/* more: the page ended early, and all up to there was looked at. */
struct read_end {
	bool more;
	uint64_t id;
	int64_t ended_s;
};

void read_put_hello(struct buf *out);
int read_get_hello(const struct message *m) MUST_CHECK;
void read_put_text(struct buf *out, uint64_t id, enum read_msg_type type, const char *text);
int read_get_text(const struct message *m, struct text *ret) MUST_CHECK;
void read_put_find(struct buf *out, uint64_t id, const uint64_t *ids, size_t n);
/* *ret_ids: for get_u64(), *ret_n times. */
int read_get_find(const struct message *m, struct cursor *ret_ids, size_t *ret_n) MUST_CHECK;
void read_put_list(struct buf *out, uint64_t id, const struct read_list *l);
/* After 0, read_list_done(). */
int read_get_list(const struct message *m, struct read_list *ret) MUST_CHECK;
void read_list_done(struct read_list *l);
void read_put_end(struct buf *out, uint64_t id, const struct read_end *e);
int read_get_end(const struct message *m, struct read_end *ret) MUST_CHECK;
