/* What a database of haul's looks like; see schema.h. */
#include "store/schema.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/mem.h"

/* The i-th step makes version i + 1 of version i.  A step that was released
 * never changes.  ids.last: no id below it is ever given again. */
static const char *const steps[] = {
	"CREATE TABLE job (id INTEGER PRIMARY KEY, from_config INTEGER NOT NULL, uid INTEGER NOT NULL,"
	" added_s INTEGER NOT NULL, state INTEGER NOT NULL, attempts INTEGER NOT NULL,"
	" received INTEGER NOT NULL, published INTEGER NOT NULL, run_ms INTEGER NOT NULL,"
	" code INTEGER NOT NULL, http_status INTEGER NOT NULL, os_error INTEGER NOT NULL,"
	" text TEXT NOT NULL, receipt BLOB NOT NULL, spec BLOB NOT NULL) STRICT;"
	"CREATE TABLE ids (last INTEGER NOT NULL) STRICT;"
	"INSERT INTO ids VALUES (0);",
	/* Those that are over are the history, found by when they ended; one of before
	 * had it nowhere.  Keys: of requests to add jobs. */
	"ALTER TABLE job ADD COLUMN ended_s INTEGER NOT NULL DEFAULT 0;"
	"UPDATE job SET ended_s = max(1, added_s + run_ms / 1000) WHERE state IN (4, 5, 6);"
	"CREATE INDEX job_ended ON job (ended_s, id, state) WHERE ended_s > 0 AND from_config = 0;"
	"CREATE TABLE key (first_id INTEGER PRIMARY KEY, n INTEGER NOT NULL, added_s INTEGER NOT NULL,"
	" word TEXT NOT NULL, names BLOB NOT NULL) STRICT;",
	/* Small facts of hauld's beside its jobs. */
	"CREATE TABLE note (key TEXT PRIMARY KEY, data BLOB NOT NULL) STRICT, WITHOUT ROWID;",
};

enum { VERSION = ARRAY_SIZE(steps) };

/* The header of a database file (sqlite.org/fileformat2.html). */
enum { HEADER_SIZE = 100, HEADER_VERSION = 60, HEADER_APPLICATION = 68 };

void
schema_say_damaged(const char *shown, const char *what, char *why, size_t n)
{
	(void)snprintf(why, n, "%s is damaged (%s): put a copy from a backup in its place, or move it and its "
	    "-wal file away to begin without its jobs (sqlite3's .recover may save some)", shown, what);
}

static int
say_later(const char *shown, uint32_t version, char *why, size_t n)
{
	(void)snprintf(why, n, "%s is of a later hauld (version %u, this one knows %u): install that one again, "
	    "or move the file and its -wal file away to begin without its jobs", shown, version, (unsigned)VERSION);
	return -1;
}

static uint32_t
get_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool
is_database(const uint8_t *h, ssize_t len)
{
	static const char magic[] = "SQLite format 3";

	return len >= HEADER_SIZE && memcmp(h, magic, sizeof magic) == 0;
}

/* The power went while the file was made: SQLite takes back what it has of it. */
static bool
has_journal(const char *path)
{
	AUTO_FREE char *journal = xasprintf("%s-journal", path);
	struct stat st;

	return lstat(journal, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0;
}

static int
check_header(const uint8_t *h, ssize_t len, const char *shown, char *why, size_t n)
{
	if (!is_database(h, len))
		schema_say_damaged(shown, "it is no database", why, n);
	else if (get_be32(h + HEADER_APPLICATION) != SCHEMA_APPLICATION_ID)
		(void)snprintf(why, n, "%s is the database of another program (its application_id is 0x%08x): "
		    "move it away, or give hauld another state-dir", shown, get_be32(h + HEADER_APPLICATION));
	else if (get_be32(h + HEADER_VERSION) > VERSION)
		(void)say_later(shown, get_be32(h + HEADER_VERSION), why, n);
	else
		return 0;
	return -EBADMSG;
}

int
schema_probe(const char *path, const char *shown, char *why, size_t n)
{
	/* To be closed before SQLite opens the file: a close drops all locks that
	 * this process has on it (fcntl(2)). */
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	uint8_t header[HEADER_SIZE];
	struct stat st;
	ssize_t len;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0) {
		(void)snprintf(why, n, "cannot open %s: %s: it must be a regular file and the service's own",
		    shown, strerror(errno));
		return -EBADMSG;
	}
	if (!S_ISREG(st.st_mode)) {
		(void)snprintf(why, n, "%s is no regular file: move it away", shown);
		return -EBADMSG;
	}
	if (st.st_size == 0)
		return 0;
	len = fd_pread_full(fd, header, sizeof header, 0);
	if (len < 0) {
		(void)snprintf(why, n, "cannot read %s: %s", shown, strerror((int)-len));
		return -EBADMSG;
	}
	if (!is_database(header, len) && has_journal(path))
		return 0;
	return check_header(header, len, shown, why, n);
}

static int
get_version(sqlite3 *sql, uint32_t *ret)
{
	sqlite3_stmt *s = NULL;
	int r = sqlite3_prepare_v2(sql, "PRAGMA user_version", -1, &s, NULL);

	if (r == SQLITE_OK) {
		r = sqlite3_step(s);
		*ret = r == SQLITE_ROW ? (uint32_t)sqlite3_column_int(s, 0) : 0;
		r = r == SQLITE_ROW ? SQLITE_OK : r == SQLITE_DONE ? SQLITE_CORRUPT : r;
	}
	(void)sqlite3_finalize(s); /* step's error again */
	return r;
}

/* In one transaction: a version is there as a whole or not at all. */
static int
go_steps(sqlite3 *sql, uint32_t from)
{
	char end[128];
	int r = SQLITE_OK;

	for (uint32_t v = from; v < VERSION && r == SQLITE_OK; v++)
		r = sqlite3_exec(sql, steps[v], NULL, NULL, NULL);
	(void)snprintf(end, sizeof end, "PRAGMA application_id = %d; PRAGMA user_version = %u;",
	    SCHEMA_APPLICATION_ID, (unsigned)VERSION);
	if (r == SQLITE_OK && from < VERSION)
		r = sqlite3_exec(sql, end, NULL, NULL, NULL);
	return r;
}

int
schema_prepare(sqlite3 *sql, const char *shown, char *why, size_t n)
{
	uint32_t version = 0;
	int r = sqlite3_exec(sql, "BEGIN EXCLUSIVE", NULL, NULL, NULL);

	if (r == SQLITE_OK)
		r = get_version(sql, &version);
	if (r == SQLITE_OK && version > VERSION)
		return say_later(shown, version, why, n);
	if (r == SQLITE_OK)
		r = go_steps(sql, version);
	if (r == SQLITE_OK)
		r = sqlite3_exec(sql, "COMMIT", NULL, NULL, NULL);
	return r;
}

int
schema_expect(sqlite3 *sql, const char *shown, char *why, size_t n)
{
	uint32_t version = 0;
	int r = get_version(sql, &version);

	if (r == SQLITE_OK && version > VERSION)
		return say_later(shown, version, why, n);
	if (r == SQLITE_OK && version < VERSION) {
		(void)snprintf(why, n, "%s is of an earlier hauld, and none of this version has opened it yet", shown);
		return -1;
	}
	return r;
}
