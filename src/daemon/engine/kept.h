/*
 * Downloads that were begun and stand still: their part and its map (DESIGN 2.8)
 * lie beside the destination, and no struct download has them.  They were found
 * by a sweep, or are of a job that is paused.  Only engine.c's own files see this.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "daemon/engine/engine.h"

struct kept {
	uint64_t id;         /* the job's */
	unsigned generation;
	char *root, *dir;    /* owned: where the destination is */
	char *base;          /* owned: name in .haul/, up to its last dot */
	char *url, *etag;    /* owned; etag NULL: modified counts */
	int64_t modified;
	uint64_t size, inode, front;
	bool published;      /* the file stands under its name; only the job's end is missing */
	uint64_t in, out;    /* of a published one */
	enum codec codec;
};

void kept_init(struct engine *e);
void kept_done(struct engine *e);
/* Takes k, of a sweep; one that no job can use is thrown away. */
void kept_add(struct engine *e, struct kept *k);
/* The same, of a job that stands still from now on. */
void kept_put(struct engine *e, struct kept *k);
/* The job begins: what is kept of it, the caller's now; NULL: nothing. */
struct kept *kept_take(struct engine *e, uint64_t id);
/* The same, and it stays. */
struct kept *kept_find(const struct engine *e, uint64_t id);
void kept_free(struct kept *k);
/* The job ended: its files go. */
void kept_discard(struct engine *e, uint64_t id);

struct download;
struct entry;
struct result;

/* Something else than a client ends a job that has not begun in this life: if its file was
 * published in an earlier one it is done, whatever *r says; while its directory is swept that is
 * not known, and it ends afterwards.  false: neither, it is the caller's to end. */
bool kept_ends(struct entry *en, const struct result *r);
/* The sweep that it waited for with kept_ends() is over. */
void kept_ended(struct download *d);
