"""More behaviours of the misbehaving server: those that want to do harm."""

import asyncio
import os
import urllib.parse

from behaviours import redirect_to, route, send_chunks
from bodies import parse_size


@route("redirect-once-there")
async def redirect_once_there(c, r):
    """/redirect-once-there/NAME?url=URL: a redirect as soon as that file is beneath --root"""
    path = os.path.join(c.server.options.root, os.path.basename(r.parts[1]))
    while not os.path.exists(path) and not c.gone:
        await asyncio.sleep(0.01)
    await redirect_to(c, urllib.parse.unquote(r.query_raw("url")))


@route("header-lines")
async def header_lines(c, r):
    """/header-lines/N: N short header lines, then a right body of 100 bytes"""
    await c.send("HTTP/1.1 200 OK\r\n" + "X-A: 1\r\n" * int(r.parts[1]) + "Content-Length: 100\r\n\r\n")
    await c.send_body(100, r.seed)


@route("informational-flood")
async def informational_flood(c, _r):
    """/informational-flood: answers of 1xx without end"""
    while True:
        await c.send("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 200)


@route("informational-drip")
async def informational_drip(c, _r):
    """/informational-drip: an answer of 1xx every 100 ms, for ever"""
    while True:
        await c.send("HTTP/1.1 102 Processing\r\n\r\n")
        await asyncio.sleep(0.1)


@route("trailer-flood")
async def trailer_flood(c, r):
    """/trailer-flood/SIZE: a whole body in chunks, then trailers without end"""
    await c.head(Transfer_Encoding="chunked")
    await send_chunks(c, r, parse_size(r.parts[1]))
    await c.send("0\r\n")
    while True:
        await c.send("X-Trailer: 1\r\n" * 500)


@route("status-drip")
async def status_drip(c, r):
    """/status-drip/NNN[?location=L]: that status, and a body of a byte every 100 ms for ever"""
    heads = {"Location": r.query["location"]} if "location" in r.query else {}
    await c.head(int(r.parts[1]), Content_Length=1 << 30, **heads)
    while True:
        await c.send("x")
        await asyncio.sleep(0.1)


@route("disposition")
async def disposition(c, r):
    """/disposition/NAME?name=TEXT: a body of 100 bytes that wants another name"""
    await c.head(Content_Length=100, Content_Disposition='attachment; filename="%s"' % r.query["name"],
                 Content_Location="/" + r.query["name"])
    await c.send_body(100, r.seed)


@route("cookie")
async def cookie(c, r):
    """/cookie/SIZE: with a Set-Cookie"""
    size = parse_size(r.parts[1])
    await c.head(Content_Length=size, Set_Cookie="id=1; Path=/")
    await c.send_body(size, r.seed)


@route("raw")
async def raw(c, r):
    """/raw?head=TEXT[&size=N]: those bytes (%XX decoded) and CR LF CR LF as the header,
    N bytes, closed"""
    await c.send(urllib.parse.unquote_to_bytes(r.query_raw("head")) + b"\r\n\r\n")
    size = parse_size(r.query.get("size", "0"))
    await c.send_body(size, r.seed)
    c.finish()
