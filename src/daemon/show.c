/* What `hauld --once` shows to people; see show.h. */
#include "daemon/show.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "daemon/loop/outlet.h"
#include "daemon/show_json.h"
#include "term/meter.h"
#include "term/progress.h"
#include "term/summary.h"

enum { FRAME_MS = 100 };

/* What a job's line remembers from frame to frame. */
struct line {
	uint64_t id;
	struct meter meter;
};

struct show {
	struct loop *loop;
	struct engine *engine;
	struct show_options options;
	struct show_json *json; /* owned; NULL: for people */
	struct term out, err;   /* stdout, stderr */
	struct progress progress;
	struct loop_timer frame_timer;
	struct loop_signal winch, cont;
	struct outlet plain;    /* stderr, for the lines that do not move */
	struct buf frame;       /* what the terminal has not taken yet */
	int tty_fd;             /* owned: the terminal, non-blocking; -1: none */
	struct map lines;
	struct meter meter;     /* of all together */
	struct progress_row *rows; /* owned */
	size_t n_rows, size_rows;
	struct progress_total total;
	char **notes;           /* owned array: of done jobs, by index */
	uint64_t size_notes;
	uint64_t counts[_JOB_STATE_MAX];
	uint64_t started_ms, ended_bytes;
};

static bool
line_has_id(const void *item, const void *key)
{
	return ((const struct line *)item)->id == *(const uint64_t *)key;
}

static struct line *
line_get(struct show *s, uint64_t id)
{
	struct line *l = map_find(&s->lines, hash_u64(id), &id);

	if (!l) {
		l = NEW(struct line);
		l->id = id;
		map_add(&s->lines, hash_u64(id), l);
	}
	return l;
}

/* ---- The moving lines ------------------------------------------------------ */

static enum progress_phase
phase_of(const struct engine_view *v)
{
	static const enum progress_phase map[_PHASE_MAX] = {
		[PHASE_NONE] = PROGRESS_WAITING,
		[PHASE_CONNECT] = PROGRESS_CONNECTING,
		[PHASE_DOWNLOAD] = PROGRESS_DOWNLOADING,
		[PHASE_VERIFY] = PROGRESS_VERIFYING,
		[PHASE_DECOMPRESS] = PROGRESS_UNPACKING,
		[PHASE_PUBLISH] = PROGRESS_PUBLISHING,
		[PHASE_HOOK] = PROGRESS_HOOK,
	};

	if (v->last && v->blocked)
		return PROGRESS_RETRYING;
	return v->job->state == JOB_ACTIVE ? map[v->job->phase] : PROGRESS_WAITING;
}

static void
add_row(const struct engine_view *v, void *arg)
{
	struct show *s = arg;
	struct line *l = line_get(s, v->job->id);
	struct progress_row *r;

	meter_update(&l->meter, clock_now_ms(), v->received);
	s->total.bytes_done += v->received;
	if (v->total) {
		s->total.sized++;
		s->total.bytes_total += v->total;
	}
	if (s->n_rows == s->size_rows) {
		s->size_rows = s->size_rows ? s->size_rows * 2 : 32;
		s->rows = xrealloc(s->rows, s->size_rows * sizeof(s->rows[0]));
	}
	r = &s->rows[s->n_rows++];
	*r = (struct progress_row){
		.name = job_label(v->job),
		.phase = phase_of(v),
		.total = v->total,
		.done = v->received,
		.processed = v->processed,
		.out = v->unpacked,
		.rate = meter_rate(&l->meter),
		.reason = v->last ? v->last->text : NULL,
		.retry_in_s = (v->wait_ms + 999) / 1000,
	};
	if (r->phase != PROGRESS_WAITING && r->phase != PROGRESS_RETRYING)
		s->total.active++;
}

static void
collect(struct show *s)
{
	uint64_t over = s->counts[JOB_DONE] + s->counts[JOB_FAILED] + s->counts[JOB_CANCELLED];
	uint64_t now = clock_now_ms();

	s->n_rows = 0;
	s->total = (struct progress_total){
		.jobs = engine_count(s->engine),
		.done = s->counts[JOB_DONE],
		.failed = s->counts[JOB_FAILED] + s->counts[JOB_CANCELLED],
		.bytes_done = s->ended_bytes,
		.bytes_total = s->ended_bytes,
		.sized = over,
		.elapsed_ms = now - s->started_ms,
	};
	engine_each_active(s->engine, add_row, s);
	s->total.queued = s->total.jobs - over - s->total.active;
	meter_update(&s->meter, now, s->total.bytes_done);
	s->total.rate = meter_rate(&s->meter);
}

