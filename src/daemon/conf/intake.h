/*
 * The door for jobs that clients add: hauld's side of hauld-conf --intake.
 * That child checks them by the code that checks the configuration, and the
 * loop waits for nothing.  It is started with the first batch and stays; when
 * it dies it is started again, and what was not answered is asked again.
 * Callers: control.
 *
 * Names and destinations that other jobs have are the caller's to look up, and
 * so is who may say allow-file.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/conf/conf_load.h"
#include "wire/conf_msg.h"

enum {
	INTAKE_BUSY_BYTES = 1 << 20, /* of jobs that were not answered */
	INTAKE_TEXT_MAX = 2048,      /* bytes of the errors of one job */
	INTAKE_STRIKES = 2,          /* children that may die over a batch */
	INTAKE_SILENCE_MS = 15000,   /* longer silence in the middle of work: it is killed */
};

struct intake;
struct intake_batch;

struct intake_result {
	struct spec *spec; /* what the job became; NULL: it was refused */
	char *errors;      /* why: sentences joined by "; ", safe to show; else NULL */
	bool internal;     /* refused for a fault of ours, not of the job */
};

/* Results in the order of the batch's jobs, borrowed for the call: a spec that
 * is kept takes spec_ref().  The batch may be freed from here, and so may the
 * intake. */
typedef void (*intake_done_cb)(const struct intake_result *results, size_t n, void *arg);

/* conf_path: of hauld-conf; copied. */
struct intake *intake_new(struct loop *l, struct children *c, const char *conf_path);
/* Ends the child.  No callback comes any more; batches stay their owners'. */
void intake_free(struct intake *i);
/*
 * What jobs are checked against (roots, defaults) and which defaults
 * their specs get: before the first submit, and again after a reload.  It
 * counts for batches that are submitted from now on.
 */
void intake_set_context(struct intake *i, const struct conf *conf);
/* Too much waits: the caller stops reading clients until on_ready (below). */
bool intake_is_busy(const struct intake *i);
/* Called from the loop each time it is not busy any more. */
void intake_on_ready(struct intake *i, loop_cb on_ready, void *arg);
/* Instead of INTAKE_SILENCE_MS, for tests. */
void intake_set_silence(struct intake *i, uint64_t ms);

struct intake_batch *intake_batch_new(intake_done_cb cb, void *arg);
/* Also while it is in flight: then cb does not come. */
void intake_batch_free(struct intake_batch *b);
/* Keys and values of the job that intake_end_job() ends, in their order; the
 * strings are copied.  A key given several times is a list. */
void intake_put_text(struct intake_batch *b, const char *key, const char *text);
void intake_put_number(struct intake_batch *b, const char *key, int64_t number);
void intake_put_bool(struct intake_batch *b, const char *key, bool v);
/* CONF_KIND_LIST: the values put under the same key next are its entries, and
 * if there are none it is an empty list.  CONF_KIND_FRACTION, CONF_KIND_OTHER:
 * a value that no key takes, so that the job is told so. */
void intake_put_kind(struct intake_batch *b, const char *key, enum conf_kind kind);
void intake_end_job(struct intake_batch *b);
/* cb comes once, from the loop and never from here; batches are answered in
 * the order in which they were submitted. */
void intake_submit(struct intake *i, struct intake_batch *b);
