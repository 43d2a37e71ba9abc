/* Where a job writes to; see download.h. */
#include <fcntl.h>
#include <sys/stat.h>

#include "daemon/engine/download.h"

int
place_is_taken(const struct download *d)
{
	struct stat st;

	if (fstatat(d->dir->fd, d->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return S_ISREG(st.st_mode) ? 1 : 2;
	return 0;
}

bool
place_open(struct download *d, struct result *why)
{
	const char *keep = spec_string(d->job->spec, JOB_KEEP_DOWNLOAD);

	if (!d->dir && !roots_get_dir(d->engine->roots, d->output, &d->dir, &d->name, why))
		return false;
	return !keep || d->keep_dir || roots_get_dir(d->engine->roots, keep, &d->keep_dir, &d->keep_name, why);
}
