"""Behaviours of the misbehaving server for downloads that go on where they broke."""

import asyncio
import email.utils
import os

from behaviours import LAST_MODIFIED, route
from bodies import body_range, parse_size

SIZE = 3 << 20


def dated(seconds):
    return email.utils.formatdate(seconds, usegmt=True)


def turn(c, r):
    """How often this key was asked for, this time included."""
    key = "resume " + r.query.get("key", r.path)
    c.server.failed[key] += 1
    return c.server.failed[key]


def asked_start(r, validators):
    """The first byte that is asked for, 0 when the condition does not hold."""
    asked = r.header("Range", "")
    if not asked.startswith("bytes=") or not asked.endswith("-"):
        return 0
    return int(asked[6:-1]) if r.header("If-Range", "") in validators else 0


async def send(c, data, start, end, **heads):
    """data from start on, cut before end."""
    size = len(data)
    if start:
        await c.head(206, Content_Length=size - start, Content_Range="bytes %d-%d/%d" % (start, size - 1, size), **heads)
    else:
        await c.head(Content_Length=size, **heads)
    await c.send(data[start:end])
    if end < size:
        c.finish()


def heads_of(r, default='"cut"'):
    etag = r.query.get("etag", default)
    heads = {"Last_Modified": dated(LAST_MODIFIED), "Date": dated(LAST_MODIFIED + 3600), "Accept_Ranges": "bytes"}
    if etag:
        heads["ETag"] = etag
    return heads


