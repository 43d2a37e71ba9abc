"""A stand-in for hauld's control socket: speaks JSON-RPC from a script of the test's.

    with FakeHauld(path) as fake:
        fake.on["version"] = lambda params, client: {"version": "9"}
        fake.on["cancel"] = refuse(-32001, "no-such-job", "there is no job x")
        def subscribe(params, client):
            client.answer({"subscription": 1, "jobs": []})   # now, then events
            client.event("end", job=brief(1, state="done"))
        fake.on["subscribe"] = subscribe
    fake.requests            # [{"method": .., "params": ..}, ...] in the order they came
    fake.of("add")           # the params of each add
    fake.wait_request("wait", 2)

A handler gets the params and the client and returns the result, or raises
Refused, or returns None when it has answered or will answer later
(client.answer(result, id=...)).  fake.jobs (briefs by id) feeds the defaults of
add, list, show, subscribe and status.
"""

import json
import os
import socket
import threading

from waiting import PATIENCE, WaitedTooLong

STATES = ("queued", "blocked", "active", "paused", "done", "failed", "cancelled")


def brief(number, **members):
    """A job object as in haul-rpc(7)."""
    job = {"id": number, "name": None, "state": "queued", "phase": "", "why": None,
           "output": "/srv/haul/file-%d" % number, "url": "http://example.org/file-%d" % number,
           "priority": 0, "attempts": 0, "total": 0, "received": 0, "processed": 0, "unpacked": 0,
           "published": 0, "rate": 0, "code": "", "reason": "", "retry_in_ms": 0, "seconds": 0.0,
           "origin": "client", "uid": 1000, "added": 1700000000}
    job.update(members)
    if job["state"] == "done":
        job["code"] = job["code"] or "done"
    return job


class Refused(Exception):
    def __init__(self, code, word, message, **data):
        super().__init__(message)
        self.error = {"code": code, "message": message, "data": dict(data, word=word)}


def refuse(code, word, message, **data):
    """A handler that always refuses."""
    def handler(_params, _client):
        raise Refused(code, word, message, **data)
    return handler


class Client:
    """One connection, as a handler sees it."""

    def __init__(self, fake, connection):
        self.fake, self.connection = fake, connection
        self.lock = threading.Lock()
        self.id = None # of the request that is being handled

    def send(self, message):
        with self.lock:
            self.connection.sendall(json.dumps(message).encode() + b"\n")

    def send_bytes(self, data):
        with self.lock:
            self.connection.sendall(data)

    def answer(self, result, id=None):
        self.send({"jsonrpc": "2.0", "id": self.id if id is None else id, "result": result})

    def event(self, kind, subscription=1, **members):
        self.send({"jsonrpc": "2.0", "method": "event",
                   "params": dict(members, subscription=subscription, event=kind)})

    def close(self):
        self.connection.shutdown(socket.SHUT_RDWR)

    def run(self):
        with self.connection, self.connection.makefile("rb") as lines:
            try:
                for line in lines:
                    self.handle(line)
            except (OSError, ValueError):
                pass # the client went away

    def handle(self, line):
        self.fake.longest = max(self.fake.longest, len(line))
        request = json.loads(line)
        self.id = request["id"]
        self.fake.record(request)
        try:
            result = self.fake.find(request["method"])(request.get("params", {}), self)
        except Refused as refused:
            self.send({"jsonrpc": "2.0", "id": self.id, "error": refused.error})
            return
        if result is not None:
            self.answer(result, request["id"])


class FakeHauld:
    def __init__(self, path):
        self.path = str(path)
        self.on, self.jobs = {}, {}
        self.requests, self.clients = [], []
        self.longest = 0 # bytes of the longest request
        self.keys = {}
        self._changed = threading.Condition()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen(16)
        self._threads = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            client = Client(self, connection)
            self.clients.append(client)
            thread = threading.Thread(target=client.run, daemon=True)
            self._threads.append(thread)
            thread.start()

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for client in self.clients:
            try:
                client.close()
            except OSError:
                pass # closed already
        for thread in self._threads:
            thread.join(PATIENCE)
        os.unlink(self.path)

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.close()

    # ---- what came

    def record(self, request):
        with self._changed:
            self.requests.append(request)
            self._changed.notify_all()

    def of(self, method):
        return [r.get("params", {}) for r in self.requests if r["method"] == method]

    def wait_request(self, method, count=1, timeout=PATIENCE):
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.of(method)) >= count, timeout):
                raise WaitedTooLong("no %d requests %s: %r" % (count, method, self.requests[-5:]))
        return self.of(method)[count - 1]

    # ---- what is answered when the test says nothing else

    def find(self, method):
        handler = self.on.get(method) or getattr(self, "do_" + method, None)
        return handler or refuse(-32601, "no-such-method", "there is no method %s" % method)

    def add_job(self, **members):
        number = max(self.jobs, default=0) + 1
        self.jobs[number] = brief(number, **members)
        return self.jobs[number]

    def named(self, name):
        for job in self.jobs.values():
            if name in (job["id"], job["name"]) or str(job["id"]) == name:
                return job
        raise Refused(-32001, "no-such-job", "there is no job %s" % name)

    def do_add(self, params, _client):
        key = params.get("key")
        if key in self.keys:
            return dict(self.keys[key], repeated=True)
        added = []
        for job in params["jobs"]:
            made = self.add_job(name=job.get("name"), url=job["url"][0],
                                output="/srv/haul/" + job.get("output", job["url"][0].split("/")[-1]))
            added.append({"id": made["id"], "name": made["name"]})
        answer = {"jobs": added}
        if key is not None:
            self.keys[key] = answer
        return answer

    def do_list(self, params, _client):
        after, limit = params.get("after", 0), params.get("limit", 200)
        states = params.get("state", STATES)
        found = [j for n, j in sorted(self.jobs.items()) if n > after and j["state"] in states]
        page = found[:limit]
        return {"jobs": page, "next": page[-1]["id"] if len(found) > limit else None}

    def do_show(self, params, _client):
        return dict({"settings": {}, "receipt": None, "last": None}, **self.named(params["job"]))

    def do_wait(self, params, _client):
        return {"jobs": [self.named(name) for name in params["jobs"]]}

    def do_subscribe(self, params, _client):
        answer = {"subscription": 1}
        if "jobs" in params:
            answer["jobs"] = [self.named(name) for name in params["jobs"]]
        return answer

    def do_unsubscribe(self, _params, _client):
        return {}

    def counts(self):
        return {s: sum(j["state"] == s for j in self.jobs.values()) for s in STATES}

    def do_status(self, _params, _client):
        return {"state": "running", "pid": 1, "version": "0.1.0", "uptime_s": 1,
                "config": "/etc/hauld/hauld.conf", "socket": self.path, "jobs": self.counts(),
                "rate": 0, "received": 0, "waiting": {}, "limits": [], "binding": None,
                "workers": {"running": 0, "limit": 2, "deaths": 0}, "disks": [],
                "loop": {"callbacks": 1, "late": 0, "late_cpu": 0, "max_us": 1, "max_name": "socket"},
                "clients": 1}
