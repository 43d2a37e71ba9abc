/*
 * What the texts of job settings must be, as far as a text alone shows it:
 * the rules that hauld-conf and haulctl share.  A refusal is the end of the
 * sentence "KEY ...": static, or newly allocated where char *; NULL: the text
 * may be the value.
 */
#pragma once

#include <stdbool.h>

#include "model/settings.h"

enum {
	VALUE_SECRET_FILE_MAX = 64 << 10, /* bytes of an @FILE */
	VALUE_HEADERS_MAX = 100,          /* of one job */
	VALUE_AFTER_MAX = 1000,           /* jobs and events that one waits for */
	VALUE_ARGUMENTS_MAX = 64,         /* of one program, itself included */
	VALUE_ARGUMENT_MAX = 4096,        /* bytes of each */
};
#define VALUE_EVENT "event:" /* before the name of one, among the jobs of after */

/* The place-th part (from 0) of a program with its arguments; first: its first one. */
const char *value_refuse_argument(const char *first, unsigned place, const char *text);
/* Whatever the key: its length and its bytes. */
const char *value_refuse_bytes(const struct setting *row, const char *text);
/* The name of a job or group. */
const char *value_refuse_name(const char *text);
/* One of after, or (no events) of after-failed: a name, an id, "event:NAME". */
char *value_refuse_after(const char *text, bool events);
bool value_is_event(const char *text);
/* instead: how a name and password are given here, "user = \"@FILE\"". */
char *value_refuse_url(const char *text, const char *instead);
/* "Name: value" (RFC 9110 section 5). */
const char *value_refuse_header(const char *text);
/* "name:password" */
const char *value_refuse_user(const char *text);
/* Headers with credentials, user, a proxy's password: nothing that may stand
 * where others can read it. */
bool value_is_secret(const struct setting *row, const char *text);
/*
 * The name of the published file as the url has it, without the ending of a
 * codec (enum codec) that is unpacked; newly allocated; NULL: it ends in none.
 */
char *value_url_name(const char *url, unsigned codec);
