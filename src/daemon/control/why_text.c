/* The sentences of `why`; see why.h. */
#include "daemon/control/why.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/str.h"

/* ---- Pieces --------------------------------------------------------------------- */

void
why_put_time(struct buf *out, int64_t at_s, int64_t now_s)
{
	time_t at = (time_t)at_s, now = (time_t)now_s;
	struct tm a, n;
	char text[40];

	if (!localtime_r(&at, &a) || !localtime_r(&now, &n)) /* NOLINT: for people */
		return;
	(void)strftime(text, sizeof text, a.tm_yday == n.tm_yday && a.tm_year == n.tm_year ? "%H:%M:%S" : "%Y-%m-%d %H:%M:%S", &a);
	buf_append_str(out, text);
}

/* " at 14:03:07, in 42 s"; nothing when that is not known. */
static void
put_when(const struct why_facts *f, struct buf *out)
{
	uint64_t ms = f->reason->wait_ms;
	char text[32];

	if (!ms)
		return;
	buf_append_str(out, " at ");
	why_put_time(out, f->now_s + (int64_t)((ms + 999) / 1000), f->now_s);
	buf_printf(out, ", in %s", format_duration(text, sizeof text, ms));
}

/* "by jobs 3, 7 and others" */
static void
put_jobs(const struct why_facts *f, const char *before, struct buf *out)
{
	const struct engine_reason *r = f->reason;

	if (!r->n_jobs)
		return;
	buf_printf(out, "%s job%s ", before, r->n_jobs == 1 ? "" : "s");
	for (unsigned i = 0; i < r->n_jobs; i++)
		buf_printf(out, "%s%llu", i ? ", " : "", (unsigned long long)r->jobs[i]);
	if (r->more_jobs)
		buf_append_str(out, " and others");
}

static void
put_first_job(const struct why_facts *f, bool with_state, struct buf *out)
{
	if (f->reason->n_jobs && f->put_job)
		f->put_job(f->reason->jobs[0], with_state, out, f->arg);
	else if (f->reason->n_jobs)
		buf_printf(out, "%llu", (unsigned long long)f->reason->jobs[0]);
}

static const char *
host_of(const struct why_facts *f)
{
	return f->reason->has_origin && *f->reason->origin.host ? f->reason->origin.host : "its host";
}

static void
put_origin(const struct why_facts *f, struct buf *out)
{
	buf_append_str(out, f->reason->has_origin && *f->reason->origin.origin ? f->reason->origin.origin : "its server");
}

static const char *
group_of(const struct why_facts *f)
{
	const char *group = f->view && f->view->job ? spec_string(f->view->job->spec, JOB_GROUP) : NULL;

	return f->reason->group ? f->reason->group : group ? group : "its group";
}

static const char *
size_text(char out[32], uint64_t bytes)
{
	return format_size(out, 32, bytes);
}

/* ---- A row a word ----------------------------------------------------------------- */

static void
put_after(const struct why_facts *f, struct buf *out)
{
	buf_append_str(out, "it begins when ");
	if (f->reason->n_jobs) {
		buf_append_str(out, "job ");
		put_first_job(f, true, out);
	} else {
		buf_printf(out, "job %s", f->reason->word + strlen("after:"));
	}
	buf_append_str(out, " is done");
}

static void
put_after_failed(const struct why_facts *f, struct buf *out)
{
	buf_append_str(out, "it stands in for job ");
	if (f->reason->n_jobs)
		put_first_job(f, true, out);
	else
		buf_append_str(out, f->reason->word + strlen("after-failed:"));
	buf_append_str(out, " and begins if that one fails");
}

static void
put_event(const struct why_facts *f, struct buf *out)
{
	const char *name = f->reason->word + strlen("event:");

	buf_printf(out, "it begins when the event %s is set, `haulctl event set %s`", name, name);
}

static void
put_host_limit(const struct why_facts *f, struct buf *out)
{
	buf_printf(out, "%llu of %llu connections to %s are in use", (unsigned long long)f->reason->origin.used,
	    (unsigned long long)f->reason->origin.limit, host_of(f));
	put_jobs(f, ", by", out);
	if (f->reason->origin.limit < f->reason->origin.most)
		buf_printf(out, "; %llu are configured, but that was too much for it (429, 503, refused or reset): it is given more again "
				"while its answers are good", (unsigned long long)f->reason->origin.most);
	else
		buf_append_str(out, "; max-connections of that host, or max-connections-per-host, says how many there may be");
}

static void
put_group_limit(const struct why_facts *f, struct buf *out)
{
	buf_printf(out, "%llu of %llu jobs of group %s run", (unsigned long long)f->reason->group_used,
	    (unsigned long long)f->reason->group_limit, group_of(f));
	put_jobs(f, ":", out);
}

