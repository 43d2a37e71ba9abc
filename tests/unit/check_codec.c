/*
 * Unit tests of worker/codec: every codec over data that its own library made,
 * whole, in pieces, cut, damaged, repeated and followed by what does not belong.
 */
#include "worker/codec.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bzlib.h>
#include <lz4frame.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include "base/buf.h"
#include "base/str.h"
#include "run_suite.h"

enum { MEMORY = 64 << 20, SEEDS = 6 };

/* Text that packs well with some noise that does not. */
static void
make_data(struct buf *b, size_t n, unsigned seed)
{
	static const char *const words[] = { "haul ", "front ", "window ", "slice ", "lane\n" };

	while (buf_len(b) < n) {
		unsigned r = (unsigned)rand_r(&seed);
		char noise = (char)(r >> 8);

		if (r % 7 == 0)
			buf_append(b, &noise, 1);
		else
			buf_append_str(b, words[r % ARRAY_SIZE(words)]);
	}
	b->end = b->start + n;
}

static void
pack_gzip(struct buf *out, const void *data, size_t n, gz_header *head)
{
	z_stream s = { 0 };
	size_t room = n + n / 100 + 1000;

	ck_assert_int_eq(deflateInit2(&s, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
	if (head)
		ck_assert_int_eq(deflateSetHeader(&s, head), Z_OK);
	s.next_in = (Bytef *)(uintptr_t)data;
	s.avail_in = (uInt)n;
	s.next_out = buf_reserve(out, room);
	s.avail_out = (uInt)room;
	ck_assert_int_eq(deflate(&s, Z_FINISH), Z_STREAM_END);
	buf_commit(out, room - s.avail_out);
	(void)deflateEnd(&s);
}

static void
pack_zstd(struct buf *out, const void *data, size_t n, int window_log)
{
	ZSTD_CCtx *c = ZSTD_createCCtx();
	ZSTD_inBuffer in = { data, n, 0 };
	size_t room = ZSTD_compressBound(n) + 100;
	ZSTD_outBuffer o = { buf_reserve(out, room), room, 0 };

	(void)ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1);
	if (window_log) {
		(void)ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, window_log);
		(void)ZSTD_CCtx_setParameter(c, ZSTD_c_contentSizeFlag, 0);
		/* In two calls, so that the encoder cannot shrink the window. */
		ck_assert_int_eq(ZSTD_isError(ZSTD_compressStream2(c, &o, &in, ZSTD_e_continue)), 0);
	}
	ck_assert_uint_eq(ZSTD_compressStream2(c, &o, &in, ZSTD_e_end), 0);
	buf_commit(out, o.pos);
	(void)ZSTD_freeCCtx(c);
}

static void
pack_xz(struct buf *out, const void *data, size_t n, bool blocks)
{
	lzma_stream s = LZMA_STREAM_INIT;
	lzma_mt mt = { .threads = 2, .block_size = 64 << 10, .preset = 6, .check = LZMA_CHECK_CRC64 };
	size_t room = lzma_stream_buffer_bound(n) + (n >> 9) + 1000;

	if (blocks)
		ck_assert_int_eq(lzma_stream_encoder_mt(&s, &mt), LZMA_OK);
	else
		ck_assert_int_eq(lzma_easy_encoder(&s, 6, LZMA_CHECK_CRC64), LZMA_OK);
	s.next_in = data;
	s.avail_in = n;
	s.next_out = buf_reserve(out, room);
	s.avail_out = room;
	ck_assert_int_eq(lzma_code(&s, LZMA_FINISH), LZMA_STREAM_END);
	buf_commit(out, room - s.avail_out);
	lzma_end(&s);
}

static void
pack_bzip2(struct buf *out, const void *data, size_t n)
{
	unsigned room = (unsigned)(n + n / 50 + 1000);

	ck_assert_int_eq(BZ2_bzBuffToBuffCompress((char *)buf_reserve(out, room), &room,
	    (char *)(uintptr_t)(n ? data : ""), (unsigned)n, 9, 0, 0), BZ_OK);
	buf_commit(out, room);
}

