"""Fixtures of the functional tests: one set of servers for all of them."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile

import pytest

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(TESTS, "lib"))

pytest.register_assert_rewrite("haul", "service")

import certs  # noqa: E402
import haul  # noqa: E402
import nginx  # noqa: E402
import realdata  # noqa: E402
import servers  # noqa: E402
import service  # noqa: E402

# What takes half a minute or more, the longest first (--durations=0 tells).
LONG_ONES = {"test_" + name: place for place, name in enumerate((
    "powercut", "schedule", "space", "rate", "faults", "service_load", "history", "durable", "full_disk", "systemd",
    "control", "hostile", "hooks", "retry", "conf", "ctl", "limits", "deadline", "set", "crash"))}
ADDRESSES = ["127.0.0.%d" % i for i in range(1, 25)]


def pytest_configure(config):
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"


def pytest_collection_modifyitems(items):
    """The long files first, so that workers that take a file each are done together.
    Before anything is built only the laboratory tests itself; who names a build directory
    means it."""
    items.sort(key=lambda item: LONG_ONES.get(item.path.stem, len(LONG_ONES)))
    if os.path.exists(haul.program("hauld")) or "HAUL_BUILD_DIR" in os.environ:
        return
    for item in items:
        if not {"h", "serve", "hauld_binary"}.isdisjoint(item.fixturenames):
            item.add_marker(pytest.mark.skip(reason="no hauld in " + haul.build_dir()))


@pytest.fixture(scope="session")
def lab():
    """A directory for the whole run, removed at its end."""
    path = tempfile.mkdtemp(prefix="haul-func-")
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def attributes(tmp):
    """Files can remember what the server said of them."""
    try:
        os.setxattr(tmp, "user.hauld.test", b"1")
    except OSError:
        pytest.skip("no user attributes in this file system")


@pytest.fixture
def tmp(lab):
    path = tempfile.mkdtemp(prefix="t-", dir=lab)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def authority(lab):
    return certs.Authority(os.path.join(lab, "ca"))


@pytest.fixture(scope="session")
def other_authority(lab):
    return certs.Authority(os.path.join(lab, "other-ca"), "another CA")


@pytest.fixture(scope="session")
def server_cert(authority):
    return authority.issue()


@pytest.fixture(scope="session")
def data_dir(lab):
    """What the servers serve under /file/: tests add to it."""
    path = os.path.join(lab, "data")
    os.makedirs(path)
    return path


@pytest.fixture(scope="session")
def _plain_server(lab, data_dir):
    server = servers.BadServer(lab, bind=ADDRESSES, root=data_dir)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def _tls_server(lab, data_dir, server_cert):
    server = servers.BadServer(lab, bind=ADDRESSES[:2], tls=server_cert, root=data_dir)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def _server2(lab, data_dir, server_cert):
    pytest.importorskip("hpack")
    server = servers.BadServer(lab, tls=server_cert, root=data_dir, http2=True)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def _other_server(lab, data_dir):
    server = servers.BadServer(lab, root=data_dir)
    yield server
    server.stop()


@pytest.fixture
def server(_plain_server):
    """The misbehaving server on 127.0.0.1 to .24; its log begins with the test."""
    _plain_server.begin()
    return _plain_server


@pytest.fixture
def tls_server(_tls_server):
    """The same over https on 127.0.0.1 and .2; its certificate is for the first."""
    _tls_server.begin()
    return _tls_server


@pytest.fixture
def server2(_server2):
    """The same over HTTP/2, with the behaviours of tests/lib/badhttp2.py."""
    _server2.begin()
    _server2.limit_streams()
    return _server2


@pytest.fixture
def other_server(_other_server):
    """The same on another port: another origin, the same host."""
    _other_server.begin()
    return _other_server


@pytest.fixture(scope="session")
def real(lab, data_dir):
    """Real archives of 3 MiB, {"plain": path, "gzip": path, ...}, in data_dir."""
    return realdata.make(data_dir, 3 << 20)


@pytest.fixture(scope="session")
def plain(real):
    """The bytes that are in every archive of `real`."""
    with open(real["plain"], "rb") as f:
        return f.read()


@pytest.fixture(scope="session")
def web(lab, data_dir):
    """nginx on plain http, serving data_dir."""
    yield from running_nginx(lab, "nginx", data_dir)


@pytest.fixture(scope="session")
def web2(lab, data_dir, server_cert):
    """nginx with TLS and HTTP/2, serving data_dir."""
    yield from running_nginx(lab, "nginx2", data_dir, tls=server_cert, http2=True)


def running_nginx(lab, name, root, **options):
    if not nginx.find_nginx():
        pytest.skip("nginx is not installed")
    one = nginx.Nginx(os.path.join(lab, name), root, **options)
    yield one
    one.stop()


@pytest.fixture
def hauld_binary():
    return haul.program("hauld")


@pytest.fixture
def h(tmp, hauld_binary):
    """A private place for hauld; every run of it is ended at the test's end."""
    place = haul.Hauld(tmp)
    yield place
    place.close()


@pytest.fixture
def serve(tmp, hauld_binary):
    """serve(config, **keys of daemon): a hauld with a control socket.  At the test's end
    it is stopped and must end well.  start=False: it is only prepared."""
    running = []

    def place(config=None, start=True, **options):
        where = os.path.join(tmp, "s%d" % len(running))
        running.append(service.Service(where, config, start=False, **options))
        return running[-1].start() if start else running[-1]
    yield place
    for one in running:
        one.close()


@pytest.fixture
def keep(data_dir, request):
    """keep(bytes, suffix="") puts a file under /file/ and returns its name."""
    made = []

    def put(data, suffix=""):
        name = "%s-%d%s" % (request.node.name.split("[")[0], len(made), suffix)
        path = os.path.join(data_dir, name)
        with open(path, "wb") as f:
            f.write(data)
        made.append(path)
        return name
    yield put
    for path in made:
        os.unlink(path)


@pytest.fixture
def mounter(tmp):
    """mounter(*args of mount): mounts, or skips the test; undone at its end, whoever still has it open."""
    mounted = []

    def mount(*args):
        done = subprocess.run(["mount", *args], capture_output=True, text=True)
        if done.returncode:
            pytest.skip("mount is not permitted: " + done.stderr.strip())
        mounted.append(args[-1])
    yield mount
    for path in reversed(mounted):
        if os.path.ismount(path):
            subprocess.run(["umount", "--lazy", path], check=True)


@pytest.fixture
def black_hole():
    """The port of a listener whose queue is full: connections to it get no answer."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        filled = []
        for _ in range(4):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
            filled.append(one)
        yield listener.getsockname()[1]
        for one in filled:
            one.close()
