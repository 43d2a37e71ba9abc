"""Bytes of downloads that stand still hold up nobody: small ones are written back by nobody of ours."""

import pytest
from bodies import body
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
