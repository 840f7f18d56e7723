"""Records that are not events: where they go, how they are shown, repaired and sent again.

The gateway takes none of them, so they are put into the log past it (append_raw), as another
client of a Kafka topic could.
"""

import base64
import csv
import io
import json
import os
import re
import socket
import subprocess
import sys
import threading
import unittest
import uuid
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

from garbage import GOOD, KINDS, good_event, value_of
from sandbox import Sandbox
from tillrace import BINARY, Up, free_port, run, wait_until

APPEND_RAW = os.environ.get("TILLRACE_APPEND_RAW",
                            str(Path(BINARY).resolve().parent / "tests/append_raw"))
LINE_NAMESPACE = uuid.UUID("d76574fb-4e47-5875-bc15-f0ae39b4d134")  # docs/formats/event-id.md


def append_raw(data, records):
    """(key, bytes) each, into the log of a data folder on which nothing runs."""
    lines = "".join(f"{key} {base64.b64encode(value).decode()}\n" for key, value in records)
    subprocess.run([APPEND_RAW, data], input=lines.encode(), check=True)


def repaired(row):
    """The text of an event for a record of whatever kind."""
    return json.dumps(GOOD | {"InvoiceNo": str(900_000 + row["offset"])})


def start_with_garbage(box):
    """A program with one record of each kind behind one good event."""
    up = Up(box, flags=["--log-level", "warning"])
    records = []
    for number, kind in enumerate(KINDS):
        records += [(f"good-{number}", good_event(number)), (f"bad-{number}", value_of(kind))]
    append_raw(up.data, records)
    up.start()
    up.await_lag_0()
    return up


class WithGarbage(unittest.TestCase):
    def rejected(self, *arguments, **options):
        return self.up.run("rejected", *arguments, **options)

    def exported(self, *arguments):
        return [json.loads(line) for line in
                self.rejected("export", *arguments).out.splitlines()]

    def write(self, name, text):
        Path(self.box.path(name)).write_text(text, encoding="utf-8")
        return name

    def write_repaired(self, name="repaired.ndjson"):
        rows = [row | {"value": repaired(row)} for row in self.exported()]
        return self.write(name, "".join(json.dumps(row) + "\n" for row in rows))

    def lines(self):
        return int(self.up.value("select count(*) from shop.invoice_line"))

    def resent(self):
        return int(self.up.value(
            "select count(*) from stream.rejected where resent_at is not null"))

    def await_lines(self, count):
        self.up.await_lag_0()
        self.assertEqual(self.lines(), count)


