"""Programs that run for jobs: on-download-start, -complete and -error, and url-command.
Each run of a hook leaves its environment and its stdin in a directory of the test."""

import contextlib
import json
import os
import random
import re
import shutil
import signal
import socket
import stat
import struct
import subprocess

import pytest
from bodies import body, digest
from haul import children_named, kill_quietly, processes_of_session, program
from lateness import asked_again, assert_never_late, loop
from servers import header_of
from waiting import PATIENCE, wait_until

RECORD = """#!/bin/sh
# Leaves what it is told in DIR/EVENT.ID.PID.
to='%s'/$HAUL_EVENT.$HAUL_ID.$$
tr '\\0' '\\n' < /proc/$$/environ > "$to.env"
for word; do printf '%%s\\n' "$word"; done > "$to.args"
cat > "$to.new"
mv "$to.new" "$to.json"
%s
"""


class Hooks:
    """Programs of a test, and what they left."""

    def __init__(self, tmp):
        self.dir = os.path.join(tmp, "hooks")
        self.left = os.path.join(tmp, "left")
        os.makedirs(self.dir)
        os.makedirs(self.left)

    def script(self, text, name="hook"):
        path = os.path.join(self.dir, name)
        with open(path + ".new", "w") as f:
            f.write(text)
        os.chmod(path + ".new", 0o755)
        os.rename(path + ".new", path)
        return path

    def recorder(self, then="", name="recorder"):
        return self.script(RECORD % (self.left, then), name)

    def sh(self, text, name="sh"):
        return self.script("#!/bin/sh\n" + text + "\n", name)

    def runs(self, event=""):
        """[(environment, arguments, object of stdin)] of those that have read all, in their order."""
        names = [n[:-5] for n in os.listdir(self.left) if n.endswith(".json") and n.startswith(event)]
        names.sort(key=lambda n: os.stat(os.path.join(self.left, n + ".json")).st_mtime_ns)
        return [self._run(os.path.join(self.left, n)) for n in names]

    @staticmethod
    def _run(path):
        with open(path + ".env") as f:
            env = dict(line.partition("=")[::2] for line in f.read().splitlines())
        with open(path + ".args") as f:
            args = f.read().splitlines()
        with open(path + ".json") as f:
            return env, args, json.load(f)

    def path(self, name):
        return os.path.join(self.left, name)

    def lines(self, name):
        try:
            with open(self.path(name)) as f:
                return f.read().splitlines()
        except FileNotFoundError:
            return []

    def forget(self, name):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path(name))


@pytest.fixture
def hooks(tmp):
    return Hooks(tmp)


def pid_alive(pid):
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


# ---- What they are told

def test_each_hook_has_its_turn_and_its_story(serve, server, hooks):
    s = serve({"defaults": {"on-download-start": [hooks.recorder(), "a b", "", "$HOME"],
                            "on-download-complete": [hooks.recorder()],
                            "on-download-error": [hooks.recorder()]}})
    c = s.client()
    good, bad = c.add({"name": "good", "url": server.url("/ok/5K?seed=3&secret=XyZ"), "output": "g/ood",
                       "checksum": digest(body(5120, 3)), "header": ["Authorization: Bearer TOPSECRET"]},
                      {"url": server.url("/status/404"), "output": "bad", "retry": 0})
    assert c.wait_job(good)["state"] == "done"
    assert c.wait_job(bad)["code"] == "http-404"
    told = {(env["HAUL_EVENT"], env["HAUL_ID"]): (env, args, said) for env, args, said in hooks.runs()}
    assert sorted(told) == sorted([("start", str(good)), ("complete", str(good)),
                                   ("start", str(bad)), ("error", str(bad))])
    env, args, said = told["start", str(good)]
    assert args == ["a b", "", "$HOME"]
    assert env["HAUL_STATE"] == "active" and env["HAUL_RESULT"] == "" and said["job"]["state"] == "active"
    env, args, said = told["complete", str(good)]
    assert args == []
    assert {k: v for k, v in env.items() if k.startswith("HAUL_")} == {
        "HAUL_EVENT": "complete", "HAUL_ID": str(good), "HAUL_NAME": "good", "HAUL_GROUP": "",
        "HAUL_URL": server.url("/ok/5K?..."), "HAUL_OUTPUT": s.path("g/ood"), "HAUL_STATE": "done",
        "HAUL_RESULT": "done", "HAUL_REASON": "", "HAUL_ATTEMPTS": "1", "HAUL_BYTES": "5120",
        "HAUL_CHECKSUM": digest(body(5120, 3)), "HAUL_UNCHANGED": "0"}
    assert said["event"] == "complete"
    shown = c.show(good)
    for member in ("id", "name", "output", "url", "state", "phase", "code", "published", "received", "settings"):
        assert said["job"][member] == shown[member], member
    assert said["job"]["receipt"]["digest"] == shown["receipt"]["digest"]
    env, _args, said = told["error", str(bad)]
    assert env["HAUL_STATE"] == "failed" and env["HAUL_RESULT"] == "http-404" and env["HAUL_REASON"]
    assert said["job"]["state"] == "failed" and said["job"]["code"] == "http-404"


def test_the_environment_says_little_and_no_secret(serve, server, hooks):
    s = serve({"defaults": {"on-download-complete": [hooks.recorder("cat /proc/*/cmdline 2>/dev/null "
                                                                    "| tr '\\0' ' ' > '%s'" % hooks.path("ps"))]}},
              start=False)
    os.environ["SECRET_OF_TEST"] = "leaked-by-environment"
    try:
        s.start()
    finally:
        del os.environ["SECRET_OF_TEST"]
    c = s.client()
    done = c.wait_job(c.add({"url": server.url("/ok/1K?token=SIGNED"), "output": "x",
                             "header": ["Authorization: Bearer TOPSECRET", "Cookie: c=TOPSECRET"]})[0])
    assert done["state"] == "done"
    (env, args, said), = hooks.runs("complete")
    assert set(env) - {k for k in env if k.startswith("HAUL_")} <= {
        "PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "PWD",
        "OLDPWD", "SHLVL", "_"}
    everything = json.dumps([env, args, said]) + s.log + "\n".join(hooks.lines("ps"))
    for secret in ("TOPSECRET", "SIGNED", "leaked-by"):
        assert secret not in everything, secret


