"""Servers that misbehave: the right word, and nothing under the final name."""

import pytest
from bodies import body, digest
from haul import assert_done, assert_failed

# path -> the words that are right for it (retry = 0, no checksum)
REFUSED = [
    ("/short/1000/10", "truncated"),
    ("/short/1M/300K", "truncated"),
    ("/short/1000/0", "truncated"),
    ("/chunked-cut/1000", "truncated"),
    ("/chunked-cut/600K", "truncated"),
    ("/chunked-bad", "protocol truncated"),
    ("/chunked-huge", "protocol truncated"),
    ("/chunked-trailer-bad", "protocol truncated"),
    ("/reset/1000/10", "truncated connect"),
    ("/reset/2M/600K", "truncated connect"),
    ("/close-at-once", "truncated connect protocol"),
    ("/reset-at-once", "truncated connect protocol"),
    ("/two-lengths", "protocol"),
    ("/length-list-differs", "protocol"),
    ("/length-garbage", "protocol"),
    ("/length-plus", "protocol"),
    ("/length-hex", "protocol"),
    ("/length-empty", "protocol"),
    ("/length-huge", "protocol"),
    ("/length-2-63", "protocol"),
    ("/length-negative", "protocol"),
    ("/te-gzip-chunked/1000", "protocol encoding-refused unsupported"),
    ("/http09", "protocol"),
    ("/garbage", "protocol"),
    ("/bad-status", "protocol"),
    ("/bad-version", "protocol unsupported"),
    ("/header-nul", "protocol"),
    ("/header-nocolon", "protocol"),
    ("/header-folded-first", "protocol"),
    ("/header-huge", "protocol"),
    ("/header-line-huge", "protocol"),
    ("/header-70k", "protocol"),
    ("/encoding/gzip/1000", "encoding-refused"),
    ("/encoding/x-unknown/1000", "encoding-refused"),
    ("/304", "http-304"),
    ("/206", "http-206"),
    ("/206-whole", "http-206"),
    ("/204", "http-204"),
    ("/status/404", "http-404"),
    ("/status/403", "http-403"),
    ("/status/410", "http-410"),
    ("/status/416", "http-416"),
    ("/status/500", "http-500"),
    ("/status/503", "http-503"),
    ("/hostile-reason", "http-404"),
    ("/nolength/1000", "unproven"),
    ("/nolength/600K", "unproven"),
    ("/nolength/0", "unproven"),
    ("/http10/1000", "unproven"),
]

ACCEPTED = [
    ("/two-lengths-same", b"0123456789" * 10),
    ("/te-and-cl/300K", body(300 << 10)),
    ("/chunked-trailers/1000", body(1000)),
    ("/chunked-trailers/300K", body(300 << 10)),
    ("/informational/1000", body(1000)),
    ("/trickle-head/1000", body(1000)),
    ("/folded/1000", body(1000)),
    ("/header-30k", body(100)),
    ("/encoding/identity/1000", body(1000)),
    ("/200-empty", b""),
    ("/extra/1000/10", body(1000)),
    ("/expect-continue", b"expect\n"),
]


def one(h, url, timeout=30, **keys):
    job = {"name": "a", "url": url, "output": "a", "max-time": "20s", **keys}
    return h.once_jobs([job], timeout=timeout)


@pytest.mark.parametrize("path,words", REFUSED)
def test_refused(h, server, path, words):
    result = one(h, server.url(path))
    assert result.rc == 1 and result.word() in words.split(), result
    assert_failed(result, result.word())
    h.expect({})


@pytest.mark.parametrize("path,data", ACCEPTED, ids=[path for path, _data in ACCEPTED])
def test_odd_but_right(h, server, path, data):
    assert_done(one(h, server.url(path)))
    h.expect({"a": data})


def test_a_first_line_that_is_folded_goes_on_with_no_other_answer(h, server):
    """libcurl 7.88 appends it to the last header of the answer that the handle had before, which is freed."""
    paths = ["/ok/1000", "/header-folded-first"] * 10
    result = h.once_jobs([{"name": "j%d" % i, "output": "%d" % i, "url": server.url(path)} for i, path in enumerate(paths)],
                         daemon={"max-concurrent-downloads": 1})
    assert [(j["state"], j["code"]) for j in result.jobs] == [("done", "done"), ("failed", "protocol")] * 10, result
    h.expect({"%d" % i: body(1000) for i in range(0, 20, 2)})


def test_a_list_of_equal_lengths_is_never_a_wrong_file(h, server):
    """RFC 9110 8.6 leaves the choice: take it as one or refuse it."""
    result = one(h, server.url("/length-list"))
    if result.rc == 0:
        h.expect({"a": b"0123456789" * 10})
    else:
        assert_failed(result, "protocol")
        h.expect({})


def test_unproven_names_the_way_out(h, server):
    result = one(h, server.url("/nolength/1000"))
    assert "allow-unproven" in result.job()["reason"]


