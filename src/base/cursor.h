/*
 * Bytes on the wire: little-endian integers and counted strings, put into a
 * buffer and taken out again.  The cursor's error is sticky: a decoder is a
 * row of gets and one cursor_finish(), which is 0 only if nothing failed and
 * every byte was used.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"

struct cursor {
	const uint8_t *at, *end; /* borrowed */
	bool failed;
};

struct text { /* borrowed bytes; not NUL-terminated */
	const char *at;
	size_t len;
};

/* Of a string; of NULL the empty one. */
static inline struct text
text_of(const char *s)
{
	return (struct text){ s ? s : "", s ? strlen(s) : 0 };
}

void cursor_init(struct cursor *c, const void *data, size_t n);
uint8_t get_u8(struct cursor *c);
uint16_t get_u16(struct cursor *c);
uint32_t get_u32(struct cursor *c);
uint64_t get_u64(struct cursor *c);
bool get_bool(struct cursor *c); /* anything but 0 and 1 fails */
/* A value below limit; anything else fails (enums, counts). */
uint64_t get_below(struct cursor *c, uint64_t value, uint64_t limit);
struct text get_text(struct cursor *c);   /* u16 length */
struct text get_blob(struct cursor *c);   /* u32 length */
/* n raw bytes; NULL after a failure. */
const uint8_t *get_raw(struct cursor *c, size_t n);
void cursor_fail(struct cursor *c);
/* 0, or -EPROTO. */
int cursor_finish(const struct cursor *c) MUST_CHECK;

void put_u8(struct buf *b, uint8_t v);
void put_u16(struct buf *b, uint16_t v);
void put_u32(struct buf *b, uint32_t v);
void put_u64(struct buf *b, uint64_t v);
/* At most 65535 bytes; longer text is cut. */
void put_text(struct buf *b, const char *s, size_t n);
void put_str(struct buf *b, const char *s); /* NULL: empty */
void put_blob(struct buf *b, const void *data, size_t n);
