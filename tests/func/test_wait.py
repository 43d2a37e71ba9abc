"""wait: for jobs, groups, everything; for states, for the first; many waiters (haulctl(1), haul-rpc(7))."""

import os
import signal

import pytest
from haul import children_named
from test_groups import bad, group_of, late, slow
from waiting import wait_until


@pytest.mark.parametrize("state", ["active", "done", "failed", "cancelled", "paused", "blocked"])
def test_for_a_state(serve, server, state):
    s = serve({"hosts": [{"match": "127.0.0.1", "max-connections": 1}]})
    with s.client() as c:
        job = {"active": slow(server, "wa"), "done": late(server, "wa", seconds=0.3), "failed": bad(server, "wa"),
               "cancelled": slow(server, "wa"), "paused": slow(server, "wa"),
               "blocked": {"name": "wa", "output": "wa", "url": server.url("/status/503?wa&retry-after=900"),
                           "retry-max-delay": "1h"}}[state]
        c.add({**job, "paused": True})
        with s.client() as other:
            number = other.send("wait", jobs=["wa"], **{"for": state})
            other.answered_so_far()
            if state != "paused":
                assert number not in other.answers
                c.call("resume", jobs=["wa"])
            if state == "cancelled":
                c.wait_state("wa", "active")
                assert number not in other.answers
                c.call("cancel", jobs=["wa"])
            assert other.answer(number)["jobs"][0]["state"] == state
        c.call("cancel", all=True)


def test_any_of_several_states(serve, server):
    s = serve()
    with s.client() as c:
        c.add(slow(server, "w2"))
        assert c.call("wait", jobs=["w2"], **{"for": ["paused", "active"]})["jobs"][0]["state"] == "active"
        c.call("cancel", all=True)
        # what is over is never waited for
        assert c.call("wait", jobs=["w2"], **{"for": "active"})["jobs"][0]["state"] == "cancelled"


def test_the_first_that_is_over_and_the_first_that_fails(serve, server):
    s = serve()
    with s.client() as c:
        c.add(slow(server, "wf0"), late(server, "wf1"), late(server, "wf2", seconds=0.5))
        jobs = c.call("wait", jobs=["wf0", "wf1", "wf2"], return_when="first-completed")["jobs"]
        assert [j["name"] for j in jobs] == ["wf0", "wf1", "wf2"] and jobs[1]["state"] == "done"
        assert jobs[0]["state"] in ("queued", "active")
        c.wait_job("wf2")
        number = c.send("wait", jobs=["wf0", "wf1", "wf2"], return_when="first-exception")
        c.answered_so_far()
        assert number not in c.answers
        c.call("cancel", jobs=["wf0"])
        assert [j["state"] for j in c.answer(number)["jobs"]] == ["cancelled", "done", "done"]


def test_a_group_and_everything(serve, server):
    s = serve({"groups": [{"name": "g"}, {"name": "empty"}, {"name": "in", "parent": "g"}]})
    with s.client() as c:
        assert c.call("wait", group="empty")["group"]["jobs"]["done"] == 0
        assert c.call("wait", all=True) == {"done": 0, "failed": 0, "cancelled": 0}
        c.add(late(server, "wg0", "g", paused=True), bad(server, "wg1", "in", paused=True), slow(server, "wg2"))
        everything = c.send("wait", all=True)
        c.call("resume", jobs=["wg0", "wg1"])
        g = c.call("wait", group="g")["group"]
        assert (g["live"], g["jobs"]["done"], g["jobs"]["failed"]) == (0, 1, 1)
        assert everything not in c.answers
        assert c.refused("wait", all=True, timeout_ms=50).word == "timed-out"
        assert c.refused("wait", group="g", all=True).word == "invalid-params"
        c.call("cancel", jobs=["wg2"])
        assert c.answer(everything) == {"done": 1, "failed": 1, "cancelled": 1}


