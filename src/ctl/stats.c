/* `haulctl stats` and `haulctl debug`. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "ctl/brief.h"
#include "ctl/ctl.h"
#include "ctl/table.h"
#include "term/figures.h"

/* ---- The text format of Prometheus, version 0.0.4 ------------------------------------ */

/* quotes: also within a label's value. */
static void
put_escaped(struct buf *out, const char *text, bool quotes)
{
	for (; *text; text++) {
		if (*text == '\\')
			buf_append_str(out, "\\\\");
		else if (*text == '\n')
			buf_append_str(out, "\\n");
		else if (*text == '"' && quotes)
			buf_append_str(out, "\\\"");
		else
			buf_append(out, text, 1);
	}
}

static void
put_number(struct buf *out, const json_t *v)
{
	if (json_is_integer(v))
		buf_printf(out, "%lld", (long long)json_integer_value(v));
	else
		buf_printf(out, "%.15g", json_number_value(v));
}

/* name{a="b",le="0.1"} */
static void
put_series(struct buf *out, const char *name, const char *suffix, const json_t *labels, const char *le)
{
	const char *key, *before = "{";
	json_t *value;

	buf_printf(out, "%s%s", name, suffix);
	json_object_foreach((json_t *)(uintptr_t)labels, key, value) {
		buf_printf(out, "%s%s=\"", before, key);
		put_escaped(out, json_string_value(value) ? json_string_value(value) : "", true);
		buf_append_str(out, "\"");
		before = ",";
	}
	if (le) {
		buf_printf(out, "%sle=\"%s\"", before, le);
		before = ",";
	}
	buf_append_str(out, *before == ',' ? "} " : " ");
}

static void
put_histogram(struct buf *out, const char *name, const json_t *sample)
{
	const json_t *labels = json_object_get(sample, "labels"), *bucket;
	char le[32];
	size_t i;

	json_array_foreach(json_object_get(sample, "buckets"), i, bucket) {
		(void)snprintf(le, sizeof le, "%.15g", json_number_value(json_array_get(bucket, 0)));
		put_series(out, name, "_bucket", labels, le);
		put_number(out, json_array_get(bucket, 1));
		buf_append_str(out, "\n");
	}
	put_series(out, name, "_bucket", labels, "+Inf");
	put_number(out, json_object_get(sample, "count"));
	buf_append_str(out, "\n");
	put_series(out, name, "_sum", labels, NULL);
	put_number(out, json_object_get(sample, "sum"));
	buf_append_str(out, "\n");
	put_series(out, name, "_count", labels, NULL);
	put_number(out, json_object_get(sample, "count"));
	buf_append_str(out, "\n");
}

static void
put_prometheus(struct buf *out, const json_t *family)
{
	const char *name = member_text(family, "name"), *type = member_text(family, "type");
	const json_t *sample;
	size_t i;

	buf_printf(out, "# HELP %s ", name);
	put_escaped(out, member_text(family, "help"), false);
	buf_printf(out, "\n# TYPE %s %s\n", name, type);
	json_array_foreach(json_object_get(family, "samples"), i, sample) {
		if (json_object_get(sample, "buckets")) {
			put_histogram(out, name, sample);
			continue;
		}
		put_series(out, name, "", json_object_get(sample, "labels"), NULL);
		put_number(out, json_object_get(sample, "value"));
		buf_append_str(out, "\n");
	}
}

/* ---- For people ------------------------------------------------------------------------ */

/* "state=queued, cause=dns" */
static char *
label_text(const json_t *labels)
{
	AUTO_BUF struct buf out = { 0 };
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)labels, key, value)
		buf_printf(&out, "%s%s", buf_len(&out) ? ", " : "", json_string_value(value) ? json_string_value(value) : "");
	return xstrdup(buf_len(&out) ? buf_cstr(&out) : "");
}

static void
put_seconds(struct buf *out, double s)
{
	if (s < 0.001)
		buf_printf(out, "%.0f us", s * 1e6);
	else if (s < 1)
		buf_printf(out, "%.3g ms", s * 1e3);
	else
		buf_printf(out, "%.3g s", s);
}

/* The bound that so many of a hundred lie below: of the bucket, for more is not known. */
static void
put_below(struct buf *out, const json_t *sample, double part)
{
	double count = json_number_value(json_object_get(sample, "count"));
	const json_t *bucket;
	size_t i;

	json_array_foreach(json_object_get(sample, "buckets"), i, bucket)
		if (json_number_value(json_array_get(bucket, 1)) >= part * count) {
			buf_printf(out, ", %g %% at most ", part * 100);
			put_seconds(out, json_number_value(json_array_get(bucket, 0)));
			return;
		}
}

