#!/usr/bin/env bash
# run.sh --only deb, where SHIFT_FULL=1 asks for everything; else skipped (exit 77) with the reason.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [ "${SHIFT_FULL:-}" != 1 ]; then
  echo "skipped: builds and boots the package for minutes; SHIFT_FULL=1 runs it, or packaging/tests/run.sh"
  exit 77
fi
if [ "$(id -u)" -ne 0 ]; then
  echo "skipped: packaging/tests/run.sh needs root"
  exit 77
fi
exec "$here/run.sh" --only deb
