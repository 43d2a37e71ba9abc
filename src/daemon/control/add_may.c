/*
 * What of a job is for root and the service's user: what lets hauld do with its own
 * rights what the client could not do with his.
 */
#include <sys/stat.h>

#include "daemon/control/internal.h"

/* What makes hauld read files of this machine for a client, or show its certificates to
 * a server.  NULL: nothing of it. */
static const char *
asks_for_files(const json_t *job)
{
	static const char *const keys[] = { "allow-file", "cert", "key" };

	for (unsigned i = 0; i < ARRAY_SIZE(keys); i++)
		if (json_object_get(job, keys[i]))
			return keys[i];
	return NULL;
}

/* The same of what makes hauld run a program. */
static const char *
asks_for_programs(const json_t *job)
{
	unsigned n;
	const struct setting *rows = settings_all(&n);

	for (unsigned i = 0; i < n; i++)
		if ((rows[i].flags & SETTING_PROGRAM) && json_object_get(job, rows[i].name))
			return rows[i].name;
	return NULL;
}

bool
add_may_ask(struct call *c, const json_t *job, size_t index)
{
	const char *program = uid_may_all(c->uid) ? NULL : asks_for_programs(job);
	const char *file = uid_may_all(c->uid) ? NULL : asks_for_files(job);

	if (program)
		call_fail(c, RPC_PERMISSION, "jobs[%zu]: %s is for root and the service's user: it runs a program, and not as uid %u; "
		    "the configuration's defaults may have it for all jobs", index, program, c->uid);
	else if (file)
		call_fail(c, RPC_PERMISSION, "jobs[%zu]: %s is for root and the service's user: hauld may read what uid %u may not",
		    index, file, c->uid);
	return !program && !file;
}

/* A published file is the service's: whoever ran one with these bits would be the service. */
bool
add_may_have(struct call *c, const struct intake_result *results, size_t n)
{
	for (size_t i = 0; i < n && !uid_may_all(c->uid); i++) {
		const struct spec *s = results[i].spec;

		if (!spec_has(s, JOB_MODE) || !(spec_number(s, JOB_MODE) & (S_ISUID | S_ISGID)))
			continue;
		call_fail(c, RPC_PERMISSION, "jobs[%zu]: a mode with the set-user-ID or set-group-ID bit is for root and the service's user: "
		    "the file would run with the rights of hauld", i);
		return false;
	}
	return true;
}
