#!/usr/bin/env python3
"""Plants a violation of each rule of tidy.py in a small clean tree, and expects it to be found
there and nowhere else; and plants what only looks like one, and expects silence."""

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import tidy
import tidy_cpp
import tidy_rules
from tidy_tree import Tree

CLEAN = {
    "CMakeLists.txt": "foreach(name base model log app)\nendforeach()\n",
    "ARCHITECTURE.md": "# Rooms\n\n| room | what it is | may include |\n|---|---|---|\n"
    "| [base](src/base) | ground | nothing |\n| model | the event | base |\n"
    "| log | a store | base model |\n| app | main | all |\n\nMore text.\n",
    "src/base/CMakeLists.txt": "room(NAME base THIRD_PARTY fmt::fmt)\n",
    "src/base/README.md": "# base\n",
    "src/base/check.h": "// CHECK.\n#pragma once\n#include <fmt/format.h>\n",
    "src/model/CMakeLists.txt": "room(NAME model DEPENDS base THIRD_PARTY simdjson::simdjson)\n",
    "src/model/README.md": "# model\n",
    "src/model/money.h": '// Money.\n#pragma once\n#include "base/check.h"\nclass Money {};\n',
    "src/model/money.cc": '#include "model/money.h"\n\n#include <simdjson.h>\n',
    "src/log/CMakeLists.txt": "room(NAME log DEPENDS base model\n THIRD_PARTY RocksDB::rocksdb)\n",
    "src/log/README.md": "# log\n\n[money](../model/money.h), [a site](https://example.com/x)\n",
    "src/log/log.h": '// The log.\n#pragma once\n#include "model/money.h"\n',
    "src/log/log.cc": '#include "log/log.h"\n#include <rocksdb/db.h>\n#include "base/check.h"\n',
    "src/app/CMakeLists.txt": "room(NAME app DEPENDS base model log)\n",
    "src/app/README.md": "# app\n",
    "src/app/main.cc": '#include <iostream>\n#include "base/check.h"\n#include "log/log.h"\n'
    '#include "model/money.h"\n\nint main() {\n  std::cout << "new";\n}\n',
}


def tree(changes=None):
    """The clean tree with files added or replaced; None removes one."""
    files = {**CLEAN, **(changes or {})}
    return Tree({path: text for path, text in files.items() if text is not None})


def lines_of(check, changes):
    """Where `check` finds something: ["path:line", ...]."""
    return [f"{finding.path}:{finding.line}" for finding in tidy.run(tree(changes), [check])]


class TidyTest(unittest.TestCase):
    def finds(self, check, changes, *places):
        self.assertEqual(lines_of(check, changes), sorted(places))

    def passes(self, check, changes):
        self.finds(check, changes)

    def banned(self, line, path="src/log/log.cc"):
        """Whether the line is refused at its place behind a clean file's lines."""
        text = CLEAN.get(path, "// A file.\n#pragma once\n") + line + "\n"
        found = lines_of("banned", {path: text})
        self.assertIn(found, ([], [f"{path}:{text.count(chr(10))}"]))
        return bool(found)


class Clean(TidyTest):
    def test_a_clean_tree_has_no_findings(self):
        self.assertEqual(tidy.run(tree()), [])

    def test_every_check_has_a_test_class(self):
        tested = {cls.check for cls in TidyTest.__subclasses__() if hasattr(cls, "check")}
        self.assertEqual(tested, set(tidy.CHECKS))


