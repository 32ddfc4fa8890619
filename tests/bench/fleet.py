#!/usr/bin/env python3
"""What the supervisor costs with many running copies: a real shift-api, shift-supervisord and
shift-workers, each worker with its sessions on one private MariaDB, over stand-ins for
pt-online-schema-change that say what the tool says at its pace and copy nothing.

Intervals are those of the packaged configuration. Two minutes after the last copy began (workers tell
of their progress less often from then on) the daemon is watched; then it is asked for its status and is
given some more migrations, one after the other, on top of those that run. Judges nothing by its exit status.
"""

import argparse
import contextlib
import datetime
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from host import Server, machine_text, say

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / "tests" / "stand_ins" / "sleeping_pt_osc.pl"
TICKS = os.sysconf("SC_CLK_TCK")
PREPARING, PREPARED, STARTABLE, RUNNING = range(4)  # of the API
# A copy tells its progress every second so long, then every five.
SETTLE_S = 125

# Name, unit, how it is said, and what it should stay under.
FIGURES = [
    ("daemon_cpu_percent", "% of one core", "daemon: processor time", 5),
    ("daemon_rss_mib", "MiB", "daemon: memory (RSS)", 40),
    ("daemon_rss_peak_mib", "MiB", "daemon: memory, highest since its start", 40),
    ("journal_kib_per_s", "KiB/s", "daemon: written to disk (journal)", None),
    ("journal_commits_per_s", "1/s", "journal: commits", None),
    ("api_calls_per_min", "1/min", "daemon: calls to the API", None),
    ("status_p50_ms", "ms", "`shift-supervisorctl --json status`: median", None),
    ("status_p95_ms", "ms", "… 95 %", None),
    ("status_max_ms", "ms", "… longest", None),
    ("worker_rss_median_mib", "MiB", "worker: memory (RSS), median", 12),
    ("worker_rss_max_mib", "MiB", "worker: memory (RSS), highest", 12),
    ("worker_pss_median_mib", "MiB", "worker: memory, shared pages divided (PSS), median", None),
    ("claim_to_start_p50_ms", "ms", "seen in a poll until its worker has started, all copies running: median", 200),
    ("claim_to_start_p95_ms", "ms", "… 95 %", 200),
    ("claim_to_start_max_ms", "ms", "… longest", 200),
    ("claim_to_start_copy_p50_ms", "ms", "… of copies alone: median", 200),
    ("claim_to_start_burst_p50_ms", "ms", "… while all were filed at once: median", None),
    ("all_running_after_s", "s", "filed at once and approved as soon as prepared: all copies run after", None),
    ("workers_cpu_percent", "% of one core", "all workers: processor time", None),
    ("api_cpu_percent", "% of one core", "shift-api: processor time", None),
    ("server_cpu_percent", "% of one core", "MariaDB (the workers' sessions): processor time", None),
]


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None


def read_proc(pid, name):
    """"" of a process that is gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/{name}").read_text(errors="replace")
    return ""


def memory_mib(pid, key="VmRSS", name="status"):
    found = re.search(rf"^{key}:\s+(\d+) kB", read_proc(pid, name), re.M)
    return int(found.group(1)) / 1024 if found else None


def processor_s(pid):
    fields = read_proc(pid, "stat").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS if fields else 0.0


def written_bytes(pid):
    found = re.search(r"^write_bytes: (\d+)", read_proc(pid, "io"), re.M)
    return int(found.group(1)) if found else 0


def mentioning(text):
    """Processes with `text` in their command line."""
    return [int(name) for name in os.listdir("/proc")
            if name.isdigit() and int(name) != os.getpid() and text in read_proc(name, "cmdline")]


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def until(what, done, seconds):
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            raise SystemExit(f"not in {seconds} s: {what}")
        time.sleep(0.1)


class Fleet:
    """The server, the API and the daemon, in a folder of their own."""

    def __init__(self, options):
        self.options = options
        self.folder = Path(tempfile.mkdtemp(prefix="fleet-", dir=options.dir))
        self.most = options.workers + options.claims
        self.started = []  # what stop() ends; workers are found by the folder's name
        self.api_port, self.metrics_port = free_port(), free_port()
        self.api_url = f"http://127.0.0.1:{self.api_port}"
        self.config = self.folder / "supervisor.yaml"
        self.server = None

    def program(self, name):
        for path in [Path(self.options.bin) / name, *Path(self.options.bin).glob(f"*/{name}")]:
            if path.is_file():
                return str(path.resolve())
        raise SystemExit(f"{name} is not in {self.options.bin}")

    def start(self):
        port = free_port()
        self.server = Server(self.folder, 128, [
            "--skip-networking=0", "--bind-address=127.0.0.1", f"--port={port}", "--skip-name-resolve",
            f"--max-connections={6 * self.most + 50}", "--innodb-log-file-size=48M",
            "--performance-schema=OFF"])
        self.server.ask("CREATE DATABASE fleet; CREATE DATABASE pending_drops; CREATE USER shift@'127.0.0.1' "
                        "IDENTIFIED BY 'fleet'; GRANT ALL ON *.* TO shift@'127.0.0.1'", None)
        self.server.ask(";".join(
            f"CREATE TABLE t{number} (id INT PRIMARY KEY, a VARCHAR(40), KEY (a)) ENGINE=InnoDB; "
            f"INSERT INTO t{number} VALUES (1, 'one'), (2, 'two')" for number in range(1, self.most + 1)), "fleet")
        self.write("api.yaml", f"listen: 127.0.0.1\nport: {self.api_port}\nstore: {self.folder}/api.db\n"
                   "parallel_limit: 1000\nclusters:\n  - name: main\n    rw_host: 127.0.0.1\n"
                   f"    port: {port}\n    check_target: false\n")
        self.api = self.spawn("shift-api", "--config", str(self.folder / "api.yaml"))
        until("shift-api answers", lambda: self.answers(f"{self.api_url}/_status"), 30)
        self.poll_every("0.5-1")
        self.daemon = self.spawn("shift-supervisord", "--config", str(self.config))
        until("shift-supervisord answers",
              lambda: subprocess.run(self.ctl("status"), capture_output=True).returncode == 0, 30)

    def poll_every(self, interval):
        self.write("supervisor.yaml", f"""rest_api: {self.api_url}/api/v1/
