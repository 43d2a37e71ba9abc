/* Cycles; see cycle.h. */
#include "model/cycle.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"

enum { SHOWN_FIRST = 8, SHOWN_LAST = 3 };
enum colour { UNSEEN, ON_PATH, SEEN };

struct step {
	size_t node;
	unsigned next;
};

/* From one node, depth first: the path is a stack of our own, for it may be as long
 * as there are nodes.  The length of the cycle, which is then the end of the path
 * from *ret_at on; 0: there is none. */
static size_t
walk(size_t from, struct step *path, uint8_t *colours, cycle_next_cb next, void *arg, size_t *ret_at)
{
	size_t len = 1, to;

	path[0] = (struct step){ from, 0 };
	colours[from] = ON_PATH;
	while (len) {
		struct step *s = &path[len - 1];

		if (!next(s->node, s->next++, &to, arg)) {
			colours[s->node] = SEEN;
			len--;
		} else if (to != CYCLE_NONE && colours[to] == ON_PATH) {
			for (*ret_at = 0; path[*ret_at].node != to; ++*ret_at)
				;
			return len - *ret_at;
		} else if (to != CYCLE_NONE && colours[to] == UNSEEN) {
			colours[to] = ON_PATH;
			path[len++] = (struct step){ to, 0 };
		}
	}
	return 0;
}

size_t *
cycle_find(size_t n, cycle_next_cb next, void *arg, size_t *ret_len)
{
	AUTO_FREE struct step *path = xcalloc(n + 1, sizeof path[0]);
	AUTO_FREE uint8_t *colours = xcalloc(n + 1, 1);
	size_t len = 0, at = 0, *ret;

	for (size_t i = 0; i < n && !len; i++)
		if (colours[i] == UNSEEN)
			len = walk(i, path, colours, next, arg, &at);
	if (!len)
		return NULL;
	ret = xcalloc(len, sizeof ret[0]);
	for (size_t i = 0; i < len; i++)
		ret[i] = path[at + i].node;
	*ret_len = len;
	return ret;
}

char *
cycle_text(const size_t *path, size_t len, cycle_name_cb name, void *arg)
{
	AUTO_BUF struct buf b = { 0 };

	for (size_t i = 0; i <= len; i++) {
		if (len > SHOWN_FIRST + SHOWN_LAST && i == SHOWN_FIRST) {
			buf_printf(&b, " -> ... (%zu more)", len - SHOWN_FIRST - SHOWN_LAST);
			i = len - SHOWN_LAST;
		}
		buf_printf(&b, "%s%s", i ? " -> " : "", name(path[i % len], arg));
	}
	return xstrdup(buf_cstr(&b));
}
