"""kill -9 of the whole process, again and again, while a file is posted: in the end every event is
there exactly once, and every fact holds.

`post` runs once, tries again by itself, and sends no event again that was acknowledged; so an
acknowledged event that a kill takes away would be missing in the end. Most kills come at a random
moment after the start, every fourth while the program is starting.

Short form (CI): one round of 20 kills on one data folder. Long form, from the environment:
  TILLRACE_CHAOS_ROUNDS=10   so many rounds, each on a fresh folder (default 1)
  TILLRACE_CHAOS_SEED=42     the moments of an earlier run (default: of the time; it is printed)
"""

import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

import facts
from chaos import Poster, random_of, rounds
from sandbox import Sandbox
from shopdata import Data
from tillrace import Up, free_port

KILLS = 20
EVENTS_PER_S = 12_000  # slow enough that all kills fall into the time of posting
BATCH = 200
LONGEST_LIFE_S = 1.2
LONGEST_START_S = 0.3


class KillTillrace(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.random = random_of("kill_tillrace")
        cls.box = Sandbox()
        cls.addClassCleanup(cls.box.close)
        cls.data = Data(cls.box)

    def test_every_acknowledged_event_is_there_once(self):
        kills = 0
        for number in range(rounds()):
            while kills < KILLS * (number + 1):
                kills += self.one_file(f"data-{number}-{kills}", KILLS * (number + 1) - kills)

    def one_file(self, folder, kills_wanted):
        """Posts the file to a fresh folder under kills; returns how many there were."""
        up = Up(self.box, folder, f"127.0.0.1:{free_port()}", ["--log-level", "warning"])
        with up:
            began = time.monotonic()
            up.start()
            poster = Poster(up, self.data, EVENTS_PER_S, BATCH)
            kills = midway = 0
            while kills < kills_wanted and poster.is_running():
                midway += self.kill_at_a_random_moment(up, kills % 4 == 3)
                kills += 1
            summary = poster.finish()
            caught_up = up.await_lag_0(240)
            print(f"{kills} kills, {midway} of them while ready; posted within"
                  f" {summary['seconds']:.0f} s, {summary['retried_requests']} requests tried"
                  f" again; caught up {caught_up:.1f} s after", flush=True)
            self.check(up, summary)
            self.assertEqual(up.stop()[0], 0)
            print(f"{time.monotonic() - began:.0f} s in all", flush=True)
        return kills

    def kill_at_a_random_moment(self, up, while_starting):
        """Kills it, and starts it again. While starting: that start too. 1 if it was ready."""
        if not while_starting:
            time.sleep(self.random.uniform(0, LONGEST_LIFE_S))
        else:
            up.kill()
            up.launch()
            time.sleep(self.random.uniform(0, LONGEST_START_S))
        self.assertTrue(up.runs(), f"it ended by itself: {up.said()[-2000:]}")
        up.kill()
        up.start()
        return 0 if while_starting else 1

    def check(self, up, summary):
        total = len(self.data.lines)
        self.assertEqual((summary["accepted"], summary["refused"], summary["open"]), (total, 0, 0))
        topics = up.run("topics", "list", "--json").json()
        end = sum(topic["end"] for topic in topics)
        [[inserted, replaced, repeated, rejected, mark]] = up.sql(
            "select inserted, replaced, repeated, rejected, next_offset from stream.checkpoint")
        # Requests whose answer a kill swallowed were sent again: these repeats are legitimate.
        self.assertEqual([int(inserted), int(replaced), int(rejected)], [total, 0, 0])
        self.assertEqual(int(repeated), end - total)
        self.assertEqual(int(mark), end)
        print(f"log: {end} records, {end - total} sent twice", flush=True)
        facts.check_everything(self, up, self.data.lines, self.data.is_real)


if __name__ == "__main__":
    unittest.main(verbosity=2)
