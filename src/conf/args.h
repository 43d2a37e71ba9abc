/* The command line of hauld-conf: one option per row of the settings table
 * (daemon and job scope) and a few of its own. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "model/settings.h"

enum args_action { ARGS_RUN, ARGS_INTAKE, ARGS_HELP, ARGS_VERSION, ARGS_DUMP_SETTINGS };

struct args_value {
	const struct setting *row;
	const char *text; /* borrowed from argv */
};

struct conf_args {
	enum args_action action;
	bool test;            /* -t */
	bool no_config;
	const char *config;   /* borrowed; NULL: none */
	const char *conf_dir; /* borrowed; NULL: none */
	const char *input;    /* borrowed; "-": standard input; NULL: none */
	const char *base_url; /* borrowed, or NULL */
	const char *root;     /* borrowed: the root when nothing else gives one */
	const char **urls;    /* owned array */
	size_t n_urls;
	struct args_value *values; /* owned array */
	size_t n_values;
};

/* 0, or -EINVAL with *ret_why: one sentence, newly allocated.  The caller ends
 * *ret with args_done() in both cases. */
int args_parse(int argc, char **argv, struct conf_args *ret, char **ret_why) MUST_CHECK;
void args_done(struct conf_args *a);
void args_print_help(void);
