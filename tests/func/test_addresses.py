"""Addresses: what is connected to, whatever the name and whoever led there."""

import os
import urllib.parse

import pytest
import servers
from bodies import body
from haul import assert_done, assert_failed
from netbox import NetBox

PUBLIC, PUBLIC6, OTHER, PRIVATE = "93.184.216.34", "2606:2800:220::1", "8.8.8.8", "10.0.0.5"
NAMES = {"public.test": [PUBLIC], "home.test": ["127.0.0.1"], "inside.test": [PRIVATE],
         "metadata.test": ["169.254.169.254"], "both.test": ["169.254.169.254", PUBLIC],
         "split.test": [PUBLIC, PRIVATE], "flip.test": [PUBLIC]}


def job(url, **keys):
    return {"name": "a", "url": url, "output": "a", **keys}


def to(server, host, url, **query):
    return server.url("/redirect-to?" + urllib.parse.urlencode({"url": url, **query}), host)


@pytest.fixture(scope="module")
def box(lab):
    try:
        one = NetBox(lab, [PUBLIC, PUBLIC6, OTHER, PRIVATE], NAMES)
    except PermissionError as error:
        pytest.skip("no network namespace can be made: %s" % error)
    yield one
    one.close()


@pytest.fixture(scope="module")
def _inside(lab, box, data_dir):
    pair = [servers.BadServer(lab, bind=box.addresses, root=data_dir, prefix=box.prefix) for _ in range(2)]
    yield pair
    for one in pair:
        one.stop()


@pytest.fixture
def inside(box, _inside):
    """A server in the box, on every address of it, and a second one on another port."""
    for one in _inside:
        one.mark()
    box.set_hosts(NAMES)
    return _inside


def run(h, box, jobs, **options):
    return h.once_jobs(jobs, prefix=box.prefix, **options)


# ---- without a box: nothing of this may leave the machine

