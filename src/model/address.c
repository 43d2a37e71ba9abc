/* Which addresses are connected to; see address.h. */
#include "model/address.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

enum kind {
	KIND_PUBLIC,
	KIND_PRIVATE,  /* not when a public host led there */
	KIND_NEVER,    /* no server of a file is there */
	KIND_METADATA, /* the same, and only allowed by its very address */
};

/* Of several that hold an address the longest counts. */
static const struct {
	const char *text;
	enum kind kind;
	const char *what; /* "ADDRESS is ..." */
} builtin[] = {
	{ "0.0.0.0/0", KIND_PUBLIC, "public" },
	{ "0.0.0.0/8", KIND_NEVER, "unspecified" }, /* Linux takes it for this machine */
	{ "10.0.0.0/8", KIND_PRIVATE, "private" },
	{ "100.64.0.0/10", KIND_PRIVATE, "private" }, /* RFC 6598 */
	{ "100.100.100.200/32", KIND_METADATA, "a metadata service" }, /* Alibaba */
	{ "127.0.0.0/8", KIND_PRIVATE, "this machine" },
	{ "168.63.129.16/32", KIND_METADATA, "a metadata service" }, /* Azure */
	{ "169.254.0.0/16", KIND_NEVER, "link-local" },
	{ "169.254.169.254/32", KIND_METADATA, "a metadata service" }, /* AWS, Azure, GCP and most others */
	{ "169.254.170.2/32", KIND_METADATA, "a metadata service" },   /* AWS ECS */
	{ "169.254.170.23/32", KIND_METADATA, "a metadata service" },  /* AWS EKS */
	{ "172.16.0.0/12", KIND_PRIVATE, "private" },
	{ "192.0.0.0/24", KIND_PRIVATE, "private" },
	{ "192.0.0.192/32", KIND_METADATA, "a metadata service" }, /* Oracle */
	{ "192.0.2.0/24", KIND_PRIVATE, "for documentation" },
	{ "192.88.99.0/24", KIND_PRIVATE, "reserved" },
	{ "192.168.0.0/16", KIND_PRIVATE, "private" },
	{ "198.18.0.0/15", KIND_PRIVATE, "for benchmarks" },
	{ "198.51.100.0/24", KIND_PRIVATE, "for documentation" },
	{ "203.0.113.0/24", KIND_PRIVATE, "for documentation" },
	{ "224.0.0.0/4", KIND_NEVER, "multicast" },
	{ "240.0.0.0/4", KIND_NEVER, "reserved" },
	{ "255.255.255.255/32", KIND_NEVER, "broadcast" },

	{ "::/0", KIND_NEVER, "reserved" },
	{ "::/128", KIND_NEVER, "unspecified" },
	{ "::1/128", KIND_PRIVATE, "this machine" },
	{ "64:ff9b:1::/48", KIND_PRIVATE, "private" },
	{ "2000::/3", KIND_PUBLIC, "public" },
	{ "2001::/23", KIND_PRIVATE, "reserved" },
	{ "2001:db8::/32", KIND_PRIVATE, "for documentation" },
	{ "3fff::/20", KIND_PRIVATE, "for documentation" },
	{ "fc00::/7", KIND_PRIVATE, "private" },
	{ "fd00:42::42/128", KIND_METADATA, "a metadata service" },  /* Scaleway */
	{ "fd00:ec2::23/128", KIND_METADATA, "a metadata service" }, /* AWS EKS */
	{ "fd00:ec2::254/128", KIND_METADATA, "a metadata service" }, /* AWS */
	{ "fd20:ce::254/128", KIND_METADATA, "a metadata service" },  /* GCP */
	{ "fe80::/10", KIND_NEVER, "link-local" },
	{ "fec0::/10", KIND_PRIVATE, "private" },
	{ "ff00::/8", KIND_NEVER, "multicast" },
};

struct rule {
	struct address_range range;
	bool allow;
};

struct address_policy {
	struct rule *rules; /* owned */
	size_t n, size;
	struct address_range builtin[ARRAY_SIZE(builtin)];
};

/* ---- Texts ------------------------------------------------------------------ */

