"""hauld as a service: start, reload, drain, the end (DESIGN 5 to 7)."""

import fcntl
import os
import signal
import subprocess
import time

import pytest
from bodies import body, digest
from haul import children_named, program
from service import request
from waiting import wait_until


def stalled(server, name, **keys):
    """A job of the configuration that does not end by itself."""
    return {"name": name, "url": server.url("/stall/1M/64K?" + name), "output": name, "stall-timeout": "1h",
            "fsync": "off", **keys}


def good(server, name, **keys):
    return {"name": name, "url": server.url("/ok/1000?" + name), "output": name, "fsync": "off", **keys}


def counts(report):
    return tuple(report[k] for k in ("added", "changed", "retired", "unchanged"))


def asked(server, name):
    return len(server.requests("?" + name))


# ---- the start

def test_a_broken_configuration_is_told_with_file_and_line(serve):
    s = serve(start=False)
    s.write_config('daemon = {\n  rots = [ "/tmp" ];\n  max-concurrent-downloads = 0;\n};\njobs = ( { name = "a"; } );\n')
    assert s.spawn().wait_exit() == 78
    lines = s.log.splitlines()
    assert any(s.conf + ":2: " in line and 'did you mean "roots"' in line for line in lines)
    assert any(s.conf + ":3: " in line for line in lines) and any(s.conf + ":5: " in line for line in lines)
    assert not os.path.exists(s.socket) and not os.path.exists(s.state)


def test_a_syntax_error_and_a_missing_file(serve):
    s = serve(start=False)
    s.write_config("daemon = {\n\n  oops\n};\n")
    assert s.spawn().wait_exit() == 78 and s.conf + ":4: " in s.log
    os.unlink(s.conf)
    again = serve(start=False)
    os.unlink(again.conf)
    assert again.spawn().wait_exit() == 78 and again.conf in again.log


@pytest.mark.parametrize("root", ["nowhere", "file"])
def test_a_root_that_cannot_be_used(serve, tmp, root):
    with open(os.path.join(tmp, "file"), "w"):
        pass
    s = serve(start=False, roots=[os.path.join(tmp, root)])
    assert s.spawn().wait_exit() == 78
    assert os.path.join(tmp, root) in s.log and not os.path.exists(s.socket)


def test_a_state_directory_that_cannot_be_made(serve, tmp):
    with open(os.path.join(tmp, "nowhere"), "w"):
        pass # a file, where a directory would be needed
    s = serve(start=False, state_dir=os.path.join(tmp, "nowhere", "state"))
    assert s.spawn().wait_exit() == 1 and "nowhere/state" in s.log and "state-dir" in s.log


def test_a_state_directory_that_everybody_may_write_to_is_refused(serve):
    s = serve(start=False)
    os.mkdir(s.state)
    os.chmod(s.state, 0o1777)
    assert s.spawn().wait_exit() == 1
    assert "everybody may write to the state directory %s: take that away (chmod 0700)" % s.state in s.log
    assert os.listdir(s.state) == []
    os.chmod(s.state, 0o700)
    s.start()


@pytest.mark.parametrize("name", ["lock", "jobs.db"])
def test_a_file_of_the_state_that_cannot_be_opened_is_named(serve, name):
    s = serve(start=False)
    os.mkdir(s.state, 0o700)
    path = os.path.join(s.state, name)
    os.symlink("elsewhere", path)
    assert s.spawn().wait_exit() == 1
    assert "cannot open %s: " % path in s.log and "the service's own" in s.log, s.log
    assert os.readlink(path) == "elsewhere" and not os.path.lexists(os.path.join(s.state, "elsewhere"))
    os.unlink(path)
    s.start()


def test_helpers_that_cannot_be_run(serve):
    s = serve(start=False, args=["--conf-path", "/nowhere/hauld-conf"])
    assert s.spawn().wait_exit() == 1 and "/nowhere/hauld-conf" in s.log
    s = serve(start=False, args=["--conf-path", "/bin/true"])
    assert s.spawn().wait_exit() == 1 and "hauld-conf" in s.log


def test_a_signal_during_the_start(serve, server):
    s = serve({"jobs": [good(server, "j%d" % i) for i in range(3000)]}, start=False)
    s.spawn()
    wait_until(lambda: subprocess.run(["pgrep", "-P", str(s.pid)], stdout=subprocess.DEVNULL, check=False).returncode == 0)
    s.signal(signal.SIGTERM)
    assert s.wait_exit() == 0


