/* Transfers that rest for a while: a rate, or a disk that cannot keep up (DESIGN
 * 2.2, 2.3).  Whose turn it is at a rate is rate.c's to say. */
#include "base/clock.h"
#include "daemon/engine/download.h"
#include "daemon/engine/limits.h"
#include "daemon/engine/work.h"

enum {
	DISK_LOOK_MS = 20,   /* between looks whether a full disk has caught up */
	RELEASE_MS = 5,      /* that releases may take in one turn */
};

/* The timer rings when the next one's turn comes. */
void
hold_arm(struct engine *e)
{
	uint64_t due = rates_due_ns(&e->rates), now;

	if (due == UINT64_MAX || (e->release.set && e->release_ns <= due))
		return;
	now = clock_now_ns();
	e->release_ns = due;
	loop_timer_set(&e->release, due > now ? (due - now + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC : 0);
}

static void
set_held(struct download *d)
{
	bool held = list_linked(&d->disk_held) || rate_flow_waits(&d->flow);

	if (d->held == held || !d->transfer || (rate_flow_waits(&d->flow) && resume_alone(d)))
		return;
	d->held = held;
	transfer_hold(d->transfer, held);
}

/* Nothing holds it any more, perhaps: it goes on, or begins at last. */
static void
settle(struct download *d)
{
	if (!d->starting) {
		set_held(d);
		return;
	}
	if (rate_flow_waits(&d->flow))
		return;
	d->starting = false;
	d->may_start = true;
	download_fetch(d);
}

static void
check_disk(struct download *d)
{
	if (!d->part || !dirty_is_full(d->engine->dirty, part_dir(d->part)->dev))
		return;
	if (!list_linked(&d->disk_held))
		list_append(&d->engine->disk_held, &d->disk_held);
	if (!work_is_started(d))
		work_start(d, true); /* someone must write back */
	work_front(d, false);
	if (!d->engine->disk_look.set)
		loop_timer_set(&d->engine->disk_look, DISK_LOOK_MS);
}

static void
check_hold(struct download *d)
{
	list_remove(&d->touched);
	(void)rate_flow_take(&d->engine->rates, &d->flow, d->fresh, clock_now_ns());
	d->fresh = 0;
	if (d->transfer)
		check_disk(d);
	else if (!d->starting)
		rate_flow_leave(&d->engine->rates, &d->flow);
	hold_arm(d->engine);
	settle(d);
}

/* Each may end transfers, and with them any download. */
void
hold_check_touched(struct engine *e)
{
	while (!list_empty(&e->touched))
		check_hold(LIST_FIRST(&e->touched, struct download, touched));
}

void
hold_touch(struct download *d)
{
	if (!list_linked(&d->touched))
		list_append(&d->engine->touched, &d->touched);
}

bool
hold_start(struct download *d)
{
	struct engine *e = d->engine;

	if (d->may_start) {
		d->may_start = false;
		return false;
	}
	limits_join(d);
	d->starting = rate_flow_take(&e->rates, &d->flow, 0, clock_now_ns());
	hold_arm(e);
	return d->starting;
}

void
hold_leave(struct download *d)
{
	rate_flow_leave(&d->engine->rates, &d->flow);
	hold_arm(d->engine); /* what was put aside for it is the others' */
	list_remove(&d->disk_held);
	list_remove(&d->touched);
	d->held = d->starting = d->may_start = false;
}

/* A release may end transfers, and with them any download: so whose turn it is, is
 * asked anew behind each. */
static void
on_release(void *arg)
{
	struct engine *e = arg;
	uint64_t now = clock_now_ns(), until = now + RELEASE_MS * NSEC_PER_MSEC;
	struct rate_flow *f;

	while (now < until && (f = rates_next(&e->rates, now))) {
		settle(CONTAINER_OF(f, struct download, flow));
		now = clock_now_ns();
	}
	hold_arm(e);
}

/* The same, once around the list. */
static void
on_disk_look(void *arg)
{
	struct engine *e = arg;
	uint64_t look = ++e->disk_looks;

	while (!list_empty(&e->disk_held)) {
		struct download *d = LIST_FIRST(&e->disk_held, struct download, disk_held);

		if (d->disk_look == look)
			break;
		d->disk_look = look;
		list_remove(&d->disk_held);
		if (dirty_is_full(e->dirty, part_dir(d->part)->dev))
			list_append(&e->disk_held, &d->disk_held);
		else
			set_held(d);
	}
	if (!list_empty(&e->disk_held))
		loop_timer_set(&e->disk_look, DISK_LOOK_MS);
}

void
hold_init(struct engine *e)
{
	rates_init(&e->rates);
	list_init(&e->touched);
	list_init(&e->disk_held);
	loop_timer_init(&e->release, e->loop, "release", on_release, e);
	loop_timer_init(&e->disk_look, e->loop, "look at disks", on_disk_look, e);
}

void
hold_done(struct engine *e)
{
	loop_timer_done(&e->release);
	loop_timer_done(&e->disk_look);
	rates_done(&e->rates);
}
