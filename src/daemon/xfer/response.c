/* The header of an HTTP answer; see response.h. */
#include "daemon/xfer/response.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"

struct span { /* borrowed bytes of a line */
	const char *at;
	size_t len;
};

/* Bits of response.seen; the CLASH_ bit says that two values differed. */
enum {
	SEEN_ETAG = 1 << 0,
	SEEN_LAST_MODIFIED = 1 << 1,
	SEEN_DATE = 1 << 2,
	SEEN_LOCATION = 1 << 3,
	SEEN_RANGE = 1 << 4,
	CLASH_ETAG = 1 << 8,
	CLASH_LOCATION = 1 << 9,
};

/* What one answer told; the counts of the transfer and `malformed` stay. */
static void
forget(struct response *r)
{
	free(r->etag);
	free(r->location);
	*r = (struct response){
		.malformed = r->malformed,
		.lines = r->lines,
		.bytes = r->bytes,
		.last_modified = -1,
		.date = -1,
		.retry_after_s = -1,
		.retry_after_at = -1,
	};
}

void
response_init(struct response *r)
{
	*r = (struct response){ 0 };
	forget(r);
}

void
response_done(struct response *r)
{
	free(r->etag);
	free(r->location);
	*r = (struct response){ 0 };
}

static int
fail(struct response *r, const char *why)
{
	r->malformed = r->malformed ? r->malformed : why;
	return -EPROTO;
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* token of RFC 9110 5.6.2 */
static bool
is_token_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) ||
	    (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct span
trim(struct span s)
{
	while (s.len && is_blank(s.at[0])) {
		s.at++;
		s.len--;
	}
	while (s.len && is_blank(s.at[s.len - 1]))
		s.len--;
	return s;
}

static bool
span_equal(struct span s, const char *text)
{
	return text_equal_nocase(s.at, s.len, text);
}

/* Takes the first member off a comma-separated list; false at its end.  Empty
 * members are handed out too: the caller knows whether they are allowed. */
static bool
next_member(struct span *list, struct span *ret)
{
	const char *comma;
	size_t n;

	if (!list->at)
		return false;
	comma = memchr(list->at, ',', list->len);
	n = comma ? (size_t)(comma - list->at) : list->len;
	*ret = trim((struct span){ list->at, n });
	if (comma)
		*list = (struct span){ comma + 1, list->len - n - 1 };
	else
		list->at = NULL;
	return true;
}

static bool
parse_offset(struct span s, uint64_t *ret)
{
	uint64_t v;

	if (parse_u64_n(s.at, s.len, 10, &v) < 0 || v > INT64_MAX)
		return false;
	*ret = v;
	return true;
}

/* RFC 9110 8.6: a list of equal values is one value, all else is refused. */
static void
take_content_length(struct response *r, struct span value)
{
	struct span one;
	uint64_t v;

	while (next_member(&value, &one)) {
		if (!parse_offset(one, &v)) {
			(void)fail(r, "its Content-Length is no number of bytes");
			return;
		}
		if (r->has_length && r->length != v) {
			(void)fail(r, "it has two different Content-Lengths");
			return;
		}
		r->has_length = true;
		r->length = v;
	}
}

/* Keeps the name of the first coding that is refused, to show it. */
static void
note_coding(struct response *r, struct span name)
{
	size_t n = 0;

	if (r->coding[0])
		return;
	while (n < name.len && n + 1 < sizeof r->coding && is_token_char(name.at[n])) {
		r->coding[n] = name.at[n];
		n++;
	}
	if (n == 0)
		r->coding[n++] = '?';
	r->coding[n] = '\0';
}

/* RFC 9112 6.1: chunked is the last coding, and applied once. */
static void
take_transfer_encoding(struct response *r, struct span value)
{
	struct span one;

	r->has_transfer_coding = true;
	while (next_member(&value, &one)) {
		if (r->chunked && one.len) {
			(void)fail(r, "chunked is not its last transfer coding");
			return;
		}
		if (span_equal(one, "chunked")) {
			r->chunked = true;
		} else if (one.len && !span_equal(one, "identity")) {
			r->other_transfer_coding = true;
			note_coding(r, one);
		}
	}
}

static void
take_content_encoding(struct response *r, struct span value)
{
	struct span one;

	while (next_member(&value, &one)) {
		if (!one.len || span_equal(one, "identity"))
			continue;
		r->coded = true;
		note_coding(r, one);
	}
}

static void
take_accept_ranges(struct response *r, struct span value)
{
	struct span one;

	while (next_member(&value, &one)) {
		r->ranges_bytes |= span_equal(one, "bytes");
		r->ranges_none |= span_equal(one, "none");
	}
}

/* entity-tag of RFC 9110 8.8.3 without its "W/" */
static bool
is_opaque_tag(struct span s)
{
	if (s.len < 2 || s.at[0] != '"' || s.at[s.len - 1] != '"')
		return false;
	for (size_t i = 1; i + 1 < s.len; i++)
		if ((unsigned char)s.at[i] <= 0x20 || s.at[i] == '"' || s.at[i] == 0x7f)
			return false;
	return true;
}

/* Keeps the value of a field that may come once, or several times the same. */
static void
keep_once(struct response *r, struct span value, unsigned seen, unsigned clash, char **field)
{
	if (!(r->seen & seen))
		*field = value.len ? xstrndup(value.at, value.len) : NULL;
	else if (!*field || strlen(*field) != value.len || memcmp(*field, value.at, value.len) != 0)
		r->seen |= clash;
	r->seen |= seen;
	if (r->seen & clash)
		free(TAKE_PTR(*field));
}

static void
take_etag(struct response *r, struct span value)
{
	bool weak = value.len >= 2 && memcmp(value.at, "W/", 2) == 0;

	if (weak)
		value = (struct span){ value.at + 2, value.len - 2 };
	weak = weak || !is_opaque_tag(value);
	if (r->seen & SEEN_ETAG && r->etag_weak != weak)
		r->seen |= CLASH_ETAG;
	if (value.len > RESPONSE_ETAG_MAX)
		value.len = 0;
	keep_once(r, value, SEEN_ETAG, CLASH_ETAG, &r->etag);
	r->etag_weak = r->etag && weak;
}

static void
take_date(struct response *r, struct span value, unsigned bit, int64_t *field)
{
	int64_t t = http_date_parse(value.at, value.len, clock_wall_s());

	*field = r->seen & bit && *field != t ? -1 : t;
	r->seen |= bit;
}

static void
take_last_modified(struct response *r, struct span value)
{
	take_date(r, value, SEEN_LAST_MODIFIED, &r->last_modified);
}

static void
take_own_date(struct response *r, struct span value)
{
	take_date(r, value, SEEN_DATE, &r->date);
}

static void
take_location(struct response *r, struct span value)
{
	if (value.len > RESPONSE_LOCATION_MAX)
		(void)fail(r, "its Location is longer than 8 KiB");
	else
		keep_once(r, value, SEEN_LOCATION, CLASH_LOCATION, &r->location);
}

/* "bytes 0-99/200", "bytes 0-99/" "*", "bytes *" "/200"; RFC 9110 14.4. */
static struct content_range
parse_range(struct span s)
{
	const struct content_range bad = { .kind = RANGE_BAD };
	struct content_range ret = { .total = UINT64_MAX };
	struct span part, total;
	const char *slash, *dash;

	if (s.len < 6 || !span_equal((struct span){ s.at, 6 }, "bytes "))
		return bad;
	s = (struct span){ s.at + 6, s.len - 6 };
	slash = memchr(s.at, '/', s.len);
	if (!slash)
		return bad;
	part = (struct span){ s.at, (size_t)(slash - s.at) };
	total = (struct span){ slash + 1, s.len - part.len - 1 };
	if (!span_equal(total, "*") && !parse_offset(total, &ret.total))
		return bad;
	ret.kind = span_equal(part, "*") ? RANGE_UNSATISFIED : RANGE_PART;
	if (ret.kind == RANGE_UNSATISFIED)
		return ret.total == UINT64_MAX ? bad : ret;
	dash = memchr(part.at, '-', part.len);
	if (!dash || !parse_offset((struct span){ part.at, (size_t)(dash - part.at) }, &ret.start) ||
	    !parse_offset((struct span){ dash + 1, (size_t)(slash - dash - 1) }, &ret.end) ||
	    ret.start > ret.end || ret.end >= ret.total)
		return bad;
	return ret;
}

static void
take_content_range(struct response *r, struct span value)
{
	struct content_range got = parse_range(value);

	if (r->seen & SEEN_RANGE &&
	    (got.kind != r->range.kind || got.start != r->range.start ||
		got.end != r->range.end || got.total != r->range.total))
		got = (struct content_range){ .kind = RANGE_BAD };
	r->range = got;
	r->seen |= SEEN_RANGE;
}

/* Of several the longest counts: being late is better than being rude. */
static void
take_retry_after(struct response *r, struct span value)
{
	uint64_t v;
	int e = parse_u64_n(value.at, value.len, 10, &v);

	if (e == -ERANGE || (e == 0 && v > INT32_MAX))
		v = INT32_MAX;
	if (e != -EINVAL)
		r->retry_after_s = MAX(r->retry_after_s, (int64_t)v);
	else
		r->retry_after_at = MAX(r->retry_after_at,
		    http_date_parse(value.at, value.len, clock_wall_s()));
}

static const struct {
	const char *name;
	void (*take)(struct response *r, struct span value);
} fields[] = {
	{ "Content-Length", take_content_length },
	{ "Transfer-Encoding", take_transfer_encoding },
	{ "Content-Encoding", take_content_encoding },
	{ "ETag", take_etag },
	{ "Last-Modified", take_last_modified },
	{ "Date", take_own_date },
	{ "Location", take_location },
	{ "Content-Range", take_content_range },
	{ "Accept-Ranges", take_accept_ranges },
	{ "Retry-After", take_retry_after },
};

static int
take_field(struct response *r, struct span line)
{
	const char *colon = memchr(line.at, ':', line.len);
	struct span name, value;

	if (!colon)
		return fail(r, "it has a header line without a colon");
	name = (struct span){ line.at, (size_t)(colon - line.at) };
	value = trim((struct span){ colon + 1, line.len - name.len - 1 });
	if (!name.len)
		return fail(r, "it has a header without a name");
	for (size_t i = 0; i < name.len; i++)
		if (!is_token_char(name.at[i]))
			return fail(r, "the name of a header has characters that no name may have");
	r->foldable = true;
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (span_equal(name, fields[i].name)) {
			r->foldable = false;
			fields[i].take(r, value);
		}
	return r->malformed ? -EPROTO : 0;
}

/* "HTTP/1.1 200 Fine", and libcurl's "HTTP/2 200 "; RFC 9112 section 4. */
static int
take_status_line(struct response *r, struct span line)
{
	const char *p = line.at + 5, *end = line.at + line.len;
	unsigned major, minor = 0;

	if (line.len < 10 || memcmp(line.at, "HTTP/", 5) != 0 || !is_digit(*p))
		return fail(r, "it does not begin with an HTTP status line");
	major = (unsigned)(*p++ - '0');
	if (*p == '.' && is_digit(p[1])) {
		minor = (unsigned)(p[1] - '0');
		p += 2;
	}
	if (end - p < 4 || p[0] != ' ' || p[1] < '1' || !is_digit(p[1]) || !is_digit(p[2]) ||
	    !is_digit(p[3]) || (end - p > 4 && p[4] != ' '))
		return fail(r, "its status line cannot be read");
	forget(r);
	r->major = major;
	r->minor = minor;
	r->status = (p[1] - '0') * 100 + (p[2] - '0') * 10 + (p[3] - '0');
	r->state = RESPONSE_FIELDS;
	return 0;
}

static int
take_line(struct response *r, struct span line)
{
	if (r->state == RESPONSE_IN_BODY)
		return 0;
	if (r->state == RESPONSE_START)
		return take_status_line(r, line);
	if (r->state == RESPONSE_ENDED) {
		if (line.len < 5 || memcmp(line.at, "HTTP/", 5) != 0)
			return 0; /* a trailer of an empty body */
		/* No trailer's name has a "/", and behind a success no answer follows. */
		if (r->status >= 200 && r->status < 300)
			return fail(r, "it has a status line among its trailers");
		return take_status_line(r, line);
	}
	if (line.len == 0) {
		r->state = RESPONSE_ENDED;
		return 0;
	}
	if (!is_blank(line.at[0]))
		return take_field(r, line);
	/* RFC 9112 5.2 lets us unfold; but libcurl does not, and must read the
	 * fields that frame the body as we do. */
	return r->foldable ? 0 : fail(r, "a header that matters is folded over several lines");
}

int
response_line(struct response *r, const char *data, size_t n)
{
	struct span line = { data, n };

	r->lines++;
	r->bytes += n;
	if (r->malformed)
		return -EPROTO;
	if (n > RESPONSE_BYTES_MAX || r->bytes > RESPONSE_BYTES_MAX)
		return fail(r, "its header is longer than 64 KiB");
	if (r->lines > RESPONSE_LINES_MAX)
		return fail(r, "its header has more than 256 lines");
	if (line.len && line.at[line.len - 1] == '\n')
		line.len--;
	if (line.len && line.at[line.len - 1] == '\r')
		line.len--;
	for (size_t i = 0; i < line.len; i++)
		if (line.at[i] == '\0' || line.at[i] == '\r' || line.at[i] == '\n')
			return fail(r, "a header line has a NUL byte or a line end inside");
	return take_line(r, line);
}

void
response_body_started(struct response *r)
{
	if (r->state != RESPONSE_ENDED && r->state != RESPONSE_IN_BODY)
		(void)fail(r, "it has a body without a header");
	r->state = RESPONSE_IN_BODY;
}

bool
response_is_final(const struct response *r)
{
	return r->status >= 200 && r->state >= RESPONSE_ENDED;
}

int64_t
response_retry_after(const struct response *r, int64_t now_s)
{
	int64_t wait = -1;

	if (r->retry_after_at >= 0)
		wait = MAX(r->retry_after_at - (r->date >= 0 ? r->date : now_s), 0);
	return MAX(wait, r->retry_after_s);
}

/*
 * Matches s against a form: D a digit of the day, d the same or a blank, NNN a
 * month's name, Y year, h m s time; everything else stands for itself.
 */
static bool
match_date(const char *s, size_t n, const char *form, struct tm *ret)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct tm t = { 0 };

	if (strlen(form) != n)
		return false;
	for (size_t i = 0; i < n; i++) {
		int v = is_digit(s[i]) ? s[i] - '0' : -1;
		int *field = form[i] == 'D' || form[i] == 'd' ? &t.tm_mday : form[i] == 'Y' ? &t.tm_year
		    : form[i] == 'h' ? &t.tm_hour : form[i] == 'm' ? &t.tm_min
		    : form[i] == 's' ? &t.tm_sec : NULL;

		if (field) {
			if (v < 0 && !(form[i] == 'd' && s[i] == ' '))
				return false;
			*field = *field * 10 + MAX(v, 0);
		} else if (form[i] == 'N') {
			const char *at = memmem(months, sizeof months - 1, s + i, 3);

			if (!at || (at - months) % 3)
				return false;
			t.tm_mon = (int)(at - months) / 3;
			i += 2;
		} else if (s[i] != form[i]) {
			return false;
		}
	}
	*ret = t;
	return true;
}

