"""SQL by psql, the client that people use."""

import csv
import io
import os
import subprocess

PSQL = ["psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"]


def environment():
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "TILLRACE_"))}
    return kept | {"PGCONNECT_TIMEOUT": "20", "PGTZ": "UTC", "PGCLIENTENCODING": "UTF8"}


def query(url, statement):
    """The rows of the answer, as lists of texts; null is None."""
    done = subprocess.run(
        [*PSQL, "--csv", "--tuples-only", "--pset=null=\\N", url], env=environment(),
        input=statement, capture_output=True, text=True,
    )
    if done.returncode != 0:
        raise AssertionError(f"{statement}\n{done.stderr}")
    rows = csv.reader(io.StringIO(done.stdout))
    return [[None if cell == "\\N" else cell for cell in row] for row in rows]


def copy_out(url, statement):
    """The answer in COPY's text form, as bytes."""
    done = subprocess.run(
        [*PSQL, "--command", f"copy ({statement}) to stdout", url], env=environment(),
        capture_output=True,
    )
    if done.returncode != 0:
        raise AssertionError(f"{statement}\n{done.stderr.decode()}")
    return done.stdout


class Session:
    """One connection that stays, for statements that must see the same snapshot."""

    END = "-- end of the answer --"

    def __init__(self, box, url):
        command = [*PSQL, "--csv", "--tuples-only", "--pset=null=\\N", url]
        self._psql = box.spawn(
            command, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, bufsize=1,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._psql.stdin.close()
        self._psql.wait()
        self._psql.stdout.close()

    def query(self, statement):
        self._psql.stdin.write(f"{statement};\n\\echo {self.END}\n")
        self._psql.stdin.flush()
        lines = []
        while (line := self._psql.stdout.readline()) and line.strip() != self.END:
            lines.append(line)
        if not line:
            raise AssertionError(f"{statement}\n{''.join(lines)}")
        return [[None if cell == "\\N" else cell for cell in row] for row in csv.reader(lines)]
