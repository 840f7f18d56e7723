"""The command line: exit codes, strictness, where settings come from, what goes to which stream."""

import csv
import io
import json
import os
import pwd
import re
import shutil
import socket
import subprocess
import sys
import unittest
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

from sandbox import Sandbox, working_in
from tillrace import BINARY, Up, free_port, run, wait_until

REPORTS = ("total-sales", "sales-over-time", "top-products", "customer-summary",
           "cancelled-orders")
HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
GOOD_ROW = "536365,85123A,HOLDER,6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom\n"


class InASandbox(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.box = Sandbox()
        cls.addClassCleanup(cls.box.close)

    def write(self, name, text):
        path = self.box.path(name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def refused(self, code, says, *arguments, **options):
        """The command ends with `code`, says why on stderr and nothing on stdout."""
        answer = run(self.box, *arguments, expect=code, **options)
        self.assertEqual(answer.out, "", answer)
        for text in says:
            self.assertIn(text, answer.err, answer)
        return answer


class Usage(InASandbox):
    def test_what_is_unknown_is_refused_with_the_nearest_name(self):
        for says, *arguments in (
            ("'up'", "upp"),
            ("'status'", "statsu"),
            ("'report'", "reprot", "total-sales"),
            ("'--listen'", "up", "--lissten", "127.0.0.1:0"),
            ("'--concurrency'", "post", "x.ndjson", "--concurency", "4"),
            ("'--data-dir'", "status", "--data-dri", "x"),
            ("'--batch'", "post", "x.ndjson", "--batcch=4"),
            ("'list'", "topics", "lst"),
            ("'check'", "config", "chekc"),
            ("'top-products'", "report", "top-product"),
        ):
            with self.subTest(arguments):
                self.refused(2, ["did you mean", says], *arguments)

    def test_what_is_missing_or_out_of_range_is_refused(self):
        for says, *arguments in (
            ("FILE", "convert"), ("NAME", "report"), ("ID", "customer"), ("NO", "invoice"),
            ("--batch", "post", "x.ndjson", "--batch", "0"),
            ("--concurrency", "post", "x.ndjson", "--concurrency", "257"),
            ("--concurrency", "post", "x.ndjson", "--concurrency", "many"),
            ("--date-order", "convert", "x.csv", "--date-order"),
            ("127.0.0.1:8080", "up", "--listen", "8080"),
            ("Mars/Olympus", "up", "--time-zone", "Mars/Olympus"),
            ("loud", "status", "--log-level", "loud"),
            ("not a day", "generate", "--start", "yesterday"),
            ("http://", "post", os.devnull, "--url", "127.0.0.1:1"),
        ):
            with self.subTest(arguments):
                self.refused(2, [says], *arguments)

    def test_without_a_command_the_commands_are_listed(self):
        answer = run(self.box, expect=2)
        for name in ("up", "convert", "generate", "post", "report", "doctor", "tail"):
            self.assertIn(name, answer.out)

    def test_help_and_version_are_results(self):
        self.assertRegex(run(self.box, "--version").out, r"^tillrace \d+\.\d+\.\d+\n$")
        for command in (["--help"], ["up", "--help"], ["topics", "create", "--help"]):
            answer = run(self.box, *command)
            self.assertIn("--help", answer.out)
            self.assertEqual(answer.err, "")


class Config(InASandbox):
    def shown(self, key, *arguments, **options):
        rows = run(self.box, "config", "show", "--json", *arguments, **options).json()
        return next(row for row in rows if row["setting"] == key)

    def test_flags_win_over_the_environment_that_over_dot_env_that_over_the_file(self):
        folder = self.box.path("precedence")
        os.mkdir(folder)
        file = self.write("shop.toml", 'log_level = "debug"\n[http]\nthreads = 3\n')
        in_file = {"cwd": folder}
        at = ["--config", file]
        self.assertEqual(self.shown("http.threads", **in_file)["from"], "default")
        row = self.shown("http.threads", *at, **in_file)
        self.assertEqual((row["value"], row["from"]), ("3", f"{file}:3"))
        self.write("precedence/.env", '# ours\nexport TILLRACE_HTTP__THREADS="5"\n'
                                      "TILLRACE_LOG_LEVEL=info\nOTHER=1\n")
        row = self.shown("http.threads", *at, **in_file)
        self.assertEqual(row["value"], "5")
        self.assertIn(".env", row["from"])
        env = {"TILLRACE_HTTP__THREADS": "7", "TILLRACE_LOG_LEVEL": "warning"}
        row = self.shown("http.threads", *at, env=env, **in_file)
        self.assertEqual(row["value"], "7")
        self.assertIn("environment", row["from"])
        self.assertEqual(self.shown("log_level", *at, env=env, **in_file)["value"], "warning")
        row = self.shown("log_level", *at, "--log-level", "error", env=env, **in_file)
        self.assertEqual((row["value"], row["from"]), ("error", "the command line"))

    def test_unknown_keys_are_refused_with_place_and_nearest_name(self):
        bad = self.write("key.toml", "[http]\nthreads = 2\nlissten = \"x\"\n")
        self.refused(2, [f"{bad}:3", "http.lissten", "did you mean 'http.listen'"],
                     "config", "check", "--config", bad)
        self.refused(2, ["TILLRACE_HTTP__LISSTEN", "did you mean 'http.listen'"],
                     "config", "check", env={"TILLRACE_HTTP__LISSTEN": "x"})
        folder = self.box.path("unknown")
        os.mkdir(folder)
        self.write("unknown/.env", "TILLRACE_SHOPP__TIME_ZONE=UTC\n")
        self.refused(2, [".env", "did you mean 'shop.time_zone'"], "config", "check", cwd=folder)

    def test_a_bad_file_is_named_with_its_line(self):
        for text, line in (("a = \n", 1), ("[http]\nthreads = 2\nthreads = 3\n", 3),
                           ("[http]\nthreads = \"many\"\n", 2), ("[http]\n\nthreads = 999\n", 3),
                           ("[http]\nthreads = [1]\n", 2), ("log_level = 1.5\n", 1)):
            with self.subTest(text):
                bad = self.write("bad.toml", text)
                self.refused(2, [f"{bad}:{line}"], "config", "check", "--config", bad)
        self.refused(2, ["absent.toml"], "config", "check", "--config", "absent.toml")

    def test_values_are_checked_and_named(self):
        for name, value, says in (
            ("HTTP__THREADS", "0", "from 1 to 64"), ("HTTP__LISTEN", "nowhere", "ADDRESS:PORT"),
            ("LOG__TOPIC", "a b", "topic"), ("LOG_JSON", "yes", "neither true nor false"),
            ("SHOP__TIME_ZONE", "Europe/Londn", "Europe/Londn"), ("DATA_DIR", "", "empty"),
        ):
            with self.subTest(name):
                self.refused(2, [f"TILLRACE_{name}", says], "config", "check",
                             env={f"TILLRACE_{name}": value})

    def test_check_says_so_and_show_hides_passwords(self):
        self.assertIn("valid", run(self.box, "config", "check").out)
        self.assertEqual(run(self.box, "config", "check", "--quiet").out, "")
        url = "postgresql://me:swordfish@127.0.0.1/shop"
        secrets = ("ACCOUNT_KEY", "SAS", "CLIENT_SECRET", "IDENTITY_HEADER")
        answer = run(self.box, "config", "show", env={
            "TILLRACE_WAREHOUSE__URL": url,
            **{f"TILLRACE_LAKE__{name}": "swordfish" for name in secrets}})
        self.assertIn("127.0.0.1/shop", answer.out)
        self.assertNotIn("swordfish", answer.out + answer.err)


class NothingRuns(InASandbox):
    def test_status_says_that_nothing_runs(self):
        for folder in ("absent", self.box.folder):
            self.refused(1, ["nothing runs on", "tillrace up"], "status", "--data-dir", folder)

    def test_what_needs_the_warehouse_says_how_to_start_it(self):
        for command in (["report", "total-sales"], ["customer", "1"], ["invoice", "1"]):
            self.refused(3, ["tillrace up"], *command, "--data-dir", "absent")
        self.assertFalse(os.path.exists(self.box.path("absent")))

    def test_post_without_a_server_says_so(self):
        path = self.write("one.ndjson", "{}\n")
        self.refused(3, ["nothing runs on", "--url"], "post", path)
        url = f"http://127.0.0.1:{free_port()}"
        answer = run(self.box, "post", path, "--url", url, "--retry-for", 0, expect=3)
        self.assertIn(url.removeprefix("http://"), answer.err)

    def test_topics_are_made_and_listed_without_a_server(self):
        made = run(self.box, "topics", "create", "returns", "--partitions", 3, "--json").json()
        self.assertEqual((made["topic"], made["partitions"]), ("returns", 3))
        listed = run(self.box, "topics", "list", "--json").json()
        self.assertEqual([(t["topic"], t["partition"]) for t in listed],
                         [("returns", 0), ("returns", 1), ("returns", 2)])
        self.refused(1, ["returns"], "topics", "create", "returns")
        self.refused(2, ["a b"], "topics", "create", "a b")
        self.refused(1, ["orders"], "tail", "orders", "-n", 1)

    def test_doctor_finds_what_is_well_and_what_is_not(self):
        at = ["--data-dir", "doctor"]
        findings = run(self.box, "doctor", "--json", *at, expect=None,
                       env={"TILLRACE_HTTP__LISTEN": "127.0.0.1:0"}).json()
        wrong = [f for f in findings if f["result"] != "ok" and f["check"] != "open files"]
        self.assertEqual(wrong, [])
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            answer = run(self.box, "doctor", *at, expect=3,
                         env={"TILLRACE_HTTP__LISTEN": f"127.0.0.1:{port}"})
            self.assertIn(str(port), answer.out)
        answer = run(self.box, "doctor", *at, expect=3, env={
            "TILLRACE_HTTP__LISTEN": "127.0.0.1:0",
            "TILLRACE_WAREHOUSE__URL": f"postgresql://a:b@127.0.0.1:{free_port()}/c"})
        self.assertRegex(answer.out, r"PostgreSQL +NOT OK")

    def test_up_names_a_port_that_is_taken(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            self.refused(3, [str(port)], "up", "--data-dir", "taken", "--listen",
                         f"127.0.0.1:{port}")
        wait_until(lambda: not working_in(self.box.path("taken")), 20, "PostgreSQL has gone too")


    def test_looking_does_not_keep_anybody_from_starting(self):
        # As a killed process leaves it. Each start ends soon, because there is no such warehouse.
        os.mkdir(self.box.path("looked-at"))
        self.write("looked-at/run.toml", "pid = 1\n")
        self.write("looked-at/lock", "1")
        loop = 'while :; do "$0" status --data-dir looked-at; done'
        looks = [self.box.spawn(["sh", "-c", loop, BINARY], stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL) for _ in range(4)]
        for _ in range(40):
            answer = run(self.box, "up", "--data-dir", "looked-at", "--listen", "127.0.0.1:0",
                         "--warehouse-url", f"postgresql://127.0.0.1:{free_port()}/x", expect=3)
            self.assertNotIn("in use by process", answer.err)
        for look in looks:
            look.kill()


class Client(InASandbox):
    def test_the_same_seed_gives_the_same_bytes(self):
        first = run(self.box, "generate", "--rows", 2000, "--seed", 7)
        self.assertEqual(first.out, run(self.box, "generate", "--rows", 2000, "--seed", 7).out)
        run(self.box, "generate", "--rows", 2000, "--seed", 7, "-o", "seven.ndjson")
        with open(self.box.path("seven.ndjson"), encoding="utf-8") as file:
            self.assertEqual(file.read(), first.out)
        self.assertNotEqual(first.out, run(self.box, "generate", "--rows", 2000, "--seed", 8).out)
        events = [json.loads(line) for line in first.out.splitlines()]
        self.assertEqual(len(events), 2000)
        self.assertEqual(first.err, "")

    def test_bad_rows_are_named_and_kept_and_the_rest_goes_on(self):
        bad = ["536365,85123A,HOLDER,none,2010-12-01 08:26:00,2.55,17850,United Kingdom\n",
               "536365,85123A,HOLDER,6,2010-13-01 08:26:00,2.55,17850,United Kingdom\n"]
        path = self.write("mixed.csv", HEADER + GOOD_ROW + bad[0] + GOOD_ROW + bad[1] + GOOD_ROW)
        answer = run(self.box, "convert", path, expect=1)
        for text in ("line 3", "Quantity", "an integer", "line 5", "InvoiceDate"):
            self.assertIn(text, answer.err)
        lines = [json.loads(line) for line in answer.out.splitlines()]
        self.assertEqual([line["LineNo"] for line in lines], [1, 3, 5])
        with open(self.box.path("mixed.rejected.csv"), encoding="utf-8") as file:
            rejected = file.read()
        for row in bad:
            self.assertIn(row.strip(), rejected)
        summary = run(self.box, "convert", path, "-o", "m.ndjson", "--json", expect=1).json()
        self.assertEqual((summary["rows"], summary["written"], summary["rejected"]), (5, 3, 2))

    def test_what_cannot_be_converted_is_refused(self):
        self.refused(1, ["absent.csv"], "convert", "absent.csv")
        path = self.write("other.csv", "a,b,c\n1,2,3\n")
        self.refused(2, ["InvoiceNo"], "convert", path, "-o", "other.ndjson")
        self.assertFalse(os.path.exists(self.box.path("other.ndjson")))
        self.refused(2, ["ymd", "mdy or dmy"], "convert", path, "--date-order", "ymd")


class WhileItRuns(InASandbox):
    ROWS = 3000

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.up = Up(cls.box, "with blank & ünï", flags=["--log-level", "warning"])
        cls.up.start()
        run(cls.box, "generate", "--rows", cls.ROWS, "--seed", 5, "-o", "events.ndjson")
        with open(cls.box.path("events.ndjson"), encoding="utf-8") as file:
            cls.events = [json.loads(line, parse_float=Decimal) for line in file]
        # One at a time, so that the log has them in the order of the file.
        cls.posted = cls.up.run("post", "events.ndjson", "--json", "--concurrency", 1)
        cls.up.await_lag_0()

    @classmethod
    def tearDownClass(cls):
        cls.up.stop()

    def test_results_go_to_stdout_and_the_rest_to_stderr(self):
        summary = self.posted.json()
        self.assertEqual((summary["accepted"], summary["open"]), (self.ROWS, 0))
        answer = self.up.run("post", "events.ndjson")
        self.assertEqual(answer.out, "")
        self.assertIn("accepted", answer.err)
        answer = self.up.run("post", "events.ndjson", "--quiet")
        self.assertEqual((answer.out, answer.err), ("", ""))
        self.assertNotIn("\x1b", self.up.run("report", "sales-over-time").out)

    def test_a_second_up_names_the_first(self):
        self.refused(3, ["in use", str(self.up.process.pid)], "up", "--data-dir", self.up.data,
                     "--listen", "127.0.0.1:0")
        self.assertEqual(self.up.get("/healthz")[0], 200)

    def test_unknown_things_are_not_so(self):
        for command, identity in (("customer", "nobody"), ("invoice", "999999")):
            answer = self.up.run(command, identity, expect=1)
            self.assertEqual(answer.out, "")
            self.assertIn(f"there is no {command} '{identity}'", answer.err)
        answer = self.up.run("report", "sales-over-time", "--grain", "decade", expect=2)
        self.assertIn("decade", answer.err)
        answer = self.up.run("report", "customer-summary", "--segment", "rich", expect=2)
        self.assertIn("rich", answer.err)
        answer = self.up.run("report", "total-sales", "--from", "tomorrowish", expect=2)
        self.assertIn("tomorrowish", answer.err)

    def test_json_and_csv_parse_and_say_the_same(self):
        for report in REPORTS:
            with self.subTest(report):
                rows = self.up.run("report", report, "--json").json()
                rows = rows if isinstance(rows, list) else [rows]
                table = list(csv.DictReader(io.StringIO(
                    self.up.run("report", report, "--csv").out)))
                self.assertEqual(len(rows), len(table))
                for left, right in zip(rows, table, strict=True):
                    self.assertEqual(
                        {k: "" if v is None else str(v) for k, v in left.items()}, right)
        customer = next(e["CustomerID"] for e in self.events if "CustomerID" in e)
        seen = self.up.run("customer", customer, "--json").json()
        orders = list(csv.DictReader(io.StringIO(
            self.up.run("customer", customer, "--csv").out)))
        self.assertEqual([o["invoice_no"] for o in seen["orders"]],
                         [o["invoice_no"] for o in orders])
        status = self.up.run("status", "--json").json()
        self.assertEqual(status["pid"], self.up.process.pid)
        ends = {(t["topic"], t["partition"]): t["end"] for t in status["topics"]}
        self.assertEqual(
            [each for each in status["lag"] if each["sink"] == "warehouse"],
            [{"sink": "warehouse", "topic": topic, "partition": partition, "mark": end, "end": end,
              "lag_records": 0} for (topic, partition), end in ends.items()])
        self.assertEqual(
            [(each["end"], each["mark"] + each["lag_records"]) for each in status["lag"]
             if each["sink"] == "lake"], [(end, end) for end in ends.values()])
        self.assertEqual(self.up.run("doctor", "--json", expect=None).code in (0, 1), True)

    def test_tail_shows_the_log_from_the_beginning_or_what_comes(self):
        tail = ["tail", "ingestion-topic", "--from-beginning"]
        answer = self.up.run(*tail, "-n", 5)
        self.assertEqual([json.loads(line, parse_float=Decimal)
                          for line in answer.out.splitlines()], self.events[:5])
        shown = [json.loads(line) for line in
                 self.up.run(*tail, "-n", 1200, "--json").out.splitlines()]
        self.assertEqual([r["offset"] for r in shown], list(range(1200)))
        self.assertEqual([r["key"] for r in shown],
                         [e["InvoiceNo"] for e in self.events[:1200]])

    def test_tail_ends_when_its_output_is_full(self):
        with open("/dev/full", "wb") as full:
            tail = self.box.spawn([BINARY, "tail", "ingestion-topic", "--from-beginning",
                                   "--data-dir", self.up.data], stdout=full,
                                  stderr=subprocess.PIPE)
            _, err = tail.communicate(timeout=20)
        self.assertEqual(tail.returncode, 3)
        self.assertIn(b"cannot write to standard output", err)

    def test_tail_follows(self):
        path = self.box.path("tail.out")
        with open(path, "wb") as out:
            tail = self.box.spawn([BINARY, "tail", "ingestion-topic", "-n", "2", "--data-dir",
                                   self.up.data], stdout=out)
        extra = dict(self.events[0], LineNo=9000)

        def came():  # from the end: what is sent before it looks is not seen
            extra["LineNo"] += 1
            body = json.dumps(extra, default=str)
            self.assertEqual(self.up.post(body), 201)
            return tail.poll() is not None

        wait_until(came, 20, "tail ends after two events", 0.2)
        self.assertEqual(tail.returncode, 0)
        with open(path, encoding="utf-8") as out:
            lines = [json.loads(line) for line in out]
        self.assertEqual(lines[1]["LineNo"], lines[0]["LineNo"] + 1)

    def test_each_prints_a_status_code_for_each(self):
        few = "".join(json.dumps(e, default=str) + "\n" for e in self.events[:7])
        answer = self.up.run("post", "-", "--each", stdin=few)
        self.assertEqual(answer.out, "Status code: 201\n" * 7)
        bad = json.dumps(dict(self.events[0], Quantity=0), default=str) + "\n"
        answer = self.up.run("post", "-", "--each", stdin=few + bad, expect=1)
        self.assertEqual(re.findall(r"\d+", answer.out), ["201"] * 7 + ["422"])
        self.assertIn("Quantity", answer.err)


class AsAnotherUser(unittest.TestCase):
    """When root runs the tests, the rest of this file ran as root: now as a user without rights."""

    def test_an_unprivileged_user_can_do_it_all(self):
        if os.geteuid() != 0:
            self.skipTest("not root: every test here ran as an unprivileged user already")
        with Sandbox(user="nobody") as box:
            # The build's folder may be closed to others.
            program = shutil.copy(BINARY, box.path("tillrace"))
            shutil.copy(os.path.join(os.path.dirname(BINARY), "libduckdb.so"), box.path("."))
            os.chmod(program, 0o755)
            up = Up(box, flags=["--log-level", "warning"], binary=program)
            with up:
                up.start()
                uid = pwd.getpwnam("nobody").pw_uid
                self.assertEqual(os.stat(f"/proc/{up.server_pid()}").st_uid, uid)
                up.run("generate", "--rows", 500, "-o", "events.ndjson")
                up.run("post", "events.ndjson", "--quiet")
                up.await_lag_0()
                self.assertEqual(up.run("report", "total-sales", "--json").json()["lines"], 500)
                self.assertEqual(up.stop()[0], 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
