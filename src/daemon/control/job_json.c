/* Jobs and settings as JSON; the members are promised in haul-rpc(7). */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/url.h"
#include "daemon/control/internal.h"
#include "daemon/engine/sources.h"
#include "model/request_rate.h"

static void put_settings(struct json *w, const struct spec *s, enum setting_scope scope, bool all, enum setting_id but);

/* ---- Jobs ------------------------------------------------------------------- */

static void
put_identity(struct json *w, const struct job *j)
{
	AUTO_FREE char *url = url_redact(spec_list(j->spec, JOB_URL, j->source));

	jsonw_key_u64(w, "id", j->id);
	jsonw_key_string(w, "name", spec_string(j->spec, JOB_NAME));
	jsonw_key_string(w, "output", spec_string(j->spec, JOB_OUTPUT));
	jsonw_key_string(w, "url", url);
	jsonw_key(w, "priority");
	jsonw_i64(w, (int64_t)spec_number(j->spec, JOB_PRIORITY));
	jsonw_key_string(w, "origin", j->from_config ? "config" : "client");
	jsonw_key(w, "uid");
	if (j->uid == JOB_NO_UID)
		jsonw_null(w);
	else
		jsonw_u64(w, j->uid);
	jsonw_key(w, "added");
	jsonw_i64(w, j->added_s);
}

static void
put_outcome(struct json *w, const struct engine_view *v)
{
	const struct job *j = v->job;
	uint64_t end = job_is_over(j) ? j->ended_ms : clock_now_ms();
	/* While it waits for its next try, why the last one failed; with its group it waits for no try. */
	bool told = job_is_over(j) ||
	    (v->state == JOB_BLOCKED && j->result->code != RESULT_OK && !text_equal(v->blocked, "group-publish"));

	jsonw_key_string(w, "code", told ? result_word(j->result) : "");
	jsonw_key_string(w, "reason", told && j->state != JOB_DONE ? j->result->text : "");
	jsonw_key(w, "seconds");
	if (j->started_ms)
		jsonw_double(w, (double)(end - j->started_ms) / 1000);
	else
		jsonw_u64(w, 0);
	jsonw_key_or_null(w, "ended", job_is_over(j) && v->receipt ? v->receipt->ended_s : 0);
}

static void
put_members(struct json *w, const struct engine_view *v)
{
	const struct job *j = v->job;

	put_identity(w, j);
	jsonw_key_string(w, "state", job_state_to_string(v->state));
	jsonw_key_string(w, "phase", job_phase_to_string(j->phase));
	jsonw_key_string(w, "why", j->state == JOB_QUEUED || j->state == JOB_BLOCKED ? v->blocked : NULL);
	jsonw_key_u64(w, "attempts", j->attempts);
	jsonw_key_u64(w, "total", v->total);
	jsonw_key_u64(w, "received", v->received);
	jsonw_key_u64(w, "processed", v->processed);
	jsonw_key_u64(w, "unpacked", v->unpacked);
	jsonw_key_u64(w, "published", j->published);
	jsonw_key_u64(w, "rate", v->rate);
	jsonw_key_u64(w, "retry_in_ms", v->wait_ms);
	jsonw_key_or_null(w, "next_run", v->runs && !v->runs->waiting ? v->runs->next_ms / 1000 : 0);
	put_outcome(w, v);
}

void
job_json(struct json *w, const struct engine_view *v)
{
	jsonw_begin_object(w);
	put_members(w, v);
	jsonw_end_object(w);
}

void
control_describe(struct json *w, const struct engine_view *v, bool full)
{
	if (full)
		job_json_full(w, v);
	else
		job_json(w, v);
}

void
job_json_settings(struct json *w, const struct engine_view *v, uint32_t uid)
{
	const struct job *j = v->job;
	bool own = uid_may_all(uid) || uid == j->uid, redacted = false;
	const char *text, *why;
	struct url u;

	jsonw_begin_object(w);
	put_members(w, v);
	jsonw_key(w, "settings");
	jsonw_begin_object(w);
	jsonw_key(w, "url");
	jsonw_begin_array(w);
	for (unsigned i = 0; (text = spec_list(j->spec, JOB_URL, i)); i++) {
		/* A password stays here whoever asks. */
		bool whole = url_parse(text, &u, &why) == 0 && !u.userinfo.len && (own || !u.query.len);
		AUTO_FREE char *shown = whole ? xstrdup(text) : url_redact(text);

		redacted |= !whole;
		jsonw_string(w, shown);
	}
	jsonw_end_array(w);
	put_settings(w, j->spec, SCOPE_JOB, false, JOB_URL);
	jsonw_end_object(w);
	jsonw_key_bool(w, "redacted", redacted);
	jsonw_end_object(w);
}

