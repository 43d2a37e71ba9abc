/* The jobs of an earlier life, out of the database; see db.h. */
#include <errno.h>
#include <stdio.h>

#include "model/spec.h"
#include "store/db_internal.h"
#include "store/rows.h"
#include "store/schema.h"

static int
say_senseless(struct db *d, const char *what, int64_t id)
{
	char text[64];

	(void)snprintf(text, sizeof text, "%s %lld in it makes no sense", what, (long long)id);
	schema_say_damaged(d->shown, text, d->why, sizeof d->why);
	return -EBADMSG;
}

/* Before what comes with a row is looked at: there may be a million of these. */
static bool
is_history(sqlite3_stmt *s)
{
	int64_t state = sqlite3_column_int64(s, ROW_STATE);

	return (state == JOB_DONE || state == JOB_FAILED || state == JOB_CANCELLED) && !sqlite3_column_int64(s, 1) &&
	    sqlite3_column_int64(s, 14) > 0;
}

static void
tell_text(sqlite3_stmt *s, int spec_column, enum setting_id which, void (*cb)(uint64_t id, const char *text, void *arg),
    void *arg)
{
	struct text packed = row_get_blob(s, spec_column);
	AUTO_SPEC struct spec *spec = NULL;
	const char *text = NULL;

	if (spec_new(SCOPE_JOB, packed.at, packed.len, NULL, &spec) == 0)
		text = spec_string(spec, which);
	if (text)
		cb((uint64_t)sqlite3_column_int64(s, 0), text, arg);
}

static int
load_jobs(struct db *d, uint64_t after, const struct db_load_ops *ops, void *arg)
{
	sqlite3_stmt *s = d->statements[DB_LOAD];
	struct store_job j;
	int r, e = 0;

	/* Names are told of all: after is less than all ids but in a second try. */
	(void)sqlite3_bind_int64(s, 1, 0); /* parameters are there */
	while (e == 0 && (r = sqlite3_step(s)) == SQLITE_ROW) {
		if (is_history(s))
			tell_text(s, ROW_SPEC, JOB_NAME, ops->on_named, arg);
		else if (!row_get(s, &j))
			e = say_senseless(d, "job", sqlite3_column_int64(s, 0));
		else if (j.id > after)
			ops->on_job(&j, arg);
	}
	if (e == 0 && r != SQLITE_DONE)
		e = db_fail_open(d, r);
	(void)sqlite3_reset(s); /* step's error again */
	return e;
}

static int
load_left(struct db *d, const struct db_load_ops *ops, void *arg)
{
	sqlite3_stmt *s = d->statements[DB_LEFT];
	int r;

	(void)sqlite3_bind_int64(s, 1, DB_LEFT_MAX); /* the parameter is there */
	while ((r = sqlite3_step(s)) == SQLITE_ROW) {
		tell_text(s, 1, JOB_OUTPUT, ops->on_left, arg);
		tell_text(s, 1, JOB_KEEP_DOWNLOAD, ops->on_left, arg);
	}
	(void)sqlite3_reset(s); /* step's error again */
	return r == SQLITE_DONE ? 0 : db_fail_open(d, r);
}

static bool
get_key(sqlite3_stmt *s, struct store_key *ret)
{
	int64_t n = sqlite3_column_int64(s, 1);

	*ret = (struct store_key){
		.first_id = (uint64_t)sqlite3_column_int64(s, 0), .n = (uint32_t)n,
		.added_s = sqlite3_column_int64(s, 2), .word = row_get_blob(s, 3), .names = row_get_blob(s, 4),
	};
	return n >= 1 && n <= UINT32_MAX && store_key_is_sane(ret);
}

/* *ret_unfinished: the first id of one whose jobs were not all committed, or 0. */
static int
load_keys(struct db *d, const struct db_load_ops *ops, void *arg, uint64_t *ret_unfinished)
{
	sqlite3_stmt *s = d->statements[DB_KEYS];
	struct store_key k;
	int r, e = 0;

	while (e == 0 && (r = sqlite3_step(s)) == SQLITE_ROW) {
		if (!get_key(s, &k))
			e = say_senseless(d, "key", sqlite3_column_int64(s, 0));
		else if (k.first_id + k.n - 1 > d->last_id)
			*ret_unfinished = k.first_id;
		else
			ops->on_key(&k, arg);
	}
	if (e == 0 && r != SQLITE_DONE)
		e = db_fail_open(d, r);
	(void)sqlite3_reset(s); /* step's error again */
	return e;
}

static int
load_notes(struct db *d, const struct db_load_ops *ops, void *arg)
{
	sqlite3_stmt *s = d->statements[DB_NOTES];
	int64_t row = 0;
	int r, e = 0;

	while (e == 0 && (r = sqlite3_step(s)) == SQLITE_ROW) {
		struct store_note n = { row_get_blob(s, 0), row_get_blob(s, 1) };

		row++;
		if (store_note_is_sane(&n) && n.data.len)
			ops->on_note(&n, arg);
		else
			e = say_senseless(d, "note", row);
	}
	if (e == 0 && r != SQLITE_DONE)
		e = db_fail_open(d, r);
	(void)sqlite3_reset(s); /* step's error again */
	return e;
}

/* Ids are put in their order: so it is the last one, with the greatest ids. */
static int
drop_unfinished(struct db *d, uint64_t first)
{
	int e = db_begin(d);

	for (uint64_t id = first; id <= d->last_id && e == 0; id++)
		e = db_delete(d, id);
	if (e == 0)
		e = db_drop_key(d, first);
	if (e == 0)
		e = db_commit(d);
	if (e < 0)
		db_rollback(d);
	return e < 0 ? -EBADMSG : 0;
}

int
db_load(struct db *d, uint64_t after, const struct db_load_ops *ops, void *arg)
{
	uint64_t unfinished = 0;
	int e = load_keys(d, ops, arg, &unfinished);

	if (e == 0 && unfinished)
		e = drop_unfinished(d, unfinished);
	if (e == 0)
		e = load_notes(d, ops, arg);
	if (e == 0)
		e = load_left(d, ops, arg);
	return e < 0 ? e : load_jobs(d, after, ops, arg);
}
