"""Retries, time limits, rates."""

import socket

import pytest
from bodies import body, digest
from haul import assert_done, assert_failed


def job(url, **keys):
    return {"name": "a", "url": url, "output": "a", **keys}


# ---- retries

@pytest.mark.slow
def test_503_is_tried_again(h, server, request):
    url = server.url("/flaky/1/1000?key=%s" % request.node.name)
    result = h.once_jobs([job(url, retry=3)])
    assert_done(result)
    assert len(server.requests()) == 2 and len(result.of("retry")) == 1
    h.expect({"a": body(1000)})


@pytest.mark.parametrize("kind", ["flaky-reset", "flaky-short"])
@pytest.mark.parametrize("size", [1000, 900000])
def test_a_broken_transfer_is_tried_again(h, server, request, kind, size):
    url = server.url("/%s/2/%d?key=%s" % (kind, size, request.node.name))
    assert_done(h.once_jobs([job(url, retry=5)]))
    assert len(server.requests()) == 3
    h.expect({"a": body(size)})


def test_a_broken_transfer_with_a_checksum(h, server, request):
    url = server.url("/flaky-short/1/900000?key=" + request.node.name)
    assert_done(h.once_jobs([job(url, retry=5, checksum=digest(body(900000)))]))
    h.expect({"a": body(900000)})


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_permanent_answers_are_asked_once(h, server, status):
    result = h.once_jobs([job(server.url("/status/%d" % status), retry=5)])
    assert_failed(result, "http-%d" % status)
    assert len(server.requests()) == 1 and result.of("retry") == []


def test_retry_counts_repeats(h, server):
    result = h.once_jobs([job(server.url("/short/1000/10"), retry=2)])
    assert_failed(result, "truncated")
    assert len(server.requests()) == 3
    delays = [e["delay_ms"] for e in result.of("retry")]
    assert len(delays) == 2 and all(0 <= d < 10000 for d in delays)
    assert all(e["reason"] for e in result.of("retry"))


def test_retry_0_tries_once(h, server):
    assert_failed(h.once_jobs([job(server.url("/status/503"), retry=0)]), "http-503")
    assert len(server.requests()) == 1


def test_a_waiting_retry_holds_no_slot(h, server):
    """One slot: the good job is done while the bad one waits for its next try."""
    jobs = [{"name": "bad", "url": server.url("/short/1000/10"), "output": "bad", "retry": 4,
             "priority": 5},
            {"name": "good", "url": server.url("/ok/1000"), "output": "good"}]
    result = h.once_jobs(jobs, daemon={"max-concurrent-downloads": 1})
    assert [e["id"] for e in result.of("end")] == [result.job("good")["id"],
                                                  result.job("bad")["id"]]


# ---- connecting

def test_a_refused_connection(h):
    with socket.socket() as s: # bound, not listening
        s.bind(("127.0.0.1", 0))
        result = h.once_jobs([job("http://127.0.0.1:%d/x" % s.getsockname()[1])])
    assert_failed(result, "connect")
    h.expect({})


def test_an_unknown_host(h):
    result = h.once_jobs([job("http://no-such-host.invalid/x")])
    assert_failed(result, "dns")
    assert "no-such-host.invalid" in result.job()["reason"]


def test_connect_timeout(h):
    """A full backlog: the kernel drops the SYN, nobody answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        fillers = []
        try:
            for _ in range(4):
                s = socket.socket()
                s.setblocking(False)
                s.connect_ex(address)
                fillers.append(s)
            result = h.once_jobs([job("http://127.0.0.1:%d/x" % address[1],
                                      **{"connect-timeout": "700ms"})])
        finally:
            for s in fillers:
                s.close()
    assert result.rc == 1 and result.word() in ("connect", "timeout"), result
    assert result.seconds < 10


def test_connect_timeout_counts_the_tls_handshake(h):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(5)
        url = "https://127.0.0.1:%d/x" % listener.getsockname()[1]
        result = h.once_jobs([job(url, **{"connect-timeout": "700ms"})])
    assert result.rc == 1 and result.word() in ("connect", "timeout", "tls"), result
    assert result.seconds < 10


# ---- time

@pytest.mark.parametrize("path", ["/stall/600000/1000", "/stall/600000/300000", "/slow-headers",
                                  "/stall/1000/0"])
def test_stall_timeout(h, server, path):
    result = h.once_jobs([job(server.url(path), **{"stall-timeout": "500ms"})])
    assert_failed(result, "stalled")
    assert result.seconds < 10
    h.expect({})


@pytest.mark.slow
def test_a_slow_transfer_is_no_stall(h, server):
    url = server.url("/drip/16/1/0.3")
    assert_done(h.once_jobs([job(url, **{"stall-timeout": "4s"})]))
    h.expect({"a": body(16)})


@pytest.mark.parametrize("path", ["/drip/1000/1/0.1", "/drip/10M/64K/0.1", "/header-drip",
                                  "/slow-headers"])
def test_max_time(h, server, path):
    result = h.once_jobs([job(server.url(path), **{"max-time": "600ms"})])
    assert_failed(result, "timeout")
    assert result.seconds < 10
    h.expect({})


# ---- rates

@pytest.mark.slow
@pytest.mark.parametrize("path", ["/ok/2M", "/chunked/2M"])
def test_limit_rate(h, server, path):
    result = h.once_jobs([job(server.url(path), **{"limit-rate": "1M"})])
    assert_done(result)
    seconds = result.of("end")[0]["seconds"]
    assert 1.6 <= seconds <= 4, seconds
    h.expect({"a": body(2 << 20)})


@pytest.mark.slow
def test_limit_rate_over_tls(h, tls_server, authority):
    result = h.once_jobs([job(tls_server.url("/ok/2M"), cacert=authority.cert,
                              **{"limit-rate": "1M"})])
    assert_done(result)
    assert 1.4 <= result.of("end")[0]["seconds"] <= 4
    h.expect({"a": body(2 << 20)})


@pytest.mark.slow
def test_max_overall_download_limit(h, server):
    jobs = [{"name": "j%d" % i, "url": server.url("/ok/512K", "127.0.0.%d" % (i + 1)),
             "output": "%d" % i} for i in range(4)]
    result = h.once_jobs(jobs, daemon={"max-overall-download-limit": "1M"})
    assert_done(result)
    assert 1.5 <= result.summary["seconds"] <= 4.5, result.summary
    h.expect({"%d" % i: body(512 << 10) for i in range(4)})


def test_a_held_transfer_does_not_stall(h, server):
    """The rate limit's pauses are haul's own doing: no stall-timeout."""
    result = h.once_jobs([job(server.url("/ok/60K"), **{"limit-rate": "10K",
                                                        "stall-timeout": "2s"})])
    assert_done(result)
    h.expect({"a": body(60 << 10)})


def test_one_job_limited_the_others_not(h, server):
    jobs = [{"name": "slow", "url": server.url("/ok/600K"), "output": "slow", "limit-rate": "1K", "stall-timeout": "1h"},
            {"name": "fast", "url": server.url("/ok/8M"), "output": "fast"}]
    with h.start(config={"jobs": jobs}) as run:
        run.wait_event("end", count=1)
        run.interrupt()
        result = run.finish()
    assert result.job("fast")["state"] == "done" and result.job("slow")["state"] == "cancelled"
    h.expect({"fast": body(8 << 20)})