def test_a_group_is_waited_for_until_its_workers_have_let_go(serve, server):
    s = serve({"groups": [{"name": "g", "on-failure": "cancel"}]})
    with s.client() as c:
        c.add(slow(server, "wl0", "g"), slow(server, "wl1", "g"))
        c.wait_state("wl1", "active", "download")
        c.add(bad(server, "wl2", "g"))
        c.call("wait", group="g")
        wait_until(lambda: server.stats()["active"] == 0)
        assert group_of(c, "g")["live"] == 0


@pytest.mark.parametrize("what", ["jobs", "group"])
def test_an_end_that_was_told_is_that_of_each_later_life(serve, server, what):
    """While the store has not said that it has it, a kill would take it back."""
    s = serve({"groups": [{"name": "g"}]})
    c = s.client()
    job, = c.add({"url": server.url("/gate/1000?gate=wa-told-" + what), "output": "told", "group": "g"})
    number = c.send("wait", **{what: [job] if what == "jobs" else "g"})
    store, = children_named(s.pid, "hauld-store")
    os.kill(store, signal.SIGSTOP)
    try:
        server.open("wa-told-" + what)
        c.wait_state(job, "done")
        c.answered_so_far()
        assert number not in c.answers
        # Who does not wait for ever does not wait for a disk that stands either.
        if what == "jobs":
            assert c.call("wait", jobs=[job], timeout_ms=300)["jobs"][0]["state"] == "done"
        else:
            assert c.call("wait", group="g", timeout_ms=300)["group"]["jobs"]["done"] == 1
            assert c.call("wait", all=True, timeout_ms=300)["failed"] == 0
    finally:
        os.kill(store, signal.SIGCONT)
    assert c.answer(number)


def test_who_ends_while_an_answer_waits_for_the_store_is_not_in_it_twice(serve, server):
    """A sanitized hauld says at its end whether it forgot the first."""
    s = serve()
    c = s.client()
    jobs = c.add(*[{"url": server.url("/gate/1000?gate=wa-twice-%d" % i), "output": "t%d" % i} for i in range(2)])
    number = c.send("wait", jobs=jobs, return_when="first-completed")
    store, = children_named(s.pid, "hauld-store")
    os.kill(store, signal.SIGSTOP)
    try:
        for i in range(2):
            server.open("wa-twice-%d" % i)
            c.wait_state(jobs[i], "done")
        c.answered_so_far()
        assert number not in c.answers
    finally:
        os.kill(store, signal.SIGCONT)
    assert [j["state"] for j in c.answer(number)["jobs"]] == ["done", "active"]


def test_many_waiters_are_cheap(serve, server):
    """10,000 waits of 200 clients for one group, one job and everything."""
    s = serve({"groups": [{"name": "g"}]})
    with s.client() as c:
        c.add(slow(server, "wm", "g"))
        clients = [s.client() for _ in range(200)]
        numbers = []
        for i, one in enumerate(clients):
            what = ({"jobs": ["wm"]}, {"group": "g"}, {"all": True})[i % 3]
            numbers.append([one.send("wait", **what) for _ in range(50)])
        for one in clients:
            one.answered_so_far()
        c.call("cancel", jobs=["wm"])
        for one, sent in zip(clients, numbers):
            for number in sent:
                one.answer(number)
            one.close()


def test_who_goes_waits_no_more(serve, server):
    s = serve({"groups": [{"name": "g"}]})
    with s.client() as c:
        c.add(slow(server, "wn", "g"))
        for what in ({"jobs": ["wn"], "for": "blocked"}, {"group": "g"}, {"all": True}):
            with s.client() as other:
                other.send("wait", **what)
                other.answered_so_far()
        c.call("cancel", all=True)


@pytest.mark.parametrize("params", [
    {"jobs": [1], "for": "queued"}, {"jobs": [1], "for": ["done", 5]}, {"jobs": [1], "return_when": "soon"},
    {"jobs": [1], "return_when": 5}, {"group": 5}, {"all": False}, {"all": True, "jobs": [1]},
    {"group": "g", "for": "done"}, {"all": True, "return_when": "first-completed"},
])
def test_what_wait_refuses(serve, server, params):
    s = serve({"groups": [{"name": "g"}]})
    with s.client() as c:
        c.add(late(server, "wr", seconds=0))
        assert c.refused("wait", **params).word == "invalid-params"


