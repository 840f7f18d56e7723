"""Two gateways and two processors on one Kafka topic and one PostgreSQL: partitions are shared out,
and come over when a processor stops, dies or is stopped by SIGSTOP. A gateway that is stopped so
holds up nobody but its own clients. Nothing is lost or doubled."""

import itertools
import json
import signal
import subprocess
import sys
import threading
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

import facts
from kafka import SCRIPT, KafkaShop, start_servers
from sandbox import Sandbox
from tillrace import SLOWNESS, free_port, run, wait_until

PARTITIONS = [0, 1, 2, 3]


def event(number):
    """Each an invoice of its own, so that they spread over the partitions."""
    return {"InvoiceNo": str(100_000 + number), "LineNo": 1, "StockCode": f"P{number % 50}",
            "Description": "BIRTHDAY CARD", "Quantity": 2, "UnitPrice": 1.25,
            "InvoiceDate": "2011-03-01T10:00", "CustomerID": str(number % 97),
            "Country": "United Kingdom"}


class Refusals(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.box = Sandbox()
        cls.addClassCleanup(cls.box.close)

    def refused(self, words, *flags, env=None):
        answer = run(self.box, "processor", "--data-dir", self.box.path("refused"), *flags,
                     expect=None, env=env)
        self.assertEqual(answer.code, 2, answer)
        for word in words:
            self.assertIn(word, answer.err)

    def test_an_embedded_log_is_not_shared(self):
        self.refused(["tillrace up", "log.kind", "kafka"])

    def test_a_private_postgresql_is_not_shared(self):
        self.refused(["warehouse.url", "private PostgreSQL"],
                     env={"TILLRACE_LOG__KIND": "kafka"})


class KafkaRoles(unittest.TestCase):
    """The tests build on each other and run in this order."""

    STOPPED_S = 4

    @classmethod
    def setUpClass(cls):
        cls.box = Sandbox()
        cls.addClassCleanup(cls.box.close)
        cls.broker, server = start_servers(cls.box)
        cls.shop = KafkaShop(cls.box, cls.broker, server)
        cls.gateways = [cls.shop.gateway("gateway-1"), cls.shop.gateway("gateway-2")]
        cls.processors = [cls.shop.processor("processor-1"), cls.shop.processor("processor-2")]
        for up in [*cls.gateways, *cls.processors]:
            up.start()
        cls.sent = 0

    def send(self, count=400):
        """Through both gateways in turn."""
        cls = type(self)
        for part in range(4):
            body = "\n".join(json.dumps(event(cls.sent + i)) for i in range(count // 4))
            gateway = self.gateways[part % 2]
            self.assertEqual(gateway.post(body, "application/x-ndjson"), 201)
            cls.sent += count // 4

    def await_all(self, timeout_s=30):
        """Until every event sent is there; the seconds that it took."""
        began = time.monotonic()
        wait_until(lambda: self.shop.line_count() == self.sent, timeout_s, "all events are there")
        return time.monotonic() - began

    def await_shares(self, *sizes, timeout_s=30):
        """Until the partitions are shared out in these sizes among the processors that run."""
        def shared():
            held = [self.shop.held(each) for each in self.processors if each.runs()]
            return sorted(sum(held, [])) == PARTITIONS and \
                sorted(map(len, held)) == sorted(sizes)

        wait_until(shared, timeout_s, f"the partitions are shared out {sizes}", 0.1)

    def check(self):
        self.assertEqual(self.shop.sql("select sum(inserted), sum(replaced), sum(repeated),"
                                       " sum(rejected) from stream.checkpoint"),
                         [[str(self.sent), "0", "0", "0"]])
        sums = self.shop.sql(facts.SETTINGS + facts.AGREEMENT)
        self.assertTrue(facts.agree(sums), f"the sums do not agree: {sums}")

    def test_1_processors_share_the_partitions(self):
        self.await_shares(2, 2)
        self.send()
        self.await_all()
        self.check()
        read = self.broker.console_consumer(self.shop.topic, self.sent)
        self.assertEqual(sorted(json.loads(line)["InvoiceNo"] for line in read),
                         [event(number)["InvoiceNo"] for number in range(self.sent)])
        for processor in self.processors:
            self.assertEqual(processor.metric("tillrace_processor_partitions"), 2)
            self.assertEqual(processor.get("/healthz")[0], 200)
            code, body = processor.get("/readyz")
            self.assertEqual((code, json.loads(body)["status"]), (200, "ready"))

    def test_2_lag_is_told_by_partition_and_sink(self):
        wait_until(lambda: self.shop.lag(self.processors[0]) == 0, 10, "no lag is left")
        status = self.processors[0].run("status", "--json").json()
        self.assertEqual([each["partition"] for each in status["lag"]], PARTITIONS)
        self.assertEqual(sum(each["mark"] for each in status["lag"]), self.sent)
        self.assertIn("lag_records", self.processors[0].run("status").out)
        for processor in self.processors:
            for partition in self.shop.held(processor):
                label = f'partition="{partition}",sink="warehouse"'
                self.assertEqual(processor.metric("tillrace_processor_lag_records", label), 0)

    def test_3_a_processor_takes_no_events(self):
        self.assertEqual(self.processors[0].post(json.dumps(event(0))), 404)

    def test_4_one_that_is_told_to_stop_leaves_its_partitions_at_once(self):
        code, took = self.processors[0].stop()
        self.assertEqual(code, 0)
        self.assertLess(took, 10 * SLOWNESS)
        self.send()
        print(f"after a stop: all there {self.await_all():.1f} s after the last event", flush=True)
        self.await_shares(4)
        self.processors[0].start()
        self.await_shares(2, 2)
        self.check()

    def test_5_one_that_is_killed_is_followed_by_the_other(self):
        self.processors[1].kill()
        self.send()
        took = self.await_all(30 + self.shop.SESSION_S)
        print(f"after kill -9: all there {took:.1f} s after the last event", flush=True)
        self.processors[1].start()
        self.await_shares(2, 2)
        self.check()

    def test_6_one_that_is_stopped_past_its_session_holds_up_nobody_and_comes_back(self):
        for round_number in range(3):
            processor = self.processors[round_number % 2]
            self.send(2_000)
            processor.process.send_signal(signal.SIGSTOP)
            self.send()
            took = self.await_all(30 + self.shop.SESSION_S)
            print(f"while one is stopped: all there {took:.1f} s after the last event", flush=True)
            self.send()
            processor.process.send_signal(signal.SIGCONT)
            self.await_all()
            self.await_shares(2, 2)
            self.check()

    def post_until(self, gateway, over, numbers):
        """Posts through a gateway; each request waits for its answer."""
        while not over.is_set():
            body = "\n".join(json.dumps(event(number)) for _, number in zip(range(10), numbers))
            self.answers.append(gateway.post(body, "application/x-ndjson"))
            time.sleep(0.01)

    def test_7_a_gateway_that_is_stopped_holds_up_only_its_own_clients(self):
        cls = type(self)
        self.answers, over = [], threading.Event()
        numbers = itertools.count(cls.sent)  # each number is taken once: `next` is atomic
        posters = [threading.Thread(target=self.post_until, args=(gateway, over, numbers))
                   for gateway in self.gateways]
        for poster in posters:
            poster.start()
        for stopped in self.gateways:
            time.sleep(0.5)
            stopped.process.send_signal(signal.SIGSTOP)
            time.sleep(0.5)
            before = len(self.answers)
            time.sleep(self.STOPPED_S)
            self.assertGreater(len(self.answers), before + 10, "the other goes on")
            stopped.process.send_signal(signal.SIGCONT)
        time.sleep(0.5)
        over.set()
        for poster in posters:
            poster.join()
        self.assertEqual(set(self.answers), {201})
        cls.sent += 10 * len(self.answers)
        self.send()
        self.await_all()
        self.check()

    def test_8_without_postgresql_a_processor_is_not_ready_and_comes_back(self):
        self.shop.server.stop()
        processor = self.processors[0]
        wait_until(lambda: processor.get("/readyz")[0] == 503, 30, "it is not ready")
        ready = processor.readiness()
        self.assertEqual((ready["status"], ready["warehouse"]), ("waiting", "waiting"))
        self.assertNotIn("kept", ready["problem"], "the password shows")
        self.assertEqual(processor.get("/healthz")[0], 200)
        self.send()
        self.shop.server.start()
        self.await_all(60)
        wait_until(lambda: processor.get("/readyz")[0] == 200, 30, "it is ready again")
        self.check()

    def findings(self, topic, **env):
        """What doctor says, by check: (result, detail)."""
        answer = self.gateways[0].run("doctor", "--json", expect=None, env=self.shop.env | {
            "TILLRACE_LOG__TOPIC": topic, "TILLRACE_WAREHOUSE__URL": self.shop.url(), **env})
        return {each["check"]: (each["result"], each["detail"]) for each in answer.json()}

    def make_topic(self, name, *settings):
        subprocess.run([SCRIPT, "topic", self.broker.folder, name, "1", *settings], check=True,
                       capture_output=True)

    def test_90_doctor_tells_which_topic_would_lose_events(self):
        fine = self.findings("ingestion-topic")
        self.assertEqual([fine[check][0] for check in ("Kafka", "topic retention", "topic copies")],
                         ["ok"] * 3, fine)
        self.assertIn("4 partitions", fine["Kafka"][1])
        self.make_topic("compacted", "cleanup.policy=compact")
        self.make_topic("short", "retention.ms=3600000", "retention.bytes=1000000")
        for topic, words in (("compacted", ["cleanup.policy", "delete"]),
                             ("short", ["1 h", "1000000 bytes", "retention.ms"])):
            result, detail = self.findings(topic)["topic retention"]
            self.assertEqual(result, "NOT OK", topic)
            for word in words:
                self.assertIn(word, detail)
        self.make_topic("scarce", "min.insync.replicas=2")
        result, detail = self.findings("scarce")["topic copies"]
        self.assertEqual(result, "NOT OK")
        self.assertIn("no event is accepted", detail)

    def test_91_doctor_tells_which_topic_or_broker_is_missing(self):
        missing = self.findings("nowhere")
        self.assertEqual(missing["Kafka"][0], "NOT OK")
        self.assertIn("topics create nowhere", missing["Kafka"][1])
        self.assertNotIn("topic retention", missing)
        silent = self.findings("ingestion-topic",
                               TILLRACE_KAFKA__BROKERS=f"127.0.0.1:{free_port()}",
                               TILLRACE_KAFKA__SASL_MECHANISM="PLAIN",
                               TILLRACE_KAFKA__USER="till", TILLRACE_KAFKA__PASSWORD="confidential")
        self.assertEqual(silent["Kafka"][0], "NOT OK")
        self.assertIn("refused", silent["Kafka"][1])
        self.assertNotIn("confidential", str(silent))


if __name__ == "__main__":
    unittest.main(verbosity=2, failfast=True)
