"""What issue orders, times, groups and hooks promise, while hauld or parts of it are killed.

    with Stage(tmp, server, seed) as stage:
        stage.run(acts=20, strikes=8)    # acts play side by side, strikes come at random instants
        stage.finish()                   # all runs to its end; what is wrong is an AssertionError

An act is one story with jobs of its own, told by a client that asks again until it is answered.  Its
play() says what was acknowledged and keeps looking whether that still holds; its judge() is asked
when all is over.  The seed decides the acts and what they do; the machine decides what a strike meets.
"""

import json
import os
import random
import signal
import sqlite3
import threading
import time
import traceback
import urllib.parse
import urllib.request

from bodies import body
from haul import children_named, kill_quietly
from service import Gone, RpcError, Service
from test_atomic import read_set
from waiting import PATIENCE

OVER = ("done", "failed", "cancelled")
CHILDREN = ("hauld-worker", "hauld-store", "hauld-conf", "hauld-spawn")
# what is killed, and how often of 100
TARGETS = {"all": 34, "hauld": 24, "hauld-worker": 8, "hauld-store": 12, "hauld-conf": 4, "hauld-spawn": 6, "term": 12}
PASSING = ("draining", "internal", "failed", "configuration") # hauld-conf may be killed, too
LOOKS = ("show", "list", "group", "why", "wait", "events", "limit", "event")
STATE_FILES = {"jobs.db", "jobs.db-wal", "jobs.db-shm", "lock"}
LONG_MS = 3600 * 1000
HOOK = """#!/bin/sh
# One line for each run: what it was told, and how many bytes stand at the destination.
printf '%%s %%s %%s\\n' "$HAUL_EVENT" "$HAUL_ID" "$(stat -c %%s "$HAUL_OUTPUT" 2>/dev/null || echo none)" >> '%s'
"""


class Act:
    """One story.  self.tag is in all names, paths and urls of it."""

    def __init__(self, stage, number, rng):
        self.stage, self.rng, self.tag = stage, rng, "k%d" % number
        self.wanted = {}    # path beneath the root -> what lies there; ...: anything, or nothing
        self.may = {}       # the same of what may lie there
        self.gates = []
        self.host = "127.0.0.%d" % rng.randint(1, 20)

    # what acts use

    def ask(self, method, **params):
        return self.stage.ask(method, **params)

    def url(self, path, **query):
        return self.stage.server.url("%s?%s" % (path, urllib.parse.urlencode({"x": self.tag, **query})), self.host)

    def ok(self, size=1000, seed=0, **query):
        return self.url("/ok/%d" % size, seed="%s-%s" % (self.tag, seed), **query)

    def gated(self, gate, size=1000, upto=None, seed=0, **query):
        """Waits until the gate is opened."""
        name = "crashplans-%s-%s-%s" % (self.stage.name, self.tag, gate)
        self.gates.append(name)
        path = "/gate/%d" % size if upto is None else "/gate/%d/%d" % (size, upto)
        return self.url(path, gate=name, seed="%s-%s" % (self.tag, seed), **query)

    def open(self, gate):
        self.stage.server.open("crashplans-%s-%s-%s" % (self.stage.name, self.tag, gate))

    def data(self, size=1000, seed=0):
        return body(size, "%s-%s" % (self.tag, seed))

    def job(self, name, url, **keys):
        return {"name": self.name(name), "output": self.path(name), "url": url, "retry": 20, "retry-delay": "50ms",
                "retry-max-delay": "300ms", "fsync": "off", "stall-timeout": "1h", **keys}

    def name(self, name):
        return "%s-%s" % (self.tag, name)

    def path(self, name):
        return "%s/%s" % (self.tag, name)

    def add(self, *jobs, **params):
        return [j["id"] for j in self.ask("add", jobs=list(jobs), key="key-%s-%s" % (self.tag, self.rng.random()), **params)["jobs"]]

    def show(self, name):
        return self.ask("show", job=self.name(name) if isinstance(name, str) else name)

    def until(self, condition, what):
        return self.stage.until(condition, lambda: "%s: %s" % (self.tag, what() if callable(what) else what))

    def over(self, name):
        return self.until(lambda: (lambda j: j if j["state"] in OVER else None)(self.show(name)), lambda: self.show(name))

    def wait(self, *names):
        return self.ask("wait", jobs=[self.name(n) if isinstance(n, str) else n for n in names])["jobs"]

    def still(self, look):
        """What was acknowledged holds now, and behind a strike or two."""
        for _ in range(self.rng.choice([1, 1, 2])):
            look()
            self.stage.wait_strike(self.rng.uniform(0.1, 1.5))
        look()

    def dawdle(self, most=0.4):
        self.stage.ending.wait(self.rng.uniform(0, most)) # the instant, not a wait for anything

    def requests(self, part=""):
        return [r for r in self.stage.server.requests("x=%s&" % self.tag) if part in r["path"]]

    def is_done(self, name, data):
        job = self.show(name)
        assert job["state"] == "done", job
        self.wanted[self.path(name) if isinstance(name, str) else job["output"][len(self.stage.root) + 1:]] = data

    def is_over(self, name, state, code):
        job = self.show(name)
        assert (job["state"], job["code"]) == (state, code), job
        return job

    # what acts are

    def play(self):
        raise NotImplementedError

    def judge(self):
        """All is over."""


