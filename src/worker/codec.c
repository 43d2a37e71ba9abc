/* The loop over members that all codecs share; see codec.h. */
#include "worker/codec.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

enum { MAGIC_MAX = 8 };

enum decoder_phase {
	PHASE_BETWEEN, /* looking for the first byte of a member */
	PHASE_HEAD,    /* giving the bytes we looked at to the back end */
	PHASE_MEMBER,
	PHASE_GARBAGE, /* counting what does not belong there */
	PHASE_FAILED,
};

struct decoder {
	const struct codec_ops *ops; /* borrowed, static */
	void *state;                 /* owned, of the back end */
	enum decoder_phase phase;
	uint64_t members;            /* begun */
	uint64_t taken;              /* bytes of input used before this step */
	uint64_t member_at;          /* the place of the member's first byte */
	const uint8_t *step_in;      /* where this step's input began */
	uint64_t padding, garbage;   /* bytes */
	uint8_t head[MAGIC_MAX];
	size_t head_len, head_at;
	char why[200];
};

static const struct codec_ops *const all_ops[_CODEC_MAX] = {
	[CODEC_GZIP] = &codec_gzip,
	[CODEC_ZSTD] = &codec_zstd,
	[CODEC_XZ] = &codec_xz,
	[CODEC_BZIP2] = &codec_bzip2,
	[CODEC_LZ4] = &codec_lz4,
};

struct decoder *
decoder_new(enum codec c, uint64_t memory)
{
	struct decoder *d;
	void *state;

	assert(c < _CODEC_MAX && all_ops[c]);
	state = all_ops[c]->new(memory);
	if (!state)
		return NULL;
	d = NEW(struct decoder);
	d->ops = all_ops[c];
	d->state = state;
	return d;
}

void
decoder_free(struct decoder *d)
{
	if (!d)
		return;
	d->ops->free(d->state);
	free(d);
}

bool
decoder_has_several(const struct decoder *d)
{
	return d->members > 1;
}

const char *
decoder_why(const struct decoder *d)
{
	return d->why;
}

int
decoder_fail(struct decoder *d, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(d->why, sizeof d->why, fmt, ap);
	va_end(ap);
	d->phase = PHASE_FAILED;
	return -EBADMSG;
}

/* The place of io->in, counted from the first byte of all. */
static uint64_t
position(const struct decoder *d, const struct codec_io *io)
{
	if (d->phase == PHASE_HEAD) /* then io reads from the head */
		return d->member_at + (uint64_t)(io->in - d->head);
	return d->taken + (uint64_t)(io->in - d->step_in);
}

int
decoder_fail_corrupt(struct decoder *d, const struct codec_io *io, const char *why)
{
	return decoder_fail(d, "the %s data is corrupt at byte %" PRIu64 ": %s", d->ops->name,
	    position(d, io), why);
}

int
decoder_fail_memory(struct decoder *d, const char *what, uint64_t bytes)
{
	if (bytes == 0)
		return decoder_fail(d, "the %s data needs more %s than decoder-memory allows",
		    d->ops->name, what);
	return decoder_fail(d, "the %s data needs %s of %" PRIu64
	    " MiB, more than decoder-memory allows", d->ops->name, what,
	    bytes / (1 << 20) + (bytes % (1 << 20) != 0));
}

static void
take_byte(struct codec_io *io)
{
	io->in++;
	io->in_len--;
}

/* A byte that no member begins with: padding, garbage, or not our format. */
static int
take_stray(struct decoder *d)
{
	bool pad = d->ops->padding != PADDING_NONE && d->members > 0 && d->head_len == 1 &&
	    d->head[0] == 0;

	if (pad) {
		d->padding++;
		d->head_len = 0;
		return 0;
	}
	if (d->members == 0)
		return decoder_fail(d, "the data does not begin as %s data does", d->ops->name);
	d->garbage = d->head_len;
	d->phase = PHASE_GARBAGE;
	return 0;
}

static int
step_between(struct decoder *d, struct codec_io *io)
{
	while (io->in_len && d->phase == PHASE_BETWEEN) {
		d->head[d->head_len++] = *io->in;
		take_byte(io);
		if (!d->ops->starts(d->head, d->head_len) ||
		    (d->padding && d->ops->padding_is_end)) {
			int r = take_stray(d);

			if (r < 0)
				return r;
			continue;
		}
		if (d->head_len < d->ops->magic_len)
			continue;
		if (d->ops->padding == PADDING_ZEROS_BY_4 && d->padding % 4)
			return decoder_fail_corrupt(d, io, "padding that is no multiple of 4 bytes");
		d->padding = 0;
		d->member_at = position(d, io) - d->head_len;
		d->head_at = 0;
		d->members++;
		d->phase = PHASE_HEAD;
		return d->ops->begin(d->state, d);
	}
	return 0;
}

static void
member_ended(struct decoder *d)
{
	d->head_len = 0;
	d->phase = PHASE_BETWEEN;
}