void
job_json_id(struct json *w, const struct engine *e, uint64_t id)
{
	struct engine_view v;

	if (engine_view(e, id, &v))
		job_json(w, &v);
	else
		jsonw_null(w);
}

void
job_json_of(struct json *w, const struct call *c, uint64_t id)
{
	struct engine_view v;

	if (call_view(c, id, &v))
		job_json(w, &v);
	else
		jsonw_null(w);
}

void
job_json_jobs(struct json *w, const struct call *c, const uint64_t *ids, size_t n)
{
	jsonw_key(w, "jobs");
	jsonw_begin_array(w);
	for (size_t i = 0; i < n; i++)
		job_json_of(w, c, ids[i]);
	jsonw_end_array(w);
}

static void
put_receipt(struct json *w, const struct receipt *r)
{
	jsonw_key(w, "receipt");
	if (!r) {
		jsonw_null(w);
		return;
	}
	jsonw_begin_object(w);
	jsonw_key_string(w, "proof", r->proof);
	jsonw_key_string(w, "codec", r->codec > CODEC_AUTO ? codec_to_string(r->codec) : "off");
	jsonw_key_bool(w, "unchanged", r->unchanged);
	digests_to_json(w, "digest", r->digests, r->n_in);
	digests_to_json(w, "digest_output", r->digests + r->n_in, r->n_out);
	times_to_json(w, &r->times, false);
	jsonw_end_object(w);
}

static void
put_attempts(struct json *w, const struct receipt *r)
{
	jsonw_key(w, "failed_attempts");
	jsonw_begin_array(w);
	for (unsigned i = 0; r && i < r->n_attempts; i++) {
		const struct attempt *a = &r->attempts[i];
		struct result result = { .code = a->code, .http_status = a->http_status };

		jsonw_begin_object(w);
		jsonw_key_u64(w, "number", a->number);
		jsonw_key(w, "time");
		jsonw_i64(w, a->at_s);
		jsonw_key_string(w, "code", result_word(&result));
		jsonw_key_string(w, "reason", a->text);
		jsonw_end_object(w);
	}
	jsonw_end_array(w);
}

/* The last ones, the oldest first. */
static void
put_past_runs(struct json *w, const struct runs *n)
{
	jsonw_key(w, "past");
	jsonw_begin_array(w);
	for (unsigned i = 0; i < n->n_past; i++) {
		const struct past_run *p = &n->past[i];
		const struct result r = { .code = p->code, .http_status = p->http_status };

		jsonw_begin_object(w);
		jsonw_key_or_null(w, "began", p->began_s);
		jsonw_key_or_null(w, "ended", p->ended_s);
		jsonw_key_string(w, "code", result_word(&r));
		jsonw_key_u64(w, "bytes", p->bytes);
		jsonw_key_bool(w, "unchanged", p->unchanged);
		jsonw_end_object(w);
	}
	jsonw_end_array(w);
}

/* What came before the run that it is in, and what comes next. */
static void
put_runs(struct json *w, const struct runs *n)
{
	const struct result last = { .code = n ? n->code : RESULT_OK, .http_status = n ? n->http_status : 0 };

	jsonw_key(w, "runs");
	if (!n) {
		jsonw_null(w);
		return;
	}
	jsonw_begin_object(w);
	jsonw_key_u64(w, "count", n->count);
	jsonw_key_u64(w, "failures", n->failures);
	jsonw_key_u64(w, "unchanged", n->unchanged);
	jsonw_key_or_null(w, "last_end", n->ended_s);
	jsonw_key_string(w, "last_code", n->ended_s ? result_word(&last) : "");
	jsonw_key_or_null(w, "last_success", n->succeeded_s);
	jsonw_key_or_null(w, "next", n->next_ms / 1000);
	put_past_runs(w, n);
	jsonw_end_object(w);
}

