/*
 * JSON text, written as it comes into a buffer (RFC 8259): no tree, nothing to
 * free.  Used for the event lines of `hauld --once --json`.  Calls that would
 * not make valid JSON are our own bugs and end in an assert; strings may hold
 * any bytes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum { JSON_DEPTH_MAX = 32 };

struct json {
	struct buf *out; /* borrowed: outlives the writer */
	unsigned depth;
	uint32_t objects, filled; /* bit per open level: is an object; has a member */
	bool has_key;             /* of an object's member whose value comes next */
};

void jsonw_init(struct json *j, struct buf *out);
void jsonw_begin_object(struct json *j);
void jsonw_end_object(struct json *j);
void jsonw_begin_array(struct json *j);
void jsonw_end_array(struct json *j);
/* The name of the next member of an object. */
void jsonw_key(struct json *j, const char *name);
/* Bytes that are no valid UTF-8 become U+FFFD, one each.  NULL: null. */
void jsonw_string(struct json *j, const char *s);
void jsonw_string_n(struct json *j, const char *s, size_t n);
void jsonw_u64(struct json *j, uint64_t v);
void jsonw_i64(struct json *j, int64_t v);
/* The shortest form that reads back the same; not a number, infinite: null. */
void jsonw_double(struct json *j, double v);
void jsonw_bool(struct json *j, bool v);
void jsonw_null(struct json *j);
/* A member: its name and its value. */
void jsonw_key_string(struct json *j, const char *name, const char *s);
void jsonw_key_u64(struct json *j, const char *name, uint64_t v);
void jsonw_key_bool(struct json *j, const char *name, bool v);
/* 0: null. */
void jsonw_key_or_null(struct json *j, const char *name, int64_t v);
/* True when everything that was begun is ended. */
bool jsonw_is_whole(const struct json *j);