/* The few bytes of the head, then the back end goes on with the real input. */
static int
step_head(struct decoder *d, struct codec_io *io, bool *ret_stuck)
{
	struct codec_io head = *io;
	bool ended = false;
	int r;

	head.in = d->head + d->head_at;
	head.in_len = d->head_len - d->head_at;
	head.last = io->last && io->in_len == 0;
	r = d->ops->step(d->state, d, &head, &ended);
	if (r < 0)
		return r;
	*ret_stuck = head.in == d->head + d->head_at && head.out == io->out && !ended;
	d->head_at = (size_t)(head.in - d->head);
	io->out = head.out;
	io->out_len = head.out_len;
	if (d->head_at == d->head_len) {
		*ret_stuck = false;
		d->phase = PHASE_MEMBER;
	}
	if (ended)
		member_ended(d);
	return 0;
}

static int
step_member(struct decoder *d, struct codec_io *io, bool *ret_stuck)
{
	const uint8_t *in = io->in, *out = io->out;
	bool ended = false;
	int r;

	r = d->ops->step(d->state, d, io, &ended);
	if (r < 0)
		return r;
	*ret_stuck = !ended && in == io->in && out == io->out;
	if (ended)
		member_ended(d);
	return 0;
}

static int
step_once(struct decoder *d, struct codec_io *io, bool *ret_stuck)
{
	if (io->out_len == 0 && (d->phase == PHASE_HEAD || d->phase == PHASE_MEMBER)) {
		*ret_stuck = true; /* no back end is asked to write nothing */
		return 0;
	}
	switch (d->phase) {
	case PHASE_BETWEEN:
		*ret_stuck = io->in_len == 0;
		return step_between(d, io);
	case PHASE_HEAD:
		return step_head(d, io, ret_stuck);
	case PHASE_MEMBER:
		return step_member(d, io, ret_stuck);
	case PHASE_GARBAGE:
		*ret_stuck = true;
		d->garbage += io->in_len;
		io->in += io->in_len;
		io->in_len = 0;
		return 0;
	case PHASE_FAILED:
		return -EBADMSG;
	}
	return -EBADMSG;
}

int
decoder_step(struct decoder *d, struct codec_io *io)
{
	bool stuck = false;

	d->step_in = io->in;
	io->more = false;
	do {
		int r = step_once(d, io, &stuck);

		if (r < 0)
			return r;
	} while (!stuck && !io->more && (io->in_len || d->phase == PHASE_HEAD));
	d->taken += (uint64_t)(io->in - d->step_in);
	d->step_in = io->in;
	if (io->out_len == 0 && (d->phase == PHASE_MEMBER || d->phase == PHASE_HEAD))
		io->more = true;
	return 0;
}

int
decoder_finish(struct decoder *d)
{
	switch (d->phase) {
	case PHASE_FAILED:
		return -EBADMSG;
	case PHASE_GARBAGE:
		return decoder_fail(d, "%" PRIu64 " byte%s of garbage follow%s the %s data", d->garbage,
		    d->garbage == 1 ? "" : "s", d->garbage == 1 ? "s" : "", d->ops->name);
	case PHASE_BETWEEN:
		if (d->members == 0 && d->taken == 0)
			return decoder_fail(d, "the %s data is empty", d->ops->name);
		if (d->ops->padding == PADDING_ZEROS_BY_4 && d->padding % 4)
			return decoder_fail(d, "the %s data ends with padding that is no multiple of "
			    "4 bytes", d->ops->name);
		if (d->head_len == 0)
			return 0;
		break;
	case PHASE_HEAD:
	case PHASE_MEMBER:
		break;
	}
	return decoder_fail(d, "the %s data ends early at byte %" PRIu64, d->ops->name, d->taken);
}

static bool
is_skippable(const uint8_t *p)
{
	return (p[0] & 0xf0) == 0x50 && p[1] == 0x2a && p[2] == 0x4d && p[3] == 0x18;
}

/* "BZh" and a digit begin many a text; the block magic behind them does not. */
static bool
is_bzip2(const uint8_t *p, size_t n)
{
	static const uint8_t block[6] = { 0x31, 0x41, 0x59, 0x26, 0x53, 0x59 };
	static const uint8_t end[6] = { 0x17, 0x72, 0x45, 0x38, 0x50, 0x90 };

	return n >= 10 && codec_bzip2.starts(p, 4) &&
	    (memcmp(p + 4, block, 6) == 0 || memcmp(p + 4, end, 6) == 0);
}

enum codec
codec_sniff(const uint8_t *p, size_t n, const char *name)
{
	static const uint8_t zstd[4] = { 0x28, 0xb5, 0x2f, 0xfd };
	static const uint8_t lz4[4] = { 0x04, 0x22, 0x4d, 0x18 };
	static const uint8_t xz[6] = { 0xfd, '7', 'z', 'X', 'Z', 0 };

	if (n >= 3 && p[0] == 0x1f && p[1] == 0x8b && p[2] == 8)
		return CODEC_GZIP;
	if (n >= 4 && memcmp(p, zstd, 4) == 0)
		return CODEC_ZSTD;
	if (n >= 4 && memcmp(p, lz4, 4) == 0)
		return CODEC_LZ4;
	if (n >= 4 && is_skippable(p))
		return codec_from_name(name) == CODEC_LZ4 ? CODEC_LZ4 : CODEC_ZSTD;
	if (n >= 6 && memcmp(p, xz, 6) == 0)
		return CODEC_XZ;
	return is_bzip2(p, n) ? CODEC_BZIP2 : CODEC_OFF;
}
