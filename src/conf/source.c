/* Files and places; see source.h. */
#include "conf/source.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

void
source_files_done(struct source_files *all)
{
	while (all->first) {
		struct conf_file *f = all->first;

		all->first = f->next;
		free(f->name);
		free(f->dir);
		free(f);
	}
}

static char *
current_dir(void)
{
	char path[PATH_MAX];

	/* A directory that is gone has no name; its relative paths fail by theirs. */
	return xstrdup(getcwd(path, sizeof path) ? path : "/");
}

struct conf_file *
source_add(struct source_files *all, const char *name, const char *dir)
{
	struct conf_file *f = NEW(struct conf_file);

	f->name = xstrdup(name);
	f->dir = dir ? xstrdup(dir) : current_dir();
	f->next = all->first;
	all->first = f;
	return f;
}

static char *
join(const char *dir, const char *path)
{
	bool slash = dir[0] && dir[strlen(dir) - 1] == '/';

	return path[0] == '/' ? xstrdup(path) : xasprintf("%s%s%s", dir, slash ? "" : "/", path);
}

char *
source_resolve(const struct conf_file *from, const char *path)
{
	return join(from->dir, path);
}

char *
source_dir_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	AUTO_FREE char *here = current_dir(), *dir = NULL;

	if (!slash)
		return TAKE_PTR(here);
	dir = slash == path ? xstrdup("/") : xstrndup(path, (size_t)(slash - path));
	return join(here, dir);
}
