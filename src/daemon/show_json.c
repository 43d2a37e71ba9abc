/* The events of `hauld --once --json`; see show_json.h. */
#include "daemon/show_json.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/url.h"
#include "daemon/engine/sources.h"
#include "daemon/loop/outlet.h"

struct show_json {
	struct outlet out;
	char **ended; /* owned array: the members of each job's "end", by id - 1 */
	uint64_t n_ended;
	uint64_t counts[_JOB_STATE_MAX], bytes;
};

struct show_json *
show_json_new(struct loop *l)
{
	struct show_json *s = NEW(struct show_json);

	outlet_init(&s->out, l, STDOUT_FILENO);
	return s;
}

void
show_json_free(struct show_json *s)
{
	if (!s)
		return;
	outlet_done(&s->out);
	for (uint64_t i = 0; i < s->n_ended; i++)
		free(s->ended[i]);
	free(s->ended);
	free(s);
}

static void
begin(struct show_json *s, struct json *w, const char *event)
{
	jsonw_init(w, outlet_buf(&s->out));
	jsonw_begin_object(w);
	jsonw_key_string(w, "event", event);
}

static void
end(struct show_json *s, struct json *w)
{
	jsonw_end_object(w);
	buf_append_str(outlet_buf(&s->out), "\n");
	outlet_push(&s->out);
}

static void
identify(struct json *w, const struct job *j)
{
	jsonw_key_u64(w, "id", j->id);
	jsonw_key_string(w, "name", spec_string(j->spec, JOB_NAME));
	jsonw_key_string(w, "output", spec_string(j->spec, JOB_OUTPUT));
}

void
show_json_start(struct show_json *s, const struct job *j)
{
	AUTO_FREE char *url = url_redact(spec_list(j->spec, JOB_URL, j->source));
	struct json w;

	begin(s, &w, "start");
	identify(&w, j);
	jsonw_key_string(&w, "url", url);
	jsonw_key_u64(&w, "attempt", j->attempts);
	end(s, &w);
}

void
show_json_retry(struct show_json *s, const struct job *j, uint64_t delay_ms)
{
	struct json w;

	begin(s, &w, "retry");
	identify(&w, j);
	jsonw_key_string(&w, "code", result_word(j->result));
	jsonw_key_string(&w, "reason", j->result->text);
	jsonw_key_u64(&w, "attempt", j->attempts);
	jsonw_key_u64(&w, "delay_ms", delay_ms);
	end(s, &w);
}

static void
put_outcome(struct json *w, const struct job *j)
{
	identify(w, j);
	jsonw_key_string(w, "state", job_state_to_string(j->state));
	jsonw_key_string(w, "code", result_word(j->result));
	jsonw_key_string(w, "reason", j->state == JOB_DONE ? "" : j->result->text);
	jsonw_key_u64(w, "bytes", j->published);
	jsonw_key_u64(w, "received", j->received);
	jsonw_key_u64(w, "attempts", j->attempts);
	jsonw_key(w, "seconds");
	jsonw_double(w, j->started_ms ? (double)(j->ended_ms - j->started_ms) / 1000 : 0);
}

static void
put_receipt(struct json *w, const struct job_receipt *r)
{
	jsonw_key_string(w, "proof", r->proof);
	jsonw_key(w, "unchanged");
	jsonw_bool(w, r->unchanged);
	digests_to_json(w, "digest", r->work ? r->work->in_digest : NULL, r->work ? r->work->n_in : 0);
	digests_to_json(w, "digest_output", r->work ? r->work->out_digest : NULL, r->work ? r->work->n_out : 0);
	jsonw_key_string(w, "codec", r->work && r->work->codec > CODEC_AUTO ? codec_to_string(r->work->codec) : "off");
	times_to_json(w, &r->times, false);
}

/* Keeps the members for the list in the order given. */
static void
remember(struct show_json *s, const struct job *j, const char *members, size_t n)
{
	if (j->id > s->n_ended) {
		uint64_t size = MAX(j->id, s->n_ended * 2);

		s->ended = xrealloc(s->ended, size * sizeof(s->ended[0]));
		memset(s->ended + s->n_ended, 0, (size - s->n_ended) * sizeof(s->ended[0]));
		s->n_ended = size;
	}
	s->ended[j->id - 1] = xstrndup(members, n);
}

void
show_json_end(struct show_json *s, const struct job *j, const struct job_receipt *r)
{
	AUTO_BUF struct buf b = { 0 };
	struct json w;

	s->counts[j->state]++;
	s->bytes += j->published;
	jsonw_init(&w, &b);
	jsonw_begin_object(&w);
	put_outcome(&w, j);
	put_receipt(&w, r);
	sources_to_json(&w, r->sources, j->received);
	jsonw_end_object(&w);
	remember(s, j, (const char *)buf_bytes(&b) + 1, buf_len(&b) - 2);
	buf_printf(outlet_buf(&s->out), "{\"event\":\"end\",%s}\n", s->ended[j->id - 1]);
	outlet_push(&s->out);
}

void
show_json_finish(struct show_json *s, const struct engine *e, uint64_t ms, const struct loop_stats *stats)
{
	struct json w;

	for (const struct job *j = engine_next(e, 0); j; j = engine_next(e, j->id)) {
		if (j->id <= s->n_ended && s->ended[j->id - 1])
			buf_printf(outlet_buf(&s->out), "{\"event\":\"job\",%s}\n", s->ended[j->id - 1]);
		outlet_finish(&s->out);
	}
	begin(s, &w, "summary");
	jsonw_key_u64(&w, "done", s->counts[JOB_DONE]);
	jsonw_key_u64(&w, "failed", s->counts[JOB_FAILED]);
	jsonw_key_u64(&w, "cancelled", s->counts[JOB_CANCELLED]);
	jsonw_key_u64(&w, "bytes", s->bytes);
	jsonw_key(&w, "seconds");
	jsonw_double(&w, (double)ms / 1000);
	jsonw_key(&w, "loop");
	jsonw_begin_object(&w);
	jsonw_key_u64(&w, "callbacks", stats->callbacks);
	jsonw_key_u64(&w, "late", stats->late_wall);
	jsonw_key_u64(&w, "late_cpu", stats->late_cpu);
	jsonw_key_u64(&w, "max_us", stats->max_wall_ns / 1000);
	jsonw_key_u64(&w, "max_cpu_us", stats->max_cpu_ns / 1000);
	jsonw_key_string(&w, "max_name", stats->max_name);
	jsonw_end_object(&w);
	end(s, &w);
	outlet_finish(&s->out);
}
