/*
 * Adding jobs: a request's objects go to the intake, which checks them as the
 * configuration is checked; then all of them are the engine's, or none.  While
 * that goes on no further request of this client is looked at: its changes are
 * carried out in the order in which they came.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "daemon/control/internal.h"

struct adding {
	struct list link; /* of control->addings */
	struct call *call;
	struct intake_batch *batch; /* the intake's while it is there */
	struct control *control;
	char *key; /* owned; NULL: none */
};

/* ---- Keys: the same request twice adds once ----------------------------------- */

struct key {
	struct list link;
	char *key, *answer; /* owned */
};

static bool
key_is(const void *item, const void *key)
{
	return strcmp(((const struct key *)item)->key, key) == 0;
}

void
keys_init(struct control *c)
{
	map_init(&c->keys, key_is);
	list_init(&c->key_order);
}

static void
drop_oldest_key(struct control *c)
{
	struct key *k = LIST_FIRST(&c->key_order, struct key, link);

	list_remove(&k->link);
	(void)map_remove(&c->keys, hash_str(k->key), k->key);
	c->n_keys--;
	free(k->key);
	free(k->answer);
	free(k);
}

void
keys_done(struct control *c)
{
	while (c->n_keys)
		drop_oldest_key(c);
	map_done(&c->keys);
}

/* Takes both strings. */
static void
remember(struct control *c, char *key, char *answer)
{
	struct key *k = NEW(struct key);

	*k = (struct key){ .key = key, .answer = answer };
	map_add(&c->keys, hash_str(key), k);
	list_append(&c->key_order, &k->link);
	if (++c->n_keys > KEYS_MAX)
		drop_oldest_key(c);
}

/* ---- From JSON to the intake ---------------------------------------------------- */

/* What no key takes goes there too, and comes back as a sentence. */
static void
put_value(struct intake_batch *b, const char *name, const json_t *v)
{
	size_t i;
	const json_t *one;

	switch (json_typeof(v)) {
	case JSON_STRING:
		intake_put_text(b, name, json_string_value(v));
		break;
	case JSON_INTEGER:
		intake_put_number(b, name, json_integer_value(v));
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		intake_put_bool(b, name, json_is_true(v));
		break;
	case JSON_ARRAY:
		intake_put_kind(b, name, CONF_KIND_LIST);
		json_array_foreach(v, i, one)
			if (json_is_array(one))
				intake_put_kind(b, name, CONF_KIND_OTHER);
			else
				put_value(b, name, one);
		break;
	case JSON_REAL:
		intake_put_kind(b, name, CONF_KIND_FRACTION);
		break;
	case JSON_NULL:
	case JSON_OBJECT:
		intake_put_kind(b, name, CONF_KIND_OTHER);
		break;
	}
}

/* Copying what the service can read is for those who are the service. */
static bool
asks_for_files(const struct call *c, const json_t *job)
{
	return c->policy < POLICY_MANAGE && json_object_get(job, "allow-file");
}

/* False after the answer. */
static bool
put_job(struct call *c, struct intake_batch *b, const json_t *job, size_t index)
{
	const char *name;
	json_t *v;

	if (!json_is_object(job)) {
		call_fail(c, RPC_INVALID_PARAMS, "jobs[%zu] is no object", index);
		return false;
	}
	if (asks_for_files(c, job)) {
		call_fail(c, RPC_PERMISSION, "jobs[%zu]: allow-file is for root and the service's user: hauld may read what uid %u may not",
		    index, c->uid);
		return false;
	}
	json_object_foreach((json_t *)(uintptr_t)job, name, v)
		put_value(b, name, v);
	intake_end_job(b);
	return true;
}

/* ---- The answer of the intake ------------------------------------------------------ */

static void
fail_errors(struct call *c, const struct intake_result *results, size_t n, size_t n_bad, const char *first)
{
	AUTO_BUF struct buf errors = { 0 };
	AUTO_FREE char *message = NULL;
	size_t told = 0;
	struct json w;

	jsonw_init(&w, &errors);
	jsonw_begin_array(&w);
	for (size_t i = 0; i < n && told < 100; i++) {
		const char *error = results[i].errors;

		if (!error)
			continue;
		told++;
		jsonw_begin_object(&w);
		jsonw_key_u64(&w, "index", i);
		jsonw_key_string(&w, "text", error);
		jsonw_end_object(&w);
	}
	jsonw_end_array(&w);
	if (n == 1)
		message = xstrdup(first);
	else
		message = xasprintf("%zu of %zu jobs cannot be, so none was added; the first: %s", n_bad, n, first);
	call_fail_errors(c, RPC_INVALID_PARAMS, message, buf_cstr(&errors));
}

static bool
name_is(const void *item, const void *key)
{
	return strcmp(item, key) == 0;
}

/* Neither a job's nor that of an earlier one of this batch; false after the
 * answer. */
