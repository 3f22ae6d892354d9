#!/usr/bin/env bash
# On Debian 12: installs what is needed, builds Pillarbox and sends a first message with it, to a server on this
# machine's loopback that shows what it got. Asks nothing; a second run takes seconds.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d)  # 0700
server=
end() {
  [[ -z $server ]] || kill "$server" 2>/dev/null || true
  rm -rf "$work"
}
trap end EXIT
trap 'exit 130' INT TERM HUP

fail() {  # TEXT [FILE...]: the files say why
  printf '\nquickstart: %s\n' "$1" >&2
  (($# == 1)) || tail -n 30 "${@:2}" >&2
  exit 1
}

step() {  # NAME COMMAND...
  printf '%s ... ' "$1"
  SECONDS=0
  "${@:2}" >"$work/log" 2>&1 || fail "$1 failed:" "$work/log"
  echo "done ($SECONDS s)"
}

section() {
  printf '\n===== %s %s\n' "$1" "$(printf '%*s' $((72 - ${#1})) '' | tr ' ' =)"
}

build() {
  # Without the tests; tests/run.sh goes on from here. Where it has been before, its choice stays.
  [[ -e build/release/build.ninja ]] || cmake --preset release -DPILLARBOX_TESTS=OFF
  cmake --build --preset release --target pillarbox
}

start_server() {
  packaging/capture-server --port 0 --port-file "$work/port" --output "$work" --timeout 30 >"$work/server" 2>&1 &
  server=$!
  for ((i = 0; i < 100; i++)); do
    [[ ! -e $work/port ]] || return 0
    kill -0 "$server" 2>/dev/null || break
    sleep 0.1
  done
  fail "the capture server does not start:" "$work/server"
}

step "Installing what is needed" packaging/install-deps.sh build python3
step "Building build/release/pillarbox" build
start_server

cat >"$work/pillarbox.conf" <<CONF
accounts = (
  { name = "capture"; host = "127.0.0.1"; port = $(<"$work/port"); tls = "off"; from = "me@example.com"; }
);
queue = { enabled = false; };
log = { syslog = false; };
CONF
chmod 600 "$work/pillarbox.conf"

PILLARBOX_CONFIG=$work/pillarbox.conf build/release/sendmail -t -v >"$work/trace" 2>"$work/errors" <<MESSAGE || code=$?
From: Quickstart <me@example.com>
To: you@example.net
Bcc: secret@example.net
Subject: First message

It left through $PWD/build/release/sendmail.
.
A line with a lone dot does not end it, and the Bcc field stays here.
MESSAGE
((${code:=0} == 0)) || fail "sendmail exited with $code:" "$work/errors" "$work/trace"
[[ -s $work/1.eml ]] || fail "the message did not arrive:" "$work/server" "$work/trace"

section "The conversation, as sendmail -v shows it"
cat "$work/trace"
section "The message, as the server received it"
tr -d '\r' <"$work/1.eml"
section "It works"
cat <<'NEXT'
Next: copy config/pillarbox.conf to /etc/pillarbox.conf and enter your server, then send with
build/release/sendmail -t < message. For more to try: packaging/capture-server --help,
build/release/smtp --help. The tests: tests/run.sh.
NEXT
