"""The durable queue: what was acknowledged is there after any death, and nothing is done twice."""

import contextlib
import gzip
import os
import random
import signal
import sqlite3
import subprocess
import threading

import pytest
from bodies import body, digest
from haul import children_named, kill_quietly
from service import Gone, RpcError, Service
from waiting import wait_until


def stalled(server, output, **keys):
    return {"url": server.url("/stall/1M/64K?" + output), "output": output, "stall-timeout": "1h", "fsync": "off", **keys}


def good(server, output, size=1000, **keys):
    return {"url": server.url("/ok/%d?seed=%s" % (size, output)), "output": output, "fsync": "off", **keys}


def kill(s):
    """kill -9, and nothing of it is left but its files."""
    s.process.kill()
    assert s.wait_exit() == -signal.SIGKILL


@pytest.fixture
def s(tmp):
    with Service(tmp) as service:
        yield service


# ---- another life

def test_acknowledged_jobs_survive_a_kill(s, server):
    with s.client() as c:
        held = c.add(stalled(server, "held"))
        ids = c.add(*[good(server, "j%d" % i, checksum=digest(body(1000, "j%d" % i))) for i in range(300)])
    kill(s)
    s.start()
    with s.client() as c:
        assert [j["id"] for j in c.list_all()] == held + ids
        for at in range(0, 300, 100):
            done = c.call("wait", jobs=ids[at:at + 100])["jobs"]
            assert {j["state"] for j in done} == {"done"}, done
        c.call("cancel", jobs=held)
    assert s.read("j7") == body(1000, "j7")


def test_no_change_is_acknowledged_before_it_is_on_the_disk(s, server):
    """hauld-store takes it and does not say that it has it."""
    with s.client() as c:
        failed = c.add(*[{"url": server.url("/status/404"), "output": "f%d" % i, "retry": 0} for i in range(2)])
        for one in failed:
            assert c.wait_job(one)["state"] == "failed"
        waiting = c.add(*[good(server, "w%d" % i, delay="1h") for i in range(3)])
        paused = c.add(good(server, "p", paused=True, delay="1h"))
        c.call("group", group="old", set={"on-failure": "continue"})
        changes = [("cancel", {"jobs": waiting[:1]}), ("pause", {"jobs": waiting[1:2]}), ("resume", {"jobs": paused}),
                   ("set", {"jobs": waiting[2:], "set": {"priority": 7}}), ("retry", {"jobs": failed[:1]}),
                   ("remove", {"jobs": failed[1:]}), ("event", {"set": "e"}), ("limit", {"rate": "1G"}),
                   ("group", {"group": "new", "set": {"on-failure": "continue"}}), ("group", {"group": "old", "remove": True}),
                   ("pause", {"group": "new"})]
        store, = children_named(s.pid, "hauld-store")
        os.kill(store, signal.SIGSTOP)
        try:
            numbers = [c.send(method, **params) for method, params in changes]
            c.answered_so_far()
            assert [changes[numbers.index(n)][0] for n in numbers if n in c.answers] == []
        finally:
            os.kill(store, signal.SIGCONT)
        for number in numbers:
            c.answer(number)


def test_what_ended_is_remembered_as_it_ended(s, server):
    with s.client() as c:
        done, failed, cancelled = c.add(good(server, "a", checksum=digest(body(1000, "a"))),
                                        {"url": server.url("/status/404"), "output": "b", "retry": 0},
                                        stalled(server, "c"))
        c.wait_job(done)
        c.wait_job(failed)
        c.call("cancel", jobs=[cancelled])
        before = [c.show(i) for i in (done, failed, cancelled)]
    kill(s)
    s.start()
    with s.client() as c:
        after = [c.show(i) for i in (done, failed, cancelled)]
        for old, new in zip(before, after):
            for key in ("id", "name", "output", "url", "state", "code", "reason", "attempts", "published", "added",
                        "uid", "origin", "seconds", "receipt"):
                assert new[key] == old[key], key
        assert after[0]["receipt"]["digest"]["sha256"] == digest(body(1000, "a")).split(":")[1]
        assert c.call("status")["jobs"]["done"] == 1
        assert c.call("retry", jobs=[failed])["jobs"][0]["state"] == "queued"
    assert len(server.requests("/ok/1000")) == 1


def test_jobs_of_the_configuration_are_not_fetched_again(tmp, server):
    jobs = [good(server, "one", name="one"), good(server, "two", name="two")]
    with Service(tmp, {"jobs": jobs}) as s:
        with s.client() as c:
            ids = [c.wait_job(n)["id"] for n in ("one", "two")]
        kill(s)
        s.start()
        with s.client() as c:
            assert [c.wait_job(n)["id"] for n in ("one", "two")] == ids
        assert s.stop() is None
        s.write_config({"jobs": [jobs[0], {**jobs[1], "mode": "0600"}]})
        s.start()
        with s.client() as c:
            assert c.wait_job("one")["id"] == ids[0]
            assert c.wait_job("two")["id"] > ids[1]
        assert os.stat(s.path("two")).st_mode & 0o777 == 0o600
    assert len(server.requests("seed=one")) == 1 and len(server.requests("seed=two")) == 2


