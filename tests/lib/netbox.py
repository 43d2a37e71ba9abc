"""A network of its own for a test: public and private addresses on one loopback.

    box = NetBox(tmp, ["93.184.216.34", "10.0.0.5"], {"pub.test": ["93.184.216.34"]})
    server = BadServer(tmp, bind=box.addresses, prefix=box.prefix)
    h.once_jobs([...], prefix=box.prefix)
    box.set_hosts({...})     # what names resolve to from now on
    box.close()

Nothing leaves it.  It is made by unshare(1): as root, or where the kernel lets
users have namespaces.
"""

import os
import subprocess

LOOPBACK = ["127.0.0.1"]


class NetBox:
    def __init__(self, directory, addresses, hosts):
        self.hosts_path = os.path.join(str(directory), "hosts")
        self.addresses = LOOPBACK + list(addresses)
        self.set_hosts(hosts)
        more = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        script = ["ip link set lo up", "mount --bind '%s' /etc/hosts" % self.hosts_path]
        script += ["ip addr add %s dev lo%s" % (a, " nodad" if ":" in a else "") for a in addresses]
        self.process = subprocess.Popen(
            ["unshare", *more, "--net", "--mount", "sh", "-ec", "; ".join(script + ["echo ready", "exec cat"])],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            raise PermissionError(self.process.communicate()[1].strip())
        enter = ["--user", "--preserve-credentials"] if more else []
        self.prefix = ["nsenter", "--target", str(self.process.pid), *enter, "--net", "--mount"]

    def set_hosts(self, hosts):
        """{name: [addresses]}; the file stays the same one, it is mounted."""
        with open(self.hosts_path, "w") as f:
            f.write("".join("%s %s\n" % (a, name) for name, all_of in hosts.items() for a in all_of))

    def close(self):
        self.process.communicate()
