#!/usr/bin/python3
"""Real archives of every codec, made from Debian's own files on this machine.

    realdata.py DIR [--size SIZE] [--codec NAME ...]

makes DIR/plain.bin (SIZE bytes of a tar of /boot, /usr/lib, /usr/share/doc,
/usr/bin) and DIR/plain.bin.{gz,zst,xz,bz2,lz4}, prints their paths and sizes.
What is there already is kept, so DIR is a cache.  As a module: make(dir, size).
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tarfile

from bodies import parse_size

SOURCES = ["/boot", "/usr/bin", "/usr/share/doc", "/usr/lib", "/usr/share", "/usr/include",
           "/usr/sbin", "/etc"]
SUFFIXES = {"gzip": ".gz", "zstd": ".zst", "xz": ".xz", "bzip2": ".bz2", "lz4": ".lz4"}
COMMANDS = {
    "gzip": ["gzip", "-6", "-c", "-n"],
    "zstd": ["zstd", "-q", "-3", "-T0", "-c"],
    "xz": ["xz", "-2", "-T0", "-c"],
    "bzip2": ["bzip2", "-9", "-c"],
    "lz4": ["lz4", "-q", "-c"],
}


class Enough(Exception):
    pass


class BoundedFile:
    """A file that ends the tar when it has grown to its size."""

    def __init__(self, f, size):
        self.f, self.left = f, size

    def write(self, data):
        if self.left == 0: # tarfile closes its stream once more when it is collected
            return len(data)
        data = data[:self.left]
        self.f.write(data)
        self.left -= len(data)
        if self.left == 0:
            raise Enough
        return len(data)

    def tell(self):
        return self.f.tell()


def real_files():
    """Regular files of the system, in name order: real content, no secrets."""
    for source in SOURCES:
        for directory, names, files in os.walk(source):
            names.sort()
            for name in sorted(files):
                path = os.path.join(directory, name)
                if os.path.isfile(path) and not os.path.islink(path) and os.stat(path).st_mode & 4:
                    yield path


def make_plain(path, size):
    """size bytes of a tar of real files; the system is gone through again if it is small."""
    partial = path + ".new"
    with open(partial, "wb") as f:
        archive = tarfile.open(fileobj=BoundedFile(f, size), mode="w|")
        try:
            while True:
                for name in real_files():
                    try:
                        archive.add(name, recursive=False)
                    except PermissionError:
                        continue
        except Enough:
            pass
    os.rename(partial, path)


def sha256(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def compress(path, codec):
    """path + suffix, made by the codec's own program unless it is there."""
    packed = path + SUFFIXES[codec]
    if not os.path.exists(packed) or os.path.getmtime(packed) < os.path.getmtime(path):
        with open(packed + ".new", "wb") as out, open(path, "rb") as data:
            subprocess.run(COMMANDS[codec], stdin=data, stdout=out, check=True)
        os.rename(packed + ".new", packed)
    return packed


def make(directory, size, codecs=tuple(SUFFIXES)):
    """{"plain": path, "gzip": path, ...}; digests are in DIR/digests.json."""
    os.makedirs(directory, exist_ok=True)
    plain = os.path.join(directory, "plain.bin")
    if not os.path.exists(plain) or os.path.getsize(plain) != size:
        make_plain(plain, size)
    made = {"plain": plain}
    for codec in codecs:
        made[codec] = compress(plain, codec)
    table = os.path.join(directory, "digests.json")
    if not os.path.exists(table) or os.path.getmtime(table) < max(map(os.path.getmtime,
                                                                      made.values())):
        with open(table, "w") as f:
            json.dump({os.path.basename(p): sha256(p) for p in made.values()}, f, indent=1)
    return made


def digests(directory):
    with open(os.path.join(directory, "digests.json")) as f:
        return json.load(f)


def main():
    parser = argparse.ArgumentParser(description="real archives from this machine's files")
    parser.add_argument("directory")
    parser.add_argument("--size", default="64M")
    parser.add_argument("--codec", action="append", choices=sorted(SUFFIXES))
    args = parser.parse_args()
    made = make(args.directory, parse_size(args.size), args.codec or tuple(SUFFIXES))
    for path in made.values():
        print("%12d %s" % (os.path.getsize(path), path))


if __name__ == "__main__":
    sys.exit(main())
