"""haulctl against a stand-in for hauld (lib/fakehauld.py): no hauld is needed here."""

import fcntl
import json
import os
import pty
import re
import resource
import signal
import socket
import struct
import subprocess
import termios
import threading

import pytest
from fakehauld import FakeHauld, Refused, brief, refuse
from haul import program
from waiting import PATIENCE, WaitedTooLong, wait_until

pytestmark = pytest.mark.skipif(not os.path.exists(program("haulctl")), reason="haulctl is not built")

ESCAPES = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]")
DIGEST = "sha256:" + "a" * 64


class Done:
    def __init__(self, rc, out, err):
        self.rc, self.out_bytes, self.err_bytes = rc, out, err
        self.out, self.err = out.decode("utf-8", "replace"), err.decode("utf-8", "replace")

    @property
    def lines(self):
        return [json.loads(line) for line in self.out.splitlines()]

    def __repr__(self):
        return "rc %r\n--- stdout\n%s\n--- stderr\n%s" % (self.rc, self.out, self.err)


class Ctl:
    """Runs haulctl in a private directory, by default against `fake`."""

    def __init__(self, tmp):
        self.tmp = tmp
        self.socket = os.path.join(tmp, "control.sock")
        self.running = []

    def environment(self, **more):
        env = {"PATH": os.environ["PATH"], "HOME": self.tmp, "LC_ALL": "C.UTF-8", "TERM": "xterm",
               "HAULCTL_SOCKET": self.socket, "TZ": "UTC"}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"):
            if name in os.environ:
                env[name] = os.environ[name]
        env.update(more)
        return {k: v for k, v in env.items() if v is not None}

    def start(self, *args, stdin=None, env=None, **options):
        process = subprocess.Popen([program("haulctl"), *args], cwd=self.tmp, env=self.environment(**(env or {})),
                                   stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
                                   **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options})
        self.running.append(process)
        return process

    def __call__(self, *args, stdin=None, env=None, timeout=PATIENCE):
        process = self.start(*args, stdin=stdin, env=env)
        out, err = process.communicate(stdin.encode() if isinstance(stdin, str) else stdin, timeout)
        return Done(process.returncode, out, err)

    def write(self, name, text, mode=0o600):
        path = os.path.join(self.tmp, name)
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, mode)
        return path

    def close(self):
        for process in self.running:
            if process.poll() is None:
                process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe:
                    pipe.close()


