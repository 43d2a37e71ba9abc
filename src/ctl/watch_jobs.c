/* What is known of the jobs that are watched; see watch.h. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "ctl/watch.h"

static const char *const state_words[_WATCH_STATE_MAX] = { "queued", "blocked", "active", "paused", "done", "failed",
	"cancelled" };

static bool
job_has_id(const void *item, const void *key)
{
	return ((const struct watch_job *)item)->id == *(const uint64_t *)key;
}

void
watch_jobs_init(struct watch *w)
{
	map_init(&w->by_id, job_has_id);
	list_init(&w->live);
}

static void
free_job(struct watch_job *j)
{
	free(j->label);
	free(j->path);
	free(j->word);
	free(j->reason);
	free(j->note);
	free(j);
}

void
watch_jobs_done(struct watch *w)
{
	size_t cursor = 0;
	struct watch_job *j;

	while ((j = map_next(&w->by_id, &cursor)))
		free_job(j);
	free(w->jobs);
	map_done(&w->by_id);
}

static struct watch_job *
find(const struct watch *w, uint64_t id)
{
	return map_find(&w->by_id, hash_u64(id), &id);
}

static struct watch_job *
add(struct watch *w, uint64_t id)
{
	struct watch_job *j = NEW(struct watch_job);

	j->id = id;
	list_init(&j->live);
	map_add(&w->by_id, hash_u64(id), j);
	w->counts[j->state]++;
	w->left++;
	if (w->all)
		return j;
	if (w->n_jobs == w->size_jobs) {
		w->size_jobs = MAX(w->size_jobs * 2, (size_t)64);
		w->jobs = xrealloc(w->jobs, w->size_jobs * sizeof w->jobs[0]);
	}
	w->jobs[w->n_jobs++] = j;
	return j;
}

void
watch_jobs_add(struct watch *w, uint64_t id)
{
	if (!find(w, id))
		(void)add(w, id);
}

static enum watch_state
state_of(const struct brief *b)
{
	for (int s = 0; s < _WATCH_STATE_MAX; s++)
		if (brief_is(b, state_words[s]))
			return (enum watch_state)s;
	return WATCH_QUEUED; /* a state of a later version: not over, at any rate */
}

static enum progress_phase
phase_of(const struct brief *b)
{
	static const struct {
		const char *word;
		enum progress_phase phase;
	} phases[] = { { "connect", PROGRESS_CONNECTING }, { "download", PROGRESS_DOWNLOADING },
		{ "verify", PROGRESS_VERIFYING }, { "decompress", PROGRESS_UNPACKING }, { "publish", PROGRESS_PUBLISHING },
		{ "hook", PROGRESS_HOOK } };

	for (size_t i = 0; i < ARRAY_SIZE(phases); i++)
		if (text_equal(b->phase, phases[i].word))
			return phases[i].phase;
	return PROGRESS_WAITING;
}

static void
replace(char **what, const char *with)
{
	if (*what && text_equal(*what, with))
		return;
	free(*what);
	*what = xstrdup(with);
}

static void
copy(struct watch *w, struct watch_job *j, const struct brief *b)
{
	/* What was there before is not what comes now; a try anew begins at 0. */
	if (j->heard_of && b->received > j->received)
		w->arrived += b->received - j->received;
	j->heard_of = true;
	replace(&j->label, brief_label(b));
	j->phase = phase_of(b);
	j->total = b->total;
	j->received = b->received;
	j->processed = b->processed;
	j->unpacked = b->unpacked;
	j->rate = b->rate;
	if (!brief_is_over(b))
		return;
	replace(&j->path, *b->output ? b->output : brief_label(b));
	replace(&j->word, b->code);
	replace(&j->reason, b->reason);
	j->published = b->published;
	j->ms = brief_summary(b, NULL).ms;
}

static bool
is_over(enum watch_state s)
{
	return s >= WATCH_DONE;
}

static void
set_state(struct watch *w, struct watch_job *j, enum watch_state to)
{
	w->counts[j->state]--;
	w->counts[to]++;
	j->state = to;
	if (to != WATCH_BLOCKED)
		j->retry_at_ms = 0;
	list_remove(&j->live);
	if (to == WATCH_ACTIVE || j->retry_at_ms)
		list_append(&w->live, &j->live);
}

