"""Makes the certificates that a case can name: good, wrong-name, expired, not-yet-valid (signed by ca), self-signed."""
import base64
import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

AUTHORITY = """
[ca]
default_ca = here
[here]
database = {place}/index
new_certs_dir = {place}
serial = {place}/serial
default_md = sha256
policy = any
unique_subject = no
copy_extensions = copy
[any]
commonName = supplied
"""
LEAVES = {                    # name: subject alternative names, first and last day
    "good": ("DNS:localhost,IP:127.0.0.1,IP:::1", "20200101000000Z", "20491231000000Z"),
    "wrong-name": ("DNS:elsewhere.test", "20200101000000Z", "20491231000000Z"),
    "expired": ("DNS:localhost,IP:127.0.0.1", "20200101000000Z", "20210101000000Z"),
    "not-yet-valid": ("DNS:localhost,IP:127.0.0.1", "20480101000000Z", "20491231000000Z"),
}


def openssl(*arguments):
    return subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True).stdout


def self_signed(place, name, subject, *more):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", 10000,
            "-subj", subject, "-keyout", place / f"{name}.key", "-out", place / f"{name}.pem", *more)


def sign(place, name, names, first, last, *more, key=("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")):
    openssl("req", "-new", "-newkey", *key, "-nodes", "-subj", f"/CN={name}.test", "-addext", f"subjectAltName={names}", *more,
            "-keyout", place / f"{name}.key", "-out", place / f"{name}.request")
    openssl("ca", "-batch", "-notext", "-rand_serial", "-config", place / "authority", "-cert", place / "ca.pem",
            "-keyfile", place / "ca.key", "-startdate", first, "-enddate", last,
            "-in", place / f"{name}.request", "-out", place / f"{name}.pem")


def make(place):
    """Fills an empty folder."""
    (place / "index").touch()
    (place / "authority").write_text(AUTHORITY.format(place=place))
    self_signed(place, "ca", "/CN=Wire test authority")
    self_signed(place, "self-signed", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    for name, (names, first, last) in LEAVES.items():
        sign(place, name, names, first, last)
    public = openssl("x509", "-in", place / "good.pem", "-pubkey", "-noout")
    der = base64.b64decode("".join(public.decode().splitlines()[1:-1]))
    (place / "pin").write_text("sha256//" + base64.b64encode(hashlib.sha256(der).digest()).decode())


def provide(folder):
    """The folder with all certificates in it, made by the first who asks; the others wait for that one."""
    folder = Path(folder).resolve()
    if (folder / "pin").exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{folder}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "pin").exists():
            shutil.rmtree(folder, ignore_errors=True)
            fresh = Path(tempfile.mkdtemp(prefix=folder.name, dir=folder.parent))
            make(fresh)
            os.rename(fresh, folder)
    return folder
