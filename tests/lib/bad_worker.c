/*
 * A hauld-worker that goes wrong on purpose, for tests of how hauld replaces
 * workers.  Its objects are the real one's; the hook looks at the name of a
 * task's target when a slice of it starts:
 *
 *   ...crash-always...  aborts
 *   ...crash-once...    aborts unless $HAUL_TEST_DIR/NAME.crashed is there,
 *                       which it makes first
 *   ...hang...          never comes back
 *   ...lie...           writes what is no frame
 *   ...claim...         says that the task before it, which another one has, is done
 *   ...exit...          ends with status 0
 *   ...shrink...        takes the memory that it shares with hauld away
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "worker/worker.h"

/* True the first time for this name, in whichever process. */
static bool
is_first_time(const char *name)
{
	const char *dir = getenv("HAUL_TEST_DIR");
	AUTO_FREE char *path = NULL;
	AUTO_CLOSE int fd = -1;

	if (!dir)
		fatal(1, "HAUL_TEST_DIR is not set");
	path = xasprintf("%s/%s.crashed", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 && errno != EEXIST)
		fatal(1, "cannot make %s: %s", path, strerror(errno));
	return fd >= 0;
}

static void
hang(void)
{
	for (;;)
		(void)pause();
}

static void
lie(void)
{
	static const char garbage[] = "this is no frame, and it is longer than a header";

	(void)!fd_write_full(WORK_FD_OUT, garbage, sizeof garbage); /* the end comes either way */
}

static void
claim(uint64_t id)
{
	struct result_msg done = { .in = 1, .out = 1 };
	AUTO_BUF struct buf b = { 0 };

	work_put_result(&b, id, WORK_RESULT, &done);
	(void)!fd_write_full(WORK_FD_OUT, buf_bytes(&b), buf_len(&b)); /* the end comes either way */
}

static void
go_wrong(uint64_t id, const struct task_msg *t)
{
	AUTO_FREE char *name = xstrndup(t->target.name.at, t->target.name.len);

	if (strstr(name, "crash-always"))
		abort();
	if (strstr(name, "crash-once") && is_first_time(name))
		abort();
	if (strstr(name, "hang"))
		hang();
	if (strstr(name, "lie"))
		lie();
	if (strstr(name, "claim"))
		claim(id - 1);
	if (strstr(name, "exit"))
		_exit(0);
	if (strstr(name, "shrink"))
		(void)!ftruncate(WORK_FD_PAGE, 0);
}

int
main(void)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	log_init("bad-worker", false);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* tests leave nothing behind */
	(void)sigaction(SIGPIPE, &ignore, NULL);
	worker_test_hook = go_wrong;
	_exit(worker_run(WORK_FD_IN, WORK_FD_OUT, worker_map_page()));
}
