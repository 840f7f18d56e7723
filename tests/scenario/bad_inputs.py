"""Requests that are wrong, from bad_inputs.json and over raw sockets: each gets the right 4xx with
a useful word, nothing is stored, and nothing is left behind.

A case of bad_inputs.json: `name`; `method`, `path`, `version`, `headers` (null takes a usual one
away); the body as `body` (text), `base64`, `json` (a value), `repeat` ([before, piece, times,
after], for large ones), or `event` (a right event with these fields changed; null takes one
away); or `raw`, the whole request as it is sent
(a text, or like `repeat`). `pieces`: the body is sent chunked, in so many
chunks. `hang_up`: no more is sent. `status`, `type` (the problem's, without /problems/), and
`says`, texts that the answer must contain.
"""

import base64
import json
import socket
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

from sandbox import Sandbox
from tillrace import SLOWNESS, Up, wait_until
from wire import Wire, head_of, read_answer

CASES = json.loads(Path(__file__).with_name("bad_inputs.json").read_text(encoding="utf-8"))
GOOD = {
    "InvoiceNo": "536365", "StockCode": "85123A", "Description": "HOLDER", "Quantity": 6,
    "InvoiceDate": "2010-12-01 08:26:00", "UnitPrice": 2.55, "CustomerID": "17850",
    "Country": "United Kingdom",
}
HEADER_TIMEOUT_MS, BODY_TIMEOUT_MS = 600, 800
# Two threads' allocators each keep what the largest request took: a body of 8 MB, 100,000 bad
# records with six words about each, and the answer that lists them. What leaked a body or an
# answer a request would be at a multiple of it.
KEPT_MB_MAX = 200


def repeated(before, piece, times, after):
    return before + piece * times + after


def body_of(case):
    if "base64" in case:
        return base64.b64decode(case["base64"])
    if "json" in case:
        return json.dumps(case["json"]).encode()
    if "event" in case:
        event = {k: v for k, v in (GOOD | case["event"]).items() if v is not None}
        return json.dumps(event).encode()
    if "repeat" in case:
        return repeated(*case["repeat"]).encode()
    return case.get("body", "").encode()