def test_jobs_of_the_configuration_run_and_are_there_for_the_first_client(serve, server):
    s = serve({"jobs": [good(server, "a", checksum=digest(body(1000))), good(server, "b")]})
    with s.client() as c:
        assert [j["name"] for j in c.call("list")["jobs"]] == ["a", "b"]
        jobs = c.call("wait", jobs=["a", "b"])["jobs"]
        assert [(j["state"], j["origin"], j["uid"]) for j in jobs] == [("done", "config", None)] * 2
    assert s.read("a") == s.read("b") == body(1000)
    s.wait_log("job done job=a id=1 bytes=1000 ")


# ---- reload

def test_reload_adds_changes_retires_and_leaves_the_rest_alone(serve, server):
    keep, gone = stalled(server, "keep"), stalled(server, "gone")
    published = good(server, "published")
    s = serve({"jobs": [keep, gone, stalled(server, "changed"), published, good(server, "same")]})
    with s.client() as c:
        for name in ("published", "same"):
            c.wait_job(name)
        for name in ("keep", "gone", "changed"):
            c.wait_state(name, "active", "download")
        ids = {j["name"]: j["id"] for j in c.list_all()}
        c.call("subscribe")
        report = s.reload({"jobs": [keep, stalled(server, "changed", priority=5), good(server, "same"),
                                    good(server, "new")]})
        assert counts(report) == (1, 1, 2, 2) and report["refused"] == 0 and report["restart"] == []
        assert c.wait_job("new")["state"] == "done"
        ends = {}

        def both_let_go():
            ends.update({e["job"]["id"]: e["job"] for e in c.events if e["event"] == "end"})
            return {ids["gone"], ids["changed"]} <= set(ends)
        c.wait(both_let_go)
        after = {j["name"]: j for j in c.list_all()}
        assert sorted(after) == ["changed", "keep", "new", "same"]
        assert after["keep"]["id"] == ids["keep"] and after["same"]["id"] == ids["same"]
        assert after["changed"]["id"] > ids["same"] and after["changed"]["priority"] == 5
        c.wait_state("changed", "active", "download") # begun anew, once the old one had let go
        assert ends[ids["gone"]]["state"] == ends[ids["changed"]]["state"] == "cancelled"
        assert "configuration" in ends[ids["gone"]]["reason"]
        assert c.refused("show", job=ids["gone"]).word == "no-such-job"
    assert s.published() == ["new", "published", "same"] # what was retired stays published
    assert (asked(server, "keep"), asked(server, "same"), asked(server, "published")) == (1, 1, 1)
    assert (asked(server, "changed"), asked(server, "new"), asked(server, "gone")) == (2, 1, 1)
    s.wait_log("configuration loaded added=1 changed=1 retired=2 unchanged=2")


def test_a_reload_that_changes_nothing_does_nothing(serve, server):
    config = {"jobs": [stalled(server, "a"), good(server, "b"),
                       {"url": server.url("/status/404?c"), "output": "c", "retry": 0}]}
    s = serve(config)
    with s.client() as c:
        before = [c.wait_job(2), c.wait_job(3), c.wait_state(1, "active", "download")]
        for _ in range(5):
            assert counts(s.reload(config)) == (0, 0, 0, 3)
        done = s.ctl("reload")
        assert done.rc == 0 and "unchanged 3" in done.out, done
        assert [c.show(2)["id"], c.show(3)["state"], c.show(1)["attempts"]] == [2, "failed", before[2]["attempts"]]
    assert [asked(server, n) for n in "abc"] == [1, 1, 1]


def test_sighup_reloads(serve, server):
    s = serve({"jobs": [good(server, "a")]})
    s.write_config({"jobs": [good(server, "a"), good(server, "b")]})
    s.signal(signal.SIGHUP)
    s.wait_log("configuration loaded added=1 changed=0 retired=0 unchanged=1")
    with s.client() as c:
        assert c.wait_job("b")["state"] == "done"


