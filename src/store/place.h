/*
 * The state directory on the disk: jobs that are safe in a file are lost with
 * the name of a directory above it.  Caller: db, before anything is promised.
 */
#pragma once

#include "base/cleanup.h"

/* Syncs what hauld has written to DIR/lock, and the names that lead to the
 * directory, as far up as its file system goes: hauld does not wait for a disk,
 * and may have made them just now.  0 or -errno. */
int place_sync(const char *dir) MUST_CHECK;
