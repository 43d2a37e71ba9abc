/* `haulctl completions SHELL`: scripts made from the table of verbs. */
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "ctl/ctl.h"

/* Names and ids of jobs, for all three shells; names have no blanks or quotes.
 * Who has a million jobs does not wait for all of them behind a tab. */
static const char list_jobs[] =
    "haulctl list --limit 1000 --json 2>/dev/null | sed -n 'h; s/^{\"id\": *\\([0-9]*\\),.*/\\1/p;"
    " g; s/^[^}]*\"name\": *\"\\([A-Za-z_][A-Za-z0-9._-]*\\)\".*/\\1/p'";

static const char list_groups[] =
    "haulctl group --json 2>/dev/null | grep -o '{\"name\": *\"[^\"]*\"' | sed 's/.*\"\\(.*\\)\"/\\1/'";

enum completed { COMPLETE_NOTHING, COMPLETE_FILE, COMPLETE_JOB, COMPLETE_GROUP, COMPLETE_WORDS, COMPLETE_LIST };

/* What the value of an option may be; words as "a|b", of a list many apart by commas. */
static enum completed
value_of_option(const struct verb_option *o, const char **ret_words)
{
	*ret_words = o->words;
	if (o->words)
		return strchr(o->value, ',') ? COMPLETE_LIST : COMPLETE_WORDS;
	if (o->id == OPTION_GROUP)
		return COMPLETE_GROUP;
	return o->value && (text_equal(o->value, "FILE") || text_equal(o->value, "PATH")) ? COMPLETE_FILE : COMPLETE_NOTHING;
}

static enum completed
value_of_setting(const struct setting *row, const char **ret_words)
{
	*ret_words = row->words;
	if (row->words)
		return COMPLETE_WORDS;
	switch ((int)row->id) {
	case JOB_CACERT:
	case JOB_CERT:
	case JOB_KEY:
	case JOB_KEEP_DOWNLOAD:
		return COMPLETE_FILE;
	case JOB_GROUP:
		return COMPLETE_GROUP;
	case JOB_AFTER:
	case JOB_AFTER_FAILED:
		return COMPLETE_JOB;
	default:
		return COMPLETE_NOTHING;
	}
}

/* "a|b" with another sign between the words. */
static void
put_words(struct buf *out, const char *words, char between)
{
	for (; *words; words++)
		buf_append(out, *words == '|' ? &between : words, 1);
}

/* ---- bash ------------------------------------------------------------------------- */

/* A case of verb:option; of the verb * for all of them. */
static void
bash_value(struct buf *out, const char *verb, const char *name, char letter, enum completed kind, const char *words)
{
	static const char *const calls[] = { [COMPLETE_FILE] = "_haulctl_files", [COMPLETE_JOB] = "_haulctl_words \"$(_haulctl_jobs)\"",
		[COMPLETE_GROUP] = "_haulctl_words \"$(_haulctl_groups)\"", [COMPLETE_WORDS] = "_haulctl_words",
		[COMPLETE_LIST] = "_haulctl_list" };

	if (kind == COMPLETE_NOTHING)
		return;
	buf_printf(out, "\t%s:--%s", verb, name);
	if (letter)
		buf_printf(out, "|%s:-%c", verb, letter);
	buf_printf(out, ") %s", calls[kind]);
	if (kind == COMPLETE_WORDS || kind == COMPLETE_LIST) {
		buf_append_str(out, " '");
		put_words(out, words, ' ');
		buf_append_str(out, "'");
	}
	buf_append_str(out, "; return ;;\n");
}

static void
bash_values_of(struct buf *out, const char *verb, const struct verb_option *o)
{
	const char *words;

	for (; o && o->id != OPTION_NONE; o++) {
		enum completed kind = value_of_option(o, &words);

		bash_value(out, verb, o->name, o->letter, kind, words);
	}
}

static void
bash_options(struct buf *out, const struct verb_option *o)
{
	for (; o && o->id != OPTION_NONE; o++)
		buf_printf(out, " --%s", o->name);
}

