/* Settings being gathered; see draft.h. */
#include "conf/draft.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

void
draft_begin(struct draft *d, enum setting_scope scope, struct where at, const char *label)
{
	for (size_t i = 0; i < d->n; i++)
		free(d->items[i].text);
	free(d->dir);
	*d = (struct draft){ .scope = scope, .at = at, .items = d->items, .size = d->size };
	(void)str_safe(d->label, sizeof d->label, label, strlen(label));
}

void
draft_done(struct draft *d)
{
	for (size_t i = 0; i < d->n; i++)
		free(d->items[i].text);
	free(d->items);
	free(d->dir);
	*d = (struct draft){ 0 };
}

static struct draft_item *
add_item(struct draft *d, const struct setting *row, struct where at)
{
	if (d->n == d->size) {
		d->size = MAX(d->size * 2, (size_t)16);
		d->items = xrealloc(d->items, d->size * sizeof *d->items);
	}
	d->items[d->n] = (struct draft_item){ .row = row, .at = at };
	d->tried[row->id] = true;
	return &d->items[d->n++];
}

void
draft_inherit(struct draft *d, const struct draft *from)
{
	for (size_t i = 0; i < from->n; i++) {
		const struct draft_item *f = &from->items[i];
		struct draft_item *item = add_item(d, f->row, f->at);

		item->base = true;
		item->number = f->number;
		item->text = f->text ? xstrdup(f->text) : NULL;
	}
}

void
draft_take(struct draft *d, const struct spec *from, struct where at)
{
	unsigned n;
	const struct setting *all = settings_all(&n);

	for (unsigned i = 0; i < n; i++) {
		const struct setting *row = &all[i];
		const char *text;

		if (row->scope != d->scope || !spec_has(from, row->id))
			continue;
		if (setting_is_number(row))
			draft_put_number(d, row, at, spec_number(from, row->id));
		else
			for (unsigned k = 0; (text = spec_list(from, row->id, k)); k++)
				draft_put_text(d, row, at, text);
	}
}

static void
drop(struct draft *d, enum setting_id id, bool base_only)
{
	size_t kept = 0;

	for (size_t i = 0; i < d->n; i++) {
		if (d->items[i].row->id == id && (d->items[i].base || !base_only))
			free(d->items[i].text);
		else
			d->items[kept++] = d->items[i];
	}
	d->n = kept;
}

void
draft_open(struct draft *d, const struct setting *row)
{
	if (d->tried[row->id])
		drop(d, row->id, row->type == TYPE_LIST);
	d->tried[row->id] = true;
}

void
draft_drop(struct draft *d, enum setting_id id)
{
	drop(d, id, false);
}

void
draft_put_number(struct draft *d, const struct setting *row, struct where at, uint64_t v)
{
	add_item(d, row, at)->number = v;
}

void
draft_put_text(struct draft *d, const struct setting *row, struct where at, const char *text)
{
	add_item(d, row, at)->text = xstrdup(text);
}

static const struct draft_item *
find_from(const struct draft *d, size_t i, enum setting_id id)
{
	for (; i < d->n; i++)
		if (d->items[i].row->id == id)
			return &d->items[i];
	return NULL;
}

const struct draft_item *
draft_find(const struct draft *d, enum setting_id id)
{
	return find_from(d, 0, id);
}

const struct draft_item *
draft_next(const struct draft *d, const struct draft_item *after)
{
	return find_from(d, (size_t)(after - d->items) + 1, after->row->id);
}

unsigned
draft_count(const struct draft *d, enum setting_id id)
{
	unsigned n = 0;

	for (const struct draft_item *i = draft_find(d, id); i; i = draft_next(d, i))
		n++;
	return n;
}

uint64_t
draft_number(const struct draft *d, const struct draft *defaults, enum setting_id id)
{
	const struct draft_item *i = draft_find(d, id);

	if (!i && defaults)
		i = draft_find(defaults, id);
	return i ? i->number : setting_default_number(setting_find(id));
}

/* By insertion: items are few, and values of one list keep their order. */
static void
sort_items(struct draft *d)
{
	for (size_t i = 1; i < d->n; i++) {
		struct draft_item x = d->items[i];
		size_t k = i;

		for (; k > 0 && d->items[k - 1].row->id > x.row->id; k--)
			d->items[k] = d->items[k - 1];
		d->items[k] = x;
	}
}

void
draft_pack(struct draft *d, struct buf *ret)
{
	sort_items(d);
	for (size_t i = 0; i < d->n; i++) {
		const struct draft_item *item = &d->items[i];

		if (setting_is_number(item->row))
			spec_put_number(ret, item->row->id, item->number);
		else
			spec_put_string(ret, item->row->id, item->text);
	}
}
