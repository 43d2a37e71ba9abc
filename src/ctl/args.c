/* The command line; see args.h. */
#include "ctl/args.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

/* What an option of the command line is: one of haulctl or a setting. */
struct found {
	const struct verb_option *option;
	const struct setting *row;
};

static const struct verb_option *
find_in(const struct verb_option *options, char letter, const char *name)
{
	for (; options && options->id != OPTION_NONE; options++)
		if (letter ? options->letter == letter : text_equal(options->name, name))
			return options;
	return NULL;
}

static bool
find(const struct verb *v, char letter, const char *name, struct found *ret)
{
	const struct setting *row;

	*ret = (struct found){ .option = find_in(verb_global_options(), letter, name) };
	if (!ret->option && v)
		ret->option = find_in(v->options, letter, name);
	for (unsigned i = 0; !ret->option && !letter && v && v->settings && (row = verb_setting(i)); i++)
		if (text_equal(verb_setting_name(row), name))
			ret->row = row;
	return ret->option || ret->row;
}

static void
nearer(const char *name, const char *candidate, const char **best, unsigned *least)
{
	unsigned d = strlen(name) >= 3 && has_prefix(candidate, name) ? 0 : str_distance(name, candidate);

	if (d < *least) {
		*least = d;
		*best = candidate;
	}
}

static const char *
suggest(const struct verb *v, const char *name)
{
	const struct verb_option *lists[] = { verb_global_options(), v ? v->options : NULL };
	unsigned least = (unsigned)strlen(name) / 3 + 2;
	const struct setting *row;
	const char *best = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		for (const struct verb_option *o = lists[i]; o && o->id != OPTION_NONE; o++)
			nearer(name, o->name, &best, &least);
	for (unsigned i = 0; v && v->settings && (row = verb_setting(i)); i++)
		nearer(name, verb_setting_name(row), &best, &least);
	return best;
}

static char *
unknown_option(const struct verb *v, const char *word)
{
	AUTO_FREE char *name = xstrndup(word, strcspn(word, "=")); /* the value may be a secret */
	const char *bare = name + strspn(name, "-"), *near = suggest(v, bare);

	if (text_equal(bare, "insecure") || text_equal(name, "-k") || text_equal(bare, "check-certificate") ||
	    text_equal(bare, "no-check-certificate"))
		return xasprintf("%s is refused: there is no switch that turns certificate checks off; "
				 "give --cacert FILE or --pinnedpubkey", name);
	if (!v)
		return xasprintf("unknown option %s before the verb%s%s%s", name, near ? ": did you mean --" : "",
		    near ? near : "", near ? "?" : "; options of a verb stand behind it");
	if (text_equal(v->name, "set") && setting_by_name(SCOPE_JOB, bare))
		return xasprintf("%s cannot be set any more: cancel the job and add another; `haulctl help set` lists what can be set", name);
	if (v->settings && text_equal(bare, "url"))
		return xasprintf("%s is no option of %s: give urls without it; mirrors of one file go into a list (-i), in one line, apart by TABs",
		    name, v->name);
	if (v->settings && setting_is_later(SCOPE_JOB, bare))
		return xasprintf("%s is not in this version of haul", name);
	if (near && has_prefix(name, "--"))
		return xasprintf("unknown option %s of %s: did you mean --%s?", name, v->name, near);
	return xasprintf("unknown option %s of %s: `haulctl help %s` lists them", name, v->name, v->name);
}

static char *
take_duration(const struct verb_option *o, const char *text, uint64_t *ret)
{
	if (parse_duration(text, ret) == 0 && *ret > 0)
		return NULL;
	return xasprintf("--%s \"%s\" must be a duration, such as \"30s\" or \"6h\"", o->name, text);
}

static char *
take_count(const struct verb_option *o, const char *text, uint64_t *ret)
{
	if (parse_u64(text, ret) == 0 && *ret > 0)
		return NULL;
	return xasprintf("--%s \"%s\" must be a number from 1", o->name, text);
}

bool
args_is_word(const char *words, const char *text, size_t n)
{
	for (const char *w = words;; w++) {
		size_t len = strcspn(w, "|");

		if (len == n && memcmp(w, text, n) == 0)
			return true;
		w += len;
		if (!*w)
			return false;
	}
}

