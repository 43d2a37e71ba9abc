/* The table of jobs that list and status print. */
#pragma once

#include "ctl/brief.h"
#include "ctl/table.h"

void job_table_init(struct table *t, const struct term *term);
void job_table_put(struct table *t, const struct brief *b);
