/* The database of jobs; see db.h. */
#include "store/db.h"

#include <errno.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "store/place.h"
#include "store/schema.h"

enum {
	LOCK_WAIT_MS = 5000, /* for the store of a hauld that was killed: it ends what it is at */
	CACHE_KIB = 8192,
	/* Pages of the log after which they go into the file: 8 MiB.  Nobody else
	 * reads, so that the log begins anew then. */
	CHECKPOINT_PAGES = 2000,
	LOG_SIZE_MAX = 16 << 20, /* bytes of the log that are kept on the disk for reuse */
};

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
	_DB_STATEMENT_MAX
};

#define COLUMNS "from_config, uid, added_s, state, attempts, received, published, run_ms, " \
	"code, http_status, os_error, text, receipt"

/* Parameter 1 is the id, then come those of COLUMNS, then spec. */
static const char *const texts[_DB_STATEMENT_MAX] = {
	[DB_BEGIN] = "BEGIN IMMEDIATE",
	[DB_COMMIT] = "COMMIT",
	[DB_ROLLBACK] = "ROLLBACK",
	[DB_PUT] = "INSERT OR REPLACE INTO job (id, " COLUMNS ", spec) "
	    "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
	[DB_UPDATE] = "UPDATE job SET (" COLUMNS ") = "
	    "(?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14) WHERE id = ?1",
	[DB_DELETE] = "DELETE FROM job WHERE id = ?1",
	[DB_SET_LAST] = "UPDATE ids SET last = ?1",
	[DB_GET_LAST] = "SELECT last FROM ids",
	[DB_LOAD] = "SELECT id, " COLUMNS ", spec FROM job WHERE id > ?1 ORDER BY id",
};

struct db {
	sqlite3 *sql; /* owned */
	sqlite3_stmt *statements[_DB_STATEMENT_MAX]; /* owned */
	char *path; /* owned */
	char shown[1024]; /* path, safe to show; cut to leave room for what is wrong */
	uint64_t last_id, new_last_id; /* committed; of the transaction */
	char why[STORE_TEXT_MAX];
};

/* ---- Errors ---------------------------------------------------------------------- */

static bool
is_passing(int r)
{
	switch (r & 0xff) {
	case SQLITE_FULL:
	case SQLITE_IOERR:
	case SQLITE_READONLY:
	case SQLITE_CANTOPEN:
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_NOMEM:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return true;
	default:
		return false;
	}
}

/* Of the last call on the log (or else the file) that failed; 0: none. */
static int
last_errno(const struct db *d)
{
	static const int files[] = { SQLITE_FCNTL_JOURNAL_POINTER, SQLITE_FCNTL_FILE_POINTER };
	int err = 0;

	for (size_t i = 0; i < ARRAY_SIZE(files) && !err; i++) {
		sqlite3_file *f = NULL;

		if (sqlite3_file_control(d->sql, "main", files[i], &f) == SQLITE_OK && f && f->pMethods)
			(void)f->pMethods->xFileControl(f, SQLITE_FCNTL_LAST_ERRNO, &err);
	}
	return err;
}

/* The system's reason where it has one. */
static const char *
reason(const struct db *d, int r)
{
	int err = 0;

	if ((r & 0xff) == SQLITE_FULL)
		err = ENOSPC;
	else if ((r & 0xff) == SQLITE_CANTOPEN && d->sql)
		err = sqlite3_system_errno(d->sql);
	else if ((r & 0xff) == SQLITE_IOERR && d->sql)
		err = last_errno(d);
	return err ? strerror(err) : sqlite3_errstr(r);
}

/* While it is written to. */
static int
fail(struct db *d, int r)
{
	bool told = d->sql && sqlite3_extended_errcode(d->sql) == r; /* not what we found out */

	if (is_passing(r)) {
		(void)snprintf(d->why, sizeof d->why, "cannot write %s: %s", d->shown, reason(d, r));
		return -EAGAIN;
	}
	schema_say_damaged(d->shown, told ? sqlite3_errmsg(d->sql) : sqlite3_errstr(r), d->why, sizeof d->why);
	return -EBADMSG;
}

