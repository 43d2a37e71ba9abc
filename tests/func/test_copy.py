"""What a file: url names may change while it is copied."""

import os

import pytest
from bodies import body
from faults import HANG, Board, FaultyService, rule
from waiting import wait_until

MIB = 1 << 20
SIZE = 20 * MIB # more than two pieces of a copy


def shorten(f):
    f.truncate(12 * MIB)


def write_again(f):
    f.seek(0)
    f.write(b"another beginning")


@pytest.mark.parametrize("change", [shorten, write_again])
def test_a_source_that_changes_meanwhile_is_copied_anew(tmp, change):
    """What was copied is of two files: it is never published."""
    source, board = os.path.join(tmp, "source"), Board(tmp)
    with open(source, "wb") as f:
        f.write(body(SIZE))
    with FaultyService(os.path.join(tmp, "s"), board, rule("hauld-worker", "copy_file_range", nth=2, error=HANG)) as s, s.client() as c:
        job, = c.add({"url": "file://" + source, "output": "copy", "allow-file": True, "retry": 1, "retry-delay": "1ms"})
        wait_until(lambda: board.hits)
        assert not os.path.exists(s.path("copy"))
        with open(source, "r+b") as f:
            change(f)
        board.end()
        ended = c.wait_job(job)
        assert ended["state"] == "done" and ended["attempts"] == 2, ended
        with open(source, "rb") as f, open(s.path("copy"), "rb") as copy:
            assert f.read() == copy.read()
