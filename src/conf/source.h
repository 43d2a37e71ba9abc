/*
 * Where a setting was read: the file (or the command line) and the line, so
 * that every error can point at it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

struct conf_file {
	struct conf_file *next; /* owned by struct source_files */
	char *name;             /* owned; as it was given, for people */
	char *dir;              /* owned; where its relative paths begin, absolute */
	bool world_readable;    /* no place for a secret */
	bool command_line;
};

struct where {
	const struct conf_file *file; /* borrowed from struct source_files */
	unsigned line;                /* from 1; 0: the whole of it */
};

struct source_files {
	struct conf_file *first; /* owned */
};

void source_files_done(struct source_files *all);
/* dir NULL: the current directory. */
struct conf_file *source_add(struct source_files *all, const char *name, const char *dir);
/* The file's directory and "/" and path, or path itself when it is absolute;
 * newly allocated. */
char *source_resolve(const struct conf_file *from, const char *path);
/* The directory part of a path, absolute; newly allocated. */
char *source_dir_of(const char *path);