@pytest.mark.parametrize("size", [0, 1000, 600000])
def test_unproven_is_done_when_allowed(h, server, size):
    assert_done(one(h, server.url("/nolength/%d" % size), **{"allow-unproven": True}))
    h.expect({"a": body(size)})


@pytest.mark.parametrize("path", ["/short/1000/10", "/chunked-cut/1000", "/reset/600K/300K"])
def test_truncated_is_never_allowed(h, server, path):
    result = one(h, server.url(path), **{"allow-unproven": True})
    assert result.rc == 1
    h.expect({})


@pytest.mark.parametrize("size", [1000, 600000])
def test_a_right_checksum_proves_the_end(h, server, size):
    assert_done(one(h, server.url("/nolength/%d" % size), checksum=digest(body(size))))
    h.expect({"a": body(size)})


@pytest.mark.parametrize("path", ["/nolength/1000", "/nolength/600K"])
def test_a_wrong_checksum_of_an_unproven_end(h, server, path):
    assert_failed(one(h, server.url(path), checksum=digest(b"")), "checksum-mismatch")
    h.expect({})


def test_wrong_bytes_are_caught_by_the_checksum(h, server):
    for size in (1000, 600000):
        result = one(h, server.url("/wrong-bytes/%d" % size), checksum=digest(body(size)))
        assert_failed(result, "checksum-mismatch")
        h.expect({})


def test_an_unasked_coding_is_fine_when_the_checksum_of_the_raw_bytes_holds(h, server):
    import gzip
    raw = gzip.compress(body(1000), mtime=0)
    assert_done(one(h, server.url("/encoding/gzip/1000"), checksum=digest(raw)))
    h.expect({"a": raw})


def test_an_unasked_coding_with_the_checksum_of_something_else(h, server):
    result = one(h, server.url("/encoding/gzip/1000"), checksum=digest(body(1000)))
    assert result.rc == 1 and result.word() in ("encoding-refused", "checksum-mismatch")
    h.expect({})


def test_over_tls_close_notify_is_the_end(h, tls_server, authority):
    for size in (0, 1000, 600000):
        assert_done(one(h, tls_server.url("/nolength/%d" % size), cacert=authority.cert))
        h.expect({"a": body(size)})


def test_over_tls_without_close_notify_nothing_is_proven(h, tls_server, authority):
    for size in (1000, 600000):
        result = one(h, tls_server.url("/nolength-tls-noclose/%d" % size), cacert=authority.cert)
        assert_failed(result, "unproven")
        h.expect({})


@pytest.mark.parametrize("path,words", [("/short/1000/10", "truncated"),
                                        ("/chunked-cut/1000", "truncated"),
                                        ("/two-lengths", "protocol"),
                                        ("/reset/600K/300K", "truncated connect")])
def test_refused_over_tls(h, tls_server, authority, path, words):
    result = one(h, tls_server.url(path), cacert=authority.cert)
    assert result.rc == 1 and result.word() in words.split(), result
    h.expect({})


def test_an_endless_body_ends_at_max_filesize(h, server):
    assert_failed(one(h, server.url("/infinite"), **{"max-filesize": "1M"}), "too-large")
    h.expect({})


def test_an_announced_size_above_max_filesize_is_refused_at_once(h, server):
    result = one(h, server.url("/petabyte"), **{"max-filesize": "1G"})
    assert_failed(result, "too-large")
    assert result.seconds < 10
    h.expect({})


def test_a_file_of_exactly_max_filesize_is_fine(h, server):
    assert_done(one(h, server.url("/ok/300000"), **{"max-filesize": 300000}))
    result = one(h, server.url("/chunked/300001"), **{"max-filesize": 300000})
    assert_failed(result, "too-large")
    h.expect({"a": body(300000)})


def test_an_announced_petabyte_costs_nothing(h, server):
    result = one(h, server.url("/petabyte"), **{"stall-timeout": "1s"})
    assert result.rc == 1 and result.word() in ("stalled", "disk-full", "too-large")
    h.expect({})


def test_failures_leave_the_old_file_alone(h, server):
    with open(h.path("a"), "wb") as f:
        f.write(b"old")
    for path in ("/short/1000/10", "/status/404", "/nolength/10", "/two-lengths", "/garbage"):
        assert one(h, server.url(path)).rc == 1
    h.expect({"a": b"old"})


def test_a_hundred_bad_answers_do_not_hurt_the_good_ones(h, server):
    paths = [p for p, _w in REFUSED if "huge" not in p] * 2
    jobs = [{"name": "bad%d" % i, "output": "bad%d" % i, "max-time": "20s",
             "url": server.url(p, "127.0.0.%d" % (1 + i % 20))} for i, p in enumerate(paths)]
    jobs += [{"name": "good%d" % i, "output": "good%d" % i,
              "url": server.url("/ok/1000?seed=%d" % i, "127.0.0.%d" % (1 + i % 20))}
             for i in range(50)]
    result = h.once_jobs(jobs)
    assert (result.summary["failed"], result.summary["done"]) == (len(paths), 50)
    h.expect({"good%d" % i: body(1000, i) for i in range(50)})
