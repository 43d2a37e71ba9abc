"""Groups as task groups (hauld.conf(5), haul-rpc(7)): limits, failures, deadlines, pauses, nesting."""

import os
import signal

import pytest
from clockset import Clock
from haul import children_named
from waiting import wait_until

SLOW = "/drip/8M/1K/0.05?"


def slow(server, name, group=None, **keys):
    """Runs for minutes."""
    keys.update({"group": group} if group else {})
    return {"name": name, "url": server.url(SLOW + name), "output": name, "fsync": "off", "speed-limit": 0, **keys}


def late(server, name, group=None, seconds=0.1, **keys):
    keys.update({"group": group} if group else {})
    return {"name": name, "url": server.url("/delay/%g/1000?%s" % (seconds, name)), "output": name, "fsync": "off", **keys}


def bad(server, name, group=None, **keys):
    keys.update({"group": group} if group else {})
    return {"name": name, "url": server.url("/status/404?%s" % name), "output": name, **keys}


def group_of(c, name):
    return c.call("group", group=name)["groups"][0]


def most_at_once(server, names):
    """Of the server's log: requests of these jobs that ran at the same time."""
    ends, steps = server.ends(), []
    for r in server.requests():
        if r["path"].rpartition("?")[2] in names:
            steps.append((r["time"], 1))
            if r["n"] in ends:
                steps.append((ends[r["n"]]["time"], -1))
    running = most = 0
    for _time, step in sorted(steps):
        running += step
        most = max(most, running)
    return most


def killed(s):
    """kill -9, and a new life."""
    s.signal(signal.SIGKILL)
    s.wait_exit()
    s.start()
    return s.client()


# ---- its own semaphore

def test_a_group_never_has_more_transfers_than_its_max_concurrent(serve, server):
    s = serve({"groups": [{"name": "g", "max-concurrent": 3}]})
    names = ["mc%d" % i for i in range(20)]
    others = ["mo%d" % i for i in range(4)]
    with s.client() as c:
        c.add(*[late(server, n, "g") for n in names], *[late(server, n) for n in others])
        assert {c.wait_job(n)["state"] for n in names + others} == {"done"}
        assert most_at_once(server, set(names)) == 3
        assert group_of(c, "g")["jobs"]["done"] == 20


def test_a_full_group_says_group_limit(serve, server):
    s = serve({"groups": [{"name": "g", "max-concurrent": 1}]})
    with s.client() as c:
        c.add(slow(server, "gl0", "g"), slow(server, "gl1", "g"))
        c.wait_state("gl0", "active", "download")
        assert c.show("gl1")["why"] == "group-limit"
        g = group_of(c, "g")
        assert (g["state"], g["running"], g["max_concurrent"], g["live"], g["origin"]) == ("active", 1, 1, 2, "config")
        assert g["jobs"]["active"] == 1 and g["jobs"]["queued"] == 1
        # changed while they run
        c.call("group", group="g", set={"max-concurrent": 2})
        c.wait_state("gl1", "active", "download")
        c = killed(s)
        assert group_of(c, "g")["max_concurrent"] == 2
        c.call("group", group="g", set={"max-concurrent": None})
        assert group_of(c, "g")["max_concurrent"] == 1
        c.call("cancel", all=True)


def test_a_parents_limit_holds_for_its_children(serve, server):
    s = serve({"groups": [{"name": "p", "max-concurrent": 2}, {"name": "a", "parent": "p"},
                          {"name": "b", "parent": "a", "max-concurrent": 5}]})
    names = ["pl%d" % i for i in range(12)]
    with s.client() as c:
        c.add(*[late(server, n, "pab"[i % 3]) for i, n in enumerate(names)])
        assert {c.wait_job(n)["state"] for n in names} == {"done"}
        assert most_at_once(server, set(names)) == 2
        assert group_of(c, "p")["jobs"]["done"] == 12 and group_of(c, "b")["jobs"]["done"] == 4


# ---- on-failure

