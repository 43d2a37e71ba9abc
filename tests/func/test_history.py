"""Jobs that are over leave the memory and stay queryable; retention; keys; what the store does when it
hangs or cannot write."""

import os
import resource
import select
import signal
import sqlite3
import subprocess
import threading
import time

import pytest
from bodies import body, digest
from haul import children_named, kill_quietly, program
from service import RpcError, Service, sanitized
from test_control import as_other, reachable # noqa: F401, a fixture
from waiting import wait_until

IN_MEMORY = 1000 # ARCHIVE_IN_MEMORY


def stalled(server, output, **keys):
    return {"url": server.url("/stall/1M/64K?" + output), "output": output, "stall-timeout": "1h", "fsync": "off", **keys}


def good(server, output, size=100, **keys):
    return {"url": server.url("/ok/%d?seed=%s" % (size, output)), "output": output, "fsync": "off", **keys}


def kill(s):
    """kill -9, and nothing of it is left but its files."""
    s.process.kill()
    assert s.wait_exit() == -signal.SIGKILL


def again(s):
    kill(s)
    s.start()


def stores(s):
    """Pids of the writer and of the reader; None where there is none."""
    def is_reader(pid):
        try:
            with open("/proc/%d/cmdline" % pid, "rb") as f:
                return b"--read" in f.read().split(b"\0")
        except OSError:
            return None
    kinds = {is_reader(pid): pid for pid in children_named(s.pid, "hauld-store")}
    return kinds.get(False), kinds.get(True)


def cancelled(c, server, n, name="c", **keys):
    """n jobs that are over at once: their ids."""
    ids = []
    for start in range(0, n, 1000):
        some = c.add(*[{"url": server.url("/ok/1?%s%d" % (name, i)), "output": "%s/%d" % (name, i), **keys}
                       for i in range(start, min(start + 1000, n))])
        c.call("cancel", jobs=some)
        ids += some
    return ids


def all_ids(c, **params):
    return [j["id"] for j in c.list_all(**params)]


@pytest.fixture
def s(tmp):
    with Service(tmp, max_concurrent_downloads=1, max_download_result=100000) as service:
        yield service


@pytest.fixture
def held(s, server):
    """A service with one job that holds the only place."""
    with s.client() as c:
        job, = c.add(stalled(server, "held"))
        c.wait_state(job, "active", "download")
    yield s
    with s.client() as c:
        c.call("cancel", jobs=[job])


# ---- out of memory, into the history

def test_ended_jobs_leave_the_memory_and_are_still_there(held, server):
    with held.client() as c:
        ids = cancelled(c, server, 3000)
        wait_until(lambda: c.call("status")["store"]["history"] == 3000 - IN_MEMORY, why=lambda: c.call("status"))
        status = c.call("status")
        assert status["jobs"]["cancelled"] == 3000 and status["jobs"]["active"] == 1
        assert all_ids(c) == [1] + ids
        assert all_ids(c, limit=17, state=["cancelled"]) == ids
        assert all_ids(c, limit=1000, order="ended", state=["cancelled"]) == ids[::-1]
        assert all_ids(c, limit=7, order="ended", output="*/299*") == ids[2999:2989:-1] + [ids[299]]
        old = c.show(ids[0])
        assert old["state"] == "cancelled" and old["settings"]["output"] == held.path("c", "0")
        assert old["reason"] == "by uid %d" % os.getuid() and old["receipt"] is None
        assert set(old) == set(c.show(ids[-1])) # as one in memory
        assert c.call("wait", jobs=[ids[1], ids[-1], ids[1]])["jobs"][0]["id"] == ids[1]
        assert [j["id"] for j in c.call("cancel", jobs=[ids[5], ids[4]])["jobs"]] == [ids[5], ids[4]]
        assert c.refused("pause", jobs=[ids[7]]).word == "conflict"
        assert c.refused("show", job=ids[-1] + 1).word == "no-such-job"


