/* Destinations beneath roots: what is made, what is refused, what is shared. */
#include "daemon/stage/roots.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "run_suite.h"
#include "temp_dir.h"

static char *top;   /* the test's own directory */
static char *path0; /* the root in it */
static struct roots *roots;

static unsigned removals; /* of what is made, before it can be opened */

int
mkdirat(int dir, const char *name, mode_t mode)
{
	int r = (int)syscall(SYS_mkdirat, dir, name, mode);

	if (r == 0 && removals > 0) {
		removals--;
		ck_assert_int_eq(unlinkat(dir, name, AT_REMOVEDIR), 0);
	}
	return r;
}

static char *
at(const char *name)
{
	return xasprintf("%s/%s", top, name);
}

static void
make_dir(const char *name, mode_t mode)
{
	AUTO_FREE char *path = at(name);

	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert_int_eq(chmod(path, mode), 0);
}

static void
make_file(const char *name)
{
	AUTO_FREE char *path = at(name);
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
}

static void
make_link(const char *name, const char *target)
{
	AUTO_FREE char *path = at(name);

	ck_assert_int_eq(symlink(target, path), 0);
}

/* Type and permissions; 0 when it is not there. */
static mode_t
mode_of(const char *name)
{
	AUTO_FREE char *path = at(name);
	struct stat st;

	return lstat(path, &st) == 0 ? st.st_mode : 0;
}

static void
add_root(const char *path)
{
	struct result why = { 0 };

	ck_assert_msg(roots_add(roots, path, &why), "%s", why.text);
}

static void
setup(void)
{
	(void)umask(022);
	top = temp_dir_new();
	make_dir("root", 0755);
	path0 = at("root");
	roots = roots_new();
	add_root(path0);
}

static void
teardown(void)
{
	roots_free(roots);
	free(path0);
	temp_dir_remove(top);
}

/* The directory of top/NAME; the last component is in *ret_name. */
static struct dest_dir *
get(const char *name, const char **ret_name)
{
	static char path[4096];
	struct dest_dir *d = NULL;
	struct result why = { 0 };

	(void)snprintf(path, sizeof path, "%s/%s", top, name);
	ck_assert_msg(roots_get_dir(roots, path, &d, ret_name, &why), "%s: %s", name, why.text);
	return d;
}

static void
assert_refused_path(const char *path, enum result_code code, int os_error)
{
	struct dest_dir *d = (void *)&d;
	const char *name = path;
	struct result why = { 0 };

	ck_assert_msg(!roots_get_dir(roots, path, &d, &name, &why), "%s is taken", path);
	ck_assert_msg(why.code == code, "%s: %s (%s)", path, result_code_to_string(why.code), why.text);
	ck_assert_int_eq(why.os_error, os_error);
	ck_assert_uint_gt(strlen(why.text), 10);
	ck_assert_ptr_eq(d, (void *)&d);
	ck_assert_ptr_eq(name, path);
}

static void
assert_refused(const char *name, enum result_code code, int os_error)
{
	AUTO_FREE char *path = at(name);

	assert_refused_path(path, code, os_error);
}

START_TEST(a_directory_that_is_there_is_used)
{
	const char *name;
	struct dest_dir *d;
	struct stat a, b;

	make_dir("root/pub", 0750);
	d = get("root/pub/file.iso", &name);
	ck_assert_str_eq(name, "file.iso");
	ck_assert_str_eq(d->root, path0);
	ck_assert_str_eq(d->rel, "pub");
	ck_assert_int_eq(fstat(d->fd, &a), 0);
	{
		AUTO_FREE char *path = at("root/pub");

		ck_assert_int_eq(stat(path, &b), 0);
	}
	ck_assert(a.st_ino == b.st_ino && a.st_dev == b.st_dev);
	ck_assert(d->dev == b.st_dev);
	ck_assert_uint_eq(mode_of("root/pub"), S_IFDIR | 0750); /* as it was */
	dest_dir_unref(d);
}
END_TEST

START_TEST(a_file_may_lie_in_the_root_itself)
{
	const char *name;
	struct dest_dir *d = get("root/file", &name);

	ck_assert_str_eq(name, "file");
	ck_assert_str_eq(d->rel, "");
	ck_assert_uint_eq(mode_of("root/.haul"), S_IFDIR | 0700);
	dest_dir_unref(d);
}
END_TEST