def test_sighup_while_the_jobs_are_loaded_is_not_lost(serve, server):
    """The file that this start has read may be another by then."""
    s = serve({"jobs": [good(server, "a")]})
    s.stop()
    with open(os.path.join(s.state, "jobs.db"), "rb") as db:
        fcntl.flock(db, fcntl.LOCK_EX) # the store waits for it, and hauld for the store
        s.spawn()
        wait_until(lambda: children_named(s.pid, "hauld-store"))
        s.write_config({"jobs": [good(server, "a"), good(server, "b")]})
        s.signal(signal.SIGHUP)
    s.wait_log("configuration loaded", 2)
    with s.client() as c:
        assert c.wait_job("b")["state"] == "done"


def test_a_broken_configuration_changes_nothing(serve, server):
    s = serve({"jobs": [stalled(server, "a")]}, max_concurrent_downloads=3)
    with s.client() as c:
        c.wait_state("a", "active", "download")
        before = c.call("config")
        s.write_config({"daemon": {"max-concurrent-downloads": 5}, "jobs": [good(server, "b"), {"name": "c"},
                                                                           good(server, "d", retri=3)]})
        error = c.refused("reload")
        assert error.word == "configuration" and "nothing was changed" in error.text and "2 errors" in error.text
        assert len(error.data["errors"]) == 2 and all(e.startswith(s.conf + ":") for e in error.data["errors"])
        assert c.call("config") == before and [j["name"] for j in c.list_all()] == ["a"]
        s.signal(signal.SIGHUP)
        s.wait_log("configuration not loaded: nothing was changed", 2)
        assert error.data["errors"][0] in s.log
        done = s.ctl("reload")
        assert done.rc != 0 and error.data["errors"][0] in done.err, done
        done = s.ctl("check")
        assert done.rc != 0 and error.data["errors"][1] in done.out + done.err, done
        os.unlink(s.conf)
        assert c.refused("reload").word == "configuration"
        assert c.call("config") == before and asked(server, "a") == 1


def test_a_name_that_a_client_has_is_left_out(serve, server):
    s = serve()
    with s.client() as c:
        mine, = c.add(stalled(server, "x"))
        report = s.reload({"jobs": [good(server, "x"), good(server, "y")]})
        assert counts(report) == (1, 0, 0, 0) and report["refused"] == 1
        assert c.show("x")["id"] == mine and c.wait_job("y")["state"] == "done"
        s.wait_log("a client's job has the name of one of the configuration")
        c.call("cancel", job="x")
        c.call("remove", job="x")
        with s.client() as other:
            assert counts(other.call("reload")) == (1, 0, 0, 1)
        assert c.wait_job("x")["origin"] == "config"


def test_a_name_that_a_client_is_about_to_have_is_left_out(serve, server):
    """Two jobs of one name would be one too many for the next life, which would know only the first."""
    s = serve()
    store, = children_named(s.pid, "hauld-store")
    with s.client() as c, s.client() as other:
        os.kill(store, signal.SIGSTOP)
        try:
            number = c.send("add", jobs=[stalled(server, "x")], scope={"name": "with-the-store"})
            wait_until(lambda: other.call("group")["groups"])
            s.write_config({"jobs": [good(server, "x"), good(server, "y")]})
            s.signal(signal.SIGHUP)
            s.wait_log("configuration loaded added=1 changed=0 retired=0 unchanged=0")
        finally:
            os.kill(store, signal.SIGCONT)
        mine = c.answer(number)["jobs"][0]["id"]
        assert c.wait_job("y")["state"] == "done"
        assert [j["id"] for j in c.list_all() if j["name"] == "x"] == [mine]


def test_jobs_of_clients_are_none_of_the_configurations_business(serve, server):
    s = serve({"jobs": [good(server, "a")]})
    with s.client() as c:
        runs, over = c.add(stalled(server, "mine"), good(server, "over"))
        c.wait_job(over)
        assert counts(s.reload({"jobs": []})) == (0, 0, 1, 0)
        assert c.show(runs)["state"] == "active" and c.show("over")["state"] == "done"


def test_settings_that_need_a_restart_are_named_until_there_was_one(serve, server, tmp):
    s = serve(workers=1)
    elsewhere = os.path.join(tmp, "elsewhere")
    os.makedirs(elsewhere)
    for _ in range(2): # the second time nothing differs from the file read last
        report = s.reload({}, workers=2, roots=[s.root, elsewhere], socket=os.path.join(tmp, "other.sock"),
                          max_concurrent_downloads=4)
        assert sorted(report["restart"]) == ["roots", "socket", "workers"]
    with s.client() as c:
        config = c.call("config")["daemon"]
        assert config["max-concurrent-downloads"] == 4 # taken
        assert config["workers"] == 1 and config["roots"] == [s.root] and config["socket"] == s.socket # as it is
        assert c.refused("add", job={"url": server.url("/ok/1"), "output": os.path.join(elsewhere, "x")})
        assert c.call("workers")["limit"] == 1
    assert s.reload({}, workers=1)["restart"] == []
    s.wait_log("a setting takes effect at the next start key=roots")


