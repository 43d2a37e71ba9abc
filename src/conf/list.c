/* Input lists; see list.h. */
#include "conf/list.h"

#include <stdlib.h>

#include "base/mem.h"
#include "model/input_list.h"

struct list {
	struct check *check;
	struct jobs *jobs;
	const struct list_source *from;
	struct draft draft; /* of the entry whose lines are being read */
	bool open;          /* there is such an entry */
};

static struct where
at_line(const struct list *l, unsigned line)
{
	return (struct where){ l->from->file, line };
}

static void
finish_entry(struct list *l)
{
	if (l->open)
		jobs_submit(l->jobs, &l->draft);
	l->open = false;
}

static bool
on_entry(unsigned line, void *arg)
{
	struct list *l = arg;

	finish_entry(l);
	draft_begin(&l->draft, SCOPE_JOB, at_line(l, line), "");
	draft_inherit(&l->draft, l->from->common);
	l->open = true;
	return !jobs_full(l->jobs);
}

static void
on_value(unsigned line, const char *key, const char *value, void *arg)
{
	struct list *l = arg;
	const struct setting *row = check_key(l->check, &l->draft, at_line(l, line), key, false);

	if (row && (row->flags & SETTING_PROGRAM))
		check_tell(l->check, &l->draft, row, at_line(l, line), "runs a program, which a list cannot say: "
		    "give it on the command line or in the configuration");
	else if (row)
		check_text(l->check, &l->draft, row, at_line(l, line), value);
}

static void
on_dir(unsigned line UNUSED, const char *dir, void *arg)
{
	struct list *l = arg;

	free(l->draft.dir);
	l->draft.dir = xstrdup(dir);
}

static void
on_error(unsigned line, const char *text, void *arg)
{
	struct list *l = arg;

	emit_error(l->check->emit, at_line(l, line), "", "%s", text);
}

void
list_read(struct check *c, struct jobs *j, const struct list_source *from)
{
	static const struct input_list_ops ops = { on_entry, on_value, on_dir, on_error };
	struct list l = { .check = c, .jobs = j, .from = from };

	input_list_read(from->fd, from->base_url, &ops, &l);
	finish_entry(&l);
	draft_done(&l.draft);
}
