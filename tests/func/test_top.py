"""haulctl top: on a terminal, and without one."""

import fcntl
import json
import os
import re
import signal
import subprocess
import termios

import pytest
from fakehauld import FakeHauld
from haul import program
from screen import Screen, columns_of
from waiting import wait_until

pytestmark = pytest.mark.skipif(not os.path.exists(program("haulctl")), reason="haulctl is not built")

HOSTILE = ["\x1b[2J\x1b]0;x\x07gone", "two\r\nlines\n", "\x9b31mred", "中文文件名称测试下载镜像文件一个很长的名字.tar.gz",
           "e" + "\u0301" * 30, "שלום-עולם.iso", "\u202egnp.exe", "x" * 300, "", "\ufeff\u200b"]


def environment(socket, **more):
    env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LC_ALL": "C.UTF-8", "TERM": "xterm", "HAULCTL_SOCKET": socket}
    for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"):
        if name in os.environ:
            env[name] = os.environ[name]
    return {**env, **more}


def top(socket, *args, env=None, **options):
    return Screen(program("haulctl"), "top", "--interval", "100ms", *args, env=environment(socket, **(env or {})),
                  **options)


def text_of(socket, *args, env=None):
    return subprocess.run([program("haulctl"), "top", *args], env=environment(socket, **(env or {})),
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False, text=True)


@pytest.fixture
def fake(tmp):
    with FakeHauld(os.path.join(tmp, "control.sock")) as one:
        def subscribe(_params, client):
            client.answer({"subscription": 1})
            one.tell = lambda: client.event("progress", jobs=[j for j in one.jobs.values() if j["state"] == "active"],
                                            totals=one.counts())
            one.tell()
        def status(params, client):
            one.tell() # of what runs, as often as of the rest
            return one.do_status(params, client)
        one.on["subscribe"], one.on["status"] = subscribe, status
        yield one


def state_of(pid):
    with open("/proc/%d/stat" % pid) as f:
        return f.read().rsplit(")", 1)[1].split()[0]


# ---- on a terminal, a real hauld behind it

def test_jobs_are_shown_paused_resumed_and_cancelled(serve, server):
    s = serve(max_concurrent_downloads=1)
    c = s.client()
    first, second = [job["id"] for job in c.call("add", jobs=[
        {"url": [server.url("/stall/100k/50k?key=top-a")], "output": "first.bin"},
        {"url": [server.url("/ok/1000?key=top-b")], "output": "second.bin"}])["jobs"]]
    c.call("subscribe")
    with top(s.socket) as t:
        t.wait(lambda: any(l.startswith(">") and "first.bin" in l and "download" in l and "50%" in l for l in t.lines))
        t.wait(lambda: any("second.bin" in l and "queued" in l and "global-limit" in l for l in t.lines))
        assert t.alternate and not t.cursor_shown and not t.wraps
        t.type("c")
        t.wait(lambda: "cancel job %d, first.bin? y/n" % first in t.lines[-1])
        t.type("n")
        t.wait(lambda: "job %d goes on" % first in t.lines[-1])
        assert c.call("show", job=first)["state"] == "active"
        t.type("j\r")
        t.wait_text("max-concurrent-downloads says how many")
        t.type("xkp")
        t.wait(lambda: "job %d is paused" % first in t.lines[-1])
        c.event("end", id=second)
        t.wait(lambda: any("second.bin" in l and "done" in l for l in t.lines))
        t.wait(lambda: any(l.startswith(">") and "first.bin" in l and "paused" in l for l in t.lines))
        t.type("p")
        t.wait(lambda: any("first.bin" in l and "download" in l for l in t.lines))
        t.type("\r")
        t.wait(lambda: any(l.startswith("url") and "top-a" not in l and "/stall/" in l for l in t.lines))
        t.type("x+")
        t.wait(lambda: "job %d has priority 1" % first in t.lines[-1])
        assert c.call("show", job=first)["priority"] == 1
        t.type("-c")
        t.wait(lambda: "y/n" in t.lines[-1])
        t.type("y")
        t.wait(lambda: "job %d is cancelled" % first in t.lines[-1])
        assert c.event("end", id=first)["job"]["state"] == "cancelled"
        t.type("q")
        assert t.finish() == 0


# ---- the screen

def test_hostile_names_stay_in_their_lines_at_any_size(fake):
    for i, name in enumerate(HOSTILE):
        fake.add_job(name=name, state="active" if i % 2 else "blocked", phase="download", why="host-limit",
                     total=1000, received=i, rate=10, reason=name)
    with top(fake.path) as t:
        for columns, rows in [(80, 24), (160, 50), (40, 10), (13, 5), (5, 3), (2, 2), (1, 1), (80, 24)]:
            t.resize(columns, rows)
            t.wait_frames(3) # those that were on their way when the size changed
            t.wrong.clear()
            t.wait_frames(2)
            assert t.wrong == [] and len(t.lines) == rows
            assert all(columns_of(line) < max(columns, 2) for line in t.lines), t.lines
        t.wait_text("\\x1b[2J")
        t.wait_text("中文")
        t.type("q")
        assert t.finish() == 0


