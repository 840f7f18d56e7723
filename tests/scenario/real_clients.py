"""Clients that nobody here wrote, against the running program: curl, wrk, Python's requests with
urllib3's retries, and the Postman collection in newman."""

import gzip
import json
import re
import sys
import threading
import time
import unittest
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(SOURCE / "tests/support"), str(SOURCE / "tools")]

import api_examples
import test_tools
from running import Running
from tillrace import SLOWNESS, wait_until
from wire import Wire, head_of

JSON, LINES = "Content-Type: application/json", "Content-Type: application/x-ndjson"
CHUNK_BYTES = 256 << 10  # that partial=true makes durable before it reads on
BAD = {"Quantity": 0}


def event(line_no, invoice="970000", **changed):
    return {"InvoiceNo": invoice, "StockCode": "22423", "Description": "REGENCY CAKESTAND 3 TIER",
            "Quantity": 1, "InvoiceDate": "2011-05-05 10:00:00", "UnitPrice": 12.75,
            "CustomerID": "12583", "Country": "France", "LineNo": line_no} | changed


def lines_of(count, invoice, bad=()):
    """NDJSON; the records at the places `bad` are to be refused."""
    made = [event(at + 1, invoice, **(BAD if at in bad else {})) for at in range(count)]
    return "".join(json.dumps(each) + "\n" for each in made).encode()


class Clients(Running):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.events = cls.up.url + "/v1/transactions"

    def start(self, *command, **options):
        options = {"stdin": -1, "stdout": -1, "stderr": -1} | options
        return self.box.spawn(list(map(str, command)), **options)

    def run_client(self, *command, stdin=b"", seconds=60):
        child = self.start(*command)
        out, err = child.communicate(stdin, timeout=seconds * SLOWNESS)
        self.assertEqual(child.returncode, 0, f"{command}\n{out.decode()}\n{err.decode()}")
        return out.decode()

    def stored(self, invoice):
        """How many lines of an invoice are in PostgreSQL."""
        self.up.await_lag_0()
        found = self.up.value(
            f"select count(*) from shop.invoice_line where invoice_no = '{invoice}'")
        return int(found)