def test_a_stop_parks_and_the_next_start_goes_on(s, server):
    with s.client() as c:
        held = c.add(stalled(server, "held"))[0]
        paused = c.add(stalled(server, "paused"))[0]
        c.wait_state(held, "active", "download")
        c.wait_state(paused, "active", "download")
        c.call("pause", jobs=[paused])
        c.wait_state(paused, "paused")
    s.stop()
    s.start()
    with s.client() as c:
        c.wait_state(held, "active", "download")
        assert c.show(paused)["state"] == "paused"
        assert c.show(held)["attempts"] == 1
        c.call("cancel", jobs=[held, paused])


def test_what_is_interrupted_is_not_called_cancelled(s, server):
    """A worker that does not answer keeps hauld from ending at once: it can still be asked."""
    with s.client() as c:
        busy = c.add(stalled(server, "busy", url=server.url("/stall/2M/1M"), checksum="sha256:" + 64 * "0"))[0]
        paused = c.add(stalled(server, "paused"))[0]
        c.call("pause", jobs=[paused])
        wait_until(lambda: c.show(busy)["processed"] > 0)
        workers = s.workers()
        for pid in workers:
            kill_quietly(pid, signal.SIGSTOP)
        s.signal(signal.SIGTERM)
        s.wait_log("stopping")
        assert c.refused("cancel", jobs=[paused]).word == "draining"
        for pid in workers:
            kill_quietly(pid, signal.SIGCONT)
    assert s.wait_exit() == 0
    s.start()
    with s.client() as c:
        assert c.show(paused)["state"] == "paused"
        c.call("cancel", jobs=[paused, busy])


def test_ids_are_never_given_twice(s, server):
    with s.client() as c:
        last = c.add(good(server, "a"), good(server, "b"))[1]
        c.wait_job(last)
        assert c.call("remove", jobs=[last]) == {"removed": 1}
    kill(s)
    s.start()
    with s.client() as c:
        assert c.refused("show", job=last).word == "no-such-job"
        assert c.add(good(server, "c"))[0] > last


def test_the_defaults_of_the_day_it_was_added_hold(tmp, server):
    with Service(tmp, {"defaults": {"retry": 0}}) as s:
        with s.client() as c:
            one = c.add({"url": server.url("/status/503"), "output": "x"})[0]
            c.wait_job(one)
        s.stop()
        s.write_config({"defaults": {"retry": 50}})
        s.start()
        with s.client() as c:
            c.call("retry", jobs=[one])
            assert c.wait_job(one)["state"] == "failed"
            assert c.show(one)["settings"]["retry"] == 0


def test_names_are_still_taken(s, server):
    with s.client() as c:
        c.add(good(server, "a", name="fred"))
    kill(s)
    s.start()
    with s.client() as c:
        assert c.refused("add", jobs=[good(server, "b", name="fred")]).word == "conflict"
        assert c.wait_job("fred")["state"] == "done"


def test_the_oldest_are_forgotten_for_good(tmp, server):
    with Service(tmp, max_download_result=3) as s:
        with s.client() as c:
            ids = []
            for i in range(6): # one after the other: those that ended first go
                ids += c.add(good(server, "j%d" % i))
                c.wait_job(ids[-1])
            wait_until(lambda: [j["id"] for j in c.list_all()] == ids[3:], why=lambda: c.list_all())
        kill(s)
        s.start()
        with s.client() as c:
            assert set(j["id"] for j in c.list_all()) <= set(ids)
            assert len(c.list_all()) == 3


def test_a_stop_forgets_none_of_those_that_wait(tmp, server):
    """They end as interrupted, but they are not over: the bound on ended jobs is not theirs."""
    with Service(tmp, max_download_result=3, max_concurrent_downloads=1) as s:
        with s.client() as c:
            ids = c.add(stalled(server, "held"), *[good(server, "j%d" % i) for i in range(20)])
            c.wait_state(ids[0], "active", "download")
        s.stop()
        s.start()
        with s.client() as c:
            assert [j["id"] for j in c.list_all()] == ids
            c.call("cancel", jobs=ids[:1])
            for i in ids[-3:]:
                assert c.wait_job(i)["state"] == "done"
    assert len(s.published()) == 20


