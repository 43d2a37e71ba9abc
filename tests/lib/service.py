"""Runs hauld as a service for the tests, and talks to its control socket.

    with Service(tmp, {"jobs": [...]}) as s:       # .root, .socket, .state, .conf
        c = s.client()
        c.call("status")["state"]                  # the result, or RpcError
        number = c.send("wait", jobs=[1])          # ... or later: c.answer(number)
        c.event("end", id=1)                       # the next such notification
        s.ctl("list", "--json")                    # haulctl: .rc, .out, .err, .lines
        s.log, s.wait_log("configuration loaded")

Everything is in a private directory and ended by its pid.  A hauld that ends
by itself, leaves a process or a part behind, or prints a report of a sanitizer
fails the test at stop().
"""

import functools
import json
import os
import signal
import socket
import subprocess
import time

from haul import PROXY_NAMES, children_named, config_text, kill_quietly, processes_of_session, program
from said import Said
from waiting import PATIENCE, WaitedTooLong, wait_until

SANITIZER_SIGNS = ("AddressSanitizer", "LeakSanitizer", "runtime error:", "Assertion")


@functools.lru_cache(maxsize=1)
def sanitized():
    """Is this a build with ASan?  It is slower and larger, and so not measured."""
    with open(program("hauld"), "rb") as f:
        return b"__asan_init" in f.read()


class RpcError(Exception):
    """An error answer: .code, .word, .text, .data."""

    def __init__(self, error):
        super().__init__("%(code)d %(message)s" % error)
        self.code, self.text = error["code"], error["message"]
        self.data = error["data"]
        self.word = self.data["word"]


class Gone(AssertionError):
    """hauld closed the connection."""


class Client:
    """One connection.  Nothing is read but while something is waited for."""

    def __init__(self, path, timeout=PATIENCE):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(path)
        self.timeout = timeout
        self.answers, self.events = {}, []
        self.numberless = [] # answers whose id is null
        self.ended = False
        self._buffer = b""
        self._last = 0

    # sending

    def send_bytes(self, data):
        self.sock.settimeout(self.timeout)
        self.sock.sendall(data)

    def send(self, method, **params):
        """Sends a request; its number is for answer()."""
        self._last += 1
        self.send_bytes(request(method, self._last, **params))
        return self._last

    def half_close(self):
        self.sock.shutdown(socket.SHUT_WR)

    # receiving

    def _read(self, end):
        left = end - time.monotonic()
        if left <= 0:
            raise WaitedTooLong("nothing more came: %r %r" % (self.answers, self.events[-3:]))
        self.sock.settimeout(left)
        try:
            data = self.sock.recv(1 << 20)
        except socket.timeout:
            return
        except ConnectionResetError:
            data = b""
        if not data:
            self.ended = True
            raise Gone("hauld closed the connection; rest: %r" % self._buffer)
        lines = (self._buffer + data).split(b"\n")
        self._buffer = lines.pop()
        for line in lines:
            self._take(json.loads(line))

    def _take(self, message):
        assert message["jsonrpc"] == "2.0"
        if message.get("method") == "event":
            assert "id" not in message
            self.events.append(message["params"])
        elif message["id"] is None:
            self.numberless.append(message)
        else:
            assert message["id"] not in self.answers, "answered twice: %r" % message
            self.answers[message["id"]] = message

    def wait(self, condition, timeout=None):
        """Reads until condition() is true; returns its value."""
        end = time.monotonic() + (timeout or self.timeout)
        while True:
            value = condition()
            if value:
                return value
            self._read(end)

    def message(self, number, timeout=None):
        self.wait(lambda: number in self.answers, timeout)
        return self.answers.pop(number)

    def answer(self, number, timeout=None):
        return result_of(self.message(number, timeout))

    def call(self, method, timeout=None, **params):
        return self.answer(self.send(method, **params), timeout)

    def refused(self, method, **params):
        """The error that the call must have; its message is a sentence."""
        try:
            result = self.call(method, **params)
        except RpcError as error:
            assert len(error.text) > 10 and error.text.isprintable(), error.text
            return error
        raise AssertionError("%s was not refused: %r" % (method, result))

    def refused_raw(self, line):
        """The same for a line whose answer has no id."""
        self.send_bytes(line + b"\n")
        self.wait(lambda: self.numberless)
        return RpcError(self.numberless.pop()["error"])

    def event(self, kind, timeout=None, **fields):
        """Waits for an event of that kind whose job has those fields; takes it away
        with all that came before it."""
        def found():
            for i, e in enumerate(self.events):
                if e["event"] == kind and all(e["job"].get(k) == v for k, v in fields.items()):
                    del self.events[:i + 1]
                    return e
            return None
        return self.wait(found, timeout)

    def read_to_end(self, timeout=None):
        """All that comes until hauld closes the connection."""
        try:
            self.wait(lambda: False, timeout)
        except Gone:
            pass

    def answered_so_far(self):
        """hauld has handled all that was sent before: requests are taken in order."""
        self.call("version")

    # what many tests do

    def add(self, *jobs, **params):
        """Their ids."""
        return [j["id"] for j in self.call("add", jobs=list(jobs), **params)["jobs"]]

    def show(self, job):
        return self.call("show", job=job)

    def wait_job(self, job, timeout=None):
        """The job once it is over."""
        return self.call("wait", timeout=timeout, jobs=[job])["jobs"][0]

    def wait_state(self, job, state, phase=None, why=None, timeout=PATIENCE):
        def there():
            shown = self.show(job)
            good = shown["state"] == state and phase in (None, shown["phase"]) and why in (None, shown["why"])
            return shown if good else None
        return wait_until(there, timeout, lambda: "job is not %s: %r" % (state, self.show(job)))

    def list_all(self, **params):
        jobs, after = [], 0
        while after is not None:
            page = self.call("list", after=after, **params)
            jobs += page["jobs"]
            after = page["next"]
        return jobs

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.close()


