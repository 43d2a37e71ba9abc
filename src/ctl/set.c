/* `haulctl set`: other settings for jobs that are there. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "ctl/ctl.h"
#include "ctl/entry.h"

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

int
verb_set(struct ctl *c)
{
	AUTO_JSON json_t *result = NULL, *changes = NULL;
	json_t *params;
	int r;

	if (!c->args.n_values) {
		ctl_tell(c, "set: give what is to change, such as --limit-rate 5M or --url URL");
		return CTL_USAGE;
	}
	changes = read_changes(c);
	if (!changes)
		return CTL_USAGE;
	params = ctl_job_params(c->args.words, c->args.n_words);
	(void)json_object_set(params, "set", changes);
	r = ctl_call(c, "set", params, &result);
	if (r == CTL_OK && c->args.json)
		ctl_put_json(c, result);
	return r;
}