static void
pack_lz4(struct buf *out, const void *data, size_t n)
{
	LZ4F_preferences_t p = { .frameInfo = { .contentChecksumFlag = LZ4F_contentChecksumEnabled,
		.blockChecksumFlag = LZ4F_blockChecksumEnabled, .contentSize = n } };
	size_t room = LZ4F_compressFrameBound(n, &p);
	size_t r = LZ4F_compressFrame(buf_reserve(out, room), room, data, n, &p);

	ck_assert_int_eq((int)LZ4F_isError(r), 0);
	buf_commit(out, r);
}

static void
pack(struct buf *out, enum codec c, const void *data, size_t n)
{
	switch (c) {
	case CODEC_GZIP:
		pack_gzip(out, data, n, NULL);
		break;
	case CODEC_ZSTD:
		pack_zstd(out, data, n, 0);
		break;
	case CODEC_XZ:
		pack_xz(out, data, n, false);
		break;
	case CODEC_BZIP2:
		pack_bzip2(out, data, n);
		break;
	case CODEC_LZ4:
		pack_lz4(out, data, n);
		break;
	case CODEC_OFF:
	case CODEC_AUTO:
	case _CODEC_MAX:
		ck_abort_msg("no codec");
	}
}

struct sizes {
	size_t in, out; /* bytes per step; 0: random */
	unsigned seed;
};

static size_t
next_size(size_t fixed, unsigned *seed)
{
	return fixed ? fixed : 1 + (size_t)rand_r(seed) % 700;
}

/* As a task does it: 0, or -EBADMSG and why (256 bytes). */
static int
unpack_with(struct decoder *d, const uint8_t *p, size_t n, struct sizes z, struct buf *out,
    char *why)
{
	size_t at = 0, turns = 0;
	struct codec_io io = { 0 };
	int r = 0;

	do {
		size_t in = next_size(z.in, &z.seed), room = next_size(z.out, &z.seed);

		in = MIN(in, n - at);
		io.in = p + at;
		io.in_len = in;
		io.out = buf_reserve(out, room);
		io.out_len = room;
		io.last = at + in == n;
		r = decoder_step(d, &io);
		at += in - io.in_len;
		buf_commit(out, room - io.out_len);
		ck_assert_uint_lt(turns++, 100 * (n + 1000) + 40 * buf_len(out)); /* it moves on */
	} while (r == 0 && (at < n || io.more));
	if (r == 0)
		r = decoder_finish(d);
	(void)snprintf(why, 256, "%s", decoder_why(d));
	return r;
}

static int
unpack_memory(enum codec c, uint64_t memory, const void *p, size_t n, struct sizes z,
    struct buf *out, char *why)
{
	struct decoder *d = decoder_new(c, memory);
	AUTO_FREE uint8_t *copy = malloc(n ? n : 1); /* so that ASan sees each byte too far */
	int r;

	ck_assert_ptr_nonnull(d);
	memcpy(copy, p, n);
	r = unpack_with(d, copy, n, z, out, why);
	if (r < 0) { /* a failure stays one */
		struct codec_io io = { .in = copy, .in_len = MIN(n, (size_t)1) };

		ck_assert_int_eq(decoder_finish(d), -EBADMSG);
		ck_assert_int_eq(decoder_step(d, &io), -EBADMSG);
	}
	decoder_free(d);
	return r;
}

static const struct sizes whole = { 1 << 30, 1 << 16, 0 };

static int
unpack(enum codec c, const struct buf *packed, struct sizes z, struct buf *out, char *why)
{
	return unpack_memory(c, MEMORY, buf_bytes(packed), buf_len(packed), z, out, why);
}

static void
assert_same(const struct buf *a, const struct buf *b)
{
	ck_assert_uint_eq(buf_len(a), buf_len(b));
	if (buf_len(a))
		ck_assert_int_eq(memcmp(buf_bytes(a), buf_bytes(b), buf_len(a)), 0);
}

static void
assert_unpacks(enum codec c, const struct buf *packed, struct sizes z, const struct buf *data)
{
	AUTO_BUF struct buf out = { 0 };
	char why[256];

	if (unpack(c, packed, z, &out, why) < 0)
		ck_abort_msg("%s", why);
	assert_same(&out, data);
}

