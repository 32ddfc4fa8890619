#!/usr/bin/env bash
# Online schema change tools against each other on one private server; the work is in osc.py.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=packaging/dependencies.sh
. "$root/packaging/dependencies.sh"

case " $* " in
  *" --help "* | *" -h "*) exec python3 "$root/tests/bench/osc.py" --help ;;
esac
mapfile -t packages < <(shift_build_packages; shift_runtime_packages; printf '%s\n' python3 sysbench)
shift_install_packages "${packages[@]}"
bin=${SHIFT_BIN_DIR:-}
if [ -z "$bin" ]; then
  build=$root/build-bench
  [ -f "$build/build.ninja" ] || meson setup "$build" "$root" --buildtype=release -Dbatch=true >/dev/null
  ninja -C "$build" worker/lhm/cli/shift-lhm >/dev/null
  bin=$build/worker/lhm/cli
fi
exec python3 "$root/tests/bench/osc.py" --shift-lhm "$bin/shift-lhm" "$@"