static bool
is_date(const struct tm *t)
{
	static const int lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = t->tm_year % (t->tm_year % 100 ? 4 : 400) == 0;
	int days = lengths[t->tm_mon] + (t->tm_mon == 1 && leap);

	return t->tm_year >= 1970 && t->tm_mday >= 1 && t->tm_mday <= days && t->tm_hour <= 23 &&
	    t->tm_min <= 59 && t->tm_sec <= 60;
}

/* The length of the day's name that s begins with, whole or its first three
 * letters; 0: none. */
static size_t
day_name(const char *s, size_t n)
{
	static const char *const names[] = { "Monday", "Tuesday", "Wednesday", "Thursday",
		"Friday", "Saturday", "Sunday" };
	size_t len = 0;

	while (len < n && s[len] != ',' && s[len] != ' ')
		len++;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if ((len == 3 || len == strlen(names[i])) && memcmp(s, names[i], len) == 0)
			return len;
	return 0;
}

/* RFC 9110 5.6.7: a year more than 50 years ahead is one of the past. */
static int
full_year(int two_digits, int64_t now_s)
{
	time_t now = (time_t)now_s;
	struct tm t;
	int year;

	if (!gmtime_r(&now, &t))
		return -1;
	year = (t.tm_year + 1900) / 100 * 100 + two_digits;
	if (year > t.tm_year + 1900 + 50)
		year -= 100;
	else if (year <= t.tm_year + 1900 - 50)
		year += 100;
	return year;
}

int64_t
http_date_parse(const char *s, size_t n, int64_t now_s)
{
	size_t day = day_name(s, n);
	struct tm t;

	s += day;
	n -= day;
	if (day > 3 && match_date(s, n, ", DD-NNN-YY hh:mm:ss GMT", &t))
		t.tm_year = full_year(t.tm_year, now_s);
	else if (day != 3 || (!match_date(s, n, ", DD NNN YYYY hh:mm:ss GMT", &t) &&
			      !match_date(s, n, " NNN dD hh:mm:ss YYYY", &t)))
		return -1;
	if (!is_date(&t))
		return -1;
	t.tm_year -= 1900;
	return timegm(&t);
}