mysql_user: shift
mysql_password: fleet
log_dir: {self.folder}/log/
state_dir: {self.folder}/state
control_socket: {self.folder}/control.sock
worker_path: {self.program("shift-worker")}
pt_osc_path: {TOOL}
pending_drops_db: pending_drops
run_host: fleet
max_workers: {self.most}
max_running_per_host: {self.most}
poll_interval: {interval}
metrics_listen: {self.metrics_port}
""")

    def reload(self, interval):
        self.poll_every(interval)
        self.daemon.send_signal(signal.SIGHUP)

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o600)

    def spawn(self, name, *arguments):
        with open(self.folder / f"{name}.log", "w") as log:
            process = subprocess.Popen([self.program(name), *arguments], stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=log, cwd=self.folder, start_new_session=True)
        self.started.append(process)
        return process

    def ctl(self, *words):
        return [self.program("shift-supervisorctl"), "--config", str(self.config), "--json", *words]

    def status(self):
        answer = subprocess.run(self.ctl("status"), capture_output=True, text=True, check=True)
        return json.loads(answer.stdout)

    @staticmethod
    def answers(url):
        with contextlib.suppress(OSError):
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.status == 200
        return False

    def call(self, method, path, body=None):
        request = urllib.request.Request(f"{self.api_url}/{path}", method=method,
                                         data=None if body is None else json.dumps(body).encode(),
                                         headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def metrics(self):
        url = f"http://127.0.0.1:{self.metrics_port}/metrics"
        with urllib.request.urlopen(url, timeout=10) as answer:
            text = answer.read().decode()
        calls = sum(float(value) for value in re.findall(r"^shift_api_requests_total\{.*\} (\S+)$", text, re.M))
        commits = re.search(r"^shift_journal_commit_duration_seconds_count (\S+)$", text, re.M)
        return {"calls": calls, "commits": float(commits.group(1))}

    def kill_those_of(self, mark):
        deadline = time.monotonic() + 30
        while (left := mentioning(mark)) and time.monotonic() < deadline:
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.1)

    def stop(self):
        """Everything by its pid. Workers outlive their daemon, so they go after it."""
        for signo in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signo, signal.SIG_IGN)
        for process in reversed(self.started):
            process.terminate()
        for process in self.started:
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.kill_those_of(f"{self.folder}/state/")
        if self.server:
            self.server.stop()
        self.kill_those_of(f"{self.folder}/")  # a server that never was up
        if self.options.keep:
            say(f"left: {self.folder}")
        else:
            shutil.rmtree(self.folder, ignore_errors=True)


def file_migration(fleet, number):
    body = {"cluster_name": "main", "database": "fleet", "pr_url": "http://example.org/pr/1", "requestor": "dev",
            "ddl_statement": f"ALTER TABLE t{number} ADD COLUMN c INT", "final_insert": "",
            "meta_request_id": 1}  # lifts the rule that small tables only run short
    return fleet.call("POST", "api/v1/migrations", body)["migration"]["id"]


def listed(fleet, least):
    """The API's migrations down to the number `least`."""
    found, path = [], "web/migrations?limit=100"
    while page := [item["migration"] for item in fleet.call("GET", path)["migrations"]]:
        found += page
        if page[-1]["id"] <= least:
            break
        path = f"web/migrations?limit=100&below={page[-1]['id']}"
    return [one for one in found if one["id"] >= least]


