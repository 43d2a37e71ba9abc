"""The service of one user, hauld --user-instance."""

import os
import subprocess

import pytest
from haul import kill_quietly, program
from service import Client
from waiting import wait_until


@pytest.fixture
def user(tmp):
    """user(**daemon): a user's own hauld that serves, its home, and the path of its socket."""
    home, runtime = os.path.join(tmp, "home"), os.path.join(tmp, "run")
    os.makedirs(os.path.join(home, ".config/hauld"))
    os.mkdir(runtime, 0o700)
    env = {"PATH": os.environ["PATH"], "HOME": home, "XDG_RUNTIME_DIR": runtime,
           "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "")}
    running = []

    def start(**daemon):
        socket = daemon.get("socket", os.path.join(runtime, "hauld/control.sock"))
        with open(os.path.join(home, ".config/hauld/hauld.conf"), "w") as f:
            f.write("daemon = { %s };\n" % " ".join('%s = "%s";' % pair for pair in daemon.items()))
        with open(os.path.join(tmp, "log"), "wb") as log:
            one = subprocess.Popen([program("hauld"), "--user-instance"], env=env, stderr=log, start_new_session=True)
        running.append(one)
        def said():
            with open(os.path.join(tmp, "log")) as f:
                return f.read()
        wait_until(lambda: " serves socket=" in said() or one.poll() is not None)
        assert one.poll() is None, said()
        return one, home, socket
    yield start
    for one in running:
        kill_quietly(one.pid)
        one.wait()


def test_its_configuration_tells_where_it_is(user):
    process, home, socket = user()
    with Client(socket) as c:
        for _ in range(2):
            daemon = c.call("config")["daemon"]
            assert (daemon["socket"], daemon["state-dir"]) == (socket, os.path.join(home, ".local/state/hauld"))
            assert daemon["roots"] == [home] and os.path.exists(os.path.join(daemon["state-dir"], "jobs.db"))
            # what it is without a word in the configuration is not what changed there
            assert c.call("reload")["restart"] == []
        c.call("shutdown")
    assert process.wait(30) == 0


def test_what_its_configuration_says_counts(user, tmp):
    socket, state = os.path.join(tmp, "s"), os.path.join(tmp, "state")
    process, home, _ = user(socket=socket, **{"state-dir": state})
    with Client(socket) as c:
        daemon = c.call("config")["daemon"]
        assert (daemon["socket"], daemon["state-dir"]) == (socket, state)
        c.call("shutdown")
    assert process.wait(30) == 0 and not os.path.exists(os.path.join(home, ".local/state/hauld"))


def test_its_configuration_is_checked_as_it_would_be_taken(tmp):
    """With its own file, and beneath its own root."""
    home = os.path.join(tmp, "home")
    os.makedirs(os.path.join(home, ".config/hauld"))
    conf = os.path.join(home, ".config/hauld/hauld.conf")

    def check(*args):
        return subprocess.run([program("hauld"), "--user-instance", *args], cwd=tmp, capture_output=True, text=True, check=False,
                              timeout=30, env={"PATH": os.environ["PATH"], "HOME": home, "XDG_RUNTIME_DIR": tmp,
                                               "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "")})

    def write(output):
        with open(conf, "w") as f:
            f.write('jobs = ( { name = "a"; url = "http://h.example/a"; output = "%s"; } );\n' % output)

    assert check("-t").returncode == 0 # there need not be one
    write(home + "/a")
    for args in ["-t"], ["-t", "-c", conf]:
        done = check(*args)
        assert (done.returncode, done.stderr) == (0, ""), done
    write("/elsewhere/a")
    done = check("-t")
    assert done.returncode == 78 and done.stderr.startswith(conf + ":1: ") and "the root " + home in done.stderr, done
    done = check("--once", "http://h.example/a")
    assert done.returncode == 2 and "--once" in done.stderr, done
