"""Where the database is: a file of this machine, or a PostgreSQL server. Read from the command line by `atlas_ops.cli.pager`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from atlas_ops.errors import UsageError

PASSWORD = "PGPASSWORD"  # noqa: S105 - the name of the variable, not its value
_SCHEMES = ("postgresql", "postgres")
_EXAMPLE = "postgresql://pager@db.example.org/pager"
_OPTIONS = ("host", "sslmode", "sslrootcert")
_SSL_MODES = ("disable", "prefer", "require", "verify-full")


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """A database of a PostgreSQL server. `folder` is that of its Unix socket; empty: it is reached at host and port."""

    host: str
    port: int
    folder: str
    user: str
    database: str
    ssl_mode: str
    ssl_root: str
    """File of the certificates that may sign the server's; empty: those that this machine trusts."""
    password: str = field(repr=False)

    def __str__(self) -> str:
        """Return the address without the password, for people."""
        at = self.folder or f"{self.host}:{self.port}"
        return f"postgresql://{self.user}@{at}/{self.database}"


def read(text: str, environment: Mapping[str, str]) -> Path | Server:
    """Return what `--database` names; UsageError saying what is wrong with it. The password is in the environment."""
    scheme, found, _ = text.partition("://")
    if not found:
        return Path(text)
    if scheme not in _SCHEMES:
        raise _wrong(f"{scheme}:// is no database that the pager knows", f"name a file, or {_EXAMPLE}")
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise _wrong("the address cannot be read", f"expected the form {_EXAMPLE}") from None
    if url.password is not None:
        raise _wrong(
            "a password in the command line can be read by every user of this machine",
            f"leave it out, and set the environment variable {PASSWORD}",
        )
    return _server(url, environment)


def _server(url: URL, environment: Mapping[str, str]) -> Server:
    options = {name: value for name, value in url.query.items() if isinstance(value, str)}
    if unknown := sorted(url.query.keys() - set(_OPTIONS)):
        raise _wrong(f"unknown option {', '.join(unknown)}", f"known are {', '.join(_OPTIONS)}")
    host = url.host or options.get("host", "127.0.0.1")
    mode = options.get("sslmode", "prefer")
    if mode not in _SSL_MODES:
        raise _wrong(f"unknown sslmode {mode}", f"known are {', '.join(_SSL_MODES)}")
    if not url.username or not url.database:
        raise _wrong("the user or the name of the database is missing", f"expected the form {_EXAMPLE}")
    return Server(
        host="" if host.startswith("/") else host,
        port=url.port or 5432,
        folder=host if host.startswith("/") else "",
        user=url.username,
        database=url.database,
        ssl_mode=mode,
        ssl_root=options.get("sslrootcert", ""),
        password=environment.get(PASSWORD, ""),
    )


def _wrong(what: str, next_step: str) -> UsageError:
    return UsageError(f"--database: {what}", next_step=next_step)
