/*
 * One .xz stream for codec.c (the .xz file format, version 1.1.0).  Streams whose
 * block headers carry sizes (`xz -T0`, dpkg) are decoded by several threads.
 *
 * The loop over concatenated streams is codec.c's and not LZMA_CONCATENATED, so
 * that stream padding and garbage get the same words as with the other codecs.
 */
#include "worker/codec.h"

#include <string.h>
#include <unistd.h>

#include <lzma.h>

#include "base/mem.h"

/* A call may wait that long for its threads: a slice stays short, and a
 * cancelled task is not waited for. */
enum { XZ_WAIT_MS = 20, XZ_THREADS_MAX = 4 };

struct xz {
	lzma_stream stream;
	lzma_mt options;
};

static bool
xz_starts(const uint8_t *p, size_t n)
{
	static const uint8_t magic[6] = { 0xfd, '7', 'z', 'X', 'Z', 0 };

	return memcmp(p, magic, n) == 0;
}

static void *
xz_new(uint64_t memory)
{
	struct xz *x = NEW(struct xz);
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	x->stream = (lzma_stream)LZMA_STREAM_INIT;
	x->options.flags = LZMA_TELL_UNSUPPORTED_CHECK; /* I5: unchecked is not whole */
	x->options.threads = (uint32_t)MAX(MIN(cpus, (long)XZ_THREADS_MAX), 1L);
	x->options.timeout = XZ_WAIT_MS;
	x->options.memlimit_threading = x->options.threads > 1 ? memory : 1; /* 1: no thread */
	x->options.memlimit_stop = memory;
	return x;
}

static void
xz_free(void *state)
{
	struct xz *x = state;

	lzma_end(&x->stream);
	free(x);
}

static int
xz_begin(void *state, struct decoder *d)
{
	struct xz *x = state;

	if (lzma_stream_decoder_mt(&x->stream, &x->options) != LZMA_OK)
		return decoder_fail(d, "the xz decoder cannot be started");
	return 0;
}

/* What the library says it needs.  With threads it may name what it holds (5.4),
 * which is below the bound and no answer. */
static uint64_t
memory_needed(struct xz *x)
{
	uint64_t n = lzma_memusage(&x->stream);

	return n > x->options.memlimit_stop ? n : 0;
}

static int
xz_failure(struct xz *x, struct decoder *d, const struct codec_io *io, lzma_ret r)
{
	switch (r) {
	case LZMA_MEMLIMIT_ERROR:
		return decoder_fail_memory(d, "memory", memory_needed(x));
	case LZMA_MEM_ERROR:
		return decoder_fail(d, "there is no memory for the xz decoder");
	case LZMA_FORMAT_ERROR:
		return decoder_fail_corrupt(d, io, "a bad stream header");
	case LZMA_OPTIONS_ERROR:
		return decoder_fail_corrupt(d, io, "options that are not known");
	case LZMA_UNSUPPORTED_CHECK:
		return decoder_fail_corrupt(d, io, "a kind of checksum that is not known");
	default:
		return decoder_fail_corrupt(d, io, "bad data or a wrong checksum");
	}
}

static int
xz_step(void *state, struct decoder *d, struct codec_io *io, bool *ret_end)
{
	struct xz *x = state;
	lzma_ret r;

	x->stream.next_in = io->in;
	x->stream.avail_in = io->in_len;
	x->stream.next_out = io->out;
	x->stream.avail_out = io->out_len;
	/* LZMA_FINISH is a promise about avail_in that a later call must keep. */
	r = lzma_code(&x->stream, io->last && io->in_len == 0 ? LZMA_FINISH : LZMA_RUN);
	io->in = x->stream.next_in;
	io->in_len = x->stream.avail_in;
	io->out = x->stream.next_out;
	io->out_len = x->stream.avail_out;
	switch (r) {
	case LZMA_STREAM_END:
		*ret_end = true;
		return 0;
	case LZMA_OK:
		/* Threads may still be at work on what was given; or the call
		 * came back because it had waited long enough. */
		io->more = io->last || io->in_len > 0;
		return 0;
	case LZMA_BUF_ERROR: /* nothing to be done without more input or room */
		return 0;
	default:
		return xz_failure(x, d, io, r);
	}
}

const struct codec_ops codec_xz = {
	.name = "xz",
	.magic_len = 6,
	.padding = PADDING_ZEROS_BY_4,
	.starts = xz_starts,
	.new = xz_new,
	.free = xz_free,
	.begin = xz_begin,
	.step = xz_step,
};
