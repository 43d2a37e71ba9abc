"""https: whom haul trusts."""

import pytest
import servers
from bodies import body
from certs import public_key_pin
from haul import assert_done, assert_failed


def job(url, **keys):
    return {"name": "a", "url": url, "output": "a", **keys}


def test_cacert(h, tls_server, authority):
    assert_done(h.once_jobs([job(tls_server.url("/ok/300000"), cacert=authority.cert)]))
    h.expect({"a": body(300000)})


def test_cacert_on_the_command_line(h, tls_server, authority):
    assert_done(h.once("--cacert", authority.cert, tls_server.url("/ok/1000")))
    h.expect({"1000": body(1000)})


def test_cacert_of_a_hosts_entry(h, tls_server, authority):
    config = {"hosts": [{"match": "127.*", "cacert": authority.cert}],
              "jobs": [job(tls_server.url("/ok/1000"))]}
    assert_done(h.once(config=config))


def test_localhost_by_name(h, tls_server, authority):
    url = tls_server.url("/ok/1000", "localhost")
    assert_done(h.once_jobs([job(url, cacert=authority.cert)]))


def test_an_unknown_authority(h, tls_server):
    assert_failed(h.once_jobs([job(tls_server.url("/ok/1000"))]), "tls")
    h.expect({})


def test_another_authority(h, tls_server, other_authority):
    result = h.once_jobs([job(tls_server.url("/ok/1000"), cacert=other_authority.cert)])
    assert_failed(result, "tls")
    h.expect({})


def test_a_wrong_host_name(h, tls_server, authority):
    url = tls_server.url("/ok/1000", "127.0.0.2")
    assert_failed(h.once_jobs([job(url, cacert=authority.cert)]), "tls")
    assert tls_server.requests() == []
    h.expect({})


def test_trust_is_not_carried_over_between_jobs(h, tls_server, authority, other_authority):
    """A connection that one job's authority vouched for is not the other's."""
    url = tls_server.url("/ok/1000")
    result = h.once_jobs([{"name": "good", "url": url, "output": "a", "cacert": authority.cert},
                          {"name": "bad", "url": url, "output": "b",
                           "cacert": other_authority.cert}],
                         daemon={"max-concurrent-downloads": 1})
    assert (result.word("good"), result.word("bad")) == ("done", "tls")
    h.expect({"a": body(1000)})


def test_an_expired_certificate(h, lab, authority):
    expired = servers.BadServer(lab, tls=authority.issue("expired", "IP:127.0.0.1", days=-1))
    try:
        result = h.once_jobs([job(expired.url("/ok/1000"), cacert=authority.cert)])
    finally:
        expired.stop()
    assert_failed(result, "tls")


@pytest.mark.parametrize("what", ["expired", "self-signed", "for clients", "for another name", "no name", "old TLS"])
def test_a_certificate_that_is_not_right(h, lab, authority, other_authority, what):
    name = what.replace(" ", "-")
    if what == "self-signed":
        cert, key = other_authority.cert, other_authority.key
    else:
        cert, key = authority.issue(
            name, "DNS:other.example" if what == "for another name" else "DNS:none" if what == "no name" else "IP:127.0.0.1",
            days=-1 if what == "expired" else 30, usage="clientAuth" if what == "for clients" else "serverAuth")
    bad = servers.BadServer(lab, tls=(cert, key), old_tls=what == "old TLS")
    try:
        result = h.once_jobs([job(bad.url("/ok/1000"), cacert=authority.cert, retry=0)])
    finally:
        bad.stop()
    assert_failed(result, "tls")
    assert bad.requests() == []
    h.expect({})


def test_a_missing_cacert_file(h, tls_server, tmp):
    result = h.once_jobs([job(tls_server.url("/ok/1000"), cacert=tmp + "/nothing.pem")])
    assert result.rc in (1, 78) and "nothing.pem" in result.stdout + result.stderr
    h.expect({})


def test_a_pinned_key(h, tls_server, authority, other_authority, server_cert):
    right = public_key_pin(server_cert[0])
    wrong = public_key_pin(other_authority.cert)
    result = h.once_jobs([
        {"name": "right", "url": tls_server.url("/ok/1000"), "output": "a",
         "cacert": authority.cert, "pinnedpubkey": right},
        {"name": "wrong", "url": tls_server.url("/ok/1000"), "output": "b",
         "cacert": authority.cert, "pinnedpubkey": wrong}])
    assert (result.word("right"), result.word("wrong")) == ("done", "tls")
    h.expect({"a": body(1000)})


def test_a_client_certificate(h, lab, authority, server_cert):
    cert, key = authority.issue("client", "DNS:client")
    strict = servers.BadServer(lab, tls=server_cert, client_ca=authority.cert)
    try:
        result = h.once_jobs([
            {"name": "with", "url": strict.url("/ok/1000"), "output": "a",
             "cacert": authority.cert, "cert": cert, "key": key},
            {"name": "without", "url": strict.url("/ok/1000"), "output": "b",
             "cacert": authority.cert}], daemon={"max-concurrent-downloads": 1})
    finally:
        strict.stop()
    assert result.word("with") == "done", result
    assert result.word("without") in ("tls", "connect", "truncated", "protocol"), result
    h.expect({"a": body(1000)})


@pytest.mark.parametrize("scheme_pair", ["http to https", "https to http"])
def test_speaking_the_wrong_protocol(h, server, tls_server, authority, scheme_pair):
    if scheme_pair == "http to https":
        url = tls_server.url("/ok/1000").replace("https:", "http:")
    else:
        url = server.url("/ok/1000").replace("http:", "https:")
    result = h.once_jobs([job(url, cacert=authority.cert, **{"connect-timeout": "1s"})])
    assert result.rc == 1
    assert result.word() in ("tls", "connect", "protocol", "truncated", "timeout"), result
    h.expect({})
