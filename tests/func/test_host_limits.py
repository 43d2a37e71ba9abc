"""How many connections a host is given while it has too much, and how often a request
of it begins; the server's log is the witness."""

import hashlib
import os
import socket
import subprocess

import pytest
from bodies import body
from haul import assert_done, program
from waiting import PATIENCE, wait_until


def row_of(client, host):
    for row in client.call("hosts")["hosts"]:
        if row["host"] == host:
            return row
    return None


def jobs_of(url, count, **keys):
    return [{"name": "j%d" % i, "output": "%d" % i, "url": "%s%si=%d" % (url, "&" if "?" in url else "?", i), **keys}
            for i in range(count)]


# ---- connections that adapt

CROWD = {"retry": 100, "retry-delay": "50ms", "retry-max-delay": "200ms"}
WIDE = {"max-connections-per-host": 16, "max-concurrent-downloads": 32}


def refused_of(server, most):
    return [r for r in server.requests("/crowd") if r["active"] > most]


def test_a_host_with_too_much_is_given_fewer_connections(serve, server):
    """It takes 4 at once: of 150 requests after the first 60 few are above that, and all are done."""
    jobs = jobs_of(server.url("/crowd/4/0.05/10?key=fewer&first=9999"), 150, **CROWD)
    s = serve({"jobs": jobs}, max_origin_failures=0, **{k.replace("-", "_"): v for k, v in WIDE.items()})
    with s.client() as c:
        row = wait_until(lambda: (lambda r: r if r and r["limit"] < 16 else None)(row_of(c, "127.0.0.1")))
        assert row["limit_configured"] == 16 and 1 <= row["limit"] <= 8
        for i in range(150):
            assert c.wait_job("j%d" % i)["state"] == "done"
    requests = server.requests("/crowd")
    assert max(r["active"] for r in requests[:40]) > 8
    assert max(r["active"] for r in requests[60:]) <= 8
    # Each that was turned away is a request more; without a limit of its own it were one of two.
    assert len(requests) - 150 == len(refused_of(server, 4)) < 60
    s.wait_log("host is given fewer connections for a while")


def test_with_breakers_it_comes_to_an_end_as_well(h, server):
    """429 and 503 count for the breaker as before."""
    jobs = jobs_of(server.url("/crowd/3/0.05/10?key=breaker&first=9999"), 60, **CROWD)
    assert_done(h.once_jobs(jobs, daemon=WIDE))
    assert max(r["active"] for r in server.requests("/crowd")[60:]) <= 8


@pytest.mark.slow
def test_the_limit_comes_back_when_the_host_takes_more(h, server):
    """After 30 requests it takes any number: one more each two seconds."""
    jobs = jobs_of(server.url("/crowd/2/0.1/10?key=back&first=30"), 400, **CROWD)
    assert_done(h.once_jobs(jobs, daemon={**WIDE, "max-connections-per-host": 8, "max-origin-failures": 0}))
    requests = server.requests("/crowd")
    low = min(range(30, len(requests)), key=lambda i: max(r["active"] for r in requests[i - 5:i]))
    assert max(r["active"] for r in requests[low - 5:low]) <= 4
    assert max(r["active"] for r in requests[low:]) >= 6
    # It grew, and did not jump.
    steps = [next(r["time"] for r in requests[low:] if r["active"] >= n) for n in (5, 6)]
    assert steps[1] - steps[0] > 1


def test_refused_connections_count_as_too_many(serve):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0)) # and does not listen
        url = "http://127.0.0.1:%d/a" % closed.getsockname()[1]
        s = serve({"jobs": jobs_of(url, 8, **{"retry-delay": "1h", "retry-max-delay": "1h"})}, max_connections_per_host=8,
                  max_origin_failures=0)
        with s.client() as c:
            for i in range(8):
                c.wait_state("j%d" % i, "blocked", why="retry-at")
            row = row_of(c, "127.0.0.1")
            assert (row["limit"], row["limit_configured"]) == (4, 8)
            text = s.ctl("hosts").out
            assert "0 of 4 (8)" in text, text


@pytest.mark.parametrize("path", ["/reset-at-once", "/reset/1M/64K", "/status/429", "/status/503?retry-after=3600"])
def test_resets_and_words_of_too_many_count(serve, server, path):
    s = serve({"jobs": jobs_of(server.url(path), 8, **{"retry-delay": "1h", "retry-max-delay": "1h"})},
              max_connections_per_host=8, max_origin_failures=0)
    with s.client() as c:
        for i in range(8):
            c.wait_state("j%d" % i, "blocked", why="retry-at")
        row = row_of(c, "127.0.0.1")
        assert (row["limit"], row["limit_configured"]) == (4, 8)


def test_why_says_that_the_host_had_too_much(serve, server):
    jobs = jobs_of(server.url("/stall/1M/64K?had"), 5, **{"stall-timeout": "1h"})
    jobs += [{"name": "bad%d" % i, "output": "bad%d" % i, "url": server.url("/status/503?%d" % i), "retry-delay": "1h",
              "retry-max-delay": "1h"} for i in range(3)]
    s = serve({"jobs": jobs}, max_connections_per_host=8, max_origin_failures=0)
    with s.client() as c:
        for i in range(3):
            c.wait_state("bad%d" % i, "blocked", why="retry-at")
        c.add({"name": "late", "url": server.url("/ok/10?late"), "output": "late"})
        c.wait_state("late", "queued", why="host-limit")
        text = s.ctl("why", "late").out
        assert "5 of 4 connections to 127.0.0.1 are in use" in text and "8 are configured, but that was too much for it" in text, text
        for i in range(2): # three remain, and it has its turn
            c.call("cancel", job="j%d" % i)
        assert c.wait_job("late")["state"] == "done"


