"""Groups that are published as a whole and come again (cron): each time the old set or the new one,
and what has not changed costs no bytes."""

import os
import random
import signal
import sqlite3
import struct
import threading

import pytest
from bodies import body
from clockset import Clock
from service import sanitized
from servers import header_of
from test_atomic import group, nothing_left, read_set
from test_conditional import next_version
from waiting import wait_until

pytestmark = pytest.mark.usefixtures("attributes")
N = 4
NEVER = "0 0 29 2 *" # the tests say when


def key(tag, i):
    return "%s-%d" % (tag, i)


def config(server, root, tag, cron=NEVER, query="", **keys):
    return {"groups": [group(root)],
            "jobs": [{"name": "m%d" % i, "group": "whole", "output": os.path.join(root, "set", "f%d" % i), "cron": cron, "retry": 0,
                      "fsync": "data", "url": server.url("/condition/1000?key=%s%s" % (key(tag, i), query if i == 1 else "")),
                      **keys} for i in range(N)]}


def whole(*versions):
    return {"f%d" % i: body(1000, "condition%d" % v) for i, v in enumerate(versions)}


def counts(c):
    return [c.show("m%d" % i)["runs"]["count"] for i in range(N)]


def run(c, jobs=range(N)):
    """Another run of these; all members behind it."""
    before = counts(c)
    c.call("run", jobs=["m%d" % i for i in jobs])
    wait_until(lambda: all(n > before[i] for i, n in enumerate(counts(c)) if i in jobs))
    c.call("wait", group="whole")
    return [c.show("m%d" % i) for i in range(N)]


def tags(server, tag, i):
    return [header_of(r, "If-None-Match") for r in server.requests("key=" + key(tag, i)) if "/condition/" in r["path"]]


def started(serve, server, tag, **keys):
    s = serve(start=False)
    s.write_config(config(server, s.root, tag, **keys))
    s.start()
    return s


def test_only_what_has_changed_is_fetched_and_all_of_it_appears_at_once(serve, server):
    s = started(serve, server, "again1")
    with s.client() as c:
        assert {c.show("m%d" % i)["why"] for i in range(N)} == {"start-at"}
        assert {j["state"] for j in run(c)} == {"done"}
        assert read_set(s.path("set")) == whole(0, 0, 0, 0)
        before, inodes = os.stat(s.path("set")).st_ino, [os.stat(s.path("set", "f%d" % i)).st_ino for i in range(N)]

        jobs = run(c) # nothing has changed: nothing is exchanged, and nothing stays behind
        assert [(j["state"], j["receipt"]["proof"], j["received"]) for j in jobs] == [("done", "not-modified", 0)] * N
        assert os.stat(s.path("set")).st_ino == before and len(s.wait_log("group is published as a whole")) == 1
        wait_until(lambda: nothing_left(s))

        next_version(server, key("again1", 1))
        jobs = run(c)
        assert [j["receipt"]["unchanged"] for j in jobs] == [True, False, True, True]
        assert read_set(s.path("set")) == whole(0, 1, 0, 0)
        after = [os.stat(s.path("set", "f%d" % i)).st_ino for i in range(N)]
        assert os.stat(s.path("set")).st_ino != before and [a == b for a, b in zip(inodes, after)] == [True, False, True, True]

        next_version(server, key("again1", 0)) # of one alone: the others as they stand, and nobody asks for them
        assert [j["runs"]["count"] for j in run(c, [0])] == [4, 3, 3, 3]
        assert read_set(s.path("set")) == whole(1, 1, 0, 0)
        assert [j["receipt"]["unchanged"] for j in run(c)] == [True] * N # they remember through the exchange
    assert tags(server, "again1", 2) == [None, '"v0"', '"v0"', '"v0"']
    assert tags(server, "again1", 1) == [None, '"v0"', '"v0"', '"v1"']
    wait_until(lambda: nothing_left(s))


def test_one_that_fails_leaves_the_old_set_and_the_next_run_makes_it_good(serve, server):
    s = started(serve, server, "again2", query="&missing=1")
    with s.client() as c:
        run(c)
        for i in range(N):
            next_version(server, key("again2", i))
        jobs = run(c)
        assert [j["code"] for j in jobs] == ["sibling-failed", "http-404", "sibling-failed", "sibling-failed"]
        assert read_set(s.path("set")) == whole(0, 0, 0, 0)
        assert all(j["next_run"] for j in jobs) # all of them come again
        next_version(server, key("again2", 1))
        assert {j["state"] for j in run(c)} == {"done"}
        assert read_set(s.path("set")) == whole(1, 2, 1, 1)
    wait_until(lambda: nothing_left(s))