def request(method, number=None, **params):
    message = {"jsonrpc": "2.0", "method": method}
    if number is not None:
        message["id"] = number
    if params:
        message["params"] = params
    return json.dumps(message).encode() + b"\n"


def result_of(message):
    if "error" in message:
        assert "result" not in message
        raise RpcError(message["error"])
    return message["result"]


class Done:
    """What a run of haulctl left."""

    def __init__(self, rc, out, err):
        self.rc, self.out, self.err = rc, out.decode("utf-8", "replace"), err.decode("utf-8", "replace")

    @property
    def lines(self):
        return [json.loads(line) for line in self.out.splitlines()]

    def __repr__(self):
        return "rc %r\n--- stdout\n%s\n--- stderr\n%s" % (self.rc, self.out, self.err)


class Service:
    """A hauld of its own.  share: another Service whose directories it uses."""

    def __init__(self, tmp, config=None, args=(), start=True, share=None, popen=None, **daemon):
        self.tmp = share.tmp if share else str(tmp)
        self.root = os.path.join(self.tmp, "root")
        self.state = os.path.join(self.tmp, "state")
        self.socket = os.path.join(self.tmp, "control.sock")
        self.conf = os.path.join(self.tmp, "hauld-%d.conf" % id(self))
        self.args, self.popen, self.prefix = list(args), popen or {}, []
        self.process, self.pid = None, None
        self._said, self._clients = None, []
        os.makedirs(self.root, exist_ok=True)
        self.write_config(config or {}, **daemon)
        if start:
            self.start()

    # the configuration

    def write_config(self, config, **daemon):
        """A dict; daemon gets the private places and what is given here.  Text is taken
        as it is."""
        if isinstance(config, dict):
            places = {"socket": self.socket, "state-dir": self.state, "roots": [self.root]}
            config = {**config, "daemon": {**places, **config.get("daemon", {}),
                                           **{k.replace("_", "-"): v for k, v in daemon.items()}}}
            config = config_text(config)
        new = self.conf + ".new"
        with open(new, "w") as f:
            f.write(config)
        os.chmod(new, 0o600)
        os.rename(new, self.conf)

    def reload(self, config, **daemon):
        """Writes it and asks a client's `reload`; its report."""
        self.write_config(config, **daemon)
        with self.client() as c:
            return c.call("reload")

    # its life

    def environment(self):
        env = {k: v for k, v in os.environ.items() if k.lower() not in PROXY_NAMES}
        for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "LISTEN_FDS", "LISTEN_PID", "JOURNAL_STREAM",
                     "INVOCATION_ID", "HAULCTL_SOCKET", "XDG_CONFIG_HOME"):
            env.pop(name, None)
        env.update(HOME=self.tmp, XDG_RUNTIME_DIR=self.tmp, LC_ALL="C.UTF-8", TERM="dumb")
        return env

    def spawn(self):
        """Starts it and waits for nothing; the log is that of this life."""
        self.process = subprocess.Popen(
            [*self.prefix, program("hauld"), "-c", self.conf, *self.args], cwd=self.tmp, env=self.environment(),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            start_new_session=True, **self.popen)
        self.pid = self.process.pid
        self._said = Said(self.process.stderr)
        return self

    def start(self):
        self.spawn()
        self.wait_log(" serves socket=")
        return self

    @property
    def log(self):
        """All that it has logged until now: also what it logged before an answer that was just read."""
        return self._said.text if self._said else ""

    def log_lines(self, part):
        return [line for line in self.log.splitlines() if part in line]

    def wait_log(self, text, count=1, timeout=PATIENCE):
        """Waits for that many lines that hold text; the lines."""
        self._said.wait(lambda: len(self.log_lines(text)) >= count, max(timeout, PATIENCE))
        lines = self.log_lines(text)
        if len(lines) < count:
            raise WaitedTooLong("%d lines with %r (rc %r):\n%s" % (len(lines), text, self.process.poll(), self.log))
        return lines

    def signal(self, number):
        self.process.send_signal(number)

    def workers(self):
        return children_named(self.pid, "hauld-worker")

    def wait_exit(self, timeout=PATIENCE):
        """It ends by itself; its status.  No process of it may be left."""
        try:
            rc = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise WaitedTooLong("hauld did not end within %g s:\n%s" % (timeout, self.log)) from None
        finally:
            if self.process.poll() is None:
                kill_quietly(self.pid)
        try:
            wait_until(lambda: not processes_of_session(self.pid))
        except WaitedTooLong:
            left = processes_of_session(self.pid)
            for pid in left:
                kill_quietly(pid)
            raise AssertionError("left behind: %r\n%s" % (left, self.log)) from None
        assert self._said.finish(), "somebody still has its stderr:\n" + self.log
        for sign in SANITIZER_SIGNS:
            assert sign not in self.log, self.log
        return rc

    def stop(self, timeout=PATIENCE):
        """SIGTERM: it parks and says 0, and leaves nothing of its own."""
        if self.process is None or self.process.stderr.closed:
            return
        assert self.process.poll() is None, "hauld ended by itself, status %r:\n%s" % (self.process.poll(), self.log)
        self.signal(signal.SIGTERM)
        assert self.wait_exit(timeout) == 0, self.log
        assert self.strays() == [] and not os.path.exists(self.socket), self.log

    def close(self):
        for client in self._clients:
            client.close()
        try:
            self.stop()
        finally:
            if self.process and self.process.poll() is None:
                kill_quietly(self.pid)
                self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.close()

    # talking

    def client(self, **options):
        client = Client(self.socket, **options)
        self._clients.append(client)
        return client

    @staticmethod
    def ctl_program():
        return program("haulctl")

    def ctl(self, *args, stdin=None, timeout=PATIENCE, env=None):
        done = subprocess.run([self.ctl_program(), "--socket", self.socket, *map(str, args)], cwd=self.tmp,
                              env={**self.environment(), **(env or {})}, capture_output=True, timeout=timeout,
                              input=stdin.encode() if isinstance(stdin, str) else stdin or b"", check=False)
        return Done(done.returncode, done.stdout, done.stderr)

    # what lies there

    def path(self, *parts):
        return os.path.join(self.root, *parts)

    def read(self, name):
        with open(self.path(name), "rb") as f:
            return f.read()

    def published(self):
        """The names of the files in the root."""
        return sorted(n for n in os.listdir(self.root) if n != ".haul")

    def strays(self):
        """Files of hauld's own that no later life could use, and empty directories of it."""
        found = []
        for directory, _names, files in os.walk(self.root):
            if os.path.basename(directory) == ".haul":
                pairs = [f for f in files if f.endswith(".part") and f[:-4] + "map" in files]
                kept = {*pairs, *(f[:-4] + "map" for f in pairs)}
                found += sorted(set(files) - kept) or ([] if kept else [directory])
        return found

    def parts(self):
        """What lies in .haul directories just now: they come and go."""
        return sorted(os.path.join(directory, name) for directory, _names, files in os.walk(self.root)
                      for name in files if os.path.basename(directory) == ".haul")

    def leftovers(self):
        return [directory for directory, names, _files in os.walk(self.root) if ".haul" in names]

    # what it costs

    def cpu_ticks(self):
        with open("/proc/%d/stat" % self.pid) as f:
            fields = f.read().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    def rss(self):
        with open("/proc/%d/statm" % self.pid) as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
