/*
 * Files beneath the roots that somebody wants compared with digests: a task of a
 * worker each, no job and no network.  Caller: control.
 */
#pragma once

#include <stdint.h>

#include "daemon/engine/engine.h"

struct verify;

/* result: RESULT_OK, it has the digests; RESULT_CHECKSUM_MISMATCH with os_error 0, it
 * has not; anything else: it cannot be told, the text says why. */
typedef void (*verify_cb)(const struct result *r, void *arg);

/* cb once, from the loop, unless it is dropped before.  uid: who asks; 0: may read
 * all that hauld may, others what everybody may read, or what is theirs.  NULL: the
 * path lies beneath no root. */
struct verify *verify_start(struct engine *e, const char *path, const struct digest *digests, unsigned n, uint32_t uid,
    verify_cb cb, void *arg);
/* Nobody waits for it any more. */
void verify_drop(struct verify *v);
/* hauld stops: all end as RESULT_INTERRUPTED, soon. */
void verify_stop_all(struct engine *e);
