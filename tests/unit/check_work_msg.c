/* What hauld and its workers say: full round trips, every cut, every bad value. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "read_back.h"
#include "run_suite.h"
#include "wire/build_id.h"
#include "wire/work_msg.h"

static bool
text_is(struct text t, const char *s)
{
	return t.len == strlen(s) && (t.len == 0 || memcmp(t.at, s, t.len) == 0);
}

static struct digest
digest_of(enum digest_algo algo, uint8_t fill)
{
	struct digest d = { .algo = (uint8_t)algo, .len = (uint8_t)digest_algo_size(algo) };

	memset(d.bytes, fill, d.len);
	return d;
}

static struct task_msg
full_task(void)
{
	struct task_msg t = {
		.kind = TASK_PROCESS,
		.codec = CODEC_ZSTD,
		.follow = true,
		.wait = true,
		.publish = true,
		.no_clobber = true,
		.remove_dir = true,
		.saves = true,
		.drops_map = true,
		.fsync = 2,
		.mode = 07777,
		.reader = UINT32_MAX,
		.mtime = INT64_MIN,
		.size = INT64_MAX,
		.inode = UINT64_MAX,
		.resumed = INT64_MAX,
		.max_output = 1,
		.max_expansion = 2,
		.decoder_memory = 3,
		.out_dirty_max = 4,
		.target = { text_of("/srv/haul"), text_of("a/b"), text_of("name") },
		.part = text_of("i.1.1.part"),
		.out = text_of("i.1.1.out"),
		.map = text_of("i.1.1.map"),
		.keep = { text_of("/srv/haul"), text_of(""), text_of("packed.zst") },
		.source = text_of("/a/source"),
		.url_name = text_of("x.zst"),
		.seen = { "\0tag", 4 },
		.names = { "Sa\0Lb\0", 6 },
		.n_in = TASK_DIGESTS_MAX,
		.n_out = 1,
	};

	for (unsigned i = 0; i < TASK_DIGESTS_MAX; i++)
		t.in[i] = digest_of((enum digest_algo)(DIGEST_MD5 + i), (uint8_t)i);
	t.out_digest[0] = digest_of(DIGEST_SHA512, 0xab);
	return t;
}

START_TEST(hello_needs_the_same_build)
{
	struct message m;
	uint8_t copy[300];

	work_put_hello(&reader.in);
	m = next_message();
	ck_assert_uint_eq(m.type, WORK_HELLO);
	ck_assert_int_eq(work_get_hello(&m), 0);
	memcpy(copy, m.payload, m.len);
	m.payload = copy;
	for (size_t i = 0; i < m.len; i++) {
		copy[i] ^= 1;
		ck_assert_int_lt(work_get_hello(&m), 0);
		copy[i] ^= 1;
	}
	copy[m.len - 1] ^= 1;
	ck_assert_int_eq(work_get_hello(&m), -ESTALE);
	copy[m.len - 1] ^= 1;
	m.version++;
	ck_assert_int_eq(work_get_hello(&m), -ESTALE);
	m.version--;
	m.type = WORK_TASK;
	ck_assert_int_eq(work_get_hello(&m), -EPROTO);
}
END_TEST

START_TEST(a_full_task_comes_through)
{
	struct task_msg t = full_task(), g;
	struct message m;

	work_put_task(&reader.in, 77, &t);
	m = next_message();
	ck_assert_uint_eq(m.id, 77);
	ck_assert_uint_eq(m.type, WORK_TASK);
	ck_assert_uint_eq(m.version, WORK_PROTO);
	ck_assert_int_eq(work_get_task(&m, &g), 0);
	ck_assert_uint_eq(g.kind, t.kind);
	ck_assert_uint_eq(g.codec, t.codec);
	ck_assert(g.follow && g.wait && g.publish && g.no_clobber && g.remove_dir && g.saves && g.drops_map);
	ck_assert_uint_eq(g.fsync, t.fsync);
	ck_assert_uint_eq(g.mode, t.mode);
	ck_assert_uint_eq(g.reader, UINT32_MAX);
	ck_assert_int_eq(g.mtime, t.mtime);
	ck_assert_uint_eq(g.size, t.size);
	ck_assert_uint_eq(g.inode, t.inode);
	ck_assert_uint_eq(g.resumed, INT64_MAX);
	ck_assert_uint_eq(g.max_output, 1);
	ck_assert_uint_eq(g.max_expansion, 2);
	ck_assert_uint_eq(g.decoder_memory, 3);
	ck_assert_uint_eq(g.out_dirty_max, 4);
	ck_assert(text_is(g.target.root, "/srv/haul") && text_is(g.target.dir, "a/b") &&
	    text_is(g.target.name, "name"));
	ck_assert(text_is(g.part, "i.1.1.part") && text_is(g.out, "i.1.1.out") && text_is(g.map, "i.1.1.map"));
	ck_assert(text_is(g.keep.root, "/srv/haul") && text_is(g.keep.dir, "") &&
	    text_is(g.keep.name, "packed.zst"));
	ck_assert(text_is(g.source, "/a/source") && text_is(g.url_name, "x.zst"));
	ck_assert(g.names.len == 6 && memcmp(g.names.at, "Sa\0Lb\0", 6) == 0);
	ck_assert(g.seen.len == 4 && memcmp(g.seen.at, "\0tag", 4) == 0);
	ck_assert_uint_eq(g.n_in, TASK_DIGESTS_MAX);
	ck_assert_uint_eq(g.n_out, 1);
	ck_assert_mem_eq(g.in, t.in, sizeof g.in);
	ck_assert_mem_eq(&g.out_digest[0], &t.out_digest[0], sizeof g.out_digest[0]);
}
END_TEST

/* Each flag alone, so that no two of them share a place. */
START_TEST(every_flag_has_its_own_place)
{
	for (unsigned bit = 0; bit < 7; bit++) {
		struct task_msg t = { .kind = TASK_CHECK, .mtime = 5 }, g;
		bool *flags[] = { &t.follow, &t.wait, &t.publish, &t.no_clobber, &t.remove_dir, &t.saves, &t.drops_map };
		bool *got[] = { &g.follow, &g.wait, &g.publish, &g.no_clobber, &g.remove_dir, &g.saves, &g.drops_map };
		struct message m;

		*flags[bit] = true;
		work_put_task(&reader.in, bit, &t);
		m = next_message();
		ck_assert_int_eq(work_get_task(&m, &g), 0);
		for (unsigned k = 0; k < 7; k++)
			ck_assert_int_eq(*got[k], k == bit);
	}
}
END_TEST

