/* Is this body whole?  See complete.h. */
#include "daemon/xfer/complete.h"

#include "base/cleanup.h"
#include "base/str.h"

enum framing { /* how the end of the body is told; RFC 9112 6.3 */
	FRAMING_LENGTH,  /* also of a rest: Content-Range has told how much that is */
	FRAMING_CHUNKED, /* goes before a length */
	FRAMING_STREAM,  /* HTTP/2 and later, without a length */
	FRAMING_CLOSE,   /* by the end of the connection */
	FRAMING_TLS_CLOSE, /* the same, and close_notify came */
	_FRAMING_MAX
};

struct verdict {
	enum result_code code;
	enum proof proof;
	const char *text; /* of a code other than RESULT_OK and RESULT_UNPROVEN: what ends
			   * "the body is cut after N bytes: ..." ; of RESULT_UNPROVEN: why */
};

/* FRAMING_LENGTH is not in here: it is a matter of counting. */
static const struct verdict verdicts[_FRAMING_MAX][_TRANSFER_END_MAX] = {
	[FRAMING_CHUNKED] = {
		[END_CLEAN] = { RESULT_OK, PROOF_CHUNKED, NULL },
		[END_PARTIAL] = { RESULT_TRUNCATED, PROOF_NONE, "the last chunk did not come" },
		[END_RECV_ERROR] = { RESULT_TRUNCATED, PROOF_NONE,
		    "the connection failed, or a chunk was not well-formed" },
		[END_STREAM_ERROR] = { RESULT_TRUNCATED, PROOF_NONE, "the stream was reset" },
	},
	[FRAMING_STREAM] = {
		/* libcurl 7.88.1 also says so of a stream reset with NO_ERROR and of
		 * some that a GOAWAY ends (fixed in 8.0). */
		[END_CLEAN] = { RESULT_UNPROVEN, PROOF_NONE,
		    "the server told no length, and an HTTP/2 stream may be cut unseen" },
		[END_PARTIAL] = { RESULT_TRUNCATED, PROOF_NONE, "the stream was closed" },
		[END_RECV_ERROR] = { RESULT_TRUNCATED, PROOF_NONE, "the connection failed" },
		[END_STREAM_ERROR] = { RESULT_TRUNCATED, PROOF_NONE, "the stream was reset" },
	},
	[FRAMING_CLOSE] = {
		[END_CLEAN] = { RESULT_UNPROVEN, PROOF_NONE,
		    "the server told no length and ended it by closing the connection" },
		[END_PARTIAL] = { RESULT_TRUNCATED, PROOF_NONE, "the connection was closed" },
		[END_RECV_ERROR] = { RESULT_TRUNCATED, PROOF_NONE, "the connection failed" },
		[END_STREAM_ERROR] = { RESULT_TRUNCATED, PROOF_NONE, "the stream was reset" },
	},
	[FRAMING_TLS_CLOSE] = {
		[END_CLEAN] = { RESULT_OK, PROOF_CLOSE_NOTIFY, NULL },
		[END_PARTIAL] = { RESULT_TRUNCATED, PROOF_NONE, "the connection was closed" },
		[END_RECV_ERROR] = { RESULT_TRUNCATED, PROOF_NONE, "the connection failed" },
		[END_STREAM_ERROR] = { RESULT_TRUNCATED, PROOF_NONE, "the stream was reset" },
	},
};

static const struct {
	int status;
	const char *text;
} statuses[] = {
	{ 203, "a proxy changed the file (203)" },
	{ 204, "the server says that there is no content (204)" },
	{ 205, "the server says that there is no content (205)" },
	{ 206, "the server sent a part of the file (206), though none was asked for" },
	{ 304, "the server says not modified (304), though nothing was asked about that" },
	{ 401, "the server wants a user name and password (401)" },
	{ 403, "the server does not allow it (403)" },
	{ 404, "the server does not have it (404)" },
	{ 407, "the proxy wants a user name and password (407)" },
	{ 410, "the server does not have it any more (410)" },
	{ 416, "the server refuses a range (416), though none was asked for" },
	{ 429, "the server asks for fewer requests (429)" },
	{ 503, "the server is not available now (503)" },
};

