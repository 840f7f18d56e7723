"""A stop under load loses nothing: what was sent before the server's end of its connection could be
seen is answered, what was answered 201 is in the log, and who looks at /readyz is told before
connections are refused. And kill -9: what was answered 201 is in the log.

A request may cross the close of an idle connection (RFC 9112, section 9.5): it comes when the
server has looked for one and not closed yet, and is reset; or both are on their way, and the client
finds the end in place of an answer. No server can help that, and few requests meet that moment.

With a drain delay the server serves on after the signal, and clients are under way when the delay
is over; without one, they are when the signal comes.
"""

import json
import signal
import sys
import threading
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

from sandbox import Sandbox
from tillrace import SLOWNESS, Up
from wire import Wire, head_of

CLIENTS, ROUNDS, KILLS = 32, 5, 3
LOAD_S = 0.7
CROSSED_MAX = 2  # of the CLIENTS of a stop; of two hundred stops two were seen to have one
DELAY = "TILLRACE_HTTP__DRAIN_DELAY_MS"
EVENT = {"StockCode": "22423", "Quantity": 1, "UnitPrice": "1.25",
         "InvoiceDate": "2011-05-05 10:00:00", "Country": "France"}


def request_of(invoice):
    body = json.dumps(EVENT | {"InvoiceNo": invoice, "LineNo": 1}).encode()
    return head_of("POST /v1/transactions HTTP/1.1", {
        "Host": "shop.test", "Content-Type": "application/json",
        "Content-Length": len(body)}) + body


class Client(threading.Thread):
    """One connection that sends event after event until it is ended, `at_once` in one write, then
    waits for their answers. Each event is an invoice of its own."""

    def __init__(self, port, name, at_once):
        super().__init__(name=name)
        self._port, self._at_once = port, at_once
        self.sent = {}  # when each had left; not those of a write that failed
        self.too_late = set()  # of those: the server's end was there when the write returned
        self.unheard = set()  # nothing of their write was answered
        self.answered = {}  # status and when

    def run(self):
        with Wire(self._port) as wire:
            goes_on, number = True, 0
            while goes_on:
                goes_on = self.exchange(
                    wire, [f"{self.name}-{number + i}" for i in range(self._at_once)])
                number += self._at_once

    def exchange(self, wire, invoices):
        """False when the connection has ended, or will by what the last answer says."""
        try:
            wire.socket.sendall(b"".join(request_of(invoice) for invoice in invoices))
        except (BrokenPipeError, ConnectionResetError):
            return False
        self.sent.update(dict.fromkeys(invoices, time.monotonic()))
        if wire.shows_its_end():
            self.too_late.update(invoices)
        for invoice in invoices:
            answer = wire.answer()
            if not answer:
                if invoice == invoices[0]:
                    self.unheard.update(invoices)
                return False
            self.answered[invoice] = answer.status, time.monotonic()
        return answer.headers.get("connection") != "close"


class Readiness(threading.Thread):
    """Asks /readyz on a new connection each time, as a load balancer does, until it is refused."""

    def __init__(self, port):
        super().__init__()
        self._port = port
        self.seen = []

    def run(self):
        while not self.seen or self.seen[-1] != "refused":
            self.seen.append(self.ask())
            time.sleep(0.02)

    def ask(self):
        try:
            with Wire(self._port) as wire:
                wire.send(head_of("GET /readyz HTTP/1.1", {"Host": "shop.test",
                                                           "Connection": "close"}))
                answer = wire.answer()
                return answer.status if answer else "refused"
        except (ConnectionRefusedError, ConnectionResetError):
            return "refused"