START_TEST(the_longest_task_is_still_a_message)
{
	char *big = xcalloc(1, 65536);
	struct task_msg t = full_task(), g;
	struct message m;

	memset(big, 'x', 65535);
	t.target = t.keep = (struct place){ text_of(big), text_of(big), text_of(big) };
	t.part = t.out = t.map = t.source = t.url_name = text_of(big);
	work_put_task(&reader.in, 1, &t);
	m = next_message();
	ck_assert_int_eq(work_get_task(&m, &g), 0);
	ck_assert(text_is(g.url_name, big));
	free(big);
}
END_TEST

START_TEST(bad_values_in_a_task_fail)
{
	/* Offsets of the fixed fields at the front, and what they must not be. */
	static const struct {
		size_t at;
		uint8_t value;
	} rows[] = {
		{ 0, 0 }, { 0, _TASK_KIND_MAX }, { 1, _CODEC_MAX }, { 2, 2 }, { 3, 2 }, { 4, 255 },
		{ 5, 2 }, { 6, 2 }, { 7, 2 }, { 8, 2 }, { 9, 3 }, { 11, 0x10 }, { 13, 1 }, { 33, 0x80 }, { 49, 0x80 },
	};
	struct task_msg t = full_task(), g;
	struct message m;
	uint8_t *copy;

	work_put_task(&reader.in, 1, &t);
	m = next_message();
	copy = xmemdup(m.payload, m.len);
	m.payload = copy;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint8_t good = copy[rows[i].at];

		copy[rows[i].at] = rows[i].value;
		ck_assert_msg(work_get_task(&m, &g) == -EPROTO, "row %zu", i);
		copy[rows[i].at] = good;
	}
	ck_assert_int_eq(work_get_task(&m, &g), 0);
	free(copy);
}
END_TEST

