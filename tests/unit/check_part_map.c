/* The map beside a part: what is put comes back, what is damaged counts as not there. */
#include "wire/part_map.h"

#include <check.h>
#include <errno.h>
#include <string.h>

#include "base/crc.h"
#include "base/mem.h"
#include "run_suite.h"

static uint8_t map[PART_MAP_MAX];

static bool
text_is(struct text t, const char *s)
{
	return t.len == strlen(s) && memcmp(t.at, s, t.len) == 0;
}

static void
place(struct buf *b, size_t at)
{
	memcpy(map + at, buf_bytes(b), buf_len(b));
	buf_done(b);
	*b = (struct buf){ 0 };
}

static const struct part_map_head a_head = {
	.job = UINT64_MAX, .generation = 7, .inode = 12, .size = 1000, .modified = -1,
	.url = { "http://a/b", 10 }, .etag = { "\"x\"", 3 },
};

static void
put_head(void)
{
	struct buf b = { 0 };

	ck_assert(part_map_put_head(&b, &a_head));
	place(&b, PART_MAP_HEAD);
}

static void
put_cell(const char *boot, uint64_t front)
{
	struct part_map_cell c = { .boot = text_of(boot), .front = front };
	struct buf b = { 0 };

	part_map_put_cell(&b, &c);
	place(&b, PART_MAP_CELL);
}

static void
put_slot(uint64_t sequence, uint64_t durable, const char *states)
{
	struct part_map_slot s = { .sequence = sequence, .durable = durable, .hashed = durable / 2, .states = text_of(states) };
	struct buf b = { 0 };

	ck_assert(part_map_put_slot(&b, &s));
	place(&b, part_map_slot_place(sequence));
}

static void
setup(void)
{
	memset(map, 0, sizeof map);
}

static void
teardown(void)
{
}

START_TEST(the_checksum_is_crc32c)
{
	/* RFC 3720 B.4, and the check value of the algorithm. */
	uint8_t zeros[32] = { 0 }, ones[32];

	memset(ones, 0xff, sizeof ones);
	ck_assert_uint_eq(crc32c("123456789", 9), 0xe3069283);
	ck_assert_uint_eq(crc32c(zeros, 32), 0x8a9136aa);
	ck_assert_uint_eq(crc32c(ones, 32), 0x62a8ab43);
	ck_assert_uint_eq(crc32c("", 0), 0);
}
END_TEST

START_TEST(a_head_comes_back)
{
	struct part_map_head h;

	put_head();
	ck_assert_int_eq(part_map_get_head(map, sizeof map, &h), 0);
	ck_assert(h.job == UINT64_MAX && h.generation == 7 && h.inode == 12 && h.size == 1000 && h.modified == -1);
	ck_assert(text_is(h.url, "http://a/b") && text_is(h.etag, "\"x\""));
}
END_TEST

START_TEST(an_end_comes_back)
{
	struct part_map_end e = { .boot = text_of("boot"), .synced = true, .name = text_of("file"),
		.inode = 5, .size = 6, .in = 7, .codec = CODEC_ZSTD }, g;
	struct buf b = { 0 };

	ck_assert_int_eq(part_map_get_end(map, sizeof map, &g), -EPROTO);
	ck_assert(part_map_put_end(&b, &e));
	place(&b, PART_MAP_END);
	ck_assert_int_eq(part_map_get_end(map, sizeof map, &g), 0);
	ck_assert(text_is(g.boot, "boot") && g.synced && text_is(g.name, "file"));
	ck_assert(g.inode == 5 && g.size == 6 && g.in == 7 && g.codec == CODEC_ZSTD);
}
END_TEST

/* Each byte of a record matters, and so does each that is missing. */
START_TEST(a_damaged_record_is_none)
{
	struct part_map_head h;
	struct buf b = { 0 };
	size_t n;

	ck_assert(part_map_put_head(&b, &a_head));
	n = buf_len(&b);
	place(&b, PART_MAP_HEAD);
	for (size_t i = 0; i < n; i++) {
		map[i] ^= 0x10;
		ck_assert_msg(part_map_get_head(map, sizeof map, &h) == -EPROTO, "byte %zu", i);
		map[i] ^= 0x10;
		ck_assert_msg(part_map_get_head(map, i, &h) == -EPROTO, "cut at %zu", i);
	}
	ck_assert_int_eq(part_map_get_head(map, n, &h), 0);
}
END_TEST

