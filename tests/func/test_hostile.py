"""Servers that want to do harm: endless and dripping answers, framing tricks,
names, identities.  What is merely broken is in test_misbehaving.py."""

import os
import resource
import urllib.parse

import pytest
import servers
from bodies import body
from haul import assert_done, assert_failed
from servers import header_of


def job(url, name="a", **keys):
    return {"name": name, "url": url, "output": name, **keys}


def quoted(text):
    return urllib.parse.quote(text.encode("latin-1") if isinstance(text, str) else text, safe="")


@pytest.fixture(params=["http", "https"])
def either(request, server, tls_server, authority):
    """(server, keys of a job): plain and over TLS."""
    if request.param == "http":
        return server, {}
    return tls_server, {"cacert": authority.cert}


# ---- endless and dripping

FLOODS = [("/header-huge", "protocol"), ("/header-line-huge", "protocol"), ("/header-70k", "protocol"),
          ("/header-lines/300", "protocol"), ("/informational-flood", "protocol"),
          ("/trailer-flood/1000", "protocol truncated"), ("/redirect-endless/1", "redirect-refused")]


@pytest.mark.parametrize("path,words", FLOODS)
def test_floods_end(h, either, path, words):
    server, keys = either
    result = h.once_jobs([job(server.url(path), **keys)])
    assert result.rc == 1 and result.word() in words.split(), result
    h.expect({})


def test_many_header_lines_are_fine(h, either):
    server, keys = either
    assert_done(h.once_jobs([job(server.url("/header-lines/200"), **keys)]))
    h.expect({"a": body(100)})


@pytest.mark.parametrize("path", ["/header-drip", "/informational-drip"])
def test_a_header_that_drips_is_stalled(h, either, path):
    """A line every 100 ms is no silence, but the header must end."""
    server, keys = either
    result = h.once_jobs([job(server.url(path), **keys, **{"stall-timeout": "1s"})])
    assert_failed(result, "stalled")
    assert "header" in result.job()["reason"] and "within 1000 ms" in result.job()["reason"]
    h.expect({})


@pytest.mark.parametrize("path", ["/drip/1000/1/0.1", "/status-drip/404", "/status-drip/302?location=/ok/10"])
def test_a_body_that_drips_is_stalled(h, either, path):
    """The file's, an error's, a redirect's."""
    server, keys = either
    result = h.once_jobs([job(server.url(path), **keys, **{"speed-limit": 100, "speed-time": "1s"})])
    assert_failed(result, "stalled")
    assert "speed-limit" in result.job()["reason"]
    h.expect({})


def test_a_body_within_speed_limit(h, server):
    keys = {"speed-limit": 100, "speed-time": "2s"}
    assert_done(h.once_jobs([job(server.url("/drip/5000/100/0.1"), **keys)]))
    h.expect({"a": body(5000)})


def test_a_rate_limit_is_no_drip(h, server):
    """haul's own holding does not count against the server."""
    keys = {"speed-limit": "1M", "speed-time": "1s", "limit-rate": "40K"}
    assert_done(h.once_jobs([job(server.url("/ok/120K"), **keys)]))
    h.expect({"a": body(120 << 10)})


# ---- framing

