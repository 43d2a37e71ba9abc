/* URLs: what is refused, how the rest falls into parts, names, redaction. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/url.h"
#include "run_suite.h"

static bool
part_is(struct url_part p, const char *want)
{
	return p.len == strlen(want) && (p.len == 0 || memcmp(p.at, want, p.len) == 0);
}

START_TEST(parts)
{
	static const struct {
		const char *s, *scheme, *userinfo, *host, *path, *query, *fragment;
		unsigned port;
	} rows[] = {
		{ "http://h", "http", "", "h", "", "", "", 0 },
		{ "https://h/", "https", "", "h", "/", "", "", 0 },
		{ "HTTP://Example.ORG:8080/a/b?c=d#e", "HTTP", "", "Example.ORG", "/a/b", "c=d", "e", 8080 },
		{ "http://u:p@h/a", "http", "u:p", "h", "/a", "", "", 0 },
		{ "http://u@v@h/a", "http", "u@v", "h", "/a", "", "", 0 },
		{ "http://@h/", "http", "", "h", "/", "", "", 0 },
		{ "http://u:p@h:1/@x:y", "http", "u:p", "h", "/@x:y", "", "", 1 },
		{ "http://h?q", "http", "", "h", "", "q", "", 0 },
		{ "http://h#f", "http", "", "h", "", "", "f", 0 },
		{ "http://h/#f?g", "http", "", "h", "/", "", "f?g", 0 },
		{ "http://h/?a#b#c?d", "http", "", "h", "/", "a", "b#c?d", 0 },
		{ "http://h/?", "http", "", "h", "/", "", "", 0 },
		{ "http://h:/x", "http", "", "h", "/x", "", "", 0 },
		{ "http://h:65535/", "http", "", "h", "/", "", "", 65535 },
		{ "http://h:0080/", "http", "", "h", "/", "", "", 80 },
		{ "http://[::1]/a", "http", "", "[::1]", "/a", "", "", 0 },
		{ "http://u:p@[fe80::1]:81/a", "http", "u:p", "[fe80::1]", "/a", "", "", 81 },
		{ "http://127.0.0.1:80", "http", "", "127.0.0.1", "", "", "", 80 },
		{ "http://h//a//b", "http", "", "h", "//a//b", "", "", 0 },
		{ "file:///etc/passwd", "file", "", "", "/etc/passwd", "", "", 0 },
		{ "file://localhost/a", "file", "", "localhost", "/a", "", "", 0 },
		{ "svn+ssh://h/a", "svn+ssh", "", "h", "/a", "", "", 0 },
		{ "http://b\xc3\xbc" "cher.example/\xc3\xa9", "http", "", "b\xc3\xbc" "cher.example", "/\xc3\xa9", "", "", 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *why = NULL;
		struct url u;

		ck_assert_msg(url_parse(rows[i].s, &u, &why) == 0, "%s: %s", rows[i].s, why);
		ck_assert_msg(part_is(u.scheme, rows[i].scheme), "%s", rows[i].s);
		ck_assert_msg(part_is(u.userinfo, rows[i].userinfo), "%s", rows[i].s);
		ck_assert_msg(part_is(u.host, rows[i].host), "%s", rows[i].s);
		ck_assert_msg(part_is(u.path, rows[i].path), "%s", rows[i].s);
		ck_assert_msg(part_is(u.query, rows[i].query), "%s", rows[i].s);
		ck_assert_msg(part_is(u.fragment, rows[i].fragment), "%s", rows[i].s);
		ck_assert_msg(u.port == rows[i].port, "%s", rows[i].s);
	}
}
END_TEST

START_TEST(refusals)
{
	static const char *const bad[] = {
		"", "h", "/a", "h/a", "http", "http:", "http:/h", "http:h", "://h", "//h/a", "?a://b",
		"http://", "http:///a", "http://?q", "http://#f", "http://u@/a", "http://:80/",
		"http://u:p@:80/", "http://h:0/", "http://h:65536/", "http://h:99999999999999999999/",
		"http://h:8x/", "http://h:-1/", "http://h:+80/", "http://h: 80/", "http://h:80:90/",
		"http://::1/", "http://[::1/", "http://[::1]x/", "http://[::1]:x/", "http://[]/",
		"http://[zz]/", "http://[1.2.3.4]/", "http://a[b/", "http://a]b/", "http://[[::1]]/",
		"http://h\\@evil/", "http://h%2fevil/", "http://h|/", "http://<h>/", "http://h'/",
		"http://h\"/", "http://h`/", "http://{h}/", "http://h^/",
		" http://h/", "http://h/a b", "http://h/\ta", "http://h/a\n", "http://h/\x01",
		"http://h/\x7f", "http://h\r\nX: y/", "ht tp://h/", "ht_tp://h/", "http@://h/",
		"file://other/a", "file:/a",
	};
	struct url u;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		const char *why = NULL;

		ck_assert_msg(url_parse(bad[i], &u, &why) == -EINVAL, "%s was taken", bad[i]);
		ck_assert_ptr_nonnull(why);
	}
}
END_TEST

START_TEST(lengths_are_bounded)
{
	char *s = xmalloc(URL_MAX + 2);
	const char *why;
	struct url u;

	memset(s, 'a', URL_MAX + 1);
	memcpy(s, "http://h/", 9);
	s[URL_MAX + 1] = '\0';
	ck_assert_int_eq(url_parse(s, &u, &why), -EINVAL);
	s[URL_MAX] = '\0';
	ck_assert_int_eq(url_parse(s, &u, &why), 0);
	memcpy(s, "http://hh", 9);
	s[7 + 256] = '\0';
	ck_assert_int_eq(url_parse(s, &u, &why), -EINVAL);
	s[7 + 255] = '\0';
	ck_assert_int_eq(url_parse(s, &u, &why), 0);
	free(s);
}
END_TEST

START_TEST(file_names)
{
	static const struct {
		const char *s, *name; /* NULL: none */
	} rows[] = {
		{ "http://h/a/b.tar.gz", "b.tar.gz" },
		{ "http://h/b?x=/c", "b" },
		{ "http://h/b#/c", "b" },
		{ "http://h/a%20b", "a b" },
		{ "http://h/%41%62", "Ab" },
		{ "http://h/%2541", "%41" },
		{ "http://h/100%", "100%" },
		{ "http://h/a%4", "a%4" },
		{ "http://h/a%zz", "a%zz" },
		{ "http://h/%c3%a9", "\xc3\xa9" },
		{ "http://h/.hidden", ".hidden" },
		{ "http://h/...", "..." },
		{ "http://h/-rf", "-rf" },
		{ "http://h/a;b", "a;b" },
		{ "file:///x/y", "y" },
		{ "http://h", NULL },
		{ "http://h/", NULL },
		{ "http://h/a/", NULL },
		{ "http://h/.", NULL },
		{ "http://h/..", NULL },
		{ "http://h/%2e", NULL },
		{ "http://h/%2e%2E", NULL },
		{ "http://h/.%2e", NULL },
		{ "http://h/a%2fb", NULL },
		{ "http://h/%2f", NULL },
		{ "http://h/..%2f..%2fetc%2fpasswd", NULL },
		{ "http://h/a%00b", NULL },
		{ "http://h/%00", NULL },
		{ "http://h/a%0ab", NULL },
		{ "http://h/a%1b", NULL },
		{ "http://h/a%7f", NULL },
		{ "http://h/a%5cb", NULL },
		{ "http://h?/x", NULL },
	};
	char s[400];
	struct url u;
	const char *why;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTO_FREE char *name = NULL;

		ck_assert_msg(url_parse(rows[i].s, &u, &why) == 0, "%s: %s", rows[i].s, why);
		name = url_filename(&u);
		ck_assert_msg(text_equal(name, rows[i].name), "%s: %s", rows[i].s, name ? name : "-");
	}
	memset(s, 'n', sizeof s);
	memcpy(s, "http://h/", 9);
	for (size_t n = 255; n <= 256; n++) {
		AUTO_FREE char *name = NULL;

		s[9 + n] = '\0';
		ck_assert_int_eq(url_parse(s, &u, &why), 0);
		name = url_filename(&u);
		ck_assert(n <= 255 ? strlen(name) == n : !name);
		s[9 + n] = 'n';
	}
}
END_TEST

