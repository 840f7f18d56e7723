"""Thousands of connections that take their time: heads and bodies that come a byte now and then,
answers that are read a byte at a time. A normal client is served meanwhile, and all are gone
after."""

import json
import os
import resource
import selectors
import socket
import statistics
import sys
import threading
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

from sandbox import Sandbox
from tillrace import SLOWNESS, Up, wait_until
from wire import Wire, head_of

SLOW_HEADS, SLOW_READERS, MANY_READERS = 5_000, 30, 300
ATTACK_S = 9
P99_MS_MAX, RSS_MB_MAX = 100, 350
KEPT_ANEW_SHARE_MAX = 0.02  # of a normal client's events; 1 of 816 was seen
GONE_WITHIN_S = 20  # 10 s for a head or an answer, and the time until somebody looks
HEAD = b"POST /v1/transactions HTTP/1.1\r\nHost: shop.test\r\nX-Slow: " + b"z" * 4_000
EVENT = {"InvoiceNo": "900000", "StockCode": "22423", "Quantity": 1, "UnitPrice": "1.25",
         "InvoiceDate": "2011-05-05 10:00:00", "Country": "France", "LineNo": 1}


def resident_mb(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def connect(port, receive_bytes=None):
    """A connection that is on its way; whether it comes about is seen when it is used."""
    made = socket.socket()
    made.setblocking(False)
    if receive_bytes:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    made.connect_ex(("127.0.0.1", port))
    return made


class Attack(threading.Thread):
    """So many connections; every two seconds each makes its next small step, and one that the
    server has ended is replaced, after a pause."""

    PAUSE_S = 0

    def __init__(self, port, connections):
        super().__init__()
        self._port, self._over = port, threading.Event()
        self._connections = [None] * connections
        self.replaced = -connections

    def run(self):
        while not self._over.is_set():
            began = time.monotonic()
            for at, connection in enumerate(self._connections):
                if self._over.is_set():
                    break
                if connection is None or not self.step(connection):
                    self.replace(at)
                if at % 100 == 99:
                    time.sleep(0.02)
            self._over.wait(max(0.0, began + 2 - time.monotonic()))

    def replace(self, at):
        self.replaced += 1
        if self._connections[at]:
            self._connections[at].close()
        self._connections[at] = self.open(self._port)
        time.sleep(self.PAUSE_S)

    def pause(self):
        """No further step; the connections stay open."""
        self._over.set()
        self.join()

    def close(self):
        for connection in self._connections:
            if connection:
                connection.close()


class SlowHeads(Attack):
    """A byte of a head at a time."""

    def open(self, port):
        return connect(port)

    def step(self, connection):
        try:
            sent = connection.send(HEAD[:1])
        except BlockingIOError:
            return True  # not connected yet
        except OSError:
            return False
        try:
            return sent == 1 and connection.recv(1) != b""
        except BlockingIOError:
            return True
        except OSError:
            return False


def connect_and_send(port, request, receive_bytes=None):
    """A connection that has sent its request, as far as the server would take it."""
    connection = connect(port, receive_bytes)
    with selectors.DefaultSelector() as selector:
        selector.register(connection, selectors.EVENT_WRITE)
        selector.select(1)
    try:
        connection.send(request)
    except OSError:
        pass
    return connection


class SlowBodies(SlowHeads):
    """A head, and then a byte of its body at a time."""

    ASK = head_of("POST /v1/transactions HTTP/1.1", {
        "Host": "shop.test", "Content-Type": "application/json", "Content-Length": "1000"})

    def open(self, port):
        return connect_and_send(port, self.ASK)


class RefusedBodies(SlowBodies):
    """The same to a place that there is none of: the refusal is not waited for."""

    ASK = SlowBodies.ASK.replace(b"/v1/transactions", b"/nowhere")


class SlowReaders(Attack):
    """Asks for more than the sockets hold, and reads a byte of it at a time. They come one by one,
    because making so many answers at once would be an attack of another kind."""

    PAUSE_S = 0.06
    BAD = b"{}\n" * 1_000  # each with its list of errors: 0.7 MB of answer
    ASK = 8 * (head_of("POST /v1/transactions HTTP/1.1", {
        "Host": "shop.test", "Content-Type": "application/x-ndjson",
        "Content-Length": str(len(BAD))}) + BAD)

    def open(self, port):
        return connect_and_send(port, self.ASK, 2_048)

    def step(self, connection):
        try:
            return connection.recv(1) != b""
        except BlockingIOError:
            return True
        except OSError:
            return False


class ManyReaders(SlowReaders):
    """All at once, and their answers are more than there is room for (http.max_in_flight_mb)."""

    PAUSE_S = 0


class NormalClient:
    """Posts events one after the other, in turn on a connection that it keeps and on a new one.
    When the one that it keeps has given its place to another while it was idle, it makes a new one,
    as all clients do."""

    def __init__(self, port):
        self._port, self._kept = port, Wire(port)
        body = json.dumps(EVENT).encode()
        self._request = head_of("POST /v1/transactions HTTP/1.1", {
            "Host": "shop.test", "Content-Type": "application/json",
            "Content-Length": len(body)}) + body
        self.milliseconds, self.statuses, self.kept_anew = [], [], 0

    def close(self):
        self._kept.socket.close()

    def post(self, is_new):
        began = time.monotonic()
        wire = Wire(self._port) if is_new else self._kept
        wire.send(self._request)
        answer = wire.answer()
        if not answer and not is_new:
            self.kept_anew += 1
            self._kept.socket.close()
            wire = self._kept = Wire(self._port)
            wire.send(self._request)
            answer = wire.answer()
        if is_new:
            wire.socket.close()
        self.milliseconds.append((time.monotonic() - began) * 1e3)
        self.statuses.append(answer and answer.status)

    def go_on(self, seconds):
        until, is_new = time.monotonic() + seconds, False
        while time.monotonic() < until:
            self.post(is_new)
            is_new = not is_new
            time.sleep(0.01)

    def p99(self):
        return statistics.quantiles(self.milliseconds, n=100)[98]


class SlowLoris(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard < SLOW_HEADS + 500:
            raise unittest.SkipTest(f"{hard} open files are allowed, too few for so many clients")
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        cls.addClassCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))

    def served_during(self, attack_of, connections, refused_share_max=0.0):
        with Sandbox() as box, Up(box, role="gateway") as up:
            up.start()
            before = resident_mb(up.process.pid)
            attack = attack_of(up.port, connections)
            self.addCleanup(attack.close)
            attack.start()
            try:
                wait_until(lambda: attack.replaced >= 0, 20, "the attack is on")
                client = NormalClient(up.port)
                self.addCleanup(client.close)
                held = up.metric("tillrace_http_connections")
                client.go_on(ATTACK_S)
                after = resident_mb(up.process.pid)
            finally:
                attack.pause()
            print(f"{connections} {attack_of.__name__}: {held:.0f} connections held,"
                  f" {attack.replaced} ended and replaced; {len(client.statuses)} normal events,"
                  f" p50 {statistics.median(client.milliseconds):.1f} ms, p99"
                  f" {client.p99():.1f} ms, {client.statuses.count(429)} told to wait; memory"
                  f" {before:.0f} MB, then {after:.0f} MB", flush=True)
            self.assertGreater(held, min(connections, 4_096) * 0.8)
            refused = client.statuses.count(429) / len(client.statuses)
            self.assertLessEqual(set(client.statuses), {201, 429})
            self.assertLessEqual(refused, refused_share_max)
            self.assertLessEqual(client.kept_anew, len(client.statuses) * KEPT_ANEW_SHARE_MAX)
            self.assertLess(after, RSS_MB_MAX)
            began = time.monotonic()
            # Those that were told 429 to all they asked for are idle now.
            what, most = ("in_flight_bytes", 0) if refused_share_max else ("connections", 2)
            wait_until(lambda: up.metric(f"tillrace_http_{what}") <= most, GONE_WITHIN_S,
                       "the slow ones are gone", 0.2)
            print(f"all were gone {time.monotonic() - began:.1f} s after their last byte",
                  flush=True)
            self.assertLess(client.p99(), P99_MS_MAX * SLOWNESS)
            self.assertEqual(up.stop()[0], 0)

    def test_slow_heads(self):
        self.served_during(SlowHeads, SLOW_HEADS)

    def test_slow_bodies(self):
        self.served_during(SlowBodies, SLOW_HEADS)

    def test_refused_bodies(self):
        self.served_during(RefusedBodies, SLOW_HEADS)

    def test_slow_readers(self):
        self.served_during(SlowReaders, SLOW_READERS)

    def test_many_readers(self):
        """Until the first second is over, and their answers give way, others are told 429."""
        self.served_during(ManyReaders, MANY_READERS, refused_share_max=0.2)


if __name__ == "__main__":
    unittest.main(verbosity=2)
