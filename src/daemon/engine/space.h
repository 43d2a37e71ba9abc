/*
 * Jobs and the room on their filesystems: which may begin, which must wait
 * (blocked, disk-space or quota).  HACKING section 3 has the rules; who waits, and when it goes
 * on, is room.c's.  Callers: download.c, engine.c, commands.c, door.c, work.c.
 */
#pragma once

#include "daemon/engine/download.h"

/* A job is about to make its first request.  false: it waits, or has failed; the
 * download may be gone. */
bool space_may_start(struct download *d);
/* The header of the file came: claims what is announced.  false: *why it does not
 * fit. */
bool space_admit(struct download *d, struct result *why);
/* The part has bytes up to front; a decoder has made so many. */
void space_front(struct download *d, uint64_t front);
void space_unpacked(struct download *d, uint64_t made);
/* The transfer ended for want of room, but what came can be continued: it waits
 * with its part and its workers.  false: it is to be cleaned up. */
bool space_later(struct download *d, const struct result *r);
/* The attempt failed and all was let go: if it was for want of room, the job waits
 * without a download (it is gone then).  false: it is for others to decide. */
bool space_park(struct download *d);
/* It does not need what it claimed. */
void space_give_back(struct download *d);
/* It waits no more; nothing happens when it did not. */
void space_leave(struct entry *en);
bool space_is_waiting(const struct entry *en);
/* What for: "disk-space" or "quota"; NULL: it does not wait for room. */
const char *space_why(const struct entry *en);
/* About once a second while transfers run. */
void space_tick(struct engine *e);
/* There are new numbers: who receives and may not any more stops. */
void space_looked(struct room *room);
