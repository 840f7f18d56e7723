"""A real Azurite, Microsoft's emulator of the Blob service, in a test's sandbox."""

import base64
import hashlib
import hmac
import os
import re
import urllib.request
from email.utils import formatdate
from pathlib import Path
from urllib.parse import quote

import test_tools
from tillrace import wait_until

# The account of every Azurite, as its documentation prints it: no secret.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


class Azurite:
    """Listens on a free port; ends with the sandbox. Skips the test where it is absent."""

    def __init__(self, box, container="shop"):
        program = test_tools.node_modules() / "azurite/dist/src/blob/main.js"
        if not program.exists():
            test_tools.absent("Azurite")
        self.container, self._box, self._program = container, box, program
        self._log, self.port = box.path("azurite.log"), 0
        self.start()
        self.endpoint = f"http://127.0.0.1:{self.port}/{ACCOUNT}"
        self._make_container()

    def start(self):
        """After a stop() on the port that it had, with what was in it."""
        folder = self._box.path("azurite")
        os.makedirs(folder, exist_ok=True)
        with open(self._log, "wb") as log:
            self.process = self._box.spawn(
                [test_tools.program("node"), self._program, "--blobPort", str(self.port),
                 "--location", folder, "--disableTelemetry", "--silent", "--skipApiVersionCheck"],
                stdout=log, stderr=log)
        self.port = wait_until(self._find_port, 60, "Azurite listens", 0.05)

    def stop(self):
        self.process.terminate()
        self.process.wait(60)

    @property
    def root(self):
        return f"abfss://{self.container}@{ACCOUNT}.dfs.core.windows.net/lake"

    def settings(self):
        """What makes it the lake of a program."""
        return {
            "TILLRACE_LAKE__ROOT": self.root,
            "TILLRACE_LAKE__ENDPOINT": self.endpoint,
            "TILLRACE_LAKE__CREDENTIAL": "account_key",
            "TILLRACE_LAKE__ACCOUNT_KEY": KEY,
        }

    def environment(self):
        """What DuckDB's delta_scan wants to read it (tests/support/delta_tables.cc): the account
        for its azure extension, and for its Delta library the address of an emulator."""
        return {
            "AZURE_CONNECTION_STRING":
                f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};"
                f"BlobEndpoint={self.endpoint};",
            "AZURITE_BLOB_STORAGE_URL": f"http://127.0.0.1:{self.port}",
        }

    def storage_options(self):
        """What deltalake wants to read it."""
        return {
            "azure_storage_account_name": ACCOUNT,
            "azure_storage_account_key": KEY,
            "azure_storage_endpoint": self.endpoint,
            "azure_storage_use_emulator": "false",
            "azure_allow_http": "true",
            "allow_http": "true",
        }

    def _find_port(self):
        with open(self._log, encoding="utf-8", errors="replace") as log:
            found = re.search(r"listens on http://127\.0\.0\.1:(\d+)\n", log.read())
        return int(found.group(1)) if found else None

    def put_tree(self, folder):
        """All files below the folder, as the lake."""
        for path in sorted(Path(folder).rglob("*")):
            if path.is_file():
                name = f"{self.container}/lake/{path.relative_to(folder).as_posix()}"
                self._put(quote(name), path.read_bytes(), {"x-ms-blob-type": "BlockBlob"})

    def _make_container(self):
        self._put(self.container, b"", {}, "restype=container")

    def _put(self, path, body, headers, query=""):
        """A PUT that is signed with the account's key (the documentation's "Shared Key")."""
        kind = "application/octet-stream"
        headers = headers | {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-08-06"}
        to_sign = "\n".join(
            ["PUT", "", "", str(len(body) or ""), "", kind, "", "", "", "", "", ""]
            + [f"{name}:{headers[name]}" for name in sorted(headers)]
            + [f"/{ACCOUNT}/{ACCOUNT}/{path}"] + ([query.replace("=", ":")] if query else []))
        digest = hmac.new(base64.b64decode(KEY), to_sign.encode(), hashlib.sha256).digest()
        headers["Authorization"] = f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}"
        headers["Content-Type"] = kind
        url = f"{self.endpoint}/{path}" + (f"?{query}" if query else "")
        request = urllib.request.Request(url, body, headers, method="PUT")
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 201, answer.status
