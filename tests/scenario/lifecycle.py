"""Starting, stopping, and what happens when PostgreSQL is away, foreign, old, or not the log's."""

import json
import os
import shutil
import signal
import sys
import time
import unittest
from datetime import datetime, timezone
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

import facts
from postgres import ForeignServer
from sandbox import Sandbox, send, working_in
from shopdata import Data
from tillrace import SLOWNESS, Up, wait_until
from wire import Wire, head_of

# The promises are 10 s and 1 s on a quiet machine; a busy one gets some more.
FIRST_START_S_MAX, SECOND_START_S_MAX = 15, 2
EVENT = {"InvoiceNo": "900000", "StockCode": "22423", "Quantity": 1, "UnitPrice": "1.25",
         "InvoiceDate": "2011-05-05 10:00:00", "Country": "France"}


def event(number, **changed):
    return json.dumps(EVENT | {"LineNo": number} | changed)


def batch(number, size=500):
    """A request that brings events of an invoice of its own."""
    lines = [event(line, InvoiceNo=f"9{number:05}") for line in range(1, size + 1)]
    body = "\n".join(lines).encode()
    return head_of("POST /v1/transactions HTTP/1.1", {
        "Host": "shop.test", "Content-Type": "application/x-ndjson",
        "Content-Length": str(len(body))}), body


class StartAndStop(unittest.TestCase):
    WIRES, SIZE = 24, 500

    def test_starts_are_quick_and_a_stop_answers_and_stores_what_has_begun(self):
        with Sandbox() as box, Up(box) as up:
            first = up.start()
            stored = 0
            seconds = []
            for number in (signal.SIGTERM, signal.SIGINT):
                stored += self.stop_in_the_middle(up, number)
                seconds.append(up.start())
                self.assertEqual(up.value("select count(*) from shop.invoice_line"), str(stored))
            self.assertEqual(up.stop()[0], 0)
            print(f"first start to ready {first:.2f} s, later ones"
                  f" {' and '.join(f'{s:.2f}' for s in seconds)} s", flush=True)
            self.assertLess(first, FIRST_START_S_MAX * SLOWNESS)
            self.assertLess(min(seconds), SECOND_START_S_MAX * SLOWNESS)

    def stop_in_the_middle(self, up, number):
        """Signals while requests are under way. Returns how many events were acknowledged."""
        wires = [Wire(up.port) for _ in range(self.WIRES)]
        for wire in wires:  # each has been accepted
            wire.send(head_of("GET /healthz HTTP/1.1", {"Host": "shop.test"}))
            self.assertEqual(wire.answer().status, 200)
        requests = [batch(number * 1000 + each, self.SIZE) for each in range(self.WIRES)]
        half = len(requests[0][1]) // 2
        wires[0].send(requests[0][0] + requests[0][1][:half])  # still sending when it stops
        for wire, (head, body) in zip(wires[1:], requests[1:], strict=True):
            wire.send(head + body)
        began = time.monotonic()
        up.process.send_signal(number)
        time.sleep(0.2)
        wires[0].send(requests[0][1][half:])
        answers = [wire.answer() for wire in wires]
        for wire in wires:
            wire.socket.close()
        self.assertEqual([answer and answer.status for answer in answers], [201] * self.WIRES)
        self.assertEqual(up.process.wait(60), 0)
        ended = datetime.now(timezone.utc)
        print(f"{signal.Signals(number).name}: {self.WIRES} requests answered, ended after"
              f" {time.monotonic() - began:.2f} s", flush=True)
        self.assertEqual(working_in(up.data), [], "PostgreSQL is left")
        self.all_was_written_before(up, ended)
        return self.WIRES * self.SIZE

    def all_was_written_before(self, up, ended):
        self.assertNotIn("catch up at the next start", up.said())
        up.start()
        last = up.value("select max(applied_at) from stream.batch")
        self.assertLess(datetime.fromisoformat(last), ended)
        self.assertEqual(up.stop()[0], 0)

    def test_while_it_drains_it_is_not_ready_and_takes_no_new_connection(self):
        with Sandbox() as box, Up(box) as up:
            up.start()
            with Wire(up.port) as slow:
                head, body = batch(1)
                slow.send(head + body[:100])
                wait_until(lambda: up.metric("tillrace_http_connections") >= 2, 10, "it is heard")
                up.process.send_signal(signal.SIGTERM)
                wait_until(lambda: self.refuses(up), 10, "new connections are refused")
                self.assertIsNone(up.process.poll())
                slow.send(body[100:])
                answer = slow.answer()
                self.assertEqual((answer.status, answer.headers["connection"]), (201, "close"))
            self.assertEqual(up.process.wait(60), 0)

    def refuses(self, up):
        try:
            Wire(up.port).socket.close()
        except ConnectionRefusedError:
            return True
        return False