class Order(Act):
    """after, after-failed, a named event."""

    def play(self):
        self.good = self.rng.random() < 0.5
        query = {} if self.good else {"status": 404}
        jobs = [self.job("a", self.gated("a", **query)), self.job("b", self.ok(seed="b"), after=[self.name("a")]),
                self.job("c", self.ok(seed="c"), after=[self.name("b")]),
                self.job("f", self.ok(seed="f"), **{"after-failed": [self.name("a")]}),
                self.job("g", self.ok(seed="g"), **{"after-failed": [self.name("f")]}),
                self.job("e", self.ok(seed="e"), after=["event:" + self.tag, self.name("a" if self.good else "f")])]
        self.rng.shuffle(jobs)
        if self.rng.random() < 0.5: # those that wait first, as far as that may be
            jobs.sort(key=lambda j: j["name"] in (self.name("a"), self.name("f")))
        self.add(*jobs)
        self.dawdle()
        for name, word in (("b", "after:" + self.name("a")), ("f", "after-failed:" + self.name("a"))):
            job = self.show(name)
            assert (job["state"], job["why"]) == ("blocked", word), job
        if self.rng.random() < 0.5:
            self.ask("event", set=self.tag)
            self.still(lambda: self.event(True))
            self.open("a")
        else:
            self.open("a")
            self.dawdle()
            if self.rng.random() < 0.5:
                assert not self.requests("-e&") and self.show("e")["state"] == "blocked"
            self.ask("event", set=self.tag)
        self.wait(*"abcfge")
        if self.rng.random() < 0.5:
            self.ask("event", clear=self.tag)
            self.still(lambda: self.event(False))

    def event(self, there):
        found = [e for e in self.ask("event")["events"] if e["name"] == self.tag and e["set"]]
        assert bool(found) == there, (self.tag, found)

    def judge(self):
        if self.good:
            for n in "abce":
                self.is_done(n, self.data(seed=0 if n == "a" else n))
            self.is_over("f", "cancelled", "not-needed")
            self.is_over("g", "cancelled", "not-needed")
        else:
            self.is_over("a", "failed", "http-404")
            for n in "bc":
                assert '"%s"' % self.name("a") in self.is_over(n, "failed", "dependency-failed")["reason"]
            for n in "fe":
                self.is_done(n, self.data(seed=n))
            self.is_over("g", "cancelled", "not-needed")


class Scope(Act):
    """gather: a group made on the fly whose first failure ends the others."""

    def play(self):
        self.n, self.fails, self.cancels = self.rng.randint(2, 6), self.rng.random() < 0.6, self.rng.random() < 0.6
        self.ready = self.rng.randint(0, self.n - 1)
        names = ["m%d" % i for i in range(self.n)]
        jobs = [self.job(n, self.ok(seed=n) if i < self.ready else self.gated("hold", size=100000, upto=self.rng.choice([None, 50000]), seed=n))
                for i, n in enumerate(names)]
        if self.fails:
            jobs.append(self.job("bad", self.gated("fail", status=404)))
        self.n = len(jobs)
        self.names = [j["name"][len(self.tag) + 1:] for j in jobs]
        self.add(*jobs, scope={"name": self.tag, "on-failure": "cancel" if self.cancels else "continue", **self.more()})
        if self.ready and self.rng.random() < 0.5:
            self.wait(*names[:self.ready])
        else:
            self.dawdle()
        if self.fails:
            self.open("fail")
            if self.cancels:
                self.wait(*self.names)
            else:
                self.dawdle()
        self.open("hold")
        self.answer = self.of_group("wait")
        self.wait(*self.names)
        self.still(self.told)

    def of_group(self, method):
        """As it is told; None: a life has begun since all of its jobs were over, and nobody names it any more."""
        try:
            found = self.ask(method, group=self.tag)
        except RpcError as error:
            assert error.word == "no-such-job" and self.stage.struck("all", "hauld", "term"), error
            return None
        return found["group"] if method == "wait" else found["groups"][0]

    def more(self):
        return self.rng.choice([{}, {"max-concurrent": self.n}, {"deadline": "1h"}])

    def told(self):
        ended = [self.show(n)["state"] for n in self.names]
        for group in self.of_group("group"), self.answer:
            if group:
                assert group["live"] == 0 and all(group["jobs"][s] == ended.count(s) for s in OVER), (self.tag, ended, group)

    def judge(self):
        self.told()
        for n in self.names:
            j = self.show(n)
            if n == "bad":
                assert (j["state"], j["code"]) == ("failed", "http-404"), j
            elif j["state"] == "done":
                self.is_done(n, self.data(1000 if self.names.index(n) < self.ready else 100000, n))
            else:
                assert self.fails and self.cancels and j["code"] == "sibling-failed" and self.name("bad") in j["reason"], j
                # a kill may come between its name and the word of it: then the failure of the other is found first
                self.may[self.path(n)] = self.data(1000 if self.names.index(n) < self.ready else 100000, n)


class Deadline(Act):
    """A duration or a moment, with hauld there or not; a retry counts anew."""

    def play(self):
        seconds = self.rng.randint(1, 4)
        if self.rng.random() < 0.5:
            text, least = "%ds" % seconds, seconds
        else:
            at = int(time.time()) + seconds + 1
            text, least = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at)), None
        self.id, = self.add(self.job("d", self.gated("never"), deadline=text))
        added = self.show("d")["added"]
        job, = self.wait("d")
        self.same = (job["state"], job["code"], job["ended"])
        assert self.same[:2] == ("failed", "deadline"), job
        assert job["ended"] >= (added + least if least else at) - 1, (job, added, text)
        if least and self.rng.random() < 0.5:
            before = time.time()
            self.retry("d")
            self.dawdle(seconds)
            job, = self.wait("d")
            assert (job["state"], job["code"]) == ("failed", "deadline") and job["ended"] >= int(before + least) - 1, (job, before)
            self.same = (job["state"], job["code"], job["ended"])
        self.still(self.judge)

    def retry(self, name):
        try:
            self.ask("retry", jobs=[self.name(name)])
        except RpcError as error: # it was carried out, and the answer was lost
            assert error.word == "conflict", error

    def judge(self):
        job = self.show("d")
        assert (job["state"], job["code"], job["ended"]) == self.same, (job, self.same)


