"""The program says no, and when to come again, rather than take what it cannot keep: when the log
is full of what the warehouse has not, when the disk is nearly full, and to a client that sends more
than its share. What it refuses it does not store; when there is room, it takes events again."""

import http.client
import json
import shutil
import sys
import time
import unittest
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

from postgres import ForeignServer
from sandbox import Sandbox
from tillrace import SLOWNESS, Up, wait_until

BATCH = 1_000
HOLD_LOG_MAX_GB = 0.001  # the least there is
# The backlog is counted once a second, and a batch is about 200 KB.
MOST_BATCHES = 1_000
UNREADY = 1  # how `status` ends when the program is not ready, or is not there
EVENT = {"InvoiceNo": "930000", "StockCode": "22423", "Quantity": 1, "UnitPrice": "1.25",
         "InvoiceDate": "2011-05-05 10:00:00", "Country": "France",
         "Description": "REGENCY CAKESTAND 3 TIER"}


def batch(first, events):
    """NDJSON of events that no other call gives, when each begins where the last ended."""
    lines = (json.dumps(EVENT | {"LineNo": first + i + 1}) + "\n" for i in range(events))
    return "".join(lines).encode()


class Told(NamedTuple):
    """What was answered."""

    status: int
    problem: str  # the end of its type: "log-full"
    retry_after_s: int | None


