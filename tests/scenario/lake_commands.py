"""`tillrace lake ...` and `tillrace query`, each typed as a user would, rightly and wrongly; on a
folder and on Azurite, mostly without a server."""

import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import unittest
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(SOURCE / "tests/support"))

from azurite import KEY, Azurite
from sandbox import Sandbox, program_environment
from tillrace import BINARY, Up, run, wait_until

TABLES = ["compacted", "deep/in/folders", "empty", "evolved", "many_partitions", "partitioned",
          "plain", "replaced"]
PROGRAM = os.environ.get("TILLRACE_DELTA_TABLES",
                         str(SOURCE / "build/release/tests/delta_tables"))
EVENT = {"StockCode": "22423", "Quantity": 2, "UnitPrice": "1.25",
         "InvoiceDate": "2011-05-05 10:00:00", "Country": "France"}
LONG = "select count(*) from range(1000000) a, range(1000000) b where hash(a.range + b.range) = 1"


def delta_tables(*words):
    done = subprocess.run([PROGRAM, *map(str, words)], capture_output=True, text=True)
    if done.returncode:
        raise AssertionError(f"{words}: {done.stderr}")
    return done.stdout.splitlines()


class Commands:
    """On whatever store. Each test has tables of its own."""

    @classmethod
    def setUpClass(cls):
        cls.made = Sandbox()
        cls.addClassCleanup(cls.made.close)
        cls.template = Path(cls.made.folder) / "lake"
        delta_tables("make", cls.template)

    def setUp(self):
        self.box = Sandbox()
        self.addCleanup(self.box.close)
        self.data = Path(self.box.path("data"))
        self.data.mkdir()
        self.env = self.make_lake()

    def tr(self, *words, **options):
        options.setdefault("env", self.env)
        return run(self.box, *words, "--data-dir", self.data, **options)

    def json(self, *words):
        return self.tr(*words, "--json").json()

    def value(self, sql):
        (row,) = self.json("query", sql)
        (value,) = row.values()
        return value

    def refused(self, code, says, *words, **options):
        """Ends with `code`, says why on stderr and nothing on stdout."""
        answer = self.tr(*words, expect=code, **options)
        self.assertEqual(answer.out, "", answer)
        for text in [says] if isinstance(says, str) else says:
            self.assertIn(text, answer.err, answer)
        self.assertNotIn(KEY, answer.err)

    def test_ls_tells_of_every_table(self):
        tables = self.json("lake", "ls")
        self.assertEqual([table["table"] for table in tables], TABLES)
        by_name = {table["table"]: table for table in tables}
        plain = by_name["plain"]
        self.assertEqual((plain["version"], plain["rows"], plain["files"]), (25, 100, 25))
        self.assertRegex(plain["written"], r"^20\d\d-\d\d-\d\dT[\d:.]+Z$")
        self.assertEqual(by_name["empty"]["rows"], 0)
        self.assertEqual(by_name["many_partitions"]["partitioned_by"],
                         "part, day, moment, yes, price")
        table = self.tr("lake", "ls")
        self.assertIn("compacted", table.out)
        self.assertEqual(table.err, "")
        rows = list(csv.DictReader(io.StringIO(self.tr("lake", "ls", "--csv").out)))
        self.assertEqual([row["table"] for row in rows], TABLES)

    def test_history_tells_what_each_version_did(self):
        versions = self.json("lake", "history", "replaced")
        self.assertEqual([v["version"] for v in versions], list(range(26, -1, -1)))
        newest, second, first = versions[0], versions[1], versions[-1]
        self.assertEqual((newest["rows_added"], newest["rows_removed"]), (10, 100))
        self.assertEqual((second["operation"], second["rows_added"]), ("WRITE", 4))
        self.assertEqual(first["operation"], "CREATE TABLE")
        self.assertEqual(len(self.json("lake", "history", "replaced", "-n", "3")), 3)
        operations = {v["operation"] for v in self.json("lake", "history", "compacted")}
        self.assertIn("OPTIMIZE", operations)

    def test_files_tells_rows_bytes_and_partition(self):
        files = self.json("lake", "files", "partitioned")
        self.assertEqual(len(files), 100)
        self.assertEqual(sum(file["rows"] for file in files), 100)
        self.assertEqual({file["partition"] for file in files},
                         {"part=NULL", "part=a b/c%:=", "part=Köln", "part=plain"})
        self.assertTrue(all(file["bytes"] > 0 for file in files))
        self.assertEqual(self.json("lake", "files", "empty"), [])

    def test_read_gives_now_and_the_past(self):
        self.assertEqual(len(self.json("lake", "read", "plain")), 100)
        self.assertEqual(len(self.json("lake", "read", "plain", "--limit", "7")), 7)
        self.assertEqual(len(self.json("lake", "read", "plain", "--version", "3")), 12)
        written = self.json("lake", "history", "plain")[-4]["written"]
        count = "select count(*) as n from t"
        for words in (["--version", "3"], ["--at", written], []):
            rows = self.json("lake", "read", "plain", *words, "--sql", count)
            self.assertEqual(rows, [{"n": 12 if words else 100}], words)
        self.assertEqual(self.json("lake", "read", "deep.in.folders", "--sql", count)[0]["n"], 100)
        (row,) = self.json("lake", "read", "evolved", "--sql", "from t where id = 13")
        self.assertEqual(str(row["added_price"]), "1.25")
        self.assertEqual(row["yes"], False)

    def test_compact_makes_few_files_and_no_other_rows(self):
        before = self.value("select sum(hash(t)) from partitioned t")
        done = self.json("lake", "compact", "partitioned")
        self.assertEqual((done["files_before"], done["files_after"]), (100, 4))
        self.assertEqual(self.value("select sum(hash(t)) from partitioned t"), before)
        self.assertEqual(self.json("lake", "compact", "partitioned")["files_before"], 0)
        self.assertEqual(self.json("lake", "compact", "empty")["files_after"], 0)

    def test_vacuum_is_careful(self):
        self.tr("lake", "compact", "plain")
        self.assertEqual(self.json("lake", "vacuum", "plain"), [])
        self.refused(2, ["168 h", "--force"], "lake", "vacuum", "plain", "--retain-h", "167")
        force = ["--retain-h", "0", "--force"]
        time.sleep(1.1)  # Azure's times are whole seconds
        would = self.json("lake", "vacuum", "plain", *force, "--dry-run")
        self.assertEqual(len(would), 25)
        self.assertEqual(len(self.json("lake", "read", "plain", "--version", "25")), 100)
        answer = self.tr("lake", "vacuum", "plain", *force)
        self.assertIn("25 files", answer.err)
        self.assertEqual(self.json("lake", "vacuum", "plain", *force), [])
        shutil.rmtree(self.data / "lake-cache", ignore_errors=True)
        self.refused(1, ["version 25 are gone", "168 h"], "lake", "read", "plain", "--version",
                     "25")
        self.assertEqual(self.value("select count(*) from plain"), 100)

    def test_checkpoint_writes_one(self):
        self.assertEqual(self.json("lake", "checkpoint", "evolved"),
                         {"table": "evolved", "version": 3})
        self.assertEqual(self.value("select count(*) from evolved"), 14)

    def test_query_joins_tables_and_prints_every_form(self):
        sql = ("select p.part, count(*) as n, sum(p.price) as price, max(f.yes) as yes,"
               " list(p.id order by p.id)[:2] as ids"
               " from partitioned p join \"deep/in\".folders f using (id)"
               " group by all order by 1 nulls first")
        rows = self.json("query", sql)
        self.assertEqual([row["part"] for row in rows], [None, "Köln", "a b/c%:=", "plain"])
        self.assertEqual(rows[0]["ids"], [0, 4])
        self.assertIs(rows[0]["yes"], True)
        text = self.tr("query", sql, "--csv").out
        self.assertEqual(text.splitlines()[:2], ["part,n,price,yes,ids",
                                                 ",25,1481.4000,true,\"[0, 4]\""])
        self.assertIn("1,481.40", self.tr("query", sql).out)
        self.assertEqual(self.tr("query", "-", "--csv", stdin="from plain select max(id);\n").out,
                         "max(id)\n99\n")
        self.assertEqual(self.tr("query", "from plain where false", "--json").out, "[]\n")
        self.assertEqual(len(self.json("query", "from plain", "--limit", "9")), 9)

    def test_query_tells_what_there_is(self):
        names = {row["name"] for row in self.json("query", "show all tables")}
        self.assertEqual(names, {name.rsplit("/", 1)[-1] for name in TABLES})
        columns = [row["column_name"] for row in self.json("query", "describe plain")]
        self.assertEqual(columns[:2], ["id", "text"])

    def test_a_result_becomes_a_parquet_file(self):
        out = self.box.path("out.parquet")
        answer = self.tr("query", "from plain", "--parquet", out)
        self.assertEqual(answer.out, "")
        self.assertIn("100", answer.err)
        self.assertEqual(self.value(f"select sum(id) from '{out}'"), 4950)
        self.assertEqual(self.json("query", "from plain limit 3", "--parquet", out)["rows"], 3)
        self.assertEqual(self.value(f"select count(*) from '{out}'"), 3)
        self.tr("lake", "read", "plain", "--version", "1", "--parquet", out)
        self.assertEqual(self.value(f"select count(*) from '{out}'"), 4)
        self.refused(2, "wrong", "query", "select error('wrong') from plain", "--parquet", out)
        self.assertEqual(self.value(f"select count(*) from '{out}'"), 4, "the old one stays")
        leftovers = [name for name in os.listdir(self.box.folder) if "parquet" in name]
        self.assertEqual(leftovers, ["out.parquet"])

    def test_wrong_use_is_told(self):
        for code, says, *words in (
            (2, "'history'", "lake", "histroy", "plain"),
            (2, "subcommand", "lake"),
            (2, "TABLE", "lake", "files"),
            (2, "SQL", "query"),
            (2, "--versoin", "lake", "read", "plain", "--versoin", "3"),
            (2, "--at", "lake", "read", "plain", "--version", "3", "--at", "2026-01-01"),
            (2, "--version", "lake", "read", "plain", "--version", "-1"),
            (2, "such as", "lake", "read", "plain", "--at", "yesterday"),
            (2, "-n", "lake", "history", "plain", "-n", "0"),
            (2, "--target-mb", "lake", "compact", "plain", "--target-mb", "0"),
            (1, "did you mean 'plain'?", "lake", "read", "plian"),
            (1, "did you mean 'deep/in/folders'?", "lake", "files", "deep.in.folder"),
            (1, "the lake's tables: compacted,", "lake", "history", "customers"),
            (1, "there is no table", "lake", "compact", "../plain"),
            (1, "its latest is 25", "lake", "read", "plain", "--version", "26"),
            (1, "no version as old", "lake", "read", "plain", "--at", "2001-01-01"),
            (1, "did you mean 'plain'?", "query", "from plian"),
            (1, "only `t` is open", "lake", "read", "plain", "--sql", "from t, evolved"),
            (2, "syntax error", "query", "selec 1"),
            (2, "\"nope\"", "query", "select nope from plain"),
            (2, "one query", "query", "select 1; select 2"),
            (2, "one query", "query", ""),
            (2, "no file that could be replaced", "query", "from plain", "--parquet", "/dev/null"),
            (2, "there is no folder", "query", "from plain", "--parquet", "no/where.parquet"),
        ):
            with self.subTest(words):
                self.refused(code, says, *words)

    def test_sql_can_change_nothing(self):
        before = self.everything()
        target = self.box.path("evil.parquet")
        victim = Path(self.box.path("victim"))
        victim.write_text("old")
        profile = f"enable_profiling(save_location = '{victim}')"
        for sql in (f"copy (select 1) to '{target}'", "delete from plain", "drop view plain",
                    f"select 1; copy (select 1) to '{target}'", "create table x as select 1",
                    f"attach '{target}'", "set threads = 1", "load httpfs",
                    f"explain analyze copy (select 1) to '{target}'",
                    f"select 1); copy (select 1) to '{target}'; select (1",
                    f"from {profile}", f"select (select count(*) from system.main.{profile})",
                    f"with x as materialized (from {profile}) from x", f"summarize from {profile}",
                    f"from enable_logging('QueryLog', storage='file', storage_path='{target}')",
                    f"from query('from ena' || 'ble_profiling(save_location = ''{victim}'')')",
                    "from json_execute_serialized_sql(json_serialize_sql("
                    "'from force_checkpoint()'))"):
            with self.subTest(sql):
                self.refused(2, "", "query", sql)
                self.refused(2, "", "lake", "read", "plain", "--sql", sql)
                self.refused(2, "", "query", sql, "--parquet", self.box.path("out.parquet"))
        self.assertFalse(os.path.exists(target))
        self.assertEqual(victim.read_text(), "old")
        self.assertEqual(self.everything(), before)

    def everything(self):
        return [(table["table"], table["version"], table["files"], table["bytes"])
                for table in self.json("lake", "ls")]

    def test_output_that_cannot_be_written_ends_a_query_soon(self):
        for words in (["query", "from range(100000000000)", "--csv"],
                      ["query", "from range(100000000000)", "--json"], ["lake", "ls"]):
            with open("/dev/full", "wb") as full:
                code, err = self.written_to(full, *words)
            self.assertEqual(code, 3, err)
            self.assertIn(b"cannot write to standard output", err)

    def test_a_reader_who_has_had_enough_ends_a_query_quietly(self):
        reader, writer = os.pipe()
        os.close(reader)
        with os.fdopen(writer, "wb") as closed:
            code, err = self.written_to(closed, "query", "from range(100000000000)", "--csv")
        self.assertEqual((code, err), (0, b""))
        self.assertEqual(list(self.data.glob("lake-spool/*")), [])

    def written_to(self, file, *words):
        child = self.box.spawn([BINARY, *words, "--data-dir", self.data],
                               env=program_environment(self.env), stdout=file,
                               stderr=subprocess.PIPE)
        _, err = child.communicate(timeout=20)
        return child.returncode, err

    def test_an_interrupted_query_ends_soon_and_leaves_nothing(self):
        child = self.box.spawn([BINARY, "query", LONG, "--data-dir", self.data],
                               env=program_environment(self.env), stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
        time.sleep(1)
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=20)
        self.assertEqual((child.returncode, out), (3, b""), err)
        self.assertIn(b"interrupted", err)
        self.assertEqual(list(self.data.glob("lake-spool/*")), [])
        self.assertEqual(list(self.data.glob("lake-cache/tillrace-cache/sessions/*")), [])


