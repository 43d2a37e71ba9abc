"""Small filesystems on loop devices, mounted in a mount namespace of their own.

    python3 disks.py ext4|btrfs DIRECTORY MIB

makes DIRECTORY/image, mounts it at DIRECTORY/mnt, prints "ready" and keeps it until its
stdin ends; as it does so in a namespace of its own (unshare -m), nothing stays mounted
whatever becomes of the test.  "skip REASON" when it cannot.
"""

import errno
import os
import subprocess
import sys

from waiting import wait_until

MAKE = {"ext4": ["mkfs.ext4", "-q", "-F", "-m", "0", "-O", "has_journal"], "btrfs": ["mkfs.btrfs", "-q", "-f", "--mixed"]}


class Disk:
    """.mounted: where it is, in there; .path: the same place as seen from here; .enter: what
    runs a command in there."""

    def __init__(self, kind, where, mib):
        self.where, self.kind = str(where), kind
        self.mounted = os.path.join(self.where, "mnt")
        os.makedirs(self.mounted, exist_ok=True)
        self.process = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", sys.executable, os.path.abspath(__file__), kind,
             self.where, str(mib)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.answer = self.process.stdout.readline().strip()
        self.path = "/proc/%d/root%s" % (self.process.pid, self.mounted)
        self.enter = ["nsenter", "--mount=/proc/%d/ns/mnt" % self.process.pid]

    def free(self):
        at = os.statvfs(self.path)
        return at.f_bavail * at.f_frsize

    def fill(self, leave):
        """Leaves about so many bytes; the path of what takes the others."""
        path = os.path.join(self.path, "ballast")
        with open(path, "wb") as f:
            try:
                while self.free() > leave:
                    f.write(os.urandom(max(4096, min(self.free() - leave, 1 << 20))))
                    f.flush()
                    os.fsync(f.fileno())
            except OSError as full:
                assert full.errno == errno.ENOSPC
        return path

    def remove(self, path):
        """A file, at once: btrfs gives its blocks back with the next commit."""
        os.unlink(path)
        subprocess.run([*self.enter, "sync", "-f", self.mounted], check=True)

    def close(self):
        """Unmounts it, and waits until the loop device is gone."""
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()
        wait_until(lambda: os.path.join(self.where, "image") not in
                   subprocess.run(["losetup", "-a"], capture_output=True, text=True, check=False).stdout, 20)


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print("skip %s: %s" % (" ".join(command), (done.stderr or done.stdout).strip().replace("\n", " ")), flush=True)
        sys.exit(1)
    return done.stdout.strip()


def main():
    kind, where, mib = sys.argv[1:]
    image, path = os.path.join(where, "image"), os.path.join(where, "mnt")
    with open(image, "wb") as f:
        f.truncate(int(mib) << 20)
    try:
        run(*MAKE[kind], image)
        run("mount", "-t", kind, "-o", "loop", image, path) # the device goes with the mount
    except FileNotFoundError as missing:
        print("skip %s" % missing, flush=True)
        return
    print("ready", flush=True)
    sys.stdin.read()
    subprocess.run(["umount", path], check=False)


if __name__ == "__main__":
    main()