class Stop(unittest.TestCase):
    def setUp(self):
        self.box = Sandbox()
        self.addCleanup(self.box.close)
        self.stored = set()  # what is known to be in the log

    def under_load(self, up, tag, number, at_once=1):
        """Loads and signals. Returns the clients and when the signal was sent."""
        clients = [Client(up.port, f"{tag}-{each}", at_once) for each in range(CLIENTS)]
        for client in clients:
            client.start()
        time.sleep(LOAD_S)
        self.assertTrue(up.runs())
        at = time.monotonic()
        up.process.send_signal(number)
        for client in clients:
            client.join(60 * SLOWNESS)
            self.assertFalse(client.is_alive(), "a client waits for an answer for ever")
        return clients, at

    def in_the_log(self, up):
        [topic] = up.run("topics", "list", "--json").json()
        lines = up.run("tail", "--from-beginning", "-n", topic["end"]).out.splitlines()
        invoices = [json.loads(line[line.index("{"):])["InvoiceNo"] for line in lines]
        self.assertEqual(len(invoices), topic["end"])
        self.assertEqual(len(set(invoices)), len(invoices), "an event is stored twice")
        return set(invoices)

    def check_log(self, up, clients):
        accepted = {invoice for client in clients
                    for invoice, (status, _) in client.answered.items() if status == 201}
        sent = {invoice for client in clients for invoice in client.sent}
        stored = self.in_the_log(up) - self.stored
        self.assertEqual(accepted - stored, set(), "answered 201, but not in the log")
        self.assertEqual(stored - sent, set(), "in the log, but never sent")
        self.stored |= stored
        return accepted, sent

    def check_answers(self, clients, at):
        """What was sent is answered, 201. Returns how many were under way at the signal."""
        before, after, crossed, under_way = set(), set(), set(), 0
        for client in clients:
            for invoice, sent_at in client.sent.items():
                _, answered_at = client.answered.get(invoice, (None, None))
                if sent_at < at:
                    under_way += answered_at is None or answered_at > at
                if answered_at is not None or (sent_at >= at and invoice in client.too_late):
                    continue
                if sent_at < at:
                    before.add(invoice)
                elif invoice in client.unheard:
                    crossed.add(client.name)
                else:
                    after.add(invoice)
        self.assertEqual(before, set(), "sent before the signal, and not answered")
        self.assertEqual(after, set(), "sent before the server's end was there, and not answered")
        self.assertLessEqual(len(crossed), CROSSED_MAX, "requests were not heard")
        statuses = {status for client in clients for status, _ in client.answered.values()}
        self.assertEqual(statuses, {201})
        return under_way

    def stop_under_load(self, tag, delay_ms, at_once=1):
        """What /readyz said meanwhile, each once."""
        with Up(self.box, role="gateway", env={DELAY: str(delay_ms)}) as up:
            up.start()
            poller = Readiness(up.port)
            poller.start()
            clients, at = self.under_load(up, tag, signal.SIGTERM, at_once)
            self.assertEqual(up.process.wait(30 * SLOWNESS), 0)
            poller.join()
            accepted, sent = self.check_log(up, clients)
        late = sum(len(client.too_late) for client in clients)
        print(f"{tag}: {len(sent)} events sent, {late} of them too late, {len(accepted)} answered"
              f" 201, /readyz {[(s, poller.seen.count(s)) for s in dict.fromkeys(poller.seen)]}",
              flush=True)
        under_way = self.check_answers(clients, at)
        print(f"{tag}: {under_way} were under way at the signal", flush=True)
        self.assertGreater(under_way, 0, "nobody was interrupted")
        return list(dict.fromkeys(poller.seen))

    def test_sigterm_with_a_delay_is_seen_on_readyz_and_loses_nothing(self):
        for each in range(ROUNDS):
            self.assertEqual(self.stop_under_load(f"t{each}", 400), [200, 503, "refused"])

    def test_sigterm_without_a_delay_answers_what_is_under_way(self):
        for each in range(ROUNDS):
            self.stop_under_load(f"n{each}", 0)

    def test_sigterm_answers_both_requests_of_one_write(self):
        for each in range(ROUNDS):
            self.stop_under_load(f"p{each}", 0, at_once=2)

    def test_kill_9_under_load_keeps_all_that_was_answered(self):
        for each in range(KILLS):
            with Up(self.box, role="gateway") as up:
                up.start()
                clients, _ = self.under_load(up, f"k{each}", signal.SIGKILL)
                up.process.wait()
                up.start()  # recovers
                accepted, sent = self.check_log(up, clients)
                print(f"kill {each + 1}: {len(sent)} events sent, {len(accepted)} answered 201",
                      flush=True)
                self.assertEqual(up.stop()[0], 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
