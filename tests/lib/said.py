"""What a process writes to a pipe, always up to now.

    said = Said(process.stderr)
    said.text                      # all that it has written when this is asked
    said.wait(lambda: "x" in said.text, timeout)
    said.finish()                  # its end has come

A process that has answered has written before what it logged before: who looks finds it,
however far a thread that reads has come.  One reads all the same, so that the pipe never fills.
"""

import fcntl
import os
import select
import threading

from waiting import PATIENCE

PIPE_SIZE = 1 << 20 # hauld drops lines of log that a full pipe does not take


class Said:
    def __init__(self, pipe):
        self.pipe, self.ended = pipe, False
        self._data = bytearray()
        self._changed = threading.Condition()
        os.set_blocking(pipe.fileno(), False)
        try:
            fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, PIPE_SIZE)
        except PermissionError:
            pass # a user has only so much of them
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        poll = select.poll()
        poll.register(self.pipe.fileno(), select.POLLIN)
        while not self._take():
            poll.poll()

    def _take(self):
        """True: it was the end."""
        with self._changed:
            while not self.ended:
                try:
                    data = os.read(self.pipe.fileno(), 1 << 16)
                except BlockingIOError:
                    return False
                self.ended = not data
                self._data += data
                self._changed.notify_all()
            return True

    @property
    def text(self):
        with self._changed:
            self._take()
            return self._data.decode("utf-8", "replace")

    def wait(self, condition, timeout=PATIENCE):
        """Until it is true, or the end has come."""
        with self._changed:
            self._changed.wait_for(lambda: condition() or self.ended, timeout)

    def finish(self):
        """Nobody writes any more.  False: somebody still may."""
        self._reader.join(PATIENCE)
        if not self.ended:
            return False
        self.pipe.close()
        return True
