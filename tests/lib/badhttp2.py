"""HTTP/2 for badserver.py --http2: frames written by hand, so that they may be wrong.

A connection whose client chose h2 is one of these (Conn2); every other is an ordinary one of
badserver.py, at the same port.  The first part of the path names the behaviour, as there, the second
is the size of the right answer.  Each gets the stream s (s.head, s.block, s.data, s.body, s.answer,
s.reset, s.frame, s.forever, s.conn: see class Stream) and the request r.  Every path understands
    ?key=K&bad=N    only the first N requests with this key are answered so, all others rightly
    ?with=N&key=K   nothing is sent before N requests with this key have come

The log has what badserver.py writes, a request with "proto" and "stream", with "ignored" when it is
above the last that a GOAWAY named, and "refused" when there are too many; and
    {"ev":"rst","n":REQUEST,"code":NAME}            the client reset a stream
    {"ev":"closed","conn":N,"goaway":NAME OR NULL}  a connection ended; what the client had said
"how" of an end is "sent", "bad" (we reset it), "rst" (the client did) or "lost" (the connection).
"""

import asyncio
import socket
import time

from behaviours import validators
from bodies import body_range, parse_size
from hpack import Decoder, Encoder

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITIZED = 1, 1, 4, 8, 32
MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE = 3, 4
ERRORS = ("NO_ERROR PROTOCOL_ERROR INTERNAL_ERROR FLOW_CONTROL_ERROR SETTINGS_TIMEOUT STREAM_CLOSED FRAME_SIZE_ERROR "
          "REFUSED_STREAM CANCEL COMPRESSION_ERROR CONNECT_ERROR ENHANCE_YOUR_CALM INADEQUATE_SECURITY "
          "HTTP_1_1_REQUIRED").split()
FRAME_MAX = 16384
ROUTES2 = {}


def route2(name):
    """The coroutine serves every path whose first part is name."""
    def add(function):
        ROUTES2[name] = function
        return function
    return add


def number(value, size=4):
    return value.to_bytes(size, "big")


def numbers(payload, size):
    return [int.from_bytes(payload[i:i + size], "big") for i in range(0, len(payload), size)]


class Over(Exception):
    """The stream or its connection has ended."""


class Stream:
    """One request, and what is sent for it."""

    def __init__(self, conn, sid, window):
        self.conn, self.server, self.sid, self.window = conn, conn.server, sid, window
        self.over = False       # nothing more may be sent
        self.ended_by = None    # the client's RST_STREAM
        self.changed = asyncio.Event()
        self.number = None

    def frame(self, kind, flags=0, payload=b""):
        if self.over or self.conn.gone:
            raise Over
        self.conn.frame(kind, flags, self.sid, payload)

    async def head(self, status=200, end=False, **headers):
        fields = [(name.replace("_", "-").lower(), str(value)) for name, value in headers.items()]
        await self.block([(":status", str(status))] + fields, end)

    async def block(self, fields, end=False):
        """A header block in as many frames as it needs."""
        data = self.conn.encoder.encode(fields)
        pieces = [data[i:i + FRAME_MAX] for i in range(0, len(data), FRAME_MAX)]
        for i, piece in enumerate(pieces):
            flags = (END_STREAM if end and i == 0 else 0) | (END_HEADERS if i == len(pieces) - 1 else 0)
            self.frame(CONTINUATION if i else HEADERS, flags, piece)
        await self.conn.drain()

    async def data(self, data, end=False):
        """DATA in frames as large as the client's windows allow."""
        at = 0
        while at < len(data):
            while min(self.window, self.conn.window) <= 0:
                await self.wait()
            n = min(len(data) - at, FRAME_MAX, self.window, self.conn.window)
            self.window -= n
            self.conn.window -= n
            self.frame(DATA, END_STREAM if end and at + n == len(data) else 0, data[at:at + n])
            at += n
            await self.conn.drain()
        if end and not data:
            self.frame(DATA, END_STREAM)

    async def body(self, size, seed, start=0, stop=None, end=True):
        for piece in body_range(size, seed, start, size if stop is None else stop):
            await self.data(piece)
        if end:
            await self.data(b"", end=True)

    async def answer(self, data, status=200, **headers):
        await self.head(status, content_length=len(data), **headers)
        await self.data(data, end=True)

    async def wait(self):
        """Until the client lets more be sent; who has gone does not."""
        if not (self.over or self.conn.gone):
            self.changed.clear()
            await self.changed.wait()
        if self.over or self.conn.gone:
            raise Over

    async def forever(self):
        while True:
            await self.wait()

    def reset(self, name):
        self.frame(RST_STREAM, 0, number(ERRORS.index(name)))
        self.over = True

    def close(self):
        self.over = True
        self.changed.set()


