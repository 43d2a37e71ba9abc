"""HTTP/2 with servers that misbehave: the right end for whose stream it is, and for nobody else's.
The server is tests/lib/badhttp2.py; its log is the witness."""

import urllib.parse

import pytest
from bodies import body
from haul import assert_done
from servers import header_of
from waiting import wait_until

KIB, MIB = 1 << 10, 1 << 20
NEVER = "600s" # longer than any test waits: what ends before was not ended by it

# path -> (word, part of the sentence): retry = 0, no checksum
ENDS = {
    "/rst/1000/-/CANCEL": ("connect", "CANCEL"),
    "/rst/1000/-/INTERNAL_ERROR": ("connect", "stream ended before the answer came: "),
    "/rst/1000/-/ENHANCE_YOUR_CALM": ("connect", "ENHANCE_YOUR_CALM"),
    "/rst/1000/-/REFUSED_STREAM": ("connect", "before the answer came"),
    "/rst/1000/-/PROTOCOL_ERROR": ("protocol", "PROTOCOL_ERROR"),
    "/rst/1M/500K/CANCEL": ("truncated", "of 1048576 bytes: "),
    "/rst/1M/500K/INTERNAL_ERROR": ("truncated", "INTERNAL_ERROR"),
    "/rst/1M/500K/ENHANCE_YOUR_CALM": ("truncated", "ENHANCE_YOUR_CALM"),
    "/rst/1M/500K/REFUSED_STREAM": ("truncated", "of 1048576 bytes"),
    "/rst/1M/500K/NO_ERROR": ("truncated", "of 1048576 bytes"),
    "/end/1000/-": ("protocol", "not valid HTTP"),
    "/end/1000/0": ("truncated", "0 of 1000 bytes"),
    "/end/1000/500": ("truncated", "500 of 1000 bytes"),
    "/goaway/1000/-/NO_ERROR/none": ("connect", "before the answer came"),
    "/goaway/1M/500K/NO_ERROR/none": ("truncated", "of 1048576 bytes"),
    "/goaway/1M/500K/ENHANCE_YOUR_CALM/none": ("truncated", "of 1048576 bytes"),
    "/cut/1000/-/silent": ("connect", "before the answer came"),
    "/cut/1000/-/notify": ("connect", "before the answer came"),
    "/cut/1M/500K/frame": ("truncated", "512100 of 1048576 bytes"),
    "/cut/1M/500K/head": ("truncated", "512000 of 1048576 bytes"),
    "/cut/1M/500K/notify": ("truncated", "512000 of 1048576 bytes"),
    "/cut/1M/500K/silent": ("truncated", "512000 of 1048576 bytes"),
    "/wrong/1M/500K/data-0": ("truncated", "of 1048576 bytes"),
    "/wrong/1M/500K/data-idle": ("truncated", "of 1048576 bytes"),
    "/wrong/1M/500K/window-0": ("truncated", "of 1048576 bytes"),
    "/wrong/1M/500K/window-over": ("truncated", "of 1048576 bytes"),
    "/wrong/1M/500K/settings-size": ("truncated", "of 1048576 bytes"),
    "/wrong/1M/500K/large": ("truncated", "of 1048576 bytes"),
    "/wrong/1M/500K/hpack": ("truncated", "of 1048576 bytes"),
    "/wrong/1M/500K/push": ("truncated", "of 1048576 bytes"),
    "/wrong/1M/500K/interleaved": ("truncated", "of 1048576 bytes"),
    "/wrong/1000/-/push": ("connect", "before the answer came"),
    "/fields/1000/two-lengths": ("protocol", "not valid HTTP"),
    "/fields/1000/two-lengths-same": ("protocol", "not valid HTTP"),
    "/fields/1000/length-garbage": ("protocol", "not valid HTTP"),
    "/fields/1000/upper-case": ("protocol", "not valid HTTP"),
    "/fields/1000/status-twice": ("protocol", "not valid HTTP"),
    "/fields/1000/connection": ("protocol", "not valid HTTP"),
    "/fields/1000/transfer-encoding": ("protocol", "not valid HTTP"),
    "/fields/1000/line-feed": ("protocol", "not valid HTTP"),
    "/fields/1000/nul": ("protocol", "not valid HTTP"),
    "/fields/1000/encoding": ("encoding-refused", "gzip"),
    "/fields/1000/no-length": ("unproven", "allow-unproven"),
    "/fields/1000/70k": ("protocol", "longer than 64 KiB"),
    "/fields/1000/line-70k": ("protocol", "longer than 64 KiB"),
    "/fields/1000/400-lines": ("protocol", "more than 256 lines"),
    "/fields/1000/200k": ("protocol", "not valid HTTP"),
    "/fields/1000/bomb": ("protocol", "not valid HTTP"),
    "/no-status/1000": ("protocol", "not valid HTTP"),
    "/body-first/1000": ("connect", "before the answer came"),
    "/early/1000/1/101": ("protocol", "not valid HTTP"),
    "/early/1000/1000000": ("protocol", "more than 256 lines"),
    "/continued/1000/0": ("protocol", "CONTINUATION"),
    "/continued/1000/1": ("protocol", "CONTINUATION"),
    "/continued/1000/4000": ("protocol", "not valid HTTP"),
}

