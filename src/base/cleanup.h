/*
 * Scope-bound release of what a function holds, and the hand-over of it.
 * Every module may use this; it owns nothing.
 */
#pragma once

#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

#define CLEANUP(f) __attribute__((cleanup(f)))
#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define UNUSED __attribute__((unused))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define CONTAINER_OF(ptr, type, member) \
	((type *)(void *)((char *)(ptr) - offsetof(type, member)))

/* TAKE_PTR(p): the value of p, and p is NULL from now on (ownership moves). */
#define TAKE_PTR(p)              \
	({                       \
		typeof(p) *_pp = &(p); \
		typeof(p) _v = *_pp;   \
		*_pp = NULL;     \
		_v;              \
	})
/* TAKE_FD(fd): the same for a file descriptor; it becomes -1. */
#define TAKE_FD(fd)              \
	({                       \
		int *_fp = &(fd); \
		int _v = *_fp;   \
		*_fp = -1;       \
		_v;              \
	})

static inline void
cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void
cleanup_close(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd); /* nothing is lost: what must last was synced */
}

static inline void
cleanup_closedir(DIR **d)
{
	if (*d)
		(void)closedir(*d);
}

#define AUTO_FREE CLEANUP(cleanup_free)
#define AUTO_CLOSE CLEANUP(cleanup_close)
#define AUTO_CLOSEDIR CLEANUP(cleanup_closedir)
