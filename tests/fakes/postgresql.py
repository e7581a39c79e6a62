"""A PostgreSQL of one's own, in a folder, from Debian's binaries: as an account of its own where we are root."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

MISSING = "PostgreSQL's server is missing: on Debian, apt-get install postgresql"


@dataclass(frozen=True, kw_only=True)
class Server:
    """A PostgreSQL in a folder, run by `account`: the server refuses to be run by root."""

    initdb: str
    control: str
    folder: Path
    account: pwd.struct_passwd | None

    def make(self) -> None:
        """An empty cluster in the folder."""
        like_everywhere = ("-E", "UTF8", "--locale=C")
        self._run(self.initdb, "-A", "trust", "-U", "pressrun", "-N", *like_everywhere, "-D", self.folder / "data")

    def start(self) -> str:
        """Starts it on a socket in the folder, with no port. Returns its URL."""
        options = f"-c listen_addresses='' -k {self.folder} -F"
        self._control("-w", "-l", self.folder / "log", "-o", options, "start")
        return self.url()

    def url(self, database: str = "postgres") -> str:
        """The address of one of its databases."""
        return f"postgresql+psycopg2://pressrun@/{database}?host={self.folder}"

    def stop(self) -> None:
        """Ends it as a crash would: what was committed is found again when it starts."""
        if (self.folder / "data" / "postmaster.pid").exists():
            self._control("-w", "-m", "immediate", "stop")

    def _control(self, *arguments: str | Path) -> None:
        self._run(self.control, "-D", self.folder / "data", *arguments)

    def _run(self, *command: str | Path) -> None:
        ids = {"user": self.account.pw_uid, "group": self.account.pw_gid, "extra_groups": []} if self.account else {}
        # Output goes to a file: a started server would hold a pipe open and its reader would wait for it to end.
        with (self.folder / "said").open("w+b") as said:
            done = subprocess.run(command, cwd=self.folder, stdout=said, stderr=subprocess.STDOUT, check=False, **ids)
        if done.returncode:
            words = (self.folder / "said").read_text(errors="replace")
            pytest.fail(f"{Path(command[0]).name} ended with {done.returncode}: {words}")


@contextmanager
def postgresql_server() -> Iterator[Server]:
    """A server that runs; the test is skipped where there is none to run."""
    initdb, control = _tool("initdb"), _tool("pg_ctl")
    if not initdb or not control:
        pytest.skip(MISSING)
    account = _unprivileged()
    server = Server(initdb=initdb, control=control, folder=_folder(account), account=account)
    try:
        server.make()
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(server.folder)


def _tool(name: str) -> str | None:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=_release)
    return shutil.which(name) or (str(found[-1]) if found else None)


def _release(tool: Path) -> float:
    release = tool.parent.parent.name
    return float(release) if release.replace(".", "", 1).isdigit() else 0.0


def _unprivileged() -> pwd.struct_passwd | None:
    """Whom to run the server as; None where we are not root and may run it ourselves."""
    if os.geteuid() != 0:
        return None
    names = {account.pw_name: account for account in pwd.getpwall() if account.pw_uid != 0}
    found = names.get("postgres") or names.get("nobody")
    if found is None:
        pytest.skip("PostgreSQL refuses root, and there is neither a user postgres nor a user nobody to run it as")
    return found


def _folder(account: pwd.struct_passwd | None) -> Path:
    """Outside pytest's folders, which root alone may enter; and short, for a socket's path has 107 characters."""
    folder = Path(tempfile.mkdtemp(prefix="pressrun-pg-", dir="/tmp"))
    if account:
        os.chown(folder, account.pw_uid, account.pw_gid)
    return folder
