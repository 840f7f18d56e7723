"""One lake for all partitions of a Kafka topic, written by two processors: one is killed and comes
back, and the other stops. Each record of the topic is in the lake once, whoever wrote it."""

import json
import sys
import unittest
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

from delta import extension, tables
from kafka import KafkaShop, start_servers
from sandbox import Sandbox
from tillrace import wait_until

FOUND = ('count(*) AS lines, count(DISTINCT (partition, "offset")) AS records,'
         " count(DISTINCT event_id) AS events, count(DISTINCT partition) AS partitions,"
         " sum(quantity * unit_price) AS amount")


def body(first, count):
    """Each an invoice of its own, so that they spread over the partitions."""
    return "\n".join(
        json.dumps({"InvoiceNo": str(number), "LineNo": 1, "StockCode": "P1", "Quantity": 2,
                    "UnitPrice": "1.25", "InvoiceDate": "2011-03-01T10:00",
                    "Country": "United Kingdom"})
        for number in range(first, first + count))


class KafkaLake(unittest.TestCase):
    def setUp(self):
        self.box = Sandbox()
        self.addCleanup(self.box.close)
        self.root = self.box.path("lake")
        broker, server = start_servers(self.box)
        self.shop = KafkaShop(self.box, broker, server, settings={
            "TILLRACE_LAKE__ROOT": self.root, "TILLRACE_LAKE__COMMIT_INTERVAL_S": "1"})
        self.gateway = self.shop.gateway("gateway")
        self.processors = [self.shop.processor("processor-1"), self.shop.processor("processor-2")]
        for up in (self.gateway, *self.processors):
            self.enterContext(up).start()
        self.sent = 0

    def send(self, count=1_000):
        for _ in range(4):
            part = body(100_000 + self.sent, count // 4)
            self.assertEqual(self.gateway.post(part, "application/x-ndjson"), 201)
            self.sent += count // 4

    def found(self):
        row, = tables("other", self.root, "bronze/transactions", extension(), FOUND)
        return json.loads(row, parse_float=Decimal)

    def await_lake(self, timeout_s=60):
        wait_until(lambda: self.found()["lines"] >= self.sent, timeout_s, "all is in the lake", 0.5)
        self.assertEqual(self.found(), {"lines": self.sent, "records": self.sent,
                                        "events": self.sent, "partitions": 4,
                                        "amount": self.sent * Decimal("2.5")})

    def held(self, processor):
        return sum(each["sink"] == "lake" for each in processor.readiness()["lag"])

    def test_each_record_is_in_the_lake_once_whoever_writes_it(self):
        one, two = self.processors
        wait_until(lambda: (self.held(one), self.held(two)) == (2, 2), 60, "they share", 0.2)
        self.send()
        for processor in self.processors:
            said = processor.run("lake", "flush").out
            self.assertIn("in the partitions of that process", said)
        self.await_lake(20)
        self.send()
        two.kill()
        self.send()
        self.await_lake()
        two.start()
        self.send()
        wait_until(lambda: self.held(two) == 2, 60, "it takes its share again", 0.2)
        self.assertEqual(one.stop()[0], 0)
        self.send()
        self.await_lake()
        self.assertEqual(self.shop.line_count(), self.sent)
        self.assertEqual(two.stop()[0], 0)


if __name__ == "__main__":
    unittest.main()
