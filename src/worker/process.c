/*
 * TASK_PROCESS: reads the input behind the front, hashes it, decodes it, hashes
 * and writes what comes out, verifies, publishes.  Called by task.c, one bounded
 * slice at a time.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "model/settings.h"
#include "worker/task.h"

struct slice {
	int64_t in, out; /* bytes still allowed */
	uint64_t end_ns;
};

static void
on_writeback(struct lane_job *job)
{
	struct task *t = job->owner;
	struct writeback *w = CONTAINER_OF(job, struct writeback, job);
	bool is_part = w == &t->part_wb;

	writeback_returned(w);
	task_returned(t);
	if (w->error && t->phase < PHASE_ENDING) {
		AUTO_FREE char *path = task_haul_path(t, is_part ? t->names.part : t->names.out);

		task_fail_errno(t, -w->error, "write back", path);
	} else if (t->phase < PHASE_PUBLISH) {
		process_writeback(t);
	} else if (t->phase == PHASE_PUBLISH && t->lane_jobs == 0) {
		process_publish(t);
	}
	t->env->changed(t->env, t);
}

static bool
add_digests(struct task *t, struct digest_set *s, const struct digest *want, unsigned n)
{
	enum digest_algo missing = DIGEST_NONE;

	if (digest_set_add(s, want, n, &missing) == 0)
		return true;
	task_fail(t, RESULT_UNSUPPORTED, "%s is not in this build's libraries",
	    digest_algo_to_string(missing));
	return false;
}

static bool
open_task(struct task *t)
{
	uint64_t want = t->part_wb.want_clean; /* flush_to may have come before */

	if (!task_open_input(t) || !task_open_keep(t))
		return false;
	if (!add_digests(t, &t->in_digests, t->msg.in, t->msg.n_in))
		return false;
	writeback_init(&t->part_wb, t->part_fd, t->id, on_writeback, t);
	t->part_wb.want_clean = want;
	checkpoint_open(t);
	t->phase = PHASE_INPUT;
	return true;
}

/* Enough of the beginning is there to tell what it is. */
static bool
can_sniff(const struct task *t)
{
	return t->codec != CODEC_AUTO || t->last || t->front >= CODEC_SNIFF;
}

/* The name that may break a tie: the url's, else the target's. */
static bool
sniff(struct task *t)
{
	uint8_t head[CODEC_SNIFF];
	const char *name = t->names.url_name[0] ? t->names.url_name : t->names.name;
	ssize_t n = fd_pread_full(t->part_fd, head, MIN(t->front, (uint64_t)CODEC_SNIFF), 0);

	if (n < 0) {
		task_fail_errno(t, (int)-n, "read", t->names.part);
		return false;
	}
	t->codec = codec_sniff(head, (size_t)n, name);
	return true;
}

/* Once, before the first byte: what is done with the input. */
static bool
begin_input(struct task *t)
{
	struct digest_set *out;

	if (t->codec == CODEC_AUTO && !sniff(t))
		return false;
	/* What is not decoded is published as it is: one stream, hashed once. */
	out = t->codec == CODEC_OFF ? &t->in_digests : &t->out_digests;
	if (!add_digests(t, out, t->msg.out_digest, t->msg.n_out))
		return false;
	if (t->codec == CODEC_OFF) {
		checkpoint_load(t);
		return true;
	}
	t->decoder = decoder_new(t->codec, t->msg.decoder_memory);
	if (!t->decoder) {
		task_fail(t, RESULT_INTERNAL, "there is no memory for the %s decoder",
		    codec_to_string(t->codec));
		return false;
	}
	return output_create(t, on_writeback);
}

