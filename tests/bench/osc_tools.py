"""What osc.py times: the tools, the server's own ALTER, and what a plain copy would take."""

import re
import shlex

CHANGE = "ADD COLUMN extra INT NOT NULL DEFAULT 7"
PLAIN_ROWS = 20_000  # of a transaction of the plain copy


def plain_copy(server, case, rows, connections):
    """No triggers, no locks, no comparison: rows in ranges by so many connections, then the indexes
    in one ALTER, then the swap. Nobody could use it while rows change; it is what is left to win."""
    columns = ", ".join(f"`{name}`" for name in server.ask(
        "SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA='bench' AND TABLE_NAME='t' "
        "ORDER BY ORDINAL_POSITION").splitlines())
    indexes = re.findall(r", (KEY (\w+) \((?:[^()]|\([^()]*\))*\))", case["table"])
    begin = (f"CREATE TABLE t_plain LIKE t; ALTER TABLE t_plain {CHANGE}, "
             + ", ".join(f"DROP KEY {name}" for _, name in indexes))
    parts = [[] for _ in range(connections)]
    for number, low in enumerate(range(1, rows + 1, PLAIN_ROWS)):
        parts[number % connections].append(
            f"INSERT INTO t_plain ({columns}) SELECT {columns} FROM t WHERE id BETWEEN {low} AND "
            f"{low + PLAIN_ROWS - 1}")
    end = ("ALTER TABLE t_plain " + ", ".join(f"ADD {text}" for text, _ in indexes)
           + "; RENAME TABLE t TO t_old, t_plain TO t")

    def run(name, sql):
        path = server.folder / f"plain-{connections}-{name}.sql"
        # Rows that are copied are locked in no case: READ COMMITTED reads a snapshot.
        path.write_text("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; " + sql + ";\n")
        return shlex.join(server.client("source " + str(path), "bench"))

    copies = "; ".join(run(str(number), ";\n".join(part)) + f" & pids=\"$pids $!\""
                       for number, part in enumerate(parts) if part)
    return ["sh", "-ec", f"echo phase=copy; {run('begin', begin)}; {copies}; "
            "for pid in $pids; do wait $pid; done; echo phase=indexes; " + run("end", end)]


def commands(options, server, case, rows):
    """Name to command line. Rivals as they come, but for what a machine without replicas needs."""
    dsn = f"S={server.socket},u=root,D=bench,t=t"
    lhm = [options.shift_lhm, "change-table", "bench.t", "--socket", server.socket, "--user", "root",
           "--alter", CHANGE, "--execute", "--instant", "no", "--no-check-replicas", "--json",
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
    if not case.get("text_key"):
        tools["plain copy, 1"] = plain_copy(server, case, rows, 1)
        tools["plain copy, 2"] = plain_copy(server, case, rows, 2)
    if options.gh_ost:
        tools["gh-ost"] = [options.gh_ost, f"--socket={server.socket}", "--user=root",
                           "--database=bench", "--table=t", f"--alter={CHANGE}", "--execute",
                           "--allow-on-master", "--chunk-size=10000", "--ok-to-drop-table=false"]
    return {name: command for name, command in tools.items()
            if not options.tools or name in options.tools}


def is_plain(name):
    """It loses what is written meanwhile: not for a table that somebody uses."""
    return name.startswith("plain")


# How a line of output tells what begins; shift-lhm says it as JSON, its keys in order.
PHASES = [
    (re.compile(r'"event":\s*"phase".*"phase":\s*"([a-z ]+)"'), None),
    (re.compile(r"^phase=(\w+)"), None),
    (re.compile(r"^\S* ?Copying approximately|^\S* Creating triggers"), "copy"),
    (re.compile(r"^\S* Swapping tables"), "swap"),
]


def phase_in(line):
    for pattern, name in PHASES:
        if found := pattern.search(line):
            return name or found.group(1)
    return None
