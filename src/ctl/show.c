/* `haulctl show JOB...`: all that hauld knows of a job, for people. */
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "ctl/brief.h"
#include "ctl/ctl.h"
#include "term/figures.h"

enum { LABEL_WIDTH = 12 };

/* Behind what stands in the columns before at. */
static void
put_wrapped(struct ctl *c, const char *safe, size_t at)
{
	ctl_put_wrapped(c, safe, c->term.is_tty ? c->term.columns : SIZE_MAX, at, LABEL_WIDTH);
}

static void PRINTF_LIKE(3, 4)
put_line(struct ctl *c, const char *label, const char *fmt, ...)
{
	AUTO_FREE char *safe = NULL;
	va_list ap;

	va_start(ap, fmt);
	safe = ctl_vsafe(c, fmt, ap);
	va_end(ap);
	ctl_put_ink(c, TERM_INK_FAINT, "%-*s", LABEL_WIDTH, label);
	put_wrapped(c, safe, LABEL_WIDTH);
}

static void
put_text(struct ctl *c, const char *label, const char *text)
{
	if (*text)
		put_line(c, label, "%s", text);
}

static void
put_state(struct ctl *c, const struct brief *b)
{
	AUTO_FREE char *why = brief_why(b), *safe = ctl_safe(c, why);

	ctl_put_ink(c, TERM_INK_FAINT, "%-*s", LABEL_WIDTH, "state");
	ctl_put_ink(c, brief_ink(b), "%s%s%s", b->state, *b->phase ? " " : "", b->phase);
	buf_append_str(&c->out, *safe ? ", " : "");
	put_wrapped(c, safe, LABEL_WIDTH + strlen(b->state) + 2);
}

static void
put_bytes(struct ctl *c, const struct brief *b)
{
	char pair[FIGURES_SIZE], rate[FIGURES_SIZE], size[FIGURES_SIZE], time[FIGURES_SIZE];
	char percent[16] = "";

	if (b->total)
		(void)snprintf(percent, sizeof percent, ", %u%%", figures_percent(b->received, b->total));
	if (b->received || b->total)
		put_line(c, "received", "%s%s%s%s", figures_pair(pair, b->received, b->total), percent,
		    b->rate ? ", " : "", b->rate ? figures_rate(rate, b->rate) : "");
	if (b->processed && !brief_is_over(b))
		put_line(c, "processed", "%s", format_size(size, sizeof size, b->processed));
	if (b->unpacked)
		put_line(c, "unpacked", "%s", format_size(size, sizeof size, b->unpacked));
	if (brief_is(b, "done"))
		put_line(c, "published", "%s (%llu bytes)", format_size(size, sizeof size, b->published),
		    (unsigned long long)b->published);
	if (b->seconds > 0 && b->seconds < 1e12)
		put_line(c, "time", "%s", format_duration(time, sizeof time, (uint64_t)(b->seconds * 1000)));
}

static void
put_attempts(struct ctl *c, const json_t *attempts)
{
	const char *label = "failed";
	const json_t *a;
	char when[BRIEF_WHEN_SIZE];
	size_t i;

	json_array_foreach(attempts, i, a) {
		put_line(c, label, "attempt %llu, %s: %s: %s", (unsigned long long)member_u64(a, "number"),
		    brief_when(when, member_u64(a, "time")), member_text(a, "code"), member_text(a, "reason"));
		label = "";
	}
}

static void
put_origin(struct ctl *c, const json_t *job, const struct brief *b)
{
	const json_t *uid = json_object_get(job, "uid");
	char when[BRIEF_WHEN_SIZE], who[40] = "";

	(void)brief_when(when, member_u64(job, "added"));
	if (json_is_integer(uid))
		(void)snprintf(who, sizeof who, " of uid %lld", (long long)json_integer_value(uid));
	put_line(c, "added", "%s%s%s%s", when, *b->origin ? " by " : "",
	    text_equal(b->origin, "config") ? "the configuration" : text_equal(b->origin, "client") ? "a client" : b->origin,
	    who);
}

/* A value of the settings on a line of its own: "(secret)", a list apart by blanks. */
static void
put_setting(struct ctl *c, const char *label, const char *key, const json_t *value)
{
	AUTO_FREE char *text = json_is_string(value) ? NULL : brief_setting(SCOPE_JOB, key, value);
	const json_t *one;
	size_t i;

	if (!json_is_array(value)) {
		put_line(c, label, "%s = %s", key, json_is_string(value) ? json_string_value(value) : text ? text : "");
		return;
	}
	json_array_foreach(value, i, one) {
		put_setting(c, label, key, one);
		label = "";
	}
}

