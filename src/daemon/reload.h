/*
 * The configuration's jobs against those that are there: what is new is added,
 * what changed is begun anew, what has gone is retired, and what is the same is
 * not disturbed.  Some jobs in each turn of the loop.  Caller: service.
 */
#pragma once

#include <stdint.h>

#include "daemon/conf/conf_load.h"
#include "daemon/control/control.h"
#include "daemon/engine/archive.h"
#include "daemon/engine/engine.h"
#include "daemon/loop/loop.h"
#include "daemon/store/store.h"

struct reload;

struct reload_report {
	uint64_t added, changed, retired, unchanged;
	uint64_t refused; /* a client's job has the name: told in the log */
};

typedef void (*reload_cb)(const struct reload_report *r, void *arg);

/* Begins; on_done comes later, never from here.  conf is borrowed until then. */
struct reload *reload_start(struct loop *l, struct engine *e, struct store *store, struct archive *archive,
    const struct control *control, const struct conf *conf, reload_cb on_done, void *arg);
void reload_free(struct reload *r);
