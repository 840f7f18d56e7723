"""The bronze tables: every event is in the lake once, with its bytes, whatever is killed on the
way; read by PyPI deltalake and DuckDB's delta_scan on a folder and on Azurite, and by Spark on the
folder. What an operator does with the lake: flush, detach, attach. And a lake that is away, which
holds up nobody.

Kills come at random moments (TILLRACE_CHAOS_SEED, as in tests/chaos)."""

import json
import signal
import sys
import time
import unittest
from decimal import Decimal
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(SOURCE / "tests/support"))

import test_tools
from azurite import Azurite
from chaos import Poster, random_of
from delta import extension, tables
from sandbox import Sandbox
from shopdata import REAL_FACTS, Data, facts_of
from spark import Spark
from tillrace import Up, free_port, wait_until

SHORT_ROWS = 60_000  # where the real data set is absent
KILLS = 8
EVENTS_PER_S = 60_000
LONGEST_LIFE_S = 2.0
BUSY = {"TILLRACE_LAKE__COMMIT_INTERVAL_S": "1"}  # many commits, so that kills fall into some
EVENT = {"InvoiceNo": "900000", "StockCode": "22423", "Quantity": 2, "UnitPrice": "1.25",
         "InvoiceDate": "2011-05-05 10:00:00", "Country": "France"}
SUMS = ('count(*) AS lines, count(DISTINCT "offset") AS offsets, max("offset") AS last,'
        " sum(quantity * CAST(unit_price AS DECIMAL(27,4))) AS amount,"
        " count(DISTINCT event_id) AS ids, count(DISTINCT invoice_no) AS invoices")


def setUpModule():
    test_tools.python_modules()


def event(number):
    return json.dumps(EVENT | {"LineNo": number})


def by_delta_scan(root, columns=SUMS, env=None):
    row, = tables("other", root, "bronze/transactions", extension(), columns, env=env)
    return json.loads(row, parse_float=Decimal)


def by_spark(spark, root):
    sums = SUMS.replace('"', "`")
    row, = spark.sql(f"SELECT {sums} FROM delta.`{root}/bronze/transactions`")
    return row


def by_deltalake(path, options=None):
    """The same sums as by_delta_scan."""
    import pyarrow.compute as pc
    from deltalake import DeltaTable
    table = DeltaTable(path, storage_options=options)
    rows = table.to_pyarrow_table(
        columns=["offset", "quantity", "unit_price", "event_id", "invoice_no"])
    amount = sum(q * p for q, p in zip(rows["quantity"].to_pylist(),
                                       rows["unit_price"].to_pylist()))
    return {"lines": rows.num_rows, "offsets": pc.count_distinct(rows["offset"]).as_py(),
            "last": pc.max(rows["offset"]).as_py(), "amount": amount,
            "ids": pc.count_distinct(rows["event_id"]).as_py(),
            "invoices": pc.count_distinct(rows["invoice_no"]).as_py()}


