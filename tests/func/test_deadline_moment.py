"""Deadlines that are moments: of jobs and groups, by the clock on the wall, over restarts."""

import signal
import time

import pytest
from clockset import Clock
from haul import assert_failed
from waiting import wait_until


def stalled(server, output, **keys):
    return {"url": server.url("/stall/1M/64K?moment-" + output), "output": output, "stall-timeout": "1h", "fsync": "off", **keys}


def moment(ahead_s, zone=True):
    """RFC 3339, so many seconds from now, and the seconds since 1970 that it is."""
    at = int(time.time() + ahead_s)
    return time.strftime("%Y-%m-%dT%H:%M:%S" + ("Z" if zone else ""), time.gmtime(at)), at


def group_of(c, name):
    return c.call("group", group=name)["groups"][0]


def killed(s):
    s.signal(signal.SIGKILL)
    s.wait_exit()
    return s.start()


def test_a_job_ends_at_its_moment_and_tells_of_it(serve, server):
    s = serve()
    with s.client() as c:
        text, at = moment(3)
        job, = c.add(stalled(server, "x", deadline=text))
        shown = c.show(job)
        assert shown["deadline"] == at and shown["settings"]["deadline"] == text
        assert "deadline" in s.ctl("show", job).out and "; its deadline is at " in s.ctl("why", job).out
        done = c.wait_job(job)
        assert at <= time.time() < at + 2
        assert (done["state"], done["code"]) == ("failed", "deadline") and text in done["reason"], done
        assert c.show(job)["deadline"] is None
        # One that waits for something else ends as well.
        text, at = moment(2)
        waits, = c.add(stalled(server, "y", deadline=text, after="event:never"))
        assert "its deadline is at" in c.call("why", job=waits)["jobs"][0]["text"]
        assert c.wait_job(waits)["code"] == "deadline" and time.time() >= at


def test_after_a_restart_it_is_the_same_moment(serve, server):
    s = serve(config={"jobs": []})
    text, at = moment(4)
    hour = time.strftime("TZ=Etc/UTC %H:%M", time.gmtime(time.time() + 7200))
    config = {"jobs": [stalled(server, "conf", name="conf", deadline=hour)]}
    s.reload(config)
    with s.client() as c:
        job, = c.add(stalled(server, "x", deadline=text))
        c.wait_state("conf", "active", "download")
        before, number = c.show("conf")["deadline"], c.show("conf")["id"]
        assert before % 60 == 0 and 7100 < before - time.time() <= 7200
    killed(s)
    with s.client() as c:
        assert c.show(job)["deadline"] == at and c.show("conf")["deadline"] == before
        s.reload(config) # it is unchanged, though the next one may be another by now
        assert c.show("conf")["id"] == number and c.show("conf")["deadline"] == before
        assert c.wait_job(job)["code"] == "deadline" and time.time() >= at


def test_it_is_set_changed_and_taken_back(serve, server):
    s = serve()
    with s.client() as c:
        one, two, three = c.add(stalled(server, "one"), stalled(server, "two", deadline="1h"),
                                stalled(server, "three", deadline=moment(3600)[0]))
        text, at = moment(3)
        for job in (one, two):
            c.call("set", job=job, set={"deadline": text})
            assert c.show(job)["deadline"] == at
        c.call("set", job=three, set={"deadline": "2h"}) # from when it was added
        assert abs(c.show(three)["deadline"] - c.show(three)["added"] - 7200) <= 1
        c.call("set", job=three, set={"deadline": moment(7200)[0]})
        c.call("set", job=three, set={"deadline": None})
        assert c.show(three)["deadline"] is None
        assert s.ctl("set", three, "--deadline", "2099-12-01 12:00").rc == 0
        assert c.show(three)["settings"]["deadline"] == "2099-12-01 12:00"
        for job in (one, two):
            assert c.wait_job(job)["code"] == "deadline" and time.time() >= at
        assert c.show(three)["state"] == "active"


