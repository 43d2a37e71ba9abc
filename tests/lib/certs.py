"""A CA and certificates for loopback servers, made with the openssl program."""

import os
import subprocess
import time

CONFIG = """
[req]
distinguished_name = dn
prompt = no
[dn]
CN = %(cn)s
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[leaf]
basicConstraints = CA:FALSE
keyUsage = digitalSignature
extendedKeyUsage = %(usage)s
subjectAltName = %(san)s
"""

CA_CONFIG = """
[dated]
database = %(directory)s/index
new_certs_dir = %(directory)s
rand_serial = yes
default_md = sha256
policy = any
[any]
commonName = supplied
"""


def openssl(*args):
    subprocess.run(["openssl", *args], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)


def make_key(path):
    openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", path)


class Authority:
    """A CA in a directory: .cert is its PEM file; issue() makes certificates."""

    def __init__(self, directory, name="haul test CA"):
        os.makedirs(directory, exist_ok=True)
        self.directory = str(directory)
        self.cert = self._path("ca.crt")
        self.key = self._key = self._path("ca.key")
        config = self._config("ca", name, "DNS:unused")
        make_key(self._key)
        openssl("req", "-x509", "-new", "-key", self._key, "-days", "30", "-config", config,
                "-extensions", "ca", "-out", self.cert)

    def _path(self, name):
        return os.path.join(self.directory, name)

    def _config(self, label, cn, san, usage="serverAuth, clientAuth"):
        path = self._path(label + ".cnf")
        with open(path, "w") as f:
            f.write(CONFIG % {"cn": cn, "san": san, "usage": usage})
        return path

    def issue(self, label="server", san="DNS:localhost,IP:127.0.0.1", days=30,
              usage="serverAuth, clientAuth", valid_from=None):
        """Returns the paths of certificate and key; valid_from: seconds since 1970."""
        cert, key, request = (self._path(label + end) for end in (".crt", ".key", ".csr"))
        config = self._config(label, label, san, usage)
        make_key(key)
        openssl("req", "-new", "-key", key, "-config", config, "-out", request)
        if valid_from:
            self._sign_from(valid_from, config, request, cert)
            return cert, key
        openssl("x509", "-req", "-in", request, "-CA", self.cert, "-CAkey", self._key,
                "-set_serial", str(int.from_bytes(label.encode()[:16], "big") + 1), "-days", str(days),
                "-extfile", config, "-extensions", "leaf", "-out", cert)
        return cert, key


    def _sign_from(self, when, config, request, cert):
        """Only `openssl ca` takes a date, and it wants files of its own."""
        with open(config, "a") as f:
            f.write(CA_CONFIG % {"directory": self.directory})
        with open(self._path("index"), "w"):
            pass
        dates = [time.strftime("%Y%m%d%H%M%SZ", time.gmtime(when + more)) for more in (0, 30 * 86400)]
        openssl("ca", "-batch", "-notext", "-config", config, "-name", "dated", "-cert", self.cert, "-keyfile", self._key,
                "-extensions", "leaf", "-startdate", dates[0], "-enddate", dates[1], "-in", request, "-out", cert)


def public_key_pin(cert):
    """The "sha256//..." of a certificate's public key."""
    import base64
    import hashlib
    pem = subprocess.run(["openssl", "x509", "-in", cert, "-pubkey", "-noout"],
                         check=True, capture_output=True).stdout
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=pem,
                         check=True, capture_output=True).stdout
    return "sha256//" + base64.b64encode(hashlib.sha256(der).digest()).decode()