def test_defaults_that_change_change_the_jobs_that_use_them(serve, server):
    jobs = [good(server, "a"), good(server, "b", retry=3)]
    s = serve({"defaults": {"retry": 1}, "jobs": jobs})
    with s.client() as c:
        c.call("wait", jobs=["a", "b"])
        report = s.reload({"defaults": {"retry": 2}, "jobs": jobs})
        assert counts(report) == (0, 1, 0, 1)
        assert c.wait_job("a")["state"] == "done"
    assert asked(server, "a") == 2 and asked(server, "b") == 1


def test_two_jobs_without_names_are_told_apart(serve, server):
    jobs = [{"url": server.url("/ok/10?" + n), "output": n} for n in "abc"]
    s = serve({"jobs": jobs})
    with s.client() as c:
        c.call("wait", jobs=[1, 2, 3])
        assert counts(s.reload({"jobs": list(reversed(jobs))})) == (0, 0, 0, 3)
        assert counts(s.reload({"jobs": jobs[:2]})) == (0, 0, 1, 2)
    assert [asked(server, n) for n in "abc"] == [1, 1, 1]


def test_a_removed_job_of_the_configuration_comes_back_with_reload(serve, server):
    config = {"jobs": [good(server, "a")]}
    s = serve(config)
    with s.client() as c:
        c.wait_job("a")
        assert c.call("remove", job="a") == {"removed": 1}
        assert counts(s.reload(config)) == (1, 0, 0, 0)
        assert c.wait_job("a")["id"] == 2


@pytest.mark.parametrize("lower", [True, False])
def test_max_concurrent_downloads_changes_while_jobs_run(serve, server, lower):
    first, then = (8, 2) if lower else (2, 8)
    gates = ["mc-%d-%s" % (first, "now" if i < first else "then") for i in range(40)]
    jobs = [{"name": "j%d" % i, "url": server.url("/gate/1000?gate=%s&j%d" % (gate, i), host="127.0.0.%d" % (1 + i % 20)),
             "output": "j%d" % i, "fsync": "off"} for i, gate in enumerate(gates)]
    s = serve({"jobs": jobs}, max_concurrent_downloads=first)
    with s.client() as c:
        assert max(r["total"] for r in server.wait_requests(first)) == first
        assert counts(s.reload({"jobs": jobs}, max_concurrent_downloads=then)) == (0, 0, 0, 40)
        if lower:
            server.open(gates[0])
            server.wait_requests(first + then)
            wait_until(lambda: c.call("status")["jobs"]["done"] == first)
        else:
            server.wait_requests(then)
        assert c.call("status")["jobs"]["active"] == then
        for gate in set(gates):
            server.open(gate)
        for job in jobs:
            assert c.wait_job(job["name"])["state"] == "done"
    assert max(r["total"] for r in server.requests()[first:]) == then
    assert len(server.requests()) == 40


def test_max_connections_per_host_changes_while_jobs_run(serve, server):
    jobs = [{"name": "j%d" % i, "url": server.url("/gate/1000?gate=mh-%s&j%d" % ("now" if i < 6 else "then", i)),
             "output": "j%d" % i, "fsync": "off"} for i in range(40)]
    s = serve({"jobs": jobs}, max_concurrent_downloads=30, max_connections_per_host=2)
    with s.client() as c:
        server.wait_requests(2)
        assert c.call("status")["jobs"]["active"] == 2
        s.reload({"jobs": jobs}, max_concurrent_downloads=30, max_connections_per_host=6)
        server.wait_requests(6)
        assert c.call("status")["jobs"]["active"] == 6
        s.reload({"jobs": jobs, "hosts": [{"match": "127.*", "max-connections": 1}]}, max_concurrent_downloads=30)
        server.open("mh-now")
        server.wait_requests(7)
        wait_until(lambda: c.call("status")["jobs"]["done"] == 6)
        assert c.call("status")["jobs"]["active"] == 1
        server.open("mh-then")
        for job in jobs:
            assert c.wait_job(job["name"])["state"] == "done"
    assert [r["active"] for r in server.requests()] == [1, 2, 3, 4, 5, 6] + [1] * 34


