#!/usr/bin/env bash
# One migration from nothing to done, in front of your eyes, on a private database server.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=packaging/dependencies.sh
. "$root/packaging/dependencies.sh"

usage() {
  cat <<'TEXT'
Usage: packaging/quickstart.sh [--dir DIR] [--rows N] [--keep] [--help]

Installs what it needs, builds, starts a private MariaDB, shift-api and shift-supervisord in a
temporary folder, loads a table, keeps writing to it, adds a column and an index to it through every
step of a migration, and checks every row. Nothing outside the folder is touched; no running
database is used. The last line is `quickstart: OK`.

  --dir DIR  work in DIR and leave it there. Run again with the same DIR after everything in it was
             killed (kill -9, power cut): it goes on where it was, to the same end.
  --rows N   rows to load (default 500000, at least 10000)
  --keep     leave everything running at the end and say how to use it
  --help     this text

SHIFT_BIN_DIR=DIR uses the programs in DIR instead of building.
TEXT
}

dir=
rows=500000
keep=no
while [ $# -gt 0 ]; do
  case "$1" in
    --dir) dir=${2:?--dir needs a folder}; shift ;;
    --dir=*) dir=${1#--dir=} ;;
    --rows) rows=${2:?--rows needs a number}; shift ;;
    --rows=*) rows=${1#--rows=} ;;
    --keep) keep=yes ;;
    --help | -h) usage; exit 0 ;;
    *) echo "quickstart.sh: unknown option $1 (see --help)" >&2; exit 64 ;;
  esac
  shift
done
if ! [[ $rows =~ ^[0-9]+$ ]] || [ "$rows" -lt 10000 ]; then
  echo "quickstart.sh: --rows must be a number, at least 10000" >&2
  exit 64
fi

say() { printf '\n== %s\n' "$*"; }
die() {
  printf '\nquickstart: FAILED: %s\n' "$*" >&2
  exit 1
}

# ---- processes: each has a pid file, and its command line names our folder --------------------------

# True when the process of pid file $1 runs; a reused pid is not it.
alive() {
  local pid
  pid=$(cat "$dir/$1.pid" 2>/dev/null) || return 1
  [ -n "$pid" ] && { tr '\0' ' ' <"/proc/$pid/cmdline"; } 2>/dev/null | grep -qF -- "$dir/"
}

# start NAME COMMAND...: in the background, in a session of its own, output to NAME.log.
start() {
  local name=$1
  shift
  setsid "$@" >>"$dir/$name.log" 2>&1 </dev/null &
  echo $! >"$dir/$name.pid"
}

# stop NAME: TERM, and KILL after 20 s.
stop() {
  local name=$1 pid i
  alive "$name" || return 0
  pid=$(cat "$dir/$name.pid")
  kill -TERM "$pid" 2>/dev/null || true
  for ((i = 0; i < 200; i++)); do
    alive "$name" || break
    sleep 0.1
  done
  if alive "$name"; then
    kill -KILL "$pid" 2>/dev/null || true
  fi
  rm -f "$dir/$name.pid"
}

# Workers outlive their supervisor on purpose; at the end of a failed run they must go too.
stop_workers() {
  local proc line
  for proc in /proc/[0-9]*; do
    line=$({ tr '\0' ' ' <"$proc/cmdline"; } 2>/dev/null) || continue  # it may just have ended
    case "$line" in
      *shift-worker*"$dir/state/"* | *pt-online-schema-change*"$dir/state/"*)
        kill -TERM "${proc#/proc/}" 2>/dev/null || true
        ;;
    esac
  done
}

stop_everything() {
  touch "$dir/writer.stop"
  stop writer
  stop supervisord
  stop_workers
  stop api
  stop mariadb
}

finish() {
  local status=$?
  trap - EXIT INT TERM
  if [ "$status" -ne 0 ]; then
    local name
    for name in supervisord api mariadb writer; do
      if [ -s "$dir/$name.log" ]; then
        printf '\n--- the end of %s\n' "$dir/$name.log" >&2
        tail -n 15 "$dir/$name.log" >&2
      fi
    done
  fi
  if [ "$status" -eq 0 ] && [ "$keep" = yes ]; then
    exit 0
  fi
  stop_everything
  if [ "$status" -eq 0 ] && [ "$temporary" = yes ]; then
    rm -rf "$dir"
  elif [ "$status" -ne 0 ]; then
    echo "the files are in $dir" >&2
  fi
  if [ "$status" -eq 0 ]; then
    echo "quickstart: OK"
  fi
  exit "$status"
}

