"""Order: after, after-failed, named events.  The server's log is the witness."""

import os
import signal
import sqlite3

import pytest
from haul import children_named
from lateness import asked_again, assert_never_late
from waiting import wait_until


EXIT_OK, EXIT_CONFIG = 0, 78


def job(server, name, path, **keys):
    key = "&key=order-%s" % name if path.startswith("/flaky") else ""
    return {"name": name, "output": name, "url": server.url("%s?ord-%s%s" % (path, name, key)), "retry": 0, **keys}


def endless(server, name, **keys):
    """Runs until it is cancelled."""
    return job(server, name, "/slow-headers", **{"stall-timeout": "1h", **keys})


def asked(server):
    """The names of the jobs whose files were asked for, in order."""
    return [r["path"].split("?ord-")[1].split("&")[0] for r in server.requests("?ord-")]


def ended(result):
    return {e["name"]: (e["state"], e["code"]) for e in result.of("end")}


def code(shown):
    return (shown["state"], shown["code"])


# ---- after

def test_a_job_starts_when_all_before_it_are_done(h, server):
    """Defined before those that it waits for; they end in another order than they are named."""
    jobs = [job(server, "last", "/ok/10", after=["a", "b", "c"]),
            job(server, "a", "/delay/0.3/10"), job(server, "b", "/ok/10"), job(server, "c", "/delay/0.1/10", after="b")]
    assert h.once_jobs(jobs).rc == EXIT_OK
    assert asked(server)[0:2] in (["a", "b"], ["b", "a"])
    assert asked(server)[2:] == ["c", "last"]
    (last,) = server.requests("?ord-last")
    assert all(e["time"] <= last["time"] for r, e in server.ends().items() if r != last["n"])


def test_done_means_verified_and_published(h, server, tmp):
    """The first has all its bytes, and they are wrong."""
    jobs = [job(server, "wrong", "/ok/100K", checksum="md5:" + "0" * 32), job(server, "next", "/ok/10", after="wrong")]
    result = h.once_jobs(jobs)
    assert result.rc == 1
    assert ended(result) == {"wrong": ("failed", "checksum-mismatch"), "next": ("failed", "dependency-failed")}
    assert "next" not in asked(server)
    assert not os.path.exists(os.path.join(tmp, "next"))


def test_the_root_of_a_chain_is_named(h, server):
    jobs = [job(server, "d", "/ok/1", after="c"), job(server, "c", "/ok/1", after="b"), job(server, "b", "/ok/1", after="a"),
            job(server, "a", "/status/404")]
    result = h.once_jobs(jobs)
    texts = {e["name"]: e["reason"] for e in result.of("end")}
    assert texts["b"].startswith('"a" failed: http-404: ')
    for name, before in (("c", "b"), ("d", "c")):
        assert texts[name].startswith('"%s" did not run because "a" failed: http-404' % before), texts
    assert asked(server) == ["a"]


def test_a_long_chain_and_a_wide_fan(h, server):
    names = ["n%d" % i for i in range(100)]
    jobs = [job(server, n, "/ok/1", after=names[i + 1:i + 2]) if i < 99 else job(server, n, "/ok/1")
            for i, n in enumerate(names)]
    jobs += [job(server, "leaf%d" % i, "/ok/1", after=["n0", "n50"]) for i in range(200)]
    assert h.once_jobs(jobs, timeout=60).rc == EXIT_OK
    order = asked(server)
    assert order[:100] == names[::-1]
    assert sorted(order[100:]) == sorted("leaf%d" % i for i in range(200))


# ---- after-failed

def test_a_fall_back_runs_when_the_first_has_failed(h, server):
    jobs = [job(server, "main", "/status/404"), job(server, "spare", "/ok/10", **{"after-failed": "main"})]
    result = h.once_jobs(jobs)
    assert ended(result) == {"main": ("failed", "http-404"), "spare": ("done", "done")}
    assert result.rc == 1 and asked(server) == ["main", "spare"]


