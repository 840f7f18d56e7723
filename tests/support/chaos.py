"""What the chaos tests share: their seed, their length, and `post` beside them."""

import json
import os
import random
import time

from tillrace import BINARY


def rounds():
    return int(os.environ.get("TILLRACE_CHAOS_ROUNDS", "1"))


def random_of(name):
    seed = int(os.environ.get("TILLRACE_CHAOS_SEED", str(int(time.time()))))
    print(f"{name}: TILLRACE_CHAOS_SEED={seed}, {rounds()} rounds", flush=True)
    return random.Random(f"{name} {seed}")


class Poster:
    """`tillrace post` in the background, at a rate; it tries again by itself."""

    def __init__(self, up, data, events_per_s, batch, name="post"):
        self._out = up.box.path(f"{name}.json")
        with open(self._out, "wb") as out, open(up.box.path(f"{name}.log"), "ab") as log:
            self._process = up.box.spawn(
                [BINARY, "post", data.events, "--url", up.url, "--rate", str(events_per_s),
                 "--batch", str(batch), "--json", "--quiet"],
                stdout=out, stderr=log)

    def is_running(self):
        return self._process.poll() is None

    def finish(self):
        code = self._process.wait()
        with open(self._out, encoding="utf-8") as out:
            said = out.read()
        if code != 0:
            raise AssertionError(f"post ended with {code}: {said}")
        return json.loads(said)