def test_the_overall_rate_changes_while_a_job_runs(serve, server):
    job = {"name": "a", "url": server.url("/ok/4M"), "output": "a", "fsync": "off"}
    s = serve({"jobs": [job]}, max_overall_download_limit="20K")
    with s.client() as c:
        c.wait_state("a", "active", "download")
        s.reload({"jobs": [job]}, max_overall_download_limit="0")
        assert c.wait_job("a")["state"] == "done" # 200 s else
    assert len(server.requests()) == 1


def test_many_reloads_at_once(serve, server):
    s = serve({"jobs": [stalled(server, "a")]})
    clients = [s.client() for _ in range(5)]
    with s.client() as c:
        c.wait_state("a", "active", "download")
        numbers = [(one, one.send("reload")) for _ in range(10) for one in clients]
        for _ in range(20):
            s.signal(signal.SIGHUP)
        s.write_config({"jobs": [stalled(server, "a"), good(server, "b")]})
        numbers.append((c, c.send("reload"))) # the file of now must be what this one says
        reports = [one.answer(n) for one, n in numbers]
        assert sum(r["added"] for r in reports[-1:]) == 1 or c.show("b")["id"] == 2
        assert c.wait_job("b")["state"] == "done"
        assert [j["name"] for j in c.list_all()] == ["a", "b"]
    assert asked(server, "a") == 1 and asked(server, "b") == 1


def test_more_reloads_than_can_wait_are_refused_by_name(serve):
    s = serve()
    clients = [s.client() for _ in range(4)]
    for one in clients:
        one.send_bytes(b"".join(request("reload", i) for i in range(60)))
    words = {}
    for one in clients:
        for i in range(60):
            message = one.message(i)
            word = message["error"]["data"]["word"] if "error" in message else "ok"
            words[word] = words.get(word, 0) + 1
    assert set(words) <= {"ok", "too-many"} and words["ok"] > 60, words
    with s.client() as c:
        assert counts(c.call("reload")) == (0, 0, 0, 0)


def test_two_checks_at_once_are_both_answered(serve):
    s = serve()
    clients = [s.client() for _ in range(3)]
    numbers = [c.send("check") for c in clients]
    for c, n in zip(clients, numbers):
        assert c.answer(n) == {"ok": True}


# ---- drain

def test_drain_lets_what_runs_end_and_starts_nothing(serve, server):
    s = serve({"jobs": [{"name": "runs", "url": server.url("/gate/100K/10K?gate=drain"), "output": "runs"}]},
              max_concurrent_downloads=1)
    with s.client() as c, s.client() as other:
        c.wait_state("runs", "active", "download")
        waits, = c.add(good(server, "waits"))
        drains = [c.send("drain"), other.send("drain")]
        wait_until(lambda: other.call("status")["state"] == "draining")
        assert other.show(waits)["why"] == "draining"
        for method, params in (("add", {"job": good(server, "more")}), ("reload", {}), ("retry", {"job": waits}),
                               ("resume", {"job": waits})):
            assert other.refused(method, **params).word == "draining"
        ended = c.send("wait", job="runs")
        c.call("status") # it waits: once the gate is open, hauld may end at any time
        server.open("drain")
        assert c.answer(ended)["jobs"][0]["state"] == "done"
        assert c.answer(drains[0]) == {} and other.answer(drains[1]) == {}
        c.read_to_end() # the answer came before the end
    assert s.wait_exit() == 0
    assert s.published() == ["runs"] and asked(server, "waits") == 0 and s.leftovers() == []
    assert not os.path.exists(s.socket)


def test_haulctl_drain_of_an_idle_service(serve):
    s = serve()
    done = s.ctl("drain")
    assert done.rc == 0 and done.err == "", done
    assert s.wait_exit() == 0


def test_drain_with_a_job_that_waits_for_its_next_try(serve, server):
    s = serve({"jobs": [{"name": "a", "url": server.url("/status/503?retry-after=3600"), "output": "a"}]})
    with s.client() as c:
        c.wait_state("a", "blocked", why="retry-at")
        assert c.call("drain") == {}
    assert s.wait_exit() == 0


