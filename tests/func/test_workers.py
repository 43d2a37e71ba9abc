"""Workers that crash, hang or lie cost the task they were in one try, and nobody else any.

tests/lib/badworker.py is a worker that misbehaves when the destination of a task
says so: "crash-always", "hang-once" and so on.
"""

import os
import signal

import pytest
from bodies import body, digest
from haul import HERE, assert_done, build_dir, kill_quietly
from waiting import wait_until

SLICE = ("--slice-timeout", "2s")


def halfway(server, count, gate):
    """Jobs of 3 MiB, each with a checksum; half of that comes when the gate is opened."""
    return [{"name": "j%d" % i, "output": "%d" % i, "checksum": digest(body(3 << 20, i)), "stall-timeout": "1h",
             "url": server.url("/gate/3M/1536K?gate=%s&seed=%d" % (gate, i), "127.0.0.%d" % (1 + i % 8))}
            for i in range(count)]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_worker_is_replaced(h, server, workers):
    gate = "killed-%d" % workers
    with h.start(config={"daemon": {"workers": workers}, "jobs": halfway(server, 6, gate)}) as run:
        server.wait_requests(6)
        victim = run.wait_workers(workers)[0]
        kill_quietly(victim, signal.SIGKILL)
        wait_until(lambda: victim not in run.workers())
        server.open(gate)
        result = run.finish()
    assert_done(result)
    assert result.survivors == []
    h.expect({"%d" % i: body(3 << 20, i) for i in range(6)})


def test_all_workers_killed_twice(h, server):
    """Idle between slices, no task is to blame: nobody may fail for it."""
    with h.start(config={"daemon": {"workers": 2}, "jobs": halfway(server, 4, "twice")}) as run:
        server.wait_requests(4)
        seen = set()
        for _round in range(2):
            fresh = wait_until(lambda: [p for p in run.workers() if p not in seen])
            for pid in fresh:
                kill_quietly(pid, signal.SIGKILL)
            seen.update(fresh)
        server.open("twice")
        result = run.finish()
    assert result.survivors == []
    for i, job in enumerate(result.jobs):
        assert job["state"] == "done" or job["code"] == "worker-crashed", result
        if job["state"] == "done":
            assert h.published()["%d" % i] == body(3 << 20, i)
    assert h.leftovers() == []


def test_a_worker_killed_while_unpacking(h, server, real, plain):
    jobs = [{"name": "j%d" % i, "output": "%d" % i, "decompress": "xz",
             "url": server.url("/file/plain.bin.xz?piece=65536&delay=0.08", "127.0.0.%d" % (1 + i))}
            for i in range(3)]
    with h.start(config={"daemon": {"workers": 1}, "jobs": jobs}) as run:
        server.wait_requests(3)
        kill_quietly(run.wait_workers(1)[0], signal.SIGKILL)
        result = run.finish()
    assert_done(result)
    h.expect({"%d" % i: plain for i in range(3)})


@pytest.mark.slow
def test_a_stopped_worker_is_replaced(h, server):
    """SIGSTOP: it hangs in whatever it is at."""
    with h.start(*SLICE, config={"daemon": {"workers": 1}, "jobs": halfway(server, 4, "stopped")}) as run:
        server.wait_requests(4)
        pid = run.wait_workers(1)[0]
        os.kill(pid, signal.SIGSTOP)
        try:
            server.open("stopped")
            result = run.finish()
        finally:
            kill_quietly(pid)
    assert result.survivors == []
    assert_done(result)
    h.expect({"%d" % i: body(3 << 20, i) for i in range(4)})


def test_a_worker_program_that_is_not_there(h, server):
    result = h.once("--worker-path", "/nonexistent/hauld-worker", server.url("/ok/1000"), timeout=30)
    assert result.rc == 1 and "/nonexistent/hauld-worker" in result.stderr + result.stdout
    assert h.published() == {}


@pytest.mark.parametrize("path", ["/bin/true", "/bin/cat"])
def test_a_worker_program_that_is_no_worker(h, server, path):
    """It must end: workers that are worth nothing are not started for ever."""
    result = h.once("--worker-path", path, server.url("/ok/1000"), timeout=20)
    assert result.rc == 1
    assert h.published() == {}


# ---- the test worker

@pytest.fixture
def bad_worker(h, tmp):
    path = os.path.join(HERE, "badworker.py")
    marks = os.path.join(tmp, "marks")
    os.mkdir(marks)

    def run(jobs, workers=2, timeout=60, **kwargs):
        config = {"defaults": {"retry": 0}, "daemon": {"workers": workers}, "jobs": jobs}
        return h.once(*SLICE, "--worker-path", path, config=config, timeout=timeout,
                      env={"BAD_WORKER_DIR": marks, "HAUL_BUILD_DIR": build_dir()}, **kwargs)
    return run