class Conn2(asyncio.Protocol):
    """One connection.  parse makes a request of its head, as HTTP/1 would have it."""

    def __init__(self, server, parse):
        self.server, self.parse = server, parse
        self.buffer = bytearray()
        self.prefaced = self.gone = False
        self.decoder, self.encoder = Decoder(), Encoder()
        self.streams, self.tasks = {}, set()
        self.window = self.first_window = 65535
        self.block = b""        # of a header that goes on
        self.told = None        # the client's GOAWAY
        self.most = None        # streams at a time
        self.last = None        # behind a GOAWAY: no stream above is looked at
        self.writable = asyncio.Event()
        self.writable.set()

    # what the transport tells

    def connection_made(self, transport):
        self.transport = transport
        transport.set_write_buffer_limits(high=1 << 18, low=1 << 16)
        self.addr = transport.get_extra_info("sockname")[0]
        self.server.conn_number += 1
        self.server.accepted += 1
        self.number = self.server.conn_number
        self.server.count(self.server.open, self.addr, 1)
        self.settings(*self.server.settings2)

    def eof_received(self):
        return False

    def connection_lost(self, _error):
        self.gone = True
        self.server.count(self.server.open, self.addr, -1)
        self.writable.set()
        for stream in list(self.streams.values()):
            stream.close()
        self.server.log(ev="closed", conn=self.number, time=time.monotonic(), goaway=self.told)

    def pause_writing(self):
        self.writable.clear()

    def resume_writing(self):
        self.writable.set()

    # sending

    def frame(self, kind, flags, sid, payload=b""):
        if not self.gone and not self.transport.is_closing():
            self.transport.write(number(len(payload), 3) + bytes((kind, flags)) + number(sid) + payload)

    async def drain(self):
        await self.writable.wait()
        await asyncio.sleep(0) # an endless answer must leave the others their turn
        if self.gone or self.transport.is_closing():
            raise Over

    def goaway(self, last, name="NO_ERROR"):
        """No stream above last is served any more."""
        self.last = last
        self.frame(GOAWAY, 0, 0, number(last) + number(ERRORS.index(name)))
        for stream in list(self.streams.values()):
            if stream.sid > last:
                stream.close()

    def settings(self, *pairs):
        self.most = dict(pairs).get(MAX_CONCURRENT_STREAMS, self.most)
        self.frame(SETTINGS, 0, 0, b"".join(number(key, 2) + number(value) for key, value in pairs))

    async def finish(self):
        """Says goodbye when all has left, and leaves the socket open as long as the client does."""
        self.transport.close()
        raise Over

    async def cut(self):
        """Ends it when all has left, without goodbye."""
        inner = self.transport._ssl_protocol
        while inner._transport and (inner._transport.get_write_buffer_size() or self.transport.get_write_buffer_size()):
            await asyncio.sleep(0.002)
        self.transport.get_extra_info("socket").shutdown(socket.SHUT_WR)
        asyncio.get_running_loop().call_later(0.3, self.transport.abort)
        raise Over

    # receiving

    def data_received(self, data):
        self.buffer += data
        if not self.prefaced and len(self.buffer) >= len(PREFACE):
            assert self.buffer.startswith(PREFACE), self.buffer[:40]
            del self.buffer[:len(PREFACE)]
            self.prefaced = True
        while self.prefaced and len(self.buffer) >= 9:
            size, = numbers(self.buffer[:3], 3)
            if len(self.buffer) < 9 + size:
                return
            kind, flags = self.buffer[3], self.buffer[4]
            sid, = numbers(self.buffer[5:9], 4)
            payload = bytes(self.buffer[9:9 + size])
            del self.buffer[:9 + size]
            self.on_frame(kind, flags, sid, payload)

    def on_frame(self, kind, flags, sid, payload):
        if kind in (HEADERS, CONTINUATION):
            if kind == HEADERS:
                self.block = b""
                payload = payload[1:len(payload) - payload[0]] if flags & PADDED else payload
                payload = payload[5:] if flags & PRIORITIZED else payload
            self.block += payload
            if flags & END_HEADERS:
                self.on_request(sid, self.decoder.decode(self.block))
        elif kind == RST_STREAM and sid in self.streams:
            stream = self.streams[sid]
            stream.ended_by = ERRORS[numbers(payload, 4)[0]]
            self.server.log(ev="rst", n=stream.number, time=time.monotonic(), code=stream.ended_by)
            stream.close()
        elif kind == SETTINGS and not flags & ACK:
            self.on_settings(payload)
        elif kind == PING and not flags & ACK:
            self.frame(PING, ACK, 0, payload)
        elif kind == GOAWAY:
            self.told = ERRORS[numbers(payload[:8], 4)[1]]
        elif kind == WINDOW_UPDATE:
            self.on_window(sid, *numbers(payload, 4))

    def on_settings(self, payload):
        for i in range(0, len(payload), 6):
            key, value = numbers(payload[i:i + 2], 2)[0], numbers(payload[i + 2:i + 6], 4)[0]
            if key == INITIAL_WINDOW_SIZE:
                for stream in self.streams.values():
                    stream.window += value - self.first_window
                self.first_window = value
        self.frame(SETTINGS, ACK, 0)

    def on_window(self, sid, more):
        if sid == 0:
            self.window += more
        elif sid in self.streams:
            self.streams[sid].window += more
        for stream in self.streams.values():
            stream.changed.set()

    def on_request(self, sid, fields):
        names, server = dict(fields), self.server
        lines = ["%s %s HTTP/2" % (names[":method"], names[":path"])]
        lines += ["%s: %s" % field for field in fields if not field[0].startswith(":")]
        request = self.parse("\r\n".join(lines).encode("latin-1"))
        stream = Stream(self, sid, self.first_window)
        if server.late2 and self.most is None:
            self.settings((MAX_CONCURRENT_STREAMS, server.late2))
        if self.last is not None and sid > self.last:
            self.log_request(stream, request, ignored=True)
            return
        if self.most is not None and len(self.streams) >= self.most:
            self.log_request(stream, request, refused=True)
            stream.reset("REFUSED_STREAM")
            return
        self.streams[sid] = stream
        if server.streams_each and sid == 2 * server.streams_each - 1:
            self.goaway(sid)
        task = asyncio.ensure_future(self.serve(stream, request))
        self.tasks.add(task) # the loop itself would forget it
        task.add_done_callback(self.tasks.discard)

    # one request

    async def serve(self, stream, request):
        how = "lost"
        self.log_request(stream, request)
        self.server.count(self.server.active, self.addr, 1)
        try:
            await self.behave(stream, request)
            how = "bad" if stream.over else "sent"
        except Over:
            how = "rst" if stream.ended_by else "lost"
        finally:
            stream.over = True
            self.streams.pop(stream.sid, None)
            self.server.count(self.server.active, self.addr, -1)
            self.server.log(ev="end", n=stream.number, time=time.monotonic(), how=how)

    def log_request(self, stream, request, **more):
        server = self.server
        server.request_number += 1
        stream.number = server.request_number
        server.requests[request.target] += 1
        server.log(ev="request", n=stream.number, time=time.monotonic(), addr=self.addr, conn=self.number,
                   stream=stream.sid, proto="h2", open=server.open[self.addr], method=request.method,
                   path=request.target, headers=request.headers, **more)

    async def behave(self, stream, request):
        key, name = request.query.get("key"), request.parts[0]
        if key:
            self.server.keys2[key] += 1
            self.server.came2.set()
        nth = self.server.keys2[key]
        while self.server.keys2[key] < int(request.query.get("with", 0)):
            self.server.came2.clear()
            await self.server.came2.wait()
        if nth > int(request.query.get("bad", nth)):
            name = "ok"
        if name in ROUTES2:
            await ROUTES2[name](stream, request)
        else:
            await stream.answer(b"not found\n", 404)


