#!/usr/bin/env bash
# The packages, installed, upgraded under a running copy, removed and purged. The last line is
# `package test: OK`.
set -euo pipefail
shopt -s inherit_errexit

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=packaging/dependencies.sh
. "$root/packaging/dependencies.sh"

usage() {
  cat <<'TEXT'
Usage: packaging/tests/run.sh [--packages DIR] [--only deb|rpm] [--base DIR] [--no-boot]
                              [--on-this-machine] [--keep] [--help]

Needs root. Makes a bare Debian 12 with debootstrap in a temporary folder, boots it with systemd-nspawn and
works in there: installs the .deb, runs a migration as the user shift on a private MariaDB, upgrades and
removes the package in the middle of a copy, purges it; then the rpm, for what it contains.

  --packages DIR     packages of build.sh (default: build-packages/output; what is missing is built)
  --only deb|rpm     only this half
  --base DIR         copy this folder, made by debootstrap, instead of making one
  --no-boot          a chroot instead of a booted container: the units are not used then
  --on-this-machine  install the .deb here instead of in a folder. Only for a machine to be thrown away:
                     the package is purged at the end, with /var/lib/shift-supervisor
  --keep             leave the folder
  --help             this text

Debian is fetched from DEBIAN_MIRROR (default: http://deb.debian.org/debian).
TEXT
}

packages=$root/build-packages/output
only=
base=
here=no
boot=yes
keep=no
while [ $# -gt 0 ]; do
  case "$1" in
    --packages) packages=${2:?--packages needs a folder}; shift ;;
    --packages=*) packages=${1#--packages=} ;;
    --only) only=${2:?--only needs deb or rpm}; shift ;;
    --only=*) only=${1#--only=} ;;
    --base) base=${2:?--base needs a folder}; shift ;;
    --base=*) base=${1#--base=} ;;
    --no-boot) boot=no ;;
    --on-this-machine) here=yes ;;
    --keep) keep=yes ;;
    --help | -h) usage; exit 0 ;;
    *) echo "run.sh: unknown option $1 (see --help)" >&2; exit 64 ;;
  esac
  shift
done
case "$only" in
  '' | deb | rpm) ;;
  *) echo "run.sh: --only $only: neither deb nor rpm" >&2; exit 64 ;;
esac
if [ "$(id -u)" -ne 0 ]; then
  echo "run.sh: needs root" >&2
  exit 77
fi

mapfile -t needed < <(shift_package_test_packages)
shift_install_packages "${needed[@]}"
dir=$(mktemp -d "${TMPDIR:-/tmp}/shift-package-test-XXXXXX")
chroot_dir=$dir/debian

# Everything in the folder runs in a pid namespace of its own, so its end is the end of all of it.
nspawn=
cleanup() {
  local status=$?
  if [ -n "$nspawn" ]; then
    kill -TERM "$nspawn" 2>/dev/null || true # powers the container off
    wait "$nspawn" 2>/dev/null || true
  fi
  if [ "$keep" = yes ] || [ "$status" -ne 0 ]; then
    echo "the files are in $dir" >&2
  else
    rm -rf --one-file-system "$dir"
  fi
}
trap cleanup EXIT

say() { printf '\n== %s\n' "$*"; }
# Nothing when there is none, or no folder yet.
newest() {
  { find "$packages" -name "$1" -printf '%T@ %p\n' 2>/dev/null || true; } | sort -n | tail -n 1 | cut -d' ' -f2-
}

package() { # package KIND PATTERN
  local found
  found=$(newest "$2")
  if [ -z "$found" ]; then
    say "building the $1" >&2
    "$root/packaging/build.sh" "$1" --output "$packages" >&2
    found=$(newest "$2")
  fi
  printf '%s\n' "$found"
}

# The same contents under a higher version: what an upgrade looks like to dpkg.
make_next() {
  local from=$1 to=$2 version
  rm -rf "$dir/next"
  dpkg-deb --raw-extract "$from" "$dir/next"
  version=$(dpkg-deb --field "$from" Version)
  sed -i "s/^Version: .*/Version: $version+next1/" "$dir/next/DEBIAN/control"
  dpkg-deb --root-owner-group -Znone --build "$dir/next" "$to" >/dev/null
}

