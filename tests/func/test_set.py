"""set: other settings for jobs that are there, durable, and with effect."""

import hashlib
import json
import signal
import time

import pytest
from bodies import body, digest
from service import RpcError
from test_rate import rates
from waiting import wait_until

MIB = 1 << 20


def job(url, output, **keys):
    return {"url": url, "output": output, "fsync": "off", "stall-timeout": "1h", **keys}


def stalled(server, output, **keys):
    return job(server.url("/stall/1M/64K?set-" + output), output, **keys)


def asked(server, part):
    return [r["path"] for r in server.requests() if part in r["path"]]


def killed(s):
    s.signal(signal.SIGKILL)
    s.wait_exit()
    s.start()


def change(c, ids, **keys):
    return c.call("set", jobs=ids if isinstance(ids, list) else [ids], set=keys)["jobs"]


# ---- limit-rate, priority, deadline

def test_limit_rate_of_a_job_that_runs(serve, server):
    s = serve()
    with s.client() as c:
        one, = c.add(job(server.url("/ok/4M?set-rate"), "one", **{"limit-rate": 1}))
        c.wait_state(one, "active", "download")
        assert change(c, one, **{"limit-rate": "100M"})[0]["id"] == one
        assert c.wait_job(one)["state"] == "done" # seven weeks else
    assert len(asked(server, "set-rate")) == 1


@pytest.mark.slow
def test_a_job_without_a_limit_gets_one(serve, server):
    s = serve(max_overall_download_limit="20M")
    with s.client() as c:
        one, = c.add(job(server.url("/ok/1G?set-gets"), "one"))
        c.wait_state(one, "active", "download")
        assert s.ctl("limit", str(one), "1M").rc == 0
        rates(s, c, [one], 1) # the second after which it holds
        rate = rates(s, c, [one], 3)[one]
        assert rate.is_within(0.8 * MIB, 1.2 * MIB), rate
        c.call("cancel", job=one)


def test_priority_of_queued_jobs(serve, server):
    s = serve(max_concurrent_downloads=1)
    with s.client() as c:
        first, = c.add(stalled(server, "first"))
        c.wait_state(first, "active", "download")
        ids = c.add(*[job(server.url("/ok/1000?set-p%d" % i), "p%d" % i) for i in range(4)])
        change(c, ids[3], priority=10)
        change(c, ids[1:3], priority=-5)
        assert [c.show(i)["settings"]["priority"] for i in (ids[3], ids[1])] == [10, -5]
        c.call("cancel", job=first)
        for i in ids:
            assert c.wait_job(i)["state"] == "done"
    assert asked(server, "set-p") == ["/ok/1000?set-p%d" % i for i in (3, 0, 1, 2)]


def test_deadline_moves_and_goes(serve, server):
    s = serve()
    with s.client() as c:
        a, b, d = c.add(stalled(server, "a", deadline="1h"), stalled(server, "b"), stalled(server, "d", deadline="6s"))
        change(c, d, deadline=None)
        change(c, [a, b], deadline="1s")
        for i in (a, b):
            ended = c.wait_job(i)
            assert (ended["state"], ended["code"]) == ("failed", "deadline"), ended
        wait_until(lambda: time.time() - c.show(d)["added"] > 6.5)
        assert c.show(d)["state"] == "active"
        c.call("cancel", job=d)


# ---- url

def test_url_of_a_queued_job(serve, server):
    s = serve(max_concurrent_downloads=1)
    with s.client() as c:
        first, = c.add(stalled(server, "first"))
        c.wait_state(first, "active", "download")
        one, = c.add(job(server.url("/ok/1000?set-old"), "one"))
        change(c, one, url=server.url("/ok/2000?set-new", "127.0.0.2"))
        c.call("cancel", job=first)
        assert c.wait_job(one)["state"] == "done"
    assert asked(server, "set-old") == [] and len(asked(server, "set-new")) == 1
    assert s.read("one") == body(2000)


def test_url_of_a_job_that_waits_for_its_retry(serve, server):
    """It would begin anew in an hour."""
    s = serve()
    with s.client() as c:
        one, = c.add(job(server.url("/status/503?set-bad"), "one", retry=5, **{"retry-delay": "1h", "retry-max-delay": "1h"}))
        c.wait_state(one, "blocked", why="retry-at")
        change(c, one, url=[server.url("/ok/3000?set-good"), server.url("/ok/3000?set-mirror", "127.0.0.2")])
        assert c.wait_job(one)["state"] == "done"
    assert len(asked(server, "set-bad")) == 1 and len(asked(server, "set-good")) == 1 and asked(server, "set-mirror") == []
    assert s.read("one") == body(3000)