static int
fail_open(struct db *d, int r)
{
	if ((r & 0xff) == SQLITE_BUSY)
		(void)snprintf(d->why, sizeof d->why, "%s is in use by another hauld-store: end that hauld first, "
		    "or give this one another state-dir", d->shown);
	else if (is_passing(r))
		(void)snprintf(d->why, sizeof d->why, "cannot open %s: %s: its directory must be there, be the "
		    "service's own, and have some room", d->shown, reason(d, r));
	else
		(void)fail(d, r);
	return -EBADMSG;
}

const char *
db_why(const struct db *d)
{
	return d->why;
}

/* ---- Opening --------------------------------------------------------------------- */

/* Exclusive from the first access on, so that there is no shared memory, and
 * two stores never have one file. */
static int
set_up(struct db *d)
{
	AUTO_FREE char *pragmas = xasprintf("PRAGMA locking_mode = EXCLUSIVE; PRAGMA trusted_schema = OFF;"
	    "PRAGMA cell_size_check = ON; PRAGMA foreign_keys = OFF; PRAGMA synchronous = FULL;"
	    "PRAGMA temp_store = MEMORY; PRAGMA cache_size = -%d; PRAGMA journal_size_limit = %d;"
	    "PRAGMA wal_autocheckpoint = %d;", CACHE_KIB, LOG_SIZE_MAX, CHECKPOINT_PAGES);

	(void)sqlite3_busy_timeout(d->sql, LOCK_WAIT_MS);
	/* What is not ours, or makes no sense, is not changed by our leaving it. */
	(void)sqlite3_db_config(d->sql, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)NULL);
	(void)sqlite3_db_config(d->sql, SQLITE_DBCONFIG_DEFENSIVE, 1, (int *)NULL);
	return sqlite3_exec(d->sql, pragmas, NULL, NULL, NULL);
}

/* SQLite answers with the mode that is, not with an error. */
static int
set_wal(struct db *d)
{
	sqlite3_stmt *s = NULL;
	int r = sqlite3_prepare_v2(d->sql, "PRAGMA journal_mode = WAL", -1, &s, NULL);

	if (r == SQLITE_OK) {
		r = sqlite3_step(s);
		if (r == SQLITE_ROW)
			r = text_equal((const char *)sqlite3_column_text(s, 0), "wal") ? SQLITE_OK : SQLITE_IOERR;
	}
	(void)sqlite3_finalize(s); /* step's error again */
	return r;
}

static int
prepare(struct db *d)
{
	int r = SQLITE_OK;

	for (int i = 0; i < _DB_STATEMENT_MAX && r == SQLITE_OK; i++)
		r = sqlite3_prepare_v3(d->sql, texts[i], -1, SQLITE_PREPARE_PERSISTENT, &d->statements[i], NULL);
	return r;
}

static int
get_last(struct db *d)
{
	sqlite3_stmt *s = d->statements[DB_GET_LAST];
	int r = sqlite3_step(s);
	int64_t last = r == SQLITE_ROW ? sqlite3_column_int64(s, 0) : -1;

	(void)sqlite3_reset(s); /* step's error again */
	if (r != SQLITE_ROW || last < 0)
		return r == SQLITE_ROW || r == SQLITE_DONE ? SQLITE_CORRUPT : r;
	d->last_id = (uint64_t)last;
	return SQLITE_OK;
}

static int
open_file(struct db *d)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_NOMUTEX |
	    SQLITE_OPEN_EXRESCODE;
	int r = sqlite3_open_v2(d->path, &d->sql, flags, NULL);

	if (r == SQLITE_OK)
		r = set_up(d);
	if (r == SQLITE_OK && sqlite3_db_readonly(d->sql, "main") == 1)
		r = SQLITE_READONLY; /* the file, not what it is in */
	if (r == SQLITE_OK) {
		r = schema_prepare(d->sql, d->shown, d->why, sizeof d->why);
		if (r < 0)
			return -EBADMSG;
	}
	if (r == SQLITE_OK)
		r = set_wal(d);
	if (r == SQLITE_OK)
		r = prepare(d);
	if (r == SQLITE_OK)
		r = get_last(d);
	return r == SQLITE_OK ? 0 : fail_open(d, r);
}