TRICKS = [
    "HTTP/1.1 200 OK\r\nContent-Length : 100", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n : x",
    "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n 0", "HTTP/1.1 200 OK\r\nContent-Length: 1_00",
    "HTTP/1.1 200 OK\r\nContent-Length: 100;x", "HTTP/1.1 200 OK\r\nContent-Length: -100",
    "HTTP/1.1 200 OK\r\nContent-Length: 100, 100, 99", "HTTP/1.1 200 OK\r\nContent-Length: \"100\"",
    "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551716",
    "HTTP/1.1 200 OK\r\ncontent-length: 100\r\nCONTENT-LENGTH: 1000",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: x", "HTTP/1.1 200 OK\r\nTransfer-Encoding : chunked",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: \x0bchunked",
    "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked", "HTTP/1.1 200 OK\r\nX\0: a\r\nContent-Length: 100",
    "HTTP/1.1 200 OK\r\nX: a\rContent-Length: 1000\r\nContent-Length: 100",
    "HTTP/1.1 99 OK\r\nContent-Length: 100", "HTTP/1.1 0200 OK\r\nContent-Length: 100", "HTTP/1.1 2000 OK",
    "HTTP/1.1 -200 OK", "HTTP/1.1  200 OK\r\nContent-Length: 100", "HTTP/11 200 OK", "ICY 200 OK\r\nContent-Length: 100",
    "HTTP/1.1 203 OK\r\nContent-Length: 100", "HTTP/1.1 205 Reset\r\nContent-Length: 100", "HTTP/1.1 226 IM\r\nContent-Length: 100",
    "HTTP/1.1 300 Choice\r\nContent-Length: 100", "HTTP/1.1 304 Not\r\nContent-Length: 100",
    "HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade", "HTTP/1.1 206 Part\r\nContent-Length: 100",
    "HTTP/1.1 206 Part\r\nContent-Range: bytes 0-99/100\r\nContent-Length: 100",
    "HTTP/1.1 206 Part\r\nContent-Type: multipart/byteranges; boundary=x\r\nContent-Length: 100",
    "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 100",
    "HTTP/1.1 200 OK\r\nContent-Encoding: identity, gzip\r\nContent-Length: 100",
]


@pytest.mark.parametrize("head", TRICKS, ids=lambda head: repr(head[:70]).replace("::", ":"))
def test_framing_tricks_publish_nothing(h, either, head):
    server, keys = either
    path = "/raw?size=100&head=" + quoted(head)
    result = h.once_jobs([job(server.url(path), **keys, **{"stall-timeout": "2s", "allow-unproven": True})])
    assert result.rc == 1 and result.word() != "internal", result
    assert_failed(result, result.word())
    h.expect({})


def test_chunks_count_more_than_a_length_and_that_is_logged(h, server):
    result = h.once_jobs([job(server.url("/te-and-cl/300K"))], daemon={"log-level": "debug"})
    assert_done(result)
    assert "sent both a length and chunks" in result.stderr
    h.expect({"a": body(300 << 10)})


def test_an_announced_size_is_counted_in_64_bits(serve, server):
    s = serve({})
    with s.client() as c:
        number, = c.add({"url": server.url("/petabyte"), "output": "a", "stall-timeout": "1h"})
        ended = c.wait_job(number)
    assert ended["code"] == "disk-full" and "1.0 PiB" in ended["reason"], ended
    assert s.published() == []


FINE = ["HTTP/1.1 200\r\nContent-Length: 100", "HTTP/1.1 200 \r\nContent-Length:100",
        "HTTP/1.1 200 OK\r\nContent-Length:\t100 \t", "HTTP/1.1 200 OK\r\nContent-Length: 0100",
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\nAlt-Svc: h3=\":1\"\r\nStrict-Transport-Security: max-age=1\r\n"
        "Refresh: 0; url=http://127.0.0.1:1/\r\nLink: <x>; rel=preload\r\nLocation: http://127.0.0.1:1/"]


@pytest.mark.parametrize("head", FINE, ids=lambda head: repr(head[:60]))
def test_odd_headers_that_are_right(h, either, head):
    server, keys = either
    assert_done(h.once_jobs([job(server.url("/raw?size=100&head=" + quoted(head)), **keys)]))
    h.expect({"a": body(100)})


# ---- mirrors

def test_what_one_mirror_began_no_other_goes_on_with(h, server):
    """The same name, length and ETag, and other bytes: without a digest nothing would tell."""
    urls = [server.url("/stall/2M/1M?seed=x"), server.url("/ok/2M?seed=y", "127.0.0.2")]
    assert_done(h.once_jobs([job(urls, **{"stall-timeout": "1s"})]))
    assert [header_of(r, "Range") for r in server.requests("seed=y")] == [None]
    h.expect({"a": body(2 << 20, "y")})


