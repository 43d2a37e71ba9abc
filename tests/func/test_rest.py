"""What servers make of the question for the rest of a file."""

import os

import pytest
from bodies import body, digest
from haul import assert_done, assert_failed

SIZE = 3 << 20
LAST_MODIFIED = 1700000000


def header(request, name):
    return dict(request["headers"]).get(name)


def run(h, job, **options):
    return h.once_jobs([{"name": "j", "output": "j", "retry": 8, **job}], **options)


@pytest.mark.parametrize("check", [True, False], ids=["checksum", "none"])
def test_a_rest_without_a_length_is_counted(h, server, check):
    """Content-Range says how much it is: no other proof is missing."""
    job = {"checksum": digest(body(SIZE))} if check else {}
    result = run(h, {"url": server.url("/rest/3M/close?key=close-%d" % check), **job})
    assert_done(result)
    h.expect({"j": body(SIZE)})
    assert len(server.requests("/rest/")) == 2


def test_a_rest_without_a_length_that_is_cut_goes_on(h, server):
    result = run(h, {"url": server.url("/rest/3M/close?key=close-cut&cut=2")})
    assert_done(result)
    h.expect({"j": body(SIZE)})
    starts = [header(r, "Range") for r in server.requests("/rest/")]
    assert starts[0] is None and len(set(starts)) == 4, starts


def test_a_rest_that_does_not_name_the_time_has_that_of_the_file(h, server):
    """RFC 9110 15.3.7: such an answer need not tell Last-Modified again."""
    result = run(h, {"url": server.url("/rest/300K/bare?key=bare"), "remote-time": True})
    assert_done(result)
    h.expect({"j": body(300 << 10)})
    assert [bool(header(r, "Range")) for r in server.requests("/rest/")] == [False, True]
    assert int(os.stat(h.path("j")).st_mtime) == LAST_MODIFIED


def test_a_rest_without_end_is_stopped_at_the_end_of_the_file(h, server):
    result = run(h, {"url": server.url("/rest/3M/endless?key=endless"), "checksum": digest(body(SIZE))})
    assert_done(result)
    h.expect({"j": body(SIZE)})
    assert result.job("j")["attempts"] <= 3


def test_what_is_left_on_a_connection_is_no_answer_to_the_next(h, server):
    """A kept connection has bytes of its last answer: the request is made over another one."""
    jobs = [{"name": "j%d" % i, "output": "j%d" % i, "url": server.url("/leftover/1000?key=left&n=%d" % i), "retry": 0} for i in range(2)]
    jobs[1]["after"] = ["j0"]
    jobs[1]["delay"] = "1s"
    result = h.once_jobs(jobs)
    assert_done(result)
    h.expect({"j0": body(1000), "j1": body(1000)})