START_TEST(bad_digests_fail)
{
	static const struct {
		uint8_t n, algo, len;
	} rows[] = { { 1, DIGEST_SHA256, 31 }, { 1, DIGEST_SHA256, 33 }, { 1, DIGEST_NONE, 0 },
		{ 1, _DIGEST_ALGO_MAX, 32 }, { 1, DIGEST_SHA512, 65 }, { TASK_DIGESTS_MAX + 1, DIGEST_MD5, 16 } };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTO_BUF struct buf b = { 0 };
		struct result_msg r = { 0 }, g;
		struct message m;
		size_t f;

		/* An empty result up to its lists of digests, then ours. */
		work_put_result(&b, 1, WORK_RESULT, &r);
		f = frame_begin(&reader.in, WORK_RESULT, WORK_PROTO, 1);
		buf_append(&reader.in, buf_bytes(&b) + FRAME_HEADER_SIZE, buf_len(&b) - FRAME_HEADER_SIZE - 2);
		put_u8(&reader.in, rows[i].n);
		for (unsigned k = 0; k < rows[i].n; k++) {
			static const uint8_t zeros[80];

			put_u8(&reader.in, rows[i].algo);
			put_u8(&reader.in, rows[i].len);
			buf_append(&reader.in, zeros, rows[i].len);
		}
		put_u8(&reader.in, 0);
		frame_end(&reader.in, f);
		m = next_message();
		ck_assert_msg(work_get_result(&m, &g) == -EPROTO, "row %zu", i);
	}
}
END_TEST

static struct result_msg
full_result(void)
{
	struct result_msg r = {
		.in = 1,
		.out = UINT64_MAX,
		.ms = 3,
		.inode = 4,
		.codec = CODEC_XZ,
		.several = true,
		.n_in = 2,
		.n_out = TASK_DIGESTS_MAX,
	};

	result_set_errno(&r.result, 28, "write", "a/file");
	r.in_digest[0] = digest_of(DIGEST_SHA256, 1);
	r.in_digest[1] = digest_of(DIGEST_MD5, 2);
	for (unsigned i = 0; i < TASK_DIGESTS_MAX; i++)
		r.out_digest[i] = digest_of(DIGEST_BLAKE2B512, (uint8_t)i);
	return r;
}

START_TEST(a_full_result_comes_through)
{
	struct result_msg r = full_result(), g;
	struct message m;

	work_put_result(&reader.in, 5, WORK_RESULT, &r);
	m = next_message();
	ck_assert_uint_eq(m.type, WORK_RESULT);
	ck_assert_uint_eq(m.id, 5);
	ck_assert_int_eq(work_get_result(&m, &g), 0);
	ck_assert_int_eq(g.result.code, RESULT_DISK_FULL);
	ck_assert_int_eq(g.result.os_error, 28);
	ck_assert_str_eq(g.result.text, r.result.text);
	ck_assert_uint_eq(g.in, 1);
	ck_assert_uint_eq(g.out, UINT64_MAX);
	ck_assert_uint_eq(g.ms, 3);
	ck_assert_uint_eq(g.inode, 4);
	ck_assert_uint_eq(g.codec, CODEC_XZ);
	ck_assert(g.several);
	ck_assert_uint_eq(g.n_in, 2);
	ck_assert_uint_eq(g.n_out, TASK_DIGESTS_MAX);
	ck_assert_mem_eq(g.in_digest, r.in_digest, 2 * sizeof r.in_digest[0]);
	ck_assert_mem_eq(g.out_digest, r.out_digest, sizeof r.out_digest);
}
END_TEST

