/*
 * Is this body whole?  The one place that decides it (DESIGN I5): a pure
 * function of the answer's header, how the transfer ended and how many bytes
 * came.  transfer.c asks once an answer is over; libcurl's own success is only
 * one of the inputs, because 7.88.1 reports success for bodies that are not
 * whole (THREATS 1.1).
 *
 * Only the status 200 carries the file: no range and no condition is ever
 * sent, so 206, 304 and 416 answer a question that was not asked, and 203 is a
 * file that a proxy says it has changed (RFC 9110 15.3.4).
 *
 * Sources: RFC 9112 6.3 (HTTP/1.1 framing), RFC 9113 8.1 (HTTP/2).
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
	END_GARBAGE,      /* CURLE_WEIRD_SERVER_REPLY, CURLE_UNSUPPORTED_PROTOCOL: no HTTP */
	_TRANSFER_END_MAX
};

enum proof { /* why a body is known to be whole */
	PROOF_NONE,
	PROOF_LENGTH,       /* as many bytes as announced */
	PROOF_CHUNKED,      /* the last chunk came */
	PROOF_CLOSE_NOTIFY, /* TLS says that the server meant the end */
	_PROOF_MAX
};

struct complete_input {
	const struct response *response; /* borrowed */
	enum transfer_end end;
	uint64_t received; /* bytes of the body, as they came */
	bool tls;          /* of the connection to the server, not to a proxy */
	bool close_notify; /* TLS: the server sent its close_notify alert */
	bool has_digest;   /* the job knows a digest of the download */
	bool has_codec;    /* the body will be decoded by a codec that checks its end */
	bool allow_unproven;
};

/*
 * Fills *ret: RESULT_OK when the body is whole or when someone behind us will
 * tell (digest, codec, or the user's allow-unproven), with the sentence why;
 * any other code fails the attempt.  Returns the proof; PROOF_NONE together
 * with RESULT_OK means that the end is still to be proven or is allowed not to
 * be.  ret->http_status is the answer's.
 */
enum proof complete_judge(const struct complete_input *in, struct result *ret);
const char *proof_to_string(enum proof p); /* "length" */
