/* What goes into the journals of events and of log lines; see feed.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/journal.h"
#include "base/log.h"
#include "base/str.h"
#include "daemon/control/internal.h"

/* ---- Events ------------------------------------------------------------------- */

static void
note_job(struct control *c, struct note *n, const struct job *j, const char *word, const char *text)
{
	struct note_words words = { job_label(j), spec_string(j->spec, JOB_GROUP), word, text };

	n->job = j->id;
	n->state = (int8_t)j->state;
	feed_put(&c->events, n, &words);
}

void
control_on_add(struct control *c, const struct job *j)
{
	struct note n = { .what = "add", .from = -1 };

	stats_on_add(c);
	note_job(c, &n, j, NULL, j->from_config ? "by the configuration" : NULL);
}

void
control_on_change(struct control *c, const struct job *j, enum job_state from)
{
	struct note n = { .what = "state", .from = (int8_t)from };
	struct engine_view v = { 0 };

	if (job_is_over(j))
		return; /* the event of its end tells more */
	if (j->state == JOB_BLOCKED)
		(void)engine_view(c->options.engine, j->id, &v);
	n.delay_ms = v.wait_ms;
	note_job(c, &n, j, v.blocked, NULL);
}

void
event_start(struct control *c, const struct job *j)
{
	struct note n = { .what = "start", .from = -1, .attempt = j->attempts };

	/* As it is: what is secret in it is left out for those who ask (feed.c). */
	note_job(c, &n, j, NULL, spec_list(j->spec, JOB_URL, j->source));
}

void
event_retry(struct control *c, const struct job *j, uint64_t delay_ms)
{
	struct note n = { .what = "retry", .from = -1, .attempt = j->attempts, .delay_ms = delay_ms };

	note_job(c, &n, j, result_word(j->result), j->result->text);
}

void
event_end(struct control *c, const struct job *j)
{
	struct note n = { .what = "end", .from = -1, .attempt = j->attempts, .bytes = j->published };
	const struct receipt *r = engine_receipt(c->options.engine, j->id);
	const char *text = j->result->text;

	if (j->state == JOB_DONE)
		text = !r || !r->unchanged ? NULL : text_equal(r->proof, RECEIPT_NOT_MODIFIED) ? "not modified" : "was there already";
	note_job(c, &n, j, result_word(j->result), text);
}

void
control_on_forget(struct control *c, const struct job *j)
{
	struct note n = { .what = "remove", .from = -1 };

	note_job(c, &n, j, NULL, NULL);
}

void
event_command(struct call *c, uint64_t id)
{
	struct note n = { .what = "command", .from = -1, .uid = c->uid };
	const struct job *j = call_job(c, id);
	char text[64];

	(void)snprintf(text, sizeof text, "by uid %u", c->uid);
	if (j)
		note_job(c->control, &n, j, c->method->name, text);
}

bool
event_last_command(const struct control *c, uint64_t id, const char *name, unsigned *looks, int64_t *ret_at_s,
    uint32_t *ret_uid)
{
	const struct ring *r = &c->events.ring;
	uint64_t at = r->next;
	size_t size;

	for (; at > r->first && *looks; (*looks)--) {
		const struct note *n = ring_get(r, --at, &size);

		if (n->job != id || strcmp(n->what, "command") != 0 || strcmp(note_words_of(n).word, name) != 0)
			continue;
		*ret_at_s = n->at_ms / 1000;
		*ret_uid = n->uid;
		return true;
	}
	return false;
}

void
control_note_event(struct control *c, const char *what, const char *name, const char *text)
{
	struct note n = { .what = what, .state = -1, .from = -1 };
	struct note_words words = { name, strcmp(what, "group") == 0 ? name : NULL, NULL, text };

	feed_put(&c->events, &n, &words);
}

/* ---- Log lines ------------------------------------------------------------------ */

static const char *
level_word(enum log_level level)
{
	switch (level) {
	case LOG_LEVEL_ERR:
		return "err";
	case LOG_LEVEL_WARNING:
		return "warning";
	case LOG_LEVEL_NOTICE:
		return "notice";
	case LOG_LEVEL_INFO:
		return "info";
	case LOG_LEVEL_DEBUG:
		break;
	}
	return "debug";
}

/* The job that the line is about, by its pair id=N; 0: none. */
static uint64_t
id_of(const char *line)
{
	const char *at = line;
	uint64_t id;

	while ((at = strchr(at, JOURNAL_MARK))) {
		at++;
		if (has_prefix(at, "id="))
			return parse_u64_n(at + 3, strcspn(at + 3, (const char[]){ JOURNAL_MARK, '\0' }), 10, &id) == 0 ? id : 0;
	}
	return 0;
}

static void
on_line(enum log_level level, char *line, void *arg)
{
	struct control *c = arg;
	struct note n = { .what = level_word(level), .job = id_of(line), .level = (uint8_t)level, .state = -1, .from = -1 };
	struct note_words words = { .text = line };

	for (char *p = line; (p = strchr(p, JOURNAL_MARK)); p++)
		*p = ' ';
	feed_put(&c->lines, &n, &words);
}

void
events_init(struct control *c)
{
	feed_init(&c->events, c->loop, "entry", c->options.event_memory);
	feed_init(&c->lines, c->loop, "line", c->options.log_memory);
	if (c->options.log_memory)
		log_set_tap(on_line, c);
}

void
events_done(struct control *c)
{
	log_set_tap(NULL, NULL);
	feed_done(&c->events);
	feed_done(&c->lines);
}

/* ---- Methods --------------------------------------------------------------------- */

void
method_events(struct call *c)
{
	method_feed(c, &c->control->events);
}

/* What is said of a job is for all who see jobs; the rest of the log tells of other
 * clients, of paths and settings. */
void
method_log(struct call *c)
{
	if (!json_object_get(c->params, "job") && c->policy < POLICY_OPERATE) {
		call_fail(c, RPC_PERMISSION,
		    "the log of all is not for uid %u: name a job, or see control-policy = \"operate\" in hauld.conf(5)", c->uid);
		return;
	}
	method_feed(c, &c->control->lines);
}
