"""The destination: what is replaced, what is refused, which mode, time and group."""

import os
import stat
import subprocess
import threading

import pytest
from bodies import body, digest
from haul import assert_done, assert_failed
from waiting import wait_until


def job(url, output="a", **keys):
    return {"name": "a", "url": url, "output": output, **keys}


def test_an_existing_file_is_replaced_by_a_rename(h, server):
    with open(h.path("a"), "wb") as f:
        f.write(b"old")
    with open(h.path("a"), "rb") as reader:
        assert_done(h.once_jobs([job(server.url("/ok/300000"))]))
        assert reader.read() == b"old"
    h.expect({"a": body(300000)})


def test_a_paused_job_without_a_service_is_told(h, server):
    result = h.once_jobs([job(server.url("/ok/1000"), paused=True), job(server.url("/ok/1001"), output="b", name="b")])
    assert result.rc == 1 and h.published().keys() == {"b"}
    assert "nobody can resume it" in repr(result)


def test_no_clobber_fails_as_exists(h, server):
    with open(h.path("a"), "wb") as f:
        f.write(b"old")
    for size in (1000, 600000):
        result = h.once_jobs([job(server.url("/ok/%d" % size), **{"no-clobber": True})])
        assert_failed(result, "exists")
        h.expect({"a": b"old"})


def test_no_clobber_publishes_where_nothing_is(h, server):
    assert_done(h.once_jobs([job(server.url("/ok/1000"), **{"no-clobber": True})]))
    h.expect({"a": body(1000)})


def test_no_clobber_never_replaces_a_file_that_came_meanwhile(h, server):
    config = {"defaults": {"retry": 0},
              "jobs": [job(server.url("/gate/1000/500?gate=mine"), **{"no-clobber": True})]}
    with h.start(config=config) as run:
        server.wait_requests(1)
        with open(h.path("a"), "wb") as f:
            f.write(b"mine")
        server.open("mine")
        result = run.finish()
    assert_failed(result, "exists")
    h.expect({"a": b"mine"})


@pytest.mark.parametrize("size", [1000, 600000])
def test_modes(h, server, size):
    modes = ["0600", "0644", "0755", "0640"]
    assert_done(h.once_jobs([
        {"name": "m" + m, "url": server.url("/ok/%d" % size), "output": m, "mode": m}
        for m in modes]))
    for m in modes:
        assert stat.S_IMODE(os.stat(h.path(m)).st_mode) == int(m, 8)


def test_the_umask_takes_nothing_from_the_mode(h, server):
    result = h.once(server.url("/ok/1000"), popen={"preexec_fn": lambda: os.umask(0o077)})
    assert_done(result)
    assert stat.S_IMODE(os.stat(h.path("1000")).st_mode) == 0o644


def test_the_group_comes_from_a_setgid_directory(h, server):
    os.mkdir(h.path("shared"))
    try:
        os.chown(h.path("shared"), -1, 12345)
    except PermissionError:
        pytest.skip("only root gives away groups")
    os.chmod(h.path("shared"), 0o2775)
    jobs = [{"name": "j%d" % n, "url": server.url("/ok/%d" % n), "output": "shared/%d" % n}
            for n in (1000, 600000)]
    assert_done(h.once_jobs(jobs))
    for n in (1000, 600000):
        assert os.stat(h.path("shared", str(n))).st_gid == 12345


def test_remote_time(h, server):
    for size in (1000, 600000):
        assert_done(h.once_jobs([job(server.url("/ok/%d" % size), **{"remote-time": True})]))
        assert os.stat(h.path("a")).st_mtime == 1700000000


def test_without_remote_time_the_file_is_new(h, server):
    assert_done(h.once_jobs([job(server.url("/ok/1000"))]))
    assert os.stat(h.path("a")).st_mtime > 1700000000 + 86400


@pytest.mark.parametrize("fsync", ["off", "data", "full"])
def test_fsync_modes(h, server, fsync):
    jobs = [{"name": "j%d" % n, "url": server.url("/ok/%d" % n), "output": "%d" % n,
             "fsync": fsync} for n in (10, 300000, 2000000)]
    assert_done(h.once_jobs(jobs))
    h.expect({"%d" % n: body(n) for n in (10, 300000, 2000000)})


