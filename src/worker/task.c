/* What all kinds of tasks share; see task.h. */
#include "worker/task.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"

/* Copies a text into the block at *at; false when it has a NUL or is too long. */
static bool
copy_name(char **at, struct text from, const char **ret)
{
	bool good = from.len < PATH_MAX && !memchr(from.at, '\0', from.len);
	size_t n = good ? from.len : 0;

	memcpy(*at, from.at, n);
	(*at)[n] = '\0';
	*ret = *at;
	*at += n + 1;
	return good;
}

/* False when one of them cannot be a name at all. */
static bool
copy_names(struct task_names *n, const struct task_msg *m)
{
	const struct { struct text from; const char **to; } all[] = {
		{ m->target.root, &n->root }, { m->target.dir, &n->dir },
		{ m->target.name, &n->name }, { m->part, &n->part }, { m->out, &n->out }, { m->map, &n->map },
		{ m->keep.root, &n->keep_root }, { m->keep.dir, &n->keep_dir },
		{ m->keep.name, &n->keep_name }, { m->source, &n->source },
		{ m->url_name, &n->url_name },
	};
	size_t size = 0;
	bool good = true;
	char *at;

	for (unsigned i = 0; i < ARRAY_SIZE(all); i++)
		size += all[i].from.len + 1;
	at = n->block = xmalloc(size);
	for (unsigned i = 0; i < ARRAY_SIZE(all); i++)
		good &= copy_name(&at, all[i].from, all[i].to);
	return good;
}

static bool
is_safe_or_none(const char *name)
{
	return !name[0] || name_is_safe(name);
}

/* The names that this kind of task will use are one component each. */
static bool
names_are_safe(const struct task *t)
{
	const struct task_names *n = &t->names;

	switch ((enum task_kind)t->msg.kind) {
	case TASK_PROCESS:
		return name_is_safe(n->part) && (!t->msg.publish || name_is_safe(n->name)) &&
		    (t->msg.codec == CODEC_OFF || name_is_safe(n->out)) && is_safe_or_none(n->map) &&
		    is_safe_or_none(n->keep_name);
	case TASK_COPY:
		return name_is_safe(n->part) && n->source[0] == '/';
	case TASK_CHECK:
		return name_is_safe(n->name);
	case TASK_DISCARD:
		return is_safe_or_none(n->part) && is_safe_or_none(n->out) && is_safe_or_none(n->map);
	case TASK_SWEEP:
		return name_is_safe(n->part);
	case TASK_SPACE:
		return n->root[0] == '/';
	case TASK_SWAP:
		return name_is_safe(n->name) && name_is_safe(n->part);
	case _TASK_KIND_MAX:
		break;
	}
	return false;
}

struct task *
task_new(struct task_env *env, uint64_t id, const struct task_msg *m)
{
	struct task *t = NEW(struct task);

	list_init(&t->link);
	t->id = id;
	t->env = env;
	t->phase = PHASE_NEW;
	t->msg = *m;
	t->start_ns = t->told_ns = clock_now_ns();
	t->part_fd = t->out_fd = t->copy.from = t->copy.to = t->discard.fd = t->publish.unlink_fd = -1;
	t->codec = m->codec;
	t->swap.names = m->names.len ? xmemdup(m->names.at, m->names.len) : NULL;
	t->swap.len = m->names.len;
	checkpoint_init(&t->checkpoint);
	if (!m->follow) {
		t->front = m->size;
		t->last = true;
	}
	buf_append(&t->seen, m->seen.at, m->seen.len);
	if (!copy_names(&t->names, m) || !names_are_safe(t))
		result_set(&t->result, RESULT_PATH_REFUSED, "a name of the task is no safe name");
	return t;
}

void
task_free(struct task *t)
{
	if (!t)
		return;
	assert(t->lane_jobs == 0);
	list_remove(&t->link);
	buf_done(&t->seen);
	decoder_free(t->decoder);
	digest_set_done(&t->in_digests);
	digest_set_done(&t->out_digests);
	output_done(t);
	checkpoint_done(&t->checkpoint);
	buf_done(&t->discard.found);
	free(t->swap.names);
	fd_close(&t->part_fd);
	fd_close(&t->out_fd);
	fd_close(&t->copy.from);
	fd_close(&t->copy.to);
	fd_close(&t->discard.fd);
	dir_unref(t->dir);
	dir_unref(t->keep_dir);
	free(t->names.block);
	free(t);
}

bool
task_is_runnable(const struct task *t)
{
	switch (t->phase) {
	case PHASE_NEW:
		return true;
	case PHASE_INPUT:
		return t->msg.kind != TASK_PROCESS || process_is_runnable(t);
	case PHASE_READY:
	case PHASE_PUBLISH:
	case PHASE_LANE:
	case PHASE_ENDING:
	case PHASE_OVER:
		break;
	}
	return false;
}

