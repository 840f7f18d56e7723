"""`./run demo --exit`, installing and building apart: the first thing that a newcomer types."""

import os
import subprocess
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

from sandbox import Sandbox
from tillrace import BINARY, SLOWNESS, SOURCE, environment

ROWS = 2_000


class Demo(unittest.TestCase):
    def run_demo(self, box):
        child = box.spawn(
            ["bash", str(SOURCE / "tools/demo.sh"), str(Path(BINARY).resolve()), "--exit"],
            cwd=box.path("."), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env=environment() | {"TILLRACE_DEMO_ROWS": str(ROWS), "TMPDIR": box.path("tmp")})
        said = child.communicate(timeout=120 * SLOWNESS)[0]
        self.assertEqual(child.returncode, 0, said)
        for title in ("Total sales", "Top 10 products", "spend to date", "Where things are"):
            self.assertIn(title, said)
        self.assertRegex(said, rf"accepted +{ROWS:,}\n")
        return said

    def test_shows_the_answers_and_a_second_run_changes_nothing(self):
        with Sandbox() as box:
            for folder in ("build", "tmp"):
                os.makedirs(box.path(folder), exist_ok=True)
            first, second = self.run_demo(box), self.run_demo(box)
        totals = [said[said.index("== Total sales"):said.index("== Where things are")]
                  for said in (first, second)]
        self.assertEqual(*totals)


if __name__ == "__main__":
    unittest.main(verbosity=2)
