/* The command line; see args.h. */
#include "conf/args.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

#ifndef HAULD_CONF_PATH
#define HAULD_CONF_PATH "/etc/hauld/hauld.conf"
#endif

enum {
	OPT_NO_CONFIG = 1000,
	OPT_CONF_DIR,
	OPT_BASE_URL,
	OPT_ROOT,
	OPT_INTAKE,
	OPT_VERSION,
	OPT_DUMP_SETTINGS,
	OPT_SETTING, /* + the setting's id; the last */
};

static const struct option own_options[] = {
	{ "test", no_argument, NULL, 't' },
	{ "config", required_argument, NULL, 'c' },
	{ "no-config", no_argument, NULL, OPT_NO_CONFIG },
	{ "conf-dir", required_argument, NULL, OPT_CONF_DIR },
	{ "input", required_argument, NULL, 'i' },
	{ "base-url", required_argument, NULL, OPT_BASE_URL },
	{ "root", required_argument, NULL, OPT_ROOT },
	{ "intake", no_argument, NULL, OPT_INTAKE },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ "dump-settings", no_argument, NULL, OPT_DUMP_SETTINGS },
};

static bool
is_option(const struct setting *s)
{
	return s->scope == SCOPE_DAEMON || s->scope == SCOPE_JOB;
}

/* Own options, then the settings', then the end; owned by the caller. */
static struct option *
make_options(void)
{
	unsigned n, at = ARRAY_SIZE(own_options);
	const struct setting *all = settings_all(&n);
	struct option *o = xcalloc(at + n + 1, sizeof *o);

	memcpy(o, own_options, sizeof own_options);
	for (unsigned i = 0; i < n; i++)
		if (is_option(&all[i]))
			o[at++] = (struct option){
				.name = all[i].name,
				.has_arg = all[i].type == TYPE_BOOL ? optional_argument
								    : required_argument,
				.val = OPT_SETTING + (int)all[i].id,
			};
	return o;
}

static void
add_url(struct conf_args *a, const char *url)
{
	a->urls = xrealloc(a->urls, (a->n_urls + 1) * sizeof *a->urls);
	a->urls[a->n_urls++] = url;
}

static void
add_value(struct conf_args *a, enum setting_id id, const char *text)
{
	if (id == JOB_URL) {
		add_url(a, text);
		return;
	}
	a->values = xrealloc(a->values, (a->n_values + 1) * sizeof *a->values);
	a->values[a->n_values++] = (struct args_value){ setting_find(id), text ? text : "true" };
}

/* A word of the command line without its value, which may be a secret. */
static char *
unknown_option(const char *word)
{
	AUTO_FREE char *name = xstrndup(word, strcspn(word, "="));
	const char *bare = name + strspn(name, "-"), *near;
	char safe[80];

	if (text_equal(bare, "insecure") || text_equal(name, "-k") ||
	    text_equal(bare, "no-check-certificate") || text_equal(bare, "check-certificate"))
		return xasprintf(
		    "%s is refused: there is no switch that turns certificate checks off; "
		    "give --cacert FILE or --pinnedpubkey",
		    name);
	(void)str_safe(safe, sizeof safe, name, strlen(name));
	if (setting_is_later(SCOPE_JOB, bare) || setting_is_later(SCOPE_DAEMON, bare))
		return xasprintf("%s is not in this version of haul", safe);
	near = setting_suggest(SCOPE_JOB, bare);
	if (!near)
		near = setting_suggest(SCOPE_DAEMON, bare);
	if (near && has_prefix(name, "--"))
		return xasprintf("unknown option %s: did you mean --%s?", safe, near);
	return xasprintf("unknown option %s (--help lists them)", safe);
}

static char *
take_option(struct conf_args *a, int opt)
{
	switch (opt) {
	case 't':
		a->test = true;
		break;
	case 'c':
		a->config = optarg;
		break;
	case OPT_NO_CONFIG:
		a->no_config = true;
		break;
	case OPT_CONF_DIR:
		a->conf_dir = optarg;
		break;
	case 'i':
		if (a->input)
			return xstrdup("-i can be given once");
		a->input = optarg;
		break;
	case 'o':
		add_value(a, JOB_OUTPUT, optarg);
		break;
	case OPT_BASE_URL:
		a->base_url = optarg;
		break;
	case OPT_ROOT:
		a->root = optarg;
		break;
	case OPT_INTAKE:
		a->action = ARGS_INTAKE;
		break;
	case 'h':
		a->action = ARGS_HELP;
		break;
	case OPT_VERSION:
		a->action = ARGS_VERSION;
		break;
	case OPT_DUMP_SETTINGS:
		a->action = ARGS_DUMP_SETTINGS;
		break;
	default:
		add_value(a, (enum setting_id)(opt - OPT_SETTING), optarg);
		break;
	}
	return NULL;
}