static void
assert_fails(enum codec c, const struct buf *packed, const char *part_of_why)
{
	static const struct sizes ways[] = { { 1 << 30, 1 << 16, 0 }, { 1, 1 << 16, 0 } };

	for (unsigned i = 0; i < ARRAY_SIZE(ways); i++) {
		AUTO_BUF struct buf out = { 0 };
		char why[256];

		ck_assert_int_eq(unpack(c, packed, ways[i], &out, why), -EBADMSG);
		if (!strstr(why, part_of_why))
			ck_abort_msg("\"%s\" does not say \"%s\"", why, part_of_why);
		ck_assert_ptr_nonnull(strstr(why, codec_to_string(c)));
	}
}

/* Tests loop over the codecs: _i is one. */

START_TEST(what_was_packed_comes_out)
{
	static const size_t sizes[] = { 0, 1, 100, 5000, 70000, 3 << 20 };
	enum codec c = (enum codec)_i;

	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		AUTO_BUF struct buf data = { 0 }, packed = { 0 };

		make_data(&data, sizes[i] > 1 << 20 ? sizes[i] / one_of() : sizes[i], i);
		pack(&packed, c, buf_bytes(&data), buf_len(&data));
		assert_unpacks(c, &packed, whole, &data);
		assert_unpacks(c, &packed, (struct sizes){ 4096, 1 << 20, 0 }, &data);
	}
}
END_TEST

START_TEST(pieces_of_any_size_give_the_same)
{
	enum codec c = (enum codec)_i;
	AUTO_BUF struct buf data = { 0 }, packed = { 0 };

	make_data(&data, 20000, 3);
	pack(&packed, c, buf_bytes(&data), buf_len(&data));
	assert_unpacks(c, &packed, (struct sizes){ 1, 1, 0 }, &data);
	assert_unpacks(c, &packed, (struct sizes){ 1, 1 << 16, 0 }, &data);
	assert_unpacks(c, &packed, (struct sizes){ 1 << 16, 1, 0 }, &data);
	for (unsigned seed = 0; seed < SEEDS; seed++)
		assert_unpacks(c, &packed, (struct sizes){ 0, 0, seed }, &data);
}
END_TEST

START_TEST(members_behind_each_other_are_one_file)
{
	enum codec c = (enum codec)_i;
	AUTO_BUF struct buf data = { 0 }, packed = { 0 };

	for (unsigned i = 0; i < 5; i++) {
		AUTO_BUF struct buf one = { 0 };

		make_data(&one, i == 2 ? 0 : 900 * i + 1, i); /* one of them is empty */
		pack(&packed, c, buf_bytes(&one), buf_len(&one));
		buf_append(&data, buf_bytes(&one), buf_len(&one));
	}
	assert_unpacks(c, &packed, whole, &data);
	assert_unpacks(c, &packed, (struct sizes){ 1, 1, 0 }, &data);
	for (unsigned seed = 0; seed < SEEDS; seed++)
		assert_unpacks(c, &packed, (struct sizes){ 0, 0, seed }, &data);
}
END_TEST

START_TEST(a_file_cut_at_any_byte_fails)
{
	enum codec c = (enum codec)_i;
	AUTO_BUF struct buf data = { 0 }, packed = { 0 };
	size_t n;

	make_data(&data, 700, 5);
	pack(&packed, c, buf_bytes(&data), buf_len(&data));
	for (n = buf_len(&packed) - 1; n > 0; n -= MIN(n, one_of())) {
		packed.end = packed.start + n;
		assert_fails(c, &packed, "ends early at byte");
	}
}
END_TEST

START_TEST(the_place_of_an_early_end_is_told)
{
	enum codec c = (enum codec)_i;
	AUTO_BUF struct buf data = { 0 }, packed = { 0 };
	char say[64];

	make_data(&data, 700, 5);
	pack(&packed, c, buf_bytes(&data), buf_len(&data));
	packed.end -= 3;
	(void)snprintf(say, sizeof say, "ends early at byte %zu", buf_len(&packed));
	assert_fails(c, &packed, say);
}
END_TEST

START_TEST(a_cut_in_the_second_member_fails)
{
	enum codec c = (enum codec)_i;
	AUTO_BUF struct buf data = { 0 }, packed = { 0 };
	size_t first, n;

	make_data(&data, 300, 5);
	pack(&packed, c, buf_bytes(&data), buf_len(&data));
	first = buf_len(&packed);
	pack(&packed, c, buf_bytes(&data), buf_len(&data));
	for (n = buf_len(&packed) - 1; n > first; n -= MIN(n, one_of())) {
		packed.end = packed.start + n;
		assert_fails(c, &packed, "ends early at byte");
	}
	packed.end = packed.start + first; /* at the boundary it is whole */
	assert_unpacks(c, &packed, whole, &data);
}
END_TEST

