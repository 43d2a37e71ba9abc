"""haul is installed anew while hauld runs: programs are missing for a moment, and are then of another build.

What is of another build is refused by name; jobs wait for it, and go on when it is put right.
"""

import os
import shutil
import signal
import subprocess

import pytest
from bodies import body, digest
from haul import program
from service import Service
from waiting import PATIENCE

ANOTHER = "of another build than hauld: if haul was installed anew, restart hauld"


def build_id(path):
    said = subprocess.run([path, "--version"], capture_output=True, timeout=PATIENCE, check=True).stdout
    return said.split(b"build ")[1].split(b")")[0].split()[0]


def put(name, path, another=False):
    """A program of ours at this path, by a rename; or one that differs in its build id only."""
    with open(program(name), "rb") as f:
        data = f.read()
    if another:
        own = build_id(program("hauld-worker"))
        assert own in data
        data = data.replace(own, own[:-1] + (b"0" if own[-1:] != b"0" else b"1"))
    with open(path + ".new", "wb") as f:
        f.write(data)
    shutil.copymode(program(name), path + ".new")
    os.rename(path + ".new", path)


def checked(server, name):
    """It takes a worker."""
    return {"url": server.url("/ok/1000?upgrade-" + name), "output": name, "checksum": digest(body(1000))}


@pytest.mark.parametrize("how", ["missing", "another"])
def test_jobs_wait_for_workers_that_can_be_used(tmp, server, how):
    path = os.path.join(str(tmp), "hauld-worker")
    if how == "another":
        put("hauld-worker", path, another=True)
    with Service(tmp, args=["--worker-path", path]) as s, s.client() as c:
        jobs = c.add(checked(server, how + "-a"), checked(server, how + "-b"))
        line, = s.wait_log("tasks wait: ")
        assert path in line and ("No such file or directory" if how == "missing" else ANOTHER) in line, line
        assert c.show(jobs[0])["state"] == "active"
        put("hauld-worker", path)
        assert [c.wait_job(j)["state"] for j in jobs] == ["done", "done"]
        s.wait_log("workers can be started again")


def waits_for_workers(s, c, job):
    """The job, when it is known that no worker can be started."""
    added, = c.add(job)
    s.wait_log("tasks wait: ")
    return added


@pytest.mark.parametrize("command,state", [("cancel", "cancelled"), ("pause", "paused")])
def test_commands_wait_for_no_workers(tmp, server, command, state):
    path = os.path.join(str(tmp), "hauld-worker")
    with Service(tmp, args=["--worker-path", path]) as s, s.client() as c:
        job = waits_for_workers(s, c, checked(server, "command-" + command))
        assert c.show(job)["state"] == "active"
        c.call(command, jobs=[job])
        c.wait_state(job, state)
        if command == "cancel":
            assert c.call("remove", jobs=[job])["removed"] == 1
        put("hauld-worker", path)
        s.wait_log("workers can be started again")


@pytest.mark.parametrize("way", ["SIGTERM", "shutdown", "drain"])
def test_the_end_waits_for_no_workers(tmp, server, way):
    path = os.path.join(str(tmp), "hauld-worker")
    s = Service(tmp, args=["--worker-path", path])
    with s.client() as c:
        job = waits_for_workers(s, c, checked(server, "end-" + way))
        if way == "drain":
            c.send("drain")
            s.client().call("cancel", jobs=[job])
        elif way == "shutdown":
            c.call("shutdown")
    if way == "SIGTERM":
        s.signal(signal.SIGTERM)
    assert s.wait_exit() == 0, s.log
    put("hauld-worker", path)
    with s.start(), s.client() as c:
        assert c.wait_job(job)["state"] == ("cancelled" if way == "drain" else "done")


def test_a_configuration_is_not_read_by_another_build(tmp, server):
    path = os.path.join(str(tmp), "hauld-conf")
    put("hauld-conf", path)
    with Service(tmp, args=["--conf-path", path]) as s, s.client() as c:
        put("hauld-conf", path, another=True)
        for method in ("reload", "check"):
            error = c.refused(method)
            assert error.data["errors"] == ["hauld-conf did not finish: it is " + ANOTHER], error.data
        error = c.refused("add", job=checked(server, "conf"))
        assert ANOTHER in error.text, error.text
        put("hauld-conf", path)
        assert c.call("reload")["unchanged"] == 0
        assert c.wait_job(c.add(checked(server, "conf"))[0])["state"] == "done"


def test_a_store_of_another_build_is_none(tmp):
    path = os.path.join(str(tmp), "hauld-store")
    put("hauld-store", path, another=True)
    s = Service(tmp, args=["--store-path", path], start=False)
    assert s.spawn().wait_exit() == 1
    assert "%s cannot be used: it is %s" % (path, ANOTHER) in s.log, s.log


def test_a_missing_store_is_named(tmp):
    s = Service(tmp, args=["--store-path", "/nowhere/hauld-store"], start=False)
    assert s.spawn().wait_exit() == 1
    assert "/nowhere/hauld-store cannot be used: No such file or directory" in s.log, s.log
