/* What may be run; see allow.h. */
#include "spawn/allow.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/str.h"

/* Nobody but root can change what it is. */
static bool
is_roots_alone(const struct stat *st)
{
	return st->st_uid == 0 && !(st->st_mode & (S_IWGRP | S_IWOTH));
}

static bool
is_in(const char *dir, const char *path)
{
	size_t n = strlen(dir);
	const char *name = path + n + 1;

	return strncmp(path, dir, n) == 0 && path[n] == '/' && *name && *name != '.' && !strchr(name, '/');
}

bool
allow_program(const char *dir, const char *path, char **ret_why)
{
	char safe[200];
	struct stat st;

	(void)str_safe(safe, sizeof safe, path, strlen(path));
	*ret_why = NULL;
	if (path[0] != '/')
		*ret_why = xasprintf("%s is no absolute path", safe);
	else if (!dir)
		return true;
	else if (!is_in(dir, path))
		*ret_why = xasprintf("%s is not in %s: put it there, or a link to it, and name it so", safe, dir);
	else if (stat(dir, &st) < 0 || !S_ISDIR(st.st_mode) || !is_roots_alone(&st))
		*ret_why = xasprintf("%s must be a directory that belongs to root and that nobody else may write to", dir);
	else if (stat(path, &st) < 0)
		*ret_why = xasprintf("cannot run %s: %s", safe, strerror(errno));
	else if (!S_ISREG(st.st_mode) || !is_roots_alone(&st))
		*ret_why = xasprintf("%s must be a file that belongs to root and that nobody else may write to", safe);
	return !*ret_why;
}

bool
allow_environment(char *const *env)
{
	static const char capitals[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ_";

	for (; *env; env++) {
		const char *name = *env + strlen("HAUL_");

		if (!has_prefix(*env, "HAUL_") || !strspn(name, capitals) || name[strspn(name, capitals)] != '=')
			return false;
	}
	return true;
}
