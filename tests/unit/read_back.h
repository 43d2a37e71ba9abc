/*
 * What was put for the other side, read as it would read it: frames are put into
 * reader.in and come out as messages.
 */
#pragma once

#include <check.h>

#include "wire/frame.h"

static struct frame_reader reader;

static void
reader_setup(void)
{
	reader = (struct frame_reader){ 0 };
}

static void
reader_teardown(void)
{
	frame_reader_done(&reader);
}

/* The next message, of any kind. */
static inline struct message
next_message(void)
{
	struct message m = { 0 };

	ck_assert_int_eq(frame_reader_next(&reader, &m), 1);
	return m;
}

/* ... of this one. */
static inline struct message
next_of(unsigned version, unsigned type, uint64_t id)
{
	struct message m = next_message();

	ck_assert_uint_eq(m.type, type);
	ck_assert_uint_eq(m.version, version);
	ck_assert_uint_eq(m.id, id);
	return m;
}
