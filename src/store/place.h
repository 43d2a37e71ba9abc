/*
 * The directory that hauld-store works in: is it one that a database can be in,
 * is it ours alone, and is what hauld has put there on the disk?  Callers: db,
 * past.
 */
#pragma once

#include <stddef.h>

#include "base/cleanup.h"

/* A network's file system is refused: its locks and its shared memory are not
 * those of one machine.  0, or -EBADMSG and a sentence in why; shown: the
 * directory, safe to show. */
int place_check(int dir_fd, const char *shown, char *why, size_t n) MUST_CHECK;
/*
 * One writer a database: the lock is the kernel's and goes with the descriptor
 * *ret_fd, which must not be closed before the database is (fcntl(2): all locks of
 * the process on the file would go).  Makes the file.  Waits a while for one that
 * is about to end.  0 or -errno; -EWOULDBLOCK: it is another's.
 */
int place_lock(const char *path, int *ret_fd) MUST_CHECK;
/* The log's index, jobs.db-shm, is memory that SQLite maps: on a btrfs that is full a
 * page of it cannot be written anew to another place, and SIGBUS would be the end.
 * Such a file is written where it is (ioctl_iflags(2), FS_NOCOW_FL). */
void place_keep_index(int dir_fd);
/* Syncs what hauld has written to DIR/lock, and the names that lead to the
 * directory, as far up as its file system goes: hauld does not wait for a disk,
 * and may have made them just now: jobs that are safe in a file are lost with the
 * name of a directory above it.  0 or -errno. */
int place_sync(const char *dir) MUST_CHECK;
