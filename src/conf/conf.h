/*
 * The work of hauld-conf from its arguments to the last frame, without
 * process matters (those are main.c's), so that tests run it in-process.
 */
#pragma once

#include "conf/args.h"
#include "conf/emit.h"

enum { CONF_EXIT_OK = 0, CONF_EXIT_FAILURE = 1, CONF_EXIT_USAGE = 2, CONF_EXIT_CONFIG = 78 };

/* emit: ready to write (fd or messages set); the caller ends it with
 * emit_done().  Returns an exit status. */
int conf_run(const struct conf_args *args, struct emit *emit);