def test_a_fall_back_that_is_not_needed_is_no_failure(h, server):
    jobs = [job(server, "main", "/ok/10"), job(server, "spare", "/ok/10", **{"after-failed": "main"}),
            job(server, "third", "/ok/10", after="spare")]
    result = h.once_jobs(jobs)
    assert ended(result) == {"main": ("done", "done"), "spare": ("cancelled", "not-needed"),
                             "third": ("cancelled", "not-needed")}
    assert [e["reason"] for e in result.of("end") if e["name"] == "spare"] == ['"main" is done']
    assert result.rc == EXIT_OK and asked(server) == ["main"]


def test_a_fall_back_for_several_waits_for_all_of_them(h, server):
    jobs = [job(server, "one", "/status/404"), job(server, "two", "/status/410"),
            job(server, "spare", "/ok/10", **{"after-failed": ["one", "two"]})]
    assert ended(h.once_jobs(jobs))["spare"] == ("done", "done")
    assert asked(server)[2] == "spare"


# ---- what is refused

def test_a_configuration_with_a_cycle(h, server):
    jobs = [job(server, "a", "/ok/1", after="b"), job(server, "b", "/ok/1", **{"after-failed": "c"}),
            job(server, "c", "/ok/1", after=["event:x", "a"])]
    result = h.once_jobs(jobs)
    assert result.rc == EXIT_CONFIG
    assert "these jobs wait for each other, so that none could start: a -> b -> c -> a" in result.stderr
    assert asked(server) == []


@pytest.mark.parametrize("keys, words", [
    ({"after": "geoipp"}, 'after "geoipp" is no job: did you mean "geoip"?'),
    ({"after": "zzzzzzzz"}, 'after "zzzzzzzz" is no job of this configuration'),
    ({"after": "1 2"}, '"1 2" names no job and no event: the name must begin with a letter or _'),
    ({"after": "event:"}, '"event:" names no job and no event'),
    ({"after": "7"}, 'after "7" is an id: jobs of a configuration are named by their names'),
    ({"after-failed": "event:x"}, "names an event, which cannot fail"),
    ({"after": "geoip", "after-failed": "geoip"}, '"geoip" stands in after and in after-failed'),
    ({"after": "self"}, "these jobs wait for each other, so that none could start: self -> self"),
])
def test_a_configuration_that_cannot_be(h, server, keys, words):
    result = h.once_jobs([job(server, "geoip", "/ok/1"), job(server, "self", "/ok/1", **keys)])
    assert result.rc == EXIT_CONFIG and words in result.stderr, result.stderr


def test_an_event_without_a_service(h, server):
    result = h.once_jobs([job(server, "a", "/ok/1", after="event:go")])
    assert result.rc == EXIT_CONFIG
    assert 'after "event:go" is for a service: with --once nobody could set the event' in result.stderr


def test_what_add_refuses(serve, server):
    s = serve()
    c = s.client()
    error = c.refused("add", jobs=[job(server, "a", "/ok/1", after="b"), job(server, "b", "/ok/1", after="a")])
    assert error.word == "invalid-params" and error.text.endswith("a -> b -> a")
    error = c.refused("add", jobs=[job(server, "a", "/ok/1"), job(server, "b", "/ok/1", after=["a", "nobody"])])
    assert error.word == "no-such-job" and 'jobs[1]: after "nobody" names no job' in error.text
    alone = s.ctl("add", server.url("/ok/1"), "--after", "nobody")
    assert alone.rc == 3 and alone.err == 'haulctl: after "nobody" names no job: there is none of that name\n', alone
    error = c.refused("add", jobs=[job(server, "a", "/ok/1", **{"after-failed": "4711"})])
    assert error.word == "no-such-job" and '"4711"' in error.text
    assert c.list_all() == [] and asked(server) == []


# ---- in a service

def test_jobs_of_one_request_by_name_and_others_by_id(serve, server):
    s = serve()
    c = s.client()
    b, a = c.add(job(server, "b", "/ok/1", after="a"), job(server, "a", "/ok/1", after="event:go"))
    (third,) = c.add(job(server, "third", "/ok/1", after=[str(b), "a"]))
    assert c.show(third)["why"] in ("after:%d" % b, "after:a")
    c.call("event", set="go")
    assert c.wait_job(third)["state"] == "done"
    assert asked(server) == ["a", "b", "third"]
    done = s.ctl("add", "--after", "a", "--after", b, server.url("/ok/1?ord-x1"), server.url("/ok/2?ord-x2"))
    assert done.rc == 0, done
    assert s.ctl("wait", *done.out.split()).rc == 0


