"""hauld as a service of a real systemd, in a container of its own: started by its
socket, asked by users, reloaded, killed, frozen, stopped.  alice is in the group
hauld, mallory is not."""

import gzip
import json
import os
import re
import shutil
import tempfile

import pytest
import servers
import systemd_box
from bodies import body, digest
from haul import config_text
from waiting import wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(systemd_box.why_not() is not None, reason=str(systemd_box.why_not())),
]
DROP_IN = "/etc/systemd/system/hauld.service.d/test.conf"
CONFIG = {"daemon": {"roots": ["/srv/haul"], "workers": 2}, "defaults": {"retry": 0}}


# ---- The box, the server in its network, hauld as it is after `make install`

@pytest.fixture(scope="module")
def system():
    place = tempfile.mkdtemp(prefix="haul-box-")
    box = None
    try:
        box = systemd_box.Box(os.path.join(place, "box"))
        yield Service(box)
    finally:
        if box:
            box.close()
        shutil.rmtree(place)


@pytest.fixture(scope="module")
def box_server(system):
    """The misbehaving server, reached from inside the box only."""
    place = tempfile.mkdtemp(prefix="haul-box-server-")
    inside = ("nsenter", "-t", str(system.box.pid), "-n", "--")
    server = servers.BadServer(place, root=place, prefix=inside)
    server.root = place
    yield server
    server.stop()
    shutil.rmtree(place)


@pytest.fixture
def service(system, hauld_binary):
    """Not running, its socket open, configured by CONFIG."""
    system.back_to_the_start()
    yield system
    system.stop_for_good()


class Service:
    def __init__(self, box):
        self.box = box
        self.paths = box.install()
        self.config_path = os.path.join(self.paths["sysconfdir"], "hauld/hauld.conf")
        self.run("systemd-sysusers")
        self.run("systemd-tmpfiles", "--create", "--prefix=/run", "--prefix=/srv", "--prefix=/var/lib")
        self.run("useradd", "--create-home", "--user-group", "--groups", "hauld", "alice")
        self.run("useradd", "--create-home", "--user-group", "mallory")
        if systemd_box.is_sanitized(): # the leak checker needs ptrace(2)
            for kind in ("system", "user"):
                self.box.write("/etc/systemd/%s/hauld.service.d/asan.conf" % kind,
                               "[Service]\nEnvironment=ASAN_OPTIONS=detect_leaks=0\n")
        self.tell("daemon-reload")
        self.tell("enable", "hauld.service") # and hauld.socket with it

    def run(self, *args, **options):
        return self.box.run(*args, **options)

    def tell(self, *args, **options):
        return self.run("systemctl", *args, **options)

    def ctl(self, *args, user="alice", check=True, **options):
        return self.run("haulctl", *args, user=user, check=check, **options)

    # where it begins and ends

    def back_to_the_start(self):
        self.configure(CONFIG)
        self.tell("reset-failed")
        self.tell("start", "hauld.socket")
        assert self.show("ActiveState") == "inactive"
        self.cursor = self.run("journalctl", "-n", "0", "--show-cursor").stdout.split("cursor: ")[-1].strip()

    def stop_for_good(self):
        self.tell("stop", "hauld.socket", "hauld.service")
        signs = ("Sanitizer", "runtime error:", "Assertion")
        assert not [text for text in self.messages("_COMM=hauld", "+", "_COMM=hauld-worker")
                    if any(sign in text for sign in signs)]
        self.run("rm", "-rf", DROP_IN, "/var/lib/hauld")
        self.tell("daemon-reload")
        self.run("find", "/srv/haul", "-mindepth", "1", "-delete")

    def configure(self, config):
        self.box.write(self.config_path, config if isinstance(config, str) else config_text(config))

    def drop_in(self, text):
        self.box.write(DROP_IN, "[Service]\n" + text)
        self.tell("daemon-reload")

    # what it is doing

    def show(self, what):
        return self.tell("show", "-P", what, "hauld.service").stdout.strip()

    def main_pid(self):
        return int(self.show("MainPID"))

    def wait_other_pid(self, before):
        """Of the main process that replaces the one of that pid, once it is ready."""
        def ready():
            pid = self.main_pid()
            return pid not in (0, before) and self.show("ActiveState") == "active" and pid
        return wait_until(ready, 30, lambda: self.tell("status", "hauld", check=False).stdout)

    def workers(self):
        listed = self.run("pgrep", "--parent", str(self.main_pid()), "-f", "hauld-worker", check=False)
        return [int(word) for word in listed.stdout.split()]

    def journal(self, *matches):
        """The entries of the journal since the test began, as dicts.  (--after-cursor
        leaves out the first match when the entry of the cursor is none.)"""
        lines = self.run("journalctl", "--output=json", "--all", "--cursor=" + self.cursor,
                         *matches, check=False).stdout
        return [json.loads(line) for line in lines.splitlines() if line.startswith("{")]

    def messages(self, *matches):
        return [entry["MESSAGE"] for entry in self.journal(*matches)]

    def published(self, name):
        with open(self.box.path("/srv/haul/" + name), "rb") as f:
            return f.read()


