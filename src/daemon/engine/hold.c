/* Transfers that rest for a while: a rate, or a disk that cannot keep up (DESIGN
 * 2.2, 2.3). */
#include "base/clock.h"
#include "daemon/engine/download.h"
#include "daemon/engine/work.h"

static void
set_held(struct download *d)
{
	bool held = d->held_disk || d->held_until_ms;

	if (d->held == held || !d->transfer)
		return;
	d->held = held;
	d->engine->n_held += held ? 1 : (uint64_t)-1;
	transfer_hold(d->transfer, held);
}

void
download_check_hold(struct download *d)
{
	uint64_t now = clock_now_ns(), mine, all;

	list_remove(&d->touched);
	mine = rate_take(&d->rate, d->fresh, now);
	all = rate_take(&d->engine->rate, d->fresh, now);
	d->fresh = 0;
	if (!d->transfer)
		return;
	mine = MAX(mine, all);
	if (mine) {
		d->held_until_ms = clock_now_ms() + mine;
		engine_release_in(d->engine, mine);
	}
	if (d->part && dirty_is_full(d->engine->dirty, part_dir(d->part)->dev)) {
		d->held_disk = true;
		if (!work_is_started(d))
			work_start(d, true); /* someone must write back */
		work_front(d, false);
		engine_release_in(d->engine, DISK_LOOK_MS);
	}
	set_held(d);
}

bool
download_is_due(const struct download *d, uint64_t now_ms)
{
	if (!d->held || d->held_until_ms > now_ms)
		return false;
	return !d->held_disk || !dirty_is_full(d->engine->dirty, part_dir(d->part)->dev);
}

void
download_release(struct download *d)
{
	d->held_until_ms = 0;
	d->held_disk = false;
	set_held(d); /* may end the transfer, and the download */
}
