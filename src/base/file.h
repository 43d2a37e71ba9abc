/*
 * Files that people write and a program reads whole: regular files only, of
 * bounded size, and without ever waiting for one (a FIFO is refused).  Used by
 * hauld-conf for its configuration and by both it and haulctl for @FILE.  And
 * the directories that hauld makes for itself.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/buf.h"

/*
 * Appends a regular file of at most max bytes to *ret.  0, or -errno with
 * *ret_why = a short reason (static or strerror's).  ret_world (may be NULL):
 * everyone can read it.
 */
int file_read(const char *path, size_t max, struct buf *ret, bool *ret_world, const char **ret_why) MUST_CHECK;
/* The same test without reading. */
int file_probe(const char *path, bool *ret_world, const char **ret_why) MUST_CHECK;
/* Makes a directory and those above it, as far as they are missing; 0 or -errno. */
int file_make_dirs(const char *path, mode_t mode) MUST_CHECK;
