"""haulctl gather: many as one, results in the order given (haulctl(1))."""

import os
import random
import signal
import subprocess

import pytest
from service import program
from test_groups import bad, late, most_at_once, slow
from waiting import PATIENCE, wait_until

OFF = ("--fsync", "off")


def names(done):
    return [j["name"] or os.path.basename(j["output"]) for j in done.lines]


def test_results_in_the_order_given(serve, server):
    s = serve()
    with s.client() as c:
        c.add(late(server, "gj"))
        urls = [server.url("/delay/%g/100/o%d?%s" % (0.4 - 0.1 * i, i, "go%d" % i)) for i in range(4)]
        done = s.ctl("gather", "--json", *OFF, urls[0], urls[1], "gj", urls[2], urls[3])
        assert done.rc == 0 and names(done) == ["o0", "o1", "gj", "o2", "o3"], done
        text = s.ctl("gather", "gj", "2", "5")
        assert text.rc == 0 and text.out.index("gj") < text.out.index("o0") < text.out.index("o3"), text


def test_the_first_failure_ends_it_and_the_others_go_on(serve, server):
    s = serve()
    with s.client() as c:
        c.add(slow(server, "gs"), late(server, "gd"), bad(server, "gb"))
        done = s.ctl("gather", "gs", "gd", "gb")
        assert done.rc == 1 and done.out == ""
        assert "gb (id 3) failed: http-404" in done.err and "the others go on" in done.err, done
        assert c.show("gs")["state"] in ("queued", "active")
        c.call("cancel", all=True)
        assert s.ctl("gather", "gs", "gd").rc == 8


def test_return_exceptions_gives_all_of_them(serve, server):
    s = serve()
    with s.client() as c:
        c.add(bad(server, "ge0"), late(server, "ge1", seconds=0.3), bad(server, "ge2"))
        done = s.ctl("gather", "--return-exceptions", "--json", "ge2", "ge1", "ge0")
        assert done.rc == 1 and names(done) == ["ge2", "ge1", "ge0"]
        assert [j["state"] for j in done.lines] == ["failed", "done", "failed"]


def test_cancel_ends_the_others_and_nothing_outlives_it(serve, server):
    s = serve()
    with s.client() as c:
        c.add(slow(server, "gc-job"))
        c.wait_state("gc-job", "active", "download")
        done = s.ctl("gather", "--cancel", *OFF, server.url("/drip/1M/1K/0.05/gc-url?gc-url"), "gc-job",
                     server.url("/status/404/gc-bad?gc-bad"))
        assert done.rc == 1 and "gc-bad" in done.err and "were cancelled" in done.err, done
        assert c.call("wait", all=True)["cancelled"] == 0 # all are over already
        assert c.show("gc-job")["code"] == "cancelled"
        codes = {os.path.basename(j["output"]): j["code"] for j in c.list_all()}
        assert codes["gc-url"] == "sibling-failed" and codes["gc-bad"] == "http-404"
        wait_until(lambda: server.stats()["active"] == 0)


def test_max_concurrent_bounds_the_urls(serve, server):
    s = serve({"groups": [{"name": "outer", "max-concurrent": 9}]})
    keys = ["gm%d" % i for i in range(8)]
    done = s.ctl("gather", "--max-concurrent", "2", "--group", "outer", *OFF,
                 *[server.url("/delay/0.1/10/%s?%s" % (k, k)) for k in keys])
    assert done.rc == 0, done
    assert most_at_once(server, set(keys)) == 2
    with s.client() as c:
        groups = {g["name"]: g for g in c.call("group")["groups"]}
        assert groups["outer"]["jobs"]["done"] == 8 and len(groups) == 2


def test_more_than_a_request_holds(serve, server):
    s = serve(max_concurrent_downloads=64, max_connections_per_host=64)
    done = s.ctl("gather", "--json", "--return-exceptions", *OFF,
                 *[server.url("/ok/1/gx%d?gx=%d" % (i, i)) for i in range(1200)])
    assert done.rc == 0 and names(done) == ["gx%d" % i for i in range(1200)]


