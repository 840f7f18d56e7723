"""Two gateways and two processors on a Kafka topic of four partitions, while the broker and
PostgreSQL are restarted, a processor is killed and another stopped past its session timeout and
continued, and so are the gateways, through which the lines come in two halves: every fact of the
real data set holds, and each line is there once.

With TILLRACE_CHAOS_ROUNDS=N: N rounds of the whole data set, each with faults of its own; otherwise
one round of its first lines, as in CI. TILLRACE_CHAOS_SEED repeats a run. TILLRACE_CHAOS_PAUSE_S:
how long a process is stopped (SIGSTOP); usually some seconds more than a session.
"""

import collections
import functools
import os
import signal
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

import facts
from chaos import Poster, random_of, rounds
from kafka import KafkaShop, start_servers
from sandbox import Sandbox
from shopdata import Data
from tillrace import wait_until

SHORT_LINES = 60_000
BATCH = 500
FAULTS_WITHIN_S = 14  # of the posting's 20


def cut(data, count):
    """The first lines of the data set."""
    data.lines, data.is_real = data.lines[:count], False
    with open(data.events, encoding="utf-8") as file:
        first = [line for _, line in zip(range(count), file, strict=False)]
    with open(data.events, "w", encoding="utf-8") as file:
        file.writelines(first)


class Part:
    """Each second batch of the data set's events; what `post` posts."""

    def __init__(self, box, data, number):
        self.events = box.path(f"part-{number}.ndjson")
        with open(data.events, encoding="utf-8") as file, \
                open(self.events, "w", encoding="utf-8") as part:
            part.writelines(line for at, line in enumerate(file) if at // BATCH % 2 == number)


class Warehouse:
    """What facts.py asks."""

    def __init__(self, shop):
        self.sql, self.value, self.warehouse_url = shop.sql, shop.value, shop.url()


class ChaosOnKafka(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.random = random_of("kafka")
        cls.box = Sandbox()
        cls.addClassCleanup(cls.box.close)
        cls.broker, cls.server = start_servers(cls.box)
        cls.data = Data(cls.box)
        if "TILLRACE_CHAOS_ROUNDS" not in os.environ:
            cut(cls.data, SHORT_LINES)
        cls.parts = [Part(cls.box, cls.data, number) for number in range(2)]

    def test_every_line_is_there_once(self):
        for number in range(rounds()):
            self.one_round(f"events-{number}")

    def one_round(self, topic):
        began = time.monotonic()
        shop = KafkaShop(self.box, self.broker, self.server, topic)
        gateways = [shop.gateway("gateway-1"), shop.gateway("gateway-2")]
        processors = [shop.processor("processor-1"), shop.processor("processor-2")]
        roles = gateways + processors
        for role in roles:
            role.start()
        total = len(self.data.lines)
        posters = [Poster(gateway, part, total // 40, BATCH, f"post-{number}")
                   for number, (gateway, part) in enumerate(zip(gateways, self.parts, strict=True))]
        self.play(self.timeline(gateways, processors, shop))
        self.supervise(roles)
        summary = collections.Counter()
        for poster in posters:
            summary.update({name: count for name, count in poster.finish().items()
                            if name in ("accepted", "refused", "open", "retried_requests")})
        self.assertEqual((summary["accepted"], summary["refused"], summary["open"]), (total, 0, 0))
        posted = time.monotonic()
        wait_until(lambda: shop.lag(processors[0]) == 0, 240, "the warehouse has caught up", 0.2)
        caught_up_s = time.monotonic() - posted
        self.check(shop, total)
        for role in roles:
            self.assertEqual(role.stop()[0], 0)
        print(f"{topic}: {summary['retried_requests']} requests sent again; caught up"
              f" {caught_up_s:.1f} s after the last event; {time.monotonic() - began:.0f} s in all",
              flush=True)

    def timeline(self, gateways, processors, shop):
        """What is done, and after how many seconds. Faults overlap as it comes."""
        killed, stopped = self.random.sample(processors, 2)
        killed_gateway, stopped_gateway = self.random.sample(gateways, 2)
        server_end = self.random.choice([signal.SIGINT, signal.SIGQUIT])
        broker_end = self.random.choice([signal.SIGTERM, signal.SIGKILL])
        faults = [
            ("kill a processor", killed.kill, "start it again", killed.launch, 3),
            ("kill a gateway", killed_gateway.kill, "start it again", killed_gateway.launch, 3),
            (f"end PostgreSQL ({server_end.name})", lambda: self.end_server(server_end),
             "start it again", self.server.start, 2),
            (f"end the broker ({broker_end.name})", lambda: self.broker.end(broker_end),
             "start it again", self.broker.launch, 2),
        ]
        steps = []
        for name, fault, mending, mend, most_s in faults:
            at = self.random.uniform(1, FAULTS_WITHIN_S)
            steps.append((at, name, fault))
            steps.append((at + self.random.uniform(0.1, most_s), mending, mend))
        for name, each in ("processor", stopped), ("gateway", stopped_gateway):
            at = self.random.uniform(1, FAULTS_WITHIN_S)
            stop = functools.partial(each.process.send_signal, signal.SIGSTOP)
            go_on = functools.partial(each.process.send_signal, signal.SIGCONT)
            steps.append((at, f"stop a {name}", stop))
            steps.append((at + self.pause_s(shop), f"continue the {name}", go_on))
        return sorted(steps, key=lambda step: step[0])

    def pause_s(self, shop):
        usual = shop.SESSION_S + self.random.uniform(1, 5)
        return float(os.environ.get("TILLRACE_CHAOS_PAUSE_S", usual))

    def end_server(self, number):
        self.server.process.send_signal(number)
        self.server.process.wait()

    def play(self, steps):
        began = time.monotonic()
        for at, name, do in steps:
            time.sleep(max(0, began + at - time.monotonic()))
            print(f"  {time.monotonic() - began:5.1f} s {name}", flush=True)
            do()
        self.broker.await_ready()

    def supervise(self, roles):
        """As a service manager would: one that found the broker or PostgreSQL away when it started
        has said so and ended (3), and is started again."""
        def all_ready():
            for each in roles:
                if not each.runs():
                    self.assertEqual(each.process.returncode, 3, each.said()[-3000:])
                    each.launch()
            return all(each.run("status", expect=None).code == 0 for each in roles)

        try:
            wait_until(all_ready, 120, "all are ready", 0.5)
        except AssertionError:
            for each in roles:
                print(f"--- {each.data}\n{each.run('status', expect=None)}{each.said()[-3000:]}")
            print(f"--- the broker\n{self.broker.said()[-3000:]}", flush=True)
            raise

    def check(self, shop, total):
        [[inserted, replaced, rejected, lost]] = shop.sql(
            "select sum(inserted), sum(replaced), sum(rejected),"
            " sum(next_offset - inserted - replaced - repeated - rejected) from stream.checkpoint")
        # A request that was sent again may lie in the log twice; then it is counted as repeated.
        self.assertEqual((inserted, replaced, rejected), (str(total), "0", "0"))
        self.assertEqual(lost, "0", "offsets below the marks that nobody counted")
        facts.check_everything(self, Warehouse(shop), self.data.lines, self.data.is_real)


if __name__ == "__main__":
    unittest.main(verbosity=2)