def drip(server, seed, size="3M"):
    """A URL that takes about a second."""
    return server.url("/drip/%s/64K/0.02?seed=%d" % (size, seed))


# ---- Who may talk to it, and what it does

def test_the_first_client_starts_it(service, box_server):
    assert service.show("ActiveState") == "inactive"
    done = service.ctl("get", box_server.url("/ok/1M?seed=1"), "--output", "one",
                       "--checksum", digest(body(1 << 20, 1)))
    assert "one" in done.stdout + done.stderr
    assert service.published("one") == body(1 << 20, 1)
    assert service.show("ActiveState") == "active"
    status = os.stat(service.box.path("/srv/haul/one"))
    owner = service.run("id", "-u", "hauld").stdout, service.run("id", "-g", "hauld").stdout
    assert (status.st_uid, status.st_gid) == tuple(int(word) for word in owner)
    assert status.st_mode & 0o7777 == 0o644
    assert not service.show("StatusText") == ""


def fetch_packed(service, server):
    """A look-up has its thread, decoder and digest have theirs, and all is synced."""
    data = body(4 << 20, 2)
    packed = gzip.compress(data, 1)
    with open(os.path.join(server.root, "x.gz"), "wb") as f:
        f.write(packed)
    service.ctl("get", server.url("/file/x.gz", "localhost"), "--output", "deep/er/x",
                "--decompress", "gzip", "--checksum", digest(packed), "--checksum-output", digest(data))
    assert service.published("deep/er/x") == data


def test_names_and_archives_in_the_sandbox(service, box_server):
    fetch_packed(service, box_server)
    seen = service.run("cat", "/proc/%d/status" % service.main_pid()).stdout
    assert re.search(r"^NoNewPrivs:\s1$", seen, re.M)
    assert re.search(r"^Seccomp:\s2$", seen, re.M)
    assert re.search(r"^CapBnd:\s0+$", seen, re.M)


def test_no_system_call_is_refused(service, box_server):
    """Whoever makes one that the filter does not let through dies of it here."""
    service.drop_in("SystemCallErrorNumber=kill\n")
    fetch_packed(service, box_server)
    pid = service.main_pid()
    service.ctl("get", drip(box_server, 12), "--output", "twelve", "--limit-rate", "100M")
    service.tell("reload", "hauld")
    service.ctl("get", box_server.url("/status/404"), "--output", "nothing", check=False)
    assert service.main_pid() == pid
    service.tell("stop", "hauld.service")
    assert service.show("ExecMainStatus") == "0"
    assert not [text for text in service.messages("-u", "hauld") if "died" in text or "SYS" in text]


def test_who_is_not_in_the_group_is_refused(service, box_server):
    for _round in ("nobody listens yet", "it runs"):
        refused = service.ctl("get", box_server.url("/ok/1K"), user="mallory", check=False)
        assert refused.returncode == 6, refused
        assert len(refused.stderr.strip().splitlines()) == 1
        service.ctl("status")
    assert service.ctl("status", user="root").returncode == 0
    assert box_server.requests("/ok/1K") == []


# ---- Reload

def test_reload_takes_a_good_configuration(service, box_server):
    service.tell("start", "hauld")
    pid = service.main_pid()
    service.configure({**CONFIG, "jobs": [{"name": "late", "url": box_server.url("/ok/2K?seed=3"),
                                           "output": "late"}]})
    service.tell("reload", "hauld")
    assert service.ctl("wait", "late").returncode == 0
    assert service.published("late") == body(2048, 3)
    assert service.main_pid() == pid


def test_reload_fails_on_a_broken_one_and_nothing_changes(service, box_server):
    service.configure({**CONFIG, "jobs": [{"name": "kept", "url": box_server.url("/ok/1K"),
                                           "output": "kept"}]})
    service.tell("start", "hauld")
    pid = service.main_pid()
    service.ctl("wait", "kept")
    service.configure("daemon = { rots = [ \"/srv/haul\" ]; };\n")
    assert service.tell("reload", "hauld", check=False).returncode != 0
    assert service.show("ActiveState") == "active"
    assert service.main_pid() == pid
    assert any("rots" in text for text in service.messages("-u", "hauld")), service.messages("-u", "hauld")
    assert "kept" in service.ctl("list").stdout
    service.ctl("get", box_server.url("/ok/1K?seed=4"), "--output", "after")