class Terminal:
    """haulctl on a terminal of its own: .text is what it wrote so far."""

    def __init__(self, ctl, *args, columns=80, rows=24, env=None):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.bytes = b""
        self._changed = threading.Condition()
        self.process = ctl.start(*args, env=env, stdin=None, stdout=slave, stderr=slave,
                                 start_new_session=True)
        os.close(slave)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        while True:
            try:
                data = os.read(self.master, 65536)
            except OSError:
                return
            if not data:
                return
            with self._changed:
                self.bytes += data
                self._changed.notify_all()

    @property
    def text(self):
        """Without the movements of the cursor."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.bytes.decode("utf-8", "replace")).replace("\r", "")

    def wait_text(self, text, timeout=PATIENCE):
        with self._changed:
            if not self._changed.wait_for(lambda: text in self.text, timeout):
                raise WaitedTooLong("no %r in %r" % (text, self.text))

    def finish(self, timeout=PATIENCE):
        rc = self.process.wait(timeout)
        self._reader.join(timeout)
        os.close(self.master)
        return rc


@pytest.fixture
def ctl(tmp):
    one = Ctl(tmp)
    yield one
    one.close()


@pytest.fixture
def fake(ctl):
    with FakeHauld(ctl.socket) as one:
        yield one


def usage(done, *texts):
    assert done.rc == 2 and done.out == "", done
    for text in texts:
        assert text in done.err, done
    return True


# ---- The command line

@pytest.mark.parametrize("args, text", [
    (["lst"], "did you mean list?"), (["list", "--stat", "active"], "did you mean --state?"),
    (["--jsn", "list"], "did you mean --json?"), (["add", "--retrys", "2", "http://h/x"], "did you mean --retry?"),
    (["list", "--state", "activ"], "must be one of queued|"), (["list", "--sort", "age"], "must be one of id|"),
    (["list", "x"], "takes no arguments"), (["show"], "show needs a job"), (["wait", "1", "--timeout", "soon"], "duration"),
    (["wait", "1", "--timeout"], "needs a value"), (["list", "--json=yes"], "--json takes no value"),
    (["list", "--limit", "0"], "--limit"), (["add", "-k", "http://h/x"], "certificate checks"),
    (["add", "--split", "4", "http://h/x"], "not in this version"), (["help", "ad"], "did you mean add?"),
    (["add"], "nothing to add"), (["completions", "csh"], "bash, zsh and fish"), ([], "usage:"),
    (["add", "--retry", "many", "http://h/x"], "--retry is \"many\""), (["add", "--timeout", "3s", "u"], "unknown option"),
    (["attach", *map(str, range(1001))], "at most 1000"),
    (["list", "--state", "fail"], "did you mean failed?"), (["events", "--what", "start,ad"], '"ad" must be one of'),
    (["list", "7"], "haulctl status JOB"), (["limit", "--reset", "dump"], "`haulctl limit JOB off`"),
    (["add", "--url", "http://h/a", "--url", "http://m/a"], "apart by TABs"), (["add", "http://h/a", "http://m/a", "-o", "a"], "mirrors"), (["verify", "-c", "a", "-c", "b"], "--check can be given once"),
])
def test_2_for_usage(ctl, args, text):
    usage(ctl(*args), text)


@pytest.mark.parametrize("word, meant", [
    ("ls", "list"), ("rm", "remove"), ("ps", "list"), ("kill", "cancel"), ("stop", "cancel, pause or shutdown"),
    ("info", "show"), ("restart", "retry or reload"), ("download", "get"), ("unpause", "resume"), ("logs", "log"),
])
def test_words_of_other_programs_are_understood(ctl, word, meant):
    usage(ctl(word), "did you mean %s?" % meant)
    usage(ctl("help", word), "did you mean %s?" % meant)


@pytest.mark.parametrize("word", ["foo", "tell", "xyzzy", "stew"])
def test_no_verb_is_suggested_for_what_is_near_none(ctl, word):
    usage(ctl(word), "`haulctl help` lists them")


def test_set_offers_what_can_be_set(ctl, fake):
    told = ctl("help", "set").out
    assert "--limit-rate" in told and "--retry-max-time" in told and "--mode" not in told and "--after" not in told
    assert "--mode" in ctl("help", "add").out
    assert "--mode" not in complete_in_bash(ctl, "set", "--") and "--priority" in complete_in_bash(ctl, "set", "--")
    usage(ctl("set", "7", "--output", "x"), "--output cannot be set any more: cancel the job and add another")
    usage(ctl("cancel", "--state", "failed"), "cancel is about jobs that are queued, blocked, active, paused")


def test_letters_that_people_know(ctl, fake):
    for _ in range(3):
        fake.add_job()
    assert ctl("-V").out == ctl("--version").out != ""
    assert ctl("list", "-n", "2").out == ctl("list", "--limit", "2").out
    assert len(ctl("list", "-n2", "--json").lines) == 2


def test_help_tells_the_words_that_a_value_can_be(ctl):
    for verb, words in (("list", "size, rate, ended)"), ("log", "(err, warning, notice, info, debug)"),
                        ("wait", "(over, active, done"), ("add", "(off, data, full)"), ("export", "(list, json, conf)")):
        assert words in re.sub(r"\s+", " ", ctl("help", verb).out), verb


def test_only_whole_names_of_options_count(ctl, fake):
    usage(ctl("list", "--sta", "active"))
    assert fake.requests == []


def test_help_goes_to_stdout_and_needs_no_hauld(ctl):
    for args in (["help"], ["-h"], ["--help"], ["help", "add"], ["add", "--help"], ["--version"], ["list", "-h", "x"]):
        done = ctl(*args)
        assert done.rc == 0 and "haulctl" in done.out and done.err == "", done
    assert "--checksum" in ctl("help", "get").out and "--checksum" not in ctl("help", "list").out


def test_help_has_every_verb_once(ctl):
    told = re.findall(r"^  ([a-z]+) +(.*)$", ctl("help").out, re.M)
    assert sorted(told) == sorted((line["verb"], line["help"]) for line in ctl("help", "--json").lines if line["verb"])


def test_help_lines_fit_into_80_columns(ctl):
    for verb in [line["verb"] for line in ctl("help", "--json").lines if line["verb"]] + [None]:
        done = ctl("help", *([verb] if verb else []))
        assert max(map(len, done.out.splitlines())) <= 80, done


def test_options_before_and_behind_the_verb(ctl, fake):
    fake.add_job()
    assert ctl("--json", "list").out == ctl("list", "--json").out != ""
    assert ctl("show", "--json", "1").lines == ctl("show", "1", "--json").lines


def test_words_behind_two_dashes_are_no_options(ctl, fake):
    fake.add_job()
    assert ctl("show", "--", "--json").rc == 3


# ---- Reaching hauld

def test_no_socket(ctl):
    done = ctl("list")
    assert done.rc == 5 and ctl.socket in done.err and "systemctl start hauld.socket" in done.err, done
    assert len(done.err.splitlines()) == 1


def test_nobody_listens(ctl):
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(ctl.socket)
    done = ctl("list")
    assert done.rc == 5 and "nobody listens" in done.err, done


def test_a_path_that_is_no_socket(ctl):
    done = ctl("list", "--socket", ctl.write("file", ""))
    assert done.rc == 5 and done.err == "haulctl: hauld is not reachable: %s is no socket\n" % (ctl.tmp + "/file"), done


@pytest.mark.skipif(os.geteuid() != 0, reason="changes the user")
def test_no_permission(ctl, fake):
    os.chmod(ctl.tmp, 0o755)
    os.chmod(os.path.dirname(ctl.tmp), 0o755)
    os.chmod(ctl.socket, 0o600)
    process = ctl.start("list", preexec_fn=lambda: os.setuid(65534))
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 6 and out == b"" and b"group" in err, err


def test_which_socket_counts(ctl, fake, tmp):
    fake.add_job()
    nowhere = os.path.join(tmp, "nowhere")
    assert ctl("--socket", ctl.socket, "list", env={"HAULCTL_SOCKET": nowhere}).rc == 0
    assert ctl("list", env={"HAULCTL_SOCKET": nowhere}).rc == 5
    os.makedirs(os.path.join(tmp, "run", "hauld"))
    os.symlink(ctl.socket, os.path.join(tmp, "run", "hauld", "control.sock"))
    assert ctl("list", env={"HAULCTL_SOCKET": None, "XDG_RUNTIME_DIR": os.path.join(tmp, "run")}).rc == 0


def test_a_socket_of_something_else(ctl, fake):
    fake.on["list"] = lambda params, client: client.send_bytes(b"220 mail ESMTP\r\n")
    done = ctl("list")
    assert done.rc == 5 and "haul-rpc" in done.err, done


def test_a_connection_that_ends(ctl, fake):
    fake.on["list"] = lambda params, client: client.close()
    done = ctl("list")
    assert done.rc == 5 and "closed the connection" in done.err, done


@pytest.mark.parametrize("code, word, rc", [
    (-32001, "no-such-job", 3), (-32002, "conflict", 7), (-32003, "permission-denied", 6), (-32004, "too-many", 1),
    (-32005, "timed-out", 4), (-32602, "invalid-params", 2), (-32603, "internal", 1), (-32006, "draining", 1)])
def test_the_exit_status_of_an_error(ctl, fake, code, word, rc):
    fake.on["cancel"] = refuse(code, word, "a sentence")
    done = ctl("cancel", "7")
    assert done.rc == rc and done.err == "haulctl: a sentence\n" and done.out == "", done


# ---- add

def test_add_prints_ids_only(ctl, fake):
    done = ctl("add", "http://h/a", "http://h/b")
    assert done.rc == 0 and done.out == "1\n2\n" and done.err == "", done
    assert fake.of("add") == [{"jobs": [{"url": ["http://h/a"]}, {"url": ["http://h/b"]}]}]


def test_add_as_json(ctl, fake):
    assert ctl("add", "--json", "http://h/a").lines == [{"jobs": [{"id": 1, "name": None}]}]


def test_settings_have_the_types_of_the_configuration(ctl, fake):
    done = ctl("add", "http://h/a", "-o", "x/a", "--retry", "2", "--priority=-3", "--no-clobber", "--remote-time=false",
               "--checksum", "SHA-256=" + "A" * 64, "--limit-rate", "64M", "--stall-timeout", "20s", "--mode", "0600",
               "--decompress", "auto", "--http-version", "2", "--header", "X-A: 1", "--header", "X-B: 2",
               "--name", "geoip", "--user-agent", "me")
    assert done.rc == 0, done
    assert fake.of("add")[0]["jobs"] == [{
        "output": "x/a", "retry": 2, "priority": -3, "no-clobber": True, "remote-time": False, "checksum": [DIGEST],
        "limit-rate": "64M", "stall-timeout": "20s", "mode": "0600", "decompress": "auto", "http-version": "2",
        "header": ["X-A: 1", "X-B: 2"], "name": "geoip", "user-agent": "me", "url": ["http://h/a"]}]


def test_files_of_certificates_are_absolute(ctl, fake):
    assert ctl("add", "http://h/a", "--cacert", "ca.pem", "--cert", "/c.pem", "--private-key", "k/k.pem").rc == 0
    job = fake.of("add")[0]["jobs"][0]
    assert (job["cacert"], job["cert"], job["key"]) == (
        os.path.join(ctl.tmp, "ca.pem"), "/c.pem", os.path.join(ctl.tmp, "k/k.pem"))


def test_an_idempotency_key(ctl, fake):
    first, again = ctl("add", "--key", "k 1", "http://h/a"), ctl("add", "--key", "k 1", "http://h/a")
    assert first.out == again.out == "1\n"
    assert [p["key"] for p in fake.of("add")] == ["k 1", "k 1"]


def test_a_key_that_was_meant_for_the_certificate(ctl, fake):
    path = ctl.write("key.pem", "")
    usage(ctl("add", "http://h/a", "--cert", path, "--key", path), "--private-key")
    assert fake.requests == []


@pytest.mark.parametrize("args, text", [
    (["--header", "Authorization: Bearer s3cret"], "--header is a secret"),
    (["--header", "cookie: a=s3cret"], "--header is a secret"), (["--user", "bob:s3cret"], "--user is a secret"),
    (["--proxy", "http://p:s3cret@h:1"], "--proxy has a password"), (["--header", "s3cret"], "Name: value"),
    (["--header", "Range: s3cret"], "haul sets itself"), (["--header", "@nothing"], "cannot be read"),
    (["--user", "@"], "no file name"),
])
def test_secrets_on_the_command_line_are_refused(ctl, fake, args, text):
    done = ctl("add", "http://h/a", *args)
    usage(done, text)
    assert "s3cret" not in done.err and fake.requests == []


def test_a_url_with_a_password_is_refused(ctl, fake):
    usage(ctl("add", "http://bob:pw@h/a"), "--user @FILE")


def test_secrets_from_files(ctl, fake):
    headers = ctl.write("h", "# mine\nAuthorization: Bearer x\r\n\nX-B: 2\n")
    user = ctl.write("u", "bob:pass word\nmore\n")
    assert ctl("add", "http://h/a", "--header", "X-A: 1", "--header", "@" + headers, "--user", "@u").rc == 0
    job = fake.of("add")[0]["jobs"][0]
    assert job["header"] == ["X-A: 1", "Authorization: Bearer x", "X-B: 2"] and job["user"] == "bob:pass word"
    assert ctl("add", "http://h/a", "--user", "@-", stdin="me:too").rc == 0
    assert fake.of("add")[1]["jobs"][0]["user"] == "me:too"
    assert user


def test_a_file_that_everyone_can_read_is_no_place_for_secrets(ctl, fake):
    ctl.write("h", "Authorization: Bearer s3cret\n", mode=0o644)
    usage(ctl("add", "http://h/a", "--header", "@h"), "chmod o-r")
    ctl.write("list", "http://h/a\n user=bob:s3cret\n", mode=0o644)
    usage(ctl("add", "-i", "list"), "list:2: user is a secret in a list that everyone can read")
    ctl.write("list", "http://h/a\n user=bob:pw\n", mode=0o600)
    assert ctl("add", "-i", "list").rc == 0
    assert fake.of("add")[0]["jobs"][0]["user"] == "bob:pw"


def test_an_error_in_a_line_of_a_header_file(ctl, fake):
    ctl.write("h", "X-A: 1\ns3cret\n")
    done = ctl("add", "http://h/a", "--header", "@h")
    usage(done, '--header (line 2 of "h") must be')
    assert "s3cret" not in done.err


# ---- lists

def test_a_list_in_the_format_of_aria2(ctl, fake):
    ctl.write("l", "# files\n\nhttp://h/a\thttp://m/a\n  out=x\n  dir=d/e\n  checksum=sha-256=%s\r\nhttp://h/b.gz\n"
                   "  dir=z\n  decompress=gzip\n retry=7\nhttp://h/c" % ("a" * 64))
    assert ctl("add", "-i", "l", "--retry", "1").out == "1\n2\n3\n"
    assert fake.of("add")[0]["jobs"] == [
        {"retry": 1, "url": ["http://h/a", "http://m/a"], "output": "d/e/x", "checksum": [DIGEST]},
        {"url": ["http://h/b.gz"], "decompress": "gzip", "retry": 7, "output": "z/b"},
        {"retry": 1, "url": ["http://h/c"]}]


def test_a_list_of_checksums(ctl, fake):
    text = "%s  a b\n%s *sub/c.gz\n" % ("a" * 64, "b" * 32)
    assert ctl("add", "-i", "-", "--base-url", "http://h/d/", stdin=text).rc == 0
    assert fake.of("add")[0]["jobs"] == [
        {"url": ["http://h/d/a%20b"], "checksum": [DIGEST]},
        {"url": ["http://h/d/sub/c.gz"], "checksum": ["md5:" + "b" * 32], "output": "sub/c.gz"}]


def test_all_errors_of_a_list_come_with_their_lines_and_nothing_is_added(ctl, fake):
    ctl.write("l", "http://h/a\n  colour=red\n  retries=2\n  split=2\nnonsense\n  retry=x\nhttp://h/b\n  nothing\n")
    done = ctl("add", "-i", "l")
    assert done.rc == 2 and done.out == "" and fake.requests == []
    errors = done.err.splitlines()
    assert [e.split(" ")[0] for e in errors] == ["l:2:", "l:3:", "l:4:", "l:5:", "l:6:", "l:8:", "haulctl:"], done
    assert 'did you mean "retry"' in errors[1] and "not in this version" in errors[2]


def test_an_error_that_hauld_finds_has_the_line_of_the_list(ctl, fake):
    ctl.write("l", "http://h/a\nhttp://h/b\n  out=b\nhttp://h/c\n")
    fake.on["add"] = refuse(-32602, "invalid-params", "2 jobs are wrong", errors=[
        {"index": 1, "text": "output is odd"}, {"index": 2, "text": "url is worse"}])
    done = ctl("add", "-i", "l")
    assert done.rc == 2 and done.out == "", done
    assert done.err.splitlines()[:2] == ["l:2: output is odd", "l:4: url is worse"]
    assert "0 of 3 jobs were added" in done.err


@pytest.mark.parametrize("args, text", [
    (["-i", "missing"], "missing: cannot be read: No such file"), (["-i", "l", "--base-url", "http://h/"], "no use"),
    (["--base-url", "http://h/", "http://h/a"], "give -i too"), (["-i", "l", "--name", "x"], "exactly one url"),
    (["-i", "l", "-o", "x"], "exactly one url"), (["-i", "empty"], "has no jobs"), (["-i", "l", "-i", "l"], "once"),
    (["-i", "-", "--user", "@-"], "read already"), (["--retry", "3"], "there are none"),
    (["http://h/a", "http://h/b", "-o", "x"], "exactly one url"), (["-i", "sums"], "needs --base-url"),
])
def test_what_does_not_go_with_a_list(ctl, fake, args, text):
    ctl.write("l", "http://h/a\n")
    ctl.write("empty", "# nothing\n")
    ctl.write("sums", "%s  a\n" % ("a" * 64))
    usage(ctl("add", *args, stdin="http://h/a\n"), text)
    assert fake.of("add") == []


def test_a_long_list_goes_in_requests_of_a_bounded_size(ctl, fake):
    ctl.write("l", "".join("http://h/%d\n" % i for i in range(1201)))
    done = ctl("add", "-i", "l", "--key", "nightly")
    assert done.out == "".join("%d\n" % i for i in range(1, 1202)), done.err
    assert [len(p["jobs"]) for p in fake.of("add")] == [500, 500, 201]
    assert [p["key"] for p in fake.of("add")] == ["nightly/1", "nightly/2", "nightly/3"]
    assert [j["url"][0] for p in fake.of("add") for j in p["jobs"]] == ["http://h/%d" % i for i in range(1201)]


def test_a_request_is_below_the_limit_of_a_line(ctl, fake):
    ctl.write("l", "".join("http://h/%d\n user-agent=%s\n" % (i, "x" * 3000) for i in range(400)))
    assert ctl("add", "-i", "l").rc == 0
    assert len(fake.of("add")) == 5 and fake.longest < (256 << 10) + 1000


def test_one_job_that_is_larger_than_a_request_may_be(ctl, fake):
    ctl.write("l", "http://h/0\nhttp://h/1\n" + " header=X: %s\n" % ("x" * 60000) * 20)
    usage(ctl("add", "-i", "l"), "l:2: the settings of this job take more")
    assert fake.of("add") == []


def test_ids_come_in_the_order_of_the_list_whatever_that_of_the_answers(ctl, fake):
    held = []

    def add(params, client):
        result = fake.do_add(params, client)
        held.append((client.id, result))
        if len(held) == 3:
            for number, answer in reversed(held):
                client.answer(answer, number)
    fake.on["add"] = add
    done = ctl("add", "-i", "-", stdin="".join("http://h/%d\n" % i for i in range(1500)))
    assert done.out == "".join("%d\n" % i for i in range(1, 1501)), done.err


def test_some_requests_of_a_list_are_in_flight_at_once(ctl, fake):
    held, handled = [], []

    def add(params, client):
        held.append((client.id, fake.do_add(params, client)))
        if len(held) >= 8: # the ninth comes when one is answered
            number, answer = held.pop(0)
            client.answer(answer, number)
        handled.append(client.id)
    fake.on["add"] = add
    process = ctl.start("add", "-i", "-", stdin="")
    process.stdin.write("".join("http://h/%d\n" % i for i in range(6000)).encode())
    process.stdin.close()
    process.stdin = None
    wait_until(lambda: len(handled) == 12, why=lambda: "only %d requests" % len(handled))
    for number, answer in held:
        fake.clients[0].answer(answer, number)
    out, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0 and len(out.splitlines()) == 6000


def test_an_error_in_the_middle_of_a_list_says_how_far_it_came(ctl, fake):
    def add(params, client):
        if any(j["url"] == ["http://h/5200"] for j in params["jobs"]):
            raise Refused(-32602, "invalid-params", "x", errors=[{"index": 200, "text": "url is odd"}])
        return fake.do_add(params, client)
    fake.on["add"] = add
    done = ctl("add", "-i", "-", stdin="".join("http://h/%d\n" % i for i in range(20000)))
    added = len(done.out.splitlines())
    assert done.rc == 2 and 5000 <= added <= 9000, done.err
    assert "standard input:5201: url is odd" in done.err and "%d of 20000 jobs were added" % added in done.err


def test_a_full_queue_is_told(ctl, fake):
    fake.on["add"] = refuse(-32004, "too-many", "there are 1000000 jobs, as many as max-queued allows")
    done = ctl("add", "http://h/a")
    assert done.rc == 1 and "max-queued" in done.err and done.out == ""


# ---- get and attach

def script(fake, *events, jobs=None):
    """What a subscription tells: pairs of an event's kind and its members, or functions."""
    def subscribe(params, client):
        names = params.get("jobs")
        answer = {"subscription": 1}
        if names:
            answer["jobs"] = jobs or [fake.named(name) for name in names]
        client.answer(answer)
        for event in events:
            if callable(event):
                event(client)
            else:
                client.event(event[0], **event[1])
    fake.on["subscribe"] = subscribe


