#!/usr/bin/env python3
"""Checks the rules of the source tree that a compiler does not know.

    tests/tidy.py [--root FOLDER] [--list-rules]

Every finding is printed as `file:line: rule: what is wrong`; the exit status is 1 when there is
one. A line may be excused with a comment `// tidy: allow(rule) reason` on it or on the line above;
the reason is mandatory.
"""

import argparse
import os
import re
import subprocess
import sys

LINE_LENGTH_MAX = 100
SOURCE_SUFFIXES = (".cc", ".h")
TEXT_SUFFIXES = (".cc", ".h", ".py", ".sh", ".md", ".build", ".txt", ".yaml", ".yml", ".pl", ".pm",
                 ".cnf", ".service", ".html", ".js", ".css", ".sql")

# Folder -> folders whose headers it may include; the longest matching folder counts. Its own folder
# is always allowed. Whatever is not listed here (a new top folder) may include only itself.
INCLUDES = {
    "common": [],
    "supervisor": ["common", "supervisor"],
    "supervisor/core": ["common"],
    "supervisor/control": ["common", "supervisor/core", "supervisor/loop"],
    "supervisor/journal": ["common", "supervisor/core"],
    "supervisor/loop": ["common"],
    "supervisor/metrics": ["common", "supervisor/core", "supervisor/loop"],
    "supervisor/process": ["common", "supervisor/core", "supervisor/loop"],
    "supervisor/upstream": ["common", "supervisor/core", "supervisor/loop"],
    "worker": ["common", "worker"],
    "worker/mysql": ["common"],
    "worker/lhm": ["common", "worker/mysql"],
    "ctl": ["common"],
    "api": ["common"],
    "tests": ["common", "supervisor", "worker", "ctl", "api", "tests"],
}

# Family of foreign headers -> the folders and files that may use it.
FOREIGN = {
    "libuv": (r"uv\.h", ["supervisor", "worker", "tests"]),
    "libcurl": (r"curl/", ["common", "supervisor/upstream", "supervisor/main.cc", "tests"]),
    "sqlite": (r"sqlite3\.h",
               ["common/sqlite_row.h", "supervisor/journal", "api", "ctl", "tests"]),
    "mysql": (r"(mysql|mariadb)[/.]|errmsg\.h|mysqld_error\.h", ["worker", "api", "tests"]),
    "httplib": (r"httplib\.h", ["api", "tests"]),
    "cli11": (r"CLI/", ["ctl", "api", "worker", "supervisor", "tests"]),
    "yaml": (r"yaml-cpp/", ["common", "api", "worker/osc/square_state.cc", "worker/lhm/plan_file.cc",
                          "tests"]),
    "simdjson": (r"simdjson", ["common"]),
    "gtest": (r"(gtest|gmock)/", ["tests"]),
    "spdlog": (r"spdlog/", []),
    "regex": (r"regex$", ["ctl", "tests"]),  # std::regex recurses: a long line kills a daemon
}
# The pure part of the daemon: the standard library, fmt (std::format is missing in GCC 12) and
# common/, nothing else.
PURE = ["supervisor/core"]
PURE_FOREIGN_ALLOWED = r"fmt/"

# Call -> (why, folders where it is allowed).
BANNED = {
    "system": (r"(?<![\w.>:])(?:std::|::)?system\s*\(", "runs a shell; spawn with an argv", []),
    "popen": (r"(?<![\w.>])(?:::)?popen\s*\(", "runs a shell; spawn with an argv", []),
    "sprintf": (r"(?<![\w])v?sprintf\s*\(", "unbounded; use fmt::format or snprintf", []),
    "strcpy": (r"(?<![\w])(?:strcpy|strcat|stpcpy)\s*\(", "unbounded; use std::string", []),
    "gets": (r"(?<![\w.>])gets\s*\(", "unbounded", []),
    "strtok": (r"(?<![\w])strtok\s*\(", "hidden state; use split()", []),
    "atoi": (r"(?<![\w])ato(?:i|l|ll|f)\s*\(", "reads garbage as 0; use std::from_chars", []),
    "fork": (r"(?<![\w.>])(?:::)?v?fork\s*\(", "only where an exec follows at once",
             ["worker/osc"]),
    "regex": (r"std::(?:basic_|w)?regex\b", "recurses on long input", ["ctl", "tests"]),
    "waitpid-any": (r"waitpid\s*\(\s*-1", "steals the children of others", []),
    "rand": (r"(?<![\w.>:])(?:std::)?s?rand\s*\(", "use std::mt19937_64 with a printed seed", []),
    "sleep": (r"(?<![\w.>:])(?:::)?(?:sleep|usleep)\s*\(|sleep_for\s*\(",
              "blocks; use a timer or poll with a deadline",
              ["worker", "ctl", "api", "common", "tests"]),
    "using-std": (r"using\s+namespace\s+std\s*;", "name what you use", []),
    "const-cast": (r"const_cast<", "say why", ["worker/mysql", "common", "tests"]),
    "c-assert": (r"(?<![\w_])assert\s*\(", "use CHECK, which stays in release builds", []),
    "exit": (r"(?<![\w.>:])(?:std::|::)?exit\s*\(", "return from main(); destructors must run",
             ["tests"]),
}

