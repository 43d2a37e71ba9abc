/* Every CURLcode becomes a result with a sentence, in one table. */
#include "daemon/xfer/outcome.h"

#include <check.h>
#include <errno.h>
#include <openssl/x509_vfy.h>
#include <string.h>

#include "base/cleanup.h"
#include "run_suite.h"

/* Ends of a body: complete.c decides about those. */
static const struct {
	CURLcode rc;
	enum transfer_end end;
} ends[] = {
	{ CURLE_OK, END_CLEAN },
	{ CURLE_PARTIAL_FILE, END_PARTIAL },
	{ CURLE_RECV_ERROR, END_RECV_ERROR },
	{ CURLE_GOT_NOTHING, END_RECV_ERROR },
	{ CURLE_HTTP2, END_STREAM_ERROR },
	{ CURLE_HTTP2_STREAM, END_STREAM_ERROR },
	{ CURLE_WEIRD_SERVER_REPLY, END_GARBAGE },
	{ CURLE_UNSUPPORTED_PROTOCOL, END_GARBAGE },
	{ CURLE_BAD_FUNCTION_ARGUMENT, END_GARBAGE },
};

/* What can fail before and besides a body, with what users are told. */
static const struct {
	CURLcode rc;
	enum result_code code;
	enum result_class class;
} failures[] = {
	{ CURLE_COULDNT_RESOLVE_HOST, RESULT_DNS, CLASS_RETRY_NOW },
	{ CURLE_COULDNT_RESOLVE_PROXY, RESULT_PROXY, CLASS_RETRY_NOW },
	{ CURLE_PROXY, RESULT_PROXY, CLASS_RETRY_NOW },
	{ CURLE_COULDNT_CONNECT, RESULT_CONNECT, CLASS_RETRY_NOW },
	{ CURLE_INTERFACE_FAILED, RESULT_CONNECT, CLASS_RETRY_NOW },
	{ CURLE_SEND_ERROR, RESULT_CONNECT, CLASS_RETRY_NOW },
	{ CURLE_OPERATION_TIMEDOUT, RESULT_TIMEOUT, CLASS_RETRY_NOW },
	{ CURLE_SSL_CONNECT_ERROR, RESULT_TLS, CLASS_PERMANENT },
	{ CURLE_PEER_FAILED_VERIFICATION, RESULT_TLS, CLASS_PERMANENT },
	{ CURLE_SSL_CERTPROBLEM, RESULT_TLS, CLASS_PERMANENT },
	{ CURLE_SSL_CIPHER, RESULT_TLS, CLASS_PERMANENT },
	{ CURLE_SSL_CACERT_BADFILE, RESULT_TLS, CLASS_PERMANENT },
	{ CURLE_SSL_ISSUER_ERROR, RESULT_TLS, CLASS_PERMANENT },
	{ CURLE_SSL_PINNEDPUBKEYNOTMATCH, RESULT_TLS, CLASS_PERMANENT },
	{ CURLE_SSL_INVALIDCERTSTATUS, RESULT_TLS, CLASS_PERMANENT },
	{ CURLE_SSL_CLIENTCERT, RESULT_TLS, CLASS_PERMANENT },
	{ CURLE_URL_MALFORMAT, RESULT_UNSUPPORTED, CLASS_PERMANENT },
	{ CURLE_NOT_BUILT_IN, RESULT_UNSUPPORTED, CLASS_PERMANENT },
	{ CURLE_OUT_OF_MEMORY, RESULT_PROTOCOL, CLASS_RETRY_NOW },
};

START_TEST(the_ends_of_a_body_are_left_to_who_judges_them)
{
	for (int rc = -1; rc <= CURL_LAST; rc++) {
		enum transfer_end end = _TRANSFER_END_MAX;
		bool is = false;

		for (unsigned i = 0; i < ARRAY_SIZE(ends); i++)
			if ((int)ends[i].rc == rc) {
				is = true;
				ck_assert(outcome_is_body_end((CURLcode)rc, &end));
				ck_assert_int_eq(end, ends[i].end);
			}
		end = _TRANSFER_END_MAX;
		ck_assert_msg(outcome_is_body_end((CURLcode)rc, &end) == is, "%d", rc);
		ck_assert_msg(is || end == _TRANSFER_END_MAX, "%d", rc);
	}
}
END_TEST

