/* Directories that are made with those above them. */
#include "base/file.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "run_suite.h"
#include "temp_dir.h"

static char *dir;

static void
setup(void)
{
	(void)umask(022);
	dir = temp_dir_new();
}

static void
teardown(void)
{
	temp_dir_remove(TAKE_PTR(dir));
}

START_TEST(what_is_missing_is_made)
{
	AUTO_FREE char *path = xasprintf("%s/a/b/c", dir);
	AUTO_FREE char *above = xasprintf("%s/a", dir);
	struct stat st;

	ck_assert_int_eq(file_make_dirs(path, 0700), 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode, S_IFDIR | 0700);
	ck_assert_int_eq(stat(above, &st), 0);
	ck_assert_uint_eq(st.st_mode, S_IFDIR | 0700);
}
END_TEST

START_TEST(what_is_there_stays_as_it_is)
{
	AUTO_FREE char *path = xasprintf("%s/a", dir);
	struct stat st;

	ck_assert_int_eq(mkdir(path, 0755), 0);
	ck_assert_int_eq(file_make_dirs(path, 0700), 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode, S_IFDIR | 0755);
	ck_assert_int_eq(file_make_dirs("/", 0700), 0);
}
END_TEST

START_TEST(relative_paths_and_many_slashes)
{
	AUTO_FREE char *path = xasprintf("%s/x//y/", dir);

	ck_assert_int_eq(file_make_dirs(path, 0700), 0);
	ck_assert_int_eq(access(path, X_OK), 0);
	ck_assert_int_eq(chdir(dir), 0);
	ck_assert_int_eq(file_make_dirs("r/s", 0700), 0);
	ck_assert_int_eq(access("r/s", X_OK), 0);
}
END_TEST

START_TEST(a_file_in_the_way_is_told)
{
	AUTO_FREE char *file = xasprintf("%s/f", dir);
	AUTO_FREE char *below = xasprintf("%s/f/d", dir);
	AUTO_CLOSE int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(file_make_dirs(file, 0700), -ENOTDIR);
	ck_assert_int_eq(file_make_dirs(below, 0700), -ENOTDIR);
	ck_assert_int_eq(file_make_dirs("", 0700), -ENOENT);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("file");
	TCase *dirs = add_case(s, "dirs", setup, teardown, 0);

	tcase_add_test(dirs, what_is_missing_is_made);
	tcase_add_test(dirs, what_is_there_stays_as_it_is);
	tcase_add_test(dirs, relative_paths_and_many_slashes);
	tcase_add_test(dirs, a_file_in_the_way_is_told);
	return run_suite(s);
}
