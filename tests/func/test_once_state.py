"""`hauld --once` goes on: the same command, after ^C or a death, does only what is missing."""

import contextlib
import itertools
import os
import signal

import pytest
from bodies import body, digest
from haul import assert_done
from waiting import wait_until

SIZE, HALF = 4 << 20, 2 << 20
NEAR = 256 << 10 # so many bytes may be fetched twice
KEYS = itertools.count()


def state_dirs(h):
    once = os.path.join(h.home, "state", "hauld", "once")
    return os.listdir(once) if os.path.isdir(once) else []


def parts(h):
    """The files of hauld's own; their directory comes and goes while it runs."""
    found = []
    for directory in h.leftovers():
        with contextlib.suppress(FileNotFoundError):
            found += [os.path.join(directory, f) for f in os.listdir(directory)]
    return found


def jobs(server, n_quick=3, **keys):
    """One that stops half-way, and some that do not."""
    quick = [{"name": "q%d" % i, "output": "q%d" % i, "url": server.url("/ok/1000?seed=q%d" % i)} for i in range(n_quick)]
    slow = {"name": "slow", "output": "slow", "stall-timeout": "1h",
            "url": server.url("/held/4M/2M/1?key=once%d" % next(KEYS)), **keys}
    return [*quick, slow]


def received(h):
    """Bytes in the part; it is what has been written."""
    sizes = [0]
    for path in parts(h):
        with contextlib.suppress(FileNotFoundError):
            sizes.append(os.stat(path).st_size if path.endswith(".part") else 0)
    return max(sizes)


def run_half(h, these, number):
    with h.start(config={"jobs": these}) as run:
        if these[:-1]:
            run.wait_event("end", len(these) - 1, state="done")
        wait_until(lambda: received(h) == HALF)
        run.interrupt(number)
        return run.finish()


def starts(server):
    asked = [dict(r["headers"]).get("Range") for r in server.requests("/held")]
    at = [int(a[6:-1]) if a else 0 for a in asked]
    return [HALF if HALF - NEAR <= a <= HALF else a for a in at]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("keys", [{}, {"checksum": digest(body(SIZE))}], ids=["plain", "digest"])
def test_the_same_command_does_what_is_missing(h, server, number, keys):
    these = jobs(server, **keys)
    result = run_half(h, these, number)
    assert result.rc == (-9 if number == signal.SIGKILL else 130)
    assert len(state_dirs(h)) == 1 and sorted(f.rsplit(".")[-1] for f in parts(h)) == ["map", "part"]
    quick = len(server.requests("/ok/"))
    result = h.once_jobs(these)
    assert_done(result)
    assert starts(server) == [0, HALF] and len(server.requests("/ok/")) == quick == 3
    h.expect({"slow": body(SIZE), **{"q%d" % i: body(1000, "q%d" % i) for i in range(3)}})
    assert state_dirs(h) == [] and result.job("slow")["attempts"] == 1


def test_a_third_run_begins_anew(h, server):
    these = jobs(server, 1)
    run_half(h, these, signal.SIGINT)
    assert_done(h.once_jobs(these))
    assert_done(h.once_jobs(these))
    assert starts(server) == [0, HALF, 0] and len(server.requests("/ok/")) == 2


def test_another_command_is_not_mixed_up_with_it(h, server):
    these = jobs(server, 1)
    run_half(h, these, signal.SIGINT)
    result = h.once_jobs([{**these[-1], "name": "other", "output": "other"}])
    assert_done(result)
    assert starts(server) == [0, 0]
    assert sorted(f.rsplit(".")[-1] for f in parts(h)) == ["map", "part"] and len(state_dirs(h)) == 1


def test_a_file_that_went_is_fetched_again(h, server):
    these = jobs(server, 2)
    run_half(h, these, signal.SIGINT)
    os.unlink(h.path("q0"))
    assert_done(h.once_jobs(these))
    assert len(server.requests("/ok/1000?seed=q0")) == 2 and len(server.requests("/ok/1000?seed=q1")) == 1


def test_two_runs_of_one_command_do_not_share(h, server):
    """The second remembers nothing, and leaves the first alone."""
    these = jobs(server, 0)
    with h.start(config={"jobs": these}) as run:
        wait_until(lambda: received(h) == HALF)
        assert_done(h.once_jobs(these))
        run.interrupt()
        assert run.finish().rc == 130
    assert len(state_dirs(h)) == 1
    assert_done(h.once_jobs(these))
    assert starts(server) == [0, 0, HALF]


def test_without_a_home_it_works_all_the_same(h, server):
    result = h.once_jobs([{"name": "a", "output": "a", "url": server.url("/ok/1M")}],
                         env={"HOME": "/proc/nowhere", "XDG_STATE_HOME": "/proc/nowhere/state"})
    assert_done(result)
    h.expect({"a": body(1 << 20)})


@pytest.mark.parametrize("text", ["", "1 2 3", "x", "1 1 1 1\n99999999999999999999999 1 1 1\n", "0 1 1 1\n-1\n", "\0\0\0\0"])
def test_a_damaged_list_is_believed_as_far_as_it_goes(h, server, text):
    these = jobs(server, 1)
    run_half(h, these, signal.SIGINT)
    [state] = state_dirs(h)
    with open(os.path.join(h.home, "state", "hauld", "once", state, "done"), "w") as f:
        f.write(text)
    assert_done(h.once_jobs(these))
    assert len(server.requests("/ok/")) == 2 and starts(server) == [0, HALF]
