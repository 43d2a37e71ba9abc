/* Filesystems and who waits for room on them; see room.h. */
#include "daemon/engine/room.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/engine/space.h"

enum {
	LOOK_MS = 1000,        /* numbers that are older are asked for again, where jobs run */
	SOON_MS = 100,         /* between an event that may have made room and the look for it */
	PAUSE_FIRST_MS = 1000, /* between looks while jobs wait: doubled each time, */
	PAUSE_MOST_MS = 60000, /* up to this */
	EXAMINED_PER_TURN = 64,
	PROBED_PER_LOOK = 1024,
};

/* ---- Finding ------------------------------------------------------------------ */

static void on_again(void *arg);
static void on_releasing(void *arg);

static struct room *
room_find(const struct engine *e, dev_t dev)
{
	struct room *room;

	LIST_FOREACH(room, &e->rooms, struct room, link)
		if (room->dev == dev)
			return room;
	return NULL;
}

static struct room *
room_get(struct engine *e, const char *root, dev_t dev)
{
	struct room *room = room_find(e, dev);

	if (room)
		return room;
	room = NEW(struct room);
	room->engine = e;
	room->root = root;
	room->dev = dev;
	room->pause_ms = PAUSE_FIRST_MS;
	list_init(&room->waiting);
	list_init(&room->asking);
	loop_timer_init(&room->again, e->loop, "room", on_again, room);
	loop_deferred_init(&room->releasing, "room for jobs", on_releasing, room);
	list_append(&e->rooms, &room->link);
	return room;
}

struct room *
room_of(struct engine *e, const char *output)
{
	dev_t dev;
	const char *root = roots_of(e->roots, output, &dev);

	return root ? room_get(e, root, dev) : NULL;
}

/* ---- Looking ------------------------------------------------------------------ */

static void on_looked(const struct result_msg *r, void *arg);
static const struct pool_task_ops look_ops = { .on_result = on_looked };

static void
look(struct room *room)
{
	struct task_msg m = { .kind = TASK_SPACE, .mtime = INT64_MIN };

	if (pool_task_is_busy(&room->look) || room->engine->stopping)
		return; /* it may be a dead filesystem: one is enough */
	m.target.root = (struct text){ room->root, strlen(room->root) };
	room->look_written = room->space.written;
	pool_submit(room->engine->pool, &room->look, &m, false, &look_ops, room);
}

bool
room_is_old(const struct room *room)
{
	return !room->looked_ms || clock_now_ms() - room->looked_ms >= LOOK_MS;
}

void
room_look_if_old(struct room *room)
{
	if (room_is_old(room))
		look(room);
}

static void
on_again(void *arg)
{
	struct room *room = arg;

	room->soon = false;
	look(room);
}

bool
room_has_waiting(const struct room *room)
{
	return !list_empty(&room->waiting) || !list_empty(&room->asking);
}

/* Something ended: perhaps it made room. */
static void
look_soon(struct room *room)
{
	if (room->soon || !room_has_waiting(room))
		return;
	room->soon = true;
	loop_timer_set(&room->again, SOON_MS);
}

/* ---- Waiting ------------------------------------------------------------------ */

void
room_wait(struct room *room, struct entry *en)
{
	list_append(&room->waiting, &en->ended);
	engine_set_state(en, JOB_BLOCKED);
	if (!room->again.set)
		loop_timer_set(&room->again, room->pause_ms);
}

bool
room_others_run(const struct room *room, const struct download *d)
{
	struct download *other;

	LIST_FOREACH(other, &room->engine->active, struct download, link)
		if (other != d && other->room == room)
			return true;
	return false;
}

void
room_refused(struct room *room, const struct entry *en, bool quota)
{
	/* Without a service only those wait that may get the room of others. */
	if (room->engine->options.wait_for_room && (!room->full || room->quota != quota))
		log_warning("%s on the filesystem of %s%s: jobs wait root=%s", quota ? "a quota" : "no room", room->root,
		    quota ? " is used up" : "", room->root);
	room->full = true;
	room->quota = quota;
	if (room->probe == en->job.id)
		room->probe = 0;
}

void
room_opened(struct room *room)
{
	if (room->full)
		log_notice("the filesystem of %s takes bytes again root=%s", room->root, room->root);
	room->full = false;
	room->probe = 0;
	room->pause_ms = PAUSE_FIRST_MS;
	look_soon(room);
}

/* ---- Going on ----------------------------------------------------------------- */

static void
go_on(struct entry *en)
{
	const struct download *d = en->download;

	engine_requeue(en, d ? d->url : retry_first_source(en), 0);
}

/* A run without a service does not wait for somebody else to make room. */
static void
give_up(struct room *room)
{
	while (!list_empty(&room->waiting)) {
		struct entry *en = LIST_FIRST(&room->waiting, struct entry, ended);
		struct result why = *en->job.result;

		engine_end_waiting(en, &why);
	}
}

