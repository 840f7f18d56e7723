#!/usr/bin/env python3
"""One `tillrace processor` against two, on a prefilled Kafka topic of four partitions, each pinned
to a processor of its own. PostgreSQL and the broker run beside them, not pinned.

Prints the rates, and who used the machine's processors meanwhile: where PostgreSQL's share and the
programs' come near to all of it, more processes cannot make it faster. Rows: the real data set
where it is present, else generated ones.

    bench/processors.py [RUNS]
"""
import pathlib
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "support"))

import service as support  # noqa: E402
from broker import Broker  # noqa: E402
from load import PROCESSORS, busy_seconds, cpu_seconds, family  # noqa: E402

PARTITIONS = 4


class Shares:
    """Processor seconds by who used them, between start and now."""

    def __init__(self, server_pid):
        self.server_pid, self.began = server_pid, time.time()
        self.server, self.busy = cpu_seconds(family(server_pid)), busy_seconds()

    def text(self, processors):
        span = (time.time() - self.began) * PROCESSORS / 100
        server = cpu_seconds(family(self.server_pid)) - self.server
        programs = cpu_seconds([each.process.pid for each in processors])
        busy = busy_seconds() - self.busy
        return (f"PostgreSQL {server / span:.0f} %, processors {programs / span:.0f} %, others"
                f" {(busy - server - programs) / span:.0f} %")


def drain(server, env, count, rows):
    """Seconds for an empty database, and who used the machine's processors meanwhile."""
    server.sql("drop database if exists trial")
    server.sql("create database trial")
    url = server.warehouse.replace("/tillrace?", "/trial?").removesuffix("/tillrace")
    url += "" if "trial" in url else "/trial"
    env = {**env, "TILLRACE_WAREHOUSE__URL": url}
    with open(f"{server.data}/postgres/data/postmaster.pid", encoding="ascii") as file:
        shares = Shares(int(file.readline()))
    processors = [support.Service(role="processor", env=env, pin=i) for i in range(count)]
    for each in processors:
        each.launch()
    for each in processors:
        each.await_ready()
    while any(each.lag() for each in processors) or \
            processors[0].sql("select count(*) from shop.invoice_line") != str(rows):
        time.sleep(0.05)
    ended = time.time()
    took = ended - processors[0].first_batch_began()
    text = shares.text(processors)
    for each in processors:
        each.__exit__()
    return took, text


def main():
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    with Broker() as broker, support.Service() as server:
        env = broker.topic("ingestion-topic", PARTITIONS)
        with support.Service(role="gateway", env=env) as gateway:
            path, source, rows = gateway.events()
            gateway.run("post", path)
        print(f"rows            {rows:,} ({source}), {PARTITIONS} partitions,"
              f" {PROCESSORS} processors in the machine")
        medians = []
        for count in (1, 2):
            taken = [drain(server, env, count, rows) for _ in range(runs)]
            medians.append(statistics.median(seconds for seconds, _ in taken))
            print(f"{count} of the role   {rows / medians[-1]:,.0f} rows/s (median of {runs});"
                  f" {taken[-1][1]}")
        print(f"two to one      {medians[0] / medians[1]:.2f}")


if __name__ == "__main__":
    main()
