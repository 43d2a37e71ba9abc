"""Asking whether a file has changed: ETag and Last-Modified of the published file, 304.
The server's log is the witness of what was asked and of what came."""

import gzip
import os
import urllib.request

import pytest
from bodies import body, digest
from servers import header_of
from waiting import wait_until

pytestmark = pytest.mark.usefixtures("attributes")


def next_version(server, key):
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(server.url("/condition-next?key=" + key)) as answer:
        answer.read()


def job(server, key, query="", size=1000, **keys):
    return {"name": key, "url": server.url("/condition/%d?key=%s%s" % (size, key, query)), "output": key, "every": "1h",
            "fsync": "data", **keys}


def asked(server, key):
    """What each request for it asked about: (If-None-Match, If-Modified-Since)."""
    return [(header_of(e, "If-None-Match"), header_of(e, "If-Modified-Since"))
            for e in server.requests("key=" + key) if "/condition/" in e["path"]]


def run(c, name):
    """One more run; the job behind it."""
    count = c.show(name)["runs"]["count"]
    c.call("run", jobs=[name])
    wait_until(lambda: c.show(name)["runs"]["count"] > count)
    return c.show(name)


def first(c, given):
    c.add(given)
    shown = c.wait_job(given["name"])
    assert shown["state"] == "done"
    return c.show(given["name"])


@pytest.mark.parametrize("query, condition", [
    ("", ('"v0"', True)), ("&etag=weak", ('W/"v0"', True)), ("&etag=none", (None, True)), ("&date=none", ('"v0"', False)),
])
def test_a_file_that_has_not_changed_costs_no_bytes(serve, server, query, condition):
    s, key = serve(), "condition1" + query[1:5] + query[-4:]
    key = "".join(x for x in key if x.isalnum())
    with s.client() as c:
        full = first(c, job(server, key, query))
        assert full["receipt"]["unchanged"] is False
        inode = os.stat(s.path(key)).st_ino
        shown = run(c, key)
        assert shown["state"] == "done" and shown["receipt"]["unchanged"] and shown["receipt"]["proof"] == "not-modified"
        assert shown["received"] == 0 and shown["published"] == 1000 and shown["attempts"] == 1
        assert shown["runs"]["unchanged"] == 1
        assert os.stat(s.path(key)).st_ino == inode and s.read(key) == body(1000, "condition0")
        assert len(s.wait_log("job done, not modified")) == 1
        text = s.ctl("show", key).out
        assert "not modified, says the server" in text and "2, 1 not modified" in text
        ends = [line.split(": ", 1)[1] for line in s.ctl("events", "--what", "end").out.splitlines()]
        assert ends == ["done, 1.0 KiB", "done, not modified"], ends
        next_version(server, key)
        shown = run(c, key) # 200 replaces it as usual
        assert not shown["receipt"]["unchanged"] and s.read(key) == body(1000, "condition1")
        assert run(c, key)["receipt"]["unchanged"]
    tags = asked(server, key)
    assert tags[0] == (None, None)
    assert (tags[1][0], tags[1][1] is not None) == condition
    assert tags[1] == tags[2] and tags[3] != tags[2] # the second version has its own


def test_it_is_remembered_through_a_crash_and_by_the_file_itself(serve, server):
    s = serve()
    with s.client() as c:
        first(c, job(server, "condition2"))
    s.process.kill()
    s.wait_exit()
    s.start()
    with s.client() as c:
        assert run(c, "condition2")["receipt"]["unchanged"]
        # another job for the same file asks as well
        c.call("remove", jobs=["condition2"])
        again = {k: v for k, v in job(server, "condition2").items() if k not in ("every", "name")}
        done = c.wait_job(c.add({**again, "conditional": True})[0])
        assert c.show(done["id"])["receipt"]["unchanged"]
        # without a word about it a plain job does not
        done = c.wait_job(c.add(again)[0])
        assert not c.show(done["id"])["receipt"]["unchanged"]
    assert [a[0] for a in asked(server, "condition2")] == [None, '"v0"', '"v0"', None]


def test_a_file_that_somebody_changed_or_removed_is_fetched(serve, server):
    s, key = serve(), "condition3"
    with s.client() as c:
        first(c, job(server, key))
        with open(s.path(key), "r+b") as f: # the same size
            f.write(b"x")
        assert not run(c, key)["receipt"]["unchanged"] and s.read(key) == body(1000, "condition0")
        os.unlink(s.path(key))
        assert not run(c, key)["receipt"]["unchanged"] and s.read(key) == body(1000, "condition0")
        with open(s.path("other"), "wb") as f:
            f.write(body(1000, "other"))
        os.rename(s.path("other"), s.path(key))
        assert not run(c, key)["receipt"]["unchanged"] and s.read(key) == body(1000, "condition0")
        os.unlink(s.path(key))
        os.symlink("/etc/hostname", s.path(key))
        assert not run(c, key)["receipt"]["unchanged"] and not os.path.islink(s.path(key))
        assert run(c, key)["receipt"]["unchanged"]
        os.setxattr(s.path(key), "user.hauld.seen", b"\1nonsense")
        assert not run(c, key)["receipt"]["unchanged"]
    assert [a[0] for a in asked(server, key)] == [None] * 5 + ['"v0"', None]