static void
end(struct watch *w, struct watch_job *j)
{
	w->left--;
	w->not_needed += text_equal(j->word, "not-needed");
	w->ended_bytes += j->state == WATCH_DONE ? j->received : 0;
	watch_show_end(w, j);
	if (!w->all)
		return;
	/* Nobody asks for it again, and there may be many in a long time. */
	(void)map_remove(&w->by_id, hash_u64(j->id), &j->id);
	free_job(j);
}

bool
watch_jobs_update(struct watch *w, const json_t *job)
{
	struct watch_job *j;
	enum watch_state to;
	struct brief b;

	brief_read(job, &b);
	j = find(w, b.id);
	if (!j && (!w->all || brief_is_over(&b)))
		return false; /* not ours, or over before anybody watched */
	if (!j)
		j = add(w, b.id);
	/* Events of an older subscription may still be on their way. */
	if (is_over(j->state))
		return false;
	copy(w, j, &b);
	to = state_of(&b);
	if (b.retry_in_ms && to == WATCH_BLOCKED && !j->retry_at_ms && *b.code) {
		j->retry_at_ms = clock_now_ms() + b.retry_in_ms;
		replace(&j->reason, b.reason);
	}
	if (to != j->state || (j->retry_at_ms && !list_linked(&j->live)))
		set_state(w, j, to);
	if (is_over(to))
		end(w, j);
	return true;
}

bool
watch_jobs_retry(struct watch *w, const json_t *event)
{
	const json_t *job = json_object_get(event, "job");
	uint64_t delay_ms = member_u64(event, "delay_ms");
	struct watch_job *j;
	struct brief b;

	if (!watch_jobs_update(w, job))
		return false;
	brief_read(job, &b);
	j = find(w, b.id);
	if (!j || is_over(j->state))
		return true;
	if (*member_text(event, "code")) {
		b.code = member_text(event, "code");
		b.reason = member_text(event, "reason");
	}
	j->retry_at_ms = clock_now_ms() + delay_ms;
	replace(&j->reason, b.reason);
	set_state(w, j, WATCH_BLOCKED);
	watch_show_retry(w, &b, delay_ms);
	return true;
}

void
watch_jobs_totals(struct watch *w, const json_t *totals)
{
	if (!json_is_object(totals))
		return;
	w->has_totals = true;
	for (int s = 0; s < _WATCH_STATE_MAX; s++)
		w->totals[s] = member_u64(totals, state_words[s]);
}

void
watch_jobs_note(struct watch_job *j, const json_t *full)
{
	const json_t *r = json_object_get(full, "receipt");
	bool unchanged = json_is_true(json_object_get(r, "unchanged")), unpacked;
	const char *codec = member_text(r, "codec"), *algo;
	AUTO_BUF struct buf b = { 0 };
	char size[32];
	json_t *hex;

	if (!json_is_object(r))
		return;
	unpacked = *codec && !text_equal(codec, "off");
	if (unchanged)
		buf_append_str(&b, text_equal(member_text(r, "proof"), "not-modified") ? "not modified, " : "was there already, ");
	json_object_foreach(json_object_get(r, "digest"), algo, hex)
		buf_printf(&b, "%s ok, ", algo);
	if (unpacked)
		buf_printf(&b, "unpacked from %s of %s, ", format_size(size, sizeof size, j->received), codec);
	json_object_foreach(json_object_get(r, "digest_output"), algo, hex)
		buf_printf(&b, "output %s ok, ", algo);
	if (member_u64(full, "attempts") > 1)
		buf_printf(&b, "try %llu, ", (unsigned long long)member_u64(full, "attempts"));
	if (!*member_text(r, "proof") && !unchanged && !buf_len(&b) && !has_prefix(member_text(full, "url"), "file:"))
		buf_append_str(&b, "end not proven, ");
	if (buf_len(&b) < 2)
		return;
	b.end -= 2;
	replace(&j->note, buf_cstr(&b));
}
