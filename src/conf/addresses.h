/*
 * The lists allow-addresses and deny-addresses: each entry, and the two lists
 * together.  Callers: check, conf.
 */
#pragma once

#include "conf/check.h"

/* An entry: put in its one canonical form, or told why not. */
void addresses_put(struct check *c, struct draft *d, const struct setting *row, struct where at,
    const char *text);
/* Behind the last entry: a range in both lists says nothing, and is told. */
void addresses_check(struct check *c, const struct draft *daemon);
