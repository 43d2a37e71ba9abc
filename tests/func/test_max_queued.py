"""The queue is bounded: add is refused above max-queued, or waits for room."""

import threading

import pytest
from service import Gone, request
from waiting import wait_until


def stalled(server, n, **keys):
    return {"url": server.url("/stall/1M/64K?mq-%s" % n), "output": "s%s" % n, "stall-timeout": "1h", "fsync": "off", **keys}


def quick(server, n, **keys):
    return {"url": server.url("/ok/1?mq-%s" % n), "output": "q%s" % n, "fsync": "off", **keys}


def used(c):
    return [x["used"] for x in c.call("status")["limits"] if x["name"] == "max-queued"][0]


def test_above_it_add_is_refused(serve, server):
    config = {"jobs": [{"name": "c%d" % i, "paused": True, **quick(server, "c%d" % i)} for i in range(5)]}
    s = serve(config, max_queued=3)
    c = s.client()
    assert used(c) == 0 # those of the configuration do not count
    ids = c.add(stalled(server, 1), stalled(server, 2, paused=True))
    error = c.refused("add", jobs=[quick(server, 1), quick(server, 2)])
    assert error.word == "too-many" and "max-queued is 3" in error.text
    ids += c.add(stalled(server, 3))
    assert used(c) == 3 and c.refused("add", job=quick(server, 1)).word == "too-many"
    for verb in (["add"], ["get"], ["gather"]):
        done = s.ctl(*verb, server.url("/ok/1"))
        assert done.rc != 0 and "the queue is full" in done.err and "--block" in done.err
    # nothing of what was refused is left behind
    c.call("cancel", job=ids[0])
    assert used(c) == 2
    c.add(quick(server, 1, name="q1"))
    c.wait_job("q1")
    # a retry is let in: it was there before
    c.add(stalled(server, 4))
    assert used(c) == 3
    c.call("retry", job=ids[0])
    assert used(c) == 4
    assert server.requests("mq-c") == []


def test_more_than_there_can_be(serve, server):
    c = serve(max_queued=2).client()
    for block in (True, False):
        error = c.refused("add", jobs=[quick(server, i) for i in range(3)], block=block)
        assert error.word == "too-many" and "these are 3 jobs, and max-queued is 2" in error.text
    assert c.refused("add", job=quick(server, 1), block=1).word == "invalid-params"
    assert used(c) == 0


def test_without_it_there_is_no_bound(serve, server):
    c = serve().client()
    c.add(*[stalled(server, i, paused=True) for i in range(2000)], block=True)
    assert "max-queued" not in [x["name"] for x in c.call("status")["limits"]]


def test_one_that_waits_comes_when_there_is_room(serve, server):
    """In order of arrival; who does not wait does not pass."""
    s = serve(max_queued=2)
    c, first, second = s.client(), s.client(), s.client()
    ids = c.add(stalled(server, 1), stalled(server, 2))
    a = first.send("add", jobs=[stalled(server, 3), stalled(server, 4)], block=True)
    wait_until(lambda: c.call("status")["clients"] == 3)
    first_waits = first.send("version") # behind it: a client's requests are taken in order
    b = second.send("add", job=stalled(server, 5), block=True)
    c.answered_so_far()
    c.call("cancel", job=ids[0])
    # there is room for one, and the first needs two
    assert c.refused("add", job=quick(server, 1)).word == "too-many"
    assert used(c) == 1
    c.call("cancel", job=ids[1])
    later = [j["id"] for j in first.answer(a)["jobs"]]
    assert len(later) == 2 and first.answer(first_waits)["protocol"] == 1
    c.call("cancel", jobs=later)
    assert len(second.answer(b)["jobs"]) == 1
    assert used(c) == 1


