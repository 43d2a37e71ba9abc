/* Programs that run for a job; see hook.h. */
#include "daemon/engine/hook.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/url.h"
#include "daemon/engine/plan.h"
#include "daemon/engine/space.h"
#include "daemon/engine/work.h"
#include "daemon/spawn/spawner.h"

enum hook_kind { HOOK_START, HOOK_COMPLETE, HOOK_ERROR, HOOK_URL, _HOOK_KIND_MAX };

#define BIT(kind) (uint8_t)(1U << (kind))

static const struct {
	enum setting_id id;
	const char *name;  /* of the setting */
	const char *event; /* HAUL_EVENT */
	enum job_state state; /* as it is told: that of an end, if the program lets it */
} kinds[_HOOK_KIND_MAX] = {
	[HOOK_START] = { JOB_ON_DOWNLOAD_START, "on-download-start", "start", JOB_ACTIVE },
	[HOOK_COMPLETE] = { JOB_ON_DOWNLOAD_COMPLETE, "on-download-complete", "complete", JOB_DONE },
	[HOOK_ERROR] = { JOB_ON_DOWNLOAD_ERROR, "on-download-error", "error", JOB_FAILED },
	[HOOK_URL] = { JOB_URL_COMMAND, "url-command", "url", JOB_ACTIVE },
};

/* One that runs, or waits for its turn. */
struct hook {
	struct download *download;
	enum hook_kind kind;
	struct spawn_task task;
	const struct spec *spec;    /* of the job when it was begun; only compared */
	struct result result;       /* with which the job ends; of HOOK_URL: what the server said */
	struct job_receipt receipt; /* of an end */
	struct result_msg *work;    /* owned: of the receipt; NULL: none */
};

/* "" says that there is none, whatever the defaults say. */
static bool
is_set(const struct spec *s, enum hook_kind kind)
{
	const char *program = spec_has(s, kinds[kind].id) ? spec_list(s, kinds[kind].id, 0) : NULL;

	return program && *program;
}

/* ---- What it is told ------------------------------------------------------------------ */

struct environment {
	char *vars[SPAWN_ENV_MAX + 1]; /* owned */
	unsigned n;
};

static void
put_var(struct environment *env, const char *name, const char *value)
{
	env->vars[env->n++] = xasprintf("HAUL_%s=%s", name, value ? value : "");
}

static void
put_number(struct environment *env, const char *name, uint64_t value)
{
	char text[24];

	(void)snprintf(text, sizeof text, "%" PRIu64, value);
	put_var(env, name, text);
}

/* Of a hook about an end the job is told as it will be when the hook ended well. */
static struct job
job_as_told(const struct hook *h)
{
	struct job j = *h->download->job;

	if (h->kind != HOOK_COMPLETE && h->kind != HOOK_ERROR)
		return j;
	j.state = kinds[h->kind].state;
	j.phase = PHASE_NONE;
	j.ended_ms = clock_now_ms();
	j.result = &h->result;
	return j;
}

static void
fill_environment(const struct hook *h, struct environment *env)
{
	const struct download *d = h->download;
	const struct job j = job_as_told(h);
	const struct receipt *r = d->entry->receipt;
	AUTO_FREE char *url = url_redact(spec_list(j.spec, JOB_URL, j.source));
	char digest[DIGEST_TEXT_MAX] = "";
	bool tells = h->kind != HOOK_START;

	if (h->kind == HOOK_COMPLETE && r && r->n_in)
		(void)digest_format(&r->digests[0], digest);
	put_var(env, "EVENT", kinds[h->kind].event);
	put_number(env, "ID", j.id);
	put_var(env, "NAME", spec_string(j.spec, JOB_NAME));
	put_var(env, "GROUP", spec_string(j.spec, JOB_GROUP));
	put_var(env, "URL", url);
	put_var(env, "OUTPUT", spec_string(j.spec, JOB_OUTPUT));
	put_var(env, "STATE", job_state_to_string(j.state));
	put_var(env, "RESULT", tells ? result_word(&h->result) : "");
	put_var(env, "REASON", tells && h->kind != HOOK_COMPLETE ? h->result.text : "");
	put_number(env, "ATTEMPTS", j.attempts);
	put_number(env, "BYTES", h->kind == HOOK_COMPLETE ? j.published : 0);
	put_var(env, "CHECKSUM", digest);
	put_var(env, "UNCHANGED", h->kind == HOOK_COMPLETE && h->receipt.unchanged ? "1" : "0");
}

