"""Times: start-at, delay, every with jitter, cron; runs that were missed; what is done to
a job between two of its runs.  The server's log is the witness."""

import datetime
import os
import signal
import time

import pytest
from bodies import body
from clockset import Clock
from haul import children_named
from lateness import asked_again, assert_never_late, loop
from service import RpcError, sanitized
from test_conditional import next_version
from waiting import wait_until


def job(server, name, **keys):
    return {"name": name, "url": server.url("/ok/1000?schedule=" + name), "output": name, "fsync": "off", **keys}


def asked(server, name):
    """When the server was asked for it, by its clock."""
    return [e["time"] for e in server.requests("schedule=" + name)]


def asked_at(server, name):
    """The same by the clock on the wall."""
    ahead = time.time() - time.monotonic()
    return [at + ahead for at in asked(server, name)]


def wait_asked(server, name, count, timeout=60):
    wait_until(lambda: len(asked(server, name)) >= count, timeout, lambda: "%d requests" % len(asked(server, name)))


def crash(s, server):
    """And the server has seen all that it sent before."""
    s.process.kill()
    assert s.wait_exit() == -signal.SIGKILL
    wait_until(lambda: server.stats()["connections"] == 1) # that which asks


def due(c, name):
    """When it begins, by the clock on the wall: between these two, for asking takes a while."""
    before = time.time()
    left = c.show(name)["retry_in_ms"] / 1000
    return before + left - 0.002, time.time() + left + 0.002


