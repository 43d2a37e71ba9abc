/*
 * libcurl's multi socket interface on our loop.  One glue is one pool of
 * connections; transfers whose identity differs (CA file, client certificate,
 * pinned key) use different glues, so that no connection is ever shared across
 * them.  Callers: transfer.
 */
#pragma once

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "daemon/loop/loop.h"

struct curl_glue;

struct curl_glue_ops {
	/* A handle ended; it was removed from the multi.  From the loop, never
	 * from inside a curl call. */
	void (*on_done)(CURL *easy, CURLcode rc, void *arg);
	/* After every call into curl that may have delivered bytes. */
	void (*on_delivered)(void *arg);
	/* The multi failed and was made anew: every handle is to end. */
	void (*on_broken)(void *arg);
};

/* shared: connections of HTTP/2 serve many transfers at a time. */
struct curl_glue *curl_glue_new(struct loop *l, bool shared, const struct curl_glue_ops *ops, void *arg);
/* All handles must have been removed. */
void curl_glue_free(struct curl_glue *g);
/* What every handle needs from the glue: once on a new or reset handle. */
void curl_glue_prepare(struct curl_glue *g, CURL *easy);
/* What a handle's new connections are like. */
struct curl_glue_use {
	int receive_window; /* bytes the kernel may take ahead of us; 0: its own choice */
	/* May this address be connected to?  From inside libcurl. */
	bool (*may_connect)(const struct sockaddr *sa, socklen_t len, void *arg);
	void *arg;
};
/* 0 or -EIO.  use: borrowed until the handle is removed. */
int curl_glue_add(struct curl_glue *g, CURL *easy, const struct curl_glue_use *use);
/* Not from inside a curl callback. */
void curl_glue_remove(struct curl_glue *g, CURL *easy);
/*
 * The socket of an HTTP/1 transfer: its events are taken away, or given back.
 * While it is held libcurl receives nothing from it, whatever its timers do.
 * False: there is no socket now.
 */
bool curl_glue_hold(struct curl_glue *g, CURL *easy, bool held);
/* After holding: what TLS has read from the socket already makes no event.
 * Not from inside a curl callback. */
void curl_glue_kick(struct curl_glue *g, CURL *easy);
/*
 * All transfers of a shared glue look at their sockets, though nothing is to be read.  Where
 * several are on a connection of HTTP/2, libcurl 7.88 tells its end only to those that read
 * once more: the others wait for an event that never comes when the server said goodbye, or
 * broke the protocol, and left the socket open.  Not from inside a curl callback.
 */
void curl_glue_look(struct curl_glue *g);
/* From inside a curl callback: no more from its socket in this call. */
void curl_glue_stop(struct curl_glue *g, CURL *easy);
/* clock_now_ms() at the start of the running call into libcurl. */
uint64_t curl_glue_call_ms(const struct curl_glue *g);
