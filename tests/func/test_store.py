"""hauld-store, the real binary, spoken to in raw frames: what hauld must never
say to it, its end, and what is in its database afterwards."""

import contextlib
import os
import shutil
import sqlite3
import struct
import subprocess
import time

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.path.join(os.environ.get("HAUL_BUILD_DIR", ROOT), "hauld-store")
HELLO, LOAD, PUT, UPDATE, DELETE = range(200, 205)
LIMITS, KEY, DROP_KEY, NOTE = range(205, 209)
JOB, LOADED, COMMITTED, FAILED, FATAL, EXPIRED, ENDED, NAMED, KEPT_KEY, LEFT = range(210, 220)
READ_HELLO, FIND, LIST = range(230, 233)
READ_JOB, READ_END, READ_FAILED, READ_FATAL = range(240, 244)
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
    def __init__(self, directory, *options, hello=HELLO):
        self.process = subprocess.Popen([PROGRAM, *options, str(directory)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        kind, _, build = self.read()
        assert kind == hello
        self.hello = frame(hello, build)

    def say(self, *data):
        self.process.stdin.write(b"".join(data))
        self.process.stdin.flush()

    def read(self):
        head = self.process.stdout.read(16)
        if not head:
            return None
        length, kind, _, _, number = struct.unpack("<IHBBQ", head)
        payload = self.process.stdout.read(length)
        return kind, number, payload[2:].decode() if kind in (FAILED, FATAL, READ_FAILED, READ_FATAL) else payload

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
    frame(KEY, b"", 3),
    frame(DROP_KEY, b"", 3),
    frame(LIMITS, b""),
    frame(NOTE, b"", 3),
    frame(PUT, job(9, ended=-1), 3),
], ids=["noise", "hello", "load", "gap", "again", "back", "id", "cut", "long", "empty", "up", "version", "key", "drop",
        "limits", "note", "ended"])
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


# ---- jobs that are over, keys

def packed(**settings):
    """A packed spec of strings: name, output, url, group."""
    numbers = {"name": 80, "url": 81, "output": 82, "group": 91}
    return b"".join(struct.pack("<BH", numbers[k], len(v)) + v.encode() + b"\0" for k, v in settings.items())


def limits(count, age=0):
    return frame(LIMITS, struct.pack("<QQ", count, age))


def over(seq, number, ended, state=4, **settings):
    settings = {"url": "http://h/%d" % number, "output": "/srv/%d" % number, **settings}
    return frame(PUT, job(number, state=state, ended=ended, spec=packed(**settings)), seq)


def key(seq, first, n, word=b"0/k", names=b""):
    data = struct.pack("<QIqH", first, n, 1700000000, len(word)) + word + struct.pack("<I", len(names)) + names
    return frame(KEY, data, seq)


def committed(store, upto):
    """All that comes until that is committed."""
    seen = []
    while not seen or seen[-1][:2] != (COMMITTED, upto):
        seen.append(store.read())
    return [m for m in seen if m[0] != COMMITTED]


def test_what_is_over_is_told_by_number_and_name_only(store, tmp_path):
    store.say(store.hello, load(), put(1, 1), over(2, 2, 100, name="fred"), over(3, 3, 101, state=5), over(4, 4, 102))
    assert store.read()[0] == LOADED
    assert committed(store, 4)[-1] == (ENDED, 0, struct.pack("<QQQ", 2, 1, 0))
    assert store.end() == (0, "")
    again = Store(tmp_path)
    again.say(again.hello, load())
    seen = []
    while not seen or seen[-1][0] != LOADED:
        seen.append(again.read())
    assert [m[0] for m in seen] == [LEFT, LEFT, LEFT, JOB, NAMED, ENDED, LOADED]
    assert seen[0][2] == struct.pack("<QH", 4, 6) + b"/srv/4" # the last to end is the first
    assert seen[4][2] == struct.pack("<QH", 2, 4) + b"fred"
    assert seen[5][2] == struct.pack("<QQQ", 2, 1, 0)


def test_the_oldest_go_with_the_limit(store, tmp_path):
    store.say(store.hello, limits(2), load())
    assert store.read()[0] == LOADED
    store.say(*(over(n, n, 1000 - n) for n in range(1, 6)))
    told = committed(store, 5)
    expired = b"".join(m[2] for m in told if m[0] == EXPIRED)
    assert struct.unpack("<3Q", expired) == (5, 4, 3)
    assert told[-1] == (ENDED, 0, struct.pack("<QQQ", 2, 0, 0))
    store.say(limits(1)) # nothing else is to be done: at once
    assert store.read() == (EXPIRED, 0, struct.pack("<Q", 2))
    assert store.read() == (ENDED, 0, struct.pack("<QQQ", 1, 0, 0))
    assert rows(tmp_path) == [(1,)]