def done_job(number, **members):
    return brief(number, **{"state": "done", "published": 5 << 20, "received": 5 << 20, "seconds": 1.5, **members})


def failed_job(number, code="http-404", reason="the server does not have it (404)", **members):
    return brief(number, state="failed", code=code, reason=reason, **members)


def test_get_tells_the_summary_in_the_order_given(ctl, fake):
    script(fake, ("start", {"job": brief(1, state="active")}), ("end", {"job": done_job(2)}), ("end", {"job": failed_job(1)}))
    done = ctl("get", "http://h/a", "http://h/b")
    assert done.rc == 1, done
    lines = done.out.splitlines()
    assert lines[0].startswith("failed    /srv/haul/file-1") and "http-404: the server" in lines[0]
    assert lines[1].startswith("done      /srv/haul/file-2") and lines[2].startswith("1 done, 1 failed, 5.0 MiB in ")
    assert fake.of("subscribe")[0]["jobs"] == [1, 2]


def test_the_summary_says_what_was_compared(ctl, fake):
    receipt = {"proof": "length", "codec": "zstd", "unchanged": False, "digest": {"sha256": "00"}, "digest_output": {}}
    script(fake, ("end", {"job": done_job(1)}))
    fake.on["show"] = lambda params, client: dict(done_job(1), receipt=receipt, attempts=2)
    done = ctl("get", "http://h/a")
    assert done.rc == 0 and "sha256 ok, unpacked from 5.0 MiB of zstd, try 2" in done.out, done


