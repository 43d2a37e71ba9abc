/* Roots and destinations; see output.h. */
#include "conf/output.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

/* The end of a sentence about the components of a path; NULL: they are fine. */
static const char *
refuse_components(const char *path)
{
	for (const char *at = path; *at;) {
		size_t n = strcspn(at, "/");

		if (n == 0)
			return "has an empty part (two / in a row)";
		if ((n == 1 && at[0] == '.') || (n == 2 && at[0] == '.' && at[1] == '.'))
			return "has a part that is . or ..";
		if (n > 255)
			return "has a part longer than 255 bytes";
		if (n == 5 && memcmp(at, ".haul", 5) == 0)
			return "has a part .haul, where haul keeps its own files";
		if (n > 6 && memcmp(at, ".haul-", 6) == 0)
			return "has a part that begins with .haul-, which is haul's own";
		at += n;
		if (*at == '/' && !*++at)
			return "ends in /, so it names no file";
	}
	return NULL;
}

char *
root_normalize(const char *text, char **ret_why)
{
	AUTO_FREE char *root = xstrdup(text);
	size_t n = strlen(root);
	const char *why = NULL;

	while (n > 1 && root[n - 1] == '/')
		root[--n] = '\0';
	if (root[0] != '/')
		why = "must be an absolute path";
	else if (n == 1)
		why = "would let a job replace any file of the system: name a directory beneath it";
	else if (n >= PATH_MAX - NAME_MAX)
		why = "is too long";
	else
		why = refuse_components(root + 1);
	if (!why)
		return TAKE_PTR(root);
	*ret_why = xstrdup(why);
	return NULL;
}

static bool
is_beneath(const char *path, const char *root)
{
	return has_prefix(path, root) && path[strlen(root)] == '/';
}

char *
output_resolve(char *const *roots, size_t n, const char *text, char **ret_why)
{
	AUTO_FREE char *path = NULL;
	const char *why = *text ? refuse_components(text + (*text == '/')) : "is empty";

	if (!why && text_equal(text, "/"))
		why = "ends in /, so it names no file";
	if (why) {
		*ret_why = xstrdup(why);
		return NULL;
	}
	path = *text == '/' ? xstrdup(text) : xasprintf("%s/%s", roots[0], text);
	if (strlen(path) >= PATH_MAX) {
		*ret_why = xstrdup("is longer than 4095 bytes");
		return NULL;
	}
	for (size_t i = 0; i < n; i++)
		if (is_beneath(path, roots[i]))
			return TAKE_PTR(path);
	*ret_why = n == 1 ? xasprintf("does not lie beneath the root %s", roots[0])
			  : xasprintf("lies beneath none of the %zu roots", n);
	return NULL;
}
