"""The crash exercise: clients add jobs all the time while hauld or parts of it are killed.

    with Exercise(tmp, server, data_dir, seed) as x:
        x.run(kills=12)          # kills at random instants, looks after each
        x.finish()               # all runs to its end; what is wrong is an AssertionError
        print(x.report())

What must hold is in check() and finish(); the watcher looks at every final name the moment
it appears.  The seed decides jobs and instants; the machine decides what they meet.
"""

import collections
import ctypes
import gzip
import http.client
import json
import lzma
import os
import random
import signal
import struct
import subprocess
import threading
import time
import urllib.parse

from bodies import body, digest
from crashing import VERSIONS
from haul import children_named, kill_quietly
from servers import header_of
from service import Gone, RpcError, Service
from waiting import PATIENCE

SIZES = [0, 1, 1000, 65536, 200000, 256 << 10, (256 << 10) + 1, 500000, 1 << 20, 3 << 20, 5 << 20]
WAITING_MAX = 60 # jobs that are not over, above which no client adds
OVER = ("done", "failed", "cancelled")
STATE_FILES = {"jobs.db", "jobs.db-wal", "jobs.db-shm", "lock"}
BEHIND_MAX = 256 << 10 # bytes that a kill may cost
# what is killed, and how often of 100
TARGETS = {"all": 32, "hauld": 28, "worker": 12, "store": 9, "intake": 4, "term": 15}


def pack_zstd(data):
    return subprocess.run(["zstd", "-qc", "-1"], input=data, capture_output=True, check=True).stdout


PACKERS = {"gzip": lambda d: gzip.compress(d, 1, mtime=0), "zstd": pack_zstd, "xz": lambda d: lzma.compress(d, preset=0)}


class Asset:
    """A file of the server: what is sent, and what comes of it."""

    def __init__(self, name, plain, codec=None):
        self.name, self.plain, self.codec = name, plain, codec
        self.sent = PACKERS[codec](plain) if codec else plain


def halves_of_noise(size, seed):
    """Of which a packer saves about a half."""
    return b"".join(a + bytes(64) for a in (body(size, seed)[i:i + 64] for i in range(0, size, 128)))[:size]


def make_assets(root):
    """(those that stay, names of those that change -> their versions)"""
    same, vary = [], {}
    for size in SIZES:
        same.append(Asset("crash-%d" % size, body(size, "crash-%d" % size)))
    for codec in PACKERS:
        for size in (0, 70000, 1 << 20, 5 << 20):
            same.append(Asset("crash-%s-%d" % (codec, size), halves_of_noise(size, codec), codec))
    for size in (300, 400000, 2 << 20):
        name = "crash-vary-%d" % size
        vary[name] = [Asset("%s-%d" % (name, v), body(size, "%s-%d" % (name, v))) for v in range(VERSIONS)]
    for one in same + [a for versions in vary.values() for a in versions]:
        with open(os.path.join(root, one.name), "wb") as f:
            f.write(one.sent)
    return same, vary


class Wanted:
    """A job, and what may come of it."""

    def __init__(self, number, params, allowed, sized, proven):
        self.name, self.params = params["name"], params
        self.number = number
        self.allowed = allowed # relative path -> bytes that may be there
        self.sized = sized     # the path of its url when it has a length and a strong validator
        self.proven = proven
        self.id = None
        self.cancelled = False # said so
        self.cancelling = False
        self.touched = False   # a client asks something of it just now
        self.paused = False    # said so, and nobody asked otherwise since


