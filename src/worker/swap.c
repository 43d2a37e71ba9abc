/*
 * TASK_SWAP: a whole set of files becomes a directory, by one rename.  What the set is
 * to hold is said by name: files that were published into the stage, and files that
 * stand in the target already, which are linked.  Everything else in the stage goes
 * before; a directory in the target that nobody knows of is left alone, and then
 * nothing is done.  The exchange is told from its repetition by the stage's inode, for
 * a task may be given out again after its worker died.
 * All of it waits for the disk, so it is the lane's.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/map.h"
#include "base/mem.h"
#include "model/settings.h"
#include "worker/task.h"

struct entry { /* of the names: borrowed */
	const char *name;
	bool staged;
};

struct swap {
	struct swap_job *job;
	int parent, stage, live; /* stage and live owned; live -1: there is none yet */
	struct map by_name;
	struct entry *entries; /* owned */
	size_t n;
};

static bool
fail(struct swap *s, int err, const char *doing, const char *what)
{
	AUTO_FREE char *path = publish_path(s->job->dir, what);

	result_set_errno(&s->job->result, err, doing, path);
	return false;
}

/* Of a file in a directory that stands in the parent. */
static bool
fail_in(struct swap *s, int err, const char *doing, const char *dir, const char *name)
{
	AUTO_FREE char *path = xasprintf("%s/%s", dir, name);

	return fail(s, err, doing, path);
}

static bool
refuse(struct swap *s, const char *what, const char *why)
{
	AUTO_FREE char *path = publish_path(s->job->dir, s->job->name);

	result_set(&s->job->result, RESULT_PATH_REFUSED, "%s %s%s%s", path, why, *what ? ": " : "", what);
	return false;
}

static bool
entry_has_name(const void *item, const void *key)
{
	return strcmp(((const struct entry *)item)->name, key) == 0;
}

/* False: what hauld said makes no sense. */
static bool
read_names(struct swap *s)
{
	const char *at = s->job->names, *end = at + s->job->len;

	map_init(&s->by_name, entry_has_name);
	s->entries = xcalloc(s->job->len / 2 + 1, sizeof s->entries[0]);
	while (at < end) {
		const char *nul = memchr(at, '\0', (size_t)(end - at));
		struct entry *e = &s->entries[s->n];

		if (!nul || (*at != 'S' && *at != 'L') || !name_is_safe(at + 1) ||
		    map_find(&s->by_name, hash_str(at + 1), at + 1))
			return refuse(s, "", "is to hold what is no name");
		*e = (struct entry){ at + 1, *at == 'S' };
		map_add(&s->by_name, hash_str(e->name), e);
		s->n++;
		at = nul + 1;
	}
	return true;
}

