/*
 * Computing digests; see digest.h.
 *
 * MD5, SHA-1 and SHA-2 use OpenSSL's low-level contexts although they are
 * deprecated since 3.0: they are as fast as EVP (SHA-NI, AVX) and they are plain
 * structs, so their state can be saved, which EVP does not allow.  What they do
 * not have comes from nettle (plain structs as well); BLAKE2 only from EVP.
 */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "worker/digest.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nettle/ripemd160.h>
#include <nettle/sha2.h>
#include <nettle/sha3.h>
#include <nettle/sm3.h>
#include <nettle/version.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/md5.h>
#include <openssl/sha.h>

#include "base/cursor.h"
#include "base/mem.h"

union state {
	MD5_CTX md5;
	SHA_CTX sha1;
	SHA256_CTX sha256; /* and SHA-224 */
	SHA512_CTX sha512; /* and SHA-384 */
	struct sha512_ctx n_sha512; /* SHA-512/224 and /256 */
	struct sha3_224_ctx sha3_224;
	struct sha3_256_ctx sha3_256;
	struct sha3_384_ctx sha3_384;
	struct sha3_512_ctx sha3_512;
	struct ripemd160_ctx ripemd160;
	struct sm3_ctx sm3;
	EVP_MD_CTX *evp; /* owned */
};

enum library { LIB_OPENSSL, LIB_NETTLE, LIB_EVP };

struct digest_impl {
	enum library library;
	size_t state_size; /* 0: cannot be saved */
	void (*init)(union state *s);
	void (*update)(union state *s, const void *data, size_t n);
	void (*final)(union state *s, uint8_t *out);
	/* The fill of the block buffer: the one number in a state that could
	 * make the library write out of bounds, so it is checked at load. */
	size_t (*fill)(const union state *s);
	size_t block;
};

struct digest_ctx {
	enum digest_algo algo;
	const struct digest_impl *impl; /* borrowed, static */
	union state state;
};

/* One OpenSSL digest: these functions cannot fail (they return 1 always). */
#define OPENSSL_DIGEST(name, member, Name, fill_field)          \
	static void name##_start(union state *s)                \
	{                                                       \
		(void)Name##_Init(&s->member);                  \
	}                                                       \
	static void name##_feed(union state *s, const void *data, size_t n) \
	{                                                       \
		(void)Name##_Update(&s->member, data, n);       \
	}                                                       \
	static void name##_end(union state *s, uint8_t *out)    \
	{                                                       \
		(void)Name##_Final(out, &s->member);            \
	}                                                       \
	static size_t name##_fill(const union state *s)         \
	{                                                       \
		return s->member.fill_field;                    \
	}

OPENSSL_DIGEST(md5, md5, MD5, num)
OPENSSL_DIGEST(sha1, sha1, SHA1, num)
OPENSSL_DIGEST(sha224, sha256, SHA224, num)
OPENSSL_DIGEST(sha256, sha256, SHA256, num)
OPENSSL_DIGEST(sha384, sha512, SHA384, num)
OPENSSL_DIGEST(sha512, sha512, SHA512, num)

/* One nettle digest. */
#define NETTLE_DIGEST(name, member, base, update_fn, size)      \
	static void name##_start(union state *s)                \
	{                                                       \
		base##_init(&s->member);                        \
	}                                                       \
	static void name##_feed(union state *s, const void *data, size_t n) \
	{                                                       \
		update_fn(&s->member, n, data);                 \
	}                                                       \
	static void name##_end(union state *s, uint8_t *out)    \
	{                                                       \
		base##_digest(&s->member, size, out);           \
	}                                                       \
	static size_t name##_fill(const union state *s)         \
	{                                                       \
		return s->member.index;                         \
	}