def utc(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


# ---- start-at, delay

def test_a_job_waits_for_its_time_and_says_so(serve, server):
    s, at = serve(), int(time.time()) + 5
    with s.client() as c:
        ids = c.add(job(server, "at", **{"start-at": utc(at)}), job(server, "in", delay="2s"),
                    job(server, "tomorrow", **{"start-at": "TZ=UTC " + utc(at - 60)[11:16]}),
                    job(server, "past", **{"start-at": "2020-01-01"}))
        first = c.show("at")
        assert (first["state"], first["why"]) == ("blocked", "start-at") and 0 < first["retry_in_ms"] <= 5000
        assert first["next_run"] is None and first["runs"] is None # it does not come again
        assert 86000000 < c.show("tomorrow")["retry_in_ms"] <= 86400000
        assert c.wait_job("past")["state"] == "done"
        assert "start-at in " in s.ctl("list").out
        assert [c.wait_job(i)["state"] for i in (ids[0], ids[1])] == ["done", "done"]
        assert time.time() >= at
        added = c.show("in")["added"]
        assert c.show("in")["ended"] >= added + 2
        assert asked(server, "tomorrow") == []
        # `run` does not wait for it
        assert c.call("run", jobs=["tomorrow"])["jobs"][0]["state"] in ("blocked", "queued")
        assert c.wait_job("tomorrow")["state"] == "done"
        assert c.refused("run", jobs=["at"]).word == "conflict"


def test_a_time_is_kept_through_a_crash(serve, server):
    s, at = serve(), int(time.time()) + 6
    with s.client() as c:
        c.add(job(server, "kept", **{"start-at": utc(at)}), job(server, "missed", delay="3s"), job(server, "far", delay="1h"))
    crash(s, server)
    wait_until(lambda: time.time() > at - 2) # its time is over while there is no hauld
    s.start()
    with s.client() as c:
        assert c.wait_job("missed")["state"] == "done"
        assert c.wait_job("kept")["state"] == "done" and time.time() >= at
        assert c.show("far")["why"] == "start-at"
        assert 3590000 < c.show("far")["retry_in_ms"] + 1000 * (time.time() - c.show("far")["added"]) < 3602000
    assert len(asked(server, "kept")) == len(asked(server, "missed")) == 1


def test_when_it_was_added_is_the_same_in_each_life(serve, server):
    """However long the store took to keep it: what is counted from then would be another time else."""
    s = serve()
    c = s.client()
    store, = children_named(s.pid, "hauld-store")
    os.kill(store, signal.SIGSTOP)
    try:
        number, begun = c.send("add", job=job(server, "slow", delay="1h")), time.time()
        wait_until(lambda: time.time() > begun + 2.5)
    finally:
        os.kill(store, signal.SIGCONT)
    assert c.answer(number)
    first = c.show("slow")["added"]
    assert first <= begun + 1
    c.close()
    crash(s, server)
    s.start()
    with s.client() as c:
        assert c.show("slow")["added"] == first


def test_a_waiting_job_can_be_cancelled_paused_and_resumed(serve, server):
    s = serve()
    with s.client() as c:
        c.add(job(server, "cancelled", delay="1h"), job(server, "paused", delay="4s"), job(server, "early", delay="5s"))
        assert c.call("cancel", jobs=["cancelled"])["jobs"][0]["state"] == "cancelled"
        assert c.call("pause", jobs=["paused"])["jobs"][0]["state"] == "paused"
        c.call("pause", jobs=["early"])
        assert c.call("resume", jobs=["early"])["jobs"][0]["why"] == "start-at"
        assert c.wait_job("early")["state"] == "done"
        assert c.show("paused")["state"] == "paused" and asked(server, "paused") == []
        c.call("resume", jobs=["paused"])
        assert c.wait_job("paused")["state"] == "done"


@pytest.mark.parametrize("keys, text", [
    ({"start-at": "soon"}, 'start-at is "soon": it must be a time'), ({"start-at": "2026-02-30"}, "must be a time"),
    ({"cron": "0 0 30 2 *"}, "cron would never run"), ({"cron": "61 * * * *"}, "cron has the minute"),
    ({"cron": "TZ=Mars/Olympus 0 0 * * *"}, 'the time zone "Mars/Olympus", which this system does not have'),
    ({"every": "500ms"}, "every must be from 1s to 366d"), ({"every": "1h", "cron": "@daily"}, "cron has no meaning with every"),
    ({"start-at": "02:00", "delay": "1h"}, "delay has no meaning with start-at"), ({"jitter": "1m"}, "jitter has no meaning"),
    ({"every": "1m", "jitter": "2m"}, "jitter is longer than every"),
    ({"every": "1m", "no-clobber": True}, "no-clobber has no meaning with every"),
])
def test_what_makes_no_sense_is_refused(serve, server, keys, text):
    s = serve()
    with s.client() as c:
        with pytest.raises(RpcError) as error:
            c.add(job(server, "no", **keys))
        assert text in str(error.value.data) + error.value.text


# ---- every, cron

def test_a_job_comes_again_and_keeps_its_id(serve, server):
    s = serve()
    with s.client() as c:
        c.call("subscribe")
        number, = c.add(job(server, "again", every="1s"))
        ends = []
        for _ in range(3):
            c.event("start", id=number)
            ends.append(c.event("end", id=number)["job"])
            assert ends[-1]["state"] == "done" and ends[-1]["next_run"] > ends[-1]["ended"]
        runs = c.show("again")["runs"]
        assert runs["count"] >= 3 and runs["failures"] == 0 and runs["last_code"] == "done"
        assert runs["last_success"] == runs["last_end"] <= runs["next"] + 1
        # between two runs it is over: whoever waits has the last result at once
        assert c.wait_job(number)["state"] in ("done", "active")
        assert "next run" in s.ctl("show", "again").out
    times = asked_at(server, "again")
    # in steps from when it was added, which is known to the second, whatever a run takes; never before
    # its time, and not late but where the machine is
    late = [at - end["next_run"] for at, end in zip(times[1:], ends)]
    assert min(late) > -0.01 and min(late) < 0.5, (times, ends)
    assert all(end["next_run"] - end["ended"] <= 2 for end in ends), ends
    assert s.read("again") == body(1000, 0)


@pytest.mark.usefixtures("attributes")
def test_the_last_runs_are_told_and_kept(serve, server):
    s = serve()

    def past():
        return c.show("past")["runs"]["past"]
    with s.client() as c:
        c.add({**job(server, "past", every="1s", retry=0), "fsync": "data",
               "url": server.url("/condition/3000?key=past-runs&missing=0&schedule=past")})
        wait_until(lambda: past() and past()[-1]["code"] == "http-404")
        next_version(server, "past-runs")
        wait_until(lambda: past()[-1]["unchanged"])
        first = past()
        assert first[0]["code"] == "http-404" and not first[0]["unchanged"]
        fetched = [run for run in first if run["code"] == "done" and not run["unchanged"]]
        assert [run["bytes"] for run in fetched] == [3000] and first[-1]["bytes"] == 0
        for run, later in zip(first, first[1:]):
            assert run["began"] <= run["ended"] <= later["began"] <= later["ended"]
        text = s.ctl("show", "past").out
        assert "past runs" in text and "done, not modified" in text and "http-404" in text and "2.9 KiB" in text
    crash(s, server)
    s.start()
    with s.client() as c:
        kept = past()
        assert kept[:len(first)] == first # and perhaps another
        wait_until(lambda: c.show("past")["runs"]["count"] > 17, 60)
        shown = c.show("past")["runs"]
        assert len(shown["past"]) == 16 and shown["past"][-1]["ended"] == shown["last_end"]
        assert first[0] not in shown["past"]


def test_runs_of_a_slow_job_never_overlap(serve, server):
    s = serve()
    with s.client() as c:
        c.add({**job(server, "slow", every="1s"), "url": server.url("/delay/1.5/1000?schedule=slow")})
        wait_asked(server, "slow", 4)
        assert c.show("slow")["runs"]["failures"] == 0
    ends = {n: e["time"] for n, e in server.ends().items()}
    starts = [(e["n"], e["time"]) for e in server.requests("schedule=slow")]
    for (n, _), (_, later) in zip(starts, starts[1:]):
        assert ends[n] <= later # never two at once
    # the time that fell into a run is not made up for, or each would begin with the end of another
    assert any(abs(b - a - 2) < 0.3 for (_, a), (_, b) in zip(starts, starts[1:])), starts


def test_a_failed_run_is_followed_by_the_next(serve, server, data_dir):
    s, path = serve(), os.path.join(data_dir, "comes-late")
    with s.client() as c:
        c.add({**job(server, "fails", every="1s", retry=0), "url": server.url("/file/comes-late?schedule=fails")})
        c.wait_state("fails", "failed")
        shown = c.show("fails")
        assert shown["next_run"] and shown["runs"]["failures"] >= 1 and shown["runs"]["last_success"] is None
        assert c.wait_job("fails")["state"] == "failed"
        wait_until(lambda: c.show("fails")["runs"]["failures"] >= 2)
        with open(path + ".new", "wb") as f:
            f.write(body(1000))
        os.rename(path + ".new", path)
        try:
            wait_until(lambda: c.show("fails")["runs"]["last_success"])
            assert c.show("fails")["runs"]["count"] >= 3 and c.show("fails")["runs"]["failures"] == 0
        finally:
            os.unlink(path)
        c.call("cancel", jobs=["fails"])
    assert len(s.wait_log("job failed", 2)) >= 2


def test_cron_runs_at_its_times(serve, server):
    s = serve()
    # None begins while it is looked at, nor at once: in its first second the minute is now.
    wait_until(lambda: 1 <= time.time() % 60 < 50)
    now = time.time()
    soon = time.gmtime(now + 61)
    with s.client() as c:
        c.add(job(server, "cron", cron="TZ=UTC * * * * *"), job(server, "rare", cron="TZ=UTC %d %d * * *" % (soon.tm_min, soon.tm_hour)),
              job(server, "daily", cron="@daily"))
        shown = c.show("cron")
        assert (shown["state"], shown["why"]) == ("blocked", "start-at")
        assert 0 < shown["retry_in_ms"] <= 60000
        least, most = due(c, "cron")
        assert least // 60 < most // 60, (least, most) # a full minute is in between
        assert c.show("rare")["retry_in_ms"] <= 61000 + 60000
        assert c.show("daily")["retry_in_ms"] <= 25 * 3600 * 1000


def test_jitter_keeps_the_period_and_is_the_same_after_a_restart(serve, server):
    s = serve()
    names = ["jitter%d" % i for i in range(20)]
    with s.client() as c:
        soon = int(time.time()) + 1200 # none of them runs while they are looked at
        c.add(*[job(server, n, every="1h", jitter="30m", **{"start-at": utc(soon - 1000 * 3600)}) for n in names])
        first = [due(c, n) for n in names]
        assert len({int(most) for _, most in first}) > 10
        assert all(most >= soon and least <= soon + 1801 for least, most in first), (soon, first)
    s.stop()
    s.start()
    with s.client() as c:
        again = [due(c, n) for n in names]
        assert all(a[0] - 1 <= b[1] and b[0] - 1 <= a[1] for a, b in zip(first, again)), (first, again)


# ---- the clock is set

@pytest.mark.skipif(sanitized(), reason="what is preloaded comes before the sanitizer")
def test_times_of_the_wall_hold_when_the_clock_is_set(serve, server, tmp):
    clock = Clock(tmp)
    s = serve(start=False)
    s.prefix = clock.prefix
    s.start()
    with s.client() as c:
        soon = int(time.time()) + 7200
        c.add(job(server, "wall", **{"start-at": utc(soon)}), job(server, "later", **{"start-at": utc(soon + 36000)}),
              # far from now, so that a few hours more or less do not lead past it
              job(server, "hourly", every="1h"), job(server, "day", cron="TZ=UTC 0 %d * * *" % ((soon // 3600 + 10) % 24)))
        c.wait_job("hourly")
        before = c.show("later")["retry_in_ms"]
        clock.set(-3600)  # back: the times of the wall are further away, an interval is not
        s.wait_log("the clock was set by -3600 s")
        assert abs(c.show("wall")["retry_in_ms"] - 7200000 - 3600000) < 60000
        wait = c.show("hourly")["next_run"] - (time.time() - 3600)
        assert 3500 < wait <= 3600 and asked(server, "wall") == []
        clock.set(7300)   # forward: what is over begins now
        assert c.wait_job("wall")["state"] == "done"
        assert abs(before - c.show("later")["retry_in_ms"] - 7300000) < 60000
        wait_until(lambda: c.show("hourly")["runs"]["count"] == 2) # one, whatever was skipped
        assert len(asked(server, "hourly")) == 2
        clock.set(2 * 86400)
        wait_asked(server, "day", 1)
        wait_until(lambda: c.show("hourly")["runs"]["count"] == 3)
        assert len(asked(server, "day")) == 1


@pytest.mark.skipif(sanitized(), reason="what is preloaded comes before the sanitizer")
@pytest.mark.parametrize("now, cron, following", [
    ("2027-01-31 23:59:57", "TZ=UTC 0 0 1 * *", "2027-03-01 00:00:00"),
    ("2027-06-15 03:59:57", "TZ=Europe/Berlin */15 6-7 * jun tue", "2027-06-15 04:15:00"),
    # half past two does not exist in Berlin on this day: behind the gap, and then as ever
    ("2027-03-28 00:59:57", "TZ=Europe/Berlin 30 2 * * *", "2027-03-29 00:30:00"),
    # and comes twice on this one
    ("2027-10-31 00:29:57", "TZ=Europe/Berlin 30 2 * * *", "2027-11-01 01:30:00"),
])
def test_cron_runs_on_the_minute(serve, server, tmp, now, cron, following):
    def seconds(text):
        return datetime.datetime.fromisoformat(text + "+00:00").timestamp()
    clock, name = Clock(tmp), "minute" + now[5:7]
    s = serve(start=False)
    s.prefix = clock.prefix
    clock.set(seconds(now) - 50 - time.time()) # start and add take a while
    s.start()
    with s.client() as c:
        c.add(job(server, name, cron=cron))
        assert c.show(name)["why"] == "start-at"
        clock.set(seconds(now) - time.time())
        begin = time.monotonic()
        shown = c.wait_job(name)
        assert shown["next_run"] == seconds(following)
    assert 2.9 < asked(server, name)[0] - begin < 30


def test_waiting_costs_nothing(serve, server):
    s = serve()
    with s.client() as c:
        c.add(*[job(server, "idle%d" % i, delay="1h") for i in range(100)])

    def switches():
        with open("/proc/%d/status" % s.pid) as f:
            return next(int(line.split()[1]) for line in f if line.startswith("voluntary_ctxt_switches"))

    def rests():
        before = switches()
        time.sleep(2)
        return switches() - before <= 1
    wait_until(rests, 60) # when all of the beginning is over


# ---- missed runs

@pytest.mark.skipif(sanitized(), reason="what is preloaded comes before the sanitizer")
@asked_again
def test_a_clock_that_is_set_does_not_hold_up_the_loop(serve, server, tmp):
    """However many jobs wait for a time."""
    clock, day = Clock(tmp), 24 * 3600
    s = serve(start=False)
    s.prefix = clock.prefix
    s.start()
    with s.client() as c:
        for n in range(10):
            last = c.add(*[job(server, "m%d" % (2000 * n + i), cron="TZ=Europe/Berlin 0 3 1 * *") for i in range(2000)])[-1]
        before = loop(c)
        clock.set(-400 * day)
        s.wait_log("the clock was set by -%d s, and 20000 jobs" % (400 * day))
        wait_until(lambda: c.show(last)["retry_in_ms"] < 32 * day * 1000)
        assert_never_late(c, before)
        assert c.show("m0")["retry_in_ms"] < 32 * day * 1000


@pytest.mark.skipif(sanitized(), reason="what is preloaded comes before the sanitizer")
def test_a_clock_that_was_wrong_in_the_life_before(serve, server, tmp):
    """It was a year ahead, and nobody saw how it was set right: nothing waits for that year."""
    clock, day, year = Clock(tmp), 24 * 3600, 365 * 24 * 3600
    s = serve(start=False)
    s.prefix = clock.prefix
    clock.set(year)
    s.start()
    with s.client() as c:
        c.add(job(server, "every", every="24h"), job(server, "again", cron="0 3 * * *"), job(server, "first", cron="0 3 * * *"),
              job(server, "delay", delay="2h"), job(server, "wall", **{"start-at": utc(time.time() + 2 * year)}))
        c.wait_job("every")
        c.call("run", job="again")
        c.wait_job("again")
    s.stop()
    clock.set(0)
    s.start()
    with s.client() as c:
        now = time.time()
        assert c.show("every")["state"] == c.show("again")["state"] == "done"
        assert c.show("every")["runs"]["next"] <= now + day + 1
        assert c.show("again")["runs"]["next"] <= now + day + 3601 # of summer time
        assert due(c, "first")[1] <= now + day + 3602
        assert due(c, "delay")[1] <= now + 2 * 3600 + 2
        assert due(c, "wall")[0] >= now + year


def test_missed_runs_are_made_up_for_once(serve, server):
    s, at = serve(), int(time.time()) + 5
    with s.client() as c:
        c.add(job(server, "down", every="2s"), job(server, "long", every="1h"),
              job(server, "rare", every="1h", **{"start-at": utc(at)}))
        c.wait_job("down")
        c.wait_job("long")
        before, added = c.show("long"), c.show("down")["added"]
    crash(s, server)
    n = len(asked(server, "down"))
    assert asked(server, "rare") == []
    # two of its times and more, and the next one is not near
    wait_until(lambda: time.time() > at + 1 and 0.1 < (time.time() - added) % 2 < 0.5)
    following = added + ((time.time() - added) // 2 + 1) * 2
    s.start()
    with s.client() as c:
        wait_asked(server, "rare", 1) # and not in an hour
        wait_asked(server, "down", n + 3)
        times = asked_at(server, "down")[n:]
        assert times[1] > following - 0.01 and times[2] > following + 1.99 # one at once, then as usual
        assert c.show("down")["runs"]["count"] >= 3
        assert len(asked(server, "rare")) == 1
        after = c.show("long")
        assert after["id"] == before["id"] and after["next_run"] == before["next_run"] and after["runs"] == before["runs"]
        assert after["state"] == "done" and after["ended"] == before["ended"]
    assert len(asked(server, "long")) == 1


def test_crashes_lose_no_schedule_and_start_no_run_twice(serve, server):
    s = serve()
    count = 0
    with s.client() as c:
        number = c.add({**job(server, "crashes", every="1s"), "url": server.url("/delay/0.3/1000?schedule=crashes")})[0]
    for i in range(6):
        time.sleep(0.25 * i) # before, in and between runs
        crash(s, server)
        server.mark()
        s.start()
        with s.client() as c:
            wait_asked(server, "crashes", 2)
            runs = c.show("crashes")["runs"]
            assert c.show("crashes")["id"] == number and runs["count"] >= count and runs["failures"] == 0
            count = runs["count"]
            assert len(c.list_all()) == 1
        ends = {n: e["time"] for n, e in server.ends().items()}
        runs = [(e["n"], e["time"]) for e in server.requests("schedule=crashes")]
        assert all(ends[n] <= later for (n, _), (_, later) in zip(runs, runs[1:]))
    assert count >= 5


def test_a_run_that_a_crash_cut_off_goes_on(serve, server):
    s = serve()
    url = server.url("/stall/1M/64K?schedule=cut")
    with s.client() as c:
        c.add({**job(server, "cut", every="1h"), "url": url})
        wait_asked(server, "cut", 1)
    crash(s, server)
    s.start()
    with s.client() as c:
        wait_asked(server, "cut", 2)
        assert c.show("cut")["state"] == "active"
        c.call("cancel", jobs=["cut"])


def test_paused_jobs_make_up_for_one_when_they_are_resumed(serve, server):
    s = serve()
    with s.client() as c:
        c.add(job(server, "held", every="2s"))
        c.wait_job("held")
        paused = c.call("pause", jobs=["held"])["jobs"][0]
        assert paused["state"] == "paused"
        count = c.show("held")["runs"]["count"]
    s.stop()
    n = len(asked(server, "held"))
    s.start() # it stays paused
    with s.client() as c:
        assert c.show("held")["state"] == "paused" and c.show("held")["runs"]["count"] == count
        wait_until(lambda: time.time() > c.show("held")["runs"]["next"] + 2.2)
        assert len(asked(server, "held")) == n
        c.call("resume", jobs=["held"])
        wait_asked(server, "held", n + 2)


def test_a_time_that_comes_during_a_drain(serve, server):
    s = serve()
    with s.client() as c:
        c.add({"url": server.url("/gate/10?gate=schedule-drain"), "output": "runs"}, job(server, "due", delay="1s"))
        c.wait_state(1, "active")
        number = c.send("drain")
        with s.client() as other:
            wait_until(lambda: other.show("due")["why"] == "draining")
            assert "begins nothing more" in other.call("why", job="due")["jobs"][0]["text"]
        server.open("schedule-drain")
        c.answer(number)
    assert s.wait_exit() == 0
    s.start()
    with s.client() as c:
        assert c.wait_job("due")["state"] == "done"


# ---- between two runs

def test_cancel_ends_the_schedule_and_retry_takes_it_up_again(serve, server):
    s = serve()
    with s.client() as c:
        c.add(job(server, "ended", every="1s"))
        c.wait_job("ended")
        wait_until(lambda: c.show("ended")["state"] == "done")
        answer = c.call("cancel", jobs=["ended"])["jobs"][0]
        assert answer["state"] == "cancelled" and answer["next_run"] is None
    crash(s, server)
    n = len(asked(server, "ended"))
    s.start()
    with s.client() as c:
        assert c.show("ended")["state"] == "cancelled"
        assert c.refused("run", jobs=["ended"]).word == "conflict"
        c.call("retry", jobs=["ended"])
        wait_asked(server, "ended", n + 2)
        wait_until(lambda: c.show("ended")["runs"]["count"] > n)


@pytest.mark.parametrize("how", [["--all"], ["--group", "in"], ["--name", "again*"]])
def test_cancel_of_many_ends_schedules_too(serve, server, how):
    """Those between two runs as those that run: what a command does is no matter of its moment."""
    s = serve({"groups": [{"name": "in"}, {"name": "inner", "parent": "in"}]})
    key = "many" + how[0].strip("-")
    with s.client() as c:
        c.add(job(server, "again", group="in", every="1h"), job(server, "again2", group="inner", cron="@yearly"),
              job(server, "again3", group="in", every="1h", url=server.url("/status/404?schedule=%s" % key), retry=0),
              job(server, "once"))
        c.call("run", job="again2")
        for name in ("again", "again2", "again3", "once"):
            c.wait_job(name)
        assert all(c.show(name)["next_run"] for name in ("again", "again2", "again3"))
        assert s.ctl("cancel", *how).out == "3 cancelled\n"
        for _ in range(2):
            assert all(c.show(name)["state"] == "cancelled" and c.show(name)["next_run"] is None
                       for name in ("again", "again2", "again3"))
            assert c.show("once")["state"] == "done"
            crash(s, server)
            s.start()
            c = s.client()
        assert s.ctl("cancel", *how).out == "0 cancelled\n"


def test_pause_by_filters_holds_the_next_run(serve, server):
    s = serve()
    with s.client() as c:
        c.add(job(server, "held", every="1h"), job(server, "once"))
        for name in ("held", "once"):
            c.wait_job(name)
        assert s.ctl("pause", "--output", "*").out == "1 paused\n"
        assert c.show("held")["state"] == "paused" and c.show("once")["state"] == "done"
        assert s.ctl("resume", "--output", "*").out == "1 resumed\n"
        assert s.ctl("resume", "--output", "*").out == "0 resumed\n"
        c.call("cancel", all=True)


def test_run_begins_one_now_and_the_times_stay(serve, server):
    s = serve()
    with s.client() as c:
        c.add(job(server, "waits", delay="1h", paused=True))
        assert "is paused: `resume` lets it go on" in c.refused("run", jobs=["waits"]).text
        c.call("cancel", jobs=["waits"])
        assert "is cancelled, and waits for no time" in c.refused("run", jobs=["waits"]).text
        c.add(job(server, "now", every="1h"))
        done = c.wait_job("now")
        assert s.ctl("run", "now").rc == 0
        wait_asked(server, "now", 2)
        after = c.wait_job("now")
        assert after["state"] == "done" and after["next_run"] == done["next_run"]
        assert c.call("retry", jobs=["now"])["jobs"][0]["id"] == done["id"]
        wait_asked(server, "now", 3)
        c.wait_job("now")
        assert c.show("now")["runs"]["count"] == 3
        assert c.call("remove", jobs=["now"])["removed"] == 1
        assert c.refused("show", job="now").word == "no-such-job"


@pytest.mark.parametrize("how", [crash, lambda s, server: s.stop()])
@pytest.mark.parametrize("keys", [{"start-at": "2100-01-01"}, {"cron": "0 0 29 2 *"}, {"start-at": "2100-01-01", "every": "1h"}])
def test_run_is_kept_for_the_next_life(serve, server, how, keys):
    """What was told to run goes on, and does not wait for its time."""
    s = serve()
    with s.client() as c:
        held, waits = c.add(dict(job(server, "runs", **keys), url=server.url("/drip/1M/1K/0.05?schedule=runs"), **{"speed-limit": 0}),
                            job(server, "waits", **keys))
        assert c.call("run", jobs=["runs"])["jobs"][0]["id"] == held
        c.wait_state("runs", "active", "download")
    how(s, server)
    s.start()
    with s.client() as c:
        c.wait_state("runs", "active", "download")
        assert c.show(waits)["why"] == "start-at"
        c.call("pause", jobs=["runs"])
    how(s, server)
    s.start()
    with s.client() as c:
        assert c.show("runs")["state"] == "paused"
        c.call("resume", jobs=["runs"])
        c.wait_state("runs", "active", "download")
        c.call("cancel", jobs=["runs"])


def test_jobs_that_come_again_are_not_history(serve, server):
    s = serve(max_download_result=2)
    with s.client() as c:
        c.add(job(server, "stays", every="1h"))
        c.wait_job("stays")
        for i in range(5):
            c.wait_job(c.add(job(server, "one%d" % i))[0])
        wait_until(lambda: c.call("status")["jobs"]["done"] == 3)
        assert c.show("stays")["next_run"]
    s.stop()
    s.start()
    with s.client() as c:
        assert c.show("stays")["next_run"] and c.show("stays")["state"] == "done"


# ---- with order, deadlines and groups

def test_a_deadline_counts_from_the_begin_of_each_run(serve, server):
    s = serve()
    with s.client() as c:
        c.add(job(server, "waits", delay="6s", deadline="5s"),
              {**job(server, "stalls", every="4s", deadline="1s"), "url": server.url("/stall/1M/64K?schedule=stalls")})
        assert c.wait_job("waits")["state"] == "done"
        wait_asked(server, "stalls", 2)
        wait_until(lambda: c.show("stalls")["runs"]["failures"] >= 2)
        assert c.show("stalls")["runs"]["last_code"] == "deadline"
        c.call("cancel", jobs=["stalls"])


def test_each_run_waits_for_what_it_comes_after(serve, server):
    s = serve()
    with s.client() as c:
        c.add({**job(server, "before", every="2s"), "url": server.url("/delay/0.7/1000?schedule=before")},
              job(server, "behind", every="2s", after=["before"]), job(server, "once", after=["before"]))
        assert c.wait_job("once")["state"] == "done"
        wait_asked(server, "behind", 3)
        assert c.show("behind")["runs"]["failures"] == 0
        assert len(asked(server, "once")) == 1
    ends = [e["time"] for n, e in server.ends().items() if n in {r["n"] for r in server.requests("schedule=before")}]
    for begin in asked(server, "behind"): # the run of `before` that began with it had ended
        assert not any(b < begin < e for b, e in zip(asked(server, "before"), ends))


def test_a_run_that_its_group_ends_is_followed_by_the_next(serve, server):
    s = serve({"groups": [{"name": "g", "on-failure": "cancel"}]})
    with s.client() as c:
        c.add({**job(server, "member", every="3s", group="g"), "url": server.url("/stall/1M/64K?schedule=member")})
        wait_asked(server, "member", 1)
        number = c.send("wait", jobs=["member"])
        failing = c.add({"url": server.url("/status/404"), "output": "f", "group": "g", "retry": 0})[0]
        assert c.wait_job(failing)["state"] == "failed"
        ended, = c.answer(number)["jobs"]
        assert ended["code"] == "sibling-failed" and ended["next_run"]
        wait_asked(server, "member", 2)
        answer = c.call("cancel", jobs=["member"])["jobs"][0]
        assert answer["state"] == "cancelled" and answer["next_run"] is None


# ---- the configuration

def test_a_reload_leaves_the_schedule_of_an_unchanged_job(serve, server):
    config = {"jobs": [job(server, "geoip", every="1h", jitter="1m"), job(server, "other", every="1h")]}
    s = serve(config)
    with s.client() as c:
        before = c.wait_job("geoip")
        assert c.wait_job("other")["state"] == "done"
        config["jobs"][1]["every"] = "2h"
        assert s.reload(config)["changed"] == 1
        assert c.show("geoip")["next_run"] == before["next_run"] and c.show("geoip")["id"] == before["id"]
        wait_asked(server, "other", 2) # another schedule begins anew
        assert c.wait_job("other")["state"] == "done"
        assert c.show("other")["next_run"] > before["next_run"] + 3000
    s.stop()
    s.start()
    with s.client() as c:
        assert c.show("geoip")["id"] == before["id"] and c.show("geoip")["next_run"] == before["next_run"]
    assert len(asked(server, "geoip")) == 1


def test_a_drain_begins_nothing_and_the_next_life_makes_up_for_it(serve, server):
    s = serve()
    with s.client() as c, s.client() as other:
        c.add(job(server, "drained", every="2s"), {**job(server, "busy"), "url": server.url("/gate/1000?gate=drained")})
        c.wait_job("drained")
        c.wait_state("busy", "active")
        drain = other.send("drain")
        wait_until(lambda: c.call("status")["state"] == "draining")
        over = wait_until(lambda: c.show("drained")["state"] == "done" and c.show("drained"))
        n = len(asked(server, "drained"))
        wait_until(lambda: time.time() > over["runs"]["next"] + 0.5) # one of its times, and nothing begins
        server.open("drained")
        assert other.answer(drain) == {}
    assert s.wait_exit() == 0
    assert len(asked(server, "drained")) == n
    s.start()
    wait_asked(server, "drained", n + 1)


# ---- without a service

def test_once_waits_for_the_time_and_runs_once(h, server):
    jobs = [{"url": server.url("/ok/1000?schedule=once1"), "output": "a", "every": "1s"},
            {"url": server.url("/ok/1000?schedule=once2"), "output": "b", "cron": "0 0 1 1 *"},
            {"url": server.url("/ok/1000?schedule=once3"), "output": "c", "delay": "2s"}]
    begin = time.monotonic()
    done = h.once_jobs(jobs)
    assert done.rc == 0, done
    assert [len(asked(server, "once%d" % i)) for i in (1, 2, 3)] == [1, 1, 1]
    assert asked(server, "once3")[0] - begin > 0.9 and asked(server, "once1")[0] < asked(server, "once3")[0]
