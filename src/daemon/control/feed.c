/* Events and log lines, by number; see feed.h. */
#include "daemon/control/feed.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/url.h"
#include "daemon/control/internal.h"

enum {
	BYTES_PER_RECORD = 96,   /* an event of a job with a short name */
	FEED_DEFAULT = 200,      /* of an answer */
	FEED_MAX = 1000,
	FEED_SCAN_MAX = 20000,   /* records looked at for one answer or in one turn */
	FEED_MS_PER_TURN = 2,    /* for those who follow */
};

struct follow {
	struct list link;         /* feed->followers */
	struct feed *feed;
	struct subscription *sub;
	uint64_t next;            /* number */
	struct feed_filter filter;
};

/* ---- Writing ------------------------------------------------------------------- */

static void on_pump(void *arg);

void
feed_init(struct feed *f, struct loop *l, const char *kind, uint64_t bytes)
{
	*f = (struct feed){ .loop = l, .kind = kind };
	(void)snprintf(f->instance, sizeof f->instance, "%016" PRIx64, random_bits());
	ring_init(&f->ring, (size_t)bytes, (size_t)(bytes / BYTES_PER_RECORD));
	list_init(&f->followers);
	loop_deferred_init(&f->pump, "followers", on_pump, f);
}

void
feed_done(struct feed *f)
{
	loop_undefer(&f->pump);
	ring_done(&f->ring);
}

static uint16_t
length_of(const char *s)
{
	size_t n = s ? strnlen(s, NOTE_TEXT_MAX) : 0;

	while (s && s[n] && n && ((unsigned char)s[n] & 0xc0) == 0x80)
		n--; /* not within a character */
	return (uint16_t)n;
}

static char *
append(char *to, const char *s, uint16_t n)
{
	if (n)
		memcpy(to, s, n);
	to[n] = '\0';
	return to + n + 1;
}

void
feed_put(struct feed *f, const struct note *n, const struct note_words *w)
{
	uint16_t name = length_of(w->name), group = length_of(w->group), word = length_of(w->word), text = length_of(w->text);
	struct note *to = ring_put(&f->ring, sizeof *to + name + group + word + text + 4U);
	char *at;

	if (!to)
		return;
	*to = *n;
	to->at_ms = clock_wall_ms();
	to->name = name;
	to->group = group;
	to->word = word;
	to->text = text;
	at = append(to->strings, w->name, name);
	at = append(at, w->group, group);
	at = append(at, w->word, word);
	(void)append(at, w->text, text);
	if (!list_empty(&f->followers))
		loop_defer(f->loop, &f->pump);
}

/* ---- Reading ------------------------------------------------------------------- */

struct note_words
note_words_of(const struct note *n)
{
	const char *group = n->strings + n->name + 1, *word = group + n->group + 1;

	return (struct note_words){ n->strings, group, word, word + n->word + 1 };
}

/* All words of events, for filters. */
static const char *const feed_words[] = {
	"add", "state", "start", "retry", "end", "remove", "group", "limit", "event", "origin", "network", "daemon",
	"command",
};

static bool
takes_what(unsigned whats, const char *what)
{
	for (unsigned i = 0; i < ARRAY_SIZE(feed_words); i++)
		if (strcmp(feed_words[i], what) == 0)
			return whats & 1U << i;
	return false;
}

/* What is about the origin of the one job that is asked for, or about the network, is about
 * that job, too, while it is not over: nothing else tells that it waits for these, for no
 * job is touched when they go down. */
static bool
is_where_it_waits(const struct feed_filter *f, const struct note *n)
{
	bool network = strcmp(n->what, "network") == 0, origin = strcmp(n->what, "origin") == 0;
	const struct job *j = (network || origin) && f->n_jobs == 1 ? engine_job(f->engine, f->jobs[0]) : NULL;
	struct url a, b;
	const char *why;

	if (!j || job_is_over(j))
		return false;
	return network || (url_parse(note_words_of(n).name, &a, &why) == 0 &&
	    url_parse(spec_list(j->spec, JOB_URL, j->source), &b, &why) == 0 && url_same_origin(&a, &b));
}