@pytest.mark.parametrize("ends, rc", [(["done", "done"], 0), (["done", "cancelled"], 8), (["cancelled", "failed"], 1)])
def test_the_exit_status_is_that_of_the_jobs(ctl, fake, ends, rc):
    for verb, words in (("get", ["http://h/a", "http://h/b"]), ("attach", ["1", "2"])):
        script(fake, *[("end", {"job": brief(i + 1, state=state)}) for i, state in enumerate(ends)])
        assert ctl(verb, *words).rc == rc


def test_a_job_that_was_over_before_the_subscription(ctl, fake):
    script(fake, jobs=[done_job(1)])
    done = ctl("get", "http://h/a")
    assert done.rc == 0 and done.out.startswith("done "), done
    script(fake, jobs=[done_job(1)])
    assert ctl("attach", "--json", "1").lines == [{"event": "end", "job": done_job(1)}]


def test_an_end_that_comes_twice_counts_once(ctl, fake):
    script(fake, ("end", {"job": failed_job(1)}), ("end", {"job": done_job(1)}), ("end", {"job": done_job(2)}))
    done = ctl("get", "http://h/a", "http://h/b")
    assert done.rc == 1 and "1 done, 1 failed" in done.out


def test_events_of_other_jobs_are_no_concern(ctl, fake):
    script(fake, ("end", {"job": failed_job(98765)}), ("end", {"job": done_job(1)}))
    done = ctl("get", "http://h/a")
    assert done.rc == 0 and "98765" not in done.out


def test_lost_events_are_asked_for_again(ctl, fake):
    def subscribe(params, client):
        client.answer({"subscription": len(fake.of("subscribe")), "jobs": [
            brief(1) if len(fake.of("subscribe")) == 1 else done_job(1)]})
        if len(fake.of("subscribe")) == 1:
            client.event("lost", count=3)
    fake.on["subscribe"] = subscribe
    assert ctl("get", "http://h/a").rc == 0
    assert fake.of("unsubscribe") == [{"subscription": 1}]


def test_more_jobs_than_a_request_may_name(ctl, fake):
    """All are subscribed to, and a list tells of those that were over before."""
    urls = "".join("http://h/%d\n" % i for i in range(2500))

    def subscribe(params, client):
        assert "jobs" not in params
        client.answer({"subscription": 1})
        for number in range(1, 2501):
            state = "failed" if number == 1777 else "done"
            fake.jobs[number]["state"] = state
            if number > 1300:
                client.event("end", job=fake.jobs[number])
    fake.on["subscribe"] = subscribe
    done = ctl("get", "-i", "-", stdin=urls)
    assert done.rc == 1 and done.out.splitlines()[-1].startswith("2499 done, 1 failed"), done


def test_get_as_json(ctl, fake):
    events = [("start", {"job": brief(1, state="active")}), ("retry", {"job": brief(1, state="blocked"), "delay_ms": 10}),
              ("end", {"job": done_job(1)})]
    script(fake, *events)
    done = ctl("get", "--json", "http://h/a")
    assert done.rc == 0 and done.err == "", done
    assert done.lines[0] == {"jobs": [{"id": 1, "name": None}]}
    assert [line["event"] for line in done.lines[1:]] == ["start", "retry", "end"]


@pytest.mark.parametrize("job, event, text", [
    ({"code": "dns", "reason": "no such name"}, {}, "dns: no such name"),
    ({}, {"code": "dns", "reason": "no such name"}, "dns: no such name"),
    ({}, {}, "a try failed")])
