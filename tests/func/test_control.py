"""The control socket of a real hauld: methods, errors, what clients may do (haul-rpc(7))."""

import json
import os
import socket
import subprocess
import threading
import time

import pytest
from bodies import body, digest
from haul import program
from lateness import asked_again, assert_never_late
from servers import header_of
from service import Client, Gone, RpcError, request, sanitized
from waiting import PATIENCE, wait_until

STATES = ["queued", "blocked", "active", "paused", "done", "failed", "cancelled"]
BRIEF = {"id", "name", "state", "phase", "why", "output", "url", "priority", "attempts", "total", "received",
         "processed", "unpacked", "published", "rate", "code", "reason", "retry_in_ms", "seconds", "origin", "uid",
         "added", "ended", "next_run"}


def stalled(server, output="stalled", **keys):
    """A job that does not end by itself."""
    return {"url": server.url("/stall/1M/64K?" + output), "output": output, "stall-timeout": "1h", "fsync": "off", **keys}


def good(server, output="good", size=1000, **keys):
    return {"url": server.url("/ok/%d" % size), "output": output, "fsync": "off", **keys}


def states(jobs):
    return [j["state"] for j in jobs]


# ---- methods, their results

def test_version_and_status(serve):
    s = serve(max_concurrent_downloads=3)
    with s.client() as c:
        version = c.call("version")
        assert version["protocol"] == 1 and version["pid"] == s.pid and "libcurl" in version["libraries"]
        status = c.call("status")
        assert status["state"] == "running" and status["pid"] == s.pid and status["version"] == version["version"]
        assert status["jobs"] == dict.fromkeys(STATES, 0) and status["clients"] == 1
        assert status["config"] == s.conf and status["socket"] == s.socket
        assert {"name": "max-concurrent-downloads", "used": 0, "limit": 3} in status["limits"]
        assert [d["root"] for d in status["disks"]] == [s.root] and status["disks"][0]["free"] > 0
        assert status["loop"]["callbacks"] > 0 and status["binding"] is None and status["waiting"] == {}
        assert c.call("workers")["limit"] == status["workers"]["limit"]


def test_status_tells_what_waits_and_why(serve, server):
    s = serve(max_concurrent_downloads=1)
    with s.client() as c:
        ids = c.add(*[stalled(server, "j%d" % i) for i in range(5)])
        c.wait_state(ids[0], "active", "download")
        status = c.call("status")
        assert status["jobs"]["active"] == 1 and status["jobs"]["queued"] == 4
        assert status["waiting"] == {"global-limit": 4} and status["binding"] == "max-concurrent-downloads"
        assert c.show(ids[4])["why"] == "global-limit" and c.show(ids[0])["why"] is None
        workers = c.call("workers")["workers"]
        assert len(workers) == status["workers"]["running"] and {w["pid"] for w in workers} <= set(s.workers())


def test_a_job_from_its_add_to_its_end(serve, server):
    s = serve()
    with s.client() as c:
        added = c.call("add", job={"url": server.url("/ok/300K"), "output": "dir/a", "name": "one", "priority": -3,
                                   "checksum": digest(body(300 << 10)), "user": "me:secret-word"})
        assert added == {"jobs": [{"id": 1, "name": "one"}]}
        job = c.wait_job("one")
        assert BRIEF <= set(job) and job["id"] == 1 and job["state"] == "done" and job["code"] == "done"
        assert job["output"] == s.path("dir/a") and job["published"] == job["received"] == 300 << 10
        assert job["total"] == 300 << 10
        assert job["uid"] == os.getuid() and job["origin"] == "client" and job["priority"] == -3
        full = c.show("one")
        assert {k: v for k, v in full.items() if k in BRIEF} == job
        assert full["receipt"]["proof"] == "length" and full["last"] is None
        assert full["receipt"]["digest"] == {"sha256": digest(body(300 << 10))[7:]}
        assert full["settings"]["user"] == "(secret)" and full["settings"]["name"] == "one"
        assert c.show("1")["name"] == "one" # a string of digits is an id
    with open(s.path("dir/a"), "rb") as f:
        assert f.read() == body(300 << 10)
    assert "secret-word" not in s.log


def test_the_effective_configuration_has_no_secret(serve, server):
    begin = int(time.time())
    s = serve({"defaults": {"retry": 3, "header": ["X-Key: secret-word"]},
               "hosts": [{"match": "*.example.org", "max-connections": 2, "header": ["X-Key: secret-word"]}],
               "groups": [{"name": "nightly"}],
               "jobs": [good(server, "a", name="a")]}, max_concurrent_downloads=7)
    with s.client() as c:
        config = c.call("config")
    assert config["file"] == s.conf and config["jobs"] == 1 and begin <= config["loaded"] <= time.time()
    assert config["daemon"]["max-concurrent-downloads"] == 7 and config["daemon"]["roots"] == [s.root]
    assert config["daemon"]["control-policy"] == "submit" and config["defaults"]["retry"] == 3
    assert config["defaults"]["connect-timeout"] == "10s" and config["groups"] == [{"name": "nightly"}]
    assert config["hosts"] == [{"match": "*.example.org", "max-connections": 2, "header": ["(secret)"]}]
    assert "secret-word" not in json.dumps(config)


def test_check_reads_the_file_and_takes_nothing(serve):
    s = serve()
    with s.client() as c:
        assert c.call("check") == {"ok": True}
        s.write_config({"daemon": {"max-concurrent-downloads": 0}, "jobs": [{"name": "1"}]})
        error = c.refused("check")
        assert error.word == "configuration" and error.code == -32007
        assert len(error.data["errors"]) >= 2 and all(e.startswith(s.conf + ":") for e in error.data["errors"])
        assert c.call("config")["daemon"]["max-concurrent-downloads"] == 16


# ---- requests that are none

MALFORMED = [
    (b"hello", "parse"), (b"{", "parse"), (b'{"jsonrpc":"2.0"', "parse"), (b"\x00", "parse"),
    (b'{"jsonrpc":"2.0","id":1,"method":"version"}\x00', "parse"), (b"\xff\xfe", "parse"),
    (b'{"jsonrpc":"2.0","id":1,"method":"\xc3\x28"}', "parse"), (b'{"a":1,"a":2}', "parse"),
    (b'{"jsonrpc":"2.0","id":1e999,"method":"version"}', "parse"),
    (b'{"jsonrpc":"2.0","id":99999999999999999999,"method":"version"}', "parse"),
    (b'{"jsonrpc":"2.0","id":1,"method":"a\\u0000b"}', "parse"),
    (b"[" * 15000, "parse"), (b'{"a":' * 15000, "parse"), (b"[" * 100000, "too-many"), (b"[" * 2000 + b"]" * 2000, "invalid-request"),
    (b"[]", "invalid-request"), (b"1", "invalid-request"), (b"null", "invalid-request"), (b'"x"', "invalid-request"),
    (b'[{"jsonrpc":"2.0","id":1,"method":"version"}]', "invalid-request"), (b"{}", "invalid-request"),
    (b'{"jsonrpc":"2.0"}', "invalid-request"), (b'{"id":null,"method":"version"}', "invalid-request"),
    (b'{"jsonrpc":"2.0","id":null,"method":"version"}', "invalid-request"),
    (b'{"jsonrpc":"2.0","id":1.5,"method":"version"}', "invalid-request"),
    (b'{"jsonrpc":"2.0","id":[],"method":"version"}', "invalid-request"),
    (b'{"jsonrpc":"2.0","id":"' + b"x" * 129 + b'","method":"version"}', "invalid-request"),
]