static int
open_dir(int at, const char *name)
{
	return openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Calls back for each name in it but "." and ".."; false: that one, or the reading,
 * failed. */
static bool
each_name(struct swap *s, int fd, const char *what, bool (*cb)(struct swap *s, int fd, const char *name))
{
	int copy = open_dir(fd, ".");
	DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
	const struct dirent *e;
	bool good = true;

	if (!d) {
		fd_close(&copy);
		return fail(s, errno, "read", what);
	}
	while (good && (errno = 0, e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			good = cb(s, fd, e->d_name);
	if (good && errno)
		good = fail(s, errno, "read", what);
	(void)closedir(d);
	return good;
}

static bool
is_directory(int fd, const char *name)
{
	struct stat st;

	return fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static bool
drop_file(struct swap *s, int fd, const char *name)
{
	if (unlinkat(fd, name, 0) == 0 || errno == ENOENT)
		return true;
	return fail_in(s, errno, "remove", s->job->stage, name);
}

/* Of .haul: what is left there is of jobs that have ended. */
static bool
drop_haul(struct swap *s, int fd)
{
	AUTO_CLOSE int haul = open_dir(fd, HAUL_DIR);

	if (haul < 0)
		return errno == ENOENT || fail_in(s, errno, "open", s->job->stage, HAUL_DIR);
	if (!each_name(s, haul, HAUL_DIR, drop_file))
		return false;
	return unlinkat(fd, HAUL_DIR, AT_REMOVEDIR) == 0 || fail_in(s, errno, "remove", s->job->stage, HAUL_DIR);
}

/* What is in the stage and in no name, or is to be linked anew. */
static bool
prune_one(struct swap *s, int fd, const char *name)
{
	const struct entry *e = map_find(&s->by_name, hash_str(name), name);

	if (e && e->staged)
		return true;
	if (strcmp(name, HAUL_DIR) == 0)
		return drop_haul(s, fd);
	return drop_file(s, fd, name);
}

/* The group owns files, and no directory that somebody has put there. */
static bool
look_at_one(struct swap *s, int fd, const char *name)
{
	if (strcmp(name, HAUL_DIR) == 0 || !is_directory(fd, name))
		return true;
	return refuse(s, name, "holds a directory, which is no member of its group, and so is not replaced");
}

static ssize_t
copy_by_hand(int from, int to, off_t at)
{
	char block[65536];
	ssize_t n = pread(from, block, sizeof block, at);

	return n > 0 ? pwrite(to, block, (size_t)n, at) : n;
}

/* What is copied may be asked for again after a signal. */
static int
copy_bytes(int from, int to, off_t size)
{
	bool by_hand = false;
	off_t done = 0;

	while (done < size) {
		off_t in = done, out = done;
		ssize_t n = by_hand ? copy_by_hand(from, to, done) :
		    copy_file_range(from, &in, to, &out, (size_t)(size - done), 0);

		if (n > 0)
			done += n;
		else if (n == 0)
			return EIO; /* it has become shorter */
		else if (errno != EINTR && by_hand)
			return errno;
		else if (errno == ENOSPC || errno == EDQUOT || errno == EIO)
			return errno;
		else
			by_hand = errno != EINTR;
	}
	return 0;
}

/* A filesystem without links: the bytes. */
static bool
copy_over(struct swap *s, const char *name)
{
	AUTO_CLOSE int from = openat(s->live, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), to = -1;
	struct timespec times[2];
	struct stat st;
	int err;

	if (from < 0 || fstat(from, &st) < 0 || !S_ISREG(st.st_mode))
		return fail_in(s, from < 0 ? errno : EINVAL, "copy", s->job->name, name);
	to = openat(s->stage, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to < 0)
		return fail_in(s, errno, "create", s->job->stage, name);
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	err = copy_bytes(from, to, st.st_size);
	/* Whoever has put it there: it is hauld's now, and is nobody's to run as hauld. */
	if (!err && (fchmod(to, st.st_mode & 0777) < 0 || futimens(to, times) < 0 || (s->job->sync && fsync(to) < 0)))
		err = errno;
	return !err || fail_in(s, err, "copy", s->job->name, name);
}

static bool
gather(struct swap *s)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct entry *e = &s->entries[i];
		struct stat st;

		if (e->staged) {
			if (fstatat(s->stage, e->name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
				return fail_in(s, ENOENT, "find", e->staged ? s->job->stage : s->job->name, e->name);
			continue;
		}
		if (s->live < 0)
			return fail_in(s, ENOENT, "find", e->staged ? s->job->stage : s->job->name, e->name);
		if (linkat(s->live, e->name, s->stage, e->name, 0) == 0)
			continue;
		if (errno != EPERM && errno != EMLINK && errno != EOPNOTSUPP && errno != ENOSYS)
			return fail_in(s, errno, "link", s->job->name, e->name);
		if (!copy_over(s, e->name))
			return false;
	}
	return true;
}

/* Who could read the old one reads the new one. */
static bool
take_mode(struct swap *s)
{
	struct stat st;

	if (s->live < 0)
		return true;
	if (fstat(s->live, &st) < 0)
		return fail(s, errno, "look at", s->job->name);
	return fchmod(s->stage, st.st_mode & 07777) == 0 || fail(s, errno, "set the mode of", s->job->stage);
}

/* The names that lead to it, too. */
static bool
sync_parent(struct swap *s)
{
	int r = s->job->sync ? dir_sync(s->job->dir) : 0;

	return r == 0 || fail(s, -r, "sync the directory of", s->job->name);
}

/* The old one takes its place again: what is not known to be on the disk is not done. */
static void
exchange_back(struct swap *s)
{
	if (s->live < 0)
		(void)renameat2(s->parent, s->job->name, s->parent, s->job->stage, RENAME_NOREPLACE);
	else
		(void)renameat2(s->parent, s->job->stage, s->parent, s->job->name, RENAME_EXCHANGE);
}

static bool
exchange(struct swap *s)
{
	const char *name = s->job->name, *stage = s->job->stage;

	if (s->job->sync && fsync(s->stage) < 0)
		return fail(s, errno, "sync", stage);
	if (renameat2(s->parent, stage, s->parent, name, s->live < 0 ? RENAME_NOREPLACE : RENAME_EXCHANGE) < 0) {
		if (errno == EINVAL || errno == ENOSYS)
			return refuse(s, "", "cannot be replaced as a whole: its filesystem does not exchange names");
		return fail(s, errno, "exchange", name);
	}
	if (sync_parent(s))
		return true;
	exchange_back(s);
	return false;
}

static uint64_t
inode_of(int fd)
{
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 ? st.st_ino : 0;
}

/* What was there before, or what an earlier life left; old is its inode, 0: not known.
 * Whatever cannot be removed stays until the next time, and so does what somebody has put
 * in its place just before the exchange. */
static void
remove_stage(struct swap *s, uint64_t old)
{
	struct result was = s->job->result;

	fd_close(&s->stage);
	s->stage = open_dir(s->parent, s->job->stage);
	if (s->stage >= 0 && (!old || inode_of(s->stage) == old) && drop_haul(s, s->stage) &&
	    each_name(s, s->stage, s->job->stage, drop_file) &&
	    unlinkat(s->parent, s->job->stage, AT_REMOVEDIR) == 0)
		(void)sync_parent(s); /* behind the end of its members nobody looks for it */
	s->job->result = was;
}

static bool
make_set(struct swap *s)
{
	if (inode_of(s->stage) != s->job->inode)
		return refuse(s, "", "is not replaced: what was fetched for it stands somewhere else now");
	return (s->live < 0 || each_name(s, s->live, s->job->name, look_at_one)) &&
	    each_name(s, s->stage, s->job->stage, prune_one) && gather(s) && take_mode(s) && exchange(s);
}

/* In the lane. */
static void
run_swap(struct lane_job *job)
{
	struct swap s = { .job = CONTAINER_OF(job, struct swap_job, job), .stage = -1, .live = -1 };
	uint64_t old = 0;
	bool done;

	s.parent = s.job->dir->fd;
	s.live = open_dir(s.parent, s.job->name);
	if (s.live < 0 && errno != ENOENT) {
		(void)fail(&s, errno, "open", s.job->name);
		return;
	}
	s.stage = open_dir(s.parent, s.job->stage);
	if (!s.job->len || (s.job->inode && inode_of(s.live) == s.job->inode)) {
		done = sync_parent(&s); /* who exchanged them may have ended before that */
	} else if (s.stage < 0) {
		done = fail(&s, errno, "open", s.job->stage);
	} else {
		old = inode_of(s.live);
		done = read_names(&s) && make_set(&s);
	}
	if (done)
		remove_stage(&s, old);
	map_done(&s.by_name);
	free(s.entries);
	fd_close(&s.live);
	fd_close(&s.stage);
}

static void
on_swapped(struct lane_job *job)
{
	struct task *t = job->owner;

	if (t->swap.result.code != RESULT_OK)
		t->result = t->swap.result;
	task_end(t);
	task_returned(t);
	t->env->changed(t->env, t);
}

void
swap_slice(struct task *t)
{
	task_count_open(t);
	if (!task_open_dir(t, false))
		return;
	t->swap = (struct swap_job){
		.job = { .id = t->id, .run = run_swap, .done = on_swapped, .owner = t },
		.dir = t->dir,
		.name = t->names.name,
		.stage = t->names.part,
		.names = t->swap.names,
		.len = t->swap.len,
		.inode = t->msg.inode,
		.sync = t->msg.fsync != FSYNC_OFF,
	};
	t->phase = PHASE_LANE;
	task_submit(t, t->env->lane, &t->swap.job);
}