class OnAFolder(Commands, unittest.TestCase):
    def make_lake(self):
        subprocess.run(["cp", "-a", self.template, self.data / "lake"], check=True)
        return {}

    def test_without_a_lake_that_is_said_and_none_is_made(self):
        nowhere = Path(self.box.path("nowhere"))
        for words in (["lake", "ls"], ["query", "select 1"], ["lake", "read", "plain"]):
            answer = run(self.box, *words, "--data-dir", nowhere, expect=1)
            self.assertIn("there is no lake at", answer.err)
        self.assertFalse(nowhere.exists())

    def test_the_root_may_be_elsewhere(self):
        elsewhere = self.box.path("elsewhere")
        os.rename(self.data / "lake", elsewhere)
        self.refused(1, "there is no lake", "lake", "ls")
        answer = self.tr("lake", "ls", "--json", env={"TILLRACE_LAKE__ROOT": elsewhere})
        self.assertEqual(len(answer.json()), len(TABLES))

    def test_queries_go_on_while_a_writer_writes(self):
        writer = self.box.spawn([PROGRAM, "commits", str(self.data / "lake"), "busy", "100000"])
        wait_until(lambda: (self.data / "lake/busy/_delta_log").exists(), 30, "the table")
        counts = []
        for _ in range(8):
            row = self.json("query", "select count(*) as n, max(id) as last from busy")[0]
            if row["n"]:
                self.assertEqual(row["n"], row["last"] + 1, "one version, in whole")
            counts.append(row["n"])
            self.json("lake", "history", "busy", "-n", "2")
            self.json("lake", "compact", "busy")
        writer.kill()
        writer.wait()
        self.assertEqual(counts, sorted(counts))
        self.assertGreater(counts[-1], counts[0])

    def test_a_broken_table_is_told_beside_the_others(self):
        log = self.data / "lake/broken/_delta_log"
        log.mkdir(parents=True)
        (log / "00000000000000000000.json").write_text("{")
        answer = self.tr("lake", "ls", "--json", expect=4)
        self.assertEqual([table["table"] for table in answer.json()], TABLES)
        self.assertIn("broken", answer.err)
        self.assertEqual(self.value("select count(*) from plain"), 100)
        self.refused(4, "broken", "query", "from broken")

    def test_a_broken_data_file_is_not_the_querys_fault(self):
        for path in (self.data / "lake/plain").glob("part-*"):
            os.truncate(path, 100)
        for words in (["query", "select sum(id) from plain"], ["lake", "read", "plain"]):
            self.refused(4, "plain", *words)
        for path in (self.data / "lake/plain").glob("part-*"):
            path.unlink()
        self.refused(4, "latest version is gone", "query", "from plain")

    def test_a_long_list_of_deleted_files_is_cut_and_says_so(self):
        old = time.time() - 200 * 3600
        for number in range(10_001):
            path = self.data / f"lake/plain/part-{number}.parquet"
            path.touch()
            os.utime(path, (old, old))
        answer = self.tr("lake", "vacuum", "plain", "--dry-run")
        self.assertEqual(len(answer.out.splitlines()), 10_002)
        self.assertIn("first 10000 of 10001 files", answer.err)

    def test_a_large_table_is_cut_and_says_so(self):
        answer = self.tr("query", "from range(10001)")
        self.assertEqual(len(answer.out.splitlines()), 10_002)
        self.assertIn("first 10000 rows", answer.err)
        self.tr("query", "from range(100000000000)", timeout_s=20)  # and the rest is not read
        self.assertEqual(len(self.tr("query", "from range(30000)", "--csv").out.splitlines()),
                         30_001)


