"""The scheduler: semaphores, priorities, and that nobody waits for nothing."""

import urllib.parse

import pytest
from bodies import body
from haul import assert_done
from servers import header_of


def jobs_of(server, count, path, hosts=1, gate=None, **keys):
    query = "&gate=" + gate if gate else ""
    return [{"name": "j%d" % i, "output": "%d" % i, **keys,
             "url": server.url("%s?i=%d%s" % (path, i, query), "127.0.0.%d" % (1 + i % hosts))}
            for i in range(count)]


def through_gate(h, server, gate, at_once, **options):
    """Runs it; the gate opens when so many are there."""
    with h.start(**options) as run:
        server.wait_requests(at_once, "gate=" + gate)
        server.open(gate)
        result = run.finish()
    assert_done(result)
    return result


def seconds_of(server):
    """From the first request to the last end, and those of each request, summed up."""
    ends = server.ends()
    took = [ends[r["n"]]["time"] - r["time"] for r in server.requests()]
    return max(e["time"] for e in ends.values()) - server.requests()[0]["time"], sum(took)


@pytest.mark.slow
def test_semaphores(h, server):
    """200 jobs, 8 at once, 3 to a host: the server never sees more, and sees 8."""
    server.stats(reset=True)
    jobs = jobs_of(server, 8, "/gate/1000", hosts=5, gate="semaphores") + jobs_of(server, 200, "/delay/0.05/1000", hosts=5)[8:]
    through_gate(h, server, "semaphores", 8, config={"jobs": jobs, "daemon": {
        "max-concurrent-downloads": 8, "max-connections-per-host": 3}})
    stats = server.stats()
    assert stats["max_requests"] == 8
    assert max(stats["max_requests_of"].values()) <= 3
    assert max(stats["max_connections_of"].values()) <= 3
    seconds, work = seconds_of(server)
    assert seconds < 3 * work / 8 # most of the time there are three of them at least


def test_the_limit_of_a_hosts_entry(h, server):
    server.stats(reset=True)
    config = {"daemon": {"max-connections-per-host": 4},
              "hosts": [{"match": "127.0.0.1", "max-connections": 2}],
              "jobs": jobs_of(server, 24, "/gate/10", hosts=2, gate="hosts-entry")}
    through_gate(h, server, "hosts-entry", 6, config=config)
    most = server.stats()["max_requests_of"]
    assert (most["127.0.0.1"], most["127.0.0.2"]) == (2, 4)


def test_the_host_limit_counts_every_port(h, server, other_server):
    jobs = [{"name": "j%d" % i, "output": "%d" % i,
             "url": (server, other_server)[i % 2].url("/gate/10?gate=ports&i=%d" % i)} for i in range(8)]
    jobs.append({"name": "last", "output": "last", "url": server.url("/ok/10", "127.0.0.2")})
    with h.start(config={"jobs": jobs, "daemon": {"max-connections-per-host": 2}}) as run:
        run.wait_event("end") # another host: whoever may begin before it has begun
        for one in (server, other_server):
            one.wait_requests(1, "gate=ports")
        assert len(server.requests("gate=ports") + other_server.requests("gate=ports")) == 2
        for one in (server, other_server):
            one.open("ports")
        assert_done(run.finish())


@pytest.mark.slow
def test_the_three_sleeps(h, server):
    jobs = [{"name": "s%d" % n, "url": server.url("/delay/%d/100" % n), "output": "%d" % n}
            for n in (1, 2, 3)]
    result = h.once_jobs(jobs)
    assert_done(result)
    requests = server.requests()
    ends = [e["time"] for e in server.ends().values()]
    assert max(r["time"] for r in requests) < min(ends) # all at once,
    assert max(ends) - requests[0]["time"] < 6          # and not one after the other
    assert [e["id"] for e in result.of("end")] == [result.job("s%d" % n)["id"] for n in (1, 2, 3)]


def test_the_exhibition(h, server):
    """24 hosts, one connection each, every answer 50 ms late."""
    jobs = jobs_of(server, 240, "/delay/0.05/100", hosts=24)
    result = h.once_jobs(jobs, daemon={"max-concurrent-downloads": 24,
                                       "max-connections-per-host": 1})
    assert_done(result)
    seconds, work = seconds_of(server)
    assert 0.5 <= seconds < work / 4.8


def test_priorities_with_a_single_slot(h, server):
    jobs = [{"name": "first", "url": server.url("/delay/0.5/10?first"), "output": "first",
             "priority": 1000}]
    wanted = [0, 5, -5, 5, 0, 100]
    jobs += [{"name": "p%d" % i, "url": server.url("/ok/10?p=%d&i=%d" % (p, i)), "output": "%d" % i,
              "priority": p} for i, p in enumerate(wanted)]
    assert_done(h.once_jobs(jobs, daemon={"max-concurrent-downloads": 1}))
    order = [r["path"] for r in server.requests("/ok")]
    expected = sorted(range(len(wanted)), key=lambda i: (-wanted[i], i))
    assert order == ["/ok/10?p=%d&i=%d" % (wanted[i], i) for i in expected]


