/* Gathering jobs; see batch.h.  batch_send.c has the sending. */
#include "ctl/batch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "ctl/client.h"
#include "ctl/entry.h"
#include "model/input_list.h"

enum { JOB_BYTES_MAX = CLIENT_LINE_MAX - 4096 }; /* the request around it */

struct reading {
	struct batch *batch;
	const char *file; /* of the list, for people */
	struct entry common, entry;
	struct entry_place place;
	unsigned line;    /* where the entry begins */
	bool open;
};

void
batch_init(struct batch *b, struct ctl *c)
{
	*b = (struct batch){ .ctl = c };
}

void
batch_done(struct batch *b)
{
	buf_done(&b->text);
	free(b->jobs);
	free(b->ids);
	free(b->scope);
}

/* line 0: of the command line. */
static void
tell(struct reading *r, unsigned line, const char *sentence)
{
	AUTO_FREE char *text = NULL;

	if (r->batch->errors++ >= BATCH_ERRORS_SHOWN_MAX)
		return;
	if (!r->file)
		text = xasprintf("haulctl: %s", sentence);
	else if (line)
		text = xasprintf("%s:%u: %s", r->file, line, sentence);
	else
		text = xasprintf("%s: %s", r->file, sentence);
	ctl_tell_line(r->batch->ctl, text);
}

static void
put(struct reading *r, struct entry *e, unsigned line, const struct setting *row, const char *text)
{
	AUTO_FREE char *why = NULL, *sentence = NULL;

	if (entry_put(e, row, text, &r->place, &why) == 0)
		return;
	if (r->place.command_line && row->id != JOB_URL)
		sentence = xasprintf("--%s %s", verb_setting_name(row), why);
	else if (r->place.command_line)
		sentence = xasprintf("the url \"%s\" %s", text, why);
	else
		sentence = xasprintf("%s %s", row->name, why);
	tell(r, line, sentence);
}

static void
finish_entry(struct reading *r)
{
	struct batch *b = r->batch;
	AUTO_FREE char *why = r->open && !b->errors ? entry_finish(&r->entry) : NULL;
	size_t at = buf_len(&b->text);
	struct json j;

	if (why)
		tell(r, r->line, why);
	if (r->open && !b->errors) {
		jsonw_init(&j, &b->text);
		entry_write(&r->entry, &j);
		if (b->n == b->size) {
			b->size = MAX(b->size * 2, (size_t)64);
			b->jobs = xrealloc(b->jobs, b->size * sizeof b->jobs[0]);
		}
		b->jobs[b->n++] = (struct batch_job){ at, buf_len(&b->text) - at, r->file ? r->line : 0 };
		if (buf_len(&b->text) - at > JOB_BYTES_MAX)
			tell(r, r->line, "the settings of this job take more than a request may");
	}
	r->open = false;
}

/* ---- The command line --------------------------------------------------------------- */

static void
read_common(struct reading *r)
{
	const struct args *a = &r->batch->ctl->args;

	for (size_t i = 0; i < a->n_values; i++) {
		const struct setting *row = a->values[i].row;

		/* Many may wait for the same. */
		bool own = (row->flags & SETTING_OWN) && row->id != JOB_AFTER && row->id != JOB_AFTER_FAILED;

		if (own && (a->n_words != 1 || a->input)) {
			AUTO_FREE char *why =
			    xasprintf("--%s is about one job: give it with exactly one url (mirrors of one go into a list, -i)", verb_setting_name(row));

			tell(r, 0, why);
		} else {
			put(r, &r->common, 0, row, a->values[i].text);
		}
	}
}

static void
read_urls(struct reading *r)
{
	const struct args *a = &r->batch->ctl->args;

	for (size_t i = 0; i < a->n_words; i++) {
		entry_begin(&r->entry, &r->common);
		r->open = true;
		put(r, &r->entry, 0, setting_find(JOB_URL), a->words[i]);
		finish_entry(r);
	}
}

/* curl's --key is the file with the private key. */
static bool
is_private_key(const struct args *a)
{
	bool cert = false;

	for (size_t i = 0; i < a->n_values; i++)
		cert |= a->values[i].row->id == JOB_CERT;
	return cert && a->key && access(a->key, F_OK) == 0;
}

static const char *
refuse_key_and_base(const struct args *a)
{
	if (is_private_key(a))
		return "--key is the idempotency key of the request here: the file of the private key is --private-key";
	if (a->key && (!*a->key || strlen(a->key) > BATCH_KEY_MAX))
		return "--key must have 1 to 120 bytes";
	return a->base_url ? input_list_refuse_base(a->base_url) : NULL;
}

