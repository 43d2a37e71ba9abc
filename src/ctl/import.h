/*
 * What `haulctl import` reads: aria2's sessions, curl's configuration, lists of urls as
 * wget takes them, checksum lists.  A job is gathered as a draft, in haul's own keys; a
 * reader says of each thing that haul has no word for what becomes of it: the option is
 * left out, or the job.  import.c owns drafts and notes; import_curl.c and import_aria2.c
 * are readers.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ctl/ctl.h"
#include "model/input_list.h"

enum { IMPORT_QUIET_MAX = 64 };

struct import_value {
	unsigned line;
	const char *key; /* of hauld.conf(5); static */
	char *text;      /* owned */
};

struct import {
	struct ctl *ctl;
	const char *file;  /* for people */
	const struct input_list_ops *ops; /* where whole jobs go */
	void *arg;
	/* the job that is gathered */
	bool open, left_out;
	unsigned line;
	struct import_value *values; /* owned array */
	size_t n, size;
	char *dir;         /* owned; NULL */
	/* what was left out */
	size_t jobs, jobs_left_out;
	struct import_quiet { /* things that stand in every job: told once */
		char *name;    /* owned */
		const char *why;
		unsigned line;
		size_t n;
	} quiet[IMPORT_QUIET_MAX];
	size_t n_quiet;
};

/* The job before is whole, the next one begins. */
void import_begin(struct import *m, unsigned line);
void import_put(struct import *m, unsigned line, const char *key, const char *text);
void import_dir(struct import *m, const char *dir);
/* A url: one that haul cannot fetch leaves the job out. */
void import_url(struct import *m, unsigned line, const char *url);
/* "FILE:LINE: what: why". */
void import_note(struct import *m, unsigned line, const char *what, const char *why);
/* The same, told once for all lines with that what, at the end; why is static. */
void import_note_quietly(struct import *m, unsigned line, const char *what, const char *why);
/* The job has no equivalent. */
void import_leave_out(struct import *m, unsigned line, const char *what, const char *why);
/* Something is wrong with the file: nothing will be added. */
void import_error(struct import *m, unsigned line, const char *text);
/* The last job is whole; tells what was kept for the end. */
void import_end(struct import *m);

/* Readers of a whole file. */
void import_read_aria2(struct import *m, int fd);
void import_read_wget(struct import *m, int fd);
void import_read_curl(struct import *m, int fd);
