/*
 * What hauld and hauld-spawn say to each other: programs to run for jobs (hooks,
 * url-command), what they write, and how they ended.
 *
 * Down: SPAWN_HELLO first; then SPAWN_RUN under ids of hauld's, and SPAWN_KILL for
 * one that is not wanted any longer.  Up: SPAWN_HELLO first; for each SPAWN_RUN some
 * SPAWN_LINE and then one SPAWN_END, also when it was killed.  The end of the
 * conversation kills what still runs.
 */
#pragma once

#include "base/cursor.h"
#include "wire/frame.h"

enum { SPAWN_PROTO = 1 };

enum spawn_msg_type {
	SPAWN_HELLO = 400, /* text: build id */
	SPAWN_RUN = 401,   /* struct spawn_run */
	SPAWN_KILL = 402,  /* empty */
	SPAWN_LINE = 410,  /* text: a line of its output, as it was written, without its end */
	SPAWN_END = 411,   /* struct spawn_end */
};

enum {
	SPAWN_ARGS_MAX = 64,            /* of one program, its name included */
	SPAWN_ARGV_BYTES_MAX = 256 << 10, /* all of them together; of the variables, too */
	SPAWN_ENV_MAX = 32,
	SPAWN_INPUT_MAX = 448 << 10,     /* with the others it is one message */
	SPAWN_LINE_MAX = 1000,          /* bytes; a longer one is told in pieces */
	SPAWN_LINES_MAX = 200,          /* of one program; what it writes beyond is counted only */
	SPAWN_ANSWER_MAX = 16 << 10,
	SPAWN_TEXT_MAX = 400,
	SPAWN_RUNS_MAX = 256,           /* of one hauld at once */
};

/* argv and env end with NULL.  Of a decoded one they are owned: spawn_run_done();
 * input is borrowed. */
struct spawn_run {
	char **argv;         /* argv[0]: the path of the program */
	char **env;          /* "HAUL_NAME=value", added to the little that each gets */
	struct text input;   /* for its stdin */
	uint64_t timeout_ms; /* then SIGTERM, and later SIGKILL */
	bool answers;        /* its stdout is told in SPAWN_END, not in lines */
};

enum spawn_how {
	SPAWN_EXITED,   /* value: its exit status */
	SPAWN_KILLED,   /* value: the signal */
	SPAWN_REFUSED,  /* it was not started; text says why */
	_SPAWN_HOW_MAX
};

struct spawn_end {
	enum spawn_how how;
	uint8_t value;
	bool timed_out;
	bool cut;            /* there was more to the answer */
	uint64_t dropped;    /* bytes of output that were not told */
	struct text text, answer;
};

/* Each put makes one whole message; each get returns 0 or -EPROTO.  Texts of a decoded
 * message are borrowed from the frame reader. */
void spawn_put_hello(struct buf *out);
int spawn_get_hello(const struct message *m) MUST_CHECK;
/* Within the limits above. */
void spawn_put_run(struct buf *out, uint64_t id, const struct spawn_run *r);
/* After 0, spawn_run_done(). */
int spawn_get_run(const struct message *m, struct spawn_run *ret) MUST_CHECK;
void spawn_run_done(struct spawn_run *r);
void spawn_put_kill(struct buf *out, uint64_t id);
int spawn_get_kill(const struct message *m) MUST_CHECK;
void spawn_put_line(struct buf *out, uint64_t id, struct text line);
int spawn_get_line(const struct message *m, struct text *ret) MUST_CHECK;
void spawn_put_end(struct buf *out, uint64_t id, const struct spawn_end *e);
int spawn_get_end(const struct message *m, struct spawn_end *ret) MUST_CHECK;
