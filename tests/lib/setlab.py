"""Power cuts around a group that is published as a whole: the old set or the new one in every state.

    lab = SetLab(tmp, server, data_dir, seed)
    lab.record()        # set after set, lives that end behind an exchange
    lab.choose(...), lab.states(), lab.fault_of(state), lab.start_on(state)     # as powercutlab
"""

import collections
import contextlib
import json
import os
import signal
import sqlite3
import struct
import uuid

from bodies import body
from powercut import acknowledge
from powercutlab import DONE, Lab, Recorded
from waiting import wait_until

MEMBERS, SIZE = 3, 3000


class SetLab(Lab):
    def __init__(self, *args, **keys):
        super().__init__(*args, **keys)
        self.ids = collections.defaultdict(set) # set -> the jobs whose being done says that it stands there

    # ---- what is recorded

    def config(self, root, n):
        """Set n: some files are new with it, one is always the same, one only each other time."""
        def member(name, file, seed):
            return {"name": name, "group": "whole", "output": os.path.join(root, "set", file), "fsync": "full",
                    "url": self.server.url("/ok/%d?pcs=%s&seed=%s" % (SIZE, name, seed))}
        jobs = [member("s%d-%d" % (n, i), "f%d" % i, "%d-%d" % (n, i)) for i in range(MEMBERS)]
        jobs.append(member("same", "same", "same"))
        jobs.append(member("changes", "changes", "changes-%d" % n))
        if n % 2:
            jobs.append(member("odd-%d" % n, "odd", "odd"))
        return {"groups": [{"name": "whole", "publish": "atomic", "directory": os.path.join(root, "set")}], "jobs": jobs}

    def whole(self, n):
        files = {"f%d" % i: body(SIZE, "%d-%d" % (n, i)) for i in range(MEMBERS)}
        files.update(same=body(SIZE, "same"), changes=body(SIZE, "changes-%d" % n))
        if n % 2:
            files["odd"] = body(SIZE, "odd")
        return files

    def wait_published(self, s, n):
        """And remembers which jobs say so."""
        with s.client() as c:
            c.call("wait", group="whole")
            jobs = [c.show(j["id"]) for j in c.list_all()]
        assert {j["state"] for j in jobs} == {"done"}, (jobs, s.log)
        self.ids[n] = {j["id"] for j in jobs if j["name"].startswith("s%d-" % n)}
        assert len(self.ids[n]) == MEMBERS
        acknowledge(self.log, published=n)

    def want_set(self, s, n):
        acknowledge(self.log, wanted=n)
        s.write_config(self.config(s.root, n))

    def record(self):
        with self.recording() as s:
            s.stop()
            self.want_set(s, 1)
            s.start()
            self.wait_published(s, 1)
            for n in (2, 3):
                self.want_set(s, n)
                with s.client() as c:
                    c.call("reload")
                self.wait_published(s, n)
            s.stop()
            # A life ends behind its exchange, which nobody has synced; the next one wants the same, or another.
            for n, wanted in ((4, 4), (5, 6)):
                s.extra["HAUL_POWERCUT_DIE"] = "hauld-worker:x"
                self.want_set(s, n)
                s.start()
                assert s.wait_exit() == -signal.SIGKILL
                del s.extra["HAUL_POWERCUT_DIE"]
                if wanted != n:
                    self.want_set(s, wanted)
                s.start()
                self.wait_published(s, wanted)
                s.stop()
            # Only the worker ends there; another one is given the task.
            s.extra["HAUL_POWERCUT_DIE"] = "hauld-worker:y"
            self.want_set(s, 7)
            s.start()
            self.wait_published(s, 7)
            s.stop()

    # ---- what a disk may hold

    def states(self):
        self.wanted, self.published = [], 0
        yield from super().states()

    def take_ack(self, op):
        what = json.loads(op.data)
        if "wanted" in what:
            self.wanted.append(what["wanted"])
        self.published = what.get("published", self.published)

    def set_of(self, state):
        """{name: bytes} of the directory; None: there is none."""
        files = state.tree(self.place_inode)
        if "root/set" not in files:
            return None
        return {rel[len("root/set/"):]: node is not None and bytes(state.content(node))
                for rel, node in files.items() if rel.startswith("root/set/") and ".haul" not in rel.split("/")}

    def fault_of(self, state):
        found = self.set_of(state)
        may = [n for n in self.wanted if n >= self.published]
        which = [n for n in may if found == self.whole(n)]
        if not which and (found is not None or self.published):
            return "the directory is none of the sets %s: %s" % (may, found and {k: v and v[:12] for k, v in found.items()})
        try:
            rows = self.rows(state, state.tree(self.place_inode))
        except (sqlite3.Error, AssertionError) as error:
            return "the database is damaged: %s" % error
        for n, ids in self.ids.items():
            if any(rows.get(i) == DONE for i in ids) and (not which or which[0] < n):
                return "jobs of set %d are done, and %s stands there" % (n, which or "nothing")
        return None

    # ---- going on from there

    def give_intent_its_inode(self, state):
        """The stage has another number on this disk than it had on that one."""
        path = os.path.join(self.place, "state", "jobs.db")
        if not self.rows(state, state.tree(self.place_inode)):
            return
        with contextlib.closing(sqlite3.connect(path)) as db:
            for key, data in db.execute("SELECT key, data FROM note WHERE key LIKE 'swap:%'").fetchall():
                inode, = struct.unpack_from(self.order, data)
                for name in ("set", ".haul-group-whole"):
                    node = state.names.get((self.root_inode, name))
                    was = node[0] if isinstance(node, tuple) else node
                    # a number that was given again is only that of its last directory
                    if was == inode and state.disk.node(inode) == node:
                        now = os.stat(os.path.join(self.place, "root", name)).st_ino
                        db.execute("UPDATE note SET data = ? WHERE key = ?", (struct.pack(self.order, now) + data[8:], key))
                        self.counts["intents"] += name == "set"
            db.commit()

    order = "<Q"

    def start_on(self, state):
        """The next life ends with the set that is wanted, and with nothing else."""
        self.materialise(state)
        self.give_intent_its_inode(state)
        self.counts["starts"] += 1
        extra = {"HAUL_POWERCUT_BOOT_ID": str(uuid.uuid4()), "HAUL_POWERCUT_KEEP": self.keep}
        n = self.wanted[-1] if self.wanted else 1
        s = Recorded(self.place, extra, workers=2)
        try:
            s.write_config(self.config(s.root, n))
            s.start()
            with s.client() as c:
                c.call("wait", group="whole")
                assert {j["state"] for j in c.list_all()} == {"done"}, (c.list_all(), s.log)
            self.end(s)
        finally:
            s.close()
        found = {}
        for name in os.listdir(s.path("set")):
            with open(s.path("set", name), "rb") as f:
                found[name] = f.read()
        assert found == self.whole(n), (n, {k: v[:12] for k, v in found.items()}, s.log)
        assert os.listdir(s.root) == ["set"], (os.listdir(s.root), s.log)
