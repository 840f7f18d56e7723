"""Tables that the lake's own writer makes, read by a real Spark with Delta Lake's own
implementation; and tables that Spark makes, read, appended to and compacted here and read there."""

import json
import sys
import unittest
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(SOURCE / "tests/support"))

from delta import TABLES, by_tillrace, comparable, refusal, tables
from sandbox import Sandbox
from spark import Spark

# What JSON has no exact word for is read as a text.
AS_TEXT = {"bytes": "CAST(bytes AS STRING)",
           "day": "CAST(day AS STRING)",
           "moment": "date_format(moment, 'yyyy-MM-dd HH:mm:ss.SSSSSS') || '+00'",
           "price": "CAST(price AS STRING)",
           "exact": "CAST(exact AS STRING)",
           "added_price": "CAST(added_price AS STRING)"}


class SparkTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sandbox = Sandbox()
        cls.addClassCleanup(cls.sandbox.close)
        cls.folder = Path(cls.sandbox.folder) / "lake"
        cls.folder.mkdir()
        cls.spark = Spark(cls.sandbox)
        tables("make", cls.folder)

    def named(self, table):
        return f"delta.`{self.folder / table}`"

    def by_spark(self, table, columns, of_version=""):
        texts = [f"{text} AS {column}" for column, text in AS_TEXT.items() if column in columns]
        others = f"* EXCEPT ({', '.join(c for c in AS_TEXT if c in columns)})" if texts else "*"
        rows = self.spark.sql(f"SELECT {', '.join([others, *texts])}"
                              f" FROM {self.named(table)} {of_version}")
        reals = {"real", "short_real"}
        return sorted(
            comparable({k: float(v) if k in reals and v is not None else v
                        for k, v in row.items()})
            for row in rows)

    def expect_same(self, table):
        ours = by_tillrace(self.folder, table)
        self.assertEqual(self.by_spark(table, json.loads(ours[0]) if ours else ()), ours)
        return ours

    def make(self, table, columns, how=""):
        self.spark.sql(f"CREATE TABLE {self.named(table)} ({columns}) USING delta {how}")

    def test_spark_reads_what_we_read(self):
        for table in TABLES:
            with self.subTest(table):
                self.expect_same(table)

    def test_sums_and_counts_are_the_same(self):
        told = self.spark.sql("SELECT count(*) AS n, count(text) AS texts, sum(id) AS ids,"
                              " CAST(sum(price) AS STRING) AS price,"
                              " CAST(min(moment) AS STRING) AS first"
                              f" FROM {self.named('compacted')} WHERE id < 100")[0]
        self.assertEqual(told, {"n": 100, "texts": 80, "ids": 4950, "price": "6110.7750",
                                "first": "2026-01-01 00:00:00.123456"})

    def test_spark_reads_the_past_as_we_do(self):
        for version in (0, 7, 20):
            with self.subTest(version):
                ours = by_tillrace(self.folder, "partitioned", version)
                columns = json.loads(ours[0]) if ours else ()
                self.assertEqual(
                    self.by_spark("partitioned", columns, f"VERSION AS OF {version}"), ours)

    def test_statistics_let_spark_skip_files_and_no_rows(self):
        for where, rows in (("id >= 96", 4), ("moment >= '2026-01-05'", 4),
                            ("price BETWEEN 1.2 AND 2.5", 2), ("text IS NULL", 20),
                            ("exact > 14", 1), ("part = 'Köln'", 25)):
            with self.subTest(where):
                told = self.spark.sql(f"SELECT count(*) AS n FROM {self.named('partitioned')}"
                                      f" WHERE {where}")
                self.assertEqual(told[0]["n"], rows)

    def test_spark_tells_what_was_done(self):
        history = self.spark.sql(f"DESCRIBE HISTORY {self.named('compacted')}")
        self.assertEqual(history[-1]["operation"], "CREATE TABLE")
        self.assertIn("OPTIMIZE", {entry["operation"] for entry in history})

    def test_a_table_of_spark_is_written_by_both_in_turn(self):
        self.make("theirs", "id BIGINT, text STRING, price DECIMAL(18,4), moment TIMESTAMP,"
                  " day DATE, real DOUBLE, yes BOOLEAN, bytes BINARY, small SMALLINT, part STRING",
                  "PARTITIONED BY (part, day) TBLPROPERTIES ('delta.checkpointInterval' = '3')")
        for first in (0, 10, 20):
            self.spark.sql(
                f"INSERT INTO {self.named('theirs')} SELECT id, IF(id % 3 = 0, NULL, 'té ' || id),"
                " id * 1.25, TIMESTAMP '2026-01-01 00:00:00.123456Z' + make_interval(0,0,0,id),"
                " IF(id % 4 = 0, NULL, date_add(DATE '2026-01-01', CAST(id % 3 AS INT))), id / 3,"
                " id % 2 = 0, CAST('b' || id AS BINARY), id,"
                f" IF(id % 5 = 0, NULL, 'a b/c%:=' || id % 2) FROM range({first}, {first + 10})")
        self.assertEqual(len(self.expect_same("theirs")), 30)
        tables("append", self.folder, "theirs", "SELECT 100 AS id, 'ours' AS text, 1.5 AS price,"
               " TIMESTAMPTZ '2026-02-02 02:02:02.000002+00' AS moment, 'p=q' AS part")
        self.spark.sql(f"DELETE FROM {self.named('theirs')} WHERE id IN (3, 14)")
        self.assertEqual(len(self.expect_same("theirs")), 29)
        tables("compact", self.folder, "theirs")
        tables("checkpoint", self.folder, "theirs")
        self.spark.sql(f"UPDATE {self.named('theirs')} SET text = 'changed' WHERE id = 100")
        self.spark.sql(f"OPTIMIZE {self.named('theirs')}")
        tables("append", self.folder, "theirs", "SELECT 101 AS id")
        rows = self.expect_same("theirs")
        self.assertEqual(len(rows), 30)
        self.assertEqual(sum("changed" in row for row in rows), 1)

    def test_what_ours_left_behind_spark_writes_on(self):
        self.spark.sql(f"INSERT INTO {self.named('replaced')} (id, part) VALUES (900, 'sp'),"
                       " (901, NULL)")
        self.spark.sql(f"MERGE INTO {self.named('evolved')} t USING (SELECT 3 AS id) s"
                       " ON t.id = s.id WHEN MATCHED THEN DELETE")
        self.assertEqual(len(self.expect_same("replaced")), 12)
        self.assertEqual(len(self.expect_same("evolved")), 13)

    def test_tables_of_spark_beyond_the_profile_are_refused_by_name(self):
        for name, columns, how, why in (
                ("vectors", "id BIGINT", "('delta.enableDeletionVectors' = 'true')",
                 "deletionVectors"),
                ("mapped", "id BIGINT", "('delta.columnMapping.mode' = 'name')", "version 2"),
                ("zoneless", "id BIGINT, t TIMESTAMP_NTZ", "('a' = 'b')", "timestamp_ntz"),
                ("second", "id BIGINT", "('delta.checkpointPolicy' = 'v2')", "v2Checkpoint")):
            with self.subTest(name):
                self.make(name, columns, f"TBLPROPERTIES {how}")
                self.assertIn(why, refusal("read", self.folder, name))

    def test_a_table_that_only_writers_must_know_is_read_and_not_written(self):
        self.make("checked", "id BIGINT")
        self.spark.sql(f"ALTER TABLE {self.named('checked')} ADD CONSTRAINT c CHECK (id > 0)")
        self.spark.sql(f"INSERT INTO {self.named('checked')} VALUES (7)")
        self.assertEqual(len(self.expect_same("checked")), 1)
        self.assertIn("writer", refusal("append", self.folder, "checked", "SELECT -1 AS id"))


if __name__ == "__main__":
    unittest.main()
