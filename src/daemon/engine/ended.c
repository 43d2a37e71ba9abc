/* Jobs that are over: what is kept of them, and for how long. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/cursor.h"
#include "base/mem.h"
#include "base/str.h"
#include "daemon/engine/kept.h"
#include "daemon/engine/timing.h"
#include "daemon/engine/plan.h"
#include "daemon/engine/sources.h"
#include "wire/store_msg.h"

enum { FORGET_AT_ONCE = 100 };
#define TIME_MAX_MS (INT64_C(1) << 50)

void
engine_keep_receipt(struct entry *en, const struct job_receipt *r)
{
	unsigned n_in = r->work ? r->work->n_in : 0, n_out = r->work ? r->work->n_out : 0;
	struct receipt *k = xcalloc(1, sizeof *k + (n_in + n_out) * sizeof k->digests[0]), *old = en->receipt;

	(void)snprintf(k->proof, sizeof k->proof, "%s", r->proof);
	k->codec = r->work ? (enum codec)r->work->codec : CODEC_OFF;
	k->times = r->times;
	k->unchanged = r->unchanged;
	k->n_in = (uint8_t)n_in;
	k->n_out = (uint8_t)n_out;
	for (unsigned i = 0; i < n_in + n_out; i++)
		k->digests[i] = i < n_in ? r->work->in_digest[i] : r->work->out_digest[i - n_in];
	k->ended_s = MAX(clock_wall_s(), INT64_C(1));
	k->stored = UINT64_MAX;
	if (old) { /* its attempts go on */
		k->attempts = old->attempts;
		k->n_attempts = old->n_attempts;
		k->sources = old->sources;
	}
	if (old)
		runs_free(old->runs);
	free(old);
	en->receipt = k;
}

void
engine_note_attempt(struct engine *e, uint64_t id)
{
	struct entry *en = registry_find(&e->jobs, id);
	const struct result *r = en->job.result;
	struct receipt *k;

	if (!en->receipt)
		en->receipt = NEW(struct receipt);
	k = en->receipt;
	if (!k->attempts)
		k->attempts = xcalloc(ATTEMPTS_KEPT, sizeof k->attempts[0]);
	if (k->n_attempts == ATTEMPTS_KEPT) {
		free(k->attempts[0].text);
		memmove(k->attempts, k->attempts + 1, (ATTEMPTS_KEPT - 1) * sizeof k->attempts[0]);
		k->n_attempts--;
	}
	k->attempts[k->n_attempts++] = (struct attempt){
		.number = en->job.attempts, .at_s = clock_wall_s(), .code = r->code,
		.http_status = (uint16_t)r->http_status, .text = xstrdup(r->text),
	};
}

void
runs_free(struct runs *n)
{
	if (n)
		free(n->past);
	free(n);
}

struct runs *
runs_copy(const struct runs *n)
{
	struct runs *copy = xmemdup(n, sizeof *n);

	copy->past = n->n_past ? xmemdup(n->past, n->n_past * sizeof n->past[0]) : NULL;
	return copy;
}

void
receipt_free(struct receipt *r)
{
	for (unsigned i = 0; r && i < r->n_attempts; i++)
		free(r->attempts[i].text);
	if (r) {
		free(r->attempts);
		runs_free(r->runs);
		sources_free(r->sources);
	}
	free(r);
}

static void
go(struct entry *en)
{
	struct engine *e = en->engine;

	kept_discard(e, en->job.id); /* of one that failed before it began */
	timing_forget(en);
	registry_remove(&e->jobs, en);
	list_append(&e->gone, &en->ended);
	loop_defer(e->loop, &e->forgetting);
}

/* Gone for all who ask; the memory stays a little, for the caller may look at
 * the job. */
void
engine_forget(struct entry *en)
{
	struct engine *e = en->engine;

	engine_unforget(en);
	if (e->ops->on_forget)
		e->ops->on_forget(&en->job, e->arg);
	go(en);
}

void
engine_evict(struct engine *e, uint64_t id)
{
	struct entry *en = registry_find(&e->jobs, id);

	engine_unforget(en);
	go(en);
}

void
engine_unforget(struct entry *en)
{
	en->engine->n_ended -= en->counted;
	en->counted = false;
	list_remove(&en->ended);
}

/* Jobs of clients are kept for those who ask later, the last ones; what the
 * configuration wants is kept as long as it wants it, and what comes again until then.  What ends because we stop
 * is not over: all of it goes on in the next life. */
