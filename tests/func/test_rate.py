"""Limits of rate: jobs, hosts, the total; one hierarchy, changed while it runs."""

import json
import os
import time

import pytest
from bodies import body
from clockset import Clock
from haul import assert_done
from service import sanitized
from waiting import wait_until

MIB = 1 << 20


def job(url, output, **keys):
    return {"url": url, "output": output, "fsync": "off", "stall-timeout": "1h", **keys}


def children(pid):
    with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
        return [int(word) for word in f.read().split()]


def starved(s):
    """Seconds in which hauld, or a server that it loads from, wanted a CPU and had none, or the machine
    itself was not run: a limit holds in them, and what it would have let through is not made up for."""
    servers = [p for p in children(os.getpid()) if p != s.pid]
    waited = 0
    for pid in [s.pid, *servers, *(worker for p in servers for worker in children(p))]: # nginx has one
        with open("/proc/%d/schedstat" % pid) as own:
            waited += int(own.read().split()[1])
    with open("/proc/stat") as machine:
        stolen = int(machine.readline().split()[8]) / os.sysconf("SC_CLK_TCK")
    return waited / 1e9 + stolen


def received(c, ids):
    return {i: c.show(i)["received"] for i in ids}


def look(c, i):
    """What has come of it, and between which times that was so."""
    begin = time.monotonic()
    n = c.show(i)["received"]
    return n, begin, time.monotonic()


class Rate:
    """Bytes a second: between least and most, for to look takes a while, and as if hauld had always
    been let run."""

    def __init__(self, least, most):
        self.least, self.most = least, most

    def is_within(self, low, high):
        return self.most > low and self.least < high

    def __add__(self, other):
        return Rate(self.least + other.least, self.most + other.most)

    def __radd__(self, _zero):
        return self

    def __repr__(self):
        return "%.3f..%.3f MiB/s" % (self.least / MIB, self.most / MIB)


def rates(s, c, ids, seconds):
    """That of each, over that time at least."""
    lost, before = starved(s), {i: look(c, i) for i in ids}
    wait_until(lambda begin=time.monotonic(): time.monotonic() - begin >= seconds)
    after = {i: look(c, i) for i in ids}
    lost = starved(s) - lost
    found = {}
    for i in ids:
        (m, m_begin, m_end), (n, n_begin, n_end) = before[i], after[i]
        found[i] = Rate((n - m) / (n_end - m_begin), (n - m) / max(n_begin - m_end - lost, seconds / 4))
    return found


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
        rates(s, c, busy, 1)
        got = rates(s, c, busy, 4)
        assert sum(got.values()).is_within(14 * MIB, 16 * MIB), got
        assert all(r.is_within(0.75 * MIB, 1.25 * MIB) for r in got.values()), got
        c.call("cancel", jobs=busy[5:]) # five are left: at once they have what the others had
        got = rates(s, c, busy[:5], 3)
        assert sum(got.values()).is_within(14 * MIB, 16 * MIB), got
        c.call("cancel", jobs=idle + busy[:5])


@pytest.mark.slow
def test_a_host_has_a_limit_of_its_own(serve, server):
    """Two jobs of one host share 1 MiB a second; a job of another has no part in that."""
    s = serve({"hosts": [{"match": "127.0.0.9", "limit-rate": "1M"}]}, max_overall_download_limit="9M")
    with s.client() as c:
        limited = c.add(*[job(server.url("/ok/1G?rate-host%d" % i, "127.0.0.9"), "l%d" % i) for i in range(2)])
        other, = c.add(job(server.url("/ok/1G?rate-other", "127.0.0.8"), "o"))
        all_run(c, limited + [other])
        rates(s, c, limited, 1)
        got = rates(s, c, limited + [other], 4)
        assert all(got[i].is_within(0.4 * MIB, 0.6 * MIB) for i in limited), got
        assert got[other].is_within(7 * MIB, 8.7 * MIB), got
        c.call("cancel", jobs=limited + [other])


# ---- HTTP/2

BITE = 80 << 10 # what one call may bring of a transfer that is held then: 64 KiB, and libcurl's last piece


