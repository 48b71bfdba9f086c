"""What Grafana asks Prometheus when somebody opens a dashboard: the queries of its panels and of its variables, filled in.

As Grafana 11 does it: `All` is the variable's `allValue` as it stands, a chosen value is escaped for a regular expression, the step
comes from the time range and the panel's width, and `$__rate_interval` from the step and the scrape interval.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from atlas_ops.prometheus import Prometheus, QueryRefused
from atlas_ops.stage.processes import get
from tests.render.dashboards.built import Json, queried

PIXELS = 1500
"""Of the screen, which is 24 columns wide."""
SCRAPE_SECONDS = 15
_STEPS = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
"""Seconds between two points as Grafana chooses them."""
_SPECIAL = re.compile(r"[$^*{}\[\]'+?.()|\\]")
_UNITS = {"s": 1, "m": 60, "h": 3600}
_LABEL_VALUES = re.compile(r"label_values\((?:(.*), )?(\w+)\)", re.DOTALL)
Chosen = Mapping[str, str | tuple[str, ...]]
"""{variable: value, or several}; a variable that is not in it stands on All, or on its first value where it has no All."""
Excuse = Callable[[int, str], bool]
"""Says whether a query (the id of its panel, its expression) may have no answer."""


@dataclass(frozen=True, kw_only=True)
class View:
    """A dashboard, opened: its JSON, and the last `hours` until `end` (Unix time)."""

    board: Json
    hours: float
    end: float
    prometheus: Prometheus

    @property
    def start(self) -> float:
        return self.end - 3600 * self.hours

    def step(self, panel: Json, target: Json) -> int:
        """Seconds: about a point for each pixel, but none between two scrapes, or between what the query says (its Min step)."""
        apart = 3600 * self.hours / (PIXELS * panel.get("gridPos", {}).get("w", 24) / 24)
        return max(min(_STEPS, key=lambda step: abs(step - apart)), SCRAPE_SECONDS, _least(target))

    def asked(self, panel: Json, target: Json, chosen: Chosen) -> str:
        """Return the PromQL of a query."""
        least = _least(target) or SCRAPE_SECONDS
        return self.filled(target["expr"], chosen, rate=max(self.step(panel, target) + least, 4 * least))

    def filled(self, text: str, chosen: Chosen, rate: int = 4 * SCRAPE_SECONDS) -> str:
        """Return PromQL with everything in it that Grafana fills in; `rate`: its `$__rate_interval`, seconds."""
        given = {"__rate_interval": f"{rate}s", "__range": f"{3600 * self.hours:.0f}s"}
        all_values = {variable["name"]: variable.get("allValue") for variable in self.variables}
        given |= {name: value for name, value in all_values.items() if value}
        given |= {name: _escaped(value) for name, value in {**self._first(text, chosen), **chosen}.items()}
        # It fails, as it should, for a name that nobody gives.
        return re.sub(r"\$\{?(\w+)\}?", lambda found: given[found[1]], text)

    @property
    def variables(self) -> list[Json]:
        """Return the choices above the dashboard, without the data source."""
        return [one for one in self.board["templating"]["list"] if one["type"] == "query"]

    def values(self, name: str, chosen: Chosen) -> list[str]:
        """Return what can be chosen in a variable."""
        (variable,) = (one for one in self.variables if one["name"] == name)
        found = _LABEL_VALUES.fullmatch(variable["query"]["query"])
        assert found is not None
        asked = {"start": f"{self.start:.0f}", "end": f"{self.end:.0f}"}
        if found[1]:
            asked["match[]"] = self.filled(found[1], chosen)
        status, body = get(f"{self.prometheus.url}/api/v1/label/{quote(found[2])}/values?{urlencode(asked)}")
        assert status == 200, f"{name}: {asked}: {body.decode()}"
        values: list[str] = json.loads(body)["data"]
        return values

    def _first(self, text: str, chosen: Chosen) -> Chosen:
        """Return the first value of each variable without All that the text names and nobody has chosen."""
        alone = [one["name"] for one in self.variables if not one["includeAll"] and one["name"] not in chosen]
        return {
            name: next(iter(self.values(name, chosen)), "") for name in alone if re.search(rf"\$\{{?{name}\b", text)
        }

    def answered(self, panel: Json, target: Json, chosen: Chosen) -> bool:
        """Say whether a query has an answer; QueryRefused when it is none. NaN is one: nobody asked."""
        start = self.end if target["instant"] else self.start
        return bool(
            self.prometheus.query_range(self.asked(panel, target, chosen), start, self.end, self.step(panel, target))
        )

    def unanswered(self, chosen: Chosen, excused: Excuse) -> Iterator[str]:
        """Yield a line for each query that is refused, or has no answer and no excuse."""
        where = ", ".join(f"{name}={value}" for name, value in chosen.items()) or "All"
        for panel in queried(self.board):
            for target in panel["targets"]:
                asked = f"{self.board['uid']}, {panel['title']} {target['refId']} ({where}): {target['expr']}"
                try:
                    if not self.answered(panel, target, chosen) and not excused(panel["id"], target["expr"]):
                        yield f"no data: {asked}"
                except QueryRefused as refused:
                    yield f"{refused.message}: {asked}"


def _least(target: Json) -> int:
    text = target.get("interval", "")
    return int(text[:-1]) * _UNITS[text[-1]] if text else 0


def _escaped(value: str | tuple[str, ...]) -> str:
    # For a text in double quotes, so every backslash is there twice.
    if isinstance(value, tuple):
        return f"({'|'.join(map(_escaped, value))})"
    return _SPECIAL.sub(lambda found: "\\\\" + (r"\\" if found[0] == "\\" else found[0]), value)
