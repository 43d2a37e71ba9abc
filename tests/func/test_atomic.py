"""Groups that are published as a whole (publish = "atomic"): the old set or the new one, never a mix."""

import errno
import os
import random
import signal
import threading

import pytest
from bodies import body, digest
from faults import Board, FaultyService, rule
from test_groups import group_of
from waiting import wait_until

N = 6


def member(server, root, i, size=1000, seed=0, how="ok", directory="set", **keys):
    return {"name": "m%d" % i, "group": "whole", "output": os.path.join(root, directory, "f%d" % i),
            "url": server.url("/%s/%d?a=%d&seed=%s" % (how, size, i, seed)), **keys}


def group(root, directory="set", **keys):
    return {"name": "whole", "publish": "atomic", "directory": os.path.join(root, directory), **keys}


def config(server, root, seed, n=N, group_keys=None, **keys):
    return {"groups": [group(root, **(group_keys or {}))],
            "jobs": [member(server, root, i, seed=seed, **keys) for i in range(n)]}


def read_set(path):
    """{name: bytes} of one look at the directory; None: there is none.  A reader holds it open."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return None
    try:
        found = {}
        for name in set(os.listdir(fd)) - {".haul"}:
            try:
                inner = os.open(name, os.O_RDONLY, dir_fd=fd)
            except FileNotFoundError:
                return read_set(path) # the old one is being removed: it is not the directory any more
            with os.fdopen(inner, "rb") as f:
                found[name] = f.read()
        # what we read is one set only if the directory was not emptied meanwhile
        return found if os.stat(path).st_ino == os.fstat(fd).st_ino else read_set(path)
    finally:
        os.close(fd)


def whole(seed, n=N, size=1000):
    return {"f%d" % i: body(size, str(seed)) for i in range(n)}


def bodies_of(server, seed, n=N, size=1000):
    return whole(seed, n, size)


def wait_all(s):
    with s.client() as c:
        return c.call("wait", group="whole")["group"]


def nothing_left(s):
    """Neither a stage nor .haul."""
    return sorted(os.listdir(s.root)) == ["set"] and ".haul" not in os.listdir(s.path("set"))


def test_all_of_it_appears_at_once(serve, server, tmp):
    s = serve(start=False)
    s.write_config(config(server, s.root, 1))
    s.start()
    assert wait_all(s)["jobs"]["done"] == N
    assert read_set(s.path("set")) == whole(1)
    s.wait_log("group is published as a whole")
    with s.client() as c:
        job = c.show("m0")
        assert job["state"] == "done" and job["output"] == s.path("set", "f0") and job["published"] == 1000
        assert group_of(c, "whole")["publish"] == "atomic"
    wait_until(lambda: nothing_left(s))


def test_who_is_done_waits_for_the_others(serve, server):
    s = serve(start=False)
    conf = config(server, s.root, 2)
    conf["jobs"][3] = member(server, s.root, 3, size=1 << 20, how="stall", seed=2)
    conf["jobs"][3]["url"] = server.url("/stall/1000/100?aw=3")
    s.write_config(conf)
    s.start()
    with s.client() as c:
        for i in (0, 1, 2, 4, 5):
            c.wait_state("m%d" % i, "blocked", why="group-publish")
        assert not os.path.exists(s.path("set"))
        assert "group" in s.ctl("why", "m0").out
        c.call("cancel", jobs=["m3"])
        done = wait_all(s)
        assert done["jobs"]["cancelled"] == N
        assert {c.show("m%d" % i)["code"] for i in (0, 1, 2, 4, 5)} == {"sibling-failed"}
        assert "m3" in c.show("m0")["reason"] and not os.path.exists(s.path("set"))
        c.call("retry", jobs=["m3"])
        c.wait_state("m0", "blocked", why="group-publish")
        c.call("pause", jobs=["m0"])
        assert c.show("m0")["state"] == "paused"
        c.call("resume", jobs=["m0"])
        c.wait_state("m0", "blocked", why="group-publish")
        c.call("cancel", group="whole")


def test_who_waits_for_the_others_has_not_failed(serve, server):
    """Nor does it show why an earlier attempt of it did: that was mended."""
    s = serve(start=False)
    s.write_config({"groups": [group(s.root)], "jobs": [
        {**member(server, s.root, 0), "url": [server.url("/status/404?a=0-bad"), server.url("/ok/1000?a=0")]},
        {**member(server, s.root, 1), "url": server.url("/gate/1000?a=1&gate=atomic-not-failed")}]})
    s.start()
    with s.client() as c:
        wait_until(lambda: c.show("m0")["why"] == "group-publish")
        m = c.show("m0")
        assert m["state"] == "blocked" and m["code"] == m["reason"] == "" and m["attempts"] == 2
        assert [a["code"] for a in m["failed_attempts"]] == ["http-404"]
        assert "404" not in s.ctl("list", "--name", "m0").out
        server.open("atomic-not-failed")
        assert c.wait_job("m0")["state"] == "done"


@pytest.mark.parametrize("on_failure", ["continue", "cancel"])
def test_a_failure_leaves_the_old_set_as_it_was(serve, server, on_failure):
    s = serve(start=False)
    s.write_config(config(server, s.root, 3))
    s.start()
    wait_all(s)
    before = os.stat(s.path("set")).st_ino
    conf = config(server, s.root, 4, group_keys={"on-failure": on_failure})
    conf["jobs"][5]["url"] = server.url("/status/404?af=" + on_failure)
    s.reload(conf)
    done = wait_all(s)
    assert done["jobs"]["failed"] == 1 and done["jobs"]["cancelled"] == N - 1 and done["jobs"]["done"] == 0
    assert read_set(s.path("set")) == whole(3) and os.stat(s.path("set")).st_ino == before
    with s.client() as c:
        assert {c.show("m%d" % i)["code"] for i in range(5)} == {"sibling-failed"}
    # made good, all of it comes: those that ended because of it begin anew with it
    s.reload(config(server, s.root, 4, group_keys={"on-failure": on_failure}))
    assert wait_all(s)["jobs"]["done"] == N
    assert read_set(s.path("set")) == whole(4)


def test_what_no_member_has_goes_and_what_is_there_is_linked(serve, server):
    s = serve(start=False)
    s.write_config(config(server, s.root, 5))
    s.start()
    wait_all(s)
    with open(s.path("set", "foreign"), "w") as f:
        f.write("mine")
    inodes = {i: os.stat(s.path("set", "f%d" % i)).st_ino for i in range(N)}
    conf = config(server, s.root, 5, n=5) # f5 is no member any more
    conf["jobs"][0] = member(server, s.root, 0, seed=55)
    server.mark()
    s.reload(conf)
    assert wait_all(s)["jobs"]["done"] == 1
    wait_until(lambda: sorted(os.listdir(s.path("set"))) == ["f%d" % i for i in range(5)])
    assert read_set(s.path("set")) == {**whole(5, 5), "f0": body(1000, "55")}
    assert len(server.requests()) == 1
    assert [os.stat(s.path("set", "f%d" % i)).st_ino for i in range(1, 5)] == [inodes[i] for i in range(1, 5)]


@pytest.mark.parametrize("error", [errno.EPERM, errno.EMLINK])
def test_what_cannot_be_linked_is_copied_and_is_nobodys_program(tmp, server, error):
    """Somebody who may write to the directory has put a program there that runs as its owner.
    The kernel lets nobody else link it; a copy is hauld's, and so has no such right."""
    board = Board(tmp)
    try:
        with FaultyService(tmp, board, rule("hauld-worker", "linkat", os.path.join(str(tmp), "root"), count=100, error=error), start=False) as s:
            s.write_config(config(server, s.root, 5))
            s.start()
            wait_all(s)
            os.chmod(s.path("set"), 0o2775)
            os.chmod(s.path("set", "f1"), 0o6755)
            os.chmod(s.path("set", "f2"), 0o640)
            inode = os.stat(s.path("set", "f1")).st_ino
            conf = config(server, s.root, 5)
            conf["jobs"][0] = member(server, s.root, 0, seed=56)
            s.reload(conf)
            wait_all(s)
            assert read_set(s.path("set")) == {**whole(5), "f0": body(1000, "56")}
            assert board.hits and os.stat(s.path("set", "f1")).st_ino != inode
            assert [os.stat(s.path("set", f)).st_mode & 0o7777 for f in ("f1", "f2", "")] == [0o755, 0o640, 0o2775]
    finally:
        board.end()