/* The most that may come out so far; *ret_setting names the bound. */
static uint64_t
output_bound(const struct task *t, const char **ret_setting)
{
	uint64_t in = MAX(t->consumed, (uint64_t)EXPANSION_GRACE), by_ratio;

	if (!t->msg.max_expansion || __builtin_mul_overflow(in, t->msg.max_expansion, &by_ratio))
		by_ratio = UINT64_MAX;
	if (t->msg.max_output && t->msg.max_output <= by_ratio) {
		*ret_setting = "max-uncompressed";
		return t->msg.max_output;
	}
	*ret_setting = "max-expansion";
	return by_ratio;
}

static bool
check_bound(struct task *t, uint64_t made)
{
	const char *setting;
	uint64_t bound = output_bound(t, &setting), total;
	char size[24];

	if (!__builtin_add_overflow(t->out_made, made, &total) && total <= bound)
		return true;
	task_fail(t, RESULT_EXPANSION_LIMIT, "the %s data unpacks to more than the %s that %s allows "
	    "for %" PRIu64 " bytes of it", codec_to_string(t->codec),
	    format_size(size, sizeof size, bound), setting, t->consumed);
	return false;
}

/* One step of the decoder into what is left of the piece. */
static bool
decode_step(struct task *t, struct codec_io *io, struct slice *s)
{
	uint8_t *out = output_room(t, &io->out_len);
	const uint8_t *in = io->in;
	size_t made;
	int r;

	io->out = out;
	r = decoder_step(t->decoder, io);
	made = (size_t)(io->out - out);
	t->consumed += (uint64_t)(io->in - in);
	s->in -= io->in - in;
	s->out -= (int64_t)made;
	if (r < 0) {
		task_fail(t, RESULT_DECODE, "%s", decoder_why(t->decoder));
		return false;
	}
	if (!check_bound(t, made))
		return false;
	digest_set_update(&t->out_digests, out, made);
	t->more = io->more;
	output_add(t, made);
	return true;
}

static void
decode_chunk(struct task *t, size_t n, struct slice *s)
{
	struct codec_io io = {
		.in = t->env->in_buf,
		.in_len = n,
		.last = t->last && t->consumed + n == t->front,
	};
	uint64_t before;

	t->told_last = io.last;
	do {
		before = t->out_made + t->consumed;
		if (!decode_step(t, &io, s))
			return;
		if (before == t->out_made + t->consumed && !io.in_len)
			return; /* its threads are at work; let others run */
	} while ((io.in_len || t->more) && s->out > 0 && output_has_room(t) &&
	    clock_now_ns() < s->end_ns);
}

static bool
read_chunk(struct task *t, size_t n)
{
	AUTO_FREE char *path = NULL;
	ssize_t got;

	if (n == 0)
		return true;
	got = fd_pread_full(t->part_fd, t->env->in_buf, n, (off_t)t->consumed);
	if (got == (ssize_t)n)
		return true;
	path = task_haul_path(t, t->names.part);
	if (got < 0)
		task_fail_errno(t, (int)-got, "read", path);
	else
		task_fail(t, RESULT_INTERNAL, "%s has fewer bytes than its front says", path);
	return false;
}

static bool
has_input(const struct task *t)
{
	return t->consumed < t->front || t->more || (t->last && t->decoder && !t->told_last);
}

static bool
is_whole(const struct task *t)
{
	return t->last && !has_input(t);
}

static void
take_chunk(struct task *t, struct slice *s)
{
	size_t n = (size_t)MIN(t->front - t->consumed, (uint64_t)READ_SIZE);

	if (!read_chunk(t, n))
		return;
	/* A slice may end inside a chunk, which is then read again: hash it once. */
	if (t->consumed + n > t->hashed) {
		size_t skip = (size_t)(t->hashed - t->consumed);

		digest_set_update(&t->in_digests, t->env->in_buf + skip, n - skip);
		t->hashed = t->consumed + n;
	}
	if (t->decoder) {
		decode_chunk(t, n, s);
		return;
	}
	t->consumed += n;
	t->out_made = t->consumed;
	t->out_written = t->consumed; /* the input is the output */
	s->in -= (int64_t)n;
}