static bool
has_zeros(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i])
			return false;
	return true;
}

static void
set_v4(struct address *a, const void *bytes)
{
	struct address v4 = { .v6 = false };

	memcpy(v4.bytes, bytes, 4);
	*a = v4;
}

static void
set_v6(struct address *a, const void *bytes)
{
	struct address v6 = { .v6 = true };

	memcpy(v6.bytes, bytes, 16);
	if (has_zeros(v6.bytes, 10) && v6.bytes[10] == 0xff && v6.bytes[11] == 0xff)
		set_v4(a, v6.bytes + 12);
	else
		*a = v6;
}

static bool
parse_n(const char *text, size_t n, struct address *ret)
{
	char copy[INET6_ADDRSTRLEN];
	uint8_t bytes[16];

	if (n >= sizeof copy)
		return false;
	memcpy(copy, text, n);
	copy[n] = '\0';
	if (inet_pton(AF_INET, copy, bytes) == 1)
		set_v4(ret, bytes);
	else if (inet_pton(AF_INET6, copy, bytes) == 1)
		set_v6(ret, bytes);
	else
		return false;
	return true;
}

bool
address_parse(const char *text, struct address *ret)
{
	return parse_n(text, strcspn(text, "%"), ret);
}

bool
address_from_sockaddr(const struct sockaddr *sa, socklen_t len, struct address *ret)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	if (sa->sa_family == AF_INET && len >= sizeof v4) {
		memcpy(&v4, sa, sizeof v4);
		set_v4(ret, &v4.sin_addr);
		return true;
	}
	if (sa->sa_family == AF_INET6 && len >= sizeof v6) {
		memcpy(&v6, sa, sizeof v6);
		set_v6(ret, &v6.sin6_addr);
		return true;
	}
	return false;
}

static unsigned
bits_of(const struct address *a)
{
	return a->v6 ? 128 : 32;
}

static const char *
format(const struct address *a, char out[ADDRESS_TEXT_MAX])
{
	return inet_ntop(a->v6 ? AF_INET6 : AF_INET, a->bytes, out, ADDRESS_TEXT_MAX);
}

const char *
address_range_format(const struct address_range *r, char out[ADDRESS_TEXT_MAX])
{
	char first[ADDRESS_TEXT_MAX];

	(void)snprintf(out, ADDRESS_TEXT_MAX, "%.45s/%u", format(&r->first, first), r->bits);
	return out;
}

/* The byte i of a mask of so many bits. */
static uint8_t
mask_at(unsigned bits, unsigned i)
{
	if (bits >= 8 * (i + 1))
		return 0xff;
	return bits <= 8 * i ? 0 : (uint8_t)(0xff << (8 * (i + 1) - bits));
}

static bool
is_in(const struct address *a, const struct address_range *r)
{
	if (a->v6 != r->first.v6)
		return false;
	for (unsigned i = 0; i < bits_of(a) / 8; i++)
		if ((a->bytes[i] ^ r->first.bytes[i]) & mask_at(r->bits, i))
			return false;
	return true;
}

/* 0; -EINVAL: no address; -ERANGE: no such prefix, ret->first is set; -EDOM: bits
 * behind the prefix, which are taken away. */
static int
parse_range(const char *text, size_t n, struct address_range *ret)
{
	const char *slash = memchr(text, '/', n);
	size_t len = slash ? (size_t)(slash - text) : n;
	struct address_range r = { .bits = 0 };
	bool mapped = memchr(text, ':', len) != NULL;
	uint64_t bits = 128;
	int e = 0;

	if (!parse_n(text, len, &r.first))
		return -EINVAL;
	*ret = r;
	mapped = mapped && !r.first.v6;
	if (slash && parse_u64_n(slash + 1, n - len - 1, 10, &bits) < 0)
		return -ERANGE;
	if (!slash)
		bits = bits_of(&r.first);
	else if (mapped && (bits < 96 || bits > 128))
		return -ERANGE;
	else if (mapped)
		bits -= 96;
	if (bits > bits_of(&r.first))
		return -ERANGE;
	r.bits = (unsigned)bits;
	for (unsigned i = 0; i < bits_of(&r.first) / 8; i++) {
		uint8_t kept = r.first.bytes[i] & mask_at(r.bits, i);

		if (kept != r.first.bytes[i])
			e = -EDOM;
		r.first.bytes[i] = kept;
	}
	*ret = r;
	return e;
}