def test_the_oldest_go_with_their_age(store, tmp_path):
    now = int(time.time())
    store.say(store.hello, limits(100, 5), load(), over(1, 1, now - 100), over(2, 2, now), put(3, 3))
    assert store.read()[0] == LOADED
    assert (EXPIRED, 0, struct.pack("<Q", 1)) in committed(store, 3)
    assert store.read() == (EXPIRED, 0, struct.pack("<Q", 2)) # when its time has come
    assert store.end() == (0, "") and rows(tmp_path) == [(3,)]


def test_keys_are_told_with_their_jobs_or_not_at_all(store, tmp_path):
    store.say(store.hello, load(), key(1, 1, 2, names=b"a\0\0"), put(2, 1), put(3, 2), key(4, 3, 1, b"0/gone"), put(5, 3),
              frame(DROP_KEY, struct.pack("<Q", 3), 6), key(7, 4, 3), put(8, 4))
    assert store.end() == (0, "")
    again = Store(tmp_path)
    again.say(again.hello, load())
    seen = [again.read() for _ in range(5)]
    assert [m[0] for m in seen] == [KEPT_KEY, JOB, JOB, JOB, LOADED]
    assert seen[0] == (KEPT_KEY, 0, key(0, 1, 2, names=b"a\0\0")[16:])
    assert again.end() == (0, "")
    assert rows(tmp_path) == [(1,), (2,), (3,)]


V1 = """CREATE TABLE job (id INTEGER PRIMARY KEY, from_config INTEGER NOT NULL, uid INTEGER NOT NULL,
 added_s INTEGER NOT NULL, state INTEGER NOT NULL, attempts INTEGER NOT NULL, received INTEGER NOT NULL,
 published INTEGER NOT NULL, run_ms INTEGER NOT NULL, code INTEGER NOT NULL, http_status INTEGER NOT NULL,
 os_error INTEGER NOT NULL, text TEXT NOT NULL, receipt BLOB NOT NULL, spec BLOB NOT NULL) STRICT;
CREATE TABLE ids (last INTEGER NOT NULL) STRICT;
INSERT INTO ids VALUES (9);
PRAGMA application_id = 0x6861756c; PRAGMA user_version = 1; PRAGMA journal_mode = WAL;"""


def test_a_database_of_the_first_version_is_taken_over(tmp_path):
    with contextlib.closing(sqlite3.connect(tmp_path / "jobs.db")) as db:
        db.executescript(V1)
        for number, state, from_config in ((1, 0, 0), (2, 4, 0), (3, 5, 0), (4, 4, 1)):
            db.execute("INSERT INTO job VALUES (?, ?, 0, 1700000000, ?, 1, 0, 0, 5000, 0, 0, 0, '', ?, ?)",
                       (number, from_config, state, b"", packed(url="http://h/", output="/x", name="n%d" % number)))
        db.commit()
    store = Store(tmp_path)
    store.say(store.hello, load())
    seen = []
    while not seen or seen[-1][0] != LOADED:
        seen.append(store.read())
    assert [struct.unpack_from("<Q", m[2])[0] for m in seen if m[0] == JOB] == [1, 4]
    assert [struct.unpack_from("<Q", m[2])[0] for m in seen if m[0] == NAMED] == [2, 3]
    assert seen[-1] == (LOADED, 0, struct.pack("<Q", 9))
    assert store.end() == (0, "")
    assert rows(tmp_path, "id, ended_s") == [(1, 0), (2, 1700000005), (3, 1700000005), (4, 1700000005)]
    assert execute(tmp_path, "PRAGMA user_version") == [(3,)]


# ---- the reader

def read_list(number, states=0xffffffff, since=-2**63, until=2**63 - 1, patterns=(None,) * 4, by_end=False, after=0,
              upto=2**63 - 1, after_s=2**63 - 1, jobs=1000):
    data = struct.pack("<Iqq", states, since, until)
    for p in patterns:
        data += b"\0" if p is None else struct.pack("<BH", 1, len(p)) + p
    return frame(LIST, data + struct.pack("<BQQqI", by_end, after, upto, after_s, jobs), number)


def find(number, *ids):
    return frame(FIND, struct.pack("<%dQ" % len(ids), *ids), number)


class Reader(Store):
    def __init__(self, directory):
        super().__init__(directory, "--read", hello=READ_HELLO)

    def ids(self, number):
        """Of the answer to that question, and its end: (more, id, ended_s)."""
        ids = []
        while True:
            kind, told, payload = self.read()
            assert told == number
            if kind == READ_END:
                return ids, struct.unpack("<?Qq", payload)
            assert kind == READ_JOB, (kind, payload)
            ids.append(struct.unpack_from("<Q", payload)[0])


@pytest.fixture
def history(store, tmp_path):
    """A writer that runs, and jobs: 10 to 19 are over, at the times 200 to 191; 20 is not."""
    store.say(store.hello, load(), *(over(n - 9, n, 210 - n, state=4 + n % 3, name="n%d" % n) for n in range(10, 20)),
              put(11, 20))
    assert store.read()[0] == LOADED
    committed(store, 11)
    reader = Reader(tmp_path)
    reader.say(reader.hello)
    yield reader
    reader.process.kill()
    assert reader.process.wait() is not None


