/*
 * What a person types: bytes of a terminal in raw mode to keys.  Sequences that
 * mean nothing here are swallowed as a whole, so that no part of them counts as
 * letters.  Called by haulctl top; no clock and no descriptor in here.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum key {
	KEY_NONE, /* nothing whole is there */
	KEY_TEXT, /* one character, in keys.text */
	KEY_UP,
	KEY_DOWN,
	KEY_PAGE_UP,
	KEY_PAGE_DOWN,
	KEY_HOME,
	KEY_END,
	KEY_ENTER,
	KEY_ESCAPE,
	KEY_BACKSPACE,
	KEY_CLEAR,  /* ^U: the line */
	KEY_REDRAW, /* ^L */
};

enum { KEYS_SIZE = 256, KEYS_WAIT_MS = 50 };

struct keys {
	unsigned char data[KEYS_SIZE];
	size_t n;
	char text[5]; /* of KEY_TEXT: UTF-8, with a NUL */
};

/* Room for bytes that are read: at most so many, at k->data + k->n; the caller
 * adds what came to k->n. */
static inline size_t
keys_room(const struct keys *k)
{
	return KEYS_SIZE - k->n;
}

/* The next key.  late: nothing more came for KEYS_WAIT_MS, so that an escape
 * that stands alone is the key of that name. */
enum key keys_next(struct keys *k, bool late);
/* Something is begun: call again, with late, after KEYS_WAIT_MS. */
static inline bool
keys_is_pending(const struct keys *k)
{
	return k->n != 0;
}