def test_it_has_no_descriptor_no_terminal_group_and_no_signal_of_ours(serve, server, hooks):
    probe = hooks.sh("""exec >'%s'
ls /proc/self/fd | tr '\\n' ' '; echo
grep -E '^Sig(Blk|Ign)' /proc/self/status
read pid comm state ppid pgrp rest < /proc/$$/stat; test $pgrp = $$ && echo leads""" % hooks.path("probe"))
    s = serve({"defaults": {"on-download-complete": [probe]}})
    c = s.client()
    assert c.wait_job(c.add({"url": server.url("/ok/1K"), "output": "x"})[0])["state"] == "done"
    fds, blocked, ignored, leads = hooks.lines("probe")
    assert fds.split() == ["0", "1", "2", "3"] # the last is of ls itself
    of_libc = 3 << 31 # 32 and 33, which glibc keeps to itself
    assert int(blocked.split()[1], 16) & ~of_libc == 0 and int(ignored.split()[1], 16) & ~of_libc == 0
    assert leads == "leads"


# ---- What becomes of the job

def test_a_failed_complete_hook_fails_the_job_and_the_file_stays(serve, server, hooks):
    s = serve({"jobs": [{"name": "j", "url": server.url("/ok/1K?seed=1"), "output": "x",
                         "on-download-complete": [hooks.sh("exit 3")],
                         "on-download-error": [hooks.recorder()]}]})
    job = s.client().wait_job("j")
    assert (job["state"], job["code"]) == ("failed", "hook-failed")
    assert job["reason"] == "on-download-complete: exit status 3; the file is published and stays"
    assert job["published"] == 1024 and s.read("x") == body(1024, 1)
    (env, _args, _said), = hooks.runs("error")
    assert env["HAUL_RESULT"] == "hook-failed"


@pytest.mark.parametrize("script, sentence", [
    ("kill -TERM $$", "killed by signal 15 (Terminated)"),
    ("kill -SEGV $$", "killed by signal 11 (Segmentation fault)"),
    ("exit 255", "exit status 255"),
])
def test_how_it_ended_is_told(serve, server, hooks, script, sentence):
    s = serve({"jobs": [{"name": "j", "url": server.url("/ok/1K"), "output": "x",
                         "on-download-complete": [hooks.sh(script)]}]})
    assert sentence in s.client().wait_job("j")["reason"]


def test_no_such_program(serve, server, hooks):
    missing = os.path.join(hooks.dir, "missing")
    plain = hooks.script("no program", "plain")
    os.chmod(plain, 0o644)
    for path, why in ((missing, "No such file or directory"), (plain, "Permission denied"),
                      (hooks.dir, "Permission denied")):
        s = serve({"jobs": [{"name": "j", "url": server.url("/ok/1K"), "output": "x", "on-download-complete": [path]}]})
        job = s.client().wait_job("j")
        assert job["code"] == "hook-failed"
        assert "cannot run %s: %s" % (path, why) in job["reason"]
        s.stop()


def test_the_error_hooks_own_failure_does_not_change_the_cause(serve, server, hooks):
    s = serve({"jobs": [{"name": "j", "url": server.url("/status/410"), "output": "x", "retry": 0,
                         "on-download-error": [hooks.sh("exit 9")]}]})
    job = s.client().wait_job("j")
    assert job["code"] == "http-410"
    assert job["reason"].endswith("; on-download-error failed, too: exit status 9")
    s.wait_log("on-download-error: exit status 9 job=j")


def test_the_download_waits_for_the_start_hook(serve, server, hooks):
    go = hooks.path("go")
    s = serve({"jobs": [{"name": "j", "url": server.url("/ok/1K?seed=2"), "output": "x",
                         "on-download-start": [hooks.recorder("while ! test -e '%s'; do sleep 0.05; done" % go)]}]})
    c = s.client()
    c.wait_state("j", "active", "hook")
    wait_until(lambda: hooks.runs("start"))
    assert server.requests("/ok/1K") == []
    assert c.call("status")["transfers"]["active"] == 0 if "transfers" in c.call("status") else True
    open(go, "w").close()
    assert c.wait_job("j")["state"] == "done"
    assert len(hooks.runs("start")) == 1


def test_a_failed_start_hook_fails_the_job_before_its_first_request(serve, server, hooks):
    s = serve({"jobs": [{"name": "j", "url": server.url("/ok/1K?seed=2"), "output": "x",
                         "on-download-start": [hooks.sh("exit 1")]}]})
    job = s.client().wait_job("j")
    assert job["code"] == "hook-failed" and "on-download-start: exit status 1" in job["reason"]
    assert server.requests("/ok/1K") == [] and s.published() == []


def test_the_start_hook_runs_once_for_all_attempts(serve, server, hooks):
    s = serve({"jobs": [{"name": "j", "url": server.url("/status/503"), "output": "x", "retry": 2,
                         "retry-delay": "1ms", "on-download-start": [hooks.recorder()]}]})
    assert s.client().wait_job("j")["attempts"] == 3
    assert len(hooks.runs("start")) == 1


def test_a_failed_start_hook_loses_nothing_of_an_earlier_part(serve, server, hooks):
    """What had come before the restart is gone on with after `retry`."""
    url = server.url("/held/3M/1M/1?seed=4&key=hooks-earlier")
    bad = hooks.path("bad")
    job = {"name": "j", "url": url, "output": "x",
           "on-download-start": [hooks.sh("! test -e '%s'" % bad)]}
    s = serve({"jobs": [job]})
    c = s.client()
    wait_until(lambda: c.show("j")["received"] == 1 << 20)
    c.call("pause", jobs=["j"])
    c.wait_state("j", "paused")
    had = c.show("j")["received"]
    open(bad, "w").close()
    c.call("resume", jobs=["j"])
    assert c.wait_job("j")["code"] == "hook-failed"
    os.unlink(bad)
    server.mark()
    c.call("retry", jobs=["j"])
    assert c.wait_job("j")["state"] == "done"
    assert s.read("x") == body(3 << 20, 4)
    asked = header_of(server.requests("/held")[0], "Range")
    assert had and asked and int(re.match(r"bytes=(\d+)-", asked).group(1)) >= 600_000


def test_a_file_that_was_there_already(serve, server, hooks):
    s = serve({"defaults": {"on-download-complete": [hooks.recorder()], "on-download-start": [hooks.recorder()]}},
              start=False)
    os.makedirs(s.root, exist_ok=True)
    with open(s.path("x"), "wb") as f:
        f.write(body(1024, 5))
    s.start()
    c = s.client()
    done = c.wait_job(c.add({"url": server.url("/ok/1K?seed=5"), "output": "x", "checksum": digest(body(1024, 5))})[0])
    assert done["state"] == "done" and server.requests("/ok/1K") == []
    (env, _args, _said), = hooks.runs()
    assert env["HAUL_EVENT"] == "complete" and env["HAUL_UNCHANGED"] == "1"


def test_a_file_that_has_not_changed(serve, server, hooks):
    s = serve({"defaults": {"on-download-complete": [hooks.recorder()], "conditional": True}})
    c = s.client()
    for _run in range(2):
        job = c.add({"url": server.url("/signed/2K?seed=15&token=good&key=hooks-same"), "output": "x"})[0]
        assert c.wait_job(job)["state"] == "done"
    told = [(env["HAUL_UNCHANGED"], env["HAUL_BYTES"], said["job"]["receipt"]["unchanged"]) for env, _args, said in hooks.runs()]
    assert told == [("0", "2048", False), ("1", "2048", True)]


