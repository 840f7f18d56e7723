"""kill -9 at random moments of a process that writes, commits, checkpoints, compacts and vacuums a
Delta table: afterwards the table opens in every reader, no acknowledged row is lost, none is there
twice, no file that the table needs is missing, and a vacuum takes away all that was left behind.

100 kills by one seed; more: TILLRACE_CHAOS_ROUNDS=10, another run: TILLRACE_CHAOS_SEED=7."""

import json
import os
import random
import subprocess
import sys
import time
import unittest
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(SOURCE / "tests/support"))

import test_tools
from sandbox import Sandbox

PROGRAM = os.environ.get("TILLRACE_DELTA_TABLES",
                         str(SOURCE / "build/release/tests/delta_tables"))
KILLS = 100 * int(os.environ.get("TILLRACE_CHAOS_ROUNDS", "1"))
SEED = int(os.environ.get("TILLRACE_CHAOS_SEED", "1"))
# Between looks by all readers.
KILLS_BETWEEN_LOOKS = 10
LONGEST_LIFE_S = 0.6


def setUpModule():
    test_tools.python_modules()


class Killed(unittest.TestCase):
    def setUp(self):
        self.sandbox = Sandbox()
        self.addCleanup(self.sandbox.close)
        self.folder = Path(self.sandbox.path("lake"))
        self.acknowledged = 0

    def tables(self, *words):
        done = subprocess.run([PROGRAM, *map(str, words)], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, f"{words}: {done.stderr}")
        return done.stdout.splitlines()

    def live_and_die(self, chance):
        """One life: it prints each mark that it has committed."""
        child = self.sandbox.spawn([PROGRAM, "work", self.folder, "t"], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        time.sleep(chance.uniform(0.02, LONGEST_LIFE_S))
        child.kill()
        said, why = child.communicate()
        self.assertEqual(child.returncode, -9, why)
        # A last line that was cut off was never said.
        marks = [int(line) for line in said.split("\n")[:-1]]
        self.acknowledged = max([self.acknowledged, *marks])

    def look(self):
        ours = [json.loads(line)["id"] for line in self.tables("read", self.folder, "t")]
        self.assertEqual(sorted(ours), list(range(len(ours))))
        self.assertGreaterEqual(len(ours), self.acknowledged)
        from deltalake import DeltaTable
        table = DeltaTable(str(self.folder / "t"))
        self.assertEqual(sorted(table.to_pyarrow_table()["id"].to_pylist()), sorted(ours))
        self.assertEqual(table.transaction_version("sink"), len(ours))
        self.acknowledged = len(ours)

    def test_every_row_is_there_once(self):
        chance = random.Random(SEED)
        for kill in range(1, KILLS + 1):
            self.live_and_die(chance)
            if kill % KILLS_BETWEEN_LOOKS == 0 and (self.folder / "t/_delta_log").exists():
                self.look()
        self.assertGreater(self.acknowledged, 0)
        self.tables("vacuum", self.folder, "t")
        self.look()
        from deltalake import DeltaTable
        wanted = {Path(path).name for path in DeltaTable(str(self.folder / "t")).file_uris()}
        self.assertEqual({path.name for path in (self.folder / "t").glob("*.parquet")}, wanted)


if __name__ == "__main__":
    unittest.main()
