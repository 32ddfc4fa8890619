"""What the benchmarks share: a private MariaDB, and the machine in words."""

import contextlib
import os
import platform
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

MIB = 1024 * 1024


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
