"""The behaviours of badserver.py: the first part of the path names one.

Each gets the connection c (c.send, c.head, c.answer, c.finish, c.cut, c.reset,
c.forever: see class Conn there) and the request r; its first line of text is
what "badserver.py --list" prints.
"""

import asyncio
import email.utils
import gzip
import hashlib
import os
import time
import urllib.parse

from bodies import body_range, parse_size

LAST_MODIFIED = 1700000000
ROUTES = {}


def route(name):
    """The coroutine serves every path whose first part is name."""
    def add(function):
        ROUTES[name] = function
        return function
    return add


async def not_found(c, _r):
    await c.answer("not found\n", 404)


def validators(size, seed):
    return {
        "ETag": '"%s-%d"' % (hashlib.md5(str(seed).encode()).hexdigest()[:8], size),
        "Last_Modified": email.utils.formatdate(LAST_MODIFIED, usegmt=True),
        "Content_Type": "application/octet-stream",
    }


# ---- good answers

@route("ok")
async def ok(c, r):
    """/ok/SIZE: a right answer; ranges and If-Range are honoured"""
    size = parse_size(r.parts[1])
    heads = validators(size, r.seed)
    asked = r.header("Range", "")
    start = 0
    if asked.startswith("bytes=") and asked.endswith("-"):
        start = int(asked[6:-1])
    if r.header("If-Range", heads["ETag"]) != heads["ETag"]:
        start = 0
    if start >= size > 0:
        await c.answer("", 416, Content_Range="bytes */%d" % size)
    elif start:
        await c.head(206, Content_Length=size - start, **heads,
                     Content_Range="bytes %d-%d/%d" % (start, size - 1, size))
        await c.send_body(size, r.seed, start)
    else:
        await c.head(Content_Length=size, Accept_Ranges="bytes", **heads)
        if r.method != "HEAD":
            await c.send_body(size, r.seed)


@route("delay")
async def delay(c, r):
    """/delay/SECONDS/SIZE: a right answer, late"""
    await asyncio.sleep(float(r.parts[1]))
    size = parse_size(r.parts[2])
    await c.head(Content_Length=size, **validators(size, r.seed))
    await c.send_body(size, r.seed)


@route("gate")
async def gate(c, r):
    """/gate/SIZE[/UPTO]?gate=NAME[&status=NNN]: a right answer (or that status) that begins, or goes on behind
    UPTO bytes, when the test opens the gate (BadServer.open); then it stays open.  Ranges are honoured"""
    size, opened = parse_size(r.parts[1]), c.server.gates[r.query["gate"]]
    heads, start, asked = validators(size, r.seed), 0, r.header("Range", "")
    if asked.startswith("bytes=") and r.header("If-Range") == heads["ETag"]:
        start = int(asked[6:-1])
    upto = max(start, parse_size(r.parts[2]) if len(r.parts) > 2 else 0)
    if len(r.parts) == 2:
        await opened.wait()
    if "status" in r.query:
        await c.answer("this is not the file\n", int(r.query["status"]))
        return
    if start:
        heads["Content_Range"] = "bytes %d-%d/%d" % (start, size - 1, size)
    await c.head(206 if start else 200, Content_Length=size - start, **heads)
    await c.send_body(size, r.seed, start, upto)
    await opened.wait()
    await c.send_body(size, r.seed, upto)


@route("file")
async def file(c, r):
    """/file/PATH: a real file beneath --root; ?framing=length|close|chunked|tls-noclose,
    ?cut=N ends it after N bytes, ?encoding=NAME names a Content-Encoding,
    ?piece=N&delay=SECONDS sends it in pieces"""
    root = os.path.realpath(c.server.options.root)
    path = os.path.realpath(os.path.join(root, *r.parts[1:]))
    if not path.startswith(root + "/") or not os.path.isfile(path):
        await not_found(c, r)
        return
    size = os.path.getsize(path)
    framing = r.query.get("framing", "length")
    extra = {"Content_Encoding": r.query["encoding"]} if "encoding" in r.query else {}
    if framing == "length":
        extra["Content_Length"] = size
    elif framing == "chunked":
        extra["Transfer_Encoding"] = "chunked"
    else:
        extra["Connection"] = "close"
    await c.head(**extra)
    left = min(size, int(r.query.get("cut", size)))
    step = int(r.query.get("piece", 1 << 18))
    with open(path, "rb") as f:
        while left:
            data = f.read(min(left, step))
            left -= len(data)
            await c.send(b"%x\r\n%s\r\n" % (len(data), data) if framing == "chunked" else data)
            await asyncio.sleep(float(r.query.get("delay", 0)))
    if "cut" in r.query or framing == "tls-noclose":
        await c.cut()
    if framing == "chunked":
        await c.send("0\r\n\r\n")
    elif framing == "close":
        c.finish()


