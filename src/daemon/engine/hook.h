/*
 * Programs that run for a job: on-download-start before its first request,
 * on-download-complete and on-download-error before its end is told, and url-command
 * where a server refuses a url.  hauld-spawn runs them (daemon/spawn); here is when, with
 * what, and what comes of it.  A job that has none pays for looking that up.
 * Callers: download*.c, engine.c, commands.c.
 */
#pragma once

#include "daemon/engine/download.h"

/* The first request is about to be made.  True: a program runs first, then the job goes on. */
bool hook_before_request(struct download *d);
/* It is about to end like this.  True: a program runs first, then engine_finish() comes again. */
bool hook_before_end(struct download *d, const struct result *r, const struct job_receipt *receipt);
/* The same of a job without download, which then has one. */
bool hook_before_end_waiting(struct entry *en, const struct result *r);
/* The end that is about to be told was told in an earlier life: nothing runs for it. */
void hook_was_told(struct download *d);
/* A server answered so.  True: url-command is asked for another url, and all that came stays. */
bool hook_mint(struct download *d, const struct result *r);
/* The url of that source: what url-command said last, else the job's. */
const char *hook_url(const struct download *d, unsigned source);
/* The job is to stop: what runs for it is killed.  True: that was all there was to do,
 * and it has ended (d is gone). */
bool hook_stop(struct download *d, const struct result *r);
/* Nothing but a program that runs stands between the job and its end. */
bool hook_ends(const struct download *d);
/* The setting of the program that it waits for (NULL: none), whether that waits for its
 * turn, and how many run. */
const char *hook_name(const struct download *d, bool *ret_waits, unsigned *ret_running);
/* What runs for it is killed, and nothing comes of it. */
void hook_drop(struct download *d);
/* Its end, once told, must be found by a later life: a program runs before. */
bool hook_needs_map(const struct download *d);

/* engine.c's: the spawner. */
void hooks_init(struct engine *e, struct children *c);
void hooks_set_conf(struct engine *e, const struct spec *daemon);
