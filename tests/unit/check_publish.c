/*
 * Unit tests of worker/publish, dirs, lane and writeback.  The calls that make
 * data durable are replaced here by ones that note themselves down and can be
 * told to fail: what counts is their order, and what is not called.
 */
#include "worker/publish.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "model/settings.h"
#include "run_suite.h"
#include "worker/writeback.h"

static struct {
	char trace[512];      /* a word for each call */
	const char *fail;     /* the word that fails ... */
	unsigned fail_at;     /* ... when it is seen this often (1: at first) */
	int fail_errno;
	unsigned seen;        /* of it */
} calls;

/* Notes the call; true when it shall fail, errno is set then. */
static bool
note(const char *word)
{
	size_t n = strlen(calls.trace);

	(void)snprintf(calls.trace + n, sizeof calls.trace - n, "%s%s", n ? " " : "", word);
	if (!calls.fail || !text_equal(calls.fail, word) || ++calls.seen != calls.fail_at)
		return false;
	errno = calls.fail_errno;
	return true;
}

static bool
is_dir(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

int
fsync(int fd)
{
	return note(is_dir(fd) ? "dirsync" : "fsync") ? -1 : (int)syscall(SYS_fsync, fd);
}

int
fdatasync(int fd)
{
	return note("fdatasync") ? -1 : (int)syscall(SYS_fdatasync, fd);
}

int
syncfs(int fd)
{
	(void)fd; /* the real one would wait for all of this machine's work */
	return note("syncfs") ? -1 : 0;
}

int
renameat(int a, const char *from, int b, const char *to)
{
	return note("rename") ? -1 : (int)syscall(SYS_renameat2, a, from, b, to, 0);
}

int
renameat2(int a, const char *from, int b, const char *to, unsigned flags)
{
	return note("rename2") ? -1 : (int)syscall(SYS_renameat2, a, from, b, to, flags);
}

int
sync_file_range(int fd, off64_t from, off64_t n, unsigned flags)
{
	return note(flags & SYNC_FILE_RANGE_WAIT_AFTER ? "wait" : "start") ? -1
	    : (int)syscall(SYS_sync_file_range, fd, from, n, flags);
}

enum { FILES_MAX = 40 };

static struct {
	char *root;                 /* owned */
	struct dirs dirs;
	struct dir *dir, *sub;      /* references */
	struct publish jobs[FILES_MAX];
	struct publish *all[FILES_MAX];
	char names[FILES_MAX][2][16];
	unsigned n;
} rig;

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *f)
{
	(void)st;
	(void)type;
	(void)f;
	return remove(path);
}

static void
make_dir(const char *name)
{
	AUTO_FREE char *path = xasprintf("%s/%s", rig.root, name);

	ck_assert_int_eq(mkdir(path, 0700), 0);
}

static void
setup(void)
{
	const char *tmp = getenv("TMPDIR");

	rig.root = xasprintf("%s/check_publish.XXXXXX", tmp ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(rig.root));
	make_dir(HAUL_DIR);
	make_dir("sub");
	make_dir("sub/" HAUL_DIR);
	dirs_init(&rig.dirs);
	ck_assert_int_eq(dirs_get(&rig.dirs, rig.root, "", &rig.dir), 0);
	ck_assert_int_eq(dirs_get(&rig.dirs, rig.root, "sub", &rig.sub), 0);
	ck_assert_int_eq(dir_open_haul(rig.dir), 0);
	ck_assert_int_eq(dir_open_haul(rig.sub), 0);
	memset(&calls, 0, sizeof calls);
	rig.n = 0;
}

