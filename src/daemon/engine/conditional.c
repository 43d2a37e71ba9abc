/* Is the file that stands there still the one that the server has?  See conditional.h. */
#include "daemon/engine/conditional.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "daemon/engine/set.h"
#include "model/schedule.h"

static bool
is_wanted(const struct download *d)
{
	const struct spec *s = d->job->spec;

	if (spec_number(s, JOB_FSYNC) == FSYNC_OFF)
		return false; /* after a power cut size and time may be right, and the bytes not */
	return spec_has(s, JOB_CONDITIONAL) ? spec_bool(s, JOB_CONDITIONAL) : schedule_recurs(s);
}

static uint64_t
hash_of(uint64_t hash, const char *text)
{
	return text ? hash_more(hash, text, strlen(text) + 1) : hash_more(hash, "", 1);
}

/* What makes another file, or another pair of them, of the same bytes. */
static uint64_t
settings_of(const struct spec *s)
{
	static const enum setting_id numbers[] = { JOB_DECOMPRESS, JOB_MODE, JOB_REMOTE_TIME };
	static const enum setting_id texts[] = { JOB_CHECKSUM, JOB_CHECKSUM_OUTPUT, JOB_KEEP_DOWNLOAD };
	const char *text;
	uint64_t h = 1;

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		uint64_t v = spec_number(s, numbers[i]);

		h = hash_more(h, &v, sizeof v);
	}
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		for (unsigned k = 0; (text = spec_list(s, texts[i], k)); k++)
			h = hash_of(h, text);
		h = hash_more(h, "-", 1);
	}
	return h;
}

static const char *
source_of(const struct download *d)
{
	return spec_list(d->job->spec, JOB_URL, d->job->source);
}

/* Where redirects led: a query may be another one each time (a signature), which
 * only a strong tag makes up for. */
static uint64_t
hash_last(const char *url, bool strong)
{
	return hash_more(1, url, strong ? strcspn(url, "?#") : strlen(url));
}

static bool
is_strong(const struct seen *s)
{
	return *s->etag == '"';
}

/* ---- The files ------------------------------------------------------------------- */

/* What the file remembers, if it is still what it was. */
static bool
read_file(int dir, const char *name, struct seen *ret)
{
	AUTO_CLOSE int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char data[SEEN_MAX];
	struct stat st;
	ssize_t n;

	/* Whoever owns it has written what it remembers: of a file of somebody else that is his word only. */
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid())
		return false;
	n = fgetxattr(fd, SEEN_ATTRIBUTE, data, sizeof data);
	return n > 0 && seen_get(data, (size_t)n, ret) == 0 && (uint64_t)st.st_size == ret->size && st.st_mtim.tv_sec == ret->mtime_s &&
	    st.st_mtim.tv_nsec == ret->mtime_ns;
}

/* The packed one that is kept, too, and from the same answer. */
static bool
read_files(const struct download *d, struct seen *ret)
{
	AUTO_CLOSE int live = d->staged_output ? set_open_live(d) : -1;
	struct seen kept;

	if (!read_file(d->staged_output ? live : d->dir->fd, d->name, ret) || ret->settings != settings_of(d->job->spec))
		return false;
	if (!d->keep_dir)
		return true;
	return read_file(d->keep_dir->fd, d->keep_name, &kept) && kept.last == ret->last && kept.modified == ret->modified &&
	    text_equal(kept.etag, ret->etag);
}

/* ---- Asking ------------------------------------------------------------------------ */

void
conditional_fill(struct download *d, struct transfer_request *req)
{
	struct seen s;

	req->modified_since = -1;
	if (d->hops == 0) {
		free(TAKE_PTR(d->asked));
		if (!is_wanted(d) || d->unconditional || d->part || !read_files(d, &s) || s.source != hash_of(1, source_of(d)))
			return;
		d->asked = xmemdup(&s, sizeof s);
	}
	if (!d->asked || d->part || d->asked->direct != (d->hops == 0))
		return;
	if (d->hops && d->asked->last != hash_last(d->url, is_strong(d->asked)))
		return;
	req->conditional = true;
	req->none_match = *d->asked->etag ? d->asked->etag : NULL;
	req->modified_since = d->asked->modified;
}

void
conditional_note(struct download *d, const struct response *r)
{
	struct seen s = { .modified = d->modified, .direct = d->hops == 0 };
	bool weak = r->etag && r->etag_weak;

	free(TAKE_PTR(d->asked));
	buf_consume(&d->seen, buf_len(&d->seen));
	/* Without a tag: what may have been written again in the second that it names is not asked about. */
	if (!is_wanted(d) || r->coded || (!r->etag && !complete_is_strong(r)))
		return;
	if (r->etag)
		(void)snprintf(s.etag, sizeof s.etag, "%s%s", weak ? "W/" : "", r->etag);
	s.settings = settings_of(d->job->spec);
	s.source = hash_of(1, source_of(d));
	s.last = hash_last(d->url, is_strong(&s));
	seen_put_tail(&d->seen, &s);
}

/* Whatever is weak or strong about it. */
static bool
names_another(const struct response *r, const struct seen *asked)
{
	const char *tag = asked->etag + (has_prefix(asked->etag, "W/") ? 2 : 0);

	return r->etag && *tag && !text_equal(r->etag, tag);
}

/* The file that stands there is the one that was asked about, or came the same way from the same answer. */
static bool
is_still(const struct seen *now, const struct seen *asked)
{
	return now->source == asked->source && now->last == asked->last && now->modified == asked->modified &&
	    text_equal(now->etag, asked->etag);
}

void
conditional_unchanged(struct download *d, const struct response *r)
{
	struct result ok = { .http_status = r->status };
	struct job_receipt receipt = {
		.proof = RECEIPT_NOT_MODIFIED, .unchanged = true, .times = d->times,
	};
	struct seen now;

	if (!read_files(d, &now) || !is_still(&now, d->asked) || names_another(r, d->asked)) {
		log_debug("not modified, but the file or its tag is another one now: asking for all of it job=%s id=%llu",
		    log_safe(job_label(d->job)), (unsigned long long)d->job->id);
		d->unconditional = true;
		free(TAKE_PTR(d->asked));
		(void)retry_same_source(d);
		engine_go_on(d->entry, d->url);
		return;
	}
	d->is_live = d->staged_output != NULL;
	result_set(&ok, RESULT_OK, "not modified");
	d->job->received = 0;
	d->job->published = now.size;
	engine_finish(d, &ok, &receipt);
}

void
conditional_done(struct download *d)
{
	free(TAKE_PTR(d->asked));
	buf_done(&d->seen);
}