static void
bash_verb(struct buf *out, const struct verb *v)
{
	const struct setting *row;

	buf_printf(out, "\t%s) options=\"$options", v->name);
	bash_options(out, v->options);
	for (unsigned i = 0; v->settings && (row = verb_setting(i)); i++)
		if (verb_offers(v, row))
			buf_printf(out, " --%s", verb_setting_name(row));
	buf_append_str(out, "\"");
	if (v->words == WORDS_JOBS)
		buf_append_str(out, " words=$(_haulctl_jobs)");
	else if (v->words == WORDS_GROUPS)
		buf_append_str(out, " words=$(_haulctl_groups)");
	else if (v->words == WORDS_FILES)
		buf_append_str(out, " files=1");
	else if (v->words == WORDS_FORMATS)
		buf_append_str(out, " words='aria2 curl wget sha256sum' files=1");
	else if (v->words == WORDS_VERBS)
		buf_append_str(out, " words=$verbs");
	else if (v->words == WORDS_SHELLS)
		buf_append_str(out, " words='bash zsh fish'");
	else if (v->words == WORDS_EVENTS)
		buf_append_str(out, " words='set clear'");
	else if (v->words == WORDS_SWITCH)
		buf_append_str(out, " words='on off'");
	buf_append_str(out, " ;;\n");
}

static void
print_bash(struct buf *out)
{
	const struct setting *row;
	const char *words;
	size_t n;
	const struct verb *v = verbs_all(&n);

	buf_printf(out, "# bash completion of haulctl(1)\n_haulctl_jobs() {\n\t%s\n}\n_haulctl_groups() {\n\t%s\n}\n", list_jobs,
	    list_groups);
	buf_append_str(out, "_haulctl_files() {\n\tmapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- \"$cur\")\n"
			    "\tcompopt -o filenames 2>/dev/null # quotes blanks in them\n}\n"
			    "_haulctl_words() {\n\tCOMPREPLY=($(compgen -W \"$1\" -- \"$cur\"))\n}\n"
			    "_haulctl_list() { # words apart by commas: the last one\n\tlocal before=''\n"
			    "\tcase $cur in *,*) before=${cur%,*}, ;; esac\n"
			    "\tCOMPREPLY=($(compgen -P \"$before\" -W \"$1\" -- \"${cur##*,}\"))\n}\n");
	buf_append_str(out, "_haulctl() {\n\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
			    "\tlocal verbs='");
	for (size_t i = 0; i < n; i++)
		buf_printf(out, "%s%s", i ? " " : "", v[i].name);
	buf_append_str(out, "' options='");
	bash_options(out, verb_global_options());
	buf_append_str(out, "' words='' files='' verb='' word\n\tCOMPREPLY=()\n"
			    "\tfor word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
			    "\t\tcase \" $verbs \" in *\" $word \"*) verb=$word; break ;; esac\n\tdone\n"
			    "\tcase $verb:$prev in\n");
	bash_values_of(out, "*", verb_global_options());
	for (size_t i = 0; i < n; i++)
		bash_values_of(out, v[i].name, v[i].options);
	for (unsigned i = 0; (row = verb_setting(i)); i++) {
		enum completed kind = value_of_setting(row, &words);

		bash_value(out, "*", verb_setting_name(row), 0, kind, words);
	}
	buf_append_str(out, "\tesac\n\tcase $verb in\n\t'') words=$verbs ;;\n");
	for (size_t i = 0; i < n; i++)
		bash_verb(out, &v[i]);
	buf_append_str(out, "\tesac\n\tcase $cur in\n\t-*) _haulctl_words \"$options\" ;;\n"
			    "\t*) _haulctl_words \"$words\"; [ -z \"$files\" ] || _haulctl_files ;;\n\tesac\n}\n"
			    "complete -F _haulctl haulctl\n");
}

/* ---- zsh ------------------------------------------------------------------------------ */

/* Text inside '...' inside [...] of _arguments. */
static void
zsh_help(struct buf *out, const char *help)
{
	for (; *help; help++) {
		if (*help == '\'')
			buf_append_str(out, "'\\''");
		else if (strchr("[]:\\", *help))
			buf_printf(out, "\\%c", *help);
		else
			buf_append(out, help, 1);
	}
}

