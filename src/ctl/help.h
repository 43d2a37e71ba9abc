/* Help for people, from the table of verbs.  Called by main.c and `haulctl help`. */
#pragma once

#include "ctl/ctl.h"

/* Of a verb; NULL: of haulctl.  With --json all of the table, a line a verb. */
void help_print(struct ctl *c, const struct verb *v);
/* What is told when no verb was given: on standard error. */
void help_print_usage(const struct ctl *c);