void
task_slice(struct task *t)
{
	if (t->phase == PHASE_NEW && t->result.code != RESULT_OK) {
		task_end(t);
		return;
	}
	switch ((enum task_kind)t->msg.kind) {
	case TASK_PROCESS:
		process_slice(t);
		break;
	case TASK_COPY:
		copy_slice(t);
		break;
	case TASK_CHECK:
		check_slice(t);
		break;
	case TASK_DISCARD:
	case TASK_SWEEP:
		discard_slice(t);
		break;
	case TASK_SPACE:
		space_slice(t);
		break;
	case TASK_SWAP:
		swap_slice(t);
		break;
	case _TASK_KIND_MAX:
		break;
	}
}

void
task_on_front(struct task *t, const struct front_msg *f)
{
	if (t->msg.kind != TASK_PROCESS || t->phase >= PHASE_PUBLISH)
		return;
	if (t->msg.follow && !t->last) { /* a front only moves forward, up to the last */
		t->front = MAX(t->front, f->offset);
		t->last = f->last;
	}
	t->part_wb.want_clean = MAX(t->part_wb.want_clean, MIN(f->flush_to, t->front));
	if (t->phase != PHASE_NEW)
		process_writeback(t);
}

void
task_on_publish(struct task *t)
{
	t->publish_allowed = true;
	if (t->phase == PHASE_READY)
		process_publish(t);
}

void
task_on_cancel(struct task *t)
{
	switch (t->phase) {
	case PHASE_NEW:
		if (t->msg.kind == TASK_DISCARD || t->msg.kind == TASK_SWEEP || t->msg.kind == TASK_SWAP)
			return; /* is itself the end of something */
		break;
	case PHASE_INPUT:
	case PHASE_READY:
		break;
	case PHASE_PUBLISH:
		atomic_store(&t->publish.cancel, true);
		if (t->publish_out)
			return; /* the lane says whether that was in time */
		break;
	case PHASE_LANE:
		t->cancelled = true; /* seen when the piece of a copy comes back */
		return;
	case PHASE_ENDING:
	case PHASE_OVER:
		return;
	}
	task_fail(t, RESULT_CANCELLED, "cancelled");
}

void
task_on_park(struct task *t)
{
	if (t->msg.kind == TASK_PROCESS && t->phase == PHASE_NEW)
		t->checkpoint.parking = true; /* its first slice sees to it */
	else if (t->msg.kind == TASK_PROCESS && (t->phase == PHASE_INPUT || t->phase == PHASE_READY))
		checkpoint_park(t);
	else
		task_on_cancel(t);
}

static struct progress_msg
progress_now(const struct task *t)
{
	if (t->msg.kind == TASK_COPY)
		return (struct progress_msg){ .in = t->copy.done, .out = t->copy.done,
			.flushed = t->copy.clean, .flush_ns = t->copy.wait_ns };
	return (struct progress_msg){ .in = t->consumed, .out = t->out_made,
		.flushed = t->part_wb.clean, .flush_ns = t->part_wb.wait_ns };
}

/* hauld holds transfers until bytes are on the disk: that it has what it asked
 * for is told sooner than the rest. */
static uint64_t
progress_interval_ms(const struct task *t)
{
	const struct writeback *w = &t->part_wb;

	return w->clean > t->told.flushed && w->clean >= w->want_clean ? PROGRESS_FLUSH_MS
								       : PROGRESS_MS;
}

bool
task_tell_progress(struct task *t, uint64_t now)
{
	struct progress_msg p;

	if (t->phase >= PHASE_ENDING || (t->phase == PHASE_LANE && t->lane_jobs))
		return false; /* its numbers may be the lane's just now */
	p = progress_now(t);
	if (p.in == t->told.in && p.out == t->told.out && p.flushed == t->told.flushed)
		return false;
	if (buf_len(&t->env->frames) > FRAMES_MAX)
		return true; /* hauld does not read: it will hear of it later */
	if (now - t->told_ns < progress_interval_ms(t) * NSEC_PER_MSEC)
		return true;
	work_put_progress(&t->env->frames, t->id, &p);
	t->told = p;
	t->told_ns = now;
	t->part_wb.wait_ns = 0;
	t->copy.wait_ns = 0;
	return false;
}

static char *
path_in(const struct task *t, const char *middle, const char *name)
{
	const char *dir = t->names.dir;

	return xasprintf("%s/%s%s%s%s", t->names.root[1] ? t->names.root : "", dir,
	    dir[0] ? "/" : "", middle, name);
}

char *
task_target_path(const struct task *t)
{
	return path_in(t, "", t->names.name);
}

