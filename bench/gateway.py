#!/usr/bin/env python3
"""The gateway under load: single events against nginx, batches against the log's own append.

Singles: 64 keep-alive connections, each waits for its answer, which is durable, before it sends the
next event; and the same load on an nginx that answers `return 201` to everything. Both run at the
same time and take turns under the load; the ratio is the median of the rounds' ratios. nginx has
as many workers, and wrk as many threads, as give nginx its best figure here.

Batches: 1,000 events of about 200 bytes a request, against what log_append_bench, in the same run,
reaches with as many bytes a sync (linearly between its loads), in bytes of the log.

The load generator runs beside the server; each one's share of all processors is printed, and what
everything on the machine used together: what is missing between them is somebody else's.

    bench/gateway.py [ROUNDS [SECONDS]]
"""
import pathlib
import re
import statistics
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "support"))

import load  # noqa: E402
import service as support  # noqa: E402

CONNECTIONS, BATCH_CONNECTIONS, BATCH = 64, 64, 1_000
NGINX_RATIO, SINGLES_PER_S, LOG_RATIO = 0.40, 12_000, 0.70
WARM_UP_S = 1
LOG_APPEND = support.ROOT / "build/release/bench/log_append_bench"


def median(values):
    return statistics.median(list(values))


def show(name, rounds, events=1):
    rate = median(each.rate for each in rounds)
    p50, p99 = (median(each.figures[f"p{n}_ms"] for each in rounds) for n in (50, 99))
    server, wrk, everything = (
        100 * median(getattr(each, part) for each in rounds)
        for part in ("server", "generator", "all"))
    print(f"{name:<24} {rate * events:>9,.0f} events/s  p50 {p50:.2f} ms  p99 {p99:.2f} ms   "
          f"processors: server {server:.0f} %, wrk {wrk:.0f} %, all {everything:.0f} %", flush=True)
    return rate * events


def best_of_nginx(seconds):
    """(workers, wrk's threads) that give nginx most."""
    rates = {}
    for workers in range(1, load.PROCESSORS + 1):
        with load.Nginx(workers) as nginx:
            for threads in range(1, load.PROCESSORS + 1):
                rates[workers, threads] = load.Round(
                    nginx.url, nginx.pid, CONNECTIONS, 1, seconds, threads).rate
    return max(rates, key=rates.get)


def singles(service, rounds, seconds):
    workers, threads = best_of_nginx(WARM_UP_S)
    ours, theirs = [], []
    with load.Nginx(workers) as nginx:
        load.Round(service.url, service.process.pid, CONNECTIONS, 1, WARM_UP_S, threads)
        for _ in range(rounds):
            theirs.append(load.Round(nginx.url, nginx.pid, CONNECTIONS, 1, seconds, threads))
            ours.append(load.Round(service.url, service.process.pid, CONNECTIONS, 1, seconds,
                                   threads))
    print(f"singles: {CONNECTIONS} connections, {rounds} rounds of {seconds} s each; nginx with"
          f" {workers} workers, wrk with {threads} threads")
    show("nginx, return 201", theirs)
    rate = show("tillrace gateway", ours)
    ratios = [mine.rate / other.rate for mine, other in zip(ours, theirs, strict=True)]
    print(f"ratio                    {100 * median(ratios):.1f} % of nginx, {100 * min(ratios):.1f}"
          f" to {100 * max(ratios):.1f} %   (wanted: at least {100 * NGINX_RATIO:.0f} %, and"
          f" {SINGLES_PER_S:,} events/s)")
    by_cpu = median(mine.per_processor_second() / other.per_processor_second()
                    for mine, other in zip(ours, theirs, strict=True))
    print(f"for as much processor    {100 * by_cpu:.1f} % of nginx, by what server and wrk used;"
          " a busy machine distorts it less")
    return threads, median(ratios) >= NGINX_RATIO and rate >= SINGLES_PER_S


def log_alone():
    """[(bytes a sync, bytes a second)] of the log's own append, ascending."""
    said = subprocess.run([LOG_APPEND], check=True, capture_output=True, text=True).stdout
    loads = re.findall(r"([\d.]+) MB/s +(\d+) syncs/s", said)
    return sorted((float(rate) * 1e6 / float(syncs), float(rate) * 1e6) for rate, syncs in loads)


def at_the_same_syncs(points, bytes_a_sync):
    if bytes_a_sync <= points[0][0]:
        return points[0][1]
    for (left, low), (right, high) in zip(points, points[1:]):
        if bytes_a_sync <= right:
            return low + (high - low) * (bytes_a_sync - left) / (right - left)
    return points[-1][1]


class LogRound(load.Round):
    """A round of batches, and what the log counted meanwhile."""

    NAMES = ("tillrace_log_appended_bytes_total", "tillrace_log_sync_seconds_count")

    def __init__(self, service, seconds):
        before = [service.metric(name) for name in self.NAMES]
        super().__init__(service.url, service.process.pid, BATCH_CONNECTIONS, BATCH, seconds, 1)
        done, syncs = (service.metric(name) - was for name, was in zip(self.NAMES, before))
        self.bytes_a_second = done / self.figures["seconds"]
        self.bytes_a_sync = done / syncs


def batches(service, rounds, seconds):
    load.Round(service.url, service.process.pid, BATCH_CONNECTIONS, BATCH, WARM_UP_S, 1)
    ours, ratios = [], []
    for _ in range(rounds):
        alone = log_alone()
        ours.append(LogRound(service, seconds))
        ratios.append(ours[-1].bytes_a_second / at_the_same_syncs(alone, ours[-1].bytes_a_sync))
    print(f"batches: {BATCH:,} events a request, {BATCH_CONNECTIONS} connections, {rounds} rounds")
    show("tillrace gateway", ours, BATCH)
    print(f"ratio                    {100 * median(ratios):.1f} % of the log's own append,"
          f" {100 * min(ratios):.1f} to {100 * max(ratios):.1f} %, at"
          f" {median(each.bytes_a_sync for each in ours) / 1e3:,.0f} KB a sync   (wanted: at least"
          f" {100 * LOG_RATIO:.0f} %)")
    return median(ratios) >= LOG_RATIO


def everything(rounds, seconds, threads):
    """For comparison: the same load on a `tillrace up`, which also brings it to PostgreSQL."""
    with support.Service() as service:
        pid = service.process.pid
        one = [load.Round(service.url, pid, CONNECTIONS, 1, seconds, threads)
               for _ in range(rounds)]
        many = [load.Round(service.url, pid, BATCH_CONNECTIONS, BATCH, seconds, 1)
                for _ in range(rounds)]
        print("with the warehouse in the same process, PostgreSQL beside it:")
        show("tillrace up, singles", one)
        show("tillrace up, batches", many, BATCH)


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else 4
    with support.Service(role="gateway") as service:
        threads, singles_reached = singles(service, rounds, seconds)
        batches_reached = batches(service, rounds, seconds)
        print(f"memory of the gateway    {service.peak_rss_mb():.0f} MB at most")
    everything(min(rounds, 2), seconds, threads)
    if not (singles_reached and batches_reached):
        sys.exit("a limit is missed")


if __name__ == "__main__":
    main()