def test_the_first_failure_cancels_the_siblings_in_every_phase(serve, server):
    """One that downloads, one that waits for its server, one for its retry, one for a slot, one that is
    paused: all end as sibling-failed, and the group is over when all have let go."""
    s = serve({"groups": [{"name": "g", "on-failure": "cancel"}]}, max_connections_per_host=3)
    with s.client() as c:
        c.add(slow(server, "s-downloads", "g"),
              {**late(server, "s-connects", "g", 60), "stall-timeout": "1h"},
              {"name": "s-retries", "group": "g", "url": server.url("/status/503?s-retries&retry-after=1000"),
               "output": "s-retries", "retry-max-delay": "1h"},
              slow(server, "s-paused", "g"), slow(server, "s-other"))
        c.call("pause", jobs=["s-paused"])
        c.wait_state("s-downloads", "active", "download")
        c.wait_state("s-retries", "blocked", why="retry-at")
        c.add(*[slow(server, "s-waits%d" % i, "g") for i in range(300)])
        c.add({**bad(server, "s-fails", "g", priority=9), "url": server.url("/status/404?s-fails", "127.0.0.2")})
        done = c.call("wait", group="g")["group"]
        assert done["live"] == 0 and done["state"] == "idle"
        assert done["jobs"]["failed"] == 1 and done["jobs"]["cancelled"] == 304
        for name in ["s-downloads", "s-connects", "s-retries", "s-paused", "s-waits0", "s-waits299"]:
            job = c.show(name)
            assert (job["state"], job["code"]) == ("cancelled", "sibling-failed"), job
            assert "s-fails" in job["reason"] and "http-404" in job["reason"]
        assert c.show("s-other")["state"] in ("active", "queued")
        # nothing outlives the scope: the server sees nobody but the other, and no part is left
        wait_until(lambda: server.stats()["active"] <= 1)
        c.call("cancel", all=True)
    s.stop() # which looks for what is left


def test_with_continue_the_others_go_on(serve, server):
    s = serve({"groups": [{"name": "g"}]})
    with s.client() as c:
        c.add(bad(server, "cf", "g"), *[late(server, "cg%d" % i, "g") for i in range(3)])
        assert c.call("wait", group="g")["group"]["jobs"] == {**dict.fromkeys(
            ["queued", "blocked", "active", "paused", "cancelled"], 0), "done": 3, "failed": 1}


def test_who_comes_while_a_group_is_ended_is_ended_with_it(serve, server):
    s = serve({"groups": [{"name": "g", "on-failure": "cancel"}]})
    with s.client() as c:
        number = c.send("add", jobs=[bad(server, "wf", "g")] + [slow(server, "wc%d" % i, "g") for i in range(1500)])
        c.answer(number)
        wait_until(lambda: group_of(c, "g")["state"] == "ending" or group_of(c, "g")["live"] == 0)
        c.add(slow(server, "w-late", "g"))
        c.wait_job("wc1499")
        late_one = c.show("w-late")
        # it came to the run, or after its end
        assert late_one["code"] == "sibling-failed" or late_one["state"] in ("queued", "active")
        c.call("cancel", all=True)


def test_the_next_job_begins_a_new_run(serve, server):
    s = serve({"groups": [{"name": "g", "on-failure": "cancel"}]})
    with s.client() as c:
        c.add(bad(server, "nf", "g"), slow(server, "nc", "g"))
        assert c.call("wait", group="g")["group"]["jobs"]["cancelled"] == 1
        c.add(late(server, "nn", "g"))
        assert c.wait_job("nn")["state"] == "done"
        g = group_of(c, "g")
        assert (g["jobs"]["done"], g["jobs"]["failed"], g["jobs"]["cancelled"]) == (1, 0, 0)
        c.call("retry", jobs=["nc"])
        c.wait_state("nc", "active")
        assert group_of(c, "g")["live"] == 1
        c.call("cancel", group="g")


def test_a_cancelled_member_is_no_failure(serve, server):
    s = serve({"groups": [{"name": "g", "on-failure": "cancel"}]})
    with s.client() as c:
        c.add(slow(server, "nofail0", "g"), late(server, "nofail1", "g", 0.5))
        c.call("cancel", jobs=["nofail0"])
        assert c.wait_job("nofail1")["state"] == "done"


