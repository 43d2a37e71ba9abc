"""Runs `hauld --once` for the tests: a private root, configuration and home.

    h = Hauld(tmp)
    result = h.once("http://...", "--retry", "0")                # json by default
    result = h.once(config={"jobs": [{"name": "a", "url": "..."}]})
    result.rc, result.stdout, result.stderr, result.events, result.job("a")["state"]
    h.published()                # {"dir/name": bytes}, what lies beneath the root
    with h.start(...) as run:    # the same, while it runs
        run.wait_event("start"); run.interrupt(); result = run.finish()

Binaries come from HAUL_BUILD_DIR (default: the project's root).  hauld gets a
session of its own; whatever is left of it at the end is ended by pid.
"""

import json
import os
import re
import signal
import subprocess
import threading
import time

from waiting import PATIENCE, WaitedTooLong, wait_until

HERE = os.path.dirname(os.path.abspath(__file__))
PROJECT = os.path.dirname(os.path.dirname(HERE))
PROXY_NAMES = {"http_proxy", "https_proxy", "all_proxy", "no_proxy"}


def build_dir():
    return os.path.realpath(os.environ.get("HAUL_BUILD_DIR") or PROJECT)


def program(name):
    return os.path.join(build_dir(), name)


# ---- libconfig

def config_string(text):
    out = []
    for byte in text.encode():
        char = chr(byte)
        if char in '"\\':
            out.append("\\" + char)
        elif byte < 0x20 or byte == 0x7f:
            out.append("\\x%02x" % byte)
        else:
            out.append(bytes([byte]).decode("latin-1"))
    return '"' + "".join(out).encode("latin-1").decode() + '"'


def config_value(value, indent=""):
    deeper = indent + "  "
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return "%d%s" % (value, "" if -(1 << 31) <= value < 1 << 31 else "L")
    if isinstance(value, str):
        return config_string(value)
    if isinstance(value, dict):
        return "{\n" + config_text(value, deeper) + indent + "}"
    if value and isinstance(value[0], dict):
        items = [deeper + config_value(v, deeper) for v in value]
        return "(\n" + ",\n".join(items) + "\n" + indent + ")"
    if value:
        return "[ " + ", ".join(config_value(v, deeper) for v in value) + " ]"
    return "()"


def config_text(table, indent=""):
    """A dict as libconfig text: dict = group, list of dicts = list, list = array."""
    return "".join("%s%s = %s;\n" % (indent, key, config_value(value, indent))
                   for key, value in table.items())


# ---- /proc