def test_each_run_of_a_job_that_comes_again_has_its_hooks(serve, server, hooks):
    s = serve({"jobs": [{"name": "j", "url": server.url("/ok/1K?seed=17"), "output": "x", "every": "1s",
                         "on-download-start": [hooks.recorder()], "on-download-complete": [hooks.recorder()]}]})
    wait_until(lambda: len(hooks.runs("complete")) >= 2 and len(hooks.runs("start")) >= 2)
    assert s.client().call("cancel", jobs=["j"])


def test_one_job_without_the_hook_of_the_defaults(serve, server, hooks):
    s = serve({"defaults": {"on-download-complete": [hooks.recorder()]},
               "jobs": [{"name": "with", "url": server.url("/ok/1K"), "output": "x"},
                        {"name": "without", "url": server.url("/ok/1K"), "output": "y", "on-download-complete": ""}]})
    c = s.client()
    for name in ("with", "without"):
        assert c.wait_job(name)["state"] == "done"
    assert [env["HAUL_NAME"] for env, _args, _said in hooks.runs()] == ["with"]


def test_once_runs_hooks_too(h, server, hooks):
    done = h.once(server.url("/ok/1K?seed=6"), "-o", "x", "--on-download-complete", hooks.recorder(),
                  "--on-download-complete", "two words")
    assert done.rc == 0
    (env, args, said), = hooks.runs()
    assert args == ["two words"] and env["HAUL_OUTPUT"] == os.path.join(h.root, "x")
    assert said["job"]["state"] == "done"
    failed = h.once(server.url("/ok/1K?seed=6"), "-o", "y", "--on-download-complete", "/bin/false")
    assert failed.rc == 1 and failed.word() == "hook-failed"
    assert h.published()["y"] == body(1024, 6)


# ---- What it says, reads and leaves behind

def test_its_output_is_in_the_log_of_the_job_and_harmless(serve, server, hooks):
    s = serve({"jobs": [{"name": "j", "url": server.url("/ok/1K"), "output": "x", "on-download-complete": [
        hooks.sh(r"printf 'one\ntwo\033[31m\ntail'; printf 'err\377\000or\n' >&2")]}]})
    assert s.client().wait_job("j")["state"] == "done"
    lines = s.wait_log("on-download-complete says: ", 4)
    assert all(line.endswith(" job=j id=1") for line in lines), lines
    said = sorted(re.search(r"says: (.*) job=j", line).group(1) for line in lines)
    assert said == sorted(["one", r"two\x1b[31m", "tail", r"err\xff\x00or"])


def test_a_flood_of_output_is_bounded(serve, server, hooks):
    """50 MB in lines, and 20 MB without an end of line."""
    s = serve({"jobs": [{"name": "j", "url": server.url("/ok/1K"), "output": "x", "on-download-complete": [
        hooks.sh("yes 'a line of the flood' | head -c 50000000; head -c 20000000 /dev/zero | tr '\\0' x >&2")]}]})
    assert s.client().wait_job("j")["state"] == "done"
    lines = s.wait_log("on-download-complete says: ", 201)
    assert len(lines) == 201 # and one that tells of the rest
    more = re.search(r"\((\d+) more bytes of output are not kept\)", lines[-1])
    assert int(more.group(1)) > 68_000_000
    assert max(map(len, lines)) < 2200


def test_one_that_reads_nothing(serve, server, hooks):
    """EPIPE is no error: the job has hundreds of KiB to tell."""
    s = serve({"jobs": [{"name": "j", "url": [server.url("/ok/1K")] + [server.url("/ok/1K?%d" % i + "y" * 1000) for i in range(200)],
                         "output": "x", "on-download-complete": [hooks.sh("exec <&-; exit 0")]}]})
    assert s.client().wait_job("j")["state"] == "done"


def test_a_large_story_is_told_whole(serve, server, hooks):
    s = serve({"jobs": [{"name": "j", "url": [server.url("/ok/1K")] + [server.url("/ok/1K/%d" % i + "y" * 1000) for i in range(200)],
                         "output": "x", "on-download-complete": [hooks.recorder()]}]})
    assert s.client().wait_job("j")["state"] == "done"
    (_env, _args, said), = hooks.runs()
    assert len(said["job"]["settings"]["url"]) == 201


def test_what_it_leaves_behind_goes_with_it(serve, server, hooks):
    """A grandchild that holds the pipes holds up nobody, and is ended."""
    s = serve({"jobs": [{"name": "j", "url": server.url("/ok/1K"), "output": "x", "hook-timeout": "100s",
                         "on-download-complete": [hooks.sh("sleep 1000 & echo $! > '%s'; exit 0" % hooks.path("pid"))]}]})
    assert s.client().wait_job("j")["state"] == "done"
    pid = int(hooks.lines("pid")[0])
    wait_until(lambda: not pid_alive(pid))


def test_a_hook_that_takes_too_long(serve, server, hooks):
    s = serve({"jobs": [{"name": "j", "url": server.url("/ok/1K"), "output": "x", "hook-timeout": "3s", # which it needs to begin
                         "on-download-complete": [hooks.sh("trap 'echo asked; exit 0' TERM; while :; do sleep 0.1; done")]}]})
    job = s.client().wait_job("j")
    assert job["code"] == "hook-failed" and "it took longer than hook-timeout" in job["reason"]
    s.wait_log("says: asked")


def test_a_hook_that_does_not_want_to_end(serve, server, hooks):
    """SIGKILL, and for its children, too."""
    stubborn = "trap '' TERM; echo $$ > '%s'; while :; do sleep 0.1; done" % hooks.path("pid")
    s = serve({"jobs": [{"name": "j", "url": server.url("/ok/1K"), "output": "x", "hook-timeout": "2s",
                         "on-download-complete": [hooks.sh(stubborn)]}]})
    assert s.client().wait_job("j")["code"] == "hook-failed"
    pid = int(hooks.lines("pid")[0])
    wait_until(lambda: not pid_alive(pid))


def test_cancel_kills_a_hook_and_is_prompt(serve, server, hooks):
    s = serve({"jobs": [{"name": "j", "url": server.url("/ok/1K?seed=7"), "output": "x", "hook-timeout": "1h",
                         "on-download-complete": [hooks.sh("echo $$ > '%s'; exec sleep 1000" % hooks.path("pid"))]}]})
    c = s.client()
    pid = int(wait_until(lambda: hooks.lines("pid"))[0])
    assert c.show("j")["phase"] == "hook"
    c.call("cancel", jobs=["j"])
    job = c.wait_job("j")
    assert job["state"] == "cancelled" and "the file is published and stays" in job["reason"]
    assert s.read("x") == body(1024, 7)
    wait_until(lambda: not pid_alive(pid))


