/*
 * The one place that reads clocks.  Intervals, deadlines and timers use the
 * monotonic clock; the wall clock is shown to people, and schedules are kept by it.
 */
#pragma once

#include <stdint.h>

#define NSEC_PER_MSEC UINT64_C(1000000)
#define NSEC_PER_SEC UINT64_C(1000000000)

uint64_t clock_now_ns(void);        /* CLOCK_MONOTONIC */
uint64_t clock_now_ms(void);        /* the same, in milliseconds */
uint64_t clock_thread_cpu_ns(void); /* CPU time of the calling thread */
int64_t clock_wall_s(void);         /* CLOCK_REALTIME, seconds since 1970 */
int64_t clock_wall_ms(void);        /* the same, in milliseconds */
/* The kernel's id of the time since the machine was started (random(4)); "" when
 * it cannot be known.  Read once. */
const char *clock_boot_id(void);
