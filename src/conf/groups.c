/* Groups; see groups.h. */
#include "conf/groups.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "conf/output.h"

struct conf_group {
	char *name, *parent; /* owned; parent NULL: none */
	char *label;         /* owned */
	struct where at, parent_at;
	bool in_circle;      /* told */
	bool atomic;
	char *directory;     /* owned; NULL: none */
	struct where directory_at;
	unsigned members;    /* of an atomic one */
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
		free(g->all[i]->directory);
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
	const struct draft_item *directory = draft_find(d, GROUP_DIRECTORY), *submit = draft_find(d, GROUP_ALLOW_SUBMIT);
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
	n->atomic = draft_number(d, NULL, GROUP_PUBLISH) == GROUP_PUBLISH_ATOMIC;
	if (n->atomic && submit && submit->number)
		emit_error(emit, submit->at, d->label, "allow-submit has no meaning with publish = \"atomic\": members of such a group "
		    "are jobs of the configuration");
	if (directory) {
		n->directory = xstrdup(directory->text);
		n->directory_at = directory->at;
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

/* ---- Groups that are published as a whole ------------------------------------------ */

/* Is path this directory, or does it lie in it? */
static bool
is_in(const char *path, const char *directory)
{
	size_t n = strlen(directory);

	return strncmp(path, directory, n) == 0 && (!path[n] || path[n] == '/');
}

static void
check_directory(const struct groups *g, struct emit *emit, const struct conf_group *x, char *const *roots, size_t n_roots)
{
	AUTO_FREE char *why = NULL, *path = output_resolve(roots, n_roots, x->directory, &why);

	if (!path || x->directory[0] != '/') {
		emit_error(emit, x->directory_at, x->label, "directory \"%s\" %s", quote(x->directory),
		    path ? "must be an absolute path" : why);
		return;
	}
	for (size_t i = 0; i < n_roots; i++)
		if (is_in(roots[i], x->directory))
			emit_error(emit, x->directory_at, x->label, "directory %s has the root %s in it: a group owns one beneath a root",
			    quote(x->directory), quote(roots[i]));
	for (size_t i = 0; i < g->n; i++) {
		const struct conf_group *other = g->all[i];

		if (other != x && other->atomic && other->directory && is_in(x->directory, other->directory))
			emit_error(emit, x->directory_at, x->label, "directory %s is, or lies in, that of group %s",
			    quote(x->directory), other->name);
	}
}

void
groups_check_directories(const struct groups *g, struct emit *emit, char *const *roots, size_t n_roots)
{
	for (size_t i = 0; i < g->n; i++) {
		const struct conf_group *x = g->all[i], *parent = find(g, x->parent);

		if (parent && parent->atomic)
			emit_error(emit, x->parent_at, x->label, "parent %s is published as a whole, and has no groups in it",
			    parent->name);
		if (x->atomic && !x->directory)
			emit_error(emit, x->at, x->label, "publish = \"atomic\" needs directory: the one that the group owns");
		else if (!x->atomic && x->directory)
			emit_error(emit, x->directory_at, x->label, "directory has no meaning without publish = \"atomic\"");
		else if (x->atomic && n_roots)
			check_directory(g, emit, x, roots, n_roots);
	}
}

bool
groups_is_atomic(const struct groups *g, const char *group)
{
	const struct conf_group *x = find(g, group);

	return x && x->atomic;
}

bool
groups_check_output(const struct groups *g, struct emit *emit, const struct draft *d, const char *group, struct where at,
    const char *key, const char *path)
{
	struct conf_group *own = find(g, group);
	const char *slash = strrchr(path, '/');

	for (size_t i = 0; i < g->n; i++) {
		const struct conf_group *x = g->all[i];

		if (!x->atomic || !x->directory || x == own || !is_in(path, x->directory))
			continue;
		emit_error(emit, at, d->label, "%s %s lies in the directory of group %s, which only its members write to", key,
		    quote(path), x->name);
		return false;
	}
	if (!own || !own->atomic || !own->directory)
		return true;
	if ((size_t)(slash - path) != strlen(own->directory) || strncmp(path, own->directory, (size_t)(slash - path)) != 0) {
		emit_error(emit, at, d->label, "%s %s does not lie directly in %s, which group %s publishes as a whole", key, quote(path),
		    quote(own->directory), own->name);
		return false;
	}
	if (++own->members == ATOMIC_MEMBERS_MAX + 1)
		emit_error(emit, at, d->label, "group %s is published as a whole and has more than %d members", own->name,
		    ATOMIC_MEMBERS_MAX);
	return true;
}
