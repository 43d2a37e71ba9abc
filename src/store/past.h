/*
 * The history: jobs of clients that are over, read from a database that another
 * process writes.  A question is one short transaction of reading, so that the
 * writer's log can begin anew between two.  Caller: reader.
 */
#pragma once

#include "base/cleanup.h"
#include "wire/read_msg.h"

struct past;

/* Functions return 0, -EAGAIN (it cannot be read now; later it may) or -EBADMSG
 * (it cannot be read at all); past_why() is then a sentence about it. */

/* The database must be there.  Sets *ret in any case: when it fails only
 * past_why() and past_close() are left. */
int past_open(const char *dir, struct past **ret) MUST_CHECK;
const char *past_why(const struct past *p);
void past_close(struct past *p);

/* The job is borrowed for the call; false: the page is full, or (past_find(), which
 * is then -EPIPE) nobody wants to know any more. */
typedef bool (*past_job_cb)(const struct store_job *j, void *arg);
/* The jobs of these ids that are history; those of others are left out. */
int past_find(struct past *p, struct cursor *ids, size_t n, past_job_cb cb, void *arg) MUST_CHECK;
int past_list(struct past *p, const struct read_list *l, past_job_cb cb, void *arg, struct read_end *ret) MUST_CHECK;
/* Between two questions: gives the writer a moment where its log has grown. */
void past_give_way(const struct past *p);
