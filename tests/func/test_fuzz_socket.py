"""Requests of all methods with parameters of all kinds, from clients that come and go as they please: hauld
lives, says nothing but JSON, and ends as it should.  What is sent is decided by the seed alone."""

import json
import os
import random
import re
import signal
import socket

import pytest
from service import Gone, request
from waiting import wait_until

LINES = 20000
CLIENTS = 10
METHODS = os.path.join(os.path.dirname(__file__), "..", "..", "src", "daemon", "control", "methods.c")
NAMES = ["a", "b", "g", "made", "", "x/y", "\u00fc", "a" * 300, "event:e", "127.0.0.1"]
STATES = ["queued", "blocked", "active", "done", "failed", "cancelled", "paused", "nope"]


def methods():
    """{name: [parameter]}, but for those that end hauld."""
    with open(METHODS, encoding="utf-8") as f:
        found = re.findall(r'\{ "([a-z]+)", POLICY_\w+, "([^"]*)", method_', f.read())
    assert len(found) > 30
    return {name: params.split() for name, params in found if name not in ("drain", "shutdown", "reload", "check")}


class Requests:
    def __init__(self, seed, server, root):
        self.random, self.server, self.root = random.Random(seed), server, root
        self.methods, self.n = methods(), 0
        self.often = sorted(self.methods) + ["add"] * 8 + ["set", "wait", "cancel", "cat", "pause", "resume", "retry", "events"] * 2

    def scalar(self):
        return self.random.choice([None, True, False, 0, 1, -1, 2**31, 2**53 + 1, 2**63 - 1, 1.5, 1e308, "off", "5M", "1s",
                                   *NAMES, *STATES])

    def anything(self, depth=0):
        r, kind = self.random, self.random.randrange(6)
        if kind < 3 or depth > 2:
            return self.scalar()
        if kind == 3:
            return [self.anything(depth + 1) for _ in range(r.randrange(4))]
        if kind == 4:
            return {r.choice(NAMES): self.anything(depth + 1) for _ in range(r.randrange(4))}
        return r.choice([[], {}, "a" * 5000, [1] * 1200])

    def ref(self):
        return self.random.choice([self.random.randrange(1, 80), self.random.randrange(1, 80), self.random.choice(NAMES)])

    def url(self):
        path = self.random.choice(["/ok/1000", "/ok/1000", "/ok/64K", "/stall/1M/64K", "/status/404", "/status/503"])
        return self.server.url("%s?fuzz-%d" % (path, self.random.randrange(50)))

    def job(self):
        r = self.random
        options = {"name": "n%d" % r.randrange(40), "group": r.choice(["g", "made"]), "after": r.choice([str(self.ref()), "event:e"]),
                   "after-failed": str(self.ref()), "delay": r.choice(["10ms", "1h"]), "every": "1s", "deadline": r.choice(["50ms", "1h"]),
                   "priority": r.randrange(-9, 9), "limit-rate": r.choice(["1", "100K"]), "retry": r.randrange(3), "retry-delay": "10ms",
                   "paused": True, "conditional": True, "decompress": "auto", "on-download-complete": ["/bin/true"],
                   "on-download-error": ["/bin/false"], "url-command": ["/bin/echo", self.url()], r.choice(NAMES): self.anything()}
        keys = r.sample(sorted(options), r.choice([0, 0, 1, 1, 2, 4]))
        return {"url": self.url(), "output": "o%d" % r.randrange(60), "fsync": "off", **{k: options[k] for k in keys}}

    def param(self, method, name):
        r = self.random
        if r.random() < 0.08:
            return self.anything()
        if method == "add" and name in ("job", "jobs"):
            return self.job() if name == "job" else [self.job() for _ in range(r.choice([1, 1, 4]))]
        if method == "set" and name == "set":
            return r.choice([{"url": self.url()}, {"priority": r.randrange(9)}, {"limit-rate": "1M"}, {"header": ["X: y"]}])
        if method == "group" and name == "set":
            return r.choice([{}, {"max-concurrent": 1}, {"on-failure": "cancel"}, {"parent": "g"}])
        values = {"job": self.ref(), "jobs": [self.ref() for _ in range(3)], "group": r.choice(["g", "made", "made2"]), "set": "e", "clear": "e",
                  "state": r.choice(STATES), "timeout_ms": r.choice([1, 50]), "progress_ms": 100, "since": r.randrange(99), "limit": r.randrange(99),
                  "follow": True, "all": True, "remove": True, "host": "127.0.0.1", "rate": r.choice(["1M", "off"]), "key": "k%d" % r.randrange(9),
                  "files": [{"path": os.path.join(self.root, "o%d" % r.randrange(60)), "checksum": "md5:" + "0" * 32}]}
        return values.get(name, self.scalar())

    def line(self):
        r = self.random
        method = r.choice(self.often)
        needed = {"add": ["jobs"], "set": ["jobs", "set"], "verify": ["files"]}.get(method, ["job"] if r.random() < 0.5 else [])
        names = [p for p in self.methods[method] if p in needed or r.random() < 0.2]
        self.n += 1
        line = request(method, r.choice([self.n, self.n, None]), **{p: self.param(method, p) for p in names})
        if r.random() < 0.02: # cut, or with another byte
            at = r.randrange(len(line))
            line = line[:at] if r.random() < 0.5 else line[:at] + bytes([r.randrange(256)]) + line[at + 1:]
        return line


def drain(client, rests):
    """What came is JSON, a line each.  False: hauld let it go, or nobody is there."""
    try:
        while data := client.recv(1 << 18):
            *lines, rests[client] = (rests.get(client, b"") + data).split(b"\n")
            for line in lines:
                json.loads(line)
        return False
    except BlockingIOError:
        return True
    except OSError:
        return False


def served(s):
    """A client; None while all places are taken by those who have gone, which hauld does not know yet."""
    c = s.client()
    try:
        c.call("version")
        return c
    except (Gone, OSError):
        return None


@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_clients_send_and_whenever_they_go(serve, server, seed):
    s = serve({"groups": [{"name": "g", "max-concurrent": 2}]})
    requests, clients, rests = Requests(seed, server, s.root), [], {}
    r = requests.random
    for _ in range(LINES):
        while len(clients) < CLIENTS:
            clients.append(socket.socket(socket.AF_UNIX))
            clients[-1].connect(s.socket)
            clients[-1].setblocking(False)
        at, line, end = r.randrange(CLIENTS), requests.line(), r.random()
        try:
            clients[at].send(line)
        except OSError: # full, or gone
            pass
        if r.random() < 0.5 and not drain(clients[at], rests):
            end = 0
        if end < 0.03:
            clients.pop(at).close()
        elif end < 0.04:
            try:
                clients[at].shutdown(socket.SHUT_WR)
            except OSError:
                pass
    with wait_until(lambda: served(s)) as c:
        assert c.call("events", limit=1)["last"] > 300 # a part of it made sense
        c.call("cancel", all=True)
        for client in clients:
            client.close()
        if seed % 2: # in the midst of it: a file whose hook runs still leaves its map to the next life
            s.signal(signal.SIGTERM)
            assert s.wait_exit() == 0
            return
        wait_until(lambda: c.call("status")["clients"] == 1) # all that they sent was read
        c.call("cancel", all=True)
        c.call("wait", all=True)
    s.stop()
