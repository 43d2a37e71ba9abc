/*
 * The table of jobs that list and status print: a job that waits or failed has
 * the reason where others have progress, size and rate.
 */
#pragma once

#include "ctl/brief.h"
#include "ctl/table.h"

void job_table_init(struct table *t, const struct term *term);
void job_table_put(struct table *t, const struct brief *b);
