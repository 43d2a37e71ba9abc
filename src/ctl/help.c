/* Help; see help.h. */
#include "ctl/help.h"

#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"

enum { NAME_WIDTH = 12, OPTION_WIDTH = 27 };

static size_t
help_width(const struct ctl *c)
{
	return c->term.is_tty ? MIN(c->term.columns, 100U) : 80;
}

static void
put_option_line(struct ctl *c, const char *left, const char *help)
{
	buf_printf(&c->out, "  %-*s", OPTION_WIDTH, left);
	/* A left side that is too long has a line of its own. */
	if (strlen(left) + 1 > OPTION_WIDTH)
		buf_printf(&c->out, "\n  %*s", OPTION_WIDTH, "");
	ctl_put_wrapped(c, help, help_width(c), OPTION_WIDTH + 2, OPTION_WIDTH + 2);
}

/* The words that a value can be stand behind the sentence. */
static char *
help_with_words(const char *help, const char *words)
{
	AUTO_BUF struct buf list = { 0 };

	for (const char *w = words ? words : ""; *w; w++)
		buf_append(&list, *w == '|' ? ", " : w, *w == '|' ? 2 : 1);
	return xasprintf("%s%s%s%s", help, words ? " (" : "", words ? buf_cstr(&list) : "", words ? ")" : "");
}

static void
put_options(struct ctl *c, const struct verb_option *o)
{
	for (; o && o->id != OPTION_NONE; o++) {
		char letter[8] = { '-', o->letter, ',', ' ', '\0' };
		AUTO_FREE char *left = xasprintf("%s--%s%s%s", o->letter ? letter : "    ", o->name, o->value ? " " : "",
		    o->value ? o->value : "");
		AUTO_FREE char *help = help_with_words(o->help, o->words);

		put_option_line(c, left, help);
	}
}

static const char *
value_of(const struct setting *row)
{
	static const char *const values[] = { [TYPE_BOOL] = "", [TYPE_UINT] = " N", [TYPE_INT] = " N",
		[TYPE_SIZE] = " SIZE", [TYPE_DURATION] = " DURATION", [TYPE_MODE] = " MODE",
		[TYPE_REQUEST_RATE] = " RATE", [TYPE_ENUM] = " WORD",
		[TYPE_STRING] = " TEXT", [TYPE_UNTIL] = " DURATION|TIME", [TYPE_LIST] = " TEXT" };

	return values[row->type];
}

static void
put_settings(struct ctl *c, const struct verb *v)
{
	const struct setting *row;

	buf_append_str(&c->out, "\nSettings of a job, see hauld.conf(5):\n");
	for (unsigned i = 0; (row = verb_setting(i)); i++) {
		if (!verb_offers(v, row))
			continue;
		AUTO_FREE char *left = xasprintf("    --%s%s", verb_setting_name(row), value_of(row));
		AUTO_FREE char *help = help_with_words(row->help, row->words);

		put_option_line(c, left, help);
	}
}

static void
print_verb(struct ctl *c, const struct verb *v)
{
	buf_printf(&c->out, "usage: haulctl %s%s%s\n\n%c%s.\n", v->name, *v->arguments ? " " : "", v->arguments,
	    v->help[0] - 'a' + 'A', v->help + 1);
	if (v->more)
		ctl_put_wrapped(c, v->more, help_width(c), 0, 0);
	if (v->options) {
		buf_append_str(&c->out, "\n");
		put_options(c, v->options);
	}
	if (v->settings)
		put_settings(c, v);
	buf_append_str(&c->out, "\nOptions of every verb:\n");
	put_options(c, verb_global_options());
}

/* Every verb is in one of them. */
static const struct {
	const char *title, *verbs;
} sections[] = {
	{ "Jobs", "add|get|import|export|set|cancel|pause|resume|retry|run|remove" },
	{ "To look", "list|status|top|show|why|events|log|hosts|stats|workers" },
	{ "To wait", "wait|gather|attach|cat" },
	{ "Files, groups, limits, events", "verify|group|limit|event" },
	{ "The service", "config|check|reload|drain|shutdown|debug|version" },
	{ "haulctl itself", "completions|help" },
};