@route("echo-headers")
async def echo_headers(c, r):
    """/echo-headers: the body is the request's headers as the server saw them"""
    await c.answer("".join("%s: %s\n" % h for h in r.headers))


@route("informational")
async def informational(c, r):
    """/informational/SIZE: 100 and 103 before the 200"""
    await c.send("HTTP/1.1 100 Continue\r\n\r\n")
    await c.send("HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n")
    await ok(c, r)


@route("expect-continue")
async def expect_continue(c, r):
    """/expect-continue: 417 if the client sent Expect, which no GET should"""
    await c.answer("expect\n", 417 if r.header("Expect") else 200)


@route("trickle-head")
async def trickle_head(c, r):
    """/trickle-head/SIZE: a right answer, its head sent byte by byte"""
    size = parse_size(r.parts[1])
    for byte in "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size:
        await c.send(byte)
        await asyncio.sleep(0.001)
    await c.send_body(size, r.seed)


@route("folded")
async def folded(c, r):
    """/folded/SIZE: odd but legal headers: no space, spaces, tabs, empty values"""
    size = parse_size(r.parts[1])
    await c.send("HTTP/1.1 200\r\ncontent-length:\t%d  \r\nX-Empty:\r\nx-a:b\r\n\r\n" % size)
    await c.send_body(size, r.seed)


# ---- bodies that end wrongly

@route("short")
async def short(c, r):
    """/short/SIZE/SENT: Content-Length SIZE, closed after SENT bytes"""
    size, sent = parse_size(r.parts[1]), parse_size(r.parts[2])
    await c.head(Content_Length=size, **validators(size, r.seed))
    await c.send_body(size, r.seed, 0, sent)
    c.finish()


@route("nolength")
async def nolength(c, r):
    """/nolength/SIZE: no length, the end is the close (over TLS: close_notify)"""
    await c.head(Connection="close")
    await c.send_body(parse_size(r.parts[1]), r.seed)
    c.finish()


@route("nolength-tls-noclose")
async def nolength_tls_noclose(c, r):
    """/nolength-tls-noclose/SIZE: no length, and the connection ends without close_notify"""
    await c.head(Connection="close")
    await c.send_body(parse_size(r.parts[1]), r.seed)
    await c.cut()


@route("http10")
async def http10(c, r):
    """/http10/SIZE: an HTTP/1.0 answer without a length"""
    await c.send("HTTP/1.0 200 OK\r\n\r\n")
    await c.send_body(parse_size(r.parts[1]), r.seed)
    c.finish()


async def send_chunks(c, r, size):
    for data in body_range(size, r.seed, 0, size):
        await c.send(b"%x\r\n%s\r\n" % (len(data), data))


@route("chunked")
async def chunked(c, r):
    """/chunked/SIZE: right chunks"""
    await c.head(Transfer_Encoding="chunked")
    await send_chunks(c, r, parse_size(r.parts[1]))
    await c.send("0\r\n\r\n")


@route("chunked-trailers")
async def chunked_trailers(c, r):
    """/chunked-trailers/SIZE: trailers behind the last chunk, one of them a Content-Length"""
    await c.head(Transfer_Encoding="chunked", Trailer="X-Sum")
    await send_chunks(c, r, parse_size(r.parts[1]))
    await c.send("0\r\nX-Sum: 1\r\nContent-Length: 7\r\nETag: \"trailer\"\r\n\r\n")


@route("chunked-cut")
async def chunked_cut(c, r):
    """/chunked-cut/SIZE: closed between two chunks, the last chunk never comes"""
    await c.head(Transfer_Encoding="chunked")
    await send_chunks(c, r, parse_size(r.parts[1]))
    c.finish()


@route("chunked-bad")
async def chunked_bad(c, _r):
    """/chunked-bad: a chunk size that is no number"""
    await c.head(Transfer_Encoding="chunked")
    await c.send("5\r\nhello\r\nZZ\r\nworld\r\n0\r\n\r\n")