class Seen(WithGarbage):
    """Changes nothing, so one program is enough."""

    @classmethod
    def setUpClass(cls):
        cls.box = Sandbox()
        cls.addClassCleanup(cls.box.close)
        cls.up = start_with_garbage(cls.box)

    def test_every_kind_lies_there_with_its_bytes_and_the_right_reason(self):
        rows = self.exported()
        self.assertEqual(len(rows), len(KINDS))
        for number, (row, kind) in enumerate(zip(rows, KINDS, strict=True)):
            with self.subTest(kind["name"]):
                self.assertEqual((row["kind"], row["field"]), (kind["kind"], kind["field"]))
                self.assertIn(kind["says"], row["reason"])
                self.assertEqual((row["offset"], row["key"]), (2 * number + 1, f"bad-{number}"))
                came = (base64.b64decode(row["base64"]) if "base64" in row
                        else row["value"].encode())
                self.assertEqual(came, value_of(kind))
        self.assertEqual(self.lines(), len(KINDS), "and no good event was held up")
        for reason in ("not_json", "too_large", "field", "refused"):
            self.assertEqual(self.up.metric("tillrace_processor_rejected_total",
                                            f'reason="{reason}"'),
                             sum(kind["kind"] == reason for kind in KINDS))

    def test_the_list_is_newest_first_and_can_be_narrowed(self):
        rows = self.rejected("list", "--json").json()
        self.assertEqual([row["offset"] for row in rows],
                         [2 * n + 1 for n in reversed(range(len(KINDS)))])
        table = list(csv.DictReader(io.StringIO(self.rejected("list", "--csv").out)))
        self.assertEqual([row["reason"] for row in table], [row["reason"] for row in rows])
        for arguments, count in (
            (["--reason", "not_json"], sum(k["kind"] == "not_json" for k in KINDS)),
            (["--field", "Quantity"], sum(k["field"] == "Quantity" for k in KINDS)),
            (["--field", "Quantity", "-n", "2"], 2),
            (["--partition", "0", "--topic", "ingestion-topic"], len(KINDS)),
            (["--partition", "1"], 0), (["--topic", "elsewhere"], 0), (["-n", "0"], 0),
            (["--since", "2000-01-01"], len(KINDS)), (["--since", "2999-01-01 08:00"], 0),
            (["--not-resent"], len(KINDS)),
        ):
            with self.subTest(arguments):
                self.assertEqual(len(self.rejected("list", "--json", *arguments).json()), count)
        summary = self.rejected("list", "--summary", "--json").json()
        self.assertEqual(sum(row["records"] for row in summary), len(KINDS))
        self.assertEqual(sum(row["not_resent"] for row in summary), len(KINDS))

    def test_nothing_of_a_record_steers_the_terminal(self):
        out = self.rejected("list").out
        for number, kind in enumerate(KINDS):
            out += self.rejected("show", f"0:{2 * number + 1}").out
        self.assertIsNone(re.search(r"[\x00-\x08\x0b-\x1f\x7f\x80-\x9f]", out))
        self.assertIn(r"\x1b[31mred\x1b[0m\x07", out)

    def test_show_marks_what_is_wrong(self):
        def shown(name):
            number = [kind["name"] for kind in KINDS].index(name)
            return self.rejected("show", f"ingestion-topic/0:{2 * number + 1}").out

        self.assertRegex(shown("Quantity is a fraction"),
                         r'(?m)^>   "Quantity": 1\.5   <-- an integer from')
        self.assertRegex(shown("no StockCode"), r'(?m)^>   "StockCode" is missing   <-- 1 to 20')
        self.assertRegex(shown("not UTF-8"), r"(?m)^> 00000010  [0-9a-f ]*ff ")
        self.assertIn("258056 more bytes", shown("too large"))
        number = [kind["name"] for kind in KINDS].index("a number")
        answer = self.rejected("show", f"0:{2 * number + 1}", "--json").json()
        self.assertEqual((answer["value"], answer["kind"]), ("536365", "not_json"))

    def test_what_is_not_there_or_makes_no_sense_is_refused(self):
        for code, says, *arguments in (
            (1, "0:0 is not among", "show", "0:0"),
            (1, "elsewhere/0:1", "show", "elsewhere/0:1"),
            (2, "PARTITION:OFFSET", "show", "17"), (2, "PARTITION:OFFSET", "show", "0:-1"),
            (2, "PARTITION:OFFSET", "show", "a:b"), (2, "RECORD", "show"),
            (2, "did you mean 'not_json'", "list", "--reason", "not_jsn"),
            (2, "did you mean 'Quantity'", "export", "--field", "quantity"),
            (2, "tomorrowish", "list", "--since", "tomorrowish"),
            (2, "--partition", "list", "--partition", "-1"),
            (2, "which records?", "resend"), (2, "not both", "resend", "0:1", "--all"),
            (2, "--from names", "resend", "--from", "x", "--all"),
            (1, "absent.ndjson", "resend", "--from", "absent.ndjson"),
            (1, "0:0 is not among", "resend", "0:0"),
            (2, "did you mean 'resend'", "rsend"),
        ):
            with self.subTest(arguments):
                answer = self.rejected(*arguments, expect=code)
                self.assertIn(says, answer.err)
                self.assertEqual(answer.out, "")
        self.assertEqual(self.resent(), 0)


    def test_what_is_still_wrong_is_refused_with_its_field_and_stays(self):
        answer = self.rejected("resend", "--all", "--json", expect=1)
        self.assertEqual(answer.json(), {"selected": len(KINDS), "resent": 0,
                                         "refused": len(KINDS), "open": 0})
        for number, kind in enumerate(KINDS):
            if kind["field"]:
                self.assertRegex(answer.err, rf"(?m)^0:{2 * number + 1}: .*{kind['field']}: ")
        self.assertEqual(len(re.findall(r"(?m)^0:\d+: ", answer.err)), len(KINDS))
        self.assertEqual(self.resent(), 0)
        self.await_lines(len(KINDS))

    def test_a_dry_run_shows_the_events_and_sends_nothing(self):
        file = self.write_repaired()
        answer = self.rejected("resend", "--from", file, "--dry-run",
                               "--url", f"http://127.0.0.1:{free_port()}")
        events = [json.loads(line) for line in answer.out.splitlines()]
        self.assertEqual(len(events), len(KINDS))
        self.assertEqual(len({event["EventId"] for event in events}), len(KINDS))
        answer = self.rejected("resend", "--all", "--dry-run", expect=1)
        self.assertEqual(answer.out, "")
        self.assertEqual(len(re.findall(r"(?m)^0:\d+: ", answer.err)), len(KINDS))
        self.assertEqual((self.resent(), self.lines()), (0, len(KINDS)))

    def test_a_file_that_is_wrong_sends_nothing_of_it(self):
        good = {"topic": "ingestion-topic", "partition": 0, "offset": 1, "value": repaired(
            {"offset": 1})}
        for code, says, text in (
            (2, "line 2", json.dumps(good) + "\n{"),
            (2, "is there twice", json.dumps(good) + "\n" + json.dumps(good)),
            (2, "topic, partition and offset", json.dumps({"value": "{}"})),
            (2, "neither value nor base64", json.dumps(good | {"value": None}).replace(
                '"value": null', '"x": 1')),
            (2, "not Base64", json.dumps({k: v for k, v in good.items() if k != "value"}
                                         | {"base64": "?"})),
            (1, "0:2 is not among", json.dumps(good) + "\n" + json.dumps(good | {"offset": 2})),
            (2, "must name a record", "# something\n{}\n"),
        ):
            with self.subTest(says):
                file = self.write("wrong", text)
                answer = self.rejected("resend", "--from", file, expect=code)
                self.assertIn(says, answer.err)
                self.assertEqual(self.resent(), 0)
        self.await_lines(len(KINDS))


