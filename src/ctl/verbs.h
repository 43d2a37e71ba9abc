/*
 * The verbs of haulctl: one table with everything that the command line, the
 * help, the completions and the check of the manual page know about them.
 * verbs.c owns it; a verb's function is in the file of its group.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "model/settings.h"

struct ctl;

enum option_id {
	OPTION_NONE,
	/* everywhere */
	OPTION_SOCKET,
	OPTION_JSON,
	OPTION_NO_PROGRESS,
	OPTION_HELP,
	OPTION_VERSION,
	/* of some verbs */
	OPTION_TIMEOUT,
	OPTION_OUTPUT,
	OPTION_INPUT_FILE,
	OPTION_BASE_URL,
	OPTION_KEY,
	OPTION_STATE,
	OPTION_SORT,
	OPTION_LIMIT,
	OPTION_FOLLOW,
	OPTION_WHAT,
	OPTION_LEVEL,
	OPTION_PROMETHEUS,
	OPTION_INTERVAL,
	OPTION_COUNT,
	OPTION_UNVERIFIED,
	OPTION_CHECKSUM,
	OPTION_SET_URL,
	OPTION_HOST,
	OPTION_TOTAL,
	OPTION_RESET,
	OPTION_ALL,
	OPTION_FOR,
	OPTION_RETURN_WHEN,
	OPTION_RETURN_EXCEPTIONS,
	OPTION_CANCEL,
	OPTION_MAX_CONCURRENT,
	OPTION_REMOVE,
	OPTION_BLOCK,
	OPTION_DRY_RUN,
	OPTION_FORMAT,
	/* Parameters of list, under their names. */
	OPTION_SINCE,
	OPTION_UNTIL,
	OPTION_GROUP,
	OPTION_NAME,
	OPTION_LIST_OUTPUT,
	OPTION_URL,
};

struct verb_option {
	enum option_id id; /* OPTION_NONE ends a list */
	char letter;       /* "-o"; 0: none */
	const char *name;  /* "output" of "--output" */
	const char *value; /* what its value is, "FILE"; NULL: it takes none */
	const char *words; /* the values it can have, "a|b"; NULL: any */
	const char *help;  /* one line */
};

enum verb_words { /* what the words behind the verb are, for completions */
	WORDS_NONE,
	WORDS_JOBS,
	WORDS_URLS,
	WORDS_FILES,
	WORDS_FORMATS, /* of import, and a file */
	WORDS_VERBS,
	WORDS_SHELLS,
	WORDS_EVENTS, /* set or clear, and a name */
	WORDS_SWITCH,
	WORDS_GROUPS,
};

struct verb {
	const char *name;
	const char *arguments; /* "[JOB...]" */
	const char *help;      /* one line */
	const char *more;      /* what `haulctl help VERB` says beyond it; may be NULL */
	const struct verb_option *options; /* own ones, ended by OPTION_NONE; may be NULL */
	enum verb_words words;
	unsigned least, most;  /* words; most 0: any number */
	bool settings;         /* every setting of a job is an option, too */
	int (*run)(struct ctl *); /* returns the exit status */
};

/* In the order of the help; *ret_n = how many. */
const struct verb *verbs_all(size_t *ret_n);
/* NULL when there is none. */
const struct verb *verb_find(const char *name);
/* The nearest name, for "did you mean"; NULL when none is near. */
const char *verb_suggest(const char *name);
/* Options of every verb, ended by OPTION_NONE. */
const struct verb_option *verb_global_options(void);
/* The name of a setting as an option: its own, but for "key", which is
 * "private-key" beside the idempotency key of add. */
const char *verb_setting_name(const struct setting *row);
/* The n-th setting that is an option of verbs with settings; NULL behind the last. */
const struct setting *verb_setting(unsigned n);
/* Is it told in the help of v, and completed? */
bool verb_offers(const struct verb *v, const struct setting *row);
