/* The history; see past.h. */
#include "store/past.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "model/spec.h"
#include "store/place.h"
#include "store/rows.h"
#include "store/schema.h"

enum {
	PAGE_MS = 200,      /* of work for one page: then it ends early */
	QUESTION_MS = 2000, /* for one step of it: then the question fails */
	LOOK_EACH = 64,     /* rows between looks at the clock */
	PROGRESS_STEPS = 10000, /* of SQLite's machine, between the same */
	BUSY_WAIT_MS = 1000,    /* while the log is recovered by another */
	CACHE_KIB = 2048,
	/* Of the log, above which the writer gets a moment without a reader: twice
	 * what it has when it begins anew. */
	LOG_LARGE = 16 << 20,
	GIVE_WAY_MS = 50,
};

enum past_statement { PAST_FIND, PAST_BY_ID, PAST_BY_END, _PAST_STATEMENT_MAX };

#define SELECT "SELECT id, " ROW_COLUMNS ", spec FROM job "

static const char *const texts[_PAST_STATEMENT_MAX] = {
	[PAST_FIND] = SELECT "WHERE id = ?1 AND " ROW_IS_HISTORY,
	/* By the table: an index would have to be sorted. */
	[PAST_BY_ID] = SELECT "NOT INDEXED WHERE id > ?1 AND id <= ?2 AND " ROW_IS_HISTORY " ORDER BY id",
	[PAST_BY_END] = SELECT "INDEXED BY job_ended WHERE " ROW_IS_HISTORY
	    " AND (ended_s, id) < (?1, ?2) AND ended_s >= ?3 ORDER BY ended_s DESC, id DESC",
};

struct past {
	sqlite3 *sql; /* owned */
	sqlite3_stmt *statements[_PAST_STATEMENT_MAX]; /* owned */
	char *path, *log_path; /* owned */
	char shown[1024];      /* path, safe to show; cut to leave room for what is wrong */
	uint64_t until_ms;     /* of the question */
	char why[STORE_TEXT_MAX];
};

/* ---- Errors ---------------------------------------------------------------------- */

static int
fail(struct past *p, int r)
{
	switch (r & 0xff) {
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_ERROR: /* no such table */
		schema_say_damaged(p->shown, p->sql ? sqlite3_errmsg(p->sql) : sqlite3_errstr(r), p->why, sizeof p->why);
		return -EBADMSG;
	case SQLITE_INTERRUPT:
		(void)snprintf(p->why, sizeof p->why, "reading %s took more than %d s", p->shown, QUESTION_MS / 1000);
		return -EAGAIN;
	default:
		(void)snprintf(p->why, sizeof p->why, "cannot read %s: %s", p->shown, sqlite3_errstr(r));
		return -EAGAIN;
	}
}

const char *
past_why(const struct past *p)
{
	return p->why;
}

/* ---- Opening --------------------------------------------------------------------- */

static int
on_progress(void *arg)
{
	const struct past *p = arg;

	return clock_now_ms() >= p->until_ms;
}

static int
open_file(struct past *p)
{
	AUTO_FREE char *pragmas = xasprintf("PRAGMA query_only = ON; PRAGMA trusted_schema = OFF; "
	    "PRAGMA cell_size_check = ON; PRAGMA cache_size = -%d;", CACHE_KIB);
	int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
	int r = sqlite3_open_v2(p->path, &p->sql, flags, NULL);

	if (r != SQLITE_OK)
		return fail(p, r);
	(void)sqlite3_busy_timeout(p->sql, BUSY_WAIT_MS);
	(void)sqlite3_db_config(p->sql, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)NULL);
	(void)sqlite3_db_config(p->sql, SQLITE_DBCONFIG_DEFENSIVE, 1, (int *)NULL);
	p->until_ms = clock_now_ms() + QUESTION_MS;
	sqlite3_progress_handler(p->sql, PROGRESS_STEPS, on_progress, p);
	r = sqlite3_exec(p->sql, pragmas, NULL, NULL, NULL);
	if (r == SQLITE_OK) {
		r = schema_expect(p->sql, p->shown, p->why, sizeof p->why);
		if (r < 0)
			return -EBADMSG;
	}
	for (int i = 0; i < _PAST_STATEMENT_MAX && r == SQLITE_OK; i++)
		r = sqlite3_prepare_v3(p->sql, texts[i], -1, SQLITE_PREPARE_PERSISTENT, &p->statements[i], NULL);
	return r == SQLITE_OK ? 0 : fail(p, r);
}

int
past_open(const char *dir, struct past **ret)
{
	struct past *p = *ret = NEW(struct past);
	AUTO_FREE char *real = realpath(dir, NULL);
	AUTO_CLOSE int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	(void)str_safe(p->shown, sizeof p->shown, dir, strlen(dir));
	if (!real || fd < 0) {
		(void)snprintf(p->why, sizeof p->why, "cannot open the directory %s: %s", p->shown, strerror(errno));
		return -EBADMSG;
	}
	r = place_check(fd, p->shown, p->why, sizeof p->why);
	if (r < 0)
		return r;
	p->path = xasprintf("%s/jobs.db", real);
	p->log_path = xasprintf("%s/jobs.db-wal", real);
	(void)str_safe(p->shown, sizeof p->shown, p->path, strlen(p->path));
	r = schema_probe(p->path, p->shown, p->why, sizeof p->why);
	return r < 0 ? r : open_file(p);
}

