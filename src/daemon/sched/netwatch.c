/* When the network counts as down; see netwatch.h. */
#include "daemon/sched/netwatch.h"

void
netwatch_reached(struct netwatch *w, bool down, bool routed, uint64_t now_ms)
{
	if (down && w->by_route && !routed)
		w->trust_ms = now_ms + NETWATCH_DISTRUST_MS;
	w->reached_ms = now_ms;
	w->failed_ms = 0;
	w->by_route = false;
}

bool
netwatch_failed(struct netwatch *w, uint64_t host, bool quick, bool down, bool routed, uint64_t began_ms, uint64_t now_ms)
{
	bool another;

	if (!routed && now_ms >= w->trust_ms && (!w->reached_ms || now_ms - w->reached_ms >= NETWATCH_QUIET_MS)) {
		w->by_route = true;
		return true;
	}
	/* Shows nothing, or while this host was tried another answered: it is as it was, but
	 * that a route has come back. */
	if (quick || began_ms < w->reached_ms)
		return down && !w->by_route;
	w->by_route = false;
	another = w->failed_ms && now_ms - w->failed_ms <= NETWATCH_WINDOW_MS && w->host != host;
	w->host = host;
	w->failed_ms = now_ms ? now_ms : 1;
	return down || another;
}
