/*
 * hauld-conf's way through a configuration; see conf.h.  The order matters:
 * groups are known before jobs name them, roots before outputs are resolved,
 * and what hauld needs first is sent first.
 */
#include "conf/conf.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "conf/addresses.h"
#include "conf/jobs.h"
#include "conf/limits.h"
#include "conf/list.h"
#include "conf/output.h"
#include "conf/read.h"
#include "conf/sections.h"
#include "model/input_list.h"

struct conf {
	const struct conf_args *args;
	struct check check;
	struct source_files files;
	struct conf_file *command_line;
	struct tree **trees; /* owned */
	size_t n_trees;
	struct draft daemon, defaults, common; /* common: job keys of the command line */
	struct jobs jobs;
};

static void
read_tree(struct conf *c, struct reader *r, const char *path)
{
	struct tree *t;

	if (tree_read(r, path, &t) < 0)
		return; /* told; the other files are checked all the same */
	c->trees = xrealloc(c->trees, (c->n_trees + 1) * sizeof *c->trees);
	c->trees[c->n_trees++] = t;
	sections_check(&c->check, t);
}

static int
is_conf_name(const struct dirent *e)
{
	return e->d_name[0] != '.' && has_suffix(e->d_name, ".conf");
}

static int
by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void
read_conf_dir(struct conf *c, struct reader *r)
{
	const char *given = c->args->conf_dir;
	AUTO_FREE char *beside = NULL;
	struct dirent **names;
	int n;

	if (!given)
		return;
	if (!*given) {
		AUTO_FREE char *dir = source_dir_of(c->args->config);

		beside = xasprintf("%s/conf.d", dir);
	}
	n = scandir(beside ? beside : given, &names, is_conf_name, by_bytes);
	if (n < 0) {
		if (!beside || errno != ENOENT)
			emit_error(c->check.emit,
			    (struct where){
				source_add(&c->files, beside ? beside : given, NULL), 0 },
			    "", "cannot be read: %s", strerror(errno));
		return;
	}
	if (n > CONF_FILES_MAX)
		emit_error(c->check.emit,
		    (struct where){ source_add(&c->files, beside ? beside : given, NULL), 0 }, "",
		    "has more than %d files", CONF_FILES_MAX);
	for (int i = 0; i < n; i++) {
		AUTO_FREE char *path =
		    xasprintf("%s/%s", beside ? beside : given, names[i]->d_name);

		if (n <= CONF_FILES_MAX)
			read_tree(c, r, path);
		free(names[i]);
	}
	free(names);
}

/* Options with one scope of keys go into the draft. */
static void
take_options(struct conf *c, struct draft *d, enum setting_scope scope)
{
	struct where at = { c->command_line, 0 };
	bool seen[_SETTING_MAX] = { false };

	for (size_t i = 0; i < c->args->n_values; i++) {
		const struct args_value *v = &c->args->values[i];

		if (v->row->scope != scope)
			continue;
		/* The file's value goes; of several options lists are joined. */
		if (!seen[v->row->id] || v->row->type != TYPE_LIST)
			draft_drop(d, v->row->id);
		seen[v->row->id] = true;
		draft_open(d, v->row);
		check_text(&c->check, d, v->row, at, v->text);
	}
}

/* --root, or the built-in root, when nothing else gave one. */
static void
default_root(struct conf *c)
{
	const struct setting *row = setting_find(DAEMON_ROOTS);
	const char *given = c->args->root;
	struct where at = { c->command_line, 0 };
	char path[PATH_MAX];

	if (c->daemon.tried[DAEMON_ROOTS])
		return;
	if (given && given[0] != '/') {
		if (!realpath(given, path)) {
			emit_error(c->check.emit, at, "", "--root \"%s\": %s", quote(given),
			    strerror(errno));
			return;
		}
		given = path;
	}
	check_text(&c->check, &c->daemon, row, at, given ? given : row->def);
}

static void
take_roots(struct conf *c)
{
	const struct draft_item *i;

	default_root(c);
	for (i = draft_find(&c->daemon, DAEMON_ROOTS); i; i = draft_next(&c->daemon, i)) {
		if (c->jobs.n_roots == CONF_ROOTS_MAX) {
			check_tell(
			    &c->check, &c->daemon, i->row, i->at, "has more than 16 directories");
			break;
		}
		c->jobs.roots[c->jobs.n_roots++] = xstrdup(i->text);
	}
}

static void
send(struct conf *c, enum conf_msg_type type, struct draft *d)
{
	AUTO_BUF struct buf spec = { 0 };

	draft_pack(d, &spec);
	emit_spec(c->check.emit, type, &spec);
}

