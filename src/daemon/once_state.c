/* What --once remembers; see once_state.h. */
#include "daemon/once_state.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"

enum { DONE_MAX = 256 << 20 }; /* bytes of the list */

static uint64_t
mix_spec(uint64_t hash, const struct spec *s)
{
	const void *bytes;
	size_t n;

	if (!s)
		return hash;
	bytes = spec_bytes(s, &n);
	return hash_more(hash, bytes, n);
}

static uint64_t
key_of(const struct conf *conf)
{
	uint64_t hash = mix_spec(0, conf->daemon);

	for (size_t i = 0; i < conf->jobs.len; i++)
		hash = mix_spec(hash, conf->jobs.items[i]);
	return hash;
}

/* A number and the byte behind it. */
static bool
get_number(const char **at, const char *end, char behind, uint64_t *ret)
{
	uint64_t v = 0;
	const char *p = *at;

	for (; p < end && *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
			return false;
	if (p == *at || p == end || *p != behind)
		return false;
	*at = p + 1;
	*ret = v;
	return true;
}

/* "ID INODE IN OUT\n"; what is cut, or is none, ends the list. */
static void
parse_list(struct once_state *s, const char *at, const char *end)
{
	struct once_done d;
	uint64_t id;

	while (get_number(&at, end, ' ', &id) && get_number(&at, end, ' ', &d.inode) && get_number(&at, end, ' ', &d.in) &&
	    get_number(&at, end, '\n', &d.out))
		if (id > 0 && id <= s->n_done)
			s->done[id - 1] = d;
}

static void
read_list(struct once_state *s)
{
	AUTO_BUF struct buf list = { 0 };
	struct stat st;
	ssize_t n;

	if (fstat(s->done_fd, &st) < 0 || st.st_size <= 0 || st.st_size > DONE_MAX)
		return;
	n = fd_pread_full(s->done_fd, buf_reserve(&list, (size_t)st.st_size), (size_t)st.st_size, 0);
	if (n > 0)
		parse_list(s, (const char *)buf_bytes(&list), (const char *)buf_bytes(&list) + n);
}

static int
open_files(struct once_state *s)
{
	AUTO_FREE char *lock = xasprintf("%s/lock", s->dir), *done = xasprintf("%s/done", s->dir);
	int r = file_make_dirs(s->dir, 0700);

	if (r < 0)
		return r;
	s->goes_on = access(lock, F_OK) == 0;
	s->lock_fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->lock_fd < 0 || flock(s->lock_fd, LOCK_EX | LOCK_NB) < 0)
		return -errno;
	s->done_fd = open(done, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	return s->done_fd < 0 ? -errno : 0;
}

void
once_state_open(struct once_state *s, const char *state_home, const struct conf *conf)
{
	uint64_t key = key_of(conf);
	int r;

	*s = (struct once_state){ .lock_fd = -1, .done_fd = -1 };
	if (!state_home || !conf->jobs.len)
		return;
	(void)snprintf(s->instance, sizeof s->instance, "%016" PRIx64, key);
	s->dir = xasprintf("%s/hauld/once/%s", state_home, s->instance);
	r = open_files(s);
	if (r == 0) {
		s->n_done = conf->jobs.len;
		s->done = xcalloc(s->n_done, sizeof s->done[0]);
		read_list(s);
		return;
	}
	log_debug("what this run does is not remembered: %s: %s", s->dir,
	    r == -EWOULDBLOCK ? "another run of the same command has it" : strerror(-r));
	fd_close(&s->lock_fd);
	free(TAKE_PTR(s->dir));
	s->goes_on = false;
}

void
once_state_close(struct once_state *s, bool over)
{
	if (s->dir && over) {
		AUTO_FREE char *lock = xasprintf("%s/lock", s->dir), *done = xasprintf("%s/done", s->dir);

		(void)unlink(done);
		(void)unlink(lock);
		(void)rmdir(s->dir);
	} else if (s->dir) {
		once_state_flush(s);
	}
	fd_close(&s->lock_fd);
	fd_close(&s->done_fd);
	free(TAKE_PTR(s->done));
	s->n_done = 0;
	buf_done(&s->lines);
	free(TAKE_PTR(s->dir));
}

bool
once_state_was_done(const struct once_state *s, uint64_t id, const char *output, uint64_t *ret_in, uint64_t *ret_out)
{
	const struct once_done *d = id > 0 && id <= s->n_done ? &s->done[id - 1] : NULL;
	struct stat st;

	if (!d || !d->inode || lstat(output, &st) < 0 || !S_ISREG(st.st_mode) || st.st_ino != d->inode ||
	    (uint64_t)st.st_size != d->out)
		return false;
	*ret_in = d->in;
	*ret_out = d->out;
	return true;
}

void
once_state_note(struct once_state *s, uint64_t id, uint64_t inode, uint64_t in, uint64_t out)
{
	if (s->dir)
		buf_printf(&s->lines, "%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", id, inode, in, out);
}

/* Where that cannot be written, some jobs are done again. */
void
once_state_flush(struct once_state *s)
{
	if (buf_len(&s->lines) && fd_write_full(s->done_fd, buf_bytes(&s->lines), buf_len(&s->lines)) < 0)
		log_debug("the list of what is done cannot be written: %s", strerror(errno));
	buf_consume(&s->lines, buf_len(&s->lines));
}