def request_of(case):
    """The bytes of a case's request."""
    if "raw" in case:
        raw = case["raw"]
        return (raw if isinstance(raw, str) else repeated(*raw)).encode("latin-1")
    body = body_of(case)
    headers = {"Host": "shop.test", "Content-Type": "application/json"}
    if "pieces" in case:
        headers["Transfer-Encoding"] = "chunked"
        size = max(1, -(-len(body) // case["pieces"]))
        chunks = [body[at:at + size] for at in range(0, len(body), size)]
        body = b"".join(b"%x\r\n%s\r\n" % (len(each), each) for each in chunks) + b"0\r\n\r\n"
    else:
        headers["Content-Length"] = str(len(body))
    headers |= case.get("headers", {})
    target = f"{case.get('method', 'POST')} {case.get('path', '/v1/transactions')}"
    return head_of(f"{target} {case.get('version', 'HTTP/1.1')}", headers) + body


class BadInputs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.box = Sandbox()
        cls.addClassCleanup(cls.box.close)
        cls.up = Up(cls.box, env={
            "TILLRACE_HTTP__HEADER_TIMEOUT_MS": str(HEADER_TIMEOUT_MS),
            "TILLRACE_HTTP__BODY_TIMEOUT_MS": str(BODY_TIMEOUT_MS),
            "TILLRACE_LOG_LEVEL": "warning",
        })
        cls.up.start()

    @classmethod
    def tearDownClass(cls):
        if cls.up.runs():
            print(f"stopped with {cls.up.stop()}", flush=True)

    def check(self, case, answer):
        """A problem as RFC 9457 wants it, with the status and the words of the case."""
        self.assertIsNotNone(answer, "the connection was closed without an answer")
        self.assertEqual(answer.status, case["status"], answer)
        if case["status"] < 400:
            return
        self.assertEqual(answer.headers.get("content-type"), "application/problem+json", answer)
        if case.get("method") == "HEAD":
            return
        problem = json.loads(answer.body)
        self.assertEqual(problem["status"], case["status"])
        self.assertEqual(problem["type"], "/problems/" + case["type"], answer)
        for member in ("title", "detail"):
            self.assertTrue(problem[member], f"no {member}: {answer}")
        for text in case.get("says", []):
            self.assertIn(text, answer.body.decode(), case["name"])

    def nothing_was_stored(self):
        self.assertEqual(self.up.get("/readyz")[0], 200)
        topics = self.up.run("topics", "list", "--json").json()
        self.assertEqual([(t["first"], t["end"]) for t in topics], [(0, 0)])
        for table in ("shop.invoice_line", "shop.invoice", "shop.customer", "shop.product",
                      "shop.country", "stream.rejected", "report.sales_by_hour_part"):
            self.assertEqual(self.up.value(f"select count(*) from {table}"), "0", table)

    def resident_mb(self):
        return self.up.metric("process_resident_memory_bytes") / 1e6

    def test_each_gets_its_answer_and_leaves_nothing(self):
        before = self.resident_mb()
        for case in CASES:
            with self.subTest(case["name"]), Wire(self.up.port) as wire:
                wire.send(request_of(case))
                if case.get("hang_up"):
                    wire.hang_up()
                self.check(case, wire.answer(case.get("method") == "HEAD"))
        self.nothing_was_stored()
        # The one that asks is open.
        wait_until(lambda: self.up.metric("tillrace_http_connections") <= 1, 10,
                   "all connections are closed")
        self.send_the_large_ones(8)
        after = self.resident_mb()
        print(f"{len(CASES)} bad inputs, and the large ones eight times more: resident"
              f" {before:.1f} MB before, {after:.1f} MB after", flush=True)
        if SLOWNESS == 1:  # a sanitizer's allocator keeps what was freed
            self.assertLess(after - before, KEPT_MB_MAX)
        self.nothing_was_stored()

    def send_the_large_ones(self, times):
        large = [case for case in CASES if "repeat" in case]
        for case in large * times:
            with Wire(self.up.port) as wire:
                wire.send(request_of(case))
                wire.answer()

    def test_a_refused_request_keeps_the_connection_for_the_next(self):
        with Wire(self.up.port) as wire:
            for wrong in ({"Quantity": 0}, {"UnitPrice": "x"}, {"Country": ""}):
                wire.send(request_of({"event": wrong}))
                self.check({"name": str(wrong), "status": 422, "type": "invalid-events",
                            "says": list(wrong)}, wire.answer())
            wire.send(head_of("GET /healthz HTTP/1.1", {"Host": "shop.test"}))
            self.assertEqual(wire.answer().status, 200)
        self.nothing_was_stored()

    def test_a_writer_that_pauses_in_its_body_is_told_and_cut(self):
        began = time.monotonic()
        with Wire(self.up.port) as wire:
            wire.send(head_of("POST /v1/transactions HTTP/1.1", {
                "Host": "shop.test", "Content-Type": "application/json", "Content-Length": "500"}))
            wire.send(b'{"InvoiceNo":')
            answer = wire.answer()
            took = time.monotonic() - began
            self.check({"name": "pause", "status": 408, "type": "request-timeout",
                        "says": [f"{BODY_TIMEOUT_MS} ms"]}, answer)
            self.assertTrue(wire.is_closed())
        self.assertGreaterEqual(took, BODY_TIMEOUT_MS / 1000 * 0.9)
        print(f"a pause in a body: 408 after {took:.2f} s", flush=True)
        self.nothing_was_stored()

    def test_a_writer_of_a_byte_now_and_then_is_cut_too(self):
        began = time.monotonic()
        with Wire(self.up.port) as wire:
            wire.send(head_of("POST /v1/transactions HTTP/1.1", {
                "Host": "shop.test", "Content-Type": "application/json",
                "Content-Length": "100000"}))
            answer = self.drip(wire, b" ")
        self.check({"name": "drip", "status": 408, "type": "request-timeout",
                    "says": ["bytes a second"]}, answer)
        print(f"a body of a byte now and then: 408 after {time.monotonic() - began:.2f} s",
              flush=True)

    def test_a_slow_loris_in_the_head_is_told_and_cut(self):
        began = time.monotonic()
        with Wire(self.up.port) as wire:
            wire.send(b"POST /v1/transactions HTTP/1.1\r\nHost: shop.test\r\nX-Slow: ")
            answer = self.drip(wire, b"z")
        took = time.monotonic() - began
        self.check({"name": "loris", "status": 408, "type": "request-timeout",
                    "says": [f"{HEADER_TIMEOUT_MS} ms"]}, answer)
        self.assertLess(took, 4 * HEADER_TIMEOUT_MS / 1000 * SLOWNESS)
        print(f"a slow loris: 408 after {took:.2f} s", flush=True)

    def drip(self, wire, byte):
        """Sends a byte every 50 ms until there is an answer."""
        for _ in range(int(200 * SLOWNESS)):
            wire.socket.settimeout(0.05)
            try:
                if wire.socket.recv(1, socket.MSG_PEEK):
                    break
            except TimeoutError:
                wire.send(byte)
        wire.socket.settimeout(20)
        return read_answer(wire.socket)


if __name__ == "__main__":
    unittest.main(verbosity=2)