START_TEST(a_record_that_says_it_is_huge_is_none)
{
	struct part_map_head h;

	put_head();
	memset(map + 4, 0xff, 4);
	ck_assert_int_eq(part_map_get_head(map, sizeof map, &h), -EPROTO);
}
END_TEST

START_TEST(what_is_too_long_is_refused)
{
	AUTO_FREE char *big = xcalloc(1, PART_MAP_SLOT_MAX + 1);
	struct part_map_head h = a_head;
	struct part_map_slot s = { .sequence = 1 };
	struct part_map_end e = { .inode = 1 };
	struct buf b = { 0 };

	memset(big, 'x', PART_MAP_SLOT_MAX);
	h.url = text_of(big);
	s.states = text_of(big);
	e.name = text_of(big);
	ck_assert(!part_map_put_head(&b, &h) && !part_map_put_slot(&b, &s) && !part_map_put_end(&b, &e));
	ck_assert_uint_eq(buf_len(&b), 0);
	s.states.len = PART_MAP_SLOT_MAX - 100;
	ck_assert(part_map_put_slot(&b, &s));
	buf_done(&b);
}
END_TEST

START_TEST(the_newer_slot_counts_and_the_other_is_behind_it)
{
	struct part_map_slot s;

	part_map_get_slot(map, sizeof map, &s);
	ck_assert_uint_eq(s.sequence, 0);
	put_slot(1, 100, "one");
	put_slot(2, 200, "two");
	part_map_get_slot(map, sizeof map, &s);
	ck_assert(s.sequence == 2 && s.durable == 200 && s.hashed == 100 && text_is(s.states, "two"));
	put_slot(3, 300, "three");
	part_map_get_slot(map, sizeof map, &s);
	ck_assert_uint_eq(s.durable, 300);
	map[part_map_slot_place(3) + 20] ^= 1; /* torn: the one before it still holds */
	part_map_get_slot(map, sizeof map, &s);
	ck_assert(s.sequence == 2 && text_is(s.states, "two"));
}
END_TEST

START_TEST(what_can_be_relied_upon)
{
	static const struct {
		const char *boot, *now;
		uint64_t written, durable, front;
	} rows[] = {
		{ "a", "a", 500, 100, 500 },  /* up ever since */
		{ "a", "b", 500, 100, 100 },  /* started anew */
		{ "a", "b", 500, 0, 0 },
		{ "", "", 500, 100, 100 },    /* nobody knows */
		{ "a", "", 500, 100, 100 },
		{ "a", "a", 50, 100, 100 },
		{ "a", "a", 1000, 0, 1000 },
		{ "a", "a", 1001, 0, 0 },     /* more than there is: it makes no sense */
		{ "a", "b", 0, 1001, 0 },
	};

	put_cell("a", 500);
	ck_assert_uint_eq(part_map_front(map, sizeof map, "a"), 0); /* no head */
	put_head();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		put_cell(rows[i].boot, rows[i].written);
		put_slot(1, rows[i].durable, "");
		ck_assert_msg(part_map_front(map, sizeof map, rows[i].now) == rows[i].front, "row %zu", i);
	}
	ck_assert_uint_eq(part_map_front(map, PART_MAP_SLOTS, "a"), 0);
	ck_assert_uint_eq(part_map_front(NULL, 0, "a"), 0);
}
END_TEST

START_TEST(a_boot_id_is_known_and_stays)
{
	ck_assert_uint_eq(strlen(clock_boot_id()), 36);
	ck_assert_ptr_eq(clock_boot_id(), clock_boot_id());
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("part_map");
	TCase *t = add_case(s, "part_map", setup, teardown, 0);

	tcase_add_test(t, the_checksum_is_crc32c);
	tcase_add_test(t, a_head_comes_back);
	tcase_add_test(t, an_end_comes_back);
	tcase_add_test(t, a_damaged_record_is_none);
	tcase_add_test(t, a_record_that_says_it_is_huge_is_none);
	tcase_add_test(t, what_is_too_long_is_refused);
	tcase_add_test(t, the_newer_slot_counts_and_the_other_is_behind_it);
	tcase_add_test(t, what_can_be_relied_upon);
	tcase_add_test(t, a_boot_id_is_known_and_stays);
	return run_suite(s);
}
