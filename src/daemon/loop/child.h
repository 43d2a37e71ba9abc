/*
 * Child processes: spawned with nothing of ours but the descriptors they are
 * given, and reaped by pid.  Callers: helper, conf, and hauld-spawn.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "daemon/loop/loop.h"

enum { SPAWN_FDS_MAX = 4 };

struct spawn {
	const char *path;      /* of the program: no search in PATH */
	char *const *argv;     /* NULL-terminated; argv[0] included */
	int fds[SPAWN_FDS_MAX]; /* fds[i] becomes descriptor i; -1: as ours */
	bool own_group;        /* its own process group: not hit by ^C */
	char *const *env;      /* NULL-terminated; NULL: ours, without the variables of proxies */
};

/* 0 and the pid, or -errno (ENOENT: no such program).  The child has default
 * signal handlers, an empty mask and no other descriptor; variables of proxies may hold
 * passwords. */
int spawn(const struct spawn *s, pid_t *ret_pid) MUST_CHECK;

/* The same with a pipe in the place of its descriptors 0 and 1: *ret_in is where
 * it writes to, *ret_out where it reads from; both the caller's.  fds[0] and
 * fds[1] of s do not count. */
int spawn_piped(const struct spawn *s, pid_t *ret_pid, int *ret_in, int *ret_out) MUST_CHECK;

struct children;

/* status is that of waitpid(2); the pid is not valid any more. */
typedef void (*child_cb)(pid_t pid, int status, void *arg);

/* Takes SIGCHLD over.  One per process. */
struct children *children_new(struct loop *l);
void children_free(struct children *c);
/* cb is called once, when the child was reaped; from the loop, never from here. */
void children_watch(struct children *c, pid_t pid, child_cb cb, void *arg);
/* The callback that children_watch() was told of this pid with this argument
 * does not come any more; the child is reaped all the same. */
void children_unwatch(struct children *c, pid_t pid, void *arg);
/* "exit status 3", "killed by signal 9 (Killed)": into out; returns out. */
char *child_status_to_string(int status, char *out, size_t n);
