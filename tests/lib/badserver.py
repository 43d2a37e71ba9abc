#!/usr/bin/python3
"""A misbehaving HTTP/1.1 and HTTPS server: the path of the URL says how.

    badserver.py [--tls CERT KEY] [--client-ca FILE] [--old-tls] [--http2] [--bind ADDRESS ...]
                 [--port N] [--root DIR] [--log FILE]

prints "ready PORT" on stdout once it listens (the same port on every address)
and runs until its stdin ends or it gets SIGTERM.  "badserver.py --list" prints
every behaviour.  Sizes may be "17", "256K", "2M", "256K+1".  A body is
bodies.body(SIZE, seed), the seed is the query's "seed" (0 without one).

Each request and each end of one is a JSON line in the log:
    {"ev":"request","n":1,"time":T,"addr":LOCAL,"conn":N,"open":CONNECTIONS OF
     THAT ADDRESS,"active":REQUESTS OF THAT ADDRESS,"total":ACTIVE REQUESTS,
     "method":M,"path":P,"headers":[[NAME,VALUE],...]}
    {"ev":"end","n":1,"time":T,"how":"sent"|"lost"}
(time is CLOCK_MONOTONIC).  /_stats answers with maxima and counts as JSON,
/_stats?reset=1 also sets them back, /_stats?open=NAME opens a gate,
/_stats?cert=PATH&key=PATH shows another certificate from then on.  It is an
http proxy as well: absolute request targets are served by their path, CONNECT
makes a tunnel.  With --http2 who asks for h2 gets it, and the behaviours of
badhttp2.py; /_stats?streams=N tells new ones of these connections that many
MAX_CONCURRENT_STREAMS (with &late not before their first request), ?each=N ends one with a GOAWAY behind so many.
"""

import argparse
import asyncio
import collections
import json
import os
import resource
import signal
import socket
import ssl
import struct
import sys
import time
import urllib.parse

from behaviours import ROUTES, describe, not_found
from bodies import body_range
import conditions  # noqa: F401 (their behaviours)
import crashing  # noqa: F401
import hostile  # noqa: F401
import rests  # noqa: F401
import resuming  # noqa: F401
import signed  # noqa: F401

HEAD_MAX = 1 << 18


class Lost(Exception):
    """The client has gone, or the behaviour ended the connection."""


class Server:
    """What all connections share: options, counters, the log."""

    def __init__(self, options):
        self.options = options
        self.log_file = open(options.log, "a", buffering=1) if options.log else None
        self.conn_number = 0
        self.request_number = 0
        self.failed = collections.Counter()
        self.gates = collections.defaultdict(asyncio.Event)
        self.open = collections.Counter()
        self.active = collections.Counter()
        self.settings2, self.late2, self.streams_each = (), 0, 0 # of HTTP/2, as are these
        self.keys2, self.came2 = collections.Counter(), asyncio.Event()
        self.broken2, self.deaf2 = {}, {}
        self.reset()

    def reset(self):
        self.max_open = collections.Counter(self.open)
        self.max_active = collections.Counter(self.active)
        self.max_total = [sum(self.open.values()), sum(self.active.values())]
        self.requests = collections.Counter()
        self.accepted = 0

    def count(self, which, addr, step):
        which[addr] += step
        if step < 0:
            return
        most = self.max_open if which is self.open else self.max_active
        most[addr] = max(most[addr], which[addr])
        slot = 0 if which is self.open else 1
        self.max_total[slot] = max(self.max_total[slot], sum(which.values()))

    def stats(self):
        return {
            "max_connections": self.max_total[0],
            "max_requests": self.max_total[1],
            "max_connections_of": dict(self.max_open),
            "max_requests_of": dict(self.max_active),
            "connections": sum(self.open.values()),
            "active": sum(self.active.values()),
            "accepted": self.accepted,
            "requests": dict(self.requests),
        }

    def log(self, **fields):
        if self.log_file:
            self.log_file.write(json.dumps(fields) + "\n")


class Request:
    def __init__(self, head):
        lines = head.decode("latin-1").split("\r\n")
        parts = lines[0].split(" ")
        if len(parts) != 3:
            raise ValueError("request line")
        self.method, self.target, self.version = parts
        self.headers = []
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if not colon:
                raise ValueError("request header")
            self.headers.append((name, value.strip()))
        url = urllib.parse.urlsplit(self.target)
        self.path = url.path
        self.raw_query = url.query
        self.query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        self.parts = [urllib.parse.unquote(p) for p in url.path.split("/")[1:]]

    def header(self, name, otherwise=None):
        for key, value in self.headers:
            if key.lower() == name.lower():
                return value
        return otherwise

    def query_raw(self, name):
        """A value of the query as it came, not decoded."""
        for item in self.raw_query.split("&"):
            key, _, value = item.partition("=")
            if key == name:
                return value
        return ""

    @property
    def seed(self):
        return self.query.get("seed", 0)


