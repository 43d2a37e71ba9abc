"""Good downloads: what is asked for arrives, whole, under the right name."""

import os

import pytest
from bodies import body, digest
from haul import assert_done


def test_one_url_on_the_command_line(h, server):
    result = h.once(server.url("/ok/100000"))
    assert_done(result)
    h.expect({"100000": body(100000)})


def test_several_urls_on_the_command_line(h, server):
    result = h.once(*[server.url("/ok/%d" % n) for n in (10, 20, 30)])
    assert_done(result)
    h.expect({str(n): body(n) for n in (10, 20, 30)})


def test_o_names_the_output(h, server):
    result = h.once(server.url("/ok/1000"), "-o", "there.bin")
    assert_done(result)
    h.expect({"there.bin": body(1000)})


def test_o_and_checksum_on_the_command_line(h, server):
    result = h.once(server.url("/ok/1000"), "-o", "x", "--checksum", digest(body(1000)))
    assert_done(result)
    h.expect({"x": body(1000)})


def test_checksum_on_the_command_line_is_checked(h, server):
    result = h.once(server.url("/ok/1000"), "-o", "x", "--checksum", digest(b"other"))
    assert result.rc == 1 and result.word() == "checksum-mismatch"
    h.expect({})


def test_settings_on_the_command_line(h, server):
    result = h.once("--mode", "0600", "--fsync", "off", server.url("/ok/1000"))
    assert_done(result)
    assert os.stat(h.path("1000")).st_mode & 0o7777 == 0o600


def test_root_on_the_command_line(h, server, tmp):
    other = os.path.join(tmp, "other")
    os.mkdir(other)
    result = h.once("--root", other, server.url("/ok/1000"))
    assert_done(result)
    assert os.listdir(other) == ["1000"]
    h.expect({})


def test_the_configuration_runs(h, server):
    result = h.once_jobs([{"name": "a", "url": server.url("/ok/1000"), "output": "a.bin"},
                          {"name": "b", "url": server.url("/ok/2000?seed=b"), "output": "b.bin"}])
    assert_done(result)
    h.expect({"a.bin": body(1000), "b.bin": body(2000, "b")})


SIZES = ["0", "1", "16K", "256K-1", "256K", "256K+1", "512K", "1M+1", "20M"]


@pytest.mark.parametrize("size", SIZES)
def test_sizes_around_every_border(h, server, size):
    from bodies import parse_size
    wanted = body(parse_size(size))
    result = h.once_jobs([{"name": "a", "url": server.url("/ok/" + size), "output": "a",
                           "checksum": digest(wanted)}])
    assert_done(result)
    assert result.job()["bytes"] == len(wanted)
    h.expect({"a": wanted})


@pytest.mark.parametrize("size", ["0", "256K", "3M"])
def test_chunked_bodies(h, server, size):
    from bodies import parse_size
    result = h.once_jobs([{"name": "a", "url": server.url("/chunked/" + size), "output": "a"}])
    assert_done(result)
    h.expect({"a": body(parse_size(size))})


def test_two_hundred_small_files(h, server):
    jobs = [{"name": "j%d" % i, "url": server.url("/ok/4K?seed=%d" % i, "127.0.0.%d" % (1 + i % 8)),
             "output": "d%d/%d" % (i % 5, i)} for i in range(200)]
    result = h.once_jobs(jobs)
    assert_done(result)
    h.expect({"d%d/%d" % (i % 5, i): body(4096, i) for i in range(200)})


def test_real_files_from_nginx(h, web, real, data_dir):
    names = [os.path.basename(path) for path in real.values()]
    jobs = [{"name": "j%d" % i, "url": web.url("/" + name), "output": "copy/" + name}
            for i, name in enumerate(names)]
    result = h.once_jobs(jobs)
    assert_done(result)
    wanted = {}
    for name in names:
        with open(os.path.join(data_dir, name), "rb") as f:
            wanted["copy/" + name] = f.read()
    h.expect(wanted)


