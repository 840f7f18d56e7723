"""The log drops what the warehouse has on disk, and nothing else: old files go, a crash of
PostgreSQL takes back no mark by which something went, a warehouse that is away holds the log, and
one that wants what is gone is refused."""

import json
import shutil
import signal
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

from chaos import Poster, random_of
from postgres import ForeignServer
from sandbox import Sandbox, send
from shopdata import Data
from tillrace import Up, wait_until

ROWS = 250_000  # several of the log's files
SERVER_KILLS = 4
# All that may go goes, at once.
TINY = {
    "TILLRACE_RETENTION__CHECK_INTERVAL_S": "1",
    "TILLRACE_RETENTION__MAX_GB": "0.000001",
    "TILLRACE_RETENTION__SAFETY_H": "0",
    "TILLRACE_LAKE__COMMIT_INTERVAL_S": "1",  # nothing goes that the lake has not
}
EVENT = {"InvoiceNo": "900000", "StockCode": "22423", "Quantity": 1, "UnitPrice": "1.25",
         "InvoiceDate": "2011-05-05 10:00:00", "Country": "France"}


def event(number):
    return json.dumps(EVENT | {"LineNo": number})


def log_bytes(up):
    return sum(file.stat().st_size for file in Path(up.data, "log").rglob("*.sst"))


class Retention(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.random = random_of("retention")
        cls.box = Sandbox()
        cls.addClassCleanup(cls.box.close)
        cls.data = Data(cls.box, rows=ROWS)

    def post_all(self, up):
        up.run("post", self.data.events, "--quiet")
        up.await_lag_0(240)

    def dropped(self, up):
        return up.metric("tillrace_retention_dropped_records_total") or 0

    def lines(self, up):
        return int(up.value("select count(*) from shop.invoice_line"))

    def lines_when_it_answers(self, up):
        """A server that was killed while it had nothing to do is missed only a second later."""
        def lines():
            try:
                return self.lines(up)
            except AssertionError:
                return None
        return wait_until(lines, 60, "PostgreSQL answers")

    def test_old_files_go_and_what_comes_later_is_written_as_ever(self):
        with Up(self.box, "trimmed", env=TINY) as up:
            up.start()
            self.post_all(up)
            wait_until(lambda: self.dropped(up) > ROWS / 4, 60, "old records go")
            print(f"{self.dropped(up):.0f} of {ROWS} records went, {log_bytes(up) / 1e6:.1f} MB of"
                  " files are left", flush=True)
            self.assertEqual(self.lines(up), ROWS)
            wait_until(lambda: up.metric("tillrace_log_backlog_bytes") == 0, 30, "no backlog")
            self.assertIn("the log has dropped the records from 0 to", up.said())
            self.assertEqual(up.stop()[0], 0)
            up.start()
            self.assertEqual(up.post(event(1)), 201)
            up.await_lag_0()
            self.assertEqual(self.lines(up), ROWS + 1)
            up.kill()
            up.start()
            self.assertEqual(up.post(event(2)), 201)
            up.await_lag_0()
            self.assertEqual(self.lines(up), ROWS + 2)
            self.assertEqual(up.stop()[0], 0)
            self.a_new_warehouse_is_refused(up)

    def a_new_warehouse_is_refused(self, up):
        """It would lack what the log has dropped."""
        shutil.rmtree(f"{up.data}/postgres")
        up.start()
        wait_until(lambda: up.readiness()["warehouse"] == "stopped", 30, "it stops")
        self.assertRegex(up.readiness()["problem"], r"wants .* from offset 0 .* dropped .* before")
        self.assertRegex(up.said(), r"error warehouse: partition 0 stops: ")
        self.assertEqual(up.post(event(3)), 201)  # the log takes events all the same
        wait_until(lambda: up.metric("tillrace_log_backlog_bytes") > 0, 30, "all is backlog")
        time.sleep(2.5)  # and nothing of it goes
        self.assertEqual(self.dropped(up), 0)
        self.assertEqual(self.lines(up), 0)
        self.assertEqual(up.stop()[0], 0)

    def test_limits_that_are_not_reached_leave_the_log_whole(self):
        with Up(self.box, "whole", env=TINY | {"TILLRACE_RETENTION__SAFETY_H": "1"}) as up:
            up.start()
            self.post_all(up)
            time.sleep(3)
            self.assertEqual(self.dropped(up), 0)
            self.assertEqual(up.stop()[0], 0)
            shutil.rmtree(f"{up.data}/postgres")
            up.start()
            up.await_lag_0(240)
            self.assertEqual(self.lines(up), ROWS, "the warehouse is not the log's")
            self.assertEqual(up.stop()[0], 0)

    def test_killed_servers_lose_nothing_that_the_log_has_dropped(self):
        with Up(self.box, "killed", env=TINY, flags=["--log-level", "warning"]) as up:
            up.start()
            poster = Poster(up, self.data, 30_000, 500)
            for _ in range(SERVER_KILLS):
                time.sleep(self.random.uniform(0.5, 2))
                send(up.server_pid(), signal.SIGKILL)
                wait_until(lambda: up.readiness()["warehouse"] == "writing", 60, "it writes again")
            self.assertEqual(poster.finish()["accepted"], ROWS)
            up.await_lag_0(240)
            wait_until(lambda: self.dropped(up) > ROWS / 4, 60, "old records go")
            self.assertEqual(self.lines_when_it_answers(up), ROWS)
            self.assertNotIn(" error ", up.said())
            self.assertEqual(up.stop()[0], 0)

    def test_a_warehouse_that_is_away_holds_the_log_and_is_counted(self):
        server = ForeignServer(self.box)
        flags = ["--warehouse-url", server.url()]
        with Up(self.box, "held", env=TINY, flags=flags) as up:
            up.start()
            self.assertEqual(up.metric("tillrace_log_backlog_bytes"), 0)
            server.stop()
            wait_until(lambda: up.readiness()["warehouse"] == "waiting", 30, "it is away")
            up.run("post", self.data.events, "--quiet")
            wait_until(lambda: up.metric("tillrace_log_backlog_bytes") > 10e6, 30, "a backlog")
            held = up.metric("tillrace_log_backlog_bytes")
            wait_until(lambda: up.metric("tillrace_retention_failed_total", "unavailable"), 30,
                       "it is said")
            time.sleep(2)
            self.assertEqual(self.dropped(up), 0)
            wait_until(lambda: "the log drops nothing: " in up.said(), 30, "the log says it")
            server.start()
            up.await_lag_0(240)
            self.assertEqual(self.lines(up), ROWS)
            wait_until(lambda: up.metric("tillrace_log_backlog_bytes") == 0, 30, "no backlog")
            wait_until(lambda: self.dropped(up) > ROWS / 4, 60, "old records go")
            print(f"{held / 1e6:.1f} MB were held while the server was away", flush=True)
            self.assertEqual(up.stop()[0], 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
