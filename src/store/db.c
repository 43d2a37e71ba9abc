/* The database of jobs; see db.h. */
#include "store/db.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "store/db_internal.h"
#include "store/place.h"
#include "store/rows.h"
#include "store/schema.h"

enum {
	BUSY_WAIT_MS = 5000, /* for people who look at the file with other programs */
	CACHE_KIB = 8192,
	/* Pages of the log after which they go into the file: 8 MiB.  The log begins
	 * anew when nobody reads from it; who does gives way (past.c). */
	CHECKPOINT_PAGES = 2000,
	LOG_SIZE_MAX = 16 << 20, /* bytes of the log that are kept on the disk for reuse */
};

/* Parameter 1 is the id, then come those of ROW_COLUMNS, then spec. */
static const char *const texts[_DB_STATEMENT_MAX] = {
	[DB_BEGIN] = "BEGIN IMMEDIATE",
	[DB_COMMIT] = "COMMIT",
	[DB_ROLLBACK] = "ROLLBACK",
	[DB_PUT] = "INSERT OR REPLACE INTO job (id, " ROW_COLUMNS ", spec) "
	    "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
	[DB_UPDATE] = "UPDATE job SET (" ROW_COLUMNS ") = "
	    "(?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15) WHERE id = ?1",
	[DB_DELETE] = "DELETE FROM job WHERE id = ?1",
	[DB_SET_LAST] = "UPDATE ids SET last = ?1",
	[DB_GET_LAST] = "SELECT last FROM ids",
	[DB_LOAD] = "SELECT id, " ROW_COLUMNS ", spec FROM job WHERE id > ?1 ORDER BY id",
	[DB_LEFT] = "SELECT id, spec FROM job INDEXED BY job_ended WHERE " ROW_IS_HISTORY
	    " ORDER BY ended_s DESC, id DESC LIMIT ?1",
	[DB_OLD_STATE] = "SELECT state FROM job WHERE id = ?1 AND " ROW_IS_HISTORY,
	[DB_COUNT_ENDED] = "SELECT state, count(*) FROM job INDEXED BY job_ended WHERE " ROW_IS_HISTORY " GROUP BY state",
	[DB_FIRST_ENDED] = "SELECT id, ended_s FROM job INDEXED BY job_ended WHERE " ROW_IS_HISTORY
	    " ORDER BY ended_s, id LIMIT 1",
	[DB_PUT_KEY] = "INSERT OR REPLACE INTO key (first_id, n, added_s, word, names) VALUES (?1, ?2, ?3, ?4, ?5)",
	[DB_DROP_KEY] = "DELETE FROM key WHERE first_id = ?1",
	[DB_KEYS] = "SELECT first_id, n, added_s, word, names FROM key ORDER BY first_id",
	[DB_PUT_NOTE] = "INSERT OR REPLACE INTO note (key, data) VALUES (?1, ?2)",
	[DB_DROP_NOTE] = "DELETE FROM note WHERE key = ?1",
	[DB_NOTES] = "SELECT key, data FROM note ORDER BY key",
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
int
db_fail(struct db *d, int r)
{
	bool told = d->sql && sqlite3_extended_errcode(d->sql) == r; /* not what we found out */

	if (is_passing(r)) {
		(void)snprintf(d->why, sizeof d->why, "cannot write %s: %s", d->shown, reason(d, r));
		return -EAGAIN;
	}
	schema_say_damaged(d->shown, told ? sqlite3_errmsg(d->sql) : sqlite3_errstr(r), d->why, sizeof d->why);
	return -EBADMSG;
}

int
db_fail_open(struct db *d, int r)
{
	if ((r & 0xff) == SQLITE_BUSY)
		(void)snprintf(d->why, sizeof d->why, "%s is in use by another hauld-store: end that hauld first, "
		    "or give this one another state-dir", d->shown);
	else if ((d->may_pass = is_passing(r)))
		(void)snprintf(d->why, sizeof d->why, "cannot open %s: %s: its directory must be there, be the "
		    "service's own, and have some room", d->shown, reason(d, r));
	else
		(void)db_fail(d, r);
	return -EBADMSG;
}

const char *
db_why(const struct db *d)
{
	return d->why;
}

bool
db_may_pass(const struct db *d)
{
	return d->may_pass;
}

/* ---- Opening --------------------------------------------------------------------- */

static int
set_up(struct db *d)
{
	AUTO_FREE char *pragmas = xasprintf("PRAGMA trusted_schema = OFF;"
	    "PRAGMA cell_size_check = ON; PRAGMA foreign_keys = OFF; PRAGMA synchronous = FULL;"
	    "PRAGMA temp_store = MEMORY; PRAGMA cache_size = -%d; PRAGMA journal_size_limit = %d;"
	    "PRAGMA wal_autocheckpoint = %d;", CACHE_KIB, LOG_SIZE_MAX, CHECKPOINT_PAGES);

	(void)sqlite3_busy_timeout(d->sql, BUSY_WAIT_MS);
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

/* Of a known state, or the whole is damaged. */
static int
count_ended(struct db *d)
{
	sqlite3_stmt *s = d->statements[DB_COUNT_ENDED];
	int r;

	while ((r = sqlite3_step(s)) == SQLITE_ROW) {
		int64_t state = sqlite3_column_int64(s, 0), n = sqlite3_column_int64(s, 1);

		if (state < 0 || state >= _JOB_STATE_MAX || n < 0)
			break;
		d->ended[state] = (uint64_t)n;
	}
	(void)sqlite3_reset(s); /* step's error again */
	return r == SQLITE_DONE ? SQLITE_OK : r == SQLITE_ROW ? SQLITE_CORRUPT : r;
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
	if (r == SQLITE_OK)
		r = count_ended(d);
	return r == SQLITE_OK ? 0 : db_fail_open(d, r);
}

/* Of errno. */
static int
fail_path(struct db *d, int error)
{
	d->may_pass = true;
	(void)snprintf(d->why, sizeof d->why, "cannot open %s: %s: its directory must be there, be the service's own, "
	    "and have some room", d->shown, strerror(error));
	return -EBADMSG;
}

/* Before SQLite has a descriptor on the file: see place_lock(). */
static int
take_place(struct db *d, const char *dir)
{
	AUTO_CLOSE int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char shown[sizeof d->shown];
	int r;

	(void)str_safe(shown, sizeof shown, dir, strlen(dir));
	if (fd < 0)
		return fail_path(d, errno);
	r = place_check(fd, shown, d->why, sizeof d->why);
	if (r == 0)
		r = schema_probe(d->path, d->shown, d->why, sizeof d->why);
	if (r < 0)
		return r;
	r = place_lock(d->path, &d->lock_fd);
	if (r == -EWOULDBLOCK)
		return db_fail_open(d, SQLITE_BUSY);
	if (r < 0)
		return fail_path(d, -r);
	place_keep_index(fd);
	/* It may have been another's until now. */
	return schema_probe(d->path, d->shown, d->why, sizeof d->why);
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

	d->lock_fd = -1;
	if (!real) {
		r = errno;
		(void)str_safe(d->shown, sizeof d->shown, dir, strlen(dir));
		(void)snprintf(d->why, sizeof d->why, "cannot open the directory %s: %s", d->shown, strerror(r));
		return -EBADMSG;
	}
	d->path = xasprintf("%s/jobs.db", real);
	(void)str_safe(d->shown, sizeof d->shown, d->path, strlen(d->path));
	r = take_place(d, real);
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
	fd_close(&d->lock_fd);
	free(d->path);
	free(d);
}

uint64_t
db_last_id(const struct db *d)
{
	return d->last_id;
}

struct store_ended
db_ended(const struct db *d)
{
	return (struct store_ended){ d->ended[JOB_DONE], d->ended[JOB_FAILED], d->ended[JOB_CANCELLED] };
}

/* ---- Changing -------------------------------------------------------------------- */

static int
run(struct db *d, enum db_statement which)
{
	sqlite3_stmt *s = d->statements[which];
	int r = sqlite3_step(s), e = r == SQLITE_DONE ? 0 : db_fail(d, r);

	(void)sqlite3_reset(s); /* step's error again */
	return e;
}

int
db_begin(struct db *d)
{
	d->new_last_id = d->last_id;
	memcpy(d->new_ended, d->ended, sizeof d->new_ended);
	return run(d, DB_BEGIN);
}

/* The row of this id is about to change: is it counted among those that are over? */
static int
uncount(struct db *d, uint64_t id)
{
	sqlite3_stmt *s = d->statements[DB_OLD_STATE];
	int r, e = 0;

	if (id > d->new_last_id)
		return 0; /* there is none */
	(void)sqlite3_bind_int64(s, 1, (sqlite3_int64)id); /* the parameter is there */
	r = sqlite3_step(s);
	if (r == SQLITE_ROW) {
		int64_t state = sqlite3_column_int64(s, 0);

		if (state >= 0 && state < _JOB_STATE_MAX && d->new_ended[state])
			d->new_ended[state]--;
	} else if (r != SQLITE_DONE) {
		e = db_fail(d, r);
	}
	(void)sqlite3_reset(s); /* step's error again */
	return e;
}

static void
count(struct db *d, const struct store_job *j)
{
	if (j->ended_s > 0 && !j->from_config)
		d->new_ended[j->state]++;
}

int
db_put(struct db *d, const struct store_job *j)
{
	int e = uncount(d, j->id);

	row_bind(d->statements[DB_PUT], j);
	d->new_last_id = MAX(d->new_last_id, j->id);
	if (e == 0)
		e = run(d, DB_PUT);
	if (e == 0)
		count(d, j);
	return e;
}

int
db_update(struct db *d, const struct store_job *j)
{
	int e = uncount(d, j->id);

	row_bind(d->statements[DB_UPDATE], j);
	if (e == 0)
		e = run(d, DB_UPDATE);
	if (e == 0 && sqlite3_changes(d->sql))
		count(d, j);
	return e;
}

static int
run_with_id(struct db *d, enum db_statement which, uint64_t id)
{
	(void)sqlite3_bind_int64(d->statements[which], 1, (sqlite3_int64)id); /* the parameter is there */
	return run(d, which);
}

int
db_delete(struct db *d, uint64_t id)
{
	int e = uncount(d, id);

	return e < 0 ? e : run_with_id(d, DB_DELETE, id);
}

int
db_put_key(struct db *d, const struct store_key *k)
{
	sqlite3_stmt *s = d->statements[DB_PUT_KEY];

	(void)sqlite3_bind_int64(s, 1, (sqlite3_int64)k->first_id); /* parameters are there */
	(void)sqlite3_bind_int64(s, 2, k->n);
	(void)sqlite3_bind_int64(s, 3, k->added_s);
	(void)sqlite3_bind_text(s, 4, k->word.at, (int)k->word.len, SQLITE_STATIC);
	row_bind_blob(s, 5, k->names);
	return run(d, DB_PUT_KEY);
}

int
db_drop_key(struct db *d, uint64_t first_id)
{
	return run_with_id(d, DB_DROP_KEY, first_id);
}

int
db_put_note(struct db *d, const struct store_note *n)
{
	enum db_statement which = n->data.len ? DB_PUT_NOTE : DB_DROP_NOTE;
	sqlite3_stmt *s = d->statements[which];

	(void)sqlite3_bind_text(s, 1, n->key.at, (int)n->key.len, SQLITE_STATIC); /* parameters are there */
	if (n->data.len)
		row_bind_blob(s, 2, n->data);
	return run(d, which);
}

/* *ret_id 0: there is none. */
static int
first_ended(struct db *d, uint64_t *ret_id, int64_t *ret_s)
{
	sqlite3_stmt *s = d->statements[DB_FIRST_ENDED];
	int r = sqlite3_step(s), e = r == SQLITE_ROW || r == SQLITE_DONE ? 0 : db_fail(d, r);

	*ret_id = r == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(s, 0) : 0;
	*ret_s = r == SQLITE_ROW ? sqlite3_column_int64(s, 1) : INT64_MAX;
	(void)sqlite3_reset(s); /* step's error again */
	return e;
}

int
db_expire(struct db *d, uint64_t count, int64_t before_s, unsigned most, struct buf *ids)
{
	const uint64_t *n = d->new_ended;
	uint64_t id;
	int64_t ended_s;
	int e = 0;

	for (unsigned i = 0; i < most && e == 0; i++) {
		e = first_ended(d, &id, &ended_s);
		if (e < 0 || !id ||
		    (n[JOB_DONE] + n[JOB_FAILED] + n[JOB_CANCELLED] <= count && ended_s >= before_s))
			return e;
		e = db_delete(d, id);
		put_u64(ids, id);
	}
	return e;
}

int
db_first_end(struct db *d, int64_t *ret_s)
{
	uint64_t id;

	return first_ended(d, &id, ret_s);
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
	if (e == 0) {
		d->last_id = d->new_last_id;
		memcpy(d->ended, d->new_ended, sizeof d->ended);
	}
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