def test_a_deadline_ends_a_hook(serve, server, hooks):
    s = serve({"defaults": {"deadline": "1h", "hook-timeout": "1h", "retry": 0}})
    c = s.client()
    late, failed = c.add({"url": server.url("/ok/1K?seed=7"), "output": "x", "on-download-complete": [hooks.sh("exec sleep 1000")],
                          "on-download-error": [hooks.recorder()]},
                         {"url": server.url("/status/404"), "output": "y", "on-download-error": [hooks.sh("exec sleep 1000")]})
    for job in (late, failed):
        c.wait_state(job, "active", "hook")
        c.call("set", job=job, set={"deadline": "1s"})
    job = c.wait_job(late)
    assert job["code"] == "deadline" and "the file is published and stays" in job["reason"]
    assert [env["HAUL_RESULT"] for env, _args, _said in hooks.runs()] == ["deadline"]
    job = c.wait_job(failed)
    assert job["code"] == "http-404" and "on-download-error was killed: not done within its deadline" in job["reason"]


def test_a_job_that_never_began_has_its_error_hook(serve, server, hooks):
    s = serve({"jobs": [{"name": "a", "url": server.url("/status/404"), "output": "x", "retry": 0},
                        {"name": "b", "url": server.url("/ok/1K"), "output": "y", "after": "a",
                         "on-download-error": [hooks.recorder()]}]})
    assert s.client().wait_job("b")["code"] == "dependency-failed"
    (env, _args, said), = hooks.runs()
    assert env["HAUL_RESULT"] == "dependency-failed" and said["job"]["state"] == "failed"


def test_cancel_before_its_turn_and_during_the_start_hook(serve, server, hooks):
    s = serve({"defaults": {"hook-timeout": "1h", "on-download-start": [hooks.sh("echo $$ >> '%s'; exec sleep 1000" % hooks.path("pid"))]}},
              max_concurrent_hooks=1)
    c = s.client()
    one, two = c.add({"url": server.url("/ok/1K"), "output": "x"}, {"url": server.url("/ok/1K"), "output": "y"})
    wait_until(lambda: hooks.lines("pid"))
    c.wait_state(two, "active", "hook")
    for job in (two, one):
        c.call("cancel", jobs=[job])
        assert c.wait_job(job)["state"] == "cancelled"
    wait_until(lambda: not pid_alive(int(hooks.lines("pid")[0])))
    assert len(hooks.lines("pid")) == 1 and server.requests("/ok/1K") == []


def test_pause_does_not_stop_the_last_hook(serve, server, hooks):
    go = hooks.path("go")
    s = serve({"jobs": [{"name": "j", "url": server.url("/ok/1K"), "output": "x",
                         "on-download-complete": [hooks.recorder("while ! test -e '%s'; do sleep 0.05; done" % go)]}]})
    c = s.client()
    wait_until(hooks.runs)
    asked = c.send("pause", jobs=["j"])
    assert c.show("j")["phase"] == "hook"
    open(go, "w").close()
    assert c.answer(asked)["jobs"][0]["state"] == "done"


def test_log_and_why_tell_of_it(serve, server, hooks):
    go = hooks.path("go")
    s = serve({"defaults": {"on-download-complete": [hooks.recorder("echo hello; while ! test -e '%s'; do sleep 0.05; done" % go)]}},
              max_concurrent_hooks=1)
    c = s.client()
    first, second = c.add({"name": "first", "url": server.url("/ok/1K"), "output": "x"},
                          {"name": "second", "url": server.url("/ok/1K"), "output": "y"})
    wait_until(hooks.runs)
    told, = hooks.runs()
    runs, waits = (first, second) if told[0]["HAUL_NAME"] == "first" else (second, first)
    c.wait_state(waits, "active", "hook")
    assert "its on-download-complete runs; what that says is in `haulctl log` of the job" in c.call("why", job=runs)["jobs"][0]["text"]
    assert "its on-download-complete waits for its turn: 1 programs run for jobs, see max-concurrent-hooks" in \
        c.call("why", job=waits)["jobs"][0]["text"]
    wait_until(lambda: "on-download-complete says: hello" in s.ctl("log", runs).out)
    assert "hello" not in s.ctl("log", waits).out
    open(go, "w").close()
    assert c.wait_job(waits)["state"] == "done"


def test_a_drain_waits_for_hooks(serve, server, hooks):
    go = hooks.path("go")
    s = serve()
    c = s.client()
    job = c.add({"url": server.url("/ok/1K"), "output": "x", "on-download-start": [hooks.recorder()],
                 "on-download-complete": [hooks.recorder("while ! test -e '%s'; do sleep 0.05; done" % go, "slow")]})[0]
    wait_until(lambda: hooks.runs("complete"))
    waiting, drained = c.send("wait", jobs=[job]), c.send("drain")
    assert c.show(job)["phase"] == "hook"
    open(go, "w").close()
    assert c.answer(waiting)["jobs"][0]["state"] == "done"
    c.answer(drained)
    assert s.wait_exit() == 0


# ---- Many of them, and what dies

def test_a_thousand_at_once_are_bounded(serve, server, hooks):
    counter = hooks.sh("echo + >> '%s'; sleep 0.02; echo - >> '%s'" % (hooks.path("count"), hooks.path("count")))
    s = serve({"defaults": {"on-download-complete": [counter]}}, max_concurrent_hooks=4, max_concurrent_downloads=64,
              max_connections_per_host=64)
    c = s.client()
    ids = c.add(*({"url": server.url("/ok/100"), "output": "d/%d" % i, "fsync": "off"} for i in range(1000)))
    jobs = c.call("wait", timeout=5 * PATIENCE, jobs=ids)["jobs"]
    assert {j["state"] for j in jobs} == {"done"}
    now = most = 0
    for line in hooks.lines("count"):
        now += 1 if line == "+" else -1
        most = max(most, now)
    assert len(hooks.lines("count")) == 2000 and 2 <= most <= 4


def test_a_slow_hook_holds_up_nobody_else(serve, server, hooks):
    s = serve(max_concurrent_downloads=2, max_concurrent_hooks=2, max_concurrent_verifications=2)
    c = s.client()
    slow = c.add(*({"url": server.url("/ok/1K"), "output": "s%d" % i,
                    "on-download-complete": [hooks.sh("exec sleep 1000")]} for i in range(8)))
    for job in slow:
        c.wait_state(job, "active", "hook")
    assert c.wait_job(c.add({"url": server.url("/ok/1K"), "output": "quick"})[0])["state"] == "done"
    c.call("cancel", jobs=slow)


