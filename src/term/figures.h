/*
 * Numbers as progress lines show them, each with a largest width, so that
 * columns stay where they are.  Used by progress and summary, and by haulctl's
 * tables.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { /* columns at most */
	FIGURES_PERCENT_WIDTH = 4, /* "100%" */
	FIGURES_PAIR_WIDTH = 13,   /* "99.9/99.9 GiB" */
	FIGURES_RATE_WIDTH = 10,   /* "99.9 MiB/s" */
	FIGURES_TIME_WIDTH = 6,    /* "59m59s" */
	FIGURES_ETA_WIDTH = 10,    /* "ETA 59m59s" */
	FIGURES_SIZE = 32,         /* bytes that each of the texts below fits into */
};

#define FIGURES_UNKNOWN UINT64_MAX

/* done of total, rounded down, at most 100; 0 when total is 0. */
unsigned figures_percent(uint64_t done, uint64_t total);
/* Seconds until done; FIGURES_UNKNOWN without a total or a rate, or beyond 99 days. */
uint64_t figures_eta(uint64_t done, uint64_t total, uint64_t rate);

/* Texts into out[FIGURES_SIZE]; all return out. */
/* "2.2/4.7 GiB"; without a total "2.2 GiB" */
char *figures_pair(char *out, uint64_t done, uint64_t total);
char *figures_rate(char *out, uint64_t bytes_per_s); /* "58.2 MiB/s" */
char *figures_time(char *out, uint64_t seconds);     /* "9s", "4m51s" */
char *figures_eta_text(char *out, uint64_t seconds); /* "ETA 52s"; "" for unknown */
