"""Unpacking: real archives of every codec, and archives that are not right."""

import gzip
import os
import subprocess
import zlib

import pytest
from bodies import body, digest
from haul import assert_done, assert_failed
from realdata import SUFFIXES

CODECS = sorted(SUFFIXES)
TOOLS = {"gzip": ["gzip", "-nc"], "zstd": ["zstd", "-qc"], "xz": ["xz", "-c"],
         "bzip2": ["bzip2", "-c"], "lz4": ["lz4", "-qc"]}


def pack(codec, data, *args):
    return subprocess.run(TOOLS[codec] + list(args), input=data, capture_output=True,
                          check=True).stdout


def read(path):
    with open(path, "rb") as f:
        return f.read()


def unpack_all(h, server, files, **keys):
    """files: {output: (name under /file/ with its query, codec)}, all in one run."""
    return h.once_jobs([{"name": "j" + output.replace("-", "_"), "url": server.url("/file/" + name), "output": output,
                         "decompress": codec, **keys} for output, (name, codec) in files.items()])


def assert_all_failed(h, result, *words):
    for i, job in enumerate(result.jobs):
        assert job["state"] == "failed" and job["code"] in words, (job, result)
    assert result.rc == 1
    h.expect({})


def unpack(h, server, name, codec, query="", **keys):
    return h.once_jobs([{"name": "a", "url": server.url("/file/" + name + query), "output": "a",
                         "decompress": codec, **keys}])


@pytest.mark.parametrize("codec", CODECS)
def test_real_archives(h, web, real, plain, codec):
    result = h.once_jobs([{"name": "a", "output": "a", "decompress": codec,
                           "url": web.url("/" + os.path.basename(real[codec])),
                           "checksum": digest(read(real[codec])),
                           "checksum-output": digest(plain)}])
    assert_done(result)
    h.expect({"a": plain})


def test_all_codecs_at_once(h, web, real, plain):
    jobs = [{"name": "%s-%d" % (codec, i), "output": "%s-%d" % (codec, i), "decompress": codec,
             "url": web.url("/" + os.path.basename(real[codec]))}
            for codec in CODECS for i in range(4)]
    assert_done(h.once_jobs(jobs))
    h.expect({job["output"]: plain for job in jobs})


def test_small_archives(h, server, keep):
    contents = {"empty": b"", "one": b"x", "small": body(1000)}
    files = {"%s-%s" % (c, k): (keep(pack(c, data)), c)
             for c in CODECS for k, data in contents.items()}
    assert_done(unpack_all(h, server, files))
    h.expect({"%s-%s" % (c, k): data for c in CODECS for k, data in contents.items()})


def test_concatenated_archives(h, server, keep):
    parts = [body(1000, "p1"), body(400000, "p2"), b"", body(10, "p3")]
    files = {c: (keep(b"".join(pack(c, p) for p in parts)), c) for c in CODECS}
    assert_done(unpack_all(h, server, files))
    h.expect({c: b"".join(parts) for c in CODECS})


def test_many_members_or_frames(h, server, keep):
    """Where a member ends and where a buffer ends shall meet in every way."""
    files = {c: (keep(b"".join([pack(c, body(n, n)) for n in range(1, 30)] * 40)), c)
             for c in CODECS}
    assert_done(unpack_all(h, server, files))
    h.expect({c: b"".join(body(n, n) for n in range(1, 30)) * 40 for c in CODECS})


@pytest.mark.parametrize("garbage", [b"x", b"garbage behind the end", b"\1" * 70000, b"\0\0\0x"],
                         ids=["byte", "text", "long", "zeros"])
def test_trailing_garbage(h, server, keep, garbage):
    files = {c: (keep(pack(c, body(100000)) + garbage), c) for c in CODECS}
    assert_all_failed(h, unpack_all(h, server, files), "decode")