/* The last look let go on whom it could: for the others the next comes later. */
static void
wait_on(struct room *room)
{
	uint64_t pause = room->pause_ms;

	room->pause_ms = MIN(pause * 2, (uint64_t)PAUSE_MOST_MS);
	if (list_empty(&room->waiting))
		return;
	if (!room->engine->options.wait_for_room && !room->released && !room_others_run(room, NULL)) {
		give_up(room);
		return;
	}
	if (!room->soon)
		loop_timer_set(&room->again, pause);
}

/* Some in each turn: there may be a million. */
static void
on_releasing(void *arg)
{
	struct room *room = arg;

	for (unsigned i = 0; i < EXAMINED_PER_TURN && !list_empty(&room->asking); i++) {
		struct entry *en = LIST_FIRST(&room->asking, struct entry, ended);

		if (en->need <= room->budget && !room->full && !space_is_short(&room->space)) {
			room->budget -= en->need;
			room->pause_ms = PAUSE_FIRST_MS;
			room->released = true;
			go_on(en);
			continue;
		}
		list_remove(&en->ended);
		list_append(&room->waiting, &en->ended);
	}
	if (list_empty(&room->asking))
		wait_on(room);
	else
		loop_defer(room->engine->loop, &room->releasing);
}

/* The disk has refused bytes though it may say that it has room (a quota, inodes):
 * one job tries. */
static void
let_one_try(struct room *room)
{
	for (unsigned i = 0; i < PROBED_PER_LOOK && !list_empty(&room->waiting); i++) {
		struct entry *en = LIST_FIRST(&room->waiting, struct entry, ended);

		if (space_fits(&room->space, en->need)) {
			room->probe = en->job.id;
			room->released = true;
			go_on(en);
			return;
		}
		list_remove(&en->ended);
		list_append(&room->waiting, &en->ended);
	}
}

/* There are new numbers: who may go on? */
static void
consider(struct room *room)
{
	if (!room_has_waiting(room))
		return;
	room->released = false;
	room->budget = room->space.size ? space_available(&room->space) : UINT64_MAX;
	if (!space_is_short(&room->space) && !room->full) {
		list_move_all(&room->asking, &room->waiting);
		loop_defer(room->engine->loop, &room->releasing);
		return;
	}
	if (!space_is_short(&room->space))
		let_one_try(room);
	wait_on(room);
}

static void
on_looked(const struct result_msg *r, void *arg)
{
	struct room *room = arg;
	bool good = r->result.code == RESULT_OK;

	if (room->engine->stopping)
		return;
	if (!good)
		log_warning("%s root=%s", r->result.text, room->root);
	/* Unknown where it cannot be asked: jobs find out by themselves. */
	room->space.min_free = spec_number(room->engine->conf->daemon, DAEMON_MIN_FREE);
	space_measured(&room->space, good ? r->in : 0, good ? r->out : 0, room->look_written);
	room->looked_ms = clock_now_ms();
	space_looked(room);
	consider(room);
	if (room->engine->on_disk)
		room->engine->on_disk(room->engine->on_disk_arg);
}

/* ---- Life --------------------------------------------------------------------- */

void
rooms_job_ended(const struct entry *en)
{
	struct room *room;

	LIST_FOREACH(room, &en->engine->rooms, struct room, link) {
		bool was_probe = room->probe == en->job.id;

		if (was_probe)
			room->probe = 0;
		if (was_probe && en->job.state == JOB_DONE)
			room_opened(room);
		else if (was_probe || (en->download && en->download->room == room))
			look_soon(room);
	}
}

void
rooms_stop(struct engine *e)
{
	struct room *room;

	e->stopping = true;
	LIST_FOREACH(room, &e->rooms, struct room, link) {
		loop_timer_cancel(&room->again);
		if (pool_task_is_busy(&room->look))
			pool_cancel(&room->look);
	}
}

void
rooms_done(struct engine *e)
{
	struct room *room;

	LIST_FOREACH(room, &e->rooms, struct room, link) {
		loop_timer_done(&room->again);
		loop_undefer(&room->releasing);
		free(room);
	}
}

/* ---- For status --------------------------------------------------------------- */

bool
engine_disk(struct engine *e, unsigned i, struct engine_disk *ret)
{
	dev_t dev;
	const char *root = roots_at(e->roots, i, &dev);
	struct room *room;

	if (!root)
		return false;
	room = room_get(e, root, dev);
	*ret = (struct engine_disk){
		.root = root,
		.known = room->space.size > 0,
		.free = space_free_now(&room->space),
		.size = room->space.size,
		.kept = space_kept(&room->space),
		.reserved = room->space.reserved,
		.age_ms = room->looked_ms ? clock_now_ms() - room->looked_ms : 0,
	};
	ret->unflushed = dirty_bytes(e->dirty, dev, &ret->unflushed_max);
	return true;
}

bool
engine_look_at_disks(struct engine *e)
{
	bool waits = false;
	const char *root;
	dev_t dev;

	for (unsigned i = 0; (root = roots_at(e->roots, i, &dev)); i++) {
		struct room *room = room_get(e, root, dev);

		room_look_if_old(room);
		waits |= pool_task_is_busy(&room->look);
	}
	return waits;
}

void
engine_on_disk(struct engine *e, void (*cb)(void *arg), void *arg)
{
	e->on_disk = cb;
	e->on_disk_arg = arg;
}
