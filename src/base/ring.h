/*
 * A journal in memory: numbered records, of which the last ones are kept, so
 * many at most and in so many bytes.  A record is found by its number, and
 * the numbers go on: whoever asks for one that is gone sees that it is.  The
 * memory is taken with the first record, and touched only as far as it fills.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct ring_slot {
	uint32_t at, len; /* in data */
};

struct ring {
	uint8_t *data;           /* owned; NULL: nothing was put yet */
	struct ring_slot *slots; /* owned; by number */
	size_t size;             /* of data, bytes */
	size_t n_slots;
	size_t head;             /* where the next record goes */
	uint64_t first, next;    /* numbers: of the oldest that is kept, of the one to come */
};

/* At most bytes (0: it keeps nothing) and records; numbers begin at 1. */
void ring_init(struct ring *r, size_t bytes, size_t records);
void ring_done(struct ring *r);
/* Room for a record of n bytes, aligned for any type, to be filled now; its
 * number is r->next - 1.  NULL: it would never fit, and its number is lost. */
void *ring_put(struct ring *r, size_t n);
/* NULL: that number is gone, or was not given yet.  Borrowed until the next
 * ring_put(). */
const void *ring_get(const struct ring *r, uint64_t number, size_t *ret_n);
