"""`why`: for each state and reason a sentence, with the time or the thing it waits for."""

import os
import signal
import time

from bodies import body, digest
from waiting import wait_until


def stalled(server, output, key, **keys):
    """A job that does not end by itself."""
    return {"url": server.url("/stall/1M/64K?" + key), "output": output, "stall-timeout": "1h", "fsync": "off", **keys}


def good(server, output, key, size=1000, **keys):
    return {"url": server.url("/ok/%d?%s" % (size, key)), "output": output, "fsync": "off", **keys}


def why(c, job):
    """What is said of the job; every answer has these."""
    [told] = c.call("why", job=job)["jobs"]
    assert len(told["text"]) > 15 and told["text"].isprintable() and isinstance(told["on"], list), told
    assert {"id", "name", "output", "state", "phase", "word", "text", "until", "on"} == set(told)
    return told


def waits(c, job, word):
    wait_until(lambda: why(c, job)["word"] == word, why=lambda: repr(why(c, job)))
    told = why(c, job)
    assert told["word"] == word, told
    return told


def test_global_and_host_limit_name_the_jobs_in_the_way(serve, server):
    s = serve(max_concurrent_downloads=3, max_connections_per_host=2)
    with s.client() as c:
        one, two, third = c.add(*[stalled(server, "h%d" % i, "why-h%d" % i) for i in range(3)])
        c.wait_state(two, "active", "download")
        told = waits(c, third, "host-limit")
        assert told["on"] == [one, two] and "2 of 2 connections to 127.0.0.1" in told["text"] and told["until"] is None
        other = server.url("/stall/1M/64K?why-other").replace("127.0.0.1", "127.0.0.2")
        elsewhere, last = c.add({"url": other, "output": "o", "stall-timeout": "1h"},
                                {"url": other + "2", "output": "o2", "stall-timeout": "1h"})
        c.wait_state(elsewhere, "active", "download")
        told = waits(c, last, "global-limit")
        assert told["on"] == [one, two, elsewhere] and "3 of 3 transfers run" in told["text"]
        summary = c.call("why")
        assert {r["word"]: (r["count"], r["example"]["id"]) for r in summary["reasons"]} == {
            "host-limit": (1, third), "global-limit": (1, last)}
        assert summary["waiting"] == 2 and not summary["sampled"]
        done = s.ctl("why", third)
        assert done.rc == 0 and "host-limit" in done.out and "by jobs %d, %d" % (one, two) in done.out, done
        assert "transfers run" in s.ctl("why").out


def test_a_retry_has_a_time_and_a_cause(serve, server):
    s = serve()
    with s.client() as c:
        [job] = c.add({"url": server.url("/status/503?why-503"), "output": "f", "retry": 3, "retry-delay": "1h", "retry-max-delay": "2h"})
        told = waits(c, job, "retry-at")
        left = told["until"] - time.time()
        assert 0 < left < 7300 and "the next try is at " in told["text"] and ", after http-503: " in told["text"]
        assert "http-503" in s.ctl("why", job).out


def test_a_destination_that_is_busy(serve, server):
    s = serve()
    with s.client() as c:
        first, second = c.add(stalled(server, "same", "why-same", name="first"), good(server, "same", "why-same2"))
        told = waits(c, second, "destination-busy")
        assert told["on"] == [first]
        wait_until(lambda: "job %d (first), which is active and has 6 %%," % first in why(c, second)["text"])


def test_an_origin_that_is_down(serve, server):
    s = serve(max_origin_failures=1, max_probe_delay="1h")
    with s.client() as c:
        first, second = c.add(*[{"url": "http://127.0.0.1:1/%d" % i, "output": "d%d" % i, "retry": 9, "retry-delay": "10ms"}
                                for i in range(2)])
        s.wait_log("origin is down")
        def down():
            return [t for t in (why(c, first), why(c, second)) if t["word"] == "origin-down"]
        [told, *_] = wait_until(down)
        assert "http://127.0.0.1:1 has failed" in told["text"] and ", the last time: " in told["text"]


def test_decoder_memory(serve, server):
    s = serve(max_overall_decoder_memory="64M")
    with s.client() as c:
        first, second = c.add(*[stalled(server, "z%d" % i, "why-z%d" % i, decompress="zstd", **{"decoder-memory": "64M"})
                                for i in range(2)])
        c.wait_state(first, "active", "download")
        told = waits(c, second, "decoder-memory")
        assert told["on"] == [first] and "may need 64.0 MiB, and others have 64.0 MiB of 64.0 MiB" in told["text"]


def test_worker_backlog_and_a_job_that_waits_for_workers(serve, server):
    s = serve(max_concurrent_verifications=1, workers=1)
    with s.client() as c:
        c.wait_job(c.add(good(server, "warm", "why-warm", checksum=digest(body(1000))))[0])
        workers = s.workers()
        for pid in workers:
            os.kill(pid, signal.SIGSTOP)
        try:
            [first] = c.add(good(server, "w0", "why-w0", 300 << 10, checksum=digest(body(300 << 10))))
            c.wait_state(first, "active", "verify")
            told = why(c, first)
            assert told["word"] == "" and "workers verify it" in told["text"]
            [second] = c.add(good(server, "w1", "why-w1"))
            told = waits(c, second, "worker-backlog")
            assert told["on"] == [first] and "1 of 1 jobs are past their download" in told["text"]
        finally:
            for pid in workers:
                os.kill(pid, signal.SIGCONT)
        assert c.wait_job(second)["state"] == c.wait_job(first)["state"] == "done"


