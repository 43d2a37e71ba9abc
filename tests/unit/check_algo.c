/* Names of digests and codecs. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "model/algo.h"
#include "run_suite.h"

START_TEST(digest_names_in_every_spelling)
{
	static const struct {
		const char *s;
		enum digest_algo algo;
	} rows[] = {
		{ "md5", DIGEST_MD5 }, { "MD5", DIGEST_MD5 }, { "sha1", DIGEST_SHA1 },
		{ "SHA-1", DIGEST_SHA1 }, { "sha-256", DIGEST_SHA256 }, { "SHA256", DIGEST_SHA256 },
		{ "sha_384", DIGEST_SHA384 }, { "sha512", DIGEST_SHA512 },
		{ "SHA-512/256", DIGEST_SHA512_256 }, { "sha512-256", DIGEST_SHA512_256 },
		{ "sha512_224", DIGEST_SHA512_224 }, { "sha3-256", DIGEST_SHA3_256 },
		{ "SHA3_512", DIGEST_SHA3_512 }, { "blake2b512", DIGEST_BLAKE2B512 },
		{ "BLAKE2s-256", DIGEST_BLAKE2S256 }, { "ripemd160", DIGEST_RIPEMD160 },
		{ "RIPEMD-160", DIGEST_RIPEMD160 }, { "sm3", DIGEST_SM3 },
		{ "", DIGEST_NONE }, { "sha", DIGEST_NONE }, { "sha25", DIGEST_NONE },
		{ "sha2566", DIGEST_NONE }, { "sha 256", DIGEST_NONE }, { "-", DIGEST_NONE },
		{ "md5 ", DIGEST_NONE }, { "crc32", DIGEST_NONE },
		{ "sha256-sha256-sha256-sha256-sha256", DIGEST_NONE },
		{ "-----------------------md5", DIGEST_NONE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		ck_assert_msg(digest_algo_from_string(rows[i].s, strlen(rows[i].s)) == rows[i].algo,
		    "%s", rows[i].s);
	ck_assert_int_eq(digest_algo_from_string("md5xxx", 3), DIGEST_MD5);
}
END_TEST

START_TEST(every_digest_has_name_and_size)
{
	for (int a = DIGEST_NONE + 1; a < _DIGEST_ALGO_MAX; a++) {
		const char *name = digest_algo_to_string((enum digest_algo)a);

		ck_assert_str_ne(name, "?");
		ck_assert_int_eq(digest_algo_from_string(name, strlen(name)), a);
		ck_assert_uint_ge(digest_algo_size((enum digest_algo)a), 16);
		ck_assert_uint_le(digest_algo_size((enum digest_algo)a), DIGEST_MAX_SIZE);
	}
	ck_assert_str_eq(digest_algo_to_string(DIGEST_NONE), "?");
	ck_assert_str_eq(digest_algo_to_string(_DIGEST_ALGO_MAX), "?");
	ck_assert_uint_eq(digest_algo_size(DIGEST_NONE), 0);
	ck_assert_uint_eq(digest_algo_size(_DIGEST_ALGO_MAX), 0);
}
END_TEST

#define MD5_HEX "d41d8cd98f00b204e9800998ecf8427e"

START_TEST(checksums_are_parsed_strictly)
{
	static const struct {
		const char *s;
		bool good;
	} rows[] = {
		{ "md5:" MD5_HEX, true }, { "MD5=" MD5_HEX, true },
		{ "md5:D41D8CD98F00B204E9800998ECF8427E", true },
		{ "md5" MD5_HEX, false }, { MD5_HEX, false }, { "", false }, { ":", false },
		{ ":" MD5_HEX, false }, { "md5:", false }, { "md5:" MD5_HEX "0", false },
		{ "md5:" MD5_HEX "00", false }, { "md5:d41d8cd98f00b204e9800998ecf8427", false },
		{ "md5:d41d8cd98f00b204e9800998ecf8427g", false }, { "md5: " MD5_HEX, false },
		{ "md5:" MD5_HEX " ", false }, { "sha256:" MD5_HEX, false }, { "foo:" MD5_HEX, false },
		{ "md5::" MD5_HEX, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct digest d = { .algo = 99 };
		const char *why = NULL;
		int r = digest_parse(rows[i].s, &d, &why);

		ck_assert_msg(r == (rows[i].good ? 0 : -EINVAL), "%s", rows[i].s);
		ck_assert_msg(!why == rows[i].good, "%s", rows[i].s);
		ck_assert_uint_eq(d.algo, rows[i].good ? DIGEST_MD5 : 99);
		if (rows[i].good)
			ck_assert_mem_eq(d.bytes, "\xd4\x1d\x8c\xd9", 4);
	}
}
END_TEST

START_TEST(what_is_formatted_parses_again)
{
	for (int a = DIGEST_NONE + 1; a < _DIGEST_ALGO_MAX; a++) {
		struct digest d = { .algo = (uint8_t)a, .len = (uint8_t)digest_algo_size((enum digest_algo)a) };
		struct digest back;
		char text[DIGEST_TEXT_MAX];
		const char *why;

		for (unsigned i = 0; i < d.len; i++)
			d.bytes[i] = (uint8_t)(i * 37 + (unsigned)a);
		ck_assert_ptr_eq(digest_format(&d, text), text);
		ck_assert_uint_lt(strlen(text), sizeof text);
		ck_assert_int_eq(digest_parse(text, &back, &why), 0);
		ck_assert_mem_eq(&back, &d, sizeof d);
	}
}
END_TEST

START_TEST(codecs_by_name)
{
	static const struct {
		const char *name;
		enum codec codec;
		const char *stripped; /* NULL: nothing is left */
	} rows[] = {
		{ "a.gz", CODEC_GZIP, "a" }, { "a.tar.gz", CODEC_GZIP, "a.tar" },
		{ "a.tgz", CODEC_GZIP, "a.tar" }, { "a.zst", CODEC_ZSTD, "a" },
		{ "a.tzst", CODEC_ZSTD, "a.tar" }, { "a.xz", CODEC_XZ, "a" },
		{ "a.txz", CODEC_XZ, "a.tar" }, { "a.bz2", CODEC_BZIP2, "a" },
		{ "a.tbz2", CODEC_BZIP2, "a.tar" }, { "a.lz4", CODEC_LZ4, "a" },
		{ "a.b.c.xz", CODEC_XZ, "a.b.c" },
		{ ".gz", CODEC_GZIP, NULL }, { ".tgz", CODEC_GZIP, NULL },
		{ "a", CODEC_OFF, NULL }, { "gz", CODEC_OFF, NULL }, { "a.gz.txt", CODEC_OFF, NULL },
		{ "", CODEC_OFF, NULL }, { "agz", CODEC_OFF, NULL }, { "a.zip", CODEC_OFF, NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTO_FREE char *stripped = codec_strip_name(rows[i].name);

		ck_assert_msg(codec_from_name(rows[i].name) == rows[i].codec, "%s", rows[i].name);
		ck_assert_msg(text_equal(stripped, rows[i].stripped), "%s: %s", rows[i].name,
		    stripped ? stripped : "-");
	}
	for (int c = 0; c < _CODEC_MAX; c++)
		ck_assert_str_ne(codec_to_string((enum codec)c), "?");
	ck_assert_str_eq(codec_to_string(_CODEC_MAX), "?");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("algo");
	TCase *tc = tcase_create("names");

	tcase_add_test(tc, digest_names_in_every_spelling);
	tcase_add_test(tc, every_digest_has_name_and_size);
	tcase_add_test(tc, checksums_are_parsed_strictly);
	tcase_add_test(tc, what_is_formatted_parses_again);
	tcase_add_test(tc, codecs_by_name);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
