/*
 * Is this body whole?  The one place that decides it (DESIGN I5): a pure
 * function of the answer's header, how the transfer ended and how many bytes
 * came.  transfer.c asks once an answer is over; libcurl's own success is only
 * one of the inputs, because 7.88.1 reports success for bodies that are not
 * whole (THREATS 1.1).
 *
 * Only the status 200 carries the file, and 206 the rest of one that was asked
 * for by range: then it must be of the same file, by its validator, from the
 * very byte and of the same size, and it is whole when so many bytes came,
 * however its end is told.  304 says that there is no other file than the one
 * that was asked about; without such a question it is none, as 416 is, and 203 is a file that a proxy says it has changed (RFC 9110 15.3.4).
 *
 * Sources: RFC 9112 6.3 (HTTP/1.1 framing), RFC 9113 8.1 (HTTP/2), RFC 9110 14
 * (ranges), 13.1.5 (If-Range), 8.8 (validators).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "daemon/xfer/response.h"
#include "model/result.h"

enum transfer_end { /* what libcurl said, as far as the body is concerned */
	END_CLEAN,        /* CURLE_OK */
	END_PARTIAL,      /* CURLE_PARTIAL_FILE: closed before length or last chunk */
	END_RECV_ERROR,   /* CURLE_RECV_ERROR, CURLE_GOT_NOTHING: reset, bad chunk, TLS record */
	END_STREAM_ERROR, /* CURLE_HTTP2, CURLE_HTTP2_STREAM */
	END_GARBAGE,      /* CURLE_WEIRD_SERVER_REPLY, CURLE_UNSUPPORTED_PROTOCOL and the like: no HTTP */
	_TRANSFER_END_MAX
};

enum proof { /* why a body is known to be whole */
	PROOF_NONE,
	PROOF_LENGTH,       /* as many bytes as announced */
	PROOF_CHUNKED,      /* the last chunk came */
	PROOF_CLOSE_NOTIFY, /* TLS says that the server meant the end */
	_PROOF_MAX
};

/* The rest of a file of which the first bytes are there; all zero: all of it. */
struct complete_rest {
	uint64_t start, total;   /* the first byte that is asked for; the size of the file */
	const char *etag;        /* strong, quotes included; NULL: modified counts */
	int64_t modified;        /* its Last-Modified, seconds since 1970 */
	bool plain;              /* asked for without If-Range: the answer's validator tells */
};

struct complete_input {
	const struct response *response; /* borrowed */
	struct complete_rest rest; /* what was asked for */
	enum transfer_end end;
	uint64_t received; /* bytes of the body, as they came */
	bool tls;          /* of the connection to the server, not to a proxy */
	bool close_notify; /* TLS: the server sent its close_notify alert */
	bool conditional;  /* 304 was asked for */
	bool has_digest;   /* the job knows a digest of the download */
	bool has_codec;    /* the body will be decoded by a codec that checks its end */
	bool allow_unproven;
};

/* May that file be continued by its validator?  A strong ETag, or a Last-Modified
 * that is at least a minute older than the answer (RFC 9110 8.8.2.2). */
bool complete_is_strong(const struct response *r);
/* The header of an answer to a request for the rest: is it that rest?  false: *ret
 * says why not (range-changed, or what the status means). */
bool complete_is_rest(const struct response *r, const struct complete_rest *rest, struct result *ret);
/*
 * Fills *ret: RESULT_OK when the body is whole or when someone behind us will
 * tell (digest, codec, or the user's allow-unproven), with the sentence why;
 * any other code fails the attempt.  Returns the proof; PROOF_NONE together
 * with RESULT_OK means that the end is still to be proven or is allowed not to
 * be.  ret->http_status is the answer's.
 */
enum proof complete_judge(const struct complete_input *in, struct result *ret);
const char *proof_to_string(enum proof p); /* "length" */
