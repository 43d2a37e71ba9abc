/* Sections of a configuration tree; see sections.h. */
#include "conf/sections.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

static const struct {
	const char *name;
	bool list;
} sections[] = {
	{ "daemon", false },
	{ "defaults", false },
	{ "hosts", true },
	{ "groups", true },
	{ "jobs", true },
};

static void
tell_section(struct check *c, struct where at, const char *name)
{
	const char *near = NULL;
	unsigned least = 3;

	for (size_t i = 0; i < ARRAY_SIZE(sections); i++)
		if (str_is_nearer(name, sections[i].name, &least))
			near = sections[i].name;
	if (near)
		emit_error(c->emit, at, "", "unknown section \"%s\": did you mean \"%s\"?",
		    quote(name), near);
	else
		emit_error(c->emit, at, "",
		    "unknown section \"%s\": there are daemon, defaults, hosts, groups and jobs",
		    quote(name));
}

void
sections_check(struct check *c, const struct tree *t)
{
	const config_setting_t *root = config_root_setting(&t->config), *s;

	for (unsigned i = 0; (s = config_setting_get_elem(root, i)); i++) {
		const char *name = config_setting_name(s);
		size_t k = 0;

		while (k < ARRAY_SIZE(sections) && !text_equal(sections[k].name, name))
			k++;
		if (k == ARRAY_SIZE(sections))
			tell_section(c, tree_place(t, s), name);
		else if (sections[k].list && !config_setting_is_list(s))
			emit_error(c->emit, tree_place(t, s), "",
			    "%s must be a list of groups: ( { ... }, { ... } )", name);
		else if (!sections[k].list && !config_setting_is_group(s))
			emit_error(
			    c->emit, tree_place(t, s), "", "%s must be a group: { ... }", name);
	}
}

/* The section when it is there and of its kind. */
static const config_setting_t *
find_section(const struct tree *t, const char *name, int type)
{
	const config_setting_t *s =
	    config_setting_get_member(config_root_setting(&t->config), name);

	return s && config_setting_type(s) == type ? s : NULL;
}

static struct check_value
value_of(const config_setting_t *s)
{
	switch (config_setting_type(s)) {
	case CONFIG_TYPE_STRING:
		return (struct check_value){ .kind = CONF_KIND_TEXT,
			.text = config_setting_get_string(s) };
	case CONFIG_TYPE_BOOL:
		return (struct check_value){ .kind = CONF_KIND_BOOL,
			.number = config_setting_get_bool(s) ? 1 : 0 };
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64:
		return (struct check_value){ .kind = CONF_KIND_NUMBER,
			.number = config_setting_get_int64(s) };
	case CONFIG_TYPE_FLOAT:
		return (struct check_value){ .kind = CONF_KIND_FRACTION };
	case CONFIG_TYPE_LIST:
	case CONFIG_TYPE_ARRAY:
		return (struct check_value){ .kind = CONF_KIND_LIST };
	default:
		return (struct check_value){ .kind = CONF_KIND_OTHER };
	}
}

static void
put_setting(struct check *c, struct draft *d, const struct setting *row, const struct tree *t,
    const config_setting_t *s)
{
	struct check_value value = value_of(s);
	const config_setting_t *entry;

	if (value.kind != CONF_KIND_LIST) {
		check_value(c, d, row, tree_place(t, s), &value);
		return;
	}
	if (!check_list(c, d, row, tree_place(t, s), config_setting_length(s) == 0))
		return;
	for (unsigned i = 0; (entry = config_setting_get_elem(s, i)); i++) {
		value = value_of(entry);
		check_entry(c, d, row, tree_place(t, entry), &value);
	}
}

/* One group of keys; what is in the draft already gives way. */
static void
read_keys(struct check *c, struct draft *d, const struct tree *t, const config_setting_t *group,
    bool defaults)
{
	const config_setting_t *s;

	for (unsigned i = 0; (s = config_setting_get_elem(group, i)); i++) {
		const struct setting *row =
		    check_key(c, d, tree_place(t, s), config_setting_name(s), defaults);

		if (!row)
			continue;
		draft_drop(d, row->id);
		if (!tree_is_flagged(t, s))
			put_setting(c, d, row, t, s);
	}
}

