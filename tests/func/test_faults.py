"""System calls that fail: the n-th one, once or for ever, in each program, while a mixed set
of jobs runs.  No wrong file stands under a final name, nobody hangs, nothing is left over,
who fails says why, and it is one job that fails.

HAUL_FAULTS=all tries every call; else it is a sample."""

import errno
import gzip
import itertools
import os
import resource
import signal
import subprocess

import pytest
from bodies import body, digest
from faults import HANG, SHORT, Board, FaultyService, rule
from service import Client, RpcError
from waiting import wait_until

ALL = os.environ.get("HAUL_FAULTS") == "all"
KIB = 1 << 10
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
ERRORS = {
    "pwrite": [errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EINTR, SHORT],
    "pread": [errno.EIO, errno.EINTR, SHORT],
    "read": [errno.EIO, errno.EINTR, SHORT],
    "write": [errno.EIO, errno.ENOSPC, errno.EINTR, SHORT],
    "copy_file_range": [errno.EIO, errno.ENOSPC, errno.EINTR, SHORT],
    "open": [errno.EIO, errno.EMFILE, errno.EACCES, errno.ENOSPC, errno.EROFS],
    "openat2": [errno.EIO, errno.EMFILE, errno.EACCES, errno.ENOENT],
    "fsync": [errno.EIO, errno.ENOSPC, errno.EDQUOT],
    "fdatasync": [errno.EIO, errno.ENOSPC],
    "sync_file_range": [errno.EIO, errno.ENOSPC],
    "rename": [errno.EIO, errno.ENOSPC, errno.EROFS, errno.EACCES],
    "mkdirat": [errno.EIO, errno.ENOSPC, errno.EROFS],
    "fchmod": [errno.EIO, errno.EROFS],
    "flock": [errno.EIO, errno.EINTR],
    "statvfs": [errno.EIO, errno.ENOENT],
    "unlinkat": [errno.EIO],
}
# These are done again until they are whole.
INVISIBLE = {"pwrite", "pread", "read", "write", "copy_file_range"}


@pytest.fixture(scope="module")
def mix(data_dir):
    """Jobs that take every way there is, as a function of the servers and the service:
    [(job, {output: bytes})]."""
    plain = body(900 * KIB, "faults") + bytes(300 * KIB)
    packed = {"gzip": gzip.compress(plain, 1),
              "zstd": subprocess.run(["zstd", "-qc"], input=plain, capture_output=True, check=True).stdout}
    for name, data in {**packed, "plain": plain}.items():
        with open(os.path.join(data_dir, "faults." + name), "wb") as f:
            f.write(data)

    def make(server, web, s):
        source = os.path.join(data_dir, "faults.plain")
        jobs = [
            ({"url": web.url("/faults.plain"), "output": "plain", "checksum": digest(plain)}, {"plain": plain}),
            ({"url": web.url("/faults.gzip"), "output": "un/gzip", "decompress": "gzip", "checksum": digest(packed["gzip"]),
              "checksum-output": digest(plain)}, {"un/gzip": plain}),
            ({"url": server.url("/file/faults.zstd?framing=chunked"), "output": "zstd", "decompress": "auto",
              "keep-download": s.path("kept.zst")}, {"zstd": plain, "kept.zst": packed["zstd"]}),
            ({"url": "file://" + source, "output": "copy", "allow-file": True}, {"copy": plain}),
            ({"url": server.url("/chunked/400K?seed=chunks"), "output": "chunks", "fsync": "off"},
             {"chunks": body(400 * KIB, "chunks")}),
            ({"url": server.url("/cut/1M/1?seed=cut&key=%s" % s.tmp), "output": "cut", "no-clobber": True,
              "checksum": digest(body(1 << 20, "cut"))}, {"cut": body(1 << 20, "cut")}),
        ]
        jobs += [({"url": server.url("/ok/5000?seed=small%d" % i), "output": "small%d" % i, "fsync": "full"},
                  {"small%d" % i: body(5000, "small%d" % i)}) for i in range(10)]
        return [({"retry": 2, **job}, files) for job, files in jobs]
    return make


