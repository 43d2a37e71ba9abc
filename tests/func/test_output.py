"""What one sees: events, summary, exit status; no secret, no escape sequence."""

import base64
import os
import re
import urllib.parse

import pytest
from bodies import body, digest
from haul import assert_done, command_line, processes_of_session

ESCAPES = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]|[\x80-\xff]")


def mixed(server):
    return [{"name": "good", "url": server.url("/ok/300000"), "output": "good",
             "checksum": digest(body(300000))},
            {"name": "bad", "url": server.url("/status/404"), "output": "bad"},
            {"name": "slow", "url": server.url("/delay/0.3/10"), "output": "slow"},
            {"name": "cut", "url": server.url("/short/1000/10"), "output": "cut", "retry": 1}]


# ---- json

def test_events_are_well_formed(h, server):
    result = h.once_jobs(mixed(server))
    assert result.of("malformed") == [] and result.rc == 1
    kinds = [e["event"] for e in result.events]
    assert kinds[-5:] == ["job"] * 4 + ["summary"]
    assert set(kinds) <= {"start", "retry", "end", "job", "summary", "progress", "phase"}
    ids = [j["id"] for j in result.jobs]
    assert len(set(ids)) == 4
    assert sorted(e["id"] for e in result.of("end")) == sorted(ids)
    assert {e["id"] for e in result.of("start")} == set(ids)


def test_job_events_come_in_the_order_given(h, server):
    result = h.once_jobs(mixed(server))
    names = {e["id"]: e["name"] for e in result.of("start")}
    assert [names[j["id"]] for j in result.jobs] == ["good", "bad", "slow", "cut"]


def test_end_and_job_say_the_same(h, server):
    result = h.once_jobs(mixed(server))
    ends = {e["id"]: dict(e, event="job") for e in result.of("end")}
    assert [ends[j["id"]] for j in result.jobs] == result.jobs


def test_fields_of_the_events(h, server):
    result = h.once_jobs(mixed(server))
    good, bad = result.job("good"), result.job("bad")
    assert (good["state"], good["bytes"]) == ("done", 300000)
    assert isinstance(good["seconds"], (int, float)) and good["output"].endswith("good")
    assert (bad["state"], bad["code"]) == ("failed", "http-404") and bad["reason"]
    start = result.of("start")[0]
    assert start["url"].startswith("http://127.0.0.1:") and start["output"]
    retry = result.of("retry")[0]
    assert retry["id"] == result.job("cut")["id"] and retry["delay_ms"] >= 0
    summary = result.summary
    assert (summary["done"], summary["failed"], summary["cancelled"]) == (2, 2, 0)
    assert summary["bytes"] >= 300010 and summary["seconds"] > 0


def test_retry_comes_before_end(h, server):
    result = h.once_jobs(mixed(server))
    cut = result.job("cut")["id"]
    kinds = [e["event"] for e in result.events if e.get("id") == cut and e["event"] in
             ("start", "retry", "end", "job")]
    assert kinds[0] == "start" and kinds[-2:] == ["end", "job"] and "retry" in kinds


def test_nothing_to_do_is_done(h):
    result = h.once(config={"jobs": []})
    assert result.rc == 0 and result.summary["done"] == 0


# ---- the summary for people

def test_the_summary(h, server):
    result = h.once_jobs(mixed(server), json=False)
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["done", "failed", "done", "failed"], result
    assert re.search(r"good\s.*\d", lines[0])
    assert re.search(r"bad\s+http-404: \S", lines[1])
    assert re.search(r"cut\s+truncated: \S", lines[3])
    assert re.match(r"2 done, 2 failed", lines[-1])
    assert not ESCAPES.search(result.out_bytes + result.err_bytes)


def test_the_summary_of_one_good_job(h, server):
    result = h.once_jobs(mixed(server)[:1], json=False)
    assert result.stdout.splitlines()[-1].startswith("1 done")
    assert result.rc == 0


def test_at_most_fifty_done_lines_but_every_failure(h, server):
    jobs = [{"name": "j%d" % i, "url": server.url("/status/404" if i % 2 else "/ok/10"),
             "output": "%d" % i} for i in range(140)]
    result = h.once_jobs(jobs, json=False)
    first = [line.split()[0] for line in result.stdout.splitlines() if line]
    assert first.count("done") == 50 and first.count("failed") == 70
    assert result.stdout.splitlines()[-1].startswith("70 done, 70 failed")


