"""kill -9 at any instant, and SIGTERM, and pauses: nothing is wrong, half, lost or left over.

HAUL_CRASH_KILLS=1000 makes it a long one, HAUL_CRASH_SEED another one."""

import json
import os
import random

from crash import Exercise

KILLS = int(os.environ.get("HAUL_CRASH_KILLS", "12"))
SEED = int(os.environ.get("HAUL_CRASH_SEED", random.SystemRandom().randrange(1 << 32)))


def exercise(tmp, server, data_dir, capsys, strikes, **options):
    print("HAUL_CRASH_SEED=%d" % SEED) # shown when it fails
    with Exercise(tmp, server, data_dir, SEED, **options) as x:
        x.run(strikes)
        x.finish()
        report = x.report()
    with capsys.disabled():
        print("\n%d strikes, HAUL_CRASH_SEED=%d: %s" % (strikes, SEED, json.dumps(report)))
    assert report["judged"] >= report["acknowledged"] > strikes
    return report


def test_kills_at_any_instant_lose_nothing_and_show_nothing_half(tmp, server, data_dir, capsys):
    exercise(tmp, server, data_dir, capsys, KILLS)


def test_parks_at_any_instant_lose_nothing_and_show_nothing_half(tmp, server, data_dir, capsys):
    exercise(tmp, server, data_dir, capsys, max(5, KILLS // 10), targets={"term": 1})
