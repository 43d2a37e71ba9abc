"""A quota that is used up is a reason of its own: who waits for it, and what is told."""

import errno
import os

import pytest
from bodies import body, digest
from faults import Board, FaultyService, rule
from waiting import wait_until

MIB = 1 << 20


@pytest.fixture
def faulty(tmp):
    """faulty(program, call, **fault): a service whose calls below its root fail."""
    running = []

    def start(who, call, **fault):
        place = os.path.join(tmp, "faulty")
        s = FaultyService(place, Board(tmp), rule(who, call, os.path.join(place, "root"), count=0, **fault), start=False)
        s.write_config({}, **{"min-free": 0})
        running.append(s)
        return s.start()
    yield start
    for s in running:
        s.close()


def test_a_full_quota_is_a_reason_of_its_own(faulty, server):
    s = faulty("hauld", "pwrite", error=errno.EDQUOT)
    with s.client() as c:
        c.call("subscribe")
        first, = c.add({"url": server.url("/ok/3M?seed=1"), "output": "first", "retry": 0,
                        "checksum": digest(body(3 * MIB, 1))})
        shown = c.wait_state(first, "blocked", why="quota")
        assert shown["code"] == "disk-full" and "quota" in shown["reason"].lower() and shown["attempts"] == 0
        assert c.event("state", id=first)["job"]["why"] == "quota"
        # Another one waits behind it, without a request, for the same reason.
        other, = c.add({"url": server.url("/ok/1M?seed=2"), "output": "other", "retry": 0})
        shown = c.wait_state(other, "blocked", why="quota")
        assert shown["attempts"] == 0 and "quota" in shown["reason"].lower()
        # Now and then one of them tries.
        wait_until(lambda: c.call("status")["waiting"] == {"quota": 2})
        for job in (first, other):
            wait_until(lambda: "a quota on the filesystem of %s is used up" % s.root in s.ctl("why", job).out)
        wait_until(lambda: "  quota" in s.ctl("list").out)
        assert s.log_lines("a quota on the filesystem of %s is used up: jobs wait" % s.root)
        s.board.end() # somebody has raised it
        assert c.wait_job(first)["state"] == c.wait_job(other)["state"] == "done"
    assert s.read("first") == body(3 * MIB, 1) and s.read("other") == body(MIB, 2)


def test_a_worker_that_meets_it_says_so_too(faulty, server, keep):
    import gzip
    name = keep(gzip.compress(bytes(2 * MIB)))
    s = faulty("hauld-worker", "*", nth=1, error=errno.EDQUOT)
    with s.client() as c:
        job, = c.add({"url": server.url("/file/" + name), "output": "zeros", "decompress": "gzip", "retry": 0,
                      "max-expansion": 1000000})
        assert c.wait_state(job, "blocked", why="quota")["attempts"] == 0
        s.board.end()
        assert c.wait_job(job)["state"] == "done"
    assert s.read("zeros") == bytes(2 * MIB)


def test_what_waits_for_it_is_paused_and_cancelled(faulty, server):
    s = faulty("hauld", "pwrite", error=errno.EDQUOT)
    with s.client() as c:
        one, two = c.add(*[{"url": server.url("/ok/3M"), "output": name, "retry": 0} for name in ("one", "two")])
        for job in (one, two):
            c.wait_state(job, "blocked", why="quota")
        c.call("pause", jobs=[one])
        c.call("cancel", jobs=[two])
        assert c.show(one)["why"] is None and c.show(two)["state"] == "cancelled"
        s.board.end()
        c.call("resume", jobs=[one])
        assert c.wait_job(one)["state"] == "done"
        wait_until(lambda: s.published() == ["one"])
