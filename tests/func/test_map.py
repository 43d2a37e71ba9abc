"""Downloads that go on after a death, a stop or a pause: the map beside the part."""

import gzip
import itertools
import os
import random
import signal
import subprocess

import pytest
from bodies import body, digest
from haul import HERE, build_dir, children_named
from service import Service
from waiting import wait_until

SIZE, HALF = 4 << 20, 2 << 20
NEAR = 256 << 10 # so many bytes may be fetched twice
KEYS = itertools.count() # the server counts what was asked by key


def kill(s):
    """kill -9, and nothing of it is left but its files."""
    s.process.kill()
    assert s.wait_exit() == -signal.SIGKILL


def stop(s):
    s.signal(signal.SIGTERM)
    assert s.wait_exit() == 0, s.log


def held(server, query="", times=1, **keys):
    return {"url": server.url("/held/4M/2M/%d?key=%d&%s" % (times, next(KEYS), query)), "output": "f", "stall-timeout": "1h", **keys}


def starts(server, part="/held"):
    """Where each request began; HALF: there or a little before, 0: at the first byte."""
    asked = [dict(r["headers"]).get("Range") for r in server.requests(part)]
    at = [int(a[6:-1]) if a else 0 for a in asked]
    return [HALF if HALF - NEAR <= a <= HALF else a for a in at]


def begin(s, c, *jobs):
    """Adds them and waits until all that comes for now is there."""
    ids = c.add(*jobs)
    for i in ids:
        wait_until(lambda i=i: c.show(i)["received"] == HALF)
    return ids


@pytest.fixture
def s(tmp):
    with Service(tmp) as service:
        yield service


@pytest.mark.parametrize("how", [kill, stop])
@pytest.mark.parametrize("keys", [{}, {"checksum": digest(body(SIZE))}, {"fsync": "off", "checksum": digest(body(SIZE))}],
                         ids=["plain", "digest", "unsynced"])
def test_the_next_life_asks_for_the_rest(s, server, how, keys):
    with s.client() as c:
        [job] = begin(s, c, held(server, **keys))
    how(s)
    assert s.published() == []
    s.start()
    with s.client() as c:
        done = c.wait_job(job)
        assert done["state"] == "done" and done["published"] == SIZE, done
    assert s.read("f") == body(SIZE) and starts(server) == [0, HALF]
    wait_until(lambda: s.leftovers() == [])


@pytest.mark.mount
def test_the_next_life_asks_for_the_rest_beneath_an_inner_root(serve, server, mounter):
    """Which is another filesystem, and stands behind the outer one in roots."""
    s = serve(start=False)
    inner = os.path.join(s.root, "inner")
    os.mkdir(inner)
    mounter("-t", "tmpfs", "-o", "size=16m", "tmpfs", inner)
    s.write_config({}, roots=[s.root, inner])
    s.start()
    with s.client() as c:
        [job] = begin(s, c, held(server, "inner=1", output=os.path.join(inner, "f")))
    kill(s)
    s.start()
    with s.client() as c:
        assert c.wait_job(job)["state"] == "done"
    assert s.read("inner/f") == body(SIZE) and starts(server, "inner=1") == [0, HALF]
    wait_until(lambda: os.listdir(inner) == ["f"])


@pytest.mark.parametrize("codec,tool", [("gzip", "gzip -nc"), ("zstd", "zstd -qc"), ("xz", "xz -c")])
def test_what_is_unpacked_goes_on_too(s, server, keep, codec, tool):
    plain = random.Random(codec).randbytes(SIZE) # it must not become small
    data = subprocess.run(tool.split(), input=plain, capture_output=True, check=True).stdout
    job = {"url": server.url("/held-file/%s/2M/1?key=%d" % (keep(data), next(KEYS))), "output": "f", "stall-timeout": "1h",
           "decompress": codec, "checksum": digest(data), "checksum-output": digest(plain)}
    with s.client() as c:
        [job] = begin(s, c, job)
    kill(s)
    s.start()
    with s.client() as c:
        assert c.wait_job(job)["state"] == "done"
    assert s.read("f") == plain and starts(server) == [0, HALF]


