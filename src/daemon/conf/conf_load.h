/*
 * The client side of hauld-conf: runs it, takes what it hands on, and gives
 * one finished configuration or its errors.  Nothing live is touched before
 * the whole of it is known to be good (DESIGN I9).  Callers: once, engine.
 */
#pragma once

#include <stdint.h>

#include "daemon/loop/child.h"
#include "daemon/loop/loop.h"
#include "model/spec.h"

struct spec_list {
	struct spec **items; /* owned array of references */
	size_t len, size;
};

struct conf {
	struct spec *daemon, *defaults; /* refs; never NULL in a finished one */
	struct spec_list hosts, groups, jobs;
};

void conf_free(struct conf *c);

enum conf_outcome {
	CONF_OK,
	CONF_BAD,    /* errors in what the user wrote: they were told to on_error */
	CONF_USAGE,  /* hauld-conf said why on stderr */
	CONF_FAILED, /* hauld-conf cannot be run, or ended badly */
};

struct conf_load_ops {
	/* "file:line: sentence", already safe to show; for each error. */
	void (*on_error)(const char *text, void *arg);
	/* Once; conf is the callee's when the outcome is CONF_OK, else NULL. */
	void (*on_done)(enum conf_outcome outcome, struct conf *conf, void *arg);
};

struct conf_load;

/* argv: of hauld-conf, NULL-terminated, copied by the system at once.  NULL
 * when it cannot be started: then *ret_error (-errno) says why. */
struct conf_load *conf_load_start(struct loop *l, struct children *c, const char *path, char *const *argv,
    const struct conf_load_ops *ops, void *arg, int *ret_error);
/* on_done was called. */
bool conf_load_is_over(const struct conf_load *l);
/* Not from inside on_error and on_done.  A child that still runs is killed; no callback
 * comes any more. */
void conf_load_free(struct conf_load *l);
