/*
 * The limits of rate that are in effect: of each host that has one, and the total;
 * each is a bucket of rate.h.  Callers: engine, hold.c, control.
 */
#pragma once

#include "daemon/engine/download.h"

void limits_init(struct engine *e);
void limits_done(struct engine *e);
/* The request of d goes to d->host_name now: it takes from these limits. */
void limits_join(struct download *d);
/* It goes. */
void limits_leave(struct download *d);
/* The configuration changed. */
void limits_set_conf(struct engine *e);
/* The limit of one job changed. */
void limits_set_job(struct download *d, uint64_t limit);
