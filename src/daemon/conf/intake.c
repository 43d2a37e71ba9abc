/* The door for jobs of clients; see intake.h. */
#include "daemon/conf/intake.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "daemon/conf/intake_batch.h"
#include "daemon/loop/helper.h"
#include "wire/hello.h"

/* What is to be known of the child that runs. */
struct intake_child {
	struct intake_context *told; /* ref: the last one it was told */
	const char *reason; /* why we killed it; static; NULL: its status says */
	bool greeted;
	bool heard;        /* it said something since the timer rang last */
};

struct intake {
	struct loop *loop;
	char *conf_path; /* owned */
	struct intake_context *context; /* ref; of batches to come; NULL: none yet */
	struct helper helper;
	struct intake_child child;
	struct list batches; /* to be answered, in order; those that were sent first */
	struct list over;    /* answered, their callbacks are deferred */
	size_t waiting;      /* bytes of batches */
	uint64_t next_id;
	unsigned suspects;   /* of batches: while there are any, one goes after the other */
	unsigned bad_starts; /* children in a row that died before their HELLO */
	uint64_t silence_ms;
	struct loop_timer silence;
	struct loop_deferred pump, ready;
};

static void
kill_child(struct intake *i, const char *reason)
{
	if (!i->helper.pid || i->child.reason)
		return;
	i->child.reason = reason;
	helper_kill(&i->helper);
}

/* ---- Batches ---------------------------------------------------------------------- */

static void
call_done(void *arg)
{
	struct intake_batch *b = arg;

	list_remove(&b->link);
	b->intake = NULL;
	b->cb(b->results, b->n, b->arg); /* which may have freed both */
}

bool
intake_is_busy(const struct intake *i)
{
	return i->waiting > INTAKE_BUSY_BYTES;
}

static void
leave(struct intake_batch *b)
{
	struct intake *i = b->intake;
	bool busy = intake_is_busy(i);

	list_remove(&b->link);
	i->waiting -= b->bytes;
	if (b->suspect) {
		i->suspects--;
		loop_defer(i->loop, &i->pump); /* it is the turn of the next */
	}
	if (busy && !intake_is_busy(i) && i->ready.cb)
		loop_defer(i->loop, &i->ready);
}

/* Those at the front that are answered go. */
static void
settle(struct intake *i)
{
	while (!list_empty(&i->batches)) {
		struct intake_batch *b = LIST_FIRST(&i->batches, struct intake_batch, link);

		if (!intake_batch_is_answered(b))
			return;
		leave(b);
		if (b->given_up) {
			intake_batch_destroy(b);
			continue;
		}
		b->over = true;
		list_append(&i->over, &b->link);
		loop_defer(i->loop, &b->done);
	}
	loop_timer_cancel(&i->silence);
}

static void
fail_all(struct intake *i, const char *text)
{
	struct intake_batch *b;

	LIST_FOREACH(b, &i->batches, struct intake_batch, link)
		intake_batch_fail(b, text);
	settle(i);
}

/* ---- The child's end ---------------------------------------------------------------- */

/* The first one is what it died over: it works in order.  But its last answers
 * may not have come, so from now on each goes alone until all are over. */
static void
take_back(struct intake *i, const char *how)
{
	struct intake_batch *b, *first = NULL;
	char text[256];

	if (!list_empty(&i->batches))
		first = LIST_FIRST(&i->batches, struct intake_batch, link);
	LIST_FOREACH(b, &i->batches, struct intake_batch, link) {
		if (!b->sent)
			break;
		if (b->given_up) {
			leave(b);
			intake_batch_destroy(b);
			continue;
		}
		b->sent = false;
		intake_batch_rewind(b);
		i->suspects += !b->suspect;
		b->suspect = true;
		if (b != first || ++b->strikes < INTAKE_STRIKES)
			continue;
		(void)snprintf(text, sizeof text,
		    "internal error: hauld-conf died twice over this request (%s); see the log", how);
		intake_batch_fail(b, text);
	}
}

static void
on_over(void *arg)
{
	struct intake *i = arg;
	struct intake_child *c = &i->child;
	char status[64];
	const char *how = c->reason;

	if (!how)
		how = child_status_to_string(i->helper.status, status, sizeof status);
	log_warning("hauld-conf --intake died reason=\"%s\"", how);
	i->bad_starts = c->greeted ? 0 : i->bad_starts + 1;
	intake_context_unref(c->told);
	*c = (struct intake_child){ 0 };
	loop_timer_cancel(&i->silence);
	take_back(i, how);
	if (i->bad_starts >= INTAKE_STRIKES) {
		i->bad_starts = 0;
		fail_all(i, "internal error: hauld-conf does not stay to check jobs; see the log");
	}
	loop_defer(i->loop, &i->pump);
}

static bool
on_closed(int why, void *arg)
{
	struct intake *i = arg;

	if (why)
		kill_child(i, helper_fault(why));
	if (why == -ESTALE) /* it may have ended, for hauld is of another build than it */
		i->child.reason = helper_fault(why);
	return true;
}

static void
on_silence(void *arg)
{
	struct intake *i = arg;

	if (!i->child.heard)
		kill_child(i, "it does not answer");
	i->child.heard = false;
	loop_timer_set(&i->silence, i->silence_ms);
}

/* ---- What it says ---------------------------------------------------------------------- */

static int
on_hello(struct intake_child *c, const struct message *m)
{
	int r = hello_get(m, CONF_HELLO, CONF_PROTO);

	c->greeted = r == 0;
	return r;
}