def test_connections_are_reused(h, server):
    jobs = [{"name": "j%d" % i, "url": server.url("/ok/1000?%d" % i), "output": "%d" % i}
            for i in range(30)]
    assert_done(h.once_jobs(jobs, daemon={"max-connections-per-host": 2}))
    assert len({r["conn"] for r in server.requests()}) <= 3


def test_a_dropped_keepalive_connection_costs_no_try(h, server):
    jobs = [{"name": "j%d" % i, "output": "%d" % i,
             "url": server.url("/close-before-answer-on-reused/1000?%d" % i)} for i in range(4)]
    result = h.once_jobs(jobs, daemon={"max-connections-per-host": 1})
    assert_done(result)


def test_http2_by_choice(h, web2, real, plain, authority):
    before = len(web2.access_log())
    jobs = [{"name": "j%d" % i, "url": web2.url("/plain.bin"), "output": "%d" % i,
             "http-version": "2", "cacert": authority.cert} for i in range(3)]
    result = h.once_jobs(jobs)
    assert_done(result)
    assert ["HTTP/2.0 200" in line for line in web2.access_log()[before:]] == [True] * 3
    h.expect({"%d" % i: plain for i in range(3)})


def test_http11_by_default(h, web2, real, plain, authority):
    before = len(web2.access_log())
    assert_done(h.once_jobs([{"name": "a", "url": web2.url("/plain.bin"), "output": "a",
                              "cacert": authority.cert}]))
    assert ["HTTP/1.1 200" in line for line in web2.access_log()[before:]] == [True]


def test_the_request_is_modest(h, server):
    """identity is asked for, no Range, a User-Agent, no Referer."""
    assert_done(h.once_jobs([{"name": "a", "url": server.url("/ok/10")}]))
    headers = {k.lower(): v for k, v in server.requests()[0]["headers"]}
    assert headers["accept-encoding"] == "identity"
    assert headers["user-agent"].startswith("haul")
    assert not {"range", "if-range", "referer", "cookie", "authorization"} & set(headers)


def test_headers_user_agent_and_user_are_sent(h, server):
    result = h.once_jobs([{"name": "a", "url": server.url("/echo-headers"), "output": "a",
                           "header": ["X-One: 1", "X-Two: two words"], "user-agent": "tester/1",
                           "user": "me:secret"}])
    assert_done(result)
    seen = h.published()["a"].decode()
    for line in ("X-One: 1\n", "X-Two: two words\n", "User-Agent: tester/1\n",
                 "Authorization: Basic bWU6c2VjcmV0\n"):
        assert line in seen


def test_headers_and_user_from_files(h, server, tmp):
    for name, text in (("headers", "X-File: yes\nX-More: 2\n"), ("user", "me:secret\n")):
        with open(os.path.join(tmp, name), "w") as f:
            f.write(text)
        os.chmod(os.path.join(tmp, name), 0o600)
    result = h.once_jobs([{"name": "a", "url": server.url("/echo-headers"), "output": "a",
                           "header": "@" + os.path.join(tmp, "headers"),
                           "user": "@" + os.path.join(tmp, "user")}])
    assert_done(result)
    seen = h.published()["a"].decode()
    assert "X-File: yes\n" in seen and "X-More: 2\n" in seen and "bWU6c2VjcmV0" in seen


def test_headers_of_a_hosts_entry(h, server):
    config = {"hosts": [{"match": "127.0.0.2", "header": ["X-Host: two"]}], "jobs": [
        {"name": "a", "url": server.url("/echo-headers", "127.0.0.1"), "output": "a"},
        {"name": "b", "url": server.url("/echo-headers", "127.0.0.2"), "output": "b"}]}
    assert_done(h.once(config=config))
    assert b"X-Host" not in h.published()["a"]
    assert b"X-Host: two\n" in h.published()["b"]


