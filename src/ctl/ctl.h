/*
 * What one run of haulctl has: its command line, its terminals, its connection
 * to hauld.  main.c owns it; each verb's function gets it and returns the exit
 * status.  Data goes to standard output through ctl->out, messages to standard
 * error through ctl_tell().
 */
#pragma once

#include <jansson.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "ctl/args.h"
#include "term/term.h"

enum ctl_exit { /* haulctl(1) */
	CTL_OK = 0,
	CTL_FAILED = 1, /* a job that was waited for, or what was asked for */
	CTL_USAGE = 2,
	CTL_NO_JOB = 3,
	CTL_TIMED_OUT = 4,
	CTL_UNREACHABLE = 5,
	CTL_DENIED = 6,
	CTL_CONFLICT = 7,
	CTL_CANCELLED = 8, /* a job that was waited for */
	CTL_SIGNAL = 128,  /* and the signal's number: detached by it */
};

struct ctl {
	struct args args;
	struct term term, err; /* standard output, standard error */
	struct client *client; /* owned; NULL: not connected yet */
	struct buf out;        /* for standard output; see ctl_flush() */
	bool out_failed;       /* standard output took no more; told */
};

/* "haulctl: sentence" on standard error; what others wrote in it is escaped here. */
void ctl_tell(const struct ctl *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* A line as it is, for "FILE:LINE: sentence". */
void ctl_tell_line(const struct ctl *c, const char *line);
/* Writes ctl->out; false (and told, once) when that fails. */
bool ctl_flush(struct ctl *c);
/* The same when much is there already. */
void ctl_flush_large(struct ctl *c);
/* A value as one line of JSON. */
void ctl_put_json(struct ctl *c, const json_t *value);
/* Foreign text for a table or a line of standard output, newly allocated. */
char *ctl_safe(const struct ctl *c, const char *text);
/* The same of what vprintf(3) would print. */
char *ctl_vsafe(const struct ctl *c, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);
/* ctl_safe(), cut in the middle to so many columns where standard output is a terminal. */
char *ctl_cut(const struct ctl *c, const char *text, size_t columns);
/* Ink, printf, plain ink: a piece of text on standard output. */
void ctl_put_ink(struct ctl *c, enum term_ink ink, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Words of safe text and a newline, in lines of less than width columns; the
 * first begins in column at, the others in column indent. */
void ctl_put_wrapped(struct ctl *c, const char *text, size_t width, size_t at, size_t indent);

/* Connected from now on; CTL_OK, or told and the exit status. */
int ctl_connect(struct ctl *c) MUST_CHECK;
/* The exit status for the error of an answer. */
int ctl_error_status(const json_t *error);
/* Tells the error of an answer (with data.errors, a line each); returns its
 * exit status. */
int ctl_tell_error(const struct ctl *c, const json_t *error);
/* The connection ended (r: -errno) in the middle of something; CTL_UNREACHABLE. */
int ctl_tell_lost(const struct ctl *c, int r);
/*
 * Connects, asks, waits for the answer.  params (may be NULL) is given away.
 * CTL_OK and *ret_result (the caller's reference), or told and the exit status.
 */
int ctl_call(struct ctl *c, const char *method, json_t *params, json_t **ret_result) MUST_CHECK;
/* {"jobs": [...]} of n words of the command line: ids as numbers. */
json_t *ctl_job_params(char *const *words, size_t n);
/* One such word. */
json_t *ctl_job_name(const char *word);
/* {"group": NAME} or {"all": true} of --group and --all; NULL: neither was given. */
json_t *ctl_scope_params(const struct ctl *c);
/* Jobs, or a group, or all: false after telling that it is not one of these. */
bool ctl_names_one_kind(const struct ctl *c);

/* All that hauld told of a job (`show`), as lines on ctl->out; show.c. */
void show_put_job(struct ctl *c, const json_t *job);

static inline void
cleanup_json(json_t **j)
{
	json_decref(*j);
}
#define AUTO_JSON CLEANUP(cleanup_json)

/* The verbs; the file in brackets. */
int verb_add(struct ctl *c);         /* add.c */
int verb_get(struct ctl *c);         /* get.c */
int verb_attach(struct ctl *c);
int verb_list(struct ctl *c);        /* list.c */
int verb_status(struct ctl *c);      /* status.c */
int verb_show(struct ctl *c);        /* show.c */
int verb_top(struct ctl *c);         /* top.c */
int verb_cat(struct ctl *c);         /* cat.c */
int verb_import(struct ctl *c);      /* import.c */
int verb_export(struct ctl *c);      /* export.c */
int verb_verify(struct ctl *c);      /* verify.c */
int verb_wait(struct ctl *c);        /* wait.c */
int verb_gather(struct ctl *c);      /* gather.c */
int verb_group(struct ctl *c);       /* group.c */
int verb_cancel(struct ctl *c);      /* jobs.c */
int verb_pause(struct ctl *c);
int verb_resume(struct ctl *c);
int verb_remove(struct ctl *c);
int verb_retry(struct ctl *c);
int verb_run(struct ctl *c);
int verb_events(struct ctl *c);      /* events.c */
int verb_log(struct ctl *c);
int verb_stats(struct ctl *c);       /* stats.c */
int verb_debug(struct ctl *c);
int verb_why(struct ctl *c);         /* why.c */
int verb_event(struct ctl *c);       /* event.c */
int verb_hosts(struct ctl *c);       /* hosts.c */
int verb_set(struct ctl *c);         /* set.c */
int verb_limit(struct ctl *c);       /* limit.c */
int verb_workers(struct ctl *c);     /* service.c */
int verb_check(struct ctl *c);
int verb_reload(struct ctl *c);
int verb_drain(struct ctl *c);
int verb_shutdown(struct ctl *c);
int verb_version(struct ctl *c);
int verb_config(struct ctl *c);      /* config.c */
int verb_completions(struct ctl *c); /* completions.c */
int verb_help(struct ctl *c);        /* help.c */
