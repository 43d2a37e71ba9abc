"""Input lists (-i): aria2's format and sha256sum's."""

import hashlib
import os

import pytest
from bodies import body, digest
from haul import assert_done


def write(tmp, text):
    path = os.path.join(tmp, "list")
    with open(path, "w") as f:
        f.write(text)
    return path


def test_plain_urls(h, server, tmp):
    text = "".join(server.url("/ok/%d\n" % n) for n in (10, 20, 30))
    assert_done(h.once("-i", write(tmp, "# a comment\n\n" + text)))
    h.expect({str(n): body(n) for n in (10, 20, 30)})


def test_from_stdin(h, server):
    assert_done(h.once("-i", "-", stdin=server.url("/ok/10") + "\n"))
    h.expect({"10": body(10)})


def test_without_a_last_newline_and_with_cr(h, server):
    text = server.url("/ok/10") + "\r\n" + server.url("/ok/20")
    assert_done(h.once("-i", "-", stdin=text))
    h.expect({"10": body(10), "20": body(20)})


def test_aria2_options(h, server, tmp):
    text = "%s\n  out=first.bin\n  checksum=sha-256=%s\n%s\n\tout=second.bin\n" % (
        server.url("/ok/1000"), hashlib.sha256(body(1000)).hexdigest(), server.url("/ok/2000"))
    assert_done(h.once("-i", write(tmp, text)))
    h.expect({"first.bin": body(1000), "second.bin": body(2000)})


def test_hauls_own_options(h, server, tmp):
    text = "%s\n  output=x/first.bin\n  mode=0600\n  retry=0\n" % server.url("/ok/1000")
    assert_done(h.once("-i", write(tmp, text)))
    assert os.stat(h.path("x", "first.bin")).st_mode & 0o7777 == 0o600


def test_a_wrong_checksum_of_a_list(h, server, tmp):
    text = "%s\n  out=a\n  checksum=sha-256=%s\n%s\n  out=b\n" % (
        server.url("/ok/1000"), "0" * 64, server.url("/ok/10"))
    result = h.once("-i", write(tmp, text))
    assert result.rc == 1 and result.word("a") == "checksum-mismatch"
    h.expect({"b": body(10)})


def test_mirrors_behind_tabs(h, server, tmp):
    text = "%s\t%s\n  out=a\n" % (server.url("/status/404"), server.url("/ok/1000"))
    assert_done(h.once("-i", write(tmp, text), "--retry", "2"))
    h.expect({"a": body(1000)})


def test_an_unknown_option_is_named_with_its_line(h, server, tmp):
    result = h.once("-i", write(tmp, server.url("/ok/10") + "\n  colour=red\n"))
    assert result.rc in (2, 78) and "colour" in result.stderr and "2" in result.stderr
    h.expect({})


def test_a_bad_line_is_named(h, server, tmp):
    result = h.once("-i", write(tmp, server.url("/ok/10") + "\nthis is nothing\n"))
    assert result.rc in (2, 78) and ":2" in result.stderr
    assert server.requests() == []
    h.expect({})


def test_a_sha256sum_list(h, server, data_dir, tmp):
    names = ["sum one.bin", "sub/two.bin"]
    for i, name in enumerate(names):
        os.makedirs(os.path.dirname(os.path.join(data_dir, name)), exist_ok=True)
        with open(os.path.join(data_dir, name), "wb") as f:
            f.write(body(300000 * i + 10, i))
    text = "%s  %s\n%s *%s\n" % (digest(body(10, 0)).split(":")[1], names[0],
                                 digest(body(300010, 1)).split(":")[1], names[1])
    base = server.url("/file/")
    assert_done(h.once("-i", write(tmp, text), "--base-url", base))
    h.expect({names[0]: body(10, 0), names[1]: body(300010, 1)})


def test_a_sha256sum_list_is_checked(h, server, keep, tmp):
    name = keep(b"content")
    result = h.once("-i", write(tmp, "%s  %s\n" % ("0" * 64, name)), "--base-url",
                    server.url("/file/"))
    assert result.rc == 1 and result.word() == "checksum-mismatch"
    h.expect({})


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "x/../../evil"])
def test_a_sha256sum_list_does_not_leave_the_root(h, server, tmp, name):
    result = h.once("-i", write(tmp, "%s  %s\n" % ("0" * 64, name)), "--base-url",
                    server.url("/ok/"))
    assert result.rc != 0
    assert not os.path.exists(os.path.join(tmp, "evil")) and not os.path.exists("/etc/evil")
    h.expect({})


def test_a_list_and_urls_and_a_configuration(h, server, tmp):
    config = {"jobs": [{"name": "c", "url": server.url("/ok/30"), "output": "c"}]}
    result = h.once("-i", write(tmp, server.url("/ok/20") + "\n"), server.url("/ok/10"),
                    config=config)
    assert_done(result)
    h.expect({"10": body(10), "20": body(20), "c": body(30)})


def test_a_missing_list(h):
    result = h.once("-i", "/nonexistent/list")
    assert result.rc in (1, 2, 78) and "/nonexistent/list" in result.stderr


def test_a_list_of_binary_rubbish(h, tmp):
    path = os.path.join(tmp, "list")
    with open(path, "wb") as f:
        f.write(body(100000))
    result = h.once("-i", path, timeout=20)
    assert result.rc in (2, 78)
    assert b"\x1b" not in result.err_bytes
