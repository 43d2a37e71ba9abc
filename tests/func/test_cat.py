"""haulctl cat, and the descriptor that its method gives."""

import json
import os
import select
import shutil
import socket
import subprocess

import pytest
from bodies import body, digest
from fakehauld import FakeHauld, brief
from haul import program
from screen import Screen
from waiting import PATIENCE, wait_until

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="changes its user")
OTHER = 54321


def start(s, *args, **popen):
    return subprocess.Popen([program("haulctl"), "--socket", s.socket, "cat", *map(str, args)], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=s.environment(), cwd=s.tmp, **popen)


def end(process):
    out, err = process.communicate(timeout=PATIENCE)
    return process.returncode, out, err.decode()


def read_bytes(process, n):
    data = b""
    while len(data) < n:
        more = os.read(process.stdout.fileno(), n - len(data))
        assert more, data
        data += more
    return data


def add(c, url, output, **settings):
    return c.call("add", jobs=[{"url": [url], "output": output, **settings}])["jobs"][0]["id"]


def test_a_done_job_is_printed(serve, server):
    s = serve()
    c = s.client()
    first = add(c, server.url("/ok/700k?key=cat-a"), "a", name="one")
    second = add(c, server.url("/ok/10?key=cat-b"), "b")
    done = subprocess.run([program("haulctl"), "--socket", s.socket, "cat", "one", str(second)], stdout=subprocess.PIPE,
                          timeout=PATIENCE, check=True, env=s.environment())
    assert done.stdout == s.read("a") + s.read("b") and len(done.stdout) == 700 * 1024 + 10
    assert c.call("show", job=first)["state"] == "done"
    os.truncate(s.path("a"), 5)
    rc, _out, err = end(start(s, first))
    assert rc == 1 and "changed since" in err
    os.unlink(s.path("a"))
    rc, out, err = end(start(s, first))
    assert rc == 1 and out == b"" and "is not there" in err
    rc, out, err = end(start(s, "nobody"))
    assert rc == 3 and out == b""


def test_nothing_is_printed_before_it_is_proven(serve, server):
    s = serve()
    c = s.client()
    size = 400 * 1024
    data = body(size, "cat-c")
    job = add(c, server.url("/gate/400k/300k?gate=cat-c&seed=cat-c"), "a", checksum=[digest(data)])
    process = start(s, job)
    wait_until(lambda: c.call("show", job=job)["received"] == 300 * 1024)
    wait_until(lambda: c.call("status")["clients"] == 2) # it has asked
    for _ in range(3):
        c.call("version")
    assert not select.select([process.stdout], [], [], 0)[0]
    server.open("cat-c")
    assert end(process) == (0, data, "")


def test_what_a_checksum_refuses_is_never_printed(serve, server):
    s = serve()
    c = s.client()
    job = add(c, server.url("/wrong-bytes/300k?key=cat-d"), "a", retry=0, checksum=["sha256:" + "0" * 64])
    rc, out, err = end(start(s, job))
    assert (rc, out) == (1, b"") and "checksum-mismatch" in err
    c.call("add", jobs=[{"url": [server.url("/stall/100k/50k?key=cat-e")], "output": "e", "name": "stuck"}])
    process = start(s, "stuck")
    c.call("cancel", job="stuck")
    rc, out, err = end(process)
    assert (rc, out) == (8, b"") and "was cancelled" in err
    c.call("add", jobs=[{"url": [server.url("/stall/100k/50k?key=cat-f")], "output": "f", "name": "slow"}])
    rc, out, err = end(start(s, "slow", "--timeout", "200ms"))
    assert (rc, out) == (4, b"")


def test_unverified_bytes_come_as_they_arrive(serve, server):
    s = serve()
    c = s.client()
    job = add(c, server.url("/stall/600k/500k?key=cat-g&seed=cat-g"), "a")
    process = start(s, "--unverified", job)
    assert read_bytes(process, 500 * 1024) == body(600 * 1024, "cat-g")[:500 * 1024]
    assert process.poll() is None and c.call("show", job=job)["state"] == "active"
    c.call("cancel", job=job)
    rc, out, err = end(process)
    assert (rc, out) == (8, b"") and "worth nothing" in err


