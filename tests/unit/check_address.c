/* Addresses: what they are, what is wrapped in them, what the lists say. */
#include "model/address.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "run_suite.h"

static struct address
address_of(const char *text)
{
	struct address a;

	ck_assert_msg(address_parse(text, &a), "%s", text);
	return a;
}

static void
add(struct address_policy *p, const char *text, bool allow)
{
	AUTO_FREE char *why = NULL;
	struct address_range r;

	ck_assert_msg(address_range_parse(text, &r, &why) == 0, "%s %s", text, why);
	address_policy_add(p, &r, allow);
}

/* ---- Without lists ----------------------------------------------------------- */

#define OPEN "public"
#define NEAR "private"    /* not when a public host led there */
#define NEVER "refused"

static const struct {
	const char *address, *is;
	const char *says; /* a part of the refusal; NULL: there is none, or any */
} plain[] = {
	{ "1.1.1.1", OPEN, NULL },
	{ "9.255.255.255", OPEN, NULL },
	{ "10.0.0.0", NEAR, "private (10.0.0.0/8)" },
	{ "10.255.255.255", NEAR, NULL },
	{ "11.0.0.0", OPEN, NULL },
	{ "100.63.255.255", OPEN, NULL },
	{ "100.64.0.0", NEAR, "(100.64.0.0/10)" },
	{ "100.127.255.255", NEAR, NULL },
	{ "100.128.0.0", OPEN, NULL },
	{ "126.255.255.255", OPEN, NULL },
	{ "127.0.0.1", NEAR, "this machine (127.0.0.0/8)" },
	{ "127.255.255.254", NEAR, NULL },
	{ "128.0.0.0", OPEN, NULL },
	{ "172.15.255.255", OPEN, NULL },
	{ "172.16.0.0", NEAR, NULL },
	{ "172.31.255.255", NEAR, NULL },
	{ "172.32.0.0", OPEN, NULL },
	{ "192.0.0.8", NEAR, NULL },
	{ "192.0.1.0", OPEN, NULL },
	{ "192.0.2.1", NEAR, "for documentation" },
	{ "192.88.99.1", NEAR, NULL },
	{ "192.167.255.255", OPEN, NULL },
	{ "192.168.0.0", NEAR, NULL },
	{ "192.168.255.255", NEAR, NULL },
	{ "192.169.0.0", OPEN, NULL },
	{ "198.17.255.255", OPEN, NULL },
	{ "198.18.0.0", NEAR, NULL },
	{ "198.19.255.255", NEAR, NULL },
	{ "198.20.0.0", OPEN, NULL },
	{ "198.51.100.9", NEAR, NULL },
	{ "203.0.113.9", NEAR, NULL },
	{ "223.255.255.255", OPEN, NULL },
	{ "0.0.0.0", NEVER, "unspecified (0.0.0.0/8)" },
	{ "0.1.2.3", NEVER, "unspecified" },
	{ "169.253.255.255", OPEN, NULL },
	{ "169.254.0.0", NEVER, "link-local (169.254.0.0/16)" },
	{ "169.254.255.255", NEVER, "link-local" },
	{ "169.255.0.0", OPEN, NULL },
	{ "224.0.0.1", NEVER, "multicast (224.0.0.0/4)" },
	{ "239.255.255.255", NEVER, "multicast" },
	{ "240.0.0.1", NEVER, "reserved" },
	{ "255.255.255.254", NEVER, "reserved" },
	{ "255.255.255.255", NEVER, "broadcast (255.255.255.255/32)" },
	/* Metadata services, wherever their clouds put them. */
	{ "169.254.169.254", NEVER, "a metadata service (169.254.169.254/32)" },
	{ "169.254.170.2", NEVER, "metadata" },
	{ "169.254.170.23", NEVER, "metadata" },
	{ "100.100.100.200", NEVER, "metadata" },
	{ "168.63.129.16", NEVER, "metadata" },
	{ "192.0.0.192", NEVER, "metadata" },
	{ "fd00:ec2::254", NEVER, "a metadata service (fd00:ec2::254/128)" },
	{ "fd00:ec2::23", NEVER, "metadata" },
	{ "fd00:42::42", NEVER, "metadata" },
	{ "fd20:ce::254", NEVER, "metadata" },
	/* IPv6 */
	{ "2606:4700::1111", OPEN, NULL },
	{ "2a00:1450::1", OPEN, NULL },
	{ "3ffe::1", OPEN, NULL },
	{ "::", NEVER, "unspecified (::/128)" },
	{ "::1", NEAR, "this machine (::1/128)" },
	{ "fc00::1", NEAR, "private (fc00::/7)" },
	{ "fdff:ffff::1", NEAR, NULL },
	{ "fe00::1", NEVER, "reserved (::/0)" },
	{ "fe80::1", NEVER, "link-local (fe80::/10)" },
	{ "fe80::1%eth0", NEVER, "link-local" },
	{ "febf::1", NEVER, "link-local" },
	{ "fec0::1", NEAR, "private" },
	{ "ff02::1", NEVER, "multicast (ff00::/8)" },
	{ "4000::1", NEVER, "reserved" },
	{ "100::1", NEVER, "reserved" },
	{ "2001:2::1", NEAR, "reserved (2001::/23)" },
	{ "2001:200::1", OPEN, NULL },
	{ "2001:db8::1", NEAR, "for documentation" },
	{ "3fff::1", NEAR, NULL },
	/* Wrapped: what is inside decides. */
	{ "::ffff:1.1.1.1", OPEN, NULL },
	{ "::ffff:10.0.0.1", NEAR, "address 10.0.0.1 is private" },
	{ "::ffff:169.254.169.254", NEVER, "address 169.254.169.254 is a metadata service" },
	{ "::ffff:a9fe:1", NEVER, "link-local" },
	{ "::8.8.8.8", OPEN, NULL },
	{ "::127.0.0.1", NEAR, "(127.0.0.1 inside) is this machine" },
	{ "::169.254.1.1", NEVER, "(169.254.1.1 inside) is link-local" },
	{ "::ffff:0:8.8.8.8", OPEN, NULL },
	{ "::ffff:0:192.168.1.1", NEAR, NULL },
	{ "64:ff9b::8.8.8.8", OPEN, NULL },
	{ "64:ff9b::10.1.2.3", NEAR, "address 64:ff9b::a01:203 (10.1.2.3 inside) is private (10.0.0.0/8)" },
	{ "64:ff9b::a9fe:a9fe", NEVER, "(169.254.169.254 inside) is a metadata service" },
	{ "64:ff9b::0.0.0.0", NEVER, "unspecified" },
	{ "64:ff9b:1::", NEAR, "private (64:ff9b:1::/48)" },
	{ "64:ff9b:1::8.8.8.8", OPEN, NULL },
	{ "64:ff9b:1::10.1.2.3", NEAR, NULL },
	{ "64:ff9b:1:abcd:12:3456:169.254.169.254", NEVER, "metadata" },
	{ "64:ff9b:1:808:8:800::", OPEN, NULL },                /* 8.8.8.8 behind 48 bits */
	{ "64:ff9b:1:a9fe:a9:fe00::", NEVER, "metadata" },      /* 169.254.169.254 behind 48 */
	{ "64:ff9b:1:aa:fe:a9fe::", NEVER, NULL },              /* 170.254.169.254: as 48 bits 0.170... */
	{ "64:ff9b:1:11a9:fe:a9fe::", NEVER, "metadata" },      /* behind 56 */
	{ "64:ff9b:1:1122:a9:fea9:fe00::", NEVER, "metadata" }, /* behind 64 */
	{ "64:ff9b:2::1", NEVER, "reserved" },
	{ "2002:808:808::1", OPEN, NULL },
	{ "2002:a00:1::1", NEAR, "(10.0.0.1 inside)" },
	{ "2002:a9fe:a9fe::1", NEVER, "metadata" },
	{ "2001::f7f7:f7f7", NEVER, "unspecified" },            /* its server is 0.0.0.0 */
	{ "2001:0:808:808::f7f7:f7f7", OPEN, NULL },            /* client 8.8.8.8 */
	{ "2001:0:808:808::f5ff:fffe", NEAR, "(10.0.0.1 inside)" },
	{ "2001:0:a9fe:a9fe::f7f7:f7f7", NEVER, "metadata" },
};