START_TEST(each_failure_has_its_word_and_class)
{
	for (unsigned i = 0; i < ARRAY_SIZE(failures); i++) {
		struct result r = { 0 };

		outcome_from_curl(failures[i].rc, "", "files.example", &r);
		ck_assert_msg(r.code == failures[i].code, "%d: %s", (int)failures[i].rc, r.text);
		ck_assert_msg(result_class(&r) == failures[i].class, "%d: %s", (int)failures[i].rc, r.text);
		ck_assert_msg(strstr(r.text, "files.example"), "%s", r.text);
		ck_assert_msg(r.text[strlen(r.text) - 1] != ' ' && r.text[strlen(r.text) - 1] != ':', "\"%s\"", r.text);
	}
}
END_TEST

/* One that nobody thought of is our own fault, and tried no more. */
START_TEST(every_other_code_is_internal_and_has_a_sentence_too)
{
	for (int rc = 1; rc <= CURL_LAST; rc++) {
		struct result r = { 0 };
		enum transfer_end end;
		bool known = outcome_is_body_end((CURLcode)rc, &end);

		for (unsigned i = 0; i < ARRAY_SIZE(failures); i++)
			known |= (int)failures[i].rc == rc;
		outcome_from_curl((CURLcode)rc, "", "files.example", &r);
		ck_assert_msg(strlen(r.text) > 15 && strstr(r.text, "files.example"), "%d: \"%s\"", rc, r.text);
		ck_assert_int_ne(r.code, RESULT_OK);
		if (!known) {
			ck_assert_msg(r.code == RESULT_INTERNAL, "%d: %s", rc, result_code_to_string(r.code));
			ck_assert_ptr_nonnull(strstr(r.text, curl_easy_strerror((CURLcode)rc)));
		}
	}
}
END_TEST

START_TEST(the_cause_is_in_the_sentence_where_libcurl_told_it)
{
	struct result r = { 0 };

	outcome_from_curl(CURLE_COULDNT_CONNECT, "Connection refused", "files.example", &r);
	ck_assert_str_eq(r.text, "cannot connect to files.example: Connection refused");
	outcome_from_curl(CURLE_COULDNT_CONNECT, NULL, "files.example", &r);
	ck_assert_str_eq(r.text, "cannot connect to files.example");
	outcome_from_curl(CURLE_FTP_ACCEPT_FAILED, "odd", "files.example", &r);
	ck_assert_ptr_nonnull(strstr(r.text, "odd"));
}
END_TEST

START_TEST(a_broken_answer_is_no_stream_that_the_server_reset)
{
	ck_assert(outcome_is_bad_http2("HTTP/2 stream 1 was not closed cleanly: PROTOCOL_ERROR (err 1)"));
	ck_assert(outcome_is_bad_http2("h2_process_pending_input: nghttp2_session_mem_recv() returned -902:The user callback function failed"));
	ck_assert(!outcome_is_bad_http2("HTTP/2 stream 1 was not closed cleanly: INTERNAL_ERROR (err 2)"));
	ck_assert(!outcome_is_bad_http2(""));
}
END_TEST

START_TEST(foreign_bytes_are_made_harmless)
{
	char host[256], detail[CURL_ERROR_SIZE];
	struct result r = { 0 };

	memset(host, '%', sizeof host - 1);
	memset(detail, '\033', sizeof detail - 1);
	host[255] = detail[sizeof detail - 1] = '\0';
	outcome_from_curl(CURLE_COULDNT_RESOLVE_HOST, detail, "%s%n%s%n", &r);
	ck_assert_ptr_nonnull(strstr(r.text, "%s%n%s%n"));
	for (const char *p = r.text; *p; p++)
		ck_assert_uint_ge((unsigned char)*p, 0x20);
	outcome_from_curl(CURLE_COULDNT_RESOLVE_HOST, detail, host, &r);
	ck_assert_uint_lt(strlen(r.text), RESULT_TEXT_MAX);
}
END_TEST

