/*
 * Which jobs a verb is about, besides those that are named: --state, --group,
 * --name, --output, --url, --since, --until.  They are parameters of `list`, and
 * what is known already is asked here.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "ctl/args.h"

/* NULL: not given. */
const char *filters_get(const struct args *a, enum option_id id);
/* At least one of them, --state included. */
bool filters_are_given(const struct args *a);
/* Does --state take this one? */
bool filters_take_state(const struct args *a, const char *state);
/* Sets them in the params of a `list`, but for the state: that is filters_put_states(). */
void filters_put(const struct args *a, json_t *params);
void filters_put_states(const struct args *a, json_t *params);