START_TEST(redaction_leaves_no_secret)
{
	static const struct {
		const char *s, *want;
	} rows[] = {
		{ "https://user:secret@h/a", "https://h/a" },
		{ "https://secret@h:444/a", "https://h:444/a" },
		{ "https://h/a?token=secret", "https://h/a?..." },
		{ "https://h:444/a?token=secret", "https://h:444/a?..." },
		{ "https://h/a#secret", "https://h/a" },
		{ "https://h/a?secret#secret", "https://h/a?..." },
		{ "https://h/\xff", "https://h/\\xff" },
		{ "file:///a/b", "file:///a/b" },
		{ "user:secret@h/a", "(a bad url)" },
		{ "https://user:secret@/a", "(a bad url)" },
		{ "https://h/sec ret", "(a bad url)" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTO_FREE char *got = url_redact(rows[i].s);

		ck_assert_str_eq(got, rows[i].want);
	}
}
END_TEST

START_TEST(origins)
{
	static const struct {
		const char *a, *b;
		bool same;
	} rows[] = {
		{ "http://h/a", "http://h/b?c", true },
		{ "http://h/", "HTTP://H:80/", true },
		{ "https://h/", "https://h:443/", true },
		{ "https://h./", "https://h/", true },
		{ "http://u:p@h/", "http://h/", true },
		{ "http://h/", "https://h/", false },
		{ "http://h:443/", "https://h/", false },
		{ "http://h/", "http://h:8080/", false },
		{ "http://h/", "http://hh/", false },
		{ "http://a.h/", "http://h/", false },
		{ "http://[::1]/", "http://[::1]:80/", true },
		{ "http://[::1]/", "http://[::2]/", false },
	};
	const char *why;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct url a, b;

		ck_assert_int_eq(url_parse(rows[i].a, &a, &why), 0);
		ck_assert_int_eq(url_parse(rows[i].b, &b, &why), 0);
		ck_assert_msg(url_same_origin(&a, &b) == rows[i].same, "%s %s", rows[i].a, rows[i].b);
		ck_assert_msg(url_same_origin(&b, &a) == rows[i].same, "%s %s", rows[i].a, rows[i].b);
	}
}
END_TEST

