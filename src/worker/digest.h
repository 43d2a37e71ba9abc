/*
 * Computing digests piece by piece, with a state that can be saved and loaded
 * (resume continues a hash instead of reading the file again).  Used by the
 * tasks of a worker only; names and numbers are in model/algo.h.
 *
 * Sources: RFC 1321, FIPS 180-4, FIPS 202, RFC 7693, GB/T 32905 (SM3).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "model/algo.h"

struct digest_ctx;

/* Newly allocated; NULL when the libraries do not have the algorithm (a FIPS
 * build may lack some) or it is no algorithm. */
struct digest_ctx *digest_new(enum digest_algo algo);
void digest_free(struct digest_ctx *d); /* NULL is fine */
enum digest_algo digest_get_algo(const struct digest_ctx *d);
void digest_update(struct digest_ctx *d, const void *data, size_t n);
/* The digest of all that was given; afterwards only digest_free() is allowed. */
void digest_final(struct digest_ctx *d, struct digest *ret);

/* Appends the state to out: algorithm, library and version, raw state.
 * -ENOTSUP for BLAKE2, whose state OpenSSL does not hand out. */
int digest_save(const struct digest_ctx *d, struct buf *out) MUST_CHECK;
/* A state that digest_save() wrote: -EPROTO when it is damaged, -ENOTSUP when
 * another version of the library wrote it (then the file is hashed again). */
int digest_load(const void *state, size_t n, struct digest_ctx **ret) MUST_CHECK;

static inline void
cleanup_digest(struct digest_ctx **d)
{
	digest_free(*d);
}
#define AUTO_DIGEST CLEANUP(cleanup_digest)