class Times(Act):
    """delay and start-at; what was missed is made up for, and nothing is early."""

    def play(self):
        seconds = self.rng.randint(1, 4)
        at = int(time.time()) + seconds
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
        self.add(self.job("delay", self.ok(seed="delay"), delay="%ds" % seconds), self.job("at", self.ok(seed="at"), **{"start-at": moment}),
                 self.job("both", self.gated("never"), delay="%ds" % seconds, deadline="1s"),
                 self.job("run", self.ok(seed="run"), delay="1h"))
        added = self.show("delay")["added"]
        self.dawdle(2)
        try:
            self.ask("run", jobs=[self.name("run")])
        except RpcError as error:
            assert error.word == "conflict", error # it has begun: the answer was lost
        self.wait("run", "delay", "at", "both")
        ahead = time.time() - time.monotonic()
        for name, least in (("delay", added + seconds), ("at", at), ("both", added + seconds)):
            seen = [r["time"] + ahead for r in self.requests("-%s&" % name if name != "both" else "/gate/")]
            assert seen or name == "both", (self.tag, name)
            assert all(s >= least - 0.1 for s in seen), (name, least, seen)
        self.both = self.is_over("both", "failed", "deadline")["ended"]
        assert self.both >= added + seconds, (self.show("both"), added, seconds)

    def ok(self, size=1000, seed=0, **query):
        return super().ok(size, seed, **query) + "&"

    def judge(self):
        for n in ("delay", "at", "run"):
            self.is_done(n, self.data(seed=n))
        assert self.is_over("both", "failed", "deadline")["ended"] == self.both


class Again(Act):
    """every, cron and run: runs are counted once, nothing of the history of a job is lost."""

    def play(self):
        key, self.version = "crashplans-%s-%s" % (self.stage.name, self.tag), 0
        self.key = key
        url = self.url("/condition/1000", key=key)
        self.often = self.rng.random() < 0.5
        keys = {"every": "1s"} if self.often else {"cron": "0 0 29 2 *"}
        self.add(self.job("j", url, **keys))
        self.last = {"count": 0}
        for _ in range(self.rng.randint(2, 4)):
            if self.rng.random() < 0.6:
                self.next_version()
            self.run()
        if self.often and self.rng.random() < 0.5:
            self.wait_count(self.last["count"] + 2)
        state = self.ask("cancel", jobs=[self.name("j")])["jobs"][0]["state"]
        self.state = state
        self.still(self.cancelled)

    def next_version(self):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(self.url("/condition-next", key=self.key), timeout=PATIENCE) as answer:
            answer.read()
        self.version += 1

    def look(self):
        runs = self.show("j")["runs"]
        assert runs["count"] >= self.last["count"], (runs, self.last)
        assert len(runs["past"]) == min(16, runs["count"]), runs
        for a, b in zip(runs["past"], runs["past"][1:]):
            assert a["ended"] <= b["ended"], runs
        for old in self.last.get("past", []):
            assert runs["count"] > 16 or old in runs["past"], (runs, self.last)
        assert all(p["code"] == "done" for p in runs["past"]), runs
        return runs

    def wait_count(self, n):
        self.until(lambda: self.look()["count"] >= n, lambda: self.show("j"))

    def run(self):
        before = self.look()["count"]
        try:
            self.ask("run", jobs=[self.name("j")])
        except RpcError as error:
            assert error.word == "conflict", error # it runs: the answer was lost, or its time has come
        self.wait_count(before + 1)
        self.ask("wait", jobs=[self.name("j")]) # the store has it
        self.last = self.look()

    def cancelled(self):
        job = self.show("j")
        assert job["state"] == self.state and not job["next_run"] and not job["runs"]["next"], job
        self.look_cancelled(job["runs"])

    def look_cancelled(self, runs):
        assert runs["count"] >= self.last["count"], (runs, self.last)

    def judge(self):
        self.cancelled()
        seen = [body(1000, "condition%d" % v) for v in range(self.version + 1)]
        with open(os.path.join(self.stage.root, self.path("j")), "rb") as f:
            found = f.read()
        assert found in seen, (self.tag, found[:16])
        if not self.often:
            assert found == seen[-1] or self.show("j")["runs"]["past"][-1]["code"] == "cancelled", self.show("j")
        self.wanted[self.path("j")] = found


