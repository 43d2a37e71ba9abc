"""haulctl import and export."""

import json
import os
import shutil
import signal
import subprocess

import pytest
from bodies import body, digest
from haul import kill_quietly, program

SHA = "sha-256=" + "a" * 64


def imported(tmp, form, text, *args, rc=0, mode=0o600):
    """The jobs that would be added, and what was told."""
    path = os.path.join(str(tmp), "in.txt")
    with open(path, "w", newline="") as f:
        f.write(text)
    os.chmod(path, mode)
    done = subprocess.run([program("haulctl"), "import", "--dry-run", "--json", *args, form, "in.txt"], cwd=str(tmp),
                          capture_output=True, text=True, check=False, timeout=30,
                          env={"PATH": os.environ["PATH"], "HAULCTL_SOCKET": "/nonexistent", "LC_ALL": "C.UTF-8",
                               "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "")})
    assert done.returncode == rc, done
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr.splitlines()


# ---- aria2

def test_a_session_of_aria2(tmp):
    jobs, told = imported(tmp, "aria2", """\
http://h.example/a.iso\thttp://m.example/a.iso
 gid=d9a3e4a7f8b2c1d0
 dir=/srv/x
 out=a.iso
 split=5
 header=X-A: b
 header=X-C: d
 checksum=%s
 max-tries=5
 retry-wait=3
 timeout=60
 max-download-limit=500K
 all-proxy=http://proxy.example:3128
 remote-time=true
 conditional-get=true
 referer=http://r.example/
 user-agent=me
 pause=true
http://h.example/b
 gid=d9a3e4a7f8b2c1d1
 http-passwd=pw
 http-user=joe
""" % SHA)
    assert jobs == [
        {"url": ["http://h.example/a.iso", "http://m.example/a.iso"], "output": "/srv/x/a.iso",
         "header": ["X-A: b", "X-C: d", "Referer: http://r.example/"], "checksum": ["sha256:" + "a" * 64], "retry": 4,
         "retry-delay": "3", "stall-timeout": "60", "limit-rate": "500K", "proxy": "http://proxy.example:3128",
         "remote-time": True, "conditional": True, "user-agent": "me", "paused": True},
        {"url": ["http://h.example/b"], "user": "joe:pw"}]
    assert told == ["in.txt:2: gid (and in 1 more line): hauld gives ids of its own",
                    "in.txt:5: split: haul fetches a file over one connection"]


def test_what_aria2_has_and_haul_has_not(tmp):
    jobs, told = imported(tmp, "aria2", """\
magnet:?xt=urn:btih:1
http://h.example/a
 bt-max-peers=3
 check-certificate=false
 max-tries=0
 http-user=joe
 auto-file-renaming=true
ftp://h.example/b
file.torrent
""", rc=1)
    assert jobs == [{"url": ["http://h.example/a"]}]
    for line, text in ((1, "magnet"), (3, "bt-max-peers: haul has nothing like it"), (4, "always checked"),
                       (5, "max-tries: 0 is for ever"), (6, "http-user: it goes with the other"), (7, "no-clobber"),
                       (8, "http and https only; this job is left out"), (9, "no url with its scheme; this job is left out")):
        assert any(t.startswith("in.txt:%d: " % line) and text in t for t in told), (line, text, told)
    assert told[-1] == "haulctl: 3 of 4 jobs are left out"


def test_a_list_that_was_meant_for_add_is_no_session_of_aria2(serve, server):
    """It looks like one: without its names, what it waits for and that it is paused other jobs would come of it."""
    s = serve()
    c = s.client()
    assert s.ctl("add", "--paused", "--name", "mine", server.url("/ok/10?key=im-own")).rc == 0
    s.ctl("add", "--after", "mine", "-o", "behind", server.url("/ok/11?key=im-own"))
    wrote = s.ctl("export").out
    done = s.ctl("import", "aria2", "-", stdin=wrote)
    assert done.rc == 2 and done.out == ""
    for key in ("name", "paused", "after"):
        line = next(i for i, text in enumerate(wrote.splitlines(), 1) if text.startswith(" %s=" % key))
        assert ("standard input:%d: %s is a key of haul, and no option of aria2: `haulctl add -i` takes lists with those"
                % (line, key)) in done.err.splitlines()
    assert len(c.call("list")["jobs"]) == 2
    c.call("cancel", all=True)


# ---- curl

def test_a_configuration_of_curl(tmp):
    jobs, told = imported(tmp, "curl", """\
# two files, the same header
url = "https://h.example/one?x=1"
output = "a \\"b\\" c"
  --url:https://h.example/two
-H "X-A: b"
header="X-C: d" # ignored
-sSfL
-m30
-b "k=v"
compressed
limit-rate = 100K
remote-name
next

url https://h.example/three\r
-RO
user-agent "me (1)"
--http2
""")
    common = {"header": ["X-A: b", "X-C: d", "Cookie: k=v"], "max-time": "30", "limit-rate": "100K"}
    assert jobs == [{"url": ["https://h.example/one?x=1"], "output": 'a "b" c', **common},
                    {"url": ["https://h.example/two"], **common},
                    {"url": ["https://h.example/three"], "remote-time": True, "http-version": "2", "user-agent": "me (1)"}]
    assert [t for t in told if "compressed" in t] == ["in.txt:10: compressed: haul asks for the file as it is"]


@pytest.mark.parametrize("line, told", [
    ('data = "x"', "sends something"), ("-d x", "sends something"), ("request = POST", "only asks with GET"), ("-I", "not heads"),
    ("range = 0-99", "whole files"), ("continue-at = 100", "whole files"), ("-F a=b", "sends something"), ("upload-file x", "sends something"),
])
def test_what_is_no_download_is_left_out_up_to_the_next(tmp, line, told):
    jobs, texts = imported(tmp, "curl", "url = http://h/a\n%s\nurl = http://h/b\nnext\nurl = http://h/c\n" % line, rc=1)
    assert [j["url"] for j in jobs] == [["http://h/c"]]
    assert any(t.startswith("in.txt:2: ") and told in t for t in texts), texts
    assert texts[-1] == "haulctl: 2 of 3 jobs are left out"


@pytest.mark.parametrize("line, told", [
    ("insecure", "always checked"), ("-k", "always checked"), ("cookie-jar = f", "no cookies"), ("cookie = f", "no files of cookies"),
    ("config = other", "import it, too"), ("frobnicate = 1", "not known here"), ("-@", "-@: this option of curl is not known"),
    ("output = x\noutput = y", "there is no url for it"), ("user = joe", "no password"), ("no-frob", "not known"), ("no-fail", "a switch that is off"),
    ("http3", "HTTP/1.1 and 2"), ("location-trusted", "stay with the origin"),
])
def test_what_curl_has_and_haul_has_not_is_told(tmp, line, told):
    jobs, texts = imported(tmp, "curl", "url = http://h/a\n%s\n" % line)
    assert [j["url"] for j in jobs] == [["http://h/a"]] and any(told in t for t in texts), texts


def test_globs_and_standard_output_are_no_jobs(tmp):
    text = 'url = "http://h/[1-9]"\n-O\nnext\nurl = "http://h/{a,b}"\nnext\nurl = "http://h/[x]"\ngloboff\n-O\nnext\nurl = http://h/c\noutput = -\n'
    jobs, told = imported(tmp, "curl", text, rc=1)
    assert [j["url"] for j in jobs] == [["http://h/[x]"]] and sum("write them out" in t for t in told) == 2
    assert any("standard output" in t for t in told)


@pytest.mark.parametrize("text, told", [('url = "http://h/a\n', "a quote does not end"), ("url =\n", "needs a value"),
                                        ("url = http://h/a\nmax-time = soon\n", "max-time"), ("", "has no jobs"),
                                        ("url = http://h/a\0\n", "no text file"), ("url = http://h/a\nlimit-rate = x\n", "limit-rate")])
def test_what_is_wrong_adds_nothing(tmp, text, told):
    jobs, texts = imported(tmp, "curl", text, rc=2)
    assert jobs == [] and any(told in t for t in texts), texts


# ---- wget, sha256sum, the command line

def test_a_list_of_wget(tmp):
    jobs, told = imported(tmp, "wget", "http://h/a\n\n# no\nhttps://h/b?c=d\nrelative/x\n", rc=1)
    assert [j["url"] for j in jobs] == [["http://h/a"], ["https://h/b?c=d"]]
    assert "in.txt:5: relative/x: this is no url" in told[0]


def test_blanks_around_urls_and_lines_that_are_none(tmp):
    jobs, told = imported(tmp, "wget", "  http://h/a  \r\n\thttp://h/b\n" + "x" * 3000 + "\n", rc=1)
    assert [j["url"] for j in jobs] == [["http://h/a"], ["http://h/b"]]
    assert told[0] == "in.txt:3: %s...: this is no url with its scheme; this job is left out" % ("x" * 100), told


def test_a_list_of_checksums_that_was_signed_in_the_clear(tmp):
    jobs, told = imported(tmp, "sha256sum", "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n# f.iso: 17 bytes\nSHA256 (f.iso) = %s\n"
                          "-----BEGIN PGP SIGNATURE-----\n\niQIz\n=abcd\n-----END PGP SIGNATURE-----\n" % ("a" * 64), "--base-url", "http://h/x")
    assert jobs == [{"url": ["http://h/x/f.iso"], "checksum": ["sha256:" + "a" * 64]}] and told == []


def test_a_list_of_checksums(tmp):
    jobs, told = imported(tmp, "sha256sum", "%s  dir/a b\n" % ("a" * 64), "--base-url", "http://h/x")
    assert jobs == [{"url": ["http://h/x/dir/a%20b"], "checksum": ["sha256:" + "a" * 64], "output": "dir/a b"}] and told == []


@pytest.mark.parametrize("args, told", [(["zip", "x"], "no format"), (["aria2"], "needs"), (["sha256sum", "x"], "--base-url"),
                                        (["aria2", "x", "--base-url", "http://h/"], "--base-url"), (["aria2", "x", "-o", "y"], "unknown option"),
                                        (["aria2", "/nonexistent"], "cannot be read"), (["aria2", "x", "--name", "n"], "about one job")])
def test_2_for_usage(tmp, args, told):
    done = subprocess.run([program("haulctl"), "import", *args], cwd=str(tmp), capture_output=True, text=True, check=False)
    assert done.returncode == 2 and told in done.stderr, done


def test_a_secret_needs_a_private_file(tmp):
    _jobs, told = imported(tmp, "curl", "url = http://h/a\nuser = joe:s3cret\n", rc=2, mode=0o644)
    assert "is a secret in a list that everyone can read" in told[0] and "s3cret" not in told[0]


@pytest.mark.parametrize("form, text", [("wget", "https://joe:p%40w@h.example/a?b=c\n"), ("aria2", "https://joe:p%40w@h.example/a?b=c\n gid=1\n"),
                                        ("curl", "url = https://joe:p%40w@h.example/a?b=c\n-O\n")])
def test_a_password_in_a_url_becomes_a_setting(tmp, form, text):
    jobs, _told = imported(tmp, form, text)
    assert jobs == [{"url": ["https://h.example/a?b=c"], "user": "joe:p@w"}]
    jobs, told = imported(tmp, form, text.replace(":p%40w", ""))
    assert jobs == [{"url": ["https://h.example/a?b=c"]}] and "without a password" in told[0]


def test_settings_of_the_command_line_hold_for_all(tmp):
    jobs, _told = imported(tmp, "wget", "http://h/a\nhttp://h/b\n", "--priority", "5", "--limit-rate", "1M")
    assert [(j["priority"], j["limit-rate"]) for j in jobs] == [(5, "1M")] * 2


def test_an_import_is_an_add(serve, server):
    s = serve()
    data = body(1000, "import-a")
    text = "%s\n out=x\n checksum=%s\n%s\n pause=true\n out=y\n" % (
        server.url("/ok/1000?seed=import-a&key=import-a"), digest(data).replace(":", "="), server.url("/ok/10?key=import-b"))
    done = s.ctl("import", "aria2", "-", stdin=text)
    assert done.rc == 0 and done.out == "1\n2\n", done
    assert s.ctl("wait", "1").rc == 0 and s.read("x") == data
    assert s.client().call("show", job=2)["state"] == "paused"
    again = s.ctl("import", "aria2", "-", "--key", "k", stdin=text)
    assert again.out == "3\n4\n" and s.ctl("import", "aria2", "-", "--key", "k", stdin=text).out == again.out


# ---- the programs themselves

@pytest.mark.skipif(not shutil.which("aria2c"), reason="aria2 is not installed")
def test_what_aria2_itself_has_saved(tmp, server):
    session = os.path.join(tmp, "session")
    urls = [server.url("/stall/10k/1k?key=import-c"), server.url("/slow-headers?key=import-d")]
    aria2 = subprocess.Popen(["aria2c", "-q", "--no-conf", "--save-session=" + session, "--dir=" + tmp, "--out=f.bin", "--header=X-A: b",
                              "--checksum=" + SHA, "--max-tries=3", "--http-user=joe", "--http-passwd=pw", "--user-agent=me", "--split=2",
                              "--file-allocation=none", *urls])
    try:
        server.wait_requests(1, "import-")
        aria2.send_signal(signal.SIGINT)
        aria2.wait(30)
    finally:
        if aria2.poll() is None:
            kill_quietly(aria2.pid)
            aria2.wait()
    with open(session) as f:
        jobs, told = imported(tmp, "aria2", f.read())
    assert jobs == [{"url": urls, "output": tmp + "/f.bin", "header": ["X-A: b"], "checksum": ["sha256:" + "a" * 64], "retry": 2,
                     "user": "joe:pw", "user-agent": "me"}]
    assert any("gid" in t for t in told)


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_curl_itself_makes_the_same_files(serve, server, tmp):
    s = serve()
    text = "".join("%s\n" % line for line in [
        'url = "%s"' % server.url("/ok/1000?key=import-e&seed=e"), 'output = "one \\"1\\""', "url=%s" % server.url("/ok/2000?key=import-f&seed=f"), "-sSo two",
        "next", "url: %s" % server.url("/ok/300?key=import-g&seed=g"), "-sO", "next", "silent", "--url %s" % server.url("/ok/40?key=import-h&seed=h"),
        'output "sub/h" # a comment', "create-dirs"])
    theirs = os.path.join(tmp, "theirs")
    os.mkdir(theirs)
    subprocess.run(["curl", "-q", "-K", "-"], input=text.encode(), cwd=theirs, check=True, timeout=30)
    done = s.ctl("import", "curl", "-", stdin=text)
    assert done.rc == 0 and done.err == "", done
    assert s.ctl("wait", *done.out.split()).rc == 0

    def files(root):
        return {os.path.relpath(os.path.join(d, f), root): open(os.path.join(d, f), "rb").read()
                for d, _dirs, names in os.walk(root) for f in names if ".haul" not in d}
    assert files(s.root) == files(theirs) and len(files(theirs)) == 4


# ---- export

QUEUE = [
    {"url": ["http://127.0.0.1:9/a?token=x", "https://127.0.0.2:9/a"], "output": "a b/ü", "checksum": ["sha256:" + "a" * 64, "md5:" + "b" * 32]},
    {"url": ["http://127.0.0.1:9/b"], "name": "named", "priority": -3, "retry": 7, "decompress": "auto", "mode": "0600",
     "max-time": "90s", "limit-rate": 1048576, "remote-time": True, "group": "night", "stall-timeout": "1500ms"},
    {"url": ["http://127.0.0.1:9/c#frag"], "output": "deep/down/c", "max-filesize": 1 << 40, "retry-on": ["404", "dns"],
     "allow-unproven": True, "no-clobber": True, "fsync": "off"},
]
CONF = {"groups": [{"name": "night"}]}


def specs(s):
    """What each job that waits is made of."""
    with s.client() as c:
        jobs = c.call("list", state=["queued", "blocked", "active", "paused"], settings=True)["jobs"]
    return [(j["settings"], j["state"] == "paused") for j in jobs]


@pytest.mark.parametrize("form", ["list", "json", "conf"])
def test_what_was_exported_is_the_same_again(serve, form):
    """The same queue in another hauld, whose first root is another one."""
    s, other = serve(CONF, max_concurrent_downloads=1), serve(CONF, max_concurrent_downloads=1)
    with s.client() as c:
        c.call("add", jobs=[{**job, "paused": True} for job in QUEUE])
    text = s.ctl("export", "--format", form)
    assert text.rc == 0 and text.err == "", text
    if form == "list":
        done = other.ctl("add", "-i", "-", stdin=text.out)
        assert done.rc == 0 and done.out == "1\n2\n3\n", done
    elif form == "json":
        with other.client() as c:
            c.call("add", jobs=text.lines)
    else:
        with open(other.conf) as f:
            before = f.read()
        other.write_config(before + text.out)
        assert other.ctl("reload").rc == 0
        with other.client() as c:
            other_jobs = c.call("list", settings=True)["jobs"]
        assert [j["settings"]["url"] for j in other_jobs] == [job["url"] for job in QUEUE]
    before, after = specs(s), specs(other)
    assert len(before) == 3
    for (one, _), (two, paused) in zip(before, after):
        assert paused
        assert one.pop("output").replace(s.root, "") == two.pop("output").replace(other.root, "")
        assert one == two


def test_a_job_between_two_runs_is_exported(serve, server):
    """As one that runs: a schedule is not lost because of the moment."""
    s = serve()
    with s.client() as c:
        c.add({"url": server.url("/ok/10?key=export-once"), "output": "once"},
              {"url": server.url("/ok/10?key=export-again"), "output": "again", "name": "again", "every": "1h"},
              {"url": server.url("/status/404?key=export-bad"), "output": "bad", "cron": "@yearly", "retry": 0},
              {"url": server.url("/ok/10?key=export-wait"), "output": "wait", "paused": True})
        c.call("run", job=3)
        c.call("wait", jobs=[1, 2, 3])
        assert c.show("again")["state"] == "done" and c.show(3)["state"] == "failed" and c.show(3)["next_run"]
        assert [job["output"] for job in s.ctl("export", "--json").lines] == ["again", "bad", "wait"]
        assert [job["output"] for job in s.ctl("export", "--json", "-n", "2").lines] == ["again", "bad"]
        assert [job["output"] for job in s.ctl("export", "--json", "--state", "done").lines] == ["once", "again"]
        assert s.ctl("export", "--json").lines[0]["every"] == "1h"
        c.call("cancel", all=True)
    done = s.ctl("export")
    assert done.out == "" and "no job waits, runs or comes again" in done.err


def test_export_takes_filters_and_leaves_secrets(serve, server, tmp, lab):
    s = serve({"jobs": [{"name": "conf", "url": server.url("/stall/10/1?key=export-a"), "output": "conf"}]})
    with s.client() as c:
        c.call("add", jobs=[{"url": [server.url("/x?key=export-b")], "output": "b", "paused": True, "header": ["Authorization: secret"],
                             "user": "joe:pass"}])
        done_id = c.call("add", jobs=[{"url": [server.url("/ok/10?key=export-c")], "output": "done"}])["jobs"][0]["id"]
        c.call("wait", job=done_id)
    done = s.ctl("export")
    assert done.rc == 0 and "secret" not in done.out and "pass" not in done.out + done.err, done
    assert done.out == "%s\n out=b\n paused=true\n" % server.url("/x?key=export-b")
    for text in ("1 of the configuration", "2 settings with secrets"):
        assert text in done.err, done
    assert s.ctl("export", "--state", "done").out == "%s\n out=done\n" % server.url("/ok/10?key=export-c")
    assert s.ctl("export", "--output", "*/nothing").out == "" and "no such jobs" in s.ctl("export", "--name", "x").err
    if os.getuid() == 0: # others see no queries, and a url without its query is another one
        for path in (lab, tmp, s.tmp):
            os.chmod(path, 0o711)
        os.chmod(s.socket, 0o666)
        done = subprocess.run([program("haulctl"), "--socket", s.socket, "export"], user=54321, group=54321, extra_groups=(), cwd="/",
                              env=s.environment(), capture_output=True, text=True, check=True)
        assert done.stdout == "" and "1 with a query" in done.stderr, done
    assert len(s.ctl("export", "--json", "--limit", "1", "--state", "paused,done").lines) == 1
