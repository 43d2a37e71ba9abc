"""Destinations that change while haul works on them: links, directories that move,
two jobs for one place.  What stands there before it begins is in test_publish.py."""

import gzip
import os
import shutil

import pytest
from bodies import body, digest
from haul import assert_done, assert_failed
from waiting import wait_until

SIZES = [1000, 600000]


def job(url, output="a", **keys):
    return {"name": "a", "url": url, "output": output, **keys}


def half(server, key, size):
    """The url of a file of which half comes at once, and the rest behind server.open(key)."""
    return server.url("/gate/%d/%d?gate=%s" % (size, size // 2, key))


# ---- the final name

@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("checksum", [False, True])
@pytest.mark.parametrize("what", ["file", "directory", "dangling", "loop"])
def test_a_link_under_the_final_name_is_replaced(h, server, tmp, size, checksum, what):
    outside = os.path.join(tmp, "outside")
    os.mkdir(outside)
    victim = os.path.join(outside, "victim")
    with open(victim, "wb") as f:
        f.write(b"victim")
    target = {"file": victim, "directory": outside, "dangling": os.path.join(outside, "new"), "loop": "a"}[what]
    os.symlink(target, h.path("a"))
    keys = {"checksum": digest(body(size))} if checksum else {}
    assert_done(h.once_jobs([job(server.url("/ok/%d" % size), **keys)]))
    assert not os.path.islink(h.path("a")) and os.listdir(outside) == ["victim"]
    with open(victim, "rb") as f:
        assert f.read() == b"victim"
    h.expect({"a": body(size)})


@pytest.mark.parametrize("size", SIZES)
def test_a_link_that_comes_meanwhile_is_replaced(h, server, tmp, size):
    victim = os.path.join(tmp, "victim")
    with open(victim, "wb") as f:
        f.write(b"victim")
    key = "link%d" % size
    with h.start(config={"defaults": {"retry": 0}, "jobs": [job(half(server, key, size))]}) as run:
        server.wait_requests(1)
        os.symlink(victim, h.path("a"))
        server.open(key)
        assert_done(run.finish())
    with open(victim, "rb") as f:
        assert f.read() == b"victim"
    h.expect({"a": body(size)})


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("meanwhile", [False, True])
@pytest.mark.parametrize("full", [False, True])
def test_a_directory_under_the_final_name_is_refused_in_words(h, server, size, meanwhile, full):
    def make():
        os.mkdir(h.path("a"))
        if full:
            with open(h.path("a", "mine"), "wb") as f:
                f.write(b"mine")
    if not meanwhile:
        make()
    key = "directory%d-%s-%s" % (size, meanwhile, full)
    with h.start(config={"defaults": {"retry": 2}, "jobs": [job(half(server, key, size))]}) as run:
        if meanwhile:
            server.wait_requests(1)
            make()
        server.open(key)
        result = run.finish()
    assert_failed(result, "path-refused")
    assert "is a directory" in result.job()["reason"].lower() and h.path("a") in result.job()["reason"]
    h.expect({"a/mine": b"mine"} if full else {})
    assert os.path.isdir(h.path("a"))


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: os.symlink("/dev/null", path)])
def test_what_is_no_file_is_replaced_like_one(h, server, make):
    make(h.path("a"))
    assert_done(h.once_jobs([job(server.url("/ok/1000"), checksum=digest(body(1000)))]))
    h.expect({"a": body(1000)})


# ---- its directory

@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("how", ["moved", "link inside", "link outside", "a file"])
def test_a_directory_that_changes_meanwhile(h, server, tmp, size, how):
    """Whatever happens: nothing outside of the root, no part under the final name, and a
    later job finds its way again."""
    outside = os.path.join(tmp, "outside")
    os.mkdir(outside)
    os.mkdir(h.path("dir"))
    key = "changes%d-%s" % (size, how.replace(" ", "-"))
    with h.start(config={"defaults": {"retry": 0}, "jobs": [job(half(server, key, size), "dir/a")]}) as run:
        server.wait_requests(1)
        os.rename(h.path("dir"), h.path("was"))
        if how == "link inside":
            os.symlink("was", h.path("dir"))
        elif how == "link outside":
            os.symlink(outside, h.path("dir"))
        elif how == "a file":
            with open(h.path("dir"), "wb") as f:
                f.write(b"mine")
        server.open(key)
        result = run.finish()
    assert os.listdir(outside) == []
    found = h.published()
    mine = {"dir": b"mine"} if how == "a file" else {}
    if result.rc == 0:
        assert found in ({**mine, "dir/a": body(size)}, {**mine, "was/a": body(size)})
    else:
        assert result.word() in ("write", "path-refused") and found == mine, result
    if os.path.lexists(h.path("dir")) and not os.path.isdir(h.path("dir")) or os.path.islink(h.path("dir")):
        os.unlink(h.path("dir"))
    assert_done(h.once_jobs([job(server.url("/ok/%d" % size), "dir/a")]))
    assert h.published()["dir/a"] == body(size)


@pytest.mark.parametrize("size", SIZES)
def test_a_service_finds_a_directory_that_was_made_anew(serve, server, size):
    s = serve({})
    with s.client() as c:
        for turn in range(3):
            made = c.wait_job(c.add({"url": server.url("/ok/%d?seed=%d" % (size, turn)), "output": "dir/a"})[0])
            assert made["state"] == "done", made
            os.rename(s.path("dir"), s.path("dir%d" % turn))
    for turn in range(3):
        assert s.read("dir%d/a" % turn) == body(size, turn)
        # its .haul/ went along, perhaps with a map that nobody finds by its path any more
        shutil.rmtree(s.path("dir%d" % turn, ".haul"), ignore_errors=True)


