/* A job as a row of the table `job`; see rows.h. */
#include "store/rows.h"

#include <limits.h>
#include <stdint.h>

#include "base/str.h"

struct text
row_get_blob(sqlite3_stmt *s, int i)
{
	const void *at = sqlite3_column_blob(s, i);

	return (struct text){ at ? at : "", at ? (size_t)sqlite3_column_bytes(s, i) : 0 };
}

bool
row_get(sqlite3_stmt *s, struct store_job *ret)
{
	int64_t v[12];
	struct text text;

	for (int i = 0; i < 12; i++)
		v[i] = sqlite3_column_int64(s, i);
	text = row_get_blob(s, 12);
	*ret = (struct store_job){
		.id = (uint64_t)v[0], .from_config = v[1] != 0, .uid = (uint32_t)v[2], .added_s = v[3],
		.state = (enum job_state)v[4], .attempts = (unsigned)v[5], .received = (uint64_t)v[6],
		.published = (uint64_t)v[7], .run_ms = (uint64_t)v[8],
		.result = { .code = (enum result_code)v[9], .http_status = (int)v[10], .os_error = (int)v[11] },
		.receipt = row_get_blob(s, 13), .ended_s = sqlite3_column_int64(s, 14),
		.spec = row_get_blob(s, ROW_SPEC),
	};
	(void)str_safe_again(ret->result.text, sizeof ret->result.text, text.at, text.len);
	return v[1] >= 0 && v[1] <= 1 && v[2] >= 0 && v[2] <= UINT32_MAX && v[4] >= 0 && v[4] < _JOB_STATE_MAX &&
	    v[5] >= 0 && v[5] <= UINT_MAX && v[9] >= 0 && v[9] < _RESULT_CODE_MAX && v[10] >= 0 &&
	    v[10] <= INT_MAX && v[11] >= 0 && v[11] <= INT_MAX && store_job_is_sane(ret);
}

void
row_bind_blob(sqlite3_stmt *s, int i, struct text t)
{
	/* A NULL would be SQL's; the bytes stay until the statement has run. */
	(void)sqlite3_bind_blob(s, i, t.len ? t.at : "", (int)t.len, SQLITE_STATIC);
}

void
row_bind(sqlite3_stmt *s, const struct store_job *j)
{
	const int64_t v[] = { (int64_t)j->id, j->from_config, j->uid, j->added_s, j->state, j->attempts,
		(int64_t)j->received, (int64_t)j->published, (int64_t)j->run_ms, j->result.code,
		j->result.http_status, j->result.os_error };

	for (size_t i = 0; i < ARRAY_SIZE(v); i++)
		(void)sqlite3_bind_int64(s, (int)i + 1, v[i]); /* parameters are there */
	(void)sqlite3_bind_text(s, 13, j->result.text, -1, SQLITE_STATIC);
	row_bind_blob(s, 14, j->receipt);
	(void)sqlite3_bind_int64(s, 15, j->ended_s);
	if (sqlite3_bind_parameter_count(s) > 15)
		row_bind_blob(s, 16, j->spec);
}
