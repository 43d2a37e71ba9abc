/*
 * Destinations: the roots beneath which they lie, and the directories that
 * hold them, opened with openat2 so that no symlink and no mount leads out.
 * A directory in use has a .haul/ (mode 0700) for its part files; it is made
 * when the first part needs it and removed when the last has gone.
 * Callers: stage/part, engine.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cursor.h"
#include "base/list.h"
#include "model/result.h"

enum { ROOTS_MAKES_MAX = 100 }; /* tries to have a directory that others remove */

struct roots;

/* A directory that holds destinations; counted. */
struct dest_dir {
	struct list link; /* in roots: all of them */
	struct roots *roots; /* borrowed */
	unsigned refs;
	uint64_t hash;
	char *root;  /* owned: path of the root */
	char *rel;   /* owned: relative to the root, "" for itself */
	int fd;      /* owned: the directory */
	int haul_fd; /* owned: its .haul/ */
	dev_t dev;   /* filesystem of the part files */
	ino_t inode; /* of the directory, to see whether it is in its place */
	bool forgotten; /* it is not any more */
};

struct roots *roots_new(void);
void roots_free(struct roots *r);
/* Opens and probes the directory; false fills *why. */
bool roots_add(struct roots *r, const char *path, struct result *why);
/* The i-th of them in the order they were added, as it was then: its path (borrowed)
 * and its filesystem.  NULL: there are fewer. */
const char *roots_at(const struct roots *r, unsigned i, dev_t *ret_dev);
/* The root that a destination lies beneath, and its filesystem.  NULL: none. */
const char *roots_of(const struct roots *r, const char *path, dev_t *ret_dev);
/* The same, with its directory beneath that root and its last component, borrowed from path. */
const char *roots_split(const struct roots *r, const char *path, struct text *ret_dir, const char **ret_name);
/*
 * The directory of an absolute destination path, made if it is missing, with
 * its .haul/; *ret_name is the last component (borrowed from path).  What stands
 * there now, whatever was opened by that path before; also at the root, but for a
 * mount point that is none any more: then it would be on another filesystem.  false:
 * *why says what is wrong (path-refused, disk-full, write).
 */
bool roots_get_dir(struct roots *r, const char *path, struct dest_dir **ret, const char **ret_name,
    struct result *why);
struct dest_dir *dest_dir_ref(struct dest_dir *d);
/* Makes and opens the .haul/ anew after it was removed: 0 or -errno. */
int dest_dir_renew(struct dest_dir *d) MUST_CHECK;
/* Removes a file of .haul/, as the last resort when no worker can. */
void dest_dir_unlink(struct dest_dir *d, const char *name);
/* The .haul/ of a directory without users goes with roots_tidy(). */
void dest_dir_unref(struct dest_dir *d);
/* Removes what is not in use: to be called now and then, and at the end. */
void roots_tidy(struct roots *r);
