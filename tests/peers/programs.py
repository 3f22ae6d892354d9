"""The programs that send mail by sendmail: their packages, what they need to run in a chroot, and how each is called.

Each is called as its users call it. What it then asks of sendmail is its own choice, and what the tests are about.
"""

import dataclasses
import os
import pathlib
import re
import shutil
import socket
import time

import peer

PACKAGES = (
    *("cron", "at", "bsd-mailx", "mailutils", "s-nail", "mutt", "git-email", "php-cli", "python3", "sudo", "logwatch"),
    *("libemail-sender-perl", "libmime-lite-perl", "php-symfony-mailer", "php-swiftmailer"),
    *("php-mbstring", "anacron"),
    "msmtp-mta",  # the mail server that some of them depend on; Pillarbox takes its place
    *("dash", "coreutils", "mawk", "libc-bin"),  # for shell scripts, in UTF-8
)
HOMES = {"root": "/root", "alice": "/home/alice"}
ALICE = 1000
NAME = "box.example.com"  # what the host is called in full
ADMIN = "admin@example.net"  # who gets root's mail

TEXT = """\
Grüße aus Köln,
.
and this is behind the dot.
..two dots
\ta tab, and blanks  
From the beginning of a line
The end.
"""
BOB, CAROL, DAVE = "bob@example.net", "carol@example.net", "dave@example.net"


@dataclasses.dataclass(frozen=True)
class Program:
    """A program, its message, and what it makes of sendmail's exit code."""

    name: str
    command: str
    user: str = "alice"  # whose it is, at home
    daemon: str = ""  # root's, which then does what the command has asked for
    sender: str = "alice@example.com"
    recipients: tuple[str, ...] = (BOB, CAROL, DAVE)
    author: str = "alice@example.com"
    to: tuple[str, ...] = (BOB,)
    subject: str = "Grüße"  # a pattern, as those that follow
    body: str = re.escape(TEXT.rstrip("\n"))  # without line ends at its end, to which some add one
    status: int = 0  # when the message was taken, or waits
    refused: int | None = None  # when it is refused for good; default: what sendmail said
    says: str = ""  # then, or the system's log says it: a pattern with the `code` of sendmail in it
    speaks_smtp: bool = False  # to sendmail -bs, which has one answer for all recipients


MAILX = f"-s Grüße -c {CAROL} -b {DAVE} {BOB} < text"
PHP = "php8.2 -d extension=mbstring -d extension=ctype -d extension=iconv"  # which maintainer scripts would switch on
HEARD_BY_SMTP = r'code "5\d\d".*5\.7\.1 Not here'
TO_ROOT = {"to": ("root@example.com",), "recipients": (ADMIN,)}

