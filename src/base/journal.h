/*
 * Log lines with fields, in journald's own protocol: a datagram for each line
 * (systemd.journal-fields(7), "Native Journal Protocol").  The trailing
 * key=value pairs of a line become the fields HAULD_KEY, so that
 * `journalctl HAULD_JOB=geoip` finds them.  What is such a pair is decided by
 * the line's format, which is ours: no foreign text can pretend to be a field.
 * Nothing here waits.  Caller: log.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/cleanup.h"

enum { JOURNAL_MARK = 0x1f }; /* stands before each pair in a marked line */

struct journal {
	int fd; /* -1: not there */
	struct sockaddr_un to;
	socklen_t to_len;
};

/* JOURNAL_STREAM says that stderr leads to the journal, and it still does. */
bool journal_has_stderr(void);
/* path: of the socket; NULL: journald's.  0 or -errno: nobody is there. */
int journal_open(struct journal *j, const char *path) MUST_CHECK;
void journal_close(struct journal *j);

/* The format with a mark in place of the blank before each of its trailing
 * pairs; as it is when it has none or does not fit. */
void journal_mark(char *out, size_t max, const char *format);
/* A marked line of n bytes.  0; -EAGAIN: the journal does not take it now;
 * -errno: nobody is there.  The marks become blanks. */
int journal_send(struct journal *j, int priority, const char *name, char *line, size_t n) MUST_CHECK;
