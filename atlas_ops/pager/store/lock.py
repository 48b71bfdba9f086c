"""One pager for one database: two would send every message twice. Called by `pager.store.sqlite`."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import TextIO

from atlas_ops.errors import EnvironmentProblem


def take(database: Path) -> TextIO:
    """Lock the file beside a database; close the result to let go. The kernel lets go when the process dies."""
    try:
        held = database.with_name(database.name + ".lock").open("a", encoding="utf-8")
    except OSError as error:
        raise EnvironmentProblem(
            f"the database {database} cannot be written: {error.strerror}",
            next_step="name a file with --database in a folder that exists and is writable",
        ) from error
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        held.close()
        raise EnvironmentProblem(
            f"another pager uses the database {database}", next_step="stop it, or name another file with --database"
        ) from error
    return held
