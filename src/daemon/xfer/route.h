/*
 * Has this machine a way to the outside?  Asked when something could not be
 * reached.  Caller: engine.
 */
#pragma once

#include <stdbool.h>

/* False: it has no route to anywhere, by IPv4 or IPv6.  Sends nothing and waits for
 * nothing. */
bool route_is_there(void);