def test_a_symlink_at_the_destination_is_replaced_not_followed(h, server, tmp):
    victim = os.path.join(tmp, "victim")
    with open(victim, "wb") as f:
        f.write(b"victim")
    for size in (1000, 600000):
        if os.path.lexists(h.path("a")):
            os.unlink(h.path("a"))
        os.symlink(victim, h.path("a"))
        assert_done(h.once_jobs([job(server.url("/ok/%d" % size))]))
        assert not os.path.islink(h.path("a"))
        with open(victim, "rb") as f:
            assert f.read() == b"victim"
        h.expect({"a": body(size)})


def test_a_symlink_does_not_count_as_right_already(h, server, tmp):
    right = os.path.join(tmp, "right")
    with open(right, "wb") as f:
        f.write(body(1000))
    os.symlink(right, h.path("a"))
    assert_done(h.once_jobs([job(server.url("/ok/1000"), checksum=digest(body(1000)))]))
    assert not os.path.islink(h.path("a"))


def test_a_symlinked_directory_below_the_root_is_refused(h, server, tmp):
    outside = os.path.join(tmp, "outside")
    os.mkdir(outside)
    os.symlink(outside, h.path("link"))
    os.mkdir(h.path("inside"))
    os.symlink("inside", h.path("link2"))
    result = h.once_jobs([
        {"name": "out", "url": server.url("/ok/1000"), "output": "link/a"},
        {"name": "deep", "url": server.url("/ok/1000"), "output": "link/new/a"},
        {"name": "in", "url": server.url("/ok/1000"), "output": "link2/a"}])
    for name in ("out", "deep", "in"):
        assert_failed(result, "path-refused", name)
    assert os.listdir(outside) == []
    h.expect({})


@pytest.mark.parametrize("output", ["../a", "x/../../a", "/etc/haul-test-a", "x/./../../a"])
def test_outside_of_the_roots_is_refused(h, server, output):
    result = h.once_jobs([job(server.url("/ok/1000"), output)])
    assert result.rc in (1, 78)
    if result.rc == 1:
        assert_failed(result, "path-refused")
    assert not os.path.exists("/etc/haul-test-a") and not os.path.exists(os.path.join(h.tmp, "a"))
    h.expect({})


def test_a_file_where_a_directory_should_be(h, server):
    with open(h.path("file"), "wb") as f:
        f.write(b"old")
    result = h.once_jobs([job(server.url("/ok/1000"), "file/a"),
                          {"name": "b", "url": server.url("/ok/1000"), "output": "b"}])
    assert_failed(result, "path-refused")
    assert result.word("b") == "done"
    h.expect({"file": b"old", "b": body(1000)})


def test_a_directory_where_the_file_should_be(h, server):
    os.mkdir(h.path("a"))
    for size in (1000, 600000):
        result = h.once_jobs([job(server.url("/ok/%d" % size))])
        assert result.rc == 1 and result.word() in ("path-refused", "write", "exists")
        h.expect({})


def test_two_jobs_for_one_destination(h, server):
    """Whatever is decided, what lies there is one of the two, whole."""
    result = h.once_jobs([
        {"name": "x", "url": server.url("/ok/600000?seed=x"), "output": "same"},
        {"name": "y", "url": server.url("/ok/600000?seed=y"), "output": "same"}])
    assert result.rc in (0, 1, 78)
    if result.rc != 78:
        assert h.published()["same"] in (body(600000, "x"), body(600000, "y"))
    assert h.leftovers() == []


def test_foreign_files_in_a_staging_directory_are_left_alone(h, server):
    os.mkdir(h.path(".haul"), 0o700)
    with open(h.path(".haul", "foreign.part"), "wb") as f:
        f.write(b"of another instance")
    assert_done(h.once_jobs([job(server.url("/ok/600000"))]))
    assert os.listdir(h.path(".haul")) == ["foreign.part"]


def test_a_staging_directory_that_is_a_symlink_is_not_followed(h, server, tmp):
    outside = os.path.join(tmp, "outside")
    os.mkdir(outside)
    os.symlink(outside, h.path(".haul"))
    result = h.once_jobs([job(server.url("/ok/600000"))])
    assert result.rc == 1 and result.word() in ("path-refused", "write")
    assert os.listdir(outside) == [] and not os.path.exists(h.path("a"))


