/* journald's own protocol; see journal.h. */
#include "base/journal.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/str.h"

enum {
	KEY_MAX = 40,            /* journald takes 64 bytes, with "HAULD_" before it */
	SEND_BUFFER = 1 << 20,   /* for bursts; the kernel gives what it allows */
};

bool
journal_has_stderr(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	const char *colon = stream ? strchr(stream, ':') : NULL;
	uint64_t device, inode;
	struct stat st;

	return colon && parse_u64_n(stream, (size_t)(colon - stream), 10, &device) == 0 &&
	    parse_u64(colon + 1, &inode) == 0 && fstat(STDERR_FILENO, &st) == 0 &&
	    st.st_dev == device && st.st_ino == inode;
}

int
journal_open(struct journal *j, const char *path)
{
	int size = SEND_BUFFER, r;

	r = fd_unix_address(path ? path : "/run/systemd/journal/socket", &j->to, &j->to_len);
	if (r < 0)
		return r;
	j->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (j->fd < 0)
		return -errno;
	if (connect(j->fd, (const struct sockaddr *)&j->to, j->to_len) < 0) {
		r = -errno;
		journal_close(j);
		return r;
	}
	(void)setsockopt(j->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size); /* better, not needed */
	return 0;
}

void
journal_close(struct journal *j)
{
	fd_close(&j->fd);
}

/* ---- Which pairs a line ends with -------------------------------------------- */

static bool
is_key_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* Behind the pair " key=value" or " key=\"a value\"" at s; NULL: there is none.
 * The blank of "% d" is a flag (printf(3)). */
static const char *
pair_end(const char *s)
{
	const char *key = s + 1, *p = key;

	while (is_key_byte(*p))
		p++;
	if (*s != ' ' || *p != '=' || *key < 'a' || *key > 'z' || p - key > KEY_MAX)
		return NULL;
	p++;
	if (*p != '"')
		return p + strcspn(p, " ");
	p += 1 + strcspn(p + 1, "\"");
	return *p && (p[1] == ' ' || !p[1]) ? p + 1 : NULL;
}

/* From here on there are pairs and nothing else. */
static bool
only_pairs(const char *s)
{
	while (s && *s)
		s = pair_end(s);
	return s;
}

void
journal_mark(char *out, size_t max, const char *format)
{
	size_t n = strlen(format), at = 1;
	const char *end;

	if (n >= max) {
		out[0] = '\0';
		return;
	}
	memcpy(out, format, n + 1);
	while (at < n && (format[at] != ' ' || format[at - 1] == '%' || !only_pairs(format + at)))
		at++;
	for (; at < n; at = (size_t)(end - format)) {
		end = pair_end(format + at);
		out[at] = JOURNAL_MARK;
	}
}

/* ---- The datagram ------------------------------------------------------------ */

/* A value of several lines comes with its length: 64 bits, little-endian. */
static void
put_field(struct buf *b, const char *value, size_t n)
{
	if (memchr(value, '\n', n)) {
		buf_append(b, "\n", 1);
		for (unsigned i = 0; i < 8; i++)
			buf_append(b, &(uint8_t){ (uint8_t)((uint64_t)n >> 8 * i) }, 1);
	} else {
		buf_append(b, "=", 1);
	}
	buf_append(b, value, n);
	buf_append(b, "\n", 1);
}

static void
put_key(struct buf *b, const char *key, size_t n)
{
	buf_append_str(b, "HAULD_");
	for (size_t i = 0; i < n; i++) {
		char c = key[i] == '-' ? '_' : key[i];

		buf_append(b, &(char){ c >= 'a' && c <= 'z' ? (char)(c - 32) : c }, 1);
	}
}

/* One pair, without its mark. */
static void
put_pair(struct buf *b, const char *pair, size_t n)
{
	const char *equals = memchr(pair, '=', n);
	const char *value = equals + 1;
	size_t len;

	if (!equals)
		return;
	len = n - (size_t)(value - pair);
	if (len >= 2 && value[0] == '"' && value[len - 1] == '"') {
		value++;
		len -= 2;
	}
	put_key(b, pair, (size_t)(equals - pair));
	put_field(b, value, len);
}

/* The pairs, whose marks become the blanks of the sentence. */
static void
put_pairs(struct buf *b, char *line, size_t n)
{
	char *mark = memchr(line, JOURNAL_MARK, n), *next;

	for (; mark; mark = next) {
		size_t left = n - (size_t)(mark + 1 - line);

		next = memchr(mark + 1, JOURNAL_MARK, left);
		put_pair(b, mark + 1, next ? (size_t)(next - mark - 1) : left);
		*mark = ' ';
	}
}

static int
send_datagram(const struct journal *j, const struct buf *b)
{
	ssize_t n;

	do
		n = send(j->fd, buf_bytes(b), buf_len(b), MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? (errno == ENOBUFS ? -EAGAIN : -errno) : 0;
}

int
journal_send(struct journal *j, int priority, const char *name, char *line, size_t n)
{
	AUTO_BUF struct buf b = { 0 };
	int r;

	buf_printf(&b, "PRIORITY=%d\nSYSLOG_IDENTIFIER=%s\n", priority, name);
	put_pairs(&b, line, n);
	buf_append_str(&b, "MESSAGE");
	put_field(&b, line, n);
	r = send_datagram(j, &b);
	/* A journald that was started anew may listen on a new socket. */
	if (r < 0 && r != -EAGAIN && connect(j->fd, (const struct sockaddr *)&j->to, j->to_len) == 0)
		r = send_datagram(j, &b);
	return r;
}
