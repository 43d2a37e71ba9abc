/*
 * Runs hauld-conf's work in-process in a directory of its own, for the unit
 * tests of src/conf.  Everything is static inline: each test is one program.
 */
#pragma once

#include <check.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "conf/conf.h"

#define SHA_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define MD5_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

/* What one run said: the errors of -t, or the frames. */
struct said {
	int status;
	char *errors; /* owned: one a line */
	struct buf frames;
};

static inline void
enter_dir(void)
{
	const char *tmp = getenv("TMPDIR");
	static char path[512];

	(void)snprintf(path, sizeof path, "%s/check_conf.XXXXXX", tmp && *tmp ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(path));
	ck_assert_int_eq(chdir(path), 0);
}

static inline int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline void
leave_dir(void)
{
	char path[512];

	ck_assert_ptr_nonnull(getcwd(path, sizeof path));
	ck_assert_int_eq(chdir("/"), 0);
	(void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void
write_file(const char *name, const char *text, size_t n, mode_t mode)
{
	FILE *f = fopen(name, "we");

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(text, 1, n, f), n);
	ck_assert_int_eq(fclose(f), 0);
	ck_assert_int_eq(chmod(name, mode), 0);
}

static inline void
write_text(const char *name, const char *text)
{
	write_file(name, text, strlen(text), 0600);
}

/* Arguments are separated by single spaces. */
static inline struct said
run(const char *line)
{
	AUTO_FREE char *words = xstrdup(line);
	char *rest = words, *argv[64] = { xstrdup("hauld-conf") }, *why = NULL;
	struct said said = { .status = CONF_EXIT_USAGE };
	struct emit emit = { .fd = -1 };
	struct conf_args args;
	size_t size;
	int argc = 1;

	for (char *w; (w = strsep(&rest, " "));)
		argv[argc++] = w;
	if (args_parse(argc, argv, &args, &why) < 0) {
		said.errors = why;
	} else {
		FILE *f = open_memstream(&said.errors, &size);

		ck_assert_ptr_nonnull(f);
		emit.messages = args.test ? f : NULL;
		said.status = conf_run(&args, &emit);
		ck_assert_int_eq(fclose(f), 0);
		said.frames = emit.out;
	}
	args_done(&args);
	free(argv[0]);
	return said;
}

static inline void
said_done(struct said *s)
{
	free(s->errors);
	buf_done(&s->frames);
}

/* The directory's name in a message becomes DIR. */
static inline char *
without_dir(const char *text)
{
	char here[512];
	AUTO_BUF struct buf out = { 0 };
	size_t n;

	ck_assert_ptr_nonnull(getcwd(here, sizeof here));
	n = strlen(here);
	while (*text) {
		const char *at = strstr(text, here);

		buf_append(&out, text, at ? (size_t)(at - text) : strlen(text));
		if (!at)
			break;
		buf_append_str(&out, "DIR");
		text = at + n;
	}
	return xstrdup(buf_cstr(&out));
}

static inline void
add_tests(Suite *s, const char *name, const TTest *const *tests)
{
	TCase *tc = tcase_create(name);

	tcase_set_timeout(tc, 60);
	for (; *tests; tests++)
		tcase_add_test(tc, *tests);
	suite_add_tcase(s, tc);
}