void
job_json_full(struct json *w, const struct engine_view *v)
{
	const struct job *j = v->job;

	jsonw_begin_object(w);
	put_members(w, v);
	jsonw_key(w, "last");
	if (!job_is_over(j) && j->result->code != RESULT_OK) {
		jsonw_begin_object(w);
		jsonw_key_string(w, "code", result_word(j->result));
		jsonw_key_string(w, "reason", j->result->text);
		jsonw_end_object(w);
	} else {
		jsonw_null(w);
	}
	jsonw_key_or_null(w, "deadline", v->deadline_ms ? (clock_wall_ms() + (int64_t)v->deadline_ms + 500) / 1000 : 0);
	put_receipt(w, j->state == JOB_DONE ? v->receipt : NULL);
	sources_to_json(w, v->receipt ? v->receipt->sources : NULL, v->received);
	put_attempts(w, v->receipt);
	put_runs(w, v->runs);
	jsonw_key(w, "settings");
	spec_json(w, j->spec, SCOPE_JOB, false);
	jsonw_end_object(w);
}

void
counts_json(struct json *w, const uint64_t *counts)
{
	jsonw_begin_object(w);
	for (unsigned s = 0; s < _JOB_STATE_MAX; s++)
		jsonw_key_u64(w, job_state_to_string((enum job_state)s), counts[s]);
	jsonw_end_object(w);
}

/* ---- Settings ----------------------------------------------------------------- */

/* The word of an enum: the v-th of "a|b|c". */
static void
put_word(struct json *w, const char *words, uint64_t v)
{
	const char *end;

	for (; v && (end = strchr(words, '|')); v--)
		words = end + 1;
	jsonw_string_n(w, words, strcspn(words, "|"));
}

/* As one would write it in the file. */
static void
put_number(struct json *w, const struct setting *row, uint64_t v)
{
	char text[32];

	switch (row->type) {
	case TYPE_BOOL:
		jsonw_bool(w, v);
		break;
	case TYPE_INT:
		jsonw_i64(w, (int64_t)v);
		break;
	case TYPE_DURATION:
		jsonw_string(w, format_duration_exact(text, sizeof text, v));
		break;
	case TYPE_MODE:
		(void)snprintf(text, sizeof text, "0%" PRIo64, v);
		jsonw_string(w, text);
		break;
	case TYPE_REQUEST_RATE:
		jsonw_string(w, request_rate_format(text, sizeof text, v));
		break;
	case TYPE_ENUM:
		put_word(w, row->words, v);
		break;
	case TYPE_UINT:
	case TYPE_SIZE:
	case TYPE_STRING:
	case TYPE_UNTIL:
	case TYPE_LIST:
		jsonw_u64(w, v);
		break;
	}
}

static void
put_texts(struct json *w, const struct spec *s, const struct setting *row)
{
	const char *text;

	jsonw_begin_array(w);
	for (unsigned i = 0; (text = spec_list(s, row->id, i)); i++) {
		AUTO_FREE char *shown = row->id == JOB_URL ? url_redact(text) : xstrdup(text);

		jsonw_string(w, row->flags & SETTING_SECRET ? "(secret)" : shown);
	}
	if (!spec_has(s, row->id) && row->def)
		jsonw_string(w, row->def);
	jsonw_end_array(w);
}

/* All but `but` (0: all). */
static void
put_settings(struct json *w, const struct spec *s, enum setting_scope scope, bool all, enum setting_id but)
{
	unsigned n;
	const struct setting *rows = settings_all(&n);

	for (unsigned i = 0; i < n; i++) {
		const struct setting *row = &rows[i];

		if (row->scope != scope || row->id == but || !(spec_has(s, row->id) || (all && row->def)))
			continue;
		jsonw_key(w, row->name);
		if (row->type == TYPE_LIST)
			put_texts(w, s, row);
		else if (row->flags & SETTING_SECRET)
			jsonw_string(w, "(secret)");
		else if (!setting_is_number(row))
			jsonw_string(w, spec_string(s, row->id));
		else
			put_number(w, row, spec_number(s, row->id));
	}
}

void
spec_json(struct json *w, const struct spec *s, enum setting_scope scope, bool all)
{
	jsonw_begin_object(w);
	put_settings(w, s, scope, all, (enum setting_id)0);
	jsonw_end_object(w);
}
