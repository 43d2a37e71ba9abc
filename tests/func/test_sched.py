"""The scheduler: semaphores, priorities, and that nobody waits for nothing."""

import pytest
from bodies import body
from haul import assert_done
from servers import header_of


def jobs_of(server, count, path, hosts=1, **keys):
    return [{"name": "j%d" % i, "output": "%d" % i, **keys,
             "url": server.url("%s?i=%d" % (path, i), "127.0.0.%d" % (1 + i % hosts))}
            for i in range(count)]


@pytest.mark.slow
def test_semaphores(h, server):
    """200 jobs, 8 at once, 3 to a host: the server never sees more, and sees 8."""
    server.stats(reset=True)
    result = h.once_jobs(jobs_of(server, 200, "/delay/0.05/1000", hosts=5), timeout=60,
                         daemon={"max-concurrent-downloads": 8, "max-connections-per-host": 3})
    assert_done(result)
    stats = server.stats()
    assert stats["max_requests"] == 8
    assert max(stats["max_requests_of"].values()) <= 3
    assert max(stats["max_connections_of"].values()) <= 3
    seconds = max(e["time"] for e in server.ends().values()) - server.requests()[0]["time"]
    assert seconds < 3 * 200 * 0.05 / 8


def test_the_limit_of_a_hosts_entry(h, server):
    server.stats(reset=True)
    config = {"daemon": {"max-connections-per-host": 4},
              "hosts": [{"match": "127.0.0.1", "max-connections": 2}],
              "jobs": jobs_of(server, 24, "/delay/0.1/10", hosts=2)}
    assert_done(h.once(config=config))
    most = server.stats()["max_requests_of"]
    assert (most["127.0.0.1"], most["127.0.0.2"]) == (2, 4)


def test_the_host_limit_counts_every_port(h, server, other_server):
    jobs = [{"name": "j%d" % i, "output": "%d" % i,
             "url": (server, other_server)[i % 2].url("/delay/0.2/10?i=%d" % i)} for i in range(8)]
    assert_done(h.once_jobs(jobs, daemon={"max-connections-per-host": 2}))
    steps = []
    for one in (server, other_server):
        steps += [(r["time"], 1) for r in one.requests()]
        # two servers: an answer may be here before its server has written the end down
        steps += [(e["time"] - 0.05, -1) for e in one.ends().values()]
    running = most = 0
    for _time, step in sorted(steps):
        running += step
        most = max(most, running)
    assert most == 2


@pytest.mark.slow
def test_the_three_sleeps(h, server):
    jobs = [{"name": "s%d" % n, "url": server.url("/delay/%d/100" % n), "output": "%d" % n}
            for n in (1, 2, 3)]
    result = h.once_jobs(jobs)
    assert_done(result)
    requests = server.requests()
    ends = [e["time"] for e in server.ends().values()]
    assert max(r["time"] for r in requests) - requests[0]["time"] < 0.4
    assert max(ends) - requests[0]["time"] < 3.5
    assert [e["id"] for e in result.of("end")] == [result.job("s%d" % n)["id"] for n in (1, 2, 3)]


def test_the_exhibition(h, server):
    """24 hosts, one connection each, every answer 50 ms late."""
    jobs = jobs_of(server, 240, "/delay/0.05/100", hosts=24)
    result = h.once_jobs(jobs, daemon={"max-concurrent-downloads": 24,
                                       "max-connections-per-host": 1})
    assert_done(result)
    seconds = max(e["time"] for e in server.ends().values()) - server.requests()[0]["time"]
    assert 0.5 <= seconds < 2.5


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
    jobs = [{"name": "busy%d" % i, "url": server.url("/delay/0.7/10?i=%d" % i), "priority": 10,
             "output": "busy%d" % i} for i in range(3)]
    jobs += [{"name": "free%d" % i, "url": server.url("/ok/10?i=%d" % i, "127.0.0.2"),
              "output": "free%d" % i} for i in range(5)]
    assert_done(h.once_jobs(jobs, daemon={"max-connections-per-host": 1}))
    free = [r["time"] for r in server.requests() if r["addr"] == "127.0.0.2"]
    busy = [r["time"] for r in server.requests() if r["addr"] == "127.0.0.1"]
    assert len(free) == 5 and max(free) < busy[1]


def test_every_hop_is_under_its_hosts_limit(h, server):
    """Many first hops at many hosts, all to one: that one never sees more than its limit."""
    server.stats(reset=True)
    target = server.url("/delay/0.1/10", "127.0.0.1")
    jobs = [{"name": "j%d" % i, "output": "%d" % i,
             "url": server.url("/redirect-to?url=%s" % target, "127.0.0.%d" % (2 + i))}
            for i in range(12)]
    assert_done(h.once_jobs(jobs, daemon={"max-connections-per-host": 2}))
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