# ---- haulctl

def test_haulctl_wait(serve, server):
    s = serve({"groups": [{"name": "g"}]})
    with s.client() as c:
        c.add(late(server, "cw0", "g"), slow(server, "cw1", "g"), bad(server, "cw2"))
        done = s.ctl("wait", "--for", "active", "cw1")
        assert done.rc == 0 and "cw1" in done.out and "active" in done.out
        assert s.ctl("wait", "--for", "failed", "cw2").rc == 0
        assert s.ctl("wait", "cw2").rc == 1
        assert s.ctl("wait", "--for", "failed", "cw0").rc == 1 # it is done
        first = s.ctl("wait", "--return-when", "first-completed", "--json", "cw1", "cw0")
        assert [j["name"] for j in first.lines] == ["cw1", "cw0"]
        late_one = s.ctl("wait", "--timeout", "100ms", "--group", "g")
        assert late_one.rc == 4 and "go on" in late_one.err
        assert s.ctl("cat", "--timeout", "50ms", "cw1").err == "haulctl: the job is not over yet; it goes on\n"
        again = s.ctl("retry", "cw0")
        assert again.rc == 7 and again.err == "haulctl: job 1 is done: only a failed or cancelled job can be retried\n", again
        assert s.ctl("cancel", "--group", "g").out == "1 cancelled\n"
        group = s.ctl("wait", "--group", "g")
        assert group.rc == 8 and group.out == "group g: 1 done, 0 failed, 1 cancelled\n"
        assert s.ctl("wait", "--all").out == "0 done, 0 failed, 0 cancelled\n"
        assert s.ctl("wait", "--group", "nobody").rc == 3
        assert s.ctl("wait").rc == 2 and s.ctl("wait", "--all", "cw0").rc == 2
        assert s.ctl("wait", "--all", "--for", "done").rc == 2


def test_haulctl_pauses_groups_and_everything(serve, server):
    s = serve({"groups": [{"name": "g", "max-concurrent": 2, "on-failure": "cancel", "deadline": "2h"}]})
    with s.client() as c:
        c.add(slow(server, "cp0", "g"), slow(server, "cp1"))
        c.wait_state("cp0", "active", "download")
        assert s.ctl("pause", "--group", "g").out == "group g paused\n"
        assert c.show("cp0")["why"] == "group-paused"
        shown = s.ctl("group", "g")
        assert "cp0" in shown.out and "paused" in shown.out and "0 of 2" in shown.out and "cancel" in shown.out, shown
        assert "group g" in s.ctl("why", "cp0").out
        assert s.ctl("resume", "--group", "g").out == "group g resumed\n"
        assert s.ctl("pause", "--all").out == "everything paused\n"
        assert c.show("cp1")["why"] == "all-paused"
        assert "resume --all" in s.ctl("why", "cp1").out and "everything is paused" in s.ctl("group").out
        assert s.ctl("resume", "--all").out == "everything resumed\n"
        c.wait_state("cp1", "active", "download")
        assert s.ctl("cancel", "--all").out == "2 cancelled\n"


def test_haulctl_group_makes_and_removes(serve, server):
    s = serve()
    made = s.ctl("group", "mine", "max-concurrent=1", "on-failure=cancel", "deadline=1h")
    assert made.rc == 0 and "mine" in made.out and "0 of 1" in made.out and "cancel" in made.out, made
    assert s.ctl("group", "mine", "max-concurrent=").rc == 0
    assert s.ctl("group", "--json", "mine").lines[0]["groups"][0]["max_concurrent"] == 0
    assert s.ctl("group", "mine", "deadline=soon").rc == 2
    assert s.ctl("group", "mine", "nonsense").rc == 2
    assert s.ctl("group", "--remove", "mine").rc == 0
    assert s.ctl("group", "mine").rc == 3 and s.ctl("group").out == "no groups\n"