static void
free_environment(struct environment *env)
{
	for (unsigned i = 0; i < env->n; i++)
		free(env->vars[i]);
}

static void
describe(const struct hook *h, bool full, struct buf *ret)
{
	const struct engine *e = h->download->engine;
	const struct job j = job_as_told(h);
	struct engine_view v;
	struct json w;

	buf_consume(ret, buf_len(ret));
	jsonw_init(&w, ret);
	jsonw_begin_object(&w);
	jsonw_key_string(&w, "event", kinds[h->kind].event);
	jsonw_key(&w, "job");
	if (e->ops->describe && engine_view(e, j.id, &v)) {
		v.job = &j;
		v.state = j.state;
		e->ops->describe(&w, &v, full, e->arg);
	} else {
		jsonw_null(&w);
	}
	jsonw_end_object(&w);
	buf_append(ret, "\n", 1);
}

static void
put_task(struct buf *out, uint64_t id, void *arg)
{
	const struct hook *h = arg;
	const struct spec *s = h->download->job->spec;
	struct environment env = { .n = 0 };
	AUTO_BUF struct buf input = { 0 };
	char *argv[SPAWN_ARGS_MAX + 1];
	struct spawn_run run = { .argv = argv, .env = env.vars, .answers = h->kind == HOOK_URL };
	unsigned n = 0;

	for (; n < SPAWN_ARGS_MAX && spec_list(s, kinds[h->kind].id, n); n++)
		argv[n] = (char *)(uintptr_t)spec_list(s, kinds[h->kind].id, n);
	argv[n] = NULL;
	fill_environment(h, &env);
	describe(h, true, &input);
	if (buf_len(&input) > SPAWN_INPUT_MAX) /* hundreds of mirrors */
		describe(h, false, &input);
	run.input = (struct text){ (const char *)buf_bytes(&input), MIN(buf_len(&input), (size_t)SPAWN_INPUT_MAX) };
	run.timeout_ms = h->task.timeout_ms;
	spawn_put_run(out, id, &run);
	free_environment(&env);
}

/* ---- How it ends ------------------------------------------------------------------------ */

static void
free_hook(struct hook *h)
{
	h->download->hook = NULL;
	free(h->work);
	free(h);
}

/* With a receipt of its own: h goes first. */
static void
finish(struct hook *h, const struct result *r)
{
	struct download *d = h->download;
	struct job_receipt receipt = h->receipt;
	AUTO_FREE struct result_msg *work = TAKE_PTR(h->work);
	struct result copy = *r;

	receipt.work = work;
	free_hook(h);
	engine_finish(d, &copy, &receipt);
}

/* With the url that its source has now: it may have been set, or minted, meanwhile. */
static void
begin_anew(struct download *d)
{
	(void)retry_same_source(d);
	engine_go_on(d->entry, d->url);
}

static void
start_ended(struct hook *h, const struct spawn_outcome *o)
{
	struct download *d = h->download;
	struct result r = { 0 };

	free_hook(h);
	if (o->good) {
		begin_anew(d);
		return;
	}
	result_set(&r, RESULT_HOOK_FAILED, "on-download-start: %s; nothing was asked for", o->text);
	download_stop(d, &r);
}

static void
complete_ended(struct hook *h, const struct spawn_outcome *o)
{
	struct result r = h->result;

	if (!o->good)
		result_set(&r, RESULT_HOOK_FAILED, "on-download-complete: %s; the file is published and stays", o->text);
	finish(h, &r);
}

static void
error_ended(struct hook *h, const struct spawn_outcome *o)
{
	const struct job *j = h->download->job;
	struct result r = h->result;

	if (!o->good) {
		log_warning("on-download-error: %s job=%s id=%llu", o->text, log_safe(job_label(j)), (unsigned long long)j->id);
		result_add(&r, "; on-download-error failed, too: %s", o->text);
	}
	finish(h, &r);
}

/* Its one line is the url; what is wrong with it is told without it, for it may be secret.
 * NULL and a clause, in two parts. */