def job2(web2, authority, name, output, **keys):
    return job(web2.url("/" + name), output, cacert=authority.cert, **{"http-version": "2", **keys})


def endless(keep, data_dir):
    name = keep(b"")
    os.truncate(os.path.join(data_dir, name), 4 << 30)
    return name


def watch(s, seconds, look):
    """[(before, figures, after)]: what look() found, and between which times that was so; and for how
    long of it hauld was starved."""
    found, begin, lost = [], time.monotonic(), starved(s)
    while time.monotonic() - begin < seconds:
        before = time.monotonic()
        figures = look()
        found.append((before, figures, time.monotonic()))
    return found, starved(s) - lost


def excess(found, key, limit):
    """The most that any span of time had above the limit, in bytes: a late look does not add to it."""
    worst, least = 0, float("inf")
    for before, figures, after in found:
        worst = max(worst, figures[key] - limit * after - least)
        least = min(least, figures[key] - limit * before)
    return worst


def speed(found, key, lost):
    seconds = found[-1][0] - found[0][2]
    return (found[-1][1][key] - found[0][1][key]) / max(seconds - lost, seconds / 4)


@pytest.mark.slow
@pytest.mark.parametrize("n", [1, 10])
def test_a_total_is_kept_over_http_2(serve, web2, keep, authority, data_dir, n):
    """A bucket saves up 50 ms: that, and a bite, is all that any time may have too much."""
    name, limit = endless(keep, data_dir), 16 * MIB
    s = serve(max_overall_download_limit=limit, max_concurrent_downloads=n, max_connections_per_host=n)
    with s.client() as c:
        ids = c.add(*[job2(web2, authority, name, "%d" % i) for i in range(n)])
        all_run(c, ids)
        rates(s, c, ids, 1)
        found, lost = watch(s, 4, lambda: {"all": c.call("status")["received"]})
        assert excess(found, "all", limit) < 0.05 * limit + n * BITE, excess(found, "all", limit)
        assert 0.9 * limit < speed(found, "all", lost), speed(found, "all", lost)
        c.call("cancel", jobs=ids)


@pytest.mark.slow
def test_a_slow_transfer_of_http_2_gets_its_bytes_evenly(serve, web2, keep, authority, data_dir):
    """Others of the same server are as fast as they can be; it gets no more at a time for that."""
    name, limit = endless(keep, data_dir), MIB // 2
    s = serve(max_concurrent_downloads=6, max_connections_per_host=6, max_overall_download_limit="24M")
    with s.client() as c:
        slow = c.add(*[job2(web2, authority, name, "slow%d" % i, **{"limit-rate": limit}) for i in range(2)])
        fast = c.add(*[job2(web2, authority, name, "fast%d" % i) for i in range(4)])
        all_run(c, slow + fast)
        rates(s, c, slow, 1)
        found, lost = watch(s, 4, lambda: received(c, slow))
        for i in slow:
            assert excess(found, i, limit) < 0.25 * limit, excess(found, i, limit)
            assert 0.9 * limit < speed(found, i, lost), speed(found, i, lost)
        c.call("cancel", jobs=slow + fast)


@pytest.mark.parametrize("limit, fewest, most", [("0", 1, 1), ("6M", 2, 3)])
def test_over_http_2_each_limited_transfer_has_a_connection(serve, web2, keep, authority, limit, fewest, most):
    """Without a limit all go over one; never are there more than max-connections-per-host."""
    names, before = [keep(body(MIB)) for _ in range(6)], len(web2.access_log())
    s = serve(max_overall_download_limit=limit, max_connections_per_host=3)
    with s.client() as c:
        ids = c.add(*[job2(web2, authority, n, n) for n in names])
        assert [c.wait_job(i)["state"] for i in ids] == ["done"] * 6
    assert all(s.read(n) == body(MIB) for n in names)
    lines = [line.split() for line in web2.access_log()[before:]]
    assert [line[2:4] for line in lines] == [["HTTP/2.0", "200"]] * 6
    assert fewest <= len({line[6] for line in lines}) <= most, lines


