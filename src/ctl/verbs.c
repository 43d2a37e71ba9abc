/* The table of verbs; see verbs.h. */
#include "ctl/verbs.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "ctl/args.h"
#include "ctl/ctl.h"

static const struct verb_option global_options[] = {
	{ OPTION_SOCKET, 0, "socket", "PATH", NULL, "the control socket of hauld" },
	{ OPTION_JSON, 0, "json", NULL, NULL, "answers as JSON, one object a line" },
	{ OPTION_NO_PROGRESS, 0, "no-progress", NULL, NULL, "no moving lines on the terminal" },
	{ OPTION_HELP, 'h', "help", NULL, NULL, "help about haulctl, or about the verb" },
	{ OPTION_VERSION, 'V', "version", NULL, NULL, "the version of haulctl" },
	{ 0 },
};

#define KEY_OPTION                                                                                 \
	{ OPTION_KEY, 0, "key", "KEY", NULL, "a word of yours: the same one again adds nothing anew" }
#define BLOCK_OPTION                                                                               \
	{ OPTION_BLOCK, 0, "block", NULL, NULL, "wait for room when hauld's queue is full (max-queued)" }
#define ADD_OPTIONS                                                                                \
	{ OPTION_OUTPUT, 'o', "output", "FILE", NULL, "destination of the one url" },              \
	{ OPTION_INPUT_FILE, 'i', "input-file", "FILE", NULL,                                      \
	    "jobs from a list, aria2's format or sha256sum's; - is standard input" },              \
	{ OPTION_BASE_URL, 0, "base-url", "URL", NULL, "where the files of a list of checksums lie" }, \
	KEY_OPTION, BLOCK_OPTION
#define TIMEOUT_OPTION                                                                             \
	{ OPTION_TIMEOUT, 0, "timeout", "DURATION", NULL,                                          \
	    "wait no longer, \"30s\", \"6h\": the jobs go on, the exit status is 4" }

static const struct verb_option add_options[] = { ADD_OPTIONS, { 0 } };
static const struct verb_option get_options[] = { ADD_OPTIONS, TIMEOUT_OPTION, { 0 } };
#define SCOPE_OPTIONS                                                                              \
	{ OPTION_GROUP, 0, "group", "GROUP", NULL, "the members of this group, and of groups within it" }, \
	{ OPTION_ALL, 0, "all", NULL, NULL, "all jobs" }
/* The filters that all verbs about many jobs share. */
#define FILTERS_BUT_GROUP                                                                          \
	{ OPTION_STATE, 0, "state", "STATE,...", "queued|blocked|active|paused|done|failed|cancelled", \
	    "only jobs in one of these states" },                                              \
	{ OPTION_NAME, 0, "name", "PATTERN", NULL,                                                 \
	    "only jobs with such a name; * matches any run of characters" },                   \
	{ OPTION_LIST_OUTPUT, 0, "output", "PATTERN", NULL, "only jobs with such a destination (the whole path)" }, \
	{ OPTION_URL, 0, "url", "PATTERN", NULL, "only jobs with such a url, as it is shown" }
#define JOB_FILTERS FILTERS_BUT_GROUP, { OPTION_GROUP, 0, "group", "GROUP", NULL, "only jobs of this group" }

