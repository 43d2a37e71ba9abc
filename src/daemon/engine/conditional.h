/*
 * Is the file that stands there still the one that the server has?  A download with
 * `conditional` asks with the validators that the published file remembers (wire/seen.h),
 * and 304 ends it without a byte.  Never of a file that was changed or removed since, or of
 * one that was made by other settings or from another source.
 * Callers: download.c, work.c.
 */
#pragma once

#include "daemon/engine/download.h"

/* Before a request: asks in req if there is something to ask about. */
void conditional_fill(struct download *d, struct transfer_request *req);
/* The header of the file came: what it will remember. */
void conditional_note(struct download *d, const struct response *r);
/* 304 came to what conditional_fill() asked: the job is done, or asked for anew
 * because the file is another one by now. */
void conditional_unchanged(struct download *d, const struct response *r);
void conditional_done(struct download *d);