make_chroot() {
  say "a bare Debian 12"
  if [ -n "$base" ]; then
    cp -a "$base" "$chroot_dir"
  else
    debootstrap --variant=minbase bookworm "$chroot_dir" \
      "${DEBIAN_MIRROR:-http://deb.debian.org/debian}" >"$dir/debootstrap.log" 2>&1 || {
      tail -n 5 "$dir/debootstrap.log" >&2
      echo "run.sh: debootstrap does not work here; --on-this-machine uses this machine" >&2
      exit 1
    }
  fi
  # apt of the folder asks what apt of this machine asks.
  cp /etc/resolv.conf "$chroot_dir/etc/resolv.conf"
  echo "127.0.0.1 localhost" >"$chroot_dir/etc/hosts"
  find /etc/apt/apt.conf.d -name '*proxy*' -exec cp {} "$chroot_dir/etc/apt/apt.conf.d/" \;
}

# A container with systemd as pid 1; nothing of it is registered with this machine.
boot_chroot() {
  local deadline=$((SECONDS + 120))
  in_chroot sh -c 'apt-get update -q && apt-get install -q -y --no-install-recommends systemd-sysv dbus' \
    >"$dir/systemd.log" 2>&1 || { tail -n 5 "$dir/systemd.log" >&2; exit 1; }
  systemd-nspawn --quiet --register=no --keep-unit --console=pipe --boot -D "$chroot_dir" \
    >"$dir/nspawn.log" 2>&1 </dev/null &
  nspawn=$!
  until leader=$(pgrep --parent "$nspawn" | head -n 1) && [ -n "$leader" ] &&
    in_container systemctl is-system-running 2>/dev/null | grep -qE 'running|degraded'; do
    if [ "$SECONDS" -ge "$deadline" ] || ! kill -0 "$nspawn" 2>/dev/null; then
      tail -n 5 "$dir/nspawn.log" >&2
      echo "run.sh: no systemd boots in a container here; --no-boot does without" >&2
      exit 1
    fi
    sleep 0.5
  done
  echo "booted: systemd $(in_container systemctl --version | head -n 1 | cut -d' ' -f2)"
}

in_container() {
  nsenter --target "$leader" --mount --uts --ipc --pid /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
}

in_chroot() {
  # shellcheck disable=SC2016 # expanded by the inner shell
  unshare --mount --pid --fork --kill-child sh -c '
    mount -t proc proc "$1/proc" && mount -t tmpfs tmpfs "$1/run" && shift_dir=$1 && shift &&
      exec chroot "$shift_dir" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
        DEBIAN_FRONTEND=noninteractive "$@"' sh "$chroot_dir" "$@"
}

test_deb() {
  local deb
  deb=$(package deb 'shift-supervisor_*.deb')
  say "$(basename "$deb")"
  dpkg-deb --extract "$deb" "$dir/unpacked"
  "$root/packaging/tests/no_test_points.sh" "$dir/unpacked"
  local at=
  if [ "$here" = no ]; then
    make_chroot
    at=$chroot_dir
  fi
  mkdir -p "$at/shift-test"
  cp "$deb" "$at/shift-test/this.deb"
  make_next "$deb" "$at/shift-test/next.deb"
  cp "$root/packaging/tests/in_root.sh" "$at/shift-test/"
  if [ "$here" = yes ]; then
    DEBIAN_FRONTEND=noninteractive bash /shift-test/in_root.sh
    rm -rf /shift-test
  elif [ "$boot" = yes ]; then
    boot_chroot
    in_container bash /shift-test/in_root.sh
    kill -TERM "$nspawn"
    wait "$nspawn" || true
    nspawn=
  else
    in_chroot bash /shift-test/in_root.sh
  fi
}

