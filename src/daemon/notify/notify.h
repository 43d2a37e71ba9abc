/*
 * What hauld says to the service manager that started it (sd_notify(3),
 * sd_watchdog_enabled(3)), and the sockets it was given (sd_listen_fds(3)), in
 * the protocols' own words and without libsystemd.  The environment is read
 * once and cleared of it, so that no child inherits it: while the process is
 * still single-threaded.  Without a service manager every call does nothing.
 * Nothing here waits.  Callers: main and the service.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"

/* Takes NOTIFY_SOCKET and the WATCHDOG_ variables out of the environment.  0,
 * also when there are none; -EINVAL or -ENAMETOOLONG: NOTIFY_SOCKET is neither
 * a path nor "@NAME"; -errno: there is no socket to send from. */
int notify_open(void) MUST_CHECK;
void notify_close(void);
/* Somebody listens. */
bool notify_is_open(void);

/* The state, and what `systemctl status` shows of it; status may be NULL.
 * notify_ready() also ends what notify_reloading() began. */
void notify_ready(const char *status);
void notify_reloading(void);
void notify_stopping(void);
/* A line for `systemctl status`; what it already shows is not sent again. */
void notify_status(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* The loop still turns. */
void notify_watchdog(void);
/* How often that has to be said: half of the time the service manager waits
 * for it; 0: it does not. */
uint64_t notify_watchdog_ms(void);

/*
 * The listening Unix stream socket of that name (FileDescriptorName=) which the
 * service manager opened for this process: non-blocking, close-on-exec, and the
 * caller's.  Where no names came with it, the only one.  Takes the LISTEN_
 * variables out of the environment and closes the other sockets: call it once.
 * -ENOENT: none was given.  Others: some were, but the variables are no good
 * (-EINVAL), none has the name (-ENODATA), it is no descriptor (-EBADF) or no
 * listening Unix stream socket (-ENOTSOCK, -EPROTOTYPE).
 */
int notify_listen_fd(const char *name, int *ret_fd) MUST_CHECK;