START_TEST(missing_directories_are_made)
{
	const char *name;
	struct dest_dir *d;

	make_dir("root/a", 0700);
	d = get("root/a/b/c/d/file", &name);
	ck_assert_str_eq(d->rel, "a/b/c/d");
	ck_assert_uint_eq(mode_of("root/a"), S_IFDIR | 0700);
	ck_assert_uint_eq(mode_of("root/a/b"), S_IFDIR | 0755);
	ck_assert_uint_eq(mode_of("root/a/b/c"), S_IFDIR | 0755);
	ck_assert_uint_eq(mode_of("root/a/b/c/d"), S_IFDIR | 0755);
	ck_assert_uint_eq(mode_of("root/a/b/c/d/.haul"), S_IFDIR | 0700);
	ck_assert_uint_eq(mode_of("root/a/b/c/.haul"), 0);
	ck_assert_uint_eq(mode_of("root/a/b/c/d/file"), 0);
	dest_dir_unref(d);
}
END_TEST

/* An empty .haul goes when a worker has swept it, also one of a life that was killed. */
START_TEST(what_others_remove_at_once_is_made_again)
{
	struct dest_dir *d;
	const char *name;

	removals = 20;
	d = get("root/a/file", &name);
	ck_assert_uint_eq(removals, 0);
	ck_assert_uint_eq(mode_of("root/a/.haul"), S_IFDIR | 0700);
	dest_dir_unref(d);
	removals = UINT_MAX;
	assert_refused("root/b/file", RESULT_WRITE, ENOENT);
	removals = 0;
}
END_TEST

START_TEST(a_setgid_directory_hands_its_bit_and_group_on)
{
	AUTO_FREE char *path = at("root/team"), *made = at("root/team/x/y"), *haul = at("root/team/x/y/.haul");
	gid_t group = getuid() == 0 ? 12345 : getgid();
	struct dest_dir *d;
	const char *name;
	struct stat st;

	make_dir("root/team", 0755);
	ck_assert_int_eq(chown(path, (uid_t)-1, group), 0);
	ck_assert_int_eq(chmod(path, 02775), 0);
	d = get("root/team/x/y/file", &name);
	ck_assert_uint_eq(mode_of("root/team/x"), S_IFDIR | 02755);
	ck_assert_uint_eq(mode_of("root/team/x/y"), S_IFDIR | 02755);
	ck_assert_int_eq(stat(made, &st), 0);
	ck_assert_uint_eq(st.st_gid, group);
	/* So that a part file, and with it the published one, has the group. */
	ck_assert_int_eq(stat(haul, &st), 0);
	ck_assert_uint_eq(st.st_gid, group);
	ck_assert_uint_eq(st.st_mode & 0777, 0700);
	dest_dir_unref(d);
}
END_TEST

/* ---- What is refused ---- */

START_TEST(a_symbolic_link_leads_nowhere)
{
	make_dir("outside", 0777);
	make_dir("root/real", 0777);
	make_link("root/out", "../outside");
	make_link("root/abs", "/tmp");
	make_link("root/in", "real"); /* not even to a place beneath the root */
	make_link("root/real/up", "..");
	make_link("root/dangling", "nowhere");
	assert_refused("root/out/file", RESULT_PATH_REFUSED, ELOOP);
	assert_refused("root/out/new/file", RESULT_PATH_REFUSED, ELOOP);
	assert_refused("root/abs/file", RESULT_PATH_REFUSED, ELOOP);
	assert_refused("root/in/file", RESULT_PATH_REFUSED, ELOOP);
	assert_refused("root/real/up/file", RESULT_PATH_REFUSED, ELOOP);
	assert_refused("root/real/up/real/new/file", RESULT_PATH_REFUSED, ELOOP);
	assert_refused("root/dangling/file", RESULT_PATH_REFUSED, ELOOP);
	assert_refused("root/new/../out/file", RESULT_PATH_REFUSED, EXDEV);
	ck_assert_uint_eq(mode_of("outside/new"), 0);
	ck_assert_uint_eq(mode_of("outside/.haul"), 0);
	ck_assert_uint_eq(mode_of("root/real/.haul"), 0);
}
END_TEST

START_TEST(a_link_in_place_of_haul_is_not_followed)
{
	make_dir("outside", 0777);
	make_dir("root/pub", 0755);
	make_link("root/pub/.haul", "../../outside");
	assert_refused("root/pub/file", RESULT_PATH_REFUSED, ELOOP);
}
END_TEST

START_TEST(dots_never_lead_out)
{
	static const char *const paths[] = {
		"root/../file", "root/../outside/file", "root/../../etc/file", "root/pub/../../outside/file",
		"root/new/../../outside/file", "root/new/sub/../../../file", "root/../root/file",
	};

	make_dir("outside", 0777);
	make_dir("root/pub", 0755);
	for (unsigned i = 0; i < ARRAY_SIZE(paths); i++)
		assert_refused(paths[i], RESULT_PATH_REFUSED, EXDEV);
	ck_assert_uint_eq(mode_of("outside/.haul"), 0);
	ck_assert_uint_eq(mode_of(".haul"), 0);
}
END_TEST

