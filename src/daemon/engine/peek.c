/* What there is of a download that runs, for those who may read it; see engine.h. */
#include <errno.h>
#include <fcntl.h>

#include "daemon/engine/download.h"

int
engine_open_part(const struct engine *e, uint64_t id)
{
	const struct entry *en = registry_find(&e->jobs, id);
	const struct download *d = en ? en->download : NULL;
	int fd;

	if (!d || !d->part || d->cleaning)
		return -ENOENT;
	/* An open file of its own: ours can be written, and shares its offset and lock. */
	fd = openat(part_dir(d->part)->haul_fd, part_name(d->part), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}
