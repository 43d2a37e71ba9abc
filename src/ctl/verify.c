/*
 * `haulctl verify`: files beneath hauld's roots against digests, hashed by its workers.
 * They are asked for in requests of FILES_EACH, FLIGHT of them at a time, and told in
 * the order given, in the words of sha256sum -c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "ctl/brief.h"
#include "ctl/client.h"
#include "ctl/ctl.h"
#include "model/algo.h"
#include "model/checksums.h"

enum { FILES_EACH = 50, FLIGHT = 4 };

struct request {
	uint64_t id;       /* 0: free */
	json_t *names;     /* owned: as they were given */
	json_t *files;     /* owned: of the answer; NULL: none yet */
};

struct verifying {
	struct ctl *ctl;
	FILE *list;        /* borrowed; NULL: the words of the command line */
	const char *list_name;
	unsigned line;
	enum checksum_armor armor;
	size_t word;       /* the next one */
	char *cwd;         /* owned */
	struct request flight[FLIGHT]; /* a ring: first, and n of them */
	size_t first, n;
	uint64_t ok, differ, unread;
	int status;        /* of an error that ends it */
};

/* ---- What is to be compared ------------------------------------------------------------- */

/* Absolute, without "." and empty components; ".." stays, and hauld refuses it. */
static char *
absolute(const struct verifying *v, const char *name)
{
	AUTO_BUF struct buf path = { 0 };
	AUTO_FREE char *all = name[0] == '/' ? xstrdup(name) : xasprintf("%s/%s", v->cwd, name);

	for (const char *at = all; *at;) {
		size_t n;

		at += strspn(at, "/");
		n = strcspn(at, "/");
		if (n && !(n == 1 && at[0] == '.'))
			buf_printf(&path, "/%.*s", (int)n, at);
		at += n;
	}
	return xstrdup(buf_len(&path) ? buf_cstr(&path) : "/");
}

static void
add(struct verifying *v, json_t *names, json_t *files, const char *name, json_t *sums)
{
	AUTO_FREE char *path = absolute(v, name);
	json_t *text = json_string(path), *shown = json_string(name);

	if (!text || !shown) { /* JSON has no other bytes */
		ctl_tell(v->ctl, "%s: a name that is not UTF-8 cannot be asked for", name);
		v->status = CTL_USAGE;
	}
	(void)json_array_append_new(names, shown ? shown : json_string("?"));
	(void)json_array_append_new(files, json_pack("{s:o, s:o}", "path", text ? text : json_string("/"), "checksum", sums));
}

static json_t *
sums_of(const struct args *a)
{
	json_t *sums = json_array();

	for (size_t i = 0; i < a->n_checksums; i++)
		(void)json_array_append_new(sums, json_string(a->checksums[i]));
	return sums;
}

/* The next line of the list that is one; false: it is over, or was told. */
static bool
next_of_list(struct verifying *v, json_t *names, json_t *files)
{
	AUTO_FREE char *line = NULL, *digest = NULL, *name = NULL;
	size_t size = 0;
	ssize_t n;

	while (v->status == CTL_OK && (n = getline(&line, &size, v->list)) >= 0) {
		v->line++;
		if (v->line == 1 && has_prefix(line, "\xef\xbb\xbf")) {
			n -= 3;
			memmove(line, line + 3, (size_t)n + 1);
		}
		while (n && (line[n - 1] == '\n' || line[n - 1] == '\r'))
			line[--n] = '\0';
		if (checksum_is_armor(&v->armor, line) || !n || line[0] == '#')
			continue;
		if (strlen(line) == (size_t)n && checksum_line_parse(line, &digest, &name) == 0) {
			add(v, names, files, name, json_string(digest));
			return true;
		}
		line[MIN((size_t)n, (size_t)60)] = '\0';
		AUTO_FREE char *why = xasprintf("%s:%u: this is no line of a checksum list: \"%s\"", v->list_name, v->line, line);

		ctl_tell_line(v->ctl, why);
		v->status = CTL_USAGE;
	}
	return false;
}

static bool
next_file(struct verifying *v, json_t *names, json_t *files)
{
	const struct args *a = &v->ctl->args;

	if (v->list)
		return next_of_list(v, names, files);
	if (v->word == a->n_words)
		return false;
	add(v, names, files, a->words[v->word++], sums_of(a));
	return true;
}

/* ---- Requests and answers ------------------------------------------------------------------ */

/* False: there is nothing more to ask. */
static bool
ask(struct verifying *v)
{
	json_t *names = json_array(), *files = json_array();
	bool more = true;

	while (more && json_array_size(files) < FILES_EACH)
		more = next_file(v, names, files);
	if (!json_array_size(files) || v->status != CTL_OK) {
		json_decref(names);
		json_decref(files);
		return false;
	}
	v->flight[(v->first + v->n++) % FLIGHT] = (struct request){
		.id = client_send(v->ctl->client, "verify", json_pack("{s:o}", "files", files)), .names = names };
	return more;
}

