#!/bin/sh
# The life of the packages in a system of their own: packaging/test-packages.sh runs it in there, as root, in a folder
# beside old/ and new/ with two versions of them. It installs, uses, upgrades, removes and purges, and looks at what is left.
set -eu
packages=$(cd .. && pwd)
spool=/var/spool/pillarbox

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

apt() {
  apt-get --quiet=2 --yes --no-install-recommends -o Dpkg::Use-Pty=0 "$@" >"$packages/log" 2>&1 ||
    fail "apt-get $*: $(cat "$packages/log")"
}

left() {  # what there is of Pillarbox anywhere
  find / -xdev \( -path "$packages" -o -path /proc -o -path /dev \) -prune -o -name '*pillarbox*' -print
}

owner() {  # PATH
  dpkg-query --search "$1" 2>/dev/null | sed 's/:.*//'
}

echo "Another mail server is there, and gives way:"
apt install msmtp-mta
[ "$(owner /usr/sbin/sendmail)" = msmtp-mta ] || fail "msmtp-mta"
apt install "$packages"/old/*.deb bsd-mailx cron python3 apparmor logrotate
[ "$(owner /usr/sbin/sendmail)" = pillarbox-mta ] || fail "sendmail is $(owner /usr/sbin/sendmail)'s"
! dpkg-query --show --showformat '${db:Status-Abbrev}' msmtp-mta | grep -q '^ii' || fail "msmtp-mta is still there"
dpkg --verify pillarbox pillarbox-mta || fail "files differ"
logrotate --debug /etc/logrotate.d/pillarbox 2>"$packages/log" || fail "logrotate: $(cat "$packages/log")"
apparmor_parser --skip-kernel-load --skip-cache --quiet /etc/apparmor.d/usr.bin.pillarbox || fail "apparmor"
old=$(dpkg-query --show --showformat '${Version}' pillarbox)
echo "  $old is installed"

for test in smoke submit queue cron; do
  debian/tests/$test || fail "the test $test"
  echo "  $test is good"
done

leave_mail() {  # in the queue, as there is no server
  printf 'accounts = ( { name = "none"; host = "127.0.0.1"; port = 1; tls = "off"; from = "box@example.com"; } );\n' \
    >/etc/pillarbox.conf
  printf 'Subject: kept\n\n' | sendmail bob@example.net
  sum=$(cd $spool/0 && sha256sum -- *-*)
}

echo "Mail waits while the version changes:"
leave_mail
apt install "$packages"/new/*.deb
new=$(dpkg-query --show --showformat '${Version}' pillarbox)
[ "$new" != "$old" ] || fail "no upgrade"
[ "$(cd $spool/0 && sha256sum -- *-*)" = "$sum" ] || fail "the upgrade has changed the queue"
[ "$(mailq | grep -c bob@example.net)" = 1 ] || fail "mailq: $(mailq)"
pillarbox queue remove --all
for test in smoke submit queue; do
  debian/tests/$test || fail "the test $test"
done
echo "  $new is as good"

echo "Removed, then purged, with mail in the queue:"
leave_mail
apt remove pillarbox
for name in bin/pillarbox bin/smtp bin/mailq bin/newaliases sbin/sendmail lib/sendmail; do
  [ -z "$(find /usr/$name 2>/dev/null)" ] || fail "/usr/$name is left"
done
[ "$(cd $spool/0 && sha256sum -- *-*)" = "$sum" ] || fail "removing has changed the queue"
apt purge pillarbox pillarbox-mta
grep -q "there is mail in $spool" "$packages/log" || fail "nobody was told of the mail: $(cat "$packages/log")"
[ "$(cd $spool/0 && sha256sum -- *-*)" = "$sum" ] || fail "purging has changed the queue"
[ "$(left | sort | tr '\n' ' ')" = "/etc/pillarbox.conf $spool " ] || fail "left: $(left)"
echo "  the mail and the configuration are left"

echo "Installed again, and purged with an empty queue:"
apt install "$packages"/new/*.deb
[ "$(mailq | grep -c bob@example.net)" = 1 ] || fail "mailq: $(mailq)"
pillarbox queue remove --all
rm /etc/pillarbox.conf
apt purge pillarbox pillarbox-mta
[ -z "$(left)" ] || fail "left: $(left)"
echo "  nothing is left"
