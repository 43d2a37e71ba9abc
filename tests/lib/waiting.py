"""Waiting for a condition, with an end and a reason.

PATIENCE bounds what only a failure waits for.  No test asks for less: how long things
take on a busy machine is nobody's to say.  What must be quick is said otherwise: by what
has not happened yet, or against something that takes much longer than PATIENCE.
"""

import time

PATIENCE = 120.0


class WaitedTooLong(AssertionError):
    pass


def wait_until(condition, timeout=PATIENCE, why=None):
    """Polls every 10 ms; returns the first true value.  why: a callable for the error."""
    timeout = max(timeout, PATIENCE)
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise WaitedTooLong(why() if why else "waited %g s in vain" % timeout)
        time.sleep(0.01)
