/* The last lines of every unit test: runs the suite, frees it, tells how it went. */
#pragma once

#include <check.h>
#include <stdlib.h>

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
