"""One run of shift-lhm as the server saw it (performance_schema): its statements, and what they waited for."""

import re

OPTIONS = ["--performance-schema=ON", "--performance-schema-consumer-events-statements-current=ON",
           "--performance-schema-consumer-global-instrumentation=ON",
           "--performance-schema-consumer-statements-digest=ON",
           "--performance-schema-instrument=statement/%=ON",
           "--performance-schema-instrument=wait/%=ON"]
PICOSECONDS = 1e12
SHOWN = 12


def begin(server):
    for table in ("events_statements_summary_by_digest", "events_waits_summary_global_by_event_name"):
        server.ask(f"TRUNCATE TABLE performance_schema.{table}")


def rows_of(server, sql):
    return [line.split("\t") for line in server.ask(sql).splitlines()]


def short(statement):
    text = re.sub(r"\s+", " ", statement).replace("|", "\\|").replace(" . ", ".")
    return text if len(text) <= 110 else text[:107] + "..."


def text(server, wall_seconds):
    statements = rows_of(server, (
        "SELECT SUM_TIMER_WAIT, SUM_LOCK_TIME, COUNT_STAR, DIGEST_TEXT FROM "
        "performance_schema.events_statements_summary_by_digest WHERE DIGEST_TEXT NOT LIKE 'TRUNCATE%' "
        f"ORDER BY 1 DESC LIMIT {SHOWN}"))
    waits = rows_of(server, (
        "SELECT SUM_TIMER_WAIT, COUNT_STAR, EVENT_NAME FROM "
        "performance_schema.events_waits_summary_global_by_event_name WHERE SUM_TIMER_WAIT > 0 AND "
        f"EVENT_NAME NOT LIKE 'idle%' AND EVENT_NAME NOT LIKE '%socket%' ORDER BY 1 DESC LIMIT {SHOWN}"))
    lines = [f"The run took {wall_seconds:.1f} s; of all connections together:", "",
             "| statement | times | seconds | of it locks |", "|---|--:|--:|--:|"]
    for took, locked, count, statement in statements:
        lines.append(f"| `{short(statement)}` | {count} | {int(took) / PICOSECONDS:.2f} | "
                     f"{int(locked) / PICOSECONDS:.2f} |")
    lines += ["", "| waited for, threads of the server included | times | seconds |", "|---|--:|--:|"]
    for took, count, name in waits:
        lines.append(f"| `{name}` | {count} | {int(took) / PICOSECONDS:.2f} |")
    return "\n".join(lines) + "\n"
