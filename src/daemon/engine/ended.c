/* Jobs that are over: what is kept of them, and for how long. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/mem.h"
#include "daemon/engine/download.h"

enum { FORGET_AT_ONCE = 100 };

void
engine_keep_receipt(struct entry *en, const struct job_receipt *r)
{
	unsigned n_in = r->work ? r->work->n_in : 0, n_out = r->work ? r->work->n_out : 0;
	struct receipt *k = xcalloc(1, sizeof *k + (n_in + n_out) * sizeof k->digests[0]);

	(void)snprintf(k->proof, sizeof k->proof, "%s", r->proof);
	k->codec = r->work ? (enum codec)r->work->codec : CODEC_OFF;
	k->dns_ms = r->dns_ms;
	k->connect_ms = r->connect_ms;
	k->tls_ms = r->tls_ms;
	k->first_byte_ms = r->first_byte_ms;
	k->unchanged = r->unchanged;
	k->n_in = (uint8_t)n_in;
	k->n_out = (uint8_t)n_out;
	for (unsigned i = 0; i < n_in + n_out; i++)
		k->digests[i] = i < n_in ? r->work->in_digest[i] : r->work->out_digest[i - n_in];
	free(en->receipt);
	en->receipt = k;
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
	registry_remove(&e->jobs, en);
	list_append(&e->gone, &en->ended);
	loop_defer(e->loop, &e->forgetting);
}

void
engine_unforget(struct entry *en)
{
	en->engine->n_ended -= list_linked(&en->ended);
	list_remove(&en->ended);
}

/* Jobs of clients are kept for those who ask later, the last ones; what the
 * configuration wants is kept as long as it wants it.  What ends because we stop
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
	if (en->job.from_config || e->interrupted)
		return;
	list_append(&e->ended, &en->ended);
	e->n_ended++;
	/* More than one where a reload has lowered the limit, but some at a time. */
	for (unsigned i = 0; i < FORGET_AT_ONCE && e->n_ended > most; i++)
		engine_forget(LIST_FIRST(&e->ended, struct entry, ended));
}

void
engine_free_entry(struct entry *en)
{
	list_remove(&en->ended);
	scheduler_withdraw(en->engine->scheduler, &en->ticket);
	job_done(&en->job);
	free(en->receipt);
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

enum { RECEIPT_VERSION = 1 };

void
receipt_pack(const struct receipt *r, struct buf *out)
{
	put_u8(out, RECEIPT_VERSION);
	put_str(out, r->proof);
	put_u8(out, (uint8_t)r->codec);
	put_u32(out, r->dns_ms);
	put_u32(out, r->connect_ms);
	put_u32(out, r->tls_ms);
	put_u32(out, r->first_byte_ms);
	put_u8(out, r->unchanged);
	put_u8(out, r->n_in);
	put_u8(out, r->n_out);
	for (unsigned i = 0; i < r->n_in + r->n_out; i++) {
		put_u8(out, r->digests[i].algo);
		put_text(out, (const char *)r->digests[i].bytes, r->digests[i].len);
	}
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

struct receipt *
receipt_unpack(const void *data, size_t n)
{
	AUTO_FREE struct receipt *r = xcalloc(1, sizeof *r + 2 * UINT8_MAX * sizeof r->digests[0]);
	struct receipt *small;
	struct text proof;
	struct cursor c;
	size_t size;

	cursor_init(&c, data, n);
	if (get_u8(&c) != RECEIPT_VERSION)
		return NULL;
	proof = get_text(&c);
	if (proof.len < sizeof r->proof)
		memcpy(r->proof, proof.at, proof.len);
	r->codec = (enum codec)get_below(&c, get_u8(&c), _CODEC_MAX);
	r->dns_ms = get_u32(&c);
	r->connect_ms = get_u32(&c);
	r->tls_ms = get_u32(&c);
	r->first_byte_ms = get_u32(&c);
	r->unchanged = get_bool(&c);
	r->n_in = get_u8(&c);
	r->n_out = get_u8(&c);
	for (unsigned i = 0; i < r->n_in + r->n_out && !c.failed; i++)
		get_digest(&c, &r->digests[i]);
	if (cursor_finish(&c) < 0)
		return NULL;
	size = sizeof *r + (size_t)(r->n_in + r->n_out) * sizeof r->digests[0];
	small = xmalloc(size);
	memcpy(small, r, size);
	return small;
}
