"""Ratios, tables and bars of what osc.py measured."""

import math
import statistics

TOOLS = ["shift-lhm", "shift-lhm, no verify", "pt-osc", "server COPY", "server INPLACE", "plain copy, 1",
         "plain copy, 2", "gh-ost"]
COLOURS = ["#1f6feb", "#79b8ff", "#d29922", "#8b949e", "#57606a", "#c9d1d9", "#e6edf3", "#a371f7"]
RATIOS = {"lhm_vs_pt_osc": "pt-osc", "lhm_vs_server_copy": "server COPY", "lhm_vs_server_inplace": "server INPLACE",
          "lhm_vs_plain_copy": "plain copy, 2", "lhm_vs_gh_ost": "gh-ost"}


def of(results, letter, loaded, tool):
    return [one for one in results if (one["case"], one["load"], one["tool"]) == (letter, loaded, tool)]


def median(results, letter, loaded, tool, field):
    values = [one[field] for one in of(results, letter, loaded, tool) if field in one]
    return statistics.median(values) if values else None


def groups_of(results):
    return sorted({(one["case"], one["load"]) for one in results})


def ratios(results, letter, loaded):
    mine = median(results, letter, loaded, "shift-lhm", "seconds")
    unverified = median(results, letter, loaded, "shift-lhm, no verify", "seconds")
    found = {}
    for key, tool in RATIOS.items():
        other = median(results, letter, loaded, tool, "seconds")
        if mine and other:
            found[key] = round(mine / other, 3)
            if unverified:
                found[key + "_unverified"] = round(unverified / other, 3)
    return found


def all_ratios(results):
    """Per case and load, and the medians of them."""
    by_case = {f"{letter}/{'oltp' if loaded else 'idle'}": ratios(results, letter, loaded)
               for letter, loaded in groups_of(results)}
    keys = sorted({key for one in by_case.values() for key in one})
    return by_case, {key: round(statistics.median(one[key] for one in by_case.values() if key in one), 3)
                     for key in keys}


def cell(value):
    return "" if value is None else str(round(value, 2))


def table_of_tools(results):
    lines = ["| case | load | tool | time / pt-osc | seconds | p99 mean ms | p99 worst second ms | tps | "
             "binlog MiB | tool RSS MiB |", "|---|---|---|--:|--:|--:|--:|--:|--:|--:|"]
    for letter, loaded in groups_of(results):
        base = median(results, letter, loaded, "pt-osc", "seconds")
        for tool in ["baseline", *TOOLS]:
            if not of(results, letter, loaded, tool):
                continue
            took = median(results, letter, loaded, tool, "seconds")
            cells = [took / base if took and base else None, took]
            cells += [median(results, letter, loaded, tool, field) for field in
                      ("p99_mean_ms", "p99_worst_s_ms", "tps_mean", "binlog_mib", "rss_mib")]
            lines.append(f"| {letter} | {'oltp' if loaded else 'idle'} | {tool} | "
                         + " | ".join(map(cell, cells)) + " |")
    return lines


def table_of_phases(results):
    """Medians of the rounds; the longest is that of all rounds."""
    lines = ["| case | tool | phase | seconds | p50 ms | p95 ms | p99 ms | longest ms |",
             "|---|---|---|--:|--:|--:|--:|--:|"]
    for letter, loaded in groups_of(results):
        for tool in ["baseline", *TOOLS] if loaded else []:
            runs = [one["phases"] for one in of(results, letter, loaded, tool) if "phases" in one]
            for name in dict.fromkeys(name for run in runs for name in run):
                parts = [run[name] for run in runs if name in run]
                cells = [statistics.median(part[field] for part in parts)
                         for field in ("seconds", "p50_ms", "p95_ms", "p99_ms")]
                cells.append(max(part["longest_ms"] for part in parts))
                lines.append(f"| {letter} | {tool} | {name} | " + " | ".join(map(cell, cells)) + " |")
    return lines


def table_of_shares(results):
    """Where shift-lhm's time went."""
    lines = ["| case | load | phase | share of the time |", "|---|---|---|--:|"]
    for letter, loaded in groups_of(results):
        runs = [one["phase_seconds"] for one in of(results, letter, loaded, "shift-lhm") if "phase_seconds" in one]
        for name in dict.fromkeys(name for run in runs for name in run):
            share = statistics.median(100 * run.get(name, 0) / sum(run.values()) for run in runs)
            lines.append(f"| {letter} | {'oltp' if loaded else 'idle'} | {name} | {share:.0f} % |")
    return lines


