"""Limits of rate: jobs, hosts, the total; one hierarchy, changed while it runs."""

import time

import pytest
from bodies import body
from haul import assert_done
from service import sanitized

MIB = 1 << 20


def job(url, output, **keys):
    return {"url": url, "output": output, "fsync": "off", "stall-timeout": "1h", **keys}


def received(c, ids):
    return {i: c.show(i)["received"] for i in ids}


def rates(c, ids, seconds):
    """Bytes a second of each, over that time at least."""
    begin, before = time.monotonic(), received(c, ids)
    while time.monotonic() - begin < seconds:
        time.sleep(0.05)
    after = received(c, ids)
    return {i: (after[i] - before[i]) / (time.monotonic() - begin) for i in ids}


def all_run(c, ids):
    for i in ids:
        c.wait_state(i, "active", "download")


@pytest.mark.slow
def test_a_total_is_shared_evenly_and_idle_ones_waste_nothing(serve, server, web, data_dir):
    """Twenty want more than there is, five of them are idle: fifteen have it all."""
    s = serve(max_concurrent_downloads=32, max_connections_per_host=32, max_overall_download_limit="15M")
    with s.client() as c:
        idle = c.add(*[job(server.url("/stall/1G/64K?rate-idle%d" % i), "idle%d" % i) for i in range(5)])
        busy = c.add(*[job(server.url("/ok/1G?rate-busy%d" % i), "busy%d" % i) for i in range(15)])
        all_run(c, idle + busy)
        rates(c, busy, 1)
        got = rates(c, busy, 4)
        assert 14 * MIB < sum(got.values()) < 16 * MIB, got
        assert all(0.75 * MIB < r < 1.25 * MIB for r in got.values()), got
        c.call("cancel", jobs=busy[5:]) # five are left: at once they have what the others had
        got = rates(c, busy[:5], 3)
        assert 14 * MIB < sum(got.values()) < 16 * MIB, got
        c.call("cancel", jobs=idle + busy[:5])


@pytest.mark.slow
def test_a_host_has_a_limit_of_its_own(serve, server):
    """Two jobs of one host share 1 MiB a second; a job of another has no part in that."""
    s = serve({"hosts": [{"match": "127.0.0.9", "limit-rate": "1M"}]}, max_overall_download_limit="9M")
    with s.client() as c:
        limited = c.add(*[job(server.url("/ok/1G?rate-host%d" % i, "127.0.0.9"), "l%d" % i) for i in range(2)])
        other, = c.add(job(server.url("/ok/1G?rate-other", "127.0.0.8"), "o"))
        all_run(c, limited + [other])
        rates(c, limited, 1)
        got = rates(c, limited + [other], 4)
        assert all(0.4 * MIB < got[i] < 0.6 * MIB for i in limited), got
        assert 7 * MIB < got[other] < 8.7 * MIB, got
        c.call("cancel", jobs=limited + [other])


@pytest.mark.slow
def test_a_total_is_kept_over_http_2(serve, web2, keep, authority):
    names = [keep(body(6 * MIB)) for _ in range(2)]
    s = serve(max_overall_download_limit="3M")
    with s.client() as c:
        begin = time.monotonic()
        ids = c.add(*[job(web2.url("/" + n), n, cacert=authority.cert, **{"http-version": "2"}) for n in names])
        for i in ids:
            assert c.wait_job(i)["state"] == "done"
        assert 3.3 <= time.monotonic() - begin <= 8
    assert all(s.read(n) == body(6 * MIB) for n in names)


def test_small_files_are_not_too_small_for_a_limit(h, server):
    """Each of them ends with its first bite: who begins waits until the debt is paid."""
    jobs = [{"name": "j%d" % i, "url": server.url("/ok/60K?rate-small%d" % i), "output": "%d" % i} for i in range(30)]
    result = h.once_jobs(jobs, daemon={"max-overall-download-limit": "600K", "max-concurrent-downloads": 2})
    assert_done(result)
    assert result.summary["seconds"] >= 2.3, result.summary
    h.expect({"%d" % i: body(60 << 10) for i in range(30)})
    asked = sorted(r["time"] for r in server.requests() if "rate-small" in r["path"])
    assert len(asked) == 30 and asked[-1] - asked[0] >= 2