static const struct verb_option ended_options[] = {
	JOB_FILTERS,
	{ OPTION_SINCE, 0, "since", "TIME", NULL, "only jobs that ended then or later: \"2d\" ago, \"2026-11-22\"" },
	{ OPTION_UNTIL, 0, "until", "TIME", NULL, "only jobs that ended before" },
	{ OPTION_ALL, 0, "all", NULL, NULL, "all jobs that this can be done to" },
	{ 0 },
};
static const struct verb_option run_options[] = {
	JOB_FILTERS,
	{ OPTION_ALL, 0, "all", NULL, NULL, "all jobs that wait for a time" },
	{ 0 },
};
static const struct verb_option command_options[] = { SCOPE_OPTIONS, FILTERS_BUT_GROUP, { 0 } };
static const struct verb_option wait_options[] = {
	TIMEOUT_OPTION,
	{ OPTION_FOR, 0, "for", "STATE,...", "over|active|done|failed|cancelled|paused|blocked",
	    "until the jobs are in one of these states; a job that is over is waited for no longer" },
	{ OPTION_RETURN_WHEN, 0, "return-when", "WHEN", "all-completed|first-completed|first-exception",
	    "not for all of them, but for the first, or the first that failed or was cancelled" },
	SCOPE_OPTIONS,
	{ 0 },
};
static const struct verb_option gather_options[] = {
	ADD_OPTIONS,
	TIMEOUT_OPTION,
	{ OPTION_RETURN_EXCEPTIONS, 0, "return-exceptions", NULL, NULL, "all results, failures included" },
	{ OPTION_CANCEL, 0, "cancel", NULL, NULL, "the first failure cancels the others" },
	{ OPTION_MAX_CONCURRENT, 0, "max-concurrent", "N", NULL, "at most so many of the URLs at once" },
	{ 0 },
};
static const struct verb_option group_options[] = {
	{ OPTION_REMOVE, 0, "remove", NULL, NULL, "forget a group that was made here" },
	{ 0 },
};

static const struct verb_option list_options[] = {
	JOB_FILTERS,
	{ OPTION_SINCE, 0, "since", "TIME", NULL,
	    "only jobs that ended then or later: \"2d\" ago, \"2026-11-22\", \"2026-11-22T10:00:00Z\"" },
	{ OPTION_UNTIL, 0, "until", "TIME", NULL, "only jobs that ended before" },
	{ OPTION_SORT, 0, "sort", "KEY", "id|name|state|size|rate|ended",
	    "the order; size and rate: largest first; ended: those that are over, the latest first" },
	{ OPTION_LIMIT, 'n', "limit", "N", NULL, "at most so many jobs" },
	{ 0 },
};
static const struct verb_option hosts_options[] = {
	{ OPTION_URL, 0, "url", "PATTERN", NULL, "only origins like this, \"https://*.example.org*\"" },
	{ OPTION_SORT, 0, "sort", "KEY", "host|connections|queued|failures", "the order; figures: the most first" },
	{ 0 },
};
static const struct verb_option cat_options[] = {
	{ OPTION_UNVERIFIED, 0, "unverified", NULL, NULL, "print bytes as they arrive; the exit status says whether they were right" },
	TIMEOUT_OPTION,
	{ 0 },
};
static const struct verb_option import_options[] = {
	{ OPTION_DRY_RUN, 0, "dry-run", NULL, NULL, "add nothing: print what would be added, as a list for add -i, or with --json" },
	{ OPTION_BASE_URL, 0, "base-url", "URL", NULL, "where the files of a list of checksums lie" },
	KEY_OPTION,
	BLOCK_OPTION,
	{ 0 },
};
static const struct verb_option export_options[] = {
	{ OPTION_FORMAT, 0, "format", "FORMAT", "list|json|conf",
	    "list: for add -i, the default; json: objects of add; conf: jobs of hauld.conf(5)" },
	JOB_FILTERS,
	{ OPTION_SINCE, 0, "since", "TIME", NULL, "only jobs that ended then or later" },
	{ OPTION_UNTIL, 0, "until", "TIME", NULL, "only jobs that ended before" },
	{ OPTION_LIMIT, 'n', "limit", "N", NULL, "at most so many jobs" },
	{ 0 },
};
static const struct verb_option verify_options[] = {
	{ OPTION_CHECKSUM, 0, "checksum", "ALGO:HEX", NULL, "what the files must have; all of several" },
	{ OPTION_INPUT_FILE, 'c', "check", "FILE", NULL, "names and checksums from a list, as sha256sum writes it; - is standard input" },
	{ 0 },
};
static const struct verb_option top_options[] = {
	{ OPTION_INTERVAL, 0, "interval", "DURATION", NULL, "look again so often; 1s" },
	{ OPTION_COUNT, 'n', "count", "N", NULL, "end after so many snapshots (--json) or frames of text" },
	JOB_FILTERS,
	{ OPTION_SORT, 0, "sort", "KEY", "state|rate|size|done|name|priority|id",
	    "the order; state: what runs, what waits, what ended" },
	{ OPTION_LIMIT, 0, "limit", "N", NULL, "at most so many jobs in a snapshot or text" },
	{ 0 },
};

