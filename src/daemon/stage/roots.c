/* Destinations; see roots.h. */
#include "daemon/stage/roots.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"

struct root {
	struct list link;
	char *path; /* owned */
	int fd;     /* owned */
	dev_t dev;
	ino_t inode;
	bool mount; /* a filesystem is mounted there */
};

struct roots {
	struct list all;  /* struct root */
	struct list dirs; /* struct dest_dir */
	struct map by_path;
};

struct dir_key {
	const char *root;
	const char *rel;
	size_t rel_len;
};

static bool
dir_has_key(const void *item, const void *key)
{
	const struct dest_dir *d = item;
	const struct dir_key *k = key;

	return strlen(d->rel) == k->rel_len && memcmp(d->rel, k->rel, k->rel_len) == 0 &&
	    strcmp(d->root, k->root) == 0;
}

static uint64_t
dir_hash(const struct dir_key *k)
{
	return hash_str(k->root) ^ hash_bytes(k->rel, k->rel_len);
}

struct roots *
roots_new(void)
{
	struct roots *r = NEW(struct roots);

	list_init(&r->all);
	list_init(&r->dirs);
	map_init(&r->by_path, dir_has_key);
	return r;
}

/* Nobody finds it any more; those who have it keep it. */
static void
forget(struct dest_dir *d)
{
	struct dir_key k = { d->root, d->rel, strlen(d->rel) };

	if (!d->forgotten)
		(void)map_remove(&d->roots->by_path, d->hash, &k);
	d->forgotten = true;
}

static void
dest_dir_free(struct dest_dir *d)
{
	forget(d);
	list_remove(&d->link);
	fd_close(&d->haul_fd);
	fd_close(&d->fd);
	free(d->root);
	free(d->rel);
	free(d);
}

void
roots_free(struct roots *r)
{
	struct root *root;
	struct dest_dir *d;

	if (!r)
		return;
	LIST_FOREACH(d, &r->dirs, struct dest_dir, link)
		dest_dir_free(d);
	LIST_FOREACH(root, &r->all, struct root, link) {
		fd_close(&root->fd);
		free(root->path);
		free(root);
	}
	map_done(&r->by_path);
	free(r);
}

static bool
is_mount(int fd)
{
	struct statx st;

	return statx(fd, "", AT_EMPTY_PATH, 0, &st) == 0 && st.stx_attributes & STATX_ATTR_MOUNT_ROOT;
}

