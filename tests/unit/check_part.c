/*
 * Part files: how bytes are gathered and written, what the front says, and how
 * a write that fails is told.  pwrite(2) is this program's own: it counts, and
 * fails when it is told to.
 */
#include "daemon/stage/part.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "run_suite.h"
#include "temp_dir.h"

enum { KIB = 1024, MIB = 1024 * 1024 };

/* What pwrite() was asked for, and what it shall do. */
static struct {
	unsigned calls;
	size_t largest;
	int fail_with;  /* errno from now on; 0: none */
	size_t at_most; /* bytes a call takes; 0: all */
} writes;

ssize_t
pwrite(int fd, const void *data, size_t n, off_t offset)
{
	writes.calls++;
	writes.largest = MAX(writes.largest, n);
	if (writes.fail_with) {
		errno = writes.fail_with;
		return -1;
	}
	if (writes.at_most)
		n = MIN(n, writes.at_most);
	return syscall(SYS_pwrite64, fd, data, n, offset);
}

static unsigned removals; /* of .haul, just before a part is made in it */

int
openat(int dir, const char *name, int flags, ...) /* NOLINT: O_CLOEXEC is the callers' */
{
	if (flags & O_CREAT && removals > 0) {
		AUTO_FREE char *path = xasprintf("/proc/self/fd/%d", dir), *haul = xcalloc(1, 4096);

		removals--;
		ck_assert_int_gt(readlink(path, haul, 4095), 0);
		ck_assert_int_eq(rmdir(haul), 0);
	}
	return (int)syscall(SYS_openat, dir, name, flags, 0600);
}

/* A part and what was told of it. */
struct told {
	struct part *part;
	unsigned fronts, errors;
	uint64_t front;
	struct result why;
	int fd; /* of our own, to look with */
	bool stops; /* part_stop() in on_front */
};

static struct {
	char *root; /* owned */
	struct roots *roots;
	struct dirty *dirty;
	struct stage stage;
	struct dest_dir *dir;
	struct told a, b;
	uint8_t *data; /* 4 MiB of no pattern */
} rig;

/* The byte at the end of what the front covers must be in the file by now. */
static void
on_front(uint64_t front, void *arg)
{
	struct told *t = arg;
	uint8_t last = 0;

	ck_assert_uint_gt(front, t->front);
	ck_assert_int_eq(pread(t->fd, &last, 1, (off_t)front - 1), 1);
	ck_assert_uint_eq(last, rig.data[front - 1]);
	t->front = front;
	t->fronts++;
	if (t->stops)
		part_stop(t->part);
}

static void
on_error(const struct result *why, void *arg)
{
	struct told *t = arg;

	t->errors++;
	t->why = *why;
}

static const struct part_ops ops = { on_front, on_error };

static void
open_part(struct told *t, uint64_t id, unsigned generation)
{
	AUTO_FREE char *path = NULL;
	struct result why = { 0 };

	ck_assert_msg(part_new(&rig.stage, rig.dir, id, generation, &ops, t, &t->part, &why), "%s", why.text);
	path = xasprintf("%s/pub/.haul/%s", rig.root, part_name(t->part));
	t->fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(t->fd, 0);
}

static void
close_part(struct told *t)
{
	part_free(TAKE_PTR(t->part));
	fd_close(&t->fd);
}

static void
setup(void)
{
	AUTO_FREE char *path = NULL;
	struct result why = { 0 };
	uint64_t v = 88172645463325252;
	const char *name;

	(void)umask(022);
	memset(&writes, 0, sizeof writes);
	memset(&rig, 0, sizeof rig);
	rig.root = temp_dir_new();
	rig.roots = roots_new();
	ck_assert(roots_add(rig.roots, rig.root, &why));
	path = xasprintf("%s/pub/file", rig.root);
	ck_assert(roots_get_dir(rig.roots, path, &rig.dir, &name, &why));
	rig.dirty = dirty_new(64 * MIB);
	stage_init(&rig.stage, rig.roots, rig.dirty, NULL);
	rig.data = xmalloc(4 * MIB);
	for (size_t i = 0; i < 4 * MIB; i++) {
		v = v * UINT64_C(6364136223846793005) + 1442695040888963407;
		rig.data[i] = (uint8_t)(v >> 56);
	}
	rig.a.fd = rig.b.fd = -1;
}

