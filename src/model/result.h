/*
 * How a job ends: the closed list of outcomes that users see, each with the
 * class that the retry policy reads.  DESIGN section 4 owns the words.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"

enum result_code { /* on the wire and in databases: never reuse a number */
	RESULT_OK = 0,
	RESULT_DNS = 1,
	RESULT_CONNECT = 2,
	RESULT_TLS = 3,
	RESULT_PROXY = 4,
	RESULT_HTTP = 5, /* shown as http-NNN */
	RESULT_STALLED = 6,
	RESULT_TIMEOUT = 7,
	RESULT_DEADLINE = 8,
	RESULT_TRUNCATED = 9,
	RESULT_UNPROVEN = 10,
	RESULT_RANGE_CHANGED = 11,
	RESULT_TOO_LARGE = 12,
	RESULT_SIZE_MISMATCH = 13,
	RESULT_CHECKSUM_MISMATCH = 14,
	RESULT_SIGNATURE_BAD = 15,
	RESULT_ENCODING_REFUSED = 16,
	RESULT_DECODE = 17,
	RESULT_EXPANSION_LIMIT = 18,
	RESULT_DISK_FULL = 19,
	RESULT_WRITE = 20,
	RESULT_EXISTS = 21,
	RESULT_PATH_REFUSED = 22,
	RESULT_REDIRECT_REFUSED = 23,
	RESULT_ADDRESS_REFUSED = 24,
	RESULT_UNSUPPORTED = 25,
	RESULT_WORKER_CRASHED = 26,
	RESULT_HOOK_FAILED = 27,
	RESULT_CANCELLED = 28,
	RESULT_INTERRUPTED = 29,
	RESULT_SIBLING_FAILED = 30,
	RESULT_DEPENDENCY_FAILED = 31,
	RESULT_INTERNAL = 32,
	RESULT_PROTOCOL = 33, /* an answer that is not HTTP, or contradicts itself */
	RESULT_NOT_YET_VALID = 34, /* a certificate of the future, or our clock is behind */
	/* 35 to 38 are others' */
	RESULT_NOT_NEEDED = 39, /* what it was to stand in for did not fail */
	_RESULT_CODE_MAX
};

enum result_class {
	CLASS_OK,
	CLASS_RETRY_NOW,   /* a fault of the connection: soon again */
	CLASS_RETRY_LATER, /* the other side asks for time */
	CLASS_FETCH_ANEW,  /* wrong bytes: once more from the first, from another source where there is one */
	CLASS_PERMANENT,   /* trying again gives the same */
	CLASS_CANCELLED,
};

enum { /* what else the table says of a code */
	RESULT_OF_SOURCE = 1, /* another source can mend it */
	RESULT_OF_ORIGIN = 2, /* the origin itself, not this one file: others there will fare alike */
	RESULT_CHOICE = 4,    /* retry-on may name it: it is neither of the job nor of this machine */
};

enum { RESULT_TEXT_MAX = 240 };

struct result {
	enum result_code code;
	int http_status; /* of RESULT_HTTP, else 0 or the last one seen */
	int os_error;    /* errno where a system call failed, else 0 */
	char text[RESULT_TEXT_MAX]; /* the cause: a lower-case clause, safe to show */
};

/* The user's word ("checksum-mismatch"; RESULT_HTTP gives "http"). */
const char *result_code_to_string(enum result_code c);
/* The user's word with its number where it has one: "http-404"; static. */
const char *result_word(const struct result *r);
/* The code of such a word; RESULT_OK when there is none. */
enum result_code result_code_from_string(const char *word);
enum result_class result_class(const struct result *r);
/* What is said of it, of RESULT_OF_SOURCE and its like; "http" of no status in particular. */
unsigned result_code_flags(enum result_code c);
/* The fault is the origin's: no connection, no answer in time, 429, 502, 503 and 504. */
bool result_is_of_origin(const struct result *r);
/* Fills *r; the text is cut to fit and made safe. */
void result_set(struct result *r, enum result_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* A clause behind the cause, which is cut to make room: of at most half of it all.  What was made
 * safe once stays as it is. */
void result_add(struct result *r, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The same before the cause. */
void result_lead(struct result *r, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The outcome of a failed file operation: doing ("write"), on what, errno. */
void result_set_errno(struct result *r, int err, const char *doing, const char *what);
