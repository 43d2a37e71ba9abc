/* The parser of HTTP answer headers: every field in good, odd and hostile form. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "daemon/xfer/response.h"
#include "run_suite.h"

static struct response r;

static void
setup(void)
{
	response_init(&r);
}

static void
teardown(void)
{
	response_done(&r);
}

/* Feeds text line by line, as libcurl does; "|" stands for CR LF. */
static int
feed(const char *text)
{
	int last = 0;

	while (*text) {
		size_t n = strcspn(text, "|");
		AUTO_BUF struct buf line = { 0 };

		buf_append(&line, text, n);
		if (text[n])
			buf_append_str(&line, "\r\n");
		last = response_line(&r, (const char *)buf_bytes(&line), buf_len(&line));
		text += n + (text[n] != 0);
	}
	return last;
}

/* A whole header with these fields after a 200. */
static int
feed_ok(const char *fields)
{
	AUTO_BUF struct buf all = { 0 };

	response_done(&r);
	response_init(&r);
	buf_printf(&all, "HTTP/1.1 200 OK|%s|", fields);
	return feed(buf_cstr(&all));
}

START_TEST(status_lines)
{
	static const struct {
		const char *line;
		int status;
		unsigned major, minor;
	} rows[] = {
		{ "HTTP/1.1 200 OK", 200, 1, 1 },
		{ "HTTP/1.1 200", 200, 1, 1 },
		{ "HTTP/1.1 200 ", 200, 1, 1 },
		{ "HTTP/1.0 404 Not Found", 404, 1, 0 },
		{ "HTTP/2 200 ", 200, 2, 0 },
		{ "HTTP/2 200", 200, 2, 0 },
		{ "HTTP/3 503 ", 503, 3, 0 },
		{ "HTTP/1.1 999 Request denied", 999, 1, 1 },
		{ "HTTP/1.1 099 x", 0, 0, 0 },
		{ "HTTP/1.1 20 x", 0, 0, 0 },
		{ "HTTP/1.1 2000 x", 0, 0, 0 },
		{ "HTTP/1.1 2x0 x", 0, 0, 0 },
		{ "HTTP/1.1 +20 x", 0, 0, 0 },
		{ "HTTP/1.1  200 x", 0, 0, 0 },
		{ "HTTP/1.1\t200 x", 0, 0, 0 },
		{ "HTTP/11 200 x", 0, 0, 0 },
		{ "HTTP/1. 200 x", 0, 0, 0 },
		{ "http/1.1 200 OK", 0, 0, 0 },
		{ "HTTP/x 200 OK", 0, 0, 0 },
		{ "ICY 200 OK", 0, 0, 0 },
		{ "HTTP/1.1", 0, 0, 0 },
		{ "HTTP/", 0, 0, 0 },
		{ "Content-Length: 5", 0, 0, 0 },
		{ "", 0, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int e;

		response_done(&r);
		response_init(&r);
		e = response_line(&r, rows[i].line, strlen(rows[i].line));
		ck_assert_msg(r.status == rows[i].status, "%s: %d", rows[i].line, r.status);
		ck_assert_msg(r.major == rows[i].major && r.minor == rows[i].minor, "%s", rows[i].line);
		ck_assert_msg(e == (rows[i].status ? 0 : -EPROTO), "%s: %d", rows[i].line, e);
		ck_assert_msg(!r.malformed == !!rows[i].status, "%s", rows[i].line);
	}
}
END_TEST

START_TEST(the_end_of_a_line_may_be_crlf_lf_or_nothing)
{
	static const char *const ends[] = { "\r\n", "\n", "" };

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		char line[64];

		response_done(&r);
		response_init(&r);
		(void)snprintf(line, sizeof line, "HTTP/1.1 200 OK%s", ends[i]);
		ck_assert_int_eq(response_line(&r, line, strlen(line)), 0);
		(void)snprintf(line, sizeof line, "Content-Length: 7%s", ends[i]);
		ck_assert_int_eq(response_line(&r, line, strlen(line)), 0);
		ck_assert(!response_is_final(&r));
		ck_assert_int_eq(response_line(&r, ends[i], strlen(ends[i])), 0);
		ck_assert(response_is_final(&r));
		ck_assert_uint_eq(r.length, 7);
	}
}
END_TEST

