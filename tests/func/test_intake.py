"""hauld-conf --intake, the real binary, spoken to in raw frames: what hauld says
to it and what hauld must never say."""

import os
import pty
import resource
import struct
import subprocess

import pytest
from service import sanitized

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.path.join(os.environ.get("HAUL_BUILD_DIR", ROOT), "hauld-conf")
HELLO, DAEMON, DEFAULTS, HOST, GROUP, JOB, ERROR, END, CONTEXT, CHECK, REFUSED = range(300, 311)
DAEMON_ROOTS, GROUP_NAME, JOB_NAME, JOB_URL, JOB_OUTPUT, JOB_RETRY = 3, 60, 80, 81, 82, 107
TEXT, NUMBER, BOOL, FRACTION, LIST, OTHER = range(1, 7)


def frame(kind, payload=b"", number=0, version=1, flags=0):
    return struct.pack("<IHBBQ", len(payload), kind, version, flags, number) + payload


def message(kind, payload, number=0):
    """In as many frames as it takes."""
    parts = [payload[at : at + 16368] for at in range(0, len(payload), 16368)] or [b""]
    return b"".join(frame(kind, part, number, flags=part is not parts[-1]) for part in parts)


def text(data):
    return struct.pack("<H", len(data)) + data


def spec_text(setting, data):
    return bytes([setting]) + text(data) + b"\0"


def string(data):
    return struct.pack("<I", len(data)) + data + b"\0"


def pair(key, value):
    if isinstance(value, bool):
        return string(key) + bytes([BOOL, value])
    if isinstance(value, int):
        return string(key) + bytes([NUMBER]) + struct.pack("<q", value)
    return string(key) + bytes([TEXT]) + string(value)


def check(number, *pairs):
    return message(CHECK, b"".join(pair(*p) for p in pairs), number)


def context(root=b"/srv/haul", defaults=b""):
    return (frame(DAEMON, spec_text(DAEMON_ROOTS, root)) + frame(DEFAULTS, defaults) + frame(CONTEXT))


