#!/usr/bin/env bash
# Packaged programs hold no crash points and no planted bugs: neither the names of the variables that
# arm them nor the names of the points are in the programs.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
if [ $# -eq 0 ]; then
  echo "usage: packaging/tests/no_test_points.sh FOLDER|PROGRAM..." >&2
  exit 64
fi

mapfile -t programs < <(find "$@" -type f -perm -u+x -name 'shift-*' ! -name '*.so*' ! -path '*.p/*')
if [ "${#programs[@]}" -lt 4 ]; then
  echo "no_test_points.sh: only ${#programs[@]} programs in $*" >&2
  exit 1
fi
# Bugs are called by names that occur nowhere else; points in the sources may share theirs with words
# of the product, so they are told by the variables.
mapfile -t names < <(grep -rhoE 'planted_bug\("[a-z-]+"' "$root"/{supervisor,worker,common,ctl,api} |
  sed -E 's/.*"([a-z-]+)"/\1/' | sort -u)
names+=(SHIFT_CRASH_DIR SHIFT_PLANT)
if [ "${#names[@]}" -lt 5 ]; then
  echo "no_test_points.sh: the sources name only ${#names[@]} of them: is the pattern right?" >&2
  exit 1
fi
found=0
for program in "${programs[@]}"; do
  contained=$(strings --all --bytes=4 "$program" | grep -xF -f <(printf '%s\n' "${names[@]}") || true)
  if [ -n "$contained" ]; then
    echo "$program contains ${contained//$'\n'/ }" >&2
    found=1
  fi
done
if [ "$found" -ne 0 ]; then
  exit 1
fi
echo "${#programs[@]} programs without any of ${#names[@]} test points"