LEFTOVERS = re.compile(r"\b(TODO|FIXME|XXX|HACK|NOCOMMIT)\b(?!\(#\d+\))")
# Paths of somebody's machine: homes and scratch checkouts. The file itself is excused below.
MACHINE_PATHS = re.compile(r"(?<![\w.])/(?:home/\w+|root|Users/\w+|work|workspace|mnt/\w+)/")
CONFLICT = re.compile(r"^(<<<<<<<|>>>>>>>|=======$)")

ALLOW = re.compile(r"tidy:\s*allow\(([\w-]+)\)\s*(.*)")

RULES = {
    "include-direction": "a folder may include only what the table in this file says",
    "foreign-header": "library headers stay inside the folders that own them",
    "banned-call": "calls that are unsafe or do not belong there",
    "line-length": f"C++ lines have at most {LINE_LENGTH_MAX} columns",
    "pragma-once": "the first line of code in a header is #pragma once",
    "dead-file": "every .cc is listed in its folder's meson.build; every .h is included by someone",
    "leftover": "TODO(#123) or no TODO; no conflict markers",
    "machine-path": "no path of somebody's machine",
    "whitespace": "no tabs, trailing blanks or missing newline at the end",
    "include-style": 'own headers by path from the root in "", foreign ones in <>',
    "using-namespace": "no `using namespace` in headers",
    "nolint": "an excuse for a linter needs a reason",
    "missing-test": "every test that docs/compat.md names exists",
}


TEST_CASE = re.compile(r"\bTEST(?:_F|_P)?\(\s*(\w+)\s*,\s*(\w+)\s*\)")
# A row's last cell: `Suite.Case`, `Suite.*` or `Suite`.
NAMED_TEST = re.compile(r"`([A-Z]\w+)(?:\.(\w+|\*))?`")


class Finding:
    def __init__(self, path, line, rule, text):
        self.path, self.line, self.rule, self.text = path, line, rule, text

    def __str__(self):
        return f"{self.path}:{self.line}: {self.rule}: {self.text}"


def strip_code(text):
    """`text` with comments and the contents of literals blanked, lines kept."""
    out = []
    i, n = 0, len(text)
    while i < n:
        c = text[i]
        if text.startswith("//", i):
            end = text.find("\n", i)
            end = n if end < 0 else end
            out.append(" " * (end - i))
            i = end
        elif text.startswith("/*", i):
            end = text.find("*/", i + 2)
            end = n if end < 0 else end + 2
            out.append("".join("\n" if ch == "\n" else " " for ch in text[i:end]))
            i = end
        elif c == "R" and re.match(r'R"([^()\\ \n]{0,16})\(', text[i:i + 20]):
            tag = re.match(r'R"([^()\\ \n]{0,16})\(', text[i:i + 20]).group(1)
            end = text.find(f'){tag}"', i)
            end = n if end < 0 else end + len(tag) + 2
            out.append("".join("\n" if ch == "\n" else " " for ch in text[i:end]))
            i = end
        elif c == '"' or (c == "'" and not (i and (text[i - 1].isalnum() or text[i - 1] == "_"))):
            j = i + 1
            while j < n and text[j] != c and text[j] != "\n":
                j += 2 if text[j] == "\\" else 1
            j = min(j + 1, n)
            out.append(c + " " * (j - i - 2) + c if j - i >= 2 else text[i:j])
            i = j
        else:
            out.append(c)
            i += 1
    return "".join(out)


