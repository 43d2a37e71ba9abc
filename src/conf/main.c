/*
 * The program hauld-conf: reads and checks the configuration in a process of
 * its own, because libconfig can end its caller or take seconds.  hauld starts
 * it and reads frames from its standard output; `hauld -t` and people start it
 * with -t.  With --intake it stays, and checks jobs of clients for hauld.
 * Here: limits, signals, the terminal, exit statuses.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "conf/conf.h"
#include "conf/limits.h"
#include "conf/serve.h"
#include "wire/build_id.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

#ifdef SANITIZED /* a sanitizer's shadow memory is terabytes, and all takes longer */
enum { SLOWNESS = 10 };
#else
enum { SLOWNESS = 1 };
#endif

static void
on_cpu_limit(int sig)
{
	static const char text[] =
	    "hauld-conf: reading the configuration took more than 10 seconds\n";

	(void)sig;
	(void)!write(STDERR_FILENO, text, sizeof text - 1); /* nothing is left to do about it */
	_exit(CONF_EXIT_CONFIG);
}

static void
limit(int what, rlim_t soft, rlim_t hard)
{
	struct rlimit now, want = { soft, hard };

	/* A limit that is lower already stays. */
	if (getrlimit(what, &now) == 0) {
		want.rlim_max = MIN(want.rlim_max, now.rlim_max);
		want.rlim_cur = MIN(want.rlim_cur, MIN(now.rlim_cur, want.rlim_max));
		(void)setrlimit(what, &want);
	}
}

/* Not for one that stays: hauld watches whether it answers. */
static void
set_cpu_limit(void)
{
	struct sigaction end = { .sa_handler = on_cpu_limit };

	(void)sigaction(SIGXCPU, &end, NULL);
	limit(RLIMIT_CPU, CPU_SECONDS_MAX * SLOWNESS, CPU_SECONDS_MAX * SLOWNESS + 2);
}

static void
set_limits(void)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	(void)sigaction(SIGPIPE, &ignore, NULL); /* a reader that is gone is an error of write() */
	limit(RLIMIT_CORE, 0, 0); /* secrets are in this memory */
#ifndef SANITIZED
	limit(RLIMIT_AS, MEMORY_BYTES_MAX, MEMORY_BYTES_MAX);
#endif
}

static void
dump_settings(void)
{
	static const char *const types[] = { "bool", "uint", "int", "size", "duration", "mode", "request-rate",
		"enum", "string", "until", "list" };
	unsigned n;
	const struct setting *all = settings_all(&n);

	for (unsigned i = 0; i < n; i++)
		(void)printf("%s\t%s\t%s\t%s\t%s\t%s%s%s\t%s\n",
		    setting_scope_to_string(all[i].scope), all[i].name, types[all[i].type],
		    all[i].def ? all[i].def : "-", all[i].words ? all[i].words : "-",
		    all[i].flags & SETTING_OWN ? "O" : "-",
		    all[i].flags & SETTING_SECRET ? "S" : "-",
		    all[i].flags & SETTING_RESTART ? "R" : "-", all[i].help);
}

/* What was checked, for the last line of -t. */
static const char *
subject(const struct conf_args *a)
{
	return a->config                             ? a->config
	    : a->input && !text_equal(a->input, "-") ? a->input
	    : a->input                               ? "standard input"
						     : "command line";
}

static int
run(const struct conf_args *args)
{
	struct emit emit = { .fd = STDOUT_FILENO, .messages = args->test ? stderr : NULL };
	int status;

	if (!args->test && isatty(STDOUT_FILENO)) {
		(void)fputs(
		    "hauld-conf reads the configuration for hauld and writes binary frames; "
		    "run \"hauld-conf -t\" to check a configuration\n",
		    stderr);
		return CONF_EXIT_USAGE;
	}
	status = conf_run(args, &emit);
	if (args->test && emit.errors)
		(void)fprintf(stderr, "hauld-conf: %llu error%s in %s\n",
		    (unsigned long long)emit.errors, emit.errors == 1 ? "" : "s",
		    quote(subject(args)));
	else if (args->test)
		(void)printf("%s: %llu job%s, no errors\n", quote(subject(args)),
		    (unsigned long long)emit.jobs, emit.jobs == 1 ? "" : "s");
	if (emit.io_error && emit.io_error != -EPIPE)
		(void)fprintf(stderr, "hauld-conf: cannot write: %s\n", strerror(-emit.io_error));
	emit_done(&emit);
	return status;
}

/* hauld logs how it ended; here only what hauld cannot know. */
static int
run_intake(void)
{
	struct emit emit = { .fd = STDOUT_FILENO };
	int r;

	if (isatty(STDIN_FILENO) || isatty(STDOUT_FILENO)) {
		(void)fputs("hauld-conf --intake is for hauld, which speaks to it in binary frames\n",
		    stderr);
		return CONF_EXIT_USAGE;
	}
	r = serve_run(STDIN_FILENO, &emit);
	emit_done(&emit);
	if (r == -EPROTO || r == -ESTALE || r == -EMSGSIZE)
		(void)fputs("hauld-conf: the request makes no sense (is hauld of another build?)\n",
		    stderr);
	else if (r < 0 && r != -EPIPE)
		(void)fprintf(stderr, "hauld-conf: cannot read or write: %s\n", strerror(-r));
	return r < 0 ? CONF_EXIT_FAILURE : CONF_EXIT_OK;
}

int
main(int argc, char **argv)
{
	struct conf_args args;
	char *why = NULL;
	int status = CONF_EXIT_OK;

	if (fd_sane_stdio() < 0)
		return CONF_EXIT_FAILURE;
	log_init("hauld-conf", false);
	set_limits();
	if (args_parse(argc, argv, &args, &why) < 0) {
		(void)fprintf(stderr, "hauld-conf: %s\n", why);
		free(why);
		args_done(&args);
		return CONF_EXIT_USAGE;
	}
	if (args.action != ARGS_INTAKE)
		set_cpu_limit();
	switch (args.action) {
	case ARGS_INTAKE:
		status = run_intake();
		break;
	case ARGS_HELP:
		args_print_help();
		break;
	case ARGS_VERSION:
		(void)printf("hauld-conf, build %s\n", build_id);
		break;
	case ARGS_DUMP_SETTINGS:
		dump_settings();
		break;
	case ARGS_RUN:
		status = run(&args);
		break;
	}
	args_done(&args);
	return status;
}