def test_after_a_restart_they_are_asked_for_and_not_loaded(s, server):
    with s.client() as c:
        jobs = c.add(good(server, "a", name="fred", checksum=digest(body(100, "a"))),
                     {"url": server.url("/status/404"), "output": "b", "retry": 0, "name": "b"})
        before = [c.wait_job(j) and c.show(j) for j in jobs]
    again(s)
    with s.client() as c:
        assert stores(s)[1] is None # nobody has asked
        assert " restored=0" in s.wait_log(" serves socket=")[0]
        assert [c.show(j) for j in jobs] == before
        assert c.show("fred") == before[0]
        assert stores(s)[1]
        assert c.refused("add", jobs=[good(server, "c", name="fred")]).word == "conflict"
        status = c.call("status")
        assert (status["jobs"]["done"], status["jobs"]["failed"], status["store"]["history"]) == (1, 1, 2)
        shown = c.call("subscribe", jobs=["fred", "b"])["jobs"]
        assert [j["state"] for j in shown] == ["done", "failed"]
    out = s.ctl("show", "fred")
    assert out.rc == 0 and "proof" in out.out and "ended" in out.out
    assert s.ctl("wait", "b").rc == 1


def test_an_old_failed_job_can_be_retried_under_its_id(s, server):
    with s.client() as c:
        job, = c.add({"url": server.url("/flaky/1/1000?status=404&key=" + s.tmp), "output": "x", "name": "x", "retry": 0})
        assert c.wait_job(job)["state"] == "failed"
        done, = c.add(good(server, "d"))
        c.wait_job(done)
    again(s)
    with s.client() as c:
        assert c.refused("retry", jobs=[job, done]).word == "conflict"
        assert c.show("x")["state"] == "failed" # nothing was done to any of them
        c.call("subscribe", jobs=[job])
        assert c.call("retry", jobs=["x", job])["jobs"][0]["id"] == job
        assert c.event("end", id=job)["job"]["state"] == "done"
        assert c.show("x")["attempts"] == 1
    again(s)
    with s.client() as c:
        assert c.show("x")["state"] == "done" and c.call("status")["jobs"]["failed"] == 0
        assert all_ids(c) == [job, done]


def test_a_retry_that_was_acknowledged_survives(held, server):
    with held.client() as c:
        ids = cancelled(c, server, 1200, name="r")
        wait_until(lambda: c.call("status")["store"]["history"] == 200)
        c.call("pause", all=True) # in the next life, too: there the place is held later than it is given
        assert {j["state"] for j in c.call("retry", jobs=ids[:150])["jobs"]} == {"queued"}
        assert all_ids(c, state=["queued"]) == [1] + ids[:150]
        again(held)
    with held.client() as c:
        assert all_ids(c, state=["queued", "active", "blocked"]) == [1] + ids[:150]
        assert all_ids(c) == [1] + ids
        for at in range(0, 150, 50):
            c.call("cancel", jobs=ids[at:at + 50])


def test_what_is_removed_from_the_history_stays_so(s, server):
    with s.client() as c:
        ids = c.add(good(server, "a", name="a"), good(server, "b", name="b"), good(server, "c"))
        c.call("wait", jobs=ids)
    again(s)
    with s.client() as c:
        assert c.call("remove", jobs=["a", ids[2], ids[0]]) == {"removed": 2}
        assert c.refused("show", job="a").word == c.refused("show", job=ids[0]).word == "no-such-job"
        assert all_ids(c) == [ids[1]]
        assert c.add(good(server, "d", name="a"))
        assert c.refused("remove", jobs=[ids[2]]).word == "no-such-job"
        c.wait_job("a")
    again(s)
    with s.client() as c:
        assert all_ids(c) == [ids[1], c.show("a")["id"]]


def test_changes_of_one_client_keep_their_order(s, server):
    """What names an old job is looked up, and what comes behind it waits."""
    with s.client() as c:
        job, = c.add(good(server, "a", name="a"))
        c.wait_job(job)
    again(s)
    with s.client() as c:
        first, second = c.send("remove", jobs=["a"]), c.send("add", jobs=[good(server, "b", name="a")])
        assert c.answer(first) == {"removed": 1}
        new = c.answer(second)["jobs"][0]["id"]
        third, fourth = c.send("wait", job="a"), c.send("retry", jobs=["a"])
        assert c.answer(third)["jobs"][0]["id"] == new
        assert c.message(fourth)["error"]["data"]["word"] == "conflict"
        # One that does not wait for its answer.
        c.wait_job(new)
    again(s)
    other = s.client()
    other.send("remove", jobs=[new])
    other.close()
    with s.client() as c:
        wait_until(lambda: all_ids(c) == [], why=lambda: c.list_all())


