/* The connection to hauld; see client.h. */
#include "ctl/client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "model/settings.h"

enum { READ_SIZE = 256 << 10 };

char *
client_socket_path(const char *option)
{
	const char *named = option ? option : getenv("HAULCTL_SOCKET");
	const char *run = getenv("XDG_RUNTIME_DIR");

	if (named && *named)
		return xstrdup(named);
	if (run && *run == '/') {
		AUTO_FREE char *own = xasprintf("%s/hauld/control.sock", run);

		if (access(own, F_OK) == 0)
			return TAKE_PTR(own);
	}
	return xstrdup(setting_find(DAEMON_SOCKET)->def);
}

int
client_open(const char *path, struct client **ret)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	AUTO_CLOSE int fd = -1;
	struct client *c;
	int r;

	if (strlen(path) >= sizeof address.sun_path)
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	do { /* waits while a busy hauld has a full queue of clients */
		r = connect(fd, (const struct sockaddr *)&address, sizeof address);
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	r = fd_set_nonblock(fd);
	if (r < 0)
		return r;
	c = NEW(struct client);
	c->fd = TAKE_FD(fd);
	c->passed = -1;
	*ret = c;
	return 0;
}

void
client_free(struct client *c)
{
	if (!c)
		return;
	fd_close(&c->fd);
	fd_close(&c->passed);
	buf_done(&c->in);
	buf_done(&c->out);
	free(c);
}

uint64_t
client_send_text(struct client *c, const char *method, const char *params, size_t n)
{
	buf_printf(&c->out, "{\"jsonrpc\":\"2.0\",\"id\":%llu,\"method\":\"%s\",\"params\":",
	    (unsigned long long)++c->last_id, method);
	buf_append(&c->out, params, n);
	buf_append_str(&c->out, "}\n");
	return c->last_id;
}

uint64_t
client_send(struct client *c, const char *method, json_t *params)
{
	AUTO_FREE char *text = params ? json_dumps(params, JSON_COMPACT) : NULL;

	json_decref(params);
	return client_send_text(c, method, text ? text : "{}", text ? strlen(text) : 2);
}

short
client_events(const struct client *c)
{
	return (short)(POLLIN | (buf_len(&c->out) ? POLLOUT : 0));
}

static int
pump_out(struct client *c)
{
	while (buf_len(&c->out)) {
		ssize_t n = send(c->fd, buf_bytes(&c->out), buf_len(&c->out), MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		/* A reset is told by the reading side, behind the last answers. */
		if (n < 0)
			return errno == EAGAIN || errno == EPIPE || errno == ECONNRESET ? 0 : -errno;
		buf_consume(&c->out, (size_t)n);
	}
	return 0;
}

/* As read(2), and takes a descriptor that comes along. */
static ssize_t
receive(struct client *c)
{
	struct iovec bytes = { .iov_base = buf_reserve(&c->in, READ_SIZE), .iov_len = READ_SIZE };
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr m = { .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
	ssize_t n = recvmsg(c->fd, &m, MSG_CMSG_CLOEXEC);
	const struct cmsghdr *h = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;

	if (h && h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS && h->cmsg_len == CMSG_LEN(sizeof(int))) {
		fd_close(&c->passed);
		memcpy(&c->passed, CMSG_DATA(h), sizeof c->passed);
	}
	return n;
}

int
client_pump(struct client *c)
{
	int r = pump_out(c);
	ssize_t n;

	if (r < 0)
		return r;
	n = receive(c);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : errno == ECONNRESET ? -EPIPE : -errno;
	if (n == 0)
		return -EPIPE;
	buf_commit(&c->in, (size_t)n);
	return 0;
}

int
client_next(struct client *c, json_t **ret)
{
	const char *text = (const char *)buf_bytes(&c->in), *eol = NULL;
	size_t len = buf_len(&c->in), n;
	json_t *message;

	if (len > c->scanned)
		eol = memchr(text + c->scanned, '\n', len - c->scanned);
	if (!eol) {
		c->scanned = len;
		return len > CLIENT_ANSWER_MAX ? -EMSGSIZE : 0;
	}
	n = (size_t)(eol - text);
	message = json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
	buf_consume(&c->in, n + 1);
	c->scanned = 0;
	if (!json_is_object(message)) {
		json_decref(message);
		return -EPROTO;
	}
	*ret = message;
	return 1;
}

int
client_wait(struct client *c, json_t **ret)
{
	for (;;) {
		int r = client_next(c, ret);
		struct pollfd p = { .fd = c->fd, .events = client_events(c) };

		if (r != 0)
			return MIN(r, 0);
		if (poll(&p, 1, -1) < 0 && errno != EINTR)
			return -errno;
		r = client_pump(c);
		if (r < 0)
			return r;
	}
}

uint64_t
client_answer_id(const json_t *message)
{
	const json_t *id = json_object_get(message, "id");

	return json_is_integer(id) && !json_object_get(message, "method") ? (uint64_t)json_integer_value(id) : 0;
}