def test_it_does_not_start_with_a_broken_one(service):
    service.configure("daemon = { rots = 1; };\n")
    assert service.tell("start", "hauld", check=False).returncode != 0
    assert service.show("ExecMainStatus") == "78"
    assert service.show("ActiveState") == "failed" # and is not started again
    assert any("rots" in text for text in service.messages("-u", "hauld"))


def test_a_root_outside_the_sandbox(service, box_server):
    """The error is the remedy."""
    service.run("install", "-d", "-o", "hauld", "-g", "hauld", "/data/images")
    service.configure({**CONFIG, "daemon": {"roots": ["/data/images"]}})
    service.tell("start", "hauld", check=False)
    wait_until(lambda: service.messages("-u", "hauld", "--grep=ReadWritePaths=/data/images"), 20,
               lambda: service.messages("-u", "hauld"))
    service.tell("stop", "hauld")
    service.drop_in("ReadWritePaths=/data/images\n")
    service.tell("start", "hauld")
    service.ctl("get", box_server.url("/ok/1K?seed=5"), "--output", "image")
    with open(service.box.path("/data/images/image"), "rb") as f:
        assert f.read() == body(1024, 5)


# ---- What goes wrong

def test_a_killed_worker_is_replaced(service, box_server):
    service.tell("start", "hauld")
    pid = service.main_pid()
    box_server.mark()
    client = service.box.start("haulctl", "get", drip(box_server, 6), "--output", "six",
                               "--checksum", digest(body(3 << 20, 6)), user="alice")
    box_server.wait_requests(1, "/drip")
    victims = wait_until(service.workers)
    service.run("kill", "-KILL", *map(str, victims))
    _out, errors = client.communicate(timeout=60)
    assert client.returncode == 0, errors
    assert service.published("six") == body(3 << 20, 6)
    assert service.main_pid() == pid
    assert service.show("NRestarts") == "0"
    assert wait_until(lambda: set(service.workers()) - set(victims))


def test_a_killed_daemon_is_started_again(service, box_server):
    service.ctl("get", box_server.url("/ok/1M"), "--output", "workers-begin-with-it")
    pid = service.main_pid()
    workers = service.workers()
    assert workers
    service.run("kill", "-KILL", str(pid))
    service.wait_other_pid(pid)
    assert service.show("NRestarts") == "1"
    assert not set(workers) & set(service.workers())
    service.ctl("get", box_server.url("/ok/1K?seed=7"), "--output", "seven")
    assert service.published("seven") == body(1024, 7)


def test_a_client_while_it_is_being_started_again(service, box_server):
    """Its connection waits in the socket that systemd holds."""
    service.tell("start", "hauld")
    pid = service.main_pid()
    service.run("kill", "-KILL", str(pid))
    service.ctl("get", box_server.url("/ok/1K?seed=8"), "--output", "eight")
    assert service.published("eight") == body(1024, 8)


def test_the_watchdog_sees_a_loop_that_is_stuck(service, box_server):
    service.drop_in("WatchdogSec=2\n")
    service.tell("start", "hauld")
    pid = service.main_pid()
    service.run("kill", "-STOP", str(pid))
    service.wait_other_pid(pid)
    assert any("Watchdog timeout" in text for text in service.messages("-u", "hauld"))
    service.ctl("get", drip(box_server, 9), "--output", "nine") # and it is fed again
    assert service.show("NRestarts") == "1"


def test_the_watchdog_is_fed_while_nothing_happens(service):
    service.drop_in("WatchdogSec=1\n")
    service.tell("start", "hauld")
    pid = service.main_pid()
    before = int(service.show("WatchdogTimestampMonotonic"))
    wait_until(lambda: int(service.show("WatchdogTimestampMonotonic")) > before + 3_000_000, 20)
    assert service.main_pid() == pid


# ---- The end

def test_stop_parks_and_is_quick(service, box_server):
    service.tell("start", "hauld")
    box_server.mark()
    client = service.box.start("haulctl", "get", drip(box_server, 10, "200M"), "--output", "ten", user="alice")
    box_server.wait_requests(1, "/drip")
    service.tell("stop", "hauld.service")
    assert service.show("Result") == "success"
    assert service.show("ExecMainStatus") == "0"
    took = int(service.show("InactiveEnterTimestampMonotonic")) - int(service.show("ActiveExitTimestampMonotonic"))
    assert took < 5_000_000
    client.communicate(timeout=20)
    assert client.returncode != 0
    assert not os.path.exists(service.box.path("/srv/haul/ten"))
    assert service.show("TasksCurrent") in ("[not set]", "0")
    assert service.ctl("status").returncode == 0 # the socket is still there, and starts it again


