"""A server whose replies come late, and what its log of them says.

bench/run uses it as a module: LateServer starts this file as a child, because
the measuring process must not be what the replies wait for.
By hand: late.py ADDRESS... prints its port and runs until stdin ends.
"""

import asyncio
import json
import os
import subprocess
import sys


class LateReplies(asyncio.Protocol):
    """GET /MS/anything is answered MS milliseconds later, with its path as the body."""

    events = [] # (time, the server's address, +1 or -1), of all connections

    def connection_made(self, transport):
        self.transport, self.head = transport, b""
        self.address = transport.get_extra_info("sockname")[0]
        self.loop = asyncio.get_running_loop()

    def data_received(self, data):
        self.head += data
        while b"\r\n\r\n" in self.head:
            head, self.head = self.head.split(b"\r\n\r\n", 1)
            path = head.split(b" ", 2)[1]
            now = self.loop.time()
            self.events.append((now, self.address, 1))
            self.loop.call_at(now + int(path.split(b"/", 2)[1]) / 1000, self.answer, path)

    def answer(self, path):
        self.events.append((self.loop.time(), self.address, -1))
        if not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"
                                 % (len(path), path))


async def serve_late(addresses):
    """Prints its port; each line on stdin is answered with the events since the last."""
    loop = asyncio.get_running_loop()
    port, servers = None, []
    for address in addresses:
        servers.append(await loop.create_server(LateReplies, address, port or 0, backlog=1024))
        port = port or servers[0].sockets[0].getsockname()[1]
    print(port, flush=True)
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps(LateReplies.events), flush=True)
        LateReplies.events.clear()


class LateServer:
    """The server as a child, and its log."""

    def __init__(self, count):
        self.addresses = ["127.0.0.%d" % (i + 1) for i in range(count)]
        self.process = subprocess.Popen([sys.executable, os.path.abspath(__file__), *self.addresses],
                                        text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.port = int(self.process.stdout.readline() or 0)
        if not self.port:
            raise RuntimeError("the server of late replies did not start")

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()

    def url(self, host, path):
        return "http://%s:%d%s" % (self.addresses[host], self.port, path)

    def events(self):
        """What happened since the last call: [time, address, +1 or -1]."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


# ---- what the events say: [time, address, +1 or -1], in order of time

def mean_turnaround(events):
    """Milliseconds from a request to its answer, as the server did it."""
    answered = sum(-step * when for when, _address, step in events)
    return answered / sum(step < 0 for _when, _address, step in events) * 1000


def most_at_once(events):
    """The greatest number of open requests, in all and of one address."""
    now, most = {}, [0, 0]
    for _when, address, step in events:
        now[address] = now.get(address, 0) + step
        most = [max(most[0], sum(now.values())), max(most[1], now[address])]
    return most


def slot_use(events, addresses, jobs_per_host, slots, per_host):
    """The share of the slots' time with a request in the server, from the first request until
    the jobs that are left cannot fill all slots any more."""
    left = dict.fromkeys(addresses, jobs_per_host)
    in_server, used, since = 0, 0.0, events[0][0]
    last = since
    for when, address, step in events:
        used += in_server * (when - last)
        last = when
        in_server += step
        left[address] -= step < 0
        if sum(min(per_host, n) for n in left.values()) < slots:
            break
    return used / (slots * (last - since))


if __name__ == "__main__":
    asyncio.run(serve_late(sys.argv[1:]))
