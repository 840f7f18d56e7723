#!/usr/bin/env python3
"""Seconds from `tillrace up` to ready: the first start, which makes the cluster, and later ones."""
import pathlib
import statistics
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "support"))

import service as support  # noqa: E402


def main():
    service = support.Service()
    first = service.start()
    later = []
    for _ in range(5):
        service.stop()
        later.append(service.start())
    service.__exit__()
    print(f"first start    {first:.2f} s (wanted: under 10 s)")
    print(f"second start   {statistics.median(later):.2f} s, the median of 5,"
          f" {max(later):.2f} s at most (wanted: under 1 s)")


if __name__ == "__main__":
    main()