def test_the_socket_goes_with_its_unit(service):
    service.tell("start", "hauld")
    service.tell("stop", "hauld.socket", "hauld.service")
    assert service.run("test", "-e", "/run/hauld/control.sock", check=False).returncode == 1
    assert service.run("test", "-d", "/run/hauld").returncode == 0
    away = service.ctl("status", check=False)
    assert away.returncode == 5, away


# ---- Programs of jobs

HOOK = """#!/bin/sh
id -un > /srv/outside/$HAUL_NAME
cat >> /srv/outside/$HAUL_NAME
"""


@pytest.fixture
def hook(service):
    """hook(text, name): a program in the directory of those that may be run; its path."""
    service.run("install", "-d", "-o", "hauld", "-g", "hauld", "/srv/outside")
    made = []

    def put(text=HOOK, name="hook", directory=None):
        path = os.path.join(directory or os.path.join(service.paths["sysconfdir"], "hauld/hooks.d"), name)
        service.box.write(path, text)
        service.run("chmod", "755", path)
        made.append(path)
        return path
    yield put
    service.tell("stop", "hauld-spawn.socket", "hauld-spawn.service")
    service.run("rm", "-rf", "/srv/outside", *made)


def hooked(service, server, program, name="hooked", **daemon):
    """A job with that hook; it when it is over."""
    service.configure({**CONFIG, "daemon": {**CONFIG["daemon"], **daemon},
                       "jobs": [{"name": name, "url": server.url("/ok/1K?seed=20"), "output": name,
                                 "on-download-complete": [program]}]})
    service.tell("reset-failed", "hauld.service") # as if it had not been started so often
    service.tell("restart", "hauld.service")
    service.ctl("wait", name, check=False)
    return json.loads(service.ctl("--json", "show", name).stdout)


def test_a_hook_runs_outside_of_the_sandbox(service, box_server, hook):
    service.tell("start", "hauld-spawn.socket")
    shown = hooked(service, box_server, hook())
    assert shown["state"] == "done", shown
    with open(service.box.path("/srv/outside/hooked")) as f:
        user, said = f.read().split("\n", 1)
    assert user == "hauld" and json.loads(said)["job"]["name"] == "hooked"
    # it is the unit's: what hauld itself starts can not write there
    assert service.tell("show", "-P", "ActiveState", "hauld-spawn.service").stdout.strip() == "active"
    shown = hooked(service, box_server, hook(), "inside", **{"spawn-socket": "/run/hauld/none"})
    assert shown["code"] == "hook-failed", shown
    assert any("Read-only file system" in text for text in service.messages("HAULD_JOB=inside"))


def test_only_what_root_has_put_there_runs(service, box_server, hook):
    service.tell("start", "hauld-spawn.socket")
    inside = hook()
    elsewhere = hook(name="elsewhere", directory="/srv/outside")
    place = os.path.dirname(inside)

    def refused(program, why):
        shown = hooked(service, box_server, program)
        assert shown["code"] == "hook-failed" and why in shown["reason"], shown
        assert service.run("test", "-e", "/srv/outside/hooked", check=False).returncode == 1
    refused(elsewhere, "%s is not in %s: put it there, or a link to it" % (elsewhere, place))
    refused(place + "/../hooks.d/hook", "is not in " + place)
    refused(place + "/none", "No such file or directory")
    service.run("chmod", "775", inside)
    refused(inside, "must be a file that belongs to root and that nobody else may write to")
    service.run("chmod", "755", inside)
    service.run("chown", "hauld", inside)
    refused(inside, "must be a file that belongs to root")
    service.run("chown", "root", inside)
    service.run("ln", "-s", elsewhere, place + "/link") # whose file is hauld's own
    service.run("chown", "hauld", elsewhere)
    refused(place + "/link", "must be a file that belongs to root")
    service.run("chown", "root", elsewhere)
    service.run("chmod", "o+w", place)
    refused(inside, "must be a directory that belongs to root")
    service.run("chmod", "o-w", place)
    assert hooked(service, box_server, place + "/link")["state"] == "done"
    service.run("rm", place + "/link")


