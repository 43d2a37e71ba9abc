/*
 * A binary heap of borrowed pointers.  An element carries its own place
 * (struct heap_node), so that any of them can be moved or removed.  Less than
 * 2^32 of them: a node is small because there may be one for each job.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_node {
	uint32_t place; /* 1-based; 0: in no heap */
};

/* True when a must come out before b. */
typedef bool (*heap_before_cb)(const struct heap_node *a, const struct heap_node *b);

struct heap {
	struct heap_node **nodes; /* owned array of borrowed nodes */
	size_t len, size;
	heap_before_cb before;
};

void heap_init(struct heap *h, heap_before_cb before);
void heap_done(struct heap *h);
void heap_add(struct heap *h, struct heap_node *n);
/* A node that is in no heap is left alone. */
void heap_remove(struct heap *h, struct heap_node *n);
/* After the node's key changed. */
void heap_update(struct heap *h, struct heap_node *n);
/* In it, at the place that its key gives it now, or in none. */
void heap_keep(struct heap *h, struct heap_node *n, bool in);
/* The first, or NULL. */
struct heap_node *heap_peek(const struct heap *h);

static inline bool
heap_contains(const struct heap_node *n)
{
	return n->place != 0;
}
