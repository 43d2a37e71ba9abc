"""Filters: of commands to many jobs, and of what lists."""

import json
import re
import subprocess

import pytest
from bodies import digest
from fakehauld import FakeHauld, Refused
from haul import program
from lateness import asked_again, assert_never_late, loop
from waiting import wait_until


@pytest.fixture
def many(serve, server):
    """A hauld with jobs: 6 that wait, of these 2 paused, one done, two failed."""
    s = serve({"groups": [{"name": "night"}]}, max_concurrent_downloads=1)
    with s.client() as c:
        done, bad, worse = [job["id"] for job in c.call("add", jobs=[
            {"url": [server.url("/ok/10?key=filters-a")], "output": "done", "name": "d"},
            {"url": [server.url("/ok/10?key=filters-b")], "output": "bad", "retry": 0, "checksum": ["md5:" + "0" * 32]},
            {"url": [server.url("/ok/10?key=filters-c")], "output": "worse", "retry": 0, "checksum": [digest(b"no")]}])["jobs"]]
        for job in (done, bad, worse):
            c.call("wait", job=job)
        c.call("add", jobs=[{"url": [server.url("/stall/100k/1k?key=filters-d")], "output": "runs"},
                            *({"url": [server.url("/ok/10?key=filters-%d" % i)], "output": "dir/w%d" % i, **({"group": "night"} if i == 2 else {})}
                              for i in range(3)),
                            *({"url": [server.url("/ok/10?key=filters-p%d" % i)], "output": "p%d" % i, "paused": True}
                              for i in range(2))])
        yield s


def states(s):
    jobs = s.ctl("list", "--json").lines
    return {job["output"].split("/")[-1]: job["state"] for job in jobs}


def test_cancel_by_filters(many):
    assert many.ctl("cancel", "--state", "queued,blocked").out == "3 cancelled\n"
    assert states(many) == {"done": "done", "bad": "failed", "worse": "failed", "runs": "active", "w0": "cancelled", "w1": "cancelled",
                            "w2": "cancelled", "p0": "paused", "p1": "paused"}
    assert many.ctl("cancel", "--output", "*/p1").out == "1 cancelled\n"
    assert many.ctl("cancel", "--url", "*/stall/*").out == "1 cancelled\n"
    assert many.ctl("cancel", "--name", "d").out == "0 cancelled\n" # it is over
    assert states(many)["p0"] == "paused" and states(many)["runs"] == "cancelled"


def test_pause_and_resume_by_filters(many):
    assert many.ctl("pause", "--output", "*/dir/*").out == "3 paused\n"
    assert many.ctl("pause", "--output", "*/dir/*").out == "0 paused\n"
    assert states(many)["w1"] == "paused"
    assert many.ctl("resume", "--output", "*/w1").out == "1 resumed\n"
    assert many.ctl("resume", "--output", "*/dir/*", "--group", "night").out == "1 resumed\n"
    assert states(many) == {**states(many), "w0": "paused", "w1": "queued", "w2": "queued", "p0": "paused"}


def test_retry_and_remove_by_filters(many):
    assert many.ctl("retry", "--output", "*/bad").out == "1 queued again\n"
    assert many.ctl("retry", "--since", "1h", "--state", "failed").out == "1 queued again\n" # the other one
    assert many.ctl("remove", "--until", "1h").out == "0 removed\n"
    assert many.ctl("remove", "--all").out == "1 removed\n"
    assert "done" not in states(many) and states(many)["bad"] in ("queued", "blocked")


def test_run_by_filters_is_about_those_that_wait_for_a_time(serve, server):
    s = serve({"groups": [{"name": "g"}]})
    with s.client() as c:
        def job(name, **keys):
            return {"name": name, "url": server.url("/ok/10?filters-" + name), "output": name, "group": "g", "fsync": "off", **keys}
        c.add(job("hourly", every="1h"), job("late", delay="1h"), job("plain"), job("behind", after=["event:never"]),
              {k: v for k, v in job("other", delay="1h").items() if k != "group"})
        for name in ("hourly", "plain"):
            c.wait_job(name)
        done = s.ctl("run", "--group", "g")
        assert (done.rc, done.out) == (0, "2 begun\n"), done
        assert c.wait_job("late")["state"] == "done"
        wait_until(lambda: c.show("hourly")["runs"]["count"] == 2)
        assert [c.show(name)["state"] for name in ("behind", "other")] == ["blocked", "blocked"]
        assert s.ctl("run", "--name", "o*").out == "1 begun\n" and c.wait_job("other")["state"] == "done"
        assert s.ctl("run", "--all", "--state", "blocked").out == "0 begun\n"
        assert s.ctl("run").rc == 2 and s.ctl("run", "--all", "late").rc == 2


def test_json_tells_what_hauld_answered(many):
    for verb in ("cancel", "pause", "resume", "retry", "run"):
        assert many.ctl(verb, "--json", "--name", "nobody").lines == [{"jobs": []}]
    assert many.ctl("remove", "--json", "--name", "nobody").lines == [{"removed": 0}]
    [answer] = many.ctl("cancel", "--json", "--output", "*/dir/*").lines
    assert [job["state"] for job in answer["jobs"]] == ["cancelled"] * 3


