/* Unit tests of worker/digest: known answers, chunking, saved states. */
#include "worker/digest.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/str.h"
#include "run_suite.h"

/* From the standards, and equal to what `openssl dgst` says: the digests of "",
 * of "abc" and of a million times "a". */
static const struct {
	enum digest_algo algo;
	const char *empty, *abc, *million;
} known[] = {
	{ DIGEST_MD5,
	  "d41d8cd98f00b204e9800998ecf8427e",
	  "900150983cd24fb0d6963f7d28e17f72",
	  "7707d6ae4e027c70eea2a935c2296f21" },
	{ DIGEST_SHA1,
	  "da39a3ee5e6b4b0d3255bfef95601890afd80709",
	  "a9993e364706816aba3e25717850c26c9cd0d89d",
	  "34aa973cd4c4daa4f61eeb2bdbad27316534016f" },
	{ DIGEST_SHA224,
	  "d14a028c2a3a2bc9476102bb288234c415a2b01f828ea62ac5b3e42f",
	  "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7",
	  "20794655980c91d8bbb4c1ea97618a4bf03f42581948b2ee4ee7ad67" },
	{ DIGEST_SHA256,
	  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	  "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
	  "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0" },
	{ DIGEST_SHA384,
	  "38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da"
	  "274edebfe76f65fbd51ad2f14898b95b",
	  "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
	  "8086072ba1e7cc2358baeca134c825a7",
	  "9d0e1809716474cb086e834e310a4a1ced149e9c00f248527972cec5704c2a5b"
	  "07b8b3dc38ecc4ebae97ddd87f3d8985" },
	{ DIGEST_SHA512,
	  "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
	  "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e",
	  "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
	  "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
	  "e718483d0ce769644e2e42c7bc15b4638e1f98b13b2044285632a803afa973eb"
	  "de0ff244877ea60a4cb0432ce577c31beb009c5c2c49aa2e4eadb217ad8cc09b" },
	{ DIGEST_SHA512_224,
	  "6ed0dd02806fa89e25de060c19d3ac86cabb87d6a0ddd05c333b84f4",
	  "4634270f707b6a54daae7530460842e20e37ed265ceee9a43e8924aa",
	  "37ab331d76f0d36de422bd0edeb22a28accd487b7a8453ae965dd287" },
	{ DIGEST_SHA512_256,
	  "c672b8d1ef56ed28ab87c3622c5114069bdd3ad7b8f9737498d0c01ecef0967a",
	  "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23",
	  "9a59a052930187a97038cae692f30708aa6491923ef5194394dc68d56c74fb21" },
	{ DIGEST_SHA3_224,
	  "6b4e03423667dbb73b6e15454f0eb1abd4597f9a1b078e3f5b5a6bc7",
	  "e642824c3f8cf24ad09234ee7d3c766fc9a3a5168d0c94ad73b46fdf",
	  "d69335b93325192e516a912e6d19a15cb51c6ed5c15243e7a7fd653c" },
	{ DIGEST_SHA3_256,
	  "a7ffc6f8bf1ed76651c14756a061d662f580ff4de43b49fa82d80a4b80f8434a",
	  "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532",
	  "5c8875ae474a3634ba4fd55ec85bffd661f32aca75c6d699d0cdcb6c115891c1" },
	{ DIGEST_SHA3_384,
	  "0c63a75b845e4f7d01107d852e4c2485c51a50aaaa94fc61995e71bbee983a2a"
	  "c3713831264adb47fb6bd1e058d5f004",
	  "ec01498288516fc926459f58e2c6ad8df9b473cb0fc08c2596da7cf0e49be4b2"
	  "98d88cea927ac7f539f1edf228376d25",
	  "eee9e24d78c1855337983451df97c8ad9eedf256c6334f8e948d252d5e0e7684"
	  "7aa0774ddb90a842190d2c558b4b8340" },
	{ DIGEST_SHA3_512,
	  "a69f73cca23a9ac5c8b567dc185a756e97c982164fe25859e0d1dcc1475c80a6"
	  "15b2123af1f5f94c11e3e9402c3ac558f500199d95b6d3e301758586281dcd26",
	  "b751850b1a57168a5693cd924b6b096e08f621827444f70d884f5d0240d2712e"
	  "10e116e9192af3c91a7ec57647e3934057340b4cf408d5a56592f8274eec53f0",
	  "3c3a876da14034ab60627c077bb98f7e120a2a5370212dffb3385a18d4f38859"
	  "ed311d0a9d5141ce9cc5c66ee689b266a8aa18ace8282a0e0db596c90b0a7b87" },
	{ DIGEST_BLAKE2S256,
	  "69217a3079908094e11121d042354a7c1f55b6482ca1a51e1b250dfd1ed0eef9",
	  "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982",
	  "bec0c0e6cde5b67acb73b81f79a67a4079ae1c60dac9d2661af18e9f8b50dfa5" },
	{ DIGEST_BLAKE2B512,
	  "786a02f742015903c6c6fd852552d272912f4740e15847618a86e217f71f5419"
	  "d25e1031afee585313896444934eb04b903a685b1448b755d56f701afe9be2ce",
	  "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
	  "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923",
	  "98fb3efb7206fd19ebf69b6f312cf7b64e3b94dbe1a17107913975a793f177e1"
	  "d077609d7fba363cbba00d05f7aa4e4fa8715d6428104c0a75643b0ff3fd3eaf" },
	{ DIGEST_RIPEMD160,
	  "9c1185a5c5e9fc54612808977ee8f548b2258d31",
	  "8eb208f7e05d987a9b044a8e98c6b087f15a0bfc",
	  "52783243c1697bdbe16d37f97f68f08325dc1528" },
	{ DIGEST_SM3,
	  "1ab21d8355cfa17f8e61194831e81a8f22bec8c728fefb747ed035eb5082aa2b",
	  "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0",
	  "c8aaf89429554029e231941a2acc0ad61ff2a5acd8fadd25847a3a732b3b02c3" },
};

