/*
 * One request and its answer: the stage between the scheduler and the part
 * file.  A transfer delivers the bytes of a body whose header says that it is
 * the file, and ends exactly once with a judgement: whole, failed, or
 * redirected.  Caller: engine.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "daemon/loop/loop.h"
#include "daemon/xfer/complete.h"
#include "daemon/xfer/peer.h"
#include "daemon/xfer/response.h"
#include "model/result.h"
#include "model/spec.h"

struct xfer;     /* all of them */
struct transfer; /* one */

struct xfer_options {
	const char *default_proxy; /* "env": the environment's, for jobs without proxy; "": none */
	/* Called after bytes were delivered, outside of libcurl: write them out. */
	void (*on_delivered)(void *arg);
	void *arg;
};

struct transfer_request {
	const char *url;         /* http or https; copied */
	const struct spec *spec; /* the job; borrowed until the end */
	const struct spec *host; /* the hosts entry that matches, or NULL; likewise */
	bool at_origin;          /* the job's headers and credentials may go there */
	bool led_by_client;      /* the headers of host may not: a proxy of somebody else's choice would see them */
	bool led_public;         /* a public host led there (gate.h) */
	uint64_t limit_rate;     /* bytes per second the caller will hold it to; 0: none */
	uint64_t bite;           /* bytes that it is to take at a time then; 0: any number */
	struct complete_rest rest; /* of a file that is continued; etag borrowed */
	bool conditional;        /* 304 is an answer: it is asked whether there is another file */
	const char *none_match;  /* ETag of that; NULL: none; borrowed */
	int64_t modified_since;  /* its Last-Modified, seconds since 1970; -1: none */
	bool has_digest;         /* see complete.h */
	bool has_codec;
	bool fresh;              /* over a connection of its own making */
	bool alone;              /* over none that serves others at the same time: it may be what broke that one, or it
				  * was silent there, and while others wait on a dead one libcurl takes that again */
};

/* Milliseconds from the start of the request, as curl_easy_getinfo(3) has them. */
struct transfer_times {
	uint32_t dns, connect, tls, first_byte, total;
};

enum transfer_reach { /* what an attempt shows of the network, whatever became of it */
	REACH_UNKNOWN,
	REACH_MADE,  /* something out there answered, if only with a refusal */
	REACH_NONE,  /* nothing did, and that took its time */
	REACH_LOCAL, /* this machine knew at once that there is no way, or no such name */
};

struct transfer_report {
	struct result result;
	enum proof proof;                /* of a body with RESULT_OK */
	const struct response *response; /* borrowed for the call */
	bool redirect;                   /* response->location leads on */
	bool unchanged;                  /* 304, which was asked for */
	bool is_public;                  /* a public host answered */
	bool stale_connection;           /* a reused connection broke before the first byte */
	bool rejected;                   /* the host refused the connection, or reset it */
	uint64_t received;
	enum transfer_reach reach;
	uint64_t started_ms;             /* clock_now_ms() */
	struct transfer_times times;
};

struct transfer_ops {
	/* The header of the file came: length, validators. From inside libcurl. */
	void (*on_head)(const struct response *r, void *arg);
	/* n bytes more; from inside libcurl: nothing but transfer_fail() may be
	 * called on this transfer. */
	void (*on_body)(const void *data, size_t n, void *arg);
	/* Once, the transfer is gone afterwards; from the loop. */
	void (*on_done)(const struct transfer_report *end, void *arg);
};

struct xfer *xfer_new(struct loop *l, const struct xfer_options *o);
/* The addresses that the daemon's settings allow and deny, from now on: also for
 * connections that stand and would be used again. */
void xfer_set_addresses(struct xfer *x, const struct spec *daemon);
/* All transfers must have ended or been cancelled. */
void xfer_free(struct xfer *x);
/* Starts reading the CA certificates that this job will need. */
void xfer_prepare(struct xfer *x, const struct spec *spec, bool https);

/* Never NULL; on_done comes even when it fails at once, later. */
struct transfer *transfer_start(struct xfer *x, const struct transfer_request *req,
    const struct transfer_ops *ops, void *arg);
/* The transfer is gone, on_done does not come.  Not from inside on_body. */
void transfer_cancel(struct transfer *t);
/* Ends it with this result as soon as libcurl lets it; may come from on_body. */
void transfer_fail(struct transfer *t, const struct result *why);
/* Holding: its socket's events are taken away, and given back (DESIGN 2.3), unless it is
 * shared. */
void transfer_hold(struct transfer *t, bool held);
/* From on_body: no more in this call, unless it is shared.  The rest comes with the next. */
void transfer_rest(struct transfer *t);
/* It receives over a connection that others are on, too, or may be (HTTP/2): holding it is
 * libcurl's pause, which takes the server's bytes all the same and brings them at one stroke. */
bool transfer_is_shared(const struct transfer *t);
/* Fails transfers without a byte for stall-timeout, with a header that takes
 * longer, slower than speed-limit for speed-time, or longer than max-time;
 * to be called about once a second while there are any. */
void xfer_check_stalls(struct xfer *x);
/* When a byte came last, of any of them; clock_now_ms(), 0: never. */
uint64_t xfer_last_byte_ms(const struct xfer *x);
/* How many connections were made, and how many requests went over one that had been. */
void xfer_connections(const struct xfer *x, uint64_t *ret_made, uint64_t *ret_kept);
uint64_t transfer_received(const struct transfer *t);
/* Who answers it; from on_head. */
void transfer_peer(const struct transfer *t, struct transfer_peer *ret);
