"""A full btrfs and a journalled ext4: what does not fit waits, and goes on by itself with
the right bytes.  They are on loop devices, in a mount namespace with the service."""

import gzip
import os

import pytest
from bodies import body, digest
from disks import Disk
from service import RpcError, Service
from waiting import wait_until

MIB = 1 << 20
pytestmark = pytest.mark.mount


@pytest.fixture(params=["ext4", "btrfs"])
def disk(request, tmp):
    one = Disk(request.param, os.path.join(tmp, "disk"), {"ext4": 64, "btrfs": 128}[request.param])
    if one.answer != "ready":
        one.close()
        pytest.skip("no %s on a loop device: %s" % (request.param, one.answer[len("skip "):]))
    yield one
    one.close()


@pytest.fixture
def on(disk, tmp):
    """on(**daemon): a service in the namespace of the disk, with its root there."""
    running = []

    def start(**daemon):
        s = Service(os.path.join(tmp, "s"), start=False)
        os.mkdir(os.path.join(disk.path, "root"))
        s.write_config({}, **{"roots": [os.path.join(disk.mounted, "root")], "min-free": 0, **daemon})
        s.root = os.path.join(disk.path, "root") # as seen from here
        s.prefix = disk.enter
        running.append(s)
        return s.start()
    yield start
    for s in running:
        s.close()


def test_what_does_not_fit_waits_and_gets_room(on, disk, server):
    s = on()
    with s.client() as c:
        ballast = disk.fill(6 * MIB)
        c.call("status") # the numbers are there
        job = {"url": server.url("/ok/20M?seed=1"), "output": "big", "checksum": digest(body(20 * MIB, 1))}
        big, ok = c.add(job, {"url": server.url("/ok/1M"), "output": "ok"})
        shown = c.wait_state(big, "blocked", why="disk-space")
        assert shown["attempts"] == 0 and "20.0 MiB" in shown["reason"]
        assert c.wait_job(ok)["state"] == "done"
        assert "disk-space" in s.ctl("list").out and "disk-space" in s.ctl("show", big).out
        disk.remove(ballast)
        done = c.wait_job(big)
        assert (done["state"], done["attempts"]) == ("done", 1), done
    assert s.read("big") == body(20 * MIB, 1) and s.published() == ["big", "ok"]


@pytest.mark.parametrize("path", ["/chunked/20M?seed=2", "/gate/20M/2M?gate=full-%s&seed=2"])
def test_a_disk_that_is_full_in_the_middle(on, disk, server, path):
    """Of a size that is not announced, and of one that was, when others took the room."""
    s = on()
    path = path.replace("%s", disk.kind)
    announced = "gate" in path
    with s.client() as c:
        c.call("status")
        ballast = disk.fill(30 * MIB if announced else 8 * MIB)
        job, = c.add({"url": server.url(path), "output": "f", "checksum": digest(body(20 * MIB, 2)), "retry": 0})
        if announced:
            wait_until(lambda: c.show(job)["received"] > MIB)
            disk.fill(MIB)
            server.open("full-" + disk.kind)
        assert c.wait_state(job, "blocked", why="disk-space")["attempts"] == 0
        disk.remove(ballast)
        assert c.wait_job(job)["state"] == "done"
    assert s.read("f") == body(20 * MIB, 2) and s.published() == ["f"]


def test_the_output_of_a_decoder(on, disk, server, keep):
    plain = body(16 * MIB, 3)
    name = keep(gzip.compress(plain, 1))
    s = on()
    with s.client() as c:
        ballast = disk.fill(22 * MIB) # enough for one of the two
        job, = c.add({"url": server.url("/file/" + name), "output": "f", "decompress": "auto",
                      "checksum-output": digest(plain)})
        assert c.wait_state(job, "blocked", why="disk-space")["attempts"] == 0
        disk.remove(ballast)
        assert c.wait_job(job)["state"] == "done"
    assert s.read("f") == plain and s.published() == ["f"]


def test_many_small_files_until_nothing_goes(on, disk, server):
    """Every block is taken in the end; none of them is lost, and none is wrong."""
    s = on()
    with s.client() as c:
        ballast = disk.fill(2 * MIB)
        ids = c.add(*[{"url": server.url("/ok/50K?seed=%d" % i), "output": "f%d" % i, "retry": 0} for i in range(100)])
        wait_until(lambda: {j["state"] for j in c.list_all()} <= {"done", "blocked"})
        assert "blocked" in {j["state"] for j in c.list_all()}
        disk.remove(ballast)
        assert {c.wait_job(i)["state"] for i in ids} == {"done"}
    assert all(s.read("f%d" % i) == body(50 << 10, i) for i in range(100))


def test_the_state_on_a_full_disk(disk, tmp, server):
    """What cannot be kept is refused, in words; what was told survives."""
    s = Service(os.path.join(tmp, "s"), start=False)
    s.write_config({}, **{"state-dir": os.path.join(disk.mounted, "state")})
    s.prefix = disk.enter
    told = set()

    def add(c):
        jobs = [{"url": server.url("/status/404?" + "x" * 8000), "output": "%d-%d" % (len(told), i)} for i in range(20)]
        try:
            told.update(c.add(*jobs))
            return True
        except RpcError as error:
            assert "it cannot be kept" in error.text and ("No space left on device" in error.text or "some room" in error.text), error.text
            return False
    s.start()
    try:
        with s.client() as c:
            ballast = disk.fill(256 << 10)
            wait_until(lambda: not add(c))
            disk.remove(ballast)
            wait_until(lambda: add(c))
        s.process.kill()
        s.wait_exit()
        s.start()
        with s.client() as c:
            assert {j["id"] for j in c.list_all()} == told
    finally:
        s.close()
