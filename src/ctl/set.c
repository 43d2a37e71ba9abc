/* `haulctl set`: other settings for jobs that are there. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "ctl/brief.h"
#include "ctl/chosen.h"
#include "ctl/ctl.h"
#include "ctl/entry.h"
#include "ctl/filters.h"

/* The options as an object; NULL after it was told. */
static json_t *
read_changes(const struct ctl *c)
{
	struct entry_place place = { .command_line = true };
	AUTO_BUF struct buf text = { 0 };
	struct entry e = { 0 };
	struct json w;
	bool good = true;

	entry_begin(&e, NULL);
	for (size_t i = 0; good && i < c->args.n_values; i++) {
		const struct setting *row = c->args.values[i].row;
		AUTO_FREE char *why = NULL;

		good = entry_put(&e, row, c->args.values[i].text, &place, &why) == 0;
		if (!good)
			ctl_tell(c, "--%s %s", verb_setting_name(row), why);
	}
	jsonw_init(&w, &text);
	entry_write(&e, &w);
	entry_done(&e);
	return good ? json_loads(buf_cstr(&text), 0, NULL) : NULL;
}

/* Of all that the filters choose each that can be, some in each request. */
static int
set_chosen(struct ctl *c, json_t *changes)
{
	uint64_t n = 0, refused = 0, after = 0;
	AUTO_FREE char *why = NULL;
	int r = CTL_OK;

	do {
		AUTO_JSON json_t *result = NULL;
		json_t *params = json_pack("{s:O, s:I}", "set", changes, "after", (json_int_t)after);

		filters_put(&c->args, params);
		filters_put_states(&c->args, params);
		r = ctl_call(c, "set", params, &result);
		if (r != CTL_OK)
			break;
		if (c->args.json)
			ctl_put_json(c, result);
		n += member_u64(result, "changed");
		refused += member_u64(result, "refused");
		if (!why && *member_text(result, "reason"))
			why = ctl_safe(c, member_text(result, "reason"));
		after = member_u64(result, "next");
	} while (after);
	if (!c->args.json)
		buf_printf(&c->out, "%llu set\n", (unsigned long long)n);
	if (refused)
		ctl_tell(c, "%llu %s: %s", (unsigned long long)refused, refused == 1 ? "stays as it is" : "stay as they are; the first", why);
	return r == CTL_OK && refused ? CTL_CONFLICT : r;
}

int
verb_set(struct ctl *c)
{
	AUTO_JSON json_t *result = NULL, *changes = NULL;
	bool chosen = chosen_is_asked(c, true);
	json_t *params;
	int r;

	if (!c->args.n_values) {
		ctl_tell(c, "set: give what is to change, such as --limit-rate 5M or --url URL");
		return CTL_USAGE;
	}
	if (chosen == (c->args.n_words > 0)) {
		ctl_tell(c, chosen ? "set takes jobs or filters, not both" : "set: give jobs, or filters, or --all");
		return CTL_USAGE;
	}
	changes = read_changes(c);
	if (!changes)
		return CTL_USAGE;
	if (chosen)
		return set_chosen(c, changes);
	params = ctl_job_params(c->args.words, c->args.n_words);
	(void)json_object_set(params, "set", changes);
	r = ctl_call(c, "set", params, &result);
	if (r == CTL_OK && c->args.json)
		ctl_put_json(c, result);
	return r;
}
