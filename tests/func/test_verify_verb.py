"""haulctl verify, and its method."""

import hashlib
import json
import os
import subprocess

import pytest
from bodies import body, digest
from haul import program

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="changes its user")
OTHER = 54321


def put(s, name, data=b"", mode=0o644):
    path = s.path(name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(data)
    os.chmod(path, mode)
    return path


def sums(files):
    return "".join("%s  %s\n" % (hashlib.sha256(data).hexdigest(), path) for path, data in files)


def test_files_of_the_command_line(serve):
    s = serve()
    data = body(3 << 20, "verify")
    one, two, bad = put(s, "one", data), put(s, "sub/two", data), put(s, "bad", b"x" + data[1:])
    done = s.ctl("verify", one, two, bad, s.path("missing"), s.path("sub"), "--checksum", digest(data))
    assert done.rc == 1, done
    assert done.out.splitlines() == [one + ": OK", two + ": OK", bad + ": FAILED", s.path("missing") + ": FAILED open or read",
                                     s.path("sub") + ": FAILED open or read"]
    assert "1 file has another checksum" in done.err and "2 files could not be read" in done.err
    assert "No such file" in done.err and "not a regular file" in done.err
    done = s.ctl("verify", one, "--checksum", digest(data), "--checksum", digest(data, "md5"))
    assert done.rc == 0 and done.err == "", done
    done = s.ctl("verify", one, "--checksum", digest(data), "--checksum", "md5:" + "0" * 32)
    assert done.rc == 1
    [line] = s.ctl("verify", "--json", bad, "--checksum", digest(data)).lines
    assert (line["path"], line["result"]) == (bad, "differs") and "sha256" in line["reason"]


def test_lists_as_sha256sum_has_them(serve):
    s = serve()
    files = [(put(s, "dir/file %d" % i, b"%d" % i), b"%d" % i) for i in range(230)]
    files[100] = (files[100][0], b"other")
    with open(os.path.join(s.tmp, "list"), "w") as f:
        f.write("# a comment\n\n" + sums(files))
    done = s.ctl("verify", "-c", os.path.join(s.tmp, "list"))
    assert done.rc == 1, done
    assert done.out.splitlines() == [p + (": FAILED" if i == 100 else ": OK") for i, (p, _) in enumerate(files)]
    # the same words as those of the original
    theirs = subprocess.run(["sha256sum", "-c", os.path.join(s.tmp, "list")], capture_output=True, check=False, text=True)
    assert theirs.stdout == done.out
    relative = s.ctl("verify", "--check", "-", stdin=sums([("root/dir/../x", b""), ("./root//dir/file 7", b"7")]))
    assert relative.out.splitlines()[1:] == ["root//dir/file 7: OK"] and relative.rc == 1


@pytest.mark.parametrize("before, behind", [("\ufeff", ""), ("\ufeff# made by a shop\r\n", ""), (
    "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n", "-----BEGIN PGP SIGNATURE-----\n\niQIz\n-----END PGP SIGNATURE-----\n")])
def test_lists_of_other_systems(serve, before, behind):
    s = serve()
    path = put(s, "x", b"x")
    done = s.ctl("verify", "-c", "-", stdin=before + sums([(path, b"x")]).replace("  ", " *").replace("\n", "\r\n") + behind)
    assert done.rc == 0 and done.out == path + ": OK\n" and done.err == "", done


@pytest.mark.parametrize("args, told", [
    ([], "give files"), (["x"], "--checksum"), (["x", "--checksum", "sha256:12"], "--checksum:"), (["--checksum", "md5:" + "0" * 32], "give files"),
    (["x", "-c", "l"], "goes without others"), (["-c", "/nonexistent"], "cannot be read"), (["-c", "/dev/null"], "no checksums"),
])
def test_what_is_wrong_is_said(serve, args, told):
    done = serve(start=False).ctl("verify", *args) if "/dev/null" not in args else serve().ctl("verify", *args)
    assert done.rc == 2 and told in done.err and done.out == "", done


def test_a_line_that_is_none_ends_it(serve):
    s = serve()
    path = put(s, "x", b"x")
    done = s.ctl("verify", "-c", "-", stdin=sums([(path, b"x")]) + "rubbish\x1b[2J\n")
    assert done.rc == 2 and "standard input:2: this is no line" in done.err and "\x1b" not in done.err, done


def test_outside_of_the_roots_and_odd_ways(serve):
    s = serve()
    outside = os.path.join(s.tmp, "outside")
    with open(outside, "wb") as f:
        f.write(b"x")
    put(s, "x", b"x")
    os.symlink(outside, s.path("link"))
    os.symlink(s.tmp, s.path("way"))
    os.mkfifo(s.path("fifo"))
    names = [outside, s.path("link"), s.path("way/outside"), s.path("../outside"), s.path("fifo"), "/etc/passwd", s.root]
    done = s.ctl("verify", *names, "--checksum", digest(b"x"), timeout=20)
    assert done.rc == 1 and done.out.splitlines() == [n + ": FAILED open or read" for n in names], done
    assert "none of hauld's roots" in done.err and s.path("link") + ": it is a symbolic link" in done.err


@needs_root
def test_it_is_no_oracle(serve, tmp, lab):
    s = serve(control_policy="submit")
    for path in (lab, tmp, s.tmp):
        os.chmod(path, 0o711)
    os.chmod(s.socket, 0o666)
    secret = put(s, "secret", b"x", 0o600)
    hidden = put(s, "hidden/sub/file", b"x")
    os.chmod(s.path("hidden"), 0o700)
    own = put(s, "own", b"x", 0o600)
    os.chown(own, OTHER, OTHER)
    mine = put(s, "mine/file", b"x")
    os.chmod(s.path("mine"), 0o700)
    os.chown(s.path("mine"), OTHER, OTHER)
    theirs = put(s, "theirs", b"x", 0o044) # open to all but its owner
    os.chown(theirs, OTHER, OTHER)
    public = put(s, "public", b"x")

    def asks(**who):
        done = subprocess.run([program("haulctl"), "--socket", s.socket, "verify", "--json", "--checksum", digest(b"x"),
                               secret, hidden, own, mine, theirs, public], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              cwd="/", env=s.environment(), check=False, **who)
        return [json.loads(line)["result"] for line in done.stdout.splitlines()]
    assert asks() == ["ok"] * 6
    assert asks(user=OTHER, group=OTHER, extra_groups=()) == ["unreadable", "unreadable", "ok", "ok", "unreadable", "ok"]


def test_the_method_refuses_in_words(serve):
    s = serve()
    c = s.client()
    good = {"path": put(s, "x", b"x"), "checksum": digest(b"x")}
    for files, text in ((None, "1 to 500"), ([], "1 to 500"), ([good] * 501, "1 to 500"), ([{}], "a file is"),
                        ([{**good, "path": "x"}], "a file is"), ([{**good, "path": "/" + "x" * 5000}], "a file is"),
                        ([{**good, "more": 1}], "a file is"), ([3], "a file is"),
                        ([{**good, "checksum": []}], "without any"), ([{**good, "checksum": 3}], "checksum"),
                        ([{**good, "checksum": "sha256:\x1b"}], "checksum"), ([{**good, "checksum": [digest(b"x")] * 9}], "too many")):
        error = c.refused("verify", **({} if files is None else {"files": files}))
        assert error.word == "invalid-params" and text in error.text, (files, error.text)
    assert [f["result"] for f in c.call("verify", files=[good] * 500)["files"]] == ["ok"] * 500


def test_clients_that_go_and_a_stop_leave_nothing(serve):
    s = serve()
    path = put(s, "large", b"")
    os.truncate(path, 4 << 30)
    c, other = s.client(), s.client()
    c.send("verify", files=[{"path": path, "checksum": digest(b"")}] * 20)
    c.close()
    small = {"path": put(s, "x", b"x"), "checksum": digest(b"x")}
    assert other.call("verify", files=[small])["files"][0]["result"] == "ok" # not behind 80 GiB
    other.send("verify", files=[{"path": path, "checksum": digest(b"")}] * 20)
    other.call("version")
    s.stop() # in time, and well
