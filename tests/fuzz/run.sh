#!/usr/bin/env bash
# Fuzzes the parsers with libFuzzer, ASan and UBSan: needs clang. New inputs that reach new code are
# kept in build-fuzz/corpus; a crash is printed with the file that replays it.
set -Eeuo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
seconds=60
targets=()
while [ $# -gt 0 ]; do
  case "$1" in
    --seconds) seconds=$2; shift ;;
    --help | -h)
      echo "Usage: tests/fuzz/run.sh [--seconds N] [TARGET]...   (N for each; default: 60, all)"
      exit 0
      ;;
    *) targets+=("$1") ;;
  esac
  shift
done
command -v clang++ >/dev/null || { echo "run.sh: clang++ is not installed" >&2; exit 69; }
if [ ! -f build-fuzz/build.ninja ]; then
  CC=clang CXX=clang++ meson setup build-fuzz -Dtests=true -Dfuzz=true -Dwerror=false \
    -Db_sanitize=address,undefined -Db_lundef=false -Db_pch=false >/dev/null
fi
if [ "${#targets[@]}" -eq 0 ]; then
  mapfile -t targets < <(basename -a -s .cc tests/fuzz/fuzz_*.cc | sed 's/^fuzz_//')
fi
for target in "${targets[@]}"; do
  ninja -C build-fuzz "tests/fuzz/fuzz_$target"
  mkdir -p "build-fuzz/corpus/$target"
  echo "== $target, $seconds s"
  "build-fuzz/tests/fuzz/fuzz_$target" -max_total_time="$seconds" -max_len=65536 -timeout=10 \
    -rss_limit_mb=4096 -print_final_stats=1 -artifact_prefix="build-fuzz/$target-" \
    "build-fuzz/corpus/$target" "tests/fuzz/corpus/$target"
done
