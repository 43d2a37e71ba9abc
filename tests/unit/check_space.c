/* The arithmetic of room on a filesystem. */
#include <check.h>

#include "daemon/stage/space.h"
#include "run_suite.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)
#define PIB (UINT64_C(1) << 50)

static struct space
measured(uint64_t min_free, uint64_t free, uint64_t size)
{
	struct space s = { .min_free = min_free };

	space_measured(&s, free, size, s.written);
	return s;
}

START_TEST(min_free_is_at_most_a_twentieth)
{
	struct space big = measured(256 * MIB, 50 * GIB, 100 * GIB), small = measured(256 * MIB, GIB, GIB);
	struct space none = measured(0, GIB, GIB);

	ck_assert_uint_eq(space_kept(&big), 256 * MIB);
	ck_assert_uint_eq(space_kept(&small), GIB / 20);
	ck_assert_uint_eq(space_kept(&none), 0);
}
END_TEST

START_TEST(what_nobody_has_looked_at_has_room)
{
	struct space s = { .min_free = 256 * MIB };

	ck_assert(space_fits(&s, PIB));
	ck_assert(!space_never_fits(&s, UINT64_MAX));
	ck_assert(!space_is_short(&s));
}
END_TEST

START_TEST(what_is_kept_is_not_given_away)
{
	struct space s = measured(256 * MIB, GIB, 100 * GIB);

	ck_assert(space_fits(&s, GIB - 256 * MIB));
	ck_assert(!space_fits(&s, GIB - 256 * MIB + 1));
	ck_assert(!space_is_short(&s));
	space_measured(&s, 256 * MIB - 1, 100 * GIB, s.written);
	ck_assert(space_is_short(&s));
	ck_assert_uint_eq(space_available(&s), 0);
	ck_assert(!space_fits(&s, 1));
	ck_assert(space_fits(&s, 0)); /* an empty file */
}
END_TEST

START_TEST(claims_are_not_given_twice)
{
	struct space s = measured(0, 100 * MIB, GIB);
	struct space_claim a = { 0 }, b = { 0 };

	space_claim(&s, &a, 60 * MIB);
	ck_assert(!space_fits(&s, 41 * MIB));
	ck_assert(space_fits(&s, 40 * MIB));
	space_claim(&s, &b, 40 * MIB);
	ck_assert_uint_eq(space_available(&s), 0);
	space_claim(&s, &a, 10 * MIB); /* instead of what it claimed before */
	ck_assert_uint_eq(space_available(&s), 50 * MIB);
	space_claim(&s, &a, 0);
	space_claim(&s, &b, 0);
	ck_assert_uint_eq(space_available(&s), 100 * MIB);
	ck_assert_uint_eq(s.reserved, 0);
}
END_TEST

START_TEST(writing_changes_nothing_but_what_is_free)
{
	struct space s = measured(0, 100 * MIB, GIB);
	struct space_claim a = { 0 };

	space_claim(&s, &a, 60 * MIB);
	space_wrote(&s, &a, 25 * MIB);
	ck_assert_uint_eq(a.left, 35 * MIB);
	ck_assert_uint_eq(space_free_now(&s), 75 * MIB);
	ck_assert_uint_eq(space_available(&s), 40 * MIB);
	/* More than it said: then it is not its own that it takes. */
	space_wrote(&s, &a, 40 * MIB);
	ck_assert_uint_eq(a.left, 0);
	ck_assert_uint_eq(s.reserved, 0);
	ck_assert_uint_eq(space_available(&s), 35 * MIB);
	space_wrote(&s, &a, GIB);
	ck_assert_uint_eq(space_free_now(&s), 0);
}
END_TEST

START_TEST(a_look_has_seen_what_was_written_before_it_was_asked_for)
{
	struct space s = measured(0, 100 * MIB, GIB);
	struct space_claim a = { 0 };
	uint64_t then;

	space_wrote(&s, &a, 10 * MIB);
	then = s.written;
	space_wrote(&s, &a, 5 * MIB); /* while the worker looks */
	space_measured(&s, 90 * MIB, GIB, then);
	ck_assert_uint_eq(space_free_now(&s), 85 * MIB);
}
END_TEST

START_TEST(what_is_larger_than_the_filesystem_never_fits)
{
	struct space s = measured(256 * MIB, 0, 100 * GIB);

	ck_assert(space_never_fits(&s, PIB));
	ck_assert(space_never_fits(&s, 100 * GIB));
	ck_assert(!space_never_fits(&s, 100 * GIB - 256 * MIB));
}
END_TEST

START_TEST(claims_of_any_size_do_not_wrap)
{
	struct space s = measured(0, 100 * MIB, GIB);
	struct space_claim a = { 0 }, b = { 0 };

	space_claim(&s, &a, UINT64_MAX - 5);
	space_claim(&s, &b, UINT64_MAX - 5);
	ck_assert_uint_eq(s.reserved, UINT64_MAX);
	ck_assert_uint_eq(space_available(&s), 0);
	space_claim(&s, &a, 0);
	space_claim(&s, &b, 0);
	ck_assert_uint_eq(s.reserved, 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("space");
	TCase *t = tcase_create("all");

	tcase_add_test(t, min_free_is_at_most_a_twentieth);
	tcase_add_test(t, what_nobody_has_looked_at_has_room);
	tcase_add_test(t, what_is_kept_is_not_given_away);
	tcase_add_test(t, claims_are_not_given_twice);
	tcase_add_test(t, writing_changes_nothing_but_what_is_free);
	tcase_add_test(t, a_look_has_seen_what_was_written_before_it_was_asked_for);
	tcase_add_test(t, what_is_larger_than_the_filesystem_never_fits);
	tcase_add_test(t, claims_of_any_size_do_not_wrap);
	suite_add_tcase(s, t);
	return run_suite(s);
}
