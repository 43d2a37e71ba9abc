/* A binary heap of borrowed pointers; see heap.h. */
#include "base/heap.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"

enum { SIZE_LEAST = 4 }; /* many heaps have few: one for each host of a scheduler */

void
heap_init(struct heap *h, heap_before_cb before)
{
	*h = (struct heap){ .before = before };
}

void
heap_done(struct heap *h)
{
	free(h->nodes);
	*h = (struct heap){ 0 };
}

static void
put(struct heap *h, size_t i, struct heap_node *n)
{
	h->nodes[i] = n;
	n->place = (uint32_t)(i + 1);
}

static void
sift_up(struct heap *h, size_t i)
{
	struct heap_node *n = h->nodes[i];

	while (i > 0 && h->before(n, h->nodes[(i - 1) / 2])) {
		put(h, i, h->nodes[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	put(h, i, n);
}

static void
sift_down(struct heap *h, size_t i)
{
	struct heap_node *n = h->nodes[i];

	for (;;) {
		size_t kid = 2 * i + 1;

		if (kid >= h->len)
			break;
		if (kid + 1 < h->len && h->before(h->nodes[kid + 1], h->nodes[kid]))
			kid++;
		if (!h->before(h->nodes[kid], n))
			break;
		put(h, i, h->nodes[kid]);
		i = kid;
	}
	put(h, i, n);
}

void
heap_add(struct heap *h, struct heap_node *n)
{
	assert(!heap_contains(n) && h->len < UINT32_MAX);
	if (h->len == h->size) {
		h->size = h->size ? h->size * 2 : SIZE_LEAST;
		h->nodes = xrealloc(h->nodes, h->size * sizeof(h->nodes[0]));
	}
	put(h, h->len, n);
	sift_up(h, h->len++);
}

void
heap_update(struct heap *h, struct heap_node *n)
{
	assert(heap_contains(n) && h->nodes[n->place - 1] == n);
	sift_up(h, n->place - 1);
	sift_down(h, n->place - 1);
}

void
heap_remove(struct heap *h, struct heap_node *n)
{
	size_t i = n->place - 1;
	struct heap_node *last;

	if (!heap_contains(n))
		return;
	assert(h->nodes[i] == n);
	last = h->nodes[--h->len];
	n->place = 0;
	if (last == n)
		return;
	put(h, i, last);
	heap_update(h, last);
}

void
heap_keep(struct heap *h, struct heap_node *n, bool in)
{
	if (!in)
		heap_remove(h, n);
	else if (heap_contains(n))
		heap_update(h, n);
	else
		heap_add(h, n);
}

struct heap_node *
heap_peek(const struct heap *h)
{
	return h->len ? h->nodes[0] : NULL;
}
