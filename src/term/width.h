/*
 * How many columns text takes on a terminal, and cutting and padding it to a
 * number of columns.  An own table, because wcwidth(3) needs a setlocale(3)
 * that a library may not do.  Text is expected to be safe (term_safe());
 * a control or broken byte that comes here all the same is one '?'.
 *
 * Sources: Unicode 14 categories Mn, Me, Cf (without the signs that precede
 * Arabic digits) and the vowels and finals of Hangul are 0 columns, East Asian
 * Width W and F are 2 (UAX #11), and so are U+3248 to 324F and the hexagrams,
 * as in glibc and the terminals; all else is 1.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum width_cut {
	WIDTH_CUT_END,    /* "a long sentence ab…" */
	WIDTH_CUT_MIDDLE, /* "debian-12…netinst.iso": the end of a name says most */
};

unsigned width_of_char(uint32_t c); /* 0, 1 or 2 */
size_t width_of_text(const char *s);

/* Appends s, cut to at most that many columns, with "…" ("..." without UTF-8)
 * where something is missing; returns the columns it took.  A pile of
 * combining marks is cut to a few: it would be drawn over the lines above. */
size_t width_put(struct buf *out, const char *s, size_t columns, enum width_cut cut, bool utf8);
/* Appends n spaces. */
void width_fill(struct buf *out, size_t n);
/* Bytes of s that fit into that many columns; *ret_columns what they take. */
size_t width_fit(const char *s, size_t columns, size_t *ret_columns);