class Layers(TidyTest):
    check = "layers"

    def test_an_include_that_depends_does_not_name(self):
        text = CLEAN["src/model/money.h"] + '#include "log/log.h"\n'
        self.finds("layers", {"src/model/money.h": text}, "src/model/money.h:5")

    def test_an_include_from_a_subfolder(self):
        self.finds("layers", {"src/base/x/y.cc": '#include "app/a.h"\n'}, "src/base/x/y.cc:1")

    def test_an_include_that_is_only_a_comment(self):
        self.passes("layers", {"src/base/y.cc": '// #include "app/a.h"\n'})

    def test_depends_that_nothing_includes(self):
        self.finds("layers", {"src/model/money.h": "// M.\n"}, "src/model/CMakeLists.txt:1")

    def test_a_circle_of_rooms(self):
        changes = {
            "src/base/CMakeLists.txt": "room(NAME base DEPENDS model)\n",
            "src/base/check.h": '// C.\n#include "model/money.h"\n',
        }
        self.finds("layers", changes, "src/base/CMakeLists.txt:1")

    def test_a_store_that_knows_a_store(self):
        changes = {
            "src/log/CMakeLists.txt": "\nroom(NAME log DEPENDS base model lake)\n",
            "src/log/a.cc": '#include "lake/lake.h"\n',
        }
        self.finds("layers", changes, "src/log/CMakeLists.txt:2")

    def test_a_stage_that_knows_a_stage(self):
        changes = {
            "src/serve/CMakeLists.txt": "room(NAME serve DEPENDS gateway)\n",
            "src/serve/a.cc": '#include "gateway/gateway.h"\n',
        }
        self.finds("layers", changes, "src/serve/CMakeLists.txt:1")

    def test_words_after_depends_belong_to_the_next_keyword(self):
        self.assertEqual(tidy.depends("NAME x DEPENDS a b\n THIRD_PARTY c"), ["a", "b"])
        self.assertEqual(tidy.depends("NAME x THIRD_PARTY c"), [])


class RoomMap(TidyTest):
    check = "room_map"

    def changed_map(self, before, after):
        return {"ARCHITECTURE.md": CLEAN["ARCHITECTURE.md"].replace(before, after)}

    def test_no_table(self):
        self.finds("room_map", {"ARCHITECTURE.md": "# Rooms\n"}, "ARCHITECTURE.md:1")

    def test_no_architecture_at_all(self):
        self.finds("room_map", {"ARCHITECTURE.md": None}, "ARCHITECTURE.md:1")

    def test_a_room_that_the_table_lacks(self):
        self.finds(
            "room_map",
            self.changed_map("| log | a store | base model |\n", ""),
            "ARCHITECTURE.md:1",
            "ARCHITECTURE.md:7",
        )

    def test_a_room_that_the_tree_lacks(self):
        changes = self.changed_map(
            "| app | main | all |", "| app | main | base model log |\n| lake | | base |"
        )
        self.finds("room_map", changes, "ARCHITECTURE.md:9")

    def test_depends_that_differ(self):
        self.finds("room_map", self.changed_map("| base model |", "| base |"), "ARCHITECTURE.md:7")

    def test_a_folder_that_is_no_room(self):
        self.finds(
            "room_map", {"src/log/CMakeLists.txt": "add_library(log)\n"}, "src/log/CMakeLists.txt:1"
        )

    def test_a_room_that_is_never_built(self):
        changes = {"CMakeLists.txt": "foreach(name base model app)\nendforeach()\n"}
        self.finds("room_map", changes, "CMakeLists.txt:1")

    def test_a_name_in_back_quotes_and_another_order(self):
        self.passes(
            "room_map",
            self.changed_map("| log | a store | base model |", "| `log` | | model base |"),
        )