void
engine_retain(struct entry *en)
{
	struct engine *e = en->engine;
	uint64_t most = spec_number(e->conf->daemon, DAEMON_MAX_DOWNLOAD_RESULT);

	if (en->retired) {
		engine_forget(en);
		return;
	}
	if (e->interrupted)
		return;
	if (en->job.from_config || timing_comes_again(en)) {
		list_append(&e->ended_config, &en->ended);
		return;
	}
	list_append(&e->ended, &en->ended);
	en->counted = true;
	e->n_ended++;
	/* More than one where a reload has lowered the limit, but some at a time. */
	for (unsigned i = 0; i < FORGET_AT_ONCE && e->n_ended > most; i++)
		engine_forget(LIST_FIRST(&e->ended, struct entry, ended));
}

size_t
engine_ended(const struct engine *e)
{
	return e->n_ended;
}

static uint64_t
stored_of(const struct entry *en)
{
	return en->receipt ? en->receipt->stored : 0;
}

uint64_t
engine_first_ended(const struct engine *e, uint64_t *ret_stored)
{
	const struct entry *en = LIST_FIRST(&e->ended, struct entry, ended);

	if (list_empty(&e->ended))
		return 0;
	*ret_stored = stored_of(en);
	return en->job.id;
}

void
engine_count_stored(const struct engine *e, uint64_t committed, uint64_t *counts)
{
	const struct entry *en;

	LIST_FOREACH(en, &e->ended, struct entry, ended)
		counts[en->job.state] += stored_of(en) <= committed;
}

void
engine_note_stored(struct engine *e, uint64_t id, uint64_t number)
{
	struct entry *en = registry_find(&e->jobs, id);

	if (en && en->receipt)
		en->receipt->stored = number;
}

void
engine_free_entry(struct entry *en)
{
	list_remove(&en->ended);
	scheduler_withdraw(en->engine->scheduler, &en->ticket);
	plan_free(en);
	job_done(&en->job);
	receipt_free(en->receipt);
	free(en);
}

void
engine_free_gone(void *arg)
{
	struct engine *e = arg;

	while (!list_empty(&e->gone))
		engine_free_entry(LIST_FIRST(&e->gone, struct entry, ended));
}

/* ---- Receipts as bytes ------------------------------------------------------- */

/* 2: with attempts; 3: with runs; 4: with sources; 5: with past runs. */
enum { RECEIPT_VERSION = 5, RECEIPT_ATTEMPT_TEXT = 160, PAST_RUN_BYTES = 29, NO_SOURCES_BYTES = 3 };

/* The last of them, as many as there is room for. */
static void
put_past(struct buf *out, const struct runs *n)
{
	size_t used = buf_len(out) + 1 + NO_SOURCES_BYTES;
	size_t fit = used < STORE_RECEIPT_MAX ? (STORE_RECEIPT_MAX - used) / PAST_RUN_BYTES : 0;
	uint8_t some = (uint8_t)MIN(fit, (size_t)n->n_past);

	put_u8(out, some);
	for (const struct past_run *p = n->past + n->n_past - some; some--; p++) {
		put_u64(out, (uint64_t)p->began_s);
		put_u64(out, (uint64_t)p->ended_s);
		put_u64(out, p->bytes);
		put_u16(out, (uint16_t)p->code);
		put_u16(out, p->http_status);
		put_u8(out, p->unchanged);
	}
}

static void
get_past(struct cursor *c, struct runs *n)
{
	uint8_t some = (uint8_t)get_below(c, get_u8(c), RUNS_KEPT + 1);

	if (some)
		n->past = xcalloc(some, sizeof n->past[0]);
	for (; n->n_past < some && !c->failed; n->n_past++)
		n->past[n->n_past] = (struct past_run){
			.began_s = (int64_t)get_below(c, get_u64(c), (uint64_t)TIME_MAX_MS),
			.ended_s = (int64_t)get_below(c, get_u64(c), (uint64_t)TIME_MAX_MS),
			.bytes = get_u64(c),
			.code = (enum result_code)get_below(c, get_u16(c), _RESULT_CODE_MAX),
			.http_status = get_u16(c),
			.unchanged = get_bool(c),
		};
}

static void
put_runs(struct buf *out, const struct runs *n)
{
	put_u8(out, n != NULL);
	if (!n)
		return;
	put_u64(out, (uint64_t)n->next_ms);
	put_u64(out, (uint64_t)n->ended_s);
	put_u64(out, (uint64_t)n->succeeded_s);
	put_u64(out, n->count);
	put_u64(out, n->failures);
	put_u64(out, n->unchanged);
	put_u16(out, (uint16_t)n->code);
	put_u16(out, n->http_status);
	put_u8(out, n->waiting);
	put_past(out, n);
}

