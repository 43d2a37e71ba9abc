"""Deadlines: a job ends when its deadline passes, wherever it is; and cancel is prompt everywhere."""

import os
import signal
import time

import pytest
from bodies import body, digest
from clockset import Clock
from waiting import wait_until


COPIED = 2 << 30


def stalled(server, output, **keys):
    return {"url": server.url("/stall/1M/64K?dl-" + output), "output": output, "stall-timeout": "1h", "fsync": "off", **keys}


KINDS = ["queued", "retry", "connect", "headers", "download", "rate", "destination", "paused", "after", "event", "check", "verify"]


def held(s, c, server, kind, port, **keys):
    """A job that stays in that place."""
    url, x = server.url, {"output": "x", **keys}
    if kind == "queued":
        c.add(*[stalled(server, "b%d" % i) for i in range(5)])
        wait_until(lambda: c.call("status")["jobs"]["active"] == 5)
        job, = c.add(stalled(server, **x))
        c.wait_state(job, "queued", why="host-limit")
    elif kind == "retry":
        job, = c.add({"url": url("/status/503?retry-after=3600"), "retry": 5, **x})
        c.wait_state(job, "blocked", why="retry-at")
    elif kind == "connect":
        job, = c.add({"url": "http://127.0.0.1:%d/x" % port, "connect-timeout": "1h", **x})
        c.wait_state(job, "active", "connect")
    elif kind == "headers":
        job, = c.add({"url": url("/slow-headers?dl"), "stall-timeout": "1h", **x})
        server.wait_requests(1, "slow-headers")
    elif kind == "rate":
        job, = c.add({"url": url("/ok/10M?dl-rate"), "limit-rate": "64K", "speed-limit": 0, **x})
        c.wait_state(job, "active", "download")
    elif kind == "destination":
        first, = c.add(stalled(server, "x"))
        c.wait_state(first, "active", "download")
        job, = c.add(stalled(server, **x))
        c.wait_state(job, "blocked", why="destination-busy")
    elif kind == "paused":
        job, = c.add(stalled(server, paused=True, **x))
        c.wait_state(job, "paused")
    elif kind == "after":
        c.add(stalled(server, "base", name="base"))
        job, = c.add({"url": url("/ok/1?dl"), "after": "base", **x})
        c.wait_state(job, "blocked", why="after:base")
    elif kind == "event":
        job, = c.add({"url": url("/ok/1?dl"), "after": "event:go", **x})
        c.wait_state(job, "blocked", why="event:go")
    elif kind == "check": # of the file that stands there
        with open(s.path("x"), "wb") as f:
            f.truncate(1 << 40) # longer than any test waits
        job, = c.add({"url": url("/ok/1?dl"), "checksum": "sha512:" + "0" * 128, **x})
        c.wait_state(job, "active", "verify")
    elif kind == "verify": # a file: url that is copied and hashed
        with open(os.path.join(s.tmp, "source"), "wb") as f:
            f.truncate(COPIED)
        job, = c.add({"url": "file://" + os.path.join(s.tmp, "source"), "allow-file": True, "fsync": "off",
                      "checksum": "sha512:" + "0" * 128, **x})
        wait_until(lambda: c.show(job)["received"])
    else:
        job, = c.add(stalled(server, **x))
        c.wait_state(job, "active", "download")
    return job


@pytest.mark.parametrize("kind", KINDS)
def test_it_ends_wherever_it_is(serve, server, black_hole, kind):
    s = serve()
    c = s.client()
    job = held(s, c, server, kind, black_hole, deadline="1h")
    c.call("set", job=job, set={"deadline": "1s"}) # it counts from when the job was added
    shown = c.wait_job(job)
    assert (shown["state"], shown["code"]) == ("failed", "deadline"), shown
    assert shown["reason"].startswith("not done within its deadline of 1"), shown
    assert "x" not in s.published() or kind == "check"
    assert c.show(job)["attempts"] <= 1
    if kind == "paused":
        return
    assert c.call("retry", job=job)["jobs"][0]["code"] == "" # it has as long again, and ends by it
    assert c.wait_job(job)["code"] == "deadline"


@pytest.mark.parametrize("kind", ["rate", "after", "event", "check", "verify"])
def test_cancel_is_prompt(serve, server, black_hole, kind):
    """The other places are in test_control.py."""
    s = serve()
    c = s.client()
    job = held(s, c, server, kind, black_hole)
    shown = c.call("cancel", job=job)["jobs"][0] # each of them would take longer than is waited for here
    assert (shown["state"], shown["code"]) == ("cancelled", "cancelled")
    assert kind != "verify" or 0 < shown["received"] < COPIED