#define FOLLOW_OPTIONS                                                                             \
	{ OPTION_SINCE, 0, "since", "N", NULL,                                                     \
	    "those behind number N; INSTANCE:N tells also whether hauld began anew since" },       \
	{ OPTION_LIMIT, 'n', "limit", "N", NULL, "the last N only" },                                \
	{ OPTION_FOLLOW, 'f', "follow", NULL, NULL, "go on with what comes; without --since and --limit: only that" }

static const struct verb_option events_options[] = {
	FOLLOW_OPTIONS,
	{ OPTION_WHAT, 0, "what", "WHAT,...",
	    "add|state|start|retry|end|remove|group|limit|event|origin|network|daemon|command", "only such events" },
	{ OPTION_STATE, 0, "state", "STATE,...", "queued|blocked|active|paused|done|failed|cancelled",
	    "only events behind which their job is in one of these states" },
	{ OPTION_GROUP, 0, "group", "GROUP", NULL, "only events of this group and its jobs" },
	{ 0 },
};
static const struct verb_option stats_options[] = {
	{ OPTION_PROMETHEUS, 0, "prometheus", NULL, NULL, "in the text format that Prometheus reads" },
	{ 0 },
};
static const struct verb_option log_options[] = {
	FOLLOW_OPTIONS,
	{ OPTION_LEVEL, 0, "level", "LEVEL", "err|warning|notice|info|debug", "only lines that are at least so important" },
	{ 0 },
};

static const struct verb_option set_options[] = {
	{ OPTION_SET_URL, 0, "url", "URL", NULL, "the url; given several times: these, the next one after a failure" },
	{ OPTION_STATE, 0, "state", "STATE,...", "queued|blocked|active|paused|done|failed|cancelled",
	    "instead of jobs: those in one of these states" },
	{ OPTION_GROUP, 0, "group", "GROUP", NULL, "those of this group" },
	{ OPTION_NAME, 0, "name-like", "PATTERN", NULL, "those with such a name; * matches any run of characters" },
	{ OPTION_LIST_OUTPUT, 0, "output-like", "PATTERN", NULL, "those with such a destination (the whole path)" },
	{ OPTION_URL, 0, "url-like", "PATTERN", NULL, "those with such a url, as it is shown" },
	{ OPTION_ALL, 0, "all", NULL, NULL, "all jobs" },
	{ 0 },
};
static const struct verb_option limit_options[] = {
	{ OPTION_TOTAL, 0, "total", NULL, NULL, "the limit of all transfers together" },
	{ OPTION_HOST, 0, "host", "HOST", NULL, "the limit of all transfers from this host" },
	{ OPTION_GROUP, 0, "group", "GROUP", NULL, "the limit of all members of this group together" },
	{ OPTION_RESET, 0, "reset", NULL, NULL, "back to what the configuration says" },
	{ 0 },
};

#define JOB_TEXT "A JOB is an id (a number) or a name."
#define ADD_TEXT                                                                                   \
	"With more than one URL, settings hold for all of them. Secrets never stand on a "        \
	"command line: --header @FILE (one a line) and --user @FILE (name:password in the "       \
	"first line) read them from a file, @- from standard input. A relative output lies "      \
	"beneath the first root of hauld. The private key of --cert is --private-key here. "