static uint64_t
unflushed(void)
{
	uint64_t limit;

	return dirty_bytes(rig.dirty, rig.dir->dev, &limit);
}

static void
teardown(void)
{
	close_part(&rig.a);
	close_part(&rig.b);
	part_free(NULL);
	ck_assert_uint_eq(unflushed(), 0); /* all that was counted was given back */
	stage_done(&rig.stage);
	dirty_free(rig.dirty);
	dest_dir_unref(rig.dir);
	roots_free(rig.roots);
	free(rig.data);
	temp_dir_remove(rig.root);
}

static void
assert_content(const struct told *t, uint64_t size)
{
	AUTO_FREE uint8_t *is = xmalloc(size + 1);

	ck_assert_int_eq(fd_pread_full(t->fd, is, size + 1, 0), (int64_t)size);
	ck_assert_int_eq(memcmp(is, rig.data, size), 0);
	ck_assert_uint_eq(part_front(t->part), size);
}

/* Bytes [from, to) of the data, in bites of n. */
static void
write_in_bites(struct told *t, size_t from, size_t to, size_t n)
{
	for (size_t at = from; at < to; at += MIN(n, to - at))
		stage_write(t->part, rig.data + at, MIN(n, to - at));
}

START_TEST(small_bites_leave_in_one_write)
{
	open_part(&rig.a, 1, 1);
	write_in_bites(&rig.a, 0, 100 * KIB, 1460);
	ck_assert_uint_eq(writes.calls, 0);
	ck_assert_uint_eq(rig.a.fronts, 0);
	ck_assert_uint_eq(part_front(rig.a.part), 0);
	stage_flush(&rig.stage);
	ck_assert_uint_eq(writes.calls, 1);
	ck_assert_uint_eq(rig.a.fronts, 1);
	assert_content(&rig.a, 100 * KIB);
	stage_flush(&rig.stage); /* nothing is gathered */
	ck_assert_uint_eq(writes.calls, 1);
	ck_assert_uint_eq(rig.a.fronts, 1);
}
END_TEST

/* _i: which size of bite. */
START_TEST(no_write_is_larger_than_256_kib)
{
	static const size_t bites[] = { 1, 1460, 16 * KIB, 256 * KIB - 1, 256 * KIB, 256 * KIB + 1, MIB, 4 * MIB };
	size_t total = bites[_i] == 1 ? 600 * KIB : 4 * MIB;

	open_part(&rig.a, 1, 1);
	write_in_bites(&rig.a, 0, total, bites[_i]);
	ck_assert_uint_ge(part_front(rig.a.part), total - 256 * KIB);
	stage_flush(&rig.stage);
	ck_assert_uint_le(writes.largest, 256 * KIB);
	ck_assert_uint_le(writes.calls, total / (256 * KIB) + 1); /* and they are gathered */
	assert_content(&rig.a, total);
}
END_TEST

START_TEST(bytes_of_two_parts_do_not_mix)
{
	open_part(&rig.a, 1, 1);
	open_part(&rig.b, 2, 1);
	stage_write(rig.a.part, rig.data, 1000);
	ck_assert_uint_eq(part_front(rig.a.part), 0);
	stage_write(rig.b.part, rig.data, 500);
	ck_assert_uint_eq(part_front(rig.a.part), 1000); /* the other one's bytes went first */
	ck_assert_uint_eq(part_front(rig.b.part), 0);
	for (size_t at = 1000; at < 400 * KIB; at += 1000) {
		stage_write(rig.a.part, rig.data + at, 1000);
		stage_write(rig.b.part, rig.data + at / 2, 500);
	}
	stage_flush(&rig.stage);
	assert_content(&rig.a, part_front(rig.a.part));
	assert_content(&rig.b, part_front(rig.b.part));
	ck_assert_uint_eq(part_front(rig.a.part), 2 * part_front(rig.b.part));
}
END_TEST

START_TEST(a_short_write_is_gone_on_with)
{
	writes.at_most = 10000;
	open_part(&rig.a, 1, 1);
	write_in_bites(&rig.a, 0, MIB, MIB);
	stage_flush(&rig.stage);
	ck_assert_uint_eq(rig.a.errors, 0);
	assert_content(&rig.a, MIB);
}
END_TEST

/* ---- Failures ---- */

