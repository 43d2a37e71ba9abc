"""A terminal for the tests: a pseudo-terminal, a program on it, and what one would see.

    with Screen(program, "top", columns=80, rows=24, env=...) as s:
        s.wait(lambda: "queued" in s.lines[3])
        s.type("jj\\r"), s.resize(40, 10), s.signal(signal.SIGTERM)
        s.lines, s.text, s.alternate, s.cursor_shown, s.wraps, s.left (what stood there before)
        s.finish()                # its exit status

It knows the sequences that haulctl writes and fails the test at any other: a
control character of somebody else's that reaches the terminal is such a one.
"""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import threading
import unicodedata

from haul import kill_quietly
from waiting import PATIENCE, WaitedTooLong

SEQUENCE = re.compile(r"\x1b\[(\??)([0-9;]*)([A-Za-z])")
PLAIN = re.compile(r"[ -~]+")


def columns_of(text):
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) or unicodedata.category(c) in ("Mn", "Me", "Cf") else
               2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def cut(line, columns):
    """Its first columns, and the marks that stand on the last of them."""
    if line.isascii():
        return line[:columns].ljust(columns)
    n = used = 0
    while n < len(line) and used + columns_of(line[n]) <= columns:
        used += columns_of(line[n])
        n += 1
    return line[:n] + " " * (columns - used)


class Screen:
    def __init__(self, *command, columns=80, rows=24, env=None, cwd=None, **popen):
        self.columns, self.rows = columns, rows
        self.main, self.alternate_lines = [""] * rows, None
        self.row = self.column = 0
        self.cursor_shown, self.wraps, self.inks = True, True, set()
        self.wrong, self.frames, self.rest = [], 0, ""
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.before = termios.tcgetattr(slave)
        self.changed = threading.Condition()
        self.process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=env, cwd=cwd,
                                        **{"start_new_session": True, **popen})
        self.slave = slave # kept open: its settings are asked for at the end
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    # what the program writes

    def _read(self):
        data = b""
        while True:
            try:
                more = os.read(self.master, 65536)
            except OSError:
                return
            if not more:
                return
            data += more
            text = data.decode("utf-8", "ignore")
            if text.encode() != data: # a character is cut
                end = max(len(data) - 3, 0)
                while end < len(data) and data[end] < 0xc0:
                    end += 1
                text, data = data[:end].decode("utf-8", "replace"), data[end:]
            else:
                data = b""
            with self.changed:
                self._take(self.rest + text)
                self.changed.notify_all()

    def _take(self, text):
        at = 0
        while at < len(text):
            c = text[at]
            if c == "\x1b":
                found = SEQUENCE.match(text, at)
                if not found and len(text) - at < 16:
                    break
                if not found:
                    self.wrong.append(text[at:at + 16])
                    at += 1
                    continue
                self._obey(*found.groups())
                at = found.end()
                continue
            if c == "\n":
                self.row = min(self.row + 1, self.rows - 1)
            elif c == "\r":
                self.column = 0
            elif unicodedata.category(c) == "Cc":
                self.wrong.append(c)
            else:
                run = PLAIN.match(text, at)
                self._put(run.group() if run else c)
                at = run.end() - 1 if run else at
            at += 1
        self.rest = text[at:]

    @property
    def lines(self):
        return self.main if self.alternate_lines is None else self.alternate_lines

    def _put(self, text):
        """A character, or a run of plain ones; what stands behind it goes: the program
        paints whole lines."""
        width = columns_of(text)
        if self.wraps and self.column + width > self.columns:
            room = self.columns - self.column
            self.lines[self.row] = cut(self.lines[self.row], self.column) + text[:room]
            self.row, self.column, text = min(self.row + 1, self.rows - 1), 0, text[room:]
            self._put(text)
            return
        if self.column + width > self.columns:
            self.wrong.append("beyond the line: %r" % text)
            return
        self.lines[self.row] = cut(self.lines[self.row], self.column) + text
        self.column += width

    def _obey(self, private, numbers, letter):
        if private:
            on = letter == "h"
            if numbers == "1049":
                self.alternate_lines = [""] * self.rows if on else None
            elif numbers == "25":
                self.cursor_shown = on
            elif numbers == "7":
                self.wraps = on
            else:
                self.wrong.append("mode " + numbers)
        elif letter == "H" and not numbers:
            self.row = self.column = 0
            self.frames += 1
        elif letter == "J":
            self.lines[:] = [""] * self.rows
        elif letter == "K":
            self.lines[self.row] = cut(self.lines[self.row], self.column)
        elif letter == "m":
            self.inks.add(numbers)
        else:
            self.wrong.append("sequence %s%s" % (numbers, letter))

    # what the test does

    @property
    def text(self):
        return "\n".join(self.lines)

    @property
    def alternate(self):
        return self.alternate_lines is not None

    def wait(self, condition, timeout=PATIENCE):
        with self.changed:
            if not self.changed.wait_for(condition, timeout):
                raise WaitedTooLong("the screen:\n%s\nwrong: %r" % (self.text, self.wrong))

    def wait_text(self, text, timeout=PATIENCE):
        self.wait(lambda: text in self.text, timeout)

    def wait_frames(self, more=2):
        """So many frames that were begun after now."""
        seen = self.frames
        self.wait(lambda: self.frames >= seen + more)

    def type(self, keys):
        os.write(self.master, keys.encode())

    def resize(self, columns, rows):
        with self.changed:
            self.columns, self.rows = columns, rows
            if self.alternate:
                self.alternate_lines = [""] * rows
            self.main = [""] * rows
            self.row = self.column = 0
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def signal(self, number):
        self.process.send_signal(number)

    def is_restored(self):
        """The screen, the cursor, wrapping and the settings are as before."""
        return not self.alternate and self.cursor_shown and self.wraps and \
            termios.tcgetattr(self.slave)[:4] == self.before[:4]

    def hang_up(self):
        os.close(self.slave)
        os.close(self.master)
        self.slave = self.master = -1

    def finish(self, timeout=PATIENCE):
        """Its exit status, when it has given the terminal back as it was."""
        status = self.process.wait(timeout)
        self.wait(self.is_restored)
        assert self.wrong == [], self.wrong
        return status

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        if self.process.poll() is None:
            kill_quietly(self.process.pid)
            self.process.wait()
        if self.slave >= 0:
            os.close(self.slave)
            self.reader.join(PATIENCE) # the last to write has gone
            os.close(self.master)
