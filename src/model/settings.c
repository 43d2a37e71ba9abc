/* The settings table; see settings.h. */
#include "model/settings.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "model/request_rate.h"

#define D SCOPE_DAEMON
#define J SCOPE_JOB
#define MAX_TIME_MS (INT64_C(366) * 24 * 3600 * 1000)

static const struct setting table[] = {
	{ DAEMON_SOCKET, D, "socket", TYPE_STRING, SETTING_RESTART, "/run/hauld/control.sock", NULL, 0, 0,
	    "path of the control socket" },
	{ DAEMON_STATE_DIR, D, "state-dir", TYPE_STRING, SETTING_RESTART, "/var/lib/hauld", NULL, 0, 0,
	    "directory of the daemon's own state" },
	{ DAEMON_ROOTS, D, "roots", TYPE_LIST, SETTING_RESTART, "/srv/haul", NULL, 0, 0,
	    "directories beneath which every destination must lie; relative outputs go beneath the first" },
	{ DAEMON_MAX_CONCURRENT_DOWNLOADS, D, "max-concurrent-downloads", TYPE_UINT, 0, "16", NULL, 1, 4096,
	    "transfers at once" },
	{ DAEMON_MAX_CONNECTIONS_PER_HOST, D, "max-connections-per-host", TYPE_UINT, 0, "5", NULL, 1, 1024,
	    "connections to one host name at once, whatever the port" },
	{ DAEMON_REQUEST_RATE_PER_HOST, D, "request-rate-per-host", TYPE_REQUEST_RATE, 0, "0", NULL, 0, 0,
	    "requests to one host name in some time, \"10/s\", \"100/m\", \"1/30s\", evenly spaced; 0: no limit" },
	{ DAEMON_WORKERS, D, "workers", TYPE_UINT, SETTING_RESTART, "0", NULL, 0, 64,
	    "worker processes; 0: one per CPU" },
	{ DAEMON_MAX_OVERALL_DOWNLOAD_LIMIT, D, "max-overall-download-limit", TYPE_SIZE, 0, "0", NULL, 0, 0,
	    "bytes per second of all transfers together; 0: no limit" },
	{ DAEMON_BWLIMIT, D, "bwlimit", TYPE_STRING, 0, NULL, NULL, 0, 0,
	    "the same by the time of day and the day of the week: rclone's timetable, \"08:00,512k 23:00,off\"; the smaller of both counts" },
	{ DAEMON_MIN_FREE, D, "min-free", TYPE_SIZE, 0, "256M", NULL, 0, 0,
	    "space a filesystem keeps free (this or 5 % of it, the smaller)" },
	{ DAEMON_LOG_LEVEL, D, "log-level", TYPE_ENUM, 0, "info", "err|warning|notice|info|debug", 0, 0,
	    "the least important messages that are logged" },
	{ DAEMON_DIRTY_LIMIT, D, "dirty-limit", TYPE_SIZE, SETTING_RESTART, "0", NULL, 0, 0,
	    "received bytes a filesystem may have unwritten before its transfers are held; 0: by the disk's speed" },
	{ DAEMON_MAX_OVERALL_DECODER_MEMORY, D, "max-overall-decoder-memory", TYPE_SIZE, SETTING_RESTART, "0", NULL, 0, 0,
	    "memory that all decoders together may use; 0: half of the machine's" },
	{ DAEMON_MAX_CONCURRENT_VERIFICATIONS, D, "max-concurrent-verifications", TYPE_UINT, 0, "256", NULL, 1, 4096,
	    "jobs past their download that are verified, unpacked or published at once" },
	{ DAEMON_MAX_DOWNLOAD_RESULT, D, "max-download-result", TYPE_UINT, 0, "10000", NULL, 0, 1000000,
	    "ended jobs of clients that are remembered; those of the configuration always are" },
	{ DAEMON_DOWNLOAD_RESULT_AGE, D, "download-result-age", TYPE_DURATION, 0, "0", NULL, 0, MAX_TIME_MS,
	    "how long an ended job of a client is remembered; 0: however long, as long as it is among the last max-download-result" },
	{ DAEMON_MAX_QUEUED, D, "max-queued", TYPE_UINT, 0, "0", NULL, 0, 10000000,
	    "jobs of clients that are not over; add is refused above it, or waits; 0: no bound" },
	{ DAEMON_CONTROL_POLICY, D, "control-policy", TYPE_ENUM, 0, "submit", "observe|submit|operate|manage", 0, 0,
	    "what a client may do who is neither root nor the service: look; also add jobs and command its own; command all jobs; also reload, drain and shutdown" },
	{ DAEMON_MAX_ORIGIN_FAILURES, D, "max-origin-failures", TYPE_UINT, 0, "5", NULL, 0, 1000000,
	    "failures in a row of the connection or the server after which jobs for it wait, and one at a time probes it; 0: never" },
	{ DAEMON_MAX_PROBE_DELAY, D, "max-probe-delay", TYPE_DURATION, 0, "60s", NULL, 1000, MAX_TIME_MS,
	    "longest time between two probes of such a server, or of a network that is down" },
	{ DAEMON_ALLOW_ADDRESSES, D, "allow-addresses", TYPE_LIST, 0, NULL, NULL, 0, 0,
	    "addresses, or ranges such as \"10.0.0.0/8\", that may be connected to though they are link-local, reserved, or private and a public host led there" },
	{ DAEMON_DENY_ADDRESSES, D, "deny-addresses", TYPE_LIST, 0, NULL, NULL, 0, 0,
	    "addresses and ranges that are never connected to; of both lists the longest range counts" },
	{ DAEMON_MAX_CONCURRENT_HOOKS, D, "max-concurrent-hooks", TYPE_UINT, 0, "8", NULL, 1, 256,
	    "programs that run for jobs at once; others wait for their turn" },
	{ DAEMON_SPAWN_SOCKET, D, "spawn-socket", TYPE_STRING, SETTING_RESTART, "/run/hauld/spawn.sock", NULL, 0, 0,
	    "socket of the hauld-spawn that runs them outside of the sandbox; where there is none hauld starts one of its own" },

	{ DAEMON_EVENT_MEMORY, D, "event-memory", TYPE_SIZE, SETTING_RESTART, "4M", NULL, 0, INT64_C(1) << 30,
	    "memory for the last events, which clients can read again; 0: none are kept" },
	{ DAEMON_LOG_MEMORY, D, "log-memory", TYPE_SIZE, SETTING_RESTART, "1M", NULL, 0, INT64_C(1) << 30,
	    "memory for the last lines of the log, which clients can read; 0: none are kept" },

	{ HOST_MATCH, SCOPE_HOST, "match", TYPE_STRING, SETTING_OWN, NULL, NULL, 0, 0,
	    "host name this entry is for; * matches any run of characters; the first entry that matches counts" },
	{ HOST_MAX_CONNECTIONS, SCOPE_HOST, "max-connections", TYPE_UINT, 0, NULL, NULL, 1, 1024,
	    "connections to each such host at once" },
	{ HOST_REQUEST_RATE, SCOPE_HOST, "request-rate", TYPE_REQUEST_RATE, 0, NULL, NULL, 0, 0,
	    "requests to each such host in some time, instead of request-rate-per-host" },
	{ HOST_HEADER, SCOPE_HOST, "header", TYPE_LIST, SETTING_SECRET, NULL, NULL, 0, 0,
	    "request headers for these hosts, \"Name: value\"" },
	{ HOST_PROXY, SCOPE_HOST, "proxy", TYPE_STRING, SETTING_SECRET, NULL, NULL, 0, 0,
	    "proxy for these hosts; see the job's proxy" },
	{ HOST_CACERT, SCOPE_HOST, "cacert", TYPE_STRING, 0, NULL, NULL, 0, 0,
	    "file of CA certificates (PEM) for these hosts" },
	{ HOST_LIMIT_RATE, SCOPE_HOST, "limit-rate", TYPE_SIZE, 0, "0", NULL, 0, 0,
	    "bytes per second of all transfers from each such host; 0: no limit" },

	{ GROUP_NAME, SCOPE_GROUP, "name", TYPE_STRING, SETTING_OWN, NULL, NULL, 0, 0,
	    "name of the group; jobs say group = \"NAME\"" },
	{ GROUP_MAX_CONCURRENT, SCOPE_GROUP, "max-concurrent", TYPE_UINT, 0, "0", NULL, 0, 1000000,
	    "transfers of its members at once, those of groups within it included; 0: only the limits of all hold" },
	{ GROUP_LIMIT_RATE, SCOPE_GROUP, "limit-rate", TYPE_SIZE, 0, "0", NULL, 0, 0,
	    "bytes per second of all members together, those of groups within it included; 0: no limit" },
	{ GROUP_ON_FAILURE, SCOPE_GROUP, "on-failure", TYPE_ENUM, 0, "continue", "continue|cancel", 0, 0,
	    "when a member fails the others go on, or are cancelled as sibling-failed" },
	{ GROUP_ALLOW_SUBMIT, SCOPE_GROUP, "allow-submit", TYPE_BOOL, 0, NULL, NULL, 0, 0,
	    "clients that may only submit may add members; absent: unless on-failure is cancel, for their failures would end other jobs" },
	{ GROUP_DEADLINE, SCOPE_GROUP, "deadline", TYPE_UNTIL, 0, "0", NULL, 0, MAX_TIME_MS,
	    "time from the first start of a member until those that are not over end as deadline, or when they do: \"2026-12-01 12:00\"; 0: none" },
	{ GROUP_PARENT, SCOPE_GROUP, "parent", TYPE_STRING, SETTING_OWN, NULL, NULL, 0, 0,
	    "group that this one is in: its limits, pause, deadline and cancel hold here too, and a failure here is one there" },
	{ GROUP_PAUSED, SCOPE_GROUP, "paused", TYPE_BOOL, 0, "false", NULL, 0, 0,
	    "members do not start before haulctl resume --group NAME" },
	{ GROUP_PUBLISH, SCOPE_GROUP, "publish", TYPE_ENUM, SETTING_OWN, "each", "each|atomic", 0, 0,
	    "each member when it is verified, or all of them at once, as one directory" },
	{ GROUP_DIRECTORY, SCOPE_GROUP, "directory", TYPE_STRING, SETTING_OWN, NULL, NULL, 0, 0,
	    "of publish = \"atomic\": the directory that the group owns; what no member has is removed from it" },

	{ JOB_NAME, J, "name", TYPE_STRING, SETTING_OWN, NULL, NULL, 0, 0,
	    "name of the job: a letter or _, then letters, digits, . _ - (128 at most)" },
	{ JOB_URL, J, "url", TYPE_LIST, SETTING_OWN, NULL, NULL, 0, 0,
	    "http, https or (with allow-file) file url; of a list the next one is tried after a failure" },
	{ JOB_OUTPUT, J, "output", TYPE_STRING, SETTING_OWN, NULL, NULL, 0, 0,
	    "destination; relative: beneath the first root; absent: the last part of the url" },
	{ JOB_CHECKSUM, J, "checksum", TYPE_LIST, SETTING_OWN, NULL, NULL, 0, 0,
	    "digest of the file as downloaded, \"algorithm:hex\"; of a list all must hold" },
	{ JOB_CHECKSUM_OUTPUT, J, "checksum-output", TYPE_LIST, SETTING_OWN, NULL, NULL, 0, 0,
	    "digest of the unpacked file" },
	{ JOB_DECOMPRESS, J, "decompress", TYPE_ENUM, 0, "off", "off|auto|gzip|zstd|xz|bzip2|lz4", 0, 0,
	    "unpack the download; auto goes by content, then name, and leaves other files as they are" },
	{ JOB_KEEP_DOWNLOAD, J, "keep-download", TYPE_STRING, SETTING_OWN, NULL, NULL, 0, 0,
	    "where to keep the packed file too" },
	{ JOB_MAX_EXPANSION, J, "max-expansion", TYPE_UINT, 0, "1000", NULL, 1, INT64_C(1) << 32,
	    "unpacked bytes per packed byte that are believed" },
	{ JOB_MAX_UNCOMPRESSED, J, "max-uncompressed", TYPE_SIZE, 0, "0", NULL, 0, 0,
	    "greatest size of the unpacked file; 0: only max-expansion and free space bound it" },
	{ JOB_DECODER_MEMORY, J, "decoder-memory", TYPE_SIZE, 0, "256M", NULL, 1 << 20, 0,
	    "memory one decoder may use" },
	{ JOB_MODE, J, "mode", TYPE_MODE, 0, "0644", NULL, 0, 07777,
	    "permissions of the published file, octal, as a string" },
	{ JOB_GROUP, J, "group", TYPE_STRING, 0, NULL, NULL, 0, 0,
	    "group the job belongs to" },
	{ JOB_BEGIN_PAUSED, J, "paused", TYPE_BOOL, 0, "false", NULL, 0, 0,
	    "a new job does not begin before `haulctl resume`" },
	{ JOB_AFTER, J, "after", TYPE_LIST, SETTING_OWN, NULL, NULL, 0, 0,
	    "names (or ids) of jobs that must be done before this one starts, and \"event:NAME\"" },
	{ JOB_AFTER_FAILED, J, "after-failed", TYPE_LIST, SETTING_OWN, NULL, NULL, 0, 0,
	    "jobs of which all must have failed before this one starts; else it is not needed" },
	{ JOB_START_AT, J, "start-at", TYPE_STRING, 0, NULL, NULL, 0, 0,
	    "time before which the job does not begin: \"2026-11-23 02:00\", \"02:00\" (the next one), RFC 3339" },
	{ JOB_DELAY, J, "delay", TYPE_DURATION, 0, NULL, NULL, 0, MAX_TIME_MS,
	    "how long after it was added the job begins" },
	{ JOB_EVERY, J, "every", TYPE_DURATION, 0, NULL, NULL, 1000, MAX_TIME_MS,
	    "the job comes again that long after it began, counted from its first time" },
	{ JOB_CRON, J, "cron", TYPE_STRING, 0, NULL, NULL, 0, 0,
	    "the job comes again at these times: \"30 2 * * mon-fri\", \"@daily\", \"TZ=Europe/Berlin 0 6 * * *\"" },
	{ JOB_JITTER, J, "jitter", TYPE_DURATION, 0, "0", NULL, 0, MAX_TIME_MS,
	    "its times come up to that much later, always the same for one job" },
	{ JOB_CONDITIONAL, J, "conditional", TYPE_BOOL, 0, NULL, NULL, 0, 0,
	    "ask the server whether the file has changed since it was published; absent: if every or cron is set" },
	{ JOB_PRIORITY, J, "priority", TYPE_INT, 0, "0", NULL, -1000000, 1000000,
	    "higher ones start first; one step is worth ten minutes of waiting" },
	{ JOB_HEADER, J, "header", TYPE_LIST, SETTING_SECRET, NULL, NULL, 0, 0,
	    "request header, \"Name: value\" or @FILE with one a line; only sent to the origin of the url" },
	{ JOB_USER_AGENT, J, "user-agent", TYPE_STRING, 0, NULL, NULL, 0, 0,
	    "User-Agent header instead of hauld/VERSION" },
	{ JOB_USER, J, "user", TYPE_STRING, SETTING_SECRET, NULL, NULL, 0, 0,
	    "\"name:password\" or @FILE, for Basic authentication at the origin of the url" },
	{ JOB_PROXY, J, "proxy", TYPE_STRING, SETTING_SECRET, NULL, NULL, 0, 0,
	    "http://host:port or socks5h://host:port; \"env\": from the environment; none by default" },
	{ JOB_NOPROXY, J, "noproxy", TYPE_STRING, 0, NULL, NULL, 0, 0,
	    "hosts, separated by commas, that are reached without the proxy" },
	{ JOB_CACERT, J, "cacert", TYPE_STRING, 0, NULL, NULL, 0, 0,
	    "file of CA certificates (PEM) instead of the system's" },
	{ JOB_CERT, J, "cert", TYPE_STRING, 0, NULL, NULL, 0, 0,
	    "client certificate (PEM file)" },
	{ JOB_KEY, J, "key", TYPE_STRING, 0, NULL, NULL, 0, 0,
	    "private key of the client certificate (PEM file)" },
	{ JOB_PINNEDPUBKEY, J, "pinnedpubkey", TYPE_STRING, 0, NULL, NULL, 0, 0,
	    "\"sha256//base64\" of the server's public key" },
	{ JOB_MAX_FILESIZE, J, "max-filesize", TYPE_SIZE, 0, "0", NULL, 0, 0,
	    "greatest size of the download; 0: no bound" },
	{ JOB_CONNECT_TIMEOUT, J, "connect-timeout", TYPE_DURATION, 0, "10s", NULL, 1, MAX_TIME_MS,
	    "longest time until the connection, TLS included, stands" },
	{ JOB_STALL_TIMEOUT, J, "stall-timeout", TYPE_DURATION, 0, "30s", NULL, 1, MAX_TIME_MS,
	    "longest time without a byte" },
	{ JOB_SPEED_LIMIT, J, "speed-limit", TYPE_SIZE, 0, "10", NULL, 0, 0,
	    "bytes per second that must come, on the average of speed-time; 0: no such bound" },
	{ JOB_SPEED_TIME, J, "speed-time", TYPE_DURATION, 0, "1m", NULL, 1000, MAX_TIME_MS,
	    "how long a transfer may be slower than speed-limit" },
	{ JOB_MAX_TIME, J, "max-time", TYPE_DURATION, 0, "0", NULL, 0, MAX_TIME_MS,
	    "longest time of one attempt; 0: no bound" },
	{ JOB_DEADLINE, J, "deadline", TYPE_UNTIL, 0, "0", NULL, 0, MAX_TIME_MS,
	    "how long after it was added (or retried, or its time came) the job must be done, whatever it waits for, or by when: \"2026-12-01 12:00\"; 0: no bound" },
	{ JOB_LIMIT_RATE, J, "limit-rate", TYPE_SIZE, 0, "0", NULL, 0, 0,
	    "bytes per second of this job; 0: no limit" },
	{ JOB_RETRY, J, "retry", TYPE_UINT, 0, "5", NULL, 0, 1000000,
	    "repeats after a failure that may pass" },
	{ JOB_RETRY_ON, J, "retry-on", TYPE_LIST, 0, NULL, NULL, 0, 0,
	    "more failures to repeat, \"404\", \"5xx\", \"tls\", or, with !, fewer; \"*\" is all; the last that fits counts" },
	{ JOB_RETRY_DELAY, J, "retry-delay", TYPE_DURATION, 0, NULL, NULL, 1, MAX_TIME_MS,
	    "bound of the random delay before the first repeat, doubled for each further one; absent: 0.1 s after a fault of the connection, 5 s where the server asks for time" },
	{ JOB_RETRY_MAX_DELAY, J, "retry-max-delay", TYPE_DURATION, 0, "60s", NULL, 1, MAX_TIME_MS,
	    "what that bound grows to; a server's Retry-After is the least all the same" },
	{ JOB_RETRY_MAX_TIME, J, "retry-max-time", TYPE_DURATION, 0, "0", NULL, 0, MAX_TIME_MS,
	    "no repeat begins later than this after the first attempt; 0: no bound" },
	{ JOB_HTTP_VERSION, J, "http-version", TYPE_ENUM, 0, "1.1", "1.1|2", 0, 0,
	    "HTTP version to ask for" },
	{ JOB_FSYNC, J, "fsync", TYPE_ENUM, 0, "full", "off|data|full", 0, 0,
	    "what is on disk before the job is done: file and directory, the file only, or nothing" },
	{ JOB_NO_CLOBBER, J, "no-clobber", TYPE_BOOL, 0, "false", NULL, 0, 0,
	    "fail as exists instead of replacing a file" },
	{ JOB_REMOTE_TIME, J, "remote-time", TYPE_BOOL, 0, "false", NULL, 0, 0,
	    "give the file the time of Last-Modified" },
	{ JOB_ALLOW_UNPROVEN, J, "allow-unproven", TYPE_BOOL, 0, "false", NULL, 0, 0,
	    "accept a download whose end nothing proves" },
	{ JOB_ALLOW_FILE, J, "allow-file", TYPE_BOOL, 0, "false", NULL, 0, 0,
	    "allow a file: url" },
	{ JOB_ON_DOWNLOAD_START, J, "on-download-start", TYPE_LIST, SETTING_PROGRAM, NULL, NULL, 0, 0,
	    "program that runs before the first request, with its arguments; the download waits for it" },
	{ JOB_ON_DOWNLOAD_COMPLETE, J, "on-download-complete", TYPE_LIST, SETTING_PROGRAM, NULL, NULL, 0, 0,
	    "program that runs when the file is published, before the job is done" },
	{ JOB_ON_DOWNLOAD_ERROR, J, "on-download-error", TYPE_LIST, SETTING_PROGRAM, NULL, NULL, 0, 0,
	    "program that runs when the job has failed" },
	{ JOB_HOOK_TIMEOUT, J, "hook-timeout", TYPE_DURATION, 0, "60s", NULL, 1, MAX_TIME_MS,
	    "longest time that each of these, or url-command, may take; then it is killed" },
	{ JOB_URL_COMMAND, J, "url-command", TYPE_LIST, SETTING_PROGRAM, NULL, NULL, 0, 0,
	    "program that writes another url when the server says 401, 403 or 410; the download goes on with that" },
};