/* What must hold between options; NULL: it does. */
static char *
refuse_together(const struct conf_args *a)
{
	if (a->config && a->no_config)
		return xstrdup("-c and --no-config contradict each other");
	if (a->base_url && !a->input)
		return xstrdup("--base-url is for the names of a checksum list: give -i too");
	for (size_t i = 0; i < a->n_values; i++) {
		const struct setting *row = a->values[i].row;

		if (row->scope != SCOPE_JOB)
			continue;
		if (a->n_urls == 0 && !a->input)
			return xasprintf(
			    "--%s is for urls of the command line or of -i, and there are none",
			    row->name);
		if ((row->flags & SETTING_OWN) && (a->n_urls != 1 || a->input))
			return xasprintf(
			    "--%s is about one job: give it with exactly one url", row->name);
	}
	return NULL;
}

/* getopt takes "--max-conn" for its one long form: but that may change its
 * meaning with the next version, so only whole names count. */
static bool
is_whole_name(const char *word, const char *name)
{
	return !has_prefix(word, "--") || text_equal_nocase(word + 2, strcspn(word + 2, "="), name);
}

static char *
parse_words(struct conf_args *a, int argc, char **argv, const struct option *options)
{
	char *why = NULL;

	opterr = 0;
	optind = 0; /* glibc: start afresh, also in tests */
	while (!why) {
		const char *word = argv[MIN(MAX(optind, 1), argc - 1)];
		int place = 0;
		int opt = getopt_long(argc, argv, "-:tc:i:o:h", options, &place);

		if (opt == -1)
			break;
		if (opt == 1)
			add_url(a, optarg);
		else if (opt == ':')
			why = xasprintf("%s needs a value", word);
		else if (opt == '?' && has_prefix(word, "--") && optopt)
			why = xasprintf("%.*s takes no value", (int)strcspn(word, "="), word);
		else if (opt == '?' || !is_whole_name(word, options[place].name))
			why = unknown_option(word);
		else
			why = take_option(a, opt);
	}
	for (; !why && optind < argc; optind++)
		add_url(a, argv[optind]);
	return why;
}

int
args_parse(int argc, char **argv, struct conf_args *ret, char **ret_why)
{
	AUTO_FREE struct option *options = make_options();
	char *why;

	*ret = (struct conf_args){ .action = ARGS_RUN };
	why = parse_words(ret, argc, argv, options);
	if (!why && ret->action == ARGS_RUN)
		why = refuse_together(ret);
	if (!why && ret->action == ARGS_INTAKE && argc != 2)
		why = xstrdup("--intake takes no other argument");
	if (why) {
		*ret_why = why;
		return -EINVAL;
	}
	if (!ret->config && !ret->no_config)
		ret->config = HAULD_CONF_PATH;
	if (ret->config && !ret->conf_dir && text_equal(ret->config, HAULD_CONF_PATH))
		ret->conf_dir = ""; /* beside it, if it is there */
	return 0;
}

void
args_done(struct conf_args *a)
{
	free(a->urls);
	free(a->values);
	*a = (struct conf_args){ 0 };
}

void
args_print_help(void)
{
	(void)fputs(
	    "usage: hauld-conf -t [-c FILE | --no-config] [-i FILE|-] [--KEY VALUE ...] [URL ...]\n"
	    "\n"
	    "Checks the configuration of hauld (hauld.conf(5)) and says what is wrong with it.\n"
	    "Without -t it writes binary frames, which only hauld reads.\n"
	    "\n"
	    "  -t               check, tell every error, exit 0 or 78\n"
	    "  -c FILE          the configuration, " HAULD_CONF_PATH " by default\n"
	    "  --no-config      none\n"
	    "  --conf-dir DIR   read DIR/*.conf too; by default only conf.d beside the default file\n"
	    "  -i FILE|-        a list of downloads: aria2's input format, or checksums\n"
	    "  --base-url URL   where the names of a list of checksums lie\n"
	    "  --root DIR       the root for destinations when the configuration gives none\n"
	    "  --KEY VALUE      any key of daemon, or of the jobs given by URL and -i\n"
	    "  -o FILE          the same as --output FILE\n"
	    "  --intake         checks jobs of clients: frames in, frames out, for hauld only\n"
	    "  --help, --version\n",
	    stdout);
}