class Intake:
    def __init__(self):
        # A sanitizer is not to keep freed memory: its growth is looked at.
        asan = os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=0:thread_local_quarantine_size_kb=0"
        self.process = subprocess.Popen([PROGRAM, "--intake"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        env=dict(os.environ, ASAN_OPTIONS=asan))
        kind, _, build = self.read()
        assert kind == HELLO
        self.hello = frame(HELLO, build)

    def say(self, *data):
        self.process.stdin.write(b"".join(data))
        self.process.stdin.flush()

    def read(self):
        """(type, id, payload) of the next message; None at the end."""
        payload, flags = b"", 1
        while flags:
            head = self.process.stdout.read(16)
            if not head:
                return None
            length, kind, _, flags, number = struct.unpack("<IHBBQ", head)
            payload += self.process.stdout.read(length)
        return kind, number, payload

    def end(self):
        """Exit status and what it said last, after the end of what it is told."""
        out, errors = self.process.communicate(timeout=60)
        return self.process.returncode, out, errors.decode()


@pytest.fixture
def intake():
    child = Intake()
    yield child
    child.process.kill()
    child.process.communicate()


def test_a_job_is_answered_under_its_id(intake):
    intake.say(intake.hello, context(), check(7, (b"url", b"http://h/f"), (b"retry", 3)))
    assert intake.read() == (JOB, 7, spec_text(JOB_URL, b"http://h/f") +
                             spec_text(JOB_OUTPUT, b"/srv/haul/f") + struct.pack("<BQ", JOB_RETRY, 3))
    intake.say(check(2**64 - 1, (b"url", b"x"), (b"retry", -3)))
    assert [intake.read() for _ in range(3)] == [
        (ERROR, 2**64 - 1, text(b"url is no url: it does not begin with a scheme and ://")),
        (ERROR, 2**64 - 1, text(b"retry must not be negative")),
        (REFUSED, 2**64 - 1, b"")]
    assert intake.end() == (0, b"", "")


def test_its_memory_is_bounded_and_never_dumped(intake):
    """Of a sanitized one the memory is not: the shadow of it is larger."""
    pid, bound = intake.process.pid, 1 << 30
    assert resource.prlimit(pid, resource.RLIMIT_CORE) == (0, 0)
    assert sanitized() or max(resource.prlimit(pid, resource.RLIMIT_AS)) == bound


def test_requests_may_come_in_any_pieces(intake):
    data = intake.hello + context() + check(1, (b"url", b"http://h/f")) + check(2, (b"url", b"no"))
    for at in range(len(data)):
        intake.say(data[at : at + 1])
    assert [intake.read()[:2] for _ in range(3)] == [(JOB, 1), (ERROR, 2), (REFUSED, 2)]


def test_a_context_comes_again_and_replaces_the_first(intake):
    job = (b"url", b"http://h/f"), (b"output", b"/srv/haul/f")
    intake.say(intake.hello, context(), check(1, *job), context(b"/data"), check(2, *job), context(b"/srv"), check(3, *job))
    assert b"/srv/haul/f\0" in intake.read()[2]
    assert intake.read() == (ERROR, 2, text(b'output "/srv/haul/f" does not lie beneath the root /data'))
    assert intake.read()[0] == REFUSED
    assert b"/srv/haul/f\0" in intake.read()[2]


def test_whether_there_is_such_a_group_is_for_hauld_to_say(intake):
    intake.say(intake.hello, context(), check(1, (b"url", b"http://h/f"), (b"group", b"nightly")),
               check(2, (b"url", b"http://h/f"), (b"group", b"a b")))
    assert b"nightly\0" in intake.read()[2]
    assert intake.read() == (ERROR, 2, text(b"group may hold letters, digits, . _ and - only"))


def test_a_context_counts_when_it_is_whole(intake):
    parts = frame(DAEMON, spec_text(DAEMON_ROOTS, b"/data")) + frame(DEFAULTS)
    intake.say(intake.hello, context(), parts, check(1, (b"url", b"http://h/f")), frame(CONTEXT),
               check(2, (b"url", b"http://h/f")))
    assert b"/srv/haul/f\0" in intake.read()[2]
    assert b"/data/f\0" in intake.read()[2]


def test_defaults_of_the_context_count_in_the_checks(intake):
    allow_file = struct.pack("<BQ", 113, 1)
    intake.say(intake.hello, context(defaults=allow_file), check(1, (b"url", b"file:///etc/hostname")))
    assert intake.read()[0] == JOB


def test_files_that_a_client_names_are_not_read(intake, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"Authorization: hidden")
    secret.chmod(0o600)
    os.mkfifo(tmp_path / "fifo")
    name = str(secret).encode()
    for number, pairs in enumerate([[(b"header", b"@" + name)], [(b"user", b"@" + name)],
                                    [(b"cacert", bytes(tmp_path / "fifo"))], [(b"cacert", b"secret")],
                                    [(b"output", b"x"), (b"url", b"@" + name)]]):
        intake.say(intake.hello if number == 0 else b"", context(),
                   check(number, (b"url", b"http://h/f"), *pairs))
        kind, _, payload = intake.read()
        assert kind == ERROR and b"hidden" not in payload
        assert intake.read() == (REFUSED, number, b"")
    intake.say(check(9, (b"url", b"http://h/f"), (b"cacert", name)))
    kind, _, payload = intake.read()
    assert kind == JOB and name in payload and b"hidden" not in payload


def resident(pid):
    with open("/proc/%d/status" % pid, encoding="ascii") as status:
        return int(next(line for line in status if line.startswith("VmRSS:")).split()[1])


def test_memory_does_not_grow_and_cpu_has_no_limit(intake):
    """Names, outputs, errors and contexts, each one new."""
    def ask(first, n):
        for at in range(first, first + n, 500):
            intake.say(context(b"/root%d" % at), *[check(i, (b"name", b"job%d" % i), (b"url", b"http://h/%d" % i),
                                                         *([(b"key%d" % i, 1)] if i % 2 else [])) for i in range(at, at + 500)])
            for i in range(at, at + 500):
                assert intake.read()[1] == i
                if i % 2:
                    assert intake.read() == (REFUSED, i, b"")

    intake.say(intake.hello)
    ask(0, 20000)
    before = resident(intake.process.pid)
    ask(20000, 100000)
    # Of the smallest piece of memory each 3,125 KiB would have been kept.  A sanitizer's tables grow by steps.
    assert resident(intake.process.pid) < before + 1024  # KiB
    with open("/proc/%d/limits" % intake.process.pid, encoding="ascii") as limits:
        line = next(line for line in limits if line.startswith("Max cpu time"))
    assert line.split()[3:5] == ["unlimited", "unlimited"]


ODD = {
    "a name of odd bytes": (b"name", b"\xff\xfe"),
    "nothing": (b"", b""),
    "an odd key": (b"\xff" * 255, b"\x1b[31m"),
    "an odd name": (b"name", b"\x1b" * 1000),
    "a format": (b"output", b"%s%n" * 100),
    "a long value": (b"checksum", b":" * 60000),
    "a longer one": (b"url", b"a" * 500000),
}


@pytest.mark.parametrize("what", ODD)
def test_odd_bytes_of_a_client_are_an_error_that_is_safe_to_show(intake, what):
    name, value = ODD[what]
    intake.say(intake.hello, context(), check(1, (name, value)))
    kind, number, payload = intake.read()
    while kind == ERROR:
        assert number == 1 and all(c >= 0x20 for c in payload[2:])
        kind, number, payload = intake.read()
    assert kind == REFUSED


def good(build, *rest):
    return build + context() + b"".join(rest)


NONSENSE = {
    "another build": lambda hello: frame(HELLO, text(b"0.0.1-0123456789abcdef")) + context(),
    "no hello": lambda hello: context(),
    "a job before a context": lambda hello: hello + check(1, (b"url", b"http://h/f")),
    "a context without roots": lambda hello: hello + frame(DAEMON) + frame(DEFAULTS) + frame(CONTEXT),
    "a context without defaults": lambda hello: hello + frame(DAEMON, spec_text(DAEMON_ROOTS, b"/a")) + frame(CONTEXT),
    "an empty context": lambda hello: good(hello, frame(CONTEXT)),
    "roots twice": lambda hello: good(hello, frame(DAEMON, spec_text(DAEMON_ROOTS, b"/a")) * 2),
    "too many roots": lambda hello: good(hello, frame(DAEMON, spec_text(DAEMON_ROOTS, b"/a") * 17)),
    "defaults twice": lambda hello: good(hello, frame(DEFAULTS) * 2),
    "a group": lambda hello: good(hello, frame(GROUP, spec_text(GROUP_NAME, b"g"))),
    "a spec of another scope": lambda hello: good(hello, frame(DAEMON, spec_text(JOB_NAME, b"a"))),
    "a context with something in it": lambda hello: good(hello, frame(DAEMON, spec_text(DAEMON_ROOTS, b"/a")),
                                                         frame(DEFAULTS), frame(CONTEXT, b"x")),
    "what only it says": lambda hello: good(hello, frame(JOB)),
    "an unknown type": lambda hello: good(hello, frame(999)),
    "another version": lambda hello: good(hello, frame(CONTEXT, version=2)),
    "a pair that is cut": lambda hello: good(hello, frame(CHECK, pair(b"url", b"http://h/f")[:-1])),
    "a NUL in a value": lambda hello: good(hello, check(1, (b"url", b"http://h/f\0"))),
    "an unknown kind": lambda hello: good(hello, frame(CHECK, string(b"url") + b"\x07")),
    "too many pairs": lambda hello: good(hello, message(CHECK, (string(b"") + bytes([OTHER])) * 16385)),
    "too large a job": lambda hello: good(hello, check(1, (b"url", b"a" * (512 * 1024)))),
    "a frame longer than frames are": lambda hello: good(hello, struct.pack("<IHBBQ", 1 << 30, CHECK, 1, 0, 1)),
    "no frames at all": lambda hello: b"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
}


@pytest.mark.parametrize("name", NONSENSE)
def test_nonsense_ends_it_with_a_sentence(intake, name):
    intake.say(NONSENSE[name](intake.hello))
    status, _, errors = intake.end()
    assert status == 1
    assert errors == "hauld-conf: the request makes no sense (is hauld of another build?)\n"


def test_the_end_of_file_is_its_end(intake):
    assert intake.end() == (0, b"", "")


def test_the_end_of_file_within_a_request_is_its_end_too(intake):
    intake.say(intake.hello, context(), check(1, (b"url", b"http://h/f"))[:-3])
    assert intake.end() == (0, b"", "")


def test_it_ends_when_no_one_takes_its_answers(intake):
    intake.process.stdout.close()
    intake.say(intake.hello, context(), check(1, (b"url", b"http://h/f")))
    assert intake.process.wait(timeout=60) == 1
    assert intake.process.stderr.read() == b""


def test_it_is_not_for_people():
    done = subprocess.run([PROGRAM, "--intake", "http://h/f"], capture_output=True, timeout=60,
                          stdin=subprocess.DEVNULL)
    assert done.returncode == 2 and done.stderr == b"hauld-conf: --intake takes no other argument\n"
    master, slave = pty.openpty()
    done = subprocess.run([PROGRAM, "--intake"], stdin=slave, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, timeout=60)
    os.close(slave)
    os.close(master)
    assert done.returncode == 2 and b"is for hauld" in done.stderr
