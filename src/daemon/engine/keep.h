/*
 * Jobs as the store keeps them: from the engine's to records and back.
 * Callers: service (what ends, what was there), control (what is new).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "daemon/engine/engine.h"
#include "daemon/store/store.h"

/* A job that was accepted and is not the engine's yet. */
void keep_new(struct store *s, uint64_t id, const struct spec *spec, uint32_t uid, bool from_config, int64_t added_s);
/* What became of it: state, result, figures. */
void keep_update(struct store *s, const struct engine *e, const struct job *j);
/* The same, and its spec, which is another one now. */
void keep_changed(struct store *s, const struct engine *e, const struct job *j);
/* A record of an earlier life becomes a job; false: it makes no sense. */
bool keep_restore(struct engine *e, const struct store_job *r);
/* The record of a job that is over, as a job and its receipt (always one), both the
 * caller's: job_done(), receipt_free().  false: it makes no sense. */
bool keep_read(const struct store_job *r, struct job *ret, struct receipt **ret_receipt);
