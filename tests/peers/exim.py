"""Exim: authenticators of each kind, two of them told what tokens look like; mailboxes by appendfile."""

import os
import pathlib
import re

import peer

EXIM_CONF = """\
primary_hostname = {hostname}
daemon_smtp_ports = {ports.smtp} : {ports.implicit} : {ports.untrusted} : {ports.streams} : {ports.groups} : \
  {ports.lockstep} : {ports.limits}
tls_on_connect_ports = {ports.implicit}
local_interfaces = 127.0.0.1
disable_ipv6
keep_environment =
log_file_path = /var/log/exim4/%slog
log_selector = +smtp_connection

tls_advertise_hosts = *
CERTIFICATE = /certificates/${{if eq{{$received_port}}{{{ports.untrusted}}}{{selfsigned}}{{server}}}}
tls_certificate = CERTIFICATE.pem
tls_privatekey = CERTIFICATE.key
tls_verify_certificates = /certificates/ca.pem
tls_try_verify_hosts = *

dsn_advertise_hosts = *
acl_smtp_rcpt = recipient
# From the eleventh message of a connection on, Exim would only queue.
smtp_accept_queue_per_connection = 0

# After 1000 messages, or ten commands that are no mail, Exim ends a connection.
smtp_accept_max_per_connection = ${{if eq{{$received_port}}{{{ports.limits}}}{{1000}}{{0}}}}
smtp_accept_max_nonmail_hosts = ${{if eq{{$received_port}}{{{ports.limits}}}{{*}}{{}}}}
chunking_advertise_hosts = ${{if inlist{{$received_port}}{{{ports.groups}:{ports.lockstep}}}{{}}{{*}}}}
pipelining_advertise_hosts = ${{if eq{{$received_port}}{{{ports.lockstep}}}{{}}{{*}}}}
recipients_max = {most}

begin acl
recipient:
  defer   local_parts = ^{busy}
  require verify = recipient
  accept  domains = example.com

begin routers
mailbox:
  driver = accept
  domains = example.com
  local_parts = {mailboxes}
  transport = mailbox

crowd:
  driver = accept
  domains = example.com
  local_parts = lsearch;/etc/exim4/crowd
  transport = mailbox

begin transports
mailbox:
  driver = appendfile
  directory = /mail/$local_part_data
  maildir_format
  user = {uid}
  group = {uid}
  return_path_add
  envelope_to_add
  delivery_date_add

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and{{ {{eq{{$auth2}}{{{user}}}}} {{eq{{$auth3}}{{{password}}}}} }}}}
  server_advertise_condition = ${{if def:tls_in_cipher}}
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_condition = ${{if and{{ {{eq{{$auth1}}{{{user}}}}} {{eq{{$auth2}}{{{password}}}}} }}}}
  server_advertise_condition = ${{if def:tls_in_cipher}}
cram_md5:
  driver = cram_md5
  public_name = CRAM-MD5
  server_secret = ${{if eq{{$auth1}}{{{user}}}{{{password}}}fail}}
  server_advertise_condition = ${{if def:tls_in_cipher}}
xoauth2:
  driver = plaintext
  public_name = XOAUTH2
  server_prompts = :
  server_condition = ${{if match{{$auth1}}{{\\N^user={user}\\x01auth=Bearer {password}\\x01\\x01$\\N}}}}
  server_advertise_condition = ${{if def:tls_in_cipher}}
oauthbearer:
  driver = plaintext
  public_name = OAUTHBEARER
  server_prompts = :
  server_condition = ${{if match{{$auth1}}{{\\N^n,a={user},\\x01(.*\\x01)?auth=Bearer {password}\\x01\\x01$\\N}}}}
  server_advertise_condition = ${{if def:tls_in_cipher}}
external:
  driver = external
  public_name = EXTERNAL
  server_condition = ${{if eq{{CN=$auth1}}{{$tls_in_peerdn}}}}
  server_advertise_condition = $tls_in_certificate_verified
"""


class Exim(peer.Server):
    name = "exim"
    packages = ("exim4-daemon-light",)
    accounts = {"Debian-exim": 101}
    external = True
    ledger = True
    mechanisms = ("PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2", "OAUTHBEARER")
    added_fields = ("Return-path", "Envelope-to", "Delivery-date", "Received")
    command = ("exim4", "-bdf")
    log = "var/log/exim4/mainlog"
    connection_logged = re.compile(r"SMTP connection from .*\(TCP/IP connection count")
    disconnection_logged = re.compile(
        r" SMTP connection from (?!.*\(TCP/IP connection count)"
        r"| unexpected disconnection while reading| SMTP call from \S+ .*dropped| TLS error on connection from"
    )
    queue_id = re.compile(r"id=(\S+)")
    taken_logged = re.compile(r" (\S+) <= .* id=(\S+)")
    delivered_logged = re.compile(r" (\S+) [=-]> \S+ <(.*?)>")
    refused_logged = re.compile(r"(?<!temporarily) rejected RCPT <(.*?)>")
    deferred_logged = re.compile(r" temporarily rejected RCPT <(.*?)>")
    spool = ("var/spool/exim4/input/**/*",)

    def configure(self, root: pathlib.Path, ports: peer.Ports) -> None:
        text = EXIM_CONF.format(
            hostname=peer.HOSTNAME,
            ports=ports,
            mailboxes=" : ".join(peer.MAILBOXES),
            uid=peer.MAIL_UID,
            user=peer.USER,
            password=peer.PASSWORD,
            most=peer.MOST_RECIPIENTS,
            busy=peer.BUSY,
        )
        (root / "etc/exim4/exim4.conf").write_text(text, encoding="ascii")
        crowd = "".join(f"{name}: {name}\n" for name in peer.CROWD)
        (root / "etc/exim4/crowd").write_text(crowd, encoding="ascii")
        for folder in ("var/spool/exim4", "var/log/exim4"):
            (root / folder).mkdir(parents=True, exist_ok=True)
            os.chown(root / folder, self.accounts["Debian-exim"], self.accounts["Debian-exim"])
        # Exim reads its certificates as its own user.
        for key in (root / "certificates").iterdir():
            key.chmod(0o644)


SERVERS = (Exim(),)
