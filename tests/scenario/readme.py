"""Types every command of README.md, in its order; compares what it prints with what stands there.

    readme.py            the test
    readme.py --update   writes what was printed into README.md

Blocks marked `console` hold commands ("$ ...") and their output. `tillrace up` runs beside them on
a folder of its own. What differs from run to run (ports, passwords, process ids, times, rates) is
not compared.
"""

import os
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))

import sandbox  # noqa: E402
import tillrace  # noqa: E402

README = pathlib.Path(__file__).resolve().parent.parent.parent / "README.md"
BLOCK = re.compile(r"(?<=```console\n)(.*?)(?=```)", re.S)
ADDRESS = "127.0.0.1:8080"

VARIABLE = [
    (r"://tillrace:[0-9a-f]+@127\.0\.0\.1:\d+/", "://tillrace:PASSWORD@127.0.0.1:PORT/"),
    (r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", "FRESH-UUID"),
    (r"[\d,]+ +(?=FRESH-UUID)", "BYTES "),
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\.\d+(Z|\+00)", "TIME"),
    (r"process \d+", "process PID"),
    (r"(?m)^(seconds|events_per_s|requests|topic_bytes) +[\d.,]+", r"\1 N"),
    (r"(?m)^date: .*", "date: TIME"),
    (r"PostgreSQL {2,}ok .*", "PostgreSQL VERSION"),
    (r"[\d.]+ (GB are free|ms to make)", r"N \1"),
    (r"\d+ may be open", "N may be open"),
    (r"tillrace runs here, at \S+", "tillrace runs here"),
    (r"(data folder +ok +)\S+", r"\1FOLDER"),
    (r"(?m)^(lake +)/\S+/lake$", r"\1FOLDER"),
    (r"tillrace_(\w+) [\d.e+]+", r"tillrace_\1 N"),
    (r"\s*\n", "\n"),
    (r"[─ ]{2,}", "  "),
]


def normal(text):
    for pattern, replacement in VARIABLE:
        text = re.sub(pattern, replacement, text)
    return text.strip()


def commands_of(block):
    """[command, expected output] of each; a command goes on behind a backslash."""
    found = []
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append([line[2:], ""])
        elif found and found[-1][0].endswith("\\"):
            found[-1][0] += "\n" + line
        elif found:
            found[-1][1] += line + "\n"
    return found


class Runner:
    def __init__(self, box, up):
        self.folder, self.up = box.path("."), up
        self.address = up.url.removeprefix("http://")
        binary = pathlib.Path(tillrace.BINARY).resolve()
        self.environment = tillrace.environment() | {
            "PATH": f"{binary.parent}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"}

    def run(self, command):
        command = command.replace(ADDRESS, self.address)
        done = subprocess.run(["bash", "-c", command], cwd=self.folder, env=self.environment,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
        self.up.await_lag_0()  # a reader's fingers are slower than the processor
        return done.stdout.decode().replace(self.address, ADDRESS)


def run_block(runner, block, differences):
    out = ""
    for command, expected in commands_of(block):
        printed = runner.run(command)
        if normal(printed) != normal(expected):
            differences.append(f"$ {command}\n--- README.md\n{expected}--- printed\n{printed}")
        printed = re.sub(r"[ \t]+\n", "\n", printed)
        out += f"$ {command}\n{printed}"
        if printed and not printed.endswith("\n"):
            out += "\n"
    return out


def main():
    text = README.read_text(encoding="utf-8")
    differences = []
    with sandbox.Sandbox() as box:
        with tillrace.Up(box, name="tillrace-data") as up:
            up.start()
            runner = Runner(box, up)
            updated = BLOCK.sub(lambda found: run_block(runner, found[0], differences), text)
    if "--update" in sys.argv:
        README.write_text(updated, encoding="utf-8")
        return
    count = sum(len(commands_of(block)) for block in BLOCK.findall(text))
    print(f"{count} commands of README.md typed, {len(differences)} print something else")
    sys.exit("\n".join(differences) if differences else 0)


if __name__ == "__main__":
    main()
