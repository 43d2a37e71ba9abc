/* `haulctl status`: what hauld does now, at a glance, and what binds it. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "ctl/brief.h"
#include "ctl/client.h"
#include "ctl/ctl.h"
#include "ctl/job_table.h"
#include "term/figures.h"
#include "term/width.h"

enum {
	LABEL_WIDTH = 10,
	ACTIVE_SHOWN = 10, /* jobs beneath the figures */
};

/* "jobs      3 active, 12 queued": facts apart by commas, the line broken where
 * the terminal ends. */
struct facts {
	struct ctl *ctl;
	const char *label;
	size_t used; /* columns; 0: nothing yet */
};

static void
begin(struct facts *f, struct ctl *c, const char *label)
{
	*f = (struct facts){ .ctl = c, .label = label };
}

static void PRINTF_LIKE(3, 4)
put(struct facts *f, enum term_ink ink, const char *fmt, ...)
{
	struct ctl *c = f->ctl;
	AUTO_FREE char *safe = NULL;
	AUTO_BUF struct buf cut = { 0 };
	size_t width;
	va_list ap;

	va_start(ap, fmt);
	safe = ctl_vsafe(c, fmt, ap);
	va_end(ap);
	width = width_of_text(safe);
	if (c->term.is_tty && LABEL_WIDTH + width >= c->term.columns) { /* it has a line of its own */
		size_t room = c->term.columns > LABEL_WIDTH + 1 ? c->term.columns - LABEL_WIDTH - 1 : 1;

		width = width_put(&cut, safe, room, WIDTH_CUT_MIDDLE, c->term.utf8);
	}
	if (f->used == 0) {
		ctl_put_ink(c, TERM_INK_FAINT, "%-*s", LABEL_WIDTH, f->label);
		f->used = LABEL_WIDTH;
	} else if (c->term.is_tty && f->used + 2 + width + 1 > c->term.columns) {
		buf_printf(&c->out, ",\n%*s", LABEL_WIDTH, "");
		f->used = LABEL_WIDTH;
	} else {
		buf_append_str(&c->out, ", ");
		f->used += 2;
	}
	ctl_put_ink(c, ink, "%s", buf_len(&cut) ? buf_cstr(&cut) : safe);
	f->used += width;
}

static void
end(const struct facts *f)
{
	if (f->used)
		buf_append_str(&f->ctl->out, "\n");
}

static void
put_daemon(struct ctl *c, const json_t *s)
{
	const char *state = member_text(s, "state");
	char up[FIGURES_SIZE];
	struct facts f;

	begin(&f, c, "hauld");
	put(&f, text_equal(state, "running") ? TERM_INK_GOOD : TERM_INK_WARN, "%s", state);
	if (json_is_true(json_object_get(s, "paused")))
		put(&f, TERM_INK_WARN, "everything is paused");
	put(&f, TERM_INK_PLAIN, "up %s", figures_time(up, member_u64(s, "uptime_s")));
	put(&f, TERM_INK_PLAIN, "version %s", member_text(s, "version"));
	put(&f, TERM_INK_PLAIN, "pid %llu", (unsigned long long)member_u64(s, "pid"));
	put(&f, TERM_INK_PLAIN, "%llu client%s", (unsigned long long)member_u64(s, "clients"),
	    member_u64(s, "clients") == 1 ? "" : "s");
	if (*member_text(s, "config"))
		put(&f, TERM_INK_PLAIN, "%s", member_text(s, "config"));
	end(&f);
}

static void
put_jobs(struct ctl *c, const json_t *jobs)
{
	static const char *const states[] = { "active", "queued", "blocked", "paused", "done", "failed", "cancelled" };
	struct facts f;

	begin(&f, c, "jobs");
	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		struct brief b = { .state = states[i] };
		uint64_t n = member_u64(jobs, states[i]);

		if (n || i < 2)
			put(&f, n ? brief_ink(&b) : TERM_INK_PLAIN, "%llu %s", (unsigned long long)n, states[i]);
	}
	end(&f);
}

static void
put_rate(struct ctl *c, const json_t *s)
{
	char rate[FIGURES_SIZE], size[FIGURES_SIZE];
	struct facts f;

	begin(&f, c, "rate");
	put(&f, member_u64(s, "rate") ? TERM_INK_FLOW : TERM_INK_PLAIN, "%s", figures_rate(rate, member_u64(s, "rate")));
	put(&f, TERM_INK_PLAIN, "%s since the start", format_size(size, sizeof size, member_u64(s, "received")));
	end(&f);
}

static void
put_waiting(struct ctl *c, const json_t *s)
{
	const json_t *waiting = json_object_get(s, "waiting");
	const char *why;
	struct facts f;
	json_t *n;

	begin(&f, c, "waiting");
	json_object_foreach((json_t *)(uintptr_t)waiting, why, n)
		if (json_integer_value(n) > 0)
			put(&f, TERM_INK_PLAIN, "%lld for %s", (long long)json_integer_value(n), why);
	if (f.used && json_is_true(json_object_get(s, "waiting_sampled")))
		put(&f, TERM_INK_FAINT, "of the first 10000");
	end(&f);
}

/* As the limit counts: bytes a second, bytes, or a number. */
static const char *
figure(char out[FIGURES_SIZE], const char *limit, uint64_t v)
{
	if (has_suffix(limit, "download-limit"))
		return figures_rate(out, v);
	if (strstr(limit, "memory"))
		return format_size(out, FIGURES_SIZE, v);
	(void)snprintf(out, FIGURES_SIZE, "%llu", (unsigned long long)v);
	return out;
}