START_TEST(what_an_attempt_shows_of_the_network)
{
	static const struct {
		CURLcode rc;
		int os_error;
		bool connected;
		uint64_t ms;
		enum transfer_reach reach;
	} rows[] = {
		{ CURLE_OK, 0, true, 10, REACH_MADE }, { CURLE_OPERATION_TIMEDOUT, 0, true, 10000, REACH_MADE },
		{ CURLE_SSL_CONNECT_ERROR, 0, true, 10, REACH_MADE }, { CURLE_OPERATION_TIMEDOUT, 0, false, 10, REACH_NONE },
		{ CURLE_COULDNT_CONNECT, ECONNREFUSED, false, 1, REACH_MADE }, { CURLE_COULDNT_CONNECT, ECONNRESET, false, 1, REACH_MADE },
		{ CURLE_COULDNT_CONNECT, ENETUNREACH, false, 1, REACH_LOCAL }, { CURLE_COULDNT_CONNECT, EHOSTUNREACH, false, 3000, REACH_NONE },
		{ CURLE_COULDNT_CONNECT, ETIMEDOUT, false, 9000, REACH_NONE }, { CURLE_COULDNT_CONNECT, ENETDOWN, false, 1, REACH_NONE },
		{ CURLE_COULDNT_CONNECT, 0, false, 1, REACH_UNKNOWN }, { CURLE_COULDNT_CONNECT, EACCES, false, 1, REACH_UNKNOWN },
		{ CURLE_COULDNT_RESOLVE_HOST, 0, false, 20, REACH_LOCAL }, { CURLE_COULDNT_RESOLVE_HOST, 0, false, 5000, REACH_NONE },
		{ CURLE_COULDNT_RESOLVE_PROXY, 0, false, 5000, REACH_NONE }, { CURLE_URL_MALFORMAT, 0, false, 0, REACH_UNKNOWN },
		{ CURLE_SEND_ERROR, 0, false, 0, REACH_UNKNOWN },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		ck_assert_msg(outcome_reach(rows[i].rc, rows[i].os_error, rows[i].connected, rows[i].ms) == rows[i].reach, "row %u", i);
}
END_TEST

START_TEST(a_certificate_of_the_future_may_be_the_clocks_fault)
{
	for (long verify = 0; verify < 80; verify++) {
		struct result r = { 0 };

		result_set(&r, RESULT_TLS, "the certificate is not accepted");
		outcome_judge_certificate(verify, "files.example", &r);
		ck_assert_int_eq(r.code, verify == X509_V_ERR_CERT_NOT_YET_VALID ? RESULT_NOT_YET_VALID : RESULT_TLS);
		ck_assert_int_eq(result_class(&r), verify == X509_V_ERR_CERT_NOT_YET_VALID ? CLASS_RETRY_LATER : CLASS_PERMANENT);
		ck_assert(verify != X509_V_ERR_CERT_NOT_YET_VALID || (strstr(r.text, "files.example") && strstr(r.text, "clock")));
		result_set(&r, RESULT_CONNECT, "something else");
		outcome_judge_certificate(verify, "files.example", &r);
		ck_assert_int_eq(r.code, RESULT_CONNECT);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("outcome");
	TCase *t = tcase_create("table");

	tcase_add_test(t, the_ends_of_a_body_are_left_to_who_judges_them);
	tcase_add_test(t, each_failure_has_its_word_and_class);
	tcase_add_test(t, every_other_code_is_internal_and_has_a_sentence_too);
	tcase_add_test(t, the_cause_is_in_the_sentence_where_libcurl_told_it);
	tcase_add_test(t, a_broken_answer_is_no_stream_that_the_server_reset);
	tcase_add_test(t, foreign_bytes_are_made_harmless);
	tcase_add_test(t, what_an_attempt_shows_of_the_network);
	tcase_add_test(t, a_certificate_of_the_future_may_be_the_clocks_fault);
	suite_add_tcase(s, t);
	return run_suite(s);
}
