/*
 * The settings table: one row per key of the configuration.  The row drives
 * parsing, defaults, the manual page, the README's table and (later) reload
 * and `haulctl config`.  To add a setting, add an id here and a row in
 * settings.c; ids are wire values and are never reused.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"

enum setting_id {
	SETTING_NONE = 0,
	/* daemon = { } */
	DAEMON_SOCKET = 1,
	DAEMON_STATE_DIR = 2,
	DAEMON_ROOTS = 3,
	DAEMON_MAX_CONCURRENT_DOWNLOADS = 4,
	DAEMON_MAX_CONNECTIONS_PER_HOST = 5,
	DAEMON_WORKERS = 6,
	DAEMON_MAX_OVERALL_DOWNLOAD_LIMIT = 7,
	DAEMON_MIN_FREE = 8,
	DAEMON_LOG_LEVEL = 9,
	DAEMON_DIRTY_LIMIT = 10,
	DAEMON_MAX_OVERALL_DECODER_MEMORY = 11,
	DAEMON_MAX_CONCURRENT_VERIFICATIONS = 12,
	DAEMON_MAX_DOWNLOAD_RESULT = 13,
	DAEMON_CONTROL_POLICY = 14,
	DAEMON_MAX_ORIGIN_FAILURES = 15,
	DAEMON_MAX_PROBE_DELAY = 16,
	DAEMON_ALLOW_ADDRESSES = 19,
	DAEMON_DENY_ADDRESSES = 20,
	DAEMON_DOWNLOAD_RESULT_AGE = 25,
	DAEMON_MAX_QUEUED = 32,
	DAEMON_MAX_CONCURRENT_HOOKS = 34,
	DAEMON_SPAWN_SOCKET = 35,
	DAEMON_BWLIMIT = 26,
	DAEMON_EVENT_MEMORY = 37,
	DAEMON_LOG_MEMORY = 38,
	DAEMON_REQUEST_RATE_PER_HOST = 29,
	/* hosts = ( { } ) */
	HOST_MATCH = 40,
	HOST_MAX_CONNECTIONS = 41,
	HOST_HEADER = 42,
	HOST_PROXY = 43,
	HOST_CACERT = 44,
	HOST_LIMIT_RATE = 50,
	HOST_REQUEST_RATE = 45,
	/* groups = ( { } ) */
	GROUP_NAME = 60,
	GROUP_MAX_CONCURRENT = 61,
	GROUP_ON_FAILURE = 62,
	/* 63 was deadline as a number */
	GROUP_PARENT = 64,
	GROUP_PAUSED = 65,
	GROUP_PUBLISH = 66,
	GROUP_DIRECTORY = 67,
	GROUP_LIMIT_RATE = 71,
	GROUP_ALLOW_SUBMIT = 74,
	GROUP_DEADLINE = 75,
	/* jobs = ( { } ), defaults = { } */
	JOB_NAME = 80,
	JOB_URL = 81,
	JOB_OUTPUT = 82,
	JOB_CHECKSUM = 83,
	JOB_CHECKSUM_OUTPUT = 84,
	JOB_DECOMPRESS = 85,
	JOB_KEEP_DOWNLOAD = 86,
	JOB_MAX_EXPANSION = 87,
	JOB_MAX_UNCOMPRESSED = 88,
	JOB_DECODER_MEMORY = 89,
	JOB_MODE = 90,
	JOB_GROUP = 91,
	JOB_PRIORITY = 92,
	JOB_HEADER = 93,
	JOB_USER_AGENT = 94,
	JOB_USER = 95,
	JOB_PROXY = 96,
	JOB_NOPROXY = 97,
	JOB_CACERT = 98,
	JOB_CERT = 99,
	JOB_KEY = 100,
	JOB_PINNEDPUBKEY = 101,
	JOB_MAX_FILESIZE = 102,
	JOB_CONNECT_TIMEOUT = 103,
	JOB_STALL_TIMEOUT = 104,
	JOB_MAX_TIME = 105,
	JOB_LIMIT_RATE = 106,
	JOB_RETRY = 107,
	JOB_HTTP_VERSION = 108,
	JOB_FSYNC = 109,
	JOB_NO_CLOBBER = 110,
	JOB_REMOTE_TIME = 111,
	JOB_ALLOW_UNPROVEN = 112,
	JOB_ALLOW_FILE = 113,
	JOB_RETRY_ON = 114,
	JOB_RETRY_DELAY = 115,
	JOB_RETRY_MAX_DELAY = 116,
	JOB_RETRY_MAX_TIME = 117,
	JOB_BEGIN_PAUSED = 118,
	JOB_SPEED_LIMIT = 122,
	JOB_SPEED_TIME = 123,
	JOB_AFTER = 128,
	JOB_AFTER_FAILED = 129,
	/* 130 was deadline as a number */
	JOB_ON_DOWNLOAD_START = 146,
	JOB_ON_DOWNLOAD_COMPLETE = 147,
	JOB_ON_DOWNLOAD_ERROR = 148,
	JOB_HOOK_TIMEOUT = 149,
	JOB_URL_COMMAND = 150,
	JOB_START_AT = 134, /* up to JOB_CRON: what makes a schedule */
	JOB_DELAY = 135,
	JOB_EVERY = 136,
	JOB_JITTER = 137,
	JOB_CRON = 138,
	JOB_CONDITIONAL = 139,
	JOB_DEADLINE = 170,
	_SETTING_MAX = 256 /* an id is a byte */
};