@pytest.mark.parametrize("host", [
    "169.254.169.254", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "[::ffff:169.254.169.254]",
    "[64:ff9b::a9fe:a9fe]", "[fd00:ec2::254]", "[fe80::1]", "224.0.0.1", "[ff02::1]", "255.255.255.255", "240.0.0.1"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_no_file_is_there(h, scheme, host):
    result = h.once_jobs([job("%s://%s/latest/meta-data/" % (scheme, host), retry=5)])
    assert_failed(result, "address-refused")
    assert "allow-addresses" in result.job()["reason"]
    assert result.job()["attempts"] == 1 and result.of("retry") == []
    h.expect({})


@pytest.mark.parametrize("host", ["0.0.0.0", "0", "[::]"])
def test_an_unspecified_address_is_not_this_machine(h, server, host):
    assert_failed(h.once_jobs([job(server.url("/ok/1000", host))]), "address-refused")
    assert server.requests() == []


def test_a_denied_address(h, server):
    daemon = {"deny-addresses": ["127.0.0.0/30", "10.0.0.0/8"], "allow-addresses": "127.0.0.2"}
    names = ["n1", "n2", "n3", "n4"]
    jobs = [{"name": n, "url": server.url("/ok/1000", "127.0.0." + n[1]), "output": n} for n in names]
    result = h.once_jobs(jobs, daemon=daemon)
    assert [result.word(n) for n in names] == ["address-refused", "done", "address-refused", "done"]
    assert result.job("n1")["reason"].startswith("address 127.0.0.1 is refused by deny-addresses (127.0.0.0/30)")
    assert sorted(r["addr"] for r in server.requests()) == ["127.0.0.2", "127.0.0.4"]


def test_the_next_url_is_tried(h, server):
    urls = ["http://169.254.169.254/x", server.url("/ok/1000")]
    assert_done(h.once_jobs([job(urls, retry=0)]))
    h.expect({"a": body(1000)})


def test_a_redirect_to_metadata(h, server):
    result = h.once_jobs([job(to(server, None, "http://169.254.169.254/latest/meta-data/"), retry=3)])
    assert_failed(result, "address-refused")
    assert len(server.requests()) == 1


def test_the_proxy_is_exempt_and_what_is_behind_it_is_not_seen(h, server):
    daemon = {"deny-addresses": "127.0.0.0/8"}
    result = h.once_jobs([job("http://169.254.169.254/ok/1000", proxy=server.url("")),
                          {"name": "b", "url": server.url("/ok/10"), "output": "b"}], daemon=daemon)
    assert result.word("a") == "done" and result.word("b") == "address-refused", result


def test_from_behind_a_proxy_nothing_private_is_reached(h, server, other_server):
    """The first host is reached by the proxy, the second one would be directly."""
    url = "http://far.invalid/redirect-to?url=" + urllib.parse.quote(other_server.url("/ok/1000"), safe="")
    result = h.once_jobs([job(url, proxy=server.url(""), noproxy="127.0.0.1")])
    assert_failed(result, "address-refused")
    assert other_server.requests() == []


def test_lists_are_taken_anew_by_a_reload(serve, server):
    """Also for the connection that stands."""
    s = serve({})
    with s.client() as c:
        def fetch(name):
            return c.wait_job(c.add({"url": server.url("/ok/1000"), "output": name})[0])
        assert fetch("one")["state"] == "done"
        s.reload({}, **{"deny-addresses": ["127.0.0.1"]})
        refused = fetch("two")
        assert refused["code"] == "address-refused" and "127.0.0.1/32" in refused["reason"]
        s.reload({}, **{"deny-addresses": ["127.0.0.2"]})
        assert fetch("three")["state"] == "done"
    assert len(server.requests()) == 2


def test_a_stream_of_a_connection_that_stands_is_judged_too(serve, web2, authority, keep):
    """HTTP/2, where a connection is shared by many."""
    s = serve({})
    url = "%s/%s" % (web2.url("").rstrip("/"), keep(body(1000)))
    with s.client() as c:
        def fetch(name):
            return c.wait_job(c.add({"url": url, "output": name, "cacert": authority.cert, "http-version": "2"})[0])
        first = fetch("one")
        assert first["state"] == "done", first
        s.reload({}, **{"deny-addresses": "127.0.0.0/8"})
        assert fetch("two")["code"] == "address-refused"
        s.reload({})
        assert fetch("three")["state"] == "done"


def test_refusals_are_no_fault_of_the_network(serve, server):
    """Nothing was reached, but nothing was tried either: no breaker opens, nobody waits."""
    s = serve({})
    with s.client() as c:
        ids = c.add(*[{"url": "http://169.254.1.%d/x" % i, "output": "a%d" % i, "retry": 3} for i in range(1, 31)])
        ids += c.add(*[{"url": "http://169.254.9.9/x%d" % i, "output": "b%d" % i, "retry": 3} for i in range(30)])
        ended = [c.wait_job(i) for i in ids]
        assert {(j["code"], j["attempts"]) for j in ended} == {("address-refused", 1)}
        assert c.wait_job(c.add({"url": server.url("/ok/1000"), "output": "good"})[0])["state"] == "done"
    s.stop()
    assert "is down" not in s.log


def test_lists_have_a_length(h):
    ranges = ["10.%d.%d.0/24" % (i // 256, i % 256) for i in range(1001)]
    assert h.once("http://127.0.0.1:1/x", config={"daemon": {"deny-addresses": ranges[:1000]}, "defaults": {"retry": 0}}).rc == 1
    result = h.once("http://127.0.0.1:1/x", config={"daemon": {"deny-addresses": ranges}})
    assert result.rc == 78 and "has more than 1000 ranges" in result.stderr


# ---- public and private, in a box

def test_public_hosts_lead_to_public_ones(h, box, inside):
    url = to(inside[0], PUBLIC, inside[0].url("/ok/1000", OTHER))
    assert_done(run(h, box, [job(url)]))
    h.expect({"a": body(1000)})


@pytest.mark.parametrize("target", [PRIVATE, "127.0.0.1", "localhost", "inside.test", "home.test", "[::ffff:10.0.0.5]",
                                    "167772165", "169.254.169.254", "metadata.test"])
@pytest.mark.parametrize("public", [PUBLIC, "public.test"])
def test_public_hosts_lead_to_no_private_one(h, box, inside, public, target):
    result = run(h, box, [job(to(inside[0], public, inside[1].url("/ok/1000", target)), retry=4)])
    assert_failed(result, "address-refused")
    assert target.startswith(("169", "meta")) or "a public host led there" in result.job()["reason"]
    assert len(inside[0].requests()) == 1 and inside[1].requests() == []
    h.expect({})


def test_the_way_back_is_closed_too(h, box, inside):
    """private -> public -> private"""
    back = to(inside[0], PUBLIC, inside[1].url("/ok/1000", PRIVATE))
    assert_failed(run(h, box, [job(to(inside[0], PRIVATE, back))]), "address-refused")
    assert inside[1].requests() == []


def test_private_hosts_lead_to_private_ones(h, box, inside):
    assert_done(run(h, box, [job(to(inside[0], "127.0.0.1", inside[1].url("/ok/1000", PRIVATE)))]))
    h.expect({"a": body(1000)})


def test_what_is_allowed_may_be_led_to(h, box, inside):
    url = to(inside[0], PUBLIC, inside[1].url("/ok/1000", PRIVATE))
    assert_done(run(h, box, [job(url)], daemon={"allow-addresses": ["10.0.0.0/24"]}))
    h.expect({"a": body(1000)})


def test_what_is_allowed_leads_no_further(h, box, inside):
    """public -> private, which is allowed -> private, which is not"""
    further = to(inside[0], PRIVATE, inside[1].url("/ok/1000", "127.0.0.1"))
    result = run(h, box, [job(to(inside[0], PUBLIC, further))], daemon={"allow-addresses": ["10.0.0.0/24"]})
    assert_failed(result, "address-refused")
    assert len(inside[0].requests()) == 2 and inside[1].requests() == []


def test_a_connection_that_stands_opens_no_way(h, box, inside):
    """The first job has one to the private host, which the second must not use."""
    jobs = [{"name": "first", "url": inside[1].url("/ok/1000", PRIVATE), "output": "first", "priority": 5},
            {"name": "led", "url": to(inside[0], PUBLIC, inside[1].url("/ok/1000?led", PRIVATE)), "output": "led"}]
    result = run(h, box, jobs, daemon={"max-concurrent-downloads": 1})
    assert result.word("first") == "done"
    assert_failed(result, "address-refused", "led")
    assert [r["path"] for r in inside[1].requests()] == ["/ok/1000"]


def test_another_address_of_the_name_is_taken(h, box, inside):
    """Two addresses: one is refused, the other is not."""
    jobs = [{"name": "meta", "url": inside[0].url("/ok/1000?meta", "both.test"), "output": "meta"},
            {"name": "led", "url": to(inside[0], PUBLIC, inside[1].url("/ok/1000?led", "split.test")), "output": "led"}]
    assert_done(run(h, box, jobs))
    assert [r["addr"] for r in inside[0].requests("/ok/1000?meta") + inside[1].requests()] == [PUBLIC, PUBLIC]


def test_of_a_connection_that_may_not_be_used_again_another_is_made(h, box, inside):
    """The name has a private address at first, and a public one later: the connection
    to the first is there, and only the second may be led to."""
    box.set_hosts({**NAMES, "flip.test": [PRIVATE]})
    key = "flip-%d" % os.getpid()
    jobs = [{"name": "first", "url": inside[1].url("/ok/1000?first", "flip.test"), "output": "first", "priority": 5},
            {"name": "led", "url": inside[0].url("/redirect-once-there/%s?url=%s" % (key, urllib.parse.quote(
                inside[1].url("/ok/1000?led", "flip.test"), safe="")), PUBLIC), "output": "led"}]
    with h.start(config={"defaults": {"retry": 0}, "jobs": jobs, "daemon": {"max-concurrent-downloads": 1}},
                 prefix=box.prefix) as running:
        inside[0].wait_requests(1, "/redirect-once-there/")
        box.set_hosts({**NAMES, "flip.test": [PUBLIC]})
        with open(os.path.join(inside[0].root, key), "w"):
            pass
        result = running.finish()
    os.unlink(os.path.join(inside[0].root, key))
    assert_done(result)
    assert [r["addr"] for r in inside[1].requests()] == [PRIVATE, PUBLIC]


def test_a_name_that_leads_elsewhere_at_the_next_hop(h, box, inside):
    """DNS rebinding: the name was public when it sent the redirect, to itself."""
    key = "rebind-%d" % os.getpid()
    url = inside[0].url("/redirect-once-there/%s?url=%s" % (key, urllib.parse.quote(
        inside[1].url("/ok/1000", "flip.test"), safe="")), "flip.test")
    with h.start(config={"defaults": {"retry": 0}, "jobs": [job(url)]}, prefix=box.prefix) as running:
        inside[0].wait_requests(1)
        box.set_hosts({**NAMES, "flip.test": ["127.0.0.1"]})
        with open(os.path.join(inside[0].root, key), "w"):
            pass
        result = running.finish()
    os.unlink(os.path.join(inside[0].root, key))
    assert_failed(result, "address-refused")
    assert "(flip.test)" in result.job()["reason"] and inside[1].requests() == []


def test_ipv6_is_public_too(h, box, lab, inside):
    six = servers.BadServer(lab, bind=[PUBLIC6], prefix=box.prefix)
    try:
        url = to(six, "[%s]" % PUBLIC6, inside[1].url("/ok/1000", "127.0.0.1"))
        assert_failed(run(h, box, [job(url)]), "address-refused")
        assert_done(run(h, box, [job(to(six, "[%s]" % PUBLIC6, six.url("/ok/10", "[%s]" % PUBLIC6)))]))
    finally:
        six.stop()
    assert inside[1].requests() == []
