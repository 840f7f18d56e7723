"""A PostgreSQL server that is nobody's but the test's: a foreign one to the program."""

import os
import pwd
import signal
import subprocess
from pathlib import Path

from sql import query
from tillrace import free_port, wait_until


def bin_folder():
    """The newest installed PostgreSQL's programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"),
                   key=lambda path: int(path.parts[-3]))
    return found[-1].parent


class ForeignServer:
    """Starts with a database `shop` owned by the role `keeper`, who is no superuser."""

    def __init__(self, box):
        self.box, self.port = box, free_port()
        self.folder = box.path("foreign")
        self.process = None
        self.as_owner = {}
        os.mkdir(self.folder)
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            owner = pwd.getpwnam("postgres")
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
            self.as_owner = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
        made = box.spawn(
            [bin_folder() / "initdb", "--auth=trust", "--username=boss", "--encoding=UTF8",
             "--locale=C", "--no-sync", "--pgdata", self.folder],
            stdout=subprocess.DEVNULL, **self.as_owner)
        if made.wait() != 0:
            raise AssertionError("initdb failed")
        self.start()
        boss = self.url("boss", "postgres")
        query(boss, "create role keeper login password 'kept'")
        query(boss, "create database shop owner keeper")

    def url(self, user="keeper", database="shop"):
        return f"postgresql://{user}:kept@127.0.0.1:{self.port}/{database}"

    def start(self):
        with open(self.box.path("foreign.log"), "ab") as log:
            self.process = self.box.spawn(
                [bin_folder() / "postgres", "-D", self.folder, "-p", str(self.port),
                 "-k", self.folder, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"],
                stdout=log, stderr=log, **self.as_owner)

        def answers():
            try:
                return query(self.url("boss", "postgres"), "select 1")
            except AssertionError:
                return None

        wait_until(answers, 30, "the foreign server answers", 0.05)

    def stop(self):
        """Fast: ends all sessions."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait()