@pytest.mark.parametrize("line,word", MALFORMED, ids=range(len(MALFORMED)))
def test_what_is_no_request_is_told_so(serve, line, word):
    with serve().client() as c:
        error = c.refused_raw(line)
        assert error.word == word and error.text.isprintable() and len(error.text) > 10
        assert error.code == {"parse": -32700, "invalid-request": -32600, "too-many": -32004}[word]
        assert c.call("version")["protocol"] == 1 # the connection goes on


def test_invalid_requests_with_an_id_have_it_in_the_answer(serve):
    with serve().client() as c:
        for number, line in enumerate([b'"jsonrpc":"1.0","method":"version"', b'"jsonrpc":"2.0","method":7',
                                       b'"jsonrpc":"2.0","method":"version","params":[]']):
            c.send_bytes(b'{"id":%d,%s}\n' % (number, line))
            assert c.message(number)["error"]["data"]["word"] == "invalid-request"
        c.send_bytes(b'{"jsonrpc":"2.0","id":"\\u00e9 \\"x\\"","method":"version"}\r\n\n')
        assert c.message('\u00e9 "x"')["result"]["protocol"] == 1


def test_unknown_methods_and_params(serve):
    with serve().client() as c:
        error = c.refused("staatus")
        assert error.code == -32601 and error.word == "no-such-method" and '"status"' in error.text
        assert c.refused("a\x1b[31m\n" + "x" * 500).word == "no-such-method"
        error = c.refused("list", limitt=3)
        assert error.code == -32602 and error.word == "invalid-params" and "limitt" in error.text
        assert "did you mean \"limit\"" in error.text
        assert c.refused("status", x=1).word == "invalid-params"


@pytest.mark.parametrize("method,params", [
    ("list", {"limit": 0}), ("list", {"limit": 1001}), ("list", {"limit": "5"}), ("list", {"after": -1}),
    ("list", {"after": 1.5}), ("list", {"state": "done"}), ("list", {"state": ["gone"]}), ("list", {"state": [1]}),
    ("list", {"state": []}),
    ("show", {}), ("show", {"job": None}), ("show", {"job": 1.0}), ("show", {"job": [1]}),
    ("wait", {"jobs": []}), ("wait", {"jobs": 1}), ("wait", {"jobs": [1], "job": 1}), ("wait", {"jobs": [1] * 1001}),
    ("wait", {"job": 1, "timeout_ms": -1}), ("wait", {"job": 1, "timeout_ms": "1"}),
    ("wait", {"job": 1, "timeout_ms": (1 << 53) + 1}),
    ("subscribe", {"jobs": []}), ("subscribe", {"progress_ms": 99}), ("subscribe", {"progress_ms": 1 << 62}),
    ("unsubscribe", {}), ("unsubscribe", {"subscription": 77}),
    ("cancel", {}), ("pause", {"job": {}}), ("resume", {"jobs": [[]]}), ("remove", {"jobs": {}}),
    ("add", {}), ("add", {"jobs": []}), ("add", {"jobs": {}}), ("add", {"job": []}), ("add", {"jobs": [1]}),
    ("add", {"job": {"url": "http://x/"}, "jobs": [{"url": "http://x/"}]}), ("add", {"jobs": [{}] * 2001}),
    ("add", {"job": {"url": "http://127.0.0.1/x"}, "key": ""}),
    ("add", {"job": {"url": "http://127.0.0.1/x"}, "key": "k" * 129}),
    ("add", {"job": {"url": "http://127.0.0.1/x"}, "key": 5}),
])
def test_wrong_params(serve, method, params):
    with serve().client() as c:
        error = c.refused(method, **params)
        assert error.code == -32602 and error.word == "invalid-params", error
        assert c.list_all() == []


@pytest.mark.parametrize("method", ["show", "wait", "subscribe", "cancel", "pause", "resume", "remove", "retry"])
@pytest.mark.parametrize("job", [0, 5, -1, 1 << 62, "5", "nobody", "99999999999999999999", "", "\x1b[2J"])
def test_no_such_job(serve, method, job):
    with serve().client() as c:
        error = c.refused(method, job=job)
        assert error.code == -32001 and error.word == "no-such-job"


def test_a_request_without_an_id_is_carried_out_and_not_answered(serve, server):
    with serve().client() as c:
        c.send_bytes(request("add", job=good(server)) + request("nonsense") + request("cancel", job=77))
        assert c.wait_job(1)["state"] == "done"
        assert c.answers == {} and c.numberless == []


def test_a_line_over_1_mib_ends_the_connection(serve):
    s = serve()
    with s.client() as c:
        with pytest.raises((BrokenPipeError, ConnectionResetError, Gone)):
            c.send_bytes(b"x" * (2 << 20))
            c.read_to_end()
            raise Gone
        c.read_to_end()
        assert [m["error"]["data"]["word"] for m in c.numberless] == ["too-many"]
    with s.client() as c: # one of just that length is taken
        head = b'{"jsonrpc":"2.0","id":1,"method":"version"'
        c.send_bytes(head + b" " * ((1 << 20) - len(head) - 1) + b"}\n")
        assert c.answer(1)["protocol"] == 1


@pytest.mark.parametrize("values", [b",".join([b"0"] * 500000), b",".join([b"[]"] * 300000),
                                    b",".join([b'{"a":0}'] * 120000)], ids=["numbers", "arrays", "objects"])
@asked_again
def test_a_line_with_too_many_values_is_not_even_parsed(serve, values):
    """Half a million of them fit into 1 MiB, and take the parser longer than a turn may."""
    with serve().client() as c:
        error = c.refused_raw(b'{"jsonrpc":"2.0","id":1,"method":"version","params":{"a":[%s]}}' % values)
        assert error.word == "too-many" and "split" in error.text
        text = request("add", 1, job={"url": "http://127.0.0.1:1/x", "output": ",[{" * 200000})
        c.send_bytes(text) # in a string they are text
        assert c.message(1)["error"]["data"]["word"] == "invalid-params"
        assert_never_late(c)


def test_a_client_has_64_requests_in_flight(serve, server):
    with serve().client() as c:
        job, = c.add(stalled(server))
        waits = [c.send("wait", job=job) for _ in range(65)]
        error = c.message(waits.pop())["error"]
        assert error["code"] == -32004 and error["data"]["word"] == "too-many"
        with pytest.raises(Exception) as e:
            c.call("version") # this one, too
        assert e.value.word == "too-many"
        other = Client(c.sock.getpeername())
        other.call("cancel", job=job)
        other.close()
        assert [c.answer(n)["jobs"][0]["state"] for n in waits] == ["cancelled"] * 64
        assert c.call("version")["protocol"] == 1


# ---- add

def test_all_are_added_or_none(serve, server):
    s = serve()
    with s.client() as c:
        jobs = [good(server, "j%d" % i) for i in range(6)]
        jobs[2]["retri"], jobs[4]["checksum"] = 3, "md5:12"
        error = c.refused("add", jobs=jobs)
        assert error.word == "invalid-params" and [e["index"] for e in error.data["errors"]] == [2, 4]
        assert '"retry"' in error.data["errors"][0]["text"] and "md5" in error.data["errors"][1]["text"]
        assert "2 of 6" in error.text
        assert c.list_all() == [] and c.add(good(server)) == [1]
        c.wait_job(1)
    assert s.published() == ["good"]


