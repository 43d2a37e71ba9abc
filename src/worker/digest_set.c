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
