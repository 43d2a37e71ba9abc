/*
 * What `hauld --once` remembers while it runs, so that the same command goes on
 * when it was interrupted or killed: a directory beneath $XDG_STATE_HOME, named by
 * what it was given, with the list of jobs that are done.  Parts are found by
 * that name too (daemon/stage/part.h).  When all jobs have ended it is removed, and
 * the next run of the command begins anew.  Caller: once.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "daemon/conf/conf_load.h"

struct once_state {
	char *dir;         /* owned; NULL: nothing is remembered */
	int lock_fd;       /* owned: another run of the same command stays away */
	int done_fd;       /* owned: the list */
	char instance[17]; /* what parts are known by */
	bool goes_on;      /* an earlier run did not end */
	struct once_done { uint64_t inode, in, out; } *done; /* owned: by id, from 1 on; inode 0: it was not */
	size_t n_done;
	struct buf lines;  /* that are not in the file yet */
};

/* state_home: $XDG_STATE_HOME or what stands for it; NULL: there is none.  A
 * directory that cannot be used, or that another run has, means that nothing is
 * remembered. */
void once_state_open(struct once_state *s, const char *state_home, const struct conf *conf);
/* over: all jobs have ended, so there is nothing to go on with. */
void once_state_close(struct once_state *s, bool over);
/* A job of the earlier run that was done, and whose file still stands there.  Bytes
 * of the download and of the file. */
bool once_state_was_done(const struct once_state *s, uint64_t id, const char *output, uint64_t *ret_in, uint64_t *ret_out);
/* This one is done now: its file has this inode.  Written by once_state_flush(). */
void once_state_note(struct once_state *s, uint64_t id, uint64_t inode, uint64_t in, uint64_t out);
void once_state_flush(struct once_state *s);
