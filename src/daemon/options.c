/* The command line of hauld; see options.h. */
#include "daemon/options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "model/settings.h"

enum {
	OPT_ONCE = 256,
	OPT_JSON,
	OPT_NO_PROGRESS,
	OPT_DEBUG,
	OPT_WORKER_PATH,
	OPT_CONF_PATH,
	OPT_STORE_PATH,
	OPT_SPAWN_PATH,
	OPT_SLICE_TIMEOUT,
	OPT_ROOT,
	OPT_BASE_URL,
	OPT_INSECURE,
	OPT_USER_INSTANCE,
	OPT_SETTING, /* and up: OPT_SETTING + place in the settings table */
};

#ifndef HAULD_CONF_PATH
#define HAULD_CONF_PATH "/etc/hauld/hauld.conf"
#endif

enum { SLICE_TIMEOUT_MS = 30 * 1000 };

static const struct option own[] = {
	{ "once", no_argument, NULL, OPT_ONCE },
	{ "user-instance", no_argument, NULL, OPT_USER_INSTANCE },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "no-progress", no_argument, NULL, OPT_NO_PROGRESS },
	{ "debug", no_argument, NULL, OPT_DEBUG },
	{ "test", no_argument, NULL, 't' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ "config", required_argument, NULL, 'c' },
	{ "input-file", required_argument, NULL, 'i' },
	{ "base-url", required_argument, NULL, OPT_BASE_URL },
	{ "root", required_argument, NULL, OPT_ROOT },
	{ "insecure", no_argument, NULL, OPT_INSECURE },
	{ "worker-path", required_argument, NULL, OPT_WORKER_PATH },
	{ "conf-path", required_argument, NULL, OPT_CONF_PATH },
	{ "store-path", required_argument, NULL, OPT_STORE_PATH },
	{ "spawn-path", required_argument, NULL, OPT_SPAWN_PATH },
	{ "slice-timeout", required_argument, NULL, OPT_SLICE_TIMEOUT },
};

static void
add_arg(struct options *o, char *arg)
{
	o->conf_argv = xrealloc(o->conf_argv, (o->conf_argc + 2) * sizeof(char *));
	o->conf_argv[o->conf_argc++] = arg;
	o->conf_argv[o->conf_argc] = NULL;
}

/* hauld's own options, and every setting of the daemon and of jobs. */
static struct option *
all_options(void)
{
	unsigned n_settings, n = ARRAY_SIZE(own);
	const struct setting *s = settings_all(&n_settings);
	struct option *all = xcalloc(n + n_settings + 1, sizeof *all);

	memcpy(all, own, sizeof own);
	for (unsigned i = 0; i < n_settings; i++)
		if (s[i].scope == SCOPE_DAEMON || s[i].scope == SCOPE_JOB)
			all[n++] = (struct option){ s[i].name, s[i].type == TYPE_BOOL ? optional_argument : required_argument,
				NULL, OPT_SETTING + (int)i };
	return all;
}

/* Beside hauld itself, else where it is installed. */
static char *
find_helper(const char *name)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	char *slash;

	if (n > 0) {
		self[n] = '\0';
		slash = strrchr(self, '/');
		if (slash) {
			AUTO_FREE char *beside = xasprintf("%.*s/%s", (int)(slash - self), self, name);

			if (access(beside, X_OK) == 0)
				return TAKE_PTR(beside);
		}
	}
	return xasprintf("%s/%s", HAULD_LIBEXECDIR, name);
}

static void
replace(char **what, const char *with)
{
	free(*what);
	*what = xstrdup(with);
}