static const struct verb verbs[] = {
	{ "add", "[OPTION...] [URL...]", "add jobs; prints their ids, one a line",
	    ADD_TEXT "A list goes in requests of at most 500 jobs; with --key K these have the keys "
		     "K/1, K/2, ..., so that the same command again adds what is missing only.",
	    add_options, WORDS_URLS, 0, 0, true, verb_add },
	{ "get", "[OPTION...] [URL...]", "add jobs, show them, and wait until they are over",
	    ADD_TEXT "^C detaches: the jobs go on.", get_options, WORDS_URLS, 0, 0, true, verb_get },
	{ "list", "", "a table of the jobs, those that ended earlier included", NULL, list_options, WORDS_NONE, 0, 0, false, verb_list },
	{ "status", "[JOB...]", "what hauld does now, and what waits for what",
	    "With JOBs: these, as in list. " JOB_TEXT, NULL, WORDS_JOBS, 0, 0, false, verb_status },
	{ "cat", "JOB...", "the files of jobs on standard output",
	    "Waits until a job is done: before that nothing of it is proven. " JOB_TEXT, cat_options, WORDS_JOBS, 1, 0, false,
	    verb_cat },
	{ "import", "FORMAT FILE", "add the jobs of a file of aria2, curl, wget or sha256sum",
	    "What haul has no word for is told, a line each. FILE - is standard input. Settings of a job are options, and hold "
	    "for all jobs. ",
	    import_options, WORDS_FORMATS, 2, 2, true, verb_import },
	{ "export", "", "jobs as a list that add -i takes back, as JSON or as configuration",
	    "Those that wait, run or come again, unless --state names others. Secrets are left out, and that is told.", export_options,
	    WORDS_NONE, 0, 0, false, verb_export },
	{ "verify", "[PATH...]", "compare files with checksums, by hauld's workers",
	    "The files lie beneath the roots of hauld; nothing is fetched.", verify_options, WORDS_FILES, 0, 0, false,
	    verb_verify },
	{ "top", "", "hauld and its jobs, live",
	    "Keys: h tells them. Where standard output is no terminal: one frame as text; with --json snapshots, "
	    "one a line.",
	    top_options, WORDS_NONE, 0, 0, false, verb_top },
	{ "show", "JOB...", "everything about a job", JOB_TEXT, NULL, WORDS_JOBS, 1, 0, false, verb_show },
	{ "why", "[JOB...]", "why jobs wait or are slow, or ended as they did",
	    "Without JOB: each reason for which any job waits, with an example. " JOB_TEXT, NULL, WORDS_JOBS, 0, 0, false,
	    verb_why },
	{ "wait", "[JOB...]", "wait until jobs, a group or all are over", JOB_TEXT, wait_options, WORDS_JOBS, 0, 0, false,
	    verb_wait },
	{ "gather", "[OPTION...] [URL|JOB...]", "wait for many as for one: results in order, or the first failure",
	    ADD_TEXT "A word with :// in it is a URL, and is added; others are jobs. Without --return-exceptions the first "
		     "failure ends it; the others go on, or with --cancel are cancelled. " JOB_TEXT "^C detaches: the jobs go on.",
	    gather_options, WORDS_JOBS, 0, 0, true, verb_gather },
	{ "attach", "[JOB...]", "show jobs while they run",
	    "Without JOB: all, until none is queued, blocked or active. " JOB_TEXT
	    "^C detaches: the jobs go on.",
	    NULL, WORDS_JOBS, 0, 0, false, verb_attach },
	{ "cancel", "[JOB...]", "end jobs; their files stay as they were", JOB_TEXT, command_options, WORDS_JOBS, 0, 0, false,
	    verb_cancel },
	{ "pause", "[JOB...]", "stop jobs, a group or everything until resume",
	    "They go on from where they were. With --group and --all jobs that are added later wait, too. " JOB_TEXT,
	    command_options, WORDS_JOBS, 0, 0, false, verb_pause },
	{ "resume", "[JOB...]", "let what was paused go on",
	    "What was paused as jobs, as a group or with --all is resumed in the same way. " JOB_TEXT, command_options, WORDS_JOBS,
	    0, 0, false, verb_resume },
	{ "group", "[GROUP [KEY=VALUE...]]", "groups, and what is set for them",
	    "Without GROUP: all. With KEY=VALUE, max-concurrent, limit-rate, on-failure, allow-submit or deadline are set from now on, and a group that is "
	    "not there is made (parent says in which other one); KEY= takes back what was set.", group_options, WORDS_GROUPS, 0,
	    0, false, verb_group },
	{ "remove", "[JOB...]", "forget jobs that are over", "Published files stay. " JOB_TEXT, ended_options, WORDS_JOBS, 0, 0,
	    false, verb_remove },
	{ "retry", "[JOB...]", "queue failed and cancelled jobs again", "They keep their ids. " JOB_TEXT, ended_options,
	    WORDS_JOBS, 0, 0, false, verb_retry },
	{ "events", "[JOB...]", "what happened, by number, and what happens",
	    "hauld keeps the last ones, see event-memory in hauld.conf(5). " JOB_TEXT, events_options, WORDS_JOBS, 0, 0,
	    false, verb_events },
	{ "log", "[JOB]", "what hauld said, of a job or of all",
	    "hauld keeps the last lines, see log-memory in hauld.conf(5). " JOB_TEXT, log_options, WORDS_JOBS, 0, 1, false,
	    verb_log },
	{ "event", "[set|clear NAME]", "set or clear a named event, or list them",
	    "Jobs with after = [\"event:NAME\"] start when it is set. It stays set, over restarts too, until it is "
	    "cleared. The list has those that are set and those that jobs wait for.",
	    NULL, WORDS_EVENTS, 0, 2, false, verb_event },
	{ "run", "[JOB...]", "begin now what waits for a time",
	    "Jobs with start-at, delay, every or cron; those that come again keep their times. " JOB_TEXT, run_options,
	    WORDS_JOBS, 0, 0, false, verb_run },
	{ "hosts", "", "the servers that jobs are at, and those that are down",
	    "A server that failed several times in a row is open: its jobs wait, and one at a time probes it.", hosts_options,
	    WORDS_NONE, 0, 0, false, verb_hosts },
	{ "set", "[JOB...]", "change settings of jobs that are not over",
	    "url, priority, limit-rate, checksum, deadline, and what is about requests and retries: it counts at once, or from the "
	    "next request on. The other settings stay as they were when the job was added. " JOB_TEXT,
	    set_options, WORDS_JOBS, 0, 0, true, verb_set },
	{ "limit", "[[JOB] RATE]", "show limits of rate, or change one while hauld runs",
	    "Without RATE and options: all that are in effect. RATE is a size, \"512K\", \"5M\", or \"off\"; of the total a "
	    "timetable, too: \"08:00,512k 23:00,off\". With JOB it is that job's, without --host and --group the total's. It counts at once and outlives "
	    "hauld, until --reset or until the configuration has another limit there.",
	    limit_options, WORDS_JOBS, 0, 2, false, verb_limit },
	{ "workers", "", "the worker processes", NULL, NULL, WORDS_NONE, 0, 0, false, verb_workers },
	{ "stats", "", "what hauld counted since its start, and how things are", NULL, stats_options, WORDS_NONE, 0, 0, false,
	    verb_stats },
	{ "debug", "[on|off]", "log everything and name slow callbacks, until hauld ends",
	    "Without a word: whether it is on.", NULL, WORDS_SWITCH, 0, 1, false, verb_debug },
	{ "config", "", "the configuration in effect", NULL, NULL, WORDS_NONE, 0, 0, false, verb_config },
	{ "check", "", "check hauld's configuration file without taking it",
	    "Errors go to standard error as FILE:LINE: SENTENCE; the exit status is then 1.", NULL, WORDS_NONE, 0,
	    0, false, verb_check },
	{ "reload", "", "take hauld's configuration file",
	    "With an error in it nothing changes; errors are told as by check.", NULL, WORDS_NONE, 0, 0, false,
	    verb_reload },
	{ "drain", "", "let hauld end when what runs is over", "Returns when that is so. Nothing new starts meanwhile.",
	    NULL, WORDS_NONE, 0, 0, false, verb_drain },
	{ "shutdown", "", "let hauld stop its transfers and end", NULL, NULL, WORDS_NONE, 0, 0, false,
	    verb_shutdown },
	{ "version", "", "the versions of haulctl and hauld", NULL, NULL, WORDS_NONE, 0, 0, false, verb_version },
	{ "completions", "bash|zsh|fish", "print completions for a shell", NULL, NULL, WORDS_SHELLS, 1, 1, false,
	    verb_completions },
	{ "help", "[VERB]", "help about haulctl, or about a verb", NULL, NULL, WORDS_VERBS, 0, 1, false, verb_help },
};

