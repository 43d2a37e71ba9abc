/* Texts seen before; see seen.h. */
#include "conf/seen.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

enum { CHUNK_SIZE = 256 * 1024 };

struct seen_text {
	struct where at;
	char text[];
};

struct seen_chunk {
	struct seen_chunk *next;
	size_t used, size;
	uint8_t bytes[] __attribute__((aligned(8)));
};

static bool
is_text(const void *item, const void *key)
{
	return strcmp(((const struct seen_text *)item)->text, key) == 0;
}

void
seen_init(struct seen *s)
{
	map_init(&s->map, is_text);
	s->chunks = NULL;
}

void
seen_done(struct seen *s)
{
	while (s->chunks) {
		struct seen_chunk *c = s->chunks;

		s->chunks = c->next;
		free(c);
	}
	map_done(&s->map);
}

static void *
allot(struct seen *s, size_t n)
{
	struct seen_chunk *c = s->chunks;
	void *p;

	n = (n + 7) & ~(size_t)7;
	if (!c || c->size - c->used < n) {
		size_t size = MAX(n, (size_t)CHUNK_SIZE);

		c = xmalloc(sizeof *c + size);
		*c = (struct seen_chunk){ .next = s->chunks, .size = size };
		s->chunks = c;
	}
	p = c->bytes + c->used;
	c->used += n;
	return p;
}

const struct where *
seen_find(const struct seen *s, const char *text)
{
	const struct seen_text *t = map_find(&s->map, hash_str(text), text);

	return t ? &t->at : NULL;
}

const struct where *
seen_add(struct seen *s, const char *text, struct where at)
{
	uint64_t hash = hash_str(text);
	struct seen_text *t = map_find(&s->map, hash, text);
	size_t n = strlen(text) + 1;

	if (t)
		return &t->at;
	t = allot(s, sizeof *t + n);
	t->at = at;
	memcpy(t->text, text, n);
	map_add(&s->map, hash, t);
	return NULL;
}

const char *
seen_next(const struct seen *s, size_t *cursor)
{
	const struct seen_text *t = map_next(&s->map, cursor);

	return t ? t->text : NULL;
}