class OnAzurite(Commands, unittest.TestCase):
    def make_lake(self):
        self.azurite = Azurite(self.box)
        self.azurite.put_tree(self.template)
        return self.azurite.settings()

    def cached(self):
        return list((self.data / "lake-cache/tillrace-cache/files").glob("*"))

    def test_files_are_fetched_once_and_only_those_of_named_tables(self):
        self.assertEqual(self.value("select count(*) from plain"), 100)
        self.assertEqual(len(self.cached()), 25)
        before = {path: path.stat().st_ino for path in self.cached()}
        self.assertEqual(self.value("select sum(id) from plain"), 4950)
        self.assertEqual({path: path.stat().st_ino for path in self.cached()}, before)
        self.assertEqual(list(self.data.glob("lake-cache/tillrace-cache/sessions/*")), [])

    def test_the_cache_keeps_its_limit(self):
        self.env["TILLRACE_LAKE__CACHE_GB"] = "0.001"
        for table in ("plain", "partitioned", "many_partitions", "plain"):
            self.value(f"select count(*) from {table}")
            self.assertLessEqual(sum(path.stat().st_size for path in self.cached()), 1_000_000)

    def test_without_a_data_folder_the_cache_is_the_users(self):
        home = self.box.path("home")
        env = self.env | {"HOME": home, "XDG_CACHE_HOME": ""}
        answer = run(self.box, "query", "select count(*) from plain", "--csv", "--data-dir",
                     self.box.path("none"), env=env)
        self.assertEqual(answer.out.splitlines()[-1], "100")
        cache = Path(home) / ".cache/tillrace/lake/tillrace-cache"
        self.assertEqual(len(list(cache.glob("files/*"))), 25)
        self.assertFalse(os.path.exists(self.box.path("none")))

    def test_wrong_credentials_are_told_without_them(self):
        wrong = self.env | {"TILLRACE_LAKE__ACCOUNT_KEY": "d3Jvbmd3cm9uZ3dyb25n"}
        self.refused(3, "403", "lake", "ls", env=wrong)
        none = {key: value for key, value in self.env.items() if "CREDENTIAL" not in key}
        self.refused(2, "lake.credential", "query", "select 1", env=none)

    def test_half_a_file_in_the_cache_is_fetched_again(self):
        self.value("select count(*) from plain")
        for path in self.cached():
            os.truncate(path, 10)
        self.assertEqual(self.value("select sum(id) from plain"), 4950)