START_TEST(a_full_disk_is_told_once)
{
	open_part(&rig.a, 1, 1);
	write_in_bites(&rig.a, 0, 512 * KIB, 16 * KIB);
	writes.fail_with = ENOSPC;
	write_in_bites(&rig.a, 512 * KIB, 4 * MIB, 16 * KIB);
	stage_flush(&rig.stage);
	writes.fail_with = 0;
	write_in_bites(&rig.a, 0, MIB, 16 * KIB); /* nothing more is written, ever */
	stage_flush(&rig.stage);
	ck_assert_uint_eq(rig.a.errors, 1);
	ck_assert_int_eq(rig.a.why.code, RESULT_DISK_FULL);
	ck_assert_int_eq(rig.a.why.os_error, ENOSPC);
	ck_assert_ptr_nonnull(strstr(rig.a.why.text, "pub"));
	ck_assert_uint_eq(rig.a.fronts, 2);
	assert_content(&rig.a, 512 * KIB);
	ck_assert_uint_eq(unflushed(), 512 * KIB);
}
END_TEST

START_TEST(the_failure_of_one_part_is_not_the_others)
{
	open_part(&rig.a, 1, 1);
	open_part(&rig.b, 2, 1);
	writes.fail_with = EIO;
	stage_write(rig.a.part, rig.data, 1000);
	stage_flush(&rig.stage);
	writes.fail_with = 0;
	stage_write(rig.b.part, rig.data, 1000);
	stage_write(rig.a.part, rig.data, 1000);
	stage_flush(&rig.stage);
	ck_assert_uint_eq(rig.a.errors, 1);
	ck_assert_int_eq(rig.a.why.code, RESULT_WRITE);
	ck_assert_uint_eq(rig.b.errors, 0);
	assert_content(&rig.b, 1000);
}
END_TEST

/* The real thing: the limit of this process on the size of files. */
START_TEST(a_limit_of_the_system_is_told)
{
	struct rlimit limit = { .rlim_cur = 300 * KIB, .rlim_max = RLIM_INFINITY }, was;
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &was), 0);
	limit.rlim_max = was.rlim_max;
	ck_assert_int_eq(sigaction(SIGXFSZ, &ignore, NULL), 0);
	open_part(&rig.a, 1, 1);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	write_in_bites(&rig.a, 0, MIB, 16 * KIB);
	stage_flush(&rig.stage);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &was), 0);
	ck_assert_uint_eq(rig.a.errors, 1);
	ck_assert_int_eq(rig.a.why.os_error, EFBIG);
	ck_assert_int_eq(rig.a.why.code, RESULT_WRITE);
	ck_assert_uint_eq(part_front(rig.a.part), 256 * KIB); /* what the front says is there */
}
END_TEST

/* ---- Stopping ---- */

START_TEST(stopping_forgets_what_is_gathered)
{
	open_part(&rig.a, 1, 1);
	open_part(&rig.b, 2, 1);
	stage_write(rig.a.part, rig.data, 1000);
	part_stop(rig.a.part);
	stage_flush(&rig.stage);
	ck_assert_uint_eq(writes.calls, 0);
	stage_write(rig.a.part, rig.data, 1000);
	stage_flush(&rig.stage);
	ck_assert_uint_eq(writes.calls, 0);
	ck_assert_uint_eq(rig.a.fronts + rig.a.errors, 0);
	stage_write(rig.b.part, rig.data, 1000);
	part_stop(rig.a.part); /* not the one whose bytes are gathered */
	stage_flush(&rig.stage);
	assert_content(&rig.b, 1000);
}
END_TEST

START_TEST(a_part_may_be_stopped_inside_its_front)
{
	open_part(&rig.a, 1, 1);
	rig.a.stops = true;
	write_in_bites(&rig.a, 0, 4 * MIB, MIB);
	stage_flush(&rig.stage);
	ck_assert_uint_eq(writes.calls, 1);
	ck_assert_uint_eq(part_front(rig.a.part), 256 * KIB);
}
END_TEST

START_TEST(freeing_a_part_forgets_its_bytes)
{
	open_part(&rig.a, 1, 1);
	stage_write(rig.a.part, rig.data, 1000);
	close_part(&rig.a);
	stage_flush(&rig.stage);
	ck_assert_uint_eq(writes.calls, 0);
}
END_TEST

/* ---- The file ---- */

