/* The jobs of one request; see intake_batch.h. */
#include "daemon/conf/intake_batch.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

/* ---- What they are checked against -------------------------------------------------- */

static void
put_part(struct buf *out, enum conf_msg_type type, const struct spec *s)
{
	size_t n;
	const void *bytes = spec_bytes(s, &n);
	AUTO_BUF struct buf copy = { 0 };

	buf_append(&copy, bytes, n);
	conf_put_spec(out, 0, type, &copy);
}

struct intake_context *
intake_context_new(const struct conf *conf)
{
	struct intake_context *x = NEW(struct intake_context);

	x->refs = 1;
	x->defaults = spec_ref(conf->defaults);
	put_part(&x->frames, CONF_DAEMON, conf->daemon);
	put_part(&x->frames, CONF_DEFAULTS, conf->defaults);
	conf_put_empty(&x->frames, 0, CONF_CONTEXT);
	return x;
}

struct intake_context *
intake_context_ref(struct intake_context *x)
{
	x->refs++;
	return x;
}

void
intake_context_unref(struct intake_context *x)
{
	if (!x || --x->refs)
		return;
	spec_unref(x->defaults);
	buf_done(&x->frames);
	free(x);
}

/* ---- Gathering ---------------------------------------------------------------------- */

struct intake_batch *
intake_batch_new(intake_done_cb cb, void *arg)
{
	struct intake_batch *b = NEW(struct intake_batch);

	list_init(&b->link);
	b->cb = cb;
	b->arg = arg;
	return b;
}

void
intake_batch_destroy(struct intake_batch *b)
{
	for (size_t k = 0; k < b->n; k++) {
		spec_unref(b->results[k].spec);
		free(b->results[k].errors);
	}
	list_remove(&b->link);
	loop_undefer(&b->done);
	intake_context_unref(b->context);
	buf_done(&b->pairs);
	buf_done(&b->errors);
	free(b->ends);
	free(b->results);
	free(b);
}

static size_t
job_start(const struct intake_batch *b, size_t k)
{
	return k ? b->ends[k - 1] : 0;
}

/* Of the job that is being put: what no job can be is not kept either. */
static bool
is_too_large(const struct intake_batch *b)
{
	return buf_len(&b->pairs) - job_start(b, b->n) > CONF_CHECK_MAX || b->n_pairs > CONF_PAIRS_MAX;
}

static void
put(struct intake_batch *b, const struct conf_pair *p)
{
	if (is_too_large(b))
		return;
	b->n_pairs++;
	conf_put_pair(&b->pairs, p);
}

void
intake_put_text(struct intake_batch *b, const char *key, const char *text)
{
	put(b, &(struct conf_pair){ .key = key, .kind = CONF_KIND_TEXT, .text = text });
}

void
intake_put_number(struct intake_batch *b, const char *key, int64_t number)
{
	put(b, &(struct conf_pair){ .key = key, .kind = CONF_KIND_NUMBER, .number = number });
}

void
intake_put_bool(struct intake_batch *b, const char *key, bool v)
{
	put(b, &(struct conf_pair){ .key = key, .kind = CONF_KIND_BOOL, .number = v });
}

void
intake_put_kind(struct intake_batch *b, const char *key, enum conf_kind kind)
{
	assert(kind == CONF_KIND_LIST || kind == CONF_KIND_FRACTION || kind == CONF_KIND_OTHER);
	put(b, &(struct conf_pair){ .key = key, .kind = kind });
}

void
intake_end_job(struct intake_batch *b)
{
	size_t start = job_start(b, b->n);
	struct intake_result result = { 0 };

	if (is_too_large(b)) {
		result.errors = xstrdup(b->n_pairs > CONF_PAIRS_MAX
			? "the job has more than 16384 values"
			: "the settings of this job take more than 256 KiB");
		b->pairs.end -= buf_len(&b->pairs) - start;
	}
	if (b->n == b->size) {
		b->size = MAX(2 * b->size, (size_t)4);
		b->ends = xrealloc(b->ends, b->size * sizeof *b->ends);
		b->results = xrealloc(b->results, b->size * sizeof *b->results);
	}
	b->ends[b->n] = buf_len(&b->pairs);
	b->results[b->n++] = result;
	b->n_pairs = 0;
}

/* ---- Asking and answers ------------------------------------------------------------- */

static bool
is_known(const struct intake_result *r)
{
	return r->spec || r->errors;
}

void
intake_batch_send(struct intake_batch *b, struct buf *out)
{
	(void)intake_batch_is_answered(b); /* those that are not asked are passed over */
	for (size_t k = b->answered; k < b->n; k++) {
		size_t start = job_start(b, k);

		if (!is_known(&b->results[k]))
			conf_put_check(out, b->first_id + k, buf_bytes(&b->pairs) + start, b->ends[k] - start);
	}
	b->sent = true;
}

bool
intake_batch_is_answered(struct intake_batch *b)
{
	while (b->answered < b->n && is_known(&b->results[b->answered]))
		b->answered++;
	return b->answered == b->n;
}

/* Whole sentences, until there is no room: what is left out is said. */
static void
add_error(struct intake_batch *b, const struct text *t)
{
	static const char more[] = "; there are more errors";
	char safe[INTAKE_TEXT_MAX - sizeof more];
	size_t used = buf_len(&b->errors);

	if (b->cut)
		return;
	(void)str_safe_again(safe, sizeof safe, t->at, t->len);
	b->cut = used + strlen("; ") + strlen(safe) >= sizeof safe && used;
	if (b->cut)
		buf_append_str(&b->errors, more);
	else
		buf_printf(&b->errors, "%s%s", used ? "; " : "", safe);
}

int
intake_batch_answer(struct intake_batch *b, const struct message *m)
{
	struct intake_result *r = &b->results[b->answered];
	struct text t;

	if (m->id != b->first_id + b->answered)
		return -EPROTO;
	switch (m->type) {
	case CONF_ERROR:
		if (conf_get_text(m, &t) < 0)
			return -EPROTO;
		add_error(b, &t);
		return 0;
	case CONF_REFUSED:
		if (m->len || !buf_len(&b->errors))
			return -EPROTO;
		r->errors = xstrdup(buf_cstr(&b->errors));
		intake_batch_rewind(b);
		return 0;
	case CONF_JOB:
		if (buf_len(&b->errors))
			return -EPROTO;
		return spec_new(SCOPE_JOB, m->payload, m->len, b->context->defaults, &r->spec);
	default:
		return -EPROTO;
	}
}

void
intake_batch_rewind(struct intake_batch *b)
{
	buf_consume(&b->errors, buf_len(&b->errors));
	b->cut = false;
}

void
intake_batch_fail(struct intake_batch *b, const char *text)
{
	intake_batch_rewind(b);
	while (!intake_batch_is_answered(b))
		b->results[b->answered] = (struct intake_result){ .errors = xstrdup(text), .internal = true };
}