# ---- exit status

@pytest.mark.parametrize("args", [("--no-such-option", "x"), (), ("--retry",),
                                  ("--checksum", digest(b""), "http://x/a", "http://x/b")])
def test_2_for_usage(h, args):
    result = h.once(*args, json=False)
    assert result.rc == 2 and result.stderr, result
    assert result.stdout == ""
    h.expect({})


@pytest.mark.parametrize("args", [("--retry", "many", "http://127.0.0.1/x"),
                                  ("--checksum", "nonsense", "http://127.0.0.1/x"),
                                  ("not a url",), ("gopher://127.0.0.1/x",)])
def test_bad_values_on_the_command_line(h, args):
    result = h.once(*args, json=False)
    assert result.rc == 2 and result.stderr, result
    assert result.stdout == ""
    h.expect({})


@pytest.mark.parametrize("config", [
    'jobs = ( { name = "a"; url = "http://127.0.0.1/x"; colour = "red"; } );',
    'jobs = ( { name = "a"; url = 17; } );',
    'jobs = ( {',
    'jobs = ( { name = "a"; url = "http://127.0.0.1/x"; insecure = true; } );',
])
def test_78_for_the_configuration(h, config):
    result = h.once(config=config, json=False)
    assert result.rc == 78
    assert re.search(r"hauld-1\.conf:\d+: \S", result.stderr), result
    h.expect({})


def test_78_lists_all_errors(h):
    config = 'jobs = (\n{ name = "a"; url = "http://127.0.0.1/x"; colour = "red"; },\n' \
             '{ name = "b"; url = "http://127.0.0.1/x"; mode = "rw"; }\n);\n'
    result = h.once(config=config)
    assert result.rc == 78
    assert ":2: " in result.stderr and ":3: " in result.stderr


def test_78_starts_nothing(h, server):
    result = h.once(config={"jobs": [{"name": "a", "url": server.url("/ok/10")},
                                     {"name": "b", "url": server.url("/ok/10"), "colour": "x"}]})
    assert result.rc == 78 and server.requests() == []


def test_a_missing_configuration(h):
    result = h.once("-c", "/nonexistent/hauld.conf")
    assert result.rc in (2, 78) and "/nonexistent/hauld.conf" in result.stderr


def test_without_c_no_configuration_is_read(h, server, tmp):
    """Not even one that lies where a careless program would look."""
    for directory in (h.root, os.path.join(h.home, ".config", "hauld")):
        os.makedirs(directory, exist_ok=True)
        with open(os.path.join(directory, "hauld.conf"), "w") as f:
            f.write("this is no configuration")
    result = h.once(server.url("/ok/10"))
    assert_done(result)


def test_1_when_some_failed_0_when_none(h, server):
    assert h.once(server.url("/ok/10"), server.url("/status/404"), "--retry", "0").rc == 1
    assert h.once(server.url("/ok/10")).rc == 0


def test_help_and_version(h):
    import subprocess
    from haul import program
    for option in ("--help", "--version"):
        done = subprocess.run([program("hauld"), option], capture_output=True, text=True,
                              env=h.environment(), timeout=20)
        assert done.returncode == 0 and "haul" in done.stdout and done.stderr == ""


# ---- secrets and escapes

SECRETS = ["s3cret-pass", "tok-s3cret", "hdr-s3cret", "frag-s3cret", "prx-s3cret",
           base64.b64encode(b"bob:s3cret-pass").decode()]


def secret_jobs(server, path, **keys):
    url = server.url(path) + "?token=tok-s3cret#frag-s3cret"
    return [{"name": "a", "url": url, "output": "a", "user": "bob:s3cret-pass",
             "header": ["X-Key: hdr-s3cret"], **keys}]


@pytest.mark.parametrize("path", ["/ok/1000", "/status/404", "/short/1000/10", "/redirect-loop",
                                  "/garbage", "/redirect/3/ok/10", "/slow-headers"])