class Lengths(TidyTest):
    check = "lengths"

    def function(self, lines):
        return "Result<int> Log::read(int n) const {\n" + "  n;\n" * lines + "}\n"

    def test_a_line_at_the_limit_and_one_beyond(self):
        at = "x" * tidy_rules.COLUMNS
        self.finds("lengths", {"src/log/a.cc": f"{at}\n{at}x\n"}, "src/log/a.cc:2")

    def test_a_line_is_counted_in_characters(self):
        self.passes("lengths", {"src/log/a.cc": "// " + "é" * (tidy_rules.COLUMNS - 3) + "\n"})

    def test_sql_may_be_wider(self):
        at = "-" * tidy_rules.SQL_COLUMNS
        self.finds("lengths", {"src/log/a.sql": f"{at}\n{at}-\n"}, "src/log/a.sql:2")

    def test_a_file_at_the_limit_and_one_beyond(self):
        at = "x\n" * tidy_rules.FILE_LINES
        self.finds(
            "lengths",
            {"src/log/a.cc": at, "src/log/b.cc": at + "x\n"},
            f"src/log/b.cc:{tidy_rules.FILE_LINES + 1}",
        )

    def test_a_function_at_the_limit_and_one_beyond(self):
        limit = tidy_rules.FUNCTION_LINES
        text = self.function(limit) + self.function(limit + 1)
        self.finds("lengths", {"src/log/a.cc": text}, f"src/log/a.cc:{limit + 3}")

    def test_long_functions_of_other_languages(self):
        body = tidy_rules.FUNCTION_LINES + 1
        files = {
            "tools/a.py": "def f():\n" + "    pass\n" * body,
            "tools/a.sh": "f() {\n" + "  :\n" * body + "}\n",
            "src/log/a.sql": "create function f() as $$\n" + "x\n" * body + "$$;\n",
        }
        self.finds("lengths", files, *(f"{path}:1" for path in files))


class FunctionsOfCpp(unittest.TestCase):
    def names(self, text):
        return [(name, line, size) for name, line, size in tidy_cpp.functions(text)]

    def test_methods_in_a_class_in_a_namespace(self):
        text = "namespace a {\nclass B : public C {\n public:\n  int f() {\n    g();\n  }\n};\n}\n"
        self.assertEqual(self.names(text), [("f", 4, 1)])

    def test_lambdas_and_blocks_belong_to_their_function(self):
        text = "void f() {\n  if (x) {\n    auto g = [&](int y) {\n      y;\n    };\n  }\n}\n"
        self.assertEqual(self.names(text), [("f", 1, 5)])

    def test_initializer_lists_and_default_arguments(self):
        text = (
            "A::A(B b = {}) : b_{b}, c_(1) {\n  x;\n}\nint t[] = {\n  1,\n  2,\n};\nvoid g() {\n}\n"
        )
        self.assertEqual(self.names(text), [("A::A", 1, 1), ("g", 8, 0)])

    def test_qualifiers_and_trailing_types(self):
        text = "auto f() const noexcept -> std::map<int, int> {\n}\nint g() && override {\n}\n"
        self.assertEqual([name for name, _, _ in self.names(text)], ["f", "g"])

    def test_braces_in_strings_comments_and_macros(self):
        text = '#define X {\nvoid f() {\n  // }\n  s = "}"; c = \'}\'; r = R"(})";\n}\n'
        self.assertEqual(self.names(text), [("f", 2, 2)])

    def test_digit_separators_are_no_characters(self):
        self.assertEqual(self.names("int x = 1'000'000;\nvoid f() {\n}\n"), [("f", 2, 0)])


