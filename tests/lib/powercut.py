"""What a disk may hold after the power went, from the log of powercut.c.

    disk = Disk(inode of a directory)      # all that was there before
    for op in read_log(path):
        for state in states_of(disk, rng): # legal remains if the power goes now
            state.tree(that inode)         # relative path -> a file, None for a directory
        disk.apply(op)

The rules are those of POSIX where they say little, so that ext4, xfs and btrfs keep them all:
- The bytes and the size of a file are on the disk after an fsync or fdatasync of it.  Before that any of
  its writes may be there or not, in any order, and one may be torn at 512 bytes or a page.
- A name is on the disk after an fsync of its directory, that of a rename after one of the directory it
  leads to.  Before that any of the changes of names may be there, but a rename is one change, and so is
  an exchange of two names in one directory.
- sync_file_range() makes nothing durable; syncfs() everything.
"""

import fcntl
import json
import os
import struct

(WRITE, TRUNCATE, ALLOCATE, SYNC, SYNC_ALL, CREATE, MKDIR, RENAME, LINK, UNLINK, ACK, UNKNOWN, EXCHANGE) = range(1, 14)
HEADER = struct.Struct("<IHHHHIQQQq")
TORN = (512, 4096)


class Op:
    def __init__(self, fields, name, to, data):
        _size, self.kind, _n, _m, _r, self.pid, self.a, self.b, self.c, self.off = fields
        self.name, self.to, self.data = name.decode(), to.decode(), data


def read_log(path):
    with open(path, "rb") as f:
        data = f.read()
    at = 0
    while at < len(data):
        fields = HEADER.unpack_from(data, at)
        names = at + HEADER.size
        to, rest = names + fields[2], names + fields[2] + fields[3]
        yield Op(fields, data[names:to], data[to:rest], data[rest:at + fields[0]])
        at += fields[0]


def acknowledge(path, **what):
    """What a client was told just now, at its place in the log."""
    data = json.dumps(what).encode()
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        os.write(fd, HEADER.pack(HEADER.size + len(data), ACK, 0, 0, 0, os.getpid(), 0, 0, 0, 0) + data)
    finally:
        os.close(fd)


# ---- one file

def apply_write(content, off, data):
    if off > len(content):
        content.extend(bytes(off - len(content)))
    content[off:off + len(data)] = data


def apply_change(content, kind, off, data):
    if kind == WRITE:
        apply_write(content, off, data)
    elif kind == ALLOCATE:
        content.extend(bytes(max(0, off - len(content))))
    elif off < len(content):
        del content[off:]
    else:
        content.extend(bytes(off - len(content)))


