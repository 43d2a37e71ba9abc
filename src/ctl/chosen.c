/* Commands by filters; see chosen.h. */
#include "ctl/chosen.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "ctl/brief.h"
#include "ctl/client.h"
#include "ctl/filters.h"
#include "ctl/pages.h"

struct chosen {
	struct ctl *ctl;
	const char *method;
	bool (*wants)(const json_t *job);
	uint64_t *ids; /* owned array */
	size_t n, size;
	uint64_t done, refused;
	char *why; /* owned: what hauld said of the last one that it refused */
};

bool
chosen_is_asked(const struct ctl *c, bool group_too)
{
	static const enum option_id ids[] = { OPTION_NAME, OPTION_LIST_OUTPUT, OPTION_URL, OPTION_SINCE, OPTION_UNTIL };
	bool asked = c->args.state || (group_too && (c->args.all || filters_get(&c->args, OPTION_GROUP)));

	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		asked |= filters_get(&c->args, ids[i]) != NULL;
	return asked;
}

/* Of the states that the method can take those that --state wants; NULL: none. */
static json_t *
states_of(const struct ctl *c, const char *states)
{
	json_t *list = json_array();

	for (const char *at = states; *at;) {
		size_t n = strcspn(at, ",");
		AUTO_FREE char *state = xstrndup(at, n);

		if (filters_take_state(&c->args, state))
			(void)json_array_append_new(list, json_string(state));
		at += n + (at[n] == ',');
	}
	if (json_array_size(list))
		return list;
	json_decref(list);
	return NULL;
}

static bool
take_id(struct ctl *c UNUSED, json_t *job, void *arg)
{
	struct chosen *ch = arg;

	if (ch->wants && !ch->wants(job))
		return false;
	if (ch->n == ch->size) {
		ch->size = MAX(ch->size * 2, (size_t)256);
		ch->ids = xrealloc(ch->ids, ch->size * sizeof ch->ids[0]);
	}
	ch->ids[ch->n++] = member_u64(job, "id");
	return true;
}

/* The answer to a request about n of them; the caller's reference.  CTL_OK also when hauld
 * refused because of one of them: *ret is NULL then, and why says it. */
static int
ask(struct chosen *ch, const uint64_t *ids, size_t n, json_t **ret)
{
	struct client *client = ch->ctl->client;
	json_t *jobs = json_array();
	uint64_t id;

	for (size_t i = 0; i < n; i++)
		(void)json_array_append_new(jobs, json_integer((json_int_t)ids[i]));
	id = client_send(client, ch->method, json_pack("{s:o}", "jobs", jobs));
	for (;;) {
		AUTO_JSON json_t *message = NULL;
		const json_t *error;
		int r = client_wait(client, &message), status;

		if (r < 0)
			return ctl_tell_lost(ch->ctl, r);
		if (client_answer_id(message) != id)
			continue;
		error = json_object_get(message, "error");
		*ret = json_incref(json_object_get(message, "result"));
		status = error ? ctl_error_status(error) : CTL_OK;
		if (status == CTL_CONFLICT || status == CTL_NO_JOB) {
			free(ch->why);
			ch->why = xstrdup(member_text(error, "message"));
			return CTL_OK;
		}
		return error ? ctl_tell_error(ch->ctl, error) : CTL_OK;
	}
}

/* All or none is hauld's rule for a request; here it is each that can. */
static int
command(struct chosen *ch, const uint64_t *ids, size_t n)
{
	AUTO_JSON json_t *result = NULL;
	int r = ask(ch, ids, n, &result);

	if (r != CTL_OK)
		return r;
	if (result) {
		ch->done += json_is_integer(json_object_get(result, "removed")) ? member_u64(result, "removed") : n;
		if (ch->ctl->args.json)
			ctl_put_json(ch->ctl, result);
		return CTL_OK;
	}
	if (n == 1) {
		ch->refused++;
		return CTL_OK;
	}
	r = command(ch, ids, n / 2);
	return r != CTL_OK ? r : command(ch, ids + n / 2, n - n / 2);
}

/* What hauld would answer about no jobs, if one could ask that. */
static void
put_none(struct chosen *ch)
{
	AUTO_JSON json_t *none = text_equal(ch->method, "remove") ? json_pack("{s:i}", "removed", 0) : json_pack("{s:[]}", "jobs");

	ctl_put_json(ch->ctl, none);
}

int
chosen_command(struct ctl *c, const char *method, const char *states, bool (*wants)(const json_t *job), const char *done)
{
	struct chosen ch = { .ctl = c, .method = method, .wants = wants };
	AUTO_JSON json_t *more = json_object();
	json_t *wanted = states_of(c, states);
	int r;

	if (c->args.n_words) {
		ctl_tell(c, "%s takes jobs or filters, not both", c->args.verb->name);
		json_decref(wanted);
		return CTL_USAGE;
	}
	if (!wanted) {
		AUTO_BUF struct buf list = { 0 };

		for (const char *s = states; *s; s++)
			buf_append(&list, *s == ',' ? ", " : s, *s == ',' ? 2 : 1);
		ctl_tell(c, "%s is about jobs that are %s", c->args.verb->name, buf_cstr(&list));
		return CTL_USAGE;
	}
	(void)json_object_set_new(more, "state", wanted);
	r = pages_read(c, more, false, 0, take_id, &ch);
	for (size_t i = 0; i < ch.n && r == CTL_OK; i += CLIENT_JOBS_MAX)
		r = command(&ch, ch.ids + i, MIN(ch.n - i, (size_t)CLIENT_JOBS_MAX));
	if (c->args.json && r == CTL_OK && !ch.n)
		put_none(&ch);
	else if (!c->args.json)
		buf_printf(&c->out, "%llu %s\n", (unsigned long long)ch.done, done);
	if (ch.refused)
		ctl_tell(c, "%llu %s: %s", (unsigned long long)ch.refused, ch.refused == 1 ? "stays as it is" : "stay as they are; the last", ch.why);
	free(ch.why);
	free(ch.ids);
	return r;
}