def test_a_retry_is_told(ctl, fake, job, event, text):
    script(fake, ("retry", dict(event, job=brief(1, state="blocked", **job), delay_ms=1500)), ("end", {"job": done_job(1)}))
    assert "haulctl: file-1: %s; again in 1.5s\n" % text in ctl("get", "http://h/a").err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_get_detaches_and_says_so(ctl, fake, number):
    script(fake)
    process = ctl.start("get", "http://h/a")
    fake.wait_request("subscribe")
    wait_until(lambda: blocks(process.pid, number), why=lambda: "never watched for the signal")
    process.send_signal(number)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + number
    assert b"detached: job 1 goes on; `haulctl attach 1` shows it again" in err
    assert fake.of("cancel") == []


def blocks(pid, number):
    with open("/proc/%d/status" % pid) as f:
        mask = int(re.search(r"^SigBlk:\s*(\w+)", f.read(), re.M).group(1), 16)
    return bool(mask >> (number - 1) & 1)


def test_get_with_a_timeout(ctl, fake):
    script(fake)
    done = ctl("get", "--timeout", "200ms", "http://h/a", "http://h/b")
    assert done.rc == 4 and "jobs 1 2 go on" in done.err, done


def test_get_where_the_connection_ends(ctl, fake):
    script(fake, ("start", {"job": brief(1, state="active")}), lambda client: client.close())
    done = ctl("get", "http://h/a")
    assert done.rc == 5 and "closed the connection" in done.err, done


@pytest.mark.parametrize("code", ["write", "path-refused"])
def test_get_offers_what_the_user_can_do_alone(ctl, fake, code):
    script(fake, ("end", {"job": failed_job(1, code, "permission denied")}))
    done = ctl("get", "http://h/a?x=1&y=2", "-o", "/home/me/it's", "--retry", "0", "--no-clobber")
    assert done.rc == 1
    assert done.err.endswith("hauld --once --root /home/me --output '/home/me/it'\\''s' --retry 0 --no-clobber "
                             "'http://h/a?x=1&y=2'\n"), done


def test_get_of_an_output_outside_the_roots(ctl, fake):
    fake.on["add"] = refuse(-32602, "invalid-params", "x", errors=[
        {"index": 0, "text": 'output "/tmp/x" does not lie beneath the root /srv/haul'}])
    done = ctl("get", "http://h/a", "-o", "/tmp/x")
    assert done.rc == 2 and "hauld --once --root /tmp --output /tmp/x http://h/a" in done.err, done
    fake.on["add"] = refuse(-32602, "invalid-params", "x", errors=[{"index": 0, "text": "checksum is odd"}])
    assert "hauld --once" not in ctl("get", "http://h/a", "-o", "/tmp/x").err


def test_attach_without_jobs_watches_all_until_nothing_runs(ctl, fake):
    fake.add_job(state="active")

    def end(client):
        fake.jobs[1] = done_job(1)
        client.event("end", job=fake.jobs[1])
    fake.on["subscribe"] = lambda params, client: "jobs" in params or client.answer({"subscription": 1})
    status = fake.do_status

    def first_status(params, client):
        client.answer(status(params, client))
        client.event("progress", jobs=[brief(1, state="active")], totals=fake.counts())
        fake.on["status"] = status
        end(client)
    fake.on["status"] = first_status
    done = ctl("attach")
    assert done.rc == 0 and done.out.startswith("done "), done
    assert len(fake.of("status")) == 2


def test_attach_where_nothing_runs(ctl, fake):
    fake.add_job(state="paused")
    assert ctl("attach").rc == 0


def test_attach_to_a_job_that_is_not_there(ctl, fake):
    done = ctl("attach", "nobody")
    assert done.rc == 3 and "nobody" in done.err


def test_attach_by_name_asks_for_names(ctl, fake):
    fake.add_job(name="geoip", state="done")
    assert ctl("attach", "geoip", "1", "1").rc == 0
    assert fake.of("subscribe")[0]["jobs"] == ["geoip", 1, 1]


# ---- on a terminal

def test_a_terminal_shows_moving_lines(ctl, fake):
    def go_on(client):
        client.event("progress", jobs=[brief(1, state="active", phase="download", total=100 << 20, received=48 << 20,
                                             rate=4 << 20)], totals={})
    proceed = threading.Event()
    script(fake, ("start", {"job": brief(1, state="active", phase="connect")}), go_on,
           lambda client: proceed.wait(PATIENCE), ("end", {"job": done_job(1)}))
    terminal = Terminal(ctl, "get", "http://h/a")
    terminal.wait_text("48%")
    terminal.wait_text("4.0 MiB/s")
    proceed.set()
    assert terminal.finish() == 0
    assert fake.of("subscribe")[0]["progress_ms"] == 100
    assert "1 done, 5.0 MiB in" in terminal.text


def test_no_colour_and_no_progress(ctl, fake):
    script(fake, ("end", {"job": failed_job(1)}))
    terminal = Terminal(ctl, "get", "--no-progress", "http://h/a", env={"NO_COLOR": "1"})
    assert terminal.finish() == 1
    assert b"\x1b" not in terminal.bytes and "failed" in terminal.text
    terminal = Terminal(ctl, "list")
    assert terminal.finish() == 0 and b"\x1b[" in terminal.bytes


def test_nothing_but_a_terminal_gets_colours(ctl, fake):
    fake.add_job(state="failed")
    fake.on["config"] = lambda params, client: {"daemon": {"workers": 1}}
    for verb in (["list"], ["status"], ["show", "1"], ["config"], ["help"]):
        assert b"\x1b" not in ctl(*verb).out_bytes


NAMES = ["x" * 200, "\u30c7\u30fc\u30bf" * 30, "e\u0301" * 60, "a\u202eb"]


@pytest.mark.parametrize("columns", [40, 80, 160])
@pytest.mark.parametrize("name", NAMES, ids=["long", "wide", "marks", "bidi"])
def test_tables_fit_the_terminal(ctl, fake, columns, name):
    import unicodedata
    fake.add_job(output="/srv/haul/" + name, state="blocked", why="retry-at", retry_in_ms=5000, code="http-503",
                 reason="the server is busy, and says so at length")
    fake.add_job(output="/srv/haul/short", state="active", phase="download", total=5 << 30, received=1 << 30, rate=99 << 20)
    fake.on["status"] = lambda params, client: dict(STATUS, disks=[dict(STATUS["disks"][0], root="/" + name)])
    for verb in (["list"], ["status"], ["status", "1", "2"]):
        terminal = Terminal(ctl, *verb, columns=columns, env={"NO_COLOR": "1"})
        assert terminal.finish() == 0
        for line in terminal.text.splitlines():
            width = sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
                        for c in line)
            assert width <= columns, (width, line)


def test_tables_in_a_file_are_not_cut(ctl, fake):
    name = "/srv/haul/" + "x" * 300
    fake.add_job(output=name)
    assert name in ctl("list").out


HOSTILE = "x\x1b]0;pwned\x07\x1b[31m\u009b31m\ny\x7f"


def test_no_hostile_byte_reaches_the_terminal(ctl, fake):
    job = fake.add_job(name=HOSTILE, output=HOSTILE, url=HOSTILE, state="failed", code=HOSTILE, reason=HOSTILE, why=HOSTILE)
    full = dict(job, settings={"header": [HOSTILE], HOSTILE: HOSTILE}, last={"code": HOSTILE, "reason": HOSTILE},
                receipt={"proof": HOSTILE, "codec": HOSTILE, "digest": {HOSTILE: HOSTILE}})
    fake.on["show"] = lambda params, client: full
    fake.on["config"] = lambda params, client: {"file": HOSTILE, "daemon": {HOSTILE: HOSTILE}, "jobs": 1}
    fake.on["cancel"] = refuse(-32001, "no-such-job", HOSTILE, errors=[HOSTILE])
    fake.on["version"] = lambda params, client: {"version": HOSTILE, "build": HOSTILE, "libraries": HOSTILE}
    for args in (["list"], ["show", "1"], ["status", "1"], ["config"], ["cancel", "1"], ["version"], ["attach", "1"],
                 ["wait", "1"], ["resume", HOSTILE], [HOSTILE], ["--" + HOSTILE], ["add", HOSTILE], ["add", "-i", HOSTILE]):
        done = ctl(*args)
        assert not ESCAPES.search(done.out_bytes + done.err_bytes), done