@pytest.mark.skipif(sanitized(), reason="what is preloaded comes before the sanitizer")
def test_jitter_is_one_for_the_whole_set(serve, server, tmp):
    clock = Clock(tmp)
    s = serve(start=False)
    s.prefix = clock.prefix
    s.write_config(config(server, s.root, "again3", cron="TZ=UTC 0 4 * * *", jitter="20m"))
    s.start()
    with s.client() as c:
        times = {c.show("m%d" % i)["retry_in_ms"] // 10000 for i in range(N)}
        assert max(times) - min(times) <= 1 # they are asked one after the other
        clock.set(86400)
        wait_until(lambda: counts(c) == [1] * N)
        assert read_set(s.path("set")) == whole(0, 0, 0, 0)
        for i in range(N):
            next_version(server, key("again3", i))
        at = {c.show("m%d" % i)["next_run"] for i in range(N)}
        assert len(at) == 1 and (at.pop() // 60) % (24 * 60) in range(4 * 60, 4 * 60 + 20)
        clock.set(2 * 86400)
        wait_until(lambda: counts(c) == [2] * N)
        assert read_set(s.path("set")) == whole(1, 1, 1, 1)
        assert len(s.wait_log("group is published as a whole", count=2)) == 2


def restart_with_intent(s, ids):
    """The store of the next life has a word about a swap that has long been made."""
    s.stop()
    with sqlite3.connect(os.path.join(s.state, "jobs.db")) as db:
        db.execute("INSERT INTO note VALUES ('swap:whole', ?)", (struct.pack("<5Q", os.stat(s.path("set")).st_ino, *ids),))
    db.close()
    s.start()


def test_what_an_earlier_life_intended_is_no_end_of_a_later_run(serve, server):
    """Its word may still stand in the store when the jobs that it names begin anew."""
    s = started(serve, server, "again4")
    with s.client() as c:
        ids = [j["id"] for j in run(c)]
    restart_with_intent(s, ids)
    for i in range(N):
        next_version(server, key("again4", i))
    with s.client() as c:
        assert {j["receipt"]["proof"] for j in run(c)} == {"length"}
    assert read_set(s.path("set")) == whole(1, 1, 1, 1)


@pytest.mark.parametrize("behind", [False, True])
def test_a_run_that_a_kill_interrupts_is_not_ended_by_an_intent_of_before(serve, server, behind):
    """Jobs have begun anew, some of them behind a pause, and are killed before the store hears that what was
    intended before is over: it is when all of the group are."""
    tag = "again7" + "b" * behind
    s = started(serve, server, tag)
    with s.client() as c:
        ids = [j["id"] for j in run(c)]
    restart_with_intent(s, ids)
    for i in range(N):
        next_version(server, key(tag, i))
    with s.client() as c:
        c.call("pause", group="whole")
        if behind: # as the run that comes
            c.call("pause", jobs=ids)
            c.call("resume", jobs=ids)
        c.call("run", jobs=ids)
    s.signal(signal.SIGKILL)
    s.wait_exit()
    s.start()
    with s.client() as c:
        c.call("resume", group="whole")
        c.call("wait", group="whole")
        assert {c.show(i)["receipt"]["proof"] for i in ids} == {"length"}, s.log
    assert read_set(s.path("set")) == whole(1, 1, 1, 1)


def test_kill_9_of_hauld_between_and_within_runs(serve, server):
    rng, s, version = random.Random(11), started(serve, server, "again5"), 0
    with s.client() as c:
        run(c)
    for _ in range(int(os.environ.get("HAUL_ATOMIC_KILLS", "8"))):
        for i in range(N):
            next_version(server, key("again5", i))
        version += 1
        with s.client() as c:
            c.call("run", jobs=["m%d" % i for i in range(N)])
        threading.Event().wait(rng.random() * 0.04) # the instant is the test
        s.signal(signal.SIGKILL)
        s.wait_exit()
        assert read_set(s.path("set")) in (whole(*[version - 1] * N), whole(*[version] * N))
        s.start()
        with s.client() as c:
            c.call("wait", group="whole")
            assert {c.show("m%d" % i)["state"] for i in range(N)} == {"done"}
            run(c)
        assert read_set(s.path("set")) == whole(*[version] * N)
    wait_until(lambda: nothing_left(s))


def test_jobs_of_before_are_no_members(serve, server):
    """A group of clients' jobs, one of which failed, is published as a whole from a reload on."""
    s = serve({"groups": [{"name": "whole", "on-failure": "cancel"}]})
    with s.client() as c:
        done, = c.add({"url": server.url("/ok/10?again6"), "output": "before", "group": "whole"})
        assert c.wait_job(done)["state"] == "done"
        failed, ended = c.add({"url": server.url("/condition/10?key=again6-before&missing=0"), "output": "later", "group": "whole", "retry": 0},
                              {"url": server.url("/ok/10?again6-ended"), "output": "never", "group": "whole", "delay": "1h"})
        assert c.wait_job(failed)["code"] == "http-404" and c.wait_job(ended)["code"] == "sibling-failed"
        s.reload(config(server, s.root, "again6", cron=NEVER))
        assert {j["state"] for j in run(c)} == {"done"}
        assert read_set(s.path("set")) == whole(0, 0, 0, 0)
        assert c.show(ended)["code"] == "sibling-failed" # it does not begin anew with the set
        next_version(server, "again6-before")
        c.call("retry", jobs=[failed])
        assert c.wait_job(failed)["state"] == "done" and s.read("later") == body(10, "condition1")
        assert read_set(s.path("set")) == whole(0, 0, 0, 0)
        assert "published as a whole" in c.refused("add", job={"url": server.url("/ok/10"), "output": "x", "group": "whole"}).text