def test_one_that_is_done_in_time(h, server):
    result = h.once_jobs([{"url": server.url("/delay/0.3/10?dl"), "output": "x", "deadline": "1h"}])
    assert result.rc == 0


def test_without_a_service(h, server):
    jobs = [stalled(server, "x", name="x", deadline="500ms"), {"url": server.url("/ok/1?dl"), "output": "y", "name": "y", "after": "x"},
            {"url": server.url("/ok/1?dl"), "output": "z", "name": "z", "after-failed": "x"}]
    result = h.once_jobs(jobs)
    assert result.rc == 1 and result.word("x") == "deadline" and result.word("y") == "dependency-failed"
    assert result.word("z") == "done"


def test_it_is_not_repeated_whatever_retry_on_says(serve, server):
    s = serve()
    c = s.client()
    job, = c.add(stalled(server, "x", deadline="1h", retry=5, **{"retry-on": "*"}))
    c.wait_state(job, "active", "download")
    c.call("set", job=job, set={"deadline": "10ms"})
    shown = c.wait_job(job)
    assert (shown["code"], shown["attempts"]) == ("deadline", 1)
    assert len(server.requests("dl-x")) == 1


def test_it_does_not_come_too_early(serve, server):
    """Whole seconds are remembered, so that it may be off by one."""
    c = serve().client()
    begin = time.monotonic()
    assert c.wait_job(c.add(stalled(server, "x", deadline="3s"))[0])["code"] == "deadline"
    assert time.monotonic() - begin > 1.9


def test_over_a_restart(serve, server, tmp):
    """It counts from when the job was added; for one that was retried from then.  The clock on the wall
    is asked at the start only."""
    clock = Clock(tmp)
    s = serve(start=False)
    s.prefix = clock.prefix

    def again_at(hours):
        os.kill(s.pid, signal.SIGKILL)
        assert s.wait_exit() == -signal.SIGKILL
        clock.set(hours * 3600)
        return s.start().client()
    c = s.start().client()
    old, long, again = c.add(stalled(server, "old", deadline="3h"), stalled(server, "long", deadline="99h"),
                             stalled(server, "again", deadline="2h"))
    c.call("cancel", job=again)
    c = again_at(1)
    assert c.call("retry", job=again)["jobs"][0]["code"] == ""
    c = again_at(2.5)
    assert {c.show(j)["code"] for j in (old, long, again)} == {""}, c.list_all()
    c = again_at(3.5)
    assert c.wait_job(old)["code"] == c.wait_job(again)["code"] == "deadline"
    assert c.show(long)["code"] == ""
    c.call("cancel", job=long)


def test_many_at_one_time(serve, server):
    s = serve()
    c = s.client()
    c.add(*[stalled(server, "s%d" % i) for i in range(5)])
    ids = []
    for k in range(4):
        ids += c.add(*[stalled(server, "q%d-%d" % (k, i), deadline="1s") for i in range(1000)])
    for k in range(0, 4000, 1000):
        jobs = c.call("wait", jobs=ids[k:k + 1000])["jobs"]
        assert {j["code"] for j in jobs} == {"deadline"}
    assert server.requests("dl-q") == []


@pytest.mark.parametrize("value", [-1, "soon", "400d"])
def test_no_deadline(serve, server, value):
    assert serve().client().refused("add", job=stalled(server, "x", deadline=value)).word == "invalid-params"


def test_the_bytes_of_a_job_in_time_are_right(h, server):
    data = body(300000)
    h.once_jobs([{"url": server.url("/ok/300000?dl"), "output": "x", "deadline": "1m", "checksum": digest(data)}])
    h.expect({"x": data})


def test_a_deadline_behind_a_delay_does_not_begin_anew_with_a_later_life(serve, server):
    """What counts is when its time had come."""
    s = serve()
    with s.client() as c:
        job, = c.add({"url": server.url("/slow-headers?deadline-delay"), "output": "late", "delay": "1s", "deadline": "1h", "stall-timeout": "2h"})
        c.wait_state(job, "active")
        first = c.show(job)["deadline"]
        wait_until(lambda: time.time() > first - 3600 + 3)
    s.signal(signal.SIGKILL)
    s.wait_exit()
    s.start()
    with s.client() as c:
        c.wait_state(job, "active")
        assert c.show(job)["deadline"] <= first + 1
        c.call("cancel", jobs=[job])
