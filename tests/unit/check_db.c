/*
 * The database of jobs on a disk that fails: SQLite writes through a layer that
 * counts its calls, and fails the one that the test wants.
 */
#include "store/db.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "run_suite.h"
#include "temp_dir.h"

enum { JOBS = 30, EACH = 5 }; /* jobs in all, in one transaction */

/* ---- Directories ---- */

static struct {
	ino_t inodes[64]; /* of what was synced, but by fdatasync */
	unsigned n;
	ino_t fail;       /* 0: none */
} synced;

int
fsync(int fd)
{
	struct stat st;

	ck_assert_int_eq(fstat(fd, &st), 0);
	synced.inodes[synced.n++ % ARRAY_SIZE(synced.inodes)] = st.st_ino;
	if (st.st_ino != synced.fail)
		return 0;
	errno = EIO;
	return -1;
}

/* ---- The layer ---- */

struct file {
	sqlite3_file base;
	bool is_log;
	sqlite3_file *real;
};

static sqlite3_vfs *system_vfs, layer_vfs;
static struct {
	unsigned calls;   /* that change the disk */
	unsigned fail_at; /* 0: none */
	unsigned failing; /* so many from there on */
	int with;         /* SQLITE_IOERR_... or SQLITE_FULL */
	unsigned log_writes, log_syncs;
	bool log_dirty;   /* written to after the last sync */
} disk;

static bool
is_to_fail(void)
{
	disk.calls++;
	return disk.fail_at && disk.calls >= disk.fail_at && disk.calls < disk.fail_at + disk.failing;
}

static struct file *
file_of(sqlite3_file *f)
{
	return (struct file *)f;
}

static int
layer_close(sqlite3_file *f)
{
	sqlite3_file *real = file_of(f)->real;

	return real->pMethods ? real->pMethods->xClose(real) : SQLITE_OK;
}

static int
layer_read(sqlite3_file *f, void *data, int n, sqlite3_int64 at)
{
	return file_of(f)->real->pMethods->xRead(file_of(f)->real, data, n, at);
}

static int
layer_write(sqlite3_file *f, const void *data, int n, sqlite3_int64 at)
{
	if (file_of(f)->is_log) {
		disk.log_writes++;
		disk.log_dirty = true;
	}
	if (is_to_fail()) {
		/* Half of it, as disks do. */
		(void)file_of(f)->real->pMethods->xWrite(file_of(f)->real, data, n / 2, at);
		return disk.with;
	}
	return file_of(f)->real->pMethods->xWrite(file_of(f)->real, data, n, at);
}

static int
layer_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	return is_to_fail() ? SQLITE_IOERR_TRUNCATE : file_of(f)->real->pMethods->xTruncate(file_of(f)->real, size);
}

static int
layer_sync(sqlite3_file *f, int flags)
{
	if (is_to_fail())
		return SQLITE_IOERR_FSYNC;
	if (file_of(f)->is_log) {
		disk.log_syncs++;
		disk.log_dirty = false;
	}
	return file_of(f)->real->pMethods->xSync(file_of(f)->real, flags);
}

static int
layer_size(sqlite3_file *f, sqlite3_int64 *ret)
{
	return file_of(f)->real->pMethods->xFileSize(file_of(f)->real, ret);
}

static int
layer_lock(sqlite3_file *f, int how)
{
	return file_of(f)->real->pMethods->xLock(file_of(f)->real, how);
}

static int
layer_unlock(sqlite3_file *f, int how)
{
	return file_of(f)->real->pMethods->xUnlock(file_of(f)->real, how);
}

static int
layer_reserved(sqlite3_file *f, int *ret)
{
	return file_of(f)->real->pMethods->xCheckReservedLock(file_of(f)->real, ret);
}

static int
layer_control(sqlite3_file *f, int op, void *arg)
{
	return file_of(f)->real->pMethods->xFileControl(file_of(f)->real, op, arg);
}

static int
layer_sector(sqlite3_file *f)
{
	return file_of(f)->real->pMethods->xSectorSize(file_of(f)->real);
}

