"""A real PostgreSQL server in a temporary folder, on a Unix socket alone. For the tests of the pager's store."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from atlas_ops.errors import EnvironmentProblem
from atlas_ops.postgresql import Server

USER = "pager"
_ACCOUNT = "postgres"
"""Debian's account for the server, which refuses to be run by root."""


class Postgres:
    """A running server with one database."""

    def __init__(self, folder: Path, programs: Path, guard: list[str], *, durable: bool) -> None:
        self._folder = folder
        self._programs = programs
        self._guard = guard
        self._options = ["-k", str(folder), "-c", "listen_addresses=", "-c", "max_connections=60"]
        self._options += [] if durable else ["-F"]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server, also again after `kill`, and wait until it takes connections."""
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *self._guard,
                    str(self._programs / "postgres"),
                    "-D",
                    str(self._folder / "data"),
                    "-F",
                    *self._options,
                ],
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + 30
        while self._ask("SELECT 1").returncode != 0:
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise EnvironmentProblem(f"PostgreSQL does not start:\n{(self._folder / 'log').read_text()}")
            time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End the server and its connections; SIGQUIT: as a crash would."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(30)

    def database(self) -> Server:
        """Empty the database and return its address. A new one each time would be 7 MB of files each."""
        emptied = self._ask(f"DROP SCHEMA IF EXISTS public CASCADE; CREATE SCHEMA public AUTHORIZATION {USER}", USER)
        assert emptied.returncode == 0, emptied.stderr
        return Server(
            host="",
            port=5432,
            folder=str(self._folder),
            user=USER,
            database=USER,
            ssl_mode="",
            ssl_root="",
            password="",
        )

    def _ask(self, statement: str, database: str = "postgres") -> subprocess.CompletedProcess[str]:
        client = str(self._programs / "psql")
        command = [client, "-h", str(self._folder), "-U", "admin", "-d", database, "-qc", statement]
        return subprocess.run(command, capture_output=True, text=True, check=False)


@contextmanager
def running(*, durable: bool = False) -> Iterator[Postgres]:
    """Start a server; EnvironmentProblem when it is not installed. `durable`: it waits for the disk."""
    programs = _programs()
    with tempfile.TemporaryDirectory(prefix="atlas-pg-", ignore_cleanup_errors=True) as made:
        folder = Path(made)
        guard = ["setpriv", "--pdeathsig", "INT"]
        if os.geteuid() == 0:
            account = pwd.getpwnam(_ACCOUNT)
            os.chown(folder, account.pw_uid, account.pw_gid)
            guard += [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
        server = Postgres(folder, programs, [*guard, "--"], durable=durable)
        arguments = ["-D", str(folder / "data"), "-U", "admin", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"]
        subprocess.run([*guard, "--", str(programs / "initdb"), *arguments], check=True, capture_output=True)
        try:
            server.start()
            server._ask(f"CREATE ROLE {USER} LOGIN")
            server._ask(f"CREATE DATABASE {USER} OWNER {USER}")
            yield server
        finally:
            with contextlib.suppress(ProcessLookupError):
                server.stop(signal.SIGQUIT)  # nothing of it is kept, so nothing needs to be written


def _programs() -> Path:
    """Return the folder of the server's programs, which Debian keeps out of the path."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if found := shutil.which("postgres"):
        folders.append(Path(found).resolve().parent)
    complete = [
        folder for folder in folders if all((folder / name).exists() for name in ("initdb", "postgres", "psql"))
    ]
    if not complete:
        raise EnvironmentProblem("PostgreSQL is not installed", next_step="apt-get install postgresql")
    return complete[-1]