def test_parts_of_a_killed_life_are_swept(s, server):
    with s.client() as c:
        ids = c.add(*[stalled(server, "d/%d" % i) for i in range(3)])
        for i in ids:
            c.wait_state(i, "active", "download")
    haul = s.path("d", ".haul")
    with open(os.path.join(haul, "0123456789abcdef-00000000.1.1.part"), "w") as f:
        f.write("of another instance")
    kill(s)
    left = set(os.listdir(haul))
    assert len(left) == 4
    s.start()
    with s.client() as c:
        c.wait_job(c.add(good(server, "d/new"))[0])
        for i in ids:
            c.wait_state(i, "active", "download")

        def swept():
            there = set(os.listdir(haul))
            return there & left == {"0123456789abcdef-00000000.1.1.part"} and len(there) == 4
        wait_until(swept, why=lambda: (left, os.listdir(haul)))
        c.call("cancel", jobs=ids)
    os.unlink(os.path.join(haul, "0123456789abcdef-00000000.1.1.part"))


def test_where_a_packed_file_was_kept_is_swept_too(s, server, keep):
    packed = gzip.compress(body(1000))
    with s.client() as c:
        one = c.add({"url": server.url("/file/" + keep(packed, ".gz")), "output": "d/x", "keep-download": "k/x.gz",
                     "decompress": "gzip"})[0]
        assert c.wait_job(one)["state"] == "done"
    kill(s)
    with open(os.path.join(s.state, "lock")) as f:
        instance = f.read(16)
    for directory in ("d", "k"):
        os.makedirs(s.path(directory, ".haul"), exist_ok=True)
        with open(s.path(directory, ".haul", instance + "-00000000.1.1.part"), "w") as f:
            f.write("of an earlier life")
    s.start()
    wait_until(lambda: s.leftovers() == [], why=s.leftovers)
    assert s.read("k/x.gz") == packed and s.read("d/x") == body(1000)


# ---- the store dies, or its file is no good

def store_pid(s):
    pids = children_named(s.pid, "hauld-store")
    return pids[0] if pids else None


def test_a_store_that_dies_is_replaced_and_nothing_is_lost(s, server):
    ids = []
    with s.client() as c:
        for i in range(30):
            ids += c.add(*[stalled(server, "j%d-%d" % (i, k), **{"limit-rate": 1}) for k in range(10)])
            if i % 7 == 3:
                first = wait_until(lambda: store_pid(s))
                kill_quietly(first)
    kill(s)
    s.start()
    with s.client() as c:
        assert [j["id"] for j in c.list_all()] == ids
        c.call("cancel", jobs=ids)


def test_a_foreign_database_is_left_alone(tmp):
    s = Service(tmp, start=False)
    os.makedirs(s.state, mode=0o700)
    path = os.path.join(s.state, "jobs.db")
    db = sqlite3.connect(path)
    db.execute("create table photos (name text)")
    db.execute("pragma user_version = 77")
    db.commit()
    db.close()
    with open(path, "rb") as f:
        before = f.read()
    s.spawn()
    assert s.wait_exit() == 1
    assert path in s.log and "Traceback" not in s.log, s.log
    with open(path, "rb") as f:
        assert f.read() == before


def test_garbage_in_place_of_the_database_is_told(tmp):
    s = Service(tmp, start=False)
    os.makedirs(s.state, mode=0o700)
    path = os.path.join(s.state, "jobs.db")
    with open(path, "wb") as f:
        f.write(b"this is no database at all, and never was one\n" * 500)
    s.spawn()
    assert s.wait_exit() == 1
    assert path in s.log, s.log
    assert os.path.getsize(path) == 46 * 500


