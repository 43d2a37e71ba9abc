/* Jobs and the room on their filesystems; see space.h. */
#include "daemon/engine/space.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "daemon/engine/hook.h"
#include "daemon/engine/room.h"
#include "daemon/engine/work.h"
#include "model/algo.h"

enum {
	PROBE_ENOUGH = 1 << 20, /* so much in the file: the disk takes bytes again */
	WORTH_IT = 64 << 10,    /* as in resume.c */
};

static struct room *
get_room(struct download *d)
{
	if (!d->room)
		d->room = room_of(d->engine, d->output);
	return d->room;
}

/* The disk itself has said so, and not we. */
static bool
is_refusal(const struct download *d, const struct result *r)
{
	return !d->presumed && (r->os_error == ENOSPC || r->os_error == EDQUOT);
}

/* ---- Words -------------------------------------------------------------------- */

static void
say_short(const struct room *room, struct result *why)
{
	char a[24], b[24];

	result_set(why, RESULT_DISK_FULL, "%s are free on the filesystem of %s, and min-free keeps %s",
	    format_size(a, sizeof a, space_free_now(&room->space)), room->root,
	    format_size(b, sizeof b, space_kept(&room->space)));
	why->os_error = 0;
}

/* A write of another job has failed. */
static void
say_full(const struct room *room, struct result *why)
{
	result_set(why, RESULT_DISK_FULL, room->quota ? "a quota on the filesystem of %s is used up" :
	    "the filesystem of %s is full", room->root);
	why->os_error = room->quota ? EDQUOT : ENOSPC;
}

static void
say_no_fit(const struct room *room, uint64_t need, struct result *why)
{
	char a[24], b[24];

	result_set(why, RESULT_DISK_FULL, "it needs %s more, and the filesystem of %s has room for %s",
	    format_size(a, sizeof a, need), room->root, format_size(b, sizeof b, space_available(&room->space)));
	why->os_error = 0;
}

static void
say_never(const struct room *room, uint64_t total, struct result *why)
{
	char a[24], b[24];

	result_set(why, RESULT_DISK_FULL, "the file has %s, and the whole filesystem of %s has %s",
	    format_size(a, sizeof a, total), room->root, format_size(b, sizeof b, room->space.size));
	why->os_error = 0;
}

/* ---- Waiting ------------------------------------------------------------------ */

bool
space_is_waiting(const struct entry *en)
{
	return en->job.state == JOB_BLOCKED && list_linked(&en->ended);
}

const char *
space_why(const struct entry *en)
{
	return !space_is_waiting(en) ? NULL : en->job.result->os_error == EDQUOT ? "quota" : "disk-space";
}

void
space_leave(struct entry *en)
{
	if (space_is_waiting(en))
		list_remove(&en->ended);
}

static void
say_waits(const struct entry *en, const struct result *r)
{
	log_notice("job waits for room: %s job=%s id=%llu", r->text, log_safe(job_label(&en->job)),
	    (unsigned long long)en->job.id);
	engine_tell_state(en);
}

bool
space_later(struct download *d, const struct result *r)
{
	struct room *room = get_room(d);
	uint64_t front;

	if (r->code != RESULT_DISK_FULL || !room || !d->engine->options.wait_for_room || d->hopeless ||
	    !d->part || !d->size || resume_is_stranger(d))
		return false;
	stage_flush(&d->engine->stage);
	front = part_front(d->part);
	if (front < WORTH_IT || front >= d->size)
		return false;
	part_mend(d->part);
	scheduler_withdraw(d->engine->scheduler, &d->entry->ticket);
	space_give_back(d);
	if (is_refusal(d, r))
		room_refused(room, d->entry, r->os_error == EDQUOT);
	d->result = *r;
	job_set_result(d->job, r);
	(void)retry_same_source(d);
	d->entry->need = d->size - front;
	retry_spare(d);
	d->began_ms = 0; /* nor does the time of its repeats run */
	work_flush(d);
	room_wait(room, d->entry);
	say_waits(d->entry, r);
	return true;
}

/* As much as it wanted, and more than it had when there was no more. */
static uint64_t
need_of(const struct download *d)
{
	uint64_t had = d->job->received + d->unpacked;

	return MAX(d->need, had ? had + 1 : 0);
}

