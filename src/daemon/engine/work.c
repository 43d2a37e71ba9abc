/* What a download asks of the workers; see work.h. */
#include "daemon/engine/work.h"

#include <errno.h>
#include <string.h>

#include "base/url.h"
#include "daemon/engine/errand.h"
#include "daemon/engine/set.h"
#include "daemon/engine/space.h"
#include "model/algo.h"

enum { SMALL_BODY = 256 * 1024 }; /* up to here one frame does it all */
/* How far a digest may be ahead of the decoder beside it.  The decoder takes longest: while the download
 * takes a CPU as well, a digest in a hurry would take the decoder's time and then wait for it. */
#define HASH_AHEAD (UINT64_C(64) << 20)
#define DECODER_LEAST (UINT64_C(10) << 20) /* what a decoder with a fixed window is let have */

static struct place
place_of(const struct dest_dir *dir, const char *name)
{
	return (struct place){ text_of(dir->root), text_of(dir->rel), text_of(name) };
}

static uint8_t
digests_of(const struct spec *s, enum setting_id id, struct digest *out)
{
	const char *text, *why;
	uint8_t n = 0;

	for (unsigned i = 0; n < TASK_DIGESTS_MAX && (text = spec_list(s, id, i)); i++)
		if (digest_parse(text, &out[n], &why) == 0) /* hauld-conf has refused others */
			n++;
	return n;
}

void
work_wanted_digests(const struct download *d, struct result_msg *r)
{
	r->n_in = digests_of(d->job->spec, JOB_CHECKSUM, r->in_digest);
	r->n_out = digests_of(d->job->spec, JOB_CHECKSUM_OUTPUT, r->out_digest);
}

static enum codec
codec_of(const struct download *d)
{
	return (enum codec)spec_number(d->job->spec, JOB_DECOMPRESS);
}

bool
work_has_digest(const struct download *d)
{
	return spec_has(d->job->spec, JOB_CHECKSUM) || spec_has(d->job->spec, JOB_CHECKSUM_OUTPUT);
}

/* The digests that the file at the destination must have. */
static enum setting_id
final_checksum(const struct download *d)
{
	return codec_of(d) == CODEC_OFF ? JOB_CHECKSUM : JOB_CHECKSUM_OUTPUT;
}

bool
work_can_check(const struct download *d)
{
	return spec_has(d->job->spec, final_checksum(d)) && !spec_has(d->job->spec, JOB_KEEP_DOWNLOAD);
}

static bool
is_durable(const struct download *d)
{
	return spec_number(d->job->spec, JOB_FSYNC) != FSYNC_OFF;
}

/* ---- Check, copy, discard ------------------------------------------------ */

static void
on_checked(const struct result_msg *r, void *arg)
{
	work_checked(arg, r);
}

static const struct pool_task_ops check_ops = { .on_result = on_checked };

void
work_check(struct download *d)
{
	struct task_msg m = { .kind = TASK_CHECK, .mtime = INT64_MIN, .target = place_of(d->dir, d->name) };

	if (d->checking_live)
		m.target.dir = text_of(set_live_dir(d));
	m.n_in = digests_of(d->job->spec, final_checksum(d), m.in);
	m.fsync = (uint8_t)spec_number(d->job->spec, JOB_FSYNC);
	pool_submit(d->engine->pool, &d->main, &m, true, &check_ops, d);
}

static void
on_copied(const struct result_msg *r, void *arg)
{
	struct download *d = arg;

	d->total = d->job->received = r->in;
	part_set_inode(d->part, r->inode);
	work_copied(d, r);
}

static void
on_copy_progress(const struct progress_msg *p, void *arg)
{
	struct download *d = arg;

	d->job->received = p->in;
}

static const struct pool_task_ops copy_ops = { .on_result = on_copied, .on_progress = on_copy_progress };

void
work_copy(struct download *d)
{
	struct task_msg m = { .kind = TASK_COPY, .mtime = INT64_MIN, .target = place_of(d->dir, d->name) };
	struct url u;
	const char *why;

	if (url_parse(d->url, &u, &why) < 0)
		return; /* download_fetch() has looked already */
	AUTO_FREE char *path = url_file_path(&u);

	if (!path) {
		struct result bad = { 0 };

		result_set(&bad, RESULT_PATH_REFUSED, "the file: url does not name a path");
		work_failed(d, &bad);
		return;
	}
	m.source = text_of(path);
	d->job->phase = PHASE_DOWNLOAD;
	download_plan_part(d);
	m.part = text_of(part_name(d->part));
	pool_submit(d->engine->pool, &d->main, &m, true, &copy_ops, d);
}

static void
on_discarded(const struct result_msg *r, void *arg)
{
	struct download *d = arg;

	if (r->result.code == RESULT_INTERNAL && d->engine->options.patient) { /* there is no worker: whenever there is one */
		errand_discard(d->engine, d->dir->root, d->dir->rel, part_name(d->part), part_out_name(d->part),
		    part_map_name(d->part));
	} else if (r->result.code != RESULT_OK) { /* no worker can: the disk is bad */
		dest_dir_unlink(d->dir, part_name(d->part));
		dest_dir_unlink(d->dir, part_out_name(d->part));
		if (part_map_name(d->part)[0])
			dest_dir_unlink(d->dir, part_map_name(d->part));
	}
	part_free(TAKE_PTR(d->part));
	work_discarded(d);
}