static bool
names_are_free(struct call *c, const struct intake_result *results, size_t n)
{
	const char *taken = NULL;
	struct map names;

	map_init(&names, name_is);
	for (size_t i = 0; i < n && !taken; i++) {
		const char *name = spec_string(results[i].spec, JOB_NAME);

		if (!name)
			continue;
		if (engine_job_by_name(c->control->engine, name) || map_find(&names, hash_str(name), name))
			taken = name;
		else
			map_add(&names, hash_str(name), (void *)(uintptr_t)name);
	}
	map_done(&names);
	if (taken)
		call_fail(c, RPC_CONFLICT, "there is a job \"%s\" already: give another name, or remove that one first", taken);
	return !taken;
}

static void
add_all(struct adding *a, const struct intake_result *results, size_t n)
{
	AUTO_BUF struct buf answer = { 0 };
	struct json w;

	jsonw_init(&w, &answer);
	jsonw_begin_object(&w);
	jsonw_key(&w, "jobs");
	jsonw_begin_array(&w);
	for (size_t i = 0; i < n; i++) {
		struct spec *spec = results[i].spec;

		jsonw_begin_object(&w);
		jsonw_key_u64(&w, "id", engine_add(a->control->engine, spec, a->call->uid, false));
		jsonw_key_string(&w, "name", spec_string(spec, JOB_NAME));
		jsonw_end_object(&w);
	}
	jsonw_end_array(&w);
	jsonw_end_object(&w);
	call_text(a->call, buf_cstr(&answer));
	if (a->key)
		remember(a->control, TAKE_PTR(a->key), xstrdup(buf_cstr(&answer)));
}

/* The first answer to this key again; false: there was none yet. */
static bool
answer_again(struct call *c, const char *key)
{
	const struct key *k = map_find(&c->control->keys, hash_str(key), key);
	AUTO_FREE char *again = NULL;

	if (!k)
		return false;
	again = xasprintf("%.*s,\"repeated\":true}", (int)strlen(k->answer) - 1, k->answer);
	call_text(c, again);
	return true;
}

static void
adding_free(struct adding *a)
{
	list_remove(&a->link);
	intake_batch_free(a->batch);
	free(a->key);
	free(a);
}

void
add_done(struct control *c)
{
	while (!list_empty(&c->addings)) {
		struct adding *a = LIST_FIRST(&c->addings, struct adding, link);

		call_free(a->call);
		adding_free(a);
	}
}

static void
conclude(struct adding *a, const struct intake_result *results, size_t n)
{
	const char *first = NULL;
	size_t n_bad = 0;

	for (size_t i = 0; i < n; i++) {
		n_bad += results[i].errors != NULL;
		first = first ? first : results[i].errors;
	}
	if (n_bad)
		fail_errors(a->call, results, n, n_bad, first);
	else if (a->control->stopping)
		call_fail(a->call, RPC_DRAINING, "hauld takes no more jobs: it is %s", a->control->stopping);
	else if (names_are_free(a->call, results, n))
		add_all(a, results, n);
}

static void
on_checked(const struct intake_result *results, size_t n, void *arg)
{
	struct adding *a = arg;
	struct client *client = a->call->client;

	/* The key may have come over two connections at once. */
	if (!a->key || !answer_again(a->call, a->key))
		conclude(a, results, n);
	if (client)
		client_resume(client);
	adding_free(a);
}

/* ---- The call ---------------------------------------------------------------------- */

/* The key as it is remembered, with the client's uid; false after the answer. */
static bool
get_key(struct call *c, char **ret)
{
	const json_t *key = json_object_get(c->params, "key");

	*ret = NULL;
	if (!key)
		return true;
	if (!json_is_string(key) || json_string_length(key) == 0 || json_string_length(key) > KEY_LEN_MAX) {
		call_fail(c, RPC_INVALID_PARAMS, "key is a string of 1 to %d bytes", KEY_LEN_MAX);
		return false;
	}
	*ret = xasprintf("%u/%s", c->uid, json_string_value(key));
	if (!answer_again(c, *ret))
		return true;
	free(*ret);
	return false;
}

void
method_add(struct call *c)
{
	json_t *one = json_object_get(c->params, "job"), *many = json_object_get(c->params, "jobs");
	size_t n = json_is_array(many) ? json_array_size(many) : 0;
	struct intake_batch *b;
	struct adding *a;
	char *key;

	if (!one == !many || (many && (!n || n > ADDS_PER_CALL))) {
		call_fail(c, RPC_INVALID_PARAMS, "give \"job\", an object, or \"jobs\": an array of 1 to %d of them", ADDS_PER_CALL);
		return;
	}
	if (c->control->stopping) {
		call_fail(c, RPC_DRAINING, "hauld takes no more jobs: it is %s", c->control->stopping);
		return;
	}
	if (!get_key(c, &key))
		return;
	a = NEW(struct adding);
	b = intake_batch_new(on_checked, a);
	*a = (struct adding){ .call = c, .control = c->control, .batch = b, .key = key };
	list_append(&c->control->addings, &a->link);
	for (size_t i = 0; i < (one ? 1 : n); i++)
		if (!put_job(c, b, one ? one : json_array_get(many, i), i)) {
			adding_free(a);
			return;
		}
	client_pause(c->client);
	intake_submit(c->control->intake, b);
}
