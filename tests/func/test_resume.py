"""A broken transfer goes on where it broke, and only when it is the same file."""

import subprocess

import pytest
from bodies import body, digest
from haul import assert_done

SIZE = 3 << 20


def ranges(server, part):
    """The Range header of each request, in their order; None: there was none."""
    return [header(r, "Range") for r in server.requests(part)]


def header(request, name):
    return dict(request["headers"]).get(name)


def run(h, job, **options):
    return h.once_jobs([{"name": "j", "output": "j", "retry": 8, **job}], **options)


def test_the_rest_is_asked_for_and_not_more(h, server):
    result = run(h, {"url": server.url("/cut/3M/3?key=a"), "checksum": digest(body(SIZE))})
    assert_done(result)
    h.expect({"j": body(SIZE)})
    asked = ranges(server, "/cut/")
    assert asked[0] is None and len(asked) == 4 and all(a.startswith("bytes=") for a in asked[1:]), asked
    starts = [int(a[6:-1]) for a in asked[1:]]
    assert starts == sorted(starts) and starts[0] >= SIZE // 8 and len(set(starts)) == 3
    assert result.job("j")["attempts"] == 4


@pytest.mark.parametrize("codec,tool", [("gzip", "gzip -nc"), ("zstd", "zstd -qc"), ("xz", "xz -c")])
def test_decoders_and_digests_go_on(h, server, keep, codec, tool):
    plain = body(SIZE)
    data = subprocess.run(tool.split(), input=plain, capture_output=True, check=True).stdout
    name = keep(data)
    result = run(h, {"url": server.url("/cut-file/%s/2?key=%s" % (name, codec)), "decompress": codec,
                     "checksum": digest(data), "checksum-output": digest(plain)})
    assert_done(result)
    h.expect({"j": plain})
    assert ranges(server, "/cut-file/")[1:] != [None, None]


@pytest.mark.parametrize("how", ["etag", "size", "modified", "weak", "no-validator", "other-start", "no-range",
                                 "ignores", "416", "416-have-all", "416-bare", "416-lies", "coded", "banana", "lies",
                                 "past-end", "no-total", "two-ranges", "backwards", "other-unit", "negative", "huge",
                                 "short", "longer", "whole", "multipart"])
def test_another_file_is_begun_anew(h, server, how):
    """Each kind of "it is not the rest of that" ends with the right bytes."""
    new = body(SIZE, "new")
    result = run(h, {"url": server.url("/changes/%s?key=%s" % (how, how)), "checksum": digest(new)})
    assert_done(result)
    h.expect({"j": new})


def test_a_lie_is_given_one_chance_only(h, server):
    """A digest that no answer has: once in several answers, once in one."""
    result = run(h, {"url": server.url("/changes/lies?key=never"), "checksum": digest(body(10))})
    assert result.word("j") == "checksum-mismatch" and len(server.requests("/changes/")) == 3
    h.expect({})


def test_without_a_digest_nothing_is_mixed(h, server):
    result = run(h, {"url": server.url("/changes/etag?key=nodigest")})
    assert_done(result)
    h.expect({"j": body(SIZE, "new")})


def test_a_weak_validator_is_none(h, server):
    result = run(h, {"url": server.url("/cut/3M/2?key=w&etag=W/%22x%22"), "checksum": digest(body(SIZE))})
    assert_done(result)
    assert ranges(server, "/cut/") == [None] * 3


def test_last_modified_counts_when_it_is_old_enough(h, server):
    result = run(h, {"url": server.url("/cut/3M/2?key=m&etag="), "checksum": digest(body(SIZE))})
    assert_done(result)
    asked = server.requests("/cut/")
    assert header(asked[1], "If-Range").endswith("GMT") and header(asked[1], "Range")


def test_a_server_that_is_busy_meanwhile_loses_nothing(h, server):
    result = run(h, {"url": server.url("/cut/3M/1?key=b&busy=1"), "checksum": digest(body(SIZE))}, timeout=90)
    assert_done(result)
    asked = ranges(server, "/cut/")
    assert len(asked) == 3 and asked[1] == asked[2] and asked[1]


def test_another_source_is_asked_when_one_gives_nothing(h, server):
    job = {"url": [server.url("/cut/3M/9?key=s&stuck=1"), server.url("/ok/3M")], "checksum": digest(body(SIZE))}
    assert_done(run(h, job))
    h.expect({"j": body(SIZE)})


def test_it_ends_when_there_were_enough_tries(h, server):
    result = run(h, {"url": server.url("/cut/3M/50?key=e"), "retry": 2})
    assert result.word("j") == "truncated" and len(server.requests("/cut/")) == 3
    h.expect({})


def test_max_filesize_counts_the_whole(h, server):
    result = run(h, {"url": server.url("/cut/3M/2?key=f"), "max-filesize": 3 << 20, "checksum": digest(body(SIZE))})
    assert_done(result)
