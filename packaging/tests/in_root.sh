#!/usr/bin/env bash
# The part of run.sh that runs as root in the scratch system: /shift-test holds this.deb and next.deb.
# Where systemd is pid 1 the units are used. Elsewhere the daemon is started as its unit would start it,
# and stopped as KillMode=process does, by a signal to its main pid alone.
set -euo pipefail

work=/shift-test
cd /
state=/var/lib/shift-supervisor
etc=/etc/shift-supervisor
export DEBIAN_FRONTEND=noninteractive

booted=no
if [ -d /run/systemd/system ]; then
  booted=yes
fi

say() { printf '\n-- %s\n' "$*"; }
die() {
  printf 'FAILED: %s\n' "$*" >&2
  if [ "$booted" = yes ]; then
    journalctl --no-pager -n 40 -u shift-supervisord -u shift-api >"$work/daemon.log" || true
  fi
  for log in "$work/daemon.log" "$work/api.log" "$state"/attempts/*/worker.log; do
    if [ -s "$log" ]; then
      printf -- '--- the end of %s\n' "$log" >&2
      tail -n 15 "$log" >&2
    fi
  done
  exit 1
}
expect() { # expect WHAT WANTED FOUND
  [ "$2" = "$3" ] || die "$1: wanted '$2', found '$3'"
}
wait_for() { # wait_for WHAT SECONDS COMMAND...
  local what=$1 deadline=$((SECONDS + $2))
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$deadline" ] || die "$what: not in time"
    sleep 0.2
  done
}
stop_all() {
  local pid
  if [ "$booted" = yes ]; then
    systemctl stop shift-supervisord shift-api 2>/dev/null || true
  fi
  for pid in ${gate_pid:-} $(cat "$work"/*.pid 2>/dev/null); do
    kill "$pid" 2>/dev/null || true
  done
  for pid in $(pids_of shift-worker) $(pids_of pt-online-schema-change); do
    kill -CONT "$pid" 2>/dev/null || true
    kill -KILL "$pid" 2>/dev/null || true
  done
}
# Those of our user whose command line names $1.
pids_of() {
  local proc
  for proc in /proc/[0-9]*; do
    if [ "$(stat -c %U "$proc" 2>/dev/null)" = shift ] &&
      tr '\0' ' ' <"$proc/cmdline" 2>/dev/null | grep -q -- "$1"; then
      echo "${proc#/proc/}"
    fi
  done
}
started() { cut -d' ' -f22 "/proc/$1/stat" 2>/dev/null; }
lives() { [ -n "$(started "$1")" ] && [ "$(cut -d' ' -f3 "/proc/$1/stat")" != Z ]; }
is_gone() { ! lives "$1"; }
trap stop_all EXIT

# ---- install ------------------------------------------------------------------------------------------

say "install"
apt-get update -q >/dev/null || echo "apt-get update failed; trying with the lists that are here"
apt-get install -q -y --no-install-recommends "$work/this.deb" percona-toolkit sqlite3 \
  mariadb-server-core mariadb-client-core mandoc >"$work/install.log" 2>&1 ||
  { tail -n 20 "$work/install.log"; die "the package cannot be installed"; }
grep -q 'to be configured before the first start' "$work/install.log" ||
  die "the installation does not tell the next step"
expect "state of the package" "installed" "$(dpkg-query -W -f='${db:Status-Status}' shift-supervisor)"
expect "dpkg --verify" "" "$(dpkg --verify shift-supervisor)"

while read -r mode owner path; do
  expect "$path" "$mode $owner" "$(stat -c '%a %U:%G' "$path" 2>&1)"
done <<'TEXT'
755 root:root /usr/sbin/shift-supervisord
755 root:root /usr/bin/shift-supervisorctl
755 root:root /usr/bin/shift-api
755 root:root /usr/bin/shift-lhm
755 root:root /usr/libexec/shift-supervisor/shift-worker
755 root:root /usr/libexec/shift-supervisor/stop-for-removal
644 root:root /usr/share/shift-supervisor/shift_ptosc_plugin.pl
644 root:root /usr/share/shift-supervisor/grafana/shift-supervisor.json
644 root:root /usr/share/shift-supervisor/prometheus/shift-supervisor.rules.yml
644 root:root /usr/share/bash-completion/completions/shift-lhm
644 root:root /usr/share/bash-completion/completions/shift-supervisorctl
644 root:root /lib/systemd/system/shift-supervisord.service
644 root:root /lib/systemd/system/shift-api.service
644 root:root /usr/lib/sysusers.d/shift-supervisor.conf
644 root:root /usr/lib/tmpfiles.d/shift-supervisor.conf
644 root:root /etc/logrotate.d/shift-supervisor
755 root:root /etc/shift-supervisor
644 root:root /etc/shift-supervisor/environment
640 root:shift /etc/shift-supervisor/production-config.yaml
640 root:shift /etc/shift-supervisor/staging-config.yaml
640 root:shift /etc/shift-supervisor/development-config.yaml
640 root:shift /etc/shift-supervisor/shift-api.yaml
600 shift:shift /etc/shift-supervisor/my_production.cnf
600 shift:shift /etc/shift-supervisor/my_staging.cnf
600 shift:shift /etc/shift-supervisor/my_development.cnf
750 shift:shift /var/lib/shift-supervisor
750 shift:shift /var/log/shift-supervisor
TEXT
expect "conffiles" 9 "$(dpkg-query -W -f='${Conffiles}\n' shift-supervisor | grep -c /etc/)"
expect "home of shift" "$state" "$(getent passwd shift | cut -d: -f6)"
expect "shell of shift" /usr/sbin/nologin "$(getent passwd shift | cut -d: -f7)"
getent group shift-admin >/dev/null || die "there is no group shift-admin"
for page in 'shift-supervisord 8' 'shift-supervisorctl 1' 'shift-worker 8' 'shift-api 8' \
  'shift-supervisor.yaml 5' 'shift-lhm 1'; do
  [ -e "/usr/share/man/man${page#* }/${page% *}.${page#* }.gz" ] || die "no manual page $page"
done
for document in README.md docs/troubleshooting.md docs/status.schema.json; do
  # Some systems leave documents out (dpkg's path-exclude); compressed they must not be.
  [ ! -e "/usr/share/doc/shift-supervisor/$document.gz" ] || die "$document is compressed"
  dpkg-query -L shift-supervisor | grep -qx "/usr/share/doc/shift-supervisor/$document" ||
    die "there is no $document"
done
[ ! -e /etc/systemd/system/multi-user.target.wants/shift-supervisord.service ] ||
  die "the unit is enabled before anybody configured it"
echo "files, modes, owners, users as wanted"
if [ -x /usr/bin/systemd-analyze ]; then
  complaints=$(systemd-analyze verify --man=no /lib/systemd/system/shift-supervisord.service \
    /lib/systemd/system/shift-api.service 2>&1 | grep -F shift || true)
  expect "systemd-analyze verify" "" "$complaints"
  for unit in shift-supervisord shift-api; do
    systemd-analyze security --offline=true --no-pager "/lib/systemd/system/$unit.service" | tail -n 1
  done
fi

# ---- MariaDB, configuration, programs -------------------------------------------------------------------

free_port() {
  local port
  for port in $(shuf -i 20000-32000 -n 20); do
    if ! (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
      echo "$port"
      return
    fi
  done
}
sql() { mariadb --no-defaults --socket="$work/mariadb.sock" --user=root -BN "$@"; }

say "a private MariaDB"
mariadb-install-db --no-defaults --datadir="$work/data" --skip-test-db --user=root \
  --auth-root-authentication-method=normal >"$work/install-db.log" 2>&1 || die "mariadb-install-db"
port=$(free_port)
mariadbd --no-defaults --user=root --datadir="$work/data" --socket="$work/mariadb.sock" \
  --port="$port" --bind-address=127.0.0.1 --skip-name-resolve --log-bin=binlog --binlog-format=ROW \
  --server-id=1 --innodb-buffer-pool-size=32M >"$work/mariadb.log" 2>&1 &
echo $! >"$work/mariadb.pid"
wait_for MariaDB 90 sql -e 'SELECT 1'
sql <<'SQL'
CREATE USER 'shift'@'127.0.0.1' IDENTIFIED BY 'a secret';
GRANT ALL PRIVILEGES ON *.* TO 'shift'@'127.0.0.1';
CREATE DATABASE shop; CREATE DATABASE _pending_drops;
SQL
make_table() { # make_table NAME: 20,000 rows
  sql shop -e "CREATE TABLE $1 (id INT PRIMARY KEY AUTO_INCREMENT, note VARCHAR(60));
    INSERT INTO $1 SELECT seq, CONCAT('row ', seq) FROM seq_1_to_20000"
}

say "configure"
api_port=$(free_port)
sed -i -e "s|^rest_api:.*|rest_api: http://127.0.0.1:$api_port/api/v1/|" \
  -e 's|^# poll_interval:.*|poll_interval: 0.3-0.6|' -e 's|^log_sync_interval:.*|log_sync_interval: 2|' \
  -e 's|^state_sync_interval:.*|state_sync_interval: 1|' "$etc/production-config.yaml"
sed -i 's|^password.*|password = "a secret"|' "$etc/my_production.cnf"
sed -i -e "s|^port: 3000|port: $api_port|" -e "s|    port: 3306|    port: $port|" "$etc/shift-api.yaml"
# The administrator's own mode; an upgrade must leave it.
chmod 0640 "$etc/my_production.cnf"
printf 'chunk-size=500\nsleep=0.5\ntries=create_triggers:200:1,copy_rows:10000:1\n' >"$work/slow.conf"
printf 'set-vars=wait_timeout=600,lock_wait_timeout=1\n' >>"$work/slow.conf"

# As the unit: user, group, no capabilities, its environment and nothing else.
as_shift() {
  (cd / && umask 027 && exec setsid setpriv --reuid=shift --regid=shift --init-groups --no-new-privs \
    --bounding-set=-all --inh-caps=-all \
    env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@")
}
start_api() {
  if [ "$booted" = yes ]; then
    systemctl start shift-api
  else
    as_shift /usr/bin/shift-api --config "$etc/shift-api.yaml" >>"$work/api.log" 2>&1 &
    echo $! >"$work/api.pid"
  fi
  wait_for shift-api 30 bash -c ": </dev/tcp/127.0.0.1/$api_port"
}
stop_api() {
  if [ "$booted" = no ]; then
    kill "$(cat "$work/api.pid")" 2>/dev/null || true
    wait_for "the end of shift-api" 30 is_gone "$(cat "$work/api.pid")"
  fi
}
note_daemon() { systemctl show --property=MainPID --value shift-supervisord >"$work/daemon.pid"; }
start_daemon() {
  if [ "$booted" = yes ]; then
    systemctl start shift-supervisord || die "systemctl start: $(systemctl status --no-pager shift-supervisord)"
    note_daemon
  else
    install -d -o shift -g shift -m 0755 /run/shift-supervisor # RuntimeDirectory=
    # shellcheck disable=SC2046 # the variables of the file that the unit reads
    as_shift $(grep -v '^#' "$etc/environment") /usr/sbin/shift-supervisord >>"$work/daemon.log" 2>&1 &
    echo $! >"$work/daemon.pid"
  fi
  wait_for shift-supervisord 30 shift-supervisorctl status
}
# What `systemctl restart` does with KillMode=process, and what an upgrade does by itself under systemd.
restart_daemon() {
  local pid
  pid=$(cat "$work/daemon.pid")
  if [ "$booted" = no ]; then
    kill "$pid"
  fi
  wait_for "the end of the daemon" 30 is_gone "$pid"
  if [ "$booted" = yes ]; then
    wait_for "the daemon's restart" 60 systemctl is-active shift-supervisord
    note_daemon
    wait_for shift-supervisord 30 shift-supervisorctl status
  else
    start_daemon
  fi
}
shift-supervisorctl check-config >/dev/null || die "the edited configuration is not good"
start_api
start_daemon
expect "user of the daemon" shift "$(stat -c %U "/proc/$(cat "$work/daemon.pid")")"
expect "the socket" "/run/shift-supervisor/control.sock" "$(find /run/shift-supervisor -type s)"
shift-supervisorctl doctor >"$work/doctor" || { cat "$work/doctor"; die "doctor finds fault"; }

# Who may what: shift looks, shift-admin steers.
useradd -G shift onlooker
useradd -G shift-admin admin
as_user() { setpriv --reuid="$1" --regid="$1" --init-groups "${@:2}"; }
as_user onlooker shift-supervisorctl status >/dev/null || die "a member of shift may not look"
code=0
as_user onlooker shift-supervisorctl drain >/dev/null 2>&1 || code=$?
expect "exit code of a drain by a member of shift" 77 "$code"
as_user admin shift-supervisorctl drain >/dev/null || die "a member of shift-admin may not drain"
as_user admin shift-supervisorctl undrain >/dev/null || die "a member of shift-admin may not undrain"

# ---- a migration as the user shift -----------------------------------------------------------------------

value() { # value ID COLUMN: of the API's migration
  shift-supervisorctl --json show "$1" >"$work/answer.json" 2>/dev/null &&
    sqlite3 :memory: "SELECT json_extract(CAST(readfile('$work/answer.json') AS TEXT), '\$.migration.$2')"
}
status_is() { [ "$(value "$1" status)" = "$2" ]; }
of_daemon() { # of_daemon PATH: of the daemon's status
  shift-supervisorctl --json status >"$work/status.json" 2>/dev/null &&
    sqlite3 :memory: "SELECT json_extract(CAST(readfile('$work/status.json') AS TEXT), '$1')"
}
at_work_is() { [ -n "$(of_daemon "\$.migrations[0].worker_pid")" ]; }
submit() { # submit TABLE: its number
  make_table "$1"
  shift-supervisorctl submit --cluster main --database shop --config-path "$work/slow.conf" \
    --ddl "ALTER TABLE $1 ADD COLUMN extra INT NOT NULL DEFAULT 7" >"$work/submit.log" || die "submit"
  sqlite3 "file:$state/shift-api.db?mode=ro" 'SELECT max(id) FROM migration'
}
copied() { [ "$(sql -e "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'shop' AND
  TABLE_NAME = '_$1_$2_new'")" = 1 ] && [ "$(sql shop -e "SELECT COUNT(*) FROM _$1_$2_new")" -gt 0 ]; }
# Holds the last row of table $1 so that the copy cannot end, until open_gate.
close_gate() {
  rm -f "$work/gate" "$work/gate.out"
  mkfifo "$work/gate"
  sql --unbuffered shop <"$work/gate" >"$work/gate.out" 2>&1 &
  gate_pid=$!
  exec 8>"$work/gate"
  printf 'BEGIN; SELECT id FROM %s WHERE id = 20000 FOR UPDATE;\n' "$1" >&8
  wait_for "the lock on the last row" 30 grep -q 20000 "$work/gate.out"
}
open_gate() {
  exec 8>&-
  wait "$gate_pid" || true
  gate_pid=
}
begin_copy() { # begin_copy TABLE: sets id, worker and tool; the copy stands in the middle
  id=$(submit "$1")
  wait_for "prepare of $id" 60 status_is "$id" 1
  shift-supervisorctl approve "$id" --runtype long >/dev/null
  shift-supervisorctl start "$id" >/dev/null
  wait_for "the copy of $1" 60 copied "$id" "$1"
  close_gate "$1"
  worker=$(pids_of shift-worker | head -n 1)
  tool=$(pids_of pt-online-schema-change | head -n 1)
  if [ -z "$worker" ] || [ -z "$tool" ]; then
    die "no worker and tool of the user shift run"
  fi
}
finish() { # finish TABLE
  wait_for "the end of the copy of $1" 120 status_is "$id" 4
  shift-supervisorctl rename "$id" >/dev/null
  wait_for "the end of $id" 60 status_is "$id" 8
  expect "rows of $1" "20000 140000 200010000" \
    "$(sql shop -e "SELECT COUNT(*), SUM(extra), SUM(id) FROM $1" | tr '\t' ' ')"
  expect "left over" "" "$(sql -e "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE
    TRIGGER_SCHEMA = 'shop' UNION ALL SELECT TABLE_NAME FROM information_schema.TABLES WHERE
    TABLE_SCHEMA = 'shop' AND TABLE_NAME LIKE '\\_%'")"
}

begin_copy orders
tool_started=$(started "$tool")
worker_started=$(started "$worker")

if [ "$booted" = yes ]; then
  say "systemd: status, reload, crash, a hung loop"
  systemctl status --no-pager shift-supervisord >"$work/status" || true
  grep -q 'Status: "1 migrations here, 1 at work' "$work/status" || { cat "$work/status"; die "no STATUS="; }
  systemctl reload shift-supervisord || die "reload"
  kill -KILL "$(cat "$work/daemon.pid")"
  restart_daemon
  mkdir -p /run/systemd/system/shift-supervisord.service.d
  printf '[Service]\nWatchdogSec=2s\n' >/run/systemd/system/shift-supervisord.service.d/test.conf
  systemctl daemon-reload
  systemctl restart shift-supervisord
  note_daemon
  kill -STOP "$(cat "$work/daemon.pid")"
  restart_daemon
  expect "how the hung daemon ended" watchdog "$(journalctl -u shift-supervisord -o cat | grep -o "result 'watchdog'" | head -n 1 | cut -d"'" -f2)"
  rm -r /run/systemd/system/shift-supervisord.service.d
  systemctl daemon-reload
  expect "pt-osc after all that" "$tool_started" "$(started "$tool")"
  expect "the worker after all that" "$worker_started" "$(started "$worker")"
  echo "restarted after SIGKILL and by the watchdog; pt-osc $tool and worker $worker go on"
fi

say "upgrade in the middle of a copy"
apt-get install -q -y --no-install-recommends "$work/next.deb" >"$work/upgrade.log" 2>&1 ||
  { tail "$work/upgrade.log"; die "the upgrade failed"; }
case $(dpkg-query -W -f='${Version}' shift-supervisor) in
  *+next1) ;;
  *) die "the version is not the higher one" ;;
esac
restart_daemon
wait_for "the adoption" 30 at_work_is
expect "the adopted worker" "$worker" "$(of_daemon "\$.migrations[0].worker_pid")"
expect "pt-osc after the upgrade" "$tool_started" "$(started "$tool")"
expect "the worker after the upgrade" "$worker_started" "$(started "$worker")"
expect "mode of my_production.cnf" 640 "$(stat -c %a "$etc/my_production.cnf")"
grep -q 'a secret' "$etc/my_production.cnf" || die "the upgrade replaced a configuration"
open_gate
finish orders
echo "pt-osc $tool and worker $worker lived through it; the migration ended right"

# ---- remove ----------------------------------------------------------------------------------------------

say "remove in the middle of a copy"
begin_copy carts
begun=$SECONDS
dpkg --remove shift-supervisor >"$work/remove.log" 2>&1 || { cat "$work/remove.log"; die "remove failed"; }
took=$((SECONDS - begun))
[ "$took" -lt 120 ] || die "the removal took $took s"
expect "what runs after the removal" "" "$(pids_of shift-worker)$(pids_of pt-online-schema-change)"
is_gone "$(cat "$work/daemon.pid")" || die "the daemon runs after the removal"
grep -q "new table .shop.\\.._${id}_carts_new. and triggers .* on 127.0.0.1:$port" "$work/remove.log" ||
  { cat "$work/remove.log"; die "the removal does not say what is left on which server"; }
copied "$id" carts || die "the removal lost what was copied"
expect "triggers that keep it in step" 3 \
  "$(sql -e "SELECT COUNT(*) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = 'shop'")"
for path in "$state/journal.db" "$etc/production-config.yaml"; do
  [ -e "$path" ] || die "the removal lost $path"
done
[ ! -e /usr/sbin/shift-supervisord ] || die "the daemon's program is still there"
grep -F 'carts' "$work/remove.log" | sed 's/^/  /'
open_gate
stop_api

say "install again: it goes on"
rows_before=$(sql shop -e "SELECT COUNT(*) FROM _${id}_carts_new")
dpkg --install "$work/next.deb" >"$work/again.log" 2>&1 || { cat "$work/again.log"; die "install again"; }
start_api
start_daemon
finish carts
expect "copies that began anew" 0 \
  "$(grep -c 'starts over' "/var/log/shift-supervisor/id-$id/ptosc-output.log" || true)"
echo "from $rows_before rows on, to the end"

# ---- purge -----------------------------------------------------------------------------------------------

say "purge while a worker lives"
begin_copy stock
kill -STOP "$worker" # does not stop when it is asked to
code=0
SHIFT_STOP_SECONDS=3 dpkg --purge shift-supervisor >"$work/purge.log" 2>&1 || code=$?
[ "$code" -ne 0 ] || die "purged under a living worker"
grep -q 'is in use and stays' "$work/purge.log" || { cat "$work/purge.log"; die "no reason is given"; }
[ -e "$state/journal.db" ] || die "the refused purge deleted the journal"
lives "$worker" || die "the worker is gone"
sed -n '/in use/,$p' "$work/purge.log" | sed 's/^/  /' | head -n 5
kill -CONT "$worker"
kill "$worker" 2>/dev/null || true
wait_for "the end of the worker" 60 is_gone "$worker"
wait_for "the end of its tool" 60 is_gone "$tool"
open_gate
stop_api
dpkg --purge shift-supervisor >"$work/purge.log" 2>&1 || { cat "$work/purge.log"; die "purge failed"; }
for path in "$state" /var/log/shift-supervisor /run/shift-supervisor "$etc" /etc/logrotate.d/shift-supervisor; do
  [ ! -e "$path" ] || die "$path is still there after purge"
done
getent passwd shift >/dev/null || die "the user is gone; files elsewhere may still be its"
userdel onlooker
userdel admin
echo "refused while the lock was held, complete afterwards"
