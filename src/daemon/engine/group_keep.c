/*
 * What outlives hauld of a group, in a note: what clients set and paused, since when
 * its run goes on and what it is ended with, and how the members ended that are over.
 */
#include "base/cursor.h"
#include "base/mem.h"
#include "daemon/engine/group.h"
#include "daemon/engine/notes.h"

enum { NOTE_VERSION = 2 };

static bool
is_worth_a_note(const struct group *g)
{
	return g->made || g->paused != g->conf_paused || buf_len(&g->own) || g->ending.code != RESULT_OK || g->started_s ||
	    (g->running && spec_has(g->spec, GROUP_DEADLINE)) ||
	    g->counts[JOB_DONE] || g->counts[JOB_FAILED] || g->counts[JOB_CANCELLED] > g->interrupted;
}

static void
pack(const struct group *g, struct buf *out)
{
	put_u8(out, NOTE_VERSION);
	put_u8(out, g->made);
	put_u8(out, g->paused);
	put_u8(out, g->conf_paused);
	put_u8(out, g->running);
	put_u64(out, (uint64_t)g->started_s);
	put_u64(out, (uint64_t)(g->running ? g->begun_s : 0));
	put_u16(out, (uint16_t)g->ending.code);
	put_str(out, g->ending.text);
	put_u64(out, g->counts[JOB_DONE]);
	put_u64(out, g->counts[JOB_FAILED]);
	put_u64(out, g->counts[JOB_CANCELLED] - g->interrupted);
	put_blob(out, buf_bytes(&g->own), buf_len(&g->own));
}

static void
tell(struct group *g, const struct buf *b)
{
	AUTO_FREE char *key = xasprintf("group:%s", g->name);

	buf_consume(&g->noted, buf_len(&g->noted));
	buf_append(&g->noted, buf_bytes(b), buf_len(b));
	note_put(g->engine, key, buf_bytes(b), buf_len(b));
}

void
group_note(struct group *g)
{
	AUTO_BUF struct buf b = { 0 };

	if (!g->engine->ops->on_note)
		return;
	if (is_worth_a_note(g))
		pack(g, &b);
	if (buf_len(&b) != buf_len(&g->noted) ||
	    (buf_len(&b) && memcmp(buf_bytes(&b), buf_bytes(&g->noted), buf_len(&b)) != 0))
		tell(g, &b);
}

static void
on_keep(void *arg)
{
	group_note(arg);
	group_tidy(arg);
}

void
group_keep_init(struct group *g)
{
	loop_deferred_init(&g->keep, "note group", on_keep, g);
}

void
group_keep_soon(struct group *g)
{
	loop_defer(g->engine->loop, &g->keep);
}

void
group_unnote(struct group *g)
{
	static const struct buf nothing;

	if (buf_len(&g->noted))
		tell(g, &nothing);
}

struct note {
	bool made, paused, conf_paused, running;
	int64_t started_s, begun_s;
	enum result_code ending;
	struct text text, own;
	uint64_t done, failed, cancelled;
};

static bool
unpack(const void *data, size_t n, struct note *ret)
{
	struct cursor c;
	uint64_t version;

	cursor_init(&c, data, n);
	version = get_below(&c, get_u8(&c), NOTE_VERSION + 1);
	ret->made = get_bool(&c);
	ret->paused = get_bool(&c);
	ret->conf_paused = get_bool(&c);
	ret->running = get_bool(&c);
	ret->started_s = (int64_t)get_u64(&c);
	ret->begun_s = version > 1 ? (int64_t)get_u64(&c) : ret->started_s;
	ret->ending = (enum result_code)get_below(&c, get_u16(&c), _RESULT_CODE_MAX);
	ret->text = get_text(&c);
	ret->done = get_u64(&c);
	ret->failed = get_u64(&c);
	ret->cancelled = get_u64(&c);
	ret->own = get_blob(&c);
	return cursor_finish(&c) == 0;
}

/* It goes on where it was, when there are members that are not over; see groups_restored(). */
static void
restore_run(struct group *g, const struct note *note)
{
	g->counts[JOB_DONE] = note->done;
	g->counts[JOB_FAILED] = note->failed;
	g->counts[JOB_CANCELLED] = note->cancelled;
	g->running = note->running;
	if (!note->running)
		return;
	g->begun_s = note->begun_s;
	group_set_deadline(g);
	if (note->ending != RESULT_OK) {
		result_set(&g->ending, note->ending, "%.*s", (int)note->text.len, note->text.at);
		group_set_hold(g); /* what is about to be ended does not begin before that */
	}
	if (note->started_s > 0)
		group_begin_at(g, note->started_s);
}

void
group_note_restore(struct engine *e, const char *name, const void *data, size_t n)
{
	AUTO_SPEC struct spec *own = NULL;
	struct note note;
	struct group *g;

	if (!unpack(data, n, &note) || spec_new(SCOPE_GROUP, note.own.at, note.own.len, NULL, &own) < 0)
		return;
	g = group_get(e, name);
	g->made = note.made;
	buf_consume(&g->own, buf_len(&g->own));
	buf_append(&g->own, note.own.at, note.own.len);
	if (note.conf_paused == g->conf_paused) /* else the configuration has another mind now */
		g->paused = note.paused;
	group_take_settings(g);
	buf_consume(&g->noted, buf_len(&g->noted));
	buf_append(&g->noted, data, n);
	restore_run(g, &note);
}