def test_a_childs_failure_is_one_of_the_parent(serve, server):
    s = serve({"groups": [{"name": "p", "on-failure": "cancel"}, {"name": "child", "parent": "p"},
                          {"name": "twin", "parent": "p"}]})
    with s.client() as c:
        c.add(slow(server, "in-p", "p"), slow(server, "in-twin", "twin"), slow(server, "in-child", "child"))
        c.wait_state("in-twin", "active", "download")
        c.add(bad(server, "in-child-bad", "child"))
        done = c.call("wait", group="p")["group"]
        assert done["jobs"]["cancelled"] == 3 and done["jobs"]["failed"] == 1
        assert {c.show(n)["code"] for n in ("in-p", "in-twin", "in-child")} == {"sibling-failed"}


def test_a_failure_does_not_leave_the_group(serve, server):
    s = serve({"groups": [{"name": "p"}, {"name": "child", "parent": "p", "on-failure": "cancel"}]})
    with s.client() as c:
        c.add(late(server, "stay-p", "p", 0.5), bad(server, "leave-bad", "child"), slow(server, "leave-c", "child"))
        assert c.wait_job("leave-c")["code"] == "sibling-failed"
        assert c.wait_job("stay-p")["state"] == "done"


def test_what_was_begun_to_be_ended_is_ended_in_the_next_life(serve, server):
    """Or, when the kill came before anything of it was on the disk, it fails there once more: it has
    a host of its own, so that the others do not keep it waiting."""
    s = serve({"groups": [{"name": "g", "on-failure": "cancel"}]})
    failing = {**bad(server, "kl-bad", "g", priority=5), "url": server.url("/status/404?kl-bad", host="127.0.0.9")}
    with s.client() as c:
        c.add(*[slow(server, "kl%d" % i, "g") for i in range(400)], failing) # as many lines of log as a pipe holds
        s.wait_log("group is ended: sibling-failed")
    c = killed(s)
    c.call("wait", group="g")
    assert {j["code"] for j in c.list_all(group="g", state=["cancelled"])} == {"sibling-failed"}
    assert c.list_all(group="g", state=["queued", "active", "blocked"]) == []


# ---- deadline

def test_the_deadline_ends_what_is_not_over(serve, server):
    s = serve({"groups": [{"name": "g", "deadline": "1h", "max-concurrent": 2}, {"name": "in", "parent": "g"}]})
    with s.client() as c:
        c.add(late(server, "dl-done", "g"), slow(server, "dl-runs", "g"), slow(server, "dl-child", "in"),
              slow(server, "dl-waits", "g"))
        assert c.wait_job("dl-done")["state"] == "done"
        assert 0 < group_of(c, "g")["deadline_in_ms"] <= 3600000
        c.wait_state("dl-runs", "active", "download")
        c.wait_state("dl-child", "active", "download")
        assert c.show("dl-waits")["why"] == "group-limit"
        c.call("group", group="g", set={"deadline": "1s"}) # since the first of it started
        done = c.call("wait", group="g")["group"]
        assert done["jobs"]["failed"] == 3 and done["jobs"]["done"] == 1
        for name in ("dl-runs", "dl-child", "dl-waits"):
            job = c.show(name)
            assert (job["state"], job["code"]) == ("failed", "deadline") and "group g" in job["reason"]
        assert c.show("dl-runs")["attempts"] == 1


def test_the_deadline_goes_on_in_the_next_life(serve, server, tmp):
    clock = Clock(tmp)
    s = serve({"groups": [{"name": "g", "deadline": "1h"}]}, start=False)
    s.prefix = clock.prefix
    s.start()
    with s.client() as c:
        c.add(slow(server, "dn", "g"))
        c.wait_state("dn", "active", "download")
        assert group_of(c, "g")["deadline_in_ms"] > 1800 * 1000
        s.stop()
        clock.set(1800)
        s.start()
    with s.client() as c:
        assert 0 < group_of(c, "g")["deadline_in_ms"] <= 1800 * 1000
        c.call("group", group="g", set={"deadline": "30m"})
        assert c.wait_job("dn")["code"] == "deadline"