class Bronze(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.random = random_of("lake_bronze")
        cls.box = Sandbox()
        cls.addClassCleanup(cls.box.close)
        cls.data = Data(cls.box)
        if not cls.data.is_real:
            cls.data = Data(cls.box, rows=SHORT_ROWS)
        cls.facts = REAL_FACTS if cls.data.is_real else facts_of(cls.data.lines)

    def check_sums(self, sums, end):
        # What was posted again after a kill is in the log again, under the identity it had.
        self.assertEqual(sums["lines"], sums["offsets"], "a record is there twice")
        self.assertEqual(sums["lines"], end, "a record is missing")
        self.assertEqual(sums["last"], end - 1)
        self.assertEqual(sums["ids"], self.facts["rows"])
        self.assertEqual(sums["invoices"], self.facts["invoices"])
        if end == self.facts["rows"]:
            self.assertEqual(Decimal(sums["amount"]), self.facts["net sales"])

    def end_of(self, up):
        return up.run("status", "--json").json()["topics"][0]["end"]

    def post_under_kills(self, name, env):
        """The whole file, with kill -9 at random moments; all of it flushed, and the program."""
        up = Up(self.box, name, f"127.0.0.1:{free_port()}", ["--log-level", "warning"], env=env)
        self.enterContext(up)
        up.start()
        poster = Poster(up, self.data, EVENTS_PER_S, 1_000, name)
        kills = 0
        while kills < KILLS and poster.is_running():
            time.sleep(self.random.uniform(0.2, LONGEST_LIFE_S))
            up.kill()
            up.start()
            kills += 1
        summary = poster.finish()
        began = time.monotonic()
        up.run("lake", "flush", "--timeout", "120")
        print(f"{name}: {kills} kills, posted within {summary['seconds']:.0f} s, flushed"
              f" {time.monotonic() - began:.1f} s after", flush=True)
        return up

    def test_on_a_folder_every_event_is_there_once_whatever_is_killed(self):
        up = self.post_under_kills("folder", BUSY)
        root = up.run("status", "--json").json()["lake_root"]
        self.assertEqual(root, f"{up.data}/lake")
        sums = by_delta_scan(root)
        self.check_sums(sums, self.end_of(up))
        self.assertEqual(by_deltalake(f"{root}/bronze/transactions"), sums)
        self.assertEqual(by_spark(Spark(self.box), root), sums)
        self.assertEqual(by_delta_scan(root, columns="count(*) AS lines, bool_and("
                                       "json_valid(raw)) AS all_json, count(DISTINCT ingest_date)"
                                       " <= 2 AS days"),
                         {"lines": sums["lines"], "all_json": True, "days": True})
        self.assertEqual(up.stop()[0], 0)
        self.check_the_shop(root)

    def check_the_shop(self, root):
        """Each line as it came last is the shop: the sum that the data set must have."""
        path = f"delta_scan('{root}/bronze/transactions')"
        last = f'SELECT event_id, max("offset") FROM {path} GROUP BY ALL'
        amount = f'sum(quantity * unit_price) FILTER ((event_id, "offset") IN ({last}))'
        found = by_delta_scan(root, columns=f"{amount} AS amount")
        self.assertEqual(Decimal(found["amount"]), self.facts["net sales"])

    def test_on_azurite_every_event_is_there_once_whatever_is_killed(self):
        azurite = Azurite(self.box)
        up = self.post_under_kills("azure", BUSY | azurite.settings())
        status = up.run("status", "--json")
        self.assertEqual(status.json()["lake_root"], azurite.root)
        sums = by_deltalake(f"az://{azurite.container}/lake/bronze/transactions",
                            azurite.storage_options())
        self.check_sums(sums, self.end_of(up))
        self.assertEqual(
            by_delta_scan(f"az://{azurite.container}/lake", env=azurite.environment()), sums)
        self.assertEqual(up.stop()[0], 0)
        for text in (up.said(), status.out, up.run("config", "show").out):
            self.assertNotIn(azurite.settings()["TILLRACE_LAKE__ACCOUNT_KEY"], text)


class Operators(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.box = Sandbox()
        cls.addClassCleanup(cls.box.close)

    def lines(self, up):
        return by_delta_scan(f"{up.data}/lake", columns="count(*) AS lines")["lines"]

    def lake(self, up):
        return up.readiness()["lake"]

    def test_what_came_in_is_there_after_a_flush_and_after_a_stop(self):
        with Up(self.box, "flush") as up:
            up.start()
            for number in (1, 2):
                self.assertEqual(up.post(event(number)), 201)
            self.assertEqual(self.lines(up), 0)
            up.run("lake", "flush")
            self.assertEqual(self.lines(up), 2)
            self.assertEqual(up.post(event(3)), 201)
            self.assertEqual(up.stop()[0], 0)
            self.assertEqual(self.lines(up), 3)
            up.run("lake", "flush", expect=3)

    def test_without_a_lake_there_is_none_and_a_flush_says_so(self):
        with Up(self.box, "none", env={"TILLRACE_LAKE__ENABLED": "false"}) as up:
            up.start()
            self.assertNotIn("lake", up.readiness())
            self.assertEqual(up.run("status", "--json").json()["lake_root"], "")
            self.assertIn("lake.enabled", up.run("lake", "flush", expect=1).err)
            self.assertFalse(Path(up.data, "lake").exists())

    def test_a_detached_lake_stays_so_over_a_start_and_goes_on_where_it_was(self):
        with Up(self.box, "detached") as up:
            up.start()
            self.assertEqual(up.post(event(1)), 201)
            up.run("lake", "flush")
            self.assertIn("'warehouse' cannot be detached",
                          up.run("sink", "detach", "warehouse", expect=2).err)
            up.run("sink", "detach", "lake")
            wait_until(lambda: self.lake(up) == "detached", 10, "it is detached")
            self.assertEqual(up.post(event(2)), 201)
            self.assertIn("detached", up.run("lake", "flush", expect=3).err)
            self.assertEqual(up.stop()[0], 0)
            up.start()
            self.assertEqual(self.lake(up), "detached")
            self.assertEqual(self.lines(up), 1)
            up.run("sink", "attach", "lake")
            wait_until(lambda: self.lake(up) == "writing", 10, "it is attached")
            up.run("lake", "flush")
            self.assertEqual(self.lines(up), 2)

    def test_a_lake_that_is_away_holds_up_neither_events_nor_warehouse_nor_a_stop(self):
        env = {
            "TILLRACE_LAKE__ROOT": "abfss://shop@devstoreaccount1.dfs.core.windows.net/lake",
            "TILLRACE_LAKE__ENDPOINT": f"http://127.0.0.1:{free_port()}/devstoreaccount1",
            "TILLRACE_LAKE__CREDENTIAL": "account_key",
            "TILLRACE_LAKE__ACCOUNT_KEY": "c2VjcmV0",
            "TILLRACE_SHUTDOWN_TIMEOUT_S": "3",
        }
        with Up(self.box, "away", env=env) as up:
            up.start()
            self.assertEqual(up.post(event(1)), 201)
            up.await_lag_0()
            self.assertEqual(up.value("select count(*) from shop.invoice_line"), "1")
            self.assertEqual(up.get("/readyz")[0], 200)
            lag = [each for each in up.readiness()["lag"] if each["sink"] == "lake"]
            self.assertEqual([each["records"] for each in lag], [1])
            self.assertEqual(up.metric("tillrace_processor_lag_records", 'sink="warehouse"'), 0)
            code, seconds = up.stop(signal.SIGINT)
            self.assertEqual(code, 0)
            self.assertLess(seconds, 8)
            self.assertIn("the lake will catch up at the next start", up.said())
            self.assertNotIn("c2VjcmV0", up.said())

    def test_two_programs_say_what_is_wrong_with_the_settings_and_no_secret(self):
        for env, told in (({"TILLRACE_LAKE__ROOT": "abfss://x"}, "lake.root"),
                          ({"TILLRACE_LAKE__ROOT":
                            "abfss://shop@account.dfs.core.windows.net/"}, "lake.credential")):
            with Up(self.box, "bad", env=env | {"TILLRACE_LAKE__SAS": "sig=SECRET"}) as up:
                said = up.run("up", expect=2).err
                self.assertIn(told, said)
                self.assertNotIn("SECRET", said)


if __name__ == "__main__":
    unittest.main()
