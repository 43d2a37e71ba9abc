"""The power goes at any sync, and between them: what a disk may then hold is judged and gone on from.

HAUL_POWERCUT_POINTS=all (or a number) looks at all instants, HAUL_POWERCUT_STARTS=N starts hauld
on so many of the states, HAUL_POWERCUT_SEED makes other jobs and chances."""

import json
import os
import random
import re

import pytest
from powercutlab import Lab, shim
from servers import header_of
from service import sanitized
from setlab import SetLab

POINTS = os.environ.get("HAUL_POWERCUT_POINTS", "60")
STARTS = int(os.environ.get("HAUL_POWERCUT_STARTS", "40"))
SEED = int(os.environ.get("HAUL_POWERCUT_SEED", random.SystemRandom().randrange(1 << 32)))


@pytest.fixture
def cut(tmp, server, data_dir):
    """cut(lie): a place where a disk is recorded."""
    if sanitized() or not os.path.exists(shim()):
        pytest.skip("no %s, or one with a sanitizer: `make check` makes it" % shim())
    print("HAUL_POWERCUT_SEED=%d" % SEED) # shown when it fails

    return lambda lie=None, kind=Lab: kind(tmp, server, data_dir, SEED, lie)


def test_no_disk_shows_half_a_file_or_lacks_a_job(cut, capsys):
    one = cut()
    one.record()
    points = None if POINTS == "all" else int(POINTS)
    one.choose(points)
    starts = set(random.Random(SEED).sample(range(one.expected), min(STARTS, one.expected)))
    for n, state in enumerate(one.states()):
        fault = one.fault_of(state)
        assert not fault, "before operation %d, %s: %s" % (state.at, state.how, fault)
        if n in starts:
            one.start_on(state)
    with capsys.disabled():
        print("\npower cuts, HAUL_POWERCUT_SEED=%d: %s" % (SEED, json.dumps(one.counts)))
    assert one.counts["states"] == one.expected and one.counts["starts"] == len(starts)


def test_a_parked_download_goes_on_behind_a_power_cut(cut, server):
    """What a stop has saved is on the disk: at its end, nothing is missing that was not synced."""
    one = cut()
    job, came = one.record_park()
    one.choose(None)
    for state in one.states():
        assert not one.fault_of(state)
        if state.at == len(one.ops):
            server.mark()
            one.start_on(state)
            asked, = server.requests("n=%d&" % job.number)
            assert int(header_of(asked, "Range")[len("bytes="):-1]) >= came, state.how


def test_a_set_is_the_old_one_or_the_new_one_on_every_disk(cut, capsys):
    """publish = "atomic": never a mix, never done before it stands there, and nothing is left of it."""
    one = cut(kind=SetLab)
    one.record()
    one.choose(None)
    starts = set(random.Random(SEED).sample(range(one.expected), min(STARTS // 2, one.expected)))
    for n, state in enumerate(one.states()):
        fault = one.fault_of(state)
        assert not fault, "before operation %d, %s: %s" % (state.at, state.how, fault)
        if n in starts:
            one.start_on(state)
    with capsys.disabled():
        print("\npower cuts of a set, HAUL_POWERCUT_SEED=%d: %s" % (SEED, json.dumps(one.counts)))
    assert one.counts["states"] == one.expected and one.counts["starts"] == len(starts)


@pytest.mark.parametrize("lie", ["hauld-worker:dir", "hauld-worker:file"])
def test_a_set_whose_syncs_are_none_is_found(cut, lie):
    one = cut(lie, SetLab)
    one.record()
    one.choose(None)
    fault = next(filter(None, (one.fault_of(state) for state in one.states())), None)
    assert fault and re.search("none of the sets|stands there", fault), fault


KEEP = {"decompress": "gzip", "keep-download": "kept/new/file"}


@pytest.mark.parametrize("asset, keys, syncs, quick", [
    ("crash-1048576", {}, 1, True),
    ("crash-1048576", {}, 2, True),
    ("crash-1000", {}, 1, False),
    ("crash-gzip-1048576", {"decompress": "gzip"}, 1, True),
    ("crash-gzip-1048576", KEEP, 1, False), # the kept file's directory, with two above it
    ("crash-gzip-1048576", KEEP, 4, True),
], ids=["plain", "above", "small", "packed", "kept", "behind-kept"])
def test_a_life_that_ended_behind_its_rename_is_made_good(cut, asset, keys, syncs, quick):
    one = cut()
    assert one.record_death(syncs, asset, **keys) == quick
    one.choose(None)
    assert [(state.at, state.how, fault) for state in one.states() if (fault := one.fault_of(state))] == []


@pytest.mark.parametrize("lie, told", [
    ("hauld-worker:file", "not those that are wanted"),
    ("hauld-worker:dir", "is not there"),
    ("hauld-store:file", "damaged"),
    ("hauld-store:dir", "acknowledged and is not there|damaged"),
    ("all", ""),
])
def test_syncs_that_are_none_are_found(cut, lie, told):
    """Who renames before the bytes are there, or answers too early, is caught by the same look."""
    one = cut(lie)
    one.record(brief=True)
    one.choose(None)
    faults = (one.fault_of(state) for state in one.states())
    fault = next(filter(None, faults), None)
    assert fault and re.search(told, fault), fault
