"""Where the database is: a file of this machine, or a PostgreSQL server. Read from the command line by `atlas_ops.cli.pager`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from atlas_ops import postgresql
from atlas_ops.errors import UsageError

OPTION = "--database"


def read(text: str, environment: Mapping[str, str]) -> Path | postgresql.Server:
    """Return what `--database` names; UsageError saying what is wrong with it. The password is in the environment."""
    scheme, found, _ = text.partition("://")
    if not found:
        return Path(text)
    if scheme not in postgresql.SCHEMES:
        raise UsageError(
            f"{OPTION}: {scheme}:// is no database that the pager knows",
            next_step="name a file, or postgresql://pager@db.example.org/pager",
        )
    return postgresql.server(text, environment, option=OPTION)
