/*
 * A limit of rate that depends on the time of day and the day of the week, in the
 * grammar of rclone's --bwlimit:
 *
 *	10M                                     always
 *	08:00,512k 12:00,10M 23:00,off          every day, from that minute on
 *	Mon-00:00,512 Fri-23:59,10M Sat-10:00,off
 *
 * Entries are separated by spaces or semicolons.  A rate without a unit is in KiB a
 * second; b, k, M, G, T, P, E, Ki, KiB and so on are as in rclone, 1024-based; "off"
 * and 0 are no limit; of a pair "UPLOAD:DOWNLOAD" the second counts.  Times are local.
 * Callers: hauld-conf, engine, control.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"

enum { TIMETABLE_ENTRIES_MAX = 1024 };

struct timetable;

/* NULL with *ret_why (newly allocated): the end of the sentence "bwlimit ...". */
struct timetable *timetable_parse(const char *text, char **ret_why) MUST_CHECK;
void timetable_free(struct timetable *t);
/* Bytes a second at that Unix time, 0: no limit.  *ret_next_s: when the next entry
 * begins; 0: never.  It may be asked for NULL. */
uint64_t timetable_at(const struct timetable *t, int64_t now_s, int64_t *ret_next_s);

/* What a client gives as a limit: a size of haul's, "off", or (total) a timetable, which
 * has a comma or a semicolon.  NULL, or the end of the sentence "the rate ..." (newly
 * allocated). */
char *timetable_refuse_limit(const char *text, bool total) MUST_CHECK;
bool timetable_is_one(const char *text);