@route("chunked-trailer-bad")
async def chunked_trailer_bad(c, _r):
    """/chunked-trailer-bad: a trailer without a colon"""
    await c.head(Transfer_Encoding="chunked")
    await c.send("5\r\nhello\r\n0\r\nThis is no trailer\r\n\r\n")


@route("chunked-huge")
async def chunked_huge(c, _r):
    """/chunked-huge: a chunk size beyond 64 bits"""
    await c.head(Transfer_Encoding="chunked")
    await c.send("fffffffffffffffff1\r\nhello")
    c.finish()


@route("reset")
async def reset(c, r):
    """/reset/SIZE/AT: RST after AT bytes"""
    size = parse_size(r.parts[1])
    await c.head(Content_Length=size, **validators(size, r.seed))
    await c.send_body(size, r.seed, 0, parse_size(r.parts[2]))
    await c.reset()


@route("close-at-once")
async def close_at_once(c, _r):
    """/close-at-once: the connection ends without an answer"""
    c.finish()


@route("reset-at-once")
async def reset_at_once(c, _r):
    """/reset-at-once: RST without an answer"""
    await c.reset()


@route("extra")
async def extra(c, r):
    """/extra/SIZE/MORE: MORE bytes behind the announced length, then closed"""
    size = parse_size(r.parts[1])
    await c.head(Content_Length=size)
    await c.send_body(size, r.seed)
    await c.send(b"x" * parse_size(r.parts[2]))
    c.finish()


@route("close-before-answer-on-reused")
async def close_before_answer_on_reused(c, r):
    """/close-before-answer-on-reused/SIZE: good on a new connection, dropped on a used one"""
    if c.served > 1:
        c.finish()
    await ok(c, r)


@route("wrong-bytes")
async def wrong_bytes(c, r):
    """/wrong-bytes/SIZE: the right length, one byte in the middle is wrong"""
    size = parse_size(r.parts[1])
    await c.head(Content_Length=size, **validators(size, r.seed))
    data = bytearray(b"".join(body_range(size, r.seed, 0, size)))
    data[size // 2] ^= 1
    await c.send(bytes(data))


# ---- lengths that lie

async def with_heads(c, lines, data=b"0123456789" * 10):
    await c.send("HTTP/1.1 200 OK\r\n" + "".join(line + "\r\n" for line in lines) + "\r\n")
    await c.send(data)
    c.finish()


@route("two-lengths")
async def two_lengths(c, _r):
    """/two-lengths: Content-Length 100 and 60, 100 bytes sent"""
    await with_heads(c, ["Content-Length: 100", "Content-Length: 60"])


@route("two-lengths-same")
async def two_lengths_same(c, _r):
    """/two-lengths-same: Content-Length 100 twice (RFC 9110 8.6 allows to accept it)"""
    await with_heads(c, ["Content-Length: 100", "Content-Length: 100"])


@route("length-list")
async def length_list(c, _r):
    """/length-list: Content-Length: 100, 100"""
    await with_heads(c, ["Content-Length: 100, 100"])


@route("length-list-differs")
async def length_list_differs(c, _r):
    """/length-list-differs: Content-Length: 100, 60"""
    await with_heads(c, ["Content-Length: 100, 60"])


@route("length-garbage")
async def length_garbage(c, _r):
    """/length-garbage: Content-Length: 12abc"""
    await with_heads(c, ["Content-Length: 12abc"])


@route("length-plus")
async def length_plus(c, _r):
    """/length-plus: Content-Length: +100"""
    await with_heads(c, ["Content-Length: +100"])


@route("length-hex")
async def length_hex(c, _r):
    """/length-hex: Content-Length: 0x64"""
    await with_heads(c, ["Content-Length: 0x64"])


@route("length-empty")
async def length_empty(c, _r):
    """/length-empty: Content-Length without a value"""
    await with_heads(c, ["Content-Length:"])


@route("length-huge")
async def length_huge(c, _r):
    """/length-huge: Content-Length beyond 2^63"""
    await with_heads(c, ["Content-Length: 99999999999999999999999"])


@route("length-2-63")
async def length_2_63(c, _r):
    """/length-2-63: Content-Length of exactly 2^63"""
    await with_heads(c, ["Content-Length: 9223372036854775808"])


@route("length-negative")
async def length_negative(c, _r):
    """/length-negative: Content-Length: -1"""
    await with_heads(c, ["Content-Length: -1"])


@route("te-and-cl")
async def te_and_cl(c, r):
    """/te-and-cl/SIZE: chunked and a Content-Length of 7; chunked counts"""
    await c.head(Transfer_Encoding="chunked", Content_Length=7)
    await send_chunks(c, r, parse_size(r.parts[1]))
    await c.send("0\r\n\r\n")
    c.finish()


@route("te-gzip-chunked")
async def te_gzip_chunked(c, r):
    """/te-gzip-chunked/SIZE: Transfer-Encoding: gzip, chunked, which nobody asked for"""
    size = parse_size(r.parts[1])
    data = gzip.compress(b"".join(body_range(size, r.seed, 0, size)))
    await c.head(Transfer_Encoding="gzip, chunked")
    await c.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(data), data))
    c.finish()


