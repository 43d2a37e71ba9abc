/*
 * Keys of requests to add jobs: the same request twice adds once.  They are kept in
 * the store beside their jobs, and so outlive hauld.
 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "daemon/control/internal.h"

struct key {
	struct list link;   /* of key_order; not linked while it is pending */
	char *word;         /* owned: uid, slash, the client's key */
	struct list waiting; /* struct key_wait: who asked with it meanwhile */
	uint64_t first_id;  /* of its jobs; 0: the store was not told yet */
	size_t n;
	int64_t added_s;
	struct buf names;   /* empty, or of each job its name and a NUL */
};

struct key_wait {
	struct list link;
	struct call *call;
};

static bool
key_is(const void *item, const void *key)
{
	return strcmp(((const struct key *)item)->word, key) == 0;
}

void
keys_init(struct control *c)
{
	map_init(&c->keys, key_is);
	list_init(&c->key_order);
}

/* Its jobs are there, and so it can be answered. */
static bool
is_known(const struct key *k)
{
	return list_linked(&k->link);
}

static size_t
bytes_of(const struct key *k)
{
	return strlen(k->word) + buf_len(&k->names);
}

/* {"jobs":[...]} of ids and names. */
static void
put_jobs(const struct key *k, struct json *w)
{
	const char *name = (const char *)buf_bytes(&k->names);

	jsonw_key(w, "jobs");
	jsonw_begin_array(w);
	for (size_t i = 0; i < k->n; i++) {
		jsonw_begin_object(w);
		jsonw_key_u64(w, "id", k->first_id + i);
		jsonw_key_string(w, "name", name && *name ? name : NULL);
		jsonw_end_object(w);
		name = name ? name + strlen(name) + 1 : NULL;
	}
	jsonw_end_array(w);
}

static void
answer_again(struct call *c, const struct key *k)
{
	struct json w = call_begin(c);

	jsonw_begin_object(&w);
	put_jobs(k, &w);
	jsonw_key_bool(&w, "repeated", true);
	jsonw_end_object(&w);
	call_end(c, &w);
}

/* The request with this key is over: its twins are answered as well. */
static void
answer_waiting(struct key *k)
{
	while (!list_empty(&k->waiting)) {
		struct key_wait *w = LIST_FIRST(&k->waiting, struct key_wait, link);
		struct client *client = w->call->client;

		list_remove(&w->link);
		if (is_known(k))
			answer_again(w->call, k);
		else
			call_fail(w->call, RPC_FAILED, "the request with this key that came first added nothing");
		if (client)
			client_resume(client);
		free(w);
	}
}

static void
free_key(struct control *c, struct key *k)
{
	if (is_known(k)) {
		c->n_keys--;
		c->keys_bytes -= bytes_of(k);
		list_remove(&k->link);
	}
	answer_waiting(k);
	(void)map_remove(&c->keys, hash_str(k->word), k->word);
	free(k->word);
	buf_done(&k->names);
	free(k);
}

void
key_drop(struct control *c, struct key *k)
{
	if (k->first_id)
		store_drop_key(c->store, k->first_id);
	free_key(c, k);
}

void
keys_done(struct control *c)
{
	while (c->n_keys)
		free_key(c, LIST_FIRST(&c->key_order, struct key, link));
	map_done(&c->keys);
}

static bool
is_old(const struct key *k, int64_t now_s)
{
	return k->added_s + INT64_C(86400) * KEY_DAYS < now_s;
}

static void
prune(struct control *c)
{
	int64_t now = clock_wall_s();

	while (c->n_keys) {
		struct key *k = LIST_FIRST(&c->key_order, struct key, link);

		if (c->n_keys <= KEYS_MAX && c->keys_bytes <= KEYS_BYTES_MAX && !is_old(k, now))
			return;
		key_drop(c, k);
	}
}

static void
know(struct control *c, struct key *k)
{
	list_append(&c->key_order, &k->link);
	c->n_keys++;
	c->keys_bytes += bytes_of(k);
}

static struct key *
new_key(struct control *c, char *word)
{
	struct key *k = NEW(struct key);

	list_init(&k->link);
	list_init(&k->waiting);
	k->word = word;
	map_add(&c->keys, hash_str(word), k);
	return k;
}

void
key_put(struct control *c, struct key *k, uint64_t first_id, size_t n, struct spec *const *specs)
{
	bool named = false;
	struct store_key record;

	k->first_id = first_id;
	k->n = n;
	k->added_s = clock_wall_s();
	for (size_t i = 0; i < n; i++)
		named |= spec_string(specs[i], JOB_NAME) != NULL;
	for (size_t i = 0; i < n && named; i++) {
		const char *name = spec_string(specs[i], JOB_NAME);

		buf_append(&k->names, name ? name : "", name ? strlen(name) + 1 : 1);
	}
	record = (struct store_key){
		.first_id = first_id, .n = (uint32_t)n, .added_s = k->added_s, .word = { k->word, strlen(k->word) },
		.names = { (const char *)buf_bytes(&k->names), buf_len(&k->names) },
	};
	store_put_key(c->store, &record);
}

void
key_keep(struct control *c, struct key *k)
{
	know(c, k);
	answer_waiting(k);
	prune(c);
}

void
control_on_key(struct control *c, const struct store_key *r)
{
	AUTO_FREE char *word = xstrndup(r->word.at, r->word.len);
	struct key *k = map_find(&c->keys, hash_str(word), word);

	if (k) /* told twice when the store began anew, or a later one of the same word */
		free_key(c, k);
	k = new_key(c, TAKE_PTR(word));
	k->first_id = r->first_id;
	k->n = r->n;
	k->added_s = r->added_s;
	buf_append(&k->names, r->names.at, r->names.len);
	know(c, k);
}

/* One of long ago counts as none. */
static struct key *
find_key(struct control *c, const char *word)
{
	struct key *k = map_find(&c->keys, hash_str(word), word);

	if (k && is_known(k) && is_old(k, clock_wall_s())) {
		key_drop(c, k);
		return NULL;
	}
	return k;
}

bool
key_begin(struct call *c, struct key **ret)
{
	const json_t *value = json_object_get(c->params, "key");
	AUTO_FREE char *word = NULL;
	struct key_wait *w;
	struct key *k;

	*ret = NULL;
	if (!value)
		return true;
	if (!json_is_string(value) || json_string_length(value) == 0 || json_string_length(value) > KEY_LEN_MAX) {
		call_fail(c, RPC_INVALID_PARAMS, "key is a string of 1 to %d bytes", KEY_LEN_MAX);
		return false;
	}
	word = xasprintf("%u/%s", c->uid, json_string_value(value));
	k = find_key(c->control, word);
	if (k && is_known(k)) {
		answer_again(c, k);
		return false;
	}
	if (k) {
		w = NEW(struct key_wait);
		w->call = c;
		list_append(&k->waiting, &w->link);
		if (c->client)
			client_pause(c->client);
		return false;
	}
	*ret = new_key(c->control, TAKE_PTR(word));
	return true;
}
