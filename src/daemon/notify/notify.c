/* The service manager's protocols; see notify.h. */
#include "daemon/notify/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"

enum {
	STATUS_BYTES = 256,  /* of one status line, escaped */
	MESSAGE_BYTES = 512, /* of one datagram */
	LISTEN_FIRST = 3,    /* SD_LISTEN_FDS_START */
	LISTEN_MAX = 64,     /* more than any unit file gives */
};

static struct {
	int fd; /* -1: nobody listens */
	struct sockaddr_un to;
	socklen_t to_len;
	uint64_t watchdog_ms;
	char status[STATUS_BYTES]; /* as last sent */
	char unsent[MESSAGE_BYTES]; /* a change of state that the socket did not take */
} state = { .fd = -1 };

/* ---- Taking the environment ---------------------------------------------- */

/* The variable's value, which stays good until the environment changes again:
 * unsetenv(3) does not free it. */
static const char *
take_env(const char *name)
{
	const char *value = getenv(name);

	if (value)
		(void)unsetenv(name); /* a valid name */
	return value;
}

static bool
pid_is_ours(const char *text)
{
	uint64_t pid;

	return text && parse_u64(text, &pid) == 0 && pid == (uint64_t)getpid();
}

static uint64_t
take_watchdog(void)
{
	const char *usec = take_env("WATCHDOG_USEC");
	const char *pid = take_env("WATCHDOG_PID");
	uint64_t us;

	if (!usec || parse_u64(usec, &us) < 0 || us == 0 || (pid && !pid_is_ours(pid)))
		return 0;
	return MAX(us / 2000, UINT64_C(1));
}

int
notify_open(void)
{
	const char *where = take_env("NOTIFY_SOCKET");
	uint64_t watchdog_ms = take_watchdog();
	int r;

	notify_close();
	if (!where)
		return 0;
	r = fd_unix_address(where, &state.to, &state.to_len);
	if (r < 0)
		return r;
	state.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (state.fd < 0)
		return -errno;
	state.watchdog_ms = watchdog_ms;
	return 0;
}

void
notify_close(void)
{
	fd_close(&state.fd);
	state.watchdog_ms = 0;
	state.status[0] = state.unsent[0] = '\0';
}

bool
notify_is_open(void)
{
	return state.fd >= 0;
}

uint64_t
notify_watchdog_ms(void)
{
	return state.watchdog_ms;
}

/* ---- Saying something ------------------------------------------------------ */

/* Not connected: a service manager that starts anew binds a new socket. */
static bool
send_text(const char *text)
{
	ssize_t n;

	do
		n = sendto(state.fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL,
		    (const struct sockaddr *)&state.to, state.to_len);
	while (n < 0 && errno == EINTR);
	return n >= 0;
}

/* A change of state must not get lost because a queue was full: the unit would
 * wait for it until its time-out.  It goes before whatever is said next. */
static bool
send_unsent(void)
{
	if (state.unsent[0] && !send_text(state.unsent))
		return false;
	state.unsent[0] = '\0';
	return true;
}

/* The latest state is the one that counts. */
static void
send_state(const char *text)
{
	if (state.fd >= 0 && !send_text(text))
		(void)snprintf(state.unsent, sizeof state.unsent, "%s", text);
	else
		state.unsent[0] = '\0';
}

void
notify_ready(const char *status)
{
	char text[MESSAGE_BYTES] = "READY=1";

	if (status) {
		(void)str_safe(state.status, sizeof state.status, status, strlen(status));
		(void)snprintf(text, sizeof text, "READY=1\nSTATUS=%s", state.status);
	}
	send_state(text);
}

void
notify_reloading(void)
{
	char text[MESSAGE_BYTES];

	(void)snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, clock_now_ns() / 1000);
	send_state(text);
}

void
notify_stopping(void)
{
	send_state("STOPPING=1");
}

void
notify_status(const char *fmt, ...)
{
	char raw[STATUS_BYTES], safe[STATUS_BYTES], text[MESSAGE_BYTES];
	va_list ap;

	if (state.fd < 0)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(raw, sizeof raw, fmt, ap);
	va_end(ap);
	(void)str_safe(safe, sizeof safe, raw, strlen(raw));
	if (!send_unsent() || text_equal(safe, state.status))
		return;
	(void)snprintf(text, sizeof text, "STATUS=%s", safe);
	if (send_text(text))
		memcpy(state.status, safe, sizeof state.status);
}

void
notify_watchdog(void)
{
	if (state.fd >= 0 && send_unsent())
		(void)send_text("WATCHDOG=1"); /* the next one comes soon enough */
}

/* ---- Sockets that were given --------------------------------------------------- */

static int
check_listener(int fd)
{
	static const struct {
		int option, want;
	} must[] = { { SO_DOMAIN, AF_UNIX }, { SO_TYPE, SOCK_STREAM }, { SO_ACCEPTCONN, 1 } };
	socklen_t n;
	int value;

	for (size_t i = 0; i < ARRAY_SIZE(must); i++) {
		n = sizeof value;
		if (getsockopt(fd, SOL_SOCKET, must[i].option, &value, &n) < 0)
			return -errno;
		if (value != must[i].want)
			return -EPROTOTYPE;
	}
	return fd_set_nonblock(fd);
}

/* The place of a name in "a:b:c", -1 when it is not among the first n. */
static int
find_name(const char *names, unsigned n, const char *name)
{
	for (unsigned i = 0; i < n; i++) {
		size_t len = strcspn(names, ":");

		if (len == strlen(name) && memcmp(names, name, len) == 0)
			return (int)i;
		if (!names[len])
			break;
		names += len + 1;
	}
	return -1;
}

/* A socket that nobody asked for would take connections that nobody accepts. */
static int
keep_one(unsigned n, int keep)
{
	int r = keep < 0 ? -ENODATA : -EBADF;

	for (int i = 0; i < (int)n; i++) {
		int fd = LISTEN_FIRST + i;

		if (i != keep)
			(void)close(fd);
		else if (fcntl(fd, F_SETFD, FD_CLOEXEC) == 0)
			r = check_listener(fd);
	}
	if (r < 0 && keep >= 0)
		(void)close(LISTEN_FIRST + keep);
	return r;
}

int
notify_listen_fd(const char *name, int *ret_fd)
{
	const char *pid = take_env("LISTEN_PID");
	const char *count = take_env("LISTEN_FDS");
	const char *names = take_env("LISTEN_FDNAMES");
	uint64_t n;
	int at, r;

	if (!count || !pid_is_ours(pid))
		return -ENOENT;
	if (parse_u64(count, &n) < 0 || n > LISTEN_MAX)
		return -EINVAL;
	if (n == 0)
		return -ENOENT;
	at = names ? find_name(names, (unsigned)n, name) : n == 1 ? 0 : -1;
	r = keep_one((unsigned)n, at);
	if (r == 0)
		*ret_fd = LISTEN_FIRST + at;
	return r;
}
