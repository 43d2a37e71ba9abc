/* Is this body whole: every framing, every end, who decides when nothing does. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "daemon/xfer/complete.h"
#include "run_suite.h"

/* Flags of a row, in the words of struct complete_input. */
enum { TLS = 1, NOTIFY = 2, DIGEST = 4, CODEC = 8, ALLOW = 16, ASKED = 32 };

struct row {
	const char *header; /* "|" stands for CR LF; the empty line is added */
	uint64_t received;
	enum transfer_end end;
	unsigned flags;
	enum result_code code;
	enum proof proof;
};

#define OK1 "HTTP/1.1 200 OK|"
#define OK0 "HTTP/1.0 200 OK|"
#define OK2 "HTTP/2 200 |"
#define LEN "Content-Length: 5|"
#define TE "Transfer-Encoding: chunked|"
#define GZ "Content-Encoding: gzip|"

static const struct row rows[] = {
	/* A length, whatever the version and the connection. */
	{ OK1 LEN, 5, END_CLEAN, 0, RESULT_OK, PROOF_LENGTH },
	{ OK0 LEN, 5, END_CLEAN, 0, RESULT_OK, PROOF_LENGTH },
	{ OK2 LEN, 5, END_CLEAN, TLS, RESULT_OK, PROOF_LENGTH },
	{ OK1 LEN, 5, END_CLEAN, TLS, RESULT_OK, PROOF_LENGTH },
	{ OK1 LEN, 5, END_CLEAN, DIGEST, RESULT_OK, PROOF_LENGTH },
	{ OK1 LEN, 5, END_CLEAN, CODEC | ALLOW, RESULT_OK, PROOF_LENGTH },
	{ OK1 "Content-Length: 0|", 0, END_CLEAN, 0, RESULT_OK, PROOF_LENGTH },
	{ OK1 "Content-Length: 5, 5|", 5, END_CLEAN, 0, RESULT_OK, PROOF_LENGTH },
	{ OK1 LEN "Transfer-Encoding: identity|", 5, END_CLEAN, 0, RESULT_OK, PROOF_LENGTH },
	{ OK1 LEN "Connection: close|", 5, END_RECV_ERROR, 0, RESULT_OK, PROOF_LENGTH },
	{ OK2 LEN, 5, END_STREAM_ERROR, TLS, RESULT_OK, PROOF_LENGTH },
	{ OK1 LEN, 4, END_CLEAN, 0, RESULT_TRUNCATED, PROOF_NONE },
	{ OK1 LEN, 4, END_PARTIAL, 0, RESULT_TRUNCATED, PROOF_NONE },
	{ OK1 LEN, 4, END_RECV_ERROR, 0, RESULT_TRUNCATED, PROOF_NONE },
	{ OK1 LEN, 0, END_PARTIAL, 0, RESULT_TRUNCATED, PROOF_NONE },
	{ OK0 LEN, 4, END_CLEAN, 0, RESULT_TRUNCATED, PROOF_NONE },
	{ OK2 LEN, 4, END_CLEAN, TLS, RESULT_TRUNCATED, PROOF_NONE },
	{ OK2 LEN, 4, END_STREAM_ERROR, TLS, RESULT_TRUNCATED, PROOF_NONE },
	{ OK1 LEN, 4, END_CLEAN, TLS | NOTIFY, RESULT_TRUNCATED, PROOF_NONE },
	{ OK1 LEN, 4, END_CLEAN, DIGEST, RESULT_TRUNCATED, PROOF_NONE },
	{ OK1 LEN, 4, END_CLEAN, CODEC | ALLOW, RESULT_TRUNCATED, PROOF_NONE },
	{ OK1 LEN, 6, END_CLEAN, 0, RESULT_PROTOCOL, PROOF_NONE },
	{ OK2 LEN, 6, END_CLEAN, DIGEST | ALLOW, RESULT_PROTOCOL, PROOF_NONE },
	{ OK1 "Content-Length: 9223372036854775807|", 5, END_PARTIAL, 0, RESULT_TRUNCATED, PROOF_NONE },

	/* Chunks. */
	{ OK1 TE, 5, END_CLEAN, 0, RESULT_OK, PROOF_CHUNKED },
	{ OK1 TE, 0, END_CLEAN, 0, RESULT_OK, PROOF_CHUNKED },
	{ OK1 TE, 5, END_CLEAN, TLS | DIGEST, RESULT_OK, PROOF_CHUNKED },
	{ OK1 TE LEN, 5, END_CLEAN, 0, RESULT_OK, PROOF_CHUNKED },
	{ OK1 LEN TE, 9, END_CLEAN, 0, RESULT_OK, PROOF_CHUNKED },
	{ OK1 TE LEN, 5, END_PARTIAL, 0, RESULT_TRUNCATED, PROOF_NONE },
	{ OK1 TE, 5, END_PARTIAL, 0, RESULT_TRUNCATED, PROOF_NONE },
	{ OK1 TE, 5, END_RECV_ERROR, 0, RESULT_TRUNCATED, PROOF_NONE },
	{ OK1 TE, 5, END_PARTIAL, TLS | NOTIFY, RESULT_TRUNCATED, PROOF_NONE },
	{ OK1 TE, 5, END_PARTIAL, DIGEST | CODEC | ALLOW, RESULT_TRUNCATED, PROOF_NONE },
	{ OK0 TE, 5, END_CLEAN, 0, RESULT_PROTOCOL, PROOF_NONE },
	{ OK0 TE LEN, 5, END_CLEAN, DIGEST | ALLOW, RESULT_PROTOCOL, PROOF_NONE },
	{ OK0 "Transfer-Encoding: identity|" LEN, 5, END_CLEAN, 0, RESULT_PROTOCOL, PROOF_NONE },
	{ OK2 TE, 5, END_CLEAN, TLS, RESULT_PROTOCOL, PROOF_NONE },
	{ OK1 "Transfer-Encoding: gzip, chunked|", 5, END_CLEAN, 0, RESULT_UNSUPPORTED, PROOF_NONE },
	{ OK1 "Transfer-Encoding: gzip|", 5, END_CLEAN, DIGEST, RESULT_UNSUPPORTED, PROOF_NONE },
	{ OK1 "Transfer-Encoding: chunked, gzip|", 5, END_CLEAN, 0, RESULT_PROTOCOL, PROOF_NONE },

	/* HTTP/2 without a length. */
	{ OK2, 5, END_CLEAN, TLS, RESULT_UNPROVEN, PROOF_NONE },
	{ OK2, 5, END_CLEAN, TLS | NOTIFY, RESULT_UNPROVEN, PROOF_NONE },
	{ OK2, 0, END_CLEAN, TLS, RESULT_UNPROVEN, PROOF_NONE },
	{ OK2, 5, END_CLEAN, TLS | DIGEST, RESULT_OK, PROOF_NONE },
	{ OK2, 5, END_CLEAN, TLS | CODEC, RESULT_OK, PROOF_NONE },
	{ OK2, 5, END_CLEAN, TLS | ALLOW, RESULT_OK, PROOF_NONE },
	{ OK2, 5, END_STREAM_ERROR, TLS | DIGEST, RESULT_TRUNCATED, PROOF_NONE },
	{ OK2, 5, END_PARTIAL, TLS | ALLOW, RESULT_TRUNCATED, PROOF_NONE },
	{ OK2, 5, END_RECV_ERROR, TLS | ALLOW, RESULT_TRUNCATED, PROOF_NONE },
	{ "HTTP/3 200 |", 5, END_CLEAN, TLS | NOTIFY, RESULT_UNPROVEN, PROOF_NONE },

	/* The end of the connection ends the body. */
	{ OK1, 5, END_CLEAN, 0, RESULT_UNPROVEN, PROOF_NONE },
	{ OK0, 5, END_CLEAN, 0, RESULT_UNPROVEN, PROOF_NONE },
	{ OK1, 0, END_CLEAN, 0, RESULT_UNPROVEN, PROOF_NONE },
	{ OK1, 5, END_CLEAN, TLS, RESULT_UNPROVEN, PROOF_NONE },
	{ OK1, 5, END_CLEAN, NOTIFY, RESULT_UNPROVEN, PROOF_NONE },
	{ OK1, 5, END_CLEAN, TLS | NOTIFY, RESULT_OK, PROOF_CLOSE_NOTIFY },
	{ OK0, 5, END_CLEAN, TLS | NOTIFY, RESULT_OK, PROOF_CLOSE_NOTIFY },
	{ OK1 "Transfer-Encoding: identity|", 5, END_CLEAN, 0, RESULT_UNPROVEN, PROOF_NONE },
	{ OK1, 5, END_CLEAN, DIGEST, RESULT_OK, PROOF_NONE },
	{ OK1, 5, END_CLEAN, CODEC, RESULT_OK, PROOF_NONE },
	{ OK1, 5, END_CLEAN, ALLOW, RESULT_OK, PROOF_NONE },
	{ OK1, 5, END_RECV_ERROR, DIGEST | CODEC | ALLOW, RESULT_TRUNCATED, PROOF_NONE },
	{ OK1, 5, END_RECV_ERROR, TLS | NOTIFY, RESULT_TRUNCATED, PROOF_NONE },
	{ OK1, 5, END_PARTIAL, 0, RESULT_TRUNCATED, PROOF_NONE },

	/* Codings nobody asked for. */
	{ OK1 LEN GZ, 5, END_CLEAN, 0, RESULT_ENCODING_REFUSED, PROOF_NONE },
	{ OK1 LEN GZ, 5, END_CLEAN, CODEC | ALLOW, RESULT_ENCODING_REFUSED, PROOF_NONE },
	{ OK1 TE GZ, 5, END_CLEAN, 0, RESULT_ENCODING_REFUSED, PROOF_NONE },
	{ OK1 LEN GZ, 5, END_CLEAN, DIGEST, RESULT_OK, PROOF_NONE },
	{ OK1 TE GZ, 5, END_CLEAN, DIGEST, RESULT_OK, PROOF_NONE },
	{ OK1 LEN GZ, 4, END_PARTIAL, DIGEST, RESULT_TRUNCATED, PROOF_NONE },
	{ OK1 LEN "Content-Encoding: identity|", 5, END_CLEAN, 0, RESULT_OK, PROOF_LENGTH },

	/* Anything but 200. */
	{ "HTTP/1.1 203 x|" LEN, 5, END_CLEAN, 0, RESULT_HTTP, PROOF_NONE },
	{ "HTTP/1.1 204 x|", 0, END_CLEAN, 0, RESULT_HTTP, PROOF_NONE },
	{ "HTTP/1.1 206 x|" LEN "Content-Range: bytes 0-4/5|", 5, END_CLEAN, DIGEST | ALLOW, RESULT_HTTP, PROOF_NONE },
	{ "HTTP/1.1 301 x|" LEN, 5, END_CLEAN, 0, RESULT_HTTP, PROOF_NONE },
	{ "HTTP/1.1 304 x|", 0, END_CLEAN, 0, RESULT_HTTP, PROOF_NONE },
	{ "HTTP/1.1 304 x|", 0, END_CLEAN, DIGEST | ALLOW, RESULT_HTTP, PROOF_NONE },
	{ "HTTP/1.1 304 x|", 0, END_CLEAN, ASKED, RESULT_OK, PROOF_NONE },
	{ OK1 LEN, 5, END_CLEAN, ASKED, RESULT_OK, PROOF_LENGTH },
	{ OK1 LEN, 4, END_CLEAN, ASKED, RESULT_TRUNCATED, PROOF_NONE },
	{ "HTTP/1.1 412 x|" LEN, 5, END_CLEAN, ASKED, RESULT_HTTP, PROOF_NONE },
	{ "HTTP/1.1 404 x|" LEN, 5, END_CLEAN, ALLOW, RESULT_HTTP, PROOF_NONE },
	{ "HTTP/1.1 404 x|" LEN, 2, END_RECV_ERROR, 0, RESULT_HTTP, PROOF_NONE },
	{ "HTTP/1.1 404 x|" LEN GZ, 5, END_CLEAN, 0, RESULT_HTTP, PROOF_NONE },
	{ "HTTP/1.1 416 x|Content-Range: bytes */5|", 0, END_CLEAN, 0, RESULT_HTTP, PROOF_NONE },
	{ "HTTP/1.1 500 x|" LEN, 5, END_CLEAN, DIGEST, RESULT_HTTP, PROOF_NONE },
	{ "HTTP/2 503 |", 5, END_CLEAN, TLS, RESULT_HTTP, PROOF_NONE },
	{ "HTTP/1.1 999 x|", 5, END_CLEAN, 0, RESULT_HTTP, PROOF_NONE },

	/* Answers that cannot be believed, and none. */
	{ OK1 LEN "Content-Length: 6|", 5, END_CLEAN, 0, RESULT_PROTOCOL, PROOF_NONE },
	{ OK1 "Content-Length: 5abc|", 5, END_CLEAN, DIGEST | ALLOW, RESULT_PROTOCOL, PROOF_NONE },
	{ OK1 "Content-Length: 9223372036854775808|", 5, END_CLEAN, 0, RESULT_PROTOCOL, PROOF_NONE },
	{ OK1 "Content-Length: -5|", 5, END_GARBAGE, 0, RESULT_PROTOCOL, PROOF_NONE },
	{ OK1 LEN TE "Content-Length: 6|", 5, END_CLEAN, 0, RESULT_PROTOCOL, PROOF_NONE },
	{ OK1 LEN "no colon|", 5, END_CLEAN, 0, RESULT_PROTOCOL, PROOF_NONE },
	{ "HTTP/1.1 404 x|no colon|", 5, END_CLEAN, 0, RESULT_PROTOCOL, PROOF_NONE },
	{ OK1 LEN, 5, END_GARBAGE, 0, RESULT_PROTOCOL, PROOF_NONE },
	{ "", 0, END_GARBAGE, 0, RESULT_PROTOCOL, PROOF_NONE },
	{ "", 0, END_CLEAN, ALLOW, RESULT_PROTOCOL, PROOF_NONE },
	{ "", 0, END_RECV_ERROR, 0, RESULT_CONNECT, PROOF_NONE },
	{ "", 0, END_STREAM_ERROR, TLS, RESULT_CONNECT, PROOF_NONE },
	{ "HTTP/1.1 100 Continue|", 0, END_RECV_ERROR, 0, RESULT_CONNECT, PROOF_NONE },
	{ "HTTP/1.1 100 Continue|", 0, END_CLEAN, ALLOW, RESULT_PROTOCOL, PROOF_NONE },
};

