#!/usr/bin/env python3
"""Prints the logs of failed tests and, last, `N passed, N failed, N skipped`.

    tests/summary.py [--broken N] FOLDER/meson-logs/testlog...

Each argument stands for testlog.junit.xml and testlog.json of one run of meson test. GoogleTest cases
are counted one by one, every other test as one. With --broken 1 (the test runner itself reported
an error) the exit status is 1 even when no single test failed.
"""

import argparse
import json
import os
import re
import sys
import xml.etree.ElementTree as ElementTree

LOG_LINES_MAX = 400


def tail(text, limit=LOG_LINES_MAX):
    lines = text.splitlines()
    if len(lines) > limit:
        lines = [f"... {len(lines) - limit} lines left out ..."] + lines[-limit:]
    return "\n".join(lines)


def runs_by_name(path):
    """Test name -> meson's verdict and its output, from meson's testlog.json."""
    out = {}
    if os.path.exists(path):
        with open(path, encoding="utf-8", errors="replace") as stream:
            for line in stream:
                record = json.loads(line)
                out[record["name"].split(" / ")[-1]] = (
                    record["result"], record.get("stdout", "") + record.get("stderr", ""))
    return out


def excerpt(log, case):
    """The part of a GoogleTest log that belongs to `case`."""
    start = log.find(f"[ RUN      ] {case}\n")
    if start < 0:
        return ""
    end = re.search(r"^\[  FAILED  \] .*$", log[start:], re.MULTILINE)
    return log[start:start + end.end()] if end else log[start:]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--broken", type=int, default=0)
    parser.add_argument("logs", nargs="*")
    args = parser.parse_args()
    passed = failed = skipped = 0
    for base in args.logs:
        runs = runs_by_name(base + ".json")
        for suite in ElementTree.parse(base + ".junit.xml").getroot().iter("testsuite"):
            for case in suite.findall("testcase"):
                problems = case.findall("failure") + case.findall("error")
                skip = case.find("skipped") is not None or case.get("result") in (
                    "skipped", "suppressed") or case.get("status") == "notrun"
                # "project.project:suite / program.Fixture", and for a program that is no
                # GoogleTest (or that crashed) the case is "project:suite / program".
                program = suite.get("name", "").split(" / ")[-1].split(".")[0]
                if " / " in case.get("name"):
                    program = case.get("name").split(" / ")[-1]
                verdict, log = runs.get(program, ("", ""))
                # The XML has nothing of a program that ran out of its time.
                is_whole = " / " in case.get("name")
                if problems or (is_whole and verdict not in ("OK", "SKIP", "EXPECTEDFAIL")):
                    failed += 1
                    name = f"{case.get('classname', '')}.{case.get('name')}".strip(".")
                    print(f"\n===== FAILED: {suite.get('name')}: {name}")
                    for problem in problems:
                        print((problem.get("message") or problem.text or "").strip()[:4000])
                    if not problems:
                        print(verdict)
                    print(tail(excerpt(log, name) or log))
                elif skip:
                    skipped += 1
                else:
                    passed += 1
    if args.broken and failed == 0:
        failed = 1
        print("\n===== FAILED: the test runner reported an error; see above")
    print(f"\n{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or args.broken or passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