static char *
hex_of(const struct digest *d, char *out)
{
	hex_encode(d->bytes, d->len, out);
	return out;
}

static void
assert_digest(enum digest_algo algo, const void *data, size_t n, const char *hex)
{
	AUTO_DIGEST struct digest_ctx *d = digest_new(algo);
	char is[2 * DIGEST_MAX_SIZE + 1];
	struct digest r;

	ck_assert_ptr_nonnull(d);
	digest_update(d, data, n);
	digest_final(d, &r);
	ck_assert_uint_eq(r.algo, algo);
	ck_assert_uint_eq(r.len, digest_algo_size(algo));
	ck_assert_str_eq(hex_of(&r, is), hex);
}

START_TEST(every_algorithm_is_in_the_table)
{
	ck_assert_uint_eq(ARRAY_SIZE(known), _DIGEST_ALGO_MAX - 1);
	for (unsigned i = 0; i < ARRAY_SIZE(known); i++)
		ck_assert_uint_eq(known[i].algo, i + 1);
}
END_TEST

START_TEST(known_answers_hold)
{
	AUTO_FREE char *a = malloc(1000000);

	ck_assert_ptr_nonnull(a);
	memset(a, 'a', 1000000);
	assert_digest(known[_i].algo, "", 0, known[_i].empty);
	assert_digest(known[_i].algo, "abc", 3, known[_i].abc);
	assert_digest(known[_i].algo, a, 1000000, known[_i].million);
}
END_TEST

enum { SAMPLE = 5000 };

static void
fill_sample(uint8_t *p)
{
	uint32_t x = 12345;

	for (unsigned i = 0; i < SAMPLE; i++) {
		x = x * 1103515245 + 12345;
		p[i] = (uint8_t)(x >> 16);
	}
}

static struct digest
digest_of(enum digest_algo algo, const uint8_t *p, size_t n)
{
	AUTO_DIGEST struct digest_ctx *d = digest_new(algo);
	struct digest r;

	digest_update(d, p, n);
	digest_final(d, &r);
	return r;
}

START_TEST(pieces_of_any_size_give_the_same)
{
	enum digest_algo algo = known[_i].algo;
	uint8_t data[SAMPLE];
	struct digest whole, r;
	unsigned seed = 7;

	fill_sample(data);
	whole = digest_of(algo, data, SAMPLE);
	for (unsigned round = 0; round < 50; round++) {
		AUTO_DIGEST struct digest_ctx *d = digest_new(algo);
		size_t at = 0;

		while (at < SAMPLE) {
			size_t n = (size_t)rand_r(&seed) % (round < 10 ? 5 : 400);

			n = MIN(n, SAMPLE - at);
			digest_update(d, data + at, n);
			at += n;
		}
		digest_final(d, &r);
		ck_assert_mem_eq(r.bytes, whole.bytes, whole.len);
	}
}
END_TEST