def test_three_lives(s, server):
    with s.client() as c:
        [job] = begin(s, c, held(server, times=3, checksum=digest(body(SIZE))))
    for life in (2, 3):
        kill(s)
        s.start()
        server.wait_requests(life, "/held")
        with s.client() as c:
            wait_until(lambda: c.show(job)["received"] >= HALF)
    stop(s)
    s.start()
    with s.client() as c:
        assert c.wait_job(job)["state"] == "done"
    assert starts(server) == [0] + [HALF] * 3 and s.read("f") == body(SIZE)


def test_a_pause_keeps_what_came(s, server):
    with s.client() as c:
        [job] = begin(s, c, held(server, checksum=digest(body(SIZE))))
        c.call("pause", jobs=[job])
        c.wait_state(job, "paused")
        assert c.show(job)["received"] == HALF and s.strays() == []
        c.call("resume", jobs=[job])
        assert c.wait_job(job)["state"] == "done"
    assert starts(server) == [0, HALF] and s.read("f") == body(SIZE)
    wait_until(lambda: s.leftovers() == [])


def test_a_paused_one_goes_on_in_another_life(s, server):
    with s.client() as c:
        [job] = begin(s, c, held(server))
        c.call("pause", jobs=[job])
        c.wait_state(job, "paused")
    kill(s)
    s.start()
    with s.client() as c:
        assert c.show(job)["state"] == "paused"
        c.call("resume", jobs=[job])
        assert c.wait_job(job)["state"] == "done"
    assert starts(server) == [0, HALF] and s.read("f") == body(SIZE)


@pytest.mark.parametrize("when", ["running", "paused", "next life"])
def test_a_cancel_leaves_nothing(s, server, when):
    with s.client() as c:
        [job] = begin(s, c, held(server))
        if when != "running":
            c.call("pause", jobs=[job])
            c.wait_state(job, "paused")
    if when == "next life":
        kill(s)
        s.start()
    with s.client() as c:
        c.call("cancel", jobs=[job])
        assert c.wait_job(job)["state"] == "cancelled"
    wait_until(lambda: s.leftovers() == [])


@pytest.mark.parametrize("query,again", [("etag=W/%22x%22", 0), ("deaf=1", 0)])
def test_what_cannot_be_proven_is_fetched_anew(s, server, query, again):
    """A weak validator makes no map; a server that sends all of it again is believed."""
    with s.client() as c:
        [job] = begin(s, c, held(server, query))
    kill(s)
    s.start()
    with s.client() as c:
        assert c.wait_job(job)["state"] == "done"
    assert starts(server)[-1] == again and s.read("f") == body(SIZE)
    wait_until(lambda: s.leftovers() == [])


def test_a_server_that_knows_ranges_without_a_condition_is_asked_so(s, server):
    with s.client() as c:
        [job] = begin(s, c, held(server, "plain=1"))
    kill(s)
    s.start()
    with s.client() as c:
        assert c.wait_job(job)["state"] == "done"
    conditions = [dict(r["headers"]).get("If-Range") for r in server.requests("/held")]
    assert starts(server) == [0, HALF, HALF] and conditions == [None, '"cut"', None]
    assert s.read("f") == body(SIZE)


@pytest.mark.parametrize("size,keys", [
    (SIZE, {}), (SIZE, {"no-clobber": True}), (SIZE, {"fsync": "off"}), (SIZE, {"checksum": digest(body(SIZE))}),
    (1000, {"no-clobber": True})])
def test_what_was_published_is_not_fetched_again(tmp, server, size, keys):
    """The file stands under its name, and then the word of it is lost: the store was
    stopped, and dies with the daemon."""
    url = server.url("/ok/%d?key=%d" % (size, next(KEYS)))
    with Service(tmp, max_concurrent_downloads=1) as s:
        with s.client() as c:
            [first] = begin(s, c, {**held(server), "output": "first"})
            [job] = c.add({"url": url, "output": "f", **keys})
            [store] = children_named(s.pid, "hauld-store")
            os.kill(store, signal.SIGSTOP)
            c.send("cancel", jobs=[first])
            wait_until(lambda: s.published() == ["f"])
        os.kill(store, signal.SIGKILL)
        kill(s)
        inode = os.stat(s.path("f")).st_ino
        s.start()
        with s.client() as c:
            done = c.wait_job(job)
            assert done["state"] == "done" and done["published"] == size
        assert os.stat(s.path("f")).st_ino == inode and s.read("f") == body(size)
        assert len(server.requests("/ok/%d" % size)) == 1
        s.client().call("cancel", jobs=[first])
        wait_until(lambda: s.leftovers() == [])