def test_a_deadline_passes_while_the_machine_is_off(serve, server, tmp):
    """It was off for longer than it has been on since."""
    clock = Clock(tmp)
    with open("/proc/uptime") as f:
        hours = min(int(float(f.read().split()[0]) / 3600) + 24, 8700)
    s = serve({"groups": [{"name": "g", "deadline": "%dh" % hours}]}, start=False)
    s.prefix = clock.prefix
    s.start()
    with s.client() as c:
        c.add(slow(server, "do", "g"))
        c.wait_state("do", "active", "download")
        wait_until(lambda: group_of(c, "g")["started"])
        s.stop()
        clock.set((hours - 1) * 3600)
        s.start()
    with s.client() as c:
        assert group_of(c, "g")["deadline_in_ms"] <= 3600 * 1000
        s.stop()
        clock.set((hours + 1) * 3600)
        s.start()
    with s.client() as c:
        assert c.wait_job("do")["code"] == "deadline"


def test_a_deadline_may_come_later(serve, server):
    s = serve({"groups": [{"name": "g"}]})
    with s.client() as c:
        c.add(slow(server, "ds", "g"))
        c.wait_state("ds", "active", "download")
        assert group_of(c, "g")["deadline_in_ms"] is None
        c.call("group", group="g", set={"deadline": "10ms"})
        assert c.wait_job("ds")["code"] == "deadline"


# ---- pause

def test_a_paused_group_parks_what_runs_and_goes_on_from_there(serve, server):
    s = serve({"groups": [{"name": "g"}]})
    with s.client() as c:
        c.add(slow(server, "pg0", "g"), slow(server, "pg1", "g"), slow(server, "po"))
        for name in ("pg0", "pg1", "po"):
            c.wait_state(name, "active", "download")
        wait_until(lambda: c.show("pg0")["received"] > 4096)
        answer = c.call("pause", group="g")
        assert answer["group"]["paused"] and answer["group"]["running"] == 0
        assert (c.show("pg0")["state"], c.show("pg0")["why"]) == ("queued", "group-paused")
        assert c.show("po")["state"] == "active"
        assert server.stats()["active"] >= 1
        c.add(late(server, "pg-new", "g"))
        c.call("status")
        assert c.show("pg-new")["why"] == "group-paused" and group_of(c, "g")["state"] == "paused"
        c = killed(s)
        c.answered_so_far()
        assert group_of(c, "g")["paused"] and c.show("pg-new")["why"] == "group-paused"
        c.call("resume", group="g")
        assert c.wait_job("pg-new")["state"] == "done"
        c.wait_state("pg0", "active", "download")
        asked = [r for r in server.requests() if r["path"].endswith("pg0")]
        assert len(asked) == 2
        c.call("cancel", all=True)


def test_a_users_own_pause_stays_one(serve, server):
    s = serve({"groups": [{"name": "g"}]})
    with s.client() as c:
        c.add(slow(server, "up0", "g"), slow(server, "up1", "g"))
        c.wait_state("up0", "active")
        c.call("pause", jobs=["up0"])
        c.call("pause", group="g")
        c.call("resume", group="g")
        c.wait_state("up1", "active")
        assert c.show("up0")["state"] == "paused"
        c.call("cancel", all=True)


def test_a_parents_pause_reaches_down(serve, server):
    s = serve({"groups": [{"name": "p"}, {"name": "c", "parent": "p"}]})
    with s.client() as c:
        c.add(slow(server, "pp", "c"))
        c.wait_state("pp", "active", "download")
        c.call("pause", group="p")
        assert c.show("pp")["why"] == "group-paused"
        g = group_of(c, "c")
        assert g["held"] and not g["paused"] and g["state"] == "paused"
        c.call("resume", group="p")
        c.wait_state("pp", "active", "download")
        c.call("cancel", all=True)


def test_paused_in_the_configuration(serve, server):
    config = {"groups": [{"name": "g", "paused": True}], "jobs": [late(server, "pc", "g")]}
    s = serve(config)
    with s.client() as c:
        assert c.show("pc")["why"] == "group-paused"
        c.call("resume", group="g")
        assert c.wait_job("pc")["state"] == "done"
        c = killed(s) # what a client said counts until the configuration says something else
        assert not group_of(c, "g")["paused"]
        s.reload({"groups": [{"name": "g"}]})
        s.reload(config)
        assert group_of(c, "g")["paused"]