/* The one of words that text may be meant for: its beginning, or a slip; an
 * empty string when there is none. */
static char *
near_word(const char *words, const char *text)
{
	unsigned least = (unsigned)strlen(text) / 3 + 1;
	char *best = xstrdup("");

	for (const char *w = words; *w; w += *w == '|') {
		size_t n = strcspn(w, "|");
		AUTO_FREE char *word = xstrndup(w, n);
		unsigned d = *text && has_prefix(word, text) ? 0 : str_distance(text, word);

		if (d < least) {
			least = d;
			free(best);
			best = xstrdup(word);
		}
		w += n;
	}
	return best;
}

/* Words apart by commas, each one of those the option can have. */
static char *
refuse_words(const struct verb_option *o, const char *text)
{
	bool many = strchr(o->value, ',');

	for (const char *at = text;; at++) {
		size_t n = many ? strcspn(at, ",") : strlen(at);

		if (!args_is_word(o->words, at, n)) {
			AUTO_FREE char *word = xstrndup(at, n), *near = near_word(o->words, word);

			return xasprintf("--%s \"%s\" must be one of %s%s%s%s", o->name, word, o->words,
			    *near ? ": did you mean " : "", near, *near ? "?" : "");
		}
		at += n;
		if (!*at)
			return NULL;
	}
}

static void
add_value(struct args *a, const struct setting *row, const char *text)
{
	a->values = xrealloc(a->values, (a->n_values + 1) * sizeof a->values[0]);
	a->values[a->n_values++] = (struct args_value){ row, text };
}

/* What an option without a value sets; NULL: it has one. */
static bool *
flag_of(struct args *a, enum option_id id)
{
	switch ((int)id) {
	case OPTION_JSON:
		return &a->json;
	case OPTION_NO_PROGRESS:
		return &a->no_progress;
	case OPTION_HELP:
		return &a->help;
	case OPTION_VERSION:
		return &a->version;
	case OPTION_UNVERIFIED:
		return &a->unverified;
	case OPTION_ALL:
		return &a->all;
	case OPTION_RETURN_EXCEPTIONS:
		return &a->return_exceptions;
	case OPTION_CANCEL:
		return &a->cancel;
	case OPTION_REMOVE:
		return &a->remove;
	case OPTION_FOLLOW:
		return &a->follow;
	case OPTION_BLOCK:
		return &a->block;
	default:
		return NULL;
	}
}

static char *
take_option(struct args *a, const struct verb_option *o, const char *text)
{
	char *why = o->words ? refuse_words(o, text) : NULL;
	bool *flag = flag_of(a, o->id);

	if (flag) {
		*flag = true;
		return NULL;
	}
	switch (o->id) {
	case OPTION_SOCKET:
		a->socket = text;
		break;
	case OPTION_TIMEOUT:
		a->has_timeout = true;
		return take_duration(o, text, &a->timeout_ms);
	case OPTION_DRY_RUN:
		a->dry_run = true;
		break;
	case OPTION_FORMAT:
		a->format = text;
		break;
	case OPTION_CHECKSUM:
		a->checksums = xrealloc(a->checksums, (a->n_checksums + 1) * sizeof a->checksums[0]);
		a->checksums[a->n_checksums++] = text;
		break;
	case OPTION_FOR:
		a->wanted = text;
		break;
	case OPTION_RETURN_WHEN:
		a->return_when = text;
		break;
	case OPTION_MAX_CONCURRENT:
		return take_count(o, text, &a->max_concurrent);
	case OPTION_INTERVAL:
		a->has_interval = true;
		return take_duration(o, text, &a->interval_ms);
	case OPTION_COUNT:
		return take_count(o, text, &a->count);
	case OPTION_OUTPUT:
		add_value(a, setting_find(JOB_OUTPUT), text);
		break;
	case OPTION_INPUT_FILE:
		if (a->input)
			return xasprintf("--%s can be given once", o->name);
		a->input = text;
		break;
	case OPTION_BASE_URL:
		a->base_url = text;
		break;
	case OPTION_KEY:
		a->key = text;
		break;
	case OPTION_STATE:
		a->state = text;
		break;
	case OPTION_SORT:
		a->sort = text;
		break;
	case OPTION_PROMETHEUS:
		a->prometheus = true;
		break;
	case OPTION_HOST:
		a->host = text;
		break;
	case OPTION_TOTAL:
		a->total = true;
		break;
	case OPTION_SET_URL:
		add_value(a, setting_find(JOB_URL), text);
		break;
	case OPTION_RESET:
		a->reset = true;
		break;
	case OPTION_WHAT:
		a->what = text;
		break;
	case OPTION_LEVEL:
		a->level = text;
		break;
	case OPTION_LIMIT:
		return take_count(o, text, &a->limit);
	case OPTION_SINCE:
	case OPTION_UNTIL:
	case OPTION_GROUP:
	case OPTION_NAME:
	case OPTION_LIST_OUTPUT:
	case OPTION_URL:
		a->filters[o->id - OPTION_SINCE] = text;
		break;
	default: /* the flags */
		break;
	}
	return why;
}