enum setting_scope { SCOPE_DAEMON, SCOPE_HOST, SCOPE_GROUP, SCOPE_JOB, _SCOPE_MAX };

enum setting_type {
	TYPE_BOOL,     /* number: 0 or 1 */
	TYPE_UINT,     /* number */
	TYPE_INT,      /* number, two's complement */
	TYPE_SIZE,     /* number: bytes */
	TYPE_DURATION, /* number: milliseconds */
	TYPE_MODE,     /* number */
	TYPE_REQUEST_RATE, /* number; see request_rate.h */
	TYPE_ENUM,     /* number: the place of the word in `words` */
	TYPE_STRING,
	TYPE_UNTIL, /* a string: a duration or a moment; see until.h */
	TYPE_LIST, /* a string or a list of strings */
};

enum {
	SETTING_SECRET = 1,     /* never shown */
	SETTING_OWN = 2,        /* about one job only: not allowed in defaults */
	SETTING_RESTART = 4,    /* takes effect at start only */
	SETTING_PROGRAM = 8,    /* a program and its arguments: not for everyone to give */
};

struct setting {
	enum setting_id id;
	enum setting_scope scope;
	const char *name;
	enum setting_type type;
	unsigned flags;
	const char *def;   /* the default as text; NULL: none */
	const char *words; /* of TYPE_ENUM: "a|b|c" */
	int64_t min, max;  /* of the number; both 0: no bound */
	const char *help;  /* one line for people */
};

/* Words of TYPE_ENUM settings, in the order of their rows in settings.c. */
enum fsync_mode { FSYNC_OFF = 0, FSYNC_DATA = 1, FSYNC_FULL = 2 };
enum control_policy { POLICY_OBSERVE = 0, POLICY_SUBMIT = 1, POLICY_OPERATE = 2, POLICY_MANAGE = 3 };
enum on_failure { ON_FAILURE_CONTINUE = 0, ON_FAILURE_CANCEL = 1 };
enum group_publish { GROUP_PUBLISH_EACH = 0, GROUP_PUBLISH_ATOMIC = 1 };
enum http_version { HTTP_VERSION_1_1 = 0, HTTP_VERSION_2 = 1 };

/* The rows in the order of the manual page; *ret_n = how many. */
const struct setting *settings_all(unsigned *ret_n);
/* The row of an id; NULL when there is none. */
const struct setting *setting_find(enum setting_id id);
/* The row of a name; NULL when there is none in that scope. */
const struct setting *setting_by_name(enum setting_scope scope, const char *name);
/* The nearest name in the scope, for "did you mean"; NULL when none is near. */
const char *setting_suggest(enum setting_scope scope, const char *name);
/* Can `set` give it to a job that is there? */
bool setting_is_changeable(enum setting_id id);
/* True for a name that a later version will know (DESIGN names it). */
bool setting_is_later(enum setting_scope scope, const char *name);
const char *setting_scope_to_string(enum setting_scope s); /* "daemon" */

static inline bool
setting_is_number(const struct setting *s)
{
	return s->type < TYPE_STRING;
}

/*
 * A number from text ("64M", "30s", "0644", "true", a word) or from a plain
 * number of the configuration.  0, or -EINVAL with *ret_why: the end of the
 * sentence "NAME ...", newly allocated.
 */
int setting_parse_text(const struct setting *s, const char *text, uint64_t *ret, char **ret_why) MUST_CHECK;
int setting_check_number(const struct setting *s, int64_t number, uint64_t *ret, char **ret_why) MUST_CHECK;
/* What a value must be, for people ("a whole number"): newly allocated. */
char *setting_wanted(const struct setting *s);
/* The built-in default of a number; 0 when there is none. */
uint64_t setting_default_number(const struct setting *s);
