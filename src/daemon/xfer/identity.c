/* TLS identities; see identity.h. */
#include "daemon/xfer/identity.h"

#include <openssl/ssl.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "daemon/xfer/gate.h"
#include "daemon/xfer/request.h"

/* Of SSL objects: where to tell that close_notify came. */
static int ssl_flag_index = -1;

void
identity_global_init(void)
{
	if (ssl_flag_index < 0)
		ssl_flag_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

/* OpenSSL's info callback: an alert that was read (SSL_CTX_set_info_callback(3)). */
static void
on_ssl_info(const SSL *ssl, int where, int value)
{
	bool *flag;

	if (where != SSL_CB_READ_ALERT || (value & 0xff) != SSL_AD_CLOSE_NOTIFY)
		return;
	flag = SSL_get_ex_data(ssl, ssl_flag_index);
	if (flag)
		*flag = true;
}

static CURLcode
on_ssl_ctx(CURL *easy UNUSED, void *ctx, void *arg)
{
	struct identity *id = arg;
	X509_STORE *store = id->store ? ca_x509_store(id->store) : NULL;

	if (!store)
		return CURLE_SSL_CACERT_BADFILE;
	SSL_CTX_set1_cert_store(ctx, store);
	SSL_CTX_set_info_callback(ctx, on_ssl_info);
	return CURLE_OK;
}

void
identity_watch_close_notify(CURL *easy, bool *flag)
{
	struct curl_tlssessioninfo *tls = NULL;

	if (curl_easy_getinfo(easy, CURLINFO_TLS_SSL_PTR, &tls) != CURLE_OK || !tls ||
	    tls->backend != CURLSSLBACKEND_OPENSSL || !tls->internals)
		return;
	(void)SSL_set_ex_data(tls->internals, ssl_flag_index, flag);
}

static void
prepare(struct identity *id, CURL *easy)
{
	request_prepare(easy, id->common);
	curl_glue_prepare(id->glue, easy);
	gate_prepare(easy);
	if (!id->store)
		return;
	(void)curl_easy_setopt(easy, CURLOPT_SHARE, id->sessions);
	(void)curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_ssl_ctx);
	(void)curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, id);
}

/*
 * Never one that was used: libcurl 7.88 keeps a pointer to the last header of the
 * answer before, which it has freed, and appends to that where an answer begins with a
 * line that is folded (headers.c, prevhead; mended in 8.1.1).  To make one takes a
 * microsecond.
 */
CURL *
identity_new_handle(struct identity *id)
{
	CURL *easy = curl_easy_init();

	if (!easy)
		fatal(1, "no memory for libcurl");
	prepare(id, easy);
	return easy;
}

static const char *
cacert_of(const struct transfer_request *req)
{
	const char *path = spec_string(req->spec, JOB_CACERT);

	return path || !req->host ? path : spec_string(req->host, HOST_CACERT);
}

/* The files and keys that tell identities apart; "" for plain http.  Who shares
 * connections does so with those who do. */
static char *
make_key(const struct transfer_request *req, bool tls)
{
	const char *ca = cacert_of(req), *cert = NULL, *pin = NULL;

	if (!tls)
		return xstrdup("");
	if (req->at_origin) {
		cert = spec_string(req->spec, JOB_CERT);
		pin = spec_string(req->spec, JOB_PINNEDPUBKEY);
	}
	return xasprintf("%s\n%s\n%s%s", ca ? ca : "", cert ? cert : "", pin ? pin : "",
	    request_may_share(req) ? "\nshared" : "");
}

static void
use(struct identity *id, struct list *all, struct ca *ca, const char *cacert)
{
	const char *error;

	list_remove(&id->link);
	list_append(all, &id->link);
	if (id->users++ || !id->store || !ca_is_ready(id->store, &error) || !error)
		return;
	ca_put(id->store);
	id->store = ca_get(ca, cacert);
}

struct identity *
identity_get(struct list *all, struct loop *l, struct ca *ca, struct curl_slist *common,
    const struct transfer_request *req, bool tls, const struct curl_glue_ops *ops, void *owner)
{
	AUTO_FREE char *key = make_key(req, tls);
	struct identity *id;

	LIST_FOREACH(id, all, struct identity, link)
		if (text_equal(id->key, key)) {
			use(id, all, ca, cacert_of(req));
			return id;
		}
	id = NEW(struct identity);
	id->users = 1;
	id->owner = owner;
	id->common = common;
	id->key = TAKE_PTR(key);
	id->shared = tls && request_may_share(req);
	id->store = tls ? ca_get(ca, cacert_of(req)) : NULL;
	id->sessions = tls ? curl_share_init() : NULL;
	(void)curl_share_setopt(id->sessions, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
	id->glue = curl_glue_new(l, id->shared, ops, id);
	list_append(all, &id->link);
	return id;
}

void
identity_free(struct identity *id)
{
	curl_glue_free(id->glue);
	(void)curl_share_cleanup(id->sessions); /* no handle is left */
	ca_put(id->store);
	list_remove(&id->link);
	free(id->key);
	free(id);
}

void
identity_trim(struct list *all)
{
	struct identity *id;
	unsigned n = 0;

	LIST_FOREACH(id, all, struct identity, link)
		n += !id->users;
	LIST_FOREACH(id, all, struct identity, link) {
		if (n <= IDENTITIES_IDLE)
			break;
		if (id->users)
			continue;
		identity_free(id);
		n--;
	}
}