def test_why_and_where_it_waits(serve, server):
    s = serve()
    c = s.client()
    c.add(endless(server, "slow"))
    ids = c.add(job(server, "after", "/ok/1", after=["slow"]), job(server, "spare", "/ok/1", **{"after-failed": ["slow"]}),
                job(server, "go", "/ok/1", after=["event:go"]))
    shown = [c.show(i) for i in ids]
    assert [(x["state"], x["why"]) for x in shown] == [
        ("blocked", "after:slow"), ("blocked", "after-failed:slow"), ("blocked", "event:go")]
    assert "after:slow" in s.ctl("list").out
    said = [s.ctl("why", name).out for name in ("after", "spare", "go")]
    assert "it begins when job " in said[0] and "slow" in said[0], said
    assert "it stands in for job " in said[1] and "begins if that one fails" in said[1], said
    assert "it begins when the event go is set" in said[2], said
    c.call("cancel", jobs=["slow", "go"])
    assert code(c.wait_job("after")) == ("failed", "dependency-failed")
    assert c.show("after")["reason"].startswith('"slow" was cancelled')
    assert c.show("after")["failed_attempts"] == [] and "attempt" not in s.ctl("show", "after").out # none was made
    # cancelled by a user: that starts no fall-back
    assert code(c.wait_job("spare")) == ("cancelled", "not-needed")
    assert s.ctl("wait", "spare").rc == 0 and s.ctl("wait", "after").rc == 1 and s.ctl("wait", "slow").rc == 8


def test_retry_of_the_first_and_then_of_the_second(serve, server):
    s = serve()
    c = s.client()
    c.add(job(server, "a", "/flaky/1/10"), job(server, "b", "/ok/1", after="a"), job(server, "c", "/ok/1", after="b"))
    assert code(c.wait_job("c")) == ("failed", "dependency-failed")
    # one whose dependency has not been retried fails again
    c.call("retry", job="b")
    assert code(c.wait_job("b")) == ("failed", "dependency-failed")
    # all of them, in whatever order they are named
    c.call("retry", jobs=["c", "b", "a"])
    assert c.wait_job("c")["state"] == "done"
    assert asked(server) == ["a", "a", "b", "c"]


def test_one_failure_mended_does_not_hide_the_other(serve, server):
    """All in one request, so that the dependent is still about to end for the first of them."""
    s = serve()
    c = s.client()
    c.add(job(server, "p", "/status/404"), job(server, "q", "/status/404"), job(server, "both", "/ok/1", after=["p", "q"]))
    c.wait_job("both")
    c.wait_job("q")
    c.call("retry", jobs=["both", "p"])
    shown = c.wait_job("both")
    assert code(shown) == ("failed", "dependency-failed") and shown["reason"].startswith('"q" failed'), shown


def test_a_dependency_that_is_paused_and_a_dependent_that_is(serve, server):
    s = serve()
    c = s.client()
    c.add(job(server, "gate", "/ok/1", paused=True), job(server, "next", "/ok/1", after="gate"),
          job(server, "far", "/ok/1", after="next"), job(server, "spare", "/ok/1", **{"after-failed": "gate"}))
    c.call("pause", jobs=["far", "spare"])
    c.call("resume", job="gate")
    assert c.wait_job("next")["state"] == "done"
    # what can never begin ends, paused or not; what may is left alone
    assert code(c.wait_job("spare")) == ("cancelled", "not-needed")
    assert c.show("far")["state"] == "paused"
    c.call("resume", job="far")
    assert c.wait_job("far")["state"] == "done"
    assert asked(server) == ["gate", "next", "far"]


def test_one_that_ended_long_ago_counts_by_its_result(serve, server):
    """1100 jobs later neither is in memory any more."""
    s = serve()
    c = s.client()
    good, bad = c.add(job(server, "good", "/ok/1"), job(server, "bad", "/status/404"))
    for i in (good, bad):
        c.wait_job(i)
    many = c.add(*[{"url": server.url("/ok/1?ordmany"), "output": "m%d" % i} for i in range(1100)])
    for k in range(0, 1100, 500):
        c.call("wait", jobs=many[k:k + 500], timeout=120)
    ids = c.add(job(server, "n1", "/ok/1", after="good"), job(server, "n2", "/ok/1", after=str(good)),
                job(server, "f1", "/ok/1", after=["bad"]), job(server, "f2", "/ok/1", **{"after-failed": [str(bad)]}))
    c.call("wait", jobs=ids, timeout=60)
    assert [code(c.show(i)) for i in ids] == [("done", "done"), ("done", "done"), ("failed", "dependency-failed"),
                                              ("done", "done")]
    assert '"bad" failed: http-404' in c.show("f1")["reason"]