static void
feed(struct response *r, const char *text)
{
	response_init(r);
	if (!*text)
		return;
	while (*text) {
		size_t n = strcspn(text, "|");

		(void)response_line(r, text, n);
		text += n + (text[n] != 0);
	}
	(void)response_line(r, "\r\n", 2);
}

static enum proof
judge(const struct row *row, struct response *r, struct result *ret)
{
	struct complete_input in = {
		.response = r,
		.end = row->end,
		.received = row->received,
		.tls = row->flags & TLS,
		.close_notify = row->flags & NOTIFY,
		.has_digest = row->flags & DIGEST,
		.has_codec = row->flags & CODEC,
		.allow_unproven = row->flags & ALLOW,
		.conditional = row->flags & ASKED,
	};

	feed(r, row->header);
	return complete_judge(&in, ret);
}

START_TEST(a_body_is_whole_or_not)
{
	const struct row *row = &rows[_i];
	struct response r;
	struct result res;
	enum proof p = judge(row, &r, &res);

	ck_assert_msg(res.code == row->code, "%s received %llu end %d flags %u: %s: %s", row->header,
	    (unsigned long long)row->received, (int)row->end, row->flags,
	    result_code_to_string(res.code), res.text);
	ck_assert_msg(p == row->proof, "%s: proof %s", row->header, proof_to_string(p));
	ck_assert_int_eq(res.http_status, r.status);
	ck_assert_msg(res.text[0] && !(res.text[0] >= 'A' && res.text[0] <= 'Z'), "%s", res.text);
	ck_assert_msg(strlen(res.text) < sizeof res.text - 4, "cut: %s", res.text);
	ck_assert_ptr_null(strstr(res.text, "null"));
	response_done(&r);
}
END_TEST

