/* What the engine tells the service: the log, the store, systemd and the clients hear
 * of it. */
#include "base/log.h"
#include "base/str.h"
#include "daemon/engine/keep.h"
#include "daemon/service_internal.h"

static void
on_add(const struct job *j, void *arg)
{
	control_on_add(((struct service *)arg)->control, j);
}

static void
on_change(const struct job *j, enum job_state from, void *arg)
{
	control_on_change(((struct service *)arg)->control, j, from);
}

static void
on_event(const char *what, const char *name, const char *text, void *arg)
{
	control_note_event(((struct service *)arg)->control, what, name, text);
}

static void
on_start(const struct job *j, void *arg)
{
	struct service *s = arg;

	service_status_changed(s);
	control_on_start(s->control, j);
}

static void
on_state(const struct job *j, void *arg)
{
	struct service *s = arg;

	service_status_changed(s);
	keep_update(s->store, s->engine, j);
	control_on_state(s->control, j);
}

static void
on_retry(const struct job *j, uint64_t delay_ms, void *arg)
{
	struct service *s = arg;

	log_notice("job will be tried again: %s: %s job=%s id=%llu try=%u in_ms=%llu", result_word(j->result), j->result->text,
	    log_safe(job_label(j)), (unsigned long long)j->id, j->attempts, (unsigned long long)delay_ms);
	engine_note_attempt(s->engine, j->id);
	keep_update(s->store, s->engine, j); /* the tries that were made are not made again in the next life */
	control_on_retry(s->control, j, delay_ms);
}

static void
on_end(const struct job *j, const struct job_receipt *r, void *arg)
{
	struct service *s = arg;

	if (j->state == JOB_DONE && text_equal(r->proof, RECEIPT_NOT_MODIFIED))
		log_info("job done, not modified job=%s id=%llu bytes=%llu", log_safe(job_label(j)), (unsigned long long)j->id,
		    (unsigned long long)j->published);
	else if (j->state == JOB_DONE)
		log_info("job done job=%s id=%llu bytes=%llu ms=%llu try=%u", log_safe(job_label(j)), (unsigned long long)j->id,
		    (unsigned long long)j->published, (unsigned long long)(j->started_ms ? j->ended_ms - j->started_ms : 0), j->attempts);
	else if (s->state < STOPPING)
		log_warning("job %s: %s: %s job=%s id=%llu try=%u", job_state_to_string(j->state), result_word(j->result),
		    j->result->text, log_safe(job_label(j)), (unsigned long long)j->id, j->attempts);
	service_status_changed(s);
	/* What ended because we stop goes on in the next life. */
	if (j->result->code != RESULT_INTERRUPTED) {
		archive_on_end(s->archive, j);
		keep_update(s->store, s->engine, j);
		archive_on_stored(s->archive, j);
	}
	control_on_end(s->control, j);
}

static void
on_forget(const struct job *j, void *arg)
{
	struct service *s = arg;

	archive_delete(s->archive, j->id);
	control_on_forget(s->control, j);
}

static void
on_note(const char *key, const void *data, size_t n, void *arg)
{
	store_note(((struct service *)arg)->store, key, data, n);
}

static void
on_describe(struct json *w, const struct engine_view *v, bool full, void *arg UNUSED)
{
	control_describe(w, v, full);
}

static void
on_group(const char *name, bool over, const char *text, void *arg)
{
	struct service *s = arg;

	control_note_event(s->control, "group", name, text);
	if (over)
		control_on_group(s->control, name);
}

const struct engine_ops service_engine_ops = {
	.describe = on_describe,
	.on_group = on_group,
	.on_add = on_add,
	.on_change = on_change,
	.on_event = on_event,
	.on_note = on_note,
	.when_kept = service_when_kept,
	.on_start = on_start,
	.on_state = on_state,
	.on_retry = on_retry,
	.on_end = on_end,
	.on_forget = on_forget,
	.on_idle = service_on_idle,
};