class Commands(Act):
    """pause, resume, cancel, remove, retry, set: what was acknowledged stays so."""

    def play(self):
        # Of a job that is removed nothing is known in the next life: where it was the other one tells.
        self.id, _stays = self.add(self.job("j", self.gated("hold", size=300000, upto=self.rng.choice([None, 150000])), priority=1),
                                   self.job("stays", self.ok(10, "stays")))
        self.dawdle()
        self.settings = {"priority": 1}
        self.size, self.seed = 300000, 0
        self.tried = [(300000, 0)]
        for _ in range(self.rng.randint(1, 4)):
            getattr(self, self.rng.choice(["pause", "resume", "set", "url"]))()
        self.end = self.rng.choice(["cancel", "cancel", "done", "done", "remove", "retry"])
        if self.end == "done":
            self.resume()
            self.open("hold")
            self.ended, = self.wait("j")
            self.still(self.judge)
        else:
            job, = self.ask("cancel", jobs=[self.id])["jobs"]
            assert job["state"] == "cancelled", job
            self.still(lambda: self.state("cancelled"))
        if self.end == "remove":
            try:
                assert self.ask("remove", jobs=[self.id])["removed"] == 1
            except RpcError as error:
                assert error.word == "no-such-job", error
            self.still(self.judge)
        elif self.end == "retry":
            try:
                self.ask("retry", jobs=[self.id])
            except RpcError as error:
                assert error.word == "conflict", error
            self.open("hold")
            self.ended, = self.wait("j")
            self.still(self.judge)

    def state(self, *states):
        job = self.show(self.id)
        assert job["state"] in states, (states, job)
        for key, value in self.settings.items():
            assert job["settings"][key] == value, job

    def pause(self):
        job, = self.ask("pause", jobs=[self.id])["jobs"]
        assert job["state"] == "paused", job
        self.still(lambda: self.state("paused"))

    def resume(self):
        self.ask("resume", jobs=[self.id])
        self.still(lambda: self.state("queued", "blocked", "active", *OVER))

    def set(self):
        priority = self.rng.randint(2, 9)
        self.ask("set", jobs=[self.id], set={"priority": priority, "user-agent": "u%d" % priority})
        self.settings.update({"priority": priority, "user-agent": "u%d" % priority})
        self.still(lambda: self.state("queued", "blocked", "active", "paused"))

    def url(self, *args, **keys):
        if args:
            return super().url(*args, **keys)
        self.seed += 1
        self.size = self.rng.choice([1000, 300000])
        url = self.gated("hold", size=self.size, upto=self.rng.choice([None, self.size // 2]), seed=self.seed)
        self.tried.append((self.size, self.seed))
        self.ask("set", jobs=[self.id], set={"url": url})
        self.still(lambda: self.state("queued", "blocked", "active", "paused"))
        return None

    def judge(self):
        self.wanted[self.path("stays")] = self.data(10, "stays")
        if self.end == "remove":
            try:
                self.show(self.id)
            except RpcError as error:
                assert error.word == "no-such-job", error
                return
            raise AssertionError("%s was removed and is there again" % self.tag)
        if self.end == "cancel":
            self.state("cancelled")
            return
        assert self.ended["state"] == "done", self.ended
        job = self.show(self.id)
        assert {k: job[k] for k in ("state", "ended", "published", "code")} == {k: self.ended[k] for k in ("state", "ended", "published", "code")}
        # A request that is under way goes on when another url is set: the file is that of one of them, as a whole.
        with open(os.path.join(self.stage.root, self.path("j")), "rb") as f:
            data = f.read()
        assert data in [self.data(*t) for t in self.tried], (self.tag, len(data), self.tried)
        self.is_done("j", data)


class PausedGroup(Act):
    """A group is paused: nothing of it starts, whatever is killed.  Its settings stay, too."""

    def play(self):
        n = self.rng.randint(1, 5)
        self.ask("group", group=self.tag, set={"max-concurrent": 3, "on-failure": "continue"})
        self.ask("pause", group=self.tag)
        self.names = ["p%d" % i for i in range(n)]
        self.add(*[self.job(name, self.ok(seed=name), group=self.tag) for name in self.names])
        self.still(self.held)
        if self.rng.random() < 0.5:
            self.ask("group", group=self.tag, set={"max-concurrent": 2})
            self.most = 2
        self.still(self.held)
        if self.rng.random() < 0.3:
            self.state = "cancelled"
            self.ask("cancel", group=self.tag)
            self.still(self.judge)
        self.ask("resume", group=self.tag)
        if self.state == "cancelled":
            self.still(self.judge)
            return
        done = self.ask("wait", group=self.tag)["group"]
        assert done["jobs"]["done"] == n, done
        self.still(self.judge)
        assert not self.ask("group", group=self.tag)["groups"][0]["paused"]

    most, state = 3, "done"

    def held(self):
        group, = self.ask("group", group=self.tag)["groups"]
        assert group["paused"] and group["max_concurrent"] == self.most, group
        assert not self.requests(), (self.tag, self.requests())
        whys = {self.show(n)["why"] for n in self.names}
        assert whys <= {"group-paused", "all-paused"}, whys

    def judge(self):
        group, = self.ask("group", group=self.tag)["groups"]
        assert group["max_concurrent"] == self.most and group["origin"] == "client", group
        for n in self.names:
            if self.state == "cancelled":
                self.is_over(n, "cancelled", "cancelled")
            else:
                self.is_done(n, self.data(seed=n))


class Nested(Act):
    """A group with a deadline, or whose failure is that of the group around it; members in both."""

    def play(self):
        self.late = self.rng.random() < 0.4
        outer = {"on-failure": "cancel"}
        if self.late:
            outer["deadline"] = self.rng.choice(["1s", "2s", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3))])
        self.ask("group", group=self.tag, set=outer)
        try:
            self.ask("group", group=self.tag + "-in", set={"parent": self.tag, "max-concurrent": 4})
        except RpcError as error: # it was made, and the answer was lost
            assert error.word == "invalid-params" and "stays in its parent" in error.text, error
        self.ids = self.add(*[self.job("o%d" % i, self.ok(seed="o%d" % i), group=self.tag) for i in range(2)],
                            *[self.job("h%d" % i, self.gated("never"), group=self.tag + ("-in" * (i % 2))) for i in range(3)],
                            self.job("bad", self.gated("bad", status=404), group=self.tag + "-in"))
        self.wait("o0", "o1")
        self.dawdle()
        if not self.late:
            self.open("bad")
        self.ends = self.ask("wait", jobs=self.ids)["jobs"]
        self.group = self.ask("wait", group=self.tag)["group"]
        self.still(self.judge)

    def judge(self):
        codes = [self.show(i)["code"] for i in self.ids]
        assert codes == [j["code"] for j in self.ends], (codes, self.ends)
        if self.late:
            assert codes[2:] == ["deadline"] * 4 and set(codes[:2]) <= {"done", "deadline"}, codes
        else:
            assert codes == ["done"] * 2 + ["sibling-failed"] * 3 + ["http-404"], codes
        counts = (codes.count("done"), codes.count("deadline") + codes.count("http-404"), codes.count("sibling-failed"))
        for group in self.group, self.ask("group", group=self.tag)["groups"][0]:
            assert tuple(group["jobs"][s] for s in OVER) == counts and group["live"] == 0, (self.tag, counts, group)
        for n, code in zip(("o0", "o1"), codes):
            if code == "done":
                self.is_done(n, self.data(seed=n))


class PauseAll(Act):
    """Everything is paused for a moment."""

    def play(self):
        with self.stage.everything:
            self.ask("pause", all=True)
            self.still(self.paused)
            self.ask("resume", all=True)
        self.still(lambda: None)

    def paused(self):
        assert self.ask("group")["all_paused"]


class Limits(Act):
    """Limits of a host and of a group that a client sets while there is traffic."""

    def play(self):
        self.host = "127.0.0.%d" % (21 + self.rng.randrange(3)) # nobody else's
        with self.stage.hosts:
            self.add(*[self.job("l%d" % i, self.ok(size=400000, seed=i), **self.rng.choice([{}, {"limit-rate": "300K"}])) for i in range(2)])
            for _ in range(self.rng.randint(1, 3)):
                rate = self.rng.randint(200, 900) << 10
                self.ask("limit", host=self.host, rate=rate)
                self.still(lambda: self.limit(rate)) # noqa: B023
            self.wait("l0", "l1")
            self.ask("limit", host=self.host, reset=True)
            self.still(lambda: self.limit(0))

    def limit(self, rate):
        found = self.ask("limit", host=self.host)["host"]
        assert found["limit"] == rate, (found, rate)

    def judge(self):
        for i in range(2):
            self.is_done("l%d" % i, self.data(400000, i))


class Hooks(Act):
    """Each program runs at least once, and finds what it is told; once more for each end that was cut off."""

    def play(self):
        self.told = os.path.join(self.stage.tmp, "hook-" + self.tag)
        hook = os.path.join(self.stage.tmp, "run-" + self.tag)
        with open(hook, "w") as f:
            f.write(HOOK % self.told)
        os.chmod(hook, 0o755)
        self.size = self.rng.choice([1000, 300000])
        keys = {"on-download-start": [hook], "on-download-complete": [hook], "on-download-error": [hook], "hook-timeout": "1h"}
        self.ids = self.add(self.job("good", self.ok(self.size, "good"), **keys), self.job("bad", self.url("/status/404"), **keys))
        self.ends = self.wait("good", "bad")
        self.still(self.judge)

    def runs(self):
        try:
            with open(self.told) as f:
                return [line.split() for line in f.read().splitlines()]
        except FileNotFoundError:
            return []

    def judge(self):
        for j in self.ends:
            now = self.show(j["id"])
            assert {k: now[k] for k in ("state", "code", "ended")} == {k: j[k] for k in ("state", "code", "ended")}, (now, j)
        good, bad = self.ids
        most = 1 + 3 * len(self.stage.begun_strikes) # some are followed by others while it starts
        runs, (one, other) = self.runs(), self.ends
        for ending, event, number, result in ((one, "complete", good, str(self.size)), (other, "error", bad, "none")):
            mine = [r for r in runs if r[1] == str(number)]
            if ending["code"] == "hook-failed" and self.stage.struck("hauld-spawn", "all"):
                continue # it was killed with hauld-spawn, which is told
            assert ending["state"] == ("done" if ending is one else "failed"), ending
            assert 1 <= sum(r[0] == event for r in mine) <= most, runs
            assert all(r[2] == result for r in mine if r[0] == event), runs
            assert 1 <= sum(r[0] == "start" for r in mine) <= most, runs
        if one["state"] == "done" or "published" in one["reason"]:
            self.wanted[self.path("good")] = self.data(self.size, "good")
        else:
            assert one["code"] == "hook-failed", one


class FreshUrl(Act):
    """url-command mints another url."""

    def play(self):
        mint = os.path.join(self.stage.tmp, "mint-" + self.tag)
        self.good = self.url("/signed/300000", key=self.tag + self.stage.name, token="good", seed=self.tag)
        with open(mint, "w") as f:
            f.write("#!/bin/sh\necho '%s'\n" % self.good)
        os.chmod(mint, 0o755)
        first = self.url("/signed/300000", key=self.tag + self.stage.name, token=self.rng.choice(["once", "never"]), seed=self.tag)
        self.add(self.job("j", first, **{"url-command": [mint]}))
        self.end, = self.wait("j")

    def judge(self):
        job = self.show("j")
        assert job["state"] == self.end["state"], (job, self.end)
        if job["state"] == "failed" and self.stage.struck("hauld-spawn", "all"):
            assert "url-command" in job["reason"], job
            return
        self.is_done("j", body(300000, self.tag))


class Configured(Act):
    """Jobs of the configuration come, change and go by reloads."""

    def play(self):
        self.stage.configure(self.tag, jobs=self.jobs(0))
        for v in range(1, self.rng.randint(2, 4)):
            self.stage.reload(self.rng)
            self.dawdle()
            self.stage.configure(self.tag, jobs=self.jobs(v))
            self.v = v
        self.stage.reload(self.rng, surely=True)
        names = ["c%d" % i for i in self.there]
        self.until(lambda: all(self.exists(n) for n in names), lambda: "not all of %r" % names)
        self.ends = self.wait(*names)
        self.still(self.judge)

    def exists(self, name):
        try:
            return self.show(name)["settings"]["user-agent"] == "v%d" % self.versions[int(name[1:])]
        except RpcError as error:
            assert error.word == "no-such-job", error
            return False

    def jobs(self, v):
        self.there = self.rng.sample(range(5), self.rng.randint(1, 5))
        self.versions = {i: self.rng.randint(0, v) for i in self.there}
        order = self.there[:]
        self.rng.shuffle(order)
        return [self.job("c%d" % i, self.ok(seed="%d-%d" % (i, self.versions[i])), **{"user-agent": "v%d" % self.versions[i]},
                         **({"after": [self.name("c%d" % self.there[at - 1])]} if at and self.rng.random() < 0.5 else {}))
                for at, i in enumerate(self.there)]

    def judge(self):
        found = {j["name"]: j for j in self.stage.list(name=self.tag + "-*")}
        assert sorted(found) == sorted(self.name("c%d" % i) for i in self.there), (sorted(found), self.there)
        for j in self.ends:
            assert {k: found[j["name"]][k] for k in ("id", "state", "ended")} == {k: j[k] for k in ("id", "state", "ended")}
        for i in self.there:
            self.is_done("c%d" % i, self.data(seed="%d-%d" % (i, self.versions[i])))
        for i in set(range(5)) - set(self.there): # what was published before stays
            self.wanted[self.path("c%d" % i)] = ...


class Whole(Act):
    """A group that is published as a whole: always one set, at last the wanted one."""

    def play(self):
        self.directory = os.path.join(self.stage.root, self.tag, "set")
        self.sets, self.faults, stop = {}, [], threading.Event()
        self.n, again = self.rng.randint(2, 4), self.rng.random() < 0.4
        self.key = "crashplans-%s-%s" % (self.stage.name, self.tag)
        reader = threading.Thread(target=self.read_all, args=(stop,))
        try:
            reader.start()
            if again:
                self.by_cron()
            else:
                self.by_configuration()
        finally:
            stop.set()
            reader.join()
        assert not self.faults, self.faults[:2]
        self.still(self.judge)

    def by_configuration(self):
        for v in range(self.rng.randint(2, 4)):
            self.want(["s-%d-%d" % (i, v if i else 0) for i in range(self.n)], [{"url": self.ok(seed="s-%d-%d" % (i, v if i else 0))} for i in range(self.n)])
            self.stage.reload(self.rng, surely=True)
            if self.rng.random() < 0.7:
                self.wait_published()
            else:
                self.dawdle()
        self.stage.reload(self.rng, surely=True)
        self.wait_published()

    def want(self, seeds, members):
        self.seeds = seeds
        self.sets[tuple(seeds)] = {"f%d" % i: self.data(seed=s) for i, s in enumerate(seeds)}
        self.configure(members)

    def configure(self, members):
        self.stage.configure(self.tag, groups=[{"name": self.tag, "publish": "atomic", "directory": self.directory}],
                             jobs=[{**self.job("s%d" % i, ""), "group": self.tag, "output": os.path.join(self.directory, "f%d" % i), **m}
                                   for i, m in enumerate(members)])

    def wait_published(self):
        def there():
            jobs = [j for j in self.stage.list(name=self.tag + "-*")]
            return len(jobs) == self.n and all(j["state"] in OVER for j in jobs) and jobs
        jobs = self.until(there, lambda: self.stage.list(name=self.tag + "-*"))
        assert {j["state"] for j in jobs} == {"done"}, jobs
        found = self.read()
        assert found == self.sets[tuple(self.seeds)], (self.tag, self.seeds, self.short(found), jobs)

    def by_cron(self):
        versions = [0] * self.n
        self.configure([{"url": self.url("/condition/1000", key="%s-%d" % (self.key, i)), "cron": "0 0 29 2 *"} for i in range(self.n)])
        self.take(versions)
        self.stage.reload(self.rng, surely=True)
        names = [self.name("s%d" % i) for i in range(self.n)]
        self.until(lambda: len(self.stage.list(name=self.tag + "-*")) == self.n, "not there")
        for _ in range(self.rng.randint(2, 4)):
            counts = [self.show(n[len(self.tag) + 1:])["runs"]["count"] for n in names]
            try:
                self.ask("run", jobs=names)
            except RpcError as error:
                assert error.word == "conflict", error
                for n in names: # a life before has begun some of them
                    try:
                        self.ask("run", jobs=[n])
                    except RpcError as error:
                        assert error.word == "conflict", error
            self.until(lambda: all(self.show("s%d" % i)["runs"]["count"] > counts[i] for i in range(self.n)), # noqa: B023
                       lambda: self.stage.list(name=self.tag + "-*"))
            self.wait_published()
            for i in range(self.n):
                if self.rng.random() < 0.6:
                    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
                    with opener.open(self.url("/condition-next", key="%s-%d" % (self.key, i)), timeout=PATIENCE) as answer:
                        answer.read()
                    versions[i] += 1
            self.take(versions)
        self.seeds = self.read_seeds()

    def take(self, versions):
        """Some may be fetched before the server has all: so any of them is none of ours, but each is whole."""
        self.seeds = tuple(versions)
        self.sets[self.seeds] = {"f%d" % i: body(1000, "condition%d" % v) for i, v in enumerate(versions)}

    def read_seeds(self):
        found = self.read()
        return next(seeds for seeds, one in self.sets.items() if one == found)

    @staticmethod
    def short(found):
        return found and {k: v[:12] for k, v in found.items()}

    def read(self):
        return read_set(self.directory)

    def read_all(self, stop):
        while not stop.is_set():
            found = self.read()
            if found is not None and found not in list(self.sets.values()):
                self.faults.append((self.tag, self.short(found)))
            stop.wait(0.005)

    def judge(self):
        found = self.read()
        assert found == self.sets[tuple(self.seeds)], (self.tag, self.short(found))
        for name, data in found.items():
            self.wanted[self.path("set/" + name)] = data


class Many(Act):
    """A request with a key: all of it or nothing, once; set with filters; wait that lasts."""

    def play(self):
        n = self.n = self.rng.choice([20, 100, 250]) # so that the last 1000 that ended are all that did
        self.ids = self.add(*[self.job("n%d" % i, self.ok(10, i), paused=True) for i in range(n)])
        assert len(set(self.ids)) == n
        self.still(lambda: self.count(0))
        answers = self.ask_all("set", name=self.tag + "-*", set={"priority": 7})
        assert sum(a["changed"] for a in answers) == n, answers
        self.still(lambda: self.count(7))
        for at in range(0, n, 500):
            self.ask("cancel", jobs=self.ids[at:at + 500])
        self.still(self.judge)

    def ask_all(self, method, **params):
        answers = [{"next": 0}]
        while answers[-1]["next"] is not None:
            answers.append(self.ask(method, after=answers[-1]["next"], **params))
        return answers[1:]

    def count(self, priority):
        found = self.stage.list(name=self.tag + "-*")
        assert [j["id"] for j in found] == self.ids, (self.tag, len(found), self.n)
        assert {(j["state"], j["priority"]) for j in found} == {("paused", priority)}, {(j["state"], j["priority"]) for j in found}

    def judge(self):
        found = self.stage.list(name=self.tag + "-*")
        assert [j["id"] for j in found] == self.ids and {j["state"] for j in found} == {"cancelled"}, (self.tag, len(found))


ACTS = {Order: 3, Scope: 4, Deadline: 2, Times: 2, Again: 3, Commands: 4, PausedGroup: 2, Nested: 3, PauseAll: 1, Limits: 1, Hooks: 2,
        FreshUrl: 1, Configured: 2, Whole: 4, Many: 1}


class Stage:
    """Where acts play."""

    def __init__(self, tmp, server, seed, targets=None, acts=None, **daemon):
        self.life, self.up = threading.Lock(), True
        self.rng, self.seed = random.Random(seed), seed
        self.server, self.tmp, self.name = server, str(tmp), "%08x" % seed
        self.targets, self.kinds = targets or TARGETS, acts or ACTS
        self.service = Service(tmp, start=False, **{"workers": 2, "max_concurrent_downloads": 30, "max_connections_per_host": 30,
                                                    "max_download_result": 100000, **daemon})
        self.root = self.service.root
        self.daemon = {"workers": 2, "max_concurrent_downloads": 30, "max_connections_per_host": 30, "max_download_result": 100000, **daemon}
        self.config, self.config_lock = {}, threading.Lock()
        self.everything, self.hosts = threading.Lock(), threading.Lock()
        self.ending = threading.Event()   # no strikes any more
        self.stopping = threading.Event() # hauld was told to
        self.begun_strikes, self.done_strikes = [], []
        self.changed = threading.Condition()
        self.local = threading.local()
        self.trouble, self.acts, self.threads = [], [], []

    def __enter__(self):
        self.service.start()
        return self

    def __exit__(self, kind, _error, _trace):
        self.ending.set()
        with self.changed:
            self.changed.notify_all()
        if kind:
            self.trouble.append(str(kind))
            print("strikes: %s; the last life said:\n%s" % (self.begun_strikes, self.service.log[-5000:]))
            kill_quietly(self.service.pid)
            self.service.process.wait()
            for t in self.threads:
                t.join(PATIENCE)
        else:
            self.service.close()

    def stop_if_trouble(self):
        if self.trouble:
            raise AssertionError(self.trouble[0])

    # ---- talking

    def client(self):
        if getattr(self.local, "client", None) is None:
            c = self.service.client()
            self.local.client = c
        return self.local.client

    def ask(self, method, **params):
        """Again until it is answered."""
        end = time.monotonic() + 3 * PATIENCE
        while True:
            self.stop_if_trouble()
            try:
                result = self.client().call(method, timeout=PATIENCE, **params)
                if not (self.stopping.is_set() and method in LOOKS) and '"interrupted"' not in json.dumps(result):
                    return result # else it is how things are while hauld stops
            except (Gone, OSError):
                self.forget_client()
            except RpcError as error:
                if error.word not in PASSING:
                    raise
            assert time.monotonic() < end, "%s %r was never answered\n%s" % (method, params, self.service.log[-3000:])
            time.sleep(0.01)

    def forget_client(self):
        c, self.local.client = getattr(self.local, "client", None), None
        if c:
            c.close()

    def list(self, **params):
        jobs, after = [], 0
        while after is not None:
            page = self.ask("list", after=after, **params)
            jobs += page["jobs"]
            after = page["next"]
        return jobs

    def until(self, condition, what):
        end = time.monotonic() + PATIENCE
        while True:
            value = condition()
            if value:
                return value
            self.stop_if_trouble()
            assert time.monotonic() < end, "waited in vain: %s" % what()
            time.sleep(0.02)

    def wait_strike(self, most):
        with self.changed:
            before = len(self.done_strikes)
            self.changed.wait_for(lambda: len(self.done_strikes) > before or self.ending.is_set(), most)

    def struck(self, *whats):
        return any(what in self.begun_strikes for what in whats)

    # ---- the configuration

    def configure(self, tag, groups=(), jobs=()):
        with self.config_lock:
            self.config[tag] = (list(groups), list(jobs))
            self.service.write_config({"groups": [g for groups, _jobs in self.config.values() for g in groups],
                                       "jobs": [j for _groups, jobs in self.config.values() for j in jobs]}, **self.daemon)

    def reload(self, rng, surely=False):
        if surely or rng.random() < 0.5:
            self.ask("reload")
        else:
            with self.life: # not before it can take it
                if self.up:
                    self.service.signal(signal.SIGHUP)

    # ---- strikes

    def run(self, acts, strikes):
        kinds = self.rng.choices(list(self.kinds), self.kinds.values(), k=acts)
        self.acts = [kind(self, i, random.Random(self.rng.random())) for i, kind in enumerate(kinds)]
        waiting, playing = list(self.acts), []
        for a in self.acts[:12]:
            playing.append(self.begin(a))
            waiting.remove(a)
        while len(self.done_strikes) < strikes or any(t.is_alive() for t in playing):
            playing = [t for t in playing if t.is_alive()]
            while waiting and len(playing) < 12:
                playing.append(self.begin(waiting.pop(0)))
            self.stop_if_trouble()
            if len(self.done_strikes) < strikes:
                time.sleep(self.rng.choice([0.02, 0.1, 0.4, 0.9]) * self.rng.random()) # the instant
                self.strike(self.rng.choices(list(self.targets), self.targets.values())[0])
                self.look()
            else:
                self.ending.set()
                time.sleep(0.02)
        self.ending.set()
        self.stop_if_trouble()

    def begin(self, act):
        t = threading.Thread(target=self.play, args=(act,), name=act.tag)
        self.threads.append(t)
        t.start()
        return t

    def play(self, act):
        try:
            act.play()
        except Exception: # the main thread tells it
            self.trouble.append("%s %s\n%s" % (type(act).__name__, act.tag, traceback.format_exc()))
        finally:
            self.forget_client()

    def strike(self, what):
        s = self.service
        self.begun_strikes.append(what)
        if what in CHILDREN:
            pids = children_named(s.pid, what)
            if not pids:
                return
            kill_quietly(self.rng.choice(pids))
        with self.life:
            self.up = what in CHILDREN
        if what in CHILDREN:
            pass
        elif what == "term":
            self.stopping.set()
            s.signal(signal.SIGTERM)
            if self.rng.random() < 0.3:
                time.sleep(self.rng.random() * 0.05) # and killed while it stops
                kill_quietly(s.pid)
            assert s.wait_exit() in (0, -signal.SIGKILL), s.log
        else:
            others = [pid for name in CHILDREN for pid in children_named(s.pid, name)] if what == "all" else []
            first = self.rng.random() < 0.5
            for pid in [s.pid, *others] if first else [*others, s.pid]:
                kill_quietly(pid)
            assert s.wait_exit() == -signal.SIGKILL, s.log
        if what not in CHILDREN:
            while self.rng.random() < 0.25: # and again before it serves
                s.spawn()
                time.sleep(self.rng.random() * 0.08)
                for pid in [s.pid, *[pid for name in CHILDREN for pid in children_named(s.pid, name)]]:
                    kill_quietly(pid)
                assert s.wait_exit() == -signal.SIGKILL, s.log
            s.start()
            self.up = True
        self.stopping.clear()
        with self.changed:
            self.done_strikes.append(what)
            self.changed.notify_all()

    def look(self):
        """Whatever waits can say why, and each job is there once."""
        if self.rng.random() < 0.5:
            return
        jobs = self.list()
        assert len({j["id"] for j in jobs}) == len(jobs) and len({j["name"] for j in jobs}) == len(jobs), "a job is there twice"
        waiting = [j["id"] for j in jobs if j["state"] in ("queued", "blocked", "active")]
        self.can_say_why(self.rng.sample(waiting, min(len(waiting), 50)))

    def can_say_why(self, ids):
        if not ids:
            return
        try:
            answers = self.ask("why", jobs=ids)["jobs"]
        except RpcError as error:
            assert error.word == "no-such-job", error
            return
        for one in answers:
            assert one is None or (len(one["text"]) > 8 and "%" not in one["word"]), one

    # ---- the end

    def finish(self):
        for t in self.threads:
            t.join(PATIENCE)
        waiting = [j for j in self.list() if j["state"] not in OVER]
        if waiting:
            self.until(lambda: not [j for j in self.list() if j["state"] not in OVER], lambda: [j for j in self.list() if j["state"] not in OVER])
        for act in self.acts:
            act.judge()
        self.files()
        self.events()
        self.forget()
        self.service.stop()
        self.nothing_is_left()

    def files(self):
        wanted = {path: data for act in self.acts for path, data in act.wanted.items()}
        for directory, names, files in os.walk(self.root):
            names[:] = [n for n in names if n != ".haul"]
            for name in files:
                rel = os.path.relpath(os.path.join(directory, name), self.root)
                with open(os.path.join(directory, name), "rb") as f:
                    data = f.read()
                if data in [act.may[rel] for act in self.acts if rel in act.may]:
                    continue
                assert rel in wanted, "%s belongs to no job that is done" % rel
                assert wanted[rel] is ... or data == wanted[rel], "%s has %d bytes that are not its own" % (rel, len(data))
                if wanted[rel] is not ...:
                    del wanted[rel]
        missing = [rel for rel, data in wanted.items() if data is not ...]
        assert not missing, missing

    def events(self):
        """In this life no job has ended twice that did not begin anew."""
        over, since, instance = {}, 0, None
        while True:
            page = self.ask("events", since=since, limit=1000, **({"instance": instance} if instance else {}))
            instance, since = page["instance"], page["next"]
            for e in page["events"]:
                if e["what"] == "end":
                    assert not over.get(e["job"]), e
                    over[e["job"]] = True
                elif e["what"] == "state" and e.get("state") not in OVER:
                    over[e["job"]] = False
            if since >= page["last"]:
                return

    def forget(self):
        """All of it goes: no group, no note is left of what is not there any more."""
        self.config.clear()
        self.configure("none")
        self.ask("reload")
        jobs = [j["id"] for j in self.list()]
        for at in range(0, len(jobs), 500):
            self.ask("remove", jobs=jobs[at:at + 500])
        for name in [act.tag + more for act in self.acts for more in ("-in", "")]:
            try:
                self.ask("group", group=name, remove=True)
            except RpcError as error:
                assert error.word == "no-such-job", error
            self.ask("event", clear=name)
        assert self.ask("group")["groups"] == []

    def nothing_is_left(self):
        s = self.service
        left = [d for d, names, _files in os.walk(s.root) if ".haul" in names]
        assert not left, (left, [os.listdir(os.path.join(d, ".haul")) for d in left])
        stages = [n for _d, names, _files in os.walk(s.root) for n in names if n.startswith(".haul")]
        assert not stages, stages
        assert set(os.listdir(s.state)) <= STATE_FILES, os.listdir(s.state)
        with sqlite3.connect(os.path.join(s.state, "jobs.db")) as db:
            notes = [key for key, in db.execute("SELECT key FROM note")]
            jobs = db.execute("SELECT count(*) FROM job").fetchone()[0]
        db.close()
        assert not notes and not jobs, (notes, jobs)

    def report(self):
        return {"acts": len(self.acts), "strikes": {w: self.done_strikes.count(w) for w in sorted(set(self.done_strikes))}}
