"""10,000 records from kcat into a Kafka topic, of which 500 are no events: 9,500 go in, 500 lie in
stream.rejected with the right reasons, and go in when they are repaired and sent again.

Skipped where Apache Kafka or kcat is absent.
"""

import base64
import collections
import json
import subprocess
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

import test_tools
from garbage import GOOD, KINDS, good_event, value_of
from kafka import require_kafka
from sandbox import Sandbox
from tillrace import SOURCE, Up

KAFKA = str(SOURCE / "tools/kafka.sh")
TOPIC, PARTITIONS = "ingestion-topic", 4
RECORDS, BAD, ROUNDS = 10_000, 500, 20


class FromKcat(unittest.TestCase):
    def setUp(self):
        test_tools.program("kcat")
        require_kafka()
        self.box = Sandbox()
        self.addCleanup(self.box.close)
        folder = self.box.path("kafka")
        subprocess.run([KAFKA, "start", folder], check=True, capture_output=True)
        self.addCleanup(subprocess.run, [KAFKA, "wipe", folder], capture_output=True)
        ports = subprocess.run([KAFKA, "ports", folder], check=True, capture_output=True, text=True)
        self.broker = dict(line.split("=") for line in ports.stdout.split())["plain"]
        subprocess.run([KAFKA, "topic", folder, TOPIC, str(PARTITIONS)], check=True,
                       capture_output=True)

    def kcat(self, *arguments, stdin=b""):
        """Without keys and headers; librdkafka's own partitioner."""
        subprocess.run(["kcat", "-P", "-b", self.broker, "-t", TOPIC, *arguments], input=stdin,
                       check=True, capture_output=True)

    def send(self, number, kind):
        """A record of this kind; a file is a record, whatever its bytes."""
        value = value_of(kind)
        if not value:
            return self.kcat("-Z", "-K", ":", stdin=b"key:\n")  # a null value, which needs a key
        path = Path(self.box.path(f"bad-{number}"))
        path.write_bytes(value)
        headers = ["-H", kind["header"]] if "header" in kind else []
        return self.kcat(*headers, str(path))

    def test_what_is_an_event_goes_in_and_the_rest_is_told_why_not(self):
        kinds = [KINDS[number % len(KINDS)] for number in range(BAD)]
        good = RECORDS - BAD
        up = Up(self.box, flags=["--log-level", "warning"],
                env={"TILLRACE_LOG__KIND": "kafka", "TILLRACE_KAFKA__BROKERS": self.broker})
        self.addCleanup(lambda: up.runs() and up.kill())
        up.start()
        for part in range(ROUNDS):
            events = range(part * good // ROUNDS, (part + 1) * good // ROUNDS)
            self.kcat(stdin=b"".join(good_event(number) + b"\n" for number in events))
            for number in range(part * BAD // ROUNDS, (part + 1) * BAD // ROUNDS):
                self.send(number, kinds[number])
        up.await_lag_0()
        self.assertEqual(up.sql("select sum(inserted), sum(replaced), sum(repeated), sum(rejected)"
                                " from stream.checkpoint"), [[str(good), "0", "0", str(BAD)]])
        self.assertEqual(up.value("select count(*) from shop.invoice_line"), str(good))
        rows = [json.loads(line) for line in up.run("rejected", "export").out.splitlines()]
        self.compare(rows, kinds)
        self.resend(up, rows)
        up.await_lag_0()
        self.assertEqual(up.value("select count(*) from shop.invoice_line"), str(RECORDS))

    def compare(self, rows, kinds):
        by_value = {value_of(kind): kind for kind in KINDS}
        self.assertEqual(len(by_value), len(KINDS))
        seen = collections.Counter()
        for row in rows:
            value = base64.b64decode(row["base64"]) if "base64" in row else row["value"].encode()
            kind = by_value[value]
            seen[kind["name"]] += 1
            self.assertEqual((row["kind"], row["field"]), (kind["kind"], kind["field"]), row)
            self.assertIn(kind["says"], row["reason"])
        self.assertEqual(seen, collections.Counter(kind["name"] for kind in kinds))
        self.assertEqual(len({row["event_id"] for row in rows}), BAD, "each has a name of its own")

    def resend(self, up, rows):
        lines = [json.dumps(row | {"value": GOOD | {"InvoiceNo": str(900_000 + number)}})
                 for number, row in enumerate(rows)]
        path = Path(self.box.path("repaired.ndjson"))
        path.write_text("\n".join(lines), encoding="utf-8")
        for _ in range(2):  # the second time changes nothing
            summary = up.run("rejected", "resend", "--from", str(path), "--json").json()
            self.assertEqual((summary["resent"], summary["refused"]), (BAD, 0))
        self.assertEqual(up.run("rejected", "list", "--not-resent", "--json").json(), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