@pytest.mark.parametrize("how, ranged", [("query", True), ("elsewhere", False), ("checksum", True)])
def test_a_transfer_that_runs_goes_on_and_the_rest_comes_from_the_new_url(serve, server, how, ranged):
    """The first answer is cut after 384 KiB.  A url that was signed anew is of the same file; of
    one elsewhere only a checksum will tell."""
    keys = {"limit-rate": "60K", "retry": 3, "retry-delay": "10ms"}
    if how == "checksum":
        keys["checksum"] = digest(body(3 << 20))
    s = serve()
    with s.client() as c:
        one, = c.add(job(server.url("/cut/3M/1?key=set-%s&sign=1" % how), "one", **keys))
        c.wait_state(one, "active", "download")
        wait_until(lambda: c.show(one)["received"] > 60 << 10)
        change(c, one, url=server.url("/cut/3M/1?key=set-%s&sign=2" % how, "127.0.0.1" if how == "query" else "127.0.0.2"))
        assert c.show(one)["received"] > 60 << 10 and len(asked(server, "set-" + how)) == 1
        change(c, one, **{"limit-rate": 0})
        assert c.wait_job(one)["state"] == "done"
    paths = [(r["path"][-1], dict(r["headers"]).get("Range")) for r in server.requests() if "set-" + how in r["path"]]
    assert paths == [("1", None), ("2", "bytes=393216-" if ranged else None)], paths
    assert s.read("one") == body(3 << 20)


def test_what_came_from_elsewhere_is_not_gone_on_with(serve, server, keep):
    """Nothing proves that it is the same file: a new generation, from its first byte."""
    name = keep(body(900000, 7))
    s = serve()
    with s.client() as c:
        one, = c.add(job(server.url("/ok/900K?set-strange", "127.0.0.3"), "one", **{"limit-rate": "200K", "fsync": "full"}))
        c.wait_state(one, "active", "download")
        wait_until(lambda: c.show(one)["received"] > 300 << 10)
        change(c, one, url=server.url("/file/" + name))
        c.call("pause", job=one)
        change(c, one, **{"limit-rate": None})
        c.call("resume", job=one)
        assert c.wait_job(one)["state"] == "done"
    assert s.read("one") == body(900000, 7)
    assert all("Range" not in dict(r["headers"]) for r in server.requests() if name in r["path"])


def test_what_came_is_gone_on_with_where_it_came_from(serve, server):
    """Another source before the one that it has: what there is of it is not the other's, whatever that says of itself."""
    s, first = serve(), server.url("/held/4M/1M/1?key=set-before&etag=")
    other = server.url("/held/4M/1M/0?key=set-before-other&etag=&seed=another", "127.0.0.2")
    with s.client() as c:
        one, = c.add(job(first, "one", **{"stall-timeout": "2s", "retry": 3}))
        wait_until(lambda: c.show(one)["received"] == 1 << 20)
        change(c, one, url=[other, first])
        assert c.wait_job(one)["state"] == "done"
    assert s.read("one") == body(4 << 20)
    ranges = [dict(r["headers"]).get("Range") for r in server.requests("/held/") if "set-before" in r["path"]]
    assert ranges == [None, "bytes=1048576-"] and asked(server, "set-before-other") == [], ranges


def test_what_comes_of_a_request_to_the_old_url_is_not_gone_on_with(serve, server):
    """The request is on its way, and nothing has come of it, as the job is set to another file."""
    s = serve()
    with s.client() as c:
        one, = c.add(job(server.url("/late-held/4M/1M/9?gate=set-late&key=set-late&etag="), "one", **{"stall-timeout": "2s", "retry": 3}))
        wait_until(lambda: asked(server, "set-late"))
        change(c, one, url=server.url("/held/4M/1M/0?key=set-late-other&etag=&seed=another", "127.0.0.2"))
        server.open("set-late")
        assert c.wait_job(one)["state"] == "done"
    assert s.read("one") == body(4 << 20, "another")


