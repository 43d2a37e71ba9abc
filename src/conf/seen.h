/*
 * Texts that may stand once only (names, destinations), with the place where
 * each was first seen.  Holds millions: texts lie in large chunks.
 */
#pragma once

#include "base/map.h"
#include "conf/source.h"

struct seen {
	struct map map;
	struct seen_chunk *chunks; /* owned */
};

void seen_init(struct seen *s);
void seen_done(struct seen *s);
/* NULL when the text is new (it is remembered), else its first place. */
const struct where *seen_add(struct seen *s, const char *text, struct where at);
const struct where *seen_find(const struct seen *s, const char *text);
/* Steps through all texts, in no order; *cursor starts at 0; NULL at the end. */
const char *seen_next(const struct seen *s, size_t *cursor);
