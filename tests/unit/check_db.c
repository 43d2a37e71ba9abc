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
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "model/spec.h"
#include "run_suite.h"
#include "store/past.h"
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

/* The memory that is shared with readers: a file, too, which has to grow. */
static int
layer_shm_map(sqlite3_file *f, int region, int size, int extend, void volatile **ret)
{
	if (extend && is_to_fail())
		return SQLITE_IOERR_SHMSIZE;
	return file_of(f)->real->pMethods->xShmMap(file_of(f)->real, region, size, extend, ret);
}

static int
layer_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
	return file_of(f)->real->pMethods->xShmLock(file_of(f)->real, offset, n, flags);
}

static void
layer_shm_barrier(sqlite3_file *f)
{
	file_of(f)->real->pMethods->xShmBarrier(file_of(f)->real);
}

static int
layer_shm_unmap(sqlite3_file *f, int delete)
{
	return file_of(f)->real->pMethods->xShmUnmap(file_of(f)->real, delete);
}

static const sqlite3_io_methods layer_methods = { 2, layer_close, layer_read, layer_write, layer_truncate,
	layer_sync, layer_size, layer_lock, layer_unlock, layer_reserved, layer_control, layer_sector,
	layer_traits, layer_shm_map, layer_shm_lock, layer_shm_barrier, layer_shm_unmap, NULL, NULL };

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

static const struct db_load_ops load_ops = { .on_job = count_job };

static uint64_t
jobs_on_disk(void)
{
	struct db *d;
	uint64_t n = 0;

	ck_assert_int_eq(db_open(dir, &d), 0);
	ck_assert_int_eq(db_load(d, 0, &load_ops, &n), 0);
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

		n += one_of();
		failures += live(n, how[_i].failing, how[_i].with);
		ck_assert_uint_eq(jobs_on_disk(), JOBS);
		ck_assert_int_eq(unlink(remove), 0); /* its log went with the close */
	} while (disk.calls >= n && n < 2000);
	ck_assert_uint_gt(n, 30);
	ck_assert_uint_lt(n, 2000);
	ck_assert_uint_gt(failures, 30 / one_of());
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

/* ---- Jobs that are over ---- */

struct seen {
	unsigned n_jobs, n_named, n_keys, n_left;
	uint64_t ids[8];
	char names[64], lefts[64];
	unsigned n_notes;
	char notes[8]; /* the first letters of their keys */
};

static void
see_job(const struct store_job *j, void *arg)
{
	struct seen *s = arg;

	s->ids[s->n_jobs++] = j->id;
}

static void
see_named(uint64_t id, const char *name, void *arg)
{
	struct seen *s = arg;
	size_t n = strlen(s->names);

	(void)snprintf(s->names + n, sizeof s->names - n, "%u=%s ", (unsigned)id, name);
	s->n_named++;
}

static void
see_left(uint64_t id, const char *output, void *arg)
{
	struct seen *s = arg;
	size_t n = strlen(s->lefts);

	(void)snprintf(s->lefts + n, sizeof s->lefts - n, "%u=%s ", (unsigned)id, output);
	s->n_left++;
}

static void
see_key(const struct store_key *k, void *arg)
{
	struct seen *s = arg;

	ck_assert_uint_eq(k->first_id, s->n_keys * 10 + 1);
	s->n_keys++;
}

static void
see_note(const struct store_note *n, void *arg)
{
	struct seen *s = arg;

	ck_assert_uint_eq(s->n_jobs, 0);
	s->notes[s->n_notes++] = n->key.at[0];
}

static const struct db_load_ops see_ops = { see_job, see_named, see_left, see_key, see_note };

/* A job of a client that ended then, 0: that is not over; with a name of its id. */
static void
put_job(struct db *d, uint64_t id, enum job_state state, int64_t ended_s, bool from_config)
{
	AUTO_BUF struct buf spec = { 0 };
	char name[16];

	(void)snprintf(name, sizeof name, "n%u", (unsigned)id);
	spec_put_string(&spec, JOB_NAME, name);
	spec_put_string(&spec, JOB_OUTPUT, id % 2 ? "/odd" : "/even");
	ck_assert_int_eq(db_put(d, &(struct store_job){ .id = id, .state = state, .ended_s = ended_s,
	    .from_config = from_config, .spec = { (const char *)buf_bytes(&spec), buf_len(&spec) } }), 0);
}

static void
assert_ended(struct db *d, uint64_t done, uint64_t failed)
{
	struct store_ended n = db_ended(d);

	ck_assert_uint_eq(n.done, done);
	ck_assert_uint_eq(n.failed, failed);
	ck_assert_uint_eq(n.cancelled, 0);
}