static struct runs *
get_runs(struct cursor *c, uint8_t version)
{
	struct runs *n;

	if (!get_bool(c))
		return NULL;
	n = NEW(struct runs);
	n->next_ms = (int64_t)get_below(c, get_u64(c), (uint64_t)TIME_MAX_MS);
	n->ended_s = (int64_t)get_below(c, get_u64(c), (uint64_t)TIME_MAX_MS);
	n->succeeded_s = (int64_t)get_below(c, get_u64(c), (uint64_t)TIME_MAX_MS);
	n->count = get_u64(c);
	n->failures = get_u64(c);
	n->unchanged = get_u64(c);
	n->code = (enum result_code)get_below(c, get_u16(c), _RESULT_CODE_MAX);
	n->http_status = get_u16(c);
	n->waiting = get_bool(c);
	if (version > 4)
		get_past(c, n);
	return n;
}

void
receipt_pack(const struct receipt *r, const struct runs *runs, struct buf *out)
{
	put_u8(out, RECEIPT_VERSION);
	put_str(out, r->proof);
	put_u8(out, (uint8_t)r->codec);
	times_pack(&r->times, out);
	put_u8(out, r->unchanged);
	put_u8(out, r->n_in);
	put_u8(out, r->n_out);
	for (unsigned i = 0; i < r->n_in + r->n_out; i++) {
		put_u8(out, r->digests[i].algo);
		put_text(out, (const char *)r->digests[i].bytes, r->digests[i].len);
	}
	put_u8(out, r->n_attempts);
	for (unsigned i = 0; i < r->n_attempts; i++) {
		const struct attempt *a = &r->attempts[i];

		put_u32(out, a->number);
		put_u64(out, (uint64_t)a->at_s);
		put_u16(out, (uint16_t)a->code);
		put_u16(out, a->http_status);
		put_text(out, a->text, strnlen(a->text, RECEIPT_ATTEMPT_TEXT));
	}
	put_runs(out, runs);
	sources_pack(r->sources, out, STORE_RECEIPT_MAX - MIN(buf_len(out), (size_t)STORE_RECEIPT_MAX));
}

static void
get_attempt(struct cursor *c, struct receipt *r)
{
	struct attempt a = {
		.number = get_u32(c),
		.at_s = (int64_t)get_u64(c),
		.code = (enum result_code)get_below(c, get_u16(c), _RESULT_CODE_MAX),
		.http_status = get_u16(c),
	};
	char safe[RESULT_TEXT_MAX];
	struct text text = get_text(c);

	if (c->failed)
		return;
	/* A database may have been in other hands; a cut may be in a character. */
	a.text = xstrdup(str_safe_again(safe, sizeof safe, text.at, MIN(text.len, (size_t)RECEIPT_ATTEMPT_TEXT)));
	r->attempts[r->n_attempts++] = a;
}

static void
get_digest(struct cursor *c, struct digest *d)
{
	struct text bytes;

	d->algo = (uint8_t)get_below(c, get_u8(c), _DIGEST_ALGO_MAX);
	bytes = get_text(c);
	if (bytes.len > DIGEST_MAX_SIZE) {
		cursor_fail(c);
		return;
	}
	d->len = (uint8_t)bytes.len;
	memcpy(d->bytes, bytes.at, bytes.len);
}

static void
get_receipt(struct cursor *c, struct receipt *r)
{
	uint8_t version = get_u8(c);
	struct text proof = get_text(c);
	unsigned n;

	if (version < 1 || version > RECEIPT_VERSION)
		cursor_fail(c);
	if (proof.len < sizeof r->proof)
		memcpy(r->proof, proof.at, proof.len);
	r->codec = (enum codec)get_below(c, get_u8(c), _CODEC_MAX);
	times_unpack(c, &r->times);
	r->unchanged = get_bool(c);
	r->n_in = get_u8(c);
	r->n_out = get_u8(c);
	for (unsigned i = 0; i < r->n_in + r->n_out && !c->failed; i++)
		get_digest(c, &r->digests[i]);
	n = version > 1 ? (unsigned)get_below(c, get_u8(c), ATTEMPTS_KEPT + 1) : 0;
	if (n)
		r->attempts = xcalloc(ATTEMPTS_KEPT, sizeof r->attempts[0]); /* more may come */
	for (unsigned i = 0; i < n && !c->failed; i++)
		get_attempt(c, r);
	if (version > 2)
		r->runs = get_runs(c, version);
	if (version > 3)
		r->sources = sources_unpack(c);
}

struct receipt *
receipt_unpack(const void *data, size_t n)
{
	struct receipt *r = xcalloc(1, sizeof *r + 2 * UINT8_MAX * sizeof r->digests[0]);
	struct cursor c;

	cursor_init(&c, data, n);
	get_receipt(&c, r);
	if (cursor_finish(&c) < 0) {
		receipt_free(r);
		return NULL;
	}
	return xrealloc(r, sizeof *r + (size_t)(r->n_in + r->n_out) * sizeof r->digests[0]);
}