/* A frame that the terminal does not take is finished before another begins. */
static void
draw(struct show *s)
{
	if (buf_len(&s->frame) == 0) {
		term_resize(&s->err);
		collect(s);
		progress_draw(&s->progress, s->rows, s->n_rows, &s->total, &s->frame);
	}
	if (term_write(s->tty_fd, &s->frame) < 0)
		return; /* it takes nothing now; the next turn tries again */
}

static void
on_frame(void *arg)
{
	struct show *s = arg;
	uint64_t now = clock_now_ms();

	loop_timer_set(&s->frame_timer, s->tty_fd >= 0 ? FRAME_MS : 1000);
	if (s->tty_fd >= 0) {
		draw(s);
	} else if (progress_plain_due(&s->progress, now)) {
		collect(s);
		progress_plain_line(&s->total, outlet_buf(&s->plain));
		outlet_push(&s->plain);
	}
}

static void
on_winch(void *arg)
{
	struct show *s = arg;

	term_resize(&s->err);
}

/* A shell has written below the lines meanwhile. */
static void
on_cont(void *arg)
{
	struct show *s = arg;

	progress_forget(&s->progress);
}

/* ---- The arrows from the engine ---------------------------------------------- */

void
show_start(struct show *s, const struct job *j)
{
	if (s->json)
		show_json_start(s->json, j);
}

void
show_retry(struct show *s, const struct job *j, uint64_t delay_ms)
{
	char text[RESULT_TEXT_MAX + 128], wait[32];

	if (s->json) {
		show_json_retry(s->json, j, delay_ms);
		return;
	}
	(void)format_duration(wait, sizeof wait, delay_ms);
	(void)snprintf(text, sizeof text, "%s: %s: %s; again in %s", log_safe(job_label(j)), result_word(j->result),
	    j->result->text, wait);
	if (s->tty_fd >= 0) {
		char line[sizeof text + 1];

		(void)snprintf(line, sizeof line, "%s\n", text);
		progress_print_above(&s->progress, line);
	} else {
		log_notice("%s", text);
	}
}

/* "sha256 ok, unpacked 1.0 GiB from zstd" */
static char *
make_note(const struct job *j, const struct job_receipt *r)
{
	struct buf b = { 0 };
	char size[32];

	if (r->unchanged)
		buf_append_str(&b, text_equal(r->proof, RECEIPT_NOT_MODIFIED) ? "not modified, " : "was there already, ");
	for (unsigned i = 0; r->work && i < r->work->n_in; i++)
		buf_printf(&b, "%s ok, ", digest_algo_to_string(r->work->in_digest[i].algo));
	if (r->work && r->work->codec > CODEC_AUTO)
		buf_printf(&b, "unpacked from %s of %s, ", format_size(size, sizeof size, r->work->in),
		    codec_to_string(r->work->codec));
	for (unsigned i = 0; r->work && i < r->work->n_out && r->work->codec > CODEC_AUTO; i++)
		buf_printf(&b, "output %s ok, ", digest_algo_to_string(r->work->out_digest[i].algo));
	if (j->attempts > 1)
		buf_printf(&b, "try %u, ", j->attempts);
	if (!*r->proof && !r->unchanged && !buf_len(&b) && !has_prefix(spec_list(j->spec, JOB_URL, j->source), "file:"))
		buf_append_str(&b, "end not proven, ");
	if (buf_len(&b) < 2) {
		buf_done(&b);
		return NULL;
	}
	b.end -= 2;
	return (char *)(uintptr_t)buf_cstr(&b); /* the buffer's memory is ours now */
}

void
show_end(struct show *s, const struct job *j, const struct job_receipt *r)
{
	struct line *l = map_remove(&s->lines, hash_u64(j->id), &j->id);

	free(l);
	s->counts[j->state]++;
	s->ended_bytes += j->state == JOB_DONE ? j->received : 0;
	if (s->json) {
		show_json_end(s->json, j, r);
		return;
	}
	/* Only those that the summary may show. */
	if (j->state != JOB_DONE || s->counts[JOB_DONE] > 100000)
		return;
	if (j->id > s->size_notes) {
		uint64_t size = MAX(j->id, s->size_notes * 2);

		s->notes = xrealloc(s->notes, size * sizeof(s->notes[0]));
		memset(s->notes + s->size_notes, 0, (size - s->size_notes) * sizeof(s->notes[0]));
		s->size_notes = size;
	}
	s->notes[j->id - 1] = make_note(j, r);
}