static int
layer_traits(sqlite3_file *f)
{
	return file_of(f)->real->pMethods->xDeviceCharacteristics(file_of(f)->real);
}

static const sqlite3_io_methods layer_methods = { 1, layer_close, layer_read, layer_write, layer_truncate,
	layer_sync, layer_size, layer_lock, layer_unlock, layer_reserved, layer_control, layer_sector,
	layer_traits, NULL, NULL, NULL, NULL, NULL, NULL };

static int
layer_open(sqlite3_vfs *v, sqlite3_filename name, sqlite3_file *f, int flags, int *ret_flags)
{
	struct file *file = file_of(f);

	(void)v;
	file->real = (sqlite3_file *)(void *)(file + 1);
	file->is_log = flags & SQLITE_OPEN_WAL;
	file->base.pMethods = &layer_methods;
	return system_vfs->xOpen(system_vfs, name, file->real, flags, ret_flags);
}

static void
install_layer(void)
{
	if (system_vfs)
		return; /* of the test before, in this process */
	system_vfs = sqlite3_vfs_find(NULL);
	layer_vfs = *system_vfs;
	layer_vfs.zName = "layer";
	layer_vfs.szOsFile += (int)sizeof(struct file);
	layer_vfs.xOpen = layer_open;
	ck_assert_int_eq(sqlite3_vfs_register(&layer_vfs, 1), SQLITE_OK);
}

/* ---- The tests ---- */

static char *dir;

static void
setup(void)
{
	dir = temp_dir_new();
	memset(&disk, 0, sizeof disk);
	install_layer();
}

static void
teardown(void)
{
	temp_dir_remove(dir);
}

static int
put_some(struct db *d, uint64_t from)
{
	static const char spec[3000]; /* so that there are some pages */
	int r = db_begin(d);

	for (uint64_t id = from; id < from + EACH && r == 0; id++)
		r = db_put(d, &(struct store_job){ .id = id, .spec = { spec, sizeof spec } });
	if (r == 0)
		r = db_commit(d);
	if (r < 0)
		db_rollback(d);
	return r;
}

static void
count_job(const struct store_job *j, void *arg)
{
	uint64_t *n = arg;

	ck_assert_uint_eq(j->id, ++*n);
	ck_assert_uint_eq(j->spec.len, 3000);
}

static uint64_t
jobs_on_disk(void)
{
	struct db *d;
	uint64_t n = 0;

	ck_assert_int_eq(db_open(dir, &d), 0);
	ck_assert_int_eq(db_load(d, 0, count_job, &n), 0);
	ck_assert_uint_eq(db_last_id(d), n);
	db_close(d, true);
	return n;
}

START_TEST(a_commit_is_on_the_disk_when_it_returns)
{
	struct db *d;

	ck_assert_int_eq(db_open(dir, &d), 0);
	for (uint64_t id = 1; id <= JOBS; id += EACH) {
		unsigned syncs = disk.log_syncs, writes = disk.log_writes;

		ck_assert_int_eq(put_some(d, id), 0);
		ck_assert_uint_gt(disk.log_writes, writes);
		ck_assert_uint_gt(disk.log_syncs, syncs);
		ck_assert(!disk.log_dirty);
	}
	db_close(d, true);
	ck_assert_uint_eq(jobs_on_disk(), JOBS);
}
END_TEST

/* The whole of a database's life, with `failing` calls that fail from the n-th
 * on: the number of commits that failed. */
static unsigned
live(unsigned n, unsigned failing, int with)
{
	unsigned failures = 0;
	struct db *d;

	disk.calls = 0;
	disk.fail_at = n;
	disk.failing = failing;
	disk.with = with;
	while (db_open(dir, &d) < 0) {
		ck_assert_msg(strstr(db_why(d), "cannot open /") != NULL, "%s", db_why(d));
		db_close(d, false);
		ck_assert_uint_le(++failures, failing);
	}
	for (uint64_t id = 1; id <= JOBS; id += EACH) {
		int r;

		while ((r = put_some(d, id)) < 0) {
			ck_assert_int_eq(r, -EAGAIN);
			ck_assert_msg(has_prefix(db_why(d), "cannot write /"), "%s", db_why(d));
			ck_assert_uint_eq(db_last_id(d), id - 1);
			ck_assert_uint_le(++failures, failing);
		}
	}
	db_close(d, true);
	disk.fail_at = 0;
	return failures;
}