def test_pause_all_holds_everything_and_survives(serve, server):
    s = serve({"groups": [{"name": "g"}]})
    with s.client() as c:
        c.add(slow(server, "pa0", "g"), slow(server, "pa1"))
        c.wait_state("pa0", "active", "download")
        c.wait_state("pa1", "active", "download")
        assert not c.call("status")["paused"] and "paused" not in s.ctl("status").out.splitlines()[0]
        for _ in range(2): # the second changes nothing
            c.call("pause", all=True)
        wait_until(lambda: server.stats()["active"] == 0)
        assert c.call("status")["paused"]
        for verb in ["status"], ["top"]: # even when there is no job to say so
            assert "running, everything is paused" in s.ctl(*verb).out.splitlines()[0]
        told = [e["text"] for e in c.call("events", what=["daemon"])["events"] if "paused" in e["text"]]
        assert told == ["everything paused, by uid %d" % os.getuid()], told
        c.add(late(server, "pa2"))
        assert {c.show(n)["why"] for n in ("pa0", "pa1", "pa2")} == {"all-paused"}
        c = killed(s)
        assert {c.show(n)["why"] for n in ("pa0", "pa1", "pa2")} == {"all-paused"}
        assert c.call("group")["all_paused"]
        assert server.stats()["active"] == 0
        assert c.call("status")["paused"]
        c.call("resume", all=True)
        assert not c.call("status")["paused"] and "daemon: everything resumed, by uid" in s.ctl("events").out
        assert c.wait_job("pa2")["state"] == "done"
        c.wait_state("pa0", "active", "download")
        c.call("cancel", all=True)


def test_a_pause_touches_no_queued_job(serve, server):
    """20,000 wait; a pause and a resume are answered at once and change none of them."""
    s = serve({"groups": [{"name": "g", "max-concurrent": 1}]})
    with s.client() as c:
        sub = c.call("subscribe")["subscription"]
        for i in range(10):
            c.add(*[slow(server, "pq%d-%d" % (i, k), "g") for k in range(2000)])
        c.wait_state("pq0-0", "active", "download")
        c.answered_so_far()
        c.events.clear()
        c.call("pause", group="g")
        c.call("resume", group="g")
        c.answered_so_far()
        touched = {e["job"]["name"] for e in c.events if e["event"] in ("state", "end")}
        assert touched <= {"pq0-0"}, touched
        c.call("unsubscribe", subscription=sub)
        assert c.call("cancel", group="g")["cancelled"] == 20000
        assert group_of(c, "g")["live"] == 0


# ---- cancel

def test_cancel_of_a_group_leaves_the_others(serve, server):
    s = serve({"groups": [{"name": "g"}, {"name": "in", "parent": "g"}]})
    with s.client() as c:
        c.add(slow(server, "cx0", "g"), slow(server, "cx1", "in"), slow(server, "cx2"), late(server, "cx3", "g", 0))
        c.wait_job("cx3")
        c.wait_state("cx0", "active", "download")
        answer = c.call("cancel", group="g")
        assert answer["cancelled"] == 2 and answer["group"]["live"] == 0
        assert [c.show("cx%d" % i)["state"] for i in range(4)] == ["cancelled", "cancelled", "active", "done"]
        assert c.call("cancel", all=True)["cancelled"] == 1


def test_what_happens_to_a_group_is_told(serve, server):
    s = serve({"groups": [{"name": "g", "on-failure": "cancel"}]})
    with s.client() as c:
        c.add(slow(server, "ev0", "g"))
        c.call("pause", group="g")
        c.call("resume", group="g")
        c.add(bad(server, "ev1", "g"))
        c.call("wait", group="g")
        told = [e for e in c.call("events", what=["group"])["events"] if e["name"] == "g"]
        texts = [e["text"] for e in told]
        assert texts[:2] == ["paused", "resumed"] and "sibling-failed" in texts[2], told
        assert texts[3] == "run is over: 0 done, 1 failed, 1 cancelled", told


# ---- groups on the fly