static char *
value_text(const char *name, const json_t *sample)
{
	const json_t *value = json_object_get(sample, "value");
	double v = json_number_value(value), count = json_number_value(json_object_get(sample, "count"));
	AUTO_BUF struct buf out = { 0 };
	char text[FIGURES_SIZE];

	if (json_object_get(sample, "buckets")) {
		buf_printf(&out, "%.0f times", count);
		if (count > 0) {
			buf_append_str(&out, ", mean ");
			put_seconds(&out, json_number_value(json_object_get(sample, "sum")) / count);
			put_below(&out, sample, 0.5);
			put_below(&out, sample, 0.99);
			put_below(&out, sample, 0.9999);
		}
	} else if (strstr(name, "_per_second")) {
		buf_append_str(&out, figures_rate(text, (uint64_t)v));
	} else if (strstr(name, "_bytes")) {
		buf_append_str(&out, format_size(text, sizeof text, (uint64_t)v));
	} else if (has_suffix(name, "_time_seconds")) {
		buf_printf(&out, "%.0f", v);
	} else if (strstr(name, "_seconds")) {
		put_seconds(&out, v);
	} else {
		put_number(&out, value);
	}
	return xstrdup(buf_cstr(&out));
}

static bool
is_histogram(const json_t *family)
{
	return text_equal(member_text(family, "type"), "histogram");
}

static const char *
shown_name(const json_t *family)
{
	const char *name = member_text(family, "name");

	return has_prefix(name, "hauld_") ? name + strlen("hauld_") : name;
}

static void
put_family(struct table *t, const json_t *family)
{
	const json_t *sample;
	size_t i;

	if (is_histogram(family))
		return;
	json_array_foreach(json_object_get(family, "samples"), i, sample) {
		AUTO_FREE char *labels = label_text(json_object_get(sample, "labels"));
		AUTO_FREE char *value = value_text(member_text(family, "name"), sample);

		table_put(t, i ? "" : shown_name(family), TERM_INK_PLAIN);
		table_put(t, labels, TERM_INK_PLAIN);
		table_put(t, value, TERM_INK_PLAIN);
	}
}

/* Below the table, for they say more than a column has room for. */
static void
put_distribution(struct ctl *c, const json_t *family)
{
	const json_t *sample;
	size_t i;

	if (!is_histogram(family))
		return;
	json_array_foreach(json_object_get(family, "samples"), i, sample) {
		AUTO_FREE char *value = value_text(member_text(family, "name"), sample);
		AUTO_FREE char *text = xasprintf("%s: %s", shown_name(family), value), *safe = ctl_safe(c, text);

		ctl_put_wrapped(c, safe, c->term.is_tty ? c->term.columns : SIZE_MAX, 0, 2);
	}
}

int
verb_stats(struct ctl *c)
{
	static const struct table_column columns[] = {
		{ "FIGURE", false, 0, WIDTH_CUT_END },
		{ "OF", false, 10, WIDTH_CUT_MIDDLE },
		{ "VALUE", false, 0, WIDTH_CUT_END },
	};
	AUTO_JSON json_t *result = NULL;
	const json_t *family;
	struct table t;
	size_t i;
	int r = ctl_call(c, "stats", NULL, &result);

	if (r != CTL_OK)
		return r;
	if (c->args.json) {
		ctl_put_json(c, result);
		return CTL_OK;
	}
	table_init(&t, &c->term, columns, ARRAY_SIZE(columns));
	json_array_foreach(json_object_get(result, "families"), i, family) {
		if (c->args.prometheus)
			put_prometheus(&c->out, family);
		else
			put_family(&t, family);
	}
	table_print(&t, &c->out);
	table_done(&t);
	json_array_foreach(json_object_get(result, "families"), i, family)
		if (!c->args.prometheus)
			put_distribution(c, family);
	return CTL_OK;
}

int
verb_debug(struct ctl *c)
{
	const char *word = c->args.n_words ? c->args.words[0] : NULL;
	AUTO_JSON json_t *result = NULL;
	int r;

	if (word && !text_equal(word, "on") && !text_equal(word, "off")) {
		ctl_tell(c, "debug takes on or off, and not \"%s\"", word);
		return CTL_USAGE;
	}
	r = ctl_call(c, "debug", word ? json_pack("{s:b}", "on", text_equal(word, "on")) : NULL, &result);
	if (r != CTL_OK)
		return r;
	if (c->args.json)
		ctl_put_json(c, result);
	else
		buf_printf(&c->out, "debug is %s\n", json_is_true(json_object_get(result, "debug")) ? "on" : "off");
	return CTL_OK;
}