@pytest.mark.slow
def test_a_limit_that_comes_while_transfers_share_a_connection_is_kept(serve, web2, keep, authority):
    """Each goes on where it is, over a connection of its own."""
    n, size, limit = 3, 12 * MIB, 3 * MIB
    names, before = [keep(body(size, str(i))) for i in range(n)], len(web2.access_log())
    s = serve()
    with s.client() as c:
        ids = c.add(*[job2(web2, authority, name + "?rate=2m", name) for name in names])
        all_run(c, ids)
        for i in ids:
            wait_until(lambda i=i: received(c, [i])[i] > 0)
        limit_of(c, total=True, rate=str(limit))
        rates(s, c, ids, 1)
        found, lost = watch(s, 2, lambda: {"all": c.call("status")["received"]})
        assert excess(found, "all", limit) < 0.05 * limit + n * BITE, excess(found, "all", limit)
        assert 0.9 * limit < speed(found, "all", lost), speed(found, "all", lost)
        limit_of(c, total=True, rate="off")
        assert [c.wait_job(i)["state"] for i in ids] == ["done"] * n
    assert all(s.read(name) == body(size, str(i)) for i, name in enumerate(names))
    lines = [line.split() for line in web2.access_log()[before:]]
    assert sorted(line[3] for line in lines) == ["200"] * n + ["206"] * n, lines
    assert len({line[6] for line in lines if line[3] == "200"}) == 1, lines
    assert len({line[6] for line in lines}) == 1 + n, lines


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
    s.stop()
    assert "not everything let go" not in s.log


def test_the_limit_of_a_host_changes_while_its_jobs_run(serve, server):
    jobs = [job(server.url("/ok/4M?rate-change%d" % i), "%d" % i, name="j%d" % i) for i in range(3)]
    s = serve(start=False)
    hosts = [{"match": "127.0.0.*", "limit-rate": "10K"}]
    s.write_config({"jobs": jobs, "hosts": hosts})
    s.start()
    with s.client() as c:
        for j in jobs:
            c.wait_state(j["name"], "active")
        s.reload({"jobs": jobs, "hosts": [{"match": "127.0.0.1", "limit-rate": "100M"}]})
        for j in jobs:
            assert c.wait_job(j["name"])["state"] == "done" # minutes else


@pytest.mark.slow
def test_a_host_gets_a_limit_while_its_job_runs(serve, server):
    s = serve(max_overall_download_limit="8M")
    with s.client() as c:
        one, = c.add(job(server.url("/ok/1G?rate-gets"), "one"))
        c.wait_state(one, "active", "download")
        s.reload({"hosts": [{"match": "127.0.0.1", "limit-rate": "1M"}]}, max_overall_download_limit="8M")
        rates(s, c, [one], 1)
        got = rates(s, c, [one], 3)[one]
        assert got.is_within(0.8 * MIB, 1.2 * MIB), got
        c.call("cancel", job=one)


@pytest.mark.skipif(sanitized(), reason="slower")
def test_many_that_are_held_cost_next_to_nothing(serve, server):
    """Whoever holds many has nothing to do for those whose turn has not come."""
    n = 400
    s = serve(max_concurrent_downloads=n, max_connections_per_host=n, max_overall_download_limit="400K")
    with s.client() as c:
        ids = c.add(*[job(server.url("/ok/1M?rate-many%d" % i), "%d" % i) for i in range(n)])
        c.wait_state(ids[0], "active", "download")
        begin, before = time.monotonic(), s.cpu_ticks()
        while time.monotonic() - begin < 2:
            c.call("version")
            time.sleep(0.05)
        share = (s.cpu_ticks() - before) / os.sysconf("SC_CLK_TCK") / (time.monotonic() - begin)
        assert share < 0.5, share
        c.call("cancel", jobs=ids)


# ---- the timetable