def send(up, body, key=None, source="127.0.0.1"):
    connection = http.client.HTTPConnection("127.0.0.1", up.port, timeout=20 * SLOWNESS,
                                            source_address=(source, 0))
    headers = {"Content-Type": "application/x-ndjson"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    connection.request("POST", "/v1/transactions", body, headers)
    answer = connection.getresponse()
    said = json.loads(answer.read())
    connection.close()
    wait = answer.getheader("Retry-After")
    return Told(answer.status, said.get("type", "").rpartition("/")[2], wait and int(wait))


class PushingBack(unittest.TestCase):
    def setUp(self):
        self.box = Sandbox()
        self.addCleanup(self.box.close)

    def check_refused(self, told, status, problem):
        self.assertEqual((told.status, told.problem), (status, problem))
        self.assertGreaterEqual(told.retry_after_s, 1)

    def check_stored(self, up, events):
        """The log holds just so many; asked of a program that has stopped."""
        self.assertEqual(up.stop()[0], 0)
        [topic] = up.run("topics", "list", "--json").json()
        self.assertEqual(topic["end"], events)


class FullLog(PushingBack):
    def fill(self, up):
        """Sends until it is refused: (events stored, what was answered at last)."""
        for number in range(MOST_BATCHES):
            told = send(up, batch(number * BATCH, BATCH))
            if told.status != 201:
                return number * BATCH, told
        self.fail(f"{MOST_BATCHES} batches are taken while nobody reads them")

    def test_what_waits_for_the_warehouse_is_bounded(self):
        server = ForeignServer(self.box)
        with Up(self.box, flags=["--warehouse-url", server.url()], env={
                "TILLRACE_RETENTION__HOLD_LOG_MAX_GB": str(HOLD_LOG_MAX_GB),
                "TILLRACE_RETENTION__CHECK_INTERVAL_S": "1"}) as up:
            up.start()
            server.stop()
            wait_until(lambda: up.readiness()["warehouse"] == "waiting", 30, "it is away")
            stored, told = self.fill(up)
            self.check_refused(told, 503, "log-full")
            self.assertGreater(stored, 0)
            held = up.metric("tillrace_log_backlog_bytes")
            self.assertGreaterEqual(held, HOLD_LOG_MAX_GB * 1e9)
            print(f"{stored} events, {held / 1e6:.1f} MB, were held", flush=True)
            status, ready = up.get("/readyz")
            self.assertEqual((status, json.loads(ready)["status"]), (503, "log-full"))
            time.sleep(told.retry_after_s)  # time alone makes no room
            self.check_refused(send(up, batch(stored, 1)), 503, "log-full")
            self.assertEqual(up.metric("tillrace_gateway_written_total"), stored)
            self.assertEqual(up.metric("tillrace_gateway_rejected_total", 'reason="intake"'), 2)
            server.start()
            up.await_lag_0()
            wait_until(lambda: up.get("/readyz")[0] == 200, 30, "there is room again")
            self.assertEqual(send(up, batch(stored, BATCH)).status, 201)
            up.await_lag_0()
            self.assertEqual(int(up.value("select count(*) from shop.invoice_line")),
                             stored + BATCH)
            self.check_stored(up, stored + BATCH)


class FullDisk(PushingBack):
    LIMIT = "TILLRACE_HTTP__MIN_FREE_DISK_MB"

    def start_unready(self, up):
        def info():
            answer = up.run("status", "--json", expect=None)
            return answer.json() if answer.code == UNREADY and answer.out else None

        up.launch()
        up.info = wait_until(info, 60, "it runs, and is not ready")

    def test_with_less_free_than_wanted_nothing_is_stored(self):
        free_mb = shutil.disk_usage(self.box.folder).free >> 20
        with Up(self.box, role="gateway", env={self.LIMIT: str(2 * free_mb + 1_024)}) as up:
            self.start_unready(up)
            self.check_refused(send(up, batch(0, 1)), 503, "disk-full")
            status, ready = up.get("/readyz")
            self.assertEqual((status, json.loads(ready)["status"]), (503, "disk-full"))
            self.assertEqual(up.get("/healthz")[0], 200)
            self.check_stored(up, 0)
            up.env[self.LIMIT] = str(free_mb // 2)
            up.start()
            self.assertEqual(up.get("/readyz")[0], 200)
            self.assertEqual(send(up, batch(0, 1)).status, 201)
            self.check_stored(up, 1)


class GreedyClient(PushingBack):
    """A client that was quiet may send two seconds' worth at once; what goes beyond is a debt, and
    while there is one nothing is taken."""

    EVENTS_PER_SECOND, BYTES_PER_SECOND = 100, 20_000

    def wait_out(self, told, most_s):
        self.assertLessEqual(told.retry_after_s, most_s)
        time.sleep(told.retry_after_s)

    def test_events_a_second_are_limited_by_key(self):
        with Up(self.box, role="gateway", env={
                "TILLRACE_AUTH__REQUIRED": "true",
                "TILLRACE_LIMITS__EVENTS_PER_SECOND": str(self.EVENTS_PER_SECOND)}) as up:
            greedy, modest = (up.run("keys", "create", name, "--scope", "ingest").out.strip()
                              for name in ("greedy", "modest"))
            up.start()
            events = 5 * self.EVENTS_PER_SECOND  # in debt for 3 s
            self.assertEqual(send(up, batch(0, events), greedy).status, 201)
            told = send(up, batch(events, 1), greedy)
            self.check_refused(told, 429, "rate-limited")
            self.assertEqual(send(up, batch(events + 1, 1), modest).status, 201)
            self.wait_out(told, 3)
            self.assertEqual(send(up, batch(events + 2, 1), greedy).status, 201)
            self.check_stored(up, events + 2)

    def test_bytes_a_second_are_limited_by_address_where_there_are_no_keys(self):
        with Up(self.box, role="gateway", env={
                "TILLRACE_LIMITS__BYTES_PER_SECOND": str(self.BYTES_PER_SECOND)}) as up:
            up.start()
            events = 5 * self.BYTES_PER_SECOND // len(batch(0, 1))
            self.assertEqual(send(up, batch(0, events)).status, 201)
            told = send(up, batch(events, 1))
            self.check_refused(told, 429, "rate-limited")
            self.assertEqual(send(up, batch(events + 1, 1), source="127.0.0.2").status, 201)
            self.wait_out(told, 4)  # LineNo takes more digits in time
            self.assertEqual(send(up, batch(events + 2, 1)).status, 201)
            self.check_stored(up, events + 2)


if __name__ == "__main__":
    unittest.main(verbosity=2)