def test_a_paused_job_goes_on_from_the_new_url(serve, server):
    """The same file under another query, and its validators say so."""
    s = serve()
    with s.client() as c:
        one, = c.add(job(server.url("/ok/2M?set-sig=1"), "one", **{"limit-rate": "300K", "fsync": "full"}))
        c.wait_state(one, "active", "download")
        wait_until(lambda: c.show(one)["received"] > 384 << 10)
        c.call("pause", job=one)
        change(c, one, **{"url": server.url("/ok/2M?set-sig=2"), "limit-rate": 0})
        c.call("resume", job=one)
        assert c.wait_job(one)["state"] == "done"
    paths = [(r["path"], dict(r["headers"]).get("Range")) for r in server.requests() if "set-sig" in r["path"]]
    assert [p for p, _ in paths] == ["/ok/2M?set-sig=1", "/ok/2M?set-sig=2"] and paths[1][1], paths
    assert s.read("one") == body(2 << 20)


def test_a_paused_job_begins_anew_at_a_url_elsewhere(serve, server):
    """Size and validators of the other file are the same; nothing proves that it is."""
    s = serve()
    with s.client() as c:
        one, = c.add(job(server.url("/held/4M/1M/9?key=set-paused&etag=", "127.0.0.3"), "one"))
        wait_until(lambda: c.show(one)["received"] == 1 << 20)
        c.call("pause", job=one)
        c.wait_state(one, "paused")
        change(c, one, url=server.url("/held/4M/1M/0?key=set-paused-other&etag=&seed=another", "127.0.0.2"))
        c.call("resume", job=one)
        assert c.wait_job(one)["state"] == "done"
    assert s.read("one") == body(4 << 20, "another")
    assert [dict(r["headers"]).get("Range") for r in server.requests("/held/") if "set-paused-other" in r["path"]] == [None]


@pytest.mark.parametrize("when", ["request", "paused", "next-life"])
def test_a_checksum_that_is_taken_away_takes_what_came_from_elsewhere_with_it(serve, server, when):
    """With one a part goes on at any url, for it judges the whole; without, it would be half of each file."""
    key, upto = "set-mixed-" + when, "128K" if when != "paused" else "1M"
    other = server.url("/%s/4M/1M/%d?key=%s-other&gate=%s&etag=&seed=another" % (
        "late-held" if when == "request" else "held", when == "next-life" or when == "paused", key, key), "127.0.0.2")
    s = serve()
    with s.client() as c:
        one, = c.add(job(server.url("/held/4M/%s/9?key=%s&etag=" % (upto, key), "127.0.0.3"), "one", retry=3,
                         checksum=digest(b"of neither"), **{"fsync": "full", "stall-timeout": "2s"}))
        wait_until(lambda: c.show(one)["received"] == (128 << 10 if upto == "128K" else MIB))
        if when == "paused":
            c.call("pause", job=one)
            c.wait_state(one, "paused")
        change(c, one, url=other, **({} if when == "request" else {"stall-timeout": "1h"}))
        if when == "paused":
            c.call("resume", job=one)
        wait_until(lambda: any("Range" in dict(r["headers"]) for r in server.requests() if key + "-other" in r["path"]))
        if when != "request":
            wait_until(lambda: c.show(one)["state"] == "active" and c.show(one)["received"] >= MIB)
        if when == "next-life":
            c.call("pause", job=one)
            c.wait_state(one, "paused")
            killed(s)
    with s.client() as c:
        change(c, one, checksum=None)
        if when == "next-life":
            c.call("resume", job=one)
        if when == "request":
            server.open(key)
        assert c.wait_job(one)["state"] == "done"
    assert s.read("one") == body(4 << 20, "another")


# ---- checksum

@pytest.mark.parametrize("old", [None, "md5"])
@pytest.mark.parametrize("right", [True, False])
def test_checksum_of_a_job_that_runs(serve, server, old, right):
    """Whatever was computed so far: the new one is of all bytes, and none is fetched twice."""
    data, keys = body(2 << 20), {"limit-rate": "300K", "fsync": "full", "retry": 0}
    if old:
        keys["checksum"] = "md5:" + hashlib.md5(b"something else").hexdigest()
    s = serve()
    with s.client() as c:
        one, = c.add(job(server.url("/ok/2M?set-sum-%s-%s" % (old, right)), "one", **keys))
        c.wait_state(one, "active", "download")
        wait_until(lambda: c.show(one)["received"] > 384 << 10)
        change(c, one, **{"checksum": digest(data if right else data + b"."), "limit-rate": 0})
        ended = c.wait_job(one)
        if right:
            assert ended["state"] == "done", ended
            assert s.read("one") == data and c.show(one)["receipt"]["digest"]["sha256"] == digest(data)[7:]
        else:
            assert (ended["state"], ended["code"]) == ("failed", "checksum-mismatch"), ended


