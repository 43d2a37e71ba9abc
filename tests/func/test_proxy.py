"""Proxies: the environment's by default in --once, the configured one, none."""

import pytest
from bodies import body
from haul import assert_done, assert_failed
from servers import header_of

FAR = "http://far-away.invalid/ok/1000"


def job(url, **keys):
    return {"name": "a", "url": url, "output": "a", **keys}


def test_once_takes_the_environments_proxy(h, server):
    assert_done(h.once(FAR, env={"http_proxy": server.url("")}))
    assert server.requests()[0]["path"] == FAR
    h.expect({"1000": body(1000)})


def test_without_a_proxy_the_far_host_is_unknown(h):
    result = h.once("--retry", "0", FAR)
    assert_failed(result, "dns")


def test_no_proxy_of_the_environment(h, server, other_server):
    env = {"http_proxy": other_server.url(""), "no_proxy": "127.0.0.1"}
    assert_done(h.once(server.url("/ok/1000"), env=env))
    assert other_server.requests() == [] and len(server.requests()) == 1


@pytest.mark.parametrize("name,value,used", [
    ("http_proxy", "P", True), ("HTTP_PROXY", "P", False), ("all_proxy", "P", True), ("ALL_PROXY", "P", True),
    ("https_proxy", "P", False), ("http_proxy", "", False)])
def test_which_variables_count(h, server, name, value, used):
    """HTTP_PROXY is what a client of a CGI program can set: not obeyed, as in curl."""
    result = h.once("--retry", "0", FAR, env={name: value.replace("P", server.url(""))})
    assert result.word() == ("done" if used else "dns"), result
    assert len(server.requests()) == used


@pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY", "ALL_PROXY"])
def test_variables_for_https(h, server, tls_server, authority, name):
    result = h.once("--cacert", authority.cert, tls_server.url("/ok/1000"), env={name: server.url("")})
    assert_done(result)
    assert [r["method"] for r in server.requests()] == ["CONNECT"]


@pytest.mark.parametrize("text", ["127.0.0.1", "127.0.0.0/8", "*", "x.example 127.0.0.1,y"])
def test_what_no_proxy_may_hold(h, server, other_server, text):
    env = {"http_proxy": other_server.url(""), "NO_PROXY": text}
    assert_done(h.once(server.url("/ok/1000"), env=env))
    assert other_server.requests() == []


ENVIRONMENT = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


def service_with(serve, **variables):
    """A service whose environment has these variables."""
    s = serve({}, start=False)
    plain = s.environment
    s.environment = lambda: {**plain(), **variables}
    return s.start()


def fetched(s, **keys):
    with s.client() as c:
        return c.wait_job(c.add({"output": "a", "retry": 0, **keys})[0])


def test_a_service_obeys_no_variable(serve, server, other_server):
    s = service_with(serve, **{name: other_server.url("") for name in ENVIRONMENT})
    assert fetched(s, url=server.url("/ok/1000"))["state"] == "done"
    assert fetched(s, url=FAR)["code"] == "dns"
    assert other_server.requests() == []


def test_a_service_obeys_them_for_a_job_that_says_so(serve, server, other_server):
    s = service_with(serve, http_proxy=other_server.url(""), no_proxy="127.0.0.1")
    assert fetched(s, url=FAR, proxy="env")["state"] == "done"
    assert fetched(s, url=server.url("/ok/1000"), proxy="env")["state"] == "done"
    assert [r["path"] for r in other_server.requests()] == [FAR]


def test_no_proxy_of_the_environment_is_nothing_to_a_configured_proxy(serve, server, other_server):
    """libcurl would ask it."""
    s = service_with(serve, no_proxy="*", NO_PROXY="*")
    assert fetched(s, url=server.url("/ok/1000"), proxy=other_server.url(""))["state"] == "done"
    assert len(other_server.requests()) == 1 and server.requests() == []


def test_proxy_env_of_the_configuration(h, server):
    assert_done(h.once_jobs([job(FAR, proxy="env")], env={"http_proxy": server.url("")}))
    assert server.requests()[0]["path"] == FAR


def test_a_configured_proxy_beats_the_environment(h, server, other_server):
    assert_done(h.once_jobs([job(FAR, proxy=server.url(""))],
                            env={"http_proxy": other_server.url("")}))
    assert len(server.requests()) == 1 and other_server.requests() == []


def test_a_proxy_of_a_hosts_entry(h, server):
    config = {"hosts": [{"match": "*.invalid", "proxy": server.url("")}],
              "jobs": [job(FAR), {"name": "b", "url": server.url("/ok/10"), "output": "b"}]}
    assert_done(h.once(config=config))
    assert sorted(r["path"] for r in server.requests()) == ["/ok/10", FAR]


def test_noproxy(h, server, other_server):
    result = h.once_jobs([job(server.url("/ok/1000"), proxy=other_server.url(""),
                              noproxy="127.0.0.1,localhost")])
    assert_done(result)
    assert other_server.requests() == []


def test_https_goes_through_a_tunnel(h, server, tls_server, authority):
    result = h.once_jobs([job(tls_server.url("/ok/300000"), proxy=server.url(""),
                              cacert=authority.cert)])
    assert_done(result)
    assert [r["method"] for r in server.requests()] == ["CONNECT"]
    assert [r["method"] for r in tls_server.requests()] == ["GET"]
    h.expect({"a": body(300000)})


def test_a_proxy_that_is_not_there(h, server):
    result = h.once_jobs([job(server.url("/ok/10"), proxy="http://127.0.0.1:1")])
    assert result.rc == 1 and result.word() in ("proxy", "connect"), result
    h.expect({})


def test_a_tunnel_that_is_refused(h, server, authority):
    result = h.once_jobs([job("https://127.0.0.1:1/x", proxy=server.url(""))])
    assert result.rc == 1 and result.word() in ("proxy", "connect", "http-502"), result


def test_job_headers_are_not_for_the_proxy_of_a_tunnel(h, server, tls_server, authority):
    result = h.once_jobs([job(tls_server.url("/ok/10"), proxy=server.url(""), user="bob:pw",
                              header=["X-Key: 1"], cacert=authority.cert)])
    assert_done(result)
    asked = server.requests()[0]
    assert header_of(asked, "X-Key") is None and header_of(asked, "Authorization") is None
    assert header_of(tls_server.requests()[0], "X-Key") == "1"


def test_userinfo_of_the_proxy_is_for_the_proxy(h, server):
    proxy = server.url("").replace("//", "//me:pw@", 1)
    assert_done(h.once_jobs([job(FAR, proxy=proxy)]))
    assert header_of(server.requests()[0], "Proxy-Authorization").startswith("Basic ")
    assert header_of(server.requests()[0], "Authorization") is None