static void
set_status(const struct response *r, struct result *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(statuses); i++)
		if (statuses[i].status == r->status) {
			result_set(ret, RESULT_HTTP, "%s", statuses[i].text);
			return;
		}
	if (r->status >= 300 && r->status < 400)
		result_set(ret, RESULT_HTTP, "the server sent a redirect that leads nowhere (%d)",
		    r->status);
	else
		result_set(ret, RESULT_HTTP, "the server answered %d", r->status);
}

enum { STRONG_AFTER_S = 60 };

bool
complete_is_strong(const struct response *r)
{
	if (r->etag)
		return !r->etag_weak;
	return r->last_modified >= 0 && r->date >= r->last_modified + STRONG_AFTER_S;
}

static const char *
rest_differs(const struct response *r, const struct complete_rest *rest)
{
	const struct content_range *c = &r->range;

	if (r->coded)
		return "it is coded now";
	if (c->kind != RANGE_PART)
		return "its Content-Range cannot be read";
	if (c->start != rest->start || c->end != rest->total - 1 || c->total != rest->total)
		return "it is another range, or of a file of another size";
	if (r->has_length && !r->chunked && r->length != rest->total - rest->start)
		return "its length is not that of the rest";
	if (rest->etag ? !r->etag || r->etag_weak || !text_equal(r->etag, rest->etag) : r->last_modified != rest->modified)
		return "its validator is another one";
	return NULL;
}

bool
complete_is_rest(const struct response *r, const struct complete_rest *rest, struct result *ret)
{
	const char *why;

	*ret = (struct result){ .http_status = r->status };
	if (r->status == 200 || r->status == 416) {
		result_set(ret, RESULT_RANGE_CHANGED,
		    "the server does not go on at byte %llu (%d): the file changed, or it cannot", (unsigned long long)rest->start,
		    r->status);
		return false;
	}
	if (r->status != 206) {
		set_status(r, ret);
		return false;
	}
	why = rest_differs(r, rest);
	if (why)
		result_set(ret, RESULT_RANGE_CHANGED, "what the server sends from byte %llu on is not the rest of this file: %s",
		    (unsigned long long)rest->start, why);
	return !why;
}

/* What the header alone decides; false when it decides nothing. */
static bool
judge_header(const struct complete_input *in, struct result *ret)
{
	const struct response *r = in->response;

	if (r->malformed)
		result_set(ret, RESULT_PROTOCOL, "the answer is not valid HTTP: %s", r->malformed);
	else if (in->end == END_GARBAGE)
		result_set(ret, RESULT_PROTOCOL, "the answer is not valid HTTP");
	else if (!response_is_final(r) && in->end == END_CLEAN)
		result_set(ret, RESULT_PROTOCOL, "the server answered without an HTTP header");
	else if (!response_is_final(r) && in->end == END_STREAM_ERROR)
		result_set(ret, RESULT_CONNECT, "the HTTP/2 stream ended before the answer came");
	else if (!response_is_final(r))
		result_set(ret, RESULT_CONNECT, "the connection failed before the answer came");
	else if (in->rest.start && !complete_is_rest(r, &in->rest, ret))
		return true;
	else if (in->conditional && !in->rest.start && r->status == 304)
		result_set(ret, RESULT_OK, "not modified");
	else if (!in->rest.start && r->status != 200)
		set_status(r, ret);
	else if (r->has_transfer_coding && (r->major != 1 || r->minor == 0))
		result_set(ret, RESULT_PROTOCOL,
		    "the answer is not valid HTTP: Transfer-Encoding in HTTP/%u.%u", r->major, r->minor);
	else if (r->other_transfer_coding)
		result_set(ret, RESULT_UNSUPPORTED, "the body has the transfer coding %s", r->coding);
	else if (r->coded && !in->has_digest)
		result_set(ret, RESULT_ENCODING_REFUSED,
		    "the server applied the content coding %s, though none was asked for", r->coding);
	else
		return false;
	return true;
}