def zone_where_it_is(clock, after=0):
    """A TZ in which it is that time of the day, after so many seconds."""
    hour, minute, second = (int(x) for x in clock.split(":"))
    local = (hour * 60 + minute) * 60 + second - after
    west = (int(time.time()) - local) % 86400
    if west > 43200:
        west -= 86400
    return "TST%s%d:%02d:%02d" % ("-" if west < 0 else "", abs(west) // 3600, abs(west) // 60 % 60, abs(west) % 60)


def in_zone(s, zone):
    s.prefix = ["env", "TZ=" + zone]
    return s.start()


@pytest.mark.parametrize("clock, limited", [("07:59:00", False), ("08:00:01", True), ("22:58:00", True), ("23:00:01", False)])
def test_the_timetable_is_local_time(serve, server, clock, limited):
    s = in_zone(serve(start=False, bwlimit="08:00,4k 23:00,off"), zone_where_it_is(clock))
    with s.client() as c:
        assert c.call("limit")["total"]["limit"] == (4096 if limited else 0)
        one, = c.add(job(server.url("/ok/4M?rate-local-" + clock.replace(":", "")), "one"))
        if limited:
            c.wait_state(one, "active", "download")
            assert c.show(one)["received"] < MIB
            c.call("cancel", job=one)
        else:
            assert c.wait_job(one)["state"] == "done"


def test_the_timetable_changes_while_a_job_runs(serve, server, tmp):
    """Sixteen minutes at the rate before twelve o'clock."""
    left = 12 if sanitized() else 600
    s, noon = serve(start=False, bwlimit="08:00,4k 12:00,100M"), int(time.time()) + left
    zone = zone_where_it_is("12:00:00", after=left)
    if not sanitized(): # what is preloaded comes before the sanitizer
        clock = Clock(tmp)
        s.prefix = ["env", "TZ=" + zone, *clock.prefix]
        s.start()
    else:
        in_zone(s, zone)
    with s.client() as c:
        one, = c.add(job(server.url("/ok/4M?rate-noon"), "one"))
        c.wait_state(one, "active", "download")
        assert c.call("limit")["total"]["limit"] == 4096
        if not sanitized():
            clock.set(noon - 2 - time.time())
        assert c.wait_job(one)["state"] == "done"
        s.wait_log("the limit of all transfers together is 104857600 bytes a second now")


def test_the_smaller_of_timetable_and_plain_limit_counts(serve):
    s = serve(bwlimit="10M", max_overall_download_limit="2M")
    with s.client() as c:
        assert c.call("limit")["total"]["limit"] == 2 * MIB
        s.reload({}, bwlimit="1M", max_overall_download_limit="2M")
        assert c.call("limit")["total"]["limit"] == MIB
        s.reload({}, bwlimit="1M")
        assert c.call("limit")["total"]["limit"] == MIB
        s.reload({}, max_overall_download_limit="2M")
        assert c.call("limit")["total"]["limit"] == 2 * MIB
        s.reload({})
        assert c.call("limit")["total"]["limit"] == 0


def test_a_bad_timetable_changes_nothing(serve):
    s = serve(bwlimit="10M")
    with s.client() as c:
        s.write_config({}, bwlimit="Mo-10:00,5M")
        error = c.refused("reload")
        assert 'bwlimit has "Mo-10:00,5M", whose day is none of Sun' in error.data["errors"][0]
        assert c.call("limit")["total"]["limit"] == 10 * MIB


def test_once_has_a_timetable(h, server):
    jobs = [{"name": "a", "url": server.url("/ok/600K?rate-once"), "output": "a"}]
    result = h.once_jobs(jobs, daemon={"bwlimit": "off:300"})
    assert_done(result)
    assert 1.4 <= result.summary["seconds"] <= 20, result.summary # 10 minutes, if it were the other figure


# ---- limit

def limit_of(c, **params):
    return c.call("limit", **params).popitem()[1]


@pytest.mark.slow
def test_a_client_changes_the_total_while_jobs_run(serve, server):
    s = serve(max_overall_download_limit="2M")
    with s.client() as c:
        ids = c.add(*[job(server.url("/ok/1G?rate-limit%d" % i), "%d" % i) for i in range(3)])
        all_run(c, ids)
        shown = limit_of(c, total=True, rate="6M")
        assert shown.pop("rate") >= 0
        assert shown == {"limit": 6 * MIB, "configured": 2 * MIB, "set": "6M", "timetable": None, "next": None, "transfers": 3}
        rates(s, c, ids, 1)
        got = rates(s, c, ids, 3)
        assert sum(got.values()).is_within(5.4 * MIB, 6.6 * MIB), got
        limit_of(c, total=True, reset=True)
        rates(s, c, ids, 1)
        got = rates(s, c, ids, 3)
        assert sum(got.values()).is_within(1.7 * MIB, 2.3 * MIB), got
        c.call("cancel", jobs=ids)


def test_a_held_job_goes_on_at_once_when_its_limit_is_off(serve, server):
    s = serve({"hosts": [{"match": "127.0.0.1", "limit-rate": "1"}]}, max_overall_download_limit="1")
    with s.client() as c:
        one, = c.add(job(server.url("/ok/4M?rate-off"), "one"))
        c.wait_state(one, "active", "download")
        assert limit_of(c, total=True, rate="off")["limit"] == 0
        shown = limit_of(c, host="127.0.0.1", rate="off")
        assert shown.pop("rate") >= 0
        assert shown == {"host": "127.0.0.1", "limit": 0, "configured": 1, "set": "off", "transfers": 1}
        assert c.wait_job(one)["state"] == "done"


@pytest.mark.slow
def test_a_host_without_a_limit_gets_one(serve, server):
    s = serve(max_overall_download_limit="8M")
    with s.client() as c:
        one, = c.add(job(server.url("/ok/1G?rate-client-host", "127.0.0.7"), "one"))
        c.wait_state(one, "active", "download")
        assert c.call("limit")["hosts"] == []
        assert limit_of(c, host="127.0.0.7", rate=MIB)["limit"] == MIB
        rates(s, c, [one], 1)
        got = rates(s, c, [one], 3)[one]
        assert got.is_within(0.8 * MIB, 1.2 * MIB), got
        shown = c.call("limit")
        assert [(h["host"], h["set"], h["transfers"]) for h in shown["hosts"]] == [("127.0.0.7", "1048576", 1)]
        wait_until(lambda: all(0.7 * MIB < at["rate"] < 1.3 * MIB for shown in [c.call("limit")]
                               for at in (shown["hosts"][0], shown["total"])))
        c.call("cancel", job=one)


def test_jobs_with_a_limit_are_shown(serve, server):
    s = serve()
    with s.client() as c:
        one, = c.add(job(server.url("/stall/1G/64K?rate-shown"), "one", name="n", **{"limit-rate": "3M"}))
        c.wait_state(one, "active", "download")
        shown, = c.call("limit")["jobs"]
        assert shown.pop("rate") >= 0
        assert shown == {"id": one, "name": "n", "output": s.path("one"), "limit": 3 * MIB}
        c.call("cancel", job=one)
        assert c.call("limit")["jobs"] == []


def test_a_changed_limit_survives_kill_9(serve):
    config = {"hosts": [{"match": "a.example", "limit-rate": "3M"}]}
    s = serve(config, max_overall_download_limit="2M")
    for _ in range(2): # and the life after it
        with s.client() as c:
            limit_of(c, total=True, rate="08:00,5M 20:00,5M")
            limit_of(c, host="A.example", rate="4M")
            limit_of(c, host="b.example", rate="off")
        s.signal(9)
        s.process.wait()
        s.start()
        with s.client() as c:
            total = limit_of(c, total=True)
            assert (total["limit"], total["configured"], total["set"]) == (5 * MIB, 2 * MIB, "08:00,5M 20:00,5M")
            assert total["timetable"] == total["set"] and time.time() < total["next"] <= time.time() + 86400
            hosts = {h["host"]: h for h in c.call("limit")["hosts"]}
            assert (hosts["a.example"]["limit"], hosts["a.example"]["configured"]) == (4 * MIB, 3 * MIB)
            assert (hosts["b.example"]["limit"], hosts["b.example"]["set"]) == (0, "off")
    with s.client() as c:
        assert limit_of(c, host="b.example", reset=True)["set"] is None
    s.signal(9)
    s.process.wait()
    s.start()
    with s.client() as c:
        assert [h["host"] for h in c.call("limit")["hosts"]] == ["a.example"]


def test_a_configuration_that_is_changed_wins(serve):
    """By a reload, or while hauld was not there; one that is as it was does not."""
    hosts = {"hosts": [{"match": "a.example", "limit-rate": "3M"}]}
    s = serve(hosts, max_overall_download_limit="2M")
    with s.client() as c:
        limit_of(c, total=True, rate="5M")
        limit_of(c, host="a.example", rate="4M")
        s.reload({**hosts, "defaults": {"retry": 1}}, max_overall_download_limit="2M")
        assert limit_of(c, total=True)["limit"] == 5 * MIB and limit_of(c, host="a.example")["limit"] == 4 * MIB
        s.reload(hosts, max_overall_download_limit="1M")
        assert limit_of(c, total=True)["limit"] == MIB and limit_of(c, host="a.example")["limit"] == 4 * MIB
    s.stop()
    assert s.log_lines("limit=5M") and not s.log_lines("limit=4M")
    s.write_config({"hosts": [{"match": "a.example", "limit-rate": "9M"}]}, max_overall_download_limit="1M")
    s.start()
    with s.client() as c:
        assert limit_of(c, total=True)["set"] is None
        shown = limit_of(c, host="a.example")
        assert (shown["limit"], shown["set"]) == (9 * MIB, None)


@pytest.mark.parametrize("params, text", [
    ({"total": True, "rate": "5X"}, 'the rate is "5X": it must be a size'), ({"rate": -1}, "rate is a size"), ({"rate": 1.5}, "rate is a size"),
    ({"rate": "08:00,1M 8:00,2M"}, "two digits each"), ({"host": "h", "rate": "08:00,1M"}, "only the total can have"),
    ({"host": "*.example", "rate": "1M"}, "the name of one host"), ({"host": "h:80"}, "the name of one host"), ({"host": 5}, "the name of one host"),
    ({"rate": "1M", "reset": True}, "one of rate and reset"), ({"group": "g", "host": "h"}, "one of total, host and group"),
    ({"group": 5}, "the name of a group"), ({"group": "g", "rate": "08:00,1M"}, "only the total can have"), ({"total": True, "host": "h"}, "one of total, host and group"),
    ({"rate": "x" * 9000}, "rate is a size"), ({"host": "h" * 300, "rate": "1M"}, "the name of one host"), ({"rate": "\x1b[1m"}, "it must be a size"),
])
def test_what_is_no_limit_is_refused(serve, params, text):
    s = serve({"groups": [{"name": "g"}]}, max_overall_download_limit="2M")
    with s.client() as c:
        error = c.refused("limit", **params)
        assert error.word == "invalid-params" and text in error.text, error.text
        assert c.call("limit") == {"total": {**limit_of(c, total=True), "limit": 2 * MIB, "set": None}, "hosts": [], "groups": [], "jobs": []}


def test_haulctl_limit(serve, server):
    s = serve(max_overall_download_limit="2M")
    assert s.ctl("limit").out.split("\n")[1].split() == ["total", "2.0", "MiB/s", "0", "0", "configuration"]
    done = s.ctl("limit", "5M")
    assert done.rc == 0 and "client (configuration: 2.0 MiB/s)" in done.out and "5.0 MiB/s" in done.out
    assert s.ctl("limit", "--host", "h.example", "1M").rc == 0
    lines = s.ctl("limit").out.splitlines()
    assert len(lines) == 3 and lines[2].startswith("host h.example")
    assert json.loads(s.ctl("limit", "--json").out)["hosts"][0]["host"] == "h.example"
    assert s.ctl("limit", "--host", "h.example", "--reset").rc == 0 and s.ctl("limit", "--total", "--reset").rc == 0
    assert s.ctl("limit", "--total").out.splitlines()[1].endswith("configuration")
    assert "client, until " in s.ctl("limit", "08:00,512k 23:00,off").out
    for bad in (["17"], ["5M", "--reset"], ["--host", "h", "--total"]):
        done = s.ctl("limit", *bad)
        assert done.rc == 2 and done.err.startswith("haulctl: limit: "), done
    done = s.ctl("limit", "5 potatoes")
    assert done.rc != 0 and 'the rate is "5 potatoes"' in done.err


# ---- groups

@pytest.mark.slow
def test_a_group_shares_its_limit_with_the_groups_in_it(serve, server):
    """2 MiB a second for four jobs, two of them in a group within that has 0.5; a job outside has the rest of 8."""
    s = serve({"groups": [{"name": "outer", "limit-rate": "2M"}, {"name": "inner", "parent": "outer", "limit-rate": "512K"}]},
              max_overall_download_limit="8M")
    with s.client() as c:
        inner = c.add(*[job(server.url("/ok/1G?rate-inner%d" % i), "i%d" % i, group="inner") for i in range(2)])
        outer = c.add(*[job(server.url("/ok/1G?rate-outer%d" % i), "o%d" % i, group="outer") for i in range(2)])
        free, = c.add(job(server.url("/ok/1G?rate-free"), "free"))
        all_run(c, inner + outer + [free])
        rates(s, c, inner, 1)
        got = rates(s, c, inner + outer + [free], 4)
        assert all(got[i].is_within(0.2 * MIB, 0.3 * MIB) for i in inner), got
        assert all(got[i].is_within(0.6 * MIB, 0.9 * MIB) for i in outer), got
        assert got[free].is_within(5.3 * MIB, 6.7 * MIB), got
        shown = {g["group"]: g for g in c.call("limit")["groups"]}
        assert (shown["outer"]["limit"], shown["outer"]["transfers"], shown["inner"]["transfers"]) == (2 * MIB, 4, 2)
        wait_until(lambda: 1.6 * MIB < limit_of(c, group="outer")["rate"] < 2.4 * MIB)
        c.call("cancel", jobs=inner + outer + [free])


def test_the_limit_of_a_group_changes_while_its_jobs_run(serve, server):
    s = serve({"groups": [{"name": "g", "limit-rate": "1"}]})
    with s.client() as c:
        one, = c.add(job(server.url("/ok/4M?rate-group"), "one", group="g"))
        c.wait_state(one, "active", "download")
        assert limit_of(c, group="g", rate="100M")["limit"] == 100 * MIB
        assert c.wait_job(one)["state"] == "done"
    s.signal(9)
    s.process.wait()
    s.start()
    with s.client() as c:
        assert limit_of(c, group="g") == {"group": "g", "limit": 100 * MIB, "configured": 1, "rate": 0, "transfers": 0}
        assert c.call("group", group="g")["groups"][0]["limit_rate"] == 100 * MIB
        assert limit_of(c, group="g", reset=True)["limit"] == 1
        assert c.refused("limit", group="nobody", rate="1M").word == "no-such-job"
    assert "group g " in s.ctl("limit").out and s.ctl("limit", "--group", "g", "3M").rc == 0
    line = s.ctl("limit", "--group", "g").out.splitlines()[1]
    assert line.split()[:3] == ["group", "g", "3.0"] and line.endswith("client (configuration: 1 B/s)")


def test_not_any_number_of_hosts_has_a_limit_of_a_client(serve):
    s = serve()
    with s.client() as c:
        for k in range(0, 1000, 50):
            numbers = [c.send("limit", host="h%d.example" % i, rate="1M") for i in range(k, k + 50)]
            assert all(c.answer(n)["host"]["limit"] == MIB for n in numbers)
        error = c.refused("limit", host="one-more.example", rate="1M")
        assert error.word == "too-many" and "1000 hosts" in error.text
        assert limit_of(c, host="h7.example", rate="2M")["limit"] == 2 * MIB
        limit_of(c, host="h7.example", reset=True)
        assert limit_of(c, host="one-more.example", rate="1M")["limit"] == MIB
        assert len(c.call("limit")["hosts"]) == 1000
