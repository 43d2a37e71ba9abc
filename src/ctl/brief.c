/* Jobs as hauld tells of them; see brief.h. */
#include "ctl/brief.h"

#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"

const char *
member_text(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s ? s : "";
}

uint64_t
member_u64(const json_t *object, const char *key)
{
	double v = json_number_value(json_object_get(object, key));
	json_int_t i = json_integer_value(json_object_get(object, key));

	if (i > 0)
		return (uint64_t)i;
	return v > 0 && v < 9e18 ? (uint64_t)v : 0;
}

void
brief_read(const json_t *job, struct brief *ret)
{
	*ret = (struct brief){
		.id = member_u64(job, "id"),
		.name = member_text(job, "name"),
		.state = member_text(job, "state"),
		.phase = member_text(job, "phase"),
		.why = member_text(job, "why"),
		.output = member_text(job, "output"),
		.url = member_text(job, "url"),
		.code = member_text(job, "code"),
		.reason = member_text(job, "reason"),
		.origin = member_text(job, "origin"),
		.priority = json_integer_value(json_object_get(job, "priority")),
		.attempts = member_u64(job, "attempts"),
		.total = member_u64(job, "total"),
		.received = member_u64(job, "received"),
		.processed = member_u64(job, "processed"),
		.unpacked = member_u64(job, "unpacked"),
		.published = member_u64(job, "published"),
		.rate = member_u64(job, "rate"),
		.retry_in_ms = member_u64(job, "retry_in_ms"),
		.next_run = member_u64(job, "next_run"),
		.seconds = json_number_value(json_object_get(job, "seconds")),
	};
}

bool
brief_is(const struct brief *b, const char *state)
{
	return text_equal(b->state, state);
}

bool
brief_is_there(const json_t *job)
{
	return !json_is_integer(json_object_get(job, "ended")) || json_is_integer(json_object_get(job, "next_run"));
}

bool
brief_is_over(const struct brief *b)
{
	return brief_is(b, "done") || brief_is(b, "failed") || brief_is(b, "cancelled");
}

const char *
brief_label(const struct brief *b)
{
	const char *from = *b->output ? b->output : b->url, *slash = strrchr(from, '/');

	if (*b->name)
		return b->name;
	return slash && slash[1] ? slash + 1 : from;
}

uint64_t
brief_size(const struct brief *b)
{
	if (b->published)
		return b->published;
	return b->total ? b->total : brief_is(b, "done") ? b->received : 0;
}

struct summary_row
brief_summary(const struct brief *b, const char *note)
{
	return (struct summary_row){
		.state = brief_is(b, "done") ? SUMMARY_DONE : brief_is(b, "failed") ? SUMMARY_FAILED : SUMMARY_CANCELLED,
		.path = *b->output ? b->output : brief_label(b),
		.bytes = b->published,
		.ms = b->seconds > 0 && b->seconds < 1e12 ? (uint64_t)(b->seconds * 1000) : 0,
		.word = b->code,
		.reason = b->reason,
		.note = note,
	};
}

/* "checksum-mismatch: md5 is ..."; of a cancelled job only who did it. */
static void
put_failure(const struct brief *b, struct buf *out)
{
	if (*b->reason && text_equal(b->code, b->state))
		buf_append_str(out, b->reason);
	else
		buf_printf(out, "%s%s%s", b->code, *b->code && *b->reason ? ": " : "", b->reason);
}

char *
brief_why(const struct brief *b)
{
	AUTO_BUF struct buf out = { 0 };
	char wait[32];

	if (brief_is(b, "failed") || brief_is(b, "cancelled")) {
		put_failure(b, &out);
	} else if (!brief_is_over(b) && *b->why) {
		buf_append_str(&out, b->why);
		if (b->retry_in_ms)
			buf_printf(&out, " in %s", format_duration(wait, sizeof wait, b->retry_in_ms));
		if (*b->code || *b->reason) {
			buf_append_str(&out, ", ");
			put_failure(b, &out);
		}
	}
	return xstrdup(buf_len(&out) ? buf_cstr(&out) : "");
}

char *
brief_next(const struct brief *b)
{
	int64_t now = clock_wall_s();
	char wait[32];

	if (!b->next_run)
		return xstrdup("");
	if (b->next_run <= (uint64_t)now)
		return xstrdup("next run now");
	return xasprintf("next run in %s", format_duration(wait, sizeof wait, (b->next_run - (uint64_t)now) * 1000));
}

enum term_ink
brief_ink(const struct brief *b)
{
	static const struct {
		const char *state;
		enum term_ink ink;
	} inks[] = { { "done", TERM_INK_GOOD }, { "failed", TERM_INK_BAD }, { "cancelled", TERM_INK_WARN },
		{ "active", TERM_INK_FLOW }, { "paused", TERM_INK_WARN } };

	for (size_t i = 0; i < ARRAY_SIZE(inks); i++)
		if (brief_is(b, inks[i].state))
			return inks[i].ink;
	return TERM_INK_PLAIN;
}

const char *
brief_when(char *out, uint64_t s)
{
	time_t t = (time_t)s;
	struct tm tm;

	out[0] = '\0';
	if (s && localtime_r(&t, &tm)) /* NOLINT: for people */
		(void)strftime(out, BRIEF_WHEN_SIZE, "%Y-%m-%d %H:%M:%S %Z", &tm);
	return out;
}

char *
brief_setting(enum setting_scope scope, const char *key, const json_t *value)
{
	const struct setting *row = setting_by_name(scope, key);
	char size[32], *text;

	if (row && row->type == TYPE_SIZE && json_is_integer(value) && json_integer_value(value) >= 0)
		return xstrdup(format_size_exact(size, sizeof size, (uint64_t)json_integer_value(value)));
	text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
	return text ? text : xstrdup("");
}