ACCEPTED = ["/end/1000/1000", "/end/1000/3000", "/rst/1000/1000/CANCEL", "/goaway/1M/-/NO_ERROR/this",
            "/goaway/1M/500K/NO_ERROR/this", "/fields/1000/40k", "/trailers/1000", "/trailers/1000/length",
            "/trailers/1000/status", "/trailers/1000/big", "/trailers/1000/huge", "/early/1000/3", "/empty/1000/5000",
            "/flood/1000/ping/5000", "/flood/1000/ping-ack/5000", "/flood/1000/settings/500",
            "/flood/1000/window/5000", "/flood/1000/priority/5000", "/flood/1000/unknown/5000"]


def job2(url, output, authority, **keys):
    return {"name": output, "url": url, "output": output, "cacert": authority.cert, "http-version": "2",
            "retry-delay": "1ms", **keys}


def size_of(path):
    return MIB if path.split("/")[2] == "1M" else 1000


def served(server2, part=""):
    """The requests that the server looked at, streams that it refused left out."""
    return [r for r in server2.requests(part) if not r.get("ignored") and not r.get("refused")]


def one_after_the_other(h, server2, authority, paths, **keys):
    """Each of them, and behind each a good one over whatever that left: its one try is enough."""
    jobs = []
    for i, path in enumerate(paths):
        jobs.append(job2(server2.url(path), "bad%d" % i, authority, retry=0, **keys))
        jobs.append(job2(server2.url("/ok/1000?behind%d" % i), "good%d" % i, authority, retry=0))
    result = h.once_jobs(jobs, daemon={"max-concurrent-downloads": 1})
    good = {"good%d" % i for i in range(len(paths))}
    assert {j["name"] for j in result.jobs if j["name"] in good and j["state"] == "done"} == good, result
    assert all(h.published()[name] == body(1000) for name in good)
    assert h.leftovers() == []
    return {path: result.job("bad%d" % i) for i, path in enumerate(paths)}


def test_each_end_has_its_word_and_its_sentence(h, server2, authority):
    ended = one_after_the_other(h, server2, authority, ENDS)
    for path, (word, part) in ENDS.items():
        assert ended[path]["code"] == word and part in ended[path]["reason"], (path, ended[path])
    assert [name for name in h.published() if name.startswith("bad")] == []
    assert {r["proto"] for r in server2.requests()} == {"h2"}


def test_odd_but_right(h, server2, authority):
    ended = one_after_the_other(h, server2, authority, ACCEPTED)
    assert [path for path in ACCEPTED if ended[path]["state"] != "done"] == [], ended
    found = h.published()
    assert [p for i, p in enumerate(ACCEPTED) if found["bad%d" % i] != body(size_of(p))] == []


# ---- One bad stream beside good ones

N = 5 # good ones

# What is wrong with a stream alone: nobody else on its connection may notice.
STREAMS = ["/rst/1M/-/CANCEL", "/rst/1M/-/INTERNAL_ERROR", "/rst/1M/500K/ENHANCE_YOUR_CALM", "/rst/1M/500K/REFUSED_STREAM",
           "/end/1M/500K", "/end/1000/3000", "/end/1000/-", "/fields/1000/two-lengths", "/fields/1000/upper-case",
           "/fields/1000/70k", "/fields/1000/no-length", "/no-status/1000", "/trailers/1000/big", "/early/1000/300",
           "/flood/1000/ping/5000", "/flood/1000/unknown/5000"]

# What is wrong with the connection: everybody goes on elsewhere, from where he is.
CONNECTIONS = ["/goaway/1M/500K/NO_ERROR/none", "/goaway/1M/-/INTERNAL_ERROR/none", "/cut/1M/500K/frame",
               "/cut/1M/500K/notify", "/cut/1M/-/silent", "/wrong/1M/500K/push", "/wrong/1M/500K/data-0",
               "/wrong/1M/500K/hpack", "/wrong/1M/-/window-over", "/fields/1000/200k", "/fields/1000/bomb",
               "/continued/1000/0", "/continued/1000/4000"]


