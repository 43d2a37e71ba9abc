/*
 * The command line of haulctl, taken apart by the table of verbs.  Options may
 * stand before and behind the words of their verb; those of every verb also
 * before the verb.  Only whole names count: an abbreviation could change its
 * meaning with the next version.  Called by main.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ctl/verbs.h"

struct args_value {
	const struct setting *row;
	const char *text; /* borrowed from argv, like all of it */
};

struct args {
	const struct verb *verb; /* NULL: none was given */
	bool json, no_progress, help, version;
	const char *socket;      /* NULL: look for one */
	bool has_timeout;
	uint64_t timeout_ms;
	bool unverified;         /* cat */
	bool block;              /* of all that add */
	bool dry_run;            /* import */
	const char *format;      /* of export; NULL: list */
	const char **checksums;  /* owned array: of verify */
	size_t n_checksums;
	bool has_interval;
	uint64_t interval_ms;    /* of top */
	uint64_t count;          /* snapshots of top; 0: no end */
	bool all;                /* jobs: --all */
	bool return_exceptions, cancel; /* of gather */
	uint64_t max_concurrent; /* of gather; 0: no limit */
	bool remove;             /* of group */
	const char *wanted, *return_when; /* of wait: --for, and when it returns */
	const char *input, *base_url, *key;
	const char *state, *sort, *what, *level;
	bool follow, prometheus;
	bool total, reset;       /* of limit */
	const char *host;
	const char *filters[OPTION_URL - OPTION_SINCE + 1]; /* of list, by option; NULL: not given */
	uint64_t limit;          /* 0: none */
	struct args_value *values; /* owned array */
	size_t n_values;
	char **words;            /* owned array */
	size_t n_words;
};

/* 0, or -EINVAL with *ret_why, a sentence (newly allocated, its foreign text
 * not safe yet).  args_done() in either case. */
int args_parse(struct args *a, int argc, char **argv, char **ret_why) MUST_CHECK;
void args_done(struct args *a);
/* True when that is one of the words of "a|b|c". */
bool args_is_word(const char *words, const char *text, size_t n);
