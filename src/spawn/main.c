/*
 * hauld-spawn: runs programs for hauld, outside of its sandbox.  Started by systemd for
 * a socket (--listen), or by hauld itself with frames on descriptors 0 and 1.  Not for
 * people, but for --version.
 */
#include <errno.h>
#include <getopt.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "daemon/notify/notify.h"
#include "spawn/serve.h"
#include "wire/build_id.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif

static int
usage(void)
{
	(void)fprintf(stderr, "usage: hauld-spawn\n"
	    "       hauld-spawn --listen --programs DIRECTORY --peer USER\n"
	    "       hauld-spawn --version\n"
	    "It is started by hauld, or by systemd for a socket.\n");
	return 2;
}

static int
listen_for(const char *user, struct serve_options *o)
{
	const struct passwd *who = getpwnam(user);
	int fd, r;

	if (!who) {
		log_err("there is no user %s, who alone may connect", log_safe(user));
		return 1;
	}
	o->peer = who->pw_uid;
	r = notify_listen_fd("spawn", &fd);
	if (r < 0) {
		log_err("no socket was handed over, or it cannot be used: %s", strerror(-r));
		return 1;
	}
	return serve_socket(fd, o);
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "listen", no_argument, NULL, 'l' },
		{ "programs", required_argument, NULL, 'p' },
		{ "peer", required_argument, NULL, 'u' },
		{ "version", no_argument, NULL, 'v' },
		{ NULL, 0, NULL, 0 },
	};
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	struct serve_options o = { .dir = NULL };
	const char *peer = NULL;
	bool listens = false;
	int c;

	if (fd_sane_stdio() < 0)
		return 1;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'l':
			listens = true;
			break;
		case 'p':
			o.dir = optarg;
			break;
		case 'u':
			peer = optarg;
			break;
		case 'v':
			(void)printf("hauld-spawn %s (build %s)\n", PACKAGE_VERSION, build_id);
			return 0;
		default:
			return usage();
		}
	}
	/* Outside of the sandbox there is no running of just anything. */
	if (optind != argc || listens != (peer != NULL) || listens != (o.dir != NULL))
		return usage();
	/* hauld is of the same user, and is not to reach into us past what may be run (ptrace(2), /proc/PID/mem). */
	(void)prctl(PR_SET_DUMPABLE, 0);
	log_init_journal("hauld-spawn", NULL);
	(void)sigaction(SIGPIPE, &ignore, NULL); /* cannot fail for a valid signal */
	return listens ? listen_for(peer, &o) : serve_pipes(0, 1, &o);
}