def under(path, folder):
    return path == folder or path.startswith(folder + "/")


def folder_rule(path):
    """The longest folder of INCLUDES that holds `path`, or its top folder."""
    best = ""
    for folder in INCLUDES:
        if under(path, folder) and len(folder) > len(best):
            best = folder
    return best or path.split("/")[0]


class Tree:
    def __init__(self, root, files):
        self.root = root
        self.files = files
        self.findings = []
        self.included = set()
        self.tests = set()  # "Suite.Case", "Suite.*", "Suite"
        self.named_tests = []

    def report(self, path, line, rule, text, lines=None):
        if lines is not None:
            for index in (line - 1, line - 2):
                if 0 <= index < len(lines):
                    allowed = ALLOW.search(lines[index])
                    if allowed and allowed.group(1) == rule:
                        if not allowed.group(2).strip():
                            text = f"excused without a reason ({text})"
                            break
                        return
        self.findings.append(Finding(path, line, rule, text))

    def run(self):
        for path in self.files:
            full = os.path.join(self.root, path)
            try:
                with open(full, encoding="utf-8") as stream:
                    text = stream.read()
            except UnicodeDecodeError:
                self.report(path, 1, "whitespace", "not UTF-8")
                continue
            except FileNotFoundError:
                continue  # deleted, not yet committed
            lines = text.split("\n")
            self.check_text(path, text, lines)
            self.note_tests(path, text, lines)
            if path.endswith(SOURCE_SUFFIXES):
                self.check_source(path, text, lines)
        self.check_dead_files()
        for path, line, name in self.named_tests:
            if name not in self.tests:
                self.report(path, line, "missing-test", name)
        return self.findings

    def note_tests(self, path, text, lines):
        for suite, case in TEST_CASE.findall(text) if path.endswith("_test.cc") else []:
            self.tests.update((suite, f"{suite}.*", f"{suite}.{case}"))
        if path == "docs/compat.md":
            for number, line in enumerate(lines, 1):
                cells = line.split("|")
                if len(cells) > 2:
                    self.named_tests += [(path, number, f"{suite}.{case}" if case else suite)
                                         for suite, case in NAMED_TEST.findall(cells[-2])]

    def check_text(self, path, text, lines):
        excused = os.path.basename(path) in ("tidy.py", "tidy_test.py")
        if text and not text.endswith("\n"):
            self.report(path, len(lines), "whitespace", "no newline at the end")
        for number, line in enumerate(lines, 1):
            if line != line.rstrip() and not path.endswith(".md"):
                self.report(path, number, "whitespace", "trailing blanks", lines)
            if "\t" in line and path.endswith(SOURCE_SUFFIXES + (".py", ".build")):
                self.report(path, number, "whitespace", "tab", lines)
            if not excused:
                if LEFTOVERS.search(line) and not path.endswith(".md"):
                    self.report(path, number, "leftover", line.strip()[:60], lines)
                if CONFLICT.search(line) and not path.endswith((".md", ".txt")):
                    self.report(path, number, "leftover", "conflict marker", lines)
                if MACHINE_PATHS.search(line):
                    self.report(path, number, "machine-path", line.strip()[:60], lines)

    def check_source(self, path, text, lines):
        code = strip_code(text).split("\n")
        folder = os.path.dirname(path)
        header = path.endswith(".h")
        for number, line in enumerate(lines, 1):
            if len(line) > LINE_LENGTH_MAX:
                self.report(path, number, "line-length", f"{len(line)} columns", lines)
            if "NOLINT" in line and not re.search(r"NOLINT(NEXTLINE|BEGIN|END)?\([\w.,* -]+\)",
                                                  line):
                self.report(path, number, "nolint", "name the check that is switched off", lines)
            match = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
            if match:
                self.check_include(path, folder, number, match.group(1), match.group(2), lines)
        # A precompiled header is the main file of its compilation, where the pragma is a warning.
        if header and os.path.basename(folder) != "pch":
            first = next((line.strip() for line in code if line.strip()), "")
            if first != "#pragma once":
                self.report(path, 1, "pragma-once", "missing", lines)
        for number, line in enumerate(code, 1):
            if header and re.search(r"using\s+namespace\b", line):
                self.report(path, number, "using-namespace", line.strip(), lines)
            for name, (pattern, why, allowed) in BANNED.items():
                if re.search(pattern, line) and not any(under(folder, a) for a in allowed):
                    self.report(path, number, "banned-call", f"{name}: {why}", lines)

    def check_include(self, path, folder, number, quote, target, lines):
        own = os.path.exists(os.path.join(self.root, target))
        if quote == '"':
            if not own:
                self.report(path, number, "include-style",
                            f'"{target}" is not a path from the root of the tree', lines)
                return
            self.included.add(target)
            target_folder = os.path.dirname(target)
            if target_folder == folder or target == path:
                return
            rule = folder_rule(path)
            for allowed in INCLUDES.get(rule, []):
                if under(target_folder, allowed):
                    break
            else:
                if not under(target_folder, rule):
                    self.report(path, number, "include-direction", f"{rule}/ includes {target}",
                                lines)
            if under(target_folder, "tests") and not under(folder, "tests"):
                self.report(path, number, "include-direction", f"{path} includes tests/", lines)
            return
        if own and "/" in target:
            self.report(path, number, "include-style", f'own header <{target}> belongs in ""',
                        lines)
        for family, (pattern, allowed) in FOREIGN.items():
            if re.match(pattern, target) and not any(under(path, a) for a in allowed):
                self.report(path, number, "foreign-header", f"{family}: <{target}>", lines)
        if any(under(folder, pure) for pure in PURE) and ("/" in target or target.endswith(".h")):
            if not re.match(PURE_FOREIGN_ALLOWED, target):
                self.report(path, number, "foreign-header", f"<{target}> in a pure folder", lines)

    def check_dead_files(self):
        builds = {}
        for path in self.files:
            if os.path.basename(path) == "meson.build":
                with open(os.path.join(self.root, path), encoding="utf-8") as stream:
                    builds[os.path.dirname(path)] = stream.read()
        for path in self.files:
            if path.endswith(".cc") and not self.is_built(path, builds):
                self.report(path, 1, "dead-file", "in no meson.build")
            inner = "/".join(path.split("/")[-2:])  # pch/tests.h, named from other folders as ../pch
            precompiled = inner.startswith("pch/") and any(inner in b for b in builds.values())
            if path.endswith(".h") and path not in self.included and not precompiled:
                self.report(path, 1, "dead-file", "included by nobody")

    def is_built(self, path, builds):
        """Named in a meson.build of its folder or a folder above, relative to that folder, or (by
        a loop over names) with its stem."""
        folder = os.path.dirname(path)
        while True:
            if folder in builds:
                name = os.path.relpath(path, folder)
                stem = name[:-len(".cc")]
                for wanted in (name, stem, stem.removesuffix("_test")):
                    if f"'{wanted}'" in builds[folder]:
                        return True
            if not folder:
                return False
            folder = os.path.dirname(folder)


