/* Facts that outlive the daemon; see notes.h. */
#include "daemon/engine/notes.h"

#include <string.h>

#include "base/str.h"
#include "daemon/engine/deadline.h"
#include "daemon/engine/download.h"
#include "daemon/engine/limits.h"
#include "daemon/engine/order.h"
#include "daemon/engine/set.h"

/* rest: the key behind its first word.  What makes no sense is ignored. */
typedef void (*note_fn)(struct engine *e, const char *rest, const void *data, size_t n);

static const struct {
	const char *prefix; /* "event:" */
	note_fn restore;
} owners[] = {
	{ "deadline:", deadline_restore_note },
	{ "event:", order_restore_event },
	{ "group:", group_note_restore },
	{ "swap:", set_note_restore },
	{ "limit:", limits_restore },
	{ "paused:", engine_paused_restore },
	{ "passed:", order_restore_passed },
	{ NULL, NULL }, /* ends them */
};

void
note_put(struct engine *e, const char *key, const void *data, size_t n)
{
	if (e->ops->on_note)
		e->ops->on_note(key, data, n, e->arg);
}

bool
note_restore(struct engine *e, const char *key, const void *data, size_t n)
{
	for (size_t i = 0; owners[i].prefix; i++)
		if (has_prefix(key, owners[i].prefix)) {
			owners[i].restore(e, key + strlen(owners[i].prefix), data, n);
			return true;
		}
	return false;
}