static void
put_settings(struct ctl *c, const json_t *settings)
{
	const char *label = "settings", *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)settings, key, value) {
		if (text_equal(key, "output") || text_equal(key, "name"))
			continue;
		put_setting(c, label, key, value);
		label = "";
	}
}

static void
put_digests(struct ctl *c, const char *label, const json_t *digests)
{
	const char *algo;
	json_t *hex;

	json_object_foreach((json_t *)(uintptr_t)digests, algo, hex)
		if (json_is_string(hex))
			put_line(c, label, "%s:%s", algo, json_string_value(hex));
}

static void
put_receipt(struct ctl *c, const json_t *r)
{
	const json_t *times = json_object_get(r, "times_ms");
	const char *codec = member_text(r, "codec");

	if (!json_is_object(r))
		return;
	put_text(c, "proof", text_equal(member_text(r, "proof"), "not-modified") ? "not modified, says the server"
	    : json_is_true(json_object_get(r, "unchanged")) ? "was there already" : member_text(r, "proof"));
	if (!text_equal(codec, "off"))
		put_text(c, "codec", codec);
	put_digests(c, "digest", json_object_get(r, "digest"));
	put_digests(c, "of output", json_object_get(r, "digest_output"));
	if (json_is_object(times))
		put_line(c, "times", "dns %llu ms, connect %llu ms, tls %llu ms, first byte %llu ms",
		    (unsigned long long)member_u64(times, "dns"), (unsigned long long)member_u64(times, "connect"),
		    (unsigned long long)member_u64(times, "tls"), (unsigned long long)member_u64(times, "first_byte"));
}

/* The last ones, the newest first: "at 2026-11-22 10:00:00 CET: done, 1.2 MiB". */
static void
put_past_runs(struct ctl *c, const json_t *past)
{
	const char *label = "past runs";

	for (size_t i = json_array_size(past); i-- > 0; label = "") {
		const json_t *run = json_array_get(past, i);
		uint64_t began = member_u64(run, "began"), ended = member_u64(run, "ended");
		char when[BRIEF_WHEN_SIZE], size[FIGURES_SIZE], took[32];
		bool unchanged = json_is_true(json_object_get(run, "unchanged"));

		(void)format_duration(took, sizeof took, ended > began ? (ended - began) * 1000 : 0);
		put_line(c, label, "%s: %s, %s%s%s", brief_when(when, ended), member_text(run, "code"),
		    unchanged ? "not modified" : format_size(size, sizeof size, member_u64(run, "bytes")),
		    began ? ", in " : "", began ? took : "");
	}
}

static void
put_runs(struct ctl *c, const json_t *runs)
{
	uint64_t failures = member_u64(runs, "failures"), unchanged = member_u64(runs, "unchanged");
	char when[BRIEF_WHEN_SIZE], failed[64] = "", same[64] = "";

	if (!json_is_object(runs))
		return;
	if (failures)
		(void)snprintf(failed, sizeof failed, ", the last %llu failed", (unsigned long long)failures);
	if (unchanged)
		(void)snprintf(same, sizeof same, ", %llu not modified", (unsigned long long)unchanged);
	put_line(c, "runs", "%llu%s%s", (unsigned long long)member_u64(runs, "count"), same, failed);
	put_text(c, "last run", brief_when(when, member_u64(runs, "last_end")));
	put_text(c, "last done", brief_when(when, member_u64(runs, "last_success")));
	put_text(c, "next run", brief_when(when, member_u64(runs, "next")));
	put_past_runs(c, json_object_get(runs, "past"));
}

/* It is not over and is to end by then. */
static void
put_deadline(struct ctl *c, const json_t *job)
{
	char when[BRIEF_WHEN_SIZE];

	if (member_u64(job, "deadline"))
		put_text(c, "deadline", brief_when(when, member_u64(job, "deadline")));
}

