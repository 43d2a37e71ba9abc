/*
 * Cycles among things of which some wait for others.  Nodes are numbers; who
 * asks knows what they are.  Callers: hauld-conf for the jobs of a configuration,
 * control for those of a request.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define CYCLE_NONE ((size_t)-1)

/* The i-th of those that node waits for; false behind the last.  *ret CYCLE_NONE: it
 * is none of the nodes. */
typedef bool (*cycle_next_cb)(size_t node, unsigned i, size_t *ret, void *arg);
typedef const char *(*cycle_name_cb)(size_t node, void *arg);

/* The nodes 0 to n - 1 of the first cycle that is found, each waiting for the next and the
 * last for the first: newly allocated, *ret_len of them.  NULL: there is none. */
size_t *cycle_find(size_t n, cycle_next_cb next, void *arg, size_t *ret_len);
/* "a -> b -> c -> a", newly allocated; of a long one the middle is left out. */
char *cycle_text(const size_t *path, size_t len, cycle_name_cb name, void *arg);