@pytest.mark.parametrize("job,says", [
    ({"url": "ftp://127.0.0.1/x"}, "ftp"), ({"output": "x"}, "url"), ({"url": "http://127.0.0.1/x", "output": "/etc/x"}, "/etc/x"),
    ({"url": "http://127.0.0.1/x", "output": "../x"}, ".."), ({"url": "http://127.0.0.1/x", "name": "1x"}, "name"),
    ({"url": "http://127.0.0.1/x", "retry": "3"}, "retry"), ({"url": "http://127.0.0.1/x", "retry": 1.5}, "retry"),
    ({"url": "http://127.0.0.1/x", "retry": None}, "retry"), ({"url": ["http://127.0.0.1/x", 5]}, "url"),
    ({"url": "http://127.0.0.1/x", "header": [["X: y"]]}, "header"), ({"url": "http://127.0.0.1/x", "split": 8}, "split"),
    ({"url": "http://127.0.0.1/x", "group": "nobody"}, "nobody"), ({"url": "http://127.0.0.1/x", "header": "@/etc/passwd"}, "header"),
    ({"url": "http://127.0.0.1/x", "user": "@/etc/passwd"}, "user"), ({"url": "http://127.0.0.1/\x1b[2J"}, "url"),
    ({"url": "http://127.0.0.1/x", "a\x1b[2Jb" + "k" * 300: 1}, "unknown"),
    ({"url": "http://127.0.0.1/x", "retry": 1 << 62}, "retry"), ({"url": "http://127.0.0.1/x", "output": "x" * 5000}, "output"),
])
def test_jobs_that_cannot_be(serve, job, says):
    with serve().client() as c:
        error = c.refused("add", job=job)
        assert error.word == "invalid-params" and len(error.data["errors"]) == 1
        text = error.data["errors"][0]["text"]
        assert says in text and text.isprintable() and "root:" not in text, text
        assert c.list_all() == []


def test_2000_jobs_in_one_request_and_ids_in_order(serve, server):
    with serve(max_concurrent_downloads=1).client() as c:
        c.add(stalled(server))
        assert c.add(*[{"url": server.url("/ok/1"), "output": "%d" % i} for i in range(2000)]) == list(range(2, 2002))
        assert c.call("status")["jobs"]["queued"] == 2000


def test_a_key_adds_once(serve, server):
    s = serve()
    with s.client() as c, s.client() as other:
        first = c.call("add", jobs=[good(server, "a"), good(server, "b")], key="k/1")
        again = other.call("add", jobs=[good(server, "a"), good(server, "b")], key="k/1")
        assert again == {**first, "repeated": True} and [j["id"] for j in first["jobs"]] == [1, 2]
        assert c.call("add", job=good(server, "c"), key="k/2")["jobs"][0]["id"] == 3
        # what was refused is not remembered
        assert c.refused("add", job={"url": "x"}, key="k/3").word == "invalid-params"
        assert c.call("add", job=good(server, "d"), key="k/3") == {"jobs": [{"id": 4, "name": None}]}
        assert len(c.list_all()) == 4


def test_a_key_that_comes_twice_at_once_adds_once(serve, server):
    """Who was cut off asks again over a new connection while the first is at work."""
    s = serve()
    clients = [s.client() for _ in range(8)]
    lines = request("add", 1, jobs=[{"url": server.url("/ok/1"), "output": "o%d" % i} for i in range(50)], key="k")
    for c in clients:
        c.send_bytes(lines)
    answers = [c.answer(1) for c in clients]
    assert [j["id"] for j in answers[0]["jobs"]] == list(range(1, 51)) or answers[0].get("repeated")
    assert len({json.dumps(a["jobs"]) for a in answers}) == 1
    assert sorted(a.get("repeated", False) for a in answers) == [False] + 7 * [True]
    assert len(clients[0].list_all()) == 50


def test_names(serve, server):
    with serve({"jobs": [good(server, "cfg", name="cfg")]}).client() as c:
        a, = c.add(stalled(server, "a", name="a"))
        for name in ("a", "cfg"):
            error = c.refused("add", jobs=[good(server, "b", name="b"), good(server, "c", name=name)])
            assert error.code == -32002 and error.word == "conflict" and '"%s"' % name in error.text
        error = c.refused("add", jobs=[good(server, "b", name="b"), good(server, "c", name="b")])
        assert error.word == "conflict"
        assert c.refused("show", job="b").word == "no-such-job"
        c.call("cancel", job="a")
        assert c.refused("add", job=good(server, "a", name="a")).word == "conflict" # it is over, but there
        assert c.call("remove", job="a") == {"removed": 1}
        again, = c.add(good(server, "a", name="a"))
        assert again > a and c.wait_job("a")["id"] == again


def test_changes_of_a_client_are_carried_out_in_order(serve, server):
    with serve().client() as c:
        numbers = []
        for i in range(10): # all in one go: each needs what the one before did
            name = "n%d" % i
            numbers += [c.send("add", job=stalled(server, name, name=name)), c.send("cancel", job=name),
                        c.send("list")]
        for at in range(0, 30, 3):
            c.answer(numbers[at])
            assert c.answer(numbers[at + 1])["jobs"][0]["state"] == "cancelled"
            assert len(c.answer(numbers[at + 2])["jobs"]) == at // 3 + 1


def test_allow_file_is_for_the_service(serve, tmp):
    s = serve()
    path = os.path.join(tmp, "a file")
    with open(path, "w") as f:
        f.write("x")
    with s.client() as c: # root, or the service's user
        job, = c.add({"url": "file://" + path.replace(" ", "%20"), "output": "copy", "allow-file": True})
        assert c.wait_job(job)["state"] == "done" and s.read("copy") == b"x"
        told = s.ctl("get", "--allow-file", "file://" + path.replace(" ", "%20"), "--output", "copy").out
        assert "done" in told and "not proven" not in told
        assert "allow-file" in c.refused("add", job={"url": "file://" + path.replace(" ", "%20")}).text


# ---- list

def test_list_pages_over_3000_jobs_with_gaps(serve, server):
    with serve(max_concurrent_downloads=1, max_download_result=5000).client() as c:
        c.add(stalled(server, "first"))
        for start in range(0, 3000, 1000):
            c.add(*[{"url": server.url("/ok/1"), "output": "%d" % i} for i in range(start, start + 1000)])
        gone = [i for i in range(2, 3002) if i % 7 < 5]
        for at in range(0, len(gone), 1000):
            c.call("cancel", jobs=gone[at:at + 1000])
            assert c.call("remove", jobs=gone[at:at + 1000])["removed"] == len(gone[at:at + 1000])
        left = [i for i in range(1, 3002) if i not in set(gone)]
        for limit in (1000, 200, 17):
            assert [j["id"] for j in c.list_all(limit=limit)] == left
        pages = (c.call("list")["jobs"] for _ in range(100)) # on a busy machine the time of a page ends before it is full
        assert [j["id"] for j in next(p for p in pages if len(p) >= 200)] == left[:200]
        assert [j["id"] for j in c.list_all(limit=1000, state=["active"])] == [1]
        assert len(c.list_all(state=["queued"])) == len(left) - 1 and c.list_all(state=["done", "failed"]) == []
        assert c.call("list", after=3001) == {"jobs": [], "next": None}
        assert c.call("list", after=1 << 60) == {"jobs": [], "next": None}
        assert c.add(good(server)) == [3002] # an id is never given twice


def test_a_job_named_twice_is_removed_once(serve, server):
    with serve().client() as c:
        job, = c.add(good(server, name="x"))
        c.wait_job(job)
        assert c.call("remove", jobs=[job, "x", job]) == {"removed": 1}


# ---- wait

