#!/usr/bin/env python3
"""Times online schema change tools on one private MariaDB, interleaved, idle and under a steady load.

Only ratios of one run mean something: every round runs every tool once, in another order.
"""

import argparse
import contextlib
import json
import os
import platform
import random
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
MIB = 1024 * 1024

# Each: what the table is, its rows, the buffer pool, and whether its key is of text.
CASES = {
    "a": {
        "what": "sysbench's table, one index",
        "rows": 2_000_000,
        "pool": 1024,
        "table": "id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, k INT NOT NULL DEFAULT 0, "
        "c CHAR(120) NOT NULL DEFAULT '', pad CHAR(60) NOT NULL DEFAULT '', KEY k_1 (k)",
        "fill": "INSERT INTO t (k, c, pad) SELECT FLOOR(RAND() * {rows}), "
        "CONCAT(UUID(), UUID(), UUID()), UUID() FROM seq_1_to_{rows}",
    },
    "b": {
        "what": "wide rows, four indexes, two of them in random order",
        "rows": 600_000,
        "pool": 1024,
        "table": "id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, k INT NOT NULL DEFAULT 0, "
        "c CHAR(120) NOT NULL DEFAULT '', w VARCHAR(600) NOT NULL, h CHAR(32) NOT NULL, "
        "at DATETIME NOT NULL, KEY k_1 (k), KEY h_1 (h), KEY hk (h(8), k), KEY at_1 (at)",
        "fill": "INSERT INTO t (k, c, w, h, at) SELECT FLOOR(RAND() * {rows}), UUID(), "
        "REPEAT(UUID(), 12), MD5(RAND()), NOW() - INTERVAL seq SECOND FROM seq_1_to_{rows}",
    },
    "c": {
        "what": "three times the buffer pool, three indexes",
        "rows": 2_400_000,
        "pool": 256,
        "table": "id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, k INT NOT NULL DEFAULT 0, "
        "c CHAR(120) NOT NULL DEFAULT '', pad CHAR(60) NOT NULL DEFAULT '', h CHAR(16) NOT NULL, "
        "KEY k_1 (k), KEY h_1 (h), KEY hk (h(4), k)",
        "fill": "INSERT INTO t (k, c, pad, h) SELECT FLOOR(RAND() * {rows}), "
        "CONCAT(UUID(), UUID(), UUID()), UUID(), LEFT(MD5(RAND()), 16) FROM seq_1_to_{rows}",
    },
    "d": {
        "what": "a composite key with text, no counter",
        "rows": 1_000_000,
        "pool": 1024,
        "text_key": True,
        "table": "tenant VARCHAR(30) NOT NULL, no BIGINT NOT NULL, k INT NOT NULL DEFAULT 0, "
        "c CHAR(120) NOT NULL DEFAULT '', PRIMARY KEY (tenant, no), KEY k_1 (k)",
        "fill": "INSERT INTO t (tenant, no, k, c) SELECT CONCAT('tenant-', seq % 50), seq, "
        "FLOOR(RAND() * {rows}), CONCAT(UUID(), UUID()) FROM seq_1_to_{rows}",
    },
}
CHANGE = "ADD COLUMN extra INT NOT NULL DEFAULT 7"


def say(text):
    print(text, file=sys.stderr, flush=True)


class Server:
    """A MariaDB of our own, durable, with a binary log; the same for all."""

    def __init__(self, folder, pool_mib, more=()):
        """`more`: arguments of the server, instead of those here."""
        self.folder = folder
        self.socket = str(folder / "sock")
        data = folder / "data"
        subprocess.run(
            ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal"]
            + (["--user=root"] if os.getuid() == 0 else []),
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.process = subprocess.Popen(
            ["mariadbd", "--no-defaults", f"--datadir={data}", f"--socket={self.socket}",
             "--skip-networking", "--log-bin", "--binlog-format=ROW", "--sync-binlog=1",
             "--innodb-flush-log-at-trx-commit=1", f"--innodb-buffer-pool-size={pool_mib}M",
             "--innodb-log-file-size=1G", "--server-id=1", "--max-connections=200",
             f"--log-error={folder / 'server.log'}", *more] + (["--user=root"] if os.getuid() == 0 else []))
        deadline = time.monotonic() + 120
        while subprocess.run(self.client("SELECT 1"), capture_output=True).returncode != 0:
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise SystemExit(f"the server does not start: see {folder / 'server.log'}")
            time.sleep(0.2)

    def client(self, sql, database=None):
        return (["mariadb", "--no-defaults", "-uroot", f"-S{self.socket}", "-N", "-e", sql]
                + ([database] if database else []))

    def ask(self, sql, database="bench"):
        answer = subprocess.run(self.client(sql, database), capture_output=True, text=True)
        if answer.returncode != 0:
            raise SystemExit(f"{sql}: {answer.stderr.strip()}")
        return answer.stdout.strip()

    def binlog_bytes(self):
        return sum(int(line.split("\t")[1]) for line in self.ask("SHOW BINARY LOGS").splitlines())

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=300)