def test_the_reader_finds_and_lists(history):
    history.say(find(1, 12, 20, 10, 99), read_list(2), read_list(3, by_end=True, jobs=3),
                read_list(4, by_end=True, jobs=100, after=12, after_s=198), read_list(5, after=11, upto=13),
                read_list(6, states=1 << 4), read_list(7, since=195, until=198), read_list(8, patterns=(None, b"N1*", None, None)),
                read_list(9, patterns=(None, None, b"*/17", b"http://h/1*")), read_list(10, patterns=(b"g", None, None, None)),
                read_list(11, by_end=True, until=194, since=193), find(12))
    assert history.ids(1) == ([12, 10], (False, 0, 0))
    assert history.ids(2)[0] == list(range(10, 20))
    assert history.ids(3) == ([10, 11, 12], (True, 12, 198))
    assert history.ids(4)[0] == list(range(13, 20))
    assert history.ids(5)[0] == [12, 13]
    assert history.ids(6)[0] == [12, 15, 18]
    assert history.ids(7)[0] == [13, 14, 15]
    assert history.ids(8)[0] == list(range(10, 20))
    assert history.ids(9)[0] == [17]
    assert history.ids(10)[0] == []
    assert history.ids(11)[0] == [17]
    assert history.ids(12)[0] == []
    assert history.end() == (0, "")


def test_large_jobs_are_found_and_end_a_page_early(store, tmp_path):
    store.say(store.hello, load(), *(over(n, n, n, output="/" + "x" * 15000) for n in range(1, 101)))
    assert store.read()[0] == LOADED
    committed(store, 100)
    reader = Reader(tmp_path)
    reader.say(reader.hello, find(1, *range(1, 101)), read_list(2))
    assert reader.ids(1)[0] == list(range(1, 101))
    ids, (more, last, _) = reader.ids(2)
    assert more and ids == list(range(1, last + 1)) and 60 < last < 75
    reader.say(read_list(3, after=last))
    assert reader.ids(3)[0] == list(range(last + 1, 101))
    assert reader.end() == (0, "")


def test_the_reader_sees_what_was_committed_before_it_was_asked(history, store):
    for n in range(30, 60):
        store.say(over(n - 18, n, 300))
        committed(store, n - 18)
        history.say(find(n, n))
        assert history.ids(n)[0] == [n]


@pytest.mark.parametrize("bad", [b"\xff" * 16, frame(READ_HELLO), frame(LIST, b"", 1), read_list(1, jobs=0),
                                 frame(FIND, b"123", 1), frame(FIND, b"\0" * 8008, 1), frame(READ_JOB, b"", 1), load()],
                         ids=["noise", "hello", "cut", "none", "odd", "many", "up", "load"])
def test_nonsense_ends_the_reader(history, bad):
    history.say(find(1, 10), bad)
    assert history.ids(1)[0] == [10]
    assert history.end() == (1, "hauld-store: what hauld asks makes no sense (is it of another build?)\n")


@pytest.mark.parametrize("how, said", [
    ("none", "cannot read"), ("foreign", "is the database of another program"), ("later", "is of a later hauld"),
    ("earlier", "is of an earlier hauld"), ("garbage", "is damaged (it is no database)"), ("directory", "is no regular file"),
])
def test_what_the_reader_cannot_read_is_told(tmp_path, how, said):
    path = tmp_path / "jobs.db"
    if how == "directory":
        path.mkdir()
    elif how == "garbage":
        path.write_bytes(b"nothing of that kind " * 100)
    elif how != "none":
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.executescript(V1 if how == "earlier" else "CREATE TABLE x (y); PRAGMA user_version = 99; PRAGMA application_id = %s"
                             % ("0x6861756c" if how == "later" else "7"))
    reader = Reader(tmp_path)
    with contextlib.suppress(BrokenPipeError):
        reader.say(reader.hello, find(1, 1))
    kind, _, text = reader.read()
    assert kind == READ_FATAL and said in text and str(path) in text
    with contextlib.suppress(BrokenPipeError):
        reader.process.stdin.close()
    reader.process.stdin = None
    assert reader.end() == (78, "")


def test_a_row_that_was_in_other_hands_is_told(history, tmp_path):
    execute(tmp_path, "UPDATE job SET received = -1 WHERE id = 15")
    history.say(find(1, 14, 16))
    assert history.ids(1)[0] == [14, 16]
    history.say(find(2, 15))
    kind, _, text = history.read()
    assert kind == READ_FATAL and "job 15 in it makes no sense" in text
    assert history.end() == (78, "")


def test_the_command_line():
    def run(*args):
        return subprocess.run([PROGRAM, *args], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)

    assert run("--version").stdout.startswith("hauld-store ")
    for args in [(), ("a", "b"), ("--help",), ("--read",), ("--read", "a", "b")]:
        done = run(*args)
        assert done.returncode == 2 and done.stderr.startswith("usage: hauld-store DIRECTORY\n")
