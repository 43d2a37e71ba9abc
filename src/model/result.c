/* How a job ends; see result.h. */
#include "model/result.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

#define S RESULT_OF_SOURCE
#define O RESULT_OF_ORIGIN
#define C RESULT_CHOICE

static const struct {
	const char *name;
	enum result_class class;
	unsigned flags;
} codes[_RESULT_CODE_MAX] = {
	[RESULT_OK] = { "done", CLASS_OK, 0 },
	[RESULT_DNS] = { "dns", CLASS_RETRY_NOW, S | O | C },
	[RESULT_CONNECT] = { "connect", CLASS_RETRY_NOW, S | O | C },
	[RESULT_TLS] = { "tls", CLASS_PERMANENT, S | O | C },
	[RESULT_PROXY] = { "proxy", CLASS_RETRY_NOW, S | O | C },
	[RESULT_HTTP] = { "http", CLASS_PERMANENT, S }, /* but see result_class() */
	[RESULT_STALLED] = { "stalled", CLASS_RETRY_NOW, S | O | C },
	[RESULT_TIMEOUT] = { "timeout", CLASS_RETRY_NOW, S | O | C },
	[RESULT_DEADLINE] = { "deadline", CLASS_PERMANENT, 0 },
	[RESULT_TRUNCATED] = { "truncated", CLASS_RETRY_NOW, S | C },
	[RESULT_UNPROVEN] = { "unproven", CLASS_PERMANENT, S | C },
	[RESULT_RANGE_CHANGED] = { "range-changed", CLASS_RETRY_NOW, S | C },
	[RESULT_TOO_LARGE] = { "too-large", CLASS_PERMANENT, S },
	[RESULT_SIZE_MISMATCH] = { "size-mismatch", CLASS_FETCH_ANEW, S | C },
	[RESULT_CHECKSUM_MISMATCH] = { "checksum-mismatch", CLASS_FETCH_ANEW, S | C },
	[RESULT_SIGNATURE_BAD] = { "signature-bad", CLASS_PERMANENT, 0 },
	[RESULT_ENCODING_REFUSED] = { "encoding-refused", CLASS_PERMANENT, S | C },
	[RESULT_DECODE] = { "decode", CLASS_FETCH_ANEW, S | C },
	[RESULT_EXPANSION_LIMIT] = { "expansion-limit", CLASS_PERMANENT, S },
	[RESULT_DISK_FULL] = { "disk-full", CLASS_PERMANENT, 0 },
	[RESULT_WRITE] = { "write", CLASS_PERMANENT, 0 },
	[RESULT_EXISTS] = { "exists", CLASS_PERMANENT, 0 },
	[RESULT_PATH_REFUSED] = { "path-refused", CLASS_PERMANENT, 0 },
	[RESULT_REDIRECT_REFUSED] = { "redirect-refused", CLASS_PERMANENT, S },
	[RESULT_ADDRESS_REFUSED] = { "address-refused", CLASS_PERMANENT, S },
	[RESULT_UNSUPPORTED] = { "unsupported", CLASS_PERMANENT, 0 },
	[RESULT_WORKER_CRASHED] = { "worker-crashed", CLASS_PERMANENT, 0 },
	[RESULT_HOOK_FAILED] = { "hook-failed", CLASS_PERMANENT, 0 },
	[RESULT_CANCELLED] = { "cancelled", CLASS_CANCELLED, 0 },
	[RESULT_INTERRUPTED] = { "interrupted", CLASS_CANCELLED, 0 },
	[RESULT_SIBLING_FAILED] = { "sibling-failed", CLASS_CANCELLED, 0 },
	[RESULT_DEPENDENCY_FAILED] = { "dependency-failed", CLASS_PERMANENT, 0 },
	[RESULT_INTERNAL] = { "internal", CLASS_PERMANENT, 0 },
	[RESULT_PROTOCOL] = { "protocol", CLASS_RETRY_NOW, S | C },
	[RESULT_NOT_YET_VALID] = { "not-yet-valid", CLASS_RETRY_LATER, S | O | C },
	[RESULT_NOT_NEEDED] = { "not-needed", CLASS_CANCELLED, 0 },
};