static void
teardown(void)
{
	for (unsigned i = 0; i < rig.n; i++)
		for (unsigned k = 0; k < rig.jobs[i].n_files; k++)
			(void)close(rig.jobs[i].files[k].fd);
	dir_unref(rig.dir);
	dir_unref(rig.sub);
	dirs_done(&rig.dirs);
	(void)nftw(rig.root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(TAKE_PTR(rig.root));
}

static bool
exists(const char *name)
{
	AUTO_FREE char *path = xasprintf("%s/%s", rig.root, name);

	return access(path, F_OK) == 0;
}

static struct publish_file
new_file(struct dir *dir, const char *part, const char *name, size_t size)
{
	int fd = openat(dir->haul_fd, part, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, (off_t)size), 0);
	return (struct publish_file){ .fd = fd, .haul_fd = dir->haul_fd, .name = part, .to = dir,
		.to_name = name };
}

/* A new job that publishes N.part as "fileN"; N counts from 0. */
static struct publish *
add_job(struct dir *dir, enum fsync_mode mode, size_t size)
{
	unsigned i = rig.n++;
	struct publish *p = &rig.jobs[i];

	ck_assert_uint_lt(i, FILES_MAX);
	(void)snprintf(rig.names[i][0], sizeof rig.names[i][0], "%u.part", i);
	(void)snprintf(rig.names[i][1], sizeof rig.names[i][1], "file%u", i);
	*p = (struct publish){
		.files = { new_file(dir, rig.names[i][0], rig.names[i][1], size) },
		.n_files = 1,
		.unlink_fd = -1,
		.mode = 0644,
		.mtime = INT64_MIN,
		.fsync = (uint8_t)mode,
	};
	rig.all[i] = p;
	return p;
}

static void
publish_all(const char *trace)
{
	publish_batch(NULL, rig.all, rig.n);
	ck_assert_str_eq(calls.trace, trace);
}

/* One more job, alone. */
static void
publish_one_more(struct dir *dir, const char *trace)
{
	struct publish *p = add_job(dir, FSYNC_FULL, 10);

	calls.trace[0] = '\0';
	publish_batch(NULL, &p, 1);
	ck_assert_str_eq(calls.trace, trace);
	ck_assert_int_eq(p->result.code, RESULT_OK);
}

static void
assert_code(unsigned i, enum result_code code)
{
	ck_assert_msg(rig.jobs[i].result.code == code, "job %u: %s", i, rig.jobs[i].result.text);
	ck_assert(rig.jobs[i].renamed == exists(rig.names[i][1]));
}

START_TEST(the_order_is_sync_rename_sync_dir)
{
	static const char *const traces[] = {
		[FSYNC_OFF] = "rename", [FSYNC_DATA] = "fdatasync rename",
		[FSYNC_FULL] = "fsync rename dirsync",
	};
	struct publish *p = add_job(rig.dir, (enum fsync_mode)_i, 10);
	struct stat st;

	publish_all(traces[_i]);
	assert_code(0, RESULT_OK);
	ck_assert(exists("file0"));
	ck_assert_int_eq(fstat(p->files[0].fd, &st), 0);
	ck_assert_uint_eq(p->inode, st.st_ino);
	ck_assert_uint_eq(st.st_mode & 07777, 0644);
}
END_TEST

START_TEST(seven_small_files_are_synced_one_by_one)
{
	for (unsigned i = 0; i < 7; i++)
		(void)add_job(rig.dir, FSYNC_DATA, 10);
	publish_all("fdatasync fdatasync fdatasync fdatasync fdatasync fdatasync fdatasync "
		    "rename rename rename rename rename rename rename");
}
END_TEST

START_TEST(eight_small_files_are_synced_together)
{
	for (unsigned i = 0; i < 8; i++)
		(void)add_job(rig.dir, FSYNC_FULL, 10);
	publish_all("syncfs rename rename rename rename rename rename rename rename dirsync");
	for (unsigned i = 0; i < 8; i++)
		assert_code(i, RESULT_OK);
}
END_TEST

START_TEST(a_large_file_and_unsynced_ones_do_not_join_them)
{
	(void)add_job(rig.dir, FSYNC_OFF, 10);
	(void)add_job(rig.dir, FSYNC_DATA, 2 << 20);
	for (unsigned i = 0; i < 8; i++)
		(void)add_job(rig.dir, FSYNC_DATA, 10);
	publish_all("start fdatasync syncfs rename rename rename rename rename rename rename rename "
		    "rename rename");
}
END_TEST

