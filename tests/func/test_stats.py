"""`stats`, for people and for Prometheus, and `debug`."""

import os
import re

import promtext
import pytest
from bodies import body, digest
from waiting import wait_until


def good(server, output, size=1000, **keys):
    return {"url": server.url("/ok/%d?st-%s" % (size, output)), "output": output, "fsync": "off", **keys}


def families(c):
    return {f["name"]: f for f in c.call("stats")["families"]}


def value(c, name, **labels):
    found = [s["value"] for s in families(c)[name]["samples"] if s["labels"] == labels]
    return found[0] if found else 0


# ---- the reader of the format is strict itself

@pytest.mark.parametrize("text", [
    "a 1", "a{b=c} 1\n", 'a{b="c} 1\n', 'a{b="c" 1\n', 'a{b="\\x"} 1\n', "a one\n", "1a 1\n", 'a{b="1",b="2"} 1\n', "a 1\na 1\n",
    "# TYPE a counter\n# TYPE a counter\na 1\n", "a 1\n# TYPE a gauge\n", "# TYPE a bogus\n", "a 1\nb 1\na{c=\"d\"} 1\n",
    "# TYPE a counter\na -1\n", "# HELP a \\q\n", 'a{1b="c"} 1\n',
    '# TYPE h histogram\nh_bucket{le="1"} 1\nh_sum 1\nh_count 1\n',
    '# TYPE h histogram\nh_bucket{le="1"} 2\nh_bucket{le="+Inf"} 1\nh_sum 1\nh_count 1\n',
    '# TYPE h histogram\nh_bucket{le="2"} 1\nh_bucket{le="1"} 1\nh_bucket{le="+Inf"} 1\nh_sum 1\nh_count 1\n',
    '# TYPE h histogram\nh_bucket{le="+Inf"} 1\nh_sum 1\nh_count 2\n',
    '# TYPE h histogram\nh_bucket{le="+Inf"} 1\nh_count 1\n'])
def test_the_reader_refuses_what_is_wrong(text):
    with pytest.raises(promtext.FormatError):
        promtext.parse(text)


def test_the_reader_takes_what_is_right():
    got = promtext.parse('# HELP a b\\n\\\\c\n# TYPE a counter\na{b="\\"x\\\\\\n",c="d"} 1e3 1395066363000\na 2\n# note\n\nz +Inf\n')
    assert got["a"].help == "b\n\\c" and got["a"].value(b='"x\\\n', c="d") == 1000 and got["a"].value() == 2
    assert promtext.lint(promtext.parse("# HELP a b\n# TYPE a counter\na 1\n")) == ["the counter a does not end in _total"]
    assert promtext.lint(promtext.parse("# HELP x_ms b\n# TYPE x_ms gauge\nx_ms 1\n")) == ["x_ms is not in a base unit"]


# ---- what is counted

def test_what_happens_is_counted(serve, server):
    s = serve(max_concurrent_downloads=2)
    with s.client() as c:
        for job in c.add(*[good(server, "g%d" % i, 1000 + i, checksum=digest(body(1000 + i))) for i in range(5)]):
            assert c.wait_job(job)["state"] == "done"
        c.wait_job(c.add({"url": server.url("/status/404?st-404"), "output": "x", "retry": 0})[0])
        c.wait_job(c.add({"url": server.url("/status/503?st-503"), "output": "y", "retry": 2, "retry-delay": "10ms"})[0])
        [held] = c.add({"url": server.url("/stall/1M/64K?st-held"), "output": "held", "stall-timeout": "1h"})
        wait_until(lambda: c.show(held)["received"] > 0)
        c.call("cancel", job=held)
        assert value(c, "hauld_jobs_added_total") == 8
        assert value(c, "hauld_jobs_ended_total", state="done", cause="done") == 5
        assert value(c, "hauld_jobs_ended_total", state="failed", cause="http-404") == 1
        assert value(c, "hauld_jobs_ended_total", state="failed", cause="http-503") == 1
        assert value(c, "hauld_jobs_ended_total", state="cancelled", cause="cancelled") == 1
        assert value(c, "hauld_retries_total", cause="http-503") == 2
        assert value(c, "hauld_attempts_total") == 5 + 1 + 3 + 1
        assert value(c, "hauld_published_bytes_total") == sum(1000 + i for i in range(5))
        assert value(c, "hauld_received_bytes_total") >= sum(1000 + i for i in range(5)) + 1
        made, kept = (value(c, "hauld_connections_total", connection=w) for w in ("new", "kept"))
        assert made >= 1 and 9 <= made + kept <= 12
        assert value(c, "hauld_jobs", state="done") == 5 and value(c, "hauld_jobs", state="failed") == 2
        assert value(c, "hauld_transfers_limit") == 2 and value(c, "hauld_transfers") == 0
        assert value(c, "hauld_store_commits_total") >= 1 and value(c, "hauld_store_changes_total") >= 16
        assert value(c, "process_resident_memory_bytes") > 1 << 20 and value(c, "hauld_clients") == 1
        runs = families(c)["hauld_job_duration_seconds"]["samples"][0]
        assert runs["count"] == 8 and runs["buckets"][-1][1] == 8 and runs["sum"] > 0
        assert families(c)["hauld_first_byte_seconds"]["samples"][0]["count"] <= 5