int
address_range_parse(const char *text, struct address_range *ret, char **ret_why)
{
	struct address_range r;
	char out[ADDRESS_TEXT_MAX], safe[80];
	int e = parse_range(text, strlen(text), &r);

	if (e == 0) {
		*ret = r;
		return 0;
	}
	(void)str_safe(safe, sizeof safe, text, strlen(text));
	if (e == -EINVAL)
		*ret_why = xasprintf(
		    "has \"%s\": it must be addresses, such as \"10.0.0.0/8\", \"fd00::/8\" or \"192.0.2.7\"", safe);
	else if (e == -ERANGE)
		*ret_why = xasprintf("has \"%s\": the prefix behind the / must be a number from 0 to %u", safe,
		    bits_of(&r.first));
	else
		*ret_why = xasprintf("has \"%s\", with bits behind its prefix: write \"%s\", or the address without /",
		    safe, address_range_format(&r, out));
	return -EINVAL;
}

bool
address_is_in(const struct address *a, const char *text, size_t n)
{
	struct address_range r;
	int e = parse_range(text, n, &r);

	return (e == 0 || e == -EDOM) && is_in(a, &r);
}

/* ---- What is wrapped ---------------------------------------------------------- */

static const struct {
	const char *text;
	uint8_t at[4];   /* bytes of the IPv4 address inside */
	bool site;       /* of a site, which chooses one of several forms */
	uint8_t inverted; /* Teredo hides it from translators that know too much */
} wrappers[] = {
	{ "::/96", { 12, 13, 14, 15 }, false, 0 },           /* IPv4-compatible */
	{ "::ffff:0:0:0/96", { 12, 13, 14, 15 }, false, 0 }, /* SIIT */
	{ "64:ff9b::/96", { 12, 13, 14, 15 }, false, 0 },    /* NAT64 */
	/* Prefixes of 48, 56, 64 and 96 bits; the byte 8 is left out (RFC 6052 2.2). */
	{ "64:ff9b:1::/48", { 6, 7, 9, 10 }, true, 0 },
	{ "64:ff9b:1::/48", { 7, 9, 10, 11 }, true, 0 },
	{ "64:ff9b:1::/48", { 9, 10, 11, 12 }, true, 0 },
	{ "64:ff9b:1::/48", { 12, 13, 14, 15 }, true, 0 },
	{ "2001::/32", { 12, 13, 14, 15 }, false, 0xff },    /* Teredo: the client */
	{ "2001::/32", { 4, 5, 6, 7 }, false, 0 },           /* and its server */
	{ "2002::/16", { 2, 3, 4, 5 }, false, 0 },           /* 6to4 */
};

enum { FORMS_MAX = 5 };

/* The address itself, then what is or may be wrapped in it. */
static unsigned
find_forms(const struct address *a, struct address forms[FORMS_MAX])
{
	unsigned n = 0;

	forms[n++] = *a;
	/* :: and ::1 are no IPv4 addresses (RFC 4291 2.5). */
	if (!a->v6 || (has_zeros(a->bytes, 15) && a->bytes[15] <= 1))
		return n;
	for (unsigned i = 0; i < ARRAY_SIZE(wrappers) && n < FORMS_MAX; i++) {
		const uint8_t *at = wrappers[i].at;
		uint8_t v4[4];

		if (!address_is_in(a, wrappers[i].text, strlen(wrappers[i].text)))
			continue;
		for (unsigned b = 0; b < 4; b++)
			v4[b] = a->bytes[at[b]] ^ wrappers[i].inverted;
		/* Behind it there are only zeros, so most of these are not meant. */
		if (wrappers[i].site && (has_zeros(v4, 4) || !has_zeros(a->bytes + at[3] + 1, 15U - at[3])))
			continue;
		set_v4(&forms[n++], v4);
	}
	return n;
}

/* ---- The policy ----------------------------------------------------------------- */