START_TEST(each_directory_is_synced_once)
{
	(void)add_job(rig.dir, FSYNC_FULL, 10);
	(void)add_job(rig.sub, FSYNC_FULL, 10);
	(void)add_job(rig.dir, FSYNC_FULL, 10);
	(void)add_job(rig.sub, FSYNC_DATA, 10);
	/* The third is of the root again, for the name of sub. */
	publish_all("fsync fsync fsync fdatasync rename rename rename rename dirsync dirsync dirsync");
	ck_assert(exists("sub/file1"));
}
END_TEST

START_TEST(the_directories_above_are_synced_once)
{
	struct dir *deep = NULL;

	make_dir("sub/a");
	make_dir("sub/a/b");
	make_dir("sub/a/b/" HAUL_DIR);
	ck_assert_int_eq(dirs_get(&rig.dirs, rig.root, "sub/a/b", &deep), 0);
	ck_assert_int_eq(dir_open_haul(deep), 0);
	(void)add_job(deep, FSYNC_FULL, 10);
	publish_all("fsync rename dirsync dirsync dirsync dirsync");
	publish_one_more(deep, "fsync rename dirsync");
	dir_unref(deep);
}
END_TEST

START_TEST(a_failed_sync_above_is_no_success)
{
	(void)add_job(rig.sub, FSYNC_FULL, 10);
	calls.fail = "dirsync";
	calls.fail_at = 2;
	calls.fail_errno = EIO;
	publish_all("fsync rename dirsync dirsync");
	ck_assert_int_eq(rig.jobs[0].result.code, RESULT_WRITE);
	/* Once is of those that went well. */
	publish_one_more(rig.sub, "fsync rename dirsync dirsync");
}
END_TEST

START_TEST(two_names_of_one_directory_are_synced_once)
{
	struct dir *again = NULL;

	dirs_forget(&rig.dirs, rig.dir);
	ck_assert_int_eq(dirs_get(&rig.dirs, rig.root, "", &again), 0);
	ck_assert_int_eq(dir_open_haul(again), 0);
	ck_assert_ptr_ne(again, rig.dir);
	(void)add_job(rig.dir, FSYNC_FULL, 10);
	(void)add_job(again, FSYNC_FULL, 10);
	publish_all("fsync fsync rename rename dirsync");
	dir_unref(again);
}
END_TEST

START_TEST(a_failed_sync_is_not_repeated_and_nothing_is_renamed)
{
	for (unsigned i = 0; i < 3; i++)
		(void)add_job(rig.dir, FSYNC_FULL, 10);
	calls.fail = "fsync";
	calls.fail_at = 2;
	calls.fail_errno = EIO;
	publish_all("fsync fsync fsync rename rename dirsync");
	assert_code(0, RESULT_OK);
	assert_code(1, RESULT_WRITE);
	assert_code(2, RESULT_OK);
	ck_assert_int_eq(rig.jobs[1].result.os_error, EIO);
	ck_assert_ptr_nonnull(strstr(rig.jobs[1].result.text, "/file1: Input/output error"));
	ck_assert(!exists("file1"));
	ck_assert(exists(HAUL_DIR "/1.part"));
}
END_TEST

START_TEST(a_failed_sync_of_all_fails_all)
{
	for (unsigned i = 0; i < 9; i++)
		(void)add_job(rig.dir, FSYNC_FULL, 10);
	calls.fail = "syncfs";
	calls.fail_at = 1;
	calls.fail_errno = ENOSPC;
	publish_all("syncfs"); /* and no fsync() of any of them */
	for (unsigned i = 0; i < 9; i++)
		assert_code(i, RESULT_DISK_FULL);
}
END_TEST

