/*
 * What hauld-conf says: frames to hauld (wire/conf_msg.h), or with -t the
 * errors for people.  With --intake each job is said on its own, under its id.  Owns the output buffer and the counts of jobs and
 * errors.  Every error passes through emit_error(), foreign text escaped.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"
#include "conf/source.h"
#include "wire/conf_msg.h"

struct emit {
	int fd;         /* borrowed: frames go here; -1: they stay in out */
	FILE *messages; /* borrowed: with -t errors go here, and no frames at all */
	struct buf out; /* whole frames that wait */
	bool intake;    /* a job of a client: errors have no place, for they are read beside it */
	uint64_t id;    /* of every message; 0 but for jobs of clients */
	uint64_t jobs, errors;
	bool usage;     /* an error was on the command line */
	int io_error;   /* -errno of the first write that failed; nothing is written after it */
};

void emit_done(struct emit *e);
void emit_hello(struct emit *e);
/* A packed spec.  After the first error nothing but errors is sent. */
void emit_spec(struct emit *e, enum conf_msg_type type, const struct buf *spec);
/* Frames made before. */
void emit_frames(struct emit *e, const struct buf *frames);
/* "FILE:LINE: LABEL: sentence"; label may be empty. */
void emit_error(struct emit *e, struct where at, const char *label, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
/* CONF_END and the rest of the buffer. */
void emit_end(struct emit *e);
/* A job of a client: between these two, nothing of the one before counts, and
 * at its end CONF_REFUSED is said if it had errors. */
void emit_begin_job(struct emit *e, uint64_t id);
void emit_end_job(struct emit *e);
/* Writes what waits: before waiting for more to do. */
void emit_flush(struct emit *e);
/* A foreign string made harmless and short, in one of eight static buffers in
 * turn: for arguments of emit_error(). */
const char *quote(const char *s);
/* "FILE:LINE" the same way. */
const char *quote_place(struct where at);
