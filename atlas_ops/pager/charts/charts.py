"""Makes the chart of an incident, or says that there is none. Made by `atlas_ops.cli.pager_parts`; asked by the illustrator and the pages.

Trouble with a chart is never trouble with a page: what cannot be asked or drawn in time is left out, and said in the log.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import time
from dataclasses import dataclass
from typing import Literal

from atlas_ops.catalog.model import Catalog
from atlas_ops.errors import AtlasError
from atlas_ops.http_config import HttpConfig
from atlas_ops.pager.charts.gather import Span, gather
from atlas_ops.pager.charts.picture import Picture
from atlas_ops.pager.incident import Alert, Incident
from atlas_ops.prometheus import Prometheus

_LOG = logging.getLogger(__name__)
SECONDS = 3.0
"""How long Prometheus may take for one query of a chart."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Charts:
    """Knows what each fault is judged by, and where Prometheus is."""

    catalog: Catalog
    prometheus_url: str
    http_config: HttpConfig | None = None
    """How to log in there; None: anybody may ask."""

    def picture(self, incident: Incident, alert: Alert | None = None) -> Picture | None:
        """Return what the chart of an alert (default: the gravest of the incident) shows; None when there is none."""
        shown = alert or incident.lead
        fault = self.catalog.fault(shown.fault)
        if fault is None or not available():
            return None
        over = None if shown.firing else shown.ends_at or incident.headline.until
        client = Prometheus(self.prometheus_url, timeout_seconds=SECONDS, http_config=self.http_config)
        try:
            return gather(fault.panel, shown, Span(began=shown.starts_at, over=over, now=time.time()), client)
        except AtlasError as error:
            _LOG.warning("incident %s has no chart: %s", incident.id, error.message)
        except Exception:  # noqa: BLE001 - whatever an answer holds, the page goes out without a chart
            _LOG.exception("incident %s has no chart", incident.id)
        finally:
            client.close()
        return None

    def drawn(self, picture: Picture, form: Literal["png", "svg"], *, dark: bool = False) -> bytes | None:
        """Return it as a file; None when it cannot be drawn."""
        try:
            draw = importlib.import_module("atlas_ops.pager.charts.draw")  # 40 MB that not every pager wants
            drawn: bytes = draw.draw(picture, form, dark=dark)
        except Exception:  # noqa: BLE001 - as above
            _LOG.exception("a chart could not be drawn")
            return None
        return drawn


def available() -> bool:
    """Say whether charts can be drawn: whether the extra `charts` is installed."""
    return importlib.util.find_spec("matplotlib") is not None