class Banned(TidyTest):
    check = "banned"
    REFUSED = [
        "auto* x = new Log(1);",
        "auto x = std::unique_ptr<Log>(new (std::nothrow) Log);",
        "delete x;",
        "delete[] x;",
        "std::shared_ptr<Log> x;",
        'std::cout << "x";',
        'printf("x");',
        'std::fprintf(stderr, "x");',
        "std::thread t(f);",
        "std::jthread t([] {});",
        "std::async(f);",
        "std::this_thread::sleep_for(1ms);",
        "usleep(1);",
        "auto t = std::time(nullptr);",
        "time(0);",
        "gettimeofday(&t, nullptr);",
        "auto t = std::chrono::system_clock::now();",
        "std::rand();",
        "std::mt19937 r;",
        'std::getenv("X");',
        "std::stoi(x);",
        "atoi(x);",
        "assert(x);",
        "throw 1;",
        "using namespace std;",
    ]
    ALLOWED = [
        "Log(const Log&) = delete;",
        "// a new file, then delete it",
        'say("new x, delete x, throw");',
        "int renew = news(1);",
        "std::thread::hardware_concurrency();",
        "std::jthread thread_;",
        "auto t = clock.time();",
        "UtcMicros time() const;",
        "static_assert(sizeof(x) == 1);",
        "SeededRandom random(1);",
        "using namespace std::chrono_literals;",
        "snapshot_printf_x;",
        "std::shared_ptr<Log> x;  // shared: the callback may outlive us",
        "// shared: the session and its timer\n// both own it\nstd::shared_ptr<Log> x;",
    ]

    def test_what_is_refused(self):
        for line in self.REFUSED:
            with self.subTest(line):
                self.assertTrue(self.banned(line))

    def test_what_only_looks_like_it(self):
        for line in self.ALLOWED:
            with self.subTest(line):
                self.assertFalse(self.banned(line))

    def test_an_excuse_that_stands_elsewhere_does_not_count(self):
        self.assertTrue(self.banned("// shared: it\nint y;\nstd::shared_ptr<Log> x;"))

    def test_rooms_that_may(self):
        self.assertFalse(self.banned("std::cout << 1;", "src/app/main.cc"))
        self.assertFalse(self.banned('std::getenv("X");', "src/app/main.cc"))
        self.assertFalse(self.banned("std::jthread t([] {});", "src/base/thread.cc"))
        self.assertFalse(
            self.banned("auto t = std::chrono::steady_clock::now();", "src/log/log_test.cc")
        )

    def test_tests_may_and_what_is_named_for_them(self):
        for path in ("src/log/a_test.cc", "src/log/server_for_tests.h", "src/log/test_disk.h"):
            self.assertFalse(self.banned("std::stoi(x);", path))
        for path in ("src/log/latest.h", "src/log/contest.cc", "src/log/attestation.h"):
            self.assertTrue(self.banned("std::stoi(x);", path))

    def test_exceptions_in_headers_only(self):
        self.assertTrue(self.banned("#include <stdexcept>", "src/log/x.h"))
        self.assertTrue(self.banned("void f(const std::exception& e);", "src/log/x.h"))
        self.assertFalse(self.banned("} catch (const std::exception& e) {", "src/log/x.cc"))

    def test_doubles_beside_money(self):
        self.finds(
            "banned", {"src/model/money.cc": "Money m;\ndouble d;\n"}, "src/model/money.cc:2"
        )
        self.passes("banned", {"src/model/event.cc": "double d;\n"})

    def test_names_that_say_nothing(self):
        for path in (
            "src/common/a.cc",
            "src/log/string_utils.h",
            "tools/helpers.py",
            "src/log/misc.cc",
        ):
            with self.subTest(path):
                self.finds("banned", {path: "\n"}, f"{path}:1")
        self.passes("banned", {"src/log/uncommon.cc": "\n"})


class ThirdParty(TidyTest):
    check = "third_party"

    def test_a_header_outside_its_room(self):
        for header in (
            "rocksdb/db.h",
            "libpq-fe.h",
            "boost/asio.hpp",
            "curl/curl.h",
            "simdjson.h",
            "CLI/CLI.hpp",
            "spdlog/spdlog.h",
            "openssl/sha.h",
            "toml++/toml.h",
            "date/tz.h",
            "duckdb.h",
            "boost/uuid/uuid.hpp",
            "prometheus/registry.h",
        ):
            with self.subTest(header):
                self.finds(
                    "third_party",
                    {"src/gateway/a.cc": f"#include <{header}>\n"},
                    "src/gateway/a.cc:1",
                )

    def test_a_heavy_header_that_another_room_reaches(self):
        changes = {
            "src/log/a.h": "// A.\n#include <rocksdb/db.h>\n",
            "src/log/log.h": CLEAN["src/log/log.h"] + '#include "log/a.h"\n',
        }
        self.finds("third_party", changes, "src/log/a.h:2")

    def test_a_heavy_header_that_stays_inside_its_room(self):
        changes = {
            "src/log/a.h": "// A.\n#include <rocksdb/db.h>\n",
            "src/log/log.cc": CLEAN["src/log/log.cc"] + '#include "log/a.h"\n',
        }
        self.passes("third_party", changes)

    def test_a_library_nobody_has_heard_of(self):
        self.finds("third_party", {"src/log/a.cc": "#include <leftpad/pad.h>\n"}, "src/log/a.cc:1")

    def test_the_system_and_what_all_may_use(self):
        headers = ("sys/stat.h", "vector", "fmt/format.h", "gtest/gtest.h")
        text = "".join(f"#include <{header}>\n" for header in headers)
        self.passes("third_party", {"src/log/a.cc": text})

    def test_tests_and_benchmarks_measure_against_libraries(self):
        self.passes("third_party", {"bench/a.cc": "#include <libpq-fe.h>\n"})


