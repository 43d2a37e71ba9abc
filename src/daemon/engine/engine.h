/*
 * The wiring: jobs come in by one door, go through scheduler, transfer, part
 * file and workers, and leave through one finisher.  Callers: once (and later
 * control and store).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "daemon/conf/conf_load.h"
#include "daemon/loop/child.h"
#include "daemon/loop/loop.h"
#include "model/job.h"
#include "wire/work_msg.h"

struct engine;

struct engine_options {
	const char *worker_path;    /* borrowed */
	const char *default_proxy;  /* see transfer.h */
	uint64_t slice_timeout_ms;  /* see pool.h */
};

/* What a watcher may want to know of an ended job, besides the job. */
struct job_receipt {
	const struct result_msg *work; /* digests, codec; NULL when no worker ended it */
	const char *proof;             /* "length", "chunked", ...; "" when none */
	uint32_t dns_ms, connect_ms, tls_ms, first_byte_ms;
	bool unchanged; /* the file was there already, no network used */
};

struct engine_ops {
	void (*on_start)(const struct job *j, void *arg); /* of each attempt */
	void (*on_retry)(const struct job *j, uint64_t delay_ms, void *arg);
	void (*on_end)(const struct job *j, const struct job_receipt *receipt, void *arg);
	/* The last job has ended. */
	void (*on_idle)(void *arg);
};

/* NULL with *why when a root cannot be used. The conf is kept by reference
 * until engine_free(). */
struct engine *engine_new(struct loop *l, struct children *c, const struct conf *conf,
    const struct engine_options *o, const struct engine_ops *ops, void *arg, struct result *why);
void engine_free(struct engine *e);

/* The one door in: the job's id. on_end comes later, never from here. */
uint64_t engine_add(struct engine *e, struct spec *spec);
/* Ends all jobs as interrupted; running ones let go of their files first. */
void engine_interrupt(struct engine *e);
/* Empty .haul directories go and workers are told to leave; on_stopped comes
 * when the last one has left. */
void engine_stop(struct engine *e, loop_cb on_stopped, void *arg);

/* All jobs in the order they came, for the summary. */
uint64_t engine_count(const struct engine *e);
const struct job *engine_job(const struct engine *e, uint64_t index);

/* One active job, for those who draw. */
struct engine_view {
	const struct job *job;
	uint64_t total;     /* of the download; 0: not known */
	uint64_t received;
	uint64_t processed; /* bytes of it that were verified or unpacked */
	uint64_t unpacked;  /* bytes of output */
	const char *blocked; /* why it waits ("retry-at"), or NULL */
	const struct result *last; /* of a job that waits for a retry */
	uint64_t wait_ms;    /* until the retry */
};
/* Calls back for each job that is active or waits for a retry. */
void engine_each_active(struct engine *e, void (*cb)(const struct engine_view *v, void *arg), void *arg);
