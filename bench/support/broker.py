"""A Kafka broker of the benchmark's own."""
import pathlib
import shutil
import subprocess
import tempfile

SCRIPT = str(pathlib.Path(__file__).resolve().parent.parent.parent / "tools" / "kafka.sh")


class Broker:
    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="tillrace-kafka-")
        subprocess.run([SCRIPT, "start", self.folder], check=True)
        ports = subprocess.run([SCRIPT, "ports", self.folder], check=True, capture_output=True,
                               text=True).stdout
        self.address = dict(line.split("=") for line in ports.split())["plain"]
        return self

    def __exit__(self, *_):
        subprocess.run([SCRIPT, "stop", self.folder], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def topic(self, name, partitions):
        """Makes it; returns the settings by which the program uses it."""
        subprocess.run([SCRIPT, "topic", self.folder, name, str(partitions)], check=True,
                       capture_output=True)
        return {"TILLRACE_LOG__KIND": "kafka", "TILLRACE_LOG__TOPIC": name,
                "TILLRACE_KAFKA__BROKERS": self.address}
