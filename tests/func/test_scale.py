"""Very many queued jobs are cheap: in memory, and over a restart (bench/scale measures a
million of them)."""

import signal

import pytest
from lateness import asked_again, assert_never_late
from service import sanitized

URL_BYTES = 60
BYTES_A_JOB = 420 # of 400 MiB for a million


def queue(c, server, first, upto):
    """Jobs with urls of that length, in batches, to a thousand hosts."""
    for at in range(first, upto, 2000):
        jobs = [{"url": ("http://127.1.%d.%d:%d/%d/" % (i // 100 % 10, i % 100, server.port, i)).ljust(URL_BYTES, "x"),
                 "output": "d%d/f%d" % (i % 100, i)} for i in range(at, at + 2000)]
        assert len(c.add(*jobs)) == 2000


def hold(c, server):
    """One that runs for ever: all others wait."""
    held = c.add({"url": server.url("/stall/1M/64K?held"), "output": "held", "stall-timeout": "1h"})[0]
    c.wait_state(held, "active", "download")
    return held


@pytest.mark.skipif(sanitized(), reason="a sanitizer's memory is not ours")
@asked_again
def test_a_queued_job_is_small_now_and_after_a_restart(serve, server):
    """What is made once for all of them is there with the first 20,000, but for the journal of
    events, which has a bound of its own."""
    s = serve(max_concurrent_downloads=1, event_memory=0)
    with s.client() as c:
        held = hold(c, server)
        queue(c, server, 0, 20000)
        before = s.rss()
        queue(c, server, 20000, 60000)
        each = (s.rss() - before) / 40000
        print("\n%.0f bytes a job" % each)
        assert each < BYTES_A_JOB
        full = s.rss()
    s.process.kill()
    assert s.wait_exit() == -signal.SIGKILL
    s.start()
    with s.client() as c:
        c.wait_state(held, "active", "download") # dispatching goes on
        jobs = c.call("status")["jobs"]
        # another may have had the slot while its directory was swept, and waits for its next try
        assert (jobs["queued"] + jobs["blocked"], jobs["active"]) == (60000, 1)
        print("%.1f MiB before the restart, %.1f behind it" % (full / (1 << 20), s.rss() / (1 << 20)))
        assert s.rss() < full * 1.1
        assert_never_late(c)
        assert len(c.list_all(limit=1000)) == 60001
        c.call("cancel", jobs=[held])