# ---- descriptors

def test_too_few_descriptors_fail_nothing(h, server):
    """Sixty transfers at once, descriptors for far fewer: each has its turn."""
    limit = 100
    jobs = [job(server.url("/drip/100K/50K/0.2?seed=%d" % i, "127.0.0.%d" % (1 + i % 20)), "j%d" % i, retry=50)
            for i in range(60)]
    result = h.once_jobs(jobs, daemon={"max-concurrent-downloads": 60, "workers": 1}, popen={
        "preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))})
    assert_done(result)
    assert "transfers at once are possible with 100 open files" in result.stderr
    h.expect({"j%d" % i: body(100 << 10, i) for i in range(60)})


def test_hauld_does_not_begin_with_hardly_any_descriptors(h, server):
    for limit in (30, 66, 99): # no child could be started; jobs waited for ever
        result = h.once_jobs([job(server.url("/ok/1K?seed=few"), "few")], popen={
            "preexec_fn": lambda n=limit: resource.setrlimit(resource.RLIMIT_NOFILE, (n, n))})
        assert result.rc == 1
        assert result.stderr == ("hauld: only %d files may be open at once, and it takes at least 100: "
                                 "raise the limit (ulimit -n, or LimitNOFILE= of the unit)\n" % limit), result.stderr


# ---- identities

def test_cookies_are_never_kept(h, server):
    jobs = [job(server.url("/cookie/1000"), priority=5), job(server.url("/echo-headers"), "b")]
    assert_done(h.once_jobs(jobs, daemon={"max-concurrent-downloads": 1}))
    assert b"ookie" not in h.published()["b"]


def test_netrc_is_not_asked(h, server):
    path = os.path.join(h.home, ".netrc")
    with open(path, "w") as f:
        f.write("machine 127.0.0.1 login netrc password s3cret\ndefault login netrc password s3cret\n")
    os.chmod(path, 0o600)
    assert_done(h.once_jobs([job(server.url("/echo-headers"))]))
    assert b"Authorization" not in h.published()["a"]


def test_jobs_keep_their_identities_on_one_connection(h, either):
    server, keys = either
    who = {"one": {"user": "one:pw1"}, "two": {"user": "two:pw2"}, "none": {},
           "head": {"header": ["X-Only: head", "Authorization: Bearer t"]}, "last": {}}
    jobs = [job(server.url("/echo-headers?" + name), name, **extra, **keys) for name, extra in who.items()]
    assert_done(h.once_jobs(jobs, daemon={"max-concurrent-downloads": 1}))
    seen = h.published()
    assert len({r["conn"] for r in server.requests()}) == 1
    assert b"Basic b25lOnB3MQ==" in seen["one"] and b"Basic dHdvOnB3Mg==" in seen["two"]
    assert b"Bearer t" in seen["head"] and b"X-Only" in seen["head"]
    for name in ("none", "last"):
        assert b"Authorization" not in seen[name] and b"X-Only" not in seen[name]


def test_a_401_is_not_answered(h, server):
    result = h.once_jobs([job(server.url("/status/401"), user="bob:pw", retry=3)])
    assert_failed(result, "http-401")
    assert len(server.requests()) == 1


# ---- names

@pytest.mark.parametrize("last", ["..%2f..%2fescape", "a%2fb", "%2e%2e", "%2E", "..", ".", "a%5cb", "a%00b", "a%0ab",
                                  "a%0d%0ab", "%1b%5b31mred", "%7f", "", ".haul", "x" * 256, "%2fetc%2fpasswd"])
def test_a_name_that_none_may_have_is_refused(h, server, last):
    """The url ends in it, and no output is said."""
    result = h.once(server.url("/ok/" + last))
    assert result.rc in (2, 78), result
    assert "\x1b" not in result.stderr and server.requests() == []
    h.expect({})
    assert not os.path.exists(os.path.join(h.tmp, "escape"))


@pytest.mark.parametrize("last,name", [
    ("x" * 255, "x" * 255), ("...", "..."), ("a.", "a."), ("a%20b", "a b"), (".hidden", ".hidden"), ("%252f", "%2f"),
    ("-rf", "-rf"), ("a;b", "a;b"), ("%c3%a4", "\u00e4"), ("~", "~")])
def test_a_name_is_decoded_once(h, server, last, name):
    result = h.once(server.url("/disposition/%s?name=other" % last))
    assert_done(result)
    h.expect({name: body(100)})


@pytest.mark.parametrize("wanted", ["../../evil", "/etc/evil", "evil", ".bashrc"])
def test_a_server_names_no_file(h, server, wanted):
    assert_done(h.once(server.url("/disposition/mine?name=" + quoted(wanted))))
    url = server.url("/redirect-to/asked?url=" + quoted("/disposition/there?name=" + wanted))
    assert_done(h.once(url))
    h.expect({"mine": body(100), "asked": body(100)})


# ---- text that would be code elsewhere

BAD_TEXTS = [("url", "http://127.0.0.1/a\r\nX-Evil: 1"), ("url", "http://127.0.0.1/a b"), ("url", "http://127.0.0.1/a\x01"),
             ("url", "http://127.0.0.1\r\n/"), ("url", "http://u:p@127.0.0.1/"), ("url", "http://127.0.0.1\\@evil/"),
             ("header", "X-A: b\r\nX-Evil: 1"), ("header", "X-A: b\nX-Evil: 1"), ("header", "X-A\r\n: b"),
             ("header", "X A: b"), ("header", "Content-Length: 5"), ("header", "Transfer-Encoding: chunked"),
             ("user-agent", "a\r\nX-Evil: 1"), ("user", "a:b\r\nX-Evil: 1"), ("output", "a\nb"), ("output", "a\x1bb"),
             ("name", "a\nb"), ("proxy", "http://p\r\n:1")]


@pytest.mark.parametrize("key,text", BAD_TEXTS, ids=lambda value: repr(value)[:40])
def test_no_line_ends_through_the_door(serve, server, key, text):
    s = serve({})
    job_keys = {"url": server.url("/ok/1"), "output": "a", key: text}
    with s.client() as c:
        error = c.refused("add", jobs=[job_keys])
        assert "\n" not in error.text and c.call("status")
    assert server.requests() == []


def test_hostile_texts_are_seen_escaped(serve, server):
    """A reason phrase, a Location: in the log, in JSON, on the screen."""
    s = serve({})
    with s.client() as c:
        ids = c.add({"url": server.url("/hostile-reason"), "output": "a"},
                    {"url": server.url("/redirect-hostile"), "output": "b"})
        ended = [c.wait_job(i) for i in ids]
        shown = [c.call("show", job=i) for i in ids]
    assert [j["code"] for j in ended] == ["http-404", "redirect-refused"]
    texts = [s.log, s.ctl("list").out, s.ctl("show", str(ids[0]), str(ids[1])).out, str(ended), str(shown)]
    for text in texts:
        assert not any(ch < " " and ch not in "\n\t" or "\x7f" <= ch <= "\x9f" for ch in text), text


# ---- client certificates

def test_a_client_certificate_stays_with_its_origin(h, lab, authority, server_cert):
    """Both want one; the second one is where the first one redirects to."""
    cert, key = authority.issue("hop-client", "DNS:client")
    first, second = (servers.BadServer(lab, tls=server_cert, client_ca=authority.cert) for _ in range(2))
    try:
        url = first.url("/redirect-to?url=" + quoted(second.url("/ok/1000")))
        result = h.once_jobs([
            job(url, cacert=authority.cert, cert=cert, key=key),
            job(first.url("/redirect/1/ok/1000"), "same", cacert=authority.cert, cert=cert, key=key)])
        seen = second.requests()
    finally:
        first.stop()
        second.stop()
    assert result.word("same") == "done" and result.word("a") != "done", result
    assert seen == []
    h.expect({"same": body(1000)})
