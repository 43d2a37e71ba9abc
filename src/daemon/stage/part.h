/*
 * Part files: where received bytes go, .haul/INSTANCE.JOB.GENERATION.part
 * under flock, a new inode for every restart from zero.  Bytes are gathered
 * and written with pwrite, at most PART_WRITE_MAX each; the contiguous front
 * follows the writes.  Callers: engine (make, write), xfer never.
 *
 * Writing completes by callback, so that it can leave the loop.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "daemon/stage/dirty.h"
#include "daemon/stage/roots.h"
#include "wire/part_map.h"

enum { PART_WRITE_MAX = 256 * 1024 };

struct part;

struct part_ops {
	/* Bytes up to front are in the file. */
	void (*on_front)(uint64_t front, void *arg);
	/* A write failed; nothing more will be written. */
	void (*on_error)(const struct result *why, void *arg);
};

/* What all parts of one daemon share. */
struct stage {
	struct roots *roots;  /* borrowed */
	struct dirty *dirty;  /* borrowed */
	char instance[32];    /* of the names: hexadecimal, "-" and the life */
	bool has_lives;       /* a later one may go on with the parts of this one */
	struct part *gathering; /* whose bytes are in the buffer */
	uint8_t *buffer;      /* owned: PART_WRITE_MAX bytes */
	size_t gathered;
};

/* instance: 16 hexadecimal digits that a service keeps, so that it knows its
 * parts of earlier lives; NULL: a new one that has one life. */
void stage_init(struct stage *s, struct roots *roots, struct dirty *dirty, const char *instance);
void stage_done(struct stage *s);

/* A new, empty, locked part file in the directory (gets a reference). false:
 * *why. */
bool part_new(struct stage *s, struct dest_dir *dir, uint64_t job_id, unsigned generation,
    const struct part_ops *ops, void *arg, struct part **ret, struct result *why);
/* A part of an earlier life, and its map. */
struct part_kept {
	const char *part_name, *map_name; /* in .haul/ */
	uint64_t inode, front;
};
/* It becomes the part of this job and generation.  part_has_failed() when it
 * cannot be gone on with: then it is to be thrown away like any other. */
struct part *part_adopt(struct stage *s, struct dest_dir *dir, uint64_t job_id, unsigned generation,
    const struct part_kept *k, const struct part_ops *ops, void *arg);
/* From now on what a later life needs is kept beside it; the head's inode is
 * filled in here.  Nothing when there will be no later life.  It may fail, which
 * costs that life a download. */
void part_begin_map(struct part *p, const struct part_map_head *h);
/* The same head but for what the part is of: its url is another one now. */
void part_change_map(struct part *p, const struct part_map_head *h);
/* In .haul/; "" when none was made. */
const char *part_map_name(const struct part *p);
/* It tells of all that was written: up to now, from now on up to 64 KiB less. */
bool part_map_is_true(struct part *p);
/* The name of a part that a worker will make (TASK_COPY): nothing is written
 * through it, part_set_inode() tells what was made. */
struct part *part_plan(struct stage *s, struct dest_dir *dir, uint64_t job_id, unsigned generation);
void part_set_inode(struct part *p, uint64_t inode);
/* Nothing more will be written: the descriptor goes, so that the last to let
 * go of the blocks, when the file is unlinked, is a worker and not the loop. */
void part_seal(struct part *p);
/* The descriptor goes; the file stays (a worker or the sweep removes it). */
void part_free(struct part *p);
/* Appends n bytes behind the last ones. Callbacks may come from in here or
 * from stage_flush(). */
void stage_write(struct part *p, const void *data, size_t n);
/* A write failed: what comes now is dropped. */
bool part_has_failed(const struct part *p);
/* What failed may be tried again: bytes come behind the front, as before. */
void part_mend(struct part *p);
/* Writes what is gathered: the bytes of one turn leave in one pwrite. */
void stage_flush(struct stage *s);
/* Forgets what is gathered for this part. */
void part_stop(struct part *p);

const char *part_name(const struct part *p);     /* in .haul/ */
const char *part_out_name(const struct part *p); /* for the decoded file */
uint64_t part_front(const struct part *p);
uint64_t part_unflushed(const struct part *p); /* bytes of it that are not on the disk */
uint64_t part_inode(const struct part *p);
struct dest_dir *part_dir(const struct part *p); /* borrowed */
/* The worker says that bytes up to here are on the disk, and how long it
 * waited for that. */
void part_flushed(struct part *p, uint64_t upto, uint64_t wait_ns);
/* Up to where the worker should write back now. */
uint64_t part_flush_to(const struct part *p, bool durable);