def test_a_killed_spawner_fails_what_it_ran_and_is_replaced(serve, server, hooks):
    s = serve(max_concurrent_hooks=1)
    c = s.client()
    slow, next_one = c.add({"url": server.url("/ok/1K"), "output": "x",
                            "on-download-complete": [hooks.sh("echo $$ > '%s'; exec sleep 1000" % hooks.path("pid"))]},
                           {"url": server.url("/ok/1K"), "output": "y", "on-download-complete": [hooks.recorder()]})
    pid = int(wait_until(lambda: hooks.lines("pid"))[0])
    c.wait_state(next_one, "active", "hook")
    spawner, = children_named(s.pid, "hauld-spawn")
    os.kill(spawner, signal.SIGKILL)
    kill_quietly(pid) # nobody else would
    job = c.wait_job(slow)
    assert job["code"] == "hook-failed"
    assert "hauld-spawn ended meanwhile (killed by signal 9 (Killed))" in job["reason"]
    assert c.wait_job(next_one)["state"] == "done" and len(hooks.runs()) == 1


def connected(s):
    """The socket is there a moment before somebody listens."""
    try:
        return s.client()
    except (FileNotFoundError, ConnectionRefusedError):
        return None


@asked_again
def test_many_hooks_that_cannot_run_hold_up_nobody(serve, server, hooks, tmp):
    """Each failure is the end of a job: some in each turn."""
    spawner = os.path.join(tmp, "spawner")
    shutil.copy(program("hauld-spawn"), spawner)
    hooks.forget("pid")
    s = serve({"defaults": {"retry": 0, "on-download-error": [hooks.sh("echo $$ > '%s'; exec sleep 1000" % hooks.path("pid"))]}},
              start=False, max_concurrent_hooks=1, max_origin_failures=0, log_level="err")
    s.args = ["--spawn-path", spawner]
    s.spawn()
    c = wait_until(lambda: connected(s)) # its log is quiet
    ids = [job for i in range(10) for job in
           c.add(*({"url": "http://127.0.0.1:1/x", "output": "%d-%d" % (i, k)} for k in range(500)))]
    wait_until(lambda: c.call("status")["jobs"]["active"] == 5000)
    pid = int(wait_until(lambda: hooks.lines("pid"))[0])
    before = loop(c)
    os.unlink(spawner)
    child, = children_named(s.pid, "spawner")
    os.kill(child, signal.SIGKILL)
    kill_quietly(pid)
    wait_until(lambda: c.call("status")["jobs"]["failed"] == 5000)
    assert "cannot run" in c.show(ids[-1])["reason"] + "".join(line["text"] for line in c.call("log", job=ids[-1])["events"])
    after = assert_never_late(c, before)
    assert after["callbacks"] - before["callbacks"] >= 50 # 5000 ends, 100 in each


def restart_after_kill(s):
    kill_quietly(s.pid)
    s.process.wait()
    s.start()


@pytest.mark.parametrize("size", ["1K", "2M"])
def test_a_killed_hauld_runs_the_hook_again(serve, server, hooks, size):
    """The file is published, and the job is not done before its hook has ended."""
    s = serve()
    go = hooks.path("go")
    job = s.client().add({"url": server.url("/ok/%s?seed=8" % size), "output": "x", "on-download-complete": [
        hooks.recorder("while ! test -e '%s'; do sleep 0.05; done" % go)]})[0]
    wait_until(hooks.runs)
    restart_after_kill(s)
    wait_until(lambda: len(hooks.runs()) == 2)
    open(go, "w").close()
    done = s.client().wait_job(job)
    assert done["state"] == "done"
    assert len(server.requests("/ok/")) == 1 # the file was not fetched again
    assert len(hooks.runs()) == 2


def test_every_job_that_is_done_had_its_hook_whatever_was_killed(serve, server, hooks):
    """hauld, its workers and its hauld-spawn die together, five times, at no particular moment."""
    seed = int(os.environ.get("HAUL_CRASH_SEED", "0")) or random.randrange(1 << 30)
    print("HAUL_CRASH_SEED=%d" % seed)
    chance = random.Random(seed)
    # the line is written at once, and only when the file is there and whole
    hook = hooks.sh("test $(stat -c %%s \"$HAUL_OUTPUT\") = \"$HAUL_BYTES\" && echo \"$HAUL_ID\" >> '%s'" % hooks.path("ids"))
    s = serve({"defaults": {"on-download-complete": [hook], "retry": 20}}, max_concurrent_hooks=2)
    with s.client() as c:
        ids = c.add(*({"url": server.url("/ok/%s?seed=%d" % (chance.choice(["1K", "300K", "2M"]), i)), "output": "%d" % i}
                      for i in range(150)))
    for _round in range(5):
        done = len(hooks.lines("ids"))
        wait_until(lambda: len(hooks.lines("ids")) >= min(done + chance.randrange(1, 25), len(ids))) # noqa: B023
        for pid in processes_of_session(s.pid):
            kill_quietly(pid)
        s.process.wait()
        s.start()
    jobs = s.client().call("wait", timeout=5 * PATIENCE, jobs=ids)["jobs"]
    assert {j["state"] for j in jobs} == {"done"}
    assert {int(line) for line in hooks.lines("ids")} == set(ids)


@pytest.mark.parametrize("kind", ["complete", "error", "start"])
def test_a_stop_does_not_wait_for_a_hook_and_the_next_life_runs_it(serve, server, hooks, kind):
    s = serve()
    go = hooks.path("go")
    url = server.url("/status/404" if kind == "error" else "/ok/1K?seed=9")
    job = s.client().add({"url": url, "output": "x", "retry": 0, "hook-timeout": "1h", "on-download-" + kind: [
        hooks.recorder("trap '' TERM; while ! test -e '%s'; do sleep 0.05; done" % go)]})[0]
    wait_until(hooks.runs)
    s.signal(signal.SIGTERM)
    assert s.wait_exit() == 0
    s.start()
    wait_until(lambda: len(hooks.runs()) == 2)
    open(go, "w").close()
    done = s.client().wait_job(job)
    assert done["code"] == ("http-404" if kind == "error" else "done")


def test_an_interrupted_once_goes_on_with_its_hook(h, server, hooks):
    go = hooks.path("go")
    args = (server.url("/ok/1K?seed=10"), "-o", "x", "--on-download-complete",
            hooks.recorder("while ! test -e '%s'; do sleep 0.05; done" % go))
    with h.start(*args) as run:
        wait_until(hooks.runs)
        run.interrupt()
        assert run.finish().rc == 130
    open(go, "w").close()
    assert h.once(*args).rc == 0
    assert len(hooks.runs()) == 2


# ---- Who may say so

def drop_to(uid):
    def drop():
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)
    return drop


