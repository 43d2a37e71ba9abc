/*
 * What hauld and hauld-store say to each other.
 *
 * Down: STORE_HELLO first; then STORE_LOAD, whose id is the last sequence
 * number that is known to be durable; then STORE_PUT, STORE_UPDATE and
 * STORE_DELETE in any order, each under the next sequence number.  All three
 * may be said again: the outcome is the same.
 * Up: STORE_HELLO first; for STORE_LOAD some STORE_JOB in the order of ids and
 * one STORE_LOADED; STORE_COMMITTED when all up to its id is durable, several
 * messages at a time; STORE_FAILED when the database cannot be written now (it
 * is tried again, in order, until it can); STORE_FATAL before the program ends
 * with STORE_EXIT_FATAL because the database cannot be used at all.
 *
 * Encode and decode stand side by side.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cursor.h"
#include "model/job.h"
#include "wire/frame.h"

enum { STORE_PROTO = 1 };

enum store_msg_type {
	STORE_HELLO = 200,     /* text: build id */
	STORE_LOAD = 201,      /* u64: only jobs with greater ids; STORE_ID_MAX: none */
	STORE_PUT = 202,       /* struct store_job: inserted, or replaced as a whole */
	STORE_UPDATE = 203,    /* struct store_job without spec: nothing when there is no such job */
	STORE_DELETE = 204,    /* u64: a job's id */
	STORE_JOB = 210,       /* struct store_job, id 0 */
	STORE_LOADED = 211,    /* u64: the greatest id that a job ever had, 0: none */
	STORE_COMMITTED = 212, /* empty */
	STORE_FAILED = 213,    /* text: a sentence */
	STORE_FATAL = 214,     /* text: a sentence */
};

#define STORE_ID_MAX ((uint64_t)INT64_MAX) /* ids and byte counts: what SQLite's integers hold */
enum {
	STORE_RECEIPT_MAX = 4096,
	STORE_TEXT_MAX = 2000, /* bytes of a sentence */
	STORE_EXIT_FATAL = 78, /* EX_CONFIG */
};

struct store_job {
	uint64_t id; /* 1 to STORE_ID_MAX */
	bool from_config;
	uint32_t uid;
	int64_t added_s;
	enum job_state state;
	unsigned attempts;
	uint64_t received, published, run_ms; /* at most STORE_ID_MAX */
	struct result result;
	struct text spec;    /* packed (model/spec.h), at most SPEC_MAX; borrowed, like receipt */
	struct text receipt; /* opaque, at most STORE_RECEIPT_MAX */
};

/* Every number is one that the messages and the database can hold. */
bool store_job_is_sane(const struct store_job *j);

/* Each put makes one whole message; each get returns 0 or -EPROTO.  Texts of a
 * decoded message are borrowed from the frame reader. */
void store_msg_put_empty(struct buf *out, uint64_t id, enum store_msg_type type);
int store_msg_get_empty(const struct message *m) MUST_CHECK;
void store_msg_put_hello(struct buf *out);
/* -EPROTO also when the build id is not ours. */
int store_msg_get_hello(const struct message *m) MUST_CHECK;
/* A longer one than STORE_TEXT_MAX is cut. */
void store_msg_put_text(struct buf *out, enum store_msg_type type, const char *text);
int store_msg_get_text(const struct message *m, struct text *ret) MUST_CHECK;
void store_msg_put_number(struct buf *out, uint64_t id, enum store_msg_type type, uint64_t n);
/* At most STORE_ID_MAX. */
int store_msg_get_number(const struct message *m, uint64_t *ret) MUST_CHECK;
/* The job must be sane.  STORE_UPDATE leaves its spec out. */
void store_msg_put_job(struct buf *out, uint64_t id, enum store_msg_type type, const struct store_job *j);
/* The job is sane, and the text of its result safe to show. */
int store_msg_get_job(const struct message *m, struct store_job *ret) MUST_CHECK;