class Run:
    """One life of a service with a fault in it, and what must hold at its end."""

    def __init__(self, tmp, mix, servers):
        self.mix, self.servers, self.ended = mix, servers, []
        self.board = Board(tmp)
        self.service = FaultyService(tmp, self.board, None, start=False, config={"defaults": {"stall-timeout": "10s"}},
                                     **{"min-free": 0, "workers": 2})

    def __call__(self, who, call, where="root", **more):
        s = self.service
        s.rule = rule(who, call, {"root": s.root, "state": s.state, "": ""}[where], **more)
        try:
            self.live(s)
        finally:
            s.close()
        return self

    def live(self, s):
        jobs = self.mix(*self.servers, s)
        if not begin(s):
            return
        with s.client() as c:
            ids = c.add(*[job for job, _files in jobs])
            self.ended = self.wait(c, ids)
        for shown, (job, files) in zip(self.ended, jobs):
            self.judge(s, shown, files)
        self.stop(s)
        wanted = {n for shown, (_job, files) in zip(self.ended, jobs) for n in files}
        assert set(files_below(s.root)) <= wanted

    def stop(self, s):
        """Nothing is left over; what a worker could not remove goes in the next life."""
        try:
            s.stop()
        except AssertionError:
            if not any(",call=%s," % call in s.rule for call in ("unlinkat", "open", "openat2")) or not s.leftovers():
                raise
            self.board.end()
            s.start()
            s.stop()

    def wait(self, c, ids):
        """All are over; a fault for ever ends when they are, or are blocked by it."""
        def settled():
            return all(j["state"] in ("done", "failed") or j["why"] in ("disk-space", "quota") for j in c.list_all())
        wait_until(settled, why=lambda: "they hang: %r" % c.list_all())
        if ",count=0," in self.service.rule:
            self.board.end()
        return c.call("wait", jobs=ids)["jobs"]

    def judge(self, s, shown, files):
        """Whatever stands there is right; one that is done is all there."""
        for name, data in files.items():
            there = os.path.exists(s.path(name))
            assert there or shown["state"] != "done", shown
            assert not there or s.read(name) == data, (name, shown)
        if shown["state"] != "done":
            assert shown["state"] == "failed" and len(shown["reason"]) > 10 and shown["reason"].isprintable(), shown
            assert shown["code"] in ("write", "disk-full", "path-refused"), shown

    @property
    def failed(self):
        return [j for j in self.ended if j["state"] != "done"]


def begin(s):
    """True when it serves.  A fault at the start is a sentence and a status; the next
    start is good."""
    s.spawn()
    if wait_until(lambda: " serves socket=" in s.log or s.process.poll() is not None, why=lambda: s.log) and \
            s.process.poll() is None:
        return True
    assert s.wait_exit() in (1, 78) and [n for n in s.log_lines("hauld: ") if "cannot " in n or " is damaged" in n], s.log
    s.board.end()
    s.start()
    s.stop()
    return False


def files_below(root):
    return [os.path.relpath(os.path.join(d, n), root) for d, _dirs, names in os.walk(root) for n in names]


@pytest.fixture
def run(tmp, mix, server, web):
    number = itertools.count()

    def one(who, call, **more):
        where = os.path.join(tmp, "run%d" % next(number))
        os.makedirs(where)
        return Run(where, mix, (server, web))(who, call, **more)
    return one


def is_for_a_later_life(hit):
    """A map, or its name: this life does not need it."""
    return hit.endswith((".map", "/.haul"))