class Curl(Clients):
    def curl(self, *arguments, stdin=b""):
        """(the status of each answer, what was said)."""
        curl = test_tools.program("curl")
        said = self.run_client(curl, "-sS", "-w", "\n%{http_code}\n", *arguments, stdin=stdin)
        *body, status = said.rstrip("\n").split("\n")
        return int(status), "\n".join(body)

    def sends(self, *arguments, stdin=b"", path=""):
        status, body = self.curl(self.events + path, *arguments, stdin=stdin)
        self.assertEqual(status, 201, body)
        return json.loads(body)

    def test_sends_one_event(self):
        answer = self.sends("-H", JSON, "-d", json.dumps(event(1, "971000")))
        self.assertEqual(set(answer), {"event_id", "partition", "offset"})
        self.assertEqual(self.stored("971000"), 1)

    def test_sends_a_file_as_a_batch(self):
        path = Path(self.box.path("batch.ndjson"))
        path.write_bytes(lines_of(500, "971001"))
        answer = self.sends("-H", LINES, "--data-binary", f"@{path}")
        self.assertEqual(answer["accepted"], 500)
        self.assertEqual(self.stored("971001"), 500)

    def test_sends_what_gzip_and_zstd_made(self):
        path = Path(self.box.path("packed.ndjson"))
        for number, program in enumerate(("gzip", "zstd")):
            with self.subTest(program):
                invoice = f"97101{number}"
                path.write_bytes(lines_of(500, invoice))
                packed = self.start(test_tools.program(program), "-c", path).communicate()[0]
                self.assertLess(len(packed), path.stat().st_size / 5)
                answer = self.sends("-H", LINES, "-H", f"Content-Encoding: {program}",
                                    "--data-binary", "@-", stdin=packed)
                self.assertEqual(answer["accepted"], 500)
                self.assertEqual(self.stored(invoice), 500)

    def test_uploads_in_chunks_of_unknown_number(self):
        answer = self.sends("-X", "POST", "-H", LINES, "-T", "-", stdin=lines_of(3000, "971003"))
        self.assertEqual(answer["accepted"], 3000)

    def test_waits_for_100_continue(self):
        status, said = self.curl(self.events, "-v", "--stderr", "-", "-H", JSON, "-H",
                                 "Expect: 100-continue", "-d", json.dumps(event(1, "971004")))
        self.assertEqual(status, 201, said)
        self.assertIn("< HTTP/1.1 100 Continue", said)

    def test_speaks_http_1_0(self):
        answer = self.sends("--http1.0", "-H", JSON, "-d", json.dumps(event(1, "971005")))
        self.assertIn("offset", answer)

    def test_asks_for_heads(self):
        for path in ("/healthz", "/openapi.json", "/docs", "/problems/busy"):
            status, said = self.curl("-I", self.up.url + path)
            self.assertEqual(status, 200, path)
            head, _, body = said.replace("\r", "").partition("\n\n")
            self.assertRegex(head, r"(?im)^content-length: [1-9]\d*$")
            self.assertEqual(body.strip(), "")

    def test_uses_one_connection_for_many_urls(self):
        urls = [self.up.url + path for path in ("/healthz", "/readyz", "/problems", "/healthz")]
        outputs = [word for _ in urls for word in ("-o", self.box.path("ignored"))]
        said = self.run_client(test_tools.program("curl"), "-sS", "-w",
                               "%{http_code} %{num_connects}\n", *outputs, *urls)
        self.assertEqual(said.splitlines(), ["200 1", "200 0", "200 0", "200 0"])

    def test_reads_the_answer_to_a_stream_while_it_sends(self):
        """`-T .` is curl's way to read and write at once; the rest is not sent before the first
        chunks are answered, and in PostgreSQL."""
        child = self.start(
            test_tools.program("curl"), "-sS", "-N", "-X", "POST", "-H", LINES, "-T", ".",
            self.events + "?partial=true")
        count = 6000
        first = lines_of(count, "971006", bad=[7])
        self.assertGreater(len(first), 4 * CHUNK_BYTES)
        child.stdin.write(first)
        child.stdin.flush()
        lines = [json.loads(child.stdout.readline()) for _ in range(3)]
        told = lines[-1]["last_index"] + 1
        self.assertEqual([line["status"] for line in lines], [201, 422, 201])
        self.assertEqual((lines[0]["last_index"], lines[1]["index"]), (6, 7))
        self.assertGreaterEqual(self.stored("971006"), told - 1)  # later chunks may be there too
        out, err = child.communicate(lines_of(10, "971007"), timeout=30 * SLOWNESS)
        self.assertEqual(child.returncode, 0, err.decode())
        self.assertEqual(json.loads(out.splitlines()[-1]),
                         {"records": count + 10, "accepted": count + 9, "refused": 1,
                          "complete": True})
        self.assertEqual((self.stored("971006"), self.stored("971007")), (count - 1, 10))

    def test_streams_more_than_a_batch_may_have(self):
        path = Path(self.box.path("long.ndjson"))
        path.write_bytes(lines_of(50_000, "971008", bad=[0, 49_999]))
        self.assertGreater(path.stat().st_size, 8 << 20)
        status, _ = self.curl(self.events, "-H", LINES, "--data-binary", f"@{path}")
        self.assertEqual(status, 413)
        status, said = self.curl(self.events + "?partial=true", "-N", "-X", "POST", "-H", LINES,
                                 "-T", "-", stdin=path.read_bytes())
        self.assertEqual(status, 207, said[:500])
        lines = [json.loads(line) for line in said.splitlines()]
        self.assertEqual((lines[0]["index"], lines[-2]["index"]), (0, 49_999))
        self.assertEqual(lines[-1], {"records": 50_000, "accepted": 49_998, "refused": 2,
                                     "complete": True})
        self.assertEqual(self.stored("971008"), 49_998)

    def test_gets_the_first_answer_again_under_a_key(self):
        body = event(1, "971009")
        del body["LineNo"]
        request = [self.events, "-i", "-H", JSON, "-H", "Idempotency-Key: till-1-000001",
                   "-d", json.dumps(body)]
        (first, said), (second, again) = self.curl(*request), self.curl(*request)
        self.assertEqual((first, second), (201, 201))
        self.assertNotIn("Idempotent-Replay", said)
        self.assertIn("Idempotent-Replay: true", again)
        self.assertEqual(said.splitlines()[-1], again.splitlines()[-1])
        self.assertEqual(self.stored("971009"), 1)


