/*
 * A first look at the text of a configuration, before libconfig sees it: it
 * finds what libconfig 1.5 takes in silence or refuses without a reason.
 *
 *  - "a" "b" is one string there: in a list always an error here, elsewhere
 *    a continuation unless both halves hold ://
 *  - 0644 is decimal 644, 5000000000 without L is 705032704, 0xFFFFFFFF is -1
 *  - a comment that is never closed hides the rest of the file
 *  - NUL bytes and \x00 cut a string, unknown escapes stay in it
 *  - the grammar itself, so that a syntax error says what is missing
 *  - @include, which only read.c may carry out
 *
 * Called by read.c alone; errors go to emit.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/emit.h"
#include "conf/limits.h"

enum scan_state {
	SCAN_WANT_NAME,   /* in a group: a key or the end */
	SCAN_WANT_ASSIGN, /* behind a key */
	SCAN_WANT_VALUE,  /* behind = or a comma */
	SCAN_WANT_FIRST,  /* behind ( or [: a value or the end */
	SCAN_AFTER_VALUE,
	SCAN_AFTER_STRING,
};

struct scan_level {
	char open; /* '{', '(' or '['; '\0' at the top */
	enum scan_state state;
	struct where at; /* of the bracket */
	char key[64];        /* the key whose value is read, cut */
	struct where key_at;
	unsigned key_line;   /* in the merged text */
};

/* A key whose value was found wrong here; nobody needs to look at it again. */
struct scan_flag {
	unsigned line; /* of the key, in the merged text */
	char *key;     /* owned */
};

struct scan {
	struct emit *emit; /* borrowed */
	struct scan_level levels[CONF_NESTING_MAX + 1];
	unsigned depth;
	size_t string_len;       /* of the string being joined */
	unsigned string_schemes; /* how many of its pieces hold :// */
	uint64_t tree_bytes;     /* what libconfig will need, roughly */
	struct scan_flag *flags; /* owned */
	size_t n_flags;
};

/* The text of one file while it is scanned. */
struct scan_text {
	const struct conf_file *file;
	const char *start, *at, *end;
	unsigned line;  /* of `at`, from 1 */
	unsigned shift; /* line + shift: the line in the merged text */
};

enum scan_result {
	SCAN_END,     /* of the text */
	SCAN_INCLUDE, /* at stands behind the line of an @include */
	SCAN_BAD,     /* a syntax error was told */
};

struct scan_include {
	const char *line_start; /* of the directive, borrowed */
	char *path;             /* owned by the caller */
	struct where at;
};

/* Goes on until one of the results; *ret is set for SCAN_INCLUDE. */
enum scan_result scan_text(struct scan *s, struct scan_text *t, struct scan_include *ret);
/* After the last text: false (and told) when a bracket is still open. */
bool scan_finish(struct scan *s);
bool scan_is_flagged(const struct scan *s, unsigned merged_line, const char *key);
void scan_done(struct scan *s);