def test_a_group_of_a_client(serve, server):
    s = serve()
    with s.client() as c:
        error = c.refused("add", jobs=[late(server, "fly", "made")])
        assert error.word == "invalid-params" and "made" in error.text and "haulctl group made" in error.text
        made = c.call("group", group="made", set={"max-concurrent": 1, "on-failure": "cancel", "deadline": "1h"})["groups"][0]
        assert (made["origin"], made["max_concurrent"], made["on_failure"], made["deadline_ms"]) == ("client", 1, "cancel", 3600000)
        c.add(slow(server, "fly0", "made"), slow(server, "fly1", "made"))
        c.wait_state("fly0", "active", "download")
        assert c.show("fly1")["why"] == "group-limit"
        c = killed(s)
        again = group_of(c, "made")
        assert {**again, "deadline_in_ms": 0, "started": 0, "jobs": 0, "live": 0, "running": 0, "state": 0} == \
            {**made, "deadline_in_ms": 0, "started": 0, "jobs": 0, "live": 0, "running": 0, "state": 0}
        assert c.refused("group", group="made", remove=True).word == "conflict"
        c.wait_state("fly0", "active", "download")
        c.call("cancel", group="made")
        c.call("remove", jobs=["fly0", "fly1"])
        assert c.call("group", group="made", remove=True) == {"removed": 1}
        assert c.refused("group", group="made").word == "no-such-job"
    s.stop()
    s.start()
    with s.client() as c:
        assert c.call("group")["groups"] == []


def test_a_scope_goes_with_its_jobs(serve, server):
    s = serve({"groups": [{"name": "outer", "max-concurrent": 4}]})
    with s.client() as c:
        ids = c.add(*[late(server, "sc%d" % i) for i in range(6)],
                    scope={"name": "scope-1", "max-concurrent": 2, "parent": "outer"})
        g = group_of(c, "scope-1")
        assert (g["origin"], g["parent"], g["max_concurrent"]) == ("jobs", "outer", 2)
        c.call("wait", group="scope-1")
        assert most_at_once(server, {"sc%d" % i for i in range(6)}) == 2
    s.stop()
    s.start()
    with s.client() as c:
        assert c.wait_job(ids[0])["state"] == "done"
        assert [g["name"] for g in c.call("group")["groups"]] == ["outer"]


def test_a_scope_whose_jobs_are_with_the_store_outlives_a_reload(serve, server):
    s = serve()
    store, = children_named(s.pid, "hauld-store")
    with s.client() as c, s.client() as other:
        os.kill(store, signal.SIGSTOP)
        try:
            number = c.send("add", jobs=[slow(server, "sr0"), slow(server, "sr1")], scope={"name": "sr", "max-concurrent": 1})
            wait_until(lambda: other.call("group")["groups"])
            s.signal(signal.SIGHUP)
            s.wait_log("configuration loaded", count=2)
        finally:
            os.kill(store, signal.SIGCONT)
        ids = [j["id"] for j in c.answer(number)["jobs"]]
        g = group_of(c, "sr")
        assert (g["live"], g["max_concurrent"]) == (2, 1)
        c.call("cancel", group="sr")
        c.call("remove", jobs=ids)
        wait_until(lambda: not c.call("group")["groups"])


def test_a_scope_outlives_hauld_with_its_jobs(serve, server):
    s = serve()
    with s.client() as c:
        c.add(slow(server, "so0"), slow(server, "so1"), scope={"name": "sx", "max-concurrent": 1, "on-failure": "cancel"})
        c = killed(s)
        g = group_of(c, "sx")
        assert (g["live"], g["max_concurrent"], g["on_failure"]) == (2, 1, "cancel")
        c.call("cancel", group="sx")


REFUSED = [
    ({"group": "g", "set": {"no-such": 1}}, "invalid-params"), ({"group": "g", "set": {"name": "x"}}, "invalid-params"),
    ({"group": "g", "set": {"parent": "h"}}, "invalid-params"), ({"group": "g", "set": {"paused": True}}, "invalid-params"),
    ({"group": "g", "set": {"max-concurrent": -1}}, "invalid-params"), ({"group": "g", "set": 5}, "invalid-params"),
    ({"group": "g", "set": {"on-failure": "stop"}}, "invalid-params"), ({"group": "a b", "set": {}}, "invalid-params"),
    ({"group": "n", "set": {"parent": "nobody"}}, "no-such-job"), ({"group": "nobody"}, "no-such-job"),
    ({"group": "g", "remove": True}, "conflict"), ({"set": {}}, "invalid-params"), ({"group": 5}, "invalid-params"),
    ({"group": "g", "set": {"deadline": 1.5}}, "invalid-params"),
]