void
past_close(struct past *p)
{
	if (!p)
		return;
	for (int i = 0; i < _PAST_STATEMENT_MAX; i++)
		(void)sqlite3_finalize(p->statements[i]); /* its last error was told */
	(void)sqlite3_close(p->sql);
	free(p->path);
	free(p->log_path);
	free(p);
}

/* ---- Questions ------------------------------------------------------------------- */

/* The row is one that this program wrote, or the whole is damaged. */
static int
get_job(struct past *p, sqlite3_stmt *s, struct store_job *ret)
{
	char what[64];

	if (row_get(s, ret))
		return 0;
	(void)snprintf(what, sizeof what, "job %lld in it makes no sense", sqlite3_column_int64(s, 0));
	schema_say_damaged(p->shown, what, p->why, sizeof p->why);
	return -EBADMSG;
}

static int
find_one(struct past *p, uint64_t id, past_job_cb cb, void *arg)
{
	sqlite3_stmt *s = p->statements[PAST_FIND];
	struct store_job j;
	int r, e = 0;

	(void)sqlite3_bind_int64(s, 1, (sqlite3_int64)id); /* the parameter is there */
	r = sqlite3_step(s);
	if (r == SQLITE_ROW) {
		e = get_job(p, s, &j);
		if (e == 0 && !cb(&j, arg))
			e = -EPIPE;
	} else if (r != SQLITE_DONE) {
		e = fail(p, r);
	}
	(void)sqlite3_reset(s); /* step's error again */
	return e;
}

int
past_find(struct past *p, struct cursor *ids, size_t n, past_job_cb cb, void *arg)
{
	int e = 0;

	for (size_t i = 0; i < n && e == 0; i++) {
		p->until_ms = clock_now_ms() + QUESTION_MS;
		e = find_one(p, get_u64(ids), cb, arg);
	}
	return e;
}

static sqlite3_stmt *
bind_list(struct past *p, const struct read_list *l)
{
	sqlite3_stmt *s = p->statements[l->by_end ? PAST_BY_END : PAST_BY_ID];

	/* Parameters are there. */
	if (l->by_end) {
		bool early = l->filter.until_s <= l->after_s;

		(void)sqlite3_bind_int64(s, 1, early ? l->filter.until_s : l->after_s);
		(void)sqlite3_bind_int64(s, 2, early ? 0 : (sqlite3_int64)l->after_id);
		(void)sqlite3_bind_int64(s, 3, l->filter.since_s);
	} else {
		(void)sqlite3_bind_int64(s, 1, (sqlite3_int64)l->after_id);
		(void)sqlite3_bind_int64(s, 2, (sqlite3_int64)l->upto_id);
	}
	return s;
}

static bool
takes(const struct filter *f, const struct store_job *j)
{
	AUTO_SPEC struct spec *spec = NULL;

	if (!f->group && !f->name && !f->output && !f->url)
		return true;
	return spec_new(SCOPE_JOB, j->spec.at, j->spec.len, NULL, &spec) == 0 && filter_takes_spec(f, spec);
}

int
past_list(struct past *p, const struct read_list *l, past_job_cb cb, void *arg, struct read_end *ret)
{
	sqlite3_stmt *s = bind_list(p, l);
	uint64_t page_ms = clock_now_ms() + PAGE_MS;
	unsigned left = l->jobs, looked = 0;
	struct store_job j;
	int r, e = 0;

	p->until_ms = clock_now_ms() + QUESTION_MS;
	*ret = (struct read_end){ 0 };
	while (e == 0 && !ret->more && (r = sqlite3_step(s)) == SQLITE_ROW) {
		int64_t state = sqlite3_column_int64(s, ROW_STATE), ended_s = sqlite3_column_int64(s, 14);

		ret->id = (uint64_t)sqlite3_column_int64(s, 0);
		ret->ended_s = ended_s;
		if (++looked % LOOK_EACH == 0 && clock_now_ms() >= page_ms)
			ret->more = true;
		if (state >= 0 && state < _JOB_STATE_MAX && !filter_takes(&l->filter, (enum job_state)state, ended_s))
			continue;
		e = get_job(p, s, &j);
		if (e == 0 && takes(&l->filter, &j) && (!cb(&j, arg) || --left == 0))
			ret->more = true;
	}
	if (e == 0 && !ret->more && r != SQLITE_DONE)
		e = fail(p, r);
	(void)sqlite3_reset(s); /* step's error again */
	return e;
}

void
past_give_way(const struct past *p)
{
	struct stat st;

	if (stat(p->log_path, &st) == 0 && st.st_size > LOG_LARGE)
		(void)poll(NULL, 0, GIVE_WAY_MS);
}