class DeadFiles(TidyTest):
    check = "dead_files"

    def test_files_that_nothing_reaches(self):
        for path in (
            "src/log/a.h",
            "src/log/sql/a.sql",
            "tools/a.sh",
            "tools/a.py",
            "tests/chaos/a.cc",
        ):
            with self.subTest(path):
                self.finds("dead_files", {path: "\n"}, f"{path}:1")

    def test_a_file_that_only_names_itself(self):
        self.finds("dead_files", {"tools/a.sh": "# a.sh\n"}, "tools/a.sh:1")

    def test_a_longer_name_is_another_file(self):
        self.finds(
            "dead_files",
            {"tools/a.sh": "\n", "run": "tools/aa.sh tools/a.sh.txt b-a.sh\n"},
            "tools/a.sh:1",
        )

    def test_files_that_are_named_globbed_or_imported(self):
        self.passes(
            "dead_files",
            {
                "tools/a.sh": "\n",
                "run": "exec tools/a.sh\n",
                "tools/b.py": "\n",
                "tools/c.py": "import b\n",
                "HACKING.md": "tools/c.py\n",
                "src/log/CMakeLists.txt": CLEAN["src/log/CMakeLists.txt"]
                + 'file(GLOB s "sql/*.sql")\n',
                "src/log/sql/a.sql": "\n",
                "tests/chaos/CMakeLists.txt": "add_executable(chaos kill.cc)\n",
                "tests/chaos/kill.cc": "\n",
            },
        )


class Leftovers(TidyTest):
    check = "leftovers"

    def test_marks_of_unfinished_work(self):
        for mark in ("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"):
            with self.subTest(mark):
                self.finds("leftovers", {"README.md": f"x\n{mark}: y\n"}, "README.md:2")

    def test_words_that_hold_them(self):
        self.passes("leftovers", {"README.md": "HACKING.md, mktemp /tmp/x.XXXXXX\n"})


class Space(TidyTest):
    check = "space"

    def test_white_space(self):
        changes = {"README.md": "a \nb\tc\nd", "src/log/a.cc": "\r\n"}
        self.finds("space", changes, "README.md:1", "README.md:2", "README.md:3", "src/log/a.cc:1")

    def test_a_header_without_a_guard(self):
        self.finds("space", {"src/log/a.h": "// A; no #pragma once.\n"}, "src/log/a.h:1")

    def test_data_is_left_alone(self):
        self.passes(
            "space", {"tests/fuzz/corpus/x/a.json": "a \t", "tests/scenario/data/a.sql": "\t"}
        )


class Docs(TidyTest):
    check = "docs"

    def test_a_room_without_a_readme(self):
        self.finds("docs", {"src/log/README.md": None}, "src/log/README.md:1")

    def test_a_readme_at_the_limit_and_one_beyond(self):
        at = "x\n" * tidy_rules.README_LINES
        self.passes("docs", {"src/log/README.md": at})
        self.finds(
            "docs",
            {"src/log/README.md": at + "x\n"},
            f"src/log/README.md:{tidy_rules.README_LINES}",
        )

    def test_a_header_that_does_not_say_what_it_is(self):
        self.finds("docs", {"src/log/a.h": "#pragma once\n// A.\n"}, "src/log/a.h:1")


