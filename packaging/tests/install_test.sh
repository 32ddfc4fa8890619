#!/usr/bin/env bash
# What `meson install` puts where, and whether the parts that only an installed system reads are good:
# units, users, folders, log rotation, maintainer scripts, spec. Needs no root and no package build.
#
#   packaging/tests/install_test.sh BUILD_FOLDER
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=${1:?usage: install_test.sh BUILD_FOLDER}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
failed=0
fail() {
  echo "FAILED: $*" >&2
  failed=1
}

# ---- files --------------------------------------------------------------------------------------------

# Options that a package sets, whatever this build folder was set up with, are told by the prefix.
DESTDIR=$dir/root meson install -C "$build" --no-rebuild --quiet >"$dir/install.log" 2>&1 || {
  cat "$dir/install.log"
  exit 1
}
prefix=$(meson introspect "$build" --buildoptions |
  python3 -c 'import json, sys; print(next(o["value"] for o in json.load(sys.stdin) if o["name"] == "prefix"))')
at=$dir/root
in_prefix=$dir/root$prefix

expect() { # expect MODE PATH...
  local mode=$1 path
  shift
  for path in "$@"; do
    if [ ! -e "$path" ]; then
      fail "$path is missing"
    elif [ "$(stat -c %a "$path")" != "$mode" ]; then
      fail "$path has mode $(stat -c %a "$path") instead of $mode"
    fi
  done
}
expect 755 "$in_prefix"/{sbin/shift-supervisord,bin/shift-supervisorctl,bin/shift-api,bin/shift-lhm} \
  "$in_prefix"/libexec/shift-supervisor/{shift-worker,stop-for-removal}
expect 644 "$in_prefix"/share/shift-supervisor/shift_ptosc_plugin.pl \
  "$in_prefix"/share/shift-supervisor/{grafana/shift-supervisor.json,prometheus/shift-supervisor.rules.yml} \
  "$in_prefix"/share/bash-completion/completions/shift-lhm \
  "$in_prefix"/share/bash-completion/completions/shift-supervisorctl \
  "$in_prefix"/share/man/man8/{shift-supervisord.8,shift-worker.8,shift-api.8} \
  "$in_prefix"/share/man/man1/{shift-supervisorctl.1,shift-lhm.1} "$in_prefix"/share/man/man5/shift-supervisor.yaml.5 \
  "$in_prefix"/lib/{sysusers.d,tmpfiles.d}/shift-supervisor.conf \
  "$in_prefix"/share/doc/shift-supervisor/{README.md,NEWS.md,docs/troubleshooting.md} \
  "$at"/etc/shift-supervisor/environment "$at"/etc/logrotate.d/shift-supervisor
expect 640 "$at"/etc/shift-supervisor/{development,staging,production}-config.yaml \
  "$at"/etc/shift-supervisor/shift-api.yaml
expect 600 "$at"/etc/shift-supervisor/my_{development,staging,production}.cnf
# Every program has its page.
for program in "$in_prefix"/{bin,sbin}/shift-*; do
  [ -n "$(find "$in_prefix/share/man" -name "$(basename "$program").[1-8]")" ] ||
    fail "$program has no manual page"
done
# The development configuration of a checkout names folders of that checkout.
if grep -qE '/tmp/|: config/' "$at/etc/shift-supervisor/development-config.yaml"; then
  fail "development-config.yaml: $(grep -E '/tmp/|: config/' "$at/etc/shift-supervisor/development-config.yaml")"
