/*
 * The queue of a lane: tickets by their keys.  Those that come in order, which is what
 * most do, are appended to runs, arrays that are sorted as they grow; a few runs take
 * the tickets of as many priorities.  The rest is in a heap.  So the first of a million
 * is taken by looking at it and at the one behind it, and where a heap would have to
 * look at twenty all over the memory nothing is waited for.  Only sched sees this.
 */
#pragma once

#include "base/heap.h"
#include "daemon/sched/scheduler.h"

enum { QUEUE_RUNS = 8 }; /* of one queue at most */

struct queue_run {
	struct ticket **tickets; /* owned array; NULL where one was taken out */
	uint32_t head, tail, size;
	uint32_t base;           /* place of tickets[0] */
	uint32_t live;           /* that are no holes */
	uint64_t first, last;    /* keys, while there are some */
};

struct queue {
	struct queue_run *runs;  /* owned */
	uint32_t n_runs, len;
	struct ticket *first;          /* NULL: none */
	/* Guesses for queue_prefetch(): the one behind it, and where it stands. */
	const struct ticket *second;
	const void *slot;
	struct heap others;
};

/* The order in which tickets start: the smaller one first, what has begun before
 * all others. */
static inline uint64_t
ticket_key(const struct ticket *t)
{
	return t->begun ? t->order : t->order | UINT64_C(1) << 63;
}

struct ticket *queue_ticket_of(const struct heap_node *n); /* NULL of NULL */
bool queue_ticket_before(const struct heap_node *a, const struct heap_node *b);

void queue_init(struct queue *q);
void queue_done(struct queue *q);
/* Its key stays as it is while it is in there. */
void queue_add(struct queue *q, struct ticket *t);
void queue_remove(struct queue *q, struct ticket *t);
/* It will be asked for its first soon, and that be taken out. */
static inline void
queue_prefetch(const struct queue *q)
{
	/* A ticket is wider than what memory gives at once, more often than not. */
	__builtin_prefetch(q->first, 1);
	__builtin_prefetch(&q->first->order, 1);
	__builtin_prefetch(q->slot, 1);
	if (q->second)
		__builtin_prefetch(&q->second->order);
}

/* For who looks at all of them while they may go, from the last place to the first: how
 * many places there are, and who is there; NULL: nobody. */
size_t queue_places(const struct queue *q);
struct ticket *queue_at(const struct queue *q, size_t place);