static void
tell_file(struct verifying *v, const char *name, const json_t *file)
{
	const char *result = member_text(file, "result");
	AUTO_FREE char *safe = ctl_safe(v->ctl, name);
	bool ok = text_equal(result, "ok"), differs = text_equal(result, "differs");

	v->ok += ok;
	v->differ += differs;
	v->unread += !ok && !differs;
	if (v->ctl->args.json) {
		ctl_put_json(v->ctl, file);
		return;
	}
	buf_printf(&v->ctl->out, "%s: ", safe);
	ctl_put_ink(v->ctl, ok ? TERM_INK_GOOD : TERM_INK_BAD, "%s", ok ? "OK" : differs ? "FAILED" : "FAILED open or read");
	buf_append_str(&v->ctl->out, "\n");
	if (!ok && !differs)
		ctl_tell(v->ctl, "%s", member_text(file, "reason"));
}

/* Those at the front that are answered. */
static void
tell_answered(struct verifying *v)
{
	while (v->n && v->flight[v->first].files) {
		struct request *r = &v->flight[v->first];

		for (size_t i = 0; i < json_array_size(r->names); i++)
			tell_file(v, json_string_value(json_array_get(r->names, i)), json_array_get(r->files, i));
		json_decref(r->names);
		json_decref(r->files);
		v->first = (v->first + 1) % FLIGHT;
		v->n--;
	}
	(void)ctl_flush(v->ctl);
}

static void
take(struct verifying *v, const json_t *message)
{
	const json_t *error = json_object_get(message, "error");
	uint64_t id = client_answer_id(message);

	if (error) {
		v->status = ctl_tell_error(v->ctl, error);
		return;
	}
	for (size_t i = 0; i < v->n; i++) {
		struct request *r = &v->flight[(v->first + i) % FLIGHT];

		if (r->id == id && !r->files)
			r->files = json_incref(json_object_get(json_object_get(message, "result"), "files"));
	}
	tell_answered(v);
}

static void
verify_all(struct verifying *v)
{
	bool more = true;

	while (v->status == CTL_OK && (more || v->n)) {
		AUTO_JSON json_t *message = NULL;
		int r;

		while (more && v->n < FLIGHT && v->status == CTL_OK)
			more = ask(v);
		if (!v->n || v->status != CTL_OK)
			continue;
		r = client_wait(v->ctl->client, &message);
		if (r < 0)
			v->status = ctl_tell_lost(v->ctl, r);
		else
			take(v, message);
	}
	for (size_t i = 0; i < v->n; i++) {
		json_decref(v->flight[(v->first + i) % FLIGHT].names);
		json_decref(v->flight[(v->first + i) % FLIGHT].files);
	}
}

static const char *
refuse_together(const struct args *a)
{
	struct digest d;
	const char *why;

	if (!a->input && !a->n_words)
		return "give files with --checksum, or a list of checksums with --check";
	if (a->input && (a->n_words || a->n_checksums))
		return "a list has its own files and checksums: --check goes without others";
	if (!a->input && !a->n_checksums)
		return "give --checksum ALGO:HEX for the files, or a list of checksums with --check";
	for (size_t i = 0; i < a->n_checksums; i++)
		if (digest_parse(a->checksums[i], &d, &why) < 0)
			return why;
	return NULL;
}

static void
tell_count(const struct ctl *c, uint64_t n, const char *one, const char *many)
{
	if (n)
		ctl_tell(c, "%llu %s", (unsigned long long)n, n == 1 ? one : many);
}

int
verb_verify(struct ctl *c)
{
	struct verifying v = { .ctl = c, .status = CTL_OK };
	const char *why = refuse_together(&c->args);
	bool in = text_equal(c->args.input, "-");

	if (why) {
		ctl_tell(c, c->args.n_checksums && !c->args.input ? "--checksum: %s" : "%s", why);
		return CTL_USAGE;
	}
	v.list = !c->args.input ? NULL : in ? stdin : fopen(c->args.input, "re");
	v.list_name = in ? "standard input" : c->args.input;
	v.cwd = getcwd(NULL, 0);
	if ((c->args.input && !v.list) || !v.cwd) {
		ctl_tell(c, "%s cannot be read: %s", c->args.input ? v.list_name : "the current directory", strerror(errno));
		v.status = CTL_USAGE;
	}
	if (v.status == CTL_OK)
		v.status = ctl_connect(c);
	if (v.status == CTL_OK)
		verify_all(&v);
	tell_count(c, v.differ, "file has another checksum", "files have other checksums");
	tell_count(c, v.unread, "file could not be read", "files could not be read");
	if (v.status == CTL_OK && v.list && !v.ok && !v.differ && !v.unread) {
		ctl_tell(c, "%s has no checksums", v.list_name);
		v.status = CTL_USAGE;
	}
	if (v.list && !in)
		(void)fclose(v.list);
	free(v.cwd);
	return v.status != CTL_OK ? v.status : v.differ || v.unread ? CTL_FAILED : CTL_OK;
}
