/*
 * Going on where a transfer broke (DESIGN 2.8, within one life of the daemon): the
 * part stays, and so do the workers that follow it; the next request asks for
 * the rest, on condition that the file is still the same one.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "daemon/engine/download.h"

/* Less than that is fetched again as quickly. */
enum { WORTH_IT = 64 << 10 };

void
resume_note(struct download *d, const struct response *r)
{
	bool sized = r->has_length && !r->chunked && !r->coded && !r->ranges_none && complete_is_strong(r);

	d->continued = d->rest.start > 0;
	if (d->continued)
		return; /* it is the same file: that was looked at */
	free(TAKE_PTR(d->etag));
	if (r->etag && !r->etag_weak)
		d->etag = xstrdup(r->etag);
	d->modified = r->last_modified;
	d->size = sized ? r->length : 0;
}

/* The fault lies on the way, not in the file. */
static bool
is_broken_transfer(enum result_code c)
{
	switch (c) {
	case RESULT_DNS:
	case RESULT_CONNECT:
	case RESULT_PROXY:
	case RESULT_STALLED:
	case RESULT_TIMEOUT:
	case RESULT_TRUNCATED:
		return true;
	default:
		return false;
	}
}

bool
resume_later(struct download *d, const struct result *r)
{
	bool busy_server = r->code == RESULT_HTTP && result_class(r) == CLASS_RETRY_LATER;
	uint64_t front, delay;

	if (!d->part || !d->size || (!is_broken_transfer(r->code) && !busy_server))
		return false;
	stage_flush(&d->engine->stage);
	if (part_has_failed(d->part))
		return false;
	front = part_front(d->part);
	/* Another source goes first when this one gave nothing new. */
	if (front < WORTH_IT || front >= d->size ||
	    (front == d->rest.start && spec_list_len(d->job->spec, JOB_URL) > 1))
		return false;
	if (!download_may_retry(d, r, &delay))
		return false;
	scheduler_withdraw(d->engine->scheduler, &d->entry->ticket);
	d->result = *r;
	free(d->url);
	d->url = xstrdup(spec_list(d->job->spec, JOB_URL, d->source));
	d->hops = 0;
	download_try_again(d, delay);
	return true;
}

bool
resume_is_suspect(const struct download *d, const struct result *r)
{
	return d->continued &&
	    (r->code == RESULT_CHECKSUM_MISMATCH || r->code == RESULT_DECODE || r->code == RESULT_EXPANSION_LIMIT);
}

void
resume_fill(struct download *d, struct transfer_request *req)
{
	d->rest = (struct complete_rest){ 0 };
	if (d->part && part_front(d->part) > 0)
		d->rest = (struct complete_rest){ part_front(d->part), d->size, d->etag, d->modified };
	req->rest = d->rest;
}