def test_the_clock_is_set(serve, server, tmp):
    clock = Clock(tmp)
    s = serve(start=False)
    s.prefix = clock.prefix
    s.write_config({"groups": [{"name": "g", "deadline": moment(3600)[0]}]})
    s.start()
    with s.client() as c:
        job, group, span = c.add(stalled(server, "x", deadline=moment(1800)[0]), stalled(server, "g", group="g"),
                                 stalled(server, "span", deadline="1h"))
        c.wait_state(group, "active", "download")
        clock.set(-7200)
        wait_until(lambda: c.show(job)["deadline"] and group_of(c, "g")["deadline_in_ms"] > 7200_000)
        clock.set(1900)
        assert c.wait_job(job)["code"] == "deadline" and c.show(group)["state"] == "active"
        clock.set(3700)
        shown = c.wait_job(group)
        assert shown["code"] == "deadline" and "the deadline of group g" in shown["reason"]
        assert c.show(span)["state"] == "active" # a duration is none of the clock's


def test_a_group_ends_at_its_moment(serve, server):
    """Also what has not started, and in the next life."""
    text, at = moment(5)
    s = serve({"groups": [{"name": "g", "deadline": text}, {"name": "p", "deadline": text, "paused": True}]})
    with s.client() as c:
        runs, waits = c.add(stalled(server, "runs", group="g"), stalled(server, "waits", group="p"))
        c.wait_state(runs, "active", "download")
        shown = group_of(c, "p")
        assert shown["deadline"] == text and shown["deadline_ms"] == 0 and 0 < shown["deadline_in_ms"] <= 5000
    killed(s)
    with s.client() as c:
        for job, group in ((runs, "g"), (waits, "p")):
            shown = c.wait_job(job)
            assert shown["code"] == "deadline" and "the deadline of group %s, %s, has passed" % (group, text) in shown["reason"]
        assert at <= time.time() < at + 3
        c.call("group", group="made", set={"deadline": "2099-12-01 12:00"})
        assert group_of(c, "made")["deadline"] == "2099-12-01 12:00" and "2099-12-01 12:00" in s.ctl("group", "made").out
        assert s.ctl("group", "made", "deadline=06:00").rc == 0
        c.add(stalled(server, "in", group="made"))
        before = time.time() + group_of(c, "made")["deadline_in_ms"] / 1000
    killed(s)
    with s.client() as c:
        assert abs(time.time() + group_of(c, "made")["deadline_in_ms"] / 1000 - before) < 1


def test_a_retry_behind_its_moment_says_so(serve, server, tmp):
    """It would end again at once, and whoever asked would wonder why."""
    clock = Clock(tmp)
    s = serve(start=False)
    s.prefix = clock.prefix
    s.write_config({})
    s.start()
    text, _ = moment(3600)
    hour = time.strftime("TZ=Etc/UTC %H:%M", time.gmtime(time.time() + 7200))
    s.reload({"jobs": [stalled(server, "conf", name="conf", deadline=text)]})
    with s.client() as c:
        job, daily = c.add(stalled(server, "x", deadline=text), stalled(server, "y", deadline=hour))
        c.call("cancel", jobs=[daily])
        clock.set(3700)
        assert c.wait_job(job)["code"] == c.wait_job("conf")["code"] == "deadline"
        for which, way in ((job, "; add it anew with another one"), ("conf", " in the configuration, and reload")):
            refused = c.refused("retry", jobs=[which])
            assert refused.word == "conflict" and '"%s", has passed' % text in refused.text and way in refused.text
            assert c.show(which)["state"] == "failed"
        chosen = s.ctl("retry", "--all")
        assert chosen.out == "1 queued again\n" and "2 stay as they are; the last: job " in chosen.err and "has passed" in chosen.err, chosen
        c.wait_state(daily, "active") # its hour is the next one
        assert c.show(daily)["deadline"] > time.time()


@pytest.mark.parametrize("value, says", [
    ("2020-01-01", "has passed"), ("soon", "a duration, such as"), ("2026-13-01", "a time, such as"),
    ("TZ=Mars/Olympus 12:00", "Mars/Olympus"), (-1, "must not be negative"), ("400d", "from 0 to 366d"),
    (1 << 40, "from 0 to 366d"), (True, "true or false: it must be a duration"),
])
def test_what_is_none(serve, server, value, says):
    s = serve()
    with s.client() as c:
        for refused in (c.refused("add", job=stalled(server, "x", deadline=value)),
                        c.refused("group", group="g", set={"deadline": value}) if value is not True else None):
            assert not refused or (refused.word == "invalid-params" and says in refused.text), refused.text


def test_one_of_the_configuration_may_have_passed(h, server):
    result = h.once_jobs([{**stalled(server, "x", name="x"), "deadline": "2020-01-01 12:00"}])
    assert_failed(result, "deadline", "x")
