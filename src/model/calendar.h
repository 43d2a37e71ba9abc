/*
 * Times that come again, as cron writes them: "M H DOM MON DOW", with lists, ranges,
 * steps and names, or @hourly, @daily, @weekly, @monthly, @yearly and their like; in
 * front of it may stand "TZ=Europe/Berlin ".  A day must fit both its fields when
 * one of them begins with *, else one of them is enough.  See crontab(5).
 *
 * Summer time: when both minute and hour are given (neither begins with *), a time
 * that does not exist runs at the first instant behind the gap, and one that exists
 * twice runs at the first of the two.  Where one begins with *, it is a pattern that
 * the clock on the wall meets again and again: what does not exist is left out, and
 * what exists twice is met twice.  Pure; callers: schedule, hauld-conf.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "model/zone.h"

struct calendar {
	uint64_t minutes;       /* bits, as all of these */
	uint32_t hours, days;   /* days: 1 to 31 */
	uint16_t months;        /* 1 to 12 */
	uint8_t weekdays;       /* 0: Sunday */
	bool any_day;           /* both fields of the day must fit */
	bool pattern;           /* minute or hour begins with * */
	char zone[ZONE_NAME_MAX + 1]; /* "": the system's */
};

#define CALENDAR_NEVER INT64_MAX

/* 0, or -EINVAL with *ret_why: the end of the sentence "cron ...", newly allocated. */
int calendar_parse(const char *text, struct calendar *ret, char **ret_why) MUST_CHECK;
/* The first time behind after, in Unix time, in this zone (that of c, or the system's);
 * CALENDAR_NEVER behind some centuries. */
int64_t calendar_next(const struct calendar *c, const struct zone *z, int64_t after);
/* If the text begins with "TZ=NAME ": what is behind that, and the name in
 * zone[ZONE_NAME_MAX + 1]; else the text itself and "".  NULL with *ret_why: it is
 * no name. */
const char *calendar_take_zone(const char *text, char *zone, char **ret_why);
