#!/usr/bin/env bash
# Makes docs/status.svg: what `shift-supervisorctl status --watch` shows in the middle of a copy of the
# quickstart, taken from a real terminal (tmux).
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
output=$root/docs/status.svg
columns=100
rows=12
case "${1:-}" in
  '') ;;
  --help | -h)
    cat <<'TEXT'
Usage: packaging/capture.sh [OUTPUT]

Runs packaging/quickstart.sh in a temporary folder, with a second migration beside its own, and writes
the screen of `status --watch` as SVG to OUTPUT (default: docs/status.svg). SHIFT_BIN_DIR=DIR uses the
programs in DIR instead of building. CAPTURE_ROWS=N loads N rows (default: 1000000).
TEXT
    exit 0
    ;;
  -*) echo "capture.sh: unknown option $1 (see --help)" >&2; exit 64 ;;
  *) output=$1 ;;
esac
for tool in tmux python3; do
  command -v "$tool" >/dev/null || { echo "capture.sh: needs $tool" >&2; exit 1; }
done

dir=$(mktemp -d /tmp/shift-capture-XXXXXX)
quickstart=
cleanup() {
  tmux -S "$dir/tmux" kill-server 2>/dev/null || true
  if [ -n "$quickstart" ]; then
    # Its own trap stops what it started.
    kill "$quickstart" 2>/dev/null || true
    wait "$quickstart" 2>/dev/null || true
  fi
  rm -rf "$dir"
}
trap cleanup EXIT

wait_for() { # wait_for WHAT SECONDS COMMAND...
  local what=$1 deadline=$((SECONDS + $2))
  shift 2
  until "$@" >/dev/null 2>&1; do
    if [ "$SECONDS" -ge "$deadline" ] || ! kill -0 "$quickstart" 2>/dev/null; then
      tail -n 20 "$dir/quickstart.log" >&2
      echo "capture.sh: $what: not in time" >&2
      exit 1
    fi
    sleep 0.2
  done
}

"$root/packaging/quickstart.sh" --dir "$dir/demo" --rows "${CAPTURE_ROWS:-1000000}" >"$dir/quickstart.log" 2>&1 &
quickstart=$!
wait_for "the copy" 900 grep -q 'awaiting start' "$dir/quickstart.log"
ctl=${SHIFT_BIN_DIR:+$SHIFT_BIN_DIR/shift-supervisorctl}
[ -n "$ctl" ] || ctl=$(find "$root"/build*/ctl -maxdepth 1 -name shift-supervisorctl -type f | head -n 1)
demo=$dir/demo

# Something that waits for people.
mariadb --no-defaults --socket="$demo/mariadb.sock" --user=root <<'SQL'
CREATE DATABASE crm;
CREATE TABLE crm.customers (id BIGINT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(80) NOT NULL);
INSERT INTO crm.customers (name) SELECT CONCAT('customer ', seq) FROM crm.seq_1_to_9973;
SQL
"$ctl" --config "$demo/supervisor.yaml" submit --cluster main --database crm \
  --ddl 'ALTER TABLE customers ADD COLUMN vat_id VARCHAR(20)' >/dev/null

printf 'set -g status off\nset -g default-terminal screen-256color\n' >"$dir/tmux.conf"
LC_ALL=C.UTF-8 TERM=xterm-256color tmux -S "$dir/tmux" -f "$dir/tmux.conf" new-session -d -s t \
  -x "$columns" -y "$rows" "$ctl --config $demo/supervisor.yaml status --watch"
screen() { tmux -S "$dir/tmux" capture-pane -e -p -t t; }
in_the_middle() { screen >"$dir/screen" && grep -qE '(4|5|6)[0-9]%' "$dir/screen" && grep -q customers "$dir/screen"; }
wait_for "the middle of the copy" 600 in_the_middle

python3 "$root/packaging/screen_to_svg.py" --columns "$columns" \
  --title 'shift-supervisorctl status --watch' <"$dir/screen" >"$dir/status.svg"
mv "$dir/status.svg" "$output"
echo "$output"
