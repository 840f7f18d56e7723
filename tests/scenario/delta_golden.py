#!/usr/bin/env python3
"""The golden tables of the Delta project's own suites, read by us: each that is inside the profile
must have the rows that its suite expects, or else those that delta_scan reads; each other must be
refused, by the name of what it needs. The tables are not ours to ship.

    tests/scenario/delta_golden.py FOLDER...

A folder holds tables, as connectors/golden-tables/src/main/resources/golden of delta-io/delta and
kernel/tests/data of delta-io/delta-kernel-rs do, or folders with delta/ and expected/, as
kernel/tests/golden_data of the latter does when unpacked. Prints a line a table; exits 1 where one
is wrong."""

import json
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(SOURCE / "tests/support"))

from delta import PROGRAM, extension

# Why a table that delta_scan reads may be refused here (docs/formats/delta.md).
BEYOND = ("needs Delta reader version", "needs a reader that knows", "timestamp_ntz is not read",
          "void is not read", "deletion vectors", "lies outside its table")
# Its times have no zone, and its suite expects those of California; the protocol says UTC for who
# has no other, as delta_scan does.
BY_SCAN = {"data-reader-partition-values"}


def said(*words):
    """The rows, comparable; or why there are none."""
    done = subprocess.run([PROGRAM, *map(str, words)], capture_output=True, text=True)
    if done.returncode:
        return None, done.stderr.strip().splitlines()[-1]
    return sorted(json.dumps(json.loads(line), sort_keys=True)
                  for line in done.stdout.splitlines()), ""


def judge(folder, table):
    """Whether it is as it should be, and what is said of it."""
    ours, why = said("read", folder, table)
    expected = folder / table.removesuffix("delta") / "expected"
    has_expected = table.endswith("/delta") and any(expected.glob("**/*.parquet"))
    if has_expected and table.removesuffix("/delta") not in BY_SCAN:
        wanted, judge_is = said("parquet", folder, f"{expected}/**/*.parquet")[0], "its suite"
    else:
        wanted, judge_is = said("other", folder, table, extension())[0], "delta_scan"
    if ours is not None:
        return ours == wanted, f"{len(ours)} rows, by {judge_is}"
    beyond = any(reason in why for reason in BEYOND)
    return beyond or wanted is None, ("refused: " if beyond else "refused by both: ") + why


def main(folders):
    bad = 0
    counts = {"read": 0, "refused": 0}
    for folder in map(Path, folders):
        for path in sorted(folder.resolve().iterdir()):
            if not path.is_dir():
                continue
            table = path.name + ("/delta" if (path / "delta").is_dir() else "")
            good, what = judge(folder.resolve(), table)
            counts["refused" if what.startswith("refused") else "read"] += 1
            bad += not good
            print(f"{'ok   ' if good else 'WRONG'} {path.name}: {what}")
    print(f"{counts['read']} read, {counts['refused']} refused, {bad} wrong")
    return 1 if bad else 0


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1:]))
