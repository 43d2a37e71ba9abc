"""Secrets of a job: where they may be (what is sent to their origin, the store's file),
and everywhere else they must not be."""

import base64
import json
import os
import stat
import urllib.parse

import pytest
from bodies import digest
from haul import command_line, processes_of_session
from waiting import wait_until

MARK = "s3cret"
BASIC = base64.b64encode(b"bob:user-s3cret").decode()
SECRETS = [MARK, BASIC, base64.b64encode(b"prx:proxy-s3cret").decode()]


def job_with_secrets(server, path, **keys):
    """Each kind of secret that a job sends."""
    url = server.url(path)
    return {"url": url + ("&" if "?" in url else "?") + "token=query-s3cret#frag-s3cret", "user": "bob:user-s3cret",
            "header": ["X-Api-Key: header-s3cret", "Cookie: cookie-s3cret"], "retry": 0, **keys}


def assert_no_secret(text, where):
    for secret in SECRETS:
        assert secret not in text, "%s is in %s: %s" % (secret, where, text)


ENDINGS = {"done": "/ok/1000", "large": "/ok/600000", "mismatch": "/ok/600000", "status": "/status/404", "busy": "/status/503", "truncated": "/short/1000/10",
           "protocol": "/garbage", "loop": "/redirect-loop", "unproven": "/nolength/10", "refused": "/redirect-ftp",
           "encoding": "/encoding/gzip/100", "stalled": "/slow-headers",
           "redirect": "/redirect-to?url=" + urllib.parse.quote("http://bob:loc-s3cret@127.0.0.1:1/?t=loc-s3cret", safe="")}


@pytest.mark.parametrize("ending", list(ENDINGS))
def test_nothing_that_is_shown_has_a_secret(serve, server, ending):
    """The log at its most talkative, every view of the job, every event of it."""
    s = serve({}, **{"log-level": "debug"})
    job = job_with_secrets(server, ENDINGS[ending], output="a", **{"stall-timeout": "500ms"},
                           **({"checksum": digest(b"")} if ending == "mismatch" else {}))
    with s.client() as c, s.client() as watcher:
        watcher.call("subscribe")
        number = c.add(job)[0]
        c.wait_job(number)
        seen = [c.call(m, **p) for m, p in (("show", {"job": number}), ("list", {}), ("status", {}), ("config", {}))]
        watcher.event("end", id=number)
        assert_no_secret(json.dumps(seen) + json.dumps(watcher.events), "answers")
    for args in (["show", str(number)], ["list"], ["--json", "show", str(number)], ["status"], ["config"]):
        done = s.ctl(*args)
        assert_no_secret(done.out + done.err, "haulctl " + args[0])
    s.stop()
    assert_no_secret(s.log, "the log")


def test_refusals_show_no_secret(serve, server):
    """What a client got wrong is not told back to it, nor to the log."""
    s = serve({}, **{"log-level": "debug"})
    with s.client() as c:
        for wrong in ({"user": "only-s3cret"}, {"header": ["no colon s3cret"]}, {"header": ["Authorization: s3cret\r\n"]},
                      {"url": "http://bob:s3cret@127.0.0.1/"}, {"url": "http://127.0.0.1/ s3cret?token=s3cret"},
                      {"proxy": "nothing://bob:s3cret@x"}, {"user": 5, "header": "X-Key: s3cret"}):
            error = c.refused("add", jobs=[{"url": server.url("/ok/1"), "output": "a", **wrong}])
            assert_no_secret(error.text + json.dumps(error.data), "the error for %r" % wrong)
    s.stop()
    assert_no_secret(s.log, "the log")


def test_processes_show_no_secret(serve, server):
    """Arguments of all of them, and the environment of the children: also where the proxy's
    password stands in hauld's own."""
    s = serve({}, start=False)
    plain = s.environment
    s.environment = lambda: {**plain(), "http_proxy": "http://prx:proxy-s3cret@127.0.0.1:1", "NO_PROXY": "*"}
    s.start()
    with s.client() as c:
        number, = c.add(job_with_secrets(server, "/drip/10M/64K/0.1", output="a", checksum=digest(b"")))
        c.wait_state(number, "active", "download")
        wait_until(s.workers)
        pids = processes_of_session(s.pid)
        programs = {os.path.basename(command_line(p)[0]).decode() for p in pids}
        assert {"hauld", "hauld-conf", "hauld-store", "hauld-worker"} <= programs
        for pid in pids:
            assert_no_secret(repr(command_line(pid)), "arguments")
            if pid != s.pid:
                with open("/proc/%d/environ" % pid, "rb") as f:
                    assert_no_secret(f.read().decode("latin-1"), "the environment of %r" % command_line(pid))
        c.call("cancel", job=number)


def files_beneath(path):
    return [os.path.join(d, name) for d, _names, files in os.walk(path) for name in files]


def test_only_the_store_keeps_them_and_only_for_its_owner(serve, server):
    """It needs them: a job goes on after a restart.  Nobody else can read its files."""
    s = serve({}, popen={"preexec_fn": lambda: os.umask(0)})
    with s.client() as c:
        held, = c.add(job_with_secrets(server, "/drip/10M/64K/0.1", output="held"))
        ended, = c.add(job_with_secrets(server, "/ok/1000", output="ended"))
        c.wait_job(ended)
        c.wait_state(held, "active", "download")
        assert stat.S_IMODE(os.stat(s.state).st_mode) == 0o700
        found = files_beneath(s.state)
        assert any(os.path.basename(path) == "jobs.db" for path in found)
        for path in found:
            assert stat.S_IMODE(os.stat(path).st_mode) & 0o077 == 0, path
            if not os.path.basename(path).startswith("jobs.db"):
                with open(path, "rb") as f:
                    assert_no_secret(f.read().decode("latin-1"), path)
        haul = s.path(".haul")
        assert stat.S_IMODE(os.stat(haul).st_mode) == 0o700
        for path in files_beneath(s.root):
            assert stat.S_IMODE(os.stat(path).st_mode) & 0o077 == 0 or path == s.path("ended"), path
            assert os.listxattr(path) == [], path
            with open(path, "rb") as f:
                assert_no_secret(f.read().decode("latin-1"), path)
            assert_no_secret(path, "a name")
        c.call("cancel", job=held)


def test_they_are_sent_to_their_origin(serve, server):
    """Or none of the above would mean anything."""
    s = serve({})
    with s.client() as c:
        job = job_with_secrets(server, "/ok/1000", output="a")
        assert c.wait_job(c.add(job)[0])["state"] == "done"
    sent = server.requests()[0]
    assert ["X-Api-Key", "header-s3cret"] in sent["headers"] and ["Authorization", "Basic " + BASIC] in sent["headers"]
    assert "token=query-s3cret" in sent["path"] and "frag" not in sent["path"]
