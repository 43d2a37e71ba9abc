/*
 * One gzip member (RFC 1952) for codec.c: header and trailer are read here, the
 * deflate data between them (RFC 1951) by ISA-L when configure found it, else
 * by zlib.
 *
 * Header and trailer are ours for three reasons found in ISA-L 2.30: it forgets
 * the flags of a header that is split over two reads, it reports truncated
 * input as success, and it parses trailing garbage as a next member.
 */
#include "worker/codec.h"

#include <string.h>

#include <zlib.h>

#ifdef HAVE_ISAL
#include <isa-l/igzip_lib.h>
#endif

#include "base/mem.h"

enum gzip_phase {
	GZIP_FIXED, /* the ten bytes every header has */
	GZIP_EXTRA_LEN,
	GZIP_EXTRA,
	GZIP_NAME,
	GZIP_COMMENT,
	GZIP_HEADER_CRC,
	GZIP_DEFLATE,
	GZIP_TRAILER,
};

enum { FLAG_HCRC = 2, FLAG_EXTRA = 4, FLAG_NAME = 8, FLAG_COMMENT = 16, FLAGS_UNKNOWN = 0xe0 };

struct gzip {
	enum gzip_phase phase;
	uint8_t field[10]; /* of a phase with a fixed length */
	size_t have;       /* bytes of it */
	uint8_t flags;
	size_t extra;      /* bytes of the extra field still to skip */
	uint32_t header_crc;
	uint32_t crc, size; /* of what came out, modulo 2^32 */
#ifdef HAVE_ISAL
	struct inflate_state inflate;
#else
	z_stream inflate;
#endif
};

static uint32_t
le32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

#ifdef HAVE_ISAL
static bool
inflate_new(struct gzip *g)
{
	isal_inflate_init(&g->inflate);
	return true;
}

static void
inflate_free(struct gzip *g)
{
	(void)g; /* holds no memory */
}

static void
inflate_begin(struct gzip *g)
{
	isal_inflate_reset(&g->inflate);
	g->inflate.crc_flag = ISAL_GZIP_NO_HDR; /* raw data, but count its CRC */
}

/* At the end of the deflate data ISA-L may hold whole bytes that it read too
 * far.  They are at most 8, so they are all of the trailer: put them there. */
static void
take_back(struct gzip *g)
{
	struct inflate_state *s = &g->inflate;
	int bits = s->read_in_length - s->read_in_length % 8;
	uint64_t held = s->read_in >> (s->read_in_length % 8);

	for (; bits > 0; bits -= 8, held >>= 8)
		g->field[g->have++] = (uint8_t)held;
	s->read_in = 0;
	s->read_in_length = 0;
}

/* NULL, or why the data is bad. */
static const char *
inflate_step(struct gzip *g, struct codec_io *io, bool *ret_end)
{
	struct inflate_state *s = &g->inflate;
	uint32_t in = (uint32_t)MIN(io->in_len, (size_t)1 << 30);
	uint32_t out = (uint32_t)MIN(io->out_len, (size_t)1 << 30);
	int r;

	s->next_in = (uint8_t *)(uintptr_t)io->in; /* ISA-L only reads it */
	s->avail_in = in;
	s->next_out = io->out;
	s->avail_out = out;
	r = isal_inflate(s);
	io->in += in - s->avail_in;
	io->in_len -= in - s->avail_in;
	io->out += out - s->avail_out;
	io->out_len -= out - s->avail_out;
	switch (r) {
	case ISAL_DECOMP_OK:
	case ISAL_END_INPUT:
	case ISAL_OUT_OVERFLOW:
		break;
	case ISAL_INVALID_LOOKBACK:
		return "a distance reaches back too far";
	case ISAL_INVALID_SYMBOL:
		return "a code that does not exist";
	default:
		return "a bad block";
	}
	if (s->block_state == ISAL_BLOCK_FINISH) {
		g->crc = s->crc;
		g->size = s->total_out;
		take_back(g);
		*ret_end = true;
	}
	return NULL;
}
#else
static bool
inflate_new(struct gzip *g)
{
	return inflateInit2(&g->inflate, -MAX_WBITS) == Z_OK;
}

static void
inflate_free(struct gzip *g)
{
	(void)inflateEnd(&g->inflate);
}

static void
inflate_begin(struct gzip *g)
{
	(void)inflateReset(&g->inflate);
	g->crc = 0;
	g->size = 0;
}

static const char *
inflate_step(struct gzip *g, struct codec_io *io, bool *ret_end)
{
	z_stream *s = &g->inflate;
	uInt in = (uInt)MIN(io->in_len, (size_t)1 << 30);
	uInt out = (uInt)MIN(io->out_len, (size_t)1 << 30);
	const uint8_t *made = io->out;
	int r;

	s->next_in = (uint8_t *)(uintptr_t)io->in; /* zlib only reads it */
	s->avail_in = in;
	s->next_out = io->out;
	s->avail_out = out;
	r = inflate(s, Z_NO_FLUSH);
	io->in += in - s->avail_in;
	io->in_len -= in - s->avail_in;
	io->out += out - s->avail_out;
	io->out_len -= out - s->avail_out;
	g->crc = (uint32_t)crc32(g->crc, made, out - s->avail_out);
	g->size += out - s->avail_out;
	if (r == Z_STREAM_END)
		*ret_end = true;
	else if (r != Z_OK && r != Z_BUF_ERROR)
		return s->msg ? s->msg : "a bad block";
	return NULL;
}
#endif

static bool
gzip_starts(const uint8_t *p, size_t n)
{
	return p[0] == 0x1f && (n < 2 || p[1] == 0x8b);
}

