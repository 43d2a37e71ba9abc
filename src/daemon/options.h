/*
 * The command line of hauld: its own options, and those it hands on to
 * hauld-conf, which knows every setting.  Caller: main, once.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum options_mode {
	MODE_SERVICE, /* not in this version */
	MODE_ONCE,
	MODE_TEST,    /* -t */
	MODE_VERSION,
	MODE_HELP,
};

struct options {
	enum options_mode mode;
	bool json, no_progress, debug;
	bool has_work;          /* -c, -i or a url was given */
	bool has_config, has_root; /* -c, --root was given */
	char *worker_path;      /* owned */
	char *conf_path;        /* owned: of hauld-conf */
	uint64_t slice_timeout_ms;
	char **conf_argv;       /* owned: for hauld-conf, NULL-terminated */
	unsigned conf_argc;
};

/* 0, or -EINVAL after one sentence on stderr. */
int options_parse(struct options *o, int argc, char **argv);
void options_done(struct options *o);
void options_print_help(void);
