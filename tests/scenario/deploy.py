"""deploy/scale-out as it is written there: three gateways behind nginx, three processors, a broker
that wants TLS and a password. One of each is killed while events come in."""

import json
import os
import re
import shutil
import sys
import threading
import unittest
import urllib.error
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

import facts
import test_tools
from kafka import start_servers
from sandbox import Sandbox
from sql import query
from tillrace import SLOWNESS, SOURCE, Up, free_port, run, wait_until

FILES = SOURCE / "deploy/scale-out"
BATCHES, BATCH = 60, 50
PASSWORD = "tillrace-secret"  # tools/kafka.sh


def event(number):
    return {"InvoiceNo": str(100_000 + number), "LineNo": 1, "StockCode": "22423", "Quantity": 2,
            "UnitPrice": 1.25, "InvoiceDate": "2011-03-01T10:00", "Country": "United Kingdom"}


def role_of(unit):
    """That its ExecStart names; the rest of it, folders and ports, the test places elsewhere."""
    line = re.search(r"^ExecStart=(.*)$", (FILES / unit).read_text(encoding="utf-8"), re.M)[1]
    program, role, *flags = line.split()
    assert program == "/usr/local/bin/tillrace", line
    assert flags[::2] == ["--config", "--data-dir", "--listen"], line
    return role


class Deploy(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin"):
            test_tools.absent("nginx")
        cls.box = Sandbox()
        cls.addClassCleanup(cls.box.close)
        cls.broker, server = start_servers(cls.box)
        cls.url = server.url()
        cls.env = {
            "TILLRACE_KAFKA__BROKERS": cls.broker.address("sasl_tls"),
            "TILLRACE_KAFKA__CA_FILE": f"{cls.broker.folder}/ca.pem",
            "TILLRACE_KAFKA__PASSWORD": PASSWORD, "TILLRACE_KAFKA__SESSION_TIMEOUT_MS": "3000"}
        cls.config = ["--config", str(FILES / "shop.toml")]
        run(cls.box, "topics", "create", "ingestion-topic", "--partitions", 6, *cls.config,
            env=cls.env)
        cls.gateways = [cls.server("tillrace-gateway@.service", each, {}) for each in range(3)]
        cls.processors = [
            cls.server("tillrace-processor@.service", each, {"TILLRACE_WAREHOUSE__URL": cls.url})
            for each in range(3)]
        cls.key = cls.gateways[0].run("keys", "create", "till-1", "--scope", "ingest,read",
                                      "--quiet").out.strip()
        for up in [*cls.gateways[1:], *cls.processors]:
            os.makedirs(up.data, exist_ok=True)
            shutil.copy(f"{cls.gateways[0].data}/keys.json", up.data)
        for up in [*cls.gateways, *cls.processors]:
            up.start()
        cls.start_nginx()

    @classmethod
    def server(cls, unit, number, env):
        role = role_of(unit)
        return Up(cls.box, f"{role}-{number}", role=role, env=cls.env | env, flags=cls.config)

    @classmethod
    def start_nginx(cls):
        """The file of the example, with this machine's addresses in it."""
        text = (FILES / "nginx.conf").read_text(encoding="utf-8")
        for at, up in enumerate(cls.gateways, 1):
            text = re.sub(rf"gateway-{at}\.internal:\d+", f"127.0.0.1:{up.port}", text)
        cls.port = free_port()
        text = text.replace("listen 443 ssl;", f"listen 127.0.0.1:{cls.port};")
        text = re.sub(r".*ssl_certificate.*\n", "", text)
        folder = cls.box.path("nginx")
        os.makedirs(folder)
        conf = Path(folder, "nginx.conf")
        conf.write_text("daemon off; pid nginx.pid; error_log stderr; events {}\n"
                        "http { access_log off; client_body_temp_path body; proxy_temp_path proxy;"
                        " fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;\n"
                        f"{text}}}\n", encoding="utf-8")
        nginx = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
        with open(f"{folder}/said", "wb") as said:
            cls.box.spawn([nginx, "-p", folder, "-c", str(conf), "-e", "stderr"], stderr=said,
                          stdout=said)

    def post(self, first):
        body = "\n".join(json.dumps(event(first + i)) for i in range(BATCH))
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/v1/transactions", body.encode(),
            {"Content-Type": "application/x-ndjson", "Authorization": f"Bearer {self.key}"})
        try:
            with urllib.request.urlopen(request, timeout=30 * SLOWNESS) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code
        except urllib.error.URLError:
            return None

    def test_nothing_is_lost_or_doubled_when_one_of_each_dies(self):
        wait_until(lambda: self.post(0) == 201, 20, "nginx and a gateway answer", 0.1)

        def kill():
            self.gateways[1].kill()
            self.processors[2].kill()

        killer = threading.Timer(1, kill)
        killer.start()
        for batch in range(BATCHES):
            wait_until(lambda at=batch: self.post(at * BATCH) == 201, 30, "a batch is taken", 0.1)
        killer.join()
        self.assertFalse(self.gateways[1].runs() or self.processors[2].runs())
        lines = str(BATCHES * BATCH)
        wait_until(lambda: query(self.url, "select count(*) from shop.invoice_line") == [[lines]],
                   60, "all events are there", 0.2)
        sums = query(self.url, facts.SETTINGS + facts.AGREEMENT)
        self.assertTrue(facts.agree(sums), f"the sums do not agree: {sums}")
        self.assertEqual(self.post_without_key(), 401)

    def post_without_key(self):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/v1/transactions", b"{}",
                                         {"Content-Type": "application/json"})
        with self.assertRaises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=30 * SLOWNESS)
        refused.exception.close()
        return refused.exception.code


if __name__ == "__main__":
    unittest.main(verbosity=2)