static const struct pool_task_ops discard_ops = { .on_result = on_discarded };

/* Unlinking a large file takes time: a worker's.  The job does not wait until there is one again. */
void
work_discard(struct download *d)
{
	struct task_msg m = { .kind = TASK_DISCARD, .mtime = INT64_MIN, .target = place_of(d->dir, d->name) };

	m.part = text_of(part_name(d->part));
	m.out = text_of(part_out_name(d->part));
	m.map = text_of(part_map_name(d->part));
	part_seal(d->part);
	pool_submit(d->engine->pool, &d->main, &m, false, &discard_ops, d);
	pool_hurry(&d->main);
}

/* ---- Verify, unpack, publish ---------------------------------------------- */

/* What the main task waits for before it may publish. */
static void
maybe_publish(struct download *d)
{
	if (!d->main_ready || !d->whole || (d->split && !d->hash_ok))
		return;
	d->job->phase = PHASE_PUBLISH;
	pool_publish(&d->main);
}

/* The digest's front; the decoder's task writes back. */
static void
hash_front(struct download *d)
{
	uint64_t front = part_front(d->part), upto = d->main_ready ? front : MIN(front, d->processed + HASH_AHEAD);
	struct front_msg f = { upto, 0, d->whole && upto == front };

	if (!d->split || !pool_task_is_busy(&d->hash) || (upto <= d->hash_told && !f.last))
		return;
	d->hash_told = upto;
	pool_front(&d->hash, &f);
}

static void
on_progress(const struct progress_msg *p, void *arg)
{
	struct download *d = arg;

	space_unpacked(d, p->out);
	d->processed = p->in;
	d->unpacked = p->out;
	if (!d->part)
		return;
	part_flushed(d->part, p->flushed, p->flush_ns);
	hash_front(d);
}

static void
on_hash_progress(const struct progress_msg *p, void *arg)
{
	struct download *d = arg;

	if (d->part)
		part_flushed(d->part, p->flushed, p->flush_ns);
}

static void
on_ready(const struct result_msg *r, void *arg)
{
	struct download *d = arg;
	struct result why = { 0 };

	if (d->cleaning)
		return;
	/* A file that was made of several members may have had one more. */
	if (d->codec_must_prove && (r->codec == CODEC_OFF || r->several)) {
		result_set(&why, RESULT_UNPROVEN, "nothing proves the end of the download, and %s; "
		    "give a checksum, or set allow-unproven = true", r->several ?
		    "it was packed in several members, of which the last ones may be missing" : "it is not compressed");
		work_failed(d, &why);
		return;
	}
	d->main_ready = true;
	hash_front(d);
	maybe_publish(d);
}

static void
on_main_result(const struct result_msg *r, void *arg)
{
	struct download *d = arg;

	if (r->result.code != RESULT_OK) {
		/* A worker may die behind the rename of an unpacked file and the removal
		 * of the packed one: then only a new download can tell.  It is no fault
		 * of the job's and costs it no repeat. */
		d->again |= !d->was_again && d->main.given > 1 && r->result.os_error == ENOENT;
		work_failed(d, &r->result);
		return;
	}
	if (d->split) {
		struct result_msg both = *r;

		both.n_in = d->verified.n_in;
		memcpy(both.in_digest, d->verified.in_digest, sizeof both.in_digest);
		work_published(d, &both);
		return;
	}
	work_published(d, r);
}

static void
on_hash_result(const struct result_msg *r, void *arg)
{
	struct download *d = arg;

	if (r->result.code != RESULT_OK || d->cleaning) {
		work_failed(d, &r->result);
		return;
	}
	d->hash_ok = true;
	d->verified = *r;
	maybe_publish(d);
}

static const struct pool_task_ops main_ops = {
	.on_progress = on_progress, .on_ready = on_ready, .on_result = on_main_result,
};
static const struct pool_task_ops hash_ops = { .on_progress = on_hash_progress, .on_result = on_hash_result };

bool
work_wants_to_follow(const struct download *d, uint64_t front)
{
	if (front <= SMALL_BODY)
		return false;
	if (codec_of(d) != CODEC_OFF || work_has_digest(d))
		return true;
	/* Nothing to compute: only what must be written back. */
	return part_flush_to(d->part, is_durable(d)) > 0;
}

/* Bytes that are not on the disk do not count when the machine was started anew,
 * which is what a stop is for, mostly.  Where nothing is computed no worker has
 * been asked for anything yet. */
static void
ask_for_sync(struct download *d)
{
	if (d->parking && !d->saving && !work_is_started(d) && is_durable(d))
		work_start(d, true);
	d->saving = true;
}

