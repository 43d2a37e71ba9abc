"""^C and SIGTERM: prompt, exit status 130, nothing under a final name."""

import os
import signal

import pytest
from bodies import body

NUMBERS = [signal.SIGINT, signal.SIGTERM]


def slow_jobs(server, count=5):
    """They take longer than anybody waits: a run that ends was ended."""
    return [{"name": "s%d" % i, "output": "s%d" % i,
             "url": server.url("/drip/10M/64K/2?i=%d" % i, "127.0.0.%d" % (1 + i))}
            for i in range(count)]


def run_and_signal(h, server, number, jobs, ready, **kwargs):
    with h.start(config={"jobs": jobs}, **kwargs) as run:
        ready(run)
        run.interrupt(number)
        result = run.finish()
    assert result.survivors == []
    return result


@pytest.mark.parametrize("number", NUMBERS)
def test_in_the_middle_of_downloads(h, server, number):
    result = run_and_signal(h, server, number, slow_jobs(server),
                            lambda run: server.wait_requests(5))
    assert result.rc == 130, result
    assert h.published() == {}
    assert result.summary["done"] == 0
    assert len(result.jobs) == 5 and {j["state"] for j in result.jobs} <= {"cancelled", "failed"}


@pytest.mark.parametrize("number", NUMBERS)
def test_what_was_done_before_stays_done(h, server, number):
    jobs = [{"name": "quick", "url": server.url("/ok/300000"), "output": "quick"}]
    result = run_and_signal(h, server, number, jobs + slow_jobs(server, 2),
                            lambda run: run.wait_event("end", state="done"))
    assert result.rc == 130
    assert result.job("quick")["state"] == "done"
    assert h.published() == {"quick": body(300000)}


def test_while_jobs_wait_in_the_queue(h, server):
    jobs = slow_jobs(server, 2) + [
        {"name": "q%d" % i, "url": server.url("/ok/10"), "output": "q%d" % i} for i in range(100)]
    config = {"daemon": {"max-concurrent-downloads": 2}, "jobs": jobs}
    with h.start(config=config) as run:
        server.wait_requests(2)
        run.interrupt()
        result = run.finish()
    assert result.rc == 130 and len(result.jobs) == 102 and h.published() == {}


def test_while_a_retry_waits(h, server):
    jobs = [{"name": "r", "url": server.url("/status/503?retry-after=60"), "output": "r",
             "retry": 100}]
    result = run_and_signal(h, server, signal.SIGINT, jobs, lambda run: run.wait_event("retry"))
    assert result.rc == 130


def test_while_connecting_to_silence(h, server):
    jobs = [{"name": "r", "url": server.url("/slow-headers"), "output": "r"}]
    result = run_and_signal(h, server, signal.SIGINT, jobs, lambda run: server.wait_requests(1))
    assert result.rc == 130 and h.published() == {}


def test_a_second_signal_ends_at_once(h, server):
    with h.start(config={"jobs": slow_jobs(server)}) as run:
        server.wait_requests(5)
        run.interrupt()
        run.interrupt()
        result = run.finish()
    assert result.rc in (130, -signal.SIGINT) and h.published() == {}


def test_the_summary_comes_after_an_interrupt(h, server):
    result = run_and_signal(h, server, signal.SIGINT, slow_jobs(server),
                            lambda run: server.wait_requests(5), json=False)
    assert result.rc == 130
    assert len([line for line in result.stdout.splitlines()
                if line.startswith(("cancelled ", "failed "))]) == 5, result


def test_a_hangup_of_the_reader_is_no_crash(h, server):
    """stdout is a pipe whose reader has gone."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        result = h.once(server.url("/ok/1000"), popen={"stdout": writing})
    finally:
        os.close(writing)
    assert result.rc in (0, 1)
    h.expect({"1000": body(1000)})


def test_a_stuck_stderr_stops_nothing(h, server):
    """stderr is a full pipe that nobody reads: messages are lost, downloads are not."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    try:
        while True:
            os.write(writing, b"x" * 4096)
    except BlockingIOError:
        pass
    os.set_blocking(writing, True)
    try:
        jobs = [{"name": "j%d" % i, "url": server.url("/status/404" if i % 2 else "/ok/1000"),
                 "output": "%d" % i, "retry": 0} for i in range(40)]
        result = h.once(config={"daemon": {"log-level": "debug"}, "jobs": jobs},
                        popen={"stderr": writing})
    finally:
        os.close(writing)
        os.close(reading)
    assert (result.summary["done"], result.summary["failed"]) == (20, 20)


@pytest.mark.parametrize("setting", ["limit-rate", "max-overall-download-limit"])
def test_while_transfers_are_held(h, server, setting):
    """A held transfer that is taken away must not be looked for any more."""
    jobs = [{"name": "s%d" % i, "output": "s%d" % i, "url": server.url("/ok/8M?i=%d" % i),
             **({setting: "100K"} if setting == "limit-rate" else {})} for i in range(4)]
    daemon = {} if setting == "limit-rate" else {setting: "100K"}
    with h.start(config={"daemon": daemon, "jobs": jobs}) as run:
        server.wait_requests(4)
        run.interrupt(signal.SIGINT)
        result = run.finish()
    assert result.rc == 130, result
    h.expect({})