/* Keys that DESIGN names and a later version will have. */
static const struct {
	enum setting_scope scope;
	const char *name;
} later[] = {
	{ D, "allow-network-filesystem" },
	{ D, "history-age" }, { D, "history-count" },
	{ SCOPE_HOST, "user" },
	{ SCOPE_HOST, "cert" }, { SCOPE_HOST, "key" },
	{ J, "split" }, { J, "extract" },
	{ J, "signature" },
	{ J, "request-rate" }, { J, "metalink" },
};

const struct setting *
settings_all(unsigned *ret_n)
{
	*ret_n = ARRAY_SIZE(table);
	return table;
}

const struct setting *
setting_find(enum setting_id id)
{
	static uint8_t place[_SETTING_MAX]; /* 1 + index in table */

	if (!place[table[0].id])
		for (unsigned i = 0; i < ARRAY_SIZE(table); i++)
			place[table[i].id] = (uint8_t)(i + 1);
	return id < _SETTING_MAX && place[id] ? &table[place[id] - 1] : NULL;
}

struct row_key {
	enum setting_scope scope;
	const char *name;
};

static bool
row_has_key(const void *item, const void *key)
{
	const struct setting *row = item;
	const struct row_key *k = key;

	return row->scope == k->scope && text_equal(row->name, k->name);
}