def test_json_on_a_terminal_has_no_hostile_byte(ctl, fake):
    fake.add_job(name=HOSTILE.replace("\x7f", ""))
    terminal = Terminal(ctl, "list", "--json")
    assert terminal.finish() == 0
    assert not ESCAPES.search(terminal.bytes.replace(b"\r", b""))
    assert json.loads(terminal.text)["name"] == HOSTILE.replace("\x7f", "")


# ---- list, status, show

def test_list_pages_through_all(ctl, fake):
    for _ in range(2345):
        fake.add_job()
    done = ctl("list")
    assert len(done.out.splitlines()) == 2346
    assert [(p["after"], p["limit"]) for p in fake.of("list")] == [(0, 1000), (1000, 1000), (2000, 1000)]


def test_list_by_state_with_a_limit(ctl, fake):
    for state in ("active", "failed", "done", "failed", "active"):
        fake.add_job(state=state)
    done = ctl("list", "--state", "active,failed", "--limit", "3", "--json")
    assert [j["id"] for j in done.lines] == [1, 2, 4]
    assert fake.of("list")[0] == {"after": 0, "limit": 3, "state": ["active", "failed"]}


@pytest.mark.parametrize("sort, order", [("size", [2, 3, 1]), ("rate", [3, 1, 2]), ("name", [3, 2, 1]), ("state", [1, 2, 3]),
                                         ("id", [1, 2, 3])])
def test_list_sorted(ctl, fake, sort, order):
    fake.add_job(name="c", total=1, rate=5, state="active")
    fake.add_job(name="b", published=9, rate=0, state="done")
    fake.add_job(name="a", total=5, rate=7, state="queued")
    assert [j["id"] for j in ctl("list", "--sort", sort, "--json").lines] == order
    assert [int(line.split()[0]) for line in ctl("list", "--sort", sort, "--limit", "2").out.splitlines()[1:]] == order[:2]


def test_list_says_why(ctl, fake):
    fake.add_job(state="blocked", why="host-limit")
    fake.add_job(state="blocked", why="retry-at", retry_in_ms=12000, code="http-503", reason="busy")
    fake.add_job(**{k: v for k, v in failed_job(3).items() if k != "id"})
    text = ctl("list").out
    assert "host-limit" in text and "retry-at in 12s, http-503: busy" in text and "http-404: the server" in text


def test_an_empty_list_is_no_error(ctl, fake):
    done = ctl("list")
    assert done.rc == 0 and done.out == "" and "no jobs" in done.err
    done = ctl("list", "--json")
    assert done.rc == 0 and done.out == "" and done.err == ""


STATUS = {"state": "draining", "pid": 7, "version": "9.9", "uptime_s": 7384, "config": "/etc/hauld/hauld.conf",
          "jobs": {"active": 1, "queued": 12, "blocked": 3, "done": 40, "failed": 2}, "rate": 61000000, "received": 1 << 40,
          "waiting": {"host-limit": 12, "retry-at": 3}, "binding": "max-connections-per-host",
          "limits": [{"name": "max-concurrent-downloads", "used": 5, "limit": 16},
                     {"name": "max-connections-per-host", "used": 5, "limit": 5},
                     {"name": "max-overall-download-limit", "used": 5, "limit": 0}],
          "workers": {"running": 2, "limit": 2, "deaths": 1}, "disks": [
              {"root": "/srv/haul", "free": 5 << 30, "unflushed": 3 << 20, "limit": 64 << 20}],
          "loop": {"callbacks": 1000, "late": 3, "late_cpu": 0, "max_us": 9200, "max_name": "socket"}, "clients": 2}


def test_status_at_a_glance(ctl, fake):
    fake.add_job(name="geoip", state="active", phase="verify")
    fake.on["status"] = lambda params, client: STATUS
    text = ctl("status").out
    for part in ("draining", "up 2h03m", "1 active, 12 queued, 3 blocked, 40 done, 2 failed", "12 for host-limit, 3 for retry-at",
                 "binding   max-connections-per-host 5 of 5", "limit     max-concurrent-downloads 5 of 16", "1 died",
                 "5.0 GiB free", "3 of 1000 callbacks", "9.2 ms (socket)", "geoip", "verify"):
        assert part in text, (part, text)
    assert "max-overall-download-limit" not in text
    assert ctl("status", "--json").lines == [STATUS]
    limits = [{"name": "max-overall-download-limit", "used": 5 << 19, "limit": 2 << 20},
              {"name": "max-overall-decoder-memory", "used": 1 << 20, "limit": 1 << 30}]
    fake.on["status"] = lambda params, client: {**STATUS, "limits": limits, "binding": limits[0]["name"]}
    text = ctl("status").out # each in its own unit
    assert "binding   max-overall-download-limit 2.5 MiB/s of 2.0 MiB/s\n" in text, text
    assert "limit     max-overall-decoder-memory 1.0 MiB of 1.0 GiB\n" in text, text


def test_show_everything(ctl, fake):
    full = dict(done_job(1, name="geoip", origin="config", uid=None, unpacked=9 << 20, attempts=2),
                settings={"retry": 5, "limit-rate": 3 << 20, "every": "6h", "header": ["(secret)"], "checksum": [DIGEST, "md5:00"]}, last={"code": "dns", "reason": "odd"},
                receipt={"proof": "length", "codec": "zstd", "unchanged": False, "digest": {"sha256": "ab"}, "digest_output": {},
                         "times_ms": {"dns": 1, "connect": 2, "tls": 3, "first_byte": 4}})
    fake.on["show"] = lambda params, client: full
    text = ctl("show", "geoip").out
    for part in ("job 1", "geoip", "state       done", "/srv/haul/file-1", "published   5.0 MiB (5242880 bytes)", "unpacked    9.0 MiB",
                 "sha256:ab", "zstd", "proof       length", "first byte 4 ms", "attempts    2", "last try    dns: odd", "retry = 5",
                 "header = (secret)", "checksum = md5:00", "by the configuration", "2023-11-14 22:13:20 UTC"):
        assert part in text, (part, text)
    assert "limit-rate = 3M\n" in text and "every = 6h\n" in text
    assert "2023-11-14 23:13:20 CET" in ctl("show", "geoip", env={"TZ": "Europe/Berlin"}).out
    assert fake.of("show") == [{"job": "geoip"}] * 2
    assert ctl("show", "--json", "1").lines == [full]


def test_a_number_is_an_id_and_other_words_are_names(ctl, fake):
    fake.add_job(name="geoip")
    assert ctl("status", "1", "geoip").rc == 0
    assert fake.of("show") == [{"job": 1}, {"job": "geoip"}]
    assert ctl("show", "2").rc == 3


# ---- wait and the others

def test_wait(ctl, fake):
    fake.jobs = {1: done_job(1), 2: done_job(2)}
    done = ctl("wait", "2", "1")
    assert done.rc == 0 and [line.split()[1] for line in done.out.splitlines()] == ["/srv/haul/file-2", "/srv/haul/file-1"]
    assert fake.of("wait") == [{"jobs": [2, 1]}]
    fake.jobs[2] = failed_job(2)
    assert ctl("wait", "1", "2", "--json").rc == 1
    fake.jobs[2] = brief(2, state="cancelled")
    assert ctl("wait", "1", "2").rc == 8


