"""A network of one's own for a test: loopback, and nothing else until the test adds it.

    with NetNs() as net:              # NotPermitted where there is no way to have one
        net.ip("link", "set", "lo", "up")
        Service(tmp, popen=net.popen)         # a hauld in it
        BadServer(tmp, prefix=net.prefix)     # a server in it
"""

import ctypes
import os
import subprocess

from waiting import wait_until

CLONE_NEWNET = 0x40000000


class NotPermitted(Exception):
    pass


class NetNs:
    def __init__(self):
        mine = os.readlink("/proc/self/ns/net")
        # cat ends with its standard input, and with it the network
        self._holder = subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, text=True)
        path = "/proc/%d/ns/net" % self._holder.pid
        wait_until(lambda: self._holder.poll() is not None or os.readlink(path) != mine, 10)
        if self._holder.poll() is not None:
            raise NotPermitted(self._holder.stderr.read().strip())
        self.prefix = ["nsenter", "--net=" + path]
        self._file = open(path, "rb")
        self.popen = {"preexec_fn": self._enter}

    def _enter(self):
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(self._file.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")

    def ip(self, *args):
        subprocess.run([*self.prefix, "ip", *args], check=True, capture_output=True)

    def close(self):
        self._file.close()
        self._holder.stdin.close()
        self._holder.wait(10)
        self._holder.stderr.close()

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.close()
