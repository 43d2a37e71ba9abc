"""Where the bytes of a file came from, in `show`: url, range, validators, peer, redirects."""

import os
import time
import urllib.parse

import servers
from bodies import body, digest
from waiting import wait_until

SIZE = 3 << 20


def sources(c, job):
    shown = c.show(job)
    assert shown["sources_lost"] == 0
    return shown["sources"]


def check_row(found, size):
    """They cover the file without a hole."""
    assert found[0]["from"] == 0 and found[-1]["to"] == size, found
    for one, following in zip(found, found[1:]):
        assert one["to"] == following["from"] > one["from"]


def test_one_answer(serve, server):
    s = serve()
    with s.client() as c:
        [job] = c.add({"url": server.url("/ok/100K?rc-one&token=secret-word"), "output": "one", "fsync": "off"})
        assert c.wait_job(job)["state"] == "done"
        [one] = sources(c, job)
        check_row([one], 100 << 10)
        assert one["status"] == 200 and one["http"] == "1.1" and one["via"] == [] and one["tls"] is None
        assert one["address"] == "127.0.0.1:%d" % server.port and one["etag"] and one["last_modified"] > 0
        assert one["url"] == server.url("/ok/100K?...") and abs(one["time"] - time.time()) < 60
        assert one["times_ms"]["total"] >= one["times_ms"]["first_byte"]
        assert set(one) == {"from", "to", "url", "via", "status", "http", "address", "etag", "last_modified", "time", "tls",
                            "times_ms"}
        text = s.ctl("show", job).out
        assert "source      http://127.0.0.1:" in text and "ETag " in text and "secret-word" not in text
        assert "from 127.0.0.1:%d" % server.port in text


def test_a_file_in_several_requests_outlives_a_restart(serve, server):
    s = serve()
    with s.client() as c:
        [job] = c.add({"url": server.url("/cut/3M/3?key=rc-cut"), "output": "cut", "retry": 8, "checksum": digest(body(SIZE))})
        assert c.wait_job(job)["state"] == "done"
        found = sources(c, job)
        check_row(found, SIZE)
        assert [f["status"] for f in found] == [200, 206, 206, 206]
        assert {f["etag"] for f in found} == {'"cut"'} and len({f["url"] for f in found}) == 1
        asked = [dict(r["headers"]).get("Range") for r in server.requests("/cut/")]
        assert asked[1:] == ["bytes=%d-" % f["from"] for f in found[1:]] # the server's log is the witness
        text = s.ctl("show", job).out
        assert text.count("source  ") == 4 and "bytes %d to %d, " % (found[1]["from"], found[1]["to"]) in text
    s.stop()
    s.start()
    with s.client() as c:
        assert sources(c, job) == found


def test_a_mirror_takes_over(serve, server, tmp):
    first = servers.BadServer(tmp)
    s = serve(max_origin_failures=1)
    try:
        with s.client() as c:
            urls = [first.url("/stall/3M/2M?rc-first"), server.url("/ok/3M?rc-second")]
            [job] = c.add({"url": urls, "output": "m", "retry": 50, "retry-delay": "10ms", "stall-timeout": "1h",
                           "checksum": digest(body(SIZE))})
            wait_until(lambda: c.show(job)["received"] >= 2 << 20)
            first.stop()
            assert c.wait_job(job)["state"] == "done"
            found = sources(c, job)
            check_row(found, SIZE)
            assert [f["address"] for f in found] == ["127.0.0.1:%d" % one.port for one in (first, server)]
            assert [f["status"] for f in found] == [200, 206] and found[0]["etag"] == found[1]["etag"]
            asked, = server.requests("rc-second")
            assert servers.header_of(asked, "Range") == "bytes=%d-" % found[1]["from"]
    finally:
        if first.process.poll() is None:
            first.stop()


def test_redirects_are_told(serve, server):
    s = serve()
    with s.client() as c:
        last = server.url("/ok/1000?rc-redirected").replace("127.0.0.1", "127.0.0.2")
        first = server.url("/redirect-to?" + urllib.parse.urlencode({"url": last}))
        [job] = c.add({"url": first, "output": "r"})
        assert c.wait_job(job)["state"] == "done"
        [one] = sources(c, job)
        assert one["via"] == [server.url("/redirect-to?...")] and one["url"].startswith("http://127.0.0.2:")
        assert one["address"] == "127.0.0.2:%d" % server.port
        assert "by way of " + server.url("/redirect-to") in s.ctl("show", job).out


