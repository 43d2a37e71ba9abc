/*
 * Decoding compressed data as it comes.  A decoder owns the loop over members
 * (gzip members, zstd and lz4 frames, xz and bzip2 streams), their padding, and
 * what follows the last one; a back end (codec_*.c) decodes one member and
 * checks its end: lengths, checksums, trailers.  Used by the worker's tasks.
 *
 * Whole means (DESIGN I5): at least one member, each to its checked end, and
 * nothing but legal padding behind the last.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "model/algo.h"

struct decoder;

struct codec_io {
	const uint8_t *in; /* moved on by what was used */
	size_t in_len;
	uint8_t *out;      /* moved on by what was made */
	size_t out_len;
	bool last;         /* nothing comes behind in */
	bool more;         /* set: call again, even without new input or room */
};

/* c is a real codec, neither off nor auto.  memory bounds what the decoder may
 * need for its window, in bytes.  NULL when the library has no memory. */
struct decoder *decoder_new(enum codec c, uint64_t memory);
void decoder_free(struct decoder *d); /* NULL is fine */
/* Uses input and makes output until one of them ends (a threaded decoder may
 * return earlier, io->more says so).  0, or -EBADMSG: see decoder_why(). */
int decoder_step(struct decoder *d, struct codec_io *io) MUST_CHECK;
/* After the last input was used and no more is to come: 0 or -EBADMSG. */
int decoder_finish(struct decoder *d) MUST_CHECK;
/* More than one member began: the end of the last proves nothing about a next one. */
bool decoder_has_several(const struct decoder *d);
/* The failure as a clause for people; borrowed from the decoder. */
const char *decoder_why(const struct decoder *d);

/* How many bytes codec_sniff() wants to see, unless the data is shorter. */
enum { CODEC_SNIFF = 10 };
/*
 * What "auto" is for this beginning of the data: content decides.  The name
 * (the url's last part or the target's) decides only where content cannot: the
 * skippable frames of zstd and of lz4 begin with the same bytes.  A name that
 * promises compression over data that has no such beginning is not believed:
 * CODEC_OFF.
 */
enum codec codec_sniff(const uint8_t *head, size_t n, const char *name);

/* For the back ends only. */

enum codec_padding { PADDING_NONE, PADDING_ZEROS, PADDING_ZEROS_BY_4 };

struct codec_ops {
	const char *name;
	size_t magic_len; /* bytes that tell whether a member begins; at most 8 */
	enum codec_padding padding; /* what may stand behind a member */
	bool padding_is_end; /* no member may follow padding */
	/* Can the first n (1 to magic_len) bytes of a member be these? */
	bool (*starts)(const uint8_t *p, size_t n);
	void *(*new)(uint64_t memory);
	void (*free)(void *state);
	/* Before each member: 0 or -EBADMSG after decoder_fail(). */
	int (*begin)(void *state, struct decoder *d);
	/* Uses input from the member's first byte on; *ret_end: the member is
	 * whole and checked, its last byte used and no byte more. */
	int (*step)(void *state, struct decoder *d, struct codec_io *io, bool *ret_end);
};

extern const struct codec_ops codec_gzip, codec_zstd, codec_xz, codec_bzip2, codec_lz4;

/* Notes why; returns -EBADMSG. */
int decoder_fail(struct decoder *d, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* "the NAME data is corrupt at byte N: why", N being where io stands. */
int decoder_fail_corrupt(struct decoder *d, const struct codec_io *io, const char *why);
/* "the NAME data needs WHAT of N MiB, more than decoder-memory allows"; bytes is 0
 * when it is not known: "needs more WHAT than decoder-memory allows". */
int decoder_fail_memory(struct decoder *d, const char *what, uint64_t bytes);
