/*
 * The header of an HTTP answer, read by ourselves.  libcurl hands over line by
 * line (CURLOPT_HEADERFUNCTION) and is believed in nothing that decides about
 * the file: it takes "12abc" for 12 and the last of two lengths.  transfer.c
 * feeds this parser; complete.c judges by it; hop.c reads Location.
 *
 * A status line begins anew, so that of 1xx answers and authentication rounds
 * only the last one counts (a proxy's answer to CONNECT must not come here:
 * CURLOPT_SUPPRESS_CONNECT_HEADERS).  Lines behind the end of the header are
 * trailers and are ignored.
 *
 * Sources: RFC 9110 (fields), RFC 9112 (HTTP/1.1 messages).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	RESPONSE_BYTES_MAX = 64 * 1024, /* of all header lines of a transfer, 1xx and trailers too */
	RESPONSE_LINES_MAX = 256,       /* likewise */
	RESPONSE_ETAG_MAX = 512,        /* a longer one counts as absent */
	RESPONSE_LOCATION_MAX = 8192,   /* a longer one is malformed */
	RESPONSE_CODING_MAX = 24,       /* of a coding's name, cut */
};

enum response_state {
	RESPONSE_START,   /* no status line yet */
	RESPONSE_FIELDS,  /* between a status line and an empty line */
	RESPONSE_ENDED,   /* an empty line was seen: body, trailers or another status line */
	RESPONSE_IN_BODY, /* response_body_started() was called */
};

enum range_kind {
	RANGE_ABSENT,
	RANGE_PART,        /* start-end/total */
	RANGE_UNSATISFIED, /* "*" in place of start-end, and total */
	RANGE_BAD,         /* unreadable, contradicts itself, or not of bytes */
};

struct content_range {
	enum range_kind kind;
	uint64_t start, end; /* of RANGE_PART: first and last byte */
	uint64_t total;      /* UINT64_MAX: not told ("*") */
};

struct response {
	const char *malformed; /* static: why the answer cannot be believed; NULL: it can */
	enum response_state state;
	unsigned major, minor; /* HTTP version */
	int status;            /* 0: none yet */

	bool has_length;
	uint64_t length; /* Content-Length, at most INT64_MAX */
	bool chunked;    /* the last transfer coding is chunked */
	bool has_transfer_coding; /* Transfer-Encoding was sent, whatever it names */
	bool other_transfer_coding; /* one that is neither chunked nor identity */
	bool coded;      /* a Content-Encoding other than identity */
	char coding[RESPONSE_CODING_MAX]; /* name of the first content or transfer coding
					   * that is not ours; characters of a token only */

	/* A field that comes twice with different values counts as absent. */
	char *etag;      /* owned; opaque, its quotes included, without "W/"; may be NULL */
	bool etag_weak;  /* W/, or not in the form of RFC 9110 8.8.3: proves nothing */
	int64_t last_modified, date; /* seconds since 1970; -1: absent or unreadable */
	char *location;  /* owned, raw; may be NULL */
	struct content_range range;
	bool ranges_bytes, ranges_none; /* Accept-Ranges */
	int64_t retry_after_s;  /* delay in seconds; -1: absent */
	int64_t retry_after_at; /* the same as a date; -1: absent */

	/* The parser's own. */
	unsigned lines;
	size_t bytes;
	unsigned seen;     /* bit per single-valued field */
	bool foldable;     /* the last line was a field that nobody here reads */
};

void response_init(struct response *r);
/* Frees what the struct holds; it may be used again after response_init(). */
void response_done(struct response *r);
/* One line with its end.  0, or -EPROTO from the first line that makes the
 * answer malformed on: the transfer may be stopped. */
int response_line(struct response *r, const char *data, size_t n);
/* The first byte of the body came: lines from now on are trailers. */
void response_body_started(struct response *r);
/* True when a whole header with a status of 200 or more was read. */
bool response_is_final(const struct response *r);
/* Seconds to wait by Retry-After, seen at wall time now_s; -1 when it was not
 * sent; a date is measured by the server's own clock if it told it. */
int64_t response_retry_after(const struct response *r, int64_t now_s);
/* An HTTP-date in any of the three forms of RFC 9110 5.6.7, seconds since 1970;
 * -1 for anything else and for times before 1970.  now_s places the two-digit
 * years of the second form. */
int64_t http_date_parse(const char *s, size_t n, int64_t now_s);