def test_unverified_to_its_end(serve, server):
    s = serve()
    c = s.client()
    job = add(c, server.url("/drip/500k/100k/0.1?key=cat-h&seed=cat-h"), "a", checksum=[digest(body(500 * 1024, "cat-h"))])
    assert end(start(s, "--unverified", job)) == (0, body(500 * 1024, "cat-h"), "")
    assert end(start(s, "--unverified", job)) == (0, body(500 * 1024, "cat-h"), "") # of one that is over
    bad = add(c, server.url("/drip/500k/100k/0.1?key=cat-i&seed=cat-i"), "b", retry=0, checksum=["md5:" + "0" * 32])
    rc, out, err = end(start(s, "--unverified", bad))
    assert rc == 1 and body(500 * 1024, "cat-i").startswith(out) and "checksum-mismatch" in err


def test_a_download_from_zero_is_another_one(serve, server):
    """The server breaks off and honours no ranges: each attempt has a part of its own."""
    s = serve()
    c = s.client()
    job = add(c, server.url("/reset/600k/500k?key=cat-q&seed=cat-q"), "a", retry=1000,
              **{"retry-delay": "200ms", "retry-max-delay": "200ms"})
    process = start(s, "--unverified", job)
    assert read_bytes(process, 1000) == body(600 * 1024, "cat-q")[:1000]
    rc, out, err = end(process)
    assert rc == 1 and "began anew" in err, err
    assert body(600 * 1024, "cat-q")[1000:].startswith(out)