void
work_let_go(struct download *d)
{
	struct pool_task *saver;

	ask_for_sync(d);
	saver = d->split ? &d->hash : &d->main;
	if (d->parking && pool_task_is_busy(saver)) {
		struct front_msg f = { part_front(d->part), 0, d->whole };

		pool_front(saver, &f);
		pool_park(saver);
	}
	if (pool_task_is_busy(&d->main) && !(d->parking && saver == &d->main))
		pool_cancel(&d->main);
	if (pool_task_is_busy(&d->hash) && !(d->parking && saver == &d->hash))
		pool_cancel(&d->hash);
}

bool
work_is_started(const struct download *d)
{
	return pool_task_is_busy(&d->main);
}

static void
fill_task(struct download *d, struct task_msg *m, bool follow)
{
	const struct spec *s = d->job->spec;

	*m = (struct task_msg){
		.kind = TASK_PROCESS,
		.codec = (uint8_t)codec_of(d),
		.follow = follow,
		.publish = true,
		.no_clobber = spec_bool(s, JOB_NO_CLOBBER),
		.fsync = (uint8_t)spec_number(s, JOB_FSYNC),
		.mode = (uint32_t)spec_number(s, JOB_MODE),
		.mtime = spec_bool(s, JOB_REMOTE_TIME) && d->modified >= 0 ? d->modified : INT64_MIN,
		.size = follow ? 0 : d->job->received,
		.inode = part_inode(d->part),
		.resumed = d->adopted,
		.max_output = spec_number(s, JOB_MAX_UNCOMPRESSED),
		.max_expansion = spec_number(s, JOB_MAX_EXPANSION),
		.decoder_memory = MAX(d->entry->ticket.decoder_memory, DECODER_LEAST),
		.out_dirty_max = dirty_output_max(d->engine->dirty, d->dir->dev, is_durable(d)),
		.target = place_of(d->dir, d->name),
		.part = text_of(part_name(d->part)),
		.out = text_of(part_out_name(d->part)),
		.map = text_of(part_map_name(d->part)),
		.saves = true,
		.drops_map = !d->engine->ops->when_kept,
		.keep = { text_of(""), text_of(""), text_of("") },
		.source = text_of(""),
		.url_name = text_of(""),
	};
}

/* A digest of the download is computed beside a decoder by another worker:
 * two CPUs, one pass each over pages that are hot. */
void
work_start(struct download *d, bool follow)
{
	struct task_msg m;
	struct url u;
	const char *why;
	AUTO_FREE char *url_name =
	    codec_of(d) == CODEC_AUTO && url_parse(d->url, &u, &why) == 0 ? url_filename(&u) : NULL;
	bool heavy = follow || d->job->received > PART_WRITE_MAX;

	fill_task(d, &m, follow);
	d->map_told = m.map.len > 0;
	if (d->keep_dir)
		m.keep = place_of(d->keep_dir, d->keep_name);
	m.url_name = text_of(url_name);
	m.seen = (struct text){ (const char *)buf_bytes(&d->seen), buf_len(&d->seen) };
	m.n_in = digests_of(d->job->spec, JOB_CHECKSUM, m.in);
	m.n_out = digests_of(d->job->spec, JOB_CHECKSUM_OUTPUT, m.out_digest);
	d->split = heavy && m.n_in && m.codec != CODEC_OFF;
	/* Digests prove the end too, and so does the user's word. */
	d->codec_must_prove &= m.codec != CODEC_OFF && !m.n_in && !m.n_out &&
	    !spec_bool(d->job->spec, JOB_ALLOW_UNPROVEN);
	m.wait = d->split || d->codec_must_prove;
	if (d->split) {
		struct task_msg h = m;

		h.codec = CODEC_OFF;
		h.publish = h.wait = false;
		h.n_out = 0;
		h.keep = (struct place){ text_of(""), text_of(""), text_of("") };
		pool_submit(d->engine->pool, &d->hash, &h, true, &hash_ops, d);
		m.n_in = 0;
		m.saves = false;
	}
	pool_submit(d->engine->pool, &d->main, &m, heavy, &main_ops, d);
}

void
work_front(struct download *d, bool last)
{
	struct front_msg f = { .last = last };

	if (!work_is_started(d) || !d->part)
		return;
	f.offset = part_front(d->part);
	f.flush_to = part_flush_to(d->part, is_durable(d));
	hash_front(d);
	pool_front(&d->main, &f);
}

void
work_flush(struct download *d)
{
	struct front_msg f = { .offset = part_front(d->part), .flush_to = part_front(d->part) };

	/* Of a small one there is not enough to start somebody for. */
	if (!part_unflushed(d->part) || (!work_is_started(d) && f.offset <= SMALL_BODY))
		return;
	if (!work_is_started(d))
		work_start(d, true);
	pool_front(&d->main, &f);
}

void
work_input_is_whole(struct download *d)
{
	scheduler_to_verify(d->engine->scheduler, &d->entry->ticket);
	d->whole = true;
	resume_map_end(d);
	part_seal(d->part);
	d->job->phase = codec_of(d) == CODEC_OFF ? PHASE_VERIFY : PHASE_DECOMPRESS;
	if (work_is_started(d))
		work_front(d, true);
	else
		work_start(d, false);
	maybe_publish(d);
}