def with_victims(server, word, size):
    """One bad job among good ones."""
    jobs = [{"name": word, "output": word, "checksum": digest(body(size, "bad")),
             "url": server.url("/ok/%d?seed=bad" % size)}]
    jobs += [{"name": "good%d" % i, "output": "good%d" % i, "checksum": digest(body(size, i)),
              "url": server.url("/ok/%d?seed=%d" % (size, i), "127.0.0.%d" % (2 + i))}
             for i in range(8)]
    return jobs, {"good%d" % i: body(size, i) for i in range(8)}


SIZES = pytest.mark.parametrize("size", [1000, 900000], ids=["small", "large"])


@SIZES
@pytest.mark.parametrize("word", ["crash-always", "lie-always",
                                  pytest.param("hang-always", marks=pytest.mark.slow)])
def test_a_job_that_kills_every_worker_fails_by_name(h, server, bad_worker, word, size):
    jobs, good = with_victims(server, word, size)
    result = bad_worker(jobs)
    assert result.word(word) == "worker-crashed", result
    assert word in result.job(word)["output"] or word in result.job(word)["reason"]
    assert result.summary["failed"] == 1 and result.rc == 1
    h.expect(good)


def test_a_job_that_kills_every_worker_fails_while_its_body_still_comes(h, server, bad_worker):
    """The transfer has no end of its own here."""
    jobs = [{"name": "crash-always", "output": "crash-always", "retry": 0,
             "checksum": digest(body(10)), "url": server.url("/stall/1G/2M")},
            {"name": "good", "output": "good", "url": server.url("/ok/900000?seed=1")}]
    result = bad_worker(jobs)
    assert result.word("crash-always") == "worker-crashed", result
    h.expect({"good": body(900000, 1)})


@SIZES
@pytest.mark.parametrize("word", ["crash-once", "hang-once", "lie-once"])
def test_a_worker_that_fails_once_costs_nothing(h, server, bad_worker, word, size):
    jobs, good = with_victims(server, word, size)
    result = bad_worker(jobs)
    assert_done(result)
    h.expect({word: body(size, "bad"), **good})


@pytest.mark.parametrize("fsync", ["off", "full"])
@SIZES
def test_a_worker_that_dies_behind_its_rename(h, server, bad_worker, size, fsync):
    """The file stands under its name, and nobody has said so: it is found by its
    inode and verified there, not fetched twice."""
    jobs, good = with_victims(server, "lost-once", size)
    result = bad_worker([{**j, "fsync": fsync} for j in jobs])
    assert_done(result)
    assert len(server.requests("seed=bad")) == 1
    h.expect({"lost-once": body(size, "bad"), **good})


@SIZES
def test_a_worker_that_dies_behind_the_rename_of_a_file_that_nobody_may_write(h, server, bad_worker, size):
    """Without what root may do beyond its modes, and without a checksum that would find the file."""
    common = ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"] if os.geteuid() == 0 else []
    jobs, good = with_victims(server, "lost-once", size)
    del jobs[0]["checksum"]
    result = bad_worker([{**j, "mode": "0444"} for j in jobs], prefix=common)
    assert_done(result)
    assert len(server.requests("seed=bad")) == 1
    h.expect({"lost-once": body(size, "bad"), **good})


@pytest.mark.parametrize("checksum", [True, False], ids=["checksum", "none"])
def test_a_worker_that_dies_behind_unpacking(h, server, real, plain, bad_worker, checksum):
    """The packed part is gone as well: fetched anew, at no cost of a repeat."""
    job = {"name": "lost-once", "output": "lost-once", "decompress": "gzip",
           "url": server.url("/file/plain.bin.gz")}
    if checksum:
        with open(real["gzip"], "rb") as packed:
            job["checksum"] = digest(packed.read())
    result = bad_worker([job])
    assert_done(result)
    assert len(server.requests("plain.bin.gz")) <= 2
    h.expect({"lost-once": plain})


def test_a_killer_does_not_take_its_neighbours_along(h, server, bad_worker):
    """Three bad jobs with one worker: each good one still has its tries."""
    jobs, good = with_victims(server, "crash-always", 900000)
    jobs += [{"name": "crash-always-%d" % i, "output": "crash-always-%d" % i,
              "url": server.url("/ok/900000?seed=%d" % i, "127.0.0.1%d" % i),
              "checksum": digest(body(900000, i))} for i in range(2)]
    result = bad_worker(jobs, workers=1)
    assert (result.summary["failed"], result.summary["done"]) == (3, 8), result
    h.expect(good)
