/* How many requests in which time; see request_rate.h. */
#include "model/request_rate.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

enum { SPAN_BITS = 40, COUNT_MOST = 1000000 };

#define SPAN_MOST_MS (UINT64_C(366) * 24 * 3600 * 1000)
#define NSEC_PER_MS UINT64_C(1000000)

int
request_rate_parse(const char *text, uint64_t *ret)
{
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	uint64_t count, span = 1000;
	char one[16];
	int r = parse_u64_n(text, n, 10, &count);

	if (r < 0)
		return r;
	if (slash && slash[1] >= '0' && slash[1] <= '9') {
		r = parse_duration(slash + 1, &span);
	} else if (slash) { /* "s" is one of them */
		if (!slash[1] || snprintf(one, sizeof one, "1%s", slash + 1) >= (int)sizeof one)
			return -EINVAL;
		r = parse_duration(one, &span);
	}
	if (r < 0)
		return r;
	if (!span)
		return -EINVAL;
	if (count > COUNT_MOST || span > SPAN_MOST_MS)
		return -ERANGE;
	*ret = count ? count << SPAN_BITS | span : 0;
	return 0;
}

char *
request_rate_format(char *out, size_t n, uint64_t rate)
{
	static const struct {
		uint64_t ms;
		char name[4];
	} units[] = { { 24 * 3600 * 1000, "d" }, { 3600 * 1000, "h" }, { 60 * 1000, "m" }, { 1000, "s" }, { 1, "ms" } };
	uint64_t count = rate >> SPAN_BITS, span = rate & ((UINT64_C(1) << SPAN_BITS) - 1);
	size_t u = 0;

	if (!count) {
		(void)snprintf(out, n, "0");
		return out;
	}
	while (span % units[u].ms)
		u++;
	if (span == units[u].ms)
		(void)snprintf(out, n, "%" PRIu64 "/%s", count, units[u].name);
	else
		(void)snprintf(out, n, "%" PRIu64 "/%" PRIu64 "%s", count, span / units[u].ms, units[u].name);
	return out;
}

uint64_t
request_rate_interval_ns(uint64_t rate)
{
	uint64_t count = rate >> SPAN_BITS, span = rate & ((UINT64_C(1) << SPAN_BITS) - 1);

	return count ? (span * NSEC_PER_MS + count - 1) / count : 0;
}
