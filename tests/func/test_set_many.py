"""set for the jobs that filters choose: some in each request, each that can be; and who may set
where a job's secrets go."""

import os

import pytest
from lateness import asked_again, assert_never_late
from test_control import as_other, needs_root, reachable # noqa: F401
from waiting import wait_until


def stalled(server, output, **keys):
    return {"url": server.url("/stall/1M/64K?many-" + output), "output": output, "stall-timeout": "1h", "fsync": "off", **keys}


def set_all(c, **params):
    """All requests that it takes: the answers."""
    answers, after = [], 0
    while after is not None:
        answers.append(c.call("set", after=after, **params))
        after = answers[-1]["next"]
    return answers


def with_priority(c, n):
    return sorted(j["output"].rsplit("/", 1)[1] for j in c.call("list", limit=1000)["jobs"] if j["priority"] == n)


def test_by_group_state_name_and_url(serve, server):
    s = serve({"groups": [{"name": "g"}, {"name": "h"}],
               "jobs": [stalled(server, "conf", name="conf", group="g")]}, max_concurrent_downloads=1)
    with s.client() as c:
        c.wait_state("conf", "active", "download")
        one, two = c.add(stalled(server, "one", group="g", name="n-one"), stalled(server, "two", group="g"))
        other, = c.add(stalled(server, "other", group="h", name="n-other", paused=True))
        gone, = c.add(stalled(server, "gone", group="g"))
        c.call("cancel", job=gone)
        answer, = set_all(c, group="g", set={"priority": 3})
        assert answer["changed"] == 2 and answer["refused"] == 1
        assert "change the file, and reload" in answer["reason"]
        assert with_priority(c, 3) == ["one", "two"]
        for params, names in (({"state": ["paused"]}, ["other"]), ({"name": "n-*"}, ["one", "other"]),
                              ({"url": "*many-two*"}, []), ({"url": "*/stall/*", "group": "h"}, ["other"]),
                              ({"output": "*/two"}, ["two"])):
            set_all(c, set={"priority": 7}, **params)
            assert with_priority(c, 7) == names, params
            set_all(c, all=True, set={"priority": None})
            assert with_priority(c, 7) == []
        for params, word in (({"group": "none"}, "no-such-job"), ({"state": ["late"]}, "invalid-params"),
                             ({"all": True, "job": one}, "invalid-params"), ({"all": 1}, "invalid-params"), ({}, "invalid-params"),
                             ({"all": True, "after": -1}, "invalid-params"), ({"name": 5}, "invalid-params")):
            assert c.refused("set", set={"priority": 1}, **params).word == word, params
        # what is wrong is told before anything is changed
        assert "limit-rate" in c.refused("set", all=True, set={"limit-rate": "fast"}).text
        assert c.show(two)["settings"].get("limit-rate") is None and c.show(other)["state"] == "paused"


def test_haulctl_takes_filters(serve, server):
    s = serve({"groups": [{"name": "g"}], "jobs": [stalled(server, "conf", name="conf")]})
    with s.client() as c:
        c.add(*[stalled(server, "f%d" % i, group="g") for i in range(3)])
        done = s.ctl("set", "--group", "g", "--priority", "4")
        assert (done.rc, done.out) == (0, "3 set\n") and with_priority(c, 4) == ["f0", "f1", "f2"]
        done = s.ctl("set", "--all", "--state", "active,queued", "--retry", "1")
        assert done.rc == 7 and done.out == "3 set\n" and "1 stays as it is: job 1 cannot be set" in done.err, done
        assert s.ctl("set", "--url-like", "*many-f1*", "--output-like", "*/f1", "--priority", "5").out == "0 set\n"
        assert s.ctl("set", "--output-like", "*/f1", "--priority", "5").rc == 0 and with_priority(c, 5) == ["f1"]
        for words in (["--priority", "5"], ["--group", "g"], ["2", "--group", "g", "--priority", "5"]):
            assert s.ctl("set", *words).rc == 2


@asked_again
def test_ten_thousand_of_them_and_nobody_waits(serve, server):
    s = serve({"groups": [{"name": "g", "paused": True}]})
    with s.client() as c:
        for i in range(10):
            c.add(*[stalled(server, "f%d-%d" % (i, k), group="g") for k in range(1000)])
        answers = set_all(c, group="g", set={"priority": 2, "retry": 9})
        assert sum(a["changed"] for a in answers) == 10000 and max(a["changed"] for a in answers) <= 100
        # among those that are not meant each request looks at some, too
        answers = set_all(c, name="nobody", set={"priority": 3})
        assert sum(a["changed"] for a in answers) == 0 and answers[-1]["next"] is None
        assert_never_late(c)
        assert c.show(10000)["priority"] == 2
        s.signal(9)
        s.wait_exit()
    with s.start().client() as c: # what was answered is kept
        assert {c.show(i)["settings"]["retry"] for i in (1, 5000, 10000)} == {9}


@needs_root
@pytest.mark.parametrize("keys", [{"proxy": "http://127.0.0.1:1"}, {"noproxy": "*"}, {"cacert": "/etc/ssl/certs/ca-certificates.crt"}],
                         ids=lambda k: sorted(k)[0])
def test_where_secrets_go_is_for_who_added_it(serve, server, reachable, keys): # noqa: F811
    s = serve(control_policy="operate")
    os.chmod(s.socket, 0o666)
    key, = keys

    def ask(method, **params):
        def call(c):
            try:
                return c.call(method, **params)
            except Exception as error:
                return [error.word, error.text]
        return as_other(s, call)
    with s.client() as c:
        roots, = c.add(stalled(server, "roots"))
        theirs = ask("add", job=stalled(server, "theirs"))["jobs"][0]["id"]
        word, text = ask("set", job=roots, set=keys)
        assert word == "permission-denied" and text.startswith("job %d is not one of uid 54321's: %s is for who added it" % (roots, key))
        assert ask("set", job=roots, set={"priority": 3})["jobs"][0]["priority"] == 3
        answer = ask("set", all=True, set=keys) # each that can be
        assert (answer["changed"], answer["refused"]) == (1, 1) and key in answer["reason"]
        assert key in c.show(theirs)["settings"] and key not in c.show(roots)["settings"]
        c.call("set", jobs=[roots, theirs], set={key: None}) # root may
        assert key not in c.show(theirs)["settings"]


@needs_root
def test_who_may_only_submit_sets_his_own(serve, server, reachable): # noqa: F811
    s = serve(control_policy="submit")
    os.chmod(s.socket, 0o666)
    with s.client() as c:
        c.add(stalled(server, "roots"))
        as_other(s, lambda c: c.call("add", job=stalled(server, "theirs")))
        answer = as_other(s, lambda c: c.call("set", all=True, set={"priority": 6}))
        assert (answer["changed"], answer["refused"], with_priority(c, 6)) == (1, 0, ["theirs"])


def test_a_proxy_that_is_set_is_asked_by_the_next_request(serve, server):
    s = serve()
    with s.client() as c:
        job, = c.add({"url": "http://many.far.test/ok/1000?many-proxy", "output": "x", "retry": 5, "retry-on": "*",
                      "proxy": "http://127.0.0.1:1", "retry-delay": "30s"})
        wait_until(lambda: c.show(job)["attempts"] and c.show(job)["state"] == "blocked")
        c.call("set", job=job, set={"proxy": server.url("").rstrip("/")})
        c.call("pause", job=job) # so that it does not wait for its time
        c.call("resume", job=job)
        wait_until(lambda: c.show(job)["state"] == "done", 90)
        assert [r for r in server.requests() if "many-proxy" in r["path"]]
        assert s.published() == ["x"]
