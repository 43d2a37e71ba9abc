/*
 * hauld-worker: started by hauld with requests on descriptor 0, answers on 1,
 * the log on 2 and the shared page on 3.  Not for people, but for --version.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/log.h"
#include "base/str.h"
#include "wire/build_id.h"
#include "worker/worker.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif

/* The second line beside the end of the request pipe: it also ends a worker that
 * is deep in a slice.  A parent that died before this call shows as another one. */
static void
die_with_parent(void)
{
	pid_t parent = getppid();

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		log_warning("cannot ask to end with hauld: %s", strerror(errno));
	if (getppid() != parent)
		_exit(0);
}

int
main(int argc, char **argv)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	if (argc == 2 && text_equal(argv[1], "--version")) {
		(void)printf("hauld-worker %s (build %s)\n", PACKAGE_VERSION, build_id);
		return 0;
	}
	if (argc != 1) {
		(void)fprintf(stderr, "usage: hauld-worker [--version]\n"
		    "It is started by hauld and talks to it over pipes.\n");
		return 2;
	}
	log_init_journal("hauld-worker", NULL);
	die_with_parent();
	(void)sigaction(SIGPIPE, &ignore, NULL); /* cannot fail for a valid signal */
	/* Not exit(): the sync lane may be in a call that does not end soon. */
	_exit(worker_run(WORK_FD_IN, WORK_FD_OUT, worker_map_page()));
}
