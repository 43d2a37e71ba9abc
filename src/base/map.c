/* A hash table of borrowed items; see map.h. */
#include "base/map.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/mem.h"

void
map_init(struct map *m, map_eq_cb eq)
{
	*m = (struct map){ .eq = eq };
}

void
map_done(struct map *m)
{
	free(m->slots);
	*m = (struct map){ 0 };
}

static void
insert(struct map *m, uint64_t hash, void *item)
{
	size_t i = hash & (m->size - 1);

	while (m->slots[i].item)
		i = (i + 1) & (m->size - 1);
	m->slots[i] = (struct map_slot){ .hash = hash, .item = item };
}

static void
grow(struct map *m)
{
	struct map old = *m;

	m->size = old.size ? old.size * 2 : 16;
	m->slots = xcalloc(m->size, sizeof(m->slots[0]));
	for (size_t i = 0; i < old.size; i++)
		if (old.slots[i].item)
			insert(m, old.slots[i].hash, old.slots[i].item);
	free(old.slots);
}

static struct map_slot *
find_slot(const struct map *m, uint64_t hash, const void *key)
{
	size_t i;

	if (!m->size)
		return NULL;
	for (i = hash & (m->size - 1); m->slots[i].item; i = (i + 1) & (m->size - 1))
		if (m->slots[i].hash == hash && m->eq(m->slots[i].item, key))
			return &m->slots[i];
	return NULL;
}

void *
map_find(const struct map *m, uint64_t hash, const void *key)
{
	struct map_slot *s = find_slot(m, hash, key);

	return s ? s->item : NULL;
}

void
map_add(struct map *m, uint64_t hash, void *item)
{
	assert(item);
	if ((m->len + 1) * 4 > m->size * 3)
		grow(m);
	insert(m, hash, item);
	m->len++;
}

void *
map_remove(struct map *m, uint64_t hash, const void *key)
{
	struct map_slot *s = find_slot(m, hash, key);
	size_t hole, i;
	void *item;

	if (!s)
		return NULL;
	item = s->item;
	m->len--;
	hole = (size_t)(s - m->slots);
	/* Close the hole: move back whatever probed past it. */
	for (i = (hole + 1) & (m->size - 1); m->slots[i].item; i = (i + 1) & (m->size - 1)) {
		size_t home = m->slots[i].hash & (m->size - 1);

		if (((i - home) & (m->size - 1)) >= ((i - hole) & (m->size - 1))) {
			m->slots[hole] = m->slots[i];
			hole = i;
		}
	}
	m->slots[hole] = (struct map_slot){ 0 };
	return item;
}

void *
map_next(const struct map *m, size_t *cursor)
{
	while (*cursor < m->size) {
		void *item = m->slots[(*cursor)++].item;

		if (item)
			return item;
	}
	return NULL;
}

uint64_t
hash_u64(uint64_t v)
{
	v ^= v >> 33;
	v *= UINT64_C(0xff51afd7ed558ccd);
	v ^= v >> 33;
	v *= UINT64_C(0xc4ceb9fe1a85ec53);
	return v ^ (v >> 33);
}

static uint64_t
seed(void)
{
	static uint64_t s;

	if (!s) {
		if (getrandom(&s, sizeof s, GRND_NONBLOCK) != (ssize_t)sizeof s)
			s = clock_now_ns();
		s |= 1;
	}
	return s;
}

uint64_t
hash_bytes(const void *data, size_t n)
{
	const unsigned char *p = data;
	uint64_t h = seed() ^ n;

	while (n >= 8) {
		uint64_t w;

		memcpy(&w, p, 8);
		h = hash_u64(h ^ w);
		p += 8;
		n -= 8;
	}
	if (n) {
		uint64_t w = 0;

		memcpy(&w, p, n);
		h = hash_u64(h ^ w);
	}
	return h;
}

uint64_t
hash_str(const char *s)
{
	return hash_bytes(s, strlen(s));
}