static bool
takes(const struct feed_filter *f, const struct note *n)
{
	if (f->jobs && !is_where_it_waits(f, n) && !bsearch(&n->job, f->jobs, f->n_jobs, sizeof f->jobs[0], job_compare_ids))
		return false;
	if (f->states && (n->state < 0 || !(f->states & 1U << n->state)))
		return false;
	if (f->level && n->level > f->level)
		return false;
	if (f->whats && !takes_what(f->whats, n->what))
		return false;
	return !f->group || strcmp(note_words_of(n).group, f->group) == 0;
}

static void
put_word_of(struct json *w, const char *key, const char *text)
{
	if (*text)
		jsonw_key_string(w, key, text);
}

/* Members that it has no use for are left out. */
static void
put_note(struct json *w, uint64_t number, const struct note *n)
{
	struct note_words words = note_words_of(n);
	AUTO_FREE char *url = strcmp(n->what, "start") == 0 ? url_redact(words.text) : NULL;

	jsonw_begin_object(w);
	jsonw_key_u64(w, "number", number);
	jsonw_key(w, "time");
	jsonw_double(w, (double)n->at_ms / 1000);
	jsonw_key_string(w, n->level ? "level" : "what", n->what);
	if (n->job)
		jsonw_key_u64(w, "job", n->job);
	put_word_of(w, "name", words.name);
	put_word_of(w, "group", words.group);
	if (n->state >= 0)
		jsonw_key_string(w, "state", job_state_to_string((enum job_state)n->state));
	if (n->from >= 0)
		jsonw_key_string(w, "from", job_state_to_string((enum job_state)n->from));
	if (n->attempt)
		jsonw_key_u64(w, "attempt", n->attempt);
	put_word_of(w, n->from >= 0 ? "why" : "code", words.word);
	if (n->delay_ms)
		jsonw_key_u64(w, "delay_ms", n->delay_ms);
	if (n->bytes)
		jsonw_key_u64(w, "bytes", n->bytes);
	put_word_of(w, "text", url ? url : words.text);
	jsonw_end_object(w);
}

/* ---- Following ------------------------------------------------------------------- */

struct follow *
follow_new(struct feed *f, struct subscription *s, uint64_t after, struct feed_filter *take)
{
	struct follow *w = NEW(struct follow);

	w->feed = f;
	w->sub = s;
	w->next = after + 1;
	w->filter = *take;
	*take = (struct feed_filter){ 0 };
	list_append(&f->followers, &w->link);
	loop_defer(f->loop, &f->pump);
	return w;
}

static void
filter_done(struct feed_filter *f)
{
	free(f->jobs);
	free(f->group);
}

void
follow_free(struct follow *w)
{
	if (!w)
		return;
	list_remove(&w->link);
	filter_done(&w->filter);
	free(w);
}

void
follow_go_on(struct follow *w)
{
	if (w->next < w->feed->ring.next)
		loop_defer(w->feed->loop, &w->feed->pump);
}

static void
tell_lost(struct follow *w)
{
	struct json j = subscription_event(w->sub, "lost");

	jsonw_key_u64(&j, "count", w->feed->ring.first - w->next);
	jsonw_key_u64(&j, "from", w->next);
	jsonw_key_u64(&j, "to", w->feed->ring.first - 1);
	w->next = w->feed->ring.first;
	subscription_event_end(&j);
}

/* As much as its client takes now.  False: there is more, for the next turn. */
static bool
pump_one(struct follow *w, uint64_t until_ms)
{
	const struct ring *r = &w->feed->ring;

	for (unsigned looked = 0; w->next < r->next; w->next++) {
		const struct note *n;
		size_t size;

		if (!subscription_has_room(w->sub))
			return true; /* until it has read */
		if (looked++ == FEED_SCAN_MAX || (looked % 64 == 0 && clock_now_ms() >= until_ms))
			return false;
		if (w->next < r->first)
			tell_lost(w);
		n = ring_get(r, w->next, &size);
		if (!n)
			break; /* holes only */
		if (takes(&w->filter, n)) {
			struct json j = subscription_event(w->sub, w->feed->kind);

			jsonw_key(&j, w->feed->kind);
			put_note(&j, w->next, n);
			subscription_event_end(&j);
		}
	}
	return true;
}