class Private(TidyTest):
    check = "private"

    def test_paths_hosts_and_addresses(self):
        for text in (
            "/wo" + "rk/x",
            "cd /ro" + "ot/x",
            '"/ho' + 'me/ann/x"',
            "https://py" + "pi.org/simple",
            "deb." + "debian.org",
            "ann@" + "tillrace.io",
        ):
            with self.subTest(text):
                self.finds("private", {"README.md": f"x\n{text}\n"}, "README.md:2")

    def test_what_only_looks_like_them(self):
        for text in (
            "src/work/x",
            "$HOME/x",
            "ann@example.com",
            "abfss://container@account.dfs.core.windows.net/p",
            "postgres://me@db.internal/shop",
            "@duckdb/node-bindings-linux-x64@1.5.5-r.5",
            "/workers",
        ):
            with self.subTest(text):
                self.passes("private", {"README.md": f"{text}\n"})


class Links(TidyTest):
    check = "links"

    def test_links_that_lead_nowhere(self):
        text = "[a](src/log/log.h)\n[b](src/log/none.h) [c](docs/x.md#y)\n"
        self.finds("links", {"README.md": text}, "README.md:2", "README.md:2")

    def test_a_link_is_relative_to_its_file(self):
        self.finds("links", {"docs/a.md": "[a](src/log/log.h)\n"}, "docs/a.md:1")

    def test_folders_sites_anchors_and_code(self):
        text = "[a](src/log) [b](https://example.com) [c](#here) [d](./ARCHITECTURE.md)\n"
        text += "```\n[e](none)\n```\n"
        self.passes("links", {"README.md": text})


class Exceptions(unittest.TestCase):
    LIST = "tools/tidy_exceptions.txt"
    WRONG = {**CLEAN, "src/log/a.h": "#pragma once\n", "run": "src/log/a.h\n"}

    def findings(self, excuses, committed, files):
        return tidy.run(Tree({**files, self.LIST: excuses}, {self.LIST: committed}))

    def test_an_exception_excuses_its_check_and_path_alone(self):
        line = "docs src/log/a.h\n"
        self.assertEqual(self.findings(line, line, self.WRONG), [])
        other = "space src/log/a.h\n"
        self.assertEqual(
            [f.check for f in self.findings(other, other, self.WRONG)], ["docs", "exceptions"]
        )

    def test_an_exception_for_nothing_must_go(self):
        line = "docs src/log/log.h\n"
        self.assertEqual([f.check for f in self.findings(line, line, CLEAN)], ["exceptions"])

    def test_the_list_may_not_grow(self):
        self.assertEqual(
            [f.check for f in self.findings("docs src/log/a.h\n", "", self.WRONG)], ["exceptions"]
        )


class Folders(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        for path, text in {
            **CLEAN,
            ".gitignore": "/ignored/\n",
            "build/x.cc": "\t",
            "run": "tab\t\n",
        }.items():
            (self.root / path).parent.mkdir(parents=True, exist_ok=True)
            (self.root / path).write_text(text)

    def tidy(self):
        command = [sys.executable, "-B", tidy.__file__, "--root", str(self.root)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def git(self, *arguments):
        subprocess.run(["git", "-C", str(self.root), *arguments], check=True, capture_output=True)

    def test_without_git_all_but_the_build_folder_is_read(self):
        ran = self.tidy()
        self.assertEqual(ran.returncode, 1)
        self.assertEqual(
            [line.split(" ")[0] for line in ran.stdout.splitlines()], ["run:1:"] * 2 + ["tidy:"]
        )

    def test_with_git_new_files_are_read_and_ignored_ones_are_not(self):
        (self.root / ".gitignore").write_text("/build/\n")
        self.git("init", "-q")
        self.git("add", "src")
        (self.root / "run").write_text("true\n")
        ran = self.tidy()
        self.assertEqual(
            ran.stdout, f"tidy: {len(CLEAN) + 2} files, {len(tidy.CHECKS)} checks, 0 findings\n"
        )
        self.assertEqual(ran.returncode, 0)
        (self.root / "src/log/new.cc").write_text("throw 1;\n")
        self.assertIn("src/log/new.cc:1: [banned] throw: return fail(...)", self.tidy().stdout)


if __name__ == "__main__":
    unittest.main()