def approve_and_start(fleet, ids, seconds):
    """Each as soon as it is prepared, until all run."""
    deadline = time.monotonic() + seconds
    while True:
        shown = [one for one in listed(fleet, min(ids)) if one["id"] in ids]
        for one in shown:
            body = {"id": one["id"], "lock_version": one["lock_version"]}
            # A report of the daemon may come between the look and the act: then at the next look.
            with contextlib.suppress(urllib.error.HTTPError):
                if one["status"] == PREPARED:
                    fleet.call("POST", "api/v1/migrations/approve", {**body, "runtype": "long", "approver": "boss"})
                elif one["status"] == STARTABLE:
                    fleet.call("POST", "api/v1/migrations/start", body)
                elif one["status"] not in (PREPARING, RUNNING):
                    raise SystemExit(f"migration {one['id']} is in status {one['status']}: {one['error_message']}")
        waiting = sum(one["status"] != RUNNING for one in shown)
        if waiting == 0:
            return
        if time.monotonic() > deadline:
            raise SystemExit(f"not in {seconds} s: {waiting} migrations are started")
        time.sleep(0.3)


def copying(fleet):
    return [one for one in fleet.status()["migrations"] if one["phase"] == "copy" and one["worker_pid"]]


def watch(fleet, seconds, workers):
    """The figures of steady state."""
    daemon, api, server = fleet.daemon.pid, fleet.api.pid, fleet.server.process.pid
    pids = [one["worker_pid"] for one in workers]

    def look():
        return {"at": time.monotonic(), "daemon": processor_s(daemon), "api": processor_s(api),
                "server": processor_s(server), "workers": sum(map(processor_s, pids)),
                "written": written_bytes(daemon), **fleet.metrics()}

    before = look()
    resident = []
    while time.monotonic() - before["at"] < seconds:
        time.sleep(min(1, seconds))
        resident.append(memory_mib(daemon))
    after = look()
    took = after["at"] - before["at"]
    rate = {key: (after[key] - before[key]) / took for key in before}
    memory = [memory for pid in pids if (memory := memory_mib(pid))]
    shares = [share for pid in pids[:20] if (share := memory_mib(pid, "Pss", "smaps_rollup"))]
    return {
        "daemon_cpu_percent": 100 * rate["daemon"],
        "daemon_rss_mib": max(resident),
        "daemon_rss_peak_mib": memory_mib(daemon, "VmHWM"),
        "journal_kib_per_s": rate["written"] / 1024,
        "journal_commits_per_s": rate["commits"],
        "api_calls_per_min": 60 * rate["calls"],
        "worker_rss_median_mib": statistics.median(memory),
        "worker_rss_max_mib": max(memory),
        "worker_pss_median_mib": statistics.median(shares) if shares else None,
        "workers_cpu_percent": 100 * rate["workers"],
        "api_cpu_percent": 100 * rate["api"],
        "server_cpu_percent": 100 * rate["server"],
    }


def time_status(fleet, rounds):
    took = []
    for _ in range(rounds):
        begun = time.monotonic()
        subprocess.run(fleet.ctl("status"), stdout=subprocess.DEVNULL, check=True)
        took.append(1000 * (time.monotonic() - begun))
        time.sleep(0.2)
    return {"status_p50_ms": statistics.median(took), "status_p95_ms": percentile(took, 0.95),
            "status_max_ms": max(took)}


def claims(fleet):
    """Of every claim in the journal: when it was seen in a poll, claimed, its worker spawned and started."""
    with contextlib.closing(sqlite3.connect(f"file:{fleet.folder}/state/journal.db?mode=ro", uri=True)) as journal:
        rows = journal.execute(
            "SELECT migration_id, claim, kind, min(at), json_extract(min(detail), '$.step') FROM event "
            "WHERE kind IN ('claim_intent', 'claimed', 'spawn_intended', 'spawned', 'started') AND migration_id > 0 "
            "GROUP BY migration_id, claim, kind").fetchall()
    found = {}
    for migration, claim, kind, at, step in rows:
        one = found.setdefault((migration, claim), {"migration": migration})
        one[kind] = datetime.datetime.fromisoformat(at.replace("Z", "+00:00")).timestamp()
        if kind == "claim_intent":
            one["step"] = step
    return [one for one in found.values() if "claim_intent" in one and "started" in one]


def milliseconds(some, begin="claim_intent", end="started"):
    return [1000 * (one[end] - one[begin]) for one in some if begin in one and end in one]