def test_wait_answers_in_the_order_given(serve, server):
    with serve().client() as c:
        ids = c.add({"url": server.url("/delay/0.3/1000"), "output": "late", "name": "late"}, good(server, "soon"),
                    {"url": server.url("/status/404"), "output": "never", "retry": 0})
        jobs = c.call("wait", jobs=["late", ids[2], ids[1], "late"])["jobs"]
        assert [j["id"] for j in jobs] == [ids[0], ids[2], ids[1], ids[0]]
        assert states(jobs) == ["done", "failed", "done", "done"]
        assert jobs[1]["code"] == "http-404" and "404" in jobs[1]["reason"]
        assert c.call("wait", jobs=ids)["jobs"][1] == jobs[2] # over already: at once


def test_wait_has_a_timeout_that_cancels_nothing(serve, server):
    with serve().client() as c:
        job, over = c.add(stalled(server), good(server))
        c.wait_job(over)
        error = c.refused("wait", jobs=[over, job], timeout_ms=50)
        assert error.code == -32005 and error.word == "timed-out" and "1 of the 2" in error.text
        assert c.show(job)["state"] == "active"
        assert c.call("wait", jobs=[over], timeout_ms=1)["jobs"][0]["state"] == "done"


def test_many_wait_for_one_job_and_nothing_is_held_up(serve, server):
    s = serve()
    with s.client() as c:
        job, = c.add(stalled(server))
        waiters = [s.client() for _ in range(20)]
        numbers = [[w.send("wait", job=job) for _ in range(3)] for w in waiters]
        for w in waiters:
            assert w.call("status")["state"] == "running" # wait holds up nothing
        for w in waiters[:10]:
            w.close() # some go while they wait
        assert c.call("cancel", job=job)["jobs"][0]["state"] == "cancelled"
        for w, own in list(zip(waiters, numbers))[10:]:
            assert [w.answer(n)["jobs"][0]["state"] for n in own] == ["cancelled"] * 3


def test_a_waited_for_job_may_be_removed_before_the_others_end(serve, server):
    with serve().client() as c:
        first, second = c.add(good(server, "a"), stalled(server, "b"))
        number = c.send("wait", jobs=[first, second])
        c.wait_job(first)
        c.call("remove", job=first)
        c.call("cancel", job=second)
        assert states(c.answer(number)["jobs"]) == ["done", "cancelled"]


def test_a_client_that_vanishes_while_it_waits_is_forgotten(serve, server):
    s = serve()
    with s.client() as c:
        job, = c.add(stalled(server))
        for half in (False, True):
            gone = [s.client() for _ in range(30)]
            for one in gone:
                one.send("wait", job=job)
                one.call("subscribe", job=job)
                if half:
                    one.half_close()
            assert c.call("status")["clients"] == 31
            for one in gone:
                one.close()
            wait_until(lambda: c.call("status")["clients"] == 1)
        assert c.show(job)["state"] == "active"


# ---- subscribe

def test_a_subscriber_sees_start_retry_and_end_once(serve, server, request):
    s = serve()
    with s.client() as c, s.client() as watcher:
        everything = watcher.call("subscribe")
        assert "jobs" not in everything
        job, = c.add({"url": server.url("/flaky/1/100000?retry-after=1&key=" + request.node.name), "output": "f", "retry": 3})
        assert c.wait_job(job)["state"] == "done"
        c.answered_so_far()
        watcher.answered_so_far()
        seen = [e["event"] for e in watcher.events if e["job"]["id"] == job]
        assert [e for e in seen if e != "state"] == ["start", "retry", "start", "end"], seen
        assert all(e["subscription"] == everything["subscription"] for e in watcher.events)
        retry = [e for e in watcher.events if e["event"] == "retry"][0]
        assert retry["delay_ms"] >= 1000 and BRIEF <= set(retry["job"])
        assert watcher.events[-1]["job"]["code"] == "done"


def test_subscribe_shows_the_jobs_that_are_over(serve, server):
    s = serve()
    with s.client() as c:
        over, runs, other = c.add(good(server, "a"), stalled(server, "b"), stalled(server, "c"))
        c.wait_job(over)
        answer = c.call("subscribe", jobs=[runs, over, runs])
        assert [j["id"] for j in answer["jobs"]] == [runs, over, runs] and answer["jobs"][1]["state"] == "done"
        c.call("cancel", jobs=[runs, other])
        c.answered_so_far()
        ends = [e["job"]["id"] for e in c.events if e["event"] == "end"]
        assert ends == [runs]


def test_subscriptions_end(serve, server):
    with serve().client() as c:
        first = c.call("subscribe")["subscription"]
        second = c.call("subscribe")["subscription"]
        assert c.call("unsubscribe", subscription=first) == {}
        assert c.refused("unsubscribe", subscription=first).word == "invalid-params"
        job, = c.add(good(server))
        c.event("end", id=job)
        c.answered_so_far()
        assert {e["subscription"] for e in c.events} <= {second}
        for _ in range(15):
            c.call("subscribe")
        assert c.refused("subscribe").word == "too-many"


def test_progress(serve, server):
    with serve().client() as c:
        ids = c.add({"url": server.url("/drip/8M/4K/0.05"), "output": "d"}, stalled(server, "s"), stalled(server, "t"))
        for job in ids:
            c.wait_state(job, "active", "download")
        c.call("subscribe", jobs=ids[:2], progress_ms=100)
        seen = []

        def enough():
            seen.extend(e for e in c.events if e["event"] == "progress")
            c.events.clear()
            return len(seen) >= 5 and len(set(received())) > 1

        def received():
            return [j["received"] for e in seen for j in e["jobs"] if j["id"] == ids[0]]
        c.wait(enough)
        assert all({j["id"] for j in e["jobs"]} <= set(ids[:2]) for e in seen)
        assert seen[0]["totals"]["active"] == 3 and set(seen[0]["totals"]) == set(STATES)
        assert received() == sorted(received())
        assert {j["total"] for e in seen for j in e["jobs"] if j["id"] == ids[0]} == {8 << 20}


def test_pause_and_resume_are_told(serve, server):
    with serve().client() as c:
        job, = c.add(stalled(server))
        c.wait_state(job, "active", "download")
        c.call("subscribe", job=job)
        c.call("pause", job=job)
        assert c.event("state", id=job)["job"]["state"] == "paused"
        c.call("resume", job=job)
        assert c.event("state", id=job)["job"]["state"] in ("queued", "active")
        c.event("start", id=job)


def test_a_job_that_is_added_paused_waits_for_resume(serve, server):
    s = serve()
    with s.client() as c:
        job, = c.add({"url": server.url("/ok/1237"), "output": "f", "paused": True})
        other, = c.add({"url": server.url("/ok/1238"), "output": "g"})
        assert c.wait_job(other)["state"] == "done"
        assert c.show(job)["state"] == "paused"
    s.process.kill()
    s.wait_exit()
    s.start()
    with s.client() as c:
        assert c.show(job)["state"] == "paused" and server.requests("/ok/1237") == []
        c.call("resume", job=job)
        assert c.wait_job(job)["state"] == "done"


