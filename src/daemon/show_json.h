/*
 * The events of `hauld --once --json`: one JSON object a line on stdout,
 * described in hauld(8).  Caller: show.
 */
#pragma once

#include "daemon/engine/engine.h"
#include "daemon/loop/loop.h"

struct show_json;

struct show_json *show_json_new(struct loop *l);
void show_json_free(struct show_json *s); /* NULL is fine */
void show_json_start(struct show_json *s, const struct job *j);
void show_json_retry(struct show_json *s, const struct job *j, uint64_t delay_ms);
void show_json_end(struct show_json *s, const struct job *j, const struct job_receipt *r);
/* All jobs in the order given, then the totals; waits for stdout. */
void show_json_finish(struct show_json *s, const struct engine *e, uint64_t ms, const struct loop_stats *stats);
