/*
 * What a database of haul's looks like, and how an older one becomes that.  A
 * file that is another program's, a later haul's or damaged is left as it is.
 * Callers: db, past.
 */
#pragma once

#include <sqlite3.h>
#include <stddef.h>

#include "base/cleanup.h"

/* "haul", in the header of the file where file(1) looks too. */
enum { SCHEMA_APPLICATION_ID = 0x6861756c };

/* The file's header, read before SQLite touches it; no file and an empty one
 * are fine, and so is one that was never finished.  0, or -EBADMSG and a sentence in why; shown: the path, safe to show. */
int schema_probe(const char *path, const char *shown, char *why, size_t n) MUST_CHECK;
/* Takes the lock and goes all steps that are missing.  0, an error of
 * SQLite's, or -1 and a sentence in why: it is of a later version. */
int schema_prepare(sqlite3 *sql, const char *shown, char *why, size_t n) MUST_CHECK;
/* For who only reads: it is of this version.  The same answers. */
int schema_expect(sqlite3 *sql, const char *shown, char *why, size_t n) MUST_CHECK;
/* What to do about a file that makes no sense: into why. */
void schema_say_damaged(const char *shown, const char *what, char *why, size_t n);