def test_wait_with_a_timeout(ctl, fake):
    fake.on["wait"] = refuse(-32005, "timed-out", "the time is over")
    done = ctl("wait", "--timeout", "1m30s", "7")
    assert done.rc == 4 and done.err == "haulctl: job 7 is not over after 90s; it goes on\n"
    assert fake.of("wait") == [{"jobs": [7], "timeout_ms": 90000}]


def test_wait_for_more_jobs_than_a_request_may_name(ctl, fake):
    fake.jobs = {i: done_job(i) for i in range(1, 2501)}
    held = []

    def wait(params, client):
        held.append((client.id, fake.do_wait(params, client)))
        if len(held) == 3: # none waits for another
            for number, answer in reversed(held):
                client.answer(answer, number)
    fake.on["wait"] = wait
    done = ctl("wait", "--json", *map(str, range(1, 2501)))
    assert done.rc == 0 and [j["id"] for j in done.lines] == list(range(1, 2501))


@pytest.mark.parametrize("verb, state", [("cancel", "cancelled"), ("pause", "paused"), ("resume", "queued"), ("retry", "queued")])
def test_verbs_about_jobs(ctl, fake, verb, state):
    fake.on[verb] = lambda params, client: {"jobs": [brief(1, name="geoip", state=state)]}
    assert ctl(verb, "geoip").out == "1  geoip  %s\n" % state
    assert ctl(verb, "--json", "geoip").lines == [{"jobs": [brief(1, name="geoip", state=state)]}]
    assert fake.of(verb)[0] == {"jobs": ["geoip"]}


def test_remove(ctl, fake):
    fake.on["remove"] = lambda params, client: {"removed": len(params["jobs"])}
    assert ctl("remove", *map(str, range(1500))).out == "1500 removed\n"
    assert [len(p["jobs"]) for p in fake.of("remove")] == [1000, 500]
    fake.on["remove"] = refuse(-32002, "conflict", "job 1 is not over: cancel it first")
    assert ctl("remove", "1").rc == 7


def test_hosts(ctl, fake):
    def row(origin, **more):
        return {"origin": origin, "host": origin.split("/")[2].split(":")[0], "connections": 2, "limit": 5, "running": 1,
                "queued": 7, "breaker": "closed", "failures": 0, "cause": None, "probe_in_ms": 0, **more}
    answer = {"hosts": [row("https://b.example:443", breaker="open", failures=6, cause="connect: cannot connect\x1b[2J",
                            probe_in_ms=12000, queued=3),
                        row("https://c.example:443", breaker="half-open", failures=9, cause="dns: x"), row("http://a.example:80")],
              "total": 3, "network_down": False, "network_probe_in_ms": 0}
    fake.on["hosts"] = lambda params, client: answer
    lines = ctl("hosts").out.splitlines()
    assert [line.split()[0] for line in lines] == ["ORIGIN", "http://a.example:80", "https://b.example:443", "https://c.example:443"]
    assert lines[1].split()[1:] == ["2", "of", "5", "7", "closed"]
    assert "open, probe in 12s" in lines[2] and "connect: cannot connect" in lines[2] and "\x1b" not in lines[2]
    assert "half-open" in lines[3]
    assert ctl("hosts", "--json").lines == [answer]
    answer.update(total=1700, network_down=True, network_probe_in_ms=3000)
    text = ctl("hosts").out
    assert text.startswith("the network is down, the next job tries it in 3.0s\n") and text.endswith("and 1697 more\n")
    answer.update(hosts=[], total=0, network_down=False)
    done = ctl("hosts")
    assert done.out == "" and "no job is at a host" in done.err


def test_workers(ctl, fake):
    fake.on["workers"] = lambda params, client: {"workers": [{"number": 1, "pid": 99, "tasks": 3, "heavy": 1, "uptime_s": 61}],
                                                 "limit": 2, "deaths": 4}
    text = ctl("workers").out
    assert text.splitlines()[1].split() == ["1", "99", "3", "1", "1m01s"] and "1 running of at most 2, 4 have died" in text


def test_config_is_in_the_syntax_of_the_configuration(ctl, fake):
    fake.on["config"] = lambda params, client: {
        "file": "/etc/hauld/hauld.conf", "loaded": 1700000000, "daemon": {"roots": ["/srv/haul"], "workers": 2, "min-free": 256 << 20,
                                                                                      "dirty-limit": (1 << 40) + 1},
        "defaults": {"retry": 5, "no-clobber": False}, "hosts": [{"match": "*.example.org"}], "groups": [], "jobs": 3}
    assert ctl("config").out == (
        '# /etc/hauld/hauld.conf, read at 2023-11-14 22:13:20 UTC; jobs of it: 3\n'
        'daemon = {\n  roots = [ "/srv/haul" ];\n  workers = 2;\n  min-free = "256M";\n  dirty-limit = 1099511627777L;\n};\n'
        'defaults = {\n  retry = 5;\n  no-clobber = false;\n};\n'
        'hosts = ({\n  match = "*.example.org";\n});\n')


@pytest.mark.parametrize("verb", ["check", "reload"])
def test_errors_of_the_configuration(ctl, fake, verb):
    fake.on[verb] = refuse(-32007, "configuration", "the configuration has 2 errors", errors=["a.conf:3: x", "a.conf:4: y"])
    done = ctl(verb)
    assert done.rc == 1 and done.out == ""
    assert done.err == "a.conf:3: x\na.conf:4: y\nhaulctl: the configuration has 2 errors\n"


def test_check_and_reload(ctl, fake):
    fake.on["check"] = lambda params, client: {"ok": True}
    fake.on["reload"] = lambda params, client: {"added": 1, "changed": 0, "retired": 2, "unchanged": 5, "restart": ["roots", "workers"]}
    assert ctl("check").rc == 0
    done = ctl("reload")
    assert done.rc == 0 and done.out == "added 1, changed 0, retired 2, unchanged 5\n"
    assert "restart of hauld: roots, workers" in done.err
    assert ctl("reload", "--json").lines[0]["retired"] == 2


def test_drain_and_shutdown(ctl, fake):
    fake.on["drain"] = fake.on["shutdown"] = lambda params, client: {}
    assert ctl("drain").rc == 0 and ctl("shutdown").rc == 0
    assert [r["method"] for r in fake.requests] == ["drain", "shutdown"]


def test_version(ctl, fake):
    fake.on["version"] = lambda params, client: {"version": "9.9", "build": "b1", "protocol": 1, "libraries": "libcurl 8", "pid": 4}
    text = ctl("version").out
    assert text.startswith("haulctl ") and "hauld 9.9 (build b1, pid 4, protocol 1)\nlibcurl 8\n" in text


def test_version_without_hauld(ctl):
    done = ctl("version")
    assert done.rc == 5 and done.out.startswith("haulctl ")


def test_a_full_disk_is_told(ctl, fake):
    fake.add_job()
    with open("/dev/full", "w") as full:
        process = ctl.start("list", stdout=full)
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1 and b"takes no more" in err


# ---- what a number of a job in its request means to nobody