START_TEST(each_range_is_what_the_registries_say)
{
	struct address_policy *p = address_policy_new();
	struct address a = address_of(plain[_i].address);
	struct address_verdict first, led;
	const char *is;

	address_judge(p, &a, false, &first);
	address_judge(p, &a, true, &led);
	is = first.refused ? NEVER : led.refused ? NEAR : OPEN;
	ck_assert_str_eq(is, plain[_i].is);
	ck_assert(led.refused || !first.refused);
	ck_assert_int_eq(first.is_public, !led.refused);
	ck_assert_int_eq(led.is_public, first.is_public);
	if (plain[_i].says)
		ck_assert_msg(strstr(led.why, plain[_i].says), "%s", led.why);
	if (led.refused)
		ck_assert_msg(strstr(led.why, "allow-addresses"), "%s", led.why);
	if (led.refused && !first.refused)
		ck_assert_msg(strstr(led.why, "a public host led there"), "%s", led.why);
	address_policy_free(p);
}
END_TEST

/* ---- With lists ---------------------------------------------------------------- */

static const struct {
	const char *allow[3], *deny[3];
	const char *address;
	bool led, refused;
	const char *says;
} listed[] = {
	/* What the table refuses is allowed, by any length. */
	{ { "169.254.0.0/16" }, { NULL }, "169.254.1.1", true, false, NULL },
	{ { "169.0.0.0/8" }, { NULL }, "169.254.1.1", true, false, NULL },
	{ { "169.254.1.2" }, { NULL }, "169.254.1.1", false, true, "link-local" },
	{ { "10.0.0.0/8" }, { NULL }, "10.1.2.3", true, false, NULL },
	{ { "10.1.0.0/16" }, { NULL }, "10.2.2.3", true, true, "private" },
	{ { "fe80::/10" }, { NULL }, "fe80::1", false, false, NULL },
	{ { "ff00::/8" }, { NULL }, "ff02::1", true, false, NULL },
	/* A metadata service only by itself. */
	{ { "169.254.0.0/16" }, { NULL }, "169.254.169.254", false, true, "this very address" },
	{ { "169.254.169.254/31" }, { NULL }, "169.254.169.254", false, true, "this very address" },
	{ { "169.254.169.254" }, { NULL }, "169.254.169.254", true, false, NULL },
	{ { "169.254.169.254" }, { NULL }, "::ffff:169.254.169.254", true, false, NULL },
	{ { "169.254.169.254" }, { NULL }, "64:ff9b::a9fe:a9fe", true, false, NULL },
	{ { "fc00::/7" }, { NULL }, "fd00:ec2::254", false, true, "this very address" },
	{ { "fd00:ec2::254/128" }, { NULL }, "fd00:ec2::254", false, false, NULL },
	{ { "100.64.0.0/10" }, { NULL }, "100.100.100.200", false, true, "metadata" },
	/* Denied, whatever it is and whoever led there. */
	{ { NULL }, { "8.8.8.0/24" }, "8.8.8.8", false, true,
	    "address 8.8.8.8 is refused by deny-addresses (8.8.8.0/24); a longer range in allow-addresses" },
	{ { NULL }, { "8.8.8.0/24" }, "8.8.9.8", false, false, NULL },
	{ { NULL }, { "0.0.0.0/0" }, "8.8.8.8", false, true, "(0.0.0.0/0)" },
	{ { NULL }, { "0.0.0.0/0" }, "2606:4700::1111", false, false, NULL },
	{ { NULL }, { "::/0" }, "2606:4700::1111", false, true, "(::/0)" },
	{ { NULL }, { "::/0" }, "::ffff:8.8.8.8", false, false, NULL },
	/* The longest counts, in either order. */
	{ { "10.0.0.0/8" }, { "10.0.0.5" }, "10.0.0.5", false, true, "(10.0.0.5/32)" },
	{ { "10.0.0.0/8" }, { "10.0.0.5" }, "10.0.0.6", true, false, NULL },
	{ { "10.1.0.0/16" }, { "0.0.0.0/0" }, "10.1.2.3", true, false, NULL },
	{ { "10.1.0.0/16" }, { "0.0.0.0/0", "10.1.2.0/24" }, "10.1.2.3", true, true, "(10.1.2.0/24)" },
	{ { "10.1.0.0/16", "10.1.2.3" }, { "0.0.0.0/0", "10.1.2.0/24" }, "10.1.2.3", true, false, NULL },
	{ { "2001:db8::/32" }, { "2001:db8:1::/48" }, "2001:db8:1::7", false, true, "(2001:db8:1::/48)" },
	{ { "2001:db8::/32" }, { "2001:db8:1::/48" }, "2001:db8:2::7", true, false, NULL },
	/* Both forms of a wrapped address. */
	{ { NULL }, { "64:ff9b::/96" }, "64:ff9b::8.8.8.8", false, true, "(64:ff9b::/96)" },
	{ { NULL }, { "8.8.8.8" }, "64:ff9b::8.8.8.8", false, true, "(8.8.8.8/32)" },
	{ { "64:ff9b::/96" }, { NULL }, "64:ff9b::10.0.0.1", true, false, NULL },
	{ { "64:ff9b::/96" }, { "10.0.0.0/8" }, "64:ff9b::10.0.0.1", true, true, "(10.0.0.0/8)" },
	{ { "10.0.0.0/8" }, { NULL }, "2002:a00:1::1", true, false, NULL },
	{ { NULL }, { "8.8.8.8" }, "::ffff:8.8.8.8", false, true, NULL },
	{ { NULL }, { "::ffff:8.8.8.0/120" }, "8.8.8.8", false, true, "(8.8.8.0/24)" },
	/* Of equals the one that denies: hauld-conf refuses such lists. */
	{ { "10.0.0.0/8" }, { "10.0.0.0/8" }, "10.0.0.1", false, true, NULL },
};

