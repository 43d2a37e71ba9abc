/*
 * CA certificates, read once per file on a thread of their own: parsing the
 * system's bundle takes tens of milliseconds, which the loop does not have,
 * and libcurl would do it again for every connection (LIBRARIES 1.3).
 * Caller: curl_glue.
 */
#pragma once

#include <stdbool.h>

#include "daemon/loop/loop.h"

struct ca;
struct ca_store;

struct ca *ca_new(struct loop *l);
/* Waits for threads that still read. */
void ca_free(struct ca *c);
/* Starts reading the file (NULL: the system's certificates) if it is not read
 * yet, or could not be.  To be given back with ca_put(), but not from its callback. */
struct ca_store *ca_get(struct ca *c, const char *path);
void ca_put(struct ca_store *s);
/* Somebody may ask for it soon. */
void ca_prepare(struct ca *c, const char *path);
/* False: wait for the callback of ca_wait().  *ret_error: NULL, or why there
 * are no certificates. */
bool ca_is_ready(const struct ca_store *s, const char **ret_error);
/* Called once from the loop when the store is ready.  The list entry lets the
 * waiting be given up: list_remove(). */
struct ca_waiter {
	struct list link;
	loop_cb cb;
	void *arg;
};
void ca_wait(struct ca_store *s, struct ca_waiter *w);
/* The X509_STORE of a ready store: borrowed; NULL when there are none. */
void *ca_x509_store(const struct ca_store *s);