def test_a_job_that_is_redirected_while_hauld_drains_ends(serve, server):
    """Its next request is not a new job."""
    s = serve({"jobs": [{"name": "a", "url": server.url("/late-redirect/0.5/ok/1000"), "output": "a"}]})
    with s.client() as c:
        server.wait_requests(1, "late-redirect")
        assert c.call("drain") == {}
    assert s.wait_exit() == 0 and s.published() == ["a"]


def test_a_job_whose_old_file_is_looked_at_while_hauld_drains_ends(serve, server):
    s = serve(workers=1)
    with open(s.path("a"), "wb") as f:
        f.truncate(1 << 20)
    with s.client() as c, s.client() as other:
        c.wait_job(c.add(good(server, "warm", checksum=digest(body(1000))))[0])
        workers = s.workers()
        for pid in workers:
            os.kill(pid, signal.SIGSTOP)
        try:
            c.add({"name": "a", "url": server.url("/ok/1000"), "output": "a", "checksum": digest(body(1000))})
            c.wait_state("a", "active", "verify")
            drained = c.send("drain")
            wait_until(lambda: other.call("status")["state"] == "draining")
        finally:
            let_go_on(workers)
        assert c.answer(drained) == {}
    assert s.wait_exit() == 0 and os.path.getsize(s.path("a")) == 1000


# ---- the end

def test_shutdown_answers_at_once(serve, server):
    s = serve({"jobs": [stalled(server, "a")]})
    with s.client() as c:
        c.wait_state("a", "active", "download")
        waiting = c.send("wait", job="a")
        assert c.call("shutdown") == {}
        c.read_to_end()
        assert waiting not in c.answers or c.answer(waiting)["jobs"][0]["code"] == "interrupted"
    assert s.wait_exit() == 0 and s.leftovers() == [] and s.published() == []
    assert "not everything let go" not in s.log # which would have taken 5 s


def test_sigterm_parks_with_everything_running(serve, server, tmp):
    """Transfers, workers that unpack and verify, jobs that wait: gone within 5 s."""
    jobs = [stalled(server, "s%d" % i, checksum="sha256:" + "0" * 64) for i in range(4)]
    jobs += [{"name": "c%d" % i, "url": server.url("/stall/1M/64K?c%d" % i, host="127.0.0.2"), "output": "sub/c%d" % i,
              "decompress": "gzip", "stall-timeout": "1h"} for i in range(3)]
    jobs += [good(server, "q%d" % i) for i in range(100)]
    s = serve(start=False)
    with open(s.path("big"), "wb") as f:
        f.truncate(6 << 30)
    jobs.append({"name": "big", "url": server.url("/ok/1", host="127.0.0.3"), "output": "big", "checksum": "sha512:" + "0" * 128})
    s.write_config({"jobs": jobs}, max_connections_per_host=4)
    s.start()
    with s.client() as c:
        for i in range(4):
            c.wait_state("s%d" % i, "active", "download")
        c.wait_state("big", "active", "verify")
        s.signal(signal.SIGTERM)
        assert s.wait_exit() == 0
    assert s.leftovers() == [] and not os.path.exists(s.socket) and asked(server, "q") == 0
    assert "not everything let go" not in s.log


def let_go_on(pids):
    for pid in pids:
        try:
            os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            pass


def stuck(serve, server):
    """A hauld whose workers stand still, so that it cannot let go of its job."""
    s = serve({"jobs": [stalled(server, "a", checksum="sha256:" + "0" * 64, url=server.url("/stall/2M/1M?a"))]})
    with s.client() as c:
        c.wait_state("a", "active", "download")
        wait_until(lambda: c.show("a")["processed"] > 0)
    workers = s.workers()
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    return s, workers


def test_sigterm_twice_ends_at_once(serve, server):
    s, workers = stuck(serve, server)
    begin = time.monotonic()
    s.signal(signal.SIGTERM)
    s.wait_log("stopping")

    def again():
        s.signal(signal.SIGTERM) # within a quarter of a second they are one wish
        return s.process.poll() is not None
    wait_until(again)
    assert time.monotonic() - begin > 0.2
    let_go_on(workers)
    assert s.wait_exit() == 0 and "not everything let go within 5 s" not in s.log


