/*
 * A growing byte buffer with a consumed front: what channels queue for
 * writing and parsers gather for reading.  The struct may live on the stack
 * or in another struct; buf_done() releases it.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct buf {
	uint8_t *data; /* owned */
	size_t start;  /* bytes before it are consumed */
	size_t end;    /* bytes from start to end are content */
	size_t size;   /* allocated */
};

void buf_done(struct buf *b);
/* Room for n more bytes; returns where to write them. */
uint8_t *buf_reserve(struct buf *b, size_t n);
/* n bytes written at buf_reserve()'s place become content. */
void buf_commit(struct buf *b, size_t n);
void buf_append(struct buf *b, const void *data, size_t n);
void buf_append_str(struct buf *b, const char *s);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Drops n bytes from the front (at most what is there). */
void buf_consume(struct buf *b, size_t n);

static inline size_t
buf_len(const struct buf *b)
{
	return b->end - b->start;
}

static inline uint8_t *
buf_bytes(const struct buf *b)
{
	return b->data ? b->data + b->start : NULL;
}

/* The content as a C string, owned by the buffer until it changes. */
const char *buf_cstr(struct buf *b);

#define AUTO_BUF CLEANUP(buf_done)
