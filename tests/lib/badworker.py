#!/usr/bin/python3
"""A hauld-worker that misbehaves (for --worker-path): it stands before a real one,
$HAUL_BUILD_DIR/hauld-worker, and hands all frames on to it, until a task comes
whose destination has one of these words in it:

    crash-always   the process dies by a signal while it is in the task
    hang-always    it stays in the task and does nothing more
    lie-always     it answers with a frame that makes no sense
    crash-once hang-once lie-once   the same, but only the first time (a file in
                   the directory $BAD_WORKER_DIR is the mark)
    lost-once      the real worker does all of the task, and the process is
                   killed before its RESULT leaves
    late-once      its RESULT leaves when hauld has asked for its end, and not before;
                   "a result is late" on stderr says that it is there

Before the first three it writes the task into the shared page, as a real worker
in a slice; a worker that is killed behind its last rename names nothing.
"""

import mmap
import os
import re
import resource
import select
import signal
import struct
import subprocess
import threading
import time

HEADER = struct.Struct("<IHBBQ") # length, type, version, flags, id: src/wire/frame.h
WORK_TASK, WORK_CANCEL, WORK_PARK, WORK_RESULT = 100, 103, 105, 112
TASK_PROCESS = 1
WORDS = re.compile(rb"(crash|hang|lie|lost|late)-(always|once)")
HERE = os.path.dirname(os.path.abspath(__file__))


def worker_path():
    build = os.environ.get("HAUL_BUILD_DIR") or os.path.dirname(os.path.dirname(HERE))
    return os.path.join(build, "hauld-worker")


def frames(fd):
    """(header fields, whole frame) of everything that comes from there."""
    data = bytearray()
    while True:
        while len(data) >= HEADER.size:
            fields = HEADER.unpack_from(data)
            end = HEADER.size + fields[0]
            if len(data) < end:
                break
            yield fields, bytes(data[:end])
            del data[:end]
        more = os.read(fd, 1 << 16)
        if not more:
            return
        data += more


def what_to_do(fields, frame):
    """ "crash", "hang", "lie", "lost", "late", or None."""
    if fields[1] != WORK_TASK or frame[HEADER.size] != TASK_PROCESS:
        return None
    found = WORDS.search(frame)
    if not found:
        return None
    if found[2] == b"once":
        mark = os.path.join(os.environ["BAD_WORKER_DIR"], found[0].decode())
        if found[1] == b"late": # all of its tasks, until one of them was asked for its end
            return None if os.path.exists(mark) else "late"
        try:
            os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return None
    return found[1].decode()


class Relay(threading.Thread):
    """What the real worker says goes out; .greeted is set with its first words."""

    def __init__(self, pipe):
        super().__init__(daemon=True)
        self.pipe = pipe
        self.greeted = threading.Event()
        self.lost = set() # tasks whose RESULT nobody will hear
        self.late = {} # RESULT by task: None: it has not come yet
        self.lock = threading.Lock()

    def run(self):
        for fields, frame in frames(self.pipe.fileno()):
            if fields[1] == WORK_RESULT and fields[4] in self.lost:
                os.kill(os.getpid(), signal.SIGKILL)
            with self.lock:
                if fields[1] == WORK_RESULT and fields[4] in self.late:
                    self.late[fields[4]] = frame
                    os.write(2, b"badworker: a result is late\n")
                    continue
            os.write(1, frame)
            self.greeted.set()
        self.greeted.set()

    def release(self, task):
        """hauld asks for its end."""
        with self.lock:
            frame = self.late.pop(task, None)
        if frame:
            open(os.path.join(os.environ["BAD_WORKER_DIR"], "late-once"), "w").close()
            os.write(1, frame)


def misbehave(how, task, child, relay):
    relay.greeted.wait() # a worker that dies without a HELLO is another story
    child.kill()
    child.wait()
    relay.join()
    page = mmap.mmap(3, 16)
    page[:16] = struct.pack("<QQ", task, time.monotonic_ns())
    if how == "crash":
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.signal(signal.SIGSEGV, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGSEGV)
    if how == "lie":
        payload = b"this is no result"
        os.write(1, HEADER.pack(len(payload), WORK_RESULT, 1, 0, task) + payload)
    poll = select.poll()
    poll.register(0, 0) # nothing is read, but hauld's end is noticed
    while not poll.poll() or not poll.poll()[0][1] & select.POLLHUP:
        pass


def main():
    child = subprocess.Popen([worker_path()], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, pass_fds=(3,))
    relay = Relay(child.stdout)
    relay.start()
    for fields, frame in frames(0):
        how = what_to_do(fields, frame)
        if how == "lost":
            relay.lost.add(fields[4])
        elif how == "late":
            relay.late[fields[4]] = None
        elif how:
            misbehave(how, fields[4], child, relay)
            return 1
        if fields[1] in (WORK_CANCEL, WORK_PARK):
            relay.release(fields[4])
        try:
            child.stdin.write(frame)
            child.stdin.flush()
        except BrokenPipeError:
            break
    try:
        child.stdin.close()
    except BrokenPipeError:
        pass
    status = child.wait()
    relay.join()
    return status


if __name__ == "__main__":
    os._exit(main() & 255)
