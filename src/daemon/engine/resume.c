/*
 * Going on where a transfer broke (DESIGN 2.8).  Within one life of the daemon the
 * part stays, and so do the workers that follow it; the next request asks for
 * the rest, on condition that the file is still the same one.  A job that is
 * paused, or goes on in another life, is found by its map.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "daemon/engine/download.h"
#include "daemon/engine/errand.h"
#include "daemon/engine/hook.h"
#include "daemon/engine/kept.h"
#include "daemon/engine/work.h"

/* Less than that is fetched again as quickly. */
enum { WORTH_IT = 64 << 10, MAP_FROM = 256 << 10 };

void
resume_note(struct download *d, const struct response *r)
{
	bool sized = r->has_length && !r->chunked && !r->coded && !r->ranges_none && complete_is_strong(r);

	d->continued = d->rest.start > 0;
	d->ranges = r->ranges_bytes || d->continued;
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
	case RESULT_NOT_YET_VALID:
		return true;
	default:
		return false;
	}
}

bool
resume_is_portable(const struct download *d)
{
	return work_has_digest(d);
}

bool
resume_is_stranger(const struct download *d)
{
	return d->foreign && !resume_is_portable(d);
}

bool
resume_later(struct download *d, const struct result *r)
{
	bool busy_server = r->code == RESULT_HTTP && result_class(r) == CLASS_RETRY_LATER, stuck;
	uint64_t front, delay;

	if (!d->part || !d->size || (!is_broken_transfer(r->code) && !busy_server) || resume_is_stranger(d))
		return false;
	stage_flush(&d->engine->stage);
	if (part_has_failed(d->part))
		return false;
	front = part_front(d->part);
	/* Another source goes first when this one gave nothing new. */
	stuck = front == d->rest.start && !d->unreached && spec_list_len(d->job->spec, JOB_URL) > 1;
	if (front < WORTH_IT || front >= d->size || (stuck && !resume_is_portable(d)))
		return false;
	if (!download_may_retry(d, r, &delay))
		return false;
	scheduler_withdraw(d->engine->scheduler, &d->entry->ticket);
	d->result = *r;
	work_flush(d);
	download_try_again(d, (stuck ? retry_next_source(d) : retry_same_source(d)) ? 0 : delay);
	return true;
}

bool
resume_alone(struct download *d)
{
	if (!transfer_is_shared(d->transfer) || !d->ranges || !d->part || !d->size || resume_is_stranger(d))
		return false;
	stage_flush(&d->engine->stage);
	if (part_has_failed(d->part) || part_front(d->part) == 0 || part_front(d->part) >= d->size)
		return false;
	log_debug("going on over a connection of its own, for it has a limit now job=%s id=%llu",
	    log_safe(job_label(d->job)), (unsigned long long)d->job->id);
	download_stop_transfer(d);
	work_flush(d);
	d->fresh_connection = true; /* as one that goes on, not another attempt */
	engine_go_on(d->entry, d->url);
	return true;
}

/* A size or validator that is another one was told as such. */
static bool
is_same_file(const struct download *d, const struct response *r)
{
	return r->status == 200 && r->ranges_bytes && r->has_length && !r->chunked && !r->coded && r->length == d->size &&
	    complete_is_strong(r) && (d->etag ? r->etag && text_equal(r->etag, d->etag) : r->last_modified == d->modified);
}

bool
resume_without_condition(struct download *d, const struct transfer_report *end)
{
	if (!d->rest.start || d->plain || end->result.code != RESULT_RANGE_CHANGED || !is_same_file(d, end->response))
		return false;
	d->plain = true;
	d->result = end->result;
	log_debug("the server sent all of the same file: asking for the rest without If-Range job=%s id=%llu",
	    log_safe(job_label(d->job)), (unsigned long long)d->job->id);
	engine_go_on(d->entry, d->url);
	return true;
}

bool
resume_is_suspect(const struct download *d, const struct result *r)
{
	return d->continued &&
	    (r->code == RESULT_CHECKSUM_MISMATCH || r->code == RESULT_DECODE || r->code == RESULT_EXPANSION_LIMIT);
}

/* What the part is of; "": of more than one, or of none that the job has. */
static const char *
url_of_part(const struct download *d)
{
	return d->foreign ? "" : spec_list(d->job->spec, JOB_URL, d->job->source);
}

static struct part_map_head
map_head(const struct download *d)
{
	return (struct part_map_head){
		.job = d->job->id,
		.generation = d->generation,
		.size = d->size,
		.url = text_of(url_of_part(d)),
		.etag = text_of(d->etag),
		.modified = d->modified,
	};
}

void
resume_fill(struct download *d, struct transfer_request *req)
{
	struct part_map_head h;

	d->rest = (struct complete_rest){ 0 };
	if (d->part && part_front(d->part) > 0)
		d->rest = (struct complete_rest){ part_front(d->part), d->size, d->etag, d->modified, d->plain };
	req->rest = d->rest;
	if (!d->rest.start || !d->foreign)
		return;
	h = map_head(d);
	part_change_map(d->part, &h); /* a later life would take it for a part of the url that it began with */
}

/* ---- Over restarts and pauses: the map ------------------------------------------- */

/* Small bodies need none: they are fetched again as quickly. */
void
resume_map(struct download *d)
{
	const struct part_map_head h = map_head(d);

	if (d->size && part_front(d->part) > MAP_FROM && !part_map_name(d->part)[0] && !resume_is_stranger(d))
		part_begin_map(d->part, &h);
}

/* With no-clobber a file that an earlier life published would be in its own way, and
 * on-download-complete may not have run for it: so a small one has a map, too, which
 * tells of nothing else. */