def test_other_failures_leave_the_limit_alone(serve, server):
    s = serve({"jobs": jobs_of(server.url("/status/500?x=leave"), 8, **{"retry-delay": "1h", "retry-max-delay": "1h"})},
              max_connections_per_host=8, max_origin_failures=0)
    with s.client() as c:
        for i in range(8):
            c.wait_state("j%d" % i, "blocked", why="retry-at")
        row = row_of(c, "127.0.0.1")
        assert (row["limit"], row["limit_configured"]) == (8, 8)


def test_a_refused_connection_is_that_of_its_host_only(serve, server):
    """The next ones fail for other reasons, over the handle that it had."""
    s = serve(max_connections_per_host=8, max_origin_failures=0)
    with s.client() as c:
        for i, (host, path, code) in enumerate([("localhost:1", "/x", "connect"), ("nosuch.invalid", "/x", "dns"),
                                                ("169.254.169.254", "/x", "address-refused")]):
            c.add({"url": "http://" + host + path, "output": "f%d" % i, "name": "f%d" % i, "retry": 0})
            assert c.wait_job("f%d" % i)["code"] == code
        assert row_of(c, "localhost")["limit"] < 8
        assert row_of(c, "nosuch.invalid")["limit"] == 8
    assert s.log.count("fewer connections") == 1


# ---- requests in some time

def test_requests_of_a_host_are_spaced(h, server):
    """12 at 4 a second, redirect hops and retries included; another host does not wait."""
    target = server.url("/ok/10")
    jobs = jobs_of(target, 6)
    jobs += [{"name": "hop%d" % i, "output": "hop%d" % i, "url": server.url("/redirect-to?url=%s" % target, "127.0.0.3")}
             for i in range(3)]
    jobs += [{"name": "again", "output": "again", "url": server.url("/flaky/2/10?key=spaced"), "retry-delay": "1ms"}]
    jobs += [{"name": "free%d" % i, "output": "free%d" % i, "url": server.url("/ok/10", "127.0.0.2")} for i in range(6)]
    assert_done(h.once(config={"jobs": jobs, "hosts": [{"match": "127.0.0.1", "request-rate": "4/s"}]}))
    times = {}
    for r in server.requests():
        times.setdefault(r["addr"], []).append(r["time"])
    spaced = times["127.0.0.1"]
    assert len(spaced) == 12
    # They begin 250 ms after each other; how late each arrives is the machine's.
    assert spaced[-1] - spaced[0] > 11 * 0.25 - 0.2
    assert all(b - a > 4 * 0.25 - 0.2 for a, b in zip(spaced, spaced[4:]))
    assert times["127.0.0.2"][-1] < spaced[4] and times["127.0.0.3"][-1] < spaced[4]


def test_the_rate_of_all_hosts_and_of_one(h, server):
    config = {"jobs": jobs_of(server.url("/ok/10?all"), 6) + [
        {"name": "free%d" % i, "output": "free%d" % i, "url": server.url("/ok/10?one", "127.0.0.2")} for i in range(30)],
        "daemon": {"request-rate-per-host": "2/s"}, "hosts": [{"match": "127.0.0.2", "request-rate": "0"}]}
    assert_done(h.once(config=config))
    slow, free = server.requests("?all"), server.requests("?one")
    assert slow[-1]["time"] - slow[0]["time"] > 5 * 0.5 - 0.25
    assert free[-1]["time"] < slow[-1]["time"]


def test_what_is_there_already_asks_no_host(h, server):
    """Files with the right checksum are looked at, and one a day is asked for."""
    jobs = [{"name": "j%d" % i, "output": "%d" % i, "url": server.url("/ok/10?there=%d" % i),
             "checksum": "sha256:" + hashlib.sha256(body(10)).hexdigest()} for i in range(20)]
    for i in range(19):
        with open(os.path.join(h.root, "%d" % i), "wb") as f:
            f.write(body(10))
    assert_done(h.once(config={"jobs": jobs, "hosts": [{"match": "*", "request-rate": "1/d"}]}))
    assert [r["path"] for r in server.requests()] == ["/ok/10?there=19"]


def test_why_says_request_rate_and_until_when(serve, server):
    config = {"jobs": jobs_of(server.url("/ok/10?why"), 3), "hosts": [{"match": "127.*", "request-rate": "2/h"}]}
    s = serve(config)
    with s.client() as c:
        assert c.wait_job("j0")["state"] == "done"
        job = c.wait_state("j1", "queued", why="request-rate")
        assert 1700 * 1000 < job["retry_in_ms"] <= 1800 * 1000
        assert row_of(c, "127.0.0.1")["request_interval_ms"] == 1800 * 1000
        assert c.call("config")["hosts"] == [{"match": "127.*", "request-rate": "2/h"}]
        assert len(server.requests("?why")) == 1
        assert c.call("status")["binding"] == "request-rate-per-host"
        s.reload({**config, "hosts": []})
        for i in (1, 2):
            assert c.wait_job("j%d" % i)["state"] == "done"


@pytest.mark.parametrize("text, part", [
    ("10", None), ("0", None), ("1/30s", None), ("100/m", None), ("5/1h30m", None),
    ("10/x", "requests in some time"), ("/s", "requests in some time"), ("10/", "requests in some time"),
    ("10/0s", "requests in some time"), ("1000001/s", "larger than haul can count"),
])
def test_the_grammar_of_request_rates(tmp, text, part):
    name = os.path.join(tmp, "rate.conf")
    with open(name, "w") as f:
        f.write('hosts = ( { match = "h"; request-rate = "%s"; } );' % text)
    os.chmod(name, 0o600)
    done = subprocess.run([program("hauld"), "-t", "-c", name], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == (78 if part else 0), done
    if part:
        assert "request-rate" in done.stderr and part in done.stderr
