#!/usr/bin/env python3
"""Times online schema change tools on one private MariaDB, interleaved, idle and under a steady load.

Only ratios of one run mean something: every round runs every tool once, in another order.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import osc_profile
from host import MIB, Server, machine_text, say
from osc_load import Load, between, by_phase, felt
from osc_report import all_ratios, markdown, svg
from osc_tools import commands, is_plain, phase_in

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


def put_back(server, name, rows):
    """The table as it was before, by the same way for all tools; statistics and pages settled."""
    left = int(server.ask("SELECT COUNT(*) FROM t"))
    if left != rows:
        raise SystemExit(f"{name} left {left} rows of {rows}")
    server.ask("ALTER TABLE t DROP COLUMN extra, FORCE, ALGORITHM=INPLACE")
    for table in server.ask("SHOW TABLES").splitlines():
        if table != "t":
            server.ask(f"DROP TABLE `{table}`")
    server.ask("ANALYZE TABLE t; PURGE BINARY LOGS BEFORE NOW()")
    server.ask("FLUSH BINARY LOGS")


def settle(server, loaded):
    """Every tool begins with a clean buffer pool, or it pays for the pages of the one before."""
    usual = server.ask("SELECT @@innodb_io_capacity_max, @@innodb_io_capacity").split()
    server.ask("SET GLOBAL innodb_io_capacity_max=20000, GLOBAL innodb_io_capacity=20000, "
               "GLOBAL innodb_max_dirty_pages_pct=0")
    deadline = time.monotonic() + (15 if loaded else 60)  # under load there are always some
    while time.monotonic() < deadline:
        dirty = int(server.ask("SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE "
                               "VARIABLE_NAME='Innodb_buffer_pool_pages_dirty'"))
        if dirty < 500:
            break
        time.sleep(0.2)
    server.ask("SET GLOBAL innodb_max_dirty_pages_pct=90, GLOBAL innodb_io_capacity={1}, "
               "GLOBAL innodb_io_capacity_max={0}".format(*usual))


def run_tool(command, server):
    """(phase, begin, end) of each, its memory in MiB, its exit status, and what it said."""
    begun = [("begin", time.time())]
    lines = []
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               env=dict(os.environ, HOME=str(server.folder)))
    for line in process.stdout:
        lines.append(line)
        name = phase_in(line)
        if name and name != begun[-1][0]:
            begun.append((name, time.time()))
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = status
    ends = [begin for _, begin in begun[1:]] + [time.time()]
    phases = [(name, begin, end) for (name, begin), end in zip(begun, ends)]
    return phases, usage.ru_maxrss / 1024, status, "".join(lines)


def run_once(server, name, command, load):
    before = server.binlog_bytes()
    from_second = len(load.seconds()) if load else 0
    phases, rss, status, said = run_tool(command, server)
    if status != 0:
        say(said[-3000:])
        raise SystemExit(f"{name} failed")
    begun = phases[0][1]
    result = {"tool": name, "seconds": round(phases[-1][2] - begun, 2), "rss_mib": round(rss, 1),
              "binlog_mib": round((server.binlog_bytes() - before) / MIB, 1)}
    result["phase_seconds"] = {}
    for phase, begin, end in phases:
        result["phase_seconds"][phase] = round(result["phase_seconds"].get(phase, 0) + end - begin, 2)
    if load:
        time.sleep(1.1)
        result.update(felt(load.seconds()[from_second:]))
        result["phases"] = by_phase(load.transactions(begun), phases)
    return result


def fill(server, case, rows):
    server.ask("CREATE DATABASE bench", None)
    server.ask(f"CREATE TABLE t ({case['table']}) ENGINE=InnoDB")
    server.ask("SET SESSION sql_log_bin=0; " + case["fill"].format(rows=rows) + "; ANALYZE TABLE t")


def run_load(options, server, letter, load, results):
    """All rounds, idle or with this load."""
    case = CASES[letter]
    rows = options.rows or case["rows"]
    tools = commands(options, server, case, rows)
    if load:
        begun = time.time()
        time.sleep(options.baseline)
        base = between(load.transactions(begun + 2), begun + 2, time.time())
        results.append({"tool": "baseline", "case": letter, "load": True, **felt(load.seconds()[2:]),
                        "phases": {"": {"seconds": options.baseline - 2, **base}}})
    for number in range(options.rounds):
        order = [item for item in tools.items() if not (load and is_plain(item[0]))]
        random.Random(options.seed + number).shuffle(order)
        for name, command in order:
            settle(server, load is not None)
            one = run_once(server, name, command, load)
            put_back(server, name, rows)
            one.update(case=letter, load=load is not None, round=number + 1)
            say("  " + json.dumps({key: one[key] for key in one if key != "phases"}))
            results.append(one)


def run_case(options, letter):
    case = CASES[letter]
    rows = options.rows or case["rows"]
    folder = Path(tempfile.mkdtemp(prefix="osc-bench-", dir=options.dir))
    server = Server(folder, case["pool"])
    results = []
    try:
        say(f"case {letter}: {case['what']}, {rows} rows")
        fill(server, case, rows)
        for loaded in options.loads:
            load = Load(server, case, rows, options.rate) if loaded else None
            try:
                run_load(options, server, letter, load, results)
            finally:
                if load:
                    load.stop()
    finally:
        server.stop()
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)
    return results


def profile_case(options, letter):
    """One run of shift-lhm on a server that counts; not to be compared with the others."""
    case = CASES[letter]
    rows = options.rows or case["rows"]
    folder = Path(tempfile.mkdtemp(prefix="osc-bench-", dir=options.dir))
    server = Server(folder, case["pool"], osc_profile.OPTIONS)
    try:
        fill(server, case, rows)
        settle(server, False)
        osc_profile.begin(server)
        phases, _, status, said = run_tool(commands(options, server, case, rows)["shift-lhm"], server)
        if status != 0:
            raise SystemExit(f"shift-lhm failed\n{said[-3000:]}")
        return f"Case {letter}: {case['what']}. " + osc_profile.text(server, phases[-1][2] - phases[0][1])
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


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
    parser.add_argument("--from", dest="earlier", metavar="FILE", action="append", default=[],
                        help="with the results of this JSON file too (runs nothing without --case)")
    parser.add_argument("--profile", action="store_true",
                        help="instead: one run of shift-lhm per case, as the server's performance_schema saw it")
    parser.add_argument("--dir", help="where the server's files are (default: the temporary folder)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="leave the server's files")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options.loads = {"idle": [False], "oltp": [True], "both": [False, True]}[options.load]
    if options.profile:
        options.tools = None
        for letter in options.case or sorted(CASES):
            print(profile_case(options, letter))
        return
    machine = machine_text()
    results = [one for path in options.earlier for one in json.loads(Path(path).read_text())["results"]]
    for letter in options.case or ([] if options.earlier else sorted(CASES)):
        results += run_case(options, letter)
    by_case, medians = all_ratios(results)
    document = {"machine": machine, "cases": by_case, "ratios": medians, "results": results}
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