START_TEST(a_failed_sync_of_the_directory_is_no_success)
{
	(void)add_job(rig.dir, FSYNC_FULL, 10);
	(void)add_job(rig.dir, FSYNC_FULL, 10);
	calls.fail = "dirsync";
	calls.fail_at = 1;
	calls.fail_errno = EIO;
	publish_all("fsync fsync rename rename dirsync");
	assert_code(0, RESULT_WRITE);
	assert_code(1, RESULT_WRITE);
}
END_TEST

START_TEST(a_cancelled_one_is_not_renamed)
{
	(void)add_job(rig.dir, FSYNC_OFF, 10);
	(void)add_job(rig.dir, FSYNC_OFF, 10);
	atomic_store(&rig.jobs[0].cancel, true);
	publish_all("rename");
	assert_code(0, RESULT_CANCELLED);
	assert_code(1, RESULT_OK);
}
END_TEST

START_TEST(no_clobber_uses_a_rename_that_never_replaces)
{
	struct publish *p = add_job(rig.dir, FSYNC_OFF, 10);

	p->no_clobber = true;
	publish_all("rename2");
	assert_code(0, RESULT_OK);
}
END_TEST

START_TEST(no_clobber_links_where_there_is_no_such_rename)
{
	struct publish *p = add_job(rig.dir, FSYNC_OFF, 10);

	p->no_clobber = true;
	calls.fail = "rename2";
	calls.fail_at = 1;
	calls.fail_errno = EINVAL;
	publish_all("rename2");
	assert_code(0, RESULT_OK);
	ck_assert(!exists(HAUL_DIR "/0.part"));
}
END_TEST

