"""The application of osc.py: sysbench at a fixed rate, and what its transactions took."""

import re
import statistics
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent


class Load:
    def __init__(self, server, case, rows, rate):
        self.log = server.folder / "sysbench.log"
        self.trace = server.folder / "transactions"
        for old in server.folder.glob("transactions.*"):
            old.unlink()
        self.process = subprocess.Popen(
            ["sysbench", str(HERE / "oltp.lua"), "--db-driver=mysql", f"--mysql-socket={server.socket}",
             "--mysql-user=root", "--mysql-db=bench", "--threads=4", "--events=0", "--time=0",
             f"--rate={rate}", f"--rows={rows}", f"--text-key={'on' if case.get('text_key') else 'off'}",
             f"--trace={self.trace}", "--report-interval=1", "--percentile=99",
             "--mysql-ignore-errors=1213,1205", "run"],
            stdout=open(self.log, "w"), stderr=subprocess.STDOUT)

    def seconds(self):
        """Of each second so far: transactions, and the 99th percentile with the time in the queue."""
        return [(float(tps), float(p99)) for tps, p99 in
                re.findall(r"tps: ([0-9.]+).*?lat \(ms,99%\): ([0-9.]+)", self.log.read_text())]

    def transactions(self, since):
        """(begun, seconds taken) of each that ended since; without the time in the queue."""
        found = []
        for path in self.trace.parent.glob(self.trace.name + ".*"):
            for line in path.read_text().splitlines()[:-1]:
                begun, took = line.split()
                if float(begun) + float(took) >= since:
                    found.append((float(begun), float(took)))
        return sorted(found)

    def stop(self):
        self.process.terminate()
        self.process.wait()


def felt(seconds):
    """Of sysbench's own seconds: what the application had to wait, its queue included."""
    if not seconds:
        return {}
    p99 = [one[1] for one in seconds]
    return {"p99_mean_ms": round(statistics.mean(p99), 1), "p99_worst_s_ms": round(max(p99), 1),
            "tps_mean": round(statistics.mean(one[0] for one in seconds), 1),
            "tps_worst_s": round(min(one[0] for one in seconds), 1)}


def percentile(ordered, share):
    return round(1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1)


def between(transactions, begin, end):
    """Of those that were under way in this time."""
    took = sorted(one[1] for one in transactions if one[0] <= end and one[0] + one[1] >= begin)
    if not took:
        return None
    return {"transactions": len(took), "p50_ms": percentile(took, 0.5), "p95_ms": percentile(took, 0.95),
            "p99_ms": percentile(took, 0.99), "longest_ms": round(1000 * took[-1], 1)}


def by_phase(transactions, phases):
    """`phases`: (name, begin, end)."""
    found = {}
    for name, begin, end in phases:
        part = between(transactions, begin, end)
        if part:
            found[name] = {"seconds": round(end - begin, 2), **part}
    return found
