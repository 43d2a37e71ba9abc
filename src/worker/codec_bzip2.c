/* One bzip2 stream for codec.c; pbzip2 and lbzip2 write many behind each other. */
#include "worker/codec.h"

#include <string.h>

#include <bzlib.h>

#include "base/mem.h"

struct bzip2 {
	bz_stream stream;
	bool begun; /* the stream has memory of the library's */
};

static bool
bzip2_starts(const uint8_t *p, size_t n)
{
	return memcmp(p, "BZh", MIN(n, (size_t)3)) == 0 && (n < 4 || (p[3] >= '1' && p[3] <= '9'));
}

static void *
bzip2_new(uint64_t memory)
{
	(void)memory; /* needs 4 MB at most, whatever the data says */
	return NEW(struct bzip2);
}

static void
bzip2_release(struct bzip2 *b)
{
	if (b->begun)
		(void)BZ2_bzDecompressEnd(&b->stream);
	b->begun = false;
}

static void
bzip2_free(void *state)
{
	bzip2_release(state);
	free(state);
}

static int
bzip2_begin(void *state, struct decoder *d)
{
	struct bzip2 *b = state;

	bzip2_release(b);
	b->stream = (bz_stream){ 0 };
	if (BZ2_bzDecompressInit(&b->stream, 0, 0) != BZ_OK)
		return decoder_fail(d, "there is no memory for the bzip2 decoder");
	b->begun = true;
	return 0;
}

static int
bzip2_step(void *state, struct decoder *d, struct codec_io *io, bool *ret_end)
{
	struct bzip2 *b = state;
	bz_stream *s = &b->stream;
	unsigned in = (unsigned)MIN(io->in_len, (size_t)1 << 30);
	unsigned out = (unsigned)MIN(io->out_len, (size_t)1 << 30);
	int r;

	s->next_in = (char *)(uintptr_t)io->in; /* the library only reads it */
	s->avail_in = in;
	s->next_out = (char *)io->out;
	s->avail_out = out;
	r = BZ2_bzDecompress(s);
	io->in += in - s->avail_in;
	io->in_len -= in - s->avail_in;
	io->out += out - s->avail_out;
	io->out_len -= out - s->avail_out;
	switch (r) {
	case BZ_OK:
		return 0;
	case BZ_STREAM_END: /* block and stream checksums were compared */
		*ret_end = true;
		return 0;
	case BZ_MEM_ERROR:
		return decoder_fail(d, "there is no memory for the bzip2 decoder");
	default:
		return decoder_fail_corrupt(d, io, "bad data or a wrong checksum");
	}
}

const struct codec_ops codec_bzip2 = {
	.name = "bzip2",
	.magic_len = 4,
	.padding = PADDING_NONE,
	.starts = bzip2_starts,
	.new = bzip2_new,
	.free = bzip2_free,
	.begin = bzip2_begin,
	.step = bzip2_step,
};
