"""Load by wrk, nginx to compare with, and who used the processors meanwhile."""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

EVENTS = str(pathlib.Path(__file__).with_name("events.lua"))
TICKS = os.sysconf("SC_CLK_TCK")
PROCESSORS = os.cpu_count()

NGINX = """
worker_processes {workers};
daemon off;
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} reuseport;
    location / {{ return 201; }}
  }}
}}
"""


class Nginx:
    """nginx that answers everything with 201: in a folder of its own, nobody's service."""

    def __init__(self, workers):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._folder = tempfile.TemporaryDirectory(prefix="tillrace-nginx-")
        config = pathlib.Path(self._folder.name, "nginx.conf")
        config.write_text(NGINX.format(workers=workers, port=self.port, folder=config.parent))
        program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
        command = [program, "-p", self._folder.name, "-c", str(config), "-e", "stderr"]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        self.pid = self._process.pid

    def __enter__(self):
        deadline = time.monotonic() + 10
        while True:
            try:
                urllib.request.urlopen(self.url, timeout=5).close()
                return self
            except (urllib.error.URLError, OSError):
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit("nginx does not answer") from None
                time.sleep(0.02)

    def __exit__(self, *_):
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(30)
        self._folder.cleanup()


def family(pid):
    """A process and its children."""
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in family(int(child)))]


def cpu_seconds(pids):
    """Of processes, all their threads, in user and kernel."""
    total = 0
    for pid in pids:
        try:
            stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
        except FileNotFoundError:  # a child of PostgreSQL's that has ended
            continue
        fields = stat.rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def busy_seconds():
    """Of all processors, whoever used them; of a virtual machine, also what others took."""
    with open("/proc/stat", encoding="ascii") as stat:
        user, nice, system, _, _, irq, softirq, steal = map(int, stat.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / TICKS


class Round:
    """One run of wrk against a server: its figures, and each one's share of the processors."""

    def __init__(self, url, pid, connections, events, seconds, threads):
        pids = family(pid)
        server, busy, began = cpu_seconds(pids), busy_seconds(), time.monotonic()
        command = ["wrk", "-t", str(threads), "-c", str(connections), "-d", f"{seconds}s",
                   "-s", EVENTS, f"{url}/v1/transactions", "--", str(events)]
        wrk = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        said = wrk.stdout.read()
        _, status, used = os.wait4(wrk.pid, 0)
        wrk.returncode = status
        took = (time.monotonic() - began) * PROCESSORS
        self.figures = json.loads(said.strip().splitlines()[-1]) if status == 0 else {}
        if not self.figures or self.figures["not_2xx"] or self.figures["failed"]:
            raise SystemExit(f"wrk ended with {status}, or not all was answered 2xx: {said}")
        self.rate = self.figures["requests"] / self.figures["seconds"]
        self.server = (cpu_seconds(pids) - server) / took
        self.generator = (used.ru_utime + used.ru_stime) / took
        self.all = (busy_seconds() - busy) / took

    def per_processor_second(self):
        return self.rate / ((self.server + self.generator) * PROCESSORS)
