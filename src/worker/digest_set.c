/* The digests of one stream of data; see digest_set.h. */
#include "worker/digest_set.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

void
digest_set_done(struct digest_set *s)
{
	for (unsigned i = 0; i < s->n; i++)
		digest_free(s->ctx[i]);
	*s = (struct digest_set){ 0 };
}

static int
find(const struct digest_set *s, uint8_t algo)
{
	for (unsigned i = 0; i < s->n; i++)
		if (digest_get_algo(s->ctx[i]) == algo)
			return (int)i;
	return -1;
}

int
digest_set_add(struct digest_set *s, const struct digest *want, unsigned n,
    enum digest_algo *ret_algo)
{
	for (unsigned i = 0; i < n; i++) {
		struct digest_ctx *d;

		if (find(s, want[i].algo) >= 0)
			continue;
		assert(s->n < DIGEST_SET_MAX); /* two lists of TASK_DIGESTS_MAX at most */
		d = digest_new(want[i].algo);
		if (!d) {
			*ret_algo = want[i].algo;
			return -ENOTSUP;
		}
		s->ctx[s->n++] = d;
	}
	return 0;
}

void
digest_set_update(struct digest_set *s, const void *data, size_t n)
{
	for (unsigned i = 0; i < s->n; i++)
		digest_update(s->ctx[i], data, n);
}

bool
digest_set_save(const struct digest_set *s, struct buf *out)
{
	for (unsigned i = 0; i < s->n; i++) {
		AUTO_BUF struct buf one = { 0 };

		if (digest_save(s->ctx[i], &one) < 0)
			return false;
		put_blob(out, buf_bytes(&one), buf_len(&one));
	}
	return true;
}

bool
digest_set_load(struct digest_set *s, struct text states)
{
	struct digest_ctx *loaded[DIGEST_SET_MAX];
	struct cursor c;
	unsigned n = 0;
	bool good = true;

	cursor_init(&c, states.at, states.len);
	while (good && n < s->n) {
		struct text one = get_blob(&c);

		good = digest_load(one.at, one.len, &loaded[n]) == 0;
		n += good;
		good = good && digest_get_algo(loaded[n - 1]) == digest_get_algo(s->ctx[n - 1]);
	}
	good = good && cursor_finish(&c) == 0;
	for (unsigned i = 0; i < n; i++) {
		digest_free(good ? s->ctx[i] : loaded[i]);
		if (good)
			s->ctx[i] = loaded[i];
	}
	return good;
}

void
digest_set_finish(struct digest_set *s)
{
	if (s->finished)
		return;
	for (unsigned i = 0; i < s->n; i++)
		digest_final(s->ctx[i], &s->done[i]);
	s->finished = true;
}

uint8_t
digest_set_report(const struct digest_set *s, const struct digest *want, unsigned n,
    struct digest *out)
{
	if (!s->finished)
		return 0;
	for (unsigned i = 0; i < n; i++) {
		int at = find(s, want[i].algo);

		if (at < 0)
			return 0;
		out[i] = s->done[at];
	}
	return (uint8_t)n;
}

const struct digest *
digest_set_mismatch(const struct digest_set *s, const struct digest *want, unsigned n,
    const struct digest **ret_is)
{
	for (unsigned i = 0; i < n; i++) {
		int at = find(s, want[i].algo);
		const struct digest *is;

		assert(at >= 0 && s->finished); /* they were added when the task began */
		is = &s->done[at];
		if (is->len != want[i].len || memcmp(is->bytes, want[i].bytes, is->len) != 0) {
			*ret_is = is;
			return &want[i];
		}
	}
	return NULL;
}
