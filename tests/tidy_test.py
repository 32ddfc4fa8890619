#!/usr/bin/env python3
"""Each rule of tidy.py finds what it is for, and nothing in a clean tree."""

import os
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True

import tidy  # noqa: E402

CLEAN = {
    "common/meson.build": "static_library('common', 'text.cc')\n",
    "common/text.h": "#pragma once\n\nint length();\n",
    "common/text.cc": '#include "common/text.h"\n\nint length() { return 1; }\n',
    "supervisor/core/meson.build": "static_library('core', 'plan.cc')\n",
    "supervisor/core/plan.cc": '#include <vector>\n\n#include "common/text.h"\n',
}


class TidyTest(unittest.TestCase):
    def findings(self, **files):
        """Rules broken by the clean tree plus `files` (path with __ for / and _DOT_ for .)."""
        tree = dict(CLEAN)
        for name, text in files.items():
            tree[name.replace("__", "/").replace("_DOT_", ".")] = text
        with tempfile.TemporaryDirectory() as root:
            for path, text in tree.items():
                full = os.path.join(root, path)
                os.makedirs(os.path.dirname(full), exist_ok=True)
                with open(full, "w", encoding="utf-8") as stream:
                    stream.write(text)
            return [f.rule for f in tidy.Tree(root, sorted(tree)).run()]

    def source(self, body, folder="common"):
        """Findings for `body` as the text of an extra source file of `folder`."""
        build = f"{folder}/meson.build"
        text = CLEAN.get(build, "") + "extra('more.cc')\n"
        return self.findings(**{build: text, f"{folder}/more.cc": body})

    def test_a_clean_tree_has_no_findings(self):
        self.assertEqual(self.findings(), [])

    def test_include_direction(self):
        up = '#include "supervisor/core/plan.h"\n'
        self.assertIn("include-direction", self.findings(
            supervisor__core__plan_DOT_h="#pragma once\n", common__text_DOT_cc=up))
        across = '#include "supervisor/journal/journal.h"\n'
        self.assertIn("include-direction", self.findings(
            supervisor__journal__journal_DOT_h="#pragma once\n",
            supervisor__core__plan_DOT_cc=across))
        self.assertIn("include-direction", self.findings(
            tests__fakes__clock_DOT_h="#pragma once\n",
            common__text_DOT_cc='#include "tests/fakes/clock.h"\n'))
        self.assertIn("include-direction", self.findings(
            worker__worker_DOT_h="#pragma once\n", common__text_DOT_cc='#include "worker/worker.h"\n'))

    def test_wiring_may_include_every_adapter(self):
        self.assertEqual(self.findings(
            supervisor__journal__journal_DOT_h="#pragma once\n",
            supervisor__meson_DOT_build="executable('d', 'main.cc')\n",
            supervisor__main_DOT_cc='#include "supervisor/journal/journal.h"\n'), [])

    def test_foreign_headers(self):
        self.assertIn("foreign-header", self.source("#include <mysql.h>\n", "supervisor/core"))
        self.assertIn("foreign-header", self.source("#include <uv.h>\n"))
        self.assertIn("foreign-header", self.source("#include <nlohmann/json.hpp>\n",
                                                    "supervisor/core"))

    def test_banned_calls(self):
        for call in ("system(x);", "popen(x, y);", "sprintf(a, b);", "strcpy(a, b);", "gets(a);",
                     "fork();", "::fork();", "std::regex r;", "waitpid(-1, 0, 0);", "rand();",
                     "exit(1);", "std::exit(1);", "assert(x);"):
            self.assertIn("banned-call", self.source(f"void f() {{ {call} }}\n"), call)
        for call in ("my_system(x);", "snprintf(a, b);", "a.fork();", "static_assert(true);",
                     "_exit(1);", "quick.exit(1);", '"system(x)";', "// fork()",
                     "operand();"):
            self.assertEqual(self.source(f"void f() {{ {call}\n }}\n"), [], call)

    def test_an_excuse_needs_a_reason(self):
        call = "int f() { return system(x); }"
        self.assertEqual(self.source(f"// tidy: allow(banned-call) a fixed string\n{call}\n"), [])
        self.assertIn("banned-call", self.source(f"// tidy: allow(banned-call)\n{call}\n"))

    def test_text_rules(self):
        self.assertIn("line-length", self.source("//" + "x" * 100 + "\n"))
        self.assertIn("whitespace", self.source("int a; \n"))
        self.assertIn("whitespace", self.source("\tint a;\n"))
        self.assertIn("whitespace", self.source("int a;"))
        self.assertIn("leftover", self.source("// TO" + "DO later\n"))
        self.assertEqual(self.source("// TO" + "DO(#12) later\n"), [])
        self.assertIn("leftover", self.source("<<<<" + "<<< HEAD\n"))
        self.assertIn("machine-path", self.source('const char* p = "/ho' + 'me/joe/x";\n'))

    def test_named_tests(self):
        build = {"tests__meson_DOT_build": "x('one_test.cc')\n",
                 "tests__one_test_DOT_cc": "TEST_P(One, Works) {}\n"}
        row = "| A1 | bad | good, not `One.Else` | {} |\n"
        for name in ("`One.Works`, `One.*`", "`One`"):
            self.assertEqual(self.findings(**build, docs__compat_DOT_md=row.format(name)), [])
        for name in ("`One.Gone`", "`Two.*`", "`One.*`, `Two`"):
            self.assertEqual(self.findings(**build, docs__compat_DOT_md=row.format(name)),
                             ["missing-test"])

    def test_headers(self):
        self.assertIn("pragma-once", self.findings(common__text_DOT_h="int length();\n"))
        self.assertIn("using-namespace", self.findings(
            common__text_DOT_h="#pragma once\nusing namespace fmt;\n"))
        self.assertIn("include-style", self.source('#include "text.h"\n'))

    def test_dead_files(self):
        self.assertIn("dead-file", self.findings(common__gone_DOT_cc="int a;\n"))
        self.assertIn("dead-file", self.findings(common__gone_DOT_h="#pragma once\n"))


if __name__ == "__main__":
    unittest.main()
