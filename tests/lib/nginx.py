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
import ssl
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

from waiting import PATIENCE, wait_until

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


def listeners(addresses):
    """Sockets that listen on the same port of each, which nobody else can take any more."""
    for _try in range(20):
        port, made = 0, []
        try:
            for address in addresses:
                one = socket.socket()
                made.append(one)
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                one.bind((address, port))
                one.listen(4096)
                port = one.getsockname()[1]
            return made
        except OSError:
            for one in made:
                one.close()
    raise OSError("no port is free on all addresses")


class Nginx:
    def __init__(self, prefix, root, tls=None, http2=False, bind=("127.0.0.1",)):
        self.prefix = os.path.realpath(str(prefix))
        self.root = os.path.realpath(str(root))
        self.scheme = "https" if tls else "http"
        self.bind = bind
        self.process = None
        os.makedirs(os.path.join(self.prefix, "tmp"), exist_ok=True)
        sockets = listeners(bind)
        self.port = sockets[0].getsockname()[1]
        try:
            if not self._start(tls, http2, sockets):
                raise RuntimeError("nginx did not start: " + self._errors())
        finally:
            for one in sockets:
                one.close()
        self._asked = 0

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

    def _start(self, tls, http2, sockets):
        config = self._write_config(tls, http2)
        fds = [one.fileno() for one in sockets]
        self.process = subprocess.Popen([find_nginx(), "-p", self.prefix, "-c", config],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, pass_fds=fds,
                                        env={**os.environ, "NGINX": "".join("%d;" % fd for fd in fds)},
                                        stderr=open(os.path.join(self.prefix, "stderr"), "wb"))
        pid = os.path.join(self.prefix, "nginx.pid") # it is written when the configuration is good
        wait_until(lambda: os.path.exists(pid) or self.process.poll() is not None, why=self._errors)
        return self.process.poll() is None

    def _errors(self):
        with open(os.path.join(self.prefix, "stderr")) as f:
            return f.read()

    def stop(self):
        """Ends the master by its pid, which ends its worker."""
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(PATIENCE)

    def url(self, path="/", host=None):
        return "%s://%s:%d%s" % (self.scheme, host or self.bind[0], self.port, path)

    def access_log(self):
        """The lines of all whose answers have come: nginx writes them behind the answer, one after
        the other, so that they are there when that of our own request is."""
        self._asked += 1
        mark = "/_mark-%d" % self._asked
        self._ask(mark)
        lines = wait_until(lambda: self._lines(mark))
        return [line for line in lines if " /_mark-" not in line]

    def _ask(self, path):
        anybody = ssl.create_default_context()
        anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=anybody))
        try:
            opener.open(self.url(path), timeout=PATIENCE).close()
        except urllib.error.HTTPError as error:
            error.close() # 404

    def _lines(self, mark):
        with open(os.path.join(self.prefix, "access.log")) as f:
            lines = f.read().splitlines()
        return lines if any(mark in line.split() for line in lines) else None


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