START_TEST(a_file_in_place_of_a_directory_is_told)
{
	make_file("root/file");
	make_dir("root/pub", 0755);
	make_file("root/pub/.haul");
	assert_refused("root/file/x", RESULT_PATH_REFUSED, ENOTDIR);
	assert_refused("root/file/new/x", RESULT_PATH_REFUSED, ENOTDIR);
	assert_refused("root/pub/x", RESULT_PATH_REFUSED, ENOTDIR);
}
END_TEST

START_TEST(another_mount_is_refused)
{
	char dir[64], path[80];
	struct stat slash, shm;

	(void)snprintf(dir, sizeof dir, "/dev/shm/haul-test-%d-that-is-not-made", (int)getpid());
	(void)snprintf(path, sizeof path, "%s/file", dir);
	if (stat("/", &slash) < 0 || stat("/dev/shm", &shm) < 0 || slash.st_dev == shm.st_dev)
		return; /* nothing is mounted there */
	add_root("/");
	assert_refused_path(path, RESULT_PATH_REFUSED, EXDEV);
	ck_assert_int_lt(stat(dir, &shm), 0);
}
END_TEST

START_TEST(what_lies_beneath_no_root_is_refused)
{
	make_dir("rootless", 0755);
	assert_refused("file", RESULT_PATH_REFUSED, 0);
	assert_refused("rootless/file", RESULT_PATH_REFUSED, 0); /* a longer name is another one */
	assert_refused_path("/etc/file", RESULT_PATH_REFUSED, 0);
	assert_refused_path(path0, RESULT_PATH_REFUSED, 0); /* the root itself is no file */
}
END_TEST

START_TEST(a_directory_that_cannot_be_written_is_told)
{
	struct result why = { 0 };
	struct dest_dir *d;
	const char *name;

	/* A filesystem that makes nothing, for root neither. */
	add_root("/proc");
	ck_assert(!roots_get_dir(roots, "/proc/sys/file", &d, &name, &why));
	ck_assert_int_ne(why.code, RESULT_OK);
	ck_assert_ptr_nonnull(strstr(why.text, "/proc/sys/file"));
	if (getuid() == 0)
		return;
	make_dir("root/closed", 0500);
	assert_refused("root/closed/new/file", RESULT_WRITE, EACCES);
	assert_refused("root/closed/file", RESULT_WRITE, EACCES);
}
END_TEST

/* ---- Roots ---- */

START_TEST(a_root_must_be_a_directory_that_is_there)
{
	AUTO_FREE char *missing = at("missing"), *file = at("file");
	struct result why = { 0 };

	make_file("file");
	ck_assert(!roots_add(roots, missing, &why));
	ck_assert_int_eq(why.os_error, ENOENT);
	ck_assert_ptr_nonnull(strstr(why.text, missing));
	ck_assert(!roots_add(roots, file, &why));
	ck_assert_int_eq(why.os_error, ENOTDIR);
	roots_free(NULL);
}
END_TEST

START_TEST(of_nested_roots_the_longest_counts)
{
	AUTO_FREE char *inner = at("root/inner"), *deep = at("root/inner/deep");
	AUTO_FREE char *file = at("root/inner/deep/x/y/file");
	struct dest_dir *d;
	const char *name;
	struct text dir;

	make_dir("root/inner", 0755);
	make_dir("root/inner/deep", 0755);
	add_root(deep);
	add_root(inner); /* in an order that is neither way right */
	d = get("root/inner/deep/x/file", &name);
	ck_assert_str_eq(d->root, deep);
	ck_assert_str_eq(d->rel, "x");
	dest_dir_unref(d);
	ck_assert_str_eq(roots_split(roots, file, &dir, &name), deep);
	ck_assert_str_eq(name, "file");
	ck_assert(dir.len == 3 && memcmp(dir.at, "x/y", 3) == 0);
	d = get("root/inner/file", &name);
	ck_assert_str_eq(d->root, inner);
	dest_dir_unref(d);
	d = get("root/innermost/file", &name);
	ck_assert_str_eq(d->root, path0);
	ck_assert_str_eq(d->rel, "innermost");
	dest_dir_unref(d);
}
END_TEST