@pytest.mark.skipif(os.geteuid() != 0, reason="takes another user")
@pytest.mark.parametrize("key", ["on-download-start", "on-download-complete", "on-download-error", "url-command"])
def test_a_client_may_not_name_programs(serve, server, tmp, lab, key):
    s = serve()
    os.chmod(s.socket, 0o666)
    for directory in (lab, tmp, s.tmp):
        os.chmod(directory, 0o711)
    request = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "add", "params": {"job": {
        "url": server.url("/ok/1K"), "output": "x", key: ["/bin/true"]}}})
    asked = subprocess.run(["socat", "-t", "10", "-", "UNIX-CONNECT:" + s.socket], input=request + "\n", text=True,
                           capture_output=True, preexec_fn=drop_to(65534), check=True)
    error = json.loads(asked.stdout)["error"]
    assert error["message"] == ("jobs[0]: %s is for root and the service's user: it runs a program, and not as uid 65534; "
                                "the configuration's defaults may have it for all jobs" % key)
    assert error["data"]["word"] == "permission-denied"


@pytest.mark.parametrize("value, sentence", [
    (["true"], "must begin with the absolute path of a program: no shell and no PATH look for it"),
    (["./x"], "must begin with the absolute path"),
    (["/usr/bin/"], "must begin with the absolute path"),
    (["", "x"], "begins with an empty string, which says that no program is run: nothing can follow"),
    (["/bin/true"] + ["x"] * 64, "has more than 64 parts"),
    (["/bin/true", "x" * 4097], "has a part that is longer than 4096 bytes"),
    (["/bin/true", "a\nb"], "has a control character in it"),
])
def test_what_is_no_program(serve, h, value, sentence):
    for key in ("on-download-complete", "url-command"):
        bad = h.once(config={"jobs": [{"url": "http://127.0.0.1:1/x", key: value}]}, json=False)
        assert bad.rc == 78 and "%s %s" % (key, sentence) in bad.stderr
        error = serve().client().refused("add", job={"url": "http://127.0.0.1:1/x", key: value})
        assert sentence in error.text


def test_a_list_names_no_programs(h, serve, hooks):
    text = "http://127.0.0.1:1/x\n on-download-complete=/bin/true\n"
    bad = h.once("-i", "-", stdin=text, json=False)
    assert bad.rc == 78 and "on-download-complete runs a program, which a list cannot say" in bad.stderr
    s = serve()
    refused = s.ctl("add", "-i", "-", stdin=text)
    assert refused.rc == 2 and "on-download-complete runs a program, which a list cannot say" in refused.err


def test_haulctl_gives_them(serve, server, hooks):
    s = serve()
    done = s.ctl("get", server.url("/ok/1K"), "--output", "x", "--on-download-complete", hooks.recorder(),
                 "--on-download-complete", "-x")
    assert done.rc == 0, done
    (_env, args, _said), = hooks.runs()
    assert args == ["-x"]
    bad = s.ctl("add", server.url("/ok/1K"), "--on-download-complete", "true")
    assert bad.rc == 2 and "must begin with the absolute path of a program" in bad.err


# ---- url-command

def minted(hooks, server, path, **options):
    return [hooks.recorder("echo '%s'" % server.url(path, **options), "mint")]


def test_an_expired_url_is_minted_anew_and_the_download_goes_on(serve, server, hooks):
    path = "/signed/2M?seed=11&key=hooks-goes-on&token="
    s = serve({"jobs": [{"name": "j", "url": server.url(path + "once"), "output": "x", "retry-delay": "1ms",
                         "url-command": minted(hooks, server, path + "good"),
                         "checksum": digest(body(2 << 20, 11))}]})
    job = s.client().wait_job("j")
    assert job["state"] == "done" and s.read("x") == body(2 << 20, 11)
    first, second, third = server.requests("/signed")
    assert "token=once" in first["path"] and header_of(first, "Range") is None
    assert "token=once" in second["path"] and header_of(second, "Range") == "bytes=1048576-" # 403
    assert "token=good" in third["path"] and header_of(third, "Range") == "bytes=1048576-"   # 206
    assert header_of(third, "If-Range") == '"signed"'
    (env, _args, said), = hooks.runs()
    assert env["HAUL_EVENT"] == "url" and env["HAUL_RESULT"] == "http-403"
    assert said["event"] == "url" and said["job"]["name"] == "j"
    assert "token=" not in s.log + json.dumps([env, said, job])
    assert not s.log_lines("says: http") # its answer is no log
    assert len(s.log_lines("url-command gave another url, after http-403: ")) == 1


@pytest.mark.parametrize("status", [401, 403, 410])
def test_it_is_asked_for_these(serve, server, hooks, status):
    path = "/signed/1K?seed=12&key=hooks-%d&status=%d&token=" % (status, status)
    s = serve({"jobs": [{"name": "j", "url": server.url(path + "old"), "output": "x", "retry": 1,
                         "url-command": minted(hooks, server, path + "good")}]})
    job = s.client().wait_job("j")
    assert job["state"] == "done" and job["attempts"] == 1
    assert len(server.requests("/signed")) == 2 and len(hooks.runs()) == 1


def test_it_is_not_asked_for_others(serve, server, hooks):
    s = serve({"jobs": [{"name": "j", "url": server.url("/status/404"), "output": "x", "retry": 3,
                         "url-command": minted(hooks, server, "/ok/1K")}]})
    assert s.client().wait_job("j")["code"] == "http-404"
    assert hooks.runs() == []


def test_it_is_not_asked_for_ever(serve, server, hooks):
    path = "/signed/1K?key=hooks-ever&token=old"
    s = serve({"jobs": [{"name": "j", "url": server.url(path), "output": "x", "retry": 3,
                         "url-command": minted(hooks, server, path)}]})
    assert s.client().wait_job("j")["code"] == "http-403"
    assert len(hooks.runs()) == 3 and len(server.requests("/signed")) == 4


@pytest.mark.parametrize("script, sentence", [
    ("exit 4", "url-command: exit status 4"),
    ("true", "url-command: it wrote nothing to its standard output, where a url is to be"),
    ("echo", "url-command: it wrote nothing"),
    ("echo http://127.0.0.1/SECRET; echo b", "url-command: it wrote more than one line"),
    ("echo ftp://127.0.0.1/SECRET", "url-command: what it wrote is no http or https url"),
    ("echo file:///etc/passwd", "url-command: what it wrote is no http or https url"),
    ("echo http://u:SECRET@127.0.0.1/", "url-command: the url has a name or password in it"),
    ("echo 'http://127.0.0.1/a b SECRET'", "url-command: what it wrote is no url: it has a space"),
    ("echo no-url-SECRET", "url-command: what it wrote is no url: it does not begin with a scheme"),
    ("head -c 100000 /dev/zero | tr '\\0' x", "url-command: it wrote more than a url can be long"),
    ("printf 'http://127.0.0.1/\\000SECRET'", "url-command: it wrote more than one line"),
])
def test_what_it_says_is_checked(serve, server, hooks, script, sentence):
    s = serve({"jobs": [{"name": "j", "url": server.url("/status/403"), "output": "x", "retry": 3,
                         "url-command": [hooks.sh(script)]}]})
    job = s.client().wait_job("j")
    assert job["code"] == "http-403" and sentence in job["reason"]
    assert "SECRET" not in s.log + json.dumps(job)
    assert len(server.requests("/status/403")) == 1