/* SQLite has synced the names in the directory. */
static int
sync_place(struct db *d, const char *dir)
{
	int r = place_sync(dir);

	if (r < 0)
		(void)snprintf(d->why, sizeof d->why, "cannot sync the directory of %s: %s: its disk may be failing",
		    d->shown, strerror(-r));
	return r < 0 ? -EBADMSG : 0;
}

int
db_open(const char *dir, struct db **ret)
{
	struct db *d = *ret = NEW(struct db);
	/* Links on the way are the administrator's; SQLite would follow none. */
	AUTO_FREE char *real = realpath(dir, NULL);
	int r;

	if (!real) {
		r = errno;
		(void)str_safe(d->shown, sizeof d->shown, dir, strlen(dir));
		(void)snprintf(d->why, sizeof d->why, "cannot open the directory %s: %s", d->shown, strerror(r));
		return -EBADMSG;
	}
	d->path = xasprintf("%s/jobs.db", real);
	(void)str_safe(d->shown, sizeof d->shown, d->path, strlen(d->path));
	r = schema_probe(d->path, d->shown, d->why, sizeof d->why);
	if (r == 0)
		r = open_file(d);
	return r < 0 ? r : sync_place(d, real);
}

void
db_close(struct db *d, bool in_order)
{
	if (!d)
		return;
	for (int i = 0; i < _DB_STATEMENT_MAX; i++)
		(void)sqlite3_finalize(d->statements[i]); /* its last error was told */
	if (in_order) {
		/* Failing costs nothing but time at the next start: the log is durable. */
		(void)sqlite3_wal_checkpoint_v2(d->sql, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
		(void)sqlite3_db_config(d->sql, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, (int *)NULL);
	}
	(void)sqlite3_close(d->sql);
	free(d->path);
	free(d);
}

uint64_t
db_last_id(const struct db *d)
{
	return d->last_id;
}

/* ---- Loading --------------------------------------------------------------------- */

static struct text
get_blob_column(sqlite3_stmt *s, int i)
{
	const void *at = sqlite3_column_blob(s, i);

	return (struct text){ at ? at : "", at ? (size_t)sqlite3_column_bytes(s, i) : 0 };
}

/* False when a number is outside what its field can hold. */
static bool
get_row(sqlite3_stmt *s, struct store_job *ret)
{
	int64_t v[12];
	struct text text;

	for (int i = 0; i < 12; i++)
		v[i] = sqlite3_column_int64(s, i);
	text = get_blob_column(s, 12);
	*ret = (struct store_job){
		.id = (uint64_t)v[0], .from_config = v[1] != 0, .uid = (uint32_t)v[2], .added_s = v[3],
		.state = (enum job_state)v[4], .attempts = (unsigned)v[5], .received = (uint64_t)v[6],
		.published = (uint64_t)v[7], .run_ms = (uint64_t)v[8],
		.result = { .code = (enum result_code)v[9], .http_status = (int)v[10], .os_error = (int)v[11] },
		.receipt = get_blob_column(s, 13), .spec = get_blob_column(s, 14),
	};
	(void)str_safe_again(ret->result.text, sizeof ret->result.text, text.at, text.len);
	return v[1] >= 0 && v[1] <= 1 && v[2] >= 0 && v[2] <= UINT32_MAX && v[4] >= 0 && v[4] < _JOB_STATE_MAX &&
	    v[5] >= 0 && v[5] <= UINT_MAX && v[9] >= 0 && v[9] < _RESULT_CODE_MAX && v[10] >= 0 &&
	    v[10] <= INT_MAX && v[11] >= 0 && v[11] <= INT_MAX && store_job_is_sane(ret);
}

int
db_load(struct db *d, uint64_t after, db_job_cb cb, void *arg)
{
	sqlite3_stmt *s = d->statements[DB_LOAD];
	struct store_job j;
	char what[64];
	int r;

	(void)sqlite3_bind_int64(s, 1, (sqlite3_int64)after); /* parameters are there */
	while ((r = sqlite3_step(s)) == SQLITE_ROW && get_row(s, &j))
		cb(&j, arg);
	if (r == SQLITE_ROW) {
		(void)snprintf(what, sizeof what, "job %lld in it makes no sense", sqlite3_column_int64(s, 0));
		schema_say_damaged(d->shown, what, d->why, sizeof d->why);
	} else if (r != SQLITE_DONE) {
		(void)fail_open(d, r);
	}
	(void)sqlite3_reset(s); /* step's error again */
	return r == SQLITE_DONE ? 0 : -EBADMSG;
}

/* ---- Changing -------------------------------------------------------------------- */

static int
run(struct db *d, enum db_statement which)
{
	sqlite3_stmt *s = d->statements[which];
	int r = sqlite3_step(s), e = r == SQLITE_DONE ? 0 : fail(d, r);

	(void)sqlite3_reset(s); /* step's error again */
	return e;
}

int
db_begin(struct db *d)
{
	d->new_last_id = d->last_id;
	return run(d, DB_BEGIN);
}

static void
bind_blob(sqlite3_stmt *s, int i, struct text t)
{
	/* A NULL would be SQL's; the bytes stay until the statement has run. */
	(void)sqlite3_bind_blob(s, i, t.len ? t.at : "", (int)t.len, SQLITE_STATIC);
}

static void
bind_job(sqlite3_stmt *s, const struct store_job *j)
{
	const int64_t v[] = { (int64_t)j->id, j->from_config, j->uid, j->added_s, j->state, j->attempts,
		(int64_t)j->received, (int64_t)j->published, (int64_t)j->run_ms, j->result.code,
		j->result.http_status, j->result.os_error };

	for (size_t i = 0; i < ARRAY_SIZE(v); i++)
		(void)sqlite3_bind_int64(s, (int)i + 1, v[i]); /* parameters are there */
	(void)sqlite3_bind_text(s, 13, j->result.text, -1, SQLITE_STATIC);
	bind_blob(s, 14, j->receipt);
}

int
db_put(struct db *d, const struct store_job *j)
{
	bind_job(d->statements[DB_PUT], j);
	bind_blob(d->statements[DB_PUT], 15, j->spec);
	d->new_last_id = MAX(d->new_last_id, j->id);
	return run(d, DB_PUT);
}

int
db_update(struct db *d, const struct store_job *j)
{
	bind_job(d->statements[DB_UPDATE], j);
	return run(d, DB_UPDATE);
}

int
db_delete(struct db *d, uint64_t id)
{
	(void)sqlite3_bind_int64(d->statements[DB_DELETE], 1, (sqlite3_int64)id); /* the parameter is there */
	return run(d, DB_DELETE);
}

int
db_commit(struct db *d)
{
	int e = 0;

	if (d->new_last_id != d->last_id) {
		(void)sqlite3_bind_int64(d->statements[DB_SET_LAST], 1, (sqlite3_int64)d->new_last_id);
		e = run(d, DB_SET_LAST);
	}
	if (e == 0)
		e = run(d, DB_COMMIT);
	if (e == 0)
		d->last_id = d->new_last_id;
	return e;
}

void
db_rollback(struct db *d)
{
	/* Some errors have done it already. */
	if (!sqlite3_get_autocommit(d->sql)) {
		(void)sqlite3_step(d->statements[DB_ROLLBACK]); /* nothing is left to undo by */
		(void)sqlite3_reset(d->statements[DB_ROLLBACK]);
	}
}
