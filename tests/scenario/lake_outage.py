"""A lake on Azure that goes away, hangs, answers 503 or is cut half way: the warehouse goes on, the
sink recovers by itself, and each event is in the lake once. (What readers of PostgreSQL notice of
it is measured by bench/lake_outage.py.)"""

import json
import os
import sys
import time
import unittest
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(SOURCE / "tests/support"))

import test_tools
from bad_lake import TROUBLES, BadLake
from sandbox import Sandbox
from tillrace import Up, wait_until

# Each trouble's length. The longest that a user would wait for is tried by hand: 30.
TROUBLE_S = float(os.environ.get("TILLRACE_OUTAGE_S", "5"))
EVENTS = 50  # of one POST


def setUpModule():
    test_tools.python_modules()


def body(first):
    return "\n".join(
        json.dumps({"InvoiceNo": str(700_000 + number // 20), "StockCode": "22423", "Quantity": 1,
                    "UnitPrice": "1.25", "InvoiceDate": "2011-05-05 10:00:00",
                    "Country": "France", "LineNo": 1 + number % 20})
        for number in range(first, first + EVENTS))


class LakeOutage(unittest.TestCase):
    def setUp(self):
        self.box = Sandbox()
        self.addCleanup(self.box.close)
        self.lake = BadLake(self.box)
        self.addCleanup(self.lake.close)
        env = {"TILLRACE_SHUTDOWN_TIMEOUT_S": "5"}
        self.up = self.enterContext(Up(self.box, env=env | self.lake.settings(commit_interval_s=1)))
        self.up.start()
        self.posted = 0

    def post(self):
        self.assertEqual(self.up.post(body(self.posted), "application/x-ndjson"), 201)
        self.posted += EVENTS

    def post_for(self, seconds):
        """Each POST is in PostgreSQL before the next."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.post()
            self.up.await_lag_0(10)
            time.sleep(0.1)
        self.assertEqual(self.up.value("select count(*) from shop.invoice_line"),
                         str(self.posted))

    def lake_lag(self):
        return sum(each["records"] for each in self.up.readiness()["lag"]
                   if each["sink"] == "lake")

    def await_lake(self):
        # A question that hangs is given up after a while, and tried again.
        wait_until(lambda: self.lake_lag() == 0, 90, "the lake has caught up by itself")

    def test_it_recovers_by_itself_and_nothing_is_lost_or_doubled(self):
        self.post()
        self.await_lake()
        for kind in TROUBLES:
            with self.subTest(kind):
                with self.lake.in_trouble(kind):
                    self.post_for(TROUBLE_S)
                    self.assertGreater(self.lake_lag(), 0)
                    self.assertEqual(self.up.get("/readyz")[0], 200)
                began = time.monotonic()
                self.await_lake()
                print(f"{kind}: caught up {time.monotonic() - began:.1f} s after", flush=True)
        self.assertEqual(self.up.stop()[0], 0)
        self.assertEqual(self.lake.offsets(), list(range(self.posted)))

    def test_a_stop_meanwhile_ends_and_the_next_start_catches_up(self):
        for kind in TROUBLES:
            with self.subTest(kind):
                self.post()
                with self.lake.in_trouble(kind):
                    self.post_for(1)
                    code, seconds = self.up.stop()
                self.assertEqual(code, 0)
                self.assertLess(seconds, 15)
                self.up.start()
                self.await_lake()
        self.assertEqual(self.up.stop()[0], 0)
        self.assertEqual(self.lake.offsets(), list(range(self.posted)))


if __name__ == "__main__":
    unittest.main()