static void
zsh_option(struct buf *out, const char *dashed, const char *help, const char *value, enum completed kind, const char *words)
{
	static const char *const calls[] = { [COMPLETE_NOTHING] = "", [COMPLETE_FILE] = "_files", [COMPLETE_JOB] = "_haulctl_jobs",
		[COMPLETE_GROUP] = "_haulctl_groups", [COMPLETE_WORDS] = "(", [COMPLETE_LIST] = "_values -s , word " };

	buf_printf(out, " \\\n\t\t'*%s[", dashed);
	zsh_help(out, help);
	buf_append_str(out, "]");
	if (value)
		buf_printf(out, ":%s:%s", value, calls[kind]);
	if (kind == COMPLETE_WORDS || kind == COMPLETE_LIST) {
		put_words(out, words, ' ');
		buf_append_str(out, kind == COMPLETE_WORDS ? ")" : "");
	}
	buf_append_str(out, "'");
}

static void
zsh_options(struct buf *out, const struct verb_option *o)
{
	const char *words;

	for (; o && o->id != OPTION_NONE; o++) {
		enum completed kind = value_of_option(o, &words);
		AUTO_FREE char *dashed = xasprintf("--%s", o->name);
		char letter[3] = { '-', o->letter, '\0' };

		zsh_option(out, dashed, o->help, o->value ? "value" : NULL, kind, words);
		if (o->letter)
			zsh_option(out, letter, o->help, o->value ? "value" : NULL, kind, words);
	}
}

static void
zsh_verb(struct buf *out, const struct verb *v)
{
	static const char *const rest[] = { [WORDS_NONE] = "", [WORDS_JOBS] = " '*:job:_haulctl_jobs'",
		[WORDS_URLS] = " '*:url:_urls'", [WORDS_FILES] = " '*:file:_files'",
		[WORDS_FORMATS] = " '1:format:(aria2 curl wget sha256sum)' '2:file:_files'", [WORDS_VERBS] = " '1:verb:_haulctl_verbs'",
		[WORDS_SHELLS] = " '1:shell:(bash zsh fish)'", [WORDS_EVENTS] = " '1:what:(set clear)'",
		[WORDS_SWITCH] = " '1:switch:(on off)'", [WORDS_GROUPS] = " '1:group:_haulctl_groups'" };
	const struct setting *row;
	const char *words;

	buf_printf(out, "\t%s)\n\t\t_arguments", v->name);
	zsh_options(out, verb_global_options());
	zsh_options(out, v->options);
	for (unsigned i = 0; v->settings && (row = verb_setting(i)); i++) {
		if (!verb_offers(v, row))
			continue;
		enum completed kind = value_of_setting(row, &words);
		AUTO_FREE char *dashed = xasprintf("--%s", verb_setting_name(row));

		zsh_option(out, dashed, row->help, row->type == TYPE_BOOL ? NULL : "value", kind, words);
	}
	buf_printf(out, "%s ;;\n", rest[v->words]);
}

static void
print_zsh(struct buf *out)
{
	size_t n;
	const struct verb *v = verbs_all(&n);

	buf_append_str(out, "#compdef haulctl\n# zsh completion of haulctl(1)\n_haulctl_verbs() {\n\tlocal -a verbs=(");
	for (size_t i = 0; i < n; i++) {
		buf_printf(out, "\n\t\t'%s:", v[i].name);
		zsh_help(out, v[i].help);
		buf_append_str(out, "'");
	}
	buf_printf(out, ")\n\t_describe verb verbs\n}\n_haulctl_jobs() {\n\tlocal -a jobs=(${(f)\"$(%s)\"})\n"
			"\tcompadd -a jobs\n}\n_haulctl_groups() {\n\tlocal -a groups=(${(f)\"$(%s)\"})\n\tcompadd -a groups\n}\n",
	    list_jobs, list_groups);
	buf_append_str(out, "_haulctl() {\n\tlocal curcontext=$curcontext state line\n\t_arguments -C");
	zsh_options(out, verb_global_options());
	buf_append_str(out, " '1:verb:_haulctl_verbs' '*::argument:->arguments' && return\n\tcase $line[1] in\n");
	for (size_t i = 0; i < n; i++)
		zsh_verb(out, &v[i]);
	/* Autoloaded from site-functions, or sourced. */
	buf_append_str(out, "\tesac\n}\nif [ \"$funcstack[1]\" = _haulctl ]; then _haulctl \"$@\"; else compdef _haulctl haulctl; fi\n");
}

/* ---- fish ------------------------------------------------------------------------------- */