static char *
take_url(const struct spawn_outcome *o, const char **ret_what, const char **ret_why)
{
	size_t n = o->answer.len;
	AUTO_FREE char *url = NULL;
	struct url u;

	if (n && o->answer.at[n - 1] == '\n')
		n--;
	if (n && o->answer.at[n - 1] == '\r')
		n--;
	url = xstrndup(n ? o->answer.at : "", n);
	if (!n)
		*ret_why = "it wrote nothing to its standard output, where a url is to be";
	else if (o->cut || n > URL_MAX)
		*ret_why = "it wrote more than a url can be long";
	else if (strlen(url) != n || strpbrk(url, "\r\n"))
		*ret_why = "it wrote more than one line";
	else if (url_parse(url, &u, ret_why) < 0)
		*ret_what = "what it wrote is no url: ";
	else if (!url_scheme_is(&u, "http") && !url_scheme_is(&u, "https"))
		*ret_why = "what it wrote is no http or https url";
	else if (u.userinfo.at)
		*ret_why = "the url has a name or password in it: give user instead";
	else
		return TAKE_PTR(url);
	return NULL;
}

static void
url_ended(struct hook *h, const struct spawn_outcome *o)
{
	struct download *d = h->download;
	const char *what = "", *why = o->text;
	char *url = o->good ? take_url(o, &what, &why) : NULL;
	struct result r = h->result;
	bool set = h->spec != d->job->spec;

	free_hook(h);
	if (set) { /* by a user, meanwhile: perhaps it was the url */
		free(url);
		begin_anew(d);
		return;
	}
	if (!url) {
		result_add(&r, "; url-command: %s%s", what, why);
		work_failed(d, &r);
		return;
	}
	free(d->minted);
	d->minted = url;
	d->minted_source = d->job->source;
	log_info("url-command gave another url, after %s: %s job=%s id=%llu", result_word(&r), r.text, log_safe(job_label(d->job)),
	    (unsigned long long)d->job->id);
	begin_anew(d);
}

static void
on_end(const struct spawn_outcome *o, void *arg)
{
	static void (*const ended[_HOOK_KIND_MAX])(struct hook *h, const struct spawn_outcome *o) = {
		[HOOK_START] = start_ended, [HOOK_COMPLETE] = complete_ended,
		[HOOK_ERROR] = error_ended, [HOOK_URL] = url_ended,
	};
	struct hook *h = arg;

	ended[h->kind](h, o);
}

static void
on_line(const char *line, void *arg)
{
	const struct hook *h = arg;
	const struct job *j = h->download->job;

	log_info("%s says: %s job=%s id=%llu", kinds[h->kind].name, line, log_safe(job_label(j)), (unsigned long long)j->id);
}

static const struct spawn_ops spawn_ops = { put_task, on_line, on_end };

/* Whatever slots the job has are for others while it runs. */
static struct hook *
run(struct download *d, enum hook_kind kind)
{
	struct hook *h = NEW(struct hook);

	assert(!d->hook);
	h->download = d;
	h->kind = kind;
	h->spec = d->job->spec;
	d->hook = h;
	d->hooks_ran |= BIT(kind);
	scheduler_withdraw(d->engine->scheduler, &d->entry->ticket);
	d->job->phase = PHASE_HOOK;
	log_debug("%s job=%s id=%llu", kinds[kind].name, log_safe(job_label(d->job)), (unsigned long long)d->job->id);
	spawner_submit(d->engine->spawner, &h->task, spec_number(d->job->spec, JOB_HOOK_TIMEOUT), &spawn_ops, h);
	return h;
}

/* ---- When it runs ------------------------------------------------------------------------ */

bool
hook_before_request(struct download *d)
{
	if ((d->hooks_ran & BIT(HOOK_START)) || !is_set(d->job->spec, HOOK_START))
		return false;
	(void)run(d, HOOK_START);
	return true;
}

static bool
wants_end(const struct download *d, const struct result *r, enum hook_kind *ret)
{
	enum result_class class = result_class(r);

	*ret = class == CLASS_OK ? HOOK_COMPLETE : HOOK_ERROR;
	return class != CLASS_CANCELLED && !(d->hooks_ran & BIT(*ret)) && is_set(d->job->spec, *ret);
}

/* It may wait at a gate, for its next try, or with a user's pause. */
static void
activate(struct entry *en)
{
	scheduler_withdraw(en->engine->scheduler, &en->ticket);
	space_leave(en);
	plan_leave(en);
	if (en->job.state == JOB_PAUSED)
		engine_set_state(en, JOB_QUEUED);
	engine_set_state(en, JOB_ACTIVE);
}

/* What others can use while a program takes its time: the room that was claimed, and
 * what the part counts against those that write. */
static void
let_go(struct download *d)
{
	space_give_back(d);
	if (!d->part || !d->engine->ops->when_kept)
		return;
	if (!d->over && part_map_name(d->part)[0])
		d->over = xstrdup(part_map_name(d->part));
	part_free(TAKE_PTR(d->part));
}