def test_gauges_say_what_waits(serve, server):
    s = serve(max_concurrent_downloads=1)
    with s.client() as c:
        runs, *_rest = c.add(*[{"url": server.url("/stall/1M/64K?st-w%d" % i), "output": "w%d" % i, "stall-timeout": "1h"}
                               for i in range(4)])
        c.wait_state(runs, "active", "download")
        assert value(c, "hauld_jobs_waiting", reason="global-limit") == 3 and value(c, "hauld_transfers") == 1
        c.call("status") # the disks were looked at
        assert value(c, "hauld_filesystem_free_bytes", root=s.root) > 0


def test_the_lag_of_the_loop_is_always_measured(serve):
    s = serve()
    with s.client() as c:
        before = families(c)["hauld_loop_lag_seconds"]["samples"][0]
        for _ in range(20):
            c.call("version")
        after = families(c)["hauld_loop_lag_seconds"]["samples"][0]
        assert after["count"] >= before["count"] + 20 and after["sum"] > before["sum"]
        assert [n for _le, n in after["buckets"]] == sorted(n for _le, n in after["buckets"])
        both = families(c)
        turns, calls = (both["hauld_loop_%s_seconds" % w]["samples"][0] for w in ("lag", "callback"))
        assert calls["count"] >= turns["count"] and turns["sum"] >= calls["sum"] * 0.99


# ---- for Prometheus

def test_prometheus_reads_it(serve, server):
    s = serve()
    with s.client() as c:
        c.wait_job(c.add(good(server, "secret-name", name="secret-name"))[0])
        c.wait_job(c.add({"url": server.url("/status/404?st-p404"), "output": "x", "retry": 0})[0])
        done = s.ctl("stats", "--prometheus")
        assert done.rc == 0 and done.err == ""
        got = promtext.parse(done.out)
        assert promtext.lint(got) == []
        assert set(got) == set(families(c))
        assert got["hauld_jobs_ended_total"].value(state="done", cause="done") == 1
        assert got["hauld_jobs_ended_total"].type == "counter" and got["hauld_jobs"].type == "gauge"
        lag = got["hauld_loop_lag_seconds"]
        assert lag.type == "histogram" and lag.bucket("+Inf") >= lag.bucket("0.02") >= lag.bucket("1e-05")
        assert "secret-name" not in done.out and "127.0.0.1" not in done.out # no job makes a series
        labels = {k for f in got.values() for _n, l, _v in f.samples for k in l}
        assert labels == {"state", "cause", "root", "connection", "version", "le"} | ({"reason"} & labels)


def test_a_root_with_quotes_is_escaped(serve, tmp):
    root = os.path.join(tmp, 'a "b" \\c')
    os.makedirs(root)
    s = serve(roots=[root])
    with s.client() as c:
        c.call("status")
        got = promtext.parse(s.ctl("stats", "--prometheus").out)
        assert got["hauld_filesystem_unflushed_bytes"].value(root=root) == 0


def test_figures_for_people(serve, server):
    s = serve()
    with s.client() as c:
        c.wait_job(c.add(good(server, "p"))[0])
    done = s.ctl("stats")
    assert done.rc == 0 and re.search(r"jobs_ended_total +done, done +1\n", done.out), done.out
    assert re.search(r"loop_lag_seconds: .* times, mean .*, 99 % at most ", done.out), done.out
    assert "hauld_" not in done.out and s.ctl("stats", "--json").lines[0]["families"]


# ---- debug

def test_debug_is_switched_while_it_runs(serve, server):
    s = serve()
    with s.client() as c:
        assert c.call("debug") == {"debug": False}
        c.wait_job(c.add(good(server, "quiet"))[0])
        assert len(s.wait_log("job done job=quiet")) == 1
        assert c.call("debug", on=True) == {"debug": True} and s.ctl("debug").out == "debug is on\n"
        c.wait_job(c.add(good(server, "loud"))[0])
        assert len(s.wait_log("job done job=loud", 2)) == 2 # the engine's line of debugging, and the service's
        s.reload({})
        assert c.call("debug") == {"debug": True}
        assert s.ctl("debug", "off").out == "debug is off\n"
        c.wait_job(c.add(good(server, "again"))[0])
        wait_until(lambda: s.log_lines("job done job=again"))
        assert len(s.log_lines("job done job=again")) == 1 and len(s.log_lines("debug is o")) == 2
        assert c.refused("debug", on="yes").word == "invalid-params" and s.ctl("debug", "maybe").rc == 2
    s.stop()
    s.start()
    with s.client() as c:
        assert c.call("debug") == {"debug": False}
