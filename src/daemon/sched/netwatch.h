/*
 * When the network as a whole counts as down: this machine has no route to anywhere
 * and so could not reach what it tried; or two hosts in succession, tried since
 * anything was reached last, gave no sign at all.  A refused connection is a sign.
 * Pure; times are milliseconds of the monotonic clock.  Caller: engine.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
	NETWATCH_QUIET_MS = 2000,    /* nothing was reached for so long: a missing route means something */
	NETWATCH_WINDOW_MS = 60000,  /* the two hosts failed within this */
	NETWATCH_DISTRUST_MS = 600000,
};

struct netwatch { /* zeroed: nothing is known */
	uint64_t reached_ms; /* last; 0: never */
	uint64_t host;       /* a hash: the one that failed since then */
	uint64_t failed_ms;  /* 0: none did */
	uint64_t trust_ms;   /* before that a missing route says nothing */
	bool by_route;       /* it is down, or was, for want of a route */
};

/* Something answered.  down: the network counted as down; routed: there is a route.
 * A machine that reaches things without one is not judged by its routes for a while. */
void netwatch_reached(struct netwatch *w, bool down, bool routed, uint64_t now_ms);
/* This host (a hash) was tried since began_ms in vain, and that took its time or (quick)
 * did not, which shows nothing where there is a route.  True: the network is down. */
bool netwatch_failed(struct netwatch *w, uint64_t host, bool quick, bool down, bool routed, uint64_t began_ms, uint64_t now_ms);
