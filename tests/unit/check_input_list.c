/* Input lists: what their lines become, whatever the values mean. */
#include "model/input_list.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "run_suite.h"

#define SHA "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

/* Everything that was told, a line each. */
struct heard {
	struct buf text;
	unsigned entries, most; /* most: entries that are wanted */
};

static bool
on_entry(unsigned line, void *arg)
{
	struct heard *h = arg;

	buf_printf(&h->text, "%u entry\n", line);
	return ++h->entries < h->most;
}

static void
on_value(unsigned line, const char *key, const char *value, void *arg)
{
	buf_printf(&((struct heard *)arg)->text, "%u %s=%s\n", line, key, value);
}

static void
on_dir(unsigned line, const char *dir, void *arg)
{
	buf_printf(&((struct heard *)arg)->text, "%u in %s\n", line, dir);
}

static void
on_error(unsigned line, const char *text, void *arg)
{
	buf_printf(&((struct heard *)arg)->text, "%u! %s\n", line, text);
}

/* Reads n bytes from a file that is gone again. */
static void
hear(struct heard *h, const char *text, size_t n, const char *base_url)
{
	static const struct input_list_ops ops = { on_entry, on_value, on_dir, on_error };
	char path[] = "/tmp/check_input_list.XXXXXX";
	AUTO_CLOSE int fd = mkostemp(path, O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	(void)unlink(path);
	ck_assert_int_eq(fd_pwrite_full(fd, text, n, 0), 0);
	input_list_read(fd, base_url, &ops, h);
}

static const struct {
	const char *list, *base_url, *heard;
} lists[] = {
	{ "", NULL, "" },
	{ "# only\n\n \t\n", NULL, "" },
	{ "http://h/a", NULL, "1 entry\n1 url=http://h/a\n" },
	{ "\xef\xbb\xbfu\r\n", NULL, "1 entry\n1 url=u\n" },
	{ "#\nu\tm1\t\tm2\n out=x\n\toutput=y\n  dir=d\nv\n", NULL,
	    "2 entry\n2 url=u\n2 url=m1\n2 url=m2\n3 output=x\n4 output=y\n5 in d\n6 entry\n6 url=v\n" },
	{ "u\n  header=A: b=c \n  # no\n", NULL, "1 entry\n1 url=u\n2 header=A: b=c\n" },
	{ " out=x\n", NULL, "1! an indented line, with no url before it\n" },
	{ "u\n nothing\n dir=\n", NULL,
	    "1 entry\n1 url=u\n2! an indented line must be key=value\n3! dir is empty\n" },
	{ SHA "  a b\n" SHA " *d/e/c.gz\n", "http://h/x//",
	    "1 entry\n1 url=http://h/x/a%20b\n1 checksum=sha256:" SHA "\n"
	    "2 entry\n2 url=http://h/x/d/e/c.gz\n2 checksum=sha256:" SHA "\n2 in d/e\n" },
	{ SHA "  a\nhttp://h/b\n", "http://h",
	    "1 entry\n1 url=http://h/a\n1 checksum=sha256:" SHA "\n2! no line of a checksum list: HEX  NAME\n" },
	{ "\n" SHA "  a\n", NULL, "2! a checksum list needs --base-url, where its files lie\n" },
	/* Fedora's, for one, are signed in the clear. */
	{ "-----BEGIN PGP SIGNED MESSAGE-----\r\nHash: SHA256\r\n\r\n# a: 17 bytes\n" SHA " *a\n"
	  "-----BEGIN PGP SIGNATURE-----\n\n" SHA "  x\n-----END PGP SIGNATURE-----\n" SHA "  b\n", "http://h",
	    "5 entry\n5 url=http://h/a\n5 checksum=sha256:" SHA "\n10 entry\n10 url=http://h/b\n10 checksum=sha256:" SHA "\n" },
	{ "-----BEGIN PGP SIGNED MESSAGE-----\n\nhttp://h/a\n", "http://h", "3! this is no checksum list, so --base-url has no use\n" },
	{ "http://h/a\n", "http://h", "1! this is no checksum list, so --base-url has no use\n" },
};

START_TEST(what_a_list_says)
{
	struct heard h = { .most = 100 };

	hear(&h, lists[_i].list, strlen(lists[_i].list), lists[_i].base_url);
	ck_assert_str_eq(buf_cstr(&h.text), lists[_i].heard);
	buf_done(&h.text);
}
END_TEST

START_TEST(a_list_of_urls_has_nothing_else)
{
	static const struct input_list_ops ops = { on_entry, on_value, on_dir, on_error };
	static const char text[] = "\xef\xbb\xbf" "a\r\n  b\t\n # c\n out=x\n" SHA "  y\n";
	AUTO_CLOSE int fd = memfd_create("list", MFD_CLOEXEC);
	struct heard h = { .most = 100 };

	ck_assert_int_eq(fd_pwrite_full(fd, text, sizeof text - 1, 0), 0);
	input_list_read_urls(fd, &ops, &h);
	ck_assert_str_eq(buf_cstr(&h.text), "1 entry\n1 url=a\n2 entry\n2 url=b\n4 entry\n4 url=out=x\n5 entry\n5 url=" SHA "  y\n");
	buf_done(&h.text);
}
END_TEST

START_TEST(a_nul_byte_ends_it)
{
	static const char text[] = "u\nv\0w\nx\n";
	struct heard h = { .most = 100 };

	hear(&h, text, sizeof text - 1, NULL);
	ck_assert_str_eq(buf_cstr(&h.text), "1 entry\n1 url=u\n2! a NUL byte: this is no text file\n");
	buf_done(&h.text);
}
END_TEST

START_TEST(a_caller_with_enough_is_left_alone)
{
	struct heard h = { .most = 2 };

	hear(&h, "a\nb\n out=x\nc\n", 14, NULL);
	ck_assert_str_eq(buf_cstr(&h.text), "1 entry\n1 url=a\n2 entry\n");
	buf_done(&h.text);
}
END_TEST

/* Lines across the blocks that are read, and one of the greatest length. */
START_TEST(long_lists_and_lines)
{
	AUTO_BUF struct buf text = { 0 };
	struct heard h = { .most = 100000 };

	for (unsigned i = 0; i < 20000; i++)
		buf_printf(&text, "http://h/%u\n", i);
	memset(buf_reserve(&text, LIST_LINE_MAX), 'a', LIST_LINE_MAX);
	buf_commit(&text, LIST_LINE_MAX);
	buf_append_str(&text, "\n");
	hear(&h, buf_cstr(&text), buf_len(&text), NULL);
	ck_assert_uint_eq(h.entries, 20001);
	ck_assert_ptr_null(strchr(buf_cstr(&h.text), '!'));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&h.text), "\n20000 url=http://h/19999\n"));
	memset(buf_reserve(&text, LIST_LINE_MAX + 1), 'a', LIST_LINE_MAX + 1);
	buf_commit(&text, LIST_LINE_MAX + 1);
	hear(&h, buf_cstr(&text), buf_len(&text), NULL);
	ck_assert_ptr_nonnull(strstr(buf_cstr(&h.text), "\n20002! a line longer than 64 KiB\n"));
	buf_done(&h.text);
}
END_TEST