def test_a_url_that_is_set_meanwhile_counts(serve, server, hooks):
    go = hooks.path("go")
    slow = hooks.recorder("while ! test -e '%s'; do sleep 0.05; done; echo '%s'" % (go, server.url("/ok/1K?seed=1")), "slow")
    s = serve()
    c = s.client()
    one, two = c.add({"url": server.url("/status/403?set=1"), "output": "x", "url-command": [slow]},
                     {"url": server.url("/ok/1K?seed=1&set=2"), "output": "y", "on-download-start": [slow]})
    wait_until(lambda: len(hooks.runs()) == 2)
    for job in (one, two):
        c.call("set", job=job, set={"url": server.url("/ok/1K?seed=16")})
    open(go, "w").close()
    for job, name in ((one, "x"), (two, "y")):
        assert c.wait_job(job)["state"] == "done" and s.read(name) == body(1024, 16)


def test_credentials_stay_at_the_origin_of_the_job(serve, server, other_server, hooks):
    s = serve({"jobs": [{"name": "j", "url": server.url("/status/401"), "output": "x", "retry": 1,
                         "header": ["X-Key: TOPSECRET"], "user": "me:TOPSECRET",
                         "url-command": [hooks.sh("echo '%s'" % other_server.url("/ok/1K?seed=13"))]}]})
    assert s.client().wait_job("j")["state"] == "done"
    here, there = server.requests("/status/401")[0], other_server.requests("/ok/1K")[0]
    assert header_of(here, "X-Key") == "TOPSECRET" and header_of(here, "Authorization")
    assert header_of(there, "X-Key") is None and header_of(there, "Authorization") is None


def test_an_expired_url_in_another_life(serve, server, hooks):
    """What came is kept, the url that was minted is not."""
    path = "/signed/4M?seed=14&key=hooks-life&token="
    s = serve({"jobs": [{"name": "j", "url": server.url(path + "old"), "output": "x", "limit-rate": "512K",
                         "url-command": minted(hooks, server, path + "good")}]})
    c = s.client()
    wait_until(lambda: c.show("j")["received"] > 1 << 20)
    s.stop()
    server.mark()
    s.start()
    assert s.client().wait_job("j")["state"] == "done"
    assert s.read("x") == body(4 << 20, 14)
    starts = [header_of(r, "Range") for r in server.requests("/signed")]
    assert len(starts) == 2 and starts[0] == starts[1] and int(starts[0][6:-1]) > 1 << 20
    assert len(hooks.runs()) == 2


# ---- hauld-spawn behind a socket

class Spawner:
    """A hauld-spawn as systemd starts it: with a listening socket."""

    def __init__(self, tmp, programs, peer="root", files=1024):
        self.path = os.path.join(tmp, "spawn.sock")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(8)
        self.files = files
        self.args = [spawn_program(), "--listen", "--programs", programs, "--peer", peer]
        self.process = None
        self.start()

    def start(self):
        fd = self.listener.fileno()
        self.process = subprocess.Popen(
            ["/bin/bash", "-c", "ulimit -n %d; exec 3<&%d; LISTEN_PID=$$ exec \"$@\"" % (self.files, fd), "sh", *self.args], pass_fds=[fd],
            env={"LISTEN_FDS": "1", "LISTEN_FDNAMES": "spawn", "PATH": "/usr/bin:/bin", "ASAN_OPTIONS": "detect_leaks=0"},
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def stop(self):
        self.process.kill()
        self.process.communicate()
        self.listener.close()


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="its programs must be root's")


@pytest.fixture
def spawner(tmp, hooks):
    one = Spawner(tmp, hooks.dir)
    yield one
    one.stop()


@needs_root
def test_over_a_socket(serve, server, hooks, spawner):
    s = serve(spawn_socket=spawner.path)
    c = s.client()
    assert c.wait_job(c.add({"url": server.url("/ok/1K"), "output": "x", "on-download-complete": [hooks.recorder()]})[0])["state"] == "done"
    assert children_named(s.pid, "hauld-spawn") == [] and len(hooks.runs()) == 1
    refused = c.wait_job(c.add({"url": server.url("/ok/1K"), "output": "y", "on-download-complete": ["/bin/true"]})[0])
    assert refused["code"] == "hook-failed"
    assert "/bin/true is not in %s: put it there, or a link to it, and name it so" % hooks.dir in refused["reason"]


@needs_root
def test_a_killed_hauld_leaves_nothing_running_behind_the_socket(serve, server, hooks, spawner):
    s = serve(spawn_socket=spawner.path)
    s.client().add({"url": server.url("/ok/1K"), "output": "x", "on-download-complete": [
        hooks.sh("echo $$ >> '%s'; trap '' TERM; while ! test -e '%s'; do sleep 0.05; done" % (hooks.path("pid"), hooks.path("go")))]})
    pid = int(wait_until(lambda: hooks.lines("pid"))[0])
    restart_after_kill(s)
    wait_until(lambda: len(hooks.lines("pid")) == 2)
    wait_until(lambda: not pid_alive(pid))
    open(hooks.path("go"), "w").close()
    assert s.client().wait_job(1)["state"] == "done"


@needs_root
def test_a_killed_spawner_behind_the_socket(serve, server, hooks, spawner):
    s = serve(spawn_socket=spawner.path)
    c = s.client()
    job = c.add({"url": server.url("/ok/1K"), "output": "x",
                 "on-download-complete": [hooks.sh("echo $$ > '%s'; exec sleep 1000" % hooks.path("pid"))]})[0]
    pid = int(wait_until(lambda: hooks.lines("pid"))[0])
    spawner.process.kill()
    spawner.process.communicate()
    kill_quietly(pid) # systemd ends the whole unit
    ended = c.wait_job(job)
    assert ended["code"] == "hook-failed" and "hauld-spawn ended meanwhile" in ended["reason"]
    spawner.start()
    assert c.wait_job(c.add({"url": server.url("/ok/1K"), "output": "y", "on-download-complete": [hooks.recorder()]})[0])["state"] == "done"


