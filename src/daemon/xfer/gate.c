/* Addresses that are connected to; see gate.h. */
#include "daemon/xfer/gate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

static void
read_list(struct address_policy *p, const struct spec *daemon, enum setting_id id)
{
	const char *text;

	for (unsigned i = 0; (text = spec_list(daemon, id, i)); i++) {
		AUTO_FREE char *why = NULL;
		struct address_range r;

		if (address_range_parse(text, &r, &why) == 0)
			address_policy_add(p, &r, id == DAEMON_ALLOW_ADDRESSES);
		else /* hauld-conf lets none of these through */
			log_err("%s %s", setting_find(id)->name, why);
	}
}

struct address_policy *
gate_read_policy(const struct spec *daemon)
{
	struct address_policy *p = address_policy_new();

	read_list(p, daemon, DAEMON_ALLOW_ADDRESSES);
	read_list(p, daemon, DAEMON_DENY_ADDRESSES);
	return p;
}

/* False: it is refused, and why says so. */
static bool
judge(struct gate *g, const struct address *a)
{
	struct address_verdict v;

	address_judge(*g->policy, a, g->led_public, &v);
	if (v.refused)
		(void)snprintf(g->why, sizeof g->why, "%s", v.why);
	else
		g->is_public |= v.is_public;
	return !v.refused;
}

/* CURLOPT_PREREQFUNCTION: the connection stands, the request was not sent. */
static int
on_connected(void *arg, char *ip, char *local UNUSED, int port UNUSED, int local_port UNUSED)
{
	struct gate *g = arg;
	struct address a;

	if (g->proxied)
		return CURL_PREREQFUNC_OK;
	/* Of several addresses that were tried this is the one that counts. */
	g->is_public = false;
	if (ip && address_parse(ip, &a) && judge(g, &a))
		return CURL_PREREQFUNC_OK;
	g->stopped = true;
	return CURL_PREREQFUNC_ABORT;
}

void
gate_prepare(CURL *easy)
{
	(void)curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_connected);
}

void
gate_apply(struct gate *g, CURL *easy)
{
	/* Where a proxy went nobody knows: what it leads to is judged as from there. */
	g->is_public = g->proxied;
	g->stopped = false;
	g->opened = 0;
	g->why[0] = '\0';
	(void)curl_easy_setopt(easy, CURLOPT_PREREQDATA, g);
}

bool
gate_may_connect(const struct sockaddr *sa, socklen_t len, void *arg)
{
	struct gate *g = arg;
	struct address a;

	if (!g->proxied && (!address_from_sockaddr(sa, len, &a) || !judge(g, &a)))
		return false;
	g->opened++;
	return true;
}

bool
gate_has_refused(const struct gate *g, CURLcode rc, const char *host, struct result *ret)
{
	if (!g->stopped && (rc != CURLE_COULDNT_CONNECT || g->opened || !g->why[0]))
		return false;
	result_set(ret, RESULT_ADDRESS_REFUSED, "%s (%s)", g->why[0] ? g->why : "the address is not known", host);
	return true;
}