class Maker:
    """Jobs of all kinds, by chance."""

    def __init__(self, rng, server, data_dir, largest=1 << 30, no_clobber=True):
        self.rng, self.server, self.no_clobber = rng, server, no_clobber
        same, vary = make_assets(data_dir)
        self.same = [a for a in same if len(a.plain) <= largest]
        self.vary = {name: versions for name, versions in vary.items() if len(versions[0].plain) <= largest}
        self.n = 0

    def url(self, name, **query):
        host = "127.0.0.%d" % self.rng.randint(1, 6)
        return self.server.url("/crash/%s?%s" % (name, urllib.parse.urlencode({"n": self.n, **query})), host)

    def make(self):
        rng = self.rng
        self.n += 1
        how = rng.choices(["length", "chunked", "close"], [6, 2, 2])[0]
        val = rng.choice(["etag", "etag", "modified", "weak", "none"])
        query = {"how": how, "val": val}
        output = "d%d/f%d" % (rng.randrange(4), self.n)
        job = {"name": "c%d" % self.n, "output": output, "retry": 50,
               "fsync": rng.choices(["off", "data", "full"], [6, 1, 1])[0]}
        if rng.random() < 0.15: # changes meanwhile: nobody can know its digest
            name = rng.choice(sorted(self.vary))
            query["vary"] = 1
            versions = self.vary[name]
            asset, has_digest = versions[0], False
            allowed = {output: [a.plain for a in versions]}
        else:
            asset = rng.choice(self.same)
            name, has_digest = asset.name, rng.random() < 0.5
            allowed = {output: [asset.plain]}
        if asset.codec:
            job["decompress"] = rng.choice(["auto", asset.codec])
            if rng.random() < 0.3:
                job["keep-download"] = "k/f%d" % self.n
                allowed[job["keep-download"]] = [asset.sent]
        if has_digest:
            job["checksum"] = digest(asset.sent)
            if asset.codec and rng.random() < 0.5:
                job["checksum-output"] = digest(asset.plain)
        proven = how != "close" or has_digest or bool(asset.codec)
        if not proven and rng.random() < 0.6:
            job["allow-unproven"] = proven = True
        if len(asset.sent) > 100000 and rng.random() < 0.5: # slow: between 0.2 and 2 s
            query["rate"] = int(len(asset.sent) / rng.uniform(0.2, 2))
        job["url"] = self.url(name, **query)
        sized = None
        if how == "length" and val in ("etag", "modified") and "vary" not in query:
            sized = job["url"][job["url"].index("/crash/"):]
            if self.no_clobber and rng.random() < 0.3: # it finds its own file in its way
                job["no-clobber"] = True
        return Wanted(self.n, job, allowed, sized, proven)


class Watcher:
    """Reads every file the moment it gets its final name.  .faults: what was wrong."""

    CREATE, MOVED_TO, MODIFY = 0x100, 0x80, 0x2
    IS_DIR = 0x40000000

    def __init__(self, root, judge):
        self.judge = judge # (path relative to root, bytes) -> None or what is wrong
        self.root = root
        self.faults, self.seen = [], 0
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.fd = self.libc.inotify_init1(os.O_CLOEXEC)
        self.names = {}
        self.watch("")
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def watch(self, rel):
        path = os.path.join(self.root, rel)
        wd = self.libc.inotify_add_watch(self.fd, os.fsencode(path), self.CREATE | self.MOVED_TO | self.MODIFY)
        if wd < 0 or wd in self.names:
            return
        self.names[wd] = rel
        try:
            before = os.listdir(path)
        except FileNotFoundError:
            return # it has gone again
        for name in before: # what came before the watch
            self.look(os.path.join(rel, name), False)

    def look(self, rel, made_here):
        path = os.path.join(self.root, rel)
        if os.path.basename(rel) == ".haul" or not os.path.lexists(path):
            return
        if os.path.isdir(path):
            self.watch(rel)
            return
        try:
            with open(path, "rb") as f:
                data = f.read()
        except FileNotFoundError:
            return
        self.seen += 1
        fault = self.judge(rel, data)
        if fault:
            self.faults.append(fault)
        if made_here:
            self.faults.append("%s was made under its final name" % rel)

    def run(self):
        try:
            self.follow()
        except Exception as error:
            self.faults.append("the watcher ended: %r" % error)

    def follow(self):
        while True:
            data = os.read(self.fd, 1 << 16)
            at = 0
            while at < len(data):
                wd, mask, _cookie, n = struct.unpack_from("iIII", data, at)
                name = data[at + 16:at + 16 + n].rstrip(b"\0").decode()
                at += 16 + n
                if wd == -1:
                    self.faults.append("the watcher was too slow")
                    continue
                rel = os.path.join(self.names[wd], name)
                if name == ".stop":
                    return
                if mask & self.MODIFY and not mask & self.IS_DIR:
                    self.faults.append("%s was changed under its final name" % rel)
                self.look(rel, bool(mask & self.CREATE and not mask & self.IS_DIR))

    def stop(self):
        """All events until now are handled."""
        os.mkdir(os.path.join(self.root, ".stop"))
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive()
        os.rmdir(os.path.join(self.root, ".stop"))
        os.close(self.fd)


