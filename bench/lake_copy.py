#!/usr/bin/env python3
"""The log to bronze/transactions, against DuckDB's own COPY of the same rows to Parquet.

Rows: the real data set where it is present, else generated ones. Exit: 1 below 60 %; the work is
bench/support/lake_copy.cc's.

    bench/lake_copy.py [RUNS]
"""
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "support"))

import service as support  # noqa: E402


def main():
    program = support.ROOT / "build/release/bench/lake_copy"
    with support.Service() as service:
        path, source, _ = service.events()
        service.stop()
        print(f"data                      {source}", flush=True)
        sys.exit(subprocess.run([program, path, *sys.argv[1:2]]).returncode)


if __name__ == "__main__":
    main()