@pytest.mark.parametrize("seed", range(4))
def test_random_jobs_against_a_model(serve, server, seed):
    """Any order, some given twice, failures and what comes after them: each result where
    its job was given, and as it must be."""
    rng = random.Random(seed)
    s = serve(max_concurrent_downloads=3)
    with s.client() as c:
        for r in range(8):
            jobs, expected = [], {}
            for i in range(rng.randint(2, 14)):
                name = "gr%d-%d-%d" % (seed, r, i)
                failing = rng.random() < 0.25
                after = rng.sample(list(expected), min(len(expected), rng.choice((0, 0, 1, 2))))
                path = "/status/404/%s?%s" if failing else "/delay/%g/100/%%s?%%s" % rng.choice((0, 0, 0.02, 0.1))
                jobs.append({"name": name, "url": server.url(path % (name, name)), "output": name, "fsync": "off",
                             "retry": 0, "priority": rng.randint(-3, 3), **({"after": after} if after else {})})
                if any(expected[a] != "done" for a in after):
                    expected[name] = "dependency-failed"
                else:
                    expected[name] = "http-404" if failing else "done"
            c.add(*jobs)
            given = rng.choices(list(expected), k=rng.randint(2, 20))
            done = s.ctl("gather", "--return-exceptions", "--json", *given)
            assert [(j["name"], j["code"]) for j in done.lines] == [(n, expected[n]) for n in given], (seed, r, jobs)
            failed = [n for n in given if expected[n] != "done"]
            assert done.rc == (1 if failed else 0)
            done = s.ctl("gather", *given)
            assert done.rc == (1 if failed else 0)
            assert not failed or any("%s (id " % n in done.err and expected[n] in done.err for n in failed), done


def test_a_timeout_leaves_them(serve, server):
    s = serve()
    with s.client() as c:
        c.add(slow(server, "gt"))
        done = s.ctl("gather", "--timeout", "100ms", "gt")
        assert done.rc == 4 and "go on" in done.err
        assert c.show("gt")["state"] in ("queued", "active")
        c.call("cancel", all=True)


def test_interrupted_it_detaches_and_says_so(serve, server):
    s = serve()
    with s.client() as c:
        process = subprocess.Popen([program("haulctl"), "--socket", s.socket, "gather", *OFF,
                                    server.url("/drip/1M/1K/0.05/gi?gi")], stderr=subprocess.PIPE, env=s.environment())
        # its request to wait is the last it sends
        wait_until(c.list_all)
        c.wait_state(1, "active", "download")
        process.send_signal(signal.SIGINT)
        _out, err = process.communicate(timeout=PATIENCE)
        assert process.returncode in (130, -signal.SIGINT)
        if process.returncode == 130:
            assert b"detached; the jobs go on" in err
        assert c.show(1)["state"] == "active"
        c.call("cancel", all=True)


def test_what_gather_refuses(serve, server):
    s = serve()
    assert s.ctl("gather").rc == 2
    assert s.ctl("gather", "nobody").rc == 3
    assert s.ctl("gather", "--return-exceptions", "--cancel", "1").rc == 2
    assert s.ctl("gather", "--max-concurrent", "2", "1").rc == 2
    assert s.ctl("gather", "--max-concurrent", "0", "http://h/x").rc == 2


def test_a_job_that_is_not_there_is_told_before_anything_is_added(serve, server):
    s = serve()
    for word in ("nobody", "77"):
        done = s.ctl("gather", server.url("/ok/10?gather-nobody"), word)
        assert done.rc == 3 and done.out == "", done
        assert "there is no job" in done.err and done.err.endswith("haulctl: nothing was added\n"), done
    with s.client() as c:
        assert c.call("list")["jobs"] == [] and server.requests("gather-nobody") == []
    text = "%s\n name=listed\n" % server.url("/ok/10?gather-listed")
    done = s.ctl("gather", "-i", "-", "listed", stdin=text) # the list brings it
    assert done.rc == 0 and len(done.out.splitlines()) == 2, done
