/*
 * A task: one job's work in this process, from TASK to RESULT.  What all kinds
 * share is here: names, phases, messages, cancelling, the end.  The kinds are in
 * process.c (hash, decode, publish), check.c, filework.c (copy, discard),
 * space.c and swap.c.
 *
 * The main thread owns tasks.  A task is not let go, and its RESULT not sent,
 * before every job it has in the sync lane came back.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "wire/work_msg.h"
#include "worker/checkpoint.h"
#include "worker/codec.h"
#include "worker/digest_set.h"
#include "worker/dirs.h"
#include "worker/lane.h"
#include "worker/publish.h"
#include "worker/writeback.h"

enum {
	READ_SIZE = 256 << 10,        /* one pread */
	PIECE_SIZE = 512 << 10,       /* one write of decoded output */
	SLICE_IN = 1 << 20,           /* of input, and ... */
	SLICE_OUT = 4 << 20,          /* of output before others have their turn */
	SLICE_MS = 20,                /* the same for slow decoders */
	SMALL_FILE = 1 << 20,         /* renamed or unlinked without the lane */
	PROGRESS_MS = 250,            /* between two messages of a task */
	PROGRESS_FLUSH_MS = 50,       /* the same when what hauld waits for is flushed */
	EXPANSION_GRACE = 1 << 20,    /* input that max-expansion counts at least */
	COPY_PIECE = 8 << 20,
	FRAMES_MAX = 256 << 10,       /* unread answers, above it no PROGRESS is added */
};

struct task;

/* What the tasks of a worker share; owned by the worker. */
struct task_env {
	struct dirs dirs;
	struct lane *lane;    /* owned; for what waits for a disk */
	struct lane *writer;  /* owned; for what copies into the page cache */
	struct lane *looker;  /* owned; for looks at filesystems, which may never come back */
	struct buf frames;    /* answers to be written */
	uint8_t *in_buf;      /* READ_SIZE; owned */
	unsigned opened;      /* tasks that hold descriptors, or soon will */
	/* Called last in a handler of a lane: the task may be runnable or over. */
	void (*changed)(struct task_env *env, struct task *t);
};

enum task_phase {
	PHASE_NEW,     /* nothing is open yet */
	PHASE_INPUT,   /* reading */
	PHASE_READY,   /* verified; waits for PUBLISH */
	PHASE_PUBLISH, /* on its way through the lane */
	PHASE_LANE,    /* a copy or discard is in the lane */
	PHASE_ENDING,  /* the result is known; the lane still has something of it */
	PHASE_OVER,    /* RESULT is sent; to be freed */
};

struct task_names { /* all in one allocation, `block` */
	char *block;
	const char *root, *dir, *name, *part, *out, *map;
	const char *keep_root, *keep_dir, *keep_name;
	const char *source, *url_name;
};

struct copy_job { /* one piece of a copy; the lane's while it is out */
	struct lane_job job;
	int from, to;      /* owned by the task; opened by the first piece */
	struct dir *dir;   /* borrowed from the task */
	const char *source, *name;
	uint64_t done, size, max, dirty_max;
	int64_t mtime_s, mtime_ns; /* of the source, when it was opened */
	uint64_t started, clean, wait_ns;
	uint64_t inode;
	bool eof, haul_has_gone;
	unsigned n_gone;   /* so often */
	struct result result;
};

struct discard_job {
	struct lane_job job;
	int haul_fd;
	int fd;             /* owned: closing it may free a large file; -1 */
	struct dir *dir;    /* that it is in; borrowed from the task */
	bool sweep;         /* names[0] is a part of this life; those of others go */
	bool stage;         /* ... of a group's stage */
	int error;          /* errno of what could not be removed; 0 */
	const char *names[3];
	struct buf found;   /* owned: what the sweep tells of */
};

struct space_job {
	struct lane_job job;
	const char *root;   /* borrowed from the task */
	uint64_t free, size; /* bytes */
	int error;          /* errno or 0 */
};

struct swap_job {
	struct lane_job job;
	struct dir *dir;    /* of the target; borrowed from the task */
	const char *name, *stage; /* both in it */
	char *names;        /* owned: as in task_msg, and its length */
	size_t len;
	uint64_t inode;     /* of the stage, before it becomes the target */
	bool sync;
	struct result result;
};

struct out_piece { /* of decoded output; the writer's while its job is out */
	struct lane_job job;
	int fd;            /* borrowed from the task */
	uint8_t *data;     /* PIECE_SIZE; owned; NULL until needed */
	size_t len;
	uint64_t at;       /* its offset in the file */
	int error;         /* -errno or 0 */
};

