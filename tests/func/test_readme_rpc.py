"""The scripts that the pages show for the control socket, run as they stand there:
that of README.md, and the examples of haul-rpc(7)."""

import gzip
import os
import re
import shutil
import subprocess
import threading

import pytest
from bodies import body
from haul import PROJECT
from waiting import wait_until

pytestmark = pytest.mark.skipif(not (shutil.which("socat") and shutil.which("jq")),
                                reason="socat or jq is not installed")


def read(name):
    with open(os.path.join(PROJECT, name), encoding="utf-8") as f:
        return f.read()


def readme_script():
    """The indented block that begins with #!/bin/sh and speaks to the socket, as one copies it."""
    blocks = re.findall(r"^    #!/bin/sh\n(?:    .*\n|\n(?=    ))+", read("README.md"), re.M)
    block, = [b for b in blocks if "socat" in b]
    return re.sub(r"^    ", "", block, flags=re.M)


def examples():
    """The literal blocks of the manual page's EXAMPLES, as they are shown."""
    section = re.search(r"^\.Sh EXAMPLES\n(.*?)^\.Sh ", read("man/haul-rpc.7"), re.S | re.M).group(1)
    blocks = re.findall(r"^\.Bd -literal\n(.*?)^\.Ed$", section, re.S | re.M)
    return [block.replace("\\e", "\\") for block in blocks]


def example(word):
    """Its text and that of the first one, which the others need."""
    prelude, *others = examples()
    (one,) = [block for block in others if word in block]
    return prelude + one


class Shell:
    def __init__(self, tmp, socket):
        self.tmp, self.socket = str(tmp), socket

    def start(self, script, *args):
        path = os.path.join(self.tmp, "script")
        with open(path, "w", encoding="utf-8") as f:
            f.write(script)
        os.chmod(path, 0o755)
        command = [path] if script.startswith("#!") else ["sh", "-eu", path]
        return subprocess.Popen(command + list(args), env={**os.environ, "HAULCTL_SOCKET": self.socket},
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True, start_new_session=True)

    def __call__(self, script, *args):
        process = self.start(script, *args)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err


# ---- README.md

def test_the_script_of_the_readme_fetches_all_it_is_given(serve, tmp, server, keep):
    one, two = body(300000, 1), body(1000, 2)
    names = keep(one), keep(two)
    s = serve()
    rc, out, err = Shell(tmp, s.socket)(readme_script(), *[server.url("/file/" + name) for name in names])
    assert (rc, err) == (0, "")
    assert out.splitlines() == ["done\t%s\t" % s.path(name) for name in names]
    assert [s.read(name) for name in names] == [one, two]


def test_the_script_of_the_readme_tells_what_failed(serve, tmp, server, keep):
    name = keep(body(1000, 1))
    s = serve({"defaults": {"retry": 0}})
    rc, out, _err = Shell(tmp, s.socket)(readme_script(), server.url("/file/" + name), server.url("/status/404"))
    assert rc == 1
    assert [line.split("\t")[0] for line in out.splitlines()] == ["done", "failed"]
    assert "404" in out.splitlines()[1].split("\t")[2]


def test_the_script_of_the_readme_tells_an_error_of_hauld(serve, tmp):
    s = serve()
    rc, out, err = Shell(tmp, s.socket)(readme_script(), "gopher://example.org/x")
    assert rc != 0 and out == ""
    assert "url has the scheme gopher" in err and "\\n" not in err


def test_the_script_of_the_readme_fails_without_hauld(tmp):
    rc, out, err = Shell(tmp, os.path.join(tmp, "none"))(readme_script(), "http://127.0.0.1/x")
    assert rc != 0 and out == "" and err


# ---- haul-rpc(7)

def test_the_example_that_looks_around(serve, tmp, server):
    s = serve({"defaults": {"retry": 0}})
    with s.client() as c:
        (bad,) = c.add({"url": server.url("/status/404"), "output": "not-there"})
        c.wait_job(bad)
    rc, out, err = Shell(tmp, s.socket)(example("rpc status"))
    assert (rc, err) == (0, "")
    assert '"state": "running"' in out
    counts, failed = out.splitlines()[-2:]
    assert '"failed":1' in counts
    assert failed.startswith(s.path("not-there") + ": ")


def test_the_example_that_pages(serve, tmp, server, keep):
    names = [keep(b"%d" % i) for i in range(5)]
    s = serve()
    with s.client() as c:
        ids = c.add(*[{"url": server.url("/file/" + name)} for name in names])
        c.call("wait", jobs=ids)
    script = example('"limit').replace("1000", "2") # pages of two
    assert script != example('"limit')
    rc, out, err = Shell(tmp, s.socket)(script)
    assert (rc, err) == (0, "")
    assert [line.split("\t") for line in out.splitlines()] == \
        [[str(i), "done", s.path(name)] for i, name in zip(ids, names)]


def test_the_example_that_adds_once(serve, tmp, server, keep):
    name = keep(gzip.compress(b"a list\n"), ".gz")
    s = serve()
    script, n = re.subn(r"http://127\.0\.0\.1:8080/[\w.]+", server.url("/file/" + name), example('"key'))
    assert n == 1
    for _ in range(2):
        assert Shell(tmp, s.socket)(script) == (0, "done\n", "")
    assert s.read("rpc/list.txt") == b"a list\n"
    with s.client() as c:
        assert len(c.list_all()) == 1


def test_the_example_that_watches(serve, tmp, server, keep):
    name = keep(body(1000, 1))
    s = serve()
    watching, seen = Shell(tmp, s.socket).start(example("rpc subscribe")), []
    reader = threading.Thread(target=lambda: seen.extend(watching.stdout), daemon=True)
    reader.start()
    with s.client() as c:
        def told():
            """Nothing says that it has subscribed: so there are jobs until it has."""
            (job,) = c.add({"url": server.url("/file/" + name)})
            c.wait_job(job)
            return seen
        wait_until(told)
        assert seen[0] == "done %s\n" % s.path(name)
        c.call("shutdown")
    assert s.wait_exit() == 0
    assert watching.wait(20) == 0
    reader.join(20)
    watching.stdout.close()
    watching.stderr.close()
