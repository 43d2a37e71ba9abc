/*
 * All jobs that the engine knows, in the order they came: by id, by name, and
 * how many there are in each state.  An id is never given twice.  Caller:
 * engine.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/map.h"
#include "model/job.h"

struct entry;

struct registry {
	struct registry_slot {
		uint64_t id;         /* stays when the job has gone: they are sorted by it */
		struct entry *entry; /* owned by the engine; NULL: has gone */
	} *slots;                    /* owned */
	size_t n_slots, size, n;     /* n: jobs that are there */
	uint64_t last_id;
	struct map by_name;
	uint64_t counts[_JOB_STATE_MAX];
};

void registry_init(struct registry *r);
void registry_done(struct registry *r);
/* n ids that nobody else gets: the first of them. */
uint64_t registry_reserve(struct registry *r, uint64_t n);
/* The job has this id, which was reserved or is greater than all; it may have a
 * name that nobody else has. */
void registry_add(struct registry *r, struct entry *en, uint64_t id, struct spec *spec);
/* The name is free for another job from now on. */
void registry_drop_name(struct registry *r, struct entry *en);
void registry_remove(struct registry *r, struct entry *en);
struct entry *registry_find(const struct registry *r, uint64_t id);
struct entry *registry_find_name(const struct registry *r, const char *name);
/* The first one with a greater id; NULL at the end. */
struct entry *registry_next(const struct registry *r, uint64_t id);
/* A job of an earlier life, queued so far, is over. */
void registry_restore_state(struct registry *r, struct entry *en, enum job_state over);
/* The one mover of a registered job's state. */
void registry_set_state(struct registry *r, struct entry *en, enum job_state to);
