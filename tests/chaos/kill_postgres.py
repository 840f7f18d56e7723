"""kill -9 of PostgreSQL while a file is posted: of the postmaster, and of single backends (which
the server answers by restarting). The gateway goes on accepting, the processor by itself; in the
end every event is there exactly once, and every fact holds. The warehouse commits asynchronously,
so each kill takes back what was committed last, and its mark with it.

Short form (CI): one round. Long form, from the environment:
  TILLRACE_CHAOS_ROUNDS=10   so many rounds, each on a fresh folder (default 1)
  TILLRACE_CHAOS_SEED=42     the moments of an earlier run (default: of the time; it is printed)
"""

import signal
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

import facts
from chaos import Poster, random_of, rounds
from sandbox import Sandbox, send, working_in
from shopdata import Data
from tillrace import Up, wait_until

SERVER_KILLS, BACKEND_KILLS = 6, 3
EVENTS_PER_S = 12_000  # slow enough that the kills fall into the time of posting
BATCH = 200
LONGEST_LIFE_S = 1.5


def backends_of(folder):
    """PostgreSQL's processes that serve a session."""
    found = []
    for pid in working_in(folder):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                title = file.read()
        except OSError:
            continue
        if title.startswith(b"postgres: ") and b" tillrace tillrace " in title:
            found.append(pid)
    return found


class KillPostgres(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.random = random_of("kill_postgres")
        cls.box = Sandbox()
        cls.addClassCleanup(cls.box.close)
        cls.data = Data(cls.box)

    def test_every_acknowledged_event_is_there_once(self):
        for number in range(rounds()):
            self.one_round(f"data-{number}")

    def one_round(self, folder):
        up = Up(self.box, folder, flags=["--log-level", "warning"])
        with up:
            began = time.monotonic()
            up.start()
            poster = Poster(up, self.data, EVENTS_PER_S, BATCH)
            kinds = [self.kill_server] * SERVER_KILLS + [self.kill_backend] * BACKEND_KILLS
            self.random.shuffle(kinds)
            midway, away = 0, []
            for kill in kinds:
                time.sleep(self.random.uniform(0.2, LONGEST_LIFE_S))
                midway += kill == self.kill_server and poster.is_running()
                away.append(self.survives(up, kill))
            summary = poster.finish()
            caught_up = up.await_lag_0(240)
            print(f"{len(kinds)} kills, {SERVER_KILLS} of the server, {midway} of these midway;"
                  f" writing again after {min(away):.1f} to {max(away):.1f} s; caught up"
                  f" {caught_up:.1f} s after the last event", flush=True)
            self.check(up, summary)
            self.assertEqual(up.stop()[0], 0)
            print(f"{time.monotonic() - began:.0f} s in all", flush=True)
        self.assertGreaterEqual(midway, 5, "the kills came after the last event was posted")

    def survives(self, up, kill):
        """Kills, waits until it writes again and comes further; returns the seconds."""
        began = time.monotonic()
        kill(up)
        self.assertTrue(up.runs())
        self.assertEqual(up.get("/readyz")[0], 200)  # it can accept

        def writes_again():
            return up.readiness()["warehouse"] == "writing" and mark_of(up) is not None

        wait_until(writes_again, 60, "the processor writes again", 0.05)
        before = mark_of(up) or 0
        wait_until(lambda: up.caught_up() or (mark_of(up) or 0) > before, 60,
                   "the mark moves on", 0.05)
        return time.monotonic() - began

    def kill_server(self, up):
        pid = up.server_pid()
        self.assertIn(pid, working_in(up.data), "the postmaster is not ours")
        send(pid, signal.SIGKILL)

    def kill_backend(self, up):
        pids = wait_until(lambda: backends_of(up.data), 30, "a backend serves tillrace")
        send(self.random.choice(pids), signal.SIGKILL)

    def check(self, up, summary):
        total = len(self.data.lines)
        self.assertEqual((summary["accepted"], summary["refused"], summary["open"]), (total, 0, 0))
        # The gateway needs no PostgreSQL: nobody was kept waiting.
        self.assertEqual(summary["retried_requests"], 0)
        [counts] = up.sql("select inserted, replaced, repeated, rejected, next_offset"
                          " from stream.checkpoint")
        self.assertEqual(list(map(int, counts)), [total, 0, 0, 0, total])
        facts.check_everything(self, up, self.data.lines, self.data.is_real)


def mark_of(up):
    """The mark that PostgreSQL has; None while it does not answer."""
    try:
        rows = up.sql("select sum(next_offset) from stream.checkpoint")
    except AssertionError:
        return None
    return int(rows[0][0] or 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