def test_other_settings_or_sources_ask_for_all_of_it(serve, server, other_server):
    key = "condition4"
    changes = [{}, {"mode": "0600"}, {"decompress": "auto"}, {"remote-time": True}, {"conditional": False},
               {"url": [other_server.url("/condition/1000?key=" + key)]}]
    s = serve({"jobs": [job(server, key)]})
    with s.client() as c:
        c.wait_job(key)
        for change in changes[1:]:
            s.reload({"jobs": [job(server, key, **change)]})
            assert c.wait_job(key)["state"] == "done"
            assert not c.show(key)["receipt"]["unchanged"], change
        s.reload({"jobs": [job(server, key, **changes[-1], jitter="1m")]}) # which makes no other file
        c.wait_job(key)
        assert c.show(key)["receipt"]["unchanged"]
    assert {a for a in asked(server, key)} == {(None, None)}
    assert [a[0] for a in asked(other_server, key)] == [None, '"v0"']


def test_packed_files_and_those_that_are_kept(serve, server):
    s, key = serve(), "condition5"
    with s.client() as c:
        first(c, job(server, key, "&gzip=1", size=300000, **{"decompress": "gzip", "keep-download": key + ".gz"}))
        assert s.read(key) == body(300000, "condition0") and gzip.decompress(s.read(key + ".gz")) == s.read(key)
        shown = run(c, key)
        assert shown["receipt"]["unchanged"] and shown["published"] == 300000
        os.unlink(s.path(key + ".gz"))
        assert not run(c, key)["receipt"]["unchanged"]
        assert gzip.decompress(s.read(key + ".gz")) == s.read(key)
        next_version(server, key)
        assert not run(c, key)["receipt"]["unchanged"]
        assert s.read(key) == body(300000, "condition1") == gzip.decompress(s.read(key + ".gz"))
        assert run(c, key)["receipt"]["unchanged"]


def test_a_file_that_has_not_its_digest_is_fetched_whatever_it_remembers(serve, server):
    """A disk that forgets, or somebody who sets the time back: the digest is asked first."""
    s, key = serve(), "condition30"
    given = job(server, key, checksum=digest(body(1000, "condition0")))
    with s.client() as c:
        first(c, given)
        with open(s.path(key), "r+b") as f:
            st = os.fstat(f.fileno())
            f.write(b"x")
            f.flush()
            os.utime(f.fileno(), ns=(st.st_atime_ns, st.st_mtime_ns))
        shown = run(c, key)
        assert shown["state"] == "done" and not shown["receipt"]["unchanged"]
    assert s.read(key) == body(1000, "condition0")
    assert asked(server, key) == [(None, None)] * 2


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a file to somebody else")
def test_what_a_file_of_somebody_else_remembers_is_not_believed(serve, server):
    s, key = serve(), "condition31"
    with s.client() as c:
        first(c, job(server, key))
        os.chown(s.path(key), 65534, 65534)
        assert not run(c, key)["receipt"]["unchanged"]
        assert os.stat(s.path(key)).st_uid == 0
        assert run(c, key)["receipt"]["unchanged"]
    assert [a[0] for a in asked(server, key)] == [None, None, '"v0"']


def test_a_large_file_and_one_with_a_digest(serve, server):
    s = serve()
    with s.client() as c:
        first(c, job(server, "condition6", size=3 << 20))
        assert run(c, "condition6")["receipt"]["unchanged"]
        next_version(server, "condition6")
        run(c, "condition6")
        assert s.read("condition6") == body(3 << 20, "condition1")
        assert run(c, "condition6")["receipt"]["unchanged"]


def test_behind_a_redirect_the_one_that_has_the_file_is_asked(serve, server):
    s = serve()
    with s.client() as c:
        for key, query in (("condition7", ""), ("condition8", "&sign=1")):
            first(c, {**job(server, key), "url": server.url("/condition-redirect/1000?key=%s%s" % (key, query))})
            assert run(c, key)["receipt"]["unchanged"]
            next_version(server, key)
            assert not run(c, key)["receipt"]["unchanged"]
            assert s.read(key) == body(1000, "condition1")
            assert [a[0] for a in asked(server, key)] == [None, '"v0"', '"v0"']
            redirects = [e for e in server.requests("key=" + key) if "redirect" in e["path"]]
            assert not any(header_of(e, "If-None-Match") for e in redirects)