@pytest.mark.slow
def test_stopped_workers_do_not_hold_up_the_end(serve, server):
    s, workers = stuck(serve, server)
    begin = time.monotonic()
    s.signal(signal.SIGTERM)
    try:
        assert s.process.wait(20) == 0
    finally:
        let_go_on(workers)
    assert time.monotonic() - begin > 4.9 and s.wait_exit() == 0
    assert "not everything let go within 5 s" in s.log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_that_come_while_hauld_leaves_change_nothing(serve, number):
    for _ in range(10):
        s = serve()
        s.signal(signal.SIGTERM)
        while s.process.poll() is None:
            s.signal(number)
        assert s.wait_exit() == 0


def test_sigint_is_sigterm(serve):
    s = serve()
    s.signal(signal.SIGINT)
    assert s.wait_exit() == 0


def test_changes_are_refused_while_hauld_stops(serve, server):
    """A job that is queued again behind the interruption would be waited for in vain."""
    s = serve({"jobs": [stalled(server, "a"), {"name": "f", "url": server.url("/status/404"), "output": "f", "retry": 0}]})
    with s.client() as c:
        c.wait_job("f")
        c.wait_state("a", "active", "download")
        c.call("pause", job="a")
        c.wait_state("a", "paused")
        c.send_bytes(request("shutdown", 100) + request("retry", 101, job="f") + request("resume", 102, job="a") +
                     request("add", 103, job=good(server, "x")))
        c.read_to_end()
        assert c.answer(100) == {}
        assert [c.answers[n]["error"]["data"]["word"] for n in (101, 102, 103)] == ["draining"] * 3
    assert s.wait_exit() == 0 and "not everything let go" not in s.log


def test_what_is_told_while_hauld_stops_is_so_in_the_next_life(serve, server):
    """A job that the store has taken meanwhile is not in memory, and is no stranger; a group whose members
    are interrupted is not over."""
    s, workers = stuck(serve, server)
    store, = children_named(s.pid, "hauld-store")
    with s.client() as c, s.client() as other:
        c.add({"name": "member", "url": server.url("/ok/10"), "output": "member", "delay": "1h"}, scope={"name": "g"})
        os.kill(store, signal.SIGSTOP)
        try:
            number = c.send("add", job=good(server, "late"))
            wait_until(lambda: other.call("status")["store"]["queued"])
            s.signal(signal.SIGTERM)
            s.wait_log("hauld: stopping")
        finally:
            os.kill(store, signal.SIGCONT)
        job = c.answer(number)["jobs"][0]["id"]
        assert [other.refused("show", job=j).word for j in (job, "late")] == ["draining"] * 2
        assert other.refused("wait", group="g").word == "draining" == other.refused("wait", all=True).word
        let_go_on(workers)
    assert s.wait_exit() == 0
    s.start()
    with s.client() as c:
        assert c.wait_job(job)["state"] == "done" and c.show("member")["state"] == "blocked"


def test_what_hauld_interrupts_is_not_over_for_who_commands(serve, server):
    """It is told as cancelled while hauld stops: who removes what is cancelled would lose all that waits."""
    s, workers = stuck(serve, server)
    with s.client() as c:
        ids = c.add(*[{"name": "w%d" % i, "url": server.url("/ok/10"), "output": "w%d" % i, "paused": True} for i in range(3)], scope={"name": "g"})
        s.signal(signal.SIGTERM)
        wait_until(lambda: {c.show(i)["code"] for i in ids} == {"interrupted"})
        cancelled = [j["id"] for j in c.list_all(state=["cancelled"])]
        assert set(ids) <= set(cancelled)
        for method, params in (("remove", {"jobs": cancelled}), ("cancel", {"jobs": ids}), ("cancel", {"group": "g"}),
                               ("pause", {"jobs": ids}),
                               ("set", {"jobs": ids, "set": {"priority": 7}}), ("set", {"name": "w*", "set": {"priority": 7}})):
            assert c.refused(method, **params).word == "draining", method
        let_go_on(workers)
    assert s.wait_exit() == 0
    s.start()
    with s.client() as c:
        assert [(c.show(i)["state"], c.show(i)["priority"]) for i in ids] == [("paused", 0)] * 3


# ---- what is remembered, what is logged