@pytest.mark.parametrize("max_queued", [0, 2])
def test_one_who_goes_while_old_jobs_are_looked_up_has_its_jobs_added(tmp, server, max_queued):
    """Its connection is known to be broken before the answer comes: its event had nowhere to go."""
    with Service(tmp, max_queued=max_queued) as s:
        with s.client() as c:
            old, = c.add(good(server, "gone-old"))
            c.wait_job(old)
        again(s)
        with s.client() as c:
            assert c.show(old)["state"] == "done" # so that the reader runs
            reader = stores(s)[1]
            os.kill(reader, signal.SIGSTOP)
            going = [s.client() for _ in range(3)]
            for client in going:
                client.call("events", follow=True)
                client.send("add", jobs=[stalled(server, "gone", after=str(old))], key="one")
            for _ in range(3):
                c.answered_so_far() # theirs was read before
            for client in going:
                client.close()
            before = c.call("status")["clients"]
            c.call("event", set="gone") # they are told
            wait_until(lambda: c.call("status")["clients"] == before - 3, why=lambda: c.call("status"))
            os.kill(reader, signal.SIGCONT)
            wait_until(lambda: len(all_ids(c)) == 2, why=lambda: c.list_all())
            # A full queue does not take the request of one who has gone, and who would wait in it.
            one, = c.add(stalled(server, "gone-two"))
            os.kill(reader, signal.SIGSTOP)
            last = s.client()
            last.call("events", follow=True)
            last.send("add", jobs=[stalled(server, "gone-three", after=str(old))], block=True)
            for _ in range(3):
                c.answered_so_far()
            last.close()
            c.call("event", clear="gone")
            wait_until(lambda: c.call("status")["clients"] == before - 3, why=lambda: c.call("status"))
            os.kill(reader, signal.SIGCONT)
            jobs = all_ids(c)
            if not max_queued:
                jobs = wait_until(lambda: len(all_ids(c)) == 4 and all_ids(c), why=lambda: c.list_all())
            c.call("cancel", jobs=jobs)
            assert c.show(one)["state"] == "cancelled"


def test_strangers_may_not_touch_old_jobs(serve, server, reachable):
    s = serve()
    with s.client() as c:
        job, = c.add({"url": server.url("/status/404"), "output": "x", "retry": 0})
        c.wait_job(job)
    again(s)
    os.chmod(s.socket, 0o666)
    assert as_other(s, lambda c: c.call("retry", job=job)) == "permission-denied"
    assert as_other(s, lambda c: c.call("remove", job=job)) == "permission-denied"


# ---- list

def ended_at(state, ids_to_times):
    """Changes when jobs ended, in the database of a hauld that does not run."""
    db = sqlite3.connect(os.path.join(state, "jobs.db"))
    db.executemany("UPDATE job SET ended_s = ? WHERE id = ?", [(t, i) for i, t in ids_to_times])
    db.commit()
    db.close()


