#!/usr/bin/env python3
"""Resident memory of `tillrace up` with both sinks at full rate, and the lake kept tidy meanwhile.

The real year (else generated events) goes in four times by `tillrace post`, with a compaction of
the lake every few seconds; then the lake is flushed. The figure is the process's own peak,
PostgreSQL's not counted. Exit: 1 beyond 400 MB.

    bench/lake_memory.py
"""
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "support"))

import service as support  # noqa: E402

MOST_MB = 400
TIMES = 4
TIDY = {"TILLRACE_LAKE__COMPACT_INTERVAL_S": "5"}


def main():
    with support.Service(env=TIDY) as service:
        path, source, rows = service.events()
        began = time.time()
        for _ in range(TIMES):
            service.run("post", path)
        posted = time.time()
        service.run("lake", "flush", "--timeout", "300")
        flushed = time.time()
        while service.lag() > 0:
            time.sleep(0.1)
        time.sleep(6)  # one more compaction
        merged = service.metric("tillrace_lake_compacted_files_total")
        peak = service.peak_rss_mb()
    print(f"data                      {source}, {TIMES} times: {TIMES * rows:,} events")
    print(f"posted                    {TIMES * rows / (posted - began):,.0f} events/s")
    print(f"in the lake               {flushed - posted:.1f} s later")
    print(f"files that were compacted {merged:.0f}")
    print(f"resident memory           {peak:.0f} MB at most (wanted: {MOST_MB} at most)")
    sys.exit(peak > MOST_MB or merged == 0)


if __name__ == "__main__":
    main()
