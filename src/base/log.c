/* Log lines on stderr; see log.h. */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/journal.h"
#include "base/str.h"

enum {
	LINE_MAX_BYTES = 2048,    /* below PIPE_BUF: a line is written whole or not */
	JOURNAL_MAX_BYTES = 8192, /* there the fields at the end must have room */
	FORMAT_MAX_BYTES = 512,
};

static struct {
	enum log_level level;
	bool prefix;
	const char *name;
	unsigned long lost;
	int own;        /* stderr opened anew, non-blocking; -1: it is used as it is */
	bool is_socket; /* stderr is one */
	bool torn;      /* the last line was written in part */
	struct journal journal;
	void (*tap)(enum log_level level, char *line, void *arg); /* NULL: nobody listens */
	void *tap_arg;
} state = { .level = LOG_LEVEL_INFO, .name = "haul", .own = -1, .journal = { .fd = -1 } };

/* Others share stderr, so its flags are not ours to change, and a pipe or
 * terminal with little room makes a writer wait although it polls writable:
 * open it anew, where that is permitted. */
static void
open_stderr(void)
{
	struct stat st;

	fd_close(&state.own);
	state.torn = state.is_socket = false;
	if (fstat(STDERR_FILENO, &st) < 0)
		return;
	state.is_socket = S_ISSOCK(st.st_mode);
	if (S_ISFIFO(st.st_mode) || isatty(STDERR_FILENO))
		state.own = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

void
log_init(const char *name, bool prefix)
{
	int saved = errno;

	state.name = name;
	state.prefix = prefix;
	journal_close(&state.journal);
	open_stderr();
	errno = saved;
}

void
log_init_journal(const char *name, const char *journal)
{
	bool there = journal_has_stderr();

	log_init(name, there);
	/* When nobody answers there, its stream on stderr takes the lines as well. */
	if (there && journal_open(&state.journal, journal) < 0)
		journal_close(&state.journal);
}

void
log_set_level(enum log_level level)
{
	state.level = level;
}

void
log_set_tap(void (*cb)(enum log_level level, char *line, void *arg), void *arg)
{
	state.tap = cb;
	state.tap_arg = arg;
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

static ssize_t
put(const char *data, size_t n)
{
	struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };

	if (state.is_socket)
		return send(STDERR_FILENO, data, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (state.own >= 0)
		return write(state.own, data, n);
	if (poll(&p, 1, 0) != 1 || !(p.revents & POLLOUT))
		return -1;
	return write(STDERR_FILENO, data, n);
}

/* False when stderr would make us wait. */
static bool
write_line(const char *line, size_t n)
{
	ssize_t r;

	if (state.torn && put("\n", 1) != 1)
		return false;
	r = put(line, n);
	state.torn = r > 0 && (size_t)r < n;
	return r == (ssize_t)n;
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

/* The line with its marks; negative: it cannot be written. */
static int __attribute__((format(printf, 2, 0)))
mark_line(char line[JOURNAL_MAX_BYTES], const char *fmt, va_list ap)
{
	char marked[FORMAT_MAX_BYTES];
	int n;

	journal_mark(marked, sizeof marked, fmt);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* fmt, with other blanks */
	n = vsnprintf(line, JOURNAL_MAX_BYTES, marked[0] ? marked : fmt, ap);
#pragma GCC diagnostic pop
	return MIN(n, JOURNAL_MAX_BYTES - 1);
}

/* False when the journal did not take it and stderr is to have it. */
static bool __attribute__((format(printf, 2, 0)))
write_journal(enum log_level level, const char *fmt, va_list ap)
{
	char line[JOURNAL_MAX_BYTES];
	int n = mark_line(line, fmt, ap), r;

	if (n < 0)
		return false;
	r = journal_send(&state.journal, (int)level, state.name, line, (size_t)n);
	if (r == -EAGAIN)
		state.lost++;
	return r == 0 || r == -EAGAIN;
}

static void __attribute__((format(printf, 2, 0)))
write_stderr(enum log_level level, const char *fmt, va_list ap)
{
	char line[LINE_MAX_BYTES];
	size_t n = format_line(line, level, fmt, ap);

	if (!write_line(line, n))
		state.lost++;
}

static void __attribute__((format(printf, 2, 0)))
write_tap(enum log_level level, const char *fmt, va_list ap)
{
	char line[JOURNAL_MAX_BYTES];
	va_list again;

	va_copy(again, ap);
	if (mark_line(line, fmt, again) >= 0)
		state.tap(level, line, state.tap_arg);
	va_end(again);
}

static void __attribute__((format(printf, 2, 0)))
write_somewhere(enum log_level level, const char *fmt, va_list ap)
{
	int saved = errno; /* for %m, and for the caller */
	va_list again;

	if (state.tap)
		write_tap(level, fmt, ap);
	errno = saved;
	va_copy(again, ap);
	/* An error may be the last words.  journald finds no unit for a datagram
	 * whose sender has ended; that of the stream it knows. */
	if (level <= LOG_LEVEL_ERR || state.journal.fd < 0 || !write_journal(level, fmt, ap)) {
		errno = saved;
		write_stderr(level, fmt, again);
	}
	va_end(again);
	errno = saved;
}

static void PRINTF_LIKE(1, 2)
write_note(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	write_somewhere(LOG_LEVEL_WARNING, fmt, ap);
	va_end(ap);
}

static void __attribute__((format(printf, 2, 0)))
log_write_va(enum log_level level, const char *fmt, va_list ap)
{
	unsigned long lost = state.lost;

	if (lost) {
		state.lost = 0;
		write_note("%lu log lines were lost: %s did not take them", lost,
		    state.journal.fd >= 0 ? "the journal" : "stderr");
		if (state.lost)
			state.lost = lost; /* nor the note: it is to come again */
	}
	write_somewhere(level, fmt, ap);
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