/* Too much of the output is not on the disk yet. */
static bool
is_held(const struct task *t)
{
	return t->decoder && t->msg.out_dirty_max &&
	    t->out_written - t->out_wb.clean > t->msg.out_dirty_max;
}

bool
process_is_runnable(const struct task *t)
{
	if (is_held(t) || !can_sniff(t) || !output_has_room(t) || t->checkpoint.parking)
		return false;
	return has_input(t) || (t->last && t->pieces_out == 0);
}

static void
kick(struct task *t, struct writeback *w)
{
	t->lane_jobs += writeback_kick(w, t->env->lane);
}

/* The decoded file: bounded when asked for, early when it will be synced. */
static void
want_out_writeback(struct task *t)
{
	struct writeback *w = &t->out_wb;
	uint64_t max = t->msg.out_dirty_max;

	if (max && t->out_written - w->clean > max / 2) {
		w->want_start = t->out_written;
		w->want_clean = t->out_written - max / 2;
	}
	if (t->msg.fsync != FSYNC_OFF && t->out_written - w->started >= WRITEBACK_WINDOW)
		w->want_start = t->out_written;
	kick(t, w);
}

void
process_writeback(struct task *t)
{
	struct writeback *w = &t->part_wb;
	bool stays = !t->decoder || t->keep_dir; /* the part will be published or kept */

	if (t->msg.publish && stays && t->msg.fsync != FSYNC_OFF &&
	    t->consumed > w->started + WRITEBACK_WINDOW)
		w->want_start = t->consumed;
	kick(t, w);
	if (t->decoder && t->out_fd >= 0)
		want_out_writeback(t);
}

static void
on_published(struct task *t)
{
	struct publish *p = &t->publish;

	t->result = p->result;
	if (p->renamed) {
		t->inode = p->inode;
		t->out_exists = false;
	}
	if (p->unlink_fd >= 0) /* not used: nothing was unlinked */
		t->part_fd = TAKE_FD(p->unlink_fd);
	task_end(t);
}

static void
on_publish_job(struct lane_job *job)
{
	struct task *t = job->owner;

	t->publish_out = false;
	task_returned(t);
	on_published(t);
	t->env->changed(t->env, t);
}

static void
fill_publish(struct task *t)
{
	struct publish *p = &t->publish;
	struct publish_file target = {
		.fd = t->decoder ? t->out_fd : t->part_fd,
		.haul_fd = t->dir->haul_fd,
		.name = t->decoder ? t->names.out : t->names.part,
		.to = t->dir,
		.to_name = t->names.name,
	};

	p->mode = t->msg.mode;
	p->mtime = t->msg.mtime;
	p->fsync = t->msg.fsync;
	p->no_clobber = t->msg.no_clobber;
	p->map_fd = t->checkpoint.map_fd;
	p->map_name = p->map_fd >= 0 ? t->names.map : NULL;
	p->drops_map = t->msg.drops_map;
	p->in = t->consumed;
	p->codec = t->decoder ? t->codec : CODEC_OFF;
	p->seen = &t->seen;
	p->n_files = 0;
	p->unlink_fd = -1;
	/* The packed file first: when the target is there, the kept one is. */
	if (t->decoder && t->keep_dir)
		p->files[p->n_files++] = (struct publish_file){
			.fd = t->part_fd,
			.haul_fd = t->dir->haul_fd,
			.name = t->names.part,
			.to = t->keep_dir,
			.to_name = t->names.keep_name,
		};
	p->files[p->n_files++] = target;
	if (t->decoder && !t->keep_dir) {
		p->unlink_name = t->names.part;
		p->unlink_fd = TAKE_FD(t->part_fd);
	}
	p->job = (struct lane_job){ .id = t->id, .batch = publish_batch_jobs,
		.done = on_publish_job, .owner = t };
}

