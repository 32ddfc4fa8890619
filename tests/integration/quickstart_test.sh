#!/usr/bin/env bash
# The quickstart keeps its promises: to its end, and to the same end after everything in its folder
# was killed at a random moment. Arguments: the build folder, the source folder.
set -euo pipefail

build=$1
source=$2
work=$(mktemp -d /tmp/shqs-XXXXXX)
dir=$work/d
mkdir "$work/bin" "$dir"
ln -s "$build"/{supervisor/shift-supervisord,worker/shift-worker,ctl/shift-supervisorctl,api/shift-api} \
  "$work/bin/"
export SHIFT_BIN_DIR=$work/bin

# Kills what runs in our folder, except ourselves.
kill_all() {
  local proc pid line
  for proc in /proc/[0-9]*; do
    pid=${proc#/proc/}
    line=$({ tr '\0' ' ' <"$proc/cmdline"; } 2>/dev/null) || continue  # it may just have ended
    if [[ $line == *"$dir"* && $pid != "$$" && $pid != "$BASHPID" ]]; then
      kill -KILL "$pid" 2>/dev/null || true
    fi
  done
}
quickstart() { "$source/packaging/quickstart.sh" --dir "$dir" --rows 40000 "$@"; }
finish() {
  local status=$?
  kill_all
  if [ "$status" -eq 0 ]; then
    rm -rf "$work"
  else
    echo "kept: $work"
    tail -n 60 "$work"/*.log
  fi
  exit "$status"
}
trap finish EXIT

seed=${SHIFT_SEED:-$RANDOM}
RANDOM=$seed
kills=2
if [ "${SHIFT_FULL:-0}" = 1 ]; then
  kills=10
fi
echo "seed $seed"
for ((i = 1; i <= kills; i++)); do
  # Up to 8 s: loading, preparing, copying, renaming.
  delay=$((RANDOM % 80))
  echo "run $i: killed after $delay tenths of a second"
  quickstart >"$work/$i.log" 2>&1 &
  sleep "$((delay / 10)).$((delay % 10))"
  kill_all
  wait
done
quickstart --keep >"$work/last.log" 2>&1
[ "$(tail -n 1 "$work/last.log")" = "quickstart: OK" ]
# --keep left everything running; another run in the same folder finds it done.
"$work/bin/shift-supervisorctl" --config "$dir/supervisor.yaml" status >/dev/null
quickstart >"$work/again.log" 2>&1
[ "$(tail -n 1 "$work/again.log")" = "quickstart: OK" ]
if pgrep -f -- "$dir/" >/dev/null; then
  echo "something still runs:"
  pgrep -af -- "$dir/"
  exit 1
fi
echo "all ended right"
