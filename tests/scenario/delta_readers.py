"""Tables that the lake's own writer makes, read alike by engines that nobody here wrote: PyPI
deltalake (delta-rs) and DuckDB's delta_scan (delta-kernel-rs). And the other way round: a table
that deltalake makes is read, appended to, compacted and vacuumed here, and read there."""

import sys
import unittest
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(SOURCE / "tests/support"))

import test_tools
from delta import TABLES, by_tillrace, comparable, extension, refusal, tables
from sandbox import Sandbox


def setUpModule():
    test_tools.python_modules()


def by_deltalake(path, version=None):
    from deltalake import DeltaTable
    rows = DeltaTable(str(path), version=version).to_pyarrow_table().to_pylist()
    return sorted(comparable(row) for row in rows)


class OursReadByOthers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sandbox = Sandbox()
        cls.addClassCleanup(cls.sandbox.close)
        cls.folder = Path(cls.sandbox.folder) / "lake"
        tables("make", cls.folder)

    def test_deltalake_reads_what_we_read(self):
        for table in TABLES:
            with self.subTest(table):
                self.assertEqual(by_deltalake(self.folder / table),
                                 by_tillrace(self.folder, table))

    def test_delta_scan_reads_what_we_read(self):
        for table in TABLES:
            with self.subTest(table):
                self.assertEqual(tables("other", self.folder, table, extension()),
                                 tables("read", self.folder, table))

    def test_deltalake_reads_the_past_as_we_do(self):
        for version in (0, 7, 10, 19, 25):
            with self.subTest(version):
                self.assertEqual(by_deltalake(self.folder / "partitioned", version),
                                 by_tillrace(self.folder, "partitioned", version))

    def test_statistics_skip_files_and_lose_no_row(self):
        from deltalake import DeltaTable
        table = DeltaTable(str(self.folder / "plain"))
        for column, value, rows in (("id", 96, 4), ("whole", -3, 4), ("small", 50, 50)):
            found = table.to_pyarrow_table(filters=[(column, ">=", value)])
            self.assertEqual(found.num_rows, rows, column)

    def test_every_file_has_statistics_of_every_kind(self):
        from deltalake import DeltaTable
        import pyarrow
        table = DeltaTable(str(self.folder / "plain"))
        for file in pyarrow.table(table.get_add_actions(flatten=True)).to_pylist():
            self.assertEqual(file["num_records"], 4)
            for column in ("id", "text", "whole", "real", "day", "moment", "price", "exact"):
                self.assertIsNotNone(file[f"min.{column}"], column)
                self.assertGreaterEqual(file[f"max.{column}"], file[f"min.{column}"], column)
                self.assertIsNotNone(file[f"null_count.{column}"], column)

    def test_history_tells_what_was_done(self):
        from deltalake import DeltaTable
        history = DeltaTable(str(self.folder / "compacted")).history()
        self.assertEqual(history[-1]["operation"], "CREATE TABLE")
        self.assertIn("OPTIMIZE", {entry["operation"] for entry in history})
        self.assertEqual(len({entry["txnId"] for entry in history}), len(history))

    def test_the_mark_of_an_application_is_seen(self):
        from deltalake import DeltaTable
        table = DeltaTable(str(self.folder / "plain"))
        self.assertEqual(table.transaction_version("tests"), 24)


class OthersReadByUs(unittest.TestCase):
    def setUp(self):
        self.sandbox = Sandbox()
        self.addCleanup(self.sandbox.close)
        self.folder = Path(self.sandbox.folder) / "lake"
        self.path = self.folder / "theirs"
        self.folder.mkdir()

    def write(self, first, count, **how):
        import pyarrow
        from deltalake import write_deltalake
        rows = pyarrow.table({
            "id": pyarrow.array(range(first, first + count), pyarrow.int64()),
            "part": [None if i % 3 == 0 else f"a b/{i % 3}:%" for i in range(first, first + count)],
        })
        write_deltalake(str(self.path), rows, partition_by=["part"], mode="append", **how)

    def test_both_write_one_table_in_turn(self):
        self.write(0, 6)
        tables("append", self.folder, "theirs", "SELECT 100 AS id, 'ours' AS part")
        self.write(6, 6)
        tables("compact", self.folder, "theirs")
        tables("checkpoint", self.folder, "theirs")
        self.write(12, 3)
        tables("append", self.folder, "theirs", "SELECT 101 AS id, NULL AS part")
        rows = by_tillrace(self.folder, "theirs")
        self.assertEqual(len(rows), 17)
        self.assertEqual(rows, by_deltalake(self.path))
        self.assertEqual(tables("read", self.folder, "theirs"),
                         tables("other", self.folder, "theirs", extension()))

    def test_their_checkpoints_and_vacuums_are_understood(self):
        from deltalake import DeltaTable
        for i in range(0, 12, 3):
            self.write(i, 3)
        table = DeltaTable(str(self.path))
        table.optimize.compact()
        table.create_checkpoint()
        tables("append", self.folder, "theirs", "SELECT 200 AS id")
        before = by_tillrace(self.folder, "theirs")
        self.assertGreater(len(tables("vacuum", self.folder, "theirs")), 0)
        self.assertEqual(by_tillrace(self.folder, "theirs"), before)
        self.assertEqual(by_deltalake(self.path), before)
        self.assertEqual(len(before), 13)

    def test_a_table_beyond_the_profile_is_refused_by_name(self):
        self.write(0, 3, configuration={"delta.enableDeletionVectors": "true"})
        self.assertIn("deletionVectors",
                      refusal("append", self.folder, "theirs", "SELECT 1 AS id"))


if __name__ == "__main__":
    unittest.main()
