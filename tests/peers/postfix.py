"""Postfix: AUTH by Cyrus SASL from a sasldb, mailboxes by virtual(8)."""

import os
import pathlib
import re

import peer

MAIN_CF = """\
compatibility_level = 3.6
maillog_file = /var/log/postfix.log
myhostname = {hostname}
mydestination =
mynetworks = 127.0.0.0/8 [::1]/128
inet_protocols = {protocols}
# Clients on loopback count as local, and Postfix would complete their headers.
local_header_rewrite_clients =
smtpd_error_sleep_time = 0
# What it gets is what it is to store.
cleanup_replace_stray_cr_lf = no

virtual_mailbox_domains = example.com
virtual_mailbox_base = /mail
virtual_mailbox_maps = inline:{{ {mailboxes} }}, texthash:/etc/postfix/crowd
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{uid}

smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtpd_tls_chain_files = /certificates/server.key, /certificates/server.pem
smtpd_tls_CAfile = /certificates/ca.pem
smtpd_tls_received_header = yes
smtpd_sasl_auth_enable = yes
smtpd_sasl_local_domain = example.com
cyrus_sasl_config_path = /etc/postfix/sasl

smtpd_recipient_limit = {most}
smtpd_recipient_restrictions = check_recipient_access regexp:{{ {{ /^{busy}/ 450 4.2.1 Not now }} }}, permit
enable_long_queue_ids = yes
"""

# Without smtp(8), so that nothing can leave.
MASTER_CF = """\
127.0.0.1:{ports.smtp}      inet  n - n - - smtpd
127.0.0.1:{ports.implicit}  inet  n - n - - smtpd -o smtpd_tls_wrappermode=yes
127.0.0.1:{ports.untrusted} inet  n - n - - smtpd
  -o {{ smtpd_tls_chain_files = /certificates/selfsigned.key, /certificates/selfsigned.pem }}
127.0.0.1:{ports.cleartext} inet  n - n - - smtpd
  -o smtpd_tls_security_level=none -o smtpd_tls_auth_only=no
127.0.0.1:{ports.tls12}     inet  n - n - - smtpd -o smtpd_tls_protocols=TLSv1.2
127.0.0.1:{ports.certified} inet  n - n - - smtpd
  -o smtpd_tls_security_level=encrypt -o smtpd_tls_req_ccert=yes
127.0.0.1:{ports.slow}      inet  n - n - - smtpd
  -o {{ smtpd_recipient_restrictions = sleep {seconds}, permit }}
127.0.0.1:{ports.streams}   inet  n - n - - smtpd {unlimited}
127.0.0.1:{ports.groups}    inet  n - n - - smtpd {unlimited}
  -o smtpd_discard_ehlo_keywords=chunking
127.0.0.1:{ports.lockstep}  inet  n - n - - smtpd {unlimited}
  -o {{ smtpd_discard_ehlo_keywords = chunking, pipelining }}
127.0.0.1:{ports.limits}    inet  n - n - - smtpd
postlog   unix-dgram n - n - 1 postlogd
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
proxymap  unix  - - n - - proxymap
anvil     unix  - - n - 1 anvil
virtual   unix  - n n - - virtual
error     unix  - - n - - error
retry     unix  - - n - - error
"""

# The first door once more, where the host has IPv6.
MASTER_CF_IPV6 = """\
[::1]:{ports.smtp}          inet  n - n - - smtpd
"""

# After 20 faults Postfix ends a connection, after 10 it waits before each answer.
UNLIMITED = "-o smtpd_soft_error_limit=1000000 -o smtpd_hard_error_limit=1000000"

SMTPD_SASL = """\
pwcheck_method: auxprop
auxprop_plugin: sasldb
mech_list: PLAIN LOGIN CRAM-MD5 NTLM
"""


class Postfix(peer.Server):
    name = "postfix"
    options = True
    ledger = True
    packages = (
        *("postfix", "libsasl2-modules", "sasl2-bin"),
        # For the shell script behind "postfix start-fg":
        *("dash", "coreutils", "diffutils", "findutils", "grep", "sed"),
    )
    accounts = {"postfix": 101, "postdrop": 102}
    mechanisms = ("PLAIN", "LOGIN", "CRAM-MD5", "NTLM")
    added_fields = ("Return-Path", "X-Original-To", "Delivered-To", "Received")
    command = ("postfix", "start-fg")
    log = "var/log/postfix.log"
    log_writer = ("postlog", "-t", "test")
    connection_logged = re.compile(r"smtpd\[\d+\]: connect from")
    disconnection_logged = re.compile(r"smtpd\[\d+\]: disconnect from")
    queue_id = re.compile(r"queued as (\w+)")
    taken_logged = re.compile(r"cleanup\[\d+\]: (\w+): message-id=<(.*)>")
    delivered_logged = re.compile(r"virtual\[\d+\]: (\w+): to=<(.*?)>.* status=sent")
    refused_logged = re.compile(r"reject: RCPT from \S+: 5\S+ \S+ <(.*?)>")
    deferred_logged = re.compile(r"reject: RCPT from \S+: 4\S+ \S+ <(.*?)>")
    spool = tuple(f"var/spool/postfix/{queue}/**/*" for queue in ("maildrop", "incoming", "active", "deferred"))

    def configure(self, root: pathlib.Path, ports: peer.Ports) -> None:
        etc = root / "etc/postfix"
        mailboxes = ", ".join(f"{{ {name}@example.com = {name}/ }}" for name in peer.MAILBOXES)
        ipv6 = peer.has_ipv6()
        main = MAIN_CF.format(
            hostname=peer.HOSTNAME,
            mailboxes=mailboxes,
            uid=peer.MAIL_UID,
            protocols="all" if ipv6 else "ipv4",
            most=peer.MOST_RECIPIENTS,
            busy=peer.BUSY,
        )
        master = (MASTER_CF + MASTER_CF_IPV6 * ipv6).format(
            ports=ports, seconds=peer.SLOW_SECONDS, unlimited=UNLIMITED
        )
        (etc / "crowd").write_text("".join(f"{name}@example.com {name}/\n" for name in peer.CROWD), encoding="ascii")
        (etc / "main.cf").write_text(main, encoding="ascii")
        (etc / "master.cf").write_text(master, encoding="ascii")
        (etc / "sasl/smtpd.conf").write_text(SMTPD_SASL, encoding="ascii")
        os.chown(root / "var/lib/postfix", self.accounts["postfix"], -1)
        peer.tool("chroot", root, "saslpasswd2", "-p", "-c", "-u", "example.com", peer.USER, text=peer.PASSWORD)
        (root / "etc/sasldb2").chmod(0o644)


SERVERS = (Postfix(),)
