"""Checksums: of the download, of the unpacked file, of what is there already."""

import gzip
import hashlib
import os
import subprocess

import pytest
from bodies import body, digest
from haul import assert_done, assert_failed

ALGORITHMS = ["md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha512-224", "sha512-256",
              "sha3-224", "sha3-256", "sha3-384", "sha3-512", "blake2s256", "blake2b512",
              "ripemd160", "sm3"]


def openssl_digest(algo, data):
    done = subprocess.run(["openssl", "dgst", "-" + algo, "-r"], input=data, capture_output=True)
    if done.returncode:
        pytest.skip("this openssl has no " + algo)
    return done.stdout.split()[0].decode()


def job(url, **keys):
    return {"name": "a", "url": url, "output": "a", **keys}


@pytest.mark.parametrize("size", [0, 100000, 700001])
def test_every_algorithm(h, server, size):
    """As openssl computes it: all of them right, then each with one wrong digit."""
    jobs = []
    for algo in ALGORITHMS:
        right = openssl_digest(algo, body(size))
        wrong = ("1" if right[0] == "0" else "0") + right[1:]
        for label, value in (("right", right), ("wrong", wrong)):
            jobs.append({"name": "%s-%s" % (label, algo), "output": "%s-%s" % (label, algo),
                         "url": server.url("/ok/%d" % size), "checksum": algo + ":" + value})
    result = h.once_jobs(jobs)
    for algo in ALGORITHMS:
        assert result.word("right-" + algo) == "done", result
        assert result.word("wrong-" + algo) == "checksum-mismatch", result
    h.expect({"right-" + algo: body(size) for algo in ALGORITHMS})


def test_spellings_of_the_algorithm(h, server):
    value = hashlib.sha256(body(1000)).hexdigest()
    sums = ["sha-256=" + value, "SHA256:" + value, "sha256:" + value.upper(), "SHA-256:" + value]
    assert_done(h.once_jobs([{"name": "j%d" % i, "output": "%d" % i, "checksum": text,
                              "url": server.url("/ok/1000")} for i, text in enumerate(sums)]))


def test_all_of_a_list_must_hold(h, server):
    right = [digest(body(300000), a) for a in ("md5", "sha256", "sha512")]
    jobs = [{"name": "right", "url": server.url("/ok/300000"), "output": "a", "checksum": right}]
    for place in range(3):
        sums = list(right)
        sums[place] = digest(b"no", sums[place].split(":")[0])
        jobs.append({"name": "wrong%d" % place, "url": server.url("/ok/300000"),
                     "output": "wrong%d" % place, "checksum": sums})
    result = h.once_jobs(jobs)
    assert [result.word(i) for i in range(4)] == ["done"] + ["checksum-mismatch"] * 3
    h.expect({"a": body(300000)})


def test_a_mismatch_says_both_digests(h, server):
    wanted = digest(b"something else")
    result = h.once_jobs([job(server.url("/ok/1000"), checksum=wanted)])
    assert_failed(result, "checksum-mismatch")
    assert digest(body(1000)).split(":")[1][:12] in result.job()["reason"]


def test_the_digest_is_in_the_result(h, server):
    result = h.once_jobs([job(server.url("/ok/1000"), checksum=digest(body(1000)))])
    assert digest(body(1000)).split(":")[1] in str(result.job()["digest"])


def test_a_mismatch_keeps_the_old_file(h, server):
    with open(h.path("a"), "wb") as f:
        f.write(b"old")
    assert h.once_jobs([job(server.url("/ok/300000"), checksum=digest(b""))]).rc == 1
    h.expect({"a": b"old"})


def test_what_is_right_already_needs_no_network(h, server):
    with open(h.path("a"), "wb") as f:
        f.write(body(300000))
    inode = os.stat(h.path("a")).st_ino
    result = h.once_jobs([job(server.url("/ok/300000"), checksum=digest(body(300000)))])
    assert_done(result)
    assert server.requests() == []
    assert os.stat(h.path("a")).st_ino == inode
    h.expect({"a": body(300000)})


def test_what_is_wrong_already_is_replaced(h, server):
    with open(h.path("a"), "wb") as f:
        f.write(body(300000, "other"))
    assert_done(h.once_jobs([job(server.url("/ok/300000"), checksum=digest(body(300000)))]))
    assert len(server.requests()) == 1
    h.expect({"a": body(300000)})


def test_without_a_checksum_the_file_is_fetched_again(h, server):
    for seed in ("one", "two"):
        assert_done(h.once_jobs([job(server.url("/ok/1000?seed=" + seed))]))
        h.expect({"a": body(1000, seed)})


def test_checksum_output_is_of_the_unpacked_file(h, server, keep):
    packed = gzip.compress(body(300000))
    url = server.url("/file/" + keep(packed, ".gz"))
    right = job(url, decompress="gzip", checksum=digest(packed),
                **{"checksum-output": digest(body(300000))})
    assert_done(h.once_jobs([right]))
    h.expect({"a": body(300000)})


def test_checksum_output_wrong(h, server, keep):
    url = server.url("/file/" + keep(gzip.compress(body(300000)), ".gz"))
    result = h.once_jobs([job(url, decompress="gzip", **{"checksum-output": digest(b"")})])
    assert_failed(result, "checksum-mismatch")
    h.expect({})


def test_checksum_output_lets_what_is_there_stand(h, server, keep):
    with open(h.path("a"), "wb") as f:
        f.write(body(300000))
    url = server.url("/file/" + keep(gzip.compress(body(300000)), ".gz"))
    assert_done(h.once_jobs([job(url, decompress="gzip",
                                 **{"checksum-output": digest(body(300000))})]))
    assert server.requests() == []


def test_the_slower_of_two_digests_is_waited_for(h, server, keep):
    """A packed file and its digest are for a worker each, and the decoder is done long before."""
    packed = gzip.compress(body(24 << 20), 0)
    sums = [name + ":" + hashlib.new(name.replace("-", "_"), packed).hexdigest() for name in ("sha3-512", "sha3-384", "sha512")]
    result = h.once_jobs([{"name": "a", "url": server.url("/file/" + keep(packed)), "output": "a", "decompress": "gzip",
                           "checksum": [*sums, "md5:" + "0" * 32], "retry": 0}], daemon={"workers": 2})
    assert_failed(result, "checksum-mismatch")
    h.expect({})
