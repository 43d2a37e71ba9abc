/* Where the bytes came from; see sources.h. */
#include "daemon/engine/sources.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/url.h"
#include "daemon/engine/download.h"

enum {
	TEXT_MAX = 256, /* of a url or a validator, in the store */
	VIA_MAX = 1024, /* of all redirects */
	TEXTS = 8,
};

static char **
source_text(struct source *s, unsigned i)
{
	char **all[TEXTS] = { &s->url, &s->via, &s->address, &s->etag, &s->protocol, &s->cipher, &s->subject, &s->issuer };

	return all[i];
}

static void
source_done(struct source *s)
{
	for (unsigned i = 0; i < TEXTS; i++)
		free(*source_text(s, i));
	*s = (struct source){ 0 };
}

void
sources_free(struct sources *s)
{
	for (unsigned i = 0; s && i < s->n; i++)
		source_done(&s->items[i]);
	free(s);
}

/* ---- Noting ---------------------------------------------------------------------- */

static struct sources *
sources_of(struct download *d)
{
	struct entry *en = d->entry;

	if (!en->receipt)
		en->receipt = NEW(struct receipt);
	if (!en->receipt->sources)
		en->receipt->sources = NEW(struct sources);
	return en->receipt->sources;
}

/* Of what begins anew all that came before is void. */
static struct source *
add(struct sources *all, uint64_t from)
{
	while (all->n && (all->items[all->n - 1].from >= from || from == 0))
		source_done(&all->items[--all->n]);
	if (from == 0)
		all->lost = 0;
	if (all->n == SOURCES_KEPT) {
		source_done(&all->items[0]);
		memmove(all->items, all->items + 1, (SOURCES_KEPT - 1) * sizeof all->items[0]);
		all->n--;
		all->lost++;
	}
	all->items[all->n] = (struct source){ .from = from };
	return &all->items[all->n++];
}

static char *
safe_text(const char *text)
{
	char safe[TEXT_MAX];

	return xstrdup(text ? str_safe(safe, sizeof safe, text, strlen(text)) : "");
}

void
sources_note(struct download *d, const struct response *r)
{
	AUTO_FREE char *url = NULL, *etag = NULL;
	struct transfer_peer peer;
	struct source *s;

	if (!d->engine->options.keep_sources)
		return;
	s = add(sources_of(d), d->rest.start);
	url = url_redact(d->url);
	transfer_peer(d->transfer, &peer);
	s->at_s = clock_wall_s();
	s->modified = r->last_modified;
	s->status = (uint16_t)r->status;
	s->major = (uint8_t)r->major;
	s->minor = (uint8_t)r->minor;
	if (r->etag)
		etag = xasprintf("%s%s", r->etag_weak ? "W/" : "", r->etag);
	s->url = safe_text(url);
	s->via = xstrdup(d->hops && d->via ? d->via : "");
	s->etag = safe_text(etag);
	s->address = xstrdup(peer.address);
	s->protocol = xstrdup(peer.protocol);
	s->cipher = xstrdup(peer.cipher);
	s->subject = xstrdup(peer.subject);
	s->issuer = xstrdup(peer.issuer);
}

void
sources_ended(struct download *d, const struct transfer_times *t)
{
	struct sources *all = d->entry->receipt ? d->entry->receipt->sources : NULL;
	struct source *s = all && all->n ? &all->items[all->n - 1] : NULL;

	if (!s || s->from != d->rest.start || s->times.total)
		return; /* an answer that was not the file's */
	s->times = *t;
	s->times.total = MAX(t->total, 1U);
}

void
sources_hop(struct download *d, const char *url)
{
	AUTO_FREE char *redacted = url_redact(url), *safe = safe_text(redacted);
	char *via = d->hops > 1 && d->via ? xasprintf("%s %s", d->via, safe) : xstrdup(safe);

	free(d->via);
	d->via = via;
	if (strlen(via) > VIA_MAX)
		*strchr(via + VIA_MAX - TEXT_MAX, '\0') = '\0';
}

/* ---- As bytes ---------------------------------------------------------------------- */

void
times_pack(const struct transfer_times *t, struct buf *out)
{
	put_u32(out, t->dns);
	put_u32(out, t->connect);
	put_u32(out, t->tls);
	put_u32(out, t->first_byte);
}

void
times_unpack(struct cursor *c, struct transfer_times *t)
{
	t->dns = get_u32(c);
	t->connect = get_u32(c);
	t->tls = get_u32(c);
	t->first_byte = get_u32(c);
}

static size_t
packed_size(const struct source *s)
{
	size_t n = 8 + 8 + 8 + 2 + 1 + 1 + 5 * 4;

	for (unsigned i = 0; i < TEXTS; i++)
		n += 2 + strlen(*source_text((struct source *)(uintptr_t)s, i));
	return n;
}

