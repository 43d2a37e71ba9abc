"""`events` and `log`: numbered, replayable, bounded; a slow reader is told what it lost."""

import json
import os
import signal
import subprocess

import pytest
from bodies import body, digest
from service import request
from waiting import PATIENCE



def good(server, output, size=1000, **keys):
    return {"url": server.url("/ok/%d?ev-%s" % (size, output)), "output": output, "fsync": "off", **keys}


def numbers(events):
    return [e["number"] for e in events]


def check_row(events):
    """No number is left out and none comes twice; times do not go back much."""
    assert numbers(events) == list(range(events[0]["number"], events[0]["number"] + len(events)))


def all_events(c, method="events", **params):
    found, since = [], 0
    while True:
        page = c.call(method, since=since, limit=1000, **params)
        found += page["events"]
        since = page["next"]
        if since >= page["last"]:
            return found


# ---- what is told

def test_the_life_of_a_job_is_in_the_journal(serve, server):
    s = serve()
    with s.client() as c:
        [job] = c.add(good(server, "plain", name="one", checksum=digest(body(1000))))
        c.wait_job(job)
        events = all_events(c, job="one")
        assert [e["what"] for e in events] == ["add", "state", "start", "end"]
        add, state, start, end = events
        assert add["job"] == job and add["name"] == "one" and add["state"] == "queued"
        assert (state["from"], state["state"]) == ("queued", "active")
        assert start["attempt"] == 1 and start["text"] == server.url("/ok/1000?..."), start
        assert end["state"] == "done" and end["bytes"] == 1000 and end["code"] == "done" and "text" not in end
        everything = all_events(c)
        check_row(everything)
        assert everything[0]["what"] == "daemon" and everything[0]["number"] == 1
        c.call("remove", job=job)
        assert [e["what"] for e in all_events(c, job=job)][-1] == "remove" # by its id, though it is gone
        assert abs(end["time"] - c.show(c.add(good(server, "later"))[0])["added"]) < 60


def test_failures_retries_pauses_and_reasons(serve, server):
    s = serve(max_concurrent_downloads=1)
    with s.client() as c:
        [job] = c.add({"url": server.url("/status/503?ev-503"), "output": "f", "retry": 1, "retry-delay": "10ms"})
        assert c.wait_job(job)["state"] == "failed"
        events = all_events(c, job=job)
        assert [e["what"] for e in events] == ["add", "state", "start", "retry", "state", "state", "state", "start", "end"]
        retry, blocked, end = events[3], events[4], events[-1]
        assert retry["code"] == "http-503" and retry["attempt"] == 1 and retry["text"]
        assert blocked["state"] == "blocked" and blocked["why"] == "retry-at"
        assert end["state"] == "failed" and end["code"] == "http-503" and end["attempt"] == 2
        [held] = c.add({"url": server.url("/stall/1M/64K?ev-held"), "output": "held", "stall-timeout": "1h"})
        c.wait_state(held, "active", "download")
        c.call("pause", job=held)
        c.call("resume", job=held)
        c.call("cancel", job=held)
        states = [e["state"] for e in all_events(c, job=held, what=["state", "end"])]
        assert states[:2] == ["active", "paused"] and states[-1] == "cancelled" and "queued" in states
        assert {e["job"] for e in all_events(c, state="failed")} == {job}
        assert {e["state"] for e in all_events(c, state=["failed", "cancelled"])} == {"failed", "cancelled"}


def test_commands_tell_whose_they_are(serve, server):
    s = serve()
    with s.client() as c:
        [job] = c.add({"url": server.url("/stall/1M/64K?ev-command"), "output": "c", "stall-timeout": "1h"})
        c.wait_state(job, "active", "download")
        for method, params in (("set", {"set": {"priority": 3}}), ("pause", {}), ("resume", {}), ("cancel", {})):
            c.call(method, job=job, **params)
        for method in ("pause", "resume", "run"): # what is refused is no event, nor what changes nothing
            c.refused(method, job=job)
        c.call("cancel", job=job)
        told = all_events(c, job=job, what="command")
        assert [e["code"] for e in told] == ["set", "pause", "resume", "cancel"]
        assert {e["text"] for e in told} == {"by uid %d" % os.getuid()}
        assert "pause, by uid %d" % os.getuid() in s.ctl("events", job).out


