/*
 * What hauld and hauld-conf say to each other.
 *
 * Once at start and for each reload hauld-conf hands on a configuration: the
 * daemon's settings, defaults, hosts, groups and jobs as packed specs, or the
 * errors.  Nothing of it counts before CONF_END with no errors.
 *
 * With --intake it stays and checks jobs of clients.  Down: CONF_HELLO first;
 * a context (CONF_DAEMON, CONF_DEFAULTS, and then CONF_CONTEXT, with which it
 * counts); CONF_CHECK asks for one job.  Up:
 * CONF_HELLO first; for each CONF_CHECK, in order and under its id, either
 * CONF_JOB or some CONF_ERROR and CONF_REFUSED.
 *
 * Encode and decode stand side by side.
 */
#pragma once

#include <stdint.h>

#include "base/cursor.h"
#include "wire/frame.h"

enum { CONF_PROTO = 1 };

enum conf_msg_type {
	CONF_HELLO = 300,    /* text: build id */
	CONF_DAEMON = 301,   /* a spec: the payload is its bytes */
	CONF_DEFAULTS = 302, /* likewise, SCOPE_JOB */
	CONF_HOST = 303,
	CONF_GROUP = 304,
	CONF_JOB = 305,
	CONF_ERROR = 306, /* text: "file:line: sentence"; with --intake "sentence" */
	CONF_END = 307,   /* u64 jobs, u64 errors */
	CONF_CONTEXT = 308, /* empty */
	CONF_CHECK = 309,   /* pairs up to the end */
	CONF_REFUSED = 310, /* empty */
};

enum {
	CONF_CHECK_MAX = 512 * 1024, /* bytes of pairs: more than any job that fits into a spec */
	CONF_PAIRS_MAX = 16384,
	CONF_KEY_MAX = 255, /* bytes of a key; longer ones are cut, for none is known */
};

/* What a client gave for a key. */
enum conf_kind {
	CONF_KIND_TEXT = 1,
	CONF_KIND_NUMBER = 2,
	CONF_KIND_BOOL = 3,
	CONF_KIND_FRACTION = 4, /* a number with a point; not sent, for no key takes one */
	CONF_KIND_LIST = 5,     /* the pairs of this key that follow at once are its entries */
	CONF_KIND_OTHER = 6,    /* an object, null, a list in a list: for no key */
	_CONF_KIND_MAX
};

struct conf_end {
	uint64_t jobs, errors;
};

struct conf_pair {
	const char *key; /* borrowed from the message, like text */
	enum conf_kind kind;
	const char *text; /* CONF_KIND_TEXT; else NULL */
	int64_t number;   /* CONF_KIND_NUMBER, and 0 or 1 of CONF_KIND_BOOL; else 0 */
};

void conf_put_empty(struct buf *out, uint64_t id, enum conf_msg_type type);
void conf_put_text(struct buf *out, uint64_t id, enum conf_msg_type type, const char *text);
int conf_get_text(const struct message *m, struct text *ret) MUST_CHECK;
void conf_put_spec(struct buf *out, uint64_t id, enum conf_msg_type type, const struct buf *spec);
void conf_put_end(struct buf *out, const struct conf_end *end);
int conf_get_end(const struct message *m, struct conf_end *ret) MUST_CHECK;

/* Pairs are gathered in a buffer of their own, and sent when they are whole;
 * the caller keeps to CONF_CHECK_MAX and CONF_PAIRS_MAX. */
void conf_put_pair(struct buf *pairs, const struct conf_pair *p);
/* The next pair; a failure is the cursor's. */
void conf_get_pair(struct cursor *c, struct conf_pair *ret);
void conf_put_check(struct buf *out, uint64_t id, const void *pairs, size_t n);
/* 0 when all pairs are whole, within the limits above: then *ret_n times
 * conf_get_pair() from *ret, which cannot fail. */
int conf_get_check(const struct message *m, struct cursor *ret, unsigned *ret_n) MUST_CHECK;
