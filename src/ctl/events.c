/* `haulctl events` and `haulctl log`: what happened, from hauld's journals. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/str.h"
#include "ctl/brief.h"
#include "ctl/client.h"
#include "ctl/ctl.h"

enum {
	PAGE = 1000,
	TIME_WIDTH = 19,   /* "Nov 22 14:03:07.123" */
	NUMBER_WIDTH = 6,
	EVENT_INDENT = NUMBER_WIDTH + 2 + TIME_WIDTH + 2,
	LOG_INDENT = TIME_WIDTH + 2 + 7 + 2,
};

struct reader {
	struct ctl *ctl;
	const char *method;
	bool is_log;
	char instance[32]; /* of hauld's life, whose numbers these are; empty: any */
	uint64_t since;
	bool has_since;
	uint64_t subscription;
};

/* ---- Lines ------------------------------------------------------------------------ */

/* "Nov 22 14:03:07.123", by the clock of the reader. */
static const char *
format_time(char out[40], double at)
{
	time_t t = at > 0 && at < 1e12 ? (time_t)at : 0;
	size_t n = 0;
	struct tm tm;

	if (localtime_r(&t, &tm)) /* NOLINT: for people */
		n = strftime(out, 40, "%b %d %H:%M:%S", &tm);
	(void)snprintf(out + n, 40 - n, ".%03d", (int)((at - (double)t) * 1000 + 0.5) % 1000);
	return out;
}

static void
put_cause(const json_t *e, struct buf *out)
{
	const char *code = member_text(e, "code"), *text = member_text(e, "text");

	if (*text && text_equal(code, member_text(e, "state")))
		code = ""; /* "cancelled: by uid 0", not twice */
	buf_printf(out, "%s%s%s%s", *code || *text ? ": " : "", code, *code && *text ? ": " : "", text);
}

/* What happened, behind whom it happened to. */
static void
put_what(const json_t *e, struct buf *out)
{
	const char *what = member_text(e, "what"), *state = member_text(e, "state"), *why = member_text(e, "why");
	uint64_t delay = member_u64(e, "delay_ms"), attempt = member_u64(e, "attempt"), bytes = member_u64(e, "bytes");
	char text[32];

	if (text_equal(what, "state")) {
		buf_printf(out, "%s%s%s", state, *why ? ", " : "", why);
		if (delay)
			buf_printf(out, " for %s", format_duration(text, sizeof text, delay));
	} else if (text_equal(what, "start")) {
		buf_printf(out, "attempt %llu begins", (unsigned long long)attempt);
		put_cause(e, out);
	} else if (text_equal(what, "retry")) {
		if (delay)
			buf_printf(out, "attempt %llu failed, again in %s", (unsigned long long)attempt,
			    format_duration(text, sizeof text, delay));
		else
			buf_printf(out, "attempt %llu failed, again at once", (unsigned long long)attempt);
		put_cause(e, out);
	} else if (text_equal(what, "command")) {
		buf_printf(out, "%s, %s", member_text(e, "code"), member_text(e, "text"));
	} else if (text_equal(what, "end") && text_equal(state, "done")) {
		buf_printf(out, "done, %s", *member_text(e, "text") ? member_text(e, "text") : format_size(text, sizeof text, bytes));
	} else if (text_equal(what, "end")) {
		buf_append_str(out, state);
		put_cause(e, out);
	} else {
		buf_append_str(out, text_equal(what, "add") ? "added" : text_equal(what, "remove") ? "removed" : "");
		if (*member_text(e, "text"))
			buf_printf(out, "%s%s", *state ? " " : "", member_text(e, "text"));
	}
}

static void
put_event(const struct ctl *c, const json_t *e, struct buf *out)
{
	AUTO_FREE char *name = ctl_cut(c, member_text(e, "name"), c->term.columns / 3);
	uint64_t job = member_u64(e, "job");

	if (job)
		buf_printf(out, "job %llu %s: ", (unsigned long long)job, name);
	else
		buf_printf(out, "%s%s%s: ", member_text(e, "what"), *name ? " " : "", name);
	put_what(e, out);
}