START_TEST(an_unproven_end_names_the_way_out)
{
	struct response r;
	struct result res;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		(void)judge(&rows[i], &r, &res);
		if (res.code == RESULT_UNPROVEN)
			ck_assert_ptr_nonnull(strstr(res.text, "allow-unproven = true"));
		response_done(&r);
	}
}
END_TEST

/* Whatever the header says, a proof needs a 200 with a final header, and an
 * error of the connection never passes without the announced bytes. */
START_TEST(nothing_but_a_proof_or_a_later_judge_passes)
{
	struct response r;
	struct result res;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		for (unsigned flags = 0; flags < 32; flags++)
			for (int end = 0; end < _TRANSFER_END_MAX; end++) {
				struct row row = rows[i];
				enum proof p;

				row.flags = flags;
				row.end = (enum transfer_end)end;
				p = judge(&row, &r, &res);
				if (res.code == RESULT_OK) {
					ck_assert_int_eq(r.status, 200);
					ck_assert(!r.malformed);
					ck_assert(p != PROOF_NONE || flags & (DIGEST | CODEC | ALLOW));
					ck_assert(end == END_CLEAN ||
					    (r.has_length && !r.chunked && r.length == row.received));
					ck_assert(!r.coded || flags & DIGEST);
				} else {
					ck_assert_int_eq(p, PROOF_NONE);
				}
				response_done(&r);
			}
}
END_TEST

