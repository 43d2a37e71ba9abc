/*
 * Small facts of the engine that outlive the daemon, beside its jobs: each under a
 * key, "event:NAME", whose first word says whose it is.  Without a store they last
 * as long as the engine.  Callers: those who have such facts, service.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct engine;

/* To be told in the next life: data of n bytes (STORE_NOTE_MAX), 0: not any more.  It
 * is durable when what is queued in the store behind it is. */
void note_put(struct engine *e, const char *key, const void *data, size_t n);
/* One of an earlier life; before its jobs, and perhaps more than once.  False: it is
 * nobody's. */
bool note_restore(struct engine *e, const char *key, const void *data, size_t n);
