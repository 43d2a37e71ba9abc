/* What hauld and hauld-spawn say to each other; see spawn_msg.h. */
#include "wire/spawn_msg.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "wire/hello.h"

static int
get_text_only(const struct message *m, struct text *ret, size_t max)
{
	struct cursor c;

	cursor_init(&c, m->payload, m->len);
	*ret = get_text(&c);
	if (ret->len > max)
		cursor_fail(&c);
	return cursor_finish(&c);
}

void
spawn_put_hello(struct buf *out)
{
	hello_put(out, SPAWN_HELLO, SPAWN_PROTO);
}

int
spawn_get_hello(const struct message *m)
{
	return hello_get(m, SPAWN_HELLO, SPAWN_PROTO);
}

static unsigned
count(char *const *list)
{
	unsigned n = 0;

	while (list[n])
		n++;
	return n;
}

static void
put_list(struct buf *out, char *const *list)
{
	put_u8(out, (uint8_t)count(list));
	for (; *list; list++)
		put_str(out, *list);
}

/* Never NULL, so that spawn_run_done() has it easy. */
static char **
get_list(struct cursor *c, unsigned max)
{
	unsigned n = (unsigned)get_below(c, get_u8(c), max + 1);
	char **list = xcalloc(n + 1, sizeof list[0]);
	size_t all = 0;

	for (unsigned i = 0; i < n && !c->failed; i++) {
		struct text t = get_text(c);

		all += t.len;
		if (all > SPAWN_ARGV_BYTES_MAX || (t.len && memchr(t.at, '\0', t.len)))
			cursor_fail(c);
		else if (!c->failed)
			list[i] = xstrndup(t.len ? t.at : "", t.len);
	}
	return list;
}

void
spawn_put_run(struct buf *out, uint64_t id, const struct spawn_run *r)
{
	size_t f = frame_begin(out, SPAWN_RUN, SPAWN_PROTO, id);

	put_u8(out, r->answers);
	put_u64(out, r->timeout_ms);
	put_list(out, r->argv);
	put_list(out, r->env);
	put_blob(out, r->input.at, r->input.len);
	frame_end(out, f);
}

int
spawn_get_run(const struct message *m, struct spawn_run *ret)
{
	struct cursor c;

	cursor_init(&c, m->payload, m->len);
	ret->answers = get_bool(&c);
	ret->timeout_ms = get_u64(&c);
	ret->argv = get_list(&c, SPAWN_ARGS_MAX);
	ret->env = get_list(&c, SPAWN_ENV_MAX);
	ret->input = get_blob(&c);
	if (!ret->argv[0] || ret->input.len > SPAWN_INPUT_MAX || !ret->timeout_ms || ret->timeout_ms > INT64_MAX)
		cursor_fail(&c);
	if (cursor_finish(&c) == 0)
		return 0;
	spawn_run_done(ret);
	return -EPROTO;
}

static void
free_list(char **list)
{
	for (char **s = list; *s; s++)
		free(*s);
	free(list);
}

void
spawn_run_done(struct spawn_run *r)
{
	free_list(r->argv);
	free_list(r->env);
	*r = (struct spawn_run){ 0 };
}

void
spawn_put_kill(struct buf *out, uint64_t id)
{
	frame_end(out, frame_begin(out, SPAWN_KILL, SPAWN_PROTO, id));
}

int
spawn_get_kill(const struct message *m)
{
	return m->len ? -EPROTO : 0;
}

void
spawn_put_line(struct buf *out, uint64_t id, struct text line)
{
	size_t f = frame_begin(out, SPAWN_LINE, SPAWN_PROTO, id);

	put_text(out, line.at, line.len);
	frame_end(out, f);
}

int
spawn_get_line(const struct message *m, struct text *ret)
{
	return get_text_only(m, ret, SPAWN_LINE_MAX);
}

void
spawn_put_end(struct buf *out, uint64_t id, const struct spawn_end *e)
{
	size_t f = frame_begin(out, SPAWN_END, SPAWN_PROTO, id);

	put_u8(out, (uint8_t)e->how);
	put_u8(out, e->value);
	put_u8(out, e->timed_out);
	put_u8(out, e->cut);
	put_u64(out, e->dropped);
	put_text(out, e->text.at, e->text.len);
	put_text(out, e->answer.at, e->answer.len);
	frame_end(out, f);
}

int
spawn_get_end(const struct message *m, struct spawn_end *ret)
{
	struct cursor c;

	cursor_init(&c, m->payload, m->len);
	ret->how = (enum spawn_how)get_below(&c, get_u8(&c), _SPAWN_HOW_MAX);
	ret->value = get_u8(&c);
	ret->timed_out = get_bool(&c);
	ret->cut = get_bool(&c);
	ret->dropped = get_u64(&c);
	ret->text = get_text(&c);
	ret->answer = get_text(&c);
	if (ret->text.len > SPAWN_TEXT_MAX || ret->answer.len > SPAWN_ANSWER_MAX)
		cursor_fail(&c);
	return cursor_finish(&c);
}