async def cut_data(c, r, data, times):
    n = turn(c, r)
    if "busy" in r.query and n == 2:
        await c.answer("busy\n", 503, Retry_After=r.query.get("after", 0))
        return
    heads = heads_of(r)
    strong = [v for v in (heads.get("ETag", heads["Last_Modified"]),) if not v.startswith("W/")]
    start = asked_start(r, strong)
    end = len(data) if n > times else min(len(data), start + len(data) // 8)
    if "stuck" in r.query and start:
        end = start
    await send(c, data, start, end, **heads)


@route("cut")
async def cut(c, r):
    """/cut/SIZE/N?key=K[&etag=E][&busy=1[&after=S]][&stuck=1]: the first N answers are cut after an
    eighth more; ranges are honoured under If-Range.  etag= has none; busy: the second
    answer is 503; stuck: a range gives nothing"""
    size = parse_size(r.parts[1])
    await cut_data(c, r, b"".join(body_range(size, r.seed, 0, size)), int(r.parts[2]))


@route("cut-file")
async def cut_file(c, r):
    """/cut-file/NAME/N?key=K: the same with a file beneath --root"""
    with open(os.path.join(c.server.options.root, os.path.basename(r.parts[1])), "rb") as f:
        await cut_data(c, r, f.read(), int(r.parts[2]))


REFUSALS = {"416": lambda start: {"Content_Range": "bytes */%d" % SIZE},
            "416-have-all": lambda start: {"Content_Range": "bytes */%d" % start},
            "416-bare": lambda start: {},
            "416-lies": lambda start: {"Content_Range": "bytes %d-%d/%d" % (start, SIZE - 1, SIZE)}}


@route("changes")
async def changes(c, r):
    """/changes/HOW?key=K: the first answer is half of a file that then changes; HOW says
    what the answer to the range is like: it must not be believed"""
    how, n = r.parts[1], turn(c, r)
    old, new = (b"".join(body_range(SIZE, seed, 0, SIZE)) for seed in ("old", "new"))
    heads = {"Last_Modified": dated(LAST_MODIFIED), "Date": dated(LAST_MODIFIED + 3600)}
    if n == 1:
        etag = {"weak": 'W/"1"', "no-validator": None, "modified": None}.get(how, '"1"')
        if how == "no-validator":
            heads = {}
        await send(c, old, 0, SIZE // 2, **heads, **({"ETag": etag} if etag else {}))
    ranged = r.header("Range", "")
    if not ranged:
        await send(c, new, 0, SIZE, ETag='"2"')
        return
    start = int(ranged[6:-1])
    range_of = "bytes %d-%d/%d" % (start, SIZE - 1, SIZE)
    rest = {"Content_Length": SIZE - start, "Content_Range": range_of, "ETag": '"1"'}
    if how == "etag":
        rest["ETag"] = '"2"'
    elif how == "size":
        rest["Content_Range"] = "bytes %d-%d/%d" % (start, SIZE - 1, SIZE + 1)
    elif how == "modified":
        rest = {**rest, "Last_Modified": dated(LAST_MODIFIED + 7200)}
        del rest["ETag"]
    elif how == "other-start":
        rest["Content_Range"] = "bytes %d-%d/%d" % (start + 1, SIZE, SIZE + 1)
    elif how == "no-range":
        del rest["Content_Range"]
    elif how == "coded":
        rest["Content_Encoding"] = "gzip"
    elif how == "banana":
        rest["Content_Range"] = "bytes banana"
    elif how in REFUSALS:
        await c.answer("no\n", 416, **REFUSALS[how](start))
        return
    elif how == "past-end":
        rest["Content_Range"] = "bytes %d-%d/%d" % (start, SIZE, SIZE)
    elif how == "no-total":
        rest["Content_Range"] = "bytes %d-%d/*" % (start, SIZE - 1)
    elif how == "two-ranges":
        rest["Content_Range"] = [range_of, "bytes 0-%d/%d" % (SIZE - 1, SIZE)]
    elif how == "backwards":
        rest["Content_Range"] = "bytes %d-%d/%d" % (SIZE - 1, start, SIZE)
    elif how == "other-unit":
        rest["Content_Range"] = "lines %d-%d/%d" % (start, SIZE - 1, SIZE)
    elif how == "negative":
        rest["Content_Range"] = "bytes -%d/%d" % (SIZE - start, SIZE)
    elif how == "huge":
        rest["Content_Range"] = "bytes %d-%d/%d" % (start, 2 ** 64 + SIZE - 1, 2 ** 64 + SIZE)
    elif how == "short":
        rest["Content_Range"] = "bytes %d-%d/%d" % (start, start + 999, SIZE)
        rest["Content_Length"] = 1000
        await c.head(206, **rest)
        await c.send(new[start:start + 1000])
        return
    elif how == "longer":
        rest["Content_Length"] = SIZE - start + 5
        await c.head(206, **rest)
        await c.send(new[start:] + b"12345")
        return
    elif how == "whole":
        await c.head(206, Content_Length=SIZE, Content_Range="bytes 0-%d/%d" % (SIZE - 1, SIZE), ETag='"1"')
        await c.send(new)
        return
    elif how == "multipart":
        part = b"--x\r\nContent-Range: %s\r\n\r\n%s\r\n--x--\r\n" % (range_of.encode(), new[start:])
        await c.head(206, Content_Length=len(part), Content_Type="multipart/byteranges; boundary=x", ETag='"1"')
        await c.send(part)
        return
    elif how == "lies":
        pass # every header is right, the bytes are not
    elif how == "ignores":
        await send(c, new, 0, SIZE, ETag='"2"')
        return
    await c.head(206, **rest)
    await c.send(new[start:])


async def held_data(c, r, data, upto, times):
    """Up to a byte and then silence, times times; afterwards all that is asked for."""
    n, heads = turn(c, r), heads_of(r)
    strong = [v for v in (heads.get("ETag", heads["Last_Modified"]),) if not v.startswith("W/")]
    start = asked_start(r, strong) if "deaf" not in r.query else 0
    if "plain" in r.query and r.header("If-Range"):
        start = 0 # knows ranges, but not under a condition
    elif "plain" in r.query and r.header("Range"):
        start = int(r.header("Range")[6:-1])
    if n > times:
        await send(c, data, start, len(data), **heads)
        return
    status = {"Content_Range": "bytes %d-%d/%d" % (start, len(data) - 1, len(data))} if start else {}
    await c.head(206 if start else 200, Content_Length=len(data) - start, **status, **heads)
    await c.send(data[start:upto])
    await c.forever()


@route("held")
async def held(c, r):
    """/held/SIZE/UPTO/N?key=K[&etag=E][&deaf=1][&plain=1]: the first N answers go silent at
    byte UPTO; ranges are honoured under If-Range.  deaf: not at all; plain: only without it"""
    size = parse_size(r.parts[1])
    await held_data(c, r, b"".join(body_range(size, r.seed, 0, size)), parse_size(r.parts[2]), int(r.parts[3]))


@route("held-file")
async def held_file(c, r):
    """/held-file/NAME/UPTO/N?key=K: the same with a file beneath --root"""
    with open(os.path.join(c.server.options.root, os.path.basename(r.parts[1])), "rb") as f:
        await held_data(c, r, f.read(), parse_size(r.parts[2]), int(r.parts[3]))


@route("slow")
async def slow(c, r):
    """/slow/SIZE/RATE: RATE bytes a second of a file that can be continued"""
    size, rate = parse_size(r.parts[1]), int(r.parts[2])
    heads = heads_of(r, '"slow-%d"' % size)
    start = asked_start(r, [heads["ETag"]])
    if start:
        await c.head(206, Content_Length=size - start, Content_Range="bytes %d-%d/%d" % (start, size - 1, size), **heads)
    else:
        await c.head(Content_Length=size, **heads)
    for at in range(start, size, rate // 20):
        await c.send_body(size, r.seed, at, min(size, at + rate // 20))
        await asyncio.sleep(0.05)


@route("announces")
async def announces(c, r):
    """/announces/SIZE: that Content-Length, a little of it, then silence"""
    await c.head(Content_Length=int(r.parts[1]))
    await c.send(b"x" * 1000)
    await c.forever()