NETTLE_DIGEST(n512_224, n_sha512, sha512_224, sha512_update, SHA512_224_DIGEST_SIZE)
NETTLE_DIGEST(n512_256, n_sha512, sha512_256, sha512_update, SHA512_256_DIGEST_SIZE)
NETTLE_DIGEST(s3_224, sha3_224, sha3_224, sha3_224_update, SHA3_224_DIGEST_SIZE)
NETTLE_DIGEST(s3_256, sha3_256, sha3_256, sha3_256_update, SHA3_256_DIGEST_SIZE)
NETTLE_DIGEST(s3_384, sha3_384, sha3_384, sha3_384_update, SHA3_384_DIGEST_SIZE)
NETTLE_DIGEST(s3_512, sha3_512, sha3_512, sha3_512_update, SHA3_512_DIGEST_SIZE)
NETTLE_DIGEST(rmd, ripemd160, ripemd160, ripemd160_update, RIPEMD160_DIGEST_SIZE)
NETTLE_DIGEST(sm3h, sm3, sm3, sm3_update, SM3_DIGEST_SIZE)

static void
evp_feed(union state *s, const void *data, size_t n)
{
	int ok = EVP_DigestUpdate(s->evp, data, n);

	assert(ok == 1); /* fails only for a context that was not begun */
}

static void
evp_end(union state *s, uint8_t *out)
{
	int ok = EVP_DigestFinal_ex(s->evp, out, NULL);

	assert(ok == 1);
}