START_TEST(a_flipped_bit_never_gives_other_data)
{
	enum codec c = (enum codec)_i;
	AUTO_BUF struct buf data = { 0 }, packed = { 0 };
	unsigned accepted = 0;

	make_data(&data, 400, 8);
	pack(&packed, c, buf_bytes(&data), buf_len(&data));
	for (size_t bit = 0; bit < 8 * buf_len(&packed); bit += one_of()) {
		AUTO_BUF struct buf out = { 0 };
		char why[256];

		buf_bytes(&packed)[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (unpack(c, &packed, whole, &out, why) == 0) {
			assert_same(&out, &data);
			accepted++;
		} else {
			ck_assert_str_ne(why, "");
		}
		buf_bytes(&packed)[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	/* Only a header has bits that do not matter. */
	ck_assert_uint_lt(accepted, 8 * 10);
}
END_TEST

START_TEST(nothing_is_no_packed_file)
{
	AUTO_BUF struct buf none = { 0 };
	char why[256];

	buf_append_str(&none, "x");
	buf_consume(&none, 1);
	ck_assert_int_eq(unpack((enum codec)_i, &none, whole, &none, why), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(why, "data is empty"));
}
END_TEST

START_TEST(other_data_is_refused_at_its_first_byte)
{
	AUTO_BUF struct buf text = { 0 };

	buf_append_str(&text, "<html><body>404 not found</body></html>");
	assert_fails((enum codec)_i, &text, "does not begin as");
}
END_TEST

START_TEST(garbage_behind_the_end_is_counted)
{
	enum codec c = (enum codec)_i;
	AUTO_BUF struct buf data = { 0 }, packed = { 0 }, one = { 0 };

	make_data(&data, 1000, 5);
	pack(&packed, c, buf_bytes(&data), buf_len(&data));
	buf_append(&one, buf_bytes(&packed), buf_len(&packed));
	buf_append_str(&one, "#");
	assert_fails(c, &one, "1 byte of garbage follows the");
	buf_append_str(&packed, "<!-- generated in 0.3 s -->");
	assert_fails(c, &packed, "27 bytes of garbage follow the");
}
END_TEST

START_TEST(zeros_behind_the_end_are_garbage_where_the_format_has_no_padding)
{
	enum codec c = (enum codec)_i;
	AUTO_BUF struct buf data = { 0 }, packed = { 0 };

	make_data(&data, 1000, 5);
	pack(&packed, c, buf_bytes(&data), buf_len(&data));
	buf_append(&packed, "\0\0\0\0\0\0\0\0", 8);
	if (c == CODEC_GZIP || c == CODEC_XZ)
		assert_unpacks(c, &packed, whole, &data);
	else
		assert_fails(c, &packed, "8 bytes of garbage follow the");
}
END_TEST

START_TEST(gzip_padding_ends_the_file)
{
	AUTO_BUF struct buf data = { 0 }, packed = { 0 }, text = { 0 };
	AUTO_FREE uint8_t *zeros = calloc(1, 100000);

	make_data(&data, 1000, 5);
	pack_gzip(&packed, buf_bytes(&data), buf_len(&data), NULL);
	buf_append(&packed, zeros, 100000);
	assert_unpacks(CODEC_GZIP, &packed, whole, &data);
	assert_unpacks(CODEC_GZIP, &packed, (struct sizes){ 1, 1 << 16, 0 }, &data);
	buf_append(&text, buf_bytes(&packed), buf_len(&packed));
	buf_append_str(&text, "tail");
	assert_fails(CODEC_GZIP, &text, "4 bytes of garbage follow");
	pack_gzip(&packed, buf_bytes(&data), buf_len(&data), NULL);
	assert_fails(CODEC_GZIP, &packed, "bytes of garbage follow");
}
END_TEST

START_TEST(xz_padding_is_by_four_and_may_stand_between_streams)
{
	AUTO_BUF struct buf data = { 0 }, packed = { 0 }, bad = { 0 };

	make_data(&data, 1000, 5);
	pack_xz(&packed, buf_bytes(&data), buf_len(&data), false);
	buf_append(&bad, buf_bytes(&packed), buf_len(&packed));
	buf_append(&bad, "\0\0\0", 3);
	assert_fails(CODEC_XZ, &bad, "no multiple of 4 bytes");
	pack_xz(&bad, buf_bytes(&data), buf_len(&data), false);
	assert_fails(CODEC_XZ, &bad, "no multiple of 4 bytes");
	buf_append(&packed, "\0\0\0\0", 4);
	pack_xz(&packed, buf_bytes(&data), buf_len(&data), false);
	buf_append(&packed, "\0\0\0\0\0\0\0\0", 8);
	{
		AUTO_BUF struct buf twice = { 0 };

		buf_append(&twice, buf_bytes(&data), buf_len(&data));
		buf_append(&twice, buf_bytes(&data), buf_len(&data));
		assert_unpacks(CODEC_XZ, &packed, whole, &twice);
		assert_unpacks(CODEC_XZ, &packed, (struct sizes){ 1, 1, 0 }, &twice);
	}
}
END_TEST

START_TEST(xz_blocks_are_decoded_by_threads)
{
	AUTO_BUF struct buf data = { 0 }, packed = { 0 };

	make_data(&data, (2 << 20) / one_of(), 5); /* 32 blocks, or 4 */
	pack_xz(&packed, buf_bytes(&data), buf_len(&data), true);
	assert_unpacks(CODEC_XZ, &packed, whole, &data);
	assert_unpacks(CODEC_XZ, &packed, (struct sizes){ 777, 333, 0 }, &data);
	buf_bytes(&packed)[buf_len(&packed) / 2] ^= 0x10;
	assert_fails(CODEC_XZ, &packed, "is corrupt at byte");
}
END_TEST

START_TEST(a_decoder_in_the_middle_can_be_freed)
{
	enum codec c = (enum codec)_i;
	AUTO_BUF struct buf data = { 0 }, packed = { 0 };
	uint8_t out[4096];

	make_data(&data, (2 << 20) / one_of(), 5);
	if (c == CODEC_XZ)
		pack_xz(&packed, buf_bytes(&data), buf_len(&data), true);
	else
		pack(&packed, c, buf_bytes(&data), buf_len(&data));
	for (size_t n = 0; n < buf_len(&packed); n += buf_len(&packed) / 7) {
		struct decoder *d = decoder_new(c, MEMORY);
		struct codec_io io = { .in = buf_bytes(&packed), .in_len = n, .out = out,
			.out_len = sizeof out };

		ck_assert_int_eq(decoder_step(d, &io), 0);
		decoder_free(d);
	}
	decoder_free(NULL);
}
END_TEST

/* A header with every field that there is. */
static void
pack_full_header(struct buf *packed, const struct buf *data)
{
	static Bytef extra[] = "extra field", name[] = "../../etc/passwd", comment[] = "a comment";
	gz_header head = { .extra = extra, .extra_len = 11, .name = name, .comment = comment,
		.hcrc = 1, .text = 1, .time = 12345 };

	pack_gzip(packed, buf_bytes(data), buf_len(data), &head);
}

START_TEST(a_gzip_header_may_be_split_at_any_byte)
{
	AUTO_BUF struct buf data = { 0 }, packed = { 0 };

	make_data(&data, 300, 5);
	pack_full_header(&packed, &data);
	for (size_t cut = 0; cut < buf_len(&packed); cut++) {
		AUTO_BUF struct buf out = { 0 };
		struct decoder *d = decoder_new(CODEC_GZIP, MEMORY);
		struct codec_io io = { .in = buf_bytes(&packed), .in_len = cut,
			.out = buf_reserve(&out, 1000), .out_len = 1000 };

		ck_assert_int_eq(decoder_step(d, &io), 0);
		ck_assert_uint_eq(io.in_len, 0);
		io.in = buf_bytes(&packed) + cut;
		io.in_len = buf_len(&packed) - cut;
		io.last = true;
		ck_assert_int_eq(decoder_step(d, &io), 0);
		ck_assert_int_eq(decoder_finish(d), 0);
		buf_commit(&out, 1000 - io.out_len);
		assert_same(&out, &data);
		decoder_free(d);
	}
}
END_TEST

START_TEST(a_damaged_gzip_header_or_trailer_is_named)
{
	AUTO_BUF struct buf data = { 0 }, packed = { 0 };
	uint8_t *p;
	size_t n;

	make_data(&data, 300, 5);
	pack_full_header(&packed, &data);
	p = buf_bytes(&packed);
	n = buf_len(&packed);
	p[14] ^= 1; /* in the extra field */
	assert_fails(CODEC_GZIP, &packed, "header's checksum is wrong");
	p[14] ^= 1;
	p[3] |= 0x80;
	assert_fails(CODEC_GZIP, &packed, "unknown flags");
	p[3] &= 0x7f;
	p[2] = 7;
	assert_fails(CODEC_GZIP, &packed, "unknown compression method");
	p[2] = 8;
	p[n - 8] ^= 1;
	assert_fails(CODEC_GZIP, &packed, "checksum is wrong");
	p[n - 8] ^= 1;
	p[n - 1] ^= 1;
	assert_fails(CODEC_GZIP, &packed, "length is wrong");
	p[n - 1] ^= 1;
	assert_unpacks(CODEC_GZIP, &packed, whole, &data);
}
END_TEST

START_TEST(a_zstd_window_above_the_memory_is_refused_by_size)
{
	AUTO_BUF struct buf data = { 0 }, packed = { 0 }, out = { 0 };
	char why[256];

	make_data(&data, 100000, 5);
	pack_zstd(&packed, buf_bytes(&data), buf_len(&data), 24);
	ck_assert_int_eq(unpack_memory(CODEC_ZSTD, 15 << 20, buf_bytes(&packed), buf_len(&packed),
	    whole, &out, why), -EBADMSG);
	ck_assert_str_eq(why, "the zstd data needs a window of 16 MiB, more than decoder-memory allows");
	ck_assert_int_eq(unpack_memory(CODEC_ZSTD, 16 << 20, buf_bytes(&packed), buf_len(&packed),
	    (struct sizes){ 3, 1000, 0 }, &out, why), 0);
	assert_same(&out, &data);
}
END_TEST

START_TEST(an_xz_dictionary_above_the_memory_is_refused)
{
	AUTO_BUF struct buf data = { 0 }, packed = { 0 }, out = { 0 };
	char why[256];

	make_data(&data, 100000, 5);
	pack_xz(&packed, buf_bytes(&data), buf_len(&data), false);
	ck_assert_int_eq(unpack_memory(CODEC_XZ, 4 << 20, buf_bytes(&packed), buf_len(&packed),
	    whole, &out, why), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(why, "the xz data needs "));
	ck_assert_ptr_nonnull(strstr(why, " than decoder-memory allows"));
	ck_assert_int_eq(unpack_memory(CODEC_XZ, 10 << 20, buf_bytes(&packed), buf_len(&packed),
	    whole, &out, why), 0);
}
END_TEST

/* zstd and lz4 share the form of skippable frames. */
START_TEST(skippable_frames_are_skipped)
{
	enum codec c = (enum codec)_i;
	static const uint8_t skip[] = { 0x5a, 0x2a, 0x4d, 0x18, 5, 0, 0, 0, 'h', 'e', 'l', 'l', 'o' };
	AUTO_BUF struct buf data = { 0 }, packed = { 0 };

	if (c != CODEC_ZSTD && c != CODEC_LZ4)
		return;
	make_data(&data, 3000, 5);
	buf_append(&packed, skip, sizeof skip);
	pack(&packed, c, buf_bytes(&data), buf_len(&data));
	buf_append(&packed, skip, sizeof skip);
	assert_unpacks(c, &packed, whole, &data);
	assert_unpacks(c, &packed, (struct sizes){ 1, 1, 0 }, &data);
	packed.end--;
	assert_fails(c, &packed, "ends early at byte");
}
END_TEST

START_TEST(auto_goes_by_content)
{
	static const struct {
		const char *head;
		size_t n;
		const char *name;
		enum codec codec;
	} rows[] = {
		{ "\x1f\x8b\x08\0\0\0\0\0\0\3", 10, "x", CODEC_GZIP },
		{ "\x1f\x8b\x08\0\0\0\0\0\0\3", 10, "x.zst", CODEC_GZIP },
		{ "\x1f\x8b\x07\0\0\0\0\0\0\3", 10, "x.gz", CODEC_OFF },
		{ "\x1f\x8b", 2, "x.gz", CODEC_OFF },
		{ "\x28\xb5\x2f\xfd", 4, "x.gz", CODEC_ZSTD },
		{ "\x28\xb5\x2f", 3, "x.zst", CODEC_OFF },
		{ "\x53\x2a\x4d\x18\0\0\0\0", 8, "x.zst", CODEC_ZSTD },
		{ "\x53\x2a\x4d\x18\0\0\0\0", 8, "x.lz4", CODEC_LZ4 },
		{ "\x53\x2a\x4d\x18\0\0\0\0", 8, "x", CODEC_ZSTD },
		{ "\xfd\x37zXZ\0\0\4", 8, "x", CODEC_XZ },
		{ "\xfd\x37zXZ\1\0\4", 8, "x.xz", CODEC_OFF },
		{ "\x04\x22\x4d\x18\x64", 5, "x", CODEC_LZ4 },
		{ "BZh91AY&SY", 10, "x", CODEC_BZIP2 },
		{ "BZh9\x17\x72\x45\x38\x50\x90", 10, "x", CODEC_BZIP2 },
		{ "BZh9 is tex", 10, "x.bz2", CODEC_OFF },
		{ "BZh01AY&SY", 10, "x.bz2", CODEC_OFF },
		{ "BZh91AY&S", 9, "x.bz2", CODEC_OFF },
		{ "hello, wor", 10, "x.gz", CODEC_OFF },
		{ "", 0, "x.gz", CODEC_OFF },
	};

	ck_assert_int_eq(codec_sniff((const uint8_t *)rows[_i].head, rows[_i].n, rows[_i].name),
	    rows[_i].codec);
	ck_assert_uint_eq(ARRAY_SIZE(rows), 19); /* the loop below names it */
}
END_TEST

START_TEST(auto_knows_what_each_encoder_writes)
{
	AUTO_BUF struct buf packed = { 0 };

	pack(&packed, (enum codec)_i, "hello", 5);
	ck_assert_int_eq(codec_sniff(buf_bytes(&packed), MIN(buf_len(&packed), (size_t)CODEC_SNIFF),
	    "file"), _i);
}
END_TEST

static void
add_for_each_codec(TCase *tc)
{
	const TTest *const tests[] = { what_was_packed_comes_out,
		pieces_of_any_size_give_the_same, members_behind_each_other_are_one_file,
		a_file_cut_at_any_byte_fails, the_place_of_an_early_end_is_told,
		a_cut_in_the_second_member_fails, a_flipped_bit_never_gives_other_data,
		nothing_is_no_packed_file, other_data_is_refused_at_its_first_byte,
		garbage_behind_the_end_is_counted,
		zeros_behind_the_end_are_garbage_where_the_format_has_no_padding,
		a_decoder_in_the_middle_can_be_freed, skippable_frames_are_skipped,
		auto_knows_what_each_encoder_writes };

	for (unsigned i = 0; i < ARRAY_SIZE(tests); i++)
		tcase_add_loop_test(tc, tests[i], CODEC_GZIP, _CODEC_MAX);
}

int
main(void)
{
	Suite *s = suite_create("codec");
	TCase *each = tcase_create("each codec"), *own = tcase_create("one codec"),
	      *sniff = tcase_create("auto");

	add_for_each_codec(each);
	tcase_add_test(own, gzip_padding_ends_the_file);
	tcase_add_test(own, xz_padding_is_by_four_and_may_stand_between_streams);
	tcase_add_test(own, xz_blocks_are_decoded_by_threads);
	tcase_add_test(own, a_gzip_header_may_be_split_at_any_byte);
	tcase_add_test(own, a_damaged_gzip_header_or_trailer_is_named);
	tcase_add_test(own, a_zstd_window_above_the_memory_is_refused_by_size);
	tcase_add_test(own, an_xz_dictionary_above_the_memory_is_refused);
	tcase_add_loop_test(sniff, auto_goes_by_content, 0, 19);
	tcase_set_timeout(each, 120);
	tcase_set_timeout(own, 120);
	suite_add_tcase(s, each);
	suite_add_tcase(s, own);
	suite_add_tcase(s, sniff);
	return run_suite(s);
}
