#!/usr/bin/env bash
# Builds the Debian packages and tries them: the same bytes from two builds, lintian, hardening-check, and then their
# whole life in a clean Debian 12, as packaging/test-in-chroot.sh tells it.
#
#   packaging/test-packages.sh [FOLDER]
#
# FOLDER (build/packages) keeps the packages, in debs/, and the clean system with the packages of Debian's that it takes,
# so that later runs need no mirror. Needs root, or sudo, for the chroot; builds as whoever calls.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p "${1:-build/packages}"
folder=$(cd "${1:-build/packages}" && pwd)

# What calls sendmail, the mail server whose place is taken, what reads our files in /etc, what capture-server runs on.
others=(bsd-mailx cron msmtp-mta apparmor logrotate python3)

work=$(mktemp -d "$folder/run.XXXXXX")
root=()
((EUID == 0)) || root=(sudo -n)
trap '"${root[@]}" rm -rf "$work"' EXIT

step() {  # NAME COMMAND...
  printf '%s ... ' "$1"
  SECONDS=0
  "${@:2}" >"$work/log" 2>&1 &  # in a shell of its own, which a failure ends: behind "if" or before "||" it would go on
  if wait $!; then
    printf 'good (%s s)\n' "$SECONDS"
  else
    printf 'FAILED (%s s)\n' "$SECONDS"
    tail -n 60 "$work/log"
    exit 1
  fi
}

unpack() {  # FOLDER: gets the source as it was when this began
  mkdir -p "$1"
  tar -C "$1" -xf "$work/source.tar"
}

build() (  # FOLDER COMMAND...: the command builds there
  cd "$1"
  "${@:2}" dpkg-buildpackage --no-sign
)

build_first() {
  unpack "$work/first/pillarbox"
  DEB_BUILD_OPTIONS=parallel=$(nproc) build "$work/first/pillarbox" env TZ=UTC LC_ALL=C.UTF-8
}

# Elsewhere, more than a year later, on the other side of the earth, by somebody who shares nothing, and untested.
build_second() {
  unpack "$work/second/build-of_the.same"
  umask 077
  DEB_BUILD_OPTIONS="nocheck parallel=$(nproc)" build "$work/second/build-of_the.same" \
    env TZ=Pacific/Chatham LC_ALL=C NO_FAKE_STAT=1 faketime -f +400d
}

# The next version: of the first build, with nothing to compile.
build_next() {
  local changelog=$work/first/pillarbox/debian/changelog
  { printf 'pillarbox (%s+next) unstable; urgency=medium\n\n  * The next version.\n\n' "$version"
    printf ' -- The Pillarbox developers <pillarbox@example.org>  Wed, 25 Nov 2026 12:00:00 +0000\n\n'
    cat "$changelog"; } >"$work/changelog"
  cp "$work/changelog" "$changelog"
  (cd "$work/first/pillarbox" && DEB_BUILD_OPTIONS="nocheck noautodbgsym" dpkg-buildpackage --no-sign -b -nc)
}

same() {
  local package
  for package in "$work"/first/*.deb; do
    cmp "$package" "$work/second/${package##*/}"
  done
}

hardened() {
  dpkg-deb --extract "$work"/first/pillarbox_*.deb "$work/extracted"
  hardening-check --color --verbose "$work/extracted/usr/bin/pillarbox"
}

clean_system() {
  local wanted
  wanted=$(dpkg-deb --field "$work"/first/pillarbox_*.deb Depends Recommends |
    sed 's/^[A-Z][a-z]*: //; s/,/\n/g' | awk '{ print $1 }' | sort -u | tr '\n' ' ')
  wanted+=${others[*]}
  [[ -e $folder/system.tar && $(cat "$folder/system.stamp" 2>/dev/null) == "$wanted" ]] && return
  rm -f "$folder/system.stamp"
  "${root[@]}" mmdebstrap --variant=minbase --skip=cleanup/apt \
    --customize-hook="APT_CONFIG=\$MMDEBSTRAP_APT_CONFIG apt-get --yes --no-install-recommends --download-only install $wanted" \
    bookworm "$folder/system.tar"
  printf '%s' "$wanted" >"$folder/system.stamp"
}

life() {
  "${root[@]}" mkdir "$work/root"
  "${root[@]}" tar -C "$work/root" --exclude='./dev/*' -xf "$folder/system.tar"
  "${root[@]}" mkdir -p "$work/root/packages/old" "$work/root/packages/new" "$work/root/packages/source"
  "${root[@]}" cp "$work/old"/*.deb "$work/root/packages/old/"
  "${root[@]}" cp "$work/new"/*.deb "$work/root/packages/new/"
  "${root[@]}" tar -C "$work/root/packages/source" -xf "$work/source.tar" ./debian/tests ./packaging
  # Whatever becomes of this script, nothing that was started in there is left.
  # shellcheck disable=SC2016  # the other shell's
  "${root[@]}" unshare --mount --pid --fork --kill-child sh -euc '
    mount -t proc proc "$1/proc"
    mount --rbind /dev "$1/dev"
    exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/root DEBIAN_FRONTEND=noninteractive \
      chroot "$1" sh -c "cd /packages/source && exec packaging/test-in-chroot.sh"' sh "$work/root"
}

packaging/install-deps.sh test debhelper devscripts dh-apparmor dpkg-dev faketime lintian
tar --exclude=./build --exclude=./.git --exclude=__pycache__ -cf "$work/source.tar" .
version=$(dpkg-parsechangelog --show-field Version)
step "Building $version, with its tests" build_first
mkdir "$work/old" "$work/new"
cp "$work"/first/pillarbox{,-mta}_*.deb "$work/old"
step "lintian" lintian -EviI --allow-root --fail-on error,warning,info,experimental "$work"/first/*.changes
step "hardening-check" hardened
step "Building it once more, elsewhere" build_second
step "The same bytes" same
step "Building the next version" build_next
cp "$work"/first/pillarbox{,-mta}_*next_*.deb "$work/new"
step "A clean Debian 12" clean_system
step "Installed, used, upgraded, removed and purged there" life
cat "$work/log"
mkdir -p "$folder/debs"
cp "$work/old"/*.deb "$folder/debs/"
echo "The packages are in $folder/debs."
