#!/usr/bin/env python3
"""A prefilled Kafka topic to PostgreSQL, against the embedded log with the same events.

Fills both, gives each an empty warehouse, in turn, and times how long the processor needs for all
of it. Both have PARTITIONS partitions. Rows: the real data set where it is present, else
generated ones.

    bench/kafka_drain.py [RUNS [PARTITIONS]]
"""
import pathlib
import statistics
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "support"))

import service as support  # noqa: E402
from broker import Broker  # noqa: E402
from drain import drain  # noqa: E402

WANTED = 80  # percent of the embedded log's rate


def measure(runs, partitions, broker):
    embedded = support.Service("--partitions", str(partitions))
    kafka = support.Service(env=broker.topic("ingestion-topic", partitions))
    taken = {embedded: [], kafka: []}
    for service in taken:
        service.start()
        with_rows = service.post_all()
        service.stop()
    for _ in range(runs):
        for service, seconds in taken.items():
            seconds.append(drain(service, with_rows[1]))
            service.stop()
    for service in taken:
        service.__exit__()
    return with_rows, taken[embedded], taken[kafka]


def main():
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    partitions = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    with Broker() as broker:
        (source, rows), embedded, kafka = measure(runs, partitions, broker)
    print(f"rows           {rows:,} ({source}), {partitions} partitions")
    for name, seconds in (("embedded log", embedded), ("Kafka", kafka)):
        rate = rows / statistics.median(seconds)
        print(f"{name:<14} {rate:,.0f} rows/s (median of {runs}, {min(seconds):.2f} to"
              f" {max(seconds):.2f} s)")
    share = 100 * statistics.median(embedded) / statistics.median(kafka)
    print(f"ratio          {share:.1f} %   (wanted: at least {WANTED} %)")
    if share < WANTED:
        sys.exit("the limit is missed")


if __name__ == "__main__":
    main()
