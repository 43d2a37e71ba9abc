/*
 * A job as hauld tells of it (the brief object of haul-rpc(7)), read from an
 * answer or an event.  What is missing or of another type is "" or 0, so that
 * haulctl gets along with an older and a newer hauld.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "model/settings.h"
#include "term/summary.h"
#include "term/term.h"

struct brief { /* strings borrowed from the JSON value, never NULL */
	uint64_t id;
	const char *name, *state, *phase, *why, *output, *url, *code, *reason, *origin;
	int64_t priority;
	uint64_t attempts, total, received, processed, unpacked, published, rate, retry_in_ms, next_run;
	double seconds;
};

void brief_read(const json_t *job, struct brief *ret);
/* Not over, or only until its next run. */
bool brief_is_there(const json_t *job);
/* done, failed or cancelled */
bool brief_is_over(const struct brief *b);
bool brief_is(const struct brief *b, const char *state);
/* What people call it: its name, else the last part of its destination or url. */
const char *brief_label(const struct brief *b);
/* Bytes of its file: published, else the size announced; 0: not known. */
uint64_t brief_size(const struct brief *b);
/* The row of a job that is over; strings borrowed from b. */
struct summary_row brief_summary(const struct brief *b, const char *note);
/* What to add to a sentence about its state: why it waits, how it failed.
 * Newly allocated, "" for nothing. */
char *brief_why(const struct brief *b);
/* "next run in 5h 12m", newly allocated; "": it does not come again. */
char *brief_next(const struct brief *b);
/* The ink that fits its state. */
enum term_ink brief_ink(const struct brief *b);

enum { BRIEF_WHEN_SIZE = 64 };
/* "2026-11-22 10:00:00 CET" by the reader's clock, into out[BRIEF_WHEN_SIZE]; empty when
 * it is not known. */
const char *brief_when(char *out, uint64_t s);
/* A value of a setting that is no string, as one would write it, newly allocated: "64M" of a
 * size; what is no setting, as JSON. */
char *brief_setting(enum setting_scope scope, const char *key, const json_t *value);

/* Members of JSON objects: "" and 0 for what is not there. */
const char *member_text(const json_t *object, const char *key);
uint64_t member_u64(const json_t *object, const char *key);