START_TEST(whatever_call_fails_nothing_is_lost)
{
	static const struct {
		unsigned failing;
		int with;
	} how[] = { { 1, SQLITE_IOERR_WRITE }, { 1, SQLITE_FULL }, { 7, SQLITE_IOERR_WRITE }, { 7, SQLITE_FULL } };
	unsigned failures = 0, n = 0;

	do {
		AUTO_FREE char *remove = xasprintf("%s/jobs.db", dir);

		failures += live(++n, how[_i].failing, how[_i].with);
		ck_assert_uint_eq(jobs_on_disk(), JOBS);
		ck_assert_int_eq(unlink(remove), 0); /* its log went with the close */
	} while (disk.calls >= n && n < 2000);
	ck_assert_uint_gt(n, 30);
	ck_assert_uint_lt(n, 2000);
	ck_assert_uint_gt(failures, 30);
}
END_TEST

/* ---- The names that lead there ---- */

static ino_t
inode_of(const char *path)
{
	struct stat st;

	ck_assert_int_eq(stat(path, &st), 0);
	return st.st_ino;
}

static unsigned
times_synced(ino_t inode)
{
	unsigned n = 0;

	for (unsigned i = 0; i < synced.n; i++)
		n += synced.inodes[i] == inode;
	return n;
}

/* Of a state directory that hauld has just made, two levels of it, with its lock. */
static char *
make_place(void)
{
	AUTO_FREE char *above = xasprintf("%s/new", dir);
	char *place = xasprintf("%s/new/state", dir);
	AUTO_FREE char *lock = xasprintf("%s/lock", place);

	ck_assert_int_eq(mkdir(above, 0700), 0);
	ck_assert_int_eq(mkdir(place, 0700), 0);
	ck_assert_int_eq(close(open(lock, O_WRONLY | O_CREAT | O_CLOEXEC, 0600)), 0);
	return place;
}

START_TEST(the_names_above_are_on_the_disk_before_any_job)
{
	AUTO_FREE char *place = make_place(), *above = xasprintf("%s/new", dir), *lock = xasprintf("%s/lock", place);
	struct db *d;

	synced.n = 0;
	ck_assert_int_eq(db_open(place, &d), 0);
	ck_assert_uint_eq(times_synced(inode_of(lock)), 1);
	ck_assert_uint_eq(times_synced(inode_of(above)), 1);
	ck_assert_uint_eq(times_synced(inode_of(dir)), 1);
	db_close(d, true);
}
END_TEST

START_TEST(a_directory_that_cannot_be_synced_is_not_used)
{
	AUTO_FREE char *place = make_place(), *above = xasprintf("%s/new", dir);
	struct db *d;

	synced.fail = inode_of(above);
	ck_assert_int_eq(db_open(place, &d), -EBADMSG);
	synced.fail = 0;
	ck_assert_msg(strstr(db_why(d), "jobs.db: Input/output error: its disk may be failing") != NULL, "%s", db_why(d));
	db_close(d, false);
}
END_TEST

static Suite *
db_suite(void)
{
	Suite *s = suite_create("db");
	TCase *t = add_case(s, "disk", setup, teardown, 120);

	tcase_add_test(t, a_commit_is_on_the_disk_when_it_returns);
	tcase_add_test(t, the_names_above_are_on_the_disk_before_any_job);
	tcase_add_test(t, a_directory_that_cannot_be_synced_is_not_used);
	tcase_add_loop_test(t, whatever_call_fails_nothing_is_lost, 0, 4);
	return s;
}

int
main(void)
{
	return run_suite(db_suite());
}
