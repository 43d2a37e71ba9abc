/* Jobs; see jobs.h. */
#include "conf/jobs.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/url.h"
#include "conf/output.h"
#include "model/spec.h"
#include "model/values.h"
#include "wire/work_msg.h"

void
jobs_init(struct jobs *j, struct check *check, const struct draft *defaults)
{
	*j = (struct jobs){ .check = check, .defaults = defaults };
	seen_init(&j->names);
	seen_init(&j->targets);
	afters_init(&j->afters);
}

void
jobs_done(struct jobs *j)
{
	for (size_t i = 0; i < j->n_roots; i++)
		free(j->roots[i]);
	seen_done(&j->names);
	seen_done(&j->targets);
	afters_done(&j->afters);
	buf_done(&j->spec);
}

bool
jobs_full(const struct jobs *j)
{
	return j->check->emit->jobs > CONF_JOBS_MAX;
}

static void
tell(const struct jobs *j, const struct draft *d, enum setting_id id, const char *why)
{
	const struct draft_item *i = draft_find(d, id);

	check_tell(j->check, d, setting_find(id), i && !i->base ? i->at : d->at, why);
}

static void
check_urls(const struct jobs *j, const struct draft *d)
{
	bool allowed = draft_number(d, j->defaults, JOB_ALLOW_FILE);

	if (!d->tried[JOB_URL])
		emit_error(j->check->emit, d->at, d->label, "a job needs a url");
	for (const struct draft_item *i = draft_find(d, JOB_URL); i && !allowed;
	     i = draft_next(d, i)) {
		struct url u;
		const char *why;

		if (url_parse(i->text, &u, &why) == 0 && url_scheme_is(&u, "file"))
			emit_error(j->check->emit, i->at, d->label,
			    "url is a file: url: that takes allow-file = true");
	}
}

/* Of the job itself or of defaults. */
static bool
has(const struct jobs *j, const struct draft *d, enum setting_id id)
{
	return draft_find(d, id) || draft_find(j->defaults, id);
}

static void
check_schedule(const struct jobs *j, const struct draft *d)
{
	bool recurs = has(j, d, JOB_EVERY) || has(j, d, JOB_CRON);

	if (has(j, d, JOB_DELAY) && has(j, d, JOB_START_AT))
		tell(j, d, JOB_DELAY, "has no meaning with start-at: give one of them");
	if (has(j, d, JOB_CRON) && has(j, d, JOB_EVERY))
		tell(j, d, JOB_CRON, "has no meaning with every: give one of them");
	if (draft_find(d, JOB_JITTER) && !recurs && !has(j, d, JOB_DELAY) && !has(j, d, JOB_START_AT))
		tell(j, d, JOB_JITTER, "has no meaning without every, cron, start-at or delay");
	if (has(j, d, JOB_EVERY) && draft_number(d, j->defaults, JOB_JITTER) > draft_number(d, j->defaults, JOB_EVERY))
		tell(j, d, JOB_JITTER, "is longer than every");
	if (recurs && draft_number(d, j->defaults, JOB_NO_CLOBBER))
		tell(j, d, JOB_NO_CLOBBER, "has no meaning with every or cron: each run replaces the file of the last one");
}

static void
check_between_keys(const struct jobs *j, const struct draft *d)
{
	bool off =
	    draft_number(d, j->defaults, JOB_DECOMPRESS) == CODEC_OFF && !d->tried[JOB_DECOMPRESS];
	bool cert = draft_find(d, JOB_CERT) || draft_find(j->defaults, JOB_CERT);

	off |= draft_find(d, JOB_DECOMPRESS) && draft_number(d, NULL, JOB_DECOMPRESS) == CODEC_OFF;
	if (off && draft_find(d, JOB_CHECKSUM_OUTPUT))
		tell(j, d, JOB_CHECKSUM_OUTPUT, "has no meaning without decompress: use checksum");
	if (off && draft_find(d, JOB_KEEP_DOWNLOAD))
		tell(j, d, JOB_KEEP_DOWNLOAD, "has no meaning without decompress");
	if (draft_find(d, JOB_KEY) && !cert && !d->tried[JOB_CERT])
		tell(j, d, JOB_KEY, "has no meaning without cert");
	if (draft_find(d, JOB_RETRY_DELAY) &&
	    draft_number(d, NULL, JOB_RETRY_DELAY) > draft_number(d, j->defaults, JOB_RETRY_MAX_DELAY))
		tell(j, d, JOB_RETRY_DELAY, "is longer than retry-max-delay");
	if (draft_count(d, JOB_CHECKSUM) > TASK_DIGESTS_MAX)
		tell(j, d, JOB_CHECKSUM, "has more than 8 digests");
	if (draft_count(d, JOB_CHECKSUM_OUTPUT) > TASK_DIGESTS_MAX)
		tell(j, d, JOB_CHECKSUM_OUTPUT, "has more than 8 digests");
}

/* Both would be never. */
static void
check_after(const struct jobs *j, const struct draft *d)
{
	const struct draft_item *a, *b;

	if (draft_count(d, JOB_AFTER) + draft_count(d, JOB_AFTER_FAILED) > VALUE_AFTER_MAX) {
		tell(j, d, draft_find(d, JOB_AFTER) ? JOB_AFTER : JOB_AFTER_FAILED, "names more than 1000 jobs and events");
		return;
	}
	for (b = draft_find(d, JOB_AFTER_FAILED); b; b = draft_next(d, b))
		for (a = draft_find(d, JOB_AFTER); a; a = draft_next(d, a))
			if (text_equal(a->text, b->text)) {
				emit_error(j->check->emit, b->at, d->label, "\"%s\" stands in after and in after-failed: "
				    "it cannot both be done and have failed", quote(b->text));
				return;
			}
}

