"""What the publishing of a whole set does when its system calls fail: the old set stays as it was, its members
say why, and a retry puts it right."""

import errno
import os
import signal

import pytest
from bodies import body
from faults import HANG, Board, FaultyService, rule
from test_atomic import N, config, member, nothing_left, read_set, wait_all, whole
from waiting import wait_until

CHANGED = 2 # members that are fetched; the others are linked
NEVER = rule("nobody", "fsync", nth=0)


@pytest.fixture
def faulty(tmp, server):
    """A hauld whose first set stands there; it is down."""
    board = Board(tmp)
    s = FaultyService(tmp, board, NEVER, start=False)
    s.write_config(config(server, s.root, 500), workers=1)
    s.start()
    wait_all(s)
    s.stop()
    yield s
    s.close()


def second(server, s):
    conf = config(server, s.root, 500)
    for i in range(CHANGED):
        conf["jobs"][i] = member(server, s.root, i, seed=501)
    return conf


NEW = {**whole(500), **{"f%d" % i: body(1000, "501") for i in range(CHANGED)}}


def publish_second(server, s, the_rule):
    """The states of those that were fetched, when the run is over."""
    s.rule = the_rule
    s.write_config(second(server, s), workers=1)
    s.start()
    wait_all(s)
    with s.client() as c:
        return [c.show("m%d" % i) for i in range(CHANGED)]


def judge(server, s, jobs):
    """One set or the other, and what the jobs say agrees; then it is put right."""
    found = read_set(s.path("set"))
    done = [j for j in jobs if j["state"] == "done"]
    assert len(done) in (0, CHANGED), jobs
    assert found == (NEW if done else whole(500)), ({k: v[:8] for k, v in found.items()}, jobs)
    for j in jobs:
        if not done:
            assert j["state"] in ("failed", "cancelled") and len(j["reason"]) > 10 and "\n" not in j["reason"], j
    s.board.end()
    with s.client() as c:
        if not done:
            c.call("retry", jobs=[j["id"] for j in jobs])
            assert wait_all(s)["live"] == 0
            assert {c.show(j["id"])["state"] for j in jobs} == {"done"}, s.log
    assert read_set(s.path("set")) == NEW
    return not done


def ends_clean(s):
    wait_until(lambda: os.listdir(s.root) == ["set"] and ".haul" not in os.listdir(s.path("set")))


@pytest.mark.parametrize("count", [1, 0], ids=["once", "always"])
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EXDEV, errno.ENOSYS, errno.EPERM], ids=errno.errorcode.get)
def test_an_exchange_that_fails_leaves_the_old_set(faulty, server, error, count):
    s = faulty
    jobs = publish_second(server, s, rule("hauld-worker", "rename", s.path("set"), count=count, error=error))
    assert s.board.hits == 1, s.board.hit
    if error == errno.ENOSYS:
        assert {j["code"] for j in jobs} == {"path-refused"} and "does not exchange names" in jobs[0]["reason"]
    else:
        assert os.strerror(error) in jobs[0]["reason"] and "exchange" in jobs[0]["reason"], jobs[0]
    assert judge(server, s, jobs)
    ends_clean(s)


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EXDEV], ids=errno.errorcode.get)
def test_a_link_that_fails_leaves_the_old_set(faulty, server, error):
    s = faulty
    jobs = publish_second(server, s, rule("hauld-worker", "linkat", s.path(".haul-group-whole"), nth=2, count=0, error=error))
    assert s.board.hits == 1 and os.strerror(error) in jobs[0]["reason"]
    assert "cannot link %s/f" % s.path("set") in jobs[0]["reason"], jobs[0]
    assert judge(server, s, jobs)
    ends_clean(s)


@pytest.mark.parametrize("error", [errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS], ids=errno.errorcode.get)
def test_without_links_it_is_copied(faulty, server, error):
    s = faulty
    os.utime(s.path("set", "f5"), (10**9, 10**9))
    os.chmod(s.path("set", "f5"), 0o640)
    before = os.stat(s.path("set", "f5"))
    jobs = publish_second(server, s, rule("hauld-worker", "linkat", s.path(".haul-group-whole"), count=0, error=error))
    assert s.board.hits == N - CHANGED and not judge(server, s, jobs)
    after = os.stat(s.path("set", "f5"))
    assert after.st_ino != before.st_ino and after.st_mode == before.st_mode and after.st_mtime == before.st_mtime
    assert after.st_nlink == 1
    ends_clean(s)


class TwoRules(FaultyService):
    """Where neither links nor copies within the kernel are to be had: powercut.so, which
    refuses those, stands behind faults.so, which refuses links."""

    def environment(self):
        env = super().environment()
        return {**env, "LD_PRELOAD": env["LD_PRELOAD"] + ":" + os.path.join(os.path.dirname(env["LD_PRELOAD"]), "powercut.so")}


def test_without_copies_in_the_kernel_it_is_copied_by_hand(faulty, server):
    faulty.__class__ = TwoRules
    test_without_links_it_is_copied(faulty, server, errno.EPERM)


