/*
 * The header of an HTTP answer and the judgement on its body.  Lines end in
 * LF; a line that is "%" alone starts the body.
 */
#include <assert.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "daemon/xfer/complete.h"
#include "daemon/xfer/response.h"
#include "fuzz.h"

const char fuzz_name[] = "response";

/* What no header may talk the judge into; see check_complete.c. */
static void
judge(const struct response *r, enum transfer_end end, uint64_t received, unsigned flags)
{
	struct complete_input in = {
		.response = r,
		.end = end,
		.received = received,
		.tls = flags & 1,
		.close_notify = flags & 2,
		.has_digest = flags & 4,
		.has_codec = flags & 8,
		.allow_unproven = flags & 16,
	};
	struct result res;
	enum proof p = complete_judge(&in, &res);

	if (res.code != RESULT_OK) {
		assert(p == PROOF_NONE && res.text[0]);
		return;
	}
	assert(r->status == 200 && !r->malformed);
	assert(p != PROOF_NONE || flags & 28);
	assert(end == END_CLEAN || (r->has_length && r->length == received));
	assert(!r->coded || in.has_digest);
}

static void
check(const struct response *r)
{
	assert(r->length <= INT64_MAX);
	assert(r->status == 0 || (r->status >= 100 && r->status <= 999));
	assert(r->last_modified >= -1 && r->date >= -1);
	assert(response_retry_after(r, 0) >= -1);
	assert(!r->etag || (strlen(r->etag) <= RESPONSE_ETAG_MAX && *r->etag));
	assert(!r->location || strlen(r->location) <= RESPONSE_LOCATION_MAX);
	assert(strlen(r->coding) < sizeof r->coding);
	if (r->range.kind == RANGE_PART)
		assert(r->range.start <= r->range.end && r->range.end < r->range.total);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const char *p = (const char *)data;
	struct response r;

	(void)http_date_parse(p, n, 1790000000);
	response_init(&r);
	for (size_t at = 0; at < n;) {
		const char *nl = memchr(p + at, '\n', n - at);
		size_t len = nl ? (size_t)(nl - p) - at + 1 : n - at;
		/* From an exact copy, as a short read would be. */
		AUTO_FREE char *line = xmemdup(p + at, len);

		if (len == 2 && line[0] == '%')
			response_body_started(&r);
		else if (response_line(&r, line, len) < 0)
			assert(r.malformed);
		at += len;
	}
	check(&r);
	for (int end = 0; end < _TRANSFER_END_MAX; end++) {
		judge(&r, (enum transfer_end)end, 5, (unsigned)n % 32);
		judge(&r, (enum transfer_end)end, r.length, (unsigned)n % 32);
	}
	response_done(&r);
	return 0;
}