static void
pack(const struct source *s, struct buf *out)
{
	put_u64(out, s->from);
	put_u64(out, (uint64_t)s->at_s);
	put_u64(out, (uint64_t)s->modified);
	put_u16(out, s->status);
	put_u8(out, s->major);
	put_u8(out, s->minor);
	times_pack(&s->times, out);
	put_u32(out, s->times.total);
	for (unsigned i = 0; i < TEXTS; i++)
		put_str(out, *source_text((struct source *)(uintptr_t)s, i));
}

void
sources_pack(const struct sources *s, struct buf *out, size_t room)
{
	unsigned n = s ? s->n : 0, first = n;
	size_t used = 3;

	while (first && used + packed_size(&s->items[first - 1]) <= room)
		used += packed_size(&s->items[--first]);
	put_u8(out, (uint8_t)(n - first));
	put_u16(out, (uint16_t)(s ? MIN(s->lost + first, (unsigned)UINT16_MAX) : 0));
	for (unsigned i = first; i < n; i++)
		pack(&s->items[i], out);
}

static void
unpack(struct cursor *c, struct source *s)
{
	s->from = get_u64(c);
	s->at_s = (int64_t)get_u64(c);
	s->modified = (int64_t)get_u64(c);
	s->status = get_u16(c);
	s->major = get_u8(c);
	s->minor = get_u8(c);
	times_unpack(c, &s->times);
	s->times.total = get_u32(c);
	for (unsigned i = 0; i < TEXTS; i++) {
		struct text text = get_text(c);
		char safe[VIA_MAX + 1];

		/* A database may have been in other hands. */
		*source_text(s, i) = xstrdup(c->failed ? "" : str_safe_again(safe, sizeof safe, text.at, text.len));
	}
}

struct sources *
sources_unpack(struct cursor *c)
{
	unsigned n = (unsigned)get_below(c, get_u8(c), SOURCES_KEPT + 1);
	uint16_t lost = get_u16(c);
	struct sources *s;

	if (c->failed || (!n && !lost))
		return NULL;
	s = NEW(struct sources);
	s->lost = lost;
	while (s->n < n && !c->failed)
		unpack(c, &s->items[s->n++]);
	return s;
}

/* ---- As JSON -------------------------------------------------------------------------- */

void
times_to_json(struct json *w, const struct transfer_times *t, bool whole)
{
	jsonw_key(w, "times_ms");
	jsonw_begin_object(w);
	jsonw_key_u64(w, "dns", t->dns);
	jsonw_key_u64(w, "connect", t->connect);
	jsonw_key_u64(w, "tls", t->tls);
	jsonw_key_u64(w, "first_byte", t->first_byte);
	if (whole)
		jsonw_key_u64(w, "total", t->total);
	jsonw_end_object(w);
}

/* The urls that redirected, the first first. */
static void
put_via(struct json *w, const char *via)
{
	jsonw_key(w, "via");
	jsonw_begin_array(w);
	for (size_t n; *via; via += n + (via[n] == ' ')) {
		n = strcspn(via, " ");
		jsonw_string_n(w, via, n);
	}
	jsonw_end_array(w);
}

static void
put_tls(struct json *w, const struct source *s)
{
	jsonw_key(w, "tls");
	if (!*s->protocol) {
		jsonw_null(w);
		return;
	}
	jsonw_begin_object(w);
	jsonw_key_string(w, "protocol", s->protocol);
	jsonw_key_string(w, "cipher", s->cipher);
	jsonw_key_string(w, "subject", s->subject);
	jsonw_key_string(w, "issuer", s->issuer);
	jsonw_end_object(w);
}

static void
put_source(struct json *w, const struct source *s, uint64_t to)
{
	char version[16];

	(void)snprintf(version, sizeof version, s->major >= 2 ? "%u" : "%u.%u", s->major, s->minor);
	jsonw_begin_object(w);
	jsonw_key_u64(w, "from", s->from);
	jsonw_key_u64(w, "to", MAX(to, s->from));
	jsonw_key_string(w, "url", s->url);
	put_via(w, s->via);
	jsonw_key_u64(w, "status", s->status);
	jsonw_key_string(w, "http", version);
	jsonw_key_string(w, "address", s->address);
	jsonw_key_string(w, "etag", *s->etag ? s->etag : NULL);
	jsonw_key(w, "last_modified");
	if (s->modified >= 0)
		jsonw_i64(w, s->modified);
	else
		jsonw_null(w);
	jsonw_key(w, "time");
	jsonw_i64(w, s->at_s);
	put_tls(w, s);
	times_to_json(w, &s->times, true);
	jsonw_end_object(w);
}

void
sources_to_json(struct json *w, const struct sources *s, uint64_t received)
{
	jsonw_key(w, "sources");
	jsonw_begin_array(w);
	for (unsigned i = 0; s && i < s->n; i++)
		put_source(w, &s->items[i], i + 1 < s->n ? s->items[i + 1].from : received);
	jsonw_end_array(w);
	jsonw_key_u64(w, "sources_lost", s ? s->lost : 0);
}