/* The rest of a file of 10 bytes from the fifth on, validator "a" or a date. */
#define PART "HTTP/1.1 206 Part|Content-Length: 6|"
#define RANGE "Content-Range: bytes 4-9/10|"
#define TAG "ETag: \"a\"|"
#define DAY "Last-Modified: Tue, 14 Nov 2023 22:13:20 GMT|"
enum { THAT_DAY = 1700000000 };

static const struct {
	const char *header;
	bool by_date;
	uint64_t received;
	enum transfer_end end;
	enum result_code code;
} rests[] = {
	{ PART RANGE TAG, false, 6, END_CLEAN, RESULT_OK },
	{ PART RANGE TAG DAY, false, 6, END_RECV_ERROR, RESULT_OK },
	{ PART RANGE DAY, true, 6, END_CLEAN, RESULT_OK },
	{ PART RANGE TAG, false, 5, END_CLEAN, RESULT_TRUNCATED },
	{ PART RANGE TAG, false, 0, END_PARTIAL, RESULT_TRUNCATED },
	{ "HTTP/1.1 206 Part|" TE RANGE TAG, false, 6, END_CLEAN, RESULT_OK },
	{ "HTTP/1.1 206 Part|" TE RANGE TAG, false, 5, END_CLEAN, RESULT_TRUNCATED },
	{ "HTTP/1.1 206 Part|" TE RANGE TAG, false, 6, END_PARTIAL, RESULT_OK },
	{ "HTTP/1.1 206 Part|" TE RANGE TAG, false, 7, END_CLEAN, RESULT_PROTOCOL },
	/* Nothing but Content-Range tells how much it is. */
	{ "HTTP/1.1 206 Part|" RANGE TAG, false, 6, END_CLEAN, RESULT_OK },
	{ "HTTP/1.1 206 Part|" RANGE TAG, false, 6, END_RECV_ERROR, RESULT_OK },
	{ "HTTP/1.1 206 Part|" RANGE TAG, false, 5, END_CLEAN, RESULT_TRUNCATED },
	{ "HTTP/2 206 |" RANGE TAG, false, 5, END_CLEAN, RESULT_TRUNCATED },
	{ PART RANGE, false, 6, END_CLEAN, RESULT_RANGE_CHANGED },
	{ PART RANGE "ETag: W/\"a\"|", false, 6, END_CLEAN, RESULT_RANGE_CHANGED },
	{ PART RANGE "ETag: \"b\"|", false, 6, END_CLEAN, RESULT_RANGE_CHANGED },
	{ PART RANGE TAG "ETag: \"b\"|", false, 6, END_CLEAN, RESULT_RANGE_CHANGED },
	{ PART RANGE, true, 6, END_CLEAN, RESULT_RANGE_CHANGED },
	{ PART RANGE "Last-Modified: Tue, 14 Nov 2023 22:13:21 GMT|", true, 6, END_CLEAN, RESULT_RANGE_CHANGED },
	{ PART TAG, false, 6, END_CLEAN, RESULT_RANGE_CHANGED },
	{ PART TAG "Content-Range: bytes 3-9/10|", false, 6, END_CLEAN, RESULT_RANGE_CHANGED },
	{ PART TAG "Content-Range: bytes 4-9/11|", false, 6, END_CLEAN, RESULT_RANGE_CHANGED },
	{ PART TAG "Content-Range: bytes 4-8/10|", false, 6, END_CLEAN, RESULT_RANGE_CHANGED },
	{ PART TAG "Content-Range: bytes 4-9/*|", false, 6, END_CLEAN, RESULT_RANGE_CHANGED },
	{ PART TAG "Content-Range: bytes banana|", false, 6, END_CLEAN, RESULT_RANGE_CHANGED },
	{ PART RANGE TAG GZ, false, 6, END_CLEAN, RESULT_RANGE_CHANGED },
	{ "HTTP/1.1 206 Part|Content-Length: 5|" RANGE TAG, false, 5, END_CLEAN, RESULT_RANGE_CHANGED },
	{ "HTTP/1.1 200 OK|Content-Length: 10|" TAG, false, 10, END_CLEAN, RESULT_RANGE_CHANGED },
	{ "HTTP/1.1 416 No|Content-Length: 0|Content-Range: bytes */10|", false, 0, END_CLEAN, RESULT_RANGE_CHANGED },
	{ "HTTP/1.1 404 No|Content-Length: 0|", false, 0, END_CLEAN, RESULT_HTTP },
	{ "HTTP/1.1 304 No|", false, 0, END_CLEAN, RESULT_HTTP },
};

