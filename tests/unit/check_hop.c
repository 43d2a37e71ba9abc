/* Redirects: where they lead, and which are refused. */
#include "daemon/xfer/hop.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "run_suite.h"

START_TEST(only_five_statuses_lead_on)
{
	static const int lead[] = { 301, 302, 303, 307, 308 };

	for (int status = -1; status < 1000; status++) {
		bool is = false;

		for (unsigned i = 0; i < ARRAY_SIZE(lead); i++)
			is |= lead[i] == status;
		ck_assert_msg(hop_is_redirect(status) == is, "%d", status);
	}
}
END_TEST

#define BASE "http://a.example/b/c/d;p?q"

static const struct {
	const char *from, *location, *to;
} followed[] = {
	/* RFC 3986 5.4.1, the normal examples. */
	{ BASE, "g", "http://a.example/b/c/g" },
	{ BASE, "./g", "http://a.example/b/c/g" },
	{ BASE, "g/", "http://a.example/b/c/g/" },
	{ BASE, "/g", "http://a.example/g" },
	{ BASE, "//g.example", "http://g.example/" },
	{ BASE, "//g.example/x", "http://g.example/x" },
	{ BASE, "?y", "http://a.example/b/c/d;p?y" },
	{ BASE, "g?y", "http://a.example/b/c/g?y" },
	{ BASE, ";x", "http://a.example/b/c/;x" },
	{ BASE, "g;x", "http://a.example/b/c/g;x" },
	{ BASE, ".", "http://a.example/b/c/" },
	{ BASE, "./", "http://a.example/b/c/" },
	{ BASE, "../", "http://a.example/b/" },
	{ BASE, "../g", "http://a.example/b/g" },
	{ BASE, "../../g", "http://a.example/g" },
	/* 5.4.2, abnormal ones: dots do not lead above the top. */
	{ BASE, "../../../g", "http://a.example/g" },
	{ BASE, "../../../../g", "http://a.example/g" },
	{ BASE, "g.", "http://a.example/b/c/g." },
	{ BASE, "..g", "http://a.example/b/c/..g" },
	/* A fragment is for people. */
	{ BASE, "g#s", "http://a.example/b/c/g" },
	{ BASE, "http://x.example/y#frag", "http://x.example/y" },
	{ BASE "#old", "g", "http://a.example/b/c/g" },
	/* Whole ones. */
	{ BASE, "http://other.example:8080/x?y=1&z=2", "http://other.example:8080/x?y=1&z=2" },
	{ BASE, "https://a.example/s", "https://a.example/s" },
	{ BASE, "HTTPS://a.example/s", "https://a.example/s" },
	{ BASE, "http://[2001:db8::1]:81/x", "http://[2001:db8::1]:81/x" },
	{ "https://a.example/x", "https://b.example/y", "https://b.example/y" },
	{ "https://a.example/x", "//b.example/y", "https://b.example/y" },
	{ "https://a.example/x", "/y", "https://a.example/y" },
	{ "http://a.example:8080/x", "/y", "http://a.example:8080/y" },
	{ "http://a.example:8080/x", "//b.example/y", "http://b.example/y" },
	{ "http://a.example", "y", "http://a.example/y" },
	/* A colon that begins no scheme. */
	{ BASE, "./a:b", "http://a.example/b/c/a:b" },
	{ BASE, "/a:b", "http://a.example/a:b" },
	{ BASE, "?a:b", "http://a.example/b/c/d;p?a:b" },
	/* Servers send spaces and bytes above 127. */
	{ BASE, "/with space", "http://a.example/with%20space" },
	{ BASE, "/%41%2f", "http://a.example/%41%2f" },
};

START_TEST(a_location_leads_as_the_rfc_says)
{
	struct result why = { 0 };
	AUTO_FREE char *to = hop_target(followed[_i].from, followed[_i].location, &why);

	ck_assert_msg(to, "%s is refused: %s", followed[_i].location, why.text);
	ck_assert_msg(strcmp(to, followed[_i].to) == 0, "%s leads to %s", followed[_i].location, to);
	ck_assert_int_eq(why.code, RESULT_OK);
}
END_TEST

