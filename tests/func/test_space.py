"""Room on filesystems: who waits for it, who goes on, and who never gets it."""

import contextlib
import os

import pytest
from bodies import body, digest
from haul import assert_failed
from lateness import asked_again, assert_never_late
from test_service_load import settled, voluntary_switches
from waiting import WaitedTooLong, wait_until

MIB = 1 << 20
pytestmark = pytest.mark.mount


@pytest.fixture
def full(mounter, serve):
    """full(size, **daemon): a service with two roots, `root` and a tmpfs of that size."""
    def place(size, **daemon):
        s = serve(start=False)
        small = os.path.join(s.tmp, "small")
        os.mkdir(small)
        mounter("-t", "tmpfs", "-o", "size=%s" % size, "tmpfs", small)
        s.write_config({}, **{"roots": [s.root, small], "min-free": 0, **daemon})
        s.small = small
        return s.start()
    return place


def fill(s, free):
    """A file that leaves so many bytes."""
    path = os.path.join(s.small, "ballast")
    at = os.statvfs(s.small)
    with open(path, "wb") as f:
        os.posix_fallocate(f.fileno(), 0, at.f_bavail * at.f_frsize - free)
    return path


def read(s, name):
    with open(os.path.join(s.small, name), "rb") as f:
        return f.read()


def published(s):
    return sorted(n for n in os.listdir(s.small) if n != ".haul")


def parts(s):
    """The bytes of part files on the small filesystem."""
    return bytes_of_parts(s.small)


def bytes_of_parts(small):
    n = 0
    with contextlib.suppress(FileNotFoundError): # .haul goes with its last part
        for name in os.listdir(os.path.join(small, ".haul")):
            with contextlib.suppress(FileNotFoundError):
                n += 0 if name.endswith(".map") else os.path.getsize(os.path.join(small, ".haul", name))
    return n


def job(server, s, name, path, **fields):
    return {"url": server.url(path), "output": os.path.join(s.small, name), "retry": 0, **fields}


def test_what_does_not_fit_waits_before_its_bytes_come(full, server):
    s = full("8m")
    ballast = fill(s, 3 * MIB)
    with s.client() as c:
        c.call("subscribe")
        c.call("status") # the numbers are there
        big, = c.add(job(server, s, "big", "/ok/4M?seed=1", checksum=digest(body(4 * MIB, 1))))
        shown = c.wait_state(big, "blocked", why="disk-space")
        assert shown["code"] == "disk-full" and "4.0 MiB" in shown["reason"] and s.small in shown["reason"]
        assert shown["attempts"] == 0 and shown["received"] == 0 and parts(s) == 0
        assert c.event("state", id=big)["job"]["why"] == "disk-space"
        # Others of the same filesystem, and those of another one, go on.
        ok, = c.add(job(server, s, "ok", "/ok/1M"))
        other, = c.add({"url": server.url("/ok/20M"), "output": "other"})
        assert c.wait_job(ok)["state"] == c.wait_job(other)["state"] == "done"
        assert c.show(big)["why"] == "disk-space"
        assert s.ctl("list").out.count("disk-space") == 1
        status = c.call("status")
        assert status["waiting"] == {"disk-space": 1}
        os.unlink(ballast)
        done = c.wait_job(big)
    assert done["state"] == "done" and done["attempts"] == 1
    assert read(s, "big") == body(4 * MIB, 1)


def test_the_room_of_those_that_run_is_not_given_away(full, server):
    s = full("8m")
    with s.client() as c:
        c.call("status")
        first, = c.add(job(server, s, "first", "/gate/5M/256K?gate=room"))
        c.wait_state(first, "active", "download")
        second, = c.add(job(server, s, "second", "/ok/5M"))
        c.wait_state(second, "blocked", why="disk-space")
        disk = [d for d in c.call("status")["disks"] if d["root"] == s.small][0]
        assert 0 < disk["reserved"] <= 5 * MIB and disk["size"] == 8 * MIB and disk["kept"] == 0
        server.open("room")
        assert c.wait_job(first)["state"] == "done"
        assert c.show(second)["why"] == "disk-space"
        os.unlink(os.path.join(s.small, "first"))
        assert c.wait_job(second)["state"] == "done"


