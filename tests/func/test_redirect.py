"""Redirects: each hop under its own host's rules, headers bound to the origin."""

import urllib.parse

import pytest
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
