"""A clock on the wall that a test sets, for one hauld: clockset.so, preloaded.

    clock = Clock(tmp)
    s = serve(start=False); s.prefix = clock.prefix; s.start()
    clock.set(hours * 3600)      # seconds ahead of the real one
"""

import mmap
import os
import struct

from haul import program
from service import sanitized


class Clock:
    def __init__(self, tmp):
        self.path = os.path.join(str(tmp), "clock")
        library = program("clockset.so")
        assert os.path.exists(library), "%s is missing: make check makes it" % library
        with open(self.path, "wb") as f:
            f.write(bytes(8))
        with open(self.path, "r+b") as f:
            self._map = mmap.mmap(f.fileno(), 0)
        self.prefix = ["env", "LD_PRELOAD=" + library, "HAUL_CLOCKSET=" + self.path]
        if sanitized():
            self.prefix += ["ASAN_OPTIONS=verify_asan_link_order=0:" + os.environ.get("ASAN_OPTIONS", "")]

    def set(self, ahead_s):
        self._map[0:8] = struct.pack("=q", int(ahead_s * 1000))