def markdown(results, machine):
    lines = [f"Machine: {machine}", "", "Medians of the rounds; time as a ratio to pt-osc of the same run.", ""]
    lines += table_of_tools(results)
    if any(one["load"] for one in results):
        lines += ["", "What a transaction of the application took while a phase went on (the time it waited for its turn "
                  "not counted):", "", *table_of_phases(results)]
    lines += ["", "Where shift-lhm's time goes:", "", *table_of_shares(results)]
    return "\n".join(lines) + "\n"


def panel(title, bars, top, width, logarithmic):
    """`bars`: (group, tool, value). SVG parts, their height, and the picture's width. A logarithmic scale begins at
    the power of ten below the smallest value and has a line per power."""
    groups = list(dict.fromkeys(group for group, _, _ in bars))
    left, high, bar, gap = 40, 190, 15, 26
    most = max(value for _, _, value in bars)
    low = max(0.1, min(value for _, _, value in bars))  # a measured 0 has no logarithm
    least = math.floor(math.log10(low)) if logarithmic else 0
    span = max(1, math.log10(max(most, low)) - least)
    decades = range(least, math.ceil(least + span)) if logarithmic else []

    def height_of(value):
        part = (math.log10(max(value, 10 ** least)) - least) / span if logarithmic else value / most
        return part * (high - 12)

    parts = [f'<text x="{left}" y="{top + 14}" font-size="13">{title}</text>']
    x = left
    floor = top + 30 + high
    across = left + bar * len(bars) + gap * (len(groups) - 1)
    for decade in decades:
        y = floor - height_of(10 ** decade)
        parts.append(f'<line x1="{left}" x2="{across}" y1="{y:.1f}" y2="{y:.1f}" stroke="#d0d7de"/>'
                     f'<text x="{left - 4}" y="{y + 4:.1f}" text-anchor="end">{10 ** decade:g}</text>')
    for group in groups:
        begin = x
        for _, tool, value in (one for one in bars if one[0] == group):
            height = height_of(value)
            label = f"{value:.2f}" if value < 10 else f"{value:.0f}"
            parts.append(f'<rect x="{x}" y="{floor - height:.1f}" width="{bar - 2}" height="{height:.1f}" '
                         f'fill="{COLOURS[TOOLS.index(tool)]}"/><text x="{x - 1}" y="{floor - height - 3:.1f}" '
                         f'font-size="7">{label}</text>')
            x += bar
        parts.append(f'<text x="{begin}" y="{floor + 14}">{group}</text>')
        x += gap
    return parts, high + 60, max(width, x)


def svg(results):
    """Time against pt-osc, and under load what the application felt; a group of bars per case."""
    times, waits = [], []
    for letter, loaded in groups_of(results):
        group = f"{letter} {'oltp' if loaded else 'idle'}"
        base = median(results, letter, loaded, "pt-osc", "seconds")
        for tool in TOOLS:
            took = median(results, letter, loaded, tool, "seconds")
            if took and base:
                times.append((group, tool, took / base))
            if (p99 := median(results, letter, loaded, tool, "p99_mean_ms")) is not None:
                waits.append((group, tool, p99))
    body, top, width = [], 10, 760
    p99 = "p99 of the application's transactions, mean of the seconds, ms (logarithmic)"
    for title, bars, logarithmic in (("time / time of pt-osc", times, False), (p99, waits, True)):
        if bars:
            parts, height, width = panel(title, bars, top, width, logarithmic)
            body += parts
            top += height
    shown = [tool for tool in TOOLS if any(one["tool"] == tool for one in results)]
    for index, tool in enumerate(shown):
        x = 20 + index % 5 * 150
        y = top + 10 + index // 5 * 18
        body.append(f'<rect x="{x}" y="{y}" width="10" height="10" fill="{COLOURS[TOOLS.index(tool)]}"/>'
                    f'<text x="{x + 14}" y="{y + 9}">{tool}</text>')
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{top + 50}" font-family="sans-serif" '
        'font-size="11">', '<rect width="100%" height="100%" fill="white"/>', *body, "</svg>"]) + "\n"
