/* What order.c, order_cycle.c and events.c share. */
#pragma once

#include "base/map.h"
#include "daemon/engine/archive.h"
#include "daemon/engine/order.h"

enum { ASKED_AT_ONCE = 50, ASK_AGAIN_MS = 1000 };

struct orders {
	struct engine *engine;
	struct map targets;
	struct list telling; /* struct target: has ended, or is set */
	struct list awaited; /* struct target: events */
	struct list missing; /* struct target: no such job is in memory */
	struct list to_ask;  /* struct target: the history has it */
	struct list asked;   /* struct target: in fetch */
	struct list ending;  /* struct order */
	struct loop_deferred turn;
	bool complete;       /* all jobs that the configuration has are there */
	struct archive *archive; /* borrowed; NULL: there is no history */
	struct fetch fetch;
	struct loop_timer again; /* the history could not be read */
	struct map events;   /* char *, owned: names of those that are set */
	struct map passed;   /* struct passed, owned: of an earlier life, until their jobs come */
	uint64_t mark;       /* of the last search for cycles */
};

/* Those that wait are told, or wait again; key: "event:NAME". */
void order_set_event(struct orders *o, const char *key, bool set);
void named_events_init(struct orders *o);
void named_events_done(struct orders *o);
bool event_is_set(const struct orders *o, const char *name);
/* order_passed.c */
void passed_init(struct orders *o);
void passed_done(struct orders *o);
