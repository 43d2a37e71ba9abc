"""hauld-conf, the real binary: -t, exit statuses, frames, hostile files, large
configurations, input lists."""

import os
import pty
import resource
import struct
import subprocess

import pytest
from service import sanitized
from waiting import PATIENCE

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.path.join(os.environ.get("HAUL_BUILD_DIR", ROOT), "hauld-conf")
HELLO, DAEMON, DEFAULTS, HOST, GROUP, JOB, ERROR, END = range(300, 308)
SHA = "a" * 64


def run(*args, **kw):
    kw.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.run([PROGRAM, *args], capture_output=True, timeout=5 * PATIENCE, **kw)


def cpu_of_children():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def check(*args, **kw):
    """-t: exit status, stdout, lines of stderr."""
    done = run("-t", *args, **kw)
    return done.returncode, done.stdout.decode(), done.stderr.decode().splitlines()


def messages(data):
    """The messages of a stream of frames: (type, payload)."""
    at, found, parts = 0, [], []
    while at < len(data):
        length, kind, version, flags, _ = struct.unpack_from("<IHBBQ", data, at)
        assert length <= 16368 and version == 1 and flags in (0, 1)
        parts.append(data[at + 16 : at + 16 + length])
        at += 16 + length
        if not flags:
            found.append((kind, b"".join(parts)))
            parts = []
    assert at == len(data) and not parts
    return found


def end_of(data):
    kind, payload = messages(data)[-1]
    assert kind == END
    return struct.unpack("<QQ", payload)


