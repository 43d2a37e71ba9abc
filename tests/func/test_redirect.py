"""Redirects: each hop under its own host's rules, headers bound to the origin."""

import urllib.parse

import pytest
import servers
from bodies import body
from haul import assert_done, assert_failed


def job(url, **keys):
    return {"name": "a", "url": url, "output": "a", **keys}


def to(server, url, **query):
    return server.url("/redirect-to?" + urllib.parse.urlencode({"url": url, **query}))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_every_status_is_followed(h, server, status):
    assert_done(h.once_jobs([job(server.url("/redirect/2/ok/1000?status=%d" % status))]))
    h.expect({"a": body(1000)})


def test_relative_locations(h, server):
    assert_done(h.once_jobs([job(server.url("/redirect-relative/x/y"))]))
    assert [r["path"] for r in server.requests()] == ["/redirect-relative/x/y", "/ok/1000"]
    h.expect({"a": body(1000)})


def test_locations_without_a_scheme(h, server):
    target = "//127.0.0.2:%d/ok/1000" % server.port
    assert_done(h.once_jobs([job(to(server, target))]))
    h.expect({"a": body(1000)})


def test_a_location_that_is_only_a_query(h, server):
    assert_done(h.once_jobs([job(to(server, "/ok/1000?seed=q#part"))]))
    assert server.requests("/ok")[0]["path"] == "/ok/1000?seed=q"
    h.expect({"a": body(1000, "q")})


def test_to_another_host(h, server):
    assert_done(h.once_jobs([job(to(server, server.url("/ok/1000", "127.0.0.9")))]))
    assert [r["addr"] for r in server.requests()] == ["127.0.0.1", "127.0.0.9"]


def test_http_to_https_is_fine(h, server, tls_server, authority):
    url = to(server, tls_server.url("/ok/1000"))
    assert_done(h.once_jobs([job(url, cacert=authority.cert)]))
    h.expect({"a": body(1000)})


@pytest.mark.parametrize("path", ["/redirect-loop", "/redirect-endless/1", "/redirect-file",
                                  "/redirect-ftp", "/redirect-nohost", "/redirect-hostile"])
def test_refused(h, server, path):
    assert_failed(h.once_jobs([job(server.url(path))], timeout=20), "redirect-refused")
    assert len(server.requests()) <= 60
    h.expect({})


@pytest.mark.parametrize("url", [
    "http://exa mple/x", "http://user@/x", "javascript:alert(1)", "data:text/plain,x", "http:",
    "file:///etc/passwd", "gopher://127.0.0.1/x", "http://127.0.0.1:99999/x", "http://[::1/x"])
def test_bad_locations_are_refused(h, server, url):
    result = h.once_jobs([job(to(server, url))])
    assert result.rc == 1 and result.word() in ("redirect-refused", "protocol"), result
    h.expect({})


def test_a_redirect_to_nowhere(h, server):
    result = h.once_jobs([job(server.url("/redirect-nolocation"))])
    assert result.rc == 1 and result.word() in ("http-302", "redirect-refused", "protocol")
    h.expect({})


def test_https_never_becomes_http(h, server, tls_server, authority):
    url = tls_server.url("/redirect-https-down?port=%d" % server.port)
    assert_failed(h.once_jobs([job(url, cacert=authority.cert)]), "redirect-refused")
    assert server.requests() == []
    h.expect({})


def test_the_body_of_a_redirect_is_nobodys_business(h, server):
    """It never ends, and it is not the file."""
    assert_done(h.once_jobs([job(server.url("/redirect-bodies/1000"), **{"max-time": "15s"})]))
    h.expect({"a": body(1000)})


def test_headers_stay_with_their_origin(h, server, other_server):
    """Another port is another origin, though the host is the same."""
    keys = {"header": ["X-Key: hdr-s3cret", "Cookie: c=1"], "user": "bob:pw", "user-agent": "me/1"}
    url = to(server, other_server.url("/echo-headers"))
    assert_done(h.once_jobs([job(url, **keys)]))
    seen = h.published()["a"].decode().lower()
    for name in ("x-key", "cookie", "authorization", "referer", "s3cret"):
        assert name not in seen
    first = {k.lower(): v for k, v in server.requests()[0]["headers"]}
    assert first["x-key"] == "hdr-s3cret" and "authorization" in first


KEYS = {"header": ["X-Key: hdr-s3cret", "Cookie: c=1", "Authorization: Bearer hdr-s3cret"], "user": "bob:pw"}


def assert_bare(request):
    """Nothing of the job's own in it."""
    names = {name.lower() for name, _value in request["headers"]}
    assert names.isdisjoint({"x-key", "cookie", "authorization", "proxy-authorization", "referer"}), request


def test_headers_do_not_go_from_http_to_https(h, server, tls_server, authority):
    """The same host, and a safer scheme: another origin all the same."""
    url = to(server, tls_server.url("/ok/1000"))
    assert_done(h.once_jobs([job(url, cacert=authority.cert, **KEYS)]))
    assert_bare(tls_server.requests()[0])


