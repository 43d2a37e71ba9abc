/*
 * A spec: the settings of one job (or host entry, group, the daemon), packed,
 * immutable, counted.  What is not set in it is looked up in its defaults,
 * then in the settings table.  The packed bytes are also what goes over the
 * wire (CONF_*) and, later, into the store.
 *
 * Packed: for each value u8 id, then u64 for a number, or u16 length, bytes
 * and a NUL for a string; a list is several strings with the same id.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "model/settings.h"

enum { SPEC_MAX = 256 * 1024 }; /* bytes of one packed spec */

struct spec;

/* Building the bytes.  A string is at most 65535 bytes and has no NUL. */
void spec_put_number(struct buf *b, enum setting_id id, uint64_t v);
void spec_put_string(struct buf *b, enum setting_id id, const char *s);

/* A spec of bytes from outside, checked: every id is of the scope, every value
 * whole.  defaults (may be NULL) gets a reference.  0, -EPROTO or -EMSGSIZE. */
int spec_new(enum setting_scope scope, const void *bytes, size_t n, struct spec *defaults,
    struct spec **ret) MUST_CHECK;
struct spec *spec_ref(struct spec *s);
void spec_unref(struct spec *s); /* NULL is fine */

/* Set in the spec or its defaults (not merely in the table). */
bool spec_has(const struct spec *s, enum setting_id id);
/* Any of those from first to last, in one look. */
bool spec_has_between(const struct spec *s, enum setting_id first, enum setting_id last);
uint64_t spec_number(const struct spec *s, enum setting_id id);
static inline bool
spec_bool(const struct spec *s, enum setting_id id)
{
	return spec_number(s, id) != 0;
}
/* Borrowed from the spec; the table's default when not set; may be NULL. */
const char *spec_string(const struct spec *s, enum setting_id id);
/* The i-th string of a list, NULL behind the last. */
const char *spec_list(const struct spec *s, enum setting_id id, unsigned i);
unsigned spec_list_len(const struct spec *s, enum setting_id id);
/* The packed bytes (not those of the defaults), borrowed. */
const void *spec_bytes(const struct spec *s, size_t *ret_n);
/* Appends the packed bytes of a spec that needs no defaults: its own values and
 * what it has from its defaults. */
void spec_flatten(const struct spec *s, struct buf *out);
/* Appends what the spec or its defaults set of one key: nothing, or the packed value. */
void spec_copy_value(struct buf *to, const struct spec *from, const struct setting *row);
/* Equal bytes (not defaults). */
bool spec_equal(const struct spec *a, const struct spec *b);
/* The same values, wherever they come from: the spec, its defaults, the table. */
bool spec_same(const struct spec *a, const struct spec *b, enum setting_scope scope);
bool spec_same_value(const struct spec *a, const struct spec *b, enum setting_id id);

static inline void
cleanup_spec(struct spec **s)
{
	spec_unref(*s);
}
#define AUTO_SPEC CLEANUP(cleanup_spec)