/* Asked for every key of every job: by hash, made once. */
const struct setting *
setting_by_name(enum setting_scope scope, const char *name)
{
	static struct map rows;
	struct row_key key = { scope, name };

	if (!rows.len) {
		map_init(&rows, row_has_key);
		for (unsigned i = 0; i < ARRAY_SIZE(table); i++)
			map_add(&rows, hash_str(table[i].name), (void *)(uintptr_t)&table[i]);
	}
	return map_find(&rows, hash_str(name), &key);
}

const char *
setting_suggest(enum setting_scope scope, const char *name)
{
	const char *best = NULL;
	unsigned least = (unsigned)strlen(name) / 3 + 2;

	for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
		if (table[i].scope != scope)
			continue;
		if (strlen(name) >= 3 && has_prefix(table[i].name, name))
			return table[i].name;
		if (str_is_nearer(name, table[i].name, &least))
			best = table[i].name;
	}
	return best;
}

/* What counts from the moment it is set, or from the next request on.  The others have
 * had their effect. */
bool
setting_is_changeable(enum setting_id id)
{
	static const enum setting_id changeable[] = {
		JOB_URL, JOB_PRIORITY, JOB_LIMIT_RATE, JOB_CHECKSUM, JOB_CHECKSUM_OUTPUT, JOB_DEADLINE, JOB_HEADER, JOB_USER,
		JOB_USER_AGENT, JOB_MAX_FILESIZE, JOB_CONNECT_TIMEOUT, JOB_STALL_TIMEOUT, JOB_MAX_TIME, JOB_SPEED_LIMIT,
		JOB_SPEED_TIME, JOB_RETRY, JOB_RETRY_ON, JOB_RETRY_DELAY, JOB_RETRY_MAX_DELAY, JOB_RETRY_MAX_TIME,
		JOB_PROXY, JOB_NOPROXY, JOB_CACERT,
	};

	for (size_t i = 0; i < ARRAY_SIZE(changeable); i++)
		if (changeable[i] == id)
			return true;
	return false;
}