@contextlib.contextmanager
def small_state(tmp):
    """A state directory of 2 MiB; gives a function that fills it, and empties it when that is called again."""
    state = os.path.join(str(tmp), "state")
    filler = os.path.join(state, "filler")

    def fill():
        if os.path.exists(filler):
            os.unlink(filler)
            return
        with open(filler, "wb", buffering=0) as f:
            with contextlib.suppress(OSError):
                while f.write(b"x" * 65536):
                    pass
    os.makedirs(state, mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m,mode=0700", "tmpfs", state], check=True)
    try:
        yield fill
    finally:
        subprocess.run(["umount", "-l", state], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting takes root")
def test_a_full_disk_refuses_in_words_and_loses_nothing(tmp, server):
    with small_state(tmp) as fill, Service(tmp) as s:
        with s.client() as c:
            ids = c.add(stalled(server, "first"))
            fill()
            refused = 0
            for i in range(40):
                try:
                    ids += c.add(*[stalled(server, "j%d-%d" % (i, k)) for k in range(50)])
                except RpcError as error:
                    assert error.word == "failed" and "nothing was added" in error.text, error
                    refused += 1
                    break
            assert refused
            assert [j["id"] for j in c.list_all()] == ids
            fill()

            def added():
                try:
                    return c.add(stalled(server, "later"))
                except RpcError:
                    return None
            ids += wait_until(added)
        kill(s)
        s.start()
        with s.client() as c:
            assert [j["id"] for j in c.list_all()] == ids
            for at in range(0, len(ids), 500):
                c.call("cancel", jobs=ids[at:at + 500])


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting takes root")
def test_a_disk_that_is_full_while_hauld_stops(tmp, server):
    """What could not be kept is taken back although hauld is about to end, if there is room in time."""
    with small_state(tmp) as fill, Service(tmp) as s:
        with s.client() as c, s.client() as other:
            first, = c.add(good(server, "first"))
            c.wait_job(first)
            wait_until(lambda: c.call("status")["store"]["queued"] == 0)
            writer = store_pid(s)
            os.kill(writer, signal.SIGSTOP)
            fill()
            number = c.send("add", jobs=[stalled(server, "j%d" % k, **{"user-agent": "x" * 2000}) for k in range(400)])
            wait_until(lambda: other.call("status")["store"]["queued"] > 0)
            s.signal(signal.SIGTERM)
            s.wait_log("stopped")
            os.kill(writer, signal.SIGCONT)
            with pytest.raises(RpcError) as refused:
                c.answer(number)
            assert refused.value.word == "failed" and "nothing was added" in refused.value.text
            fill()
        assert s.wait_exit() == 0
        late = "not everything let go within 5 s" in s.log # a stop waits no longer for a disk
        s.start()
        with s.client() as c:
            ids = [j["id"] for j in c.list_all()]
            assert ids[0] == first and (late or ids == [first])


# ---- any instant

@pytest.mark.parametrize("seed", range(3))
def test_random_kills_lose_no_acknowledged_job(tmp, server, seed):
    """Clients add, cancel and remove while all of hauld is killed again and again."""
    rng = random.Random(seed)
    added, removed, maybe = set(), set(), set()
    with Service(tmp, max_concurrent_downloads=4) as s:
        for life in range(6):
            stop = threading.Event()
            killer = threading.Timer(rng.uniform(0.05, 0.6), lambda: (stop.set(), s.process.kill()))
            killer.start()
            try:
                with s.client() as c:
                    n = 0
                    while not stop.is_set():
                        n += 1
                        jobs = [good(server, "l%d-%d-%d" % (life, n, k)) for k in range(rng.randint(1, 8))]
                        added |= set(c.add(*jobs))
                        if added - removed - maybe and rng.random() < 0.3:
                            one = rng.choice(sorted(added - removed - maybe))
                            maybe.add(one)
                            c.call("cancel", jobs=[one])
                            c.call("remove", jobs=[one])
                            removed.add(one)
            except (Gone, ConnectionError, BrokenPipeError):
                pass
            killer.join()
            assert s.wait_exit() == -signal.SIGKILL
            s.start()
            with s.client() as c:
                there = {j["id"] for j in c.list_all()}
                assert not (added - maybe) - there, "lost: %r" % sorted((added - maybe) - there)
                assert not removed & there, "came back: %r" % sorted(removed & there)
        with s.client() as c:
            everything = sorted(there)
            for at in range(0, len(everything), 200):
                ended = c.call("wait", jobs=everything[at:at + 200])["jobs"]
                assert {j["state"] for j in ended} <= {"done", "cancelled"}
        for job in ended:
            if job["state"] == "done":
                name = os.path.basename(job["output"])
                assert s.read(name) == body(1000, name)


def test_what_becomes_durable_while_hauld_stops_begins_with_the_next_life(s, server):
    """The store is slow: a job is on the disk when all else has ended already, and would end at once."""
    with s.client() as c, s.client() as other:
        done, gone = c.add(good(server, "a"), good(server, "b"))
        c.call("wait", jobs=[done, gone])
        wait_until(lambda: c.call("status")["store"]["queued"] == 0)
        writer = store_pid(s)
        os.kill(writer, signal.SIGSTOP)
        number = c.send("add", job=good(server, "late", **{"after-failed": str(done)}))
        wait_until(lambda: other.call("status")["store"]["queued"] > 0)
        s.signal(signal.SIGTERM)
        s.wait_log("stopped")

        def refused(): # nothing that could not be stored any more is taken; who looks is answered
            numbers = [other.send("event", set="late"), other.send("group", group="late", set={}),
                       other.send("limit", rate="1M"), other.send("remove", job=gone)]
            other.answered_so_far()
            return [other.answers[n]["error"]["data"]["word"] for n in numbers if n in other.answers] == 4 * ["draining"]
        wait_until(refused)
        os.kill(writer, signal.SIGCONT)
        late = c.answer(number)["jobs"][0]["id"]
    assert s.wait_exit() == 0
    s.start()
    with s.client() as c:
        assert c.wait_job(late)["code"] == "not-needed"
