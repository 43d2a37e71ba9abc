"""That the loop is never late (DESIGN I1), said in one place.

    @asked_again
    def test_many_of_them(serve):
        ...
        assert_never_late(c)                    # no callback of this hauld took 20 ms of CPU
        assert_never_late(c, before)            # none since before = loop(c)

On a shared machine a callback that takes 3 ms is now and then charged 70: what its host takes
for others counts as ours.  A fault of ours is there each time, that is not: only who is late
in three runs of the same test is late.
"""

import functools

from service import sanitized

RUNS = 3


class Late(AssertionError):
    pass


def asked_again(test):
    @functools.wraps(test)
    def run(*args, **kwargs):
        for _ in range(RUNS - 1):
            try:
                return test(*args, **kwargs)
            except Late as e:
                print("once more: %s" % e)
        return test(*args, **kwargs)
    return run


def loop(c):
    return c.call("status")["loop"]


def assert_never_late(c, before=None):
    """Returns what status says of the loop.  With a sanitizer CPU time is no measure."""
    now = loop(c)
    if not sanitized() and now["late_cpu"] > (before["late_cpu"] if before else 0):
        raise Late("a callback took 20 ms of CPU or more: %r" % now)
    return now