def test_a_slow_reader_is_told_what_it_lost_and_nobody_waits_for_it(serve, server):
    s = serve(max_concurrent_downloads=1, max_download_result=100000)
    with s.client() as c, s.client() as slow:
        c.add(stalled(server))
        for _ in range(8):
            slow.call("subscribe")
        total = 0
        for start in range(0, 16000, 2000): # 8 events of half a KiB each a job: about 60 MiB
            ids = c.add(*[{"url": server.url("/ok/1"), "output": "%d" % i} for i in range(start, start + 2000)])
            for at in (0, 1000):
                c.call("cancel", jobs=ids[at:at + 1000])
            total += len(ids)
        ends, lost = 0, 0

        def all_there():
            nonlocal ends, lost
            ends += sum(e["event"] == "end" for e in slow.events)
            lost += sum(e["count"] for e in slow.events if e["event"] == "lost")
            slow.events.clear()
            return ends + lost == 8 * total
        slow.wait(all_there) # though nothing happens any more
        assert lost > 0 and ends > 1000
        assert slow.call("version")["protocol"] == 1


# ---- clients as they come

@pytest.mark.parametrize("count", [1, 40, 500])
def test_a_half_closed_client_gets_all_answers_and_then_the_end(serve, count):
    with serve().client() as c:
        c.send_bytes(b"".join(request("status", i) for i in range(count)))
        c.half_close()
        c.read_to_end()
        assert sorted(c.answers) == list(range(count)) and c.ended


def test_a_half_closed_client_gets_what_comes_late(serve, server):
    s = serve()
    with s.client() as c, s.client() as piped:
        job, = c.add(stalled(server, name="x"))
        piped.send_bytes(request("add", 1, job=good(server, "y")) + request("wait", 2, job="x") + request("version", 3))
        piped.half_close()
        piped.wait(lambda: 3 in piped.answers)
        c.call("cancel", job=job)
        piped.read_to_end()
        assert piped.answer(1)["jobs"][0]["id"] == 2 and piped.answer(2)["jobs"][0]["state"] == "cancelled"


def test_bytes_may_come_one_by_one(serve):
    with serve().client() as c:
        for byte in request("version", 1):
            c.send_bytes(bytes([byte]))
        assert c.answer(1)["protocol"] == 1


def test_600_clients_at_once(serve):
    s = serve()
    clients = [s.client() for _ in range(600)]
    for c in clients:
        try:
            c.send("version")
        except (BrokenPipeError, ConnectionResetError):
            pass
    served, refused = 0, 0
    for c in clients:
        try:
            served += c.answer(1)["protocol"] == 1
        except Gone:
            refused += [m["error"]["data"]["word"] for m in c.numberless] == ["too-many"]
    assert (served, refused) == (512, 88)
    for c in clients:
        c.close()

    def again():
        try:
            with s.client() as c:
                return c.call("status")["clients"] <= 2
        except (Gone, BrokenPipeError, ConnectionResetError):
            return False
    wait_until(again)


def test_a_client_that_sends_and_does_not_read_is_not_read_from(serve):
    s = serve()
    with s.client() as greedy, s.client() as c:
        greedy.sock.setblocking(False)
        sent, line = 0, request("config", 1)
        with pytest.raises(BlockingIOError):
            for _ in range(1 << 20):
                sent += greedy.sock.send(line)
        assert c.call("version")["protocol"] == 1
        assert sanitized() or s.rss() < 100 << 20
        greedy.sock.setblocking(True)


# ---- commands in every state

HELD = ["queued", "retry", "connect", "headers", "download", "destination", "paused"]


def held(c, server, kind, port):
    """A job that stays in that place; its id."""
    if kind == "queued":
        blockers = c.add(*[stalled(server, "b%d" % i) for i in range(5)])
        c.wait_state(blockers[-1], "active")
        job, = c.add(stalled(server, "x"))
        c.wait_state(job, "queued", why="host-limit")
    elif kind == "retry":
        job, = c.add({"url": server.url("/status/503?retry-after=3600"), "output": "x", "retry": 5})
        c.wait_state(job, "blocked", why="retry-at")
    elif kind == "connect":
        job, = c.add({"url": "http://127.0.0.1:%d/x" % port, "output": "x", "connect-timeout": "1h"})
        c.wait_state(job, "active", "connect")
    elif kind == "headers":
        job, = c.add({"url": server.url("/slow-headers"), "output": "x", "stall-timeout": "1h"})
        server.wait_requests(1, "slow-headers")
    elif kind == "destination":
        first, = c.add(stalled(server, "x"))
        c.wait_state(first, "active", "download")
        job, = c.add(stalled(server, "x"))
        c.wait_state(job, "blocked", why="destination-busy")
    else:
        job, = c.add(stalled(server, "x"))
        c.wait_state(job, "active", "download")
        if kind == "paused":
            c.call("pause", job=job)
            c.wait_state(job, "paused")
    return job


@pytest.mark.parametrize("kind", HELD)
def test_cancel_wherever_the_job_is(serve, server, black_hole, kind):
    s = serve()
    with s.client() as c:
        job = held(c, server, kind, black_hole)
        c.call("subscribe", job=job)
        shown = c.call("cancel", job=job)["jobs"][0]
        assert shown["state"] == "cancelled" and shown["code"] == "cancelled" and shown["reason"]
        assert c.call("cancel", job=job)["jobs"][0] == shown # no error, no change
        c.answered_so_far()
        assert [e["event"] for e in c.events].count("end") == 1
        assert c.refused("pause", job=job).word == c.refused("resume", job=job).word == "conflict"
        if kind != "destination":
            assert s.published() == []
        s.wait_log("job cancelled: cancelled: ")


def test_a_thousand_are_cancelled_in_order_and_though_the_client_goes(serve, server):
    """It takes several turns."""
    s = serve(max_concurrent_downloads=1)
    with s.client() as c:
        c.add(stalled(server))
        ids = c.add(*[good(server, "%d" % i, name="n%d" % i) for i in range(2000)])
        last = c.show(ids[999])["name"]
        numbers = [c.send("cancel", jobs=ids[:1000]), c.send("remove", job=last), c.send("add", job=good(server, "again", name=last))]
        jobs = c.answer(numbers[0])["jobs"]
        assert [j["id"] for j in jobs] == ids[:1000] and set(states(jobs)) == {"cancelled"}
        assert c.answer(numbers[1]) == {"removed": 1} and c.answer(numbers[2])["jobs"][0]["name"] == last
        goes = s.client()
        goes.send_bytes(request("cancel", 1, jobs=ids[1000:]))
        goes.close()
        wait_until(lambda: c.call("status")["jobs"]["queued"] == 1)
        goes = s.client() # one that goes in the very turn
        goes.send_bytes(request("cancel", jobs=ids[1000:]) + request("shutdown"))
        goes.close()
    assert s.wait_exit() == 0


@pytest.mark.parametrize("kind", HELD)
def test_pause_resume_and_cancel_wherever_the_job_is(serve, server, black_hole, kind):
    s = serve()
    with s.client() as c:
        job = held(c, server, kind, black_hole)
        before = c.show(job)
        paused = c.call("pause", job=job)["jobs"][0] # once its workers have let go
        assert paused["state"] == "paused" and c.show(job)["state"] == "paused"
        assert paused["phase"] == "" and paused["why"] is None and paused["received"] == 0
        assert c.call("pause", job=job)["jobs"][0]["state"] == "paused"
        assert c.refused("retry", job=job).word == c.refused("remove", job=job).word == "conflict"
        c.call("resume", job=job)
        again = {"queued": "queued", "destination": "blocked"}.get(kind, before["state"] if kind != "paused" else "active")
        c.wait_state(job, again)
        assert c.call("resume", job=job)["jobs"][0]["state"] == again # not paused: as it is
        assert c.call("cancel", job=job)["jobs"][0]["state"] == "cancelled"