def test_what_is_up_to_date_is_not_fetched(serve, server):
    s = serve(start=False)
    conf = config(server, s.root, 6)
    for i, job in enumerate(conf["jobs"]):
        job["checksum"] = digest(body(1000, "6"))
    os.makedirs(s.path("set"))
    for i in range(N - 1):
        with open(s.path("set", "f%d" % i), "wb") as f:
            f.write(body(1000, "6"))
    s.write_config(conf)
    server.mark()
    s.start()
    assert wait_all(s)["jobs"]["done"] == N
    assert read_set(s.path("set")) == whole(6) and len(server.requests()) == 1
    with s.client() as c:
        assert c.show("m0")["receipt"]["unchanged"] and not c.show("m5")["receipt"]["unchanged"]


def test_a_directory_that_is_in_it_is_left_alone(serve, server):
    s = serve(start=False)
    os.makedirs(s.path("set", "precious"))
    s.write_config(config(server, s.root, 7))
    s.start()
    assert wait_all(s)["jobs"]["failed"] == N
    with s.client() as c:
        job = c.show("m0")
        assert job["code"] == "path-refused" and "precious" in job["reason"]
    wait_until(lambda: os.listdir(s.path("set")) == ["precious"])


def test_clients_add_nothing_to_it(serve, server):
    s = serve(start=False)
    s.write_config({"groups": [group(s.root)]})
    s.start()
    with s.client() as c:
        error = c.refused("add", job={"url": server.url("/ok/1?ac"), "group": "whole", "output": s.path("set", "x")})
        assert "those of the configuration" in error.text
        error = c.refused("add", job={"url": server.url("/ok/1?ac"), "output": s.path("set", "x")})
        assert "directory of group whole" in error.text


