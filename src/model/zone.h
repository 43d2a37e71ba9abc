/*
 * Time zones: which offset from UTC holds at an instant, and from when to when.
 * Read from the system's database (TZif, RFC 8536) by our own code, because any
 * number of zones is needed at once and the C library has one for the process.
 * Callers: calendar, moment; hauld-conf, which refuses zones that are not there.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct zone;

enum { ZONE_NAME_MAX = 63 };

/* The instants around one of them at which one offset holds: start <= t < end. */
struct zone_span {
	int64_t start, end;     /* Unix time; INT64_MIN, INT64_MAX: for ever */
	int32_t offset, before; /* seconds east of Greenwich; before: until start */
};

/* "Europe/Berlin", "UTC"; NULL: the system's own, or that of $TZ, else UTC.  0, or
 * -errno: there is no such zone. */
int zone_new(const char *name, struct zone **ret) MUST_CHECK;
/* Of the bytes of a TZif file, or of a POSIX rule ("CET-1CEST,M3.5.0,M10.5.0/3"):
 * -EINVAL when they are none. */
int zone_parse(const void *data, size_t n, struct zone **ret) MUST_CHECK;
int zone_parse_rule(const char *rule, struct zone **ret) MUST_CHECK;
void zone_free(struct zone *z); /* NULL is fine */
/* Could be the name of one; it may still not be there. */
bool zone_name_is_valid(const char *name);

struct zone_span zone_span_at(const struct zone *z, int64_t t);
/* The instant of a local time, given as if it were UTC: one that exists twice is the
 * first of them, one that does not exist is the first instant behind the gap. */
int64_t zone_to_utc(const struct zone *z, int64_t local);

static inline void
cleanup_zone(struct zone **z)
{
	zone_free(*z);
}
#define AUTO_ZONE CLEANUP(cleanup_zone)

/* Days since 1970-01-01 of a date of the Gregorian calendar, and back; month 1 to 12. */
int64_t days_of_date(int64_t year, unsigned month, unsigned day);
void date_of_days(int64_t days, int64_t *ret_year, unsigned *ret_month, unsigned *ret_day);
unsigned days_of_month(int64_t year, unsigned month);