@pytest.mark.parametrize("json", [True, False])
def test_no_secret_is_shown(h, server, path, json):
    result = h.once_jobs(secret_jobs(server, path, **{"stall-timeout": "500ms"}), json=json,
                         daemon={"log-level": "debug"})
    for secret in SECRETS:
        assert secret not in result.stdout + result.stderr, secret


def test_no_secret_of_a_url_with_userinfo(h, server):
    url = server.url("/status/404?token=tok-s3cret").replace("//", "//bob:s3cret-pass@", 1)
    for args in ((), ("-o", "x")):
        result = h.once(url, *args, "--log-level", "debug")
        assert result.rc in (1, 2, 78)
        for secret in SECRETS:
            assert secret not in result.stdout + result.stderr


def test_no_secret_of_a_redirect(h, server):
    target = server.url("/status/404?token=tok-s3cret").replace("//", "//bob:s3cret-pass@", 1)
    url = server.url("/redirect-to?url=" + urllib.parse.quote(target, safe=""))
    result = h.once_jobs([{"name": "a", "url": url, "output": "a"}], daemon={"log-level": "debug"})
    for secret in SECRETS:
        assert secret not in result.stdout + result.stderr


def test_no_secret_in_the_process_list(h, server):
    jobs = secret_jobs(server, "/drip/10M/64K/0.1", checksum=digest(b""))
    jobs[0]["proxy"] = "http://p:prx-s3cret@127.0.0.1:%d" % server.port
    with h.start(config={"jobs": jobs}) as run:
        server.wait_requests(1)
        run.wait_workers(1)
        lines = [command_line(pid) for pid in processes_of_session(run.pid)]
        run.interrupt()
        run.finish(30)
    assert len(lines) >= 2
    for secret in SECRETS:
        assert secret.encode() not in repr(lines).encode()


def test_a_secret_in_a_file_for_everyone_is_refused(h, server):
    path = h.write_config({"jobs": secret_jobs(server, "/ok/10")}, mode=0o644)
    result = h.once("-c", path)
    assert result.rc == 78 and "user" in result.stderr
    assert server.requests() == []
    for secret in SECRETS:
        assert secret not in result.stdout + result.stderr


def test_a_secret_on_the_command_line_is_refused(h, server):
    result = h.once("--user", "bob:s3cret-pass", server.url("/ok/10"))
    assert result.rc in (2, 78) and "@FILE" in result.stderr
    assert "s3cret" not in result.stdout + result.stderr and server.requests() == []


def test_no_secret_in_configuration_errors(h):
    url = "http://bob:s3cret-pass@127.0.0.1/x?token=tok-s3cret"
    jobs = [{"name": "a", "url": url + " bad", "user": "bob:s3cret-pass", "header": ["hdr-s3cret"],
             "colour": "red"}]
    result = h.once(config={"jobs": jobs})
    assert result.rc == 78
    for secret in SECRETS:
        assert secret not in result.stdout + result.stderr


@pytest.mark.parametrize("path", ["/hostile-reason", "/redirect-hostile", "/header-nul", "/garbage"])
@pytest.mark.parametrize("json", [True, False])
def test_no_hostile_byte_reaches_the_terminal(h, server, path, json):
    result = h.once_jobs([{"name": "a", "url": server.url(path), "output": "a"}], json=json,
                         daemon={"log-level": "debug"})
    assert result.rc == 1
    assert not ESCAPES.search(result.out_bytes + result.err_bytes), result


@pytest.mark.parametrize("url", [b"http://127.0.0.1/\x1b]0;pwned\x07", b"http://127.0.0.1/\x9b31m",
                                 b"http://127.0.0.1/a\nb", b"\x1b[31m", b"http://\x1b[2J/"])
def test_no_hostile_byte_of_an_argument_is_echoed(h, url):
    result = h.once(os.fsdecode(url), "--retry", "0", json=False)
    assert result.rc in (1, 2, 78)
    assert not ESCAPES.search(result.out_bytes + result.err_bytes), result


def test_a_hostile_name_is_escaped(h, server):
    """An output with an escape sequence is refused, or shown escaped."""
    result = h.once_jobs([{"name": "a", "url": server.url("/status/404"), "output": "x\x1b[31my"}],
                         json=False)
    assert result.rc in (1, 78)
    assert b"\x1b" not in result.out_bytes + result.err_bytes