static void *
gzip_new(uint64_t memory)
{
	AUTO_FREE struct gzip *g = NEW(struct gzip);

	(void)memory; /* the window is 32 KiB, whatever the data says */
	return inflate_new(g) ? TAKE_PTR(g) : NULL;
}

static void
gzip_free(void *state)
{
	inflate_free(state);
	free(state);
}

static int
gzip_begin(void *state, struct decoder *d)
{
	struct gzip *g = state;

	(void)d;
	g->phase = GZIP_FIXED;
	g->have = 0;
	g->header_crc = 0;
	inflate_begin(g);
	return 0;
}

/* Gathers want bytes in g->field; true when they are all there. */
static bool
gather(struct gzip *g, struct codec_io *io, size_t want)
{
	size_t n = MIN(want - g->have, io->in_len);

	memcpy(g->field + g->have, io->in, n);
	g->have += n;
	io->in += n;
	io->in_len -= n;
	return g->have == want;
}

static void
next_phase(struct gzip *g, enum gzip_phase p)
{
	g->have = 0;
	g->phase = p;
}

/* Counts the gathered bytes in the header's CRC and goes to the next phase. */
static void
field_done(struct gzip *g, size_t n, enum gzip_phase next)
{
	g->header_crc = (uint32_t)crc32(g->header_crc, g->field, (uInt)n);
	next_phase(g, next);
}

/* Skips text that ends with a zero byte; a missing field is no byte long. */
static bool
skip_text(struct gzip *g, struct codec_io *io, bool present)
{
	const uint8_t *end;
	size_t n;

	if (!present)
		return true;
	end = memchr(io->in, 0, io->in_len);
	n = end ? (size_t)(end - io->in) + 1 : io->in_len;
	g->header_crc = (uint32_t)crc32(g->header_crc, io->in, (uInt)n);
	io->in += n;
	io->in_len -= n;
	return end != NULL;
}

static void
skip_extra(struct gzip *g, struct codec_io *io)
{
	size_t n = MIN(g->extra, io->in_len);

	g->header_crc = (uint32_t)crc32(g->header_crc, io->in, (uInt)n);
	g->extra -= n;
	io->in += n;
	io->in_len -= n;
	if (g->extra == 0)
		next_phase(g, GZIP_NAME);
}

/* One field of the header: NULL, or why it is bad. */
static const char *
header_step(struct gzip *g, struct codec_io *io)
{
	switch (g->phase) {
	case GZIP_FIXED:
		if (!gather(g, io, 10))
			return NULL;
		if (g->field[2] != 8)
			return "an unknown compression method";
		g->flags = g->field[3];
		if (g->flags & FLAGS_UNKNOWN)
			return "unknown flags in its header";
		field_done(g, 10, g->flags & FLAG_EXTRA ? GZIP_EXTRA_LEN : GZIP_NAME);
		return NULL;
	case GZIP_EXTRA_LEN:
		if (!gather(g, io, 2))
			return NULL;
		g->extra = (size_t)g->field[0] | (size_t)g->field[1] << 8;
		field_done(g, 2, g->extra ? GZIP_EXTRA : GZIP_NAME);
		return NULL;
	case GZIP_EXTRA:
		skip_extra(g, io);
		return NULL;
	case GZIP_NAME:
		if (skip_text(g, io, g->flags & FLAG_NAME))
			next_phase(g, GZIP_COMMENT);
		return NULL;
	case GZIP_COMMENT:
		if (skip_text(g, io, g->flags & FLAG_COMMENT))
			next_phase(g, g->flags & FLAG_HCRC ? GZIP_HEADER_CRC : GZIP_DEFLATE);
		return NULL;
	case GZIP_HEADER_CRC:
		if (!gather(g, io, 2))
			return NULL;
		if (((uint32_t)g->field[0] | (uint32_t)g->field[1] << 8) != (g->header_crc & 0xffff))
			return "its header's checksum is wrong";
		next_phase(g, GZIP_DEFLATE);
		return NULL;
	case GZIP_DEFLATE:
	case GZIP_TRAILER:
		break;
	}
	return NULL;
}

static const char *
trailer_step(struct gzip *g, struct codec_io *io, bool *ret_end)
{
	if (!gather(g, io, 8))
		return NULL;
	if (le32(g->field) != g->crc)
		return "its checksum is wrong";
	if (le32(g->field + 4) != g->size)
		return "its length is wrong";
	*ret_end = true;
	return NULL;
}

static int
gzip_step(void *state, struct decoder *d, struct codec_io *io, bool *ret_end)
{
	struct gzip *g = state;
	const char *bad = NULL;
	bool inflated = false;

	while (!bad && io->in_len && g->phase < GZIP_DEFLATE)
		bad = header_step(g, io);
	if (!bad && g->phase == GZIP_DEFLATE) {
		g->have = 0;
		bad = inflate_step(g, io, &inflated);
		if (inflated) /* what was read too far is in g->field already */
			g->phase = GZIP_TRAILER;
	}
	if (!bad && g->phase == GZIP_TRAILER)
		bad = trailer_step(g, io, ret_end);
	return bad ? decoder_fail_corrupt(d, io, bad) : 0;
}

const struct codec_ops codec_gzip = {
	.name = "gzip",
	.magic_len = 2,
	.padding = PADDING_ZEROS, /* tapes and `gzip -t` know it */
	.padding_is_end = true,
	.starts = gzip_starts,
	.new = gzip_new,
	.free = gzip_free,
	.begin = gzip_begin,
	.step = gzip_step,
};