@pytest.mark.parametrize("call, error, nth", [
    (call, error, nth)
    for call, errors, most in (("fsync", [errno.EIO, errno.ENOSPC], 9), ("unlinkat", [errno.EIO, errno.EPERM], 9),
                               ("fchmod", [errno.EPERM], 3))
    for error in errors for nth in range(1, most + 1)])
def test_whichever_call_fails_it_is_one_set_or_the_other(faulty, server, call, error, nth):
    """Once, the n-th of the publishing's and of the members' own; a call that is not reached fails nothing."""
    s = faulty
    jobs = publish_second(server, s, rule("hauld-worker", call, s.root, nth=nth, error=error))
    failed = judge(server, s, jobs)
    assert failed <= s.board.hits <= 1 and (nth > 1 or s.board.hits), s.board.hit # no room: it has come again by itself
    if call != "unlinkat" or failed:
        ends_clean(s)


@pytest.mark.parametrize("call", ["fsync", "unlinkat", "fchmod"])
@pytest.mark.parametrize("error", [errno.EIO, errno.EPERM], ids=errno.errorcode.get)
def test_while_a_call_fails_nothing_is_lost(faulty, server, call, error):
    """For as long as it lasts; what could not be removed goes with the next set."""
    s = faulty
    jobs = publish_second(server, s, rule("hauld-worker", call, s.root, count=0, error=error))
    assert s.board.hits
    judge(server, s, jobs)
    s.reload(config(server, s.root, 502))
    wait_all(s)
    assert read_set(s.path("set")) == whole(502)
    ends_clean(s)


def test_the_exchange_is_taken_back_when_it_cannot_be_synced(faulty, server):
    """fsync of the parent alone, behind the exchange: the reader has the old set again."""
    s = faulty
    taken_back = []
    before = os.stat(s.path("set")).st_ino
    for nth in 3 * list(range(1, 10)): # how many there are depends on who is published together
        board = s.board = Board(os.path.dirname(s.board.path))
        jobs = publish_second(server, s, rule("hauld-worker", "fsync", s.root, nth=nth, error=errno.EIO))
        if board.hit.endswith(" " + s.root) and "sync the directory of" in jobs[0]["reason"] and "/set:" in jobs[0]["reason"]:
            taken_back.append(os.stat(s.path("set")).st_ino == before)
        judge(server, s, jobs)
        s.reload(config(server, s.root, 500), workers=1)
        wait_all(s)
        before = os.stat(s.path("set")).st_ino
        s.stop()
        if taken_back:
            break
    assert taken_back == [True]


@pytest.mark.parametrize("call, where", [("linkat", ".haul-group-whole"), ("rename", "set")])
def test_who_comes_while_the_set_is_published_begins_behind_it(faulty, server, call, where):
    """What is the stage to it would be the directory before it is done, and its file there by itself."""
    s = faulty
    s.rule = rule("hauld-worker", call, s.path(where), error=HANG)
    s.write_config(second(server, s), workers=2)
    s.start()
    wait_until(lambda: s.board.hits)
    conf = second(server, s)
    conf["jobs"] += [member(server, s.root, N, seed=502)]
    s.write_config(conf, workers=2)
    with s.client() as c:
        s.signal(signal.SIGHUP)
        s.wait_log("configuration loaded added=1 ")
        c.wait_state("m%d" % N, "queued", why="group-publish")
        assert "being published at once" in c.call("why", job="m%d" % N)["jobs"][0]["text"]
        assert not server.requests("seed=502")
        s.board.end()
        wait_all(s)
        assert c.show("m%d" % N)["state"] == "done"
    assert read_set(s.path("set")) == {**NEW, "f%d" % N: body(1000, "502")}
    assert len(s.log_lines("published as a whole")) == 2
    wait_until(lambda: nothing_left(s))


@pytest.mark.parametrize("call", ["fsync", "rename"])
@pytest.mark.parametrize("how", ["job", "group"])
def test_who_is_paused_on_its_way_into_the_stage_is_paused(faulty, server, how, call):
    """And not only when the set stands there: it is no part of it until it is resumed."""
    s = faulty
    s.rule = rule("hauld-worker", call, s.root, error=HANG)
    conf = config(server, s.root, 500)
    conf["jobs"][0] = member(server, s.root, 0, seed=501)
    s.write_config(conf, workers=1)
    s.start()
    wait_until(lambda: s.board.hits)
    with s.client() as c:
        number = c.send("pause", jobs=["m0"]) if how == "job" else c.send("pause", group="whole")
        assert c.call("version")
        s.board.end()
        c.answer(number)
        if how == "job":
            c.wait_state("m0", "paused")
            assert read_set(s.path("set")) == whole(500)
        c.call("resume", **({"jobs": ["m0"]} if how == "job" else {"group": "whole"}))
        assert c.wait_job("m0")["state"] == "done"
    assert read_set(s.path("set")) == {**whole(500), "f0": body(1000, "501")}
