"""What one feature does to another: several at once, on one job or side by side."""

import os
import signal
import time

import pytest
from haul import children_named
from test_atomic import N, config as atomic_config
from test_set import change, job
from test_groups import killed
from waiting import wait_until


# ---- set, and what the job waits for

def test_a_new_url_for_a_job_that_waits_for_its_destination(serve, server):
    s = serve()
    with s.client() as c:
        first, second, third = c.add(*[job(server.url("/stall/1M/64K?" + n), "one") for n in ("ip-one", "ip-two", "ip-three")])
        c.wait_state(first, "active", "download")
        for waits in second, third:
            c.wait_state(waits, "blocked", why="destination-busy")
        change(c, second, url=server.url("/ok/1000?ip-new"))
        change(c, third, url=server.url("/ok/1000?ip-third"))
        for waits in second, third:
            c.wait_state(waits, "blocked", why="destination-busy")
        c.call("cancel", jobs=[first])
        assert c.wait_job(second)["state"] == "done" and c.wait_job(third)["state"] == "done"
    asked = [r["path"] for r in server.requests()]
    assert "/ok/1000?ip-new" in asked and "/stall/1M/64K?ip-two" not in asked


def test_a_priority_that_is_set_while_the_destination_is_busy(serve, server):
    s = serve()
    with s.client() as c:
        first, *others = c.add(*[job(server.url("/stall/1M/64K?" + n), "one") for n in ("ip-a", "ip-b", "ip-c", "ip-d")])
        c.wait_state(first, "active", "download")
        for waits in others:
            c.wait_state(waits, "blocked", why="destination-busy")
        change(c, others[2], priority=5)
        c.call("cancel", jobs=[first])
        c.wait_state(others[2], "active", "download")
        assert [c.show(j)["state"] for j in others[:2]] == ["blocked", "blocked"]


def test_a_deadline_that_is_set_counts_from_the_run(serve, server):
    """Of what comes again, or began late, the time before does not count."""
    s = serve()
    with s.client() as c:
        waits, again = c.add({"url": server.url("/ok/1000?ip-late"), "output": "late", "start-at": "2099-01-01T00:00:00"},
                             {"url": server.url("/ok/1000?ip-again"), "output": "again", "every": "1h"})
        assert c.wait_job(again)["state"] == "done"
        begun = c.show(waits)["added"]
        wait_until(lambda: time.time() > begun + 3)
        change(c, waits, deadline="2s")
        assert c.show(waits)["state"] == "blocked"
        change(c, again, url=server.url("/stall/1M/64K?ip-again"))
        c.call("run", jobs=[again])
        c.wait_state(again, "active", "download")
        change(c, again, deadline="2s")
        ended = c.wait_job(again)
        assert ended["code"] == "deadline" and ended["seconds"] > 1.5, ended # else it was over at once
        assert c.show(waits)["state"] == "blocked"


# ---- the end

def test_a_drained_hauld_lets_go_of_all_jobs_before_it_stops(serve, server):
    s = serve()
    with s.client() as c:
        for k in range(5):
            c.add(*[{"url": server.url("/ok/1000?ip-many"), "output": "many%d-%d" % (k, i), "paused": True} for i in range(1000)])
        c.call("debug", on=True)
        c.send("drain")
        assert s.wait_exit() == 0
    lines = s.log.splitlines()
    stopped = next(i for i, line in enumerate(lines) if line.endswith("hauld: stopped"))
    ends = [i for i, line in enumerate(lines) if "interrupted: " in line]
    assert len(ends) > 100 and ends[-1] < stopped


# ---- groups, and kill -9

def test_what_failed_before_kill_9_counts_in_the_run(serve, server):
    s = serve({"groups": [{"name": "g"}]})
    c = s.client()
    good, failed, goes_on = c.add({"url": server.url("/ok/1000?ip-good"), "output": "good", "group": "g"},
                                  {"url": server.url("/status/404?ip-failed"), "output": "failed", "group": "g", "retry": 0},
                                  {"url": server.url("/drip/64K/1K/0.05?ip-goes-on"), "output": "goes-on", "group": "g"})
    assert c.wait_job(good)["state"] == "done" and c.wait_job(failed)["state"] == "failed"
    c = killed(s)
    jobs = c.call("wait", timeout=60, group="g")["group"]["jobs"]
    assert (jobs["done"], jobs["failed"]) == (2, 1), jobs