static void
put_group_paused(const struct why_facts *f, struct buf *out)
{
	buf_printf(out, "group %s is paused; `haulctl resume --group %s` lets it go on", group_of(f), group_of(f));
}

static void
put_all_paused(const struct why_facts *f UNUSED, struct buf *out)
{
	buf_append_str(out, "everything is paused; `haulctl resume --all` lets it go on");
}

static void
put_global_limit(const struct why_facts *f, struct buf *out)
{
	buf_printf(out, "%llu of %llu transfers run", (unsigned long long)f->reason->transfers,
	    (unsigned long long)f->reason->transfers_max);
	put_jobs(f, ":", out);
	buf_append_str(out, "; max-concurrent-downloads says how many there may be");
}

static void
put_start_at(const struct why_facts *f, struct buf *out)
{
	buf_append_str(out, "it is to begin");
	if (f->reason->wait_ms)
		put_when(f, out);
	else
		buf_append_str(out, " at its time");
	buf_append_str(out, "; `haulctl run` does not wait for that");
}

static void
put_retry_at(const struct why_facts *f, struct buf *out)
{
	const struct result *last = f->view ? f->view->job->result : NULL;

	buf_append_str(out, "the next try is");
	if (f->reason->wait_ms)
		put_when(f, out);
	else
		buf_append_str(out, " due and begins soon");
	if (last && last->code != RESULT_OK)
		buf_printf(out, ", after %s: %s", result_word(last), last->text);
}

static void
put_rate(const struct why_facts *f, struct buf *out)
{
	static const char *const whose[] = {
		[REASON_RATE_OWN] = "its own limit-rate",
		[REASON_RATE_HOST] = "the limit-rate of its host",
		[REASON_RATE_GROUP] = "the limit-rate of its group",
		[REASON_RATE_ALL] = "max-overall-download-limit, for all together,",
	};
	char text[32];

	buf_printf(out, "it is held to a rate: %s is %s a second", whose[f->reason->rate_of], size_text(text, f->reason->rate));
}

static void
put_request_rate(const struct why_facts *f, struct buf *out)
{
	buf_printf(out, "%s is asked only so often (request-rate); its turn comes", host_of(f));
	if (f->reason->wait_ms)
		put_when(f, out);
	else
		buf_append_str(out, " soon");
}

static void
put_disk_space(const struct why_facts *f, struct buf *out)
{
	const struct engine_reason *r = f->reason;
	char need[32], has[32], kept[32];

	if (r->need)
		buf_printf(out, "it needs %s, and", size_text(need, r->need));
	else
		buf_append_str(out, "it needs room, and");
	if (!r->root)
		buf_append_str(out, " its filesystem has too little");
	else
		buf_printf(out, " the filesystem of %s has %s for it", r->root, size_text(has, r->available));
	if (r->kept)
		buf_printf(out, "; %s stay free (min-free)", size_text(kept, r->kept));
	buf_append_str(out, "; it goes on when there is more");
}

static void
put_disk_speed(const struct why_facts *f, struct buf *out)
{
	char now[32], most[32];

	buf_printf(out, "the disk of %s takes bytes more slowly than they come: %s of at most %s are not written yet",
	    f->reason->root ? f->reason->root : "its root", size_text(now, f->reason->unflushed),
	    size_text(most, f->reason->unflushed_max));
}

static void
put_destination_busy(const struct why_facts *f, struct buf *out)
{
	if (!f->reason->n_jobs) {
		buf_append_str(out, "what an earlier life of hauld left beside its destination is looked at first");
		return;
	}
	buf_append_str(out, "job ");
	put_first_job(f, true, out);
	buf_append_str(out, " has the same destination; one at a time writes there");
}

static void
put_origin_down(const struct why_facts *f, struct buf *out)
{
	const struct engine_reason *r = f->reason;

	put_origin(f, out);
	if (r->has_origin && r->origin.failures)
		buf_printf(out, " has failed %u time%s in a row", r->origin.failures, r->origin.failures == 1 ? "" : "s");
	else
		buf_append_str(out, " is down");
	if (r->has_origin && r->origin.cause)
		buf_printf(out, ", the last time: %s", r->origin.cause);
	buf_append_str(out, "; one job at a time tries it");
	if (r->wait_ms) {
		buf_append_str(out, ", the next");
		put_when(f, out);
	}
}

static void
put_network_down(const struct why_facts *f, struct buf *out)
{
	buf_append_str(out, "nothing can be reached: the network is down; one job at a time tries it");
	if (f->reason->wait_ms) {
		buf_append_str(out, ", the next");
		put_when(f, out);
	}
}