START_TEST(hosts_and_ports)
{
	static const struct {
		const char *s, *host;
		unsigned port;
	} rows[] = {
		{ "http://Ex.ORG/", "ex.org", 80 }, { "https://ex.org.:1/", "ex.org", 1 },
		{ "https://[FE80::A]/", "[fe80::a]", 443 }, { "ftp://h/", "h", 0 },
		{ "file:///a", "", 0 }, { "http://./", ".", 80 },
	};
	const char *why;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTO_FREE char *host = NULL;
		struct url u;

		ck_assert_int_eq(url_parse(rows[i].s, &u, &why), 0);
		host = url_host(&u);
		ck_assert_str_eq(host, rows[i].host);
		ck_assert_uint_eq(url_effective_port(&u), rows[i].port);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("url");
	TCase *tc = tcase_create("parts");
	TCase *use = tcase_create("use");

	tcase_add_test(tc, parts);
	tcase_add_test(tc, refusals);
	tcase_add_test(tc, lengths_are_bounded);
	suite_add_tcase(s, tc);
	tcase_add_test(use, file_names);
	tcase_add_test(use, redaction_leaves_no_secret);
	tcase_add_test(use, origins);
	tcase_add_test(use, hosts_and_ports);
	suite_add_tcase(s, use);
	return run_suite(s);
}
