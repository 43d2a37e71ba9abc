"""The files for systemd, as `make install` puts them, before systemd-analyze."""

import os
import re
import shutil
import subprocess

import pytest
import systemd_box

EXPOSURE = 2.0


@pytest.fixture
def units(tmp, hauld_binary):
    """{"hauld.service": path, ...}: copies whose programs are those of the installation."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed (package systemd)")
    tree = os.path.join(tmp, "tree")
    paths = systemd_box.install(tree)
    found = {}
    for name, directory in (("hauld.service", "systemdsystemunitdir"),
                            ("hauld.socket", "systemdsystemunitdir"),
                            ("user/hauld.service", "systemduserunitdir")):
        with open(tree + os.path.join(paths[directory], os.path.basename(name))) as f:
            text = re.sub(r"^(Exec\w+=)", r"\g<1>" + tree, f.read(), flags=re.M)
        found[name] = os.path.join(tmp, name)
        os.makedirs(os.path.dirname(found[name]), exist_ok=True)
        with open(found[name], "w") as f:
            f.write(text)
    return found


def analyze(*args, runtime):
    return subprocess.run(["systemd-analyze", *args], check=False, capture_output=True, text=True,
                          env={**os.environ, "XDG_RUNTIME_DIR": runtime, "LC_ALL": "C.UTF-8"})


def verify(tmp, *args):
    """What there is to complain of: the exit status is 0 for an unknown key."""
    done = analyze(*args[:-1], "verify", "--man=no", args[-1], runtime=tmp)
    return done.stdout + done.stderr + ("" if done.returncode == 0 else "status %d" % done.returncode)


def test_nothing_to_complain_of(tmp, units):
    assert verify(tmp, units["hauld.service"]) == ""
    assert verify(tmp, units["hauld.socket"]) == ""
    assert verify(tmp, "--user", units["user/hauld.service"]) == ""


@pytest.mark.parametrize("name", ["hauld.service", "hauld.socket", "user/hauld.service"])
def test_a_mistake_would_be_seen(tmp, units, name):
    with open(units[name], "a") as f:
        f.write("\n[Unit]\nDescripton=x\n")
    user = ["--user"] if name.startswith("user/") else []
    assert "Descripton" in verify(tmp, *user, units[name])


def test_little_is_exposed(tmp, units):
    done = analyze("security", "--offline=true", "--no-pager", "--threshold=%d" % (EXPOSURE * 10),
                   units["hauld.service"], runtime=tmp)
    assert done.returncode == 0, done.stdout + done.stderr
    level = re.search(r"Overall exposure level for hauld.service: ([\d.]+)", done.stdout)
    assert float(level.group(1)) <= EXPOSURE


def settings(path):
    """[(key, value)] of a unit file."""
    with open(path) as f:
        return re.findall(r"^(\w+)=(.*)$", f.read(), re.M)


def test_what_would_break_hauld_is_left_out(units):
    for name, path in units.items():
        keys = {key for key, _value in settings(path)}
        assert not keys & {"PrivateUsers", "MemoryMax", "MemoryHigh", "IPAddressDeny", "DynamicUser",
                           "RestrictSUIDSGID"}, name # the last one makes openat2() fail
        assert ("ProcSubset", "pid") not in settings(path), name # no /proc/meminfo


def test_service_and_socket_fit(units):
    service, socket = settings(units["hauld.service"]), settings(units["hauld.socket"])
    assert ("ListenStream", "/run/hauld/control.sock") in socket
    assert ("FileDescriptorName", "control") in socket
    assert ("SocketMode", "0660") in socket and ("SocketGroup", "hauld") in socket
    assert ("Type", "notify") in service and ("WatchdogSec", "30") in service
    assert ("RuntimeDirectoryPreserve", "yes") in service


def test_no_placeholder_is_left(units):
    for path in units.values():
        with open(path) as f:
            assert not re.search(r"@\w+@", f.read()), path
