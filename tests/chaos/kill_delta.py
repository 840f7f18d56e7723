"""kill -9 of a process that writes, commits, checkpoints, compacts and vacuums a Delta table, at
random moments and inside each of its phases: afterwards the table opens in every reader, no
acknowledged row is lost, none is there twice, no file that the table needs is missing, and a vacuum
takes away all that was left behind. Counts the deaths in each phase, and fails where one has none.

49 kills by one seed; more: TILLRACE_CHAOS_ROUNDS=10, another run: TILLRACE_CHAOS_SEED=7."""

import json
import os
import random
import subprocess
import sys
import time
import unittest
from collections import Counter
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(SOURCE / "tests/support"))

import test_tools
from delta import PROGRAM, extension, tables
from sandbox import Sandbox

KILLS = 49 * int(os.environ.get("TILLRACE_CHAOS_ROUNDS", "1"))
SEED = int(os.environ.get("TILLRACE_CHAOS_SEED", "1"))
# Between looks by the others' readers; ours looks after each.
KILLS_BETWEEN_LOOKS = 10
LONGEST_LIFE_S = 0.6
# As delta_work.h has them, and about how many microseconds each lasts.
PHASES = {"o": ("opening", 15_000), "w": ("writing", 12_000), "c": ("committing", 1_500),
          "k": ("checkpointing", 15_000), "l": ("cleaning the log", 1_500),
          "m": ("compacting", 40_000), "v": ("vacuuming", 1_500)}
LEAST_DEATHS_OF_A_PHASE = KILLS // 49


def setUpModule():
    test_tools.python_modules()


class Killed(unittest.TestCase):
    def setUp(self):
        self.sandbox = Sandbox()
        self.addCleanup(self.sandbox.close)
        self.folder = Path(self.sandbox.path("lake"))
        self.acknowledged = 0
        self.deaths = Counter()

    def live_and_die(self, *how, life_s=None):
        """One life: it prints each mark that it has committed."""
        child = self.sandbox.spawn([PROGRAM, "work", self.folder, "t", *map(str, how)],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if life_s:
            time.sleep(life_s)
            child.kill()
        said, why = child.communicate(timeout=120)
        self.assertEqual(child.returncode, -9, why)
        # A last line that was cut off was never said.
        marks = [int(line) for line in said.split("\n")[:-1]]
        self.acknowledged = max([self.acknowledged, *marks])
        phase = Path(f"{self.folder}.phase")
        self.deaths[phase.read_text(encoding="ascii") if phase.exists() else "o"] += 1

    def rows(self):
        """Each row once, by our reader; the process may have died before it could say the last."""
        ours = [json.loads(line)["id"] for line in tables("read", self.folder, "t")]
        self.assertEqual(sorted(ours), list(range(len(ours))))
        self.assertGreaterEqual(len(ours), self.acknowledged)
        self.assertLessEqual(len(ours), self.acknowledged + 1)
        self.acknowledged = len(ours)
        return ours

    def look_by_others(self):
        from deltalake import DeltaTable
        ours = sorted(self.rows())
        table = DeltaTable(str(self.folder / "t"))
        self.assertEqual(sorted(table.to_pyarrow_table()["id"].to_pylist()), ours)
        self.assertEqual(table.transaction_version("sink"), len(ours))
        scanned = tables("other", self.folder, "t", extension())
        self.assertEqual(sorted(json.loads(line)["id"] for line in scanned), ours)

    def kill(self, number, chance):
        """Every third by the clock, the others inside each phase in turn, more often soon after it
        begins: on a fast machine it is over sooner."""
        if number % 3 == 0:
            self.live_and_die(life_s=chance.uniform(0.02, LONGEST_LIFE_S))
            return
        phase = list(PHASES)[number % len(PHASES)]
        times = 1 if phase in "ol" else chance.randint(1, 3)
        self.live_and_die(phase, times, int(PHASES[phase][1] * chance.random() ** 2))

    def test_every_row_is_there_once(self):
        chance = random.Random(SEED)
        for number in range(1, KILLS + 1):
            self.kill(number, chance)
            if (self.folder / "t/_delta_log/00000000000000000000.json").exists() or \
                    self.acknowledged:
                self.rows()
                if number % KILLS_BETWEEN_LOOKS == 0:
                    self.look_by_others()
        self.assertGreater(self.acknowledged, 0)
        tables("vacuum", self.folder, "t")
        self.look_by_others()
        from deltalake import DeltaTable
        wanted = {Path(path).name for path in DeltaTable(str(self.folder / "t")).file_uris()}
        left = {path.name for path in (self.folder / "t").glob("**/*") if path.is_file()
                and path.parent.name != "_delta_log"}
        self.assertEqual(left, wanted)
        print(f"seed {SEED}: {KILLS} kills, {self.acknowledged} rows; "
              + ", ".join(f"{name} {self.deaths[key]}" for key, (name, _) in PHASES.items()))
        for phase, (name, _) in PHASES.items():
            self.assertGreaterEqual(self.deaths[phase], LEAST_DEATHS_OF_A_PHASE, name)


if __name__ == "__main__":
    unittest.main()
