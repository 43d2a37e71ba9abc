/* What earlier lives left; see sweep.h. */
#include "worker/sweep.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "wire/part_map.h"
#include "wire/work_msg.h"
#include "worker/dirs.h"

struct sweep {
	int haul_fd;         /* borrowed */
	struct dir *dir;     /* borrowed */
	uint64_t task_id;
	struct buf *found;   /* borrowed */
	unsigned n_found;
};

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

/* The name with another ending; base ends with its dot. */
static const char *
sibling(char *out, size_t size, struct text base, const char *ending)
{
	(void)snprintf(out, size, "%.*s%s", (int)base.len, base.at, ending);
	return out;
}

static void
drop(const struct sweep *s, struct text base, const char *ending)
{
	char name[NAME_MAX + 1];

	(void)unlinkat(s->haul_fd, sibling(name, sizeof name, base, ending), 0);
}

/* The file stands under its name already; only the word of it was lost. */
static bool
was_published(const struct sweep *s, const void *map, size_t n, struct found_msg *f)
{
	const char *boot = clock_boot_id();
	char name[NAME_MAX + 1];
	struct part_map_end end;
	struct stat st;

	if (part_map_get_end(map, n, &end) < 0 || end.name.len >= sizeof name)
		return false;
	/* What was not synced may be anything after the power went. */
	if (!end.synced && (!boot[0] || end.boot.len != strlen(boot) || memcmp(end.boot.at, boot, end.boot.len) != 0))
		return false;
	(void)snprintf(name, sizeof name, "%.*s", (int)end.name.len, end.name.at);
	if (!name_is_safe(name) || fstatat(s->dir->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	f->published = S_ISREG(st.st_mode) && st.st_ino == end.inode && (uint64_t)st.st_size == end.size &&
	    (!end.synced || dir_sync(s->dir) == 0); /* that life may not have come to it */
	f->in = end.in;
	f->out = end.size;
	f->codec = (uint8_t)end.codec;
	return f->published;
}

/* The part is the one that the map is of, and has what the map says. */
static bool
can_go_on(const struct sweep *s, const void *map, size_t n, struct found_msg *f)
{
	char name[NAME_MAX + 1];
	struct stat st;

	f->front = part_map_front(map, n, clock_boot_id());
	return f->front > 0 &&
	    fstatat(s->haul_fd, sibling(name, sizeof name, f->base, "part"), &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISREG(st.st_mode) && st.st_ino == f->inode && st.st_nlink == 1 && (uint64_t)st.st_size >= f->front;
}

static bool
look(struct sweep *s, struct text base, const void *map, size_t n)
{
	struct found_msg f = { .base = base };
	struct part_map_head head;

	if (part_map_get_head(map, n, &head) < 0 || s->n_found == SWEEP_FOUND_MAX)
		return false;
	f.job = head.job;
	f.generation = head.generation;
	f.inode = head.inode;
	f.size = head.size;
	f.url = head.url;
	f.etag = head.etag;
	f.modified = head.modified;
	if (was_published(s, map, n, &f))
		drop(s, base, "part"); /* the packed one, if it was that */
	else if (!can_go_on(s, map, n, &f))
		return false;
	s->n_found++;
	work_put_found(s->found, s->task_id, &f);
	return true;
}

static void
take_map(struct sweep *s, const char *name, struct text base)
{
	AUTO_CLOSE int fd = openat(s->haul_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	AUTO_BUF struct buf map = { 0 };
	ssize_t n = fd < 0 ? -1 : fd_pread_full(fd, buf_reserve(&map, PART_MAP_MAX), PART_MAP_MAX, 0);

	if (n > 0)
		buf_commit(&map, (size_t)n);
	drop(s, base, "out");
	if (look(s, base, buf_bytes(&map), buf_len(&map)))
		return;
	drop(s, base, "part");
	drop(s, base, "map");
}

/* A part stays for its map to decide about, wherever that comes in the list. */
static void
take(struct sweep *s, const char *name)
{
	const char *dot = strrchr(name, '.');
	struct text base = { name, (size_t)(dot + 1 - name) };
	char map[NAME_MAX + 1];

	if (strcmp(dot, ".map") == 0)
		take_map(s, name, base);
	else if (strcmp(dot, ".part") != 0 ||
	    faccessat(s->haul_fd, sibling(map, sizeof map, base, "map"), F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		(void)unlinkat(s->haul_fd, name, 0);
}

void
sweep_dir(struct dir *dir, const char *part, uint64_t task_id, struct buf *found)
{
	struct sweep s = { .haul_fd = dir->haul_fd, .dir = dir, .task_id = task_id, .found = found };
	size_t life, instance = instance_length(part, &life);
	struct dirent *e;
	DIR *list;
	int fd;

	if (!instance)
		return;
	fd = openat(s.haul_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	list = fd < 0 ? NULL : fdopendir(fd);
	if (!list) {
		fd_close(&fd);
		return; /* what lies there harms nobody */
	}
	while ((e = readdir(list)))
		if (strncmp(e->d_name, part, instance) == 0 && strncmp(e->d_name, part, life) != 0)
			take(&s, e->d_name);
	(void)closedir(list);
}
