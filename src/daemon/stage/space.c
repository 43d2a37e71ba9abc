/* The room on one filesystem; see space.h. */
#include "daemon/stage/space.h"

#include "base/cleanup.h"

enum { KEPT_SHARE = 20 }; /* min-free is at most a 20th: 5 % */

void
space_measured(struct space *s, uint64_t free, uint64_t size, uint64_t written_then)
{
	s->free = free;
	s->size = size;
	s->seen = written_then;
}

uint64_t
space_kept(const struct space *s)
{
	return MIN(s->min_free, s->size / KEPT_SHARE);
}

uint64_t
space_free_now(const struct space *s)
{
	return s->free - MIN(s->free, s->written - s->seen);
}

uint64_t
space_available(const struct space *s)
{
	uint64_t left = space_free_now(s);

	left -= MIN(left, space_kept(s));
	return left - MIN(left, s->reserved);
}

bool
space_is_short(const struct space *s)
{
	return s->size && space_free_now(s) < space_kept(s);
}

bool
space_fits(const struct space *s, uint64_t need)
{
	return !s->size || !need || need <= space_available(s);
}

bool
space_never_fits(const struct space *s, uint64_t need)
{
	return s->size && need > s->size - space_kept(s);
}

void
space_claim(struct space *s, struct space_claim *c, uint64_t need)
{
	s->reserved -= c->left;
	c->left = need;
	/* Announced numbers are anything: a sum never wraps. */
	c->left = MIN(c->left, UINT64_MAX - s->reserved);
	s->reserved += c->left;
}

void
space_wrote(struct space *s, struct space_claim *c, uint64_t n)
{
	uint64_t of_claim = MIN(n, c->left);

	c->left -= of_claim;
	s->reserved -= of_claim;
	s->written += n;
}