def listed_files(root):
    """Files of the tree that git knows or would add (.gitignore is heeded)."""
    try:
        out = subprocess.run(
            ["git", "-c", f"safe.directory={os.path.abspath(root)}", "-C", root, "ls-files", "-z",
             "--cached", "--others", "--exclude-standard"],
            check=True, capture_output=True)
        names = out.stdout.decode("utf-8").split("\0")
        names = [name for name in names if name]
    except (OSError, subprocess.CalledProcessError):
        names = []
        for base, folders, files in os.walk(root):  # a source archive: no git
            folders[:] = [f for f in folders if not f.startswith((".git", "build"))]
            names += [os.path.relpath(os.path.join(base, f), root) for f in files]
    return sorted(set(n for n in names if n.endswith(TEXT_SUFFIXES)))


def main():
    parser = argparse.ArgumentParser(description="checks the rules of the source tree")
    parser.add_argument("--root", default=os.path.dirname(os.path.dirname(__file__)) or ".")
    parser.add_argument("--list-rules", action="store_true")
    args = parser.parse_args()
    if args.list_rules:
        for name, text in RULES.items():
            print(f"{name:18} {text}")
        return 0
    findings = Tree(args.root, listed_files(args.root)).run()
    for finding in findings:
        print(finding)
    print(f"tidy: {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
