/*
 * The command line of hauld: its own options, and those it hands on to
 * hauld-conf, which knows every setting.  Callers: main, once, service.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum options_mode {
	MODE_SERVICE,
	MODE_ONCE,
	MODE_TEST,    /* -t */
	MODE_VERSION,
	MODE_HELP,
};

struct options {
	enum options_mode mode;
	bool json, no_progress, debug;
	bool has_config, has_root, has_list, has_urls; /* -c, --root, -i, a url was given */
	bool user;              /* --user: a user's own service */
	char *conf_file;        /* owned: what is read again at a reload; NULL: none */
	char *runtime_dir;    /* owned: with --user-instance */
	char *user_state_dir; /* owned: $XDG_STATE_HOME; NULL: there is none */
	char *worker_path;      /* owned */
	char *conf_path;        /* owned: of hauld-conf */
	char *store_path;       /* owned: of hauld-store */
	char *spawn_path;       /* owned: of hauld-spawn */
	uint64_t slice_timeout_ms;
	char **conf_argv;       /* owned: for hauld-conf, NULL-terminated */
	unsigned conf_argc;
};

/* 0, or -EINVAL after one sentence on stderr. */
int options_parse(struct options *o, int argc, char **argv);
void options_done(struct options *o);
void options_print_help(void);
