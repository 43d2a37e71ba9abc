/*
 * Signals for verbs that wait in poll(2): they come out of a descriptor, in turn
 * with everything else.  Used by watch.c and top.c.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>

/* A signalfd, close-on-exec and non-blocking, of INT, TERM, HUP (what nohup(1) or a
 * shell has ignored for us stays so), WINCH and CONT, and TSTP where the caller has
 * a screen to give back; blocked from now on, *ret_old was the mask before.  -errno. */
int signals_open(bool with_stop, sigset_t *ret_old);