def test_cancel_while_a_large_file_is_verified(serve, server, tmp):
    """The file stands there already; a worker looks whether it is right."""
    s = serve()
    size = 1 << 40 # nobody would wait for its end
    with open(s.path("big"), "wb") as f:
        f.truncate(size)
    with s.client() as c:
        job, = c.add({"url": server.url("/ok/1000"), "output": "big", "checksum": "sha512:" + "0" * 128})
        c.wait_state(job, "active", "verify")
        assert c.call("cancel", job=job)["jobs"][0]["state"] == "cancelled"
        assert os.path.getsize(s.path("big")) == size and server.requests() == []
        paused, = c.add({"url": server.url("/ok/1000"), "output": "big", "checksum": "sha512:" + "0" * 128})
        c.wait_state(paused, "active", "verify")
        assert c.call("pause", job=paused)["jobs"][0]["state"] == "paused"
        c.call("cancel", job=paused)


def test_a_paused_job_is_fetched_whole_after_resume(serve, server, keep):
    s = serve()
    data = body(1 << 20)
    with s.client() as c:
        slow, = c.add({"url": server.url("/held/1M/64K/1?key=control-whole&deaf=1"), "output": "d", "checksum": digest(data), "name": "d"})
        c.wait_state(slow, "active", "download")
        assert c.call("pause", jobs=["d", slow])["jobs"][1]["state"] == "paused"
        assert s.parts() == []
        c.call("resume", job="d")
        assert c.wait_job(slow)["state"] == "done" and s.read("d") == data


def test_pause_frees_the_place_for_others(serve, server):
    with serve(max_concurrent_downloads=1).client() as c:
        first, second = c.add(stalled(server, "a"), good(server, "b"))
        c.wait_state(second, "queued", why="global-limit")
        c.call("pause", job=first)
        assert c.wait_job(second)["state"] == "done"


def test_a_job_may_be_resumed_before_it_has_let_go(serve, server):
    s = serve()
    with s.client() as c:
        job, = c.add({"url": server.url("/gate/512K/64K?gate=control-resumed"), "output": "d", "fsync": "off"})
        c.wait_state(job, "active", "download")
        numbers = [c.send(m, job=job) for m in ("pause", "resume", "pause", "resume")]
        for n in numbers:
            c.answer(n)
        server.open("control-resumed")
        assert c.wait_job(job)["state"] == "done" and s.read("d") == body(512 << 10)
        stays, = c.add(stalled(server, "x"))
        c.wait_state(stays, "active", "download")
        numbers = [c.send(m, job=stays) for m in ("pause", "resume", "pause")]
        for n in numbers:
            c.answer(n)
        c.wait_state(stays, "paused")
        c.answered_so_far()
        assert c.show(stays)["state"] == "paused"


def test_resume_is_all_or_none(serve, server):
    with serve().client() as c:
        paused, over = c.add(stalled(server, "a"), good(server, "b"))
        c.call("pause", job=paused)
        c.wait_state(paused, "paused")
        c.wait_job(over)
        assert c.refused("resume", jobs=[paused, over]).word == "conflict"
        assert c.refused("resume", jobs=[paused, 99]).word == "no-such-job"
        assert c.show(paused)["state"] == "paused"


def test_retry_begins_anew_under_the_same_id(serve, server, request):
    s = serve()
    with s.client() as c:
        job, = c.add({"url": server.url("/flaky/1/1000?status=404&key=" + request.node.name), "output": "x", "name": "x"})
        assert c.wait_job(job)["code"] == "http-404"
        c.call("subscribe", job=job)
        shown = c.call("retry", job="x")["jobs"][0]
        assert shown["id"] == job and shown["attempts"] == 0 and shown["code"] == ""
        done = c.wait_job(job)
        assert done["state"] == "done" and done["attempts"] == 1 and s.read("x") == body(1000)
        assert c.event("end", id=job)["job"]["state"] == "done"
        error = c.refused("retry", job=job)
        assert error.word == "conflict" and "done" in error.text
        runs, failed = c.add(stalled(server, "r"), {"url": server.url("/status/404"), "output": "f"})
        c.wait_job(failed)
        assert c.refused("retry", jobs=[failed, runs]).word == "conflict"
        assert c.show(failed)["state"] == "failed" # all or none
        c.call("cancel", job=runs)
        c.call("retry", job=runs)
        c.wait_state(runs, "active", "download")


def test_remove_takes_ended_jobs_only(serve, server):
    s = serve()
    with s.client() as c:
        runs, over = c.add(stalled(server, "r", name="r"), good(server, "o", name="o"))
        c.wait_job(over)
        error = c.refused("remove", jobs=[over, runs])
        assert error.word == "conflict" and "cancel" in error.text
        assert c.show(over)["state"] == "done" # all or none
        assert c.call("remove", job=over) == {"removed": 1} and c.refused("show", job="o").word == "no-such-job"
        assert s.published() == ["o"] # the file stays


# ---- what answers may have

def long_job(i, **keys):
    """The longest that a list shows: 4 KiB of destination, and (with settings) 200 KiB of urls."""
    return {"url": ["http://127.0.0.1:1/%s%d" % ("u" * 7900, k) for k in range(25)], "paused": True,
            "output": "%so%d" % (("d" * 200 + "/") * 19, i), **keys}


def test_a_page_of_long_jobs_is_a_short_one(serve):
    s = serve()
    with s.client() as c:
        jobs = [j for i in range(15) for j in c.add(*[long_job(4 * i + k) for k in range(4)])]
        for _ in range(2): # those that wait by their id, then those that ended by their end
            order = {"order": "ended"} if c.show(jobs[0])["state"] == "cancelled" else {}
            found, after, pages = [], 0, 0
            while after is not None:
                number = c.send("list", settings=True, limit=1000, after=after, **order)
                answer = c.message(number)
                assert len(json.dumps(answer)) < 1500000
                found += [j["id"] for j in answer["result"]["jobs"]]
                after, pages = answer["result"]["next"], pages + 1
            assert (found[::-1] if order else found) == jobs and pages >= 10
            c.call("cancel", jobs=jobs)
    assert "client let go" not in s.log


def test_answers_that_wait_for_their_last_job_are_bounded(serve):
    s = serve()
    with s.client() as c, s.client() as other:
        over, waits = c.add(long_job(1), long_job(2))
        c.call("cancel", job=over)
        numbers = [c.send("wait", jobs=[over] * 999 + [waits]) for _ in range(40)] # of 4 MiB each
        refused = []

        def too_many():
            refused.extend(c.answers.pop(n)["error"] for n in numbers if n in c.answers)
            return len(refused) >= 20
        c.wait(too_many)
        assert {e["data"]["word"] for e in refused} == {"too-many"} and "64 MiB" in refused[0]["message"]
        # Others, and those who wait for less, are not concerned.
        few = other.send("wait", jobs=[over] * 99 + [waits])
        other.answered_so_far()
        c.close() # more than it could be sent at once
        other.call("cancel", job=waits)
        assert len(other.answer(few)["jobs"]) == 100


def test_a_client_that_does_not_read_large_answers_is_let_go(serve):
    s = serve()
    with s.client() as c, s.client() as other:
        over, waits = other.add(long_job(1), long_job(2))
        other.call("cancel", job=over)
        for _ in range(8):
            c.send("wait", jobs=[over] * 999 + [waits]) # of 4 MiB each
        c.answered_so_far()
        other.call("cancel", job=waits)
        s.wait_log("client let go: it does not read its answers")
        assert other.call("version")["protocol"] == 1