static void
put_section(struct ctl *c, const char *title, const char *names)
{
	buf_printf(&c->out, "%s:\n", title);
	for (const char *name = names; *name; name += *name == '|') {
		AUTO_FREE char *one = xstrndup(name, strcspn(name, "|"));

		buf_printf(&c->out, "  %-*s%s\n", NAME_WIDTH, one, verb_find(one)->help);
		name += strlen(one);
	}
}

static void
print_all(struct ctl *c)
{
	buf_append_str(&c->out, "usage: haulctl [OPTION...] VERB [OPTION...] [ARGUMENT...]\n\n"
				"Speaks to hauld, the download daemon. See haulctl(1).\n\n");
	for (size_t i = 0; i < ARRAY_SIZE(sections); i++)
		put_section(c, sections[i].title, sections[i].verbs);
	buf_append_str(&c->out, "Options:\n");
	put_options(c, verb_global_options());
	buf_append_str(&c->out, "\n`haulctl help VERB` tells more.\n"
				"Exit status: 0 ok, 1 a job failed, 2 usage, 3 no such job, 4 timed out,\n"
				"5 hauld is not reachable, 6 permission denied, 7 conflict, 8 cancelled.\n");
}

/* ---- As JSON: what scripts/check-ctl-docs reads --------------------------------- */

static void
key_string(struct json *j, const char *key, const char *value)
{
	jsonw_key(j, key);
	jsonw_string(j, value);
}

static void
json_option(struct json *j, const char *name, char letter, const char *value, const char *help)
{
	char text[2] = { letter, '\0' };

	jsonw_begin_object(j);
	key_string(j, "name", name);
	key_string(j, "letter", letter ? text : NULL);
	key_string(j, "value", value);
	key_string(j, "help", help);
	jsonw_end_object(j);
}

static void
json_options(struct json *j, const char *key, const struct verb_option *o)
{
	jsonw_key(j, key);
	jsonw_begin_array(j);
	for (; o && o->id != OPTION_NONE; o++)
		json_option(j, o->name, o->letter, o->value, o->help);
	jsonw_end_array(j);
}

static void
print_json(struct ctl *c, const struct verb *v)
{
	struct json j;

	jsonw_init(&j, &c->out);
	jsonw_begin_object(&j);
	key_string(&j, "verb", v ? v->name : NULL);
	key_string(&j, "arguments", v ? v->arguments : "");
	key_string(&j, "help", v ? v->help : "");
	json_options(&j, "options", v ? v->options : verb_global_options());
	jsonw_key(&j, "settings");
	jsonw_bool(&j, v && v->settings);
	jsonw_end_object(&j);
	buf_append_str(&c->out, "\n");
}

void
help_print(struct ctl *c, const struct verb *v)
{
	size_t n;
	const struct verb *all = verbs_all(&n);

	if (c->args.json) {
		print_json(c, v);
		for (size_t i = 0; !v && i < n; i++)
			print_json(c, &all[i]);
	} else if (v) {
		print_verb(c, v);
	} else {
		print_all(c);
	}
}

void
help_print_usage(const struct ctl *c)
{
	ctl_tell_line(c, "usage: haulctl [OPTION...] VERB [OPTION...] [ARGUMENT...]");
	ctl_tell_line(c, "`haulctl help` lists the verbs.");
}

int
verb_help(struct ctl *c)
{
	const char *name = c->args.n_words ? c->args.words[0] : NULL, *near;
	const struct verb *v = name ? verb_find(name) : NULL;

	if (name && !v) {
		near = verb_suggest(name);
		ctl_tell(c, "there is no verb \"%s\"%s%s%s", name, near ? ": did you mean " : "", near ? near : "",
		    near ? "?" : "");
		return CTL_USAGE;
	}
	help_print(c, v);
	return CTL_OK;
}