# wait_for WHAT SECONDS COMMAND...: polls.
wait_for() {
  local what=$1 deadline=$((SECONDS + $2))
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$deadline" ] || die "$what: not in time"
    sleep 0.1
  done
}

# A port nobody listens on; the one of an earlier run in this folder when it is still free.
pick_port() {
  local file=$dir/$1.port port
  for port in $(cat "$file" 2>/dev/null || true) $(shuf -i 20000-32000 -n 20); do
    if ! (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
      echo "$port" >"$file"
      return 0
    fi
  done
  die "no free port"
}

# ---- programs ----------------------------------------------------------------------------------------

say "packages"
mapfile -t packages < <(shift_build_packages; shift_runtime_packages)
shift_install_packages "${packages[@]}"
echo "all there"

if [ -n "${SHIFT_BIN_DIR:-}" ]; then
  find_program() { echo "$SHIFT_BIN_DIR/$2"; }
else
  say "build"
  build=$root/build-quickstart
  options=(--buildtype=release -Dtests=false -Dbatch=true)
  if [ -f "$root/build/build.ninja" ]; then
    build=$root/build
  elif [ ! -f "$build/build.ninja" ]; then
    meson setup "${options[@]}" "$build" "$root" >/dev/null
  fi
  ninja -C "$build" supervisor/shift-supervisord worker/shift-worker ctl/shift-supervisorctl \
    api/shift-api | tail -n 1
  find_program() { echo "$build/$1/$2"; }
fi
supervisord=$(find_program supervisor shift-supervisord)
worker=$(find_program worker shift-worker)
supervisorctl=$(find_program ctl shift-supervisorctl)
api=$(find_program api shift-api)
for program in "$supervisord" "$worker" "$supervisorctl" "$api"; do
  [ -x "$program" ] || die "$program is missing"
done

# ---- the folder ----------------------------------------------------------------------------------------

temporary=no
if [ -z "$dir" ]; then
  dir=$(mktemp -d /tmp/shift-quickstart-XXXXXX)
  [ "$keep" = yes ] || temporary=yes
fi
mkdir -p "$dir"
dir=$(cd "$dir" && pwd -P)
chmod 700 "$dir"
[ "${#dir}" -le 70 ] || die "$dir: the path is too long for unix sockets (at most 70 characters)"
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

if [ ! -s "$dir/secret" ]; then
  (umask 077 && head -c 18 /dev/urandom | base64 | tr -d '+/=\n' >"$dir/secret")
fi
secret=$(cat "$dir/secret")

# ---- MariaDB --------------------------------------------------------------------------------------------

sql() { mariadb --no-defaults --socket="$dir/mariadb.sock" --user=root --batch --skip-column-names "$@"; }

say "MariaDB"
if ! alive mariadb; then
  as_user=()
  if [ "$(id -u)" -eq 0 ]; then
    as_user=(--user=root)
  fi
  if [ ! -d "$dir/data" ]; then
    rm -rf "$dir/data.new"
    mariadb-install-db --no-defaults --datadir="$dir/data.new" --skip-test-db \
      --auth-root-authentication-method=normal "${as_user[@]}" >"$dir/install-db.log" 2>&1 ||
      die "mariadb-install-db: see $dir/install-db.log"
    mv "$dir/data.new" "$dir/data"
  fi
  pick_port mariadb
  mariadbd=$(command -v mariadbd || echo /usr/sbin/mariadbd)
  start mariadb "$mariadbd" --no-defaults --datadir="$dir/data" --socket="$dir/mariadb.sock" \
    --port="$(cat "$dir/mariadb.port")" --bind-address=127.0.0.1 --skip-name-resolve \
    --pid-file="$dir/mariadbd.pid" --server-id=1 --log-bin=binlog --binlog-format=ROW \
    --character-set-server=utf8mb4 --innodb-buffer-pool-size=128M "${as_user[@]}"
fi
wait_for "MariaDB" 90 sql -e 'SELECT 1'
port=$(cat "$dir/mariadb.port")
for at in 127.0.0.1 localhost; do
  sql <<SQL
CREATE OR REPLACE USER 'shift'@'$at' IDENTIFIED BY '$secret';
GRANT ALL PRIVILEGES ON *.* TO 'shift'@'$at';
SQL
done
echo "$(sql -e 'SELECT VERSION()') on 127.0.0.1:$port"

say "table shop.orders with $rows rows"
loaded=$(sql -e "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'ledger' AND
  TABLE_NAME = 'loaded'")
if [ "$loaded" -eq 0 ]; then
  sql <<SQL
CREATE DATABASE IF NOT EXISTS shop DEFAULT CHARACTER SET utf8mb4;
CREATE DATABASE IF NOT EXISTS ledger DEFAULT CHARACTER SET utf8mb4;
CREATE DATABASE IF NOT EXISTS pending_drops;
DROP TABLE IF EXISTS shop.orders, ledger.orders, ledger.errors;
CREATE TABLE shop.orders (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  customer VARCHAR(40) NOT NULL,
  amount DECIMAL(10,2) NOT NULL,
  note VARCHAR(200) NULL,
  KEY by_customer (customer)
) ENGINE=InnoDB;
CREATE TABLE ledger.orders LIKE shop.orders;
CREATE TABLE ledger.errors (at TIMESTAMP(6), code INT, message TEXT);
INSERT INTO shop.orders (id, customer, amount, note)
  SELECT seq, CONCAT('customer ', seq % 9973), seq % 1000 + 0.25, RPAD('', seq % 150, 'été ')
  FROM shop.seq_1_to_$rows;
INSERT INTO ledger.orders SELECT * FROM shop.orders;
ANALYZE TABLE shop.orders;
CREATE TABLE ledger.loaded (at TIMESTAMP DEFAULT NOW());
SQL
fi
sql -e "SELECT CONCAT(FORMAT(COUNT(*), 0), ' rows') FROM shop.orders"

# ---- shift-api and shift-supervisord -----------------------------------------------------------------

say "shift-api and shift-supervisord"
(
  umask 077
  printf '[client]\nuser=shift\npassword=%s\n' "$secret" >"$dir/client.cnf"
  if ! alive api; then
    pick_port api
  fi
  cat >"$dir/shift-api.yaml" <<YAML
listen: 127.0.0.1
port: $(cat "$dir/api.port")
store: $dir/shift-api.db
clusters:
  - name: main
    rw_host: 127.0.0.1
    port: $port
    mysql_defaults_file: $dir/client.cnf
    check_target: true
YAML
  cat >"$dir/supervisor.yaml" <<YAML
rest_api: http://127.0.0.1:$(cat "$dir/api.port")/api/v1/
mysql_user: shift
mysql_password: $secret
log_dir: $dir/log/
state_dir: $dir/state
control_socket: $dir/control.sock
worker_path: $worker
pending_drops_db: pending_drops
enable_trash: true
poll_interval: 0.5-1
log_sync_interval: 2
state_sync_interval: 2
run_host: quickstart
YAML
)
api_port=$(cat "$dir/api.port")
ctl() { "$supervisorctl" --config "$dir/supervisor.yaml" "$@"; }
# json PATH: reads JSON from standard input.
# One value of the JSON on standard input (readfile() wants a file it can seek in).
json() {
  cat >"$dir/answer.json"
  (cd "$dir" && sqlite3 :memory: \
    "SELECT json_extract(CAST(readfile('answer.json') AS TEXT), '$1')")
}

alive api || start api "$api" --config "$dir/shift-api.yaml"
api_answers() { (: <"/dev/tcp/127.0.0.1/$api_port") 2>/dev/null; }
wait_for "shift-api" 30 api_answers
alive supervisord || start supervisord "$supervisord" --config "$dir/supervisor.yaml"
wait_for "shift-supervisord" 30 ctl status
echo "shift API: http://127.0.0.1:$api_port/"

# ---- traffic ------------------------------------------------------------------------------------------

say "traffic on the table, all the time from now on"
# Every transaction changes the table and, with it, a ledger that nobody migrates: what the table must
# hold is known at any moment, whatever is killed in between. Parsed anew each time, as an application
# sends its statements.
transaction="
BEGIN NOT ATOMIC
  DECLARE kind, key_found BIGINT;
  DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN
    GET DIAGNOSTICS CONDITION 1 @code = MYSQL_ERRNO, @message = MESSAGE_TEXT;
    ROLLBACK;
    IF @code NOT IN (1205, 1213) THEN
      INSERT INTO ledger.errors VALUES (SYSDATE(6), @code, @message);
    END IF;
  END;
  SET kind = FLOOR(RAND() * 10), key_found = NULL;
  START TRANSACTION;
  SELECT id INTO key_found FROM ledger.orders WHERE id >= FLOOR(RAND() * $rows) + 1
    ORDER BY id LIMIT 1 FOR UPDATE;
  IF kind < 5 OR key_found IS NULL THEN
    INSERT INTO shop.orders (customer, amount, note) VALUES ('new', kind, UUID());
    INSERT INTO ledger.orders (id, customer, amount, note)
      SELECT id, customer, amount, note FROM shop.orders WHERE id = LAST_INSERT_ID();
  ELSEIF kind < 8 THEN
    UPDATE ledger.orders SET amount = amount + 1, note = NULL WHERE id = key_found;
    UPDATE shop.orders SET amount = amount + 1, note = NULL WHERE id = key_found;
  ELSE
    DELETE FROM ledger.orders WHERE id = key_found;
    DELETE FROM shop.orders WHERE id = key_found;
  END IF;
  IF RAND() < 0.1 THEN
    ROLLBACK;
  ELSE
    COMMIT;
  END IF;
END//
DO SLEEP(0.002)//"
{
  echo "DELIMITER //"
  for _ in $(seq 50); do
    echo "$transaction"
  done
} >"$dir/traffic.sql"
cat >"$dir/writer.sh" <<'WRITER'
#!/usr/bin/env bash
# Application traffic; ends when the file writer.stop appears.
dir=$(dirname "$0")
while [ ! -e "$dir/writer.stop" ]; do
  mariadb --no-defaults --socket="$dir/mariadb.sock" --user=root <"$dir/traffic.sql" || sleep 0.2
done
WRITER
rm -f "$dir/writer.stop"
alive writer || start writer bash "$dir/writer.sh"
before=$(sql -e "SELECT MAX(id) FROM shop.orders")
# shellcheck disable=SC2016 # expanded by the inner shell
wait_for "the first writes" 60 bash -c '
  [ "$(mariadb --no-defaults --socket="$1/mariadb.sock" --user=root -BN \
    -e "SELECT MAX(id) FROM shop.orders")" -gt "$2" ]' _ "$dir" "$before"
echo "started"

# ---- the migration -------------------------------------------------------------------------------------

ddl='ALTER TABLE orders ADD COLUMN currency CHAR(3) NOT NULL DEFAULT "EUR", ADD INDEX by_amount (amount)'
ddl=${ddl//\"/\'}
say "$ddl"
# The number is 1 in a fresh store; an earlier run in this folder may have come further than its notes.
if ! ctl --json show 1 >/dev/null 2>&1; then
  ctl submit --cluster main --database shop --ddl "$ddl"
fi
id=1
column() { ctl --json show "$id" | json "\$.migration.$1"; }

show_progress() {
  local line percent phase rows_done filled bar
  line=$(ctl --json status 2>/dev/null) || return 0
  percent=$(json '$.migrations[0].percent' <<<"$line" 2>/dev/null || true)
  phase=$(json '$.migrations[0].phase' <<<"$line" 2>/dev/null || true)
  rows_done=$(json '$.migrations[0].rows' <<<"$line" 2>/dev/null || true)
  percent=${percent%.*}
  if [ -z "$percent" ]; then
    return 0
  fi
  filled=$((percent / 4))
  bar=$(printf '%*s' "$filled" '' | tr ' ' '#')$(printf '%*s' $((25 - filled)) '' | tr ' ' '-')
  if [ -t 1 ]; then
    printf '\r  [%s] %3d%% %-12s %s rows ' "$bar" "$percent" "$phase" "${rows_done:-?}"
    printed=yes
  elif [ "$bar" != "${last_bar:-}" ]; then
    printf '  [%s] %3d%% %s\n' "$bar" "$percent" "$phase"
  fi
  last_bar=$bar
}
end_line() {
  if [ "${printed:-no}" = yes ]; then
    echo
  fi
  printed=no
}

# act WHAT VERB...: one step for a person; the API may just have moved on by itself.
act() {
  end_line
  echo "  $1: shift-supervisorctl ${*:2}"
  ctl "${@:2}" >/dev/null || sleep 0.3
}

deadline=$((SECONDS + 1800))
shown=
resumed=0
while :; do
  status=$(column status 2>/dev/null || true)
  if [ "$status" != "$shown" ]; then
    end_line
    echo "status $status"
    shown=$status
  fi
  case "$status" in
    1) act "awaiting approval" approve "$id" --runtype long ;;
    2) act "awaiting start" start "$id" ;;
    4) act "copied, awaiting rename" rename "$id" ;;
    12 | 13)
      # 13: the tool died with the rest of a killed run; the copy goes on where it was.
      resumed=$((resumed + 1))
      [ "$resumed" -le 20 ] || die "resumed 20 times: $(column error_message)"
      act "stopped" resume "$id"
      ;;
    8) break ;;
    9 | 10) die "the migration ended in status $status: $(column error_message)" ;;
    *) show_progress ;;
  esac
  alive supervisord || die "shift-supervisord is gone"
  alive mariadb || die "MariaDB is gone"
  [ "$SECONDS" -lt "$deadline" ] || die "the migration did not end in time"
  sleep 0.2
