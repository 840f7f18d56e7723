"""Delta tables from outside: tests/support/delta_tables.cc, and rows in words that all readers
know."""

import json
import os
import subprocess
from decimal import Decimal
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent.parent
# What `delta_tables make` makes.
TABLES = ["plain", "partitioned", "many_partitions", "evolved", "replaced", "compacted",
          "deep/in/folders", "empty"]
PROGRAM = os.environ.get("TILLRACE_DELTA_TABLES",
                         str(SOURCE / "build/release/tests/delta_tables"))


def extension():
    """DuckDB's own reader of Delta tables."""
    command = ["bash", str(SOURCE / "tools/install.sh"), "--duckdb"]
    folder = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    return f"{folder}/extensions/delta.duckdb_extension"


def tables(*words, env=None):
    """What the program says, a line each; `env`: more of it."""
    done = subprocess.run([PROGRAM, *map(str, words)], capture_output=True, text=True,
                          env={**os.environ, **(env or {})})
    if done.returncode:
        raise AssertionError(f"{words}: {done.stderr}")
    return done.stdout.splitlines()


def refusal(*words):
    """Why the program refuses."""
    done = subprocess.run([PROGRAM, *map(str, words)], capture_output=True, text=True)
    if done.returncode != 1:
        raise AssertionError(f"{words}: {done.returncode}, not refused: {done.stderr}")
    return done.stderr


def comparable(row):
    """A row of any reader."""
    def word(value):
        if value is None or isinstance(value, (bool, int)):
            return value
        if isinstance(value, bytes):
            return value.decode()
        if isinstance(value, float):
            return round(value, 3)
        if isinstance(value, Decimal):
            return f"{value:f}"
        return str(value)
    moment = row.get("moment")
    if moment is not None and not isinstance(moment, str):
        row = {**row, "moment": moment.strftime("%Y-%m-%d %H:%M:%S.%f+00")}
    return json.dumps({k: word(v) for k, v in sorted(row.items())})


def by_tillrace(folder, table, *version):
    lines = tables("read", folder, table, *version)
    rows = [json.loads(line, parse_float=Decimal) for line in lines]
    reals = {"real", "short_real"}
    return sorted(
        comparable({k: float(v) if k in reals and v is not None else v for k, v in row.items()})
        for row in rows)