def test_list_by_time_group_name_and_url(tmp, server):
    with Service(tmp, {"groups": [{"name": "nightly"}]}) as s:
        with s.client() as c:
            ids = c.add(good(server, "one", name="alpha", group="nightly"), good(server, "dir/two"),
                        {"url": [server.url("/status/404?token=abc"), "http://127.0.0.1:9/mirror"], "output": "three",
                         "retry": 0, "name": "beta"}, stalled(server, "four", group="nightly"))
            c.call("wait", jobs=ids[:3])
            c.wait_state(ids[3], "active", "download")
        now = int(time.time())
        kill(s)
        ended_at(s.state, [(ids[0], now - 3 * 86400), (ids[1], now - 86400), (ids[2], 1700000000)])
        s.start()
        with s.client() as c:
            assert all_ids(c) == ids
            assert all_ids(c, since="2d") == [ids[1]]
            assert c.refused("list", since="soon").text.startswith('since is "soon": it must be a time, such as "2d" (ago)')
            assert all_ids(c, since="4d", state=["done"]) == ids[:2]
            assert all_ids(c, until="2d") == [ids[0], ids[2]]
            assert all_ids(c, since=1700000000, until=1700000001) == [ids[2]]
            assert all_ids(c, since="2023-11-14T22:13:20Z", until="2023-11-14T23:13:21+01:00") == [ids[2]]
            assert all_ids(c, since="2023-11-14", until="2023-11-16") == [ids[2]]
            assert all_ids(c, order="ended") == [ids[1], ids[0], ids[2]]
            assert all_ids(c, order="ended", limit=1, since="2020-01-01") == [ids[1], ids[0], ids[2]]
            assert all_ids(c, group="nightly") == [ids[0], ids[3]]
            assert all_ids(c, name="*a") == [ids[0], ids[2]] and all_ids(c, name="ALPHA") == [ids[0]]
            assert all_ids(c, output="*/dir/*") == [ids[1]]
            assert all_ids(c, url="*mirror") == [ids[2]]
            assert all_ids(c, url="*abc*") == [] # what is not shown cannot be found
            assert all_ids(c, url="*seed*") == []
            shown = c.show(ids[2])
            assert shown["ended"] == 1700000000 and c.show(ids[3])["ended"] is None
            out = s.ctl("list", "--since", "2d", "--state", "done", "--json")
            assert [j["id"] for j in out.lines] == [ids[1]]
            out = s.ctl("list", "--sort", "ended", "--limit", "2", "--json")
            assert [j["id"] for j in out.lines] == [ids[1], ids[0]]
            out = s.ctl("list", "--group", "nightly", "--until", "2d", "--json")
            assert [j["id"] for j in out.lines] == [ids[0]]
            assert s.ctl("list", "--since", "yesterday").rc == 2
            assert [j["id"] for j in s.ctl("list", "--name", "be*", "--output", "*three", "--url", "*", "--json").lines] == [ids[2]]
            c.call("cancel", jobs=[ids[3]])


@pytest.mark.parametrize("params", [
    {"since": "soon"}, {"until": -1}, {"since": "2026-13-01"}, {"since": "2026-02-30"}, {"since": 1.5}, {"until": ""},
    {"since": "2026-01-01T25:00:00Z"}, {"since": "2026-01-01T10:00:00+1"}, {"since": 1 << 50},
    {"group": 5}, {"name": "x" * 1025}, {"url": ["a"]}, {"order": "name"}, {"order": 1},
    {"order": "ended", "after": 5}, {"order": "ended", "after": "5"}, {"order": "ended", "after": "x/1"}, {"after": "1/2"},
])
def test_a_wrong_filter_is_refused(s, params):
    with s.client() as c:
        assert c.refused("list", **params).word == "invalid-params"


def test_pages_have_each_job_once_while_jobs_end(held, server):
    """Jobs end, and leave the memory, between the pages and under them."""
    with held.client() as c, held.client() as killer:
        ids = []
        for start in range(0, 4000, 1000):
            ids += c.add(*[{"url": server.url("/ok/1?%d" % i), "output": "p/%d" % i} for i in range(start, start + 1000)])
        stop = threading.Event()

        def end_them():
            for at in range(0, 4000, 100):
                killer.call("cancel", jobs=ids[at:at + 100])
            stop.set()
        thread = threading.Thread(target=end_them)
        thread.start()
        rounds = 0
        while not stop.is_set() or rounds < 3:
            assert all_ids(c, limit=137) == [1] + ids
            seen = all_ids(c, limit=211, state=["cancelled"], order="ended")
            assert len(seen) == len(set(seen))
            rounds += 1
        thread.join()
        assert all_ids(c, limit=137, state=["cancelled"]) == ids
        assert sorted(all_ids(c, limit=137, order="ended")) == ids


# ---- the reader

