"""A shop on several machines: a real Kafka broker, a PostgreSQL server, and the program's roles."""

import signal
import subprocess

from postgres import ForeignServer
from sql import query
from test_tools import absent
from tillrace import SLOWNESS, SOURCE, Up, free_port, run, wait_until

SCRIPT = SOURCE / "tools" / "kafka.sh"
KAFKA_IS_MISSING = 3  # the script's exit code


def require_kafka():
    """Skips the test where Kafka is absent; in CI it fails."""
    fetched = subprocess.run([SCRIPT, "libs"], capture_output=True, text=True)
    if fetched.returncode == KAFKA_IS_MISSING:
        absent(f"Apache Kafka ({fetched.stderr.strip()})")
    if fetched.returncode != 0:
        raise AssertionError(fetched.stderr)


class Broker:
    """tools/kafka.sh in the sandbox. Its data survives stop() and kill()."""

    def __init__(self, box):
        self.box, self.folder = box, box.path("kafka")
        self.process = None
        require_kafka()

    def start(self):
        self.launch()
        self.await_ready()

    def launch(self):
        self.process = self.box.spawn(["bash", SCRIPT, "run", self.folder])

    def await_ready(self):
        def is_ready():
            if self.process.poll() is not None:
                raise AssertionError(f"the broker ended:\n{self.said()[-3000:]}")
            return "Kafka Server started" in self.said()

        wait_until(is_ready, 60, "the broker answers", 0.1)

    def said(self):
        try:
            with open(f"{self.folder}/broker.log", encoding="utf-8", errors="replace") as log:
                return log.read()
        except FileNotFoundError:
            return ""

    def address(self, listener="plain"):
        with open(f"{self.folder}/ports", encoding="ascii") as file:
            ports = dict(line.split("=") for line in file.read().split())
        return ports[listener]

    def console_consumer(self, topic, count):
        """The lines that kafka-console-consumer prints of so many records."""
        return subprocess.run(
            [SCRIPT, "tool", self.folder, "org.apache.kafka.tools.consumer.ConsoleConsumer",
             "--bootstrap-server", "@BROKER@", "--topic", topic, "--from-beginning",
             "--isolation-level", "read_committed", "--max-messages", str(count),
             "--timeout-ms", str(round(30_000 * SLOWNESS))],
            check=True, capture_output=True, text=True, timeout=90 * SLOWNESS).stdout.splitlines()

    def stop(self):
        self.end(signal.SIGTERM)

    def end(self, number):
        self.process.send_signal(number)
        self.process.wait(60)
        # The next start is told by its own words.
        with open(f"{self.folder}/broker.log", "w", encoding="utf-8"):
            pass


class KafkaShop:
    """One topic, one database, and any number of gateways and processors on them. SESSION_S: a
    processor that is silent for so long loses its partitions."""

    SESSION_S = 3

    def __init__(self, box, broker, server, topic="ingestion-topic", partitions=4, settings=None):
        self.box, self.server, self.topic = box, server, topic
        self.database = topic.replace("-", "_")
        query(server.url("boss", "postgres"), f"create database {self.database} owner keeper")
        self.env = {
            "TILLRACE_LOG__KIND": "kafka",
            "TILLRACE_LOG__TOPIC": topic,
            "TILLRACE_KAFKA__BROKERS": broker.address(),
            "TILLRACE_KAFKA__SESSION_TIMEOUT_MS": str(self.SESSION_S * 1000),
        } | (settings or {})
        run(box, "topics", "create", topic, "--partitions", partitions, env=self.env)

    def url(self):
        return self.server.url(database=self.database)

    def gateway(self, name):
        """Its port stays when it is started again."""
        return Up(self.box, f"{self.topic}-{name}", role="gateway", env=self.env,
                  listen=f"127.0.0.1:{free_port()}", flags=["--log-level", "warning"])

    def processor(self, name):
        env = self.env | {"TILLRACE_WAREHOUSE__URL": self.url()}
        return Up(self.box, f"{self.topic}-{name}", role="processor", env=env,
                  flags=["--log-level", "warning"])

    def sql(self, statement):
        return query(self.url(), statement)

    def value(self, statement):
        return self.sql(statement)[0][0]

    def line_count(self):
        """None while the server does not answer."""
        try:
            return int(self.value("select count(*) from shop.invoice_line"))
        except AssertionError:
            return None

    @staticmethod
    def held(processor):
        """The partitions that a processor reads."""
        return [each["partition"] for each in processor.readiness()["lag"]]

    def lag(self, processor):
        """Records that the warehouse has not, of all partitions; None while that is unknown."""
        answer = processor.run("status", "--json", expect=None)
        if answer.code not in (0, 1) or not answer.json()["lag"]:
            return None
        records = [each["lag_records"] for each in answer.json()["lag"]]
        return None if None in records else sum(records)


def start_servers(box):
    """A broker and a PostgreSQL server; skips the test where Kafka is absent."""
    broker = Broker(box)
    broker.start()
    return broker, ForeignServer(box)
