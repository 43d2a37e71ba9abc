/* The names and numbers of digests and codecs; see algo.h. */
#include "model/algo.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

static const struct {
	const char *name; /* as in `openssl list -digest-algorithms`, no punctuation but / */
	uint8_t size;
} digests[_DIGEST_ALGO_MAX] = {
	[DIGEST_MD5] = { "md5", 16 },
	[DIGEST_SHA1] = { "sha1", 20 },
	[DIGEST_SHA224] = { "sha224", 28 },
	[DIGEST_SHA256] = { "sha256", 32 },
	[DIGEST_SHA384] = { "sha384", 48 },
	[DIGEST_SHA512] = { "sha512", 64 },
	[DIGEST_SHA512_224] = { "sha512-224", 28 },
	[DIGEST_SHA512_256] = { "sha512-256", 32 },
	[DIGEST_SHA3_224] = { "sha3-224", 28 },
	[DIGEST_SHA3_256] = { "sha3-256", 32 },
	[DIGEST_SHA3_384] = { "sha3-384", 48 },
	[DIGEST_SHA3_512] = { "sha3-512", 64 },
	[DIGEST_BLAKE2S256] = { "blake2s256", 32 },
	[DIGEST_BLAKE2B512] = { "blake2b512", 64 },
	[DIGEST_RIPEMD160] = { "ripemd160", 20 },
	[DIGEST_SM3] = { "sm3", 32 },
};

static const struct {
	const char *name;
	const char *suffix, *tar_suffix;
} codecs[_CODEC_MAX] = {
	[CODEC_OFF] = { "off", NULL, NULL },
	[CODEC_AUTO] = { "auto", NULL, NULL },
	[CODEC_GZIP] = { "gzip", ".gz", ".tgz" },
	[CODEC_ZSTD] = { "zstd", ".zst", ".tzst" },
	[CODEC_XZ] = { "xz", ".xz", ".txz" },
	[CODEC_BZIP2] = { "bzip2", ".bz2", ".tbz2" },
	[CODEC_LZ4] = { "lz4", ".lz4", NULL },
};

const char *
digest_algo_to_string(enum digest_algo a)
{
	return a > DIGEST_NONE && a < _DIGEST_ALGO_MAX ? digests[a].name : "?";
}

size_t
digest_algo_size(enum digest_algo a)
{
	return a > DIGEST_NONE && a < _DIGEST_ALGO_MAX ? digests[a].size : 0;
}

/* Letters and digits only, lower case: what makes two spellings one name. */
static void
squash(const char *s, size_t n, char *out, size_t max)
{
	size_t o = 0;

	for (size_t i = 0; i < n && o + 1 < max; i++) {
		char c = s[i] >= 'A' && s[i] <= 'Z' ? (char)(s[i] + 32) : s[i];

		if (!strchr("-_/", c))
			out[o++] = c;
	}
	out[o] = '\0';
}

enum digest_algo
digest_algo_from_string(const char *s, size_t n)
{
	char want[24], have[24];

	if (n == 0 || n >= sizeof want)
		return DIGEST_NONE;
	squash(s, n, want, sizeof want);
	for (int a = DIGEST_MD5; a < _DIGEST_ALGO_MAX; a++) {
		squash(digests[a].name, strlen(digests[a].name), have, sizeof have);
		if (text_equal(want, have))
			return (enum digest_algo)a;
	}
	return DIGEST_NONE;
}

int
digest_parse(const char *s, struct digest *ret, const char **ret_why)
{
	size_t n = strcspn(s, ":=");
	struct digest d = { 0 };

	if (!s[n]) {
		*ret_why = strspn(s, "0123456789abcdefABCDEF") < n ? "it is not of the form algorithm:hex"
		    : n == 32 ? "it names no algorithm: with so many digits it may be md5:..."
		    : n == 40 ? "it names no algorithm: with so many digits it may be sha1:..."
		    : n == 64 ? "it names no algorithm: with so many digits it may be sha256:..."
		    : n == 128 ? "it names no algorithm: with so many digits it may be sha512:..."
			       : "it is not of the form algorithm:hex";
		return -EINVAL;
	}
	d.algo = digest_algo_from_string(s, n);
	if (!d.algo) {
		*ret_why = "its algorithm is not known (md5 sha1 sha224 sha256 sha384 sha512 "
			   "sha512-224 sha512-256 sha3-224 sha3-256 sha3-384 sha3-512 "
			   "blake2s256 blake2b512 ripemd160 sm3)";
		return -EINVAL;
	}
	s += n + 1;
	d.len = digests[d.algo].size;
	if (strlen(s) != 2 * (size_t)d.len) {
		*ret_why = "its number of hex digits is not that of the algorithm";
		return -EINVAL;
	}
	if (hex_decode(s, strlen(s), d.bytes) < 0) {
		*ret_why = "it has a character that is no hex digit";
		return -EINVAL;
	}
	*ret = d;
	return 0;
}

char *
digest_format(const struct digest *d, char *out)
{
	int n = snprintf(out, DIGEST_TEXT_MAX, "%s:", digest_algo_to_string(d->algo));

	hex_encode(d->bytes, MIN(d->len, (uint8_t)DIGEST_MAX_SIZE), out + n);
	return out;
}

const char *
codec_to_string(enum codec c)
{
	return c < _CODEC_MAX ? codecs[c].name : "?";
}

enum codec
codec_from_name(const char *name)
{
	for (int c = CODEC_GZIP; c < _CODEC_MAX; c++)
		if (has_suffix(name, codecs[c].suffix) ||
		    (codecs[c].tar_suffix && has_suffix(name, codecs[c].tar_suffix)))
			return (enum codec)c;
	return CODEC_OFF;
}

char *
codec_strip_name(const char *name)
{
	for (int c = CODEC_GZIP; c < _CODEC_MAX; c++) {
		const char *tar = codecs[c].tar_suffix;
		size_t n = strlen(name);

		if (has_suffix(name, codecs[c].suffix) && n > strlen(codecs[c].suffix))
			return xstrndup(name, n - strlen(codecs[c].suffix));
		if (tar && has_suffix(name, tar) && n > strlen(tar))
			return xasprintf("%.*s.tar", (int)(n - strlen(tar)), name);
	}
	return NULL;
}

void
digests_to_json(struct json *w, const char *key, const struct digest *d, unsigned n)
{
	char hex[2 * DIGEST_MAX_SIZE + 1];

	jsonw_key(w, key);
	jsonw_begin_object(w);
	for (unsigned i = 0; i < n; i++) {
		hex_encode(d[i].bytes, d[i].len, hex);
		jsonw_key_string(w, digest_algo_to_string(d[i].algo), hex);
	}
	jsonw_end_object(w);
}
