/*
 * Where files go: roots, and destinations beneath them.  Pure text; symbolic
 * links are hauld's to refuse when it opens the directories.
 */
#pragma once

#include <stddef.h>

#include "base/cleanup.h"

/* A root in its one form (no "/" at the end), newly allocated; NULL and
 * *ret_why (newly allocated): the end of a sentence. */
char *root_normalize(const char *text, char **ret_why) MUST_CHECK;
/*
 * The absolute path of an output: relative ones go beneath roots[0], absolute
 * ones must lie beneath one of them.  Newly allocated; NULL and *ret_why
 * (newly allocated): the end of the sentence "output ...".
 */
char *output_resolve(char *const *roots, size_t n, const char *text, char **ret_why) MUST_CHECK;