def test_unfinished_requests_of_all_clients_are_bounded(serve):
    """80 MiB of them: some go, and short requests of others are not concerned."""
    s = serve()
    crowd = [s.client() for _ in range(80)]
    for c in crowd:
        try:
            c.send_bytes(b" " * ((1 << 20) - 1))
        except (BrokenPipeError, ConnectionResetError):
            pass
    with s.client() as c:
        assert c.call("version")["protocol"] == 1
    refused = 0
    for c in crowd:
        try:
            c.half_close()
        except OSError:
            pass
        with pytest.raises(Gone):
            c.answer(1)
        assert all("unfinished requests of all clients" in m["error"]["message"] for m in c.numberless)
        refused += len(c.numberless)
        c.close()
    assert 16 <= refused <= 40
    with s.client() as c: # and all of that was given back
        c.send_bytes(b" " * ((1 << 20) - 100) + request("version", 1))
        assert c.answer(1)["protocol"] == 1


# ---- who may do what

def as_other(s, function, uid=54321, gid=54321, groups=()):
    """What function(client) gives in a process of another user, or the error's word;
    "no-access" when it may not even connect."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        result = "the child failed"
        try:
            os.setgroups(groups)
            os.setgid(gid)
            os.setuid(uid)
            with Client(s.socket) as c:
                result = function(c)
        except PermissionError:
            result = "no-access"
        except Exception as error:
            result = getattr(error, "word", repr(error))
        os.write(write_end, json.dumps(result).encode())
        os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end) as f:
        text = f.read()
    os.waitpid(pid, 0)
    return json.loads(text)


needs_root = pytest.mark.skipif(os.getuid() != 0, reason="changes its user")


@pytest.fixture
def reachable(tmp, lab):
    """The way to the socket is open to all; the socket itself says who may."""
    for path in (lab, tmp):
        os.chmod(path, 0o711)


@needs_root
def test_others_cannot_take_all_places_of_root(serve, reachable):
    s = serve()
    os.chmod(s.socket, 0o666)

    def take_places(c):
        got = [c] + [Client(s.socket) for _ in range(599)]
        served = 0
        for one in got:
            try:
                served += one.call("version")["protocol"] == 1
            except (Gone, BrokenPipeError, ConnectionResetError):
                pass
        theirs.sendall(b"x")
        theirs.recv(1) # they stay until root has tried
        return served

    theirs, root = socket.socketpair()
    root.settimeout(PATIENCE)
    places = []
    thread = threading.Thread(target=lambda: places.append(as_other(s, take_places)))
    thread.start()
    assert root.recv(1) == b"x"
    clients = [s.client() for _ in range(16)]
    assert [c.call("version")["protocol"] for c in clients] == [1] * 16
    root.sendall(b"x")
    thread.join(PATIENCE)
    assert places == [496]


OBSERVE = ["version", "status", "list", "show", "wait", "subscribe", "unsubscribe", "workers"]
OWN = ["cancel", "pause", "resume", "remove", "retry"]
MANAGE = ["config", "check", "reload", "drain", "shutdown"]
PARAMS = {"show": {"job": 1}, "wait": {"job": 1, "timeout_ms": 1}, "unsubscribe": {"subscription": 1},
          **{m: {"job": 1} for m in OWN}}


def words_of(s, methods):
    """What each of them says to a stranger: "permission-denied", or anything else."""
    def ask(c):
        words = {}
        for method in methods:
            try:
                c.call(method, **PARAMS.get(method, {}))
                words[method] = "ok"
            except Exception as error:
                words[method] = getattr(error, "word", repr(error))
        return words
    return as_other(s, ask)


@needs_root
def test_only_owner_and_group_reach_the_socket(serve, reachable):
    s = serve()
    assert os.stat(s.socket).st_mode & 0o7777 == 0o660
    assert as_other(s, lambda c: c.call("version")["protocol"]) == "no-access"
    assert as_other(s, lambda c: c.call("version")["protocol"], gid=os.getgid()) == 1
    assert as_other(s, lambda c: c.call("version")["protocol"], groups=[os.getgid()]) == 1


@needs_root
def test_control_policy_says_who_may(serve, server, reachable):
    s = serve({"jobs": [stalled(server, "x", name="x")]}, control_policy="observe")
    os.chmod(s.socket, 0o666)

    def add(c):
        return c.call("add", job=stalled(server, "mine%d" % os.getpid()))["jobs"][0]["id"]
    words = words_of(s, OBSERVE + OWN + MANAGE)
    assert {m: w for m, w in words.items() if m in OBSERVE and w == "permission-denied"} == {}
    assert {words[m] for m in OWN + MANAGE} == {"permission-denied"} and as_other(s, add) == "permission-denied"

    s.reload({"jobs": [stalled(server, "x", name="x")]}, control_policy="submit")
    mine = as_other(s, add)
    assert isinstance(mine, int)
    with s.client() as c:
        assert c.show(mine)["uid"] == 54321
        other, = c.add(stalled(server, "roots"))
    for job in (1, other): # neither the configuration's nor somebody else's
        assert as_other(s, lambda c, job=job: c.call("cancel", job=job)) == "permission-denied"
    assert as_other(s, lambda c: c.call("cancel", jobs=[mine, other])) == "permission-denied"
    assert as_other(s, lambda c: c.call("pause", job=mine)["jobs"][0]["id"]) == mine
    assert as_other(s, lambda c: c.call("cancel", job=mine)["jobs"][0]["state"]) == "cancelled"
    assert as_other(s, lambda c: c.call("remove", job=mine)) == {"removed": 1}
    assert set(words_of(s, MANAGE).values()) == {"permission-denied"}

    s.reload({"jobs": [stalled(server, "x", name="x")]}, control_policy="operate")
    assert as_other(s, lambda c: c.call("cancel", job=other)["jobs"][0]["state"]) == "cancelled"
    assert set(words_of(s, MANAGE).values()) == {"permission-denied"}

    s.reload({"jobs": [stalled(server, "x", name="x")]}, control_policy="manage")
    assert words_of(s, ["config", "check", "reload"]) == {"config": "ok", "check": "ok", "reload": "ok"}
    assert as_other(s, lambda c: c.call("shutdown")) == {}
    assert s.wait_exit() == 0


@needs_root
@pytest.mark.parametrize("policy, may", [("observe", False), ("submit", False), ("operate", True)])
def test_groups_and_everything_are_for_who_may_operate(serve, server, reachable, policy, may):
    """Also where each job of the group is the client's own."""
    conf = {"groups": [{"name": "g"}], "jobs": [stalled(server, "all%s" % policy, name="x")]}
    s = serve(conf, control_policy=policy)
    os.chmod(s.socket, 0o666)
    mine = policy != "observe" and as_other(s, lambda c: c.call("add", job=stalled(server, "own" + policy, group="g"))["jobs"][0]["id"])

    def ask(c):
        words = []
        for params in {"group": "g"}, {"all": True}:
            for method in "pause", "resume", "cancel":
                try:
                    c.call(method, **params)
                    words.append("ok")
                except RpcError as error:
                    words.append(error.word)
                    assert "control-policy" in error.text
        for params in {"group": "g", "set": {"max-concurrent": 1}}, {"group": "g", "remove": True}:
            try:
                c.call("group", **params)
                words.append("ok")
            except RpcError as error:
                words.append(error.word)
        return words
    words = as_other(s, ask)
    assert isinstance(words, list) and len(words) == 8, words
    with s.client() as c:
        if may:
            assert words[:6] == ["ok"] * 6 and "permission-denied" not in words
            assert c.show("x")["state"] == c.show(mine)["state"] == "cancelled"
        else:
            assert words == ["permission-denied"] * 8
            assert not c.call("group")["all_paused"] and c.show("x")["state"] in ("active", "queued")
            assert not mine or c.show(mine)["state"] in ("active", "queued")
    if not may: # and haulctl says it in one line
        for verb in ("pause", "resume", "cancel"):
            for scope in (["--all"], ["--group", "g"]):
                told = ctl_as_other(s, verb, *scope)
                assert told.returncode and b"control-policy" in told.stderr and told.stderr.count(b"\n") == 1, told