def test_no_one_ever_sees_a_part_under_the_final_name(h, server):
    seen, stop = set(), threading.Event()

    def watch():
        while not stop.is_set():
            try:
                seen.add(os.stat(h.path("a")).st_size)
            except FileNotFoundError:
                pass
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        assert_done(h.once_jobs([job(server.url("/drip/2M/256K/0.03"))]))
    finally:
        stop.set()
        watcher.join()
    assert seen <= {2 << 20}


# ---- filesystems that refuse

@pytest.mark.mount
def test_a_full_disk_fails_its_job_and_no_other(h, server, tmp, mounter):
    small = os.path.join(tmp, "small")
    os.mkdir(small)
    mounter("-t", "tmpfs", "-o", "size=1m", "tmpfs", small)
    daemon = {"roots": [h.root, small], "min-free": 0}
    jobs = [{"name": "full", "url": server.url("/ok/5M"), "output": small + "/full"},
            {"name": "chunks", "url": server.url("/chunked/5M"), "output": small + "/chunks"}]
    jobs += [{"name": "ok%d" % i, "url": server.url("/ok/1M"), "output": "%d" % i}
             for i in range(3)]
    result = h.once_jobs(jobs, daemon=daemon)
    for name in ("full", "chunks"):
        assert_failed(result, "disk-full", name)
    assert os.listdir(small) == []
    h.expect({"%d" % i: body(1 << 20) for i in range(3)})


@pytest.mark.mount
def test_a_disk_that_fills_while_unpacking(h, server, tmp, mounter, keep):
    import gzip
    name = keep(gzip.compress(bytes(5 << 20)))
    mounter("-t", "tmpfs", "-o", "size=1m", "tmpfs", h.root)
    result = h.once_jobs([job(server.url("/file/" + name), decompress="gzip",
                              **{"max-expansion": 1000000})], daemon={"min-free": 0}, cwd=tmp)
    assert_failed(result, "disk-full")
    h.expect({})


@pytest.mark.mount
def test_a_read_only_filesystem(h, server, tmp, mounter):
    readonly = os.path.join(tmp, "readonly")
    os.mkdir(readonly)
    mounter("-t", "tmpfs", "-o", "ro,size=1m", "tmpfs", readonly)
    jobs = [{"name": "ro", "url": server.url("/ok/1000"), "output": readonly + "/a"},
            {"name": "ok", "url": server.url("/ok/1000"), "output": "b"}]
    result = h.once_jobs(jobs, daemon={"roots": [h.root, readonly]})
    if result.rc == 1:
        assert_failed(result, "write", "ro")
        h.expect({"b": body(1000)})
    else: # the roots may be probed before anything starts
        assert "readonly" in result.stderr


@pytest.mark.mount
def test_a_root_that_is_unmounted_and_comes_back(serve, server, mounter):
    """Workers go by its path, so the loop does, too; and what lies below the mount point is no place for a file."""
    s = serve(start=False)
    disk = os.path.join(s.tmp, "disk")
    os.mkdir(disk)
    mounter("-t", "tmpfs", "-o", "size=4m", "tmpfs", disk)
    s.write_config({}, roots=[disk])
    s.start()
    with s.client() as c:
        def end(name):
            job, = c.add({"url": server.url("/ok/1000?back"), "output": os.path.join(disk, name)})
            return c.wait_job(job)
        assert end("a")["state"] == "done"
        subprocess.run(["umount", "-l", disk], check=True)
        failed = end("b")
        assert (failed["state"], failed["code"]) == ("failed", "write"), failed
        assert "nothing is mounted at the root %s any more" % disk in failed["reason"] and os.listdir(disk) == []
        mounter("-t", "tmpfs", "-o", "size=4m", "tmpfs", disk)
        assert c.call("retry", job=failed["id"]) and c.wait_job(failed["id"])["state"] == "done"
        assert end("c")["state"] == "done"
        wait_until(lambda: sorted(os.listdir(disk)) == ["b", "c"])
        assert "another directory stands at a root" in s.log
    s.stop()


def test_a_mount_below_the_root_is_not_crossed(h, server, mounter):
    os.mkdir(h.path("mounted"))
    mounter("-t", "tmpfs", "-o", "size=1m", "tmpfs", h.path("mounted"))
    result = h.once_jobs([job(server.url("/ok/1000"), "mounted/a")])
    assert_failed(result, "path-refused")
    h.expect({})
