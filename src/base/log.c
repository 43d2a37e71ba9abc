/* Log lines on stderr; see log.h. */
#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"

enum { LINE_MAX_BYTES = 2048 }; /* below PIPE_BUF: a line is written whole or not */

static struct {
	enum log_level level;
	bool prefix;
	const char *name;
	unsigned long lost;
} state = { .level = LOG_LEVEL_INFO, .prefix = false, .name = "haul" };

void
log_init(const char *name, bool prefix)
{
	state.name = name;
	state.prefix = prefix;
}

void
log_set_level(enum log_level level)
{
	state.level = level;
}

enum log_level
log_get_level(void)
{
	return state.level;
}

int
log_level_from_string(const char *s, enum log_level *ret)
{
	static const char *const names[] = { "err", "warning", "notice", "info", "debug" };

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
		if (text_equal(s, names[i])) {
			*ret = (enum log_level)(LOG_LEVEL_ERR + i);
			return 0;
		}
	return -EINVAL;
}

/* False when stderr would make us wait. */
static bool
write_line(const char *line, size_t n)
{
	struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };

	if (poll(&p, 1, 0) != 1 || !(p.revents & POLLOUT))
		return false;
	return write(STDERR_FILENO, line, n) == (ssize_t)n;
}

static size_t __attribute__((format(printf, 3, 0)))
format_line(char *line, enum log_level level, const char *fmt, va_list ap)
{
	size_t n;
	int r;

	if (state.prefix)
		n = (size_t)snprintf(line, LINE_MAX_BYTES, "<%d>", (int)level);
	else
		n = (size_t)snprintf(line, LINE_MAX_BYTES, "%s: ", state.name);
	r = vsnprintf(line + n, LINE_MAX_BYTES - n - 1, fmt, ap);
	if (r > 0)
		n = MIN(n + (size_t)r, (size_t)LINE_MAX_BYTES - 2);
	line[n++] = '\n';
	return n;
}

static void __attribute__((format(printf, 2, 0)))
log_write_va(enum log_level level, const char *fmt, va_list ap)
{
	char line[LINE_MAX_BYTES];
	int saved = errno;
	size_t n;

	if (state.lost) {
		char note[96];
		int r = snprintf(note, sizeof note, "%s%lu log lines were lost: stderr did not take them\n",
		    state.prefix ? "<4>" : "", state.lost);

		if (write_line(note, (size_t)r))
			state.lost = 0;
	}
	errno = saved; /* for %m */
	n = format_line(line, level, fmt, ap);
	if (!write_line(line, n))
		state.lost++;
	errno = saved;
}

void
log_write(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	if (level > state.level)
		return;
	va_start(ap, fmt);
	log_write_va(level, fmt, ap);
	va_end(ap);
}

const char *
log_safe(const char *s)
{
	static char ring[8][512];
	static unsigned next;
	char *out = ring[next++ % ARRAY_SIZE(ring)];

	return s ? str_safe(out, sizeof ring[0], s, strlen(s)) : "-";
}

void
fatal(int status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_write_va(LOG_LEVEL_ERR, fmt, ap);
	va_end(ap);
	exit(status);
}