bool
space_park(struct download *d)
{
	struct entry *en = d->entry;
	struct room *room = get_room(d);
	struct result why = d->result;
	bool counted;

	if (why.code != RESULT_DISK_FULL || !room || d->hopeless)
		return false;
	if (is_refusal(d, &why))
		room_refused(room, en, why.os_error == EDQUOT);
	if (!d->engine->options.wait_for_room && !room_others_run(room, d))
		return false;
	counted = d->attempted;
	retry_spare(d);
	en->need = need_of(d);
	if (counted) {
		job_set_result(&en->job, &why);
	} else { /* there may be a million */
		room->why = why;
		job_share_result(&en->job, &room->why);
	}
	room_wait(room, en);
	engine_let_go(d);
	if (counted)
		say_waits(en, &why);
	return true;
}

/* ---- May it? ------------------------------------------------------------------ */

bool
space_may_start(struct download *d)
{
	struct room *room = get_room(d);
	struct result why = { 0 };

	if (!room)
		return true;
	room_look_if_old(room);
	/* Nobody has looked whether it still is: this one does. */
	if (room->full && !room->probe && !room_has_waiting(room))
		room->probe = d->job->id;
	if (space_is_short(&room->space))
		say_short(room, &why);
	else if (room->full && room->probe != d->job->id)
		say_full(room, &why);
	d->presumed = why.code != RESULT_OK;
	if (!d->presumed)
		return true;
	/* One that can go on keeps what it has. */
	if (!space_later(d, &why))
		work_failed(d, &why);
	return false;
}

/* Bytes that are to come: of the download, and as many of the output of a packed
 * one, which is hardly ever smaller.  Of "auto" nobody knows whether it is packed. */
static uint64_t
needed(const struct download *d)
{
	enum codec codec = (enum codec)spec_number(d->job->spec, JOB_DECOMPRESS);
	uint64_t most = spec_number(d->job->spec, JOB_MAX_UNCOMPRESSED), out = d->total, all;

	if (codec == CODEC_OFF || codec == CODEC_AUTO)
		out = 0;
	if (most)
		out = MIN(out, most);
	out -= MIN(out, d->unpacked);
	if (__builtin_add_overflow(d->total - MIN(d->fronted, d->total), out, &all))
		all = UINT64_MAX;
	return all;
}

static bool
admit(struct room *room, struct download *d, struct result *why)
{
	space_give_back(d);
	d->need = needed(d);
	if (space_never_fits(&room->space, d->total)) {
		d->hopeless = true;
		say_never(room, d->total, why);
		return false;
	}
	/* Of unknown size: as long as there is any room that nobody has claimed. */
	if (!space_fits(&room->space, d->need ? d->need : 1)) {
		say_no_fit(room, d->need, why);
		return false;
	}
	d->admitted = !room_is_old(room);
	space_claim(&room->space, &d->claim, d->need);
	return true;
}

bool
space_admit(struct download *d, struct result *why)
{
	struct room *room = get_room(d);

	d->fronted = d->rest.start;
	d->admitted = false;
	return !room || admit(room, d, why);
}

void
space_give_back(struct download *d)
{
	if (d->room)
		space_claim(&d->room->space, &d->claim, 0);
}

void
space_front(struct download *d, uint64_t front)
{
	struct room *room = d->room;

	if (!room || front <= d->fronted)
		return;
	space_wrote(&room->space, &d->claim, front - d->fronted);
	d->fronted = front;
	if (room->probe == d->job->id && front - d->rest.start >= PROBE_ENOUGH)
		room_opened(room);
}

void
space_unpacked(struct download *d, uint64_t made)
{
	if (d->room && made > d->unpacked && spec_number(d->job->spec, JOB_DECOMPRESS) > CODEC_AUTO)
		space_wrote(&d->room->space, &d->claim, made - d->unpacked);
}

/* ---- New numbers -------------------------------------------------------------- */

/* Those that receive stop where they are. */
static void
stop_transfers(struct room *room)
{
	struct result why = { 0 };
	struct download *d;

	say_short(room, &why);
	LIST_FOREACH(d, &room->engine->active, struct download, link)
		if (d->room == room && d->transfer)
			transfer_fail(d->transfer, &why);
}

/* Those whose header came before there were numbers to judge it by. */
static void
judge_late(struct room *room)
{
	struct download *d;

	LIST_FOREACH(d, &room->engine->active, struct download, link) {
		struct result why = { 0 };

		if (d->room == room && d->transfer && !d->admitted && d->job->phase == PHASE_DOWNLOAD &&
		    !admit(room, d, &why))
			transfer_fail(d->transfer, &why);
	}
}

void
space_looked(struct room *room)
{
	if (space_is_short(&room->space))
		stop_transfers(room);
	else
		judge_late(room);
}

void
space_tick(struct engine *e)
{
	struct download *d;

	LIST_FOREACH(d, &e->active, struct download, link)
		if (d->transfer && d->room)
			room_look_if_old(d->room);
}