def test_one_destination_says_that_it_is_busy(serve, server):
    s = serve()
    with s.client() as c:
        first, second = c.add({"url": server.url("/stall/1M/64K?ev-busy"), "output": "same", "stall-timeout": "1h"},
                              {"url": server.url("/ok/10?ev-busy2"), "output": "same"})
        c.wait_state(second, "blocked", why="destination-busy")
        blocked = [e for e in all_events(c, job=second) if e["state"] == "blocked"]
        assert [e["why"] for e in blocked] == ["destination-busy"]
        c.call("cancel", job=first)
        assert c.wait_job(second)["state"] == "done"


def test_an_origin_that_goes_down_is_an_event(serve, server):
    s = serve(max_origin_failures=1)
    with s.client() as c:
        c.add({"url": "http://127.0.0.1:1/x", "output": "x", "retry": 3, "retry-delay": "10ms"})
        follow = c.call("events", follow=True, since=0, what="origin")
        if not follow["events"]:
            c.wait(lambda: [e for e in c.events if e["event"] == "entry"])
            follow["events"] = [c.events[0]["entry"]]
        down = follow["events"][0]
        assert down["name"] == "http://127.0.0.1:1" and down["text"].startswith("down: ") and "job" not in down


def test_who_follows_one_job_sees_why_it_waits_for_its_origin(serve, server):
    s = serve(max_origin_failures=1)
    with s.client() as c:
        c.add({"url": "http://127.0.0.1:1/x", "output": "x", "retry": 3, "retry-delay": "10ms"})
        waits, other = c.add({"url": "http://127.0.0.1:1/y", "output": "y"},
                             {"url": server.url("/stall/1M/64K?events-other"), "output": "z", "stall-timeout": "1h"})
        c.wait_state(waits, "blocked", why="origin-down")

        def whats(job):
            return {(e["what"], e.get("name")) for e in c.call("events", since=0, job=job)["events"]}
        assert ("origin", "http://127.0.0.1:1") in whats(waits)
        assert "origin" not in {what for what, _name in whats(other)}
        assert "down: " in s.ctl("events", waits).out
        c.call("cancel", job=waits)
        assert ("origin", "http://127.0.0.1:1") not in whats(waits) # it waits no more