START_TEST(content_length_is_digits_or_a_list_of_the_same)
{
	static const struct {
		const char *fields;
		bool good;
		uint64_t length;
	} rows[] = {
		{ "Content-Length: 0|", true, 0 },
		{ "Content-Length: 5|", true, 5 },
		{ "content-length:5|", true, 5 },
		{ "CONTENT-LENGTH: \t 5 \t|", true, 5 },
		{ "Content-Length: 0005|", true, 5 },
		{ "Content-Length: 5, 5|", true, 5 },
		{ "Content-Length: 5,5 ,\t5|", true, 5 },
		{ "Content-Length: 5|Content-Length: 5|", true, 5 },
		{ "Content-Length: 9223372036854775807|", true, INT64_MAX },
		{ "Content-Length: 9223372036854775808|", false, 0 },
		{ "Content-Length: 18446744073709551616|", false, 0 },
		{ "Content-Length: 99999999999999999999999999|", false, 0 },
		{ "Content-Length: 5|Content-Length: 6|", false, 0 },
		{ "Content-Length: 5, 6|", false, 0 },
		{ "Content-Length: 5,|", false, 0 },
		{ "Content-Length: ,5|", false, 0 },
		{ "Content-Length: 5,,5|", false, 0 },
		{ "Content-Length:|", false, 0 },
		{ "Content-Length:  |", false, 0 },
		{ "Content-Length: -5|", false, 0 },
		{ "Content-Length: +5|", false, 0 },
		{ "Content-Length: 12abc|", false, 0 },
		{ "Content-Length: 0x10|", false, 0 },
		{ "Content-Length: 1 2|", false, 0 },
		{ "Content-Length: 5.0|", false, 0 },
		{ "Content-Length: 5;|", false, 0 },
		{ "Content-Length: \"5\"|", false, 0 },
		{ "Content-Length: banana|", false, 0 },
		{ "Content-Length : 5|", false, 0 },
		{ " Content-Length: 5|", false, 0 },
		{ "Content-Length: 5| 6|", false, 0 },
		{ "Content-Length:| 5|", false, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int e = feed_ok(rows[i].fields);

		ck_assert_msg(e == (rows[i].good ? 0 : -EPROTO), "%s: %d", rows[i].fields, e);
		ck_assert_msg(!r.malformed == rows[i].good, "%s", rows[i].fields);
		if (rows[i].good)
			ck_assert_msg(r.has_length && r.length == rows[i].length, "%s", rows[i].fields);
	}
	ck_assert_int_eq(feed_ok("X-Content-Length: 5|Content-Lengthy: 6|"), 0);
	ck_assert(!r.has_length);
}
END_TEST

START_TEST(transfer_codings)
{
	static const struct {
		const char *fields;
		bool good, chunked, other;
		const char *coding;
	} rows[] = {
		{ "Transfer-Encoding: chunked|", true, true, false, "" },
		{ "transfer-encoding:CHUNKED|", true, true, false, "" },
		{ "Transfer-Encoding: identity|", true, false, false, "" },
		{ "Transfer-Encoding:|", true, false, false, "" },
		{ "Transfer-Encoding: gzip, chunked|", true, true, true, "gzip" },
		{ "Transfer-Encoding: gzip|Transfer-Encoding: chunked|", true, true, true, "gzip" },
		{ "Transfer-Encoding: gzip|", true, false, true, "gzip" },
		{ "Transfer-Encoding: xchunked|", true, false, true, "xchunked" },
		{ "Transfer-Encoding: chunked;q=1|", true, false, true, "chunked" },
		{ "Transfer-Encoding: \x0b" "chunked|", true, false, true, "?" },
		{ "Transfer-Encoding: chunked, gzip|", false, false, false, NULL },
		{ "Transfer-Encoding: chunked, identity|", false, false, false, NULL },
		{ "Transfer-Encoding: chunked, chunked|", false, false, false, NULL },
		{ "Transfer-Encoding: chunked|Transfer-Encoding: chunked|", false, false, false, NULL },
		{ "Transfer-Encoding:| chunked|", false, false, false, NULL },
		{ "Transfer-Encoding : chunked|", false, false, false, NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int e = feed_ok(rows[i].fields);

		ck_assert_msg(e == (rows[i].good ? 0 : -EPROTO), "%s: %d", rows[i].fields, e);
		if (!rows[i].good)
			continue;
		ck_assert_msg(r.has_transfer_coding, "%s", rows[i].fields);
		ck_assert_msg(r.chunked == rows[i].chunked, "%s", rows[i].fields);
		ck_assert_msg(r.other_transfer_coding == rows[i].other, "%s", rows[i].fields);
		ck_assert_str_eq(r.coding, rows[i].coding);
	}
}
END_TEST

START_TEST(content_codings)
{
	static const struct {
		const char *fields, *coding; /* NULL: not coded */
	} rows[] = {
		{ "X: y|", NULL },
		{ "Content-Encoding: identity|", NULL },
		{ "Content-Encoding:|", NULL },
		{ "Content-Encoding: gzip|", "gzip" },
		{ "content-encoding: X-GZIP|", "X-GZIP" },
		{ "Content-Encoding: identity, br|", "br" },
		{ "Content-Encoding: identity|Content-Encoding: zstd|", "zstd" },
		{ "Content-Encoding: a-name-that-is-much-longer-than-the-room|", "a-name-that-is-much-lon" },
		{ "Content-Encoding: \x1b[31mred|", "?" },
		{ "Content-Encoding: gz\x1b[31m|", "gz" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		ck_assert_int_eq(feed_ok(rows[i].fields), 0);
		ck_assert_msg(r.coded == !!rows[i].coding, "%s", rows[i].fields);
		ck_assert_str_eq(r.coding, rows[i].coding ? rows[i].coding : "");
	}
}
END_TEST

START_TEST(etags_are_opaque_bounded_and_weak_on_doubt)
{
	char big[600];
	static const struct {
		const char *fields, *etag;
		bool weak;
	} rows[] = {
		{ "ETag: \"abc\"|", "\"abc\"", false },
		{ "etag: \"\"|", "\"\"", false },
		{ "ETag: W/\"abc\"|", "\"abc\"", true },
		{ "ETag: w/\"abc\"|", "w/\"abc\"", true },
		{ "ETag: abc|", "abc", true },
		{ "ETag: \"a\"b\"|", "\"a\"b\"", true },
		{ "ETag: \"a b\"|", "\"a b\"", true },
		{ "ETag: \"|", "\"", true },
		{ "ETag: \"\xc3\xa9\\\"|", "\"\xc3\xa9\\\"", false },
		{ "ETag:|", NULL, false },
		{ "ETag: \"a\"|ETag: \"a\"|", "\"a\"", false },
		{ "ETag: \"a\"|ETag: \"b\"|", NULL, false },
		{ "ETag: \"a\"|ETag: W/\"a\"|", NULL, false },
		{ "ETag: \"a\"|ETag: \"b\"|ETag: \"b\"|", NULL, false },
		{ "ETag: \"a\"|ETag: \"b\"|ETag: \"a\"|", NULL, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		ck_assert_int_eq(feed_ok(rows[i].fields), 0);
		ck_assert_msg(!r.etag == !rows[i].etag, "%s", rows[i].fields);
		if (r.etag)
			ck_assert_str_eq(r.etag, rows[i].etag);
		ck_assert_msg(r.etag_weak == (rows[i].etag && rows[i].weak), "%s", rows[i].fields);
	}
	for (size_t n = RESPONSE_ETAG_MAX; n <= RESPONSE_ETAG_MAX + 1; n++) {
		memset(big, 'x', sizeof big);
		memcpy(big, "ETag: \"", 7);
		big[6 + n - 1] = '"';
		big[6 + n] = '|';
		big[6 + n + 1] = '\0';
		ck_assert_int_eq(feed_ok(big), 0);
		ck_assert(!r.etag == (n > RESPONSE_ETAG_MAX));
	}
}
END_TEST

START_TEST(dates_in_all_three_forms)
{
	static const int64_t now = 1790000000; /* 2026-09-21 */
	static const struct {
		const char *s;
		int64_t t;
	} rows[] = {
		{ "Sun, 06 Nov 1994 08:49:37 GMT", 784111777 },
		{ "Sunday, 06-Nov-94 08:49:37 GMT", 784111777 },
		{ "Sun Nov  6 08:49:37 1994", 784111777 },
		{ "Sun Nov 06 08:49:37 1994", 784111777 },
		{ "Wed Nov 16 08:49:37 1994", 784975777 },
		{ "Thu, 01 Jan 1970 00:00:00 GMT", 0 },
		{ "Thu, 29 Feb 2024 23:59:60 GMT", 1709251200 },
		{ "Tue, 29 Feb 2000 00:00:00 GMT", 951782400 },
		{ "Fri, 31 Dec 9999 23:59:59 GMT", 253402300799 },
		{ "Wednesday, 01-Jan-70 00:00:00 GMT", 3155760000 }, /* 2070 */
		{ "Friday, 01-Jan-76 00:00:00 GMT", 3345062400 },    /* 2076: just 50 years */
		{ "Saturday, 01-Jan-77 00:00:00 GMT", 220924800 },   /* 1977 */
		{ "Saturday, 01-Jan-00 00:00:00 GMT", 946684800 },
		{ "Wed, 31 Dec 1969 23:59:59 GMT", -1 },
		{ "Fri, 29 Feb 2023 00:00:00 GMT", -1 },
		{ "Thu, 29 Feb 2100 00:00:00 GMT", -1 },
		{ "Sun, 31 Apr 1994 08:49:37 GMT", -1 },
		{ "Sun, 00 Nov 1994 08:49:37 GMT", -1 },
		{ "Sun, 32 Dec 1994 08:49:37 GMT", -1 },
		{ "Sun, 06 Nov 1994 24:49:37 GMT", -1 },
		{ "Sun, 06 Nov 1994 08:60:37 GMT", -1 },
		{ "Sun, 06 Nov 1994 08:49:61 GMT", -1 },
		{ "Sun, 06 nov 1994 08:49:37 GMT", -1 },
		{ "Sun, 06 Foo 1994 08:49:37 GMT", -1 },
		{ "Sun, 6 Nov 1994 08:49:37 GMT", -1 },
		{ "Sun,  6 Nov 1994 08:49:37 GMT", -1 },
		{ "Sun, 06 Nov 1994 08:49:37 UTC", -1 },
		{ "Sun, 06 Nov 1994 08:49:37", -1 },
		{ "Sun, 06 Nov 1994 08:49:37 GMT ", -1 },
		{ "Sun, 06 Nov 1994 08:49:37 +0000", -1 },
		{ "Xyz, 06 Nov 1994 08:49:37 GMT", -1 },
		{ "Sunday, 06 Nov 1994 08:49:37 GMT", -1 },
		{ "Sun, 06-Nov-94 08:49:37 GMT", -1 },
		{ "Sunday, 06-Nov-1994 08:49:37 GMT", -1 },
		{ "Sun Nov  6 08:49:37 94", -1 },
		{ "Sun Nov 6 08:49:37 1994", -1 },
		{ "Sun Nov  6 08:49:37 1994 GMT", -1 },
		{ "1994-11-06T08:49:37Z", -1 },
		{ "784111777", -1 },
		{ "Sun", -1 },
		{ "Sun,", -1 },
		{ "Sunday", -1 },
		{ "", -1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t n = strlen(rows[i].s);
		/* An exact copy, so that the sanitizer sees a read past the end. */
		AUTO_FREE char *copy = malloc(n + (n == 0));

		memcpy(copy, rows[i].s, n);
		ck_assert_msg(http_date_parse(copy, n, now) == rows[i].t, "%s: %lld", rows[i].s,
		    (long long)http_date_parse(copy, n, now));
	}
}
END_TEST

START_TEST(a_cut_date_is_no_date)
{
	static const char *const dates[] = { "Sun, 06 Nov 1994 08:49:37 GMT",
		"Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994" };

	for (size_t i = 0; i < ARRAY_SIZE(dates); i++)
		for (size_t n = 0; n < strlen(dates[i]); n++) {
			AUTO_FREE char *copy = malloc(n + (n == 0));

			memcpy(copy, dates[i], n);
			ck_assert_int_eq(http_date_parse(copy, n, 0), -1);
		}
}
END_TEST

START_TEST(validators_and_dates_of_a_header)
{
	ck_assert_int_eq(feed_ok("Date: Sun, 06 Nov 1994 08:49:37 GMT|"
				 "Last-Modified: Sun, 06 Nov 1994 08:49:36 GMT|"), 0);
	ck_assert_int_eq(r.date, 784111777);
	ck_assert_int_eq(r.last_modified, 784111776);
	ck_assert_int_eq(feed_ok("Last-Modified: yesterday|"), 0);
	ck_assert_int_eq(r.last_modified, -1);
	ck_assert_int_eq(feed_ok("Last-Modified: Sun, 06 Nov 1994 08:49:36 GMT|"
				 "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT|"), 0);
	ck_assert_int_eq(r.last_modified, -1);
	ck_assert_int_eq(feed_ok("Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT|"
				 "Last-Modified: Sunday, 06-Nov-94 08:49:37 GMT|"), 0);
	ck_assert_int_eq(r.last_modified, 784111777);
	ck_assert_int_eq(feed_ok(""), 0);
	ck_assert_int_eq(r.last_modified, -1);
	ck_assert_int_eq(r.date, -1);
}
END_TEST

START_TEST(content_ranges)
{
	static const struct {
		const char *value;
		struct content_range want;
	} rows[] = {
		{ "bytes 0-99/200", { RANGE_PART, 0, 99, 200 } },
		{ "Bytes 100-199/200", { RANGE_PART, 100, 199, 200 } },
		{ "bytes 0-0/1", { RANGE_PART, 0, 0, 1 } },
		{ "bytes 0-99/*", { RANGE_PART, 0, 99, UINT64_MAX } },
		{ "bytes */200", { RANGE_UNSATISFIED, 0, 0, 200 } },
		{ "bytes */0", { RANGE_UNSATISFIED, 0, 0, 0 } },
		{ "bytes 0-9223372036854775806/9223372036854775807",
		    { RANGE_PART, 0, INT64_MAX - 1, INT64_MAX } },
		{ "bytes 0-99/99", { RANGE_BAD, 0, 0, 0 } },
		{ "bytes 0-100/100", { RANGE_BAD, 0, 0, 0 } },
		{ "bytes 9-8/100", { RANGE_BAD, 0, 0, 0 } },
		{ "bytes */*", { RANGE_BAD, 0, 0, 0 } },
		{ "bytes 0-99", { RANGE_BAD, 0, 0, 0 } },
		{ "bytes 0-/100", { RANGE_BAD, 0, 0, 0 } },
		{ "bytes -99/100", { RANGE_BAD, 0, 0, 0 } },
		{ "bytes 0-99/", { RANGE_BAD, 0, 0, 0 } },
		{ "bytes 0 - 99/100", { RANGE_BAD, 0, 0, 0 } },
		{ "bytes 0-99/100 ,", { RANGE_BAD, 0, 0, 0 } },
		{ "bytes  0-99/100", { RANGE_BAD, 0, 0, 0 } },
		{ "bytes=0-99/100", { RANGE_BAD, 0, 0, 0 } },
		{ "bytes: 0-99/100", { RANGE_BAD, 0, 0, 0 } },
		{ "octets 0-99/100", { RANGE_BAD, 0, 0, 0 } },
		{ "0-99/100", { RANGE_BAD, 0, 0, 0 } },
		{ "bytes banana", { RANGE_BAD, 0, 0, 0 } },
		{ "bytes 0x0-9/10", { RANGE_BAD, 0, 0, 0 } },
		{ "bytes 0-9/0x10", { RANGE_BAD, 0, 0, 0 } },
		{ "bytes +0-9/10", { RANGE_BAD, 0, 0, 0 } },
		{ "bytes 0-9223372036854775808/*", { RANGE_BAD, 0, 0, 0 } },
		{ "bytes 0-9/18446744073709551615", { RANGE_BAD, 0, 0, 0 } },
		{ "bytes", { RANGE_BAD, 0, 0, 0 } },
		{ "bytes ", { RANGE_BAD, 0, 0, 0 } },
		{ "", { RANGE_BAD, 0, 0, 0 } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char line[128];

		(void)snprintf(line, sizeof line, "Content-Range: %s|", rows[i].value);
		ck_assert_int_eq(feed_ok(line), 0);
		ck_assert_msg(r.range.kind == rows[i].want.kind, "%s", rows[i].value);
		if (rows[i].want.kind == RANGE_BAD)
			continue;
		ck_assert_msg(r.range.start == rows[i].want.start, "%s", rows[i].value);
		ck_assert_msg(r.range.end == rows[i].want.end, "%s", rows[i].value);
		ck_assert_msg(r.range.total == rows[i].want.total, "%s", rows[i].value);
	}
	ck_assert_int_eq(feed_ok("X: y|"), 0);
	ck_assert_int_eq(r.range.kind, RANGE_ABSENT);
	ck_assert_int_eq(feed_ok("Content-Range: bytes 0-9/10|Content-Range: bytes 0-9/10|"), 0);
	ck_assert_int_eq(r.range.kind, RANGE_PART);
	ck_assert_int_eq(feed_ok("Content-Range: bytes 0-9/10|Content-Range: bytes 0-9/11|"), 0);
	ck_assert_int_eq(r.range.kind, RANGE_BAD);
}
END_TEST

START_TEST(accepted_ranges)
{
	ck_assert_int_eq(feed_ok("X: y|"), 0);
	ck_assert(!r.ranges_bytes && !r.ranges_none);
	ck_assert_int_eq(feed_ok("Accept-Ranges: bytes|"), 0);
	ck_assert(r.ranges_bytes && !r.ranges_none);
	ck_assert_int_eq(feed_ok("Accept-Ranges: none|"), 0);
	ck_assert(!r.ranges_bytes && r.ranges_none);
	ck_assert_int_eq(feed_ok("accept-ranges: lines, BYTES|"), 0);
	ck_assert(r.ranges_bytes);
}
END_TEST

START_TEST(retry_after_in_both_forms)
{
	static const int64_t now = 784111777 + 1000; /* our clock is ahead */
	static const struct {
		const char *fields;
		int64_t wait;
	} rows[] = {
		{ "X: y|", -1 },
		{ "Retry-After: 0|", 0 },
		{ "Retry-After: 120|", 120 },
		{ "retry-after:  7 |", 7 },
		{ "Retry-After: 99999999999999999999999|", INT32_MAX },
		{ "Retry-After: 4294967296|", INT32_MAX },
		{ "Retry-After: -1|", -1 },
		{ "Retry-After: 1.5|", -1 },
		{ "Retry-After: soon|", -1 },
		{ "Retry-After:|", -1 },
		{ "Retry-After: Sun, 06 Nov 1994 09:49:37 GMT|", 2600 },
		{ "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT|", 0 },
		{ "Date: Sun, 06 Nov 1994 08:49:37 GMT|Retry-After: Sun, 06 Nov 1994 09:49:37 GMT|", 3600 },
		{ "Retry-After: Sun, 06 Nov 1994 09:49:37 GMT|Date: Sun, 06 Nov 1994 08:49:37 GMT|", 3600 },
		{ "Retry-After: 5|Retry-After: 9|", 9 },
		{ "Retry-After: 9|Retry-After: 5|", 9 },
		{ "Retry-After: 9000|Retry-After: Sun, 06 Nov 1994 09:49:37 GMT|", 9000 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		ck_assert_int_eq(feed_ok(rows[i].fields), 0);
		ck_assert_msg(response_retry_after(&r, now) == rows[i].wait, "%s: %lld",
		    rows[i].fields, (long long)response_retry_after(&r, now));
	}
}
END_TEST

START_TEST(location_is_kept_raw_and_bounded)
{
	static char big[RESPONSE_LOCATION_MAX + 64];

	ck_assert_int_eq(feed_ok("Location: /a b\xff%00#x|"), 0);
	ck_assert_str_eq(r.location, "/a b\xff%00#x");
	ck_assert_int_eq(feed_ok("Location:|"), 0);
	ck_assert_ptr_null(r.location);
	ck_assert_int_eq(feed_ok("Location: /a|location: /a|"), 0);
	ck_assert_str_eq(r.location, "/a");
	ck_assert_int_eq(feed_ok("Location: /a|location: /b|"), 0);
	ck_assert_ptr_null(r.location);
	ck_assert_int_eq(feed_ok("Location: /a|location: /b|location: /b|"), 0);
	ck_assert_ptr_null(r.location);
	memset(big, 'x', sizeof big);
	memcpy(big, "Location: ", 10);
	big[10 + RESPONSE_LOCATION_MAX] = '|';
	big[10 + RESPONSE_LOCATION_MAX + 1] = '\0';
	ck_assert_int_eq(feed_ok(big), 0);
	ck_assert_uint_eq(strlen(r.location), RESPONSE_LOCATION_MAX);
	big[10 + RESPONSE_LOCATION_MAX] = 'x';
	big[10 + RESPONSE_LOCATION_MAX + 1] = '|';
	big[10 + RESPONSE_LOCATION_MAX + 2] = '\0';
	ck_assert_int_eq(feed_ok(big), -EPROTO);
	ck_assert_ptr_null(r.location);
}
END_TEST

START_TEST(an_answer_before_the_last_is_forgotten)
{
	ck_assert_int_eq(feed("HTTP/1.1 103 Early Hints|Content-Length: 5|ETag: \"x\"|Location: /a|"
			      "Content-Encoding: gzip||"), 0);
	ck_assert(!response_is_final(&r));
	ck_assert_int_eq(feed("HTTP/1.1 100 Continue||HTTP/1.1 401 No|Content-Length: 7||"), 0);
	ck_assert(response_is_final(&r));
	ck_assert_int_eq(feed("HTTP/2 200 |date: x||"), 0);
	ck_assert_int_eq(r.status, 200);
	ck_assert_uint_eq(r.major, 2);
	ck_assert(!r.has_length && !r.coded && !r.etag && !r.location);
	ck_assert(response_is_final(&r));
}
END_TEST

START_TEST(a_status_line_only_counts_where_one_may_stand)
{
	ck_assert_int_eq(feed("HTTP/1.1 200 OK|HTTP/1.1 404 No|"), -EPROTO);
	ck_assert_int_eq(r.status, 200);
	/* Behind a success it can only be a forged trailer of an empty body. */
	ck_assert_int_eq(feed_ok(""), 0);
	ck_assert_int_eq(feed("HTTP/1.1 200 OK|"), -EPROTO);
	ck_assert_int_eq(feed_ok("Transfer-Encoding: chunked|"), 0);
	ck_assert_int_eq(feed("HTTP/1.1 200 OK|"), -EPROTO);
	ck_assert_int_eq(feed_ok("Transfer-Encoding: chunked|"), 0);
	response_body_started(&r);
	ck_assert_int_eq(feed("HTTP/1.1 404 No|"), 0);
	ck_assert_int_eq(r.status, 200);
}
END_TEST

START_TEST(trailers_are_ignored)
{
	ck_assert_int_eq(feed_ok("Transfer-Encoding: chunked|"), 0);
	response_body_started(&r);
	ck_assert_int_eq(feed("Content-Length: 5|Content-Encoding: gzip|ETag: \"x\"|no colon| fold||"), 0);
	ck_assert(!r.has_length && !r.coded && !r.etag && r.chunked);
	/* And those of a body without a byte. */
	ck_assert_int_eq(feed_ok("Transfer-Encoding: chunked|"), 0);
	ck_assert_int_eq(feed("Content-Length: 5|X: y||"), 0);
	ck_assert(!r.has_length);
	ck_assert(response_is_final(&r));
}
END_TEST

START_TEST(a_body_needs_a_header_before_it)
{
	response_body_started(&r);
	ck_assert_ptr_nonnull(r.malformed);
	response_done(&r);
	response_init(&r);
	ck_assert_int_eq(feed("HTTP/1.1 200 OK|X: y|"), 0);
	response_body_started(&r);
	ck_assert_ptr_nonnull(r.malformed);
	ck_assert_int_eq(feed_ok(""), 0);
	response_body_started(&r);
	response_body_started(&r);
	ck_assert_ptr_null(r.malformed);
}
END_TEST

START_TEST(bad_header_lines)
{
	static const struct {
		const char *line;
		size_t n;
	} rows[] = {
		{ "no colon here", 13 },
		{ ": no name", 9 },
		{ "a b: c", 6 },
		{ "a\tb: c", 6 },
		{ "a\x01: c", 5 },
		{ "a\xc3\xa9: c", 6 },
		{ "a(b): c", 7 },
		{ "a: b\0c", 6 },
		{ "\0", 1 },
		{ "a: b\rc", 6 },
		{ "a: b\nc: d", 9 },
		{ "a: b\r\r\n", 7 },
		{ "a: b\n\r\n", 7 },
		{ " folded first", 13 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		response_done(&r);
		response_init(&r);
		ck_assert_int_eq(feed("HTTP/1.1 200 OK|"), 0);
		ck_assert_msg(response_line(&r, rows[i].line, rows[i].n) == -EPROTO, "row %zu", i);
		ck_assert_ptr_nonnull(r.malformed);
		/* Once malformed, always: nothing behind it mends it. */
		ck_assert_int_eq(feed("|HTTP/1.1 200 OK||"), -EPROTO);
		ck_assert_ptr_nonnull(r.malformed);
	}
}
END_TEST

START_TEST(folds_only_behind_fields_that_nobody_reads)
{
	ck_assert_int_eq(feed_ok("X-A: b| c|\td: e|Content-Length: 5|"), 0);
	ck_assert_uint_eq(r.length, 5);
	ck_assert_int_eq(feed_ok("X-A: b|Content-Length: 5| 5|"), -EPROTO);
	ck_assert_int_eq(feed_ok("ETag: \"a\"|\t\"b\"|"), -EPROTO);
	ck_assert_int_eq(feed_ok(" X: y|"), -EPROTO);
}
END_TEST

START_TEST(unread_fields_may_hold_anything)
{
	ck_assert_int_eq(feed_ok("X: \x01\x7f\xff:::|Set-Cookie: a=b; c|P3P: CP=\"x\"|a!#$%&'*+-.^_`~: |"), 0);
	ck_assert_ptr_null(r.malformed);
}
END_TEST

START_TEST(too_many_lines_are_refused)
{
	ck_assert_int_eq(feed("HTTP/1.1 200 OK|"), 0);
	for (unsigned i = 1; i < RESPONSE_LINES_MAX; i++)
		ck_assert_int_eq(feed("X: y|"), 0);
	ck_assert_int_eq(feed("X: y|"), -EPROTO);
}
END_TEST

START_TEST(endless_informational_answers_are_refused)
{
	int e = 0;

	for (unsigned i = 0; i <= RESPONSE_LINES_MAX && e == 0; i++)
		e = feed("HTTP/1.1 100 Continue||");
	ck_assert_int_eq(e, -EPROTO);
}
END_TEST

START_TEST(too_many_bytes_are_refused)
{
	static char line[RESPONSE_BYTES_MAX + 1];

	memset(line, 'x', sizeof line);
	memcpy(line, "X: ", 3);
	ck_assert_int_eq(feed("HTTP/1.1 200 OK|"), 0); /* 17 bytes */
	ck_assert_int_eq(response_line(&r, line, RESPONSE_BYTES_MAX - 17), 0);
	ck_assert_int_eq(response_line(&r, "a:", 2), -EPROTO);
	response_done(&r);
	response_init(&r);
	ck_assert_int_eq(feed("HTTP/1.1 200 OK|"), 0);
	ck_assert_int_eq(response_line(&r, line, sizeof line), -EPROTO);
}
END_TEST

START_TEST(a_real_header)
{
	ck_assert_int_eq(feed("HTTP/1.1 200 OK|Server: nginx/1.22.1|Date: Sun, 06 Nov 1994 08:49:37 GMT|"
			      "Content-Type: application/octet-stream|Content-Length: 1073741824|"
			      "Last-Modified: Sat, 05 Nov 1994 08:49:37 GMT|Connection: keep-alive|"
			      "ETag: \"6543abcd-40000000\"|Accept-Ranges: bytes||"), 0);
	ck_assert(response_is_final(&r));
	ck_assert_uint_eq(r.length, 1073741824);
	ck_assert_str_eq(r.etag, "\"6543abcd-40000000\"");
	ck_assert_int_eq(r.last_modified, 784111777 - 86400);
	ck_assert(r.ranges_bytes && !r.chunked && !r.coded);
	ck_assert_ptr_null(r.malformed);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("response");
	TCase *fields = tcase_create("fields");
	TCase *lines = tcase_create("lines");
	TCase *limits = tcase_create("limits");

	tcase_add_checked_fixture(fields, setup, teardown);
	tcase_add_test(fields, content_length_is_digits_or_a_list_of_the_same);
	tcase_add_test(fields, transfer_codings);
	tcase_add_test(fields, content_codings);
	tcase_add_test(fields, etags_are_opaque_bounded_and_weak_on_doubt);
	tcase_add_test(fields, dates_in_all_three_forms);
	tcase_add_test(fields, a_cut_date_is_no_date);
	tcase_add_test(fields, validators_and_dates_of_a_header);
	tcase_add_test(fields, content_ranges);
	tcase_add_test(fields, accepted_ranges);
	tcase_add_test(fields, retry_after_in_both_forms);
	tcase_add_test(fields, location_is_kept_raw_and_bounded);
	tcase_add_test(fields, a_real_header);
	suite_add_tcase(s, fields);
	tcase_add_checked_fixture(lines, setup, teardown);
	tcase_add_test(lines, status_lines);
	tcase_add_test(lines, the_end_of_a_line_may_be_crlf_lf_or_nothing);
	tcase_add_test(lines, an_answer_before_the_last_is_forgotten);
	tcase_add_test(lines, a_status_line_only_counts_where_one_may_stand);
	tcase_add_test(lines, trailers_are_ignored);
	tcase_add_test(lines, a_body_needs_a_header_before_it);
	tcase_add_test(lines, bad_header_lines);
	tcase_add_test(lines, folds_only_behind_fields_that_nobody_reads);
	tcase_add_test(lines, unread_fields_may_hold_anything);
	suite_add_tcase(s, lines);
	tcase_add_checked_fixture(limits, setup, teardown);
	tcase_add_test(limits, too_many_lines_are_refused);
	tcase_add_test(limits, endless_informational_answers_are_refused);
	tcase_add_test(limits, too_many_bytes_are_refused);
	suite_add_tcase(s, limits);
	return run_suite(s);
}
