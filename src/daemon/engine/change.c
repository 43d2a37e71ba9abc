/* A job that is there gets other settings: its spec is exchanged, and what has been
 * made of the old one is made anew where that is right; see engine.h. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/url.h"
#include "daemon/engine/deadline.h"
#include "daemon/engine/limits.h"
#include "daemon/engine/work.h"

enum {
	OLD_BYTES_MAX = 4 << 20, /* of one download's old specs */
	OLD_SPEC_BYTES = 256,    /* of each, besides its packed bytes */
};

static bool
differs(const struct spec *a, const struct spec *b, enum setting_id id)
{
	return !spec_same_value(a, b, id);
}

static bool
other_digests(const struct spec *a, const struct spec *b)
{
	return differs(a, b, JOB_CHECKSUM) || differs(a, b, JOB_CHECKSUM_OUTPUT);
}

const char *
engine_refuse_change(const struct engine *e, uint64_t id, const struct spec *spec)
{
	const struct entry *en = registry_find(&e->jobs, id);
	const struct download *d = en->download;

	if (job_is_over(&en->job) && !engine_comes_again(e, id))
		return "it is over";
	if (en->job.from_config)
		return "it is of the configuration: change the file, and reload";
	if (d && (d->whole || d->verdict == VERDICT_FINAL) && (other_digests(en->job.spec, spec) || differs(en->job.spec, spec, JOB_URL)))
		return "its download is whole already and is being verified or published";
	if (d && d->old_bytes > OLD_BYTES_MAX)
		return "it was set too often while its download goes on: wait until it is over, or cancel it and add another";
	return NULL;
}

/* The same file under another query, as of an address that is signed anew. */
bool
change_is_same_resource(const char *a, const char *b)
{
	struct url x, y;
	const char *why;

	return url_parse(a, &x, &why) == 0 && url_parse(b, &y, &why) == 0 && url_same_origin(&x, &y) &&
	    x.path.len == y.path.len && memcmp(x.path.at, y.path.at, x.path.len) == 0;
}

/* The source that it is; -1: none. */
static int
find_resource(const struct spec *s, const char *url)
{
	for (unsigned i = 0; i < spec_list_len(s, JOB_URL); i++)
		if (change_is_same_resource(spec_list(s, JOB_URL, i), url))
			return (int)i;
	return -1;
}

/* Its strings are still looked at until it goes. */
static void
keep_old(struct download *d, struct spec *old)
{
	size_t n;

	d->old_specs = xrealloc(d->old_specs, (d->n_old_specs + 1) * sizeof d->old_specs[0]);
	d->old_specs[d->n_old_specs++] = old;
	(void)spec_bytes(old, &n);
	d->old_bytes += n + OLD_SPEC_BYTES;
}

void
change_forget_old(struct download *d)
{
	for (unsigned i = 0; i < d->n_old_specs; i++)
		spec_unref(d->old_specs[i]);
	free(d->old_specs);
}

/* What runs goes on, and the next request has the new url; what waits for one begins
 * with it at once. */
static void
change_url(struct entry *en, const struct spec *old)
{
	struct download *d = en->download;
	bool begun = d && (d->part || d->transfer);
	int same = find_resource(en->job.spec, spec_list(old, JOB_URL, en->job.source));

	en->ticket.elsewhere = spec_list_len(en->job.spec, JOB_URL) > 1;
	/* What there is of it, or is about to come, is of there, and is gone on with there. */
	en->job.source = begun && same > 0 ? (uint16_t)same : 0;
	if (!d || job_is_over(&en->job)) {
		if (en->job.state == JOB_QUEUED)
			engine_requeue(en, retry_first_source(en), 0);
		return;
	}
	d->foreign |= begun && same < 0;
	free(TAKE_PTR(d->minted)); /* of the old one */
	d->tried_sources = d->wrong_sources = 0;
	d->n_wrong = 0;
	if (d->transfer)
		return;
	(void)retry_same_source(d); /* whoever makes the next request */
	if (d->cleaning || d->verdict != VERDICT_NONE || (en->job.state == JOB_ACTIVE && !d->starting))
		return;
	hold_leave(d);
	if (resume_is_stranger(d)) {
		scheduler_withdraw(en->engine->scheduler, &en->ticket);
		d->moving = true;
		download_start_over(d);
		return;
	}
	if (!list_linked(&d->waiting) && !d->lock) /* else when its destination is free */
		engine_requeue(en, d->url, 0);
}

/* What was computed so far was not these digests: it stops, and goes on behind what has
 * come, whose bytes are read again.  A part that only a digest would have judged goes. */
static void
change_digests(struct entry *en)
{
	struct download *d = en->download;

	if (!d || d->cleaning || d->verdict != VERDICT_NONE ||
	    (!work_is_started(d) && !(resume_is_stranger(d) && (d->rest.start || !d->transfer))))
		return;
	(void)engine_pause(en->engine, en->job.id);
	(void)engine_resume(en->engine, en->job.id);
}

void
engine_change(struct engine *e, uint64_t id, struct spec *spec)
{
	struct entry *en = registry_find(&e->jobs, id);
	AUTO_SPEC struct spec *old = en->job.spec;
	struct download *d = en->download;

	en->job.spec = spec_ref(spec);
	if (d) {
		keep_old(d, spec_ref(old));
		d->output = d->staged_output ? d->staged_output : spec_string(spec, JOB_OUTPUT);
	}
	if (differs(old, spec, JOB_PRIORITY)) {
		scheduler_set_priority(e->scheduler, &en->ticket, (int32_t)spec_number(spec, JOB_PRIORITY));
		if (d)
			engine_lock_priority(d);
	}
	if (differs(old, spec, JOB_DEADLINE) && !job_is_over(&en->job))
		deadline_change(en, old);
	if (d && differs(old, spec, JOB_LIMIT_RATE))
		limits_set_job(d, spec_number(spec, JOB_LIMIT_RATE)); /* may end it */
	if (differs(old, spec, JOB_CACERT)) /* read before the next request needs it */
		xfer_prepare(e->xfer, spec, has_prefix(spec_list(spec, JOB_URL, 0), "https:"));
	if (differs(old, spec, JOB_URL))
		change_url(en, old);
	if (other_digests(old, spec) && !job_is_over(&en->job))
		change_digests(en);
}