class SentAgain(WithGarbage):
    """Each test has a program of its own."""

    def setUp(self):
        self.box = Sandbox()
        self.addCleanup(self.box.close)
        self.up = start_with_garbage(self.box)

    def test_a_repaired_export_goes_in_once_however_often_it_is_sent(self):
        file = self.write_repaired()
        for times in (1, 2):
            summary = self.rejected("resend", "--from", file, "--json").json()
            self.assertEqual((summary["resent"], summary["refused"]), (len(KINDS), 0))
            self.await_lines(2 * len(KINDS))
            self.assertEqual(
                self.up.sql("select count(*), bool_and(resent_edited), min(resent_times),"
                            " max(resent_times), bool_and(resent_as = event_id)"
                            " from stream.rejected"),
                [[str(len(KINDS)), "t", str(times), str(times), "t"]])
        self.assertEqual(self.rejected("list", "--not-resent", "--json").json(), [])
        summary = self.rejected("resend", "--all", "--json").json()
        self.assertEqual(summary["selected"], 0, "what was sent again is not sent with all others")

    def test_an_event_that_names_its_line_keeps_its_name(self):
        named = [{"EventId": "018f6b1c-7d2e-7c3a-9b1f-2a3c4d5e6f70"}, {"LineNo": 3}]
        for offset, more in zip((1, 3), named, strict=True):
            row = {"topic": "ingestion-topic", "partition": 0, "offset": offset,
                   "value": GOOD | more}
            file = self.write("named.ndjson", json.dumps(row))
            self.rejected("resend", "--from", file)
        self.assertEqual(
            self.up.sql('select resent_as from stream.rejected where "offset" <= 3'
                        ' order by "offset"'),
            [["018f6b1c-7d2e-7c3a-9b1f-2a3c4d5e6f70"],
             [str(uuid.uuid5(LINE_NAMESPACE, "700001/3"))]])

    def test_an_editor_repairs_some_and_leaves_others_out(self):
        number = [kind["name"] for kind in KINDS].index("Quantity is a fraction")
        record = f"0:{2 * number + 1}"
        env = {"EDITOR": "sed -i 's/\"Quantity\": 1.5/\"Quantity\": 2/'", "VISUAL": ""}
        self.rejected("resend", record, "--edit", env=env)
        self.await_lines(len(KINDS) + 1)
        self.assertEqual(
            self.up.sql('select "offset", resent_edited from stream.rejected'
                        " where resent_at is not null"), [[str(2 * number + 1), "t"]])
        before = self.lines()
        env = {"VISUAL": "sed -i '/^[^#]/d'"}  # nothing of any record is left
        summary = self.rejected("resend", "--field", "Quantity", "--edit", "--json", env=env).json()
        self.assertEqual(summary["selected"], 0)
        answer = self.rejected("resend", "--all", "--edit", env={"VISUAL": "false"}, expect=2)
        self.assertIn("the editor 'false' failed; nothing was sent", answer.err)
        self.await_lines(before)

    def test_edits_that_are_refused_are_kept_and_can_be_gone_on_with(self):
        env = {"EDITOR": "sed -i 's/1.5/2.5/'", "VISUAL": "", "TMPDIR": self.box.folder}
        number = [kind["name"] for kind in KINDS].index("Quantity is a fraction")
        answer = self.rejected("resend", f"0:{2 * number + 1}", "--edit", env=env, expect=1)
        self.assertIn("got 2.5", answer.err)
        kept = re.search(r"resend --from (\S+)`", answer.err)[1]
        self.assertEqual(os.stat(kept).st_mode & 0o777, 0o600)
        text = Path(kept).read_text(encoding="utf-8")
        Path(kept).write_text(text.replace("2.5,", "2,", 1), encoding="utf-8")
        self.rejected("resend", "--from", kept)
        self.assertEqual(self.resent(), 1)

    def test_what_an_editor_shows_in_place_of_bytes_is_not_sent(self):
        number = [kind["name"] for kind in KINDS].index("not UTF-8")
        record, before = f"0:{2 * number + 1}", self.lines()
        env = {"EDITOR": "true", "VISUAL": "", "TMPDIR": self.box.folder}
        answer = self.rejected("resend", record, "--edit", env=env, expect=1)
        self.assertIn("U+FFFD stands where the record has bytes", answer.err)
        self.assertEqual(self.resent(), 0)
        self.rejected("resend", record, "--edit", env=env | {"EDITOR": "sed -i s/\ufffd/1/"})
        self.await_lines(before + 1)

    def test_a_gateway_that_is_away_or_wants_a_key_marks_nothing(self):
        file = self.write_repaired()
        self.rejected("resend", "--from", file, "--url", f"http://127.0.0.1:{free_port()}",
                      "--retry-for", 0, expect=3)
        self.up.stop()
        key = self.up.run("keys", "create", "repair", "--quiet").out.strip()
        self.up.flags.append("--require-keys")
        self.up.start()
        answer = self.rejected("resend", "--from", file, expect=2)
        self.assertIn("401", answer.err)
        self.assertEqual(self.resent(), 0)
        self.rejected("resend", "--from", file, "--key", key)
        self.assertEqual(self.resent(), len(KINDS))

    def test_a_lost_answer_doubles_nothing(self):
        with CuttingProxy(self.up.port) as proxy:
            file = self.write_repaired()
            summary = self.rejected("resend", "--from", file, "--json", "--url", proxy.url).json()
        self.assertGreater(proxy.lost, 5)
        self.assertEqual(summary["resent"], len(KINDS))
        self.await_lines(2 * len(KINDS))
        self.assertGreater(int(self.up.value("select repeated from stream.checkpoint")), 5)

    def test_nothing_runs(self):
        self.up.stop()
        for command in (["list"], ["show", "0:1"], ["export"], ["resend", "--all"]):
            answer = self.rejected(*command, expect=3)
            self.assertIn("tillrace up", answer.err)