static void
put_worker_backlog(const struct why_facts *f, struct buf *out)
{
	buf_printf(out, "%llu of %llu jobs are past their download and being verified, unpacked or published",
	    (unsigned long long)f->reason->verifying, (unsigned long long)f->reason->verifying_max);
	put_jobs(f, ":", out);
	buf_append_str(out, "; max-concurrent-verifications says how many there may be");
}

static void
put_decoder_memory(const struct why_facts *f, struct buf *out)
{
	char may[32], used[32], most[32];

	buf_printf(out, "its decoder may need %s, and others have %s of %s", size_text(may, f->reason->memory),
	    size_text(used, f->reason->memory_used), size_text(most, f->reason->memory_limit));
	put_jobs(f, ":", out);
	buf_append_str(out, "; max-overall-decoder-memory says how much there may be");
}

static void
put_group_publish(const struct why_facts *f, struct buf *out)
{
	if (f->view && f->view->state == JOB_QUEUED)
		buf_printf(out, "group %s is being published at once just now, and who comes meanwhile begins behind that", group_of(f));
	else
		buf_printf(out, "all of group %s is published at once, when the last of it is ready", group_of(f));
}

static void
put_quota(const struct why_facts *f, struct buf *out)
{
	buf_printf(out, "a quota on the filesystem of %s is used up, that of hauld's user, group or project: remove files of theirs "
			"there, or have it raised (edquota, xfs_quota); one job at a time tries, and this one goes on by itself",
	    f->reason->root ? f->reason->root : "its root");
}

static void
put_draining(const struct why_facts *f UNUSED, struct buf *out)
{
	buf_append_str(out, "hauld drains and begins nothing more; its next start goes on with it");
}

/* Words of DESIGN 4; a colon: what follows it is a name. */
static const struct {
	const char *word;
	void (*put)(const struct why_facts *f, struct buf *out);
} rows[] = {
	{ "after:", put_after },
	{ "after-failed:", put_after_failed },
	{ "event:", put_event },
	{ "host-limit", put_host_limit },
	{ "group-limit", put_group_limit },
	{ "group-paused", put_group_paused },
	{ "all-paused", put_all_paused },
	{ "global-limit", put_global_limit },
	{ "start-at", put_start_at },
	{ "retry-at", put_retry_at },
	{ "rate", put_rate },
	{ "request-rate", put_request_rate },
	{ "disk-space", put_disk_space },
	{ "disk-speed", put_disk_speed },
	{ "destination-busy", put_destination_busy },
	{ "origin-down", put_origin_down },
	{ "network-down", put_network_down },
	{ "worker-backlog", put_worker_backlog },
	{ "decoder-memory", put_decoder_memory },
	{ "group-publish", put_group_publish },
	{ "quota", put_quota },
	{ "draining", put_draining },
};

static size_t
find(const char *word)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (has_suffix(rows[i].word, ":") ? has_prefix(word, rows[i].word) : strcmp(word, rows[i].word) == 0)
			return i;
	return ARRAY_SIZE(rows);
}

bool
why_knows(const char *word)
{
	return find(word) < ARRAY_SIZE(rows);
}

void
why_put_waiting(const struct why_facts *f, struct buf *out)
{
	const char *word = f->reason->word;
	size_t i = find(word);

	if (i < ARRAY_SIZE(rows)) {
		rows[i].put(f, out);
		return;
	}
	buf_append_str(out, *word ? word : "its turn comes now");
	put_when(f, out);
}

/* ---- Jobs that run ---------------------------------------------------------------- */

void
why_put_active(const struct why_facts *f, struct buf *out)
{
	const char *hook = f->reason->hook ? f->reason->hook : "hook";
	const struct engine_view *v = f->view;
	char size[32], rate[32];

	if (*f->reason->word) {
		why_put_waiting(f, out);
		return;
	}
	switch (v->job->phase) {
	case PHASE_CONNECT:
		buf_append_str(out, "it has asked ");
		put_origin(f, out);
		buf_append_str(out, ", and the answer has not begun");
		break;
	case PHASE_DOWNLOAD:
		if (v->rate)
			buf_printf(out, "nothing holds it: %s a second come from ", size_text(rate, v->rate));
		else
			buf_append_str(out, "nothing of ours holds it, and nothing has come in the last second from ");
		put_origin(f, out);
		break;
	case PHASE_HOOK:
		if (f->reason->hook_waits)
			buf_printf(out, "its %s waits for its turn: %u programs run for jobs, see max-concurrent-hooks", hook,
			    f->reason->hooks);
		else
			buf_printf(out, "its %s runs; what that says is in `haulctl log` of the job", hook);
		break;
	default:
		buf_printf(out, "all of it has come; workers %s it, and have done %s so far",
		    v->job->phase == PHASE_DECOMPRESS ? "unpack" : v->job->phase == PHASE_PUBLISH ? "publish" : "verify",
		    size_text(size, v->processed));
		break;
	}
}

