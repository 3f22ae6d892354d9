"""OpenSMTPD: AUTH from a credentials table, mailboxes by mail.maildir."""

import pathlib
import re
import shutil

import peer

SMTPD_CONF = """\
pki good cert "/certificates/server.pem"
pki good key "/certificates/server.key"
pki bad cert "/certificates/selfsigned.pem"
pki bad key "/certificates/selfsigned.key"
table credentials file:/etc/credentials

listen on {address} port {ports.smtp} tls pki good auth-optional <credentials> hostname {hostname}
listen on {address} port {ports.implicit} smtps pki good auth-optional <credentials> hostname {hostname}
listen on {address} port {ports.untrusted} tls pki bad auth-optional <credentials> hostname {hostname}

action "mailbox" maildir "/mail/%{{user.username}}"
match from any for domain "example.com" action "mailbox"
"""


class OpenSmtpd(peer.Server):
    """OpenSMTPD 6.8 of Debian 12, which fails every TLS handshake.

    It gives its TLS library a key without the private part, kept in another
    process, in a way that OpenSSL 3 does not support ("missing private key").
    """

    name = "opensmtpd"
    tls = False
    # Behind 127.0.0.1 smtpd sees a local submitter, and adds Date and Message-ID.
    host = address = "127.0.0.2"
    packages = ("opensmtpd", "base-files", "dash")  # smtpd runs mail.maildir by the shell
    accounts = {"opensmtpd": 101, "opensmtpq": 102}
    mechanisms = ("PLAIN", "LOGIN")
    added_fields = ("Return-Path", "Delivered-To", "Received")
    null_return_path = False
    command = ("smtpd", "-d")
    log = "../output"  # in the foreground it logs to standard error only
    connection_logged = re.compile(r" smtp connected ")
    spool = tuple(f"var/spool/smtpd/{queue}/**/*" for queue in ("queue", "incoming", "temporary"))

    def configure(self, root: pathlib.Path, ports: peer.Ports) -> None:
        text = SMTPD_CONF.format(hostname=peer.HOSTNAME, address=self.address, ports=ports)
        (root / "etc/smtpd.conf").write_text(text, encoding="ascii")
        # Version 7 does not start without authorities to trust as a client.
        authorities = root / "etc/ssl/certs/ca-certificates.crt"
        authorities.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / "certificates/ca.pem", authorities)
        password = peer.tool("openssl", "passwd", "-6", "-stdin", text=peer.PASSWORD)
        (root / "etc/credentials").write_text(f"{peer.USER} {password}", encoding="ascii")


class OpenSmtpd7(OpenSmtpd):
    """OpenSMTPD 7 of Debian 13, for TLS and AUTH; its chroot has its own libraries."""

    name = "opensmtpd7"
    suite = "trixie"
    tls = True


SERVERS = (OpenSmtpd(), OpenSmtpd7())