done
end_line

# ---- the proof ------------------------------------------------------------------------------------------

say "checks"
at_swap=$(sql -e "SELECT MAX(id) FROM shop.orders")
# shellcheck disable=SC2016 # expanded by the inner shell
wait_for "writes after the swap" 60 bash -c '
  [ "$(mariadb --no-defaults --socket="$1/mariadb.sock" --user=root -BN \
    -e "SELECT MAX(id) FROM shop.orders")" -gt "$2" ]' _ "$dir" "$at_swap"
touch "$dir/writer.stop"
writer_gone() { ! alive writer; }
wait_for "the end of the traffic" 60 writer_gone

sum_of() {
  sql -e "SELECT CONCAT(COUNT(*), ' rows, checksum ', BIT_XOR(CAST(CONV(SUBSTRING(MD5(
    JSON_ARRAY(id, customer, amount, note)), 1, 16), 16, 10) AS UNSIGNED))) FROM $1"
}
is=$(sum_of shop.orders)
should=$(sum_of ledger.orders)
[ "$is" = "$should" ] || die "rows differ: table $is, expected $should"
echo "rows as written: $is"
errors=$(sql -e "SELECT COUNT(*) FROM ledger.errors")
[ "$errors" -eq 0 ] || die "the application saw errors: $(sql -e 'SELECT * FROM ledger.errors LIMIT 3')"
echo "errors the application saw: 0"
[ "$(sql -e "SELECT COUNT(*) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = 'shop' AND
  TABLE_NAME = 'orders' AND COLUMN_NAME = 'currency'")" -eq 1 ] || die "the new column is missing"