def test_who_goes_while_the_history_is_asked_leaves_the_question(serve, server):
    """The next one that waits for an old job asks when that is answered."""
    s = serve()
    c = s.client()
    c.add(job(server, "good", "/ok/1"), job(server, "bad", "/status/404"))
    many = c.add(*[{"url": server.url("/ok/1?ordgoes"), "output": "m%d" % i} for i in range(1100)])
    for k in range(0, 1100, 500):
        c.call("wait", jobs=many[k:k + 500], timeout=60)
    c.show("good") # so that the reader runs
    reader = children_named(s.pid, "hauld-store")[1]
    os.kill(reader, signal.SIGSTOP)
    try:
        gone, = c.add(job(server, "gone", "/ok/1", after="good"))
        assert c.call("cancel", jobs=[gone])["jobs"][0]["state"] == "cancelled"
        stays, = c.add(job(server, "stays", "/ok/1", after="bad"))
        assert c.show(stays)["state"] == "blocked"
    finally:
        os.kill(reader, signal.SIGCONT)
    assert code(c.wait_job(stays)) == ("failed", "dependency-failed")


def test_one_that_was_removed(serve, server):
    s = serve()
    c = s.client()
    c.add(job(server, "a", "/status/404"), job(server, "b", "/ok/1", after="a"), job(server, "x", "/status/404"),
          job(server, "y", "/flaky/1/10", **{"after-failed": "x"}))
    c.wait_job("b")
    c.wait_job("y")
    c.call("remove", jobs=["a", "x"])
    # it never began: nobody knows how the other was
    c.call("retry", job="b")
    shown = c.wait_job("b")
    assert code(shown) == ("failed", "dependency-failed")
    assert 'there is no job "a" any more' in shown["reason"]
    # this one had begun, so that was as it should be
    c.call("retry", job="y")
    shown = c.wait_job("y")
    assert shown["state"] == "done", shown
    assert c.refused("add", job=job(server, "z", "/ok/1", after="a")).word == "no-such-job"


def test_names_that_came_to_mean_another_job(serve, server):
    """a goes, and a new a waits for what once waited for the old one."""
    s = serve()
    c = s.client()
    c.add(job(server, "a", "/ok/1"), job(server, "x", "/status/404", after="a"))
    c.wait_job("x")
    c.call("remove", job="a")
    c.add(job(server, "a", "/ok/1", after="x"))
    c.wait_job("a")
    c.call("retry", jobs=["a", "x"])
    shown = c.wait_job("x")
    assert code(shown) == ("failed", "dependency-failed")
    assert shown["reason"].startswith("these jobs wait for each other: ")
    assert code(c.wait_job("a")) == ("failed", "dependency-failed")


def test_a_reload_changes_what_is_waited_for(serve, server):
    config = {"jobs": [endless(server, "base"), job(server, "next", "/ok/1", after="base")]}
    s = serve(config)
    c = s.client()
    c.add(job(server, "mine", "/ok/1", after="base"), job(server, "mine2", "/ok/1", after="next"))
    c.wait_state("base", "active")
    config["jobs"][0] = job(server, "base", "/ok/2")
    assert s.reload(config)["changed"] == 1
    for name in ("base", "next", "mine", "mine2"):
        assert c.wait_job(name)["state"] == "done", c.show(name)
    # one that the configuration wants no more
    config = {"jobs": [endless(server, "base", priority=1), config["jobs"][1]]}
    s.reload(config)
    c.add(job(server, "lost", "/ok/1", after="base"))
    s.reload({"jobs": []})
    shown = c.wait_job("lost")
    assert code(shown) == ("failed", "dependency-failed") and 'there is no job "base" any more' in shown["reason"]


