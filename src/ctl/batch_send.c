/* Sending the jobs of a batch; see batch.h. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "ctl/batch.h"
#include "ctl/brief.h"
#include "ctl/client.h"

/* One request: all of its jobs are added or none. */
struct chunk {
	size_t first, n;  /* of the batch's jobs */
	uint64_t id;      /* of the request; 0: not sent */
	bool answered;
	json_t *result;   /* owned; NULL: refused */
};

struct sending {
	struct batch *batch;
	struct chunk *chunks; /* owned array */
	size_t n, size;
	size_t sent, answered, told; /* chunks; told: whose ids were taken */
	size_t most;          /* jobs of a request */
	bool print;
	int status;           /* of the first error */
};

/* With --block no request may be larger than the queue that it waits for. */
static int
ask_for_most(struct sending *s)
{
	AUTO_JSON json_t *status = NULL;
	const json_t *limit;
	size_t i;
	int r;

	s->most = BATCH_JOBS_MAX;
	if (!s->batch->ctl->args.block)
		return CTL_OK;
	r = ctl_call(s->batch->ctl, "status", NULL, &status);
	json_array_foreach(json_object_get(status, "limits"), i, limit)
		if (text_equal(member_text(limit, "name"), "max-queued"))
			s->most = MIN(s->most, MAX((size_t)member_u64(limit, "limit"), (size_t)1));
	return r;
}

static void
cut_into_chunks(struct sending *s)
{
	const struct batch *b = s->batch;

	for (size_t i = 0; i < b->n;) {
		struct chunk c = { .first = i };
		size_t bytes = 0;

		while (i < b->n && c.n < s->most && (!c.n || bytes + b->jobs[i].len < BATCH_BYTES_MAX)) {
			bytes += b->jobs[i++].len + 1;
			c.n++;
		}
		if (s->n == s->size) {
			s->size = MAX(s->size * 2, (size_t)16);
			s->chunks = xrealloc(s->chunks, s->size * sizeof s->chunks[0]);
		}
		s->chunks[s->n++] = c;
	}
}

/* A list has K/1, K/2, ... even when it is short: it may grow. */
static void
put_key(const struct sending *s, size_t index, struct buf *out)
{
	const struct args *a = &s->batch->ctl->args;
	AUTO_FREE char *key = a->input || s->n > 1 ? xasprintf("%s/%zu", a->key, index + 1) : xstrdup(a->key);
	struct json j;

	buf_append_str(out, ",\"key\":");
	jsonw_init(&j, out);
	jsonw_string(&j, key);
}

static void
send_chunk(struct sending *s, size_t index)
{
	const struct batch *b = s->batch;
	struct chunk *c = &s->chunks[index];
	AUTO_BUF struct buf params = { 0 };
	const char *text = (const char *)buf_bytes(&b->text);

	buf_append_str(&params, "{\"jobs\":[");
	for (size_t i = c->first; i < c->first + c->n; i++) {
		if (i > c->first)
			buf_append_str(&params, ",");
		buf_append(&params, text + b->jobs[i].at, b->jobs[i].len);
	}
	buf_append_str(&params, "]");
	if (b->ctl->args.key)
		put_key(s, index, &params);
	if (b->scope)
		buf_printf(&params, ",\"scope\":%s", b->scope);
	if (b->ctl->args.block)
		buf_append_str(&params, ",\"block\":true");
	buf_append_str(&params, "}");
	c->id = client_send_text(b->ctl->client, "add", (const char *)buf_bytes(&params), buf_len(&params));
}

/* ---- Errors --------------------------------------------------------------------- */

static void
tell_job_error(struct batch *b, const struct chunk *c, uint64_t index, const char *text, const char *word)
{
	const struct batch_job *job = index < c->n ? &b->jobs[c->first + index] : NULL;
	const char *file = text_equal(b->ctl->args.input, "-") ? "standard input" : b->ctl->args.input;
	AUTO_FREE char *line = job && job->line ? xasprintf("%s:%u: %s", file, job->line, text) : xasprintf("haulctl: %s", text);

	ctl_tell_line(b->ctl, line);
	if (text_equal(word, "path-refused") || (has_prefix(text, "output") && strstr(text, "root")))
		b->refused_output = true;
}

