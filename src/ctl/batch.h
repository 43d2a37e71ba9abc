/*
 * The jobs of one `add` or `get`: read from the command line and the list (-i)
 * first, so that an error in the last line adds nothing; then sent in requests
 * of a bounded size, several in flight.  Owned by the verb.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "ctl/ctl.h"
#include "model/input_list.h"

enum {
	BATCH_JOBS_MAX = 500,           /* jobs of a request */
	BATCH_BYTES_MAX = 256 << 10,    /* bytes of its jobs, unless one alone is larger */
	BATCH_IN_FLIGHT_MAX = 8,
	BATCH_KEY_MAX = 120,            /* bytes of --key: there is room for "/123456" */
	BATCH_ERRORS_SHOWN_MAX = 1000,
};

struct batch_job {
	size_t at, len;  /* in text */
	unsigned line;   /* of the list; 0: of the command line */
};

struct batch {
	struct ctl *ctl;        /* borrowed */
	struct buf text;        /* objects, one behind the other */
	struct batch_job *jobs; /* owned array */
	size_t n, size;
	uint64_t *ids;          /* owned array: of the jobs that were added, in order */
	size_t n_ids;
	size_t errors;
	char *scope;            /* owned: as JSON, the group that is made for these jobs; NULL: none */
	bool refused_output;    /* hauld says that an output lies outside its roots */
};

void batch_init(struct batch *b, struct ctl *c);
void batch_done(struct batch *b);
/* Reads it all; CTL_OK, or told and CTL_USAGE. */
int batch_read(struct batch *b) MUST_CHECK;
/* The same of one file ("-": standard input), read by cb into ops; the settings of the
 * command line are those of all its jobs. */
typedef void (*batch_list_cb)(int fd, const char *file, const struct input_list_ops *ops, void *list_arg, void *arg);
int batch_read_file(struct batch *b, const char *file, batch_list_cb cb, void *arg) MUST_CHECK;
/* Adds it all; print: each id on a line of standard output (with --json the
 * answers).  CTL_OK, or told and the exit status of the first error. */
int batch_send(struct batch *b, bool print) MUST_CHECK;
