/* A hash table of borrowed items; see map.h. */
#include "base/map.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"

enum {
	SIZE_LEAST = 16,
	MOVED_PER_ADD = 8, /* slots of the old table */
};

void
map_init(struct map *m, map_eq_cb eq)
{
	*m = (struct map){ .eq = eq };
}

void
map_done(struct map *m)
{
	free(m->slots);
	free(m->old);
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

/* In the old table the place of an item that has left is not free: others may
 * have probed past it. */
static char left;

static bool
is_item(const struct map_slot *s)
{
	return s->item && s->item != &left;
}

static void
move_some(struct map *m)
{
	if (!m->old)
		return;
	for (unsigned n = 0; n < MOVED_PER_ADD && m->moved < m->old_size; n++) {
		struct map_slot *s = &m->old[m->moved++];

		if (is_item(s)) {
			insert(m, s->hash, s->item);
			s->item = &left;
		}
	}
	if (m->moved == m->old_size)
		free(TAKE_PTR(m->old));
}

/* The move before this one is over: it took an eighth of that table's size in
 * items, and to fill the new one took three quarters. */
static void
grow(struct map *m)
{
	assert(!m->old);
	m->old = m->slots;
	m->old_size = m->size;
	m->moved = 0;
	m->size = m->size ? m->size * 2 : SIZE_LEAST;
	m->slots = xcalloc(m->size, sizeof(m->slots[0]));
}

static struct map_slot *
find_in(const struct map *m, struct map_slot *slots, size_t size, uint64_t hash, const void *key)
{
	for (size_t i = hash & (size - 1); slots[i].item; i = (i + 1) & (size - 1))
		if (slots[i].hash == hash && slots[i].item != &left && m->eq(slots[i].item, key))
			return &slots[i];
	return NULL;
}

static struct map_slot *
find_old(const struct map *m, uint64_t hash, const void *key)
{
	return m->old ? find_in(m, m->old, m->old_size, hash, key) : NULL;
}

static struct map_slot *
find_slot(const struct map *m, uint64_t hash, const void *key)
{
	return m->size ? find_in(m, m->slots, m->size, hash, key) : NULL;
}

void *
map_find(const struct map *m, uint64_t hash, const void *key)
{
	struct map_slot *s = find_slot(m, hash, key);

	if (!s)
		s = find_old(m, hash, key);
	return s ? s->item : NULL;
}

void
map_add(struct map *m, uint64_t hash, void *item)
{
	assert(item);
	if ((m->len + 1) * 4 > m->size * 3)
		grow(m);
	move_some(m);
	insert(m, hash, item);
	m->len++;
}

/* Closes the hole: moves back whatever probed past it. */
static void
close_hole(struct map *m, size_t hole)
{
	for (size_t i = (hole + 1) & (m->size - 1); m->slots[i].item; i = (i + 1) & (m->size - 1)) {
		size_t home = m->slots[i].hash & (m->size - 1);

		if (((i - home) & (m->size - 1)) >= ((i - hole) & (m->size - 1))) {
			m->slots[hole] = m->slots[i];
			hole = i;
		}
	}
	m->slots[hole] = (struct map_slot){ 0 };
}

void *
map_remove(struct map *m, uint64_t hash, const void *key)
{
	struct map_slot *s = find_slot(m, hash, key);
	void *item;

	if (s) {
		item = s->item;
		close_hole(m, (size_t)(s - m->slots));
	} else if ((s = find_old(m, hash, key))) {
		item = s->item;
		s->item = &left;
	} else {
		return NULL;
	}
	m->len--;
	return item;
}

static void *
next_in(const struct map_slot *slots, size_t size, size_t *at)
{
	while (*at < size) {
		const struct map_slot *s = &slots[(*at)++];

		if (is_item(s))
			return s->item;
	}
	return NULL;
}

void *
map_next(const struct map *m, size_t *cursor)
{
	size_t old = m->old ? m->old_size : 0, at;
	void *item = next_in(m->old, old, cursor);

	if (item)
		return item;
	at = *cursor - old;
	item = next_in(m->slots, m->size, &at);
	*cursor = old + at;
	return item;
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

uint64_t
random_bits(void)
{
	uint64_t v;

	if (getrandom(&v, sizeof v, GRND_NONBLOCK) != (ssize_t)sizeof v)
		v = hash_u64(clock_now_ns());
	return v;
}

static uint64_t
seed(void)
{
	static uint64_t s;

	if (!s)
		s = random_bits() | 1;
	return s;
}

uint64_t
hash_bytes(const void *data, size_t n)
{
	return hash_more(seed(), data, n);
}

uint64_t
hash_more(uint64_t hash, const void *data, size_t n)
{
	const unsigned char *p = data;
	uint64_t h = hash ^ n;

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
