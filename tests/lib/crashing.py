"""Behaviours of the misbehaving server for tests that kill hauld in the middle of things."""

import asyncio
import functools
import json
import os

from behaviours import LAST_MODIFIED, route
from resuming import asked_start, dated

PIECE = 16 << 10
VERSIONS = 3


@functools.lru_cache(maxsize=256)
def asset(root, name):
    with open(os.path.join(root, os.path.basename(name)), "rb") as f:
        return f.read()


def state_of(server):
    """With what is being sent (connection number -> connection, its numbers) and the version of
    the files that change."""
    if not hasattr(server, "crash_sending"):
        server.crash_sending, server.crash_version, server.crash_hurry = {}, 0, False
    return server


def heads_of(kind, name, version):
    """The validators of that version; hours lie between two."""
    date = dated(LAST_MODIFIED + 3600 * version)
    now = {"Date": dated(LAST_MODIFIED + 86400)}
    if kind == "etag":
        return {**now, "ETag": '"%s-%d"' % (name, version), "Last_Modified": date}
    if kind == "modified":
        return {**now, "Last_Modified": date}
    if kind == "weak":
        return {**now, "ETag": 'W/"%s-%d"' % (name, version)}
    return now


async def send_paced(c, data, at, rate, sending, frame):
    while at < len(data):
        piece = data[at:at + PIECE]
        sending["sent"] += len(piece)
        await c.send(frame(piece))
        at += len(piece)
        if rate:
            await asyncio.sleep(len(piece) / rate)


@route("crash")
async def crash(c, r):
    """/crash/NAME?n=JOB&how=length|chunked|close&val=etag|modified|weak|none[&rate=BYTES A
    SECOND][&vary=1]: a file beneath --root; vary: NAME-V, V as /crash-now/V has has set it"""
    server = state_of(c.server)
    name, version = r.parts[1], 0
    if "vary" in r.query:
        version = server.crash_version % VERSIONS
        name = "%s-%d" % (name, version)
    data = asset(server.options.root, name)
    how, rate = r.query["how"], 0 if server.crash_hurry else int(r.query.get("rate", 0))
    heads = heads_of(r.query["val"], name, version)
    start = 0
    if how == "length":
        strong = [v for v in (heads.get("ETag"), heads.get("Last_Modified")) if v and not v.startswith("W/")]
        start = asked_start(r, strong)
    sending = {"path": r.target, "start": start, "sent": 0, "port": c.transport.get_extra_info("peername")[1]}
    server.crash_sending[c.number] = (c, sending)
    try:
        if how == "chunked":
            await c.head(Transfer_Encoding="chunked", **heads)
            await send_paced(c, data, 0, rate, sending, lambda p: b"%x\r\n%s\r\n" % (len(p), p))
            await c.send("0\r\n\r\n")
        elif how == "close":
            await c.head(Connection="close", **heads)
            await send_paced(c, data, 0, rate, sending, bytes)
            c.finish()
        else:
            size = len(data)
            if start:
                await c.head(206, Content_Length=size - start,
                             Content_Range="bytes %d-%d/%d" % (start, size - 1, size), **heads)
            else:
                await c.head(Content_Length=size, Accept_Ranges="bytes", **heads)
            await send_paced(c, data, start, rate, sending, bytes)
    finally:
        del server.crash_sending[c.number]
        server.log(ev="served", n=c.current, path=r.target, start=start, sent=sending["sent"])


@route("crash-now")
async def crash_now(c, r):
    """/crash-now/V[?hurry=1]: files that change are of version V from now on, and none is sent
    slowly; answers with what is being sent at this moment"""
    server = state_of(c.server)
    server.crash_version, server.crash_hurry = int(r.parts[1]), "hurry" in r.query
    now = [{**s, "buffered": conn.transport.get_write_buffer_size()} for conn, s in server.crash_sending.values()]
    await c.answer(json.dumps(now), Connection="close")
    c.close_after = True