def tool_commands(options, server):
    """Name to command line. Rivals as they come, but for what a machine without replicas needs."""
    dsn = f"S={server.socket},u=root,D=bench,t=t"
    lhm = [options.shift_lhm, "change-table", "bench.t", "--socket", server.socket, "--user", "root",
           "--alter", CHANGE, "--execute", "--instant", "no", "--no-check-replicas", "--progress", "none",
           "--state-file", str(server.folder / "state")]
    tools = {
        "shift-lhm": lhm,
        "shift-lhm, no verify": lhm + ["--no-verify"],
        "pt-osc": ["pt-online-schema-change", "--alter", CHANGE, "--execute", "--no-version-check",
                   "--recursion-method=none", "--no-drop-old-table", dsn],
        "server COPY": server.client(f"ALTER TABLE t {CHANGE}, ALGORITHM=COPY, LOCK=SHARED", "bench"),
        "server INPLACE": server.client(
            f"ALTER TABLE t {CHANGE}, FORCE, ALGORITHM=INPLACE, LOCK=NONE", "bench"),
    }
    if options.gh_ost:
        tools["gh-ost"] = [options.gh_ost, f"--socket={server.socket}", "--user=root",
                           "--database=bench", "--table=t", f"--alter={CHANGE}", "--execute",
                           "--allow-on-master", "--chunk-size=10000", "--ok-to-drop-table=false"]
    return {name: command for name, command in tools.items()
            if not options.tools or name in options.tools}


class Load:
    """sysbench at a fixed rate; what its transactions took, second by second."""

    def __init__(self, server, case, rows, rate):
        self.lines = []
        self.process = subprocess.Popen(
            ["sysbench", str(HERE / "oltp.lua"), "--db-driver=mysql", f"--mysql-socket={server.socket}",
             "--mysql-user=root", "--mysql-db=bench", "--threads=4", "--events=0", "--time=0",
             f"--rate={rate}", f"--rows={rows}", f"--text-key={'on' if case.get('text_key') else 'off'}",
             "--report-interval=1", "--percentile=99", "--mysql-ignore-errors=1213,1205", "run"],
            stdout=open(server.folder / "sysbench.log", "w"), stderr=subprocess.STDOUT)
        self.log = server.folder / "sysbench.log"

    def seconds(self):
        return [(float(tps), float(p99)) for tps, p99 in
                re.findall(r"tps: ([0-9.]+).*?lat \(ms,99%\): ([0-9.]+)", self.log.read_text())]

    def stop(self):
        self.process.terminate()
        self.process.wait()


def felt(seconds):
    if not seconds:
        return {}
    p99 = [one[1] for one in seconds]
    return {"p99_mean_ms": round(statistics.mean(p99), 1), "p99_worst_s_ms": round(max(p99), 1),
            "tps_mean": round(statistics.mean(one[0] for one in seconds), 1),
            "tps_worst_s": round(min(one[0] for one in seconds), 1)}


def put_back(server):
    """The table as it was before, by the same way for all tools; statistics and pages settled."""
    server.ask("ALTER TABLE t DROP COLUMN extra, FORCE, ALGORITHM=INPLACE")
    for table in server.ask("SHOW TABLES").splitlines():
        if table != "t":
            server.ask(f"DROP TABLE `{table}`")
    server.ask("ANALYZE TABLE t; PURGE BINARY LOGS BEFORE NOW()")
    server.ask("FLUSH BINARY LOGS")


def settle(server):
    """Every tool begins with a clean buffer pool, or it pays for the pages of the one before."""
    server.ask("SET GLOBAL innodb_max_dirty_pages_pct=0")
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        dirty = int(server.ask("SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE "
                               "VARIABLE_NAME='Innodb_buffer_pool_pages_dirty'"))
        if dirty < 500:
            break
        time.sleep(0.2)
    server.ask("SET GLOBAL innodb_max_dirty_pages_pct=90")