static int
handle_own(struct options *o, int c, const char *arg)
{
	switch (c) {
	case OPT_ONCE:
		o->mode = MODE_ONCE;
		break;
	case OPT_USER_INSTANCE:
		o->user = true;
		break;
	case OPT_JSON:
		o->json = true;
		break;
	case OPT_NO_PROGRESS:
		o->no_progress = true;
		break;
	case OPT_DEBUG:
		o->debug = true;
		break;
	case 't':
		o->mode = MODE_TEST;
		break;
	case 'h':
		o->mode = MODE_HELP;
		break;
	case 'V':
		o->mode = MODE_VERSION;
		break;
	case OPT_WORKER_PATH:
		replace(&o->worker_path, arg);
		break;
	case OPT_CONF_PATH:
		replace(&o->conf_path, arg);
		break;
	case OPT_STORE_PATH:
		replace(&o->store_path, arg);
		break;
	case OPT_SPAWN_PATH:
		replace(&o->spawn_path, arg);
		break;
	case OPT_INSECURE:
	case 'k':
		(void)fprintf(stderr, "hauld: --insecure is refused: without the certificate's check anyone could have sent "
		    "the file; give --cacert FILE or --pinnedpubkey; see `hauld --help`\n");
		return -EINVAL;
	case OPT_SLICE_TIMEOUT:
		if (parse_duration(arg, &o->slice_timeout_ms) < 0 || !o->slice_timeout_ms) {
			(void)fprintf(stderr, "hauld: --slice-timeout must be a duration, such as \"30s\"\n");
			return -EINVAL;
		}
		break;
	default:
		return 1; /* for hauld-conf */
	}
	return 0;
}

/* Options that only hauld-conf understands go to it as they are. */
static void
hand_on(struct options *o, int c, const char *arg)
{
	unsigned n;
	const struct setting *s = settings_all(&n);

	switch (c) {
	case 'c':
		add_arg(o, xasprintf("-c%s", arg));
		replace(&o->conf_file, arg);
		o->has_config = true;
		break;
	case 'i':
		add_arg(o, xasprintf("-i%s", arg));
		o->has_list = true;
		break;
	case 'o':
		add_arg(o, xasprintf("--output=%s", arg));
		break;
	case OPT_BASE_URL:
		add_arg(o, xasprintf("--base-url=%s", arg));
		break;
	case OPT_ROOT:
		add_arg(o, xasprintf("--root=%s", arg));
		o->has_root = true;
		break;
	default:
		add_arg(o, xasprintf("--%s=%s", s[c - OPT_SETTING].name, arg ? arg : "true"));
		break;
	}
}

/* Only counts where neither file nor options name roots. */
static void
add_current_root(struct options *o)
{
	AUTO_FREE char *cwd = getcwd(NULL, 0);

	if (cwd && o->mode == MODE_ONCE)
		add_arg(o, xasprintf("--root=%s", cwd));
}

/* $NAME, or beneath the home directory; newly allocated. */
static char *
xdg_dir(const char *name, const char *beneath_home)
{
	const char *dir = getenv(name), *home = getenv("HOME");

	if (dir && dir[0] == '/')
		return xstrdup(dir);
	return home && home[0] == '/' ? xasprintf("%s/%s", home, beneath_home) : NULL;
}

/* A user's own service keeps to that user's directories (XDG base directory
 * specification); destinations lie in the home. */
static int
use_user_dirs(struct options *o)
{
	AUTO_FREE char *conf_dir = xdg_dir("XDG_CONFIG_HOME", ".config");
	const char *home = getenv("HOME"), *runtime = getenv("XDG_RUNTIME_DIR");

	if (!conf_dir || !home || !runtime || runtime[0] != '/') {
		(void)fprintf(stderr, "hauld: --user-instance needs HOME and XDG_RUNTIME_DIR in the environment\n");
		return -EINVAL;
	}
	o->runtime_dir = xstrdup(runtime);
	if (!o->has_root)
		add_arg(o, xasprintf("--root=%s", home));
	if (o->has_config)
		return 0;
	o->conf_file = xasprintf("%s/hauld/hauld.conf", conf_dir);
	if (access(o->conf_file, F_OK) == 0) {
		add_arg(o, xasprintf("-c%s", o->conf_file));
	} else {
		add_arg(o, xstrdup("--no-config"));
		free(TAKE_PTR(o->conf_file));
	}
	return 0;
}