static void
on_pump(void *arg)
{
	struct feed *f = arg;
	uint64_t until = clock_now_ms() + FEED_MS_PER_TURN;
	bool done = true;
	struct follow *w;

	LIST_FOREACH(w, &f->followers, struct follow, link) {
		uint64_t before = w->next;

		done &= pump_one(w, until);
		if (w->next != before)
			subscription_push(w->sub);
	}
	if (!done) {
		/* Whoever was first has been served: the next turn begins with another. */
		struct list *first = f->followers.next;

		list_remove(first);
		list_append(&f->followers, first);
		loop_defer(f->loop, &f->pump);
	}
}

/* ---- Asking ---------------------------------------------------------------------- */

/* Ids as they are, also of jobs that are gone; names must be somebody's. */
static bool
read_jobs(struct call *c, struct feed_filter *ret)
{
	json_t *one = json_object_get(c->params, "job"), *many = json_object_get(c->params, "jobs");
	size_t n = one ? 1 : json_array_size(many);

	if (!one && !many)
		return true;
	if ((one && many) || n == 0 || n > JOBS_PER_CALL) {
		call_fail(c, RPC_INVALID_PARAMS, "give \"job\", or \"jobs\": an array of 1 to %d ids and names", JOBS_PER_CALL);
		return false;
	}
	ret->jobs = xcalloc(n, sizeof ret->jobs[0]);
	ret->n_jobs = n;
	ret->engine = c->control->engine;
	for (size_t i = 0; i < n; i++) {
		const json_t *ref = one ? one : json_array_get(many, i);

		if (!call_job_number(c, ref, &ret->jobs[i]))
			return false;
	}
	qsort(ret->jobs, n, sizeof ret->jobs[0], job_compare_ids);
	return true;
}

static const char *
state_word(unsigned i)
{
	return job_state_to_string((enum job_state)i);
}

static const char *
what_word(unsigned i)
{
	return feed_words[i];
}

/* A word, or an array of some: bits.  False after the answer. */
static bool
read_words(struct call *c, const char *param, const char *(*word)(unsigned i), unsigned n_words, unsigned *ret)
{
	const json_t *v = json_object_get(c->params, param);
	size_t n = json_is_array(v) ? json_array_size(v) : v ? 1 : 0;

	for (size_t i = 0; i < n; i++) {
		const char *text = json_string_value(json_is_array(v) ? json_array_get(v, i) : v);
		unsigned k = 0;
		char safe[80];

		while (k < n_words && !(text && strcmp(word(k), text) == 0))
			k++;
		if (k == n_words) {
			call_fail(c, RPC_INVALID_PARAMS, "%s is a word, or an array of words: \"%s\" is none of them; see haul-rpc(7)",
			    param, text ? str_safe(safe, sizeof safe, text, strlen(text)) : "?");
			return false;
		}
		*ret |= 1U << k;
	}
	return true;
}

static bool
read_level(struct call *c, unsigned *ret)
{
	const json_t *v = json_object_get(c->params, "level");
	enum log_level level;

	if (!v)
		return true;
	if (!json_is_string(v) || log_level_from_string(json_string_value(v), &level) < 0) {
		call_fail(c, RPC_INVALID_PARAMS, "level is err, warning, notice, info or debug");
		return false;
	}
	*ret = level;
	return true;
}

static bool
read_filter(struct call *c, struct feed_filter *ret)
{
	const json_t *group = json_object_get(c->params, "group");

	if (!read_jobs(c, ret) || !read_level(c, &ret->level) ||
	    !read_words(c, "state", state_word, _JOB_STATE_MAX, &ret->states) ||
	    !read_words(c, "what", what_word, ARRAY_SIZE(feed_words), &ret->whats))
		return false;
	if (group && !json_is_string(group)) {
		call_fail(c, RPC_INVALID_PARAMS, "group is a name, a string");
		return false;
	}
	ret->group = group ? xstrdup(json_string_value(group)) : NULL;
	return true;
}

