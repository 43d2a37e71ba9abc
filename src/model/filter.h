/*
 * Which jobs a list is to show: hauld asks it of the jobs that it has,
 * hauld-store of those that ended earlier, with the same answer.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model/job.h"

enum { FILTER_TEXT_MAX = 1024 }; /* bytes of one pattern */

struct filter {
	unsigned states;          /* bits: 1 << enum job_state */
	int64_t since_s, until_s; /* it ended then or later, and before; INT64_MIN, INT64_MAX: any job */
	/* NULL: any.  All but the group are patterns (glob_match()); a job matches a url
	 * pattern by any of its urls, as they are shown: without user, password, query. */
	const char *group, *name, *output, *url;
};

#define FILTER_ALL ((struct filter){ .states = ~0U, .since_s = INT64_MIN, .until_s = INT64_MAX })

/* State and time; ended_s: 0 for a job that is not over. */
bool filter_takes(const struct filter *f, enum job_state state, int64_t ended_s);
/* The rest of it. */
bool filter_takes_spec(const struct filter *f, const struct spec *s);
/* No job that is over can match. */
bool filter_is_of_waiting(const struct filter *f);