def test_what_jobs_of_a_plan_wait_for(serve, server):
    s = serve({"groups": [{"name": "few", "max-concurrent": 1}]})
    with s.client() as c:
        first, after, instead, event, later, one, two = c.add(
            stalled(server, "p0", "why-p0", name="first"), good(server, "p1", "why-p1", after=["first"]),
            good(server, "p2", "why-p2", **{"after-failed": ["first"]}), good(server, "p3", "why-p3", after=["event:go"]),
            good(server, "p4", "why-p4", delay="1h"), stalled(server, "p5", "why-p5", group="few"),
            stalled(server, "p6", "why-p6", group="few"))
        told = waits(c, after, "after:first")
        assert told["on"] == [first] and "it begins when job %d (first), which is active" % first in told["text"]
        told = waits(c, instead, "after-failed:first")
        assert told["on"] == [first] and "begins if that one fails" in told["text"]
        assert "`haulctl event set go`" in waits(c, event, "event:go")["text"]
        told = waits(c, later, "start-at")
        assert abs(told["until"] - time.time() - 3600) < 60 and ", in 1h 00m" in told["text"].replace("59m", "1h 00m")
        told = waits(c, two, "group-limit")
        assert told["on"] == [one] and "1 of 1 jobs of group few run: job %d" % one in told["text"]
        words = {r["word"]: r["count"] for r in c.call("why")["reasons"]}
        assert words == {"after": 1, "after-failed": 1, "event": 1, "start-at": 1, "group-limit": 1}
        c.call("pause", group="few")
        assert "group few is paused" in waits(c, two, "group-paused")["text"]
        c.call("resume", group="few")
        c.call("pause", all=True)
        waits(c, two, "all-paused")
        notes = [e["what"] for e in c.call("events", what=["group", "event"])["events"]]
        assert "group" in notes


def test_jobs_that_run(serve, server):
    s = serve()
    with s.client() as c:
        idle, slow = c.add(stalled(server, "idle", "why-idle"), good(server, "slow", "why-slow", 1 << 20, **{"limit-rate": "20K"}))
        c.wait_state(idle, "active", "download")
        assert "nothing" in why(c, idle)["text"] and server.url("/")[:-1] in why(c, idle)["text"]
        c.wait_state(slow, "active", "download")
        def held():
            told = why(c, slow)
            return told if told["word"] == "rate" else None
        assert "its own limit-rate is 20.0 KiB a second" in wait_until(held)["text"]
        wait_until(lambda: slow in [j["id"] for j in c.call("why")["slow"]])


def test_jobs_that_are_over_or_paused(serve, server):
    s = serve()
    with s.client() as c:
        done, failed, cancelled, paused = c.add(
            good(server, "done", "why-done"), {"url": server.url("/status/404?why-404"), "output": "f", "retry": 0},
            stalled(server, "c", "why-c"), stalled(server, "p", "why-p"))
        c.wait_job(done)
        told = why(c, done)
        assert told["state"] == "done" and "it is published, " in told["text"] and "in attempt 1" in told["text"]
        c.wait_job(failed)
        told = why(c, failed)
        assert told["word"] == "http-404" and "What may help: see the url" in told["text"]
        c.wait_state(cancelled, "active")
        c.call("cancel", job=cancelled)
        told = why(c, cancelled)
        assert told["word"] == "cancelled" and "`haulctl retry` queues it again" in told["text"]
        c.wait_state(paused, "active")
        c.call("pause", job=paused)
        told = why(c, paused)
        assert told["state"] == "paused" and told["text"].startswith("uid %d paused it at " % os.getuid()), told
        assert "failed: http-404" in s.ctl("why", failed).out
        assert s.ctl("why", done, failed, paused, "--json").lines[1]["word"] == "http-404"
        reasons = {r["word"]: r for r in c.call("why")["reasons"]}
        assert reasons["paused"]["count"] == 1 and reasons["paused"]["example"]["id"] == paused
    s.stop()
    s.start()
    with s.client() as c:
        assert "since a time that hauld does not remember" in why(c, paused)["text"]
        assert "What may help" in why(c, failed)["text"] # from the history, or not


def test_nothing_waits_and_bad_requests(serve):
    s = serve()
    with s.client() as c:
        assert c.call("why") == {"waiting": 0, "sampled": False, "reasons": [], "slow": []}
        assert "no job waits" in s.ctl("why").out
        assert c.refused("why", job=99).word == "no-such-job" and s.ctl("why", "nobody").rc == 3
        assert c.refused("why", jobs=[]).word == "invalid-params"


def test_draining_is_a_reason(serve, server):
    s = serve(max_concurrent_downloads=1)
    with s.client() as c, s.client() as other:
        runs, queued = c.add(stalled(server, "runs", "why-runs"), good(server, "queued", "why-queued"))
        c.wait_state(runs, "active", "download")
        drained = c.send("drain")
        wait_until(lambda: other.call("status")["state"] == "draining")
        told = why(other, queued)
        assert told["word"] == "draining" and "begins nothing more" in told["text"]
        other.call("cancel", job=runs)
        c.answer(drained)
    assert s.wait_exit() == 0
