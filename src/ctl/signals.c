/* Signals; see signals.h. */
#include "ctl/signals.h"

#include <errno.h>
#include <sys/signalfd.h>

static void
add_unless_ignored(sigset_t *set, int number)
{
	struct sigaction sa;

	if (sigaction(number, NULL, &sa) == 0 && sa.sa_handler != SIG_IGN)
		(void)sigaddset(set, number);
}

int
signals_open(bool with_stop, sigset_t *ret_old)
{
	sigset_t set;
	int fd;

	(void)sigemptyset(&set);
	add_unless_ignored(&set, SIGINT);
	add_unless_ignored(&set, SIGTERM);
	add_unless_ignored(&set, SIGHUP);
	if (with_stop)
		add_unless_ignored(&set, SIGTSTP);
	(void)sigaddset(&set, SIGWINCH);
	(void)sigaddset(&set, SIGCONT);
	(void)sigprocmask(SIG_BLOCK, &set, ret_old);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}
