/*
 * What a published file remembers of where it came from, so that its server can be asked
 * whether there is another one (RFC 9110 13): an extended attribute of the file itself,
 * written before it gets its name.  So it is of this very file, whoever published it,
 * and goes with it; size and time show whether the bytes are still those.
 *
 * hauld makes the tail of it, the worker puts the file's size and time in front
 * (seen_put()), hauld reads the whole.  Urls are hashes: everybody may read an attribute.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cleanup.h"

#define SEEN_ATTRIBUTE "user.hauld.seen"

enum {
	SEEN_ETAG_MAX = 512,
	SEEN_MAX = 640, /* bytes of the whole */
};

struct seen {
	uint64_t size;        /* of the file, and its mtime */
	int64_t mtime_s;
	uint32_t mtime_ns;
	uint64_t settings;    /* hash of what makes another file of the same bytes */
	uint64_t source, last; /* hashes: of the url that was given, of the one that had the file */
	bool direct;          /* both are one */
	int64_t modified;     /* Last-Modified; -1: none */
	char etag[SEEN_ETAG_MAX + 4]; /* as in a header, W/ and quotes included; "": none */
};

void seen_put_tail(struct buf *b, const struct seen *s);
void seen_put(struct buf *b, uint64_t size, int64_t mtime_s, uint32_t mtime_ns, const void *tail, size_t n);
/* -EPROTO: it is none. */
int seen_get(const void *data, size_t n, struct seen *ret) MUST_CHECK;
