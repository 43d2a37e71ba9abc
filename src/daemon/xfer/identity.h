/*
 * TLS identities: transfers that trust other certificates, show another
 * client certificate or pin another key have connections and TLS sessions of
 * their own, and never meet those of others.  Caller: transfer.
 */
#pragma once

#include <curl/curl.h>
#include <stdbool.h>

#include "base/list.h"
#include "daemon/loop/loop.h"
#include "daemon/xfer/ca.h"
#include "daemon/xfer/curl_glue.h"
#include "daemon/xfer/transfer.h"

struct identity {
	struct list link;
	void *owner; /* borrowed: for the callbacks of the glue, whose arg is the identity */
	char *key;   /* owned: what makes it different */
	unsigned users; /* transfers */
	bool shared; /* its connections may serve several transfers at a time (HTTP/2) */
	struct ca_store *store;  /* of ca_get(); NULL: no https */
	struct curl_glue *glue;  /* owned */
	struct curl_slist *common; /* borrowed: headers of every request */
	CURLSH *sessions; /* owned: those of TLS, of all its handles; one that is resumed is not verified again */
};

enum { IDENTITIES_IDLE = 32 }; /* that are kept, with their connections, for the next request */

/* The one for this request out of a list of them, made when it is new; users is one more.
 * Those that were asked for last come last. */
struct identity *identity_get(struct list *all, struct loop *l, struct ca *ca, struct curl_slist *common,
    const struct transfer_request *req, bool tls, const struct curl_glue_ops *ops, void *owner);
void identity_free(struct identity *id);
/* Frees those that nobody uses, but for some that were used last.  Not from a callback of libcurl's. */
void identity_trim(struct list *all);
/* A handle prepared by request_prepare(), with the certificates of the identity, for one
 * transfer: whoever gets it cleans it up.  Never NULL. */
CURL *identity_new_handle(struct identity *id);
/*
 * While the connection is certainly this handle's (inside its callbacks): set
 * *flag when the server sends close_notify.  NULL: watch no longer.  Only for
 * a body that ends with its connection: flag must outlive that.
 */
void identity_watch_close_notify(CURL *easy, bool *flag);
/* Before the first of the above. */
void identity_global_init(void);
