/*
 * The limits of rate that are in effect: of each host that has one, of groups, and the
 * total; each is a bucket of rate.h.  A limit comes from the configuration, or from a client
 * who set another one while hauld runs: that outlives hauld, until the client takes it
 * back or the configuration has another limit than it had then.
 * Callers: engine, hold.c; control to look and to change.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct download;
struct engine;
struct group;

void limits_init(struct engine *e);
void limits_done(struct engine *e);
/* The request of d goes to d->host_name now: it takes from these limits. */
void limits_join(struct download *d);
/* It goes. */
void limits_leave(struct download *d);
/* The configuration changed. */
void limits_set_conf(struct engine *e);
/* The minute may be another: what the timetable says now. */
void limits_look_at_clock(struct engine *e);
/* So many milliseconds have gone since the last call: what came in that time. */
void limits_measure(struct engine *e, uint64_t ms);
/* The limit of one job changed. */
void limits_set_job(struct download *d, uint64_t limit);
/* The settings of a group were taken. */
void limits_set_group(struct group *g);
/* A note of an earlier life: "total" or "host:NAME"; see notes.h. */
void limits_restore(struct engine *e, const char *what, const void *data, size_t n);

/* ---- For who looks, and who changes ---- */

enum { LIMITS_SET_MAX = 1000 }; /* hosts whose limit clients have set */

struct limit_view {
	const char *name;     /* of a host, or a group; NULL: the total */
	bool is_group;
	uint64_t limit;       /* bytes a second that count now; 0: none */
	uint64_t configured;  /* what would count now without the client's */
	uint64_t rate;        /* bytes of the last second */
	unsigned transfers;
	const char *client;   /* what a client set; NULL: the configuration counts */
	const char *timetable; /* where the limit comes from; NULL: from no timetable */
	int64_t next_s;       /* Unix time: its next entry begins; 0: never */
};

void limits_view_total(struct engine *e, struct limit_view *ret);
/* Those that have a limit now, in no order. */
void limits_each_host(struct engine *e, void (*cb)(const struct limit_view *v, void *arg), void *arg);
/* The same of groups, in the order of their names. */
void limits_each_group(struct engine *e, void (*cb)(const struct limit_view *v, void *arg), void *arg);
/* Of one; false: there is none. */
bool limits_view_group(struct engine *e, const char *name, struct limit_view *ret);
/* The limit of one host, which may have none. */
void limits_view_host(struct engine *e, const char *host, struct limit_view *ret);
/* Clients may set that of so many hosts, this one included. */
bool limits_have_room(const struct engine *e, const char *host);
/* From now on, and in later lives when the store has it; host NULL: the total.  text is
 * one that timetable_refuse_limit() takes; NULL: what the configuration says. */
void limits_set(struct engine *e, const char *host, const char *text);