PROGRAMS = (
    Program(
        "cron",
        ":",  # the crontab is there
        daemon="rm -f /run/crond.reboot; exec cron -f",
        author="root@example.com",
        to=(BOB, CAROL),
        recipients=(BOB, CAROL),
        subject=r"Cron <alice@\S+> cat text",
        refused=0,
        says=r"\(alice\) MAIL \(mailed \d+ bytes of output but got status 0x{code:04x} from MTA",
    ),
    Program(
        "anacron",
        f"anacron -d -f -n -s -t {HOMES['alice']}/anacrontab -S /var/spool/anacron",
        user="root",
        sender="root@example.com",
        author="root@example.com",
        subject=r"Anacron job 'show' on \S+",
        refused=0,
        says="mailer process (/usr/sbin/sendmail) exited with status {code}".replace("(", r"\(").replace(")", r"\)"),
        **TO_ROOT,
    ),
    Program(
        "at",
        "at now < job",
        daemon="atd -f",
        to=("alice@example.com",),
        recipients=("alice@example.com",),
        subject=r"Output from your job +\d+",
        refused=0,  # nobody asks
    ),
    Program("bsd-mailx", f"bsd-mailx {MAILX}", refused=1, says="sendmail process failed with error code {code}"),
    Program(
        "GNU mailutils",
        # Of a file it would leave out what follows the dot.
        f"mail.mailutils -E 'set nodot' -s Grüße -a 'Cc: {CAROL}' -a 'Bcc: {DAVE}' {BOB} < text",
        sender=f"alice@{NAME}",
        author=f"alice@{NAME}",
        refused=1,
        says="cannot send message",
    ),
    Program("s-nail", f"s-nail {MAILX}", refused=4, says="message not sent"),
    Program("mutt", f"mutt {MAILX}", refused=1, says="child exited {code}"),
    Program(
        "git send-email",
        f"git -C repository send-email --quiet --confirm=never --to={BOB} --cc={CAROL} --bcc={DAVE} -1",
        recipients=(BOB, CAROL, DAVE, "alice@example.com"),  # the patch is hers
        subject=r"\[PATCH\] Grüße",
        body="(?s).*" + re.escape("".join(f"+{line}\n" for line in TEXT.splitlines())) + ".*",
    ),
    Program("Symfony Mailer", f"{PHP} symfony.php", refused=1, says=HEARD_BY_SMTP, speaks_smtp=True),
    Program("Symfony Mailer, not by SMTP", f"{PHP} symfony.php '/usr/sbin/sendmail -t -i'", refused=1),
    Program("Swiftmailer", f"{PHP} swiftmailer.php", refused=1, says=HEARD_BY_SMTP, speaks_smtp=True),
    Program("PHP mail()", "php8.2 send.php", sender="bounces@example.com", refused=1),
    Program("Email::Sender", "perl email-sender.pl", to=(BOB, CAROL, DAVE), says="error when closing pipe to sendmail"),
    Program("MIME::Lite", "perl mime-lite.pl", says="error closing /usr/lib/sendmail"),
    Program("Python", "python3 send.py", refused=1, says="returned non-zero exit status {code}"),
    Program(
        "sudo",
        "sudo true",  # she may not
        subject=rf"\*\*\* SECURITY information for {NAME} \*\*\*",
        body=r"\S+ : .* : alice : user NOT in sudoers ; .* COMMAND=/bin/true",
        status=1,
        refused=1,
        **TO_ROOT,
    ),
    Program(
        "logwatch",
        "logwatch --output mail --mailto root --service sudo --range all --detail high",
        user="root",
        sender="root@example.com",
        author="root@example.com",
        subject=r"Logwatch for \S+ \(Linux\)",
        body=r"(?s).* alice => root\n.*\n /bin/true\n.*Logwatch End #+ *",
        refused=0,  # nobody asks
        **TO_ROOT,
    ),
)