bool
setting_is_later(enum setting_scope scope, const char *name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(later); i++)
		if (later[i].scope == scope && text_equal(later[i].name, name))
			return true;
	return false;
}

const char *
setting_scope_to_string(enum setting_scope s)
{
	static const char *const names[_SCOPE_MAX] = { "daemon", "hosts", "groups", "jobs" };

	return s < _SCOPE_MAX ? names[s] : "?";
}

static int
parse_word(const struct setting *s, const char *text, uint64_t *ret)
{
	uint64_t i = 0;

	for (const char *w = s->words; *w; i++) {
		size_t n = strcspn(w, "|");

		if (strlen(text) == n && memcmp(w, text, n) == 0) {
			*ret = i;
			return 0;
		}
		w += n + (w[n] == '|');
	}
	return -EINVAL;
}

static int
parse_signed(const char *text, uint64_t *ret)
{
	bool negative = *text == '-';
	uint64_t v;
	int r = parse_u64(text + negative, &v);

	if (r < 0 || v > INT64_MAX)
		return r < 0 ? r : -ERANGE;
	*ret = negative ? (uint64_t) - (int64_t)v : v;
	return 0;
}

static int
parse_by_type(const struct setting *s, const char *text, uint64_t *ret)
{
	uint32_t mode;
	int r;

	switch (s->type) {
	case TYPE_BOOL:
		*ret = text_equal(text, "true");
		return *ret || text_equal(text, "false") ? 0 : -EINVAL;
	case TYPE_UINT:
		return parse_u64(text, ret);
	case TYPE_INT:
		return parse_signed(text, ret);
	case TYPE_SIZE:
		return parse_size(text, ret);
	case TYPE_DURATION:
		return parse_duration(text, ret);
	case TYPE_MODE:
		r = parse_mode(text, &mode);
		if (r == 0)
			*ret = mode;
		return r;
	case TYPE_REQUEST_RATE:
		return request_rate_parse(text, ret);
	case TYPE_ENUM:
		return parse_word(s, text, ret);
	case TYPE_STRING:
	case TYPE_UNTIL:
	case TYPE_LIST:
		break;
	}
	return -EINVAL;
}

