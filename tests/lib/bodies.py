"""Deterministic bodies: what the test servers send and the tests compare with."""

import functools
import hashlib
import random

BLOCK = 1 << 20
UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def parse_size(text):
    """ "17", "256K", "2M", and with a difference: "256K+1", "256K-1"."""
    for sign in "+-":
        if sign in text[1:]:
            at = text.index(sign, 1)
            return parse_size(text[:at]) + int(text[at:])
    if text[-1:].upper() in UNITS:
        return int(text[:-1]) * UNITS[text[-1].upper()]
    return int(text)


@functools.lru_cache(maxsize=16)
def _block(seed):
    return random.Random(seed).randbytes(BLOCK)


def piece(seed, index):
    """The index-th block of 1 MiB: pseudo-random, each one different."""
    block = _block(str(seed))
    return index.to_bytes(8, "big") + block[8:]


@functools.lru_cache(maxsize=32)
def body(size, seed=0):
    """The whole body of that size."""
    blocks = range((size + BLOCK - 1) // BLOCK)
    return b"".join(piece(seed, i) for i in blocks)[:size]


def body_range(size, seed, start, end):
    """Bytes start to end (not included) of that body, a block at a time."""
    at = start
    end = min(end, size)
    while at < end:
        index, skip = divmod(at, BLOCK)
        data = piece(seed, index)[skip:skip + end - at]
        yield data
        at += len(data)


def digest(data, algo="sha256"):
    """ "sha256:hex" as haul's settings want it."""
    return "%s:%s" % (algo, hashlib.new(algo, data).hexdigest())
