#!/usr/bin/env python3
"""One event's way from POST to visible in PostgreSQL, at a steady rate of single events.

Four connections send one event a request, 500 a second in all. A psql session asks for the
warehouse's mark about every half millisecond. An event is visible at the first answer whose mark
lies beyond its offset; its latency counts from just before its request was sent. Both clocks are
this machine's.
"""
import bisect
import http.client
import json
import pathlib
import statistics
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "support"))

import service as support  # noqa: E402

RATE, SECONDS, CONNECTIONS = 500, 10, 4
WATCH = (
    "select extract(epoch from clock_timestamp()), next_offset from stream.checkpoint;"
    "select pg_sleep(0.0005);\n"
)


def event(number):
    return json.dumps({
        "InvoiceNo": str(700_000 + number // 20),
        "StockCode": f"{10_000 + number * 7 % 4_000}",
        "Description": "A THING TO MEASURE",
        "Quantity": 1 + number % 12,
        "InvoiceDate": "2011-12-09T12:50:00",
        "UnitPrice": 2.55,
        "CustomerID": str(12_346 + number % 4_300),
        "Country": "United Kingdom",
        "LineNo": 1 + number % 20,
    })


def send(address, numbers, began, sent):
    """Event `number` is due number / RATE seconds after `began`."""
    connection = http.client.HTTPConnection(address, timeout=30)
    for number in numbers:
        time.sleep(max(0, began + number / RATE - time.time()))
        posted_at = time.time()
        headers = {"Content-Type": "application/json"}
        connection.request("POST", "/v1/transactions", event(number), headers)
        answer = connection.getresponse()
        body = json.loads(answer.read())
        assert answer.status == 201, body
        sent.append((body["offset"], posted_at, time.time()))


def measure(service, first=0, seconds=SECONDS):
    """(what was sent, what was seen): events first, first + 1 ... for so many seconds."""
    psql = ["psql", "-XAtq", "-F", " ", "-d", service.warehouse]
    watcher = subprocess.Popen(psql, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    seen = []

    def read_answers():
        seen.extend(line.split() for line in watcher.stdout if line.strip())

    reader = threading.Thread(target=read_answers)
    reader.start()
    sent, began = [], time.time() + 0.5 - first / RATE
    end = first + RATE * seconds
    address = service.url.removeprefix("http://")
    threads = [threading.Thread(target=send, args=(address, numbers, began, sent))
               for numbers in (range(first + i, end, CONNECTIONS) for i in range(CONNECTIONS))]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads) or service.lag() > 0:
        watcher.stdin.write(WATCH * 20)
        watcher.stdin.flush()
    watcher.stdin.write(WATCH)
    watcher.stdin.close()
    reader.join()
    return sent, [(float(at), int(mark)) for at, mark in seen]


def latencies(sent, seen):
    """Seconds from POST to visible, of each event."""
    marks = [mark for _, mark in seen]
    return [seen[bisect.bisect_right(marks, offset)][0] - posted for offset, posted, _ in sent]


def main():
    with support.Service() as service:
        sent, seen = measure(service)
    visible = latencies(sent, seen)
    durable = [answered - posted for _, posted, answered in sent]
    for name, values in (("POST to visible", visible), ("POST to 201", durable)):
        cuts = [1e3 * cut for cut in statistics.quantiles(values, n=100)]
        print(f"{name:16} p50 {cuts[49]:6.1f} ms   p90 {cuts[89]:6.1f} ms   p99 {cuts[98]:6.1f} ms")
    print(f"{len(sent):,} events at {RATE}/s (wanted: POST to visible p50 under 15 ms)")


if __name__ == "__main__":
    main()
