/*
 * One zstd frame or skippable frame (RFC 8878) for codec.c.  The window that a
 * frame may ask for is bounded by decoder-memory, up to 2 GiB (zstd --ultra
 * --long=31).
 */
#include "worker/codec.h"

#include <string.h>

#include <zstd.h>
#include <zstd_errors.h>

#include "base/mem.h"

enum { FRAME_HEADER_MAX = 18, WINDOW_LOG_MIN = 10, WINDOW_LOG_MAX = 31 };

struct zstd {
	ZSTD_DCtx *dctx; /* owned */
	/* The frame's first bytes, to say how much window it asked for. */
	uint8_t header[FRAME_HEADER_MAX];
	size_t header_len;
};

static bool
zstd_starts(const uint8_t *p, size_t n)
{
	static const uint8_t frame[4] = { 0x28, 0xb5, 0x2f, 0xfd };
	static const uint8_t skippable[4] = { 0x50, 0x2a, 0x4d, 0x18 };

	if (memcmp(p, frame, n) == 0)
		return true;
	return (p[0] & 0xf0) == skippable[0] && memcmp(p + 1, skippable + 1, n - 1) == 0;
}

static unsigned
window_log(uint64_t memory)
{
	unsigned log = WINDOW_LOG_MIN;

	while (log < WINDOW_LOG_MAX && (UINT64_C(2) << log) <= memory)
		log++;
	return log;
}

static void *
zstd_new(uint64_t memory)
{
	AUTO_FREE struct zstd *z = NEW(struct zstd);

	z->dctx = ZSTD_createDCtx();
	if (!z->dctx)
		return NULL;
	if (ZSTD_isError(ZSTD_DCtx_setParameter(z->dctx, ZSTD_d_windowLogMax,
	    (int)window_log(memory)))) {
		(void)ZSTD_freeDCtx(z->dctx);
		return NULL;
	}
	return TAKE_PTR(z);
}

static void
zstd_free(void *state)
{
	struct zstd *z = state;

	(void)ZSTD_freeDCtx(z->dctx);
	free(z);
}

static int
zstd_begin(void *state, struct decoder *d)
{
	struct zstd *z = state;

	(void)d;
	z->header_len = 0;
	(void)ZSTD_DCtx_reset(z->dctx, ZSTD_reset_session_only); /* keeps the bound */
	return 0;
}

static uint64_t
little_endian(const uint8_t *p, size_t n)
{
	uint64_t v = 0;

	while (n--)
		v = v << 8 | p[n];
	return v;
}

/* Window_Size of a frame header, RFC 8878 section 3.1.1.1.2. */
static uint64_t
header_window(const struct zstd *z)
{
	static const uint8_t dict_bytes[4] = { 0, 1, 2, 4 };
	static const uint8_t size_bytes[4] = { 1, 2, 4, 8 };
	uint8_t desc = z->header[4];
	size_t at = 5 + dict_bytes[desc & 3];
	uint64_t base;

	if (!(desc & 0x20)) { /* a window descriptor */
		base = UINT64_C(1) << (10 + (z->header[5] >> 3));
		return base + base / 8 * (z->header[5] & 7);
	}
	return little_endian(z->header + at, size_bytes[desc >> 6]); /* single segment */
}

static void
note_header(struct zstd *z, const struct codec_io *io)
{
	size_t n = MIN(io->in_len, (size_t)FRAME_HEADER_MAX - z->header_len);

	memcpy(z->header + z->header_len, io->in, n);
	z->header_len += n;
}

static int
zstd_step(void *state, struct decoder *d, struct codec_io *io, bool *ret_end)
{
	struct zstd *z = state;
	ZSTD_inBuffer in = { io->in, io->in_len, 0 };
	ZSTD_outBuffer out = { io->out, io->out_len, 0 };
	size_t r;

	if (z->header_len < FRAME_HEADER_MAX)
		note_header(z, io);
	r = ZSTD_decompressStream(z->dctx, &out, &in);
	if (ZSTD_isError(r)) {
		if (ZSTD_getErrorCode(r) == ZSTD_error_frameParameter_windowTooLarge)
			return decoder_fail_memory(d, "a window", header_window(z));
		return decoder_fail_corrupt(d, io, ZSTD_getErrorName(r));
	}
	io->in += in.pos;
	io->in_len -= in.pos;
	io->out += out.pos;
	io->out_len -= out.pos;
	*ret_end = r == 0; /* the frame is whole, checked, and all of it is out */
	return 0;
}

const struct codec_ops codec_zstd = {
	.name = "zstd",
	.magic_len = 4,
	.padding = PADDING_NONE,
	.starts = zstd_starts,
	.new = zstd_new,
	.free = zstd_free,
	.begin = zstd_begin,
	.step = zstd_step,
};