def test_truncated_archives(h, server, keep):
    """A cut archive that is sent whole: the codec's end is missing."""
    files = {}
    for c in CODECS:
        packed = pack(c, body(700000))
        for left in (0, 1, 5, len(packed) // 2, len(packed) - 1):
            files["%s-%d" % (c, left)] = (keep(packed[:left]), c)
    assert_all_failed(h, unpack_all(h, server, files), "decode")


def test_a_flipped_bit_is_found(h, server, keep):
    files = {}
    for c in CODECS:
        packed = bytearray(pack(c, body(700000)))
        packed[len(packed) // 2] ^= 4
        files[c] = (keep(bytes(packed)), c)
    assert_all_failed(h, unpack_all(h, server, files), "decode")


def test_not_an_archive_at_all(h, server, keep):
    name = keep(b"plain text, not packed\n" * 100)
    assert_all_failed(h, unpack_all(h, server, {c: (name, c) for c in CODECS}), "decode")


@pytest.mark.parametrize("path", ["/infinite", "/stall/1G/2M", "/drip/1G/128K/0.02"])
def test_a_fault_found_while_the_body_still_comes_ends_the_transfer(h, server, path):
    """Nobody waits for the rest of what cannot be right."""
    jobs = [{"name": c, "output": c, "decompress": c, "url": server.url(path)} for c in CODECS]
    assert_all_failed(h, h.once_jobs(jobs), "decode")


def test_an_archive_of_another_codec(h, server, keep):
    files = {c: (keep(pack(CODECS[i - 1], body(1000))), c) for i, c in enumerate(CODECS)}
    assert_all_failed(h, unpack_all(h, server, files), "decode")


def test_gzip_wrong_crc_and_wrong_size(h, server, keep):
    files = {}
    for place in (-8, -4):
        packed = bytearray(pack("gzip", body(100000)))
        packed[place] ^= 1
        files[str(place)] = (keep(bytes(packed)), "gzip")
    assert_all_failed(h, unpack_all(h, server, files), "decode")


def test_gzip_zero_padding_is_legal(h, server, keep):
    packed = pack("gzip", body(100000))
    files = {str(n): (keep(packed + bytes(n)), "gzip") for n in (1, 511, 300000)}
    assert_done(unpack_all(h, server, files))
    h.expect({n: body(100000) for n in files})


def test_gzip_header_with_every_field(h, server, keep):
    """FEXTRA, FNAME, FCOMMENT, FHCRC; a name inside is never used."""
    deflated = gzip.compress(body(1000))[10:]
    head = b"\x1f\x8b\x08\x1e\0\0\0\0\0\3" + b"\4\0abcd" + b"../../evil\0" + b"comment\0"
    head += (zlib.crc32(head) & 0xffff).to_bytes(2, "little")
    assert_done(unpack(h, server, keep(head + deflated), "gzip"))
    h.expect({"a": body(1000)})


def test_xz_stream_padding_is_legal_in_fours_only(h, server, keep):
    packed = pack("xz", body(1000))
    assert_done(unpack(h, server, keep(packed + bytes(8) + packed), "xz"))
    h.expect({"a": body(1000) * 2})
    os.unlink(h.path("a"))
    assert_failed(unpack(h, server, keep(packed + bytes(3)), "xz"), "decode")
    h.expect({})


def test_xz_of_many_blocks(h, server, keep):
    data = body(3 << 20)
    assert_done(unpack(h, server, keep(pack("xz", data, "-0", "--block-size=262144")), "xz"))
    h.expect({"a": data})


def test_zstd_skippable_frames(h, server, keep):
    skip = b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"skip!"
    data = skip + pack("zstd", body(1000)) + skip
    assert_done(unpack(h, server, keep(data), "zstd"))
    h.expect({"a": body(1000)})


def test_zstd_long_windows(h, server, keep):
    data = body(3 << 20) + body(1000)
    packed = pack("zstd", data, "-1", "--long=27")
    assert_done(unpack(h, server, keep(packed), "zstd"))
    h.expect({"a": data})


def test_decoder_memory_bounds_a_window(h, server, keep):
    packed = pack("zstd", body(3 << 20), "-1", "--long=27")
    result = unpack(h, server, keep(packed), "zstd", **{"decoder-memory": "16M"})
    assert result.rc == 1 and result.word() in ("decode", "expansion-limit", "unsupported")
    assert "decoder-memory" in result.job()["reason"]
    h.expect({})


def test_lz4_with_and_without_checksums(h, server, keep):
    kinds = [("-BX",), ("--no-frame-crc",), ("--content-size",), ("-BD", "-B4")]
    files = {"".join(args): (keep(pack("lz4", body(700000), *args)), "lz4") for args in kinds}
    assert_done(unpack_all(h, server, files))
    h.expect({output: body(700000) for output in files})


def test_max_expansion(h, server, keep):
    """A small file may expand more than that; 20 MiB out of 20 KiB is too much for 2."""
    packed = pack("gzip", bytes(20 << 20))
    result = unpack(h, server, keep(packed), "gzip", **{"max-expansion": 2})
    assert_failed(result, "expansion-limit")
    h.expect({})


def test_max_uncompressed(h, server, keep):
    files = {c: (keep(pack(c, bytes(5 << 20))), c) for c in CODECS}
    keys = {"max-expansion": 1000000}
    result = unpack_all(h, server, files, **keys, **{"max-uncompressed": (5 << 20) - 1})
    assert_all_failed(h, result, "expansion-limit")
    assert_done(unpack_all(h, server, files, **keys, **{"max-uncompressed": 5 << 20}))
    h.expect({c: bytes(5 << 20) for c in CODECS})


def test_ordinary_ratios_pass_by_default(h, server, keep):
    data = b"the same line of a log, again and again\n" * 100000
    assert_done(unpack(h, server, keep(pack("gzip", data)), "gzip"))
    h.expect({"a": data})


def test_auto_goes_by_content(h, server, keep):
    files = {c: (keep(pack(c, body(300000)), ".bin"), "auto") for c in CODECS}
    assert_done(unpack_all(h, server, files))
    h.expect({c: body(300000) for c in CODECS})


def test_auto_leaves_what_is_not_compressed(h, server, keep):
    contents = [b"", b"x", b"plain text\n", body(300000)]
    files = {str(i): (keep(data, ".txt"), "auto") for i, data in enumerate(contents)}
    assert_done(unpack_all(h, server, files))
    h.expect({str(i): data for i, data in enumerate(contents)})


def test_the_suffix_goes_with_the_packing(h, server, keep):
    name = keep(pack("gzip", b"text"), ".txt.gz")
    assert_done(h.once(server.url("/file/" + name), "--decompress", "gzip"))
    h.expect({name[:-3]: b"text"})


def test_keep_download_keeps_both(h, server, keep):
    packed = {size: pack("zstd", body(size)) for size in (1000, 700000)}
    assert_done(h.once_jobs([{
        "name": "j%d" % size, "url": server.url("/file/" + keep(data, ".zst")), "output": str(size),
        "decompress": "zstd", "checksum": digest(data), "keep-download": "kept/%d.zst" % size,
    } for size, data in packed.items()]))
    h.expect({**{str(size): body(size) for size in packed},
              **{"kept/%d.zst" % size: data for size, data in packed.items()}})


def test_keep_download_keeps_nothing_of_a_failure(h, server, keep):
    name = keep(pack("zstd", body(700000))[:-1])
    result = unpack(h, server, name, "zstd", **{"keep-download": "kept/it.zst"})
    assert_failed(result, "decode")
    h.expect({})


def test_a_checked_end_proves_an_unproven_download(h, server, keep):
    files = {c: (keep(pack(c, body(700000))) + "?framing=close", c) for c in CODECS}
    assert_done(unpack_all(h, server, files))
    h.expect({c: body(700000) for c in CODECS})


def test_a_cut_stream_has_no_checked_end(h, server, keep):
    files = {}
    for c in CODECS:
        packed = pack(c, body(700000))
        for left in (0, 10, len(packed) - 1):
            files["%s-%d" % (c, left)] = (keep(packed) + "?framing=close&cut=%d" % left, c)
    result = unpack_all(h, server, files)
    assert_all_failed(h, result, "decode", "truncated", "unproven")


def test_a_cut_between_members_proves_nothing(h, server, keep):
    """Each member ends well, but more were sent: only the length knew."""
    files = {}
    for c in CODECS:
        packed = pack(c, body(1000))
        files[c] = (keep(packed * 3) + "?cut=%d" % (2 * len(packed)), c)
    assert_all_failed(h, unpack_all(h, server, files), "truncated")


@pytest.mark.parametrize("codec", CODECS)
def test_what_is_packed_in_members_is_not_proven_by_the_end_of_one(h, server, keep, codec):
    """Who makes several may have been about to make one more: cut between two or not, it looks the same."""
    packed = pack(codec, body(1000))
    big = pack(codec, body(700000))
    members = keep(packed * 3)
    cut = "?framing=close&cut=%d" % (2 * len(packed))
    ways = {"cut": (members + cut, codec), "auto": (members + cut, "auto"), "whole": (members + "?framing=close", codec),
            "big": (keep(packed + big) + "?framing=close", codec)}
    result = unpack_all(h, server, ways)
    assert_all_failed(h, result, "unproven")
    assert all("several members" in j["reason"] and "allow-unproven" in j["reason"] for j in result.jobs)
    assert_done(unpack(h, server, members, codec, "?framing=close", **{"allow-unproven": True}))
    assert_done(unpack(h, server, members, codec, "?framing=close", **{"checksum-output": digest(body(1000) * 3)}))
    assert_done(unpack(h, server, members, codec))
    h.expect({"a": body(1000) * 3})


def test_auto_of_an_unproven_plain_file_proves_nothing(h, server, keep):
    result = unpack(h, server, keep(b"plain text\n" * 1000), "auto", "?framing=close")
    assert_failed(result, "unproven")
    h.expect({})


def test_unpacking_follows_a_slow_download(h, server, keep):
    """The front: the output is ready soon after the last byte."""
    packed = pack("gzip", body(2 << 20))
    name = keep(packed)
    step = len(packed) // 10
    result = unpack(h, server, name, "gzip", "?piece=%d&delay=0.05" % step,
                    checksum=digest(packed))
    assert_done(result)
    h.expect({"a": body(2 << 20)})
