#!/usr/bin/env bash
# The manual pages: mandoc finds nothing to complain about, references between them included.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root/packaging/man"
complaints=$(for page in *.[1-8]; do mandoc -T lint "$page" 2>/dev/null || true; done |
  while IFS= read -r line; do
    # A page of ours that is not installed here, or one of another package, which need not be.
    if [[ $line =~ referenced\ manual\ not\ found:\ Xr\ ([^ ]+)\ ([0-9]) ]]; then
      name=${BASH_REMATCH[1]}.${BASH_REMATCH[2]}
      case $name in
        shift-*) [ ! -e "$name" ] || continue ;;
        *) continue ;;
      esac
    fi
    printf '%s\n' "$line"
  done)
if [ -n "$complaints" ]; then
  printf '%s\n' "$complaints"
  exit 1
fi
count=$(find . -name '*.[1-8]' | wc -l)
[ "$count" -ge 5 ] || { echo "only $count pages"; exit 1; }
echo "$count pages"
