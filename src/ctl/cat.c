/*
 * `haulctl cat JOB...`: the files of jobs on standard output, one behind the other.
 *
 * What is proven, and nothing else: a job's bytes are so when it is done, not before, so
 * that the file is printed when hauld has published it.  With --unverified the download
 * is printed while it comes, from a descriptor that hauld gives away: what was received in
 * order.  Then the exit status says whether it was right in the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "ctl/brief.h"
#include "ctl/client.h"
#include "ctl/ctl.h"

enum { PIECE = 256 << 10, PROGRESS_MS = 200 };

struct cat {
	struct ctl *ctl;
	const char *word;      /* what the job was called */
	int part;              /* owned: of the download; -1 */
	uint64_t inode;        /* of it */
	uint64_t printed;      /* bytes */
	uint64_t subscribe_id, cat_id; /* answers that are awaited; 0: none */
	bool ask_again;        /* something happened since cat_id was asked */
	bool told_unpacks;
	bool half;             /* the last byte was the first of two that may be a control */
	json_t *end;           /* owned: the job, over; NULL: not yet */
	uint64_t deadline_ms;  /* 0: none */
};

/* ---- Bytes ------------------------------------------------------------------------------- */

/* Something that a terminal would obey, whatever pieces it comes in. */
static bool
has_controls(struct cat *c, const unsigned char *data, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		bool plain = data[i] >= 0x20 ? data[i] != 0x7f : data[i] == '\n' || data[i] == '\t' || data[i] == '\r';

		if (!plain || (c->half && data[i] >= 0x80 && data[i] < 0xa0))
			return true;
		c->half = data[i] == 0xc2;
	}
	return false;
}

/* All that fd has from where it stands; CTL_OK, or told. */
static int
print(struct cat *c, int fd)
{
	AUTO_FREE unsigned char *data = xmalloc(PIECE);
	ssize_t n;
	int r;

	while ((n = read(fd, data, PIECE)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			ctl_tell(c->ctl, "the file of job %s cannot be read: %s", c->word, strerror(errno));
			return CTL_FAILED;
		}
		if (c->ctl->term.is_tty && has_controls(c, data, (size_t)n)) {
			ctl_tell(c->ctl, "the file of job %s is no text, and standard output is a terminal: redirect it", c->word);
			return CTL_FAILED;
		}
		r = fd_write_full(STDOUT_FILENO, data, (size_t)n);
		if (r < 0) {
			ctl_tell(c->ctl, "standard output takes no more: %s", strerror(-r));
			return CTL_FAILED;
		}
		c->printed += (uint64_t)n;
	}
	return CTL_OK;
}

/* ---- The end of the job ---------------------------------------------------------------------- */

static int
tell_not_done(struct cat *c, const struct brief *b)
{
	AUTO_FREE char *why = brief_why(b);

	ctl_tell(c->ctl, "job %s %s%s%s%s", c->word, brief_is(b, "failed") ? "has failed" : "was cancelled", *why ? ": " : "", why,
	    c->printed ? "; what was printed of it is worth nothing" : "");
	return brief_is(b, "failed") ? CTL_FAILED : CTL_CANCELLED;
}

static int
tell_anew(struct cat *c)
{
	ctl_tell(c->ctl, "job %s began anew: the %" PRIu64 " bytes that were printed are not the beginning of what it has now",
	    c->word, c->printed);
	return CTL_FAILED;
}

/* The published file, and whether it is what was printed of so far. */
static int
open_published(struct cat *c, const struct brief *b, bool *ret_same)
{
	int fd = open(b->output, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		(void)close(fd);
		return -EINVAL;
	}
	*ret_same = c->part >= 0 && st.st_ino == c->inode;
	return fd;
}

static int
tell_unreadable(struct cat *c, const struct brief *b, int r)
{
	if (r == -EACCES || r == -EPERM) {
		ctl_tell(c->ctl, "job %s is done, and you may not read %s", c->word, b->output);
		return CTL_DENIED;
	}
	ctl_tell(c->ctl, "job %s is done, and %s is not there as hauld published it: %s", c->word, b->output,
	    r == -EINVAL ? "it is no ordinary file" : strerror(-r));
	return CTL_FAILED;
}

/* What is missing of a done job, and that it is all. */
static int
print_rest(struct cat *c, const struct brief *b)
{
	bool same = false;
	AUTO_CLOSE int fd = open_published(c, b, &same);
	struct stat st;
	int r;

	if (fd < 0 && c->part < 0)
		return tell_unreadable(c, b, fd);
	/* One that was thrown away has no name any more. */
	if (c->printed && (fd >= 0 ? !same : fstat(c->part, &st) < 0 || !st.st_nlink))
		return tell_anew(c);
	r = print(c, fd >= 0 && !same ? fd : c->part);
	if (r == CTL_OK && c->printed != b->published) {
		ctl_tell(c->ctl, "%s has %" PRIu64 " bytes, and job %s published %" PRIu64 ": it was changed since", b->output,
		    c->printed, c->word, b->published);
		r = CTL_FAILED;
	}
	return r;
}

