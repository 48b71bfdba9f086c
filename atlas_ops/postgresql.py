"""Where a PostgreSQL server is, and a way to it: read from addresses on the command line. For the pager's store and late labels.

A password never stands in an address: every user of the machine can read command lines. It comes from the environment.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import URL, Engine, create_engine, make_url
from sqlalchemy.exc import ArgumentError

from atlas_ops.errors import EnvironmentProblem, UsageError

PASSWORD = "PGPASSWORD"  # noqa: S105 - the name of the variable, not its value
SCHEMES = ("postgresql", "postgres")
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


def server(text: str, environment: Mapping[str, str], *, option: str) -> Server:
    """Return the server that an address names; UsageError saying what is wrong with it, and in which `option`."""
    example = f"expected the form {option} {SCHEMES[0]}://user@db.example.org/database"
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise _wrong(option, "the address cannot be read", example) from None
    if url.password is not None:
        raise _wrong(
            option,
            "a password in the command line can be read by every user of this machine",
            f"leave it out, and set the environment variable {PASSWORD}",
        )
    options = {name: value for name, value in url.query.items() if isinstance(value, str)}
    if unknown := sorted(url.query.keys() - set(_OPTIONS)):
        raise _wrong(option, f"unknown option {', '.join(unknown)}", f"known are {', '.join(_OPTIONS)}")
    host = url.host or options.get("host", "127.0.0.1")
    mode = options.get("sslmode", "prefer")
    if mode not in _SSL_MODES:
        raise _wrong(option, f"unknown sslmode {mode}", f"known are {', '.join(_SSL_MODES)}")
    if not url.username or not url.database:
        raise _wrong(option, "the user or the name of the database is missing", example)
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


def engine(of: Server, *, name: str, timeout_seconds: float) -> Engine:
    """Return an engine; `name` is what the server's own lists call its connections. EnvironmentProblem without the driver."""
    url = URL.create(
        "postgresql+pg8000",
        username=of.user,
        password=of.password or None,
        host=of.host or None,
        port=of.port if of.host else None,
        database=of.database,
    )
    arguments: dict[str, object] = {"timeout": timeout_seconds, "application_name": name}
    if of.folder:
        arguments["unix_sock"] = str(Path(of.folder) / f".s.PGSQL.{of.port}")
    else:
        arguments["ssl_context"] = _tls(of)
    try:
        return create_engine(
            url, connect_args=arguments, pool_pre_ping=True, pool_timeout=timeout_seconds, hide_parameters=True
        )
    except ModuleNotFoundError as error:
        raise EnvironmentProblem(
            "the driver of PostgreSQL is not installed", next_step="pip install 'atlas-ops[postgres]'"
        ) from error


def _tls(of: Server) -> ssl.SSLContext | bool | None:
    """Return what pg8000 takes: False for none, None for whatever the server has, True or a context for TLS."""
    match of.ssl_mode:
        case "disable":
            return False
        case "prefer":
            return None
        case "require":
            return True
    try:
        return ssl.create_default_context(cafile=of.ssl_root or None)
    except (OSError, ssl.SSLError) as error:
        raise EnvironmentProblem(
            f"the certificates in {of.ssl_root} cannot be read: {error}", next_step="check sslrootcert"
        ) from error


def _wrong(option: str, what: str, next_step: str) -> UsageError:
    return UsageError(f"{option}: {what}", next_step=next_step)
