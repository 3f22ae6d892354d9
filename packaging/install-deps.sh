#!/usr/bin/env bash
# Installs what Pillarbox is built and tested with, on Debian 12. Run as root or by someone who may use sudo.
#
#   packaging/install-deps.sh build|test [PACKAGE...]
#
# build: what a build without tests needs, as debian/control says; test: that, what its tests need, and the tools that
# check the source. Packages that are there already cost nothing; nothing is removed, and no question is asked.
set -euo pipefail

control=$(dirname "$0")/../debian/control
tools=(clang clang-format clang-tidy mmdebstrap)

build_depends() {  # [nocheck]: without the packages of the tests
  awk -v profile="${1-}" '
    /^Build-Depends:/ { inside = 1; next }
    !inside || /^#/ { next }
    /^[^ ]/ { exit }
    / (debhelper|dh)-/ || (profile != "" && index($0, "<!" profile ">")) { next }
    { sub(",", "", $1); print $1 }' "$control"
}

case ${1-} in
  build) mapfile -t wanted < <(build_depends nocheck) ;;
  test) mapfile -t wanted < <(build_depends; printf '%s\n' "${tools[@]}") ;;
  *) echo "usage: $0 build|test [PACKAGE...]" >&2; exit 64 ;;
esac
wanted+=("${@:2}")

missing=()
for package in "${wanted[@]}"; do
  status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || true
  [[ $status == installed ]] || missing+=("$package")
done
((${#missing[@]})) || exit 0

if ! command -v apt-get >/dev/null; then
  echo "$0: this is not Debian; please install what it calls: ${missing[*]}" >&2
  exit 1
fi
root=()
if ((EUID != 0)); then
  command -v sudo >/dev/null || { echo "$0: run this as root to install: ${missing[*]}" >&2; exit 1; }
  root=(sudo)
fi
echo "Installing ${missing[*]}"
apt() {
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 \
    -o Dpkg::Use-Pty=0 "$@"
}
apt update
apt install --yes --no-install-recommends "${missing[@]}" >/dev/null
