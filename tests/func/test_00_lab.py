"""The laboratory itself: the servers must misbehave as announced (curl as judge)."""

import os
import subprocess

import bodies
import certs
import haul
import pytest
import realdata
import servers
from waiting import PATIENCE


def curl(url, *args, timeout=PATIENCE):
    command = ["curl", "-sS", "--http1.1", "--noproxy", "*", *args, url]
    return subprocess.run(command, capture_output=True, timeout=timeout)


@pytest.mark.parametrize("path,rc,size", [
    ("/ok/2M+1", 0, (2 << 20) + 1),
    ("/chunked/300K", 0, 300 << 10),
    ("/chunked-trailers/1000", 0, 1000),
    ("/nolength/1000", 0, 1000),
    ("/informational/1000", 0, 1000),
    ("/te-and-cl/1000", 0, 1000),
    ("/trickle-head/10", 0, 10),
    ("/folded/10", 0, 10),
    ("/200-empty", 0, 0),
    ("/short/1000/10", 18, 10),
    ("/chunked-cut/1000", 18, 1000),
    ("/chunked-bad", 56, 5),
    ("/reset/1000/10", 56, 10),
    ("/close-at-once", 52, 0),
    ("/reset-at-once", 56, 0),
    ("/http09", 1, 0),
    ("/header-nul", 8, 0),
    ("/length-negative", 8, 0),
    ("/two-lengths", 0, 60),
    ("/length-garbage", 0, 12),
    ("/redirect-loop", 47, 0),
    ("/redirect/3/ok/10", 0, 10),
])
def test_curl_sees_what_the_path_says(server, path, rc, size):
    done = curl(server.url(path), "-L")
    assert (done.returncode, len(done.stdout)) == (rc, size), done.stderr


@pytest.mark.parametrize("path", ["/header-huge", "/header-line-huge", "/infinite"])
def test_endless_answers_end_with_the_client_and_leave_the_server_calm(server, path):
    curl(server.url(path), "--max-time", "1", "-o", "/dev/null")
    assert curl(server.url("/ok/10")).returncode == 0


def test_bodies_are_what_bodies_py_says(server):
    assert curl(server.url("/ok/1500000?seed=x")).stdout == bodies.body(1500000, "x")
    assert curl(server.url("/ok/10?seed=x")).stdout != bodies.body(10, "y")


def test_ranges_are_honoured_unless_if_range_differs(server):
    body = bodies.body(1000)
    assert curl(server.url("/ok/1000"), "-r", "400-").stdout == body[400:]
    assert curl(server.url("/ok/1000"), "-r", "400-", "-H", 'If-Range: "x"').stdout == body


@pytest.mark.parametrize("path,complaint", [("/nolength/100", False),
                                            ("/nolength-tls-noclose/100", True)])
def test_close_notify_is_sent_or_not(tls_server, path, complaint):
    ask = "GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path
    done = subprocess.run(["openssl", "s_client", "-quiet", "-connect",
                           "127.0.0.1:%d" % tls_server.port],
                          input=ask.encode(), capture_output=True, timeout=PATIENCE)
    assert done.stdout.endswith(bodies.body(100))
    assert (b"unexpected eof" in done.stderr) == complaint


def test_tls_names_only_the_first_address(tls_server, authority):
    assert curl(tls_server.url("/ok/10"), "--cacert", authority.cert).returncode == 0
    wrong = tls_server.url("/ok/10", host="127.0.0.2")
    assert curl(wrong, "--cacert", authority.cert).returncode == 60


def test_client_certificates_are_demanded(lab, authority, server_cert):
    strict = servers.BadServer(lab, tls=server_cert, client_ca=authority.cert)
    try:
        cert, key = authority.issue("client", "DNS:client")
        ca = ["--cacert", authority.cert]
        assert curl(strict.url("/ok/10"), *ca).returncode != 0
        assert curl(strict.url("/ok/10"), *ca, "--cert", cert, "--key", key).stdout
    finally:
        strict.stop()


def test_flaky_counts_by_key(server):
    codes = [curl(server.url("/flaky/2/10?key=lab"), "-o", "/dev/null", "-w", "%{http_code}").stdout
             for _ in range(3)]
    assert codes == [b"503", b"503", b"200"]


def test_log_and_stats_are_a_witness(server):
    server.stats(reset=True)
    names = [server.url("/gate/10?gate=lab&%d" % i, host="127.0.0.%d" % (1 + i % 2)) for i in range(6)]
    with subprocess.Popen(["curl", "-sS", "--noproxy", "*", "-Z", "--parallel-immediate", *names], stdout=subprocess.PIPE) as all_of_them:
        server.wait_requests(6, "/gate")
        server.open("lab")
        assert all_of_them.stdout.read() == 6 * bodies.body(10)
    stats = server.stats()
    assert stats["max_requests"] == 6 and stats["max_requests_of"]["127.0.0.2"] == 3
    assert max(e["active"] for e in server.requests("/gate")) == 3
    assert len(server.ends()) == 6


def test_absolute_targets_and_connect_work_as_a_proxy(server, tls_server, authority):
    proxy = ["--noproxy", "", "-x", server.url("")]
    assert curl("http://nowhere.invalid/ok/10", *proxy).stdout == bodies.body(10)
    assert server.requests()[0]["path"] == "http://nowhere.invalid/ok/10"
    done = curl(tls_server.url("/ok/10"), *proxy, "--cacert", authority.cert)
    assert done.stdout == bodies.body(10), done.stderr


def test_files_can_be_cut_and_unframed(server, keep):
    name = keep(b"0123456789" * 100)
    assert len(curl(server.url("/file/%s" % name)).stdout) == 1000
    assert curl(server.url("/file/%s?cut=10" % name)).returncode == 18
    assert len(curl(server.url("/file/%s?framing=chunked&piece=7" % name)).stdout) == 1000
    assert len(curl(server.url("/file/%s?framing=close&cut=10" % name)).stdout) == 10
    assert curl(server.url("/file/../../etc/passwd"), "--path-as-is").stdout == b"not found\n"


def test_nginx_serves_http2(web2, real, authority, plain):
    done = curl(web2.url("/plain.bin"), "--http2", "--cacert", authority.cert)
    assert done.stdout == plain
    assert any("HTTP/2.0 200" in line for line in web2.access_log())


def test_real_archives_hold_the_same_bytes(real, plain):
    tools = {"gzip": "gzip", "zstd": "zstd", "xz": "xz", "bzip2": "bzip2", "lz4": "lz4"}
    for codec, tool in tools.items():
        out = subprocess.run([tool, "-dc", real[codec]], check=True, capture_output=True).stdout
        assert out == plain
    digests = realdata.digests(os.path.dirname(real["plain"]))
    assert digests["plain.bin"] == bodies.digest(plain).split(":")[1]


def test_config_text_is_libconfig():
    text = haul.config_text({"daemon": {"roots": ["/x"], "n": 5 << 30, "b": True},
                             "jobs": [{"name": 'a"\\\n', "url": "u"}], "none": []})
    assert text == ('daemon = {\n  roots = [ "/x" ];\n  n = 5368709120L;\n  b = true;\n};\n'
                    'jobs = (\n  {\n    name = "a\\"\\\\\\x0a";\n    url = "u";\n  }\n);\n'
                    'none = ();\n')


def test_pins_are_base64_of_sha256(server_cert):
    pin = certs.public_key_pin(server_cert[0])
    assert pin.startswith("sha256//") and len(pin) == 8 + 44