/* As workers find it, who open it by its path. */
START_TEST(a_root_that_was_made_anew_is_the_new_one)
{
	AUTO_FREE char *old = at("old"), *file = at("root/x/file");
	struct result why = { 0 };
	struct dest_dir *d, *e;
	const char *name;

	d = get("root/x/file", &name);
	ck_assert_int_eq(rename(path0, old), 0);
	ck_assert(!roots_get_dir(roots, file, &e, &name, &why));
	ck_assert_ptr_nonnull(strstr(why.text, path0));
	ck_assert_int_eq(why.os_error, ENOENT);
	make_dir("root", 0755);
	e = get("root/x/file", &name);
	ck_assert_ptr_ne(d, e);
	ck_assert_uint_eq(mode_of("root/x/.haul"), S_IFDIR | 0700);
	dest_dir_unref(d);
	d = get("root/x/other", &name);
	ck_assert_ptr_eq(d, e);
	dest_dir_unref(d);
	dest_dir_unref(e);
	roots_tidy(roots);
	ck_assert_uint_eq(mode_of("old/x/.haul") | mode_of("root/x/.haul"), 0);
}
END_TEST

/* A link may lead to a root: the administrator named it. */
START_TEST(a_root_may_be_a_link_and_end_in_a_slash)
{
	AUTO_FREE char *path = at("root/link/"), *file = at("root/link/x/file");
	struct result why = { 0 };
	struct dest_dir *d;
	const char *name;

	make_dir("elsewhere", 0755);
	make_link("root/link", "../elsewhere");
	add_root(path);
	ck_assert_msg(roots_get_dir(roots, file, &d, &name, &why), "%s", why.text);
	ck_assert_str_eq(d->rel, "x");
	ck_assert_str_eq(name, "file");
	ck_assert_uint_eq(mode_of("elsewhere/x"), S_IFDIR | 0755);
	dest_dir_unref(d);
}
END_TEST

START_TEST(slash_may_be_a_root)
{
	struct dest_dir *d;
	const char *name;

	roots_free(roots);
	roots = roots_new();
	add_root("/");
	d = get("root/pub/file", &name);
	ck_assert_str_eq(d->root, "/");
	ck_assert_str_eq(name, "file");
	ck_assert(has_suffix(d->rel, "/root/pub") && d->rel[0] != '/');
	dest_dir_unref(d);
}
END_TEST

/* ---- Sharing ---- */

START_TEST(a_directory_is_opened_once)
{
	const char *name;
	struct dest_dir *a = get("root/pub/one", &name), *b = get("root/pub/two", &name), *c = get("root/two", &name);

	ck_assert_ptr_eq(a, b);
	ck_assert_str_eq(name, "two");
	ck_assert_ptr_ne(a, c);
	ck_assert_uint_eq(a->refs, 2);
	ck_assert_uint_eq(dest_dir_ref(a)->refs, 3);
	for (int i = 0; i < 3; i++)
		dest_dir_unref(a);
	dest_dir_unref(c);
	dest_dir_unref(NULL);
	ck_assert_ptr_eq(get("root/pub/three", &name), a); /* and stays for the next one */
	dest_dir_unref(a);
}
END_TEST

/* Who has the old one keeps it; whoever comes next gets what stands there. */
START_TEST(a_directory_that_was_moved_is_opened_anew)
{
	AUTO_FREE char *there = at("root/pub"), *away = at("root/away");
	const char *name;
	struct dest_dir *old = get("root/pub/one", &name), *new;

	ck_assert_int_eq(rename(there, away), 0);
	new = get("root/pub/one", &name); /* made again */
	ck_assert_ptr_ne(old, new);
	ck_assert_uint_eq(mode_of("root/pub/.haul"), S_IFDIR | 0700);
	ck_assert_ptr_eq(get("root/pub/two", &name), new);
	dest_dir_unref(new);
	dest_dir_unref(old);
	roots_tidy(roots); /* frees the old one, and the new one is still found */
	ck_assert_uint_eq(mode_of("root/away/.haul"), 0);
	ck_assert_ptr_eq(get("root/pub/two", &name), new);
	dest_dir_unref(new);
	/* A link to where it is now is refused all the same. */
	ck_assert_int_eq(rmdir(away), 0);
	ck_assert_int_eq(rename(there, away), 0);
	ck_assert_int_eq(symlink("away", there), 0);
	assert_refused("root/pub/two", RESULT_PATH_REFUSED, ELOOP);
	dest_dir_unref(new);
}
END_TEST

/* "a" beneath root/b and "b/a" beneath root are keys of their own. */
START_TEST(equal_names_beneath_other_roots_are_other_directories)
{
	AUTO_FREE char *inner = at("root/b");
	const char *name;
	struct dest_dir *x, *y;

	x = get("root/b/a/file", &name);
	make_dir("root/b/c", 0755);
	add_root(inner);
	y = get("root/b/a/file", &name);
	ck_assert_ptr_ne(x, y);
	ck_assert_str_eq(x->rel, "b/a");
	ck_assert_str_eq(y->rel, "a");
	dest_dir_unref(x);
	dest_dir_unref(y);
}
END_TEST

