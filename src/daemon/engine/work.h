/*
 * What a download asks of the workers: check, copy, verify, unpack, publish,
 * discard; and what it hears from them.  Between download.c and pool.
 */
#pragma once

#include "daemon/engine/download.h"

/* A checksum tells whether the file at the destination is already right. */
bool work_can_check(const struct download *d);
/* The job knows a digest that the downloaded bytes must have, or the output. */
bool work_has_digest(const struct download *d);
void work_check(struct download *d);   /* answers by work_checked() */
void work_copy(struct download *d);    /* answers by work_copied() */
void work_discard(struct download *d); /* answers by work_discarded(); the part is gone */

/* Cancels them; when it is parking, what a later life needs is saved first. */
void work_let_go(struct download *d);
/* The digests that were asked for, as those that were computed. */
void work_wanted_digests(const struct download *d, struct result_msg *r);

/* Is there something to do behind the front already? */
bool work_wants_to_follow(const struct download *d, uint64_t front);
bool work_is_started(const struct download *d);
/* Gives the tasks out; follow: the input still grows. */
void work_start(struct download *d, bool follow);
/* Tells them the front. */
void work_front(struct download *d, bool last);
/* It will wait: what came is written back, so that it does not count against those
 * that go on. */
void work_flush(struct download *d);
/* The network phase is over and the part holds the whole. */
void work_input_is_whole(struct download *d);

/* download.c: the answers. */
void work_checked(struct download *d, const struct result_msg *r);
void work_copied(struct download *d, const struct result_msg *r);
void work_discarded(struct download *d);
void work_failed(struct download *d, const struct result *r);
void work_published(struct download *d, const struct result_msg *r);