@pytest.mark.parametrize("fails", [False, True])
def test_a_member_that_ends_while_hauld_stops_counts_in_the_run(serve, server, fails):
    """Its answer comes while many others are being interrupted: the next life knows the end and what follows from it."""
    s = serve({"groups": [{"name": "g", "on-failure": "cancel"}]})
    key = "ip-stops-%d" % fails
    with s.client() as c:
        for k in range(10):
            c.add(*[{"url": server.url("/ok/1"), "output": "many%d-%d" % (k, i), "paused": True} for i in range(2000)])
        first, last, goes_on = c.add({"url": server.url("/ok/1000?" + key), "output": "first", "group": "g"},
                                     {"url": server.url("/gate/1000?gate=%s%s" % (key, "&status=404" * fails)), "output": "last", "group": "g", "retry": 0},
                                     {"url": server.url("/gate/1000?gate=%s-later" % key), "output": "goes-on", "group": "g"})
        c.wait_job(first)
        server.wait_requests(2, "gate=" + key)
        s.signal(signal.SIGTERM)
        s.wait_log("hauld: stopping")
        server.open(key)
    assert s.wait_exit() == 0
    s.start()
    if not fails:
        server.open(key + "-later")
    with s.client() as c:
        jobs = c.call("wait", group="g")["group"]["jobs"]
        ends = [(j["state"], j["code"]) for j in map(c.show, (first, last, goes_on))]
        if fails:
            assert ends == [("done", "done"), ("failed", "http-404"), ("cancelled", "sibling-failed")]
            assert (jobs["done"], jobs["failed"], jobs["cancelled"]) == (1, 1, 1), jobs
        else:
            assert jobs["done"] == 3, (jobs, ends)


def test_a_set_that_goes_while_its_intent_is_being_kept(serve, server):
    s = serve(start=False)
    s.write_config(atomic_config(server, s.root, "1&gate=ip-intent", how="gate"))
    s.start()
    store, = children_named(s.pid, "hauld-store")
    with s.client() as c:
        server.wait_requests(1)
        os.kill(store, signal.SIGSTOP)
        try:
            server.open("ip-intent")
            wait_until(lambda: {c.show("m%d" % i)["why"] for i in range(N)} == {"group-publish"})
            s.write_config({"jobs": []})
            s.signal(signal.SIGHUP)
            s.wait_log("retired=%d" % N)
            s.wait_log("configuration loaded")
            wait_until(lambda: not any(g["live"] for g in c.call("group")["groups"]))
        finally:
            os.kill(store, signal.SIGCONT)
        wait_until(lambda: c.call("group")["groups"] == [])
        c.add({"url": server.url("/ok/1000?ip-behind"), "output": "behind", "name": "behind"})
        assert c.wait_job("behind")["state"] == "done" # and hauld is there still
    assert not os.path.exists(s.path("set"))


def test_a_sibling_that_is_removed_as_the_set_begins_anew(serve, server):
    s = serve(start=False)
    conf = atomic_config(server, s.root, 1)
    conf["jobs"][0].update(url=server.url("/status/404?ip-sibling"), retry=0)
    s.write_config(conf)
    s.start()
    with s.client() as c:
        c.call("wait", timeout=60, group="whole")
        assert c.show("m1")["code"] == "sibling-failed"
        ids = [c.show("m%d" % i)["id"] for i in range(N)]
        c.send_bytes(b"".join(b'{"jsonrpc":"2.0","id":%d,"method":"%s","params":{"jobs":[%d]}}\n' % (900 + k, what, i)
                              for k, (what, i) in enumerate([(b"retry", ids[0]), (b"remove", ids[1])])))
        assert c.answer(900) and c.answer(901)["removed"] == 1
        assert c.call("status")["state"] == "running"
        c.call("wait", timeout=60, group="whole")