def test_the_tls_peer(serve, tls_server, authority):
    s = serve()
    with s.client() as c:
        [job] = c.add({"url": tls_server.url("/ok/1000?rc-tls"), "output": "t", "cacert": authority.cert})
        assert c.wait_job(job)["state"] == "done", c.show(job)
        [one] = sources(c, job)
        tls = one["tls"]
        assert tls["protocol"] in ("TLSv1.2", "TLSv1.3") and tls["cipher"] and "CN=" in tls["subject"] and "CN=" in tls["issuer"]
        assert one["times_ms"]["tls"] >= one["times_ms"]["connect"]
        # A second one over the same connection knows it as well.
        [again] = c.add({"url": tls_server.url("/ok/1000?rc-tls2"), "output": "t2", "cacert": authority.cert})
        c.wait_job(again)
        assert sources(c, again)[0]["tls"] == tls
        assert "certificate of CN=" in s.ctl("show", job).out.replace("\n            ", " ")


def test_http_2(serve, web2, authority, keep):
    s = serve()
    name = keep(body(300 << 10))
    with s.client() as c:
        [job] = c.add({"url": web2.url("/" + name), "output": "h2", "cacert": authority.cert, "http-version": "2"})
        assert c.wait_job(job)["state"] == "done", c.show(job)
        [one] = sources(c, job)
        assert one["http"] == "2" and one["tls"]["cipher"] and one["etag"]


def test_an_active_job_and_one_that_was_paused(serve, server):
    s = serve()
    with s.client() as c:
        [job] = c.add({"url": server.url("/held/2M/1M/1?key=rc-pause"), "output": "p", "stall-timeout": "1h"})
        wait_until(lambda: c.show(job)["received"] == 1 << 20)
        [one] = sources(c, job)
        assert (one["from"], one["to"]) == (0, 1 << 20)
        c.call("pause", job=job)
        assert len(sources(c, job)) == 1
        c.call("resume", job=job)
        assert c.wait_job(job)["state"] == "done"
        found = sources(c, job)
        check_row(found, 2 << 20)
        assert [f["status"] for f in found] == [200, 206] # the part was gone on with


def test_only_the_last_answers_are_kept_and_the_rest_is_counted(serve, server):
    s = serve()
    with s.client() as c:
        [job] = c.add({"url": server.url("/cut/3M/20?key=rc-many"), "output": "many", "retry": 40, "checksum": digest(body(SIZE))})
        assert c.wait_job(job)["state"] == "done"
        shown = c.show(job)
        asked = server.requests("/cut/")
        assert len(shown["sources"]) <= 8 and len(shown["sources"]) + shown["sources_lost"] == len(asked)
        if shown["sources_lost"]:
            assert shown["sources"][0]["from"] > 0 and "before these are not kept" in s.ctl("show", job).out
        assert shown["sources"][-1]["to"] == SIZE


def test_what_was_never_fetched_has_none(serve, server):
    s = serve()
    with open(s.path("there"), "wb") as f:
        f.write(body(1000))
    with s.client() as c:
        [job, failed] = c.add({"url": server.url("/ok/1000?rc-there"), "output": "there", "checksum": digest(body(1000))},
                              {"url": server.url("/status/404?rc-404"), "output": "x", "retry": 0})
        assert c.wait_job(job)["state"] == "done" and c.show(job)["receipt"]["unchanged"]
        c.wait_job(failed)
        assert sources(c, job) == [] == sources(c, failed)
    assert os.path.exists(s.path("there"))


def test_once_tells_it_with_json(h, server):
    result = h.once_jobs([{"name": "j", "output": "j", "retry": 8, "url": server.url("/cut/3M/2?key=rc-once"),
                           "checksum": digest(body(SIZE))}])
    job = result.job("j")
    check_row(job["sources"], SIZE)
    assert [s["status"] for s in job["sources"]] == [200, 206, 206] and job["sources_lost"] == 0