const struct verb *
verbs_all(size_t *ret_n)
{
	*ret_n = ARRAY_SIZE(verbs);
	return verbs;
}

const struct verb *
verb_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (text_equal(verbs[i].name, name))
			return &verbs[i];
	return NULL;
}

/* What other programs call it: ls(1), aria2c, systemctl, docker, asyncio. */
static const struct {
	const char *words, *meant;
} elsewhere[] = {
	{ "ls|ps|jobs|queue|queued|all", "list" },
	{ "rm|del|delete|forget|purge|clean|prune", "remove" },
	{ "kill|abort|end", "cancel" },
	{ "stop", "cancel, pause or shutdown" },
	{ "start", "run, resume or retry" },
	{ "restart", "retry or reload" },
	{ "quit|exit|halt", "shutdown" },
	{ "download|fetch|dl", "get" },
	{ "submit|enqueue|push|new", "add" },
	{ "info|inspect|describe", "show" },
	{ "journal|tail", "log --follow" },
	{ "watch|monitor|htop", "top or attach" },
	{ "follow", "events --follow or log --follow" },
	{ "history", "list --state done,failed,cancelled" },
	{ "unpause|continue|unhold", "resume" },
	{ "hold|suspend|freeze", "pause" },
	{ "join|await", "wait" },
	{ "edit|change|update|modify|priority|prio|renice", "set" },
	{ "speed|rate|bwlimit|throttle", "limit" },
	{ "metrics|prometheus", "stats" },
	{ "servers|origins", "hosts" },
	{ "save|dump", "export" },
	{ "load|restore", "import" },
	{ "checksum|sha256sum|hash", "verify" },
	{ "ping", "status" },
	{ "man|usage|verbs|commands", "help" },
};

