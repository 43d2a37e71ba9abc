/*
 * The bound on bytes that were received and are not on the disk yet, for each
 * filesystem.  Above it the transfers of that filesystem are held, because a
 * pwrite into a full page cache sleeps for hundreds of milliseconds when the
 * kernel throttles (balance_dirty_pages).  The bound adapts: what the disk
 * takes in DIRTY_SECONDS, and never near the kernel's own threshold, to which
 * the unwritten bytes of other programs and of published files count too.  Parts
 * of up to PART_WRITE_MAX are not charged: no worker follows them.
 * Callers: stage/part (accounting), engine (holding).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct dirty;

/* limit: bytes per filesystem, 0: adaptive. */
struct dirty *dirty_new(uint64_t limit);
void dirty_free(struct dirty *d);
void dirty_add(struct dirty *d, dev_t dev, uint64_t bytes);
/* Bytes reached the disk, or their file went; wait_ns > 0: this is how long the
 * disk took for them, which teaches its speed. */
void dirty_sub(struct dirty *d, dev_t dev, uint64_t bytes, uint64_t wait_ns);
/* Above the bound: hold.  Holding ends at three quarters of it. */
bool dirty_is_full(struct dirty *d, dev_t dev);
/* Up to where a part should be written back now, of which the bytes up to
 * flushed are and those up to front could be. */
uint64_t dirty_flush_to(struct dirty *d, dev_t dev, bool durable, uint64_t flushed, uint64_t front);
/* Bytes that a decoder's output may have unwritten. */
uint64_t dirty_output_max(const struct dirty *d, dev_t dev, bool durable);
/* For status: bytes unflushed and the bound. */
uint64_t dirty_bytes(const struct dirty *d, dev_t dev, uint64_t *ret_limit);