def attempts(call, total):
    """(n, error): which of the calls are to fail, and how; as a sample, every error once."""
    if ALL:
        return itertools.product(range(1, total + 1), ERRORS[call])
    places = sorted({1, (total + 1) // 2, total})
    return [(places[i % len(places)], error) for i, error in enumerate(ERRORS[call])]


@pytest.fixture(scope="module")
def totals():
    return {}


def count(totals, run, who, call, **more):
    """How often that call is made by that program: a run without a fault."""
    if who not in totals:
        r = run(who, "*", nth=0, **more)
        assert r.failed == [] and r.board.hits == 0
        totals[who] = r.board.counts
    assert totals[who][call], "no such call is made: %r" % totals[who]
    return totals[who][call]


@pytest.mark.parametrize("who,call", [
    ("hauld", "pwrite"), ("hauld", "open"), ("hauld", "openat2"), ("hauld", "mkdirat"), ("hauld", "flock"),
    ("hauld", "unlinkat"),
    ("hauld-worker", "pwrite"), ("hauld-worker", "pread"), ("hauld-worker", "copy_file_range"),
    ("hauld-worker", "open"), ("hauld-worker", "openat2"), ("hauld-worker", "fsync"),
    ("hauld-worker", "sync_file_range"), ("hauld-worker", "rename"), ("hauld-worker", "fchmod"),
    ("hauld-worker", "mkdirat"), ("hauld-worker", "statvfs"), ("hauld-worker", "unlinkat")])
def test_one_call_fails_and_one_job_with_it(run, totals, who, call):
    for nth, error in attempts(call, count(totals, run, who, call)):
        r = run(who, call, nth=nth, error=error)
        what = (nth, error, r.board.hit, [(j["output"], j["reason"]) for j in r.failed])
        print(*what)
        # One sync of a directory is for all files that were published together.
        together = call == "fsync" and "/.haul/" not in r.board.hit
        assert len(r.failed) <= (16 if together else 1), what
        if error in (SHORT, errno.EINTR) and call in INVISIBLE:
            assert r.failed == [], what
        if call in ("fsync", "sync_file_range") and r.board.hits and not is_for_a_later_life(r.board.hit):
            # It is not synced again, as if the second time could be believed.
            assert r.failed or error in DISK_FULL, what
        if error in DISK_FULL:
            assert r.failed == [], what # it waited for room, and there was some


FOR_EVER = [("hauld", "pwrite"), ("hauld", "mkdirat"), ("hauld", "open"), ("hauld-worker", "pwrite"),
            ("hauld-worker", "open"), ("hauld-worker", "fsync"), ("hauld-worker", "rename"),
            ("hauld-worker", "sync_file_range"), ("hauld-worker", "copy_file_range")]


@pytest.mark.parametrize("who,call", FOR_EVER)
@pytest.mark.parametrize("error", DISK_FULL)
def test_a_disk_that_is_full_for_a_while_costs_nobody_anything(run, totals, who, call, error):
    total = count(totals, run, who, call)
    for nth in range(2, total + 1) if ALL else [max(2, total // 3)]:
        r = run(who, call, nth=nth, count=0, error=error)
        assert r.failed == [], (nth, r.board.hit, r.failed)


@pytest.mark.parametrize("who,call", FOR_EVER)
def test_a_disk_that_fails_for_ever_fails_jobs_in_words(run, totals, who, call):
    total = count(totals, run, who, call)
    for nth in range(2, total + 1) if ALL else [2, max(2, total // 2)]:
        for error in (errno.EIO, errno.EROFS):
            r = run(who, call, nth=nth, count=0, error=error)
            assert r.board.hits == 0 or r.failed or is_for_a_later_life(r.board.hit) or \
                call in ("open", "copy_file_range"), (nth, r.board.hit)


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("size", [5000, 400 * KIB])
def test_a_kill_before_a_rename_is_not_in_the_way_of_the_next_life(tmp, data_dir, web, nth, size):
    """The packed file that is kept has its name already, and the job may replace nothing."""
    plain = body(size, "renames")
    packed = gzip.compress(plain, 1, mtime=0)
    with open(os.path.join(data_dir, "faults-renames.%d" % size), "wb") as f:
        f.write(packed)
    board = Board(tmp)
    with FaultyService(tmp, board, rule("hauld-worker", "rename", os.path.join(tmp, "root"), nth=nth, error=HANG)) as s:
        job = {"url": web.url("/faults-renames.%d" % size), "output": "plain", "decompress": "gzip", "no-clobber": True,
               "keep-download": s.path("kept.gz")}
        with s.client() as c:
            number, = c.add(job)
            wait_until(lambda: board.hits)
        assert os.path.exists(s.path("kept.gz")) == (nth == 2) and not os.path.exists(s.path("plain"))
        s.next_life()
        with s.client() as c:
            assert c.wait_job(number)["state"] == "done", c.show(number)
        assert (s.read("plain"), s.read("kept.gz")) == (plain, packed)
        s.stop()


@pytest.mark.parametrize("size", [5000, 400 * KIB])
def test_a_worker_that_is_killed_behind_its_rename_is_not_in_the_way_of_the_next(tmp, data_dir, web, size):
    """The unpacked file has its name already, the packed one is still there, and the job may replace nothing."""
    plain = body(size, "behind")
    with open(os.path.join(data_dir, "faults-behind.%d" % size), "wb") as f:
        f.write(gzip.compress(plain, 1, mtime=0))
    board = Board(tmp)
    hang = rule("hauld-worker", "unlinkat", os.path.join(tmp, "root"), nth=2, error=HANG) # the first is of what another try left
    with FaultyService(tmp, board, hang, workers=1) as s:
        job = {"url": web.url("/faults-behind.%d" % size), "output": "plain", "decompress": "gzip", "no-clobber": True}
        with s.client() as c:
            number, = c.add(job)
            wait_until(lambda: board.hits)
            assert board.hit.endswith(".part") and s.read("plain") == plain
            worker, = s.workers()
            os.kill(worker, signal.SIGKILL)
            assert c.wait_job(number)["state"] == "done", c.show(number)
        assert s.read("plain") == plain
        s.stop()


def test_a_worker_that_is_killed_behind_both_renames_has_published(tmp, data_dir, web):
    """The packed file is kept, so that nothing is left to go on from: it is fetched again."""
    plain = body(5000, "both")
    packed = gzip.compress(plain, 1, mtime=0)
    with open(os.path.join(data_dir, "faults-both"), "wb") as f:
        f.write(packed)
    board = Board(tmp)
    # Synced are the packed file, the unpacked one, .haul for its map, then the directory for each of the names.
    hang = rule("hauld-worker", "fsync", os.path.join(tmp, "root"), nth=5, error=HANG)
    with FaultyService(tmp, board, hang, workers=1) as s:
        job = {"url": web.url("/faults-both"), "output": "plain", "decompress": "gzip", "no-clobber": True,
               "keep-download": s.path("kept.gz")}
        with s.client() as c:
            number, = c.add(job)
            wait_until(lambda: board.hits)
            assert (s.read("plain"), s.read("kept.gz")) == (plain, packed), board.hit
            worker, = s.workers()
            os.kill(worker, signal.SIGKILL)
            assert c.wait_job(number)["state"] == "done", c.show(number)
        assert (s.read("plain"), s.read("kept.gz")) == (plain, packed)
        s.stop()


@pytest.mark.parametrize("why", ["sibling-failed", "deadline"])
def test_what_was_published_before_a_kill_is_done_whatever_ends_it_then(tmp, server, why):
    """The file has its name and nobody could say so; its group, or its deadline, ends it in the next life."""
    board = Board(tmp)
    # Synced are the file and then the directory for its name.
    hang = rule("hauld-worker", "fsync", os.path.join(tmp, "root"), nth=2, error=HANG)
    with FaultyService(tmp, board, hang, config={"groups": [{"name": "together", "on-failure": "cancel"}]}, workers=1) as s:
        with s.client() as c:
            number, = c.add({"url": server.url("/ok/400K?seed=stands"), "output": "f", "group": "together"})
            wait_until(lambda: board.hits)
            assert s.read("f") == body(400 * KIB, "stands"), board.hit
            if why == "deadline":
                c.call("set", jobs=[number], set={"deadline": "1s"})
                wait_until(lambda: c.show(number)["deadline"] is None) # it has passed
            else:
                c.wait_job(c.add({"url": server.url("/status/404"), "output": "g", "group": "together", "retry": 0})[0])
            assert c.show(number)["state"] == "active"
        s.next_life()
        with s.client() as c:
            assert c.wait_job(number)["state"] == "done", c.show(number)
        assert s.read("f") == body(400 * KIB, "stands")
        s.stop()


# ---- the state directory

class Diary:
    """What clients were told while the disk of the state failed."""

    def __init__(self, server):
        self.server, self.told, self.refused, self.number = server, {}, [], 0

    def add(self, c):
        self.number += 1
        output = "f%d" % self.number
        try:
            self.told[c.add({"url": self.server.url("/ok/1000"), "output": output})[0]] = output
            return True
        except RpcError as error:
            assert len(error.text) > 20 and error.text.isprintable()
            self.refused.append(output)
            return False


def survive(tmp, server, who, call, nth, error):
    """The board and the diary of a service whose state fails from the nth call on."""
    board, diary = Board(tmp), Diary(server)
    s = FaultyService(tmp, board, None, start=False)
    s.rule = rule(who, call, s.state, nth=nth, count=0, error=error)
    try:
        if not begin(s):
            return board, diary
        with s.client() as c:
            for _ in range(6):
                diary.add(c)
            board.end()
            wait_until(lambda: diary.add(c))
            for number in diary.told:
                assert c.wait_job(number)["state"] == "done"
        s.process.kill()
        s.wait_exit()
        s.start()
        with s.client() as c:
            kept = {j["id"]: os.path.basename(j["output"]) for j in c.list_all()}
        assert kept == diary.told, diary.refused
        assert set(s.published()) == set(diary.told.values())
        s.stop()
    finally:
        s.close()
    return board, diary


@pytest.mark.parametrize("who", ["hauld-store", "hauld"])
@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC])
def test_what_is_acknowledged_survives_a_disk_that_fails_for_a_while(tmp, server, who, error):
    number = itertools.count()

    def once(call, nth):
        where = os.path.join(tmp, str(next(number)))
        os.makedirs(where)
        return survive(where, server, who, call, nth, error)
    counts = once("*", 0)[0].counts
    refused = []
    for call, total in counts.items():
        for nth in range(1, total + 1) if ALL else sorted({1, total // 2 + 1, total}):
            board, diary = once(call, nth)
            print(nth, total, board.hit, board.hits, "refused", len(diary.refused))
            refused += diary.refused
    assert refused or who == "hauld"


# ---- a filesystem that does not answer

def test_a_look_at_a_dead_filesystem_holds_up_nobody(tmp, server):
    """statvfs never comes back: status does, jobs do, and nobody asks a second time."""
    board = Board(tmp)
    with FaultyService(tmp, board, rule("hauld-worker", "statvfs", count=0, error=HANG)) as s:
        with s.client() as c:
            disk, = c.call("status")["disks"]
            assert disk["free"] is disk["size"] is disk["age_ms"] is None and disk["root"] == s.root
            assert "does not say what is free" in s.ctl("status").out
            ids = c.add(*[{"url": server.url("/ok/300K?seed=%d" % i), "output": "f%d" % i} for i in range(20)])
            assert {c.wait_job(i)["state"] for i in ids} == {"done"}
            assert c.call("status")["disks"][0]["free"] is None and board.hits == 1
            board.end()
            wait_until(lambda: c.call("status")["disks"][0]["free"])


# ---- descriptors

def test_a_listener_without_descriptors_lets_clients_wait(tmp, server):
    board = Board(tmp)
    with FaultyService(tmp, board, rule("hauld", "accept4", nth=1, count=3, error=errno.EMFILE)) as s:
        with s.client() as c:
            assert c.wait_job(c.add({"url": server.url("/ok/1000"), "output": "f"})[0])["state"] == "done"
        assert board.hits == 3 and len(s.log_lines("clients wait")) == 3


def test_a_listener_without_descriptors_rests(tmp):
    """While somebody waits to be let in, the loop turns for others without asking for him each time."""
    board = Board(tmp)
    with FaultyService(tmp, board, rule("hauld", "accept4", nth=2, count=0, error=errno.EMFILE)) as s:
        with s.client() as c:
            c.call("version")
            with Client(s.socket) as waiting:
                wait_until(lambda: board.hits > 0)
                before = board.hits
                for _ in range(1000):
                    c.call("version")
                assert board.hits - before < 500
                board.end()
                assert waiting.call("version")["protocol"] == 1


@pytest.mark.parametrize("error", [errno.EMFILE, errno.ENOBUFS])
def test_transfers_without_sockets_are_tried_again(tmp, server, error):
    board = Board(tmp)
    with FaultyService(tmp, board, rule("hauld", "socket", nth=0, count=2, error=error), start=False) as s:
        s.rule = rule("hauld", "socket", nth=3, count=2, error=error)
        s.start()
        with s.client() as c:
            ids = c.add(*[{"url": server.url("/ok/%d" % (1000 + i)), "output": "f%d" % i, "retry": 3} for i in range(8)])
            assert {c.wait_job(i)["state"] for i in ids} == {"done"}
        assert board.hits == 2


def test_a_daemon_out_of_descriptors(tmp, serve, server):
    """Clients and jobs have more than there are: some wait, some fail in words, all else
    goes on, and afterwards it is as before."""
    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (160, 160))
    s = serve(popen={"preexec_fn": few})
    with s.client() as c:
        c.wait_job(c.add({"url": server.url("/ok/1000"), "output": "first"})[0]) # what checks jobs runs
        crowd = [Client(s.socket) for _ in range(200)]
        s.wait_log("clients wait: Too many open files")
        ids = c.add(*[{"url": server.url("/ok/300K?seed=%d" % i), "output": "d%d/f" % i, "retry": 0} for i in range(20)])
        for number in ids:
            job = c.wait_job(number)
            assert job["state"] == "done" or (job["state"] == "failed" and len(job["reason"]) > 10), job
            if job["state"] == "failed":
                print(job["code"], job["reason"])
        for one in crowd:
            one.close()
        ids = c.add(*[{"url": server.url("/ok/300K"), "output": "e%d" % i, "retry": 0} for i in range(10)])
        assert {c.wait_job(i)["state"] for i in ids} == {"done"}
