/*
 * `hauld`, the service: the configuration's jobs and those of clients, until a
 * signal or a client ends it (DESIGN 7).  Caller: main.
 */
#pragma once

#include "daemon/options.h"

/* The exit status: 0 it was told to stop; 1 a run-time failure; 78 the
 * configuration, or a root that cannot be used. */
int service_run(const struct options *o);
