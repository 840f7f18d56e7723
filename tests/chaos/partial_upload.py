"""A long NDJSON body under one Idempotency-Key, on a line that breaks and a server that is killed.

Every try sends the body from its start, as any client would. Connections are cut at random places
and the process is killed (-9) at random moments, until one try reaches the end. Then the answer
must tell of every record, in order, and each is in the log's topic and in the warehouse once.
Memory stays bounded however long the body is. Single requests under a key of their own meet the
same kills.

Short form (CI): 40 MB. From the environment:
  TILLRACE_UPLOAD_MB=1000    so long a body; memory must not grow with it
  TILLRACE_CHAOS_SEED=42     the moments of an earlier run (default: of the time; it is printed)
"""

import http.client
import json
import os
import socket
import sys
import threading
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

from chaos import random_of
from sandbox import Sandbox
from tillrace import SLOWNESS, Up, free_port, wait_until

MEGABYTES = int(os.environ.get("TILLRACE_UPLOAD_MB", "40"))
RSS_MB_MAX = 150  # of the gateway alone, whatever the body's length
BAD_EVERY = 10_000  # records; every such one is no event
LINE = ('{{"InvoiceNo":"{0}","StockCode":"85123A","Description":"WHITE HANGING HEART T-LIGHT",'
        '"Quantity":{1},"InvoiceDate":"2010-12-01 08:26:00","UnitPrice":2.55,"CustomerID":"17850",'
        '"Country":"United Kingdom"}}\n')
FIRST_INVOICE = 5_000_000
LINE_BYTES = len(LINE.format(FIRST_INVOICE, 1))
RECORDS = MEGABYTES * 1_000_000 // LINE_BYTES
HEAD = ("POST /v1/transactions?partial=true HTTP/1.1\r\nHost: shop\r\nContent-Type: "
        "application/x-ndjson\r\nIdempotency-Key: {}\r\nContent-Length: {}\r\n\r\n")


