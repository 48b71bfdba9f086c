"""What three headers of a scrape ask for. Whatever else they hold, they never cost the client its page.

Called by `exporter.service` and `session`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

_OPENMETRICS = "application/openmetrics-text"
_TEXT_RANGES = ("*/*", "text/*", "text/plain")
"""From the vaguest to the most exact: of those that came, the most exact one counts (RFC 9110, section 12.5.1)."""


def wants_openmetrics(accept: str) -> bool:
    """Say whether OpenMetrics 1.0 is preferred to the text format, which is cheaper and what everybody else gets.

    Only its own name asks for it: a browser that takes anything is no reason. Prometheus names it first.
    """
    openmetrics, text, rank = 0.0, 0.0, -1
    for name, parameters, quality in _offers(accept):
        if name == _OPENMETRICS and parameters.get("version", "1.0.0") == "1.0.0":
            openmetrics = max(openmetrics, quality)
        elif name in _TEXT_RANGES and _TEXT_RANGES.index(name) >= rank:
            text = quality if _TEXT_RANGES.index(name) > rank else max(text, quality)
            rank = _TEXT_RANGES.index(name)
    named = rank == len(_TEXT_RANGES) - 1
    return openmetrics > text or (openmetrics == text > 0 and not named)


def accepts_gzip(accept_encoding: str) -> bool:
    """Say whether the answer may be compressed."""
    found = {name: quality for name, _, quality in _offers(accept_encoding)}
    return found.get("gzip", found.get("*", 0.0)) > 0


def scrape_seconds(header: str) -> float | None:
    """Return X-Prometheus-Scrape-Timeout-Seconds; None when it is no positive number."""
    try:
        seconds = float(header)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds > 0 else None


def _offers(header: str) -> Iterator[tuple[str, dict[str, str], float]]:
    """Yield (name, parameters, quality) of each offer. One whose quality is no number from 0 to 1 is no offer."""
    for offer in header.lower().split(","):
        name, *rest = (part.strip() for part in offer.split(";"))
        parameters = {key.strip(): value.strip(' \t"') for key, _, value in (part.partition("=") for part in rest)}
        try:
            quality = float(parameters.pop("q", "1"))
        except ValueError:
            continue
        if 0 <= quality <= 1:
            yield name, parameters, quality
