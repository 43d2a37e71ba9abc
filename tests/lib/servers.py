"""Starts tests/lib/badserver.py as a child and reads its log: the tests' witness."""

import json
import os
import ssl
import subprocess
import urllib.request

from waiting import PATIENCE, wait_until

ANYBODY = ssl.create_default_context()
ANYBODY.check_hostname, ANYBODY.verify_mode = False, ssl.CERT_NONE
HERE = os.path.dirname(os.path.abspath(__file__))


class BadServer:
    """One running server.  url("/ok/1", host=...) gives a URL of it.  prefix: of its
    command, such as nsenter's."""

    def __init__(self, directory, bind=("127.0.0.1",), tls=None, client_ca=None, root=None,
                 prefix=(), old_tls=False, http2=False, port=0):
        self.log_path = os.path.join(str(directory), "badserver-%d.log" % id(self))
        self.scheme = "https" if tls else "http"
        self.host = bind[0]
        self.root = str(root)
        command = [*prefix, "/usr/bin/python3", os.path.join(HERE, "badserver.py"), "--log", self.log_path,
                   "--port", str(port)]
        for address in bind:
            command += ["--bind", address]
        if tls:
            command += ["--tls", *tls]
        if client_ca:
            command += ["--client-ca", client_ca]
        if old_tls:
            command += ["--old-tls"]
        if http2:
            command += ["--http2"]
        if root:
            command += ["--root", str(root)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
        line = self.process.stdout.readline()
        if not line.startswith("ready "):
            self.stop()
            raise RuntimeError("badserver did not start: %r" % line)
        self.port = int(line.split()[1])
        self._mark = 0

    def stop(self):
        self.process.stdin.close()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()

    def url(self, path="/", host=None):
        return "%s://%s:%d%s" % (self.scheme, host or self.host, self.port, path)

    # the log

    def mark(self):
        """What came before is forgotten: events() begins here."""
        self._mark = os.path.getsize(self.log_path) if os.path.exists(self.log_path) else 0

    def events(self):
        if not os.path.exists(self.log_path):
            return []
        with open(self.log_path, "rb") as f:
            f.seek(self._mark)
            lines = f.read().split(b"\n")
        return [json.loads(line) for line in lines[:-1]]

    def requests(self, part=""):
        """The requests since mark() whose path holds part, in the order of arrival."""
        return [e for e in self.events() if e["ev"] == "request" and part in e["path"]]

    def begin(self):
        """mark(), when whoever asked before has gone: nothing of that is counted any more."""
        self.settle()
        wait_until(lambda: self.settle()["active"] == 0, why=lambda: "still active: %r" % self.stats())
        self.mark()

    def settle(self):
        """What was sent to it has been read, and what it has sent is in the log: its loop has
        gone round.  stats()."""
        self.stats()
        return self.stats()

    def ends(self):
        """Request number -> its end event, for the requests since mark().  Who has got all of a
        body finds its end."""
        self.settle()
        events = self.events()
        ours = {e["n"] for e in events if e["ev"] == "request"}
        return {e["n"]: e for e in events if e["ev"] == "end" and e["n"] in ours}

    def wait_requests(self, count, part="", timeout=PATIENCE):
        wait_until(lambda: len(self.requests(part)) >= count, timeout,
                   lambda: "only %d of %d requests came" % (len(self.requests(part)), count))
        return self.requests(part)

    # the control path

    def stats(self, reset=False):
        return self._control("?reset=1" if reset else "")

    def open(self, gate):
        """Answers of /gate that wait for this name go on, those of now and those to come."""
        self._control("?open=" + gate)

    def limit_streams(self, at_a_time=100, each=0, late=False):
        """What new connections of HTTP/2 are told, and behind how many streams one ends; 0: never.
        late: they are told behind their first request."""
        self._control("?streams=%d&each=%d%s" % (at_a_time, each, "&late" if late else ""))

    def show_certificate(self, cert, key):
        """To who connects from now on."""
        self._control("?cert=%s&key=%s" % (cert, key))

    def _control(self, query):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}),
                                             urllib.request.HTTPSHandler(context=ANYBODY))
        with opener.open(self.url("/_stats" + query), timeout=PATIENCE) as answer:
            return json.load(answer)


def header_of(request, name):
    """The value of a header of a logged request, None without it."""
    for key, value in request["headers"]:
        if key.lower() == name.lower():
            return value
    return None
