/*
 * One job while its settings are gathered, and its text for `add`.  Values are
 * checked as far as a client can: their form, and that no secret stands where
 * others can read it; hauld checks all of it again.  Files with secrets are
 * read here, with the caller's rights.  Used by batch.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "model/settings.h"

struct entry_value {
	const struct setting *row;
	bool base;  /* of all jobs: gives way to what the entry says itself */
	char *text; /* owned; as hauld.conf(5) has it */
};

struct entry {
	struct entry_value *values; /* owned array */
	size_t n, size;
	char *dir;                  /* owned; NULL: none */
};

/* Where a value stands. */
struct entry_place {
	bool command_line;   /* everyone can see it */
	bool world_readable; /* so it is with this list */
	bool stdin_taken;    /* standard input is the list, or was read for @- */
};

/* Empty again, with the values of base (may be NULL), which give way. */
void entry_begin(struct entry *e, const struct entry *base);
void entry_done(struct entry *e);
/*
 * A value.  Numbers and words replace the one before; lists grow.  0, or
 * -EINVAL with *ret_why, the end of the sentence "KEY ..." (newly allocated,
 * foreign text in it not safe yet, never a secret).
 */
int entry_put(struct entry *e, const struct setting *row, const char *text, struct entry_place *place,
    char **ret_why) MUST_CHECK;
void entry_set_dir(struct entry *e, const char *dir);
/* When it is whole: a sentence what is wrong with it (newly allocated), or NULL. */
char *entry_finish(struct entry *e);
/* The job as an object with the keys of hauld.conf(5). */
void entry_write(const struct entry *e, struct json *j);
