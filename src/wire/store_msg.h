/*
 * What hauld and hauld-store say to each other.
 *
 * Down: STORE_HELLO first; then STORE_LOAD, whose id is the last sequence
 * number that is known to be durable; then STORE_PUT, STORE_UPDATE, STORE_DELETE,
 * STORE_KEY, STORE_DROP_KEY and STORE_NOTE in any order, each under the next sequence number.
 * All of these may be said again: the outcome is the same.  STORE_LIMITS, at any
 * time behind STORE_HELLO, has no number.
 * Up: STORE_HELLO first; for STORE_LOAD all STORE_KEPT_NOTE, then some STORE_JOB and
 * STORE_NAMED in the order of ids, some STORE_KEPT_KEY and STORE_LEFT, one STORE_ENDED and
 * one STORE_LOADED;
 * STORE_COMMITTED when all up to its id is durable, several messages at a time,
 * and before it STORE_EXPIRED and STORE_ENDED, if that changed something;
 * STORE_FAILED when the database cannot be written now (it is tried again, in
 * order, until it can); STORE_FATAL before the program ends with
 * STORE_EXIT_FATAL because the database cannot be used at all, and STORE_NOT_OPEN
 * where that may pass: there is no room, or the disk fails.
 *
 * Jobs of clients that are over are not loaded: they are the history, which
 * hauld-store --read is asked for (read_msg.h).
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
	STORE_LIMITS = 205,    /* struct store_limits, id 0 */
	STORE_KEY = 206,       /* struct store_key, before the jobs that were added with it */
	STORE_DROP_KEY = 207,  /* u64: first_id of a key */
	STORE_NOTE = 208,      /* struct store_note: put, or, without data, deleted */
	STORE_JOB = 210,       /* struct store_job, id 0 */
	STORE_LOADED = 211,    /* u64: the greatest id that a job ever had, 0: none */
	STORE_COMMITTED = 212, /* empty */
	STORE_FAILED = 213,    /* text: a sentence */
	STORE_FATAL = 214,     /* text: a sentence */
	STORE_EXPIRED = 215,   /* u64s: ids of ended jobs that were deleted because of the limits */
	STORE_ENDED = 216,     /* struct store_ended: not when it is as it was, at first none */
	STORE_NAMED = 217,     /* u64 id, text: the name of an ended job of a client */
	STORE_KEPT_KEY = 218,  /* struct store_key, id 0 */
	STORE_LEFT = 219,      /* u64 id, text: the destination of a job that ended lately */
	STORE_NOT_OPEN = 220,  /* text: a sentence */
	STORE_KEPT_NOTE = 221, /* struct store_note, id 0 */
};

#define STORE_ID_MAX ((uint64_t)INT64_MAX) /* ids and byte counts: what SQLite's integers hold */
#define STORE_TIME_MAX (INT64_C(1) << 40)  /* seconds: one may count with them */
enum {
	STORE_RECEIPT_MAX = 4096,
	STORE_TEXT_MAX = 2000, /* bytes of a sentence */
	STORE_WORD_MAX = 160,  /* bytes of a key: uid, a slash and 128 bytes */
	STORE_NAMES_MAX = 512 << 10, /* bytes of the names of one key's jobs */
	STORE_NOTE_KEY_MAX = 255, /* bytes of a note's key, at least 1 */
	STORE_NOTE_MAX = 64 << 10, /* of its data */
	STORE_EXPIRED_MAX = 8192, /* ids in one message */
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
	int64_t ended_s;     /* Unix time, at most STORE_TIME_MAX; 0: it is not over */
	struct result result;
	struct text spec;    /* packed (model/spec.h), at most SPEC_MAX; borrowed, like receipt */
	struct text receipt; /* opaque, at most STORE_RECEIPT_MAX */
};

/* How many ended jobs of clients are kept, and how long. */
struct store_limits {
	uint64_t count;
	uint64_t age_s; /* 0: for ever */
};

/* How many of them there are. */
struct store_ended {
	uint64_t done, failed, cancelled;
};

/* A request to add jobs that has a key of its client: n jobs from first_id on.
 * Who loads the jobs finds all n of them there, or none and no key. */
struct store_key {
	uint64_t first_id;
	uint32_t n; /* at least 1 */
	int64_t added_s;
	struct text word;  /* borrowed, as names */
	struct text names; /* empty, or of each job its name and a NUL */
};

/* A small fact that outlives the daemon: no NUL in its key. */
struct store_note {
	struct text key, data; /* borrowed */
};

/* Every number is one that the messages and the database can hold. */
bool store_job_is_sane(const struct store_job *j);
bool store_key_is_sane(const struct store_key *k);
bool store_note_is_sane(const struct store_note *n);

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
void store_msg_put_limits(struct buf *out, const struct store_limits *l);
int store_msg_get_limits(const struct message *m, struct store_limits *ret) MUST_CHECK;
void store_msg_put_ended(struct buf *out, const struct store_ended *e);
int store_msg_get_ended(const struct message *m, struct store_ended *ret) MUST_CHECK;
/* STORE_NAMED or STORE_LEFT. */
void store_msg_put_named(struct buf *out, enum store_msg_type type, uint64_t job, const char *name);
int store_msg_get_named(const struct message *m, uint64_t *ret_job, struct text *ret_name) MUST_CHECK;
void store_msg_put_key(struct buf *out, uint64_t id, enum store_msg_type type, const struct store_key *k);
int store_msg_get_key(const struct message *m, struct store_key *ret) MUST_CHECK;
void store_msg_put_note(struct buf *out, uint64_t id, enum store_msg_type type, const struct store_note *n);
int store_msg_get_note(const struct message *m, struct store_note *ret) MUST_CHECK;
/* ids: u64 each, at most STORE_EXPIRED_MAX of them. */
void store_msg_put_expired(struct buf *out, const struct buf *ids);
/* *ret_ids: for get_u64(), *ret_n times. */
int store_msg_get_expired(const struct message *m, struct cursor *ret_ids, size_t *ret_n) MUST_CHECK;
