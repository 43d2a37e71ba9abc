/* A journal in memory; see ring.h. */
#include "base/ring.h"

#include <stdalign.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/mem.h"

void
ring_init(struct ring *r, size_t bytes, size_t records)
{
	*r = (struct ring){ .size = MIN(bytes, (size_t)UINT32_MAX), .n_slots = records, .first = 1, .next = 1 };
}

void
ring_done(struct ring *r)
{
	free(r->data);
	free(r->slots);
	r->data = NULL;
	r->slots = NULL;
}

static struct ring_slot *
slot_of(const struct ring *r, uint64_t number)
{
	return &r->slots[number % r->n_slots];
}

/* A record lies in one piece: at the head, or, where the rest of the data is too
 * short for it, at the begin.  Those in its way go. */
static void
make_room(struct ring *r, size_t n)
{
	if (r->head + n > r->size) {
		/* What lies behind the head is older than what lies at the begin. */
		while (r->first < r->next && slot_of(r, r->first)->at >= r->head)
			r->first++;
		r->head = 0;
	}
	while (r->first < r->next) {
		const struct ring_slot *oldest = slot_of(r, r->first);

		if (r->next - r->first < r->n_slots && (oldest->at < r->head || oldest->at >= r->head + n))
			return;
		r->first++;
	}
}

void *
ring_put(struct ring *r, size_t n)
{
	size_t step = (n + alignof(max_align_t) - 1) / alignof(max_align_t) * alignof(max_align_t);
	uint8_t *place;

	if (step > r->size || !r->n_slots) {
		r->first = ++r->next; /* a hole: nothing before it may be shown as if it were all */
		r->head = 0;
		return NULL;
	}
	if (!r->data) {
		r->data = xmalloc(r->size);
		r->slots = xmalloc(r->n_slots * sizeof r->slots[0]);
	}
	make_room(r, step);
	*slot_of(r, r->next) = (struct ring_slot){ .at = (uint32_t)r->head, .len = (uint32_t)n };
	r->next++;
	place = r->data + r->head;
	r->head += step;
	return place;
}

const void *
ring_get(const struct ring *r, uint64_t number, size_t *ret_n)
{
	const struct ring_slot *s;

	if (number < r->first || number >= r->next)
		return NULL;
	s = slot_of(r, number);
	*ret_n = s->len;
	return r->data + s->at;
}
