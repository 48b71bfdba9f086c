"""The pager's memory, so that no crash loses a page. Made by `atlas_ops.cli.pager`.

Every method of its parts raises EnvironmentProblem when the database cannot do it.
"""

from __future__ import annotations

from pathlib import Path

from atlas_ops.pager.store.database import Database
from atlas_ops.pager.store.diagnoses import Diagnoses
from atlas_ops.pager.store.inbox import Inbox
from atlas_ops.pager.store.incidents import Incidents
from atlas_ops.pager.store.outbox import Outbox


class Store:
    """The database at a path, and what can be done with it; created when it is not there."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path)
        self.inbox = Inbox(self._database)
        self.incidents = Incidents(self._database)
        self.outbox = Outbox(self._database)
        self.diagnoses = Diagnoses(self._database)

    def close(self) -> None:
        """Close the database and let go of it."""
        self._database.close()

    def check(self) -> None:
        """Raise EnvironmentProblem when the database cannot be read."""
        self._database.check()