@route("petabyte")
async def petabyte(c, r):
    """/petabyte: Content-Length 2^50, a little of it, then silence"""
    await c.head(Content_Length=1 << 50)
    await c.send_body(1 << 16, r.seed)
    await c.forever()


@route("infinite")
async def infinite(c, r):
    """/infinite: chunks without end"""
    await c.head(Transfer_Encoding="chunked")
    while True:
        await send_chunks(c, r, 1 << 18)


# ---- answers that are not HTTP

@route("http09")
async def http09(c, _r):
    """/http09: a body without any head"""
    await c.send("<html>hello from 1991</html>\n" * 10)
    c.finish()


@route("garbage")
async def garbage(c, r):
    """/garbage: random bytes"""
    await c.send_body(4096, "garbage")
    c.finish()


@route("bad-status")
async def bad_status(c, _r):
    """/bad-status: a status that is no number"""
    await c.send("HTTP/1.1 abc Whatever\r\nContent-Length: 5\r\n\r\nhello")
    c.finish()


@route("bad-version")
async def bad_version(c, _r):
    """/bad-version: HTTP/9.9"""
    await c.send("HTTP/9.9 200 OK\r\nContent-Length: 5\r\n\r\nhello")
    c.finish()


@route("header-nul")
async def header_nul(c, _r):
    """/header-nul: a NUL in a header"""
    await with_heads(c, ["X-A: a\0b", "Content-Length: 100"])


@route("header-nocolon")
async def header_nocolon(c, _r):
    """/header-nocolon: a header line without a colon"""
    await with_heads(c, ["This is no header", "Content-Length: 100"])


@route("header-folded-first")
async def header_folded_first(c, _r):
    """/header-folded-first: the first line behind the status goes on with a line that is none"""
    await with_heads(c, [" X-A: " + "a" * 200, "Content-Length: 100"])


@route("header-huge")
async def header_huge(c, _r):
    """/header-huge: headers without end"""
    await c.send("HTTP/1.1 200 OK\r\n")
    while True:
        await c.send(("X-Filler: " + "x" * 1000 + "\r\n") * 16)


@route("header-line-huge")
async def header_line_huge(c, _r):
    """/header-line-huge: one header line without end"""
    await c.send("HTTP/1.1 200 OK\r\nX-Filler: ")
    while True:
        await c.send("x" * 16384)


@route("header-70k")
async def header_70k(c, r):
    """/header-70k: 70 KiB of headers, then a right body"""
    await c.send("HTTP/1.1 200 OK\r\n" + ("X-Filler: " + "x" * 1012 + "\r\n") * 70)
    await c.send("Content-Length: 100\r\n\r\n")
    await c.send_body(100, r.seed)


@route("header-30k")
async def header_30k(c, r):
    """/header-30k: 30 KiB of headers, then a right body"""
    await c.send("HTTP/1.1 200 OK\r\n" + ("X-Filler: " + "x" * 1012 + "\r\n") * 30)
    await c.send("Content-Length: 100\r\n\r\n")
    await c.send_body(100, r.seed)


@route("hostile-reason")
async def hostile_reason(c, _r):
    """/hostile-reason: a 404 whose reason and headers hold terminal escapes"""
    await c.send(b"HTTP/1.1 404 \x1b]0;pwned\x07\x1b[31m\x9b31m\xff\r\n"
                 b"ETag: \x1b[2J\r\nContent-Length: 0\r\n\r\n")


# ---- slowness

@route("header-drip")
async def header_drip(c, _r):
    """/header-drip: a header every 100 ms, for ever"""
    await c.send("HTTP/1.1 200 OK\r\n")
    while True:
        await c.send("X-Drip: 1\r\n")
        await asyncio.sleep(0.1)