const char *
verb_suggest(const char *name)
{
	const char *best = NULL;
	unsigned least = (unsigned)strlen(name) / 3 + 1;

	for (size_t i = 0; i < ARRAY_SIZE(elsewhere); i++)
		if (args_is_word(elsewhere[i].words, name, strlen(name)))
			return elsewhere[i].meant;
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (strlen(name) >= 2 && has_prefix(verbs[i].name, name))
			return verbs[i].name;
		if (str_is_nearer(name, verbs[i].name, &least))
			best = verbs[i].name;
	}
	return best;
}

const struct verb_option *
verb_global_options(void)
{
	return global_options;
}

const char *
verb_setting_name(const struct setting *row)
{
	return row->id == JOB_KEY ? "private-key" : row->name;
}

/* --output is among the verb's own, for its letter; urls are words. */
static bool
is_option(const struct setting *row)
{
	return row->scope == SCOPE_JOB && row->id != JOB_OUTPUT && row->id != JOB_URL;
}

bool
verb_offers(const struct verb *v, const struct setting *row)
{
	return v->settings && (v->run != verb_set || setting_is_changeable(row->id));
}

const struct setting *
verb_setting(unsigned n)
{
	unsigned all;
	const struct setting *rows = settings_all(&all);

	for (unsigned i = 0; i < all; i++)
		if (is_option(&rows[i]) && n-- == 0)
			return &rows[i];
	return NULL;
}
