/* How a job ends; see result.h. */
#include "model/result.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

static const struct {
	const char *name;
	enum result_class class;
} codes[_RESULT_CODE_MAX] = {
	[RESULT_OK] = { "done", CLASS_OK },
	[RESULT_DNS] = { "dns", CLASS_RETRY_NOW },
	[RESULT_CONNECT] = { "connect", CLASS_RETRY_NOW },
	[RESULT_TLS] = { "tls", CLASS_PERMANENT },
	[RESULT_PROXY] = { "proxy", CLASS_RETRY_NOW },
	[RESULT_HTTP] = { "http", CLASS_PERMANENT }, /* but see result_class() */
	[RESULT_STALLED] = { "stalled", CLASS_RETRY_NOW },
	[RESULT_TIMEOUT] = { "timeout", CLASS_RETRY_NOW },
	[RESULT_DEADLINE] = { "deadline", CLASS_PERMANENT },
	[RESULT_TRUNCATED] = { "truncated", CLASS_RETRY_NOW },
	[RESULT_UNPROVEN] = { "unproven", CLASS_PERMANENT },
	[RESULT_RANGE_CHANGED] = { "range-changed", CLASS_RETRY_NOW },
	[RESULT_TOO_LARGE] = { "too-large", CLASS_PERMANENT },
	[RESULT_SIZE_MISMATCH] = { "size-mismatch", CLASS_PERMANENT },
	[RESULT_CHECKSUM_MISMATCH] = { "checksum-mismatch", CLASS_PERMANENT },
	[RESULT_SIGNATURE_BAD] = { "signature-bad", CLASS_PERMANENT },
	[RESULT_ENCODING_REFUSED] = { "encoding-refused", CLASS_PERMANENT },
	[RESULT_DECODE] = { "decode", CLASS_PERMANENT },
	[RESULT_EXPANSION_LIMIT] = { "expansion-limit", CLASS_PERMANENT },
	[RESULT_DISK_FULL] = { "disk-full", CLASS_PERMANENT },
	[RESULT_WRITE] = { "write", CLASS_PERMANENT },
	[RESULT_EXISTS] = { "exists", CLASS_PERMANENT },
	[RESULT_PATH_REFUSED] = { "path-refused", CLASS_PERMANENT },
	[RESULT_REDIRECT_REFUSED] = { "redirect-refused", CLASS_PERMANENT },
	[RESULT_ADDRESS_REFUSED] = { "address-refused", CLASS_PERMANENT },
	[RESULT_UNSUPPORTED] = { "unsupported", CLASS_PERMANENT },
	[RESULT_WORKER_CRASHED] = { "worker-crashed", CLASS_PERMANENT },
	[RESULT_HOOK_FAILED] = { "hook-failed", CLASS_PERMANENT },
	[RESULT_CANCELLED] = { "cancelled", CLASS_CANCELLED },
	[RESULT_INTERRUPTED] = { "interrupted", CLASS_CANCELLED },
	[RESULT_SIBLING_FAILED] = { "sibling-failed", CLASS_CANCELLED },
	[RESULT_DEPENDENCY_FAILED] = { "dependency-failed", CLASS_PERMANENT },
	[RESULT_INTERNAL] = { "internal", CLASS_PERMANENT },
	[RESULT_PROTOCOL] = { "protocol", CLASS_RETRY_NOW },
};

const char *
result_code_to_string(enum result_code c)
{
	return c < _RESULT_CODE_MAX ? codes[c].name : "internal";
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
	return r->code < _RESULT_CODE_MAX ? codes[r->code].class : CLASS_PERMANENT;
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