class GatewayAlone(unittest.TestCase):
    def test_what_a_gateway_alone_took_a_later_up_brings_to_the_warehouse(self):
        with Sandbox() as box:
            with Up(box, role="gateway") as gateway:
                gateway.start()
                self.assertEqual(gateway.post(event(1)), 201)
                self.assertEqual(gateway.get("/readyz"), (200, '{"status":"ready"}'))
                self.assertEqual((gateway.info["warehouse_url"], gateway.info["warehouse"]),
                                 ("", []))
                self.assertNotIn("warehouse", gateway.run("status").out)
                second = gateway.run("up", "--listen", "127.0.0.1:0", expect=None)
                self.assertEqual(second.code, 3, second)  # the folder has its owner
                self.assertEqual(gateway.stop()[0], 0)
                self.assertFalse(os.path.exists(f"{gateway.data}/postgres"))
            with Up(box) as up:
                up.start()
                up.await_lag_0()
                self.assertEqual(up.value("select count(*) from shop.invoice_line"), "1")
                self.assertEqual(up.stop()[0], 0)


class PrivateServer(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.box = Sandbox()
        cls.addClassCleanup(cls.box.close)
        cls.data = Data(cls.box, rows=20_000)

    def test_a_killed_server_is_started_again_while_the_gateway_goes_on(self):
        with Up(self.box, "killed") as up:
            up.start()
            up.run("post", self.data.events, "--quiet")
            up.await_lag_0()
            pid = up.server_pid()
            self.assertIn(pid, working_in(up.data))
            send(pid, signal.SIGKILL)
            began, states, sent = time.monotonic(), [], 0
            while not {"waiting", "writing"} <= set(states) or states[-1] != "writing":
                sent += 1
                self.assertEqual(up.post(event(sent)), 201)
                states.append(up.readiness()["warehouse"])
                self.assertLess(time.monotonic() - began, 60 * SLOWNESS)
            took = time.monotonic() - began
            up.await_lag_0()
            print(f"the server was killed: written again after {took:.2f} s, {sent} events taken"
                  " meanwhile", flush=True)
            self.assertNotEqual(up.server_pid(), pid)
            self.assertEqual(up.value("select count(*) from shop.invoice_line"),
                             str(len(self.data.lines) + sent))
            self.assertEqual(up.stop()[0], 0)

    def test_an_orphaned_server_is_adopted(self):
        with Up(self.box, "orphan") as up:
            up.start()
            pid = up.server_pid()
            up.kill()
            self.assertIn(pid, working_in(up.data))
            took = up.start()
            self.assertEqual(up.server_pid(), pid)
            print(f"with an orphaned server: ready after {took:.2f} s", flush=True)
            self.assertEqual(up.stop()[0], 0)

    def test_another_time_zone_rebuilds_the_aggregates(self):
        with Up(self.box, "zone") as up:
            up.start()
            up.run("post", self.data.events, "--quiet")
            up.await_lag_0()
            facts.check_everything(self, up, self.data.lines, False)
            self.assertEqual(up.stop()[0], 0)
            up.flags = ["--time-zone", "Asia/Kathmandu"]  # its hours begin at a quarter past UTC's
            up.start()
            minutes = "select distinct extract(minute from hour)::int from report.sales_by_hour"
            self.assertEqual(up.sql(minutes), [["15"]])
            facts.check_aggregates(self, up)
            facts.check_facts(self, up, self.data.lines, False)
            day = ("select count(*) from (select period, lines, net_sales from"
                   " report.sales_over_time('day') except all select date_trunc('day',"
                   " invoiced_at at time zone 'Asia/Kathmandu'), count(*), sum(amount)"
                   " from shop.transaction group by 1) as difference")
            self.assertEqual(up.value(day), "0")
            self.assertEqual(up.post(event(1)), 201)
            up.await_lag_0()
            at = up.value("select invoiced_at at time zone 'UTC' from shop.transaction"
                          " where invoice_no = '900000'")
            self.assertEqual(at, "2011-05-05 04:15:00")
            facts.check_aggregates(self, up)
            self.assertEqual(up.stop()[0], 0)

    def test_a_folder_of_another_postgresql_is_refused_and_left_alone(self):
        with Up(self.box, "old") as up:
            up.start()
            self.assertEqual(up.post(event(1)), 201)
            self.assertEqual(up.stop()[0], 0)
            version = Path(up.data, "postgres/data/PG_VERSION")
            right = version.read_text(encoding="ascii")
            version.write_text("9\n", encoding="ascii")
            answer = up.run("up", "--listen", "127.0.0.1:0", expect=None)
            self.assertIn(answer.code, (2, 3), answer)
            self.assertRegex(answer.err, r"PostgreSQL.*\b9\b")
            self.assertIn(right.strip(), answer.err)
            version.write_text(right, encoding="ascii")
            up.start()
            self.assertEqual(up.value("select count(*) from shop.invoice_line"), "1")
            self.assertEqual(up.stop()[0], 0)


class AnotherServer(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.box = Sandbox()
        cls.addClassCleanup(cls.box.close)
        cls.data = Data(cls.box, rows=20_000)
        cls.server = ForeignServer(cls.box)

    def test_a_foreign_server_may_go_away_and_come_back(self):
        flags = ["--warehouse-url", self.server.url()]
        with Up(self.box, "foreign-data", flags=flags) as up:
            up.start()
            role = up.value("select rolsuper from pg_roles where rolname = current_user")
            self.assertEqual(role, "f")
            up.run("post", self.data.events, "--quiet")
            up.await_lag_0()
            facts.check_everything(self, up, self.data.lines, False)
            self.server.stop()
            accepted = 0
            began = time.monotonic()
            while up.readiness()["warehouse"] != "waiting":
                accepted += 1
                self.assertEqual(up.post(event(accepted)), 201)
                self.assertLess(time.monotonic() - began, 30 * SLOWNESS)
            for _ in range(20):
                accepted += 1
                self.assertEqual(up.post(event(accepted)), 201)
            self.assertEqual(up.get("/readyz")[0], 200)
            ready = up.readiness()
            self.assertIn(str(self.server.port), ready["problem"])
            self.assertNotIn("kept", ready["problem"], "the password shows")
            self.assertEqual(up.metric('tillrace_processor_waiting{sink="warehouse"}'), 1)
            self.assertGreaterEqual(sum(each["records"] for each in ready["lag"]), 20)
            answer = up.run("report", "total-sales", "--json", expect=3,
                            env={"TILLRACE_WAREHOUSE__URL": self.server.url()})
            self.assertIn(str(self.server.port), answer.err)
            self.server.start()
            took = up.await_lag_0()
            print(f"the foreign server came back: caught up {took:.2f} s later, {accepted} events"
                  f" taken meanwhile", flush=True)
            self.assertEqual(up.metric('tillrace_processor_waiting{sink="warehouse"}'), 0)
            self.assertEqual(up.value("select count(*) from shop.invoice_line"),
                             str(len(self.data.lines) + accepted))
            facts.check_aggregates(self, up)
            facts.check_foreign_keys(self, up)
            self.a_row_that_breaks_a_key_is_refused(up)
            self.assertEqual(up.stop()[0], 0)
        self.another_log_is_refused(flags, len(self.data.lines) + accepted)

    def a_row_that_breaks_a_key_is_refused(self, up):
        with self.assertRaisesRegex(AssertionError, "foreign key"):
            up.sql("update shop.invoice_line set stock_code = 'NOWHERE'"
                   " where invoice_no = '900000' and line_no = 1")

    def another_log_is_refused(self, flags, rows):
        """The same warehouse under another log: stops loudly, and nothing changes."""
        with Up(self.box, "other-log", flags=flags) as other:
            other.start()
            self.assertEqual(other.post(event(1, Quantity=77)), 201)
            wait_until(lambda: other.readiness()["warehouse"] == "stopped", 30, "it stops")
            ready = other.readiness()
            self.assertIn("log", ready["problem"])
            self.assertEqual(other.metric('tillrace_processor_waiting{sink="warehouse"}'), 1)
            self.assertIn("stops: the warehouse has read", other.said())
            self.assertEqual(other.value("select count(*) from shop.invoice_line"), str(rows))
            self.assertEqual(other.value("select quantity from shop.invoice_line where"
                                         " invoice_no = '900000' and line_no = 1"), "1")
            facts.check_aggregates(self, other)
            other.kill()
        with Up(self.box, "foreign-data", flags=flags) as up:  # the right one goes on
            up.start()
            self.assertEqual(up.post(event(1, Quantity=2)), 201)
            up.await_lag_0()
            self.assertEqual(up.value("select quantity from shop.invoice_line where"
                                      " invoice_no = '900000' and line_no = 1"), "2")
            self.assertEqual(up.stop()[0], 0)

    def test_a_log_swapped_under_a_private_warehouse_stops_it(self):
        with Up(self.box, "swapped") as up:
            up.start()
            self.assertEqual(up.post(event(1)), 201)
            up.await_lag_0()
            self.assertEqual(up.stop()[0], 0)
            os.rename(f"{up.data}/log", self.box.path("log-kept"))
            up.start()
            wait_until(lambda: up.readiness()["warehouse"] == "stopped", 30, "it stops")
            self.assertEqual(up.post(event(1, Quantity=9)), 201)
            self.assertEqual(up.value("select quantity from shop.invoice_line"), "1")
            self.assertEqual(up.readiness()["warehouse"], "stopped")
            code, took = up.stop()
            print(f"a stopped warehouse: up ended with {code} after {took:.1f} s", flush=True)
            self.assertEqual(code, 0)
            self.assertLess(took, 10 * SLOWNESS)  # nothing is waited for that cannot come
            shutil.rmtree(f"{up.data}/log")
            os.rename(self.box.path("log-kept"), f"{up.data}/log")
            up.start()
            self.assertEqual(up.post(event(2)), 201)
            up.await_lag_0()
            self.assertEqual(up.value("select count(*) from shop.invoice_line"), "2")
            self.assertEqual(up.stop()[0], 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
