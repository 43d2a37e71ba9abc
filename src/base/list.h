/*
 * A doubly linked list whose links live in the elements.  The owner of a list
 * is the struct that holds its head; an element is on at most one list a link.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *next, *prev;
};

#define LIST_INIT(l) { &(l), &(l) }

static inline void
list_init(struct list *l)
{
	l->next = l->prev = l;
}

static inline bool
list_empty(const struct list *l)
{
	return l->next == l;
}

/* An element that is on no list (after list_init or list_remove). */
static inline bool
list_linked(const struct list *l)
{
	return l->next && l->next != l;
}

static inline void
list_append(struct list *l, struct list *e)
{
	e->prev = l->prev;
	e->next = l;
	l->prev->next = e;
	l->prev = e;
}

static inline void
list_prepend(struct list *l, struct list *e)
{
	list_append(l->next, e);
}

/* Safe on an element that is on no list. */
static inline void
list_remove(struct list *e)
{
	if (!e->next)
		return;
	e->prev->next = e->next;
	e->next->prev = e->prev;
	list_init(e);
}

/* Puts all of `from` behind those of `to`. */
static inline void
list_move_all(struct list *to, struct list *from)
{
	if (list_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	list_init(from);
}

#define LIST_ENTRY(ptr, type, member) \
	((type *)(void *)((char *)(ptr) - offsetof(type, member)))
#define LIST_FIRST(l, type, member) LIST_ENTRY((l)->next, type, member)
/* The body may remove the current element, no other. */
#define LIST_FOREACH(var, l, type, member)                             \
	for (struct list *_i_##var = (l)->next, *_n_##var = _i_##var->next; \
	     _i_##var != (l) && ((var) = LIST_ENTRY(_i_##var, type, member), true); \
	     _i_##var = _n_##var, _n_##var = _i_##var->next)