struct address_policy *
address_policy_new(void)
{
	struct address_policy *p = NEW(struct address_policy);

	for (size_t i = 0; i < ARRAY_SIZE(builtin); i++) {
		int e = parse_range(builtin[i].text, strlen(builtin[i].text), &p->builtin[i]);

		assert(e == 0);
	}
	return p;
}

void
address_policy_free(struct address_policy *p)
{
	if (!p)
		return;
	free(p->rules);
	free(p);
}

void
address_policy_add(struct address_policy *p, const struct address_range *r, bool allow)
{
	if (p->n == p->size) {
		p->size = p->size ? 2 * p->size : 8;
		p->rules = xrealloc(p->rules, p->size * sizeof *p->rules);
	}
	p->rules[p->n++] = (struct rule){ *r, allow };
}

static unsigned
builtin_for(const struct address_policy *p, const struct address *a)
{
	unsigned best = 0, longest = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(builtin); i++)
		if (is_in(a, &p->builtin[i]) && p->builtin[i].bits >= longest) {
			longest = p->builtin[i].bits;
			best = i;
		}
	return best;
}

/* A prefix of IPv4 is one of 96 bits more in the space of both. */
static unsigned
length_of(const struct address_range *r)
{
	return r->bits + (r->first.v6 ? 0 : 96);
}

/* The longest rule that holds one of the forms; of equals, one that denies. */
static const struct rule *
rule_for(const struct address_policy *p, const struct address *forms, unsigned n)
{
	const struct rule *best = NULL;

	for (size_t i = 0; i < p->n; i++) {
		const struct rule *r = &p->rules[i];

		for (unsigned f = 0; f < n; f++)
			if (is_in(&forms[f], &r->range) &&
			    (!best || length_of(&r->range) > length_of(&best->range) ||
				(length_of(&r->range) == length_of(&best->range) && !r->allow)))
				best = r;
	}
	return best;
}

static void
refuse(struct address_verdict *v, const struct address *forms, unsigned form, const char *what,
    const struct address_range *range, const char *ending)
{
	char whole[ADDRESS_TEXT_MAX], inner[ADDRESS_TEXT_MAX], in[ADDRESS_TEXT_MAX], wrapped[ADDRESS_TEXT_MAX + 16] = "";

	if (form)
		(void)snprintf(wrapped, sizeof wrapped, " (%s inside)", format(&forms[form], inner));
	v->refused = true;
	(void)snprintf(v->why, sizeof v->why, "address %s%s is %s (%s)%s", format(&forms[0], whole), wrapped, what,
	    address_range_format(range, in), ending);
}

void
address_judge(const struct address_policy *p, const struct address *a, bool led_public, struct address_verdict *ret)
{
	struct address forms[FORMS_MAX];
	unsigned n = find_forms(a, forms), form = n > 1, row = builtin_for(p, &forms[form]);
	const struct rule *rule;

	/* Of a wrapped address what is inside says what it is: the worst of it. */
	for (unsigned f = form + 1; f < n; f++) {
		unsigned i = builtin_for(p, &forms[f]);

		if (builtin[i].kind > builtin[row].kind) {
			row = i;
			form = f;
		}
	}
	*ret = (struct address_verdict){ .is_public = builtin[row].kind == KIND_PUBLIC };
	rule = rule_for(p, forms, n);
	if (rule && !rule->allow)
		refuse(ret, forms, 0, "refused by deny-addresses", &rule->range,
		    "; a longer range in allow-addresses would allow it");
	else if (builtin[row].kind == KIND_METADATA && (!rule || length_of(&rule->range) < 128))
		refuse(ret, forms, form, builtin[row].what, &p->builtin[row],
		    ": refused unless allow-addresses has this very address");
	else if (!rule && builtin[row].kind == KIND_NEVER)
		refuse(ret, forms, form, builtin[row].what, &p->builtin[row], ": refused unless allow-addresses has it");
	else if (!rule && builtin[row].kind == KIND_PRIVATE && led_public)
		refuse(ret, forms, form, builtin[row].what, &p->builtin[row],
		    ", and a public host led there: refused unless allow-addresses has it");
}
