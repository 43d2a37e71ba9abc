/* What the store tells the service: the jobs and keys of an earlier life, what is
 * not kept any longer, its end. */
#include "base/log.h"
#include "base/mem.h"
#include "daemon/engine/engine_groups.h"
#include "daemon/engine/keep.h"
#include "daemon/engine/notes.h"
#include "daemon/notify/notify.h"
#include "daemon/service_internal.h"

static void
on_stored_job(const struct store_job *r, void *arg)
{
	struct service *s = arg;

	if (s->state != STARTING)
		return; /* told to stop meanwhile: it stays in the store */
	if (keep_restore(s->engine, r))
		s->n_restored++;
	else
		log_warning("a job of the store makes no sense and is left there id=%llu", (unsigned long long)r->id);
}

/* Who asks for a job of the configuration finds it: so nobody is let in before. */
static void
on_first_jobs(const struct reload_report *report, void *arg)
{
	struct service *s = arg;

	engine_adding(s->engine, false);
	if (s->state == RUNNING) {
		control_begin(s->control, s->engine, s->store);
		log_info("hauld %s serves socket=%s restored=%llu", PACKAGE_VERSION, log_safe(s->socket),
		    (unsigned long long)s->n_restored);
		notify_ready("ready");
	}
	service_on_reloaded(report, s);
}

static void
on_loaded(uint64_t last_id, void *arg)
{
	struct service *s = arg;

	if (s->state != STARTING)
		return;
	engine_set_last_id(s->engine, last_id);
	engine_restored(s->engine);
	s->state = RUNNING;
	s->reload = reload_start(s->loop, s->engine, s->store, s->archive, s->control, s->conf, on_first_jobs, s);
}

static void
on_stored_name(uint64_t id, const char *name, size_t n, void *arg)
{
	archive_on_named(((struct service *)arg)->archive, id, name, n);
}

static void
on_stored_left(uint64_t id UNUSED, const char *output, size_t n, void *arg)
{
	AUTO_FREE char *path = xstrndup(output, n);

	if (*path == '/')
		engine_sweep(((struct service *)arg)->engine, path);
}

static void
on_stored_key(const struct store_key *k, void *arg)
{
	control_on_key(((struct service *)arg)->control, k);
}

static void
on_stored_note(const char *key, const void *data, size_t n, void *arg)
{
	struct service *s = arg;

	if (s->state == STARTING && !note_restore(s->engine, key, data, n))
		log_warning("a note of the store is nobody's and is left there key=%s", log_safe(key));
}

static void
on_stored_ended(const struct store_ended *n, void *arg)
{
	archive_on_ended(((struct service *)arg)->archive, n);
}

static void
on_expired(uint64_t id, void *arg)
{
	archive_on_expired(((struct service *)arg)->archive, id);
}

static void
on_fatal(const char *text, void *arg)
{
	struct service *s = arg;

	log_err("%s", text);
	s->exit_status = SERVICE_EXIT_FAILED;
	service_stop(s);
}

const struct store_ops service_store_ops = {
	.on_job = on_stored_job,
	.on_loaded = on_loaded,
	.on_named = on_stored_name,
	.on_left = on_stored_left,
	.on_key = on_stored_key,
	.on_note = on_stored_note,
	.on_ended = on_stored_ended,
	.on_expired = on_expired,
	.on_fatal = on_fatal,
};

void
service_set_limits(struct service *s)
{
	struct store_limits l = {
		.count = spec_number(s->conf->daemon, DAEMON_MAX_DOWNLOAD_RESULT),
		.age_s = spec_number(s->conf->daemon, DAEMON_DOWNLOAD_RESULT_AGE) / 1000,
	};

	store_set_limits(s->store, &l);
}