def lines(first, last):
    """Records [first, last). Thirty share an invoice; they have no identity but the key's."""
    out = []
    for number in range(first, last):
        bad = number % BAD_EVERY == BAD_EVERY - 1
        out.append(LINE.format(FIRST_INVOICE + number // 30, 0 if bad else 1 + number % 9))
    return "".join(out).encode()


def bad_records():
    return RECORDS // BAD_EVERY


class Reader(threading.Thread):
    """Reads an answer's lines while the body is sent. Bodies are chunked; a chunk may hold any
    number of lines."""

    def __init__(self, connection):
        super().__init__()
        self._connection = connection
        self.lines, self.error = [], None

    def run(self):
        try:
            answer = http.client.HTTPResponse(self._connection)
            answer.begin()
            if answer.status != 207:
                self.error = (answer.status, answer.read())
                return
            for line in answer:
                self.lines.append(json.loads(line))
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.error = error


def upload(port, key, cut_after):
    """One try; cut_after bytes of the body the connection is reset (None: never). The lines of the
    answer, and what went wrong with it."""
    with socket.create_connection(("127.0.0.1", port), 60 * SLOWNESS) as connection:
        reader = Reader(connection)
        reader.start()
        sent = 0
        try:
            connection.sendall(HEAD.format(key, body_length()).encode())
            for first in range(0, RECORDS, 2_000):
                part = lines(first, min(first + 2_000, RECORDS))
                if cut_after is not None and sent + len(part) > cut_after:
                    connection.sendall(part[:cut_after - sent])
                    connection.shutdown(socket.SHUT_RDWR)
                    break
                connection.sendall(part)
                sent += len(part)
        except OSError as error:
            reader.error = error
        reader.join(60 * SLOWNESS)
        return reader.lines, reader.error


def body_length():
    return RECORDS * LINE_BYTES  # every line is as long as the first


class PartialUpload(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.random = random_of("partial_upload")
        cls.box = Sandbox()
        cls.addClassCleanup(cls.box.close)

    def test_what_broke_off_is_taken_up_again_and_told_of_whole(self):
        port = free_port()
        with Up(self.box, "upload", f"127.0.0.1:{port}", ["--log-level", "warning"]) as up:
            up.start()
            tries, kills = self.break_and_kill(up, port)
            told, error = upload(port, "the-upload", None)
            self.assertIsNone(error)
            self.check_answer(told)
            print(f"{RECORDS:,} records, {tries} tries broken off, {kills} kills", flush=True)
            up.await_lag_0(600)
            good = RECORDS - bad_records()
            self.assertEqual(int(up.value("select count(*) from shop.invoice_line")), good)
            self.check_log(up, good)

    def break_and_kill(self, up, port):
        tries = kills = 0
        for number in range(6):
            killer = None
            if number % 2:
                killer = threading.Timer(self.random.uniform(0.1, 1.0), up.process.kill)
                killer.start()
            told, error = upload(port, "the-upload", self.random.randrange(body_length()))
            tries += 1
            self.check_order(told)
            if killer:
                killer.join()
                up.process.wait()
                kills += 1
                up.start()
        return tries, kills

    def check_order(self, told):
        """What was told follows record by record, also where it breaks off."""
        next_index = 0
        for line in told:
            if "records" in line:
                break
            first = line.get("index", line.get("first_index"))
            if first is None:
                break
            self.assertEqual(first, next_index)
            next_index = line.get("last_index", first) + 1
        return next_index

    def check_answer(self, told):
        self.assertEqual(self.check_order(told), RECORDS)
        end = told[-1]
        self.assertEqual((end["records"], end["accepted"], end["refused"], end["complete"]),
                         (RECORDS, RECORDS - bad_records(), bad_records(), True))
        self.assertTrue(any(line.get("replay") for line in told))

    def check_log(self, up, good):
        topics = up.run("topics", "list", "--json").json()
        self.assertEqual(sum(topic["end"] - topic["first"] for topic in topics), good,
                         "chunks that were known were stored again")

    def test_memory_does_not_grow_with_the_body(self):
        port = free_port()
        with Up(self.box, "memory", f"127.0.0.1:{port}", role="gateway") as up:
            up.start()
            began = time.monotonic()
            told, error = upload(port, "m", None)
            self.assertIsNone(error)
            self.check_order(told)
            seconds = time.monotonic() - began
            with open(f"/proc/{up.process.pid}/status", encoding="ascii") as status:
                peak = next(line for line in status if line.startswith("VmHWM")).split()[1]
            print(f"{body_length() / 1e6:,.0f} MB in {seconds:.1f} s,"
                  f" peak {int(peak) / 1024:.0f} MB, answer of {len(told):,} lines", flush=True)
            self.assertLess(int(peak) / 1024, RSS_MB_MAX * (1 if SLOWNESS == 1 else 10))

    def test_a_request_under_a_key_is_stored_once_whatever_is_killed(self):
        port = free_port()
        with Up(self.box, "keyed", f"127.0.0.1:{port}", ["--log-level", "warning"]) as up:
            up.start()
            answers, replays = {}, 0
            for number in range(60):
                if number % 12 == 6:
                    threading.Timer(self.random.uniform(0, 0.02), up.process.kill).start()
                    self.post_keyed(port, number)  # answered, or not
                    up.process.wait()
                    up.start()
                answers[number], _ = self.post_until_answered(port, number)
            for number in range(60):
                again, replayed = self.post_until_answered(port, number)
                self.assertEqual(again, answers[number])
                replays += replayed
            self.assertEqual(replays, 60)
            up.await_lag_0()
            self.assertEqual(int(up.value("select count(*) from shop.invoice_line")), 60)
            self.check_log(up, 60)

    def post_keyed(self, port, number):
        """(status, body, whether it is a replay), or None without an answer."""
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10 * SLOWNESS)
            connection.request("POST", "/v1/transactions", lines(number * 30, number * 30 + 1), {
                "Content-Type": "application/json", "Idempotency-Key": f"order-{number}"})
            answer = connection.getresponse()
            return answer.status, answer.read(), "Idempotent-Replay" in answer.headers
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def post_until_answered(self, port, number):
        status, body, replayed = wait_until(
            lambda: self.post_keyed(port, number), 30, "an answer")
        self.assertEqual(status, 201, body)
        return body, replayed


if __name__ == "__main__":
    unittest.main(verbosity=2)