@pytest.mark.parametrize("args, told", [
    (["-i", "l"], "l:3: after \"x\" names no job\nhaulctl: 0 of 2 jobs were added\n"),
    (["http://h/a", "http://h/b"], "haulctl: after \"x\" names no job\nhaulctl: 0 of 2 jobs were added\n"),
])
def test_an_error_about_one_job_of_a_request_is_told_with_its_line(ctl, fake, args, told):
    ctl.write("l", "# a list\nhttp://h/a\nhttp://h/b\n after=x\n")
    fake.on["add"] = refuse(-32001, "no-such-job", 'jobs[1]: after "x" names no job')
    done = ctl("add", *args)
    assert done.rc == 3 and done.out == "" and done.err == told, done


def test_show_says_that_an_earlier_life_brought_the_beginning(ctl, fake):
    source = {"url": "http://h/x", "from": 1000, "to": 3000, "status": 206, "http": "1.1", "address": "127.0.0.1:80", "time": 1700000000}
    fake.on["show"] = lambda params, client: dict(done_job(1), sources=[source], sources_lost=0)
    assert "sources     an earlier life of hauld brought bytes 0 to 1000\nsource      http://h/x\n" in ctl("show", "1").out
    fake.on["show"] = lambda params, client: dict(done_job(1), sources=[dict(source, **{"from": 0})], sources_lost=0)
    assert "earlier" not in ctl("show", "1").out


# ---- groups, events and the log as text

def group_row(name, **more):
    return {"name": name, "parent": None, "state": "idle", "running": 0, "max_concurrent": 0, "limit_rate": 0, "on_failure": "continue",
            "deadline_ms": 0, "deadline_in_ms": None, "live": 0, "jobs": {"done": 0, "failed": 0, "cancelled": 0}, **more}


@pytest.mark.parametrize("more, title, cell", [({"limit_rate": 3 << 20}, "LIMIT", "3.0 MiB/s"), ({"deadline": "2h", "deadline_ms": 7200000}, "DEADLINE", "2h00m"),
                                               ({"parent": "all"}, "PARENT", "all")])
def test_groups_have_columns_for_what_one_of_them_has(ctl, fake, more, title, cell):
    fake.on["group"] = lambda params, client: {"groups": [group_row("a"), group_row("b")], "more": False, "all_paused": False}
    plain = ctl("group").out
    assert plain.split()[:3] == ["GROUP", "STATE", "RUNNING"] and title not in plain
    fake.on["group"] = lambda params, client: {"groups": [group_row("a"), group_row("b", **more)], "more": False, "all_paused": False}
    head, first, second = ctl("group").out.splitlines()
    assert title in head and cell in second and cell not in first and len(head) <= 80


@pytest.mark.parametrize("verb, columns", [("events", 80), ("log", 80), ("events", 40)])
def test_long_events_and_lines_go_on_below_where_they_began(ctl, fake, verb, columns):
    words = " ".join("word%02d" % i for i in range(40))
    fake.on["events"] = fake.on["log"] = lambda params, client: {
        "instance": "x", "next": 2, "lost": 0, "more": False,
        "events": [{"number": 1, "time": 1700000000.5, "what": "daemon", "text": words, "level": "info" if verb == "log" else ""}],
        "lines": [{"number": 1, "time": 1700000000.5, "level": "info", "text": words}]}
    assert len(ctl(verb).out.splitlines()) == 1 and ctl(verb).out.endswith(words + "\n")
    terminal = Terminal(ctl, verb, columns=columns, env={"NO_COLOR": "1"})
    assert terminal.finish() == 0
    lines = terminal.text.splitlines()
    assert len(lines) > 3 and max(map(len, lines)) < columns and words in " ".join(" ".join(lines).split())
    at = lines[0].index("daemon" if verb == "events" else "word00") if columns == 80 else 4
    assert all(line.startswith(" " * at + "word") for line in lines[1 if columns == 80 else 2:]), lines


# ---- completions

def complete_in_bash(ctl, *words):
    """What bash would offer for the last word."""
    script_path = ctl.write("completions", ctl("completions", "bash").out)
    code = ('. %s; COMP_WORDS=(haulctl "$@"); COMP_CWORD=$(($# )); _haulctl; printf "%%s\\n" "${COMPREPLY[@]}"' % script_path)
    env = ctl.environment(PATH=os.path.dirname(program("haulctl")) + ":" + os.environ["PATH"])
    done = subprocess.run(["bash", "-c", code, "bash", *words], env=env, capture_output=True, text=True, timeout=PATIENCE)
    assert done.stderr == "", done.stderr
    return done.stdout.splitlines()


def test_completions_of_bash(ctl, fake):
    fake.add_job(name="geoip")
    assert complete_in_bash(ctl, "re") == ["resume", "remove", "retry", "reload"]
    assert complete_in_bash(ctl, "list", "--st") == ["--state"]
    assert "--checksum" in complete_in_bash(ctl, "add", "--") and "--state" not in complete_in_bash(ctl, "add", "--")
    assert complete_in_bash(ctl, "add", "--decompress", "g") == ["gzip"]
    assert complete_in_bash(ctl, "cancel", "") == ["1", "geoip"]
    assert complete_in_bash(ctl, "help", "wor") == ["workers"]
    path = ctl.write("some list", "")
    assert complete_in_bash(ctl, "add", "-i", ctl.tmp + "/some") == [path]
    assert complete_in_bash(ctl, "verify", ctl.tmp + "/some") == complete_in_bash(ctl, "import", "wget", ctl.tmp + "/some") == [path]


@pytest.mark.parametrize("words, offered", [
    (["hosts", "--sort", ""], ["host", "connections", "queued", "failures"]), (["top", "--sort", "p"], ["priority"]),
    (["list", "--sort", "e"], ["ended"]), (["log", "--level", "n"], ["notice"]), (["export", "--format", "c"], ["conf"]),
    (["list", "--state", "failed,d"], ["failed,done"]), (["wait", "--return-when", "first-c"], ["first-completed"]),
    (["group", ""], ["nightly", "slow"]), (["add", "--group", "n"], ["nightly"]), (["pause", "--group", "s"], ["slow"]),
    (["add", "--after", "g"], ["geoip"]), (["import", "w"], ["wget"]),
])
def test_bash_completes_values(ctl, fake, words, offered):
    fake.add_job(name="geoip")
    fake.on["group"] = lambda _params, _client: {"groups": [{"name": "nightly", "parent": None}, {"name": "slow", "parent": "nightly"}],
                                                 "more": False, "all_paused": False}
    assert complete_in_bash(ctl, *words) == offered


@pytest.mark.parametrize("shell, check", [("zsh", ["zsh", "-n"]), ("fish", ["fish", "--no-execute"])])
def test_completions_are_valid(ctl, shell, check):
    done = ctl("completions", shell)
    assert done.rc == 0 and "haulctl" in done.out and "--private-key" in done.out or "-l private-key" in done.out
    path = ctl.write("completions", done.out)
    try:
        assert subprocess.run([*check, path], capture_output=True, timeout=PATIENCE).returncode == 0
    except FileNotFoundError:
        pytest.skip(shell + " is not installed")


@pytest.mark.slow
def test_200000_lines_in_one_command(ctl, fake):
    count = [0]

    def add(params, _client):
        first = count[0]
        count[0] += len(params["jobs"])
        return {"jobs": [{"id": i + 1, "name": None} for i in range(first, count[0])]}
    fake.on["add"] = add
    path = ctl.write("l", "".join("http://h/%d\n  out=d/%d\n" % (i, i) for i in range(200000)))
    since = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = ctl("add", "-i", path)
    assert done.rc == 0 and len(done.out.splitlines()) == 200000
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert used.ru_utime + used.ru_stime - since.ru_utime - since.ru_stime < 20 # of CPU
