/*
 * `hauld --once`: runs jobs to their end without a service, shows how they
 * fare, and exits (DESIGN 6).  Caller: main.
 */
#pragma once

#include "daemon/options.h"

/* The exit status of the program. */
int once_run(const struct options *o);
