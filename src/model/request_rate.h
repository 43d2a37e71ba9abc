/*
 * How many requests in which time: "10/s", "100/m", "5/h", "1/30s"; "0" is no limit.
 * As a number: the count in the upper 24 bits, the milliseconds of the time in the
 * lower 40.  Callers: settings, engine, control.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

/* 0, -EINVAL or -ERANGE. */
int request_rate_parse(const char *text, uint64_t *ret) MUST_CHECK;
/* As one would write it; returns out. */
char *request_rate_format(char *out, size_t n, uint64_t rate);
/* Between two requests, rounded up; 0: no limit. */
uint64_t request_rate_interval_ns(uint64_t rate);