START_TEST(of_the_lists_the_longest_range_counts)
{
	for (int turn = 0; turn < 2; turn++) {
		struct address_policy *p = address_policy_new();
		struct address a = address_of(listed[_i].address);
		struct address_verdict v;

		for (int pass = 0; pass < 2; pass++)
			for (int i = 0; i < 3; i++) {
				bool allow = pass == turn;
				const char *text = allow ? listed[_i].allow[i] : listed[_i].deny[i];

				if (text)
					add(p, text, allow);
			}
		address_judge(p, &a, listed[_i].led, &v);
		ck_assert_msg(v.refused == listed[_i].refused, "%s: %s", listed[_i].address, v.why);
		if (listed[_i].says)
			ck_assert_msg(strstr(v.why, listed[_i].says), "%s", v.why);
		address_policy_free(p);
	}
}
END_TEST

START_TEST(a_list_does_not_make_an_address_public)
{
	struct address_policy *p = address_policy_new();
	struct address a = address_of("10.0.0.1");
	struct address_verdict v;

	add(p, "10.0.0.0/8", true);
	address_judge(p, &a, false, &v);
	ck_assert(!v.refused && !v.is_public);
	address_policy_free(p);
}
END_TEST

/* The longest words there are must be whole in the sentence. */
START_TEST(no_sentence_is_cut)
{
	struct address_policy *p = address_policy_new();
	struct address_verdict v;
	struct address a = address_of("64:ff9b:1:abcd:1234:5678:a9fe:a9fe");

	address_judge(p, &a, true, &v);
	ck_assert_msg(strstr(v.why, "has this very address"), "%s", v.why);
	a = address_of("2001:0000:ac1f:1234:1234:5678:53e0:edcb");
	address_judge(p, &a, true, &v);
	ck_assert_msg(strstr(v.why, "unless allow-addresses has it"), "%s", v.why);
	add(p, "2abc:abcd:abcd:abcd:abcd:abcd:abcd:abc0/124", false);
	a = address_of("2abc:abcd:abcd:abcd:abcd:abcd:abcd:abcd");
	address_judge(p, &a, true, &v);
	ck_assert_msg(strstr(v.why, "would allow it"), "%s", v.why);
	address_policy_free(p);
}
END_TEST