@pytest.mark.parametrize("params, word", REFUSED)
def test_what_group_refuses(serve, params, word):
    s = serve({"groups": [{"name": "g"}, {"name": "h"}]})
    with s.client() as c:
        assert c.refused("group", **params).word == word


def test_commands_to_groups_need_a_policy(serve, server):
    if os.geteuid() == 0:
        pytest.skip("root may do everything")
    s = serve({"groups": [{"name": "g"}]}, control_policy="submit")
    with s.client() as c:
        assert c.call("group", group="g")


def test_a_group_leaves_the_configuration(serve, server):
    s = serve({"groups": [{"name": "g", "max-concurrent": 1}]})
    with s.client() as c:
        c.add(slow(server, "lc0", "g"), slow(server, "lc1", "g"))
        c.wait_state("lc0", "active", "download")
        s.reload({})
        assert group_of(c, "g")["origin"] == "jobs" and group_of(c, "g")["max_concurrent"] == 0
        c.wait_state("lc1", "active", "download")
        s.reload({"groups": [{"name": "g", "max-concurrent": 1, "parent": "p"}, {"name": "p", "max-concurrent": 7}]})
        assert group_of(c, "g")["parent"] is None # until this run is over
        c.call("cancel", group="g")
        assert group_of(c, "g")["parent"] == "p"
        c.call("remove", jobs=["lc0", "lc1"])
        s.reload({})
        assert c.call("group")["groups"] == []


def test_groups_that_change_places(serve, server):
    """Whatever their names: the parent of before lies in its child then."""
    s = serve({"groups": [{"name": "a"}, {"name": "b", "parent": "a"}, {"name": "c", "parent": "b"}]})
    with s.client() as c:
        for parents in ({"a": "b", "b": "c"}, {"c": "a", "a": "b"}, {"b": "a", "c": "a", "d": "c"}, {"a": "d", "d": "b"},
                        {"b": "a", "c": "b"}):
            s.reload({"groups": [{"name": n, **({"parent": parents[n]} if n in parents else {})} for n in "abcd"]})
            assert {g["name"]: g["parent"] for g in c.call("group")["groups"] if g["parent"]} == parents
    assert "lies in it" not in s.log


def test_groups_that_change_places_with_the_end_of_their_runs(serve, server):
    groups = [{"name": "a"}, {"name": "b", "parent": "a"}, {"name": "c", "parent": "b"}]
    s = serve({"groups": groups, "jobs": [slow(server, "lc2", "c", after="event:go")]})
    with s.client() as c:
        c.wait_state("lc2", "blocked")
        s.reload({"groups": [{"name": "a", "parent": "c"}, {"name": "b"}, {"name": "c"}]})
        parents = {"a": "c"}
        wait_until(lambda: {g["name"]: g["parent"] for g in c.call("group")["groups"] if g["parent"]} == parents)
    assert "lies in it" not in s.log


# ---- without a service

@pytest.mark.parametrize("stays", [True, False])
def test_a_group_that_loses_its_child_during_the_run(serve, server, stays):
    """The run of the parent is over with its last member, and who waits for that is told."""
    s = serve({"groups": [{"name": "outer"}, {"name": "inner", "parent": "outer"}]})
    with s.client() as c, s.client() as other:
        c.add(slow(server, "lc0", "inner"))
        c.wait_state("lc0", "active")
        number = other.send("wait", group="outer")
        other.answered_so_far()
        s.reload({"groups": [{"name": "outer"}, {"name": "inner"}] if stays else [{"name": "inner"}]})
        assert group_of(c, "outer")["live"] == 1
        c.call("cancel", job="lc0")
        told = other.answer(number, timeout=10)["group"]
        assert (told["live"], told["started"]) == (0, None)
        assert group_of(c, "inner")["parent"] is None
        left = ["inner", "outer"] if stays else ["inner"]
        wait_until(lambda: [g["name"] for g in c.call("group")["groups"]] == left)


