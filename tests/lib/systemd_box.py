"""tests/systemd/box from a test: a container with a real systemd, and `make install`.

    box = Box(directory)                   # boots; directory is made and removed
    box.install()                          # of HAUL_BUILD_DIR, into the box only
    box.run("systemctl", "start", "hauld") # CompletedProcess; check=False: any status
    box.run("haulctl", "list", user="alice")
    box.path("/srv/haul/x")                # a file of it, seen from here (not of /run, /tmp)
    box.close()
"""

import os
import shutil
import subprocess

from haul import PROJECT, build_dir

SCRIPT = os.path.join(PROJECT, "tests", "systemd", "box")


def why_not():
    """The reason why no box can be had here, None when one can."""
    if os.geteuid() != 0:
        return "only root can boot a container"
    if not shutil.which("systemd-nspawn"):
        return "systemd-nspawn is not installed (package systemd-container)"
    return None


def install(destination):
    """`make install` beneath destination; the paths the build was configured for."""
    subprocess.run(["make", "-s", "-C", build_dir(), "install", "DESTDIR=" + destination],
                   check=True, capture_output=True, text=True)
    return make_variables("sbindir", "bindir", "sysconfdir", "systemdsystemunitdir",
                          "systemduserunitdir", "sysusersdir", "tmpfilesdir")


def make_variables(*names):
    rule = "haul-variables:;@echo " + " ".join("'$(%s)'" % name for name in names)
    done = subprocess.run(["make", "-s", "-C", build_dir(), "--eval", rule, "haul-variables"],
                          check=True, capture_output=True, text=True)
    return dict(zip(names, done.stdout.split(), strict=True))


def is_sanitized():
    with open(os.path.join(build_dir(), "Makefile")) as f:
        return "-fsanitize=address" in f.read()


class Box:
    def __init__(self, directory):
        self.directory = str(directory)
        self.process = subprocess.Popen([SCRIPT, self.directory], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "running\n": # it has time-outs of its own
            raise RuntimeError("the box does not boot: " + self.process.communicate()[1])
        with open(os.path.join(self.directory, "pid")) as f:
            self.pid = int(f.read())

    def close(self):
        self.process.communicate()
        assert self.process.returncode == 0, "the box ended with %r" % self.process.returncode

    def path(self, path):
        return os.path.join(self.directory, "root", path.lstrip("/"))

    def write(self, path, text):
        path = self.path(path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write(text)

    def install(self):
        return install(os.path.join(self.directory, "root"))

    def command(self, *args, user=None, env=()):
        if user:
            args = ("setpriv", "--reuid", user, "--regid", user, "--init-groups", *args)
        return [SCRIPT, self.directory, "run", "env", *env, *args]

    def start(self, *args, **options):
        """The same as run(), while it runs."""
        return subprocess.Popen(self.command(*args, **options), stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(self, *args, check=True, timeout=60, **options):
        done = subprocess.run(self.command(*args, **options), stdin=subprocess.DEVNULL, check=False,
                              capture_output=True, text=True, timeout=timeout)
        assert not check or done.returncode == 0, "%s: %d\n%s%s" % (
            " ".join(args), done.returncode, done.stdout, done.stderr)
        return done
