"""Behaviours of the misbehaving server: odd answers to the question for the rest of a file, and
connections that bring more than was asked for."""

import asyncio

from behaviours import route
from bodies import body_range, parse_size
from resuming import asked_start, heads_of, held, turn


@route("rest")
async def rest(c, r):
    """/rest/SIZE/HOW?key=K[&cut=N][&etag=E]: the first answer is cut in the middle; the rest comes as HOW says:
    close (no length, its end is that of the connection; the first N of them are cut), bare
    (without Last-Modified), endless (chunks beyond its end, for ever), chunked"""
    size, how, n = parse_size(r.parts[1]), r.parts[2], turn(c, r)
    heads = heads_of(r)
    start = asked_start(r, list(heads.values()))
    data = b"".join(body_range(size, r.seed, 0, size))
    if not start:
        await c.head(Content_Length=size, **heads)
        await c.send(data[:size // 2] if n == 1 else data)
        c.finish()
    heads["Content_Range"] = "bytes %d-%d/%d" % (start, size - 1, size)
    if how == "close":
        left = data[start:]
        await c.head(206, Connection="close", **heads)
        await c.send(left[:len(left) // 2] if n <= 1 + int(r.query.get("cut", 0)) else left)
        c.finish()
    if how == "bare":
        del heads["Last_Modified"]
        await c.head(206, Content_Length=size - start, **heads)
        await c.send(data[start:])
        return
    await c.head(206, Transfer_Encoding="chunked", **heads)
    for piece in (data[at:at + (1 << 16)] for at in range(start, size, 1 << 16)):
        await c.send(b"%x\r\n%s\r\n" % (len(piece), piece))
    while how == "endless":
        await c.send(b"%x\r\n%s\r\n" % (1 << 16, b"x" * (1 << 16)))
    await c.send("0\r\n\r\n")


@route("late-held")
async def late_held(c, r):
    """/late-held/SIZE/UPTO/N?gate=NAME&...: as /held, but not before the test opens the gate"""
    await c.server.gates[r.query["gate"]].wait()
    await held(c, r)


@route("leftover")
async def leftover(c, r):
    """/leftover/SIZE?key=K: a right answer; some bytes behind the first one of that key, while nobody waits for any"""
    size, n = parse_size(r.parts[1]), turn(c, r)
    await c.head(Content_Length=size)
    await c.send_body(size, r.seed)
    if n == 1:
        await asyncio.sleep(0.1)
        await c.send("\r\nthese are of no answer\r\n")
