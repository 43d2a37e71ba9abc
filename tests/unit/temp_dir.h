/* A directory of its own for a unit test, beneath TMPDIR. */
#pragma once

#include <check.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

/* Its path: without symbolic links, the caller's to free. */
static inline char *
temp_dir_new(void)
{
	const char *tmp = getenv("TMPDIR");
	AUTO_FREE char *path = xasprintf("%s/check_haul.XXXXXX", tmp && *tmp ? tmp : "/tmp");
	char *real;

	ck_assert_ptr_nonnull(mkdtemp(path));
	real = realpath(path, NULL);
	ck_assert_ptr_nonnull(real);
	return real;
}

static inline int
temp_dir_remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

static inline void
temp_dir_remove(char *path)
{
	(void)nftw(path, temp_dir_remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(path);
}