/* "jobs[17]: sentence" is about one job of the request, whose number tells nobody anything. */
static bool
tell_numbered(struct batch *b, const struct chunk *c, const json_t *error)
{
	const char *text = member_text(error, "message"), *colon = strstr(text, "]: ");
	AUTO_FREE char *number = has_prefix(text, "jobs[") && colon ? xstrndup(text + 5, (size_t)(colon - text) - 5) : NULL;
	uint64_t index;

	if (!number || parse_u64(number, &index) < 0 || index >= c->n)
		return false;
	tell_job_error(b, c, index, colon + 3, "");
	return true;
}

static void
tell_chunk_error(struct sending *s, const struct chunk *c, const json_t *error)
{
	const json_t *one, *errors = json_object_get(json_object_get(error, "data"), "errors");
	int status = ctl_error_status(error);
	size_t i;

	if (json_is_object(json_array_get(errors, 0))) {
		json_array_foreach(errors, i, one)
			tell_job_error(s->batch, c, member_u64(one, "index"), member_text(one, "text"), member_text(one, "word"));
	} else if (!tell_numbered(s->batch, c, error)) {
		status = ctl_tell_error(s->batch->ctl, error);
	}
	if (s->status == CTL_OK)
		s->status = status;
}

/* ---- Answers ------------------------------------------------------------------------ */

static void
take_ids(struct sending *s, const struct chunk *c)
{
	struct batch *b = s->batch;
	const json_t *job;
	size_t i;

	if (s->print && b->ctl->args.json)
		ctl_put_json(b->ctl, c->result);
	json_array_foreach(json_object_get(c->result, "jobs"), i, job) {
		uint64_t id = member_u64(job, "id");

		if (b->n_ids == b->n)
			break; /* more than were asked for */
		b->ids[b->n_ids++] = id;
		if (s->print && !b->ctl->args.json)
			buf_printf(&b->ctl->out, "%llu\n", (unsigned long long)id);
	}
	if (s->print)
		ctl_flush_large(b->ctl);
}

/* Ids are told in the order of the jobs, whatever that of the answers. */
static void
tell_in_order(struct sending *s)
{
	for (; s->told < s->n && s->chunks[s->told].answered; s->told++) {
		struct chunk *c = &s->chunks[s->told];

		if (c->result)
			take_ids(s, c);
		json_decref(c->result);
		c->result = NULL;
	}
}

static void
take_answer(struct sending *s, const json_t *message)
{
	uint64_t id = client_answer_id(message);
	const json_t *error = json_object_get(message, "error");
	struct chunk *c = NULL;

	/* Requests have ids one behind the other. */
	if (id >= s->chunks[0].id && id - s->chunks[0].id < s->sent)
		c = &s->chunks[id - s->chunks[0].id];
	if (!c || c->answered)
		return;
	c->answered = true;
	s->answered++;
	if (error)
		tell_chunk_error(s, c, error);
	else
		c->result = json_incref(json_object_get(message, "result"));
	tell_in_order(s);
}

/* After an error nothing more is sent; what is in flight is waited for. */
static int
exchange(struct sending *s)
{
	struct client *client = s->batch->ctl->client;

	for (;;) {
		AUTO_JSON json_t *message = NULL;
		int r;

		while (s->status == CTL_OK && s->sent < s->n && s->sent - s->answered < BATCH_IN_FLIGHT_MAX)
			send_chunk(s, s->sent++);
		if (s->answered == s->sent)
			return CTL_OK;
		r = client_wait(client, &message);
		if (r < 0)
			return ctl_tell_lost(s->batch->ctl, r);
		/* An error without an id is about a line that hauld could not read. */
		if (json_is_null(json_object_get(message, "id")) && json_object_get(message, "error"))
			return ctl_tell_error(s->batch->ctl, json_object_get(message, "error"));
		take_answer(s, message);
	}
}

int
batch_send(struct batch *b, bool print)
{
	struct sending s = { .batch = b, .print = print };
	int r = ctl_connect(b->ctl);

	if (r == CTL_OK)
		r = ask_for_most(&s);
	if (r != CTL_OK)
		return r;
	assert(b->n > 0);
	b->ids = xcalloc(b->n, sizeof b->ids[0]);
	cut_into_chunks(&s);
	r = exchange(&s);
	for (size_t i = 0; i < s.n; i++)
		json_decref(s.chunks[i].result);
	free(s.chunks);
	if (s.status == CTL_OK)
		s.status = r;
	if (s.status != CTL_OK && b->n > 1)
		ctl_tell(b->ctl, "%zu of %zu jobs were added", b->n_ids, b->n);
	return s.status;
}
