"""One `tillrace up`, or another role, on a folder of its own, for benchmarks."""
import json
import lzma
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PROGRAM = os.environ.get("TILLRACE", str(ROOT / "build/release/tillrace"))
REAL_DATA = ROOT.parent / "shared/data/online-retail.csv.xz"
GENERATED_ROWS = 500_000


class Service:
    def __init__(self, *flags, role="up", env=None, pin=None):
        """`env`: more settings; `pin`: the processor that it runs on, and no other."""
        self.folder = tempfile.mkdtemp(prefix="tillrace-bench-")
        os.chmod(self.folder, 0o755)  # PostgreSQL's user passes through when root runs this
        self.data = f"{self.folder}/data"
        self.flags, self.role = flags, role
        self.env = {**os.environ, **(env or {})}
        self.pin = [] if pin is None else ["taskset", "-c", str(pin)]
        self.process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self):
        began = time.time()
        self.launch()
        self.await_ready()
        return time.time() - began

    def launch(self):
        command = [*self.pin, PROGRAM, self.role, "--data-dir", self.data]
        command += ["--listen", "127.0.0.1:0", "--log-level", "warning", *self.flags]
        self.process = subprocess.Popen(command, env=self.env)

    def await_ready(self):
        while self.process.poll() is None:
            ask = [PROGRAM, "status", "--data-dir", self.data, "--json"]
            status = subprocess.run(ask, capture_output=True, env=self.env)
            if status.returncode == 0:
                found = json.loads(status.stdout)
                self.url, self.warehouse = found["http_url"], found["warehouse_url"]
                return
            time.sleep(0.01)
        raise SystemExit(f"tillrace {self.role} ended before it was ready")

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(180)  # the batch in hand is finished first

    def drop_warehouse(self):
        shutil.rmtree(f"{self.data}/postgres")

    def run(self, *arguments):
        command = [PROGRAM, *arguments, "--data-dir", self.data, "--quiet"]
        return subprocess.run(command, check=True, capture_output=True, text=True,
                              env=self.env).stdout

    def sql(self, statement):
        psql = ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", self.warehouse, "-c", statement]
        return subprocess.run(psql, check=True, capture_output=True, text=True).stdout.strip()

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=30) as answer:
            return answer.read().decode()

    def metric(self, name):
        for line in self.get("/metrics").splitlines():
            if line.startswith(f"{name} "):
                return float(line.rsplit(" ", 1)[1])
        raise SystemExit(f"no metric {name}")

    def lag(self):
        lags = json.loads(self.get("/readyz"))["lag"]
        return sum(each["records"] for each in lags if each["sink"] != "lake")

    def first_batch_began(self):
        """When the warehouse's first batch began, in seconds of the epoch."""
        while True:
            began = self.sql("select extract(epoch from min(applied_at)) from stream.batch")
            if began:
                return float(began)

    def events(self):
        """A file of NDJSON, what is in it, and its number of lines."""
        path = f"{self.folder}/events.ndjson"
        if REAL_DATA.exists():
            csv = f"{self.folder}/real.csv"
            with lzma.open(REAL_DATA) as packed, open(csv, "wb") as plain:
                shutil.copyfileobj(packed, plain)
            self.run("convert", csv, "-o", path)
            source = "the real data set"
        else:
            self.run("generate", "--rows", str(GENERATED_ROWS), "--seed", "1", "-o", path)
            source = "generated"
        with open(path, "rb") as lines:
            return path, source, sum(1 for _ in lines)

    def post_all(self):
        path, source, rows = self.events()
        self.run("post", path)
        while self.lag() > 0:
            time.sleep(0.05)
        return source, rows

    def export_rows(self):
        """The rows as they are staged, in a binary file; and bench_rows, a table like it."""
        path = f"{self.folder}/rows.bin"
        self.sql(
            'create table if not exists bench_rows ("offset" bigint, invoice_no text,'
            " event_id uuid, line_no int, stock_code text, description text, quantity int,"
            " invoiced_at timestamptz, unit_price numeric, customer_id text, country text)"
        )
        self.sql(
            "\\copy (select row_number() over (), invoice_no, event_id, line_no, stock_code,"
            " description, quantity, invoiced_at, unit_price, customer_id, country"
            f" from shop.transaction) to '{path}' (format binary)"
        )
        return path

    def peak_rss_mb(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            peak = next(line for line in status if line.startswith("VmHWM"))
        return int(peak.split()[1]) / 1024
