/*
 * hauld-conf --intake: stays, and checks jobs that clients add, one by one, by
 * the same code as those of the configuration (wire/conf_msg.h has the
 * conversation).  What a client's job may not do is said in check.h and
 * secret.h: files it names are looked at, never read.  Nothing of a job is
 * kept after its answer.  Called by main alone.
 */
#pragma once

#include "conf/emit.h"

/* Until the end of file (0), or until the other side makes no sense or does
 * not take the answers (-errno).  emit: as for conf_run(), with frames. */
int serve_run(int fd, struct emit *emit) MUST_CHECK;