static void
fish_quoted(struct buf *out, const char *text)
{
	buf_append_str(out, "'");
	for (; *text; text++)
		buf_printf(out, "%s%c", *text == '\'' || *text == '\\' ? "\\" : "", *text);
	buf_append_str(out, "'");
}

static void
fish_option(struct buf *out, const char *verb, const char *name, char letter, const char *help, bool value,
    enum completed kind, const char *words)
{
	buf_append_str(out, "complete -c haulctl");
	if (verb)
		buf_printf(out, " -n '__fish_seen_subcommand_from %s'", verb);
	buf_printf(out, " -l %s", name);
	if (letter)
		buf_printf(out, " -s %c", letter);
	if (value)
		buf_append_str(out, kind == COMPLETE_FILE ? " -r -F" : " -x");
	if (kind == COMPLETE_WORDS || kind == COMPLETE_LIST) {
		buf_append_str(out, " -a '");
		put_words(out, words, ' ');
		buf_append_str(out, "'");
	}
	if (kind == COMPLETE_JOB || kind == COMPLETE_GROUP)
		buf_append_str(out, kind == COMPLETE_JOB ? " -a '(__haulctl_jobs)'" : " -a '(__haulctl_groups)'");
	buf_append_str(out, " -d ");
	fish_quoted(out, help);
	buf_append_str(out, "\n");
}

static void
fish_options(struct buf *out, const char *verb, const struct verb_option *o)
{
	const char *words;

	for (; o && o->id != OPTION_NONE; o++) {
		enum completed kind = value_of_option(o, &words);

		fish_option(out, verb, o->name, o->letter, o->help, o->value, kind, words);
	}
}

static void
fish_verb(struct buf *out, const struct verb *v)
{
	static const char *const rest[] = { [WORDS_JOBS] = "(__haulctl_jobs)", [WORDS_SHELLS] = "bash zsh fish",
		[WORDS_VERBS] = "(__haulctl_verbs)", [WORDS_URLS] = NULL, [WORDS_FILES] = "(__fish_complete_path)",
		[WORDS_FORMATS] = "aria2 curl wget sha256sum (__fish_complete_path)", [WORDS_EVENTS] = "set clear",
		[WORDS_SWITCH] = "on off", [WORDS_GROUPS] = "(__haulctl_groups)" };
	const struct setting *row;
	const char *words;

	buf_printf(out, "complete -c haulctl -n __fish_use_subcommand -a %s -d ", v->name);
	fish_quoted(out, v->help);
	buf_append_str(out, "\n");
	fish_options(out, v->name, v->options);
	for (unsigned i = 0; v->settings && (row = verb_setting(i)); i++) {
		if (!verb_offers(v, row))
			continue;
		enum completed kind = value_of_setting(row, &words);

		fish_option(out, v->name, verb_setting_name(row), 0, row->help, row->type != TYPE_BOOL, kind, words);
	}
	if (rest[v->words])
		buf_printf(out, "complete -c haulctl -n '__fish_seen_subcommand_from %s' -a '%s'\n", v->name, rest[v->words]);
}

static void
print_fish(struct buf *out)
{
	size_t n;
	const struct verb *v = verbs_all(&n);

	buf_printf(out, "# fish completion of haulctl(1)\nfunction __haulctl_jobs\n\t%s\nend\nfunction __haulctl_groups\n\t%s\nend\n",
	    list_jobs, list_groups);
	buf_append_str(out, "function __haulctl_verbs\n\tprintf '%s\\n'");
	for (size_t i = 0; i < n; i++)
		buf_printf(out, " %s", v[i].name);
	buf_append_str(out, "\nend\ncomplete -c haulctl -f\n");
	fish_options(out, NULL, verb_global_options());
	for (size_t i = 0; i < n; i++)
		fish_verb(out, &v[i]);
}

int
verb_completions(struct ctl *c)
{
	static const struct {
		const char *name;
		void (*print)(struct buf *out);
	} shells[] = { { "bash", print_bash }, { "zsh", print_zsh }, { "fish", print_fish } };

	for (size_t i = 0; i < ARRAY_SIZE(shells); i++)
		if (text_equal(shells[i].name, c->args.words[0])) {
			shells[i].print(&c->out);
			return CTL_OK;
		}
	ctl_tell(c, "there are completions for bash, zsh and fish, and not for \"%s\"", c->args.words[0]);
	return CTL_USAGE;
}