START_TEST(the_name_says_instance_job_and_generation)
{
	AUTO_FREE char *part = NULL, *out = NULL;

	ck_assert_uint_eq(strlen(rig.stage.instance), 16);
	ck_assert_uint_eq(strspn(rig.stage.instance, "0123456789abcdef"), 16);
	part = xasprintf("%s.18446744073709551615.4294967295.part", rig.stage.instance);
	out = xasprintf("%s.18446744073709551615.4294967295.out", rig.stage.instance);
	open_part(&rig.a, UINT64_MAX, UINT32_MAX);
	ck_assert_str_eq(part_name(rig.a.part), part);
	ck_assert_str_eq(part_out_name(rig.a.part), out);
	open_part(&rig.b, 1, 2);
	ck_assert(has_suffix(part_name(rig.b.part), ".1.2.part"));
	ck_assert_ptr_eq(part_dir(rig.b.part), rig.dir);
}
END_TEST

START_TEST(instances_differ)
{
	struct stage other;

	stage_init(&other, rig.roots, rig.dirty, NULL);
	ck_assert_str_ne(other.instance, rig.stage.instance);
	stage_done(&other);
}
END_TEST

START_TEST(a_service_keeps_its_instance_and_every_life_differs)
{
	struct stage one, two;

	stage_init(&one, rig.roots, rig.dirty, "0123456789abcdef");
	stage_init(&two, rig.roots, rig.dirty, "0123456789abcdef");
	ck_assert(has_prefix(one.instance, "0123456789abcdef-"));
	ck_assert(has_prefix(two.instance, "0123456789abcdef-"));
	ck_assert_str_ne(one.instance, two.instance);
	stage_done(&one);
	stage_done(&two);
}
END_TEST

START_TEST(every_generation_is_a_new_inode)
{
	struct stat a, b;

	open_part(&rig.a, 1, 1);
	open_part(&rig.b, 1, 2);
	ck_assert_int_eq(fstat(rig.a.fd, &a), 0);
	ck_assert_int_eq(fstat(rig.b.fd, &b), 0);
	ck_assert_uint_ne(a.st_ino, b.st_ino);
	ck_assert_uint_eq(part_inode(rig.a.part), a.st_ino);
	ck_assert_uint_eq(part_inode(rig.b.part), b.st_ino);
	ck_assert_uint_eq(a.st_mode, S_IFREG | 0600);
	ck_assert_int_eq(a.st_size, 0);
}
END_TEST

START_TEST(a_file_that_is_in_the_way_is_never_used)
{
	struct result why = { 0 };
	struct part *p = (void *)&why;

	open_part(&rig.a, 1, 1);
	ck_assert(!part_new(&rig.stage, rig.dir, 1, 1, &ops, &rig.b, &p, &why));
	ck_assert_int_eq(why.code, RESULT_WRITE); /* "exists" is about destinations */
	ck_assert_int_eq(why.os_error, EEXIST);
	ck_assert_ptr_eq(p, (void *)&why);
}
END_TEST

/* Another instance that works in the same directory tidies up when it leaves. */
START_TEST(a_haul_directory_that_another_removed_is_made_again)
{
	AUTO_FREE char *haul = xasprintf("%s/pub/.haul", rig.root);

	ck_assert_int_eq(rmdir(haul), 0);
	open_part(&rig.a, 1, 1);
	stage_write(rig.a.part, rig.data, 1000);
	stage_flush(&rig.stage);
	ck_assert_uint_eq(part_front(rig.a.part), 1000);
}
END_TEST

/* A worker that sweeps, also one of a life that was killed, does so at any time. */
START_TEST(a_haul_directory_that_is_removed_again_and_again_is_made_again)
{
	removals = 20;
	open_part(&rig.a, 1, 1);
	ck_assert_uint_eq(removals, 0);
}
END_TEST

START_TEST(the_file_is_locked_while_the_part_lives)
{
	open_part(&rig.a, 1, 1);
	ck_assert_int_lt(flock(rig.a.fd, LOCK_EX | LOCK_NB), 0);
	ck_assert_int_eq(errno, EWOULDBLOCK);
	part_free(TAKE_PTR(rig.a.part));
	ck_assert_int_eq(flock(rig.a.fd, LOCK_EX | LOCK_NB), 0);
}
END_TEST