def test_one_whose_client_goes_while_it_waits(serve, server):
    s = serve(max_queued=1)
    c = s.client()
    job, = c.add(stalled(server, 1))
    gone = s.client()
    gone.send_bytes(request("add", 1, job=quick(server, "gone"), block=True))
    wait_until(lambda: c.call("status")["clients"] == 2)
    gone.close()
    wait_until(lambda: c.call("status")["clients"] == 1)
    c.call("cancel", job=job)
    c.wait_job(c.add(quick(server, "next"))[0])
    assert [r["path"] for r in server.requests("mq-gone")] == []


def test_a_reload_makes_room_and_takes_it(serve, server):
    s = serve(max_queued=1)
    c, other = s.client(), s.client()
    c.add(stalled(server, 1))
    number = other.send("add", job=stalled(server, 2), block=True)
    s.reload({}, max_queued=2)
    assert len(other.answer(number)["jobs"]) == 1
    s.reload({}, max_queued=1)
    assert used(c) == 2 and c.refused("add", job=quick(server, 1)).word == "too-many"
    s.reload({})
    c.wait_job(c.add(quick(server, 1))[0])


def test_drain_tells_those_that_wait(serve, server):
    s = serve(max_queued=1)
    c, other = s.client(), s.client()
    job, = c.add(stalled(server, 1))
    number = other.send("add", job=quick(server, 2), block=True)
    wait_until(lambda: c.call("status")["clients"] == 2)
    c.send("drain")
    message = other.message(number)
    assert message["error"]["data"]["word"] == "draining"
    with s.client() as last:
        try:
            last.call("cancel", job=job)
        except Gone:
            pass
    assert s.wait_exit() == 0


def test_over_a_restart(serve, server):
    s = serve(max_queued=2)
    c = s.client()
    c.add(stalled(server, 1), quick(server, "done"))
    wait_until(lambda: used(c) == 1)
    s.stop()
    with s.start().client() as c:
        assert used(c) == 1
        c.add(stalled(server, 2))
        assert c.refused("add", job=quick(server, 3)).word == "too-many"


@pytest.mark.slow
def test_haulctl_adds_a_long_list_as_room_comes(serve, server, tmp):
    s = serve(max_queued=20, max_connections_per_host=10)
    text = "".join("%s\n  out=l%d\n  fsync=off\n" % (server.url("/ok/1?mq-list"), i) for i in range(300))
    c = s.client()
    most = []

    def watch():
        with s.client() as other:
            while not over.is_set():
                most.append(used(other))
    over = threading.Event()
    watcher = threading.Thread(target=watch)
    watcher.start()
    done = s.ctl("add", "-i", "-", stdin=text)
    assert done.rc != 0 and "these are 300 jobs, and max-queued is 20" in done.err and "--block" in done.err
    done = s.ctl("add", "--block", "-i", "-", stdin=text)
    over.set()
    watcher.join()
    assert done.rc == 0 and len(done.out.split()) == 300, done
    assert max(most) <= 20
    c.call("wait", jobs=[int(i) for i in done.out.split()])
    assert len(server.requests("mq-list")) == 300


@pytest.mark.parametrize("verb", ["gather", "import"])
def test_every_verb_that_adds_can_wait_for_room(serve, server, verb):
    s = serve(max_queued=2, max_connections_per_host=10)
    text = "".join("%s\n" % server.url("/ok/%d?mq-%s" % (i + 1, verb)) for i in range(6))
    first = {"gather": ["-i", "-"], "import": ["wget", "-"]}[verb]
    assert "these are 6 jobs" in s.ctl(verb, *first, stdin=text).err
    done = s.ctl(verb, "--block", *first, stdin=text)
    assert done.rc == 0, done
    if verb == "gather":
        assert [line.split()[1] for line in done.out.splitlines()] == [s.path(str(i + 1)) for i in range(6)]
    else:
        assert s.ctl("wait", *done.out.split()).rc == 0 and len(done.out.split()) == 6
    assert len(server.requests("mq-%s" % verb)) == 6
