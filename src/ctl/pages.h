/*
 * All jobs that the filters of the command line take, page by page.  Used by list,
 * export and by commands that go by filters.
 */
#pragma once

#include "ctl/ctl.h"

/* job: borrowed.  true: it is one of those that the limit counts. */
typedef bool (*pages_cb)(struct ctl *c, json_t *job, void *arg);

/* more: further params of each request (borrowed, may be NULL); limit: jobs at most, 0:
 * all; by_end: those that are over, the latest first.  CTL_OK, or told and the exit
 * status. */
int pages_read(struct ctl *c, const json_t *more, bool by_end, uint64_t limit, pages_cb cb, void *arg) MUST_CHECK;
