/* The terminal; see term.h. */
#include "term/term.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/mem.h"
#include "base/str.h"

static bool
is_env_set(const char *name)
{
	const char *v = getenv(name);

	return v && *v;
}

static bool
wants_colour(const struct term *t, enum term_colour when)
{
	const char *force = getenv("CLICOLOR_FORCE");

	if (when != TERM_COLOUR_AUTO)
		return when == TERM_COLOUR_ALWAYS;
	if (is_env_set("NO_COLOR"))
		return false;
	if (force && *force && !text_equal(force, "0"))
		return true;
	if (text_equal(getenv("CLICOLOR"), "0"))
		return false;
	return t->can_move;
}

/* "de_DE.UTF-8@euro", "C.utf8", and "UTF-8" alone. */
static bool
is_locale_utf8(void)
{
	static const char *const names[] = { "LC_ALL", "LC_CTYPE", "LANG" };
	const char *v = "", *dot;
	size_t n;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (is_env_set(names[i])) {
			v = getenv(names[i]);
			break;
		}
	dot = strchr(v, '.');
	if (dot)
		v = dot + 1;
	n = strcspn(v, "@");
	return text_equal_nocase(v, n, "utf-8") || text_equal_nocase(v, n, "utf8");
}

void
term_init(struct term *t, int fd, enum term_colour when)
{
	const char *kind = getenv("TERM");

	*t = (struct term){ .fd = fd, .is_tty = isatty(fd) == 1 };
	t->can_move = t->is_tty && kind && *kind && !text_equal(kind, "dumb");
	t->utf8 = is_locale_utf8();
	/* The kernel's console font has 256 or 512 signs, these are not among them. */
	t->has_eighths = t->utf8 && !text_equal(kind, "linux");
	t->colour = wants_colour(t, when);
	term_resize(t);
}

static unsigned
env_number(const char *name, unsigned otherwise)
{
	const char *v = getenv(name);
	uint64_t n;

	if (!v || parse_u64(v, &n) < 0 || n == 0)
		return otherwise;
	return (unsigned)MIN(n, (uint64_t)TERM_COLUMNS_MAX);
}

void
term_resize(struct term *t)
{
	struct winsize ws = { 0 };

	/* The terminal itself comes first: an exported COLUMNS is the size of
	 * some moment in the past.  A serial line answers 0 by 0. */
	if (!t->is_tty || ioctl(t->fd, TIOCGWINSZ, &ws) < 0)
		ws = (struct winsize){ 0 };
	t->columns = ws.ws_col ? ws.ws_col : env_number("COLUMNS", 80);
	t->rows = ws.ws_row ? ws.ws_row : env_number("LINES", 24);
	t->columns = MIN(t->columns, (unsigned)TERM_COLUMNS_MAX);
	t->rows = MIN(t->rows, (unsigned)TERM_ROWS_MAX);
}

void
term_ink(const struct term *t, struct buf *out, enum term_ink ink)
{
	static const char *const codes[_TERM_INK_MAX] = {
		[TERM_INK_PLAIN] = "\033[0m", [TERM_INK_GOOD] = "\033[32m",
		[TERM_INK_BAD] = "\033[31m", [TERM_INK_WARN] = "\033[33m",
		[TERM_INK_FLOW] = "\033[36m", [TERM_INK_FAINT] = "\033[2m",
		[TERM_INK_STRONG] = "\033[1m",
	};

	if (t->colour)
		buf_append_str(out, codes[ink]);
}

/* One '?' for each character beyond ASCII, in place. */
static void
make_ascii(char *s)
{
	char *to = s;

	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c < 0x80)
			*to++ = *s;
		else if (c >= 0xc0) /* the first byte of a sequence that str_safe() let through */
			*to++ = '?';
	}
	*to = '\0';
}

char *
term_safe(const struct term *t, const char *s)
{
	size_t n = strnlen(s, TERM_TEXT_MAX);
	char *out = xmalloc(4 * n + 4);

	(void)str_safe(out, 4 * n + 4, s, n);
	/* A file keeps the bytes of a name: a script may look for them. */
	if (t->is_tty && !t->utf8)
		make_ascii(out);
	return out;
}

char *
term_safe_again(const struct term *t, const char *s)
{
	size_t n = strnlen(s, TERM_TEXT_MAX), at = 0, size = 4 * n + 4;
	char *out = xmalloc(size);

	out[0] = '\0';
	for (size_t i = 0; i < n;) {
		size_t run = strcspn(s + i, "\\");

		run = MIN(run, n - i);
		(void)str_safe(out + at, size - at, s + i, run);
		at += strlen(out + at);
		i += run;
		if (i < n) {
			out[at++] = '\\';
			out[at] = '\0';
			i++;
		}
	}
	if (t->is_tty && !t->utf8)
		make_ascii(out);
	return out;
}

int
term_reopen(const struct term *t, int *ret_fd)
{
	char path[64];
	int fd;

	if (!t->is_tty)
		return -ENOTTY;
	(void)snprintf(path, sizeof path, "/proc/self/fd/%d", t->fd);
	fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

int
term_write(int fd, struct buf *b)
{
	ssize_t n;

	if (buf_len(b) == 0)
		return 0;
	do {
		n = write(fd, buf_bytes(b), buf_len(b));
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	buf_consume(b, (size_t)n);
	return 0;
}