void
resume_map_end(struct download *d)
{
	const struct part_map_head h = { .job = d->job->id, .generation = d->generation, .modified = -1 };

	if ((spec_bool(d->job->spec, JOB_NO_CLOBBER) || hook_needs_map(d)) && d->engine->ops->when_kept && !part_map_name(d->part)[0])
		part_begin_map(d->part, &h);
}

bool
resume_can_wait(struct download *d)
{
	if (!d->part || !d->size || d->discarding || resume_is_stranger(d))
		return false;
	stage_flush(&d->engine->stage);
	return part_map_is_true(d->part);
}

void
resume_keep(struct download *d)
{
	struct kept *k = NEW(struct kept);

	d->parking = d->saving = false;
	k->id = d->job->id;
	k->generation = d->generation;
	k->root = xstrdup(d->dir->root);
	k->dir = xstrdup(d->dir->rel);
	k->base = xasprintf("%.*s", (int)(strlen(part_name(d->part)) - strlen("part")), part_name(d->part));
	k->url = xstrdup(url_of_part(d));
	k->etag = TAKE_PTR(d->etag);
	k->modified = d->modified;
	k->size = d->size;
	k->inode = part_inode(d->part);
	k->front = part_front(d->part);
	part_free(TAKE_PTR(d->part));
	kept_put(d->engine, k);
}

/* The source that the part is of, or that it can be gone on with; -1: there is none. *ret_foreign:
 * only the checksum will tell. */
static int
source_of(const struct download *d, const char *url, bool *ret_foreign)
{
	unsigned n = spec_list_len(d->job->spec, JOB_URL);

	*ret_foreign = false;
	for (unsigned i = 0; i < n; i++)
		if (text_equal(spec_list(d->job->spec, JOB_URL, i), url))
			return (int)i;
	/* It was set to another one since. */
	for (unsigned i = 0; i < n; i++)
		if (change_is_same_resource(spec_list(d->job->spec, JOB_URL, i), url))
			return (int)i;
	*ret_foreign = true;
	return resume_is_portable(d) ? d->job->source : -1;
}

void
resume_end_published(struct download *d, struct result_msg *work)
{
	struct job_receipt receipt = { .work = work, .proof = "" };

	result_set(&work->result, RESULT_OK, "published before hauld was started anew");
	work_wanted_digests(d, work);
	d->job->received = d->total = work->in;
	d->job->published = work->out;
	engine_finish(d, &work->result, &receipt);
}

static void
finish_published(struct download *d, struct kept *k)
{
	struct result_msg work = { .in = k->in, .out = k->out, .codec = (uint8_t)k->codec };

	if (!k->base[0])
		hook_was_told(d);
	d->is_live = !k->base[0]; /* hauld --once has seen it there */
	d->over = k->base[0] ? xasprintf("%smap", k->base) : NULL;
	kept_free(k);
	resume_end_published(d, &work);
}

bool
resume_was_published(struct download *d)
{
	struct kept *k = kept_find(d->engine, d->job->id);

	if (!k || !k->published)
		return false;
	finish_published(d, kept_take(d->engine, k->id));
	return true;
}

static struct part *
adopt_part(struct download *d, const struct kept *k)
{
	AUTO_FREE char *part = xasprintf("%spart", k->base), *map = xasprintf("%smap", k->base);
	struct part_kept from = { .part_name = part, .map_name = map, .inode = k->inode, .front = k->front };

	d->generation = MAX(d->generation, k->generation) + 1;
	return part_adopt(&d->engine->stage, d->dir, d->job->id, d->generation, &from, &download_part_ops, d);
}

/* All of it came then; only what the workers do is missing. */
static void
verify_adopted(struct download *d)
{
	retry_begin(d);
	d->total = d->size;
	d->proof = PROOF_LENGTH;
	work_input_is_whole(d);
}

bool
resume_adopt(struct download *d)
{
	struct kept *k = d->part ? NULL : kept_take(d->engine, d->job->id);
	bool elsewhere, foreign;
	int source;

	if (!k)
		return false;
	source = source_of(d, k->url, &foreign);
	d->part = adopt_part(d, k);
	if (source < 0 || part_has_failed(d->part)) {
		errand_discard(d->engine, k->root, k->dir, part_name(d->part), "", part_map_name(d->part));
		part_free(TAKE_PTR(d->part));
		kept_free(k);
		return false;
	}
	elsewhere = source != d->job->source;
	d->job->source = (uint16_t)source;
	free(d->url);
	d->url = xstrdup(spec_list(d->job->spec, JOB_URL, d->job->source));
	free(d->etag);
	d->etag = TAKE_PTR(k->etag);
	d->modified = k->modified;
	d->size = k->size;
	d->adopted = d->job->received = k->front;
	d->continued = true;
	d->foreign = foreign;
	kept_free(k);
	log_debug("going on at byte %llu of %llu job=%s id=%llu", (unsigned long long)d->adopted,
	    (unsigned long long)d->size, log_safe(job_label(d->job)), (unsigned long long)d->job->id);
	if (d->adopted == d->size)
		verify_adopted(d);
	else if (elsewhere) /* the slot that it has is one of another host */
		engine_go_on(d->entry, d->url);
	else
		return false;
	return true;
}

void
resume_over(struct download *d)
{
	const char *map = d->over ? d->over : d->part ? part_map_name(d->part) : "";

	/* Without a store a worker has dropped it already, unless it began before there
	 * was one (to write back for a disk that was full; hold.c); what failed was thrown away. */
	if (map[0] && d->engine->ops->when_kept)
		errand_drop_map(d->engine, d->dir->root, d->dir->rel, map);
	else if (map[0] && !d->over && !d->map_told)
		errand_discard(d->engine, d->dir->root, d->dir->rel, "", "", map);
}