static enum term_ink
ink_of(const json_t *e)
{
	const char *level = member_text(e, "level");
	struct brief b = { .state = member_text(e, "state") };

	if (*level)
		return text_equal(level, "err") ? TERM_INK_BAD : text_equal(level, "warning") ? TERM_INK_WARN : TERM_INK_PLAIN;
	return text_equal(member_text(e, "what"), "end") ? brief_ink(&b) : TERM_INK_PLAIN;
}

/* The rest of the line; on a terminal it goes on below where it began. */
static void
put_text(struct ctl *c, enum term_ink ink, const char *text, size_t indent)
{
	size_t columns = c->term.columns;

	if (!c->term.is_tty) {
		ctl_put_ink(c, ink, "%s", text);
		buf_append_str(&c->out, "\n");
		return;
	}
	AUTO_FREE char *safe = ctl_safe(c, text);

	term_ink(&c->term, &c->out, ink);
	ctl_put_wrapped(c, safe, columns, TIME_WIDTH + (indent == EVENT_INDENT) * (NUMBER_WIDTH + 2), columns > 2 * indent ? indent : 4);
	term_ink(&c->term, &c->out, TERM_INK_PLAIN);
}

static void
put(const struct reader *r, json_t *e)
{
	struct ctl *c = r->ctl;
	AUTO_BUF struct buf text = { 0 };
	char when[40];

	if (c->args.json) {
		(void)json_object_set_new(e, "instance", json_string(r->instance));
		ctl_put_json(c, e);
		return;
	}
	format_time(when, json_number_value(json_object_get(e, "time")));
	if (r->is_log) {
		ctl_put_ink(c, TERM_INK_FAINT, "%s", when);
		buf_printf(&text, "  %-7s  %s", member_text(e, "level"), member_text(e, "text"));
	} else {
		ctl_put_ink(c, TERM_INK_FAINT, "%6llu  %s", (unsigned long long)member_u64(e, "number"), when);
		buf_append_str(&text, "  ");
		put_event(c, e, &text);
	}
	put_text(c, ink_of(e), buf_cstr(&text), r->is_log ? LOG_INDENT : EVENT_INDENT);
	ctl_flush_large(c);
}

static void
tell_lost(const struct reader *r, uint64_t from, uint64_t to)
{
	struct ctl *c = r->ctl;

	if (c->args.json) {
		AUTO_JSON json_t *lost = json_pack("{s:{s:I, s:I}, s:s}", "lost", "from", (json_int_t)from, "to", (json_int_t)to,
		    "instance", r->instance);

		ctl_put_json(c, lost);
		return;
	}
	(void)ctl_flush(c);
	ctl_tell(c, "%llu %s lost, from %llu to %llu: hauld keeps so many only", (unsigned long long)(to - from + 1),
	    to == from ? "is" : "are", (unsigned long long)from, (unsigned long long)to);
}

/* ---- Requests ------------------------------------------------------------------------ */

/* "417", or "3f0c...:417" with the instance. */
static int
read_since(struct reader *r)
{
	const char *text = r->ctl->args.filters[0], *colon = text ? strrchr(text, ':') : NULL;
	size_t n = colon ? (size_t)(colon - text) : 0;

	if (!text)
		return CTL_OK;
	r->has_since = true;
	if (n >= sizeof r->instance || parse_u64(colon ? colon + 1 : text, &r->since) < 0) {
		ctl_tell(r->ctl, "--since \"%s\" is the number of an event, as in 417, or INSTANCE:417", text);
		return CTL_USAGE;
	}
	memcpy(r->instance, text, n);
	return CTL_OK;
}

static json_t *
words_of(const char *text)
{
	json_t *words = json_array();

	for (; *text; text += *text == ',') {
		size_t n = strcspn(text, ",");

		(void)json_array_append_new(words, json_stringn(text, n));
		text += n;
	}
	return words;
}

