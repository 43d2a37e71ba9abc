/*
 * What hauld and hauld-worker say to each other.
 *
 * Down: WORK_HELLO first; TASK starts a task under the message's id; FRONT
 * tells a following task how far its input has come; PUBLISH lets a task that
 * answered READY go on; CANCEL stops one (it still answers RESULT); PARK does
 * the same after what a later life needs was saved; PING asks for a PONG.
 * Up: WORK_HELLO first; PROGRESS now and then; READY once from a task that was
 * told to wait before publishing; FOUND from a sweep, before its RESULT; RESULT
 * exactly once, the task's last word.
 *
 * A worker also owns a page shared with hauld (struct work_page), in which it
 * says what it is at, so that the daemon can name the task that killed it.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cursor.h"
#include "model/algo.h"
#include "model/result.h"
#include "wire/frame.h"

enum { WORK_PROTO = 1 };

/* Descriptors of a worker: requests come on 0, answers leave on 1, 2 is the
 * log, 3 the shared page (a memfd). */
enum { WORK_FD_IN = 0, WORK_FD_OUT = 1, WORK_FD_PAGE = 3 };

struct work_page {
	_Atomic uint64_t task_id;    /* whose slice runs; 0: none */
	_Atomic uint64_t slice_ns;   /* CLOCK_MONOTONIC at the start of the slice */
	_Atomic uint64_t lane_id;    /* what the sync lane is at; 0: nothing */
	_Atomic uint64_t lane_ns;
};

enum work_msg_type {
	WORK_HELLO = 1,      /* text: build id */
	WORK_TASK = 100,     /* down: struct task_msg */
	WORK_FRONT = 101,    /* down: struct front_msg */
	WORK_PUBLISH = 102,  /* down: empty */
	WORK_CANCEL = 103,   /* down: empty */
	WORK_PING = 104,     /* down: empty, id 0: does the worker's loop turn? */
	WORK_PARK = 105,     /* down: empty */
	WORK_PROGRESS = 110, /* up: struct progress_msg */
	WORK_READY = 111,    /* up: struct result_msg, code 0 */
	WORK_RESULT = 112,   /* up: struct result_msg */
	WORK_PONG = 113,     /* up: empty, id 0 */
	WORK_FOUND = 114,    /* up: struct found_msg */
};

enum task_kind {
	TASK_PROCESS = 1, /* hash, decode, hash, publish: what the fields say */
	TASK_COPY = 2,    /* copy the file `source` into a new part file */
	TASK_CHECK = 3,   /* hash the file that stands at the destination */
	TASK_DISCARD = 4, /* unlink part, out and map */
	TASK_SWEEP = 5,   /* what earlier lives left beside the target: FOUND or gone;
			   * part is a name of this life */
	TASK_SPACE = 6,   /* what room is there?  in: bytes free, out: size of the filesystem */
	TASK_SWAP = 7,    /* the directory `part` beside the target becomes the target; see names */
	_TASK_KIND_MAX
};

enum { TASK_DIGESTS_MAX = 8 };

#define STAGE_PREFIX ".haul-group-" /* of a directory whose group is published as a whole */

/* A place beneath a root; opened with openat2 and RESOLVE_BENEATH. */
struct place {
	struct text root; /* absolute path of the root */
	struct text dir;  /* relative to it; "" is the root itself */
	struct text name; /* one component */
};

