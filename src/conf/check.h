/*
 * Checks of single values: is this text, or number, one that the key can
 * have?  What passes is put into the draft in its one canonical form (digests
 * in lower case, files by absolute path, @FILE replaced by what it holds).
 * What does not pass is told as an error with its place.
 */
#pragma once

#include "conf/draft.h"
#include "conf/emit.h"
#include "conf/seen.h"
#include "model/settings.h"

struct check {
	struct emit *emit;         /* borrowed */
	struct source_files *files; /* borrowed */
	struct seen groups;        /* names of the groups */
};

/*
 * The row of a key, ready to take values; NULL (and told) for a key that is
 * unknown, of a later version, refused, or not allowed in defaults.
 */
const struct setting *check_key(struct check *c, struct draft *d, struct where at, const char *name,
    bool defaults);
/* A value as text, of any type. */
void check_text(struct check *c, struct draft *d, const struct setting *row, struct where at,
    const char *text);
/* A plain number of the configuration. */
void check_number(struct check *c, struct draft *d, const struct setting *row, struct where at,
    int64_t number);
/* Told as "LABEL: KEY ...". */
void check_tell(struct check *c, const struct draft *d, const struct setting *row, struct where at,
    const char *why);
