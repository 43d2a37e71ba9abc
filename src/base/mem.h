/*
 * Allocation that cannot fail: small, fixed-size requests end the process
 * when memory is gone (crash-only, HACKING "errors").  A size that comes from
 * outside is checked against a named limit before it gets here.
 */
#pragma once

#include <stddef.h>

/* All of these return memory the caller frees with free(); never NULL. */
void *xmalloc(size_t size);
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t size);
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t n);
void *xmemdup(const void *p, size_t n);
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#define NEW(type) ((type *)xcalloc(1, sizeof(type)))