def damage(s, how):
    """Does something to the map or part that lies there."""
    [haul] = s.leftovers()
    names = os.listdir(os.path.join(haul, ".haul"))
    [part] = [os.path.join(haul, ".haul", n) for n in names if n.endswith(".part")]
    [path] = [os.path.join(haul, ".haul", n) for n in names if n.endswith(".map")]
    if how == "no part":
        os.unlink(part)
    elif how == "no map":
        os.unlink(path)
    elif how == "short part":
        os.truncate(part, 1000)
    elif how == "other inode":
        os.rename(part, part + "2")
        with open(part, "wb") as f:
            f.write(b"x" * HALF)
        os.unlink(part + "2")
    elif how == "link":
        os.rename(part, s.path("elsewhere"))
        os.symlink(s.path("elsewhere"), part)
    else:
        with open(path, "r+b") as f:
            f.seek({"head": 20, "cell": 4096 + 20}[how])
            f.write(b"\xff\xff\xff")


@pytest.mark.parametrize("how", ["no part", "no map", "short part", "other inode", "link", "head", "cell"])
def test_what_was_damaged_is_not_gone_on_with(s, server, how):
    """Without the cell only what was synced would count: here nothing was yet."""
    with s.client() as c:
        [job] = begin(s, c, held(server, checksum=digest(body(SIZE))))
    kill(s)
    damage(s, how)
    s.start()
    with s.client() as c:
        assert c.wait_job(job)["state"] == "done"
    assert starts(server) == [0, 0] and s.read("f") == body(SIZE)
    wait_until(lambda: s.leftovers() == [])


def test_after_a_stop_what_was_synced_counts(s, server):
    """The cell is of another boot, as it were: a stop has saved a slot."""
    with s.client() as c:
        [job] = begin(s, c, held(server, checksum=digest(body(SIZE))))
    stop(s)
    damage(s, "cell")
    s.start()
    with s.client() as c:
        assert c.wait_job(job)["state"] == "done"
    assert starts(server) == [0, HALF] and s.read("f") == body(SIZE)


def test_small_files_have_no_map(s, server):
    with s.client() as c:
        [job] = c.add({"url": server.url("/held/256K/200K/1?key=%d" % next(KEYS)), "output": "f", "stall-timeout": "1h"})
        wait_until(lambda: c.show(job)["received"] == 200 << 10)
    kill(s)
    [haul] = s.leftovers()
    assert [n for n in os.listdir(os.path.join(haul, ".haul")) if n.endswith(".map")] == []
    s.start()
    with s.client() as c:
        assert c.wait_job(job)["state"] == "done"


def test_a_digest_that_is_ready_as_a_pause_comes_costs_nothing(serve, web, data_dir, tmp, monkeypatch):
    """Its RESULT and the word to stop met on the way: what came is kept all the same."""
    plain = body(1 << 20, "late")
    data = gzip.compress(plain)
    with open(os.path.join(data_dir, "late.gz"), "wb") as f:
        f.write(data)
    monkeypatch.setenv("BAD_WORKER_DIR", tmp)
    monkeypatch.setenv("HAUL_BUILD_DIR", build_dir())
    s = serve(args=["--worker-path", os.path.join(HERE, "badworker.py")], workers=2)
    with s.client() as c:
        job, = c.add({"url": web.url("/late.gz"), "output": "late-once", "decompress": "gzip", "checksum": digest(data)})
        s.wait_log("a result is late")
        c.call("pause", jobs=[job])
        c.wait_state(job, "paused")
        assert c.show(job)["received"] == len(data) and s.leftovers() != []
        c.call("resume", jobs=[job])
        assert c.wait_job(job)["state"] == "done"
    with open(s.path("late-once"), "rb") as f:
        assert f.read() == plain
