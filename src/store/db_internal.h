/*
 * What the parts of the database share: db.c (opening, changing) and db_load.c.
 * Only these see it.
 */
#pragma once

#include <sqlite3.h>

#include "store/db.h"

enum db_statement {
	DB_BEGIN,
	DB_COMMIT,
	DB_ROLLBACK,
	DB_PUT,
	DB_UPDATE,
	DB_DELETE,
	DB_SET_LAST,
	DB_GET_LAST,
	DB_LOAD,
	DB_LEFT,
	DB_OLD_STATE,
	DB_COUNT_ENDED,
	DB_FIRST_ENDED,
	DB_PUT_KEY,
	DB_DROP_KEY,
	DB_KEYS,
	DB_PUT_NOTE,
	DB_DROP_NOTE,
	DB_NOTES,
	_DB_STATEMENT_MAX
};

struct db {
	sqlite3 *sql; /* owned */
	sqlite3_stmt *statements[_DB_STATEMENT_MAX]; /* owned */
	char *path; /* owned */
	char shown[1024]; /* path, safe to show; cut to leave room for what is wrong */
	int lock_fd;
	uint64_t last_id, new_last_id; /* committed; of the transaction */
	uint64_t ended[_JOB_STATE_MAX], new_ended[_JOB_STATE_MAX]; /* the same: jobs of clients that are over */
	char why[STORE_TEXT_MAX];
	bool may_pass; /* what kept it from being opened */
};

/* Into why: what is wrong while it is written to, and while it is opened. */
int db_fail(struct db *d, int r);
int db_fail_open(struct db *d, int r);