def test_a_reader_that_dies_is_replaced(s, server):
    with s.client() as c:
        job, = c.add(good(server, "a"))
        c.wait_job(job)
    again(s)
    with s.client() as c:
        for _ in range(3):
            assert c.show(job)["state"] == "done"
            reader = stores(s)[1]
            kill_quietly(reader)
            assert c.show(job)["state"] == "done"
            assert stores(s)[1] not in (None, reader)


def test_a_stop_leaves_no_log_behind_a_reader(s, server):
    with s.client() as c:
        job, = c.add(good(server, "a"))
        c.wait_job(job)
    again(s)
    with s.client() as c:
        assert c.show(job)["state"] == "done" and stores(s)[1]
    s.stop()
    assert sorted(os.listdir(s.state)) == ["jobs.db", "lock"]


def test_a_reader_that_hangs_is_told_and_nobody_waits_for_it(s, server):
    with s.client() as c:
        job, = c.add(good(server, "a"))
        c.wait_job(job)
    again(s)
    with s.client() as c, s.client() as other:
        c.show(job)
        os.kill(stores(s)[1], signal.SIGSTOP)
        number = c.send("show", job=job)
        assert other.call("version") and other.add(good(server, "b")) # meanwhile
        error = c.message(number)["error"]
        assert error["data"]["word"] == "failed" and "hangs" in error["message"]
        assert c.show(job)["state"] == "done"


@pytest.mark.parametrize("bad", ["exit 3", "kill -9 $$", "echo nonsense nonsense nonsense nonsense", "exec true"])
def test_a_reader_that_is_no_good_is_told(tmp, server, bad):
    """And the writer goes on."""
    script = os.path.join(str(tmp), "store")
    with open(script, "w") as f:
        f.write('#!/bin/sh\nif [ "$1" = --read ]; then %s; else exec %s "$@"; fi\n' % (bad, program("hauld-store")))
    os.chmod(script, 0o755)
    with Service(tmp, args=["--store-path", script]) as s:
        with s.client() as c:
            job, = c.add(good(server, "a", name="a"))
            c.wait_job(job)
        again(s)
        with s.client() as c:
            for _ in range(2):
                error = c.refused("show", job="a")
                assert error.word == "failed" and "ends again and again" in error.text, error
                assert c.refused("list").word == "failed"
            c.wait_job(c.add(good(server, "b"))[0])
            assert c.call("list", state=["active"]) == {"jobs": [], "next": None}
            assert c.call("status")["jobs"]["done"] == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting takes root")
