"""A temporary folder, the processes that work in it, and their certain end.

Every process of a test works in the test's own temporary folder: `tillrace` is started there, and
PostgreSQL enters its data folder, which lies below. So what belongs to a test is told by its
working directory alone, and nothing is ever ended by its name. When the test itself is killed, a
child dies with it (PR_SET_PDEATHSIG), and reaper.py, which waits for the end of a pipe, ends the
rest and removes the folder.
"""

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)
REAPER = Path(__file__).with_name("reaper.py")


def working_in(folder):
    """The processes whose working directory is `folder` or lies below it. Zombies have none."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            directory = os.readlink(f"/proc/{entry}/cwd").removesuffix(" (deleted)")
        except OSError:
            continue
        if directory == folder or directory.startswith(folder + "/"):
            found.append(int(entry))
    return found


def send(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def end_all_in(folder):
    """Ends every process that works in `folder`. PostgreSQL is asked first (SIGQUIT, an immediate
    stop): so it gives its shared memory back."""
    for pid in working_in(folder):
        try:
            is_server = os.path.basename(os.readlink(f"/proc/{pid}/exe")) == "postgres"
        except OSError:
            continue
        send(pid, signal.SIGQUIT if is_server else signal.SIGKILL)
    polite_until = time.monotonic() + 3
    while pids := working_in(folder):
        if time.monotonic() > polite_until:
            for pid in pids:
                send(pid, signal.SIGKILL)
        time.sleep(0.02)
        if time.monotonic() > polite_until + 10:
            raise RuntimeError(f"processes {pids} in {folder} do not end")


def program_environment(extra=None):
    """What a program sees: none of the tests' own TILLRACE_... (tillrace would take them for
    settings, and refuse them)."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("TILLRACE_")}
    return kept | (extra or {})


def die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class Sandbox:
    """with Sandbox() as box: ... A short path below /tmp that any user may pass through, because
    root's PostgreSQL runs as another one."""

    def __init__(self, user=None):
        self.folder = tempfile.mkdtemp(prefix="tr-", dir="/tmp")
        os.chmod(self.folder, 0o755)
        self.user = user
        if user:
            entry = pwd.getpwnam(user)
            os.chown(self.folder, entry.pw_uid, entry.pw_gid)
        self._children = []
        self._reaper = self._start_reaper()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        end_all_in(self.folder)
        for child in self._children:
            child.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
        self._reaper.close()

    def path(self, name):
        return os.path.join(self.folder, name)

    def spawn(self, command, **options):
        """A Popen in the sandbox that dies with this thread: start from the main thread. Its
        environment is program_environment() unless told otherwise."""
        options.setdefault("env", program_environment())
        options.setdefault("cwd", self.folder)
        options.setdefault("stdin", subprocess.DEVNULL)
        if self.user:
            options.update(user=self.user, group=pwd.getpwnam(self.user).pw_gid, extra_groups=[])
        child = subprocess.Popen(
            command, start_new_session=True, preexec_fn=die_with_parent, **options
        )
        self._children.append(child)
        return child

    def _start_reaper(self):
        ours, theirs = os.pipe()
        subprocess.run(
            [sys.executable, "-B", str(REAPER), self.folder],
            stdin=ours, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True,
        )
        os.close(ours)
        return os.fdopen(theirs, "wb")
