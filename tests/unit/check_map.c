/* The hash table, against a plain array under random use. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/map.h"
#include "base/mem.h"
#include "run_suite.h"

struct item {
	uint64_t key;
	bool in;
};

static bool
has_key(const void *item, const void *key)
{
	return ((const struct item *)item)->key == *(const uint64_t *)key;
}

/* Some keys share a hash, and all of a run lie next to each other. */
static uint64_t
bad_hash(uint64_t key)
{
	return key / 3;
}

static uint64_t
same_hash(uint64_t key)
{
	(void)key;
	return UINT64_MAX; /* the last slot: every probe wraps */
}

static void
check_all(const struct map *m, struct item *items, size_t n, uint64_t (*hash)(uint64_t))
{
	size_t cursor = 0, len = 0, stepped = 0;

	for (size_t i = 0; i < n; i++) {
		void *found = map_find(m, hash(items[i].key), &items[i].key);

		ck_assert_ptr_eq(found, items[i].in ? &items[i] : NULL);
		len += items[i].in;
	}
	ck_assert_uint_eq(m->len, len);
	for (struct item *it; (it = map_next(m, &cursor)); stepped++)
		ck_assert(it->in);
	ck_assert_uint_eq(stepped, len);
}

static void
use_at_random(uint64_t (*hash)(uint64_t), size_t n, unsigned steps)
{
	static struct item items[2000];
	struct map m;

	map_init(&m, has_key);
	for (size_t i = 0; i < n; i++)
		items[i] = (struct item){ .key = i };
	for (unsigned step = 0; step < steps; step++) {
		/* Growing and shrinking in turn. */
		struct item *it = &items[(size_t)random() % n];
		bool grow = (step / (steps / 8)) % 2 == 0;

		if (!it->in && (grow || random() % 3 == 0)) {
			map_add(&m, hash(it->key), it);
			it->in = true;
		} else if (it->in && (!grow || random() % 3 == 0)) {
			ck_assert_ptr_eq(map_remove(&m, hash(it->key), &it->key), it);
			it->in = false;
		} else if (!it->in) {
			ck_assert_ptr_null(map_remove(&m, hash(it->key), &it->key));
		}
		if (step % (steps / 64) == 0)
			check_all(&m, items, n, hash);
	}
	check_all(&m, items, n, hash);
	map_done(&m);
}

START_TEST(random_use_with_a_good_hash)
{
	srandom(1);
	use_at_random(hash_u64, 2000, 64000);
}
END_TEST

START_TEST(random_use_with_clustered_hashes)
{
	srandom(2);
	use_at_random(bad_hash, 600, 32000);
}
END_TEST

START_TEST(random_use_when_all_collide)
{
	srandom(3);
	use_at_random(same_hash, 60, 6400);
}
END_TEST

/* However large it is, an item that is added moves a few others at most. */
START_TEST(it_grows_a_little_at_a_time)
{
	enum { N = 200000 };
	struct item *items = xcalloc(N, sizeof items[0]);
	size_t growths = 0, moved = 0, cursor = 0, stepped = 0;
	struct map m;

	map_init(&m, has_key);
	for (size_t i = 0; i < N; i++) {
		size_t size = m.size;

		items[i] = (struct item){ .key = i, .in = true };
		map_add(&m, hash_u64(i), &items[i]);
		growths += m.size != size;
		if (m.size != size)
			moved = 0;
		if (m.old) {
			ck_assert_uint_le(m.moved - moved, 8);
			moved = m.moved;
		}
		/* Those that have moved are found, and those that have not. */
		for (size_t k = 0; k < 3; k++) {
			uint64_t key = (uint64_t)random() % (i + 2);

			ck_assert_ptr_eq(map_find(&m, hash_u64(key), &key), key <= i ? &items[key] : NULL);
		}
	}
	ck_assert_uint_eq(growths, 16); /* from none to 2^4, and then to 2^19 slots */
	while (map_next(&m, &cursor))
		stepped++;
	ck_assert_uint_eq(stepped, N);
	map_done(&m);
	free(items);
}
END_TEST

START_TEST(an_empty_map_finds_nothing)
{
	uint64_t key = 1;
	size_t cursor = 0;
	struct map m;

	map_init(&m, has_key);
	ck_assert_ptr_null(map_find(&m, 1, &key));
	ck_assert_ptr_null(map_remove(&m, 1, &key));
	ck_assert_ptr_null(map_next(&m, &cursor));
	map_done(&m);
}
END_TEST

START_TEST(hashes_of_bytes)
{
	char a[40] = "the same", b[40] = "the same";
	uint64_t whole;

	ck_assert_uint_eq(hash_str(a), hash_str(b));
	ck_assert_uint_eq(hash_str(a), hash_bytes(b, 8));
	ck_assert_uint_ne(hash_str("a"), hash_str("b"));
	/* Length counts, also where the bytes are zero. */
	memset(a, 0, sizeof a);
	for (size_t i = 0; i < sizeof a; i++)
		for (size_t k = 0; k < i; k++)
			ck_assert_uint_ne(hash_bytes(a, i), hash_bytes(a, k));
	/* So does every bit of every byte. */
	whole = hash_bytes(a, sizeof a);
	for (size_t bit = 0; bit < 8 * sizeof a; bit++) {
		a[bit / 8] = (char)(1 << bit % 8);
		ck_assert_uint_ne(hash_bytes(a, sizeof a), whole);
		a[bit / 8] = 0;
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("map");
	TCase *tc = tcase_create("reference");

	tcase_add_test(tc, random_use_with_a_good_hash);
	tcase_add_test(tc, random_use_with_clustered_hashes);
	tcase_add_test(tc, random_use_when_all_collide);
	tcase_add_test(tc, it_grows_a_little_at_a_time);
	tcase_add_test(tc, an_empty_map_finds_nothing);
	tcase_add_test(tc, hashes_of_bytes);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