/* ---- Texts ----------------------------------------------------------------------- */

static const struct {
	const char *text, *canonical;
} good[] = {
	{ "10.0.0.0/8", "10.0.0.0/8" },
	{ "0.0.0.0/0", "0.0.0.0/0" },
	{ "10.1.2.3", "10.1.2.3/32" },
	{ "10.1.2.3/32", "10.1.2.3/32" },
	{ "10.1.2.2/31", "10.1.2.2/31" },
	{ "::/0", "::/0" },
	{ "2001:DB8:0::/32", "2001:db8::/32" },
	{ "fe80::1", "fe80::1/128" },
	{ "fe80::/10", "fe80::/10" },
	{ "::ffff:10.0.0.0/104", "10.0.0.0/8" },
	{ "::ffff:10.0.0.7", "10.0.0.7/32" },
	{ "::ffff:0:0/96", "0.0.0.0/0" },
};

START_TEST(a_range_has_one_form)
{
	AUTO_FREE char *why = NULL;
	struct address_range r;
	char out[ADDRESS_TEXT_MAX];

	ck_assert_msg(address_range_parse(good[_i].text, &r, &why) == 0, "%s", why);
	ck_assert_str_eq(address_range_format(&r, out), good[_i].canonical);
	ck_assert_int_eq(address_range_parse(out, &r, &why), 0);
	ck_assert_str_eq(address_range_format(&r, out), good[_i].canonical);
}
END_TEST

