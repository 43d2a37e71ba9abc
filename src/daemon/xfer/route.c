/* The routes of this machine; see route.h. */
#include "daemon/xfer/route.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"

/* Connecting a datagram socket only asks for the route. */
static bool
is_unreachable(const struct sockaddr *to, socklen_t n)
{
	AUTO_CLOSE int fd = socket(to->sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return errno == EAFNOSUPPORT; /* of others we do not know */
	return connect(fd, to, n) < 0 && (errno == ENETUNREACH || errno == EADDRNOTAVAIL || errno == ENETDOWN);
}

/* Addresses for documentation (RFC 5737, RFC 3849): only a default route leads there. */
bool
route_is_there(void)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(9) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(9) };

	(void)inet_pton(AF_INET, "203.0.113.1", &v4.sin_addr);
	(void)inet_pton(AF_INET6, "2001:db8::1", &v6.sin6_addr);
	return !is_unreachable((const struct sockaddr *)&v4, sizeof v4) ||
	    !is_unreachable((const struct sockaddr *)&v6, sizeof v6);
}