static enum framing
framing_of(const struct complete_input *in)
{
	const struct response *r = in->response;

	if (in->rest.start)
		return FRAMING_LENGTH;
	if (r->chunked)
		return FRAMING_CHUNKED;
	if (r->has_length)
		return FRAMING_LENGTH;
	if (r->major >= 2)
		return FRAMING_STREAM;
	return in->tls && in->close_notify ? FRAMING_TLS_CLOSE : FRAMING_CLOSE;
}

/* Counting goes before what libcurl said: all bytes that were announced are
 * the whole, whatever happened to the connection behind them. */
static enum proof
judge_length(const struct complete_input *in, struct result *ret)
{
	unsigned long long want = in->rest.start ? in->rest.total - in->rest.start : in->response->length;
	unsigned long long got = in->received;

	if (got < want)
		result_set(ret, RESULT_TRUNCATED, "the body ended after %llu of %llu bytes", got, want);
	else if (got > want)
		result_set(ret, RESULT_PROTOCOL, "%llu bytes came where %llu were announced", got, want);
	else
		result_set(ret, RESULT_OK, "all %llu announced bytes came", want);
	return got == want ? PROOF_LENGTH : PROOF_NONE;
}

static void
judge_unproven(const struct complete_input *in, const char *why, struct result *ret)
{
	if (in->has_digest)
		result_set(ret, RESULT_OK, "the digest decides");
	else if (in->has_codec)
		result_set(ret, RESULT_OK, "the end of the compressed data decides");
	else if (in->allow_unproven)
		result_set(ret, RESULT_OK, "nothing proves the end; allow-unproven accepts it");
	else
		result_set(ret, RESULT_UNPROVEN,
		    "nothing proves that these %llu bytes are the whole file: %s; "
		    "give a checksum, or set allow-unproven = true",
		    (unsigned long long)in->received, why);
}

static enum proof
judge_framing(const struct complete_input *in, enum framing framing, struct result *ret)
{
	const struct verdict *v = &verdicts[framing][in->end];

	if (v->code == RESULT_UNPROVEN)
		judge_unproven(in, v->text, ret);
	else if (v->code == RESULT_OK)
		result_set(ret, RESULT_OK, "the server told the end of the body");
	else
		result_set(ret, v->code, "the body is cut after %llu bytes: %s",
		    (unsigned long long)in->received, v->text);
	return v->proof;
}

enum proof
complete_judge(const struct complete_input *in, struct result *ret)
{
	enum framing framing = framing_of(in);
	enum proof proof;

	*ret = (struct result){ .http_status = in->response->status };
	if (judge_header(in, ret))
		return PROOF_NONE;
	if (framing == FRAMING_LENGTH)
		proof = judge_length(in, ret);
	else
		proof = judge_framing(in, framing, ret);
	if (ret->code != RESULT_OK || !in->response->coded)
		return proof;
	/* The coded bytes are whole, but they are not the file that was asked for
	 * unless its digest says so. */
	result_set(ret, RESULT_OK, "the digest decides about a body coded by %s", in->response->coding);
	return PROOF_NONE;
}

const char *
proof_to_string(enum proof p)
{
	static const char *const names[_PROOF_MAX] = {
		[PROOF_NONE] = "none",
		[PROOF_LENGTH] = "length",
		[PROOF_CHUNKED] = "chunked",
		[PROOF_CLOSE_NOTIFY] = "close-notify",
	};

	return p < _PROOF_MAX ? names[p] : "?";
}
