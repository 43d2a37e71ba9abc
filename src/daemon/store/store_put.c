/* The changes that are queued for hauld-store; see store.h. */
#include <assert.h>
#include <string.h>

#include "daemon/store/store_internal.h"

static size_t
begin(struct store *s)
{
	assert(!s->on_stopped || s->failed); /* who was told that it failed takes it back */
	s->seq++;
	return buf_len(&s->outbox);
}

static void
queue(struct store *s, size_t begun)
{
	put_u32(&s->lengths, (uint32_t)(buf_len(&s->outbox) - begun));
	store_give_more(s);
	if (s->seq == s->committed + 1)
		store_note_life(s);
}

void
store_put(struct store *s, const struct store_job *j)
{
	size_t begun = begin(s);

	store_msg_put_job(&s->outbox, s->seq, STORE_PUT, j);
	queue(s, begun);
}

void
store_update(struct store *s, const struct store_job *j)
{
	size_t begun = begin(s);

	store_msg_put_job(&s->outbox, s->seq, STORE_UPDATE, j);
	queue(s, begun);
}

static void
queue_number(struct store *s, enum store_msg_type type, uint64_t n)
{
	size_t begun = begin(s);

	store_msg_put_number(&s->outbox, s->seq, type, n);
	queue(s, begun);
}

void
store_delete(struct store *s, uint64_t id)
{
	queue_number(s, STORE_DELETE, id);
}

void
store_put_key(struct store *s, const struct store_key *k)
{
	size_t begun = begin(s);

	store_msg_put_key(&s->outbox, s->seq, STORE_KEY, k);
	queue(s, begun);
}

void
store_drop_key(struct store *s, uint64_t first_id)
{
	queue_number(s, STORE_DROP_KEY, first_id);
}

void
store_note(struct store *s, const char *key, const void *data, size_t n)
{
	struct store_note note = { { key, strlen(key) }, { data, n } };
	size_t begun = begin(s);

	assert(store_note_is_sane(&note));
	store_msg_put_note(&s->outbox, s->seq, STORE_NOTE, &note);
	queue(s, begun);
}