class Conn(asyncio.Protocol):
    """One connection: reads requests one after the other, answers by route."""

    def __init__(self, server):
        self.server = server
        self.buffer = bytearray()
        self.arrived = asyncio.Event()
        self.writable = asyncio.Event()
        self.writable.set()
        self.gone = False
        self.task = None
        self.served = 0
        self.close_after = False
        self.current = None
        self.tunnel = None

    # what the transport tells

    def connection_made(self, transport):
        self.transport = transport
        # asyncio's TLS transport pauses at "high or more", so 0 would pause for ever
        transport.set_write_buffer_limits(high=1, low=0)
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.addr = transport.get_extra_info("sockname")[0]
        self.server.conn_number += 1
        self.server.accepted += 1
        self.number = self.server.conn_number
        self.server.count(self.server.open, self.addr, 1)
        self.task = asyncio.ensure_future(self.run())

    def data_received(self, data):
        if self.tunnel:
            self.tunnel.write(data)
            return
        self.buffer += data
        self.arrived.set()

    def eof_received(self):
        self.lost()
        return False

    def connection_lost(self, _error):
        self.server.count(self.server.open, self.addr, -1)
        self.lost()

    def lost(self):
        self.gone = True
        if self.tunnel:
            self.tunnel.close()
        self.arrived.set()
        self.writable.set()
        if self.current is not None and self.task:
            self.task.cancel()

    def pause_writing(self):
        self.writable.clear()

    def resume_writing(self):
        self.writable.set()

    # what a behaviour uses

    async def send(self, data):
        """Sends and waits until the kernel has all of it."""
        if self.gone or self.transport.is_closing():
            raise Lost
        if isinstance(data, str):
            data = data.encode("latin-1")
        self.transport.write(data)
        await self.writable.wait()
        if len(data) > 4096: # an endless body must leave the others their turn
            await asyncio.sleep(0)
        if self.gone:
            raise Lost

    async def head(self, status=200, reason=None, **headers):
        """Status line and headers; a value that is a list gives several."""
        lines = ["HTTP/1.1 %d %s" % (status, reason or "Status")]
        for name, values in headers.items():
            for value in values if isinstance(values, list) else [values]:
                lines.append("%s: %s" % (name.replace("_", "-"), value))
        await self.send("\r\n".join(lines) + "\r\n\r\n")

    async def answer(self, data, status=200, **headers):
        if isinstance(data, str):
            data = data.encode()
        await self.head(status, Content_Length=len(data), **headers)
        await self.send(data)

    async def send_body(self, size, seed, start=0, end=None):
        for data in body_range(size, seed, start, size if end is None else end):
            await self.send(data)

    async def flushed(self):
        """With TLS the records may still lie in the transport below."""
        inner = getattr(self.transport, "_ssl_protocol", None)
        while inner and inner._transport and inner._transport.get_write_buffer_size():
            await asyncio.sleep(0.002)

    async def cut(self):
        """Ends the connection: over TLS without close_notify."""
        await self.flushed()
        sock = self.transport.get_extra_info("socket")
        try:
            sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        self.ended_by_us()

    def ended_by_us(self):
        loop = asyncio.get_running_loop()
        loop.call_later(0.3, self.transport.abort)
        raise Lost

    def finish(self):
        """Ends the connection in good order: over TLS with close_notify."""
        self.transport.close()
        raise Lost

    async def reset(self):
        """Ends the connection with a RST, after what was sent has left."""
        await self.flushed()
        await asyncio.sleep(0.05)
        sock = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()
        raise Lost

    async def forever(self):
        while not self.gone:
            await asyncio.sleep(3600)
        raise Lost

    # the loop of one connection

    async def read_head(self):
        while True:
            end = self.buffer.find(b"\r\n\r\n")
            if end >= 0:
                head = bytes(self.buffer[:end])
                del self.buffer[:end + 4]
                return head
            if self.gone or len(self.buffer) > HEAD_MAX:
                return None
            self.arrived.clear()
            await self.arrived.wait()

    async def read_body(self, size):
        while len(self.buffer) < size and not self.gone:
            self.arrived.clear()
            await self.arrived.wait()
        data = bytes(self.buffer[:size])
        del self.buffer[:size]
        return data

    async def run(self):
        try:
            while not self.gone and not self.close_after:
                head = await self.read_head()
                if head is None:
                    break
                await self.serve(Request(head))
            await self.flushed()
        except (Lost, asyncio.CancelledError):
            return
        except ValueError as error:
            print("badserver: bad request: %s" % error, file=sys.stderr)
        self.transport.close()

    async def serve(self, request):
        self.served += 1
        name = request.parts[0] if request.parts else ""
        if name == "_stats":
            await self.control(request)
            return
        how = "lost"
        self.begin(request)
        try:
            if request.method == "CONNECT":
                await connect_tunnel(self, request)
            else:
                await ROUTES.get(name, not_found)(self, request)
            how = "sent"
        finally:
            number, self.current = self.current, None
            self.server.count(self.server.active, self.addr, -1)
            self.server.log(ev="end", n=number, time=time.monotonic(), how=how)
        if request.header("Connection", "").lower() == "close" or request.version == "HTTP/1.0":
            self.close_after = True

    def begin(self, request):
        server = self.server
        server.request_number += 1
        self.current = server.request_number
        server.count(server.active, self.addr, 1)
        server.requests[request.target] += 1
        server.log(ev="request", n=self.current, time=time.monotonic(), addr=self.addr,
                   conn=self.number, open=server.open[self.addr],
                   active=server.active[self.addr], total=sum(server.active.values()),
                   method=request.method, path=request.target, headers=request.headers)

    async def control(self, request):
        text = json.dumps(self.server.stats())
        if "reset" in request.query:
            self.server.reset()
        if "open" in request.query:
            self.server.gates[request.query["open"]].set()
        if "streams" in request.query:
            late, streams = "late" in request.query, int(request.query["streams"])
            self.server.settings2 = () if late else ((badhttp2.MAX_CONCURRENT_STREAMS, streams),)
            self.server.late2 = streams if late else 0
        if "each" in request.query:
            self.server.streams_each = int(request.query["each"])
        if "cert" in request.query:
            self.server.tls.load_cert_chain(request.query["cert"], request.query["key"])
        self.close_after = True
        await self.answer(text, Content_Type="application/json", Connection="close")