START_TEST(tidying_removes_what_is_not_in_use)
{
	const char *name;
	struct dest_dir *used = get("root/used/file", &name), *unused = get("root/unused/file", &name);

	dest_dir_unref(unused);
	ck_assert_uint_ne(mode_of("root/unused/.haul"), 0); /* not before it is asked for */
	roots_tidy(roots);
	ck_assert_uint_eq(mode_of("root/unused/.haul"), 0);
	ck_assert_uint_ne(mode_of("root/unused"), 0); /* what users see stays */
	ck_assert_uint_ne(mode_of("root/used/.haul"), 0);
	roots_tidy(roots);
	dest_dir_unref(used);
	roots_tidy(roots);
	ck_assert_uint_eq(mode_of("root/used/.haul"), 0);
	unused = get("root/unused/file", &name); /* it comes back when it is needed */
	ck_assert_uint_eq(mode_of("root/unused/.haul"), S_IFDIR | 0700);
	dest_dir_unref(unused);
}
END_TEST

START_TEST(tidying_leaves_the_parts_of_others)
{
	const char *name;
	struct dest_dir *d = get("root/pub/file", &name);

	make_file("root/pub/.haul/other.1.1.part");
	dest_dir_unref(d);
	roots_tidy(roots);
	ck_assert_uint_ne(mode_of("root/pub/.haul/other.1.1.part"), 0);
	d = get("root/pub/file", &name);
	dest_dir_unlink(d, "other.1.1.part");
	dest_dir_unlink(d, "missing");
	dest_dir_unref(d);
	roots_tidy(roots);
	ck_assert_uint_eq(mode_of("root/pub/.haul"), 0);
}
END_TEST

START_TEST(many_directories_and_no_descriptor_left)
{
	struct dest_dir *dirs[50];
	const char *name;
	int before = dup(0), after; /* NOLINT */

	ck_assert_int_eq(close(before), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(dirs); i++) {
		AUTO_FREE char *path = xasprintf("root/d%u/file", i);

		dirs[i] = get(path, &name);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(dirs); i++)
		dest_dir_unref(dirs[i]);
	roots_tidy(roots);
	after = dup(0); /* NOLINT */
	ck_assert_int_eq(close(after), 0);
	ck_assert_int_eq(after, before); /* the lowest free number is the same */
	ck_assert_uint_eq(mode_of("root/d17/.haul"), 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("roots");
	TCase *t = add_case(s, "directories", setup, teardown, 0);

	tcase_add_test(t, a_directory_that_is_there_is_used);
	tcase_add_test(t, a_file_may_lie_in_the_root_itself);
	tcase_add_test(t, missing_directories_are_made);
	tcase_add_test(t, what_others_remove_at_once_is_made_again);
	tcase_add_test(t, a_setgid_directory_hands_its_bit_and_group_on);
	t = add_case(s, "refused", setup, teardown, 0);
	tcase_add_test(t, a_symbolic_link_leads_nowhere);
	tcase_add_test(t, a_link_in_place_of_haul_is_not_followed);
	tcase_add_test(t, dots_never_lead_out);
	tcase_add_test(t, a_file_in_place_of_a_directory_is_told);
	tcase_add_test(t, another_mount_is_refused);
	tcase_add_test(t, what_lies_beneath_no_root_is_refused);
	tcase_add_test(t, a_directory_that_cannot_be_written_is_told);
	t = add_case(s, "roots", setup, teardown, 0);
	tcase_add_test(t, a_root_must_be_a_directory_that_is_there);
	tcase_add_test(t, of_nested_roots_the_longest_counts);
	tcase_add_test(t, a_root_that_was_made_anew_is_the_new_one);
	tcase_add_test(t, a_root_may_be_a_link_and_end_in_a_slash);
	tcase_add_test(t, slash_may_be_a_root);
	t = add_case(s, "sharing", setup, teardown, 0);
	tcase_add_test(t, a_directory_is_opened_once);
	tcase_add_test(t, a_directory_that_was_moved_is_opened_anew);
	tcase_add_test(t, equal_names_beneath_other_roots_are_other_directories);
	tcase_add_test(t, tidying_removes_what_is_not_in_use);
	tcase_add_test(t, tidying_leaves_the_parts_of_others);
	tcase_add_test(t, many_directories_and_no_descriptor_left);
	return run_suite(s);
}