START_TEST(sealing_lets_go_of_the_file_and_keeps_the_part)
{
	open_part(&rig.a, 1, 1);
	stage_write(rig.a.part, rig.data, 300 * KIB);
	stage_flush(&rig.stage);
	part_seal(rig.a.part);
	part_seal(rig.a.part);
	ck_assert_int_eq(flock(rig.a.fd, LOCK_EX | LOCK_NB), 0);
	stage_write(rig.a.part, rig.data + 300 * KIB, 1000);
	stage_flush(&rig.stage);
	ck_assert_uint_eq(rig.a.errors, 0);
	assert_content(&rig.a, 300 * KIB);
	ck_assert_uint_eq(unflushed(), 300 * KIB);
}
END_TEST

/* While it stands still nobody writes it back, and the bound would be full of such. */
START_TEST(a_small_part_is_charged_to_nobody)
{
	open_part(&rig.a, 1, 1);
	write_in_bites(&rig.a, 0, 256 * KIB, 16 * KIB);
	stage_flush(&rig.stage);
	ck_assert_uint_eq(unflushed(), 0);
	part_flushed(rig.a.part, 100 * KIB, 0);
	ck_assert_uint_eq(unflushed(), 0);
	write_in_bites(&rig.a, 256 * KIB, 256 * KIB + 1, 1);
	stage_flush(&rig.stage);
	ck_assert_uint_eq(unflushed(), 156 * KIB + 1);
	part_flushed(rig.a.part, MIB, 0);
	ck_assert_uint_eq(unflushed(), 0);
}
END_TEST

START_TEST(the_file_stays_when_the_part_goes)
{
	AUTO_FREE char *path = NULL;
	struct stat st;

	open_part(&rig.a, 1, 1);
	path = xasprintf("%s/pub/.haul/%s", rig.root, part_name(rig.a.part));
	stage_write(rig.a.part, rig.data, 1000);
	stage_flush(&rig.stage);
	close_part(&rig.a);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_size, 1000);
}
END_TEST

START_TEST(a_plan_makes_no_file)
{
	AUTO_FREE char *path = NULL;
	struct stat st;

	rig.a.part = part_plan(&rig.stage, rig.dir, 5, 3);
	path = xasprintf("%s/pub/.haul/%s", rig.root, part_name(rig.a.part));
	ck_assert(has_suffix(path, ".5.3.part"));
	ck_assert_int_lt(stat(path, &st), 0);
	ck_assert_uint_eq(part_inode(rig.a.part), 0);
	part_set_inode(rig.a.part, 77);
	ck_assert_uint_eq(part_inode(rig.a.part), 77);
}
END_TEST

/* ---- Unflushed bytes ---- */

START_TEST(what_is_written_counts_as_unflushed_until_a_worker_says_so)
{
	open_part(&rig.a, 1, 1);
	write_in_bites(&rig.a, 0, 2 * MIB, 16 * KIB);
	stage_flush(&rig.stage);
	ck_assert_uint_eq(unflushed(), 2 * MIB);
	part_flushed(rig.a.part, MIB, 0);
	ck_assert_uint_eq(unflushed(), MIB);
	part_flushed(rig.a.part, MIB / 2, 0); /* never backwards */
	ck_assert_uint_eq(unflushed(), MIB);
	part_flushed(rig.a.part, UINT64_MAX, 0); /* a worker's word is not trusted */
	ck_assert_uint_eq(unflushed(), 0);
	stage_write(rig.a.part, rig.data + 2 * MIB, MIB);
	stage_flush(&rig.stage);
	ck_assert_uint_eq(unflushed(), MIB);
	part_flushed(rig.a.part, 2 * MIB + MIB / 2, 0); /* nor does it count for what came later */
	ck_assert_uint_eq(unflushed(), MIB / 2);
	close_part(&rig.a); /* and what is left goes with the part */
	ck_assert_uint_eq(unflushed(), 0);
}
END_TEST

START_TEST(the_worker_is_asked_to_write_back_up_to_the_front)
{
	open_part(&rig.a, 1, 1);
	write_in_bites(&rig.a, 0, 4 * MIB, 16 * KIB);
	stage_flush(&rig.stage);
	part_flushed(rig.a.part, MIB, 0);
	ck_assert_uint_eq(part_flush_to(rig.a.part, false), MIB); /* there is no need yet */
	dirty_add(rig.dirty, rig.dir->dev, 60 * MIB); /* someone else's */
	ck_assert_uint_eq(part_flush_to(rig.a.part, false), 4 * MIB);
	ck_assert_uint_eq(part_flush_to(rig.a.part, true), 4 * MIB);
	dirty_sub(rig.dirty, rig.dir->dev, 60 * MIB, 0);
}
END_TEST

