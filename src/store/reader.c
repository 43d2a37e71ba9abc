/* The conversation of hauld-store --read; see reader.h. */
#include "store/reader.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "store/past.h"
#include "wire/read_msg.h"

enum {
	READ_SIZE = 64 * 1024,
	WRITE_SIZE = 64 * 1024,
	PAGE_BYTES = 1 << 20, /* of jobs in one page: then it ends early */
};

struct reader {
	struct past *past; /* owned */
	int in, out;       /* borrowed */
	struct frame_reader frames;
	struct buf up;     /* not written yet */
	uint64_t question; /* the id of the one that is answered */
	size_t page;       /* bytes of its jobs so far */
	bool finding;      /* it names its jobs: they are told as they are found */
	bool greeted;
};

/* -EPIPE and the like: nobody wants to know any more. */
static int
flush(struct reader *r)
{
	int e = fd_write_full(r->out, buf_bytes(&r->up), buf_len(&r->up));

	buf_consume(&r->up, buf_len(&r->up));
	return e;
}

static bool
on_job(const struct store_job *j, void *arg)
{
	struct reader *r = arg;
	size_t before = buf_len(&r->up);

	store_msg_put_job(&r->up, r->question, (enum store_msg_type)READ_JOB, j);
	r->page += buf_len(&r->up) - before;
	if (r->finding)
		return buf_len(&r->up) < WRITE_SIZE || flush(r) == 0;
	return r->page < PAGE_BYTES;
}

/* What was told of one that failed does not count. */
static int
conclude(struct reader *r, int e, const struct read_end *end)
{
	if (e == 0) {
		read_put_end(&r->up, r->question, end);
	} else if (e == -EAGAIN) {
		buf_consume(&r->up, buf_len(&r->up));
		read_put_text(&r->up, r->question, READ_FAILED, past_why(r->past));
		e = 0;
	}
	return e < 0 ? e : flush(r);
}

static int
answer_find(struct reader *r, const struct message *m)
{
	struct read_end end = { 0 };
	struct cursor ids;
	size_t n;

	if (read_get_find(m, &ids, &n) < 0)
		return -EPROTO;
	return conclude(r, past_find(r->past, &ids, n, on_job, r), &end);
}

static int
answer_list(struct reader *r, const struct message *m)
{
	struct read_end end;
	struct read_list l;
	int e;

	if (read_get_list(m, &l) < 0)
		return -EPROTO;
	e = past_list(r->past, &l, on_job, r, &end);
	read_list_done(&l);
	return conclude(r, e, &end);
}

static int
on_message(struct reader *r, const struct message *m)
{
	int e;

	if (m->version != READ_PROTO)
		return -EPROTO;
	if (!r->greeted) {
		r->greeted = true;
		return read_get_hello(m);
	}
	r->question = m->id;
	r->page = 0;
	r->finding = m->type == READ_FIND;
	if (r->finding)
		e = answer_find(r, m);
	else
		e = m->type == READ_LIST ? answer_list(r, m) : -EPROTO;
	past_give_way(r->past);
	return e;
}

static int
converse(struct reader *r)
{
	struct message m;
	ssize_t n;
	int e;

	for (;;) {
		do
			n = read(r->in, buf_reserve(&r->frames.in, READ_SIZE), READ_SIZE);
		while (n < 0 && errno == EINTR);
		if (n <= 0)
			return n < 0 ? -errno : 0;
		buf_commit(&r->frames.in, (size_t)n);
		while ((e = frame_reader_next(&r->frames, &m)) == 1) {
			e = on_message(r, &m);
			if (e < 0)
				return e;
		}
		if (e < 0)
			return e;
	}
}

static int
status(struct reader *r, int e)
{
	switch (e) {
	case 0:
	case -EPIPE:
		return 0;
	case -EBADMSG:
		buf_consume(&r->up, buf_len(&r->up));
		read_put_text(&r->up, 0, READ_FATAL, past_why(r->past));
		(void)flush(r); /* it may have gone */
		return STORE_EXIT_FATAL;
	case -EPROTO:
	case -ESTALE:
		log_err("what hauld asks makes no sense (is it of another build?)");
		return 1;
	default:
		log_err("cannot talk to hauld: %s", strerror(-e));
		return 1;
	}
}

int
reader_run(int in_fd, int out_fd, const char *dir)
{
	struct reader r = { .in = in_fd, .out = out_fd };
	int e, code;

	read_put_hello(&r.up);
	e = flush(&r);
	if (e == 0) {
		e = past_open(dir, &r.past);
		/* Each start is a try: what may pass is no reason for a next one at once. */
		e = e == -EAGAIN ? -EBADMSG : e;
	}
	if (e == 0)
		e = converse(&r);
	code = status(&r, e);
	past_close(r.past);
	frame_reader_done(&r.frames);
	buf_done(&r.up);
	return code;
}