/* "--name", "--name=value", "--name value", "-o value", "-ovalue"; *at is its
 * place in argv and moves on over a value. */
static char *
take_dashed(struct args *a, int argc, char **argv, int *at)
{
	const char *word = argv[*at];
	bool is_long = has_prefix(word, "--");
	const char *value = is_long ? strchr(word, '=') : word[2] ? word + 2 : NULL;
	AUTO_FREE char *name = is_long ? xstrndup(word + 2, strcspn(word + 2, "=")) : xstrndup(word + 1, 1);
	struct found f;
	bool needs;

	if (!find(a->verb, is_long ? 0 : word[1], name, &f))
		return unknown_option(a->verb, word);
	if (is_long && value)
		value++;
	needs = f.row ? f.row->type != TYPE_BOOL : f.option->value != NULL;
	if (needs && !value) {
		if (*at + 1 >= argc)
			return xasprintf("%s needs a value", word);
		value = argv[++*at];
	} else if (!needs && value && !f.row) {
		return xasprintf("%s%s takes no value", is_long ? "--" : "-", name);
	}
	if (f.option)
		return take_option(a, f.option, value);
	add_value(a, f.row, value ? value : "true");
	return NULL;
}

static char *
take_verb(struct args *a, const char *word)
{
	const char *near;

	a->verb = verb_find(word);
	if (a->verb)
		return NULL;
	near = verb_suggest(word);
	return near ? xasprintf("there is no verb \"%s\": did you mean %s?", word, near)
		    : xasprintf("there is no verb \"%s\": `haulctl help` lists them", word);
}

/* What must hold between the words; NULL: it does. */
static char *
refuse_together(const struct args *a)
{
	const struct verb *v = a->verb;

	if (!v || a->help || a->version)
		return NULL;
	if (a->n_words < v->least)
		return xasprintf("%s needs %s: haulctl %s %s", v->name,
		    v->words == WORDS_JOBS ? "a job" : "one more word", v->name, v->arguments);
	if (v->words == WORDS_NONE && a->n_words)
		return xasprintf("%s takes no arguments, and there is \"%s\"%s", v->name, a->words[0],
		    text_equal(v->name, "list") ? ": `haulctl status JOB...` is the table of some jobs" : "");
	if (v->most && a->n_words > v->most)
		return xasprintf("%s takes %s, and there is also \"%s\"", v->name,
		    v->most == 1 ? "one argument" : "two arguments at most", a->words[v->most]);
	return NULL;
}

int
args_parse(struct args *a, int argc, char **argv, char **ret_why)
{
	char *why = NULL;
	bool only_words = false;

	*a = (struct args){ 0 };
	a->words = xcalloc((size_t)argc + 1, sizeof a->words[0]);
	for (int i = 1; i < argc && !why; i++) {
		char *word = argv[i];

		if (!only_words && text_equal(word, "--"))
			only_words = true;
		else if (!only_words && word[0] == '-' && word[1])
			why = take_dashed(a, argc, argv, &i);
		else if (!a->verb)
			why = take_verb(a, word);
		else
			a->words[a->n_words++] = word;
	}
	if (!why)
		why = refuse_together(a);
	if (!why)
		return 0;
	*ret_why = why;
	return -EINVAL;
}

void
args_done(struct args *a)
{
	free(a->values);
	free(a->checksums);
	free(a->words);
	*a = (struct args){ 0 };
}
