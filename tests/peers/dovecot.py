"""Postfix again, with the logins of Dovecot: tokens are JSON Web Tokens, which it verifies by a key of its own."""

import base64
import hashlib
import hmac
import json
import pathlib
import time

import peer
from postfix import Postfix

DOVECOT_CONF = """\
protocols =
ssl = no
log_path = /var/log/dovecot.log
auth_mechanisms = {mechanisms}
auth_failure_delay = 0
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = /etc/dovecot/tokens.conf
}}
passdb {{
  driver = passwd-file
  mechanisms = plain login cram-md5
  args = /etc/dovecot/users
}}
# Who was refused is not made to wait.
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service auth {{
  unix_listener postfix {{
    mode = 0660
    user = postfix
    group = postfix
  }}
}}
"""
TOKENS_CONF = """\
introspection_mode = local
local_validation_key_dict = fs:posix:prefix=/etc/dovecot/keys/
username_attribute = email
"""
MAIN_CF = """\
smtpd_sasl_type = dovecot
smtpd_sasl_path = /run/dovecot/postfix
smtpd_sasl_local_domain =
# libcurl hangs up on the question that a refused XOAUTH2 ends with; the next client is not to have its answer.
max_use = 1
"""
TOKEN_MECHANISMS = ("xoauth2", "oauthbearer")
KEY = b"the key that the tokens are signed with"


def _base64(text: bytes) -> str:
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def token(user: str, key: bytes = KEY) -> str:
    """RFC 7519, by HS256; good for a day."""
    now = int(time.time())
    claims = {"sub": user, "email": user, "iat": now - 60, "exp": now + 86400}
    signed = ".".join(_base64(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    return f"{signed}.{_base64(hmac.digest(key, signed.encode(), hashlib.sha256))}"


class Dovecot(Postfix):
    name = "dovecot"
    options = False
    logins_only = True
    packages = (*Postfix.packages, "dovecot-core")
    accounts = {**Postfix.accounts, "dovecot": 103, "dovenull": 104}
    mechanisms = ("PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2", "OAUTHBEARER")
    command = ("sh", "-c", "dovecot && exec postfix start-fg")

    def secret(self, mechanism: str) -> str:
        return token(peer.USER) if mechanism in TOKEN_MECHANISMS else peer.PASSWORD

    def wrong_secret(self, mechanism: str) -> str:
        """Of a token the signature is."""
        return token(peer.USER, b"another") if mechanism in TOKEN_MECHANISMS else "wrong"

    def configure(self, root: pathlib.Path, ports: peer.Ports) -> None:
        super().configure(root, ports)
        with open(root / "etc/postfix/main.cf", "a", encoding="ascii") as main:
            main.write(MAIN_CF)
        etc = root / "etc/dovecot"
        (etc / "dovecot.conf").write_text(DOVECOT_CONF.format(mechanisms=" ".join(self.mechanisms).lower()))
        (etc / "tokens.conf").write_text(TOKENS_CONF)
        (etc / "users").write_text(f"{peer.USER}:{{PLAIN}}{peer.PASSWORD}\n")
        keys = etc / "keys/default/HS256"
        keys.mkdir(parents=True, exist_ok=True)
        (keys / "default").write_bytes(base64.b64encode(KEY))


SERVERS = (Dovecot(),)