/* Only the syncs may be missing; rare enough to be waited for right here. */
static void
end_published(struct task *t)
{
	int r = t->msg.fsync != FSYNC_OFF && fsync(t->part_fd) < 0 ? -errno : 0;

	if (r == 0 && t->msg.fsync == FSYNC_FULL)
		r = dir_sync(t->dir);
	if (r < 0) {
		task_fail_errno(t, -r, "sync", t->names.name);
		return;
	}
	if (t->msg.drops_map && t->names.map[0])
		(void)unlinkat(t->dir->haul_fd, t->names.map, 0); /* else swept later */
	t->inode = t->msg.inode;
	task_end(t);
}

void
process_publish(struct task *t)
{
	struct publish *p = &t->publish;
	bool small = t->consumed <= SMALL_FILE && t->out_written <= SMALL_FILE;

	t->phase = PHASE_PUBLISH;
	/* A write-back that fails now would hide its error from the sync. */
	if (t->lane_jobs && t->msg.fsync != FSYNC_OFF)
		return; /* on_writeback() comes back here */
	if (t->published) {
		end_published(t);
		return;
	}
	fill_publish(t);
	if (small && t->msg.fsync == FSYNC_OFF) {
		publish_batch(NULL, &p, 1);
		on_published(t);
		return;
	}
	t->publish_out = true;
	task_submit(t, t->env->lane, &p->job);
}

static bool
has_size(struct task *t)
{
	AUTO_FREE char *path = NULL;
	struct stat st;

	if (fstat(t->part_fd, &st) == 0 && (uint64_t)st.st_size == t->front)
		return true;
	path = task_haul_path(t, t->names.part);
	task_fail(t, RESULT_INTERNAL, "%s has %" PRIu64 " bytes, not %" PRIu64, path,
	    (uint64_t)st.st_size, t->front);
	return false;
}

static void
verify(struct task *t)
{
	struct digest_set *out = t->decoder ? &t->out_digests : &t->in_digests;
	const char *whose = t->decoder ? "the unpacked file's " : "";

	if (!has_size(t))
		return;
	digest_set_finish(&t->in_digests);
	if (task_digest_mismatch(t, &t->in_digests, t->msg.in, t->msg.n_in, ""))
		return;
	if (t->decoder && decoder_finish(t->decoder) < 0) {
		task_fail(t, RESULT_DECODE, "%s", decoder_why(t->decoder));
		return;
	}
	digest_set_finish(&t->out_digests);
	if (task_digest_mismatch(t, out, t->msg.out_digest, t->msg.n_out, whose))
		return;
	if (!t->msg.publish) {
		task_end(t);
	} else if (t->msg.wait && !t->publish_allowed) {
		task_send_result(t, WORK_READY);
		t->phase = PHASE_READY;
	} else {
		process_publish(t);
	}
}

void
process_slice(struct task *t)
{
	struct slice s = {
		.in = SLICE_IN,
		.out = SLICE_OUT,
		.end_ns = clock_now_ns() + SLICE_MS * NSEC_PER_MSEC,
	};

	if (t->phase == PHASE_NEW && !open_task(t))
		return;
	if (t->checkpoint.parking) {
		checkpoint_park(t);
		return;
	}
	if (!can_sniff(t))
		return;
	if (!t->begun) {
		if (t->front == 0 && !t->last)
			return; /* nothing to do yet */
		if (!begin_input(t))
			return;
		t->begun = true;
	}
	/* Nothing to compute: the bytes need not be looked at. */
	if (!t->decoder && t->in_digests.n == 0)
		t->consumed = t->front;
	while (t->phase == PHASE_INPUT && has_input(t) && s.in > 0 && s.out > 0 &&
	    output_has_room(t) && clock_now_ns() < s.end_ns) {
		uint64_t before = t->consumed + t->out_made;

		take_chunk(t, &s);
		if (before == t->consumed + t->out_made)
			break;
	}
	if (t->phase != PHASE_INPUT)
		return;
	process_writeback(t);
	checkpoint_kick(t);
	if (is_whole(t) && (!t->decoder || output_flush(t)))
		verify(t);
}