START_TEST(what_a_sweep_found_comes_through)
{
	struct found_msg f = {
		.job = UINT64_MAX, .generation = 3, .base = text_of("i-l.1.3."), .url = text_of("http://a/b"),
		.etag = text_of("\"x\""), .modified = -1, .size = INT64_MAX, .inode = 9, .front = INT64_MAX,
		.published = true, .in = 4, .out = 5, .codec = CODEC_XZ,
	}, g;
	struct message m;

	work_put_found(&reader.in, 5, &f);
	m = next_message();
	ck_assert(m.type == WORK_FOUND && m.id == 5);
	ck_assert_int_eq(work_get_found(&m, &g), 0);
	ck_assert(g.job == UINT64_MAX && g.generation == 3 && g.modified == -1 && g.size == INT64_MAX);
	ck_assert(g.inode == 9 && g.front == INT64_MAX && g.published && g.in == 4 && g.out == 5 && g.codec == CODEC_XZ);
	ck_assert(text_is(g.base, "i-l.1.3.") && text_is(g.url, "http://a/b") && text_is(g.etag, "\"x\""));
	f.size--; /* less than the front */
	work_put_found(&reader.in, 5, &f);
	m = next_message();
	ck_assert_int_eq(work_get_found(&m, &g), -EPROTO);
}
END_TEST

START_TEST(the_text_of_a_result_is_made_safe)
{
	struct result_msg r = { .result = { .code = RESULT_DECODE, .text = "a\x1b[2Jb\nc" } }, g;
	struct message m;

	work_put_result(&reader.in, 5, WORK_RESULT, &r);
	m = next_message();
	ck_assert_int_eq(work_get_result(&m, &g), 0);
	ck_assert_str_eq(g.result.text, "a\\x1b[2Jb\\x0ac");
}
END_TEST

START_TEST(bad_codes_in_a_result_fail)
{
	static const struct {
		size_t at;
		uint8_t value;
	} rows[] = { { 0, _RESULT_CODE_MAX }, { 1, 1 }, { 3, 0x10 }, { 5, 0xff } };
	struct result_msg r = { 0 }, g;
	struct message m;
	uint8_t copy[128];

	work_put_result(&reader.in, 5, WORK_RESULT, &r);
	m = next_message();
	memcpy(copy, m.payload, m.len);
	m.payload = copy;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		copy[rows[i].at] = rows[i].value;
		ck_assert_msg(work_get_result(&m, &g) == -EPROTO, "row %zu", i);
		copy[rows[i].at] = 0;
	}
	ck_assert_int_eq(work_get_result(&m, &g), 0);
}
END_TEST

START_TEST(small_messages_come_through)
{
	struct front_msg f = { .offset = INT64_MAX, .flush_to = 5, .last = true }, gf;
	struct progress_msg p = { 1, 2, 3, UINT64_MAX }, gp;
	struct message m;

	work_put_front(&reader.in, 1, &f);
	m = next_message();
	ck_assert_int_eq(work_get_front(&m, &gf), 0);
	ck_assert(gf.offset == INT64_MAX && gf.flush_to == 5 && gf.last);
	work_put_progress(&reader.in, 2, &p);
	m = next_message();
	ck_assert_int_eq(work_get_progress(&m, &gp), 0);
	ck_assert(gp.in == 1 && gp.out == 2 && gp.flushed == 3 && gp.flush_ns == UINT64_MAX);
	work_put_empty(&reader.in, 3, WORK_CANCEL);
	m = next_message();
	ck_assert(m.type == WORK_CANCEL && m.id == 3 && m.len == 0);
	f.offset = (uint64_t)INT64_MAX + 1;
	work_put_front(&reader.in, 1, &f);
	m = next_message();
	ck_assert_int_eq(work_get_front(&m, &gf), -EPROTO);
}
END_TEST