class KeptByItself(unittest.TestCase):
    """`tillrace up` makes large files of small ones, beside its sinks and these commands."""

    def test_small_files_become_one_and_no_row_is_lost(self):
        with Sandbox() as box:
            env = {f"TILLRACE_LAKE__{name}_INTERVAL_S": "1"
                   for name in ("COMMIT", "COMPACT", "VACUUM")}
            with Up(box, env=env) as up:
                up.start()
                for number in range(12):
                    event = EVENT | {"InvoiceNo": str(910_000 + number)}
                    self.assertEqual(up.post(json.dumps(event)), 201)
                    up.run("lake", "flush")
                table = "bronze/transactions"
                wait_until(lambda: len(up.run("lake", "files", table, "--json").json()) == 1, 60,
                           "one file of many")
                self.assertGreaterEqual(up.metric("tillrace_lake_compacted_files_total"), 12)
                self.assertIsNone(up.metric("tillrace_lake_upkeep_failed_total"))
                rows = up.run("query", "select count(*), count(distinct invoice_no) from"
                              " bronze.transactions", "--csv").out
                self.assertEqual(rows.splitlines()[-1], "12,12")
                operations = [version["operation"] for version in
                              up.run("lake", "history", table, "--json").json()]
                self.assertEqual(operations.count("WRITE"), 12)
                self.assertIn("OPTIMIZE", operations)
                code, seconds = up.stop()
                self.assertEqual(code, 0)
                self.assertLess(seconds, 10)
                rows = up.run("query", "select count(*) from bronze.transactions", "--csv").out
                self.assertEqual(rows.splitlines()[-1], "12", "also without a server")


if __name__ == "__main__":
    unittest.main(verbosity=2)