def test_checksum_of_a_queued_job(serve, server):
    s = serve(max_concurrent_downloads=1)
    with s.client() as c:
        first, = c.add(stalled(server, "first"))
        c.wait_state(first, "active", "download")
        good, bad = c.add(*[job(server.url("/ok/1000?set-q%d" % i), "q%d" % i, retry=0) for i in range(2)])
        change(c, good, checksum=digest(body(1000)))
        change(c, bad, checksum=digest(b"no"))
        c.call("cancel", job=first)
        assert c.wait_job(good)["state"] == "done" and c.wait_job(bad)["code"] == "checksum-mismatch"


# ---- durable

def test_what_was_set_survives_kill_9(serve, server):
    s = serve(max_concurrent_downloads=1)
    with s.client() as c:
        first, = c.add(stalled(server, "first"))
        c.wait_state(first, "active", "download")
        queued, paused = c.add(job(server.url("/ok/1000?set-k1"), "k1", name="k"), job(server.url("/ok/1000?set-k2"), "k2"))
        c.call("pause", job=paused)
        url = server.url("/ok/2000")
        change(c, [queued, paused], **{"url": url, "priority": 7, "limit-rate": "3M", "checksum": digest(body(2000)), "retry": None})
    killed(s)
    with s.client() as c:
        for i in (queued, paused):
            settings = c.show(i)["settings"]
            assert (settings["url"], settings["priority"], settings["limit-rate"], settings["checksum"]) == (
                [url], 7, 3 * MIB, [digest(body(2000))]), settings
        assert c.show(paused)["state"] == "paused" and c.show("k")["id"] == queued
        c.call("cancel", job=first)
        c.call("resume", job=paused)
        assert [c.wait_job(i)["state"] for i in (queued, paused)] == ["done", "done"]
    assert asked(server, "set-k1") == [] and asked(server, "set-k2") == []


# ---- what cannot be

@pytest.mark.parametrize("keys, text", [
    ({"output": "x"}, "output cannot be set any more: cancel the job and add another; what can be set is url, checksum"),
    ({"name": "x"}, "name cannot be set any more"), ({"decompress": "auto"}, "decompress cannot be set any more"),
    ({"cert": "/x"}, "cert cannot be set any more"), ({"proxy": "http://h:1/path"}, "proxy has a path"), ({"speed": 1}, 'there is no key "speed" of jobs'),
    ({"limit-rate": "fast"}, 'limit-rate is "fast": it must be a size'), ({"priority": "1"}, "priority is a string"),
    ({"url": "ftp://h/x"}, "url"), ({"url": []}, "url is an empty list"), ({"url": None}, "a job without url has nothing to do"),
    ({"url": "file:///etc/passwd"}, "allow-file"), ({"checksum": "md5:00"}, "checksum"), ({"deadline": -1}, "must not be negative"),
])
def test_what_is_no_setting_is_refused_in_words(serve, server, keys, text):
    s = serve()
    with s.client() as c:
        one, = c.add(stalled(server, "one"))
        before = c.show(one)["settings"]
        error = c.refused("set", job=one, set=keys)
        assert error.word == "invalid-params" and text in error.text, error.text
        assert c.show(one)["settings"] == before
        c.call("cancel", job=one)


def test_jobs_that_are_over_or_of_the_configuration_are_refused(serve, server):
    s = serve({"jobs": [{"name": "conf", "url": server.url("/stall/1M/64K?set-conf"), "output": "conf", "stall-timeout": "1h"}]})
    with s.client() as c:
        done, runs = c.add(job(server.url("/ok/100?set-done"), "done"), stalled(server, "runs"))
        c.wait_job(done)
        error = c.refused("set", job=done, set={"priority": 1})
        assert error.word == "conflict" and "it is over" in error.text
        error = c.refused("set", jobs=[runs, "conf"], set={"priority": 1})
        assert error.word == "conflict" and "change the file, and reload" in error.text
        assert "priority" not in c.show(runs)["settings"] # all or none
        assert c.refused("set", job=99, set={"priority": 1}).word == "no-such-job"
        assert "set is an object" in c.refused("set", job=runs, set={}).text
        c.call("cancel", job=runs)