def test_max_download_result_forgets_the_oldest_of_clients(serve, server):
    config = {"jobs": [good(server, "cfg")]}
    s = serve(config, max_download_result=5)
    with s.client() as c:
        c.wait_job("cfg")
        ids = []
        for i in range(12):
            ids += c.add(good(server, "j%d" % i))
            c.wait_job(ids[-1])
        assert [j["id"] for j in c.list_all()] == [1] + ids[-5:]
        assert c.refused("show", job=ids[0]).word == "no-such-job" and c.refused("show", job="j0").word == "no-such-job"
        s.reload(config, max_download_result=2) # lowered: the next ends bring it about
        for i in range(4):
            ids += c.add(good(server, "k%d" % i))
            c.wait_job(ids[-1])
        assert [j["id"] for j in c.list_all()] == [1] + ids[-2:]
        s.reload(config, max_download_result=0)
        last, = c.add({"url": server.url("/gate/10?gate=last"), "output": "last"})
        told = c.send("wait", jobs=[last])
        c.answered_so_far()
        server.open("last")
        assert c.answer(told)["jobs"][0]["state"] == "done" # who waits is told, though nothing is kept
        assert [j["id"] for j in c.list_all()] == [1]


def test_one_line_for_each_job_that_ended_with_its_cause(serve, server):
    s = serve()
    with s.client() as c:
        ids = c.add(good(server, "ok"), {"name": "missing", "url": server.url("/status/404"), "output": "m"},
                    {"name": "wrong", "url": server.url("/ok/1000?w"), "output": "w", "retry": 0, "checksum": "md5:" + "0" * 32},
                    stalled(server, "gone"), good(server, "last"))
        c.wait_state(ids[3], "active")
        c.call("cancel", job=ids[3])
        c.call("wait", jobs=ids)
    s.stop()
    lines = s.log_lines("job=")
    assert len(lines) == 5, s.log
    of = {name: [line for line in lines if "job=" + name in line] for name in ("ok", "missing", "wrong", "gone", "last")}
    assert "job done job=ok" in of["ok"][0] and "bytes=1000" in of["ok"][0]
    assert "job failed: http-404: " in of["missing"][0] and "id=%d" % ids[1] in of["missing"][0]
    assert "job failed: checksum-mismatch: md5 is " in of["wrong"][0]
    assert "job cancelled: cancelled: by uid %d job=gone" % os.getuid() in of["gone"][0]


def test_the_log_level_follows_the_configuration(serve, server):
    s = serve(log_level="warning", start=False)
    s.spawn()

    def served():
        try:
            return s.client()
        except OSError: # not there, or nobody listens yet
            return None
    with wait_until(served) as c:
        c.wait_job(c.add(good(server, "a"))[0])
        s.reload({}, log_level="info")
        c.wait_job(c.add(good(server, "b"))[0])
        s.wait_log("job done job=b")
    assert "job=a" not in s.log


def test_haulctl_get_and_wait_against_the_real_thing(serve, server):
    s = serve()
    done = s.ctl("get", server.url("/ok/1000"), "-o", "a", "--checksum", digest(body(1000)))
    assert done.rc == 0 and s.read("a") == body(1000), done
    assert s.ctl("get", server.url("/status/404")).rc == 1
    added = s.ctl("add", server.url("/stall/1M/1?x"), "-o", "x", "--name", "x")
    assert added.rc == 0 and added.out == "3\n", added
    assert s.ctl("wait", "x", "--timeout", "100ms").rc == 4
    assert s.ctl("show", "nobody").rc == 3 and s.ctl("remove", "x").rc == 7
    assert s.ctl("cancel", "x").rc == 0 and s.ctl("wait", "x").rc == 8
    listed = s.ctl("list", "--json")
    assert [j["id"] for j in listed.lines] == [1, 2, 3] and listed.rc == 0
    s.stop()
    assert s.ctl("status").rc == 5


def test_a_client_may_be_anything_that_speaks_to_a_socket(serve, server):
    """As haul-rpc(7) shows it with socat."""
    if not os.path.exists("/usr/bin/socat"):
        pytest.skip("socat is not installed")
    s = serve()
    text = request("add", 1, job={"url": server.url("/ok/5"), "output": "a"}) + request("wait", 2, job=1)
    out = subprocess.run(["socat", "-t", "10", "-", "UNIX-CONNECT:" + s.socket], input=text, capture_output=True, check=True)
    assert b'"id":2' in out.stdout and b'"state":"done"' in out.stdout
