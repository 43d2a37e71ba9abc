/*
 * The map beside a part file (DESIGN 2.8): what a later life of the daemon must
 * know to go on with it.  A small ordinary file of records at fixed places,
 * each with a checksum of its own, so that one that was torn counts as not
 * there:
 *
 *   head   once, by hauld: which file of which job this is the beginning of
 *   cell   by hauld, after each write of data: how far the part is written,
 *          which counts for as long as the machine is up
 *   slots  two, by the worker in turns, after a sync: how far the part is on
 *          the disk, and the state of the digests that far or less
 *   end    by the worker, before the renames: what will stand under the name
 *
 * Pure encoding and decoding.  Callers: daemon/stage/part.c (head, cell),
 * worker/checkpoint.c (slots, end), worker/sweep.c (all of it).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/cursor.h"
#include "model/algo.h"

enum {
	PART_MAP_HEAD = 0,      /* places in the file */
	PART_MAP_CELL = 4096,
	PART_MAP_SLOTS = 8192,  /* two of PART_MAP_SLOT_MAX */
	PART_MAP_END = 24576,
	PART_MAP_HEAD_MAX = PART_MAP_CELL - PART_MAP_HEAD, /* bytes of a record */
	PART_MAP_SLOT_MAX = 8192,
	PART_MAP_END_MAX = 1024,
	PART_MAP_MAX = PART_MAP_END + PART_MAP_END_MAX, /* of the file */
};

struct part_map_head { /* texts are borrowed, here and below */
	uint64_t job;
	uint32_t generation;
	uint64_t inode;     /* of the part */
	uint64_t size;      /* of the whole file */
	struct text url;    /* of the job's source, before redirects */
	struct text etag;   /* strong; empty: modified counts */
	int64_t modified;   /* seconds since 1970; -1: none */
};

struct part_map_cell {
	struct text boot;   /* clock_boot_id() */
	uint64_t front;     /* bytes from 0 that are written */
};

struct part_map_slot {
	uint64_t sequence;  /* the greater one counts; 0: there is none */
	uint64_t durable;   /* bytes from 0 that are on the disk */
	uint64_t hashed;    /* bytes that the states are of */
	struct text states; /* of digests, for worker/digest_set.h */
};

struct part_map_end {
	struct text boot;
	bool synced;        /* before it stood under its name */
	struct text name;   /* that name */
	uint64_t inode, size; /* of the file that stands there then */
	uint64_t in;        /* bytes of the download */
	enum codec codec;   /* CODEC_OFF: it is the part */
};

/* Each appends one record; false: it would be too long for its place. */
bool part_map_put_head(struct buf *b, const struct part_map_head *h) MUST_CHECK;
void part_map_put_cell(struct buf *b, const struct part_map_cell *c);
bool part_map_put_slot(struct buf *b, const struct part_map_slot *s) MUST_CHECK;
bool part_map_put_end(struct buf *b, const struct part_map_end *e) MUST_CHECK;
/* Where the slot with this sequence number goes. */
uint64_t part_map_slot_place(uint64_t sequence);

/* From the bytes of the file, n of them, from its first one on: 0, or -EPROTO
 * when that record is not there or damaged.  Texts point into the bytes. */
int part_map_get_head(const void *map, size_t n, struct part_map_head *ret) MUST_CHECK;
int part_map_get_cell(const void *map, size_t n, struct part_map_cell *ret) MUST_CHECK;
/* The newer of the two slots; sequence 0: there is none. */
void part_map_get_slot(const void *map, size_t n, struct part_map_slot *ret);
int part_map_get_end(const void *map, size_t n, struct part_map_end *ret) MUST_CHECK;

/* Bytes of the part that can be relied upon now: those that were written, when
 * the machine was not started anew since, else those that were synced. */
uint64_t part_map_front(const void *map, size_t n, const char *boot);