@pytest.fixture
def conf(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(text, name="t.conf"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(0o600)
        return name

    return write


def test_a_good_configuration_is_counted(conf):
    name = conf('jobs = ( { url = "http://h/f"; }, { url = "http://h/g"; } );')
    assert check("-c", name) == (0, "t.conf: 2 jobs, no errors\n", [])
    name = conf('jobs = ( { url = "http://h/f"; } );')
    assert check("-c", name) == (0, "t.conf: 1 job, no errors\n", [])


def test_errors_come_with_places_and_a_count(conf):
    name = conf('jobs = (\n { url = "http://h/f"; retries = 1; },\n { output = "x"; }\n);')
    assert check("-c", name) == (78, "", [
        't.conf:2: unknown key "retries" in jobs[0]: did you mean "retry"?',
        "t.conf:3: jobs[1]: a job needs a url",
        "hauld-conf: 2 errors in t.conf",
    ])


def test_frames_are_in_order(conf):
    name = conf('daemon = { }; hosts = ( { match = "h"; } ); groups = ( { name = "g"; } );'
                ' jobs = ( { url = "http://h/f"; } );')
    done = run("-c", name)
    assert done.returncode == 0 and done.stderr == b""
    assert [kind for kind, _ in messages(done.stdout)] == [HELLO, DAEMON, DEFAULTS, HOST, GROUP, JOB, END]
    assert end_of(done.stdout) == (1, 0)


def test_errors_leave_as_frames(conf):
    done = run("-c", conf("jobs = ( { } );"))
    assert done.returncode == 78 and done.stderr == b""
    kind, payload = messages(done.stdout)[-2]
    assert kind == ERROR and payload[2:] == b"t.conf:1: jobs[0]: a job needs a url"
    assert end_of(done.stdout) == (1, 1)


def test_usage_errors_exit_2():
    for args in (["--nonsense"], ["-c"], ["-c", "x", "--no-config"]):
        done = run(*args)
        assert done.returncode == 2 and done.stdout == b""
        assert done.stderr.startswith(b"hauld-conf: ") and done.stderr.count(b"\n") == 1


def test_a_bad_url_argument_exits_2(conf):
    code, _, lines = check("--no-config", "nonsense")
    assert code == 2 and lines[0].startswith("command line: url is no url")


def test_help_and_version():
    for option in ("--help", "--version"):
        done = run(option)
        assert done.returncode == 0 and done.stdout and not done.stderr


def test_on_a_terminal_it_says_what_it_is():
    master, slave = pty.openpty()
    done = subprocess.run([PROGRAM, "--no-config", "http://h/f"], stdin=subprocess.DEVNULL, stdout=slave,
                          stderr=subprocess.PIPE, timeout=PATIENCE)
    os.close(slave)
    os.close(master)
    assert done.returncode == 2 and b"hauld-conf -t" in done.stderr


def test_the_example_configuration_has_no_errors():
    code, out, lines = check("-c", os.path.join(ROOT, "etc", "hauld.conf"))
    assert (code, lines) == (0, [])
    assert out.endswith(": 0 jobs, no errors\n")


def test_the_example_with_its_comments_taken_off_has_no_syntax_error(conf):
    text = open(os.path.join(ROOT, "etc", "hauld.conf"), encoding="utf-8").read()
    lines = []
    for line in text.splitlines():
        bare = line.strip()
        example = line.startswith("  #") and (" = " in bare or bare in ("# );", "#"))
        lines.append(bare[1:] if example else line)
    conf("me:pw\n", "image.password")
    text = "\n".join(lines).replace("sha256:...", "sha256:" + SHA)
    assert check("-c", conf(text)) == (0, "t.conf: 2 jobs, no errors\n", [])


@pytest.mark.parametrize("target, why", [
    (".", "it is a directory"),
    ("fifo", "it is not a regular file"),
    ("/dev/zero", "it is not a regular file"),
    ("missing", "No such file or directory"),
])
def test_hostile_files_are_refused_at_once(conf, target, why):
    os.mkfifo("fifo", 0o600)
    begun = cpu_of_children()
    code, _, lines = check("-c", target)
    assert code == 78 and lines[0] == "%s: cannot be read: %s" % (target, why)
    code, _, lines = check("-c", conf('\n@include "%s"\n' % target))
    assert code == 78 and lines[0].startswith("t.conf:2: @include ") and why in lines[0]
    assert cpu_of_children() - begun < 5


def test_a_name_with_control_characters_is_escaped(conf):
    code, _, lines = check("-c", "a\n\x1b[31mb")
    assert code == 78 and lines[0] == "a\\x0a\\x1b[31mb: cannot be read: No such file or directory"


def test_files_that_include_themselves_end(conf):
    code, _, lines = check("-c", conf('@include "t.conf"\n@include "t.conf"\n'))
    assert code == 78 and "more than 10 deep" in lines[0]


def test_a_sparse_giant_is_refused(conf):
    name = conf("")
    os.truncate(name, 1 << 40)
    assert check("-c", name)[2][0] == "t.conf: cannot be read: the configuration is larger than 64 MiB"


def test_a_tree_too_large_for_memory_is_refused(conf):
    name = conf("x = ( %s1 );" % ("1," * 25_000_000))
    code, _, lines = check("-c", name)
    assert code == 78 and "more values than hauld-conf has memory for" in lines[0]


def test_quadratic_input_ends_after_ten_seconds_of_cpu(conf):
    """libconfig looks every new key up among those before it."""
    name = conf("".join("k%d=1;" % i for i in range(1_000_000)))

    def less_time():
        resource.setrlimit(resource.RLIMIT_CPU, (2, 4))

    code, _, lines = check("-c", name, preexec_fn=less_time)
    assert code == 78 and lines == ["hauld-conf: reading the configuration took more than 10 seconds"]


def test_200000_jobs_are_read_in_seconds(conf):
    jobs = 20_000 if sanitized() else 200_000 # a sanitizer is not timed
    job = ('  {{ name = "job-{0}"; url = "https://example.org/data/{0}/file.bin.gz"; output = "d/{0}";\n'
           '    checksum = "sha256:{0:064x}"; decompress = "gzip"; }}')
    name = conf("jobs = (\n%s\n);\n" % ",\n".join(job.format(i) for i in range(jobs)))
    begun = cpu_of_children()
    done = run("-c", name)
    took = cpu_of_children() - begun
    assert done.returncode == 0 and end_of(done.stdout) == (jobs, 0)
    assert sanitized() or took < 40  # seconds of CPU: about 1.5
    # One wrong line near the end is found there.
    bad = jobs - 1000
    text = open(name, encoding="utf-8").read().replace('name = "job-%d";' % bad, 'nane = "job-%d";' % bad)
    _, _, lines = check("-c", conf(text))
    assert lines[0] == 't.conf:%d: unknown key "nane" in jobs[%d]: did you mean "name"?' % (2 * bad + 2, bad)


def test_output_is_written_while_it_is_made(conf):
    """The frames of 100,000 urls are more than a pipe holds: they stream."""
    text = "".join("http://h/%d\n" % i for i in range(100_000))
    done = run("--no-config", "-i", "-", stdin=None, input=text.encode())
    assert done.returncode == 0 and end_of(done.stdout) == (100_000, 0)


def test_a_reader_that_goes_away_ends_it(conf):
    name = conf("".join("http://h/%d\n" % i for i in range(100_000)), "list")
    child = subprocess.Popen([PROGRAM, "--no-config", "-i", name], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    child.stdout.close()
    assert child.wait(timeout=PATIENCE) == 1
    assert child.stderr.read() == b""
    child.stderr.close()


def test_aria2_list(conf):
    name = conf("# list\r\nhttp://h/a\thttp://i/a\r\n  out=x\r\n\thttp-version=2\r\nhttp://h/b", "list")
    assert check("--no-config", "-i", name) == (0, "list: 2 jobs, no errors\n", [])
    name = conf("http://h/a\n  gid=1\n", "list")
    assert check("--no-config", "-i", name)[2][0].startswith('list:2: unknown key "gid"')


def test_checksum_list_of_the_real_sha256sum(conf):
    for file in ("plain", "with space", "back\\slash", "ünï"):
        conf("data", file)
    os.mkdir("sub")
    conf("data", "sub/x")
    names = ["plain", "with space", "ünï", "./sub/x"]
    for tool in ("md5sum", "sha1sum", "sha224sum", "sha256sum", "sha384sum", "sha512sum"):
        for options in ([], ["-b"], ["--tag"]):
            text = subprocess.run([tool, *options, *names], check=True, capture_output=True).stdout
            conf(text, "SUMS")
            assert check("--no-config", "-i", "SUMS", "--base-url", "https://h/d/") == (
                0, "SUMS: 4 jobs, no errors\n", [])
    text = subprocess.run(["sha256sum", "back\\slash"], check=True, capture_output=True).stdout
    assert text.startswith(b"\\")
    code, _, lines = check("--no-config", "-i", conf(text, "SUMS"), "--base-url", "https://h/d/")
    assert code == 78 and "give output" in lines[0]


def test_list_from_standard_input_and_from_a_pipe(conf):
    done = run("-t", "--no-config", "-i", "-", stdin=None, input=b"http://h/a\n")
    assert (done.returncode, done.stdout) == (0, b"standard input: 1 job, no errors\n")
    read, write = os.pipe()
    os.write(write, b"http://h/a\n")
    os.close(write)
    code, out, _ = check("--no-config", "-i", "/dev/fd/%d" % read, pass_fds=[read])
    os.close(read)
    assert code == 0 and "1 job" in out


def test_closed_standard_streams_do_no_harm(conf):
    text = 'jobs = ( { url = "http://h/f"; } );'
    name = conf(text)

    def close_all():
        for fd in (0, 1, 2):
            os.close(fd)

    done = subprocess.run([PROGRAM, "-t", "-c", name], preexec_fn=close_all, timeout=PATIENCE)
    assert done.returncode == 0
    with open(name, encoding="utf-8") as file:
        assert file.read() == text  # what it said did not land in the file it opened


def test_conf_dir_is_read_in_name_order(conf):
    os.mkdir("d")
    conf('jobs = ( { url = "http://h/b"; group = "g"; } );', "d/2.conf")
    conf('groups = ( { name = "g"; } ); jobs = ( { url = "http://h/a"; } );', "d/1.conf")
    conf("broken", "d/note")
    assert check("-c", conf(""), "--conf-dir", "d") == (0, "t.conf: 2 jobs, no errors\n", [])
    conf("broken", "d/3.conf")
    code, _, lines = check("-c", conf(""), "--conf-dir", "d")
    assert code == 78 and lines[0].startswith("d/3.conf:1: syntax error: ")
    assert check("-c", conf(""), "--conf-dir", "nope")[2][0] == "nope: cannot be read: No such file or directory"


def test_settings_are_dumped():
    rows = [line.split("\t") for line in run("--dump-settings").stdout.decode().splitlines()]
    assert all(len(row) == 7 for row in rows)
    assert ["daemon", "workers", "uint", "0"] in [row[:4] for row in rows]