struct task_msg {
	uint8_t kind;   /* enum task_kind */
	uint8_t codec;  /* enum codec; CODEC_OFF: do not decode */
	bool follow;    /* the input grows; FRONT messages say how far it is */
	bool wait;      /* answer READY when verified, publish after PUBLISH */
	bool publish;   /* the task ends with a file under its name; else with its digests */
	bool no_clobber;
	bool remove_dir; /* after all: try to remove the .haul directory */
	bool saves;     /* this task keeps the slots of the map */
	bool drops_map; /* the map goes with the publishing; else it tells of it */
	uint8_t fsync;  /* enum fsync_mode */
	uint32_t mode;
	uint32_t reader; /* TASK_CHECK: the user who asks; 0: may know of any file */
	int64_t mtime;  /* seconds since 1970; INT64_MIN: leave it */
	uint64_t size;  /* of the input when !follow */
	uint64_t inode; /* of the part file; 0: not checked */
	uint64_t resumed; /* bytes of the part that an earlier life left */
	uint64_t max_output;     /* bytes; 0: no bound */
	uint64_t max_expansion;  /* output bytes per input byte */
	uint64_t decoder_memory; /* bytes */
	uint64_t out_dirty_max;  /* output bytes that may be unwritten; 0: no bound */
	struct place target;     /* the final name; its dir holds .haul/ */
	struct text part;        /* name in .haul/: the download */
	struct text out;         /* name in .haul/: the decoded file */
	struct text map;         /* name in .haul/: what a later life needs; "": none */
	struct place keep;       /* where the packed file is kept; name "": nowhere */
	struct text source;      /* TASK_COPY: absolute path */
	struct text url_name;    /* last part of the url, for codec auto */
	struct text seen;        /* what the file remembers (seen.h); "": nothing */
	struct text names;       /* TASK_SWAP: what the directory is to hold, each "S" (it is there) or "L" (it
				  * stands in the target: link it), its name and a NUL; none: only what is
				  * left of `part` goes */
	uint8_t n_in, n_out;     /* digests the input, and the output, must have */
	struct digest in[TASK_DIGESTS_MAX], out_digest[TASK_DIGESTS_MAX];
};

struct front_msg {
	uint64_t offset;   /* bytes from 0 that are in the file */
	uint64_t flush_to; /* the worker shall have written back up to here */
	bool last;         /* offset is the size of the whole */
};

struct progress_msg {
	uint64_t in, out;  /* bytes read, bytes written */
	uint64_t flushed;  /* bytes of the part that reached the disk */
	uint64_t flush_ns; /* time spent waiting for that since the last message */
};

struct result_msg {
	struct result result;
	uint64_t in, out;    /* bytes */
	uint64_t ms;         /* time from the task's start */
	uint64_t inode;      /* of the published file; TASK_COPY: of the part */
	uint8_t codec;       /* what was found by "auto" */
	bool several;        /* it was decoded, and had more than one member (codec.h) */
	uint8_t n_in, n_out; /* digests computed */
	struct digest in_digest[TASK_DIGESTS_MAX], out_digest[TASK_DIGESTS_MAX];
};

/* A download that an earlier life did not end. */
struct found_msg {
	uint64_t job;
	uint32_t generation;
	struct text base;    /* name in .haul/, up to its last dot: .part, .map */
	struct text url, etag; /* as in struct part_map_head */
	int64_t modified;
	uint64_t size, inode;
	uint64_t front;      /* bytes of the part that can be relied upon */
	bool published;      /* nothing is left to do: it stands under its name */
	uint64_t in, out;    /* of a published one: bytes of the download, of the file */
	uint8_t codec;
};

/* Each put makes one whole message; each get returns 0 or -EPROTO.  Texts of a
 * decoded message are borrowed from the frame reader. */
void work_put_hello(struct buf *out);
/* -EPROTO also when the build id is not ours. */
int work_get_hello(const struct message *m) MUST_CHECK;
void work_put_task(struct buf *out, uint64_t id, const struct task_msg *t);
int work_get_task(const struct message *m, struct task_msg *ret) MUST_CHECK;
void work_put_front(struct buf *out, uint64_t id, const struct front_msg *f);
int work_get_front(const struct message *m, struct front_msg *ret) MUST_CHECK;
void work_put_empty(struct buf *out, uint64_t id, enum work_msg_type type);
void work_put_progress(struct buf *out, uint64_t id, const struct progress_msg *p);
int work_get_progress(const struct message *m, struct progress_msg *ret) MUST_CHECK;
void work_put_result(struct buf *out, uint64_t id, enum work_msg_type type, const struct result_msg *r);
void work_put_found(struct buf *out, uint64_t id, const struct found_msg *f);
int work_get_found(const struct message *m, struct found_msg *ret) MUST_CHECK;
int work_get_result(const struct message *m, struct result_msg *ret) MUST_CHECK;