static const struct {
	const char *from, *location, *says; /* a piece of the sentence */
} refused[] = {
	{ "https://a.example/x", "http://a.example/x", "https" },
	{ "https://a.example/x", "HTTP://b.example/x", "https" },
	{ BASE, "ftp://a.example/x", "http and https" },
	{ BASE, "file:///etc/passwd", "http and https" },
	{ BASE, "file://localhost/etc/passwd", "http and https" },
	{ BASE, "gopher://a.example/x", "http and https" },
	{ BASE, "dict://a.example:11211/stats", "http and https" },
	{ BASE, "javascript:alert(1)", NULL },
	{ BASE, "data:text/plain,hello", NULL },
	{ BASE, "mailto:x@y.example", NULL },
	{ BASE, "x:y", NULL },
	{ BASE, "http:", NULL },
	{ BASE, "http:/a.example/x", NULL },
	{ BASE, "http:///x", NULL },
	{ BASE, "http://", NULL },
	{ BASE, "http://user:secret@b.example/x", "credentials" },
	{ BASE, "http://user@b.example/x", "credentials" },
	{ BASE, "//user:secret@b.example/x", "credentials" },
	{ BASE, "http://b.example:99999/x", NULL },
	{ BASE, "http://b.example:0/x", NULL },
	{ BASE, "http://b.example:8o/x", NULL },
	{ BASE, "http://[::1/x", NULL },
	{ BASE, "http://b.example\\@c.example/x", NULL },
	{ BASE, "http://b exa.example/x", NULL },
};

START_TEST(what_is_refused_is_told_in_a_sentence)
{
	struct result why = { 0 };
	AUTO_FREE char *to = hop_target(refused[_i].from, refused[_i].location, &why);

	ck_assert_msg(!to, "%s leads to %s", refused[_i].location, to);
	ck_assert_int_eq(why.code, RESULT_REDIRECT_REFUSED);
	ck_assert_msg(strncmp(why.text, "redirect ", 9) == 0 && strstr(why.text, "refused: "), "%s", why.text);
	ck_assert_msg(!refused[_i].says || strstr(why.text, refused[_i].says), "%s: %s", refused[_i].location, why.text);
	ck_assert_msg(!strstr(why.text, "secret"), "%s", why.text); /* DESIGN I8 */
}
END_TEST

START_TEST(control_bytes_never_get_through)
{
	for (unsigned c = 1; c < 0x20; c++) {
		AUTO_FREE char *location = xasprintf("http://b.example/x%cy", (int)c);
		struct result why = { 0 };
		AUTO_FREE char *to = hop_target(BASE, location, &why);

		if (to)
			for (const char *p = to; *p; p++)
				ck_assert_uint_gt((unsigned char)*p, 0x20);
		else
			ck_assert_int_eq(why.code, RESULT_REDIRECT_REFUSED);
		for (const char *p = why.text; *p; p++)
			ck_assert_uint_ge((unsigned char)*p, 0x20);
	}
}
END_TEST

START_TEST(a_location_may_be_long_but_not_endless)
{
	AUTO_FREE char *longer = xmalloc(70001);
	struct result why = { 0 };
	AUTO_FREE char *to = NULL;

	memset(longer, 'x', 70000);
	longer[70000] = '\0';
	ck_assert_ptr_null(hop_target(BASE, longer, &why));
	ck_assert_int_eq(why.code, RESULT_REDIRECT_REFUSED);
	longer[2000] = '\0';
	to = hop_target(BASE, longer, &why);
	ck_assert_ptr_nonnull(to);
	ck_assert_uint_eq(strlen(to), strlen("http://a.example/b/c/") + 2000);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("hop");
	TCase *t = tcase_create("redirects");

	tcase_add_test(t, only_five_statuses_lead_on);
	tcase_add_loop_test(t, a_location_leads_as_the_rfc_says, 0, ARRAY_SIZE(followed));
	tcase_add_loop_test(t, what_is_refused_is_told_in_a_sentence, 0, ARRAY_SIZE(refused));
	tcase_add_test(t, control_bytes_never_get_through);
	tcase_add_test(t, a_location_may_be_long_but_not_endless);
	suite_add_tcase(s, t);
	return run_suite(s);
}