def time_claims(fleet, first_number):
    """More migrations, one after the other; both of their steps are claimed and started."""
    fleet.reload("0.5-1")
    ids = []
    for number in range(first_number, first_number + fleet.options.claims):
        ids.append(file_migration(fleet, number))
        approve_and_start(fleet, set(ids[-1:]), 60)
        until("the copy began", lambda: any(one["id"] == ids[-1] for one in copying(fleet)), 60)
    every = claims(fleet)
    late = [one for one in every if one["migration"] in ids]
    burst = [one for one in every if one["migration"] not in ids]
    took = milliseconds(late)
    figures = {"claim_to_start_burst_p50_ms": statistics.median(milliseconds(burst))}
    stages = [("claim_intent", "claimed"), ("claimed", "spawn_intended"), ("spawn_intended", "spawned"),
              ("spawned", "started")]
    for one in sorted(late, key=lambda one: one["started"] - one["claim_intent"])[-3:]:
        say(f"among the slowest: {one['step']} of migration {one['migration']}: " + ", ".join(
            f"{end} {took:.0f} ms" for begin, end in stages for took in milliseconds([one], begin, end)))
    if took:
        copies = milliseconds([one for one in late if one["step"] == "run"])
        figures.update({
            "claim_to_start_p50_ms": statistics.median(took),
            "claim_to_start_p95_ms": percentile(took, 0.95),
            "claim_to_start_max_ms": max(took),
            "claim_to_start_copy_p50_ms": statistics.median(copies)})
        for begin, end in stages:
            figures[f"{begin}_to_{end}_p50_ms"] = statistics.median(milliseconds(late, begin, end))
    return figures


def measure(fleet):
    options = fleet.options
    fleet.start()
    begun = time.monotonic()
    ids = [file_migration(fleet, number) for number in range(1, options.workers + 1)]
    approve_and_start(fleet, set(ids), 60 + 5 * options.workers)
    until("all copies run", lambda: len(copying(fleet)) == options.workers, 60 + options.workers)
    figures = {"all_running_after_s": time.monotonic() - begun}
    say(f"{options.workers} copies run after {figures['all_running_after_s']:.0f} s")
    fleet.reload("10-20")
    time.sleep(options.settle)
    load = os.getloadavg()[0]
    figures.update(watch(fleet, options.seconds, copying(fleet)))
    say(f"watched for {options.seconds} s")
    figures.update(time_status(fleet, max(3, min(options.seconds, 60))))
    figures.update(time_claims(fleet, options.workers + 1))
    if len(copying(fleet)) != fleet.most:
        raise SystemExit(f"{len(copying(fleet))} copies of {fleet.most} run at the end")
    return {"workers": options.workers, "seconds": options.seconds, "load_average": load, "machine": machine_text(),
            "figures": {name: value if value is None else round(value, 2) for name, value in figures.items()}}


def verdict(value, target):
    if target is None or value is None:
        return ""
    return "met" if value < target else "**missed**"


def markdown(document):
    figures = document["figures"]
    lines = [f"{document['workers']} running copies, watched for {document['seconds']} s; load average "
             f"{document['load_average']:.1f} at the begin of it.", "", document["machine"], "",
             "| | measured | target | |", "|---|--:|--:|---|"]
    for name, unit, text, target in FIGURES:
        value = figures.get(name)
        if value is not None:
            lines.append(f"| {text} | {value:.1f} {unit} | {f'< {target}' if target else ''} | "
                         f"{verdict(value, target)} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(prog="tests/bench/fleet.sh", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=200, metavar="N", help="running copies (default: 200)")
    parser.add_argument("--seconds", type=int, default=60, metavar="N", help="of steady state (default: 60)")
    parser.add_argument("--settle", type=int, default=SETTLE_S, metavar="N",
                        help=f"seconds from the last copy's begin until the daemon is watched (default: {SETTLE_S})")
    parser.add_argument("--claims", type=int, default=20, metavar="N",
                        help="migrations that are filed while all others run (default: 20)")
    parser.add_argument("--json", metavar="FILE", help="all figures")
    parser.add_argument("--bin", required=True, metavar="DIR",
                        help="the programs, or a build tree; given by fleet.sh (SHIFT_BIN_DIR, else its own build)")
    parser.add_argument("--dir", help="where all files are (default: the temporary folder)")
    parser.add_argument("--keep", action="store_true", help="leave the files")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    fleet = Fleet(options)
    try:
        document = measure(fleet)
    except KeyboardInterrupt:
        return 130
    finally:
        fleet.stop()
    if options.json:
        Path(options.json).write_text(json.dumps(document, indent=1) + "\n")
    print(markdown(document))
    return 0


if __name__ == "__main__":
    sys.exit(main())