/* The number behind which the last `last` that fit begin. */
static uint64_t
before_last(const struct feed *f, const struct feed_filter *filter, uint64_t last)
{
	uint64_t at = f->ring.next;
	size_t size;

	for (unsigned looked = 0; last && at > f->ring.first && looked < FEED_SCAN_MAX; looked++)
		last -= takes(filter, ring_get(&f->ring, --at, &size));
	return at - 1;
}

/* Where the answer begins: behind this number.  False after the answer. */
static bool
read_since(struct call *c, const struct feed *f, const struct feed_filter *filter, bool follow, uint64_t *ret, bool *ret_restarted)
{
	const json_t *instance = json_object_get(c->params, "instance");
	uint64_t last;

	if (!call_number(c, "since", ret) || !call_number(c, "last", &last))
		return false;
	if (instance && !json_is_string(instance)) {
		call_fail(c, RPC_INVALID_PARAMS, "instance is the one of an earlier answer, a string");
		return false;
	}
	/* Numbers of another life say nothing here, and there are none that did not come yet. */
	*ret_restarted = (instance && strcmp(json_string_value(instance), f->instance) != 0) || *ret >= f->ring.next;
	if (*ret_restarted)
		*ret = 0;
	if (json_object_get(c->params, "last"))
		*ret = MAX(*ret, before_last(f, filter, last));
	else if (!json_object_get(c->params, "since") && !instance)
		*ret = follow ? f->ring.next - 1 : f->ring.first - 1;
	return true;
}

/* At most `limit` of those behind *at, which moves on. */
static void
put_page(struct json *w, const struct feed *f, const struct feed_filter *filter, uint64_t limit, uint64_t *at)
{
	uint64_t n = 0;
	size_t size;

	jsonw_key(w, "events");
	jsonw_begin_array(w);
	*at = MAX(*at, f->ring.first - 1);
	for (unsigned looked = 0; n < limit && *at + 1 < f->ring.next && looked < FEED_SCAN_MAX; looked++) {
		const struct note *note = ring_get(&f->ring, ++*at, &size);

		if (!takes(filter, note))
			continue;
		put_note(w, *at, note);
		n++;
	}
	jsonw_end_array(w);
}

void
method_feed(struct call *c, struct feed *f)
{
	struct feed_filter filter = { 0 };
	bool follow = json_is_true(json_object_get(c->params, "follow")), restarted;
	uint64_t limit, since;
	struct json w;

	if (!read_filter(c, &filter) || !call_number(c, "limit", &limit) ||
	    !read_since(c, f, &filter, follow, &since, &restarted)) {
		filter_done(&filter);
		return;
	}
	if (limit > FEED_MAX || (!limit && json_object_get(c->params, "limit")) ||
	    (follow && c->client->n_subscriptions == SUBSCRIPTIONS_MAX)) {
		call_fail(c, limit > FEED_MAX || !follow ? RPC_INVALID_PARAMS : RPC_TOO_MANY,
		    "limit is 1 to %d, and a client has at most %d subscriptions", FEED_MAX, SUBSCRIPTIONS_MAX);
		filter_done(&filter);
		return;
	}
	w = call_begin(c);
	jsonw_begin_object(&w);
	jsonw_key_string(&w, "instance", f->instance);
	jsonw_key_bool(&w, "restarted", restarted);
	jsonw_key_u64(&w, "first", f->ring.first);
	jsonw_key_u64(&w, "last", f->ring.next - 1);
	jsonw_key_u64(&w, "lost", since + 1 < f->ring.first ? f->ring.first - 1 - since : 0);
	put_page(&w, f, &filter, limit ? limit : FEED_DEFAULT, &since);
	jsonw_key_u64(&w, "next", since);
	if (follow)
		jsonw_key_u64(&w, "subscription", subscription_follow(c->client, f, since, &filter));
	filter_done(&filter);
	jsonw_end_object(&w);
	call_end(c, &w);
}
