/*
 * Log lines, one for an event: with fields to the journal (base/journal.h), or
 * on stderr with "<N>" priorities for whoever reads them (sd-daemon(3)) or
 * with the program's name for people.  Writing never waits: a line that is not
 * taken at once is dropped and the loss is reported later.  Foreign strings
 * pass through log_safe() before they get here.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"

enum log_level { /* as in syslog(3) */
	LOG_LEVEL_ERR = 3,
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_NOTICE = 5,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7,
};

/* Lines go to what stderr is now.  prefix: begin them with "<N>"; name: of the
 * program, "hauld: " otherwise. */
void log_init(const char *name, bool prefix);
/* The same, where stderr leads to the journal with fields, or with "<N>" when
 * its socket does not answer, and errors always; else for people.  journal: the
 * path of that socket; NULL: journald's. */
void log_init_journal(const char *name, const char *journal);
void log_set_level(enum log_level level);
enum log_level log_get_level(void);
/* "err" "warning" "notice" "info" "debug"; -EINVAL for anything else. */
int log_level_from_string(const char *s, enum log_level *ret) MUST_CHECK;

/* The text is a lower-case sentence without a trailing dot, then key=value or
 * key="a value"; in the journal these are also the fields HAULD_KEY.  errno is
 * left as it was. */
void log_write(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);

#define log_err(...) log_write(LOG_LEVEL_ERR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...) log_write(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)                                        \
	do {                                                  \
		if (log_get_level() >= LOG_LEVEL_DEBUG)       \
			log_write(LOG_LEVEL_DEBUG, __VA_ARGS__); \
	} while (0)

/* Every line that is written goes there, too, and is cb's to change; where the pairs at
 * its end begin there are JOURNAL_MARKs (base/journal.h).  NULL: nowhere. */
void log_set_tap(void (*cb)(enum log_level level, char *line, void *arg), void *arg);

/* A foreign string made harmless (str_safe); one of eight static buffers in
 * turn, good until eight more calls.  Single-threaded use. */
const char *log_safe(const char *s);

/* Start-up failures and broken invariants only: logs and exits with status. */
void fatal(int status, const char *fmt, ...) PRINTF_LIKE(2, 3) __attribute__((noreturn));
