"""The output topic: whoever reads committed records of it, here kcat and
kafka-console-consumer, gets each event once, typed
and with its exact amount, though processors are killed at any moment."""

import json
import random
import subprocess
import sys
import time
import unittest
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

from kafka import KafkaShop, start_servers
from sandbox import Sandbox
from tillrace import SLOWNESS, run, wait_until

OUTPUT = "shop-output"
KILLS, BATCHES, BATCH = 6, 60, 200
KINDS = ["sale", "return", "write_off", "adjustment"]


def event(number):
    """Kinds in turn: sale, return, write-off, adjustment."""
    prefix, quantity = [("", 3), ("C", -3), ("", -2), ("A", 1)][number % 4]
    return {"InvoiceNo": f"{prefix}{100_000 + number}", "LineNo": 1, "StockCode": "22423",
            "Quantity": quantity, "UnitPrice": "0.0333", "InvoiceDate": "2011-03-01T10:00",
            "Country": "France"}


class Refusals(unittest.TestCase):
    def test_an_embedded_log_has_no_output_topic(self):
        with Sandbox() as box:
            answer = run(box, "up", "--data-dir", box.path("data"), expect=None,
                         env={"TILLRACE_OUTPUT__ENABLED": "true"})
        self.assertEqual(answer.code, 2)
        self.assertIn("log.kind", answer.err)


class KafkaOutput(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.box = Sandbox()
        cls.addClassCleanup(cls.box.close)
        cls.broker, server = start_servers(cls.box)
        cls.shop = KafkaShop(cls.box, cls.broker, server, settings={
            "TILLRACE_OUTPUT__ENABLED": "true", "TILLRACE_OUTPUT__TOPIC": OUTPUT})

    def read(self):
        """All committed records."""
        out = subprocess.run(
            ["kcat", "-b", self.broker.address(), "-t", OUTPUT, "-C", "-e", "-q", "-o", "beginning",
             "-X", "isolation.level=read_committed"], check=True, capture_output=True, text=True,
            timeout=60 * SLOWNESS).stdout
        return [json.loads(line) for line in out.splitlines()]

    def output_lag(self, up):
        """None while it is unknown."""
        lag = up.run("status", "--json").json()["lag"]
        records = [each["lag_records"] for each in lag if each["sink"] == "output"]
        return None if None in records else sum(records)

    def test_each_event_once_though_processors_are_killed(self):
        without = self.shop.processor("too-early")
        answer = run(self.box, "processor", "--data-dir", without.data, expect=None,
                     env=without.env)
        self.assertEqual(answer.code, 1, answer)
        self.assertIn(f"topics create {OUTPUT}", answer.err)

        run(self.box, "topics", "create", OUTPUT, "--partitions", 2, env=self.shop.env)
        gateway = self.shop.gateway("gateway")
        processors = [self.shop.processor("processor-1"), self.shop.processor("processor-2")]
        for up in [gateway, *processors]:
            up.start()
        dice = random.Random(int(time.time()))
        sent = 0
        for batch in range(BATCHES):
            body = "\n".join(json.dumps(event(sent + i)) for i in range(BATCH))
            self.assertEqual(gateway.post(body, "application/x-ndjson"), 201)
            sent += BATCH
            if batch % (BATCHES // KILLS) == 3:
                time.sleep(dice.random() * 0.5)
                victim = dice.choice(processors)
                victim.kill()
                victim.start()
        wait_until(lambda: self.output_lag(processors[0]) == 0, 60 + self.shop.SESSION_S,
                   "everything is out", 0.5)
        records = self.read()
        numbers = [int(each["InvoiceNo"].lstrip("AC")) - 100_000 for each in records]
        self.assertEqual(len(numbers), sent)
        self.assertEqual(sorted(numbers), list(range(sent)))
        self.assertEqual(len({each["EventId"] for each in records}), sent)
        self.assertEqual(
            sorted(json.loads(line)["EventId"]
                   for line in self.broker.console_consumer(OUTPUT, sent)),
            sorted(each["EventId"] for each in records))
        for number, record in zip(numbers, records, strict=True):
            source = event(number)
            self.assertEqual(record["Kind"], KINDS[number % 4])
            self.assertEqual(Decimal(record["Amount"]), source["Quantity"] * Decimal("0.0333"))
            self.assertEqual(record["InvoiceDate"], "2011-03-01T10:00:00.000000Z")
        for up in processors:
            sinks = {each["sink"] for each in up.readiness()["lag"]}
            self.assertEqual(sinks, {"warehouse", "output"})
            self.assertEqual(up.readiness()["output"], "writing")
            held = up.metric("tillrace_processor_partitions", 'sink="output"')
            self.assertGreater(held, 0)
        for up in [gateway, *processors]:
            self.assertEqual(up.stop()[0], 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