def test_a_secret_of_a_job_does_not_go_to_another_origin(serve, server):
    s = serve(max_concurrent_downloads=1)
    with s.client() as c:
        first, = c.add(stalled(server, "first"))
        c.wait_state(first, "active", "download")
        one, = c.add(job(server.url("/echo-headers?set-secret1"), "one", header=["Authorization: secret"]))
        error = c.refused("set", job=one, set={"url": server.url("/echo-headers?set-secret2", "127.0.0.2")})
        assert error.word == "conflict" and "header" in error.text and "secret" not in error.text
        change(c, one, url=server.url("/echo-headers?set-secret3")) # the same origin
        change(c, one, url=server.url("/echo-headers?set-secret4", "127.0.0.2"), header=None)
        c.call("cancel", job=first)
        assert c.wait_job(one)["state"] == "done"
    assert b"secret" not in s.read("one").replace(b"set-secret", b"")


def test_haulctl_set(serve, server):
    s = serve(max_concurrent_downloads=1)
    with s.client() as c:
        first, = c.add(stalled(server, "first"))
        c.wait_state(first, "active", "download")
        one, = c.add(job(server.url("/ok/1000?set-c1"), "one", name="n"))
        done = s.ctl("set", "n", "--url", server.url("/ok/1000"), "--url", server.url("/ok/1001"), "--priority", "-2",
                     "--limit-rate", "2M", "--checksum", digest(body(1000)))
        assert done.rc == 0 and done.out == b"" or done.out == "", done
        settings = c.show(one)["settings"]
        assert settings["url"] == [server.url("/ok/100%d" % i) for i in (0, 1)] and settings["priority"] == -2
        shown = json.loads(s.ctl("--json", "set", "n", "--retry", "1").out)
        assert shown["jobs"][0]["id"] == one and c.show(one)["settings"]["retry"] == 1
        done = s.ctl("set", "n")
        assert done.rc == 2 and "give what is to change" in done.err
        done = s.ctl("set", "n", "--limit-rate", "fast")
        assert done.rc == 2 and "limit-rate" in done.err
        done = s.ctl("set", "n", "--mode", "0600")
        assert done.rc == 2 or "mode cannot be set any more" in done.err
        assert s.ctl("set", "nobody", "--retry", "1").rc == 3 and s.ctl("set", str(first), "--retry", "1").rc == 0
        c.call("cancel", jobs=[first, one])


def test_url_and_priority_of_a_job_that_waits_for_an_event(serve, server):
    """It is not at the scheduler yet; what it will ask for is what was set."""
    s = serve()
    with s.client() as c:
        one, = c.add(job(server.url("/ok/1000?set-gate1"), "one", after=["event:set-go"]))
        c.wait_state(one, "blocked")
        change(c, one, url=server.url("/ok/2000?set-gate2"), priority=3, checksum=digest(body(2000)))
        assert c.show(one)["state"] == "blocked"
        c.call("event", set="set-go")
        assert c.wait_job(one)["state"] == "done"
    assert asked(server, "set-gate1") == [] and len(asked(server, "set-gate2")) == 1


def test_a_job_that_comes_again_has_what_was_set_from_its_next_run_on(serve, server):
    s = serve()
    with s.client() as c:
        one, = c.add(job(server.url("/ok/1000?set-every1"), "one", every="1h"))
        assert c.wait_job(one)["state"] == "done"
        change(c, one, url=server.url("/ok/2000?set-every2"))
        killed(s)
    with s.client() as c:
        assert len(asked(server, "set-every2")) == 0
        c.call("run", job=one)
        wait_until(lambda: len(asked(server, "set-every2")) == 1)
        assert c.wait_job(one)["state"] == "done"
    assert len(asked(server, "set-every1")) == 1 and s.read("one") == body(2000)


def test_what_is_set_over_and_over_has_a_bound(serve, server):
    """While a download goes on its old settings stay: who sets them for ever must not fill the memory."""
    s = serve()
    with s.client() as c:
        one, = c.add(stalled(server, "over"))
        c.wait_state(one, "active", "download")
        refused = None
        for i in range(60):
            try:
                change(c, one, header=["X-%d: %s" % (k, str(i % 10) * 7000) for k in range(20)])
            except RpcError as error:
                refused = error
                break
        assert refused.word == "conflict" and "too often" in refused.text, refused
        assert i >= 4 << 20 >> 18
        c.call("cancel", job=one)
        # The next one has a bound of its own.
        two, = c.add(stalled(server, "over-two"))
        c.wait_state(two, "active", "download")
        change(c, two, priority=1)
        c.call("cancel", job=two)
