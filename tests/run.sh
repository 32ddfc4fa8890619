#!/usr/bin/env bash
# Builds everything and runs the tests. The last line is `N passed, N failed, N skipped`.
set -Eeuo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
# shellcheck source=packaging/dependencies.sh
. packaging/dependencies.sh

usage() {
  cat <<'TEXT'
Usage: tests/run.sh [--suite NAME]... [--sanitize] [--full] [--list] [--help]

  --suite NAME  only this suite; may be given several times (default: all)
  --sanitize    with AddressSanitizer and UndefinedBehaviorSanitizer, in build-sanitize
  --full        the long sizes (SHIFT_FULL=1): more seeds, longer outages
  --list        print the names of the suites
  --help        this text

Missing Debian packages are installed first (as root or with sudo). With CI=true warnings are
errors, and the suites unit, faults and fuzz run under the sanitizers instead.
SHIFT_SEED=N replays a random test; SHIFT_KEEP=1 keeps its files; SHIFT_DEADLINE_FACTOR=N stretches
deadlines; SHIFT_JOBS=N limits how many test programs run at a time (default: three per processor, they mostly wait).
TEXT
}

suites=()
sanitize=no
full=no
list=no
while [ $# -gt 0 ]; do
  case "$1" in
    --suite)
      [ $# -ge 2 ] || { echo "run.sh: --suite needs a name" >&2; exit 64; }
      suites+=("$2")
      shift
      ;;
    --suite=*) suites+=("${1#--suite=}") ;;
    --sanitize) sanitize=yes ;;
    --full) full=yes ;;
    --list) list=yes ;;
    --help | -h) usage; exit 0 ;;
    *) echo "run.sh: unknown option $1 (see --help)" >&2; exit 64 ;;
  esac
  shift
done

ci=${CI:-false}
jobs=${SHIFT_JOBS:-$((4 * $(nproc)))}

install_packages() {
  local packages=()
  mapfile -t packages < <(shift_build_packages; shift_runtime_packages; shift_test_packages)
  shift_install_packages "${packages[@]}"
}

# configure FOLDER [meson options]: sets up the build folder, or brings its options up to date.
configure() {
  local folder=$1
  shift
  local options=(-Dtests=true "$@")
  if [ "$ci" = true ]; then
    options+=(-Dwerror=true)
  fi
  if [ -f "$folder/build.ninja" ]; then
    meson configure "$folder" "${options[@]}" >/dev/null
  else
    # A whole build is what is wanted here: the quickest way to one.
    meson setup "$folder" -Dbatch=true "${options[@]}" >"$folder.log" 2>&1 || {
      cat "$folder.log"
      return 1
    }
    mv "$folder.log" "$folder/setup.log"
  fi
}

list_suites() {
  meson introspect --tests "$1" | python3 -c '
import json, sys
names = {s.split(":", 1)[1] for test in json.load(sys.stdin) for s in test["suite"] if ":" in s}
print("\n".join(sorted(names)))'
}

has_suite() { list_suites "$1" | grep -qxF -- "$2"; }

# run_tests FOLDER SUITE...: one pass of meson over a build folder (no suite = all, !SUITE = all but
# that one); builds what these tests need first. Adds its junit file to `reports`.
reports=()
broken=0
sanitized=(unit faults fuzz)
run_tests() {
  local folder=$1 suite status=0
  shift
  local options=(--num-processes "$jobs")
  for suite in "$@"; do
    case $suite in
      !*) options+=(--no-suite "${suite#!}") ;;
      *) options+=(--suite "$suite") ;;
    esac
  done
  if [[ $folder == *sanitize* ]]; then
    options+=(--timeout-multiplier 4)
  fi
  # GoogleTest's own reports: one left by an earlier run would speak for a test that crashes.
  find "$folder" -maxdepth 1 -name '*.xml' -delete
  rm -f "$folder"/meson-logs/testlog*
  meson test -C "$folder" "${options[@]}" || status=$?
  if [ -f "$folder/meson-logs/testlog.junit.xml" ]; then
    reports+=("$folder/meson-logs/testlog")
  else
    echo "run.sh: $folder: no test report" >&2
    broken=1
  fi
  if [ "$status" -ne 0 ]; then
    broken=1
  fi
}

# Unoptimized: instrumented code takes the compiler three times as long otherwise. Without the checks
# that cost it a third more for little: a null pointer in use is AddressSanitizer's as well,
# misaligned access is none of x86's troubles, and nothing here casts down.
configure_sanitized() {
  configure build-sanitize -Db_sanitize=address,undefined -Db_lundef=false -Doptimization=0 \
    -Dcpp_args=-fno-sanitize=null,alignment,object-size,vptr
}

run_sanitized() {
  configure_sanitized
  ASAN_OPTIONS=${ASAN_OPTIONS:-detect_stack_use_after_return=1:strict_string_checks=1:verify_asan_link_order=0} \
    UBSAN_OPTIONS=${UBSAN_OPTIONS:-halt_on_error=1:print_stacktrace=1} \
    SHIFT_DEADLINE_FACTOR=${SHIFT_DEADLINE_FACTOR:-4} \
    run_tests build-sanitize "$@"
}

# Whatever stops this script early (packages, configuration, compiler) is a failure, and counted.
trap 'echo; echo "0 passed, 1 failed, 0 skipped"; exit 1' ERR
install_packages

if [ "$list" = yes ]; then
  configure build
  list_suites build
  exit 0
fi
if [ "$full" = yes ]; then
  export SHIFT_FULL=1
fi

folder=build
if [ "$sanitize" = yes ]; then
  folder=build-sanitize
  configure_sanitized
else
  configure "$folder"
fi
for suite in "${suites[@]}"; do
  has_suite "$folder" "$suite" || {
    echo "run.sh: no suite $suite; there are: $(list_suites "$folder" | tr '\n' ' ')" >&2
    exit 64
  }
done

if [ "$sanitize" = yes ]; then
  ninja -C build-sanitize
  run_sanitized "${suites[@]}"
elif [ "$ci" = true ] && [ "${#suites[@]}" -eq 0 ]; then
  # Two builds, but no test twice: what runs in one process with sanitizers, the rest on the
  # programs as they are.
  run_sanitized "${sanitized[@]}"
  ninja -C build benchmarks
  run_tests build "${sanitized[@]/#/!}"
else
  ninja -C build
  run_tests build "${suites[@]}"
fi

# Prints the logs of what failed, then the last line.
trap - ERR
python3 tests/summary.py --broken "$broken" "${reports[@]}"
