/*
 * Tests of the whole worker: worker_run() in a forked child over two pipes,
 * driven as hauld drives it, on real files in a directory of its own.
 */
#include "worker/worker.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <zlib.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "model/settings.h"
#include "run_suite.h"
#include "wire/build_id.h"
#include "wire/part_map.h"
#include "worker/digest.h"
#include "worker/digest_set.h"
#include "worker/dirs.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#define HAS_LEAKS() (__lsan_do_recoverable_leak_check() != 0)
#else
#define HAS_LEAKS() false
#endif

enum { WAIT_MS = 30000, LEAKED = 99 };

static struct {
	char *root;              /* owned */
	int to, from;            /* the pipes' ends; -1: closed */
	pid_t pid;               /* 0: none */
	struct work_page *page;  /* shared with the child */
	struct frame_reader reader;
	unsigned progress;       /* messages seen */
	struct progress_msg last_progress;
} rig = { .to = -1, .from = -1 };

/* Syncs that fail; behind the page that the worker shares. */

struct syncs {
	_Atomic bool fail_file, fail_dir, fail_range;
	_Atomic unsigned made_removals, kept_removals; /* of .haul: when it was made, and before a file is made in it */
	_Atomic bool hold_range, range_is_held; /* it waits for the test */
};

enum { PAGE_SIZE = 4096, SYNCS_AT = 2048 };

static struct syncs *
syncs(void)
{
	return (struct syncs *)(void *)((char *)rig.page + SYNCS_AT);
}

int
fsync(int fd)
{
	struct stat st;
	bool is_dir = fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);

	if (!rig.page || !(is_dir ? syncs()->fail_dir : syncs()->fail_file))
		return (int)syscall(SYS_fsync, fd);
	errno = EIO;
	return -1;
}

int
mkdirat(int dir, const char *name, mode_t mode)
{
	int r = (int)syscall(SYS_mkdirat, dir, name, mode);

	if (r == 0 && rig.page && syncs()->made_removals > 0) {
		syncs()->made_removals--;
		ck_assert_int_eq(unlinkat(dir, name, AT_REMOVEDIR), 0);
	}
	return r;
}

int
openat(int dir, const char *name, int flags, ...) /* NOLINT: O_CLOEXEC is the callers' */
{
	if (rig.page && flags & O_CREAT && syncs()->kept_removals > 0) {
		AUTO_FREE char *path = xasprintf("/proc/self/fd/%d", dir), *haul = xcalloc(1, 4096);

		syncs()->kept_removals--;
		ck_assert_int_gt(readlink(path, haul, 4095), 0);
		ck_assert_int_eq(rmdir(haul), 0);
	}
	return (int)syscall(SYS_openat, dir, name, flags, 0600);
}

int
sync_file_range(int fd, off64_t from, off64_t n, unsigned flags)
{
	while (rig.page && syncs()->hold_range) {
		syncs()->range_is_held = true;
		(void)poll(NULL, 0, 1);
	}
	if (!rig.page || !syncs()->fail_range)
		return (int)syscall(SYS_sync_file_range, fd, from, n, flags);
	errno = EIO;
	return -1;
}

/* Files. */

static char *
path_of(const char *name)
{
	return xasprintf("%s/%s", rig.root, name);
}

static void
write_file(const char *name, const void *data, size_t n)
{
	AUTO_FREE char *path = path_of(name);
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fd_write_full(fd, data, n), 0);
}

static void
append_file(const char *name, const void *data, size_t n)
{
	AUTO_FREE char *path = path_of(name);
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fd_write_full(fd, data, n), 0);
}

static bool
exists(const char *name)
{
	AUTO_FREE char *path = path_of(name);
	struct stat st;

	return lstat(path, &st) == 0;
}

static struct stat
stat_of(const char *name)
{
	AUTO_FREE char *path = path_of(name);
	struct stat st;

	ck_assert_int_eq(lstat(path, &st), 0);
	return st;
}

static void
assert_content(const char *name, const void *data, size_t n)
{
	AUTO_FREE char *path = path_of(name), *is = malloc(n + 1);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);

	ck_assert_msg(fd >= 0, "%s is not there", name);
	ck_assert_int_eq(fd_read_full(fd, is, n + 1), (int)n);
	ck_assert_int_eq(memcmp(is, data, n), 0);
}

static void
make_dir(const char *name)
{
	AUTO_FREE char *path = path_of(name);

	ck_assert_int_eq(mkdir(path, 0700), 0);
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *f)
{
	(void)st;
	(void)type;
	(void)f;
	return remove(path);
}

/* The worker. */

static void
send_frames(struct buf *b)
{
	ck_assert_int_eq(fd_write_full(rig.to, buf_bytes(b), buf_len(b)), 0);
	buf_consume(b, buf_len(b));
}

static void
run_child(int in, int out)
{
	int r;

	fd_close(&rig.to);
	fd_close(&rig.from);
	r = worker_run(in, out, rig.page);
	if (r == 0 && HAS_LEAKS())
		r = LEAKED;
	_exit(r);
}

