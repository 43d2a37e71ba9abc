"""Bytes of downloads that stand still hold up nobody: small ones are written back by nobody of ours."""

import pytest
from bodies import body, digest
from faults import HANG, Board, FaultyService, rule
from waiting import wait_until

SMALL = 200 << 10
JOBS = 8


@pytest.mark.parametrize("how", ["silent", "waiting"])
def test_small_parts_that_stand_still_hold_up_nobody(serve, server, how):
    """More of them than dirty-limit, each below what a worker is asked for: another job goes on."""
    s = serve(**{"dirty-limit": "1M", "max-connections-per-host": 16})
    stands = {"retry": 0, "stall-timeout": "1h"} if how == "silent" else {"retry": 9, "retry-delay": "1h", "retry-max-delay": "1h", "stall-timeout": "1s"}
    with s.client() as c:
        still = c.add(*[{"url": server.url("/held/400K/200K/9?key=still-%s-%d" % (how, i)), "output": "s%d" % i, **stands}
                        for i in range(JOBS)])
        for job in still:
            wait_until(lambda job=job: c.show(job)["received"] >= SMALL and (how == "silent" or c.show(job)["why"] == "retry-at"))
        job, = c.add({"url": server.url("/ok/3M?seed=goes-on-" + how), "output": "goes-on"})
        assert c.wait_job(job)["state"] == "done"
        c.call("cancel", jobs=still)
    with open(s.path("goes-on"), "rb") as f:
        assert f.read() == body(3 << 20, "goes-on-" + how)


def test_a_disk_that_takes_nothing_holds_the_network(tmp, server):
    """What is written back stands still: no more than dirty-limit comes on top of it."""
    board, size = Board(tmp), 40 << 20
    with FaultyService(tmp, board, rule("hauld-worker", "sync_file_range", count=0, error=HANG), **{"dirty-limit": "2M"}) as s:
        with s.client() as c:
            job, = c.add({"url": server.url("/ok/%d?seed=held-by-disk" % size), "output": "f", "stall-timeout": "1h"})
            wait_until(lambda: c.call("why", job=job)["jobs"][0]["word"] == "disk-speed" and board.hits > 0)
            for _ in range(100): # many turns of the loop later
                assert c.show(job)["received"] <= 8 << 20
            assert c.call("why", job=job)["jobs"][0]["word"] == "disk-speed"
            board.end()
            assert c.wait_job(job)["state"] == "done"
        assert digest(s.read("f")) == digest(body(size, "held-by-disk"))
