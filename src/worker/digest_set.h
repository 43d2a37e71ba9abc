/*
 * The digests of one stream of data: each algorithm is computed once, however
 * many digests of it are asked for.  Owned by a task.
 */
#pragma once

#include <stdbool.h>

#include "wire/work_msg.h"
#include "worker/digest.h"

enum { DIGEST_SET_MAX = 2 * TASK_DIGESTS_MAX };

struct digest_set {
	struct digest_ctx *ctx[DIGEST_SET_MAX]; /* owned */
	struct digest done[DIGEST_SET_MAX];     /* after digest_set_finish() */
	unsigned n;
	bool finished;
};

void digest_set_done(struct digest_set *s);
/* The algorithms of these n digests; 0, or -ENOTSUP with *ret_algo. */
int digest_set_add(struct digest_set *s, const struct digest *want, unsigned n,
    enum digest_algo *ret_algo) MUST_CHECK;
void digest_set_update(struct digest_set *s, const void *data, size_t n);
/* Appends the states of all; false when one has none that can be saved. */
bool digest_set_save(const struct digest_set *s, struct buf *out);
/* Takes on states that were saved of the same algorithms; false: nothing was
 * changed, and all is to be computed anew. */
bool digest_set_load(struct digest_set *s, struct text states);
void digest_set_finish(struct digest_set *s);
/* What was computed for each of want; 0 before digest_set_finish() and when one
 * of them was never added, else n. */
uint8_t digest_set_report(const struct digest_set *s, const struct digest *want, unsigned n,
    struct digest *out);
/* The first of want that does not hold, NULL when all do; after finish. */
const struct digest *digest_set_mismatch(const struct digest_set *s, const struct digest *want,
    unsigned n, const struct digest **ret_is);