static void
start_silent(void)
{
	int down[2], up[2];

	ck_assert_int_eq(pipe2(down, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(up, O_CLOEXEC), 0);
	rig.to = down[1];
	rig.from = up[0];
	rig.page = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(rig.page, MAP_FAILED);
	rig.pid = fork();
	ck_assert_int_ge(rig.pid, 0);
	if (rig.pid == 0)
		run_child(down[0], up[1]);
	fd_close(&down[0]);
	fd_close(&up[1]);
}

/* One message, or false at the end of the pipe. */
static bool
receive(struct message *m)
{
	for (;;) {
		struct pollfd p = { .fd = rig.from, .events = POLLIN };
		int r = frame_reader_next(&rig.reader, m);
		ssize_t n;

		ck_assert_int_ge(r, 0);
		if (r > 0)
			return true;
		ck_assert_msg(poll(&p, 1, WAIT_MS) == 1, "the worker does not answer");
		n = read(rig.from, buf_reserve(&rig.reader.in, 65536), 65536);
		ck_assert_int_ge(n, 0);
		if (n == 0)
			return false;
		buf_commit(&rig.reader.in, (size_t)n);
	}
}

static void
start_worker(void)
{
	AUTO_BUF struct buf b = { 0 };
	struct message m;

	start_silent();
	work_put_hello(&b);
	send_frames(&b);
	ck_assert(receive(&m));
	ck_assert_int_eq(work_get_hello(&m), 0);
}

static int
exit_status(void)
{
	int status;

	ck_assert_int_eq(waitpid(rig.pid, &status, 0), rig.pid);
	rig.pid = 0;
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* The next answer that is no PROGRESS; its id. */
static uint64_t
answer(enum work_msg_type type, struct result_msg *ret)
{
	struct message m;

	for (;;) {
		ck_assert_msg(receive(&m), "the worker ended");
		if (m.type != WORK_PROGRESS)
			break;
		ck_assert_int_eq(work_get_progress(&m, &rig.last_progress), 0);
		rig.progress++;
	}
	ck_assert_int_eq(work_get_result(&m, ret), 0);
	ck_assert_msg(m.type == type, "got message %u: %s", m.type, ret->result.text);
	return m.id;
}

static void
expect(uint64_t id, enum result_code code, struct result_msg *ret)
{
	ck_assert_uint_eq(answer(WORK_RESULT, ret), id);
	ck_assert_msg(ret->result.code == code, "%s: %s", result_code_to_string(ret->result.code),
	    ret->result.text);
}

static void
expect_text(uint64_t id, enum result_code code, const char *part)
{
	struct result_msg r;

	expect(id, code, &r);
	ck_assert_msg(strstr(r.result.text, part), "\"%s\" does not say \"%s\"", r.result.text, part);
}

static void
setup(void)
{
	const char *tmp = getenv("TMPDIR");

	rig.root = xasprintf("%s/check_worker.XXXXXX", tmp ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(rig.root));
	make_dir(HAUL_DIR);
	(void)signal(SIGPIPE, SIG_IGN);
}

static void
teardown(void)
{
	if (rig.pid > 0) {
		fd_close(&rig.to); /* EOF: it ends by itself */
		ck_assert_int_eq(exit_status(), 0);
	}
	fd_close(&rig.to);
	fd_close(&rig.from);
	frame_reader_done(&rig.reader);
	rig.reader = (struct frame_reader){ 0 };
	rig.progress = 0;
	if (rig.page)
		(void)munmap(rig.page, PAGE_SIZE);
	rig.page = NULL;
	(void)nftw(rig.root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(TAKE_PTR(rig.root));
}

static void
setup_started(void)
{
	setup();
	start_worker();
}

/* Tasks. */

static struct task_msg
a_task(const char *name, const char *part, uint64_t size)
{
	return (struct task_msg){
		.kind = TASK_PROCESS,
		.publish = true,
		.mode = 0644,
		.mtime = INT64_MIN,
		.size = size,
		.max_expansion = 1000,
		.decoder_memory = 64 << 20,
		.target = { .root = text_of(rig.root), .dir = text_of(""), .name = text_of(name) },
		.part = text_of(part),
		.out = text_of("1.out"),
		.keep = { text_of(""), text_of(""), text_of("") },
		.source = text_of(""),
		.url_name = text_of(""),
	};
}

static void
send_task(uint64_t id, const struct task_msg *t)
{
	AUTO_BUF struct buf b = { 0 };

	work_put_task(&b, id, t);
	send_frames(&b);
}

static void
send_front(uint64_t id, uint64_t offset, uint64_t flush_to, bool last)
{
	struct front_msg f = { .offset = offset, .flush_to = flush_to, .last = last };
	AUTO_BUF struct buf b = { 0 };

	work_put_front(&b, id, &f);
	send_frames(&b);
}

static void
send_order(uint64_t id, enum work_msg_type type)
{
	AUTO_BUF struct buf b = { 0 };

	work_put_empty(&b, id, type);
	send_frames(&b);
}

static struct digest
digest_of(enum digest_algo algo, const void *data, size_t n)
{
	AUTO_DIGEST struct digest_ctx *d = digest_new(algo);
	struct digest r;

	digest_update(d, data, n);
	digest_final(d, &r);
	return r;
}

static char *
make_data(size_t n)
{
	char *p = xmalloc(n + 1);
	uint32_t x = 1;

	for (size_t i = 0; i < n; i++) {
		x = x * 1664525 + 1013904223;
		p[i] = (char)("haul front slice"[(x >> 20) & 15] ^ ((x >> 28) & 1));
	}
	return p;
}

static void
pack_gzip(struct buf *out, const void *data, size_t n)
{
	z_stream s = { 0 };
	size_t room = n + n / 100 + 1000;

	ck_assert_int_eq(deflateInit2(&s, 1, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
	s.next_in = (Bytef *)(uintptr_t)data;
	s.avail_in = (uInt)n;
	s.next_out = buf_reserve(out, room);
	s.avail_out = (uInt)room;
	ck_assert_int_eq(deflate(&s, Z_FINISH), Z_STREAM_END);
	buf_commit(out, room - s.avail_out);
	(void)deflateEnd(&s);
}

static void
await_held_range(void)
{
	for (unsigned i = 0; !syncs()->range_is_held; i++) {
		ck_assert_msg(i < WAIT_MS, "nothing is written back");
		(void)poll(NULL, 0, 1);
	}
}

/* Each is a turn of the worker's loop at least, in which others have their slice. */
static void
run_small_ones(uint64_t first_id, unsigned n)
{
	struct result_msg r;

	for (unsigned i = 0; i < n; i++) {
		struct task_msg t = a_task("small", "small.part", 5);

		write_file(".haul/small.part", "hello", 5);
		send_task(first_id + i, &t);
		expect(first_id + i, RESULT_OK, &r);
	}
}

/* Publishing. */

START_TEST(a_plain_file_is_published)
{
	struct task_msg t = a_task("file", "1.part", 5);
	struct result_msg r;

	write_file(".haul/1.part", "hello", 5);
	t.inode = stat_of(".haul/1.part").st_ino;
	t.mtime = 1000000000;
	t.mode = 0640;
	t.fsync = (uint8_t)_i;
	t.remove_dir = true;
	t.n_in = 2;
	t.in[0] = digest_of(DIGEST_SHA256, "hello", 5);
	t.in[1] = digest_of(DIGEST_MD5, "hello", 5);
	send_task(7, &t);
	expect(7, RESULT_OK, &r);
	assert_content("file", "hello", 5);
	ck_assert_uint_eq(r.in, 5);
	ck_assert_uint_eq(r.inode, t.inode);
	ck_assert_uint_eq(stat_of("file").st_ino, t.inode);
	ck_assert_uint_eq(stat_of("file").st_mode & 07777, 0640);
	ck_assert_int_eq(stat_of("file").st_mtime, 1000000000);
	ck_assert_uint_eq(r.n_in, 2);
	ck_assert_mem_eq(r.in_digest[0].bytes, t.in[0].bytes, 32);
	ck_assert_mem_eq(r.in_digest[1].bytes, t.in[1].bytes, 16);
	ck_assert(!exists(HAUL_DIR));
}
END_TEST

START_TEST(an_empty_file_is_published)
{
	struct task_msg t = a_task("file", "1.part", 0);
	struct result_msg r;

	write_file(".haul/1.part", "", 0);
	t.codec = (uint8_t)(_i ? CODEC_AUTO : CODEC_OFF);
	t.n_in = 1;
	t.in[0] = digest_of(DIGEST_SHA256, "", 0);
	send_task(1, &t);
	expect(1, RESULT_OK, &r);
	assert_content("file", "", 0);
	ck_assert(exists(HAUL_DIR));
}
END_TEST

START_TEST(a_wrong_digest_publishes_nothing)
{
	struct task_msg t = a_task("file", "1.part", 5);
	char is[65], not[65], want[200];
	struct result_msg r;

	write_file(".haul/1.part", "hello", 5);
	t.n_in = 2;
	t.in[0] = digest_of(DIGEST_MD5, "hello", 5);
	t.in[1] = digest_of(DIGEST_SHA256, "hullo", 5);
	send_task(1, &t);
	expect(1, RESULT_CHECKSUM_MISMATCH, &r);
	hex_encode(digest_of(DIGEST_SHA256, "hello", 5).bytes, 32, is);
	hex_encode(t.in[1].bytes, 32, not);
	(void)snprintf(want, sizeof want, "sha256 is %s, not %s", is, not);
	ck_assert_str_eq(r.result.text, want);
	ck_assert_uint_eq(r.n_in, 2); /* what it is, is told */
	ck_assert(!exists("file"));
	ck_assert(exists(".haul/1.part"));
}
END_TEST

START_TEST(a_size_that_is_not_the_front_is_refused)
{
	struct task_msg t = a_task("file", "1.part", 4);

	write_file(".haul/1.part", "hello", 5);
	send_task(1, &t);
	expect_text(1, RESULT_INTERNAL, "has 5 bytes, not 4");
	t.size = 6;
	send_task(2, &t);
	expect_text(2, RESULT_INTERNAL, "5 bytes, not 6");
	ck_assert(!exists("file"));
}
END_TEST

START_TEST(no_clobber_leaves_what_is_there)
{
	struct task_msg t = a_task("file", "1.part", 5);

	write_file("file", "old", 3);
	write_file(".haul/1.part", "hello", 5);
	t.no_clobber = true;
	send_task(1, &t);
	expect_text(1, RESULT_EXISTS, "/file exists already");
	assert_content("file", "old", 3);
	ck_assert(exists(".haul/1.part"));
	t.no_clobber = false;
	send_task(2, &t);
	expect(2, RESULT_OK, &(struct result_msg){ 0 });
	assert_content("file", "hello", 5);
}
END_TEST

START_TEST(a_directory_or_link_at_the_destination)
{
	struct task_msg t = a_task("dir", "1.part", 5);
	AUTO_FREE char *link = path_of("link");
	struct result_msg r;

	make_dir("dir");
	write_file("victim", "safe", 4);
	ck_assert_int_eq(symlink("victim", link), 0);
	write_file(".haul/1.part", "hello", 5);
	send_task(1, &t);
	expect_text(1, RESULT_PATH_REFUSED, "/dir is a directory");
	t.target.name = text_of("link"); /* a link is replaced, never followed */
	send_task(2, &t);
	expect(2, RESULT_OK, &r);
	assert_content("victim", "safe", 4);
	ck_assert(S_ISREG(stat_of("link").st_mode));
}
END_TEST

START_TEST(without_publish_only_digests_come_back)
{
	struct task_msg t = a_task("", "1.part", 5);
	struct result_msg r;

	write_file(".haul/1.part", "hello", 5);
	t.publish = false;
	t.n_in = 1;
	t.in[0] = digest_of(DIGEST_SHA1, "hello", 5);
	send_task(1, &t);
	expect(1, RESULT_OK, &r);
	ck_assert_mem_eq(r.in_digest[0].bytes, t.in[0].bytes, 20);
	ck_assert(exists(".haul/1.part"));
}
END_TEST

START_TEST(a_task_that_waits_publishes_when_told)
{
	struct task_msg t = a_task("file", "1.part", 5);
	struct result_msg r;

	write_file(".haul/1.part", "hello", 5);
	t.wait = true;
	t.fsync = FSYNC_FULL;
	t.n_in = 1;
	t.in[0] = digest_of(DIGEST_SHA256, "hello", 5);
	send_task(1, &t);
	ck_assert_uint_eq(answer(WORK_READY, &r), 1);
	ck_assert_int_eq(r.result.code, RESULT_OK);
	ck_assert_uint_eq(r.n_in, 1);
	ck_assert(!exists("file"));
	send_order(1, WORK_PUBLISH);
	expect(1, RESULT_OK, &r);
	assert_content("file", "hello", 5);
}
END_TEST

/* Following. */

START_TEST(a_front_never_goes_back)
{
	struct task_msg t = a_task("file", "1.part", 0);
	struct result_msg r;

	write_file(".haul/1.part", "hello", 5);
	t.follow = true;
	send_task(1, &t);
	send_front(1, 5, 0, false);
	send_front(1, 3, 0, true);
	expect(1, RESULT_OK, &r);
	assert_content("file", "hello", 5);
}
END_TEST

START_TEST(a_growing_file_is_followed)
{
	enum { SIZE = 3 * 1000 * 1000 + 17 };
	AUTO_FREE char *data = make_data(SIZE);
	struct task_msg t = a_task("file", "1.part", 0);
	struct result_msg r;
	size_t at = 0, step = 1;

	write_file(".haul/1.part", "", 0);
	t.follow = true;
	t.fsync = FSYNC_DATA;
	t.n_in = 1;
	t.in[0] = digest_of(DIGEST_SHA256, data, SIZE);
	send_task(1, &t);
	while (at < SIZE) {
		size_t n = MIN(step, SIZE - at);

		append_file(".haul/1.part", data + at, n);
		at += n;
		step = step * 3 % 700001 + 1;
		send_front(1, at, at / 2, false);
	}
	send_front(1, SIZE, SIZE, true); /* the end comes by itself, with no new byte */
	expect(1, RESULT_OK, &r);
	ck_assert_uint_eq(r.in, SIZE);
	assert_content("file", data, SIZE);
}
END_TEST

START_TEST(bytes_behind_the_front_are_not_read)
{
	struct task_msg t = a_task("file", "1.part", 0);
	struct result_msg r;

	write_file(".haul/1.part", "helxx", 5); /* xx is not there yet, as it were */
	t.follow = true;
	t.n_in = 1;
	t.in[0] = digest_of(DIGEST_SHA256, "hello", 5);
	send_task(1, &t);
	send_front(1, 3, 0, false);
	do { /* a small task behind it shows that the first one had its turn */
		struct task_msg probe = a_task("", "1.part", 5);

		probe.publish = false;
		send_task(2, &probe);
		ck_assert_uint_eq(answer(WORK_RESULT, &r), 2);
	} while (0);
	write_file(".haul/1.part", "hello", 5);
	send_front(1, 5, 0, true);
	expect(1, RESULT_OK, &r);
}
END_TEST

START_TEST(flushed_bytes_are_told)
{
	enum { SIZE = 10 << 20 };
	AUTO_FREE char *data = make_data(SIZE);
	struct task_msg t = a_task("file", "1.part", 0);
	struct message m;

	write_file(".haul/1.part", data, SIZE);
	t.follow = true;
	send_task(1, &t);
	send_front(1, SIZE, SIZE, false);
	do { /* it tells without being asked again */
		ck_assert(receive(&m));
		ck_assert_int_eq(m.type, WORK_PROGRESS);
		ck_assert_int_eq(work_get_progress(&m, &rig.last_progress), 0);
		rig.progress++;
	} while (rig.last_progress.flushed < SIZE || rig.last_progress.in < SIZE);
	ck_assert_uint_eq(rig.last_progress.flushed, SIZE);
	ck_assert_uint_le(rig.progress, 20);
	send_front(1, SIZE, SIZE, true);
	expect(1, RESULT_OK, &(struct result_msg){ 0 });
}
END_TEST

/* Decoding. */

START_TEST(a_gzip_file_is_unpacked)
{
	const size_t size = 9 * 1000 * 1000 / one_of();
	AUTO_FREE char *data = make_data(size);
	AUTO_BUF struct buf packed = { 0 };
	struct task_msg t = a_task("file", "1.part", 0);
	struct result_msg r;

	pack_gzip(&packed, data, size);
	write_file(".haul/1.part", buf_bytes(&packed), buf_len(&packed));
	write_file(".haul/1.out", "left over", 9);
	t.size = buf_len(&packed);
	t.codec = (uint8_t)(_i & 1 ? CODEC_AUTO : CODEC_GZIP);
	t.fsync = _i & 2 ? FSYNC_FULL : FSYNC_OFF;
	t.out_dirty_max = _i & 4 ? (2 << 20) / one_of() : 0;
	t.n_in = t.n_out = 1;
	t.in[0] = digest_of(DIGEST_SHA256, buf_bytes(&packed), buf_len(&packed));
	t.out_digest[0] = digest_of(DIGEST_SHA256, data, size);
	send_task(1, &t);
	expect(1, RESULT_OK, &r);
	assert_content("file", data, size);
	ck_assert_uint_eq(r.codec, CODEC_GZIP);
	ck_assert_uint_eq(r.in, buf_len(&packed));
	ck_assert_uint_eq(r.out, size);
	ck_assert_uint_eq(r.inode, stat_of("file").st_ino);
	ck_assert_uint_eq(r.n_out, 1);
	ck_assert_mem_eq(r.out_digest[0].bytes, t.out_digest[0].bytes, 32);
	ck_assert(!exists(".haul/1.part"));
	ck_assert(!exists(".haul/1.out"));
}
END_TEST

/* The disk takes nothing for a while. */
START_TEST(a_decoder_waits_for_the_disk)
{
	enum { SIZE = 24 << 20, MOST = 2 << 20, SLICE = 4 << 20 };
	AUTO_FREE char *data = make_data(SIZE);
	AUTO_BUF struct buf packed = { 0 };
	struct task_msg t = a_task("file", "1.part", 0);
	struct result_msg r;

	pack_gzip(&packed, data, SIZE);
	write_file(".haul/1.part", buf_bytes(&packed), buf_len(&packed));
	t.size = buf_len(&packed);
	t.codec = CODEC_GZIP;
	t.out_dirty_max = MOST;
	syncs()->hold_range = true;
	send_task(1, &t);
	await_held_range();
	run_small_ones(2, 300);
	ck_assert_int_le(stat_of(".haul/1.out").st_size, MOST + SLICE);
	syncs()->hold_range = false;
	expect(1, RESULT_OK, &r);
	assert_content("file", data, SIZE);
}
END_TEST

START_TEST(a_gzip_file_is_unpacked_while_it_grows)
{
	enum { SIZE = 2000000 };
	AUTO_FREE char *data = make_data(SIZE);
	AUTO_BUF struct buf packed = { 0 };
	struct task_msg t = a_task("file", "1.part", 0);
	struct result_msg r;
	size_t at = 0;

	pack_gzip(&packed, data, SIZE);
	write_file(".haul/1.part", "", 0);
	t.codec = CODEC_AUTO;
	t.follow = true;
	send_task(1, &t);
	while (at < buf_len(&packed)) {
		size_t n = MIN(at < 20 ? (size_t)1 : (size_t)77777, buf_len(&packed) - at);

		append_file(".haul/1.part", buf_bytes(&packed) + at, n);
		at += n;
		send_front(1, at, 0, at == buf_len(&packed));
	}
	expect(1, RESULT_OK, &r);
	assert_content("file", data, SIZE);
}
END_TEST

START_TEST(auto_publishes_what_is_not_packed_as_it_is)
{
	struct task_msg t = a_task("file", "1.part", 5);
	struct result_msg r;

	write_file(".haul/1.part", "hello", 5);
	t.codec = CODEC_AUTO;
	t.url_name = text_of("file.gz");
	t.n_in = t.n_out = 1;
	t.in[0] = digest_of(DIGEST_SHA1, "hello", 5);
	t.out_digest[0] = digest_of(DIGEST_SHA512, "hello", 5);
	send_task(1, &t);
	expect(1, RESULT_OK, &r);
	ck_assert_uint_eq(r.codec, CODEC_OFF);
	ck_assert_uint_eq(r.n_out, 1);
	ck_assert_mem_eq(r.out_digest[0].bytes, t.out_digest[0].bytes, 64);
	assert_content("file", "hello", 5);
	write_file(".haul/1.part", "hello", 5);
	t.out_digest[0].bytes[0] ^= 1;
	send_task(2, &t);
	expect(2, RESULT_CHECKSUM_MISMATCH, &r);
}
END_TEST

static void
fail_gzip(size_t cut, const char *tail, enum result_code code, const char *why)
{
	AUTO_FREE char *data = make_data(100000);
	AUTO_BUF struct buf packed = { 0 };
	struct task_msg t = a_task("file", "1.part", 0);

	pack_gzip(&packed, data, 100000);
	packed.end -= cut;
	buf_append_str(&packed, tail);
	write_file(".haul/1.part", buf_bytes(&packed), buf_len(&packed));
	t.size = buf_len(&packed);
	t.codec = CODEC_GZIP;
	send_task(1, &t);
	expect_text(1, code, why);
	ck_assert(!exists("file"));
	ck_assert(!exists(".haul/1.out"));
	ck_assert(exists(".haul/1.part"));
}

START_TEST(a_cut_gzip_file_is_refused)
{
	fail_gzip(5, "", RESULT_DECODE, "the gzip data ends early at byte ");
}
END_TEST

START_TEST(garbage_behind_a_gzip_file_is_refused)
{
	fail_gzip(0, "garbage", RESULT_DECODE, "7 bytes of garbage follow the gzip data");
}
END_TEST

START_TEST(a_file_that_is_not_gzip_is_refused)
{
	struct task_msg t = a_task("file", "1.part", 5);

	write_file(".haul/1.part", "hello", 5);
	t.codec = CODEC_GZIP;
	send_task(1, &t);
	expect_text(1, RESULT_DECODE, "does not begin as gzip data does");
}
END_TEST

START_TEST(a_wrong_digest_of_the_unpacked_file_is_refused)
{
	AUTO_BUF struct buf packed = { 0 };
	struct task_msg t = a_task("file", "1.part", 0);

	pack_gzip(&packed, "hello", 5);
	write_file(".haul/1.part", buf_bytes(&packed), buf_len(&packed));
	t.size = buf_len(&packed);
	t.codec = CODEC_GZIP;
	t.n_out = 1;
	t.out_digest[0] = digest_of(DIGEST_MD5, "hullo", 5);
	send_task(1, &t);
	expect_text(1, RESULT_CHECKSUM_MISMATCH, "the unpacked file's md5 is ");
	ck_assert(!exists("file"));
	ck_assert(!exists(".haul/1.out"));
}
END_TEST

START_TEST(a_bomb_is_stopped_at_its_bound)
{
	enum { SIZE = 30 << 20 };
	AUTO_FREE char *zeros = calloc(1, SIZE);
	AUTO_BUF struct buf packed = { 0 };
	struct task_msg t = a_task("file", "1.part", 0);
	struct result_msg r;

	pack_gzip(&packed, zeros, SIZE);
	write_file(".haul/1.part", buf_bytes(&packed), buf_len(&packed));
	t.size = buf_len(&packed);
	t.codec = CODEC_GZIP;
	t.max_output = 2000000;
	send_task(1, &t);
	expect(1, RESULT_EXPANSION_LIMIT, &r);
	ck_assert_ptr_nonnull(strstr(r.result.text, "max-uncompressed"));
	ck_assert_uint_le(r.out, 2000000);
	t.max_output = 0;
	t.max_expansion = 20; /* of 1 MiB at least, so 20 MiB */
	send_task(2, &t);
	expect(2, RESULT_EXPANSION_LIMIT, &r);
	ck_assert_ptr_nonnull(strstr(r.result.text, "max-expansion"));
	ck_assert_uint_gt(r.out, 18 << 20);
	ck_assert_uint_le(r.out, 20 << 20);
	t.max_expansion = UINT64_MAX; /* overflows: no bound at all */
	send_task(3, &t);
	expect(3, RESULT_OK, &r);
	assert_content("file", zeros, SIZE);
}
END_TEST

START_TEST(the_packed_file_is_kept_where_it_was_asked_to_be)
{
	AUTO_BUF struct buf packed = { 0 };
	struct task_msg t = a_task("file", "1.part", 0);
	struct result_msg r;

	make_dir("kept");
	pack_gzip(&packed, "hello", 5);
	write_file(".haul/1.part", buf_bytes(&packed), buf_len(&packed));
	t.size = buf_len(&packed);
	t.codec = CODEC_GZIP;
	t.fsync = _i ? FSYNC_FULL : FSYNC_OFF;
	t.keep = (struct place){ text_of(rig.root), text_of("kept"), text_of("file.gz") };
	send_task(1, &t);
	expect(1, RESULT_OK, &r);
	assert_content("file", "hello", 5);
	assert_content("kept/file.gz", buf_bytes(&packed), buf_len(&packed));
	ck_assert(!exists(".haul/1.part"));
}
END_TEST

START_TEST(a_keep_place_on_another_filesystem_is_refused)
{
	struct task_msg t = a_task("file", "1.part", 5);

	if (stat_of(".").st_dev == 0 || access("/dev/shm", W_OK) < 0)
		return;
	write_file(".haul/1.part", "hello", 5);
	t.codec = CODEC_GZIP;
	t.keep = (struct place){ text_of("/dev/shm"), text_of(""), text_of("check_worker.kept") };
	if (stat_of(".").st_dev == ({ struct stat st; (void)stat("/dev/shm", &st); st.st_dev; }))
		return; /* TMPDIR is there: nothing to cross */
	send_task(1, &t);
	expect_text(1, RESULT_PATH_REFUSED, "on another filesystem");
}
END_TEST

/* Cancelling. */

START_TEST(a_following_task_is_cancelled)
{
	struct task_msg t = a_task("file", "1.part", 0);
	AUTO_BUF struct buf packed = { 0 };
	AUTO_FREE char *data = make_data(500000);
	struct result_msg r;

	pack_gzip(&packed, data, 500000);
	write_file(".haul/1.part", buf_bytes(&packed), buf_len(&packed));
	t.follow = true;
	t.codec = _i ? CODEC_GZIP : CODEC_OFF;
	t.remove_dir = true;
	send_task(1, &t);
	if (_i < 2)
		send_front(1, buf_len(&packed) / 2, 0, false);
	send_order(1, WORK_CANCEL);
	send_order(1, WORK_CANCEL); /* twice is once */
	expect(1, RESULT_CANCELLED, &r);
	ck_assert(exists(".haul/1.part"));
	ck_assert(!exists(".haul/1.out"));
	send_front(1, buf_len(&packed), 0, true); /* too late: ignored */
	t.kind = TASK_DISCARD;
	send_task(2, &t);
	expect(2, RESULT_OK, &r);
	ck_assert(!exists(HAUL_DIR));
}
END_TEST

START_TEST(a_ready_task_is_cancelled)
{
	struct task_msg t = a_task("file", "1.part", 5);
	struct result_msg r;

	write_file(".haul/1.part", "hello", 5);
	t.wait = true;
	send_task(1, &t);
	ck_assert_uint_eq(answer(WORK_READY, &r), 1);
	send_order(1, WORK_CANCEL);
	expect(1, RESULT_CANCELLED, &r);
	ck_assert(!exists("file"));
	send_order(1, WORK_PUBLISH); /* too late: ignored */
	send_task(2, &t);
	ck_assert_uint_eq(answer(WORK_READY, &r), 2);
}
END_TEST

START_TEST(a_cancel_that_meets_the_publishing_is_told_the_truth)
{
	for (uint64_t id = 1; id < 30; id++) {
		struct task_msg t = a_task("file", "1.part", 5);
		struct result_msg r;

		write_file(".haul/1.part", "hello", 5);
		t.wait = true;
		t.fsync = FSYNC_FULL;
		send_task(id, &t);
		ck_assert_uint_eq(answer(WORK_READY, &r), id);
		send_order(id, WORK_PUBLISH);
		send_order(id, WORK_CANCEL);
		ck_assert_uint_eq(answer(WORK_RESULT, &r), id);
		if (r.result.code == RESULT_OK) {
			assert_content("file", "hello", 5);
			ck_assert(!exists(".haul/1.part"));
			AUTO_FREE char *path = path_of("file");
			ck_assert_int_eq(unlink(path), 0);
		} else {
			ck_assert_int_eq(r.result.code, RESULT_CANCELLED);
			ck_assert(!exists("file"));
			ck_assert(exists(".haul/1.part"));
		}
	}
}
END_TEST

/* Checkpoints and sweeps. */

static const struct part_map_head a_head = {
	.job = 9, .generation = 1, .size = 3000000, .url = { "http://a/", 9 }, .etag = { "\"e\"", 3 }, .modified = -1,
};

/* A map as hauld writes it. */
static void
write_map(const char *name, const struct part_map_head *head, const char *part, const char *boot, uint64_t front)
{
	struct part_map_cell c = { .boot = text_of(boot), .front = front };
	struct part_map_head h = *head;
	AUTO_BUF struct buf b = { 0 }, cell = { 0 };
	AUTO_FREE char *path = path_of(name);
	AUTO_CLOSE int fd = -1;

	h.inode = stat_of(part).st_ino;
	ck_assert(part_map_put_head(&b, &h));
	part_map_put_cell(&cell, &c);
	write_file(name, buf_bytes(&b), buf_len(&b));
	fd = open(path, O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(fd_pwrite_full(fd, buf_bytes(&cell), buf_len(&cell), PART_MAP_CELL), 0);
}

static void
read_slot(const char *name, struct part_map_slot *ret)
{
	static uint8_t bytes[PART_MAP_MAX];
	AUTO_FREE char *path = path_of(name);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd_pread_full(fd, bytes, sizeof bytes, 0);

	ck_assert_int_gt(n, 0);
	part_map_get_slot(bytes, (size_t)n, ret);
}

static struct task_msg
a_mapped_task(const char *data, uint8_t fsync_mode)
{
	struct task_msg t = a_task("file", "1.part", 0);

	t.follow = t.saves = true;
	t.fsync = fsync_mode;
	t.map = text_of("1.map");
	t.n_in = 2;
	t.in[0] = digest_of(DIGEST_SHA256, data, 3000000);
	t.in[1] = digest_of(DIGEST_SHA3_512, data, 3000000);
	return t;
}

START_TEST(a_parked_task_is_gone_on_with_where_it_was)
{
	AUTO_FREE char *data = make_data(3000000), *path = path_of(".haul/1.part");
	uint8_t fsync_mode = (uint8_t)(_i ? FSYNC_FULL : FSYNC_OFF);
	struct task_msg t = a_mapped_task(data, fsync_mode);
	struct part_map_slot slot;
	struct result_msg r;

	write_file(".haul/1.part", data, 2000000);
	write_map(".haul/1.map", &a_head, ".haul/1.part", "boot", 2000000);
	send_task(1, &t);
	send_front(1, 2000000, 0, false);
	send_order(1, WORK_PARK);
	expect(1, RESULT_CANCELLED, &r);
	read_slot(".haul/1.map", &slot);
	ck_assert_uint_eq(slot.sequence, 1);
	ck_assert_uint_eq(slot.durable, _i ? 2000000 : 0);
	ck_assert_uint_le(slot.hashed, 2000000);
	/* What was hashed is not read again: it may even be something else now. */
	if (slot.hashed) {
		AUTO_CLOSE int fd = open(path, O_RDWR | O_CLOEXEC);

		ck_assert_int_eq(fd_pwrite_full(fd, "?", 1, 0), 0);
	}
	append_file(".haul/1.part", data + 2000000, 1000000);
	t.resumed = 2000000;
	send_task(2, &t);
	send_front(2, 3000000, 0, true);
	expect(2, RESULT_OK, &r);
	ck_assert(exists("file") && exists(".haul/1.map"));
}
END_TEST

START_TEST(a_state_of_more_than_is_there_is_not_used)
{
	AUTO_FREE char *data = make_data(3000000), *path = path_of(".haul/1.map");
	struct task_msg t = a_mapped_task(data, FSYNC_OFF);
	struct part_map_slot slot = { .sequence = 5, .hashed = 2000001, .states = text_of("nonsense") };
	AUTO_BUF struct buf b = { 0 };
	AUTO_CLOSE int fd = -1;
	struct result_msg r;

	write_file(".haul/1.part", data, 3000000);
	write_map(".haul/1.map", &a_head, ".haul/1.part", "boot", 2000000);
	slot.hashed -= (uint64_t)_i; /* the second time it is the states that are bad */
	ck_assert(part_map_put_slot(&b, &slot));
	fd = open(path, O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(fd_pwrite_full(fd, buf_bytes(&b), buf_len(&b), (off_t)part_map_slot_place(5)), 0);
	t.resumed = 2000000;
	send_task(1, &t);
	send_front(1, 3000000, 0, true);
	expect(1, RESULT_OK, &r);
}
END_TEST

/* Behind where the download goes on they are fetched again, and may be others. */
START_TEST(a_good_state_of_more_than_is_there_is_not_used)
{
	AUTO_FREE char *data = make_data(3000000), *path = path_of(".haul/1.map");
	struct task_msg t = a_mapped_task(data, FSYNC_OFF);
	struct part_map_slot slot = { .sequence = 5, .hashed = 2000001 };
	AUTO_BUF struct buf b = { 0 }, states = { 0 };
	struct digest_set set = { .n = 0 };
	enum digest_algo missing;
	AUTO_CLOSE int fd = -1;
	struct result_msg r;

	t.n_in = 1;
	ck_assert_int_eq(digest_set_add(&set, t.in, t.n_in, &missing), 0);
	digest_set_update(&set, data, 2000001);
	ck_assert(digest_set_save(&set, &states));
	digest_set_done(&set);
	slot.states = (struct text){ (const char *)buf_bytes(&states), buf_len(&states) };
	ck_assert(part_map_put_slot(&b, &slot));
	data[2000000] ^= 1;
	write_file(".haul/1.part", data, 3000000);
	write_map(".haul/1.map", &a_head, ".haul/1.part", "boot", 2000000);
	fd = open(path, O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(fd_pwrite_full(fd, buf_bytes(&b), buf_len(&b), (off_t)part_map_slot_place(5)), 0);
	t.resumed = 2000000 + (uint64_t)_i; /* the second time they are there: the state is a good one */
	send_task(1, &t);
	send_front(1, 3000000, 0, true);
	expect(1, _i ? RESULT_OK : RESULT_CHECKSUM_MISMATCH, &r);
}
END_TEST

START_TEST(parking_without_a_map_is_cancelling)
{
	struct task_msg t = a_task("file", "1.part", 0);
	struct result_msg r;

	write_file(".haul/1.part", "hello", 5);
	t.follow = true;
	t.saves = _i;
	send_task(1, &t);
	send_front(1, 5, 0, false);
	send_order(1, WORK_PARK);
	expect(1, RESULT_CANCELLED, &r);
	ck_assert(exists(".haul/1.part"));
}
END_TEST

START_TEST(publishing_tells_the_map_or_drops_it)
{
	AUTO_FREE char *data = make_data(3000000), *path = path_of(".haul/1.map");
	struct task_msg t = a_mapped_task(data, FSYNC_DATA);
	static uint8_t bytes[PART_MAP_MAX];
	struct part_map_end e;
	struct result_msg r;

	write_file(".haul/1.part", data, 3000000);
	write_map(".haul/1.map", &a_head, ".haul/1.part", "boot", 3000000);
	t.drops_map = _i;
	send_task(1, &t);
	send_front(1, 3000000, 0, true);
	expect(1, RESULT_OK, &r);
	ck_assert(exists(".haul/1.map") == !_i);
	if (!_i) {
		AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t n = fd_pread_full(fd, bytes, sizeof bytes, 0);

		ck_assert_int_eq(part_map_get_end(bytes, (size_t)n, &e), 0);
		ck_assert(e.inode == r.inode && e.size == 3000000 && e.in == 3000000 && e.synced && e.codec == CODEC_OFF);
	}
}
END_TEST

/* The next answer is what a sweep found. */
static void
found(uint64_t id, struct found_msg *ret)
{
	struct message m;

	ck_assert(receive(&m));
	ck_assert(m.type == WORK_FOUND && m.id == id);
	ck_assert_int_eq(work_get_found(&m, ret), 0);
}

static void
send_sweep(uint64_t id)
{
	struct task_msg t = a_task("", "i-new.0.0.part", 0);

	t.kind = TASK_SWEEP;
	t.remove_dir = true;
	send_task(id, &t);
}

START_TEST(a_sweep_tells_of_what_can_be_gone_on_with_and_removes_the_rest)
{
	static const char *const gone[] = {
		"i-old.1.1.part", "i-old.1.1.out", "i-old.2.1.map", "i-old.9.1.out", "i-old.3.1.part", "i-old.3.1.map", "i-old.x",
	}, *const stay[] = { "i-new.1.1.part", "j-old.1.1.part", "other", "i.1.1.part", "i-old.9.1.part", "i-old.9.1.map" };
	struct found_msg f;
	struct result_msg r;

	for (size_t i = 0; i < ARRAY_SIZE(gone); i++) {
		AUTO_FREE char *name = xasprintf(".haul/%s", gone[i]);

		write_file(name, "x", 1);
	}
	for (size_t i = 0; i < ARRAY_SIZE(stay); i++) {
		AUTO_FREE char *name = xasprintf(".haul/%s", stay[i]);

		write_file(name, "hello", 5);
	}
	write_map(".haul/i-old.9.1.map", &a_head, ".haul/i-old.9.1.part", clock_boot_id(), 5);
	write_map(".haul/i-old.3.1.map", &a_head, ".haul/i-old.3.1.part", clock_boot_id(), 5); /* it has 1 */
	send_sweep(4);
	found(4, &f);
	ck_assert(f.job == 9 && f.front == 5 && f.size == 3000000 && !f.published && f.base.len == strlen("i-old.9.1."));
	expect(4, RESULT_OK, &r);
	for (size_t i = 0; i < ARRAY_SIZE(gone); i++) {
		AUTO_FREE char *name = xasprintf(".haul/%s", gone[i]);

		ck_assert_msg(!exists(name), "%s", name);
	}
	for (size_t i = 0; i < ARRAY_SIZE(stay); i++) {
		AUTO_FREE char *name = xasprintf(".haul/%s", stay[i]);

		ck_assert_msg(exists(name), "%s", name);
	}
}
END_TEST

START_TEST(a_sweep_knows_what_was_published)
{
	static const struct {
		const char *boot;
		bool synced, right;
		bool larger, failing; /* than what was published; the sync of its directory */
	} rows[] = { { "", true, true, false, false }, { "other", true, true, false, false }, { "other", false, false, false, false },
		{ NULL, false, true, false, false }, { "", true, false, true, false }, { "", true, false, false, true } };
	const char *boot = rows[_i].boot ? rows[_i].boot : clock_boot_id();
	struct part_map_end e = { .boot = text_of(boot), .synced = rows[_i].synced, .name = text_of("file"),
		.size = rows[_i].larger ? 6 : 5, .in = 3, .codec = CODEC_GZIP };
	AUTO_FREE char *path = path_of(".haul/i-old.9.1.map");
	AUTO_BUF struct buf b = { 0 };
	AUTO_CLOSE int fd = -1;
	struct found_msg f;
	struct result_msg r;

	write_file(".haul/i-old.9.1.part", "abc", 3);
	write_file("file", "hello", 5);
	write_map(".haul/i-old.9.1.map", &a_head, ".haul/i-old.9.1.part", "other", 3);
	e.inode = stat_of("file").st_ino;
	ck_assert(part_map_put_end(&b, &e));
	fd = open(path, O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(fd_pwrite_full(fd, buf_bytes(&b), buf_len(&b), PART_MAP_END), 0);
	syncs()->fail_dir = rows[_i].failing;
	send_sweep(1);
	if (rows[_i].right) {
		found(1, &f);
		ck_assert(f.published && f.in == 3 && f.out == 5 && f.codec == CODEC_GZIP);
	}
	expect(1, RESULT_OK, &r);
	ck_assert(!exists(".haul/i-old.9.1.part"));
	ck_assert(exists(".haul/i-old.9.1.map") == rows[_i].right);
}
END_TEST

/* 0: another file has its name; 1: it has another name as well. */
START_TEST(a_sweep_tells_of_no_part_that_is_another_file)
{
	AUTO_FREE char *part = path_of(".haul/i-old.9.1.part"), *other = path_of("other");
	struct result_msg r;

	write_file(".haul/i-old.9.1.part", "hello", 5);
	write_map(".haul/i-old.9.1.map", &a_head, ".haul/i-old.9.1.part", clock_boot_id(), 5);
	if (_i) {
		ck_assert_int_eq(link(part, other), 0);
	} else {
		write_file("other", "hello", 5);
		ck_assert_int_eq(rename(other, part), 0);
	}
	send_sweep(1);
	expect(1, RESULT_OK, &r); /* and nothing was found before */
	ck_assert(!exists(".haul/i-old.9.1.part") && !exists(".haul/i-old.9.1.map"));
}
END_TEST

START_TEST(a_sweep_of_nothing_is_fine)
{
	struct result_msg r;

	send_sweep(1);
	expect(1, RESULT_OK, &r);
	ck_assert(!exists(HAUL_DIR));
	send_sweep(2);
	expect(2, RESULT_OK, &r);
}
END_TEST

/* Other kinds. */

START_TEST(discard_removes_both_files_and_never_fails)
{
	struct task_msg t = a_task("file", "1.part", 0);
	struct result_msg r;

	write_file(".haul/1.part", "a", 1);
	write_file(".haul/1.out", "b", 1);
	write_file(".haul/other", "c", 1);
	t.kind = TASK_DISCARD;
	t.remove_dir = true;
	send_task(1, &t);
	expect(1, RESULT_OK, &r);
	ck_assert(!exists(".haul/1.part"));
	ck_assert(!exists(".haul/1.out"));
	ck_assert(exists(".haul/other"));
	send_task(2, &t);
	expect(2, RESULT_OK, &r);
	t.target.dir = text_of("no/such/dir");
	send_task(3, &t);
	expect(3, RESULT_OK, &r);
}
END_TEST

START_TEST(check_tells_whether_the_file_stands)
{
	struct task_msg t = a_task("file", "", 0);
	AUTO_FREE char *data = make_data(3000000), *link = path_of("link");
	struct result_msg r;

	t.kind = TASK_CHECK;
	t.n_in = 1;
	t.in[0] = digest_of(DIGEST_SHA256, data, 3000000);
	send_task(1, &t);
	expect_text(1, RESULT_CHECKSUM_MISMATCH, "No such file");
	write_file("file", data, 3000000);
	send_task(2, &t);
	expect(2, RESULT_OK, &r);
	ck_assert_uint_eq(r.in, 3000000);
	ck_assert_uint_eq(r.inode, stat_of("file").st_ino);
	ck_assert_int_eq(symlink("file", link), 0);
	t.target.name = text_of("link");
	send_task(3, &t);
	expect(3, RESULT_CHECKSUM_MISMATCH, &r);
	t.target.name = text_of(HAUL_DIR);
	send_task(4, &t);
	expect_text(4, RESULT_CHECKSUM_MISMATCH, "not a regular file");
	append_file("file", "x", 1);
	t.target.name = text_of("file");
	send_task(5, &t);
	expect_text(5, RESULT_CHECKSUM_MISMATCH, "sha256 is ");
	t.n_in = 0;
	send_task(6, &t);
	expect(6, RESULT_CHECKSUM_MISMATCH, &r);
	t.target.dir = text_of("link");
	t.n_in = 1;
	send_task(7, &t);
	expect(7, RESULT_PATH_REFUSED, &r);
}
END_TEST

START_TEST(a_file_is_copied_into_a_part)
{
	enum { SIZE = 20 * 1000 * 1000 };
	struct task_msg t = a_task("file", "1.part", 0);
	AUTO_FREE char *data = make_data(SIZE), *source = path_of("source"), *link = path_of("link");
	struct result_msg r;

	write_file("source", data, SIZE);
	ck_assert_int_eq(symlink("source", link), 0);
	t.kind = TASK_COPY;
	t.source = text_of(_i ? link : source);
	t.out_dirty_max = 4 << 20;
	send_task(1, &t);
	expect(1, RESULT_OK, &r);
	ck_assert_uint_eq(r.in, SIZE);
	ck_assert_uint_eq(r.inode, stat_of(".haul/1.part").st_ino);
	ck_assert_uint_eq(stat_of(".haul/1.part").st_mode & 07777, 0600);
	assert_content(".haul/1.part", data, SIZE);
	send_task(2, &t);
	expect(2, RESULT_EXISTS, &r); /* never over another one */
	t.part = text_of("2.part");
	t.max_output = SIZE - 1;
	send_task(3, &t);
	expect(3, RESULT_TOO_LARGE, &r);
	ck_assert(!exists(".haul/2.part"));
}
END_TEST

/* Another worker that sweeps removes it at any time. */
START_TEST(a_copy_makes_a_directory_that_is_removed_again_and_again)
{
	struct task_msg t = a_task("file", "1.part", 0);
	AUTO_FREE char *source = path_of("source"), *haul = path_of(HAUL_DIR);
	struct result_msg r;

	write_file("source", "data", 4);
	ck_assert_int_eq(rmdir(haul), 0);
	syncs()->made_removals = syncs()->kept_removals = 20;
	t.kind = TASK_COPY;
	t.source = text_of(source);
	send_task(1, &t);
	expect(1, RESULT_OK, &r);
	ck_assert_uint_eq(syncs()->made_removals + syncs()->kept_removals, 0);
	ck_assert_uint_eq(r.inode, stat_of(".haul/1.part").st_ino);
	assert_content(".haul/1.part", "data", 4);
}
END_TEST

START_TEST(a_copy_of_what_is_no_file_is_refused)
{
	struct task_msg t = a_task("file", "1.part", 0);
	AUTO_FREE char *fifo = path_of("fifo");
	struct result_msg r;

	ck_assert_int_eq(mkfifo(fifo, 0600), 0);
	t.kind = TASK_COPY;
	t.source = text_of(fifo);
	send_task(1, &t);
	expect_text(1, RESULT_PATH_REFUSED, "is not a regular file");
	t.source = text_of("/no/such/file");
	send_task(2, &t);
	expect_text(2, RESULT_WRITE, "cannot open /no/such/file: No such file");
	t.source = text_of("relative");
	send_task(3, &t);
	expect(3, RESULT_PATH_REFUSED, &r);
	ck_assert(!exists(".haul/1.part"));
}
END_TEST

/* Waits for a file of the worker's to be there, 10 s at most. */
static bool
appears(const char *name)
{
	for (unsigned i = 0; i < 10000 && !exists(name); i++)
		(void)poll(NULL, 0, 1);
	return exists(name);
}

START_TEST(a_copy_makes_the_directory_and_can_be_cancelled)
{
	enum { SIZE = 1 << 30 };
	struct task_msg t = a_task("file", "1.part", 0);
	AUTO_FREE char *source = path_of("source"), *haul = path_of(HAUL_DIR);
	struct result_msg r;

	write_file("source", "x", 1);
	ck_assert_int_eq(truncate(source, SIZE), 0);
	ck_assert_int_eq(rmdir(haul), 0);
	t.kind = TASK_COPY;
	t.source = text_of(source);
	t.out_dirty_max = 16 << 20;
	send_task(1, &t);
	ck_assert(appears(".haul/1.part"));
	send_order(1, WORK_CANCEL);
	ck_assert_uint_eq(answer(WORK_RESULT, &r), 1);
	ck_assert_int_eq(r.result.code, RESULT_CANCELLED);
	ck_assert_uint_lt(r.in, SIZE);
	ck_assert(!exists(".haul/1.part"));
	ck_assert(exists(HAUL_DIR));
}
END_TEST

/* Many tasks. */

START_TEST(many_small_tasks_run_interleaved)
{
	enum { N = 200 };
	AUTO_BUF struct buf b = { 0 };
	bool seen[N + 1] = { false };
	char content[32];

	for (unsigned i = 1; i <= N; i++) {
		char part[32], name[32], path[64];
		struct task_msg t;
		int n = snprintf(content, sizeof content, "content of %u", i);

		(void)snprintf(part, sizeof part, "%u.part", i);
		(void)snprintf(path, sizeof path, ".haul/%u.part", i);
		(void)snprintf(name, sizeof name, "file%u", i);
		write_file(path, content, (size_t)n);
		t = a_task(name, part, i % 3 ? (uint64_t)n : 0);
		t.follow = i % 3 == 0;
		t.n_in = 1;
		t.in[0] = digest_of(DIGEST_SHA256, content, (size_t)n);
		work_put_task(&b, i, &t);
	}
	for (unsigned i = 3; i <= N; i += 3) { /* their fronts come last */
		int n = snprintf(content, sizeof content, "content of %u", i);
		struct front_msg f = { .offset = (uint64_t)n, .last = true };

		work_put_front(&b, i, &f);
	}
	send_frames(&b);
	for (unsigned k = 0; k < N; k++) {
		struct result_msg r;
		uint64_t id = answer(WORK_RESULT, &r);
		char name[32];
		int n;

		ck_assert_int_eq(r.result.code, RESULT_OK);
		ck_assert_uint_le(id, N);
		ck_assert(!seen[id]);
		seen[id] = true;
		(void)snprintf(name, sizeof name, "file%u", (unsigned)id);
		n = snprintf(content, sizeof content, "content of %u", (unsigned)id);
		assert_content(name, content, (size_t)n);
	}
}
END_TEST

START_TEST(a_big_task_does_not_hold_up_a_small_one)
{
	const off_t size = (64 << 20) / one_of();
	struct task_msg big = a_task("big", "1.part", (uint64_t)size), small = a_task("small", "2.part", 5);
	AUTO_FREE char *path = path_of(".haul/1.part");
	AUTO_BUF struct buf b = { 0 };
	struct result_msg r;

	write_file(".haul/1.part", "", 0);
	ck_assert_int_eq(truncate(path, size), 0);
	write_file(".haul/2.part", "hello", 5);
	big.publish = false;
	big.n_in = 1;
	big.in[0].algo = DIGEST_SHA3_512; /* slow */
	big.in[0].len = 64;
	work_put_task(&b, 1, &big);
	work_put_task(&b, 2, &small);
	send_frames(&b);
	ck_assert_uint_eq(answer(WORK_RESULT, &r), 2);
	ck_assert_uint_eq(answer(WORK_RESULT, &r), 1);
	ck_assert_int_eq(r.result.code, RESULT_CHECKSUM_MISMATCH);
}
END_TEST

START_TEST(progress_comes_at_most_four_times_a_second)
{
	const off_t size = (200 << 20) / one_of();
	struct task_msg t = a_task("big", "1.part", (uint64_t)size);
	AUTO_FREE char *path = path_of(".haul/1.part");
	struct result_msg r;

	write_file(".haul/1.part", "", 0);
	ck_assert_int_eq(truncate(path, size), 0);
	t.publish = false;
	t.n_in = 1;
	t.in[0].algo = DIGEST_SHA3_512;
	t.in[0].len = 64;
	send_task(1, &t);
	expect(1, RESULT_CHECKSUM_MISMATCH, &r);
	ck_assert_uint_le(rig.progress, r.ms / 250 + 1);
	if (r.ms > 600)
		ck_assert_uint_ge(rig.progress, 1);
}
END_TEST

START_TEST(a_batch_of_durable_files_is_published)
{
	enum { N = 100 };
	AUTO_BUF struct buf b = { 0 };

	make_dir("sub");
	make_dir("sub/.haul");
	for (unsigned i = 1; i <= N; i++) {
		const char *dir = i % 2 ? "" : "sub";
		char part[32], name[32], path[64];
		struct task_msg t;

		(void)snprintf(part, sizeof part, "%u.part", i);
		(void)snprintf(path, sizeof path, "%s%s.haul/%u.part", dir, dir[0] ? "/" : "", i);
		(void)snprintf(name, sizeof name, "file%u", i);
		write_file(path, name, strlen(name));
		t = a_task(i == 50 ? ".haul" : name, part, strlen(name)); /* one cannot */
		t.target.dir = text_of(dir);
		t.fsync = i % 5 ? FSYNC_FULL : FSYNC_DATA;
		work_put_task(&b, i, &t);
	}
	send_frames(&b);
	for (unsigned k = 0; k < N; k++) {
		struct result_msg r;
		uint64_t id = answer(WORK_RESULT, &r);
		char path[64], name[32];

		ck_assert_int_eq(r.result.code, (id == 50 ? RESULT_PATH_REFUSED : RESULT_OK));
		(void)snprintf(name, sizeof name, "file%u", (unsigned)id);
		(void)snprintf(path, sizeof path, "%s%s", id % 2 ? "" : "sub/", name);
		if (id != 50)
			assert_content(path, name, strlen(name));
	}
}
END_TEST

START_TEST(the_page_is_clear_when_nothing_runs)
{
	struct task_msg t = a_task("file", "1.part", 5);
	struct result_msg r;

	write_file(".haul/1.part", "hello", 5);
	t.fsync = FSYNC_FULL;
	send_task(9, &t);
	expect(9, RESULT_OK, &r);
	ck_assert_uint_eq(atomic_load(&rig.page->task_id), 0);
	ck_assert_uint_ne(atomic_load(&rig.page->slice_ns), 0);
	ck_assert_uint_ne(atomic_load(&rig.page->lane_ns), 0);
	ck_assert_uint_eq(atomic_load(&rig.page->lane_id), 0);
}
END_TEST

/* Paths. */

START_TEST(a_directory_that_became_a_link_is_refused)
{
	struct task_msg t = a_task("file", "1.part", 5);
	AUTO_FREE char *sub = path_of("sub"), *away = path_of("away");
	struct result_msg r;

	make_dir("sub");
	make_dir("sub/.haul");
	write_file("sub/.haul/1.part", "hello", 5);
	ck_assert_int_eq(rename(sub, away), 0);
	ck_assert_int_eq(symlink("away", sub), 0);
	t.target.dir = text_of("sub");
	send_task(1, &t);
	expect(1, RESULT_PATH_REFUSED, &r);
	ck_assert(!exists("away/file"));
	t.target.dir = text_of("away"); /* the same files by their real name */
	send_task(2, &t);
	expect(2, RESULT_OK, &r);
}
END_TEST

START_TEST(a_directory_of_another_mount_is_refused)
{
	struct task_msg t = a_task("file", "1.part", 5);
	struct stat slash, shm;
	struct result_msg r;

	if (stat("/", &slash) < 0 || stat("/dev/shm", &shm) < 0 || slash.st_dev == shm.st_dev)
		return; /* nothing is mounted there */
	t.target.root = text_of("/");
	t.target.dir = text_of("dev/shm");
	send_task(1, &t);
	expect(1, RESULT_PATH_REFUSED, &r);
	ck_assert_int_eq(r.result.os_error, EXDEV);
}
END_TEST

START_TEST(a_part_that_is_another_file_is_refused)
{
	struct task_msg t = a_task("file", "1.part", 5);
	AUTO_FREE char *link = path_of(".haul/link"), *fifo = path_of(".haul/fifo");
	struct result_msg r;

	write_file(".haul/1.part", "hello", 5);
	write_file(".haul/2.part", "hello", 5);
	t.inode = stat_of(".haul/2.part").st_ino;
	send_task(1, &t);
	expect_text(1, RESULT_PATH_REFUSED, "is not the file that was downloaded");
	t.inode = 0;
	ck_assert_int_eq(symlink("1.part", link), 0);
	t.part = text_of("link");
	send_task(2, &t);
	expect(2, RESULT_PATH_REFUSED, &r);
	ck_assert_int_eq(mkfifo(fifo, 0600), 0);
	t.part = text_of("fifo");
	send_task(3, &t);
	expect(3, RESULT_PATH_REFUSED, &r);
	ck_assert(!exists("file"));
}
END_TEST

START_TEST(a_part_that_is_swapped_before_publishing_is_refused)
{
	struct task_msg t = a_task("file", "1.part", 5);
	AUTO_FREE char *part = path_of(".haul/1.part"), *evil = path_of(".haul/evil");
	struct result_msg r;

	write_file(".haul/1.part", "hello", 5);
	write_file(".haul/evil", "evil!", 5);
	t.wait = true;
	send_task(1, &t);
	ck_assert_uint_eq(answer(WORK_READY, &r), 1);
	ck_assert_int_eq(rename(evil, part), 0);
	send_order(1, WORK_PUBLISH);
	expect_text(1, RESULT_PATH_REFUSED, "replaced by another");
	ck_assert(!exists("file"));
}
END_TEST

/* By a worker that died behind its rename, and perhaps before its syncs. */
START_TEST(what_another_worker_published_is_synced)
{
	struct task_msg t = a_task("file", "1.part", 5);
	struct result_msg r;

	write_file("file", "hello", 5);
	t.inode = stat_of("file").st_ino;
	t.fsync = _i & 1 ? FSYNC_FULL : FSYNC_DATA;
	syncs()->fail_file = _i & 2;
	syncs()->fail_dir = _i & 4;
	send_task(1, &t);
	expect(1, _i & 2 || _i == 5 ? RESULT_WRITE : RESULT_OK, &r);
	assert_content("file", "hello", 5);
}
END_TEST

/* The kernel tells of it once: the sync behind it would call the file safe. */
START_TEST(what_could_not_be_written_back_is_not_published)
{
	struct task_msg t = a_task("file", "1.part", 0);
	struct result_msg r;

	write_file(".haul/1.part", "hello", 5);
	t.follow = true;
	t.fsync = FSYNC_FULL;
	syncs()->fail_range = true;
	send_task(1, &t);
	send_front(1, 5, 5, false);
	send_front(1, 5, 5, true);
	expect(1, RESULT_WRITE, &r);
	ck_assert(!exists("file"));
}
END_TEST

/* One that still goes on when all else is done. */
START_TEST(what_is_being_written_back_is_waited_for)
{
	struct task_msg t = a_task("file", "1.part", 0);
	struct result_msg r;

	write_file(".haul/1.part", "hello", 5);
	t.follow = t.wait = true;
	t.fsync = _i & 1 ? FSYNC_FULL : FSYNC_DATA;
	syncs()->hold_range = true;
	send_task(1, &t);
	send_front(1, 5, 5, false);
	await_held_range();
	send_front(1, 5, 5, true);
	ck_assert_uint_eq(answer(WORK_READY, &r), 1);
	send_order(1, WORK_PUBLISH);
	run_small_ones(2, 3); /* which came behind it */
	syncs()->fail_range = _i & 2;
	syncs()->hold_range = false;
	expect(1, _i & 2 ? RESULT_WRITE : RESULT_OK, &r);
	ck_assert(exists("file") == !(_i & 2));
}
END_TEST

/* Perhaps a life that ended in between has published it. */
START_TEST(what_is_there_already_is_synced)
{
	struct task_msg t = a_task("file", "", 0);
	struct result_msg r;

	write_file("file", "hello", 5);
	t.kind = TASK_CHECK;
	t.fsync = FSYNC_FULL;
	t.n_in = 1;
	t.in[0] = digest_of(DIGEST_SHA256, "hello", 5);
	syncs()->fail_file = _i == 1;
	syncs()->fail_dir = _i == 2;
	send_task(1, &t);
	expect(1, _i ? RESULT_CHECKSUM_MISMATCH : RESULT_OK, &r);
	ck_assert_int_eq(r.result.os_error, _i ? EIO : 0);
}
END_TEST

START_TEST(names_that_lead_elsewhere_are_refused)
{
	static const struct { const char *dir, *name, *part; } rows[] = {
		{ "..", "file", "1.part" }, { "sub/../sub", "file", "1.part" },
		{ "/tmp", "file", "1.part" }, { "sub/..", "file", "1.part" },
		{ "", "../file", "1.part" }, { "", "..", "1.part" }, { "", ".", "1.part" },
		{ "", "", "1.part" }, { "", "a/b", "1.part" }, { "", "file", "../1.part" },
		{ "", "file", "" }, { "link", "file", "1.part" },
	};
	AUTO_FREE char *link = path_of("link");
	struct task_msg t = a_task(rows[_i].name, rows[_i].part, 5);
	struct result_msg r;

	make_dir("sub");
	make_dir("sub/.haul");
	ck_assert_int_eq(symlink("/", link), 0);
	write_file(".haul/1.part", "hello", 5);
	write_file("sub/.haul/1.part", "hello", 5);
	t.target.dir = text_of(rows[_i].dir);
	send_task(1, &t);
	expect(1, RESULT_PATH_REFUSED, &r);
	ck_assert_uint_eq(ARRAY_SIZE(rows), 12); /* the loop below names it */
}
END_TEST

START_TEST(a_name_with_a_nul_is_refused)
{
	struct task_msg t = a_task("file", "1.part", 5);

	write_file(".haul/1.part", "hello", 5);
	t.target.name = (struct text){ "fi\0le", 5 };
	send_task(1, &t);
	expect(1, RESULT_PATH_REFUSED, &(struct result_msg){ 0 });
}
END_TEST

START_TEST(a_removed_and_remade_directory_is_found_again)
{
	AUTO_FREE char *haul = path_of(HAUL_DIR);

	for (uint64_t id = 1; id < 20; id++) { /* quicker than a kept one is doubted */
		struct task_msg t = a_task("file", "1.part", 5);

		write_file(".haul/1.part", "hello", 5);
		send_task(id, &t);
		expect(id, RESULT_OK, &(struct result_msg){ 0 });
		ck_assert_int_eq(rmdir(haul), 0); /* as another worker does */
		make_dir(HAUL_DIR);
	}
}
END_TEST

START_TEST(a_missing_part_or_directory_is_named)
{
	struct task_msg t = a_task("file", "1.part", 5);

	send_task(1, &t);
	expect_text(1, RESULT_WRITE, ".haul/1.part: No such file");
	t.target.dir = text_of("no/such");
	send_task(2, &t);
	expect_text(2, RESULT_WRITE, "no/such");
}
END_TEST

/* The pipes. */

START_TEST(the_end_of_requests_is_the_end)
{
	struct task_msg t = a_task("file", "1.part", 0);

	write_file(".haul/1.part", "hello", 5);
	t.follow = true;
	send_task(1, &t);
	fd_close(&rig.to);
	ck_assert_int_eq(exit_status(), 0);
	ck_assert(!exists("file"));
}
END_TEST

START_TEST(another_build_is_not_talked_to)
{
	AUTO_BUF struct buf b = { 0 };
	size_t f;

	start_silent();
	f = frame_begin(&b, WORK_HELLO, WORK_PROTO, 0);
	put_str(&b, "some other build");
	frame_end(&b, f);
	send_frames(&b);
	ck_assert_int_eq(exit_status(), 1);
}
END_TEST

START_TEST(the_first_message_must_be_hello)
{
	struct task_msg t = a_task("file", "1.part", 5);

	start_silent();
	send_task(1, &t);
	ck_assert_int_eq(exit_status(), 1);
}
END_TEST

START_TEST(what_cannot_be_understood_ends_the_worker)
{
	AUTO_BUF struct buf b = { 0 };
	struct task_msg t = a_task("file", "1.part", 0);
	size_t f;

	t.follow = true;
	switch (_i) {
	case 0: /* no frame */
		buf_append_str(&b, "GET / HTTP/1.1\r\n\r\n");
		break;
	case 1: /* an unknown type */
		work_put_empty(&b, 1, (enum work_msg_type)177);
		break;
	case 2: /* a cut task */
		f = frame_begin(&b, WORK_TASK, WORK_PROTO, 1);
		put_u8(&b, TASK_PROCESS);
		frame_end(&b, f);
		break;
	case 3: /* an id that is in use */
		write_file(".haul/1.part", "", 0);
		work_put_task(&b, 1, &t);
		work_put_task(&b, 1, &t);
		break;
	case 4: /* the id that means none */
		work_put_task(&b, 0, &t);
		break;
	case 5: /* another version */
		f = frame_begin(&b, WORK_CANCEL, WORK_PROTO + 1, 1);
		frame_end(&b, f);
		break;
	case 6: /* a cancel that is not empty */
		f = frame_begin(&b, WORK_CANCEL, WORK_PROTO, 1);
		put_u8(&b, 1);
		frame_end(&b, f);
		break;
	default:
		f = frame_begin(&b, WORK_FRONT, WORK_PROTO, 1);
		put_u8(&b, 1);
		frame_end(&b, f);
		break;
	}
	send_frames(&b);
	ck_assert_int_eq(exit_status(), 1);
}
END_TEST

START_TEST(answers_that_nobody_reads_do_not_stop_requests)
{
	enum { N = 3000 }; /* more than both pipes hold */
	AUTO_BUF struct buf b = { 0 };
	struct task_msg t = a_task("file", "no.part", 5);
	struct result_msg r;

	for (uint64_t id = 1; id <= N; id++) {
		work_put_task(&b, id, &t);
		if (buf_len(&b) > 60000)
			send_frames(&b); /* blocks for ever if the worker does not read */
	}
	send_frames(&b);
	for (unsigned i = 0; i < N; i++)
		(void)answer(WORK_RESULT, &r);
}
END_TEST

static void
add_tests(TCase *tc, const TTest *const *tests, unsigned n)
{
	tcase_add_checked_fixture(tc, setup_started, teardown);
	tcase_set_timeout(tc, 120);
	for (unsigned i = 0; i < n; i++)
		tcase_add_test(tc, tests[i]);
}

static TCase *
case_of_process(void)
{
	TCase *tc = tcase_create("process");
	const TTest *tests[] = { a_wrong_digest_publishes_nothing,
		a_size_that_is_not_the_front_is_refused, no_clobber_leaves_what_is_there,
		a_directory_or_link_at_the_destination, without_publish_only_digests_come_back,
		a_task_that_waits_publishes_when_told, a_front_never_goes_back, a_growing_file_is_followed,
		bytes_behind_the_front_are_not_read, flushed_bytes_are_told,
		a_decoder_waits_for_the_disk, a_gzip_file_is_unpacked_while_it_grows, auto_publishes_what_is_not_packed_as_it_is,
		a_cut_gzip_file_is_refused, garbage_behind_a_gzip_file_is_refused,
		a_file_that_is_not_gzip_is_refused, a_wrong_digest_of_the_unpacked_file_is_refused,
		a_bomb_is_stopped_at_its_bound, a_keep_place_on_another_filesystem_is_refused };

	add_tests(tc, tests, ARRAY_SIZE(tests));
	tcase_add_loop_test(tc, a_plain_file_is_published, FSYNC_OFF, FSYNC_FULL + 1);
	tcase_add_loop_test(tc, an_empty_file_is_published, 0, 2);
	tcase_add_loop_test(tc, a_gzip_file_is_unpacked, 0, 8);
	tcase_add_loop_test(tc, the_packed_file_is_kept_where_it_was_asked_to_be, 0, 2);
	return tc;
}

static TCase *
case_of_others(void)
{
	TCase *tc = tcase_create("cancel and other kinds");
	const TTest *tests[] = { a_ready_task_is_cancelled,
		a_cancel_that_meets_the_publishing_is_told_the_truth,
		discard_removes_both_files_and_never_fails, check_tells_whether_the_file_stands,
		a_copy_makes_a_directory_that_is_removed_again_and_again,
		a_copy_of_what_is_no_file_is_refused,
		a_copy_makes_the_directory_and_can_be_cancelled };

	add_tests(tc, tests, ARRAY_SIZE(tests));
	tcase_add_loop_test(tc, a_following_task_is_cancelled, 0, 3);
	tcase_add_loop_test(tc, a_file_is_copied_into_a_part, 0, 2);
	return tc;
}

static TCase *
case_of_maps(void)
{
	TCase *tc = tcase_create("maps");
	const TTest *tests[] = { a_sweep_tells_of_what_can_be_gone_on_with_and_removes_the_rest,
		a_sweep_of_nothing_is_fine };

	add_tests(tc, tests, ARRAY_SIZE(tests));
	tcase_add_loop_test(tc, a_parked_task_is_gone_on_with_where_it_was, 0, 2);
	tcase_add_loop_test(tc, a_state_of_more_than_is_there_is_not_used, 0, 2);
	tcase_add_loop_test(tc, a_good_state_of_more_than_is_there_is_not_used, 0, 2);
	tcase_add_loop_test(tc, parking_without_a_map_is_cancelling, 0, 2);
	tcase_add_loop_test(tc, publishing_tells_the_map_or_drops_it, 0, 2);
	tcase_add_loop_test(tc, a_sweep_knows_what_was_published, 0, 6);
	tcase_add_loop_test(tc, a_sweep_tells_of_no_part_that_is_another_file, 0, 2);
	return tc;
}

static TCase *
case_of_many(void)
{
	TCase *tc = tcase_create("many tasks");
	const TTest *tests[] = { many_small_tasks_run_interleaved,
		a_big_task_does_not_hold_up_a_small_one, progress_comes_at_most_four_times_a_second,
		a_batch_of_durable_files_is_published, the_page_is_clear_when_nothing_runs };

	add_tests(tc, tests, ARRAY_SIZE(tests));
	return tc;
}

static TCase *
case_of_paths(void)
{
	TCase *tc = tcase_create("paths");
	const TTest *tests[] = { a_directory_that_became_a_link_is_refused, a_directory_of_another_mount_is_refused,
		a_part_that_is_another_file_is_refused,
		a_part_that_is_swapped_before_publishing_is_refused, a_name_with_a_nul_is_refused,
		a_removed_and_remade_directory_is_found_again, a_missing_part_or_directory_is_named };

	add_tests(tc, tests, ARRAY_SIZE(tests));
	tcase_add_loop_test(tc, names_that_lead_elsewhere_are_refused, 0, 12);
	tcase_add_loop_test(tc, what_another_worker_published_is_synced, 0, 6);
	tcase_add_loop_test(tc, what_is_there_already_is_synced, 0, 3);
	tcase_add_test(tc, what_could_not_be_written_back_is_not_published);
	tcase_add_loop_test(tc, what_is_being_written_back_is_waited_for, 0, 4);
	return tc;
}

static TCase *
case_of_pipes(void)
{
	TCase *tc = tcase_create("pipes");
	const TTest *tests[] = { the_end_of_requests_is_the_end,
		answers_that_nobody_reads_do_not_stop_requests };

	add_tests(tc, tests, ARRAY_SIZE(tests));
	tcase_add_loop_test(tc, what_cannot_be_understood_ends_the_worker, 0, 8);
	return tc;
}

static TCase *
case_of_greeting(void)
{
	TCase *tc = tcase_create("greeting");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, another_build_is_not_talked_to);
	tcase_add_test(tc, the_first_message_must_be_hello);
	return tc;
}

int
main(void)
{
	Suite *s = suite_create("worker");

	suite_add_tcase(s, case_of_process());
	suite_add_tcase(s, case_of_others());
	suite_add_tcase(s, case_of_maps());
	suite_add_tcase(s, case_of_many());
	suite_add_tcase(s, case_of_paths());
	suite_add_tcase(s, case_of_pipes());
	suite_add_tcase(s, case_of_greeting());
	return run_suite(s);
}
