/*
 * A stream out of the process (stdout, stderr) that never holds the loop: what
 * a pipe does not take now is kept and written when it does.  Flags of the
 * descriptor stay as they are, for others share it.  Caller: once.
 */
#pragma once

#include "base/buf.h"
#include "daemon/loop/loop.h"

struct outlet {
	struct loop_io io;
	struct buf queue;
	int fd;       /* borrowed */
	bool direct;  /* a plain file or device: a write does not wait */
	bool broken;  /* nobody reads any more */
};

void outlet_init(struct outlet *o, struct loop *l, int fd);
/* Where to put text; outlet_push() sends it on its way. */
struct buf *outlet_buf(struct outlet *o);
void outlet_push(struct outlet *o);
/* Writes what is left, waiting if need be: only when the loop is over. */
void outlet_finish(struct outlet *o);
void outlet_done(struct outlet *o);
