/*
 * The program hauld.
 *
 * Start: arguments -> log -> umask, SIGPIPE, stdio -> curl_global_init (while
 * single-threaded) -> event loop -> children -> hauld-conf -> engine -> (the
 * control socket of the service) -> jobs.
 * A turn of the loop: libevent's callbacks, then deferred calls: completions,
 * a scheduler pass, frames to the workers (loop/loop.h).
 * The end: jobs let go of their files -> summary -> workers leave -> transfers,
 * then handles, then the multi, then events, then the loop are freed.
 */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/loop/loop.h"
#include "daemon/once.h"
#include "daemon/options.h"
#include "daemon/service.h"
#include "daemon/xfer/library.h"
#include "wire/build_id.h"

static void
print_version(void)
{
	(void)printf("hauld %s (build %s)\n%s\nlibevent/%s\n", PACKAGE_VERSION, build_id, xfer_versions(),
	    loop_version());
}

/* Checking is all that hauld-conf does: this process becomes it. */
static int
test_configuration(struct options *o)
{
	static char test[] = "-t";
	char **all = xcalloc(o->conf_argc + 2, sizeof *all);

	all[0] = o->conf_argv[0];
	all[1] = test;
	memcpy(all + 2, o->conf_argv + 1, o->conf_argc * sizeof *all); /* with the NULL */
	(void)execv(o->conf_path, all);
	(void)fprintf(stderr, "hauld: cannot run %s: %s\n", o->conf_path, strerror(errno));
	free(all);
	return 1;
}

enum { FDS_LEAST = 100 }; /* open files */

static int
run_once(struct options *o)
{
	int status;

	if (!o->has_config && !o->has_list && !o->has_urls) {
		(void)fprintf(stderr, "hauld: nothing to do: give a URL, -c FILE or -i FILE; see `hauld --help`\n");
		return 2;
	}
	if (xfer_global_init() < 0)
		return 1;
	status = once_run(o);
	xfer_global_cleanup();
	return status;
}

static int
run_service(struct options *o)
{
	int status;

	if (xfer_global_init() < 0)
		return 1;
	status = service_run(o);
	xfer_global_cleanup();
	return status;
}

/* With fewer children cannot be started, or jobs wait for ever. */
static bool
has_descriptors(void)
{
	unsigned n = fd_limit();

	if (n >= FDS_LEAST)
		return true;
	(void)fprintf(stderr, "hauld: only %u files may be open at once, and it takes at least %d: "
	    "raise the limit (ulimit -n, or LimitNOFILE= of the unit)\n", n, FDS_LEAST);
	return false;
}

static int
run(struct options *o)
{
	switch (o->mode) {
	case MODE_HELP:
		options_print_help();
		return 0;
	case MODE_VERSION:
		print_version();
		return 0;
	case MODE_TEST:
		return test_configuration(o);
	case MODE_ONCE:
		return has_descriptors() ? run_once(o) : 1;
	case MODE_SERVICE:
		return has_descriptors() ? run_service(o) : 1;
	}
	return 2;
}

/* A write says EPIPE instead. */
static void
ignore_sigpipe(void)
{
	struct sigaction sa = { .sa_handler = SIG_IGN };

	(void)sigaction(SIGPIPE, &sa, NULL);
}

/* libcurl allocates a receive buffer for each request: from a heap that is
 * kept, not from the kernel every time. */
static void
keep_heap(void)
{
	(void)mallopt(M_MMAP_THRESHOLD, 4 << 20);
	(void)mallopt(M_TRIM_THRESHOLD, 64 << 20);
}

int
main(int argc, char **argv)
{
	struct options o;
	int status = 2;

	keep_heap();

	if (fd_sane_stdio() < 0)
		return 1;
	(void)umask(022);
	ignore_sigpipe();
	(void)fd_raise_limit();
	log_init_journal("hauld", NULL);
	if (options_parse(&o, argc, argv) == 0)
		status = run(&o);
	options_done(&o);
	return status;
}