FILES = {
    "text": TEXT,
    "job": "cat text\n",
    ".muttrc": "unset record\n",
    "send.php": f"""\
<?php
$headers = "From: alice@example.com\\r\\nCc: {CAROL}\\r\\nBcc: {DAVE}\\r\\nContent-Type: text/plain; charset=UTF-8";
$subject = "=?UTF-8?B?" . base64_encode("Grüße") . "?=";
exit(mail("{BOB}", $subject, file_get_contents("text"), $headers, "-fbounces@example.com") ? 0 : 1);
""",
    "symfony.php": f"""\
<?php
require "Symfony/Component/Mailer/autoload.php";
$mail = (new Symfony\\Component\\Mime\\Email())->from("alice@example.com")->to("{BOB}")->cc("{CAROL}")->bcc("{DAVE}")
    ->subject("Grüße")->text(file_get_contents("text"));
$dsn = "sendmail://default" . (isset($argv[1]) ? "?command=" . rawurlencode($argv[1]) : "");
try {{
    (new Symfony\\Component\\Mailer\\Mailer(Symfony\\Component\\Mailer\\Transport::fromDsn($dsn)))->send($mail);
}} catch (Symfony\\Component\\Mailer\\Exception\\TransportExceptionInterface $error) {{
    echo $error->getMessage();
    exit(1);
}}
""",
    "swiftmailer.php": f"""\
<?php
error_reporting(E_ALL & ~E_DEPRECATED);
require "Swift/autoload.php";
$mail = (new Swift_Message("Grüße"))->setFrom("alice@example.com")->setTo("{BOB}")->setCc("{CAROL}")->setBcc("{DAVE}")
    ->setBody(file_get_contents("text"), "text/plain");
try {{
    (new Swift_Mailer(new Swift_SendmailTransport("/usr/sbin/sendmail -bs")))->send($mail);
}} catch (Swift_TransportException $error) {{
    echo $error->getMessage();
    exit(1);
}}
""",
    "anacrontab": f"1 0 show cat {HOMES['alice']}/text\n",
    "email-sender.pl": f"""\
use Email::Simple;
use Email::Sender::Simple qw(sendmail);
use Email::Sender::Transport::Sendmail;
local $/;
open my $text, "<", "text";
my $mail = Email::Simple->create(
    header => [From => 'alice@example.com', To => '{BOB}, {CAROL}, {DAVE}', Subject => '=?UTF-8?Q?Gr=C3=BC=C3=9Fe?='],
    body => <$text>);
sendmail($mail, {{ transport => Email::Sender::Transport::Sendmail->new }});
""",
    "mime-lite.pl": f"""\
use MIME::Lite;
MIME::Lite->new(From => 'alice@example.com', To => '{BOB}', Cc => '{CAROL}', Bcc => '{DAVE}',
    Subject => '=?UTF-8?Q?Gr=C3=BC=C3=9Fe?=', Type => 'text/plain; charset=UTF-8', Encoding => '8bit',
    Path => 'text')->send;
""",
    "send.py": f"""\
import email.message
import subprocess
mail = email.message.EmailMessage()
mail["From"], mail["To"], mail["Cc"], mail["Bcc"] = "alice@example.com", "{BOB}", "{CAROL}", "{DAVE}"
mail["Subject"] = "Grüße"
mail.set_content(open("text").read(), cte="8bit")
subprocess.run(["/usr/sbin/sendmail", "-t", "-oi"], input=bytes(mail), check=True)
""",
}
MAKE_REPOSITORY = """\
git init -q repository && cd repository && cp ../text . && git config user.name Alice &&
git config user.email alice@example.com && git add text && git commit -q -m Grüße"""


def furnish(root: pathlib.Path) -> None:
    """Users with their files, and what maintainer scripts would have made."""
    etc = root / "etc"
    users = [("root", 0, HOMES["root"]), ("daemon", 1, "/"), ("nobody", 65534, "/"), ("alice", ALICE, HOMES["alice"])]
    passwd = [f"{name}:x:{uid}:{uid}:{name.title()}:{home}:/bin/sh\n" for name, uid, home in users]
    (etc / "passwd").write_text("".join(passwd))
    (etc / "group").write_text("".join(f"{name}:x:{uid}:\n" for name, uid, _ in users))
    (etc / "nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files\n")
    (etc / "hosts").write_text(f"127.0.0.1 {NAME} {socket.gethostname()} localhost\n")
    (etc / "mailname").write_text("example.com\n")
    (etc / "aliases").write_text(f"root: {ADMIN}\n")
    (etc / "crontab").write_text("")  # whose jobs would begin when their minute comes
    for name in ("cron.d", "pam.d"):  # the latter asks for what only a whole system has
        shutil.rmtree(etc / name)
        (etc / name).mkdir()
    kinds = ("auth", "account", "session")
    (etc / "pam.d/other").write_text("".join(f"{kind} required pam_permit.so\n" for kind in kinds))
    (root / "usr/bin/awk").symlink_to("mawk")
    logged = time.strftime("%b %d 00:00:01 box sudo: alice : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/true\n")
    (root / "var/log/auth.log").write_text(logged)
    _write(root / "var/spool/cron/atjobs/.SEQ", "0", 1)
    _write(root / "var/spool/cron/crontabs/alice", f"MAILTO={BOB},{CAROL}\n@reboot cat text\n", ALICE)
    home = root / HOMES["alice"].lstrip("/")
    home.mkdir()
    os.chown(home, ALICE, ALICE)
    for name, text in FILES.items():
        _write(home / name, text, ALICE)


def _write(path: pathlib.Path, text: str, owner: int) -> None:
    path.touch(0o600)
    path.write_text(text, encoding="utf-8")
    os.chown(path, owner, owner)
