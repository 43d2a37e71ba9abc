/*
 * Internet addresses as a policy sees them: which are public, which private,
 * which nobody downloads from, and what the administrator's lists say.  Pure:
 * the look-up is libcurl's, the socket is curl_glue's.  Callers: xfer, which
 * judges what it connects to; hauld-conf, which checks the lists.
 *
 * The rule: of the ranges in allow-addresses and deny-addresses that hold the
 * address, the longest counts.  Where none does, the built-in table counts:
 * public addresses may be connected to, private ones too unless a public host
 * led there, and the rest (link-local, metadata services, multicast ...) not.
 * A range allows a metadata service only when it names that one address.
 *
 * An address in which another one is wrapped (IPv4-mapped and -compatible,
 * NAT64, 6to4, Teredo, SIIT) is judged in both forms; what is wrapped decides
 * where no range of the lists does.
 *
 * Sources: the registries of RFC 6890 (IPv4 and IPv6 special purpose), RFC
 * 4291, 6052 and 8215 (NAT64), 3056 (6to4), 4380 (Teredo), 2765 (SIIT).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/cleanup.h"

enum {
	ADDRESS_TEXT_MAX = 64,    /* "ffff:...:ffff/128" and a NUL */
	ADDRESS_RANGES_MAX = 1000, /* of one list */
};

/* IPv4-mapped IPv6 addresses are IPv4 ones here, always. */
struct address {
	uint8_t bytes[16]; /* network order; of IPv4 the first four */
	bool v6;
};

struct address_range {
	struct address first;
	unsigned bits; /* of the prefix */
};

/* "10.0.0.1", "fe80::1", "fe80::1%eth0" (the zone is left out); false: neither. */
bool address_parse(const char *text, struct address *ret);
/* False: of another family. */
bool address_from_sockaddr(const struct sockaddr *sa, socklen_t len, struct address *ret);
/*
 * "10.0.0.0/8", "fd00::/8", or one address.  0, or -EINVAL with *ret_why: the end
 * of the sentence "KEY ...", newly allocated.
 */
int address_range_parse(const char *text, struct address_range *ret, char **ret_why) MUST_CHECK;
/* The one way to write it: "10.0.0.0/8". */
const char *address_range_format(const struct address_range *r, char out[ADDRESS_TEXT_MAX]);
/* The n bytes at text are an address, or a range, that holds a; bits behind its
 * prefix are ignored, and what is neither holds nothing. */
bool address_is_in(const struct address *a, const char *text, size_t n);

/* The two lists. */
struct address_policy;

struct address_policy *address_policy_new(void);
void address_policy_free(struct address_policy *p); /* NULL is fine */
void address_policy_add(struct address_policy *p, const struct address_range *r, bool allow);

struct address_verdict {
	bool refused;
	bool is_public; /* whatever the lists say */
	char why[200];  /* of a refusal: "address 10.0.0.1 is ..." */
};

/* led_public: a public host led there by a redirect. */
void address_judge(const struct address_policy *p, const struct address *a, bool led_public,
    struct address_verdict *ret);