def test_headers_stay_with_their_origin_over_https(h, lab, authority, server_cert, tls_server):
    other = servers.BadServer(lab, tls=server_cert)
    try:
        url = to(tls_server, other.url("/ok/1000"))
        assert_done(h.once_jobs([job(url, cacert=authority.cert, **KEYS),
                                 {**job(to(tls_server, tls_server.url("/ok/10", "localhost"), n=1)), "name": "b",
                                  "output": "b", "cacert": authority.cert, **KEYS}]))
        assert_bare(other.requests()[0])
    finally:
        other.stop()
    assert_bare(tls_server.requests("/ok/10")[0]) # another name of the same machine


def test_headers_do_not_go_to_another_host(h, server):
    """127.0.0.1 and localhost are two hosts; so are a name and its subdomain."""
    for n, host in enumerate(["127.0.0.2", "localhost"]):
        url = to(server, server.url("/ok/%d" % n, host))
        assert_done(h.once_jobs([job(url, **KEYS)]))
        assert_bare(server.requests("/ok/%d" % n)[0])


@pytest.mark.parametrize("userinfo", ["bob:s3cret@", "bob@", ":s3cret@", "@", "bob:s3cret%40x@"])
def test_credentials_in_a_location_are_refused(h, server, userinfo):
    result = h.once_jobs([job(to(server, "http://%s127.0.0.1:%d/ok/1000" % (userinfo, server.port)))])
    assert_failed(result, "redirect-refused")
    assert "s3cret" not in result.stdout + result.stderr and len(server.requests()) == 1
    h.expect({})


@pytest.mark.parametrize("pad,ok", [(7000, True), (8192, False), (60000, False)])
def test_a_long_location(h, server, pad, ok):
    result = h.once_jobs([job(server.url("/redirect-to?pad=%d&url=/ok/1000" % pad))])
    assert result.rc == (0 if ok else 1), result
    assert ok or result.word() in ("redirect-refused", "protocol"), result
    h.expect({"a": body(1000)} if ok else {})


@pytest.mark.parametrize("hops,ok", [(20, True), (21, False)])
def test_twenty_redirects_are_enough(h, server, hops, ok):
    result = h.once_jobs([job(server.url("/redirect/%d/ok/1000" % hops))])
    assert result.rc == (0 if ok else 1), result
    if not ok:
        assert_failed(result, "redirect-refused")
        assert "20" in result.job()["reason"]


@pytest.mark.parametrize("target", ["ftp://127.0.0.1/x", "ftps://127.0.0.1/x", "file:///etc/passwd", "file://localhost/etc/passwd",
                                    "gopher://127.0.0.1/x", "dict://127.0.0.1/x", "ldap://127.0.0.1/x", "smb://127.0.0.1/x",
                                    "tftp://127.0.0.1/x", "telnet://127.0.0.1/x", "mailto:x@y", "ws://127.0.0.1/x",
                                    "FILE:/etc/passwd", "hTTps+unix://x/y"])
@pytest.mark.parametrize("allow", [False, True])
def test_only_http_and_https_are_followed(h, server, target, allow):
    result = h.once_jobs([job(to(server, target), **{"allow-file": allow})])
    assert_failed(result, "redirect-refused")
    h.expect({})


def test_headers_go_along_within_their_origin(h, server):
    keys = {"header": ["X-Key: 1"], "user": "bob:pw"}
    assert_done(h.once_jobs([job(server.url("/redirect/2/echo-headers"), **keys)]))
    seen = h.published()["a"].decode()
    assert "X-Key: 1\n" in seen and "Authorization: Basic" in seen


def test_headers_come_back_with_their_origin(h, server, other_server):
    back = to(other_server, server.url("/echo-headers"))
    assert_done(h.once_jobs([job(to(server, back), header=["X-Key: 1"])]))
    assert not any(k == "X-Key" for k, _v in other_server.requests()[0]["headers"])


def test_a_location_of_nine_thousand_bytes(h, server):
    result = h.once_jobs([job(server.url("/redirect-to?pad=9000&url=/ok/1000"))])
    assert result.rc == 1 and result.word() in ("redirect-refused", "protocol"), result
    h.expect({})


def test_a_hosts_entry_counts_for_the_host_of_the_hop(h, server):
    config = {"hosts": [{"match": "127.0.0.2", "header": ["X-Two: yes"]}],
              "jobs": [job(to(server, server.url("/echo-headers", "127.0.0.2")))]}
    assert_done(h.once(config=config))
    assert b"X-Two: yes\n" in h.published()["a"]
    assert not any(k == "X-Two" for k, _v in server.requests()[0]["headers"])


def test_cookies_are_never_kept(h, server):
    assert_done(h.once_jobs([job(server.url("/ok/10")),
                             {"name": "b", "url": server.url("/echo-headers"), "output": "b"}],
                            daemon={"max-concurrent-downloads": 1}))
    assert b"ookie" not in h.published()["b"]