START_TEST(jobs_of_clients_that_are_over_are_counted_and_not_loaded)
{
	struct seen seen = { 0 };
	struct db *d;

	ck_assert_int_eq(db_open(dir, &d), 0);
	ck_assert_int_eq(db_begin(d), 0);
	put_job(d, 1, JOB_DONE, 100, false);
	put_job(d, 2, JOB_QUEUED, 0, false);
	put_job(d, 3, JOB_DONE, 100, true);
	put_job(d, 4, JOB_FAILED, 50, false);
	assert_ended(d, 0, 0); /* not committed */
	ck_assert_int_eq(db_commit(d), 0);
	assert_ended(d, 1, 1);
	db_close(d, true);
	ck_assert_int_eq(db_open(dir, &d), 0);
	assert_ended(d, 1, 1);
	ck_assert_int_eq(db_load(d, 0, &see_ops, &seen), 0);
	ck_assert(seen.n_jobs == 2 && seen.ids[0] == 2 && seen.ids[1] == 3);
	ck_assert_str_eq(seen.names, "1=n1 4=n4 ");
	ck_assert_str_eq(seen.lefts, "1=/odd 4=/even "); /* the latest first */
	/* Queued again, ended otherwise, deleted, rolled back. */
	ck_assert_int_eq(db_begin(d), 0);
	put_job(d, 4, JOB_QUEUED, 0, false);
	ck_assert_int_eq(db_update(d, &(struct store_job){ .id = 2, .state = JOB_DONE, .ended_s = 7 }), 0);
	ck_assert_int_eq(db_update(d, &(struct store_job){ .id = 9, .state = JOB_DONE, .ended_s = 7 }), 0);
	db_rollback(d);
	assert_ended(d, 1, 1);
	ck_assert_int_eq(db_begin(d), 0);
	put_job(d, 4, JOB_QUEUED, 0, false);
	ck_assert_int_eq(db_update(d, &(struct store_job){ .id = 2, .state = JOB_DONE, .ended_s = 7 }), 0);
	ck_assert_int_eq(db_update(d, &(struct store_job){ .id = 2, .state = JOB_DONE, .ended_s = 8 }), 0);
	ck_assert_int_eq(db_delete(d, 1), 0);
	ck_assert_int_eq(db_delete(d, 1), 0);
	ck_assert_int_eq(db_commit(d), 0);
	assert_ended(d, 1, 0);
	db_close(d, true);
}
END_TEST

START_TEST(those_that_ended_first_expire_first)
{
	AUTO_BUF struct buf ids = { 0 };
	struct cursor c;
	int64_t first;
	struct db *d;

	ck_assert_int_eq(db_open(dir, &d), 0);
	ck_assert_int_eq(db_first_end(d, &first), 0);
	ck_assert(first == INT64_MAX);
	ck_assert_int_eq(db_begin(d), 0);
	for (uint64_t id = 1; id <= 6; id++)
		put_job(d, id, JOB_DONE, 100 - (int64_t)id, id == 6);
	put_job(d, 7, JOB_QUEUED, 0, false);
	ck_assert_int_eq(db_expire(d, 100, 50, 10, &ids), 0); /* neither too many nor too old */
	ck_assert_uint_eq(buf_len(&ids), 0);
	ck_assert_int_eq(db_expire(d, 4, INT64_MIN, 10, &ids), 0); /* one too many */
	ck_assert_int_eq(db_expire(d, 100, 98, 10, &ids), 0);      /* 4 (96) and 3 (97) are too old */
	ck_assert_int_eq(db_expire(d, 0, INT64_MIN, 1, &ids), 0);  /* some at a time */
	ck_assert_int_eq(db_commit(d), 0);
	cursor_init(&c, buf_bytes(&ids), buf_len(&ids));
	ck_assert_uint_eq(buf_len(&ids), 4 * 8);
	for (uint64_t id = 5; id >= 2; id--)
		ck_assert_uint_eq(get_u64(&c), id);
	assert_ended(d, 1, 0);
	ck_assert_int_eq(db_first_end(d, &first), 0);
	ck_assert_int_eq(first, 99);
	db_close(d, true);
}
END_TEST