def test_keys_move_sort_and_filter(fake):
    for i in range(60):
        fake.add_job(name="job-%02d" % i, state="queued", why="host-limit")
    fake.jobs[60].update(state="active", phase="download", total=100, received=50)
    with top(fake.path, columns=80, rows=20) as t:
        marked = lambda: [l.split()[2 if l.startswith("> ") else 1] for l in t.lines if l.startswith(">")] # noqa: E731
        t.wait_text("job-12") # what waits comes with an answer of its own
        t.wait(lambda: marked() == ["job-59"]) # what runs comes first
        t.type("jj\x1b[B\x1bOB")
        t.wait(lambda: marked() == ["job-03"])
        t.type("k\x1b[A")
        t.wait(lambda: marked() == ["job-01"])
        t.type("\x1b[F")
        t.wait(lambda: marked() == ["job-58"])
        t.type("\x1b[H")
        t.wait(lambda: marked() == ["job-59"])
        t.type("ssss")
        t.wait(lambda: "sorted by name" in t.lines[-1])
        t.wait(lambda: "job-59" not in t.lines[4] and marked() == ["job-59"]) # the selected one stays it
        t.type("/job-07\r")
        t.wait(lambda: marked() == ["job-07"] and "job-08" not in t.text)
        for key in ("name", "output"):
            wait_until(lambda: any(p.get(key) == "*job-07*" for p in fake.of("list")))
        t.type("/\x15zzz\x7f\x1b")
        t.wait_text("/ job-07") # escape: as before
        t.type("\x1b")
        t.wait(lambda: marked() == ["job-59"])
        t.type("\x1b[H")
        t.wait_text("job-08")
        t.type("h")
        t.wait_text("draw the screen anew")
        t.type("hq")
        assert t.finish() == 0


@pytest.fixture
def settable(fake):
    """A job of priority 4, which can be set."""
    fake.add_job(name="one", state="queued", priority=4)

    def set_priority(params, _client):
        fake.jobs[params["job"]]["priority"] = params["set"]["priority"]
        return {"jobs": [fake.jobs[params["job"]]]}
    fake.on["set"] = set_priority
    return fake


def test_priorities_are_raised_and_lowered(settable):
    fake = settable
    with top(fake.path, columns=120) as t:
        t.wait_text("one")
        t.type("+")
        t.wait_text("job 1 has priority 5")
        t.wait(lambda: any("one" in l and " 5 " in l for l in t.lines))
        t.type("-")
        t.wait_text("job 1 has priority 4")
        assert [p["set"]["priority"] for p in fake.of("set")] == [5, 4]
        t.type("q")
        assert t.finish() == 0


def test_keys_that_are_faster_than_answers_add_up(settable):
    fake = settable
    with top(fake.path, columns=120) as t:
        t.wait_text("one")
        t.type("+++-") # one read, and so no answer between them
        wait_until(lambda: len(fake.of("set")) == 4)
        assert [p["set"]["priority"] for p in fake.of("set")] == [5, 6, 7, 6]
        t.wait(lambda: any("one" in l and " 6 " in l for l in t.lines))
        t.wait_text("job 1 has priority 6")
        t.type("+p+") # what comes between does not make it forget, and not remember for ever
        wait_until(lambda: len(fake.of("set")) == 6)
        assert [p["set"]["priority"] for p in fake.of("set")][4:] == [7, 8]
        t.wait(lambda: any("one" in l and " 8 " in l for l in t.lines))
        fake.jobs[1]["priority"] = 20 # somebody else
        t.wait(lambda: any("one" in l and " 20 " in l for l in t.lines))
        t.type("-")
        wait_until(lambda: len(fake.of("set")) == 7)
        assert fake.of("set")[-1]["set"]["priority"] == 19
        t.type("q")
        assert t.finish() == 0


def test_an_error_is_told_and_the_screen_goes_on(fake):
    fake.add_job(name="one", state="done")
    fake.jobs[1]["state"] = "queued"
    with top(fake.path) as t:
        t.wait_text("one")
        t.type("p")
        t.wait_text("there is no method pause")
        fake.jobs[1]["why"] = "host-limit"
        t.wait_text("host-limit")
        t.type("q")
        assert t.finish() == 0


def test_colours_are_off_with_no_color(fake):
    fake.add_job(name="one", state="active", phase="download", total=100)
    for env, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
        with top(fake.path, env=env) as t:
            t.wait_text("one")
            t.wait_frames()
            assert bool(t.inks - {"0"}) == coloured
            t.type("q")
            assert t.finish() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_gives_the_terminal_back(fake, number):
    with top(fake.path) as t:
        t.wait_text("running")
        t.signal(number)
        assert t.finish() == 128 + number


