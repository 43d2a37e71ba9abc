"""hauld-store, the real binary, spoken to in raw frames: what hauld must never
say to it, its end, and what is in its database afterwards."""

import contextlib
import os
import shutil
import sqlite3
import struct
import subprocess

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.path.join(os.environ.get("HAUL_BUILD_DIR", ROOT), "hauld-store")
HELLO, LOAD, PUT, UPDATE, DELETE = range(200, 205)
JOB, LOADED, COMMITTED, FAILED, FATAL = range(210, 215)
NONSENSE = "hauld-store: what hauld says makes no sense (is it of another build?)\n"


def frame(kind, payload=b"", number=0, version=1):
    return struct.pack("<IHBBQ", len(payload), kind, version, 0, number) + payload


def load(committed=0, after=0):
    return frame(LOAD, struct.pack("<Q", after), committed)


def job(number, spec=b"spec", text=b"", state=3, ended=0):
    data = struct.pack("<QBIqBIQQQqHHHH", number, 0, 1000, 1700000000, state, 2, 30, 40, 50, ended, 5, 404, 0, len(text))
    data += text + struct.pack("<I", 0)
    return data if spec is None else data + struct.pack("<I", len(spec)) + spec


def put(seq, number):
    return frame(PUT, job(number), seq)


def delete(seq, number):
    return frame(DELETE, struct.pack("<Q", number), seq)


