#!/usr/bin/python3
"""A private nginx: loopback only, one worker, a free port, its own temp prefix.

As a module: Nginx(prefix, root, tls=(cert, key), http2=True); .url(path), .stop().
             "?rate=2m" at the end of a path: that answer comes with 2 MiB a second.
By hand:     nginx.py ROOT [--tls CERT KEY] [--http2]
             prints "ready URL" and runs until its stdin ends or ^C.
"""

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

from waiting import wait_until

CONFIG = """
daemon off;
master_process on;
worker_processes 1;
%(user)s
pid %(prefix)s/nginx.pid;
error_log %(prefix)s/error.log warn;
events { worker_connections 4096; }
http {
    default_type application/octet-stream;
    types { }
    sendfile on;
    tcp_nopush on;
    keepalive_requests 100000;
    server_tokens off;
    log_format haul '$msec $server_addr $server_protocol $status $body_bytes_sent $request_uri $connection';
    access_log %(prefix)s/access.log haul;
    map $arg_rate $rate { "" 0; default $arg_rate; }
    client_body_temp_path %(prefix)s/tmp;
    proxy_temp_path %(prefix)s/tmp;
    fastcgi_temp_path %(prefix)s/tmp;
    uwsgi_temp_path %(prefix)s/tmp;
    scgi_temp_path %(prefix)s/tmp;
    server {
%(listen)s
%(tls)s
        root %(root)s;
        location / { limit_rate $rate; }
    }
}
"""


def find_nginx():
    for path in (shutil.which("nginx"), "/usr/sbin/nginx"):
        if path and os.path.exists(path):
            return path
    return None


def free_port():
    """A port that is free on every loopback address at this moment."""
    with socket.socket() as s:
        s.bind(("0.0.0.0", 0))
        return s.getsockname()[1]


class Nginx:
    def __init__(self, prefix, root, tls=None, http2=False, bind=("127.0.0.1",)):
        self.prefix = os.path.realpath(str(prefix))
        self.root = os.path.realpath(str(root))
        self.scheme = "https" if tls else "http"
        self.bind = bind
        self.process = None
        os.makedirs(os.path.join(self.prefix, "tmp"), exist_ok=True)
        for _try in range(5):
            self.port = free_port()
            if self._start(tls, http2):
                return
        raise RuntimeError("nginx did not start: " + self._errors())

    def _write_config(self, tls, http2):
        flags = (" ssl" if tls else "") + (" http2" if http2 else "")
        listen = "\n".join("        listen %s:%d%s backlog=4096;" % (a, self.port, flags)
                           for a in self.bind)
        lines = "        ssl_certificate %s;\n        ssl_certificate_key %s;" % tls if tls else ""
        values = {"prefix": self.prefix, "root": self.root, "listen": listen, "tls": lines,
                  "user": "user root;" if os.geteuid() == 0 else ""}
        path = os.path.join(self.prefix, "nginx.conf")
        with open(path, "w") as f:
            f.write(CONFIG % values)
        return path

    def _start(self, tls, http2):
        config = self._write_config(tls, http2)
        self.process = subprocess.Popen([find_nginx(), "-p", self.prefix, "-c", config],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=open(os.path.join(self.prefix, "stderr"), "wb"))
        wait_until(lambda: self._answers() or self.process.poll() is not None, 20, self._errors)
        return self.process.poll() is None

    def _answers(self):
        try:
            socket.create_connection((self.bind[0], self.port), 1).close()
            return True
        except OSError:
            return False

    def _errors(self):
        with open(os.path.join(self.prefix, "stderr")) as f:
            return f.read()

    def stop(self):
        """Ends the master by its pid, which ends its worker."""
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(10)

    def url(self, path="/", host=None):
        return "%s://%s:%d%s" % (self.scheme, host or self.bind[0], self.port, path)

    def access_log(self):
        with open(os.path.join(self.prefix, "access.log")) as f:
            return f.read().splitlines()


def main():
    parser = argparse.ArgumentParser(description="a private nginx on loopback")
    parser.add_argument("root")
    parser.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"))
    parser.add_argument("--http2", action="store_true")
    parser.add_argument("--bind", action="append")
    args = parser.parse_args()
    prefix = tempfile.mkdtemp(prefix="haul-nginx-")
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))
    server = None
    try:
        server = Nginx(prefix, args.root, tuple(args.tls) if args.tls else None, args.http2,
                       args.bind or ["127.0.0.1"])
        print("ready " + server.url(), flush=True)
        while os.read(0, 4096):
            pass
    except KeyboardInterrupt:
        pass
    finally:
        if server:
            server.stop()
        shutil.rmtree(prefix, ignore_errors=True)


if __name__ == "__main__":
    main()
