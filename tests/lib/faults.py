"""System calls of haul's programs that fail on demand: faults.so, preloaded.

    board = Board(tmp)
    with FaultyService(tmp, board, rule("hauld-worker", "fsync", path, nth=3, error=errno.EIO)) as s: ...
    board.hits, board.hit, board.counts     # that failed, the first of these, calls by name
    board.end()                             # from now on nothing fails
"""

import collections
import mmap
import os
import signal
import struct

from haul import program
from service import Service, sanitized

COUNTS_AT, COUNT_SIZE, COUNTS = 256, 32, 40
SHORT, HANG = "short", "hang"


def rule(who, call, path="", nth=1, count=1, error=5):
    """See faults.c.  nth 0: never; count 0: from then on for ever."""
    return "program=%s,call=%s,path=%s,nth=%d,count=%d,error=%s" % (who, call, path, nth, count, error)


def library():
    path = program("faults.so")
    assert os.path.exists(path), "%s is missing: make check makes it" % path
    return path


class Board:
    def __init__(self, tmp):
        self.path = os.path.join(str(tmp), "faults")
        with open(self.path, "wb") as f:
            f.truncate(COUNTS_AT + COUNT_SIZE * COUNTS)
        with open(self.path, "r+b") as f:
            self._map = mmap.mmap(f.fileno(), 0)

    def end(self):
        self._map[0:4] = struct.pack("=I", 1)

    @property
    def hits(self):
        return struct.unpack_from("=Q", self._map, 16)[0]

    @property
    def hit(self):
        return self._map[24:COUNTS_AT].split(b"\0")[0].decode("latin-1")

    @property
    def counts(self):
        found = collections.Counter()
        for i in range(COUNTS):
            name, n = struct.unpack_from("=24sQ", self._map, COUNTS_AT + i * COUNT_SIZE)
            if name[0]:
                found[name.split(b"\0")[0].decode()] += n
        return found


class FaultyService(Service):
    def __init__(self, tmp, board, the_rule, **options):
        self.board, self.rule = board, the_rule
        super().__init__(tmp, **options)

    def environment(self):
        env = {**super().environment(), "LD_PRELOAD": library(), "HAUL_FAULT": self.rule,
               "HAUL_FAULT_FILE": self.board.path}
        if sanitized():
            env["ASAN_OPTIONS"] = "verify_asan_link_order=0:" + os.environ.get("ASAN_OPTIONS", "")
        return env

    def next_life(self):
        """hauld and its workers are killed where they are; from now on nothing fails, and another begins."""
        for pid in [self.pid, *self.workers()]:
            os.kill(pid, signal.SIGKILL)
        self.wait_exit()
        self.board.end()
        self.start()
