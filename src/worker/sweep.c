/* Parts of earlier lives; see sweep.h. */
#include "worker/sweep.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

/* "INSTANCE-LIFE.job.generation.part": the length of "INSTANCE-", 0 when the name
 * is of another kind; *ret_life is the length of "INSTANCE-LIFE.". */
static size_t
instance_length(const char *name, size_t *ret_life)
{
	size_t n = strcspn(name, "-.");
	const char *dot = strchr(name, '.');

	if (n == 0 || name[n] != '-' || !dot)
		return 0;
	*ret_life = (size_t)(dot - name) + 1;
	return n + 1;
}

void
sweep_dir(int haul_fd, const char *part)
{
	size_t life, instance = instance_length(part, &life);
	struct dirent *e;
	DIR *list;
	int fd;

	if (!instance)
		return;
	fd = openat(haul_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	list = fd < 0 ? NULL : fdopendir(fd);
	if (!list) {
		fd_close(&fd);
		return; /* what lies there harms nobody */
	}
	while ((e = readdir(list)))
		if (strncmp(e->d_name, part, instance) == 0 && strncmp(e->d_name, part, life) != 0)
			(void)unlinkat(haul_fd, e->d_name, 0);
	(void)closedir(list);
}
