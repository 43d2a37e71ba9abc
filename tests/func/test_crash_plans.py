"""kill -9 and SIGTERM at any instant, while jobs wait for each other and for times, while groups are paused,
ended and published, hooks run and the configuration changes: nothing but the time it takes is another.

HAUL_CRASH_ROUNDS=100 makes it a long one, HAUL_CRASH_SEED another one."""

import json
import os
import random

from crashplans import Stage

ROUNDS = int(os.environ.get("HAUL_CRASH_ROUNDS", "2"))
SEED = int(os.environ.get("HAUL_CRASH_SEED", random.SystemRandom().randrange(1 << 32)))


def test_kills_at_any_instant_change_nothing_but_the_time(tmp, server, capsys):
    for seed in range(SEED, SEED + ROUNDS):
        print("HAUL_CRASH_SEED=%d" % seed) # shown when it fails
        server.begin()
        with Stage(os.path.join(tmp, "r%d" % seed), server, seed) as stage:
            stage.run(acts=12, strikes=10)
            stage.finish()
            report = stage.report()
        with capsys.disabled():
            print("\nHAUL_CRASH_SEED=%d: %s" % (seed, json.dumps(report)))