def test_a_job_that_ends_makes_room_for_another(full, server):
    s = full("8m")
    with s.client() as c:
        c.call("status")
        first, = c.add(job(server, s, "first", "/stall/5M/256K", **{"stall-timeout": "1h"}))
        c.wait_state(first, "active", "download")
        second, = c.add(job(server, s, "second", "/ok/5M"))
        c.wait_state(second, "blocked", why="disk-space")
        c.call("cancel", jobs=[first])
        assert c.wait_job(second)["state"] == "done"


def test_a_disk_that_fills_meanwhile_keeps_what_came(full, server):
    s = full("12m")
    with s.client() as c:
        c.call("subscribe")
        slow, = c.add(job(server, s, "slow", "/slow/8M/300000?key=fills", checksum=digest(body(8 * MIB))))
        wait_until(lambda: c.show(slow)["received"] > 200 << 10) # worth to be kept
        ballast = fill(s, MIB)
        shown = c.wait_state(slow, "blocked", why="disk-space")
        assert shown["attempts"] == 0 and shown["received"] > 64 << 10 and parts(s) >= shown["received"]
        assert "No space left on device" in shown["reason"]
        os.unlink(ballast)
        assert c.wait_job(slow)["attempts"] == 1
    assert read(s, "slow") == body(8 * MIB)
    asked = [dict(r["headers"]).get("Range") for r in server.requests("/slow/")]
    assert asked[0] is None and asked[1] == "bytes=%d-" % shown["received"]


def test_a_disk_that_fills_keeps_nothing_of_another_url(full, server):
    """The job was set to another file, whose validator and size happen to be the same."""
    s = full("12m")
    with s.client() as c:
        slow, = c.add(job(server, s, "slow", "/slow/8M/300000?key=strange"))
        wait_until(lambda: c.show(slow)["received"] > 200 << 10) # worth to be kept
        c.call("set", jobs=[slow], set={"url": server.url("/slow/8M/3000000?seed=another", "127.0.0.2")})
        ballast = fill(s, MIB)
        c.wait_state(slow, "blocked", why="disk-space")
        os.unlink(ballast)
        assert c.wait_job(slow)["state"] == "done"
    assert read(s, "slow") == body(8 * MIB, "another")


def test_without_a_validator_it_is_fetched_anew(full, server):
    s = full("6m")
    with s.client() as c:
        ballast = fill(s, 2 * MIB)
        chunks, = c.add(job(server, s, "chunks", "/chunked/3M"))
        shown = c.wait_state(chunks, "blocked", why="disk-space")
        assert shown["attempts"] == 0 and parts(s) == 0
        small, = c.add(job(server, s, "small", "/ok/1000"))
        os.unlink(ballast)
        assert c.wait_job(chunks)["state"] == c.wait_job(small)["state"] == "done"
    assert read(s, "chunks") == body(3 * MIB)


@pytest.mark.parametrize("keep_packed", [False, True])
def test_the_output_of_a_decoder_waits_as_well(full, server, keep, keep_packed):
    import gzip
    name = keep(gzip.compress(bytes(5 * MIB)))
    s = full("7m")
    ballast = fill(s, 2 * MIB)
    more = {"keep-download": os.path.join(s.small, "packed")} if keep_packed else {}
    with s.client() as c:
        unpacked, = c.add(job(server, s, "zeros", "/file/" + name, decompress="gzip",
                              **{"max-expansion": 1000000, **more}))
        assert c.wait_state(unpacked, "blocked", why="disk-space")["attempts"] == 0
        assert parts(s) == 0 and published(s) == ["ballast"]
        os.unlink(ballast)
        assert c.wait_job(unpacked)["state"] == "done"
    assert read(s, "zeros") == bytes(5 * MIB)


def test_a_copy_waits_as_well(full):
    s = full("6m")
    source = os.path.join(s.tmp, "source")
    with open(source, "wb") as f:
        f.write(body(4 * MIB))
    ballast = fill(s, 2 * MIB)
    with s.client() as c:
        copy, = c.add({"url": "file://" + source, "output": os.path.join(s.small, "copy"), "allow-file": True})
        assert c.wait_state(copy, "blocked", why="disk-space")["attempts"] == 0
        os.unlink(ballast)
        assert c.wait_job(copy)["state"] == "done"
    assert read(s, "copy") == body(4 * MIB)