bool
hook_before_end(struct download *d, const struct result *r, const struct job_receipt *receipt)
{
	enum hook_kind kind;
	struct hook *h;

	if (job_is_over(d->job) || !wants_end(d, r, &kind))
		return false;
	if (d->engine->interrupted) { /* there is no time for it: the next life comes to this end, too */
		struct result later = { 0 };

		result_set(&later, RESULT_INTERRUPTED, "hauld was told to stop before %s ran", kinds[kind].name);
		engine_finish(d, &later, NULL);
		return true;
	}
	activate(d->entry);
	let_go(d);
	engine_keep_receipt(d->entry, receipt);
	h = run(d, kind);
	h->result = *r;
	h->receipt = *receipt;
	if (receipt->work)
		h->work = xmemdup(receipt->work, sizeof *receipt->work);
	h->receipt.work = NULL;
	return true;
}

bool
hook_before_end_waiting(struct entry *en, const struct result *r)
{
	struct download *d;

	if (en->engine->interrupted || result_class(r) == CLASS_CANCELLED || result_class(r) == CLASS_OK ||
	    !is_set(en->job.spec, HOOK_ERROR))
		return false;
	d = download_new(en);
	engine_finish(d, r, NULL);
	return true;
}

void
hook_was_told(struct download *d)
{
	d->hooks_ran |= BIT(HOOK_COMPLETE);
}

static bool
is_expired(const struct result *r)
{
	return r->code == RESULT_HTTP && (r->http_status == 401 || r->http_status == 403 || r->http_status == 410);
}

bool
hook_mint(struct download *d, const struct result *r)
{
	struct hook *h;

	if (!is_expired(r) || !is_set(d->job->spec, HOOK_URL) || d->n_minted >= spec_number(d->job->spec, JOB_RETRY))
		return false;
	if (d->part && (!d->size || part_has_failed(d->part) || resume_is_stranger(d)))
		return false; /* it cannot be gone on with */
	d->n_minted++;
	retry_spare(d);
	h = run(d, HOOK_URL);
	h->result = *r;
	return true;
}

const char *
hook_url(const struct download *d, unsigned source)
{
	return d->minted && d->minted_source == source ? d->minted : spec_list(d->job->spec, JOB_URL, source);
}

/* ---- When it must not go on ------------------------------------------------------------- */

bool
hook_ends(const struct download *d)
{
	return d->hook && (d->hook->kind == HOOK_COMPLETE || d->hook->kind == HOOK_ERROR);
}

const char *
hook_name(const struct download *d, bool *ret_waits, unsigned *ret_running)
{
	if (!d->hook)
		return NULL;
	*ret_waits = !d->hook->task.given;
	*ret_running = spawner_running(d->engine->spawner);
	return kinds[d->hook->kind].name;
}

void
hook_drop(struct download *d)
{
	if (!d->hook)
		return;
	spawner_drop(&d->hook->task);
	free_hook(d->hook);
}

bool
hook_stop(struct download *d, const struct result *r)
{
	struct hook *h = d->hook;
	struct result end = *r;

	if (!hook_ends(d)) {
		hook_drop(d);
		return false;
	}
	spawner_drop(&h->task);
	if (h->kind == HOOK_COMPLETE && r->code != RESULT_INTERRUPTED) {
		result_add(&end, "; on-download-complete was killed, the file is published and stays");
	} else if (result_class(r) != CLASS_CANCELLED) { /* of two causes the first */
		end = h->result;
		result_add(&end, "; on-download-error was killed: %s", r->text);
	} else if (r->code != RESULT_INTERRUPTED) {
		result_add(&end, "; on-download-error was killed; the job had failed: %s", h->result.text);
	}
	finish(h, &end);
	return true;
}

bool
hook_needs_map(const struct download *d)
{
	return is_set(d->job->spec, HOOK_COMPLETE);
}

/* ---- The spawner -------------------------------------------------------------------------- */

void
hooks_init(struct engine *e, struct children *c)
{
	struct spawner_options o = {
		.path = e->options.spawn_path,
		.socket = e->options.spawn_socket,
		.most = (unsigned)spec_number(e->conf->daemon, DAEMON_MAX_CONCURRENT_HOOKS),
	};

	e->spawner = spawner_new(e->loop, c, &o);
}

void
hooks_set_conf(struct engine *e, const struct spec *daemon)
{
	spawner_set_most(e->spawner, (unsigned)spec_number(daemon, DAEMON_MAX_CONCURRENT_HOOKS));
}