def test_a_cycle_is_refused_at_reload_and_nothing_changes(serve, server):
    config = {"jobs": [job(server, "a", "/ok/1", paused=True), job(server, "b", "/ok/1", after="a")]}
    s = serve(config)
    c = s.client()
    s.write_config({"jobs": [job(server, "a", "/ok/1", paused=True, after="b"), config["jobs"][1]]})
    error = c.refused("reload")
    assert error.word == "configuration" and "a -> b -> a" in str(error.data["errors"])
    assert [j["state"] for j in c.list_all()] == ["paused", "blocked"]


# ---- events

def test_events(serve, server):
    s = serve()
    c = s.client()
    ids = c.add(*[job(server, "e%d" % i, "/ok/1", after=["event:go"]) for i in range(3)])
    assert c.call("event") == {"events": [{"name": "go", "set": False, "waiting": 3, "jobs": ids}], "sampled": False}
    assert s.ctl("event").out.split() == ["EVENT", "STATE", "WAITING", "JOBS", "go", "clear", "3", *map(str, ids)]
    assert asked(server) == []
    assert s.ctl("event", "set", "go").rc == 0
    c.call("wait", jobs=ids)
    assert sorted(asked(server)) == ["e0", "e1", "e2"]
    # it stays set, for those that come
    assert c.wait_job(c.add(job(server, "e3", "/ok/1", after="event:go"))[0])["state"] == "done"
    assert c.call("event")["events"] == [{"name": "go", "set": True, "waiting": 0, "jobs": []}]
    c.call("event", clear="go")
    assert c.call("event")["events"] == []
    (last,) = c.add(job(server, "e4", "/ok/1", after="event:go"))
    assert c.show(last)["why"] == "event:go"


def test_all_must_hold_at_one_time(serve, server):
    """An event that was set and cleared meanwhile does not count."""
    s = serve()
    c = s.client()
    (i,) = c.add(job(server, "both", "/ok/1", after=["event:x", "event:y"]))
    c.call("event", set="x")
    assert c.show(i)["why"] == "event:y"
    c.call("event", clear="x")
    c.call("event", set="y")
    assert c.show(i)["why"] == "event:x" and asked(server) == []
    c.call("event", set="x")
    assert c.wait_job(i)["state"] == "done"


@pytest.mark.parametrize("params", [{"set": 1}, {"set": ""}, {"set": "a b"}, {"set": "1x"}, {"clear": "x" * 129},
                                    {"set": "a", "clear": "b"}, {"set": ["a"]}])
def test_no_event(serve, params):
    assert serve().client().refused("event", **params).word == "invalid-params"


def test_what_haulctl_event_refuses(serve):
    s = serve()
    for words in (["set"], ["put", "x"], ["x"], ["set", "7up"], ["set", "a", "b"]):
        done = s.ctl("event", *words)
        assert done.rc == 2 and done.out == "", done
    done = s.ctl("event")
    assert (done.rc, done.err) == (0, "haulctl: no event is set, and no job waits for one\n")
    assert s.ctl("event", "set", "x").rc == 0
    assert s.ctl("--json", "event").lines == [{"events": [{"name": "x", "set": True, "waiting": 0, "jobs": []}], "sampled": False}]


# ---- restarts

def test_over_kill_9(serve, server):
    config = {"jobs": [job(server, "conf", "/ok/1", after=["slow"]), job(server, "slow", "/delay/0.4/1", after=[])]}
    del config["jobs"][1]["after"]
    s = serve(config)
    c = s.client()
    c.add(job(server, "done", "/ok/1"))
    c.wait_job("done")
    c.add(job(server, "a", "/ok/1", after=["b", "done"]), job(server, "b", "/ok/1", after="event:go"),
          job(server, "far", "/ok/1", after=["a", "slow"]), job(server, "fall", "/ok/1", **{"after-failed": "gone"}),
          job(server, "gone", "/status/404", after="event:set"), job(server, "kept", "/ok/1", after=["done", "event:go"]))
    c.call("event", set="set")
    assert c.wait_job("fall")["state"] == "done"
    c.call("remove", job="done")
    os.kill(s.pid, signal.SIGKILL)
    assert s.wait_exit() == -signal.SIGKILL
    with s.start().client() as c:
        assert [e["name"] for e in c.call("event")["events"] if e["set"]] == ["set"]
        assert c.show("a")["why"] == "after:b" and c.show("kept")["why"] == "event:go"
        c.call("event", set="go")
        for name in ("far", "conf", "kept"):
            assert c.wait_job(name)["state"] == "done", c.show(name)
        assert code(c.show("gone")) == ("failed", "http-404")
        order = asked(server)
        assert order.index("b") < order.index("a") < order.index("far")


