/*
 * The jobs of one request: what is asked about them, and what was answered.
 * A batch is gathered by its owner, then it is the intake's to send (possibly
 * more than once) and to answer job by job.  Caller: intake.
 */
#pragma once

#include "daemon/conf/intake.h"

/* What the jobs of some batches are checked against. */
struct intake_context {
	unsigned refs;
	struct spec *defaults; /* ref */
	struct buf frames;     /* owned: its parts and CONF_CONTEXT, as they are sent */
};

struct intake_context *intake_context_new(const struct conf *conf);
struct intake_context *intake_context_ref(struct intake_context *x);
void intake_context_unref(struct intake_context *x); /* NULL is fine */

struct intake_batch {
	struct list link;      /* of the intake's batches, or of those that are over */
	struct intake *intake; /* NULL: it has none (not yet, not any more) */
	struct intake_context *context; /* ref */
	struct buf pairs;      /* owned: of all jobs, one behind the other */
	size_t *ends;          /* owned: where in pairs each job ends */
	struct intake_result *results; /* owned */
	size_t n, size;        /* jobs */
	size_t bytes;          /* that it counts for until it is answered */
	unsigned n_pairs;      /* of the job that is being put */
	uint64_t first_id;     /* of its jobs' messages */
	size_t answered;       /* jobs whose result is known, from the first one */
	struct buf errors;     /* owned: of the next one, as far as they came */
	bool cut;              /* there were more than INTAKE_TEXT_MAX */
	bool sent;             /* to the child that runs now */
	bool over;             /* cb is about to be called */
	bool given_up;         /* freed by its owner while the child was at it */
	bool suspect;          /* was there when a child died: goes alone */
	unsigned strikes;      /* children that died over it */
	struct loop_deferred done;
	intake_done_cb cb;
	void *arg;
};

/* Messages for the jobs that were not answered. */
void intake_batch_send(struct intake_batch *b, struct buf *out);
/* An answer to the next job: 0, or -EPROTO when it makes no sense. */
int intake_batch_answer(struct intake_batch *b, const struct message *m) MUST_CHECK;
bool intake_batch_is_answered(struct intake_batch *b);
/* What came of an answer that is not whole is forgotten. */
void intake_batch_rewind(struct intake_batch *b);
/* The jobs that were not answered fail so. */
void intake_batch_fail(struct intake_batch *b, const char *text);
void intake_batch_destroy(struct intake_batch *b);