static const struct {
	const char *text, *says;
} bad[] = {
	{ "", "it must be addresses" },
	{ "example.org", "it must be addresses" },
	{ "10.0.0", "it must be addresses" },
	{ "10.0.0.0.0", "it must be addresses" },
	{ "010.0.0.1", "it must be addresses" },
	{ "0x7f.1", "it must be addresses" },
	{ "256.0.0.0/8", "it must be addresses" },
	{ "10.0.0.0 /8", "it must be addresses" },
	{ " 10.0.0.0/8", "it must be addresses" },
	{ "10.0.0.0/8,11.0.0.0/8", "prefix" },
	{ "[::1]", "it must be addresses" },
	{ "fe80::1%eth0", "it must be addresses" },
	{ "1:2:3:4:5:6:7:8:9/64", "it must be addresses" },
	{ "/8", "it must be addresses" },
	{ "10.0.0.0/", "a number from 0 to 32" },
	{ "10.0.0.0/33", "a number from 0 to 32" },
	{ "10.0.0.0/-1", "a number from 0 to 32" },
	{ "10.0.0.0/8/8", "a number from 0 to 32" },
	{ "10.0.0.0/255.0.0.0", "a number from 0 to 32" },
	{ "10.0.0.0/99999999999999999999999", "a number from 0 to 32" },
	{ "fe80::/129", "a number from 0 to 128" },
	{ "::ffff:10.0.0.0/8", "a number" },
	{ "10.0.0.1/8", "write \"10.0.0.0/8\"" },
	{ "10.1.2.3/31", "write \"10.1.2.2/31\"" },
	{ "fe80::1/10", "write \"fe80::/10\"" },
	{ "0.0.0.1/0", "write \"0.0.0.0/0\"" },
	{ "10.0.0.0/8\x1b[31m", "a number" },
};