class File:
    """.content: what is surely there; .pending: (kind, off, data) that may be."""

    def __init__(self):
        self.content, self.pending = bytearray(), []

    def sync(self):
        for change in self.pending:
            apply_change(self.content, *change)
        self.pending = []

    def all(self):
        """As programs see it."""
        return self.with_changes(self.pending)

    def with_changes(self, changes):
        if not changes:
            return self.content
        content = bytearray(self.content)
        for change in changes:
            apply_change(content, *change)
        return content

    def some(self, rng):
        """A subset of what is pending.  What comes behind a cut of the file's size that is not
        there is not there either: blocks are given again only when they are free."""
        kept = []
        for kind, off, data in self.pending:
            stays = rng.random() < 0.5
            if kind == TRUNCATE and not stays:
                break
            if kind == WRITE and stays and rng.random() < 0.3:
                unit = rng.choice(TORN)
                at = min(len(data), (rng.randrange(len(data) + 1) + off) // unit * unit - off)
                off, data = (off, data[:max(at, 0)]) if rng.random() < 0.5 else (off + max(at, 0), data[max(at, 0):])
                stays = bool(data)
            if stays:
                kept.append((kind, off, data))
        return self.with_changes(kept)

    def beginning(self, rng):
        """The first so many changes, the last one torn."""
        n = rng.randint(0, len(self.pending))
        kept = self.pending[:n]
        if kept and kept[-1][0] == WRITE and rng.random() < 0.5:
            _kind, off, data = kept[-1]
            unit = rng.choice(TORN)
            kept[-1] = (WRITE, off, data[:rng.randrange(len(data) + 1) // unit * unit])
        return self.with_changes(kept)


# ---- all of it

class Name:
    """A change of names: .drops is a (directory, name) that goes, .sets one that becomes .node."""

    def __init__(self, directory, drops=None, sets=None, node=None):
        self.directory = directory # whose sync makes it durable
        self.drops, self.sets, self.node = drops, sets, node
        self.durable = False

    def apply(self, names):
        names.pop(self.drops, None)
        if self.sets:
            names[self.sets] = self.node


class Exchange(Name):
    """Two names that change places: both or none."""

    def __init__(self, directory, one, two):
        super().__init__(directory)
        self.pairs = one, two # ((directory, name), node) that they become

    def apply(self, names):
        names.update(self.pairs)


class Disk:
    """Files and directories are known by their inode number and, when that was given again, by
    (number, how often)."""

    def __init__(self, *directories):
        self.directories = set(directories)
        self.files = {}      # node -> File
        self.base = {}       # (directory, name) -> node, what is durable for sure
        self.names = []      # changes since, in their order; the first is not durable
        self.node_of = {}    # inode number -> node; the number itself when it is not here

    def node(self, number):
        return self.node_of.get(number, number)

    def new_node(self, number):
        node = self.node(number)
        if node in self.directories or node in self.files:
            assert node not in self.files, "a file's number was given again: is HAUL_POWERCUT_KEEP set?"
            node = (number, node[1] + 1 if isinstance(node, tuple) else 1)
            self.node_of[number] = node
        return node

    def apply(self, op):
        if op.kind == UNKNOWN:
            raise AssertionError("pid %d changed a file by %s, which the log cannot tell" % (op.pid, op.name))
        a = self.node(op.a)
        if op.kind in (WRITE, TRUNCATE, ALLOCATE):
            if a in self.files:
                self.files[a].pending.append((op.kind, op.off, op.data))
        elif op.kind == SYNC:
            self.sync(a)
        elif op.kind == SYNC_ALL:
            for node in list(self.files) + list(self.directories):
                self.sync(node)
        elif op.kind == RENAME:
            b = self.node(op.b)
            if a in self.directories or b in self.directories:
                self.names.append(Name(b, drops=(a, op.name), sets=(b, op.to), node=self.node(op.c)))
        elif op.kind == EXCHANGE:
            b = self.node(op.b)
            assert a == b, "an exchange between two directories has no rule here"
            if a in self.directories:
                self.names.append(Exchange(a, ((a, op.name), self.node(op.off)), ((a, op.to), self.node(op.c))))
        elif op.kind != ACK and a in self.directories:
            self.change_name(op, a)

    def change_name(self, op, directory):
        place = (directory, op.name)
        if op.kind == UNLINK:
            self.names.append(Name(directory, drops=place))
            return
        node = self.node(op.b) if op.kind == LINK else self.new_node(op.b)
        if op.kind == CREATE:
            self.files[node] = File()
        elif op.kind == MKDIR:
            self.directories.add(node)
        self.names.append(Name(directory, sets=place, node=node))

    def sync(self, node):
        if node in self.files:
            self.files[node].sync()
            return
        for change in self.names:
            change.durable |= change.directory == node
        while self.names and self.names[0].durable:
            self.names.pop(0).apply(self.base)

    def pending_names(self):
        return [change for change in self.names if not change.durable]


class State:
    """What a disk may hold: names, and for each file its bytes."""

    def __init__(self, disk, how, names, content):
        self.disk, self.how = disk, how
        self.names, self.content_of, self.made = names, content, {}
        self.children = {}
        for (directory, name), node in names.items():
            self.children.setdefault(directory, []).append((name, node))

    def content(self, node):
        """The same each time, also where chance has decided."""
        if node not in self.made:
            self.made[node] = self.content_of(self.disk.files[node])
        return self.made[node]

    def tree(self, directory, prefix=""):
        """relative path -> node of a file, None of a directory."""
        found = {}
        for name, node in self.children.get(directory, ()):
            rel = prefix + name
            if node in self.disk.files:
                found[rel] = node
            else:
                found[rel] = None
                found.update(self.tree(node, rel + "/"))
        return found


def state_of(disk, how, choose, content):
    names = dict(disk.base)
    for change in disk.names:
        if change.durable or choose():
            change.apply(names)
    return State(disk, how, names, content)


def prefix_of(n):
    """True for the first n that are asked."""
    left = [n]

    def choose():
        left[0] -= 1
        return left[0] >= 0
    return choose


def states_at_once(chances):
    """How many states_of() gives."""
    return 4 + 2 * chances


def states_of(disk, rng, chances):
    """Legal remains if the power goes now: the least, the most, names without bytes and the
    other way round, a journal that got so far, and any subset."""
    def nothing():
        return False

    def everything():
        return True
    yield state_of(disk, "what was synced", nothing, lambda f: f.content)
    yield state_of(disk, "everything", everything, File.all)
    yield state_of(disk, "all names, no bytes", everything, lambda f: f.content)
    yield state_of(disk, "all bytes, no names", nothing, File.all)
    pending = len(disk.pending_names())
    for _ in range(chances):
        yield state_of(disk, "a journal that got so far", prefix_of(rng.randint(0, pending)), lambda f: f.beginning(rng))
        likely = rng.random()
        yield state_of(disk, "any of it", lambda p=likely: rng.random() < p, lambda f: f.some(rng))
