"""Puts an incident and its runbook together as a message. Made by `atlas_ops.cli.pager_parts`; asked by the worker and the pages."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path

from atlas_ops.errors import ConfigError
from atlas_ops.pager.charts.charts import Charts
from atlas_ops.pager.diagnosis import checks
from atlas_ops.pager.diagnosis.checks import Check
from atlas_ops.pager.incident import Incident
from atlas_ops.pager.runbooks import runbook
from atlas_ops.pager.runbooks.runbook import Runbook
from atlas_ops.pager.slack import message
from atlas_ops.pager.slack.blocks import Message
from atlas_ops.pager.slack.message import Reach

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Composer:
    """Knows where the runbooks lie, and where readers find the pager (`pager_url`, without a slash at its end)."""

    runbooks: Path
    pager_url: str
    alertmanager_url: str = ""
    """Where readers find Alertmanager's own page; empty: messages do not lead there."""
    buttons: bool = False
    """Whether Slack tells the pager of buttons that are pressed."""
    escalates: bool = False
    """Whether there is anybody to escalate to."""
    charts: Charts | None = None
    """Draws what an alert is judged by; None: nobody does."""

    def message(self, incident: Incident) -> Message:
        """Return the message of an incident in its present state."""
        reach = Reach(
            pager_url=self.pager_url,
            alertmanager_url=self.alertmanager_url,
            buttons=self.buttons,
            escalates=self.escalates,
        )
        return message.parent(incident, self.runbook(incident.headline.fault), reach, time.time())

    def runbook(self, fault: str) -> Runbook | None:
        """Return the runbook of a fault; None when there is none."""
        return runbook.load(self.runbooks, fault)

    def checks(self, fault: str) -> tuple[Check, ...]:
        """Return the checks of a fault's runbook; none when it has none, or when they cannot be read."""
        book = self.runbook(fault)
        try:
            return checks.read(book.text, f"{fault}.md") if book else ()
        except ConfigError as error:
            _LOG.error("the checks of a runbook are not used: %s", error)
            return ()

    def names(self) -> tuple[tuple[str, str], ...]:
        """Return (family, fault) of every runbook."""
        return runbook.names(self.runbooks)