def beside(h, server2, authority, path, key, there=N + 1, **keys):
    """The bad one begins when so many of them are there; so do they."""
    query = "?key=%s&with=%d" % (key, there)
    jobs = [job2(server2.url("/slow/1M/64K%s&seed=%d" % (query, i)), "good%d" % i, authority, **{"stall-timeout": NEVER})
            for i in range(N)]
    jobs.insert(N // 2, job2(server2.url(path + query), "bad", authority, **{"retry": 0, **keys}))
    result = h.once_jobs(jobs, defaults={"retry": 5}, daemon={"max-connections-per-host": N + 1})
    good = [j for j in result.jobs if j["name"] != "bad"]
    assert [j["state"] for j in good] == ["done"] * N, result
    found = h.published()
    assert all(found["good%d" % i] == body(MIB, str(i)) for i in range(N))
    assert h.leftovers() == []
    return result, good


@pytest.mark.parametrize("path", STREAMS)
def test_a_bad_stream_costs_nobody_else_anything(h, server2, authority, path):
    result, good = beside(h, server2, authority, path, "http2-beside" + path.replace("/", "-"))
    assert [j["attempts"] for j in good] == [1] * N, result
    requests = server2.requests("/slow/")
    assert len(requests) == N and len({r["conn"] for r in requests}) == 1, requests


@pytest.mark.parametrize("path", CONNECTIONS)
def test_who_loses_his_connection_goes_on(h, server2, authority, path):
    """At once: not when stall-timeout is over.  It costs one try, or none where nothing had come; and he who
    broke it tries again where he can break nothing."""
    result, good = beside(h, server2, authority, path, "http2-cut" + path.replace("/", "-"), **{"retry": 3})
    assert all(j["attempts"] <= 2 for j in good), result
    again = [r for r in server2.requests("/slow/") if header_of(r, "range")]
    assert all(int(header_of(r, "range")[6:-1]) >= 64 * KIB and header_of(r, "if-range") for r in again)


@pytest.mark.parametrize("at", ["-", "0", "500K"])
def test_a_stream_that_stalls_is_the_only_one_that_does(h, server2, authority, at):
    result, good = beside(h, server2, authority, "/stall/1M/" + at, "http2-stall" + at, there=N, **{"stall-timeout": "2s"})
    assert result.job("bad")["code"] == "stalled", result
    assert [j["attempts"] for j in good] == [1] * N, result
    assert len({r["conn"] for r in server2.requests("/slow/")}) == 1


@pytest.mark.parametrize("n", [1, 3])
def test_a_connection_that_went_deaf_is_not_asked_again(h, server2, authority, n):
    """Its streams stall, and the next try is over another one, also while others still wait on this one."""
    jobs = [job2(server2.url("/deaf/300K?key=http2-deaf%d&seed=%d" % (n, i)), "f%d" % i, authority,
                 **{"stall-timeout": "%ds" % (2 + 2 * i)}) for i in range(n)]
    assert_done(h.once_jobs(jobs, defaults={"retry": 5}, daemon={"max-connections-per-host": n}))
    h.expect({"f%d" % i: body(300 * KIB, str(i)) for i in range(n)})
    for i in range(n):
        first, *others = [r["conn"] for r in server2.requests("seed=%d" % i)]
        assert others and first not in others, server2.requests()


# ---- GOAWAY, SETTINGS

@pytest.mark.parametrize("each", [1, 3, 10])
def test_streams_that_were_not_looked_at_are_asked_for_again_for_nothing(h, server2, authority, each):
    """As servers do that end a connection behind so many requests: one try is enough for everyone."""
    server2.limit_streams(each=each)
    n = 60
    jobs = [job2(server2.url("/ok/1000?each%d=%d&seed=%d" % (each, i, i)), "f%d" % i, authority, retry=0) for i in range(n)]
    result = h.once_jobs(jobs, daemon={"max-connections-per-host": 8})
    assert_done(result)
    h.expect({"f%d" % i: body(1000, str(i)) for i in range(n)})
    assert [j["attempts"] for j in result.jobs] == [1] * n
    asked = [r["path"] for r in served(server2)]
    assert len(asked) == len(set(asked)) == n, "some were served twice"


def test_goaway_in_the_middle_of_bodies(h, server2, authority):
    """Those up to it end well; those above go on over another connection, from where they are."""
    n = 10
    jobs = [job2(server2.url("/goaway/1M/500K/NO_ERROR/this?key=http2-mid&bad=1&with=%d&seed=%d" % (n, i)), "f%d" % i,
                 authority, **{"stall-timeout": NEVER}) for i in range(n)]
    result = h.once_jobs(jobs, defaults={"retry": 1}, daemon={"max-connections-per-host": n})
    assert_done(result)
    h.expect({"f%d" % i: body(MIB, str(i)) for i in range(n)})
    first = server2.requests()[:n]
    assert len({r["conn"] for r in first}) == 1 and sorted(r["stream"] for r in first) == list(range(1, 2 * n, 2))
    assert len(server2.requests()) <= 2 * n - 1


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("at_a_time", [1, 3])
def test_streams_at_a_time(h, server2, authority, at_a_time, late):
    """Also when it is said too late: those above are refused, which costs no try."""
    server2.limit_streams(at_a_time, late=late)
    n = 20
    jobs = [job2(server2.url("/slow/100K/10K?few%d%d=%d&seed=%d" % (at_a_time, late, i, i)), "f%d" % i, authority, retry=0)
            for i in range(n)]
    result = h.once_jobs(jobs, daemon={"max-connections-per-host": 8})
    assert_done(result)
    h.expect({"f%d" % i: body(100 * KIB, str(i)) for i in range(n)})
    assert [j["attempts"] for j in result.jobs] == [1] * n
    assert len(served(server2)) == n


@pytest.mark.parametrize("most", [0, 1])
def test_fewer_streams_while_there_are_some(h, server2, authority, most):
    """Whoever comes later finds another connection."""
    n = 8
    jobs = [job2(server2.url("/settings/100K/%d?fewer%d=%d&seed=%d" % (most, most, i, i)), "f%d" % i, authority,
                 **{"stall-timeout": "2s"}) for i in range(n)]
    assert_done(h.once_jobs(jobs, defaults={"retry": 20}, daemon={"max-connections-per-host": 4}))
    h.expect({"f%d" % i: body(100 * KIB, str(i)) for i in range(n)})


# ---- HTTP/1.1 beside it

def test_a_server_that_has_no_http_2(h, tls_server, authority):
    """Each has a connection of its own then, no more than the host may have."""
    n = 12
    jobs = [job2(tls_server.url("/ok/300K?http2-none=%d&seed=%d" % (i, i)), "f%d" % i, authority, retry=0) for i in range(n)]
    assert_done(h.once_jobs(jobs, daemon={"max-connections-per-host": 4}))
    h.expect({"f%d" % i: body(300 * KIB, str(i)) for i in range(n)})
    requests = tls_server.requests("http2-none")
    assert len(requests) == n and max(r["open"] for r in requests) <= 4


def test_http_1_1_of_a_server_that_has_both(h, server2, authority):
    """http-version says which, side by side."""
    jobs = [job2(server2.url("/ok/1000?both=%d" % i), "f%d" % i, authority, retry=0,
                 **({"http-version": "1.1"} if i % 2 else {})) for i in range(8)]
    assert_done(h.once_jobs(jobs))
    said = {r["path"][-1]: r.get("proto") for r in server2.requests("both")}
    assert said == {str(i): None if i % 2 else "h2" for i in range(8)}


def test_redirects_between_both(h, server2, tls_server, authority):
    """h2 to h1 to h2; each hop speaks what its server does."""
    end = server2.url("/ok/300K?http2-hop=end")
    back = tls_server.url("/redirect-to?http2-hop&url=" + urllib.parse.quote(end, safe=""))
    first = server2.url("/redirect/1000?http2-hop=first&to=" + urllib.parse.quote(back, safe=""))
    assert_done(h.once_jobs([job2(first, "f", authority, retry=0)]))
    h.expect({"f": body(300 * KIB)})
    assert [r["path"].split("&")[0] for r in server2.requests()] == ["/redirect/1000?http2-hop=first", "/ok/300K?http2-hop=end"]
    assert len(tls_server.requests("http2-hop")) == 1


# ---- Going on, many, and being told

@pytest.mark.parametrize("rest", ["206", "416", "200", "other"])
def test_the_rest_of_a_file(h, server2, authority, rest):
    """It goes on with If-Range; when it cannot, or it is another file, from the first byte."""
    result = h.once_jobs([job2(server2.url("/rest/1M/500K/%s?http2-rest=%s" % (rest, rest)), "f", authority)],
                         defaults={"retry": 3})
    assert_done(result)
    h.expect({"f": body(MIB)})
    requests = server2.requests("http2-rest")
    assert [header_of(r, "range") for r in requests] == [None, "bytes=512000-"] + ([] if rest == "206" else [None])
    assert header_of(requests[1], "if-range")


def test_many_small_files_go_over_one_connection(h, server2, authority):
    n = 200
    jobs = [job2(server2.url("/ok/1000?http2-many=%d&seed=%d" % (i, i)), "f%d" % i, authority, retry=0) for i in range(n)]
    assert_done(h.once_jobs(jobs))
    h.expect({"f%d" % i: body(1000, str(i)) for i in range(n)})
    assert len(server2.requests("http2-many")) == n and len({r["conn"] for r in server2.requests("http2-many")}) == 1


def gated(server2, authority, name, at, gate, size="1M"):
    return job2(server2.url("/gate/%s/%s?gate=%s&seed=%s" % (size, at, gate, name)), name, authority, **{"stall-timeout": NEVER})


def ends_of(server2, part):
    """How the streams whose path holds part ended for the server."""
    events = server2.events()
    ours = {e["n"] for e in events if e["ev"] == "request" and part in e["path"]}
    return [e["how"] for e in events if e["ev"] == "end" and e["n"] in ours]


@pytest.mark.parametrize("at", ["-", "0", "100K"])
def test_a_server_is_told_of_a_cancel(serve, server2, authority, at):
    """Wherever its answer was: it does not go on for nobody."""
    s = serve()
    with s.client() as c:
        one, = c.add(gated(server2, authority, "told" + at, at, "http2-never"))
        server2.wait_requests(1, "seed=told")
        c.call("cancel", jobs=[one])
        assert c.wait_job(one)["state"] == "cancelled"
        wait_until(lambda: ends_of(server2, "seed=told"), why=lambda: "the server was not told: %r" % server2.events())


def test_what_libcurl_kept_of_a_paused_stream_is_freed(serve, server2, authority):
    """A limit comes where there are no ranges, so it is a pause, and what the server sends is kept.  Who sees
    that nobody frees it is LeakSanitizer, in a build with it."""
    s = serve()
    with s.client() as c:
        one, other = c.add(gated(server2, authority, "kept", "1K", "http2-kept&plain", "24M"),
                           gated(server2, authority, "beside", "1K", "http2-beside"))
        for i in (one, other):
            wait_until(lambda i=i: c.show(i)["received"] >= KIB)
        c.call("set", jobs=[one], set={"limit-rate": "1"})
        server2.open("http2-kept")
        wait_until(lambda: ends_of(server2, "/1K?gate=http2-kept") == ["sent"])
        c.call("cancel", jobs=[one])
        assert c.wait_job(one)["state"] == "cancelled"
        server2.open("http2-beside")
        assert c.wait_job(other)["state"] == "done" and s.read("beside") == body(MIB, "beside")
        assert len({r["conn"] for r in server2.requests()}) == 1


def test_one_is_cancelled_one_paused_and_the_others_go_on(serve, server2, authority):
    s = serve()
    with s.client() as c:
        names = ["stay0", "cancelled", "paused", "stay1", "limited"]
        ids = dict(zip(names, c.add(*[gated(server2, authority, n, "300K", "http2-side") for n in names])))
        for i in ids.values():
            wait_until(lambda i=i: c.show(i)["received"] >= 300 * KIB)
        assert len({r["conn"] for r in server2.requests()}) == 1
        c.call("cancel", jobs=[ids["cancelled"]])
        c.call("pause", jobs=[ids["paused"]])
        c.call("set", jobs=[ids["limited"]], set={"limit-rate": "100M"})
        assert c.wait_job(ids["cancelled"])["state"] == "cancelled"
        c.wait_state(ids["paused"], "paused")
        server2.open("http2-side")
        for name in ("stay0", "stay1", "limited"):
            assert c.wait_job(ids[name])["state"] == "done" and s.read(name) == body(MIB, name)
        assert c.show(ids["stay0"])["attempts"] == c.show(ids["stay1"])["attempts"] == 1
        assert sorted(s.published()) == ["limited", "stay0", "stay1"]
        c.call("resume", jobs=[ids["paused"]])
        assert c.wait_job(ids["paused"])["state"] == "done" and s.read("paused") == body(MIB, "paused")
        again = [header_of(r, "range") for r in server2.requests("seed=paused")]
        assert again == [None, "bytes=%d-" % (300 * KIB)]
        assert len(server2.requests("seed=stay")) == 2
