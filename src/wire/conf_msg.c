/* What hauld-conf says; see conf_msg.h. */
#include "wire/conf_msg.h"

#include <string.h>

void
conf_put_text(struct buf *out, enum conf_msg_type type, const char *text)
{
	size_t f = frame_begin(out, type, CONF_PROTO, 0);

	put_str(out, text);
	frame_end(out, f);
}

int
conf_get_text(const struct message *m, struct text *ret)
{
	struct cursor c;

	cursor_init(&c, m->payload, m->len);
	*ret = get_text(&c);
	return cursor_finish(&c);
}

void
conf_put_spec(struct buf *out, enum conf_msg_type type, const struct buf *spec)
{
	size_t f = frame_begin(out, type, CONF_PROTO, 0);

	buf_append(out, buf_bytes(spec), buf_len(spec));
	frame_end(out, f);
}

void
conf_put_end(struct buf *out, const struct conf_end *end)
{
	size_t f = frame_begin(out, CONF_END, CONF_PROTO, 0);

	put_u64(out, end->jobs);
	put_u64(out, end->errors);
	frame_end(out, f);
}

int
conf_get_end(const struct message *m, struct conf_end *ret)
{
	struct cursor c;

	cursor_init(&c, m->payload, m->len);
	ret->jobs = get_u64(&c);
	ret->errors = get_u64(&c);
	return cursor_finish(&c);
}
