"""Waiting for a condition, with an end and a reason."""

import time


class WaitedTooLong(AssertionError):
    pass


def wait_until(condition, timeout=20.0, why=None):
    """Polls every 10 ms; returns the first true value.  why: a callable for the error."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise WaitedTooLong(why() if why else "waited %g s in vain" % timeout)
        time.sleep(0.01)
