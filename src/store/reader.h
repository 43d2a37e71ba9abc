/*
 * The conversation of hauld-store --read: questions about the history, one after
 * the other.  Caller: main.
 */
#pragma once

#include "base/cleanup.h"

/* Until the end of file on in_fd: the exit status. */
int reader_run(int in_fd, int out_fd, const char *dir) MUST_CHECK;