def test_equal_priorities_start_in_the_order_given(h, server):
    assert_done(h.once_jobs(jobs_of(server, 20, "/ok/10"),
                            daemon={"max-concurrent-downloads": 1}))
    assert [r["path"] for r in server.requests()] == ["/ok/10?i=%d" % i for i in range(20)]


def test_a_busy_host_does_not_hold_up_the_others(h, server):
    jobs = [{"name": "busy%d" % i, "url": server.url("/gate/10?gate=busy&i=%d" % i), "priority": 10,
             "output": "busy%d" % i} for i in range(3)]
    jobs += [{"name": "free%d" % i, "url": server.url("/ok/10?i=%d" % i, "127.0.0.2"),
              "output": "free%d" % i} for i in range(5)]
    with h.start(config={"jobs": jobs, "daemon": {"max-connections-per-host": 1}}) as run:
        run.wait_event("end", count=5)
        server.open("busy")
        assert_done(run.finish())
    free = [r["time"] for r in server.requests() if r["addr"] == "127.0.0.2"]
    busy = [r["time"] for r in server.requests() if r["addr"] == "127.0.0.1"]
    assert len(free) == 5 and max(free) < busy[1]


def test_every_hop_is_under_its_hosts_limit(h, server):
    """Many first hops at many hosts, all to one: that one never sees more than its limit."""
    server.stats(reset=True)
    target = urllib.parse.quote(server.url("/gate/10?gate=hop", "127.0.0.1"), safe="")
    jobs = [{"name": "j%d" % i, "output": "%d" % i,
             "url": server.url("/redirect-to?url=%s" % target, "127.0.0.%d" % (2 + i))}
            for i in range(12)]
    with h.start(config={"jobs": jobs, "daemon": {"max-connections-per-host": 2}}) as run:
        server.wait_requests(2, "/gate/10?gate=hop")
        server.open("hop")
        assert_done(run.finish())
    assert server.stats()["max_requests_of"]["127.0.0.1"] == 2


def test_a_verification_holds_no_network_slot(h, server, web, real, plain):
    """One slot, and unpacking after each download: all are done."""
    jobs = [{"name": "j%d" % i, "url": web.url("/plain.bin.xz"), "output": "%d" % i,
             "decompress": "xz"} for i in range(6)]
    result = h.once_jobs(jobs, daemon={"max-concurrent-downloads": 1,
                                       "max-concurrent-verifications": 1})
    assert_done(result)
    h.expect({"%d" % i: plain for i in range(6)})


def test_decoder_memory_is_a_semaphore_not_a_dead_end(h, web, real, plain):
    jobs = [{"name": "j%d" % i, "url": web.url("/plain.bin.zst"), "output": "%d" % i,
             "decompress": "zstd", "decoder-memory": "64M"} for i in range(6)]
    result = h.once_jobs(jobs, daemon={"max-overall-decoder-memory": "64M"})
    assert_done(result)
    h.expect({"%d" % i: plain for i in range(6)})


@pytest.mark.parametrize("workers", [1, 5])
def test_any_number_of_workers(h, web, real, plain, workers):
    jobs = [{"name": "j%d" % i, "url": web.url("/plain.bin.gz"), "output": "%d" % i,
             "decompress": "gzip"} for i in range(8)]
    assert_done(h.once_jobs(jobs, daemon={"workers": workers}))
    h.expect({"%d" % i: plain for i in range(8)})


def test_a_small_dirty_limit_slows_but_does_not_stop(h, server):
    result = h.once_jobs(jobs_of(server, 4, "/ok/4M"), daemon={"dirty-limit": "1M"})
    assert_done(result)
    h.expect({"%d" % i: body(4 << 20) for i in range(4)})


def test_a_cancelled_lookup_does_not_hold_up_the_rest(h, server):
    jobs = [{"name": "lost", "url": "http://no-such-host.invalid/x", "output": "lost"}]
    jobs += jobs_of(server, 5, "/ok/1000")
    result = h.once_jobs(jobs)
    assert (result.summary["done"], result.summary["failed"]) == (5, 1)


def test_thousand_queued_jobs(h, server):
    result = h.once_jobs(jobs_of(server, 1000, "/ok/100", hosts=4, fsync="off"), timeout=90,
                         daemon={"max-concurrent-downloads": 4})
    assert_done(result)
    assert max(r["total"] for r in server.requests()) <= 4
    assert {header_of(r, "Host").split(":")[0] for r in server.requests()} == {
        "127.0.0.%d" % i for i in range(1, 5)}