/* The limits that are set; the one that keeps jobs waiting stands out. */
static void
put_limits(struct ctl *c, const json_t *s)
{
	const char *binding = member_text(s, "binding");
	const json_t *limit;
	size_t i;

	json_array_foreach(json_object_get(s, "limits"), i, limit) {
		const char *name = member_text(limit, "name");
		bool binds = text_equal(name, binding);
		char used[FIGURES_SIZE], most[FIGURES_SIZE];
		struct facts f;

		if (!member_u64(limit, "limit"))
			continue;
		begin(&f, c, binds ? "binding" : "limit");
		put(&f, binds ? TERM_INK_WARN : TERM_INK_PLAIN, "%s %s of %s", name, figure(used, name, member_u64(limit, "used")),
		    figure(most, name, member_u64(limit, "limit")));
		end(&f);
	}
}

static void
put_machine(struct ctl *c, const json_t *s)
{
	const json_t *w = json_object_get(s, "workers"), *loop = json_object_get(s, "loop"), *disk;
	char a[FIGURES_SIZE], b[FIGURES_SIZE], d[FIGURES_SIZE];
	struct facts f;
	size_t i;

	begin(&f, c, "workers");
	put(&f, TERM_INK_PLAIN, "%llu of %llu running", (unsigned long long)member_u64(w, "running"),
	    (unsigned long long)member_u64(w, "limit"));
	if (member_u64(w, "deaths"))
		put(&f, TERM_INK_WARN, "%llu died", (unsigned long long)member_u64(w, "deaths"));
	end(&f);
	json_array_foreach(json_object_get(s, "disks"), i, disk) {
		begin(&f, c, "disk");
		put(&f, TERM_INK_PLAIN, "%s", member_text(disk, "root"));
		if (json_is_null(json_object_get(disk, "free")))
			put(&f, TERM_INK_WARN, "does not say what is free");
		else
			put(&f, TERM_INK_PLAIN, "%s free", format_size(a, sizeof a, member_u64(disk, "free")));
		if (member_u64(disk, "reserved"))
			put(&f, TERM_INK_PLAIN, "%s of that for jobs that run",
			    format_size(a, sizeof a, member_u64(disk, "reserved")));
		put(&f, TERM_INK_PLAIN, "%s of at most %s not yet written",
		    format_size(b, sizeof b, member_u64(disk, "unflushed")), format_size(d, sizeof d, member_u64(disk, "limit")));
		end(&f);
	}
	begin(&f, c, "loop");
	put(&f, TERM_INK_PLAIN, "%llu of %llu callbacks late", (unsigned long long)member_u64(loop, "late"),
	    (unsigned long long)member_u64(loop, "callbacks"));
	put(&f, TERM_INK_PLAIN, "longest %.1f ms (%s)", (double)member_u64(loop, "max_us") / 1000,
	    member_text(loop, "max_name"));
	end(&f);
}

/* Only when it is not as it should be. */
static void
put_store(struct ctl *c, const json_t *store)
{
	struct facts f;

	if (!*member_text(store, "reason"))
		return;
	begin(&f, c, "store");
	put(&f, TERM_INK_BAD, "%s", member_text(store, "state"));
	put(&f, TERM_INK_PLAIN, "%llu changes wait", (unsigned long long)member_u64(store, "queued"));
	put(&f, TERM_INK_PLAIN, "%s", member_text(store, "reason"));
	end(&f);
}

/* What runs: the first of the active jobs. */
static int
put_active(struct ctl *c, uint64_t n_active)
{
	AUTO_JSON json_t *page = NULL;
	const json_t *job;
	struct table t;
	size_t i;
	int r;

	if (!n_active)
		return CTL_OK;
	r = ctl_call(c, "list", json_pack("{s:[s], s:i}", "state", "active", "limit", ACTIVE_SHOWN), &page);
	if (r != CTL_OK)
		return r;
	job_table_init(&t, &c->term);
	json_array_foreach(json_object_get(page, "jobs"), i, job) {
		struct brief b;

		brief_read(job, &b);
		job_table_put(&t, &b);
	}
	buf_append_str(&c->out, t.n_cells ? "\n" : "");
	table_print(&t, &c->out);
	table_done(&t);
	if (n_active > ACTIVE_SHOWN)
		buf_printf(&c->out, "and %llu more: `haulctl list --state active`\n",
		    (unsigned long long)(n_active - ACTIVE_SHOWN));
	return CTL_OK;
}

static int
put_named(struct ctl *c)
{
	struct table t;
	int r = CTL_OK;

	job_table_init(&t, &c->term);
	for (size_t i = 0; i < c->args.n_words && r == CTL_OK; i++) {
		AUTO_JSON json_t *job = NULL;
		struct brief b;

		r = ctl_call(c, "show", json_pack("{s:o}", "job", ctl_job_name(c->args.words[i])), &job);
		if (r != CTL_OK)
			break;
		if (c->args.json) {
			ctl_put_json(c, job);
			continue;
		}
		brief_read(job, &b);
		job_table_put(&t, &b);
	}
	table_print(&t, &c->out);
	table_done(&t);
	return r;
}

int
verb_status(struct ctl *c)
{
	AUTO_JSON json_t *s = NULL;
	int r;

	if (c->args.n_words)
		return put_named(c);
	r = ctl_call(c, "status", NULL, &s);
	if (r != CTL_OK)
		return r;
	if (c->args.json) {
		ctl_put_json(c, s);
		return CTL_OK;
	}
	put_daemon(c, s);
	put_jobs(c, json_object_get(s, "jobs"));
	put_rate(c, s);
	put_waiting(c, s);
	put_limits(c, s);
	put_store(c, json_object_get(s, "store"));
	put_machine(c, s);
	return put_active(c, member_u64(json_object_get(s, "jobs"), "active"));
}