def test_control_c_is_a_signal(fake):
    # a controlling terminal, so that the line discipline has somebody to tell
    with top(fake.path, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0)) as t:
        t.wait_text("running")
        t.type("\x03")
        assert t.finish() == 130


def test_it_suspends_and_comes_back(fake):
    # a group of its own beside ours: one that nobody could continue is never stopped
    with top(fake.path, start_new_session=False, preexec_fn=lambda: os.setpgid(0, 0)) as t:
        t.wait_text("running")
        t.signal(signal.SIGTSTP)
        wait_until(lambda: state_of(t.process.pid) == "T")
        t.wait(t.is_restored)
        t.signal(signal.SIGCONT)
        t.wait(lambda: t.alternate and "running" in t.text)
        t.type("q")
        assert t.finish() == 0


def test_a_hang_up_ends_it(fake):
    with top(fake.path) as t:
        t.wait_text("running")
        t.hang_up()
        assert t.process.wait(20) == 129


def test_the_end_of_hauld_ends_it(fake):
    with top(fake.path) as t:
        t.wait_text("running")
        fake.clients[0].close()
        assert t.finish() == 5
        t.wait_text("hauld has closed the connection")


def test_a_stuck_terminal_does_not_keep_it(fake):
    for i in range(200):
        fake.add_job(name="job-%d" % i, state="queued", why="host-limit")
    with top(fake.path, rows=100, columns=400) as t:
        t.wait_text("job-50")
        t.changed.acquire() # the reader stops here: nobody takes what is written
        try:
            wait_until(lambda: len(fake.of("status")) > 10)
            t.signal(signal.SIGTERM)
            assert t.process.wait(20) == 128 + signal.SIGTERM
        finally:
            t.changed.release()


# ---- a million jobs: a page only

def test_it_asks_for_a_page(fake):
    for i in range(3000):
        fake.add_job(name="job-%d" % i, state="queued", why="host-limit")
    with top(fake.path, rows=24) as t:
        t.wait_text("job-1 ")
        t.wait_frames(4)
        assert {p["limit"] for p in fake.of("list")} == {100} and {p.get("after", 0) for p in fake.of("list")} == {0}
        t.type("\x1b[F")
        t.wait(lambda: re.search(r"^ and 2\d\d\d more", t.text, re.M))
        t.type("q")
        assert t.finish() == 0


# ---- without a terminal

def test_one_frame_as_text(fake):
    fake.add_job(name="wait", state="blocked", why="host-limit")
    fake.add_job(name="run\x1b[2J", state="active", phase="download", total=1000, received=500, rate=100)
    done = text_of(fake.path)
    assert done.returncode == 0 and done.stderr == "", done
    lines = done.stdout.splitlines()
    assert lines[0].startswith("hauld     running") and "\x1b" not in done.stdout
    assert [l.split()[:2] for l in lines[-2:]] == [["2", "run\\x1b[2J"], ["1", "wait"]]


def test_snapshots(fake):
    fake.add_job(name="wait", state="blocked", why="host-limit")
    fake.add_job(name="run", state="active", phase="download", total=1000, received=500, rate=100)
    done = text_of(fake.path, "--json", "--count", "3", "--interval", "100ms", "--sort", "id")
    assert done.returncode == 0, done
    snapshots = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(snapshots) == 3
    for one in snapshots:
        assert one["status"]["state"] == "running" and one["time"] > 1e9
        assert [j["name"] for j in one["jobs"]] == ["wait", "run"]
    assert fake.of("subscribe") == [{"progress_ms": 100}]


def test_filters(fake):
    fake.add_job(name="wait", state="blocked", why="host-limit")
    fake.add_job(name="run-a", state="active", phase="download", url="http://a.example/x")
    fake.add_job(name="run-b", state="active", phase="download", url="http://b.example/x")
    for args, names in ((["--state", "active"], ["run-a", "run-b"]), (["--name", "run*"], ["run-a", "run-b"]),
                        (["--url", "*b.example*"], ["run-b"]), (["--state", "active", "--limit", "1"], ["run-a"])):
        done = text_of(fake.path, "--json", "-n", "1", *args)
        # what waits is filtered by hauld, and this stand-in does not
        found = [j["name"] for j in json.loads(done.stdout)["jobs"] if j["name"] != "wait"]
        assert found == names, args
    assert fake.of("list")[-1].get("url") == "*b.example*"


def test_a_real_service_is_shown_as_text(serve, server):
    s = serve()
    job = s.client().call("add", jobs=[{"url": [server.url("/stall/1000/10?key=top-c")], "output": "x"}])["jobs"][0]["id"]
    wait_until(lambda: s.client().call("show", job=job)["received"] == 10)
    done = s.ctl("top")
    assert done.rc == 0 and "1 active" in done.out and "1%" in done.out, done
