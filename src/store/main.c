/*
 * hauld-store: started by hauld with changes, or with --read questions, on
 * descriptor 0, answers on 1 and the log on 2.  Not for people, but for --version.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "store/reader.h"
#include "store/store.h"
#include "wire/build_id.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif

int
main(int argc, char **argv)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	bool reads = argc == 3 && text_equal(argv[1], "--read");

	if (fd_sane_stdio() < 0)
		return 1;
	if (argc == 2 && text_equal(argv[1], "--version")) {
		(void)printf("hauld-store %s (build %s)\n", PACKAGE_VERSION, build_id);
		return 0;
	}
	if (!reads && (argc != 2 || argv[1][0] == '-')) {
		(void)fprintf(stderr, "usage: hauld-store DIRECTORY\n       hauld-store --read DIRECTORY\n"
		    "       hauld-store --version\n"
		    "It is started by hauld and talks to it over pipes.\n");
		return 2;
	}
	log_init_journal("hauld-store", NULL);
	/* The jobs may hold secrets. */
	(void)umask(077);
	/* Both as errors of write(2); neither call fails for a valid signal. */
	(void)sigaction(SIGPIPE, &ignore, NULL);
	(void)sigaction(SIGXFSZ, &ignore, NULL);
	if (reads)
		return reader_run(0, 1, argv[2]);
	/* No PR_SET_PDEATHSIG: when hauld is gone, what came is committed first. */
	return store_run(0, 1, argv[1]);
}
