/*
 * One lz4 frame or skippable frame (LZ4 Frame Format 1.6.3) for codec.c.  The
 * library checks the header's, the blocks' and the content's checksum, where the
 * frame has them, and the content's size.  The legacy format is not read.
 */
#include "worker/codec.h"

#include <string.h>

#include <lz4frame.h>

#include "base/mem.h"

struct lz4 {
	LZ4F_dctx *dctx; /* owned */
};

static bool
lz4_starts(const uint8_t *p, size_t n)
{
	static const uint8_t frame[4] = { 0x04, 0x22, 0x4d, 0x18 };
	static const uint8_t skippable[4] = { 0x50, 0x2a, 0x4d, 0x18 };

	if (memcmp(p, frame, n) == 0)
		return true;
	return (p[0] & 0xf0) == skippable[0] && memcmp(p + 1, skippable + 1, n - 1) == 0;
}

static void *
lz4_new(uint64_t memory)
{
	AUTO_FREE struct lz4 *z = NEW(struct lz4);

	(void)memory; /* a block is at most 4 MiB, whatever the data says */
	if (LZ4F_isError(LZ4F_createDecompressionContext(&z->dctx, LZ4F_VERSION)))
		return NULL;
	return TAKE_PTR(z);
}

static void
lz4_free(void *state)
{
	struct lz4 *z = state;

	(void)LZ4F_freeDecompressionContext(z->dctx);
	free(z);
}

static int
lz4_begin(void *state, struct decoder *d)
{
	struct lz4 *z = state;

	(void)d;
	LZ4F_resetDecompressionContext(z->dctx);
	return 0;
}

static int
lz4_step(void *state, struct decoder *d, struct codec_io *io, bool *ret_end)
{
	struct lz4 *z = state;
	size_t in = io->in_len, out = io->out_len, r;

	r = LZ4F_decompress(z->dctx, io->out, &out, io->in, &in, NULL);
	if (LZ4F_isError(r))
		return decoder_fail_corrupt(d, io, LZ4F_getErrorName(r));
	io->in += in;
	io->in_len -= in;
	io->out += out;
	io->out_len -= out;
	*ret_end = r == 0;
	return 0;
}

const struct codec_ops codec_lz4 = {
	.name = "lz4",
	.magic_len = 4,
	.padding = PADDING_NONE,
	.starts = lz4_starts,
	.new = lz4_new,
	.free = lz4_free,
	.begin = lz4_begin,
	.step = lz4_step,
};