struct task {
	struct list link;         /* in the worker's list of runnable tasks */
	uint64_t id;
	struct task_env *env;     /* borrowed; outlives tasks */
	enum task_phase phase;
	struct task_msg msg;      /* its texts are not valid, see names */
	struct task_names names;
	struct buf seen;          /* what the file remembers */
	bool counted;             /* in env->opened */
	bool publish_allowed;     /* PUBLISH came */
	bool cancelled;           /* while a copy is in the lane */
	unsigned lane_jobs;       /* out there */
	uint64_t start_ns;

	struct dir *dir, *keep_dir; /* references; NULL until opened */
	int part_fd;              /* the input; of TASK_CHECK the target */
	uint64_t front, consumed, hashed; /* offsets in the input */
	bool last;                /* front is the end */
	enum codec codec;         /* CODEC_AUTO until the beginning was seen */
	struct decoder *decoder;  /* owned; NULL: the input is published */
	bool begun;               /* what is done with the input is decided */
	bool published;           /* by a worker that died before it could say so */
	bool told_last;           /* the decoder knows that no more is to come */
	bool more;                /* the decoder wants to be called again */
	struct digest_set in_digests, out_digests;

	int out_fd;               /* the decoded file */
	bool out_exists;          /* under its name in .haul */
	uint64_t out_made, out_written; /* bytes; the difference is in the pieces */
	struct out_piece pieces[2];
	unsigned filling;         /* the piece that the decoder is at */
	unsigned pieces_out;      /* with the writer */

	struct writeback part_wb, out_wb;
	struct checkpoint checkpoint;
	struct publish publish;
	bool publish_out;         /* the publish job is in the lane */
	struct copy_job copy;
	struct discard_job discard;
	struct space_job space;
	struct swap_job swap;

	struct progress_msg told; /* last PROGRESS */
	uint64_t told_ns;
	struct result result;
	uint64_t inode;
};

/* A task of a decoded message; what is wrong with it shows in its first slice. */
struct task *task_new(struct task_env *env, uint64_t id, const struct task_msg *m);
/* Only when no lane job is out. */
void task_free(struct task *t);
bool task_is_runnable(const struct task *t);
/* Counts it in env->opened until its end; before its first slice. */
void task_count_open(struct task *t);
/* One bounded piece of work. */
void task_slice(struct task *t);
void task_on_front(struct task *t, const struct front_msg *f);
void task_on_publish(struct task *t);
void task_on_cancel(struct task *t);
void task_on_park(struct task *t);
/* Sends PROGRESS when something moved and the last one is long enough ago;
 * true when something moved that was not told. */
bool task_tell_progress(struct task *t, uint64_t now_ns);

/* For the kinds. */

/* Opens the target's directory (and .haul when asked to); on failure the task
 * fails and false comes back. */
bool task_open_dir(struct task *t, bool haul);
/* The task ends with this result. */
void task_fail(struct task *t, enum result_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);
void task_fail_errno(struct task *t, int err, const char *doing, const char *what);
/* Ends with t->result; cleans up first, through the lane where that may take long. */
void task_end(struct task *t);
/* root/dir/name of the target, newly allocated; the same in .haul. */
char *task_target_path(const struct task *t);
char *task_haul_path(const struct task *t, const char *name);
void task_send_result(struct task *t, enum work_msg_type type);
/* The lane is one of env's. */
void task_submit(struct task *t, struct lane *lane, struct lane_job *job);
/* A job came back: counts it; a task that waited for it to end ends. */
void task_returned(struct task *t);
bool task_digest_mismatch(struct task *t, const struct digest_set *s, const struct digest *want,
    unsigned n, const char *whose);

/* Open what it works on: false when the task has failed.  The keep place is
 * refused before the work, not after it. */
bool task_open_input(struct task *t) MUST_CHECK;
bool task_open_keep(struct task *t) MUST_CHECK;

/* The decoded file (output.c).  False: the task has failed. */
bool output_create(struct task *t, lane_done_cb on_writeback) MUST_CHECK;
void output_done(struct task *t);
/* False: both pieces are with the writer; the task is told when one is back. */
bool output_has_room(const struct task *t);
/* Where the decoder writes next: *ret_len bytes, at least one; only with room. */
uint8_t *output_room(struct task *t, size_t *ret_len);
/* n bytes were written there. */
void output_add(struct task *t, size_t n);
/* All that was made is in the file; false: not yet, or the task has failed. */
bool output_flush(struct task *t) MUST_CHECK;

void process_slice(struct task *t);
bool process_is_runnable(const struct task *t);
void process_publish(struct task *t);
/* After flush_to or a consumed offset changed. */
void process_writeback(struct task *t);
void check_slice(struct task *t);
void copy_slice(struct task *t);
void discard_slice(struct task *t);
void space_slice(struct task *t);
void swap_slice(struct task *t);
/* Unlinks names in .haul through the lane and closes fd there. */
void discard_submit(struct task *t, int fd, const char *name, const char *second, const char *third);
