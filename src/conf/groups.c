/* Groups; see groups.h. */
#include "conf/groups.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

struct conf_group {
	char *name, *parent; /* owned; parent NULL: none */
	char *label;         /* owned */
	struct where at, parent_at;
	bool in_circle;      /* told */
};

static bool
has_name(const void *item, const void *key)
{
	return strcmp(((const struct conf_group *)item)->name, key) == 0;
}

void
groups_init(struct groups *g)
{
	*g = (struct groups){ 0 };
	map_init(&g->by_name, has_name);
}

void
groups_done(struct groups *g)
{
	for (size_t i = 0; i < g->n; i++) {
		free(g->all[i]->name);
		free(g->all[i]->parent);
		free(g->all[i]->label);
		free(g->all[i]);
	}
	free(g->all);
	map_done(&g->by_name);
}

static struct conf_group *
find(const struct groups *g, const char *name)
{
	return name ? map_find(&g->by_name, hash_str(name), name) : NULL;
}

bool
groups_find(const struct groups *g, const char *name)
{
	return find(g, name);
}

void
groups_add(struct groups *g, struct emit *emit, const struct draft *d)
{
	const struct draft_item *name = draft_find(d, GROUP_NAME), *parent = draft_find(d, GROUP_PARENT);
	struct conf_group *n = find(g, name->text);

	if (n) {
		emit_error(emit, name->at, d->label, "name is that of another group (%s)", quote_place(n->at));
		return;
	}
	n = NEW(struct conf_group);
	n->name = xstrdup(name->text);
	n->at = name->at;
	n->label = xstrdup(d->label);
	if (parent) {
		n->parent = xstrdup(parent->text);
		n->parent_at = parent->at;
	}
	if ((g->n & (g->n - 1)) == 0)
		g->all = xrealloc(g->all, MAX(g->n * 2, (size_t)1) * sizeof *g->all);
	g->all[g->n++] = n;
	map_add(&g->by_name, hash_str(n->name), n);
}

/* "a -> b -> a", once, though each of them could tell it. */
static void
tell_circle(const struct groups *g, struct emit *emit, struct conf_group *first)
{
	struct conf_group *x = first;
	AUTO_BUF struct buf way = { 0 };

	buf_append_str(&way, first->name);
	do {
		x->in_circle = true;
		x = find(g, x->parent);
		buf_printf(&way, " -> %s", x->name);
	} while (x != first);
	emit_error(emit, first->parent_at, first->label, "parent makes a circle: %s", quote(buf_cstr(&way)));
}

/* A walk that does not end leads into a circle: is this one of it? */
static bool
has_no_end(const struct groups *g, const struct conf_group *first, bool *ret_in_circle)
{
	const struct conf_group *x = find(g, first->parent);
	size_t n = 0;

	for (; x && x != first && n < g->n; n++)
		x = find(g, x->parent);
	*ret_in_circle = x == first;
	return x != NULL;
}

static unsigned
depth_of(const struct groups *g, const struct conf_group *x)
{
	unsigned depth = 1;

	while ((x = find(g, x->parent)) && depth <= GROUP_DEPTH_MAX)
		depth++;
	return depth;
}

void
groups_check(const struct groups *g, struct emit *emit)
{
	for (size_t i = 0; i < g->n; i++) {
		struct conf_group *x = g->all[i];
		bool in_circle;

		if (!x->parent || x->in_circle)
			continue;
		if (!find(g, x->parent))
			emit_error(emit, x->parent_at, x->label, "parent is \"%s\", which is not in groups", quote(x->parent));
		else if (depth_of(g, x) <= GROUP_DEPTH_MAX)
			continue;
		else if (!has_no_end(g, x, &in_circle))
			emit_error(emit, x->parent_at, x->label, "parent puts it more than %d groups deep", GROUP_DEPTH_MAX);
		else if (in_circle)
			tell_circle(g, emit, x);
	}
}
