/*
 * Moments, as people write them: the one parser for whatever takes a time (start-at,
 * list --since).  Callers: control, hauld-conf, schedule.
 *
 *   2026-11-23T02:00:00+01:00   RFC 3339
 *   2026-11-23 02:00            without an offset: in the zone of the system
 *   2026-11-23                  the beginning of that day
 *   02:00                       the next one, or of the past the last one
 *   TZ=Europe/Berlin 02:00      in that zone, as before any of these
 *   2h                          from now, or of the past as long ago
 *   1795399200                  seconds since 1970
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"

enum moment_side { MOMENT_PAST, MOMENT_FUTURE };

#define MOMENT_MAX (INT64_C(1) << 40) /* seconds: one may count with them */

/* 0, or -EINVAL with *ret_why: the end of the sentence "KEY ...", newly allocated. */
int moment_parse(const char *text, enum moment_side side, int64_t now_s, int64_t *ret_s, char **ret_why) MUST_CHECK;