def processes_of_session(session):
    """The pids of that session which are not zombies."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open("/proc/%s/stat" % name) as f:
                fields = f.read().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(int(name))
    return found


def command_line(pid):
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as f:
            return f.read().split(b"\0")[:-1]
    except OSError:
        return []


def children_named(pid, name):
    """The pids of the children of pid that run the program name."""
    try:
        with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
            children = [int(word) for word in f.read().split()]
    except OSError:
        return []
    lines = [(c, command_line(c)) for c in children] # empty for one that has just died
    return [c for c, line in lines if line and os.path.basename(line[0]).decode() == name]


def kill_quietly(pid, number=signal.SIGKILL):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


# ---- results

class Result:
    """What one run left: texts, exit status, events."""

    def __init__(self, run, rc):
        self.rc = rc
        self.out_bytes, self.err_bytes = run.out_bytes(), run.err_bytes()
        self.stdout = self.out_bytes.decode("utf-8", "replace")
        self.stderr = self.err_bytes.decode("utf-8", "replace")
        self.events = list(run.events)
        self.seconds = run.seconds
        self.survivors = run.survivors

    def __repr__(self):
        return "rc %r\n--- stdout\n%s\n--- stderr\n%s" % (self.rc, self.stdout, self.stderr)

    def of(self, kind):
        return [e for e in self.events if e.get("event") == kind]

    @property
    def jobs(self):
        """The last words about every job, in the order given."""
        return self.of("job")

    @property
    def summary(self):
        return self.events[-1] if self.events and self.events[-1].get("event") == "summary" else {}

    def job(self, key=0):
        """By place in the order given, or by the name or the end of the output."""
        if isinstance(key, int):
            assert len(self.jobs) > key, self
            return self.jobs[key]
        names = {e["id"]: e.get("name") for e in self.of("start")}
        for job in self.jobs:
            output = str(job.get("output"))
            if key in (job.get("name"), names.get(job["id"]), os.path.basename(output)) or \
                    output.endswith("/" + key):
                return job
        raise AssertionError("no job %r in %r" % (key, self))

    def word(self, key=0):
        """The outcome word of a job: "done", "checksum-mismatch", "http-404"."""
        job = self.job(key)
        return "done" if job["state"] == "done" else job["code"]


class Run:
    """A hauld that runs.  Its stdout is read all the time, line by line."""

    def __init__(self, command, cwd, env, json_mode, stdin=None, popen=None):
        self.events = []
        self.seconds = None
        self.survivors = []
        self._lines, self._errors = [], []
        self._changed = threading.Condition()
        self._json = json_mode
        self._since = time.monotonic()
        options = {"stdin": subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
                   "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        options.update(popen or {})
        self.process = subprocess.Popen(command, cwd=cwd, env=env, start_new_session=True,
                                        **options)
        self.pid = self.process.pid
        self._readers = [threading.Thread(target=self._read, args=(pipe, keep), daemon=True)
                         for pipe, keep in ((self.process.stdout, self._take_line),
                                            (self.process.stderr, self._errors.append)) if pipe]
        for reader in self._readers:
            reader.start()
        if stdin is not None:
            self.process.stdin.write(stdin if isinstance(stdin, bytes) else stdin.encode())
            self.process.stdin.close()

    def _read(self, pipe, keep):
        for line in pipe:
            with self._changed:
                keep(line)
                self._changed.notify_all()

    def _take_line(self, line):
        self._lines.append(line)
        if self._json:
            try:
                self.events.append(json.loads(line))
            except ValueError:
                self.events.append({"event": "malformed", "line": line.decode("latin-1")})

    def out_bytes(self):
        return b"".join(self._lines)

    def err_bytes(self):
        return b"".join(self._errors)

    def wait_event(self, kind, count=1, timeout=PATIENCE, **fields):
        """Waits for the count-th event of that kind with those fields; returns it."""
        def matching():
            return [e for e in self.events if e.get("event") == kind and
                    all(e.get(k) == v for k, v in fields.items())]
        with self._changed:
            self._changed.wait_for(lambda: len(matching()) >= count, max(timeout, PATIENCE))
            if len(matching()) < count:
                raise WaitedTooLong("no %d events %s: %s%s" % (
                    count, kind, self.out_bytes(), self.err_bytes()))
            return matching()[count - 1]

    def workers(self, name="hauld-worker"):
        return children_named(self.pid, name)

    def wait_workers(self, count=1, name="hauld-worker", timeout=PATIENCE):
        return wait_until(lambda: len(self.workers(name)) >= count and self.workers(name),
                          timeout, lambda: "no %d workers: %r" % (count, self.err_bytes()))

    def interrupt(self, number=signal.SIGINT):
        self.process.send_signal(number)

    def finish(self, timeout=PATIENCE):
        """Waits for the end; a run that does not end is killed and fails the test."""
        late = False
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            late = True
        self.seconds = time.monotonic() - self._since
        self._end_all(late)
        result = Result(self, self.process.returncode)
        if late:
            raise WaitedTooLong("hauld did not end within %g s: %r" % (timeout, result))
        return result

    def _end_all(self, kill):
        if kill:
            kill_quietly(self.pid)
        if not kill:
            try: # workers end when their pipes do: that takes a moment, not more
                wait_until(lambda: not self._others())
            except WaitedTooLong:
                self.survivors = [(p, command_line(p)) for p in self._others()]
        for pid in self._others():
            kill_quietly(pid)
        self.process.wait()
        for reader in self._readers:
            reader.join(PATIENCE)

    def _others(self):
        return [p for p in processes_of_session(self.pid) if p != self.pid]

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        if self.seconds is None:
            self._end_all(True)


class Hauld:
    """A place to run in: .root is the destination root and working directory."""

    def __init__(self, tmp):
        self.tmp = str(tmp)
        self.root = os.path.join(self.tmp, "root")
        self.home = os.path.join(self.tmp, "home")
        for directory in (self.root, self.home):
            os.makedirs(directory, exist_ok=True)
        self.runs = []
        self._configs = 0

    def environment(self, extra=None):
        env = {k: v for k, v in os.environ.items() if k.lower() not in PROXY_NAMES}
        env.update(HOME=self.home, XDG_STATE_HOME=os.path.join(self.home, "state"),
                   XDG_RUNTIME_DIR=self.home, LC_ALL="C.UTF-8", TERM="dumb")
        env.pop("XDG_CONFIG_HOME", None)
        env.update(extra or {})
        return {k: v for k, v in env.items() if v is not None}

    def write_config(self, config, mode=0o600):
        """A dict gets daemon.roots = [root] when it has none; text is taken as it is.
        Only the owner may read it: with secrets in it, it would be refused else."""
        if isinstance(config, dict):
            config = dict(config)
            daemon = dict(config.get("daemon", {}))
            daemon.setdefault("roots", [self.root])
            config["daemon"] = daemon
            config = config_text(config)
        self._configs += 1
        path = os.path.join(self.tmp, "hauld-%d.conf" % self._configs)
        with open(path, "w") as f:
            f.write(config)
        os.chmod(path, mode)
        return path

    def start(self, *args, config=None, json=True, stdin=None, env=None, cwd=None, popen=None, prefix=()):
        """prefix: of the command, such as that of a net box."""
        command = [*prefix, program("hauld"), "--once", "--no-progress"]
        if json:
            command.append("--json")
        if config is not None:
            command += ["-c", self.write_config(config)]
        command += [str(a) for a in args]
        run = Run(command, cwd or self.root, self.environment(env), json, stdin, popen)
        self.runs.append(run)
        return run

    def once(self, *args, timeout=PATIENCE, **kwargs):
        """Runs to the end.  No process of it may outlive it."""
        with self.start(*args, **kwargs) as run:
            result = run.finish(timeout)
        assert not result.survivors, "left behind: %r\n%r" % (result.survivors, result)
        assert_no_sanitizer(result)
        return result

    def once_jobs(self, jobs, timeout=PATIENCE, daemon=None, defaults=None, **kwargs):
        """Runs these jobs; retry is 0 where neither jobs nor defaults say otherwise."""
        config = {"defaults": {"retry": 0, **(defaults or {})}, "jobs": jobs}
        if daemon:
            config["daemon"] = daemon
        return self.once(config=config, timeout=timeout, **kwargs)

    # what lies in the root

    def published(self):
        """{relative path: bytes} of every file beneath the root, .haul left out."""
        found = {}
        for directory, names, files in os.walk(self.root):
            names[:] = [n for n in names if n != ".haul"]
            for name in files:
                path = os.path.join(directory, name)
                if os.path.isfile(path) and not os.path.islink(path):
                    with open(path, "rb") as f:
                        found[os.path.relpath(path, self.root)] = f.read()
        return found

    def leftovers(self, where=None):
        """Every .haul directory: none may be there after a run that ended."""
        return [os.path.join(directory, ".haul")
                for directory, names, _files in os.walk(where or self.root) if ".haul" in names]

    def path(self, *parts):
        return os.path.join(self.root, *parts)

    def expect(self, files):
        """Exactly these files are there, whole, and nothing of haul's own."""
        found = self.published()
        assert sorted(found) == sorted(files)
        for name, data in files.items():
            assert found[name] == data, "%s: %d bytes, %d wanted, or they differ" % (
                name, len(found[name]), len(data))
        assert self.leftovers() == []

    def close(self):
        for run in self.runs:
            run.__exit__()


def assert_no_sanitizer(result):
    for sign in ("AddressSanitizer", "LeakSanitizer", "runtime error:", "Assertion"):
        assert sign not in result.stderr, result


def assert_done(result):
    """Every job is done and the exit status says so."""
    assert [j for j in result.jobs if j["state"] != "done"] == [], result
    assert result.rc == 0, result


def assert_failed(result, word, key=0):
    """That job failed with that word and a sentence."""
    job = result.job(key)
    assert job["state"] == "failed" and job["code"] == word, result
    assert len(job["reason"]) > 3 and not re.search(r"[\x00-\x1f]", job["reason"]), result
    assert result.rc == 1, result
