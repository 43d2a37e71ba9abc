/* Write-back of one growing file; see writeback.h. */
#include "worker/writeback.h"

#include <errno.h>
#include <fcntl.h>

#include "base/clock.h"

int
writeback_range(int fd, uint64_t from, uint64_t to, unsigned flags)
{
	if (to <= from)
		return 0;
	if (sync_file_range(fd, (off64_t)from, (off64_t)(to - from), flags) == 0)
		return 0;
	return errno == EINVAL || errno == ESPIPE || errno == ENOSYS || errno == EOPNOTSUPP
	    ? 0 : -errno;
}

/* In the lane. */
static void
run_window(struct lane_job *job)
{
	struct writeback *w = CONTAINER_OF(job, struct writeback, job);
	uint64_t begin = clock_now_ns();

	w->result = writeback_range(w->fd, w->started, w->start_to, SYNC_FILE_RANGE_WRITE);
	if (w->result == 0)
		w->result = writeback_range(w->fd, w->clean, w->wait_to, SYNC_FILE_RANGE_WAIT_BEFORE |
		    SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
	w->ns = clock_now_ns() - begin;
}

void
writeback_init(struct writeback *w, int fd, uint64_t task_id, lane_done_cb done, void *owner)
{
	*w = (struct writeback){
		.fd = fd,
		.window = WRITEBACK_WINDOW,
		.job = { .id = task_id, .run = run_window, .done = done, .owner = owner },
	};
}

bool
writeback_kick(struct writeback *w, struct lane *lane)
{
	if (w->busy || w->error)
		return false;
	if (w->want_start <= w->started && w->want_clean <= w->clean)
		return false;
	w->start_to = MAX(w->want_start, w->started);
	w->wait_to = w->want_clean > w->clean ? MIN(w->want_clean, w->clean + w->window) : w->clean;
	w->busy = true;
	lane_submit(lane, &w->job);
	return true;
}

void
writeback_returned(struct writeback *w)
{
	w->busy = false;
	if (w->result < 0) {
		w->error = w->result;
		return;
	}
	if (w->wait_to > w->clean)
		w->wait_ns += w->ns;
	w->started = MAX(w->start_to, w->wait_to);
	w->clean = w->wait_to;
}