#define OPENSSL_ROW(name, member, block_size) \
	{ LIB_OPENSSL, sizeof(((union state *)0)->member), name##_start, name##_feed, \
	  name##_end, name##_fill, block_size }
#define NETTLE_ROW(name, member) \
	{ LIB_NETTLE, sizeof(((union state *)0)->member), name##_start, name##_feed, \
	  name##_end, name##_fill, sizeof(((union state *)0)->member.block) }
#define EVP_ROW { LIB_EVP, 0, NULL, evp_feed, evp_end, NULL, 0 }

static const struct digest_impl impls[_DIGEST_ALGO_MAX] = {
	[DIGEST_MD5] = OPENSSL_ROW(md5, md5, MD5_CBLOCK),
	[DIGEST_SHA1] = OPENSSL_ROW(sha1, sha1, SHA_CBLOCK),
	[DIGEST_SHA224] = OPENSSL_ROW(sha224, sha256, SHA256_CBLOCK),
	[DIGEST_SHA256] = OPENSSL_ROW(sha256, sha256, SHA256_CBLOCK),
	[DIGEST_SHA384] = OPENSSL_ROW(sha384, sha512, SHA512_CBLOCK),
	[DIGEST_SHA512] = OPENSSL_ROW(sha512, sha512, SHA512_CBLOCK),
	[DIGEST_SHA512_224] = NETTLE_ROW(n512_224, n_sha512),
	[DIGEST_SHA512_256] = NETTLE_ROW(n512_256, n_sha512),
	[DIGEST_SHA3_224] = NETTLE_ROW(s3_224, sha3_224),
	[DIGEST_SHA3_256] = NETTLE_ROW(s3_256, sha3_256),
	[DIGEST_SHA3_384] = NETTLE_ROW(s3_384, sha3_384),
	[DIGEST_SHA3_512] = NETTLE_ROW(s3_512, sha3_512),
	[DIGEST_BLAKE2S256] = EVP_ROW,
	[DIGEST_BLAKE2B512] = EVP_ROW,
	[DIGEST_RIPEMD160] = NETTLE_ROW(rmd, ripemd160),
	[DIGEST_SM3] = NETTLE_ROW(sm3h, sm3),
};

/* Fetched once: an implicit fetch at each use is slow in OpenSSL 3.0. */
static const EVP_MD *
evp_md(enum digest_algo algo)
{
	static EVP_MD *blake2s, *blake2b; /* live as long as the process */
	EVP_MD **md = algo == DIGEST_BLAKE2S256 ? &blake2s : &blake2b;

	if (!*md)
		*md = EVP_MD_fetch(NULL, algo == DIGEST_BLAKE2S256 ? "BLAKE2S-256" : "BLAKE2B-512",
		    NULL);
	return *md;
}

static int
evp_start(struct digest_ctx *d)
{
	const EVP_MD *md = evp_md(d->algo);

	if (!md)
		return -ENOTSUP;
	d->state.evp = EVP_MD_CTX_new();
	if (!d->state.evp)
		return -ENOMEM;
	return EVP_DigestInit_ex(d->state.evp, md, NULL) == 1 ? 0 : -ENOTSUP;
}

struct digest_ctx *
digest_new(enum digest_algo algo)
{
	AUTO_DIGEST struct digest_ctx *d = NULL;

	if (algo <= DIGEST_NONE || algo >= _DIGEST_ALGO_MAX)
		return NULL;
	d = NEW(struct digest_ctx);
	d->algo = algo;
	d->impl = &impls[algo];
	if (d->impl->library == LIB_EVP) {
		if (evp_start(d) < 0)
			return NULL;
	} else {
		d->impl->init(&d->state);
	}
	return TAKE_PTR(d);
}

void
digest_free(struct digest_ctx *d)
{
	if (!d)
		return;
	if (d->impl->library == LIB_EVP)
		EVP_MD_CTX_free(d->state.evp);
	free(d);
}

enum digest_algo
digest_get_algo(const struct digest_ctx *d)
{
	return d->algo;
}

void
digest_update(struct digest_ctx *d, const void *data, size_t n)
{
	if (n)
		d->impl->update(&d->state, data, n);
}

void
digest_final(struct digest_ctx *d, struct digest *ret)
{
	struct digest r = { .algo = (uint8_t)d->algo, .len = (uint8_t)digest_algo_size(d->algo) };

	d->impl->final(&d->state, r.bytes);
	*ret = r;
}

/* What a raw state depends on: which library, which version of it at run time. */
static void
library_tag(enum library lib, char *out, size_t n)
{
	if (lib == LIB_NETTLE)
		(void)snprintf(out, n, "nettle %d.%d", nettle_version_major(), nettle_version_minor());
	else
		(void)snprintf(out, n, "openssl %lx", OpenSSL_version_num());
}

int
digest_save(const struct digest_ctx *d, struct buf *out)
{
	char tag[48];

	if (!d->impl->state_size)
		return -ENOTSUP;
	library_tag(d->impl->library, tag, sizeof tag);
	put_u8(out, (uint8_t)d->algo);
	put_str(out, tag);
	put_blob(out, &d->state, d->impl->state_size);
	return 0;
}

int
digest_load(const void *state, size_t n, struct digest_ctx **ret)
{
	AUTO_DIGEST struct digest_ctx *d = NULL;
	char tag[48];
	struct cursor c;
	struct text lib, raw;
	uint8_t algo;

	cursor_init(&c, state, n);
	algo = (uint8_t)get_below(&c, get_u8(&c), _DIGEST_ALGO_MAX);
	lib = get_text(&c);
	raw = get_blob(&c);
	if (cursor_finish(&c) < 0 || !impls[algo].state_size)
		return -EPROTO;
	library_tag(impls[algo].library, tag, sizeof tag);
	if (lib.len != strlen(tag) || memcmp(lib.at, tag, lib.len) != 0)
		return -ENOTSUP;
	if (raw.len != impls[algo].state_size)
		return -EPROTO;
	d = digest_new(algo);
	if (!d)
		return -ENOTSUP;
	memcpy(&d->state, raw.at, raw.len);
	if (d->impl->fill(&d->state) >= d->impl->block)
		return -EPROTO;
	if ((algo == DIGEST_SHA224 || algo == DIGEST_SHA256) &&
	    d->state.sha256.md_len != digest_algo_size(algo))
		return -EPROTO;
	if ((algo == DIGEST_SHA384 || algo == DIGEST_SHA512) &&
	    d->state.sha512.md_len != digest_algo_size(algo))
		return -EPROTO;
	*ret = TAKE_PTR(d);
	return 0;
}
