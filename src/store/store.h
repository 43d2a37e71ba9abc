/*
 * The conversation of hauld-store: takes changes as they come, makes those that
 * came together one transaction, and says when they are durable.  A change is
 * never left out: what cannot be written is tried again until it can.  Caller:
 * main.
 */
#pragma once

#include "base/cleanup.h"

/* Until the end of file on in_fd: the exit status. */
int store_run(int in_fd, int out_fd, const char *dir) MUST_CHECK;