class Wrk(Clients):
    SECONDS = 3
    SCRIPT = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = [[%s]]
done = function(summary, latency, requests)
  local e = summary.errors
  print(string.format("counted %%d %%d", summary.requests,
                      e.connect + e.read + e.write + e.status + e.timeout))
end
"""

    def test_every_request_under_load_is_taken(self):
        script = Path(self.box.path("post.lua"))
        script.write_text(self.SCRIPT % json.dumps(event(1, "972000")), encoding="utf-8")
        said = self.run_client(test_tools.program("wrk"), "-t1", "-c32", f"-d{self.SECONDS}s",
                               "-s", script, self.events)
        requests, errors = map(int, re.search(r"counted (\d+) (\d+)", said).groups())
        print(f"wrk: {requests / self.SECONDS:,.0f} single events a second", flush=True)
        self.assertEqual(errors, 0, said)
        self.assertGreater(requests, 100)
        self.assertGreaterEqual(self.up.metric("tillrace_gateway_written_total"), requests)
        self.assertEqual(self.stored("972000"), 1)  # one line, however often it was sent


class PythonRequests(Clients):
    """A session that repeats what is refused with 429 or 503, when Retry-After says so."""

    @classmethod
    def setUpClass(cls):
        test_tools.python_modules()
        super().setUpClass()

    def session(self):
        import requests
        from requests.adapters import HTTPAdapter
        from urllib3.util import Retry
        session = requests.Session()
        # Nothing is repeated but what the answer's Retry-After allows.
        patience = Retry(total=8, status=8, connect=0, read=0, backoff_factor=0,
                         status_forcelist=[429, 503], allowed_methods=None,
                         respect_retry_after_header=True, raise_on_status=False)
        session.mount("http://", HTTPAdapter(max_retries=patience, pool_maxsize=1))
        self.addCleanup(session.close)
        return session

    def later(self, seconds, action):
        timer = threading.Timer(seconds, action)
        timer.start()
        self.addCleanup(timer.cancel)

    def is_told_to_wait(self, status, invoice):
        """The first answer is `status` with Retry-After, and the session comes back by itself."""
        began = time.monotonic()
        answer = self.session().post(self.events, json=event(1, invoice), timeout=10 * SLOWNESS)
        took = time.monotonic() - began
        self.assertEqual(answer.status_code, 201, answer.text)
        refused = [each.status for each in answer.raw.retries.history]
        self.assertEqual(set(refused), {status}, "every refusal")
        self.assertGreaterEqual(took, 1)  # the shortest Retry-After there is
        print(f"{status} {len(refused)} times, then taken after {took:.1f} s", flush=True)
        self.assertEqual(self.stored(invoice), 1)


class Requests(PythonRequests):
    def test_keeps_its_connection(self):
        session = self.session()
        for number in range(1, 21):
            answer = session.post(self.events, json=event(number, "973000"), timeout=10 * SLOWNESS)
            self.assertEqual(answer.status_code, 201, answer.text)
        pools = session.get_adapter(self.up.url).poolmanager.pools
        used = [(pools[key].num_connections, pools[key].num_requests) for key in pools.keys()]
        self.assertEqual(used, [(1, 20)])
        self.assertEqual(self.stored("973000"), 20)

    def test_sends_gzip(self):
        answer = self.session().post(
            self.events, data=gzip.compress(lines_of(100, "973001")), timeout=10 * SLOWNESS,
            headers={"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"})
        self.assertEqual((answer.status_code, answer.json()["accepted"]), (201, 100), answer.text)

    def test_streams_what_a_generator_makes(self):
        pieces = (lines_of(2000, f"97310{each}") for each in range(8))
        answer = self.session().post(
            self.events, params={"partial": "true"}, data=pieces, stream=True,
            headers={"Content-Type": "application/x-ndjson"}, timeout=30 * SLOWNESS)
        lines = [json.loads(line) for line in answer.iter_lines()]
        self.assertEqual(answer.status_code, 207, lines[:1])
        self.assertEqual(lines[-1], {"records": 16_000, "accepted": 16_000, "refused": 0,
                                     "complete": True})


def begin(wire, length):
    """Sends the head of a request whose body is to come; returns when the server waits for it."""
    wire.send(head_of("POST /v1/transactions HTTP/1.1", {
        "Host": "shop.test", "Content-Type": "application/json", "Content-Length": str(length),
        "Expect": "100-continue"}))
    assert wire.socket.recv(4096).startswith(b"HTTP/1.1 100 ")


class RequestsWithoutConnections(PythonRequests):
    SETTINGS = {"TILLRACE_HTTP__MAX_CONNECTIONS": "4"}

    def test_comes_back_after_503_when_there_are_connections_again(self):
        held = [Wire(self.up.port) for _ in range(4)]
        for wire in held:  # in the middle of a body: nobody takes its place
            begin(wire, 100)
        self.later(0.5, lambda: [wire.socket.close() for wire in held])
        self.is_told_to_wait(503, "973003")


class RequestsWithoutRoom(PythonRequests):
    ROOM_MB, BODIES = 24, 24  # a head reserves up to 1 MB: these fill the room but for a few bytes
    SETTINGS = {"TILLRACE_HTTP__MAX_IN_FLIGHT_MB": str(ROOM_MB)}

    def test_comes_back_after_429_when_the_bytes_in_flight_are_fewer(self):
        length = (self.ROOM_MB << 20) // self.BODIES - 4
        held = [Wire(self.up.port) for _ in range(self.BODIES)]
        for wire in held:
            begin(wire, length)
        self.assertEqual(self.up.metric("tillrace_http_in_flight_bytes"), length * self.BODIES)
        self.later(0.5, lambda: [wire.socket.close() for wire in held])
        self.is_told_to_wait(429, "973005")


class Postman(Clients):
    SETTINGS = {"TILLRACE_AUTH__REQUIRED": "true"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        made = cls.up.run("keys", "create", "postman", "--scope", "ingest,read,admin", "--quiet")
        cls.key = made.out.strip()
        cls.up.stop()
        cls.up.start()  # a running server looks at its keys only now and then

    def test_newman_finds_every_answer_as_the_collection_says(self):
        newman = test_tools.node_modules() / "newman/bin/newman.js"
        report = Path(self.box.path("newman.json"))
        child = self.start(
            test_tools.program("node"), newman, "run",
            SOURCE / "docs/postman/tillrace.postman_collection.json",
            "--env-var", f"baseUrl={self.up.url}", "--env-var", f"apiKey={self.key}",
            "--reporters", "json", "--reporter-json-export", report)
        _, err = child.communicate(timeout=120 * SLOWNESS)
        self.assertTrue(report.is_file(), err.decode())
        run = json.loads(report.read_text(encoding="utf-8"))["run"]
        failures = [f"{each['source']['name']}: {each['error']['message']}"
                    for each in run["failures"]]
        print(f"newman: {run['stats']['requests']['total']} requests,"
              f" {run['stats']['assertions']['total']} assertions", flush=True)
        self.assertEqual(failures, [])
        sent = api_examples.exchanges(api_examples.load())
        self.assertEqual(run["stats"]["requests"]["total"], len(sent))
        self.assertGreater(run["stats"]["assertions"]["total"], 3 * len(sent) - 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
