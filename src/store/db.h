/*
 * The database of jobs: one file, DIR/jobs.db, with its write-ahead log, held
 * by one process alone.  Changes are made between db_begin() and db_commit();
 * any error in between ends in db_rollback(), and then all may be done again.
 * Caller: store.
 */
#pragma once

#include "base/cleanup.h"
#include "wire/store_msg.h"

struct db;

/* Functions return 0, -EAGAIN (it cannot be written now; later it may) or
 * -EBADMSG (it cannot be used); db_why() is then a sentence about it. */

/* Made when it is not there.  Sets *ret in any case: when it fails only
 * db_why() and db_close() are left. */
int db_open(const char *dir, struct db **ret) MUST_CHECK;
const char *db_why(const struct db *d);
/* in_order: all of the log goes into the file first. */
void db_close(struct db *d, bool in_order);

/* The greatest id that a job ever had, 0 when there was none. */
uint64_t db_last_id(const struct db *d);
typedef void (*db_job_cb)(const struct store_job *j, void *arg);
/* Jobs with ids greater than after, in their order; borrowed for the call. */
int db_load(struct db *d, uint64_t after, db_job_cb cb, void *arg) MUST_CHECK;

int db_begin(struct db *d) MUST_CHECK;
int db_put(struct db *d, const struct store_job *j) MUST_CHECK;
int db_update(struct db *d, const struct store_job *j) MUST_CHECK;
int db_delete(struct db *d, uint64_t id) MUST_CHECK;
/* It is durable when this returns 0. */
int db_commit(struct db *d) MUST_CHECK;
void db_rollback(struct db *d);