def test_a_reader_never_sees_a_mix(serve, server):
    """Twenty sets one after the other; a thread reads the directory all the time."""
    s = serve(start=False)
    s.write_config(config(server, s.root, 100, fsync="off"))
    s.start()
    wait_all(s)
    seen, wrong, stop = set(), [], threading.Event()
    sets = {seed: whole(seed) for seed in range(100, 120)}

    def read():
        while not stop.is_set():
            found = read_set(s.path("set"))
            seeds = [seed for seed, one in sets.items() if one == found]
            if seeds:
                seen.add(seeds[0])
            else:
                wrong.append(found and {k: v[:8] for k, v in found.items()})
    reader = threading.Thread(target=read)
    reader.start()
    try:
        for seed in range(101, 120):
            s.reload(config(server, s.root, seed, fsync="off"))
            assert wait_all(s)["jobs"]["done"] == N
            wait_until(lambda: seed in seen or not reader.is_alive()) # noqa: B023
    finally:
        stop.set()
        reader.join()
    assert not wrong, wrong[:2]
    assert seen == set(sets)
    wait_until(lambda: nothing_left(s))


def test_killed_at_any_instant_it_is_the_old_set_or_the_new_one(serve, server):
    """kill -9 around the exchange: what stands there is always one set, and the next life finishes."""
    rng = random.Random(7)
    s = serve(start=False)
    s.write_config(config(server, s.root, 200))
    s.start()
    wait_all(s)
    old, sets = 200, {200: whole(200)}
    for seed in range(201, 201 + int(os.environ.get("HAUL_ATOMIC_KILLS", "12"))):
        sets[seed] = whole(seed)
        s.write_config(config(server, s.root, seed))
        before, at = len(s.log_lines("published as a whole")), rng.random()
        s.signal(signal.SIGHUP)
        if at < 0.1:
            s.wait_log("published as a whole", before + 1)
        elif at < 0.5:
            wait_until(lambda: os.path.exists(s.path(".haul-group-whole")) or
                       len(s.log_lines("published as a whole")) > before) # noqa: B023
        threading.Event().wait(rng.random() * 0.03) # the instant is the test
        s.signal(signal.SIGKILL)
        s.wait_exit()
        found = read_set(s.path("set"))
        assert found in (sets[old], sets[seed]), {k: v[:8] for k, v in found.items()}
        s.start()
        assert wait_all(s)["live"] == 0
        with s.client() as c:
            assert {c.show("m%d" % i)["state"] for i in range(N)} == {"done"}
        assert read_set(s.path("set")) == sets[seed]
        old = seed
    s.stop()
    s.start()
    wait_until(lambda: nothing_left(s))