char *
task_haul_path(const struct task *t, const char *name)
{
	return path_in(t, HAUL_DIR "/", name);
}

void
task_count_open(struct task *t)
{
	t->env->opened += !t->counted;
	t->counted = true;
}

bool
task_open_dir(struct task *t, bool haul)
{
	AUTO_FREE char *path = NULL;
	int r = dirs_get(&t->env->dirs, t->names.root, t->names.dir, &t->dir);

	if (r == 0 && haul)
		r = dir_open_haul(t->dir);
	if (r == 0)
		return true;
	path = path_in(t, t->dir ? HAUL_DIR : "", "");
	if (r == -EINVAL)
		task_fail(t, RESULT_PATH_REFUSED, "%s does not stay beneath its root", path);
	else
		task_fail_errno(t, -r, "open", path);
	return false;
}

void
task_fail(struct task *t, enum result_code code, const char *fmt, ...)
{
	char text[RESULT_TEXT_MAX * 2];
	va_list ap;

	if (t->phase >= PHASE_ENDING)
		return; /* the first failure is the one that counts */
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	result_set(&t->result, code, "%s", text);
	task_end(t);
}

void
task_fail_errno(struct task *t, int err, const char *doing, const char *what)
{
	if (t->phase >= PHASE_ENDING)
		return;
	result_set_errno(&t->result, err, doing, what);
	task_end(t);
}

bool
task_digest_mismatch(struct task *t, const struct digest_set *s, const struct digest *want,
    unsigned n, const char *whose)
{
	char a[2 * DIGEST_MAX_SIZE + 1], b[2 * DIGEST_MAX_SIZE + 1];
	const struct digest *is = NULL, *should = digest_set_mismatch(s, want, n, &is);

	if (!should)
		return false;
	hex_encode(is->bytes, is->len, a);
	hex_encode(should->bytes, should->len, b);
	task_fail(t, RESULT_CHECKSUM_MISMATCH, "%s%s is %s, not %s", whose,
	    digest_algo_to_string(should->algo), a, b);
	return true;
}

void
task_send_result(struct task *t, enum work_msg_type type)
{
	const struct digest_set *out = t->decoder || t->out_digests.n ? &t->out_digests
								      : &t->in_digests;
	struct result_msg m = {
		.result = t->result,
		.in = t->msg.kind == TASK_COPY ? t->copy.done : t->consumed,
		.out = t->msg.kind == TASK_COPY ? t->copy.done : t->out_made,
		.ms = (clock_now_ns() - t->start_ns) / NSEC_PER_MSEC,
		.inode = t->inode,
		.codec = (uint8_t)(t->codec == CODEC_AUTO ? CODEC_OFF : t->codec),
		.several = t->decoder && decoder_has_several(t->decoder),
	};

	m.n_in = digest_set_report(&t->in_digests, t->msg.in, t->msg.n_in, m.in_digest);
	m.n_out = digest_set_report(out, t->msg.out_digest, t->msg.n_out, m.out_digest);
	work_put_result(&t->env->frames, t->id, type, &m);
}

void
task_submit(struct task *t, struct lane *lane, struct lane_job *job)
{
	t->lane_jobs++;
	lane_submit(lane, job);
}

/* Nothing of the task is anywhere else any more. */
static void
let_go(struct task *t)
{
	if (t->phase != PHASE_ENDING || t->lane_jobs)
		return;
	fd_close(&t->part_fd);
	fd_close(&t->out_fd);
	if (t->msg.remove_dir && t->dir &&
	    unlinkat(t->dir->fd, HAUL_DIR, AT_REMOVEDIR) == 0) /* else others are in it */
		dirs_forget(&t->env->dirs, t->dir);
	t->env->opened -= t->counted;
	t->counted = false;
	t->phase = PHASE_OVER;
	task_send_result(t, WORK_RESULT);
}

/* A decoded file that will not be published goes, once the writer is done with
 * it.  Jobs of the sync lane run in their order: this one comes behind those. */
static void
drop_out(struct task *t)
{
	if (!t->out_exists || t->result.code == RESULT_OK || t->pieces_out)
		return;
	t->out_exists = false;
	if (t->out_written > SMALL_FILE || t->lane_jobs)
		discard_submit(t, TAKE_FD(t->out_fd), t->names.out, "", "");
	else
		(void)unlinkat(t->dir->haul_fd, t->names.out, 0); /* else it is swept later */
}

void
task_returned(struct task *t)
{
	assert(t->lane_jobs > 0);
	t->lane_jobs--;
	if (t->phase == PHASE_ENDING)
		drop_out(t);
	let_go(t);
}

void
task_end(struct task *t)
{
	assert(t->phase < PHASE_ENDING);
	t->phase = PHASE_ENDING;
	drop_out(t);
	let_go(t);
}
