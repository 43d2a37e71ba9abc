/*
 * Frames to and from a child over two non-blocking pipes.  What is put into
 * the channel during a turn leaves in one write at its end.  Callers: helper,
 * and hauld-spawn.
 */
#pragma once

#include "base/buf.h"
#include "daemon/loop/loop.h"
#include "wire/frame.h"

struct chan;

/* The message is borrowed for the call.  Less than 0 says that it made no
 * sense: the channel is then closed as for any other protocol error. */
typedef int (*chan_message_cb)(const struct message *m, void *arg);
/* Once, and never from inside a chan function: the other side closed (0) or
 * cannot be understood (-EPROTO) or a pipe failed (-errno). */
typedef void (*chan_closed_cb)(int why, void *arg);

/* Takes both descriptors over; out_fd may be -1. */
struct chan *chan_new(struct loop *l, int in_fd, int out_fd, const char *name,
    chan_message_cb on_message, chan_closed_cb on_closed, void *arg);
/* No callback comes after this. */
void chan_free(struct chan *c);
/* Where to put messages; they are sent at the end of the turn. */
struct buf *chan_out(struct chan *c);
/* Bytes that the other side has not taken yet. */
size_t chan_queued(const struct chan *c);
/* The other side sees end of file; answers are still read. */
void chan_close_out(struct chan *c);
/* Stop and go on reading (back-pressure). */
void chan_pause(struct chan *c, bool paused);
