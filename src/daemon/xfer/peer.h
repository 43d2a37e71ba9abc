/*
 * Who answered a request: the address, and what TLS says of the other side.
 * Asked while the connection is certainly the request's.  Caller: transfer.
 */
#pragma once

#include <stdint.h>

struct transfer_peer { /* "": not known, or none */
	char address[64];    /* "192.0.2.1:443", "[2001:db8::1]:80"; with a proxy, of that */
	char protocol[16];   /* "TLSv1.3" */
	char cipher[48];
	char subject[160], issuer[160]; /* RFC 2253, safe to show; cut */
};

/* easy: a CURL, inside one of its callbacks. */
void peer_look(void *easy, struct transfer_peer *ret);
