/*
 * The names and numbers of digests and codecs: what configuration, wire and
 * workers agree on.  The code that computes them is in src/worker.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/json.h"

enum { DIGEST_MAX_SIZE = 64 };

enum digest_algo { /* wire values: never reuse a number */
	DIGEST_NONE = 0,
	DIGEST_MD5 = 1,
	DIGEST_SHA1 = 2,
	DIGEST_SHA224 = 3,
	DIGEST_SHA256 = 4,
	DIGEST_SHA384 = 5,
	DIGEST_SHA512 = 6,
	DIGEST_SHA512_224 = 7,
	DIGEST_SHA512_256 = 8,
	DIGEST_SHA3_224 = 9,
	DIGEST_SHA3_256 = 10,
	DIGEST_SHA3_384 = 11,
	DIGEST_SHA3_512 = 12,
	DIGEST_BLAKE2S256 = 13,
	DIGEST_BLAKE2B512 = 14,
	DIGEST_RIPEMD160 = 15,
	DIGEST_SM3 = 16,
	_DIGEST_ALGO_MAX
};

enum codec { /* wire values, and the order of the words of "decompress" */
	CODEC_OFF = 0,
	CODEC_AUTO = 1,
	CODEC_GZIP = 2,
	CODEC_ZSTD = 3,
	CODEC_XZ = 4,
	CODEC_BZIP2 = 5,
	CODEC_LZ4 = 6,
	_CODEC_MAX
};

struct digest {
	uint8_t algo; /* enum digest_algo */
	uint8_t len;
	uint8_t bytes[DIGEST_MAX_SIZE];
};

const char *digest_algo_to_string(enum digest_algo a); /* "sha256"; "?" for none */
size_t digest_algo_size(enum digest_algo a);           /* bytes */
/* Names as in `openssl list`, case and "-", "_", "/" ignored ("SHA-512/256",
 * "sha3_256"); DIGEST_NONE when unknown. */
enum digest_algo digest_algo_from_string(const char *s, size_t n);
/* "algo:hex" or aria2's "algo=hex": 0, or -EINVAL with *ret_why, a sentence's
 * end, static. */
int digest_parse(const char *s, struct digest *ret, const char **ret_why) MUST_CHECK;
/* "algo:hex" into out, which holds DIGEST_TEXT_MAX bytes; returns out. */
enum { DIGEST_TEXT_MAX = 2 * DIGEST_MAX_SIZE + 16 };
char *digest_format(const struct digest *d, char *out);

/* A member of an object: {"sha256":"hex", ...}. */
void digests_to_json(struct json *w, const char *key, const struct digest *d, unsigned n);

const char *codec_to_string(enum codec c); /* "gzip" */
/* By the end of a file's name (".gz", ".zst", ...); CODEC_OFF when none fits. */
enum codec codec_from_name(const char *name);
/* The name without that end: newly allocated; NULL when nothing is left. */
char *codec_strip_name(const char *name);