# ---- right answers

async def right_head(s, r):
    """The header of a right answer; ranges and If-Range are honoured.  Where the body begins, None: there is none."""
    size = parse_size(r.parts[1])
    heads, asked, start = validators(size, r.seed), r.header("Range", ""), 0
    if asked.startswith("bytes=") and r.header("If-Range", heads["ETag"]) == heads["ETag"]:
        start = int(asked[6:-1])
    if start >= size > 0:
        await s.answer(b"", 416, content_range="bytes */%d" % size)
        return None
    if start:
        heads["Content_Range"] = "bytes %d-%d/%d" % (start, size - 1, size)
    await s.head(206 if start else 200, content_length=size - start, accept_ranges="bytes", **heads)
    return start


@route2("ok")
async def ok(s, r):
    """/ok/SIZE: a right answer"""
    start = await right_head(s, r)
    if start is not None:
        await s.body(parse_size(r.parts[1]), r.seed, start)


@route2("slow")
async def slow(s, r):
    """/slow/SIZE/PIECE: the same in pieces, between which others have their turn"""
    size, piece = parse_size(r.parts[1]), parse_size(r.parts[2])
    start = await right_head(s, r)
    for at in range(size if start is None else start, size, piece):
        await s.body(size, r.seed, at, min(size, at + piece), end=at + piece >= size)
        await asyncio.sleep(0.002)