/* What must hold between the options; NULL: it does. */
static const char *
refuse_together(const struct args *a)
{
	if (!a->n_words && !a->input)
		return a->n_values ? "settings are for urls of the command line or of -i, and there are none"
				   : "there is nothing to add: give a url, or a list with -i";
	if (a->base_url && !a->input)
		return "--base-url is for the names of a checksum list: give -i too";
	return refuse_key_and_base(a);
}

/* ---- The list -------------------------------------------------------------------------- */

static bool
on_entry(unsigned line, void *arg)
{
	struct reading *r = arg;

	finish_entry(r);
	entry_begin(&r->entry, &r->common);
	r->line = line;
	r->open = true;
	return r->batch->errors < BATCH_ERRORS_SHOWN_MAX;
}

/* A key that is none: with what was meant. */
static void
tell_unknown(struct reading *r, unsigned line, const char *key)
{
	const char *near = setting_suggest(SCOPE_JOB, key);
	AUTO_FREE char *why = NULL;

	if (setting_is_later(SCOPE_JOB, key))
		why = xasprintf("\"%s\" is not in this version of haul", key);
	else if (near)
		why = xasprintf("unknown key \"%s\": did you mean \"%s\"?", key, near);
	else
		why = xasprintf("unknown key \"%s\"", key);
	tell(r, line, why);
}

static void
on_value(unsigned line, const char *key, const char *value, void *arg)
{
	struct reading *r = arg;
	const struct setting *row = setting_by_name(SCOPE_JOB, key);

	if (row)
		put(r, &r->entry, line, row, value);
	else
		tell_unknown(r, line, key);
}

static void
on_dir(unsigned line UNUSED, const char *dir, void *arg)
{
	struct reading *r = arg;

	entry_set_dir(&r->entry, dir);
}

static void
on_error(unsigned line, const char *text, void *arg)
{
	tell(arg, line, text);
}

/* Lists that add takes, by what they look like. */
static void
read_by_looks(int fd, const char *file UNUSED, const struct input_list_ops *ops, void *list_arg, void *arg)
{
	const struct args *a = arg;

	input_list_read(fd, a->base_url, ops, list_arg);
}

static void
read_list(struct reading *r, const char *file, batch_list_cb cb, void *arg)
{
	static const struct input_list_ops ops = { on_entry, on_value, on_dir, on_error };
	bool in = text_equal(file, "-");
	/* A pipe may be waited for: lists come from <(commands) too. */
	AUTO_CLOSE int fd = in ? -1 : open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat st;

	r->file = in ? "standard input" : file;
	if (!in && (fd < 0 || fstat(fd, &st) < 0)) {
		AUTO_FREE char *why = xasprintf("cannot be read: %s", strerror(errno));

		tell(r, 0, why);
		return;
	}
	r->place.command_line = false;
	r->place.world_readable = !in && S_ISREG(st.st_mode) && (st.st_mode & S_IROTH);
	cb(in ? STDIN_FILENO : fd, r->file, &ops, r, arg);
	finish_entry(r);
}

/* All was read. */
static int
conclude(struct batch *b, struct reading *r)
{
	entry_done(&r->common);
	entry_done(&r->entry);
	if (b->errors > BATCH_ERRORS_SHOWN_MAX)
		ctl_tell(b->ctl, "... and more errors");
	if (b->errors)
		ctl_tell(b->ctl, "nothing was added");
	else if (!b->n)
		ctl_tell(b->ctl, "%s has no jobs in it", r->file);
	return b->errors || !b->n ? CTL_USAGE : CTL_OK;
}

int
batch_read(struct batch *b)
{
	const struct args *a = &b->ctl->args;
	struct reading r = { .batch = b, .place = { .command_line = true, .stdin_taken = text_equal(a->input, "-") } };
	const char *why = refuse_together(a);

	if (why) {
		ctl_tell(b->ctl, "%s", why);
		return CTL_USAGE;
	}
	read_common(&r);
	if (!b->errors)
		read_urls(&r);
	if (a->input && !b->errors)
		read_list(&r, a->input, read_by_looks, &b->ctl->args);
	return conclude(b, &r);
}

int
batch_read_file(struct batch *b, const char *file, batch_list_cb cb, void *arg)
{
	struct reading r = { .batch = b, .place = { .command_line = true, .stdin_taken = text_equal(file, "-") } };
	const char *why = refuse_key_and_base(&b->ctl->args);

	if (why) {
		ctl_tell(b->ctl, "%s", why);
		return CTL_USAGE;
	}
	read_common(&r);
	if (!b->errors)
		read_list(&r, file, cb, arg);
	return conclude(b, &r);
}
