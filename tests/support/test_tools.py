"""The validators and clients that `tools/install.sh test` installs, found; where one is absent a
test is skipped and says why, but in CI, where everything must be, it fails."""

import os
import shutil
import site
import subprocess
import sys
import unittest
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent.parent
INSTALL = "`tools/install.sh test` installs it"


def folder():
    command = ["bash", str(SOURCE / "tools/install.sh"), "--test-tools"]
    return Path(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip())


def absent(what):
    reason = f"{what} is absent; {INSTALL}"
    if os.environ.get("CI"):
        raise AssertionError(reason)
    raise unittest.SkipTest(reason)


def python_modules():
    """Makes what tools/requirements-test.txt names importable."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    found = folder() / f"python/lib/python{version}/site-packages"
    if not found.is_dir():
        absent(f"the folder of validators and clients for Python {version}")
    site.addsitedir(str(found))


def program(name):
    """The path of a program: of the machine, or of the folder."""
    return shutil.which(name) or shutil.which(name, path=folder() / "bin") or absent(name)


def node_modules():
    """The folder of what tools/npm/package.json names."""
    found = folder() / "npm/node_modules"
    return found if found.is_dir() else absent("the folder of Node's clients")


def pictures():
    """Where a test leaves what a person may want to look at."""
    cache = os.environ.get("TILLRACE_TEST_CACHE", SOURCE / "build/test-data")
    made = Path(cache) / "pictures"
    made.mkdir(parents=True, exist_ok=True)
    return made