START_TEST(a_saved_state_goes_on_where_it_was)
{
	enum digest_algo algo = known[_i].algo;
	uint8_t data[SAMPLE];
	struct digest whole, r;
	unsigned seed = 99;

	fill_sample(data);
	whole = digest_of(algo, data, SAMPLE);
	for (unsigned round = 0; round < 300; round++) {
		AUTO_DIGEST struct digest_ctx *d = digest_new(algo), *again = NULL;
		AUTO_BUF struct buf state = { 0 };
		size_t cut = round < 200 ? round : (size_t)rand_r(&seed) % SAMPLE;

		digest_update(d, data, cut);
		if (algo == DIGEST_BLAKE2S256 || algo == DIGEST_BLAKE2B512) {
			ck_assert_int_eq(digest_save(d, &state), -ENOTSUP);
			ck_assert_uint_eq(buf_len(&state), 0);
			return;
		}
		ck_assert_int_eq(digest_save(d, &state), 0);
		ck_assert_int_eq(digest_load(buf_bytes(&state), buf_len(&state), &again), 0);
		ck_assert_int_eq(digest_get_algo(again), algo);
		digest_update(again, data + cut, SAMPLE - cut);
		digest_final(again, &r);
		ck_assert_mem_eq(r.bytes, whole.bytes, whole.len);
	}
}
END_TEST

static void
save_sha(struct buf *state)
{
	AUTO_DIGEST struct digest_ctx *d = digest_new(DIGEST_SHA256);

	digest_update(d, "abc", 3);
	ck_assert_int_eq(digest_save(d, state), 0);
}

START_TEST(a_cut_or_longer_state_is_refused)
{
	AUTO_BUF struct buf state = { 0 };
	struct digest_ctx *d = NULL;

	save_sha(&state);
	for (size_t n = 0; n < buf_len(&state); n++)
		ck_assert_int_eq(digest_load(buf_bytes(&state), n, &d), -EPROTO);
	put_u8(&state, 0);
	ck_assert_int_eq(digest_load(buf_bytes(&state), buf_len(&state), &d), -EPROTO);
	ck_assert_ptr_null(d);
}
END_TEST

START_TEST(a_state_of_another_library_version_is_refused)
{
	AUTO_BUF struct buf state = { 0 };
	struct digest_ctx *d = NULL;

	save_sha(&state);
	buf_bytes(&state)[3] ^= 1; /* the first letter of the library's name */
	ck_assert_int_eq(digest_load(buf_bytes(&state), buf_len(&state), &d), -ENOTSUP);
	ck_assert_ptr_null(d);
}
END_TEST

/* A damaged fill would make the library write behind its block buffer. */
START_TEST(no_damaged_byte_makes_a_load_write_out_of_bounds)
{
	enum digest_algo algo = known[_i].algo;
	AUTO_DIGEST struct digest_ctx *d = digest_new(algo);
	AUTO_BUF struct buf state = { 0 };
	uint8_t data[SAMPLE];

	fill_sample(data);
	digest_update(d, data, 61);
	if (digest_save(d, &state) < 0)
		return; /* has no state to be damaged */
	for (size_t i = 0; i < buf_len(&state); i++) {
		AUTO_DIGEST struct digest_ctx *again = NULL;
		struct digest r;

		buf_bytes(&state)[i] ^= 0xff;
		if (digest_load(buf_bytes(&state), buf_len(&state), &again) == 0) {
			digest_update(again, data, 300);
			digest_final(again, &r); /* the sanitizers look on */
		}
		buf_bytes(&state)[i] ^= 0xff;
	}
}
END_TEST

START_TEST(what_is_no_algorithm_gives_nothing)
{
	ck_assert_ptr_null(digest_new(DIGEST_NONE));
	ck_assert_ptr_null(digest_new(_DIGEST_ALGO_MAX));
	digest_free(NULL);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("digest");
	TCase *answers = tcase_create("answers"), *states = tcase_create("states");

	tcase_add_test(answers, every_algorithm_is_in_the_table);
	tcase_add_test(answers, what_is_no_algorithm_gives_nothing);
	tcase_add_loop_test(answers, known_answers_hold, 0, (int)ARRAY_SIZE(known));
	tcase_add_loop_test(answers, pieces_of_any_size_give_the_same, 0, (int)ARRAY_SIZE(known));
	tcase_add_loop_test(states, a_saved_state_goes_on_where_it_was, 0, (int)ARRAY_SIZE(known));
	tcase_add_loop_test(states, no_damaged_byte_makes_a_load_write_out_of_bounds, 0,
	    (int)ARRAY_SIZE(known));
	tcase_add_test(states, a_cut_or_longer_state_is_refused);
	tcase_add_test(states, a_state_of_another_library_version_is_refused);
	tcase_set_timeout(answers, 60);
	tcase_set_timeout(states, 60);
	suite_add_tcase(s, answers);
	suite_add_tcase(s, states);
	return run_suite(s);
}