# ---- two jobs, one destination

@pytest.mark.parametrize("size", SIZES)
def test_one_destination_is_a_lock(serve, server, size):
    """The second waits and says for what; both end well; the file is the last one's."""
    s = serve({})
    with s.client() as c:
        key = "lock%d" % size
        first, = c.add({"name": "first", "url": half(server, key, size) + "&seed=1", "output": "same"})
        server.wait_requests(1)
        second, third = c.add({"name": "second", "url": server.url("/ok/%d?seed=2" % size), "output": "same"},
                              {"name": "third", "url": server.url("/ok/%d?seed=3" % size), "output": s.path("same")})
        waits = c.wait_state(second, "blocked", why="destination-busy")
        assert "destination-busy" in s.ctl("show", "second").out and waits["attempts"] == 0
        c.wait_state(third, "blocked", why="destination-busy")
        assert len(server.requests()) == 1
        server.open(key)
        assert [c.wait_job(j)["state"] for j in (first, second, third)] == ["done"] * 3
        order = [r["path"][-1] for r in server.requests()]
    assert order == ["1", "2", "3"]
    assert s.read("same") == body(size, 3)
    wait_until(lambda: s.leftovers() == [], why=s.leftovers)


@pytest.mark.slow
def test_many_for_one_destination(serve, server):
    """One is woken at a time, by priority and then as they came; who cannot run holds up nobody."""
    s = serve({"groups": [{"name": "g"}]}, max_connections_per_host=10)
    c = s.client()
    first, = c.add({"url": server.url("/stall/1M/64K?many"), "output": "x", "stall-timeout": "1h", "fsync": "off"})
    c.wait_state(first, "active", "download")
    wanted = [(i * 7) % 3 for i in range(600)]
    ids = c.add(*[{"url": server.url("/ok/1?many-%d" % i), "output": "x", "priority": p, "fsync": "off"} for i, p in enumerate(wanted)])
    for i in ids[::100]:
        c.wait_state(i, "blocked", why="destination-busy")
    away, = c.add({"url": server.url("/ok/1?away"), "output": "x", "priority": 9, "group": "g"})
    c.wait_state(away, "blocked", why="destination-busy")
    c.call("pause", group="g")
    before = c.call("status")["loop"]["callbacks"]
    c.call("cancel", job=first)
    c.call("wait", jobs=ids)
    order = [int(r["path"].split("many-")[1]) for r in server.requests("many-")]
    assert order == sorted(range(600), key=lambda i: (-wanted[i], i))
    assert c.call("status")["loop"]["callbacks"] - before < 600 * 40
    c.call("resume", group="g")
    assert c.wait_job(away)["state"] == "done"


def test_where_the_packed_file_is_kept_is_locked_too(serve, server, keep):
    """By whoever wants it: as its output, or to keep its own there."""
    packed = {n: gzip.compress(body(300000, n)) for n in "123"}
    slow = half(server, "kept", 600000)
    names = {n: keep(data, ".gz") for n, data in packed.items()}
    s = serve({})
    with s.client() as c:
        first, = c.add({"url": slow, "output": "kept.gz"})
        server.wait_requests(1)
        second, third = c.add(*[{"url": server.url("/file/" + names[n]), "output": "out" + n, "decompress": "gzip",
                                 "keep-download": "kept.gz"} for n in "12"])
        c.wait_state(second, "blocked", why="destination-busy")
        c.wait_state(third, "blocked", why="destination-busy")
        other, = c.add({"url": server.url("/file/" + names["3"]), "output": "out3", "decompress": "gzip",
                        "keep-download": "kept3.gz"})
        assert c.wait_job(other)["state"] == "done"
        server.open("kept")
        assert [c.wait_job(j)["state"] for j in (first, second, third)] == ["done"] * 3
    assert [s.read("out" + n) for n in "123"] == [body(300000, n) for n in "123"]
    assert s.read("kept.gz") == packed["2"] and s.read("kept3.gz") == packed["3"]


def test_a_destination_is_free_when_its_job_failed_or_was_cancelled(serve, server):
    s = serve({})
    with s.client() as c:
        url = server.url("/ok/1000?seed=2")
        for ending in ("fail", "cancel"):
            path = "/slow-headers" if ending == "cancel" else "/gate/10?gate=destination-fails&status=404"
            first, = c.add({"url": server.url(path), "output": ending, "retry": 0})
            server.wait_requests(1, path)
            second, = c.add({"url": url, "output": ending})
            c.wait_state(second, "blocked", why="destination-busy")
            if ending == "cancel":
                c.call("cancel", job=first)
            else:
                server.open("destination-fails")
            assert c.wait_job(first)["state"] != "done" and c.wait_job(second)["state"] == "done"
            assert s.read(ending) == body(1000, 2)


def test_in_one_configuration_two_jobs_have_no_destination_in_common(h, server):
    jobs = [job(server.url("/ok/1")), {"name": "b", "url": server.url("/ok/2"), "output": h.path("a")}]
    result = h.once_jobs(jobs)
    assert result.rc == 78 and "also the destination of another job" in result.stderr