/* ---- The map ---- */

static const struct part_map_head a_head = {
	.job = 1, .generation = 1, .size = 4 * MIB, .url = { "http://a/", 9 }, .etag = { "\"e\"", 3 }, .modified = -1,
};

static void
setup_lives(void)
{
	setup();
	stage_done(&rig.stage);
	stage_init(&rig.stage, rig.roots, rig.dirty, "0123456789abcdef");
}

static char *
in_haul(const char *name)
{
	return xasprintf("%s/pub/.haul/%s", rig.root, name);
}

/* What the map says can be relied upon; it is a file of its own. */
static uint64_t
map_front(const struct part *p, struct part_map_head *ret)
{
	AUTO_FREE char *path = in_haul(part_map_name(p));
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	static uint8_t bytes[PART_MAP_MAX];
	ssize_t n = fd_pread_full(fd, bytes, sizeof bytes, 0);

	ck_assert_int_gt(n, 0);
	ck_assert_int_eq(part_map_get_head(bytes, (size_t)n, ret), 0);
	return part_map_front(bytes, (size_t)n, clock_boot_id());
}

START_TEST(the_map_follows_the_writes)
{
	struct part_map_head h;

	open_part(&rig.a, 1, 1);
	stage_write(rig.a.part, rig.data, 300 * KIB);
	stage_flush(&rig.stage);
	ck_assert_str_eq(part_map_name(rig.a.part), "");
	part_begin_map(rig.a.part, &a_head);
	ck_assert(part_map_is_true(rig.a.part));
	ck_assert_uint_eq(map_front(rig.a.part, &h), 300 * KIB);
	ck_assert(h.inode == part_inode(rig.a.part) && h.size == 4 * MIB && h.job == 1);
	stage_write(rig.a.part, rig.data + 300 * KIB, MIB);
	stage_flush(&rig.stage);
	ck_assert_uint_eq(map_front(rig.a.part, &h), 300 * KIB + MIB);
	part_begin_map(rig.a.part, &a_head); /* a second time is nothing */
	part_seal(rig.a.part);
	ck_assert(part_map_is_true(rig.a.part));
}
END_TEST

START_TEST(without_another_life_there_is_no_map)
{
	struct stage *s = &rig.stage;

	stage_done(s);
	stage_init(s, rig.roots, rig.dirty, NULL);
	open_part(&rig.a, 1, 1);
	part_begin_map(rig.a.part, &a_head);
	ck_assert_str_eq(part_map_name(rig.a.part), "");
	ck_assert(!part_map_is_true(rig.a.part));
}
END_TEST

START_TEST(a_map_that_cannot_be_written_is_not_true)
{
	open_part(&rig.a, 1, 1);
	part_begin_map(rig.a.part, &a_head);
	ck_assert(part_map_is_true(rig.a.part));
	writes.fail_with = ENOSPC;
	stage_write(rig.a.part, rig.data, KIB);
	stage_flush(&rig.stage);
	ck_assert(part_has_failed(rig.a.part));
	writes.fail_with = 0;
}
END_TEST

static struct part *
adopt(const char *part, const char *map, uint64_t inode, uint64_t front)
{
	struct part_kept k = { .part_name = part, .map_name = map, .inode = inode, .front = front };

	return part_adopt(&rig.stage, rig.dir, 1, 2, &k, &ops, &rig.b);
}

START_TEST(a_part_is_gone_on_with)
{
	AUTO_FREE char *part = NULL, *map = NULL, *path = NULL;
	struct part_map_head h;
	uint64_t inode;

	open_part(&rig.a, 1, 1);
	stage_write(rig.a.part, rig.data, MIB);
	stage_flush(&rig.stage);
	part_begin_map(rig.a.part, &a_head);
	part = xstrdup(part_name(rig.a.part));
	map = xstrdup(part_map_name(rig.a.part));
	inode = part_inode(rig.a.part);
	close_part(&rig.a);
	rig.b.part = adopt(part, map, inode, MIB);
	ck_assert(!part_has_failed(rig.b.part));
	ck_assert_uint_eq(part_front(rig.b.part), MIB);
	ck_assert_str_ne(part_name(rig.b.part), part); /* under the name of its own generation */
	path = in_haul(part_name(rig.b.part));
	rig.b.fd = open(path, O_RDONLY | O_CLOEXEC);
	rig.b.front = MIB;
	stage_write(rig.b.part, rig.data + MIB, MIB);
	stage_flush(&rig.stage);
	assert_content(&rig.b, 2 * MIB);
	ck_assert_uint_eq(map_front(rig.b.part, &h), 2 * MIB);
	ck_assert_uint_eq(unflushed(), MIB); /* the first one is an earlier life's */
}
END_TEST