def test_small_files_of_a_host_are_not_too_small_for_its_limit(h, server):
    jobs = [{"name": "j%d" % i, "url": server.url("/ok/60K?rate-hsmall%d" % i), "output": "%d" % i} for i in range(30)]
    result = h.once(config={"jobs": jobs, "hosts": [{"match": "127.0.0.1", "limit-rate": "600K"}],
                            "daemon": {"max-concurrent-downloads": 2}})
    assert_done(result)
    assert result.summary["seconds"] >= 2.3, result.summary


def test_who_waits_for_a_rate_before_its_request_can_be_stopped(serve, server):
    """The first one owes for hours; the others were never asked for."""
    s = serve(max_overall_download_limit="1")
    with s.client() as c:
        first, = c.add(job(server.url("/ok/1M?rate-first"), "first"))
        c.wait_state(first, "active", "download")
        ids = c.add(*[job(server.url("/ok/1M?rate-later%d" % i), "later%d" % i) for i in range(4)])
        all_active = [c.wait_state(i, "active", "connect") for i in ids]
        assert len(all_active) == 4
        c.call("pause", job=ids[0])
        assert c.show(ids[0])["state"] == "paused"
        c.call("cancel", job=ids[1])
        assert c.show(ids[1])["state"] == "cancelled"
        s.reload({}, max_overall_download_limit="0")
        assert [c.wait_job(i)["state"] for i in (first, ids[2], ids[3])] == ["done"] * 3
        c.call("resume", job=ids[0])
        assert c.wait_job(ids[0])["state"] == "done"
    assert sorted(r["path"] for r in server.requests() if "rate-later" in r["path"]) == [
        "/ok/1M?rate-later%d" % i for i in (0, 2, 3)]


def test_who_waits_for_a_rate_parks_at_once(serve, server):
    s = serve(max_overall_download_limit="1")
    with s.client() as c:
        first, = c.add(job(server.url("/ok/1M?rate-park"), "first"))
        c.wait_state(first, "active", "download")
        later, = c.add(job(server.url("/ok/1M?rate-parked"), "later"))
        c.wait_state(later, "active", "connect")
    begin = time.monotonic()
    s.stop()
    assert time.monotonic() - begin < 5


def test_the_limit_of_a_host_changes_while_its_jobs_run(serve, server):
    jobs = [job(server.url("/ok/4M?rate-change%d" % i), "%d" % i, name="j%d" % i) for i in range(3)]
    s = serve({"jobs": jobs})
    s.stop()
    hosts = [{"match": "127.0.0.*", "limit-rate": "10K"}]
    s.write_config({"jobs": jobs, "hosts": hosts})
    s.start()
    with s.client() as c:
        for j in jobs:
            c.wait_state(j["name"], "active")
        s.reload({"jobs": jobs, "hosts": [{"match": "127.0.0.1", "limit-rate": "100M"}]})
        for j in jobs:
            assert c.wait_job(j["name"], timeout=20)["state"] == "done" # minutes else


@pytest.mark.slow
def test_a_host_gets_a_limit_while_its_job_runs(serve, server):
    s = serve(max_overall_download_limit="8M")
    with s.client() as c:
        one, = c.add(job(server.url("/ok/1G?rate-gets"), "one"))
        c.wait_state(one, "active", "download")
        s.reload({"hosts": [{"match": "127.0.0.1", "limit-rate": "1M"}]}, max_overall_download_limit="8M")
        rates(c, [one], 1)
        got = rates(c, [one], 3)[one]
        assert 0.8 * MIB < got < 1.2 * MIB, got
        c.call("cancel", job=one)


@pytest.mark.skipif(sanitized(), reason="slower")
def test_many_that_are_held_cost_next_to_nothing(serve, server):
    """Whoever holds many has nothing to do for those whose turn has not come."""
    n = 400
    s = serve(max_concurrent_downloads=n, max_connections_per_host=n, max_overall_download_limit="400K")
    with s.client() as c:
        ids = c.add(*[job(server.url("/ok/1M?rate-many%d" % i), "%d" % i) for i in range(n)])
        c.wait_state(ids[0], "active", "download")
        begin = time.monotonic()
        while time.monotonic() - begin < 2:
            c.call("version")
            time.sleep(0.05)
        cpu = sum(float(v) for v in open("/proc/%d/stat" % s.pid).read().rsplit(")", 1)[1].split()[11:13]) / 100
        assert cpu < 2, cpu
        c.call("cancel", jobs=ids)
