"""What tidy.py checks against: limits, banned names and what to use instead, libraries' rooms."""

import re
from typing import NamedTuple

FUNCTION_LINES = 70
FILE_LINES = 600
COLUMNS = 100
SQL_COLUMNS = 120
README_LINES = 60

STAGES = {"gateway", "processor", "transform", "serve"}
STORES = {"log", "warehouse", "lake"}
VAGUE_NAMES = {"common", "util", "utils", "helper", "helpers", "misc", "stuff"}

# Brackets in the words keep these rules from finding themselves.
LEFTOVER = re.compile(r"\b(T[O]DO|FIX[M]E|X[X]X|H[A]CK)\b")
PRIVATE = [
    (
        re.compile(r"(?<![\w.$}])/((w[o]rk|r[o]ot)/|h[o]me/\w+)"),
        "is a path of one machine; write it relative to the project, or take it from a parameter",
    ),
    (
        re.compile(
            r"\b(pypi\.o[r]g|files\.pythonhosted\.o[r]g|registry\.npmjs\.o[r]g|[\w.-]+\.pkg\.d[e]v|"
            r"(deb|security)\.debian\.o[r]g|(archive|security)\.ubuntu\.c[o]m|"
            r"repo1?\.maven[\w.]*\.o[r]g|"
            r"crates\.i[o])\b"
        ),
        "is a registry's host; leave the choice to the package client's own settings",
    ),
    (
        re.compile(r"(?<![\w./:@%+-])[\w.+-]+@(?!example\.)[\w-]+(\.[\w-]+)*\.[a-z]{2,}\b(?!/)"),
        "is an e-mail address; leave it out, or use one at example.com",
    ),
]


class Ban(NamedTuple):
    name: str
    pattern: re.Pattern
    instead: str
    where: str = r"(src|tests|bench)/.*"  # the paths it holds for
    but_not: str = r"$^"  # and those of them it does not
    only_with: str = ""  # only in files whose code says this
    excuse: str = ""  # a comment beginning so, on the line or just above it, is a reason

    def applies(self, path, code):
        return bool(
            re.fullmatch(self.where, path)
            and not re.fullmatch(self.but_not, path)
            and re.search(self.only_with, code)
        )

    def excused(self, lines, number):
        """Whether the line, or the comment that stands right above it, holds the excuse."""
        if not self.excuse:
            return False
        first = number - 1
        while first > 0 and lines[first - 1].lstrip().startswith("//"):
            first -= 1
        return any(f"// {self.excuse}" in line for line in lines[first:number])


ROOMS = r"src/.*"
IN_APP = r"src/app/.*"
IN_BASE = r"src/base/.*"
IN_TESTS = r".*/(\w+_)?test(s|ing)?(_\w+)?\.(h|cc)|(tests|bench)/.*"

