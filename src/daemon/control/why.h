/*
 * Sentences about why a job waits, is slow, or ended as it did: one table of words
 * (why_text.c).  A new word of DESIGN 4 is a row there; tests/unit/check_why.c fails
 * for one that has none.  Caller: why.c, the method.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "daemon/engine/engine.h"
#include "daemon/engine/reason.h"

struct why_facts {
	const struct engine_view *view;     /* of the job */
	const struct engine_reason *reason; /* of one that is not over */
	int64_t now_s;
	/* "3 (geoip)" and "active, 43 %", of the jobs in its way; appended; may be NULL */
	void (*put_job)(uint64_t id, bool with_state, struct buf *out, void *arg);
	void *arg;
};

/* Is there a sentence for this word ("host-limit", "after:geoip")? */
bool why_knows(const char *word);
/* Appends the sentence of facts->reason->word; a word that is not known is shown as it is. */
void why_put_waiting(const struct why_facts *f, struct buf *out);
/* The same for a job that runs. */
void why_put_active(const struct why_facts *f, struct buf *out);
/* What may help after such a failure: a sentence; "" when there is nothing to say. */
const char *why_advice(const struct result *r);
/* "14:03:07", of another day "2026-11-23 14:03:07", by the clock of the machine. */
void why_put_time(struct buf *out, int64_t at_s, int64_t now_s);
