"""The program under test: its commands, and `tillrace up` as a service on a folder of its own.

From the environment (tests/CMakeLists.txt sets it): TILLRACE_BINARY, the program (by hand: the
release build); TILLRACE_SLOWNESS, how much longer than usual everything may take (sanitizers).
"""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from decimal import Decimal
from pathlib import Path

from sandbox import program_environment as environment
from sql import Session, query

SOURCE = Path(__file__).resolve().parent.parent.parent
BINARY = os.environ.get("TILLRACE_BINARY", str(SOURCE / "build/release/tillrace"))
SLOWNESS = float(os.environ.get("TILLRACE_SLOWNESS", "1"))


def wait_until(condition, timeout_s=60, what="the condition", pause_s=0.02):
    """The condition's first true value."""
    deadline = time.monotonic() + timeout_s * SLOWNESS
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {timeout_s * SLOWNESS:.0f} s")
        time.sleep(pause_s)
    return value


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def lag_in(ready):
    """The sum of what /readyz tells of all sinks but the lake."""
    return sum(each["records"] for each in ready["lag"] if each["sink"] != "lake")


class Answer:
    """How a command ended and what it said."""

    def __init__(self, arguments, code, out, err):
        self.arguments, self.code, self.out, self.err = arguments, code, out, err

    def json(self):
        return json.loads(self.out, parse_float=Decimal)

    def __str__(self):
        shown = " ".join(map(str, self.arguments))
        return f"`{shown}` ended with {self.code}\nstdout: {self.out}\nstderr: {self.err}"


def run(box, *arguments, expect=0, env=None, stdin="", cwd=None, timeout_s=120, binary=BINARY):
    """Runs a command of the program in the sandbox; any other exit code than `expect` fails."""
    child = box.spawn(
        [binary, *map(str, arguments)], env=environment(env), stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=cwd or box.folder,
    )
    data = stdin if isinstance(stdin, bytes) else stdin.encode()
    try:
        out, err = child.communicate(data, timeout=timeout_s * SLOWNESS)
    except subprocess.TimeoutExpired:
        child.kill()
        raise AssertionError(f"`{' '.join(map(str, arguments))}` does not end") from None
    answer = Answer(arguments, child.returncode, out.decode(), err.decode())
    if expect is not None and answer.code != expect:
        raise AssertionError(f"{expect} expected, but {answer}")
    return answer


class Up:
    """`tillrace up`, or another role of the program (`role`). Its standard error goes to a file,
    shown when something fails."""

    def __init__(self, box, name="data", listen="127.0.0.1:0", flags=(), env=None, binary=BINARY,
                 role="up"):
        self.box, self.data, self.binary, self.role = box, box.path(name), binary, role
        self.listen, self.flags, self.env = listen, list(flags), env
        self.log = box.path(f"{name}.up.log")
        self.process = None
        self.info = {}

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind:
            print(f"--- the last words of {self.log}:\n{self.said()[-4000:]}", flush=True)
        if self.runs():
            self.kill()

    def launch(self):
        with open(self.log, "ab") as log:
            command = [self.binary, self.role, "--data-dir", self.data, "--listen", self.listen]
            self.process = self.box.spawn(
                [*command, *self.flags], env=environment(self.env), stdout=log, stderr=log
            )

    def start(self, timeout_s=60):
        """Starts and waits until `status` says that it is ready; returns the seconds it took."""
        began = time.monotonic()
        self.launch()
        self.await_ready(timeout_s)
        return time.monotonic() - began

    def await_ready(self, timeout_s=60):
        def ready():
            if self.process.poll() is not None:
                raise AssertionError(
                    f"{self.role} ended with {self.process.returncode}:\n{self.said()}")
            answer = self.run("status", "--json", expect=None)
            if answer.code != 0:
                return None
            info = answer.json()
            return info if info["pid"] == self.process.pid else None

        self.info = wait_until(ready, timeout_s, "tillrace up is ready", 0.005)

    @property
    def url(self):
        return self.info["http_url"]

    @property
    def port(self):
        return int(self.url.rsplit(":", 1)[1])

    @property
    def warehouse_url(self):
        return self.info["warehouse_url"]

    def runs(self):
        return self.process is not None and self.process.poll() is None

    def said(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read()

    def run(self, command, *arguments, **options):
        options.setdefault("binary", self.binary)
        options.setdefault("env", self.env)
        return run(self.box, command, *arguments, "--data-dir", self.data, **options)

    def sql(self, statement):
        return query(self.warehouse_url, statement)

    def value(self, statement):
        return self.sql(statement)[0][0]

    def session(self):
        return Session(self.box, self.warehouse_url)

    def stop(self, number=signal.SIGTERM, timeout_s=60):
        """Asks it to end; returns (exit code, seconds)."""
        began = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(timeout_s * SLOWNESS)
        return code, time.monotonic() - began

    def kill(self):
        self.process.kill()
        self.process.wait()

    def server_pid(self):
        """The private PostgreSQL's postmaster."""
        with open(f"{self.data}/postgres/data/postmaster.pid", encoding="ascii") as file:
            return int(file.readline())

    def get(self, path):
        """(status, body) of an HTTP GET."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=10 * SLOWNESS) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with contextlib.closing(error):
                return error.code, error.read().decode()

    def post(self, body, content_type="application/json"):
        """The status of an HTTP POST of events."""
        request = urllib.request.Request(
            self.url + "/v1/transactions", body.encode(), {"Content-Type": content_type}
        )
        try:
            with urllib.request.urlopen(request, timeout=30 * SLOWNESS) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            with contextlib.closing(error):
                return error.code

    def readiness(self):
        return json.loads(self.get("/readyz")[1])

    def metric(self, name, labels=""):
        """The sum of a metric's samples whose labels contain `labels`; None without any."""
        pattern = re.compile(rf"^{re.escape(name)}(\{{[^}}]*\}})? (\S+)$", re.MULTILINE)
        found = [
            float(value) for these, value in pattern.findall(self.get("/metrics")[1])
            if labels in these
        ]
        return sum(found) if found else None

    def lag(self):
        """Records in the log that a sink has not, of what this process reads. The lake, which
        takes its time, does not count."""
        return lag_in(self.readiness())

    def caught_up(self):
        ready = self.readiness()
        return ready["warehouse"] == "writing" and lag_in(ready) == 0

    def await_lag_0(self, timeout_s=120):
        began = time.monotonic()
        wait_until(self.caught_up, timeout_s, "the warehouse has caught up", 0.05)
        return time.monotonic() - began