def test_the_next_url_is_tried_after_a_failure(h, server):
    result = h.once_jobs([{"name": "a", "output": "a", "retry": 2,
                           "url": [server.url("/status/404"), server.url("/ok/1000")]}])
    assert_done(result)
    h.expect({"a": body(1000)})


def test_file_url_is_copied_when_allowed(h, tmp):
    with open(os.path.join(tmp, "source"), "wb") as f:
        f.write(body(300000))
    result = h.once_jobs([{"name": "a", "url": "file://" + os.path.join(tmp, "source"),
                           "output": "a", "allow-file": True, "checksum": digest(body(300000))}])
    assert_done(result)
    h.expect({"a": body(300000)})


def test_a_copy_is_not_told_as_unproven(h, tmp):
    with open(os.path.join(tmp, "source"), "wb") as f:
        f.write(b"x")
    result = h.once("--allow-file", "file://" + os.path.join(tmp, "source"), "--output", "a", json=False)
    assert result.rc == 0 and "1 B in" in result.stdout and "not proven" not in result.stdout, result
    h.expect({"a": b"x"})


def test_file_url_is_refused_unless_allowed(h, tmp):
    with open(os.path.join(tmp, "source"), "wb") as f:
        f.write(b"x")
    result = h.once_jobs([{"name": "a", "url": "file://" + os.path.join(tmp, "source"),
                           "output": "a"}])
    assert result.rc in (1, 78) and "allow-file" in result.stderr + result.stdout
    h.expect({})


def test_file_url_that_is_not_there(h, tmp):
    result = h.once_jobs([{"name": "a", "url": "file://" + os.path.join(tmp, "nothing"),
                           "output": "a", "allow-file": True}])
    assert result.rc == 1
    h.expect({})


def test_stdin_may_be_closed(h, server):
    result = h.once(server.url("/ok/1000"), popen={"stdin": None, "preexec_fn": lambda: os.close(0)})
    assert_done(result)
    h.expect({"1000": body(1000)})


# ---- names

@pytest.mark.parametrize("path,name", [
    ("/file/plain%20name.bin", "plain name.bin"),
    ("/file/a%2Bb", "a+b"),
    ("/file/%C3%BC", "\u00fc"),
    ("/file/x.tar.gz?download=1#frag", "x.tar.gz"),
    ("/file/%2570", "%70"),
])
def test_the_name_is_the_urls_last_part_decoded_once(h, server, data_dir, path, name):
    with open(os.path.join(data_dir, name), "wb") as f:
        f.write(b"content")
    try:
        assert_done(h.once(server.url(path)))
    finally:
        os.unlink(os.path.join(data_dir, name))
    h.expect({name: b"content"})


@pytest.mark.parametrize("path", ["/ok/..%2f..%2fevil", "/ok/%2e%2e", "/ok/a%00b", "/ok/a%0ab",
                                  "/ok/a%2fb", "/ok/" + "x" * 300, "/"])
def test_a_url_without_a_safe_name_is_refused(h, server, path):
    result = h.once(server.url(path))
    assert result.rc in (1, 2, 78)
    h.expect({})
    assert set(os.listdir(h.tmp)) <= {"root", "home"}


def test_the_name_never_comes_from_a_redirect(h, server):
    assert_done(h.once(server.url("/redirect/1/ok/1000")))
    assert_done(h.once(server.url("/redirect-relative/a/mine")))
    h.expect({"1000": body(1000), "mine": body(1000)})


def test_directories_of_the_output_are_made(h, server):
    assert_done(h.once_jobs([{"name": "a", "url": server.url("/ok/10"), "output": "x/y/z/a"}]))
    h.expect({"x/y/z/a": body(10)})
    assert os.stat(h.path("x", "y")).st_mode & 0o7777 == 0o755


def test_an_absolute_output_beneath_a_root(h, server):
    assert_done(h.once_jobs([{"name": "a", "url": server.url("/ok/10"),
                              "output": h.path("sub", "a")}]))
    h.expect({"sub/a": body(10)})
