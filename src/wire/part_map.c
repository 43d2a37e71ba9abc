/* The map beside a part file; see part_map.h. */
#include "wire/part_map.h"

#include <errno.h>
#include <string.h>

#include "base/crc.h"

enum { RECORD_HEADER = 12 }; /* magic, length of the body, checksum of the body */
enum magic { /* "hm", the format's version, the record's kind */
	MAGIC_HEAD = 0x01016d68,
	MAGIC_CELL = 0x02016d68,
	MAGIC_SLOT = 0x03016d68,
	MAGIC_END = 0x04016d68,
};

static bool
put_record(struct buf *b, enum magic magic, const struct buf *body, size_t max)
{
	if (RECORD_HEADER + buf_len(body) > max)
		return false;
	put_u32(b, (uint32_t)magic);
	put_u32(b, (uint32_t)buf_len(body));
	put_u32(b, crc32c(buf_bytes(body), buf_len(body)));
	buf_append(b, buf_bytes(body), buf_len(body));
	return true;
}

/* Sets the cursor to the body of the record at a place. */
static int
get_record(const void *map, size_t n, size_t place, size_t max, enum magic magic, struct cursor *ret)
{
	const uint8_t *at = (const uint8_t *)map + place;
	struct cursor c;
	uint32_t length, crc;

	if (n < place + RECORD_HEADER)
		return -EPROTO;
	cursor_init(&c, at, RECORD_HEADER);
	if (get_u32(&c) != (uint32_t)magic)
		return -EPROTO;
	length = get_u32(&c);
	crc = get_u32(&c);
	if (length > max - RECORD_HEADER || length > n - place - RECORD_HEADER ||
	    crc32c(at + RECORD_HEADER, length) != crc)
		return -EPROTO;
	cursor_init(ret, at + RECORD_HEADER, length);
	return 0;
}

bool
part_map_put_head(struct buf *b, const struct part_map_head *h)
{
	AUTO_BUF struct buf body = { 0 };

	put_u64(&body, h->job);
	put_u32(&body, h->generation);
	put_u64(&body, h->inode);
	put_u64(&body, h->size);
	put_blob(&body, h->url.at, h->url.len);
	put_blob(&body, h->etag.at, h->etag.len);
	put_u64(&body, (uint64_t)h->modified);
	return put_record(b, MAGIC_HEAD, &body, PART_MAP_HEAD_MAX);
}

int
part_map_get_head(const void *map, size_t n, struct part_map_head *ret)
{
	struct cursor c;

	if (get_record(map, n, PART_MAP_HEAD, PART_MAP_HEAD_MAX, MAGIC_HEAD, &c) < 0)
		return -EPROTO;
	ret->job = get_u64(&c);
	ret->generation = get_u32(&c);
	ret->inode = get_u64(&c);
	ret->size = get_below(&c, get_u64(&c), (uint64_t)INT64_MAX + 1);
	ret->url = get_blob(&c);
	ret->etag = get_blob(&c);
	ret->modified = (int64_t)get_u64(&c);
	return cursor_finish(&c);
}

void
part_map_put_cell(struct buf *b, const struct part_map_cell *cell)
{
	AUTO_BUF struct buf body = { 0 };

	put_text(&body, cell->boot.at, cell->boot.len);
	put_u64(&body, cell->front);
	(void)put_record(b, MAGIC_CELL, &body, SIZE_MAX);
}

int
part_map_get_cell(const void *map, size_t n, struct part_map_cell *ret)
{
	struct cursor c;

	if (get_record(map, n, PART_MAP_CELL, PART_MAP_SLOTS - PART_MAP_CELL, MAGIC_CELL, &c) < 0)
		return -EPROTO;
	ret->boot = get_text(&c);
	ret->front = get_u64(&c);
	return cursor_finish(&c);
}

uint64_t
part_map_slot_place(uint64_t sequence)
{
	return PART_MAP_SLOTS + sequence % 2 * PART_MAP_SLOT_MAX;
}

bool
part_map_put_slot(struct buf *b, const struct part_map_slot *s)
{
	AUTO_BUF struct buf body = { 0 };

	put_u64(&body, s->sequence);
	put_u64(&body, s->durable);
	put_u64(&body, s->hashed);
	put_blob(&body, s->states.at, s->states.len);
	return put_record(b, MAGIC_SLOT, &body, PART_MAP_SLOT_MAX);
}

void
part_map_get_slot(const void *map, size_t n, struct part_map_slot *ret)
{
	*ret = (struct part_map_slot){ 0 };
	for (uint64_t i = 0; i < 2; i++) {
		struct part_map_slot s;
		struct cursor c;

		if (get_record(map, n, part_map_slot_place(i), PART_MAP_SLOT_MAX, MAGIC_SLOT, &c) < 0)
			continue;
		s.sequence = get_u64(&c);
		s.durable = get_u64(&c);
		s.hashed = get_u64(&c);
		s.states = get_blob(&c);
		if (cursor_finish(&c) == 0 && s.sequence > ret->sequence)
			*ret = s;
	}
}

bool
part_map_put_end(struct buf *b, const struct part_map_end *e)
{
	AUTO_BUF struct buf body = { 0 };

	put_text(&body, e->boot.at, e->boot.len);
	put_u8(&body, e->synced);
	put_text(&body, e->name.at, e->name.len);
	put_u64(&body, e->inode);
	put_u64(&body, e->size);
	put_u64(&body, e->in);
	put_u8(&body, (uint8_t)e->codec);
	return put_record(b, MAGIC_END, &body, PART_MAP_END_MAX);
}

int
part_map_get_end(const void *map, size_t n, struct part_map_end *ret)
{
	struct cursor c;

	if (get_record(map, n, PART_MAP_END, PART_MAP_END_MAX, MAGIC_END, &c) < 0)
		return -EPROTO;
	ret->boot = get_text(&c);
	ret->synced = get_bool(&c);
	ret->name = get_text(&c);
	ret->inode = get_u64(&c);
	ret->size = get_u64(&c);
	ret->in = get_u64(&c);
	ret->codec = (enum codec)get_below(&c, get_u8(&c), _CODEC_MAX);
	return cursor_finish(&c);
}

uint64_t
part_map_front(const void *map, size_t n, const char *boot)
{
	struct part_map_head head;
	struct part_map_cell cell;
	struct part_map_slot slot;
	uint64_t front;

	if (part_map_get_head(map, n, &head) < 0)
		return 0;
	part_map_get_slot(map, n, &slot);
	front = slot.durable;
	/* Without a boot id each start is taken for a new one. */
	if (part_map_get_cell(map, n, &cell) == 0 && cell.boot.len && cell.boot.len == strlen(boot) &&
	    memcmp(cell.boot.at, boot, cell.boot.len) == 0 && cell.front > front)
		front = cell.front;
	return front > head.size ? 0 : front;
}