# ---- streams that end as they should not

def upto(text):
    """"-": not even a header."""
    return -1 if text == "-" else parse_size(text)


async def begin(s, r, at, **more):
    """Header and the first bytes of a right answer, as many as that."""
    size = parse_size(r.parts[1])
    if at >= 0:
        await s.head(content_length=size, accept_ranges="bytes", **validators(size, r.seed), **more)
        await s.body(size, r.seed, 0, min(at, size), end=False)


@route2("rst")
async def rst(s, r):
    """/rst/SIZE/AT/NAME: RST_STREAM with that error behind AT bytes"""
    await begin(s, r, upto(r.parts[2]))
    s.reset(r.parts[3])


@route2("end")
async def end(s, r):
    """/end/SIZE/AT: END_STREAM behind AT bytes, which may be more than SIZE; "-": with the header"""
    size, at = parse_size(r.parts[1]), upto(r.parts[2])
    if at < 0:
        await s.head(content_length=size, end=True)
        return
    await begin(s, r, at)
    await s.data(b"more" * ((at - size) // 4) if at > size else b"", end=True)


@route2("stall")
async def stall(s, r):
    """/stall/SIZE/AT: nothing more comes behind AT bytes"""
    await begin(s, r, upto(r.parts[2]))
    await s.forever()


@route2("deaf")
async def deaf(s, r):
    """/deaf/SIZE: a right answer, but of nothing that comes over the connection of the first request with its ?key"""
    first = s.server.deaf2.setdefault(r.query["key"], s.conn)
    await (s.forever() if s.conn is first else ok(s, r))


@route2("gate")
async def gate(s, r):
    """/gate/SIZE/AT?gate=NAME[&plain]: goes on behind AT bytes when the test opens the gate"""
    size, at = parse_size(r.parts[1]), upto(r.parts[2])
    if r.header("Range"):
        await ok(s, r)
        return
    if "plain" in r.query: # without validators and ranges
        await s.head(content_length=size)
        await s.body(size, r.seed, 0, at, end=False)
    else:
        await begin(s, r, at)
    opened, gone = s.server.gates[r.query["gate"]].wait(), s.forever()
    await asyncio.wait([asyncio.ensure_future(opened), asyncio.ensure_future(gone)], return_when=asyncio.FIRST_COMPLETED)
    if at < 0:
        await ok(s, r)
    else:
        await s.body(size, r.seed, at)


# ---- connections that end

@route2("goaway")
async def goaway(s, r):
    """/goaway/SIZE/AT/NAME/LAST: GOAWAY behind AT bytes; LAST: "this" stream and those before go on to their
    end, "none" of the connection does, "all" do that have come"""
    await begin(s, r, upto(r.parts[2]))
    last = {"this": s.sid, "none": 0, "all": max(s.conn.streams)}[r.parts[4]]
    s.conn.goaway(last, r.parts[3])
    if last < s.sid:
        await s.conn.finish()
    size, at = parse_size(r.parts[1]), upto(r.parts[2])
    if at < 0:
        await ok(s, r)
    else:
        await s.body(size, r.seed, at)


@route2("cut")
async def cut(s, r):
    """/cut/SIZE/AT/HOW: the connection ends behind AT bytes: "frame" in the middle of one, "head" in the middle of
    its nine bytes, "notify" in good order, "silent" without close_notify"""
    at, how = upto(r.parts[2]), r.parts[3]
    await begin(s, r, at)
    if how == "frame":
        rest = b"".join(body_range(parse_size(r.parts[1]), r.seed, at, at + 100))
        s.conn.transport.write(number(1000, 3) + bytes((DATA, 0)) + number(s.sid) + rest)
    elif how == "head":
        s.conn.transport.write(number(1000, 3) + bytes((DATA,)))
    if how == "notify":
        await s.conn.finish()
    await s.conn.cut()


@route2("wrong")
async def wrong(s, r):
    """/wrong/SIZE/AT/WHAT: behind AT bytes a frame that no connection may have"""
    await begin(s, r, upto(r.parts[2]))
    send = s.conn.frame
    {"data-0": lambda: send(DATA, 0, 0, b"x"),
     "data-idle": lambda: send(DATA, 0, s.sid + 100, b"x"),
     "window-0": lambda: send(WINDOW_UPDATE, 0, 0, number(0)),
     "window-over": lambda: send(WINDOW_UPDATE, 0, 0, number((1 << 31) - 1)),
     "settings-size": lambda: send(SETTINGS, 0, 0, b"12345"),
     "large": lambda: send(DATA, 0, s.sid, b"x" * (FRAME_MAX + 1)),
     "hpack": lambda: send(HEADERS, END_HEADERS, s.sid, b"\xff\xff\xff\xff\xff\xff"),
     "push": lambda: send(PUSH_PROMISE, END_HEADERS, s.sid, number(2) + s.conn.encoder.encode(
         [(":method", "GET"), (":scheme", "https"), (":authority", r.header("host", "x")), (":path", "/ok/1")])),
     "interleaved": lambda: (send(HEADERS, 0, s.sid, s.conn.encoder.encode([(":status", "200")])),
                             send(PING, 0, 0, b"12345678")),
     }[r.parts[3]]()
    await s.forever()


# ---- headers

@route2("fields")
async def fields_of(s, r):
    """/fields/SIZE/WHAT: a header with something odd, and a right body"""
    size = parse_size(r.parts[1])
    length = ("content-length", str(size))
    await s.block([(":status", "200")] + {
        "two-lengths": [length, ("content-length", str(size + 1))],
        "two-lengths-same": [length, length],
        "length-garbage": [("content-length", "ten")],
        "upper-case": [length, ("X-Odd", "x")],
        "status-twice": [length, (":status", "404")],
        "connection": [length, ("connection", "close")],
        "transfer-encoding": [("transfer-encoding", "chunked")],
        "line-feed": [length, ("x-odd", "a\r\ncontent-length: 1")],
        "nul": [length, ("x-odd", "a\0b")],
        "encoding": [length, ("content-encoding", "gzip")],
        "no-length": [],
        "40k": [length] + [("x-%d" % i, "%04d" % i * 250) for i in range(40)],
        "70k": [length] + [("x-%d" % i, "%04d" % i * 250) for i in range(70)],
        "line-70k": [length, ("x-odd", "x" * 70000)],
        "400-lines": [length] + [("x-%d" % i, "1") for i in range(400)],
        "200k": [length] + [("x-%d" % i, "%04d" % i * 250) for i in range(200)],
        "bomb": [length] + [("x-odd", "b" * 4000)] * 4000,
    }[r.parts[2]])
    await s.body(size, r.seed)


@route2("no-status")
async def no_status(s, r):
    """/no-status/SIZE: a header without :status"""
    await s.block([("content-length", r.parts[1])])
    await s.forever()


@route2("body-first")
async def body_first(s, r):
    """/body-first/SIZE: DATA without a header"""
    await s.body(parse_size(r.parts[1]), r.seed)


@route2("trailers")
async def trailers(s, r):
    """/trailers/SIZE[/WHAT]: fields behind the body: an innocent one; a "length" or "status" that no trailer may have;
    as many as make 1 "big" header"""
    size, what = parse_size(r.parts[1]), (r.parts + ["x"])[2]
    await begin(s, r, size)
    await s.block({"x": [("x-sum", "1")], "length": [("content-length", "1")], "status": [(":status", "404")],
                   "big": [("x-%d" % i, "%04d" % i * 250) for i in range(60)],
                   "huge": [("x-%d" % i, "%04d" % i * 250) for i in range(200)]}[what], end=True)


@route2("early")
async def early(s, r):
    """/early/SIZE/N[/STATUS]: N answers of 103 (or STATUS) before the right one"""
    for _ in range(int(r.parts[2])):
        await s.head(int((r.parts + ["103"])[3]), link="</x.css>; rel=preload")
    await ok(s, r)


@route2("continued")
async def continued(s, r):
    """/continued/SIZE/BYTES: CONTINUATION for ever, of so many bytes each"""
    block = s.conn.encoder.encode([(":status", "200"), ("content-length", r.parts[1])])
    s.frame(HEADERS, 0, block)
    n = int(r.parts[2])
    while True:
        s.frame(CONTINUATION, 0, s.conn.encoder.encode([("x-odd", "c" * n)]) if n else b"")
        await s.conn.drain()


# ---- what a connection tells

@route2("settings")
async def settings(s, r):
    """/settings/SIZE/N: MAX_CONCURRENT_STREAMS is N from now on; then a right answer"""
    s.conn.settings((MAX_CONCURRENT_STREAMS, int(r.parts[2])))
    await ok(s, r)


@route2("flood")
async def flood(s, r):
    """/flood/SIZE/WHAT/N: so many frames of a kind, then a right answer"""
    send, sid = s.conn.frame, s.sid
    one = {"ping": lambda: send(PING, 0, 0, b"12345678"),
           "ping-ack": lambda: send(PING, ACK, 0, b"12345678"),
           "settings": lambda: s.conn.settings((MAX_CONCURRENT_STREAMS, 100)),
           "window": lambda: send(WINDOW_UPDATE, 0, sid, number(1)),
           "priority": lambda: send(PRIORITY, 0, sid, number(0) + b"x"),
           "unknown": lambda: send(0x77, 0xff, sid, b"what is this?")}[r.parts[2]]
    for _ in range(int(r.parts[3])):
        one()
        await s.conn.drain()
    await ok(s, r)


@route2("empty")
async def empty(s, r):
    """/empty/SIZE/N: a right answer with N empty DATA frames in the middle"""
    size = parse_size(r.parts[1])
    await begin(s, r, size // 2)
    for _ in range(int(r.parts[2])):
        s.frame(DATA)
        await s.conn.drain()
    await s.body(size, r.seed, size // 2)


# ---- ranges and redirects

@route2("rest")
async def rest(s, r):
    """/rest/SIZE/AT/WHAT: breaks behind AT bytes; the rest is answered by "206", "416", "200" (and it is "other"), or
    with "other" (a 206 of another file)"""
    size, what, asked = parse_size(r.parts[1]), r.parts[3], r.header("Range")
    heads = validators(size, r.seed)
    if not asked:
        if s.server.broken2.setdefault(r.target, 0) == 0:
            s.server.broken2[r.target] = 1
            await begin(s, r, upto(r.parts[2]))
            s.reset("INTERNAL_ERROR")
        else:
            await ok(s, r)
    elif what == "416":
        await s.answer(b"", 416, content_range="bytes */%d" % size)
    elif what == "200":
        await s.head(content_length=size, **validators(size, "other"))
        await s.body(size, "other")
    elif what == "other":
        start = int(asked[6:-1])
        heads["ETag"] = '"other"'
        await s.head(206, content_length=size - start, content_range="bytes %d-%d/%d" % (start, size - 1, size), **heads)
        await s.body(size, "other", start)
    else:
        await ok(s, r)


@route2("redirect")
async def redirect(s, r):
    """/redirect/SIZE?to=URL: 302, with a body of SIZE bytes"""
    await s.head(302, location=r.query["to"], content_length=parse_size(r.parts[1]))
    await s.body(parse_size(r.parts[1]), r.seed)