def test_min_free_is_kept_free(full, server):
    s = full("40m", **{"min-free": "2M"}) # 5 % are 2 MiB
    ballast = fill(s, MIB)
    with s.client() as c:
        c.call("status")
        one, = c.add(job(server, s, "one", "/ok/1000"))
        shown = c.wait_state(one, "blocked", why="disk-space")
        assert "min-free keeps 2.0 MiB" in shown["reason"] and shown["attempts"] == 0
        os.unlink(ballast)
        assert c.wait_job(one)["state"] == "done"
        fill(s, 5 * MIB)
        wait_until(lambda: c.call("status")["disks"][1]["free"] <= 5 * MIB) # it knows
        fits, larger = c.add(job(server, s, "fits", "/ok/2900K"), job(server, s, "larger", "/ok/3100K"))
        assert c.wait_job(fits)["state"] == "done"
        c.wait_state(larger, "blocked", why="disk-space")
        os.unlink(os.path.join(s.small, "ballast"))
        assert c.wait_job(larger)["state"] == "done"


def test_a_transfer_stops_where_min_free_begins(full, server):
    s = full("40m", **{"min-free": "2M"})
    with s.client() as c:
        slow, = c.add(job(server, s, "slow", "/slow/8M/300000?key=minfree"))
        wait_until(lambda: c.show(slow)["received"] > 200 << 10) # worth to be kept
        ballast = fill(s, 2 * MIB - 4096)
        shown = c.wait_state(slow, "blocked", why="disk-space")
        assert "min-free" in shown["reason"] and parts(s) == shown["received"]
        os.unlink(ballast)
        assert c.wait_job(slow)["state"] == "done"
    assert read(s, "slow") == body(8 * MIB)


@pytest.mark.parametrize("size", [9 << 20, 1 << 50, (1 << 63) - 1])
@asked_again
def test_what_is_larger_than_the_filesystem_fails_at_once(full, server, size):
    s = full("8m")
    with s.client() as c:
        c.call("status")
        huge, ok = c.add(job(server, s, "huge", "/announces/%d" % size, retry=5), job(server, s, "ok", "/ok/1M"))
        done = c.wait_job(huge)
        assert (done["state"], done["code"], done["attempts"]) == ("failed", "disk-full", 1)
        assert "the whole filesystem" in done["reason"]
        assert c.wait_job(ok)["state"] == "done"
        assert_never_late(c)
        assert published(s) == ["ok"] and parts(s) == 0


def test_many_that_wait_cost_no_request_each(full, server):
    s = full("40m", **{"min-free": "2M", "max-concurrent-downloads": 4})
    ballast = fill(s, MIB)
    with s.client() as c:
        c.call("status")
        ids = c.add(*[job(server, s, "f%d" % i, "/ok/1000?seed=%d" % i) for i in range(300)])
        for number in ids:
            c.wait_state(number, "blocked", why="disk-space")
        assert server.requests("/ok/") == []
        os.unlink(ballast)
        assert {c.wait_job(i)["state"] for i in ids} == {"done"}
    assert len(server.requests("/ok/")) == 300


@pytest.mark.parametrize("command", ["cancel", "pause", "remove"])
def test_who_waits_can_be_commanded(full, server, command):
    s = full("12m")
    ballast = fill(s, 2 * MIB)
    with s.client() as c:
        c.call("status")
        waits, = c.add(job(server, s, "waits", "/ok/4M"))
        c.wait_state(waits, "blocked", why="disk-space")
        if command == "remove":
            assert c.refused("remove", jobs=[waits]).word == "conflict"
            return
        c.call(command, jobs=[waits])
        assert c.show(waits)["state"] == {"cancel": "cancelled", "pause": "paused"}[command]
        os.unlink(ballast)
        c.call({"cancel": "retry", "pause": "resume"}[command], jobs=[waits])
        assert c.wait_job(waits)["state"] == "done"


