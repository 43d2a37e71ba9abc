/*
 * Opened directories: a destination beneath its root, and the .haul directory in
 * it.  Everything a worker does to files goes through these descriptors and one
 * component names, so that no path from outside is ever resolved as a whole
 * (THREATS 1.2: traversal, symlink races, mount crossing).
 *
 * Ten thousand small files go to few directories, so the last ones are kept
 * open.  A kept one is asked whether it is in its place: somebody may have moved
 * the directory away meanwhile, and the file must not follow it there.
 * Main thread only; the sync lane uses the descriptors of a struct dir that its
 * task holds.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "base/list.h"

#define HAUL_DIR ".haul"

enum {
	DIRS_KEPT = 32,
	HAUL_MAKES_MAX = 100, /* tries to have a .haul that others remove */
};

struct dir {
	struct list link;
	unsigned refs;
	char *root, *path; /* owned: what it was opened by */
	int fd;            /* the destination's directory; owned */
	int haul_fd;       /* its .haul; -1 until dir_open_haul(); owned */
	dev_t dev;         /* what it is, to see whether it is in its place */
	ino_t inode;
	_Atomic bool anchored; /* the names that lead to it are on the disk */
};

struct dirs {
	struct list kept; /* the last used first */
	unsigned len;
};

void dirs_init(struct dirs *d);
void dirs_done(struct dirs *d);
/* The directory `path` beneath `root` ("" is the root), with a reference for the
 * caller; 0 or -errno (ELOOP, EXDEV: it leads elsewhere; EINVAL: has ".."). */
int dirs_get(struct dirs *d, const char *root, const char *path, struct dir **ret) MUST_CHECK;
/* Forgets a directory, so that the next dirs_get() opens it again. */
void dirs_forget(struct dirs *d, struct dir *dir);

/* Opens dir's .haul if it is not open yet; 0 or -errno. */
int dir_open_haul(struct dir *dir) MUST_CHECK;
/* Syncs the directory and, once, those above it up to the root: hauld may have made
 * them just now, and a name is lost with the name of its directory.  Waits for the
 * disk; 0 or -errno.  For the sync lane, too. */
int dir_sync(struct dir *dir) MUST_CHECK;
void dir_unref(struct dir *dir); /* NULL is fine */

/* What openat2() does, step by step, for kernels before 5.6 and valgrind: path
 * has no "..".  A new descriptor, or -errno. */
int dirs_walk(int root_fd, const char *path) MUST_CHECK;

/* True for one component that is no ".", ".." and fits in a directory. */
bool name_is_safe(const char *name);