START_TEST(no_clobber_tells_before_the_sync_that_the_name_is_taken)
{
	struct publish *p = add_job(rig.dir, FSYNC_FULL, 10);
	AUTO_CLOSE int fd = openat(rig.dir->fd, "file0", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	p->no_clobber = true;
	publish_all("");
	ck_assert_int_eq(p->result.code, RESULT_EXISTS);
	ck_assert(!p->renamed);
}
END_TEST

START_TEST(a_rename_over_a_border_is_refused_in_words)
{
	(void)add_job(rig.dir, FSYNC_OFF, 10);
	calls.fail = "rename";
	calls.fail_at = 1;
	calls.fail_errno = EXDEV;
	publish_all("rename");
	assert_code(0, RESULT_PATH_REFUSED);
	ck_assert_ptr_nonnull(strstr(rig.jobs[0].result.text, "another filesystem"));
}
END_TEST

/* A decoded file whose packed one is kept: files[0] is the kept one. */
static struct publish *
add_kept_job(void)
{
	struct publish *p = add_job(rig.dir, FSYNC_FULL, 10);

	p->files[1] = p->files[0];
	p->files[0] = new_file(rig.dir, "packed", "kept", 5);
	p->files[0].to = rig.sub;
	p->n_files = 2;
	return p;
}

/* A life behind a power cut finds what it may not replace, and knows it for its own. */
START_TEST(no_clobber_has_its_map_on_the_disk_before_the_name)
{
	static const char *const traces[] = {
		[FSYNC_OFF] = "rename2", [FSYNC_DATA] = "fdatasync fdatasync dirsync rename2",
		[FSYNC_FULL] = "fsync fdatasync dirsync rename2 dirsync",
	};
	struct publish *p = add_job(rig.dir, (enum fsync_mode)_i, 10);
	struct publish_file map = new_file(rig.dir, "0.map", "", 0);
	struct stat st;

	p->no_clobber = true;
	p->map_name = "0.map";
	p->map_fd = map.fd;
	publish_all(traces[_i]);
	assert_code(0, RESULT_OK);
	ck_assert_int_eq(fstat(map.fd, &st), 0);
	ck_assert_int_gt(st.st_size, 0);
	(void)close(map.fd);
}
END_TEST

START_TEST(the_kept_file_comes_before_the_target)
{
	struct publish *p = add_kept_job();

	/* The kept one's directory, the root for its name, and the target's. */
	publish_all("fsync fsync rename dirsync dirsync rename dirsync");
	assert_code(0, RESULT_OK);
	ck_assert(exists("sub/kept"));
	ck_assert_uint_ne(p->inode, p->sync[0].inode); /* the target's is told */
}
END_TEST

/* Of a life that was killed between its two renames. */
START_TEST(no_clobber_takes_the_same_bytes_for_the_kept_file)
{
	struct publish *p = add_kept_job();
	AUTO_CLOSE int fd = openat(rig.sub->fd, "kept", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	p->no_clobber = true;
	ck_assert_int_eq(fd_write_full(fd, "\0\0\0\0x", 5), 0);
	publish_all("");
	assert_code(0, RESULT_EXISTS);
	ck_assert(exists(HAUL_DIR "/packed"));
	ck_assert_int_eq(ftruncate(fd, 4), 0);
	publish_all("");
	assert_code(0, RESULT_EXISTS);
	ck_assert_int_eq(ftruncate(fd, 5), 0);
	publish_all("fsync fsync rename2 fsync dirsync dirsync rename2 dirsync");
	assert_code(0, RESULT_OK);
	ck_assert(!exists(HAUL_DIR "/packed"));
}
END_TEST

/* Of a worker that was killed behind its rename. */
START_TEST(no_clobber_takes_the_same_bytes_for_the_target)
{
	struct publish *p = add_job(rig.dir, FSYNC_FULL, 10);
	AUTO_CLOSE int fd = openat(rig.dir->fd, "file0", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct stat st;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, 10), 0);
	p->no_clobber = true;
	publish_all("fsync rename2 fsync dirsync");
	assert_code(0, RESULT_OK);
	ck_assert(!exists(HAUL_DIR "/0.part"));
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_uint_eq(p->inode, st.st_ino); /* what stands there is told */
}
END_TEST

START_TEST(without_the_kept_file_there_is_no_target)
{
	(void)add_kept_job();
	calls.fail = "rename";
	calls.fail_at = 1;
	calls.fail_errno = EACCES;
	publish_all("fsync fsync rename");
	assert_code(0, RESULT_WRITE);
	ck_assert(!exists("sub/kept"));
}
END_TEST

START_TEST(the_packed_file_goes_only_after_the_target_came)
{
	struct publish *p = add_job(rig.dir, FSYNC_OFF, 10), *q = add_job(rig.dir, FSYNC_OFF, 10);
	struct publish_file a = new_file(rig.dir, "a", "", 5), b = new_file(rig.dir, "b", "", 5);

	p->unlink_name = "a";
	p->unlink_fd = a.fd;
	q->unlink_name = "b";
	q->unlink_fd = b.fd;
	calls.fail = "rename";
	calls.fail_at = 2;
	calls.fail_errno = EIO;
	publish_all("rename rename");
	ck_assert(!exists(HAUL_DIR "/a"));
	ck_assert_int_eq(p->unlink_fd, -1);
	ck_assert(exists(HAUL_DIR "/b"));
	ck_assert_int_eq(q->unlink_fd, b.fd);
	(void)close(b.fd);
}
END_TEST

/* Directories. */

START_TEST(a_kept_directory_is_given_again)
{
	struct dir *again = NULL;

	ck_assert_int_eq(dirs_get(&rig.dirs, rig.root, "sub", &again), 0);
	ck_assert_ptr_eq(again, rig.sub);
	dir_unref(again);
	ck_assert_int_eq(dirs_get(&rig.dirs, rig.root, "", &again), 0);
	ck_assert_ptr_eq(again, rig.dir);
	dir_unref(again);
}
END_TEST

/* 0: another one stands there; 1: a link to it; 2: nothing; 3: it came back. */
START_TEST(a_kept_directory_that_was_moved_is_opened_anew)
{
	AUTO_FREE char *there = xasprintf("%s/sub", rig.root), *away = xasprintf("%s/away", rig.root);
	struct dir *again = NULL;
	int e = _i == 1 ? -ELOOP : _i == 2 ? -ENOENT : 0;

	ck_assert_int_eq(rename(there, away), 0);
	if (_i == 0)
		ck_assert_int_eq(mkdir(there, 0700), 0);
	else if (_i == 1)
		ck_assert_int_eq(symlink("elsewhere", there), 0);
	else if (_i == 3)
		ck_assert_int_eq(rename(away, there), 0);
	ck_assert_int_eq(dirs_get(&rig.dirs, rig.root, "sub", &again), e);
	ck_assert((again == rig.sub) == (_i == 3));
	ck_assert_int_ge(rig.sub->fd, 0); /* who holds it may go on */
	dir_unref(again);
}
END_TEST

START_TEST(only_so_many_directories_are_kept)
{
	for (unsigned i = 0; i < 3 * DIRS_KEPT; i++) {
		char name[16];
		struct dir *d = NULL;

		(void)snprintf(name, sizeof name, "d%u", i);
		make_dir(name);
		ck_assert_int_eq(dirs_get(&rig.dirs, rig.root, name, &d), 0);
		dir_unref(d);
		ck_assert_uint_le(rig.dirs.len, DIRS_KEPT);
	}
}
END_TEST

START_TEST(paths_that_leave_the_root_are_refused)
{
	static const struct { const char *path; int error; } rows[] = {
		{ "..", -EINVAL }, { "sub/../sub", -EINVAL }, { "sub/..", -EINVAL },
		{ "/", -EINVAL }, { "link", -ELOOP }, { "link/x", -ELOOP }, { "none", -ENOENT },
		{ "file", -ENOTDIR },
	};
	AUTO_FREE char *link = xasprintf("%s/link", rig.root);
	AUTO_CLOSE int fd = openat(rig.dir->fd, "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	struct dir *d = NULL;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(symlink("sub", link), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		ck_assert_int_eq(dirs_get(&rig.dirs, rig.root, rows[i].path, &d), rows[i].error);
	ck_assert_int_eq(dirs_get(&rig.dirs, "tmp", "", &d), -EINVAL);
	ck_assert_ptr_null(d);
}
END_TEST

START_TEST(without_openat2_the_walk_refuses_the_same)
{
	static const struct { const char *path; int error; } rows[] = {
		{ "link", -ELOOP }, { "link/x", -ELOOP }, { "sub/none", -ENOENT },
		{ "file", -ENOTDIR }, { "file/x", -ENOTDIR }, { ".", 0 }, { "sub", 0 },
		{ "sub//.haul/", 0 }, { "./sub", 0 },
	};
	AUTO_FREE char *link = xasprintf("%s/link", rig.root);
	AUTO_CLOSE int fd = openat(rig.dir->fd, "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	AUTO_CLOSE int top = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(symlink("sub", link), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTO_CLOSE int r = dirs_walk(rig.dir->fd, rows[i].path);

		ck_assert_msg((r < 0 ? r : 0) == rows[i].error, "%s: %d", rows[i].path, r);
	}
	ck_assert_int_eq(dirs_walk(top, "proc"), -EXDEV);
}
END_TEST

START_TEST(safe_names_are_one_component)
{
	static const char *const good[] = { "a", "..a", "a..", ".haul", "-", "a b", "\xc3\xa4" };
	static const char *const bad[] = { "", ".", "..", "/", "a/b", "../a", "a/" };
	char longest[257];

	for (unsigned i = 0; i < ARRAY_SIZE(good); i++)
		ck_assert(name_is_safe(good[i]));
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert(!name_is_safe(bad[i]));
	memset(longest, 'a', 256);
	longest[256] = '\0';
	ck_assert(!name_is_safe(longest));
	longest[255] = '\0';
	ck_assert(name_is_safe(longest));
}
END_TEST

/* The lane. */

static struct {
	sem_t go;             /* lets the first job end */
	char order[64];       /* what ran, in the lane */
	unsigned done;        /* what came back */
} lane_rig;

static void
note_order(const char *word)
{
	size_t n = strlen(lane_rig.order);

	(void)snprintf(lane_rig.order + n, sizeof lane_rig.order - n, "%s", word);
}

static void
run_single(struct lane_job *job)
{
	if (job->id == 1)
		while (sem_wait(&lane_rig.go) < 0)
			;
	note_order("s");
}

static void
run_batch(struct lane *lane, struct lane_job **jobs, unsigned n)
{
	char word[16];

	(void)jobs;
	lane_at(lane, 77);
	(void)snprintf(word, sizeof word, "b%u", n);
	note_order(word);
}

static void
on_done(struct lane_job *job)
{
	ck_assert_ptr_eq(job->owner, &lane_rig);
	lane_rig.done++;
}

START_TEST(waiting_batch_jobs_run_at_once_in_turn_with_the_others)
{
	struct work_page page = { 0 };
	struct lane *l = lane_new(&page);
	struct lane_job single[3], batch[5];

	ck_assert_int_eq(sem_init(&lane_rig.go, 0, 0), 0);
	ck_assert(lane_is_idle(l));
	for (unsigned i = 0; i < 3; i++) {
		single[i] = (struct lane_job){ .id = i + 1, .run = run_single, .done = on_done,
			.owner = &lane_rig };
		lane_submit(l, &single[i]);
	}
	while (atomic_load(&page.lane_id) != 1) /* the first one is in the lane */
		(void)poll(NULL, 0, 1);
	ck_assert_uint_ne(atomic_load(&page.lane_ns), 0);
	for (unsigned i = 0; i < 5; i++) {
		batch[i] = (struct lane_job){ .id = 10 + i, .batch = run_batch, .done = on_done,
			.owner = &lane_rig };
		lane_submit(l, &batch[i]);
	}
	ck_assert_int_eq(sem_post(&lane_rig.go), 0);
	while (lane_rig.done < 8) {
		struct pollfd p = { .fd = lane_fd(l), .events = POLLIN };

		ck_assert_int_eq(poll(&p, 1, 10000), 1);
		lane_collect(l);
	}
	ck_assert_str_eq(lane_rig.order, "sb5ss");
	ck_assert(lane_is_idle(l));
	ck_assert_uint_eq(atomic_load(&page.lane_id), 0);
	lane_free(l);
}
END_TEST

/* Write-back. */

static void
on_window(struct lane_job *job)
{
	writeback_returned(CONTAINER_OF(job, struct writeback, job));
	lane_rig.done++;
}

static void
run_windows(struct lane *l, struct writeback *w)
{
	while (writeback_kick(w, l)) {
		struct pollfd p = { .fd = lane_fd(l), .events = POLLIN };

		ck_assert(!writeback_kick(w, l)); /* one at a time */
		ck_assert_int_eq(poll(&p, 1, 10000), 1);
		lane_collect(l);
	}
}

START_TEST(windows_are_waited_for_up_to_the_mark)
{
	struct publish_file f = new_file(rig.dir, "w", "", 20 << 20);
	struct lane *l = lane_new(NULL);
	struct writeback w;

	writeback_init(&w, f.fd, 1, on_window, NULL);
	ck_assert(!writeback_kick(&w, l)); /* nothing is wanted */
	w.want_start = 20 << 20;
	run_windows(l, &w);
	ck_assert_str_eq(calls.trace, "start");
	ck_assert_uint_eq(w.clean, 0);
	w.want_clean = 20 << 20;
	run_windows(l, &w);
	ck_assert_str_eq(calls.trace, "start wait wait wait");
	ck_assert_uint_eq(w.clean, 20 << 20);
	ck_assert_uint_gt(w.wait_ns, 0);
	lane_free(l);
	(void)close(f.fd);
}
END_TEST

START_TEST(a_failed_window_is_the_last)
{
	struct publish_file f = new_file(rig.dir, "w", "", 20 << 20);
	struct lane *l = lane_new(NULL);
	struct writeback w;

	writeback_init(&w, f.fd, 1, on_window, NULL);
	calls.fail = "wait";
	calls.fail_at = 2;
	calls.fail_errno = EIO;
	w.want_clean = 20 << 20;
	run_windows(l, &w);
	ck_assert_str_eq(calls.trace, "wait wait");
	ck_assert_int_eq(w.error, -EIO);
	ck_assert_uint_eq(w.clean, WRITEBACK_WINDOW);
	lane_free(l);
	(void)close(f.fd);
}
END_TEST

START_TEST(a_filesystem_without_the_call_is_no_failure)
{
	struct publish_file f = new_file(rig.dir, "w", "", 100);
	struct lane *l = lane_new(NULL);
	struct writeback w;

	writeback_init(&w, f.fd, 1, on_window, NULL);
	calls.fail = "wait";
	calls.fail_at = 1;
	calls.fail_errno = EINVAL;
	w.want_clean = 100;
	run_windows(l, &w);
	ck_assert_int_eq(w.error, 0);
	ck_assert_uint_eq(w.clean, 100);
	lane_free(l);
	(void)close(f.fd);
}
END_TEST

static TCase *
new_case(const char *name, const TTest *const *tests, unsigned n)
{
	TCase *tc = tcase_create(name);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	for (unsigned i = 0; i < n; i++)
		tcase_add_test(tc, tests[i]);
	return tc;
}

int
main(void)
{
	const TTest *publish[] = { seven_small_files_are_synced_one_by_one,
		eight_small_files_are_synced_together,
		the_directories_above_are_synced_once, a_failed_sync_above_is_no_success,
		a_large_file_and_unsynced_ones_do_not_join_them,
		each_directory_is_synced_once, two_names_of_one_directory_are_synced_once,
		a_failed_sync_is_not_repeated_and_nothing_is_renamed, a_failed_sync_of_all_fails_all,
		a_failed_sync_of_the_directory_is_no_success, a_cancelled_one_is_not_renamed,
		no_clobber_uses_a_rename_that_never_replaces,
		no_clobber_links_where_there_is_no_such_rename,
		no_clobber_tells_before_the_sync_that_the_name_is_taken, no_clobber_takes_the_same_bytes_for_the_kept_file,
		no_clobber_takes_the_same_bytes_for_the_target,
		a_rename_over_a_border_is_refused_in_words, the_kept_file_comes_before_the_target,
		without_the_kept_file_there_is_no_target,
		the_packed_file_goes_only_after_the_target_came };
	const TTest *dirs[] = { a_kept_directory_is_given_again,
		only_so_many_directories_are_kept,
		paths_that_leave_the_root_are_refused,
		without_openat2_the_walk_refuses_the_same, safe_names_are_one_component };
	const TTest *lane[] = { waiting_batch_jobs_run_at_once_in_turn_with_the_others,
		windows_are_waited_for_up_to_the_mark, a_failed_window_is_the_last,
		a_filesystem_without_the_call_is_no_failure };
	Suite *s = suite_create("publish");
	TCase *tc = new_case("publish", publish, ARRAY_SIZE(publish));

	tcase_add_loop_test(tc, the_order_is_sync_rename_sync_dir, FSYNC_OFF, FSYNC_FULL + 1);
	tcase_add_loop_test(tc, no_clobber_has_its_map_on_the_disk_before_the_name, FSYNC_OFF, FSYNC_FULL + 1);
	suite_add_tcase(s, tc);
	tc = new_case("dirs", dirs, ARRAY_SIZE(dirs));
	tcase_add_loop_test(tc, a_kept_directory_that_was_moved_is_opened_anew, 0, 4);
	suite_add_tcase(s, tc);
	suite_add_tcase(s, new_case("lane", lane, ARRAY_SIZE(lane)));
	return run_suite(s);
}
