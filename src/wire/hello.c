/* Who speaks first; see hello.h. */
#include "wire/hello.h"

#include <errno.h>
#include <string.h>

#include "base/cursor.h"
#include "wire/build_id.h"

void
hello_put(struct buf *out, uint16_t type, uint8_t proto)
{
	size_t f = frame_begin(out, type, proto, 0);

	put_str(out, build_id);
	frame_end(out, f);
}

int
hello_get(const struct message *m, uint16_t type, uint8_t proto)
{
	struct cursor c;
	struct text id;

	if (m->type != type)
		return -EPROTO;
	if (m->version != proto)
		return -ESTALE;
	cursor_init(&c, m->payload, m->len);
	id = get_text(&c);
	if (cursor_finish(&c) < 0)
		return -EPROTO;
	return id.len == strlen(build_id) && memcmp(id.at, build_id, id.len) == 0 ? 0 : -ESTALE;
}