@pytest.mark.skipif(not shutil.which("gzip"), reason="gzip is not installed")
def test_what_is_unpacked_is_printed_at_its_end(serve, server, keep):
    s = serve()
    data = body(2 << 20, "cat-j")
    name = keep(subprocess.run(["gzip", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout, ".gz")
    c = s.client()
    job = add(c, server.url("/file/%s?rate=x&key=cat-j" % name), "a", decompress="gzip")
    rc, out, err = end(start(s, "--unverified", job))
    assert (rc, out) == (0, data), err
    held = add(c, server.url("/stall/100k/50k?key=cat-k"), "b", decompress="gzip")
    wait_until(lambda: c.call("show", job=held)["received"])
    answer = c.call("cat", job=held)
    assert answer["unpacks"] and not answer["descriptor"]


def take(c, **params):
    """The answer to `cat`, and the descriptors that came with it."""
    number = c.send("cat", **params)
    data, fds, _flags, _address = socket.recv_fds(c.sock, 1 << 20, 4)
    while not data.endswith(b"\n"):
        data += c.sock.recv(1 << 20)
    answer = [json.loads(line) for line in data.splitlines()]
    assert [m["id"] for m in answer] == [number]
    return answer[0], fds


def test_the_descriptor_reads_and_writes_nothing(serve, server):
    s = serve()
    c = s.client()
    job = add(c, server.url("/stall/600k/500k?key=cat-l&seed=cat-l"), "a")
    wait_until(lambda: c.call("show", job=job)["received"] == 500 * 1024)
    answer, fds = take(c, job=job)
    assert answer["result"]["descriptor"] and len(fds) == 1
    fd = fds[0]
    assert os.fstat(fd).st_ino == answer["result"]["inode"]
    assert os.pread(fd, 1 << 20, 0) == body(600 * 1024, "cat-l")[:500 * 1024]
    for wrong in (lambda: os.write(fd, b"x"), lambda: os.ftruncate(fd, 0)):
        with pytest.raises(OSError):
            wrong()
    os.close(fd)
    again, fds = take(c, job=job)
    assert again["result"]["inode"] == answer["result"]["inode"] and len(fds) == 1
    os.close(fds[0])
    c.send_bytes(b'{"jsonrpc":"2.0","method":"cat","params":{"job":%d}}\n' % job) # nobody waits for its answer
    c.send("version")
    _data, fds, _flags, _address = socket.recv_fds(c.sock, 1 << 20, 4)
    assert fds == []
    c.call("cancel", job=job)
    answer, fds = take(c, job=job)
    assert not answer["result"]["descriptor"] and fds == [] and answer["result"]["job"]["state"] == "cancelled"


def test_descriptors_do_not_pile_up(serve, server):
    s = serve()
    c = s.client()
    job = add(c, server.url("/stall/600k/500k?key=cat-m"), "a")
    wait_until(lambda: c.call("show", job=job)["received"] == 500 * 1024)
    count = lambda: len(os.listdir("/proc/%d/fd" % s.pid)) # noqa: E731
    before = count()
    for _ in range(50): # answers to a client that does not take them: with recv(2), and not at all
        assert c.call("cat", job=job)["descriptor"]
    quick = s.client()
    for _ in range(50):
        quick.send("cat", job=job)
    quick.close()
    c.call("version")
    wait_until(lambda: count() <= before)


@needs_root
def test_only_the_owner_sees_what_is_not_whole(serve, server, tmp, lab):
    s = serve(control_policy="operate")
    for path in (lab, tmp, s.tmp):
        os.chmod(path, 0o711)
    os.chmod(s.socket, 0o666)
    c = s.client()
    job = add(c, server.url("/stall/600k/500k?key=cat-n"), "a")
    wait_until(lambda: c.call("show", job=job)["received"] == 500 * 1024)
    rc, out, err = end(start(s, "--unverified", job, user=OTHER, group=OTHER, extra_groups=()))
    assert (rc, out) == (6, b"") and "not one of uid 54321's" in err
    own = subprocess.run([program("haulctl"), "--socket", s.socket, "add", "-o", "own",
                          server.url("/stall/600k/500k?key=cat-o")], user=OTHER, group=OTHER, extra_groups=(),
                         stdout=subprocess.PIPE, check=True, env=s.environment(), cwd="/").stdout.decode().strip()
    process = start(s, "--unverified", own, user=OTHER, group=OTHER, extra_groups=())
    assert len(read_bytes(process, 500 * 1024)) == 500 * 1024
    c.call("cancel", job=int(own))
    assert end(process)[0] == 8
    secret = add(c, server.url("/ok/300k?key=cat-p"), "secret", mode="0600")
    rc, out, err = end(start(s, secret, user=OTHER, group=OTHER, extra_groups=()))
    assert (rc, out) == (6, b"") and "may not read" in err


# ---- what no server does on demand

@pytest.fixture
def fake(tmp):
    with FakeHauld(os.path.join(tmp, "control.sock")) as one:
        one.tmp, one.socket = tmp, one.path
        one.environment = lambda: {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TERM": "xterm",
                                   "HAULCTL_SOCKET": one.path, "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "")}
        yield one


def gives(fake, path):
    """cat's answers come with that file."""
    def handler(params, client):
        with open(path[0], "rb") as f:
            answer = {"jsonrpc": "2.0", "id": client.id,
                      "result": {"job": fake.named(params["job"]), "descriptor": True, "unpacks": False,
                                 "inode": os.fstat(f.fileno()).st_ino}}
            socket.send_fds(client.connection, [json.dumps(answer).encode() + b"\n"], [f.fileno()])
    fake.on["cat"] = handler


def test_a_job_that_begins_anew_is_told(fake, tmp):
    parts = []
    for name, text in (("one", b"first"), ("two", b"second")):
        parts.append(os.path.join(tmp, name))
        with open(parts[-1], "wb") as f:
            f.write(text)
    path = [parts[0]]
    fake.add_job(state="active", phase="download")
    gives(fake, path)
    process = start(fake, "--unverified", 1)
    assert read_bytes(process, 5) == b"first"
    fake.clients[-1].event("retry", job=fake.jobs[1], code="stalled", reason="x", delay_ms=0)
    fake.wait_request("cat", 2)
    path[0] = parts[1] # another part
    fake.clients[-1].event("start", job=fake.jobs[1])
    rc, out, err = end(process)
    assert (rc, out) == (1, b"") and "began anew" in err


def test_a_part_that_was_published_is_read_to_its_end(fake, tmp):
    part, output = os.path.join(tmp, "part"), os.path.join(tmp, "output")
    with open(part, "wb") as f:
        f.write(b"begin ")
    fake.add_job(state="active", phase="download", output=output)
    gives(fake, [part])
    process = start(fake, "--unverified", 1, "--json")
    assert read_bytes(process, 6) == b"begin "
    with open(part, "ab") as f:
        f.write(b"end")
    os.rename(part, output)
    fake.clients[-1].event("end", job=brief(1, state="done", output=output, published=9))
    rc, out, err = end(process)
    assert (rc, out) == (0, b"end") and json.loads(err)["state"] == "done"


@pytest.mark.parametrize("data, status, told", [(b"plain text\n", 0, ""), (b"\x1b[2Jgone\n", 1, "is no text"),
                                                ("c1 \u009b31m\n".encode(), 1, "is no text"),
                                                # the two bytes come with two reads
                                                (b"\n" * ((256 << 10) - 1) + "\u009b31m\n".encode(), 1, None)],
                         ids=["plain", "escape", "c1", "c1-of-two-reads"])
def test_a_terminal_gets_text_only(fake, tmp, data, status, told):
    path = os.path.join(tmp, "f")
    with open(path, "wb") as f:
        f.write(data)
    fake.add_job(state="done", output=path, published=len(data))
    with Screen(program("haulctl"), "cat", "1", env=fake.environment()) as t:
        assert t.finish() == status
        if told is not None: # else it stands behind a quarter of a million lines
            t.wait_text(told or "plain text")