char *
setting_wanted(const struct setting *s)
{
	switch (s->type) {
	case TYPE_BOOL:
		return xstrdup("true or false");
	case TYPE_UINT:
	case TYPE_INT:
		return xstrdup("a whole number");
	case TYPE_SIZE:
		return xstrdup("a size, such as \"64M\" or \"5G\"");
	case TYPE_DURATION:
		return xstrdup("a duration, such as \"250ms\", \"30s\" or \"6h\"");
	case TYPE_MODE:
		return xstrdup("permissions in octal as a string, such as \"0644\"");
	case TYPE_REQUEST_RATE:
		return xstrdup("requests in some time, such as \"10/s\", \"100/m\" or \"1/30s\", or \"0\"");
	case TYPE_ENUM:
		return xasprintf("one of %s", s->words);
	case TYPE_STRING:
		return xstrdup("a string");
	case TYPE_UNTIL:
		return xstrdup("a duration, such as \"30s\" or \"6h\", or a time, such as \"2026-12-01 12:00\" or \"06:00\"");
	case TYPE_LIST:
		return xstrdup("a string or a list of strings");
	}
	return xstrdup("?");
}

/* As one would write it: "1s", "366d", "64K". */
static const char *
format_bound(const struct setting *s, char *out, size_t n, int64_t v)
{
	if (s->type == TYPE_DURATION)
		return format_duration_exact(out, n, (uint64_t)v);
	if (s->type == TYPE_SIZE)
		return format_size_exact(out, n, (uint64_t)v);
	(void)snprintf(out, n, "%lld", (long long)v);
	return out;
}