def run_once(server, name, command, load):
    before = server.binlog_bytes()
    from_second = len(load.seconds()) if load else 0
    log = server.folder / "tool.log"
    begun = time.monotonic()
    with open(log, "w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT,
                                   env=dict(os.environ, HOME=str(server.folder)))
        _, status, usage = os.wait4(process.pid, 0)
    took = time.monotonic() - begun
    if status != 0:
        say(log.read_text()[-3000:])
        raise SystemExit(f"{name} failed")
    result = {"tool": name, "seconds": round(took, 2), "rss_mib": round(usage.ru_maxrss / 1024, 1),
              "binlog_mib": round((server.binlog_bytes() - before) / MIB, 1)}
    if load:
        time.sleep(1.1)
        result.update(felt(load.seconds()[from_second:]))
    return result


def run_case(options, letter):
    case = CASES[letter]
    rows = options.rows or case["rows"]
    folder = Path(tempfile.mkdtemp(prefix="osc-bench-", dir=options.dir))
    server = Server(folder, case["pool"])
    results = []
    try:
        server.ask("CREATE DATABASE bench", None)
        say(f"case {letter}: {case['what']}, {rows} rows")
        server.ask(f"CREATE TABLE t ({case['table']}) ENGINE=InnoDB")
        server.ask("SET SESSION sql_log_bin=0; " + case["fill"].format(rows=rows) + "; ANALYZE TABLE t")
        tools = tool_commands(options, server)
        for loaded in options.loads:
            load = Load(server, case, rows, options.rate) if loaded else None
            try:
                if load:
                    time.sleep(options.baseline)
                    base = felt(load.seconds()[2:])
                    results.append({"tool": "baseline", "case": letter, "load": True, **base})
                for number in range(options.rounds):
                    order = list(tools.items())
                    random.Random(options.seed + number).shuffle(order)
                    for name, command in order:
                        settle(server)
                        one = run_once(server, name, command, load)
                        put_back(server)
                        one.update(case=letter, load=loaded, round=number + 1)
                        say("  " + json.dumps(one))
                        results.append(one)
            finally:
                if load:
                    load.stop()
    finally:
        server.stop()
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)
    return results


def median(results, letter, loaded, tool, field):
    values = [one[field] for one in results
              if (one["case"], one["load"], one["tool"]) == (letter, loaded, tool) and field in one]
    return statistics.median(values) if values else None


def ratios(results, letter, loaded):
    mine = median(results, letter, loaded, "shift-lhm", "seconds")
    unverified = median(results, letter, loaded, "shift-lhm, no verify", "seconds")
    names = {"lhm_vs_pt_osc": "pt-osc", "lhm_vs_server_copy": "server COPY",
             "lhm_vs_server_inplace": "server INPLACE", "lhm_vs_gh_ost": "gh-ost"}
    found = {}
    for key, tool in names.items():
        other = median(results, letter, loaded, tool, "seconds")
        if mine and other:
            found[key] = round(mine / other, 3)
            if unverified:
                found[key + "_unverified"] = round(unverified / other, 3)
    return found


def markdown(results, machine):
    lines = [f"Machine: {machine}", "", "Medians of the rounds; time as a ratio to pt-osc of the same run.", "",
             "| case | load | tool | time / pt-osc | seconds | p99 mean ms | p99 worst second ms | tps | "
             "binlog MiB | tool RSS MiB |", "|---|---|---|---|---|---|---|---|---|---|"]
    groups = sorted({(one["case"], one["load"]) for one in results})
    for letter, loaded in groups:
        tools = list(dict.fromkeys(one["tool"] for one in results
                                   if (one["case"], one["load"]) == (letter, loaded)))
        base = median(results, letter, loaded, "pt-osc", "seconds")
        for tool in tools:
            get = lambda field: median(results, letter, loaded, tool, field)  # noqa: E731
            took = get("seconds")
            cells = [f"{took / base:.2f}" if took and base else "", took, get("p99_mean_ms"),
                     get("p99_worst_s_ms"), get("tps_mean"), get("binlog_mib"), get("rss_mib")]
            lines.append(f"| {letter} | {'oltp' if loaded else 'idle'} | {tool} | "
                         + " | ".join("" if cell is None else str(cell) for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def svg(results):
    """Bars: time against pt-osc, a group per case and load."""
    groups = sorted({(one["case"], one["load"]) for one in results})
    tools = [tool for tool in ("shift-lhm", "shift-lhm, no verify", "pt-osc", "server COPY",
                               "server INPLACE", "gh-ost") if any(one["tool"] == tool for one in results)]
    colours = ["#1f6feb", "#79b8ff", "#d29922", "#8b949e", "#57606a", "#a371f7"]
    left, height, bar, gap = 60, 220, 16, 26
    width = left + len(groups) * (len(tools) * bar + gap) + 20
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height + 80}" '
             'font-family="sans-serif" font-size="11">', '<rect width="100%" height="100%" fill="white"/>']
    top = 1.0
    bars = []
    for at, (letter, loaded) in enumerate(groups):
        base = median(results, letter, loaded, "pt-osc", "seconds")
        for index, tool in enumerate(tools):
            took = median(results, letter, loaded, tool, "seconds")
            if took and base:
                bars.append((at, index, took / base))
                top = max(top, took / base)
    scale = (height - 30) / top
    for at, (letter, loaded) in enumerate(groups):
        x = left + at * (len(tools) * bar + gap)
        parts.append(f'<text x="{x}" y="{height + 16}">{letter} {"oltp" if loaded else "idle"}</text>')
    for at, index, value in bars:
        x = left + at * (len(tools) * bar + gap) + index * bar
        parts.append(f'<rect x="{x}" y="{height - value * scale:.1f}" width="{bar - 2}" '
                     f'height="{value * scale:.1f}" fill="{colours[index]}"/>'
                     f'<text x="{x}" y="{height - value * scale - 3:.1f}" font-size="8">{value:.2f}</text>')
    y = height - scale
    parts.append(f'<line x1="{left - 8}" x2="{width - 10}" y1="{y:.1f}" y2="{y:.1f}" stroke="#d29922" '
                 f'stroke-dasharray="4 3"/><text x="4" y="{y + 4:.1f}">pt-osc</text>')
    for index, tool in enumerate(tools):
        x = left + index * 130
        parts.append(f'<rect x="{x}" y="{height + 34}" width="10" height="10" fill="{colours[index]}"/>'
                     f'<text x="{x + 14}" y="{height + 43}">{tool}</text>')
    return "\n".join(parts) + "\n</svg>\n"


