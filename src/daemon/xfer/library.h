/*
 * libcurl itself: begun once, ended once, and what it is.  Callers: main, service.
 */
#pragma once

#include "base/cleanup.h"

/* Once, before there is a thread: 0, or -errno after saying why.  Names must be
 * resolved on threads: a libcurl that does it on the loop is refused. */
int xfer_global_init(void) MUST_CHECK;
void xfer_global_cleanup(void);
/* "libcurl/7.88.1 OpenSSL/3.0 ..."; static. */
const char *xfer_versions(void);