START_TEST(a_directory_is_no_list)
{
	static const struct input_list_ops ops = { on_entry, on_value, on_dir, on_error };
	AUTO_CLOSE int fd = open("/", O_RDONLY | O_CLOEXEC);
	struct heard h = { 0 };

	input_list_read(fd, NULL, &ops, &h);
	ck_assert_str_eq(buf_cstr(&h.text), "0! cannot be read: Is a directory\n");
	buf_done(&h.text);
}
END_TEST

START_TEST(base_urls)
{
	ck_assert_ptr_null(input_list_refuse_base("http://h/x/"));
	ck_assert_ptr_nonnull(input_list_refuse_base("http://h/x?y"));
	ck_assert_ptr_nonnull(input_list_refuse_base("http://h/x#y"));
	ck_assert_ptr_nonnull(input_list_refuse_base("x"));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("input_list");
	TCase *t = add_case(s, "list", NULL, NULL, 0);

	tcase_add_loop_test(t, what_a_list_says, 0, (int)ARRAY_SIZE(lists));
	tcase_add_test(t, a_list_of_urls_has_nothing_else);
	tcase_add_test(t, a_nul_byte_ends_it);
	tcase_add_test(t, a_caller_with_enough_is_left_alone);
	tcase_add_test(t, long_lists_and_lines);
	tcase_add_test(t, a_directory_is_no_list);
	tcase_add_test(t, base_urls);
	return run_suite(s);
}
