/*
 * Keys whose values may be secrets: headers, user, proxy.  Their texts never
 * appear in an error; they may come from a file (@FILE), and a secret that
 * stands on a command line or in a file that everyone can read is refused.
 */
#pragma once

#include "conf/check.h"

/* One header or "@FILE" with one a line. */
void secret_put_header(struct check *c, struct draft *d, const struct setting *row, struct where at,
    const char *text);
/* "name:password" or "@FILE", whose first line is that. */
void secret_put_user(struct check *c, struct draft *d, const struct setting *row, struct where at,
    const char *text);
/* The reason why this text may not stand at this place; NULL: it may. */
const char *secret_refuse(const struct setting *row, struct where at, const char *text);