START_TEST(a_rest_is_that_of_the_same_file_or_not)
{
	struct complete_input in = {
		.end = rests[_i].end,
		.received = rests[_i].received,
		.rest = { .start = 4, .total = 10, .etag = rests[_i].by_date ? NULL : "\"a\"", .modified = THAT_DAY },
	};
	struct response r;
	struct result res;

	feed(&r, rests[_i].header);
	in.response = &r;
	(void)complete_judge(&in, &res);
	ck_assert_msg(res.code == rests[_i].code, "%s received %llu: %s: %s", rests[_i].header,
	    (unsigned long long)in.received, result_code_to_string(res.code), res.text);
	in.has_digest = in.allow_unproven = in.has_codec = in.conditional = true; /* nobody's word makes another file the same */
	(void)complete_judge(&in, &res);
	ck_assert_int_eq(res.code, rests[_i].code);
	response_done(&r);
}
END_TEST

START_TEST(a_validator_is_strong_or_not)
{
	static const struct {
		const char *header;
		bool strong;
	} all[] = {
		{ OK1 TAG, true }, { OK1 "ETag: W/\"a\"|", false }, { OK1, false }, { OK1 DAY, false },
		{ OK1 DAY "Date: Tue, 14 Nov 2023 22:13:59 GMT|", false },
		{ OK1 DAY "Date: Tue, 14 Nov 2023 22:14:20 GMT|", true },
		{ OK1 "ETag: W/\"a\"|" DAY "Date: Wed, 15 Nov 2023 22:14:20 GMT|", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		struct response r;

		feed(&r, all[i].header);
		ck_assert_msg(complete_is_strong(&r) == all[i].strong, "%s", all[i].header);
		response_done(&r);
	}
}
END_TEST

START_TEST(proofs_have_names)
{
	for (int p = 0; p < _PROOF_MAX; p++)
		ck_assert_str_ne(proof_to_string((enum proof)p), "?");
	ck_assert_str_eq(proof_to_string(_PROOF_MAX), "?");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("complete");
	TCase *table = tcase_create("table");
	TCase *always = tcase_create("always");

	tcase_add_loop_test(table, a_body_is_whole_or_not, 0, (int)ARRAY_SIZE(rows));
	suite_add_tcase(s, table);
	tcase_add_test(always, an_unproven_end_names_the_way_out);
	tcase_add_test(always, nothing_but_a_proof_or_a_later_judge_passes);
	tcase_add_loop_test(table, a_rest_is_that_of_the_same_file_or_not, 0, (int)ARRAY_SIZE(rests));
	tcase_add_test(always, a_validator_is_strong_or_not);
	tcase_add_test(always, proofs_have_names);
	suite_add_tcase(s, always);
	return run_suite(s);
}
