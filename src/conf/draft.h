/*
 * The settings of one job (host entry, group, the daemon, the defaults) while
 * they are gathered and checked; at the end they are packed into a spec.
 * A draft is reused from job to job.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "conf/source.h"
#include "model/settings.h"
#include "model/spec.h"

struct draft_item {
	const struct setting *row;
	struct where at;
	bool base;       /* from draft_inherit(): gives way to what the entry says itself */
	uint64_t number; /* of a number row */
	char *text;      /* owned, else */
};

struct draft {
	enum setting_scope scope;
	struct where at;          /* of the entry */
	char label[200];          /* "jobs[3] \"geoip\"", for errors; may be empty */
	struct draft_item *items; /* owned */
	size_t n, size;
	bool tried[_SETTING_MAX]; /* the key was given, rightly or not */
	char *dir;                /* owned: dir= of an input list; NULL */
};

/* An empty draft; memory of the one before is kept. */
void draft_begin(struct draft *d, enum setting_scope scope, struct where at, const char *label);
void draft_done(struct draft *d);
/* The settings of another draft, until the entry says its own. */
void draft_inherit(struct draft *d, const struct draft *from);
/* The settings of a spec. */
void draft_take(struct draft *d, const struct spec *from, struct where at);
/* Before values of a key are put: a list of the same source goes on, anything
 * else is replaced. */
void draft_open(struct draft *d, const struct setting *row);
/* Drops every value of the key. */
void draft_drop(struct draft *d, enum setting_id id);
void draft_put_number(struct draft *d, const struct setting *row, struct where at, uint64_t v);
void draft_put_text(struct draft *d, const struct setting *row, struct where at, const char *text);
/* The first value, or the first behind `after`; NULL when there is none. */
const struct draft_item *draft_find(const struct draft *d, enum setting_id id);
const struct draft_item *draft_next(const struct draft *d, const struct draft_item *after);
unsigned draft_count(const struct draft *d, enum setting_id id);
/* Of the draft, else of its defaults (may be NULL), else of the table. */
uint64_t draft_number(const struct draft *d, const struct draft *defaults, enum setting_id id);
/* The spec's bytes, keys in the order of their ids, so that the order in the
 * file makes no difference. */
void draft_pack(struct draft *d, struct buf *ret);
