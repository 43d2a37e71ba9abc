/*
 * Input lists (-i): aria2's input format and lists of checksums as sha256sum
 * writes them, told apart by the first line that is neither blank nor a
 * comment.  Reads them line by line and knows their form only; what the values
 * may be is the business of its callers, hauld-conf and haulctl.
 */
#pragma once

#include <stdbool.h>

enum { LIST_LINE_MAX = 64 << 10 }; /* bytes of one line */

/* What was read, in its order; line from 1 (0: the whole list). */
struct input_list_ops {
	/* A job begins, and the one before is whole; false: read no more. */
	bool (*on_entry)(unsigned line, void *arg);
	/* key: as it stands there ("output" for "out", "url", "checksum"). */
	void (*on_value)(unsigned line, const char *key, const char *value, void *arg);
	/* The directory of the entry's destination, relative or absolute. */
	void (*on_dir)(unsigned line, const char *dir, void *arg);
	/* A sentence; foreign text in it is safe. */
	void (*on_error)(unsigned line, const char *text, void *arg);
};

/* Reads fd to its end.  base_url: where the files of a list of checksums lie,
 * NULL when none was given. */
void input_list_read(int fd, const char *base_url, const struct input_list_ops *ops, void *arg);
/* The same of a list of urls, one a line, as wget -i has it: blanks around them go, and
 * only "url" comes. */
void input_list_read_urls(int fd, const struct input_list_ops *ops, void *arg);
/* The sentence why a base url cannot be one; NULL: it can. */
const char *input_list_refuse_base(const char *base_url);
