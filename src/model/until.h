/*
 * What `deadline` says: how long after something ("6h"), or a moment, as moment.h reads it
 * ("2026-12-01 12:00", "06:00" for the next one).  Digits alone are seconds.
 * Callers: hauld-conf, control, the engine's deadlines.
 */
#pragma once

#include <stdint.h>

#include "model/settings.h"

enum until_kind { UNTIL_NONE, UNTIL_AFTER, UNTIL_AT };

struct until {
	enum until_kind kind;
	uint64_t after_ms; /* of UNTIL_AFTER */
	int64_t at_s;      /* of UNTIL_AT: seconds since 1970 */
};

/* Of a text that was checked; from_s: what a duration counts from, and what the next 06:00
 * comes behind. */
struct until until_of(const char *text, int64_t from_s);
/* A text of anybody's.  0 and the form that is kept, or -EINVAL with *ret_why: the end of the
 * sentence "KEY ..."; newly allocated.  now_s: a moment must not have passed then; INT64_MIN:
 * it may have. */
int until_parse(const struct setting *row, const char *text, int64_t now_s, char **ret, char **ret_why) MUST_CHECK;
/* The same of a plain number, seconds. */
int until_of_number(const struct setting *row, int64_t n, char **ret, char **ret_why) MUST_CHECK;
