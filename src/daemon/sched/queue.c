/* The queue of a lane; see queue.h. */
#include "daemon/sched/queue.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"

enum {
	RUN_LEAST = 4,
	TIDY_MOST = 65536, /* tickets that are given new places at once: it touches each */
};

struct ticket *
queue_ticket_of(const struct heap_node *n)
{
	return n ? CONTAINER_OF(n, struct ticket, node) : NULL;
}

bool
queue_ticket_before(const struct heap_node *a, const struct heap_node *b)
{
	return ticket_key(queue_ticket_of(a)) < ticket_key(queue_ticket_of(b));
}

void
queue_init(struct queue *q)
{
	*q = (struct queue){ 0 };
	heap_init(&q->others, queue_ticket_before);
}

void
queue_done(struct queue *q)
{
	for (unsigned i = 0; i < q->n_runs; i++)
		free(q->runs[i].tickets);
	free(q->runs);
	heap_done(&q->others);
	*q = (struct queue){ 0 };
}

/* ---- Runs ------------------------------------------------------------------------ */

/* Room for one more at the tail. */
static void
make_room(struct queue_run *r)
{
	uint32_t n = 0;

	if (r->tail < r->size)
		return;
	if (r->size && r->head >= r->size / 2) { /* places count from base: nobody's changes */
		memmove(r->tickets, r->tickets + r->head, (r->tail - r->head) * sizeof(r->tickets[0]));
		r->base += r->head;
		r->tail -= r->head;
		r->head = 0;
		return;
	}
	if (r->live < r->size / 4 && r->live <= TIDY_MOST) {
		for (uint32_t i = r->head; i < r->tail; i++) {
			struct ticket *t = r->tickets[i];

			if (!t)
				continue;
			t->node.place = r->base + n;
			r->tickets[n++] = t;
		}
		r->head = 0;
		r->tail = n;
		return;
	}
	r->size = r->size ? r->size * 2 : RUN_LEAST;
	r->tickets = xrealloc(r->tickets, r->size * sizeof(r->tickets[0]));
}

static void
run_append(struct queue_run *r, struct ticket *t, uint64_t key)
{
	make_room(r);
	if (!r->live++)
		r->first = key;
	r->last = key;
	t->in_run = true;
	t->node.place = r->base + r->tail;
	r->tickets[r->tail++] = t;
}

static void
run_remove(struct queue_run *r, struct ticket *t)
{
	uint32_t i = t->node.place - r->base;

	r->tickets[i] = NULL;
	t->in_run = false;
	t->node.place = 0;
	if (!--r->live) {
		r->head = r->tail = 0;
		return;
	}
	if (i == r->head) {
		while (!r->tickets[r->head])
			r->head++;
		r->first = ticket_key(r->tickets[r->head]);
	} else if (i + 1 == r->tail) {
		while (!r->tickets[r->tail - 1])
			r->tail--;
		r->last = ticket_key(r->tickets[r->tail - 1]);
	}
}

static bool
run_has(const struct queue_run *r, const struct ticket *t)
{
	uint32_t i = t->node.place - r->base;

	return i >= r->head && i < r->tail && r->tickets[i] == t;
}

/* The one whose last is nearest before the key, or an empty one; NULL: none. */
static struct queue_run *
run_for(struct queue *q, uint64_t key)
{
	struct queue_run *best = NULL, *empty = NULL;

	for (struct queue_run *r = q->runs; r < q->runs + q->n_runs; r++) {
		if (!r->live)
			empty = r;
		else if (r->last <= key && (!best || r->last > best->last))
			best = r;
	}
	if (best || empty || q->n_runs == QUEUE_RUNS)
		return best ? best : empty;
	q->runs = xrealloc(q->runs, (q->n_runs + 1) * sizeof(q->runs[0]));
	q->runs[q->n_runs] = (struct queue_run){ .tickets = NULL };
	return &q->runs[q->n_runs++];
}

/* ---- The queue --------------------------------------------------------------------- */

static void
find_first(struct queue *q)
{
	struct ticket *other = queue_ticket_of(heap_peek(&q->others));
	const struct queue_run *best = NULL;

	for (const struct queue_run *r = q->runs; r < q->runs + q->n_runs; r++)
		if (r->live && (!best || r->first < best->first))
			best = r;
	q->second = NULL;
	q->slot = NULL;
	if (!best || (other && ticket_key(other) < best->first)) {
		q->first = other;
		return;
	}
	q->first = best->tickets[best->head];
	q->slot = &best->tickets[best->head];
	if (best->head + 1 < best->tail)
		q->second = best->tickets[best->head + 1];
}

void
queue_add(struct queue *q, struct ticket *t)
{
	uint64_t key = ticket_key(t);
	struct queue_run *r = run_for(q, key);

	assert(q->len < UINT32_MAX);
	q->len++;
	if (r)
		run_append(r, t, key);
	else
		heap_add(&q->others, &t->node);
	if (!q->first || key < ticket_key(q->first))
		find_first(q);
}

void
queue_remove(struct queue *q, struct ticket *t)
{
	struct queue_run *r = q->runs;

	q->len--;
	if (!t->in_run) {
		heap_remove(&q->others, &t->node);
	} else {
		while (!run_has(r, t)) {
			r++;
			assert(r < q->runs + q->n_runs);
		}
		run_remove(r, t);
	}
	if (t == q->first)
		find_first(q);
	else if (t == q->second)
		q->second = NULL;
}

size_t
queue_places(const struct queue *q)
{
	size_t n = q->others.len;

	for (const struct queue_run *r = q->runs; r < q->runs + q->n_runs; r++)
		n += r->tail - r->head;
	return n;
}

struct ticket *
queue_at(const struct queue *q, size_t place)
{
	if (place < q->others.len)
		return queue_ticket_of(q->others.nodes[place]);
	place -= q->others.len;
	for (const struct queue_run *r = q->runs; r < q->runs + q->n_runs; r++) {
		if (place < r->tail - r->head)
			return r->tickets[r->head + place];
		place -= r->tail - r->head;
	}
	return NULL;
}