def machine_text():
    model = ""
    with contextlib.suppress(OSError):
        found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
        model = found.group(1) if found else ""
    memory = resource.getpagesize() * os.sysconf("SC_PHYS_PAGES") / MIB / 1024
    server = subprocess.run(["mariadbd", "--version"], capture_output=True, text=True).stdout.split("for")[0]
    tool = subprocess.run(["pt-online-schema-change", "--version"], capture_output=True, text=True).stdout
    return (f"{os.cpu_count()} x {model or platform.machine()}, {memory:.0f} GiB; "
            f"{server.strip()}; {tool.strip()}")


def main():
    parser = argparse.ArgumentParser(prog="tests/bench/osc.sh", description=__doc__)
    parser.add_argument("--case", action="append", choices=sorted(CASES), help="only this one (several: repeat)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, help="instead of the case's own number")
    parser.add_argument("--load", choices=["idle", "oltp", "both"], default="both")
    parser.add_argument("--rate", type=int, default=150, help="transactions a second of the load")
    parser.add_argument("--baseline", type=int, default=20, help="seconds of load before the first tool")
    parser.add_argument("--tools", type=lambda text: text.split(";"), help="only these, with ; between them")
    parser.add_argument("--gh-ost", metavar="PATH")
    parser.add_argument("--shift-lhm", required=True, metavar="PATH", help="given by osc.sh")
    parser.add_argument("--json", metavar="FILE", help="all figures and `ratios`")
    parser.add_argument("--report", metavar="DIR", help="osc.md and osc.svg there")
    parser.add_argument("--dir", help="where the server's files are (default: the temporary folder)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="leave the server's files")
    options = parser.parse_args()
    options.loads = {"idle": [False], "oltp": [True], "both": [False, True]}[options.load]
    results = []
    for letter in options.case or sorted(CASES):
        results += run_case(options, letter)
    machine = machine_text()
    groups = sorted({(one["case"], one["load"]) for one in results})
    by_case = {f"{letter}/{'oltp' if loaded else 'idle'}": ratios(results, letter, loaded)
               for letter, loaded in groups}
    document = {"machine": machine, "cases": by_case, "results": results}
    if len(by_case) == 1:
        document["ratios"] = next(iter(by_case.values()))
    else:
        keys = {key for one in by_case.values() for key in one}
        document["ratios"] = {key: round(statistics.median(
            one[key] for one in by_case.values() if key in one), 3) for key in sorted(keys)}
    if options.json:
        Path(options.json).write_text(json.dumps(document, indent=1) + "\n")
    text = markdown(results, machine)
    if options.report:
        Path(options.report).mkdir(parents=True, exist_ok=True)
        (Path(options.report) / "osc.md").write_text(text)
        (Path(options.report) / "osc.svg").write_text(svg(results))
    print(text)
    print(json.dumps(by_case, indent=1))


if __name__ == "__main__":
    main()