static int
decode(const struct message *m)
{
	union {
		struct task_msg task;
		struct front_msg front;
		struct progress_msg progress;
		struct result_msg result;
	} u;

	switch (m->type) {
	case WORK_HELLO:
		return work_get_hello(m);
	case WORK_TASK:
		return work_get_task(m, &u.task);
	case WORK_FRONT:
		return work_get_front(m, &u.front);
	case WORK_PROGRESS:
		return work_get_progress(m, &u.progress);
	case WORK_RESULT:
	default:
		return work_get_result(m, &u.result);
	}
}

START_TEST(cut_at_every_byte_they_fail)
{
	struct task_msg t = full_task();
	struct result_msg r = full_result();
	struct front_msg f = { 0 };
	struct progress_msg p = { 0 };

	work_put_hello(&reader.in);
	work_put_task(&reader.in, 1, &t);
	work_put_front(&reader.in, 1, &f);
	work_put_progress(&reader.in, 1, &p);
	work_put_result(&reader.in, 1, WORK_RESULT, &r);
	for (unsigned i = 0; i < 5; i++) {
		struct message m = next_message();
		const uint8_t *whole = m.payload;
		size_t len = m.len;

		ck_assert_int_eq(decode(&m), 0);
		for (size_t n = 0; n <= len + 1; n++) {
			/* An exact copy: the sanitizer sees a read past its end. */
			uint8_t *copy = malloc(n + (n == 0));

			if (n)
				memcpy(copy, whole, MIN(n, len));
			if (n > len)
				copy[len] = 0;
			m.payload = copy;
			m.len = n;
			ck_assert_int_eq(decode(&m), n == len ? 0 : -EPROTO);
			free(copy);
		}
	}
}
END_TEST

START_TEST(random_changes_never_crash)
{
	struct task_msg t = full_task();
	struct result_msg r = full_result();

	srandom(10);
	work_put_task(&reader.in, 1, &t);
	work_put_result(&reader.in, 1, WORK_RESULT, &r);
	for (unsigned i = 0; i < 2; i++) {
		struct message m = next_message();
		const uint8_t *whole = m.payload;
		uint8_t *copy = malloc(m.len);

		m.payload = copy;
		for (unsigned round = 0; round < 20000; round++) {
			memcpy(copy, whole, m.len);
			for (unsigned k = 0; k < 1 + round % 8; k++)
				copy[(size_t)random() % m.len] = (uint8_t)random();
			(void)!decode(&m);
		}
		free(copy);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("work_msg");
	TCase *tc = tcase_create("round-trip");
	TCase *bad = tcase_create("bad");

	tcase_add_checked_fixture(tc, reader_setup, reader_teardown);
	tcase_add_test(tc, hello_needs_the_same_build);
	tcase_add_test(tc, a_full_task_comes_through);
	tcase_add_test(tc, every_flag_has_its_own_place);
	tcase_add_test(tc, the_longest_task_is_still_a_message);
	tcase_add_test(tc, a_full_result_comes_through);
	tcase_add_test(tc, small_messages_come_through);
	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(bad, reader_setup, reader_teardown);
	tcase_add_test(bad, bad_values_in_a_task_fail);
	tcase_add_test(bad, bad_digests_fail);
	tcase_add_test(bad, bad_codes_in_a_result_fail);
	tcase_add_test(bad, what_a_sweep_found_comes_through);
	tcase_add_test(bad, the_text_of_a_result_is_made_safe);
	tcase_add_test(bad, cut_at_every_byte_they_fail);
	tcase_add_test(bad, random_changes_never_crash);
	suite_add_tcase(s, bad);
	return run_suite(s);
}
