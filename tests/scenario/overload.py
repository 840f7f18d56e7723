"""Twice the load that the gateway can take: it serves on at its full rate, refuses the rest at once
with 429, and its memory stays flat.

The full rate is what a closed loop reaches (open_loop with rate 0: each connection sends again when
it is answered), with the generator beside the gateway; the overload is an open loop at twice that
rate, which does not wait for answers. Refused bodies are read and dropped, so that a connection
can go on; that is a few percent of the work of storing them. With single events it would be most of
it: what a request of one event costs is the two ways through the kernel, stored or refused. There
the gateway takes what its connections bring, and what is beyond that waits at the clients for a
free connection: the test asks that nothing is lost, that what is stored does not fall, that
whatever was sent is answered within 50 ms, and that memory is flat.

What is asked of correctness holds in every round. Rates and times are those of a machine that does
other things too: the full rate is measured before and after, and their mean counts; a round that
misses one is repeated, four times at most.
"""

import json
import os
import subprocess
import sys
import threading
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

from sandbox import Sandbox
from tillrace import BINARY, SLOWNESS, Up, wait_until

OPEN_LOOP = os.environ.get("TILLRACE_OPEN_LOOP",
                           str(Path(BINARY).resolve().parent / "tests/open_loop"))
FULL_S, OVER_S = 4, 8
SERVED_SHARE_MIN, ANSWER_P99_MS_MAX, ROUNDS = 0.9, 50, 5
REFUSAL_MS_MAX = 250  # of any refusal, also one that waited for its connection
# The program and RocksDB's buffers, 64 MB of bodies in flight, 32 MB waiting for the log, and the
# records read from a body beside the body.
RSS_MB_MAX = 350
GROWTH_MAX = 1.15  # of the second half of the overload over the first
EVENT = {"InvoiceNo": "900000", "StockCode": "22423", "Quantity": 1, "UnitPrice": "1.25",
         "InvoiceDate": "2011-05-05 10:00:00", "Country": "France", "LineNo": 1}


def resident_mb(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


class Memory(threading.Thread):
    """Looks at a process's resident memory until stopped."""

    def __init__(self, pid):
        super().__init__()
        self._pid, self._over = pid, threading.Event()
        self.megabytes = []

    def run(self):
        while not self._over.wait(0.1):
            self.megabytes.append(resident_mb(self._pid))

    def stop(self):
        self._over.set()
        self.join()
        half = len(self.megabytes) // 2
        return max(self.megabytes[:half]), max(self.megabytes[half:])


class Overload(unittest.TestCase):
    def load(self, up, events, rate, seconds, connections):
        command = [OPEN_LOOP, up.port, events, f"{rate:.1f}", seconds, connections]
        child = up.box.spawn([str(each) for each in command], stdout=subprocess.PIPE)
        out, _ = child.communicate(timeout=120 * SLOWNESS)
        self.assertEqual(child.returncode, 0)
        figures = json.loads(out)
        print(f"{events} events a request, {rate:,.0f} requests/s: {figures}", flush=True)
        return figures

    def overload(self, up, events, closed, opened):
        """(full rate, the figures under twice that, memory in both halves) with so many
        connections each."""
        def full_rate():
            return self.load(up, events, 0, FULL_S, closed)["201"]["in_time"] / FULL_S
        self.load(up, events, 0, 1, closed)
        before = full_rate()
        memory = Memory(up.process.pid)
        memory.start()
        figures = self.load(up, events, 2 * before, OVER_S, opened)
        grown = memory.stop()
        return (before + full_rate()) / 2, figures, grown

    def check_sound(self, up, figures, memory):
        """What holds on any machine."""
        self.assertEqual((figures["lost"], figures["unanswered"]), (0, 0))
        self.assertLess(max(memory), RSS_MB_MAX * (1 if SLOWNESS == 1 else 3))  # sanitizers
        if SLOWNESS == 1:
            self.assertLess(memory[1], memory[0] * GROWTH_MAX)
        began = time.monotonic()
        wait_until(lambda: up.post(json.dumps(EVENT)) == 201, 10, "it takes events again")
        print(f"an event was stored {time.monotonic() - began:.3f} s after", flush=True)
        self.assertLess(time.monotonic() - began, 1 * SLOWNESS)

    def swift(self, full, figures, answer_ms, memory):
        """Whether it was as fast as it should be."""
        served = figures["201"]["in_time"] / OVER_S / full
        print(f"served {served:.1%} of the full rate, {full:,.0f} requests/s; p99 of answers"
              f" {answer_ms} ms; {memory[0]:.0f} MB, then {memory[1]:.0f} MB", flush=True)
        return served >= SERVED_SHARE_MIN and answer_ms < ANSWER_P99_MS_MAX * SLOWNESS

    def rounds(self, one):
        for _ in range(ROUNDS):
            with Sandbox() as box, Up(box, role="gateway") as up:
                up.start()
                if one(up):
                    return
        self.fail(f"none of {ROUNDS} rounds was as fast as it should be; see above")

    def test_batches_beyond_what_it_can_take_are_refused_at_once(self):
        def one(up):
            full, figures, memory = self.overload(up, 1_000, 64, 700)
            self.assertEqual({each for each in figures if each.isdigit()}, {"201", "429"})
            refused = figures["429"]
            self.assertEqual(refused["retry_after"], refused["count"])
            self.check_sound(up, figures, memory)
            print(f"the slowest refusal took {refused['max_ms']} ms", flush=True)
            return (self.swift(full, figures, refused["p99_ms"], memory)
                    and refused["max_ms"] < REFUSAL_MS_MAX * SLOWNESS)
        self.rounds(one)

    def test_single_events_beyond_what_it_can_take_wait_their_turn(self):
        def one(up):
            full, figures, memory = self.overload(up, 1, 512, 1_000)
            self.check_sound(up, figures, memory)
            return self.swift(full, figures, figures["201"]["p99_sent_ms"], memory)
        self.rounds(one)


if __name__ == "__main__":
    unittest.main(verbosity=2)