@needs_root
def test_a_spawner_without_descriptors_says_so(serve, server, hooks, tmp):
    """Those that it can run, it runs; and it goes on when there are some again."""
    few = Spawner(tmp, hooks.dir, files=100)
    try:
        s = serve(spawn_socket=few.path, max_concurrent_hooks=64)
        c = s.client()
        wait = hooks.sh("echo + >> '%s'; while ! test -e '%s'; do sleep 0.1; done" % (hooks.path("runs"), hooks.path("go")))
        ids = c.add(*({"url": server.url("/ok/1K"), "output": "%d" % i, "on-download-complete": [wait]} for i in range(40)))

        def settled():
            failed = sum(c.show(i)["state"] == "failed" for i in ids)
            return failed + len(hooks.lines("runs")) == len(ids) and failed
        failed = wait_until(settled)
        assert 0 < failed < len(ids)
        open(hooks.path("go"), "w").close()
        jobs = c.call("wait", jobs=ids)["jobs"]
        bad = [j["reason"] for j in jobs if j["state"] == "failed"]
        assert len(bad) == failed and all("Too many open files" in reason for reason in bad), bad
        again = c.add({"url": server.url("/ok/1K"), "output": "again", "on-download-complete": [hooks.recorder()]})[0]
        assert c.wait_job(again)["state"] == "done" and few.process.poll() is None
    finally:
        few.stop()


def test_a_socket_that_cannot_be_asked_is_not_gone_around(serve, server, hooks, tmp):
    """Only where there is none hauld runs programs itself."""
    path = os.path.join(tmp, "datagrams")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as d:
        d.bind(path)
        s = serve(spawn_socket=path)
        c = s.client()
        job = c.wait_job(c.add({"url": server.url("/ok/1K"), "output": "x", "on-download-complete": [hooks.recorder()]})[0])
        assert job["code"] == "hook-failed"
        assert "cannot ask hauld-spawn to run it: Protocol wrong type for socket" in job["reason"]
        assert hooks.runs() == [] and children_named(s.pid, "hauld-spawn") == []
    os.unlink(path)
    assert c.wait_job(c.add({"url": server.url("/ok/1K"), "output": "y", "on-download-complete": [hooks.recorder()]})[0])["state"] == "done"


def hello(build):
    text = build.encode()
    payload = struct.pack("<H", len(text)) + text
    return struct.pack("<IHBBQ", len(payload), 400, 1, 0, 0) + payload


@needs_root
def test_who_talks_of_another_build_makes_room_for_its_spawner(spawner):
    """It ends, so that systemd starts the one that was installed meanwhile."""
    with socket.socket(socket.AF_UNIX) as c:
        c.settimeout(PATIENCE)
        c.connect(spawner.path)
        c.sendall(hello("0.0.0-of-another-build"))
        while c.recv(1 << 16):
            pass
    assert spawner.process.wait(PATIENCE) == 0


@needs_root
def test_a_peer_that_was_killed_is_none_of_another_build(spawner, hooks):
    """It had not read all that it was told: its end is a reset."""
    with socket.socket(socket.AF_UNIX) as c:
        c.connect(spawner.path)
        wait_until(lambda: c.recv(1, socket.MSG_PEEK))
    with socket.socket(socket.AF_UNIX) as c:
        c.settimeout(PATIENCE)
        c.connect(spawner.path)
        assert c.recv(1)
    assert spawner.process.poll() is None


@needs_root
@pytest.mark.parametrize("variable", ["LD_PRELOAD=/x.so", "HAUL_=1", "PATH=/x", "HAUL_a=1", "HAUL_A", "BASH_ENV=/x", ""])
def test_no_other_variable_comes_with_a_program(spawner, hooks, variable):
    """Whoever has taken hauld over: the conversation ends, and nothing has run."""
    build = re.search(r"build (\S+)\)", subprocess.run([spawn_program(), "--version"], capture_output=True,
                                                       text=True, check=True).stdout).group(1)
    program_path, env = hooks.recorder().encode(), variable.encode()
    payload = struct.pack("<BQBH", 0, 60000, 1, len(program_path)) + program_path + \
        struct.pack("<BH", 1, len(env)) + env + struct.pack("<I", 0)
    with socket.socket(socket.AF_UNIX) as c:
        c.settimeout(PATIENCE)
        c.connect(spawner.path)
        c.sendall(hello(build) + struct.pack("<IHBBQ", len(payload), 401, 1, 0, 7) + payload)
        while c.recv(1 << 16):
            pass
    assert hooks.runs() == [] and os.listdir(hooks.left) == []


@needs_root
def test_another_user_is_not_let_in(tmp, lab, spawner):
    os.chmod(spawner.path, 0o666)
    for directory in (lab, tmp):
        os.chmod(directory, 0o711)
    asked = subprocess.run(["socat", "-u", "UNIX-CONNECT:" + spawner.path, "-"], capture_output=True,
                           preexec_fn=drop_to(65534), check=False, timeout=PATIENCE)
    assert asked.stdout == b""
    assert "a connection was refused uid=65534" in spawner.process.stderr.readline()


# ---- hauld-spawn by itself

def spawn_program():
    return program("hauld-spawn")


def test_hauld_spawn_is_not_for_people():
    for args in (["x"], ["--listen"], ["--listen", "--programs", "/x"], ["--peer", "root"], ["--no-such"]):
        done = subprocess.run([spawn_program(), *args], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        assert done.returncode == 2 and "usage: hauld-spawn" in done.stderr
    assert subprocess.run([spawn_program(), "--version"], capture_output=True, text=True,
                          check=True).stdout.startswith("hauld-spawn ")


@pytest.mark.parametrize("nonsense", [b"", b"\0", b"x" * 100, b"\xff" * 64, bytes(16)])
def test_nonsense_ends_it(nonsense):
    done = subprocess.run([spawn_program()], input=nonsense, capture_output=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0 # its hauld has gone
    assert len(done.stdout) > 16 # its HELLO


def test_its_mode_is_no_more_than_that_of_others():
    assert not os.stat(spawn_program()).st_mode & (stat.S_ISUID | stat.S_ISGID)


@pytest.mark.skipif(os.geteuid() != 0, reason="runs it as somebody else")
def test_another_process_of_the_same_user_cannot_reach_into_it():
    """A hauld that was taken over is of that user, and hauld-spawn is outside of its sandbox."""
    def starts_with_hello(process):
        return process.stdout.read(1)
    with subprocess.Popen([program("hauld-spawn")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, user=65534, group=65534,
                          extra_groups=[]) as spawner:
        assert starts_with_hello(spawner)
        reach = subprocess.run(["/bin/sh", "-c", "exec 3<>/proc/%d/mem" % spawner.pid], user=65534, group=65534,
                               extra_groups=[], capture_output=True, check=False)
        spawner.stdin.close()
    assert reach.returncode != 0 and b"ermission denied" in reach.stderr, reach
    assert spawner.returncode == 0