def test_an_answer_that_makes_no_sense_is_not_believed(serve, server):
    s = serve()
    with s.client() as c:
        # 304 with the tag of another file: it is asked for anew, without a condition
        first(c, job(server, "condition9", "&lie=tag"))
        shown = run(c, "condition9")
        assert shown["state"] == "done" and not shown["receipt"]["unchanged"]
        assert [a[0] for a in asked(server, "condition9")] == [None, '"v0"', None]
        # 304 to who asked nothing
        c.add(job(server, "condition10", "&lie=always", retry=0))
        shown = c.wait_job("condition10")
        assert shown["state"] == "failed" and shown["code"] == "http-304"
        # Last-Modified of this very second proves nothing
        first(c, job(server, "condition11", "&etag=none&date=now"))
        assert not run(c, "condition11")["receipt"]["unchanged"]
        assert asked(server, "condition11") == [(None, None)] * 2


@pytest.mark.parametrize("what", ["gone", "written", "of another url", "of another tag", "of another date", "of other settings"])
def test_a_file_that_changes_while_it_is_asked_about_is_fetched(serve, server, what):
    """The 304 is about the file that stood there when it was asked."""
    key = "condition40" + what.replace(" ", "")
    s = serve()
    later = what in ("of another tag", "of another date")
    query = "&gate=" + key + {"of another date": "&etag=none", "of another tag": "&date=none"}.get(what, "")
    path, given = s.path(key), job(server, key, query, retry=0) # it is nobody's failure
    with s.client() as c:
        if what.startswith("of "): # hauld has published this one, too, and the file says so: but it is not the one asked about
            other = job(server, key + ("x" if what == "of another url" else ""), query, name="other", output="other")
            first(c, {**other, **({"mode": "0600"} if what == "of other settings" else {})})
        if later:
            next_version(server, key)
        first(c, given)
        before = len(asked(server, key))
        c.call("run", jobs=[key])
        server.wait_requests(before + 1, "/condition/1000?key=" + key)
        if what == "gone":
            os.unlink(path)
        elif what == "written":
            with open(path, "r+b") as f:
                f.write(b"x")
        else:
            os.rename(s.path("other"), path)
        server.open(key)
        wait_until(lambda: c.show(key)["runs"]["count"] == 2)
        shown = c.show(key)
        assert shown["state"] == "done" and not shown["receipt"]["unchanged"] and shown["runs"]["unchanged"] == 0
    assert s.read(key) == body(1000, "condition%d" % later)
    assert [a == (None, None) for a in asked(server, key)][-2:] == [False, True]


def test_what_was_not_synced_is_not_asked_about(serve, server):
    s = serve()
    with s.client() as c:
        first(c, job(server, "condition12", fsync="off"))
        assert not run(c, "condition12")["receipt"]["unchanged"]


def test_once_asks_as_well(h, server):
    url = server.url("/condition/1000?key=condition13")
    jobs = [{"url": url, "output": "f", "conditional": True}]
    assert h.once_jobs(jobs).rc == 0
    done = h.once_jobs(jobs)
    assert done.rc == 0 and done.job()["unchanged"]
    assert [a[0] for a in asked(server, "condition13")] == [None, '"v0"']


@pytest.mark.parametrize("version", ["1.1", "2"])
def test_a_real_server(serve, web, web2, keep, data_dir, authority, version):
    name, server = keep(body(400000, "first")), web if version == "1.1" else web2
    path = os.path.join(data_dir, name)
    os.utime(path, (1700000000, 1700000000))
    s = serve()
    with s.client() as c:
        first(c, {"name": "real", "url": server.url("/" + name), "output": "real", "every": "1h", "http-version": version,
                  **({"cacert": authority.cert} if server is web2 else {})})
        assert run(c, "real")["receipt"]["unchanged"]
        with open(path, "wb") as f:
            f.write(body(400000, "other"))
        shown = run(c, "real")
        assert not shown["receipt"]["unchanged"] and s.read("real") == body(400000, "other")
    lines = [line.split() for line in server.access_log() if name in line]
    assert [(line[3], line[4]) for line in lines] == [("200", "400000"), ("304", "0"), ("200", "400000")]


def test_a_file_that_came_in_two_answers_is_asked_about(serve, server):
    s = serve()
    with s.client() as c:
        given = {"name": "two", "url": server.url("/cut/1M/1?key=condition14"), "output": "two", "every": "1h", "retry-delay": "1ms"}
        shown = first(c, given)
        assert shown["attempts"] == 2
        run(c, "two")
    conditions = [(header_of(e, "If-Range"), header_of(e, "If-None-Match")) for e in server.requests("key=condition14")]
    assert conditions == [(None, None), ('"cut"', None), (None, '"cut"')]


def test_of_two_sources_the_one_that_had_the_file_is_asked(serve, server):
    s, key = serve(), "condition15"
    urls = [server.url("/flaky/1/1000?key=condition16&status=404"), server.url("/condition/1000?key=" + key)]
    with s.client() as c:
        shown = first(c, {**job(server, key), "url": urls})
        assert shown["attempts"] == 2 and s.read(key) == body(1000, "condition0")
        shown = run(c, key) # the first has another file now, and is not asked about that of the second
        assert not shown["receipt"]["unchanged"] and s.read(key) == body(1000, 0)
    assert asked(server, key) == [(None, None)]
    assert all(header_of(e, "If-None-Match") is None for e in server.requests("key=condition16"))
