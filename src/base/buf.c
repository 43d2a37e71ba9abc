/* A growing byte buffer; see buf.h. */
#include "base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void
buf_done(struct buf *b)
{
	free(b->data);
	*b = (struct buf){ 0 };
}

uint8_t *
buf_reserve(struct buf *b, size_t n)
{
	size_t want;

	if (b->start == b->end)
		b->start = b->end = 0;
	if (b->size - b->end >= n && b->data)
		return b->data + b->end;
	if (b->start && b->start >= b->size / 2) {
		memmove(b->data, b->data + b->start, buf_len(b));
		b->end -= b->start;
		b->start = 0;
		if (b->size - b->end >= n)
			return b->data + b->end;
	}
	assert(n < SIZE_MAX / 4 && b->end < SIZE_MAX / 4);
	want = MAX(b->end + n, b->size * 2);
	b->size = MAX(want, (size_t)64);
	b->data = xrealloc(b->data, b->size);
	return b->data + b->end;
}

void
buf_commit(struct buf *b, size_t n)
{
	assert(n <= b->size - b->end);
	b->end += n;
}

void
buf_append(struct buf *b, const void *data, size_t n)
{
	if (n)
		memcpy(buf_reserve(b, n), data, n);
	b->end += n;
}

void
buf_append_str(struct buf *b, const char *s)
{
	buf_append(b, s, strlen(s));
}

void
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap, again;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	assert(n >= 0);
	(void)buf_reserve(b, (size_t)n + 1);
	(void)vsnprintf((char *)b->data + b->end, (size_t)n + 1, fmt, again);
	va_end(again);
	b->end += (size_t)n;
}

void
buf_consume(struct buf *b, size_t n)
{
	assert(n <= buf_len(b));
	b->start += n;
	if (b->start == b->end)
		b->start = b->end = 0;
}

const char *
buf_cstr(struct buf *b)
{
	*buf_reserve(b, 1) = '\0';
	return (const char *)b->data + b->start;
}