static void
read_url_arguments(struct conf *c)
{
	struct where at = { c->command_line, 0 };
	struct draft d = { 0 };

	for (size_t i = 0; i < c->args->n_urls; i++) {
		const struct setting *row = setting_find(JOB_URL);

		draft_begin(&d, SCOPE_JOB, at, "");
		draft_inherit(&d, &c->common);
		draft_open(&d, row);
		check_text(&c->check, &d, row, at, c->args->urls[i]);
		jobs_submit(&c->jobs, &d);
	}
	draft_done(&d);
}

static void
read_list(struct conf *c)
{
	const char *input = c->args->input;
	bool in = text_equal(input, "-");
	struct conf_file *file = source_add(&c->files, in ? "standard input" : input, NULL);
	struct list_source from = {
		.file = file, .base_url = c->args->base_url, .common = &c->common
	};
	AUTO_CLOSE int fd = -1;
	struct stat st;
	const char *why = from.base_url ? input_list_refuse_base(from.base_url) : NULL;

	if (why) {
		emit_error(c->check.emit, (struct where){ c->command_line, 0 }, "", "%s", why);
		return;
	}
	/* A pipe may be waited for: lists come from <(commands) too. */
	if (!in)
		fd = open(input, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (!in && (fd < 0 || fstat(fd, &st) < 0)) {
		emit_error(c->check.emit, (struct where){ file, 0 }, "", "cannot be read: %s",
		    strerror(errno));
		return;
	}
	if (!in)
		file->world_readable = S_ISREG(st.st_mode) && (st.st_mode & S_IROTH);
	from.fd = in ? STDIN_FILENO : fd;
	list_read(&c->check, &c->jobs, &from);
}

static void
read_all(struct conf *c)
{
	struct reader reader = { .emit = c->check.emit, .files = &c->files };
	AUTO_BUF struct buf groups = { 0 };

	if (c->args->config)
		read_tree(c, &reader, c->args->config);
	read_conf_dir(c, &reader);
	for (size_t i = 0; i < c->n_trees; i++)
		sections_read_groups(&c->check, c->trees[i], &groups);
	groups_check(&c->check.groups, c->check.emit);
	for (size_t i = 0; i < c->n_trees; i++)
		sections_read_daemon(&c->check, c->trees[i], &c->daemon);
	for (size_t i = 0; i < c->n_trees; i++)
		sections_read_defaults(&c->check, c->trees[i], &c->defaults);
	take_options(c, &c->daemon, SCOPE_DAEMON);
	take_options(c, &c->common, SCOPE_JOB);
	take_roots(c);
	groups_check_directories(&c->check.groups, c->check.emit, c->jobs.roots, c->jobs.n_roots);
	addresses_check(&c->check, &c->daemon);
	send(c, CONF_DAEMON, &c->daemon);
	send(c, CONF_DEFAULTS, &c->defaults);
	for (size_t i = 0; i < c->n_trees; i++)
		sections_read_hosts(&c->check, c->trees[i]);
	emit_frames(c->check.emit, &groups);
	for (size_t i = 0; i < c->n_trees; i++)
		sections_read_jobs(&c->check, c->trees[i], &c->jobs);
	read_url_arguments(c);
	if (c->args->input)
		read_list(c);
	jobs_end(&c->jobs);
}

int
conf_run(const struct conf_args *args, struct emit *emit)
{
	struct conf c = { .args = args, .check = { .emit = emit, .files = &c.files } };
	struct where nowhere;

	c.command_line = source_add(&c.files, "command line", NULL);
	c.command_line->command_line = true;
	nowhere = (struct where){ c.command_line, 0 };
	groups_init(&c.check.groups);
	jobs_init(&c.jobs, &c.check, &c.defaults);
	draft_begin(&c.daemon, SCOPE_DAEMON, nowhere, "daemon");
	draft_begin(&c.defaults, SCOPE_JOB, nowhere, "defaults");
	draft_begin(&c.common, SCOPE_JOB, nowhere, "");
	emit_hello(emit);
	read_all(&c);
	emit_end(emit);
	for (size_t i = 0; i < c.n_trees; i++)
		tree_free(c.trees[i]);
	free(c.trees);
	draft_done(&c.daemon);
	draft_done(&c.defaults);
	draft_done(&c.common);
	jobs_done(&c.jobs);
	groups_done(&c.check.groups);
	source_files_done(&c.files);
	if (emit->io_error)
		return CONF_EXIT_FAILURE;
	return !emit->errors ? CONF_EXIT_OK : emit->usage ? CONF_EXIT_USAGE : CONF_EXIT_CONFIG;
}
