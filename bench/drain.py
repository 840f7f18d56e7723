#!/usr/bin/env python3
"""Log to PostgreSQL: the full schema, against a plain COPY of the same rows into one bare table.

Fills the log, gives it an empty warehouse, and times how long the processor needs for all of it.
Then copies the same rows, binary and from a file, into a table without keys in the same server.
Prints both rates and their ratio. Rows: the real data set where it is present, else generated ones.

    bench/drain.py [RUNS]
"""
import pathlib
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "support"))

import service as support  # noqa: E402


def drain(service, rows):
    """Seconds from an empty warehouse to one that has all rows of the log."""
    service.stop()
    service.drop_warehouse()
    service.start()
    began = service.first_batch_began()
    while service.lag() > 0:
        time.sleep(0.02)
    ended = time.time()
    assert service.sql("select count(*) from shop.invoice_line") == str(rows)
    return ended - began


def bare_copy(service, path):
    service.sql("drop table if exists bare; create table bare (like bench_rows)")
    began = time.time()
    service.sql(f"\\copy bare from '{path}' (format binary)")
    return time.time() - began


def main():
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    with support.Service() as service:
        source, rows = service.post_all()
        drains, copies = [], []
        for _ in range(runs):
            drains.append(drain(service, rows))
            path = service.export_rows()
            copies += [bare_copy(service, path) for _ in range(2)]
        rate, bare = rows / statistics.median(drains), rows / statistics.median(copies)
        print(f"rows                     {rows:,} ({source})")
        print(f"log to PostgreSQL        {rate:,.0f} rows/s (median of {runs},"
              f" {min(drains):.2f} to {max(drains):.2f} s)")
        print(f"plain COPY, bare table   {bare:,.0f} rows/s (median of {2 * runs})")
        print(f"ratio                    {100 * rate / bare:.1f} %   (wanted: at least 15 %)")
        print(f"memory of tillrace up    {service.peak_rss_mb():.0f} MB at most (wanted: < 200)")


if __name__ == "__main__":
    main()