/* ---- Jobs that failed ---------------------------------------------------------------- */

const char *
why_advice(const struct result *r)
{
	static const char *const advice[_RESULT_CODE_MAX] = {
		[RESULT_DNS] = "see whether the name is right, and whether this machine can resolve it",
		[RESULT_CONNECT] = "see whether the server is up and this machine may reach it; `haulctl hosts` shows how others fare there",
		[RESULT_TLS] = "see the certificate of the server, the clock of this machine, and cacert",
		[RESULT_PROXY] = "see the setting proxy, and whether the proxy is up",
		[RESULT_STALLED] = "try again later, or give stall-timeout or speed-limit another value",
		[RESULT_TIMEOUT] = "give connect-timeout or max-time a larger value, or try again later",
		[RESULT_DEADLINE] = "give deadline a larger value, or a higher priority, and retry it",
		[RESULT_TRUNCATED] = "try again; if it stays so, the server or something before it cuts the file",
		[RESULT_UNPROVEN] = "give a checksum, or set allow-unproven when a cut file does no harm",
		[RESULT_RANGE_CHANGED] = "the file is being changed on the server: try again when that is over",
		[RESULT_TOO_LARGE] = "give max-filesize a larger value if that much is meant to come",
		[RESULT_SIZE_MISMATCH] = "see whether the size is right; else the server has another file",
		[RESULT_CHECKSUM_MISMATCH] = "see whether the checksum is that of this version of the file; else trust the source no more",
		[RESULT_SIGNATURE_BAD] = "see the key; else trust the source no more",
		[RESULT_ENCODING_REFUSED] = "ask for another url: the server packs the file on the way, so that its bytes cannot be compared",
		[RESULT_DECODE] = "see whether the file is what decompress says; the server may send a page that tells of an error",
		[RESULT_EXPANSION_LIMIT] = "give max-expansion or max-uncompressed a larger value if the file is meant to grow so much",
		[RESULT_DISK_FULL] = "give output a place on a larger filesystem, or make this one larger and retry it",
		[RESULT_WRITE] = "see whether the service may write there (owner, mode, ReadWritePaths= of the unit), then retry it",
		[RESULT_EXISTS] = "remove the file, or leave no-clobber out",
		[RESULT_PATH_REFUSED] = "see output: it must lie beneath one of roots, over no link and no mount",
		[RESULT_REDIRECT_REFUSED] = "give the url to which it leads",
		[RESULT_ADDRESS_REFUSED] = "see allow-addresses and deny-addresses if that address is meant",
		[RESULT_UNSUPPORTED] = "see what the sentence says this hauld cannot do",
		[RESULT_WORKER_CRASHED] = "the file makes a worker crash: please report it; `haulctl log` has more",
		[RESULT_HOOK_FAILED] = "see what the hook said, `haulctl log` of the job",
		[RESULT_CANCELLED] = "`haulctl retry` queues it again",
		[RESULT_INTERRUPTED] = "the next start of hauld goes on with it",
		[RESULT_SIBLING_FAILED] = "see which job of its group failed, mend that, and retry both",
		[RESULT_DEPENDENCY_FAILED] = "see the job that it came after, mend that, and retry both",
		[RESULT_INTERNAL] = "this is a fault of hauld's: please report it with what `haulctl log` has",
		[RESULT_PROTOCOL] = "the answer was no HTTP: see the url and its port, and http-version",
		[RESULT_NOT_NEEDED] = "nothing: the job that it was to stand in for has not failed",
		[RESULT_NOT_YET_VALID] = "see the clock of this machine",
	};

	if (r->code == RESULT_HTTP) {
		if (r->http_status == 401 || r->http_status == 407)
			return "see user and header: the server wants to know who asks";
		if (r->http_status == 403)
			return "the server will not give it to us: see user and header, or a url that has expired";
		if (r->http_status == 404 || r->http_status == 410)
			return "see the url: the server does not have it";
		if (r->http_status == 429)
			return "ask this server less often: request-rate or max-connections of its hosts entry";
		return r->http_status >= 500 ? "the server has a fault of its own: try again later" : "see the url and what the server wants";
	}
	if (r->code == RESULT_DISK_FULL && r->os_error == EDQUOT)
		return "remove files of hauld's user on the filesystem, or have its quota raised, then retry it";
	return r->code < _RESULT_CODE_MAX && advice[r->code] ? advice[r->code] : "";
}