static int
finish(struct cat *c, const json_t *job)
{
	AUTO_FREE char *text = c->ctl->args.json ? json_dumps(job, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
	struct brief b;
	int r;

	brief_read(job, &b);
	r = brief_is(&b, "done") ? print_rest(c, &b) : tell_not_done(c, &b);
	if (text) /* standard output is the file's */
		ctl_tell_line(c->ctl, text);
	return r;
}

/* ---- What is proven ------------------------------------------------------------------------------ */

static int
cat_proven(struct cat *c)
{
	json_t *p = ctl_job_params((char *const *)&c->word, 1);
	AUTO_JSON json_t *result = NULL;
	int r;

	if (c->ctl->args.has_timeout)
		(void)json_object_set_new(p, "timeout_ms", json_integer((json_int_t)c->ctl->args.timeout_ms));
	r = ctl_call(c->ctl, "wait", p, &result);
	return r != CTL_OK ? r : finish(c, json_array_get(json_object_get(result, "jobs"), 0));
}

/* ---- What comes ------------------------------------------------------------------------------------ */

static void
ask_part(struct cat *c)
{
	c->ask_again = c->cat_id != 0;
	if (!c->cat_id)
		c->cat_id = client_send(c->ctl->client, "cat", json_pack("{s:o}", "job", ctl_job_name(c->word)));
}

/* A descriptor came along, of the part as it is now. */
static int
take_part(struct cat *c, const json_t *result)
{
	AUTO_CLOSE int fd = TAKE_FD(c->ctl->client->passed);
	uint64_t inode = member_u64(result, "inode");

	if (json_is_true(json_object_get(result, "unpacks")) && !c->told_unpacks) {
		ctl_tell(c->ctl, "job %s is unpacked: it is printed when that is done", c->word);
		c->told_unpacks = true;
	}
	if (!json_is_true(json_object_get(result, "descriptor")) || fd < 0)
		return CTL_OK;
	if (c->part >= 0 && inode == c->inode)
		return print(c, c->part);
	if (c->printed)
		return tell_anew(c);
	fd_close(&c->part);
	c->part = TAKE_FD(fd);
	c->inode = inode;
	return print(c, c->part);
}

static void
take_event(struct cat *c, const json_t *event)
{
	const char *kind = member_text(event, "event");

	if (text_equal(kind, "end"))
		c->end = json_incref(json_object_get(event, "job"));
	else if (!c->told_unpacks)
		ask_part(c); /* each time: it may be another one now */
}

static int
take_message(struct cat *c, json_t *message)
{
	const json_t *error = json_object_get(message, "error"), *result = json_object_get(message, "result");
	uint64_t id = client_answer_id(message);
	struct brief b;
	json_t *job;

	if (text_equal(member_text(message, "method"), "event")) {
		take_event(c, json_object_get(message, "params"));
		return CTL_OK;
	}
	if (error)
		return ctl_tell_error(c->ctl, error);
	if (id == c->cat_id) {
		c->cat_id = 0;
		if (c->ask_again)
			ask_part(c);
		return take_part(c, result);
	}
	if (id != c->subscribe_id)
		return CTL_OK;
	job = json_array_get(json_object_get(result, "jobs"), 0);
	brief_read(job, &b);
	if (brief_is_over(&b))
		c->end = json_incref(job);
	else
		ask_part(c);
	return CTL_OK;
}

static int
cat_coming(struct cat *c)
{
	struct client *client = c->ctl->client;
	json_t *p = ctl_job_params((char *const *)&c->word, 1);
	int r = CTL_OK;

	(void)json_object_set_new(p, "progress_ms", json_integer(PROGRESS_MS));
	c->subscribe_id = client_send(client, "subscribe", p);
	while (r == CTL_OK && !c->end) {
		struct pollfd fds = { .fd = client->fd, .events = client_events(client) };
		AUTO_JSON json_t *message = NULL;
		uint64_t now = clock_now_ms();
		int n = client_next(client, &message);

		if (n > 0) {
			r = take_message(c, message);
			continue;
		}
		if (n == 0 && c->deadline_ms && now >= c->deadline_ms) {
			ctl_tell(c->ctl, "job %s is not over; it goes on", c->word);
			return CTL_TIMED_OUT;
		}
		if (n == 0 && poll(&fds, 1, c->deadline_ms ? (int)MIN(c->deadline_ms - now, (uint64_t)INT32_MAX) : -1) < 0 && errno != EINTR)
			n = -errno;
		n = n < 0 ? n : client_pump(client);
		if (n < 0)
			return ctl_tell_lost(c->ctl, n);
	}
	return r != CTL_OK ? r : finish(c, c->end);
}

int
verb_cat(struct ctl *ctl)
{
	int r = ctl_connect(ctl);

	for (size_t i = 0; i < ctl->args.n_words && r == CTL_OK; i++) {
		struct cat c = { .ctl = ctl, .word = ctl->args.words[i], .part = -1 };

		if (ctl->args.has_timeout)
			c.deadline_ms = clock_now_ms() + ctl->args.timeout_ms;
		r = ctl->args.unverified ? cat_coming(&c) : cat_proven(&c);
		fd_close(&c.part);
		json_decref(c.end);
	}
	return r;
}