START_TEST(what_is_not_that_part_is_not_gone_on_with)
{
	AUTO_FREE char *part = NULL, *map = NULL, *path = NULL, *link = NULL;
	uint64_t inode;

	open_part(&rig.a, 1, 1);
	stage_write(rig.a.part, rig.data, MIB);
	stage_flush(&rig.stage);
	part_begin_map(rig.a.part, &a_head);
	part = xstrdup(part_name(rig.a.part));
	map = xstrdup(part_map_name(rig.a.part));
	inode = part_inode(rig.a.part);
	path = in_haul(part);
	link = in_haul("link");
	if (_i == 1)
		part_seal(rig.a.part); /* else it is locked by who has it */
	if (_i >= 2)
		close_part(&rig.a);
	if (_i == 3)
		ck_assert_int_eq(unlink(path), 0);
	if (_i == 4)
		ck_assert_int_eq(linkat(AT_FDCWD, path, AT_FDCWD, link, 0), 0);
	rig.b.part = adopt(part, map, inode + (_i == 1), _i == 2 ? MIB + 1 : MIB);
	ck_assert(part_has_failed(rig.b.part));
	ck_assert_uint_eq(part_front(rig.b.part), 0);
	ck_assert_str_ne(part_map_name(rig.b.part), ""); /* so that it can be thrown away */
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("part");
	TCase *t = add_case(s, "gathering", setup, teardown, 0);

	tcase_add_test(t, small_bites_leave_in_one_write);
	tcase_add_loop_test(t, no_write_is_larger_than_256_kib, 0, 8);
	tcase_add_test(t, bytes_of_two_parts_do_not_mix);
	tcase_add_test(t, a_short_write_is_gone_on_with);
	t = add_case(s, "failures", setup, teardown, 0);
	tcase_add_test(t, a_full_disk_is_told_once);
	tcase_add_test(t, the_failure_of_one_part_is_not_the_others);
	tcase_add_test(t, a_limit_of_the_system_is_told);
	t = add_case(s, "stopping", setup, teardown, 0);
	tcase_add_test(t, stopping_forgets_what_is_gathered);
	tcase_add_test(t, a_part_may_be_stopped_inside_its_front);
	tcase_add_test(t, freeing_a_part_forgets_its_bytes);
	t = add_case(s, "file", setup, teardown, 0);
	tcase_add_test(t, the_name_says_instance_job_and_generation);
	tcase_add_test(t, instances_differ);
	tcase_add_test(t, a_service_keeps_its_instance_and_every_life_differs);
	tcase_add_test(t, every_generation_is_a_new_inode);
	tcase_add_test(t, a_file_that_is_in_the_way_is_never_used);
	tcase_add_test(t, a_haul_directory_that_another_removed_is_made_again);
	tcase_add_test(t, a_haul_directory_that_is_removed_again_and_again_is_made_again);
	tcase_add_test(t, the_file_is_locked_while_the_part_lives);
	tcase_add_test(t, sealing_lets_go_of_the_file_and_keeps_the_part);
	tcase_add_test(t, a_small_part_is_charged_to_nobody);
	tcase_add_test(t, the_file_stays_when_the_part_goes);
	tcase_add_test(t, a_plan_makes_no_file);
	t = add_case(s, "map", setup_lives, teardown, 0);
	tcase_add_test(t, the_map_follows_the_writes);
	tcase_add_test(t, without_another_life_there_is_no_map);
	tcase_add_test(t, a_map_that_cannot_be_written_is_not_true);
	tcase_add_test(t, a_part_is_gone_on_with);
	tcase_add_loop_test(t, what_is_not_that_part_is_not_gone_on_with, 0, 5);
	t = add_case(s, "unflushed", setup, teardown, 0);
	tcase_add_test(t, what_is_written_counts_as_unflushed_until_a_worker_says_so);
	tcase_add_test(t, the_worker_is_asked_to_write_back_up_to_the_front);
	return run_suite(s);
}
