/*
 * The room on one filesystem, as numbers: what is free, what min-free keeps, and
 * what the jobs that run have claimed and not written yet.  Whoever looks at the
 * disk (a worker) and when is engine/space.c's; here is only arithmetic.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct space {
	uint64_t min_free; /* the setting, bytes */
	uint64_t free;     /* bytes at the last look that are not root's alone */
	uint64_t size;     /* of the filesystem; 0: nobody has looked yet, or it does not say */
	uint64_t reserved; /* claims that are not written yet */
	uint64_t written;  /* by jobs, all the time; wraps */
	uint64_t seen;     /* of `written`: what the last look saw at least */
};

/* What one job still needs; all zero: nothing. */
struct space_claim {
	uint64_t left;
};

/* A look: free and size in bytes, and `written` as it was when it was asked for. */
void space_measured(struct space *s, uint64_t free, uint64_t size, uint64_t written_then);
/* Bytes that are kept free: min-free, or a twentieth of the filesystem where that
 * is less. */
uint64_t space_kept(const struct space *s);
/* Bytes that are free now, as far as one knows. */
uint64_t space_free_now(const struct space *s);
/* Bytes that a job may still claim. */
uint64_t space_available(const struct space *s);
/* Less is free than is to be kept. */
bool space_is_short(const struct space *s);
/* True as well while nothing is known.  Nothing always fits. */
bool space_fits(const struct space *s, uint64_t need);
/* Not even when everything else is removed from it. */
bool space_never_fits(const struct space *s, uint64_t need);
/* From now on it needs that much; what it claimed before is given back. */
void space_claim(struct space *s, struct space_claim *c, uint64_t need);
/* n bytes of it were written. */
void space_wrote(struct space *s, struct space_claim *c, uint64_t n);