def test_a_state_directory_that_cannot_be_written_to(tmp, server):
    """Nothing can be saved, and what was is still told; later it can.  At the start it is the end, in words."""
    state = os.path.join(str(tmp), "state")
    os.makedirs(state, mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m,mode=0700", "tmpfs", state], check=True)
    try:
        with Service(tmp) as s:
            with s.client() as c:
                job, = c.add(good(server, "a", name="a"))
                c.wait_job(job)
            again(s)
            with s.client() as c:
                assert c.show("a")["state"] == "done"
                # A mount that is written to cannot be made read-only: to the store a limit is the same.
                resource.prlimit(stores(s)[0], resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
                assert c.refused("add", job=good(server, "b")).word == "failed"
                kill_quietly(stores(s)[1])
                assert c.show("a")["state"] == "done" # also to a reader that begins now
                assert s.ctl("status").out.count("failing") == 1
                resource.prlimit(stores(s)[0], resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
                wait_until(lambda: c.call("status")["store"]["state"] == "working")
                c.wait_job(c.add(good(server, "c"))[0])
        subprocess.run(["mount", "-o", "remount,ro", state], check=True)
        s.spawn()
        assert s.wait_exit() == 1
        assert state in s.log and "Read-only" in s.log, s.log
        subprocess.run(["mount", "-o", "remount,rw", state], check=True)
        s.start()
        with s.client() as c:
            assert c.show("a")["state"] == "done"
        s.stop()
    finally:
        subprocess.run(["umount", "-l", state], check=True)


def test_a_database_that_is_damaged_below_is_told(s, server):
    with s.client() as c:
        job, = c.add(good(server, "a"))
        c.wait_job(job)
    s.stop()
    s.start()
    db = sqlite3.connect(os.path.join(s.state, "jobs.db"))
    db.execute("UPDATE job SET code = 999 WHERE id = ?", (job,))
    db.commit()
    db.close()
    with s.client() as c:
        error = c.refused("show", job=job)
        assert error.word == "failed" and "makes no sense" in error.text and s.state in error.text
        assert c.refused("list").word == "failed"
        assert c.call("list", state=["queued"])["jobs"] == []


def test_the_log_is_bounded_while_somebody_reads(held, server):
    with held.client() as c:
        cancelled(c, server, 5000, name="old")
        wal = os.path.join(held.state, "jobs.db-wal")
        stop, worst, asked = threading.Event(), [0], [0]

        def read():
            with held.client() as reader:
                while not stop.is_set():
                    reader.call("list", order="ended", url="*no such*", limit=1000)
                    asked[0] += 1
                    worst[0] = max(worst[0], os.path.getsize(wal))
        readers = [threading.Thread(target=read) for _ in range(3)]
        for r in readers:
            r.start()
        for n in range(8):
            c.add(*[{"url": server.url("/ok/1?" + "x" * 450), "output": "w%d/%d" % (n, i)} for i in range(1500)])
            cancelled(c, server, 2000, name="n%d" % n)
        stop.set()
        for r in readers:
            r.join()
        assert asked[0] > 3 and worst[0] < 64 << 20, (asked, worst)


# ---- retention

def test_the_oldest_go_by_number(tmp, server):
    with Service(tmp, max_concurrent_downloads=1, max_download_result=2500) as s:
        with s.client() as c:
            hold, = c.add(stalled(server, "held"))
            ids = cancelled(c, server, 4000)
            wait_until(lambda: c.call("status")["jobs"]["cancelled"] == 2500, why=lambda: c.call("status"))
            assert all_ids(c) == [hold] + ids[1500:]
            assert c.refused("show", job=ids[1499]).word == "no-such-job"
            s.reload({}, max_concurrent_downloads=1, max_download_result=1500)
            wait_until(lambda: all_ids(c) == [hold] + ids[2500:], why=lambda: len(all_ids(c)))
        kill(s)
        s.start()
        with s.client() as c:
            assert all_ids(c) == [hold] + ids[2500:]
            c.call("cancel", jobs=[hold])


def test_the_oldest_go_by_age(tmp, server):
    conf = {"jobs": [good(server, "cfg", name="cfg")]}
    with Service(tmp, conf) as s:
        with s.client() as c:
            c.wait_job("cfg")
            old = c.add(good(server, "a", name="a"), good(server, "b"))
            c.call("wait", jobs=old)
            assert all_ids(c, state=["done"]) == [c.show("cfg")["id"], *old]
            s.reload(conf, download_result_age="1s")
            wait_until(lambda: all_ids(c) == [c.show("cfg")["id"]], why=lambda: c.list_all())
            assert c.refused("show", job="a").word == "no-such-job"
            assert c.call("status")["jobs"]["done"] == 1
            s.reload(conf)
            assert c.add(good(server, "a", name="a")) # the name is free again
            c.wait_job("a")
        kill(s)
        s.write_config(conf, download_result_age="1s")
        s.start() # names of those that are gone while it did not run are free, too
        with s.client() as c:
            wait_until(lambda: all_ids(c) == [c.show("cfg")["id"]], why=lambda: c.list_all())
            c.add(good(server, "a", name="a"))


# ---- attempts

def test_attempts_that_failed_are_shown(s, server):
    with s.client() as c:
        job, = c.add({"url": server.url("/flaky/2/1000?status=503&key=" + s.tmp), "output": "x", "retry": 5})
        c.wait_job(job)
        lost, = c.add({"url": server.url("/status/404"), "output": "y", "retry": 0})
        c.wait_job(lost)
        before = c.show(job)
        assert before["state"] == "done" and before["attempts"] == 3
        assert [(a["number"], a["code"]) for a in before["failed_attempts"]] == [(1, "http-503"), (2, "http-503")]
        assert all(before["added"] <= a["time"] <= before["ended"] and a["reason"] for a in before["failed_attempts"])
        assert [a["code"] for a in c.show(lost)["failed_attempts"]] == ["http-404"]
    again(s)
    with s.client() as c:
        assert c.show(job) == before
    assert s.ctl("show", job).out.count("http-503") == 2


def test_attempts_of_a_job_that_is_not_over_survive(s, server):
    with s.client() as c:
        job, = c.add({"url": server.url("/status/503?retry-after=3600"), "output": "x", "retry": 5})
        c.wait_state(job, "blocked", why="retry-at")
        before = c.show(job)["failed_attempts"]
        assert [a["code"] for a in before] == ["http-503"]
        c.call("pause", jobs=[job]) # answered when it is on the disk
    again(s)
    with s.client() as c:
        assert c.show(job)["failed_attempts"] == before


def test_only_the_last_attempts_are_kept(s, server):
    with s.client() as c:
        urls = [server.url("/status/%d" % code) for code in range(404, 416)]
        job, = c.add({"url": urls, "output": "x", "retry": 0})
        c.wait_job(job)
        assert [a["code"] for a in c.show(job)["failed_attempts"]] == ["http-%d" % code for code in range(408, 416)]


# ---- keys

def test_a_key_survives_a_restart(s, server):
    with s.client() as c:
        first = c.call("add", jobs=[good(server, "a", name="a"), good(server, "b")], key="k/1")
        one = c.call("add", job=good(server, "c"), key="k/2")
        c.call("wait", jobs=["a", one["jobs"][0]["id"]])
    for _ in range(2):
        again(s)
        with s.client() as c:
            assert c.call("add", jobs=[good(server, "a", name="a"), good(server, "b")], key="k/1") == \
                {**first, "repeated": True}
            assert c.call("add", job=good(server, "c"), key="k/2") == {**one, "repeated": True}
            assert len(all_ids(c)) == 3
    with s.client() as c: # also of jobs that are not there any more
        c.wait_job(first["jobs"][1]["id"])
        c.call("remove", jobs=[1, 2, 3])
        assert c.call("add", job=good(server, "c"), key="k/2") == {**one, "repeated": True}


def test_keys_have_a_bound_and_an_age(s, server):
    with s.client() as c:
        c.call("add", job=good(server, "a"), key="old")
        c.call("add", job=good(server, "b"), key="new")
    kill(s)
    db = sqlite3.connect(os.path.join(s.state, "jobs.db"))
    db.execute("UPDATE key SET added_s = added_s - 31 * 86400 WHERE word LIKE '%/old'")
    db.commit()
    db.close()
    s.start()
    with s.client() as c:
        assert "repeated" not in c.call("add", job=good(server, "c"), key="old")
        assert c.call("add", job=good(server, "c"), key="new")["repeated"]
        numbers = [c.send("add", job={"url": "http://127.0.0.1:9/x", "output": "k%d" % i}, key="many%d" % i)
                   for i in range(50)]
        for n in numbers:
            c.answer(n)
    kill(s)
    db = sqlite3.connect(os.path.join(s.state, "jobs.db"))
    words = [w.split("/", 1)[1] for w, in db.execute("SELECT word FROM key ORDER BY first_id")]
    db.close()
    assert words == ["new", "old"] + ["many%d" % i for i in range(50)]
    s.start()


@pytest.mark.parametrize("seed", range(2))
def test_a_key_that_was_cut_off_added_all_or_nothing(s, server, seed):
    """Killed in the middle: the same request again gives as many jobs as once."""
    jobs = [{"url": server.url("/stall/1M/1?%d" % i), "output": "a/%d" % i, "stall-timeout": "1h"} for i in range(2000)]
    for life in range(4):
        key = "k%d-%d" % (seed, life)
        with s.client() as c:
            c.send("add", jobs=jobs, key=key)
            if life % 2:
                wait_until(lambda: os.path.getsize(os.path.join(s.state, "jobs.db-wal")) > 100000 * (seed + 1))
        again(s)
        with s.client() as c:
            ids = [j["id"] for j in c.call("add", jobs=jobs, key=key)["jobs"]]
            there = [i for i in all_ids(c, limit=1000, output="*/a/*")]
            assert there == ids, (len(there), len(ids))
            for at in range(0, 2000, 500):
                c.call("cancel", jobs=ids[at:at + 500])
                c.call("remove", jobs=ids[at:at + 500])


# ---- the store in trouble

def test_a_store_that_hangs_is_told_in_status(s, server):
    with s.client() as c, s.client() as other:
        writer = stores(s)[0]
        os.kill(writer, signal.SIGSTOP)
        number = c.send("add", job=good(server, "a", paused=True)) # nothing more is to be stored
        assert other.call("status")["store"]["state"] == "working"
        wait_until(lambda: other.call("status")["store"]["state"] == "silent")
        told = other.call("status")["store"]
        assert told["silent_s"] >= 5 and "may be dead" in told["reason"] and told["queued"] == 1
        assert "store" in s.ctl("status").out
        os.kill(writer, signal.SIGCONT)
        assert c.answer(number)["jobs"]
        assert other.call("status")["store"] == {"state": "working", "reason": None, "silent_s": 0, "queued": 0, "history": 0}
        assert s.wait_log("has not answered") and s.wait_log("answers again")


def test_the_outbox_has_a_bound(s, server):
    """A store that does not take anything: changes are refused before the memory is gone, and what was not
    refused is carried out in the end."""
    padding = "x" * 420
    before = s.rss()
    clients = [s.client() for _ in range(60)]
    writer = stores(s)[0]
    os.kill(writer, signal.SIGSTOP)
    waiting, refused = {}, 0
    for n, c in enumerate(clients):
        number = c.send("add", jobs=[{"url": "http://127.0.0.1:9/%s" % padding, "output": "%d/%d" % (n, i)}
                                     for i in range(2000)])
        with s.client() as other: # it was taken, or refused
            wait_until(lambda: other.call("status")["store"]["queued"] >= 2000 * (len(waiting) + 1) or
                       c.sock in select.select([c.sock], [], [], 0)[0])
        if c.sock in select.select([c.sock], [], [], 0)[0]:
            error = c.message(number)["error"]
            assert error["data"]["word"] == "failed" and "cannot keep up" in error["message"], error
            refused += 1
            if refused == 3:
                break
        else:
            waiting[c] = number
    assert refused == 3 and 10 < len(waiting) < 55
    assert clients[-1].refused("remove", jobs=[1]).word == "failed" # nor anything else
    if not sanitized():
        assert s.rss() - before < 200 << 20
    os.kill(writer, signal.SIGCONT)
    ids = []
    for c, number in waiting.items():
        ids += [j["id"] for j in c.answer(number)["jobs"]]
    again(s)
    with s.client() as c:
        assert set(all_ids(c, limit=1000)) == set(ids)


def test_commits_that_fail_while_things_go_on(s, server):
    """No room for a while, again and again, under clients that add, cancel and remove: who was told that it is
    so finds it so, who was refused finds nothing of it."""
    added, removed = set(), set()
    with s.client() as c:
        refused = 0
        for n in range(40):
            writer = stores(s)[0]
            if n % 4 == 1:
                resource.prlimit(writer, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
            if n % 4 == 3:
                resource.prlimit(writer, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
                wait_until(lambda: c.call("status")["store"]["state"] == "working")
            try:
                ids = c.add(*[{"url": "http://127.0.0.1:9/x", "output": "n%d-%d" % (n, i), "retry": 0} for i in range(20)])
                added |= set(ids)
                c.call("cancel", jobs=ids[:5])
                c.call("remove", jobs=ids[:5])
                removed |= set(ids[:5])
            except RpcError as error:
                assert error.word == "failed", error
                refused += 1
                added -= set(ids[:5]) # cancelled or removed perhaps: not known
        assert refused >= 10
        assert c.call("status")["store"]["state"] == "working"
        expected = added - removed
        there = set(all_ids(c))
        assert expected <= there and not removed & there
    again(s)
    with s.client() as c:
        there = set(all_ids(c))
        assert expected <= there and not removed & there