def test_what_is_said_of_groups_while_hauld_stops_is_refused(serve, server):
    """The next life would not know of it.  A worker that does not answer keeps hauld from ending at once."""
    s = serve({"groups": [{"name": "g"}]})
    with s.client() as c:
        c.call("group", group="mine", set={})
        c.add({"name": "sg", "group": "g", "url": server.url("/stall/2M/1M?sg"), "output": "sg", "checksum": "sha256:" + 64 * "0"})
        wait_until(lambda: c.show("sg")["processed"] > 0)
        workers = s.workers()
        for pid in workers:
            os.kill(pid, signal.SIGSTOP)
        s.signal(signal.SIGTERM)
        s.wait_log("stopping")
        said = [c.refused("group", group="g", set={"max-concurrent": 1}), c.refused("group", group="mine", remove=True),
                c.refused("pause", group="g"), c.refused("limit", group="g", rate="1M")]
        for pid in workers:
            os.kill(pid, signal.SIGCONT)
        assert [e.word for e in said] == ["draining"] * 4
    assert s.wait_exit() == 0
    s.start()
    with s.client() as c:
        assert group_of(c, "mine")["origin"] == "client"
        c.call("cancel", job="sg")


def test_once_knows_groups(h, server):
    config = {"groups": [{"name": "g", "max-concurrent": 2, "on-failure": "cancel"}],
              "jobs": [late(server, "on%d" % i, "g") for i in range(6)]}
    result = h.once(config=config)
    assert result.rc == 0
    assert most_at_once(server, {"on%d" % i for i in range(6)}) == 2
    config["jobs"] = [slow(server, "of0", "g"), bad(server, "of1", "g")]
    result = h.once(config=config)
    assert result.rc == 1 and result.job("of0")["code"] == "sibling-failed"


def test_once_refuses_a_group_that_would_wait_for_ever(h, server):
    result = h.once(config={"groups": [{"name": "g", "paused": True}], "jobs": [late(server, "ow", "g")]})
    assert result.rc == 78 and "paused" in result.stderr and "group g" in result.stderr


# ---- names that are none

def test_the_group_that_may_be_meant_is_named(serve, server):
    s = serve({"groups": [{"name": "nightly"}, {"name": "night"}, {"name": "other"}]})
    with s.client() as c:
        refused = c.refused("add", jobs=[{**late(server, "gn0"), "group": "nigthly"}])
        assert refused.text == 'group is "nigthly", which is not in groups: did you mean "nightly"?'
        refused = c.refused("add", jobs=[{**late(server, "gn1"), "group": "weekly"}])
        assert "makes one on the fly" in refused.text
    assert s.ctl("add", server.url("/ok/1?gn2"), "--group", "othr").err == (
        'haulctl: group is "othr", which is not in groups: did you mean "other"?\n')


def test_what_a_client_paused_before_the_configuration_did_is_over_with_that(serve, server):
    """In the next life, too: the configuration has had another mind since."""
    s = serve({"groups": [{"name": "g"}]})
    with s.client() as c:
        c.call("pause", group="g")
        for paused in True, False:
            s.reload({"groups": [{"name": "g", "paused": paused}]})
            assert group_of(c, "g")["paused"] == paused
        c.call("event", set="kept") # durable, and so is all before
    c = killed(s)
    assert not group_of(c, "g")["paused"]


def test_the_jobs_of_a_group_that_is_gone_are_still_listed(serve, server):
    """It was removed, and hauld started anew: the history knows its jobs, and the error says where they are."""
    s = serve()
    with s.client() as c:
        c.call("group", group="scope", set={"on-failure": "cancel"})
        number, = c.add(late(server, "gone", "scope", 0))
        assert c.wait_job(number)["state"] == "done"
        c.call("group", group="scope", remove=True)
    s.stop()
    s.start()
    refused = s.ctl("group", "scope")
    assert refused.rc == 3 and "haulctl list --group NAME" in refused.err, refused
    listed = s.ctl("list", "--group", "scope")
    assert listed.rc == 0 and str(number) in listed.out and "done" in listed.out, listed
