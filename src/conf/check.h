/*
 * Checks of single values: is this text, or number, one that the key can
 * have?  What passes is put into the draft in its one canonical form (digests
 * in lower case, files by absolute path, @FILE replaced by what it holds).
 * What does not pass is told as an error with its place.
 */
#pragma once

#include "conf/draft.h"
#include "conf/emit.h"
#include "conf/groups.h"
#include "conf/seen.h"
#include "model/settings.h"

struct check {
	struct emit *emit;         /* borrowed */
	bool intake;               /* jobs of clients: their files are not ours to read */
	struct source_files *files; /* borrowed */
	struct groups groups;
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
/*
 * A value of any kind, against the type of the key.  In a list
 * only texts may stand.
 */
struct check_value {
	enum conf_kind kind;
	const char *text; /* CONF_KIND_TEXT */
	int64_t number;   /* CONF_KIND_NUMBER, CONF_KIND_BOOL (0 or 1) */
};
void check_value(struct check *c, struct draft *d, const struct setting *row, struct where at,
    const struct check_value *v);
void check_entry(struct check *c, struct draft *d, const struct setting *row, struct where at,
    const struct check_value *v);
/* Before its entries: false (and told) when the key takes no list, or the list
 * is empty. */
bool check_list(struct check *c, struct draft *d, const struct setting *row, struct where at,
    bool empty);
/* Told as "LABEL: KEY ...". */
void check_tell(struct check *c, const struct draft *d, const struct setting *row, struct where at,
    const char *why);