@pytest.mark.parametrize("command", ["cancel", "pause", "stop"])
def test_one_that_kept_its_part_can_be_commanded(full, server, command):
    s = full("12m")
    with s.client() as c:
        slow, = c.add(job(server, s, "slow", "/slow/8M/1000000?key=command" + command))
        wait_until(lambda: c.show(slow)["received"] > 200 << 10) # worth to be kept
        ballast = fill(s, MIB)
        c.wait_state(slow, "blocked", why="disk-space")
        assert parts(s) > 0
        os.unlink(ballast)
        if command == "stop":
            s.stop()
            assert parts(s) > 0 # for the next life
            s.start()
            assert s.client().wait_job(slow)["state"] == "done"
            return
        c.call(command, jobs=[slow])
        assert c.show(slow)["state"] == {"cancel": "cancelled", "pause": "paused"}[command]
        wait_until(lambda: (parts(s) > 0) == (command == "pause"))
        if command == "pause":
            c.call("resume", jobs=[slow])
            assert c.wait_job(slow)["state"] == "done"


def test_what_waits_for_its_next_try_is_written_back(serve, server):
    """Nobody else pays for bytes of a job that rests."""
    s = serve()
    with s.client() as c:
        rests, = c.add({"url": server.url("/cut/20M/1?key=rests&busy=1&after=50"), "output": "rests", "retry": 5,
                        "fsync": "off"})
        shown = c.wait_state(rests, "blocked", why="retry-at")
        shown = wait_until(lambda: c.show(rests) if c.show(rests)["attempts"] == 2 and c.show(rests)["why"] else None)
        assert shown["received"] > 2 * MIB
        wait_until(lambda: c.call("status")["disks"][0]["unflushed"] == 0)
        assert c.show(rests)["why"] == "retry-at"


@pytest.mark.slow
def test_idle_costs_nothing_behind_it(full, server):
    """Who waits has a timer; when nobody does, none rings."""
    s = full("8m")
    ballast = fill(s, MIB)
    with s.client() as c:
        ok, = c.add(job(server, s, "ok", "/ok/2M"))
        c.wait_state(ok, "blocked", why="disk-space")
        os.unlink(ballast)
        assert c.wait_job(ok)["state"] == "done"
        settled(s)
        before = voluntary_switches(s.pid)
        try:
            c.wait(lambda: False, 5) # nothing comes
        except WaitedTooLong:
            pass
        assert voluntary_switches(s.pid) - before <= 2


def test_a_run_without_a_service_waits_for_nobody_else(h, server, tmp, mounter):
    small = os.path.join(tmp, "small")
    os.mkdir(small)
    mounter("-t", "tmpfs", "-o", "size=8m", "tmpfs", small)
    jobs = [{"name": "chunks", "url": server.url("/chunked/20M"), "output": small + "/chunks"}]
    result = h.once_jobs(jobs, daemon={"roots": [h.root, small], "min-free": 0})
    assert_failed(result, "disk-full", "chunks")
    assert "jobs wait" not in result.stderr
    assert os.listdir(small) == []


def test_a_run_without_a_service_waits_for_its_own_jobs(h, server, tmp, mounter):
    """What one job gives back when it fails is another's."""
    small = os.path.join(tmp, "small")
    os.mkdir(small)
    mounter("-t", "tmpfs", "-o", "size=8m", "tmpfs", small)
    # As long as nobody has looked at the disk all fits there: a job goes before, for which one looks.
    jobs = [{"name": "looked", "url": server.url("/ok/1000"), "checksum": digest(body(1000)), "output": small + "/looked"},
            {"name": "fails", "url": server.url("/drip/6M/256K/0.02"), "checksum": digest(b"other"),
             "output": small + "/fails", "after": "looked"},
            {"name": "waits", "url": server.url("/gate/5M?gate=waits"), "output": small + "/waits"}]
    config = {"jobs": jobs, "defaults": {"retry": 0}, "daemon": {"roots": [h.root, small], "min-free": 0}}
    with h.start(config=config) as run:
        wait_until(lambda: bytes_of_parts(small) > 2 * MIB) # it has its room
        server.open("waits")
        result = run.finish()
    assert result.word("fails") == "checksum-mismatch" and result.word("waits") == "done", result
    assert sorted(os.listdir(small)) == ["looked", "waits"]
