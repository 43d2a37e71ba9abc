/*
 * A hash table of borrowed items: open addressing, linear probing.  The item
 * holds its own key; the map is told how to compare.  It grows a little at a
 * time, so that no single call is slow, however many items there are.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* True when the item has this key. */
typedef bool (*map_eq_cb)(const void *item, const void *key);

struct map_slot {
	uint64_t hash;
	void *item; /* borrowed; NULL: free */
};

struct map {
	struct map_slot *slots; /* owned */
	size_t len, size;       /* size is 0 or a power of two */
	/* The table before it grew: its slots from `moved` on are still in use. */
	struct map_slot *old;   /* owned; NULL: none */
	size_t old_size, moved;
	map_eq_cb eq;
};

void map_init(struct map *m, map_eq_cb eq);
void map_done(struct map *m);
/* NULL when no item has the key. */
void *map_find(const struct map *m, uint64_t hash, const void *key);
/* The key must not be there yet. */
void map_add(struct map *m, uint64_t hash, void *item);
/* Returns the item, or NULL when there was none. */
void *map_remove(struct map *m, uint64_t hash, const void *key);
/* Steps through all items in no order; *cursor starts at 0; NULL at the end.
 * The map must not change meanwhile. */
void *map_next(const struct map *m, size_t *cursor);

uint64_t hash_u64(uint64_t v);
/* Of no more worth than that nobody guesses a delay: from the kernel where it has some. */
uint64_t random_bits(void);
/* Goes on with a hash that was begun; not seeded: the same in every process. */
uint64_t hash_more(uint64_t hash, const void *data, size_t n);
/* Seeded per process, so that no one outside can choose collisions. */
uint64_t hash_bytes(const void *data, size_t n);
uint64_t hash_str(const char *s);