/* The power went between the transactions of one large add. */
START_TEST(notes_are_put_replaced_and_dropped)
{
	const struct store_note b = { { "b", 1 }, { "x", 1 } }, a = { { "a", 1 }, { "y", 1 } }, no_b = { { "b", 1 }, { "", 0 } };
	struct seen seen = { 0 };
	struct db *d;

	ck_assert_int_eq(db_open(dir, &d), 0);
	ck_assert_int_eq(db_begin(d), 0);
	put_job(d, 1, JOB_QUEUED, 0, false);
	ck_assert_int_eq(db_put_note(d, &b), 0);
	ck_assert_int_eq(db_put_note(d, &a), 0);
	ck_assert_int_eq(db_put_note(d, &b), 0);
	ck_assert_int_eq(db_commit(d), 0);
	ck_assert_int_eq(db_load(d, 0, &see_ops, &seen), 0);
	ck_assert_str_eq(seen.notes, "ab");
	ck_assert_int_eq(db_begin(d), 0);
	ck_assert_int_eq(db_put_note(d, &no_b), 0);
	ck_assert_int_eq(db_put_note(d, &no_b), 0);
	ck_assert_int_eq(db_commit(d), 0);
	seen = (struct seen){ 0 };
	ck_assert_int_eq(db_load(d, 0, &see_ops, &seen), 0);
	ck_assert_str_eq(seen.notes, "a");
	db_close(d, true);
}
END_TEST

START_TEST(what_was_added_under_a_key_is_there_as_a_whole_or_not_at_all)
{
	struct store_key whole = { 1, 2, 5, { "0/a", 3 }, { "", 0 } }, cut = { 11, 3, 5, { "0/b", 3 }, { "", 0 } };
	struct seen seen = { 0 };
	struct db *d;

	ck_assert_int_eq(db_open(dir, &d), 0);
	ck_assert_int_eq(db_begin(d), 0);
	ck_assert_int_eq(db_put_key(d, &whole), 0);
	put_job(d, 1, JOB_QUEUED, 0, false);
	put_job(d, 2, JOB_QUEUED, 0, false);
	ck_assert_int_eq(db_put_key(d, &cut), 0);
	put_job(d, 11, JOB_QUEUED, 0, false);
	put_job(d, 12, JOB_QUEUED, 0, false);
	ck_assert_int_eq(db_commit(d), 0);
	db_close(d, true);
	for (int i = 0; i < 2; i++) {
		seen = (struct seen){ 0 };
		ck_assert_int_eq(db_open(dir, &d), 0);
		ck_assert_int_eq(db_load(d, 0, &see_ops, &seen), 0);
		ck_assert_uint_eq(seen.n_keys, 1);
		ck_assert(seen.n_jobs == 2 && seen.ids[0] == 1 && seen.ids[1] == 2);
		ck_assert_uint_eq(db_last_id(d), 12); /* no id twice */
		db_close(d, true);
	}
}
END_TEST

/* ---- A file system that it may not be on ---- */

static long fs_type; /* 0: what it is */

int
fstatfs(int fd, struct statfs *ret)
{
	int r = (int)syscall(SYS_fstatfs, fd, ret);

	if (fs_type)
		ret->f_type = (typeof(ret->f_type))fs_type;
	return r;
}

START_TEST(a_network_is_no_place_for_a_database)
{
	static const struct {
		long type;
		const char *name;
	} types[] = { { 0x6969, "(NFS)" }, { 0xff534d42, "(SMB)" }, { 0xfe534d42, "(SMB)" }, { 0x01021997, "(9P)" } };
	AUTO_FREE char *path = xasprintf("%s/jobs.db", dir);
	struct past *p;
	struct db *d;

	fs_type = types[_i].type;
	ck_assert_int_eq(db_open(dir, &d), -EBADMSG);
	ck_assert_msg(strstr(db_why(d), types[_i].name) && strstr(db_why(d), "set daemon.state-dir to") &&
	    strstr(db_why(d), dir), "%s", db_why(d));
	db_close(d, false);
	ck_assert_int_eq(access(path, F_OK), -1); /* nothing was begun there */
	ck_assert_int_eq(past_open(dir, &p), -EBADMSG);
	ck_assert(strstr(past_why(p), types[_i].name) != NULL);
	past_close(p);
	fs_type = 0;
	ck_assert_int_eq(db_open(dir, &d), 0);
	db_close(d, true);
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
	t = add_case(s, "over", setup, teardown, 0);
	tcase_add_test(t, jobs_of_clients_that_are_over_are_counted_and_not_loaded);
	tcase_add_test(t, those_that_ended_first_expire_first);
	tcase_add_test(t, notes_are_put_replaced_and_dropped);
	tcase_add_test(t, what_was_added_under_a_key_is_there_as_a_whole_or_not_at_all);
	t = add_case(s, "place", setup, teardown, 0);
	tcase_add_loop_test(t, a_network_is_no_place_for_a_database, 0, 4);
	return s;
}

int
main(void)
{
	return run_suite(db_suite());
}
