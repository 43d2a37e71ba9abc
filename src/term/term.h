/*
 * What haul knows about the terminal (or file) that people read: its size,
 * whether it shows colours, UTF-8 and cursor movement, and the last gate in
 * front of it for text that others wrote (DESIGN I8).  Shared by
 * `hauld --once` and haulctl; above src/base only.
 *
 * Colour: NO_COLOR (no-color.org) wins, then CLICOLOR_FORCE and CLICOLOR
 * (bixense.com/clicolors), then "a terminal that is not dumb".
 * Encoding: LC_ALL, LC_CTYPE, LANG in this order (locale(7)), read from the
 * environment so that no library code calls setlocale(3).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/cleanup.h"

enum term_colour { /* --color */
	TERM_COLOUR_AUTO,
	TERM_COLOUR_NEVER,
	TERM_COLOUR_ALWAYS,
};

/* What a piece of text means; the sixteen colours of the user's own theme. */
enum term_ink {
	TERM_INK_PLAIN,
	TERM_INK_GOOD,
	TERM_INK_BAD,
	TERM_INK_WARN,
	TERM_INK_FLOW, /* bytes that have arrived */
	TERM_INK_FAINT,
	TERM_INK_STRONG,
	_TERM_INK_MAX
};

enum {
	TERM_COLUMNS_MAX = 1000, /* a size beyond it is a broken terminal */
	TERM_ROWS_MAX = 500,
	TERM_TEXT_MAX = 8192, /* bytes of a foreign text that are looked at */
};

struct term {
	int fd;          /* borrowed: outlives the struct */
	bool is_tty;
	bool can_move;   /* is_tty, and TERM says more than "dumb" */
	bool utf8;
	bool colour;
	bool has_eighths; /* its font has the partial blocks of a bar */
	unsigned columns; /* 1 to TERM_COLUMNS_MAX */
	unsigned rows;    /* 1 to TERM_ROWS_MAX */
};

/* Looks at fd and the environment; needs no release. */
void term_init(struct term *t, int fd, enum term_colour when);
/* Reads the size again: after SIGWINCH, or before each frame. */
void term_resize(struct term *t);

/* Switches the ink; nothing is written where colours are off. */
void term_ink(const struct term *t, struct buf *out, enum term_ink ink);

/* A foreign string as this terminal may show it, newly allocated: str_safe(),
 * and one '?' for each character that a terminal without UTF-8 has no sign for. */
char *term_safe(const struct term *t, const char *s);
/* The same for text that haul itself made safe before (struct result): the
 * backslashes of its escapes are not escaped again. */
char *term_safe_again(const struct term *t, const char *s);

/* The same terminal under a file description of its own, opened
 * O_WRONLY|O_NONBLOCK|O_NOCTTY|O_CLOEXEC: the flag on stderr itself would be
 * seen by the shell and everything else that shares it.  0 and *ret_fd (the
 * caller closes it), -ENOTTY, or the errno of open(2). */
int term_reopen(const struct term *t, int *ret_fd) MUST_CHECK;
/* One write(2) of what b holds; what was taken leaves b.  0 (also when bytes
 * remain), -EAGAIN when the terminal takes nothing now, or -errno. */
int term_write(int fd, struct buf *b) MUST_CHECK;
