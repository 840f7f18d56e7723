"""A lake in Azurite, and what can go wrong with it."""

import contextlib
import signal

from azurite import Azurite
from bad_proxy import BadProxy

# stopped: nobody listens. frozen: it takes connections and never answers. busy: it answers 503.
# cut: its answers end half way.
TROUBLES = "stopped", "frozen", "busy", "cut"


class BadLake:
    """Azurite behind a BadProxy; ends with the sandbox and close()."""

    def __init__(self, box):
        self.azurite = Azurite(box)
        self.proxy = BadProxy(self.azurite.port)

    def close(self):
        self.proxy.close()

    def settings(self, commit_interval_s):
        ports = f":{self.azurite.port}/", f":{self.proxy.port}/"
        return self.azurite.settings() | {
            "TILLRACE_LAKE__ENDPOINT": self.azurite.endpoint.replace(*ports),
            "TILLRACE_LAKE__COMMIT_INTERVAL_S": str(commit_interval_s),
        }

    @contextlib.contextmanager
    def in_trouble(self, kind):
        """For the duration of a with block; any other kind than those above is none."""
        if kind == "stopped":
            self.azurite.stop()
        elif kind == "frozen":
            self.azurite.process.send_signal(signal.SIGSTOP)
        elif kind in TROUBLES:
            self.proxy.change(kind)
        try:
            yield
        finally:
            if kind == "stopped":
                self.azurite.start()
            self.azurite.process.send_signal(signal.SIGCONT)
            self.proxy.change("pass")

    def offsets(self):
        """Of all events in bronze, sorted, as PyPI deltalake reads them past the proxy."""
        from deltalake import DeltaTable
        table = DeltaTable(f"az://{self.azurite.container}/lake/bronze/transactions",
                           storage_options=self.azurite.storage_options())
        return sorted(table.to_pyarrow_table(columns=["offset"])["offset"].to_pylist())