static int
on_message(const struct message *m, void *arg)
{
	struct intake *i = arg;
	struct intake_batch *b;
	int r;

	i->child.heard = true;
	if (!i->child.greeted)
		return on_hello(&i->child, m);
	if (m->version != CONF_PROTO)
		return -EPROTO;
	if (i->child.reason)
		return 0; /* we killed it: its word does not count any more */
	if (list_empty(&i->batches))
		return -EPROTO;
	b = LIST_FIRST(&i->batches, struct intake_batch, link);
	if (!b->sent)
		return -EPROTO;
	r = intake_batch_answer(b, m);
	if (r == 0)
		settle(i);
	return r;
}

/* ---- What it is asked -------------------------------------------------------------------- */

static const struct helper_ops child_ops = { .on_message = on_message, .on_closed = on_closed, .on_over = on_over };

static int
start_child(struct intake *i)
{
	static char intake[] = "--intake";
	char *argv[] = { i->conf_path, intake, NULL };
	int r = helper_start(&i->helper, argv, -1);

	if (r < 0)
		return r;
	hello_put(chan_out(i->helper.chan), CONF_HELLO, CONF_PROTO);
	log_debug("hauld-conf --intake started pid=%d", (int)i->helper.pid);
	return 0;
}

static void
send(struct intake *i, struct intake_batch *b)
{
	struct intake_child *c = &i->child;
	struct buf *out = chan_out(i->helper.chan);

	if (c->told != b->context) {
		buf_append(out, buf_bytes(&b->context->frames), buf_len(&b->context->frames));
		intake_context_unref(c->told);
		c->told = intake_context_ref(b->context);
	}
	intake_batch_send(b, out);
	if (i->silence.set)
		return;
	c->heard = true; /* it has not been asked anything yet */
	loop_timer_set(&i->silence, i->silence_ms);
}

static void
pump(void *arg)
{
	struct intake *i = arg;
	struct intake_batch *b;
	int r;

	settle(i); /* some have no job that needs an answer */
	if (list_empty(&i->batches))
		return;
	r = helper_is_over(&i->helper) ? start_child(i) : 0;
	if (r < 0) {
		char text[256];

		log_err("cannot start %s --intake: %s", i->conf_path, strerror(-r));
		(void)snprintf(text, sizeof text, "internal error: hauld-conf cannot be started: %s",
		    strerror(-r));
		fail_all(i, text);
		return;
	}
	if (!i->helper.pid || !i->helper.chan || i->child.reason)
		return; /* its end is on the way, and calls this again */
	LIST_FOREACH(b, &i->batches, struct intake_batch, link) {
		if (!b->sent)
			send(i, b);
		if (i->suspects)
			break;
	}
}

void
intake_submit(struct intake *i, struct intake_batch *b)
{
	assert(i->context && !b->intake && !b->over);
	b->intake = i;
	b->context = intake_context_ref(i->context);
	b->first_id = i->next_id;
	b->bytes = buf_len(&b->pairs) + b->n * FRAME_HEADER_SIZE;
	loop_deferred_init(&b->done, "intake", call_done, b);
	i->next_id += b->n;
	i->waiting += b->bytes;
	list_append(&i->batches, &b->link);
	loop_defer(i->loop, &i->pump);
}

void
intake_batch_free(struct intake_batch *b)
{
	if (!b)
		return;
	if (b->intake && b->sent && !b->over) {
		b->given_up = true; /* its answers have to be read */
		buf_done(&b->pairs);
		return;
	}
	if (b->intake && !b->over)
		leave(b);
	intake_batch_destroy(b);
}

/* ---- Life ------------------------------------------------------------------------------ */

struct intake *
intake_new(struct loop *l, struct children *c, const char *conf_path)
{
	struct intake *i = NEW(struct intake);

	i->loop = l;
	i->conf_path = xstrdup(conf_path);
	helper_init(&i->helper, l, c, "intake", &child_ops, i);
	i->next_id = 1;
	i->silence_ms = INTAKE_SILENCE_MS;
	list_init(&i->batches);
	list_init(&i->over);
	loop_timer_init(&i->silence, l, "intake silence", on_silence, i);
	loop_deferred_init(&i->pump, "intake", pump, i);
	return i;
}

/* They are their owners' now, or nobody's. */
static void
let_go(struct list *batches)
{
	struct intake_batch *b;

	LIST_FOREACH(b, batches, struct intake_batch, link) {
		list_remove(&b->link);
		loop_undefer(&b->done);
		b->intake = NULL;
		if (b->given_up)
			intake_batch_destroy(b);
	}
}

void
intake_free(struct intake *i)
{
	if (!i)
		return;
	let_go(&i->batches);
	let_go(&i->over);
	helper_done(&i->helper);
	intake_context_unref(i->child.told);
	intake_context_unref(i->context);
	loop_timer_done(&i->silence);
	loop_undefer(&i->pump);
	loop_undefer(&i->ready);
	free(i->conf_path);
	free(i);
}

void
intake_set_context(struct intake *i, const struct conf *conf)
{
	intake_context_unref(i->context);
	i->context = intake_context_new(conf);
}

void
intake_on_ready(struct intake *i, loop_cb on_ready, void *arg)
{
	loop_undefer(&i->ready);
	loop_deferred_init(&i->ready, "intake ready", on_ready, arg);
}

void
intake_set_silence(struct intake *i, uint64_t ms)
{
	i->silence_ms = ms;
}
