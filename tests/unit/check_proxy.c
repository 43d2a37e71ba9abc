/* Which proxy a url goes through: the setting, the environment, the exceptions. */
#include "daemon/xfer/proxy.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "run_suite.h"

static const char *const all_names[] = { "http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy",
	"ALL_PROXY", "no_proxy", "NO_PROXY", "ftp_proxy" };

struct env {
	const char *name, *value;
};

static void
set_env(const struct env *e, size_t n)
{
	for (size_t i = 0; i < ARRAY_SIZE(all_names); i++)
		ck_assert_int_eq(unsetenv(all_names[i]), 0);
	for (size_t i = 0; i < n && e[i].name; i++)
		ck_assert_int_eq(setenv(e[i].name, e[i].value, 1), 0);
}

#define H "http://a.example/x"
#define S "https://a.example/x"

static const struct {
	const char *url, *proxy, *noproxy;
	bool environment;
	struct env env[3];
	const char *want;
} table[] = {
	/* The setting. */
	{ H, NULL, NULL, true, { { "http_proxy", "http://p" } }, NULL },
	{ H, "", NULL, true, { { "http_proxy", "http://p" } }, NULL },
	{ H, "http://q:1", NULL, true, { { "http_proxy", "http://p" } }, "http://q:1" },
	{ S, "socks5h://q:1", NULL, false, { { NULL, NULL } }, "socks5h://q:1" },
	{ "no url", "http://q:1", NULL, false, { { NULL, NULL } }, NULL },
	/* The environment, only when it is wanted. */
	{ H, "env", NULL, true, { { NULL, NULL } }, NULL },
	{ H, "env", NULL, true, { { "http_proxy", "http://p" } }, "http://p" },
	{ H, "env", NULL, true, { { "HTTP_PROXY", "http://evil" } }, NULL }, /* a header of a CGI request */
	{ S, "env", NULL, true, { { "http_proxy", "http://p" } }, NULL },
	{ S, "env", NULL, true, { { "https_proxy", "http://p" } }, "http://p" },
	{ S, "env", NULL, true, { { "HTTPS_PROXY", "http://p" } }, "http://p" },
	{ S, "env", NULL, true, { { "https_proxy", "http://p" }, { "HTTPS_PROXY", "http://q" } }, "http://p" },
	{ H, "env", NULL, true, { { "https_proxy", "http://p" } }, NULL },
	{ "HTTPS://a.example/", "env", NULL, true, { { "https_proxy", "http://p" } }, "http://p" },
	{ H, "env", NULL, true, { { "all_proxy", "http://p" } }, "http://p" },
	{ S, "env", NULL, true, { { "ALL_PROXY", "http://p" } }, "http://p" },
	{ H, "env", NULL, true, { { "all_proxy", "http://p" }, { "ALL_PROXY", "http://q" } }, "http://p" },
	{ H, "env", NULL, true, { { "http_proxy", "http://h" }, { "all_proxy", "http://p" } }, "http://h" },
	{ H, "env", NULL, true, { { "http_proxy", "" }, { "all_proxy", "http://p" } }, NULL },
	{ H, "env", NULL, true, { { "ftp_proxy", "http://p" } }, NULL },
	/* Exceptions of the environment, and those that are said. */
	{ H, "env", NULL, true, { { "http_proxy", "http://p" }, { "no_proxy", "a.example" } }, NULL },
	{ H, "env", NULL, true, { { "http_proxy", "http://p" }, { "NO_PROXY", "a.example" } }, NULL },
	{ H, "env", NULL, true,
	    { { "http_proxy", "http://p" }, { "no_proxy", "b.example" }, { "NO_PROXY", "a.example" } }, "http://p" },
	{ H, "env", "b.example", true, { { "http_proxy", "http://p" }, { "no_proxy", "a.example" } }, "http://p" },
	{ H, "http://q", NULL, true, { { "no_proxy", "a.example" } }, NULL },
	{ H, "http://q", NULL, false, { { "no_proxy", "*" }, { "NO_PROXY", "*" } }, "http://q" },
	{ H, "http://q", "a.example", false, { { NULL, NULL } }, NULL },
};

START_TEST(each_case_has_its_proxy)
{
	AUTO_FREE char *got = NULL;

	set_env(table[_i].env, ARRAY_SIZE(table[_i].env));
	got = proxy_for(table[_i].url, table[_i].proxy, table[_i].noproxy, table[_i].environment);
	if (!table[_i].want)
		ck_assert_msg(!got, "%s", got);
	else
		ck_assert_str_eq(got, table[_i].want);
}
END_TEST

static const struct {
	const char *host, *noproxy;
	bool exempt;
} exceptions[] = {
	{ "a.example", "", false },
	{ "a.example", "*", true },
	{ "a.example", "b.example,*", false }, /* only alone */
	{ "a.example", "a.example", true },
	{ "a.example", "A.Example", true },
	{ "A.EXAMPLE", "a.example", true },
	{ "a.example", "example", true },
	{ "a.example", ".example", true },
	{ "a.example", ".a.example", true },
	{ "a.example", "a.example.", true },
	{ "a.example.", "a.example", true },
	{ "aa.example", "a.example", false },
	{ "a.example", "aa.example", false },
	{ "a.example", "a", false },
	{ "a.example", ".", false },
	{ "a.example", "x, a.example", true },
	{ "a.example", "x a.example\ty", true },
	{ "a.example", ",,a.example,,", true },
	{ "a.example", "x,y", false },
	{ "127.0.0.1", "127.0.0.1", true },
	{ "127.0.0.1", "127.0.0.0/8", true },
	{ "127.0.0.1", "127.9.9.9/8", true },
	{ "127.0.0.1", "127.0.0.2", false },
	{ "127.0.0.1", "0.0.1", false }, /* no name below another */
	{ "127.0.0.1", "128.0.0.0/8,127.0.0.0/9", true },
	{ "[::1]", "::1", true },
	{ "[::1]", "[::1]", true },
	{ "[2001:db8::7]", "2001:db8::/32", true },
	{ "[2001:db8::7]", "2001:db9::/32", false },
	{ "[::ffff:10.0.0.1]", "10.0.0.0/8", true },
};

START_TEST(exceptions_are_names_addresses_and_ranges)
{
	AUTO_FREE char *url = xasprintf("http://%s/x", exceptions[_i].host);
	AUTO_FREE char *got = proxy_for(url, "http://p", exceptions[_i].noproxy, false);

	ck_assert_msg((got == NULL) == exceptions[_i].exempt, "%s in %s", exceptions[_i].host, exceptions[_i].noproxy);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("proxy");
	TCase *t = tcase_create("choice");

	tcase_add_loop_test(t, each_case_has_its_proxy, 0, ARRAY_SIZE(table));
	tcase_add_loop_test(t, exceptions_are_names_addresses_and_ranges, 0, ARRAY_SIZE(exceptions));
	suite_add_tcase(s, t);
	return run_suite(s);
}