class Poison(unittest.TestCase):
    """Events that the gateway takes and PostgreSQL refuses."""

    def setUp(self):
        self.box = Sandbox()
        self.addCleanup(self.box.close)

    def start(self, *flags, env=None):
        up = Up(self.box, flags=["--log-level", "warning", *flags], env=env)
        self.addCleanup(lambda: up.runs() and up.kill())
        up.start()
        return up

    @staticmethod
    def events(codes):
        return "".join(json.dumps(GOOD | {"InvoiceNo": str(n), "StockCode": code, "LineNo": 1})
                       + "\n" for n, code in enumerate(codes))

    def test_they_are_put_aside_and_go_in_when_the_rule_has_gone(self):
        up = self.start()
        up.sql("alter table shop.invoice_line add constraint no_poison"
               " check (stock_code <> 'POISON')")
        codes = ["POISON" if n % 100 == 7 else "85123A" for n in range(2000)]
        self.assertEqual(up.post(self.events(codes), "application/x-ndjson"), 201)
        up.await_lag_0()
        self.assertEqual(up.value("select count(*) from shop.invoice_line"), "1980")
        rows = up.run("rejected", "list", "--reason", "refused", "--json").json()
        self.assertEqual(sorted(row["offset"] for row in rows), list(range(7, 2000, 100)))
        for row in rows:
            self.assertIn("no_poison", row["reason"])
        up.sql("alter table shop.invoice_line drop constraint no_poison")
        up.run("rejected", "resend", "--reason", "refused")
        up.await_lag_0()
        self.assertEqual(up.value("select count(*) from shop.invoice_line"), "2000")
        self.assertEqual(up.value("select count(*) from stream.rejected where resent_edited"), "0")

    def test_a_rule_that_refuses_everything_stops_the_processor_and_says_so(self):
        up = self.start(env={"TILLRACE_WAREHOUSE__MAX_REFUSED_IN_A_ROW": "20"})
        up.sql("alter table shop.invoice_line add constraint nothing check (quantity > 1000)")
        self.assertEqual(up.post(self.events(["85123A"] * 500), "application/x-ndjson"), 201)
        wait_until(lambda: "refused 20 events in a row" in up.get("/readyz")[1], 60,
                   "/readyz says what is wrong")
        self.assertEqual(up.value("select count(*) from stream.rejected"), "20")
        up.sql("alter table shop.invoice_line drop constraint nothing")
        up.await_lag_0()
        up.run("rejected", "resend", "--all")
        up.await_lag_0()
        self.assertEqual(up.value("select count(*) from shop.invoice_line"), "500")

    def test_killed_during_the_search_it_loses_and_doubles_nothing(self):
        up = self.start()
        up.sql("alter table shop.invoice_line add constraint no_poison"
               " check (stock_code <> 'POISON')")
        codes = ["POISON" if n % 5 == 0 else "85123A" for n in range(4000)]
        self.assertEqual(up.post(self.events(codes), "application/x-ndjson"), 201)
        for rest in (100, 300, 500, 700):
            wait_until(lambda rest=rest: int(up.value(
                "select count(*) from stream.rejected")) >= rest, 60, f"{rest} are put aside", 0)
            up.kill()
            up.start()
        up.await_lag_0()
        self.assertEqual(
            up.sql("select next_offset, inserted, replaced, repeated, rejected"
                   " from stream.checkpoint"), [["4000", "3200", "0", "0", "800"]])
        self.assertEqual(up.value("select count(*) from shop.invoice_line"), "3200")
        self.assertEqual(up.value("select count(*) from stream.rejected"), "800")


class CuttingProxy:
    """Hands requests on, and loses the answer to every other one."""

    def __init__(self, port):
        self.port, self.lost, self.count = port, 0, 0
        self.server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.server.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.close()

    def accept(self):
        while True:
            try:
                client = self.server.accept()[0]
            except OSError:
                return
            self.serve(client)

    def serve(self, client):
        """One request; the client opens a connection for the next."""
        with client, socket.create_connection(("127.0.0.1", self.port)) as gateway:
            request = client.recv(1 << 16)
            while b"\r\n\r\n" not in request or len(request.split(b"\r\n\r\n", 1)[1]) < int(
                    re.search(rb"(?i)content-length: (\d+)", request)[1]):
                request += client.recv(1 << 16)
            gateway.sendall(request)
            answer = gateway.recv(1 << 16)
            self.count += 1
            if self.count % 2:
                self.lost += 1
            else:
                client.sendall(answer.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))


class Alone(unittest.TestCase):
    def test_help_tells_how_it_is_used(self):
        with Sandbox() as box:
            for command in ("list", "show", "export", "resend"):
                answer = run(box, "rejected", command, "--help")
                self.assertIn(f"tillrace rejected {command}", answer.out)


if __name__ == "__main__":
    unittest.main(verbosity=2)