def test_once_publishes_as_a_whole(h, server):
    result = h.once(config={"groups": [group(h.root)], "jobs": [member(server, h.root, i, seed=9) for i in range(3)]})
    assert result.rc == 0, result
    assert read_set(os.path.join(h.root, "set")) == whole(9, 3)


WRONG = [
    ({"publish": "atomic"}, {}, "needs directory"),
    ({"directory": "ROOT/set"}, {}, "no meaning without"),
    ({"publish": "atomic", "directory": "ROOT"}, {}, "does not lie beneath"),
    ({"publish": "atomic", "directory": "set"}, {}, "absolute path"),
    ({"publish": "atomic", "directory": "ROOT/set"}, {"output": "ROOT/other/f"}, "does not lie directly in"),
    ({"publish": "atomic", "directory": "ROOT/set"}, {"output": "ROOT/set/deeper/f"}, "does not lie directly in"),
    ({"publish": "atomic", "directory": "ROOT/set"}, {"group": None, "output": "ROOT/set/f"}, "only its members"),
    ({"publish": "atomic", "directory": "ROOT/set"}, {"no-clobber": True}, "published as a whole"),
    ({"publish": "atomic", "directory": "ROOT/set"}, {"every": "1h"}, "cron says when"),
]


@pytest.mark.parametrize("group_keys, job_keys, says", WRONG)
def test_what_cannot_be_is_a_configuration_error(serve, server, group_keys, job_keys, says):
    s = serve({})
    put = lambda keys: {k: v.replace("ROOT", s.root) if isinstance(v, str) else v for k, v in keys.items()}
    job = {"url": "http://h/f", "group": "whole", "output": s.path("set", "f"), **put(job_keys)}
    s.write_config({"groups": [{"name": "whole", **put(group_keys)}], "jobs": [{k: v for k, v in job.items() if v is not None}]})
    with s.client() as c:
        error = c.refused("reload")
        assert error.word == "configuration" and says in " ".join(error.data["errors"]), error.data


def test_groups_in_it_and_two_in_one_place_are_errors(serve):
    s = serve({})
    s.write_config({"groups": [group(s.root), {"name": "child", "parent": "whole"},
                               {**group(s.root, "set/inner"), "name": "inner"}]})
    with s.client() as c:
        errors = " ".join(c.refused("reload").data["errors"])
        assert "has no groups in it" in errors and "lies in, that of group whole" in errors


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_member_goes_on_where_it_was_in_the_next_life(serve, server, how):
    """Parts and maps are in the stage; members that wait for the others are not fetched again."""
    s = serve(start=False)
    conf = config(server, s.root, 300, size=600 << 10)
    conf["jobs"][2]["url"] = server.url("/held/4M/2M/1?key=ag-%s" % how)
    s.write_config(conf)
    server.mark()
    s.start()
    with s.client() as c:
        for i in (0, 1, 3, 4, 5):
            c.wait_state("m%d" % i, "blocked", why="group-publish")
        wait_until(lambda: c.show("m2")["received"] >= 1 << 20)
    s.signal(signal.SIGTERM if how == "stop" else signal.SIGKILL)
    assert s.wait_exit() == (0 if how == "stop" else -signal.SIGKILL)
    assert not os.path.exists(s.path("set"))
    s.start()
    assert wait_all(s)["jobs"]["done"] == N
    assert read_set(s.path("set")) == {**whole(300, N, 600 << 10), "f2": body(4 << 20)}
    ranges = [dict(r["headers"]).get("Range") for r in server.requests() if r["path"].startswith("/held/")]
    assert len(ranges) == 2 and ranges[1], ranges
    assert len(server.requests()) == N + 1


def test_a_hook_runs_when_its_file_stands_in_the_directory(serve, server):
    s = serve(start=False)
    conf = config(server, s.root, 400)
    for i, job in enumerate(conf["jobs"]):
        job["on-download-complete"] = ["/usr/bin/test", "-e", s.path("set", "f%d" % ((i + 1) % N))]
    s.write_config(conf)
    s.start()
    assert wait_all(s)["jobs"]["done"] == N, s.log
    assert read_set(s.path("set")) == whole(400)