BANS = [
    Ban("new", re.compile(r"\bnew\b\s*[A-Za-z_:(]"), "own by value or std::make_unique"),
    Ban("delete", re.compile(r"(?<!=)(?<!= )\bdelete\b"), "let a value or a unique_ptr end it"),
    Ban(
        "std::shared_ptr",
        re.compile(r"\b(shared_ptr|make_shared|enable_shared_from_this)\b"),
        "own by value or unique_ptr, borrow by reference; where several must own, say why in a "
        "comment that begins with // shared:",
        excuse="shared:",
    ),
    Ban(
        "std::cout",
        re.compile(r"\bstd::(cout|cerr|clog)\b"),
        "results go through room app, messages through base/logging.h",
        ROOMS,
        IN_APP,
    ),
    Ban(
        "printf",
        re.compile(r"\b(v?f?printf|v?sn?printf|puts|putchar)\s*\("),
        "fmt::format, or base/logging.h",
        ROOMS,
        r"src/base/check\.cc",
    ),
    Ban(
        "std::thread",
        re.compile(
            r"\bstd::(thread\b(?!::(hardware_concurrency|id))|async\b)|"
            r"\bstd::jthread(\s+\w+)?\s*[({]\s*\["
        ),
        "named_thread() of base/thread.h, which names it and joins it",
        ROOMS,
        f"{IN_BASE}|{IN_TESTS}",
    ),
    Ban(
        "sleep",
        re.compile(r"\bthis_thread::sleep_|\b(u|nano)?sleep\s*\("),
        "Clock::sleep_for() of base/clock.h, so that a test owns time",
        ROOMS,
        f"{IN_BASE}|{IN_TESTS}",
    ),
    Ban(
        "the system's time",
        re.compile(
            r"\bstd::time\s*\(|(?<![\w.:>])(::)?time\s*\(\s*(nullptr|NULL|0|&)|"
            r"\b(gettimeofday|clock_gettime)\s*\(|"
            r"\b(system|high_resolution)_clock::now\b"
        ),
        "Clock of base/clock.h, so that a test owns time",
        ROOMS,
        f"{IN_BASE}|{IN_TESTS}",
    ),
    Ban(
        "the system's randomness",
        re.compile(r"\bstd::s?rand\s*\(|(?<![\w.:>])s?rand(48)?\s*\(|\brandom_device\b|\bmt19937"),
        "Random of base/random.h, so that one seed is one run",
        ROOMS,
        IN_BASE,
    ),
    Ban(
        "getenv",
        re.compile(r"\b(secure_)?getenv\s*\("),
        "options are plain structs that room app fills",
        ROOMS,
        f"{IN_APP}|{IN_TESTS}",
    ),
    Ban(
        "atoi and friends",
        re.compile(r"\b(ato(i|l|ll|f)|strto\w+|std::sto\w+)\s*\("),
        "std::from_chars, which tells bad input from zero",
        ROOMS,
        IN_TESTS,
    ),
    Ban("assert", re.compile(r"\bassert\s*\("), "CHECK of base/check.h, which is always on"),
    Ban(
        "a property whose answer is dropped",
        re.compile(r"^\s*rc::check\("),
        "EXPECT_TRUE(rc::check(...)); by itself it prints a failure and passes",
    ),
    Ban("throw", re.compile(r"\bthrow\b"), "return fail(...) of base/result.h", ROOMS),
    Ban(
        "exceptions in a header",
        re.compile(
            r"\bcatch\s*\(|\bstd::(exception|runtime_error|logic_error)\b|"
            r"#\s*include\s*<(stdexcept|exception)>"
        ),
        "answer with Result<T>; catch what a library throws in the .cc file",
        r"src/.*\.h",
    ),
    Ban(
        "using namespace",
        re.compile(r"\busing\s+namespace\b(?!\s+[\w:]*literals\b)"),
        "name what you use, one using-declaration each",
    ),
    Ban(
        "floating point beside Money",
        re.compile(r"\b(float|double)\b"),
        "exact integers; a double cannot hold a tenth",
        r"src/model/.*",
        only_with=r"\bMoney\b",
    ),
]


class Library(NamedTuple):
    headers: str  # a pattern for what stands between < and >
    rooms: tuple = ()  # none: everywhere
    heavy: bool = False  # never in a header that another room reaches


LIBRARIES = [
    Library(r"libpq|postgres_ext\.h|pg_config", ("warehouse",), heavy=True),
    Library(r"rocksdb/|librdkafka/", ("log",), heavy=True),
    Library(r"duckdb", ("lake",), heavy=True),
    Library(r"simdjson", ("model", "auth", "lake"), heavy=True),
    Library(r"pugixml", ("lake",), heavy=True),
    Library(r"boost/uuid", ("model",), heavy=True),
    Library(r"boost/", ("http",), heavy=True),
    Library(r"curl/", ("http",), heavy=True),
    Library(r"zlib\.h|zstd(_errors)?\.h", ("http",), heavy=True),
    Library(r"openssl/", ("model", "http", "auth", "lake"), heavy=True),
    Library(r"CLI/|toml\+\+/|toml\.hpp", ("app",), heavy=True),
    Library(r"prometheus/|spdlog/", ("base",), heavy=True),
    Library(r"date/", ("base", "model"), heavy=True),
    Library(r"fmt/|tl/|gtest/|gmock/|rapidcheck|benchmark/"),
]
SYSTEM_FOLDERS = {"sys", "netinet", "arpa", "linux", "net", "sanitizer"}