@pytest.mark.parametrize("args, told", [
    (["cancel", "--state", "done"], "cancel is about jobs that are queued, blocked, active, paused"), (["remove"], "remove needs a job, a filter"),
    (["retry"], "retry needs a job, a filter"), (["cancel", "1", "--state", "queued"], "jobs or filters, not both"), (["cancel"], "needs one of these"),
    (["pause", "--state", "pausd"], "must be one of"), (["retry", "--state", "done"], "retry is about jobs that are failed, cancelled"),
])
def test_2_for_usage(tmp, serve, args, told):
    done = serve().ctl(*args)
    assert done.rc == 2 and told in done.err and done.out == "", done


def test_what_changed_meanwhile_is_counted(tmp):
    """All or none is hauld's rule for a request; by filters it is each that can."""
    with FakeHauld(tmp + "/sock") as fake:
        for _ in range(1500):
            fake.add_job(state="queued")
        over = {5, 700, 1400}

        def cancel(params, client):
            if over & set(params["jobs"]):
                raise Refused(-32002, "conflict", "job is done")
            return {"jobs": [fake.jobs[i] for i in params["jobs"]]}
        fake.on["cancel"] = cancel
        done = subprocess.run([program("haulctl"), "--socket", fake.path, "cancel", "--state", "queued"], capture_output=True, text=True, check=True)
        assert done.stdout == "1497 cancelled\n" and "3 stay as they are; the last: job " in done.stderr
        assert max(len(p["jobs"]) for p in fake.of("cancel")) == 1000


def test_every_verb_that_looks_has_json(many):
    """One object or one a line, on standard output, and nothing else there."""
    for args in (["list"], ["status"], ["show", "d"], ["why", "d"], ["wait", "d"], ["hosts"], ["workers"], ["config"], ["check"], ["version"],
                 ["events", "--limit", "3"], ["log", "--limit", "3"], ["stats"], ["group"], ["limit"], ["top", "-n", "1"], ["export"], ["help"],
                 ["pause", "d"], ["cancel", "--output", "x"], ["verify", many.path("done"), "--checksum", "md5:" + "0" * 32]):
        done = many.ctl(args[0], "--json", *args[1:])
        for line in done.out.splitlines():
            assert isinstance(json.loads(line), (dict, list)), (args, line)
        assert done.out or args[0] in ("pause", "cancel", "check"), (args, done)


def test_hosts_are_sorted_and_filtered(tmp):
    rows = [{"origin": o, "host": o.split("/")[2], "connections": c, "limit": 5, "queued": q, "running": c, "breaker": "closed",
             "failures": f, "cause": "", "probe_in_ms": 0} for o, c, q, f in
            (("https://b.example", 1, 9, 0), ("https://a.example", 3, 2, 7), ("http://c.test", 2, 5, 1))]
    with FakeHauld(tmp + "/sock") as fake:
        fake.on["hosts"] = lambda params, client: {"hosts": rows, "total": 3, "network_down": False, "network_probe_in_ms": 0}

        def hosts(*args):
            done = subprocess.run([program("haulctl"), "--socket", fake.path, "hosts", *args], capture_output=True, text=True, check=True)
            return "".join(line.split("://")[1][0] for line in done.stdout.splitlines() if "://" in line), done
        for args, order in (([], "abc"), (["--sort", "host"], "abc"), (["--sort", "connections"], "acb"), (["--sort", "queued"], "bca"),
                            (["--sort", "failures"], "acb"), (["--url", "https://*"], "ab"), (["--url", "*.EXAMPLE", "--sort", "queued"], "ba")):
            assert hosts(*args)[0] == order, args
        one = json.loads(hosts("--json", "--url", "*c.test")[1].stdout)
        assert [h["origin"] for h in one["hosts"]] == ["http://c.test"] and one["total"] == 3
        assert "no such hosts" in hosts("--url", "x")[1].stderr


@asked_again
def test_a_list_by_end_looks_at_some_in_each_turn(serve, server):
    """Jobs of the configuration stay in memory when they are over, however many there are."""
    s, n = serve(), 60000
    s.reload({"jobs": [{"name": "e%d" % i, "url": server.url("/ok/10/end%d" % i), "output": "d%d/e%d" % (i % 9, i), "paused": True}
                       for i in range(n)]})
    with s.client() as c:
        c.call("cancel", jobs=["e0"])
        c.call("cancel", all=True)
        before = loop(c)
        page = c.call("list", order="ended", limit=7, url="*end3*3*77")
        found = [j["name"] for j in page["jobs"]]
        while page["next"]:
            page = c.call("list", order="ended", limit=7, url="*end3*3*77", after=page["next"])
            found += [j["name"] for j in page["jobs"]]
        assert_never_late(c, before)
        wanted = ["e%d" % i for i in range(n) if re.fullmatch("3.*3.*77", str(i))]
        assert sorted(found) == sorted(wanted) and c.call("list", order="ended", url="*end0", limit=9)["jobs"][0]["name"] == "e0"
        # What begins anew, ends and goes while two look at all of them.
        looks = [c.send("list", order="ended", limit=1000, url="*end5*") for _ in range(2)]
        c.call("retry", jobs=["e5", "e5999"])
        c.call("wait", jobs=["e5", "e5999"])
        s.reload({"jobs": []})
        for look in looks:
            names = [j["name"] for j in c.answer(look)["jobs"]]
            assert len(set(names)) == len(names) and all(name.startswith("e5") for name in names)
