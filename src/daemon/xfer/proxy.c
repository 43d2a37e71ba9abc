/* The choice of a proxy; see proxy.h. */
#include "daemon/xfer/proxy.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/url.h"
#include "model/address.h"

/* The value of the first of the two that is set. */
static const char *
variable(const char *lower, const char *upper)
{
	const char *value = getenv(lower);

	return value || !upper ? value : getenv(upper);
}

static const char *
proxy_of_environment(const struct url *u)
{
	const char *p = url_scheme_is(u, "https") ? variable("https_proxy", "HTTPS_PROXY") : variable("http_proxy", NULL);

	return p ? p : variable("all_proxy", "ALL_PROXY");
}

/* "example.org", ".example.org" and "example.org." stand for the host and all
 * below it. */
static bool
name_holds(const char *name, size_t n, const char *host)
{
	size_t len = strlen(host);

	if (n && name[n - 1] == '.')
		n--;
	if (n && name[0] == '.') {
		name++;
		n--;
	}
	if (n == 0 || len < n || (len > n && host[len - n - 1] != '.'))
		return false;
	return text_equal_nocase(name, n, host + len - n);
}

static bool
is_exempt(const char *host, const char *noproxy)
{
	AUTO_FREE char *bare = xstrdup(host);
	size_t len = strlen(bare);
	struct address a;
	bool is_address;

	if (text_equal(noproxy, "*"))
		return true;
	if (len > 2 && bare[0] == '[') {
		memmove(bare, bare + 1, len - 2);
		bare[len - 2] = '\0';
	}
	is_address = address_parse(bare, &a);
	for (const char *at = noproxy; *at;) {
		size_t n = strcspn(at, ", \t");

		if (is_address && n > 2 && at[0] == '[' && at[n - 1] == ']' ? address_is_in(&a, at + 1, n - 2)
			: is_address ? address_is_in(&a, at, n) : name_holds(at, n, bare))
			return true;
		at += n;
		at += strspn(at, ", \t");
	}
	return false;
}

char *
proxy_for(const char *url, const char *proxy, const char *noproxy, bool environment)
{
	AUTO_FREE char *host = NULL;
	const char *why;
	struct url u;

	if (!proxy || !*proxy || url_parse(url, &u, &why) < 0)
		return NULL;
	if (text_equal(proxy, "env"))
		proxy = proxy_of_environment(&u);
	if (!proxy || !*proxy)
		return NULL;
	if (!noproxy && environment)
		noproxy = variable("no_proxy", "NO_PROXY");
	host = url_host(&u);
	return noproxy && is_exempt(host, noproxy) ? NULL : xstrdup(proxy);
}