void
sections_read_daemon(struct check *c, const struct tree *t, struct draft *d)
{
	const config_setting_t *s = find_section(t, "daemon", CONFIG_TYPE_GROUP);

	if (s)
		read_keys(c, d, t, s, false);
}

void
sections_read_defaults(struct check *c, const struct tree *t, struct draft *d)
{
	const config_setting_t *s = find_section(t, "defaults", CONFIG_TYPE_GROUP);

	if (s)
		read_keys(c, d, t, s, true);
}

/* Begins the draft of the i-th entry of a list section; false and told when
 * it is no group. */
static bool
begin_entry(struct check *c, struct draft *d, enum setting_scope scope, const struct tree *t,
    const config_setting_t *s, unsigned i)
{
	const char *section = setting_scope_to_string(scope), *name = NULL;
	char label[160];

	if (!config_setting_is_group(s)) {
		emit_error(c->emit, tree_place(t, s), "",
		    "%s[%u] is no group: { key = value; ... }", section, i);
		return false;
	}
	(void)config_setting_lookup_string(s, scope == SCOPE_HOST ? "match" : "name", &name);
	if (name)
		(void)snprintf(label, sizeof label, "%s[%u] \"%.120s\"", section, i, name);
	else
		(void)snprintf(label, sizeof label, "%s[%u]", section, i);
	draft_begin(d, scope, tree_place(t, s), label);
	return true;
}

void
sections_read_groups(struct check *c, const struct tree *t, struct buf *ret)
{
	const config_setting_t *list = find_section(t, "groups", CONFIG_TYPE_LIST), *s;
	struct draft d = { 0 };

	for (unsigned i = 0; list && (s = config_setting_get_elem(list, i)); i++) {
		AUTO_BUF struct buf spec = { 0 };
		const struct draft_item *name;

		if (!begin_entry(c, &d, SCOPE_GROUP, t, s, i))
			continue;
		read_keys(c, &d, t, s, false);
		name = draft_find(&d, GROUP_NAME);
		if (!name) {
			if (!d.tried[GROUP_NAME])
				emit_error(c->emit, d.at, d.label, "a group needs a name");
			continue;
		}
		groups_add(&c->groups, c->emit, &d);
		draft_pack(&d, &spec);
		conf_put_spec(ret, 0, CONF_GROUP, &spec);
	}
	draft_done(&d);
}

void
sections_read_hosts(struct check *c, const struct tree *t)
{
	const config_setting_t *list = find_section(t, "hosts", CONFIG_TYPE_LIST), *s;
	struct draft d = { 0 };

	for (unsigned i = 0; list && (s = config_setting_get_elem(list, i)); i++) {
		AUTO_BUF struct buf spec = { 0 };

		if (!begin_entry(c, &d, SCOPE_HOST, t, s, i))
			continue;
		read_keys(c, &d, t, s, false);
		if (!d.tried[HOST_MATCH])
			emit_error(c->emit, d.at, d.label, "a hosts entry needs match");
		draft_pack(&d, &spec);
		emit_spec(c->emit, CONF_HOST, &spec);
	}
	draft_done(&d);
}

void
sections_read_jobs(struct check *c, const struct tree *t, struct jobs *j)
{
	const config_setting_t *list = find_section(t, "jobs", CONFIG_TYPE_LIST), *s;
	struct draft d = { 0 };

	for (unsigned i = 0; list && (s = config_setting_get_elem(list, i)) && !jobs_full(j); i++) {
		if (!begin_entry(c, &d, SCOPE_JOB, t, s, i))
			continue;
		read_keys(c, &d, t, s, false);
		jobs_submit(j, &d);
	}
	draft_done(&d);
}