def ask(server, path):
    """The server's answer, from JSON."""
    connection = http.client.HTTPConnection(server.host, server.port, timeout=PATIENCE)
    try:
        connection.request("GET", path)
        return json.load(connection.getresponse())
    finally:
        connection.close()


def tcp_queues():
    """(local port, remote port) -> (bytes not acknowledged, bytes not read)."""
    found = {}
    with open("/proc/self/net/tcp") as f:
        for line in f.readlines()[1:]:
            fields = line.split()
            local, remote = (int(fields[i].rpartition(":")[2], 16) for i in (1, 2))
            tx, rx = (int(x, 16) for x in fields[4].split(":"))
            found[local, remote] = (tx, rx)
    return found


class Exercise:
    def __init__(self, tmp, server, data_dir, seed, targets=None, **daemon):
        self.rng = random.Random(seed)
        self.targets = targets or TARGETS
        self.server = server
        self.maker = Maker(random.Random(seed + 1), server, data_dir)
        self.lock = threading.Lock()
        self.jobs = {}            # name -> Wanted, until it was judged for good
        self.by_path = {}         # relative path -> Wanted
        self.removed = set()      # ids; said so
        self.up, self.ending = threading.Event(), threading.Event()
        self.clients = []
        self.trouble = []         # of the client threads
        self.counts = collections.Counter()
        self.read_before = {}     # path of a url -> bytes read from the socket when hauld was killed
        self.sized = set()        # paths whose next request may begin where the last one was
        self.gaps = []            # (how far behind it began, bytes read, path)
        self.version, self.log_at = 0, 0
        options = {"max_concurrent_downloads": 10, "max_download_result": 100000, "workers": 2, **daemon}
        self.service = Service(tmp, start=False, **options)
        self.watcher = Watcher(self.service.root, self.judge)

    def __enter__(self):
        self.service.start()
        self.up.set()
        for i in range(2):
            t = threading.Thread(target=self.add_jobs, args=(random.Random(self.rng.random()),), name="client %d" % i)
            t.start()
            self.clients.append(t)
        return self

    def __exit__(self, kind, _error, _trace):
        self.ending.set()
        self.up.set()
        for t in self.clients:
            t.join(PATIENCE)
        if kind:
            kill_quietly(self.service.pid)
            self.service.process.wait()
        else:
            self.service.close()

    # ---- judging

    def judge(self, rel, data):
        with self.lock:
            wanted = self.by_path.get(rel)
        if wanted is None:
            return "%s belongs to no job" % rel
        if data not in wanted.allowed[rel]:
            return "%s has %d bytes that are none of %r: %r" % (
                rel, len(data), [len(a) for a in wanted.allowed[rel]], wanted.params)
        return None

    # ---- clients

    def add_jobs(self, rng):
        while not self.ending.is_set():
            self.up.wait()
            try:
                with self.service.client() as c:
                    while not self.ending.is_set():
                        self.one_request(c, rng)
            except (Gone, OSError):
                self.ending.wait(0.01)
            except Exception as error: # the main thread tells it
                self.trouble.append(error)
                return

    def one_request(self, c, rng):
        numbers = c.call("status")["jobs"]
        if sum(n for state, n in numbers.items() if state not in OVER + ("paused",)) > WAITING_MAX:
            self.ending.wait(0.05)
        else:
            self.add_some(c, rng)
        if rng.random() < 0.1:
            self.touch_one(c, rng)

    def add_some(self, c, rng):
        with self.lock:
            jobs = [self.maker.make() for _ in range(rng.choice([1, 1, 2, 5, 12]))]
            for w in jobs:
                self.jobs[w.name] = w
                self.by_path.update((path, w) for path in w.allowed)
                self.sized.update({w.sized} - {None})
        try:
            ids = c.add(*[w.params for w in jobs])
        except RpcError as error:
            assert error.word in ("internal", "draining"), error # the intake died over it twice, or hauld stops
            self.counts["refused"] += 1
            self.ending.wait(0.05)
            return
        with self.lock:
            for w, i in zip(jobs, ids):
                w.id = i
        self.counts["acknowledged"] += len(ids)

    def touch_one(self, c, rng):
        """Cancels, pauses or resumes."""
        with self.lock:
            known = [w for w in self.jobs.values() if w.id and not w.cancelling and not w.touched]
            if not known:
                return
            w = rng.choice(known[-60:])
            w.touched = True # what another client asks meanwhile would make its end unknown
        verb = rng.choices(["cancel", "pause", "resume"], [1, 4, 4])[0]
        try:
            if verb == "cancel":
                w.cancelling = True
                w.cancelled = c.call("cancel", jobs=[w.id])["jobs"][0]["state"] == "cancelled"
                self.counts["cancelled"] += w.cancelled
            else:
                w.paused = False
                state = c.call(verb, jobs=[w.id])["jobs"][0]["state"]
                w.paused = verb == "pause" and state == "paused"
                self.counts["paused"] += w.paused
        except RpcError as error:
            assert error.word in ("conflict", "no-such-job", "draining"), error
        finally:
            w.touched = False

    # ---- killing

    def run(self, strikes):
        """So many that hit something; a SIGTERM is one, too."""
        while self.counts["strikes"] < strikes:
            time.sleep(self.rng.uniform(0.02, 0.9)) # the instant: not a wait for anything
            self.strike(self.rng.choices(list(self.targets), self.targets.values())[0])
            if self.trouble:
                raise self.trouble[0]
            assert not self.watcher.faults, self.watcher.faults

    def strike(self, what):
        s = self.service
        program = {"worker": "hauld-worker", "store": "hauld-store", "intake": "hauld-conf"}.get(what)
        pids = children_named(s.pid, program) if program else []
        if pids:
            kill_quietly(self.rng.choice(pids))
        elif program:
            return # there is none just now
        else:
            self.end_service(what)
        self.counts["strikes"] += 1
        self.counts["kills"] += what != "term"
        self.counts[what] += 1

    def end_service(self, what):
        s = self.service
        self.up.clear()
        if what == "term":
            s.signal(signal.SIGTERM)
            assert s.wait_exit() == 0, s.log
        else:
            self.stop_and_measure()
            others = [pid for name in ("hauld-worker", "hauld-store", "hauld-conf")
                      for pid in children_named(s.pid, name)]
            kill_quietly(s.pid)
            if what == "all":
                for pid in others:
                    kill_quietly(pid)
            status = s.wait_exit()
            assert status == -signal.SIGKILL, (status, s.log)
        s.start()
        self.check()
        self.up.set()

    def now(self):
        """What is being sent; files that change may have changed."""
        return {s["path"]: s for s in ask(self.server, "/crash-now/%d" % self.version)}

    def stop_and_measure(self):
        """Notes what hauld has read of each body: it stands still meanwhile."""
        self.service.signal(signal.SIGSTOP)
        self.version += self.rng.random() < 0.5
        first = self.now()
        self.read_log()
        self.read_before.clear() # of transfers that nobody went on with
        for _ in range(3):
            queues, again = tcp_queues(), self.now()
            for path, s in first.items():
                if s != again.get(path):
                    continue # sent meanwhile: its numbers are of two instants
                unacked = queues.get((self.server.port, s["port"]), (0, 0))[0]
                unread = queues.get((s["port"], self.server.port), (0, 0))[1]
                self.read_before[path] = s["start"] + s["sent"] - s["buffered"] - unacked - unread
            first = again

    def read_log(self):
        """What the server did since the last time: where those begin that were interrupted."""
        with open(self.server.log_path, "rb") as f:
            f.seek(self.log_at)
            lines = f.read().split(b"\n")
        self.log_at += sum(len(line) + 1 for line in lines[:-1])
        for event in map(json.loads, lines[:-1]):
            path = event.get("path", "")
            if event["ev"] == "served":
                self.counts["bytes sent"] += event["sent"]
            elif event["ev"] == "request" and path in self.read_before:
                asked = header_of(event, "Range") or "bytes=0-"
                read = self.read_before.pop(path)
                if path in self.sized and read > 0: # less: the head was on its way
                    self.gaps.append((read - int(asked[6:-1]), read, path))

    # ---- looking

    def check(self):
        """After each start: what the store knows is what was said."""
        with self.service.client() as c:
            listed = c.list_all()
            there = {j["id"]: j for j in listed}
            assert len(there) == len(listed), "a job is there twice"
            with self.lock:
                jobs = list(self.jobs.values())
            lost = [w.id for w in jobs if w.id and w.id not in there]
            assert not lost, "acknowledged and lost: %r" % lost
            assert not self.removed & set(there), "removed and there again: %r" % (self.removed & set(there))
            names = {w.name: w for w in jobs}
            strangers = [j for j in listed if j["name"] not in names]
            assert not strangers, strangers
            judged = []
            for j in listed:
                w = names[j["name"]]
                assert w.id in (None, j["id"]), "%r was job %r" % (j, w.id)
                w.id = j["id"]
                assert not w.cancelled or j["state"] == "cancelled", j
                assert not w.paused or w.cancelling or j["state"] == "paused", j
                if j["state"] in OVER:
                    self.judge_end(c, w, j, judged)
            for at in range(0, len(judged), 500):
                some = judged[at:at + 500]
                c.call("remove", jobs=[w.id for w in some])
            self.forget(judged)

    def judge_end(self, c, w, j, judged):
        """A job that is over; the store says so, for it was loaded from there."""
        if j["state"] == "done":
            assert w.proven, "nothing proves it: %r %r" % (j, w.params)
            for rel in w.allowed:
                with open(self.service.path(rel), "rb") as f:
                    fault = self.judge(rel, f.read())
                assert not fault, fault
        elif j["state"] == "cancelled":
            assert w.cancelling, j
        elif j["code"] == "worker-crashed" and self.counts["worker"] >= 2:
            self.counts["killed twice in a worker"] += 1 # as it should be; not its fault
            c.call("retry", jobs=[j["id"]])
            return
        else:
            assert j["code"] == "unproven" and not w.proven, "%r %r" % (j, w.params)
        judged.append(w)

    def forget(self, judged):
        with self.lock:
            for w in judged:
                self.removed.add(w.id)
                self.counts["judged"] += 1
                del self.jobs[w.name]
                for rel in w.allowed:
                    del self.by_path[rel]
                    if os.path.exists(self.service.path(rel)):
                        os.unlink(self.service.path(rel))

    def finish(self, timeout=5 * PATIENCE):
        """No more is added and nothing killed: all ends as it should, and nothing is left."""
        self.ending.set()
        for t in self.clients:
            t.join(PATIENCE)
        assert not self.trouble, self.trouble
        with self.service.client() as c:
            paused = [j["id"] for j in c.list_all(state=["paused"])]
            for at in range(0, len(paused), 500):
                c.call("resume", jobs=paused[at:at + 500])
            for w in self.jobs.values():
                w.paused = False
            end = time.monotonic() + timeout
            while True:
                waiting = [j["id"] for j in c.list_all(state=["queued", "blocked", "active"])]
                if not waiting:
                    self.check()
                    if not self.jobs_left(c):
                        break
                else:
                    c.call("wait", jobs=waiting[:500], timeout=5 * PATIENCE)
                assert time.monotonic() < end, "not all end: %r" % c.list_all(state=["queued", "blocked", "active"])
        self.read_log()
        far = [gap for gap in self.gaps if gap[0] > BEHIND_MAX]
        assert not far, "fetched again, of what was read, and of what: %r" % far
        self.watcher.stop()
        assert not self.watcher.faults, self.watcher.faults
        self.service.stop()
        self.nothing_is_left()

    def jobs_left(self, c):
        return [w for w in self.jobs.values() if w.id] or c.list_all()

    def nothing_is_left(self):
        left = [os.path.join(d, n) for d, _names, files in os.walk(self.service.root) for n in files]
        assert not left, left
        assert self.service.leftovers() == []
        assert set(os.listdir(self.service.state)) <= STATE_FILES, os.listdir(self.service.state)

    def report(self):
        behind = sorted(gap for gap, _read, _path in self.gaps)
        return {**self.counts, "files seen": self.watcher.seen, "interrupted and measured": len(behind),
                "bytes behind, most": behind[-1] if behind else None,
                "bytes behind, mean": sum(behind) // len(behind) if behind else None,
                "bytes read before, mean": sum(read for _gap, read, _path in self.gaps) // max(len(behind), 1)}