static int
check_bounds(const struct setting *s, uint64_t v, char **ret_why)
{
	int64_t n = (int64_t)v;
	char least[32], most[32];

	if ((s->min || s->max) && (n < s->min || (s->max && n > s->max))) {
		(void)format_bound(s, least, sizeof least, s->min);
		if (s->max)
			*ret_why = xasprintf("must be from %s to %s", least, format_bound(s, most, sizeof most, s->max));
		else
			*ret_why = xasprintf("must be at least %s", least);
		return -EINVAL;
	}
	return 0;
}

int
setting_parse_text(const struct setting *s, const char *text, uint64_t *ret, char **ret_why)
{
	uint64_t v;
	int r = parse_by_type(s, text, &v);

	if (r == -ERANGE) {
		*ret_why = xstrdup("is a number larger than haul can count");
		return -EINVAL;
	}
	if (r < 0) {
		char safe[80];
		AUTO_FREE char *want = setting_wanted(s);

		*ret_why = xasprintf("is \"%s\": it must be %s",
		    str_safe(safe, sizeof safe, text, strlen(text)), want);
		return -EINVAL;
	}
	r = check_bounds(s, v, ret_why);
	if (r == 0)
		*ret = v;
	return r;
}

int
setting_check_number(const struct setting *s, int64_t number, uint64_t *ret, char **ret_why)
{
	uint64_t v = (uint64_t)number;
	int r;

	if (s->type == TYPE_MODE || s->type == TYPE_BOOL || s->type == TYPE_ENUM ||
	    (s->type == TYPE_REQUEST_RATE && number) || !setting_is_number(s)) {
		AUTO_FREE char *want = setting_wanted(s);

		*ret_why = xasprintf("is the number %lld: it must be %s", (long long)number, want);
		return -EINVAL;
	}
	if (number < 0 && s->type != TYPE_INT) {
		*ret_why = xstrdup("must not be negative");
		return -EINVAL;
	}
	if (s->type == TYPE_DURATION && __builtin_mul_overflow(v, UINT64_C(1000), &v)) {
		*ret_why = xstrdup("is a number larger than haul can count");
		return -EINVAL;
	}
	r = check_bounds(s, v, ret_why);
	if (r == 0)
		*ret = v;
	return r;
}

uint64_t
setting_default_number(const struct setting *s)
{
	static uint64_t cache[_SETTING_MAX];
	static bool known[_SETTING_MAX];

	if (!known[s->id]) {
		if (!s->def || parse_by_type(s, s->def, &cache[s->id]) < 0)
			cache[s->id] = 0;
		known[s->id] = true;
	}
	return cache[s->id];
}
