/* Redirects; see hop.h. */
#include "daemon/xfer/hop.h"

#include <curl/curl.h>
#include <string.h>

#include "base/mem.h"
#include "base/url.h"

bool
hop_is_redirect(int status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static char *
refuse(struct result *why, const char *reason, const char *target)
{
	AUTO_FREE char *shown = target ? url_redact(target) : NULL;

	if (shown)
		result_set(why, RESULT_REDIRECT_REFUSED, "redirect to %s refused: %s", shown, reason);
	else
		result_set(why, RESULT_REDIRECT_REFUSED, "redirect refused: %s", reason);
	return NULL;
}

/* curl_url(3) resolves; url_parse() has the last word on what is a URL. */
static char *
resolve(const char *from, const char *location)
{
	CURLU *u = curl_url();
	char *text = NULL, *copy = NULL;

	if (u && curl_url_set(u, CURLUPART_URL, from, 0) == CURLUE_OK &&
	    curl_url_set(u, CURLUPART_URL, location, CURLU_URLENCODE | CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK &&
	    curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0) == CURLUE_OK &&
	    curl_url_get(u, CURLUPART_URL, &text, 0) == CURLUE_OK)
		copy = xstrdup(text);
	curl_free(text);
	curl_url_cleanup(u);
	return copy;
}

char *
hop_target(const char *from, const char *location, struct result *why)
{
	AUTO_FREE char *target = resolve(from, location);
	struct url old, new;
	const char *reason;

	/* curl_url(3) mends what it can ("http:///x"); an absolute url must be one. */
	if (location[strcspn(location, ":/?#")] == ':' && url_parse(location, &new, &reason) < 0)
		return refuse(why, reason, NULL);
	if (!target)
		return refuse(why, "its Location is not a url", NULL);
	if (url_parse(target, &new, &reason) < 0)
		return refuse(why, reason, NULL);
	if (!url_scheme_is(&new, "http") && !url_scheme_is(&new, "https"))
		return refuse(why, "only http and https are followed", target);
	if (new.userinfo.at)
		return refuse(why, "it carries credentials", target);
	if (url_parse(from, &old, &reason) < 0)
		return refuse(why, reason, NULL);
	if (url_scheme_is(&old, "https") && !url_scheme_is(&new, "https"))
		return refuse(why, "it leaves https", target);
	return TAKE_PTR(target);
}
