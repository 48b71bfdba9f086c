"""The pager's memory, so that no crash loses a page. Made by `atlas_ops.cli.pager`.

Every method of its parts raises EnvironmentProblem when the database cannot do it.
"""

from __future__ import annotations

import secrets
from pathlib import Path

from atlas_ops.pager.store.absences import Absences
from atlas_ops.pager.store.buckets import Buckets
from atlas_ops.pager.store.charts import ChartFiles
from atlas_ops.pager.store.database import Database
from atlas_ops.pager.store.deeds import Deeds
from atlas_ops.pager.store.diagnoses import Diagnoses
from atlas_ops.pager.store.inbox import Inbox
from atlas_ops.pager.store.incidents import Incidents
from atlas_ops.pager.store.oncall import OnCall
from atlas_ops.pager.store.outbox import Outbox
from atlas_ops.pager.store.reports import Reports
from atlas_ops.pager.store.retention import Retention
from atlas_ops.pager.store.search import Search
from atlas_ops.pager.store.sightings import Sightings
from atlas_ops.pager.store.storms import Storms
from atlas_ops.pager.store.tables import INCIDENTS
from atlas_ops.pager.store.tellings import Tellings
from atlas_ops.postgresql import Server


class Store:
    """The database in a file or on a server, and what can be done with it; its tables are made when they are not there."""

    def __init__(self, address: Path | Server) -> None:
        self._database = Database(address)
        self.inbox = Inbox(self._database)
        self.incidents = Incidents(self._database)
        owner = secrets.token_hex(8)
        self.outbox = Outbox(self._database, owner, INCIDENTS)
        self.storms = Storms(self._database, owner)
        self.buckets = Buckets(self._database)
        self.charts = ChartFiles(self._database)
        self.deeds = Deeds(self._database)
        self.diagnoses = Diagnoses(self._database)
        self.absences = Absences(self._database)
        self.oncall = OnCall(self._database)
        self.sightings = Sightings(self._database)
        self.tellings = Tellings(self._database)
        self.search = Search(self._database)
        self.reports = Reports(self._database)
        self.retention = Retention(self._database)

        if not self._database.shared:
            self.outbox.abandon()
            self.storms.abandon()

    def close(self) -> None:
        """Close the database and let go of it."""
        self._database.close()

    def check(self) -> None:
        """Raise EnvironmentProblem when the database cannot be read."""
        self._database.check()
