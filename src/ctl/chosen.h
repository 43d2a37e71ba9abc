/*
 * Commands to the jobs that filters choose: `cancel --state queued --url ...`.  haulctl
 * asks for their ids first, all pages, and then commands them, so that what the command
 * changes disturbs no page.  Used by jobs.c.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ctl/ctl.h"

/* Is the command line about jobs by filters? --group alone is one where group_too. */
bool chosen_is_asked(const struct ctl *c, bool group_too);
/*
 * states: those that the method can do something with, "queued,blocked"; --state leaves
 * fewer of them.  wants: which of these; NULL: all.  done: what became of them,
 * "cancelled", for the count that is printed.
 * What the method refuses, mostly because it changed meanwhile, is counted and told.  CTL_OK, or
 * told and the exit status.
 */
int chosen_command(struct ctl *c, const char *method, const char *states, bool (*wants)(const json_t *job), const char *done)
    MUST_CHECK;
