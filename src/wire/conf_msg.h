/*
 * What hauld-conf says to hauld: the daemon's settings, defaults, hosts,
 * groups and jobs as packed specs, or the errors.  Nothing of it counts
 * before CONF_END with no errors.  Encode and decode stand side by side.
 */
#pragma once

#include <stdint.h>

#include "base/cursor.h"
#include "wire/frame.h"

enum { CONF_PROTO = 1 };

enum conf_msg_type {
	CONF_HELLO = 300,    /* text: build id */
	CONF_DAEMON = 301,   /* a spec: the payload is its bytes */
	CONF_DEFAULTS = 302, /* likewise, SCOPE_JOB */
	CONF_HOST = 303,
	CONF_GROUP = 304,
	CONF_JOB = 305,
	CONF_ERROR = 306, /* text: "file:line: sentence" */
	CONF_END = 307,   /* u64 jobs, u64 errors */
};

struct conf_end {
	uint64_t jobs, errors;
};

void conf_put_text(struct buf *out, enum conf_msg_type type, const char *text);
int conf_get_text(const struct message *m, struct text *ret) MUST_CHECK;
void conf_put_spec(struct buf *out, enum conf_msg_type type, const struct buf *spec);
void conf_put_end(struct buf *out, const struct conf_end *end);
int conf_get_end(const struct message *m, struct conf_end *ret) MUST_CHECK;