[ "$(sql -e "SELECT COUNT(*) FROM shop.orders WHERE currency <> 'EUR'")" -eq 0 ] ||
  die "the new column is not filled"
echo "new column: there and filled"
left=$(sql -e "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA IN
  ('shop', 'pending_drops') UNION ALL SELECT TABLE_NAME FROM information_schema.TABLES WHERE
  TABLE_SCHEMA = 'shop' AND TABLE_NAME <> 'orders'")
[ -z "$left" ] || die "left over in the database: $left"
echo "left-over triggers and tables: none"
trash=$(sql -e "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'pending_drops'")
case "$trash" in
  *_orders) echo "the old table: pending_drops.$trash" ;;
  *) die "the old table is not in the trash: ${trash:-nothing there}" ;;
esac

say "shift-supervisorctl status --all"
ctl status --all

journal=$dir/state/journal.db
for query in \
  "SELECT id, tbl, api_status, state FROM v_recent" \
  "SELECT at, kind, substr(detail, 1, 60) AS detail FROM v_history WHERE migration_id = $id LIMIT 15" \
  "SELECT count(*) AS calls_owed FROM v_owed"; do
  say "sqlite3 journal.db \"$query\""
  sqlite3 -readonly -header -column "$journal" "$query"
done

if [ "$keep" = yes ]; then
  rm -f "$dir/writer.stop"
  say "everything is left running in $dir"
  cat <<TEXT
  $supervisorctl --config $dir/supervisor.yaml status --watch
  $supervisorctl --config $dir/supervisor.yaml submit --cluster main --database shop --ddl "..."
  mariadb --no-defaults --socket=$dir/mariadb.sock --user=root shop
  sqlite3 -readonly $journal 'SELECT * FROM v_status'
  web page: http://127.0.0.1:$api_port/
  to stop: kill \$(cat $dir/supervisord.pid $dir/api.pid $dir/mariadb.pid)
TEXT
  echo "quickstart: OK"
fi
