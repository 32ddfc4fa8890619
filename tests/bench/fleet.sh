#!/usr/bin/env bash
# The supervisor with many running copies; the work is in fleet.py.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=packaging/dependencies.sh
. "$root/packaging/dependencies.sh"

case " $* " in
  *" --help "* | *" -h "*) exec python3 "$root/tests/bench/fleet.py" --help ;;
esac
mapfile -t packages < <(shift_build_packages; shift_runtime_packages; printf '%s\n' python3)
shift_install_packages "${packages[@]}"
bin=${SHIFT_BIN_DIR:-}
if [ -z "$bin" ]; then
  bin=$root/build-bench
  [ -f "$bin/build.ninja" ] || meson setup "$bin" "$root" --buildtype=release -Dbatch=true >/dev/null
  ninja -C "$bin" supervisor/shift-supervisord worker/shift-worker ctl/shift-supervisorctl api/shift-api >/dev/null
fi
exec python3 "$root/tests/bench/fleet.py" --bin "$bin" "$@"
