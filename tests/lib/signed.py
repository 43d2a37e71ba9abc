"""Behaviours of the misbehaving server for urls that expire."""

from behaviours import route
from bodies import body_range, parse_size
from resuming import asked_start, heads_of, send, turn


@route("signed")
async def signed(c, r):
    """/signed/SIZE?key=K&token=T[&status=403]: T "once" gets half of the file, and STATUS
    from its second use on; T "good" gets what it asks for; any other gets STATUS"""
    size, token = parse_size(r.parts[1]), r.query.get("token", "")
    status = int(r.query.get("status", "403"))
    first = token == "once" and turn(c, r) == 1
    if not first and token != "good":
        await c.answer("expired\n", status)
        return
    heads = heads_of(r, '"signed"')
    if r.header("If-None-Match") == heads["ETag"]:
        await c.answer("", 304, **heads)
        return
    start = asked_start(r, [heads["ETag"]])
    data = b"".join(body_range(size, r.seed, 0, size))
    await send(c, data, start, size // 2 if first else size, **heads)
