"""Power cuts: hauld runs with powercut.so, and its disk is judged as it may be after each sync.

    lab = Lab(tmp, server, data_dir, seed)
    lab.record()                    # jobs, lives and ends, a second or two of them
    lab.choose(40)                  # instants
    for state in lab.states():
        lab.fault_of(state)         # None, or what no disk may hold
        lab.start_on(state)         # hauld goes on from there, after another boot
"""

import collections
import contextlib
import json
import os
import random
import shutil
import signal
import sqlite3
import uuid

from bodies import digest
from crash import STATE_FILES, Maker, Wanted, ask
from haul import program
from powercut import ACK, EXCHANGE, RENAME, SYNC, SYNC_ALL, Disk, acknowledge, read_log, states_at_once, states_of
from service import RpcError, Service
from waiting import wait_until

DONE, CANCELLED = 4, 6 # of enum job_state
OVER = ("done", "failed", "cancelled")


def shim():
    return program("powercut.so")


class Recorded(Service):
    """A hauld whose disk is recorded, or one that believes in another boot."""

    def __init__(self, tmp, extra, **options):
        self.extra = extra
        super().__init__(tmp, start=False, **options)

    def environment(self):
        return {**super().environment(), "LD_PRELOAD": shim(), **self.extra}


class Lab:
    def __init__(self, tmp, server, data_dir, seed, lie=None):
        self.place = os.path.join(tmp, "place")
        self.log, self.keep, self.scratch = (os.path.join(tmp, n) for n in ("log", "keep", "scratch"))
        for path in (self.place, self.keep, self.scratch):
            os.mkdir(path)
        self.rng = random.Random(seed)
        self.server = server
        self.maker = Maker(random.Random(seed + 1), server, data_dir, largest=1 << 20, no_clobber=False)
        self.allowed = collections.defaultdict(list) # relative path -> bytes that may be there
        self.loose = set()        # paths that only jobs of fsync = "full" count for
        self.jobs = {}            # name -> Wanted
        self.extra = {"HAUL_POWERCUT_LOG": self.log, "HAUL_POWERCUT_KEEP": self.keep,
                      "HAUL_POWERCUT_BOOT_ID": str(uuid.uuid4())}
        if lie:
            self.extra["HAUL_POWERCUT_LIE"] = lie
        self.counts = collections.Counter()

    # ---- what is recorded

    def want(self, w):
        for path, contents in w.allowed.items():
            self.allowed[path] += contents
        self.jobs[w.name] = w
        return w

    def some_jobs(self, n):
        jobs = [self.want(self.maker.make()) for _ in range(n)]
        for w in jobs:
            w.params["fsync"] = self.rng.choice(["full", "full", "data"])
        return jobs

    def loose_and_tight(self):
        """A file that nobody synced, and a job that finds it there and says done."""
        loose = self.one_job("crash-200000", "new/loose", fsync="off")
        tight = self.one_job("crash-200000", "new/loose", fsync="full",
                             checksum=digest(loose.allowed["new/loose"][0]))
        self.loose.add("new/loose")
        return [self.want(loose), self.want(tight)]

    def one_job(self, name, output, rate=0, **keys):
        asset = next(a for a in self.maker.same if a.name == name)
        self.maker.n += 1
        params = {"name": "c%d" % self.maker.n, "output": output, **keys,
                  "url": self.maker.url(name, how="length", val="etag", rate=rate)}
        allowed = {output: [asset.plain]}
        if "keep-download" in keys:
            allowed[keys["keep-download"]] = [asset.sent]
        return Wanted(self.maker.n, params, allowed, None, True)

    def same_place(self, a, b):
        place, old = a.params["output"], b.params["output"]
        b.params["output"] = place
        b.allowed[place] = b.allowed.pop(old)
        self.allowed[place] += self.allowed.pop(old)

    def end(self, s):
        """As s.stop(), which lets nothing be left."""
        s.signal(signal.SIGTERM)
        assert s.wait_exit() == 0, s.log

    def add(self, c, jobs):
        for w, number in zip(jobs, c.add(*[w.params for w in jobs])):
            w.id = number
        acknowledge(self.log, added=[w.id for w in jobs], names=[w.name for w in jobs])

    def cancel(self, c, w):
        w.cancelling = True
        if c.call("cancel", jobs=[w.id])["jobs"][0]["state"] == "cancelled":
            acknowledge(self.log, cancelled=[w.id])

    def remove(self, c, w):
        acknowledge(self.log, removing=[w.id]) # from here on it may be gone
        c.call("remove", jobs=[w.id])
        acknowledge(self.log, removed=[w.id])

    def over(self, c, jobs):
        return [w for w in jobs if c.show(w.id)["state"] in OVER]

    @contextlib.contextmanager
    def recording(self, **more):
        """A hauld that runs, and whose files are gone afterwards."""
        s = Recorded(self.place, {**self.extra, **more}, workers=2, max_concurrent_downloads=6)
        self.place_inode, self.root_inode = os.stat(self.place).st_ino, os.stat(s.root).st_ino
        ask(self.server, "/crash-now/0")
        s.start()
        try:
            yield s
        finally:
            s.close()
        shutil.rmtree(self.place)
        os.mkdir(self.place)

    def record(self, brief=False):
        """Some lives, and what clients were told in them.  brief: one is enough."""
        with self.recording() as s:
            with s.client() as c:
                self.first_life(c, brief)
            if brief:
                return
            s.process.kill()
            assert s.wait_exit() == -signal.SIGKILL
            s.start()
            with s.client() as c:
                paused = self.second_life(c)
            s.stop()
            s.start()
            with s.client() as c:
                if paused:
                    c.call("resume", jobs=[w.id for w in paused])
                self.add(c, self.some_jobs(3))
                c.call("wait", jobs=[j["id"] for j in c.list_all()])

    def record_death(self, syncs, asset, **keys):
        """A life ends with its n-th sync of a directory, files have their names and nothing was
        said about it; the next one makes it good.  True: without the network."""
        with self.recording(HAUL_POWERCUT_DIE="hauld-worker:%d" % syncs) as s:
            w = self.want(self.one_job(asset, "deep/new/file", fsync="full", **keys))
            with s.client() as c:
                self.add(c, [w])
            assert s.wait_exit() == -signal.SIGKILL
            assert any(os.path.exists(s.path(path)) for path in w.allowed)
            del s.extra["HAUL_POWERCUT_DIE"]
            s.start()
            with s.client() as c:
                assert c.wait_job(w.id)["state"] == "done"
            return len(self.server.requests("n=%d&" % w.number)) == 1

    def record_park(self):
        """A stop in the middle of a transfer: the job, and what had come of it."""
        with self.recording() as s:
            w = self.want(self.one_job("crash-1048576", "file", rate=1 << 19, fsync="full"))
            with s.client() as c:
                self.add(c, [w])
                came = wait_until(lambda: c.show(w.id)["received"] > 600000 and c.show(w.id)["received"])
            s.stop()
        return w, came

    def first_life(self, c, brief):
        first = self.some_jobs(8)
        self.add(c, first[:1])
        self.add(c, first[1:5])
        self.add(c, first[5:])
        wait_until(lambda: len(self.over(c, first)) >= 4)
        self.cancel(c, first[-1])
        self.remove(c, self.over(c, first)[0])
        twice = self.some_jobs(2)
        self.same_place(*twice)
        for w in twice + self.loose_and_tight():
            self.add(c, [w])
            c.wait_job(w.id)
        if not brief:
            more = self.some_jobs(8)
            self.add(c, more)
            wait_until(lambda: len(self.over(c, more)) >= 4)

    def second_life(self, c):
        jobs = self.some_jobs(6)
        self.add(c, jobs)
        paused = []
        try:
            c.call("pause", jobs=[jobs[-1].id])
            paused.append(jobs[-1])
        except RpcError as error:
            assert error.word == "conflict", error # it was quick
        wait_until(lambda: len(self.over(c, jobs)) >= 3)
        return paused

    # ---- what a disk may hold

    def choose(self, points, chances=2):
        """So many of the instants that count, by chance; None: all of them."""
        self.ops, self.chances = list(read_log(self.log)), chances
        instants = [i for i, op in enumerate(self.ops) if op.kind in (SYNC, SYNC_ALL, RENAME, EXCHANGE, ACK)]
        instants.append(len(self.ops)) # the end
        self.counts["operations"], self.counts["instants"] = len(self.ops), len(instants)
        if points is not None:
            instants = self.rng.sample(instants, min(points, len(instants)))
        self.chosen = set(instants)
        self.expected = len(instants) * states_at_once(chances)

    def states(self):
        disk = Disk(self.place_inode)
        disk.directories.add(self.root_inode)
        disk.base[self.place_inode, "root"] = self.root_inode
        self.acks = {"added": {}, "cancelled": set(), "removing": set(), "removed": set()}
        for i, op in enumerate(self.ops + [None]):
            if op and op.kind == ACK:
                self.take_ack(op)
            if i in self.chosen:
                for state in states_of(disk, self.rng, self.chances):
                    state.at = i
                    self.counts["states"] += 1
                    yield state
            if op:
                disk.apply(op)

    def take_ack(self, op):
        what = json.loads(op.data)
        self.acks["added"].update(zip(what.get("added", []), what.get("names", [])))
        for word in ("cancelled", "removing", "removed"):
            self.acks[word].update(what.get(word, []))

    def fault_of(self, state):
        files = state.tree(self.place_inode)
        shown = {}
        for rel, number in files.items():
            parts = rel.split("/")
            if parts[0] != "root" or number is None or ".haul" in parts:
                continue
            name = rel[len("root/"):]
            shown[name] = content = bytes(state.content(number))
            if name not in self.loose and content not in self.allowed[name]:
                return "%s has %d bytes, not those that are wanted" % (name, len(content))
        return self.fault_of_store(state, files, shown)

    def rows(self, state, files):
        """id -> state, as SQLite reads it."""
        shutil.rmtree(self.scratch)
        os.mkdir(self.scratch)
        for rel, number in files.items():
            if rel.startswith("state/jobs.db") and number is not None:
                with open(os.path.join(self.scratch, os.path.basename(rel)), "wb") as f:
                    f.write(state.content(number))
        path = os.path.join(self.scratch, "jobs.db")
        if not os.path.exists(path):
            return {}
        with contextlib.closing(sqlite3.connect(path)) as db:
            if not db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
                return {}
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            return dict(db.execute("SELECT id, state FROM job"))

    def fault_of_store(self, state, files, shown):
        try:
            rows = self.rows(state, files)
        except (sqlite3.Error, AssertionError) as error:
            return "the database is damaged: %s" % error
        for number in self.acks["removed"]:
            if number in rows:
                return "job %d was removed and is there again" % number
        for number, name in self.acks["added"].items():
            if number in self.acks["removing"]:
                continue
            if number not in rows:
                return "job %d was acknowledged and is not there" % number
            if number in self.acks["cancelled"] and rows[number] != CANCELLED:
                return "job %d was cancelled and is in state %d" % (number, rows[number])
            w = self.jobs[name]
            if rows[number] != DONE or w.params["fsync"] != "full":
                continue
            for path in w.allowed:
                if shown.get(path) not in self.allowed[path]:
                    return "job %d is done and %s is not there" % (number, path)
        return None

    # ---- going on from there

    def materialise(self, state):
        for name in os.listdir(self.place):
            path = os.path.join(self.place, name)
            if os.path.isdir(path):
                shutil.rmtree(path)
            else:
                os.unlink(path)
        files = state.tree(self.place_inode)
        for rel in sorted(files):
            path, number = os.path.join(self.place, rel), files[rel]
            if number is None:
                os.mkdir(path, 0o700 if rel.endswith(".haul") or rel == "state" else 0o755)
                continue
            kept = os.path.join(self.keep, str(number[0] if isinstance(number, tuple) else number))
            with open(kept, "wb") as f: # the same inode again
                f.write(state.content(number))
            os.link(kept, path)

    def nothing_is_left(self, s, jobs):
        """Of jobs that are known.  What the disk has of one that was removed, nobody knows."""
        places = {os.path.dirname(s.path(path)) for w in jobs for path in w.allowed}
        left = [place for place in s.leftovers() if place in places]
        assert not left, left
        # The journal of the first transaction, which SQLite leaves when its end did not
        # reach the disk: it is empty but for its size.
        assert set(os.listdir(s.state)) <= STATE_FILES | {"jobs.db-journal"}, os.listdir(s.state)

    def start_on(self, state):
        """hauld on that disk after another boot: all that was promised is kept."""
        self.materialise(state)
        ask(self.server, "/crash-now/0?hurry=1")
        self.counts["starts"] += 1
        acks = {k: v.copy() for k, v in self.acks.items()}
        s = Recorded(self.place, {"HAUL_POWERCUT_BOOT_ID": str(uuid.uuid4()), "HAUL_POWERCUT_KEEP": self.keep}, workers=2)
        s.start()
        try:
            with s.client() as c:
                listed = {j["id"]: j for j in c.list_all()}
                assert not set(acks["added"]) - acks["removing"] - set(listed), (acks, listed)
                assert not acks["removed"] & set(listed)
                paused = [i for i, j in listed.items() if j["state"] == "paused"]
                if paused:
                    c.call("resume", jobs=paused)
                if listed:
                    c.call("wait", jobs=sorted(listed))
                known = [self.jobs[j["name"]] for j in listed.values()]
                for j in c.list_all():
                    self.judge(s, self.jobs[j["name"]], j, j["id"] in acks["cancelled"])
            self.end(s)
        finally:
            s.close()
        for directory, dirs, names in os.walk(s.root):
            dirs[:] = [d for d in dirs if d != ".haul"] # see nothing_is_left()
            for name in names:
                rel = os.path.relpath(os.path.join(directory, name), s.root)
                with open(s.path(rel), "rb") as f:
                    assert rel in self.loose or f.read() in self.allowed[rel], rel
        self.nothing_is_left(s, known)

    def judge(self, s, w, j, cancelled):
        if cancelled:
            assert j["state"] == "cancelled", j
        elif j["state"] == "done":
            for path in w.allowed:
                if w.params["fsync"] == "full":
                    with open(s.path(path), "rb") as f:
                        assert f.read() in self.allowed[path], (path, j)
        elif j["state"] == "failed":
            assert j["code"] == "unproven" and not w.proven, j
        else:
            assert w.cancelling, j
