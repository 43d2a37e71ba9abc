"""What is repeated, when, from where, and what it costs; origins and a network that are down."""

import gzip
import socket
import time

import pytest
import servers
from bodies import body, digest
from haul import assert_done, assert_failed
from netns import NetNs, NotPermitted
from waiting import wait_until


def job(url, **keys):
    return {"name": "a", "url": url, "output": "a", **keys}


def delays_of(result):
    return [e["delay_ms"] for e in result.of("retry")]


@pytest.fixture
def closed_port():
    """A port of 127.0.0.1 that refuses connections."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        yield s.getsockname()[1]


# ---- delays

@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_the_least(h, server, request, form):
    after = "2" if form == "seconds" else "date:3" # cut to the second: two or more
    url = server.url("/flaky/1/1000?key=%s&retry-after=%s" % (request.node.name, after))
    result = h.once_jobs([job(url, retry=3, **{"retry-delay": "1ms"})])
    assert_done(result)
    delay, = delays_of(result)
    assert (2000 if form == "seconds" else 0) <= delay <= 3100
    first, second = server.requests()
    assert second["time"] - first["time"] >= 1.9


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_has_a_cap(serve, server, form):
    after = "99999999999" if form == "seconds" else "Fri,%2031%20Dec%202094%2023:59:59%20GMT"
    with serve().client() as c:
        one, = c.add(job(server.url("/status/503?retry-after=" + after)))
        waits = c.wait_state(one, "blocked", why="retry-at")
        assert 3590000 < waits["retry_in_ms"] <= 3600000 and waits["code"] == "http-503"


def test_the_delays_are_settable(h, server):
    keys = {"retry": 6, "retry-delay": "20ms", "retry-max-delay": "50ms"}
    result = h.once_jobs([job(server.url("/status/503"), **keys)])
    assert_failed(result, "http-503")
    assert len(server.requests()) == 7 and max(delays_of(result)) <= 50 and delays_of(result)[0] <= 20


def test_no_repeat_begins_behind_retry_max_time(h, server):
    keys = {"retry": 100, "retry-max-time": "1s"}
    result = h.once_jobs([job(server.url("/status/503?retry-after=2"), **keys)])
    assert_failed(result, "http-503")
    assert len(server.requests()) == 1 and "retry-max-time" in result.job()["reason"]


def test_retry_max_time_lets_those_before_it_be(h, server):
    keys = {"retry": 1000000, "retry-max-time": "2s", "retry-delay": "20ms", "retry-max-delay": "20ms"}
    result = h.once_jobs([job(server.url("/status/503"), **keys)])
    assert_failed(result, "http-503") # and not in hours
    assert len(server.requests()) > 5 and "retry-max-time" in result.job()["reason"]


# ---- retry-on

@pytest.mark.parametrize("on, status, requests", [
    (["404"], 404, 3), (["4xx", "!404"], 404, 1), (["!404", "4xx"], 404, 3), (["5xx,!501"], 501, 1), (["5xx,!501"], 505, 3),
    (["!503"], 503, 1), (["!*"], 503, 1), (["*"], 410, 3), (["dns"], 404, 1),
])
def test_retry_on(h, server, on, status, requests):
    keys = {"retry": 2, "retry-delay": "1ms", "retry-on": on}
    assert_failed(h.once_jobs([job(server.url("/status/%d" % status), **keys)]), "http-%d" % status)
    assert len(server.requests()) == requests


def test_retry_on_of_the_command_line(h, server):
    result = h.once("--retry", "2", "--retry-delay", "1ms", "--retry-on", "404", server.url("/status/404"))
    assert result.rc == 1 and len(server.requests()) == 3


def test_retry_on_is_checked_in_words(serve, server):
    with serve().client() as c:
        error = c.refused("add", jobs=[job(server.url("/ok/1"), **{"retry-on": ["503", "conect"]})])
        assert 'did you mean "connect"?' in error.data["errors"][0]["text"]


# ---- what costs no try

def test_connections_that_were_kept_and_are_closed_cost_no_try(serve, server):
    """libcurl itself tries another one, but five times only."""
    kept = 9
    s = serve(**{"max-connections-per-host": kept})
    with s.client() as c:
        ids = c.add(*[{"url": server.url("/gate/10?gate=kept&i=%d" % i), "output": "k%d" % i} for i in range(kept)])
        server.wait_requests(kept, "gate=kept")
        server.open("kept")
        for one in ids:
            assert c.wait_job(one)["state"] == "done"
        assert server.stats()["connections"] >= kept
        server.mark()
        one, = c.add(job(server.url("/close-before-answer-on-reused/1000"), retry=0))
        done = c.wait_job(one)
        assert done["state"] == "done" and done["attempts"] == 1
        requests = server.requests("/close-before")
        assert len(requests) > 6 and requests[-1]["conn"] > max(r["conn"] for r in requests[:-1])


def test_a_pause_costs_no_try(serve, server):
    with serve().client() as c:
        one, = c.add(job(server.url("/ok/3M"), retry=0, **{"limit-rate": "100K"}))
        for _turn in range(3):
            active = c.wait_state(one, "active", "download")
            assert active["attempts"] == 1
            assert c.call("pause", job=one)["jobs"][0]["attempts"] == 0
            c.call("resume", job=one)
        c.wait_state(one, "active", "download")


def test_a_pause_gives_back_no_try_that_was_made(serve, server):
    with serve().client() as c:
        one, = c.add(job(server.url("/status/503?retry-after=3600"), retry=5))
        c.wait_state(one, "blocked", why="retry-at")
        assert c.call("pause", job=one)["jobs"][0]["attempts"] == 1


def test_a_restart_keeps_the_tries_and_not_the_delay(serve, server):
    s = serve()
    with s.client() as c:
        one, = c.add(job(server.url("/status/503?retry-after=3600"), retry=1))
        c.wait_state(one, "blocked", why="retry-at")
    s.stop()
    s.start()
    with s.client() as c:
        failed = c.wait_job(one)
        assert failed["state"] == "failed" and failed["code"] == "http-503" and failed["attempts"] == 2
    assert len(server.requests()) == 2


# ---- certificates of the future

def test_a_certificate_that_is_not_valid_yet_is_waited_for(h, tmp, authority):
    """Its time has come when the server has another one."""
    future = authority.issue("future", valid_from=time.time() + 3600)
    now = authority.issue("now")
    keys = {"cacert": authority.cert, "retry": 200, "retry-delay": "200ms", "retry-max-delay": "400ms"}
    server = servers.BadServer(tmp, tls=future)
    try:
        with h.start(config={"jobs": [job(server.url("/ok/1000"), **keys)]}) as run:
            told = run.wait_event("retry")
            server.show_certificate(*now)
            result = run.finish()
    finally:
        server.stop()
    assert_done(result)
    assert told["code"] == "not-yet-valid" and "clock" in told["reason"]
    h.expect({"a": body(1000)})


def test_other_certificates_are_refused_at_once(h, tmp, other_authority, tls_server):
    result = h.once_jobs([job(tls_server.url("/ok/1000"), cacert=other_authority.cert, retry=5)])
    assert_failed(result, "tls")
    assert result.of("retry") == []


# ---- wrong bytes

@pytest.mark.parametrize("size", [1000, 900000])
def test_wrong_bytes_are_fetched_anew_once(h, server, request, size):
    url = server.url("/flaky-bytes/1/%d?key=%s" % (size, request.node.name))
    assert_done(h.once_jobs([job(url, retry=5, checksum=digest(body(size)))]))
    assert len(server.requests()) == 2
    h.expect({"a": body(size)})


@pytest.mark.parametrize("size", [1000, 900000])
def test_and_not_more_than_once(h, server, size):
    result = h.once_jobs([job(server.url("/wrong-bytes/%d" % size), retry=9, checksum=digest(body(size)))])
    assert_failed(result, "checksum-mismatch")
    wrong = bytearray(body(size))
    wrong[size // 2] ^= 1
    reason = result.job()["reason"]
    assert reason.startswith("wrong in 2 downloads from 1 source: ")
    assert digest(bytes(wrong))[7:] in reason and digest(body(size))[7:] in reason
    assert len(server.requests()) == 2
    h.expect({})


def test_wrong_bytes_with_retry_0(h, server):
    assert_failed(h.once_jobs([job(server.url("/wrong-bytes/1000"), retry=0, checksum=digest(body(1000)))]), "checksum-mismatch")
    assert len(server.requests()) == 1


def test_wrong_bytes_come_from_another_source(h, server):
    urls = [server.url("/wrong-bytes/900000"), server.url("/ok/900000")]
    assert_done(h.once_jobs([job(urls, checksum=digest(body(900000)))]))
    assert [len(server.requests(part)) for part in ("/wrong", "/ok")] == [1, 1]
    h.expect({"a": body(900000)})


def test_each_source_of_wrong_bytes_is_asked_once(h, server):
    urls = [server.url("/wrong-bytes/1000?%d" % i) for i in range(3)]
    result = h.once_jobs([job(urls, retry=9, checksum=digest(body(1000)))])
    assert_failed(result, "checksum-mismatch")
    assert result.job()["reason"].startswith("wrong in 3 downloads from 3 sources: ")
    assert len(server.requests()) == 3


def test_a_source_of_wrong_bytes_is_not_asked_while_another_recovers(h, server, request):
    urls = [server.url("/wrong-bytes/1000"), server.url("/flaky/2/1000?key=" + request.node.name)]
    assert_done(h.once_jobs([job(urls, retry=9, checksum=digest(body(1000)), **{"retry-delay": "1ms"})]))
    assert [len(server.requests(part)) for part in ("/wrong", "/flaky")] == [1, 3]


def test_a_damaged_archive_is_fetched_anew(h, server, keep):
    packed = bytearray(gzip.compress(body(900000)))
    packed[450000] ^= 1
    result = h.once_jobs([job(server.url("/file/" + keep(bytes(packed), ".gz")), decompress="gzip", retry=5)])
    assert_failed(result, "decode")
    assert len(server.requests()) == 2 and result.job()["reason"].startswith("wrong in 2 downloads from 1 source: ")


# ---- origins that are down

QUICK = {"max-origin-failures": 2, "max-probe-delay": "1s"}


def test_an_origin_that_is_down_is_probed_and_comes_back(serve, server, tmp, closed_port_number):
    s = serve(**QUICK)
    dead = "http://127.0.0.1:%d" % closed_port_number
    with s.client() as c, s.client() as watcher:
        watcher.call("subscribe")
        ids = c.add(*[{"url": dead + "/ok/1000?%d" % i, "output": "d%d" % i, "retry": 50, "retry-delay": "10ms",
                       "retry-max-delay": "10ms"} for i in range(20)])
        shown = c.wait_state(ids[-1], "blocked", why="origin-down")
        assert shown["attempts"] == 0
        row, = [r for r in c.call("hosts")["hosts"] if r["origin"] == dead]
        assert row["breaker"] in ("open", "half-open") and row["failures"] >= 2 and row["cause"].startswith("connect: ")
        assert row["host"] == "127.0.0.1" and (row["limit"], row["limit_configured"]) == (2, 5)
        assert row["queued"] >= 10 and row["probe_in_ms"] <= 1000
        # the others at the same host go on
        fine, = c.add(job(server.url("/ok/1000")))
        assert c.wait_job(fine)["state"] == "done"
        # they are seen as what they are
        blocked = [j["id"] for j in c.list_all(state=["blocked"])]
        assert ids[-1] in blocked
        status = c.call("status")
        assert status["waiting"]["origin-down"] > 10 and status["jobs"]["blocked"] >= 10
        text = s.ctl("list").out
        assert "origin-down" in text
        assert "open" in s.ctl("hosts").out
        # at most one at a time tries it
        before = {i: c.show(i)["attempts"] for i in ids}
        wait_until(lambda: sum(c.show(i)["attempts"] for i in ids) >= sum(before.values()) + 3, 60)
        for _look in range(20):
            assert c.call("status")["jobs"]["active"] <= 1
        alive = servers.BadServer(tmp, port=closed_port_number)
        try:
            for one in ids:
                done = c.wait_job(one)
                assert done["state"] == "done", done
            assert c.show(ids[-1])["attempts"] == 1
            row = [r for r in c.call("hosts")["hosts"] if r["origin"] == dead]
            assert row == []
        finally:
            alive.stop()
    s.stop() # the log is whole
    assert len(s.log_lines("origin is down")) == 1 and len(s.log_lines("origin answers again")) == 1


@pytest.fixture
def closed_port_number():
    """The same, but a server may take it later, and nobody else."""
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", 0))
        yield s.getsockname()[1]


def test_jobs_with_mirrors_leave_an_origin_that_is_down(serve, server, closed_port):
    """Those that had not begun there never try it."""
    s = serve(**{**QUICK, "max-probe-delay": "1h", "max-connections-per-host": 1})
    with s.client() as c:
        ids = c.add(*[{"url": ["http://127.0.0.1:%d/x%d" % (closed_port, i), server.url("/ok/1000?%d" % i, "127.0.0.2")],
                       "output": "m%d" % i} for i in range(30)])
        jobs = [c.wait_job(one) for one in ids]
        assert [j["state"] for j in jobs] == ["done"] * 30
        assert sum(j["attempts"] for j in jobs) <= 30 + 6
        assert all("127.0.0.2" in j["url"] for j in jobs)
        # and who comes later begins elsewhere, but for one that may be sent to see whether it is up again
        late = c.add(*[{"url": ["http://127.0.0.1:%d/y%d" % (closed_port, i), server.url("/ok/5?%d" % i, "127.0.0.2")],
                        "output": "late%d" % i} for i in range(10)])
        assert sum(c.wait_job(one)["attempts"] for one in late) <= 10 + 2


def test_a_mirror_takes_over_in_the_middle(serve, server, tmp):
    """What has come of a file is gone on with elsewhere."""
    first = servers.BadServer(tmp)
    s = serve(**QUICK)
    try:
        with s.client() as c:
            keys = {"retry": 50, "retry-delay": "10ms", "retry-max-delay": "10ms"}
            one, = c.add(job([first.url("/stall/3M/2M"), server.url("/ok/3M")], checksum=digest(body(3 << 20)), **keys))
            wait_until(lambda: c.show(one)["received"] >= 2 << 20)
            first.stop()
            assert c.wait_job(one)["state"] == "done"
            rest, = server.requests("/ok/3M")
            assert int(servers.header_of(rest, "Range")[6:-1]) >= 1 << 20
    finally:
        if first.process.poll() is None:
            first.stop()


def test_without_a_digest_a_mirror_begins_anew(serve, server):
    """The same name, length and ETag may be another file there."""
    s = serve(**QUICK)
    with s.client() as c:
        urls = [server.url("/stall/3M/2M?seed=x"), server.url("/ok/3M?seed=y", "127.0.0.2")]
        one, = c.add(job(urls, retry=2, **{"stall-timeout": "2s", "retry-delay": "10ms"}))
        assert c.wait_job(one)["state"] == "done"
        assert [servers.header_of(r, "Range") for r in server.requests("seed=y")] == [None]
        assert s.read("a") == body(3 << 20, "y")


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_server_that_asks_for_time_is_spared(serve, server, status):
    s = serve(**QUICK)
    with s.client() as c:
        ids = c.add(*[{"url": server.url("/status/%d?retry-after=100&n=%d" % (status, i)), "output": "b%d" % i, "retry": 5}
                      for i in range(20)])
        waits = c.wait_state(ids[-1], "blocked", why="origin-down")
        assert waits["attempts"] == 0 and 90000 < waits["retry_in_ms"] <= 100000
        row, = c.call("hosts")["hosts"]
        assert row["cause"].startswith("http-%d" % status) and 90000 < row["probe_in_ms"] <= 100000
        assert len(server.requests()) < 20


def test_answers_that_are_right_for_a_server_open_nothing(serve, server):
    s = serve(**QUICK)
    with s.client() as c:
        ids = c.add(*[{"url": server.url("/status/%d?%d" % (status, i)), "output": "n%d-%d" % (status, i), "retry": 0}
                      for status in (404, 403, 500) for i in range(10)])
        assert {c.wait_job(one)["state"] for one in ids} == {"failed"}
        assert len(server.requests()) == 30 and c.call("hosts")["hosts"] == []


def test_hosts_that_are_at_work_are_shown(serve, server, other_server):
    s = serve(**{"max-connections-per-host": 2})
    with s.client() as c:
        ids = c.add(*[{"url": one.url("/stall/2M/1M?%d" % i), "output": "h%d-%d" % (one.port, i)}
                      for one in (server, other_server) for i in range(2)])
        c.wait_state(ids[0], "active", "download")
        c.wait_state(ids[1], "active", "download")
        answer = c.call("hosts")
        rows = {row["origin"]: row for row in answer["hosts"]}
        assert answer["total"] == 2 and not answer["network_down"] and answer["network_probe_in_ms"] == 0
        busy, waits = (rows["http://127.0.0.1:%d" % one.port] for one in (server, other_server))
        assert (busy["running"], busy["queued"], waits["running"], waits["queued"]) == (2, 0, 0, 2)
        for row in (busy, waits): # they share the connections of their host
            assert (row["host"], row["connections"], row["limit"]) == ("127.0.0.1", 2, 2)
            assert (row["breaker"], row["failures"], row["cause"], row["probe_in_ms"]) == ("closed", 0, None, 0)
        assert len(c.call("hosts", limit=1)["hosts"]) == 1 and c.call("hosts", limit=1)["total"] == 2
        assert c.refused("hosts", limit=1001).word == c.refused("hosts", limit="x").word == "invalid-params"
        c.call("cancel", jobs=ids)
        assert c.call("hosts")["hosts"] == []


def test_max_origin_failures_0(serve, closed_port):
    s = serve(**{"max-origin-failures": 0})
    with s.client() as c:
        ids = c.add(*[{"url": "http://127.0.0.1:%d/%d" % (closed_port, i), "output": "z%d" % i, "retry": 2} for i in range(20)])
        assert {c.wait_job(one)["attempts"] for one in ids} == {3}


def test_cancel_pause_and_drain_of_jobs_at_an_origin_that_is_down(serve, closed_port):
    s = serve(**QUICK)
    with s.client() as c:
        ids = c.add(*[{"url": "http://127.0.0.1:%d/%d" % (closed_port, i), "output": "z%d" % i, "retry": 1000} for i in range(9)])
        c.wait_state(ids[-1], "blocked", why="origin-down")
        assert c.call("pause", job=ids[-1])["jobs"][0]["state"] == "paused"
        assert c.call("resume", job=ids[-1])["jobs"][0]["state"] == "blocked"
        assert c.call("cancel", job=ids[-1])["jobs"][0]["state"] == "cancelled"
        c.send("drain")
        assert s.wait_exit() == 0


def test_a_drain_waits_for_no_redirect_to_an_origin_that_is_down(serve, server, closed_port):
    s = serve(**{**QUICK, "max-probe-delay": "1h"})
    dead = "http://127.0.0.2:%d/x" % closed_port
    with s.client() as c:
        ids = c.add(*[{"url": dead + str(i), "output": "d%d" % i, "retry": 1000} for i in range(5)])
        c.wait_state(ids[-1], "blocked", why="origin-down")
        one, = c.add(job(server.url("/redirect-to?url=" + dead), retry=1000))
        c.wait_state(one, "blocked", why="origin-down")
        c.send("drain")
        assert s.wait_exit() == 0


def test_once_waits_for_no_origin(h, closed_port):
    jobs = [{"url": "http://127.0.0.1:%d/%d" % (closed_port, i), "output": str(i), "retry": 2} for i in range(20)]
    result = h.once_jobs(jobs)
    assert result.rc == 1 and {j["attempts"] for j in result.jobs} == {3}


# ---- a network that is down

@pytest.fixture
def net():
    try:
        one = NetNs()
    except NotPermitted as error:
        pytest.skip("no network of one's own: %s" % error)
    with one:
        one.ip("link", "set", "lo", "up")
        yield one


PORT = 8089 # of a network of its own
A, B = "192.0.2.1", "198.51.100.1"


def far(host, path="/ok/1000"):
    return "http://%s:%d%s" % (host, PORT, path)


def everywhere(tmp, net):
    """A server that is there before its addresses are: none of them ever refuses a connection."""
    return servers.BadServer(tmp, bind=("0.0.0.0",), port=PORT, prefix=net.prefix)


def test_without_a_route_jobs_wait_and_lose_no_try(serve, tmp, net):
    s = serve(popen=net.popen, **QUICK)
    with s.client() as c:
        ids = c.add(*[{"url": far(A, "/ok/1000?%d" % i), "output": "n%d" % i, "retry": 0} for i in range(8)])
        waits = c.wait_state(ids[0], "blocked", why="network-down")
        assert waits["attempts"] == 0 and waits["code"] == "connect"
        s.wait_log("job will be tried again", 12) # more than one round, and none has failed
        assert {j["state"] for j in c.list_all()} <= {"blocked", "active"} and c.call("hosts")["network_down"]
        assert "the network is down" in s.ctl("hosts").out and "network-down" in s.ctl("status").out
        server = everywhere(tmp, net)
        try:
            net.ip("addr", "add", A + "/32", "dev", "lo")
            done = [c.wait_job(one) for one in ids]
        finally:
            server.stop()
        assert [(j["state"], j["attempts"]) for j in done] == [("done", 1)] * 8
        assert not c.call("hosts")["network_down"]
    s.stop()
    assert len(s.log_lines("the network is down")) == 1 and len(s.log_lines("the network is up again")) == 1


def test_when_two_hosts_are_silent_the_network_is_down(serve, tmp, net):
    net.ip("route", "add", "default", "dev", "lo") # a way to everywhere, on which all is lost
    s = serve({"defaults": {"connect-timeout": "300ms"}}, popen=net.popen, **QUICK)
    with s.client() as c:
        one, = c.add({"url": far(A), "output": "one", "retry": 3, "retry-delay": "10ms"})
        c.wait_state(one, "failed") # one silent host is one silent host
        ids = c.add({"url": far(A), "output": "a", "retry": 2}, {"url": far(B), "output": "b", "retry": 2})
        for i in ids:
            c.wait_state(i, "blocked", why="network-down")
        s.wait_log("job will be tried again", len(s.log_lines("job will be tried again")) + 3)
        server = everywhere(tmp, net)
        try:
            for address in (A, B):
                net.ip("addr", "add", address + "/32", "dev", "lo")
            done = [c.wait_job(i) for i in ids]
        finally:
            server.stop()
        assert [j["state"] for j in done] == ["done"] * 2 and max(j["attempts"] for j in done) <= 3


def test_refused_connections_are_no_network_that_is_down(serve, closed_port):
    s = serve()
    with s.client() as c:
        ids = c.add(*[{"url": "http://127.0.0.%d:%d/" % (i, closed_port), "output": "r%d" % i, "retry": 2} for i in (1, 2, 3)])
        assert [c.wait_job(one)["attempts"] for one in ids] == [3, 3, 3]
        assert not c.call("hosts")["network_down"]
    s.stop()
    assert s.log_lines("the network is down") == []


def test_a_name_that_is_not_there_is_no_network_that_is_down(serve):
    s = serve()
    with s.client() as c:
        ids = c.add(*[{"url": "http://host%d.invalid/" % i, "output": "r%d" % i, "retry": 1} for i in (1, 2, 3)])
        assert {c.wait_job(one)["code"] for one in ids} == {"dns"}


def test_once_waits_for_no_network(h, net):
    result = h.once_jobs([job(far(A), retry=2)], popen=net.popen)
    assert_failed(result, "connect")
    assert result.job()["attempts"] == 3


def test_a_reload_may_give_another_limit(serve, closed_port):
    s = serve(**QUICK)
    with s.client() as c:
        ids = c.add(*[{"url": "http://127.0.0.1:%d/%d" % (closed_port, i), "output": "z%d" % i, "retry": 3} for i in range(20)])
        c.wait_state(ids[-1], "blocked", why="origin-down")
        s.reload({}, **{"max-origin-failures": 0})
        assert {c.wait_job(one)["state"] for one in ids} == {"failed"}


# ---- which of several sources it was

def test_a_failure_tells_which_source_it_was(serve, server, other_server):
    first, second, origins = server.url("/status/404?which"), other_server.url("/wrong-bytes/1000?which"), \
        ["http://127.0.0.1:%d" % one.port for one in (server, other_server)]
    s = serve({"defaults": {"fsync": "off"}})
    with s.client() as c:
        good, bad, alone = c.add(
            {"name": "good", "url": [first, second, server.url("/ok/1000?which")], "output": "good", "checksum": digest(body(1000))},
            {"name": "bad", "url": [first, second], "output": "bad", "checksum": "sha512:" + "0" * 128, "retry": 0},
            {"name": "alone", "url": first, "output": "alone"})
        reasons = [a["reason"] for a in c.wait_job(good) and c.show(good)["failed_attempts"]]
        assert [r.rsplit(", at ", 1)[-1] for r in reasons] == origins, reasons
        shown = c.wait_job(bad) # a cause that has no room still leaves it some
        assert shown["code"] == "checksum-mismatch" and shown["reason"].startswith("sha512 is "), shown
        assert shown["reason"].endswith(", at " + origins[1]), shown
        assert "at" not in c.wait_job(alone)["reason"].split()
        assert len(s.log_lines("job will be tried again: http-404: the server does not have it (404), at %s job=good" % origins[0])) == 1