def test_an_interrupted_dependency_changes_nothing(serve, server):
    s = serve()
    c = s.client()
    c.add(endless(server, "a"), job(server, "b", "/ok/1", after="a"))
    c.wait_state("a", "active")
    s.stop()
    with s.start().client() as c:
        assert c.show("b")["why"] == "after:a"
        c.call("cancel", job="a")
        assert code(c.wait_job("b")) == ("failed", "dependency-failed")


@pytest.mark.slow
@asked_again
def test_many_dependents_of_one_job(serve, server):
    """Told some in each turn: nothing waits for that."""
    s = serve()
    c = s.client()
    c.add(job(server, "one", "/ok/1", after="event:go"))
    for k in range(20):
        c.add(*[{"url": server.url("/ok/1"), "output": "d%d" % i, "after": ["one", "event:never"]}
                for i in range(k * 1000, k * 1000 + 1000)])
    assert c.call("status")["jobs"]["blocked"] == 20001
    c.call("event", set="go")
    c.wait_job("one")
    wait_until(lambda: c.show(20000)["why"] == "event:never", 60)
    waiting = {e["name"]: e["waiting"] for e in c.call("event")["events"]}
    assert waiting == {"go": 0, "never": 20000}
    assert_never_late(c)


def test_a_list_of_events_has_a_bound(serve, server):
    """However many are waited for: the answer is of some, in a moment, and the client is not let go."""
    s = serve()
    with s.client() as c:
        for k in range(3):
            c.add(*[job(server, "bound-%d-%d" % (k, i), "/ok/1", after="event:" + "e" * 90 + "%d-%d" % (k, i)) for i in range(1000)])
        told = c.call("event")
        assert len(told["events"]) == 2000 and told["sampled"]
        assert "there are more" in s.ctl("event").err
        c.call("cancel", all=True)
        for k in range(12): # many that wait for one
            c.add(*[job(server, "one-%d-%d" % (k, i), "/ok/1", after="event:all") for i in range(2000)])
        told = c.call("event")
        assert [e["name"] for e in told["events"]] == ["all"] and told["sampled"]
        assert told["events"][0]["waiting"] == 20000 and len(told["events"][0]["jobs"]) == 20
        c.call("cancel", all=True, timeout=60)


# ---- what has begun has passed, in each later life

@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_job_that_has_begun_does_not_wait_again(serve, server, number):
    """Its event is cleared, and what it came after has failed since: that is nothing to it, whether hauld
    is killed or not."""
    s, tag = serve(), "passed-%d" % number
    with s.client() as c:
        c.add(job(server, "first", "/condition/10", cron="0 0 29 2 *"), job(server, "waits", "/ok/10", after=["event:go", "event:never"]),
              job(server, "goes", "/gate/100000/50000?gate=order-%s&y=" % tag, after=["event:go", "first"], retry=5))
        c.call("run", jobs=["first"])
        c.call("event", set="go")
        c.wait_job("first")
        c.wait_state("goes", "active", "download")
        c.call("event", clear="go")
        c.call("set", jobs=["first"], set={"url": server.url("/status/404?order-" + tag)})
        c.call("run", jobs=["first"])
        assert c.wait_job("first")["code"] == "http-404"
        assert c.show("goes")["state"] == "active"
    s.signal(number)
    s.wait_exit()
    s.start()
    with s.client() as c:
        assert (c.show("waits")["state"], c.show("waits")["why"]) == ("blocked", "event:go")
        server.open("order-" + tag)
        assert c.wait_job("goes")["state"] == "done"
        c.call("cancel", jobs=["waits"])
    s.stop()
    with sqlite3.connect(os.path.join(s.state, "jobs.db")) as db:
        assert [key for key, in db.execute("SELECT key FROM note")] == []
    db.close()