def test_the_journal_has_every_change_of_every_job(serve, server):
    """From the events alone one knows each job's state: no change is missing, none comes twice."""
    s = serve({"groups": [{"name": "g", "max-concurrent": 2}]}, max_concurrent_downloads=4, max_origin_failures=0)
    with s.client() as c:
        jobs = []
        for i in range(30):
            jobs += c.add(good(server, "mix-a%d" % i, group="g"),
                          {"url": server.url("/status/503?ev-mix%d" % i), "output": "mix-b%d" % i, "retry": 2, "retry-delay": "10ms"},
                          {"url": server.url("/stall/1M/64K?ev-mix-c%d" % i), "output": "mix-c%d" % i, "stall-timeout": "1h"},
                          {"url": server.url("/ok/10?ev-mix-d%d" % i), "output": "mix-d%d" % (i // 2)})
            if i % 5 == 0:
                c.call("pause", job=jobs[-2])
            if i % 7 == 0:
                c.call("cancel", job=jobs[-1])
        c.call("cancel", jobs=[j for j in jobs[2::4]])
        c.call("wait", jobs=jobs)
        again = [j["id"] for j in c.list_all() if j["state"] == "failed"][:5]
        c.call("retry", jobs=again)
        c.call("wait", jobs=again)
        known, ended = {}, dict.fromkeys(jobs, 0)
        for e in all_events(c):
            if e["what"] == "add":
                assert e["job"] not in known and e["state"] in ("queued", "blocked")
                known[e["job"]] = e["state"]
            elif e["what"] == "state":
                assert e["from"] == known[e["job"]], e
                known[e["job"]] = e["state"]
            elif e["what"] == "end":
                known[e["job"]] = e["state"]
                ended[e["job"]] += 1
        assert known == {j["id"]: j["state"] for j in c.list_all()}
        assert ended == {j: 2 if j in again else 1 for j in jobs}


# ---- numbers, pages, filters

def test_pages_fit_together(serve, server):
    s = serve()
    with s.client() as c:
        for job in c.add(*[good(server, "p%d" % i) for i in range(40)]):
            c.wait_job(job)
        whole = all_events(c)
        check_row(whole)
        page, got = {"next": 0, "last": 1}, []
        while page["next"] < page["last"]:
            page = c.call("events", since=page["next"], limit=7)
            assert len(page["events"]) <= 7 and page["lost"] == 0 and not page["restarted"]
            got += page["events"]
        assert got == whole
        assert c.call("events", last=5)["events"] == whole[-5:]
        assert c.call("events", last=0)["events"] == []
        ends = [e for e in whole if e["what"] == "end"]
        assert c.call("events", last=3, what="end")["events"] == ends[-3:]
        assert all_events(c, jobs=[3, "5"]) == [e for e in whole if e.get("job") in (3, 5)]


def test_bad_requests(serve):
    s = serve()
    with s.client() as c:
        for params, word in (({"since": -1}, "invalid-params"), ({"since": "x"}, "invalid-params"),
                             ({"limit": 0}, "invalid-params"), ({"limit": 1001}, "invalid-params"),
                             ({"state": "asleep"}, "invalid-params"), ({"what": ["end", 3]}, "invalid-params"),
                             ({"job": "nobody"}, "no-such-job"), ({"job": []}, "invalid-params"),
                             ({"jobs": []}, "invalid-params"), ({"group": 1}, "invalid-params"),
                             ({"instance": 1}, "invalid-params"), ({"job": 1, "jobs": [1]}, "invalid-params")):
            assert c.refused("events", **params).word == word, params
        assert c.refused("log", level="loud").word == "invalid-params"
        for _ in range(16):
            c.call("events", follow=True)
        assert c.refused("events", follow=True).word == "too-many"
        for number in range(1, 17):
            c.call("unsubscribe", subscription=number)
        assert c.call("events", follow=True)["subscription"] == 17


def test_a_new_life_begins_new_numbers_and_says_so(serve, server):
    s = serve()
    with s.client() as c:
        c.wait_job(c.add(good(server, "before"))[0])
        old = c.call("events")
        assert c.call("events", since=old["last"], instance=old["instance"])["restarted"] is False
    s.stop()
    s.start()
    with s.client() as c:
        new = c.call("events", since=old["last"], instance=old["instance"])
        assert new["restarted"] is True and new["instance"] != old["instance"] and new["events"][0]["number"] == 1
        assert c.call("events", since=10 ** 6)["restarted"] is True # of no life of this hauld
        done = s.ctl("events", "--since", "%s:%d" % (old["instance"], old["last"]))
        assert done.rc == 0 and "began again" in done.err and done.out.splitlines()[0].split()[0] == "1"


# ---- following

def followed(c, number, condition):
    """The entries of a subscription, read until condition(entries)."""
    def there():
        got = [e["entry"] for e in c.events if e["event"] == "entry" and e["subscription"] == number]
        return got if condition(got) else None
    return c.wait(there)


def test_following_goes_on_where_the_answer_ended(serve, server):
    s = serve()
    with s.client() as c, s.client() as watcher:
        c.wait_job(c.add(good(server, "a"))[0])
        answer = watcher.call("events", since=0, limit=2, follow=True)
        assert len(answer["events"]) == 2
        [job] = c.add(good(server, "b"))
        c.wait_job(job)
        rest = followed(watcher, answer["subscription"], lambda got: got and got[-1]["what"] == "end" and got[-1]["job"] == job)
        both = answer["events"] + rest
        check_row(both)
        assert both == all_events(c)[:len(both)]
        later = watcher.call("events", follow=True, job=99)
        assert later["events"] == [] and later["next"] == later["last"]


def test_a_slow_reader_is_told_what_it_lost(serve, server):
    """The journal is small; who does not read is told from which number to which, gets the
    newest, and costs hauld nothing meanwhile."""
    s = serve(event_memory="64K")
    with s.client() as c, s.client() as slow:
        slow.call("events", follow=True)
        text = "x" * 200
        last = 0
        for batch in range(40): # some 300 bytes an event: 256 KiB of output and then 64 KiB of journal
            jobs = c.add(*[{"url": "http://127.0.0.1:1/" + text, "output": "%s%d-%d" % (text, batch, i), "retry": 0}
                           for i in range(100)])
            c.call("cancel", jobs=jobs)
            last = c.call("events", last=1)["last"]
        def complete():
            return slow.events and slow.events[-1]["event"] == "entry" and slow.events[-1]["entry"]["number"] >= last
        slow.wait(complete)
        seen, lost = set(), set()
        for e in slow.events:
            if e["event"] == "entry":
                seen.add(e["entry"]["number"])
            else:
                assert e["event"] == "lost" and e["count"] == e["to"] - e["from"] + 1
                lost.update(range(e["from"], e["to"] + 1))
        first = min(seen | lost)
        assert lost and not seen & lost and seen | lost == set(range(first, max(seen) + 1))
        page = c.call("events", since=1)
        assert page["lost"] == page["first"] - 2 and page["events"][0]["number"] == page["first"] > 1


def test_nothing_is_kept_when_nothing_shall_be(serve, server):
    s = serve(event_memory=0, log_memory=0)
    with s.client() as c:
        c.wait_job(c.add(good(server, "none"))[0])
        page = c.call("events")
        assert page["events"] == [] and page["last"] >= 4 and page["first"] == page["last"] + 1
        assert c.call("events", since=0)["lost"] == page["last"]
        assert c.call("log")["events"] == []


# ---- the log

def test_the_log_of_a_job_and_of_all(serve, server):
    s = serve(log_level="debug")
    with s.client() as c:
        [bad] = c.add({"url": server.url("/status/404?ev-404"), "output": "bad", "name": "bad", "retry": 0})
        c.wait_job(bad)
        c.wait_job(c.add(good(server, "fine"))[0])
        lines = all_events(c, "log", job="bad")
        assert lines and all(line["job"] == bad and "id=%d" % bad in line["text"] for line in lines)
        assert [line["level"] for line in lines if "http-404" in line["text"]] == ["debug", "warning"]
        whole = all_events(c, "log")
        check_row(whole)
        assert [l["text"] for l in whole if "configuration loaded" in l["text"]]
        for line in whole: # what was said on standard error may come later
            assert s.wait_log(line["text"])
        assert {line["level"] for line in all_events(c, "log", level="warning")} == {"warning"}
        follow = c.call("log", follow=True, job=bad)
        c.call("retry", job=bad)
        c.wait_job(bad)
        c.wait(lambda: [e for e in c.events if e["event"] == "line" and e["subscription"] == follow["subscription"]
                        and e["line"]["level"] == "warning"])


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user")
def test_others_see_the_log_of_jobs_only(serve, server):
    s = serve(control_policy="submit")
    os.chmod(s.socket, 0o666)
    for path in (s.tmp, os.path.dirname(s.tmp), os.path.dirname(os.path.dirname(s.tmp))):
        os.chmod(path, os.stat(path).st_mode | 0o011)
    with s.client() as c:
        c.wait_job(c.add({"url": server.url("/status/404?ev-other"), "output": "bad", "retry": 0})[0])
    script = ("import os, socket, sys\nos.setuid(65534)\ns = socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\n"
              "s.sendall(sys.stdin.buffer.read())\ns.shutdown(1)\nprint(s.makefile().read())")
    done = subprocess.run(["/usr/bin/python3", "-c", script, s.socket], check=True, capture_output=True,
                          input=request("log", 1) + request("log", 2, job=1) + request("events", 3))
    answers = {a["id"]: a for a in map(json.loads, done.stdout.decode().split("\n")[:3])}
    assert answers[1]["error"]["data"]["word"] == "permission-denied"
    assert answers[2]["result"]["events"] and answers[3]["result"]["events"]


# ---- haulctl

def test_haulctl_events_and_log(serve, server):
    s = serve()
    with s.client() as c:
        c.wait_job(c.add(good(server, "seen", name="seen"))[0])
        c.wait_job(c.add({"url": server.url("/status/404?ev-ctl"), "output": "\u202ered", "retry": 0})[0])
    done = s.ctl("events")
    assert done.rc == 0 and "job 1 seen: done, " in done.out and "\u202e" not in done.out, done
    assert "failed: http-404: " in done.out
    assert s.ctl("events", "--limit", 1).out == done.out.splitlines(True)[-1]
    assert len(s.ctl("events", "seen").out.splitlines()) == 4
    assert len(s.ctl("events", "--what", "end", "--state", "failed").out.splitlines()) == 1
    lines = s.ctl("events", "--json").lines
    check_row(lines)
    assert {e["instance"] for e in lines} == {lines[0]["instance"]}
    assert s.ctl("events", "--since", "soon").rc == 2 and s.ctl("events", "nobody").rc == 3
    log = s.ctl("log", 2)
    assert log.rc == 0 and len(log.out.splitlines()) == 1 and "http-404" in log.out and "\u202e" not in log.out
    assert "job done" in s.ctl("log").out


def test_haulctl_follows_until_the_end(serve, server):
    s = serve()
    watcher = subprocess.Popen([s.ctl_program(), "--socket", s.socket, "events", "--follow", "--since", "0"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=s.environment())
    try:
        with s.client() as c:
            c.wait_job(c.add(good(server, "f", name="followed"))[0])
        lines = []
        while not lines or "followed: done" not in lines[-1]:
            lines.append(watcher.stdout.readline())
            assert lines[-1], lines
        s.stop()
        assert watcher.wait(PATIENCE) == 5 and "closed the connection" in watcher.stderr.read()
    finally:
        if watcher.poll() is None:
            watcher.send_signal(signal.SIGKILL)
        watcher.wait()
        watcher.stdout.close()
        watcher.stderr.close()
