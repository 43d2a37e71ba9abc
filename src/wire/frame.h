/*
 * Frames: what hauld and its children say to each other over pipes.
 *
 *   offset 0  u32  length of the payload, at most FRAME_PAYLOAD_MAX
 *          4  u16  type, numbered in blocks (1.. session, 100.. task, 200.. store, 300.. conf, 400.. spawn)
 *          6  u8   protocol version
 *          7  u8   flags: bit 0 MORE, the message goes on in the next frame
 *          8  u64  id, chosen by who asks and echoed in every answer
 *
 * all little-endian.  A message of several frames is at most MESSAGE_MAX.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum {
	FRAME_HEADER_SIZE = 16,
	FRAME_PAYLOAD_MAX = 16368,
	MESSAGE_MAX = 1 << 20,
	FRAME_MORE = 1,
};

struct message {
	uint16_t type;
	uint8_t version;
	uint64_t id;
	const uint8_t *payload; /* borrowed from the reader until its next call */
	size_t len;
};

struct frame_reader {
	struct buf in;      /* bytes as they came; append to it */
	struct buf partial; /* payloads of a message that is not whole yet */
	struct message head; /* its header */
	size_t taken;       /* of in, by the message handed out last */
	bool more;          /* inside a message of several frames */
};

void frame_reader_done(struct frame_reader *r);
/* The next whole message: 1 and *ret set, 0 when more bytes are needed, or
 * -EPROTO, after which the stream cannot be used. */
int frame_reader_next(struct frame_reader *r, struct message *ret) MUST_CHECK;

/* Writing: frame_begin(), puts, frame_end() with what frame_begin() returned. */
size_t frame_begin(struct buf *out, uint16_t type, uint8_t version, uint64_t id);
void frame_end(struct buf *out, size_t begun);