test_rpm() {
  local source binary
  source=$(package rpm 'shift-supervisor-*.src.rpm')
  binary=$(newest 'shift-supervisor-*.x86_64.rpm')
  [ -n "$binary" ] || binary=$(find "$packages/layout-only" -name '*.rpm' ! -name '*debug*' | head -n 1)
  say "$(basename "$source"), $(basename "$binary")"
  rpm -qp --qf '%{NAME} %{VERSION}-%{RELEASE} %{LICENSE}\n' "$source"
  rpm -qp --requires "$source" >"$dir/build-requires"
  grep -qx 'cpp-httplib-devel' "$dir/build-requires"
  rpm -qplv "$binary" >"$dir/rpm-files"
  # Owners and modes, as the spec wants them.
  while read -r mode owner group path; do
    awk -v path="$path" '$NF == path { print $1, $3, $4 }' "$dir/rpm-files" | grep -qx -- "$mode $owner $group" || {
      echo "run.sh: $path is not $mode $owner $group:" >&2
      grep -F -- "$path" "$dir/rpm-files" >&2 || true
      exit 1
    }
  done <<'TEXT'
-rwxr-xr-x root root /usr/sbin/shift-supervisord
-rwxr-xr-x root root /usr/bin/shift-supervisorctl
-rwxr-xr-x root root /usr/bin/shift-api
-rwxr-xr-x root root /usr/libexec/shift-supervisor/shift-worker
-rw-r--r-- root root /usr/lib/systemd/system/shift-supervisord.service
-rw-r----- root shift /etc/shift-supervisor/production-config.yaml
-rw------- shift shift /etc/shift-supervisor/my_production.cnf
drwxr-x--- shift shift /var/lib/shift-supervisor
drwxr-x--- shift shift /var/log/shift-supervisor
TEXT
  rpm -qp --configfiles "$binary" | grep -qx /etc/shift-supervisor/production-config.yaml
  for script in prein postin preun postun; do
    rpm -qp --qf "%{${script^^}}\n" "$binary" >"$dir/$script"
    sh -n "$dir/$script" || { echo "run.sh: %$script is no shell script" >&2; exit 1; }
  done
  # From the files in packaging/systemd, which the macros read while the spec was parsed.
  for words in prein:'groupadd -r shift-admin' prein:'useradd -r -g shift' \
    postin:'d /var/lib/shift-supervisor 0750 shift shift'; do
    grep -qF -- "${words#*:}" "$dir/${words%%:*}" || {
      echo "run.sh: %${words%%:*} lacks '${words#*:}'" >&2
      exit 1
    }
  done
  grep -q 'stop-for-removal' "$dir/preun"
  rpm2cpio "$binary" | (mkdir -p "$dir/rpm-unpacked" && cd "$dir/rpm-unpacked" && cpio -idm --quiet)
  "$root/packaging/tests/no_test_points.sh" "$dir/rpm-unpacked"
  if [ "$here" = yes ]; then
    echo "rpm: not installed, there is no scratch root on this machine"
    return
  fi
  # --nodeps: what it needs is not known to this rpm database. Its scripts run in the root.
  [ -d "$chroot_dir" ] || make_chroot
  mkdir -p "$chroot_dir/var/lib/rpm"
  rpm --root "$chroot_dir" --initdb
  rpm --root "$chroot_dir" --install --nodeps "$binary"
  chroot "$chroot_dir" stat -c '%U %G %a' /var/lib/shift-supervisor | grep -qx 'shift shift 750'
  chroot "$chroot_dir" id -gn shift | grep -qx shift
  chroot "$chroot_dir" getent group shift-admin >/dev/null
  rpm --root "$chroot_dir" --verify --nodeps shift-supervisor
  echo 'rest_api: http://127.0.0.1:1/api/v1/' >"$chroot_dir/etc/shift-supervisor/staging-config.yaml"
  rpm --root "$chroot_dir" --erase shift-supervisor
  [ ! -e "$chroot_dir/usr/sbin/shift-supervisord" ]
  [ -e "$chroot_dir/etc/shift-supervisor/staging-config.yaml.rpmsave" ]
  echo "rpm: contents, owners, scripts, installation and removal as wanted"
}

[ "$only" = rpm ] || test_deb
[ "$only" = deb ] || test_rpm
echo
echo "package test: OK"
