"""Apache Spark with Delta Lake's own implementation, one process for as many statements as wanted
(tools/spark.sh). Starting it takes some seconds."""

import json
import subprocess
from decimal import Decimal

from test_tools import SOURCE, absent

SCRIPT = SOURCE / "tools/spark.sh"
SPARK_IS_MISSING = 3  # the script's exit code


def require_spark():
    """Skips the test where Spark is absent; in CI it fails."""
    fetched = subprocess.run([SCRIPT, "libs"], capture_output=True, text=True)
    if fetched.returncode == SPARK_IS_MISSING:
        absent(f"Apache Spark ({fetched.stderr.strip()})")
    if fetched.returncode != 0:
        raise AssertionError(fetched.stderr)


class Spark:
    def __init__(self, box):
        require_spark()
        with open(box.path("spark.log"), "ab") as log:
            self._process = box.spawn([SCRIPT, "sql", box.path("spark")], text=True,
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)

    def _answer(self, statement):
        self._process.stdin.write(" ".join(statement.split()) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise AssertionError(f"Spark ended at: {statement}")
        return json.loads(line, parse_float=Decimal)

    def sql(self, statement):
        """The rows, a dict each."""
        answer = self._answer(statement)
        if isinstance(answer, dict):
            raise AssertionError(f"{statement}: {answer['error']}")
        return answer