START_TEST(what_is_no_range_is_told_why)
{
	AUTO_FREE char *why = NULL;
	struct address_range r;

	ck_assert_int_lt(address_range_parse(bad[_i].text, &r, &why), 0);
	ck_assert_msg(strstr(why, bad[_i].says), "%s", why);
	for (const char *p = why; *p; p++)
		ck_assert_int_ge(*p, 0x20);
}
END_TEST

/* As no_proxy has them: what is behind a prefix is ignored. */
START_TEST(a_text_holds_an_address)
{
	static const struct {
		const char *address, *text;
		bool is;
	} table[] = {
		{ "10.1.2.3", "10.0.0.0/8", true },
		{ "10.1.2.3", "10.9.9.9/8", true },
		{ "10.1.2.3", "10.1.2.3", true },
		{ "10.1.2.3", "10.1.2.4", false },
		{ "10.1.2.3", "11.0.0.0/8", false },
		{ "10.1.2.3", "0.0.0.0/0", true },
		{ "10.1.2.3", "::/0", false },
		{ "10.1.2.3", "10.0.0.0/33", false },
		{ "10.1.2.3", "example.org", false },
		{ "10.1.2.3", "", false },
		{ "fe80::1", "fe80::/10", true },
		{ "fe80::1", "fec0::/10", false },
		{ "fe80::1", "0.0.0.0/0", false },
		{ "8000::", "::/1", false },
		{ "7fff::", "::/1", true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct address a = address_of(table[i].address);

		ck_assert_msg(address_is_in(&a, table[i].text, strlen(table[i].text)) == table[i].is,
		    "%s in %s", table[i].address, table[i].text);
	}
}
END_TEST

START_TEST(sockets_have_addresses)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	struct sockaddr other = { .sa_family = AF_UNIX };
	struct address a;

	ck_assert_int_eq(inet_pton(AF_INET, "10.0.0.1", &v4.sin_addr), 1);
	ck_assert(address_from_sockaddr((struct sockaddr *)&v4, sizeof v4, &a));
	ck_assert(!a.v6 && address_is_in(&a, "10.0.0.1", 8));
	ck_assert(!address_from_sockaddr((struct sockaddr *)&v4, sizeof v4 - 1, &a));
	ck_assert_int_eq(inet_pton(AF_INET6, "fe80::1", &v6.sin6_addr), 1);
	ck_assert(address_from_sockaddr((struct sockaddr *)&v6, sizeof v6, &a));
	ck_assert(a.v6 && address_is_in(&a, "fe80::1", 7));
	ck_assert_int_eq(inet_pton(AF_INET6, "::ffff:10.0.0.1", &v6.sin6_addr), 1);
	ck_assert(address_from_sockaddr((struct sockaddr *)&v6, sizeof v6, &a));
	ck_assert(!a.v6 && address_is_in(&a, "10.0.0.1", 8));
	ck_assert(!address_from_sockaddr((struct sockaddr *)&v6, sizeof v4, &a));
	ck_assert(!address_from_sockaddr(&other, sizeof other, &a));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("address");
	TCase *t = tcase_create("judging");

	tcase_add_loop_test(t, each_range_is_what_the_registries_say, 0, ARRAY_SIZE(plain));
	tcase_add_loop_test(t, of_the_lists_the_longest_range_counts, 0, ARRAY_SIZE(listed));
	tcase_add_test(t, a_list_does_not_make_an_address_public);
	tcase_add_test(t, no_sentence_is_cut);
	suite_add_tcase(s, t);
	t = tcase_create("texts");
	tcase_add_loop_test(t, a_range_has_one_form, 0, ARRAY_SIZE(good));
	tcase_add_loop_test(t, what_is_no_range_is_told_why, 0, ARRAY_SIZE(bad));
	tcase_add_test(t, a_text_holds_an_address);
	tcase_add_test(t, sockets_have_addresses);
	suite_add_tcase(s, t);
	return run_suite(s);
}