def test_nobody_else_may_ask_for_programs(service, box_server, hook):
    service.tell("start", "hauld-spawn.socket")
    for user in ("alice", "mallory"):
        asked = service.run("socat", "-u", "UNIX-CONNECT:/run/hauld/spawn.sock", "-", user=user, check=False)
        assert asked.returncode != 0 and "Permission denied" in asked.stderr, asked
    # the socket of one that let everybody in would not help them, either
    service.run("chmod", "666", "/run/hauld/spawn.sock")
    asked = service.run("socat", "-u", "UNIX-CONNECT:/run/hauld/spawn.sock", "-", user="mallory", check=False)
    assert asked.stdout == "", asked
    assert any("a connection was refused" in text for text in service.messages("-u", "hauld-spawn"))


def test_a_path_unit_reloads_who_needs_a_file(service, box_server):
    """The recipe of hauld(8)."""
    service.box.write("/etc/systemd/system/geoip-reload.path",
                      "[Path]\nPathChanged=/srv/haul/geo.mmdb\n[Install]\nWantedBy=multi-user.target\n")
    service.box.write("/etc/systemd/system/geoip-reload.service",
                      "[Unit]\nStartLimitIntervalSec=0\n[Service]\nType=oneshot\n"
                      "ExecStart=/bin/sh -c 'sha256sum < /srv/haul/geo.mmdb >> /run/geoip-seen'\n")
    service.tell("daemon-reload")
    service.tell("enable", "--now", "geoip-reload.path")
    try:
        for seed in (21, 22):
            service.ctl("get", box_server.url("/ok/1M?seed=%d" % seed), "--output", "geo.mmdb")
            wanted = digest(body(1 << 20, seed)).split(":")[1]
            wait_until(lambda: wanted in service.run("cat", "/run/geoip-seen", check=False).stdout) # noqa: B023
        seen = {line.split()[0] for line in service.run("cat", "/run/geoip-seen").stdout.splitlines()}
        assert seen == {digest(body(1 << 20, seed)).split(":")[1] for seed in (21, 22)} # whole each time
    finally:
        service.tell("disable", "--now", "geoip-reload.path")


# ---- The journal

def test_the_journal_is_asked_by_field(service, box_server):
    service.configure({**CONFIG, "jobs": [
        {"name": "good", "url": box_server.url("/ok/1K"), "output": "good"},
        {"name": "bad", "url": box_server.url("/status/404"), "output": "bad"}]})
    service.tell("start", "hauld")
    service.ctl("wait", "good", "bad", check=False)
    for name in ("good", "bad"):
        entry = wait_until(lambda: service.journal("HAULD_JOB=" + name))[-1] # noqa: B023
        assert entry["_SYSTEMD_UNIT"] == "hauld.service"
        assert entry["SYSLOG_IDENTIFIER"] == "hauld"
        assert entry["HAULD_ID"].isdigit()
        assert entry["PRIORITY"] in "3456"
        assert "job=" + name in entry["MESSAGE"]
    assert any("http-404" in text for text in service.messages("HAULD_JOB=bad"))
    assert not any("http-404" in text for text in service.messages("HAULD_JOB=good"))


# ---- A service of one user

@pytest.fixture
def alices(service):
    """run(*command) as alice, who has a service manager of her own."""
    uid = service.run("id", "-u", "alice").stdout.strip()
    runtime = "/run/user/" + uid
    service.run("install", "-d", "-o", "alice", "-g", "alice", "-m", "700", runtime)
    service.box.write("/etc/systemd/system/user@.service.d/test.conf",
                      "[Service]\nEnvironment=XDG_RUNTIME_DIR=/run/user/%i\n") # else from PAM
    service.tell("daemon-reload")
    service.tell("start", "user@%s.service" % uid)

    def run(*command, **options):
        return service.run(*command, user="alice", env=("XDG_RUNTIME_DIR=" + runtime, "HOME=/home/alice"),
                           **options)
    yield run
    service.tell("stop", "user@%s.service" % uid)


def test_a_user_has_a_service_of_her_own(service, alices, box_server):
    assert service.show("ActiveState") == "inactive"
    alices("systemctl", "--user", "start", "hauld")
    alices("haulctl", "get", box_server.url("/ok/1K?seed=11"), "--output", "/home/alice/deep/er")
    with open(service.box.path("/home/alice/deep/er"), "rb") as f:
        assert f.read() == body(1024, 11)
    assert service.show("ActiveState") == "inactive" # the system's was not asked
    alices("systemctl", "--user", "reload", "hauld")
    alices("systemctl", "--user", "stop", "hauld")
    shown = alices("systemctl", "--user", "show", "-P", "ExecMainStatus", "hauld").stdout
    assert shown.strip() == "0"
