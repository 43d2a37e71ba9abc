/* What every unit test includes: its assertions, its cases, and a run of the suite. */
#pragma once

#include <check.h>
#include <stdbool.h>
#include <stdlib.h>

/* libcheck writes a place to a file at each assertion that holds, so that it can
 * say what came before a crash.  Once for each place is enough for that, and
 * tests that assert in long loops take a fraction of the time. */
#undef ck_assert_msg
#define ck_assert_msg(expr, ...) \
	__extension__({ \
		static bool ck_was_here; \
		if (!(expr)) \
			_ck_assert_failed(__FILE__, __LINE__, "Assertion '" #expr "' failed", ##__VA_ARGS__); \
		if (!ck_was_here) \
			mark_point(); \
		ck_was_here = true; \
	})

/* A case whose tests are set up each in its own process; timeout_s 0: check's. */
static inline TCase *
add_case(Suite *s, const char *name, SFun setup, SFun teardown, int timeout_s)
{
	TCase *t = tcase_create(name);

	tcase_add_checked_fixture(t, setup, teardown);
	if (timeout_s)
		tcase_set_timeout(t, timeout_s);
	suite_add_tcase(s, t);
	return t;
}

/* Runs the suite, frees it, tells how it went. */
static inline int
run_suite(Suite *s)
{
	SRunner *sr = srunner_create(s);
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* A test that ends in abort() can only be caught where each test has a process
 * of its own. */
static inline int
tests_fork(void)
{
	const char *fork_mode = getenv("CK_FORK");

	return !fork_mode || fork_mode[0] != 'n';
}

/* Tests that try each byte or many random things take one of so many of them:
 * all, but under valgrind, which looks at how and not at what ($HAUL_TEST_EVERY;
 * scripts/test). */
static inline unsigned
one_of(void)
{
	const char *every = getenv("HAUL_TEST_EVERY");
	int n = every ? atoi(every) : 1;

	return n > 1 ? (unsigned)n : 1;
}
