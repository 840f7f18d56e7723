#!/usr/bin/env python3
"""What PostgreSQL's readers notice of a lake in trouble: POST to visible at 500 events/s, while
Azurite, in which the lake lies, is stopped, hangs, answers 503, or has its answers cut half way.

Each trouble lasts a phase, and has an undisturbed phase before it; the median of
its p99 over the rounds stands against theirs. After each the lake must catch up by itself. At the
end every event must be in the lake once. Exit: 1 when a p99 is above 1.2 times the undisturbed one.

    bench/lake_outage.py [ROUNDS [SECONDS]]     2 rounds, phases of 30 s
"""
import json
import pathlib
import statistics
import sys
import time

BENCH = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(BENCH / "support"), str(BENCH), str(BENCH.parent / "tests/support")]

import service as support  # noqa: E402
import test_tools  # noqa: E402
import visible  # noqa: E402
from bad_lake import TROUBLES, BadLake  # noqa: E402
from sandbox import Sandbox  # noqa: E402

MOST = 1.2


def lake_lag(service):
    lags = json.loads(service.get("/readyz"))["lag"]
    return sum(each["records"] for each in lags if each["sink"] == "lake")


def await_lake(service):
    """Seconds until the lake has everything, by itself."""
    began = time.time()
    while lake_lag(service) > 0:
        if time.time() - began > 120:
            raise SystemExit("the lake has not caught up within 120 s")
        time.sleep(0.1)
    return time.time() - began


def phase(service, lake, kind, first, seconds):
    """p99 in seconds."""
    with lake.in_trouble(kind):
        latencies = visible.latencies(*visible.measure(service, first, seconds))
        lag = lake_lag(service)
    caught_up = await_lake(service)
    p99 = statistics.quantiles(latencies, n=100)[98]
    print(f"{kind:8} POST to visible p50 {1e3 * statistics.median(latencies):6.1f} ms"
          f"   p99 {1e3 * p99:6.1f} ms   lag then {lag:7,}   caught up in {caught_up:5.1f} s",
          flush=True)
    if kind != "quiet" and lag < visible.RATE:
        raise SystemExit(f"{kind}: the lake did not notice")
    return p99


def check(lake, events):
    test_tools.python_modules()
    offsets = lake.offsets()
    if offsets != list(range(events)):
        raise SystemExit(f"{events:,} events, and {len(offsets):,} rows in the lake,"
                         f" {len(set(offsets)):,} offsets")
    print(f"{events:,} events, and each is in the lake once")


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else 30
    p99s = {kind: [] for kind in ("quiet", *TROUBLES)}
    with Sandbox() as box:
        lake = BadLake(box)
        # every phase has commits
        with support.Service(env=lake.settings(commit_interval_s=2)) as service:
            first = 0
            for kind in [each for kind in TROUBLES for each in ("quiet", kind)] * rounds:
                p99s[kind].append(phase(service, lake, kind, first, seconds))
                first += visible.RATE * seconds
            check(lake, first)
        lake.close()
    quiet = statistics.median(p99s["quiet"])
    ratios = {kind: statistics.median(p99s[kind]) / quiet for kind in TROUBLES}
    for kind, ratio in ratios.items():
        print(f"{kind:8} p99 {ratio:5.2f} of the undisturbed one (wanted: {MOST} at most)")
    sys.exit(max(ratios.values()) > MOST)


if __name__ == "__main__":
    main()
