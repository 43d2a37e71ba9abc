/* URLs, addresses, and the other small texts that people and servers write. */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/url.h"
#include "fuzz.h"
#include "model/address.h"
#include "model/algo.h"
#include "model/calendar.h"
#include "model/moment.h"

const char fuzz_name[] = "url";

static bool
is_inside(struct url_part part, const char *s)
{
	return part.len == 0 || (part.at >= s && part.at + part.len <= s + strlen(s));
}

static void
check_name(const char *name)
{
	if (!name)
		return;
	assert(*name && strlen(name) <= 255);
	assert(!strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0);
	for (const char *p = name; *p; p++)
		assert((unsigned char)*p >= 0x20 && *p != 0x7f);
}

static void
check_redacted(const char *text, const struct url *u)
{
	for (const char *p = text; *p; p++)
		assert((unsigned char)*p >= 0x20 && *p != 0x7f);
	/* Behind the scheme the host comes at once, or a cut: no userinfo. */
	if (u && u->userinfo.len && u->scheme.len < 100) {
		const char *host = strstr(text, "://") + 3;

		assert(u->host.len > 100 || *host == u->host.at[0] || *host == '\\');
	}
}

static void
try_numbers(const char *s)
{
	struct digest d;
	const char *why;
	uint64_t v;
	uint32_t mode;
	char out[64];

	if (parse_size(s, &v) == 0)
		assert(v <= INT64_MAX && *format_size(out, sizeof out, v));
	if (parse_duration(s, &v) == 0)
		assert(v <= INT64_MAX && *format_duration(out, sizeof out, v));
	if (parse_mode(s, &mode) == 0)
		assert(mode <= 07777);
	if (digest_parse(s, &d, &why) == 0)
		assert(d.len == digest_algo_size(d.algo));
}

/* A range has one form; what holds its first address is judged without a crash,
 * and a refusal has its words. */
static void
try_range(const char *s)
{
	AUTO_FREE char *why = NULL;
	struct address_range r, again;
	struct address_verdict v;
	struct address_policy *p;
	char out[ADDRESS_TEXT_MAX];

	if (address_range_parse(s, &r, &why) < 0) {
		assert(why && *why);
		return;
	}
	assert(r.bits <= (r.first.v6 ? 128U : 32U));
	assert(address_range_parse(address_range_format(&r, out), &again, &why) == 0);
	assert(again.bits == r.bits && memcmp(&again.first, &r.first, sizeof r.first) == 0);
	assert(address_is_in(&r.first, out, strlen(out)));
	p = address_policy_new();
	address_judge(p, &r.first, true, &v);
	assert(v.refused == (v.why[0] != '\0') && !(v.refused && v.is_public));
	address_policy_add(p, &r, false);
	address_judge(p, &r.first, false, &v);
	assert(v.refused && strlen(v.why) < sizeof v.why - 1);
	address_policy_free(p);
}

enum { NOW = 1795341600 };

/* The next times lie behind the ones before, and a rule's spans hold their instants. */
static void
try_times(const char *s)
{
	AUTO_FREE char *why = NULL, *why_not = NULL;
	AUTO_ZONE struct zone *z = NULL;
	struct calendar c;
	int64_t t = NOW, at;

	if (zone_parse_rule(s, &z) < 0 && zone_parse_rule("CET-1CEST,M3.5.0,M10.5.0/3", &z) < 0)
		assert(0);
	for (unsigned i = 0; i < 4; i++) {
		struct zone_span span = zone_span_at(z, t);

		assert(span.start <= t && t < span.end);
		t = span.end == INT64_MAX ? t + 1 : span.end;
	}
	if (calendar_parse(s, &c, &why) < 0) {
		assert(why && *why);
	} else {
		t = NOW;
		for (unsigned i = 0; i < 4; i++) {
			at = calendar_next(&c, z, t);
			assert(at > t);
			if (at == CALENDAR_NEVER) { /* all of them in the hour that is skipped: "* 2 28 3 *" on Sundays */
				assert(c.pattern);
				break;
			}
			t = at;
		}
	}
	if (moment_parse(s, MOMENT_FUTURE, NOW, &at, &why_not) < 0)
		assert(why_not && *why_not);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	AUTO_FREE char *s = xstrndup((const char *)data, n), *redacted = url_redact(s);
	AUTO_FREE char *name = NULL, *host = NULL;
	const char *why = NULL;
	struct url u;

	if (url_parse(s, &u, &why) < 0) {
		assert(why && *why);
		check_redacted(redacted, NULL);
	} else {
		assert(is_inside(u.scheme, s) && is_inside(u.userinfo, s) && is_inside(u.host, s));
		assert(is_inside(u.path, s) && is_inside(u.query, s) && is_inside(u.fragment, s));
		assert(u.port <= 65535 && url_same_origin(&u, &u));
		name = url_filename(&u);
		host = url_host(&u);
		assert(strlen(host) <= 255);
		check_name(name);
		check_redacted(redacted, &u);
	}
	try_numbers(s);
	try_range(s);
	try_times(s);
	return 0;
}
