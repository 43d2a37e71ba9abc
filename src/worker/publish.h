/*
 * Publishing: what makes a verified file appear under its name.  The order is
 * the promise (DESIGN I5, STYLE 4.6): mode and time, sync of the file, rename,
 * sync of the directory and of those above it, and only then the result.  Many small files go through
 * it together with one syncfs() for all.
 *
 * A sync that fails is never repeated: the kernel reports lost writes once, a
 * second fsync() would call them safe.  That file is not renamed.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "model/algo.h"
#include "model/result.h"
#include "worker/dirs.h"
#include "worker/lane.h"

enum {
	PUBLISH_FILES_MAX = 2,
	PUBLISH_SYNCFS_FILES = 8,        /* from so many small files on: syncfs */
	PUBLISH_SYNCFS_BYTES = 1 << 20,  /* what is small */
};

struct publish_file { /* all borrowed from the task */
	int fd;
	int haul_fd;         /* the directory it is in */
	const char *name;    /* in there */
	struct dir *to;
	const char *to_name;
};

struct publish {
	struct lane_job job;
	struct publish_file files[PUBLISH_FILES_MAX]; /* renamed in this order */
	unsigned n_files;
	const char *unlink_name; /* in .haul of the last file, after all; NULL: none */
	int unlink_fd;           /* of that file, -1: none; owned, closed here because
				  * the last close frees its blocks, which takes time */
	uint32_t mode;
	int64_t mtime;           /* INT64_MIN: leave it */
	uint8_t fsync;           /* enum fsync_mode */
	bool no_clobber;
	const char *map_name;    /* in .haul of the last file: the map; NULL: none */
	int map_fd;              /* of the map; borrowed */
	bool drops_map;          /* it goes after all; else it is told before the renames */
	uint64_t in;             /* bytes of the download, for the map */
	enum codec codec;
	const struct buf *seen;  /* what the files remember (wire/seen.h); borrowed; NULL or empty: nothing */
	_Atomic bool cancel;     /* counts until the first rename */

	bool renamed;            /* the last file stands under its name */
	uint64_t inode;          /* of the last file */
	struct result result;
	/* Used while it runs. */
	struct publish_sync { uint64_t dev, inode, size; bool synced; } sync[PUBLISH_FILES_MAX];
};

/* Publishes all of them; each gets its result.  In the lane, or without one
 * (lane NULL) when nothing in them waits for a disk. */
void publish_batch(struct lane *lane, struct publish **all, unsigned n);
/* The same for the lane: jobs are the `job` members. */
void publish_batch_jobs(struct lane *lane, struct lane_job **jobs, unsigned n);
/* root/dir/name for people; newly allocated. */
char *publish_path(const struct dir *dir, const char *name);