/* An answer that brought bytes: from where, which of them, and what proves that. */
static void
put_source(struct ctl *c, const json_t *s, bool alone)
{
	const json_t *times = json_object_get(s, "times_ms"), *tls = json_object_get(s, "tls"), *hop;
	uint64_t from = member_u64(s, "from"), to = member_u64(s, "to"), modified = member_u64(s, "last_modified");
	char size[FIGURES_SIZE], when[BRIEF_WHEN_SIZE];
	size_t i;

	put_line(c, "source", "%s", member_text(s, "url"));
	json_array_foreach(json_object_get(s, "via"), i, hop)
		put_line(c, "", "by way of %s", json_string_value(hop) ? json_string_value(hop) : "");
	if (!alone || from)
		put_line(c, "", "bytes %llu to %llu, %s", (unsigned long long)from, (unsigned long long)to,
		    format_size(size, sizeof size, to > from ? to - from : 0));
	put_line(c, "", "status %llu, HTTP/%s, from %s, %s", (unsigned long long)member_u64(s, "status"), member_text(s, "http"),
	    member_text(s, "address"), brief_when(when, member_u64(s, "time")));
	if (*member_text(s, "etag"))
		put_line(c, "", "ETag %s", member_text(s, "etag"));
	if (modified)
		put_line(c, "", "Last-Modified %s", brief_when(when, modified));
	if (json_is_object(tls))
		put_line(c, "", "%s, %s, certificate of %s, issued by %s", member_text(tls, "protocol"), member_text(tls, "cipher"),
		    member_text(tls, "subject"), member_text(tls, "issuer"));
	if (!alone && member_u64(times, "total"))
		put_line(c, "", "dns %llu ms, connect %llu ms, tls %llu ms, first byte %llu ms, all %llu ms",
		    (unsigned long long)member_u64(times, "dns"), (unsigned long long)member_u64(times, "connect"),
		    (unsigned long long)member_u64(times, "tls"), (unsigned long long)member_u64(times, "first_byte"),
		    (unsigned long long)member_u64(times, "total"));
}

static void
put_sources(struct ctl *c, const json_t *job)
{
	const json_t *all = json_object_get(job, "sources"), *s;
	uint64_t lost = member_u64(job, "sources_lost");
	size_t i;

	if (lost)
		put_line(c, "sources", "%llu before these are not kept", (unsigned long long)lost);
	else if (member_u64(json_array_get(all, 0), "from"))
		put_line(c, "sources", "an earlier life of hauld brought bytes 0 to %llu",
		    (unsigned long long)member_u64(json_array_get(all, 0), "from"));
	json_array_foreach(all, i, s)
		put_source(c, s, json_array_size(all) == 1);
}

void
show_put_job(struct ctl *c, const json_t *job)
{
	const json_t *last = json_object_get(job, "last");
	struct brief b;
	char when[BRIEF_WHEN_SIZE];

	brief_read(job, &b);
	ctl_put_ink(c, TERM_INK_STRONG, "job %llu", (unsigned long long)b.id);
	buf_append_str(&c->out, "\n");
	put_text(c, "name", b.name);
	put_state(c, &b);
	put_text(c, "output", b.output);
	put_text(c, "url", b.url);
	put_bytes(c, &b);
	if (b.attempts)
		put_line(c, "attempts", "%llu", (unsigned long long)b.attempts);
	put_attempts(c, json_object_get(job, "failed_attempts"));
	if (json_is_object(last) && !brief_is(&b, "failed"))
		put_line(c, "last try", "%s: %s", member_text(last, "code"), member_text(last, "reason"));
	if (b.priority)
		put_line(c, "priority", "%lld", (long long)b.priority);
	put_receipt(c, json_object_get(job, "receipt"));
	put_sources(c, job);
	put_origin(c, job, &b);
	put_deadline(c, job);
	put_runs(c, json_object_get(job, "runs"));
	put_text(c, "ended", brief_when(when, member_u64(job, "ended")));
	put_settings(c, json_object_get(job, "settings"));
}

int
verb_show(struct ctl *c)
{
	for (size_t i = 0; i < c->args.n_words; i++) {
		AUTO_JSON json_t *job = NULL;
		int r = ctl_call(c, "show", json_pack("{s:o}", "job", ctl_job_name(c->args.words[i])), &job);

		if (r != CTL_OK)
			return r;
		if (c->args.json) {
			ctl_put_json(c, job);
			continue;
		}
		if (i)
			buf_append_str(&c->out, "\n");
		show_put_job(c, job);
		ctl_flush_large(c);
	}
	return CTL_OK;
}
