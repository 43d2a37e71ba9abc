/*
 * hauld-spawn: what it is told, and the programs that run.  Either one hauld at the
 * other end of two pipes, or those that connect to a socket of systemd's, which are
 * asked of the kernel who they are.  Callers: main of hauld-spawn, tests.
 */
#pragma once

#include <sys/types.h>

struct serve_options {
	const char *dir; /* of the programs; NULL: any may be run */
	uid_t peer;      /* who may connect, besides root */
};

/* Until the other end closes, and what it has started has ended: an exit status. */
int serve_pipes(int in_fd, int out_fd, const struct serve_options *o);
/* Until nobody has been connected for a while; takes the descriptor over. */
int serve_socket(int listen_fd, const struct serve_options *o);