@route("slow-headers")
async def slow_headers(c, _r):
    """/slow-headers: the request is taken, no answer comes"""
    await c.forever()


@route("drip")
async def drip(c, r):
    """/drip/SIZE/PIECE/DELAY: the body in pieces of PIECE bytes, DELAY seconds apart"""
    size, step, wait = parse_size(r.parts[1]), parse_size(r.parts[2]), float(r.parts[3])
    await c.head(Content_Length=size, **validators(size, r.seed))
    for at in range(0, size, step):
        await c.send_body(size, r.seed, at, min(size, at + step))
        await asyncio.sleep(wait)


@route("stall")
async def stall(c, r):
    """/stall/SIZE/AT: silence after AT bytes"""
    size = parse_size(r.parts[1])
    await c.head(Content_Length=size, **validators(size, r.seed))
    await c.send_body(size, r.seed, 0, parse_size(r.parts[2]))
    await c.forever()


# ---- statuses and encodings

@route("encoding")
async def encoding(c, r):
    """/encoding/gzip/SIZE: a body in a Content-Encoding nobody asked for"""
    size = parse_size(r.parts[2]) if len(r.parts) > 2 else 1000
    data = b"".join(body_range(size, r.seed, 0, size))
    if r.parts[1] == "gzip":
        data = gzip.compress(data, mtime=0)
    await c.answer(data, Content_Encoding=r.parts[1])


@route("304")
async def status_304(c, _r):
    """/304: not modified, though nobody asked"""
    await c.head(304, ETag='"x"')


@route("206")
async def status_206(c, r):
    """/206: a part nobody asked for"""
    await c.head(206, Content_Range="bytes 0-99/200", Content_Length=100)
    await c.send_body(100, r.seed)


@route("206-whole")
async def status_206_whole(c, r):
    """/206-whole: 206 with the whole body, though nobody asked"""
    await c.head(206, Content_Range="bytes 0-99/100", Content_Length=100)
    await c.send_body(100, r.seed)


@route("204")
async def status_204(c, _r):
    """/204: no content"""
    await c.head(204)


@route("200-empty")
async def status_200_empty(c, _r):
    """/200-empty: an empty body, Content-Length 0"""
    await c.head(Content_Length=0)


def retry_after(r):
    """The header of ?retry-after=TEXT; date:N is the date in N seconds."""
    text = r.query.get("retry-after", "")
    if text.startswith("date:"):
        text = email.utils.formatdate(time.time() + int(text[5:]), usegmt=True)
    return {"Retry_After": text} if text else {}


@route("status")
async def status(c, r):
    """/status/NNN[?retry-after=TEXT]: that status with a small body"""
    extra_heads = retry_after(r)
    number = int(r.parts[1])
    await c.answer("this is an error page, not the file\n", number, **extra_heads)


async def flaky_times(c, r):
    key = r.query.get("key", r.path)
    c.server.failed[key] += 1
    return c.server.failed[key] <= int(r.parts[1])


@route("flaky")
async def flaky(c, r):
    """/flaky/N/SIZE?key=K[&status=503][&retry-after=S]: fails N times, then good"""
    if await flaky_times(c, r):
        extra_heads = retry_after(r)
        await c.answer("later\n", int(r.query.get("status", 503)), **extra_heads)
        return
    r.parts = ["ok", r.parts[2]]
    await ok(c, r)


@route("crowd")
async def crowd(c, r):
    """/crowd/N/SECONDS/SIZE?key=K&first=M: a right answer, late; but 503 (30 ms late) when more
    than N requests of its address are active, for the first M requests of that key"""
    key = r.query.get("key", r.path)
    c.server.failed[key] += 1
    if c.server.failed[key] <= int(r.query["first"]) and c.server.active[c.addr] > int(r.parts[1]):
        await asyncio.sleep(0.03)
        await c.answer("too many\n", 503)
        return
    r.parts = ["delay", r.parts[2], r.parts[3]]
    await delay(c, r)