/* What stands at its path now. */
static bool
open_root(struct root *root, struct result *why)
{
	AUTO_CLOSE int fd = open(root->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct stat st;
	bool mount;

	if (fd < 0 || fstat(fd, &st) < 0) {
		result_set_errno(why, errno, "open the root", root->path);
		return false;
	}
	mount = is_mount(fd);
	if (root->mount && !mount) {
		result_set(why, RESULT_WRITE, "nothing is mounted at the root %s any more: mount it, and retry the job", root->path);
		return false;
	}
	fd_close(&root->fd);
	root->mount = mount;
	root->dev = st.st_dev;
	root->inode = st.st_ino;
	root->fd = TAKE_FD(fd);
	return true;
}

bool
roots_add(struct roots *r, const char *path, struct result *why)
{
	struct root *root = NEW(struct root);

	root->path = xstrdup(path);
	root->fd = -1;
	if (!open_root(root, why)) {
		free(root->path);
		free(root);
		return false;
	}
	list_append(&r->all, &root->link);
	return true;
}

/* It may have been unmounted, moved or made anew: workers go by its path, and so must we. */
static bool
find_again(struct roots *r, struct root *root, struct result *why)
{
	struct dest_dir *d;
	struct stat st;

	if (stat(root->path, &st) == 0 && st.st_dev == root->dev && st.st_ino == root->inode)
		return true;
	if (!open_root(root, why))
		return false;
	log_notice("another directory stands at a root than before root=%s", root->path);
	LIST_FOREACH(d, &r->dirs, struct dest_dir, link)
		if (strcmp(d->root, root->path) == 0)
			forget(d);
	return true;
}

const char *
roots_at(const struct roots *r, unsigned i, dev_t *ret_dev)
{
	struct root *root;

	LIST_FOREACH(root, &r->all, struct root, link)
		if (i-- == 0) {
			*ret_dev = root->dev;
			return root->path;
		}
	return NULL;
}

static struct root *
find_root(const struct roots *r, const char *path, const char **ret_rel)
{
	struct root *root, *best = NULL;
	size_t best_len = 0;

	LIST_FOREACH(root, &r->all, struct root, link) {
		size_t n = strlen(root->path);

		if (strncmp(path, root->path, n) != 0 || n < best_len)
			continue;
		if (n > 0 && root->path[n - 1] == '/')
			n--; /* the root "/" itself */
		if (path[n] != '/')
			continue;
		best = root;
		best_len = n;
	}
	if (best) {
		*ret_rel = path + best_len + 1;
		*ret_rel += strspn(*ret_rel, "/");
	}
	return best;
}

const char *
roots_of(const struct roots *r, const char *path, dev_t *ret_dev)
{
	const char *rel;
	struct root *root = find_root(r, path, &rel);

	if (!root)
		return NULL;
	*ret_dev = root->dev;
	return root->path;
}

/* Its directory, and the last component. */
static struct text
split(const char *rel, const char **ret_name)
{
	const char *slash = strrchr(rel, '/');

	*ret_name = slash ? slash + 1 : rel;
	return (struct text){ rel, slash ? (size_t)(slash - rel) : 0 };
}

const char *
roots_split(const struct roots *r, const char *path, struct text *ret_dir, const char **ret_name)
{
	const char *rel;
	const struct root *root = find_root(r, path, &rel);

	if (!root)
		return NULL;
	*ret_dir = split(rel, ret_name);
	return root->path;
}

/* One component below dir, through no link and no mount point. */
static int
open_beneath(int dir, const char *rel, uint64_t flags)
{
	struct open_how how = {
		.flags = flags | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS,
	};
	int fd = (int)syscall(SYS_openat2, dir, rel, &how, sizeof how);

	return fd < 0 ? -errno : fd;
}

/* Opens one component, making it when it is missing.  main() has set the umask
 * to 022, so the mode is what is asked; a setgid directory hands its bit and
 * group on (mkdir(2)), down to the part files.  Workers, also those of a life that
 * was killed, remove an empty .haul at any time: then it is made again. */
static int
open_or_make(int dir, const char *name, mode_t mode)
{
	int fd = open_beneath(dir, name, O_PATH | O_DIRECTORY);

	for (unsigned i = 0; fd == -ENOENT && i < ROOTS_MAKES_MAX; i++) {
		if (mkdirat(dir, name, mode) < 0 && errno != EEXIST)
			return -errno;
		fd = open_beneath(dir, name, O_PATH | O_DIRECTORY);
	}
	return fd;
}

/* The directory of rel[0..n), each missing part made with 0755. */
static int
open_dirs(int root_fd, const char *rel, size_t n)
{
	AUTO_FREE char *path = xstrndup(rel, n);
	AUTO_CLOSE int at = -1;

	if (n == 0)
		return open_beneath(root_fd, ".", O_RDONLY | O_DIRECTORY);
	at = open_beneath(root_fd, path, O_RDONLY | O_DIRECTORY);
	if (at != -ENOENT)
		return TAKE_FD(at);
	for (char *p = path, *next; p; p = next) {
		int dir = at >= 0 ? at : root_fd, fd;

		next = strchr(p, '/');
		if (next)
			*next++ = '\0';
		fd = open_or_make(dir, p, 0755);
		if (fd < 0)
			return fd;
		fd_close(&at);
		at = fd;
	}
	return open_beneath(at, ".", O_RDONLY | O_DIRECTORY);
}

static void
explain(struct result *why, int err, const char *path, const char *what)
{
	if (err == ELOOP || err == EXDEV)
		result_set(why, RESULT_PATH_REFUSED,
		    "%s of %s leads through a symbolic link or another mount: name the real place in roots", what, path);
	else if (err == EROFS || err == EACCES || err == EPERM)
		result_set(why, RESULT_WRITE, "cannot make %s of %s: %s", what, path, strerror(err));
	else
		result_set_errno(why, err, "open the directory of", path);
	why->os_error = err;
}

static struct dest_dir *
dest_dir_open(struct roots *r, struct root *root, const struct dir_key *k, const char *path, struct result *why)
{
	AUTO_CLOSE int dir = open_dirs(root->fd, k->rel, k->rel_len), haul = -1;
	struct dest_dir *d;
	struct stat st, own;

	if (dir < 0) {
		explain(why, -dir, path, "the directory");
		return NULL;
	}
	haul = open_or_make(dir, ".haul", 0700);
	if (haul < 0 || fstat(haul, &st) < 0 || fstat(dir, &own) < 0) {
		explain(why, haul < 0 ? -haul : errno, path, "the .haul directory");
		(void)unlinkat(dir, ".haul", AT_REMOVEDIR); /* it may be there, and new */
		return NULL;
	}
	d = NEW(struct dest_dir);
	d->roots = r;
	d->hash = dir_hash(k);
	d->root = xstrdup(root->path);
	d->rel = xstrndup(k->rel, k->rel_len);
	d->fd = TAKE_FD(dir);
	d->haul_fd = TAKE_FD(haul);
	d->dev = st.st_dev;
	d->inode = own.st_ino;
	list_append(&r->dirs, &d->link);
	map_add(&r->by_path, d->hash, d);
	return d;
}

/* Somebody may have moved or removed it since: the file must not follow it there. */
static bool
is_in_place(const struct dest_dir *d, const struct root *root)
{
	struct stat st;

	return fstatat(root->fd, *d->rel ? d->rel : ".", &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_dev == d->dev &&
	    st.st_ino == d->inode;
}

bool
roots_get_dir(struct roots *r, const char *path, struct dest_dir **ret, const char **ret_name, struct result *why)
{
	const char *rel, *name;
	struct root *root = find_root(r, path, &rel);
	struct dest_dir *d;
	struct dir_key k;
	struct text dir;

	if (!root) {
		result_set(why, RESULT_PATH_REFUSED, "%s lies beneath none of the roots", path);
		return false;
	}
	if (!find_again(r, root, why))
		return false;
	dir = split(rel, &name);
	k = (struct dir_key){ root->path, dir.at, dir.len };
	d = map_find(&r->by_path, dir_hash(&k), &k);
	if (d && !is_in_place(d, root)) {
		forget(d);
		d = NULL;
	}
	if (!d)
		d = dest_dir_open(r, root, &k, path, why);
	if (!d)
		return false;
	*ret = dest_dir_ref(d);
	*ret_name = name;
	return true;
}

struct dest_dir *
dest_dir_ref(struct dest_dir *d)
{
	d->refs++;
	return d;
}

void
dest_dir_unref(struct dest_dir *d)
{
	if (d)
		d->refs--;
}

int
dest_dir_renew(struct dest_dir *d)
{
	int fd = open_or_make(d->fd, ".haul", 0700);

	if (fd < 0)
		return fd;
	fd_close(&d->haul_fd);
	d->haul_fd = fd;
	return 0;
}

void
dest_dir_unlink(struct dest_dir *d, const char *name)
{
	(void)unlinkat(d->haul_fd, name, 0); /* the sweep will find what stays */
}

void
roots_tidy(struct roots *r)
{
	struct dest_dir *d;

	LIST_FOREACH(d, &r->dirs, struct dest_dir, link) {
		if (d->refs)
			continue;
		/* Fails, rightly, while another instance has parts there. */
		(void)unlinkat(d->fd, ".haul", AT_REMOVEDIR);
		dest_dir_free(d);
	}
}