#undef S
#undef O
#undef C

/* Numbers that were given to nothing (yet) are gaps in the table. */
static bool
is_code(enum result_code c)
{
	return c < _RESULT_CODE_MAX && codes[c].name;
}

const char *
result_code_to_string(enum result_code c)
{
	return is_code(c) ? codes[c].name : "internal";
}

enum result_code
result_code_from_string(const char *word)
{
	for (unsigned c = 0; c < _RESULT_CODE_MAX; c++)
		if (is_code((enum result_code)c) && text_equal(codes[c].name, word))
			return (enum result_code)c;
	return RESULT_OK;
}

const char *
result_word(const struct result *r)
{
	static char word[16];

	if (r->code != RESULT_HTTP)
		return result_code_to_string(r->code);
	(void)snprintf(word, sizeof word, "http-%03d", r->http_status % 1000);
	return word;
}

/* RFC 9110 section 15 and RFC 6585: which answers may change by themselves. */
static enum result_class
http_class(int status)
{
	switch (status) {
	case 408:
	case 425:
	case 429:
	case 500:
	case 502:
	case 503:
	case 504:
		return CLASS_RETRY_LATER;
	default:
		return status > 504 ? CLASS_RETRY_LATER : CLASS_PERMANENT;
	}
}

enum result_class
result_class(const struct result *r)
{
	if (r->code == RESULT_HTTP)
		return http_class(r->http_status);
	return is_code(r->code) ? codes[r->code].class : CLASS_PERMANENT;
}

unsigned
result_code_flags(enum result_code c)
{
	return c < _RESULT_CODE_MAX ? codes[c].flags : 0;
}

bool
result_is_of_origin(const struct result *r)
{
	/* What stands before the origin says that it is away, or it does itself, or it is
	 * asked for more than it wants to give us. */
	if (r->code == RESULT_HTTP)
		return r->http_status == 429 || (r->http_status >= 502 && r->http_status <= 504);
	return result_code_flags(r->code) & RESULT_OF_ORIGIN;
}

void
result_set(struct result *r, enum result_code code, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	r->code = code;
	(void)str_safe(r->text, sizeof r->text, text, strlen(text));
}

/* The clause is cut to half of it all, the cause to what is left. */
static void __attribute__((format(printf, 3, 0)))
join(struct result *r, bool before, const char *fmt, va_list ap)
{
	char clause[1024], safe[RESULT_TEXT_MAX / 2], cause[RESULT_TEXT_MAX];
	const char *first = before ? safe : cause, *second = before ? cause : safe;
	size_t n;

	(void)vsnprintf(clause, sizeof clause, fmt, ap);
	(void)str_safe_again(safe, sizeof safe, clause, strlen(clause));
	(void)str_safe_again(cause, sizeof cause - strlen(safe), r->text, strlen(r->text));
	n = strlen(first);
	memcpy(r->text, first, n);
	memcpy(r->text + n, second, strlen(second) + 1);
}

void
result_add(struct result *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	join(r, false, fmt, ap);
	va_end(ap);
}

void
result_lead(struct result *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	join(r, true, fmt, ap);
	va_end(ap);
}

void
result_set_errno(struct result *r, int err, const char *doing, const char *what)
{
	enum result_code code = RESULT_WRITE;

	switch (err) {
	case ENOSPC:
	case EDQUOT:
		code = RESULT_DISK_FULL;
		break;
	case EEXIST:
		code = RESULT_EXISTS;
		break;
	case ELOOP:
	case EXDEV:
	case ENOTDIR:
	case EISDIR:
		code = RESULT_PATH_REFUSED;
		break;
	default:
		break;
	}
	r->os_error = err;
	result_set(r, code, "cannot %s %s: %s", doing, what, strerror(err));
}