def ctl_as_other(s, *words):
    return subprocess.run([program("haulctl"), "--socket", s.socket, *words], user=54321, group=54321, extra_groups=[],
                          capture_output=True, timeout=PATIENCE, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"})


@needs_root
@pytest.mark.parametrize("policy", ["observe", "submit", "operate", "manage"])
@pytest.mark.parametrize("keys", [{"url": "file:///etc/hostname", "allow-file": True},
                                  {"cert": "/etc/hostname"}, {"key": "/etc/hostname"}], ids=lambda k: sorted(k)[0])
def test_files_are_not_for_strangers(serve, server, reachable, policy, keys):
    """hauld may read what they may not."""
    s = serve(control_policy=policy)
    os.chmod(s.socket, 0o666)
    assert as_other(s, lambda c: c.call("add", job={**good(server, "x"), **keys})) == "permission-denied"
    assert s.published() == []


@needs_root
def test_files_are_for_the_services_own(serve, reachable):
    s = serve()
    with s.client() as c:
        one = c.add({"url": "file:///etc/hostname", "allow-file": True, "output": "x"})[0]
        assert c.wait_job(one)["state"] == "done"


@needs_root
@pytest.mark.parametrize("policy", ["submit", "manage"])
@pytest.mark.parametrize("mode", ["04755", "2755", "06777"])
def test_nobody_elses_program_runs_as_the_service(serve, server, reachable, policy, mode):
    """A published file is the service's: with such a mode its bytes, which a client chose, would run as it."""
    s = serve(control_policy=policy)
    os.chmod(s.socket, 0o666)
    assert as_other(s, lambda c: c.call("add", jobs=[good(server, "w"), good(server, "x", mode=mode)])) == "permission-denied"
    assert as_other(s, lambda c: c.wait_job(c.add(good(server, "y", mode="01755"))[0])["state"]) == "done"
    with s.client() as c:
        assert c.wait_job(c.add(good(server, "z", mode=mode))[0])["state"] == "done"
    assert s.published() == ["y", "z"] and os.stat(s.path("z")).st_mode & 0o6000


@needs_root
def test_headers_of_a_host_are_not_shown_to_a_clients_proxy(serve, server, other_server, reachable):
    """The proxy is whoever the client says it is."""
    s = serve({"hosts": [{"match": "*.invalid", "header": ["Authorization: Bearer of-the-host"]}],
               "defaults": {"proxy": server.url("")}}, control_policy="manage")
    os.chmod(s.socket, 0o666)
    far = {"url": "http://far-away.invalid/ok/1000", "fsync": "off"}

    def fetch(c):
        return [c.wait_job(c.add({**far, "output": output, **keys})[0])["state"]
                for output, keys in (("a", {"proxy": other_server.url("")}), ("b", {}))]
    assert as_other(s, fetch) == ["done", "done"]
    assert [header_of(r, "Authorization") for r in other_server.requests()] == [None]
    assert [header_of(r, "Authorization") for r in server.requests()] == ["Bearer of-the-host"] # the configuration's own way
    with s.client() as c:
        assert c.wait_job(c.add({**far, "output": "c", "proxy": other_server.url("")})[0])["state"] == "done"
    assert header_of(other_server.requests()[1], "Authorization") == "Bearer of-the-host"


@needs_root
def test_a_key_is_of_its_user(serve, server, reachable):
    s = serve()
    os.chmod(s.socket, 0o666)
    with s.client() as c:
        c.call("add", job=good(server, "a"), key="k")
    answer = as_other(s, lambda c: c.call("add", job=good(server, "b"), key="k"))
    assert answer == {"jobs": [{"id": 2, "name": None}]}


# ---- the socket itself

def test_a_second_hauld_leaves_the_first_alone(serve, tmp):
    first = serve()
    second = serve(start=False)
    second.write_config({}, socket=first.socket)
    assert second.spawn().wait_exit() == 1
    assert "another hauld serves " + first.socket in second.log
    third = serve(start=False)
    third.write_config({}, **{"state_dir": first.state})
    assert third.spawn().wait_exit() == 1
    assert "another hauld has the state directory " + first.state in third.log
    assert not os.path.exists(third.socket)
    with first.client() as c:
        assert c.call("version")["pid"] == first.pid


def test_a_stale_socket_is_replaced(serve):
    s = serve(start=False)
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(s.socket)
    s.start()
    with s.client() as c:
        assert c.call("version")["pid"] == s.pid


@pytest.mark.parametrize("make", [lambda p: open(p, "w").close(), os.mkdir, lambda p: os.symlink("/etc/passwd", p)],
                         ids=["file", "directory", "symlink"])
def test_what_is_no_socket_is_not_replaced(serve, make):
    s = serve(start=False)
    make(s.socket)
    before = os.lstat(s.socket)
    assert s.spawn().wait_exit() == 1
    assert "no socket" in s.log and os.lstat(s.socket).st_ino == before.st_ino


def test_a_socket_that_cannot_be_made(serve, tmp):
    s = serve(start=False, socket=os.path.join(tmp, "nowhere", "s"))
    assert s.spawn().wait_exit() == 1 and "its directory must be there" in s.log
    s = serve(start=False, socket=os.path.join(tmp, "x" * 120))
    assert s.spawn().wait_exit() == 78 and "socket" in s.log and s.conf + ":" in s.log


def test_the_socket_goes_with_hauld(serve):
    s = serve()
    with s.client() as c:
        c.call("shutdown")
        c.read_to_end()
    assert s.wait_exit() == 0 and not os.path.exists(s.socket)


def test_clients_come_and_go_by_the_thousand(serve):
    s = serve()
    failed = []

    def come_and_go():
        for _ in range(250):
            with Client(s.socket) as c:
                if c.call("version")["pid"] != s.pid:
                    failed.append(1)
    threads = [threading.Thread(target=come_and_go) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    with s.client() as c:
        assert not failed and wait_until(lambda: c.call("status")["clients"] == 1)


def test_a_name_that_is_taken_is_told_with_its_line(serve, server):
    s = serve()
    with s.client() as c:
        c.add({"url": server.url("/ok/1?key=name-taken"), "output": "there", "name": "there"})
        c.wait_job("there")
        one = c.refused("add", job={"url": server.url("/ok/1"), "output": "x", "name": "there"})
        assert one.word == "conflict" and one.text.startswith('there is a job "there" already')
        twice = c.refused("add", jobs=[{"url": server.url("/ok/1"), "output": str(i), "name": "twice"} for i in range(2)])
        assert twice.word == "conflict" and twice.text.startswith('jobs[1]: the name "twice" is that of a job before it')
    entry = "%s\n  out=%s\n  name=%s\n"
    for names, told in ((("new", "there"), 'standard input:4: there is a job "there" already'),
                        (("twice", "twice"), 'standard input:4: the name "twice" is that of a job before it: each needs its own')):
        text = "".join(entry % (server.url("/ok/1"), i, name) for i, name in enumerate(names))
        done = s.ctl("add", "-i", "-", stdin=text)
        assert done.rc == 7 and told in done.err and done.out == "", done
    with s.client() as c:
        assert len(c.call("list")["jobs"]) == 1
