/*
 * A job as a row of the table `job`, for those who write it and those who read
 * it.  Callers: db, past.
 */
#pragma once

#include <sqlite3.h>
#include <stdbool.h>

#include "wire/store_msg.h"

/* All columns but the id, which is the first parameter and column, and the
 * spec, which is the last. */
#define ROW_COLUMNS "from_config, uid, added_s, state, attempts, received, published, run_ms, " \
	"code, http_status, os_error, text, receipt, ended_s"
enum { ROW_STATE = 4, ROW_SPEC = 15 };
/* Jobs of clients that are over, as the index job_ended has them. */
#define ROW_IS_HISTORY "ended_s > 0 AND from_config = 0"

/* False when a number is outside what its field can hold.  Texts are borrowed
 * until the statement's next step. */
bool row_get(sqlite3_stmt *s, struct store_job *ret);
/* Parameters 1 to 15, and 16, the spec, if the statement has it; the bytes stay
 * until it has run. */
void row_bind(sqlite3_stmt *s, const struct store_job *j);
struct text row_get_blob(sqlite3_stmt *s, int column);
void row_bind_blob(sqlite3_stmt *s, int parameter, struct text t);