@route("flaky-reset")
async def flaky_reset(c, r):
    """/flaky-reset/N/SIZE?key=K: RST in the middle N times, then good"""
    size = parse_size(r.parts[2])
    if await flaky_times(c, r):
        await c.head(Content_Length=size, **validators(size, r.seed))
        await c.send_body(size, r.seed, 0, size // 2)
        await c.reset()
    r.parts = ["ok", r.parts[2]]
    await ok(c, r)


@route("flaky-short")
async def flaky_short(c, r):
    """/flaky-short/N/SIZE?key=K: another file, cut in the middle, N times; then good"""
    size = parse_size(r.parts[2])
    if await flaky_times(c, r):
        await c.head(Content_Length=size, ETag='"other"')
        await c.send_body(size, "other", 0, size // 2)
        c.finish()
    r.parts = ["ok", r.parts[2]]
    await ok(c, r)


@route("flaky-bytes")
async def flaky_bytes(c, r):
    """/flaky-bytes/N/SIZE?key=K: one byte in the middle is wrong N times; then good"""
    wrong = await flaky_times(c, r)
    r.parts = ["", r.parts[2]]
    await (wrong_bytes if wrong else ok)(c, r)


# ---- redirects

async def redirect_to(c, location, number=302):
    await c.answer("<a>moved</a>\n", number, Location=location)


@route("redirect")
async def redirect(c, r):
    """/redirect/N/TARGET...: N hops (?status=NNN), then /TARGET"""
    left = int(r.parts[1])
    rest = "/".join(r.path.split("/")[3:])
    query = "?" + r.raw_query if r.raw_query else ""
    target = "/" + rest if left <= 1 else "/redirect/%d/%s" % (left - 1, rest)
    await redirect_to(c, target + query, int(r.query.get("status", 302)))


@route("redirect-relative")
async def redirect_relative(c, r):
    """/redirect-relative/a/b: Location "../ok/1000" """
    await redirect_to(c, "../../ok/1000")


@route("late-redirect")
async def late_redirect(c, r):
    """/late-redirect/SECONDS/TARGET...: a redirect that takes its time"""
    await asyncio.sleep(float(r.parts[1]))
    await redirect_to(c, "/" + "/".join(r.parts[2:]))


@route("redirect-loop")
async def redirect_loop(c, _r):
    """/redirect-loop: to itself"""
    await redirect_to(c, "/redirect-loop")


@route("redirect-endless")
async def redirect_endless(c, r):
    """/redirect-endless/N: to N + 1, for ever"""
    await redirect_to(c, "/redirect-endless/%d" % (int(r.parts[1]) + 1))


@route("redirect-to")
async def redirect_to_url(c, r):
    """/redirect-to?url=URL[&status=NNN][&pad=N]: there, byte for byte (%XX decoded), and N x"""
    url = urllib.parse.unquote_to_bytes(r.query_raw("url")).decode("latin-1")
    url += "?" + "x" * int(r.query["pad"]) if "pad" in r.query else ""
    await redirect_to(c, url, int(r.query.get("status", 302)))


@route("redirect-https-down")
async def redirect_https_down(c, r):
    """/redirect-https-down?port=N: to http on that port"""
    await redirect_to(c, "http://%s:%s/ok/1000" % (c.addr, r.query.get("port", "80")))


@route("redirect-file")
async def redirect_file(c, _r):
    """/redirect-file: to file:///etc/passwd"""
    await redirect_to(c, "file:///etc/passwd")


@route("redirect-ftp")
async def redirect_ftp(c, _r):
    """/redirect-ftp: to ftp"""
    await redirect_to(c, "ftp://127.0.0.1/x")


@route("redirect-nohost")
async def redirect_nohost(c, _r):
    """/redirect-nohost: to http:///x"""
    await redirect_to(c, "http:///x")


@route("redirect-nolocation")
async def redirect_nolocation(c, _r):
    """/redirect-nolocation: 302 without Location"""
    await c.answer("lost\n", 302)


@route("redirect-hostile")
async def redirect_hostile(c, _r):
    """/redirect-hostile: Location with terminal escapes"""
    await c.send(b"HTTP/1.1 302 Found\r\nLocation: gopher://x/\x1b]0;pwned\x07\x1b[31m\x9b\xff\r\n"
                 b"Content-Length: 0\r\n\r\n")


@route("redirect-bodies")
async def redirect_bodies(c, r):
    """/redirect-bodies/SIZE: a redirect with an endless body, to /ok/SIZE"""
    await c.head(302, Location="/ok/" + r.parts[1], Transfer_Encoding="chunked")
    while True:
        await send_chunks(c, r, 1 << 16)


def describe():
    return "\n".join(function.__doc__ for function in ROUTES.values())