static void
check_names(struct jobs *j, const struct draft *d)
{
	const struct draft_item *name = draft_find(d, JOB_NAME);
	const struct where *first =
	    name && !j->check->intake ? seen_add(&j->names, name->text, name->at) : NULL;

	if (first)
		emit_error(j->check->emit, name->at, d->label, "name is that of another job (%s)",
		    quote_place(*first));
}

/* The text of output as given, or as the url and dir= have it; NULL and told. */
static char *
wanted_output(const struct jobs *j, const struct draft *d)
{
	const struct draft_item *given = draft_find(d, JOB_OUTPUT), *url = draft_find(d, JOB_URL);
	AUTO_FREE char *name = NULL;

	if (given) {
		name = xstrdup(given->text);
	} else if (url) {
		name =
		    value_url_name(url->text, (unsigned)draft_number(d, j->defaults, JOB_DECOMPRESS));
		if (!name) {
			emit_error(j->check->emit, url->at, d->label,
			    "the url ends in no file name: give output");
			return NULL;
		}
	}
	if (!name || !d->dir)
		return TAKE_PTR(name);
	if (name[0] == '/') {
		tell(j, d, JOB_OUTPUT, "is an absolute path, so dir has no meaning");
		return NULL;
	}
	return xasprintf("%s%s%s", d->dir, has_suffix(d->dir, "/") ? "" : "/", name);
}

static const char *
group_of(const struct jobs *j, const struct draft *d)
{
	const struct draft_item *group = draft_find(d, JOB_GROUP);

	group = group ? group : draft_find(j->defaults, JOB_GROUP);
	return group ? group->text : NULL;
}

/* What is published as a whole is the verified files, each time all of them. */
static void
check_atomic(const struct jobs *j, const struct draft *d)
{
	static const enum setting_id keys[] = { JOB_KEEP_DOWNLOAD, JOB_NO_CLOBBER };

	if (j->check->intake || !groups_is_atomic(&j->check->groups, group_of(j, d)))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (draft_find(d, keys[i]) || draft_find(j->defaults, keys[i]))
			tell(j, d, keys[i], "has no meaning in a group that is published as a whole");
	if (draft_find(d, JOB_EVERY) || draft_find(j->defaults, JOB_EVERY))
		tell(j, d, JOB_EVERY, "has no meaning in a group that is published as a whole, whose members come together: cron says when");
}

/* Puts the absolute path of a destination into the draft, once only. */
static void
put_target(struct jobs *j, struct draft *d, enum setting_id id, const char *text)
{
	const struct setting *row = setting_find(id);
	const struct draft_item *given = draft_find(d, id), *output;
	struct where at = given && !given->base ? given->at : d->at;
	AUTO_FREE char *why = NULL, *path = output_resolve(j->roots, j->n_roots, text, &why);
	const struct where *first;

	if (!path) {
		emit_error(
		    j->check->emit, at, d->label, "%s \"%s\" %s", row->name, quote(text), why);
		return;
	}
	if (!j->check->intake && !groups_check_output(&j->check->groups, j->check->emit, d, group_of(j, d), at, row->name, path))
		return;
	output = id == JOB_OUTPUT ? NULL : draft_find(d, JOB_OUTPUT);
	if (output && text_equal(output->text, path)) {
		emit_error(j->check->emit, at, d->label, "%s %s is the destination of output too",
		    row->name, quote(path));
		return;
	}
	first = j->check->intake ? NULL : seen_add(&j->targets, path, at);
	if (first)
		emit_error(j->check->emit, at, d->label,
		    "%s %s is also the destination of another job (%s)", row->name, quote(path),
		    quote_place(*first));
	draft_drop(d, id);
	draft_put_text(d, row, at, path);
}

static void
check_targets(struct jobs *j, struct draft *d)
{
	const struct draft_item *keep = draft_find(d, JOB_KEEP_DOWNLOAD);
	AUTO_FREE char *output = NULL, *kept = keep ? xstrdup(keep->text) : NULL;

	if (j->n_roots == 0)
		return; /* that was told where the roots are */
	if (!d->tried[JOB_OUTPUT] || draft_find(d, JOB_OUTPUT))
		output = wanted_output(j, d);
	if (output)
		put_target(j, d, JOB_OUTPUT, output);
	if (kept)
		put_target(j, d, JOB_KEEP_DOWNLOAD, kept);
}

void
jobs_submit(struct jobs *j, struct draft *d)
{
	struct emit *emit = j->check->emit;

	emit->jobs++;
	if (jobs_full(j)) {
		if (emit->jobs == CONF_JOBS_MAX + 1)
			emit_error(
			    emit, d->at, d->label, "there are more than %d jobs", CONF_JOBS_MAX);
		return;
	}
	check_urls(j, d);
	check_between_keys(j, d);
	check_after(j, d);
	check_schedule(j, d);
	check_names(j, d);
	check_atomic(j, d);
	if (!j->check->intake)
		afters_note(&j->afters, emit, d);
	check_targets(j, d);
	if (emit->errors)
		return;
	buf_consume(&j->spec, buf_len(&j->spec));
	draft_pack(d, &j->spec);
	if (buf_len(&j->spec) > SPEC_MAX)
		emit_error(
		    emit, d->at, d->label, "the settings of this job take more than 256 KiB");
	else
		emit_spec(emit, CONF_JOB, &j->spec);
}

void
jobs_end(struct jobs *j)
{
	afters_check(&j->afters, j->check->emit, &j->names);
}