class Store:
    def __init__(self, directory):
        self.process = subprocess.Popen([PROGRAM, str(directory)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        kind, _, build = self.read()
        assert kind == HELLO
        self.hello = frame(HELLO, build)

    def say(self, *data):
        self.process.stdin.write(b"".join(data))
        self.process.stdin.flush()

    def read(self):
        head = self.process.stdout.read(16)
        if not head:
            return None
        length, kind, _, _, number = struct.unpack("<IHBBQ", head)
        payload = self.process.stdout.read(length)
        return kind, number, payload[2:].decode() if kind in (FAILED, FATAL) else payload

    def end(self):
        """Exit status and what it logged, after the end of what it is told."""
        _, errors = self.process.communicate(timeout=60)
        return self.process.returncode, errors.decode()


@pytest.fixture
def store(tmp_path):
    child = Store(tmp_path)
    yield child
    child.process.kill()
    child.process.wait()
    for pipe in (child.process.stdin, child.process.stdout, child.process.stderr):
        pipe.close()


def execute(directory, statement):
    with contextlib.closing(sqlite3.connect(directory / "jobs.db")) as db, db:
        return db.execute(statement).fetchall()


def rows(directory, what="id"):
    return execute(directory, f"SELECT {what} FROM job ORDER BY id")


def test_changes_are_in_the_database_when_they_are_committed(store, tmp_path):
    store.say(store.hello, load())
    assert store.read() == (LOADED, 0, struct.pack("<Q", 0))
    store.say(put(1, 7), frame(PUT, job(8, text=b"gone"), 2),
              frame(UPDATE, job(8, spec=None, text=b"no such file"), 3), delete(4, 9))
    seen = 0
    while seen < 4:
        kind, seen, _ = store.read()
        assert kind == COMMITTED
    assert store.end() == (0, "")
    assert rows(tmp_path, "id, state, code, http_status, text, spec") == [
        (7, 3, 5, 404, "", b"spec"), (8, 3, 5, 404, "no such file", b"spec")]
    assert os.listdir(tmp_path) == ["jobs.db"]


def test_the_end_of_file_commits_what_came(store, tmp_path):
    store.say(store.hello, load(), *(put(n, n) for n in range(1, 1001)))
    assert store.end() == (0, "")
    assert len(rows(tmp_path)) == 1000


def test_a_reader_that_has_gone_does_not_stop_it(store, tmp_path):
    store.process.stdout.close()
    store.say(store.hello, load(), put(1, 1), put(2, 2))
    store.process.stdin.close()
    assert store.process.wait(60) == 0
    assert rows(tmp_path) == [(1,), (2,)]


def test_sequence_numbers_go_on_from_what_was_committed(store):
    store.say(store.hello, load(committed=2**63), put(2**63 + 1, 1))
    assert store.read()[0] == LOADED
    assert store.read() == (COMMITTED, 2**63 + 1, b"")


def test_only_greater_ids_are_loaded(store, tmp_path):
    store.say(store.hello, load(), put(1, 1), put(2, 2), put(3, 3))
    assert store.end() == (0, "")
    again = Store(tmp_path)
    again.say(again.hello, load(after=2))
    kind, number, payload = again.read()
    assert (kind, number, payload) == (JOB, 0, job(3))
    assert again.read() == (LOADED, 0, struct.pack("<Q", 3))
    assert again.end() == (0, "")


@pytest.mark.parametrize("bad", [
    b"\xff" * 16,
    frame(HELLO),
    load(),
    put(4, 9),
    put(2, 9),
    put(1, 9),
    frame(PUT, job(0), 3),
    frame(PUT, job(9)[:-1], 3),
    frame(UPDATE, job(9), 3),
    frame(DELETE, b"", 3),
    frame(COMMITTED, b"", 3),
    frame(PUT, job(9), 3, version=2),
], ids=["noise", "hello", "load", "gap", "again", "back", "id", "cut", "long", "empty", "up", "version"])
def test_nonsense_ends_it_and_what_was_before_is_kept(store, tmp_path, bad):
    store.say(store.hello, load(), put(1, 1), put(2, 2), bad)
    assert store.end() == (1, NONSENSE)
    assert rows(tmp_path) == [(1,), (2,)]


@pytest.mark.parametrize("first", [load(), frame(HELLO, b"\x05\0other"), frame(HELLO)])
def test_who_does_not_greet_is_not_heard(store, first):
    store.say(first)
    assert store.end() == (1, NONSENSE)


def test_changes_come_after_load(store, tmp_path):
    store.say(store.hello, put(1, 1))
    assert store.end() == (1, NONSENSE)
    assert rows(tmp_path) == []


@pytest.mark.parametrize("change, said", [
    ("UPDATE job SET state = 99 WHERE id = 2", "job 2 in it makes no sense"),
    ("UPDATE job SET received = -1 WHERE id = 2", "job 2 in it makes no sense"),
    ("UPDATE job SET spec = zeroblob(300000) WHERE id = 2", "job 2 in it makes no sense"),
    ("DELETE FROM ids", "is damaged (database disk image is malformed)"),
    ("DROP TABLE job", "is damaged (no such table: job)"),
])
def test_a_database_that_was_in_other_hands_is_refused(store, tmp_path, change, said):
    store.say(store.hello, load(), put(1, 1), put(2, 2))
    assert store.end() == (0, "")
    execute(tmp_path, change)
    again = Store(tmp_path)
    with contextlib.suppress(BrokenPipeError): # it may have seen enough
        again.say(again.hello, load())
    kind, _, text = again.read()
    if kind == JOB:
        kind, _, text = again.read()
    assert kind == FATAL and said in text
    assert f"{tmp_path}/jobs.db is damaged (" in text
    assert again.end() == (78, "")


def cut_short(directory):
    """jobs.db and its journal as a power cut leaves them in the middle of the first transaction."""
    db = sqlite3.connect(directory / "made.db", isolation_level=None)
    for statement in ("PRAGMA cache_size = 1", "BEGIN", "CREATE TABLE job (text)"):
        db.execute(statement)
    db.executemany("INSERT INTO job VALUES (?)", [("x" * 1000,)] * 1000)
    shutil.copy(directory / "made.db", directory / "jobs.db")
    shutil.copy(directory / "made.db-journal", directory / "jobs.db-journal")
    db.rollback()
    db.close()
    (directory / "made.db").unlink()
    assert not (directory / "jobs.db").read_bytes().startswith(b"SQLite") and (directory / "jobs.db").stat().st_size


def test_a_first_start_that_was_cut_short_is_begun_anew(store, tmp_path):
    store.end()
    state = tmp_path / "cut"
    state.mkdir()
    cut_short(state)
    again = Store(state)
    again.say(again.hello, load(), put(1, 1))
    assert again.read() == (LOADED, 0, struct.pack("<Q", 0))
    assert again.end() == (0, "")
    assert rows(state) == [(1,)]


def test_garbage_with_a_journal_of_garbage_is_left_alone(store, tmp_path):
    store.end()
    state = tmp_path / "garbage"
    state.mkdir()
    for name in ("jobs.db", "jobs.db-journal"):
        (state / name).write_bytes(b"this is no database at all " * 1000)
    again = Store(state)
    with contextlib.suppress(BrokenPipeError):
        again.say(again.hello, load())
    kind, _, text = again.read()
    assert kind == FATAL and "is damaged (" in text
    assert again.end() == (78, "")
    assert (state / "jobs.db").read_bytes() == b"this is no database at all " * 1000


def test_the_command_line():
    def run(*args):
        return subprocess.run([PROGRAM, *args], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)

    assert run("--version").stdout.startswith("hauld-store ")
    for args in [(), ("a", "b"), ("--help",)]:
        done = run(*args)
        assert done.returncode == 2 and done.stderr.startswith("usage: hauld-store DIRECTORY\n")
