/*
 * The database of jobs: one file, DIR/jobs.db, with its write-ahead log, written
 * by one process alone; others may read (past.h).  Changes are made between db_begin() and db_commit();
 * any error in between ends in db_rollback(), and then all may be done again.
 * Caller: store.
 */
#pragma once

#include "base/cleanup.h"
#include "wire/store_msg.h"

struct db;

enum { DB_LEFT_MAX = 1000 };

/* Functions return 0, -EAGAIN (it cannot be written now; later it may) or
 * -EBADMSG (it cannot be used); db_why() is then a sentence about it. */

/* Made when it is not there.  Sets *ret in any case: when it fails only
 * db_why() and db_close() are left. */
int db_open(const char *dir, struct db **ret) MUST_CHECK;
const char *db_why(const struct db *d);
/* After a failed db_open(): another time it may be well. */
bool db_may_pass(const struct db *d);
/* in_order: all of the log goes into the file first. */
void db_close(struct db *d, bool in_order);

/* The greatest id that a job ever had, 0 when there was none. */
uint64_t db_last_id(const struct db *d);
/* How many jobs of clients are over, as it was committed. */
struct store_ended db_ended(const struct db *d);

/* What is borrowed is so for the call. */
struct db_load_ops {
	/* Each job that is not over or is the configuration's, with an id greater than
	 * after; and the name of each that is over, a client's, and has one: together in
	 * the order of ids. */
	void (*on_job)(const struct store_job *j, void *arg);
	void (*on_named)(uint64_t id, const char *name, void *arg);
	/* The destinations (keep-download is one, too) of each of the last DB_LEFT_MAX that
	 * ended: the daemon may have been killed before it had tidied up there. */
	void (*on_left)(uint64_t id, const char *output, void *arg);
	void (*on_key)(const struct store_key *k, void *arg);
	/* All of them, before the first job, in the order of their keys. */
	void (*on_note)(const struct store_note *n, void *arg);
};
/* What was added under a key and not committed to its last job goes first: its
 * client was never told. */
int db_load(struct db *d, uint64_t after, const struct db_load_ops *ops, void *arg) MUST_CHECK;

int db_begin(struct db *d) MUST_CHECK;
int db_put(struct db *d, const struct store_job *j) MUST_CHECK;
int db_update(struct db *d, const struct store_job *j) MUST_CHECK;
int db_delete(struct db *d, uint64_t id) MUST_CHECK;
int db_put_key(struct db *d, const struct store_key *k) MUST_CHECK;
int db_drop_key(struct db *d, uint64_t first_id) MUST_CHECK;
/* Without data: deleted. */
int db_put_note(struct db *d, const struct store_note *n) MUST_CHECK;
/* Deletes jobs of clients that are over, those first that ended first: above count
 * of them, or that ended before before_s, but at most so many; appends their ids
 * to ids, u64 each. */
int db_expire(struct db *d, uint64_t count, int64_t before_s, unsigned most, struct buf *ids) MUST_CHECK;
/* When the first of them ended; INT64_MAX: there is none.  Outside of a transaction. */
int db_first_end(struct db *d, int64_t *ret_s) MUST_CHECK;
/* It is durable when this returns 0. */
int db_commit(struct db *d) MUST_CHECK;
void db_rollback(struct db *d);