static json_t *
params_of(const struct reader *r, bool first)
{
	const struct args *a = &r->ctl->args;
	const char *group = a->filters[OPTION_GROUP - OPTION_SINCE];
	json_t *p = json_object();

	if (r->is_log && a->n_words)
		(void)json_object_set_new(p, "job", ctl_job_name(a->words[0]));
	else if (a->n_words) {
		json_decref(p);
		p = ctl_job_params(a->words, a->n_words);
	}
	if (a->state)
		(void)json_object_set_new(p, "state", words_of(a->state));
	if (a->what)
		(void)json_object_set_new(p, "what", words_of(a->what));
	if (a->level)
		(void)json_object_set_new(p, "level", json_string(a->level));
	if (group)
		(void)json_object_set_new(p, "group", json_string(group));
	if (*r->instance)
		(void)json_object_set_new(p, "instance", json_string(r->instance));
	if (r->has_since || !first)
		(void)json_object_set_new(p, "since", json_integer((json_int_t)r->since));
	if (a->limit && first)
		(void)json_object_set_new(p, "last", json_integer((json_int_t)a->limit));
	if (a->follow)
		(void)json_object_set_new(p, "follow", json_true());
	(void)json_object_set_new(p, "limit", json_integer(PAGE));
	return p;
}

static void
put_page(struct reader *r, const json_t *result, bool first)
{
	uint64_t lost = member_u64(result, "lost");
	json_t *e;
	size_t i;

	if (json_is_true(json_object_get(result, "restarted")) && !r->ctl->args.json)
		ctl_tell(r->ctl, "hauld was started since then: its numbers began again");
	(void)snprintf(r->instance, sizeof r->instance, "%s", member_text(result, "instance"));
	if (lost && (r->has_since || !first))
		tell_lost(r, member_u64(result, "first") - lost, member_u64(result, "first") - 1);
	json_array_foreach(json_object_get(result, "events"), i, e)
		put(r, e);
	r->since = member_u64(result, "next");
	r->subscription = member_u64(result, "subscription");
}

static void
take(struct reader *r, const json_t *message)
{
	const json_t *p = json_object_get(message, "params");

	if (!text_equal(member_text(message, "method"), "event") || member_u64(p, "subscription") != r->subscription)
		return;
	if (text_equal(member_text(p, "event"), "lost"))
		tell_lost(r, member_u64(p, "from"), member_u64(p, "to"));
	else
		put(r, json_object_get(p, member_text(p, "event")));
}

/* Until hauld ends, or somebody ends this. */
static int
follow(struct reader *r)
{
	struct client *client = r->ctl->client;

	for (;;) {
		AUTO_JSON json_t *message = NULL;
		struct pollfd p = { .fd = client->fd, .events = client_events(client) };
		int n = client_next(client, &message);

		if (n > 0) {
			take(r, message);
			continue;
		}
		if (!ctl_flush(r->ctl))
			return CTL_FAILED;
		if (n == 0 && poll(&p, 1, -1) < 0 && errno != EINTR)
			n = -errno;
		if (n == 0)
			n = client_pump(client);
		if (n < 0)
			return ctl_tell_lost(r->ctl, n);
	}
}

static int
run(struct ctl *c, const char *method, bool is_log)
{
	struct reader r = { .ctl = c, .method = method, .is_log = is_log };
	bool more = true;
	int status = read_since(&r);

	for (bool first = true; status == CTL_OK && more; first = false) {
		AUTO_JSON json_t *result = NULL;

		status = ctl_call(c, method, params_of(&r, first), &result);
		if (status != CTL_OK)
			return status;
		put_page(&r, result, first);
		more = !c->args.follow && r.since < member_u64(result, "last");
	}
	return status == CTL_OK && c->args.follow ? follow(&r) : status;
}

int
verb_events(struct ctl *c)
{
	return run(c, "events", false);
}

int
verb_log(struct ctl *c)
{
	return run(c, "log", true);
}