static int
check_mode(struct options *o, int n_urls)
{
	o->user_state_dir = xdg_dir("XDG_STATE_HOME", ".local/state");
	if (o->user && o->mode == MODE_ONCE) {
		(void)fprintf(stderr, "hauld: --user-instance is a service, and --once is none: give one of these\n");
		return -EINVAL;
	}
	if (o->user && o->mode == MODE_TEST)
		return use_user_dirs(o);
	if (o->mode != MODE_SERVICE)
		return 0;
	if (n_urls || o->has_list) {
		(void)fprintf(stderr, "hauld: urls and -i are for --once; a running service takes them from `haulctl add`\n");
		return -EINVAL;
	}
	if (o->json || o->no_progress) {
		(void)fprintf(stderr, "hauld: --json and --no-progress are for --once; ask a running service with `haulctl --json`\n");
		return -EINVAL;
	}
	if (o->user)
		return use_user_dirs(o);
	if (!o->has_config)
		o->conf_file = xstrdup(HAULD_CONF_PATH);
	return 0;
}

int
options_parse(struct options *o, int argc, char **argv)
{
	AUTO_FREE struct option *all = all_options();
	int c, r;

	*o = (struct options){ .slice_timeout_ms = SLICE_TIMEOUT_MS };
	o->worker_path = find_helper("hauld-worker");
	o->conf_path = find_helper("hauld-conf");
	o->store_path = find_helper("hauld-store");
	o->spawn_path = find_helper("hauld-spawn");
	add_arg(o, xstrdup("hauld-conf"));
	while ((c = getopt_long(argc, argv, "c:i:o:thkV", all, NULL)) != -1) {
		if (c == '?') {
			(void)fprintf(stderr, "hauld: see `hauld --help` or hauld(8)\n");
			return -EINVAL;
		}
		r = handle_own(o, c, optarg);
		if (r < 0)
			return r;
		if (r)
			hand_on(o, c, optarg);
	}
	r = check_mode(o, argc - optind);
	if (r < 0)
		return r;
	if (!o->has_root)
		add_current_root(o);
	/* Without -c nothing but the command line counts (DESIGN 6). */
	if (o->mode == MODE_ONCE && !o->has_config)
		add_arg(o, xstrdup("--no-config"));
	add_arg(o, xstrdup("--"));
	for (; optind < argc; optind++) {
		add_arg(o, xstrdup(argv[optind]));
		o->has_urls = true;
	}
	return 0;
}

void
options_done(struct options *o)
{
	for (unsigned i = 0; i < o->conf_argc; i++)
		free(o->conf_argv[i]);
	free(o->conf_argv);
	free(o->worker_path);
	free(o->conf_path);
	free(o->store_path);
	free(o->spawn_path);
	free(o->conf_file);
	free(o->runtime_dir);
	free(o->user_state_dir);
}

void
options_print_help(void)
{
	(void)printf(
	    "usage: hauld [-c FILE] [--user-instance] [--SETTING VALUE...]\n"
	    "       hauld --once [-c FILE] [-i FILE|-] [OPTION...] [URL...]\n"
	    "       hauld -t [-c FILE] [--user-instance] [-i FILE|-] [OPTION...] [URL...]\n"
	    "\n"
	    "Fetches files, verifies, unpacks and publishes them: under its name a file is\n"
	    "always whole. Without --once it is the service that haulctl(1) talks to. See\n"
	    "hauld(8), and hauld.conf(5) for all settings.\n"
	    "\n"
	    "  -c, --config FILE      jobs and settings from a configuration file\n"
	    "  -i, --input-file FILE  urls from a list (aria2's format or sha256sum's), - is stdin\n"
	    "      --base-url URL     what the names of a sha256sum list are relative to\n"
	    "      --root DIR         destinations lie beneath it (default: this directory)\n"
	    "  -o, --output FILE      destination of the one URL\n"
	    "      --checksum A:HEX   what the download must be, e.g. sha256:...\n"
	    "      --decompress WORD  off, auto, gzip, zstd, xz, bzip2 or lz4\n"
	    "      --user-instance    the service of one user, with that user's directories\n"
	    "      --SETTING VALUE    any setting of a job or of the daemon, e.g. --retry 2\n"
	    "      --json             events and the summary as JSON lines on stdout\n"
	    "      --no-progress      no moving lines on the terminal\n"
	    "  -t, --test             check the configuration and say what is wrong with it\n"
	    "  -V, --version          version and libraries\n"
	    "\n"
	    "Exit status: 0 all done, 1 a job failed, 2 usage, 78 configuration, 130 interrupted.\n");
}
