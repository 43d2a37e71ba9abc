/*
 * `verify`: files beneath the roots against digests, hashed by the pool.  A few of
 * each worker at a time, whoever asked, in the order they were asked for; the answer
 * has them in the order given.
 *
 * hauld must tell nobody what is in a file that he may not read himself: root and the
 * service's user may ask for all, others for what everybody may read or is theirs
 * (the worker looks, src/worker/check.c).
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "daemon/control/internal.h"
#include "daemon/engine/verify.h"

enum {
	VERIFY_FILES_MAX = 500, /* of one request */
	VERIFY_EACH = 2,        /* tasks for each worker */
	PATH_LEN_MAX = 4095,
};

struct verifying_file {
	struct verifying *of;
	const char *path;      /* borrowed from the params */
	struct digest digests[TASK_DIGESTS_MAX];
	unsigned n;
	struct verify *verify; /* while it runs */
	const char *word;      /* "ok", "differs", "unreadable"; NULL: not yet */
	char *reason;          /* owned; NULL */
};

struct verifying {
	struct list link; /* of control->verifyings */
	struct call *call;
	struct verifying_file *files; /* owned */
	size_t n, next, over;
};

static void
verifying_free(struct verifying *v)
{
	struct control *c = v->call->control;

	list_remove(&v->link);
	for (size_t i = 0; i < v->n; i++) {
		if (v->files[i].verify) {
			verify_drop(v->files[i].verify);
			c->n_verifies--;
		}
		free(v->files[i].reason);
	}
	free(v->files);
	free(v);
}

static void
answer(struct verifying *v)
{
	struct call *c = v->call;
	struct json w = call_begin(c);

	jsonw_begin_object(&w);
	jsonw_key(&w, "files");
	jsonw_begin_array(&w);
	for (size_t i = 0; i < v->n; i++) {
		jsonw_begin_object(&w);
		jsonw_key_string(&w, "path", v->files[i].path);
		jsonw_key_string(&w, "result", v->files[i].word);
		jsonw_key_string(&w, "reason", v->files[i].reason ? v->files[i].reason : "");
		jsonw_end_object(&w);
	}
	jsonw_end_array(&w);
	jsonw_end_object(&w);
	c->on_orphaned = NULL;
	verifying_free(v);
	call_end(c, &w);
}

static void
end_file(struct verifying_file *f, const char *word, const char *reason)
{
	f->verify = NULL;
	f->word = word;
	f->reason = *reason ? xstrdup(reason) : NULL;
	f->of->over++;
}

static void
on_verified(const struct result *r, void *arg)
{
	struct verifying_file *f = arg;
	struct verifying *v = f->of;
	struct control *c = v->call->control;
	bool differs = r->code == RESULT_CHECKSUM_MISMATCH && !r->os_error;

	c->n_verifies--;
	end_file(f, r->code == RESULT_OK ? "ok" : differs ? "differs" : "unreadable", r->code == RESULT_OK ? "" : r->text);
	if (v->over == v->n)
		answer(v);
	loop_defer(c->loop, &c->verify_next);
}

/* The next file of this request. */
static void
start_next(struct control *c, struct verifying *v)
{
	struct verifying_file *f = &v->files[v->next++];
	uint32_t uid = v->call->uid == geteuid() ? 0 : v->call->uid;

	f->verify = verify_start(c->engine, f->path, f->digests, f->n, uid, on_verified, f);
	if (f->verify) {
		c->n_verifies++;
	} else {
		AUTO_FREE char *why = xasprintf("%s lies beneath none of hauld's roots", f->path);

		end_file(f, "unreadable", why);
	}
}

static void
on_next(void *arg)
{
	struct control *c = arg;
	struct engine_numbers numbers;
	struct verifying *v, *next;

	engine_get_numbers(c->engine, &numbers);
	for (v = LIST_FIRST(&c->verifyings, struct verifying, link); &v->link != &c->verifyings; v = next) {
		next = LIST_ENTRY(v->link.next, struct verifying, link);
		while (v->next < v->n && c->n_verifies < (uint64_t)VERIFY_EACH * numbers.workers_max)
			start_next(c, v);
		if (v->over == v->n)
			answer(v);
	}
}

void
verifyings_init(struct control *c)
{
	list_init(&c->verifyings);
	loop_deferred_init(&c->verify_next, "verify", on_next, c);
}

void
verifyings_done(struct control *c)
{
	while (!list_empty(&c->verifyings)) {
		struct verifying *v = LIST_FIRST(&c->verifyings, struct verifying, link);
		struct call *call = v->call;

		verifying_free(v);
		call_free(call);
	}
	loop_undefer(&c->verify_next);
}

static void
on_orphaned(struct call *c, void *arg)
{
	struct control *control = c->control;

	verifying_free(arg);
	call_free(c);
	loop_defer(control->loop, &control->verify_next);
}

/* ---- The call ------------------------------------------------------------------------- */

/* False after the answer. */
static bool
take_digest(struct call *c, struct verifying_file *f, const json_t *v)
{
	const char *text = json_string_value(v), *why = "it is no string";
	char safe[160];

	if (f->n == TASK_DIGESTS_MAX)
		why = "there are too many";
	else if (text && digest_parse(text, &f->digests[f->n], &why) == 0) {
		f->n++;
		return true;
	}
	call_fail(c, RPC_INVALID_PARAMS, "checksum \"%s\" of a file: %s", text ? str_safe(safe, sizeof safe, text, strlen(text)) : "", why);
	return false;
}

static bool
take_file(struct call *c, struct verifying_file *f, const json_t *file)
{
	json_t *path = json_object_get(file, "path"), *sum = json_object_get(file, "checksum"), *one;
	size_t i;

	f->path = json_string_value(path);
	if (!f->path || f->path[0] != '/' || json_string_length(path) != strlen(f->path) ||
	    strlen(f->path) > PATH_LEN_MAX || !sum || json_object_size(file) != 2) {
		call_fail(c, RPC_INVALID_PARAMS, "a file is {\"path\": absolute, of at most %d bytes, \"checksum\": \"algo:hex\" or an array of such}",
		    PATH_LEN_MAX);
		return false;
	}
	if (!json_is_array(sum))
		return take_digest(c, f, sum);
	json_array_foreach(sum, i, one)
		if (!take_digest(c, f, one))
			return false;
	if (!i)
		call_fail(c, RPC_INVALID_PARAMS, "checksum of a file is an array without any");
	return i;
}

void
method_verify(struct call *c)
{
	const json_t *list = json_object_get(c->params, "files");
	size_t n = json_array_size(list);
	AUTO_FREE struct verifying_file *files = NULL;
	struct verifying *v;

	if (!n || n > VERIFY_FILES_MAX) {
		call_fail(c, RPC_INVALID_PARAMS, "files is an array of 1 to %d", VERIFY_FILES_MAX);
		return;
	}
	if (!call_may_begin(c))
		return;
	files = xcalloc(n, sizeof files[0]);
	for (size_t i = 0; i < n; i++)
		if (!take_file(c, &files[i], json_array_get(list, i)))
			return;
	v = NEW(struct verifying);
	v->call = c;
	v->files = TAKE_PTR(files);
	v->n = n;
	for (size_t i = 0; i < n; i++)
		v->files[i].of = v;
	list_append(&c->control->verifyings, &v->link);
	c->on_orphaned = on_orphaned;
	c->arg = v;
	loop_defer(c->control->loop, &c->control->verify_next);
}
