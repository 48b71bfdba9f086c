"""What fills in the placeholders of a runbook for one alert. Pure; asked by the message, the pages and the diagnosis."""

from __future__ import annotations

from atlas_ops.catalog import conventions
from atlas_ops.pager import times
from atlas_ops.pager.incident import Alert
from atlas_ops.pager.runbooks.placeholder import Values

DEFAULT_PROMETHEUS = "http://127.0.0.1:9090"
"""Stands in a command when the alert does not say which Prometheus it comes from: its own default address."""


def values(alert: Alert) -> Values:
    """Return what is known of an alert, by the names that runbooks use."""
    known = {word: alert.word(word) for word in conventions.ALERT_LABELS}
    return {
        **{name: value for name, value in alert.labels.items() if value},
        **{word: value for word, value in known.items() if value},
        "started_at": times.moment(alert.starts_at),
        "prometheus": _prometheus(alert),
    }


def _prometheus(alert: Alert) -> str:
    """Return the address of the Prometheus that evaluated the rule, for commands that ask it."""
    address, found, _ = alert.generator_url.partition("/graph?")
    return address if found else DEFAULT_PROMETHEUS
