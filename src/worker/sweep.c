/* Parts of earlier lives; see sweep.h. */
#include "worker/sweep.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/map.h"
#include "base/str.h"

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

/* Each directory once in the life of this process, as far as memory is worth it:
 * a place is a hash of the path, and who comes later to a place takes it. */
static bool
is_first_look(struct sweep *s, const struct dir *dir)
{
	uint64_t hash = hash_str(dir->root) ^ hash_u64(hash_str(dir->path));
	uint64_t *place = &s->seen[hash % SWEEP_SEEN];

	if (*place == hash)
		return false;
	*place = hash;
	return true;
}

void
sweep_dir(struct sweep *s, const struct dir *dir, const char *part)
{
	size_t life, instance = instance_length(part, &life);
	struct dirent *e;
	DIR *list;
	int fd;

	if (!instance || !is_first_look(s, dir))
		return;
	fd = openat(dir->haul_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	list = fd < 0 ? NULL : fdopendir(fd);
	if (!list) {
		fd_close(&fd);
		return; /* what lies there harms nobody */
	}
	while ((e = readdir(list)))
		if (strncmp(e->d_name, part, instance) == 0 && strncmp(e->d_name, part, life) != 0)
			(void)unlinkat(dir->haul_fd, e->d_name, 0);
	(void)closedir(list);
}