/* ---- The summary --------------------------------------------------------------- */

static void
fill_row(const struct show *s, const struct job *j, struct summary_row *r)
{
	*r = (struct summary_row){
		.state = j->state == JOB_DONE ? SUMMARY_DONE : j->state == JOB_FAILED ? SUMMARY_FAILED : SUMMARY_CANCELLED,
		.path = spec_string(j->spec, JOB_OUTPUT),
		.bytes = j->published,
		.ms = j->started_ms ? j->ended_ms - j->started_ms : 0,
		.reason = j->result->text,
		.note = j->id <= s->size_notes ? s->notes[j->id - 1] : NULL,
	};
}

static void
print_summary(struct show *s)
{
	uint64_t n = engine_count(s->engine);
	struct summary_row *rows = xcalloc(n, sizeof *rows);
	char(*words)[32] = xcalloc(n, sizeof *words);
	struct summary_total total = { .ms = clock_now_ms() - s->started_ms };
	const struct job *j = NULL;
	struct buf out = { 0 };

	for (uint64_t i = 0; i < n; i++) {
		j = engine_next(s->engine, j ? j->id : 0);
		fill_row(s, j, &rows[i]);
		(void)snprintf(words[i], sizeof words[i], "%s", result_word(j->result));
		rows[i].word = words[i];
		total.bytes += j->published;
	}
	summary_format(rows, n, &total, &s->out, &out);
	if (fd_write_full(STDOUT_FILENO, buf_bytes(&out), buf_len(&out)) < 0)
		log_warning("the summary could not be written to stdout: %m");
	buf_done(&out);
	free(rows);
	free(words);
}

void
show_finish(struct show *s, const struct loop_stats *stats)
{
	loop_timer_cancel(&s->frame_timer);
	if (s->json) {
		show_json_finish(s->json, s->engine, clock_now_ms() - s->started_ms, stats);
		return;
	}
	if (s->tty_fd >= 0) {
		progress_clear(&s->progress, &s->frame);
		if (fd_write_full(STDERR_FILENO, buf_bytes(&s->frame), buf_len(&s->frame)) < 0)
			log_debug("the terminal is gone");
	}
	print_summary(s);
}

uint64_t
show_count(const struct show *s, enum job_state state)
{
	return s->counts[state];
}

/* ---- Life -------------------------------------------------------------------------- */

struct show *
show_new(struct loop *l, const struct show_options *o)
{
	struct show *s = NEW(struct show);

	s->loop = l;
	s->options = *o;
	s->tty_fd = -1;
	s->started_ms = clock_now_ms();
	map_init(&s->lines, line_has_id);
	term_init(&s->out, STDOUT_FILENO, TERM_COLOUR_AUTO);
	term_init(&s->err, STDERR_FILENO, TERM_COLOUR_AUTO);
	progress_init(&s->progress, &s->err);
	outlet_init(&s->plain, l, STDERR_FILENO);
	loop_timer_init(&s->frame_timer, l, "progress", on_frame, s);
	if (o->json)
		s->json = show_json_new(l);
	if (!o->json && o->progress && s->err.can_move && term_reopen(&s->err, &s->tty_fd) < 0)
		s->tty_fd = -1;
	if (s->tty_fd >= 0) {
		loop_signal_init(&s->winch, l, SIGWINCH, on_winch, s);
		loop_signal_init(&s->cont, l, SIGCONT, on_cont, s);
	}
	return s;
}

void
show_begin(struct show *s, struct engine *e)
{
	s->engine = e;
	if (!s->json)
		loop_timer_set(&s->frame_timer, FRAME_MS);
}

void
show_free(struct show *s)
{
	size_t cursor = 0;
	struct line *l;

	if (!s)
		return;
	while ((l = map_next(&s->lines, &cursor)))
		free(l);
	map_done(&s->lines);
	show_json_free(s->json);
	progress_done(&s->progress);
	outlet_done(&s->plain);
	loop_timer_done(&s->frame_timer);
	loop_signal_done(&s->winch);
	loop_signal_done(&s->cont);
	fd_close(&s->tty_fd);
	buf_done(&s->frame);
	for (uint64_t i = 0; i < s->size_notes; i++)
		free(s->notes[i]);
	free(s->notes);
	free(s->rows);
	free(s);
}