fi
for file in "$at"/etc/shift-supervisor/*-config.yaml; do
  "$in_prefix/bin/shift-supervisorctl" --config "$file" check-config >/dev/null ||
    fail "$file is not a good configuration"
done

# ---- units --------------------------------------------------------------------------------------------

if command -v systemd-analyze >/dev/null; then
  units=$dir/units
  mkdir "$units"
  # verify wants the programs where ExecStart says; here they are in the folder of this test.
  for unit in shift-supervisord shift-api; do
    file=$(find "$dir/root" -name "$unit.service")
    sed "s|^ExecStart=$prefix|ExecStart=$in_prefix|" "$file" >"$units/$unit.service"
    complaints=$(systemd-analyze verify --man=no "$units/$unit.service" 2>&1 |
      grep -F "$unit" || true)
    [ -z "$complaints" ] || fail "systemd-analyze verify: $complaints"
    # The figures are in docs/packaging.md.
    systemd-analyze security --offline=true --no-pager --threshold=25 "$units/$unit.service" \
      >"$dir/security" 2>&1 || fail "$(tail -n 3 "$dir/security")"
    tail -n 1 "$dir/security"
  done
  unit=$(find "$dir/root" -name shift-supervisord.service)
  for line in Type=notify KillMode=process OOMPolicy=continue Restart=on-failure RestartSec=5 \
    StartLimitIntervalSec=0 RuntimeDirectoryPreserve=yes; do
    grep -qx "$line" "$unit" || fail "shift-supervisord.service lacks $line"
  done
  grep -qx 'WatchdogSec=[0-9]*s' "$unit" || fail "shift-supervisord.service has no watchdog"
  # Workers outlive the daemon, so what they use must, too.
  if grep -nE '^(PrivateTmp|DynamicUser|RemoveIPC|PrivateUsers)=(yes|true|1)' "$unit"; then
    fail "shift-supervisord.service takes away what living workers use"
  fi
else
  echo "no systemd-analyze here: units not verified"
fi

# ---- users, folders, log rotation -----------------------------------------------------------------------

if command -v systemd-sysusers >/dev/null; then
  mkdir -p "$dir/scratch/etc"
  systemd-sysusers --root="$dir/scratch" "$root/packaging/systemd/sysusers.conf" >"$dir/sysusers" 2>&1 ||
    fail "sysusers: $(cat "$dir/sysusers")"
  grep -q '^shift:x:[0-9]*:[0-9]*:shift-supervisor:/var/lib/shift-supervisor:/usr/sbin/nologin$' \
    "$dir/scratch/etc/passwd" || fail "sysusers made no user shift: $(cat "$dir/scratch/etc/passwd")"
  grep -q '^shift-admin:' "$dir/scratch/etc/group" || fail "sysusers made no group shift-admin"
fi
if command -v logrotate >/dev/null; then
  # Its own names for folder and user; the rest is the shipped file.
  mkdir -m 700 "$dir/log"
  echo line >"$dir/log/shift-supervisord.log"
  exec 9>>"$dir/log/shift-supervisord.log" # stands for the daemon, which keeps it open
  sed -e "s|/var/log/shift-supervisor|$dir/log|" -e "s|su shift shift|su $(id -un) $(id -gn)|" \
    "$root/packaging/etc/logrotate" >"$dir/logrotate.conf"
  chmod 600 "$dir/logrotate.conf"
  logrotate --force --state "$dir/logrotate.state" "$dir/logrotate.conf" ||
    fail "logrotate does not take the file"
  echo "after it" >&9
  [ "$(cat "$dir/log/shift-supervisord.log")" = "after it" ] ||
    fail "after a rotation the log holds: $(cat "$dir/log/shift-supervisord.log")"
  [ "$(cat "$dir/log/shift-supervisord.log.1")" = line ] || fail "nothing was rotated"
  exec 9>&-
fi

# ---- packages -------------------------------------------------------------------------------------------

version=$(sed -n "s/^  version: '\([^']*\)'.*/\1/p" "$root/meson.build")
head -n 1 "$root/packaging/debian/changelog" | grep -q "($version-" ||
  fail "packaging/debian/changelog is not of version $version"
for script in "$root"/packaging/debian/shift-supervisor.{postinst,prerm,postrm} \
  "$root/packaging/stop-for-removal"; do
  sh -n "$script" || fail "$script"
done
if command -v rpmspec >/dev/null; then
  # From another folder, with the sources where rpm has them and nothing unpacked.
  mkdir "$dir/sources"
  cp "$root"/packaging/systemd/{sysusers,tmpfiles}.conf "$dir/sources/"
  (cd "$dir" && rpmspec --load "$root/packaging/rpm/macros.debian" --define "_sourcedir $dir/sources" \
    --parse "$root/packaging/rpm/shift-supervisor.spec") >"$dir/spec" || fail "the spec cannot be read"
  grep -qx "Version: *$version" "$dir/spec" || fail "the spec is not of version $version"
  for words in 'groupadd -r shift-admin' 'useradd -r -g shift -d /var/lib/shift-supervisor' \
    'd /var/lib/shift-supervisor 0750 shift shift -'; do
    grep -qF -- "$words" "$dir/spec" || fail "the spec's scripts do not say '$words'"
  done
fi

[ "$failed" -eq 0 ] || exit 1
echo "installed as documented"
