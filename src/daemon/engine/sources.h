/*
 * Where the bytes of a file came from: an entry for each answer that brought some,
 * the last SOURCES_KEPT of them.  They hang at the receipt of a job, so that they
 * outlive a pause, an end and a restart.  Callers: download.c, ended.c; who shows
 * them: control.
 */
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "base/cursor.h"
#include "base/json.h"
#include "daemon/xfer/transfer.h"

struct download;
struct response;

enum { SOURCES_KEPT = 8 };

struct source {
	uint64_t from;       /* the first byte that it brought; the next one's is where it ends */
	int64_t at_s;        /* Unix time of its header */
	int64_t modified;    /* Last-Modified; -1: none */
	uint16_t status;
	uint8_t major, minor; /* of HTTP */
	struct transfer_times times; /* 0: not known (yet) */
	char *url;           /* owned, as all texts; without secrets; never NULL */
	char *via;           /* urls that redirected to it, the first first, apart by blanks; "": none */
	char *address, *etag, *protocol, *cipher, *subject, *issuer; /* "": none */
};

struct sources {
	uint8_t n;
	uint16_t lost;       /* of answers before these */
	struct source items[SOURCES_KEPT];
};

/* The header of the file came, or of its rest. */
void sources_note(struct download *d, const struct response *r);
/* The transfer ended. */
void sources_ended(struct download *d, const struct transfer_times *t);
/* It is redirected: to be called with the url that does. */
void sources_hop(struct download *d, const char *url);
void sources_free(struct sources *s);
/* NULL is none.  Those that do not fit into so many bytes are lost, the oldest first. */
void sources_pack(const struct sources *s, struct buf *out, size_t room);
/* NULL: none, or the cursor failed. */
struct sources *sources_unpack(struct cursor *c);
/* But for the total, which a receipt has none of. */
void times_pack(const struct transfer_times *t, struct buf *out);
void times_unpack(struct cursor *c, struct transfer_times *t);
/* The member "times_ms"; whole: with the total. */
void times_to_json(struct json *w, const struct transfer_times *t, bool whole);
/* The members "sources" and "sources_lost" of an object: the last one brought what came
 * up to `received`.  haul-rpc(7) promises them. */
void sources_to_json(struct json *w, const struct sources *s, uint64_t received);