class Tunnel(asyncio.Protocol):
    def __init__(self, conn):
        self.conn = conn

    def data_received(self, data):
        self.conn.transport.write(data)

    def connection_lost(self, _error):
        if not self.conn.gone:
            self.conn.transport.close()


async def connect_tunnel(c, r):
    host, _, port = r.target.rpartition(":")
    loop = asyncio.get_running_loop()
    try:
        transport, _ = await loop.create_connection(lambda: Tunnel(c), host.strip("[]"), int(port))
    except OSError:
        await c.answer("no way there", 502)
        return
    await c.send("HTTP/1.1 200 Connection established\r\n\r\n")
    c.tunnel = transport
    if c.buffer:
        transport.write(bytes(c.buffer))
        c.buffer.clear()
    await c.forever()


def options_of(argv):
    parser = argparse.ArgumentParser(description="a misbehaving web server")
    parser.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"))
    parser.add_argument("--client-ca", metavar="FILE", help="demand a certificate of this CA")
    parser.add_argument("--old-tls", action="store_true", help="TLS 1.1 at the most")
    parser.add_argument("--http2", action="store_true", help="HTTP/2 for who asks for it")
    parser.add_argument("--bind", action="append", metavar="ADDRESS")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--root", default="/nonexistent")
    parser.add_argument("--log", metavar="FILE")
    parser.add_argument("--list", action="store_true", help="print every behaviour")
    return parser.parse_args(argv)


def tls_context(options):
    if not options.tls:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*options.tls)
    if options.old_tls:
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    if options.http2:
        context.set_alpn_protocols(["h2", "http/1.1"])
    if options.client_ca:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(options.client_ca)
    return context


class Chooser(asyncio.Protocol):
    """The TLS handshake says which protocol a connection has."""

    def __init__(self, server):
        self.server = server

    def connection_made(self, transport):
        two = transport.get_extra_info("ssl_object").selected_alpn_protocol() == "h2"
        conn = badhttp2.Conn2(self.server, Request) if two else Conn(self.server)
        transport.set_protocol(conn)
        conn.connection_made(transport)


async def listen_all(server, context):
    """The same port on every address: the first one's free port must be free on all."""
    loop = asyncio.get_running_loop()
    addresses = server.options.bind or ["127.0.0.1"]
    kind = Chooser if server.options.http2 else Conn
    # who says goodbye over HTTP/2 leaves the socket open as long as the client does
    patience = {"ssl_shutdown_timeout": 3600} if server.options.http2 else {}
    for _try in range(20):
        port, listening = server.options.port, []
        try:
            for address in addresses:
                one = await loop.create_server(lambda: kind(server), address, port,
                                               ssl=context, backlog=4096, **patience)
                listening.append(one)
                port = one.sockets[0].getsockname()[1]
            return port
        except OSError:
            for one in listening:
                one.close()
            if server.options.port:
                raise
    raise OSError("no port is free on all addresses")


def end_with_stdin(loop, stop):
    """A parent that dies takes us along; by hand (a terminal) stdin is left alone."""
    if sys.stdin is None or sys.stdin.isatty():
        return
    try:
        loop.add_reader(0, lambda: None if os.read(0, 4096) else stop.set())
    except (OSError, PermissionError):
        pass


async def main(options):
    server = Server(options)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    # a client that drops a connection is the purpose here, not news
    loop.set_exception_handler(lambda _loop, _context: None)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server.tls = tls_context(options)
    port = await listen_all(server, server.tls)
    print("ready %d" % port, flush=True)
    end_with_stdin(loop, stop)
    await stop.wait()
    os._exit(0)


if __name__ == "__main__":
    opts = options_of(sys.argv[1:])
    if opts.http2:
        import badhttp2 # it needs python3-hpack
    if opts.list:
        print(describe())
        sys.exit(0)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard))
    asyncio.run(main(opts))
