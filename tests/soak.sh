#!/usr/bin/env bash
# The soak: many migrations, traffic, and something killed every few seconds; then all is compared.
set -Eeuo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
# shellcheck source=packaging/dependencies.sh
. packaging/dependencies.sh

usage() {
  cat <<'TEXT'
Usage: tests/soak.sh [--minutes N] [--seed N] [--tables N] [--big-tables N] [--big-rows N]
                     [--kill-every SECONDS] [--no-server-kills] [--help]

Installs what it needs (Debian packages, as root or with sudo), builds, and runs supervisor,
shift-api, workers, pt-online-schema-change and a private MariaDB with tables under traffic.
Migrations of all kinds are filed, paused and cancelled while one of the processes is killed every
few seconds. After N minutes the killing ends, everything must come to its end, and tables, final
inserts, API and journal are compared with what must have come of it. Ends with `soak: OK` or
`soak: FAILED`.
TEXT
}

for word in "$@"; do
  case "$word" in
    --help | -h) usage; exit 0 ;;
  esac
done

packages=()
mapfile -t packages < <(shift_build_packages; shift_runtime_packages; shift_test_packages)
shift_install_packages "${packages[@]}"
if [ ! -f build/build.ninja ]; then
  meson setup build -Dtests=true >/dev/null
fi
ninja -C build soak >/dev/null
SHIFT_TEST_CACHE="$root/build/test-cache" exec build/tests/soak/shift-soak "$@"
